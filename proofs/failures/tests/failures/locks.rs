//! No lock is held while a poll in another thread is interrupted: the thread that wakes up needs
//! the lock immediately, and would go to sleep again. The tests use the registry within the `write`
//! that interrupts the poll; if the lock is held there, they hang.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread;

use mio::net::UdpSocket;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token, Waker};

use super::interpose;

/// Whether changes interrupt a poll, which they do if the kernel does not apply them itself.
const POLL2: bool = cfg!(mio_unsupported_force_poll_poll);

/// Repeats the change that `prepare` returns until it has interrupted a poll.
fn interrupt_by<C: FnMut(&Registry, &Waker)>(prepare: impl FnOnce(&Registry) -> C) {
    let _alone = super::alone();
    let mut poll = Poll::new().unwrap();
    let registry = poll.registry().try_clone().unwrap();
    let waker = Waker::new(&registry, Token(0)).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let polling = thread::spawn(move || {
        let mut events = Events::with_capacity(4);
        while !stopped.load(Ordering::Acquire) {
            poll.poll(&mut events, None).unwrap();
        }
    });

    let mut change = prepare(&registry);
    let interrupted = Rc::new(Cell::new(false));
    let (seen, own) = (Rc::clone(&interrupted), registry.try_clone().unwrap());
    interpose::within_write(move || {
        // It takes the lock to look up the source, and finds none.
        own.deregister(&mut SourceFd(&-1)).unwrap_err();
        seen.set(true);
    });
    while !interrupted.get() {
        change(&registry, &waker);
    }
    stop.store(true, Ordering::Release);
    waker.wake().unwrap();
    polling.join().unwrap();
}

/// Two sockets that use `send` and `recv`, not `write`.
fn pair() -> (UdpSocket, UdpSocket) {
    let any_port: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    let [a, b] = [(); 2].map(|()| UdpSocket::bind(any_port).unwrap());
    a.connect(b.local_addr().unwrap()).unwrap();
    b.connect(a.local_addr().unwrap()).unwrap();
    (a, b)
}

/// A registered source.
fn registered(registry: &Registry) -> (UdpSocket, UdpSocket) {
    let (mut source, peer) = pair();
    registry
        .register(&mut source, Token(1), Interest::READABLE)
        .unwrap();
    (source, peer)
}

#[test]
fn a_wake_interrupts_without_a_lock() {
    interrupt_by(|_| |_: &Registry, waker: &Waker| waker.wake().unwrap());
}

#[test]
fn registering_interrupts_without_a_lock() {
    if !POLL2 {
        return;
    }
    interrupt_by(|_| {
        let (mut source, _peer) = pair();
        move |registry: &Registry, _: &Waker| {
            registry
                .register(&mut source, Token(1), Interest::READABLE)
                .unwrap();
            registry.deregister(&mut source).unwrap();
        }
    });
}

#[test]
fn reregistering_interrupts_without_a_lock() {
    if !POLL2 {
        return;
    }
    interrupt_by(|registry| {
        let (mut source, _peer) = registered(registry);
        move |registry: &Registry, _: &Waker| {
            registry
                .reregister(&mut source, Token(1), Interest::READABLE)
                .unwrap();
        }
    });
}

#[test]
fn arming_an_edge_again_interrupts_without_a_lock() {
    if !POLL2 {
        return;
    }
    interrupt_by(|registry| {
        let (source, peer) = registered(registry);
        move |_: &Registry, _: &Waker| {
            peer.send(b"x").unwrap();
            while source.recv(&mut [0]).is_ok() {}
        }
    });
}
