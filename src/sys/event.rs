use std::alloc::{self, Layout};
use std::{fmt, mem};

use super::backend::RawEvent as _;
use super::RawEvent;
use crate::readiness::Readiness;
use crate::Token;

/// A readiness event: the source's token, and what the source is ready for.
///
/// An event can report several kinds of readiness at once, such as readable and writable. Readiness
/// is a hint: an operation may still return [`WouldBlock`](std::io::ErrorKind::WouldBlock).
///
/// The alternate `Debug` format, `{:#?}`, also shows the names of the system's own flags.
///
/// # Portability
///
/// Data, room to write, and connections set [`is_readable`](Event::is_readable) or
/// [`is_writable`](Event::is_writable) on every system. How the end of a stream and errors are
/// reported varies: the event may be readable or writable, or only one of the other methods may
/// return `true`. A program that reads when an event is readable, read-closed *or* an error, and
/// likewise for writing, learns everything from the operations themselves.
#[derive(Clone)]
#[repr(transparent)] // System calls write into buffers of `Event`s.
pub struct Event {
    pub(super) raw: RawEvent,
}

impl Event {
    /// Allocates an empty buffer for system calls. The memory is zeroed for the sake of tools that
    /// detect uses of uninitialised memory but do not know what every system call writes.
    pub(crate) fn buffer(capacity: usize) -> Vec<Event> {
        // No system call accepts a buffer whose size exceeds an `int`.
        const MOST: usize = i32::MAX as usize;
        match Layout::array::<Event>(capacity) {
            Ok(layout) if layout.size() > MOST => Event::buffer(MOST / mem::size_of::<Event>()),
            Ok(layout) if layout.size() != 0 => {
                // SAFETY: the size is not zero.
                let memory = unsafe { alloc::alloc_zeroed(layout) };
                if memory.is_null() {
                    alloc::handle_alloc_error(layout);
                }
                // SAFETY: this is the layout of a vector with that capacity, and its length of zero
                // claims no initialised element.
                unsafe { Vec::from_raw_parts(memory.cast(), 0, capacity) }
            }
            // There is nothing to allocate, or more than is possible, which panics.
            _ => Vec::with_capacity(capacity),
        }
    }

    /// Creates the event of a wake that was not sent through the system.
    pub(crate) fn of_wake(token: Token) -> Event {
        Event {
            raw: RawEvent::of_wake(token),
        }
    }

    /// Returns the token that the source was registered with.
    #[inline]
    #[must_use]
    pub fn token(&self) -> Token {
        self.raw.token()
    }

    /// Returns whether reading is worth trying: there is data, out-of-band data, or a connection to
    /// accept. Usually also `true` at the end of the stream and after an error.
    ///
    /// # Portability
    ///
    /// * epoll: `EPOLLIN` or `EPOLLPRI`. The end of a stream registered for
    ///   [`READ_CLOSED`](crate::Interest::READ_CLOSED) alone, and the end of an empty pipe, are
    ///   reported as [read-closed](Event::is_read_closed) and not as readable.
    /// * kqueue: the filter `EVFILT_READ`.
    /// * poll(2) and event ports: `POLLIN`, `POLLPRI` or `POLLRDHUP`, and every error or hang-up if
    ///   the interest includes reading.
    /// * Windows: `AFD_POLL_RECEIVE`, `AFD_POLL_ACCEPT` or `AFD_POLL_DISCONNECT`, and every error
    ///   if the interest includes reading.
    #[inline]
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.has(Readiness::READABLE)
    }

    /// Returns whether writing is worth trying: there is room in the send buffer, or a connection
    /// was established or has failed.
    ///
    /// # Portability
    ///
    /// * epoll: `EPOLLOUT`.
    /// * kqueue: the filter `EVFILT_WRITE`.
    /// * poll(2) and event ports: `POLLOUT`, and every error or hang-up if the interest includes
    ///   writing.
    /// * Windows: `AFD_POLL_SEND`, and every error or hang-up if the interest includes writing.
    #[inline]
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.has(Readiness::WRITABLE)
    }

    /// Returns whether the source is in an error state. `take_error` or the next operation returns
    /// the error.
    ///
    /// On Linux this is also `true` for a socket with an entry in its error queue, such as a
    /// timestamp (`SO_TIMESTAMPING`), a completion of `MSG_ZEROCOPY`, or an error queued by
    /// `IP_RECVERR`. [`recvmsg`] with `MSG_ERRQUEUE` removes the entry. The socket itself may be
    /// intact, in which case `take_error` returns `None`.
    ///
    /// # Portability
    ///
    /// * epoll: `EPOLLERR`.
    /// * kqueue: `EV_ERROR`, or `EV_EOF` with an error number.
    /// * poll(2) and event ports: `POLLERR`.
    /// * Windows: `AFD_POLL_CONNECT_FAIL` or `AFD_POLL_ABORT`, or the AFD device refused the request.
    ///
    /// [`recvmsg`]: https://man7.org/linux/man-pages/man2/recvmsg.2.html
    #[inline]
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.has(Readiness::ERROR)
    }

    /// Returns whether no more data will arrive beyond what can be read now: the peer has shut down
    /// its sending side or closed the connection.
    ///
    /// For streams and pipes, `true` is always correct. `false` does not mean that the source is
    /// open: only a read of zero bytes is certain. A `shutdown(Read)` of the source itself also
    /// counts as closed, and so does a socket that was never connected.
    ///
    /// # Portability
    ///
    /// * epoll: `EPOLLHUP` or `EPOLLRDHUP`.
    /// * kqueue: the filter `EVFILT_READ` with `EV_EOF`.
    /// * poll(2): `POLLHUP` or `POLLRDHUP`. Event ports: `POLLHUP`.
    /// * Windows: `AFD_POLL_DISCONNECT`, `AFD_POLL_ABORT` or `AFD_POLL_CONNECT_FAIL`.
    #[inline]
    #[must_use]
    pub fn is_read_closed(&self) -> bool {
        self.has(Readiness::READ_CLOSED)
    }

    /// Returns whether nothing more can be written: the connection, or the reading end of the pipe,
    /// is closed.
    ///
    /// `false` does not mean that the source is open. `true` is correct, with one exception: a
    /// socket that can still be written may be reported as write-closed if it has a recoverable
    /// [error](Event::is_error), such as `ConnectionRefused` of a UDP socket, or an entry in its
    /// error queue. These cannot be distinguished from the error of a pipe whose reading end is
    /// closed
    ///
    /// * on epoll, if no other condition is reported, because the send buffer is full or the socket
    ///   is not registered for [`WRITABLE`](crate::Interest::WRITABLE);
    /// * on epoll, poll(2) and event ports, if the socket is registered through a `SourceFd` or an
    ///   `IoSource`;
    /// * on illumos and Redox, and under Miri.
    ///
    /// # Portability
    ///
    /// * epoll: `EPOLLHUP`; `EPOLLERR` alone; `EPOLLERR` with `EPOLLOUT` but without `EPOLLWRNORM`,
    ///   which is requested only for sockets of this crate.
    /// * kqueue: the filter `EVFILT_WRITE` with `EV_EOF`.
    /// * poll(2) and event ports: `POLLHUP`; unless the source is a socket of this crate, also
    ///   `POLLERR` alone or with `POLLOUT`.
    /// * Windows: `AFD_POLL_ABORT` or `AFD_POLL_CONNECT_FAIL`.
    #[inline]
    #[must_use]
    pub fn is_write_closed(&self) -> bool {
        self.has(Readiness::WRITE_CLOSED)
    }

    /// Returns whether out-of-band data has arrived. This is reported only to sources registered
    /// with `Interest::PRIORITY`.
    ///
    /// # Portability
    ///
    /// Supported on Linux and Android: `EPOLLPRI`, `POLLPRI`. Always `false` elsewhere.
    #[inline]
    #[must_use]
    pub fn is_priority(&self) -> bool {
        self.has(Readiness::PRIORITY)
    }

    /// Returns whether a POSIX AIO operation has completed.
    ///
    /// # Portability
    ///
    /// Supported on Apple systems, DragonFly BSD and FreeBSD. Always `false` elsewhere.
    #[inline]
    #[must_use]
    pub fn is_aio(&self) -> bool {
        self.has(Readiness::AIO)
    }

    /// Returns whether a list of POSIX AIO operations has completed.
    ///
    /// # Portability
    ///
    /// Supported on FreeBSD. Always `false` elsewhere.
    #[inline]
    #[must_use]
    pub fn is_lio(&self) -> bool {
        self.has(Readiness::LIO)
    }

    /// Whether the event looks like that of a wake.
    pub(crate) fn is_only_readable(&self) -> bool {
        self.raw.readiness() == Readiness::READABLE
    }

    #[inline]
    fn has(&self, bit: Readiness) -> bool {
        self.raw.readiness().intersects(bit)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const METHODS: [(&str, Readiness); 8] = [
            ("readable", Readiness::READABLE),
            ("writable", Readiness::WRITABLE),
            ("error", Readiness::ERROR),
            ("read_closed", Readiness::READ_CLOSED),
            ("write_closed", Readiness::WRITE_CLOSED),
            ("priority", Readiness::PRIORITY),
            ("aio", Readiness::AIO),
            ("lio", Readiness::LIO),
        ];
        let shows_flags = f.alternate();
        let mut event = f.debug_struct("Event");
        event.field("token", &self.token());
        for (method, bit) in METHODS {
            event.field(method, &self.has(bit));
        }
        if shows_flags {
            event.field("flags", &Flags(&self.raw));
        }
        event.finish()
    }
}

/// The flags of an event, by the names that the system's manual gives them.
struct Flags<'a>(&'a RawEvent);

impl fmt::Debug for Flags<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_flags(f)
    }
}
