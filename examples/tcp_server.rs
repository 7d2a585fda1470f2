//! A TCP echo server: one thread serves any number of clients.
//!
//! ```text
//! cargo run --example tcp_server --features os-poll,net [-- ADDRESS:PORT]
//! nc 127.0.0.1 9000        (in any number of other terminals)
//! ```
//!
//! What it shows:
//!
//! * Edge-triggered events require I/O until it returns `WouldBlock`.
//! * Output that a client does not read is buffered up to a limit. Beyond it, the server stops
//!   reading from that client, and TCP flow control slows the client down.
//! * Fairness: a client that always has more to send gets a bounded turn.
//! * When the process runs out of descriptors, accepting pauses instead of spinning.
//! * Ctrl-C ends the loop through a `Waker`.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{self, IoSlice, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, mem};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};

const USAGE: &str = "usage: tcp_server [ADDRESS:PORT]    (default: 127.0.0.1:9000)";
const DEFAULT_ADDRESS: &str = "127.0.0.1:9000";

const LISTENER: Token = Token(0);
const STOP: Token = Token(1);
const FIRST_CLIENT: Token = Token(2);

/// The size of the read buffer, which all clients share.
const READ_SIZE: usize = 16 * 1024;
/// How much output a client may leave unread before the server stops reading from it. A client
/// uses at most this much memory and one `READ_SIZE`.
const UNSENT_LIMIT: usize = 64 * 1024;
/// The number of reads in one client's turn.
const READS_PER_TURN: usize = 16;
/// How long to wait before accepting again after a failure.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.iter().any(|it| it == "--help" || it == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let address = match parse_address(&arguments) {
        Ok(address) => address,
        Err(message) => {
            eprintln!("tcp_server: {message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match serve(address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("tcp_server: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the address from the command line. An error is a message for the user.
fn parse_address(arguments: &[String]) -> Result<SocketAddr, String> {
    let argument = match arguments {
        [] => DEFAULT_ADDRESS,
        [address] => address,
        [_, extra, ..] => return Err(format!("unexpected argument `{extra}`")),
    };
    let invalid = |error: io::Error| match error.kind() {
        io::ErrorKind::InvalidInput => {
            format!("invalid address `{argument}`: expected ADDRESS:PORT")
        }
        _ => format!("cannot resolve `{argument}`: {error}"),
    };
    let mut addresses = argument.to_socket_addrs().map_err(invalid)?;
    addresses
        .next()
        .ok_or_else(|| format!("`{argument}` has no address"))
}

fn serve(address: SocketAddr) -> Result<(), String> {
    let listener = TcpListener::bind(address)
        .map_err(|error| format!("cannot listen on {address}: {error}\n{USAGE}"))?;
    let failed = |error: io::Error| error.to_string();
    let local = listener.local_addr().map_err(failed)?;
    let mut server = Server::new(listener).map_err(failed)?;

    // The handler runs on its own thread and has to wake the poll.
    let stop = Arc::new(AtomicBool::new(false));
    let waker = Waker::new(server.poll.registry(), STOP).map_err(failed)?;
    let handler_stop = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        handler_stop.store(true, Ordering::Release);
        if let Err(error) = waker.wake() {
            eprintln!("tcp_server: cannot wake the server: {error}");
        }
    })
    .map_err(|error| format!("cannot handle Ctrl-C: {error}"))?;

    println!("Listening on {local}. Press Ctrl-C to stop.");
    println!(
        "Try, in another terminal: nc {} {}",
        local.ip(),
        local.port()
    );
    let outcome = server.run(&stop).map_err(failed);
    server.print_totals();
    outcome
}

struct Server {
    poll: Poll,
    listener: TcpListener,
    clients: HashMap<Token, Client>,
    /// Only ever increases: a reused token could carry a late event of its former client.
    next_token: Token,
    /// Clients whose turn is due: those with an event, and those whose last turn ended before
    /// `WouldBlock`, for which no further event will come.
    due: HashSet<Token>,
    /// When to accept again after a failure.
    accept_again: Option<Instant>,
    scratch: Box<[u8]>,
    /// The bytes echoed to clients that have disconnected.
    echoed: u64,
}

impl Server {
    fn new(mut listener: TcpListener) -> io::Result<Server> {
        let poll = Poll::new()?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Server {
            poll,
            listener,
            clients: HashMap::new(),
            next_token: FIRST_CLIENT,
            due: HashSet::new(),
            accept_again: None,
            scratch: vec![0; READ_SIZE].into_boxed_slice(),
            echoed: 0,
        })
    }

    fn run(&mut self, stop: &AtomicBool) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        while !stop.load(Ordering::Acquire) {
            self.poll.poll_until(&mut events, self.deadline())?;
            for event in &events {
                match event.token() {
                    // After a failure the next attempt waits for the timeout. Some systems
                    // report the listener again after some milliseconds.
                    LISTENER if self.accept_again.is_some() => {}
                    LISTENER => self.accept(),
                    STOP => {} // The loop condition reads the flag.
                    client => {
                        self.due.insert(client);
                    }
                }
            }
            for token in mem::take(&mut self.due) {
                self.give_turn(token);
            }
            if matches!(self.accept_again, Some(at) if at <= Instant::now()) {
                self.accept();
            }
        }
        Ok(())
    }

    /// Until when the poll may block: not at all while turns are due, until the next attempt to
    /// accept if one is scheduled, and otherwise without a limit.
    fn deadline(&self) -> Option<Instant> {
        if !self.due.is_empty() {
            return Some(Instant::now());
        }
        self.accept_again
    }

    fn accept(&mut self) {
        let was_pausing = self.accept_again.take().is_some();
        loop {
            match self.listener.accept() {
                Ok((stream, peer)) => self.welcome(stream, peer),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return,
                    io::ErrorKind::Interrupted => {}
                    // This client has disconnected already; others may be pending.
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset => {}
                    // Most likely the process has run out of descriptors. The connection stays
                    // pending, but no further event will report it, so schedule another
                    // attempt. An immediate one would spin.
                    _ => {
                        if !was_pausing {
                            eprintln!("tcp_server: cannot accept connections, trying again later: {error}");
                        }
                        self.accept_again = Some(Instant::now() + ACCEPT_PAUSE);
                        return;
                    }
                },
            }
        }
    }

    fn welcome(&mut self, mut stream: TcpStream, peer: SocketAddr) {
        let token = self.next_token;
        self.next_token.0 += 1;
        // Send small replies immediately. If this fails, they are only slower.
        let _ = stream.set_nodelay(true);
        // Register for both directions once: an edge-triggered direction that does not become
        // ready costs nothing, and the registration never has to change.
        let both = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut stream, token, both) {
            eprintln!("tcp_server: cannot register the connection of {peer}: {error}");
            return;
        }
        println!("{peer} connected");
        self.clients.insert(token, Client::new(stream, peer));
    }

    fn give_turn(&mut self, token: Token) {
        let Some(client) = self.clients.get_mut(&token) else {
            return; // The event belongs to a client that was removed.
        };
        let reason = match client.take_turn(&mut self.scratch) {
            Ok(Turn::WouldBlock) => return,
            Ok(Turn::Unfinished) => {
                self.due.insert(token);
                return;
            }
            Ok(Turn::Finished) => "disconnected".to_owned(),
            Err(error) => format!("failed: {error}"),
        };
        println!("{} {reason}, {} bytes echoed", client.peer, client.echoed);
        self.echoed += client.echoed;
        // Closes the stream, which also ends its registration.
        self.clients.remove(&token);
        // A descriptor is free again.
        if let Some(at) = &mut self.accept_again {
            *at = Instant::now();
        }
    }

    fn print_totals(&self) {
        let clients = self.next_token.0 - FIRST_CLIENT.0;
        let connected = self.clients.len();
        let echoed = self.echoed + self.clients.values().map(|it| it.echoed).sum::<u64>();
        println!(
            "Stopped. Clients: {clients} ({connected} still connected); bytes echoed: {echoed}."
        );
    }
}

struct Client {
    stream: TcpStream,
    peer: SocketAddr,
    unsent: VecDeque<u8>,
    /// Whether the client has shut down its sending side. It may still be reading.
    at_end: bool,
    echoed: u64,
}

/// How a client's turn ended.
enum Turn {
    /// In `WouldBlock`: an event reports when to continue.
    WouldBlock,
    /// Before `WouldBlock`: no event will come for data that has already arrived.
    Unfinished,
    /// With all output sent to a client that has shut down its sending side.
    Finished,
}

impl Client {
    fn new(stream: TcpStream, peer: SocketAddr) -> Client {
        Client {
            stream,
            peer,
            unsent: VecDeque::new(),
            at_end: false,
            echoed: 0,
        }
    }

    /// Sends and receives as much as is possible without blocking, within one turn.
    ///
    /// It does not matter which event caused the turn. Events may be spurious, and after a pause
    /// in reading it is a *writable* event that resumes reading.
    fn take_turn(&mut self, scratch: &mut [u8]) -> io::Result<Turn> {
        for _ in 0..READS_PER_TURN {
            self.send()?;
            if self.at_end && self.unsent.is_empty() {
                return Ok(Turn::Finished);
            }
            if self.at_end || self.unsent.len() >= UNSENT_LIMIT {
                // Sending returned `WouldBlock`: a writable event will follow.
                return Ok(Turn::WouldBlock);
            }
            match self.stream.read(scratch) {
                Ok(0) => self.at_end = true,
                Ok(len) => self.unsent.extend(&scratch[..len]),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(Turn::WouldBlock),
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
        Ok(Turn::Unfinished)
    }

    /// Sends buffered output until the buffer is empty or sending would block.
    fn send(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            // The two halves of the ring buffer, in one system call.
            let (front, back) = self.unsent.as_slices();
            let slices = [IoSlice::new(front), IoSlice::new(back)];
            match self.stream.write_vectored(&slices) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => {
                    self.unsent.drain(..len);
                    self.echoed += len as u64;
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(()),
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
        Ok(())
    }
}
