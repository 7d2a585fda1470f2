//! The operations over a library with mio's API, which `super` names.

use std::hint::black_box;
use std::os::fd::AsRawFd;
use std::time::Duration;

use super::mio::net::UnixStream;
use super::mio::{Events, Interest, Poll, Token, Waker};
use crate::bare;

/// Runs the operation of that name. Returns `false` if there is none.
pub fn run(operation: &str, calls: usize) -> bool {
    match operation {
        "poll-empty" => poll(calls, 0, Some(Duration::ZERO)),
        "poll-one" => poll(calls, 1, Some(Duration::ZERO)),
        "poll-one-forever" => poll(calls, 1, None),
        "iterate-256" => iterate(calls),
        "wake" => wake(calls, true),
        "wake-redundant" => wake(calls, false),
        "register" | "reregister" | "deregister" => register(calls, operation),
        _ => return false,
    }
    true
}

/// A poll with so many sources that are always ready. The API common to both
/// libraries is edge-triggered only, so the level-triggered sources are added to the epoll instance
/// directly.
fn poll_with_ready(ready: usize) -> (Poll, Events, Vec<bare::EventFd>) {
    // The lowest free number is that of the next descriptor. It is not asked for, since a poll
    // whose descriptor was handed out has more to do.
    let lowest = std::fs::File::open("/dev/null").unwrap().as_raw_fd();
    let poll = Poll::new().unwrap();
    let sources = bare::ready_sources(lowest, ready);
    (poll, Events::with_capacity(256), sources)
}

fn poll(calls: usize, ready: usize, timeout: Option<Duration>) {
    let (mut poll, mut events, _sources) = poll_with_ready(ready);
    for _ in 0..calls {
        counted_poll(&mut poll, &mut events, timeout);
        assert_eq!(events.iter().count(), ready);
    }
}

fn iterate(calls: usize) {
    let (mut poll, mut events, _sources) = poll_with_ready(256);
    poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
    for _ in 0..calls {
        assert_eq!(counted_iterate(black_box(&events)), 255 * 256 / 2);
    }
}

fn wake(calls: usize, with_poll: bool) {
    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(8);
    let waker = Waker::new(poll.registry(), Token(7)).unwrap();
    waker.wake().unwrap();
    for _ in 0..calls {
        if with_poll {
            poll.poll(&mut events, None).unwrap();
            assert_eq!(events.iter().count(), 1);
        }
        counted_wake(&waker);
    }
}

fn register(calls: usize, which: &str) {
    let poll = Poll::new().unwrap();
    let (mut source, _other_end) = UnixStream::pair().unwrap();
    for _ in 0..calls {
        match which {
            "register" => counted_register(&poll, &mut source),
            _ => poll
                .registry()
                .register(&mut source, Token(1), Interest::READABLE)
                .unwrap(),
        }
        if which == "reregister" {
            counted_reregister(&poll, &mut source);
        }
        match which {
            "deregister" => counted_deregister(&poll, &mut source),
            _ => poll.registry().deregister(&mut source).unwrap(),
        }
    }
}

#[inline(never)]
fn counted_poll(poll: &mut Poll, events: &mut Events, timeout: Option<Duration>) {
    poll.poll(events, timeout).unwrap();
}

#[inline(never)]
fn counted_iterate(events: &Events) -> usize {
    let mut sum = 0;
    for event in events {
        if event.is_readable() {
            sum += event.token().0;
        }
    }
    sum
}

#[inline(never)]
fn counted_wake(waker: &Waker) {
    waker.wake().unwrap();
}

#[inline(never)]
fn counted_register(poll: &Poll, source: &mut UnixStream) {
    poll.registry()
        .register(source, Token(1), Interest::READABLE)
        .unwrap();
}

#[inline(never)]
fn counted_reregister(poll: &Poll, source: &mut UnixStream) {
    poll.registry()
        .reregister(source, Token(2), Interest::READABLE)
        .unwrap();
}

#[inline(never)]
fn counted_deregister(poll: &Poll, source: &mut UnixStream) {
    poll.registry().deregister(source).unwrap();
}
