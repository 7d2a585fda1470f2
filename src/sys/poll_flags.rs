//! Emulated edges in the flags of poll(2), which event ports use too.

use std::fmt;

use super::readiness_flags::ReadinessFlags;
use super::rearming::{Arming, Fired};
use crate::sys::fmt_flags;
use crate::Interest;

/// Where the system does not tell that the peer has shut its sending side down, reading
/// does.
#[cfg(any(target_os = "linux", target_os = "android"))]
const READ_HANG_UP: libc::c_short = libc::POLLRDHUP;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const READ_HANG_UP: libc::c_short = 0;

pub(super) const POLL: ReadinessFlags = ReadinessFlags {
    readable: libc::POLLIN as u32,
    writable: libc::POLLOUT as u32,
    priority: libc::POLLPRI as u32,
    error: libc::POLLERR as u32,
    hang_up: libc::POLLHUP as u32,
    read_hang_up: READ_HANG_UP as u32,
};

/// What the kernel reports though nobody asked.
const UNASKED: libc::c_short = libc::POLLERR | libc::POLLHUP;

/// What a direction is called in the flags.
const DIRECTIONS: [(Interest, libc::c_short); 3] = [
    (Interest::READABLE, libc::POLLIN | READ_HANG_UP),
    (Interest::WRITABLE, libc::POLLOUT),
    (Interest::PRIORITY_BIT, libc::POLLPRI),
];

/// The flags to ask the kernel for; `None` not to ask at all.
pub(super) fn wanted(arming: &Arming) -> Option<libc::c_short> {
    Some(arming.wanted()?.map_or(0, flags_of))
}

/// What to tell the user when the kernel reports `flags`, which uses up what is told.
///
/// The arming may have changed since the kernel was asked; what is not wanted any more is
/// dropped.
pub(super) fn deliver(arming: &mut Arming, flags: libc::c_short) -> Option<libc::c_short> {
    let wanted = wanted(arming)?;
    let mut flags = flags & (wanted | UNASKED);
    let fired = if flags & UNASKED != 0 {
        // No operation would block now: whoever waits for a direction shall try it, and
        // learn of the error.
        flags |= wanted & (libc::POLLIN | libc::POLLOUT);
        Fired::Everything
    } else {
        Fired::Directions(directions_of(flags)?)
    };
    arming.deliver(fired);
    Some(flags)
}

fn flags_of(interest: Interest) -> libc::c_short {
    DIRECTIONS
        .iter()
        .filter(|&&(direction, _)| interest.intersects(direction))
        .fold(0, |all, &(_, flags)| all | flags)
}

fn directions_of(flags: libc::c_short) -> Option<Interest> {
    DIRECTIONS
        .iter()
        .filter(|&&(_, direction)| flags & direction != 0)
        .map(|&(direction, _)| direction)
        .reduce(Interest::add)
}

pub(super) fn fmt(f: &mut fmt::Formatter<'_>, flags: libc::c_short) -> fmt::Result {
    fmt_flags(
        f,
        flags,
        &[
            (libc::POLLIN, "POLLIN"),
            (libc::POLLPRI, "POLLPRI"),
            (libc::POLLOUT, "POLLOUT"),
            (READ_HANG_UP, "POLLRDHUP"),
            (libc::POLLERR, "POLLERR"),
            (libc::POLLHUP, "POLLHUP"),
        ],
    )
}
