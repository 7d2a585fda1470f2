//! `TcpStream::is_connected`: whether an attempt to connect is complete, in progress, or why it
//! failed.
#![cfg(all(feature = "os-poll", feature = "net", any(unix, windows)))]

use std::io::{self, Read, Write};
use std::net::{self, Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use crate::util::{
    self, any_port, any_port_at, any_ports, expect, poll_and_events, tcp_pair, AFD, LONG,
};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::SockRef;

const STREAM: Token = Token(1);
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// Whether a socket that was never connected looks like one that is connecting.
const NEVER_LOOKS_LIKE_NOT_YET: bool = !cfg!(any(target_os = "linux", target_os = "android"));

/// Whether the peer of a connection is known even after the connection was lost.
const REMEMBERS_PEER: bool = AFD;

/// An address without a listener. No other test gets the port, because `host`, of 127.25.0.0/16, is
/// used by one test only.
fn closed_port(host: u8) -> SocketAddr {
    let listener = net::TcpListener::bind(any_port_at([25, 0, host])).unwrap();
    listener.local_addr().unwrap()
}

fn register(stream: &mut TcpStream, interest: Interest) -> (Poll, Events) {
    let (poll, events) = poll_and_events();
    let registry = poll.registry();
    registry.register(stream, STREAM, interest).unwrap();
    (poll, events)
}

/// Calls `is_connected` on every event, as a program does, until the attempt is complete.
fn outcome(poll: &mut Poll, events: &mut Events, stream: &TcpStream) -> io::Result<()> {
    let end = Instant::now() + LONG;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        util::poll(poll, events, Some(left));
        assert!(!events.is_empty(), "no event says that it is complete");
        if stream.is_connected()? {
            return Ok(());
        }
    }
}

fn kind<T: std::fmt::Debug>(result: io::Result<T>) -> io::ErrorKind {
    result.unwrap_err().kind()
}

fn unconnected() -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    TcpStream::from_std(socket.into())
}

#[test]
fn an_established_connection_is_connected() {
    for wanted in any_ports() {
        let listener = net::TcpListener::bind(wanted).unwrap();
        for interest in [BOTH, Interest::WRITABLE] {
            let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut poll, mut events) = register(&mut stream, interest);
            outcome(&mut poll, &mut events, &stream).unwrap();
            // It can be called at any time, and has no side effect.
            let (mut server, _) = listener.accept().unwrap();
            server.write_all(b"x").unwrap();
            drop(server);
            assert!(stream.is_connected().unwrap());
            if interest.is_readable() {
                util::expect_readable(&mut poll, &mut events, STREAM);
            }
            assert!(stream.is_connected().unwrap());
            util::drain_all(&mut stream, 1);
        }
    }
}

#[test]
fn both_sides_of_a_standard_connection_are_connected() {
    let (one, other) = tcp_pair();
    assert!(one.is_connected().unwrap());
    assert!(other.is_connected().unwrap());
}

/// Only the error that there is no peer leaves the question open.
#[test]
#[cfg(unix)]
fn what_is_no_socket_is_no_attempt() {
    let null = std::fs::File::options().write(true).open("/dev/null");
    let stream = TcpStream::from(std::os::fd::OwnedFd::from(null.unwrap()));
    let error = stream.is_connected().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOTSOCK));
}

#[test]
fn a_connection_is_connected_until_both_sides_have_ended() {
    for ours in [Shutdown::Read, Shutdown::Write, Shutdown::Both] {
        let (stream, _peer) = tcp_pair();
        stream.shutdown(ours).unwrap();
        // The peer has not ended anything. On Apple systems it does not matter.
        let apple = cfg!(target_vendor = "apple") && ours == Shutdown::Both;
        assert!(apple || stream.is_connected().unwrap(), "{ours:?}");
    }
    let (mut stream, peer) = tcp_pair();
    let (mut poll, mut events) = register(&mut stream, BOTH);
    peer.shutdown(Shutdown::Write).unwrap();
    expect(&mut poll, &mut events, STREAM, util::reports_end);
    assert!(stream.is_connected().unwrap());
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
    assert!(stream.is_connected().unwrap());
    stream.shutdown(Shutdown::Write).unwrap();
    if REMEMBERS_PEER {
        return;
    }
    let end = Instant::now() + LONG;
    while let Ok(connected) = stream.is_connected() {
        assert!(connected, "there is no new attempt");
        assert!(Instant::now() < end);
        std::thread::yield_now();
    }
    assert_eq!(kind(stream.is_connected()), io::ErrorKind::NotConnected);
}

/// The reason is returned once, and afterwards that there is no connection; never that there still
/// may be one, for which a program would wait.
#[test]
fn a_refused_connection_returns_the_reason_and_then_not_connected() {
    for interest in [BOTH, Interest::WRITABLE, Interest::READABLE] {
        let mut stream = TcpStream::connect(closed_port(1)).unwrap();
        let (mut poll, mut events) = register(&mut stream, interest);
        let refused = kind(outcome(&mut poll, &mut events, &stream));
        assert_eq!(refused, io::ErrorKind::ConnectionRefused);
        for _ in 0..3 {
            let again = kind(stream.is_connected());
            // Windows may keep it.
            assert!(
                again == io::ErrorKind::NotConnected || AFD && again == refused,
                "{again:?}"
            );
        }
    }
}

/// Once any operation has returned the reason, the attempt is no longer waited for.
#[test]
fn a_reason_that_was_taken_is_not_waited_for() {
    let take: fn(&mut TcpStream) = |stream| {
        stream.take_error().unwrap().unwrap();
    };
    // On Windows it returns only that there is nothing to read.
    let read: fn(&mut TcpStream) = |stream| drop(stream.read(&mut [0; 8]));
    for operation in [take, read] {
        let mut stream = TcpStream::connect(closed_port(2)).unwrap();
        let (mut poll, mut events) = register(&mut stream, BOTH);
        expect(&mut poll, &mut events, STREAM, |event| event.is_error());
        operation(&mut stream);
        let kind = kind(stream.is_connected());
        let kept = AFD && kind == io::ErrorKind::ConnectionRefused;
        assert!(kind == io::ErrorKind::NotConnected || kept, "{kind:?}");
    }
}

/// A program that keeps calling it does not make the loop spin.
#[test]
fn a_refused_connection_that_is_queried_again_is_reported_a_few_times_at_most() {
    let mut stream = TcpStream::connect(closed_port(3)).unwrap();
    let (mut poll, mut events) = register(&mut stream, BOTH);
    outcome(&mut poll, &mut events, &stream).unwrap_err();
    util::discard_events(&mut poll, &mut events);
    let mut reported = 0;
    for _ in 0..50 {
        stream.is_connected().unwrap_err();
        util::poll(&mut poll, &mut events, Some(Duration::ZERO));
        reported += events.iter().count();
    }
    assert!(reported <= 1, "{reported}");
}

#[test]
fn a_reset_connection_returns_the_reset_and_then_not_connected() {
    let (mut stream, peer) = tcp_pair();
    let (mut poll, mut events) = register(&mut stream, BOTH);
    SockRef::from(&peer)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(peer);
    expect(&mut poll, &mut events, STREAM, |event| event.is_error());
    if REMEMBERS_PEER {
        assert!(stream.is_connected().unwrap());
        return;
    }
    assert_eq!(kind(stream.is_connected()), io::ErrorKind::ConnectionReset);
    assert_eq!(kind(stream.is_connected()), io::ErrorKind::NotConnected);
}

#[test]
fn a_stream_that_was_never_connected_is_not() {
    let mut stream = unconnected();
    let ask = |stream: &TcpStream| match stream.is_connected() {
        Ok(connected) => assert!(NEVER_LOOKS_LIKE_NOT_YET && !connected),
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotConnected),
    };
    ask(&stream);
    let (mut poll, mut events) = register(&mut stream, BOTH);
    util::discard_events(&mut poll, &mut events);
    ask(&stream);
    util::expect_silence(&mut poll, &mut events);

    // Connected later, without an event, it is as good as any.
    let listener = net::TcpListener::bind(any_port()).unwrap();
    let address = listener.local_addr().unwrap().into();
    SockRef::from(&stream).connect(&address).unwrap_err();
    let end = Instant::now() + LONG;
    while !stream.is_connected().unwrap() {
        assert!(Instant::now() < end);
        std::thread::yield_now();
    }
}

/// A listener without room, by which Windows and BSDs have a connection refused.
#[cfg(target_os = "linux")]
mod full_backlog {
    use std::os::fd::AsRawFd;

    use mio::net::TcpListener;

    use super::*;

    /// Linux accepts one connection more than the backlog. The first one is returned.
    fn full_listener() -> (TcpListener, net::TcpStream) {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket.bind(&any_port().into()).unwrap();
        socket.listen(0).unwrap();
        let mut listener = TcpListener::from_std(socket.into());
        let first = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut poll, mut events) = poll_and_events();
        let registry = poll.registry();
        registry
            .register(&mut listener, STREAM, Interest::READABLE)
            .unwrap();
        util::expect_readable(&mut poll, &mut events, STREAM);
        poll.registry().deregister(&mut listener).unwrap();
        (listener, first)
    }

    #[test]
    fn an_attempt_is_in_progress_until_there_is_room() {
        let (listener, _first) = full_listener();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut poll, mut events) = register(&mut stream, BOTH);
        for _ in 0..3 {
            assert!(!stream.is_connected().unwrap());
            util::expect_silence(&mut poll, &mut events);
        }
        listener.accept().unwrap();
        outcome(&mut poll, &mut events, &stream).unwrap();
    }

    /// A stream taken over from the standard library, in the middle of its attempt.
    #[test]
    fn an_attempt_of_another_library_is_reported_like_ours() {
        let (listener, _first) = full_listener();
        let address = listener.local_addr().unwrap().into();
        let mut stream = unconnected();
        SockRef::from(&stream).connect(&address).unwrap_err();
        assert!(!stream.is_connected().unwrap());
        let (mut poll, mut events) = register(&mut stream, BOTH);
        assert!(!stream.is_connected().unwrap());
        listener.accept().unwrap();
        outcome(&mut poll, &mut events, &stream).unwrap();
    }

    /// Where edges are emulated, "not yet" is a promise of an event: the hang-up of the
    /// unconnected socket was reported, and is watched for again.
    #[test]
    fn after_not_yet_there_is_an_event() {
        let (listener, _first) = full_listener();
        let address = listener.local_addr().unwrap().into();
        let mut stream = unconnected();
        let (mut poll, mut events) = register(&mut stream, BOTH);
        util::discard_events(&mut poll, &mut events);
        SockRef::from(&stream).connect(&address).unwrap_err();
        assert!(!stream.is_connected().unwrap());
        util::discard_events(&mut poll, &mut events);
        listener.accept().unwrap();
        outcome(&mut poll, &mut events, &stream).unwrap();
    }

    #[test]
    fn an_attempt_that_times_out_returns_timed_out() {
        let (listener, _first) = full_listener();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        SockRef::from(&stream)
            .set_tcp_user_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        let (mut poll, mut events) = register(&mut stream, BOTH);
        let kind = kind(outcome(&mut poll, &mut events, &stream));
        assert_eq!(kind, io::ErrorKind::TimedOut);
    }

    /// The kernel connects such a stream when it is first written to, and until then reports it
    /// as writable.
    #[test]
    fn a_stream_that_connects_when_it_is_written_to_is_not_connected_before() {
        let listener = net::TcpListener::bind(any_port()).unwrap();
        let address = listener.local_addr().unwrap().into();
        let mut stream = unconnected();
        let yes: libc::c_int = 1;
        // Without a cookie of the server, which it would have to be asked for first.
        for option in [libc::TCP_FASTOPEN_CONNECT, libc::TCP_FASTOPEN_NO_COOKIE] {
            // SAFETY: the pointer and the length are those of `yes`.
            let set = unsafe {
                libc::setsockopt(
                    stream.as_raw_fd(),
                    libc::IPPROTO_TCP,
                    option,
                    std::ptr::addr_of!(yes).cast(),
                    std::mem::size_of_val(&yes) as libc::socklen_t,
                )
            };
            assert_eq!(set, 0, "{}", io::Error::last_os_error());
        }
        // Where the administrator has turned it off, it is an ordinary attempt.
        if SockRef::from(&stream).connect(&address).is_ok() {
            assert!(!stream.is_connected().unwrap());
        }
        let (mut poll, mut events) = register(&mut stream, BOTH);
        let _ = stream.write(b"x");
        let end = Instant::now() + LONG;
        while !stream.is_connected().unwrap() {
            assert!(Instant::now() < end);
            util::poll(&mut poll, &mut events, Some(Duration::from_millis(5)));
        }
    }
}
