//! `Poll::poll`: what it returns, when it returns, and what may happen meanwhile.
#![cfg(all(feature = "os-poll", feature = "net", any(unix, windows)))]

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::util::{
    self, drain, expect_readable, expect_silence, expect_writable, poll_and_events, poll_while,
    registered_streams, stream_pair, thread_id, StdStream, Stream, AFD, KQUEUE, LONG, POLL2,
};
use mio::{Events, Interest, Poll, Registry, Token, Waker};

const SOURCE: Token = Token(1);
const OTHER: Token = Token(2);
const WAKER: Token = Token(3);

/// The tokens of the last poll, in order of size.
fn tokens(events: &Events) -> Vec<Token> {
    let mut tokens: Vec<Token> = events.iter().map(|event| event.token()).collect();
    tokens.sort_unstable();
    tokens
}

/// `count` connections whose first end has something to read.
fn readable_pairs(count: usize) -> Vec<(Stream, Stream)> {
    let mut pairs = Vec::new();
    for _ in 0..count {
        let (near, mut far) = stream_pair();
        far.write_all(b"x").unwrap();
        // TCP may take a moment.
        #[cfg(windows)]
        while near.peek(&mut [0]).is_err() {
            thread::yield_now();
        }
        pairs.push((near, far));
    }
    pairs
}

#[test]
fn a_poll_returns_the_events_of_exactly_the_ready_sources() {
    let (mut poll, mut events) = poll_and_events();
    let (mut near, mut far) = stream_pair();
    let (mut idle, _far_of_idle) = stream_pair();
    let registry = poll.registry();
    registry
        .register(&mut near, SOURCE, Interest::READABLE)
        .unwrap();
    registry
        .register(&mut idle, OTHER, Interest::READABLE)
        .unwrap();
    expect_silence(&mut poll, &mut events);

    far.write_all(b"hello").unwrap();
    util::poll(&mut poll, &mut events, Some(LONG));
    assert_eq!(tokens(&events), [SOURCE]);
    let event = events.iter().next().unwrap();
    assert!(event.is_readable());
    assert!(!event.is_writable(), "writable is not in the interest");
    assert!(!event.is_read_closed() && !event.is_write_closed() && !event.is_error());
}

#[test]
fn a_poll_of_nothing_times_out_empty() {
    let (mut poll, mut events) = poll_and_events();
    util::poll(&mut poll, &mut events, Some(Duration::ZERO));
    assert!(events.is_empty());
    util::poll(&mut poll, &mut events, Some(Duration::from_millis(1)));
    assert!(events.is_empty());
}

#[test]
fn a_poll_drops_the_events_of_the_one_before() {
    let (mut poll, mut events) = poll_and_events();
    let mut pairs = readable_pairs(1);
    poll.registry()
        .register(&mut pairs[0].0, SOURCE, Interest::READABLE)
        .unwrap();
    expect_readable(&mut poll, &mut events, SOURCE);
    util::poll(&mut poll, &mut events, Some(Duration::ZERO));
    assert!(events.is_empty(), "the edge was delivered before");
}

#[test]
fn a_source_that_is_ready_before_it_is_registered_is_reported() {
    let (mut poll, mut events) = poll_and_events();
    let mut pairs = readable_pairs(1);
    let both = Interest::READABLE | Interest::WRITABLE;
    poll.registry()
        .register(&mut pairs[0].0, SOURCE, both)
        .unwrap();
    // One event reports both directions, except with kqueue.
    util::poll(&mut poll, &mut events, Some(LONG));
    assert_eq!(events.iter().count(), if KQUEUE { 2 } else { 1 });
    assert!(events.iter().any(|event| event.is_readable()));
    assert!(events.iter().any(|event| event.is_writable()));
}

#[test]
fn a_token_may_be_any_number() {
    for token in [Token(0), Token(usize::MAX), Token(usize::MAX - 1)] {
        let (mut poll, mut events) = poll_and_events();
        let mut pairs = readable_pairs(1);
        poll.registry()
            .register(&mut pairs[0].0, token, Interest::READABLE)
            .unwrap();
        util::poll(&mut poll, &mut events, Some(LONG));
        assert_eq!(tokens(&events), [token]);
    }
}

#[test]
fn several_sources_may_share_a_token() {
    let (mut poll, mut events) = poll_and_events();
    let mut pairs = readable_pairs(3);
    for (near, _) in &mut pairs {
        poll.registry()
            .register(near, SOURCE, Interest::READABLE)
            .unwrap();
    }
    util::poll(&mut poll, &mut events, Some(LONG));
    assert_eq!(tokens(&events), [SOURCE; 3]);

    // Deregistering one of them leaves the others.
    poll.registry().deregister(&mut pairs[1].0).unwrap();
    for (near, far) in &mut pairs {
        drain(near);
        far.write_all(b"y").unwrap();
    }
    util::poll(&mut poll, &mut events, Some(LONG));
    assert_eq!(tokens(&events), [SOURCE; 2]);
}

#[test]
fn two_polls_do_not_see_each_others_sources() {
    let (mut one, mut events) = poll_and_events();
    let (mut two, _) = poll_and_events();
    let mut pairs = readable_pairs(2);
    let (first, second) = pairs.split_at_mut(1);
    one.registry()
        .register(&mut first[0].0, SOURCE, Interest::READABLE)
        .unwrap();
    two.registry()
        .register(&mut second[0].0, OTHER, Interest::READABLE)
        .unwrap();
    util::poll(&mut one, &mut events, Some(LONG));
    assert_eq!(tokens(&events), [SOURCE]);
    util::poll(&mut two, &mut events, Some(LONG));
    assert_eq!(tokens(&events), [OTHER]);
}

// The size of `Events`.

#[test]
fn events_that_find_no_room_come_with_the_next_polls() {
    const SOURCES: usize = 33;
    for capacity in [1, 2, 7, SOURCES] {
        let mut poll = Poll::new().unwrap();
        let mut events = Events::with_capacity(capacity);
        let mut pairs = readable_pairs(SOURCES);
        for (index, (near, _)) in pairs.iter_mut().enumerate() {
            poll.registry()
                .register(near, Token(index), Interest::READABLE)
                .unwrap();
        }
        let mut seen = BTreeSet::new();
        while seen.len() < SOURCES {
            util::poll(&mut poll, &mut events, Some(Duration::ZERO));
            assert!(!events.is_empty(), "lost: only {seen:?} came");
            let delivered = events.iter().count();
            assert!(delivered <= events.capacity());
            // Where readiness is requested in advance, it may arrive in several events.
            if !AFD {
                assert_eq!(delivered, capacity.min(SOURCES - seen.len()));
            }
            for event in &events {
                let new = seen.insert(event.token());
                assert!(new, "the edge of {:?} came twice", event.token());
            }
        }
        expect_silence(&mut poll, &mut events);
    }
}

/// Sources that stay ready take turns: none of them waits for more polls than there
/// are others, even if a wake comes before each poll.
#[test]
fn in_an_events_of_one_every_source_that_stays_ready_gets_its_turn() {
    const SOURCES: usize = 17;
    const ROUNDS: usize = 10;
    // With the waker there is one more, and a backend may give it every second turn.
    const BOUND: usize = 2 * (SOURCES + 1);

    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(1);
    let waker = Waker::new(poll.registry(), WAKER).unwrap();
    let mut pairs = readable_pairs(SOURCES);
    let mut all: BTreeSet<Token> = (100..100 + SOURCES).map(Token).collect();
    for (&token, (near, _)) in all.iter().zip(&mut pairs) {
        poll.registry()
            .register(near, token, Interest::READABLE.level())
            .unwrap();
    }
    all.insert(WAKER);

    for _ in 0..ROUNDS {
        let mut waiting = all.clone();
        for _ in 0..BOUND {
            waker.wake().unwrap();
            util::poll(&mut poll, &mut events, Some(Duration::ZERO));
            let [token] = tokens(&events)[..] else {
                panic!("one event was to come, not {events:?}");
            };
            waiting.remove(&token);
        }
        assert!(waiting.is_empty(), "{waiting:?} got no turn");
    }
}

/// Edge case 16: a capacity of zero is refused before any system call, whatever the
/// timeout, and no event is lost.
#[test]
fn an_events_of_zero_is_invalid_and_loses_nothing() {
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKER).unwrap();
    let mut pairs = readable_pairs(1);
    poll.registry()
        .register(&mut pairs[0].0, SOURCE, Interest::READABLE)
        .unwrap();
    waker.wake().unwrap();

    let mut none = Events::with_capacity(0);
    assert_eq!(none.capacity(), 0);
    for timeout in [Some(Duration::ZERO), Some(LONG), None] {
        let error = poll.poll(&mut none, timeout).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(none.is_empty());
        waker.wake().unwrap();
    }

    util::poll(&mut poll, &mut events, Some(LONG));
    assert_eq!(tokens(&events), [SOURCE, WAKER]);
    waker.wake().unwrap();
    util::poll(&mut poll, &mut events, Some(LONG));
    assert_eq!(tokens(&events), [WAKER]);
}

/// Edge case 16, without anything that is ready: the call does not wait.
#[test]
fn an_events_of_zero_is_invalid_when_nothing_is_ready() {
    let (mut poll, _) = poll_and_events();
    let error = poll
        .poll(&mut Events::with_capacity(0), Some(LONG))
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[cfg(unix)]
mod signals {
    use std::time::Instant;

    use super::*;
    use crate::util::signals::{self, Thread};

    extern "C" fn do_nothing(_: libc::c_int) {}

    /// Polls while another thread sends one signal after another.
    fn poll_under_signals(
        poll: &mut Poll,
        events: &mut Events,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        let waker = Waker::new(poll.registry(), WAKER).unwrap();
        let poller = Thread::current();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let (done, waker) = (&done, &waker);
            scope.spawn(move || {
                let end = Instant::now() + LONG;
                while !done.load(Ordering::Acquire) && Instant::now() < end {
                    poller.send(libc::SIGUSR1);
                    thread::yield_now();
                }
                // Ends a poll that no signal ends, so that the test fails in time.
                waker.wake().unwrap();
            });
            let result = poll.poll(events, timeout);
            done.store(true, Ordering::Release);
            result
        })
    }

    /// Edge case 4: a signal ends the call with `Interrupted`, and the caller decides
    /// whether to go on. The signals repeat, for the first ones may come before the
    /// call has begun.
    #[test]
    fn a_signal_interrupts_a_poll() {
        signals::handle(libc::SIGUSR1, do_nothing);
        for timeout in [None, Some(LONG), Some(LONG + Duration::from_nanos(1))] {
            let (mut poll, mut events) = poll_and_events();
            let mut pairs = readable_pairs(1);
            poll.registry()
                .register(&mut pairs[0].0, SOURCE, Interest::READABLE)
                .unwrap();
            expect_readable(&mut poll, &mut events, SOURCE);

            let error = poll_under_signals(&mut poll, &mut events, timeout).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Interrupted);
            assert!(events.is_empty(), "an error leaves no events: {events:?}");

            // The poll is as good as before.
            drain(&mut pairs[0].0);
            pairs[0].1.write_all(b"y").unwrap();
            expect_readable(&mut poll, &mut events, SOURCE);
        }
    }
}

// Threads.

#[test]
fn a_poll_may_move_between_threads() {
    let (mut poll, mut events) = poll_and_events();
    let mut pairs = readable_pairs(1);
    let (mut near, mut far) = pairs.remove(0);
    poll.registry()
        .register(&mut near, SOURCE, Interest::READABLE)
        .unwrap();
    expect_readable(&mut poll, &mut events, SOURCE);

    let elsewhere = thread::spawn(move || {
        drain(&mut near);
        far.write_all(b"y").unwrap();
        expect_readable(&mut poll, &mut events, SOURCE);
        (poll, events, near, far)
    });
    let (mut poll, mut events, mut near, mut far) = elsewhere.join().unwrap();
    drain(&mut near);
    far.write_all(b"z").unwrap();
    expect_readable(&mut poll, &mut events, SOURCE);
    poll.registry().deregister(&mut near).unwrap();
}

#[test]
fn a_poll_that_sleeps_wakes_up_for_readiness() {
    let (mut poll, mut events) = poll_and_events();
    let (_near, mut far) = registered_streams(poll.registry(), SOURCE, Interest::READABLE);
    poll_while(&mut poll, &mut events, Some(LONG), || {
        far.write_all(b"x").unwrap();
    });
    assert_eq!(tokens(&events), [SOURCE]);
}

/// Edge case 10: what is registered while a poll sleeps is watched by that very poll.
#[test]
fn registering_while_a_poll_sleeps_is_seen_by_it() {
    let (mut poll, mut events) = poll_and_events();
    let registry = poll.registry().try_clone().unwrap();
    let mut pairs = readable_pairs(1);
    poll_while(&mut poll, &mut events, Some(LONG), || {
        registry
            .register(&mut pairs[0].0, SOURCE, Interest::READABLE)
            .unwrap();
    });
    assert_eq!(tokens(&events), [SOURCE]);

    // Also a source that becomes ready only later.
    let (mut near, mut far) = stream_pair();
    let poller = thread_id();
    poll_while(&mut poll, &mut events, Some(LONG), || {
        registry
            .register(&mut near, OTHER, Interest::READABLE)
            .unwrap();
        util::wait_until_asleep(poller);
        far.write_all(b"x").unwrap();
    });
    assert_eq!(tokens(&events), [OTHER]);
}

/// Edge case 10.
#[test]
fn reregistering_while_a_poll_sleeps_is_seen_by_it() {
    let (mut poll, mut events) = poll_and_events();
    let registry = poll.registry().try_clone().unwrap();
    let (mut near, _far) = registered_streams(&registry, SOURCE, Interest::READABLE);
    poll_while(&mut poll, &mut events, Some(LONG), || {
        registry
            .reregister(&mut near, OTHER, Interest::WRITABLE)
            .unwrap();
    });
    assert_eq!(tokens(&events), [OTHER]);
    assert!(events.iter().all(|event| event.is_writable()));
}

/// Edge case 10: after `deregister` has returned, not even the poll that was sleeping
/// through it reports the source.
#[test]
fn deregistering_while_a_poll_sleeps_is_seen_by_it() {
    let (mut poll, mut events) = poll_and_events();
    let registry = poll.registry().try_clone().unwrap();
    let waker = Waker::new(&registry, WAKER).unwrap();
    let (mut near, mut far) = registered_streams(&registry, SOURCE, Interest::READABLE);
    poll_while(&mut poll, &mut events, Some(LONG), || {
        registry.deregister(&mut near).unwrap();
        far.write_all(b"x").unwrap();
        waker.wake().unwrap();
    });
    assert_eq!(tokens(&events), [WAKER]);
    expect_silence(&mut poll, &mut events);
}

/// Edge case 10: registrations change all the time, and every one of them counts.
#[test]
fn no_registration_is_lost_among_many_threads() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 200;
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKER).unwrap();
    let registry = poll.registry().try_clone().unwrap();
    let seen: [AtomicBool; THREADS] = Default::default();
    let active = AtomicUsize::new(THREADS);
    let failed = AtomicBool::new(false);

    /// Registers one source after another, each of which has to be seen.
    fn rounds(registry: &Registry, token: Token, seen: &AtomicBool, failed: &AtomicBool) {
        for round in 0..ROUNDS {
            let mut pairs = readable_pairs(1);
            let near = &mut pairs[0].0;
            seen.store(false, Ordering::Release);
            if round % 2 == 0 {
                registry.register(near, token, Interest::READABLE).unwrap();
            } else {
                registry.register(near, OTHER, Interest::READABLE).unwrap();
                registry
                    .reregister(near, token, Interest::READABLE)
                    .unwrap();
            }
            while !seen.load(Ordering::Acquire) {
                if failed.load(Ordering::Acquire) {
                    return;
                }
                thread::yield_now();
            }
            if round % 3 == 0 {
                registry.deregister(near).unwrap();
            }
        }
    }

    thread::scope(|scope| {
        for (index, seen) in seen.iter().enumerate() {
            let (registry, active, failed, waker) = (&registry, &active, &failed, &waker);
            scope.spawn(move || {
                rounds(registry, Token(100 + index), seen, failed);
                active.fetch_sub(1, Ordering::Release);
                waker.wake().unwrap();
            });
        }
        while active.load(Ordering::Acquire) > 0 {
            util::poll(&mut poll, &mut events, Some(LONG));
            if events.is_empty() {
                // Lets the threads go, or the test would hang instead of failing.
                failed.store(true, Ordering::Release);
                break;
            }
            for event in events.iter().filter(|event| event.token().0 >= 100) {
                seen[event.token().0 - 100].store(true, Ordering::Release);
            }
        }
    });
    assert!(!failed.into_inner(), "a registration was lost");
}

// The end of a registration.

#[test]
fn no_event_comes_after_deregistering() {
    let (mut poll, mut events) = poll_and_events();
    let mut pairs = readable_pairs(1);
    let (near, far) = &mut pairs[0];
    let registry = poll.registry().try_clone().unwrap();
    registry.register(near, SOURCE, Interest::READABLE).unwrap();
    registry.deregister(near).unwrap();
    expect_silence(&mut poll, &mut events);
    far.write_all(b"y").unwrap();
    expect_silence(&mut poll, &mut events);

    // The readiness was not lost, it only went unreported.
    registry.register(near, OTHER, Interest::READABLE).unwrap();
    util::poll(&mut poll, &mut events, Some(LONG));
    assert_eq!(tokens(&events), [OTHER]);
}

#[test]
fn events_that_were_delivered_stay_after_deregistering() {
    let (mut poll, mut events) = poll_and_events();
    let mut pairs = readable_pairs(1);
    poll.registry()
        .register(&mut pairs[0].0, SOURCE, Interest::READABLE)
        .unwrap();
    expect_readable(&mut poll, &mut events, SOURCE);
    poll.registry().deregister(&mut pairs[0].0).unwrap();
    assert_eq!(tokens(&events), [SOURCE]);
}

#[test]
fn a_source_that_is_dropped_gives_no_events() {
    let (mut poll, mut events) = poll_and_events();
    // The number of a descriptor is used again by the next round, whose source must
    // neither be refused nor get events of its predecessor.
    for round in 0..100 {
        let mut pairs = readable_pairs(1);
        poll.registry()
            .register(&mut pairs[0].0, Token(round), Interest::READABLE)
            .unwrap();
        if round % 2 == 0 {
            util::poll(&mut poll, &mut events, Some(LONG));
            assert_eq!(tokens(&events), [Token(round)]);
            drain(&mut pairs[0].0);
            pairs[0].1.write_all(b"y").unwrap();
        }
        let (near, _far) = pairs.remove(0);
        drop(near);
        expect_silence(&mut poll, &mut events);
    }
}

/// The peer of a socket that is dropped learns of it at once, although a thread sleeps
/// in a poll that has it registered: poll(2) keeps the files that it polls open.
#[test]
fn a_source_that_is_dropped_while_a_poll_sleeps_is_closed() {
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKER).unwrap();
    let (mut near, far) = stream_pair();
    let mut far = StdStream::from(far);
    far.set_nonblocking(false).unwrap();
    far.set_read_timeout(Some(LONG)).unwrap();
    poll.registry()
        .register(&mut near, SOURCE, Interest::READABLE)
        .unwrap();
    poll_while(&mut poll, &mut events, Some(LONG), || {
        drop(near);
        let end = far.read(&mut [0]);
        waker.wake().unwrap();
        assert_eq!(end.unwrap(), 0);
    });
    assert_eq!(tokens(&events), [WAKER]);
}

// Formatting.

#[test]
fn polls_and_registries_can_be_printed() {
    let (poll, _) = poll_and_events();
    let text = format!("{poll:?}");
    assert!(text.starts_with("Poll"), "{text}");
    let text = format!("{:?}", poll.registry());
    assert!(text.starts_with("Registry"), "{text}");
}

#[test]
fn the_long_form_of_an_event_names_the_flags_of_the_system() {
    let (mut poll, mut events) = poll_and_events();
    let mut pairs = readable_pairs(1);
    let both = Interest::READABLE | Interest::WRITABLE;
    poll.registry()
        .register(&mut pairs[0].0, SOURCE, both)
        .unwrap();
    let event = expect_readable(&mut poll, &mut events, SOURCE);
    let text = format!("{event:#?}");
    let names = match (POLL2 || util::EVENT_PORT, KQUEUE) {
        _ if AFD => ["AFD_POLL_RECEIVE", "AFD_POLL_SEND"],
        (true, _) => ["POLLIN", "POLLOUT"],
        (false, false) => ["EPOLLIN", "EPOLLOUT"],
        // Of which the other direction is no matter.
        (false, true) => ["EVFILT_READ", "EV_CLEAR"],
    };
    let named = |name: &str| {
        text.split(|c: char| !c.is_alphanumeric() && c != '_')
            .any(|it| it == name)
    };
    assert!(names.into_iter().all(named), "{text}");
    for absent in [
        "POLLERR",
        "EPOLLERR",
        "EV_EOF",
        "EV_ERROR",
        "AFD_POLL_ABORT",
    ] {
        assert!(!named(absent), "{text}");
    }
    let short = format!("{event:?}");
    assert!(!short.contains("POLL"), "{short}");
}

// The descriptor of the queue, which poll(2) and Windows do not have.
#[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
mod descriptor {
    use std::os::fd::{AsFd, AsRawFd, RawFd};

    use super::*;

    fn is_closed_on_exec(fd: RawFd) -> bool {
        // SAFETY: takes no pointer.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
        assert_ne!(flags, -1);
        flags & libc::FD_CLOEXEC != 0
    }

    #[test]
    fn a_poll_and_its_registry_have_the_same_descriptor() {
        let (poll, _) = poll_and_events();
        let fd = poll.as_raw_fd();
        assert_eq!(poll.as_fd().as_raw_fd(), fd);
        assert_eq!(poll.registry().as_raw_fd(), fd);
        assert_eq!(poll.registry().as_fd().as_raw_fd(), fd);
        assert!(is_closed_on_exec(fd));
    }

    /// Edge case 13: the duplicate is closed on exec from the start.
    #[test]
    fn a_cloned_registry_has_a_descriptor_of_its_own() {
        let (poll, _) = poll_and_events();
        let clone = poll.registry().try_clone().unwrap();
        if util::EVENT_PORT {
            // Whose clones share one.
            assert_eq!(clone.as_raw_fd(), poll.as_raw_fd());
            return;
        }
        assert_ne!(clone.as_raw_fd(), poll.as_raw_fd());
        assert!(is_closed_on_exec(clone.as_raw_fd()));
    }

    #[test]
    #[cfg(feature = "os-ext")]
    fn a_poll_can_be_polled_by_another() {
        use mio::unix::SourceFd;

        let (mut outer, mut events) = poll_and_events();
        let (mut inner, mut inner_events) = poll_and_events();
        let (mut near, mut far) = stream_pair();
        inner
            .registry()
            .register(&mut near, OTHER, Interest::READABLE)
            .unwrap();
        let fd = inner.as_raw_fd();
        outer
            .registry()
            .register(&mut SourceFd(&fd), SOURCE, Interest::READABLE.level())
            .unwrap();
        expect_silence(&mut outer, &mut events);

        far.write_all(b"x").unwrap();
        for _ in 0..2 {
            util::poll(&mut outer, &mut events, Some(LONG));
            assert_eq!(tokens(&events), [SOURCE]);
        }
        util::poll(&mut inner, &mut inner_events, Some(Duration::ZERO));
        assert_eq!(tokens(&inner_events), [OTHER]);
        expect_silence(&mut outer, &mut events);

        // A wake of the inner poll is readiness too.
        let waker = Waker::new(inner.registry(), WAKER).unwrap();
        poll_while(&mut outer, &mut events, Some(LONG), || {
            waker.wake().unwrap();
        });
        assert_eq!(tokens(&events), [SOURCE]);
        util::poll(&mut inner, &mut inner_events, Some(Duration::ZERO));
        assert_eq!(tokens(&inner_events), [WAKER]);
        expect_silence(&mut outer, &mut events);
        outer.registry().deregister(&mut SourceFd(&fd)).unwrap();
    }
}

#[test]
fn writable_and_readable_come_to_a_source_that_changes_its_interest() {
    let (mut poll, mut events) = poll_and_events();
    let mut pairs = readable_pairs(1);
    let near = &mut pairs[0].0;
    let registry = poll.registry().try_clone().unwrap();
    registry.register(near, SOURCE, Interest::WRITABLE).unwrap();
    let event = expect_writable(&mut poll, &mut events, SOURCE);
    assert!(!event.is_readable(), "readable is not in the interest");
    registry
        .reregister(near, SOURCE, Interest::READABLE)
        .unwrap();
    let event = expect_readable(&mut poll, &mut events, SOURCE);
    assert!(
        !event.is_writable(),
        "writable is no longer in the interest"
    );
}
