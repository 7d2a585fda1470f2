//! A million wakes from many threads: none is lost, and the last one least of all.
#![cfg(all(feature = "os-poll", feature = "net", any(unix, windows)))]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use crate::util::{self, datagram_pair, in_own_process, open_fds, LONG};
use mio::{Events, Interest, Poll, Registry, Token, Waker};

const WAKE: Token = Token(usize::MAX);

const THREADS: usize = 8;
const WAKES_OF_A_THREAD: usize = 125_000;
/// After so many wakes a thread waits for the others and for the poll: only then does it
/// matter whether the last wake was reported.
const WAKES_OF_A_BATCH: usize = 20;
const BATCHES: usize = WAKES_OF_A_THREAD / WAKES_OF_A_BATCH;

/// What each thread has done before its latest wake. There is no ordering but what the
/// waker and the poll give.
type Counters = [AtomicUsize; THREADS];

fn sum(counters: &Counters) -> usize {
    counters.iter().map(|it| it.load(Ordering::Relaxed)).sum()
}

fn wake_in_batches(waker: &Waker, counter: &AtomicUsize, batch: &Barrier) {
    for number in 0..BATCHES {
        batch.wait();
        for wake in 1..=WAKES_OF_A_BATCH {
            // A plain store: it is for the waker to make sure that the poller sees it.
            counter.store(number * WAKES_OF_A_BATCH + wake, Ordering::Relaxed);
            waker.wake().unwrap();
        }
    }
}

/// Polls until the waker's event shows what all threads have written in a batch. The
/// counters are looked at after an event of the waker's, and not else.
fn await_batch(poll: &mut Poll, events: &mut Events, counters: &Counters, total: usize) {
    loop {
        util::poll(poll, events, Some(LONG));
        assert!(
            !events.is_empty(),
            "a wake is lost: {} of {total}",
            sum(counters)
        );
        if events.iter().any(|event| event.token() == WAKE) && sum(counters) == total {
            return;
        }
    }
}

/// Wakes the poll from many threads, in batches, and checks that each batch arrives.
fn storm(poll: &mut Poll, events: &mut Events, waker: &Waker) {
    let (counters, batch) = (Counters::default(), Barrier::new(THREADS + 1));
    thread::scope(|scope| {
        for counter in &counters {
            scope.spawn(|| wake_in_batches(waker, counter, &batch));
        }
        for number in 1..=BATCHES {
            batch.wait();
            await_batch(poll, events, &counters, number * THREADS * WAKES_OF_A_BATCH);
        }
    });
    assert_eq!(sum(&counters), THREADS * WAKES_OF_A_THREAD);
}

/// At most one event is left of wakes that the poller has seen the effect of already.
fn expect_end_of_wakes(poll: &mut Poll, events: &mut Events) {
    util::poll(poll, events, Some(Duration::ZERO));
    assert!(events.iter().all(|event| event.token() == WAKE));
    assert!(events.iter().count() <= 1, "{events:?}");
    util::expect_silence(poll, events);
}

/// Edge case 7: in every batch the poller comes to see all that was written before the
/// last wake of each thread.
#[test]
fn no_wake_of_a_million_is_lost() {
    in_own_process("no_wake_of_a_million_is_lost", || {
        let before = open_fds();
        let (mut poll, mut events) = util::poll_and_events();
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        storm(&mut poll, &mut events, &waker);
        expect_end_of_wakes(&mut poll, &mut events);
        drop((waker, poll));
        assert_eq!(open_fds(), before);
    });
}

/// Registers sources that are ready, changes and deregisters them, until `done`; returns
/// how many.
fn register_until(registry: &Registry, first: usize, done: &AtomicBool) -> usize {
    let mut rounds = 0;
    while rounds < 100 || !done.load(Ordering::Relaxed) {
        let (mut source, peer) = datagram_pair();
        peer.send(b"ready").unwrap();
        registry
            .register(&mut source, Token(first), Interest::READABLE)
            .unwrap();
        registry
            .reregister(&mut source, Token(first + 1), Interest::READABLE)
            .unwrap();
        if rounds % 2 == 0 {
            registry.deregister(&mut source).unwrap();
        }
        rounds += 1;
    }
    rounds
}

/// Edge case 10: changes of the registrations, of which the selector has to be notified as
/// well, take no wake with them, and a small `Events` that is full of sources holds none
/// back for good.
#[test]
fn no_wake_is_lost_among_registrations() {
    in_own_process("no_wake_is_lost_among_registrations", || {
        let before = open_fds();
        let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(1));
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        let registry = poll.registry().try_clone().unwrap();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for first in [0, 2] {
                let (registry, done) = (&registry, &done);
                scope.spawn(move || register_until(registry, first, done));
            }
            storm(&mut poll, &mut events, &waker);
            done.store(true, Ordering::Relaxed);
        });
        expect_end_of_wakes(&mut poll, &mut events);
        drop((registry, waker, poll));
        assert_eq!(open_fds(), before);
    });
}
