//! A hang-up that is pending while the source is registered anew: the program gets an event
//! or an error, whatever the mode was and is. Never silence.
#![cfg(all(unix, feature = "os-poll", feature = "os-ext", feature = "net"))]

use std::io::{self, ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::time::Duration;

use crate::util::{self, expect, expect_silence, expect_writable, poll_and_events};
use mio::event::Source;
use mio::net::UnixStream;
use mio::unix::pipe::{self, Sender};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

const BEFORE: Token = Token(1);
const AFTER: Token = Token(2);

/// The modes, of an interest in writing.
fn modes() -> [Interest; 4] {
    let edge = Interest::WRITABLE;
    [edge, edge.oneshot(), edge.level(), edge.level().oneshot()]
}

fn is_level(interest: Interest) -> bool {
    interest.is_level() && !interest.is_oneshot()
}

/// Checks that the hang-up is reported: by `result`, or by an event, or by one after the other.
///
/// An error is right only of kqueues that refuse to watch a pipe without a reader, and there
/// only of level-triggered interests, which one event cannot stand for.
#[track_caller]
fn expect_hang_up(
    poll: &mut Poll,
    events: &mut Events,
    interest: Interest,
    result: io::Result<()>,
) {
    match result {
        Ok(()) => {
            for _ in 0..=usize::from(is_level(interest)) {
                expect(poll, events, AFTER, |event| {
                    event.is_writable() && event.is_write_closed()
                });
            }
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::BrokenPipe, "{interest:?}: {error}");
            assert!(util::KQUEUE && is_level(interest), "{interest:?}");
        }
    }
}

/// Same mode, and nothing is lost.
#[test]
fn a_pending_hang_up_of_a_pipe_survives_a_reregistration_in_the_same_mode() {
    for interest in modes() {
        let (mut poll, mut events) = poll_and_events();
        let (mut sender, receiver) = pipe::new().unwrap();
        let registry = poll.registry();
        registry.register(&mut sender, BEFORE, interest).unwrap();
        expect_writable(&mut poll, &mut events, BEFORE);

        drop(receiver);
        let registry = poll.registry();
        let result = registry.reregister(&mut sender, AFTER, interest);
        expect_hang_up(&mut poll, &mut events, interest, result);
        if !interest.is_level() {
            expect_silence(&mut poll, &mut events);
        }
    }
}

/// The filter that is pending has not fired before.
#[test]
fn an_unseen_hang_up_of_a_pipe_survives_a_reregistration_in_the_same_mode() {
    for interest in modes() {
        let (mut poll, mut events) = poll_and_events();
        let (mut sender, receiver) = pipe::new().unwrap();
        let registry = poll.registry();
        registry.register(&mut sender, BEFORE, interest).unwrap();
        drop(receiver);
        // The filter is there, so that nothing has to be refused.
        registry.reregister(&mut sender, AFTER, interest).unwrap();
        expect_hang_up(&mut poll, &mut events, interest, Ok(()));
    }
}

#[test]
fn a_pending_hang_up_of_a_pipe_survives_a_change_of_mode() {
    for (before, after) in modes().iter().flat_map(|a| modes().map(|b| (*a, b))) {
        let (mut poll, mut events) = poll_and_events();
        let (mut sender, receiver) = pipe::new().unwrap();
        let registry = poll.registry();
        registry.register(&mut sender, BEFORE, before).unwrap();
        drop(receiver);
        let result = registry.reregister(&mut sender, AFTER, after);
        expect_hang_up(&mut poll, &mut events, after, result);
        if after.is_oneshot() {
            expect_silence(&mut poll, &mut events);
        }
    }
}

/// Registers `sender` by its number alone, of which nothing is remembered.
fn by_number(
    sender: &Sender,
    call: impl Fn(&mut SourceFd<'_>) -> io::Result<()>,
) -> io::Result<()> {
    call(&mut SourceFd(&sender.as_raw_fd()))
}

#[test]
fn a_pending_hang_up_of_a_bare_descriptor_is_reported_as_well() {
    for (before, after) in modes().iter().flat_map(|a| modes().map(|b| (*a, b))) {
        let (mut poll, mut events) = poll_and_events();
        let (sender, receiver) = pipe::new().unwrap();
        let registry = poll.registry();
        by_number(&sender, |fd| registry.register(fd, BEFORE, before)).unwrap();
        drop(receiver);
        let result = by_number(&sender, |fd| registry.reregister(fd, AFTER, after));
        expect_hang_up(&mut poll, &mut events, after, result);
    }
}

/// As of a child that is gone before the pipe to it is registered, which is no error
/// of the program's.
#[test]
fn a_pipe_without_a_reader_is_reported_when_it_is_registered() {
    for interest in modes() {
        let (mut poll, mut events) = poll_and_events();
        let (mut sender, receiver) = pipe::new().unwrap();
        drop(receiver);
        let result = poll.registry().register(&mut sender, AFTER, interest);
        expect_hang_up(&mut poll, &mut events, interest, result);

        // By number, and for both directions, as processes' pipes are in tokio.
        let (mut poll, mut events) = poll_and_events();
        let both = interest.add(Interest::READABLE);
        let registry = poll.registry();
        let result = by_number(&sender, |fd| registry.register(fd, AFTER, both));
        match result {
            Ok(()) => {
                expect(&mut poll, &mut events, AFTER, |it| it.is_write_closed());
            }
            Err(_) => expect_hang_up(&mut poll, &mut events, interest, result),
        }
    }
}

/// As [`mio::Registry::register`] has it, unless a timer has to stand in for what the kernel
/// refuses.
#[test]
fn a_pipe_without_a_reader_is_reported_by_the_next_poll() {
    if util::KQUEUE && !util::USER_EVENTS {
        return;
    }
    let (mut poll, mut events) = poll_and_events();
    let (mut sender, receiver) = pipe::new().unwrap();
    drop(receiver);
    for interest in [Interest::WRITABLE, Interest::WRITABLE.oneshot()] {
        let registry = poll.registry();
        registry.register(&mut sender, AFTER, interest).unwrap();
        util::poll(&mut poll, &mut events, Some(Duration::ZERO));
        assert!(events.iter().any(|it| it.is_write_closed()), "{interest:?}");
        poll.registry().deregister(&mut sender).unwrap();
    }
}

/// Whatever reports the hang-up ends with the registration.
#[test]
fn a_pipe_without_a_reader_is_silent_once_it_is_deregistered() {
    for interest in [Interest::WRITABLE, Interest::WRITABLE.oneshot()] {
        let (mut poll, mut events) = poll_and_events();
        let (mut sender, receiver) = pipe::new().unwrap();
        drop(receiver);
        let registry = poll.registry();
        registry.register(&mut sender, BEFORE, interest).unwrap();
        registry.deregister(&mut sender).unwrap();
        let moment = Some(Duration::from_millis(5));
        util::poll(&mut poll, &mut events, moment);
        assert!(events.is_empty(), "{interest:?}: {events:?}");

        // A new token is the only one that is reported.
        let registry = poll.registry();
        registry.register(&mut sender, BEFORE, interest).unwrap();
        registry.reregister(&mut sender, AFTER, interest).unwrap();
        expect_hang_up(&mut poll, &mut events, interest, Ok(()));
        expect_silence(&mut poll, &mut events);
        assert_eq!(
            sender.write(b"x").unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
        poll.registry().deregister(&mut sender).unwrap();
    }
}

/// Nor does it outlive the interest in writing.
#[test]
fn a_pipe_without_a_reader_is_not_writable_without_interest_in_writing() {
    if !util::KQUEUE {
        // There an error is reported even if it is not requested.
        return;
    }
    let (mut poll, mut events) = poll_and_events();
    let (mut sender, receiver) = pipe::new().unwrap();
    drop(receiver);
    let registry = poll.registry();
    let (before, after) = (Interest::WRITABLE, Interest::READABLE);
    registry.register(&mut sender, BEFORE, before).unwrap();
    registry.reregister(&mut sender, AFTER, after).unwrap();
    for _ in 0..5 {
        util::poll(&mut poll, &mut events, Some(Duration::from_millis(1)));
        assert!(!events.iter().any(|it| it.is_writable()), "{events:?}");
    }
}

/// Sockets are refused by no system.
#[test]
fn a_pending_hang_up_of_a_socket_survives_a_reregistration() {
    for (before, after) in modes().iter().flat_map(|a| modes().map(|b| (*a, b))) {
        let (near, far) = UnixStream::pair().unwrap();
        expect_reset(near, before, after, || drop(far));
        let (near, far) = util::tcp_pair();
        util::reset_on_close(&far);
        expect_reset(near, before, after, || drop(far));
    }
}

#[track_caller]
fn expect_reset(mut near: impl Source, before: Interest, after: Interest, hang_up: impl FnOnce()) {
    let (mut poll, mut events) = poll_and_events();
    let registry = poll.registry();
    registry.register(&mut near, BEFORE, before).unwrap();
    hang_up();
    registry.reregister(&mut near, AFTER, after).unwrap();
    expect_hang_up(&mut poll, &mut events, after, Ok(()));
}
