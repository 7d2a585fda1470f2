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

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::time::Duration;

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

/// In what the backends differ, and are allowed to.
#[derive(Copy, Clone, Debug)]
pub struct Backend {
    /// Each direction has events of its own, which say nothing of the other one.
    pub one_event_per_direction: bool,
    /// Edges are made by the library: an event tells of no direction that is not armed.
    pub tells_only_news: bool,
    /// A one-shot source is silent altogether once it has told of one direction.
    pub oneshot_silences_both: bool,
    /// A direction that is asked for is told as ready with every error or hang-up.
    pub failure_is_readiness: bool,
    /// Whether an error is told only while poll(2) says so.
    pub error_is_exact: bool,
    /// It is told that something is registered already, or not at all.
    pub knows_registrations: bool,
    /// The same for a registration with another poll.
    pub knows_other_polls: bool,
    /// Readiness comes in packets: some time after it is there, and it may be gone by then.
    pub by_packets: bool,
    /// The end of a stream is not to be seen before all data were read.
    pub end_is_behind_data: bool,
    /// Wine's doing, where Windows is told not to report it: a datagram that found no receiver
    /// may be told as a connection that failed, of which nothing more is to be heard.
    pub refusal_is_the_end: bool,
    /// Wine's doing: it takes a whole write where there is room for a part of it, and loses
    /// the rest with the socket that is closed.
    pub bulk_dies_with_its_sender: bool,
}

impl Backend {
    pub const EPOLL: Backend = Backend {
        one_event_per_direction: false,
        tells_only_news: false,
        oneshot_silences_both: true,
        failure_is_readiness: false,
        error_is_exact: true,
        knows_registrations: true,
        knows_other_polls: cfg!(debug_assertions),
        by_packets: false,
        end_is_behind_data: false,
        refusal_is_the_end: false,
        bulk_dies_with_its_sender: false,
    };

    pub const POLL: Backend = Backend {
        tells_only_news: true,
        failure_is_readiness: true,
        knows_other_polls: true,
        ..Backend::EPOLL
    };

    pub const KQUEUE: Backend = Backend {
        one_event_per_direction: true,
        oneshot_silences_both: false,
        failure_is_readiness: true,
        error_is_exact: false,
        knows_registrations: cfg!(debug_assertions),
        ..Backend::EPOLL
    };

    /// Its edges are those of poll(2).
    pub const AFD: Backend = Backend {
        by_packets: true,
        end_is_behind_data: true,
        refusal_is_the_end: true,
        bulk_dies_with_its_sender: true,
        ..Backend::POLL
    };

    /// A poll that waits so long, and comes back empty, has nothing to tell.
    pub fn long_enough(&self) -> Duration {
        let millis = if self.by_packets { 2000 } else { 100 };
        Duration::from_millis(millis)
    }
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Direction {
    Read,
    Write,
}

use Direction::{Read, Write};

pub const DIRECTIONS: [Direction; 2] = [Read, Write];

/// A set of directions.
type Directions = [bool; 2];

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    Edge,
    Level,
    Oneshot,
}

/// What a source is registered for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub read: bool,
    pub write: bool,
    pub mode: Mode,
}

impl Asked {
    fn has(self, direction: Direction) -> bool {
        [self.read, self.write][direction as usize]
    }
}

/// What there are pairs of.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Tcp,
    UnixStream,
    UnixDatagram,
    Udp,
    /// The first end sends.
    Pipe,
    /// The first end is the listener, the second stands for all who connect to it.
    Listener,
}

impl Kind {
    /// Whether operations can be short, and zero bytes are the end.
    pub fn is_stream(self) -> bool {
        matches!(self, Kind::Tcp | Kind::UnixStream | Kind::Pipe)
    }

    /// Whether what one end does has reached the other one when the call returns, and
    /// whether the peer can have only what was written.
    fn is_immediate(self) -> bool {
        !matches!(self, Kind::Tcp)
    }

    /// The directions in which an end is of use.
    fn directions(self, end: End) -> Directions {
        let is_first = end & 1 == 0;
        match self {
            Kind::Pipe => [!is_first, is_first],
            Kind::Listener => [is_first, false],
            _ => [true, true],
        }
    }
}

/// What the system says of a source.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Level {
    pub readable: bool,
    pub writable: bool,
    pub read_hang_up: bool,
    pub hang_up: bool,
    pub error: bool,
}

impl Level {
    /// Whether an operation is worth trying.
    pub fn is_ready(self, direction: Direction) -> bool {
        self.has_failed()
            || match direction {
                Read => self.readable || self.read_hang_up,
                Write => self.writable,
            }
    }

    fn has_failed(self) -> bool {
        self.hang_up || self.error
    }

    fn or(self, other: Level) -> Level {
        Level {
            readable: self.readable || other.readable,
            writable: self.writable || other.writable,
            read_hang_up: self.read_hang_up || other.read_hang_up,
            hang_up: self.hang_up || other.hang_up,
            error: self.error || other.error,
        }
    }
}

pub type Levels = [Option<Level>; ENDS];

/// An event, as far as it can be asked.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub token: usize,
    pub readable: bool,
    pub writable: bool,
    pub read_closed: bool,
    pub write_closed: bool,
    pub error: bool,
    /// Anything else, which nobody asked for.
    pub other: bool,
}

impl Told {
    /// Whether the program will try an operation in that direction.
    fn tells(self, direction: Direction) -> bool {
        match direction {
            Read => self.readable || self.read_closed || self.error,
            Write => self.writable || self.write_closed || self.error,
        }
    }
}

/// How an operation ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Moved(usize),
    /// As much of a datagram as there was room for, which is a failure on Windows.
    Cut,
    WouldBlock,
    Failed,
}

/// How a call of the registry has to end.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Succeeds,
    AlreadyExists,
    NotFound,
    /// An error of the program that this backend does not see.
    Undefined,
}

/// One poll.
#[derive(Clone, Debug)]
pub struct Polled {
    pub capacity: usize,
    /// `None` waits for ever.
    pub timeout: Option<Duration>,
    pub elapsed: Duration,
    pub told: Vec<Told>,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sure {
    No,
    Maybe,
    Yes,
}

/// What the model says that the library did wrong.
pub type Wrong = String;

pub struct Model {
    backend: Backend,
    sources: [Option<Source>; ENDS],
    wakers: [Option<Waker>; POLLS],
}

struct Source {
    kind: Kind,
    level: Level,
    /// All that was true since it was told of last.
    was: Level,
    /// What has arrived and was not read: the bytes of a stream, the length of each
    /// datagram, one for each connection.
    unread: VecDeque<usize>,
    /// Whether `unread` is known. What the kernel keeps of a connection that broke down, and
    /// what becomes of data after a shutdown, is its own affair.
    is_exact: bool,
    /// Whether so much was sent by TCP that it depends on the system's timers when the rest
    /// of it arrives.
    had_bulk: bool,
    has_shut: Directions,
    /// Which directions the peer has shut, all of them if it is gone.
    peer_has_shut: Directions,
    peer_is_gone: bool,
    /// Whether [`Backend::refusal_is_the_end`] may have come true of it.
    is_refused: bool,
    registration: Option<Registration>,
}

struct Registration {
    poll: usize,
    token: usize,
    asked: Asked,
    watches: [Watch; 2],
}

/// One direction of a registration.
#[derive(Copy, Clone)]
struct Watch {
    armed: Sure,
    /// Ready by the source's own shutdown, of which no event is promised.
    is_unannounced: bool,
    /// How many events came before one that was owed.
    overtaken: usize,
    /// How often it was told since anything happened to the pair.
    repeated: usize,
}

impl Watch {
    const NEW: Watch = Watch {
        armed: Sure::Yes,
        is_unannounced: false,
        overtaken: 0,
        repeated: 0,
    };

    fn told(&mut self, how: Sure, mode: Mode) {
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

struct Waker {
    token: usize,
    pending: Sure,
    overtaken: usize,
}

/// Who may stand behind an event: a source, or one direction of it, or the waker.
#[derive(Copy, Clone, Debug)]
enum Reporter {
    Source(End, Directions),
    Waker,
}

/// Why a poll does not tell all that is owed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Excuse {
    None,
    NoRoom,
    /// Packets of sources take their time; a wake is one that is there at once.
    UnderWay,
}

impl Excuse {
    fn excuses(self, reporter: Reporter) -> bool {
        match self {
            Excuse::None => false,
            Excuse::NoRoom => true,
            Excuse::UnderWay => matches!(reporter, Reporter::Source(..)),
        }
    }
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

    // Polls.

    /// Whether the next poll has something to report.
    pub fn is_owed(&self, poll: usize) -> bool {
        self.reporters(poll)
            .into_iter()
            .any(|(_, reporter)| self.is_due(reporter, poll))
    }

    /// Judges a poll. `after` are the levels at its end; those at its beginning were
    /// observed last.
    pub fn polled(&mut self, poll: usize, polled: &Polled, after: &Levels) -> Result<(), Wrong> {
        let told = &polled.told;
        if told.len() > polled.capacity {
            return Err(format!("{} events in {}", told.len(), polled.capacity));
        }
        if told.is_empty() && polled.timeout.is_none_or(|it| polled.elapsed < it) {
            return Err(format!("came back empty after {:?}", polled.elapsed));
        }
        let reporters = self.reporters(poll);
        let tokens: BTreeSet<usize> = (told.iter().map(|it| it.token))
            .chain(reporters.iter().map(|&(token, _)| token))
            .collect();
        let excuse = self.excuse(polled);
        let mut news = Vec::new();
        for token in tokens {
            let events: Vec<Told> = told
                .iter()
                .copied()
                .filter(|it| it.token == token)
                .collect();
            let group: Vec<Reporter> = (reporters.iter())
                .filter(|it| it.0 == token)
                .map(|it| it.1)
                .collect();
            self.judge(poll, &events, &group, excuse, after)?;
            for &reporter in &group {
                let how = self.how_told(poll, reporter, &events, &group, excuse, after);
                news.push((reporter, how));
            }
        }
        for (reporter, how) in news {
            self.learn(poll, reporter, how, told.len(), self.patience(poll))?;
            if let (Reporter::Source(end, _), true) = (reporter, how.contains(&Sure::Yes)) {
                // What it tells next, it sees from now on.
                self.sources[end].as_mut().unwrap().was = Level::default();
            }
        }
        self.observe(after);
        Ok(())
    }

    fn excuse(&self, polled: &Polled) -> Excuse {
        let by_packets = self.backend.by_packets;
        let waited = (polled.timeout).is_none_or(|it| it >= self.backend.long_enough());
        match polled.told.len() {
            len if len == polled.capacity => Excuse::NoRoom,
            // Packets that tell nothing may have taken what room there was.
            1.. if by_packets => Excuse::NoRoom,
            0 if by_packets && !waited => Excuse::UnderWay,
            _ => Excuse::None,
        }
    }

    /// How many events may come before one that is owed.
    fn patience(&self, poll: usize) -> usize {
        let each = if self.backend.by_packets { 6 } else { 3 };
        each * self.reporters(poll).len() + 4
    }

    /// Whether something owed has been passed by so often that it should be under way, and
    /// only time could be lacking.
    pub fn is_overtaken(&self, poll: usize) -> bool {
        let patience = self.patience(poll) / 2;
        self.reporters(poll).iter().any(|&(_, it)| match it {
            Reporter::Source(end, _) => {
                let (_, registration) = self.registered(end);
                registration
                    .watches
                    .iter()
                    .any(|it| it.overtaken > patience)
            }
            Reporter::Waker => false,
        })
    }

    /// All who may report something to a poll, with their tokens.
    fn reporters(&self, poll: usize) -> Vec<(usize, Reporter)> {
        let mut all = Vec::new();
        for (end, source) in self.sources.iter().enumerate() {
            let registration = source.as_ref().and_then(|it| it.registration.as_ref());
            let Some(it) = registration.filter(|it| it.poll == poll) else {
                continue;
            };
            let asked = [it.asked.read, it.asked.write];
            if self.backend.one_event_per_direction {
                for split in [[asked[0], false], [false, asked[1]]] {
                    if split != [false; 2] {
                        all.push((it.token, Reporter::Source(end, split)));
                    }
                }
            } else {
                all.push((it.token, Reporter::Source(end, asked)));
            }
        }
        if let Some(waker) = &self.wakers[poll] {
            all.push((waker.token, Reporter::Waker));
        }
        all
    }

    fn registered(&self, end: End) -> (&Source, &Registration) {
        let source = self.sources[end].as_ref().unwrap();
        (source, source.registration.as_ref().unwrap())
    }

    /// Whether `reporter` has to tell of the direction, with what was observed last.
    fn is_due_in(&self, end: End, directions: Directions, direction: Direction) -> bool {
        let (source, registration) = self.registered(end);
        let watch = &registration.watches[direction as usize];
        directions[direction as usize]
            && source.kind.directions(end)[direction as usize]
            && watch.armed == Sure::Yes
            && source.level.is_ready(direction)
            && !watch.is_unannounced
            && !source.is_refused
    }

    fn is_due(&self, reporter: Reporter, poll: usize) -> bool {
        match reporter {
            Reporter::Source(end, directions) => DIRECTIONS
                .into_iter()
                .any(|direction| self.is_due_in(end, directions, direction)),
            Reporter::Waker => {
                (self.wakers[poll].as_ref()).is_some_and(|it| it.pending == Sure::Yes)
            }
        }
    }

    /// Whether the event is all that `reporter` has to tell.
    fn pays(&self, reporter: Reporter, event: Told) -> bool {
        let Reporter::Source(end, directions) = reporter else {
            return true;
        };
        DIRECTIONS
            .into_iter()
            .all(|direction| event.tells(direction) || !self.is_due_in(end, directions, direction))
    }

    /// Why `reporter` cannot have reported the event; `None` if it can.
    fn objection(
        &self,
        poll: usize,
        reporter: Reporter,
        event: Told,
        after: &Levels,
    ) -> Option<&'static str> {
        let Reporter::Source(end, directions) = reporter else {
            let is_pending = self.wakers[poll].as_ref().map(|it| it.pending) != Some(Sure::No);
            let is_wake = event.readable
                && !(event.writable || event.read_closed || event.write_closed)
                && !(event.error || event.other);
            return match (is_pending, is_wake) {
                (false, _) => Some("nobody woke"),
                (_, false) => Some("a wake is readable and nothing else"),
                _ => None,
            };
        };
        let (source, _) = self.registered(end);
        let mut level = source.level.or(after[end].unwrap_or_default());
        if self.backend.by_packets {
            level = level.or(source.was);
        }
        level.error |= source.is_refused;
        let failed = self.backend.failure_is_readiness && level.has_failed();
        let objections = [
            (event.other, "nobody asked for that"),
            (
                !event.tells(Read) && !event.tells(Write),
                "it says nothing at all",
            ),
            (
                event.readable && !directions[0],
                "reading was not asked for",
            ),
            (
                event.writable && !directions[1],
                "writing was not asked for",
            ),
            (
                event.readable && !(level.readable || level.read_hang_up || failed),
                "there is nothing to read",
            ),
            (
                event.writable && !(level.writable || failed),
                "there is no room to write",
            ),
            (
                event.read_closed && !(source.read_can_end() || source.is_refused),
                "reading has not ended",
            ),
            (
                event.write_closed
                    && !(source.write_can_end() || source.errs(level) && !event.writable),
                "writing has not ended",
            ),
            (
                event.error && !source.can_fail(),
                "there was nothing to fail",
            ),
            (
                event.error && self.backend.error_is_exact && !level.error,
                "there is no error",
            ),
        ];
        let found = objections.into_iter().find(|it| it.0).map(|it| it.1);
        found.or_else(|| self.objection_of_mode(end, directions, event))
    }

    fn objection_of_mode(
        &self,
        end: End,
        directions: Directions,
        event: Told,
    ) -> Option<&'static str> {
        let (_, registration) = self.registered(end);
        let is_mute = |direction: Direction| {
            directions[direction as usize]
                && registration.watches[direction as usize].armed == Sure::No
        };
        if self.backend.one_event_per_direction {
            let wrong = match directions {
                [true, _] => !event.readable || event.writable || event.write_closed,
                _ => !event.writable || event.readable || event.read_closed,
            };
            if wrong {
                return Some("an event is of one direction");
            }
        }
        match registration.asked.mode {
            Mode::Edge if self.backend.tells_only_news => (event.readable && is_mute(Read)
                || event.writable && is_mute(Write))
            .then_some("that was told before, and nothing was tried"),
            Mode::Oneshot => DIRECTIONS
                .into_iter()
                .any(|it| event.tells(it) && is_mute(it))
                .then_some("it was a one-shot, which has fired"),
            _ => None,
        }
    }

    fn explains(&self, poll: usize, reporter: Reporter, event: Told, after: &Levels) -> bool {
        self.objection(poll, reporter, event, after).is_none()
    }

    /// Checks the events with one token.
    fn judge(
        &self,
        poll: usize,
        events: &[Told],
        group: &[Reporter],
        excuse: Excuse,
        after: &Levels,
    ) -> Result<(), Wrong> {
        let explains =
            |at: usize, event: usize| self.explains(poll, group[at], events[event], after);
        if !can_assign(events.len(), group.len(), &explains, &|_| false) {
            return Err(self.why_not(poll, events, group, after));
        }
        let is_due = |at: usize| !excuse.excuses(group[at]) && self.is_due(group[at], poll);
        let pays = |at: usize, event: usize| {
            let need_not = excuse.excuses(group[at]);
            explains(at, event) && (need_not || self.pays(group[at], events[event]))
        };
        if can_assign(events.len(), group.len(), &pays, &is_due) {
            return Ok(());
        }
        let due: Vec<String> = (group.iter())
            .filter(|&&it| !excuse.excuses(it) && self.is_due(it, poll))
            .map(|&it| self.describe(poll, it))
            .collect();
        Err(format!(
            "there was room, and yet something owed was not reported, of: {}",
            due.join(", ")
        ))
    }

    fn why_not(&self, poll: usize, events: &[Told], group: &[Reporter], after: &Levels) -> Wrong {
        for &event in events {
            let objections: Vec<String> = (group.iter())
                .filter_map(|&it| {
                    let objection = self.objection(poll, it, event, after)?;
                    Some(format!("{}: {objection}", self.describe(poll, it)))
                })
                .collect();
            if objections.is_empty() && group.is_empty() {
                return format!("{event:?} is nobody's");
            }
            if objections.len() == group.len() {
                return format!("{event:?} must not be ({})", objections.join("; "));
            }
        }
        format!("{} events of {} reporters", events.len(), group.len())
    }

    fn describe(&self, poll: usize, reporter: Reporter) -> String {
        match reporter {
            Reporter::Waker => format!("the waker of poll {poll}"),
            Reporter::Source(end, directions) => {
                let due = DIRECTIONS.map(|it| self.is_due_in(end, directions, it));
                let level = self.registered(end).0.level;
                format!("source {}, owed {due:?}, {level:?}", name_of(end))
            }
        }
    }

    /// Which directions `reporter` has told of, if it was among those who did.
    fn how_told(
        &self,
        poll: usize,
        reporter: Reporter,
        events: &[Told],
        group: &[Reporter],
        excuse: Excuse,
        after: &Levels,
    ) -> [Sure; 2] {
        let able = |it: Reporter| {
            (events.iter())
                .copied()
                .filter(|&event| self.explains(poll, it, event, after))
                .collect::<Vec<Told>>()
        };
        let is_due = !excuse.excuses(reporter) && self.is_due(reporter, poll);
        let mut own = able(reporter);
        if is_due {
            own.retain(|&event| self.pays(reporter, event));
        }
        let rivals = group.iter().filter(|&&it| !able(it).is_empty()).count();
        let is_sure = is_due || rivals == events.len();
        DIRECTIONS.map(|direction| {
            let says = |event: &Told| event.tells(direction);
            match () {
                () if !own.iter().any(says) => Sure::No,
                () if is_sure && own.iter().all(says) => Sure::Yes,
                () => Sure::Maybe,
            }
        })
    }

    /// Notes what `reporter` has told in a poll of `len` events.
    fn learn(
        &mut self,
        poll: usize,
        reporter: Reporter,
        how: [Sure; 2],
        len: usize,
        patience: usize,
    ) -> Result<(), Wrong> {
        let backend = self.backend;
        let starving = match reporter {
            Reporter::Waker => {
                let waker = self.wakers[poll].as_mut().unwrap();
                match how[0] {
                    Sure::No if waker.pending == Sure::Yes => waker.overtaken += len,
                    Sure::No => {}
                    how => {
                        let most = if how == Sure::Yes {
                            Sure::No
                        } else {
                            Sure::Maybe
                        };
                        waker.pending = waker.pending.min(most);
                        waker.overtaken = 0;
                    }
                }
                waker.overtaken > patience
            }
            Reporter::Source(end, directions) => {
                let due = DIRECTIONS.map(|it| self.is_due_in(end, directions, it));
                let source = self.sources[end].as_mut().unwrap();
                let most = if source.kind == Kind::Tcp { 8 } else { 3 };
                let registration = source.registration.as_mut().unwrap();
                let mode = registration.asked.mode;
                let any = how[0].max(how[1]);
                let mut starving = false;
                for at in (0..2).filter(|&at| directions[at]) {
                    let watch = &mut registration.watches[at];
                    let silences = mode == Mode::Oneshot && backend.oneshot_silences_both;
                    watch.told(if silences { any } else { how[at] }, mode);
                    if how[at] == Sure::No {
                        watch.overtaken = if due[at] { watch.overtaken + len } else { 0 };
                    }
                    if watch.repeated > most {
                        return Err(format!("{} is repeated without end", name_of(end)));
                    }
                    starving |= watch.overtaken > patience;
                }
                starving
            }
        };
        if starving {
            return Err(format!("starves: {}", self.describe(poll, reporter)));
        }
        Ok(())
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
}

impl Registration {
    fn new(poll: usize, token: usize, asked: Asked) -> Registration {
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
    fn watches(&mut self) -> impl Iterator<Item = (Direction, &mut Watch)> {
        let watches = self.registration.as_mut().map(|it| &mut it.watches);
        DIRECTIONS.into_iter().zip(watches.into_iter().flatten())
    }

    /// An operation has ended, and may arm its direction.
    fn operated(&mut self, direction: Direction, wanted: usize, outcome: Outcome) {
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

    fn check_read(&self, wanted: usize, outcome: Outcome) -> Result<(), Wrong> {
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
    fn has_ended(&self) -> bool {
        let is_connected = self.kind.is_stream();
        is_connected && (self.peer_is_gone || self.peer_has_shut[Write as usize])
            || self.has_shut[Read as usize]
    }

    /// Whether an event may say that reading has ended.
    fn read_can_end(&self) -> bool {
        self.has_ended()
    }

    /// Whether an event may say that writing has ended. It need not even if it has, for a
    /// stream does not know of a peer's death before it writes.
    fn write_can_end(&self) -> bool {
        let is_connected = self.kind.is_stream();
        is_connected && self.peer_is_gone
            || self.peer_has_shut[Read as usize]
            || self.has_shut[Write as usize]
            || self.kind == Kind::Tcp && self.can_fail()
            || self.kind == Kind::UnixDatagram && self.peer_is_gone
    }

    /// Of datagram sockets an error may look like the end of writing, if it comes alone.
    fn errs(&self, level: Level) -> bool {
        self.kind == Kind::Udp && level.error
    }

    fn can_fail(&self) -> bool {
        let may_be_reset = self.has_shut[Read as usize] || self.peer_has_shut[Read as usize];
        match self.kind {
            Kind::Listener => false,
            Kind::Tcp => self.peer_is_gone || may_be_reset,
            _ => self.peer_is_gone,
        }
    }
}

pub fn name_of(end: End) -> String {
    format!("{}{}", end / 2, ["a", "b"][end % 2])
}

/// Whether each of `events` can be given to a reporter of its own, such that those who
/// need one have one.
fn can_assign(
    events: usize,
    reporters: usize,
    fits: &dyn Fn(usize, usize) -> bool,
    needs: &dyn Fn(usize) -> bool,
) -> bool {
    let needed = (0..reporters).filter(|&at| needs(at));
    let needed = needed.fold(0_u32, |all, at| all | 1 << at);
    let mut seen = HashSet::new();
    let mut open = vec![(0, 0_u32)];
    while let Some((event, used)) = open.pop() {
        if event == events {
            if used & needed == needed {
                return true;
            }
            continue;
        }
        for at in 0..reporters {
            let with = used | 1 << at;
            if with != used && fits(at, event) && seen.insert((event + 1, with)) {
                open.push((event + 1, with));
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const READABLE: Level = Level {
        readable: true,
        writable: false,
        read_hang_up: false,
        hang_up: false,
        error: false,
    };

    const TOKEN: usize = 3;

    const EVENT: Told = Told {
        token: TOKEN,
        readable: true,
        writable: false,
        read_closed: false,
        write_closed: false,
        error: false,
        other: false,
    };

    fn asked(mode: Mode) -> Asked {
        Asked {
            read: true,
            write: false,
            mode,
        }
    }

    /// A model in which data have come for the first source of a pair, which is
    /// registered.
    fn with_data(mode: Mode) -> Model {
        with_data_on(Backend::EPOLL, mode)
    }

    fn with_data_on(backend: Backend, mode: Mode) -> Model {
        let mut model = Model::new(backend);
        model.create(0, Kind::UnixStream);
        assert_eq!(model.register(0, 0, TOKEN, asked(mode)), Verdict::Succeeds);
        model.sent(1, Outcome::Moved(5));
        model.observe(&levels(READABLE));
        model
    }

    fn levels(first: Level) -> Levels {
        let mut levels = Levels::default();
        levels[0] = Some(first);
        levels
    }

    fn read(model: &mut Model, wanted: usize, outcome: Outcome, after: Level) {
        model.took(0, false, wanted, outcome).unwrap();
        model.observe(&levels(after));
        model.read(0, false, wanted, outcome);
    }

    /// A poll that looks, and has room for `capacity`.
    fn look(model: &mut Model, capacity: usize, told: &[Told]) -> Result<(), Wrong> {
        look_for(model, Duration::ZERO, capacity, told)
    }

    fn look_for(
        model: &mut Model,
        timeout: Duration,
        capacity: usize,
        told: &[Told],
    ) -> Result<(), Wrong> {
        let now = model.sources[0].as_ref().unwrap().level;
        let polled = Polled {
            capacity,
            timeout: Some(timeout),
            elapsed: timeout,
            told: told.to_vec(),
        };
        model.polled(0, &polled, &levels(now))
    }

    #[track_caller]
    fn rejects(result: Result<(), Wrong>, why: &str) {
        let wrong = result.expect_err("it is to be rejected");
        assert!(wrong.contains(why), "{wrong}");
    }

    #[test]
    fn what_is_owed_must_come_if_there_is_room() {
        rejects(look(&mut with_data(Mode::Edge), 4, &[]), "not reported");
        look(&mut with_data(Mode::Edge), 4, &[EVENT]).unwrap();
    }

    #[test]
    fn an_edge_is_paid_once_and_a_level_by_every_poll() {
        let mut edge = with_data(Mode::Edge);
        look(&mut edge, 4, &[EVENT]).unwrap();
        look(&mut edge, 4, &[]).unwrap();
        let mut level = with_data(Mode::Level);
        look(&mut level, 4, &[EVENT]).unwrap();
        rejects(look(&mut level, 4, &[]), "not reported");
    }

    #[test]
    fn after_a_short_read_the_next_data_are_owed_and_after_a_full_one_they_are_not() {
        for (wanted, is_owed) in [(10, true), (5, false)] {
            let mut model = with_data(Mode::Edge);
            look(&mut model, 4, &[EVENT]).unwrap();
            read(&mut model, wanted, Outcome::Moved(5), Level::default());
            model.sent(1, Outcome::Moved(1));
            model.observe(&levels(READABLE));
            assert_eq!(model.is_owed(0), is_owed);
            look(&mut model, 4, &[EVENT]).unwrap();
        }
    }

    #[test]
    fn nothing_comes_without_reason() {
        let nobodys = Told { token: 9, ..EVENT };
        rejects(
            look(&mut with_data(Mode::Edge), 4, &[EVENT, nobodys]),
            "nobody's",
        );
        rejects(
            look(&mut with_data(Mode::Edge), 4, &[EVENT, EVENT]),
            "2 events of 1",
        );
        for (wrong, why) in [
            (
                Told {
                    writable: true,
                    ..EVENT
                },
                "not asked for",
            ),
            (
                Told {
                    read_closed: true,
                    ..EVENT
                },
                "reading has not ended",
            ),
            (
                Told {
                    write_closed: true,
                    ..EVENT
                },
                "writing has not ended",
            ),
            (
                Told {
                    error: true,
                    ..EVENT
                },
                "nothing to fail",
            ),
            (
                Told {
                    readable: false,
                    ..EVENT
                },
                "nothing at all",
            ),
        ] {
            rejects(look(&mut with_data(Mode::Edge), 4, &[wrong]), why);
        }
        let mut model = with_data(Mode::Level);
        read(&mut model, 10, Outcome::Moved(5), Level::default());
        rejects(look(&mut model, 4, &[EVENT]), "nothing to read");
        assert_eq!(model.deregister(0, 0), Verdict::Succeeds);
        rejects(look(&mut model, 4, &[EVENT]), "nobody's");
    }

    #[test]
    fn a_one_shot_fires_once() {
        let mut model = with_data(Mode::Oneshot);
        look(&mut model, 4, &[EVENT]).unwrap();
        rejects(look(&mut model, 4, &[EVENT]), "has fired");
        model.reregister(0, 0, TOKEN, asked(Mode::Oneshot));
        assert!(model.is_owed(0));
    }

    #[test]
    fn an_edge_is_not_repeated_without_end() {
        let mut model = with_data(Mode::Edge);
        let told = (0..10).map(|_| look(&mut model, 4, &[EVENT]));
        rejects(told.collect(), "without end");
    }

    #[test]
    fn wakes_are_owed_one_by_one() {
        let mut model = Model::new(Backend::EPOLL);
        model.create(0, Kind::Pipe);
        model.observe(&levels(Level::default()));
        model.make_waker(0, TOKEN);
        rejects(look(&mut model, 4, &[EVENT]), "nobody woke");
        model.wake(0);
        model.wake(0);
        rejects(look(&mut model, 4, &[]), "not reported");
        look(&mut model, 4, &[EVENT]).unwrap();
        rejects(look(&mut model, 4, &[EVENT]), "nobody woke");
    }

    /// Whoever is served by every poll keeps nobody else out of a small `Events`.
    #[test]
    fn nobody_starves() {
        let mut model = with_data(Mode::Level);
        model.make_waker(0, 9);
        model.wake(0);
        let told = (0..20).map(|_| look(&mut model, 1, &[EVENT]));
        rejects(told.collect(), "starves");
    }

    #[test]
    fn a_packet_is_owed_to_who_waits_for_it() {
        let mut model = with_data_on(Backend::AFD, Mode::Edge);
        look(&mut model, 4, &[]).unwrap();
        assert!(model.is_owed(0));
        let long = Backend::AFD.long_enough();
        rejects(look_for(&mut model, long, 4, &[]), "not reported");
        look_for(&mut model, long, 4, &[EVENT]).unwrap();
        rejects(look(&mut model, 4, &[EVENT]), "was told before");
        model.make_waker(0, 9);
        model.wake(0);
        rejects(look(&mut model, 4, &[]), "not reported");
    }

    #[test]
    fn a_packet_may_tell_what_is_no_more_once() {
        for (backend, is_late) in [(Backend::AFD, true), (Backend::POLL, false)] {
            let mut model = with_data_on(backend, Mode::Level);
            read(&mut model, 10, Outcome::Moved(5), Level::default());
            if is_late {
                look(&mut model, 4, &[EVENT]).unwrap();
            }
            rejects(look(&mut model, 4, &[EVENT]), "nothing to read");
        }
    }

    #[test]
    fn an_empty_poll_takes_its_time() {
        let mut model = with_data(Mode::Edge);
        read(&mut model, 10, Outcome::Moved(5), Level::default());
        let after = levels(Level::default());
        let mut polled = Polled {
            capacity: 1,
            timeout: Some(Duration::from_millis(2)),
            elapsed: Duration::from_millis(1),
            told: Vec::new(),
        };
        rejects(model.polled(0, &polled, &after), "came back empty");
        polled.elapsed = Duration::from_millis(2);
        model.polled(0, &polled, &after).unwrap();
    }
}
