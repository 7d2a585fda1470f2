//! Polls and registrations, over a library with mio's API, which `super` names.

use std::time::{Duration, Instant};

use super::mio::net::UnixStream;
use super::mio::unix::SourceFd;
use super::mio::{Events, Interest, Poll, Token};
use crate::load::{self, EventFd};
use crate::operation::{self, repeat, Operation, Run, ACTIVE, BATCH};

pub fn poll_and_events() -> (Poll, Events) {
    (Poll::new().unwrap(), Events::with_capacity(1024))
}

pub fn poll_empty() -> Run {
    let (mut poll, mut events) = poll_and_events();
    repeat(move || {
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(events.is_empty());
    })
}

/// The API common to both libraries is edge-triggered only, so the level-triggered sources, which
/// stay ready, are added to the epoll instance directly.
#[cfg(not(mio_unsupported_force_poll_poll))]
pub fn poll_ready(ready: usize) -> Run {
    use std::os::fd::AsRawFd;

    let (mut poll, mut events) = poll_and_events();
    let sources: Vec<EventFd> = (0..ready).map(|_| EventFd::ready()).collect();
    for (index, eventfd) in sources.iter().enumerate() {
        crate::loops::bare::add(poll.as_raw_fd(), eventfd.fd(), index, false);
    }
    repeat(move || {
        let _alive = &sources;
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        assert_eq!(count_readable(&events), ready);
    })
}

/// poll(2) has no descriptor that sources could be added to: they are reregistered, and made
/// ready again, before each poll. Only the poll is timed.
#[cfg(mio_unsupported_force_poll_poll)]
pub fn poll_ready(ready: usize) -> Run {
    let (mut poll, mut events) = poll_and_events();
    let sources: Vec<EventFd> = (0..ready).map(|_| EventFd::new()).collect();
    register_all(&poll, &sources);
    Box::new(move |count| {
        let mut elapsed = Duration::ZERO;
        for _ in 0..count {
            for (index, eventfd) in sources.iter().enumerate() {
                let mut source = SourceFd(&eventfd.fd());
                poll.registry()
                    .reregister(&mut source, Token(index), Interest::READABLE)
                    .unwrap();
            }
            // A change of the registrations interrupts the poll, which is not to be timed.
            poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
            sources.iter().for_each(EventFd::notify);
            let start = Instant::now();
            poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
            elapsed += start.elapsed();
            assert_eq!(count_readable(&events), ready);
            sources.iter().for_each(EventFd::clear);
        }
        elapsed
    })
}

fn count_readable(events: &Events) -> usize {
    events.iter().filter(|event| event.is_readable()).count()
}

pub fn register(which: Operation) -> Run {
    let poll = Poll::new().unwrap();
    let (mut sources, _others): (Vec<_>, Vec<_>) =
        (0..BATCH).map(|_| UnixStream::pair().unwrap()).unzip();
    Box::new(move |count| {
        let _alive = &_others;
        let mut elapsed = Duration::ZERO;
        let mut step = |operation, change: &mut dyn FnMut(&mut UnixStream, usize)| {
            let start = Instant::now();
            for (index, source) in sources.iter_mut().enumerate() {
                change(source, index);
            }
            if operation == which {
                elapsed += start.elapsed();
            }
        };
        let registry = poll.registry();
        let both = Interest::READABLE | Interest::WRITABLE;
        for _ in 0..count {
            step(Operation::Register, &mut |source, index| {
                registry
                    .register(source, Token(index), Interest::READABLE)
                    .unwrap();
            });
            if which == Operation::Reregister {
                step(Operation::Reregister, &mut |source, index| {
                    registry.reregister(source, Token(index), both).unwrap();
                });
            }
            step(Operation::Deregister, &mut |source, _| {
                registry.deregister(source).unwrap();
            });
        }
        elapsed
    })
}

pub fn timeout(timeout: Duration) -> Run {
    let (mut poll, mut events) = poll_and_events();
    repeat(move || poll.poll(&mut events, Some(timeout)).unwrap())
}

/// Times only the polls, not the writes that make the sources ready.
pub fn registered(count: usize) -> Run {
    let (mut poll, mut events) = poll_and_events();
    let sources: Vec<EventFd> = (0..count).map(|_| EventFd::new()).collect();
    register_all(&poll, &sources);
    operation::repeat_after(
        move || load::notify_some(&sources),
        move || {
            poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
            assert_eq!(count_readable(&events), ACTIVE);
        },
    )
}

fn register_all(poll: &Poll, sources: &[EventFd]) {
    for (index, eventfd) in sources.iter().enumerate() {
        poll.registry()
            .register(
                &mut SourceFd(&eventfd.fd()),
                Token(index),
                Interest::READABLE,
            )
            .unwrap();
    }
}

pub fn heap_per_source() -> f64 {
    const COUNT: usize = 10_000;

    let poll = Poll::new().unwrap();
    let sources: Vec<EventFd> = (0..COUNT).map(|_| EventFd::new()).collect();
    let before = load::heap();
    register_all(&poll, &sources);
    (load::heap() - before) as f64 / COUNT as f64
}
