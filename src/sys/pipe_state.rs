//! The state of a named pipe of Windows, a plain value over whatever can start its operations.
//!
//! A named pipe has no readiness. Instead, operations are started in advance, and their completion
//! is reported as readiness: a connect, a read into a buffer, a write from a buffer. There is one
//! of each kind at a time, which has a [`Lane`]. [`PipeState`] decides when to start operations,
//! what the user's calls return, and what to report. `windows/named_pipe.rs` owns the handle and
//! the memory.
//!
//! * A lane is in flight from the start of its operation until the packet has been taken from the
//!   port, because until then the memory belongs to the system.
//! * A disconnected pipe can be connected again before the packets of the former connection have
//!   been taken. Those operations are *stale*: their results are dropped.
//! * Whether there is a peer is queried from the system, or follows from its results.
//! * Which directions are ready is a level. [`Edge`] derives edges from it, as for sockets: a
//!   direction is armed again by a call that would block, or that has emptied the buffer.
//! * A packet that was taken reports the pipe, after all others that were taken with it. If no packet
//!   is to come, the pipe posts one to itself, the *notice*.

use std::{io, mem};

use super::backend::Outcome;
use super::edge::{Conditions, Edge, EdgeFlags};
use crate::{Interest, Token};

/// An error number of the system.
pub(crate) type Code = i32;

const ACCESS_DENIED: Code = 5;
const BROKEN_PIPE: Code = 109;
const NO_DATA: Code = 232;
const PIPE_NOT_CONNECTED: Code = 233;
const PIPE_CONNECTED: Code = 535;
const PIPE_LISTENING: Code = 536;

// What is reported, in the values of AFD's flags.
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

/// The pipe's end in the system. An operation that starts ends in a packet, even if it completes at
/// once. One that fails to start has no packet.
pub(crate) trait System {
    /// Whether a peer has opened its end, and may have closed it. `None` if the system cannot be
    /// queried.
    fn has_peer(&mut self) -> Option<bool>;
    fn connect(&mut self) -> Result<(), Code>;
    fn read(&mut self) -> Result<(), Code>;
    fn write(&mut self) -> Result<(), Code>;
    fn notice(&mut self) -> Result<(), Code>;
}

#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    #[default]
    Idle,
    InFlight,
    /// In flight, for a connection that has been disconnected.
    Stale,
    Done(Result<(), Code>),
}

/// How many reads of a dropped pipe are discarded while its last write is in flight.
const DISCARDS: u16 = if cfg!(test) { 1 } else { 256 };

/// One kind of operation.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Lane {
    phase: Phase,
    /// Whether to start the next operation as soon as possible.
    wanted: bool,
}

impl Lane {
    /// Whether an operation of this connection is still to end.
    fn is_under_way(self) -> bool {
        self.wanted || self.phase == Phase::InFlight
    }

    fn want(&mut self) {
        self.wanted |= matches!(self.phase, Phase::Idle | Phase::Stale);
    }

    /// Returns whether an operation must be started now.
    fn take_wanted(&mut self) -> bool {
        let now = self.wanted && self.phase == Phase::Idle;
        self.wanted &= !now;
        now
    }

    /// Drops what belongs to a connection that has been disconnected.
    fn disconnect(&mut self) {
        self.wanted = false;
        self.phase = match self.phase {
            Phase::InFlight | Phase::Stale => Phase::Stale,
            Phase::Idle | Phase::Done(_) => Phase::Idle,
        };
    }

    /// The packet has been taken. Returns whether its result counts.
    fn complete(&mut self) -> bool {
        mem::take(&mut self.phase) == Phase::InFlight
    }

    fn take_failure(&mut self) -> Option<Code> {
        let Phase::Done(Err(code)) = self.phase else {
            return None;
        };
        self.phase = Phase::Idle;
        Some(code)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PipeState {
    /// A server's end can be connected to another client.
    is_server: bool,
    /// Whether operations end in packets. Otherwise none may be started.
    attached: bool,
    /// How many more reads to discard, once the pipe has been dropped.
    discards: Option<u16>,
    /// Whether there is a peer, by the last result of the system.
    has_peer: bool,
    /// Whether to read before the user does.
    reads_ahead: bool,
    /// Whether a read has ever started. Otherwise a denial says that the end cannot be read.
    has_read: bool,
    /// Whether reading is watched for its end alone. Otherwise the end of a client is readable, and
    /// no more than that for a server, which can be connected again.
    only_end: bool,
    watched: Option<(Token, Edge)>,
    /// Whether a [report](PipeState::report) is to come.
    reporting: bool,
    connect: Lane,
    read: Lane,
    write: Lane,
}

impl PipeState {
    pub(crate) fn new(is_server: bool) -> PipeState {
        PipeState {
            is_server,
            ..PipeState::default()
        }
    }

    /// Starts what is wanted and possible.
    fn advance(&mut self, system: &mut impl System) {
        if !self.attached || self.is_finished() {
            return;
        }
        if self.write.take_wanted() {
            match system.write() {
                Ok(()) => {
                    self.write.phase = Phase::InFlight;
                    self.peer_found();
                }
                Err(code) => self.write_failed(code),
            }
        }
        if self.discards.is_none() && self.connect.take_wanted() {
            if self.read.phase == Phase::Done(Err(PIPE_NOT_CONNECTED)) {
                // That concerned the time before this connection.
                self.read.phase = Phase::Idle;
            }
            match system.connect() {
                Ok(()) => self.connect.phase = Phase::InFlight,
                Err(code) => self.connect_done(Err(code)),
            }
        }
        if !self.connect.is_under_way() && self.read.take_wanted() {
            match system.read() {
                Ok(()) => {
                    self.has_peer = true;
                    self.has_read = true;
                    self.read.phase = Phase::InFlight;
                }
                Err(code) => self.read_done(Err(code)),
            }
        }
    }

    /// The result of an operation in these directions will be an event.
    fn arm(&mut self, directions: Interest) {
        if let Some((_, edge)) = &mut self.watched {
            edge.rearm(&FLAGS, directions, Outcome::Short);
        }
    }

    fn would_block<T>(&mut self, directions: Interest) -> io::Result<T> {
        self.arm(directions);
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn connect_done(&mut self, result: Result<(), Code>) {
        // The client came before `connect`, and may have left since. What it wrote can be read
        // either way.
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

    /// A read has ended. `Ok(true)` if there is something in the buffer.
    fn read_done(&mut self, result: Result<bool, Code>) {
        match result {
            Ok(true) if self.discards.is_none() => self.read.phase = Phase::Done(Ok(())),
            // A peer that writes and never reads would keep the poll busy for ever.
            Ok(_) if self.discards == Some(0) => {}
            // The peer wrote no bytes to a stream, or the pipe was dropped.
            Ok(_) => {
                self.discards = self.discards.map(|left| left - 1);
                self.read.want();
            }
            // As soon as there is a peer.
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

    fn write_failed(&mut self, code: Code) {
        self.write.phase = Phase::Done(Err(code));
        self.note_peer(code);
    }

    /// Draws conclusions about the peer from an error.
    fn note_peer(&mut self, code: Code) {
        match code {
            // A client's end has no second peer to wait for: it fails at once, and forever.
            PIPE_LISTENING | PIPE_NOT_CONNECTED if self.is_server => self.has_peer = false,
            // There was a peer, and what it wrote may be unread.
            BROKEN_PIPE | NO_DATA => self.peer_found(),
            _ => {}
        }
    }

    /// Whether reading ahead on an outbound end was denied. It concerns only a user that calls
    /// `read`.
    fn is_denied(&self) -> bool {
        !self.has_read && self.read.phase == Phase::Done(Err(ACCESS_DENIED))
    }

    /// The operations that would not block now.
    fn levels(&self) -> u32 {
        let refused = matches!(self.connect.phase, Phase::Done(Err(_)));
        let read = matches!(self.read.phase, Phase::Done(_)) && !self.is_denied();
        let write = match self.write.phase {
            Phase::Idle => self.has_peer && !self.write.wanted && !self.connect.is_under_way(),
            Phase::Done(_) => true,
            Phase::InFlight | Phase::Stale => false,
        };
        let for_good = !self.is_server || self.only_end;
        let closed = for_good && self.read.phase == Phase::Done(Err(BROKEN_PIPE));
        let when = |flag, condition| if condition { flag } else { 0 };
        when(READABLE, read) | when(WRITABLE, write || refused) | when(READ_CLOSED, closed)
    }
}

/// The user's calls.
impl PipeState {
    /// From now on operations end in packets.
    fn attach(&mut self, system: &mut impl System) {
        self.attached = true;
        if system.has_peer().is_none() {
            // Only an outbound end cannot be queried, and what is no pipe. `ConnectNamedPipe` shows
            // whether there is a client.
            self.connect.want();
            self.advance(system);
            // A client's end refuses it, and so does what is no pipe.
            self.is_server = self.connect.take_failure().is_none();
        }
    }

    /// Registers the pipe, or registers it again. What is ready is reported, even if it was before.
    pub(crate) fn watch(&mut self, system: &mut impl System, token: Token, interest: Interest) {
        if !self.attached {
            self.attach(system);
        }
        self.watched = Some((token, Edge::new(interest)));
        self.reads_ahead = interest.includes_end();
        self.only_end = !interest.is_readable();
        // A client's end is also writable when its server is gone: writing fails at once.
        self.has_peer = !self.is_server || system.has_peer().unwrap_or(self.has_peer);
        if self.reads_ahead && self.has_peer {
            self.read.want();
        }
        self.advance(system);
    }

    pub(crate) fn unwatch(&mut self) {
        self.watched = None;
        self.reads_ahead = false;
    }

    #[cfg_attr(not(windows), allow(dead_code))]
    pub(crate) fn is_watched(&self) -> bool {
        self.watched.is_some()
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

    /// The system has ended the connection, and with it every operation that was in flight.
    pub(crate) fn disconnected(&mut self) {
        self.has_peer = false;
        self.connect.disconnect();
        self.read.disconnect();
        self.write.disconnect();
        self.arm(Interest::READABLE | Interest::WRITABLE);
    }

    /// Returns whether there is something in the buffer; otherwise it is the end.
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
            _ => self.would_block(Interest::READABLE),
        }
    }

    /// The buffer has been emptied. The result of the next read will be an event, even if the read
    /// ends at once.
    pub(crate) fn drained(&mut self, system: &mut impl System) {
        self.arm(Interest::READABLE);
        self.read.phase = Phase::Idle;
        self.read.want();
        self.advance(system);
    }

    /// Returns `Ok` if the buffer can be filled, to be [written](Self::write).
    pub(crate) fn check_write(&mut self) -> io::Result<()> {
        if let Some(code) = self.write.take_failure() {
            return Err(io::Error::from_raw_os_error(code));
        }
        if !self.attached || self.write != Lane::default() || self.connect.is_under_way() {
            return self.would_block(Interest::WRITABLE);
        }
        Ok(())
    }

    /// The buffer has been filled after [`check_write`](Self::check_write) allowed it.
    pub(crate) fn write(&mut self, system: &mut impl System) -> io::Result<()> {
        self.write.want();
        self.advance(system);
        if let Some(code) = self.write.take_failure() {
            return Err(io::Error::from_raw_os_error(code));
        }
        self.arm(Interest::WRITABLE);
        Ok(())
    }

    /// Takes the error of an operation that ran in advance.
    pub(crate) fn take_error(&mut self) -> Option<Code> {
        let failure = self.connect.take_failure();
        let failure = failure.or_else(|| self.write.take_failure());
        failure.or_else(|| match self.read.phase {
            // Neither is the error of an operation that the user has requested.
            Phase::Done(Err(BROKEN_PIPE)) => None,
            _ if self.is_denied() => None,
            _ => self.read.take_failure(),
        })
    }

    /// The user has dropped the pipe. Returns whether the handle has to stay open until an accepted
    /// write has ended. Meanwhile what arrives is read and dropped, up to a bound: otherwise two
    /// dropped ends that write to each other would never be closed.
    pub(crate) fn drop_lingers(&mut self, system: &mut impl System) -> bool {
        self.unwatch();
        self.discards = Some(DISCARDS);
        let lingers = !self.is_finished();
        if lingers {
            if self.read.phase == Phase::Done(Ok(())) {
                self.read.phase = Phase::Idle;
            }
            self.connect.wanted = false;
            self.read.want();
            self.advance(system);
        }
        lingers
    }

    /// Whether the pipe was dropped and its last write has ended: nothing is started any more, and
    /// the handle can be closed.
    pub(crate) fn is_finished(&self) -> bool {
        self.discards.is_some() && !self.write.is_under_way()
    }
}

/// The results that packets bring.
impl PipeState {
    pub(crate) fn connect_ended(&mut self, system: &mut impl System, result: Result<(), Code>) {
        if self.connect.complete() {
            self.connect_done(result);
        }
        self.advance(system);
    }

    /// `Ok(true)` if there is something in the buffer now.
    pub(crate) fn read_ended(&mut self, system: &mut impl System, result: Result<bool, Code>) {
        if self.read.complete() {
            self.read_done(result);
        }
        self.advance(system);
    }

    /// `Ok(true)` if that was everything.
    pub(crate) fn write_ended(&mut self, system: &mut impl System, result: Result<bool, Code>) {
        if self.write.complete() {
            match result {
                Ok(true) => {}
                Ok(false) => self.write.want(),
                Err(code) => self.write_failed(code),
            }
        }
        self.advance(system);
    }

    /// Returns whether a packet that has been taken is to be followed by a report. It stands for
    /// the packets that are taken before the report.
    pub(crate) fn claim_report(&mut self) -> bool {
        !mem::replace(&mut self.reporting, true)
    }

    /// Returns what is to be reported, and disarms it.
    pub(crate) fn report(&mut self) -> Option<(Token, u32)> {
        self.reporting = false;
        let levels = self.levels();
        let (token, edge) = self.watched.as_mut()?;
        Some((*token, FLAGS.deliver(edge, levels)?))
    }

    /// Posts a notice if there is something to report and no report is to come.
    pub(crate) fn notify(&mut self, system: &mut impl System) -> Result<(), Code> {
        if !self.reporting && self.clone().report().is_some() {
            system.notice()?;
            self.reporting = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod search;

#[cfg(test)]
mod tests {
    use super::*;

    /// What a read returns when it is started. The peer is there, and nothing else happens.
    struct Reads(Result<(), Code>);

    impl System for Reads {
        fn has_peer(&mut self) -> Option<bool> {
            Some(true)
        }

        fn connect(&mut self) -> Result<(), Code> {
            Err(PIPE_CONNECTED)
        }

        fn read(&mut self) -> Result<(), Code> {
            self.0
        }

        fn write(&mut self) -> Result<(), Code> {
            Ok(())
        }

        fn notice(&mut self) -> Result<(), Code> {
            Ok(())
        }
    }

    fn watched(system: &mut Reads) -> PipeState {
        let mut state = PipeState::new(false);
        state.watch(system, Token(0), Interest::READABLE);
        state
    }

    /// An end that was not opened for reading is not readable, except to a user that calls `read`.
    #[test]
    fn a_read_that_was_never_allowed_is_no_event() {
        let mut system = Reads(Err(ACCESS_DENIED));
        let mut state = watched(&mut system);
        assert_eq!(state.report(), None);
        assert_eq!(state.take_error(), None);
        let error = state.read(&mut system).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(ACCESS_DENIED));
    }

    /// A serial port that was removed denies access, too.
    #[test]
    fn a_denial_after_a_read_is_an_error_like_any_other() {
        let mut system = Reads(Ok(()));
        let mut state = watched(&mut system);
        state.read_ended(&mut system, Err(ACCESS_DENIED));
        assert_eq!(state.report(), Some((Token(0), READABLE)));
        assert_eq!(state.take_error(), Some(ACCESS_DENIED));

        let mut system = Reads(Ok(()));
        let mut state = watched(&mut system);
        state.read_ended(&mut system, Ok(true));
        assert_eq!(state.report(), Some((Token(0), READABLE)));
        assert!(state.read(&mut system).unwrap());
        system.0 = Err(ACCESS_DENIED);
        state.drained(&mut system);
        assert_eq!(state.report(), Some((Token(0), READABLE)));
        let error = state.read(&mut system).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(ACCESS_DENIED));
    }
}
