//! Emulated edges, for backends whose system reports levels, or reports once, and
//! has to be asked anew (poll(2), event ports, AFD).
//!
//! [`Arming`] decides what to ask the system for, and what to tell the user; it is a
//! plain value that knows no system. [`Registration`] is what a source holds, and
//! passes on the moments that arm it again.

use std::io;

use super::{Link, Selector};
use crate::sys::misuse::{already_registered, not_registered};
use crate::sys::{seam, Handle};
use crate::{Interest, Token};

/// What one source is watched for.
///
/// A direction is *armed* from its registration until it is reported, and again
/// from the moment at which an operation in it would have blocked. Only armed
/// directions are asked for, and that is what makes a level an edge.
#[derive(Debug)]
pub(super) struct Arming {
    interest: Interest,
    armed: Directions,
    /// Whether the system is to be asked nothing at all. A hang-up or an error stays
    /// true, and is reported though unasked for: once told to the user, it must not
    /// be seen again before the user has touched the source. A one-shot source is
    /// mute from its event until it is reregistered.
    muted: bool,
}

/// A set of directions; `None` is the empty one.
pub(super) type Directions = Option<Interest>;

impl Arming {
    pub(super) fn new(interest: Interest) -> Arming {
        Arming {
            interest,
            armed: Some(interest),
            muted: false,
        }
    }

    /// What to ask the system for; `None` means to leave the source out altogether,
    /// `Some(None)` to ask only for what comes unasked.
    pub(super) fn wanted(&self) -> Option<Directions> {
        (!self.muted).then_some(self.armed)
    }

    /// The system has reported `fired`, and the user is being told so.
    pub(super) fn deliver(&mut self, fired: Fired) {
        if self.interest.is_oneshot() {
            self.muted = true;
        } else if !self.interest.is_level() {
            match fired {
                Fired::Directions(fired) => self.disarm(fired),
                Fired::Everything => {
                    self.armed = None;
                    self.muted = true;
                }
            }
        }
    }

    #[allow(dead_code)] // As below.
    pub(super) fn is_maybe_pipe(&self) -> bool {
        self.interest.is_maybe_pipe()
    }

    #[allow(dead_code)] // Some backends ask, others need not.
    pub(super) fn is_level(&self) -> bool {
        self.interest.is_level()
    }

    fn disarm(&mut self, fired: Interest) {
        self.armed = self.armed.and_then(|armed| armed.remove(fired));
    }

    /// An operation in `directions` has shown that they are worth watching again.
    /// Returns whether that changes what the system is to be asked for.
    ///
    /// Out-of-band data stays visible while ordinary data are read, so that only an
    /// operation of unknown kind (both directions) arms it again.
    pub(super) fn rearm(&mut self, directions: Interest) -> bool {
        if self.interest.is_oneshot() || self.interest.is_level() {
            return false;
        }
        let before = self.wanted();
        self.muted = false;
        let both = directions.is_readable() && directions.is_writable();
        for (direction, asked) in [
            (Interest::READABLE, directions.is_readable()),
            (Interest::WRITABLE, directions.is_writable()),
            (Interest::PRIORITY_BIT, both),
        ] {
            if asked && self.interest.intersects(direction) {
                self.armed = Some(self.armed.map_or(direction, |armed| armed | direction));
            }
        }
        self.wanted() != before
    }
}

/// What a report of the system uses up.
#[derive(Copy, Clone, Debug)]
pub(super) enum Fired {
    Directions(Interest),
    /// A hang-up or an error, which concerns every direction.
    Everything,
}

/// What a source remembers: the link to its selector while it is registered.
///
/// Dropping it ends the registration; the source is still open at that moment.
#[derive(Default)]
pub(crate) struct Registration {
    link: Option<Link>,
}

impl seam::Registration<Selector> for Registration {
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

    fn rearm(&self, directions: Interest) {
        if let Some(link) = &self.link {
            link.rearm(directions);
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

#[cfg(test)]
mod tests {
    use super::*;

    const R: Interest = Interest::READABLE;
    const W: Interest = Interest::WRITABLE;

    #[test]
    fn what_was_reported_is_not_asked_for_again() {
        let mut arming = Arming::new(R | W);
        assert_eq!(arming.wanted(), Some(Some(R | W)));
        arming.deliver(Fired::Directions(W));
        assert_eq!(arming.wanted(), Some(Some(R)));
        arming.deliver(Fired::Directions(R));
        assert_eq!(arming.wanted(), Some(None));
    }

    /// Edge case 49: reading to the end arms reading, and reading only.
    #[test]
    fn one_direction_is_armed_without_the_other() {
        let mut arming = Arming::new(R | W);
        arming.deliver(Fired::Directions(R | W));
        assert!(arming.rearm(R));
        assert_eq!(arming.wanted(), Some(Some(R)));
        assert!(!arming.rearm(R), "nothing has changed");
    }

    #[test]
    fn only_what_the_user_is_interested_in_is_armed() {
        let mut arming = Arming::new(R);
        arming.deliver(Fired::Directions(R));
        assert!(!arming.rearm(W));
        assert!(arming.rearm(R | W));
        assert_eq!(arming.wanted(), Some(Some(R)));
    }

    /// Edge case 46: an error is told once, until the user touches the source.
    #[test]
    fn an_error_mutes_until_an_operation() {
        let mut arming = Arming::new(R | W);
        arming.deliver(Fired::Everything);
        assert_eq!(arming.wanted(), None);
        assert!(arming.rearm(R));
        assert_eq!(arming.wanted(), Some(Some(R)));
    }

    #[test]
    fn level_is_never_disarmed() {
        let mut arming = Arming::new(R.level());
        arming.deliver(Fired::Directions(R));
        arming.deliver(Fired::Everything);
        assert_eq!(arming.wanted(), Some(Some(R.level())));
    }

    #[test]
    fn oneshot_is_mute_after_any_event_whatever_is_done() {
        let mut arming = Arming::new((R | W).oneshot());
        arming.deliver(Fired::Directions(R));
        assert!(!arming.rearm(R | W));
        assert_eq!(arming.wanted(), None);
    }

    /// Edge case 18: unread out-of-band data must not be reported in a loop.
    #[test]
    fn out_of_band_is_armed_by_operations_of_unknown_kind_only() {
        let priority = Interest::PRIORITY_BIT;
        let mut arming = Arming::new(R | priority);
        arming.deliver(Fired::Directions(R | priority));
        arming.rearm(R);
        assert_eq!(arming.wanted(), Some(Some(R)));
        arming.rearm(R | W);
        assert_eq!(arming.wanted(), Some(Some(R | priority)));
    }
}
