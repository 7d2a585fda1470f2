//! Runs scripts, and compares what is observed with the model.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::ops::AddAssign;
use std::sync::{mpsc, Arc, Mutex, Once};
use std::thread;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Interest, Poll, Registry, Token, Waker};

use crate::model::{
    peer_of, Asked, Backend, End, Kind, Levels, Mode, Model, Outcome, Polled, Reported, Verdict,
    Wrong, ENDS, POLLS,
};
use crate::script::{Act, At, Op, Script, Timeout, CLONES};
use crate::world::{self, Object};

/// The backend that the library was built with.
pub const BACKEND: Backend = if cfg!(windows) {
    Backend::AFD
} else if cfg!(mio_unsupported_force_poll_poll) {
    Backend::POLL
} else if cfg!(mio_test_kqueue_shim) {
    Backend::KQUEUE
} else if cfg!(mio_test_event_port_shim) {
    Backend::PORT
} else {
    Backend::EPOLL
};

/// The backend over the kqueue shim, by the system that it simulates.
fn backend() -> Backend {
    let like = std::env::var("MIO_TEST_KQUEUE_LIKE").unwrap_or_default();
    let is_strict = ["freebsd", "netbsd"].contains(&like.as_str());
    let is_kqueue = cfg!(mio_test_kqueue_shim);
    Backend {
        refuses_level_without_reader: is_kqueue && is_strict,
        end_alone_is_for_sockets: is_kqueue && like != "macos",
        end_alone_knows_full_buffers: is_kqueue && like == "macos",
        ..BACKEND
    }
}

/// How long a script may take, which is milliseconds unless a poll hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the machine may take to bring what was written to the other end.
const ARRIVAL: Duration = Duration::from_secs(10);

/// How long the system may take to bring a packet of what is true already. The process that brings
/// it may have to wait for a processor.
const DELIVERY: Duration = Duration::from_millis(250);

/// How long it takes most threads to fall asleep. What is observed is right in any case.
const FALLING_ASLEEP: Duration = Duration::from_micros(100);

/// Room for the events of all sources.
const ROOM: usize = 64;

/// The token of wakers that the script has not made.
const ALARM: usize = 99;

/// The maximum number of unread datagrams or connections. A UDP socket discards what does not fit.
const MOST_UNREAD: usize = 8;

/// Counts of what was done.
#[derive(Copy, Clone, Debug, Default)]
pub struct Counts {
    pub scripts: u64,
    pub operations: u64,
    pub polls: u64,
    pub waits: u64,
    pub slept: u64,
    pub events: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.scripts += other.scripts;
        self.operations += other.operations;
        self.polls += other.polls;
        self.waits += other.waits;
        self.slept += other.slept;
        self.events += other.events;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} operations in {} scripts; {} polls, {} of them for ever, {} asleep; {} events",
            self.operations, self.scripts, self.polls, self.waits, self.slept, self.events
        )
    }
}

/// A deviation of the library from the model.
#[derive(Clone, Debug)]
pub struct Divergence {
    pub at: usize,
    pub wrong: Wrong,
    /// The operations before it, with their results.
    pub log: Vec<String>,
    pub counts: Counts,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.log {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "DIVERGENCE in operation {}: {}", self.at, self.wrong)
    }
}

/// Runs a script.
///
/// # Errors
///
/// The first divergence.
pub fn run(script: &Script) -> Result<Counts, Box<Divergence>> {
    let _watched = Watch::over(script);
    let mut runner = Runner::new();
    for (at, op) in script.0.iter().enumerate() {
        runner.line = format!("{at:4}  {op}");
        let result = runner.execute(*op);
        let line = std::mem::take(&mut runner.line);
        runner.log.push(line);
        if let Err(wrong) = result {
            return Err(Box::new(Divergence {
                at,
                wrong,
                log: std::mem::take(&mut runner.log),
                counts: runner.counts,
            }));
        }
    }
    runner.counts.scripts = 1;
    Ok(runner.counts)
}

struct Runner {
    model: Model,
    // Dropped in this order: sources close while their poll lives.
    objects: [Option<Object>; ENDS],
    wakers: [Option<Waker>; POLLS],
    clones: [[Option<Registry>; CLONES]; POLLS],
    polls: Vec<Poll>,
    counts: Counts,
    log: Vec<String>,
    line: String,
    buf: Vec<u8>,
}

impl Drop for Runner {
    fn drop(&mut self) {
        // So that no port remains in TIME_WAIT.
        for object in self.objects.iter().flatten() {
            let _ = object.reset_on_close();
        }
    }
}

impl Runner {
    fn new() -> Runner {
        Runner {
            model: Model::new(backend()),
            objects: Default::default(),
            wakers: Default::default(),
            clones: Default::default(),
            polls: (0..POLLS).map(|_| Poll::new().unwrap()).collect(),
            counts: Counts::default(),
            log: Vec::new(),
            line: String::new(),
            buf: vec![7; 16 * 1024],
        }
    }

    /// Performs one operation. One without an object is skipped.
    fn execute(&mut self, op: Op) -> Result<(), Wrong> {
        let done = match op {
            Op::Create { pair, kind } => self.create(pair, kind),
            Op::Register {
                end,
                at,
                token,
                asked,
            } => self.register(end, at, token, asked),
            Op::Reregister {
                end,
                at,
                token,
                asked,
            } => self.reregister(end, at, token, asked),
            Op::Deregister { end, at } => self.deregister(end, at),
            Op::Move { end, token, asked } => self.shift(end, token, asked),
            Op::Share { pair, token, asked } => self.share(pair, token, asked),
            Op::Drop { end, tidily } => self.close(end, tidily, false),
            Op::Reset { end } => self.close(end, true, true),
            Op::Shutdown { end, read, write } => self.shutdown(end, read, write),
            Op::Write { end, len } => self.write(end, len),
            Op::Fill { end } => self.fill(end),
            Op::Read { end, len } => self.read(end, len, false).map(|it| it.is_some()),
            Op::ReadAll { end } => {
                // The buffer is exactly as large as the data, so a full one does not show whether
                // there is more.
                let len = self.model.first_unread(end).min(self.buf.len());
                match len {
                    0 => Ok(false),
                    _ => self.read(end, len, false).map(|it| it.is_some()),
                }
            }
            Op::Drain { end } => self.drain(end),
            Op::Peek { end, len } => self.read(end, len, true).map(|it| it.is_some()),
            Op::TakeError { end } => self.take_error(end),
            Op::Ask { end } => self.ask(end),
            Op::TryIo { end } => self.try_io(end),
            Op::CloneRegistry { at } => self.clone_registry(at),
            Op::DropRegistry { at } => {
                let clone = self.clones[at.poll].get_mut(at.clone.wrapping_sub(1));
                Ok(clone.is_some_and(|it| it.take().is_some()))
            }
            Op::MakeWaker { at, token } => self.make_waker(at, token),
            Op::DropWaker { poll } => {
                self.model.drop_waker(poll);
                Ok(self.wakers[poll].take().is_some())
            }
            Op::Wake { poll } => self.wake(poll),
            Op::Poll {
                poll,
                capacity,
                timeout,
            } => self.poll(poll, capacity, timeout),
            Op::Collect { poll, capacity } => self.collect(poll, capacity),
            Op::Sleep { poll, end, act } => self.sleep(poll, end, act),
            Op::Storm { poll } => self.storm(poll),
            Op::PollNothing { poll } => self.poll_nothing(poll),
        }?;
        if done {
            self.counts.operations += 1;
        } else {
            self.note("passed over");
        }
        Ok(())
    }

    fn note(&mut self, what: impl fmt::Display) {
        use fmt::Write as _;
        let _ = write!(self.line, "  => {what}");
    }

    /// Observes the levels, once they are as the model expects.
    fn settle(&mut self) -> Result<Levels, Wrong> {
        let end = Instant::now() + ARRIVAL;
        loop {
            let levels = world::levels(&self.objects);
            let Some(late) = (0..ENDS).find(|&end| !self.is_settled(end, &levels)) else {
                return Ok(levels);
            };
            if Instant::now() > end {
                let expected = self.model.expected(late);
                return Err(format!(
                    "the model of the system is wrong: source {} is {:?}; expected readable, ended: {expected:?}",
                    crate::model::name_of(late),
                    levels[late]
                ));
            }
            thread::yield_now();
        }
    }

    fn is_settled(&self, end: End, levels: &Levels) -> bool {
        let Some(level) = levels[end] else {
            return true;
        };
        let (readable, ended) = self.model.expected(end);
        let has_ended = level.read_hang_up || level.hang_up || level.error;
        readable.is_none_or(|it| it == level.readable) && ended.is_none_or(|it| it == has_ended)
    }

    fn observe(&mut self) -> Result<(), Wrong> {
        let levels = self.settle()?;
        self.model.observe(&levels);
        Ok(())
    }

    fn create(&mut self, pair: usize, kind: Kind) -> Result<bool, Wrong> {
        let (one, other) = (2 * pair, 2 * pair + 1);
        if self.objects[one].is_some() || self.objects[other].is_some() {
            return Ok(false);
        }
        let [a, b] = world::pair(kind).map_err(|error| format!("making a pair: {error}"))?;
        self.objects[one] = Some(a);
        self.objects[other] = Some(b);
        self.model.create(pair, kind);
        self.observe()?;
        Ok(true)
    }

    // The registry.

    fn with_source(
        &mut self,
        end: End,
        at: At,
        verdict: impl FnOnce(&mut Model) -> Verdict,
        call: impl FnOnce(&Registry, &mut dyn mio::event::Source) -> io::Result<()>,
    ) -> Result<bool, Wrong> {
        let Some(source) = self.objects[end].as_mut().and_then(Object::source) else {
            return Ok(false);
        };
        let verdict = verdict(&mut self.model);
        if verdict == Verdict::Undefined {
            return Ok(false);
        }
        let clone = self.clones[at.poll].get(at.clone.wrapping_sub(1));
        let registry = match clone {
            Some(Some(clone)) => clone,
            _ => self.polls[at.poll].registry(),
        };
        let result = call(registry, source).map_err(|error| error.kind());
        self.note(format_args!("{result:?}"));
        let is_right = match verdict {
            Verdict::AlreadyExists => result == Err(ErrorKind::AlreadyExists),
            Verdict::NotFound => result == Err(ErrorKind::NotFound),
            Verdict::BrokenPipe => result == Err(ErrorKind::BrokenPipe),
            Verdict::InvalidInput => result == Err(ErrorKind::InvalidInput),
            Verdict::Fails => result.is_err(),
            Verdict::Succeeds | Verdict::Undefined => result.is_ok(),
        };
        if !is_right {
            return Err(format!("returns {result:?}; expected: {verdict:?}"));
        }
        self.observe()?;
        Ok(true)
    }

    fn register(&mut self, end: End, at: At, token: usize, asked: Asked) -> Result<bool, Wrong> {
        self.with_source(
            end,
            at,
            |model| model.register(end, at.poll, token, asked),
            |registry, source| registry.register(source, Token(token), interest(asked)),
        )
    }

    fn reregister(&mut self, end: End, at: At, token: usize, asked: Asked) -> Result<bool, Wrong> {
        self.with_source(
            end,
            at,
            |model| model.reregister(end, at.poll, token, asked),
            |registry, source| registry.reregister(source, Token(token), interest(asked)),
        )
    }

    fn deregister(&mut self, end: End, at: At) -> Result<bool, Wrong> {
        self.with_source(
            end,
            at,
            |model| model.deregister(end, at.poll),
            |registry, source| registry.deregister(source),
        )
    }

    fn shift(&mut self, end: End, token: usize, asked: Asked) -> Result<bool, Wrong> {
        let Some(from) = self.model.poll_of(end) else {
            return Ok(false);
        };
        let [from, to] = [from, (from + 1) % POLLS].map(|poll| At { poll, clone: 0 });
        self.deregister(end, from)?;
        self.register(end, to, token, asked)
    }

    fn share(&mut self, pair: usize, token: usize, asked: Asked) -> Result<bool, Wrong> {
        let ends = [2 * pair, 2 * pair + 1];
        let is_shared = self.model.kind_of(ends[0]) == Some(Kind::Shared);
        if !is_shared || ends.iter().any(|&it| self.model.poll_of(it).is_some()) {
            return Ok(false);
        }
        for (end, poll) in ends.into_iter().zip(0..POLLS) {
            self.register(end, At { poll, clone: 0 }, token, asked)?;
        }
        Ok(true)
    }

    fn clone_registry(&mut self, at: At) -> Result<bool, Wrong> {
        let registry = self.polls[at.poll].registry();
        let Some(slot @ None) = self.clones[at.poll].get_mut(at.clone.wrapping_sub(1)) else {
            return Ok(false);
        };
        *slot = Some(registry.try_clone().map_err(|error| error.to_string())?);
        Ok(true)
    }

    // Ends.

    fn close(&mut self, end: End, tidily: bool, reset: bool) -> Result<bool, Wrong> {
        let Some(object) = &self.objects[end] else {
            return Ok(false);
        };
        // When the second end is closed, there is no peer that could observe it.
        let is_last = self.objects[peer_of(end)].is_none();
        if reset || is_last {
            let can_reset = object.reset_on_close().is_ok();
            if reset && !can_reset {
                return Ok(false);
            }
        }
        let kind = self.model.kind_of(end);
        let is_sender = kind.is_some_and(|it| it.is_sender(end));
        // The other handle would keep the registration.
        let is_shared = kind == Some(Kind::Shared);
        let tidily = tidily || is_shared || is_sender && backend().refuses_level_without_reader;
        if let Some(poll) = self.model.poll_of(end).filter(|_| tidily) {
            self.deregister(end, At { poll, clone: 0 })?;
        }
        self.objects[end] = None;
        self.model.close(end, reset);
        self.observe()?;
        Ok(true)
    }

    fn shutdown(&mut self, end: End, read: bool, write: bool) -> Result<bool, Wrong> {
        let how = match (read, write) {
            (true, true) => Shutdown::Both,
            (true, false) => Shutdown::Read,
            (false, true) => Shutdown::Write,
            _ => return Ok(false),
        };
        let Some(object) = &self.objects[end] else {
            return Ok(false);
        };
        let kind = self.model.kind_of(end);
        if kind == Some(Kind::Unconnected) {
            // It fails, but Linux applies it to a later connection.
            return Ok(false);
        }
        match object.shutdown(how) {
            // Not every system supports this for listeners.
            Err(_) if kind == Some(Kind::Listener) => return Ok(false),
            Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(false),
            // The connection was already broken.
            Err(error) => self.note(error),
            Ok(()) => {}
        }
        let after = world::levels(&self.objects);
        self.model.shutdown(end, [read, write], &after);
        self.observe()?;
        Ok(true)
    }

    fn take_error(&mut self, end: End) -> Result<bool, Wrong> {
        let taken = match &self.objects[end] {
            Some(object) => object.take_error(),
            None => return Ok(false),
        };
        let Ok(taken) = taken else {
            return Ok(false);
        };
        self.note(format_args!("{taken:?}"));
        self.observe()?;
        if taken.is_some() {
            self.model.tried_both(end, Outcome::Failed);
        }
        Ok(true)
    }

    fn ask(&mut self, end: End) -> Result<bool, Wrong> {
        self.observe()?;
        let Some(Object::Tcp(stream)) = &self.objects[end] else {
            return Ok(false);
        };
        let answer = stream.is_connected();
        self.note(format_args!("{answer:?}"));
        let is_attempt = self.model.kind_of(end) == Some(Kind::Unconnected);
        let has_failed = world::levels(&self.objects)[end].is_some_and(|it| it.has_failed());
        self.observe()?;
        match answer {
            Ok(true) if !is_attempt => return Ok(true),
            // Windows does not distinguish it from one in progress.
            Ok(false) if is_attempt && cfg!(windows) => {
                self.model.tried_both(end, Outcome::WouldBlock);
            }
            Err(_) if is_attempt || has_failed => self.model.tried_both(end, Outcome::Failed),
            _ => return Err(format!("returns {answer:?}")),
        }
        Ok(true)
    }

    fn try_io(&mut self, end: End) -> Result<bool, Wrong> {
        let Some(object) = &self.objects[end] else {
            return Ok(false);
        };
        match object.try_io(|| Err(ErrorKind::WouldBlock.into())) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            _ => return Ok(false),
        }
        self.observe()?;
        self.model.tried_both(end, Outcome::WouldBlock);
        Ok(true)
    }

    // Transfers.

    fn write(&mut self, end: End, len: usize) -> Result<bool, Wrong> {
        match &self.objects[end] {
            Some(Object::Clients(..)) => return self.connect(peer_of(end), end),
            Some(Object::Shared(..)) => return self.connect(end, end),
            Some(Object::Server(_)) => return self.dial(end),
            _ => {}
        }
        Ok(self.write_once(end, len)?.is_some())
    }

    /// Connects another of the clients that `end` represents.
    fn connect(&mut self, listener: End, end: End) -> Result<bool, Wrong> {
        let Some(object) = &mut self.objects[end] else {
            return Ok(false);
        };
        let is_full = self.model.unread(listener) >= MOST_UNREAD;
        let is_gone = self.model.kind_of(listener).is_none();
        if is_full || is_gone || self.model.is_shut(listener) {
            return Ok(false);
        }
        object.connect().map_err(|error| error.to_string())?;
        self.model.connected(listener);
        self.observe()?;
        Ok(true)
    }

    /// Connects the socket whose server this is.
    fn dial(&mut self, end: End) -> Result<bool, Wrong> {
        let client = peer_of(end);
        let [Some(stream), Some(server)] = [&self.objects[client], &self.objects[end]] else {
            return Ok(false);
        };
        let accepted = world::dial(stream, server).map_err(|error| error.to_string())?;
        self.objects[end] = Some(accepted);
        self.model.dialed(end / 2);
        self.observe()?;
        Ok(true)
    }

    /// `None` if there is nothing to write to.
    fn write_once(&mut self, end: End, len: usize) -> Result<Option<Outcome>, Wrong> {
        let Some(object) = &mut self.objects[end] else {
            return Ok(None);
        };
        let is_full = self.model.unread(peer_of(end)) >= MOST_UNREAD;
        if is_full && self.model.kind_of(end) == Some(Kind::Udp) {
            return Ok(None);
        }
        let result = object.write(&self.buf[..len]);
        self.note(format_args!("{result:?}"));
        let Some(outcome) = outcome(result) else {
            return Ok(None);
        };
        // The model needs to have the bytes before it can expect them to arrive.
        self.model.sent(end, outcome);
        self.observe()?;
        self.model.wrote(end, len, outcome)?;
        Ok(Some(outcome))
    }

    fn fill(&mut self, end: End) -> Result<bool, Wrong> {
        let kind = self.model.kind_of(end);
        let (len, times) = match kind {
            Some(Kind::Listener | Kind::Shared) | None => return Ok(false),
            Some(Kind::UnixDatagram) => (4 * 1024, 1024),
            Some(Kind::Udp) => (512, MOST_UNREAD),
            Some(_) => (self.buf.len(), 1024),
        };
        let mut any = false;
        for _ in 0..times {
            match self.write_once(end, len)? {
                Some(Outcome::Moved(moved)) if moved == len => any = true,
                None => return Ok(any),
                Some(_) => return Ok(true),
            }
        }
        match kind {
            // If no error results, any number of datagrams without a receiver can be sent.
            Some(Kind::Udp) => Ok(any),
            _ => Err("there is no end of room".into()),
        }
    }

    /// `None` if there is nothing to read from.
    fn read(&mut self, end: End, len: usize, is_peek: bool) -> Result<Option<Outcome>, Wrong> {
        let Some(object) = &mut self.objects[end] else {
            return Ok(None);
        };
        let clients = match object {
            Object::Listener(_) => Some(peer_of(end)),
            Object::Shared(..) => Some(end),
            _ => None,
        };
        let buf = &mut self.buf[..len];
        let result = if is_peek {
            object.peek(buf)
        } else {
            object.read(buf)
        };
        self.note(format_args!("{result:?}"));
        let Some(outcome) = outcome(result) else {
            return Ok(None);
        };
        let wanted = if clients.is_some() { 1 } else { len };
        if let (Outcome::Moved(_), Some(clients)) = (outcome, clients) {
            if let Some(clients) = &mut self.objects[clients] {
                clients.accepted();
            }
        }
        self.model.took(end, is_peek, wanted, outcome)?;
        self.observe()?;
        self.model.read(end, is_peek, wanted, outcome);
        Ok(Some(outcome))
    }

    fn drain(&mut self, end: End) -> Result<bool, Wrong> {
        let mut any = false;
        for _ in 0..10_000 {
            match self.read(end, self.buf.len(), false)? {
                None => return Ok(any),
                Some(Outcome::Moved(1..)) => any = true,
                Some(_) => return Ok(true),
            }
        }
        Err("there is no end of data".into())
    }

    // Wakers.

    fn make_waker(&mut self, at: At, token: usize) -> Result<bool, Wrong> {
        self.wakers[at.poll] = None;
        self.model.drop_waker(at.poll);
        let clone = self.clones[at.poll].get(at.clone.wrapping_sub(1));
        let registry = match clone {
            Some(Some(clone)) => clone,
            _ => self.polls[at.poll].registry(),
        };
        let waker = Waker::new(registry, Token(token)).map_err(|error| error.to_string())?;
        self.wakers[at.poll] = Some(waker);
        self.model.make_waker(at.poll, token);
        Ok(true)
    }

    fn wake(&mut self, poll: usize) -> Result<bool, Wrong> {
        let Some(waker) = &self.wakers[poll] else {
            return Ok(false);
        };
        waker.wake().map_err(|error| error.to_string())?;
        self.model.wake(poll);
        Ok(true)
    }

    // Polls.

    fn poll(&mut self, poll: usize, capacity: usize, timeout: Timeout) -> Result<bool, Wrong> {
        self.observe()?;
        let is_deadline = matches!(timeout, Timeout::Until(_));
        let timeout = match timeout {
            Timeout::Zero => Some(Duration::ZERO),
            Timeout::Micros(micros) | Timeout::Until(micros) => Some(Duration::from_micros(micros)),
            Timeout::Forever if !self.model.must_report(poll) => Some(Duration::ZERO),
            // A poll that would have hung is then an ordinary divergence, which can be shrunk.
            Timeout::Forever if is_bounded() => Some(BACKEND.long_enough()),
            Timeout::Forever => None,
        };
        if BACKEND.by_packets && self.model.is_overtaken(poll) {
            thread::sleep(DELIVERY);
        }
        let mut events = Events::with_capacity(capacity);
        let start = Instant::now();
        let result = match timeout.filter(|_| is_deadline) {
            Some(left) => self.polls[poll].poll_until(&mut events, Some(start + left)),
            None => self.polls[poll].poll(&mut events, timeout),
        };
        let elapsed = start.elapsed();
        let reported: Vec<Reported> = events.iter().map(reported).collect();
        self.note(format_args!("{reported:?}"));
        result.map_err(|error| format!("poll returns {error}"))?;
        self.counts.polls += 1;
        self.counts.waits += u64::from(timeout.is_none());
        self.counts.events += reported.len() as u64;
        let polled = Polled {
            capacity,
            timeout,
            elapsed,
            reported,
            before: None,
        };
        let after = self.settle()?;
        self.model.polled(poll, &polled, &after)?;
        Ok(true)
    }

    /// Makes polls sleep while something happens. Those in which an event is due then must return,
    /// or at least one of those that share an object; the others are woken.
    fn sleep(&mut self, only: Option<usize>, end: End, act: Act) -> Result<bool, Wrong> {
        let mut sleeping: Vec<usize> = (0..POLLS)
            .filter(|&it| only.is_none_or(|only| only == it))
            .collect();
        let mut awake = Vec::new();
        for &poll in &sleeping {
            self.collect(poll, ROOM)?;
            if self.wakers[poll].is_none() {
                self.make_waker(At { poll, clone: 0 }, ALARM)?;
            }
            // A level-triggered source is reported by every poll.
            let before = self.counts.events;
            self.poll(poll, ROOM, Timeout::Zero)?;
            if self.counts.events != before || self.model.must_report(poll) {
                awake.push(poll);
            }
        }
        // No poll reports a closed source.
        let is_closed = |poll| matches!(act, Act::Reset) && self.model.poll_of(end) == Some(poll);
        sleeping.retain(|poll| !awake.contains(poll) && !is_closed(*poll));
        let before = self.settle()?;
        self.model.observe(&before);
        let (sender, receiver) = mpsc::channel();
        let mut polls = std::mem::take(&mut self.polls);
        let slept = thread::scope(|scope| {
            for (number, poll) in polls.iter_mut().enumerate() {
                if sleeping.contains(&number) {
                    let sender = sender.clone();
                    scope.spawn(move || sender.send((number, slumber(poll))));
                }
            }
            drop(sender);
            thread::sleep(FALLING_ASLEEP);
            let done = self.act(end, act, &sleeping);
            let client = matches!((act, &done), (Act::Write(_), Ok(true))).then_some(end);
            let slept = self.rouse(&sleeping, client, &receiver);
            done.and(slept)
        });
        self.polls = polls;
        let slept = slept?;
        let after = self.settle()?;
        for (poll, polled) in slept {
            let polled = polled.map_err(|error| format!("poll returns {error}"))?;
            self.note(format_args!("{poll}: {:?}", polled.reported));
            if polled.reported.is_empty() {
                return Err(format!("poll {poll} sleeps on"));
            }
            self.counts.polls += 1;
            self.counts.slept += 1;
            self.counts.events += polled.reported.len() as u64;
            let before = Some(before);
            self.model
                .polled(poll, &Polled { before, ..polled }, &after)?;
        }
        Ok(true)
    }

    fn act(&mut self, end: End, act: Act, sleeping: &[usize]) -> Result<bool, Wrong> {
        match act {
            Act::Write(len) => self.write(end, len),
            Act::EndWriting => self.shutdown(end, false, true),
            // It would have to be deregistered first.
            Act::Reset if self.model.kind_of(end) == Some(Kind::Shared) => Ok(false),
            Act::Reset => self.close(end, false, true),
            Act::Wake => match sleeping.first() {
                Some(&poll) => self.wake(poll),
                None => Ok(false),
            },
        }
    }

    /// Waits for the polls that must return by themselves, and wakes the others. `client` is the
    /// listener to which a client has connected, if any.
    fn rouse(
        &mut self,
        sleeping: &[usize],
        client: Option<End>,
        receiver: &mpsc::Receiver<(usize, io::Result<Polled>)>,
    ) -> Result<Vec<(usize, io::Result<Polled>)>, Wrong> {
        let due = sleeping
            .iter()
            .copied()
            .filter(|&it| self.model.must_report(it));
        let mut due: Vec<Vec<usize>> = due.map(|it| vec![it]).collect();
        let due_to_one = client.map(|end| self.model.due_to_one(end, sleeping));
        due.extend(due_to_one.filter(|it| !it.is_empty()));
        let mut slept = Vec::new();
        let is_back = |slept: &[(usize, _)], poll: &usize| slept.iter().any(|it| it.0 == *poll);
        while !(due.iter()).all(|all| all.iter().any(|it| is_back(&slept, it))) {
            // Each of them returns eventually.
            slept.push(receiver.recv().unwrap());
        }
        for poll in sleeping {
            if !is_back(&slept, poll) {
                self.wake(*poll)?;
            }
        }
        slept.extend(receiver);
        Ok(slept)
    }

    fn collect(&mut self, poll: usize, capacity: usize) -> Result<bool, Wrong> {
        // A level-triggered source is always due. After these polls the others have had a turn.
        for _ in 0..=4 * ENDS / capacity {
            // Where packets may be delayed, wait for them.
            let timeout = match BACKEND.by_packets {
                true => Timeout::Forever,
                false => Timeout::Zero,
            };
            self.poll(poll, capacity, timeout)?;
            if !self.model.must_report(poll) {
                break;
            }
        }
        Ok(true)
    }

    fn storm(&mut self, poll: usize) -> Result<bool, Wrong> {
        for _ in 0..32 {
            if !self.wake(poll)? {
                return Ok(false);
            }
            self.poll(poll, 1, Timeout::Zero)?;
        }
        Ok(true)
    }

    fn poll_nothing(&mut self, poll: usize) -> Result<bool, Wrong> {
        let mut events = Events::with_capacity(0);
        let result = self.polls[poll].poll(&mut events, Some(Duration::ZERO));
        match result {
            Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(true),
            other => Err(format!("a poll without room returns {other:?}")),
        }
    }
}

/// Whether no poll may wait indefinitely.
fn is_bounded() -> bool {
    std::env::var_os("MODEL_BOUNDED").is_some()
}

fn interest(asked: Asked) -> Interest {
    let watched = [
        (asked.read, Interest::READABLE),
        (asked.write, Interest::WRITABLE),
        (asked.end, Interest::READ_CLOSED),
    ];
    let watched = watched.into_iter().filter(|it| it.0).map(|it| it.1);
    let watched = watched.reduce(Interest::add).expect("something is asked");
    let interest = match asked.mode {
        Mode::Edge => watched,
        Mode::Level => watched.level(),
        Mode::Oneshot => watched.oneshot(),
    };
    if asked.exclusive {
        interest.exclusive()
    } else {
        interest
    }
}

/// Polls until there is an event.
fn slumber(poll: &mut Poll) -> io::Result<Polled> {
    // The machine may be busy with other threads.
    let timeout = if is_bounded() { ARRIVAL / 4 } else { ARRIVAL };
    let mut events = Events::with_capacity(ROOM);
    let start = Instant::now();
    poll.poll(&mut events, Some(timeout))?;
    Ok(Polled {
        capacity: ROOM,
        timeout: Some(timeout),
        elapsed: start.elapsed(),
        reported: events.iter().map(reported).collect(),
        before: None,
    })
}

fn reported(event: &Event) -> Reported {
    Reported {
        token: event.token().0,
        readable: event.is_readable(),
        writable: event.is_writable(),
        read_closed: event.is_read_closed(),
        write_closed: event.is_write_closed(),
        error: event.is_error(),
        other: event.is_priority() || event.is_aio() || event.is_lio(),
    }
}

/// `None` if there is no such operation.
fn outcome(result: io::Result<usize>) -> Option<Outcome> {
    match result {
        Ok(moved) => Some(Outcome::Moved(moved)),
        Err(error) if error.kind() == ErrorKind::Unsupported => None,
        Err(error) if error.kind() == ErrorKind::WouldBlock => Some(Outcome::WouldBlock),
        Err(error) if world::is_cut(&error) => Some(Outcome::Cut),
        Err(_) => Some(Outcome::Failed),
    }
}

/// Registers the running script with a thread that aborts the process if the script hangs.
struct Watch;

static RUNNING: Mutex<Option<(Instant, Arc<Script>)>> = Mutex::new(None);

impl Watch {
    fn over(script: &Script) -> Watch {
        static THREAD: Once = Once::new();
        THREAD.call_once(|| drop(thread::spawn(Watch::watch)));
        *RUNNING.lock().unwrap() = Some((Instant::now(), Arc::new(script.clone())));
        Watch
    }

    fn watch() {
        loop {
            thread::sleep(Duration::from_secs(1));
            let running = RUNNING.lock().unwrap().clone();
            if let Some((_, script)) = running.filter(|it| it.0.elapsed() > PATIENCE) {
                eprintln!(
                    "a poll with a due event does not return; with MODEL_BOUNDED=1 it does, and \
                     the script is shrunk\n{script}\n{script:?}"
                );
                crate::search::print_seed();
                std::process::abort();
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        *RUNNING.lock().unwrap() = None;
    }
}
