//! The flags of poll(2), which event ports use too.

use std::fmt;

use super::edge_flags::EdgeFlags;
use super::readiness_flags::ReadinessFlags;
use super::rearming::Arming;
use crate::sys::fmt_flags::fmt_flags;

// In one type: the systems use several.
const IN: u32 = libc::POLLIN as u32;
const OUT: u32 = libc::POLLOUT as u32;
const ERR: u32 = libc::POLLERR as u32;
const HUP: u32 = libc::POLLHUP as u32;

/// Out-of-band data, and the end of what the peer sends. Where the system does not tell,
/// reading does.
#[cfg(any(target_os = "linux", target_os = "android"))]
const PRI: u32 = libc::POLLPRI as u32;
#[cfg(any(target_os = "linux", target_os = "android"))]
const RDHUP: u32 = libc::POLLRDHUP as u32;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const PRI: u32 = 0;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const RDHUP: u32 = 0;

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

/// How the directions are called.
pub(super) const EDGES: EdgeFlags = EdgeFlags {
    readable: IN | RDHUP,
    writable: OUT,
    priority: PRI,
    unasked: ERR | HUP,
    worth_trying: IN | OUT,
};

/// What to tell the user when the system reports `flags`, and of what kind of source.
pub(super) fn deliver(arming: &mut Arming, flags: u32) -> Option<u32> {
    let told = EDGES.deliver(arming, flags)?;
    Some(if arming.is_maybe_pipe() {
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
