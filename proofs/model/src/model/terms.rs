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
    pub mode: Mode,
}

impl Asked {
    pub(super) fn has(self, direction: Direction) -> bool {
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
    pub(super) fn is_immediate(self) -> bool {
        !matches!(self, Kind::Tcp)
    }

    /// The directions in which an end is of use.
    pub(super) fn directions(self, end: End) -> Directions {
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

    pub(super) fn has_failed(self) -> bool {
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
