//! Connecting with a timeout, to the first address of a host that accepts the connection.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cookbook::{parse, run, wrong_arguments, Error};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

const USAGE: &str = "usage: connect HOST:PORT MILLISECONDS";

const STREAM: Token = Token(0);

fn main() -> ExitCode {
    run(USAGE, |arguments| {
        let [host, timeout] = arguments[..] else {
            return Err(wrong_arguments(arguments));
        };
        let timeout = Duration::from_millis(parse("MILLISECONDS", timeout)?);
        // Looking up a name blocks. A program with other work does it in a thread.
        let addresses: Vec<_> = host.to_socket_addrs()?.collect();
        let deadline = Instant::now() + timeout;
        let stream = connect_to_any(&addresses, deadline)?;
        println!(
            "connected to {} from {}",
            stream.peer_addr()?,
            stream.local_addr()?
        );
        Ok(())
    })
}

/// Tries one address after the other.
fn connect_to_any(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, Error> {
    let mut poll = Poll::new()?;
    let mut last = Err("the host has no address".into());
    for (at, &address) in addresses.iter().enumerate() {
        // An address that does not respond must not use up the time of the others.
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / (addresses.len() - at) as u32;
        match connect(&mut poll, address, Instant::now() + share) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Err(format!("cannot connect to {address}: {error}").into()),
        }
    }
    last
}

fn connect(poll: &mut Poll, address: SocketAddr, deadline: Instant) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    poll.registry()
        .register(&mut stream, STREAM, Interest::WRITABLE)?;
    let mut events = Events::with_capacity(1);
    loop {
        let timeout = deadline.saturating_duration_since(Instant::now());
        match poll.poll(&mut events, Some(timeout)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        // Rely on the socket, not on the flags of the event.
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        match stream.peer_addr() {
            Ok(_) => return Ok(stream),
            Err(error) if error.kind() == ErrorKind::NotConnected => {}
            Err(error) => return Err(error),
        }
        // Check the time last: a connection that was established in time counts.
        if deadline <= Instant::now() {
            // Dropping the stream ends the attempt and its registration.
            return Err(ErrorKind::TimedOut.into());
        }
    }
}
