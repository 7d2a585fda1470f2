//! How sources find their records, in selectors that keep books by descriptor.

use std::io;
use std::os::fd::RawFd;

use super::{Selector, Shared};
use crate::sync::Arc;
use crate::sys::seam::Outcome;
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
