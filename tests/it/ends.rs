//! What lasts, such as a hang-up or an unread error queue, is reported once and makes no loop spin;
//! other conditions are reported beside it.
#![cfg(all(feature = "os-poll", feature = "os-ext", feature = "net"))]

use std::io::{self, ErrorKind, Read, Write};
use std::net::{self, Shutdown};
use std::time::Duration;

use crate::util::{self, any_port, expect_would_block, poll_and_events};
use mio::event::Source;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, IoSource, Poll, Token};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

const SOURCE: Token = Token(3);
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// A poll with one source.
fn registered(source: &mut impl Source, interest: Interest) -> (Poll, Events) {
    let (poll, events) = poll_and_events();
    poll.registry().register(source, SOURCE, interest).unwrap();
    (poll, events)
}

/// How many events come of a hundred polls, each of which is followed by `react`.
fn events_of(poll: &mut Poll, events: &mut Events, mut react: impl FnMut()) -> usize {
    let mut count = 0;
    for _ in 0..100 {
        util::poll(poll, events, Some(Duration::from_millis(1)));
        for _ in events.iter() {
            count += 1;
            react();
        }
    }
    count
}

/// A listener whose reading side was shut down is hung up for good on Linux; elsewhere
/// that is an error, or nothing.
#[test]
fn a_listener_that_was_shut_down_is_reported_once() {
    let mut listener = TcpListener::bind(any_port()).unwrap();
    let (mut poll, mut events) = registered(&mut listener, Interest::READABLE);
    let _ = SockRef::from(&listener).shutdown(Shutdown::Read);
    let count = events_of(&mut poll, &mut events, || {
        assert!(listener.accept().is_err());
    });
    assert!(count <= 1, "{count} events");
}

fn unconnected() -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    TcpStream::from_std(socket.into())
}

/// Edge case 45, and what the user does about it.
#[test]
fn a_socket_that_is_not_connected_is_reported_once() {
    is_reported_once(unconnected());
    is_reported_once(IoSource::new(net::TcpStream::from(unconnected())));
}

fn is_reported_once<S: Source + Read + Write>(mut stream: S) {
    let (mut poll, mut events) = registered(&mut stream, BOTH);
    for _ in 0..3 {
        let count = events_of(&mut poll, &mut events, || {
            assert!(stream.read(&mut [0; 8]).is_err());
            assert!(stream.write(b"x").is_err());
        });
        assert!(count <= 1, "{count} events");
    }
}

/// Connects without blocking, through the library so that it learns of it.
fn connect(stream: &TcpStream, address: std::net::SocketAddr) {
    let address = SockAddr::from(address);
    let begin = || stream.try_io(|| SockRef::from(stream).connect(&address));
    match begin() {
        // Linux ends a failed attempt first.
        Err(error) if error.kind() == ErrorKind::ConnectionAborted => check_begun(begin()),
        begun => check_begun(begun),
    }
}

fn check_begun(begun: io::Result<()>) {
    match begun {
        Err(error) if !is_in_progress(&error) => panic!("{error}"),
        _ => {}
    }
}

#[cfg(unix)]
fn is_in_progress(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINPROGRESS)
}

#[cfg(windows)]
fn is_in_progress(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock
}

#[test]
fn the_connection_of_a_registered_socket_is_reported() {
    let listener = std::net::TcpListener::bind(any_port()).unwrap();
    let mut stream = unconnected();
    let (mut poll, mut events) = registered(&mut stream, BOTH);
    events_of(&mut poll, &mut events, || {});
    connect(&stream, listener.local_addr().unwrap());
    util::expect_writable(&mut poll, &mut events, SOURCE);
    let (mut peer, _) = listener.accept().unwrap();
    expect_would_block(stream.read(&mut [0; 8]));
    peer.write_all(b"x").unwrap();
    util::expect_readable(&mut poll, &mut events, SOURCE);
}

/// Linux, Windows: a socket whose attempt has failed can make another one.
#[cfg(any(target_os = "linux", windows))]
#[test]
fn a_second_attempt_to_connect_is_reported() {
    let listener = std::net::TcpListener::bind(any_port()).unwrap();
    let closed = TcpListener::bind(any_port()).unwrap().local_addr().unwrap();
    let mut stream = TcpStream::connect(closed).unwrap();
    let (mut poll, mut events) = registered(&mut stream, BOTH);
    util::expect(&mut poll, &mut events, SOURCE, |event| event.is_error());
    // What became of it may come in parts.
    events_of(&mut poll, &mut events, || {});
    let error = stream.take_error().unwrap().unwrap();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let count = events_of(&mut poll, &mut events, || {});
    assert!(count <= 1, "{count} events of a failure that was reported");

    connect(&stream, listener.local_addr().unwrap());
    util::expect_writable(&mut poll, &mut events, SOURCE);
    assert!(stream.peer_addr().is_ok());
    drop(listener.accept().unwrap());
    util::expect(&mut poll, &mut events, SOURCE, util::reports_end);
}

/// The error queue of a socket (`MSG_ERRQUEUE`) that is not read. No kqueue has one.
#[cfg(all(target_os = "linux", not(mio_test_kqueue_shim)))]
mod error_queue {
    use std::os::fd::AsRawFd;
    use std::time::Instant;

    use mio::net::UdpSocket;

    use super::*;

    /// A socket whose queue holds a timestamp of a datagram that it sent, and its peer.
    fn with_timestamp() -> (UdpSocket, std::net::UdpSocket) {
        let socket = UdpSocket::bind(any_port()).unwrap();
        let peer = std::net::UdpSocket::bind(any_port()).unwrap();
        socket.connect(peer.local_addr().unwrap()).unwrap();
        peer.connect(socket.local_addr().unwrap()).unwrap();
        let flags = libc::SOF_TIMESTAMPING_TX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE;
        // SAFETY: the pointer and the length are those of `flags`.
        let set = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_TIMESTAMPING,
                (&flags as *const libc::c_uint).cast(),
                std::mem::size_of_val(&flags) as libc::socklen_t,
            )
        };
        assert_eq!(set, 0);
        socket.send(b"stamped").unwrap();
        (socket, peer)
    }

    #[test]
    fn an_unread_error_queue_is_reported_once() {
        let (mut socket, _peer) = with_timestamp();
        let (mut poll, mut events) = registered(&mut socket, Interest::READABLE);
        let count = events_of(&mut poll, &mut events, || {
            expect_would_block(socket.recv(&mut [0; 8]));
        });
        assert_eq!(count, 1);
    }

    #[test]
    fn data_is_reported_beside_an_unread_error_queue() {
        let (mut socket, peer) = with_timestamp();
        let (mut poll, mut events) = registered(&mut socket, Interest::READABLE);
        util::expect(&mut poll, &mut events, SOURCE, |event| event.is_error());
        for timeout in [None, Some(util::LONG), Some(Duration::ZERO)] {
            expect_would_block(socket.recv(&mut [0; 8]));
            util::expect_silence(&mut poll, &mut events);
            peer.send(b"data").unwrap();
            poll.poll(&mut events, timeout).unwrap();
            assert!(events.iter().any(|event| event.is_readable()));
            assert_eq!(socket.recv(&mut [0; 8]).unwrap(), 4);
        }
    }

    /// A poll that is watched by another must not have to look itself.
    #[test]
    #[cfg(not(mio_unsupported_force_poll_poll))]
    fn once_the_error_queue_is_read_another_poll_sees_data() {
        let (mut socket, peer) = with_timestamp();
        let (mut poll, mut events) = registered(&mut socket, Interest::READABLE);
        util::expect(&mut poll, &mut events, SOURCE, |event| event.is_error());
        expect_would_block(socket.recv(&mut [0; 8]));
        util::expect_silence(&mut poll, &mut events);
        // The library does not learn of it.
        let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
        let entry = SockRef::from(&socket).recv_with_flags(&mut [], flags);
        assert_eq!(entry.unwrap(), 0);
        util::expect_silence(&mut poll, &mut events);

        let (mut outer, mut seen) = poll_and_events();
        let fd = poll.as_raw_fd();
        let mut inner = mio::unix::SourceFd(&fd);
        let registry = outer.registry();
        registry
            .register(&mut inner, SOURCE, Interest::READABLE)
            .unwrap();
        peer.send(b"data").unwrap();
        util::expect_readable(&mut outer, &mut seen, SOURCE);
    }

    /// A poll that waits makes do with a hundred looks a second.
    #[test]
    fn waiting_beside_an_error_queue_takes_little_time_of_the_processor() {
        let (mut socket, _peer) = with_timestamp();
        let (mut poll, mut events) = registered(&mut socket, Interest::READABLE);
        util::expect(&mut poll, &mut events, SOURCE, |event| event.is_error());
        expect_would_block(socket.recv(&mut [0; 8]));
        let before = time_of_the_processor();
        let wait = Duration::from_millis(500);
        let start = Instant::now();
        util::poll(&mut poll, &mut events, Some(wait));
        assert!(events.is_empty());
        assert!(start.elapsed() >= wait);
        let taken = time_of_the_processor() - before;
        assert!(taken < wait / 5, "{taken:?} of {wait:?}");
    }

    /// That of this thread.
    fn time_of_the_processor() -> Duration {
        // SAFETY: all-zero is a value of this plain structure.
        let mut time: libc::timespec = unsafe { std::mem::zeroed() };
        // SAFETY: `time` has room for what the call writes.
        let read = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
        assert_eq!(read, 0);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
}

/// After an end was reported, a writer that waits for room gets events of room, and no others.
#[cfg(unix)]
#[test]
fn only_room_is_reported_to_the_writer_of_a_half_closed_connection() {
    let (mut peer, mut stream) = util::tcp_pair();
    let (mut poll, mut events) = registered(&mut stream, BOTH);
    peer.shutdown(Shutdown::Write).unwrap();
    util::expect(&mut poll, &mut events, SOURCE, util::reports_end);
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
    let send = || stream.try_io(|| SockRef::from(&stream).send(&[0; 1 << 16]));
    // The system makes room for a while.
    let mut sent = 0;
    let mut fill = || sent += std::iter::from_fn(|| send().ok()).sum::<usize>();
    fill();
    let count = events_of(&mut poll, &mut events, &mut fill);
    // An end that is reported as data is rearmed by an operation of unknown kind.
    assert!(count < 10 || !util::REPORTS_HALF_CLOSE, "{count} events");

    let mut received = 0;
    while received < sent {
        received += util::drain(&mut peer).len();
    }
    util::expect_writable(&mut poll, &mut events, SOURCE);
}

/// Unix streams and pipes. `docs/semantics.md` has the rows of TCP.
#[cfg(unix)]
mod behind_data {
    use mio::net::UnixStream;
    use mio::unix::pipe;

    use super::*;

    /// Waits for the event of two bytes, runs `read`, closes the writing side, and expects the
    /// event of that.
    fn expect_end(
        reader: &mut (impl Source + Read),
        mut writer: impl Write,
        interest: Interest,
        read: fn(&mut dyn Read),
    ) {
        let (mut poll, mut events) = registered(reader, interest);
        events_of(&mut poll, &mut events, || {});
        writer.write_all(b"xy").unwrap();
        util::expect_readable(&mut poll, &mut events, SOURCE);
        read(reader);
        events_of(&mut poll, &mut events, || {});
        drop(writer);
        util::expect(&mut poll, &mut events, SOURCE, |event| {
            event.is_read_closed()
        });
        util::expect_silence(&mut poll, &mut events);
    }

    /// A FIFO whose writers come and go: each that goes is a hang-up, which ends when the next
    /// one comes, as an operation that would block shows.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_hang_up_that_has_passed_is_reported_when_it_recurs() {
        use std::os::unix::{ffi::OsStrExt, fs::OpenOptionsExt};

        let path = util::temporary_path("fifo");
        let name = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
        // SAFETY: the name is a string that outlives the call.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        let mut options = std::fs::File::options();
        let reader = options
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(&path);
        let mut reader = pipe::Receiver::from(std::os::fd::OwnedFd::from(reader.unwrap()));
        let (mut poll, mut events) = registered(&mut reader, Interest::READABLE);
        for looks in [true, false, true, false] {
            let writer = std::fs::File::options().write(true).open(&path).unwrap();
            expect_would_block(reader.read(&mut [0; 1]));
            if looks {
                util::expect_silence(&mut poll, &mut events);
            }
            drop(writer);
            util::expect(&mut poll, &mut events, SOURCE, |event| {
                event.is_read_closed()
            });
        }
        std::fs::remove_file(&path).unwrap();
    }

    const READS: [fn(&mut dyn Read); 3] = [
        |_| {},
        |reader| assert_eq!(reader.read(&mut [0; 1]).unwrap(), 1),
        |reader| reader.read_exact(&mut [0; 2]).unwrap(),
    ];

    #[test]
    fn the_end_of_a_unix_stream_is_reported() {
        for interest in [Interest::READABLE, BOTH] {
            for read in READS {
                let (mut reader, writer) = UnixStream::pair().unwrap();
                expect_end(&mut reader, writer, interest, read);
                let (reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
                reader.set_nonblocking(true).unwrap();
                expect_end(&mut IoSource::new(reader), writer, interest, read);
            }
        }
    }

    #[test]
    fn the_end_of_a_pipe_is_reported() {
        for read in READS {
            let (writer, mut reader) = pipe::new().unwrap();
            expect_end(&mut reader, writer, Interest::READABLE, read);
        }
    }

    #[test]
    fn the_end_of_what_a_unix_stream_sends_is_reported_once() {
        if !util::REPORTS_HALF_CLOSE {
            return;
        }
        let (mut reader, mut writer) = UnixStream::pair().unwrap();
        let (mut poll, mut events) = registered(&mut reader, BOTH);
        writer.write_all(b"xy").unwrap();
        util::expect_readable(&mut poll, &mut events, SOURCE);
        writer.shutdown(Shutdown::Write).unwrap();
        util::expect(&mut poll, &mut events, SOURCE, |event| {
            event.is_read_closed()
        });
        util::expect_silence(&mut poll, &mut events);
        assert_eq!(util::drain(&mut reader), b"xy");
        util::expect_silence(&mut poll, &mut events);
    }

    /// A full pipe has no room to report; that its reading end is closed is reported.
    #[test]
    fn the_last_reader_of_a_full_pipe_is_missed() {
        let (mut writer, reader) = pipe::new().unwrap();
        let (mut poll, mut events) = registered(&mut writer, Interest::WRITABLE);
        while writer.write(&[0; 1 << 12]).is_ok() {}
        events_of(&mut poll, &mut events, || {});
        drop(reader);
        util::expect(&mut poll, &mut events, SOURCE, |event| {
            event.is_write_closed()
        });
        let count = events_of(&mut poll, &mut events, || {
            let error = writer.write(b"x").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        });
        assert_eq!(count, 0);
    }
}
