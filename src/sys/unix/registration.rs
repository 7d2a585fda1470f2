//! The registrations of sources with selectors that identify them by descriptor: [`Stateless`] if
//! the kernel remembers everything, [`FdLink`] if the selector keeps a table.

use std::io;
use std::marker::PhantomData;
use std::os::fd::RawFd;

use super::fd::check;
use super::poll_flags::EDGES;
use crate::sys::backend::{self, Outcome};
use crate::sys::edge::linked::Link;
use crate::sys::edge::Edge;
use crate::{Interest, Token};

/// A selector that identifies sources by descriptor, so that a bare descriptor can be registered.
pub(crate) trait FdSelector: backend::Selector {
    /// Fails with `AlreadyExists` if `fd` is registered, with `EPERM` if it cannot be polled, and
    /// with `EBADF` if it is not open.
    fn add(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()>;
    /// Fails with `NotFound` if `fd` is not registered.
    fn modify(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()>;
    /// Fails with `NotFound` if `fd` is not registered.
    fn remove(&self, fd: RawFd) -> io::Result<()>;
}

/// The registration with a selector whose kernel remembers everything: the source stores nothing,
/// and an edge does not have to be armed.
pub(crate) struct Stateless<S>(PhantomData<fn() -> S>);

impl<S> Default for Stateless<S> {
    fn default() -> Stateless<S> {
        Stateless(PhantomData)
    }
}

impl<S: FdSelector> backend::Registration<S> for Stateless<S> {
    #[inline]
    fn register(
        &mut self,
        selector: &S,
        fd: RawFd,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        selector.add(fd, token, interest)
    }

    #[inline]
    fn reregister(
        &mut self,
        selector: &S,
        fd: RawFd,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        selector.modify(fd, token, interest)
    }

    #[inline]
    fn deregister(&mut self, selector: &S, fd: RawFd) -> io::Result<()> {
        selector.remove(fd)
    }
}

/// A selector that keeps a table, which its clones share, with the flags of poll(2).
pub(crate) trait FdTable: FdSelector + Clone {
    /// Returns whether the other selector is a clone of this one.
    fn is_same(&self, other: &Self) -> bool;

    /// Arms the edges of `fd` again after an operation, if it is registered.
    fn rearm(&self, fd: RawFd, directions: Interest, outcome: Outcome<'_>);
}

/// The link from a source to its entry in the table.
pub(crate) struct FdLink<S> {
    selector: S,
    fd: RawFd,
}

impl<S: FdTable> Link for FdLink<S> {
    type Selector = S;

    fn register(
        selector: &S,
        fd: RawFd,
        token: Token,
        interest: Interest,
    ) -> io::Result<FdLink<S>> {
        selector.add(fd, token, interest)?;
        let selector = selector.clone();
        Ok(FdLink { selector, fd })
    }

    fn belongs_to(&self, selector: &S) -> bool {
        self.selector.is_same(selector)
    }

    fn reregister(&self, token: Token, interest: Interest) -> io::Result<()> {
        self.selector.modify(self.fd, token, interest)
    }

    fn deregister(&self) -> io::Result<()> {
        self.selector.remove(self.fd)
    }

    fn rearm(&self, directions: Interest, outcome: Outcome<'_>) {
        self.selector.rearm(self.fd, directions, outcome);
    }
}

/// Returns which of the conditions that `edge` waits for hold now; none if `fd` is closed.
pub(crate) fn current_flags(fd: RawFd, edge: &Edge) -> u32 {
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

/// Arms `edge` again after an operation. Returns whether the system must be asked again.
///
/// Conditions in doubt are checked at once, because one that ends and begins again before the next
/// report is a new event. The exception is a socket whose error was taken, if the next wait of the
/// selector `shows_absence` of a condition too: the program may be about to connect it again.
pub(crate) fn rearm(
    fd: RawFd,
    edge: &mut Edge,
    directions: Interest,
    outcome: Outcome<'_>,
    shows_absence: bool,
) -> bool {
    let asks = edge.rearm(&EDGES, directions, outcome);
    let waits = shows_absence && matches!(outcome, Outcome::ErrorTaken);
    if asks && !waits && (edge.is_in_doubt() || edge.is_standing()) {
        let flags = current_flags(fd, edge);
        EDGES.settle(edge, flags);
    }
    asks
}
