use std::alloc::{self, Layout};
use std::{fmt, mem};

use super::seam::RawEvent as _;
use super::RawEvent;
use crate::readiness::Readiness;
use crate::Token;

/// What became of one registered source: its token, and what it is ready for.
///
/// One event may tell several things at once, such as readable and
/// writable. It stands for what the system reported, which is a hint: an
/// operation that was announced may still answer
/// [`WouldBlock`](std::io::ErrorKind::WouldBlock).
///
/// `{:#?}` shows the system's own flags by name as well.
///
/// # Which questions are portable
///
/// Data, room and connections make [`is_readable`](Event::is_readable) and
/// [`is_writable`](Event::is_writable) true everywhere. How the end of a stream and
/// an error show differs: they may come as readable or writable, or as one of the
/// other questions alone. A program that reads when an event is readable, read-closed
/// *or* an error, and writes accordingly, learns everything from the operations
/// themselves.
#[derive(Clone)]
#[repr(transparent)] // The buffers of the system calls are made of events.
pub struct Event {
    raw: RawEvent,
}

impl Event {
    /// Allocates an empty buffer for system calls. Its memory is zeroed, for tools that find uses
    /// of uninitialised memory and do not see what every system call writes.
    pub(crate) fn buffer(capacity: usize) -> Vec<Event> {
        // No system call takes more room than an `int` can say the size of.
        const MOST: usize = i32::MAX as usize;
        match Layout::array::<Event>(capacity) {
            Ok(layout) if layout.size() > MOST => Event::buffer(MOST / mem::size_of::<Event>()),
            Ok(layout) if layout.size() != 0 => {
                // SAFETY: the size is not zero.
                let memory = unsafe { alloc::alloc_zeroed(layout) };
                if memory.is_null() {
                    alloc::handle_alloc_error(layout);
                }
                // SAFETY: this layout is what a vector of that capacity has, and none of its
                // elements is said to be initialised.
                unsafe { Vec::from_raw_parts(memory.cast(), 0, capacity) }
            }
            // Nothing to allocate, or more than there can be, which panics.
            _ => Vec::with_capacity(capacity),
        }
    }

    /// An event of a backend that composes them itself.
    #[allow(dead_code)] // With epoll and kqueue the kernel does.
    pub(super) fn new(raw: RawEvent) -> Event {
        Event { raw }
    }

    /// The raw event, for a backend that completes what the system wrote.
    #[allow(dead_code)] // As above.
    pub(super) fn raw_mut(&mut self) -> &mut RawEvent {
        &mut self.raw
    }

    /// The token that the source was registered with.
    #[inline]
    #[must_use]
    pub fn token(&self) -> Token {
        self.raw.token()
    }

    /// Whether reading is worth trying: data, a connection to accept, out-of-band
    /// data, and mostly the end of the stream and errors.
    ///
    /// # Portability
    ///
    /// `EPOLLIN` or `EPOLLPRI`; `POLLIN` or `POLLPRI`; the reading filter of kqueue. The end of
    /// an empty pipe is on epoll [read-closed](Event::is_read_closed) and not readable.
    /// The poll(2) backend sets it with every error or hang-up if reading is awaited. On
    /// Windows `AFD_POLL_RECEIVE`, `AFD_POLL_ACCEPT` or `AFD_POLL_DISCONNECT`, and with every
    /// error if reading is awaited.
    #[inline]
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.has(Readiness::READABLE)
    }

    /// Whether writing is worth trying: there is room, or a connection
    /// was established.
    ///
    /// # Portability
    ///
    /// `EPOLLOUT`; `POLLOUT`; the writing filter of kqueue; `AFD_POLL_SEND`. The poll(2)
    /// backend and Windows' set it with every error or hang-up if writing is awaited.
    #[inline]
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.has(Readiness::WRITABLE)
    }

    /// Whether the source is in an error state: `take_error`, or the next
    /// operation, tells which.
    ///
    /// On Linux it is also `true` of a socket that has an entry in its error queue, such as a
    /// timestamp (`SO_TIMESTAMPING`), a completion of `MSG_ZEROCOPY`, or what `IP_RECVERR`
    /// keeps. `recvmsg` with `MSG_ERRQUEUE` takes the entry; nothing else need be wrong with
    /// the socket, and `take_error` may return `None`.
    ///
    /// # Portability
    ///
    /// `EPOLLERR`; `POLLERR`; `EV_ERROR`, or `EV_EOF` with an error number;
    /// `AFD_POLL_CONNECT_FAIL` or `AFD_POLL_ABORT`.
    #[inline]
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.has(Readiness::ERROR)
    }

    /// Whether no more will arrive than what can be read now: the peer shut its
    /// sending side down or is gone.
    ///
    /// For streams and pipes it is never wrongly `true`; `false` does not mean that the
    /// source is open. Only a read of zero bytes is certain. The source's own
    /// `shutdown(Read)` counts as well, and so does never having been connected.
    ///
    /// # Portability
    ///
    /// `EPOLLHUP`, or `EPOLLIN` with `EPOLLRDHUP`; the same of `POLL…`; the reading filter with
    /// `EV_EOF`; `AFD_POLL_DISCONNECT`, `AFD_POLL_ABORT` or `AFD_POLL_CONNECT_FAIL`.
    #[inline]
    #[must_use]
    pub fn is_read_closed(&self) -> bool {
        self.has(Readiness::READ_CLOSED)
    }

    /// Whether nothing more can be written: the connection is gone, or the
    /// reading end of a pipe was closed.
    ///
    /// `false` does not mean that the source is open. `true` is certain, except where an
    /// [error](Event::is_error) that a socket survives, or an entry in its error queue, looks
    /// like that of a pipe whose reading end was closed:
    ///
    /// * on epoll, if the socket has nothing else to report, since it is full or not
    ///   registered for [`WRITABLE`](crate::Interest::WRITABLE);
    /// * on epoll and poll(2), if the socket is registered by a `SourceFd`;
    /// * on illumos and Redox.
    ///
    /// # Portability
    ///
    /// `EPOLLHUP`; `EPOLLERR` alone; `EPOLLERR` with `EPOLLOUT`, but not `EPOLLWRNORM`, which only
    /// sockets of this crate are asked for. `POLLHUP`; of pipes and `SourceFd`s `POLLERR`
    /// alone or with `POLLOUT`. The writing filter with `EV_EOF`; `AFD_POLL_ABORT` or
    /// `AFD_POLL_CONNECT_FAIL`.
    #[inline]
    #[must_use]
    pub fn is_write_closed(&self) -> bool {
        self.has(Readiness::WRITE_CLOSED)
    }

    /// Whether out-of-band data has arrived. Only reported to those who asked
    /// with `Interest::PRIORITY`.
    ///
    /// # Portability
    ///
    /// `EPOLLPRI`; `POLLPRI` on Linux. Always `false` elsewhere.
    #[inline]
    #[must_use]
    pub fn is_priority(&self) -> bool {
        self.has(Readiness::PRIORITY)
    }

    /// Whether a POSIX AIO operation has completed.
    ///
    /// # Portability
    ///
    /// Apple's systems, DragonFly BSD and FreeBSD. Always `false` elsewhere.
    #[inline]
    #[must_use]
    pub fn is_aio(&self) -> bool {
        self.has(Readiness::AIO)
    }

    /// Whether a list of POSIX AIO operations has completed.
    ///
    /// # Portability
    ///
    /// FreeBSD. Always `false` elsewhere.
    #[inline]
    #[must_use]
    pub fn is_lio(&self) -> bool {
        self.has(Readiness::LIO)
    }

    #[inline]
    fn has(&self, bit: Readiness) -> bool {
        self.raw.readiness().intersects(bit)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let alternate = f.alternate();
        let mut fields = f.debug_struct("Event");
        fields
            .field("token", &self.token())
            .field("readable", &self.is_readable())
            .field("writable", &self.is_writable())
            .field("error", &self.is_error())
            .field("read_closed", &self.is_read_closed())
            .field("write_closed", &self.is_write_closed())
            .field("priority", &self.is_priority())
            .field("aio", &self.is_aio())
            .field("lio", &self.is_lio());
        if alternate {
            fields.field("os_flags", &OsFlags(&self.raw));
        }
        fields.finish()
    }
}

struct OsFlags<'a>(&'a RawEvent);

impl fmt::Debug for OsFlags<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_flags(f)
    }
}
