//! Error queues of Linux: a socket that has an entry in its own is in error, and lives on.
#![cfg(all(target_os = "linux", feature = "os-poll", feature = "net"))]

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::{mem, ptr};

use crate::util::{
    self, any_port, drain, expect, expect_readable, expect_would_block, expect_writable, fill,
    poll_and_events, tcp_pair, KQUEUE, POLL2,
};
use mio::event::{Event, Source};
use mio::net::{TcpStream, UdpSocket};
use mio::{Interest, Token};

const TOKEN: Token = Token(1);
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// Software timestamps of what is sent, with a copy of it.
const TIMESTAMPS: libc::c_uint =
    libc::SOF_TIMESTAMPING_TX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE;

fn enable(socket: &impl AsRawFd, level: i32, option: i32, value: libc::c_uint) {
    // SAFETY: the value outlives the call, and has the length that is passed.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            ptr::addr_of!(value).cast(),
            mem::size_of_val(&value) as libc::socklen_t,
        )
    };
    assert_eq!(set, 0, "{}", io::Error::last_os_error());
}

/// Takes one entry off the error queue.
fn take_entry(socket: &impl AsRawFd) {
    let mut buf = [0_u8; 256];
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: the buffer outlives the call, and has the length that is passed.
    let taken = unsafe {
        libc::recv(
            socket.as_raw_fd(),
            buf.as_mut_ptr().cast(),
            buf.len(),
            flags,
        )
    };
    assert!(taken >= 0, "{}", io::Error::last_os_error());
}

/// Something that puts an entry into the queue of the first of two connected streams.
type Cause = fn(&mut TcpStream);

/// What was sent is timestamped.
fn timestamp(stream: &mut TcpStream) {
    enable(stream, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, TIMESTAMPS);
    stream.write_all(b"x").unwrap();
}

/// The pages that were sent need not be kept any more.
fn zero_copy(stream: &mut TcpStream) {
    enable(stream, libc::SOL_SOCKET, libc::SO_ZEROCOPY, 1);
    let flags = libc::MSG_ZEROCOPY | libc::MSG_NOSIGNAL;
    static PAGE: [u8; 4096] = [1; 4096];
    // SAFETY: the buffer lives for ever, and has the length that is passed.
    let sent = unsafe { libc::send(stream.as_raw_fd(), PAGE.as_ptr().cast(), PAGE.len(), flags) };
    assert_eq!(sent, 4096, "{}", io::Error::last_os_error());
}

const CAUSES: [(&str, Cause); 2] = [("timestamp", timestamp), ("zero copy", zero_copy)];

fn modes(directions: Interest) -> [Interest; 3] {
    [directions, directions.level(), directions.oneshot()]
}

#[track_caller]
fn expect_no_end(event: &Event) {
    assert!(event.is_error(), "{event:#?}");
    assert!(
        !event.is_write_closed() && !event.is_read_closed(),
        "{event:#?}"
    );
}

/// Edge case 28 and C2: programs take the end of writing for final.
#[test]
fn a_healthy_stream_with_an_entry_in_its_error_queue_is_not_write_closed() {
    // The shim uses epoll, and kqueues have no such queue.
    if KQUEUE {
        return;
    }
    for (name, cause) in CAUSES {
        for interest in modes(BOTH).into_iter().chain(modes(Interest::WRITABLE)) {
            println!("{name}, {interest:?}");
            let (mut poll, mut events) = poll_and_events();
            let (mut stream, mut peer) = tcp_pair();
            cause(&mut stream);
            drain(&mut peer);
            poll.registry()
                .register(&mut stream, TOKEN, interest)
                .unwrap();
            let event = expect(&mut poll, &mut events, TOKEN, Event::is_error);
            expect_no_end(&event);
            assert!(event.is_writable());

            poll.registry()
                .reregister(&mut stream, TOKEN, interest)
                .unwrap();
            let event = expect(&mut poll, &mut events, TOKEN, Event::is_error);
            expect_no_end(&event);
        }
    }
}

/// As above, of an entry that comes while the program waits, and the connection works on.
#[test]
fn an_entry_that_arrives_later_is_an_error_and_the_stream_lives_on() {
    if KQUEUE {
        return;
    }
    for (name, cause) in CAUSES {
        for interest in [BOTH, Interest::WRITABLE] {
            println!("{name}, {interest:?}");
            let (mut poll, mut events) = poll_and_events();
            let (mut stream, mut peer) = tcp_pair();
            poll.registry()
                .register(&mut stream, TOKEN, interest)
                .unwrap();
            expect_writable(&mut poll, &mut events, TOKEN);

            cause(&mut stream);
            let event = expect(&mut poll, &mut events, TOKEN, Event::is_error);
            expect_no_end(&event);
            take_entry(&stream);
            assert!(stream.take_error().unwrap().is_none());
            drain(&mut peer);
            expect_would_block(stream.read(&mut [0; 8]));
            stream.write_all(b"still here").unwrap();
            if interest.is_readable() {
                peer.write_all(b"hello").unwrap();
                expect_readable(&mut poll, &mut events, TOKEN);
                assert_eq!(drain(&mut stream), b"hello");
            }
        }
    }
}

/// A source that is not writable, or not asked whether it is, says nothing beside the error,
/// nor does a full pipe whose reader is gone. poll(2) knows which of them it is.
#[test]
fn an_entry_beside_nothing_else_is_no_end_where_the_kind_of_source_is_known() {
    if !POLL2 {
        return;
    }
    for (name, cause) in CAUSES {
        for interest in modes(Interest::READABLE) {
            println!("{name}, {interest:?}");
            let (mut poll, mut events) = poll_and_events();
            let (mut stream, _peer) = tcp_pair();
            cause(&mut stream);
            poll.registry()
                .register(&mut stream, TOKEN, interest)
                .unwrap();
            let event = expect(&mut poll, &mut events, TOKEN, Event::is_error);
            expect_no_end(&event);
        }
        let (mut poll, mut events) = poll_and_events();
        let (mut stream, _peer) = tcp_pair();
        cause(&mut stream);
        fill(&mut stream);
        poll.registry().register(&mut stream, TOKEN, BOTH).unwrap();
        let event = expect(&mut poll, &mut events, TOKEN, Event::is_error);
        expect_no_end(&event);
    }
}

/// Registers a datagram socket for both directions, and makes it send to a closed port.
#[track_caller]
fn expect_to_survive(socket: &mut UdpSocket, send: impl Fn(&UdpSocket) -> io::Result<usize>) {
    let (mut poll, mut events) = poll_and_events();
    poll.registry().register(socket, TOKEN, BOTH).unwrap();
    expect_writable(&mut poll, &mut events, TOKEN);
    send(socket).unwrap();
    let event = expect(&mut poll, &mut events, TOKEN, Event::is_error);
    expect_no_end(&event);
    assert!(event.is_writable() || POLL2);
    poll.registry().deregister(socket).unwrap();
}

/// C2: the error is of the datagram, not of the socket.
#[test]
fn a_datagram_socket_with_an_error_is_not_write_closed() {
    if KQUEUE {
        return;
    }
    let closed = std::net::UdpSocket::bind(any_port())
        .unwrap()
        .local_addr()
        .unwrap();
    for with_queue in [false, true] {
        let mut socket = UdpSocket::bind(any_port()).unwrap();
        enable(
            &socket,
            libc::IPPROTO_IP,
            libc::IP_RECVERR,
            with_queue.into(),
        );
        socket.connect(closed).unwrap();
        expect_to_survive(&mut socket, |socket| socket.send(b"x"));
    }
    let mut socket = UdpSocket::bind(any_port()).unwrap();
    enable(&socket, libc::IPPROTO_IP, libc::IP_RECVERR, 1);
    expect_to_survive(&mut socket, |socket| socket.send_to(b"x", closed));

    let receiver = UdpSocket::bind(any_port()).unwrap();
    let address = receiver.local_addr().unwrap();
    let mut socket = UdpSocket::bind(any_port()).unwrap();
    enable(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, TIMESTAMPS);
    expect_to_survive(&mut socket, |socket| socket.send_to(b"x", address));
}

/// What does end writing is reported for sockets that have a queue, too.
#[test]
fn a_reset_of_a_stream_with_an_entry_in_its_error_queue_is_write_closed() {
    if KQUEUE {
        return;
    }
    for (name, cause) in CAUSES {
        println!("{name}");
        let (mut poll, mut events) = poll_and_events();
        let (mut stream, peer) = tcp_pair();
        poll.registry().register(&mut stream, TOKEN, BOTH).unwrap();
        cause(&mut stream);
        util::reset_on_close(&peer);
        drop(peer);
        expect(&mut poll, &mut events, TOKEN, |event| {
            event.is_error() && event.is_write_closed() && event.is_read_closed()
        });
    }
}

#[track_caller]
fn register_all(sources: &mut [&mut dyn Source]) {
    let (mut poll, mut events) = poll_and_events();
    for source in sources {
        poll.registry().register(*source, TOKEN, BOTH).unwrap();
        let event = expect_writable(&mut poll, &mut events, TOKEN);
        let flags = format!("{event:#?}");
        assert!(flags.contains("EPOLLOUT | EPOLLWRNORM"), "{flags}");
    }
}

/// The mark by which events of sockets are known, of every kind of socket that can be written
/// to. A kernel that does not give it would have errors taken for the end.
#[test]
fn linux_reports_room_for_ordinary_data_with_room_of_any_kind() {
    if KQUEUE || POLL2 || util::EVENT_PORT {
        return;
    }
    let (mut tcp, _peer) = tcp_pair();
    let (mut stream, _other) = mio::net::UnixStream::pair().unwrap();
    let (mut datagram, _another) = mio::net::UnixDatagram::pair().unwrap();
    let mut udp = UdpSocket::bind(any_port()).unwrap();
    register_all(&mut [&mut tcp, &mut stream, &mut datagram, &mut udp]);
}
