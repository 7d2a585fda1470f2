use std::{fmt, io};

use crate::sync::Arc;
use crate::sys::{self, seam::Wake as _};
use crate::wake_flag::WakeFlag;
use crate::{Registry, Token};

/// Wakes a [`Poll`] from another thread.
///
/// [`Waker::wake`] makes the poll that the waker was made for return an event with
/// the waker's token: the call that is running, or if there is none, the next
/// one (a later one if [`Events`](crate::Events) has no room). Such an event [is readable](crate::event::Event::is_readable).
///
/// Wakes that come before the poll has delivered the event unite into one: the
/// count of wakes is not kept, and whatever a thread wrote before it woke is
/// visible to the thread that handles the event.
///
/// # Rules
///
/// * A poll has *one* waker at a time, to be shared by all threads that want to
///   wake it (`Arc<Waker>`). A second one while the first lives is an error of
///   the program: debug builds panic; in release builds both wake.
/// * The waker lives as long as it shall be heard: an event that is not yet
///   delivered when its waker is dropped may be lost.
/// * Only [`Poll::poll`] may take events from the poll's descriptor. A waker that
///   a child process inherited through `fork` is not supported.
/// * A wake that is coalesced with an earlier one relies on that one's system call,
///   and cannot report its failure.
///
/// # Portability
///
/// | system | what rings |
/// |---|---|
/// | Linux, Android, illumos, hermit, ESP-IDF | an `eventfd(2)` |
/// | macOS and its kin, FreeBSD, DragonFly | a user event, `EVFILT_USER` |
/// | Solaris | an event that is sent to the port, `port_send(3C)` |
/// | Windows | a packet that is posted to the completion port |
/// | all others | a pipe |
///
/// `--cfg mio_unsupported_force_waker_pipe` selects the pipe on every Unix with epoll, kqueue or
/// poll(2); the event ports of Solaris have no other waker.
///
/// There is none on WASI, where nobody could wake, and on Horizon, which has nothing to do it with.
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
pub struct Waker {
    flag: Arc<WakeFlag>,
    /// Whether `flag` is ours. If another live waker has it, wakes of this one
    /// are all sent.
    coalesces: bool,
    waker: sys::Waker,
}

impl Waker {
    /// Makes the waker of `registry`'s poll, whose events carry `token`.
    ///
    /// # Errors
    ///
    /// Those of making a descriptor (`EMFILE`, `ENFILE`) and of registering it.
    ///
    /// # Panics
    ///
    /// In debug builds, if the poll has a living waker already; it does not
    /// matter through which clone of the registry either was made.
    ///
    /// # Portability
    ///
    /// `eventfd` and `epoll_ctl` on Linux; `kevent`; none on Solaris and Windows.
    #[doc(alias = "eventfd")]
    pub fn new(registry: &Registry, token: Token) -> io::Result<Waker> {
        let flag = Arc::clone(registry.wake_flag());
        let coalesces = flag.claim();
        debug_assert!(
            coalesces,
            "Only a single `Waker` can be active per `Poll` instance"
        );
        match sys::Waker::new(registry.selector(), token) {
            Ok(waker) => Ok(Waker {
                flag,
                coalesces,
                waker,
            }),
            Err(error) => {
                if coalesces {
                    flag.release();
                }
                Err(error)
            }
        }
    }

    /// Wakes the poll.
    ///
    /// While an earlier wake is undelivered, this costs an atomic operation
    /// and no system call.
    ///
    /// # Errors
    ///
    /// Those of writing to an eventfd or a pipe, or of posting a packet; none is to be
    /// expected. A full counter or pipe is not an error.
    ///
    /// # Portability
    ///
    /// `write` to an eventfd on Linux; `kevent`, `port_send`, `PostQueuedCompletionStatus`.
    #[doc(alias = "PostQueuedCompletionStatus")]
    #[inline]
    pub fn wake(&self) -> io::Result<()> {
        if self.coalesces && !self.flag.raise() {
            return Ok(());
        }
        match self.waker.wake() {
            Err(error) => self.take_back(error),
            sent => sent,
        }
    }

    /// What to do about a wake that could not be sent.
    #[cold]
    fn take_back(&self, error: io::Error) -> io::Result<()> {
        if self.coalesces {
            self.flag.retract();
        }
        Err(error)
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        if self.coalesces {
            self.flag.release();
        }
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waker").field("waker", &self.waker).finish()
    }
}
