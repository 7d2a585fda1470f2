//! The selector of Windows: what threads do to sources and wakers while another waits for
//! packets, or while a packet is on its way. Whatever the schedule, each record is freed once
//! nobody has it, which loom checks, and no packet stays in the port, which the model does.
#![cfg(feature = "iocp")]

use std::io::ErrorKind;
use std::time::Duration;

use libc::windows::{self as system, RawSocket};
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::Arc;
use loom::thread;

use schedules::{BareWaker, Events, Interest, Poll, Registry, Socket, Token, Waker};

const SOCKET: RawSocket = 10;
const OTHER: RawSocket = 11;

const ONE: Token = Token(1);
const TWO: Token = Token(2);
const THREE: Token = Token(3);
const WAKE: Token = Token(7);

const READABLE: Interest = Interest::READABLE;
const WRITABLE: Interest = Interest::WRITABLE;

// As the driver's headers have them.
const RECEIVE: u32 = 1;
const SEND: u32 = 1 << 2;
const ABORT: u32 = 1 << 4;
const CONNECT_FAIL: u32 = 1 << 8;

/// Runs `test` under every schedule there is.
fn check(test: impl Fn() + Sync + Send + 'static) {
    check_up_to(None, test);
}

/// Leaves out schedules that take a thread off its turn more than three times: without a
/// bound three threads have too many.
fn check_bounded(test: impl Fn() + Sync + Send + 'static) {
    check_up_to(Some(3), test);
}

fn check_up_to(preemptions: Option<usize>, test: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = preemptions;
    model.check(test);
}

/// A poll, and a socket that is registered with it as `ONE`.
fn with_socket(interest: Interest) -> (Poll, Socket) {
    let poll = Poll::new().unwrap();
    let mut socket = Socket::new(SOCKET);
    socket.register(poll.registry(), ONE, interest);
    (poll, socket)
}

/// The same, of which it was told that its connection was reset: no request runs for it.
fn with_reset_socket() -> (Poll, Socket) {
    let (mut poll, socket) = with_socket(READABLE);
    system::make_ready(SOCKET, RECEIVE | ABORT);
    wait_for_error(&mut poll);
    (poll, socket)
}

/// The same, of which it was told that connecting has failed.
fn with_failed_socket() -> (Poll, Socket) {
    let (mut poll, socket) = with_socket(READABLE | WRITABLE);
    system::make_ready(SOCKET, CONNECT_FAIL);
    wait_for_error(&mut poll);
    (poll, socket)
}

fn wait_for_error(poll: &mut Poll) {
    let mut events = Events::with_capacity(4);
    poll.poll(&mut events, None).unwrap();
    assert!(events.iter().all(|event| event.is_error()));
    assert!(!events.is_empty());
}

/// Runs `change` in another thread, with a clone of the registry.
fn beside<T: 'static>(
    poll: &Poll,
    change: impl FnOnce(&Registry) -> T + 'static,
) -> thread::JoinHandle<T> {
    let registry = poll.registry().try_clone().unwrap();
    thread::spawn(move || change(&registry))
}

/// Waits for at least one event. They are the tokens with what they are ready for.
fn wait(poll: &mut Poll, room: usize) -> Vec<(Token, bool, bool)> {
    let told = poll_for(poll, room, None);
    assert!(!told.is_empty());
    told
}

/// The events that are there.
fn look(poll: &mut Poll) -> Vec<(Token, bool, bool)> {
    poll_for(poll, 4, Some(Duration::ZERO))
}

fn poll_for(poll: &mut Poll, room: usize, timeout: Option<Duration>) -> Vec<(Token, bool, bool)> {
    let mut events = Events::with_capacity(room);
    poll.poll(&mut events, timeout).unwrap();
    events
        .iter()
        .map(|event| {
            assert!(!event.is_error(), "nothing fails here");
            (event.token(), event.is_readable(), event.is_writable())
        })
        .collect()
}

#[test]
fn what_is_registered_while_a_poll_waits_takes_part() {
    check(|| {
        let mut poll = Poll::new().unwrap();
        let thread = beside(&poll, |registry| {
            let mut socket = Socket::new(SOCKET);
            socket.register(registry, ONE, READABLE);
            system::make_ready(SOCKET, RECEIVE);
            socket
        });
        assert_eq!(wait(&mut poll, 4), [(ONE, true, false)]);
        thread.join().unwrap();
    });
}

#[test]
fn what_is_ready_when_it_is_registered_takes_part() {
    check(|| {
        let mut poll = Poll::new().unwrap();
        system::make_ready(SOCKET, RECEIVE);
        let thread = beside(&poll, |registry| {
            let mut socket = Socket::new(SOCKET);
            socket.register(registry, ONE, READABLE);
            socket
        });
        assert_eq!(wait(&mut poll, 4), [(ONE, true, false)]);
        thread.join().unwrap();
    });
}

/// Edge case 49, and the guide's promise: a direction that another thread arms again while
/// the poll waits is watched by that call.
#[test]
fn an_edge_that_is_armed_while_a_poll_waits_is_reported() {
    check(|| {
        let (mut poll, socket) = with_socket(READABLE);
        system::make_ready(SOCKET, RECEIVE);
        assert_eq!(wait(&mut poll, 4), [(ONE, true, false)]);
        let thread = thread::spawn(move || {
            // It reads to the end; then more arrives.
            system::make_unready(SOCKET);
            socket.would_block(READABLE);
            system::make_ready(SOCKET, RECEIVE);
            socket
        });
        assert_eq!(wait(&mut poll, 4), [(ONE, true, false)]);
        thread.join().unwrap();
    });
}

/// The request that runs asks for one direction only: it is replaced.
#[test]
fn a_direction_that_is_armed_beside_another_is_reported() {
    check(|| {
        let (mut poll, socket) = with_socket(READABLE | WRITABLE);
        system::make_ready(SOCKET, SEND);
        assert_eq!(wait(&mut poll, 4), [(ONE, false, true)]);
        let thread = thread::spawn(move || {
            // It writes until there is no room; then there is room again.
            system::make_unready(SOCKET);
            socket.would_block(WRITABLE);
            system::make_ready(SOCKET, SEND);
            socket
        });
        assert_eq!(wait(&mut poll, 4), [(ONE, false, true)]);
        let socket = thread.join().unwrap();
        // Reading is watched as before.
        system::make_ready(SOCKET, RECEIVE);
        assert_eq!(wait(&mut poll, 4), [(ONE, true, false)]);
        drop(socket);
    });
}

/// The answer to what was asked before is either told as it was, or dropped.
#[test]
fn a_change_while_a_request_runs_is_told_as_it_is() {
    check(|| {
        let (mut poll, mut socket) = with_socket(READABLE);
        let thread = beside(&poll, |registry| {
            system::make_ready(SOCKET, RECEIVE | SEND);
            socket.reregister(registry, TWO, WRITABLE);
            socket
        });
        let mut told = wait(&mut poll, 4);
        if told == [(ONE, true, false)] {
            told = wait(&mut poll, 4);
        }
        assert_eq!(told, [(TWO, false, true)]);
        thread.join().unwrap();
        assert_eq!(look(&mut poll), []);
    });
}

/// What was asked before is never answered.
#[test]
fn what_replaces_a_request_is_answered_to_the_call_that_waits() {
    check(|| {
        let (mut poll, mut socket) = with_socket(READABLE);
        system::make_ready(SOCKET, SEND);
        let thread = beside(&poll, |registry| {
            socket.reregister(registry, TWO, WRITABLE);
            socket
        });
        assert_eq!(wait(&mut poll, 4), [(TWO, false, true)]);
        thread.join().unwrap();
        assert_eq!(look(&mut poll), []);
    });
}

/// The second change comes while the packet of the cancelled request is still in the port.
#[test]
fn a_change_upon_a_change_is_told_as_it_is() {
    check(|| {
        let (mut poll, mut socket) = with_socket(READABLE);
        system::make_ready(SOCKET, SEND);
        let thread = beside(&poll, |registry| {
            socket.reregister(registry, TWO, WRITABLE);
            socket.reregister(registry, THREE, READABLE | WRITABLE);
            socket
        });
        let mut told = wait(&mut poll, 4);
        if told == [(TWO, false, true)] {
            told = wait(&mut poll, 4);
        }
        assert_eq!(told, [(THREE, false, true)]);
        thread.join().unwrap();
        assert_eq!(look(&mut poll), []);
    });
}

/// The packet of the cancelled request is all that comes first.
#[test]
fn what_replaces_a_request_is_answered_to_a_call_that_does_not_wait() {
    check(|| {
        let (mut poll, mut socket) = with_socket(READABLE);
        assert_eq!(look(&mut poll), []);
        system::make_ready(SOCKET, SEND);
        socket.reregister(poll.registry(), TWO, WRITABLE);
        assert_eq!(look(&mut poll), [(TWO, false, true)]);
    });
}

#[test]
fn level_is_told_by_every_call() {
    check(|| {
        let (mut poll, socket) = with_socket(READABLE.level());
        let thread = thread::spawn(|| system::make_ready(SOCKET, RECEIVE));
        assert_eq!(wait(&mut poll, 4), [(ONE, true, false)]);
        assert_eq!(wait(&mut poll, 4), [(ONE, true, false)]);
        thread.join().unwrap();
        system::make_unready(SOCKET);
        // The request that runs was made before.
        look(&mut poll);
        assert_eq!(look(&mut poll), []);
        drop(socket);
    });
}

/// Two packets under way at once, each to its own source.
#[test]
fn registrations_from_two_threads_are_both_reported() {
    check_bounded(|| {
        let mut poll = Poll::new().unwrap();
        let threads: Vec<_> = [(SOCKET, ONE), (OTHER, TWO)]
            .into_iter()
            .map(|(handle, token)| {
                let registry = poll.registry().try_clone().unwrap();
                thread::spawn(move || {
                    let mut socket = Socket::new(handle);
                    socket.register(&registry, token, READABLE);
                    system::make_ready(handle, RECEIVE);
                    socket
                })
            })
            .collect();
        let mut told = wait(&mut poll, 1);
        told.extend(wait(&mut poll, 1));
        told.sort_unstable();
        assert_eq!(told, [(ONE, true, false), (TWO, true, false)]);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// One thread's source goes while another's comes.
#[test]
fn a_registration_and_its_neighbours_end_do_not_disturb_each_other() {
    check_bounded(|| {
        let (mut poll, mut socket) = with_socket(READABLE);
        system::make_ready(OTHER, RECEIVE);
        let (going, coming) = (
            poll.registry().try_clone().unwrap(),
            poll.registry().try_clone().unwrap(),
        );
        let going = thread::spawn(move || {
            socket.deregister(&going);
            system::make_ready(SOCKET, RECEIVE);
        });
        let coming = thread::spawn(move || {
            let mut socket = Socket::new(OTHER);
            socket.register(&coming, TWO, READABLE);
            socket
        });
        assert_eq!(wait(&mut poll, 4), [(TWO, true, false)]);
        going.join().unwrap();
        coming.join().unwrap();
        assert_eq!(look(&mut poll), []);
    });
}

/// Nothing of a source in a poll that began after it was deregistered, though its packet was
/// in the port.
#[test]
fn what_is_deregistered_is_not_reported() {
    check(|| {
        let (mut poll, mut socket) = with_socket(READABLE);
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        assert_eq!(look(&mut poll), []);
        let registry = poll.registry().try_clone().unwrap();
        let gone = Arc::new(AtomicBool::new(false));
        let is_gone = Arc::clone(&gone);
        let thread = thread::spawn(move || {
            system::make_ready(SOCKET, RECEIVE);
            socket.deregister(&registry);
            gone.store(true, Ordering::Release);
            waker.wake().unwrap();
            (socket, waker)
        });
        loop {
            let was_gone = is_gone.load(Ordering::Acquire);
            let told = wait(&mut poll, 1);
            assert!(!was_gone || told == [(WAKE, true, false)]);
            if told == [(WAKE, true, false)] {
                break;
            }
        }
        assert_eq!(look(&mut poll), []);
        thread.join().unwrap();
    });
}

/// The socket becomes ready while it is being deregistered, or dropped, by another thread.
#[test]
fn an_answer_and_a_drop_at_once() {
    check(|| {
        let (mut poll, socket) = with_socket(READABLE);
        let ready = thread::spawn(|| system::make_ready(SOCKET, RECEIVE));
        let dropping = thread::spawn(move || drop(socket));
        let told = look(&mut poll);
        assert!(told.is_empty() || told == [(ONE, true, false)]);
        dropping.join().unwrap();
        ready.join().unwrap();
        assert_eq!(look(&mut poll), []);
    });
}

/// Once gone, a source can be there again at once, though its old request is still running.
#[test]
fn a_source_that_comes_back_is_told_by_its_new_token_only() {
    check(|| {
        let (mut poll, mut socket) = with_socket(READABLE);
        let thread = beside(&poll, |registry| {
            socket.deregister(registry);
            system::make_ready(SOCKET, RECEIVE);
            socket.register(registry, TWO, READABLE);
            socket
        });
        assert_eq!(wait(&mut poll, 4), [(TWO, true, false)]);
        thread.join().unwrap();
        assert_eq!(look(&mut poll), []);
    });
}

/// Closed as a bare handle: no event, nothing runs on, and it cannot be registered again.
#[test]
fn a_socket_that_was_closed_unnoticed_is_left_alone() {
    check(|| {
        let (mut poll, socket) = with_socket(READABLE);
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        let thread = thread::spawn(move || {
            system::close_socket(SOCKET);
            socket.would_block(READABLE);
            waker.wake().unwrap();
            (socket, waker)
        });
        assert_eq!(wait(&mut poll, 4), [(WAKE, true, false)]);
        let (mut socket, _) = thread.join().unwrap();
        socket.would_block(READABLE);
        assert_eq!(look(&mut poll), []);
        let gone = socket.try_reregister(poll.registry(), TWO, READABLE);
        assert_eq!(gone.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(look(&mut poll), []);
    });
}

/// The user of a source for which the device takes no request is told of an error, and the
/// others of what they wait for: no poll fails for it.
#[test]
fn a_source_that_is_refused_for_good_is_told_of_an_error() {
    check_bounded(|| {
        let (mut poll, socket) = with_socket(READABLE);
        let mut other = Socket::new(OTHER);
        other.register(poll.registry(), TWO, READABLE);
        system::refuse_socket(SOCKET);
        let thread = thread::spawn(|| system::make_ready(OTHER, RECEIVE));
        let mut told = Vec::new();
        let mut poll_once = |told: &mut Vec<_>| {
            let mut events = Events::with_capacity(4);
            poll.poll(&mut events, None).unwrap();
            assert!(!events.is_empty());
            told.extend(events.iter().map(|event| (event.token(), event.is_error())));
        };
        while told.len() < 2 {
            poll_once(&mut told);
        }
        told.sort_unstable();
        assert_eq!(told, [(ONE, true), (TWO, false)]);
        thread.join().unwrap();

        // It is tried again when there is reason to, beside a poll that waits.
        let thread = thread::spawn(move || {
            socket.would_block(READABLE);
            socket
        });
        told.clear();
        poll_once(&mut told);
        assert_eq!(told, [(ONE, true)]);
        thread.join().unwrap();
    });
}

/// Reading to the end between two polls costs one request, however often that is.
#[test]
fn an_event_that_is_used_up_costs_one_request() {
    check(|| {
        let (mut poll, socket) = with_socket(READABLE | WRITABLE);
        for cycle in 1..4 {
            system::make_ready(SOCKET, RECEIVE);
            assert_eq!(wait(&mut poll, 4), [(ONE, true, false)]);
            assert_eq!(system::requests(), cycle);
            system::make_unready(SOCKET);
            socket.would_block(READABLE);
        }
    });
}

/// A request that fails is made again by the next poll, unless the source is gone by then.
#[test]
fn a_request_that_fails_is_made_again() {
    check(|| {
        let (mut poll, mut socket) = with_socket(READABLE);
        let mut other = Socket::new(OTHER);
        other.register(poll.registry(), TWO, READABLE);
        system::make_ready(SOCKET, RECEIVE);
        system::make_ready(OTHER, RECEIVE);
        system::refuse_requests(2);
        let thread = beside(&poll, |registry| {
            socket.deregister(registry);
            socket
        });
        let mut events = Events::with_capacity(4);
        poll.poll(&mut events, None).unwrap_err();
        assert!(events.is_empty());
        system::refuse_requests(0);
        thread.join().unwrap();
        assert_eq!(wait(&mut poll, 4), [(TWO, true, false)]);
    });
}

/// After a change that is refused beside a poll that waits, the former registration holds.
#[test]
fn a_change_that_is_refused_changes_nothing() {
    check(|| {
        let (mut poll, mut socket) = with_reset_socket();
        let thread = beside(&poll, |registry| {
            system::make_unready(SOCKET);
            system::refuse_requests(1);
            let changed = socket.try_reregister(registry, TWO, READABLE | WRITABLE);
            system::refuse_requests(0);
            system::make_ready(SOCKET, RECEIVE | SEND);
            socket.would_block(READABLE);
            (socket, changed.is_ok())
        });
        let mut events = Events::with_capacity(4);
        while events.is_empty() {
            // The request that is refused may be the poll's own.
            let _ = poll.poll(&mut events, None);
        }
        let (_socket, changed) = thread.join().unwrap();
        for event in &events {
            assert_eq!(event.token(), if changed { TWO } else { ONE });
            assert!(changed || !event.is_writable());
        }
    });
}

/// Nobody hears of a request that fails when a direction is armed while a poll waits.
#[test]
fn an_edge_whose_request_fails_is_armed_by_the_next_poll() {
    check(|| {
        let (mut poll, socket) = with_reset_socket();
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        let thread = thread::spawn(move || {
            system::make_unready(SOCKET);
            system::refuse_requests(1);
            socket.would_block(READABLE);
            system::make_ready(SOCKET, RECEIVE);
            waker.wake().unwrap();
            (socket, waker)
        });
        let mut events = Events::with_capacity(4);
        let mut told = Vec::new();
        while told.len() < 2 {
            // The request that is refused may be the poll's own.
            if poll.poll(&mut events, None).is_ok() {
                assert!(!events.is_empty());
            }
            told.extend(events.iter().map(|event| event.token()));
        }
        told.sort_unstable();
        assert_eq!(told, [ONE, WAKE]);
        thread.join().unwrap();
    });
}

/// After a `WouldBlock` the system is asked, and what it reports is no news.
#[test]
fn a_reset_that_is_still_there_is_not_reported_again() {
    check(|| {
        let (mut poll, socket) = with_reset_socket();
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        let thread = thread::spawn(move || {
            socket.would_block(READABLE);
            waker.wake().unwrap();
            (socket, waker)
        });
        assert_eq!(wait(&mut poll, 4), [(WAKE, true, false)]);
        thread.join().unwrap();
        assert_eq!(look(&mut poll), []);
    });
}

/// A request that only ends after a pause shows nothing.
#[test]
fn a_reset_is_not_reported_again_after_a_pause() {
    check(|| {
        let (mut poll, socket) = with_reset_socket();
        socket.would_block(READABLE);
        socket.lacks_descriptor(READABLE);
        for _ in 0..2 {
            assert_eq!(look(&mut poll), []);
        }
        drop(socket);
    });
}

#[test]
fn what_is_there_is_reported_again_after_a_pause() {
    check(|| {
        let (mut poll, socket) = with_socket(READABLE);
        system::make_ready(SOCKET, RECEIVE);
        assert_eq!(wait(&mut poll, 4), [(ONE, true, false)]);
        let thread = thread::spawn(move || {
            socket.lacks_descriptor(READABLE);
            socket
        });
        assert_eq!(wait(&mut poll, 4), [(ONE, true, false)]);
        thread.join().unwrap();
    });
}

/// That its request was pending has shown that it had passed.
#[test]
fn a_reset_that_passed_and_comes_again_is_reported() {
    check(|| {
        let (mut poll, socket) = with_reset_socket();
        system::make_unready(SOCKET);
        socket.would_block(READABLE);
        assert_eq!(look(&mut poll), []);
        let thread = thread::spawn(move || {
            system::make_ready(SOCKET, RECEIVE | ABORT);
            socket
        });
        let mut events = Events::with_capacity(4);
        poll.poll(&mut events, None).unwrap();
        assert!(events.iter().any(|event| event.is_error()));
        thread.join().unwrap();
    });
}

/// A UDP socket that failed to connect receives as before, and the failure stays until it connects.
#[test]
fn a_failure_that_is_still_there_is_not_reported_again() {
    check(|| {
        let (mut poll, socket) = with_failed_socket();
        for _ in 0..2 {
            socket.would_block(READABLE);
            assert_eq!(look(&mut poll), []);
        }
        system::make_ready(SOCKET, RECEIVE | CONNECT_FAIL);
        assert_eq!(wait(&mut poll, 4), [(ONE, true, false)]);
        drop(socket);
    });
}

/// Another attempt to connect returns `WouldBlock`, and can fail before the next poll.
#[test]
fn a_failure_of_another_attempt_is_reported() {
    check(|| {
        for (before, directions) in [
            (None, READABLE | WRITABLE),
            (None, WRITABLE),
            (Some(READABLE), WRITABLE),
        ] {
            let (mut poll, socket) = with_failed_socket();
            if let Some(before) = before {
                socket.would_block(before);
            }
            socket.would_block(directions);
            wait_for_error(&mut poll);
            drop(socket);
            system::make_unready(SOCKET);
        }
    });
}

/// A request that was refused does not keep a later change from the call that waits.
#[test]
fn a_change_after_a_refusal_is_reported() {
    check(|| {
        let (mut poll, mut socket) = with_reset_socket();
        let thread = beside(&poll, |registry| {
            system::refuse_requests(1);
            socket.would_block(READABLE);
            system::refuse_requests(0);
            socket.reregister(registry, TWO, READABLE);
            socket
        });
        let mut events = Events::with_capacity(4);
        while !events.iter().any(|event| event.token() == TWO) {
            // The request that is refused may be the poll's own.
            if poll.poll(&mut events, None).is_ok() {
                assert!(!events.is_empty());
            }
        }
        thread.join().unwrap();
    });
}

/// The poll goes while a request runs and a wake is under way; whoever lets go last takes
/// the packets.
#[test]
fn nothing_is_left_whoever_goes_last() {
    check(|| {
        let (mut poll, socket) = with_socket(READABLE);
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        assert_eq!(look(&mut poll), []);
        let thread = thread::spawn(move || {
            system::make_ready(SOCKET, RECEIVE);
            drop(socket);
            waker.wake().unwrap();
        });
        drop(poll);
        thread.join().unwrap();
    });
}

/// The events have no room for the packet of a wake: what comes meanwhile is not lost with it.
#[test]
fn a_wake_that_found_no_room_is_heard_later() {
    check_bounded(|| {
        let (mut poll, socket) = with_socket(READABLE);
        system::make_ready(SOCKET, RECEIVE);
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        let places = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let own = Arc::clone(&places);
        let thread = thread::spawn(move || {
            for place in own.iter() {
                place.store(1, Ordering::Relaxed);
                waker.wake().unwrap();
            }
            waker
        });
        let mut told = Vec::new();
        let written = |place: &AtomicUsize| place.load(Ordering::Relaxed) == 1;
        while !places.iter().all(written) || !told.contains(&(ONE, true, false)) {
            told.extend(wait(&mut poll, 1));
        }
        thread.join().unwrap();
        drop(socket);
    });
}

/// The packet of a source that is gone takes all the room, and tells nothing.
#[test]
fn a_wake_behind_a_packet_that_tells_nothing_is_heard() {
    check(|| {
        let (mut poll, socket) = with_socket(READABLE);
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        look(&mut poll);
        drop(socket);
        waker.wake().unwrap();
        let told = poll_for(&mut poll, 1, Some(Duration::ZERO));
        assert_eq!(told, [(WAKE, true, false)]);
    });
}

/// The packets of wakes do not pile up where the events have no room for them.
#[test]
fn one_packet_serves_all_wakes_until_it_is_taken() {
    check(|| {
        let mut poll = Poll::new().unwrap();
        let waker = Arc::new(BareWaker::new(poll.registry(), WAKE));
        let remote = Arc::clone(&waker);
        let thread = thread::spawn(move || remote.wake());
        waker.wake();
        thread.join().unwrap();
        assert_eq!(look(&mut poll), [(WAKE, true, false)]);
    });
}

/// The second waker of a poll has no flag above it: its packet alone tells whether a wake is
/// on its way, and what was written before it.
#[test]
fn every_wake_without_a_flag_publishes_what_was_written() {
    check(|| {
        let mut poll = Poll::new().unwrap();
        let waker = BareWaker::new(poll.registry(), WAKE);
        let places = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let own = Arc::clone(&places);
        let thread = thread::spawn(move || {
            for place in own.iter() {
                place.store(1, Ordering::Relaxed);
                waker.wake();
            }
            waker
        });
        let written = |place: &AtomicUsize| place.load(Ordering::Relaxed) == 1;
        while !places.iter().all(written) {
            assert_eq!(wait(&mut poll, 4), [(WAKE, true, false)]);
        }
        thread.join().unwrap();
    });
}

/// A packet that outlives its waker is not heard, and does not keep the next from being so.
#[test]
fn a_waker_that_is_gone_is_not_heard() {
    check(|| {
        let mut poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        let thread = beside(&poll, |registry| {
            waker.wake().unwrap();
            drop(waker);
            Waker::new(registry, TWO).unwrap()
        });
        let early = look(&mut poll);
        assert!(early.is_empty() || early == [(WAKE, true, false)]);
        let successor = thread.join().unwrap();
        assert_eq!(look(&mut poll), []);
        successor.wake().unwrap();
        assert_eq!(wait(&mut poll, 4), [(TWO, true, false)]);
    });
}

/// A thread that works on its events keeps no other from getting those that come meanwhile.
#[test]
fn a_thread_that_computes_does_not_hold_up_the_poll_of_another() {
    check(|| {
        let mut poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        waker.wake().unwrap();
        assert_eq!(wait(&mut poll, 4), [(WAKE, true, false)]);
        let woken = Arc::new(AtomicBool::new(false));
        let is_woken = Arc::clone(&woken);
        let thread = thread::spawn(move || {
            assert_eq!(wait(&mut poll, 4), [(WAKE, true, false)]);
            woken.store(true, Ordering::Release);
        });
        waker.wake().unwrap();
        // It does not block, for which the system would let another thread run.
        while !is_woken.load(Ordering::Acquire) {
            thread::yield_now();
        }
        thread.join().unwrap();
    });
}
