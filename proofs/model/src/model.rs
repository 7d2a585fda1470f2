//! What the library promises about events, as a program that makes no system call.
//!
//! The [`Model`] is told of every operation and its result, and of the *level* of every
//! source: what poll(2), or `WSAPoll`, says of it at that moment. From these it knows
//!
//! * what a poll **must** report: [`Model::is_owed`],
//! * what it **may** report: `Model::explains`,
//! * and what it **must not**: all the rest.
//!
//! An event carries a token, and several sources may share one. What the events of a
//! poll are checked for is therefore that there is *some* way to lay each at the door of a
//! source of its own which may report it, and one that leaves no debt unpaid.
//!
//! # The rules
//!
//! A source is *ready* in a direction while its level says so. It is *armed* there when
//!
//! * it is registered or reregistered;
//! * edge: an operation in that direction answered `WouldBlock`; or was short, on a stream;
//!   or failed, which takes an error off the source. If it is ready all the same, as when
//!   the end stands behind the data, that was told before: whether it is armed is open, and
//!   it may report, but need not;
//! * level: always.
//!
//! It is *owed* an event in a direction that was asked for, while it is armed and ready
//! there. The next poll pays, except for what finds no room in `Events`; then a number of
//! events that grows with the number of sources at most comes before. Paying disarms an edge;
//! a one-shot source is silenced by it until it is reregistered.
//!
//! It may report a direction although not armed there, as events are hints; but only while
//! it is ready, not without end while nothing happens to it, and not if it has fired as a
//! one-shot.
//!
//! On a completion port ([`Backend::by_packets`]) the system answers when it comes to it. A poll
//! that found something, or did not wait, leaves debts to a later one, while one that waits for
//! what is owed does not come back empty; nor does any that was woken. And a packet tells what
//! was true when it was made, which is since the source was told of last.

use std::collections::VecDeque;

mod backend;
mod judge;
mod source;
mod terms;
#[cfg(test)]
mod tests;

pub use backend::Backend;
use source::{Registration, Source, Sure, Waker};
pub use terms::*;
use Direction::{Read, Write};

/// How many polls there are.
pub const POLLS: usize = 2;

/// How many sources there can be: both ends of each pair.
pub const ENDS: usize = 2 * PAIRS;

pub const PAIRS: usize = 4;

/// A source by its place; its peer has the number that differs in the last bit.
pub type End = usize;

pub fn peer_of(end: End) -> End {
    end ^ 1
}

/// What the model says that the library did wrong.
pub type Wrong = String;

pub struct Model {
    backend: Backend,
    sources: [Option<Source>; ENDS],
    wakers: [Option<Waker>; POLLS],
}

impl Model {
    pub fn new(backend: Backend) -> Model {
        Model {
            backend,
            sources: Default::default(),
            wakers: Default::default(),
        }
    }

    // What happens to sources.

    pub fn create(&mut self, pair: usize, kind: Kind) {
        for end in [2 * pair, 2 * pair + 1] {
            self.sources[end] = Some(Source {
                kind,
                level: Level::default(),
                was: Level::default(),
                unread: VecDeque::new(),
                is_exact: true,
                had_bulk: false,
                has_shut: [false; 2],
                peer_has_shut: [false; 2],
                peer_is_gone: false,
                is_refused: false,
                registration: None,
            });
        }
    }

    pub fn kind_of(&self, end: End) -> Option<Kind> {
        Some(self.sources[end].as_ref()?.kind)
    }

    /// The poll that the source is registered with.
    pub fn poll_of(&self, end: End) -> Option<usize> {
        Some(self.sources[end].as_ref()?.registration.as_ref()?.poll)
    }

    pub fn unread(&self, end: End) -> usize {
        self.sources[end].as_ref().map_or(0, |it| it.unread.len())
    }

    /// The source is closed, and its registration ends with it.
    pub fn close(&mut self, end: End, is_reset: bool) {
        self.stir(end);
        let Some(closed) = self.sources[end].take() else {
            return;
        };
        if let Some(peer) = &mut self.sources[peer_of(end)] {
            peer.peer_is_gone = true;
            // With unread data, closing a connection resets it.
            let breaks = is_reset || !closed.is_exact || !closed.unread.is_empty();
            let loses = self.backend.bulk_dies_with_its_sender && peer.had_bulk;
            peer.is_exact &= !breaks && !loses && closed.kind != Kind::Listener;
        }
    }

    pub fn shutdown(&mut self, end: End, directions: Directions, after: &Levels) {
        self.stir(end);
        let Some(source) = &mut self.sources[end] else {
            return;
        };
        source.is_exact &= !directions[Read as usize];
        let kind = source.kind;
        for direction in DIRECTIONS {
            let at = direction as usize;
            source.has_shut[at] |= directions[at];
            let is_ready = after[end].is_some_and(|level| level.is_ready(direction));
            if let Some(registration) = &mut source.registration {
                registration.watches[at].is_unannounced |=
                    is_ready && !source.level.is_ready(direction);
            }
        }
        if let Some(peer) = &mut self.sources[peer_of(end)] {
            for (known, new) in peer.peer_has_shut.iter_mut().zip(directions) {
                *known |= new;
            }
            // What arrives at a socket that does not read may reset the connection.
            peer.is_exact &= kind != Kind::Tcp || !directions[Read as usize];
        }
    }

    /// The levels as they are now. Call it after each operation, and before the result
    /// of the operation is told.
    pub fn observe(&mut self, levels: &Levels) {
        for (end, level) in levels.iter().enumerate() {
            let Some(source) = &mut self.sources[end] else {
                continue;
            };
            let level = level.unwrap_or_default();
            let before = std::mem::replace(&mut source.level, level);
            source.was = source.was.or(level);
            for (direction, watch) in source.watches() {
                watch.is_unannounced &= level.is_ready(direction);
            }
            if before != level {
                self.stir(end);
            }
        }
    }

    /// What the levels have to be by what has happened, if that is known; what has still
    /// to arrive makes no difference but in time.
    pub fn expected(&self, end: End) -> (Option<bool>, Option<bool>) {
        let Some(source) = &self.sources[end] else {
            return (None, None);
        };
        if source.kind == Kind::Listener && end % 2 == 1 {
            return (None, None);
        }
        let bulk = source.had_bulk;
        let has_ended = source.has_ended();
        let readable = match (source.is_exact, source.unread.is_empty()) {
            (true, true) if !has_ended => {
                // Refused datagrams are errors, which count as readable.
                let may_fail = source.kind == Kind::Udp && source.peer_is_gone;
                (!may_fail).then_some(false)
            }
            (true, false) if !bulk => Some(true),
            _ => None,
        };
        let is_connected = matches!(source.kind, Kind::Tcp | Kind::UnixStream | Kind::Pipe);
        let is_hidden = self.backend.end_is_behind_data && !source.unread.is_empty();
        let ended = (is_connected && source.peer_is_gone && !bulk && !is_hidden).then_some(true);
        (readable, ended)
    }

    /// Something happens to the pair, after which old news may be told again.
    fn stir(&mut self, end: End) {
        for end in [end, peer_of(end)] {
            if let Some(source) = &mut self.sources[end] {
                for (_, watch) in source.watches() {
                    watch.repeated = 0;
                }
            }
        }
    }

    // What programs do with sources.

    /// Bytes are on their way. Call it before the levels are observed that they change.
    pub fn sent(&mut self, end: End, outcome: Outcome) {
        let refusal_is_the_end = self.backend.refusal_is_the_end;
        if let Some(source) = &mut self.sources[end] {
            let is_to_nobody = source.kind == Kind::Udp && source.peer_is_gone;
            source.is_refused |= refusal_is_the_end && is_to_nobody;
            source.is_exact &= match source.kind {
                // Linux has the socket forget what its peer sent, once it knows of its end.
                Kind::UnixDatagram => outcome != Outcome::Failed,
                // The answer is a reset, which destroys what is on its way.
                Kind::Tcp => !source.peer_is_gone,
                _ => true,
            };
        }
        let Some(peer) = &mut self.sources[peer_of(end)] else {
            return;
        };
        if let Outcome::Moved(len) = outcome {
            match peer.unread.back_mut() {
                Some(last) if peer.kind.is_stream() => *last += len,
                _ => peer.unread.push_back(len),
            }
            let unread = peer.unread.iter().sum::<usize>();
            peer.had_bulk |= peer.kind == Kind::Tcp && unread > 8 * 1024;
        }
    }

    pub fn wrote(&mut self, end: End, wanted: usize, outcome: Outcome) -> Result<(), Wrong> {
        self.stir(end);
        let Some(source) = &mut self.sources[end] else {
            return Ok(());
        };
        match outcome {
            Outcome::Failed if !source.write_can_end() && !source.can_fail() => {
                return Err("writing failed though nothing was closed".into());
            }
            Outcome::Moved(0) => return Err("wrote nothing".into()),
            Outcome::Moved(len) if len > wanted => return Err("wrote more than all".into()),
            _ => {}
        }
        source.operated(Write, wanted, outcome);
        Ok(())
    }

    /// Bytes were taken. Call it before the levels are observed that this changes.
    pub fn took(
        &mut self,
        end: End,
        is_peek: bool,
        wanted: usize,
        outcome: Outcome,
    ) -> Result<(), Wrong> {
        let Some(source) = &mut self.sources[end] else {
            return Ok(());
        };
        source.check_read(wanted, outcome)?;
        source.is_exact &= outcome != Outcome::Failed || source.kind == Kind::Udp;
        match outcome {
            Outcome::Moved(len) if !is_peek && source.kind.is_stream() => {
                if let Some(left) = source.unread.front_mut() {
                    *left = left.saturating_sub(len);
                }
                source.unread.retain(|&left| left > 0);
            }
            Outcome::Moved(_) | Outcome::Cut if !is_peek => drop(source.unread.pop_front()),
            _ => {}
        }
        Ok(())
    }

    pub fn read(&mut self, end: End, is_peek: bool, wanted: usize, outcome: Outcome) {
        self.stir(end);
        // A peek is as short as the buffer is full: no sign of anything.
        let is_sign = !is_peek || !matches!(outcome, Outcome::Moved(_));
        if let Some(source) = self.sources[end].as_mut().filter(|_| is_sign) {
            source.operated(Read, wanted, outcome);
        }
    }

    /// An error was taken off the source, which may live on; or the program says that
    /// an operation of its own would have blocked.
    pub fn tried_both(&mut self, end: End) {
        self.stir(end);
        if let Some(source) = &mut self.sources[end] {
            for direction in DIRECTIONS {
                source.operated(direction, 0, Outcome::Failed);
            }
        }
    }

    /// A client connects to the listener.
    pub fn connected(&mut self, listener: End) {
        self.stir(listener);
        if let Some(source) = &mut self.sources[listener] {
            source.unread.push_back(1);
        }
    }

    // The registry.

    pub fn register(&mut self, end: End, poll: usize, token: usize, asked: Asked) -> Verdict {
        let backend = self.backend;
        let Some(source) = &mut self.sources[end] else {
            return Verdict::Undefined;
        };
        match &source.registration {
            None => {}
            Some(it) if it.poll == poll && backend.knows_registrations => {
                return Verdict::AlreadyExists
            }
            Some(it) if it.poll != poll && backend.knows_other_polls => {
                return Verdict::AlreadyExists
            }
            Some(_) => return Verdict::Undefined,
        }
        source.registration = Some(Registration::new(poll, token, asked));
        source.was = source.level;
        self.stir(end);
        Verdict::Succeeds
    }

    pub fn reregister(&mut self, end: End, poll: usize, token: usize, asked: Asked) -> Verdict {
        let backend = self.backend;
        let Some(source) = &mut self.sources[end] else {
            return Verdict::Undefined;
        };
        match &source.registration {
            Some(it) if it.poll == poll => {}
            _ if !backend.knows_registrations => return Verdict::Undefined,
            Some(_) if cfg!(debug_assertions) => return Verdict::AlreadyExists,
            _ => return Verdict::NotFound,
        }
        source.registration = Some(Registration::new(poll, token, asked));
        self.stir(end);
        Verdict::Succeeds
    }

    pub fn deregister(&mut self, end: End, poll: usize) -> Verdict {
        let backend = self.backend;
        let Some(source) = &mut self.sources[end] else {
            return Verdict::Undefined;
        };
        match &source.registration {
            Some(it) if it.poll == poll => {}
            _ if backend.knows_registrations => return Verdict::NotFound,
            _ => return Verdict::Succeeds,
        }
        source.registration = None;
        self.stir(end);
        Verdict::Succeeds
    }

    // Wakers.

    pub fn make_waker(&mut self, poll: usize, token: usize) {
        self.wakers[poll] = Some(Waker {
            token,
            pending: Sure::No,
            overtaken: 0,
        });
    }

    pub fn drop_waker(&mut self, poll: usize) {
        self.wakers[poll] = None;
    }

    pub fn wake(&mut self, poll: usize) {
        if let Some(waker) = &mut self.wakers[poll] {
            waker.pending = Sure::Yes;
        }
    }
}

pub fn name_of(end: End) -> String {
    format!("{}{}", end / 2, ["a", "b"][end % 2])
}
