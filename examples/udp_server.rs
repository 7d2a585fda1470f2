//! A UDP echo server.
//!
//! ```text
//! cargo run --example udp_server --features os-poll,net [-- ADDRESS:PORT]
//! nc -u 127.0.0.1 9000     (in another terminal)
//! ```
//!
//! What it shows:
//!
//! * Receive until `WouldBlock`. If *sending* returns `WouldBlock`, keep the datagram and wait
//!   for the socket to become writable instead of readable.
//! * `Registry::reregister` switches between the two, and reports readiness that is already
//!   there, so no event is lost.
//! * Errors caused by one peer, such as an unreachable address, do not stop the server.
//!
//! The source address of a datagram can be forged. An echo service on a public address can be made
//! to send to third parties, or to exchange datagrams with another echo service forever. Bind it
//! only to addresses in a network you trust.

use std::env;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token, Waker};

const USAGE: &str = "usage: udp_server [ADDRESS:PORT]    (default: 127.0.0.1:9000)";
const DEFAULT_ADDRESS: &str = "127.0.0.1:9000";

const SOCKET: Token = Token(0);
const STOP: Token = Token(1);

/// The largest UDP datagram. With a smaller buffer the system would truncate a datagram (Unix)
/// or return an error (Windows).
const LONGEST_DATAGRAM: usize = 65_535;
/// How many datagrams to echo before checking whether to stop.
const DATAGRAMS_PER_TURN: usize = 256;
/// How long to wait before receiving again after a failure.
const RECEIVE_PAUSE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.iter().any(|it| it == "--help" || it == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let address = match parse_address(&arguments) {
        Ok(address) => address,
        Err(message) => {
            eprintln!("udp_server: {message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match serve(address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("udp_server: {message}");
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
    let socket = UdpSocket::bind(address)
        .map_err(|error| format!("cannot bind to {address}: {error}\n{USAGE}"))?;
    let failed = |error: io::Error| error.to_string();
    let mut server = Server::new(socket).map_err(failed)?;

    // The handler runs on its own thread and has to wake the poll.
    let stop = Arc::new(AtomicBool::new(false));
    let waker = Waker::new(server.poll.registry(), STOP).map_err(failed)?;
    let handler_stop = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        handler_stop.store(true, Ordering::Release);
        if let Err(error) = waker.wake() {
            eprintln!("udp_server: cannot wake the server: {error}");
        }
    })
    .map_err(|error| format!("cannot handle Ctrl-C: {error}"))?;

    let local = server.local;
    println!("Listening on {local}. Press Ctrl-C to stop.");
    println!(
        "Try, in another terminal: nc -u {} {}",
        local.ip(),
        local.port()
    );
    let outcome = server.run(&stop).map_err(failed);
    println!(
        "Stopped. Datagrams echoed: {}; failed to send: {}.",
        server.echoed, server.failed
    );
    outcome
}

struct Server {
    poll: Poll,
    socket: UdpSocket,
    local: SocketAddr,
    buffer: Box<[u8]>,
    /// The datagram in `buffer` that is to be sent: its length and its destination. While there
    /// is one, nothing is received: datagrams that arrive wait in the system's buffer, which
    /// drops them when it is full.
    unsent: Option<(usize, SocketAddr)>,
    /// The interest that the socket is registered with.
    interest: Interest,
    echoed: u64,
    failed: u64,
}

/// How a turn ended, which decides what to wait for.
enum Turn {
    /// Receiving would block: an event reports when to continue.
    NothingToReceive,
    /// Sending would block: an event reports when to continue, if the socket is registered for it.
    NoRoomToSend,
    /// There may be more datagrams, for which no event will come.
    Unfinished,
    /// Receiving failed for an unexpected reason: pause before the next attempt.
    Failed,
}

impl Server {
    fn new(mut socket: UdpSocket) -> io::Result<Server> {
        let poll = Poll::new()?;
        let interest = Interest::READABLE;
        poll.registry().register(&mut socket, SOCKET, interest)?;
        Ok(Server {
            poll,
            local: socket.local_addr()?,
            socket,
            buffer: vec![0; LONGEST_DATAGRAM].into_boxed_slice(),
            unsent: None,
            interest,
            echoed: 0,
            failed: 0,
        })
    }

    fn run(&mut self, stop: &AtomicBool) -> io::Result<()> {
        let mut events = Events::with_capacity(8);
        let mut deadline = None;
        while !stop.load(Ordering::Acquire) {
            self.poll.poll_until(&mut events, deadline)?;
            // It does not matter whether an event, the deadline or the waker ended the poll:
            // there is one socket, and an operation that would block does no harm.
            let turn = self.take_turn();
            deadline = match turn {
                Turn::NothingToReceive | Turn::NoRoomToSend => None,
                Turn::Unfinished => Some(Instant::now()),
                Turn::Failed => Some(Instant::now() + RECEIVE_PAUSE),
            };
            // Register for writability only while waiting for it: the system reports it again
            // after every datagram that was sent.
            let interest = match turn {
                Turn::NoRoomToSend => Interest::WRITABLE,
                _ => Interest::READABLE,
            };
            if interest != self.interest {
                self.interest = interest;
                self.poll
                    .registry()
                    .reregister(&mut self.socket, SOCKET, interest)?;
            }
        }
        Ok(())
    }

    fn take_turn(&mut self) -> Turn {
        for _ in 0..DATAGRAMS_PER_TURN {
            if let Some((len, peer)) = self.unsent {
                match self.socket.send_to(&self.buffer[..len], peer) {
                    Ok(_) => self.echoed += 1,
                    Err(error) => match error.kind() {
                        io::ErrorKind::WouldBlock => return Turn::NoRoomToSend,
                        io::ErrorKind::Interrupted => continue,
                        // The error (no route, a firewall, an ICMP message about an earlier
                        // datagram) need not concern the next destination.
                        _ => self.failed += 1,
                    },
                }
                self.unsent = None;
            }
            match self.socket.recv_from(&mut self.buffer) {
                // A forged datagram with our own address: echoing it would never end.
                Ok((_, peer)) if peer == self.local => {}
                Ok((len, peer)) => self.unsent = Some((len, peer)),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Turn::NothingToReceive,
                    io::ErrorKind::Interrupted => {}
                    // An ICMP message: an earlier reply found no receiver. Windows reports
                    // that here.
                    io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused => {}
                    _ => {
                        eprintln!("udp_server: cannot receive, trying again later: {error}");
                        return Turn::Failed;
                    }
                },
            }
        }
        Turn::Unfinished
    }
}
