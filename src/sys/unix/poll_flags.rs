//! The flags of poll(2), which event ports use too, and epoll(7) under other names.

use std::{fmt, io};

use crate::readiness::Readiness;
use crate::sys::edge::{Conditions, Edge, EdgeFlags};
use crate::sys::error::no_read_closed;
use crate::sys::fmt_flags::fmt_flags;
use crate::Interest;

/// The flags of poll(2), which epoll(7) has too, with the values of one of them.
pub(crate) struct ReadinessFlags {
    pub(crate) readable: u32,
    pub(crate) writable: u32,
    pub(crate) priority: u32,
    pub(crate) error: u32,
    pub(crate) hang_up: u32,
    /// Zero if the system does not report that the peer has shut down its sending side.
    pub(crate) read_hang_up: u32,
    /// Set in events of sockets. Zero if this is not known.
    pub(crate) socket: u32,
}

impl ReadinessFlags {
    /// Translates a set of flags.
    ///
    /// * Out-of-band data counts as readable too; it is only reported if it was requested.
    /// * A hang-up closes both directions.
    /// * A shutdown of the peer's sending side closes reading.
    /// * An error with writability, or alone, closes writing: this is how the writing end of a pipe
    ///   reports that its reading end is closed, alone if the pipe is full. A socket can be used
    ///   after an error, and with entries in its error queue.
    #[inline]
    pub(crate) fn to_readiness(&self, flags: u32) -> Readiness {
        let has = |flag: u32| flags & flag != 0;
        let hung_up = has(self.hang_up);
        let read_closed = hung_up || has(self.read_hang_up);
        let of_pipe = has(self.writable) && !has(self.socket);
        let write_closed = hung_up || has(self.error) && of_pipe || flags == self.error;

        Readiness::READABLE.when(has(self.readable | self.priority))
            | Readiness::WRITABLE.when(has(self.writable))
            | Readiness::PRIORITY.when(has(self.priority))
            | Readiness::ERROR.when(has(self.error))
            | Readiness::READ_CLOSED.when(read_closed)
            | Readiness::WRITE_CLOSED.when(write_closed)
    }
}

// All of one type: that of the declarations varies from system to system.
const IN: u32 = libc::POLLIN as u32;
const OUT: u32 = libc::POLLOUT as u32;
const ERR: u32 = libc::POLLERR as u32;
const HUP: u32 = libc::POLLHUP as u32;

// Out-of-band data, and the end of what the peer sends. Where the system does not report these,
// only reading detects them.
cfg_if! {
    if #[cfg(all(
        any(target_os = "android", target_os = "linux"),
        not(mio_test_event_port_shim)
    ))] {
        const PRI: u32 = libc::POLLPRI as u32;
        const RDHUP: u32 = libc::POLLRDHUP as u32;
    } else {
        const PRI: u32 = 0;
        const RDHUP: u32 = 0;
    }
}

/// Not a flag of the system: the source of the event is a socket.
const SOCKET: u32 = 1 << 31;

pub(crate) const POLL: ReadinessFlags = ReadinessFlags {
    // Where the end is watched alone, it comes without IN.
    readable: IN | RDHUP,
    writable: OUT,
    priority: PRI,
    error: ERR,
    hang_up: HUP,
    read_hang_up: RDHUP,
    socket: SOCKET,
};

/// A hang-up and an error are reported whether or not they are requested.
pub(crate) const EDGES: EdgeFlags = EdgeFlags {
    flags: [IN, OUT, PRI, RDHUP, HUP, ERR],
    worth_trying: IN | OUT,
    muting: Conditions::HANG_UP.union(Conditions::ERROR),
    doubtable: Conditions::END
        .union(Conditions::HANG_UP)
        .union(Conditions::ERROR),
    failure_takes_error: true,
};

/// Fails with `InvalidInput` if the system does not distinguish the end of a stream from data.
pub(crate) fn check(interest: Interest) -> io::Result<()> {
    if RDHUP == 0 && interest.is_read_closed() && !interest.is_readable() {
        return Err(no_read_closed());
    }
    Ok(())
}

/// Returns the flags of the user's event when the system reports `flags`; `None` without one.
pub(crate) fn deliver(edge: &mut Edge, flags: u32) -> Option<u32> {
    let reported = EDGES.deliver(edge, flags)?;
    Some(if edge.is_maybe_pipe() {
        reported
    } else {
        reported | SOCKET
    })
}

pub(crate) fn fmt(f: &mut fmt::Formatter<'_>, flags: u32) -> fmt::Result {
    fmt_flags(
        f,
        flags,
        &[
            (IN, "POLLIN"),
            (PRI, "POLLPRI"),
            (OUT, "POLLOUT"),
            (RDHUP, "POLLRDHUP"),
            (ERR, "POLLERR"),
            (HUP, "POLLHUP"),
            (SOCKET, "of a socket"),
        ],
    )
}
