//! The echo server: one thread, one poll, few events at a time, a bounded turn for each.

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

const LISTENER: Token = Token(usize::MAX);
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// Few, compared with the thousands of sources.
const EVENTS: usize = 64;

/// How much a connection may read or write in its turn.
const TURN: usize = 16 << 10;

pub(crate) struct Server {
    poll: Poll,
    events: Events,
    listener: TcpListener,
    connections: HashMap<usize, Connection>,
    next: usize,
    /// The connections with more to do, in the order of their turns.
    unfinished: VecDeque<usize>,
    echoed: u64,
}

struct Connection {
    stream: TcpStream,
    /// The bytes that are read, and not yet written.
    held: VecDeque<u8>,
    ended: bool,
    queued: bool,
}

/// How a turn ended.
enum Turn {
    /// The connection must wait for an event.
    Blocked,
    Unfinished,
    Over,
}

impl Server {
    pub(crate) fn bind() -> io::Result<Server> {
        let poll = Poll::new()?;
        // A larger backlog than the usual 128: Linux drops connections that do not fit, and a
        // client that then sends nothing is never notified.
        let listener = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None)?;
        listener.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into())?;
        listener.listen(4096)?;
        let mut listener = TcpListener::from_std(listener.into());
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Server {
            poll,
            events: Events::with_capacity(EVENTS),
            listener,
            connections: HashMap::new(),
            next: 0,
            unfinished: VecDeque::new(),
            echoed: 0,
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    /// Serves until the time is over and only the last connections remain, which have sent
    /// nothing.
    pub(crate) fn echo(&mut self, last: usize, time: Duration) -> io::Result<()> {
        let start = Instant::now();
        let (mut polls, mut memory) = (0_u64, None);
        loop {
            let waiting = !self.unfinished.is_empty();
            let timeout = if waiting {
                Duration::ZERO
            } else {
                Duration::from_millis(200)
            };
            self.poll.poll(&mut self.events, Some(timeout))?;
            polls += 1;
            let is_over = start.elapsed() > time + Duration::from_secs(1);
            if self.events.is_empty() && !waiting && is_over && self.connections.len() == last {
                break;
            }
            assert!(
                start.elapsed() < time * 4 + Duration::from_secs(120),
                "it does not end"
            );
            let tokens: Vec<Token> = self.events.iter().map(|event| event.token()).collect();
            for token in tokens {
                match token {
                    LISTENER => self.accept()?,
                    Token(number) => self.queue(number),
                }
            }
            for _ in 0..self.unfinished.len() {
                self.turn()?;
            }
            if memory.is_none() && start.elapsed() > time / 3 {
                memory = Some(resident());
            }
        }
        let (before, after) = (memory.unwrap_or_else(resident), resident());
        println!(
            "server: {} connections in all, {} echoed bytes, {polls} polls, memory {before} KiB, then {after} KiB",
            self.next, self.echoed
        );
        assert!(after < before + before / 5 + 4096, "memory grows");
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((mut stream, _)) => {
                    let number = self.next;
                    self.next += 1;
                    self.poll
                        .registry()
                        .register(&mut stream, Token(number), BOTH)?;
                    let connection = Connection {
                        stream,
                        held: VecDeque::new(),
                        ended: false,
                        queued: false,
                    };
                    self.connections.insert(number, connection);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn queue(&mut self, number: usize) {
        let connection = self.connections.get_mut(&number);
        let connection = connection.expect("an event without a connection");
        if !std::mem::replace(&mut connection.queued, true) {
            self.unfinished.push_back(number);
        }
    }

    fn turn(&mut self) -> io::Result<()> {
        let Some(number) = self.unfinished.pop_front() else {
            return Ok(());
        };
        let connection = self.connections.get_mut(&number).unwrap();
        connection.queued = false;
        match connection.turn(&mut self.echoed) {
            Ok(Turn::Blocked) => {}
            Ok(Turn::Unfinished) => {
                connection.queued = true;
                self.unfinished.push_back(number);
            }
            // A reset can arrive at any time.
            Ok(Turn::Over) | Err(_) => {
                let mut connection = self.connections.remove(&number).unwrap();
                self.poll.registry().deregister(&mut connection.stream)?;
            }
        }
        Ok(())
    }

    /// Makes all connections readable at once, level-triggered. Each must be reported within a few
    /// more polls than it takes to report all of them once.
    pub(crate) fn expect_turns(&mut self, count: usize) -> io::Result<()> {
        for (&number, connection) in &mut self.connections {
            let level = Interest::READABLE.level();
            let registry = self.poll.registry();
            registry.reregister(&mut connection.stream, Token(number), level)?;
            // The client replies with a byte.
            connection.stream.write_all(&[0])?;
        }
        // Wait until every reply has arrived, without reading any.
        let end = Instant::now() + Duration::from_secs(60);
        for connection in self.connections.values() {
            while connection.stream.peek(&mut [0]).is_err() {
                assert!(Instant::now() < end, "a byte does not arrive");
                std::thread::yield_now();
            }
        }
        let bound = 2 * count.div_ceil(EVENTS) + 8;
        let mut polls = 0;
        while !self.connections.is_empty() {
            polls += 1;
            assert!(polls <= bound, "{} were not served", self.connections.len());
            self.poll
                .poll(&mut self.events, Some(Duration::from_secs(10)))?;
            for event in &self.events {
                // The client waits for the connection to be closed.
                self.connections.remove(&event.token().0);
            }
        }
        println!("server: {count} ready at once, all served in {polls} polls of {EVENTS} events");
        Ok(())
    }
}

impl Connection {
    fn turn(&mut self, echoed: &mut u64) -> io::Result<Turn> {
        let mut buf = [0; TURN];
        let mut blocked = self.ended;
        if !self.ended && self.held.len() < TURN {
            match self.stream.read(&mut buf) {
                Ok(0) => self.ended = true,
                Ok(len) => self.held.extend(&buf[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => blocked = true,
                Err(error) => return Err(error),
            }
        }
        while !self.held.is_empty() {
            match self.stream.write(self.held.as_slices().0) {
                Ok(len) => {
                    self.held.drain(..len);
                    *echoed += len as u64;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // Full: continue reading when there is space again.
                    return Ok(Turn::Blocked);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(match (self.ended, blocked) {
            (true, _) => Turn::Over,
            (false, true) => Turn::Blocked,
            (false, false) => Turn::Unfinished,
        })
    }
}

/// The memory of this process, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
