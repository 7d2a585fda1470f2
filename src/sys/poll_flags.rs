//! The flags of poll(2), which event ports use too.

use std::fmt;

use super::readiness_flags::ReadinessFlags;
use crate::sys::edge::{Conditions, Edge, EdgeFlags};
use crate::sys::fmt_flags::fmt_flags;

// In one type: the systems use several.
const IN: u32 = libc::POLLIN as u32;
const OUT: u32 = libc::POLLOUT as u32;
const ERR: u32 = libc::POLLERR as u32;
const HUP: u32 = libc::POLLHUP as u32;

/// Out-of-band data, and the end of what the peer sends. Where the system does not tell,
/// reading does.
#[cfg(all(
    any(target_os = "linux", target_os = "android"),
    not(mio_test_event_port_shim)
))]
const PRI_RDHUP: (u32, u32) = (libc::POLLPRI as u32, libc::POLLRDHUP as u32);
#[cfg(not(all(
    any(target_os = "linux", target_os = "android"),
    not(mio_test_event_port_shim)
)))]
const PRI_RDHUP: (u32, u32) = (0, 0);
const PRI: u32 = PRI_RDHUP.0;
const RDHUP: u32 = PRI_RDHUP.1;

/// Not one of the system's: the event is of a socket.
const SOCKET: u32 = 1 << 31;

pub(super) const POLL: ReadinessFlags = ReadinessFlags {
    readable: IN,
    writable: OUT,
    priority: PRI,
    error: ERR,
    hang_up: HUP,
    read_hang_up: RDHUP,
    socket: SOCKET,
};

/// A hang-up and an error are reported whether asked for or not.
pub(super) const EDGES: EdgeFlags = EdgeFlags {
    flags: [IN, OUT, PRI, RDHUP, HUP, ERR],
    worth_trying: IN | OUT,
    muting: Conditions::HANG_UP.union(Conditions::ERROR),
    doubtable: Conditions::END
        .union(Conditions::HANG_UP)
        .union(Conditions::ERROR),
    failure_takes_error: true,
};

/// What to tell the user when the system reports `flags`, and of what kind of source.
pub(super) fn deliver(edge: &mut Edge, flags: u32) -> Option<u32> {
    let told = EDGES.deliver(edge, flags)?;
    Some(if edge.is_maybe_pipe() {
        told
    } else {
        told | SOCKET
    })
}

pub(super) fn fmt(f: &mut fmt::Formatter<'_>, flags: u32) -> fmt::Result {
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
