//! An echo server for datagrams.
//!
//! ```text
//! cargo run --example udp_server --features os-poll,net [-- ADDRESS:PORT]
//! nc -u 127.0.0.1 9000     (in another terminal)
//! ```
//!
//! What it shows:
//!
//! * Receiving until `WouldBlock`, and what to do if *sending* answers that: keep the
//!   datagram, and wait for the socket to become writable instead of readable.
//! * `Registry::reregister` switches between the two, and reports what is ready at
//!   that moment, so that no event is lost on the way.
//! * Errors of one peer (it is gone, it cannot be reached) are not the server's end.
//!
//! The sender of a datagram is whoever the datagram says it is. An echo service on a
//! public address can be made to answer strangers, or another echo service for ever.
//! Keep it on addresses that you trust.

use std::env;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token, Waker};

const USAGE: &str = "cargo run --example udp_server --features os-poll,net -- 127.0.0.1:9001";
const DEFAULT_ADDRESS: &str = "127.0.0.1:9000";

const SOCKET: Token = Token(0);
const STOP: Token = Token(1);

/// The longest datagram that UDP has a length for. With less room the system would cut
/// a datagram (Unix) or answer with an error (Windows).
const LONGEST_DATAGRAM: usize = 65_535;
/// How many datagrams to echo before looking whether the program is to end.
const DATAGRAMS_PER_TURN: usize = 256;
/// How long to wait before receiving is tried again after it has failed.
const RECEIVE_PAUSE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let address = env::args().nth(1);
    match serve(address.as_deref().unwrap_or(DEFAULT_ADDRESS)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("udp_server: {message}");
            ExitCode::FAILURE
        }
    }
}

fn serve(address: &str) -> Result<(), String> {
    let socket = bind(address)?;
    let failed = |error: io::Error| error.to_string();
    let mut server = Server::new(socket).map_err(failed)?;

    // The handler runs in a thread of its own, so the poll has to be woken.
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
    println!("Echoing datagrams on {local}. Ctrl-C ends.");
    println!(
        "Try, in another terminal: nc -u {} {}",
        local.ip(),
        local.port()
    );
    let outcome = server.run(&stop).map_err(failed);
    println!(
        "Farewell. Datagrams echoed: {}; not deliverable: {}.",
        server.echoed, server.failed
    );
    outcome
}

fn bind(address: &str) -> Result<UdpSocket, String> {
    let address = address
        .to_socket_addrs()
        .ok()
        .and_then(|mut found| found.next())
        .ok_or_else(|| format!("`{address}` is no address to bind to. Try: {USAGE}"))?;
    UdpSocket::bind(address).map_err(|error| {
        format!("cannot bind to {address}: {error}\nTo choose another address: {USAGE}")
    })
}

struct Server {
    poll: Poll,
    socket: UdpSocket,
    local: SocketAddr,
    buffer: Box<[u8]>,
    /// The datagram in `buffer` that is yet to be sent: its length and its addressee.
    /// While there is one, nothing is received. What arrives waits in the system's
    /// buffer, and is dropped there when that is full, as UDP has it.
    unsent: Option<(usize, SocketAddr)>,
    /// What the socket is registered for.
    interest: Interest,
    echoed: u64,
    failed: u64,
}

/// How a turn ended, and with that what to wait for.
enum Turn {
    /// Nothing more to receive now: an event will tell.
    NothingToReceive,
    /// `unsent` did not fit: an event will tell, if we ask for it.
    NoRoomToSend,
    /// There may be more datagrams, of which no event will tell.
    Unfinished,
    /// Receiving failed for no known reason, and may fail again: not before a pause.
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
        let mut timeout = None;
        while !stop.load(Ordering::Acquire) {
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                // A signal came. Nothing is lost by polling again.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            // There is one socket, and trying in vain does no harm, so that it does not
            // matter whether an event, the timeout or the waker led here.
            let turn = self.take_turn();
            timeout = match turn {
                Turn::NothingToReceive | Turn::NoRoomToSend => None,
                Turn::Unfinished => Some(Duration::ZERO),
                Turn::Failed => Some(RECEIVE_PAUSE),
            };
            // Being writable is asked for only when it is waited for: the system
            // reports it anew after every datagram that has left the machine.
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
                        // Whatever it is (no route, a firewall, an ICMP message about an
                        // earlier datagram), the next one may go to somebody else.
                        _ => self.failed += 1,
                    },
                }
                self.unsent = None;
            }
            match self.socket.recv_from(&mut self.buffer) {
                // Its sender claims to be us. Answering would go on for ever.
                Ok((_, peer)) if peer == self.local => {}
                Ok((len, peer)) => self.unsent = Some((len, peer)),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Turn::NothingToReceive,
                    io::ErrorKind::Interrupted => {}
                    // An ICMP message says that nobody listens where an earlier answer
                    // went to. Windows tells that here.
                    io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused => {}
                    _ => {
                        eprintln!("udp_server: pausing to receive: {error}");
                        return Turn::Failed;
                    }
                },
            }
        }
        Turn::Unfinished
    }
}
