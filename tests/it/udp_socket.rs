//! `UdpSocket`: datagrams, options, and errors that a socket survives.
#![cfg(all(feature = "os-poll", feature = "net"))]

use std::io;
use std::net::{self, Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
#[cfg(windows)]
use windows_sys::Win32::Networking::WinSock;

use crate::util::{
    any_port, any_port_v6, any_ports, expect_nonblocking_and_cloexec, expect_readable,
    expect_silence, expect_would_block, expect_writable, has_ipv6, poll_and_events, raw_recv,
    IMPOSSIBLE_TTLS, LONGEST_DATAGRAM, WHOLE_LOOPBACK_NETWORK,
};

const RECEIVER: Token = Token(1);
const SENDER: Token = Token(2);
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// A socket, and its address.
fn bind(address: SocketAddr) -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind(address).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// A poll with a socket in it that is bound to `address`.
fn receiver(address: SocketAddr, interest: Interest) -> (Poll, Events, UdpSocket, SocketAddr) {
    let (poll, events) = poll_and_events();
    let (mut socket, address) = bind(address);
    poll.registry()
        .register(&mut socket, RECEIVER, interest)
        .unwrap();
    (poll, events, socket, address)
}

/// Two sockets that are connected with one another, the first of them in a poll.
fn connected(interest: Interest) -> (Poll, Events, UdpSocket, UdpSocket) {
    let (poll, events, socket, address) = receiver(any_port(), interest);
    let (peer, peer_address) = bind(any_port());
    socket.connect(peer_address).unwrap();
    peer.connect(address).unwrap();
    (poll, events, socket, peer)
}

#[test]
fn the_system_chooses_a_port() {
    for wanted in any_ports() {
        let (socket, bound) = bind(wanted);
        assert_eq!(bound.ip(), wanted.ip());
        assert_ne!(bound.port(), 0);
        expect_nonblocking_and_cloexec(&socket);
    }
}

#[test]
fn a_port_that_is_in_use_is_an_error() {
    for wanted in any_ports() {
        let (_socket, bound) = bind(wanted);
        let error = UdpSocket::bind(bound).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}

#[test]
fn an_address_of_no_interface_is_not_available() {
    // Of a class that no interface is given an address of.
    let error = UdpSocket::bind("240.0.0.1:0".parse().unwrap()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
}

#[test]
fn receiving_what_is_not_there_would_block() {
    let (socket, _) = bind(any_port());
    let mut buf = [0; 8];
    expect_would_block(socket.recv(&mut buf));
    expect_would_block(socket.recv_from(&mut buf));
    expect_would_block(socket.peek(&mut buf));
    expect_would_block(socket.peek_from(&mut buf));
}

#[test]
fn receiving_returns_the_address_of_the_sender() {
    for wanted in any_ports() {
        let (mut poll, mut events, socket, address) = receiver(wanted, Interest::READABLE);
        let (sender, from) = bind(wanted);
        assert_eq!(sender.send_to(b"hello", address).unwrap(), 5);
        expect_readable(&mut poll, &mut events, RECEIVER);

        let mut buf = [0; 16];
        assert_eq!(socket.peek_from(&mut buf).unwrap(), (5, from));
        assert_eq!(&buf[..5], b"hello");
        buf.fill(0);
        assert_eq!(socket.peek(&mut buf).unwrap(), 5);
        assert_eq!(&buf[..5], b"hello");
        buf.fill(0);
        assert_eq!(socket.recv_from(&mut buf).unwrap(), (5, from));
        assert_eq!(&buf[..5], b"hello");
        expect_would_block(socket.recv_from(&mut buf));
    }
}

#[test]
fn datagrams_come_whole_and_one_by_one() {
    let (mut poll, mut events, socket, address) = receiver(any_port(), Interest::READABLE);
    let (sender, _) = bind(any_port());
    for datagram in [&b"first"[..], b"", b"third"] {
        sender.send_to(datagram, address).unwrap();
    }
    let mut buf = [0; 16];
    for datagram in [&b"first"[..], b"", b"third"] {
        let len = loop {
            match socket.recv(&mut buf) {
                Ok(len) => break len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    expect_readable(&mut poll, &mut events, RECEIVER);
                }
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(&buf[..len], datagram);
    }
    expect_would_block(socket.recv(&mut buf));
}

/// An empty datagram is no end of anything: it has an event, and life goes on.
#[test]
fn an_empty_datagram_is_an_event() {
    let (mut poll, mut events, socket, peer) = connected(Interest::READABLE);
    for _ in 0..3 {
        assert_eq!(peer.send(b"").unwrap(), 0);
        let event = expect_readable(&mut poll, &mut events, RECEIVER);
        assert!(!event.is_read_closed());
        assert_eq!(socket.recv(&mut [0; 8]).unwrap(), 0);
        expect_would_block(socket.recv(&mut [0; 8]));
    }
}

#[test]
fn what_does_not_fit_into_the_buffer_is_lost() {
    let (mut poll, mut events, socket, peer) = connected(Interest::READABLE);
    peer.send(b"too long").unwrap();
    expect_readable(&mut poll, &mut events, RECEIVER);
    let mut buf = [0; 3];
    for receive in [UdpSocket::peek, UdpSocket::recv] {
        #[cfg(unix)]
        assert_eq!(receive(&socket, &mut buf).unwrap(), 3);
        #[cfg(windows)]
        expect_too_long(receive(&socket, &mut buf));
        assert_eq!(&buf, b"too");
    }
    expect_would_block(socket.recv(&mut buf));
}

#[test]
fn a_datagram_may_be_too_long_to_send() {
    let (mut poll, mut events, socket, address) = receiver(any_port(), Interest::READABLE);
    let (sender, _) = bind(any_port());
    let longest = vec![7; LONGEST_DATAGRAM];
    assert_eq!(sender.send_to(&longest, address).unwrap(), longest.len());
    expect_readable(&mut poll, &mut events, RECEIVER);
    let mut buf = vec![0; 70_000];
    let len = socket.recv(&mut buf).unwrap();
    assert_eq!(&buf[..len], longest);

    expect_too_long(sender.send_to(&buf, address));
}

#[track_caller]
fn expect_too_long(result: io::Result<usize>) {
    #[cfg(unix)]
    let too_long = libc::EMSGSIZE;
    #[cfg(windows)]
    let too_long = WinSock::WSAEMSGSIZE;
    assert_eq!(result.unwrap_err().raw_os_error(), Some(too_long));
}

#[test]
fn a_connected_socket_receives_from_its_peer_only() {
    let (mut poll, mut events, socket, peer) = connected(Interest::READABLE);
    let (stranger, _) = bind(any_port());
    stranger
        .send_to(b"stranger", socket.local_addr().unwrap())
        .unwrap();
    peer.send(b"peer").unwrap();
    expect_readable(&mut poll, &mut events, RECEIVER);
    let mut buf = [0; 16];
    let from = peer.local_addr().unwrap();
    assert_eq!(socket.recv_from(&mut buf).unwrap(), (4, from));
    assert_eq!(&buf[..4], b"peer");
    expect_would_block(socket.recv_from(&mut buf));
}

#[test]
fn connecting_gives_a_peer_which_can_be_changed() {
    let (socket, _) = bind(any_port());
    let error = socket.peer_addr().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotConnected);
    let error = socket.send(b"to whom?").unwrap_err();
    #[cfg(unix)]
    assert_eq!(error.raw_os_error(), Some(libc::EDESTADDRREQ));
    #[cfg(windows)]
    assert_eq!(error.kind(), io::ErrorKind::NotConnected);

    for _ in 0..2 {
        let (mut poll, mut events, peer, address) = receiver(any_port(), Interest::READABLE);
        socket.connect(address).unwrap();
        assert_eq!(socket.peer_addr().unwrap(), address);
        assert_eq!(socket.send(b"hello").unwrap(), 5);
        expect_readable(&mut poll, &mut events, RECEIVER);
        assert_eq!(peer.recv(&mut [0; 8]).unwrap(), 5);
    }
}

#[test]
fn an_idle_socket_is_writable_and_not_readable() {
    let (mut poll, mut events, _socket, _) = receiver(any_port(), BOTH);
    let event = expect_writable(&mut poll, &mut events, RECEIVER);
    assert!(!event.is_readable() && !event.is_error());
    assert!(!event.is_read_closed() && !event.is_write_closed());
    expect_silence(&mut poll, &mut events);
}

/// Refusals, which the next operation returns. On Windows only receiving does:
/// `tests/processes/afd.rs`.
#[cfg(unix)]
mod refusals {
    use crate::util::{any_port_at, discard_events, expect, EMULATED_EDGES, KQUEUE};
    use mio::event::Event;

    use super::*;

    /// A socket that is connected to a port without a receiver. The address is of
    /// 127.46.0.0/16, and used by one test only: no other test gets the port.
    fn connected_to_closed_port(
        host: u8,
        interest: Interest,
    ) -> (Poll, Events, UdpSocket, SocketAddr) {
        let (poll, events, socket, _) = receiver(any_port(), interest);
        let (bound, closed) = bind(any_port_at([46, 0, host]));
        drop(bound);
        socket.connect(closed).unwrap();
        (poll, events, socket, closed)
    }

    /// kqueue reports only that reading is worth trying.
    fn reports_refusal(event: &Event) -> bool {
        if KQUEUE {
            event.is_readable()
        } else {
            event.is_error()
        }
    }

    /// Edge case 46: a refusal is an event, once; the socket lives on, and so do its events.
    #[test]
    fn a_socket_survives_a_refusal() {
        let (mut poll, mut events, socket, closed) =
            connected_to_closed_port(1, Interest::READABLE);
        for _ in 0..5 {
            assert_eq!(socket.send(b"hello?!?").unwrap(), 8);
            expect(&mut poll, &mut events, RECEIVER, reports_refusal);
            expect_silence(&mut poll, &mut events);
            expect_silence(&mut poll, &mut events);
            let error = socket.recv(&mut [0; 8]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
            expect_silence(&mut poll, &mut events);
            expect_would_block(socket.recv(&mut [0; 8]));
            expect_silence(&mut poll, &mut events);
        }

        // A receiver is bound to the port, and replies.
        let receiver = UdpSocket::bind(closed).unwrap();
        receiver
            .send_to(b"here", socket.local_addr().unwrap())
            .unwrap();
        let event = expect_readable(&mut poll, &mut events, RECEIVER);
        assert!(!event.is_error());
        assert_eq!(socket.recv(&mut [0; 8]).unwrap(), 4);
    }

    /// Edge case 46: taking the error off by name serves as well as by an operation.
    #[test]
    fn a_refusal_can_be_taken_off_the_socket() {
        let (mut poll, mut events, socket, closed) =
            connected_to_closed_port(2, Interest::READABLE);
        for _ in 0..5 {
            socket.send(b"hello?!?").unwrap();
            expect(&mut poll, &mut events, RECEIVER, reports_refusal);
            let error = socket.take_error().unwrap().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
            assert!(socket.take_error().unwrap().is_none());
            expect_silence(&mut poll, &mut events);
        }
        let receiver = UdpSocket::bind(closed).unwrap();
        receiver
            .send_to(b"here", socket.local_addr().unwrap())
            .unwrap();
        expect_readable(&mut poll, &mut events, RECEIVER);
    }

    /// Edge case 46: the next refusal is an event, though all that was done since the last one
    /// is to send, which returned it.
    #[test]
    fn a_refusal_after_one_that_sending_returned_is_an_event() {
        let (mut poll, mut events, socket, _) = connected_to_closed_port(3, BOTH);
        for _ in 0..5 {
            assert_eq!(socket.send(b"hello?!?").unwrap(), 8);
            expect(&mut poll, &mut events, RECEIVER, reports_refusal);
            let error = socket.send(b"hello?!?").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        }
    }

    /// Edge case 46: once the error is taken, the socket is reported as writable again, where
    /// edges are emulated by this crate.
    #[test]
    fn taking_a_refusal_off_the_socket_arms_writing() {
        if !EMULATED_EDGES {
            // The kernel sees no change in what can be written.
            return;
        }
        let (mut poll, mut events, socket, _) = connected_to_closed_port(4, Interest::WRITABLE);
        expect_writable(&mut poll, &mut events, RECEIVER);
        for _ in 0..3 {
            assert_eq!(socket.send(b"hello?!?").unwrap(), 8);
            expect(&mut poll, &mut events, RECEIVER, Event::is_error);
            expect_silence(&mut poll, &mut events);
            socket.take_error().unwrap().unwrap();
            let event = expect_writable(&mut poll, &mut events, RECEIVER);
            assert!(!event.is_error());
            expect_silence(&mut poll, &mut events);
        }
    }

    /// Edge case 46: sending returns the refusal of what was sent before.
    #[test]
    fn a_refusal_comes_with_the_next_operation_whatever_it_is() {
        let operations: [fn(&UdpSocket) -> io::Result<usize>; 6] = [
            |socket| socket.send(b"again"),
            |socket| socket.send_to(b"again", socket.peer_addr()?),
            |socket| socket.recv(&mut [0; 8]),
            |socket| socket.recv_from(&mut [0; 8]).map(|(len, _)| len),
            |socket| socket.peek(&mut [0; 8]),
            |socket| socket.peek_from(&mut [0; 8]).map(|(len, _)| len),
        ];
        for (number, operation) in operations.iter().enumerate() {
            let (mut poll, mut events, socket, closed) =
                connected_to_closed_port(10 + number as u8, Interest::READABLE);
            socket.send(b"hello?!?").unwrap();
            expect(&mut poll, &mut events, RECEIVER, reports_refusal);
            let error = operation(&socket).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
            discard_events(&mut poll, &mut events);
            // Whichever operation returned it, reading goes on afterwards.
            expect_would_block(socket.recv(&mut [0; 8]));

            let receiver = UdpSocket::bind(closed).unwrap();
            receiver
                .send_to(b"here", socket.local_addr().unwrap())
                .unwrap();
            expect_readable(&mut poll, &mut events, RECEIVER);
            assert_eq!(socket.recv(&mut [0; 8]).unwrap(), 4);
        }
    }
}

#[test]
fn a_socket_of_the_standard_library_is_taken_over() {
    let socket = net::UdpSocket::bind(any_port()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap();
    let mut socket = UdpSocket::from_std(socket);
    assert_eq!(socket.local_addr().unwrap(), address);
    let (mut poll, mut events) = poll_and_events();
    poll.registry()
        .register(&mut socket, RECEIVER, Interest::READABLE)
        .unwrap();
    let (sender, _) = bind(any_port());
    sender.send_to(b"hello", address).unwrap();
    expect_readable(&mut poll, &mut events, RECEIVER);
    assert_eq!(socket.recv(&mut [0; 8]).unwrap(), 5);
}

#[test]
fn a_custom_operation_returns_its_own_result() {
    let (mut poll, mut events, socket, peer) = connected(Interest::READABLE);
    let mut buf = [0_u8; 8];
    let mut receive = || raw_recv(&socket, &mut buf);
    expect_would_block(socket.try_io(&mut receive));
    peer.send(b"hello").unwrap();
    expect_readable(&mut poll, &mut events, RECEIVER);
    assert_eq!(socket.try_io(&mut receive).unwrap(), 5);
    expect_would_block(socket.try_io(&mut receive));
    assert_eq!(&buf, b"hello\0\0\0");
}

#[test]
fn sockets_in_one_poll_have_events_of_their_own() {
    let (mut poll, mut events, socket, mut peer) = connected(Interest::READABLE);
    poll.registry()
        .register(&mut peer, SENDER, Interest::READABLE)
        .unwrap();
    for _ in 0..5 {
        peer.send(b"ping").unwrap();
        expect_readable(&mut poll, &mut events, RECEIVER);
        assert_eq!(socket.recv(&mut [0; 8]).unwrap(), 4);
        expect_would_block(socket.recv(&mut [0; 8]));
        expect_silence(&mut poll, &mut events);

        socket.send(b"pong!").unwrap();
        expect_readable(&mut poll, &mut events, SENDER);
        assert_eq!(peer.recv(&mut [0; 8]).unwrap(), 5);
        expect_would_block(peer.recv(&mut [0; 8]));
        expect_silence(&mut poll, &mut events);
    }
}

#[test]
fn options_can_be_set() {
    let (v4, _) = bind(any_port());
    for ttl in [1, 42, 255] {
        v4.set_ttl(ttl).unwrap();
        assert_eq!(v4.ttl().unwrap(), ttl);
        v4.set_multicast_ttl_v4(ttl).unwrap();
        assert_eq!(v4.multicast_ttl_v4().unwrap(), ttl);
    }
    for &impossible in IMPOSSIBLE_TTLS {
        let error = v4.set_ttl(impossible).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
    for on in [true, false, true] {
        v4.set_broadcast(on).unwrap();
        assert_eq!(v4.broadcast().unwrap(), on);
        v4.set_multicast_loop_v4(on).unwrap();
        assert_eq!(v4.multicast_loop_v4().unwrap(), on);
    }
    assert!(v4.take_error().unwrap().is_none());
    if !has_ipv6() {
        return;
    }
    let (v6, _) = bind(any_port_v6());
    for on in [true, false, true] {
        v6.set_multicast_loop_v6(on).unwrap();
        assert_eq!(v6.multicast_loop_v6().unwrap(), on);
    }
    assert!(v6.take_error().unwrap().is_none());
}

#[test]
fn options_begin_as_the_system_sets_them() {
    let (v4, _) = bind(any_port());
    assert!(!v4.broadcast().unwrap());
    assert!(v4.multicast_loop_v4().unwrap());
    assert_eq!(v4.multicast_ttl_v4().unwrap(), 1);
    if has_ipv6() {
        let (v6, _) = bind(any_port_v6());
        assert!(v6.multicast_loop_v6().unwrap());
    }
}

#[test]
fn only_v6_returns_whether_version_4_is_excluded() {
    let v6_only: &[bool] = if has_ipv6() { &[true, false] } else { &[] };
    for &only in v6_only {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::DGRAM, None).unwrap();
        socket.set_only_v6(only).unwrap();
        socket.set_nonblocking(true).unwrap();
        let socket = UdpSocket::from_std(socket.into());
        assert_eq!(socket.only_v6().unwrap(), only);
    }
    let (v4, _) = bind(any_port());
    v4.only_v6().unwrap_err();
}

#[test]
fn broadcasting_takes_leave() {
    if !WHOLE_LOOPBACK_NETWORK {
        // Nor has it an address for all of it.
        return;
    }
    let broadcast = Ipv4Addr::new(127, 255, 255, 255);
    let (mut poll, mut events, socket, address) =
        receiver((broadcast, 0).into(), Interest::READABLE);
    let (sender, _) = bind(any_port());
    let error = sender.send_to(b"everybody", address).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);

    sender.set_broadcast(true).unwrap();
    assert_eq!(sender.send_to(b"everybody", address).unwrap(), 9);
    expect_readable(&mut poll, &mut events, RECEIVER);
    assert_eq!(socket.recv(&mut [0; 16]).unwrap(), 9);
}

/// Addresses that are kept for documentation (RFC 6676).
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(233, 252, 0, 1);
/// Of the scope of one interface.
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 0x6d69, 0x6f);

/// Checks that it failed and, except on Windows, which has errors of its own for groups,
/// why.
#[track_caller]
fn expect_kind(result: io::Result<()>, kind: io::ErrorKind) {
    let error = result.unwrap_err();
    assert!(cfg!(windows) || error.kind() == kind, "{error:?}");
}

#[test]
fn a_group_of_version_4_is_joined_and_left() {
    let (socket, _) = bind(any_port());
    let (group, interface) = (&GROUP_V4, &Ipv4Addr::LOCALHOST);
    socket.join_multicast_v4(group, interface).unwrap();
    expect_kind(
        socket.join_multicast_v4(group, interface),
        io::ErrorKind::AddrInUse,
    );
    socket.leave_multicast_v4(group, interface).unwrap();
    expect_kind(
        socket.leave_multicast_v4(group, interface),
        io::ErrorKind::AddrNotAvailable,
    );
}

#[test]
fn a_group_of_version_6_is_joined_and_left() {
    if !has_ipv6() {
        return;
    }
    let (socket, _) = bind(any_port_v6());
    let (group, interface) = (&GROUP_V6, loopback_index());
    socket.join_multicast_v6(group, interface).unwrap();
    expect_kind(
        socket.join_multicast_v6(group, interface),
        io::ErrorKind::AddrInUse,
    );
    socket.leave_multicast_v6(group, interface).unwrap();
    expect_kind(
        socket.leave_multicast_v6(group, interface),
        io::ErrorKind::AddrNotAvailable,
    );
}

#[test]
fn joining_what_is_no_group_or_on_no_interface_is_an_error() {
    let (v4, _) = bind(any_port());
    v4.join_multicast_v4(&Ipv4Addr::LOCALHOST, &Ipv4Addr::LOCALHOST)
        .unwrap_err();
    // Of a class that no interface is given an address of.
    let nobodys = Ipv4Addr::new(240, 0, 0, 1);
    expect_no_device(v4.join_multicast_v4(&GROUP_V4, &nobodys));

    if has_ipv6() {
        let (v6, _) = bind(any_port_v6());
        v6.join_multicast_v6(&Ipv6Addr::LOCALHOST, loopback_index())
            .unwrap_err();
        expect_no_device(v6.join_multicast_v6(&GROUP_V6, u32::MAX >> 1));
    }
}

#[track_caller]
fn expect_no_device(result: io::Result<()>) {
    let code = result.unwrap_err().raw_os_error();
    #[cfg(unix)]
    assert_eq!(code, Some(libc::ENODEV));
    // Windows has no such error.
    #[cfg(windows)]
    assert_ne!(code, None);
}

/// On Windows it is always the first.
#[cfg(windows)]
fn loopback_index() -> u32 {
    1
}

#[cfg(unix)]
fn loopback_index() -> u32 {
    // SAFETY: the name ends with a NUL.
    let index = unsafe { libc::if_nametoindex(b"lo\0".as_ptr().cast()) };
    assert_ne!(index, 0, "{}", io::Error::last_os_error());
    index
}

/// The group is this process's own: Linux delivers what is sent to a group that any
/// socket has joined to every socket of the port.
#[test]
fn members_of_a_group_receive_what_is_sent_to_it() {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let group = Ipv4Addr::new(239, high, middle, low);
    let (mut poll, mut events, socket, address) =
        receiver((Ipv4Addr::UNSPECIFIED, 0).into(), Interest::READABLE);
    let members = SocketAddr::from((group, address.port()));
    let own = SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()));
    let (sender, _) = bind(any_port());
    socket2::SockRef::from(&sender)
        .set_multicast_if_v4(&Ipv4Addr::LOCALHOST)
        .unwrap();

    let mut expect_datagram = |text: &[u8]| {
        expect_readable(&mut poll, &mut events, RECEIVER);
        let mut buf = [0; 16];
        let len = socket.recv(&mut buf).unwrap();
        assert_eq!(&buf[..len], text);
        expect_would_block(socket.recv(&mut buf));
    };
    // What is sent to the socket's own address afterwards shows that the datagram to
    // the group has not come.
    sender.send_to(b"not a member", members).unwrap();
    sender.send_to(b"before", own).unwrap();
    expect_datagram(b"before");

    socket
        .join_multicast_v4(&group, &Ipv4Addr::LOCALHOST)
        .unwrap();
    sender.send_to(b"members", members).unwrap();
    expect_datagram(b"members");

    socket
        .leave_multicast_v4(&group, &Ipv4Addr::LOCALHOST)
        .unwrap();
    sender.send_to(b"no member", members).unwrap();
    sender.send_to(b"after", own).unwrap();
    expect_datagram(b"after");
}
