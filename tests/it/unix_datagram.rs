//! `UnixDatagram`: names, datagrams, full queues, and its end.
#![cfg(all(unix, feature = "os-poll", feature = "net"))]

use std::net::Shutdown;
use std::os::fd::AsRawFd;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::util::{
    self, discard_events, expect, expect_all, expect_nonblocking_and_cloexec, expect_readable,
    expect_silence, expect_would_block, expect_writable, poll_and_events, temporary_path,
    FULL_RECEIVER_BLOCKS, GONE_RECEIVER, NO_RECEIVER, SHUT_READING_STOPS_THE_PEER,
};
use mio::event::Event;
#[cfg(target_os = "linux")]
use mio::net::SocketAddr;
use mio::net::UnixDatagram;
use mio::{Events, Interest, Poll, Token};

const RECEIVER: Token = Token(1);
const SENDER: Token = Token(2);
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// A socket bound to a path, which is removed at the end.
struct Bound {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Bound {
    fn new(name: &str) -> Bound {
        let path = temporary_path(name);
        let socket = UnixDatagram::bind(&path).unwrap();
        Bound { socket, path }
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        // A test may have removed it.
        let _ = fs::remove_file(&self.path);
    }
}

fn receiver(name: &str, interest: Interest) -> (Poll, Events, Bound) {
    let (poll, events) = poll_and_events();
    let mut bound = Bound::new(name);
    poll.registry()
        .register(&mut bound.socket, RECEIVER, interest)
        .unwrap();
    (poll, events, bound)
}

#[test]
fn a_socket_is_bound_to_a_path() {
    let bound = Bound::new("bound");
    assert_eq!(
        bound.socket.local_addr().unwrap().as_pathname(),
        Some(&*bound.path)
    );
    expect_nonblocking_and_cloexec(&bound.socket);
    let error = UnixDatagram::bind(&bound.path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
}

#[test]
fn a_path_that_is_no_address_is_invalid_input() {
    let too_long = Path::new("/").join("x".repeat(107));
    for path in [&too_long, Path::new("a\0b")] {
        let error = UnixDatagram::bind(path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let socket = UnixDatagram::unbound().unwrap();
        let error = socket.connect(path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let error = socket.send_to(b"hello", path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}

/// Edge case 22: every byte of an abstract name counts, as a receiver's and a sender's.
#[test]
#[cfg(target_os = "linux")]
fn a_socket_is_bound_to_an_abstract_name() {
    let name = format!("mio\0{}\0datagram\0", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    expect_nonblocking_and_cloexec(&socket);
    let bound = socket.local_addr().unwrap();
    assert_eq!(bound.as_abstract_name(), Some(name.as_bytes()));

    let receiver = Bound::new("from-abstract");
    socket.send_to(b"hello", &receiver.path).unwrap();
    let (len, from) = receiver.socket.recv_from(&mut [0; 8]).unwrap();
    assert_eq!(len, 5);
    assert_eq!(from.as_abstract_name(), Some(name.as_bytes()));

    let sender = net::UnixDatagram::unbound().unwrap();
    sender.send_to_addr(b"answer", &address).unwrap();
    assert_eq!(socket.recv(&mut [0; 8]).unwrap(), 6);
}

#[test]
fn receiving_what_is_not_there_would_block() {
    let socket = UnixDatagram::unbound().unwrap();
    expect_nonblocking_and_cloexec(&socket);
    assert!(socket.local_addr().unwrap().is_unnamed());
    assert!(socket.take_error().unwrap().is_none());
    expect_would_block(socket.recv(&mut [0; 8]));
    expect_would_block(socket.recv_from(&mut [0; 8]));
}

/// Edge case 22: the sender is returned by its path, or as unnamed.
#[test]
fn receiving_returns_the_address_of_the_sender() {
    let (mut poll, mut events, receiver) = receiver("receiver", Interest::READABLE);
    let named = Bound::new("sender");
    let unnamed = UnixDatagram::unbound().unwrap();
    let mut buf = [0; 16];

    assert_eq!(named.socket.send_to(b"named", &receiver.path).unwrap(), 5);
    expect_readable(&mut poll, &mut events, RECEIVER);
    let (len, from) = receiver.socket.recv_from(&mut buf).unwrap();
    assert_eq!(&buf[..len], b"named");
    assert_eq!(from.as_pathname(), Some(&*named.path));
    expect_would_block(receiver.socket.recv_from(&mut buf));

    assert_eq!(unnamed.send_to(b"unnamed", &receiver.path).unwrap(), 7);
    expect_readable(&mut poll, &mut events, RECEIVER);
    let (len, from) = receiver.socket.recv_from(&mut buf).unwrap();
    assert_eq!(&buf[..len], b"unnamed");
    assert!(from.is_unnamed());
}

#[test]
fn a_pair_is_connected_both_ways() {
    let (mut poll, mut events) = poll_and_events();
    let (mut one, mut other) = UnixDatagram::pair().unwrap();
    for (socket, token) in [(&mut one, RECEIVER), (&mut other, SENDER)] {
        expect_nonblocking_and_cloexec(socket);
        assert!(socket.local_addr().unwrap().is_unnamed());
        assert!(socket.peer_addr().unwrap().is_unnamed());
        poll.registry()
            .register(socket, token, Interest::READABLE)
            .unwrap();
    }
    for (from, to, token) in [(&one, &other, SENDER), (&other, &one, RECEIVER)] {
        assert_eq!(from.send(b"hello").unwrap(), 5);
        expect_readable(&mut poll, &mut events, token);
        let mut buf = [0; 8];
        let (len, sender) = to.recv_from(&mut buf).unwrap();
        assert_eq!(&buf[..len], b"hello");
        assert!(sender.is_unnamed());
        expect_would_block(to.recv(&mut buf));
        expect_silence(&mut poll, &mut events);
    }
}

#[test]
fn datagrams_come_whole_and_one_by_one() {
    let (one, other) = UnixDatagram::pair().unwrap();
    let datagrams = [&b"first"[..], b"", b"the third, which is longer"];
    for datagram in datagrams {
        assert_eq!(one.send(datagram).unwrap(), datagram.len());
    }
    let mut buf = [0; 64];
    for datagram in datagrams {
        let len = other.recv(&mut buf).unwrap();
        assert_eq!(&buf[..len], datagram);
    }
    expect_would_block(other.recv(&mut buf));
}

#[test]
fn what_does_not_fit_into_the_buffer_is_lost() {
    let (one, other) = UnixDatagram::pair().unwrap();
    one.send(b"too long").unwrap();
    let mut buf = [0; 3];
    assert_eq!(other.recv(&mut buf).unwrap(), 3);
    assert_eq!(&buf, b"too");
    expect_would_block(other.recv(&mut buf));
}

#[test]
fn connecting_gives_a_peer_which_can_be_changed() {
    let socket = UnixDatagram::unbound().unwrap();
    let error = socket.peer_addr().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotConnected);
    let error = socket.send(b"to whom?").unwrap_err();
    assert!(NO_RECEIVER.contains(&error.raw_os_error().unwrap()));

    for name in ["first", "second"] {
        let peer = Bound::new(name);
        socket.connect(&peer.path).unwrap();
        assert_eq!(socket.peer_addr().unwrap().as_pathname(), Some(&*peer.path));
        assert_eq!(socket.send(b"hello").unwrap(), 5);
        assert_eq!(peer.socket.recv(&mut [0; 8]).unwrap(), 5);
    }
}

#[test]
fn sending_without_a_receiver_is_an_error() {
    let socket = UnixDatagram::unbound().unwrap();
    let path = temporary_path("missing");
    let error = socket.connect(&path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    let error = socket.send_to(b"hello", &path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);

    drop(UnixDatagram::bind(&path).unwrap());
    let error = socket.connect(&path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    let error = socket.send_to(b"hello", &path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    fs::remove_file(path).unwrap();
}

#[test]
fn sending_to_a_closed_peer_is_an_error() {
    let socket = UnixDatagram::unbound().unwrap();
    let peer = Bound::new("gone");
    socket.connect(&peer.path).unwrap();
    drop(peer);
    let error = socket.send(b"hello").unwrap_err();
    assert_eq!(error.kind(), GONE_RECEIVER);
}

/// Linux reports to a sender that its peer discarded what it had sent, and connected elsewhere.
#[test]
#[cfg(target_os = "linux")]
fn what_a_peer_threw_away_is_an_error_to_be_taken() {
    let (one, fickle) = UnixDatagram::pair().unwrap();
    let other = Bound::new("other");
    one.send(b"lost").unwrap();
    assert!(one.take_error().unwrap().is_none());
    fickle.connect(&other.path).unwrap();
    let error = one.take_error().unwrap().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert!(one.take_error().unwrap().is_none());
}

/// Sends until the queue is full; the number of datagrams that found room.
fn fill(send: impl Fn() -> io::Result<usize>) -> usize {
    let mut sent = 0;
    loop {
        match send() {
            Ok(_) => sent += 1,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return sent,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Receives until the queue is empty; the number of datagrams that were there.
fn empty(socket: &UnixDatagram) -> usize {
    let mut received = 0;
    loop {
        match socket.recv(&mut [0; 2048]) {
            Ok(_) => received += 1,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return received,
            Err(error) => panic!("{error}"),
        }
    }
}

/// A receiver that is full is no reason to wait everywhere, but always an error, and has room
/// again when it was read.
#[test]
fn a_full_receiver_is_an_error() {
    let receiver = Bound::new("full");
    let sender = UnixDatagram::unbound().unwrap();
    let send = || sender.send_to(b"datagram", &receiver.path);
    for _ in 0..3 {
        let error = (0..100_000).find_map(|_| send().err()).unwrap();
        if FULL_RECEIVER_BLOCKS {
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        } else {
            assert_eq!(error.raw_os_error(), Some(libc::ENOBUFS));
        }
        assert!(empty(&receiver.socket) > 0);
    }
}

/// Linux counts the datagrams in the receiver's queue when its sender is connected one
/// way, and wakes the sender when one is taken.
#[test]
fn a_connected_sender_is_writable_again_when_the_receiver_reads() {
    if !FULL_RECEIVER_BLOCKS {
        return;
    }
    let (mut poll, mut events) = poll_and_events();
    let receiver = Bound::new("full-connected");
    let mut sender = UnixDatagram::unbound().unwrap();
    sender.connect(&receiver.path).unwrap();
    poll.registry()
        .register(&mut sender, SENDER, Interest::WRITABLE)
        .unwrap();
    for _ in 0..3 {
        expect_writable(&mut poll, &mut events, SENDER);
        let sent = fill(|| sender.send(b"datagram"));
        assert!(sent > 0);
        expect_silence(&mut poll, &mut events);
        assert_eq!(empty(&receiver.socket), sent);
    }
    expect_writable(&mut poll, &mut events, SENDER);
}

/// Between the ends of a pair only the sender's buffer sets a limit, which is counted
/// in bytes.
#[test]
fn a_pair_is_writable_again_when_the_receiver_reads() {
    if !FULL_RECEIVER_BLOCKS {
        return;
    }
    let (mut poll, mut events) = poll_and_events();
    let (mut one, other) = UnixDatagram::pair().unwrap();
    poll.registry()
        .register(&mut one, SENDER, Interest::WRITABLE)
        .unwrap();
    for _ in 0..3 {
        expect_writable(&mut poll, &mut events, SENDER);
        let sent = fill(|| one.send(&[7; 2048]));
        assert!(sent > 0);
        expect_silence(&mut poll, &mut events);
        assert_eq!(empty(&other), sent);
    }
    expect_writable(&mut poll, &mut events, SENDER);
}

/// The system does not report whose queue is full to a sender that is not connected:
/// it counts as writable as long as its own buffer has room, and may have to try in
/// vain. It is certain to get an event once what it sent has been read.
#[test]
fn a_sender_that_is_not_connected_is_writable_once_its_datagrams_are_read() {
    if !FULL_RECEIVER_BLOCKS {
        return;
    }
    let (mut poll, mut events) = poll_and_events();
    let receiver = Bound::new("full-unconnected");
    let mut sender = UnixDatagram::unbound().unwrap();
    poll.registry()
        .register(&mut sender, SENDER, Interest::WRITABLE)
        .unwrap();
    expect_writable(&mut poll, &mut events, SENDER);
    for _ in 0..3 {
        let send = || sender.send_to(b"datagram", &receiver.path);
        let sent = fill(send);
        assert!(sent > 0);
        assert_eq!(empty(&receiver.socket), sent);
        expect_writable(&mut poll, &mut events, SENDER);
    }
    assert_eq!(sender.send_to(b"datagram", &receiver.path).unwrap(), 8);
}

/// On Linux the attempt takes space from the sender's own buffer and gives it back, which makes
/// the sender writable. Waiting for room in this way is a loop that never sleeps.
#[test]
#[cfg(target_os = "linux")]
fn every_send_that_would_block_makes_an_unconnected_sender_writable() {
    let (mut poll, mut events) = poll_and_events();
    let receiver = Bound::new("full-for-good");
    let mut sender = UnixDatagram::unbound().unwrap();
    poll.registry()
        .register(&mut sender, SENDER, Interest::WRITABLE)
        .unwrap();
    let send = || sender.send_to(b"datagram", &receiver.path);
    assert!(fill(send) > 0);
    for _ in 0..100 {
        expect_writable(&mut poll, &mut events, SENDER);
        expect_silence(&mut poll, &mut events);
        expect_would_block(send());
    }
}

#[test]
fn an_idle_socket_is_writable_and_not_readable() {
    let (mut poll, mut events, receiver) = receiver("idle", BOTH);
    let event = expect_writable(&mut poll, &mut events, RECEIVER);
    assert!(!event.is_readable() && !event.is_error());
    assert!(!event.is_read_closed() && !event.is_write_closed());
    expect_silence(&mut poll, &mut events);
    drop(receiver);
}

#[test]
fn each_datagram_to_a_drained_socket_is_an_event() {
    let (mut poll, mut events, receiver) = receiver("events", Interest::READABLE);
    let sender = UnixDatagram::unbound().unwrap();
    for _ in 0..20 {
        expect_silence(&mut poll, &mut events);
        sender.send_to(b"datagram", &receiver.path).unwrap();
        let event = expect_readable(&mut poll, &mut events, RECEIVER);
        assert!(!event.is_read_closed());
        assert_eq!(empty(&receiver.socket), 1);
        expect_silence(&mut poll, &mut events);
    }
}

#[test]
fn shutting_reading_down_ends_receiving() {
    let (mut poll, mut events) = poll_and_events();
    let (mut one, other) = UnixDatagram::pair().unwrap();
    poll.registry()
        .register(&mut one, RECEIVER, Interest::READABLE)
        .unwrap();
    one.shutdown(Shutdown::Read).unwrap();
    let event = expect(&mut poll, &mut events, RECEIVER, util::reports_end);
    assert!(!event.is_write_closed());
    if SHUT_READING_STOPS_THE_PEER {
        let error = other.send(b"hello").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
    assert_eq!(one.send(b"hello").unwrap(), 5);
    assert_eq!(other.recv(&mut [0; 8]).unwrap(), 5);
}

#[test]
fn shutting_writing_down_ends_sending() {
    let (one, other) = UnixDatagram::pair().unwrap();
    one.shutdown(Shutdown::Write).unwrap();
    let error = one.send(b"hello").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(other.send(b"hello").unwrap(), 5);
    assert_eq!(one.recv(&mut [0; 8]).unwrap(), 5);
}

#[test]
fn shutting_both_down_closes_both_ways() {
    let (mut poll, mut events) = poll_and_events();
    let (mut one, _other) = UnixDatagram::pair().unwrap();
    poll.registry().register(&mut one, RECEIVER, BOTH).unwrap();
    expect_writable(&mut poll, &mut events, RECEIVER);
    one.shutdown(Shutdown::Both).unwrap();
    let closed = [Event::is_read_closed, Event::is_write_closed];
    expect_all(&mut poll, &mut events, RECEIVER, &closed);
    discard_events(&mut poll, &mut events);
}

/// Linux shuts down a Unix socket without a peer.
#[test]
#[cfg(target_os = "linux")]
fn a_socket_that_is_not_connected_can_be_shut_down() {
    let receiver = Bound::new("no-longer-sent-to");
    let socket = UnixDatagram::unbound().unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    let error = socket.send_to(b"hello", &receiver.path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn a_socket_of_the_standard_library_is_taken_over() {
    let (one, other) = net::UnixDatagram::pair().unwrap();
    one.set_nonblocking(true).unwrap();
    let mut one = UnixDatagram::from_std(one);
    let (mut poll, mut events) = poll_and_events();
    poll.registry()
        .register(&mut one, RECEIVER, Interest::READABLE)
        .unwrap();
    other.send(b"hello").unwrap();
    expect_readable(&mut poll, &mut events, RECEIVER);
    assert_eq!(one.recv(&mut [0; 8]).unwrap(), 5);
}

#[test]
fn a_custom_operation_returns_its_own_result() {
    let (mut poll, mut events) = poll_and_events();
    let (mut one, other) = UnixDatagram::pair().unwrap();
    poll.registry()
        .register(&mut one, RECEIVER, Interest::READABLE)
        .unwrap();
    let mut buf = [0_u8; 3];
    let mut receive = || {
        let fd = one.as_raw_fd();
        // SAFETY: `buf` is valid for writes of `buf.len()` bytes.
        let received =
            unsafe { libc::recv(fd, buf.as_mut_ptr().cast(), buf.len(), libc::MSG_TRUNC) };
        usize::try_from(received).map_err(|_| io::Error::last_os_error())
    };
    expect_would_block(one.try_io(&mut receive));
    other.send(b"too long").unwrap();
    expect_readable(&mut poll, &mut events, RECEIVER);
    // With `MSG_TRUNC` the whole length of the datagram is returned.
    assert_eq!(one.try_io(&mut receive).unwrap(), 8);
    expect_would_block(one.try_io(&mut receive));
    assert_eq!(&buf, b"too");
}
