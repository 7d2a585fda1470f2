//! Emulated edges, for backends whose system reports levels (poll(2)), or reports once and
//! must be asked again (event ports, AFD).
//!
//! [`Edge`] decides what to ask the system about one source, and what to report of its
//! answer. It knows no system: [`EdgeFlags`] translates the system's flags into
//! [`Conditions`]. The rules, condition by condition:
//!
//! * A condition is *armed* from the registration until it is reported. A report disarms
//!   what it carries and nothing else: an end behind unread data is still an event.
//! * `DATA` and `ROOM` are armed again by an operation in their direction that would have
//!   blocked, or that moved less than was asked for.
//! * `END`, `HANG_UP` and `ERROR` stay true once they are, and an operation that would have
//!   blocked shows only that they may have passed. Armed again by it, they are *in doubt*
//!   until a look has found them absent: no loop spins on them.
//! * `ERROR` is armed again by an operation that took the error off the source.
//! * What a system reports whether asked or not mutes the source once it is used up: the
//!   system is then asked nothing at all. That leaves an error in doubt, beside which other
//!   conditions are still waited for. The source is then [standing](Edge::is_standing), to be
//!   looked at now and again.

use std::io;
use std::ops::{BitAnd, BitAndAssign, BitOr, BitOrAssign, Not};
use std::time::Duration;

use super::backend::Outcome;
use crate::Interest;

/// How long a [standing](Edge::is_standing) source is left alone.
#[allow(dead_code)] // Some backends have none.
pub(crate) const PACE: Duration = Duration::from_millis(10);

/// What can be true of a source, as a set.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Conditions(u8);

impl Conditions {
    pub(crate) const NONE: Conditions = Conditions(0);
    /// Something to read, or a connection to accept.
    pub(crate) const DATA: Conditions = Conditions(1);
    /// Room to write.
    pub(crate) const ROOM: Conditions = Conditions(1 << 1);
    /// Out-of-band data.
    pub(crate) const PRIORITY: Conditions = Conditions(1 << 2);
    /// The peer sends no more.
    pub(crate) const END: Conditions = Conditions(1 << 3);
    /// Neither direction works any more.
    pub(crate) const HANG_UP: Conditions = Conditions(1 << 4);
    /// An error that an operation will return.
    pub(crate) const ERROR: Conditions = Conditions(1 << 5);

    pub(crate) const ALL: [Conditions; 6] = [
        Conditions::DATA,
        Conditions::ROOM,
        Conditions::PRIORITY,
        Conditions::END,
        Conditions::HANG_UP,
        Conditions::ERROR,
    ];

    /// What an interest covers.
    fn of(interest: Interest) -> Conditions {
        Conditions::HANG_UP
            | Conditions::ERROR
            | Conditions::data_of(interest)
            | Conditions::END.when(interest.is_readable())
            | Conditions::PRIORITY.when(interest.is_priority())
    }

    /// What an operation in `directions` can use up.
    fn data_of(directions: Interest) -> Conditions {
        Conditions::DATA.when(directions.is_readable())
            | Conditions::ROOM.when(directions.is_writable())
    }

    fn when(self, condition: bool) -> Conditions {
        if condition {
            self
        } else {
            Conditions::NONE
        }
    }

    pub(crate) const fn union(self, other: Conditions) -> Conditions {
        Conditions(self.0 | other.0)
    }

    fn contains(self, other: Conditions) -> bool {
        self & other == other
    }

    fn intersects(self, other: Conditions) -> bool {
        self & other != Conditions::NONE
    }
}

impl BitOr for Conditions {
    type Output = Conditions;

    fn bitor(self, other: Conditions) -> Conditions {
        self.union(other)
    }
}

impl BitOrAssign for Conditions {
    fn bitor_assign(&mut self, other: Conditions) {
        *self = *self | other;
    }
}

impl BitAnd for Conditions {
    type Output = Conditions;

    fn bitand(self, other: Conditions) -> Conditions {
        Conditions(self.0 & other.0)
    }
}

impl BitAndAssign for Conditions {
    fn bitand_assign(&mut self, other: Conditions) {
        *self = *self & other;
    }
}

impl Not for Conditions {
    type Output = Conditions;

    fn not(self) -> Conditions {
        Conditions(!self.0)
    }
}

/// What a system calls the conditions, and how it treats them.
pub(crate) struct EdgeFlags {
    /// The flags of each condition, in the order of [`Conditions::ALL`].
    pub(crate) flags: [u32; 6],
    /// Those of `DATA` and `ROOM` that say "try it".
    pub(crate) worth_trying: u32,
    /// The conditions that mute a source once they are used up: after them there is nothing
    /// else to wait for, or the system does not let them be masked.
    pub(crate) muting: Conditions,
    /// The lasting conditions of which a look also shows that they are absent.
    pub(crate) doubtable: Conditions,
    /// Whether a failing operation takes the pending error off the source.
    pub(crate) failure_takes_error: bool,
}

impl EdgeFlags {
    /// The flags to ask the system for; `None` to leave the source out.
    pub(crate) fn wanted(&self, edge: &Edge) -> Option<u32> {
        edge.wanted(self).map(|wanted| self.flags_of(wanted))
    }

    /// The flags of the user's event when the system reports `flags`; `None` without one.
    ///
    /// What has been disarmed since the system was asked is left out.
    pub(crate) fn deliver(&self, edge: &mut Edge, flags: u32) -> Option<u32> {
        let news = edge.report(self, self.conditions_of(flags));
        if news == Conditions::NONE {
            return None;
        }
        // Whoever waits for a direction must try it to learn of an end or an error.
        let worth_trying = self.worth_trying & self.flags_of(edge.implied_by(news));
        Some(flags & self.flags_of(news) | worth_trying)
    }

    /// The system has been looked at, between reports, and `flags` were all that held.
    #[allow(dead_code)] // For where a report shows presence only.
    pub(crate) fn settle(&self, edge: &mut Edge, flags: u32) {
        edge.settle(self, self.conditions_of(flags));
    }

    fn flags_of(&self, conditions: Conditions) -> u32 {
        self.each()
            .filter(|&(condition, _)| conditions.contains(condition))
            .fold(0, |all, (_, flags)| all | flags)
    }

    fn conditions_of(&self, flags: u32) -> Conditions {
        self.each()
            .filter(|&(_, its)| flags & its != 0)
            .fold(Conditions::NONE, |all, (condition, _)| all | condition)
    }

    fn each(&self) -> impl Iterator<Item = (Conditions, u32)> {
        Conditions::ALL.into_iter().zip(self.flags)
    }
}

/// What one source is watched for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edge {
    interest: Interest,
    armed: Conditions,
    /// Of the armed conditions, those that were reported before and may have passed.
    doubted: Conditions,
    standing: bool,
}

impl Edge {
    pub(crate) fn new(interest: Interest) -> Edge {
        Edge {
            interest,
            armed: Conditions::of(interest),
            doubted: Conditions::NONE,
            standing: false,
        }
    }

    /// Whether a look that finds nothing must be reported too.
    #[allow(dead_code)] // Some backends ask, others need not.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.doubted != Conditions::NONE
    }

    #[allow(dead_code)] // As above.
    pub(crate) fn is_maybe_pipe(&self) -> bool {
        self.interest.is_maybe_pipe()
    }

    /// Whether the last look found nothing but an error in doubt, which the next look would
    /// find again at once.
    #[allow(dead_code)] // As above.
    pub(crate) fn is_standing(&self) -> bool {
        self.standing
    }

    /// What to ask the system for; `None` to leave the source out.
    fn wanted(&self, system: &EdgeFlags) -> Option<Conditions> {
        let muted = !self.armed.contains(system.muting);
        // The end keeps a source readable. Asked for both, the system shows which it is.
        let end = Conditions::END.when(self.armed.contains(Conditions::DATA));
        (!muted).then_some(self.armed | end)
    }

    /// Of the conditions that the system has `seen`, those that are reported now.
    fn report(&mut self, system: &EdgeFlags, seen: Conditions) -> Conditions {
        let mut news = seen & self.armed;
        if self.interest.is_oneshot() {
            if news != Conditions::NONE {
                self.armed = Conditions::NONE;
            }
            return news;
        }
        if self.interest.is_level() {
            return news;
        }
        news &= !self.doubted;
        let old = seen & !news;
        // All that an operation can meet is the end that was reported before.
        let met = Conditions::DATA.when(old.intersects(Conditions::END | Conditions::HANG_UP))
            | Conditions::ROOM.when(old.contains(Conditions::HANG_UP));
        self.armed &= !(news | met);
        news &= !met;
        self.settle(system, seen);
        self.standing = news == Conditions::NONE && self.doubted != Conditions::NONE;
        news
    }

    /// The system has `seen` which conditions hold: those in doubt that do not are armed for
    /// certain, and those that still do are used up. Only an error stays in doubt, for the
    /// sake of what else may become of the source.
    fn settle(&mut self, system: &EdgeFlags, seen: Conditions) {
        self.standing = false;
        let lasting = seen & self.doubted;
        self.doubted = lasting & system.muting & Conditions::ERROR;
        self.armed &= self.doubted | !lasting;
    }

    /// The directions worth trying after `news`.
    fn implied_by(&self, news: Conditions) -> Conditions {
        let data = Conditions::data_of(self.interest);
        if news.intersects(Conditions::HANG_UP | Conditions::ERROR) {
            data
        } else {
            data & Conditions::DATA.when(news.contains(Conditions::END))
        }
    }

    /// An operation in `directions` ended with `outcome`. Returns whether the system must be
    /// asked again.
    pub(crate) fn rearm(
        &mut self,
        system: &EdgeFlags,
        directions: Interest,
        outcome: Outcome<'_>,
    ) -> bool {
        if self.interest.is_oneshot() || self.interest.is_level() {
            return false;
        }
        let before = (self.wanted(system), self.doubted);
        if directions.is_readable() && directions.is_writable() {
            // Out-of-band data stays while ordinary data is read: only an operation of
            // unknown kind may have asked for it.
            self.arm(Conditions::PRIORITY);
        }
        match outcome {
            Outcome::Short => self.arm(Conditions::data_of(directions)),
            Outcome::Failed(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.would_block(system, directions);
            }
            Outcome::Failed(error) if is_connecting(error) => *self = Edge::new(self.interest),
            // The end of the other side, which no operation takes away.
            Outcome::Failed(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Outcome::Failed(_) | Outcome::ErrorTaken => self.error_taken(system, directions),
        }
        before != (self.wanted(system), self.doubted)
    }

    fn would_block(&mut self, system: &EdgeFlags, directions: Interest) {
        let mut lasting = Conditions::HANG_UP | Conditions::ERROR;
        if !directions.is_writable() {
            // Who may have been writing does not know whether the peer has ended.
            lasting |= Conditions::END;
        }
        self.arm(Conditions::data_of(directions));
        self.doubt(system, lasting);
    }

    fn error_taken(&mut self, system: &EdgeFlags, directions: Interest) {
        let was_reported = !(self.armed & !self.doubted).contains(Conditions::ERROR);
        if system.failure_takes_error && was_reported {
            self.doubted &= !Conditions::ERROR;
            self.arm(Conditions::ERROR | Conditions::data_of(directions));
            // A socket whose attempt to connect has failed can make another.
            self.doubt(system, Conditions::HANG_UP);
        }
    }

    /// The `lasting` conditions may have passed.
    fn doubt(&mut self, system: &EdgeFlags, lasting: Conditions) {
        let again = lasting & Conditions::of(self.interest) & !self.armed;
        self.doubted |= again & system.doubtable;
        self.arm(again);
        if again.contains(Conditions::HANG_UP) {
            // Then the source lives on in both directions.
            self.arm(Conditions::DATA | Conditions::ROOM);
        }
    }

    fn arm(&mut self, conditions: Conditions) {
        self.armed |= conditions & Conditions::of(self.interest);
    }
}

/// The error that says that a connection attempt is under way. On Windows it is `WouldBlock`.
#[cfg(not(windows))]
const CONNECTING: Option<i32> = Some(libc::EINPROGRESS);
#[cfg(windows)]
const CONNECTING: Option<i32> = None;

fn is_connecting(error: &io::Error) -> bool {
    CONNECTING.is_some() && error.raw_os_error() == CONNECTING
}

#[cfg(test)]
mod laws;

#[cfg(test)]
mod tests {
    use super::*;

    const IN: u32 = 1;
    const OUT: u32 = 2;
    const HUP: u32 = 4;

    const SYSTEM: EdgeFlags = EdgeFlags {
        flags: [IN, OUT, 0, 0, HUP, 0],
        worth_trying: IN | OUT,
        muting: Conditions::HANG_UP,
        doubtable: Conditions::HANG_UP,
        failure_takes_error: true,
    };

    /// Between the question and its answer another thread may have asked for less.
    #[test]
    fn what_is_not_wanted_any_more_is_not_told() {
        let mut reading = Edge::new(Interest::READABLE);
        assert_eq!(SYSTEM.deliver(&mut reading, OUT), None);
        assert_eq!(SYSTEM.deliver(&mut reading, IN | OUT), Some(IN));
        assert_eq!(SYSTEM.deliver(&mut reading, IN | OUT), None);

        let mut writing = Edge::new(Interest::WRITABLE);
        assert_eq!(SYSTEM.deliver(&mut writing, IN | HUP), Some(HUP | OUT));
        assert_eq!(SYSTEM.deliver(&mut writing, OUT | HUP), None);
    }
}
