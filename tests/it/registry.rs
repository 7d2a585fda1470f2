//! `Registry`: clones, threads, and what it refuses in every build. What only debug
//! builds refuse is in `debug_checks.rs`.
#![cfg(all(feature = "os-poll", feature = "net", any(unix, windows)))]

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use crate::util::{
    self, any_port, drain, expect_readable, expect_silence, poll_and_events, registered_streams,
    stream_pair, StdStream, Stream, CHECKED, LONG,
};
use mio::event::Source;
use mio::net::{TcpListener, UdpSocket};
use mio::{Events, Interest, Poll, Registry, Token, Waker};

const SOURCE: Token = Token(1);
const OTHER: Token = Token(2);

fn kind<T: std::fmt::Debug>(result: io::Result<T>) -> io::ErrorKind {
    result.unwrap_err().kind()
}

/// Checks that the next event is one of `token`, and the only one.
#[track_caller]
fn expect_only(poll: &mut Poll, events: &mut Events, token: Token) {
    util::poll(poll, events, Some(LONG));
    let tokens: Vec<Token> = events.iter().map(|event| event.token()).collect();
    assert_eq!(tokens, [token]);
}

// Clones.

#[test]
fn a_source_may_be_registered_and_deregistered_through_different_clones() {
    let (mut poll, mut events) = poll_and_events();
    let one = poll.registry().try_clone().unwrap();
    let two = one.try_clone().unwrap();
    let (mut near, mut far) = stream_pair();

    one.register(&mut near, SOURCE, Interest::READABLE).unwrap();
    far.write_all(b"x").unwrap();
    expect_only(&mut poll, &mut events, SOURCE);
    two.reregister(&mut near, OTHER, Interest::READABLE)
        .unwrap();
    expect_only(&mut poll, &mut events, OTHER);
    poll.registry().deregister(&mut near).unwrap();
    far.write_all(b"x").unwrap();
    expect_silence(&mut poll, &mut events);
}

#[test]
fn registrations_outlive_the_clone_that_made_them() {
    let (mut poll, mut events) = poll_and_events();
    let clone = poll.registry().try_clone().unwrap();
    let (_near, mut far) = registered_streams(&clone, SOURCE, Interest::READABLE);
    drop(clone);
    far.write_all(b"x").unwrap();
    expect_only(&mut poll, &mut events, SOURCE);
}

#[test]
fn threads_register_through_clones_of_their_own() {
    const THREADS: usize = 4;
    const SOURCES: usize = 10;
    let (mut poll, mut events) = poll_and_events();
    let mut threads = Vec::new();
    for thread in 0..THREADS {
        let registry = poll.registry().try_clone().unwrap();
        threads.push(thread::spawn(move || {
            let mut pairs = Vec::new();
            for number in 0..SOURCES {
                let (mut near, far) = stream_pair();
                let token = Token(thread * SOURCES + number);
                registry
                    .register(&mut near, token, Interest::READABLE)
                    .unwrap();
                pairs.push((near, far));
            }
            pairs
        }));
    }
    let mut pairs = Vec::new();
    for thread in threads {
        pairs.extend(thread.join().unwrap());
    }
    for (number, (_, far)) in pairs.iter_mut().enumerate() {
        far.write_all(b"x").unwrap();
        expect_only(&mut poll, &mut events, Token(number));
    }
}

/// A registry without its poll is of no use, but neither an error nor a danger.
#[test]
fn a_clone_works_after_its_poll_is_dropped() {
    let (poll, _) = poll_and_events();
    let registry = poll.registry().try_clone().unwrap();
    let (mut near, mut far) = registered_streams(&registry, SOURCE, Interest::READABLE);
    drop(poll);
    far.write_all(b"x").unwrap();
    registry
        .reregister(&mut near, OTHER, Interest::WRITABLE)
        .unwrap();
    registry.deregister(&mut near).unwrap();
    let waker = Waker::new(&registry, OTHER).unwrap();
    waker.wake().unwrap();
    drop(registry);
    waker.wake().unwrap();
}

/// After all registries are dropped, a source counts as not registered.
#[test]
fn a_source_outlives_its_poll() {
    let (poll, _) = poll_and_events();
    let (mut near, mut far) = stream_pair();
    let both = Interest::READABLE | Interest::WRITABLE;
    poll.registry().register(&mut near, SOURCE, both).unwrap();
    drop(poll);
    far.write_all(b"hello").unwrap();
    // The last read returns `WouldBlock`, which rearms nothing any more.
    assert_eq!(drain(&mut near), b"hello");
    near.write_all(b"hello").unwrap();
    assert_eq!(drain(&mut far), b"hello");
}

// What is refused.

#[test]
fn a_source_cannot_be_registered_twice() {
    if !CHECKED {
        return;
    }
    let (mut poll, mut events) = poll_and_events();
    let registry = poll.registry().try_clone().unwrap();
    let (mut near, mut far) = registered_streams(&registry, SOURCE, Interest::READABLE);
    let again = registry.register(&mut near, OTHER, Interest::WRITABLE);
    assert_eq!(kind(again), io::ErrorKind::AlreadyExists);
    let again = poll
        .registry()
        .register(&mut near, OTHER, Interest::WRITABLE);
    assert_eq!(kind(again), io::ErrorKind::AlreadyExists);
    let again = registry.register(&mut near, OTHER, Interest::WRITABLE);
    assert_eq!(
        again.unwrap_err().to_string(),
        "I/O source already registered with a `Registry`"
    );

    // The registration is what it was before.
    expect_silence(&mut poll, &mut events);
    far.write_all(b"x").unwrap();
    expect_only(&mut poll, &mut events, SOURCE);
    registry.deregister(&mut near).unwrap();
}

#[test]
fn a_source_that_is_not_registered_is_not_found() {
    if !CHECKED {
        return;
    }
    let (mut poll, mut events) = poll_and_events();
    let registry = poll.registry().try_clone().unwrap();
    let (mut near, mut far) = stream_pair();
    let not_found = io::ErrorKind::NotFound;
    let change = registry.reregister(&mut near, SOURCE, Interest::READABLE);
    assert_eq!(kind(change), not_found);
    assert_eq!(kind(registry.deregister(&mut near)), not_found);
    assert_eq!(
        registry.deregister(&mut near).unwrap_err().to_string(),
        "I/O source not registered with `Registry`"
    );

    registry
        .register(&mut near, SOURCE, Interest::READABLE)
        .unwrap();
    registry.deregister(&mut near).unwrap();
    let change = registry.reregister(&mut near, SOURCE, Interest::READABLE);
    assert_eq!(kind(change), not_found);
    assert_eq!(kind(registry.deregister(&mut near)), not_found);

    // None of that is in the way of a registration, nor is one.
    far.write_all(b"x").unwrap();
    expect_silence(&mut poll, &mut events);
    registry
        .register(&mut near, SOURCE, Interest::READABLE)
        .unwrap();
    expect_only(&mut poll, &mut events, SOURCE);
}

#[test]
fn a_foreign_registry_cannot_deregister_a_source() {
    let (mut poll, mut events) = poll_and_events();
    let (foreign, _) = poll_and_events();
    let (mut near, mut far) = registered_streams(poll.registry(), SOURCE, Interest::READABLE);
    let removal = foreign.registry().deregister(&mut near);
    if CHECKED {
        assert_eq!(kind(removal), io::ErrorKind::NotFound);
    }

    far.write_all(b"x").unwrap();
    expect_only(&mut poll, &mut events, SOURCE);
    poll.registry().deregister(&mut near).unwrap();
}

#[test]
fn a_deregistered_source_may_go_to_another_poll() {
    let (mut one, mut events) = poll_and_events();
    let (mut two, _) = poll_and_events();
    let (mut near, mut far) = registered_streams(one.registry(), SOURCE, Interest::READABLE);
    one.registry().deregister(&mut near).unwrap();
    two.registry()
        .register(&mut near, OTHER, Interest::READABLE)
        .unwrap();
    far.write_all(b"x").unwrap();
    expect_silence(&mut one, &mut events);
    expect_only(&mut two, &mut events, OTHER);

    // And back.
    two.registry().deregister(&mut near).unwrap();
    one.registry()
        .register(&mut near, SOURCE, Interest::READABLE)
        .unwrap();
    expect_silence(&mut two, &mut events);
    expect_only(&mut one, &mut events, SOURCE);
}

// What a registration says.

#[test]
fn reregistering_replaces_token_and_interest() {
    let (mut poll, mut events) = poll_and_events();
    let (mut near, mut far) = stream_pair();
    far.write_all(b"x").unwrap();
    let registry = poll.registry().try_clone().unwrap();
    registry
        .register(&mut near, SOURCE, Interest::READABLE)
        .unwrap();
    registry
        .reregister(&mut near, OTHER, Interest::WRITABLE)
        .unwrap();
    expect_only(&mut poll, &mut events, OTHER);
    let event = events.iter().next().unwrap();
    assert!(event.is_writable() && !event.is_readable());
}

#[test]
fn reregistering_reports_again_what_was_reported_before() {
    let (mut poll, mut events) = poll_and_events();
    let (mut near, mut far) = stream_pair();
    far.write_all(b"x").unwrap();
    let registry = poll.registry().try_clone().unwrap();
    registry
        .register(&mut near, SOURCE, Interest::READABLE)
        .unwrap();
    for _ in 0..3 {
        expect_only(&mut poll, &mut events, SOURCE);
        expect_silence(&mut poll, &mut events);
        registry
            .reregister(&mut near, SOURCE, Interest::READABLE)
            .unwrap();
    }
}

#[test]
fn a_source_may_be_known_by_its_trait_only() {
    let (mut poll, mut events) = poll_and_events();
    let registry = poll.registry();
    let mut sources: Vec<Box<dyn Source>> = vec![
        Box::new(UdpSocket::bind(any_port()).unwrap()),
        Box::new(stream_pair().0),
    ];
    for source in &mut sources {
        let source: &mut dyn Source = &mut **source;
        registry
            .register(source, SOURCE, Interest::READABLE)
            .unwrap();
        registry
            .reregister(source, OTHER, Interest::WRITABLE)
            .unwrap();
    }
    util::poll(&mut poll, &mut events, Some(LONG));
    assert_eq!(events.iter().filter(|it| it.token() == OTHER).count(), 2);
    for source in &mut sources {
        poll.registry().deregister(source).unwrap();
    }
    expect_silence(&mut poll, &mut events);
}

#[test]
fn a_source_is_registered_and_deregistered_any_number_of_times() {
    let (mut poll, mut events) = poll_and_events();
    let registry = poll.registry().try_clone().unwrap();
    let mut listener = TcpListener::bind(any_port()).unwrap();
    let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    for round in 0..100 {
        registry
            .register(&mut listener, Token(round), Interest::READABLE)
            .unwrap();
        expect_readable(&mut poll, &mut events, Token(round));
        registry.deregister(&mut listener).unwrap();
        util::poll(&mut poll, &mut events, Some(Duration::ZERO));
        assert!(events.is_empty());
    }
}

/// The readiness of many sources at once is not bounded by any table of ours.
#[test]
fn hundreds_of_sources_fit() {
    const SOURCES: usize = 300;
    util::allow_many_fds();
    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(2 * SOURCES);
    let mut pairs = Vec::new();
    for number in 0..SOURCES {
        let (mut near, far) = stream_pair();
        poll.registry()
            .register(&mut near, Token(number), Interest::READABLE)
            .unwrap();
        pairs.push((near, far));
    }
    for (_, far) in &mut pairs {
        far.write_all(b"x").unwrap();
    }
    let all: Vec<usize> = (0..SOURCES).collect();
    assert_eq!(reported(&mut poll, &mut events, all.len()), all);

    // Every second one goes; the others stay what they were.
    for (near, _) in pairs.iter_mut().step_by(2) {
        poll.registry().deregister(near).unwrap();
    }
    for (near, far) in &mut pairs {
        drain(near);
        far.write_all(b"y").unwrap();
    }
    let odd: Vec<usize> = (1..SOURCES).step_by(2).collect();
    assert_eq!(reported(&mut poll, &mut events, odd.len()), odd);
    expect_silence(&mut poll, &mut events);
}

/// Polls until `count` events have come, and returns their tokens in order of size.
fn reported(poll: &mut Poll, events: &mut Events, count: usize) -> Vec<usize> {
    let mut tokens = Vec::new();
    while tokens.len() < count {
        util::poll(poll, events, Some(LONG));
        assert!(!events.is_empty(), "only {tokens:?} of {count}");
        tokens.extend(events.iter().map(|event| event.token().0));
    }
    tokens.sort_unstable();
    tokens
}

/// The registry passes every call on, and returns every result.
#[test]
fn a_source_of_the_program_is_called_whatever_it_returns() {
    /// Remembers the calls, and registers nothing.
    #[derive(Default)]
    struct Recorder(Vec<(&'static str, Option<(Token, Interest)>)>);

    impl Source for Recorder {
        fn register(&mut self, _: &Registry, token: Token, interest: Interest) -> io::Result<()> {
            self.0.push(("register", Some((token, interest))));
            Ok(())
        }

        fn reregister(&mut self, _: &Registry, token: Token, interest: Interest) -> io::Result<()> {
            self.0.push(("reregister", Some((token, interest))));
            Err(io::ErrorKind::Other.into())
        }

        fn deregister(&mut self, _: &Registry) -> io::Result<()> {
            self.0.push(("deregister", None));
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    let poll = Poll::new().unwrap();
    let registry = poll.registry();
    let mut recorder = Recorder::default();
    let (level, oneshot) = (Interest::READABLE.level(), Interest::WRITABLE.oneshot());
    registry.register(&mut recorder, SOURCE, level).unwrap();
    registry.register(&mut recorder, SOURCE, level).unwrap();
    let change = registry.reregister(&mut recorder, OTHER, oneshot);
    assert_eq!(kind(change), io::ErrorKind::Other);
    let removal = registry.deregister(&mut recorder);
    assert_eq!(kind(removal), io::ErrorKind::BrokenPipe);
    assert_eq!(
        recorder.0,
        [
            ("register", Some((SOURCE, level))),
            ("register", Some((SOURCE, level))),
            ("reregister", Some((OTHER, oneshot))),
            ("deregister", None),
        ]
    );
}

#[test]
fn a_source_may_leave_the_library_and_come_back() {
    let (mut poll, mut events) = poll_and_events();
    let (mut near, mut far) = registered_streams(poll.registry(), SOURCE, Interest::READABLE);
    poll.registry().deregister(&mut near).unwrap();
    let outside = StdStream::from(near);
    far.write_all(b"x").unwrap();
    expect_silence(&mut poll, &mut events);
    let mut near = Stream::from_std(outside);
    poll.registry()
        .register(&mut near, OTHER, Interest::READABLE)
        .unwrap();
    expect_only(&mut poll, &mut events, OTHER);
}

// Bare descriptors, of which nothing is remembered but in the selector.
#[cfg(all(unix, feature = "os-ext"))]
mod bare {
    use std::fs::File;
    use std::os::fd::AsRawFd;

    use mio::unix::SourceFd;

    use super::*;

    fn errno<T: std::fmt::Debug>(result: io::Result<T>) -> Option<i32> {
        result.unwrap_err().raw_os_error()
    }

    #[test]
    fn a_descriptor_cannot_be_registered_twice() {
        // kqueue does not detect this.
        if util::KQUEUE {
            return;
        }
        let (poll, _) = poll_and_events();
        let (near, _far) = stream_pair();
        let fd = near.as_raw_fd();
        let registry = poll.registry();
        registry
            .register(&mut SourceFd(&fd), SOURCE, Interest::READABLE)
            .unwrap();
        let again = registry.register(&mut SourceFd(&fd), OTHER, Interest::READABLE);
        assert_eq!(kind(again), io::ErrorKind::AlreadyExists);
        registry.deregister(&mut SourceFd(&fd)).unwrap();
    }

    #[test]
    fn a_descriptor_that_is_not_registered_is_not_found() {
        // kqueue does not detect this.
        if util::KQUEUE {
            return;
        }
        let (poll, _) = poll_and_events();
        let (other, _) = poll_and_events();
        let (near, _far) = stream_pair();
        let fd = near.as_raw_fd();
        let not_found = |registry: &Registry| {
            let change = registry.reregister(&mut SourceFd(&fd), SOURCE, Interest::READABLE);
            assert_eq!(kind(change), io::ErrorKind::NotFound);
            let removal = registry.deregister(&mut SourceFd(&fd));
            assert_eq!(kind(removal), io::ErrorKind::NotFound);
        };
        not_found(poll.registry());
        poll.registry()
            .register(&mut SourceFd(&fd), SOURCE, Interest::READABLE)
            .unwrap();
        not_found(other.registry());
        poll.registry().deregister(&mut SourceFd(&fd)).unwrap();
        not_found(poll.registry());
    }

    /// Deregistering the descriptor of a source deregisters the source; its own method returns that
    /// it is not registered, and it can be registered again. kqueue does not detect this.
    #[test]
    fn a_source_that_was_deregistered_by_its_descriptor_is_not_found() {
        let (mut poll, mut events) = poll_and_events();
        let (mut near, mut far) = stream_pair();
        let registry = poll.registry();
        for round in 1..4 {
            registry
                .register(&mut near, Token(round), Interest::READABLE)
                .unwrap();
            let fd = near.as_raw_fd();
            registry.deregister(&mut SourceFd(&fd)).unwrap();
            let removal = registry.deregister(&mut near);
            if util::KQUEUE {
                removal.unwrap();
            } else {
                assert_eq!(kind(removal), io::ErrorKind::NotFound);
            }
            let again = registry.deregister(&mut near);
            if CHECKED {
                assert_eq!(kind(again), io::ErrorKind::NotFound);
            }
        }
        registry
            .register(&mut near, SOURCE, Interest::READABLE)
            .unwrap();
        far.write_all(b"x").unwrap();
        expect_only(&mut poll, &mut events, SOURCE);
    }

    #[test]
    fn what_is_not_an_open_descriptor_is_refused() {
        let (poll, _) = poll_and_events();
        for fd in [-1, i32::MAX] {
            let result = poll
                .registry()
                .register(&mut SourceFd(&fd), SOURCE, Interest::READABLE);
            assert_eq!(errno(result), Some(libc::EBADF), "{fd}");
        }
    }

    /// Edge case 46: poll(2) would take a regular file, and report it for ever. kqueue
    /// watches how far it has been read.
    #[test]
    fn what_is_always_ready_is_refused() {
        let (mut poll, mut events) = poll_and_events();
        let path = util::temporary_path("regular");
        let file = File::create(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let directory = File::open(std::env::temp_dir()).unwrap();
        for fd in [file.as_raw_fd(), directory.as_raw_fd()] {
            let result = poll
                .registry()
                .register(&mut SourceFd(&fd), SOURCE, Interest::READABLE);
            if util::KQUEUE {
                result.unwrap();
                poll.registry().deregister(&mut SourceFd(&fd)).unwrap();
            } else {
                assert_eq!(errno(result), Some(libc::EPERM));
            }
        }
        expect_silence(&mut poll, &mut events);
    }
}
