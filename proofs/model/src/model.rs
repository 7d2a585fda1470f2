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
//! In each direction four conditions hold or do not: the source is *ready*, it is at the *end*
//! (reading only), it has *hung up*, it has an *error*; the level says which. Each is *armed* by
//! itself:
//!
//! * all are when the source is registered or reregistered, or an attempt to connect begins;
//! * edge, readiness: when an operation in that direction answered `WouldBlock`; or was short,
//!   on a stream. If it is ready all the same, data may have come meanwhile or have been told
//!   before: whether it is armed is open, and it may report, but need not. If it is ready because
//!   of an end or a hang-up that was told, it is not armed;
//! * edge, the others: when they begin anew after they have passed. The operation that takes an
//!   error off the source arms the error, and readiness in its direction. Who was told of an
//!   error may take any failure for it: then it is open;
//! * level: always.
//!
//! Reports disarm exactly what they tell, so that an end or a hang-up behind data that were told
//! is owed, whatever was read. They come with the directions in which trying is how one learns of
//! them, told or not.
//!
//! An event is *owed* of what is armed and true in a direction that was asked for. The next poll pays, except for what finds no room in `Events`; then a number of
//! events that grows with the number of sources at most comes before. Paying disarms an edge;
//! a one-shot source is silenced by it until it is reregistered.
//!
//! It may report what is not armed, as events are hints; but only while it is true, not without
//! end while nothing happens to it, not if it has fired as a one-shot, and not at all where
//! edges are made by the library ([`Backend::tells_only_news`]). There a hang-up or an error that
//! was told and is still there excuses it from all else.
//!
//! Where a registration can be exclusive ([`Backend::knows_exclusive`]), a client that connects to
//! what several polls share is owed to one of them: none of them has to tell until all the others
//! have come back without. Whoever has told it goes on as if it were alone, and so does whoever
//! registers anew.
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
                // Of a socket without a connection any operation fails.
                is_exact: kind != Kind::Unconnected,
                had_bulk: false,
                has_shut: [false; 2],
                peer_has_shut: [false; 2],
                peer_is_gone: false,
                lost_error: false,
                is_refused: false,
                is_spared: false,
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

    /// How much the next read can take.
    pub fn first_unread(&self, end: End) -> usize {
        let source = self.sources[end].as_ref();
        source
            .and_then(|it| it.unread.front())
            .copied()
            .unwrap_or(0)
    }

    /// The source is closed, and its registration ends with it.
    pub fn close(&mut self, end: End, is_reset: bool) {
        self.stir(end);
        let Some(closed) = self.sources[end].take() else {
            return;
        };
        // The other handle keeps the object.
        let is_kept = closed.kind == Kind::Shared;
        if let Some(peer) = self.sources[peer_of(end)].as_mut().filter(|_| !is_kept) {
            peer.peer_is_gone = true;
            // With unread data, closing a connection resets it.
            let breaks = is_reset || !closed.is_exact || !closed.unread.is_empty();
            peer.is_exact &= !breaks && closed.kind != Kind::Listener;
            peer.may_lose_the_rest(&self.backend);
        }
    }

    pub fn shutdown(&mut self, end: End, directions: Directions, after: &Levels) {
        self.stir(end);
        let Some(source) = &mut self.sources[end] else {
            return;
        };
        source.is_exact &= !directions[Read as usize];
        let (kind, before) = (source.kind, source.level);
        for (shut, new) in source.has_shut.iter_mut().zip(directions) {
            *shut |= new;
        }
        source.may_lose_the_rest(&self.backend);
        let after = after[end].unwrap_or_default();
        let is_silent = !self.backend.tells_own_shutdowns;
        for (direction, watch) in source.watches().filter(|_| is_silent) {
            for condition in CONDITIONS {
                let has_begun = after.shows(direction, condition);
                if has_begun && !before.shows(direction, condition) {
                    let armed = &mut watch.armed[condition as usize];
                    *armed = Sure::Maybe.min(*armed);
                }
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
            source.is_spared &= level.is_ready(Read);
            source.begin(&self.backend, before);
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
            peer.may_lose_the_rest(&self.backend);
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
        source.operated(&self.backend, &[Write], wanted, outcome);
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
        for end in self.handles_of(end).filter(|_| !is_peek) {
            if let Some(source) = &mut self.sources[end] {
                source.take(outcome);
            }
        }
        Ok(())
    }

    pub fn read(&mut self, end: End, is_peek: bool, wanted: usize, outcome: Outcome) {
        self.stir(end);
        // A peek is as short as the buffer is full: no sign of anything.
        let is_sign = !is_peek || !matches!(outcome, Outcome::Moved(_));
        if let Some(source) = self.sources[end].as_mut().filter(|_| is_sign) {
            source.operated(&self.backend, &[Read], wanted, outcome);
        }
    }

    /// An operation of the program's own, or one that is of no direction, has ended:
    /// taking the error counts as failing.
    pub fn tried_both(&mut self, end: End, outcome: Outcome) {
        self.stir(end);
        if let Some(source) = &mut self.sources[end] {
            source.operated(&self.backend, &DIRECTIONS, 0, outcome);
        }
    }

    /// The socket before was connected, and from now on is one of a pair. An attempt that is
    /// under way starts everything afresh.
    pub fn dialed(&mut self, pair: usize) {
        self.stir(2 * pair);
        for source in self.sources[2 * pair..][..2].iter_mut().flatten() {
            source.kind = Kind::Tcp;
            source.is_exact = true;
            if let Some(it) = &mut source.registration {
                if it.asked.mode != Mode::Oneshot {
                    *it = Registration::new(Kind::Tcp, 2 * pair, it.poll, it.token, it.asked);
                }
            }
        }
    }

    /// Whether a listener takes no more connections.
    pub fn is_shut(&self, listener: End) -> bool {
        (self.sources[listener].as_ref()).is_some_and(|it| it.has_shut[Read as usize])
    }

    /// A client connects to the listener.
    pub fn connected(&mut self, listener: End) {
        self.stir(listener);
        let ends = [listener, peer_of(listener)];
        let is_shared = ends.into_iter().all(|it| self.poll_of(it).is_some());
        let may_spare = is_shared && self.backend.knows_exclusive;
        for end in self.handles_of(listener) {
            if let Some(source) = &mut self.sources[end] {
                source.unread.push_back(1);
                let asked = source.registration.as_ref().map(|it| it.asked);
                let is_exclusive = asked.is_some_and(|it| it.exclusive);
                source.is_spared |= may_spare && is_exclusive && !source.level.is_ready(Read);
            }
        }
    }

    /// The source, and the other one that is a handle to the same object.
    fn handles_of(&self, end: End) -> impl Iterator<Item = End> {
        let is_shared = self.kind_of(end) == Some(Kind::Shared);
        [end, peer_of(end)]
            .into_iter()
            .take(1 + usize::from(is_shared))
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
                return Verdict::AlreadyExists.or(backend.refusal(source, end, asked));
            }
            Some(it) if it.poll != poll && backend.knows_other_polls => {
                return Verdict::AlreadyExists.or(backend.refusal(source, end, asked));
            }
            Some(_) => return Verdict::Undefined,
        }
        if let Some(verdict) = backend.refusal(source, end, asked) {
            return verdict;
        }
        source.registration = Some(Registration::new(source.kind, end, poll, token, asked));
        source.is_spared = false;
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
            Some(_) if cfg!(debug_assertions) => {
                return Verdict::AlreadyExists.or(backend.refusal(source, end, asked));
            }
            _ => return Verdict::NotFound.or(backend.refusal(source, end, asked)),
        }
        if let Some(verdict) = backend.refusal(source, end, asked) {
            if verdict == Verdict::BrokenPipe {
                // What is left of the former one is not promised.
                source.watches().for_each(|(_, watch)| watch.forget());
            }
            return verdict;
        }
        source.registration = Some(Registration::new(source.kind, end, poll, token, asked));
        source.is_spared = false;
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
            shares: false,
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

impl Backend {
    /// How a registration for what this system cannot watch fails.
    fn refusal(&self, source: &Source, end: End, asked: Asked) -> Option<Verdict> {
        let is_end_hidden = asked.is_end_alone() && !self.tells_half_close;
        let is_more_than_plain = asked.end || asked.mode == Mode::Oneshot;
        if is_end_hidden || asked.exclusive && self.knows_exclusive && is_more_than_plain {
            return Some(Verdict::InvalidInput);
        }
        self.lacks_filter(source, end, asked)
            .then_some(Verdict::BrokenPipe)
    }

    /// Whether the filter that `asked` needs cannot be added; one that is there stays.
    fn lacks_filter(&self, source: &Source, end: End, asked: Asked) -> bool {
        let is_such = |it: Asked| it.write && it.mode == Mode::Level;
        let is_there = source
            .registration
            .as_ref()
            .is_some_and(|it| is_such(it.asked));
        self.refuses_level_without_reader
            && (source.kind.is_sender(end) && source.peer_is_gone)
            && is_such(asked)
            && !is_there
    }
}
