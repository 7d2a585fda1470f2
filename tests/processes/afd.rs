//! What only Windows has, or does its own way: sockets and requests of the AFD device.
//!
//! Edge case 32, a socket that a layered service provider has wrapped, takes such a provider
//! in the system's catalogue. There is none here; every socket is its own base, and the
//! questions to providers are code that these tests do not reach.
#![cfg(all(windows, feature = "os-poll", feature = "net"))]

use std::fmt::Debug;
use std::io::{self, Read, Write};
use std::net::{self, Shutdown, SocketAddr};
use std::os::windows::io::{
    AsRawSocket, AsSocket, FromRawSocket, IntoRawSocket, OwnedSocket, RawSocket,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::util::{
    self, any_port, any_ports, cycles, expect, expect_end, expect_nonblocking_and_cloexec,
    expect_readable, expect_silence, expect_would_block, expect_writable, in_own_process, is_wine,
    open_fds, poll_and_events, reset_on_close, stream_pair, tcp_pair, udp_pair, LONG,
};
use mio::event::{Event, Source};
use mio::net::{TcpListener, TcpStream, UdpSocket};
use mio::{Events, Interest, Poll, Token, Waker};

const SOURCE: Token = Token(1);
const OTHER: Token = Token(2);
const WAKER: Token = Token(3);

const R: Interest = Interest::READABLE;
const W: Interest = Interest::WRITABLE;

fn register(poll: &Poll, source: &mut impl Source, interest: Interest) {
    poll.registry().register(source, SOURCE, interest).unwrap();
}

// Sockets.

/// Edge case 26: with `SO_REUSEADDR` another process could take the port over.
#[test]
fn a_port_cannot_be_taken_over() {
    for wanted in any_ports() {
        let listener = TcpListener::bind(wanted).unwrap();
        assert!(!socket2::SockRef::from(&listener).reuse_address().unwrap());
        let again = TcpListener::bind(listener.local_addr().unwrap());
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AddrInUse);

        let socket = UdpSocket::bind(wanted).unwrap();
        assert!(!socket2::SockRef::from(&socket).reuse_address().unwrap());
        let again = UdpSocket::bind(socket.local_addr().unwrap());
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}

/// A client that was there, and is gone by reset, is an error or a connection, never a panic.
#[test]
fn a_client_that_resets_before_it_is_accepted_breaks_nothing() {
    let (mut poll, mut events) = poll_and_events();
    let mut listener = TcpListener::bind(any_port()).unwrap();
    register(&poll, &mut listener, R);
    let address = listener.local_addr().unwrap();
    for _ in 0..3 {
        // What this leaves behind in memory looks like an address.
        let client = net::TcpStream::connect(address).unwrap();
        expect_readable(&mut poll, &mut events, SOURCE);
        listener.accept().unwrap();
        drop(client);
        expect_would_block(listener.accept());

        let client = net::TcpStream::connect(address).unwrap();
        reset_on_close(&client);
        drop(client);
        expect_readable(&mut poll, &mut events, SOURCE);
        match listener.accept() {
            Ok((_, peer)) => assert_eq!(peer.ip(), address.ip()),
            Err(error) => assert!(matches!(
                error.kind(),
                io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
            )),
        }
        expect_would_block(listener.accept());
    }
}

/// Edge case 37: no child inherits a socket, whichever way it was made.
#[test]
fn sockets_are_not_inherited() {
    for address in any_ports() {
        let (mut poll, mut events) = poll_and_events();
        let mut listener = TcpListener::bind(address).unwrap();
        expect_nonblocking_and_cloexec(&listener);
        register(&poll, &mut listener, R);
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        expect_nonblocking_and_cloexec(&stream);
        expect_readable(&mut poll, &mut events, SOURCE);
        let (mut accepted, _) = listener.accept().unwrap();
        expect_nonblocking_and_cloexec(&accepted);
        expect_would_block(accepted.read(&mut [0; 8]));
        expect_nonblocking_and_cloexec(&UdpSocket::bind(address).unwrap());
    }
}

/// Edge case 37: the system's library of sockets has to be started before the first of them
/// is made, which the standard library does only for its own.
#[test]
fn connecting_may_be_the_first_that_a_process_does_with_sockets() {
    in_own_process(
        "connecting_may_be_the_first_that_a_process_does_with_sockets",
        || {
            // There is no listener.
            let closed = SocketAddr::from(([127, 48, 37, 1], 1));
            let mut stream = TcpStream::connect(closed).unwrap();
            let (mut poll, mut events) = poll_and_events();
            register(&poll, &mut stream, R | W);
            expect(&mut poll, &mut events, SOURCE, Event::is_error);
            let error = stream.take_error().unwrap().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        },
    );
}

/// By default Windows would have a socket that sent to a closed port fail to receive what
/// others send to it.
#[test]
fn an_undeliverable_datagram_does_not_keep_others_from_being_received() {
    let (mut poll, mut events) = poll_and_events();
    let mut socket = UdpSocket::bind(any_port()).unwrap();
    let address = socket.local_addr().unwrap();
    register(&poll, &mut socket, R);
    // The address is this test's own: no other test gets the port.
    let closed = net::UdpSocket::bind("127.48.26.1:0").unwrap().local_addr();
    let closed = closed.unwrap();
    let friend = UdpSocket::bind(any_port()).unwrap();
    for _ in 0..5 {
        socket.send_to(b"hello?!?", closed).unwrap();
        expect_silence(&mut poll, &mut events);
        expect_would_block(socket.recv_from(&mut [0; 8]));
        friend.send_to(b"here", address).unwrap();
        let event = expect_readable(&mut poll, &mut events, SOURCE);
        assert!(!event.is_error());
        let received = socket.recv_from(&mut [0; 8]).unwrap();
        assert_eq!(received, (4, friend.local_addr().unwrap()));
    }
}

/// What a receive reports as an error is off the queue, as a datagram is that was received:
/// the one behind it is an event, although the program has not gone on until `WouldBlock`.
#[test]
fn a_datagram_after_one_that_was_too_long_is_an_event() {
    let receive: [fn(&UdpSocket, &mut [u8]) -> io::Result<usize>; 2] = [
        |socket, buf| socket.recv(buf),
        |socket, buf| socket.recv_from(buf).map(|(len, _)| len),
    ];
    for receive in receive {
        let (mut poll, mut events) = poll_and_events();
        let (mut socket, peer) = udp_pair();
        register(&poll, &mut socket, R);
        for _ in 0..3 {
            peer.send(b"does not fit").unwrap();
            expect_readable(&mut poll, &mut events, SOURCE);
            receive(&socket, &mut [0; 4]).unwrap_err();
            expect_silence(&mut poll, &mut events);
        }
        peer.send(b"fits").unwrap();
        expect_readable(&mut poll, &mut events, SOURCE);
        assert_eq!(receive(&socket, &mut [0; 4]).unwrap(), 4);
    }
}

/// A connected socket returns that there is no receiver, as on every other system, however it was
/// connected, and remains usable.
#[test]
fn an_undeliverable_datagram_is_an_error_of_a_connected_socket() {
    let connect: [fn(SocketAddr) -> UdpSocket; 3] = [
        |closed| {
            let socket = UdpSocket::bind(any_port()).unwrap();
            socket.connect(closed).unwrap();
            socket
        },
        |closed| {
            let socket = std_udp();
            socket.connect(closed).unwrap();
            UdpSocket::from_std(socket)
        },
        |closed| {
            let socket = UdpSocket::from_std(std_udp());
            socket.connect(closed).unwrap();
            socket
        },
    ];
    for connect in connect {
        let (mut poll, mut events) = poll_and_events();
        let placeholder = net::UdpSocket::bind("127.48.27.1:0").unwrap();
        let closed = placeholder.local_addr().unwrap();
        drop(placeholder);
        let mut socket = connect(closed);
        register(&poll, &mut socket, R);
        // Wine reports no refusal, or a failed connection and nothing afterwards.
        if !is_wine() {
            for _ in 0..3 {
                socket.send(b"hello?!?").unwrap();
                expect_readable(&mut poll, &mut events, SOURCE);
                let error = socket.recv(&mut [0; 8]).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            }
        }
        let receiver = UdpSocket::bind(closed).unwrap();
        receiver
            .send_to(b"here", socket.local_addr().unwrap())
            .unwrap();
        expect_readable(&mut poll, &mut events, SOURCE);
        assert_eq!(socket.recv(&mut [0; 8]).unwrap(), 4);
    }
}

fn std_udp() -> net::UdpSocket {
    let socket = net::UdpSocket::bind(any_port()).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

// Conversions.

/// Whether the number belongs to an open socket. Only for tests with a process of their own.
fn is_open(socket: RawSocket) -> bool {
    // SAFETY: the number is only asked about; nothing closes it here.
    let socket = unsafe { std::os::windows::io::BorrowedSocket::borrow_raw(socket) };
    socket2::SockRef::from(&socket).r#type().is_ok()
}

#[test]
fn every_type_converts_to_a_socket_and_back() {
    fn round_trip<T, Std>(source: T, from_std: fn(Std) -> T)
    where
        T: AsSocket + AsRawSocket + IntoRawSocket + FromRawSocket + Debug,
        T: From<OwnedSocket> + Into<OwnedSocket>,
        Std: From<T> + AsRawSocket,
    {
        let number = source.as_raw_socket();
        assert_eq!(source.as_socket().as_raw_socket(), number);
        let shown = format!("{source:?}");
        assert!(shown.contains(&number.to_string()), "{shown}");

        let owned: OwnedSocket = source.into();
        assert_eq!(owned.as_raw_socket(), number);
        let source = T::from(owned);
        assert_eq!(source.as_raw_socket(), number);

        let raw = source.into_raw_socket();
        assert_eq!(raw, number);
        assert!(is_open(number));
        // SAFETY: the socket has just been given away, to us.
        let source = unsafe { T::from_raw_socket(raw) };

        let std = Std::from(source);
        assert_eq!(std.as_raw_socket(), number);
        let source = from_std(std);
        assert_eq!(source.as_raw_socket(), number);
        assert_eq!(format!("{source:?}"), shown);
        assert!(is_open(number));
        drop(source);
        assert!(!is_open(number));
    }

    in_own_process("every_type_converts_to_a_socket_and_back", || {
        let listener = TcpListener::bind(any_port()).unwrap();
        round_trip::<_, net::TcpListener>(listener, TcpListener::from_std);
        round_trip::<_, net::TcpStream>(tcp_pair().0, TcpStream::from_std);
        round_trip::<_, net::UdpSocket>(udp_pair().0, UdpSocket::from_std);
    });
}

/// Registered or not, with its poll alive or gone, while requests are made for it or not.
#[test]
fn dropping_a_source_closes_its_socket() {
    fn drops<T: Source + AsRawSocket>(make: impl Fn() -> T) {
        let source = make();
        let number = source.as_raw_socket();
        assert!(is_open(number));
        drop(source);
        assert!(!is_open(number));

        for polled in [false, true] {
            for poll_goes_first in [false, true] {
                let mut source = make();
                let number = source.as_raw_socket();
                let (mut poll, mut events) = poll_and_events();
                register(&poll, &mut source, R);
                if polled {
                    expect_silence(&mut poll, &mut events);
                }
                let mut poll = Some(poll);
                if poll_goes_first {
                    poll = None;
                }
                assert!(is_open(number));
                drop(source);
                assert!(!is_open(number));
                drop(poll);
            }
        }
    }

    in_own_process("dropping_a_source_closes_its_socket", || {
        drops(|| TcpListener::bind(any_port()).unwrap());
        drops(|| udp_pair().0);
        let listener = net::TcpListener::bind(any_port()).unwrap();
        let address = listener.local_addr().unwrap();
        drops(|| {
            let stream = net::TcpStream::connect(address).unwrap();
            stream.set_nonblocking(true).unwrap();
            TcpStream::from_std(stream)
        });
    });
}

/// Edge case 14: what was made before the call that failed is closed.
#[test]
fn a_constructor_that_fails_leaves_nothing_open() {
    in_own_process("a_constructor_that_fails_leaves_nothing_open", || {
        let listener = TcpListener::bind(any_port()).unwrap();
        let socket = UdpSocket::bind(any_port()).unwrap();
        let before = open_fds();
        for _ in 0..20 {
            TcpListener::bind(listener.local_addr().unwrap()).unwrap_err();
            UdpSocket::bind(socket.local_addr().unwrap()).unwrap_err();
        }
        assert_eq!(open_fds(), before);
    });
}

// What is reported of a connection.

/// Edge case 33: a reset stays true, and is reported once until something is tried.
#[test]
fn a_reset_is_reported_once_until_something_is_tried() {
    let (mut poll, mut events) = poll_and_events();
    let (mut stream, peer) = tcp_pair();
    register(&poll, &mut stream, R | W);
    expect_writable(&mut poll, &mut events, SOURCE);
    reset_on_close(&peer);
    drop(peer);
    let event = expect(&mut poll, &mut events, SOURCE, Event::is_error);
    assert!(event.is_read_closed() && event.is_write_closed() && event.is_readable());
    for _ in 0..50 {
        expect_silence(&mut poll, &mut events);
    }
    for _ in 0..3 {
        let error = stream.read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        util::poll(&mut poll, &mut events, Some(Duration::ZERO));
        assert!(events.iter().count() <= 1);
        expect_silence(&mut poll, &mut events);
    }

    // A level-triggered source gets one each time.
    poll.registry()
        .reregister(&mut stream, OTHER, R.level())
        .unwrap();
    for _ in 0..3 {
        expect(&mut poll, &mut events, OTHER, Event::is_error);
    }
    poll.registry().deregister(&mut stream).unwrap();
    expect_silence(&mut poll, &mut events);
}

/// A `WouldBlock` that the program has made up makes the library look again, and what it finds is the
/// reset that it has reported.
#[test]
fn a_would_block_that_is_made_up_does_not_report_a_reset_again() {
    let (mut poll, mut events) = poll_and_events();
    let (mut stream, peer) = tcp_pair();
    register(&poll, &mut stream, R | W);
    expect_writable(&mut poll, &mut events, SOURCE);
    reset_on_close(&peer);
    drop(peer);
    expect(&mut poll, &mut events, SOURCE, Event::is_error);
    for _ in 0..10 {
        let nothing: io::Result<()> = stream.try_io(|| Err(io::ErrorKind::WouldBlock.into()));
        expect_would_block(nothing);
        expect_silence(&mut poll, &mut events);
    }
    // It is still there to be reported after reregistering.
    poll.registry()
        .reregister(&mut stream, OTHER, R | W)
        .unwrap();
    expect(&mut poll, &mut events, OTHER, Event::is_error);
}

/// Edge case 33: that a connection failed is the last event of it, whatever is tried,
/// unless it is registered again.
#[test]
fn a_failed_connection_is_reported_once_whatever_is_tried() {
    let (mut poll, mut events) = poll_and_events();
    let closed = net::TcpListener::bind("127.48.33.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut stream = TcpStream::connect(closed).unwrap();
    register(&poll, &mut stream, R | W);
    for token in [SOURCE, OTHER] {
        let event = expect(&mut poll, &mut events, token, Event::is_error);
        assert!(event.is_read_closed() && event.is_write_closed());
        for _ in 0..10 {
            let _ = stream.read(&mut [0; 8]);
            let _ = stream.write(b"hello");
            stream.take_error().unwrap();
            expect_silence(&mut poll, &mut events);
        }
        poll.registry()
            .reregister(&mut stream, OTHER, R | W)
            .unwrap();
    }
}

/// Edge case 33: what a program does with its own side is nothing that the peer has done.
#[test]
fn a_side_that_shuts_itself_down_is_not_reported_as_closed() {
    for (how, interest) in [
        (Shutdown::Read, W),
        (Shutdown::Read, R | W),
        (Shutdown::Write, R),
    ] {
        let (mut poll, mut events) = poll_and_events();
        let (mut stream, mut peer) = tcp_pair();
        stream.shutdown(how).unwrap();
        register(&poll, &mut stream, interest);
        for _ in 0..3 {
            util::poll(&mut poll, &mut events, Some(Duration::from_millis(5)));
            for event in &events {
                assert!(!event.is_write_closed() && !event.is_error(), "{event:?}");
                assert!(
                    how == Shutdown::Read || !event.is_read_closed(),
                    "{event:?}"
                );
            }
        }
        if how == Shutdown::Write {
            // The other direction is as it was.
            peer.write_all(b"hello").unwrap();
            expect_readable(&mut poll, &mut events, SOURCE);
            assert_eq!(util::drain(&mut stream), b"hello");
        }
    }
}

/// The end may be behind unread data, which alone is reported; it is reported once that is
/// read, without anything new.
#[test]
fn the_end_behind_data_is_reported_once_that_is_read() {
    for interest in [R, R | W, R.level()] {
        let (mut poll, mut events) = poll_and_events();
        let (mut stream, mut peer) = tcp_pair();
        peer.write_all(b"last words").unwrap();
        drop(peer);
        register(&poll, &mut stream, interest);
        let (_, mut bytes) = expect_end(&mut poll, &mut events, SOURCE, &mut stream);
        bytes.extend(util::drain(&mut stream));
        assert_eq!(bytes, b"last words");
    }
}

/// Edge case 49: a request for both directions that completes when one of them has been
/// used up otherwise reports what is still wanted.
#[test]
fn a_request_for_both_directions_reports_each_once() {
    let (mut poll, mut events) = poll_and_events();
    let (mut stream, mut peer) = stream_pair();
    register(&poll, &mut stream, R | W);
    let event = expect_writable(&mut poll, &mut events, SOURCE);
    assert!(!event.is_readable());
    for _ in 0..20 {
        peer.write_all(b"hello").unwrap();
        let event = expect_readable(&mut poll, &mut events, SOURCE);
        assert!(!event.is_writable(), "it was reported, and not used up");
        assert_eq!(util::drain(&mut stream), b"hello");
        expect_silence(&mut poll, &mut events);
    }
}

// Requests.

/// Edge case 36: packets without an event end no wait: not one without a timeout,
/// and not one with a timeout before it has passed.
#[test]
fn packets_without_an_event_end_no_wait() {
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKER).unwrap();
    let registry = poll.registry().try_clone().unwrap();
    // Every one of these makes a request, and replaces or ends one that runs.
    let bustle = |stop: &AtomicBool| {
        let (mut source, _peer) = stream_pair();
        let end = Instant::now() + LONG;
        while !stop.load(Ordering::Acquire) && Instant::now() < end {
            registry.register(&mut source, SOURCE, R).unwrap();
            registry.reregister(&mut source, OTHER, R.level()).unwrap();
            registry
                .reregister(&mut source, OTHER, R.oneshot())
                .unwrap();
            registry.deregister(&mut source).unwrap();
            thread::yield_now();
        }
    };
    for timeout in [1, 10, 100, 300].map(Duration::from_millis) {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| bustle(&stop));
            scope.spawn(|| bustle(&stop));
            let start = Instant::now();
            util::poll(&mut poll, &mut events, Some(timeout));
            let elapsed = start.elapsed();
            stop.store(true, Ordering::Release);
            assert!(events.is_empty(), "{events:?}");
            assert!(elapsed >= timeout, "{elapsed:?} is less than {timeout:?}");
        });
    }
    for _ in 0..5 {
        let (stop, woken) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| bustle(&stop));
            scope.spawn(|| {
                let (mut source, _peer) = stream_pair();
                for _ in 0..200 {
                    registry.register(&mut source, SOURCE, R).unwrap();
                    thread::yield_now();
                    registry.deregister(&mut source).unwrap();
                }
                woken.store(true, Ordering::Release);
                waker.wake().unwrap();
            });
            util::poll(&mut poll, &mut events, None);
            let after_the_wake = woken.load(Ordering::Acquire);
            stop.store(true, Ordering::Release);
            assert!(after_the_wake, "{events:?}");
            let tokens: Vec<Token> = events.iter().map(Event::token).collect();
            assert_eq!(tokens, [WAKER]);
        });
    }
}

/// Edge case 34: a socket that other code closes, unknown to its source, whether a
/// request runs for it or not, brings no panic, no event and no failing poll.
#[test]
fn a_socket_closed_as_a_bare_number_is_given_up() {
    in_own_process("a_socket_closed_as_a_bare_number_is_given_up", || {
        let (mut poll, mut events) = poll_and_events();
        let (mut healthy, mut peer) = tcp_pair();
        poll.registry().register(&mut healthy, OTHER, R).unwrap();
        for asked in [false, true] {
            let (mut source, _peer) = tcp_pair();
            register(&poll, &mut source, R);
            if asked {
                expect_silence(&mut poll, &mut events);
            }
            // SAFETY: the source is made to forget its socket below.
            drop(unsafe { OwnedSocket::from_raw_socket(source.as_raw_socket()) });
            for _ in 0..3 {
                expect_silence(&mut poll, &mut events);
            }
            let gone = poll.registry().reregister(&mut source, SOURCE, R | W);
            assert_eq!(gone.unwrap_err().kind(), io::ErrorKind::NotFound);
            expect_silence(&mut poll, &mut events);
            let _ = poll.registry().deregister(&mut source);
            expect_silence(&mut poll, &mut events);
            let _ = source.into_raw_socket();

            peer.write_all(b"hello").unwrap();
            expect_readable(&mut poll, &mut events, OTHER);
            assert_eq!(util::drain(&mut healthy), b"hello");
        }
    });
}

/// Edge case 34: what is no handle at all is refused, and then not taken for registered.
#[test]
fn what_is_no_handle_is_refused() {
    in_own_process("what_is_no_handle_is_refused", || {
        let (poll, _) = poll_and_events();
        // SAFETY: nothing else has a handle of that number, nor will it be closed.
        let mut source = unsafe { UdpSocket::from_raw_socket(0x7ff0) };
        for _ in 0..2 {
            poll.registry()
                .register(&mut source, SOURCE, R)
                .unwrap_err();
            let removal = poll.registry().deregister(&mut source);
            assert_eq!(removal.unwrap_err().kind(), io::ErrorKind::NotFound);
        }
        let _ = source.into_raw_socket();
    });
}

/// Edge case 34: a handle of another kind is refused or, where only the request shows what it
/// is, given up.
#[test]
fn what_is_no_socket_is_no_trouble() {
    use std::os::windows::io::IntoRawHandle;

    in_own_process("what_is_no_socket_is_no_trouble", || {
        let (mut poll, mut events) = poll_and_events();
        let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
        // SAFETY: the handle is open, and its owner gives it away. It is never closed.
        let mut source = unsafe { UdpSocket::from_raw_socket(file.into_raw_handle() as RawSocket) };
        let _ = poll.registry().register(&mut source, SOURCE, R);
        for _ in 0..3 {
            expect_silence(&mut poll, &mut events);
        }
        let _ = poll.registry().deregister(&mut source);
        let _ = source.into_raw_socket();
    });
}

/// Edge case 35: a poll that is dropped while requests run, of which some were just cancelled,
/// ends all of them. Its sources remain usable, in other polls.
#[test]
fn dropping_a_poll_ends_its_requests() {
    in_own_process("dropping_a_poll_ends_its_requests", || {
        let before = open_fds();
        let (mut stream, mut peer) = tcp_pair();
        for round in 0..100 {
            let (mut poll, mut events) = poll_and_events();
            let waker = Waker::new(poll.registry(), WAKER).unwrap();
            let mut others: Vec<_> = (0..5).map(|_| udp_pair()).collect();
            for (near, _) in &mut others {
                poll.registry().register(near, OTHER, R).unwrap();
            }
            register(&poll, &mut stream, R);
            expect_silence(&mut poll, &mut events);
            // Requests now run. Of these some end, some complete, and their packets are not taken.
            poll.registry().deregister(&mut others[0].0).unwrap();
            poll.registry()
                .reregister(&mut others[1].0, OTHER, R | W)
                .unwrap();
            others[2].1.send(b"hello").unwrap();
            waker.wake().unwrap();
            let gone = others.pop();
            drop(gone);
            match round % 4 {
                0 => {
                    poll.registry().deregister(&mut stream).unwrap();
                    drop((poll, waker, others));
                }
                1 => {
                    poll.registry().deregister(&mut stream).unwrap();
                    drop((others, waker, poll));
                }
                2 => {
                    // The registration goes with the source, long after the poll.
                    drop((poll, waker));
                    stream = renewed(stream);
                    drop(others);
                }
                _ => {
                    drop((waker, poll, others));
                    stream = renewed(stream);
                }
            }
            peer.write_all(b"hello").unwrap();
            let (mut poll, mut events) = poll_and_events();
            register(&poll, &mut stream, R);
            expect_readable(&mut poll, &mut events, SOURCE);
            assert_eq!(util::drain(&mut stream), b"hello");
            poll.registry().deregister(&mut stream).unwrap();
        }
        drop((stream, peer));
        assert_eq!(open_fds(), before);
    });
}

/// The same socket, as a source without a registration.
fn renewed(stream: TcpStream) -> TcpStream {
    TcpStream::from_std(stream.into())
}

/// Edge case 35: the memory and the handles of cancelled requests are free again,
/// however often that happens, and they cause no event.
#[test]
fn registering_ten_thousand_times_leaves_nothing_behind() {
    const ROUNDS: usize = 10_000;
    in_own_process(
        "registering_ten_thousand_times_leaves_nothing_behind",
        || {
            open_fds();
            let (mut poll, mut events) = poll_and_events();
            let (mut stream, mut peer) = tcp_pair();
            register(&poll, &mut stream, R);
            expect_silence(&mut poll, &mut events);
            let before = open_fds();
            for round in 0..ROUNDS {
                poll.registry().deregister(&mut stream).unwrap();
                register(&poll, &mut stream, [R, R.level(), R.oneshot()][round % 3]);
                // Every other one is asked for, and then ended while it runs.
                if round % 2 == 0 {
                    expect_silence(&mut poll, &mut events);
                }
            }
            assert_eq!(open_fds(), before);

            poll.registry().deregister(&mut stream).unwrap();
            register(&poll, &mut stream, R);
            peer.write_all(b"hello").unwrap();
            expect_readable(&mut poll, &mut events, SOURCE);
            expect_silence(&mut poll, &mut events);
        },
    );
}

/// Edge case 35: the same while another thread waits, for which every change is made at once.
#[test]
fn registering_beside_a_poll_leaves_nothing_behind() {
    const ROUNDS: usize = 3_000;
    in_own_process("registering_beside_a_poll_leaves_nothing_behind", || {
        let before = open_fds();
        let (mut poll, mut events) = poll_and_events();
        let waker = Waker::new(poll.registry(), WAKER).unwrap();
        let registry = poll.registry().try_clone().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let (mut source, _peer) = udp_pair();
                for round in 0..ROUNDS {
                    registry.register(&mut source, SOURCE, R).unwrap();
                    if round % 3 == 0 {
                        registry.reregister(&mut source, OTHER, R.level()).unwrap();
                    }
                    registry.deregister(&mut source).unwrap();
                }
                waker.wake().unwrap();
            });
            util::poll(&mut poll, &mut events, Some(LONG));
            let tokens: Vec<Token> = events.iter().map(Event::token).collect();
            assert_eq!(tokens, [WAKER]);
        });
        drop((poll, waker, registry));
        assert_eq!(open_fds(), before);
    });
}

#[test]
fn a_wake_behind_packets_without_an_event_is_reported() {
    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(1);
    let waker = Waker::new(poll.registry(), WAKER).unwrap();
    let (_peer, mut stream) = tcp_pair();
    register(&poll, &mut stream, R);
    poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
    // The request that runs is cancelled, and its packet takes all the room there is.
    drop(stream);
    waker.wake().unwrap();
    poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
    let reported: Vec<Token> = events.iter().map(Event::token).collect();
    assert_eq!(reported, [WAKER]);
}

/// A waker that wakes a poll whose `Events` is full has one event to come, and not one for
/// each wake.
#[test]
fn wakes_that_find_no_room_do_not_pile_up() {
    const WAKES: usize = 1_000;
    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(1);
    let waker = Waker::new(poll.registry(), WAKER).unwrap();
    let mut pairs: Vec<_> = (0..4).map(|_| udp_pair()).collect();
    for (near, far) in &mut pairs {
        far.send(b"never received").unwrap();
        register(&poll, near, R.level());
    }
    for _ in 0..WAKES {
        waker.wake().unwrap();
        util::poll(&mut poll, &mut events, Some(LONG));
    }
    for (near, _) in &mut pairs {
        poll.registry().deregister(near).unwrap();
    }
    let mut left = 0;
    loop {
        util::poll(&mut poll, &mut events, Some(Duration::ZERO));
        if events.is_empty() {
            break;
        }
        assert!(events.iter().all(|event| event.token() == WAKER));
        left += 1;
    }
    assert!(left <= 1, "{left} events of {WAKES} wakes are left");
}

/// The work of a device's handle grows with its sockets, so that many sockets have many; with
/// the sockets they go again.
#[test]
fn handles_of_the_device_are_closed_after_a_peak() {
    in_own_process("handles_of_the_device_are_closed_after_a_peak", || {
        open_fds();
        let (mut poll, mut events) = poll_and_events();
        let mut sockets: Vec<_> = (0..200).map(|_| udp_pair().0).collect();
        register(&poll, &mut sockets[0], R);
        expect_silence(&mut poll, &mut events);
        poll.registry().deregister(&mut sockets[0]).unwrap();
        expect_silence(&mut poll, &mut events);
        let before = open_fds();
        for polled in [true, false] {
            for socket in &mut sockets {
                register(&poll, socket, R);
            }
            if polled {
                expect_silence(&mut poll, &mut events);
            }
            assert!(open_fds() > before);
            for socket in &mut sockets {
                poll.registry().deregister(socket).unwrap();
            }
            expect_silence(&mut poll, &mut events);
            assert_eq!(open_fds(), before);
        }
        // None was closed that is needed.
        register(&poll, &mut sockets[0], R | W);
        expect_writable(&mut poll, &mut events, SOURCE);
    });
}

/// Connections that come, exchange something and go leave no handle open, whichever end goes first
/// and whether the end has been reported or not.
#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    in_own_process("connections_that_come_and_go_leave_nothing_behind", || {
        let (mut poll, mut events) = poll_and_events();
        let mut listener = TcpListener::bind(any_port()).unwrap();
        poll.registry().register(&mut listener, OTHER, R).unwrap();
        let address = listener.local_addr().unwrap();
        let mut cycle = |round: usize| {
            let mut client = TcpStream::connect(address).unwrap();
            register(&poll, &mut client, R | W);
            expect_writable(&mut poll, &mut events, SOURCE);
            let mut server = loop {
                match listener.accept() {
                    Ok((server, _)) => break server,
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                }
                util::poll(&mut poll, &mut events, Some(LONG));
            };
            // Ports are free again at once.
            reset_on_close(&client);
            reset_on_close(&server);
            server.write_all(b"hello").unwrap();
            poll.registry().register(&mut server, OTHER, R | W).unwrap();
            if round % 2 == 0 {
                expect_readable(&mut poll, &mut events, SOURCE);
                assert_eq!(util::drain(&mut client), b"hello");
            }
            let (first, second) = match round % 3 {
                0 => (server, client),
                _ => (client, server),
            };
            drop(first);
            if round % 5 == 0 {
                util::poll(&mut poll, &mut events, Some(LONG));
            }
            drop(second);
        };
        // What is opened once and stays.
        (0..50).for_each(&mut cycle);
        let before = i64::from(open_fds());
        (0..cycles()).for_each(&mut cycle);
        let after = i64::from(open_fds());
        println!("{} cycles: {:+} handles", cycles(), after - before);
        assert!((after - before).abs() < 5, "{before} before, {after} after");
    });
}
