//! Every order of calls, packets and actions of the peer, over a model of the system's pipe.
//!
//! The model is written from Microsoft's documentation and from the results of a system
//! (`proofs/named-pipes`), not from the state machine: it has the four states of
//! `FILE_PIPE_LOCAL_INFORMATION`, the messages that have arrived, and the operations that are
//! pending or whose packets are in the port. The checks compare what the library promises to the
//! user with the state of the modelled system. Planted [`Fault`]s show that the checks find faults.

use std::collections::BTreeSet;

use super::*;

const OPERATION_ABORTED: Code = 995;
const INVALID_FUNCTION: Code = 1;

#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Link {
    Disconnected,
    Listening,
    Connected,
    /// The peer has closed its end.
    Closing,
}

/// What is written at once. One at a time is under way.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Message {
    empty: bool,
    /// Differs from one connection to the next.
    connection: bool,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Operation {
    None,
    Pending,
    /// Its packet is in the port. A write may have moved a part only.
    Packet(Result<bool, Code>),
}

/// What a pipe is and stays.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    server: bool,
    messages: bool,
    /// An end for writing only keeps its state secret too.
    readable: bool,
    /// Whether an end that listens can be disconnected. Wine refuses.
    listening_ends: bool,
}

/// Faults planted in the model, each of which the search must find.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    None,
    NobodyIsThere,
    SomebodyIsThere,
    NoDataIsAFailure,
    EmptyMessageIsDropped,
    StaleIsKept,
    NoticeIsForgotten,
}

/// One end, in the system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pipe {
    kind: Kind,
    fault: Fault,
    link: Link,
    closed: bool,
    arrived: Option<Message>,
    connect: Operation,
    read: Operation,
    write: Operation,
    /// Where a read puts what it brings.
    buffer: Option<Message>,
    /// Whether a notice is in the port, or a packet that was taken is put off.
    reports: bool,
}

impl Pipe {
    fn check_start(&self, operation: Operation) {
        assert_eq!(operation, Operation::None, "its memory is the system's");
        assert!(!self.closed, "the handle may belong to another object");
    }

    fn has_connection(&self) -> bool {
        matches!(self.link, Link::Connected | Link::Closing)
    }

    /// The error of a transfer without a connection.
    fn check_connection(&self) -> Result<(), Code> {
        match self.link {
            Link::Disconnected => Err(PIPE_NOT_CONNECTED),
            Link::Listening => Err(PIPE_LISTENING),
            Link::Connected | Link::Closing => Ok(()),
        }
    }

    /// Ends what is pending.
    fn end(operation: &mut Operation, result: Result<bool, Code>) {
        if *operation == Operation::Pending {
            *operation = Operation::Packet(result);
        }
    }

    fn end_transfers(&mut self, code: Code) {
        Pipe::end(&mut self.read, Err(code));
        Pipe::end(&mut self.write, Err(code));
    }

    fn serve_read(&mut self) {
        if self.read == Operation::Pending {
            if let Some(message) = self.arrived.take() {
                self.buffer = Some(message);
                let dropped = self.fault == Fault::EmptyMessageIsDropped;
                let is_something = !message.empty || self.kind.messages && !dropped;
                self.read = Operation::Packet(Ok(is_something));
            }
        }
    }

    /// `DisconnectNamedPipe`.
    fn disconnect(&mut self) -> Result<(), Code> {
        match self.link {
            _ if !self.kind.server => return Err(INVALID_FUNCTION),
            Link::Disconnected => return Err(PIPE_NOT_CONNECTED),
            Link::Listening if !self.kind.listening_ends => return Err(PIPE_LISTENING),
            _ => {}
        }
        Pipe::end(&mut self.connect, Err(PIPE_NOT_CONNECTED));
        self.end_transfers(PIPE_NOT_CONNECTED);
        self.arrived = None;
        self.link = Link::Disconnected;
        Ok(())
    }

    fn is_quiet(&self) -> bool {
        let lies = |operation| matches!(operation, Operation::Packet(_));
        !(lies(self.connect) || lies(self.read) || lies(self.write))
    }
}

impl System for Pipe {
    fn has_peer(&mut self) -> Option<bool> {
        let told = self.kind.readable && (self.kind.server || self.link != Link::Disconnected);
        match self.fault {
            Fault::NobodyIsThere => Some(false),
            Fault::SomebodyIsThere => Some(true),
            _ => told.then(|| self.has_connection()),
        }
    }

    fn connect(&mut self) -> Result<(), Code> {
        self.check_start(self.connect);
        match self.link {
            _ if !self.kind.server => Err(INVALID_FUNCTION),
            Link::Connected => Err(PIPE_CONNECTED),
            Link::Closing if self.fault == Fault::NoDataIsAFailure => Err(INVALID_FUNCTION),
            Link::Closing => Err(NO_DATA),
            Link::Disconnected | Link::Listening => {
                self.link = Link::Listening;
                self.connect = Operation::Pending;
                Ok(())
            }
        }
    }

    fn read(&mut self) -> Result<(), Code> {
        self.check_start(self.read);
        self.buffer = None;
        if !self.kind.readable {
            return Err(ACCESS_DENIED);
        }
        self.check_connection()?;
        if self.arrived.is_none() && self.link == Link::Closing {
            return Err(BROKEN_PIPE);
        }
        self.read = Operation::Pending;
        self.serve_read();
        Ok(())
    }

    fn write(&mut self) -> Result<(), Code> {
        self.check_start(self.write);
        self.check_connection()?;
        if self.link == Link::Closing {
            return Err(NO_DATA);
        }
        self.write = Operation::Pending;
        Ok(())
    }

    fn notice(&mut self) -> Result<(), Code> {
        assert!(!self.reports, "its memory is the system's");
        self.reports = self.fault != Fault::NoticeIsForgotten;
        Ok(())
    }
}

#[derive(Copy, Clone, Debug)]
enum Input {
    Watch(Interest),
    Unwatch,
    Connect,
    Disconnect,
    /// Whether all that was brought is taken.
    Read(bool),
    Write,
    TakeError,
    Drop,
    // Packets are taken from the port.
    TakeConnect,
    TakeRead,
    TakeWrite,
    /// Of what was taken, or of a notice.
    TakeReport,
    // Deeds of the peer.
    PeerOpens,
    PeerWrites {
        empty: bool,
    },
    PeerReads {
        all: bool,
    },
    PeerCloses,
    PeerDisconnects,
}

fn inputs(interests: &[Interest]) -> Vec<Input> {
    let mut all: Vec<Input> = interests.iter().copied().map(Input::Watch).collect();
    all.extend([
        Input::Unwatch,
        Input::Connect,
        Input::Disconnect,
        Input::Read(true),
        Input::Read(false),
        Input::Write,
        Input::TakeError,
        Input::Drop,
        Input::TakeConnect,
        Input::TakeRead,
        Input::TakeWrite,
        Input::TakeReport,
        Input::PeerOpens,
        Input::PeerWrites { empty: false },
        Input::PeerWrites { empty: true },
        Input::PeerReads { all: true },
        Input::PeerReads { all: false },
        Input::PeerCloses,
        Input::PeerDisconnects,
    ]);
    all
}

/// A promise that was broken.
type Broken = &'static str;

fn promise(holds: bool, text: Broken) -> Result<(), Broken> {
    holds.then_some(()).ok_or(text)
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct World {
    state: PipeState,
    pipe: Pipe,
    dropped: bool,
    watch: Option<Interest>,
    fired: bool,
    /// The directions in which the user has reason to wait for an event.
    waits_to_read: bool,
    waits_to_write: bool,
    waits_for_end: bool,
    /// Whether the user has called `connect`, without success so far.
    connecting: bool,
    /// Whether the library had occasion to learn of the connection.
    known: bool,
    /// What the peer wrote and the user has not read.
    unread: Option<Message>,
    connection: bool,
}

impl World {
    fn new(kind: Kind, fault: Fault) -> World {
        World {
            state: PipeState::new(kind.server),
            pipe: Pipe {
                kind,
                fault,
                link: if kind.server {
                    Link::Listening
                } else {
                    Link::Connected
                },
                closed: false,
                arrived: None,
                connect: Operation::None,
                read: Operation::None,
                write: Operation::None,
                buffer: None,
                reports: false,
            },
            dropped: false,
            watch: None,
            fired: false,
            waits_to_read: false,
            waits_to_write: false,
            waits_for_end: false,
            connecting: false,
            known: false,
            unread: None,
            connection: false,
        }
    }

    /// Whether the input can come now.
    fn admits(&self, input: Input) -> bool {
        let pipe = &self.pipe;
        let lies = |operation| matches!(operation, Operation::Packet(_));
        let peer = !pipe.closed && pipe.link == Link::Connected;
        match input {
            Input::TakeConnect => lies(pipe.connect),
            Input::TakeRead => lies(pipe.read),
            Input::TakeWrite => lies(pipe.write),
            Input::TakeReport => pipe.reports,
            Input::PeerOpens => !pipe.closed && pipe.link == Link::Listening,
            Input::PeerWrites { .. } => {
                peer && (pipe.kind.readable || !pipe.kind.server) && self.unread.is_none()
            }
            Input::PeerReads { .. } => pipe.write == Operation::Pending,
            Input::PeerCloses => peer,
            Input::PeerDisconnects => peer && !pipe.kind.server,
            _ if self.dropped => false,
            Input::Unwatch => self.watch.is_some(),
            _ => true,
        }
    }

    fn apply(&mut self, input: Input) -> Result<(), Broken> {
        let pipe = &mut self.pipe;
        let mut is_packet = true;
        match input {
            Input::TakeConnect => {
                let Operation::Packet(result) = pipe.connect else {
                    return Ok(());
                };
                pipe.connect = Operation::None;
                self.state.connect_ended(pipe, result.map(|_| ()));
            }
            Input::TakeRead => {
                let Operation::Packet(result) = pipe.read else {
                    return Ok(());
                };
                pipe.read = Operation::None;
                let nothing = result == Ok(true) && !pipe.kind.messages;
                if nothing && pipe.buffer.is_some_and(|message| message.empty) {
                    return Err("bytes that are none");
                }
                self.state.read_ended(pipe, result);
            }
            Input::TakeWrite => self.write_packet()?,
            Input::TakeReport => {
                pipe.reports = false;
                is_packet = false;
                self.report()?;
            }
            _ => {
                is_packet = false;
                self.call_or_deed(input)?;
            }
        }
        self.known |= self.connecting && self.pipe.has_connection();
        if is_packet && self.state.claim_report() {
            promise(!self.pipe.reports, "a second report")?;
            self.pipe.reports = true;
        }
        self.state.notify(&mut self.pipe).map_err(|_| "no notice")?;
        self.check()
    }

    fn write_packet(&mut self) -> Result<(), Broken> {
        let pipe = &mut self.pipe;
        let Operation::Packet(result) = pipe.write else {
            return Ok(());
        };
        let counted = self.state.write.phase == Phase::InFlight;
        pipe.write = Operation::None;
        self.state.write_ended(pipe, result);
        if counted && result == Ok(false) {
            let failed = matches!(self.state.write.phase, Phase::Done(Err(_)));
            promise(
                failed || pipe.write == Operation::Pending,
                "the rest is lost",
            )?;
        }
        if self.state.is_finished() && !pipe.closed {
            Pipe::end(&mut pipe.read, Err(OPERATION_ABORTED));
            pipe.closed = true;
        }
        Ok(())
    }

    fn call_or_deed(&mut self, input: Input) -> Result<(), Broken> {
        let pipe = &mut self.pipe;
        match input {
            Input::Watch(interest) => {
                if !self.state.attached {
                    // Asking by `ConnectNamedPipe` listens, too.
                    self.connecting |= !pipe.kind.readable && pipe.kind.server;
                }
                self.state.watch(pipe, Token(0), interest);
                self.watch = Some(interest);
                self.fired = false;
                self.waits_to_read = true;
                self.waits_to_write = true;
                self.waits_for_end = true;
                self.known |= pipe.has_connection() && pipe.kind.readable;
            }
            Input::Unwatch => {
                self.state.unwatch();
                self.watch = None;
            }
            Input::Connect => self.user_connects()?,
            Input::Disconnect => self.user_disconnects(),
            Input::Read(all) => self.user_reads(all)?,
            Input::Write => self.user_writes()?,
            Input::TakeError => {
                let refused = self.connecting && !pipe.kind.server;
                let healthy = pipe.link == Link::Connected && !refused;
                let stored = self.state.take_error();
                promise(stored.is_none() || !healthy, "an error of nothing")?;
                promise(
                    stored != Some(BROKEN_PIPE) || !healthy,
                    "the end is no error",
                )?;
            }
            Input::Drop => self.user_drops()?,
            Input::PeerOpens => {
                pipe.link = Link::Connected;
                self.connection = !self.connection;
                self.unread = None;
                Pipe::end(&mut pipe.connect, Ok(true));
            }
            Input::PeerWrites { empty } => {
                let message = Message {
                    empty,
                    connection: self.connection,
                };
                // No bytes wake the reader of a stream, or do not: that is the harder.
                let counts = !empty || pipe.kind.messages;
                pipe.arrived = Some(message);
                self.unread = counts.then_some(message);
                pipe.serve_read();
                pipe.arrived = pipe.arrived.filter(|_| counts);
            }
            Input::PeerReads { all } => Pipe::end(&mut pipe.write, Ok(all)),
            Input::PeerCloses => {
                pipe.link = Link::Closing;
                pipe.end_transfers(BROKEN_PIPE);
            }
            _ => {
                pipe.link = Link::Disconnected;
                pipe.end_transfers(PIPE_NOT_CONNECTED);
                if pipe.arrived.take().is_some() {
                    // It had not been read ahead.
                    self.unread = None;
                }
            }
        }
        Ok(())
    }

    fn is_quiet(&self) -> bool {
        self.pipe.is_quiet() && !self.pipe.reports
    }

    fn user_connects(&mut self) -> Result<(), Broken> {
        let quiet = self.is_quiet() && self.state.attached;
        let Err(error) = self.state.connect(&mut self.pipe) else {
            self.connecting = false;
            self.known = true;
            return promise(self.pipe.has_connection(), "connected to nobody");
        };
        if error.kind() == io::ErrorKind::WouldBlock {
            self.connecting = true;
            self.waits_to_write = true;
            return promise(
                !(quiet && self.pipe.has_connection()),
                "the connection is there",
            );
        }
        self.connecting = false;
        promise(
            !self.pipe.kind.server || !self.pipe.has_connection(),
            "connecting failed, though somebody came",
        )
    }

    fn user_disconnects(&mut self) {
        match self.pipe.disconnect() {
            Ok(()) => {}
            Err(PIPE_LISTENING) => Pipe::end(&mut self.pipe.connect, Err(OPERATION_ABORTED)),
            Err(_) => return,
        }
        self.state.disconnected();
        if self.pipe.fault == Fault::StaleIsKept {
            for lane in [&mut self.state.read, &mut self.state.connect] {
                if lane.phase == Phase::Stale {
                    lane.phase = Phase::InFlight;
                }
            }
        }
        self.unread = None;
        self.connecting = false;
        self.known = false;
        self.waits_to_read = true;
        self.waits_to_write = true;
    }

    fn user_reads(&mut self, all: bool) -> Result<(), Broken> {
        let quiet = self.is_quiet() && self.state.attached;
        let shows = self.state.attached && self.pipe.kind.readable;
        self.known |= shows && self.pipe.has_connection();
        let answer = self.state.read(&mut self.pipe);
        let pipe = &mut self.pipe;
        match answer {
            Ok(true) => {
                let brought = pipe.buffer.ok_or("nothing was brought")?;
                promise(self.unread == Some(brought), "not what was written")?;
                if all || brought.empty {
                    self.unread = None;
                    self.waits_to_read = true;
                    self.state.drained(pipe);
                }
                Ok(())
            }
            Ok(false) => {
                promise(pipe.link == Link::Closing, "an end that is none")?;
                promise(self.unread.is_none(), "the end before the data")
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.waits_to_read = true;
                let arrived = self.unread.is_some() || pipe.link == Link::Closing;
                let connecting = self.connecting && !pipe.has_connection();
                promise(
                    !(quiet && pipe.kind.readable && pipe.is_quiet() && arrived && !connecting),
                    "there is something to read",
                )
            }
            Err(error) => {
                let denied = error.raw_os_error() == Some(ACCESS_DENIED);
                promise(
                    denied && !pipe.kind.readable || !pipe.has_connection(),
                    "an error in the place of data",
                )
            }
        }
    }

    fn user_writes(&mut self) -> Result<(), Broken> {
        let quiet = self.is_quiet() && self.state.attached;
        let pipe = &mut self.pipe;
        let idle = pipe.write == Operation::None;
        let answer = self.state.check_write();
        let answer = answer.and_then(|()| self.state.write(pipe));
        match answer {
            Ok(()) => {
                self.known = true;
                self.waits_to_write = true;
                promise(pipe.write == Operation::Pending, "a write that is none")
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.waits_to_write = true;
                promise(!(quiet && idle && pipe.has_connection()), "there is room")
            }
            Err(_) => promise(pipe.link != Link::Connected, "an error of nothing"),
        }
    }

    fn user_drops(&mut self) -> Result<(), Broken> {
        let pipe = &mut self.pipe;
        let pending = pipe.write == Operation::Pending;
        let counted = self.state.write.phase == Phase::InFlight;
        let lingers = self.state.drop_lingers(pipe);
        Pipe::end(&mut pipe.connect, Err(OPERATION_ABORTED));
        if !lingers {
            pipe.end_transfers(OPERATION_ABORTED);
        }
        self.dropped = true;
        self.watch = None;
        pipe.closed = !lingers;
        promise(
            !(pending && counted) || pipe.write == Operation::Pending,
            "an accepted write was cancelled",
        )
    }

    /// What is delivered, by what is true.
    fn report(&mut self) -> Result<(), Broken> {
        let Some((_, flags)) = self.state.report() else {
            return Ok(());
        };
        let interest = self.watch.ok_or("an event of what is not registered")?;
        promise(!self.fired, "a second shot")?;
        self.fired = interest.is_oneshot();
        let exact = !interest.is_level();
        if flags & READABLE != 0 {
            // The end counts as readable, too.
            let is_end = flags & READ_CLOSED != 0 && interest.is_read_closed();
            let asked = interest.is_readable() || is_end;
            promise(asked, "an event that nobody asked for")?;
            let waits = self.waits_to_read || is_end && self.waits_for_end;
            promise(waits || !exact, "an edge that is none")?;
            let answer = self.state.clone().read(&mut self.pipe.clone());
            promise(answer.is_ok() || !would_block(&answer), "nothing to read")?;
            self.waits_to_read = false;
        }
        if flags & WRITABLE != 0 {
            promise(interest.is_writable(), "an event that nobody asked for")?;
            promise(self.waits_to_write || !exact, "an edge that is none")?;
            let mut state = self.state.clone();
            let failed = state.take_error().is_some();
            let somebody = self.pipe.has_connection() || !self.pipe.kind.server;
            promise(failed || somebody, "room where nobody is")?;
            let answer = self.state.clone().check_write();
            promise(failed || !would_block(&answer), "no room")?;
            self.waits_to_write = false;
        }
        let ended = self.pipe.link == Link::Closing && self.unread.is_none();
        let for_good = ended && (!self.pipe.kind.server || !interest.is_readable());
        self.waits_for_end &= flags & READ_CLOSED == 0;
        promise(flags & READ_CLOSED == 0 || for_good, "it is not closed")
    }

    /// Between two inputs.
    fn check(&self) -> Result<(), Broken> {
        let (state, pipe) = (&self.state, &self.pipe);
        for (lane, operation) in [
            (state.connect, pipe.connect),
            (state.read, pipe.read),
            (state.write, pipe.write),
        ] {
            let in_flight = matches!(lane.phase, Phase::InFlight | Phase::Stale);
            promise(
                in_flight == (operation != Operation::None),
                "a lane and its operation differ",
            )?;
            let left = pipe.closed && operation == Operation::Pending;
            promise(!left, "an operation on a closed handle")?;
        }
        let over = self.dropped && pipe.write == Operation::None;
        promise(!over || pipe.closed, "the handle is never closed")?;
        match self.watch {
            // A pending packet, or what follows from it, will cause the event.
            Some(interest) if self.is_quiet() && !self.fired => self.check_told(interest),
            _ => Ok(()),
        }
    }

    /// Every condition that holds has been reported.
    fn check_told(&self, interest: Interest) -> Result<(), Broken> {
        let pipe = &self.pipe;
        if !self.known && pipe.kind.server {
            return Ok(());
        }
        let waits = |waiting| waiting || interest.is_level();
        let arrived = self.unread.is_some() || pipe.link == Link::Closing;
        // Of a client, unless the error was taken already.
        let gone = !pipe.kind.server
            && pipe.link == Link::Disconnected
            && self.waits_to_read
            && self.state.read.phase != Phase::Idle;
        promise(
            !(interest.is_readable()
                && pipe.kind.readable
                && waits(self.waits_to_read)
                && (arrived || gone)),
            "an event to read is lost",
        )?;
        // Writing to a server that is gone fails at once.
        let somebody = pipe.has_connection() || !pipe.kind.server;
        let room = somebody && pipe.write == Operation::None;
        promise(
            !(interest.is_writable() && waits(self.waits_to_write) && room),
            "an event to write is lost",
        )?;
        let ended = pipe.link == Link::Closing && self.unread.is_none();
        promise(
            !(interest.is_read_closed()
                && pipe.kind.readable
                && waits(self.waits_for_end)
                && ended),
            "an end is lost",
        )
    }
}

fn would_block<T>(answer: &io::Result<T>) -> bool {
    matches!(answer, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Returns how many states there are; or the broken promise, and the shortest way there.
fn search(kind: Kind, interests: &[Interest], fault: Fault) -> Result<usize, (Broken, Vec<Input>)> {
    let inputs = inputs(interests);
    let first = World::new(kind, fault);
    let mut seen = BTreeSet::from([first.clone()]);
    // Each with the place of the one before it, to find the way.
    let mut queue = vec![(first, 0, Input::TakeReport)];
    let mut next = 0;
    while next < queue.len() {
        let world = queue[next].0.clone();
        for &input in inputs.iter().filter(|&&input| world.admits(input)) {
            let mut after = world.clone();
            if let Err(broken) = after.apply(input) {
                let mut way = vec![input];
                let mut place = next;
                while place > 0 {
                    way.insert(0, queue[place].2);
                    place = queue[place].1;
                }
                return Err((broken, way));
            }
            if seen.insert(after.clone()) {
                queue.push((after, next, input));
            }
        }
        next += 1;
    }
    Ok(seen.len())
}

const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// Which ends are searched, registered with which interests.
fn ends() -> [(Kind, Vec<Interest>); 6] {
    let server = Kind {
        server: true,
        messages: false,
        readable: true,
        listening_ends: false,
    };
    let client = Kind {
        server: false,
        ..server
    };
    let windows = Kind {
        listening_ends: true,
        ..server
    };
    let outbound = Kind {
        readable: false,
        ..server
    };
    let messages = |kind| Kind {
        messages: true,
        ..kind
    };
    [
        (outbound, vec![BOTH, Interest::WRITABLE]),
        (client, vec![BOTH, BOTH.level()]),
        (messages(client), vec![BOTH, BOTH.oneshot()]),
        (server, vec![BOTH, Interest::READ_CLOSED]),
        (messages(windows), vec![BOTH.oneshot()]),
        (server, vec![BOTH.level()]),
    ]
}

#[test]
fn every_promise_holds_whatever_happens() {
    for (kind, interests) in ends() {
        match search(kind, &interests, Fault::None) {
            Ok(states) => {
                println!("{states} states of {kind:?}, {interests:?}");
                // Should a change cut most of it off, this test tests nothing.
                assert!(states > 1_000, "only {states} states");
            }
            Err((broken, way)) => panic!("{kind:?}: {broken}, after {way:?}"),
        }
    }
}

#[test]
fn planted_faults_are_found() {
    for fault in [
        Fault::NobodyIsThere,
        Fault::SomebodyIsThere,
        Fault::NoDataIsAFailure,
        Fault::EmptyMessageIsDropped,
        Fault::StaleIsKept,
        Fault::NoticeIsForgotten,
    ] {
        let mut ends = ends();
        if fault == Fault::EmptyMessageIsDropped {
            // The others have no messages.
            ends.reverse();
        }
        let mut ends = ends.into_iter();
        let found = ends.find_map(|(kind, interests)| search(kind, &interests, fault).err());
        let (broken, way) = found.unwrap_or_else(|| panic!("{fault:?} is not found"));
        println!("{fault:?}: {broken}, after {way:?}");
    }
}

/// A peer that writes and never reads would otherwise keep the poll busy.
#[test]
fn a_dropped_pipe_reads_no_more_than_it_may_discard() {
    let (client, _) = &ends()[1];
    let mut world = World::new(*client, Fault::None);
    for input in [Input::Watch(BOTH), Input::Write, Input::Drop] {
        world.apply(input).unwrap();
    }
    for _ in 0..=DISCARDS {
        assert_eq!(world.pipe.read, Operation::Pending);
        world.apply(Input::PeerWrites { empty: false }).unwrap();
        world.apply(Input::TakeRead).unwrap();
    }
    assert_eq!(world.pipe.read, Operation::None);
    assert!(!world.pipe.closed);
    world.apply(Input::PeerReads { all: true }).unwrap();
    world.apply(Input::TakeWrite).unwrap();
    assert!(world.pipe.closed);
}

/// Applies inputs, of which those that cannot come now are left out.
fn after(kind: Kind, inputs: &[Input]) -> Result<World, Broken> {
    let mut world = World::new(kind, Fault::None);
    for &input in inputs {
        if world.admits(input) {
            world.apply(input)?;
        }
    }
    Ok(world)
}

/// What is reported now.
fn reported(world: &mut World) -> Option<u32> {
    world.pipe.reports = false;
    world.state.report().map(|(_, flags)| flags)
}

/// Another owner of the handle, or a raw call, may end the connection.
#[test]
fn a_server_that_others_have_disconnected_has_no_room() {
    let (server, _) = &ends()[5];
    let mut world = after(*server, &[Input::PeerOpens, Input::Watch(BOTH.level())]).unwrap();
    assert_eq!(reported(&mut world), Some(WRITABLE));
    world.pipe.disconnect().unwrap();
    world.apply(Input::TakeRead).unwrap();
    assert_eq!(reported(&mut world), Some(READABLE));
}

/// Nothing is read that is not there, and nothing before somebody wants to read.
#[test]
fn registering_reads_ahead_if_there_is_a_peer_and_reading_is_watched() {
    let (client, _) = &ends()[1];
    for (interest, read) in [
        (Interest::WRITABLE, Operation::None),
        (Interest::READABLE, Operation::Pending),
        (Interest::READ_CLOSED, Operation::Pending),
    ] {
        let world = after(*client, &[Input::Watch(interest)]).unwrap();
        assert_eq!(world.pipe.read, read, "{interest:?}");
    }
    let (server, _) = &ends()[4];
    let mut world = after(*server, &[Input::Disconnect, Input::Watch(BOTH)]).unwrap();
    assert_eq!(reported(&mut world), None);
}

/// Packets that are taken together cause one report, without another packet.
#[test]
fn a_packet_that_is_taken_needs_no_notice() {
    let (client, _) = &ends()[1];
    let mut world = after(*client, &[Input::Watch(BOTH), Input::TakeReport]).unwrap();
    world
        .call_or_deed(Input::PeerWrites { empty: false })
        .unwrap();
    world.pipe.read = Operation::None;
    world.state.read_ended(&mut world.pipe, Ok(true));
    assert!(world.state.claim_report());
    assert!(!world.state.claim_report());
    world.state.notify(&mut world.pipe).unwrap();
    assert!(!world.pipe.reports, "a notice");
    assert_eq!(reported(&mut world), Some(READABLE));
    assert!(world.state.claim_report());
}
