//! The shared state of the poll(2) selector. Registrations, changes and armed edges take effect in
//! a call that another thread is waiting in (edge case 10 among them).
#![cfg(not(any(feature = "edge", feature = "iocp")))]

use loom::sync::Arc;
use loom::thread;

use schedules::{Descriptor, Events, Interest, Poll, Socket, Source, Token, Waker};

const READY: i32 = 10;
const OTHER: i32 = 11;

fn check(test: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(test);
}

fn tokens(events: &Events) -> Vec<usize> {
    events.iter().map(|event| event.token().0).collect()
}

#[test]
fn what_is_registered_while_a_poll_waits_takes_part() {
    check(|| {
        let mut poll = Poll::new().unwrap();
        libc::make_ready(READY, libc::POLLIN);
        let registry = poll.registry().try_clone().unwrap();
        let thread = thread::spawn(move || {
            let source = &mut Descriptor(READY);
            source
                .register(&registry, Token(1), Interest::READABLE)
                .unwrap();
        });
        let mut events = Events::with_capacity(4);
        poll.poll(&mut events, None).unwrap();
        assert_eq!(tokens(&events), [1]);
        thread.join().unwrap();
    });
}

/// Edge case 10: the interruption for a registration and a wake coincide, and neither is lost.
#[test]
fn a_wake_and_a_registration_at_once_are_both_seen() {
    check(|| {
        let mut poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), Token(2)).unwrap();
        libc::make_ready(READY, libc::POLLIN);
        let registry = poll.registry().try_clone().unwrap();
        let registering = thread::spawn(move || {
            let source = &mut Descriptor(READY);
            source
                .register(&registry, Token(1), Interest::READABLE)
                .unwrap();
        });
        let waking = thread::spawn(move || {
            waker.wake().unwrap();
            waker
        });
        let mut events = Events::with_capacity(4);
        let mut seen = Vec::new();
        while seen.len() < 2 {
            poll.poll(&mut events, None).unwrap();
            assert!(!events.is_empty());
            seen.extend(tokens(&events));
        }
        seen.sort_unstable();
        assert_eq!(seen, [1, 2]);
        registering.join().unwrap();
        waking.join().unwrap();
    });
}

/// No event of a source that was deregistered before the poll began, even if another thread
/// interrupts the poll.
#[test]
fn what_is_deregistered_is_not_reported() {
    check(|| {
        let mut poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(2)).unwrap());
        let source = &mut Descriptor(READY);
        source
            .register(poll.registry(), Token(1), Interest::READABLE)
            .unwrap();
        libc::make_ready(READY, libc::POLLIN);
        let registry = poll.registry().try_clone().unwrap();
        let thread = thread::spawn(move || {
            Descriptor(READY).deregister(&registry).unwrap();
            waker.wake().unwrap();
            waker
        });
        let mut events = Events::with_capacity(4);
        let mut woken = false;
        while !woken {
            poll.poll(&mut events, None).unwrap();
            assert!(!events.is_empty());
            woken = tokens(&events).contains(&2);
        }
        thread.join().unwrap();
        poll.poll(&mut events, Some(std::time::Duration::ZERO))
            .unwrap();
        assert!(events.is_empty());
    });
}

/// Edge case 49, and the guide's promise: a direction that another thread arms again while
/// the poll waits is watched by that call.
#[test]
fn an_edge_that_is_armed_while_a_poll_waits_is_reported() {
    check(|| {
        let mut poll = Poll::new().unwrap();
        let mut socket = Socket::new(READY);
        socket.register(poll.registry(), Token(1), Interest::READABLE);
        libc::make_ready(READY, libc::POLLIN);
        let mut events = Events::with_capacity(4);
        poll.poll(&mut events, None).unwrap();
        assert_eq!(tokens(&events), [1]);
        let thread = thread::spawn(move || {
            // The thread reads until `WouldBlock`; then more arrives.
            libc::make_unready(READY);
            socket.would_block(Interest::READABLE);
            libc::make_ready(READY, libc::POLLIN);
            socket
        });
        poll.poll(&mut events, None).unwrap();
        assert_eq!(tokens(&events), [1]);
        thread.join().unwrap();
    });
}

/// Two threads register sources: each is reported exactly once.
#[test]
fn registrations_from_two_threads_are_both_reported() {
    check(|| {
        let mut poll = Poll::new().unwrap();
        let threads: Vec<_> = [READY, OTHER]
            .into_iter()
            .map(|fd| {
                let registry = poll.registry().try_clone().unwrap();
                thread::spawn(move || {
                    libc::make_ready(fd, libc::POLLIN);
                    let token = Token(fd as usize);
                    let source = &mut Descriptor(fd);
                    source
                        .register(&registry, token, Interest::READABLE)
                        .unwrap();
                })
            })
            .collect();
        let mut events = Events::with_capacity(1);
        let mut seen = Vec::new();
        while seen.len() < 2 {
            poll.poll(&mut events, None).unwrap();
            seen.extend(tokens(&events));
        }
        seen.sort_unstable();
        assert_eq!(seen, [READY as usize, OTHER as usize]);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}
