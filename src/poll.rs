use std::time::{Duration, Instant};
use std::{fmt, io};

use crate::event::Event;
use crate::sys::backend::Selector as _;
use crate::wake_flag::Woken;
use crate::{Events, Registry};

/// Waits for readiness events from any number of registered sources.
///
/// A `Poll` owns an event queue of the operating system. [Sources] are added to it through its
/// [`Registry`]. [`Poll::poll`] then blocks until a source is ready, a [`Waker`] wakes the poll, or
/// a timeout expires, and stores the events in an [`Events`].
///
/// # Examples
///
/// A listener and a client registered with the same poll:
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
///             LISTENER => loop {
///                 match listener.accept() {
///                     Ok(_connection) => accepted = true,
///                     Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
///                     Err(error) => return Err(error),
///                 }
///             },
///             CLIENT => connected = client.is_connected()?,
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
/// An event means that an operation is *worth trying*. Events may be spurious: another thread or
/// process may have taken the data, or the checksum of a datagram may have been wrong. Every
/// operation may still return [`WouldBlock`], which a program must treat as "not yet".
///
/// # Draining
///
/// Registrations are edge-triggered unless their [`Interest`] specifies another mode: after an
/// event, the next one in the same direction is guaranteed only once an operation has returned
/// [`WouldBlock`]. Until then, assume that the source is still ready. A short read or write on a
/// byte stream can take the place of the `WouldBlock`, but not on every stream. The
/// [guide](crate::guide#reading-drain) shows the loop and lists the exceptions.
///
/// # Deregistering
///
/// Dropping a source closes its descriptor, which ends the registration only if no other descriptor
/// refers to the same open file. With a duplicate (from [`try_clone`], for example) or in a child
/// process that inherited the descriptor, the system continues to report events for it. On kqueue,
/// the hang-up of a pipe that was registered without a reader is reported even after the pipe was
/// dropped. Call [`Registry::deregister`] before dropping the source.
///
/// On poll(2), event ports and Windows, a registered source shares ownership of the poll's
/// descriptors. After the `Poll` is dropped, they stay open until its sources have been
/// deregistered or dropped as well. A [`Waker`] and a Windows named pipe, even a deregistered one,
/// keep them open until they are dropped.
///
/// # Implementation
///
/// | system | selector |
/// |---|---|
/// | Linux, Android, illumos, Redox | [epoll(7)] |
/// | macOS and other Apple systems, the BSDs | [kqueue(2)] |
/// | Solaris | event ports, [port_create(3C)] |
/// | Windows | requests to the AFD device, on an [I/O completion port] |
/// | all others | [poll(2)]; on any Unix with `--cfg mio_unsupported_force_poll_poll` |
///
/// On systems where the event queue is a descriptor (epoll, kqueue, event ports), `Poll` implements
/// `AsFd` and `AsRawFd`, so that it can itself be registered with another poll. From then on, every
/// wake that is not coalesced makes a system call. Do not call `epoll_wait` or its equivalents on the
/// descriptor: only [`Poll::poll`] may take events from it.
///
/// [Sources]: crate::event::Source
/// [`Waker`]: crate::Waker
/// [`Interest`]: crate::Interest
/// [`WouldBlock`]: io::ErrorKind::WouldBlock
/// [`try_clone`]: std::net::TcpStream::try_clone
/// [epoll(7)]: https://man7.org/linux/man-pages/man7/epoll.7.html
/// [kqueue(2)]: https://man.freebsd.org/cgi/man.cgi?query=kqueue&sektion=2
/// [port_create(3C)]: https://illumos.org/man/3C/port_create
/// [I/O completion port]: https://learn.microsoft.com/en-us/windows/win32/fileio/i-o-completion-ports
/// [poll(2)]: https://man7.org/linux/man-pages/man2/poll.2.html
pub struct Poll {
    registry: Registry,
    /// How many of the following polls look out for wakes that were not sent.
    attention: u8,
}

/// The number of polls after a wake that look out for further ones. It costs them two atomic
/// operations, which would be wasted on a poll that is never woken.
const ATTENTION: u8 = 64;

impl Poll {
    /// Creates a poll without any registered sources.
    ///
    /// Requires the feature `os-poll`.
    ///
    /// # Errors
    ///
    /// Fails with `EMFILE` or `ENFILE` when the process or the system has run out of descriptors.
    ///
    /// # Portability
    ///
    /// Calls [`epoll_create1`] with `EPOLL_CLOEXEC` on epoll, [`kqueue`] on kqueue, [`port_create`]
    /// on Solaris, and [`CreateIoCompletionPort`] on Windows. The poll(2) backend has no event
    /// queue in the kernel; it creates the descriptor that interrupts a running poll.
    ///
    /// [`epoll_create1`]: https://man7.org/linux/man-pages/man2/epoll_create1.2.html
    /// [`kqueue`]: https://man.freebsd.org/cgi/man.cgi?query=kqueue&sektion=2
    /// [`port_create`]: https://illumos.org/man/3C/port_create
    /// [`CreateIoCompletionPort`]: https://learn.microsoft.com/en-us/windows/win32/fileio/createiocompletionport
    #[doc(alias = "epoll_create1")]
    #[doc(alias = "kqueue")]
    #[cfg(feature = "os-poll")]
    pub fn new() -> io::Result<Poll> {
        let registry = Registry::new()?;
        Ok(Poll {
            registry,
            attention: 0,
        })
    }

    /// Returns the registry with which sources are registered with this poll.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Waits for events and stores them in `events`, replacing its previous contents.
    ///
    /// Blocks until at least one event is available, `timeout` has expired, or a signal interrupts
    /// the call. At most [`Events::capacity`] events are stored. Further events are not lost: the
    /// next call returns them.
    ///
    /// # Timeout
    ///
    /// * `None` waits indefinitely.
    /// * [`Duration::ZERO`] checks for events and returns immediately.
    /// * Any other duration is the *minimum* time that passes before the call returns without
    ///   events. It is rounded up to the resolution of the system call: nanoseconds on kqueue, on
    ///   Solaris, and on Linux where the C library and the kernel (since 5.11) support
    ///   `epoll_pwait2`; milliseconds elsewhere on Linux, with poll(2), and on Windows, where the
    ///   system timer is coarser still.
    ///
    /// If `epoll_pwait2` fails with `ENOSYS`, `EPERM`, `EACCES` or `EOPNOTSUPP`, as it does in some
    /// sandboxes, timeouts have a resolution of milliseconds from then on. A sandbox that kills the
    /// process for this call cannot be detected; build with `--cfg mio_unsupported_no_pwait2` so
    /// that it is never made. Where epoll supports only milliseconds, a timeout is capped at 24
    /// days, the longest it can represent; other backends have no such limit.
    ///
    /// # Errors
    ///
    /// * [`Interrupted`]: a signal interrupted the call. The call is not restarted, so that the
    ///   program can act on what its signal handler recorded. No event is lost by calling again.
    ///   This can happen without a signal handler: on Linux, `epoll_wait` also fails with `EINTR`
    ///   when the process is stopped and continued (by `SIGSTOP`, Ctrl-Z in a terminal, or a
    ///   debugger); see [signal(7)].
    /// * [`InvalidInput`]: `events` has a capacity of zero. No system call is made.
    /// * [`InvalidInput`]: with the poll(2) backend, the process's limit on descriptors has been
    ///   lowered below the number of registered ones.
    /// * Any other error of the system call. None is expected unless the poll's descriptor was
    ///   closed by other code.
    ///
    /// After an error, `events` is empty.
    ///
    /// # Portability
    ///
    /// Calls [`epoll_wait`] on epoll (on Linux [`epoll_pwait2`] if `timeout` has a fraction of a
    /// millisecond or exceeds 24 days), [`kevent`] on kqueue, [`port_getn`] on Solaris, and [`poll`]
    /// with the poll(2) backend. On Windows, calls [`NtDeviceIoControlFile`] for each source whose
    /// request has to be renewed, then [`GetQueuedCompletionStatusEx`].
    ///
    /// [`Interrupted`]: io::ErrorKind::Interrupted
    /// [`InvalidInput`]: io::ErrorKind::InvalidInput
    /// [signal(7)]: https://man7.org/linux/man-pages/man7/signal.7.html
    /// [`epoll_wait`]: https://man7.org/linux/man-pages/man2/epoll_wait.2.html
    /// [`epoll_pwait2`]: https://man7.org/linux/man-pages/man2/epoll_pwait2.2.html
    /// [`kevent`]: https://man.freebsd.org/cgi/man.cgi?query=kevent&sektion=2
    /// [`port_getn`]: https://illumos.org/man/3C/port_getn
    /// [`poll`]: https://man7.org/linux/man-pages/man2/poll.2.html
    /// [`NtDeviceIoControlFile`]: https://learn.microsoft.com/en-us/windows/win32/api/winternl/nf-winternl-ntdeviceiocontrolfile
    /// [`GetQueuedCompletionStatusEx`]: https://learn.microsoft.com/en-us/windows/win32/fileio/getqueuedcompletionstatusex-func
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
        if self.attention > 0 {
            return self.poll_attentively(buffer, timeout);
        }
        self.registry.selector().select(buffer, timeout)?;
        if !buffer.is_empty() && self.registry.wake_flag().is_pending() {
            self.pay_attention(buffer);
        }
        Ok(())
    }

    /// Notes a wake, and that more are likely.
    #[cold]
    fn pay_attention(&mut self, events: &[Event]) {
        self.registry.wake_flag().wake_up(true, false, events);
        self.attention = ATTENTION;
    }

    /// Polls so that a wake needs no system call while this poll does not block.
    #[cold] // What is done there outweighs the call.
    fn poll_attentively(
        &mut self,
        events: &mut Vec<Event>,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        let flag = self.registry.wake_flag();
        let blocks = timeout != Some(Duration::ZERO);
        let sleeps = blocks && flag.fall_asleep();
        let wait = if sleeps {
            timeout
        } else {
            Some(Duration::ZERO)
        };
        let selected = self.registry.selector().select(events, wait);

        let is_last = self.attention == 1;
        let woken = flag.wake_up(sleeps, sleeps && is_last, events);
        self.attention = match woken {
            Woken::No => self.attention - u8::from(sleeps),
            _ => ATTENTION,
        };
        selected?;
        // A wake that kept the poll from blocking ends it, whatever became of it since: its waker
        // may have been dropped, or it was sent after all.
        if woken == Woken::Unsent || blocks && !sleeps && events.is_empty() {
            flag.deliver(events);
        }
        Ok(())
    }

    /// Waits for events until a deadline, and continues to wait when a signal interrupts the call.
    ///
    /// This is [`poll`](Poll::poll), called again with the remaining time after each interruption.
    /// It returns when at least one event is available or `deadline` has passed, never earlier. If
    /// the loop has to react to a signal, use `poll`, or let the signal handler write to a
    /// registered pipe.
    ///
    /// * `None` waits indefinitely.
    /// * A deadline that has passed checks for events and returns immediately.
    /// * Any other deadline is waited for, however far away it is. The call may return later than
    ///   the deadline, by the resolution of the timeouts of `poll`.
    ///
    /// # Errors
    ///
    /// As for [`poll`](Poll::poll), without `Interrupted`.
    ///
    /// # Portability
    ///
    /// Makes the calls of [`poll`](Poll::poll). The remaining time is measured with [`Instant`],
    /// whose clock stops on some systems while they are suspended.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// use mio::{Events, Poll};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let mut poll = Poll::new()?;
    /// let mut events = Events::with_capacity(8);
    ///
    /// let deadline = Instant::now() + Duration::from_millis(5);
    /// poll.poll_until(&mut events, Some(deadline))?;
    /// assert!(events.is_empty() && Instant::now() >= deadline);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn poll_until(&mut self, events: &mut Events, deadline: Option<Instant>) -> io::Result<()> {
        loop {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            match self.poll(events, left) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Some systems cannot wait that long at once.
                Ok(()) if events.is_empty() && deadline > Some(Instant::now()) => {}
                result => return result,
            }
        }
    }
}

impl fmt::Debug for Poll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poll")
            .field("registry", &self.registry)
            .finish()
    }
}
