//! `Waker`: every wake is reported, and wakes before an event are coalesced.
//!
//! Sources are needed by some tests only; the others run with the least set of
//! features that has a waker.
#![cfg(feature = "os-poll")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use crate::util::{self, expect_silence, poll_and_events, poll_while, LONG};
use mio::{Events, Poll, Token, Waker};

const WAKER: Token = Token(10);

/// Polls with `timeout`, and checks that one wake and nothing else comes.
#[track_caller]
fn expect_wake(poll: &mut Poll, events: &mut Events, timeout: Option<Duration>) {
    util::poll(poll, events, timeout);
    assert_wake(events);
}

#[track_caller]
fn assert_wake(events: &Events) {
    assert_eq!(events.iter().count(), 1, "{events:?}");
    assert_eq!(events.iter().next().unwrap().token(), WAKER);
}

const NOW: Option<Duration> = Some(Duration::ZERO);

/// Edge case 9: this is to hold with every set of features and every kind of waker; the
/// pipe waker once was registered by the wrong end, and never became readable.
#[test]
fn a_wake_is_a_readable_event_with_the_token_of_the_waker() {
    for token in [WAKER, Token(0), Token(usize::MAX)] {
        let (mut poll, mut events) = poll_and_events();
        let waker = Waker::new(poll.registry(), token).unwrap();
        expect_silence(&mut poll, &mut events);
        waker.wake().unwrap();
        util::poll(&mut poll, &mut events, Some(LONG));
        assert_eq!(events.iter().count(), 1);
        let event = events.iter().next().unwrap();
        assert_eq!(event.token(), token);
        assert!(event.is_readable());
        assert!(!event.is_writable() && !event.is_error());
        assert!(!event.is_read_closed() && !event.is_write_closed());
        expect_silence(&mut poll, &mut events);
    }
}

#[test]
fn a_wake_before_a_poll_ends_it_at_once() {
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKER).unwrap();
    for timeout in [NOW, Some(Duration::from_micros(1)), Some(LONG), None] {
        waker.wake().unwrap();
        expect_wake(&mut poll, &mut events, timeout);
    }
}

#[test]
fn a_wake_ends_a_poll_that_sleeps() {
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKER).unwrap();
    for timeout in [Some(LONG), Some(LONG + Duration::from_nanos(1)), None] {
        poll_while(&mut poll, &mut events, timeout, || waker.wake().unwrap());
        assert_wake(&events);
        expect_silence(&mut poll, &mut events);
    }
}

#[test]
fn a_wake_after_a_poll_is_for_the_next() {
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKER).unwrap();
    util::poll(&mut poll, &mut events, Some(Duration::from_millis(1)));
    assert!(events.is_empty());
    waker.wake().unwrap();
    expect_wake(&mut poll, &mut events, NOW);
}

#[test]
fn a_waker_made_while_a_poll_sleeps_wakes_it() {
    let (mut poll, mut events) = poll_and_events();
    let registry = poll.registry().try_clone().unwrap();
    let mut waker = None;
    poll_while(&mut poll, &mut events, Some(LONG), || {
        let waker = waker.insert(Waker::new(&registry, WAKER).unwrap());
        waker.wake().unwrap();
    });
    assert_wake(&events);
}

#[test]
fn a_waker_from_a_clone_of_the_registry_wakes_the_poll() {
    let (mut poll, mut events) = poll_and_events();
    let clone = poll.registry().try_clone().unwrap();
    let waker = Waker::new(&clone, WAKER).unwrap();
    drop(clone);
    waker.wake().unwrap();
    expect_wake(&mut poll, &mut events, Some(LONG));
}

/// Edge case 7: the wake object is not drained, and yet each wake that comes after the
/// event of the one before yields an event of its own.
#[test]
fn each_wake_after_a_delivery_is_delivered() {
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKER).unwrap();
    for _ in 0..5000 {
        waker.wake().unwrap();
        expect_wake(&mut poll, &mut events, NOW);
    }
    expect_silence(&mut poll, &mut events);
}

#[test]
fn wakes_before_a_delivery_unite() {
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKER).unwrap();
    for wakes in [1, 2, 1000] {
        for _ in 0..wakes {
            waker.wake().unwrap();
        }
        expect_wake(&mut poll, &mut events, NOW);
        expect_silence(&mut poll, &mut events);
    }
}

/// Edge case 7, with the poll asleep or about to be when the wake comes: another thread
/// wakes as soon as it learns of the delivery of its last wake.
#[test]
fn a_wake_races_with_a_poll_and_is_never_lost() {
    const ROUNDS: usize = 5000;
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKER).unwrap();
    let delivered = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..ROUNDS {
                while delivered.load(Ordering::Acquire) != round {
                    if failed.load(Ordering::Acquire) {
                        return;
                    }
                    thread::yield_now();
                }
                waker.wake().unwrap();
            }
        });
        for round in 0..ROUNDS {
            util::poll(&mut poll, &mut events, Some(LONG));
            if events.iter().count() != 1 {
                failed.store(true, Ordering::Release);
                panic!("round {round}: {events:?}");
            }
            delivered.store(round + 1, Ordering::Release);
        }
    });
    expect_silence(&mut poll, &mut events);
}

/// What a thread wrote before it woke is visible to the thread that handles the event, also
/// where its wake was coalesced with another's. The messages themselves have no ordering
/// of their own.
#[test]
fn what_was_written_before_a_wake_is_seen_after_its_event() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 2000;
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKER).unwrap();
    let messages: [AtomicUsize; THREADS] = Default::default();
    let round_begun = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let (waker, round_begun, failed) = (&waker, &round_begun, &failed);

    thread::scope(|scope| {
        for message in &messages {
            scope.spawn(move || {
                for round in 1..=ROUNDS {
                    while round_begun.load(Ordering::Acquire) < round {
                        if failed.load(Ordering::Acquire) {
                            return;
                        }
                        thread::yield_now();
                    }
                    message.store(round, Ordering::Relaxed);
                    waker.wake().unwrap();
                }
            });
        }
        for round in 1..=ROUNDS {
            round_begun.store(round, Ordering::Release);
            let arrived = |message: &AtomicUsize| message.load(Ordering::Relaxed) == round;
            while !messages.iter().all(arrived) {
                util::poll(&mut poll, &mut events, Some(LONG));
                if events.is_empty() {
                    failed.store(true, Ordering::Release);
                    panic!("round {round}: a wake was lost, only {messages:?} came");
                }
            }
        }
    });
}

#[test]
fn eight_threads_wake_at_once() {
    const THREADS: usize = 8;
    const WAKES: usize = 1000;
    let (mut poll, mut events) = poll_and_events();
    let waker = Arc::new(Waker::new(poll.registry(), WAKER).unwrap());
    let start = Arc::new(Barrier::new(THREADS));
    let left = Arc::new(AtomicUsize::new(THREADS));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (waker, start, left) = (waker.clone(), start.clone(), left.clone());
            thread::spawn(move || {
                start.wait();
                for _ in 1..WAKES {
                    waker.wake().unwrap();
                }
                // The last wake of all means that no thread is left.
                left.fetch_sub(1, Ordering::Relaxed);
                waker.wake().unwrap();
            })
        })
        .collect();

    let mut delivered = 0;
    while left.load(Ordering::Relaxed) > 0 {
        expect_wake(&mut poll, &mut events, Some(LONG));
        delivered += 1;
    }
    for thread in threads {
        thread.join().unwrap();
    }
    util::poll(&mut poll, &mut events, NOW);
    delivered += events.iter().count();
    expect_silence(&mut poll, &mut events);
    assert!((1..=THREADS * WAKES).contains(&delivered), "{delivered}");
    waker.wake().unwrap();
    expect_wake(&mut poll, &mut events, NOW);
}

#[test]
fn a_dropped_waker_is_not_reported_but_its_successor_is() {
    let (mut poll, mut events) = poll_and_events();
    for round in 0..100 {
        let waker = Waker::new(poll.registry(), Token(round)).unwrap();
        for _ in 0..round % 3 {
            waker.wake().unwrap();
        }
        drop(waker);
        let waker = Waker::new(poll.registry(), WAKER).unwrap();
        waker.wake().unwrap();
        expect_wake(&mut poll, &mut events, NOW);
    }
}

/// Closing what a waker is made of is no event. Of a pipe the end that is watched has to
/// be closed first, or the poll sees it hang up.
#[test]
fn a_waker_that_is_dropped_while_a_poll_sleeps_leaves_it_asleep() {
    let (mut poll, mut events) = poll_and_events();
    let registry = poll.registry().try_clone().unwrap();
    for _ in 0..20 {
        let first = Waker::new(&registry, Token(1)).unwrap();
        let mut second = None;
        poll_while(&mut poll, &mut events, Some(LONG), || {
            drop(first);
            let second = second.insert(Waker::new(&registry, WAKER).unwrap());
            second.wake().unwrap();
        });
        assert_wake(&events);
    }
}

#[test]
fn wakers_of_two_polls_are_separate() {
    let (mut one, mut events) = poll_and_events();
    let (mut two, _) = poll_and_events();
    let waker_of_one = Waker::new(one.registry(), WAKER).unwrap();
    let waker_of_two = Waker::new(two.registry(), WAKER).unwrap();
    waker_of_one.wake().unwrap();
    expect_silence(&mut two, &mut events);
    // One's undelivered wake does not stand for one of the other.
    waker_of_two.wake().unwrap();
    expect_wake(&mut two, &mut events, NOW);
    expect_wake(&mut one, &mut events, NOW);
}

#[test]
fn a_waker_can_be_printed() {
    let (poll, _) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKER).unwrap();
    let text = format!("{waker:?}");
    assert!(text.starts_with("Waker"), "{text}");
}

#[cfg(all(feature = "net", any(unix, windows)))]
mod among_sources {
    use std::io::Write;

    use mio::event::Event;
    use mio::Interest;

    use crate::util::{registered_streams, stream_pair, Stream};

    use super::*;

    const SOURCE: Token = Token(1);

    /// Registers a source that every poll reports, for as long as it is not dropped.
    fn busy_source(poll: &Poll) -> (Stream, Stream) {
        let (near, mut far) =
            registered_streams(poll.registry(), SOURCE, Interest::READABLE.level());
        far.write_all(b"x").unwrap();
        (near, far)
    }

    /// Edge case 10: the notifications by which threads that register sources interrupt
    /// a poll take nothing away from the user's wakes.
    #[test]
    fn registering_from_threads_eats_no_wake() {
        const ROUNDS: usize = 2000;
        let (mut poll, mut events) = poll_and_events();
        let registry = poll.registry().try_clone().unwrap();
        let waker = Waker::new(&registry, WAKER).unwrap();
        let delivered = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let lost = thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    // Nothing ever arrives here: the wakes are the only events.
                    let (mut near, _far) = stream_pair();
                    while !stop.load(Ordering::Acquire) {
                        let (one, other) = (Interest::READABLE, Interest::READABLE.level());
                        registry.register(&mut near, SOURCE, one).unwrap();
                        registry.reregister(&mut near, SOURCE, other).unwrap();
                        registry.deregister(&mut near).unwrap();
                    }
                });
            }
            scope.spawn(|| {
                for round in 0..ROUNDS {
                    while delivered.load(Ordering::Acquire) != round {
                        if stop.load(Ordering::Acquire) {
                            return;
                        }
                        thread::yield_now();
                    }
                    waker.wake().unwrap();
                }
            });
            let mut lost = None;
            for round in 0..ROUNDS {
                util::poll(&mut poll, &mut events, Some(LONG));
                let wakes = events.iter().filter(|it| it.token() == WAKER).count();
                if (wakes, events.iter().count()) != (1, 1) {
                    lost = Some((round, format!("{events:?}")));
                    break;
                }
                delivered.store(round + 1, Ordering::Release);
            }
            stop.store(true, Ordering::Release);
            lost
        });
        assert_eq!(lost, None);
    }

    /// A wake that found no room in `Events` stays due, though the delivery of other
    /// events has already allowed the next wake to be sent.
    #[test]
    fn a_wake_that_finds_no_room_is_delivered_later() {
        let mut poll = Poll::new().unwrap();
        let mut events = Events::with_capacity(1);
        let waker = Waker::new(poll.registry(), WAKER).unwrap();
        let _streams = busy_source(&poll);
        for round in 0..500 {
            for _ in 0..round % 4 {
                util::poll(&mut poll, &mut events, NOW);
                assert_eq!(events.iter().next().unwrap().token(), SOURCE);
            }
            waker.wake().unwrap();
            let mut polls = 0;
            loop {
                util::poll(&mut poll, &mut events, NOW);
                if events.iter().next().unwrap().token() == WAKER {
                    break;
                }
                polls += 1;
                assert!(polls < 4, "round {round}: the wake was lost");
                // Whether this one is coalesced with the first or not makes no difference.
                waker.wake().unwrap();
            }
            // On some backends a wake more is due; take it.
            for _ in 0..2 {
                util::poll(&mut poll, &mut events, NOW);
            }
        }
    }

    /// A loop that wakes itself in every turn still looks at its sources, and a source that is
    /// always ready does not keep the wakes away, also if a poll can deliver only one event.
    #[test]
    fn a_busy_waker_and_a_busy_source_starve_neither() {
        const TURNS: usize = 300;
        for capacity in [1, 2, 16] {
            let mut poll = Poll::new().unwrap();
            let mut events = Events::with_capacity(capacity);
            let waker = Waker::new(poll.registry(), WAKER).unwrap();
            let _streams = busy_source(&poll);
            for timeout in [NOW, Some(LONG), None] {
                let (mut wakes, mut reads) = (0, 0);
                for _ in 0..TURNS {
                    waker.wake().unwrap();
                    util::poll(&mut poll, &mut events, timeout);
                    assert!(!events.is_empty());
                    for event in &events {
                        match event.token() {
                            WAKER => wakes += 1,
                            _ => reads += 1,
                        }
                    }
                }
                let least = if capacity == 1 { TURNS / 4 } else { TURNS };
                // The first wake of a series may find that the last of the former is due.
                assert!(wakes + 1 >= least, "{wakes} wakes, capacity {capacity}");
                assert!(reads + 1 >= least, "{reads} events, capacity {capacity}");
            }
        }
    }

    /// The event of a wake is one event, also if the poll that it interrupts returns others.
    #[test]
    fn a_wake_of_a_busy_poll_has_one_event() {
        let (mut poll, mut events) = poll_and_events();
        let waker = Waker::new(poll.registry(), WAKER).unwrap();
        let (mut near, mut far) = registered_streams(poll.registry(), SOURCE, Interest::READABLE);
        for round in 0..200 {
            let (mut wakes, mut reads) = (0, 0);
            poll_while(&mut poll, &mut events, None, || {
                // Either may be what ends the poll.
                if round % 2 == 0 {
                    waker.wake().unwrap();
                    far.write_all(b"x").unwrap();
                } else {
                    far.write_all(b"x").unwrap();
                    waker.wake().unwrap();
                }
            });
            loop {
                for event in &events {
                    match event.token() {
                        WAKER => wakes += 1,
                        _ => reads += 1,
                    }
                }
                if events.is_empty() {
                    break;
                }
                // On Windows the data may arrive after the wake.
                let timeout = if reads == 0 { Some(LONG) } else { NOW };
                util::poll(&mut poll, &mut events, timeout);
            }
            assert_eq!(wakes, 1, "round {round}");
            assert!(reads >= 1, "round {round}");
            util::drain(&mut near);
        }
    }

    /// A poll may be a source of another one. It is ready when it was woken, also if that was
    /// before its descriptor was handed out.
    #[cfg(all(
        any(target_os = "linux", target_os = "macos", target_os = "freebsd"),
        feature = "os-ext",
        not(mio_unsupported_force_poll_poll),
        not(mio_test_event_port_shim)
    ))]
    #[test]
    fn a_poll_that_is_watched_by_another_is_readable_when_woken() {
        use std::os::fd::AsRawFd;

        use mio::unix::SourceFd;

        let (mut inner, mut inner_events) = poll_and_events();
        let (mut outer, mut outer_events) = poll_and_events();
        let waker = Waker::new(inner.registry(), WAKER).unwrap();
        waker.wake().unwrap();
        outer
            .registry()
            .register(
                &mut SourceFd(&inner.as_raw_fd()),
                SOURCE,
                Interest::READABLE,
            )
            .unwrap();
        for timeout in [Some(LONG), None] {
            util::expect_readable(&mut outer, &mut outer_events, SOURCE);
            expect_wake(&mut inner, &mut inner_events, timeout);
            expect_silence(&mut inner, &mut inner_events);
            waker.wake().unwrap();
        }
    }

    /// However many find no room, no more than one event is due in the end.
    #[test]
    fn wakes_that_find_no_room_are_coalesced() {
        let mut poll = Poll::new().unwrap();
        let mut events = Events::with_capacity(1);
        let waker = Waker::new(poll.registry(), WAKER).unwrap();
        let (mut near, _far) = busy_source(&poll);
        for _ in 0..100 {
            waker.wake().unwrap();
            util::poll(&mut poll, &mut events, NOW);
            assert_eq!(events.iter().count(), 1);
        }
        poll.registry().deregister(&mut near).unwrap();
        let mut due = 0;
        loop {
            util::poll(&mut poll, &mut events, NOW);
            if events.is_empty() {
                break;
            }
            due += 1;
        }
        assert!(due <= 1, "{due} wakes");
    }

    /// A wake that found no room stands for those that come after it.
    #[test]
    fn a_wake_that_found_no_room_has_one_event() {
        let (mut near, mut far) = stream_pair();
        far.write_all(b"x").unwrap();
        expect_one_event_beside(&mut near, SOURCE, Interest::READABLE);
    }

    /// What reports something else is no wake, whatever its token.
    #[test]
    fn a_writable_source_with_the_token_of_the_waker_is_not_taken_for_a_wake() {
        let (mut near, _far) = stream_pair();
        expect_one_event_beside(&mut near, WAKER, Interest::WRITABLE);
    }

    /// `source` is ready and leaves no room for the wake.
    fn expect_one_event_beside(source: &mut util::Stream, token: Token, interest: Interest) {
        let (mut poll, mut events) = poll_and_events();
        let waker = Waker::new(poll.registry(), WAKER).unwrap();
        poll.registry()
            .register(source, token, interest.level())
            .unwrap();
        let is_wake = |event: &&Event| event.token() == WAKER && event.is_readable();
        let count = |events: &Events| events.iter().filter(is_wake).count();

        // The first poll does not look out for wakes.
        for round in 0..3 {
            waker.wake().unwrap();
            let mut small = Events::with_capacity(1);
            util::poll(&mut poll, &mut small, Some(LONG));
            let mut wakes = count(&small);
            // The next one is new only if this one found room.
            let due = wakes + 1;
            waker.wake().unwrap();
            for _ in 0..3 {
                util::poll(&mut poll, &mut events, NOW);
                wakes += count(&events);
            }
            assert_eq!(wakes, due, "round {round}");
        }
    }
}

/// What waits for the descriptor must see a pending wake, but there is none.
#[test]
fn handing_out_the_descriptor_of_a_poll_is_no_wake() {
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKER).unwrap();
    for _ in 0..2 {
        util::watch(&poll);
        expect_silence(&mut poll, &mut events);
        waker.wake().unwrap();
        expect_wake(&mut poll, &mut events, Some(LONG));
    }
}
