//! What becomes of a named pipe, as a plain value that knows no system.
//!
//! A pipe of Windows has no readiness. What is told as readiness is that an operation which
//! runs in advance has ended: one that reads into a buffer, one that writes from a buffer,
//! one that connects. [`PipeState`] says which of them to start, what a call of the user's
//! is answered, and what an event tells; `named_pipe.rs` does what it says.
//!
//! * There is one operation of each kind at a time. Its place is taken from its start until
//!   its packet has been taken from the port, since so long its memory is the system's.
//! * [`PipeState::run`] changes the state, starts what is to be started then, and notes
//!   which directions have become ready by all of that: they are *untold*.
//! * What is untold goes into the event of the packet that is at hand
//!   ([`PipeState::deliver`]). Without one, the pipe posts a packet to itself, the notice
//!   ([`PipeState::notice_due`]). What an event tells is what is true when it is delivered.
//! * A disconnected pipe can be connected again at once, while packets of the former
//!   connection are still to come. Their operations are *late*: what they brought is dropped.

use crate::Interest;

/// The system's number of an error.
pub(crate) type Code = i32;

/// What is ready, to be told, or asked for.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Sides {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Sides {
    fn is_none(self) -> bool {
        !(self.read || self.write)
    }

    fn and(self, other: Sides) -> Sides {
        Sides {
            read: self.read && other.read,
            write: self.write && other.write,
        }
    }

    fn or(self, other: Sides) -> Sides {
        Sides {
            read: self.read || other.read,
            write: self.write || other.write,
        }
    }

    fn without(self, other: Sides) -> Sides {
        Sides {
            read: self.read && !other.read,
            write: self.write && !other.write,
        }
    }
}

/// What the pipe is registered for.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
struct Watch {
    interest: Sides,
    mode: Mode,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
enum Mode {
    Edge,
    Level,
    OneShot,
    /// One-shot, and the event has been.
    Spent,
}

impl Watch {
    fn new(interest: Interest) -> Watch {
        Watch {
            interest: Sides {
                read: interest.is_readable(),
                write: interest.is_writable(),
            },
            mode: if interest.is_oneshot() {
                Mode::OneShot
            } else if interest.is_level() {
                Mode::Level
            } else {
                Mode::Edge
            },
        }
    }
}

/// Whether somebody is at the other end.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Link {
    /// The handle came from elsewhere, and nothing has been tried with it.
    Unknown,
    Down,
    /// Somebody is, or was until a moment ago.
    Up,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
enum Connect {
    Idle,
    /// To be started.
    Wanted,
    Running,
    /// It runs for a connection that was given up.
    Late {
        again: bool,
    },
    /// `connect` has not been called since.
    Ended(Result<(), Code>),
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
enum Read {
    Idle,
    /// To be started as soon as somebody is at the other end.
    Wanted,
    /// To be tried at once: somebody may have come without a `connect`. The system knows.
    Asked,
    Running,
    Late,
    /// There is something in the buffer.
    Full,
    Ended {
        for_good: bool,
    },
    /// The error was not fetched yet.
    Failed(Code),
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
enum Write {
    Idle,
    /// To be started, with what is in the buffer.
    Wanted,
    Running,
    Late,
    /// The error was not fetched yet.
    Failed(Code),
}

/// An operation.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    Connect,
    Read,
    Write,
}

/// Why the system did not start an operation, or ended it without success.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Failure {
    /// There was nothing to connect: somebody is there already.
    Connected,
    /// Nobody has connected yet.
    Listening,
    /// The connection is gone, or never was.
    Down(Code),
    /// The other end was closed, and all that came from it has been read. If it is `for_good`,
    /// nobody can ever connect again.
    Ended {
        code: Code,
        for_good: bool,
    },
    Other(Code),
}

/// What a call of the user's is answered.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    /// It can be done: with what is in the buffer, or into it.
    Go,
    WouldBlock,
    /// There is nothing more to read.
    End,
    Failed(Code),
}

/// What an event tells.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Told {
    pub(crate) sides: Sides,
    /// No read will ever bring anything again.
    pub(crate) read_closed: bool,
}

/// What is left to be done for a pipe that nobody holds any more.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Farewell {
    pub(crate) cancel_connect: bool,
    pub(crate) cancel_read: bool,
    pub(crate) cancel_write: bool,
    /// The handle has to stay open until the write has ended.
    pub(crate) linger: bool,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PipeState {
    /// Whether operations end in packets, without which none can be started.
    attached: bool,
    dropped: bool,
    watch: Option<Watch>,
    link: Link,
    connect: Connect,
    read: Read,
    write: Write,
    /// What has become ready since the last event.
    untold: Sides,
    /// Whether a notice is on its way.
    noticed: bool,
}

impl PipeState {
    pub(crate) fn new(link: Link) -> PipeState {
        PipeState {
            attached: false,
            dropped: false,
            watch: None,
            link,
            connect: Connect::Idle,
            read: Read::Idle,
            write: Write::Idle,
            untold: Sides::default(),
            noticed: false,
        }
    }

    /// Makes a change, has `start` start what is to be started because of it, and notes
    /// which directions have become ready. One that was ready before and is so again is no
    /// news.
    pub(crate) fn run(
        &mut self,
        mut start: impl FnMut(Operation) -> Result<(), Failure>,
        change: impl FnOnce(&mut PipeState),
    ) {
        let before = self.ready();
        change(self);
        while let Some(operation) = self.startable() {
            match start(operation) {
                Ok(()) => self.started(operation),
                Err(failure) => self.refused(operation, failure),
            }
        }
        let Some(watch) = self.watch else { return };
        let ready = self.ready().and(watch.interest);
        self.untold = match watch.mode {
            Mode::Edge | Mode::OneShot => self.untold.or(ready.without(before)),
            Mode::Level => ready,
            Mode::Spent => Sides::default(),
        };
    }

    /// Which operation is to be started now.
    fn startable(&self) -> Option<Operation> {
        if !self.attached {
            return None;
        }
        // Also for a pipe that was dropped: the rest of what it has accepted.
        if self.write == Write::Wanted {
            return Some(Operation::Write);
        }
        if self.dropped {
            return None;
        }
        if self.connect == Connect::Wanted {
            return Some(Operation::Connect);
        }
        let wanted = match self.read {
            Read::Wanted => self.link != Link::Down,
            Read::Asked => true,
            _ => false,
        };
        (wanted && !self.is_connecting()).then_some(Operation::Read)
    }

    fn started(&mut self, operation: Operation) {
        match operation {
            Operation::Connect => self.connect = Connect::Running,
            Operation::Read => {
                self.read = Read::Running;
                // Else the system would have said so.
                self.link = Link::Up;
            }
            Operation::Write => {
                self.write = Write::Running;
                self.link = Link::Up;
            }
        }
    }

    fn refused(&mut self, operation: Operation, failure: Failure) {
        match operation {
            Operation::Connect => self.connected(failure.as_connected()),
            Operation::Read => self.read_stopped(failure),
            Operation::Write => self.write_stopped(failure),
        }
    }

    fn connected(&mut self, result: Result<(), Code>) {
        self.connect = Connect::Ended(result);
        if result.is_ok() {
            self.link = Link::Up;
            self.read_ahead();
        }
    }

    fn read_stopped(&mut self, failure: Failure) {
        self.read = match failure {
            // As soon as somebody is there.
            Failure::Listening => Read::Wanted,
            Failure::Ended { for_good, .. } => Read::Ended { for_good },
            other => Read::Failed(other.code()),
        };
        self.note_link(failure);
    }

    fn write_stopped(&mut self, failure: Failure) {
        self.write = Write::Failed(failure.code());
        self.note_link(failure);
    }

    fn note_link(&mut self, failure: Failure) {
        if let Failure::Listening | Failure::Down(_) = failure {
            self.link = Link::Down;
        }
    }

    /// Reads in advance if somebody waits for it.
    fn read_ahead(&mut self) {
        if self.read == Read::Idle && self.watch.is_some_and(|watch| watch.interest.read) {
            self.read = Read::Wanted;
        }
    }

    fn is_connecting(&self) -> bool {
        matches!(
            self.connect,
            Connect::Wanted | Connect::Running | Connect::Late { again: true }
        )
    }

    /// In which directions an operation would not block.
    fn ready(&self) -> Sides {
        // Reading and writing answer why there is no connection.
        let refused = matches!(self.connect, Connect::Ended(Err(_)));
        let read = matches!(self.read, Read::Full | Read::Ended { .. } | Read::Failed(_));
        let write = match self.write {
            Write::Idle => self.link != Link::Down && !self.is_connecting(),
            Write::Failed(_) => true,
            Write::Wanted | Write::Running | Write::Late => false,
        };
        Sides {
            read: refused || read,
            write: refused || write,
        }
    }
}

/// What the user calls. Those that say so are changes to be [run](PipeState::run).
impl PipeState {
    /// From here on operations end in packets. A change.
    pub(crate) fn attach(&mut self) {
        self.attached = true;
    }

    /// Registers the pipe, also anew. A change, after which [`announce`](Self::announce) is
    /// to be called.
    pub(crate) fn watch(&mut self, interest: Interest) {
        self.watch = Some(Watch::new(interest));
        self.untold = Sides::default();
        self.read_ahead();
    }

    /// What is ready at registration is told, even if it had been told before.
    pub(crate) fn announce(&mut self) {
        if let Some(watch) = self.watch {
            self.untold = self.ready().and(watch.interest);
        }
    }

    pub(crate) fn unwatch(&mut self) {
        self.watch = None;
        self.untold = Sides::default();
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.watch.is_some()
    }

    /// Connects, unless that is going on already. A change.
    pub(crate) fn want_connect(&mut self) {
        match self.connect {
            Connect::Idle => self.connect = Connect::Wanted,
            // Its place is taken until its packet comes.
            Connect::Late { .. } => self.connect = Connect::Late { again: true },
            Connect::Wanted | Connect::Running | Connect::Ended(_) => {}
        }
    }

    /// The answer to `connect`, after `want_connect`.
    pub(crate) fn take_connect(&mut self) -> Answer {
        match self.connect {
            Connect::Ended(result) => {
                self.connect = Connect::Idle;
                result.map_or_else(Answer::Failed, |()| Answer::Go)
            }
            _ => Answer::WouldBlock,
        }
    }

    /// The system has ended the connection, and with it everything that ran.
    pub(crate) fn disconnected(&mut self) {
        self.link = Link::Down;
        self.connect = match self.connect {
            Connect::Running | Connect::Late { .. } => Connect::Late { again: false },
            Connect::Idle | Connect::Wanted | Connect::Ended(_) => Connect::Idle,
        };
        self.read = match self.read {
            Read::Running | Read::Late => Read::Late,
            _ => Read::Idle,
        };
        self.write = match self.write {
            Write::Running | Write::Late => Write::Late,
            _ => Write::Idle,
        };
    }

    /// Reads, if there is nothing yet. A change.
    pub(crate) fn want_read(&mut self) {
        if let Read::Idle | Read::Wanted = self.read {
            self.read = Read::Asked;
        }
    }

    /// The answer to `read`, after `want_read`.
    pub(crate) fn take_read(&mut self) -> Answer {
        if let Some(code) = self.take_refusal() {
            return Answer::Failed(code);
        }
        match self.read {
            Read::Full => Answer::Go,
            Read::Ended { .. } => Answer::End,
            Read::Failed(code) => {
                self.read = Read::Idle;
                Answer::Failed(code)
            }
            Read::Idle | Read::Wanted | Read::Asked | Read::Running | Read::Late => {
                Answer::WouldBlock
            }
        }
    }

    /// The buffer has been read to its end. It is followed by a run without a change: what
    /// the next read finds at once is news, though there was something to read before.
    pub(crate) fn drained(&mut self) {
        if self.read == Read::Full {
            self.read = Read::Wanted;
        }
    }

    /// The answer to `write`: whether the buffer can be filled.
    pub(crate) fn take_write(&mut self) -> Answer {
        if let Some(code) = self.take_refusal().or_else(|| self.take_write_failure()) {
            return Answer::Failed(code);
        }
        if self.write == Write::Idle && !self.is_connecting() {
            Answer::Go
        } else {
            Answer::WouldBlock
        }
    }

    /// The buffer has been filled after [`take_write`](Self::take_write) said so. A change.
    pub(crate) fn filled(&mut self) {
        if self.write == Write::Idle {
            self.write = Write::Wanted;
        }
    }

    /// Why the write before failed, or the one that was filled in just now.
    pub(crate) fn take_write_failure(&mut self) -> Option<Code> {
        let Write::Failed(code) = self.write else {
            return None;
        };
        self.write = Write::Idle;
        Some(code)
    }

    /// Why there is no connection, for whoever asks first.
    fn take_refusal(&mut self) -> Option<Code> {
        let Connect::Ended(Err(code)) = self.connect else {
            return None;
        };
        self.connect = Connect::Idle;
        Some(code)
    }

    /// The error of an operation that ran in advance, which the next call would answer.
    pub(crate) fn take_error(&mut self) -> Option<Code> {
        if let Some(code) = self.take_refusal().or_else(|| self.take_write_failure()) {
            return Some(code);
        }
        let Read::Failed(code) = self.read else {
            return None;
        };
        self.read = Read::Idle;
        Some(code)
    }

    /// Nobody holds the pipe any more. What it has accepted is still written.
    pub(crate) fn farewell(&mut self) -> Farewell {
        self.unwatch();
        self.dropped = true;
        Farewell {
            cancel_connect: matches!(self.connect, Connect::Running | Connect::Late { .. }),
            cancel_read: matches!(self.read, Read::Running | Read::Late),
            cancel_write: self.write == Write::Late,
            linger: self.write == Write::Running,
        }
    }

    /// Whether the pipe was dropped and its last write has ended: time to close the handle.
    pub(crate) fn is_over(&self) -> bool {
        self.dropped && self.write != Write::Running
    }
}

/// What packets bring. All but [`deliver`](PipeState::deliver) are changes to be
/// [run](PipeState::run).
impl PipeState {
    pub(crate) fn connect_ended(&mut self, result: Result<(), Failure>) {
        match self.connect {
            Connect::Running => self.connected(result.or_else(Failure::as_connected)),
            Connect::Late { again: true } => self.connect = Connect::Wanted,
            Connect::Late { again: false } => self.connect = Connect::Idle,
            // Nothing ran.
            Connect::Idle | Connect::Wanted | Connect::Ended(_) => {}
        }
    }

    /// A read has ended; if it succeeded, whether there is something in the buffer now.
    pub(crate) fn read_ended(&mut self, result: Result<bool, Failure>) {
        match self.read {
            Read::Running => match result {
                Ok(true) => self.read = Read::Full,
                // The other end wrote nothing, which means nothing.
                Ok(false) => self.read = Read::Wanted,
                Err(failure) => self.read_stopped(failure),
            },
            // Of a connection that is no more. For the one that may be there now:
            Read::Late => self.read = Read::Wanted,
            // Nothing ran.
            Read::Idle
            | Read::Wanted
            | Read::Asked
            | Read::Full
            | Read::Ended { .. }
            | Read::Failed(_) => {}
        }
    }

    /// A write has ended; if it succeeded, whether that was everything.
    pub(crate) fn write_ended(&mut self, result: Result<bool, Failure>) {
        match self.write {
            Write::Running => match result {
                Ok(true) => self.write = Write::Idle,
                Ok(false) => self.write = Write::Wanted,
                Err(failure) => self.write_stopped(failure),
            },
            Write::Late => self.write = Write::Idle,
            // Nothing ran.
            Write::Idle | Write::Wanted | Write::Failed(_) => {}
        }
    }

    pub(crate) fn notice_taken(&mut self) {
        self.noticed = false;
    }

    /// What the packet at hand tells the user, if it does.
    pub(crate) fn deliver(&mut self) -> Option<Told> {
        let watch = self.watch.as_mut()?;
        let untold = self.untold;
        self.untold = Sides::default();
        let mode = watch.mode;
        let sides = untold.and(self.ready());
        if sides.is_none() {
            return None;
        }
        match mode {
            Mode::Edge | Mode::Spent => {}
            // The next poll is to tell it again, if it is still true then.
            Mode::Level => self.untold = sides,
            Mode::OneShot => {
                if let Some(watch) = &mut self.watch {
                    watch.mode = Mode::Spent;
                }
            }
        }
        Some(Told {
            sides,
            read_closed: sides.read && self.read == Read::Ended { for_good: true },
        })
    }

    /// Whether a notice has to be posted, which is then taken to be on its way.
    pub(crate) fn notice_due(&mut self) -> bool {
        self.untold = self.untold.and(self.ready());
        let due = !self.noticed && !self.untold.is_none();
        self.noticed |= due;
        due
    }
}

impl Failure {
    /// What a connection attempt that ended so has come to.
    fn as_connected(self) -> Result<(), Code> {
        match self {
            Failure::Connected => Ok(()),
            other => Err(other.code()),
        }
    }

    fn code(self) -> Code {
        match self {
            // As the system's headers have them: for failures that are not told apart by it.
            Failure::Connected => 535,
            Failure::Listening => 536,
            Failure::Ended { code, .. } | Failure::Down(code) | Failure::Other(code) => code,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashSet, VecDeque};

    use super::*;

    const CLOSED: Failure = Failure::Ended {
        code: 109,
        for_good: true,
    };
    const LEFT: Failure = Failure::Ended {
        code: 109,
        for_good: false,
    };
    const BEGINNINGS: [Result<(), Failure>; 7] = [
        Ok(()),
        Err(Failure::Connected),
        Err(Failure::Listening),
        Err(Failure::Down(233)),
        Err(CLOSED),
        Err(LEFT),
        Err(Failure::Other(5)),
    ];

    /// What can happen to a pipe, from both sides.
    #[derive(Copy, Clone, Debug)]
    enum Input {
        Watch(Interest),
        Unwatch,
        Connect,
        Disconnect,
        /// Whether the buffer is read to its end.
        Read(bool),
        Write,
        TakeError,
        Drop,
        ConnectEnded(Result<(), Failure>),
        ReadEnded(Result<bool, Failure>),
        WriteEnded(Result<bool, Failure>),
        Notice,
    }

    fn inputs() -> Vec<Input> {
        let mut all = vec![
            Input::Unwatch,
            Input::Connect,
            Input::Disconnect,
            Input::Read(false),
            Input::Read(true),
            Input::Write,
            Input::TakeError,
            Input::Drop,
            Input::Notice,
        ];
        for interest in [
            Interest::READABLE,
            Interest::WRITABLE,
            Interest::READABLE | Interest::WRITABLE,
        ] {
            all.extend([interest, interest.level(), interest.oneshot()].map(Input::Watch));
        }
        for failure in BEGINNINGS.into_iter().filter_map(Result::err) {
            all.push(Input::ConnectEnded(Err(failure)));
            all.push(Input::ReadEnded(Err(failure)));
            all.push(Input::WriteEnded(Err(failure)));
        }
        all.push(Input::ConnectEnded(Ok(())));
        for rest in [true, false] {
            all.push(Input::ReadEnded(Ok(rest)));
            all.push(Input::WriteEnded(Ok(rest)));
        }
        all
    }

    /// A packet that is to come.
    #[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
    enum Packet {
        None,
        Due,
        /// Of a connection that was given up.
        Late,
    }

    /// A pipe, and what is known of it without looking into it.
    #[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
    struct Model {
        state: PipeState,
        connect: Packet,
        read: Packet,
        write: Packet,
        notice: bool,
        watch: Option<(Sides, Mode)>,
        /// What the user has not been told, and has to be.
        owed: Sides,
        /// A server's end on which nothing has succeeded since it was made or disconnected.
        alone: bool,
        ended: bool,
        dropped: bool,
    }

    /// Which calls will answer an error.
    fn errors(state: &PipeState) -> Sides {
        let refused = matches!(state.connect, Connect::Ended(Err(_)));
        Sides {
            read: refused || matches!(state.read, Read::Failed(_)),
            write: refused || matches!(state.write, Write::Failed(_)),
        }
    }

    /// Answers to starts, one after the other: a way through all of them.
    struct Choices {
        taken: Vec<usize>,
        next: usize,
    }

    impl Choices {
        fn first() -> Choices {
            Choices {
                taken: Vec::new(),
                next: 0,
            }
        }

        fn choose(&mut self) -> Result<(), Failure> {
            if self.next == self.taken.len() {
                self.taken.push(0);
            }
            self.next += 1;
            assert!(self.next <= 4, "it starts operations without end");
            BEGINNINGS[self.taken[self.next - 1]]
        }

        /// The next way; false after the last.
        fn advance(&mut self) -> bool {
            self.next = 0;
            while let Some(last) = self.taken.pop() {
                if last + 1 < BEGINNINGS.len() {
                    self.taken.push(last + 1);
                    return true;
                }
            }
            false
        }
    }

    impl Model {
        fn new(link: Link) -> Model {
            Model {
                state: PipeState::new(link),
                connect: Packet::None,
                read: Packet::None,
                write: Packet::None,
                notice: false,
                watch: None,
                owed: Sides::default(),
                alone: link == Link::Down,
                ended: false,
                dropped: false,
            }
        }

        /// Whether the input can come now.
        fn admits(&self, input: Input) -> bool {
            match input {
                Input::ConnectEnded(_) => self.connect != Packet::None,
                Input::ReadEnded(_) => self.read != Packet::None,
                Input::WriteEnded(_) => self.write != Packet::None,
                Input::Notice => self.notice,
                _ if self.dropped => false,
                // Without a port nothing can be read or written.
                Input::Read(_) | Input::Write => self.state.attached,
                Input::Unwatch => self.watch.is_some(),
                _ => true,
            }
        }

        fn run(&mut self, choices: &mut Choices, change: impl FnOnce(&mut PipeState)) {
            let mut state = self.state;
            state.run(
                |operation| {
                    let outcome = choices.choose();
                    self.start(operation, outcome);
                    outcome
                },
                change,
            );
            self.state = state;
        }

        /// An operation begins, or is refused.
        fn start(&mut self, operation: Operation, outcome: Result<(), Failure>) {
            assert!(!self.dropped || operation == Operation::Write);
            let place = match operation {
                Operation::Connect => &mut self.connect,
                Operation::Read => {
                    assert!(!self.ended, "a read after the end");
                    &mut self.read
                }
                Operation::Write => &mut self.write,
            };
            // Edge case 38: its reference is taken, once.
            assert_eq!(*place, Packet::None, "{operation:?} runs already");
            if outcome.is_ok() {
                *place = Packet::Due;
            }
            match (operation, outcome) {
                (Operation::Connect, Err(Failure::Connected)) => self.alone = false,
                (Operation::Read | Operation::Write, Ok(())) => self.alone = false,
                (Operation::Read, Err(Failure::Ended { .. })) => self.ended = true,
                _ => {}
            }
        }

        /// Takes a packet, and with it its reference. Returns whether it counts.
        fn take(place: &mut Packet) -> bool {
            std::mem::replace(place, Packet::None) == Packet::Due
        }

        fn apply(&mut self, input: Input, choices: &mut Choices) {
            let before = self.state.ready();
            let mut fresh = Sides::default();
            match input {
                Input::Watch(interest) => {
                    self.run(choices, |state| {
                        state.attach();
                        state.watch(interest);
                    });
                    self.state.announce();
                    let Watch { interest, mode } = Watch::new(interest);
                    self.watch = Some((interest, mode));
                    self.owed = Sides::default();
                    fresh = interest;
                }
                Input::Unwatch => {
                    self.state.unwatch();
                    self.watch = None;
                }
                Input::Connect => {
                    self.run(choices, PipeState::want_connect);
                    let answer = self.state.take_connect();
                    assert_ne!(answer, Answer::End);
                }
                Input::Disconnect => {
                    self.state.disconnected();
                    for place in [&mut self.connect, &mut self.read, &mut self.write] {
                        if *place == Packet::Due {
                            *place = Packet::Late;
                        }
                    }
                    self.alone = true;
                    self.ended = false;
                }
                Input::Read(all) => fresh.read = self.user_reads(all, choices),
                Input::Write => self.user_writes(choices),
                Input::TakeError => {
                    self.state.take_error();
                }
                Input::Drop => self.user_drops(),
                Input::ConnectEnded(result) => {
                    let counts = Self::take(&mut self.connect);
                    if counts && matches!(result, Ok(()) | Err(Failure::Connected)) {
                        self.alone = false;
                    }
                    self.run(choices, |state| state.connect_ended(result));
                }
                Input::ReadEnded(result) => {
                    let counts = Self::take(&mut self.read);
                    self.ended |= counts && matches!(result, Err(Failure::Ended { .. }));
                    self.run(choices, |state| state.read_ended(result));
                    // Edge case 42: what is late is dropped.
                    assert!(counts || self.state.read != Read::Full);
                }
                Input::WriteEnded(result) => {
                    let counts = Self::take(&mut self.write);
                    self.run(choices, |state| state.write_ended(result));
                    // What is left is written, or why it is not is kept.
                    let errors = errors(&self.state).write;
                    let goes_on = errors || self.write != Packet::None;
                    assert!(!counts || result == Ok(true) || goes_on);
                }
                Input::Notice => {
                    self.notice = false;
                    self.state.notice_taken();
                    self.run(choices, |_| {});
                }
            }
            self.tell(input, before, fresh);
            self.check();
        }

        /// Returns whether the end of the data was reached.
        fn user_reads(&mut self, all: bool, choices: &mut Choices) -> bool {
            self.run(choices, PipeState::want_read);
            let (errors, ready) = (errors(&self.state), self.state.ready());
            let answer = self.state.take_read();
            // Errors surface, and what was said to be ready does not block.
            assert_eq!(matches!(answer, Answer::Failed(_)), errors.read);
            assert_eq!(answer != Answer::WouldBlock, ready.read);
            if answer == Answer::Go && all {
                self.state.drained();
                self.run(choices, |_| {});
                return true;
            }
            false
        }

        fn user_writes(&mut self, choices: &mut Choices) {
            let (errors, ready) = (errors(&self.state), self.state.ready());
            let answer = self.state.take_write();
            // Edge case 45: it surfaces, and does not go on as if the pipe were full.
            assert_eq!(matches!(answer, Answer::Failed(_)), errors.write);
            assert!(answer != Answer::WouldBlock || !ready.write);
            if answer == Answer::Go {
                assert_eq!(self.write, Packet::None, "the buffer is the system's");
                self.run(choices, PipeState::filled);
                let failure = self.state.take_write_failure();
                assert_eq!(failure.is_some(), self.write == Packet::None);
            }
        }

        fn user_drops(&mut self) {
            let farewell = self.state.farewell();
            self.watch = None;
            self.dropped = true;
            assert_eq!(farewell.cancel_connect, self.connect != Packet::None);
            assert_eq!(farewell.cancel_read, self.read != Packet::None);
            assert_eq!(farewell.cancel_write, self.write == Packet::Late);
            assert_eq!(farewell.linger, self.write == Packet::Due);
        }

        /// What follows every input: the event of a packet, and a notice.
        fn tell(&mut self, input: Input, before: Sides, fresh: Sides) {
            let ready = self.state.ready();
            match self.watch {
                None | Some((_, Mode::Spent)) => self.owed = Sides::default(),
                Some((interest, _)) => {
                    let news = ready.without(before.without(fresh));
                    self.owed = self.owed.or(news).and(interest).and(ready);
                }
            }
            let is_packet = matches!(
                input,
                Input::ConnectEnded(_) | Input::ReadEnded(_) | Input::WriteEnded(_) | Input::Notice
            );
            if is_packet {
                self.told(ready);
            }
            let posted = self.state.notice_due();
            assert!(!(posted && self.notice), "a second notice");
            self.notice |= posted;
        }

        fn told(&mut self, ready: Sides) {
            let Some(told) = self.state.deliver() else {
                assert!(self.owed.is_none(), "an event is missing");
                return;
            };
            let Some((interest, mode)) = self.watch else {
                // Edge case 43.
                panic!("an event of what is not registered");
            };
            assert_ne!(mode, Mode::Spent, "a second shot");
            assert_eq!(told.sides, told.sides.and(interest).and(ready));
            assert!(!told.sides.is_none());
            if mode == Mode::Level {
                assert!(self.owed.without(told.sides).is_none());
            } else {
                // Edge case 49: exactly what has become ready.
                assert_eq!(told.sides, self.owed);
            }
            let for_good = self.state.read == Read::Ended { for_good: true };
            assert_eq!(told.read_closed, told.sides.read && for_good);
            self.owed = Sides::default();
            if mode == Mode::OneShot {
                self.watch = Some((interest, Mode::Spent));
            }
        }

        /// What is always true between two inputs.
        fn check(&self) {
            let state = &self.state;
            // The places are taken exactly while a packet is to come.
            let busy = matches!(state.connect, Connect::Running | Connect::Late { .. });
            assert_eq!(busy, self.connect != Packet::None);
            let busy = matches!(state.read, Read::Running | Read::Late);
            assert_eq!(busy, self.read != Packet::None);
            let busy = matches!(state.write, Write::Running | Write::Late);
            assert_eq!(busy, self.write != Packet::None);
            assert_eq!(state.noticed, self.notice);
            assert_eq!(state.is_watched(), self.watch.is_some());

            // What the user has to be told, a notice will tell.
            assert!(self.owed.is_none() || self.notice, "nothing will tell");
            let ready = state.ready();
            if let Some((interest, Mode::Level)) = self.watch {
                let holds = !ready.and(interest).is_none();
                assert!(!holds || self.notice, "a level that is not told again");
            }
            // A room to write that nobody can use is none. (A failed attempt is told.)
            let refused = matches!(state.connect, Connect::Ended(Err(_)));
            let connecting = self.connect == Packet::Due;
            if (self.alone || connecting || self.write != Packet::None)
                && !refused
                && !matches!(state.write, Write::Failed(_))
            {
                assert!(!ready.write, "room to write was invented");
            }
            if self.dropped {
                assert_eq!(state.is_over(), self.write != Packet::Due);
                assert!(self.owed.is_none());
            }
        }
    }

    /// Every input, in every state that can be reached, with every answer of the system.
    #[test]
    fn whatever_happens_every_invariant_holds() {
        let mut seen = HashSet::new();
        let mut queue = VecDeque::new();
        let mut steps = 0_usize;
        for link in [Link::Unknown, Link::Down] {
            let model = Model::new(link);
            seen.insert(model);
            queue.push_back(model);
        }
        let inputs = inputs();
        while let Some(model) = queue.pop_front() {
            for &input in inputs.iter().filter(|&&input| model.admits(input)) {
                let mut choices = Choices::first();
                loop {
                    let mut next = model;
                    next.apply(input, &mut choices);
                    steps += 1;
                    if seen.insert(next) {
                        queue.push_back(next);
                    }
                    if !choices.advance() {
                        break;
                    }
                }
            }
        }
        println!("{} states, {steps} steps", seen.len());
        // Should a change of the state machine cut most of it off, this test tests nothing.
        assert!(seen.len() > 10_000, "only {} states", seen.len());
    }

    #[test]
    fn a_level_is_told_until_it_is_no_more() {
        let mut model = Model::new(Link::Unknown);
        let mut choices = Choices::first();
        let interest = Interest::READABLE.level();
        model.apply(Input::Watch(interest), &mut choices);
        let mut choices = Choices::first();
        model.apply(Input::ReadEnded(Ok(true)), &mut choices);
        for _ in 0..3 {
            assert!(model.notice);
            model.apply(Input::Notice, &mut Choices::first());
        }
        model.apply(Input::Read(true), &mut Choices::first());
        assert!(model.notice);
        model.apply(Input::Notice, &mut Choices::first());
        assert!(!model.notice, "the read that runs has brought nothing yet");
    }

    #[test]
    fn a_read_that_found_nobody_begins_when_somebody_shows() {
        let mut state = PipeState::new(Link::Down);
        let mut read = false;
        let refuse = |_| Err(Failure::Listening);
        state.run(refuse, |state| {
            state.attach();
            state.watch(Interest::READABLE);
        });
        state.run(refuse, PipeState::want_read);
        assert_eq!(state.take_read(), Answer::WouldBlock);
        // A client has come, which is seen from a write that succeeds.
        let begin = |operation| {
            read |= operation == Operation::Read;
            Ok(())
        };
        assert_eq!(state.take_write(), Answer::Go);
        state.run(begin, PipeState::filled);
        assert!(read);
    }

    /// Edge case 42: the place of a late operation is free again once its packet has come,
    /// and what was wanted meanwhile begins.
    #[test]
    fn a_connect_after_a_disconnect_begins_when_the_late_packet_has_come() {
        let mut state = PipeState::new(Link::Down);
        state.attach();
        let mut started = Vec::new();
        let mut begin = |operation| {
            started.push(operation);
            Ok(())
        };
        state.run(&mut begin, PipeState::want_connect);
        assert_eq!(state.take_connect(), Answer::WouldBlock);
        state.disconnected();
        state.run(&mut begin, PipeState::want_connect);
        assert_eq!(state.take_connect(), Answer::WouldBlock);
        // The late one had even succeeded.
        state.run(&mut begin, |state| state.connect_ended(Ok(())));
        assert_eq!(state.take_connect(), Answer::WouldBlock);
        state.run(&mut begin, |state| state.connect_ended(Ok(())));
        assert_eq!(state.take_connect(), Answer::Go);
        assert_eq!(started, [Operation::Connect; 2]);
    }
}
