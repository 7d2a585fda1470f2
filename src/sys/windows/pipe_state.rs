//! The state of a named pipe, as a plain value over whatever can start its operations.
//!
//! A pipe of Windows has no readiness. Instead, operations are started in advance, and their
//! completion is reported as readiness: a read into a buffer, a write from a buffer, a connect.
//! Each has a [`Lane`], since there is one of each kind at a time. [`PipeState`] decides when
//! to start them, what the user's calls return, and what to report; `named_pipe.rs` owns the
//! handle and the buffers.
//!
//! * A lane is in flight from the start of its operation until the packet has been taken from
//!   the port, because so long the memory is the system's.
//! * A disconnected pipe can be connected again while packets of the former connection are
//!   still to come. Those operations are *stale*: their results are dropped.
//! * Whether there is a peer is asked of the system, or follows from what it returned.
//! * Which directions are ready is a level. [`Edge`] makes edges of it, as for sockets: a
//!   direction is armed again by a call that would block, or that has used up the buffer.
//! * A level that no packet will report is reported by a packet that the pipe posts to
//!   itself, the *notice*.

use std::io;

use super::backend::Outcome;
use super::edge::{Conditions, Edge, EdgeFlags};
use crate::Interest;

/// An error number of the system.
pub(crate) type Code = i32;

const ACCESS_DENIED: Code = 5;
const BROKEN_PIPE: Code = 109;
const NO_DATA: Code = 232;
const PIPE_NOT_CONNECTED: Code = 233;
const PIPE_CONNECTED: Code = 535;
const PIPE_LISTENING: Code = 536;

// What is reported, by the numbers that AFD has for it.
pub(crate) const READABLE: u32 = 1;
pub(crate) const WRITABLE: u32 = 1 << 2;
pub(crate) const READ_CLOSED: u32 = 1 << 3;

const FLAGS: EdgeFlags = EdgeFlags {
    flags: [READABLE, WRITABLE, 0, READ_CLOSED, 0, 0],
    worth_trying: READABLE | WRITABLE,
    muting: Conditions::NONE,
    doubtable: Conditions::NONE,
    failure_takes_error: false,
};

/// The pipe's end in the system. An operation that starts, even one that is complete at once,
/// ends in a packet; one that fails to start does not.
pub(crate) trait System {
    /// Whether a peer has opened its end, and may have closed it. `None` if the system does
    /// not say.
    fn has_peer(&mut self) -> Option<bool>;
    fn connect(&mut self) -> Result<(), Code>;
    fn read(&mut self) -> Result<(), Code>;
    fn write(&mut self) -> Result<(), Code>;
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Idle,
    /// Stale if the connection that it belongs to was ended.
    InFlight {
        stale: bool,
    },
    Done(Result<(), Code>),
}

/// One kind of operation.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Lane {
    phase: Phase,
    /// Whether to start the next operation as soon as possible.
    wanted: bool,
}

impl Lane {
    const IDLE: Lane = Lane {
        phase: Phase::Idle,
        wanted: false,
    };

    /// Whether the outcome of an operation of this connection is to come.
    fn is_under_way(self) -> bool {
        self.wanted || self.phase == Phase::InFlight { stale: false }
    }

    fn want(&mut self) {
        let has_one = matches!(
            self.phase,
            Phase::InFlight { stale: false } | Phase::Done(_)
        );
        self.wanted |= !has_one;
    }

    /// Whether an operation is to be started now.
    fn take_wanted(&mut self) -> bool {
        let now = self.wanted && self.phase == Phase::Idle;
        self.wanted &= !now;
        now
    }

    /// Drops what belongs to a connection that was ended.
    fn disconnect(&mut self) {
        self.wanted = false;
        self.phase = match self.phase {
            Phase::InFlight { .. } => Phase::InFlight { stale: true },
            Phase::Idle | Phase::Done(_) => Phase::Idle,
        };
    }

    /// The packet has been taken. Returns whether its result counts.
    fn land(&mut self) -> bool {
        let counts = self.phase == Phase::InFlight { stale: false };
        self.phase = Phase::Idle;
        counts
    }

    fn take_failure(&mut self) -> Option<Code> {
        let Phase::Done(Err(code)) = self.phase else {
            return None;
        };
        self.phase = Phase::Idle;
        Some(code)
    }
}

/// What remains to be done for a pipe that was dropped.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct DropPlan {
    pub(crate) cancel_connect: bool,
    pub(crate) cancel_read: bool,
    pub(crate) cancel_write: bool,
    /// The handle has to stay open until the write has ended.
    pub(crate) lingers: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PipeState {
    /// A server's end can be connected to another client.
    is_server: bool,
    /// Whether operations end in packets, without which none may be started.
    attached: bool,
    dropped: bool,
    /// Whether somebody is at the other end, or was when the system was last asked.
    has_peer: bool,
    /// Whether to read without having been called.
    reads_ahead: bool,
    edge: Option<Edge>,
    notice_posted: bool,
    connect: Lane,
    read: Lane,
    write: Lane,
}

impl PipeState {
    pub(crate) fn new(is_server: bool) -> PipeState {
        PipeState {
            is_server,
            attached: false,
            dropped: false,
            has_peer: false,
            reads_ahead: false,
            edge: None,
            notice_posted: false,
            connect: Lane::IDLE,
            read: Lane::IDLE,
            write: Lane::IDLE,
        }
    }

    /// Starts what is wanted and possible.
    fn advance(&mut self, system: &mut impl System) {
        if !self.attached {
            return;
        }
        if self.write.take_wanted() {
            if let Err(code) = self.start_write(system) {
                self.write.phase = Phase::Done(Err(code));
            }
        }
        if !self.dropped && self.connect.take_wanted() {
            if self.read.phase == Phase::Done(Err(PIPE_NOT_CONNECTED)) {
                // That was before this connection.
                self.read.phase = Phase::Idle;
            }
            match system.connect() {
                Ok(()) => self.connect.phase = Phase::InFlight { stale: false },
                Err(code) => self.connect_done(Err(code)),
            }
        }
        if !self.connect.is_under_way() && self.read.take_wanted() {
            match system.read() {
                Ok(()) => {
                    self.has_peer = true;
                    self.read.phase = Phase::InFlight { stale: false };
                }
                Err(code) => self.read_done(Err(code)),
            }
        }
    }

    fn start_write(&mut self, system: &mut impl System) -> Result<(), Code> {
        let started = system.write();
        match started {
            Ok(()) => {
                self.write.phase = Phase::InFlight { stale: false };
                self.peer_found();
            }
            Err(code) => self.note_peer(code),
        }
        started
    }

    /// What an operation in these directions ends with is news.
    fn arm(&mut self, directions: Interest) {
        if let Some(edge) = &mut self.edge {
            edge.rearm(&FLAGS, directions, Outcome::Short);
        }
    }

    fn would_block<T>(&mut self, directions: Interest) -> io::Result<T> {
        self.arm(directions);
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn connect_done(&mut self, result: Result<(), Code>) {
        // The client came before it was waited for, and may have left since. What it wrote
        // can be read either way.
        let result = match result {
            Err(PIPE_CONNECTED | NO_DATA) => Ok(()),
            result => result,
        };
        self.connect.phase = Phase::Done(result);
        if result.is_ok() {
            self.peer_found();
        }
    }

    fn peer_found(&mut self) {
        self.has_peer = true;
        if self.reads_ahead {
            self.read.want();
        }
    }

    /// A read has ended; if it succeeded, whether there is something in the buffer.
    fn read_done(&mut self, result: Result<bool, Code>) {
        match result {
            Ok(true) if !self.dropped => self.read.phase = Phase::Done(Ok(())),
            // The peer wrote no bytes to a stream; or nobody is interested in what it wrote.
            Ok(_) => self.read.want(),
            // As soon as somebody is there.
            Err(PIPE_LISTENING) => {
                self.note_peer(PIPE_LISTENING);
                self.read.want();
            }
            Err(code) => {
                self.read.phase = Phase::Done(Err(code));
                self.note_peer(code);
            }
        }
    }

    /// What an error says of the peer.
    fn note_peer(&mut self, code: Code) {
        match code {
            // A client's end has no second peer to wait for: it fails at once, for good.
            PIPE_LISTENING | PIPE_NOT_CONNECTED if self.is_server => self.has_peer = false,
            // It was there, and what it wrote may be unread.
            BROKEN_PIPE | NO_DATA => self.peer_found(),
            _ => {}
        }
    }

    /// What would not block now.
    fn levels(&self) -> u32 {
        let refused = matches!(self.connect.phase, Phase::Done(Err(_)));
        let read = match self.read.phase {
            // An end that cannot be read was read ahead. It concerns who calls `read` only.
            Phase::Done(Err(ACCESS_DENIED)) => false,
            Phase::Done(_) => true,
            Phase::Idle | Phase::InFlight { .. } => false,
        };
        let write = match self.write.phase {
            Phase::Idle => self.has_peer && !self.write.wanted && !self.connect.is_under_way(),
            Phase::Done(_) => true,
            Phase::InFlight { .. } => false,
        };
        let closed = !self.is_server && self.read.phase == Phase::Done(Err(BROKEN_PIPE));
        let when = |flag, condition| if condition { flag } else { 0 };
        when(READABLE, read) | when(WRITABLE, write || refused) | when(READ_CLOSED, closed)
    }
}

/// What the user calls.
impl PipeState {
    /// From now on operations end in packets.
    pub(crate) fn attach(&mut self, system: &mut impl System) {
        self.attached = true;
        if system.has_peer().is_none() {
            // Only an end for writing keeps its state secret. `ConnectNamedPipe` tells.
            self.connect.want();
            self.advance(system);
            // A client's refuses.
            self.is_server = self.connect.take_failure().is_none();
        }
    }

    /// Registers the pipe, also anew. What is ready is reported, even if it was before.
    pub(crate) fn watch(&mut self, system: &mut impl System, interest: Interest) {
        self.edge = Some(Edge::new(interest));
        self.reads_ahead = interest.is_readable();
        // A client's end is writable also when its server is gone: writing fails at once.
        self.has_peer = !self.is_server || system.has_peer().unwrap_or(self.has_peer);
        if self.reads_ahead && self.has_peer {
            self.read.want();
        }
        self.advance(system);
    }

    pub(crate) fn unwatch(&mut self) {
        self.edge = None;
        self.reads_ahead = false;
    }

    #[cfg_attr(not(windows), allow(dead_code))]
    pub(crate) fn is_watched(&self) -> bool {
        self.edge.is_some()
    }

    pub(crate) fn connect(&mut self, system: &mut impl System) -> io::Result<()> {
        self.connect.want();
        self.advance(system);
        let Phase::Done(result) = self.connect.phase else {
            return self.would_block(Interest::WRITABLE);
        };
        self.connect.phase = Phase::Idle;
        result.map_err(io::Error::from_raw_os_error)
    }

    /// The system has ended the connection, and with it everything that was in flight.
    pub(crate) fn disconnected(&mut self) {
        self.has_peer = false;
        self.connect.disconnect();
        self.read.disconnect();
        self.write.disconnect();
        self.arm(Interest::READABLE | Interest::WRITABLE);
    }

    /// Returns whether there is something in the buffer to take; otherwise it is the end.
    pub(crate) fn read(&mut self, system: &mut impl System) -> io::Result<bool> {
        if self.attached {
            self.read.want();
            self.advance(system);
        }
        match self.read.phase {
            Phase::Done(Ok(())) => Ok(true),
            Phase::Done(Err(BROKEN_PIPE)) => Ok(false),
            Phase::Done(Err(code)) => {
                self.read.phase = Phase::Idle;
                Err(io::Error::from_raw_os_error(code))
            }
            Phase::Idle | Phase::InFlight { .. } => self.would_block(Interest::READABLE),
        }
    }

    /// The buffer has been read to its end. What the next read ends with, be it at once, is
    /// news.
    pub(crate) fn drained(&mut self, system: &mut impl System) {
        self.arm(Interest::READABLE);
        self.read = Lane {
            phase: Phase::Idle,
            wanted: true,
        };
        self.advance(system);
    }

    /// Whether the buffer can be filled, to be [written](Self::write).
    pub(crate) fn check_write(&mut self) -> io::Result<()> {
        if let Some(code) = self.write.take_failure() {
            return Err(io::Error::from_raw_os_error(code));
        }
        if !self.attached || self.write != Lane::IDLE || self.connect.is_under_way() {
            return self.would_block(Interest::WRITABLE);
        }
        Ok(())
    }

    /// The buffer has been filled after [`check_write`](Self::check_write) allowed it.
    pub(crate) fn write(&mut self, system: &mut impl System) -> io::Result<()> {
        let started = self.start_write(system);
        if started.is_ok() {
            self.arm(Interest::WRITABLE);
        }
        // That it started may show that somebody is there, whom to read from.
        self.advance(system);
        started.map_err(io::Error::from_raw_os_error)
    }

    /// The error of an operation that ran in advance.
    pub(crate) fn take_error(&mut self) -> Option<Code> {
        let failure = self.connect.take_failure();
        let failure = failure.or_else(|| self.write.take_failure());
        failure.or_else(|| match self.read.phase {
            // Neither is an error of an operation that the user has asked for.
            Phase::Done(Err(BROKEN_PIPE | ACCESS_DENIED)) => None,
            _ => self.read.take_failure(),
        })
    }

    /// The user has dropped the pipe. What was accepted is still written. Meanwhile what
    /// arrives is read and dropped: two ends that wait for each other would never be closed.
    pub(crate) fn drop_plan(&mut self, system: &mut impl System) -> DropPlan {
        self.unwatch();
        self.dropped = true;
        let in_flight = |lane: Lane| matches!(lane.phase, Phase::InFlight { .. });
        let lingers = self.write.phase == Phase::InFlight { stale: false };
        let plan = DropPlan {
            cancel_connect: in_flight(self.connect),
            cancel_read: in_flight(self.read) && !lingers,
            cancel_write: in_flight(self.write) && !lingers,
            lingers,
        };
        if lingers {
            if self.read.phase == Phase::Done(Ok(())) {
                self.read.phase = Phase::Idle;
            }
            self.connect.wanted = false;
            self.read.want();
            self.advance(system);
        }
        plan
    }

    /// Whether the pipe was dropped and its last write has ended: time to close the handle.
    pub(crate) fn is_over(&self) -> bool {
        self.dropped && self.write.phase != Phase::InFlight { stale: false }
    }
}

/// What packets bring.
impl PipeState {
    pub(crate) fn connect_ended(&mut self, system: &mut impl System, result: Result<(), Code>) {
        if self.connect.land() {
            self.connect_done(result);
        }
        self.advance(system);
    }

    /// If it succeeded, whether there is something in the buffer now.
    pub(crate) fn read_ended(&mut self, system: &mut impl System, result: Result<bool, Code>) {
        if self.read.land() {
            self.read_done(result);
        }
        self.advance(system);
    }

    /// If it succeeded, whether that was everything.
    pub(crate) fn write_ended(&mut self, system: &mut impl System, result: Result<bool, Code>) {
        if self.write.land() {
            match result {
                Ok(true) => {}
                Ok(false) => self.write.want(),
                Err(code) => {
                    self.write.phase = Phase::Done(Err(code));
                    self.note_peer(code);
                }
            }
        }
        self.advance(system);
    }

    pub(crate) fn notice_taken(&mut self) {
        self.notice_posted = false;
    }

    /// Uses up what is to be reported, and returns it.
    pub(crate) fn report(&mut self) -> Option<u32> {
        let levels = self.levels();
        FLAGS.deliver(self.edge.as_mut()?, levels)
    }

    /// Whether a notice has to be posted, which is then taken to be on its way.
    pub(crate) fn notice_due(&mut self) -> bool {
        let due = !self.notice_posted && self.clone().report().is_some();
        self.notice_posted |= due;
        due
    }
}

#[cfg(test)]
#[path = "pipe_state/search.rs"]
mod search;
