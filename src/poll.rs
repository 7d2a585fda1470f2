use std::time::Duration;
use std::{fmt, io};

use crate::sys::seam::Selector as _;
use crate::{Events, Registry};

/// Waits for readiness of any number of registered sources.
///
/// A `Poll` owns an event queue of the operating system. [Sources] are put into
/// it through its [`Registry`]; [`Poll::poll`] then blocks until one of them is
/// ready, a [`Waker`] wakes it, or a timeout passes, and fills an [`Events`].
///
/// # Examples
///
/// A listener and a client that meet in one poll:
///
/// ```
/// use std::io;
/// use std::time::Duration;
///
/// use mio::net::{TcpListener, TcpStream};
/// use mio::{Events, Interest, Poll, Token};
///
/// const LISTENER: Token = Token(0);
/// const CLIENT: Token = Token(1);
///
/// # fn main() -> io::Result<()> {
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(16);
///
/// let mut listener = TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
/// poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
///
/// let mut client = TcpStream::connect(listener.local_addr()?)?;
/// poll.registry().register(&mut client, CLIENT, Interest::WRITABLE)?;
///
/// let (mut accepted, mut connected) = (false, false);
/// while !(accepted && connected) {
///     poll.poll(&mut events, Some(Duration::from_secs(5)))?;
///     assert!(!events.is_empty(), "nothing happened for five seconds");
///     for event in &events {
///         match event.token() {
///             LISTENER => accepted = listener.accept().is_ok(),
///             CLIENT => connected = event.is_writable() && client.peer_addr().is_ok(),
///             other => unreachable!("{other:?} was never registered"),
///         }
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Readiness is a hint
///
/// An event says that an operation is *worth trying*. Events may be spurious (the
/// data were taken by somebody else, a checksum failed, another thread was
/// faster): every operation may still answer [`WouldBlock`], and a program must
/// take that as "not yet".
///
/// # Draining
///
/// Registrations are edge-triggered unless their [`Interest`] says otherwise:
/// after an event, the next one in that direction is certain only once an
/// operation has returned [`WouldBlock`]. Until then the source has to be assumed ready. A short
/// read or write of a byte stream can take the place of the `WouldBlock`, but not of every stream:
/// the [guide](crate::guide#reading-drain) lists the exceptions, and shows the loops that follow
/// from this.
///
/// # Deregistering
///
/// Dropping a source closes it, which ends its registration as long as
/// nobody else holds the same open file: after [`try_clone`]-like duplication, or
/// in a child process that inherited the descriptor, the system goes on
/// reporting events for it. [`Registry::deregister`] first, then drop.
///
/// On poll(2), event ports and Windows a registered source shares ownership of the poll's
/// descriptors: after the `Poll` was dropped they stay open until its sources are deregistered or
/// dropped as well.
///
/// # Implementation
///
/// | system | selector |
/// |---|---|
/// | Linux, Android, illumos, Redox | `epoll(7)` |
/// | macOS and its kin, the BSDs | `kqueue(2)` |
/// | Solaris | event ports, `port_create(3C)` |
/// | Windows | requests of the AFD device, on an I/O completion port |
/// | all others | `poll(2)`; on any Unix under `--cfg mio_unsupported_force_poll_poll` |
///
/// On a system with a descriptor for the queue (epoll, kqueue, event ports), `Poll`
/// implements `AsFd` and `AsRawFd`, so that it can be waited for by another
/// poll. Only [`Poll::poll`] may take events from it.
///
/// [Sources]: crate::event::Source
/// [`Waker`]: crate::Waker
/// [`Interest`]: crate::Interest
/// [`WouldBlock`]: io::ErrorKind::WouldBlock
/// [`try_clone`]: std::net::TcpStream::try_clone
pub struct Poll {
    registry: Registry,
}

impl Poll {
    /// Makes a poll with nothing registered in it.
    ///
    /// # Errors
    ///
    /// That of the system, chiefly that the process (`EMFILE`) or the machine
    /// (`ENFILE`) has no descriptor left.
    ///
    /// # Portability
    ///
    /// `epoll_create1(EPOLL_CLOEXEC)`, `kqueue`, `port_create`, `CreateIoCompletionPort`. The
    /// poll(2) backend has no queue in the kernel; it makes the descriptor that interrupts
    /// a running poll.
    #[doc(alias = "epoll_create1")]
    #[doc(alias = "kqueue")]
    #[cfg(feature = "os-poll")]
    pub fn new() -> io::Result<Poll> {
        let registry = Registry::new()?;
        Ok(Poll { registry })
    }

    /// The registry that sources of this poll are registered with.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Blocks until at least one event is there, `timeout` has passed, or a
    /// signal came, and puts what is ready into `events`, whose former
    /// content is dropped.
    ///
    /// At most [`Events::capacity`] events are taken. What found no room is not
    /// lost: the next call reports it.
    ///
    /// # Timeout
    ///
    /// * `None` waits for an event for ever.
    /// * A zero duration looks and returns at once.
    /// * Any other is the *least* time that passes before the call returns
    ///   without events. It is rounded up to what the system can tell apart:
    ///   nanoseconds on Linux where the C library and the kernel (since 5.11) have
    ///   `epoll_pwait2`, on kqueue and Solaris; milliseconds elsewhere on Linux, for
    ///   poll(2) and on Windows, where the system's clock ticks coarser still.
    ///   A sandbox that answers `ENOSYS` or `EPERM` to `epoll_pwait2` makes it milliseconds
    ///   from then on. One that kills the process for that call cannot be detected:
    ///   `--cfg mio_unsupported_no_pwait2` never makes it.
    ///   Where epoll knows milliseconds only, a duration is cut to 24 days, the
    ///   longest that it can hold; elsewhere there is no such limit.
    ///
    /// # Errors
    ///
    /// * [`Interrupted`]: a signal interrupted the call. It is not repeated, so that
    ///   the program can look at what its signal handler left; nothing is lost by
    ///   calling again. No handler need have run: on Linux `epoll_wait` also returns `EINTR` when
    ///   the process was stopped and continued (`SIGSTOP`, a terminal's Ctrl-Z, a debugger). See
    ///   [`signal(7)`](https://man7.org/linux/man-pages/man7/signal.7.html).
    /// * [`InvalidInput`]: `events` has a capacity of zero. No system call is made.
    /// * Others as the system gives them; none is to be expected from a poll
    ///   whose descriptor nobody closed.
    ///
    /// After an error `events` is empty.
    ///
    /// # Portability
    ///
    /// `epoll_wait` or, when `timeout` has a fraction of a millisecond,
    /// `epoll_pwait2` on Linux; `kevent`; `port_getn`; `GetQueuedCompletionStatusEx`, after an
    /// `NtDeviceIoControlFile` for every source that is to be watched anew; `poll` for the
    /// poll(2) backend, which answers `InvalidInput` when the process's limit on descriptors was
    /// lowered below the number of registered ones.
    ///
    /// [`Interrupted`]: io::ErrorKind::Interrupted
    /// [`InvalidInput`]: io::ErrorKind::InvalidInput
    #[doc(alias = "epoll_wait")]
    #[doc(alias = "epoll_pwait2")]
    #[doc(alias = "kevent")]
    #[doc(alias = "GetQueuedCompletionStatusEx")]
    #[doc(alias = "select")]
    #[inline]
    pub fn poll(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        let buffer = events.buffer_mut();
        buffer.clear();
        if buffer.capacity() == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "cannot poll into an `Events` of capacity zero",
            ));
        }
        self.registry.selector().select(buffer, timeout)?;
        if !buffer.is_empty() {
            self.registry.wake_flag().clear();
        }
        Ok(())
    }
}

impl fmt::Debug for Poll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poll")
            .field("registry", &self.registry)
            .finish()
    }
}
