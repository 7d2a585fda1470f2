//! A source that is watched for its end, and not for data.
#![cfg(all(
    feature = "os-poll",
    feature = "os-ext",
    feature = "net",
    any(unix, windows)
))]

use std::io::{ErrorKind, Write};
use std::net::Shutdown;
use std::time::Duration;

use crate::util::{
    self, discard_events, drain, expect, expect_silence, poll_and_events, tcp_pair, AFD,
    EVENT_PORT, KQUEUE, POLL2,
};
use mio::event::{Event, Source};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

const SOURCE: Token = Token(1);
const END: Interest = Interest::READ_CLOSED;

/// There the end alone is not readable.
const EPOLL: bool = !POLL2 && !KQUEUE && !EVENT_PORT && !AFD;
/// Whether the system distinguishes the end of a stream from data.
const KNOWS_END: bool = !EVENT_PORT;

/// Whether the end is reported only when what is before it was read.
const END_IS_BEHIND_DATA: bool = AFD;

/// Whether a full buffer, and data in a pipe, are reported nevertheless.
fn knows_mark(system: &str) -> bool {
    let like = std::env::var("MIO_TEST_KQUEUE_LIKE").unwrap_or_default();
    KQUEUE && (like == system || cfg!(target_vendor = "apple") && system == "macos")
}

fn with(source: &mut impl Source, interest: Interest) -> (Poll, Events) {
    let (poll, events) = poll_and_events();
    let registry = poll.registry();
    registry.register(source, SOURCE, interest).unwrap();
    (poll, events)
}

fn is_end(event: &Event) -> bool {
    event.is_read_closed()
}

fn reset(stream: TcpStream) {
    let no_linger = Some(Duration::ZERO);
    socket2::SockRef::from(&stream)
        .set_linger(no_linger)
        .unwrap();
}

#[test]
fn data_is_no_event_and_the_end_behind_it_is_one() {
    if !KNOWS_END {
        return;
    }
    for interest in [END, END.level(), END.oneshot()] {
        let (mut stream, mut peer) = tcp_pair();
        let (mut poll, mut events) = with(&mut stream, interest);
        for _ in 0..20 {
            peer.write_all(b"not a word").unwrap();
            util::poll(&mut poll, &mut events, Some(Duration::from_millis(1)));
            assert!(events.is_empty(), "{interest:?}: {events:?}");
        }
        peer.shutdown(Shutdown::Write).unwrap();
        if END_IS_BEHIND_DATA {
            util::drain_all(&mut stream, 200);
        }
        let event = expect(&mut poll, &mut events, SOURCE, is_end);
        assert!(EPOLL || event.is_readable());
        assert!(!event.is_write_closed() && !event.is_error());
        if interest.is_level() {
            expect(&mut poll, &mut events, SOURCE, is_end);
        } else {
            discard_events(&mut poll, &mut events);
            expect_silence(&mut poll, &mut events);
        }
        if !END_IS_BEHIND_DATA {
            assert_eq!(drain(&mut stream).len(), 200);
        }
    }
}

#[test]
fn a_reset_behind_unread_data_is_an_error() {
    if !KNOWS_END {
        return;
    }
    let (mut stream, mut peer) = tcp_pair();
    let (mut poll, mut events) = with(&mut stream, END);
    peer.write_all(b"lost").unwrap();
    discard_events(&mut poll, &mut events);
    reset(peer);
    expect(&mut poll, &mut events, SOURCE, |event| {
        event.is_read_closed() && event.is_error()
    });
}

/// The other direction has its events, whatever comes.
#[test]
fn beside_room_to_write_the_end_is_another_event() {
    if !KNOWS_END {
        return;
    }
    let (mut stream, mut peer) = tcp_pair();
    let (mut poll, mut events) = with(&mut stream, END | Interest::WRITABLE);
    let event = util::expect_writable(&mut poll, &mut events, SOURCE);
    assert!(!event.is_readable() && !event.is_read_closed());
    peer.write_all(b"x").unwrap();
    util::poll(&mut poll, &mut events, Some(Duration::from_millis(5)));
    assert!(!events.iter().any(Event::is_readable), "{events:?}");
    if END_IS_BEHIND_DATA {
        util::drain_all(&mut stream, 1);
    }
    drop(peer);
    expect(&mut poll, &mut events, SOURCE, is_end);
}

/// Unread data is an event as soon as it is in the interest, and none when it no longer is.
#[test]
fn changing_between_data_and_the_end_takes_effect_at_once() {
    if !KNOWS_END {
        return;
    }
    let (mut stream, mut peer) = tcp_pair();
    let (mut poll, mut events) = with(&mut stream, END);
    peer.write_all(b"x").unwrap();
    discard_events(&mut poll, &mut events);
    for _ in 0..3 {
        let registry = poll.registry();
        registry
            .reregister(&mut stream, SOURCE, Interest::READABLE)
            .unwrap();
        let event = util::expect_readable(&mut poll, &mut events, SOURCE);
        assert!(!event.is_read_closed());
        let registry = poll.registry();
        registry.reregister(&mut stream, SOURCE, END).unwrap();
        expect_silence(&mut poll, &mut events);
        peer.write_all(b"y").unwrap();
        util::poll(&mut poll, &mut events, Some(Duration::from_millis(1)));
        assert!(events.is_empty(), "{events:?}");
    }
    let registry = poll.registry();
    registry
        .reregister(&mut stream, SOURCE, END | Interest::READABLE)
        .unwrap();
    util::expect_readable(&mut poll, &mut events, SOURCE);
}

/// An end that was reported is reported again after reregistering.
#[test]
fn reregistering_reports_the_end_again() {
    if !KNOWS_END {
        return;
    }
    let (mut stream, peer) = tcp_pair();
    let (mut poll, mut events) = with(&mut stream, END.oneshot());
    drop(peer);
    for _ in 0..3 {
        expect(&mut poll, &mut events, SOURCE, is_end);
        expect_silence(&mut poll, &mut events);
        let registry = poll.registry();
        registry
            .reregister(&mut stream, SOURCE, END.oneshot())
            .unwrap();
    }
}

/// A receive buffer that is full is data like other.
#[test]
fn a_full_buffer_is_not_the_end() {
    if !KNOWS_END {
        return;
    }
    let (mut stream, mut peer) = tcp_pair();
    let (mut poll, mut events) = with(&mut stream, END);
    let sent = util::fill(&mut peer);
    util::poll(&mut poll, &mut events, Some(Duration::from_millis(5)));
    assert!(events.is_empty() || knows_mark("macos"), "{events:?}");
    assert!(!events.iter().any(is_end), "{events:?}");
    util::drain_all(&mut stream, sent);
    drop(peer);
    expect(&mut poll, &mut events, SOURCE, is_end);
}

/// Where the end is not reported, registering fails instead of waiting forever.
#[test]
fn a_system_that_does_not_distinguish_the_end_refuses_read_closed() {
    let (mut stream, mut peer) = tcp_pair();
    let (mut poll, mut events) = poll_and_events();
    let registry = poll.registry();
    for interest in [END, END.level(), END.oneshot(), END | Interest::WRITABLE] {
        let registered = registry.register(&mut stream, SOURCE, interest);
        if KNOWS_END {
            registered.unwrap();
            registry.deregister(&mut stream).unwrap();
        } else {
            let error = registered.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains("READ_CLOSED"), "{error}");
        }
    }
    // Reported as data, it is known everywhere. A change that is refused changes nothing.
    registry
        .register(&mut stream, SOURCE, END | Interest::READABLE)
        .unwrap();
    if !KNOWS_END {
        let error = registry.reregister(&mut stream, Token(2), END).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    peer.write_all(b"x").unwrap();
    drop(peer);
    util::expect_readable(&mut poll, &mut events, SOURCE);
}

#[cfg(unix)]
mod unix {
    use std::os::fd::AsRawFd;

    use mio::net::UnixStream;
    use mio::unix::{pipe, SourceFd};

    use super::*;

    #[test]
    fn a_unix_stream_ends_behind_unread_data() {
        if !KNOWS_END {
            return;
        }
        let (mut stream, mut peer) = UnixStream::pair().unwrap();
        let (mut poll, mut events) = with(&mut stream, END);
        peer.write_all(b"x").unwrap();
        expect_silence(&mut poll, &mut events);
        peer.shutdown(Shutdown::Write).unwrap();
        expect(&mut poll, &mut events, SOURCE, is_end);
        discard_events(&mut poll, &mut events);
        drop(peer);
        expect(&mut poll, &mut events, SOURCE, is_end);
    }

    #[test]
    fn a_bare_descriptor_ends_behind_unread_data() {
        if !KNOWS_END {
            return;
        }
        let (stream, mut peer) = UnixStream::pair().unwrap();
        let fd = stream.as_raw_fd();
        let (mut poll, mut events) =
            with(&mut SourceFd(&fd), Interest::READABLE | Interest::WRITABLE);
        util::expect_writable(&mut poll, &mut events, SOURCE);
        peer.write_all(b"x").unwrap();
        util::expect_readable(&mut poll, &mut events, SOURCE);
        let registry = poll.registry();
        registry
            .reregister(&mut SourceFd(&fd), SOURCE, END)
            .unwrap();
        expect_silence(&mut poll, &mut events);
        drop(peer);
        expect(&mut poll, &mut events, SOURCE, is_end);
    }

    /// The BSDs have no low-water mark for pipes.
    #[test]
    fn a_pipe_ends_behind_unread_data() {
        if !KNOWS_END {
            return;
        }
        let (mut sender, mut receiver) = pipe::new().unwrap();
        let (mut poll, mut events) = with(&mut receiver, END);
        sender.write_all(b"x").unwrap();
        util::poll(&mut poll, &mut events, Some(Duration::from_millis(1)));
        assert!(events.is_empty() || KQUEUE && !knows_mark("macos"));
        assert!(!events.iter().any(is_end), "{events:?}");
        drop(sender);
        expect(&mut poll, &mut events, SOURCE, is_end);
    }
}

/// Data includes the end, which the interest may contain as well.
#[test]
fn the_end_is_reported_with_an_interest_in_data() {
    let (mut near, far) = tcp_pair();
    let (mut poll, mut events) = with(&mut near, Interest::READABLE | END);
    expect_silence(&mut poll, &mut events);
    far.shutdown(Shutdown::Write).unwrap();
    expect(&mut poll, &mut events, SOURCE, util::reports_end);
}
