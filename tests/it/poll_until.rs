//! Waiting up to a deadline: never shorter, and through signals.
#![cfg(all(feature = "os-poll", feature = "net", any(unix, windows)))]

use std::io::{self, Write};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::util::{self, poll_and_events, registered_streams, thread_id, wait_until_asleep, LONG};
use mio::{Events, Interest, Poll, Token, Waker};

const SOURCE: Token = Token(1);
const WAKER: Token = Token(2);

fn in_the_future(wait: Duration) -> Option<Instant> {
    Some(Instant::now() + wait)
}

/// A moment that has passed: of the clock, the earliest that can be had.
fn in_the_past() -> Vec<Instant> {
    let now = Instant::now();
    let ago = |secs| now.checked_sub(Duration::from_secs(secs));
    [Some(now), ago(1), ago(60), ago(1 << 20)]
        .into_iter()
        .flatten()
        .collect()
}

fn tokens(events: &Events) -> Vec<Token> {
    events.iter().map(|event| event.token()).collect()
}

/// A poll whose only source has something to read, as long as it is not read.
fn poll_with_data() -> (Poll, Events, [util::Stream; 2]) {
    let (poll, events) = poll_and_events();
    let (near, mut far) = registered_streams(poll.registry(), SOURCE, Interest::READABLE.level());
    far.write_all(b"x").unwrap();
    (poll, events, [near, far])
}

#[test]
fn a_wait_does_not_end_before_its_deadline() {
    let (mut poll, mut events) = poll_and_events();
    for micros in [0, 1, 50, 999, 1000, 1001, 2500, 10_000] {
        let deadline = Instant::now() + Duration::from_micros(micros);
        poll.poll_until(&mut events, Some(deadline)).unwrap();
        assert!(Instant::now() >= deadline, "{micros}");
        assert!(events.is_empty());
    }
}

#[test]
fn a_deadline_that_has_passed_ends_at_once() {
    let (mut poll, mut events) = poll_and_events();
    for deadline in in_the_past() {
        let start = Instant::now();
        poll.poll_until(&mut events, Some(deadline)).unwrap();
        assert!(start.elapsed() < LONG);
        assert!(events.is_empty());
    }
}

#[test]
fn events_are_returned_whether_the_deadline_has_passed_or_not() {
    let (mut poll, mut events, _streams) = poll_with_data();
    // TCP takes a moment.
    util::expect_readable(&mut poll, &mut events, SOURCE);
    for deadline in in_the_past() {
        poll.poll_until(&mut events, Some(deadline)).unwrap();
        assert_eq!(tokens(&events), [SOURCE]);
    }
    let start = Instant::now();
    for deadline in [in_the_future(LONG), None] {
        poll.poll_until(&mut events, deadline).unwrap();
        assert_eq!(tokens(&events), [SOURCE]);
    }
    assert!(start.elapsed() < LONG);
}

/// What an earlier call left in the buffer is no event of this one.
#[test]
fn the_buffer_is_emptied() {
    let (mut poll, mut events, [mut near, _far]) = poll_with_data();
    util::expect_readable(&mut poll, &mut events, SOURCE);
    util::drain(&mut near);
    let deadline = in_the_future(Duration::from_millis(1));
    poll.poll_until(&mut events, deadline).unwrap();
    assert!(events.is_empty());
}

#[test]
fn without_capacity_a_wait_fails() {
    let (mut poll, _) = poll_and_events();
    let mut events = Events::with_capacity(0);
    let error = poll.poll_until(&mut events, in_the_future(LONG));
    assert_eq!(error.unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

/// Runs `meanwhile` once a wait until `deadline` sleeps, and returns whose events ended it.
fn wait_while(deadline: Option<Instant>, meanwhile: impl FnOnce(&Waker) + Send) -> Vec<Token> {
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKER).unwrap();
    let poller = thread_id();
    let (sender, receiver) = mpsc::channel();
    let waker = &waker;
    thread::scope(|scope| {
        scope.spawn(move || {
            receiver.recv().unwrap();
            wait_until_asleep(poller);
            meanwhile(waker);
        });
        sender.send(()).unwrap();
        poll.poll_until(&mut events, deadline).unwrap();
    });
    tokens(&events)
}

#[test]
fn without_a_deadline_a_wait_ends_with_an_event() {
    assert_eq!(wait_while(None, |waker| waker.wake().unwrap()), [WAKER]);
}

/// As far away as the clock counts, and further than some systems can wait at once.
#[test]
fn a_deadline_far_away_is_none_that_has_passed() {
    let now = Instant::now();
    let mut furthest = now;
    for exponent in (0..64).rev() {
        let further = furthest.checked_add(Duration::from_secs(1 << exponent));
        furthest = further.unwrap_or(furthest);
    }
    let days = |days: u64| now + Duration::from_secs(days * 24 * 60 * 60);
    for deadline in [days(24), days(25), days(50), days(36_500), furthest] {
        let tokens = wait_while(Some(deadline), |waker| waker.wake().unwrap());
        assert_eq!(tokens, [WAKER], "{deadline:?}");
    }
}

/// A signal that ends every call of the system.
#[cfg(unix)]
mod signals {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;
    use crate::util::signals::{self, Thread};

    /// The tests of `poll.rs` use another one, and have another handler.
    const SIGNAL: libc::c_int = libc::SIGUSR2;
    static HANDLED: AtomicUsize = AtomicUsize::new(0);

    extern "C" fn count(_: libc::c_int) {
        HANDLED.fetch_add(1, Ordering::Relaxed);
    }

    struct End<'a>(&'a AtomicBool);

    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }

    /// Sends a signal to this thread every millisecond while `body` runs; returns its result,
    /// and how many were handled.
    fn in_a_storm<R>(body: impl FnOnce() -> R) -> (R, usize) {
        signals::handle(SIGNAL, count);
        let target = Thread::current();
        let stop = AtomicBool::new(false);
        let before = HANDLED.load(Ordering::Relaxed);
        let result = thread::scope(|scope| {
            let stop = &stop;
            scope.spawn(move || {
                // A wait that only the end of the storm ends is not to hang.
                let end = Instant::now() + LONG;
                while !stop.load(Ordering::Acquire) && Instant::now() < end {
                    target.send(SIGNAL);
                    thread::sleep(Duration::from_millis(1));
                }
            });
            // The storm ends with the body, even if that panics.
            let _end = End(stop);
            body()
        });
        (result, HANDLED.load(Ordering::Relaxed) - before)
    }

    /// The storm does end the calls: a plain poll does not survive it.
    #[test]
    fn a_plain_poll_is_interrupted_by_a_storm() {
        let (mut poll, mut events) = poll_and_events();
        let (result, _) = in_a_storm(|| poll.poll(&mut events, Some(LONG)));
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::Interrupted);
    }

    #[test]
    fn a_storm_of_signals_neither_shortens_nor_prolongs_a_wait() {
        let (mut poll, mut events) = poll_and_events();
        let mut all = 0;
        for wait in [Duration::from_secs(1), Duration::from_micros(20_500)] {
            let deadline = Instant::now() + wait;
            let (late, signals) = in_a_storm(|| {
                poll.poll_until(&mut events, Some(deadline)).unwrap();
                let now = Instant::now();
                assert!(now >= deadline, "{:?} early", deadline - now);
                now - deadline
            });
            println!("{wait:?}: {signals} signals, {late:?} late");
            all += signals;
            assert!(events.is_empty());
            // Were the time counted anew after each signal, it would end only with the storm.
            assert!(late < LONG / 2, "{late:?} late");
        }
        assert!(all > 1);
    }

    #[test]
    fn an_event_ends_a_wait_in_a_storm() {
        let (mut poll, mut events) = poll_and_events();
        let waker = Waker::new(poll.registry(), WAKER).unwrap();
        for deadline in [None, in_the_future(LONG)] {
            in_a_storm(|| {
                thread::scope(|scope| {
                    scope.spawn(|| {
                        let before = HANDLED.load(Ordering::Relaxed);
                        let end = Instant::now() + LONG;
                        while HANDLED.load(Ordering::Relaxed) < before + 20 {
                            assert!(Instant::now() < end, "no storm");
                            thread::yield_now();
                        }
                        waker.wake().unwrap();
                    });
                    poll.poll_until(&mut events, deadline).unwrap();
                });
            });
            assert_eq!(tokens(&events), [WAKER]);
        }
    }
}
