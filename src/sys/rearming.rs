//! The registration of sources on backends that emulate edges (`edge.rs`): it passes on the
//! moments that arm a source again.

use std::io;

use super::{Link, Selector};
use crate::sys::backend::{self, Outcome};
use crate::sys::error::{already_registered, not_registered};
use crate::sys::Handle;
use crate::{Interest, Token};

/// What a source remembers: the link to its selector while it is registered.
///
/// Dropping it ends the registration; the source is still open at that moment.
#[derive(Default)]
pub(crate) struct Registration {
    link: Option<Link>,
}

impl backend::Registration<Selector> for Registration {
    fn register(
        &mut self,
        selector: &Selector,
        handle: Handle,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        if self.link.is_some() {
            // Another selector has it (the same one would say so itself), and one link
            // cannot arm two.
            return Err(already_registered());
        }
        self.link = Some(Link::attach(selector, handle, token, interest)?);
        Ok(())
    }

    fn reregister(
        &mut self,
        selector: &Selector,
        _: Handle,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        match &self.link {
            Some(link) if link.leads_to(selector) => link.change(token, interest),
            _ => Err(not_registered()),
        }
    }

    fn deregister(&mut self, selector: &Selector, _: Handle) -> io::Result<()> {
        match self.link.take() {
            Some(link) if link.leads_to(selector) => link.detach(),
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

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(link) = self.link.take() {
            // Fails only if the registration is gone, as it shall be.
            let _ = link.detach();
        }
    }
}
