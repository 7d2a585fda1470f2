//! How a connection comes about, or does not.
#![cfg(all(feature = "os-poll", feature = "net"))]

use std::io::{self, Read, Write};
use std::net::{self, SocketAddr};
use std::time::Duration;

use crate::util::{
    self, any_port, any_port_at, any_ports, discard_events, expect, expect_nonblocking_and_cloexec,
    expect_readable, expect_silence, expect_writable, poll_and_events, AFD, KQUEUE,
    UNCONNECTED_IS_SHUT_DOWN,
};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(1);
const STREAM: Token = Token(2);
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// An address without a listener. No other test gets the port, because `host`, of
/// 127.24.0.0/16, is used by one test only.
fn closed_port(host: u8) -> SocketAddr {
    let listener = net::TcpListener::bind(any_port_at([24, 0, host])).unwrap();
    listener.local_addr().unwrap()
}

/// A poll with a stream in it that is connecting to `address`.
fn connecting(address: SocketAddr, interest: Interest) -> (Poll, Events, TcpStream) {
    let (poll, events) = poll_and_events();
    let mut stream = TcpStream::connect(address).unwrap();
    poll.registry()
        .register(&mut stream, STREAM, interest)
        .unwrap();
    (poll, events, stream)
}

/// Edge case 24: the outcome is queried in the documented order.
#[test]
fn a_connection_stands_when_it_is_writable_and_has_a_peer() {
    for wanted in any_ports() {
        let listener = net::TcpListener::bind(wanted).unwrap();
        let address = listener.local_addr().unwrap();
        let (mut poll, mut events, mut stream) = connecting(address, BOTH);
        expect_nonblocking_and_cloexec(&stream);

        let event = expect_writable(&mut poll, &mut events, STREAM);
        assert!(!event.is_error() && !event.is_read_closed() && !event.is_write_closed());
        assert!(stream.take_error().unwrap().is_none());
        assert_eq!(stream.peer_addr().unwrap(), address);

        let (mut server, peer) = listener.accept().unwrap();
        assert_eq!(peer, stream.local_addr().unwrap());
        stream.write_all(b"hello").unwrap();
        let mut buf = [0; 5];
        server.read_exact(&mut buf).unwrap();
        assert_eq!(&buf, b"hello");
    }
}

#[test]
fn a_connection_that_is_only_read_from_is_silent_until_something_arrives() {
    let listener = net::TcpListener::bind(any_port()).unwrap();
    let address = listener.local_addr().unwrap();
    let (mut poll, mut events, mut stream) = connecting(address, Interest::READABLE);
    let (mut server, _) = listener.accept().unwrap();
    expect_silence(&mut poll, &mut events);
    server.write_all(b"welcome").unwrap();
    expect_readable(&mut poll, &mut events, STREAM);
    let mut buf = [0; 16];
    assert_eq!(stream.read(&mut buf).unwrap(), 7);
}

/// Edge case 24: SO_ERROR contains the reason, once, and there is no peer.
#[test]
fn a_refused_connection_is_an_error_with_the_reason() {
    for interest in [BOTH, Interest::WRITABLE, Interest::READABLE] {
        let (mut poll, mut events, stream) = connecting(closed_port(1), interest);
        let event = expect(&mut poll, &mut events, STREAM, |event| event.is_error());
        if KQUEUE {
            // An event of either direction, depending on the interest.
            let (read, written) = (event.is_readable(), event.is_writable());
            assert!(read != written);
            assert!(interest.is_readable() >= read && interest.is_writable() >= written);
            assert_eq!(event.is_read_closed(), read);
            assert_eq!(event.is_write_closed(), written);
        } else {
            assert!(event.is_read_closed() && event.is_write_closed());
            assert_eq!(event.is_writable(), interest.is_writable());
            assert_eq!(event.is_readable(), interest.is_readable());
        }

        let error = stream.take_error().unwrap().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        // Windows may keep it.
        assert!(AFD || stream.take_error().unwrap().is_none());
        let error = stream.peer_addr().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotConnected);
    }
}

/// On Windows they return only that there is no connection.
#[test]
#[cfg(unix)]
fn reading_and_writing_return_why_a_connection_failed() {
    let read = |stream: &mut TcpStream| stream.read(&mut [0; 8]);
    let write = |stream: &mut TcpStream| stream.write(b"hello");
    let peek = |stream: &mut TcpStream| stream.peek(&mut [0; 8]);
    let operations: [fn(&mut TcpStream) -> io::Result<usize>; 3] = [read, write, peek];
    for operation in operations {
        let (mut poll, mut events, mut stream) = connecting(closed_port(2), BOTH);
        expect(&mut poll, &mut events, STREAM, |event| event.is_error());
        let error = operation(&mut stream).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}

/// Edge case 46: the hang-up of the socket lasts, and must not be reported for ever,
/// not even if the program takes the error each time.
#[test]
fn a_refused_connection_is_reported_a_few_times_at_most() {
    let (mut poll, mut events, stream) = connecting(closed_port(3), BOTH);
    expect(&mut poll, &mut events, STREAM, |event| event.is_error());
    discard_events(&mut poll, &mut events);

    let mut reported = 0;
    for _ in 0..50 {
        stream.take_error().unwrap();
        util::poll(&mut poll, &mut events, Some(Duration::ZERO));
        reported += events.iter().count();
    }
    assert!(reported <= 1, "{reported}");
}

/// Edge case 46: the registration of a socket that hung up is still there.
#[test]
fn a_refused_connection_can_be_reregistered_and_deregistered() {
    let (mut poll, mut events, mut stream) = connecting(closed_port(4), BOTH);
    expect(&mut poll, &mut events, STREAM, |event| event.is_error());
    discard_events(&mut poll, &mut events);
    poll.registry()
        .reregister(&mut stream, LISTENER, BOTH)
        .unwrap();
    expect(&mut poll, &mut events, LISTENER, |event| event.is_error());
    poll.registry().deregister(&mut stream).unwrap();
    expect_silence(&mut poll, &mut events);
}

/// A listener without room, by which Windows and BSDs have a connection refused.
#[cfg(target_os = "linux")]
mod full_backlog {
    use crate::util::expect_would_block;
    use mio::net::TcpListener;

    use super::*;

    /// Edge case 24: Linux leaves a connection alone for which the listener has no room,
    /// and both sides try again; that takes a second.
    #[test]
    fn a_stream_is_not_connected_while_the_backlog_is_full() {
        let (mut poll, mut events) = poll_and_events();
        let (mut listener, address) = listener_with_room_for_one();
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)
            .unwrap();
        let _first = net::TcpStream::connect(address).unwrap();
        expect_readable(&mut poll, &mut events, LISTENER);

        let mut stream = TcpStream::connect(address).unwrap();
        poll.registry().register(&mut stream, STREAM, BOTH).unwrap();
        util::poll(&mut poll, &mut events, Some(Duration::from_millis(50)));
        assert!(events.is_empty(), "{events:?}");
        assert!(stream.take_error().unwrap().is_none());
        let error = stream.peer_addr().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotConnected);
        expect_would_block(stream.read(&mut [0; 8]));
        expect_would_block(stream.write(b"too early"));
        expect_silence(&mut poll, &mut events);

        listener.accept().unwrap();
        expect_writable(&mut poll, &mut events, STREAM);
        assert!(stream.take_error().unwrap().is_none());
        assert_eq!(stream.peer_addr().unwrap(), address);
    }

    /// Linux accepts one connection more than the backlog.
    fn listener_with_room_for_one() -> (TcpListener, SocketAddr) {
        let socket = stream_socket();
        socket.bind(&any_port().into()).unwrap();
        socket.listen(0).unwrap();
        let listener = TcpListener::from_std(socket.into());
        let address = listener.local_addr().unwrap();
        (listener, address)
    }
}

fn stream_socket() -> socket2::Socket {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

/// Edge case 24: a socket that is not yet connected may be reported as writable, which
/// does not mean that it is connected. Connected later, it is as good as any.
#[test]
fn an_unconnected_stream_is_writable_and_has_no_peer() {
    let (mut poll, mut events) = poll_and_events();
    let mut stream = TcpStream::from_std(stream_socket().into());
    poll.registry().register(&mut stream, STREAM, BOTH).unwrap();
    // kqueue and AFD are silent until it is connected.
    if !KQUEUE && !AFD {
        expect_writable(&mut poll, &mut events, STREAM);
    }
    assert!(stream.take_error().unwrap().is_none());
    let error = stream.peer_addr().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotConnected);
    expect_silence(&mut poll, &mut events);

    let listener = net::TcpListener::bind(any_port()).unwrap();
    let address = listener.local_addr().unwrap();
    let raw = socket2::SockAddr::from(address);
    let begun = stream.try_io(|| socket2::SockRef::from(&stream).connect(&raw));
    let begun = begun.expect_err("a loopback connection stands only after the call");
    #[cfg(unix)]
    assert_eq!(begun.raw_os_error(), Some(libc::EINPROGRESS));
    #[cfg(windows)]
    assert_eq!(begun.kind(), io::ErrorKind::WouldBlock);

    while stream.peer_addr().is_err() {
        let event = expect_writable(&mut poll, &mut events, STREAM);
        assert!(!event.is_error());
    }
    assert_eq!(stream.peer_addr().unwrap(), address);
    assert!(stream.take_error().unwrap().is_none());
}

#[test]
fn an_unconnected_stream_cannot_be_shut_down() {
    let stream = TcpStream::from_std(stream_socket().into());
    let kind = stream.shutdown(net::Shutdown::Both).map_err(|it| it.kind());
    if !UNCONNECTED_IS_SHUT_DOWN {
        assert_eq!(kind, Err(io::ErrorKind::NotConnected));
    }
}

#[test]
fn a_stream_that_is_dropped_while_connecting_is_forgotten() {
    let listener = net::TcpListener::bind(any_port()).unwrap();
    let address = listener.local_addr().unwrap();
    let (mut poll, mut events, stream) = connecting(address, BOTH);
    drop(stream);
    poll_again(&mut poll, &mut events);
    assert!(events.is_empty(), "{events:?}");
}

/// The server may still be answering the connection that was given up.
fn poll_again(poll: &mut Poll, events: &mut Events) {
    util::poll(poll, events, Some(Duration::from_millis(20)));
}

#[test]
fn many_connections_at_once_are_all_established() {
    const STREAMS: usize = 50;
    let (mut poll, mut events) = poll_and_events();
    let listener = net::TcpListener::bind(any_port()).unwrap();
    let address = listener.local_addr().unwrap();
    let mut streams: Vec<_> = (0..STREAMS)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    for (number, stream) in streams.iter_mut().enumerate() {
        poll.registry()
            .register(stream, Token(number), Interest::WRITABLE)
            .unwrap();
    }
    let mut connected = [false; STREAMS];
    while connected.contains(&false) {
        util::poll(&mut poll, &mut events, Some(util::LONG));
        assert!(!events.is_empty(), "{connected:?}");
        for event in &events {
            let Token(number) = event.token();
            assert!(streams[number].take_error().unwrap().is_none());
            connected[number] |= streams[number].peer_addr().is_ok();
        }
    }
}
