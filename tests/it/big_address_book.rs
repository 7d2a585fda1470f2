//! Addresses of many peers, of every length and form, arrive as they were.
#![cfg(all(unix, feature = "os-poll", feature = "net"))]

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{self as unix, SocketAddr as UnixAddr};
use std::path::{Path, PathBuf};

use crate::util::{
    self, allow_many_fds, any_port, any_port_at, any_ports, expect_readable, poll_and_events,
    temporary_path, LONG, LONGEST_PATH,
};
use mio::net::{TcpListener, UdpSocket, UnixDatagram, UnixListener};
use mio::{Events, Interest, Poll, Token};

const PEERS: u32 = 500;
const SERVER: Token = Token(0);

/// Addresses of the loopback network, far apart, so that every byte of them varies; at least
/// those of the port do.
fn address_of(peer: u32) -> SocketAddr {
    let [_, a, b, c] = (peer * 33_331 + 2).to_be_bytes();
    any_port_at([a, b, c])
}

/// Edge case 19: whatever bytes an address is made of, `recv_from` and `send_to` convert
/// it to the system's form and back.
#[test]
fn datagrams_name_each_of_many_senders() {
    allow_many_fds();
    let (mut poll, mut events) = poll_and_events();
    let mut server = UdpSocket::bind(any_port()).unwrap();
    let port = server.local_addr().unwrap().port();
    poll.registry()
        .register(&mut server, SERVER, Interest::READABLE)
        .unwrap();
    for peer in 0..PEERS {
        let socket = std::net::UdpSocket::bind(address_of(peer)).unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        let address = socket.local_addr().unwrap();
        assert_eq!(address.ip(), address_of(peer).ip());
        socket
            .send_to(&peer.to_be_bytes(), (Ipv4Addr::LOCALHOST, port))
            .unwrap();

        expect_readable(&mut poll, &mut events, SERVER);
        let mut buf = [0; 8];
        assert_eq!(server.recv_from(&mut buf).unwrap(), (4, address));
        assert_eq!(buf[..4], peer.to_be_bytes());
        util::expect_would_block(server.recv_from(&mut buf));
        server.send_to(b"answer", address).unwrap();
        assert_eq!(socket.recv(&mut buf).unwrap(), 6);
    }
}

/// Edge case 19, for accepted connections: many at a time, each returned with the address
/// and the port that the client has.
#[test]
fn accepted_connections_name_each_of_many_clients() {
    allow_many_fds();
    let (mut poll, mut events) = poll_and_events();
    for local in any_ports() {
        let mut listener = TcpListener::bind(local).unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(address.ip(), local.ip());
        poll.registry()
            .register(&mut listener, SERVER, Interest::READABLE)
            .unwrap();
        let (mut clients, mut accepted) = (Vec::new(), BTreeSet::new());
        for _ in 0..100 {
            clients.push(TcpStream::connect(address).unwrap());
        }
        while accepted.len() < clients.len() {
            expect_readable(&mut poll, &mut events, SERVER);
            while let Ok((stream, peer)) = listener.accept() {
                assert_eq!(stream.peer_addr().unwrap(), peer);
                assert_eq!(stream.local_addr().unwrap(), address);
                accepted.insert(peer);
            }
        }
        let expected: BTreeSet<SocketAddr> = clients
            .iter()
            .map(|client| client.local_addr().unwrap())
            .collect();
        assert_eq!(accepted, expected);
    }
}

/// A directory whose name leaves room for short names in it.
fn directory() -> PathBuf {
    let path = temporary_path("d");
    fs::create_dir(&path).unwrap();
    path
}

/// Every form of name that a Unix socket can have: paths of every length that the system
/// takes, and what else there is.
fn unix_names(directory: &Path) -> Vec<UnixAddr> {
    let shortest = directory.as_os_str().len() + 2;
    let paths = (shortest..=LONGEST_PATH).map(|len| {
        let name = "n".repeat(len - shortest + 1);
        UnixAddr::from_pathname(directory.join(name)).unwrap()
    });
    paths.chain(abstract_names()).collect()
}

/// Abstract names of every length, with the bytes that mislead: NUL and `/`. Those of no two calls
/// are alike.
#[cfg(target_os = "linux")]
fn abstract_names() -> Vec<UnixAddr> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // The numbers of processes have 22 bits.
    let unique = std::process::id() << 8 | NEXT.fetch_add(1, Ordering::Relaxed);
    let unique = unique.to_ne_bytes();
    // The NUL that begins such a name takes the place of the one that ends a path.
    let names = (unique.len()..=LONGEST_PATH).map(|len| {
        let mut name = unique.to_vec();
        let bytes = [0, b'/', b'a', 255, 0].iter().cycle();
        name.extend(bytes.take(len - unique.len()));
        UnixAddr::from_abstract_name(name).unwrap()
    });
    names.collect()
}

#[cfg(not(target_os = "linux"))]
fn abstract_names() -> Vec<UnixAddr> {
    Vec::new()
}

#[track_caller]
fn assert_same(found: &UnixAddr, expected: &UnixAddr) {
    assert_eq!(found.as_pathname(), expected.as_pathname());
    #[cfg(target_os = "linux")]
    assert_eq!(found.as_abstract_name(), expected.as_abstract_name());
    assert_eq!(found.is_unnamed(), expected.is_unnamed());
}

fn next_event(poll: &mut Poll, events: &mut Events, listener: &mut impl mio::event::Source) {
    poll.registry()
        .register(listener, SERVER, Interest::READABLE)
        .unwrap();
    expect_readable(poll, events, SERVER);
    poll.registry().deregister(listener).unwrap();
}

/// Edge case 22: accepting returns no address for a client that has none, and a listener
/// has the address that it was bound to, of whatever length.
#[test]
fn listeners_have_unix_names_of_every_length() {
    let (mut poll, mut events) = poll_and_events();
    let directory = directory();
    for name in unix_names(&directory) {
        let mut listener = UnixListener::bind_addr(&name).unwrap();
        assert_same(&listener.local_addr().unwrap(), &name);
        let client = mio::net::UnixStream::connect_addr(&name).unwrap();
        assert_same(&client.peer_addr().unwrap(), &name);
        next_event(&mut poll, &mut events, &mut listener);
        let (stream, peer) = listener.accept().unwrap();
        assert!(peer.is_unnamed());
        assert_same(&stream.local_addr().unwrap(), &name);
    }
    fs::remove_dir_all(directory).unwrap();
}

/// Edge case 22: the sender of a datagram is named by a path without the NUL that ends
/// it, or by an abstract name with those that are in it.
#[test]
fn datagrams_have_senders_with_unix_names_of_every_length() {
    let directory = directory();
    let path = temporary_path("receiver");
    let server = UnixDatagram::bind(&path).unwrap();
    let mut buf = [0; 8];
    for name in unix_names(&directory) {
        let client = UnixDatagram::bind_addr(&name).unwrap();
        assert_same(&client.local_addr().unwrap(), &name);
        client.send_to(b"hello", &path).unwrap();
        let (len, sender) = server.recv_from(&mut buf).unwrap();
        assert_eq!(len, 5);
        assert_same(&sender, &name);
    }
    let unbound = UnixDatagram::unbound().unwrap();
    unbound.send_to(b"hello", &path).unwrap();
    assert!(server.recv_from(&mut buf).unwrap().1.is_unnamed());
    fs::remove_file(path).unwrap();
    fs::remove_dir_all(directory).unwrap();
}

/// Edge case 22, for the address that accepting returns: `connect` from a socket that is
/// bound, which only the system's own calls can make.
#[test]
fn accepting_names_clients_that_have_unix_names_of_every_length() {
    let (mut poll, mut events) = poll_and_events();
    let (directory, path) = (directory(), temporary_path("listener"));
    let mut listener = UnixListener::bind(&path).unwrap();
    for name in unix_names(&directory) {
        let _client = connect_from(&name, &path);
        next_event(&mut poll, &mut events, &mut listener);
        let (_, peer) = listener.accept().unwrap();
        assert_same(&peer, &name);
    }
    fs::remove_file(path).unwrap();
    fs::remove_dir_all(directory).unwrap();
}

/// Makes a stream socket that is bound to `name` and connected to `path`. A listener
/// knows how to bind; a socket that listens cannot connect, so this takes three calls.
fn connect_from(name: &UnixAddr, path: &Path) -> unix::UnixStream {
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket.bind(&raw(name)).unwrap();
    socket
        .connect(&socket2::SockAddr::unix(path).unwrap())
        .unwrap();
    OwnedFd::from(socket).into()
}

fn raw(name: &UnixAddr) -> socket2::SockAddr {
    #[cfg(target_os = "linux")]
    if let Some(name) = name.as_abstract_name() {
        use std::os::unix::ffi::OsStrExt;

        // socket2 distinguishes an abstract name from a path in the same way.
        let name = [b"\0", name].concat();
        return socket2::SockAddr::unix(std::ffi::OsStr::from_bytes(&name)).unwrap();
    }
    socket2::SockAddr::unix(name.as_pathname().unwrap()).unwrap()
}
