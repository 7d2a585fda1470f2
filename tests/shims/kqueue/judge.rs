//! What becomes of what epoll reports.

use std::os::fd::{AsRawFd, RawFd};

use libc::c_int;

use super::linux::{
    beyond_the_offset, count, has_shut_writing, is_ready, option, unacknowledged, unread, TcpInfo,
    TCP_CLOSE, TCP_LISTEN,
};
use super::notes::{Kind, Note, Report, Reported, READ, WRITE};
use super::{is_like, EV_CLEAR};

impl Kind {
    /// The counter that shows what epoll does not report; `None` if there is
    /// none.
    pub(super) fn count(self, filter: usize, fd: RawFd) -> Option<u64> {
        match (self, filter) {
            // The bytes in it, at either end.
            (Kind::Pipe, _) => Some(count(fd, libc::FIONREAD, 0) as u64),
            (Kind::TcpListener, READ) => Some(TcpInfo::of(fd).backlog().into()),
            (Kind::Stream, WRITE) => Some(has_shut_writing(fd).into()),
            _ => None,
        }
    }

    /// Whether the real one looks at its notes when the count changes like this.
    ///
    /// * A pipe wakes both ends whenever bytes were written or read. epoll reports itself that
    ///   bytes arrived; it does not report a read that left some.
    /// * An `accept` that leaves connections wakes the listener.
    /// * One's own shutdown wakes the writer.
    pub(super) fn is_woken(self, filter: usize, before: u64, now: u64) -> bool {
        match (self, filter) {
            (Kind::Pipe, WRITE) => now != before,
            (Kind::Stream, _) => now > before,
            _ => now < before && now > 0,
        }
    }
}

impl Note {
    /// What epoll watches for the descriptor `fd`.
    pub(super) fn target(&self, fd: RawFd) -> RawFd {
        self.stand_in.as_ref().map_or(fd, AsRawFd::as_raw_fd)
    }

    /// Whether there is too little to read.
    pub(super) fn is_below_mark(&self, fd: RawFd, unread: i64) -> bool {
        let Some(mark) = self.low_water_mark else {
            return false;
        };
        let highest = match self.kind {
            Kind::TcpListener | Kind::File => return false,
            Kind::Pipe if !is_like("macos") => return false,
            // SAFETY: takes no pointer.
            Kind::Pipe => unsafe { libc::fcntl(fd, libc::F_GETPIPE_SZ) }.into(),
            _ if is_like("macos") => option(fd, libc::SO_RCVBUF).into(),
            _ => i64::MAX,
        };
        unread < mark.min(highest)
    }

    pub(super) fn data(&self, number: u32) -> u64 {
        u64::from(self.generation) << 32 | u64::from(number)
    }

    /// What is to be reported of what epoll reports; `None` if nothing.
    ///
    /// * The writing filter does not report the peer's half-close.
    /// * A socket that hangs up without any half-close is one that is not connected, of
    ///   which kqueue says nothing.
    /// * TCP's many reasons to wake all waiters are reported to those that they concern.
    pub(super) fn judge(&mut self, filter: usize, fd: RawFd, bits: u32) -> Option<Report> {
        let has = |flag: c_int| bits & flag as u32 != 0;
        let (failed, hung_up) = (has(libc::EPOLLERR), has(libc::EPOLLHUP));
        let half_closed = has(libc::EPOLLRDHUP);
        if filter == WRITE && !has(libc::EPOLLOUT) && !failed && !hung_up {
            return None;
        }
        let unconnected = hung_up && !half_closed && !failed;
        let mut report = Report {
            eof: hung_up || filter == READ && half_closed,
            errno: 0,
            data: if filter == READ { unread(fd) } else { 1 },
        };
        match self.kind {
            Kind::Tcp | Kind::TcpListener => {
                return self.judge_tcp(filter, fd, unconnected, failed, report);
            }
            Kind::File if filter == READ => {
                report.data = beyond_the_offset(fd);
                return (report.data > 0).then_some(report);
            }
            Kind::Stream if unconnected && filter == READ => return None,
            // Linux does not report the connection to the writer: better now than never.
            Kind::Stream if unconnected => report.eof = false,
            Kind::Stream if failed => report.errno = libc::ECONNRESET,
            Kind::Stream => report.eof |= filter == WRITE && has_shut_writing(fd),
            Kind::Pipe => report.eof |= failed && filter == WRITE,
            Kind::File | Kind::Other => {}
        }
        Some(report)
    }

    /// An edge that reports what the last one did, and since which the connection has moved
    /// nothing in this direction, is a wake-up that was meant for the other direction: a
    /// writer that has not written since room was reported cannot have run out of it,
    /// and nothing has arrived for the reader. One with an error is always reported: it may
    /// be the next one.
    fn judge_tcp(
        &mut self,
        filter: usize,
        fd: RawFd,
        unconnected: bool,
        failed: bool,
        mut report: Report,
    ) -> Option<Report> {
        let info = TcpInfo::of(fd);
        if unconnected && info.state == TCP_CLOSE {
            return None;
        }
        if info.state == TCP_LISTEN {
            report.data = info.backlog().into();
            return Some(report);
        }
        self.was_connected |= info.is_connected();
        report.eof |= filter == WRITE && info.has_ended();
        if failed {
            report.errno = if self.was_connected {
                libc::ECONNRESET
            } else {
                libc::ECONNREFUSED
            };
            self.reported = None;
            return Some(report);
        }

        let moved = match filter {
            READ => info.received,
            _ => info.acknowledged.wrapping_add(unacknowledged(fd)),
        };
        let reported = Reported {
            eof: report.eof,
            moved,
        };
        if self.reported == Some(reported) && self.flags & EV_CLEAR != 0 {
            return None;
        }
        // What was written between epoll's look and the count might have filled the
        // buffer: then the count does not stand for a moment at which there was room.
        self.reported = (filter == READ || is_ready(fd, libc::POLLOUT)).then_some(reported);
        Some(report)
    }
}
