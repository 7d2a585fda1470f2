//! The operations over any [`Loop`]. Operations on sockets are left out: the other event loops
//! use the standard library's.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::load::{self, Clients, EventFd};
use crate::loops::Loop;
use crate::operation::{self, repeat, Operation, Run, ACTIVE, BATCH, MESSAGE};

pub fn make<L: Loop>(operation: Operation) -> Option<Run> {
    Some(match operation {
        Operation::WakeRedundant => wake::<L>(false),
        Operation::WakePoll => wake::<L>(true),
        Operation::PollEmpty => poll_ready::<L>(0),
        Operation::PollReady(ready) => poll_ready::<L>(ready),
        Operation::Register | Operation::Deregister if L::REGISTERS_AT_ONCE => {
            register::<L>(operation)
        }
        Operation::Echo(connections) => echo::<L>(connections),
        Operation::Timeout(micros) => timeout::<L>(Duration::from_micros(micros)),
        Operation::Registered(count) => registered::<L>(count),
        _ => return None,
    })
}

fn wake<L: Loop>(with_poll: bool) -> Run {
    let mut event_loop = L::new();
    event_loop.wake();
    repeat(move || {
        event_loop.wake();
        if with_poll {
            event_loop.turn(Some(Duration::ZERO), |_| {});
        }
    })
}

fn poll_ready<L: Loop>(ready: usize) -> Run {
    let mut event_loop = L::new();
    let sources: Vec<EventFd> = (0..ready).map(|_| EventFd::ready()).collect();
    for (key, eventfd) in sources.iter().enumerate() {
        event_loop.add(eventfd.fd(), key, false);
    }
    repeat(move || {
        let _alive = &sources;
        turn_until(&mut event_loop, ready);
    })
}

/// Takes one turn if all events fit into it. libevent's first turns report only some of them,
/// until its list has grown.
fn turn_until<L: Loop>(event_loop: &mut L, ready: usize) {
    let mut count = 0;
    event_loop.turn(Some(Duration::ZERO), |_| count += 1);
    while count < ready {
        event_loop.turn(Some(Duration::ZERO), |_| count += 1);
    }
}

fn register<L: Loop>(which: Operation) -> Run {
    let mut event_loop = L::new();
    let pairs: Vec<_> = (0..BATCH).map(|_| UnixStream::pair().unwrap()).collect();
    Box::new(move |count| {
        let mut elapsed = Duration::ZERO;
        for _ in 0..count {
            let start = Instant::now();
            for (key, (source, _)) in pairs.iter().enumerate() {
                event_loop.add(source.as_raw_fd(), key, true);
            }
            let between = Instant::now();
            for (key, (source, _)) in pairs.iter().enumerate() {
                event_loop.remove(source.as_raw_fd(), key);
            }
            elapsed += match which {
                Operation::Register => between - start,
                _ => between.elapsed(),
            };
        }
        elapsed
    })
}

fn echo<L: Loop>(connections: usize) -> Run {
    let (mut clients, mut servers) = Clients::with_servers(connections);
    let mut event_loop = L::new();
    for (key, server) in servers.iter().enumerate() {
        event_loop.add(server.as_raw_fd(), key, true);
    }
    repeat(move || {
        clients.send();
        let mut left = connections * MESSAGE;
        while left > 0 {
            event_loop.turn(None, |key| left -= send_back(&mut servers[key]));
        }
        clients.receive();
    })
}

/// Sends back all received bytes. Returns their number.
fn send_back(stream: &mut TcpStream) -> usize {
    let mut buf = [0; 1024];
    let mut sent = 0;
    loop {
        match stream.read(&mut buf) {
            Ok(len) => stream.write_all(&buf[..len]).map(|()| sent += len).unwrap(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return sent,
            Err(error) => panic!("{error}"),
        }
    }
}

fn timeout<L: Loop>(timeout: Duration) -> Run {
    let mut event_loop = L::new();
    repeat(move || event_loop.turn(Some(timeout), |_| {}))
}

/// Times only the polls, not the writes that make the sources ready.
fn registered<L: Loop>(count: usize) -> Run {
    let sources: Vec<EventFd> = (0..count).map(|_| EventFd::new()).collect();
    let mut event_loop = L::new();
    for (key, eventfd) in sources.iter().enumerate() {
        event_loop.add(eventfd.fd(), key, true);
    }
    operation::repeat_after(
        move || load::notify_some(&sources),
        move || turn_until(&mut event_loop, ACTIVE),
    )
}

pub fn heap_per_source<L: Loop>() -> f64 {
    const COUNT: usize = 10_000;

    let sources: Vec<EventFd> = (0..COUNT).map(|_| EventFd::new()).collect();
    let mut event_loop = L::new();
    let before = load::heap();
    for (key, eventfd) in sources.iter().enumerate() {
        event_loop.add(eventfd.fd(), key, true);
    }
    event_loop.turn(Some(Duration::ZERO), |_| {});
    (load::heap() - before) as f64 / COUNT as f64
}
