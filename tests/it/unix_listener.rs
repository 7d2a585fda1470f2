//! `UnixListener`: names of every kind, accepting, and the addresses of peers.
#![cfg(all(unix, feature = "os-poll", feature = "net"))]

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net;
use std::path::{Path, PathBuf};

use crate::util::{
    self, drain, expect, expect_nonblocking_and_cloexec, expect_readable, expect_silence,
    expect_would_block, poll_and_events, temporary_path, CLOSED_LISTENER_RESETS, LONGEST_PATH,
};
use mio::net::UnixListener;
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(1);
const STREAM: Token = Token(2);

/// A path for a socket, which is removed at the end.
struct SocketPath(PathBuf);

impl SocketPath {
    fn new(name: &str) -> SocketPath {
        SocketPath(temporary_path(name))
    }

    /// One whose length is `len` bytes.
    fn of_length(len: usize) -> SocketPath {
        let mut path = temporary_path("").into_os_string();
        let missing = len.checked_sub(path.len()).expect("a shorter TMPDIR");
        path.push("x".repeat(missing));
        SocketPath(path.into())
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        // The test may have failed before it made the socket.
        let _ = fs::remove_file(&self.0);
    }
}

impl AsRef<Path> for SocketPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

fn registered(mut listener: UnixListener) -> (Poll, Events, UnixListener) {
    let (poll, events) = poll_and_events();
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)
        .unwrap();
    (poll, events, listener)
}

#[test]
fn a_listener_is_bound_to_a_path() {
    let path = SocketPath::new("listener");
    let listener = UnixListener::bind(&path).unwrap();
    assert_eq!(
        listener.local_addr().unwrap().as_pathname(),
        Some(path.as_ref())
    );
    expect_nonblocking_and_cloexec(&listener);
    expect_would_block(listener.accept());
    assert!(listener.take_error().unwrap().is_none());
    assert!(path.0.exists());
}

#[test]
fn the_longest_path_can_be_bound() {
    let path = SocketPath::of_length(LONGEST_PATH);
    let (mut poll, mut events, listener) = registered(UnixListener::bind(&path).unwrap());
    assert_eq!(
        listener.local_addr().unwrap().as_pathname(),
        Some(path.as_ref())
    );
    let _client = net::UnixStream::connect(&path).unwrap();
    expect_readable(&mut poll, &mut events, LISTENER);
    let (stream, _) = listener.accept().unwrap();
    assert_eq!(
        stream.local_addr().unwrap().as_pathname(),
        Some(path.as_ref())
    );
}

#[test]
fn a_path_that_is_no_address_is_invalid_input() {
    let path = SocketPath::of_length(LONGEST_PATH + 1);
    let error = UnixListener::bind(&path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let with_nul = temporary_path("a\0b");
    let error = UnixListener::bind(with_nul).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_path_that_exists_is_in_use() {
    let path = SocketPath::new("in-use");
    let listener = UnixListener::bind(&path).unwrap();
    let error = UnixListener::bind(&path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);

    // The file outlives the listener, and connecting to it fails.
    drop(listener);
    let error = UnixListener::bind(&path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    let error = net::UnixStream::connect(&path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);

    fs::remove_file(&path).unwrap();
    UnixListener::bind(&path).unwrap();
}

#[test]
fn a_directory_that_does_not_exist_is_not_found() {
    let error = UnixListener::bind(temporary_path("no").join("socket")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

/// A client whose own side is bound to `address` before it connects.
fn bound_client(address: &socket2::SockAddr, listener: &Path) -> net::UnixStream {
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket.bind(address).unwrap();
    socket
        .connect(&socket2::SockAddr::unix(listener).unwrap())
        .unwrap();
    OwnedFd::from(socket).into()
}

/// Edge case 22: of a pathname the NUL behind it is no part.
#[test]
fn accepting_returns_the_pathname_of_the_peer() {
    let (path, peer_path) = (SocketPath::new("named"), SocketPath::new("peer"));
    let (mut poll, mut events, listener) = registered(UnixListener::bind(&path).unwrap());
    let address = socket2::SockAddr::unix(&peer_path).unwrap();
    let _client = bound_client(&address, path.as_ref());
    expect_readable(&mut poll, &mut events, LISTENER);
    let (stream, peer) = listener.accept().unwrap();
    assert_eq!(peer.as_pathname(), Some(peer_path.as_ref()));
    assert_eq!(
        stream.peer_addr().unwrap().as_pathname(),
        Some(peer_path.as_ref())
    );
}

/// Edge case 22: a peer that is not bound has no name.
#[test]
fn a_peer_that_is_not_bound_is_unnamed() {
    let path = SocketPath::new("unnamed");
    let (mut poll, mut events, listener) = registered(UnixListener::bind(&path).unwrap());
    let _client = net::UnixStream::connect(&path).unwrap();
    expect_readable(&mut poll, &mut events, LISTENER);
    let (stream, peer) = listener.accept().unwrap();
    assert!(peer.is_unnamed());
    assert!(stream.peer_addr().unwrap().is_unnamed());
    expect_nonblocking_and_cloexec(&stream);
}

#[test]
fn each_connection_to_a_drained_listener_is_an_event() {
    let path = SocketPath::new("events");
    let (mut poll, mut events, listener) = registered(UnixListener::bind(&path).unwrap());
    for _ in 0..20 {
        expect_silence(&mut poll, &mut events);
        let _client = net::UnixStream::connect(&path).unwrap();
        let event = expect_readable(&mut poll, &mut events, LISTENER);
        assert!(!event.is_error() && !event.is_read_closed());
        let _stream = listener.accept().unwrap();
        expect_would_block(listener.accept());
        expect_silence(&mut poll, &mut events);
    }
}

#[test]
fn a_connection_that_waits_is_reported_again_after_reregistering() {
    let path = SocketPath::new("reregistered");
    let (mut poll, mut events, mut listener) = registered(UnixListener::bind(&path).unwrap());
    let _client = net::UnixStream::connect(&path).unwrap();
    expect_readable(&mut poll, &mut events, LISTENER);
    expect_silence(&mut poll, &mut events);
    poll.registry()
        .reregister(&mut listener, STREAM, Interest::READABLE)
        .unwrap();
    expect_readable(&mut poll, &mut events, STREAM);
    listener.accept().unwrap();
}

#[test]
fn a_listener_of_the_standard_library_is_taken_over() {
    let path = SocketPath::new("std");
    let listener = net::UnixListener::bind(&path).unwrap();
    listener.set_nonblocking(true).unwrap();
    let (mut poll, mut events, listener) = registered(UnixListener::from_std(listener));
    let mut client = net::UnixStream::connect(&path).unwrap();
    expect_readable(&mut poll, &mut events, LISTENER);
    let (mut stream, _) = listener.accept().unwrap();
    poll.registry()
        .register(&mut stream, STREAM, Interest::READABLE)
        .unwrap();
    client.write_all(b"hello").unwrap();
    drop(client);
    let event = expect(&mut poll, &mut events, STREAM, |event| {
        event.is_read_closed()
    });
    assert!(event.is_readable());
    assert_eq!(drain(&mut stream), b"hello");
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn a_deregistered_listener_is_silent_and_still_accepts() {
    let path = SocketPath::new("deregistered");
    let (mut poll, mut events, mut listener) = registered(UnixListener::bind(&path).unwrap());
    poll.registry().deregister(&mut listener).unwrap();
    let _client = net::UnixStream::connect(&path).unwrap();
    expect_silence(&mut poll, &mut events);
    listener.accept().unwrap();
}

#[test]
fn dropping_a_listener_ends_the_connections_that_wait() {
    let path = SocketPath::new("dropped");
    let listener = UnixListener::bind(&path).unwrap();
    let mut client = net::UnixStream::connect(&path).unwrap();
    drop(listener);
    match client.read(&mut [0; 8]) {
        Ok(0) if !CLOSED_LISTENER_RESETS => {}
        result => {
            let kind = result.unwrap_err().kind();
            assert_eq!(kind, io::ErrorKind::ConnectionReset);
        }
    }
}

/// A connection of another family is none of a Unix listener's, and has to end.
#[test]
fn a_connection_that_is_not_of_unix_is_an_error_and_closed() {
    use std::net::{TcpListener, TcpStream};

    for address in util::any_ports() {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = UnixListener::from_std(OwnedFd::from(listener).into());
        let mut client = TcpStream::connect(address).unwrap();
        let error = listener.accept().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
        client.set_read_timeout(Some(util::LONG)).unwrap();
        assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
    }
}

/// What Linux has beyond paths.
#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::OsStr;
    use std::mem;
    use std::os::fd::AsRawFd;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::SocketAddr;

    use super::*;

    /// An abstract name that no other test and no other process uses. It has NULs in it,
    /// which count.
    fn abstract_name(name: &str) -> Vec<u8> {
        format!("mio\0{}\0{name}\0", std::process::id()).into_bytes()
    }

    /// Edge case 22: every byte of an abstract name counts.
    #[test]
    fn a_listener_is_bound_to_an_abstract_name() {
        let name = abstract_name("listener");
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let (mut poll, mut events, listener) =
            registered(UnixListener::bind_addr(&address).unwrap());
        expect_nonblocking_and_cloexec(&listener);
        let bound = listener.local_addr().unwrap();
        assert_eq!(bound.as_abstract_name(), Some(&name[..]));

        // A name without the last NUL is another one.
        let shorter = SocketAddr::from_abstract_name(&name[..name.len() - 1]).unwrap();
        net::UnixStream::connect_addr(&shorter).unwrap_err();
        let _client = net::UnixStream::connect_addr(&address).unwrap();
        expect_readable(&mut poll, &mut events, LISTENER);
        listener.accept().unwrap();

        let error = UnixListener::bind_addr(&address).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        UnixListener::bind_addr(&address).unwrap();
    }

    #[test]
    fn a_listener_that_is_bound_to_nothing_is_given_an_abstract_name() {
        let unnamed = SocketAddr::from_pathname("").unwrap();
        assert!(unnamed.is_unnamed());
        let (mut poll, mut events, listener) =
            registered(UnixListener::bind_addr(&unnamed).unwrap());
        let address = listener.local_addr().unwrap();
        assert!(!address.as_abstract_name().unwrap().is_empty());
        let _client = net::UnixStream::connect_addr(&address).unwrap();
        expect_readable(&mut poll, &mut events, LISTENER);
        listener.accept().unwrap();
    }

    /// Edge case 22: an abstract name begins with a NUL and may hold more of them, also
    /// at its end.
    #[test]
    fn accepting_returns_the_whole_abstract_name_of_the_peer() {
        let path = SocketPath::new("abstract");
        let (mut poll, mut events, listener) = registered(UnixListener::bind(&path).unwrap());
        let name = abstract_name("peer");
        let with_prefix = [&b"\0"[..], &name].concat();
        let address = socket2::SockAddr::unix(OsStr::from_bytes(&with_prefix)).unwrap();
        let _client = bound_client(&address, path.as_ref());
        expect_readable(&mut poll, &mut events, LISTENER);
        let (stream, peer) = listener.accept().unwrap();
        assert_eq!(peer.as_abstract_name(), Some(&name[..]));
        let peer = stream.peer_addr().unwrap();
        assert_eq!(peer.as_abstract_name(), Some(&name[..]));
    }

    /// Edge case 22: Linux lets a peer use all 108 bytes of the structure, so that no
    /// NUL ends its path. Such a peer must be accepted like any other: with an error in
    /// the place of its connection, it could stop a server that takes errors seriously.
    #[test]
    fn a_peer_whose_path_fills_the_address_is_accepted() {
        let path = SocketPath::new("full");
        let (mut poll, mut events, listener) = registered(UnixListener::bind(&path).unwrap());
        let peer_path = SocketPath::of_length(108);
        let mut client = client_with_a_path_of_108_bytes(&peer_path.0, path.as_ref());
        expect_readable(&mut poll, &mut events, LISTENER);

        let (mut stream, peer) = listener.accept().unwrap();
        assert_eq!(peer.as_pathname(), Some(peer_path.as_ref()));
        poll.registry()
            .register(&mut stream, STREAM, Interest::READABLE)
            .unwrap();
        client.write_all(b"hello").unwrap();
        expect_readable(&mut poll, &mut events, STREAM);
        assert_eq!(drain(&mut stream), b"hello");
    }

    /// Neither the standard library nor socket2 makes such an address.
    fn client_with_a_path_of_108_bytes(own: &Path, listener: &Path) -> net::UnixStream {
        let socket =
            socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        let mut address = libc::sockaddr_un {
            sun_family: libc::AF_UNIX as libc::sa_family_t,
            sun_path: [0; 108],
        };
        let bytes = own.as_os_str().as_bytes();
        assert_eq!(bytes.len(), address.sun_path.len());
        for (to, from) in address.sun_path.iter_mut().zip(bytes) {
            *to = *from as libc::c_char;
        }
        let len = mem::size_of_val(&address) as libc::socklen_t;
        // SAFETY: the pointer and the length are those of `address`.
        let bound =
            unsafe { libc::bind(socket.as_raw_fd(), std::ptr::addr_of!(address).cast(), len) };
        assert_eq!(bound, 0, "{}", io::Error::last_os_error());
        socket
            .connect(&socket2::SockAddr::unix(listener).unwrap())
            .unwrap();
        OwnedFd::from(socket).into()
    }

    /// Edge case 25: the backlog is the standard library's, as much as the system allows,
    /// which is more than the 128 of TCP.
    #[test]
    fn the_backlog_is_as_long_as_the_system_allows() {
        let most = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
        let most: usize = most.trim().parse().unwrap();
        let connections = most.min(200);
        let path = SocketPath::new("backlog");
        let (mut poll, mut events, listener) = registered(UnixListener::bind(&path).unwrap());
        let clients: Vec<_> = (0..connections)
            .map(|_| mio::net::UnixStream::connect(&path).unwrap())
            .collect();

        expect_readable(&mut poll, &mut events, LISTENER);
        let accepted = std::iter::from_fn(|| listener.accept().ok()).count();
        assert_eq!(accepted, connections);
        expect_would_block(listener.accept());
        expect_silence(&mut poll, &mut events);
        drop(clients);
    }
}

/// Systems leave hardly an error on a listener, so the socket is that of a connection.
#[test]
fn the_pending_error_of_the_socket_can_be_taken() {
    let (mut one, other) = net::UnixStream::pair().unwrap();
    one.write_all(b"not read").unwrap();
    drop(other);
    let mut listener = UnixListener::from(OwnedFd::from(one));
    let (mut poll, mut events) = poll_and_events();
    poll.registry()
        .register(&mut listener, LISTENER, Interest::WRITABLE)
        .unwrap();
    expect(&mut poll, &mut events, LISTENER, |event| event.is_error());
    let error = listener.take_error().unwrap().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert!(listener.take_error().unwrap().is_none());
}
