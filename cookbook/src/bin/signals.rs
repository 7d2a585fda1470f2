//! Signals: each becomes readiness of a pipe.

use std::io::{self, ErrorKind, Read};
use std::process::{self, ExitCode};

use cookbook::{run, wrong_arguments};
use mio::unix::pipe::{self, Receiver};
use mio::{Events, Interest, Poll, Token};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::low_level;

const USAGE: &str = "usage: signals    (then send it SIGHUP, SIGUSR1, SIGTERM or SIGINT)";

const SIGNALS: [i32; 4] = [SIGHUP, SIGUSR1, SIGTERM, SIGINT];

fn main() -> ExitCode {
    run(USAGE, |arguments| match arguments {
        [] => Ok(wait_for_signals()?),
        _ => Err(wrong_arguments(arguments)),
    })
}

/// A pipe that becomes readable when the process gets the signal.
fn signal_pipe(signal: i32) -> io::Result<Receiver> {
    // Both ends are non-blocking. While the pipe is full, the handler discards further bytes,
    // and the bytes in the pipe still report the signal.
    let (sender, receiver) = pipe::new()?;
    low_level::pipe::register(signal, sender)?;
    Ok(receiver)
}

fn wait_for_signals() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(SIGNALS.len());
    // The token identifies the signal.
    let mut pipes = Vec::new();
    for (at, signal) in SIGNALS.into_iter().enumerate() {
        let mut pipe = signal_pipe(signal)?;
        poll.registry()
            .register(&mut pipe, Token(at), Interest::READABLE)?;
        pipes.push(pipe);
    }
    println!("process {}", process::id());

    let mut reloads = 0;
    loop {
        match poll.poll(&mut events, None) {
            // A signal interrupts the poll. The next poll returns its event.
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            let Token(at) = event.token();
            if !drain(&mut pipes[at])? {
                continue;
            }
            match SIGNALS[at] {
                SIGHUP => {
                    reloads += 1;
                    println!("reloading");
                }
                SIGUSR1 => println!("reloaded {reloads} times"),
                _ => {
                    println!("stopping");
                    return Ok(());
                }
            }
        }
    }
}

/// Empties the pipe. Returns whether there was a signal. Their number is unknown: the system
/// merges signals that arrive before they are handled.
fn drain(pipe: &mut Receiver) -> io::Result<bool> {
    let mut received = false;
    let mut buffer = [0; 64];
    loop {
        match pipe.read(&mut buffer) {
            // The handler keeps the sending end, so the pipe does not end.
            Ok(_) => received = true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(received),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
