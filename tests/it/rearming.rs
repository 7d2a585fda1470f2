//! When an edge-triggered direction that was reported is reported again.
//!
//! epoll leaves that to the kernel, poll(2) and AFD to this crate; a program must not be able to
//! distinguish them. What the documentation leaves open is not tested: whether data that
//! arrives before the source was drained has an event of its own.
#![cfg(all(
    feature = "os-poll",
    feature = "net",
    feature = "os-ext",
    any(windows, unix)
))]

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net;
use std::time::{Duration, Instant};

use crate::util::{
    self, any_port, discard_events, drain, drain_all, expect, expect_all, expect_readable,
    expect_silence, expect_silence_after_the_end, expect_would_block, expect_writable, fill,
    poll_and_events, raw_recv, std_tcp_pair, stream_pair, tcp_pair, udp_pair, StdStream, Stream,
    EMULATED_EDGES, KQUEUE, LONG,
};
use mio::event::{Event, Source};
use mio::net::{TcpListener, TcpStream, UdpSocket};
#[cfg(unix)]
use mio::net::{UnixDatagram, UnixListener, UnixStream};
#[cfg(unix)]
use mio::unix::pipe;
use mio::{Events, Interest, IoSource, Poll, Token};
use socket2::Socket;
#[cfg(unix)]
use util::{temporary_path, FULL_RECEIVER_BLOCKS};

const RECEIVER: Token = Token(1);
const PEER: Token = Token(2);
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// What is read from in these tests.
trait Receive: Source + Read {}

impl<T: Source + Read> Receive for T {}

/// A receiver and the sender to it.
struct Lane {
    name: &'static str,
    receiver: Box<dyn Receive>,
    sender: Box<dyn Write>,
    /// Whether the receiver can be written to as well.
    is_two_way: bool,
    /// Whether the receiver is an `IoSource`, which every read arms where edges are emulated.
    is_any: bool,
}

impl Lane {
    fn new(
        name: &'static str,
        receiver: impl Receive + 'static,
        sender: impl Write + 'static,
    ) -> Lane {
        Lane {
            name,
            receiver: Box::new(receiver),
            sender: Box::new(sender),
            is_two_way: true,
            is_any: false,
        }
    }

    fn any(self) -> Lane {
        Lane {
            is_any: true,
            ..self
        }
    }

    #[cfg(unix)]
    fn one_way(self) -> Lane {
        Lane {
            is_two_way: false,
            ..self
        }
    }

    /// Closes the sender.
    fn end(&mut self) {
        self.sender = Box::new(io::sink());
    }

    /// Registers the receiver, and takes the event of its being writable.
    fn register(&mut self, interest: Interest) -> (Poll, Events) {
        // Shown if the test fails.
        println!("{}", self.name);
        let (mut poll, mut events) = poll_and_events();
        poll.registry()
            .register(&mut self.receiver, RECEIVER, interest)
            .unwrap();
        if interest.is_writable() {
            expect_writable(&mut poll, &mut events, RECEIVER);
        }
        expect_silence(&mut poll, &mut events);
        (poll, events)
    }

    /// What the receiver can be registered for.
    fn most(&self) -> Interest {
        if self.is_two_way {
            BOTH
        } else {
            Interest::READABLE
        }
    }

    /// Sends `bytes`, and waits for the receiver's event.
    fn send(&mut self, bytes: &[u8], poll: &mut Poll, events: &mut Events) -> Event {
        assert_eq!(self.sender.write(bytes).unwrap(), bytes.len());
        expect_readable(poll, events, RECEIVER)
    }

    /// Reads once, into a buffer of `room` bytes; the number of bytes read.
    fn read(&mut self, room: usize) -> io::Result<usize> {
        self.receiver.read(&mut vec![0; room])
    }
}

/// Byte streams of every kind.
fn streams() -> Vec<Lane> {
    let (tcp_receiver, tcp_sender) = tcp_pair();
    let [(std_receiver, std_sender), (receiver, sender)] = [std_tcp_pair(), std_tcp_pair()];
    let std_receiver = IoSource::new(std_receiver);
    let receiver = IoSource::new(Socket::from(receiver));
    #[allow(unused_mut)] // There may be no others.
    let mut streams = vec![
        Lane::new("tcp", tcp_receiver, tcp_sender),
        Lane::new("tcp of the standard library", std_receiver, std_sender).any(),
        Lane::new("tcp of socket2", receiver, sender).any(),
    ];
    #[cfg(unix)]
    {
        let (sender, receiver) = pipe::new().unwrap();
        let receiver = IoSource::new(std::fs::File::from(std::os::fd::OwnedFd::from(receiver)));
        streams.push(
            Lane::new("pipe as a file", receiver, sender)
                .one_way()
                .any(),
        );
        let (receiver, sender) = UnixStream::pair().unwrap();
        streams.push(Lane::new("unix stream", receiver, sender));
        let (sender, receiver) = pipe::new().unwrap();
        streams.push(Lane::new("pipe", receiver, sender).one_way());
    }
    streams
}

/// Sockets for datagrams of every kind.
fn datagram_sockets() -> Vec<Lane> {
    let (receiver, sender) = udp_pair();
    let (any, sender_to_any) = udp_pair();
    let any = Datagrams(IoSource::new(net::UdpSocket::from(any)));
    #[allow(unused_mut)] // There may be no others.
    let mut sockets = vec![
        Lane::new("udp", Datagrams(receiver), Datagrams(sender)),
        Lane::new("udp of the standard library", any, Datagrams(sender_to_any)),
    ];
    #[cfg(unix)]
    {
        let (receiver, sender) = UnixDatagram::pair().unwrap();
        let (receiver, sender) = (Datagrams(receiver), Datagrams(sender));
        sockets.push(Lane::new("unix datagram", receiver, sender));
    }
    sockets
}

/// Adds reading and writing, by receiving and sending, to a datagram socket.
use crate::util::Wrapper as Datagrams;

macro_rules! impl_datagrams {
    ($type:ty) => {
        impl Read for Datagrams<$type> {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.0.recv(buf)
            }
        }

        impl Write for Datagrams<$type> {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.0.send(buf)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    };
}

impl_datagrams!(UdpSocket);
#[cfg(unix)]
impl_datagrams!(UnixDatagram);

impl Read for Datagrams<IoSource<net::UdpSocket>> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.try_io(Interest::READABLE, |socket| socket.recv(buf))
    }
}

/// Edge case 23: the rule itself, over everything that can be read from.
#[test]
fn after_a_full_drain_new_data_is_a_new_event() {
    for mut lane in streams().into_iter().chain(datagram_sockets()) {
        let (mut poll, mut events) = lane.register(lane.most());
        for _ in 0..10 {
            lane.send(b"hello", &mut poll, &mut events);
            assert_eq!(drain(&mut lane.receiver), b"hello");
            expect_silence(&mut poll, &mut events);
        }
    }
}

/// Edge case 48: a short read has emptied the buffer, and programs take it for that.
#[test]
fn after_a_short_read_new_data_is_a_new_event() {
    for mut lane in streams() {
        let (mut poll, mut events) = lane.register(lane.most());
        for _ in 0..10 {
            lane.send(b"hello", &mut poll, &mut events);
            assert_eq!(lane.read(64).unwrap(), 5);
            expect_silence(&mut poll, &mut events);
        }
    }
}

/// Edge case 48: the same for a read into several buffers.
#[test]
fn after_a_short_vectored_read_new_data_is_a_new_event() {
    for mut lane in streams() {
        let (mut poll, mut events) = lane.register(lane.most());
        for _ in 0..5 {
            lane.send(b"hello", &mut poll, &mut events);
            assert_eq!(read_slices(&mut lane.receiver).unwrap(), 5);
            expect_silence(&mut poll, &mut events);
        }
    }
}

/// Edge cases 23 and 48: the read that fills its buffer says nothing yet; the one after
/// it does, by a `WouldBlock`, or by being short.
#[test]
fn after_a_read_that_fills_the_buffer_the_next_one_counts() {
    for mut lane in streams() {
        let (mut poll, mut events) = lane.register(lane.most());
        for _ in 0..5 {
            lane.send(b"12345678", &mut poll, &mut events);
            assert_eq!(lane.read(8).unwrap(), 8);
            expect_silence(&mut poll, &mut events);
            expect_would_block(lane.read(8));
            expect_silence(&mut poll, &mut events);

            lane.send(b"12345678abc", &mut poll, &mut events);
            assert_eq!(lane.read(8).unwrap(), 8);
            if KQUEUE && lane.name.starts_with("pipe") || EMULATED_EDGES && lane.is_any {
                // Data that a read has left is reported again, in a pipe and in any object.
                expect_readable(&mut poll, &mut events, RECEIVER);
            }
            expect_silence(&mut poll, &mut events);
            assert_eq!(lane.read(8).unwrap(), 3);
            expect_silence(&mut poll, &mut events);
        }
    }
}

/// Edge case 49: whatever a read returns, it does not rearm writing.
#[test]
fn reading_causes_no_event_of_writing() {
    for mut lane in streams().into_iter().chain(datagram_sockets()) {
        if !lane.is_two_way {
            continue;
        }
        let (mut poll, mut events) = lane.register(BOTH);
        for _ in 0..3 {
            expect_would_block(lane.read(8));
            expect_silence(&mut poll, &mut events);
            lane.send(b"12345", &mut poll, &mut events);
            assert_eq!(lane.read(64).unwrap(), 5);
            expect_silence(&mut poll, &mut events);
        }
    }
}

/// Edge case 49: where events are composed here, an event of reading does not even mention
/// writing, which was reported and has not been tried since.
#[test]
fn an_event_of_reading_does_not_mention_writing() {
    if !EMULATED_EDGES {
        // An event of epoll contains all conditions of the descriptor.
        return;
    }
    for mut lane in streams().into_iter().chain(datagram_sockets()) {
        let (mut poll, mut events) = lane.register(lane.most());
        for _ in 0..3 {
            let event = lane.send(b"hello", &mut poll, &mut events);
            assert!(!event.is_writable());
            assert_eq!(drain(&mut lane.receiver), b"hello");
        }
    }
}

/// Edge case 49, in the other direction: bytes that wait to be read, and were reported,
/// are not reported because writing would block.
#[test]
fn writing_causes_no_event_of_reading() {
    let (mut poll, mut events) = poll_and_events();
    let (mut one, mut other) = stream_pair();
    other.write_all(b"unread").unwrap();
    poll.registry().register(&mut one, RECEIVER, BOTH).unwrap();
    expect_all(
        &mut poll,
        &mut events,
        RECEIVER,
        &[Event::is_readable, Event::is_writable],
    );
    for _ in 0..3 {
        let written = fill(&mut one);
        expect_silence(&mut poll, &mut events);
        drain_all(&mut other, written);
        let event = expect_writable(&mut poll, &mut events, RECEIVER);
        // An event of epoll contains all conditions of the descriptor.
        assert_eq!(event.is_readable(), !EMULATED_EDGES && !KQUEUE);
        expect_silence(&mut poll, &mut events);
    }
}

/// Edge cases 23 and 49: while one direction is stuck, the other lives.
#[test]
fn reading_goes_on_while_writing_is_blocked() {
    let (mut poll, mut events) = poll_and_events();
    let (mut one, mut other) = stream_pair();
    poll.registry().register(&mut one, RECEIVER, BOTH).unwrap();
    expect_writable(&mut poll, &mut events, RECEIVER);
    fill(&mut one);
    for _ in 0..5 {
        expect_silence(&mut poll, &mut events);
        other.write_all(b"hello").unwrap();
        let event = expect_readable(&mut poll, &mut events, RECEIVER);
        assert!(!event.is_writable());
        assert_eq!(drain(&mut one), b"hello");
    }
    drain(&mut other);
    expect_writable(&mut poll, &mut events, RECEIVER);
}

#[test]
fn writing_goes_on_while_nothing_is_read() {
    let (mut poll, mut events) = poll_and_events();
    let (mut one, mut other) = stream_pair();
    other.write_all(b"unread").unwrap();
    poll.registry().register(&mut one, RECEIVER, BOTH).unwrap();
    for _ in 0..5 {
        expect_writable(&mut poll, &mut events, RECEIVER);
        let written = fill(&mut one);
        drain_all(&mut other, written);
    }
    assert_eq!(drain(&mut one), b"unread");
}

/// Windows takes the whole or nothing.
#[cfg(unix)]
mod short_writes {
    use super::*;

    /// Edge case 48: a short write has filled the buffer, and programs take it for that.
    #[test]
    fn after_a_short_write_new_room_is_a_new_event() {
        let (tcp_sender, tcp_receiver) = tcp_pair();
        arms_writing("tcp", tcp_sender, tcp_receiver);
        let (unix_sender, unix_receiver) = UnixStream::pair().unwrap();
        arms_writing("unix stream", unix_sender, unix_receiver);
        let (pipe_sender, pipe_receiver) = pipe::new().unwrap();
        arms_writing("pipe", pipe_sender, pipe_receiver);
        let (one, other) = std_tcp_pair();
        arms_writing("any", IoSource::new(one), IoSource::new(other));
    }

    /// Larger than the buffers between two TCP sockets.
    const MUCH: usize = 32 << 20;

    fn arms_writing(name: &str, mut sender: impl Source + Write, mut receiver: impl Source + Read) {
        println!("{name}");
        let (mut poll, mut events) = poll_and_events();
        let registry = poll.registry().try_clone().unwrap();
        registry
            .register(&mut sender, PEER, Interest::WRITABLE)
            .unwrap();
        registry
            .register(&mut receiver, RECEIVER, Interest::READABLE)
            .unwrap();
        let much = vec![7; MUCH];
        for vectored in [false, true, false] {
            expect_writable(&mut poll, &mut events, PEER);
            let written = if vectored {
                let (one, other) = much.split_at(MUCH / 2);
                sender
                    .write_vectored(&[IoSlice::new(one), IoSlice::new(other)])
                    .unwrap()
            } else {
                sender.write(&much).unwrap()
            };
            assert!(written < MUCH, "the write is not short");

            // The receiver has an event when there is more to read; as soon as there is enough
            // room, the sender has one, too.
            let (mut received, mut is_writable) = (0, false);
            loop {
                received += drain(&mut receiver).len();
                if received == written && is_writable {
                    break;
                }
                util::poll(&mut poll, &mut events, Some(LONG));
                assert!(!events.is_empty(), "stuck at {received} of {written}");
                is_writable |= events.iter().any(|event| event.token() == PEER);
            }
            registry
                .reregister(&mut sender, PEER, Interest::WRITABLE)
                .unwrap();
        }
    }
}

/// An operation that reads from `T`, and its name.
type Reading<T> = (&'static str, fn(&mut T) -> io::Result<usize>);

/// Makes each of `operations` return `WouldBlock` after an event whose bytes were taken by a
/// read that fills its buffer, which by itself arms nothing.
fn reading_arms<T: Source + Read, S: Write>(
    mut receiver: T,
    mut sender: S,
    operations: &[Reading<T>],
) {
    let (mut poll, mut events) = poll_and_events();
    poll.registry()
        .register(&mut receiver, RECEIVER, Interest::READABLE)
        .unwrap();
    for (name, operation) in operations {
        println!("{name}");
        for _ in 0..2 {
            sender.write_all(b"hello").unwrap();
            expect_readable(&mut poll, &mut events, RECEIVER);
            receiver.read_exact(&mut [0; 5]).unwrap();
            expect_would_block(operation(&mut receiver));
            expect_silence(&mut poll, &mut events);
        }
    }
    // The last of them has armed it, too.
    sender.write_all(b"hello").unwrap();
    expect_readable(&mut poll, &mut events, RECEIVER);
}

fn read_slices(receiver: &mut impl Read) -> io::Result<usize> {
    let (mut one, mut other) = ([0; 4], [0; 4]);
    receiver.read_vectored(&mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut other)])
}

#[cfg(unix)]
fn raw_read(fd: &impl std::os::fd::AsRawFd) -> io::Result<usize> {
    let mut buf = [0_u8; 8];
    // SAFETY: the pointer and the length are those of `buf`.
    let len = unsafe { libc::read(fd.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len()) };
    usize::try_from(len).map_err(|_| io::Error::last_os_error())
}

/// Edge case 23: every method that can return `WouldBlock` arms its direction.
#[test]
fn every_read_of_a_stream_that_would_block_arms_reading() {
    let (receiver, sender) = tcp_pair();
    let operations: [Reading<TcpStream>; 5] = [
        ("read", |it| it.read(&mut [0; 8])),
        ("borrowed read", |it| (&*it).read(&mut [0; 8])),
        ("read_vectored", read_slices),
        ("peek", |it| it.peek(&mut [0; 8])),
        ("try_io", |it| it.try_io(|| raw_recv(it, &mut [0; 8]))),
    ];
    reading_arms(receiver, sender, &operations);

    let (receiver, sender) = std_tcp_pair();
    let operations: [Reading<IoSource<net::TcpStream>>; 5] = [
        ("read", |it| it.read(&mut [0; 8])),
        ("borrowed read", |it| (&*it).read(&mut [0; 8])),
        ("read_vectored", read_slices),
        ("try_io", |it| {
            it.try_io(Interest::READABLE, |it| it.peek(&mut [0; 8]))
        }),
        ("try_io of both directions", |it| {
            it.try_io(BOTH, |it| raw_recv(it, &mut [0; 8]))
        }),
    ];
    reading_arms(IoSource::new(receiver), sender, &operations);
}

/// Edge case 23: the same for the streams of Unix.
#[test]
#[cfg(unix)]
fn every_read_of_a_unix_stream_that_would_block_arms_reading() {
    let (receiver, sender) = UnixStream::pair().unwrap();
    let operations: [Reading<UnixStream>; 4] = [
        ("read", |it| it.read(&mut [0; 8])),
        ("borrowed read", |it| (&*it).read(&mut [0; 8])),
        ("read_vectored", read_slices),
        ("try_io", |it| it.try_io(|| raw_recv(it, &mut [0; 8]))),
    ];
    reading_arms(receiver, sender, &operations);

    let (sender, receiver) = pipe::new().unwrap();
    let operations: [Reading<pipe::Receiver>; 4] = [
        ("read", |it| it.read(&mut [0; 8])),
        ("borrowed read", |it| (&*it).read(&mut [0; 8])),
        ("read_vectored", read_slices),
        ("try_io", |it| it.try_io(|| raw_read(it))),
    ];
    reading_arms(receiver, sender, &operations);
}

/// Edge case 23: the same for datagrams, of which no length arms anything.
#[test]
fn every_receive_that_would_block_arms_receiving() {
    let (receiver, sender) = udp_pair();
    let operations: [Reading<Datagrams<UdpSocket>>; 5] = [
        ("recv", |it| it.0.recv(&mut [0; 8])),
        ("recv_from", |it| {
            it.0.recv_from(&mut [0; 8]).map(|(len, _)| len)
        }),
        ("peek", |it| it.0.peek(&mut [0; 8])),
        ("peek_from", |it| {
            it.0.peek_from(&mut [0; 8]).map(|(len, _)| len)
        }),
        ("try_io", |it| it.0.try_io(|| raw_recv(&it.0, &mut [0; 8]))),
    ];
    reading_arms(Datagrams(receiver), Datagrams(sender), &operations);

    #[cfg(unix)]
    {
        let (receiver, sender) = UnixDatagram::pair().unwrap();
        let operations: [Reading<Datagrams<UnixDatagram>>; 3] = [
            ("recv", |it| it.0.recv(&mut [0; 8])),
            ("recv_from", |it| {
                it.0.recv_from(&mut [0; 8]).map(|(len, _)| len)
            }),
            ("try_io", |it| it.0.try_io(|| raw_recv(&it.0, &mut [0; 8]))),
        ];
        reading_arms(Datagrams(receiver), Datagrams(sender), &operations);
    }
}

/// Edge case 23: an `accept` that returns `WouldBlock` arms a listener.
#[test]
fn an_accept_that_would_block_arms_a_listener() {
    let (mut poll, mut events) = poll_and_events();
    let mut listener = TcpListener::bind(any_port()).unwrap();
    let address = listener.local_addr().unwrap();
    poll.registry()
        .register(&mut listener, RECEIVER, Interest::READABLE)
        .unwrap();
    for _ in 0..5 {
        let _client = net::TcpStream::connect(address).unwrap();
        expect_readable(&mut poll, &mut events, RECEIVER);
        listener.accept().unwrap();
        expect_would_block(listener.accept());
        expect_silence(&mut poll, &mut events);
    }
}

/// Edge case 23: the same for a listener of Unix.
#[test]
#[cfg(unix)]
fn an_accept_that_would_block_arms_a_unix_listener() {
    let (mut poll, mut events) = poll_and_events();
    let path = temporary_path("arming");
    let mut listener = UnixListener::bind(&path).unwrap();
    poll.registry()
        .register(&mut listener, RECEIVER, Interest::READABLE)
        .unwrap();
    for _ in 0..5 {
        let _client = UnixStream::connect(&path).unwrap();
        expect_readable(&mut poll, &mut events, RECEIVER);
        listener.accept().unwrap();
        expect_would_block(listener.accept());
        expect_silence(&mut poll, &mut events);
    }
    std::fs::remove_file(path).unwrap();
}

/// The errors of a process or a system that lacks descriptors or memory.
#[cfg(unix)]
const SHORTAGES: [i32; 4] = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
/// `WSAEMFILE`, `WSAENOBUFS` and `WSA_NOT_ENOUGH_MEMORY`.
#[cfg(windows)]
const SHORTAGES: [i32; 3] = [10024, 10055, 8];

/// Another attempt would fail too: a loop that ignores the error must not spin. Where edges are
/// emulated, a listener is reported again after a pause, elsewhere not at all.
#[test]
fn a_listener_that_lacks_something_pauses() {
    for code in SHORTAGES {
        let mut source = IoSource::new(net::TcpListener::bind(any_port()).unwrap());
        source.get_ref().set_nonblocking(true).unwrap();
        let address = source.get_ref().local_addr().unwrap();
        let (mut poll, mut events) = poll_and_events();
        poll.registry()
            .register(&mut source, RECEIVER, Interest::READABLE)
            .unwrap();
        let fail = |source: &IoSource<net::TcpListener>| {
            let result = source.try_io(Interest::READABLE, |_| -> io::Result<()> {
                Err(io::Error::from_raw_os_error(code))
            });
            assert_eq!(result.unwrap_err().raw_os_error(), Some(code));
        };
        let _client = net::TcpStream::connect(address).unwrap();
        expect_readable(&mut poll, &mut events, RECEIVER);
        fail(&source);
        if !EMULATED_EDGES {
            expect_silence(&mut poll, &mut events);
            continue;
        }
        let start = Instant::now();
        for _ in 0..5 {
            expect_readable(&mut poll, &mut events, RECEIVER);
            fail(&source);
        }
        let elapsed = start.elapsed();
        assert!(elapsed >= 5 * ALMOST_A_PAUSE, "{code}: {elapsed:?}");

        // The same if the thread that accepts is not the one that polls.
        expect_readable(&mut poll, &mut events, RECEIVER);
        let start = Instant::now();
        for _ in 0..5 {
            util::poll_while(&mut poll, &mut events, Some(LONG), || fail(&source));
            assert!(!events.is_empty(), "{code}");
        }
        let elapsed = start.elapsed();
        assert!(elapsed >= 5 * ALMOST_A_PAUSE, "{code}: {elapsed:?}");

        // The same after a pause that a timeout has cut short, and another registration.
        fail(&source);
        util::poll(&mut poll, &mut events, Some(Duration::from_millis(1)));
        poll.registry()
            .reregister(&mut source, RECEIVER, Interest::READABLE)
            .unwrap();
        fail(&source);
        let start = Instant::now();
        expect_readable(&mut poll, &mut events, RECEIVER);
        for _ in 0..5 {
            fail(&source);
            expect_readable(&mut poll, &mut events, RECEIVER);
        }
        let elapsed = start.elapsed();
        assert!(elapsed >= 5 * ALMOST_A_PAUSE, "{code}: {elapsed:?}");
        source
            .try_io(Interest::READABLE, net::TcpListener::accept)
            .unwrap();
    }
}

/// The pause, less what clocks differ by.
const ALMOST_A_PAUSE: Duration = Duration::from_millis(9);

/// An operation that writes to `T`, and its name.
type Writing<T> = (&'static str, fn(&mut T) -> io::Result<usize>);

/// Makes each of `operations` return `WouldBlock` when there is no room.
///
/// The room is used up through a duplicate, without the source.
fn writing_arms<T: Source>(
    mut sender: T,
    mut duplicate: impl Write,
    mut receiver: impl Read,
    operations: &[Writing<T>],
) {
    let (mut poll, mut events) = poll_and_events();
    poll.registry()
        .register(&mut sender, RECEIVER, Interest::WRITABLE)
        .unwrap();
    expect_writable(&mut poll, &mut events, RECEIVER);
    for (name, operation) in operations {
        println!("{name}");
        for _ in 0..2 {
            fill(&mut duplicate);
            expect_would_block(operation(&mut sender));
            expect_silence(&mut poll, &mut events);
            drain(&mut receiver);
            expect_writable(&mut poll, &mut events, RECEIVER);
            discard_events(&mut poll, &mut events);
        }
    }
}

const SOME: [u8; 2048] = [7; 2048];

#[cfg(unix)]
fn raw_write(fd: &impl std::os::fd::AsRawFd) -> io::Result<usize> {
    // SAFETY: the pointer and the length are those of `SOME`.
    let len = unsafe { libc::write(fd.as_raw_fd(), SOME.as_ptr().cast(), SOME.len()) };
    usize::try_from(len).map_err(|_| io::Error::last_os_error())
}

/// Edge case 23, for writing.
#[test]
fn every_write_that_would_block_arms_writing() {
    let (sender, receiver) = stream_pair();
    let duplicate = socket2::SockRef::from(&sender).try_clone().unwrap();
    let duplicate = Stream::from_std(duplicate.into());
    let operations: [Writing<Stream>; 4] = [
        ("write", |it| it.write(&SOME)),
        ("borrowed write", |it| (&*it).write(&SOME)),
        ("write_vectored", |it| {
            it.write_vectored(&[IoSlice::new(&SOME)])
        }),
        ("try_io", |it| {
            it.try_io(|| socket2::SockRef::from(&*it).send(&SOME))
        }),
    ];
    writing_arms(sender, duplicate, receiver, &operations);

    let (sender, receiver) = stream_pair();
    let duplicate = socket2::SockRef::from(&sender).try_clone().unwrap();
    let duplicate = Stream::from_std(duplicate.into());
    let operations: [Writing<IoSource<StdStream>>; 4] = [
        ("write", |it| it.write(&SOME)),
        ("borrowed write", |it| (&*it).write(&SOME)),
        ("write_vectored", |it| {
            it.write_vectored(&[IoSlice::new(&SOME)])
        }),
        ("try_io", |it| {
            it.try_io(Interest::WRITABLE, |mut it| it.write(&SOME))
        }),
    ];
    let sender = IoSource::new(StdStream::from(sender));
    writing_arms(sender, duplicate, receiver, &operations);
}

/// Edge case 23, for writing to pipes and Unix datagram sockets.
#[test]
#[cfg(unix)]
fn every_write_that_would_block_arms_writing_on_unix() {
    let (sender, receiver) = pipe::new().unwrap();
    let duplicate = pipe::Sender::from(duplicate_of(&sender));
    let operations: [Writing<pipe::Sender>; 4] = [
        ("write", |it| it.write(&SOME)),
        ("borrowed write", |it| (&*it).write(&SOME)),
        ("write_vectored", |it| {
            it.write_vectored(&[IoSlice::new(&SOME)])
        }),
        ("try_io", |it| it.try_io(|| raw_write(it))),
    ];
    writing_arms(sender, duplicate, receiver, &operations);

    if !FULL_RECEIVER_BLOCKS {
        return;
    }
    let (sender, receiver) = UnixDatagram::pair().unwrap();
    let duplicate = UnixDatagram::from(duplicate_of(&sender));
    let operations: [Writing<UnixDatagram>; 2] = [
        ("send", |it| it.send(&SOME)),
        ("try_io", |it| it.try_io(|| raw_write(it))),
    ];
    writing_arms(
        sender,
        Datagrams(duplicate),
        Datagrams(receiver),
        &operations,
    );
}

/// Edge case 23, for sending to an address, which Linux lets a connected socket do as well.
#[test]
#[cfg(target_os = "linux")]
fn a_send_to_an_address_that_would_block_arms_writing() {
    let path = temporary_path("receiver");
    let receiver = UnixDatagram::bind(&path).unwrap();
    let sender = UnixDatagram::unbound().unwrap();
    sender.connect(&path).unwrap();
    let duplicate = UnixDatagram::from(duplicate_of(&sender));
    let send_to: Writing<UnixDatagram> = ("send_to", |it| {
        it.send_to(&SOME, it.peer_addr()?.as_pathname().unwrap())
    });
    writing_arms(
        sender,
        Datagrams(duplicate),
        Datagrams(receiver),
        &[send_to],
    );
    std::fs::remove_file(path).unwrap();
}

/// Runs `in_vain` as an operation of unknown direction: both directions are reported again where
/// edges are emulated by this crate.
fn unknown_operation_arms<T: Source>(
    mut source: T,
    interest: Interest,
    in_vain: impl Fn(&T) -> io::Result<()>,
) {
    let mut ready: Vec<fn(&Event) -> bool> = Vec::new();
    if interest.is_readable() {
        ready.push(Event::is_readable);
    }
    if interest.is_writable() {
        ready.push(Event::is_writable);
    }
    let (mut poll, mut events) = poll_and_events();
    poll.registry()
        .register(&mut source, RECEIVER, interest)
        .unwrap();
    for _ in 0..3 {
        expect_all(&mut poll, &mut events, RECEIVER, &ready);
        discard_events(&mut poll, &mut events);
        expect_would_block(in_vain(&source));
        if !EMULATED_EDGES {
            expect_silence(&mut poll, &mut events);
            return;
        }
    }
}

/// Edge case 23: of a source that is ready in both directions both are armed.
#[test]
fn an_operation_of_unknown_kind_arms_both_directions() {
    let in_vain = || Err(io::ErrorKind::WouldBlock.into());
    let (tcp, mut tcp_peer) = tcp_pair();
    tcp_peer.write_all(b"unread").unwrap();
    unknown_operation_arms(tcp, BOTH, |it| it.try_io(in_vain));
    let (udp, udp_peer) = udp_pair();
    udp_peer.send(b"unread").unwrap();
    unknown_operation_arms(udp, BOTH, |it| it.try_io(in_vain));
    #[cfg(unix)]
    {
        let (stream, mut peer) = UnixStream::pair().unwrap();
        peer.write_all(b"unread").unwrap();
        unknown_operation_arms(stream, BOTH, |it| it.try_io(in_vain));
        let (datagram, peer) = UnixDatagram::pair().unwrap();
        peer.send(b"unread").unwrap();
        unknown_operation_arms(datagram, BOTH, |it| it.try_io(in_vain));
        let (mut sender, receiver) = pipe::new().unwrap();
        sender.write_all(b"unread").unwrap();
        unknown_operation_arms(receiver, Interest::READABLE, |it| it.try_io(in_vain));
        unknown_operation_arms(sender, Interest::WRITABLE, |it| it.try_io(in_vain));
    }
}

/// A `take_error` that finds no error does not affect pending data.
#[test]
fn taking_no_error_arms_nothing() {
    fn arms_nothing<T: Source>(mut source: T, take: fn(&T) -> io::Result<Option<io::Error>>) {
        let (mut poll, mut events) = poll_and_events();
        poll.registry()
            .register(&mut source, RECEIVER, Interest::READABLE)
            .unwrap();
        expect_readable(&mut poll, &mut events, RECEIVER);
        discard_events(&mut poll, &mut events);
        assert!(take(&source).unwrap().is_none());
        expect_silence(&mut poll, &mut events);
    }

    let (tcp, mut tcp_peer) = tcp_pair();
    tcp_peer.write_all(b"unread").unwrap();
    arms_nothing(tcp, TcpStream::take_error);
    let (udp, udp_peer) = udp_pair();
    udp_peer.send(b"unread").unwrap();
    arms_nothing(udp, UdpSocket::take_error);
    let listener = TcpListener::bind(any_port()).unwrap();
    let _client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    arms_nothing(listener, TcpListener::take_error);
    #[cfg(unix)]
    {
        let (stream, mut peer) = UnixStream::pair().unwrap();
        peer.write_all(b"unread").unwrap();
        arms_nothing(stream, UnixStream::take_error);
        let (datagram, peer) = UnixDatagram::pair().unwrap();
        peer.send(b"unread").unwrap();
        arms_nothing(datagram, UnixDatagram::take_error);
        let path = temporary_path("waiting");
        let listener = UnixListener::bind(&path).unwrap();
        let _client = UnixStream::connect(&path).unwrap();
        arms_nothing(listener, UnixListener::take_error);
        std::fs::remove_file(path).unwrap();
    }
}

/// Three sockets with their paths. The first is connected to the second, which makes an error of
/// the first by connecting to the third.
#[cfg(target_os = "linux")]
fn three_unix_datagrams() -> ([std::path::PathBuf; 3], [UnixDatagram; 3]) {
    let paths = [(); 3].map(|()| temporary_path("peer"));
    let sockets = [0, 1, 2].map(|at| UnixDatagram::bind(&paths[at]).unwrap());
    sockets[0].connect(&paths[1]).unwrap();
    (paths, sockets)
}

/// Edge case 46: with its error taken off, a datagram socket lives on. On Linux its peer makes
/// one by connecting elsewhere with a datagram unread.
#[test]
#[cfg(target_os = "linux")]
fn taking_the_error_off_a_unix_datagram_socket_arms_it() {
    let (paths, [mut socket, peer, _other]) = three_unix_datagrams();
    let (mut poll, mut events) = poll_and_events();
    poll.registry()
        .register(&mut socket, RECEIVER, Interest::READABLE)
        .unwrap();
    for _ in 0..3 {
        peer.connect(&paths[0]).unwrap();
        socket.send(b"lost").unwrap();
        peer.connect(&paths[2]).unwrap();
        // kqueue reports only that reading is worth trying.
        let reports_it = |event: &Event| event.is_error() || KQUEUE && event.is_readable();
        expect(&mut poll, &mut events, RECEIVER, reports_it);
        discard_events(&mut poll, &mut events);
        let error = socket.take_error().unwrap().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        discard_events(&mut poll, &mut events);

        peer.send_to(b"hello", &paths[0]).unwrap();
        let event = expect_readable(&mut poll, &mut events, RECEIVER);
        assert!(!event.is_error());
        assert_eq!(socket.recv(&mut [0; 5]).unwrap(), 5);
    }
    for path in paths {
        std::fs::remove_file(path).unwrap();
    }
}

/// An operation that returns the error of a datagram socket has not taken what is queued, which was
/// reported before the error occurred.
#[test]
#[cfg(target_os = "linux")]
fn a_failed_receive_arms_a_unix_datagram_socket() {
    let (paths, [mut socket, peer, _other]) = three_unix_datagrams();
    let (mut poll, mut events) = poll_and_events();
    poll.registry()
        .register(&mut socket, RECEIVER, Interest::READABLE)
        .unwrap();
    let receives: [fn(&UnixDatagram) -> io::Result<usize>; 3] = [
        |socket| socket.recv(&mut [0; 5]),
        |socket| Ok(socket.recv_from(&mut [0; 5])?.0),
        |socket| socket.try_io(|| raw_read(socket)),
    ];
    for receive in receives {
        peer.connect(&paths[0]).unwrap();
        peer.send(b"hello").unwrap();
        expect_readable(&mut poll, &mut events, RECEIVER);
        socket.send(b"lost").unwrap();
        peer.connect(&paths[2]).unwrap();
        let error = receive(&socket).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        expect_readable(&mut poll, &mut events, RECEIVER);
        assert_eq!(receive(&socket).unwrap(), 5);
        expect_would_block(receive(&socket));
    }
    for path in paths {
        std::fs::remove_file(path).unwrap();
    }
}

/// The same for UDP, and for operations that leave the datagram where it is.
#[test]
#[cfg(target_os = "linux")]
fn a_failed_receive_arms_a_udp_socket() {
    let mut socket = UdpSocket::bind(any_port()).unwrap();
    let peer = UdpSocket::bind(any_port()).unwrap();
    let address = peer.local_addr().unwrap();
    peer.connect(socket.local_addr().unwrap()).unwrap();
    socket.connect(address).unwrap();
    let (mut poll, mut events) = poll_and_events();
    poll.registry()
        .register(&mut socket, RECEIVER, Interest::READABLE)
        .unwrap();
    peer.send(b"hello").unwrap();
    expect_readable(&mut poll, &mut events, RECEIVER);
    drop(peer);
    let operations: [fn(&UdpSocket) -> io::Result<usize>; 3] = [
        |socket| socket.peek(&mut [0; 5]),
        |socket| Ok(socket.peek_from(&mut [0; 5])?.0),
        |socket| socket.try_io(|| raw_read(socket)),
    ];
    for operation in operations {
        socket.send(b"refused").unwrap();
        let error = operation(&socket).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        expect_readable(&mut poll, &mut events, RECEIVER);
        assert_eq!(operation(&socket).unwrap(), 5);
    }
}

/// Edge case 46: with its error taken off, a TCP socket can be connected again, on Linux; the
/// first attempt only ends the old one.
#[test]
#[cfg(target_os = "linux")]
fn taking_the_error_off_a_tcp_socket_arms_it() {
    // A port shows only what is there: of an attempt that is made past the library it learns
    // nothing. `ends.rs` has one that is made through it.
    if util::EVENT_PORT {
        return;
    }
    let listener = net::TcpListener::bind("127.46.1.1:0").unwrap();
    let refusing = listener.local_addr().unwrap();
    drop(listener);
    let listener = net::TcpListener::bind(any_port()).unwrap();
    let mut stream = TcpStream::connect(refusing).unwrap();
    let (mut poll, mut events) = poll_and_events();
    poll.registry()
        .register(&mut stream, RECEIVER, Interest::WRITABLE)
        .unwrap();
    expect(&mut poll, &mut events, RECEIVER, Event::is_write_closed);
    discard_events(&mut poll, &mut events);
    let error = stream.take_error().unwrap().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);

    let address = listener.local_addr().unwrap().into();
    let socket = socket2::SockRef::from(&stream);
    let aborted = socket.connect(&address).unwrap_err();
    assert_eq!(aborted.kind(), io::ErrorKind::ConnectionAborted);
    let connecting = socket.connect(&address).unwrap_err();
    assert_eq!(connecting.raw_os_error(), Some(libc::EINPROGRESS));
    let is_connected = |event: &Event| event.is_writable() && !event.is_write_closed();
    expect(&mut poll, &mut events, RECEIVER, is_connected);
    assert_eq!(stream.peer_addr().unwrap(), listener.local_addr().unwrap());
}

#[cfg(unix)]
fn duplicate_of(source: &impl std::os::fd::AsFd) -> std::os::fd::OwnedFd {
    source.as_fd().try_clone_to_owned().unwrap()
}

/// Edge case 48: a peek leaves its bytes there, and is as long as it is for other reasons:
/// that it is short must not arm reading, or it would be reported without end.
#[test]
fn a_peek_that_succeeds_arms_nothing() {
    let (mut receiver, mut sender) = tcp_pair();
    let (mut poll, mut events) = poll_and_events();
    poll.registry()
        .register(&mut receiver, RECEIVER, Interest::READABLE)
        .unwrap();
    sender.write_all(b"hello").unwrap();
    expect_readable(&mut poll, &mut events, RECEIVER);
    for _ in 0..3 {
        assert_eq!(receiver.peek(&mut [0; 64]).unwrap(), 5);
        expect_silence(&mut poll, &mut events);
    }
}

/// Edge case 48: neither does a datagram that is shorter than the buffer, which says
/// nothing about how many wait behind it.
#[test]
fn a_short_datagram_arms_nothing() {
    let (mut poll, mut events) = poll_and_events();
    #[cfg(unix)]
    {
        let (mut receiver, sender) = UnixDatagram::pair().unwrap();
        poll.registry()
            .register(&mut receiver, RECEIVER, Interest::READABLE)
            .unwrap();
        for datagram in [b"one", b"two"] {
            sender.send(datagram).unwrap();
        }
        expect_readable(&mut poll, &mut events, RECEIVER);
        discard_events(&mut poll, &mut events);
        for _ in 0..2 {
            assert_eq!(receiver.recv(&mut [0; 64]).unwrap(), 3);
            expect_silence(&mut poll, &mut events);
        }
    }

    // The same without counting on how fast the second datagram is.
    let (mut receiver, sender) = udp_pair();
    poll.registry()
        .register(&mut receiver, RECEIVER, Interest::READABLE)
        .unwrap();
    sender.send(b"hello").unwrap();
    expect_readable(&mut poll, &mut events, RECEIVER);
    for _ in 0..3 {
        assert_eq!(receiver.peek(&mut [0; 64]).unwrap(), 5);
        assert_eq!(receiver.peek_from(&mut [0; 64]).unwrap().0, 5);
        expect_silence(&mut poll, &mut events);
    }
}

/// Edge case 48: nor a connection that is accepted while another one waits. On kqueue the
/// one that waits has an event of its own.
#[test]
fn an_accepted_connection_arms_nothing() {
    let (mut poll, mut events) = poll_and_events();
    let mut listener = TcpListener::bind(any_port()).unwrap();
    let address = listener.local_addr().unwrap();
    let _clients = [(); 2].map(|()| net::TcpStream::connect(address).unwrap());
    poll.registry()
        .register(&mut listener, RECEIVER, Interest::READABLE)
        .unwrap();
    expect_readable(&mut poll, &mut events, RECEIVER);
    listener.accept().unwrap();
    if KQUEUE {
        expect_readable(&mut poll, &mut events, RECEIVER);
        listener.accept().unwrap();
    }
    expect_silence(&mut poll, &mut events);
}

/// Edge case 48: the end of a stream, which can be read again and again, arms nothing.
#[test]
fn the_end_arms_nothing() {
    for mut lane in streams() {
        let (mut poll, mut events) = lane.register(lane.most());
        lane.end();
        let event = expect(&mut poll, &mut events, RECEIVER, util::reports_end);
        assert!(!event.is_error());
        discard_events(&mut poll, &mut events);
        for _ in 0..5 {
            assert_eq!(lane.read(64).unwrap(), 0);
            expect_silence_after_the_end(&mut poll, &mut events);
        }
    }
}

/// Edge case 46: after a drain a peer's close is an event, once.
#[test]
fn after_a_drain_the_end_is_an_event() {
    for mut lane in streams() {
        let (mut poll, mut events) = lane.register(lane.most());
        lane.send(b"hello", &mut poll, &mut events);
        assert_eq!(drain(&mut lane.receiver), b"hello");
        expect_silence(&mut poll, &mut events);
        lane.end();
        expect(&mut poll, &mut events, RECEIVER, util::reports_end);
        discard_events(&mut poll, &mut events);
    }
}

/// Edge cases 46 and 48: after a short read as well.
#[test]
fn after_a_short_read_the_end_is_an_event() {
    for mut lane in streams() {
        let (mut poll, mut events) = lane.register(lane.most());
        lane.send(b"hello", &mut poll, &mut events);
        assert_eq!(lane.read(64).unwrap(), 5);
        lane.end();
        expect(&mut poll, &mut events, RECEIVER, util::reports_end);
        discard_events(&mut poll, &mut events);
    }
}

/// What a read can stop short of, on Linux.
#[cfg(target_os = "linux")]
mod boundaries {
    use std::os::fd::{AsRawFd, FromRawFd};

    use super::*;

    /// Reads from a `receiver` that holds two messages. epoll has made one event of both, and
    /// makes none after the short read; kqueue may.
    fn expect_a_short_read_and_more(mut receiver: impl Source + Read) {
        let (mut poll, mut events) = poll_and_events();
        poll.registry()
            .register(&mut receiver, RECEIVER, Interest::READABLE)
            .unwrap();
        expect_readable(&mut poll, &mut events, RECEIVER);
        let mut buf = [0; 16];
        assert_eq!(receiver.read(&mut buf).unwrap(), 3);
        if EMULATED_EDGES {
            expect_readable(&mut poll, &mut events, RECEIVER);
        } else if !KQUEUE {
            expect_silence(&mut poll, &mut events);
        }
        assert_eq!(receiver.read(&mut buf).unwrap(), 5);
        expect_would_block(receiver.read(&mut buf));
    }

    #[test]
    fn a_read_ends_with_the_packet_of_a_pipe() {
        let mut fds = [-1; 2];
        // SAFETY: `fds` has room for the two descriptors.
        let made = unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_DIRECT | libc::O_NONBLOCK) };
        assert_eq!(made, 0);
        // SAFETY: both were just created, and nothing else refers to them.
        let (receiver, mut sender) = unsafe {
            (
                pipe::Receiver::from_raw_fd(fds[0]),
                pipe::Sender::from_raw_fd(fds[1]),
            )
        };
        sender.write_all(b"one").unwrap();
        sender.write_all(b"three").unwrap();
        expect_a_short_read_and_more(receiver);
    }

    /// Sends `bytes` and a duplicate of the socket itself.
    fn send_with_descriptor(socket: &UnixStream, bytes: &[u8]) {
        let fd = socket.as_raw_fd();
        let mut slice = IoSlice::new(bytes);
        // At least as long as a record with one descriptor, and aligned as one.
        let mut control = [0_u64; 3];
        // SAFETY: integers and pointers, for which zero is a value.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = (&mut slice as *mut IoSlice<'_>).cast();
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        // SAFETY: does no more than to calculate.
        let len = unsafe { libc::CMSG_SPACE(std::mem::size_of_val(&fd) as _) };
        message.msg_controllen = len as _;
        // SAFETY: `control` has room for the record that is written, and all that `message` points
        // at outlives the call.
        let sent = unsafe {
            let record = libc::CMSG_FIRSTHDR(&message);
            (*record).cmsg_level = libc::SOL_SOCKET;
            (*record).cmsg_type = libc::SCM_RIGHTS;
            (*record).cmsg_len = libc::CMSG_LEN(std::mem::size_of_val(&fd) as _) as _;
            libc::CMSG_DATA(record)
                .cast::<libc::c_int>()
                .write_unaligned(fd);
            libc::sendmsg(fd, &message, 0)
        };
        assert_eq!(sent, bytes.len() as isize);
    }

    #[test]
    fn a_read_ends_behind_passed_descriptors() {
        let (receiver, mut sender) = UnixStream::pair().unwrap();
        send_with_descriptor(&sender, b"one");
        sender.write_all(b"three").unwrap();
        expect_a_short_read_and_more(receiver);
    }
}

/// Edge case 46: a hang-up is reported although what came before was never read.
#[test]
#[cfg(unix)]
fn the_hang_up_of_an_undrained_source_is_an_event() {
    for mut lane in streams() {
        if lane.name.starts_with("tcp") {
            // The end of what a TCP peer sends is no hang-up, but part of what is to be read.
            continue;
        }
        let (mut poll, mut events) = lane.register(lane.most());
        lane.send(b"hello", &mut poll, &mut events);
        expect_silence(&mut poll, &mut events);
        lane.end();
        expect(&mut poll, &mut events, RECEIVER, Event::is_read_closed);
        discard_events(&mut poll, &mut events);
        assert_eq!(drain(&mut lane.receiver), b"hello");
    }
}

/// Edge case 46: a source that hung up keeps its registration until it is deregistered.
#[test]
fn after_a_hang_up_registrations_can_be_changed_and_ended() {
    for mut lane in streams() {
        let (mut poll, mut events) = lane.register(lane.most());
        lane.end();
        expect(&mut poll, &mut events, RECEIVER, util::reports_end);
        discard_events(&mut poll, &mut events);

        for _ in 0..2 {
            poll.registry()
                .reregister(&mut lane.receiver, PEER, Interest::READABLE)
                .unwrap();
            expect(&mut poll, &mut events, PEER, util::reports_end);
            discard_events(&mut poll, &mut events);
        }
        poll.registry().deregister(&mut lane.receiver).unwrap();
        expect_silence(&mut poll, &mut events);
        poll.registry()
            .register(&mut lane.receiver, RECEIVER, Interest::READABLE)
            .unwrap();
        expect(&mut poll, &mut events, RECEIVER, util::reports_end);
        poll.registry().deregister(&mut lane.receiver).unwrap();
    }
}

/// Edge case 46: the writing end of a pipe likewise.
#[test]
#[cfg(unix)]
fn after_its_reader_is_closed_a_sender_can_be_reregistered_and_deregistered() {
    let (mut poll, mut events) = poll_and_events();
    let (mut sender, receiver) = pipe::new().unwrap();
    poll.registry()
        .register(&mut sender, PEER, Interest::WRITABLE)
        .unwrap();
    drop(receiver);
    expect(&mut poll, &mut events, PEER, Event::is_write_closed);
    expect_silence(&mut poll, &mut events);
    poll.registry()
        .reregister(&mut sender, RECEIVER, Interest::WRITABLE)
        .unwrap();
    expect(&mut poll, &mut events, RECEIVER, Event::is_write_closed);
    expect_silence(&mut poll, &mut events);
    poll.registry().deregister(&mut sender).unwrap();
    expect_silence(&mut poll, &mut events);
}

/// Reregistering arms everything, drained or not.
#[test]
fn reregistering_arms_all_directions() {
    for mut lane in streams().into_iter().chain(datagram_sockets()) {
        let (mut poll, mut events) = lane.register(lane.most());
        lane.send(b"hello", &mut poll, &mut events);
        expect_silence(&mut poll, &mut events);
        for _ in 0..3 {
            let most = lane.most();
            poll.registry()
                .reregister(&mut lane.receiver, RECEIVER, most)
                .unwrap();
            let directions = [Event::is_readable, Event::is_writable];
            let ready = &directions[..if lane.is_two_way { 2 } else { 1 }];
            expect_all(&mut poll, &mut events, RECEIVER, ready);
            expect_silence(&mut poll, &mut events);
        }
        assert_eq!(drain(&mut lane.receiver), b"hello");
    }
}

/// What was armed for one poll has no effect on the next.
#[test]
fn a_source_that_moves_to_another_poll_is_armed_there() {
    for mut lane in streams().into_iter().chain(datagram_sockets()) {
        let (mut poll, mut events) = lane.register(Interest::READABLE);
        lane.send(b"hello", &mut poll, &mut events);
        poll.registry().deregister(&mut lane.receiver).unwrap();

        let (mut other, mut other_events) = poll_and_events();
        other
            .registry()
            .register(&mut lane.receiver, PEER, Interest::READABLE)
            .unwrap();
        expect_readable(&mut other, &mut other_events, PEER);
        assert_eq!(drain(&mut lane.receiver), b"hello");
        assert_eq!(lane.sender.write(b"again").unwrap(), 5);
        expect_readable(&mut other, &mut other_events, PEER);
        expect_silence(&mut poll, &mut events);
    }
}

/// Edge case 46: and then it can be hung up again. That it was connected meanwhile is shown by a
/// poll that finds nothing.
#[test]
#[cfg(target_os = "linux")]
fn a_tcp_socket_that_was_connected_again_is_hung_up_again() {
    // As in `taking_the_error_off_a_tcp_socket_arms_it`.
    if util::EVENT_PORT {
        return;
    }
    let listener = net::TcpListener::bind(any_port()).unwrap();
    let address = listener.local_addr().unwrap();
    let unused = net::TcpListener::bind("127.46.1.2:0").unwrap();
    let refusing = unused.local_addr().unwrap();
    drop(unused);
    let mut stream = TcpStream::connect(refusing).unwrap();
    let (mut poll, mut events) = poll_and_events();
    poll.registry()
        .register(&mut stream, RECEIVER, Interest::READABLE)
        .unwrap();
    expect(&mut poll, &mut events, RECEIVER, Event::is_read_closed);
    discard_events(&mut poll, &mut events);
    stream.take_error().unwrap().unwrap();

    let socket = socket2::SockRef::from(&stream);
    let attempts = [(); 2].map(|()| socket.connect(&address.into()).unwrap_err().raw_os_error());
    assert_eq!(attempts, [libc::ECONNABORTED, libc::EINPROGRESS].map(Some));
    let (peer, _) = listener.accept().unwrap();
    expect_silence(&mut poll, &mut events);

    util::reset_on_close(&peer);
    drop(peer);
    let hung_up = |event: &Event| event.is_write_closed() || KQUEUE && event.is_read_closed();
    expect(&mut poll, &mut events, RECEIVER, hung_up);
}
