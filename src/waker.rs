use std::{fmt, io};

use crate::sync::Arc;
use crate::sys::{self, backend::Wake as _};
use crate::wake_flag::WakeFlag;
use crate::{Registry, Token};

/// Wakes a [`Poll`] from another thread.
///
/// [`Waker::wake`] makes the poll return an event with the waker's token. If a call to
/// [`Poll::poll`] is running, that call returns the event; otherwise the next call does, or a later
/// one if [`Events`](crate::Events) is full. The event [is
/// readable](crate::event::Event::is_readable).
///
/// Wakes are coalesced: all wakes until the poll delivers the event are reported by that one event,
/// and are not counted. Everything a thread wrote before it called `wake` is visible to the thread
/// that handles the event.
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
/// WASI has no `Waker`: there is no other thread to wake the poll from. Neither has Horizon, which
/// offers no mechanism to implement one.
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
    /// On epoll, calls [`eventfd`], or [`pipe2`] where the waker is a pipe, and [`epoll_ctl`]. On
    /// kqueue, calls [`fcntl`] to duplicate the queue and [`kevent`] to add the user event; where
    /// the waker is a pipe, creates it and registers it with [`kevent`]. The poll(2) backend,
    /// Solaris and Windows need no system call.
    ///
    /// [`eventfd`]: https://man7.org/linux/man-pages/man2/eventfd.2.html
    /// [`pipe2`]: https://man7.org/linux/man-pages/man2/pipe2.2.html
    /// [`epoll_ctl`]: https://man7.org/linux/man-pages/man2/epoll_ctl.2.html
    /// [`fcntl`]: https://man7.org/linux/man-pages/man2/fcntl.2.html
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
    /// A wake costs one atomic operation and usually no system call: an earlier wake has not been
    /// delivered yet, or the poll is not blocked in [`Poll::poll`](crate::Poll::poll) and finds the
    /// wake itself. The system call is made only if no wake is pending and
    ///
    /// * the poll is blocked; or
    /// * the poll has not been woken yet, or not during its last 64 waits, and therefore does not
    ///   check for wakes itself; or
    /// * the poll's descriptor was handed out through `AsFd` or `AsRawFd`, because other code may
    ///   be waiting for it.
    ///
    /// # Errors
    ///
    /// Returns the error of the system call. A full eventfd counter or pipe is not an error: an
    /// earlier wake is still pending in it.
    ///
    /// # Portability
    ///
    /// Calls [`write`] where the waker is an eventfd or a pipe (on epoll and kqueue, a pipe is
    /// emptied with [`read`] first, and so is the eventfd of illumos), [`kevent`] where it is a user
    /// event, [`port_send`] on Solaris, and [`PostQueuedCompletionStatus`] on Windows.
    ///
    /// [`write`]: https://man7.org/linux/man-pages/man2/write.2.html
    /// [`read`]: https://man7.org/linux/man-pages/man2/read.2.html
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
