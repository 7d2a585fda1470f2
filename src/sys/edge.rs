//! Emulated edges, for backends whose system reports levels (poll(2)), or reports once and must be
//! asked again (event ports, AFD).
//!
//! [`Edge`] decides what to request of the system for one source, and which of the conditions that
//! the system returns to report. It does not depend on a system: [`EdgeFlags`] translates the
//! system's flags to [`Conditions`]. The rules for each condition:
//!
//! * A condition is *armed* from the registration until it is reported. A report disarms the
//!   conditions that it contains and no others: an end behind unread data is still an event.
//! * `DATA` and `ROOM` are armed again by an operation in their direction that returns
//!   `WouldBlock`, or that transfers less than was requested.
//! * `END`, `HANG_UP` and `ERROR` usually last, and `WouldBlock` shows only that they may have
//!   ended. It arms them again *in doubt*: they are not reported until a check has found them
//!   absent, so that no loop spins on them.
//! * `ERROR` is armed again by an operation that consumed the error, or, where only another attempt
//!   to connect does, by one that may have started that attempt.
//! * `DATA` is also armed again by an operation that failed and may have removed the first of a
//!   queue, since the next one must be reported, and by one that lacked a descriptor: it may have
//!   found the queue empty, and the next connection must be reported.
//! * After an operation on a queue that lacked a descriptor or memory, another attempt would fail
//!   too: the source [pauses](Edge::take_pause), so that a loop that ignores the error does not
//!   spin.
//! * A condition that the system reports whether or not it is requested mutes the source once it
//!   has been reported: the system is then asked nothing at all about the source. The exception is
//!   an error in doubt, since other conditions may still occur. The source is then
//!   [standing](Edge::is_standing), and is checked from time to time.

use std::ops::{BitAnd, BitAndAssign, BitOr, BitOrAssign, Not};
use std::time::Duration;
use std::{io, mem};

use super::backend::Outcome;
use crate::Interest;

pub(crate) mod linked;

/// The time between two checks of a [standing](Edge::is_standing) source.
pub(crate) const PACE: Duration = Duration::from_millis(10);

/// Returns the time to wait, at most `left`: until the standing sources are checked again, if the
/// wait `leaves_out` any.
pub(crate) fn paced(left: Option<Duration>, leaves_out: bool) -> Option<Duration> {
    if leaves_out {
        return Some(left.map_or(PACE, |left| left.min(PACE)));
    }
    left
}

/// A set of conditions that can hold for a source.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Conditions(u8);

impl Conditions {
    pub(crate) const NONE: Conditions = Conditions(0);
    /// There is data to read, or a connection to accept.
    pub(crate) const DATA: Conditions = Conditions(1);
    /// There is space to write.
    pub(crate) const ROOM: Conditions = Conditions(1 << 1);
    /// There is out-of-band data.
    pub(crate) const PRIORITY: Conditions = Conditions(1 << 2);
    /// The peer has shut down its sending side.
    pub(crate) const END: Conditions = Conditions(1 << 3);
    /// Both directions are closed.
    pub(crate) const HANG_UP: Conditions = Conditions(1 << 4);
    /// There is an error that an operation will return.
    pub(crate) const ERROR: Conditions = Conditions(1 << 5);

    /// Returns the conditions that an interest includes.
    fn of(interest: Interest) -> Conditions {
        Conditions::HANG_UP
            | Conditions::ERROR
            | Conditions::data_of(interest)
            | Conditions::END.when(interest.includes_end())
            | Conditions::PRIORITY.when(interest.is_priority())
    }

    /// Returns the conditions that an operation in `directions` can use up.
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

/// The flags that a system has for the conditions, and how it treats them.
pub(crate) struct EdgeFlags {
    /// The flags of each condition, in the order of their bits.
    pub(crate) flags: [u32; 6],
    /// The flags of `DATA` and `ROOM` with which other conditions are reported too.
    pub(crate) worth_trying: u32,
    /// The conditions that mute a source once they have been reported: nothing can follow them, or
    /// the system does not allow to mask them.
    pub(crate) muting: Conditions,
    /// The lasting conditions whose absence a check detects.
    pub(crate) doubtable: Conditions,
    /// Whether a failing operation consumes the pending error of the source. Otherwise only another
    /// attempt to connect ends it, which returns `WouldBlock`.
    pub(crate) failure_takes_error: bool,
}

impl EdgeFlags {
    /// Returns the flags to request; `None` to ask nothing about the source.
    pub(crate) fn wanted(&self, edge: &Edge) -> Option<u32> {
        edge.wanted(self).map(|wanted| self.flags_of(wanted))
    }

    /// Returns the flags of the user's event when the system reports `flags`, and disarms what it
    /// contains; `None` without an event. Conditions that were disarmed after they were requested
    /// are left out.
    pub(crate) fn deliver(&self, edge: &mut Edge, flags: u32) -> Option<u32> {
        let news = edge.report(self, self.conditions_of(flags));
        if news == Conditions::NONE {
            return None;
        }
        // A program that waits for a direction has to try it to detect an end or an error.
        let worth_trying = self.worth_trying & self.flags_of(edge.implied_by(news));
        Some(flags & self.flags_of(news) | worth_trying)
    }

    /// Updates the conditions in doubt after a check between reports, in which `flags` were all
    /// flags that were set.
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
        let bits = (0..).map(|bit| Conditions(1 << bit));
        bits.zip(self.flags)
    }
}

/// The conditions that a source is watched for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edge {
    interest: Interest,
    armed: Conditions,
    /// Those of the armed conditions that were reported before and may have ended.
    doubted: Conditions,
    standing: bool,
    pauses: bool,
}

impl Edge {
    pub(crate) fn new(interest: Interest) -> Edge {
        Edge {
            interest,
            armed: Conditions::of(interest),
            doubted: Conditions::NONE,
            standing: false,
            pauses: false,
        }
    }

    /// Returns whether a check that finds nothing has to be reported too.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.doubted != Conditions::NONE
    }

    pub(crate) fn is_maybe_pipe(&self) -> bool {
        self.interest.is_maybe_pipe()
    }

    /// Returns whether a check would find again what must not be reported now: nothing but an error
    /// in doubt, or anything while the source pauses.
    pub(crate) fn is_standing(&self) -> bool {
        self.standing || self.pauses
    }

    /// Returns whether the source pauses, and ends the pause after the next wait, of which it must be
    /// left out.
    pub(crate) fn take_pause(&mut self) -> bool {
        mem::take(&mut self.pauses)
    }

    /// Returns the conditions to request; `None` to ask nothing about the source.
    fn wanted(&self, system: &EdgeFlags) -> Option<Conditions> {
        let muted = !self.armed.contains(system.muting);
        // A source is readable at its end. If both are requested, the system shows which it is.
        let end = Conditions::END.when(self.armed.contains(Conditions::DATA));
        (!muted).then_some(self.armed | end)
    }

    /// Returns which of the conditions that the system has `seen` to report, and disarms these.
    fn report(&mut self, system: &EdgeFlags, seen: Conditions) -> Conditions {
        if self.pauses {
            return Conditions::NONE;
        }
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
        // An operation would find nothing but the end that was reported before.
        let met = Conditions::DATA.when(old.intersects(Conditions::END | Conditions::HANG_UP))
            | Conditions::ROOM.when(old.contains(Conditions::HANG_UP));
        self.armed &= !(news | met);
        news &= !met;
        self.settle(system, seen);
        self.standing = news == Conditions::NONE && self.doubted != Conditions::NONE;
        news
    }

    /// The system has `seen` which conditions hold. Conditions in doubt that have ended are armed
    /// without doubt, and those that still hold are disarmed. Only an error stays in doubt, so that
    /// other conditions of the source are still requested.
    fn settle(&mut self, system: &EdgeFlags, seen: Conditions) {
        self.standing = false;
        let lasting = seen & self.doubted;
        self.doubted = lasting & system.muting & Conditions::ERROR;
        self.armed &= self.doubted | !lasting;
    }

    /// Returns the directions to try after `news`.
    fn implied_by(&self, news: Conditions) -> Conditions {
        let data = Conditions::data_of(self.interest)
            | Conditions::DATA.when(self.interest.includes_end());
        if news.intersects(Conditions::HANG_UP | Conditions::ERROR) {
            data
        } else {
            data & Conditions::DATA.when(news.contains(Conditions::END))
        }
    }

    /// Arms conditions after an operation in `directions`. Returns whether the system must be asked
    /// again.
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
        let is_unknown = directions.is_readable() && directions.is_writable();
        if is_unknown || directions.is_priority() {
            // Reading ordinary data does not consume out-of-band data: only an operation of unknown
            // kind may have.
            self.arm(Conditions::PRIORITY);
        }
        match outcome {
            Outcome::Short => self.arm(Conditions::data_of(directions)),
            Outcome::ErrorTaken => self.error_taken(system, directions),
            Outcome::Failed(error) => self.failed(system, directions, error),
            Outcome::FailedToTake(error) => {
                self.failed(system, directions, error);
                // The next one in the queue must still be reported.
                self.arm(Conditions::data_of(directions) & Conditions::DATA);
            }
        }
        before != (self.wanted(system), self.doubted)
    }

    fn failed(&mut self, system: &EdgeFlags, directions: Interest, error: &io::Error) {
        let lacks_descriptor = is_one_of(&NO_DESCRIPTOR, error);
        if directions.is_readable() {
            let lacks = lacks_descriptor || is_one_of(&NO_MEMORY, error);
            // Only what was reported before can be reported again at once.
            self.pauses = lacks && (self.pauses || !self.armed.contains(Conditions::DATA));
        }
        match error.kind() {
            io::ErrorKind::WouldBlock => self.would_block(system, directions),
            // The reading end is closed, which no operation changes.
            io::ErrorKind::BrokenPipe => {}
            _ if is_one_of(&CONNECTING, error) => *self = Edge::new(self.interest),
            // Systems reserve it before they look at the source.
            _ if lacks_descriptor => {
                self.arm(Conditions::data_of(directions) & Conditions::DATA);
            }
            _ => self.error_taken(system, directions),
        }
    }

    fn would_block(&mut self, system: &EdgeFlags, directions: Interest) {
        let mut lasting = Conditions::HANG_UP | Conditions::ERROR;
        if !directions.is_writable() {
            // An operation that may have been a write says nothing about the peer's end.
            lasting |= Conditions::END;
        }
        if directions.is_writable() && !system.failure_takes_error {
            // It may have been that attempt, which can have failed since.
            self.doubted &= !Conditions::ERROR;
            self.arm(Conditions::ERROR);
        }
        self.arm(Conditions::data_of(directions));
        self.doubt(system, lasting);
    }

    fn error_taken(&mut self, system: &EdgeFlags, directions: Interest) {
        let was_reported = !(self.armed & !self.doubted).contains(Conditions::ERROR);
        if system.failure_takes_error && was_reported {
            self.doubted &= !Conditions::ERROR;
            self.arm(Conditions::ERROR | Conditions::data_of(directions));
            // A socket that failed to connect can connect again.
            self.doubt(system, Conditions::HANG_UP);
        }
    }

    /// Arms `lasting` conditions again, which may have ended.
    fn doubt(&mut self, system: &EdgeFlags, lasting: Conditions) {
        let again = lasting & Conditions::of(self.interest) & !self.armed;
        self.doubted |= again & system.doubtable;
        self.arm(again);
        if again.contains(Conditions::HANG_UP) {
            // If it has ended, both directions can be used again.
            self.arm(Conditions::DATA | Conditions::ROOM);
        }
    }

    fn arm(&mut self, conditions: Conditions) {
        self.armed |= conditions & Conditions::of(self.interest);
    }
}

// The error of a connection attempt that is in progress, and the errors of a process or a system
// that has run out of descriptors or of memory.
cfg_if! {
    if #[cfg(windows)] {
        use windows_sys::Win32::Networking::WinSock;
        /// It is `WouldBlock`.
        const CONNECTING: [i32; 0] = [];
        const NO_DESCRIPTOR: [i32; 1] = [WinSock::WSAEMFILE];
        const NO_MEMORY: [i32; 2] = [WinSock::WSAENOBUFS, WinSock::WSA_NOT_ENOUGH_MEMORY];
    } else {
        const CONNECTING: [i32; 1] = [libc::EINPROGRESS];
        const NO_DESCRIPTOR: [i32; 2] = [libc::EMFILE, libc::ENFILE];
        const NO_MEMORY: [i32; 2] = [libc::ENOBUFS, libc::ENOMEM];
    }
}

fn is_one_of(codes: &[i32], error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(code) if codes.contains(&code))
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

    /// Another thread may have reregistered the source between the request and the report.
    #[test]
    fn what_is_not_wanted_any_more_is_not_reported() {
        let mut reading = Edge::new(Interest::READABLE);
        assert_eq!(SYSTEM.deliver(&mut reading, OUT), None);
        assert_eq!(SYSTEM.deliver(&mut reading, IN | OUT), Some(IN));
        assert_eq!(SYSTEM.deliver(&mut reading, IN | OUT), None);

        let mut writing = Edge::new(Interest::WRITABLE);
        assert_eq!(SYSTEM.deliver(&mut writing, IN | HUP), Some(HUP | OUT));
        assert_eq!(SYSTEM.deliver(&mut writing, OUT | HUP), None);
    }

    const END: u32 = 8;
    const ERR: u32 = 16;

    /// Like poll(2).
    const LASTING: EdgeFlags = EdgeFlags {
        flags: [IN, OUT, 0, END, HUP, ERR],
        muting: Conditions::HANG_UP.union(Conditions::ERROR),
        doubtable: Conditions::HANG_UP.union(Conditions::ERROR),
        ..SYSTEM
    };
    const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

    fn would_block(system: &EdgeFlags, edge: &mut Edge) {
        let error = io::ErrorKind::WouldBlock.into();
        edge.rearm(system, Interest::READABLE, Outcome::Failed(&error));
    }

    /// What a write lacked says nothing about the room for it.
    #[test]
    fn a_lack_of_descriptors_arms_data_alone() {
        let error = io::Error::from_raw_os_error(NO_DESCRIPTOR[0]);
        for (directions, again) in [(Interest::WRITABLE, None), (BOTH, Some(IN))] {
            let mut edge = Edge::new(BOTH);
            assert_eq!(LASTING.deliver(&mut edge, IN | OUT), Some(IN | OUT));
            edge.rearm(&LASTING, directions, Outcome::Failed(&error));
            assert_eq!(edge.take_pause(), again.is_some());
            assert_eq!(LASTING.deliver(&mut edge, IN | OUT), again);
        }
    }

    /// A source whose last reading lacked something reports nothing until its pause is taken.
    #[test]
    fn a_source_pauses_after_a_lack() {
        for code in NO_DESCRIPTOR.into_iter().chain(NO_MEMORY) {
            let error = io::Error::from_raw_os_error(code);
            let lack = |edge: &mut Edge, directions| {
                edge.rearm(&LASTING, directions, Outcome::FailedToTake(&error));
            };
            let reported = || {
                let mut edge = Edge::new(BOTH);
                assert_eq!(LASTING.deliver(&mut edge, IN | OUT), Some(IN | OUT));
                edge
            };
            let mut reading = reported();
            lack(&mut reading, Interest::READABLE);
            lack(&mut reading, Interest::READABLE);
            let blocked = io::ErrorKind::WouldBlock.into();
            reading.rearm(&LASTING, Interest::WRITABLE, Outcome::Failed(&blocked));
            assert_eq!(LASTING.deliver(&mut reading, IN | OUT), None);
            assert!(reading.is_standing() && reading.take_pause());
            assert!(!reading.is_standing() && !reading.take_pause());
            assert_eq!(LASTING.deliver(&mut reading, IN | OUT), Some(IN | OUT));

            // There was nothing to take.
            let mut drained = reported();
            lack(&mut drained, Interest::READABLE);
            would_block(&LASTING, &mut drained);
            assert!(!drained.take_pause());

            let mut writing = reported();
            lack(&mut writing, Interest::WRITABLE);
            assert!(!writing.take_pause());

            // What was not reported is not reported again.
            let mut fresh = Edge::new(BOTH);
            lack(&mut fresh, BOTH);
            assert!(!fresh.take_pause());
        }
    }

    /// Data is no reason to write, an end only to read, and a hang-up to do both.
    #[test]
    fn the_directions_to_try_are_reported_with_what_holds() {
        for (flags, reported) in [
            (IN, IN),
            (END, END | IN),
            (IN | END, IN | END),
            (HUP, HUP | IN | OUT),
            (IN | HUP, HUP | IN | OUT),
            (ERR, ERR | IN | OUT),
        ] {
            let mut edge = Edge::new(BOTH);
            assert_eq!(LASTING.deliver(&mut edge, flags), Some(reported), "{flags}");
        }
    }

    #[test]
    fn the_system_is_asked_again_if_an_operation_has_armed_something() {
        let mut edge = Edge::new(Interest::READABLE);
        let short = |edge: &mut Edge| edge.rearm(&SYSTEM, Interest::READABLE, Outcome::Short);
        assert!(!short(&mut edge));
        assert_eq!(SYSTEM.deliver(&mut edge, IN), Some(IN));
        assert!(short(&mut edge));
        assert!(!short(&mut edge));
    }

    /// A hang-up that has ended and begun again is reported again, one that lasts is not.
    #[test]
    fn a_check_between_reports_settles_what_is_in_doubt() {
        for (found, then) in [(HUP, None), (0, Some(HUP | IN))] {
            let mut edge = Edge::new(Interest::READABLE);
            assert_eq!(SYSTEM.deliver(&mut edge, HUP), Some(HUP | IN));
            assert!(!edge.is_in_doubt());
            would_block(&SYSTEM, &mut edge);
            assert!(edge.is_in_doubt());
            SYSTEM.settle(&mut edge, found);
            assert!(!edge.is_in_doubt());
            assert_eq!(SYSTEM.deliver(&mut edge, HUP), then);
        }
    }

    /// The next check would find the error again at once.
    #[test]
    fn a_source_is_standing_while_nothing_but_an_error_in_doubt_is_found() {
        let mut edge = Edge::new(Interest::READABLE);
        assert_eq!(LASTING.deliver(&mut edge, 0), None);
        assert!(!edge.is_standing());
        assert_eq!(LASTING.deliver(&mut edge, ERR), Some(ERR | IN));
        would_block(&LASTING, &mut edge);
        assert!(edge.is_in_doubt() && !edge.is_standing());
        assert_eq!(LASTING.deliver(&mut edge, ERR), None);
        assert!(edge.is_in_doubt() && edge.is_standing());
        assert_eq!(LASTING.deliver(&mut edge, IN | ERR), Some(IN));
        assert!(edge.is_in_doubt() && !edge.is_standing());
        assert_eq!(LASTING.deliver(&mut edge, ERR), None);
        assert!(edge.is_standing());
        LASTING.settle(&mut edge, 0);
        assert!(!edge.is_in_doubt() && !edge.is_standing());
    }
}
