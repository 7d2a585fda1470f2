//! Timers with deadlines: a TCP server that disconnects idle clients.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{self, ErrorKind, Read};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cookbook::{parse, run, wrong_arguments};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const USAGE: &str = "usage: timers ADDRESS:PORT MILLISECONDS";

const LISTENER: Token = Token(0);

fn main() -> ExitCode {
    run(USAGE, |arguments| {
        let [address, idle] = arguments[..] else {
            return Err(wrong_arguments(arguments));
        };
        let idle = Duration::from_millis(parse("MILLISECONDS", idle)?);
        Ok(Server::new(parse("ADDRESS:PORT", address)?, idle)?.run()?)
    })
}

/// One deadline per token. It can be moved and removed.
#[derive(Default)]
struct Timers {
    deadlines: HashMap<Token, Instant>,
    /// When to check a token: at its deadline, or earlier if the deadline has been postponed.
    /// Entries of removed timers remain until then.
    queue: BinaryHeap<Reverse<(Instant, Token)>>,
}

impl Timers {
    fn set(&mut self, token: Token, deadline: Instant) {
        match self.deadlines.insert(token, deadline) {
            // Keep the earlier entry, which `expired` moves. An idle timer that is postponed a
            // thousand times has one entry, not a thousand.
            Some(former) if former <= deadline => {}
            _ => self.queue.push(Reverse((deadline, token))),
        }
    }

    fn remove(&mut self, token: Token) {
        self.deadlines.remove(&token);
        // Most entries are of removed timers: discard them.
        if self.queue.len() > 2 * self.deadlines.len() + 16 {
            let deadlines = self.deadlines.iter();
            self.queue = deadlines.map(|(&it, &at)| Reverse((at, it))).collect();
        }
    }

    /// How long the poll may block. Without a timer it is `None`, not a large number.
    fn timeout(&self) -> Option<Duration> {
        let Reverse((at, _)) = self.queue.peek()?;
        Some(at.saturating_duration_since(Instant::now()))
    }

    /// Removes one timer whose deadline has passed.
    fn expired(&mut self, now: Instant) -> Option<Token> {
        while let Some(&Reverse((at, token))) = self.queue.peek() {
            if at > now {
                return None;
            }
            self.queue.pop();
            match self.deadlines.get(&token) {
                Some(&deadline) if deadline > now => self.queue.push(Reverse((deadline, token))),
                Some(_) => {
                    self.deadlines.remove(&token);
                    return Some(token);
                }
                None => {}
            }
        }
        None
    }
}

struct Server {
    poll: Poll,
    listener: TcpListener,
    clients: HashMap<Token, TcpStream>,
    next_token: Token,
    timers: Timers,
    idle: Duration,
}

impl Server {
    fn new(address: SocketAddr, idle: Duration) -> io::Result<Server> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(address)?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        println!("Listening on {}", listener.local_addr()?);
        Ok(Server {
            poll,
            listener,
            clients: HashMap::new(),
            next_token: Token(LISTENER.0 + 1),
            timers: Timers::default(),
            idle,
        })
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        loop {
            // Compute the timeout before every poll, including after an interruption.
            match self.poll.poll(&mut events, self.timers.timeout()) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            // Events first: data that arrived in time but is read late is not a timeout.
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    client => self.receive(client),
                }
            }
            // Read the clock once: a handler that sets a timer to "now" must not keep the loop here.
            let now = Instant::now();
            while let Some(client) = self.timers.expired(now) {
                println!("client {} was idle", client.0);
                self.clients.remove(&client);
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((mut stream, _peer)) => {
                    let token = self.next_token;
                    self.next_token.0 += 1;
                    self.poll
                        .registry()
                        .register(&mut stream, token, Interest::READABLE)?;
                    self.clients.insert(token, stream);
                    self.timers.set(token, Instant::now() + self.idle);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Discards what the client sends, and postpones its deadline.
    fn receive(&mut self, token: Token) {
        let Some(stream) = self.clients.get_mut(&token) else {
            return; // An event of a client that was just removed.
        };
        match drain(stream) {
            Ok(Drained::Open { received: false }) => {}
            Ok(Drained::Open { received: true }) => {
                self.timers.set(token, Instant::now() + self.idle);
            }
            Ok(Drained::Closed) | Err(_) => {
                self.clients.remove(&token);
                self.timers.remove(token);
            }
        }
    }
}

enum Drained {
    Open { received: bool },
    Closed,
}

fn drain(stream: &mut TcpStream) -> io::Result<Drained> {
    let mut received = false;
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(Drained::Closed),
            Ok(_) => received = true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Ok(Drained::Open { received });
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
