//! One poll per core: threads that share a port and nothing else.

use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

use cookbook::{parse, run, wrong_arguments, Error};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, Socket, Type};

const USAGE: &str = "usage: per_core ADDRESS:PORT [THREADS]    (default: one per core)";

const LISTENER: Token = Token(0);

fn main() -> ExitCode {
    run(USAGE, |arguments| {
        let (address, threads) = match *arguments {
            [address] => (address, thread::available_parallelism()?.get()),
            [address, threads] => (address, parse("THREADS", threads)?),
            _ => return Err(wrong_arguments(arguments)),
        };
        serve(parse("ADDRESS:PORT", address)?, threads)
    })
}

/// A listener on a port that others listen on as well. All of them need the option.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(TcpListener::from_std(socket.into()))
}

fn serve(address: SocketAddr, threads: usize) -> Result<(), Error> {
    // Bind all listeners before starting a thread: an error is reported immediately, and port 0
    // becomes the same port for all.
    let first = listen(address)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..threads {
        listeners.push(listen(address)?);
    }
    let (failed, failure) = mpsc::channel();
    for (number, listener) in listeners.into_iter().enumerate() {
        let failed = failed.clone();
        thread::Builder::new().spawn(move || {
            if let Err(error) = accept_in_thread(number, listener) {
                let _ = failed.send(error);
            }
        })?;
    }
    println!("Listening on {address}");
    // A thread that fails ends the program, because its connections would wait forever.
    Err(failure.recv()?.into())
}

/// The loop of a thread, with a poll and connections of its own.
fn accept_in_thread(number: usize, mut listener: TcpListener) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(256);
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let answer = format!("thread {number}\n");
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        loop {
            match listener.accept() {
                // So little fits into the empty buffer of a new connection.
                Ok((mut stream, _peer)) => drop(stream.write_all(answer.as_bytes())),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => break,
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                    _ => return Err(error),
                },
            }
        }
    }
}
