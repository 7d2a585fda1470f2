//! How sources find their records, in selectors that keep books by descriptor and have the
//! flags of poll(2).

use std::io;
use std::os::fd::RawFd;

use super::poll_flags::EDGES;
use super::{Selector, Shared, SHOWS_ABSENCE};
use crate::sync::Arc;
use crate::sys::backend::Outcome;
use crate::sys::edge::Edge;
use crate::sys::family::check;
use crate::sys::FdSelector;
use crate::{Interest, Token};

/// What a registered source holds.
pub(super) struct Link {
    shared: Arc<Shared>,
    fd: RawFd,
}

impl Link {
    pub(super) fn attach(
        selector: &Selector,
        fd: RawFd,
        token: Token,
        interest: Interest,
    ) -> io::Result<Link> {
        let shared = Arc::clone(&selector.shared);
        shared.add(fd, token, interest)?;
        Ok(Link { shared, fd })
    }

    pub(super) fn leads_to(&self, selector: &Selector) -> bool {
        Arc::ptr_eq(&self.shared, &selector.shared)
    }

    pub(super) fn change(&self, token: Token, interest: Interest) -> io::Result<()> {
        self.shared.modify(self.fd, token, interest)
    }

    pub(super) fn detach(&self) -> io::Result<()> {
        self.shared.remove(self.fd)
    }

    pub(super) fn rearm(&self, directions: Interest, outcome: Outcome<'_>) {
        self.shared.rearm(self.fd, directions, outcome);
    }
}

/// Which of the conditions that `edge` waits for hold at this moment. A closed descriptor has
/// none.
pub(super) fn look(fd: RawFd, edge: &Edge) -> u32 {
    let mut entry = libc::pollfd {
        fd,
        events: EDGES.wanted(edge).unwrap_or(0) as _,
        revents: 0,
    };
    // SAFETY: the list has one entry, which outlives the call.
    match check(unsafe { libc::poll(&mut entry, 1, 0) }) {
        Ok(1) => entry.revents as u32,
        _ => 0,
    }
}

/// Arms `edge` after an operation, and settles its doubts at once: what passes and comes back
/// before the next report is news. Returns whether the system must be asked again.
///
/// A socket whose error was taken may be about to connect again, which the next wait shows
/// where it shows what is absent.
pub(super) fn rearm(
    fd: RawFd,
    edge: &mut Edge,
    directions: Interest,
    outcome: Outcome<'_>,
) -> bool {
    let asks = edge.rearm(&EDGES, directions, outcome);
    let waits = SHOWS_ABSENCE && matches!(outcome, Outcome::ErrorTaken);
    if asks && !waits && (edge.is_in_doubt() || edge.is_standing()) {
        let flags = look(fd, edge);
        EDGES.settle(edge, flags);
    }
    asks
}

/// A bare descriptor has no link: its record is found by its number.
impl FdSelector for Selector {
    fn add(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        self.shared.add(fd, token, interest)
    }

    fn modify(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        self.shared.modify(fd, token, interest)
    }

    fn remove(&self, fd: RawFd) -> io::Result<()> {
        self.shared.remove(fd)
    }
}
