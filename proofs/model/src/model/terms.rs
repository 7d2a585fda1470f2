//! The words of the model: what is asked for, what is true, what is told.

use std::time::Duration;

use super::{End, ENDS};

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Direction {
    Read,
    Write,
}

use Direction::{Read, Write};

pub const DIRECTIONS: [Direction; 2] = [Read, Write];

/// What is told of a direction, and used up, each by itself.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// An operation is worth trying.
    Ready,
    /// The peer sends no more.
    End,
    HangUp,
    Error,
}

use Condition::{End as Ended, Error, HangUp, Ready};

pub(super) const CONDITIONS: [Condition; 4] = [Ready, Ended, HangUp, Error];

/// Those that stay once they are true.
pub(super) const LASTING: [Condition; 3] = [Ended, HangUp, Error];

/// A set of directions.
pub(super) type Directions = [bool; 2];

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
    /// The end of what the peer sends, which reading includes.
    pub end: bool,
    pub mode: Mode,
    /// Of several polls that share the object, not all need to be told.
    pub exclusive: bool,
}

impl Asked {
    pub(super) fn has(self, direction: Direction) -> bool {
        [self.read || self.end, self.write][direction as usize]
    }

    /// Whether reading is watched, but not for data.
    pub(super) fn is_end_alone(self) -> bool {
        self.end && !self.read
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
    /// Both ends are handles to one listener, to which clients connect.
    Shared,
    /// The first end is a TCP socket before it is connected, to the listener that is the
    /// second. Then both are `Tcp`.
    Unconnected,
}

impl Kind {
    /// Whether operations can be short, and zero bytes are the end.
    pub fn is_stream(self) -> bool {
        matches!(self, Kind::Tcp | Kind::UnixStream | Kind::Pipe)
    }

    /// Whether what one end does has reached the other one when the call returns, and
    /// whether the peer can have only what was written.
    pub(super) fn is_immediate(self) -> bool {
        !matches!(self, Kind::Tcp)
    }

    pub fn is_sender(self, end: End) -> bool {
        self.directions(end) == [false, true]
    }

    /// The directions in which an end is of use.
    pub(super) fn directions(self, end: End) -> Directions {
        let is_first = end & 1 == 0;
        match self {
            Kind::Pipe => [!is_first, is_first],
            Kind::Listener => [is_first, false],
            Kind::Shared => [true, false],
            Kind::Unconnected => [is_first; 2],
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

    pub(super) fn shows(self, direction: Direction, condition: Condition) -> bool {
        match condition {
            Ready => self.is_ready(direction),
            Ended => direction == Read && self.read_hang_up,
            HangUp => self.hang_up,
            Error => self.error,
        }
    }

    pub fn has_failed(self) -> bool {
        self.hang_up || self.error
    }

    pub(super) fn or(self, other: Level) -> Level {
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
    pub(super) fn tells(self, direction: Direction) -> bool {
        match direction {
            Read => self.readable || self.read_closed || self.error,
            Write => self.writable || self.write_closed || self.error,
        }
    }

    /// Whether the program hears of the condition.
    pub(super) fn tells_of(self, direction: Direction, condition: Condition) -> bool {
        match (condition, direction) {
            (Ready, _) => self.tells(direction),
            (Ended, _) | (HangUp, Read) => self.read_closed,
            (HangUp, Write) => self.write_closed,
            (Error, _) => self.error,
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
    /// [`Backend::refuses_level_without_reader`](super::Backend).
    BrokenPipe,
    /// The system cannot watch for what is asked.
    InvalidInput,
    /// By more than one of these errors. Which of them is the answer is not promised.
    Fails,
    /// An error of the program that this backend does not see.
    Undefined,
}

impl Verdict {
    pub(super) fn or(self, other: Option<Verdict>) -> Verdict {
        match other {
            None => self,
            Some(_) => Verdict::Fails,
        }
    }
}

/// One poll.
#[derive(Clone, Debug)]
pub struct Polled {
    pub capacity: usize,
    /// `None` waits for ever.
    pub timeout: Option<Duration>,
    pub elapsed: Duration,
    pub told: Vec<Told>,
    /// The levels at its beginning, if something was done since. It need not tell what came of
    /// that.
    pub before: Option<Levels>,
}
