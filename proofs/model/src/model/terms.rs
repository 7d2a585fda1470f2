//! The terms of the model: interests, levels, events and outcomes.

use std::time::Duration;

use super::{End, ENDS};

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Direction {
    Read,
    Write,
}

use Direction::{Read, Write};

pub const DIRECTIONS: [Direction; 2] = [Read, Write];

/// The conditions of a direction. Each is reported and armed separately.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// An operation is worth trying.
    Ready,
    /// The peer has shut down its sending side.
    End,
    HangUp,
    Error,
}

use Condition::{End as Ended, Error, HangUp, Ready};

pub(super) const CONDITIONS: [Condition; 4] = [Ready, Ended, HangUp, Error];

/// The conditions that usually last once they hold.
pub(super) const LASTING: [Condition; 3] = [Ended, HangUp, Error];

/// A set of directions.
pub(super) type Directions = [bool; 2];

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    Edge,
    Level,
    Oneshot,
}

/// The interest of a registration.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub read: bool,
    pub write: bool,
    /// The end of the peer's data, which reading includes.
    pub end: bool,
    pub mode: Mode,
    /// Not all polls that share the object need to report it.
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

/// The kinds of pairs of sources.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Tcp,
    UnixStream,
    UnixDatagram,
    Udp,
    /// The first end sends.
    Pipe,
    /// The first end is the listener, the second represents all its clients.
    Listener,
    /// Both ends are handles to one listener, to which clients connect.
    Shared,
    /// The first end is a TCP socket that is not connected yet, the second the listener that it
    /// will connect to. Then both become `Tcp`.
    Unconnected,
}

impl Kind {
    /// Whether transfers can be short, and reading zero bytes is the end.
    pub fn is_stream(self) -> bool {
        matches!(self, Kind::Tcp | Kind::UnixStream | Kind::Pipe)
    }

    /// Whether the other end sees the effect of an operation when the call returns, and receives
    /// nothing but what was written.
    pub(super) fn is_immediate(self) -> bool {
        !matches!(self, Kind::Tcp)
    }

    pub fn is_sender(self, end: End) -> bool {
        self.directions(end) == [false, true]
    }

    /// The directions in which an end can be used.
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

/// The state of a source as the system reports it.
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

/// An event, as the results of its methods.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    pub token: usize,
    pub readable: bool,
    pub writable: bool,
    pub read_closed: bool,
    pub write_closed: bool,
    pub error: bool,
    /// Any other method, none of which is in an interest.
    pub other: bool,
}

impl Reported {
    /// Whether a program will try an operation in this direction.
    pub(super) fn reports(self, direction: Direction) -> bool {
        match direction {
            Read => self.readable || self.read_closed || self.error,
            Write => self.writable || self.write_closed || self.error,
        }
    }

    /// Whether the event reports the condition.
    pub(super) fn reports_condition(self, direction: Direction, condition: Condition) -> bool {
        match (condition, direction) {
            (Ready, _) => self.reports(direction),
            (Ended, _) | (HangUp, Read) => self.read_closed,
            (HangUp, Write) => self.write_closed,
            (Error, _) => self.error,
        }
    }
}

/// The outcome of an operation.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Moved(usize),
    /// A truncated datagram, which is a failure on Windows.
    Cut,
    WouldBlock,
    Failed,
}

/// The required result of a call of the registry.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Succeeds,
    AlreadyExists,
    NotFound,
    /// [`Backend::refuses_level_without_reader`](super::Backend).
    BrokenPipe,
    /// The system does not support the interest.
    InvalidInput,
    /// With one of several errors; which of them is unspecified.
    Fails,
    /// A mistake of the program that this backend does not detect.
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
    /// `None` waits indefinitely.
    pub timeout: Option<Duration>,
    pub elapsed: Duration,
    pub reported: Vec<Reported>,
    /// The levels at its beginning, if something was done while it ran. The poll need not report
    /// the consequences.
    pub before: Option<Levels>,
}
