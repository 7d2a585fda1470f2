//! No wake is lost in any schedule: over the poll(2) selector, with the feature `edge` over a model
//! of epoll, or with `iocp` over the selector of Windows. loom reports a poll that waits forever as
//! a deadlock.

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::Arc;
use loom::thread;
use schedules::{has_event, watch, Events, Poll, Token, Waker};

const WAKE: Token = Token(7);

fn with_waker(test: impl Fn(Poll, Arc<Waker>) + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    // Exhaustive, except for schedules with more preemptions than this.
    model.preemption_bound = Some(3);
    let test = std::sync::Arc::new(test);
    // With a poll to which all wakes are sent, and with one that has just been woken and checks for
    // them itself.
    for is_attentive in [false, true] {
        let test = std::sync::Arc::clone(&test);
        model.check(move || {
            let mut poll = Poll::new().unwrap();
            let waker = Arc::new(Waker::new(poll.registry(), WAKE).unwrap());
            if is_attentive {
                waker.wake().unwrap();
                poll.poll(&mut Events::with_capacity(4), None).unwrap();
            }
            test(poll, waker);
        });
    }
}

/// Polls until `done`. Each poll must return an event.
fn poll_until(poll: &mut Poll, done: impl Fn() -> bool) {
    let mut events = Events::with_capacity(4);
    while !done() {
        poll.poll(&mut events, None).unwrap();
        assert!(events.iter().all(|event| event.token() == WAKE));
        assert!(!events.is_empty());
    }
}

/// What a thread wrote before its wake is visible to the thread that handles the event, even if
/// the wake was coalesced with another one.
#[test]
fn two_threads_wake_and_both_are_heard() {
    with_waker(|mut poll, waker| {
        let written = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (waker, written) = (Arc::clone(&waker), Arc::clone(&written));
                thread::spawn(move || {
                    written.fetch_add(1, Ordering::Relaxed);
                    waker.wake().unwrap();
                })
            })
            .collect();
        poll_until(&mut poll, || written.load(Ordering::Relaxed) == 2);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// Plain stores, one place for each wake: only the wakes order them.
#[test]
fn every_wake_of_a_thread_publishes_what_it_wrote() {
    with_waker(|mut poll, waker| {
        let places = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let (remote, own) = (Arc::clone(&waker), Arc::clone(&places));
        let thread = thread::spawn(move || {
            for place in own.iter() {
                place.store(1, Ordering::Relaxed);
                remote.wake().unwrap();
            }
        });
        poll_until(&mut poll, || {
            places
                .iter()
                .all(|place| place.load(Ordering::Relaxed) == 1)
        });
        thread.join().unwrap();
    });
}

/// The flag is not left set: a later wake is reported.
#[test]
fn a_wake_after_the_storm_is_heard() {
    with_waker(|mut poll, waker| {
        let remote = Arc::clone(&waker);
        let thread = thread::spawn(move || remote.wake().unwrap());
        let mut events = Events::with_capacity(4);
        poll.poll(&mut events, None).unwrap();
        thread.join().unwrap();
        waker.wake().unwrap();
        poll.poll(&mut events, None).unwrap();
        assert_eq!(events.iter().count(), 1);
    });
}

/// Dropping a waker with a pending wake does not suppress the wakes of its successor.
#[test]
fn a_successor_is_heard() {
    with_waker(|mut poll, waker| {
        let registry = poll.registry().try_clone().unwrap();
        let thread = thread::spawn(move || {
            waker.wake().unwrap();
            drop(waker);
            let successor = Waker::new(&registry, Token(8)).unwrap();
            successor.wake().unwrap();
            successor
        });
        let mut events = Events::with_capacity(4);
        loop {
            poll.poll(&mut events, None).unwrap();
            if events.iter().any(|event| event.token() == Token(8)) {
                break;
            }
        }
        thread.join().unwrap();
    });
}

/// Three polls and two wakes, so that a wake may find the poll awake, falling asleep, or asleep.
#[test]
fn a_wake_between_polls_is_heard() {
    with_waker(|mut poll, waker| {
        let (remote, own) = (Arc::clone(&waker), Arc::new(AtomicUsize::new(0)));
        let written = Arc::clone(&own);
        let thread = thread::spawn(move || {
            for _ in 0..2 {
                own.fetch_add(1, Ordering::Relaxed);
                remote.wake().unwrap();
            }
        });
        let mut events = Events::with_capacity(4);
        poll.poll(&mut events, Some(std::time::Duration::ZERO))
            .unwrap();
        poll_until(&mut poll, || written.load(Ordering::Relaxed) == 2);
        thread.join().unwrap();
    });
}

/// Once the descriptor is handed out, every pending wake is sent to the system.
#[test]
fn a_wake_is_seen_through_the_descriptor() {
    with_waker(|poll, waker| {
        let thread = thread::spawn(move || {
            waker.wake().unwrap();
            waker
        });
        watch(poll.registry());
        let _waker = thread.join().unwrap();
        assert!(has_event(&poll));
    });
}

/// The descriptor is handed out during a poll.
#[test]
fn a_poll_whose_descriptor_is_handed_out_reports_its_wake() {
    with_waker(|mut poll, waker| {
        waker.wake().unwrap();
        let registry = poll.registry().try_clone().unwrap();
        let thread = thread::spawn(move || watch(&registry));
        let heard = AtomicUsize::new(0);
        poll_until(&mut poll, || heard.swap(1, Ordering::Relaxed) == 1);
        thread.join().unwrap();
    });
}
