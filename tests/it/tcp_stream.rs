//! `TcpStream`: what can be done with a connection, and how it ends.
#![cfg(all(feature = "os-poll", feature = "net"))]

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{self, Shutdown};

use crate::util::{
    self, any_port, any_ports, discard_events, drain, exchange, expect, expect_all, expect_end,
    expect_readable, expect_shut_down, expect_silence, expect_would_block, expect_writable,
    poll_and_events, raw_recv, reset_on_close, tcp_pair, Until, AFD, IMPOSSIBLE_TTLS, KQUEUE,
};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

const ONE: Token = Token(1);
const SECOND: Token = Token(2);
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// A poll with the first of two connected streams in it.
fn registered_pair(interest: Interest) -> (Poll, Events, TcpStream, TcpStream) {
    let (poll, events) = poll_and_events();
    let (mut one, other) = tcp_pair();
    poll.registry().register(&mut one, ONE, interest).unwrap();
    (poll, events, one, other)
}

#[test]
fn each_side_knows_both_addresses() {
    for wanted in any_ports() {
        let listener = net::TcpListener::bind(wanted).unwrap();
        let address = listener.local_addr().unwrap();
        let (mut poll, mut events) = poll_and_events();
        let mut one = TcpStream::connect(address).unwrap();
        poll.registry()
            .register(&mut one, ONE, Interest::WRITABLE)
            .unwrap();
        expect_writable(&mut poll, &mut events, ONE);
        let (other, _) = listener.accept().unwrap();
        let other = TcpStream::from_std(other);
        assert_eq!(one.peer_addr().unwrap(), address);
        assert_eq!(other.local_addr().unwrap(), address);
        assert_eq!(one.local_addr().unwrap(), other.peer_addr().unwrap());
    }
}

#[test]
fn reading_what_is_not_there_would_block() {
    let (mut one, _other) = tcp_pair();
    expect_would_block(one.read(&mut [0; 8]));
    expect_would_block((&one).read(&mut [0; 8]));
    expect_would_block(one.peek(&mut [0; 8]));
    let mut buf = [0; 8];
    expect_would_block(one.read_vectored(&mut [IoSliceMut::new(&mut buf)]));
}

#[test]
fn bytes_travel_through_owned_and_borrowed_streams() {
    let (mut poll, mut events, mut one, mut other) = registered_pair(Interest::READABLE);
    other.write_all(b"owned").unwrap();
    other.flush().unwrap();
    expect_readable(&mut poll, &mut events, ONE);
    assert_eq!(drain(&mut one), b"owned");

    (&other).write_all(b"borrowed").unwrap();
    (&other).flush().unwrap();
    expect_readable(&mut poll, &mut events, ONE);
    assert_eq!(drain(&mut &one), b"borrowed");
}

#[test]
fn vectored_bytes_are_gathered_and_scattered() {
    let (mut poll, mut events, mut one, mut other) = registered_pair(Interest::READABLE);
    let slices = [
        IoSlice::new(b"abc"),
        IoSlice::new(b""),
        IoSlice::new(b"defgh"),
    ];
    assert_eq!(other.write_vectored(&slices).unwrap(), 8);
    expect_readable(&mut poll, &mut events, ONE);

    let (mut first, mut second) = ([0; 2], [0; 16]);
    let mut slices = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
    assert_eq!(one.read_vectored(&mut slices).unwrap(), 8);
    assert_eq!(&first, b"ab");
    assert_eq!(&second[..6], b"cdefgh");

    assert_eq!((&other).write_vectored(&[IoSlice::new(b"ij")]).unwrap(), 2);
    expect_readable(&mut poll, &mut events, ONE);
    let mut slices = [IoSliceMut::new(&mut first)];
    assert_eq!((&one).read_vectored(&mut slices).unwrap(), 2);
    assert_eq!(&first, b"ij");
}

#[test]
fn peeking_leaves_the_bytes_there() {
    let (mut poll, mut events, mut one, mut other) = registered_pair(Interest::READABLE);
    other.write_all(b"hello").unwrap();
    expect_readable(&mut poll, &mut events, ONE);
    let mut buf = [0; 16];
    for _ in 0..2 {
        assert_eq!(one.peek(&mut buf).unwrap(), 5);
        assert_eq!(&buf[..5], b"hello");
    }
    assert_eq!(one.peek(&mut buf[..2]).unwrap(), 2);
    assert_eq!(drain(&mut one), b"hello");
}

#[test]
fn options_can_be_set() {
    let (one, _other) = tcp_pair();
    for nodelay in [true, false, true] {
        one.set_nodelay(nodelay).unwrap();
        assert_eq!(one.nodelay().unwrap(), nodelay);
    }
    for ttl in [1, 42, 255] {
        one.set_ttl(ttl).unwrap();
        assert_eq!(one.ttl().unwrap(), ttl);
    }
    for &impossible in IMPOSSIBLE_TTLS {
        let error = one.set_ttl(impossible).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
    assert!(one.take_error().unwrap().is_none());
}

#[test]
fn a_stream_of_the_standard_library_is_taken_over() {
    let listener = net::TcpListener::bind(any_port()).unwrap();
    let one = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let address = one.local_addr().unwrap();
    one.set_nonblocking(true).unwrap();
    let mut one = TcpStream::from_std(one);
    assert_eq!(one.local_addr().unwrap(), address);

    let (mut poll, mut events) = poll_and_events();
    poll.registry().register(&mut one, ONE, BOTH).unwrap();
    expect_writable(&mut poll, &mut events, ONE);
    let (mut other, _) = listener.accept().unwrap();
    other.write_all(b"hello").unwrap();
    expect_readable(&mut poll, &mut events, ONE);
    assert_eq!(drain(&mut one), b"hello");
}

/// Partial transfers in both directions at once, each direction given up only at a
/// `WouldBlock`.
#[test]
fn megabytes_cross_when_every_edge_is_drained() {
    let (one, other) = tcp_pair();
    exchange([one, other], 6 << 20, Until::WouldBlock);
}

/// Edge case 48: the same, each direction given up at a short transfer, too.
#[test]
fn megabytes_cross_when_short_transfers_end_an_edge() {
    let (one, other) = tcp_pair();
    exchange([one, other], 6 << 20, Until::ShortTransfer);
}

#[test]
fn a_half_closed_peer_is_read_closed_and_can_be_written_to() {
    let (mut poll, mut events, mut one, mut other) = registered_pair(BOTH);
    other.write_all(b"last words").unwrap();
    other.shutdown(Shutdown::Write).unwrap();
    let (event, mut bytes) = expect_end(&mut poll, &mut events, ONE, &mut one);
    assert!(event.is_readable());
    assert!(!event.is_write_closed() && !event.is_error());
    bytes.extend(drain(&mut one));
    assert_eq!(bytes, b"last words");
    // The short read may have armed reading once more; its end does not.
    discard_events(&mut poll, &mut events);
    for _ in 0..3 {
        assert_eq!(one.read(&mut [0; 8]).unwrap(), 0);
        expect_silence(&mut poll, &mut events);
    }

    one.write_all(b"answer").unwrap();
    poll.registry()
        .register(&mut other, SECOND, Interest::READABLE)
        .unwrap();
    expect_readable(&mut poll, &mut events, SECOND);
    assert_eq!(drain(&mut other), b"answer");
}

#[test]
fn a_stream_that_both_sides_have_closed_is_closed_both_ways() {
    // AFD reports only what the peer does.
    if AFD {
        return;
    }
    let (mut poll, mut events, one, other) = registered_pair(BOTH);
    other.shutdown(Shutdown::Write).unwrap();
    expect(&mut poll, &mut events, ONE, util::reports_end);
    one.shutdown(Shutdown::Write).unwrap();
    let event = expect(&mut poll, &mut events, ONE, |event| event.is_write_closed());
    // With kqueue the events of the two directions are apart.
    assert_eq!(event.is_read_closed(), !KQUEUE);
}

#[test]
fn nothing_can_be_written_after_shutting_writing_down() {
    let (_poll, _events, mut one, mut other) = registered_pair(BOTH);
    other.write_all(b"still coming").unwrap();
    one.shutdown(Shutdown::Write).unwrap();
    expect_shut_down(one.write(b"too late"));

    // The other direction is as it was.
    let (mut poll, mut events) = poll_and_events();
    poll.registry()
        .register(&mut other, SECOND, Interest::READABLE)
        .unwrap();
    expect(&mut poll, &mut events, SECOND, util::reports_end);
    assert_eq!(other.read(&mut [0; 8]).unwrap(), 0);
    assert_eq!(other.write(b"more").unwrap(), 4);
}

/// As documented, on Linux.
#[test]
#[cfg(target_os = "linux")]
fn shutting_down_twice_succeeds() {
    let (one, _other) = tcp_pair();
    for how in [Shutdown::Read, Shutdown::Write, Shutdown::Both] {
        one.shutdown(how).unwrap();
        one.shutdown(how).unwrap();
    }
}

/// Edge case 33: whether it is reported or not (AFD does not), it says nothing about writing.
#[test]
fn shutting_reading_down_is_reported_as_read_closed() {
    let (mut poll, mut events, mut one, mut other) = registered_pair(Interest::READABLE);
    expect_would_block(one.read(&mut [0; 8]));
    one.shutdown(Shutdown::Read).unwrap();
    if !AFD {
        let event = expect(&mut poll, &mut events, ONE, util::reports_end);
        assert!(event.is_readable() && !event.is_write_closed());
    }
    assert_eq!(one.read(&mut [0; 8]).unwrap(), 0);

    // The peer does not learn of it.
    one.write_all(b"hello").unwrap();
    poll.registry()
        .register(&mut other, SECOND, Interest::READABLE)
        .unwrap();
    let event = expect_readable(&mut poll, &mut events, SECOND);
    assert!(!event.is_read_closed());
    assert_eq!(drain(&mut other), b"hello");

    poll.registry().reregister(&mut one, ONE, BOTH).unwrap();
    let event = expect_writable(&mut poll, &mut events, ONE);
    assert!(!event.is_write_closed() && !event.is_error());
}

#[test]
fn shutting_both_down_closes_both_ways() {
    let (mut poll, mut events, mut one, _other) = registered_pair(BOTH);
    expect_writable(&mut poll, &mut events, ONE);
    one.shutdown(Shutdown::Both).unwrap();
    let closed = [Event::is_read_closed, Event::is_write_closed];
    // AFD reports only what the peer does.
    if !AFD {
        expect_all(&mut poll, &mut events, ONE, &closed);
    }
    assert_eq!(one.read(&mut [0; 8]).unwrap(), 0);
    expect_shut_down(one.write(b"too late"));
}

#[test]
fn a_reset_is_an_error_and_closes_both_ways() {
    let (mut poll, mut events, mut one, other) = registered_pair(BOTH);
    expect_writable(&mut poll, &mut events, ONE);
    reset_on_close(&other);
    drop(other);
    expect_all(
        &mut poll,
        &mut events,
        ONE,
        &[
            Event::is_error,
            Event::is_readable,
            Event::is_read_closed,
            Event::is_write_closed,
        ],
    );
    discard_events(&mut poll, &mut events);

    let error = one.read(&mut [0; 8]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    if AFD {
        // Every operation returns it.
        let error = one.read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        return;
    }
    // The error is returned once.
    assert!(one.take_error().unwrap().is_none());
    assert_eq!(one.read(&mut [0; 8]).unwrap(), 0);
    let error = one.peer_addr().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotConnected);
}

/// On Windows every operation returns it.
#[test]
#[cfg(unix)]
fn the_error_of_a_reset_can_be_taken() {
    let (mut poll, mut events, one, other) = registered_pair(Interest::READABLE);
    reset_on_close(&other);
    drop(other);
    expect(&mut poll, &mut events, ONE, |event| event.is_error());
    let error = one.take_error().unwrap().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert!(one.take_error().unwrap().is_none());
}

/// Where there are signals.
#[cfg(unix)]
mod signals {
    /// Whether SIGPIPE waits for the calling thread, which must have blocked it.
    pub(super) fn sigpipe_is_pending() -> bool {
        let mut pending = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: the first call fills the set in, the second one only reads it.
        unsafe {
            assert_eq!(libc::sigpending(pending.as_mut_ptr()), 0);
            libc::sigismember(pending.as_ptr(), libc::SIGPIPE) == 1
        }
    }

    /// While a signal is blocked it stays pending for the thread that caused it, although
    /// the test harness has the process ignore it.
    pub(super) fn block_sigpipe() {
        let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: the set is filled in before it is used, and the former mask is not asked
        // for.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            libc::sigaddset(set.as_mut_ptr(), libc::SIGPIPE);
            let null = std::ptr::null_mut();
            assert_eq!(
                libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), null),
                0
            );
        }
    }
}

#[test]
fn writing_to_a_closed_peer_is_an_error_and_no_signal() {
    #[cfg(unix)]
    signals::block_sigpipe();
    let (mut poll, mut events, mut one, other) = registered_pair(BOTH);
    drop(other);
    expect(&mut poll, &mut events, ONE, util::reports_end);
    // That there is no receiver becomes known only by the reply.
    assert_eq!(one.write(b"hello").unwrap(), 5);
    watch_again(&poll, &mut one);
    expect(&mut poll, &mut events, ONE, |event| event.is_write_closed());
    for _ in 0..3 {
        let kind = one.write(b"more").unwrap_err().kind();
        assert!(is_the_end(kind), "{kind:?}");
    }
    #[cfg(unix)]
    assert!(!signals::sigpipe_is_pending());
}

/// With AFD nothing is watched as long as nothing that was reported has been used up.
fn watch_again(poll: &Poll, stream: &mut TcpStream) {
    if AFD {
        poll.registry().reregister(stream, ONE, BOTH).unwrap();
    }
}

fn is_the_end(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}

#[test]
fn writing_slices_to_a_closed_peer_is_an_error() {
    let (mut poll, mut events, mut one, other) = registered_pair(BOTH);
    drop(other);
    expect(&mut poll, &mut events, ONE, util::reports_end);
    let slices = [IoSlice::new(b"hel"), IoSlice::new(b"lo")];
    assert_eq!(one.write_vectored(&slices).unwrap(), 5);
    watch_again(&poll, &mut one);
    expect(&mut poll, &mut events, ONE, |event| event.is_write_closed());
    let kind = one.write_vectored(&slices).unwrap_err().kind();
    assert!(is_the_end(kind), "{kind:?}");
}

#[test]
fn a_custom_operation_is_run_once_and_returns_its_own_result() {
    let (mut poll, mut events, one, mut other) = registered_pair(Interest::READABLE);
    let mut buf = [0; 16];
    expect_would_block(one.try_io(|| raw_recv(&one, &mut buf)));
    other.write_all(b"hello").unwrap();
    expect_readable(&mut poll, &mut events, ONE);
    assert_eq!(one.try_io(|| raw_recv(&one, &mut buf)).unwrap(), 5);
    assert_eq!(&buf[..5], b"hello");

    let mut runs = 0;
    let result = one.try_io(|| {
        runs += 1;
        Err::<(), _>(io::Error::from(io::ErrorKind::Unsupported))
    });
    assert_eq!(result.unwrap_err().kind(), io::ErrorKind::Unsupported);
    assert_eq!(one.try_io(|| Ok("any type")).unwrap(), "any type");
    assert_eq!(runs, 1);
}

/// Out-of-band data, which Linux makes events of.
#[cfg(target_os = "linux")]
mod urgent {
    use std::os::fd::{AsFd, AsRawFd};

    use super::*;
    use crate::util::EVENT_PORT;

    fn recv(stream: &TcpStream, buf: &mut [u8], flags: libc::c_int) -> io::Result<usize> {
        let fd = stream.as_raw_fd();
        // SAFETY: `buf` is valid for writes of `buf.len()` bytes.
        let received = unsafe { libc::recv(fd, buf.as_mut_ptr().cast(), buf.len(), flags) };
        usize::try_from(received).map_err(|_| io::Error::last_os_error())
    }

    /// Sends one byte out of band.
    fn send_urgent(stream: &TcpStream, byte: u8) {
        let fd = stream.as_raw_fd();
        // SAFETY: the pointer and the length are those of `byte`, which lives through the
        // call.
        let sent = unsafe { libc::send(fd, std::ptr::addr_of!(byte).cast(), 1, libc::MSG_OOB) };
        assert_eq!(sent, 1, "{}", io::Error::last_os_error());
    }

    /// Edge case 18: without interest in it, urgent data causes no event.
    ///
    /// A second poll, which has the interest, reports when the byte has arrived.
    #[test]
    fn urgent_data_is_no_event_without_priority() {
        // kqueue and event ports have no witness.
        if KQUEUE || EVENT_PORT {
            return;
        }
        let (mut poll, mut events, mut one, other) = registered_pair(Interest::READABLE);
        let (mut witness, mut witnessed) = poll_and_events();
        let duplicate = one.as_fd().try_clone_to_owned().unwrap();
        let mut duplicate = TcpStream::from(duplicate);
        witness
            .registry()
            .register(&mut duplicate, SECOND, Interest::PRIORITY)
            .unwrap();

        send_urgent(&other, b'!');
        expect(&mut witness, &mut witnessed, SECOND, |event| {
            event.is_priority()
        });
        expect_silence(&mut poll, &mut events);
        expect_would_block(one.read(&mut [0; 8]));
        expect_silence(&mut poll, &mut events);

        // Nor under level triggering, which would have no end.
        poll.registry()
            .reregister(&mut one, ONE, Interest::READABLE.level())
            .unwrap();
        for _ in 0..3 {
            expect_silence(&mut poll, &mut events);
        }
    }

    /// Edge case 18: with interest in it, urgent data is reported, once per byte.
    #[test]
    fn urgent_data_is_priority_and_readable_with_interest_in_it() {
        // kqueue and event ports have no such thing.
        if KQUEUE || EVENT_PORT {
            return;
        }
        let (mut poll, mut events, one, other) =
            registered_pair(Interest::READABLE | Interest::PRIORITY);
        for byte in [b'!', b'?', b'.'] {
            send_urgent(&other, byte);
            let event = expect(&mut poll, &mut events, ONE, |event| event.is_priority());
            assert!(event.is_readable());
            assert!(!event.is_error() && !event.is_read_closed());
            expect_silence(&mut poll, &mut events);

            let mut buf = [0; 8];
            let urgent = one.try_io(|| recv(&one, &mut buf, libc::MSG_OOB)).unwrap();
            assert_eq!(&buf[..urgent], [byte]);
            // There is one such byte at a time; asking in vain arms the direction anew.
            let again = one.try_io(|| recv(&one, &mut buf, libc::MSG_OOB));
            assert_eq!(again.unwrap_err().kind(), io::ErrorKind::InvalidInput);
            expect_silence(&mut poll, &mut events);
        }
    }

    /// Edge case 18: urgent data that is not received is not reported again because the ordinary
    /// data before it is read.
    #[test]
    fn urgent_data_that_is_left_there_is_not_reported_again() {
        // kqueue and event ports have no such thing.
        if KQUEUE || EVENT_PORT {
            return;
        }
        let (mut poll, mut events, mut one, mut other) =
            registered_pair(Interest::READABLE | Interest::PRIORITY);
        other.write_all(b"abc").unwrap();
        send_urgent(&other, b'!');
        expect(&mut poll, &mut events, ONE, |event| event.is_priority());
        // A read ends before the urgent byte, and is short.
        let mut buf = [0; 64];
        assert_eq!(one.read(&mut buf).unwrap(), 3);
        expect_silence(&mut poll, &mut events);
        let urgent = one.try_io(|| recv(&one, &mut buf, libc::MSG_OOB)).unwrap();
        assert_eq!(&buf[..urgent], b"!");
        expect_would_block(one.read(&mut buf));
        expect_silence(&mut poll, &mut events);
    }

    /// Edge case 18: ordinary data come as ever beside urgent data.
    #[test]
    fn ordinary_data_is_not_priority() {
        let (mut poll, mut events, mut one, mut other) =
            registered_pair(Interest::READABLE | Interest::PRIORITY);
        other.write_all(b"ordinary").unwrap();
        let event = expect_readable(&mut poll, &mut events, ONE);
        assert!(!event.is_priority());
        assert_eq!(drain(&mut one), b"ordinary");
    }
}

#[test]
fn a_dropped_stream_is_forgotten_and_closed() {
    let (mut poll, mut events, one, mut other) = registered_pair(Interest::READABLE);
    drop(one);
    poll.registry()
        .register(&mut other, SECOND, Interest::READABLE)
        .unwrap();
    expect(&mut poll, &mut events, SECOND, util::reports_end);
    assert_eq!(other.read(&mut [0; 8]).unwrap(), 0);
    // Writing to it would fail, but the dropped stream has no events left.
    other.write_all(b"hello").unwrap();
    if AFD {
        // Which watches it again, because the end was reported, and cannot be used up.
        let (registry, interest) = (poll.registry(), Interest::READABLE);
        registry.reregister(&mut other, SECOND, interest).unwrap();
    }
    let event = expect(&mut poll, &mut events, SECOND, |event| event.is_error());
    // Without interest in writing, kqueue reports nothing of it.
    assert_eq!(event.is_write_closed(), !KQUEUE);
    assert!(events.iter().all(|event| event.token() == SECOND));
}
