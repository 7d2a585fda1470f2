//! Polls and registrations, over a library with mio's API, which `super` names.

use std::time::{Duration, Instant};

use super::mio::net::UdpSocket;
use super::mio::{Events, Interest, Poll, Registry, Token};
use crate::operation::{repeat, Operation, Run, BATCH};

pub fn poll_and_events() -> (Poll, Events) {
    (Poll::new().unwrap(), Events::with_capacity(1024))
}

/// Registering again makes a socket that is ready be reported again.
pub fn reregister_and_poll(ready: usize) -> Run {
    let (mut poll, mut events) = poll_and_events();
    let mut sockets = udp_sockets(ready);
    for socket in &sockets {
        socket
            .send_to(b"ready", socket.local_addr().unwrap())
            .unwrap();
    }
    register_all(poll.registry(), &mut sockets);
    repeat(move || {
        for (index, socket) in sockets.iter_mut().enumerate() {
            poll.registry()
                .reregister(socket, Token(index), Interest::READABLE)
                .unwrap();
        }
        let mut reported = 0;
        loop {
            poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
            reported += events.iter().count();
            if reported >= ready {
                break;
            }
        }
    })
}

pub fn register(which: Operation) -> Run {
    let poll = Poll::new().unwrap();
    let mut sockets = udp_sockets(BATCH);
    Box::new(move |count| {
        let mut elapsed = Duration::ZERO;
        let both = Interest::READABLE | Interest::WRITABLE;
        let registry = poll.registry();
        for _ in 0..count {
            let start = Instant::now();
            register_all(registry, &mut sockets);
            let registered = Instant::now();
            if which == Operation::Reregister {
                for (index, socket) in sockets.iter_mut().enumerate() {
                    registry.reregister(socket, Token(index), both).unwrap();
                }
            }
            let reregistered = Instant::now();
            deregister_all(registry, &mut sockets);
            elapsed += match which {
                Operation::Register => registered - start,
                Operation::Reregister => reregistered - registered,
                _ => reregistered.elapsed(),
            };
        }
        elapsed
    })
}

/// On Windows the requests are made and cancelled by the polls at the latest.
pub fn register_and_poll() -> Run {
    let (mut poll, mut events) = poll_and_events();
    let mut sockets = udp_sockets(BATCH);
    repeat(move || {
        register_all(poll.registry(), &mut sockets);
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        deregister_all(poll.registry(), &mut sockets);
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
    })
}

fn udp_sockets(count: usize) -> Vec<UdpSocket> {
    let bind = |_| UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    (0..count).map(bind).collect()
}

fn register_all(registry: &Registry, sockets: &mut [UdpSocket]) {
    for (index, socket) in sockets.iter_mut().enumerate() {
        registry
            .register(socket, Token(index), Interest::READABLE)
            .unwrap();
    }
}

fn deregister_all(registry: &Registry, sockets: &mut [UdpSocket]) {
    for socket in sockets {
        registry.deregister(socket).unwrap();
    }
}
