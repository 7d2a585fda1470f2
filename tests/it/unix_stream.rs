//! `UnixStream`: connecting by name, both directions of a connection, and its end.
#![cfg(all(unix, feature = "os-poll", feature = "net"))]

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net;
use std::path::Path;
use std::{fs, mem, ptr};

use crate::util::{
    self, discard_events, drain, exchange, expect, expect_all, expect_nonblocking_and_cloexec,
    expect_readable, expect_silence, expect_silence_after_the_end, expect_would_block,
    expect_writable, poll_and_events, temporary_path, Until, FULL_BACKLOG,
    SHUT_READING_STOPS_THE_PEER,
};
use mio::event::Event;
use mio::net::{SocketAddr, UnixListener, UnixStream};
use mio::{Events, Interest, Poll, Token};

const ONE: Token = Token(1);
const OTHER: Token = Token(2);
const LISTENER: Token = Token(3);
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// A poll with the first of two connected streams in it.
fn registered_pair(interest: Interest) -> (Poll, Events, UnixStream, UnixStream) {
    let (poll, events) = poll_and_events();
    let (mut one, other) = UnixStream::pair().unwrap();
    poll.registry().register(&mut one, ONE, interest).unwrap();
    (poll, events, one, other)
}

#[test]
fn a_pair_is_connected_both_ways() {
    let (mut poll, mut events, mut one, mut other) = registered_pair(Interest::READABLE);
    poll.registry()
        .register(&mut other, OTHER, Interest::READABLE)
        .unwrap();
    for stream in [&one, &other] {
        expect_nonblocking_and_cloexec(stream);
        assert!(stream.local_addr().unwrap().is_unnamed());
        assert!(stream.peer_addr().unwrap().is_unnamed());
        assert!(stream.take_error().unwrap().is_none());
    }
    one.write_all(b"there").unwrap();
    one.flush().unwrap();
    expect_readable(&mut poll, &mut events, OTHER);
    assert_eq!(drain(&mut other), b"there");

    (&other).write_all(b"and back").unwrap();
    (&other).flush().unwrap();
    expect_readable(&mut poll, &mut events, ONE);
    assert_eq!(drain(&mut &one), b"and back");
}

#[test]
fn reading_what_is_not_there_would_block() {
    let (mut one, _other) = UnixStream::pair().unwrap();
    expect_would_block(one.read(&mut [0; 8]));
    expect_would_block((&one).read(&mut [0; 8]));
    let mut buf = [0; 8];
    expect_would_block(one.read_vectored(&mut [IoSliceMut::new(&mut buf)]));
}

#[test]
fn vectored_bytes_are_gathered_and_scattered() {
    let (mut one, mut other) = UnixStream::pair().unwrap();
    let slices = [IoSlice::new(b"abc"), IoSlice::new(b"defgh")];
    assert_eq!(other.write_vectored(&slices).unwrap(), 8);
    let (mut first, mut second) = ([0; 2], [0; 16]);
    let mut slices = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
    assert_eq!(one.read_vectored(&mut slices).unwrap(), 8);
    assert_eq!((&first, &second[..6]), (b"ab", &b"cdefgh"[..]));
    assert_eq!((&other).write_vectored(&[IoSlice::new(b"ij")]).unwrap(), 2);
    let mut slices = [IoSliceMut::new(&mut first)];
    assert_eq!((&one).read_vectored(&mut slices).unwrap(), 2);
    assert_eq!(&first, b"ij");
}

/// The address type of this crate *is* the standard library's.
#[test]
fn addresses_are_those_of_the_standard_library() {
    let (one, _other) = UnixStream::pair().unwrap();
    let ours: SocketAddr = one.local_addr().unwrap();
    let theirs: std::os::unix::net::SocketAddr = ours;
    assert!(theirs.is_unnamed());
}

#[test]
fn a_stream_connects_to_a_path() {
    let path = temporary_path("connect");
    let listener = net::UnixListener::bind(&path).unwrap();
    let (mut poll, mut events) = poll_and_events();
    let mut stream = UnixStream::connect(&path).unwrap();
    expect_nonblocking_and_cloexec(&stream);
    assert_eq!(stream.peer_addr().unwrap().as_pathname(), Some(&*path));
    assert!(stream.local_addr().unwrap().is_unnamed());
    poll.registry().register(&mut stream, ONE, BOTH).unwrap();
    let event = expect_writable(&mut poll, &mut events, ONE);
    assert!(!event.is_readable() && !event.is_error() && !event.is_write_closed());
    assert!(stream.take_error().unwrap().is_none());

    let (mut server, _) = listener.accept().unwrap();
    server.write_all(b"hello").unwrap();
    expect_readable(&mut poll, &mut events, ONE);
    assert_eq!(drain(&mut stream), b"hello");
    fs::remove_file(path).unwrap();
}

/// Edge case 22: every byte of an abstract name counts.
#[test]
#[cfg(target_os = "linux")]
fn a_stream_connects_to_an_abstract_name() {
    let name = format!("mio\0{}\0stream\0", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let listener = net::UnixListener::bind_addr(&address).unwrap();
    let stream = UnixStream::connect_addr(&address).unwrap();
    let peer = stream.peer_addr().unwrap();
    assert_eq!(peer.as_abstract_name(), Some(name.as_bytes()));
    listener.accept().unwrap();
    let without_the_last = SocketAddr::from_abstract_name(&name[..name.len() - 1]).unwrap();
    let error = UnixStream::connect_addr(&without_the_last).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn connecting_without_a_listener_is_an_error() {
    let path = temporary_path("missing");
    let error = UnixStream::connect(&path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    drop(net::UnixListener::bind(&path).unwrap());
    let error = UnixStream::connect(&path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    fs::remove_file(path).unwrap();
}

#[test]
fn a_path_that_is_no_address_is_invalid_input() {
    let too_long = Path::new("/").join("x".repeat(107));
    let error = UnixStream::connect(too_long).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let error = UnixStream::connect("a\0b").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

/// Edge case 21: with the backlog full nothing is in progress; later it works.
#[test]
fn a_full_backlog_is_an_error_and_leaves_nothing_behind() {
    let path = temporary_path("full");
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(&socket2::SockAddr::unix(&path).unwrap())
        .unwrap();
    socket.listen(1).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut listener = UnixListener::from(OwnedFd::from(socket));
    let (mut poll, mut events) = poll_and_events();
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)
        .unwrap();

    for _ in 0..3 {
        // Systems accept a few connections more than the backlog.
        let connect = || UnixStream::connect(&path);
        let waiting: Vec<_> = (0..10).map_while(|_| connect().ok()).collect();
        expect_readable(&mut poll, &mut events, LISTENER);
        for _ in 0..2 {
            assert_eq!(connect().unwrap_err().kind(), FULL_BACKLOG);
        }
        for _ in &waiting {
            listener.accept().unwrap();
        }
        // The attempts that failed have left nothing in the queue.
        expect_would_block(listener.accept());
        expect_silence(&mut poll, &mut events);
    }
    fs::remove_file(path).unwrap();
}

#[test]
fn a_stream_of_the_standard_library_is_taken_over() {
    let (one, mut other) = net::UnixStream::pair().unwrap();
    one.set_nonblocking(true).unwrap();
    let mut one = UnixStream::from_std(one);
    let (mut poll, mut events) = poll_and_events();
    poll.registry()
        .register(&mut one, ONE, Interest::READABLE)
        .unwrap();
    expect_silence(&mut poll, &mut events);
    other.write_all(b"hello").unwrap();
    expect_readable(&mut poll, &mut events, ONE);
    assert_eq!(drain(&mut one), b"hello");
}

#[test]
fn megabytes_cross_when_every_edge_is_drained() {
    let (one, other) = UnixStream::pair().unwrap();
    exchange([one, other], 4 << 20, Until::WouldBlock);
}

/// Edge case 48: the same, each direction given up at a short transfer, too.
#[test]
fn megabytes_cross_when_short_transfers_end_an_edge() {
    let (one, other) = UnixStream::pair().unwrap();
    exchange([one, other], 4 << 20, Until::ShortTransfer);
}

#[test]
fn a_peer_that_has_shut_writing_down_is_read_closed() {
    let (mut poll, mut events, mut one, mut other) = registered_pair(Interest::READABLE);
    other.write_all(b"last words").unwrap();
    other.shutdown(Shutdown::Write).unwrap();
    let event = expect(&mut poll, &mut events, ONE, util::reports_end);
    assert!(event.is_readable() && !event.is_write_closed());
    assert_eq!(drain(&mut one), b"last words");
    discard_events(&mut poll, &mut events);
    for _ in 0..3 {
        assert_eq!(one.read(&mut [0; 8]).unwrap(), 0);
        expect_silence_after_the_end(&mut poll, &mut events);
    }
    let error = other.write(b"more").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(one.write(b"answer").unwrap(), 6);
    assert_eq!(drain(&mut other), b"answer");
}

#[test]
fn shutting_reading_down_ends_the_writing_of_the_peer() {
    let (mut poll, mut events, mut one, mut other) = registered_pair(Interest::READABLE);
    expect_would_block(one.read(&mut [0; 8]));
    one.shutdown(Shutdown::Read).unwrap();
    let event = expect(&mut poll, &mut events, ONE, util::reports_end);
    assert!(!event.is_write_closed());
    assert_eq!(one.read(&mut [0; 8]).unwrap(), 0);
    if SHUT_READING_STOPS_THE_PEER {
        let error = other.write(b"hello").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
    assert_eq!(one.write(b"hello").unwrap(), 5);
}

#[test]
fn shutting_both_down_closes_both_ways() {
    let (mut poll, mut events, mut one, mut other) = registered_pair(BOTH);
    poll.registry().register(&mut other, OTHER, BOTH).unwrap();
    one.shutdown(Shutdown::Both).unwrap();
    for (token, stream) in [(ONE, &mut one), (OTHER, &mut other)] {
        poll.registry().reregister(stream, token, BOTH).unwrap();
        let closed = [Event::is_read_closed, Event::is_write_closed];
        let stopped = token == ONE || SHUT_READING_STOPS_THE_PEER;
        let closed = &closed[..if stopped { 2 } else { 1 }];
        expect_all(&mut poll, &mut events, token, closed);
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
        if stopped {
            let error = stream.write(b"hello").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        }
    }
}

/// Linux shuts down a Unix socket without a peer.
#[test]
#[cfg(target_os = "linux")]
fn a_stream_that_is_not_connected_can_be_shut_down() {
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    let stream = UnixStream::from(OwnedFd::from(socket));
    let error = stream.peer_addr().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotConnected);
    stream.shutdown(Shutdown::Both).unwrap();
}

#[test]
fn a_closed_peer_is_closed_both_ways_once_its_bytes_are_read() {
    let (mut poll, mut events, mut one, mut other) = registered_pair(BOTH);
    expect_writable(&mut poll, &mut events, ONE);
    other.write_all(b"last words").unwrap();
    drop(other);
    expect_all(
        &mut poll,
        &mut events,
        ONE,
        &[
            Event::is_readable,
            Event::is_read_closed,
            Event::is_write_closed,
            |event| !event.is_error(),
        ],
    );
    expect_silence(&mut poll, &mut events);
    assert_eq!(drain(&mut one), b"last words");
    discard_events(&mut poll, &mut events);
    let error = one.write(b"too late").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

/// Linux resets the connection of a stream that is closed with bytes unread.
#[test]
#[cfg(target_os = "linux")]
fn a_peer_that_has_left_bytes_unread_resets_the_connection() {
    let (mut poll, mut events, mut one, other) = registered_pair(BOTH);
    one.write_all(b"not read").unwrap();
    drop(other);
    let closed = [
        Event::is_error,
        Event::is_read_closed,
        Event::is_write_closed,
    ];
    expect_all(&mut poll, &mut events, ONE, &closed);
    let error = one.read(&mut [0; 8]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert!(one.take_error().unwrap().is_none());
    assert_eq!(one.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
#[cfg(target_os = "linux")]
fn the_error_of_a_reset_can_be_taken() {
    let (mut poll, mut events, mut one, other) = registered_pair(BOTH);
    one.write_all(b"not read").unwrap();
    drop(other);
    expect(&mut poll, &mut events, ONE, |event| event.is_error());
    let error = one.take_error().unwrap().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert!(one.take_error().unwrap().is_none());
    discard_events(&mut poll, &mut events);
}

#[test]
fn a_full_stream_becomes_writable_when_the_peer_reads() {
    let (mut poll, mut events, mut one, mut other) = registered_pair(Interest::WRITABLE);
    for _ in 0..3 {
        expect_writable(&mut poll, &mut events, ONE);
        let mut sent = 0;
        loop {
            match one.write(&[7; 1000]) {
                Ok(len) => sent += len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        expect_silence(&mut poll, &mut events);
        assert_eq!(drain(&mut other).len(), sent);
    }
}

/// A descriptor passes through `try_io`, for which the crate has no operation.
#[test]
fn a_descriptor_is_sent_by_an_operation_of_the_callers_own() {
    let (mut poll, mut events, one, other) = registered_pair(Interest::READABLE);
    expect_would_block(one.try_io(|| receive_fd(one.as_raw_fd())));
    expect_silence(&mut poll, &mut events);

    let (sent, mut far) = net::UnixStream::pair().unwrap();
    other
        .try_io(|| send_fd(other.as_raw_fd(), sent.as_raw_fd()))
        .unwrap();
    drop(sent);
    expect_readable(&mut poll, &mut events, ONE);
    let received = one.try_io(|| receive_fd(one.as_raw_fd())).unwrap();
    net::UnixStream::from(received).write_all(b"hello").unwrap();
    let mut text = String::new();
    far.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
}

/// Room for a header and one descriptor, aligned as a header is.
#[repr(C)]
union Control {
    header: libc::cmsghdr,
    space: [u8; 64],
}

/// Runs `call` on a message of one byte that has `control` beside it.
fn with_message<T>(control: &mut Control, call: impl FnOnce(&mut libc::msghdr) -> T) -> T {
    let mut byte = [0_u8];
    let mut slice = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    // SAFETY: consists of integers and pointers, for which zero is valid.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &mut slice;
    message.msg_iovlen = 1;
    message.msg_control = ptr::addr_of_mut!(*control).cast();
    message.msg_controllen = mem::size_of::<Control>() as _;
    call(&mut message)
}

fn send_fd(socket: RawFd, fd: RawFd) -> io::Result<()> {
    let mut control = Control { space: [0; 64] };
    let len = mem::size_of::<RawFd>() as libc::c_uint;
    let sent = with_message(&mut control, |message| {
        // SAFETY: `Control` has room for a header and the descriptor that follows it, and
        // the message points to values that live through the call.
        unsafe {
            message.msg_controllen = libc::CMSG_SPACE(len) as _;
            let header = libc::CMSG_FIRSTHDR(message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(len) as _;
            libc::CMSG_DATA(header).cast::<RawFd>().write_unaligned(fd);
            libc::sendmsg(socket, message, 0)
        }
    });
    match sent {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn receive_fd(socket: RawFd) -> io::Result<OwnedFd> {
    let mut control = Control { space: [0; 64] };
    with_message(&mut control, |message| {
        // SAFETY: the kernel writes no more than the sizes in the message allow; the
        // header shows that a descriptor follows, which is owned here from then on.
        unsafe {
            // Not marked to be closed on exec, which not every system can: this test starts
            // no program.
            if libc::recvmsg(socket, message, 0) == -1 {
                return Err(io::Error::last_os_error());
            }
            let header = libc::CMSG_FIRSTHDR(message);
            assert!(!header.is_null() && (*header).cmsg_type == libc::SCM_RIGHTS);
            let fd = libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned();
            Ok(OwnedFd::from_raw_fd(fd))
        }
    })
}
