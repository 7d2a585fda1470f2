//! Emulated edges in the flags of a system: what to ask it for, and what to tell of its
//! answer.

use super::rearming::{Arming, Fired};
use crate::Interest;

/// What the directions are called in the flags of one system.
pub(super) struct EdgeFlags {
    pub(super) readable: u32,
    pub(super) writable: u32,
    pub(super) priority: u32,
    /// What is reported though nobody asked: errors, and the end of the whole.
    pub(super) unasked: u32,
    /// Those of `readable` and `writable` that say "try it".
    pub(super) worth_trying: u32,
}

impl EdgeFlags {
    /// The flags to ask the system for; `None` not to ask at all.
    pub(super) fn wanted(&self, arming: &Arming) -> Option<u32> {
        Some(arming.wanted()?.map_or(0, |armed| self.flags_of(armed)))
    }

    /// What to tell the user when the system reports `flags`, which uses up what is told.
    ///
    /// The arming may have changed since the system was asked; what is not wanted any more
    /// is dropped.
    pub(super) fn deliver(&self, arming: &mut Arming, flags: u32) -> Option<u32> {
        let wanted = self.wanted(arming)?;
        let mut flags = flags & (wanted | self.unasked);
        let fired = if flags & self.unasked != 0 {
            // No operation would block now: whoever waits for a direction shall try it, and
            // learn of the error.
            flags |= wanted & self.worth_trying;
            Fired::Everything
        } else {
            Fired::Directions(self.directions_of(flags)?)
        };
        arming.deliver(fired);
        Some(flags)
    }

    fn directions(&self) -> [(Interest, u32); 3] {
        [
            (Interest::READABLE, self.readable),
            (Interest::WRITABLE, self.writable),
            (Interest::PRIORITY_BIT, self.priority),
        ]
    }

    fn flags_of(&self, interest: Interest) -> u32 {
        self.directions()
            .into_iter()
            .filter(|&(direction, _)| interest.intersects(direction))
            .fold(0, |all, (_, flags)| all | flags)
    }

    fn directions_of(&self, flags: u32) -> Option<Interest> {
        self.directions()
            .into_iter()
            .filter(|&(_, direction)| flags & direction != 0)
            .map(|(direction, _)| direction)
            .reduce(Interest::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN: u32 = 1;
    const OUT: u32 = 2;
    const HUP: u32 = 4;

    const EDGES: EdgeFlags = EdgeFlags {
        readable: IN,
        writable: OUT,
        priority: 0,
        unasked: HUP,
        worth_trying: IN | OUT,
    };

    /// Between the question and its answer another thread may have asked for less.
    #[test]
    fn what_is_not_wanted_any_more_is_not_told() {
        let mut reading = Arming::new(Interest::READABLE);
        assert_eq!(EDGES.deliver(&mut reading, OUT), None);
        assert_eq!(EDGES.deliver(&mut reading, IN | OUT), Some(IN));
        assert_eq!(EDGES.deliver(&mut reading, IN | OUT), None);

        let mut writing = Arming::new(Interest::WRITABLE);
        assert_eq!(EDGES.deliver(&mut writing, IN | HUP), Some(HUP | OUT));
        assert_eq!(EDGES.deliver(&mut writing, OUT | HUP), None);
    }
}
