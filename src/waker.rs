use std::{fmt, io};

use crate::sync::Arc;
use crate::sys::{self, backend::Wake as _};
use crate::wake_flag::WakeFlag;
use crate::{Registry, Token};

/// Wakes a [`Poll`] from another thread.
///
/// [`Waker::wake`] makes the poll return an event with the waker's token. If a call to
/// [`Poll::poll`] is running, that call returns the event; otherwise the next one does, or a later
/// one if [`Events`](crate::Events) has no room. The event [is
/// readable](crate::event::Event::is_readable).
///
/// Wakes are coalesced: until the poll has delivered the event, further wakes produce no second
/// one, and their number is not counted. Everything a thread wrote before it called `wake` is
/// visible to the thread that handles the event.
///
/// # Rules
///
/// * A poll has *one* waker at a time. Share it (`Arc<Waker>`) between all threads that wake the
///   poll. Creating a second waker while the first exists is a bug in the program: debug builds
///   panic; in release builds both wake the poll.
/// * Give the waker a token of its own. If a source of the poll has the same one, a wake may be
///   reported twice.
/// * Keep the waker alive until its events have been delivered; dropping it may discard a pending
///   one.
/// * Only [`Poll::poll`] may take events from the poll's descriptor. Using a waker that a child
///   process inherited through `fork` is not supported.
/// * A wake that is coalesced with an earlier one relies on the earlier system call, and cannot
///   report its failure.
///
/// # Portability
///
/// | system | mechanism |
/// |---|---|
/// | Linux, Android, illumos, hermit, ESP-IDF | [eventfd(2)] |
/// | macOS and other Apple systems, FreeBSD, DragonFly BSD | a [kqueue(2)] user event, `EVFILT_USER` |
/// | Solaris | an event sent to the port with [port_send(3C)] |
/// | Windows | a packet posted to the completion port with [`PostQueuedCompletionStatus`] |
/// | all others | a pipe |
///
/// `--cfg mio_unsupported_force_waker_pipe` selects the pipe on every Unix that uses epoll, kqueue
/// or poll(2). It has no effect on Solaris.
///
/// WASI has no `Waker`: there is no other thread to wake the poll from. Horizon has none either,
/// because it offers no mechanism to implement one with.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::thread;
///
/// use mio::{Events, Poll, Token, Waker};
///
/// const WAKE: Token = Token(10);
///
/// # fn main() -> std::io::Result<()> {
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(2);
/// let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
///
/// let remote = Arc::clone(&waker);
/// let thread = thread::spawn(move || remote.wake());
///
/// poll.poll(&mut events, None)?;
/// let event = events.iter().next().expect("the wake arrived");
/// assert_eq!(event.token(), WAKE);
/// # thread.join().unwrap()?;
/// # Ok(())
/// # }
/// ```
///
/// [`Poll`]: crate::Poll
/// [`Poll::poll`]: crate::Poll::poll
/// [eventfd(2)]: https://man7.org/linux/man-pages/man2/eventfd.2.html
/// [kqueue(2)]: https://man.freebsd.org/cgi/man.cgi?query=kqueue&sektion=2
/// [port_send(3C)]: https://illumos.org/man/3C/port_send
/// [`PostQueuedCompletionStatus`]: https://learn.microsoft.com/en-us/windows/win32/fileio/postqueuedcompletionstatus
pub struct Waker {
    /// Coalesces the wakes. `None` if another live waker has claimed the flag of the poll: this
    /// one then sends every wake.
    flag: Option<Arc<WakeFlag>>,
    waker: Arc<sys::Waker>,
}

impl Waker {
    /// Creates the waker of `registry`'s poll. Its events carry `token`.
    ///
    /// # Errors
    ///
    /// Fails if the descriptor cannot be created (`EMFILE`, `ENFILE`) or registered.
    ///
    /// # Panics
    ///
    /// In debug builds, panics if the poll already has a live waker, whichever clone of the
    /// registry it was created with.
    ///
    /// # Portability
    ///
    /// Calls [`eventfd`] and [`epoll_ctl`] on Linux and [`kevent`] on kqueue systems with user
    /// events, and makes no system call on Solaris and Windows.
    ///
    /// [`eventfd`]: https://man7.org/linux/man-pages/man2/eventfd.2.html
    /// [`epoll_ctl`]: https://man7.org/linux/man-pages/man2/epoll_ctl.2.html
    /// [`kevent`]: https://man.freebsd.org/cgi/man.cgi?query=kevent&sektion=2
    #[doc(alias = "eventfd")]
    pub fn new(registry: &Registry, token: Token) -> io::Result<Waker> {
        let waker = Arc::new(sys::Waker::new(registry.selector(), token)?);
        let flag = registry.wake_flag();
        let is_claimed = flag.claim(&waker, token);
        debug_assert!(
            is_claimed,
            "Only a single `Waker` can be active per `Poll` instance"
        );
        let flag = is_claimed.then(|| Arc::clone(flag));
        Ok(Waker { flag, waker })
    }

    /// Wakes the poll.
    ///
    /// A wake costs one atomic operation and no system call while an earlier one has not been
    /// delivered, and while the poll is not blocked in [`Poll::poll`](crate::Poll::poll): that poll
    /// then finds the wake itself. The system call is made
    ///
    /// * if the poll is blocked;
    /// * if it has waited 64 times since the last wake, because by then it no longer expects one;
    /// * if its descriptor was handed out through `AsFd` or `AsRawFd`, so that whatever waits for
    ///   that descriptor sees the wake.
    ///
    /// # Errors
    ///
    /// Returns the error of the system call. A full eventfd counter or pipe is not an error,
    /// because the poll is already going to wake up.
    ///
    /// # Portability
    ///
    /// Calls [`write`] on an eventfd on Linux; [`kevent`]; [`port_send`];
    /// [`PostQueuedCompletionStatus`].
    ///
    /// [`write`]: https://man7.org/linux/man-pages/man2/write.2.html
    /// [`kevent`]: https://man.freebsd.org/cgi/man.cgi?query=kevent&sektion=2
    /// [`port_send`]: https://illumos.org/man/3C/port_send
    /// [`PostQueuedCompletionStatus`]: https://learn.microsoft.com/en-us/windows/win32/fileio/postqueuedcompletionstatus
    #[doc(alias = "PostQueuedCompletionStatus")]
    #[inline]
    pub fn wake(&self) -> io::Result<()> {
        if matches!(&self.flag, Some(flag) if !flag.raise()) {
            return Ok(());
        }
        match self.waker.wake() {
            Err(error) => self.take_back(error),
            sent => sent,
        }
    }

    /// Retracts a wake that could not be sent.
    #[cold]
    fn take_back(&self, error: io::Error) -> io::Result<()> {
        if let Some(flag) = &self.flag {
            flag.retract();
        }
        Err(error)
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        if let Some(flag) = &self.flag {
            flag.release();
        }
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waker").field("waker", &self.waker).finish()
    }
}
