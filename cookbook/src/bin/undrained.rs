//! A UDP echo server with a fault that tests on epoll do not find, and without it.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::process::ExitCode;

use cookbook::{parse, run, wrong_arguments};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};

const USAGE: &str = "usage: undrained ADDRESS:PORT once|drain";

const SOCKET: Token = Token(0);

fn main() -> ExitCode {
    run(USAGE, |arguments| {
        let (address, echo): (_, fn(&UdpSocket) -> io::Result<()>) = match *arguments {
            [address, "once"] => (address, echo_once),
            [address, "drain"] => (address, drain),
            _ => return Err(wrong_arguments(arguments)),
        };
        Ok(serve(parse("ADDRESS:PORT", address)?, echo)?)
    })
}

fn serve(address: SocketAddr, echo: fn(&UdpSocket) -> io::Result<()>) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(8);
    let mut socket = UdpSocket::bind(address)?;
    poll.registry()
        .register(&mut socket, SOCKET, Interest::READABLE)?;
    println!("Listening on {}", socket.local_addr()?);
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            match event.token() {
                SOCKET => match echo(&socket) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    result => result?,
                },
                other => unreachable!("{other:?} was never registered"),
            }
        }
    }
}

/// Echoes one datagram. Calling it once per event is the fault.
fn echo_once(socket: &UdpSocket) -> io::Result<()> {
    let mut buffer = [0; 1024];
    let (len, peer) = socket.recv_from(&mut buffer)?;
    socket.send_to(&buffer[..len], peer)?;
    Ok(())
}

/// Echoes until receiving returns `WouldBlock`.
fn drain(socket: &UdpSocket) -> io::Result<()> {
    loop {
        echo_once(socket)?;
    }
}
