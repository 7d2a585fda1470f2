//! The selector of Windows, while threads change sources and wakers and another thread waits for
//! packets, or while a packet is on its way. In every schedule, each record is freed after its last
//! use, which loom checks, and no packet stays in the port, which the model checks.
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

// As in the driver's headers.
const RECEIVE: u32 = 1;
const SEND: u32 = 1 << 2;
const ABORT: u32 = 1 << 4;
const CONNECT_FAIL: u32 = 1 << 8;

/// Runs `test` under every schedule.
fn check(test: impl Fn() + Sync + Send + 'static) {
    check_up_to(None, test);
}

/// Runs `test` under every schedule with up to three preemptions. Without a bound, three threads
/// have too many schedules.
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

/// The same, after a reset of its connection was reported: no request is pending.
fn with_reset_socket() -> (Poll, Socket) {
    let (mut poll, socket) = with_socket(READABLE);
    system::make_ready(SOCKET, RECEIVE | ABORT);
    wait_for_error(&mut poll);
    (poll, socket)
}

/// The same, after a failed attempt to connect was reported.
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

/// Waits for at least one event. Returns the tokens, and whether each is readable and writable.
fn wait(poll: &mut Poll, room: usize) -> Vec<(Token, bool, bool)> {
    let reported = poll_for(poll, room, None);
    assert!(!reported.is_empty());
    reported
}

/// Returns the available events.
fn look(poll: &mut Poll) -> Vec<(Token, bool, bool)> {
    poll_for(poll, 4, Some(Duration::ZERO))
}

fn poll_for(poll: &mut Poll, room: usize, timeout: Option<Duration>) -> Vec<(Token, bool, bool)> {
    let mut events = Events::with_capacity(room);
    poll.poll(&mut events, timeout).unwrap();
    events
        .iter()
        .map(|event| {
            assert!(!event.is_error(), "unexpected error");
            (event.token(), event.is_readable(), event.is_writable())
        })
        .collect()
}

#[test]
fn a_source_that_is_registered_while_a_poll_waits_is_reported() {
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
fn a_source_that_is_ready_when_it_is_registered_is_reported() {
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
            // The thread reads until `WouldBlock`; then more arrives.
            system::make_unready(SOCKET);
            socket.would_block(READABLE);
            system::make_ready(SOCKET, RECEIVE);
            socket
        });
        assert_eq!(wait(&mut poll, 4), [(ONE, true, false)]);
        thread.join().unwrap();
    });
}

/// The pending request covers one direction only: it is replaced.
#[test]
fn a_direction_that_is_armed_beside_another_is_reported() {
    check(|| {
        let (mut poll, socket) = with_socket(READABLE | WRITABLE);
        system::make_ready(SOCKET, SEND);
        assert_eq!(wait(&mut poll, 4), [(ONE, false, true)]);
        let thread = thread::spawn(move || {
            // The thread writes until `WouldBlock`; then there is room again.
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

/// The packet of the previous request is either reported, or discarded.
#[test]
fn a_change_while_a_request_is_pending_is_reported() {
    check(|| {
        let (mut poll, mut socket) = with_socket(READABLE);
        let thread = beside(&poll, |registry| {
            system::make_ready(SOCKET, RECEIVE | SEND);
            socket.reregister(registry, TWO, WRITABLE);
            socket
        });
        let mut reported = wait(&mut poll, 4);
        if reported == [(ONE, true, false)] {
            reported = wait(&mut poll, 4);
        }
        assert_eq!(reported, [(TWO, false, true)]);
        thread.join().unwrap();
        assert_eq!(look(&mut poll), []);
    });
}

/// The previous request never completes.
#[test]
fn a_replaced_request_is_reported_to_the_call_that_waits() {
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

/// The second change is made while the packet of the cancelled request is still in the port.
#[test]
fn a_second_change_is_reported() {
    check(|| {
        let (mut poll, mut socket) = with_socket(READABLE);
        system::make_ready(SOCKET, SEND);
        let thread = beside(&poll, |registry| {
            socket.reregister(registry, TWO, WRITABLE);
            socket.reregister(registry, THREE, READABLE | WRITABLE);
            socket
        });
        let mut reported = wait(&mut poll, 4);
        if reported == [(TWO, false, true)] {
            reported = wait(&mut poll, 4);
        }
        assert_eq!(reported, [(THREE, false, true)]);
        thread.join().unwrap();
        assert_eq!(look(&mut poll), []);
    });
}

/// The first packet is that of the cancelled request.
#[test]
fn a_replaced_request_is_reported_to_a_call_that_does_not_wait() {
    check(|| {
        let (mut poll, mut socket) = with_socket(READABLE);
        assert_eq!(look(&mut poll), []);
        system::make_ready(SOCKET, SEND);
        socket.reregister(poll.registry(), TWO, WRITABLE);
        assert_eq!(look(&mut poll), [(TWO, false, true)]);
    });
}

#[test]
fn level_is_reported_by_every_call() {
    check(|| {
        let (mut poll, socket) = with_socket(READABLE.level());
        let thread = thread::spawn(|| system::make_ready(SOCKET, RECEIVE));
        assert_eq!(wait(&mut poll, 4), [(ONE, true, false)]);
        assert_eq!(wait(&mut poll, 4), [(ONE, true, false)]);
        thread.join().unwrap();
        system::make_unready(SOCKET);
        // The pending request was submitted before.
        look(&mut poll);
        assert_eq!(look(&mut poll), []);
        drop(socket);
    });
}

/// Two packets are on their way at the same time, each for its own source.
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
        let mut reported = wait(&mut poll, 1);
        reported.extend(wait(&mut poll, 1));
        reported.sort_unstable();
        assert_eq!(reported, [(ONE, true, false), (TWO, true, false)]);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// A thread deregisters its source while another registers one.
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

/// A poll that starts after the source was deregistered does not report it, although its packet was
/// in the port.
#[test]
fn a_deregistered_source_is_not_reported() {
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
            let reported = wait(&mut poll, 1);
            assert!(!was_gone || reported == [(WAKE, true, false)]);
            if reported == [(WAKE, true, false)] {
                break;
            }
        }
        assert_eq!(look(&mut poll), []);
        thread.join().unwrap();
    });
}

/// The socket becomes ready while it is being deregistered, or dropped, by another thread.
#[test]
fn a_packet_and_a_drop_at_the_same_time() {
    check(|| {
        let (mut poll, socket) = with_socket(READABLE);
        let ready = thread::spawn(|| system::make_ready(SOCKET, RECEIVE));
        let dropping = thread::spawn(move || drop(socket));
        let reported = look(&mut poll);
        assert!(reported.is_empty() || reported == [(ONE, true, false)]);
        dropping.join().unwrap();
        ready.join().unwrap();
        assert_eq!(look(&mut poll), []);
    });
}

/// A source can be registered again immediately, although its old request is still pending.
#[test]
fn a_source_that_is_registered_again_is_reported_with_its_new_token_only() {
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

/// The handle is closed by other code: there is no event, no pending request, and the socket
/// cannot be registered again.
#[test]
fn a_socket_that_was_closed_by_other_code_is_left_alone() {
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

/// A source whose requests the device refuses has an error event, other sources are reported as
/// usual, and no poll fails.
#[test]
fn a_source_whose_requests_are_refused_has_an_error() {
    check_bounded(|| {
        let (mut poll, socket) = with_socket(READABLE);
        let mut other = Socket::new(OTHER);
        other.register(poll.registry(), TWO, READABLE);
        system::refuse_socket(SOCKET);
        let thread = thread::spawn(|| system::make_ready(OTHER, RECEIVE));
        let mut reported = Vec::new();
        let mut poll_once = |reported: &mut Vec<_>| {
            let mut events = Events::with_capacity(4);
            poll.poll(&mut events, None).unwrap();
            assert!(!events.is_empty());
            reported.extend(events.iter().map(|event| (event.token(), event.is_error())));
        };
        while reported.len() < 2 {
            poll_once(&mut reported);
        }
        reported.sort_unstable();
        assert_eq!(reported, [(ONE, true), (TWO, false)]);
        thread.join().unwrap();

        // After a `WouldBlock` it is submitted again, while a poll waits.
        let thread = thread::spawn(move || {
            socket.would_block(READABLE);
            socket
        });
        reported.clear();
        poll_once(&mut reported);
        assert_eq!(reported, [(ONE, true)]);
        thread.join().unwrap();
    });
}

/// Reading until `WouldBlock` between two polls costs one request, however often.
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

/// The next poll submits a failed request again, unless the source has been deregistered.
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

/// After a change that is refused while a poll waits, the previous registration is unchanged.
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

/// If arming a direction while a poll waits fails, no error is returned: the next poll tries again.
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
        let mut reported = Vec::new();
        while reported.len() < 2 {
            // The request that is refused may be the poll's own.
            if poll.poll(&mut events, None).is_ok() {
                assert!(!events.is_empty());
            }
            reported.extend(events.iter().map(|event| event.token()));
        }
        reported.sort_unstable();
        assert_eq!(reported, [ONE, WAKE]);
        thread.join().unwrap();
    });
}

/// After a `WouldBlock` it is requested again, and found to be still there.
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
        socket.lacks_descriptor(READABLE);
        socket.would_block(WRITABLE);
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

/// A UDP socket that failed to connect still receives; the failure lasts until it connects.
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

/// After a refused request, a later change still reaches the waiting call.
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

/// The poll is dropped while a request is pending and a wake is on its way. The last owner takes
/// the packets.
#[test]
fn the_last_owner_leaves_no_packet() {
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

/// The buffer has no room for the packet of a wake. Later wakes are not lost with it.
#[test]
fn a_wake_without_room_is_reported_later() {
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
        let mut reported = Vec::new();
        let written = |place: &AtomicUsize| place.load(Ordering::Relaxed) == 1;
        while !places.iter().all(written) || !reported.contains(&(ONE, true, false)) {
            reported.extend(wait(&mut poll, 1));
        }
        thread.join().unwrap();
        drop(socket);
    });
}

/// The packet of a deregistered source fills the buffer, and has no event.
#[test]
fn a_wake_behind_a_packet_without_an_event_is_reported() {
    check(|| {
        let (mut poll, socket) = with_socket(READABLE);
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        look(&mut poll);
        drop(socket);
        waker.wake().unwrap();
        let reported = poll_for(&mut poll, 1, Some(Duration::ZERO));
        assert_eq!(reported, [(WAKE, true, false)]);
    });
}

/// Packets of wakes do not accumulate while the buffer has no room for them.
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

/// The second waker of a poll has no wake flag: its packet alone shows whether a wake is on its
/// way, and publishes what was written before.
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

/// A packet that outlives its waker is not reported, and does not suppress that of the next waker.
#[test]
fn a_dropped_waker_is_not_reported() {
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

/// A thread that handles its events does not keep another one from getting later events.
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
