//! Emulated edges in the flags of poll(2), which event ports use too.

use std::fmt;

use super::readiness_flags::ReadinessFlags;
use super::rearming::{Arming, Fired};
use crate::sys::fmt_flags;
use crate::Interest;

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

pub(super) const POLL: ReadinessFlags = ReadinessFlags {
    readable: IN,
    writable: OUT,
    priority: PRI,
    error: ERR,
    hang_up: HUP,
    read_hang_up: RDHUP,
};

/// What the kernel reports though nobody asked.
const UNASKED: u32 = ERR | HUP;

/// What a direction is called in the flags.
const DIRECTIONS: [(Interest, u32); 3] = [
    (Interest::READABLE, IN | RDHUP),
    (Interest::WRITABLE, OUT),
    (Interest::PRIORITY_BIT, PRI),
];

/// The flags to ask the kernel for; `None` not to ask at all.
pub(super) fn wanted(arming: &Arming) -> Option<u32> {
    Some(arming.wanted()?.map_or(0, flags_of))
}

/// What to tell the user when the kernel reports `flags`, which uses up what is told.
///
/// The arming may have changed since the kernel was asked; what is not wanted any more is
/// dropped.
pub(super) fn deliver(arming: &mut Arming, flags: u32) -> Option<u32> {
    let wanted = wanted(arming)?;
    let mut flags = flags & (wanted | UNASKED);
    let fired = if flags & UNASKED != 0 {
        // No operation would block now: whoever waits for a direction shall try it, and
        // learn of the error.
        flags |= wanted & (IN | OUT);
        Fired::Everything
    } else {
        Fired::Directions(directions_of(flags)?)
    };
    arming.deliver(fired);
    Some(flags)
}

fn flags_of(interest: Interest) -> u32 {
    DIRECTIONS
        .iter()
        .filter(|&&(direction, _)| interest.intersects(direction))
        .fold(0, |all, &(_, flags)| all | flags)
}

fn directions_of(flags: u32) -> Option<Interest> {
    DIRECTIONS
        .iter()
        .filter(|&&(_, direction)| flags & direction != 0)
        .map(|&(direction, _)| direction)
        .reduce(Interest::add)
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
        ],
    )
}
