//! An echo server: one thread that serves any number of clients.
//!
//! ```text
//! cargo run --example tcp_server --features os-poll,net [-- ADDRESS:PORT]
//! nc 127.0.0.1 9000        (in another terminal, as often as you like)
//! ```
//!
//! What it shows:
//!
//! * Edge-triggered events are used up by doing I/O until it answers `WouldBlock`.
//! * What a client does not read is kept for it, up to a limit. Beyond the limit the
//!   server stops reading from that client, so that TCP slows it down.
//! * Nobody starves: a client that always has more to send gets a bounded turn.
//! * Running out of descriptors pauses accepting instead of spinning on it.
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

const USAGE: &str = "cargo run --example tcp_server --features os-poll,net -- 127.0.0.1:9001";
const DEFAULT_ADDRESS: &str = "127.0.0.1:9000";

const LISTENER: Token = Token(0);
const STOP: Token = Token(1);
const FIRST_CLIENT: Token = Token(2);

/// How much is read at once. All clients share one such buffer.
const READ_SIZE: usize = 16 * 1024;
/// How much a client may leave unread before the server stops reading from it. A
/// client costs at most this and one `READ_SIZE`.
const UNSENT_LIMIT: usize = 64 * 1024;
/// How many reads a client has in a turn, before the others have theirs.
const READS_PER_TURN: usize = 16;
/// How long to wait before accepting is tried again after it has failed.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let address = env::args().nth(1);
    match serve(address.as_deref().unwrap_or(DEFAULT_ADDRESS)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("tcp_server: {message}");
            ExitCode::FAILURE
        }
    }
}

fn serve(address: &str) -> Result<(), String> {
    let listener = listen(address)?;
    let failed = |error: io::Error| error.to_string();
    let local = listener.local_addr().map_err(failed)?;
    let mut server = Server::new(listener).map_err(failed)?;

    // The handler runs in a thread of its own, so the poll has to be woken.
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

    println!("Echoing on {local}. Ctrl-C ends.");
    println!(
        "Try, in another terminal: nc {} {}",
        local.ip(),
        local.port()
    );
    let outcome = server.run(&stop).map_err(failed);
    server.print_totals();
    outcome
}

fn listen(address: &str) -> Result<TcpListener, String> {
    let address = address
        .to_socket_addrs()
        .ok()
        .and_then(|mut found| found.next())
        .ok_or_else(|| format!("`{address}` is no address to listen on. Try: {USAGE}"))?;
    TcpListener::bind(address).map_err(|error| {
        format!("cannot listen on {address}: {error}\nTo choose another address: {USAGE}")
    })
}

struct Server {
    poll: Poll,
    listener: TcpListener,
    clients: HashMap<Token, Client>,
    /// Counts up and never goes back. A token that was used again could carry a late
    /// event of its former owner.
    next_token: Token,
    /// Whose turn is due: those of whom an event tells, and those whose last turn
    /// ended before `WouldBlock`, and of whom therefore no event will tell.
    due: HashSet<Token>,
    /// When to try again to accept, after that has failed.
    accept_again: Option<Instant>,
    scratch: Box<[u8]>,
    /// How much the clients that are gone got back.
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
            match self.poll.poll(&mut events, self.timeout()) {
                Ok(()) => {}
                // A signal came. Nothing is lost by polling again.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            for event in &events {
                match event.token() {
                    // Retrying is a matter of the clock, once it has failed. Some systems report
                    // the listener again at once; to listen to them would be to spin.
                    LISTENER if self.accept_again.is_some() => {}
                    LISTENER => self.accept(),
                    STOP => {} // The loop's condition looks at what it means.
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

    /// How long the poll may block: not at all while turns are due, and otherwise for
    /// ever, unless accepting is to be tried again.
    fn timeout(&self) -> Option<Duration> {
        if !self.due.is_empty() {
            return Some(Duration::ZERO);
        }
        self.accept_again
            .map(|at| at.saturating_duration_since(Instant::now()))
    }

    fn accept(&mut self) {
        let was_pausing = self.accept_again.take().is_some();
        loop {
            match self.listener.accept() {
                Ok((stream, peer)) => self.welcome(stream, peer),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return,
                    io::ErrorKind::Interrupted => {}
                    // The client gave up while it waited. The next one may not have.
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset => {}
                    // Most likely there is no descriptor left. The connection goes on
                    // waiting, but no event will announce it again: that has to be
                    // remembered. Trying at once would spin.
                    _ => {
                        if !was_pausing {
                            eprintln!("tcp_server: pausing to accept: {error}");
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
        // What somebody types should come back at once. Failure only makes it slower.
        let _ = stream.set_nodelay(true);
        // Both directions from the start: an edge costs nothing while it does not
        // arise, and the registration never has to be changed.
        let both = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut stream, token, both) {
            eprintln!("tcp_server: turning {peer} away: {error}");
            return;
        }
        println!("{peer} connected");
        self.clients.insert(token, Client::new(stream, peer));
    }

    fn give_turn(&mut self, token: Token) {
        let Some(client) = self.clients.get_mut(&token) else {
            return; // The event is about a client that is gone.
        };
        let reason = match client.take_turn(&mut self.scratch) {
            Ok(Turn::WouldBlock) => return,
            Ok(Turn::Unfinished) => {
                self.due.insert(token);
                return;
            }
            Ok(Turn::Finished) => "closed".to_owned(),
            Err(error) => format!("lost: {error}"),
        };
        println!("{} {reason}, {} bytes echoed", client.peer, client.echoed);
        self.echoed += client.echoed;
        // Closes the stream, which also ends the registration, for nobody else has it.
        self.clients.remove(&token);
        // There is a descriptor again.
        if let Some(at) = &mut self.accept_again {
            *at = Instant::now();
        }
    }

    fn print_totals(&self) {
        let clients = self.next_token.0 - FIRST_CLIENT.0;
        let connected = self.clients.len();
        let echoed = self.echoed + self.clients.values().map(|it| it.echoed).sum::<u64>();
        println!("Farewell. Clients: {clients} ({connected} at the end); bytes echoed: {echoed}.");
    }
}

struct Client {
    stream: TcpStream,
    peer: SocketAddr,
    unsent: VecDeque<u8>,
    /// Whether the client has said all that it will. It may still be listening.
    at_end: bool,
    echoed: u64,
}

/// How a client's turn ended.
enum Turn {
    /// In `WouldBlock`, so that an event will tell when to go on.
    WouldBlock,
    /// In the midst of things. No event will come for what is already there.
    Unfinished,
    /// With everything sent to a client that will say no more.
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

    /// Sends and receives as much as is possible now and due to one client.
    ///
    /// It does not matter which event led here. Events are hints and may be spurious,
    /// and after a pause in reading it is a *writable* event that lets reading go on.
    fn take_turn(&mut self, scratch: &mut [u8]) -> io::Result<Turn> {
        for _ in 0..READS_PER_TURN {
            self.send()?;
            if self.at_end && self.unsent.is_empty() {
                return Ok(Turn::Finished);
            }
            if self.at_end || self.unsent.len() >= UNSENT_LIMIT {
                // Sending would block: there will be a writable event.
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

    /// Sends what is unsent, until all is or sending would block.
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
