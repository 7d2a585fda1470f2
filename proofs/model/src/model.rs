//! The library's promises about events, as a pure model that makes no system call.
//!
//! The [`Model`] receives every operation and its result, and the *level* of every source: what
//! poll(2), or `WSAPoll`, reports for it at that moment. From these it determines
//!
//! * which events a poll **must** report: [`Model::must_report`],
//! * which it **may** report: `Model::explains`,
//! * and which it **must not** report: all others.
//!
//! An event carries a token, and several sources may share one. The model therefore checks that the
//! events of a poll can be assigned to sources such that each event has a source of its own that
//! may report it, and each source that must report an event has one.
//!
//! # The rules
//!
//! In each direction there are four conditions: the source is *ready*, it is at its *end* (reading
//! only), it has *hung up*, it has an *error*. The level contains those that hold. Each is *armed*
//! separately:
//!
//! * All are armed when the source is registered or reregistered, or when an attempt to connect
//!   begins.
//! * Edge-triggered, readiness is armed when an operation in its direction returns `WouldBlock` or,
//!   on a stream, is short. If the source is ready nevertheless, data may have arrived in the
//!   meantime, or may have been reported before: it is then open whether readiness is armed, and
//!   the source may report it, but need not. If the source is ready because of an end or a hang-up
//!   that was reported, readiness is not armed.
//! * Edge-triggered, the other conditions are armed when they begin again after they have ended.
//!   The operation that takes the error of a source arms the error, and readiness in its direction.
//!   After an error was reported, any failed operation may have taken it: it is then open whether
//!   the error is armed.
//! * Level-triggered, all are always armed.
//!
//! An event disarms exactly the conditions that it reports, so an end or a hang-up behind reported
//! data must still be reported, whatever was read. It comes with the directions in which an
//! operation returns it, even if these were reported before.
//!
//! An event is *due* for each armed condition that holds in a direction of the interest. The next
//! poll must report it, unless `Events` has no room; then the number of events before it is
//! limited, and grows with the number of sources. Reporting a condition disarms its edge; a
//! one-shot source is then silent until it is reregistered.
//!
//! A source may report conditions that are not armed, since events are hints: but only while they
//! hold, not endlessly while nothing happens to the source, not after a one-shot source has fired,
//! and not at all where the library emulates edges ([`Backend::emulates_edges`]). There, a hang-up
//! or an error that was reported and still holds suspends all other conditions.
//!
//! Where a registration can be exclusive ([`Backend::knows_exclusive`]), one of the polls that
//! share an object must report a client that connects to it: none of them has to until all others
//! have returned without it. A poll that has reported the object, or that registers it anew, is
//! then treated as if it were the only one.
//!
//! On a completion port ([`Backend::by_packets`]), the system reports asynchronously. A poll that
//! reports something, or does not wait, may leave due events to a later one. A poll that waits
//! must not return empty while an event is due, and neither must a poll that was woken. A packet
//! reports what held when it was created, at some time since the last report of the source.

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

/// The number of polls.
pub const POLLS: usize = 2;

/// The maximum number of sources: both ends of each pair.
pub const ENDS: usize = 2 * PAIRS;

pub const PAIRS: usize = 4;

/// The number of a source. That of its peer differs in the last bit.
pub type End = usize;

pub fn peer_of(end: End) -> End {
    end ^ 1
}

/// A deviation of the library from the model, in words.
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
                // Every operation on a socket without a connection fails.
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

    /// The number of bytes that the next read can return.
    pub fn first_unread(&self, end: End) -> usize {
        let source = self.sources[end].as_ref();
        source
            .and_then(|it| it.unread.front())
            .copied()
            .unwrap_or(0)
    }

    /// Notes that the source was closed, which ends its registration.
    pub fn close(&mut self, end: End, is_reset: bool) {
        self.stir(end);
        let Some(closed) = self.sources[end].take() else {
            return;
        };
        // The other handle keeps the object open.
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
        let is_silent = !self.backend.reports_own_shutdowns;
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
            // Data that arrives at a socket that has shut down reading may reset the connection.
            peer.is_exact &= kind != Kind::Tcp || !directions[Read as usize];
        }
    }

    /// Notes the current levels. Call it after each operation, before noting the operation's
    /// result.
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

    /// Returns whether the source must be readable and whether it must have ended, if these are
    /// determined by what has happened. Data on its way only delays them.
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
                // A refused datagram is an error, which counts as readable.
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

    /// Notes that something happened to the pair, after which old conditions may be reported again.
    fn stir(&mut self, end: End) {
        for end in [end, peer_of(end)] {
            if let Some(source) = &mut self.sources[end] {
                for (_, watch) in source.watches() {
                    watch.repeated = 0;
                }
            }
        }
    }

    // Operations of programs on sources.

    /// Notes that bytes were sent. Call it before observing the levels that they change.
    pub fn sent(&mut self, end: End, outcome: Outcome) {
        let refusal_is_the_end = self.backend.refusal_is_the_end;
        if let Some(source) = &mut self.sources[end] {
            let is_to_nobody = source.kind == Kind::Udp && source.peer_is_gone;
            source.is_refused |= refusal_is_the_end && is_to_nobody;
            source.is_exact &= match source.kind {
                // Linux discards the data of the peer when the socket notices that it has closed.
                Kind::UnixDatagram => outcome != Outcome::Failed,
                // The peer's system responds with a reset, which destroys data on its way.
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

    /// Notes that bytes were received. Call it before observing the levels that this changes.
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
        // A short peek shows nothing: the data is still there.
        let is_sign = !is_peek || !matches!(outcome, Outcome::Moved(_));
        if let Some(source) = self.sources[end].as_mut().filter(|_| is_sign) {
            source.operated(&self.backend, &[Read], wanted, outcome);
        }
    }

    /// Notes the end of a custom operation, or of one without a direction. Taking the error counts
    /// as a failure.
    pub fn tried_both(&mut self, end: End, outcome: Outcome) {
        self.stir(end);
        if let Some(source) = &mut self.sources[end] {
            source.operated(&self.backend, &DIRECTIONS, 0, outcome);
        }
    }

    /// Notes that an unconnected socket was connected, and is now one of a pair. An attempt in
    /// progress arms everything.
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

    /// Whether a listener accepts no more connections.
    pub fn is_shut(&self, listener: End) -> bool {
        (self.sources[listener].as_ref()).is_some_and(|it| it.has_shut[Read as usize])
    }

    /// Notes that a client connected to the listener.
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

    /// The source, and the other handle to the same object if there is one.
    fn handles_of(&self, end: End) -> impl Iterator<Item = End> {
        let is_shared = self.kind_of(end) == Some(Kind::Shared);
        [end, peer_of(end)]
            .into_iter()
            .take(1 + usize::from(is_shared))
    }

    // Registrations.

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
                // The state of the previous registration is unspecified.
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
    /// How a registration fails whose interest the system does not support.
    fn refusal(&self, source: &Source, end: End, asked: Asked) -> Option<Verdict> {
        let is_end_hidden = asked.is_end_alone() && !self.reports_half_close;
        let is_more_than_plain = asked.end || asked.mode == Mode::Oneshot;
        if is_end_hidden || asked.exclusive && self.knows_exclusive && is_more_than_plain {
            return Some(Verdict::InvalidInput);
        }
        self.lacks_filter(source, end, asked)
            .then_some(Verdict::BrokenPipe)
    }

    /// Whether the filter that `asked` needs cannot be added. An existing one stays.
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
