//! Addresses of many peers, of every length and form, arrive as they were.
#![cfg(all(target_os = "linux", feature = "os-poll", feature = "net"))]

mod util;

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{self as unix, SocketAddr as UnixAddr};
use std::path::PathBuf;

use mio::net::{TcpListener, UdpSocket, UnixDatagram, UnixListener};
use mio::{Events, Interest, Poll, Token};
use util::{any_port, any_port_v6, expect_readable, poll_and_events, temporary_path, LONG};

const PEERS: u32 = 500;
const SERVER: Token = Token(0);

/// Addresses of the loopback network, far apart, so that every byte of them varies.
fn address_of(peer: u32) -> SocketAddr {
    let [_, a, b, c] = (peer * 33_331 + 2).to_be_bytes();
    (Ipv4Addr::new(127, a, b, c), 0).into()
}

/// Edge case 19: whatever bytes an address is made of, `recv_from` and `send_to` convert
/// it to the system's form and back.
#[test]
fn datagrams_name_each_of_many_senders() {
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

/// Edge case 19, for accepted connections: many at a time, each told with the address
/// and the port that the client has.
#[test]
fn accepted_connections_name_each_of_many_clients() {
    let (mut poll, mut events) = poll_and_events();
    for local in [any_port(), any_port_v6()] {
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

/// The most that a name takes on Linux: the 108 bytes less the one that ends a path, or
/// that begins an abstract name.
const LONGEST_NAME: usize = 107;

/// A directory whose name leaves room for short names in it.
fn directory() -> PathBuf {
    let path = temporary_path("d");
    fs::create_dir(&path).unwrap();
    path
}

/// Every form of name that a Unix socket can have: paths of every length that the system
/// takes, and abstract names of every length, with the bytes that mislead: NUL and `/`.
fn unix_names(directory: &std::path::Path) -> Vec<UnixAddr> {
    let shortest = directory.as_os_str().len() + 2;
    let paths = (shortest..=LONGEST_NAME).map(|len| {
        let name = "n".repeat(len - shortest + 1);
        UnixAddr::from_pathname(directory.join(name)).unwrap()
    });
    let unique = std::process::id().to_ne_bytes();
    let names = (unique.len()..=LONGEST_NAME).map(|len| {
        let mut name = unique.to_vec();
        let bytes = [0, b'/', b'a', 255, 0].iter().cycle();
        name.extend(bytes.take(len - unique.len()));
        UnixAddr::from_abstract_name(name).unwrap()
    });
    paths.chain(names).collect()
}

#[track_caller]
fn assert_same(found: &UnixAddr, expected: &UnixAddr) {
    assert_eq!(found.as_pathname(), expected.as_pathname());
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

/// Edge case 22: accepting tells no address for a client that has none, and a listener
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
    let nobody = UnixDatagram::unbound().unwrap();
    nobody.send_to(b"hello", &path).unwrap();
    assert!(server.recv_from(&mut buf).unwrap().1.is_unnamed());
    fs::remove_file(path).unwrap();
    fs::remove_dir_all(directory).unwrap();
}

/// Edge case 22, for the address that accepting tells: `connect` from a socket that is
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
fn connect_from(name: &UnixAddr, path: &std::path::Path) -> unix::UnixStream {
    use std::os::fd::{FromRawFd, OwnedFd};

    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    // SAFETY: takes no pointer; the kernel makes the descriptor for us.
    let socket = unsafe { OwnedFd::from_raw_fd(libc::socket(libc::AF_UNIX, kind, 0)) };
    let path = UnixAddr::from_pathname(path).unwrap();
    for (address, call) in [(name, libc::bind as Call), (&path, libc::connect as Call)] {
        give_address(&socket, address, call);
    }
    socket.into()
}

type Call =
    unsafe extern "C" fn(libc::c_int, *const libc::sockaddr, libc::socklen_t) -> libc::c_int;

fn give_address(socket: &impl std::os::fd::AsRawFd, address: &UnixAddr, call: Call) {
    // SAFETY: all zeros is a value of this type.
    let mut raw: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    raw.sun_family = libc::AF_UNIX as libc::sa_family_t;
    let (start, name) = match (address.as_pathname(), address.as_abstract_name()) {
        (Some(path), _) => (0, path.to_str().unwrap().as_bytes()),
        (None, Some(name)) => (1, name),
        (None, None) => unreachable!("a name was asked for"),
    };
    for (to, &from) in raw.sun_path[start..].iter_mut().zip(name) {
        *to = from as libc::c_char;
    }
    // A path is ended by a NUL that counts, an abstract name begins with one.
    let len = std::mem::size_of::<libc::sa_family_t>() + 1 + name.len();
    // SAFETY: `raw` lives through the call, and is initialised up to `len`.
    let done = unsafe {
        call(
            socket.as_raw_fd(),
            std::ptr::addr_of!(raw).cast(),
            len as libc::socklen_t,
        )
    };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}
