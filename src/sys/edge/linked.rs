//! The registration of sources with selectors that emulate edges: it forwards the outcomes of
//! operations, which arm a source again.

use std::io;

use crate::sys::backend::{self, Outcome};
use crate::sys::error::{already_registered, not_registered};
use crate::sys::Handle;
use crate::{Interest, Token};

/// The link from a registered source to its record, which the selector keeps.
pub(crate) trait Link: Send + Sync + Sized {
    type Selector: backend::Selector;

    /// Fails with `AlreadyExists` if `handle` is registered with `selector`.
    fn register(
        selector: &Self::Selector,
        handle: Handle,
        token: Token,
        interest: Interest,
    ) -> io::Result<Self>;

    /// Returns whether `selector` keeps the record.
    fn belongs_to(&self, selector: &Self::Selector) -> bool;

    /// Replaces the token and the interest, and arms all conditions.
    fn reregister(&self, token: Token, interest: Interest) -> io::Result<()>;

    /// Removes the record.
    fn deregister(&self) -> io::Result<()>;

    /// An operation in `directions` ended with `outcome`.
    fn rearm(&self, directions: Interest, outcome: Outcome<'_>);
}

/// What a source stores: its link while it is registered.
///
/// Dropping it ends the registration; the source is still open at that time.
pub(crate) struct Linked<L: Link> {
    link: Option<L>,
}

impl<L: Link> Default for Linked<L> {
    fn default() -> Linked<L> {
        Linked { link: None }
    }
}

impl<L: Link> backend::Registration<L::Selector> for Linked<L> {
    fn register(
        &mut self,
        selector: &L::Selector,
        handle: Handle,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        if self.link.is_some() {
            // Another selector may have it, which this one does not know, and a source cannot arm
            // two records.
            return Err(already_registered());
        }
        self.link = Some(L::register(selector, handle, token, interest)?);
        Ok(())
    }

    fn reregister(
        &mut self,
        selector: &L::Selector,
        _: Handle,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        match &self.link {
            Some(link) if link.belongs_to(selector) => link.reregister(token, interest),
            _ => Err(not_registered()),
        }
    }

    fn deregister(&mut self, selector: &L::Selector, _: Handle) -> io::Result<()> {
        match self.link.take() {
            Some(link) if link.belongs_to(selector) => link.deregister(),
            other => {
                self.link = other;
                Err(not_registered())
            }
        }
    }

    fn rearm(&self, directions: Interest, outcome: Outcome<'_>) {
        if let Some(link) = &self.link {
            link.rearm(directions, outcome);
        }
    }
}

impl<L: Link> Drop for Linked<L> {
    fn drop(&mut self) {
        if let Some(link) = self.link.take() {
            // It fails only if the record is gone already.
            let _ = link.deregister();
        }
    }
}
