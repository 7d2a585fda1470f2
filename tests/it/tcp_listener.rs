//! `TcpListener`: binding, accepting, and the events of waiting connections.
#![cfg(all(feature = "os-poll", feature = "net"))]

use std::collections::BTreeSet;
use std::io;
use std::net::{self, SocketAddr};

use crate::util::{
    any_port, any_port_at, any_ports, drain, expect, expect_end, expect_nonblocking_and_cloexec,
    expect_readable, expect_silence, expect_would_block, poll_and_events, IMPOSSIBLE_TTLS,
};
use mio::net::TcpListener;
use mio::{Interest, Token};

const LISTENER: Token = Token(7);
const STREAM: Token = Token(8);

/// A listener, and its address.
fn bind(address: SocketAddr) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn the_system_chooses_a_port() {
    for wanted in any_ports() {
        let (_listener, bound) = bind(wanted);
        assert_eq!(bound.ip(), wanted.ip());
        assert_ne!(bound.port(), 0);
    }
}

#[test]
fn a_port_that_is_in_use_is_an_error() {
    for wanted in any_ports() {
        let (_listener, bound) = bind(wanted);
        let error = TcpListener::bind(bound).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}

#[test]
fn an_address_of_no_interface_is_not_available() {
    // Of a class that no interface is given an address of.
    let error = TcpListener::bind("240.0.0.1:0".parse().unwrap()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
}

/// Edge case 26: with connections of its predecessor in TIME_WAIT, a restarted server
/// gets its port again.
#[test]
fn a_port_is_free_again_although_old_connections_linger() {
    // An address of this test's own, of which no other test gets the port meanwhile.
    let (listener, address) = bind(any_port_at([19, 26, 1]));
    let client = net::TcpStream::connect(address).unwrap();
    let (mut poll, mut events) = poll_and_events();
    let mut listener = listener;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)
        .unwrap();
    expect_readable(&mut poll, &mut events, LISTENER);
    let (mut stream, _) = listener.accept().unwrap();
    poll.registry()
        .register(&mut stream, STREAM, Interest::READABLE)
        .unwrap();

    // The side that closes first waits: the server's.
    stream.shutdown(net::Shutdown::Write).unwrap();
    drop(client);
    expect(&mut poll, &mut events, STREAM, |event| {
        event.is_read_closed()
    });
    drop((stream, listener));

    assert_eq!(bind(address).1, address);
}

/// Edge case 25: the backlog is the standard library's, 128. For a listener Linux
/// returns it in `TCP_INFO`.
#[test]
#[cfg(target_os = "linux")]
fn the_backlog_is_that_of_the_standard_library() {
    let (listener, _) = bind(any_port());
    let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    let most: u32 = most.trim().parse().unwrap();
    assert_eq!(backlog(&listener), most.min(128));

    let std_listener = net::TcpListener::bind(any_port()).unwrap();
    assert_eq!(backlog(&listener), backlog(&std_listener));
}

/// Returns `tcpi_sacked`, which is the backlog of a listener. `libc::tcp_info` is newer than the oldest
/// libc that the crate supports: the field is the eighth word.
#[cfg(target_os = "linux")]
fn backlog(listener: &impl std::os::fd::AsRawFd) -> u32 {
    let mut info = [0_u32; 8];
    let mut len = std::mem::size_of_val(&info) as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes, the size of `info`.
    let result = unsafe {
        libc::getsockopt(
            listener.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &mut len,
        )
    };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
    info[7]
}

#[test]
fn a_listener_is_nonblocking_and_closed_on_exec() {
    for address in any_ports() {
        expect_nonblocking_and_cloexec(&bind(address).0);
    }
}

#[test]
fn accepting_without_a_connection_would_block() {
    let (listener, _) = bind(any_port());
    expect_would_block(listener.accept());
}

#[test]
fn an_accepted_stream_is_nonblocking_and_closed_on_exec() {
    let (mut poll, mut events) = poll_and_events();
    let (mut listener, address) = bind(any_port());
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)
        .unwrap();
    let _client = net::TcpStream::connect(address).unwrap();
    expect_readable(&mut poll, &mut events, LISTENER);
    let (stream, _) = listener.accept().unwrap();
    expect_nonblocking_and_cloexec(&stream);
}

/// Edge case 19: an address of the standard library has no layout that one may count on.
/// That none is counted on is by construction: on its way into `bind` and `connect`, and
/// out of `accept`, each field is carried by name between `std::net::SocketAddr` and the
/// system's `sockaddr_in` or `sockaddr_in6`. What comes out here is what went in.
#[test]
fn accepting_returns_the_address_of_the_peer() {
    for wanted in any_ports() {
        let (mut poll, mut events) = poll_and_events();
        let (mut listener, address) = bind(wanted);
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)
            .unwrap();
        let client = net::TcpStream::connect(address).unwrap();
        expect_readable(&mut poll, &mut events, LISTENER);
        let (stream, peer) = listener.accept().unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
        assert_eq!(stream.peer_addr().unwrap(), peer);
        assert_eq!(stream.local_addr().unwrap(), address);
    }
}

#[test]
fn every_connection_of_the_backlog_is_accepted() {
    const CONNECTIONS: usize = 64;
    let (mut poll, mut events) = poll_and_events();
    let (mut listener, address) = bind(any_port());
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)
        .unwrap();
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|_| net::TcpStream::connect(address).unwrap())
        .collect();

    let mut accepted = Vec::new();
    while accepted.len() < CONNECTIONS {
        expect_readable(&mut poll, &mut events, LISTENER);
        loop {
            match listener.accept() {
                Ok(connection) => accepted.push(connection),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
    expect_silence(&mut poll, &mut events);

    let ours: BTreeSet<_> = clients.iter().map(|it| it.local_addr().unwrap()).collect();
    let theirs: BTreeSet<_> = accepted.iter().map(|(_, peer)| *peer).collect();
    assert_eq!(accepted.len(), CONNECTIONS);
    assert_eq!(ours, theirs);
}

#[test]
fn each_connection_to_a_drained_listener_is_an_event() {
    let (mut poll, mut events) = poll_and_events();
    let (mut listener, address) = bind(any_port());
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)
        .unwrap();
    for _ in 0..20 {
        expect_silence(&mut poll, &mut events);
        let client = net::TcpStream::connect(address).unwrap();
        let event = expect_readable(&mut poll, &mut events, LISTENER);
        assert!(!event.is_error() && !event.is_read_closed());
        let (stream, _) = listener.accept().unwrap();
        expect_would_block(listener.accept());
        expect_silence(&mut poll, &mut events);
        drop((client, stream));
    }
}

#[test]
fn a_connection_that_waits_is_reported_after_registering_and_reregistering() {
    let (mut poll, mut events) = poll_and_events();
    let (mut listener, address) = bind(any_port());
    let _client = net::TcpStream::connect(address).unwrap();
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)
        .unwrap();
    expect_readable(&mut poll, &mut events, LISTENER);
    expect_silence(&mut poll, &mut events);

    poll.registry()
        .reregister(&mut listener, STREAM, Interest::READABLE)
        .unwrap();
    expect_readable(&mut poll, &mut events, STREAM);
    listener.accept().unwrap();
}

#[test]
fn a_deregistered_listener_is_silent_and_still_accepts() {
    let (mut poll, mut events) = poll_and_events();
    let (mut listener, address) = bind(any_port());
    let registry = poll.registry().try_clone().unwrap();
    registry
        .register(&mut listener, LISTENER, Interest::READABLE)
        .unwrap();
    registry.deregister(&mut listener).unwrap();
    let _client = net::TcpStream::connect(address).unwrap();
    // The connection is there for certain once another registration says so.
    let (mut other, mut other_events) = poll_and_events();
    other
        .registry()
        .register(&mut listener, STREAM, Interest::READABLE)
        .unwrap();
    expect_readable(&mut other, &mut other_events, STREAM);
    expect_silence(&mut poll, &mut events);
    listener.accept().unwrap();
}

/// The port is the system's choice on an address that no other test uses, so that
/// no other listener can be bound to it.
#[test]
fn dropping_a_listener_closes_it() {
    let (listener, address) = bind(any_port_at([19, 26, 2]));
    let waiting = net::TcpStream::connect(address).unwrap();
    drop(listener);
    let error = net::TcpStream::connect(address).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    // What waited to be accepted was reset.
    let error = io::Read::read(&mut &waiting, &mut [0; 8]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn a_listener_of_the_standard_library_is_taken_over() {
    let (mut poll, mut events) = poll_and_events();
    let listener = net::TcpListener::bind(any_port()).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let mut listener = TcpListener::from_std(listener);
    assert_eq!(listener.local_addr().unwrap(), address);
    expect_would_block(listener.accept());

    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)
        .unwrap();
    let client = net::TcpStream::connect(address).unwrap();
    expect_readable(&mut poll, &mut events, LISTENER);
    let (mut stream, peer) = listener.accept().unwrap();
    assert_eq!(peer, client.local_addr().unwrap());

    poll.registry()
        .register(&mut stream, STREAM, Interest::READABLE)
        .unwrap();
    io::Write::write_all(&mut &client, b"hello").unwrap();
    drop(client);
    let (_, mut bytes) = expect_end(&mut poll, &mut events, STREAM, &mut stream);
    bytes.extend(drain(&mut stream));
    assert_eq!(bytes, b"hello");
}

/// A connection whose address makes no sense is not returned, and so has to end.
#[test]
#[cfg(unix)]
fn a_connection_that_is_not_of_ip_is_an_error_and_closed() {
    use std::os::fd::{FromRawFd, IntoRawFd};
    use std::os::unix::net::{UnixListener, UnixStream};

    let path = crate::util::temporary_path("not-tcp");
    let listener = UnixListener::bind(&path).unwrap();
    listener.set_nonblocking(true).unwrap();
    // SAFETY: the descriptor is open, and its owner gives it away.
    let listener = unsafe { TcpListener::from_raw_fd(listener.into_raw_fd()) };
    for _ in 0..2 {
        let client = UnixStream::connect(&path).unwrap();
        let error = listener.accept().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        client.set_read_timeout(Some(crate::util::LONG)).unwrap();
        assert_eq!(io::Read::read(&mut &client, &mut [0; 8]).unwrap(), 0);
    }
    std::fs::remove_file(path).unwrap();
}

/// What could not be accepted is off the queue: the next connection is an event, although
/// the program has not gone on until `WouldBlock`.
#[test]
#[cfg(unix)]
fn a_connection_after_one_that_failed_is_an_event() {
    use std::os::fd::{FromRawFd, IntoRawFd};
    use std::os::unix::net::{UnixListener, UnixStream};

    let path = crate::util::temporary_path("failed-tcp");
    let listener = UnixListener::bind(&path).unwrap();
    listener.set_nonblocking(true).unwrap();
    // SAFETY: the descriptor is open, and its owner gives it away.
    let mut listener = unsafe { TcpListener::from_raw_fd(listener.into_raw_fd()) };
    let (mut poll, mut events) = poll_and_events();
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)
        .unwrap();
    for _ in 0..3 {
        let _client = UnixStream::connect(&path).unwrap();
        expect_readable(&mut poll, &mut events, LISTENER);
        listener.accept().unwrap_err();
        expect_silence(&mut poll, &mut events);
    }
    std::fs::remove_file(path).unwrap();
}

#[test]
fn the_time_to_live_can_be_set() {
    let (listener, _) = bind(any_port());
    for ttl in [1, 42, 255] {
        listener.set_ttl(ttl).unwrap();
        assert_eq!(listener.ttl().unwrap(), ttl);
    }
    for &impossible in IMPOSSIBLE_TTLS {
        let error = listener.set_ttl(impossible).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
    assert_eq!(listener.ttl().unwrap(), 255);
}

#[test]
fn a_healthy_listener_has_no_error() {
    let (listener, address) = bind(any_port());
    assert!(listener.take_error().unwrap().is_none());
    let _client = net::TcpStream::connect(address).unwrap();
    assert!(listener.take_error().unwrap().is_none());
}

/// Systems leave hardly an error on a listener, so the socket is that of a connection.
#[test]
#[cfg(unix)]
fn the_pending_error_of_the_socket_can_be_taken() {
    use std::os::fd::OwnedFd;

    let (one, other) = crate::util::std_tcp_pair();
    crate::util::reset_on_close(&other);
    drop(other);
    let mut listener = TcpListener::from(OwnedFd::from(one));
    let (mut poll, mut events) = poll_and_events();
    poll.registry()
        .register(&mut listener, LISTENER, Interest::WRITABLE)
        .unwrap();
    expect(&mut poll, &mut events, LISTENER, |event| event.is_error());
    let error = listener.take_error().unwrap().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert!(listener.take_error().unwrap().is_none());
}
