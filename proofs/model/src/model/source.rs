//! One source, and what the model knows of it.

use std::collections::VecDeque;

use super::terms::*;
use super::Wrong;
use Direction::{Read, Write};

#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sure {
    No,
    Maybe,
    Yes,
}

pub(super) struct Source {
    pub(super) kind: Kind,
    pub(super) level: Level,
    /// All that was true since it was told of last.
    pub(super) was: Level,
    /// What has arrived and was not read: the bytes of a stream, the length of each
    /// datagram, one for each connection.
    pub(super) unread: VecDeque<usize>,
    /// Whether `unread` is known. What the kernel keeps of a connection that broke down, and
    /// what becomes of data after a shutdown, is its own affair.
    pub(super) is_exact: bool,
    /// Whether so much was sent by TCP that it depends on the system's timers when the rest
    /// of it arrives.
    pub(super) had_bulk: bool,
    pub(super) has_shut: Directions,
    /// Which directions the peer has shut, all of them if it is gone.
    pub(super) peer_has_shut: Directions,
    pub(super) peer_is_gone: bool,
    /// Whether [`Backend::refusal_is_the_end`] may have come true of it.
    pub(super) is_refused: bool,
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
    pub(super) armed: Sure,
    /// Ready by the source's own shutdown, of which no event is promised.
    pub(super) is_unannounced: bool,
    /// How many events came before one that was owed.
    pub(super) overtaken: usize,
    /// How often it was told since anything happened to the pair.
    pub(super) repeated: usize,
}

impl Watch {
    pub(super) const NEW: Watch = Watch {
        armed: Sure::Yes,
        is_unannounced: false,
        overtaken: 0,
        repeated: 0,
    };

    pub(super) fn told(&mut self, how: Sure, mode: Mode) {
        if how == Sure::No {
            return;
        }
        self.overtaken = 0;
        self.repeated += usize::from(how == Sure::Yes && mode == Mode::Edge);
        if mode != Mode::Level {
            let most = if how == Sure::Yes {
                Sure::No
            } else {
                Sure::Maybe
            };
            self.armed = self.armed.min(most);
        }
    }
}

pub(super) struct Waker {
    pub(super) token: usize,
    pub(super) pending: Sure,
    pub(super) overtaken: usize,
}

impl Registration {
    pub(super) fn new(poll: usize, token: usize, asked: Asked) -> Registration {
        let watches = DIRECTIONS.map(|direction| Watch {
            armed: if asked.has(direction) {
                Sure::Yes
            } else {
                Sure::No
            },
            ..Watch::NEW
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

    /// An operation has ended, and may arm its direction.
    pub(super) fn operated(&mut self, direction: Direction, wanted: usize, outcome: Outcome) {
        let is_ready = self.level.is_ready(direction);
        if let Outcome::Moved(len) = outcome {
            let is_short = 0 < len && len < wanted;
            if !is_short || !self.kind.is_stream() {
                return;
            }
        }
        // What is ready all the same was told before: the end behind the data, say, or of a
        // datagram socket that was shut down, of which reading says `WouldBlock`.
        let armed = if is_ready { Sure::Maybe } else { Sure::Yes };
        if let Some(registration) = &mut self.registration {
            let asked = registration.asked;
            if asked.mode == Mode::Edge && asked.has(direction) {
                let watch = &mut registration.watches[direction as usize];
                watch.armed = watch.armed.max(armed);
            }
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

    /// Whether no more is to come than what is unread.
    pub(super) fn has_ended(&self) -> bool {
        let is_connected = self.kind.is_stream();
        is_connected && (self.peer_is_gone || self.peer_has_shut[Write as usize])
            || self.has_shut[Read as usize]
    }

    /// Whether an event may say that reading has ended.
    pub(super) fn read_can_end(&self) -> bool {
        self.has_ended()
    }

    /// Whether an event may say that writing has ended. It need not even if it has, for a
    /// stream does not know of a peer's death before it writes.
    pub(super) fn write_can_end(&self) -> bool {
        let is_connected = self.kind.is_stream();
        is_connected && self.peer_is_gone
            || self.peer_has_shut[Read as usize]
            || self.has_shut[Write as usize]
            || self.kind == Kind::Tcp && self.can_fail()
            || self.kind == Kind::UnixDatagram && self.peer_is_gone
    }

    /// Of datagram sockets an error may look like the end of writing.
    pub(super) fn errs(&self, level: Level) -> bool {
        self.kind == Kind::Udp && level.error
    }

    pub(super) fn can_fail(&self) -> bool {
        let may_be_reset = self.has_shut[Read as usize] || self.peer_has_shut[Read as usize];
        match self.kind {
            Kind::Listener => false,
            Kind::Tcp => self.peer_is_gone || may_be_reset,
            _ => self.peer_is_gone,
        }
    }
}
