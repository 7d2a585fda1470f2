//! How long a poll waits: never shorter than its timeout, and for ever without one.
#![cfg(all(feature = "os-poll", feature = "net", any(unix, windows)))]

use std::ffi::c_long;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::util::{
    self, poll_and_events, poll_while, registered_streams, sleeps, stream_pair, LONG,
};
use mio::{Events, Interest, Poll, Token, Waker};

const SOURCE: Token = Token(1);
const WAKER: Token = Token(2);

/// Polls where nothing is ready, and returns how long it took.
fn wait(poll: &mut Poll, events: &mut Events, timeout: Duration) -> Duration {
    let start = Instant::now();
    poll.poll(events, Some(timeout)).unwrap();
    let elapsed = start.elapsed();
    assert!(events.is_empty(), "{events:?}");
    elapsed
}

#[test]
fn a_timeout_of_zero_does_not_block() {
    const POLLS: c_long = 1000;
    let (mut poll, mut events) = poll_and_events();
    let (_near, _far) = registered_streams(poll.registry(), SOURCE, Interest::READABLE);
    let before = sleeps();
    for _ in 0..POLLS {
        wait(&mut poll, &mut events, Duration::ZERO);
    }
    if let (Some(before), Some(after)) = (before, sleeps()) {
        let slept = after - before;
        // A page that has to be read in may cost a few.
        assert!(slept < POLLS / 10, "slept {slept} times in {POLLS} polls");
    }
}

/// Edge case 1: a timeout below a millisecond, or with a fraction of one, is not rounded
/// down, which at zero would spin.
#[test]
fn a_fraction_of_a_millisecond_is_waited_for_and_slept_through() {
    const ROUNDS: usize = 5;
    let (mut poll, mut events) = poll_and_events();
    let timeouts: Vec<Duration> = (1..=30)
        .map(|step| Duration::from_micros(50 * step))
        .chain([Duration::from_nanos(1), Duration::from_nanos(1_000_001)])
        .collect();
    let before = sleeps();
    for &timeout in &timeouts {
        for _ in 0..ROUNDS {
            let elapsed = wait(&mut poll, &mut events, timeout);
            assert!(elapsed >= timeout, "{elapsed:?} is less than {timeout:?}");
        }
    }
    // Not every wait need have gone to sleep: the processor may have been taken away
    // for longer than the timeout just before.
    if let (Some(before), Some(after)) = (before, sleeps()) {
        let slept = after - before;
        let waits = (timeouts.len() * ROUNDS) as c_long;
        assert!(slept >= waits / 2, "slept {slept} times in {waits} waits");
    }
}

#[test]
fn whole_milliseconds_are_waited_for() {
    let (mut poll, mut events) = poll_and_events();
    for millis in [1, 2, 3, 5, 10, 20] {
        let timeout = Duration::from_millis(millis);
        let elapsed = wait(&mut poll, &mut events, timeout);
        assert!(elapsed >= timeout, "{elapsed:?} is less than {timeout:?}");
    }
}

/// Edge case 1, with something registered that never becomes ready.
#[test]
fn a_wait_among_idle_sources_is_not_cut_short() {
    let (mut poll, mut events) = poll_and_events();
    let mut pairs: Vec<_> = (0..20).map(|_| stream_pair()).collect();
    for (near, _) in &mut pairs {
        poll.registry()
            .register(near, SOURCE, Interest::READABLE)
            .unwrap();
    }
    for micros in [100, 500, 999, 1000, 1001, 2500] {
        let timeout = Duration::from_micros(micros);
        let elapsed = wait(&mut poll, &mut events, timeout);
        assert!(elapsed >= timeout, "{elapsed:?} is less than {timeout:?}");
    }
}

/// Polls with `timeout` until the poll sleeps, and wakes it then. A timeout that was
/// cut to something short, or was an error, leaves no sleep to be seen, and no wake.
fn expect_to_sleep_until_woken(timeout: Option<Duration>) {
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKER).unwrap();
    poll_while(&mut poll, &mut events, timeout, || waker.wake().unwrap());
    let tokens: Vec<Token> = events.iter().map(|event| event.token()).collect();
    assert_eq!(tokens, [WAKER], "{timeout:?}");
}

#[test]
fn without_a_timeout_a_poll_sleeps_until_it_is_woken() {
    expect_to_sleep_until_woken(None);
}

/// Edge case 2: rounding the longest duration up must not overflow.
#[test]
fn the_longest_duration_is_slept_through() {
    expect_to_sleep_until_woken(Some(Duration::MAX));
    expect_to_sleep_until_woken(Some(Duration::from_secs(u64::MAX)));
    expect_to_sleep_until_woken(Some(Duration::MAX - Duration::from_nanos(1)));
}

/// Edge case 2: a time of day plus such a timeout is more than a `time_t` holds.
#[test]
fn a_timeout_beyond_the_calendar_is_slept_through() {
    const DECADE: u64 = 10 * 365 * 24 * 60 * 60;
    expect_to_sleep_until_woken(Some(Duration::from_secs(i64::MAX as u64 - DECADE)));
}

/// Edge case 3: a number of milliseconds that a C `int` cannot hold (24.8 days) is
/// neither negative nor the small rest that is left by cutting bits off.
#[test]
fn more_than_an_int_of_milliseconds_is_slept_through() {
    const DAY: u64 = 24 * 60 * 60;
    let int = Duration::from_millis(i32::MAX as u64);
    let uint = Duration::from_millis(u64::from(u32::MAX));
    let (milli, nano) = (Duration::from_millis(1), Duration::from_nanos(1));
    for timeout in [
        Duration::from_secs(24 * DAY),
        Duration::from_secs(25 * DAY),
        int,
        int + nano,
        int + milli,
        uint,
        // As 32 bits: zero.
        uint + milli,
        uint + milli + nano,
        // As 64 bits of nanoseconds: beyond, by one and by many.
        Duration::from_nanos(i64::MAX as u64) + nano,
        Duration::from_secs(i64::MAX as u64),
        Duration::from_secs(i64::MAX as u64) + Duration::from_secs(1),
    ] {
        expect_to_sleep_until_woken(Some(timeout));
    }
}

#[test]
fn readiness_ends_a_wait() {
    let (mut poll, mut events) = poll_and_events();
    let (_near, mut far) = registered_streams(poll.registry(), SOURCE, Interest::READABLE.level());
    far.write_all(b"x").unwrap();
    // Those that would hang are last, so that what fails does so before.
    for timeout in [Some(Duration::ZERO), Some(LONG), Some(Duration::MAX), None] {
        let start = Instant::now();
        util::poll(&mut poll, &mut events, timeout);
        assert!(!events.is_empty());
        assert!(start.elapsed() < LONG);
    }
}

/// Edge cases 4 and 36: where a change of the registrations restarts the wait, it goes on
/// with the time that is left. Neither is it over early, nor does it begin anew for as
/// long as others register.
#[test]
fn registering_threads_neither_shorten_nor_prolong_a_wait() {
    let (mut poll, mut events) = poll_and_events();
    let registry = poll.registry().try_clone().unwrap();
    let stop = AtomicBool::new(false);
    let waits = thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let (mut near, _far) = stream_pair();
                let end = Instant::now() + LONG;
                while !stop.load(Ordering::Acquire) && Instant::now() < end {
                    registry
                        .register(&mut near, SOURCE, Interest::READABLE)
                        .unwrap();
                    thread::yield_now();
                    registry.deregister(&mut near).unwrap();
                }
            });
        }
        let mut waits = Vec::new();
        for millis in [1, 10, 50, 100] {
            let timeout = Duration::from_millis(millis);
            let start = Instant::now();
            util::poll(&mut poll, &mut events, Some(timeout));
            waits.push((timeout, start.elapsed(), events.is_empty()));
        }
        stop.store(true, Ordering::Release);
        waits
    });
    for (timeout, elapsed, empty) in waits {
        assert!(empty);
        assert!(elapsed >= timeout, "{elapsed:?} is less than {timeout:?}");
        // Were the time counted anew each time, it would end only with the noise.
        assert!(elapsed < LONG / 2, "{elapsed:?} for {timeout:?}");
    }
}
