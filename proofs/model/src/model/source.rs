//! The state of one source in the model.

use std::collections::VecDeque;

use super::terms::*;
use super::{Backend, End, Wrong};
use Direction::{Read, Write};

#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sure {
    No,
    Maybe,
    Yes,
}

impl Sure {
    /// How certain it is that something is still to be reported, if it was reported with this
    /// certainty.
    pub(super) fn leaves(self) -> Sure {
        match self {
            Sure::No => Sure::Yes,
            Sure::Maybe => Sure::Maybe,
            Sure::Yes => Sure::No,
        }
    }
}

pub(super) struct Source {
    pub(super) kind: Kind,
    pub(super) level: Level,
    /// Everything that held since the last report.
    pub(super) was: Level,
    /// Unread data: the bytes of a stream, the length of each datagram, a one for each connection.
    pub(super) unread: VecDeque<usize>,
    /// Whether `unread` is known. It is unspecified what the kernel keeps of a broken connection,
    /// and what happens to data after a shutdown.
    pub(super) is_exact: bool,
    /// Whether so much was sent over TCP that the arrival of the rest depends on the system's
    /// timers.
    pub(super) had_bulk: bool,
    pub(super) has_shut: Directions,
    /// The directions that the peer has shut down; all of them if it is closed.
    pub(super) peer_has_shut: Directions,
    pub(super) peer_is_gone: bool,
    /// Whether an error has disappeared since the last operation.
    pub(super) lost_error: bool,
    /// Whether [`Backend::refusal_is_the_end`] may apply to it.
    pub(super) is_refused: bool,
    /// Whether another poll that shares the object may report it instead.
    pub(super) is_spared: bool,
    pub(super) registration: Option<Registration>,
}

pub(super) struct Registration {
    pub(super) poll: usize,
    pub(super) token: usize,
    pub(super) asked: Asked,
    pub(super) watches: [Watch; 2],
}

/// One direction of a registration.
#[derive(Copy, Clone)]
pub(super) struct Watch {
    /// Which conditions can be reported, by their numbers.
    asked: [Sure; 4],
    /// Which of them are still to be reported.
    pub(super) armed: [Sure; 4],
    /// How many events were reported before one that was due.
    pub(super) overtaken: usize,
    /// How often it was reported since something happened to the pair.
    pub(super) repeated: usize,
}

impl Watch {
    fn new(asked: [Sure; 4]) -> Watch {
        Watch {
            asked,
            armed: asked,
            overtaken: 0,
            repeated: 0,
        }
    }

    pub(super) fn asks_for(&self, condition: Condition) -> bool {
        self.asked[condition as usize] != Sure::No
    }

    /// Notes that it is unknown which conditions are armed.
    pub(super) fn forget(&mut self) {
        self.armed = self.asked.map(|it| Sure::Maybe.min(it));
    }

    pub(super) fn armed(&self, condition: Condition) -> Sure {
        self.armed[condition as usize]
    }

    pub(super) fn arm(&mut self, condition: Condition, how: Sure) {
        let how = how.min(self.asked[condition as usize]);
        let armed = &mut self.armed[condition as usize];
        *armed = how.max(*armed);
    }

    /// Notes a report: which conditions, and how certain that is.
    pub(super) fn reported(&mut self, how: [Sure; 4], mode: Mode) {
        let ready = how[Condition::Ready as usize];
        if ready != Sure::No {
            self.overtaken = 0;
        }
        self.repeated += usize::from(ready == Sure::Yes && mode == Mode::Edge);
        if mode != Mode::Level {
            for (armed, how) in self.armed.iter_mut().zip(how) {
                *armed = how.leaves().min(*armed);
            }
        }
    }
}

pub(super) struct Waker {
    pub(super) token: usize,
    pub(super) pending: Sure,
    pub(super) overtaken: usize,
    /// Whether a source has had the same token. Its events look like wakes, so the library may
    /// report a wake twice.
    pub(super) shares: bool,
}

impl Registration {
    /// Creates the registration of an `end` of a pair of this kind.
    pub(super) fn new(
        kind: Kind,
        end: End,
        poll: usize,
        token: usize,
        asked: Asked,
    ) -> Registration {
        // For sources other than streams, the end is unspecified.
        let has_end = kind.is_stream() && kind.directions(end)[Read as usize];
        let watches = DIRECTIONS.map(|direction| {
            let is_end_alone = direction == Read && asked.is_end_alone();
            Watch::new(CONDITIONS.map(|condition| match condition {
                _ if !asked.has(direction) => Sure::No,
                _ if is_end_alone && !has_end => Sure::Maybe,
                Condition::Ready if is_end_alone => Sure::No,
                _ => Sure::Yes,
            }))
        });
        Registration {
            poll,
            token,
            asked,
            watches,
        }
    }
}

impl Source {
    pub(super) fn watches(&mut self) -> impl Iterator<Item = (Direction, &mut Watch)> {
        let watches = self.registration.as_mut().map(|it| &mut it.watches);
        DIRECTIONS.into_iter().zip(watches.into_iter().flatten())
    }

    /// The edge-triggered watches of the interest.
    fn edges(&mut self) -> impl Iterator<Item = (Direction, &mut Watch)> {
        let asked = self.registration.as_ref().map(|it| it.asked);
        let is_edge = move |direction| {
            asked.is_some_and(|it: Asked| it.mode == Mode::Edge && it.has(direction))
        };
        self.watches().filter(move |it| is_edge(it.0))
    }

    /// Notes whether bytes may be lost on their way to this end, see [`Backend::loses_the_rest`].
    /// Call it after each change of the conditions for that.
    pub(super) fn may_lose_the_rest(&mut self, backend: &Backend) {
        let is_over = self.peer_is_gone || self.has_shut[Write as usize];
        self.is_exact &= !(backend.loses_the_rest && self.had_bulk && is_over);
    }

    /// Arms the conditions that have begun since the level was `before`.
    pub(super) fn begin(&mut self, backend: &Backend, before: Level) {
        let level = self.level;
        self.lost_error |= before.error && !level.error;
        // Where edges are emulated, the end of a condition is noticed only if an operation or a
        // report shows it.
        let how = if backend.emulates_edges {
            Sure::Maybe
        } else {
            Sure::Yes
        };
        for (direction, watch) in self.edges() {
            for condition in LASTING {
                let has_begun = level.shows(direction, condition);
                if has_begun && !before.shows(direction, condition) {
                    watch.arm(condition, how);
                }
            }
        }
    }

    /// Notes the end of an operation in `directions`, which may arm something.
    pub(super) fn operated(
        &mut self,
        backend: &Backend,
        directions: &[Direction],
        wanted: usize,
        outcome: Outcome,
    ) {
        let lost_error = std::mem::take(&mut self.lost_error);
        let is_short = match outcome {
            Outcome::Moved(len) => 0 < len && len < wanted && self.kind.is_stream(),
            Outcome::WouldBlock => true,
            Outcome::Cut | Outcome::Failed => false,
        };
        if is_short {
            self.used_up(directions);
        }
        if outcome == Outcome::Failed && backend.failure_takes_error {
            self.failed(directions, lost_error);
        }
        let is_queue = matches!(self.kind, Kind::Udp | Kind::Listener | Kind::Shared);
        let has_failed = matches!(outcome, Outcome::Cut | Outcome::Failed);
        if is_queue && has_failed && backend.emulates_edges {
            // It may have removed the first item of the queue, and the next one may be reported.
            for (direction, watch) in self.edges() {
                if directions == [Direction::Read] && direction == Direction::Read {
                    watch.arm(Condition::Ready, Sure::Maybe);
                }
            }
        }
    }

    /// Arms the directions, which have no more data or room. An end that was reported still holds,
    /// and is not reported again. Other conditions may already have begun when the operation ended.
    fn used_up(&mut self, directions: &[Direction]) {
        let level = self.level;
        for (direction, watch) in self.edges().filter(|it| directions.contains(&it.0)) {
            let is_reported =
                |condition| level.shows(direction, condition) && watch.armed(condition) == Sure::No;
            let how = match () {
                () if is_reported(Condition::End) || is_reported(Condition::HangUp) => Sure::No,
                () if level.is_ready(direction) => Sure::Maybe,
                () => Sure::Yes,
            };
            watch.arm(Condition::Ready, how);
        }
    }

    /// Notes a failed operation; `lost_error` if it took the pending error. After an error was
    /// reported, the library may interpret any failure as that error.
    fn failed(&mut self, directions: &[Direction], lost_error: bool) {
        let level = self.level;
        for (direction, watch) in self.edges() {
            let was_armed = watch.armed(Condition::Error);
            if was_armed == Sure::Yes {
                continue;
            }
            watch.arm(
                Condition::Error,
                if lost_error { Sure::Yes } else { Sure::Maybe },
            );
            if directions.contains(&direction) {
                let is_sure = lost_error && was_armed == Sure::No && !level.is_ready(direction);
                watch.arm(
                    Condition::Ready,
                    if is_sure { Sure::Yes } else { Sure::Maybe },
                );
            }
        }
    }

    /// Removes what an operation has received.
    pub(super) fn take(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Moved(len) if self.kind.is_stream() => {
                if let Some(left) = self.unread.front_mut() {
                    *left = left.saturating_sub(len);
                }
                self.unread.retain(|&left| left > 0);
            }
            Outcome::Moved(_) | Outcome::Cut => drop(self.unread.pop_front()),
            _ => {}
        }
    }

    pub(super) fn check_read(&self, wanted: usize, outcome: Outcome) -> Result<(), Wrong> {
        let unread = self.unread.front().copied().unwrap_or(0);
        let right = match outcome {
            _ if !self.is_exact => true,
            Outcome::Moved(0) => self.has_ended() && unread == 0,
            Outcome::Moved(len) if self.kind.is_immediate() => len == wanted.min(unread),
            Outcome::Moved(len) => len <= wanted.min(unread),
            Outcome::Cut => self.kind == Kind::Udp && wanted < unread,
            Outcome::WouldBlock if self.kind.is_immediate() => unread == 0 && !self.has_ended(),
            Outcome::WouldBlock => true,
            Outcome::Failed => self.can_fail(),
        };
        if right {
            return Ok(());
        }
        Err(format!("{outcome:?} of {wanted}, with {unread} unread"))
    }

    /// Whether it is not a TCP socket that is neither connected nor listening.
    pub(super) fn is_in_use(&self) -> bool {
        match self.kind {
            Kind::Listener => !self.has_shut[Read as usize],
            kind => kind != Kind::Unconnected,
        }
    }

    /// Whether nothing will arrive after the unread data.
    pub(super) fn has_ended(&self) -> bool {
        let is_connected = self.kind.is_stream();
        is_connected && (self.peer_is_gone || self.peer_has_shut[Write as usize])
            || self.has_shut[Read as usize]
            || self.kind == Kind::Unconnected
    }

    /// Whether an event may be read-closed.
    pub(super) fn read_can_end(&self) -> bool {
        self.has_ended()
    }

    /// Whether an event may be write-closed. It need not be, because a stream does not notice that
    /// its peer has closed until it writes.
    pub(super) fn write_can_end(&self) -> bool {
        let is_connected = self.kind.is_stream();
        is_connected && self.peer_is_gone
            || self.peer_has_shut[Read as usize]
            || self.has_shut[Write as usize]
            || self.kind == Kind::Tcp && self.can_fail()
            || self.kind == Kind::UnixDatagram && self.peer_is_gone
            || self.kind == Kind::Listener && self.has_shut[Read as usize]
            || self.kind == Kind::Unconnected
    }

    /// Whether an error alone may look like the end of writing, as it may for datagram sockets.
    pub(super) fn errs(&self, level: Level) -> bool {
        self.kind == Kind::Udp && level.error
    }

    pub(super) fn can_fail(&self) -> bool {
        let may_be_reset = self.has_shut[Read as usize] || self.peer_has_shut[Read as usize];
        match self.kind {
            Kind::Listener | Kind::Shared => false,
            Kind::Tcp => self.peer_is_gone || may_be_reset,
            Kind::Unconnected => true,
            _ => self.peer_is_gone,
        }
    }
}
