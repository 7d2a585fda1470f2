//! A process whose descriptors are exhausted: every operation that needs one says so,
//! and none loses or leaks anything.
#![cfg(all(unix, feature = "os-poll", feature = "net", feature = "os-ext"))]

use std::any::Any;
use std::fmt::Debug;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use crate::util::{
    self, any_port, drain, expect_readable, expect_silence, in_own_process, poll_and_events,
    temporary_path, EMULATED_EDGES, PIPE_WAKER, POLL2, SHARES,
};
use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use mio::unix::pipe;
use mio::{Events, Interest, Poll, Token, Waker};

/// The limit that the tests work under. Small, so that all numbers can be asked for one
/// by one: listing a directory would itself need a descriptor.
const LIMIT: RawFd = 64;

const LISTENER: Token = Token(0);
const STREAM: Token = Token(1);
const WAKE: Token = Token(2);

/// All descriptors up to the limit, taken. Dropping them ends the exhaustion.
struct Exhausted {
    fillers: Vec<OwnedFd>,
}

impl Exhausted {
    /// Lowers the limit and takes what is left, except for `spare` descriptors.
    fn but_for(spare: usize) -> Exhausted {
        assert_eq!(util::limit_fds(LIMIT as usize), LIMIT as usize);
        let mut fillers = Vec::new();
        loop {
            // SAFETY: takes no pointer.
            let fd = unsafe { libc::fcntl(0, libc::F_DUPFD_CLOEXEC, 0) };
            if fd == -1 {
                assert_eq!(
                    io::Error::last_os_error().raw_os_error(),
                    Some(libc::EMFILE)
                );
                break;
            }
            // SAFETY: the kernel just created `fd` for us; nothing else refers to it.
            fillers.push(unsafe { OwnedFd::from_raw_fd(fd) });
        }
        assert!(spare < fillers.len());
        fillers.truncate(fillers.len() - spare);
        Exhausted { fillers }
    }

    fn release_one(&mut self) {
        self.fillers.pop().unwrap();
    }
}

/// Which descriptors below the limit are open; needs none to find out.
fn open_below_the_limit() -> Vec<RawFd> {
    // SAFETY: takes no pointer.
    let is_open = |&fd: &RawFd| unsafe { libc::fcntl(fd, libc::F_GETFD) } != -1;
    (0..LIMIT).filter(is_open).collect()
}

#[track_caller]
fn expect_emfile<T: Debug>(result: io::Result<T>) {
    match result {
        Err(error) if error.raw_os_error() == Some(libc::EMFILE) => {}
        other => panic!("expected EMFILE, got {other:?}"),
    }
}

/// An operation that makes something, and how many descriptors it takes.
struct Maker<'a> {
    name: &'static str,
    takes: usize,
    make: Box<dyn Fn() -> io::Result<Box<dyn Any>> + 'a>,
}

fn maker<'a, T: 'static>(
    name: &'static str,
    takes: usize,
    make: impl Fn() -> io::Result<T> + 'a,
) -> Maker<'a> {
    let make = Box::new(move || Ok(Box::new(make()?) as Box<dyn Any>));
    Maker { name, takes, make }
}

/// Everything that can be created without a peer that waits to be accepted.
fn makers<'a>(poll: &'a Poll, tcp: &'a TcpListener, path: &'a std::path::Path) -> Vec<Maker<'a>> {
    let wake_fds = if PIPE_WAKER { 2 } else { 1 };
    let registry = poll.registry();
    vec![
        // Every poll(2) selector has a descriptor that interrupts it, which serves its waker too,
        // and on Linux an epoll that knows which descriptors can be polled.
        maker("Poll::new", if POLL2 { wake_fds + 1 } else { 1 }, Poll::new),
        maker("Waker::new", if SHARES { 0 } else { wake_fds }, || {
            Waker::new(registry, WAKE)
        }),
        maker("try_clone", if SHARES { 0 } else { 1 }, || {
            registry.try_clone()
        }),
        maker("TcpListener::bind", 1, || TcpListener::bind(any_port())),
        maker("TcpStream::connect", 1, || {
            TcpStream::connect(tcp.local_addr()?)
        }),
        maker("UdpSocket::bind", 1, || UdpSocket::bind(any_port())),
        maker("UnixListener::bind", 1, || {
            let path = temporary_path("listener");
            let listener = UnixListener::bind(&path);
            assert_eq!(path.exists(), listener.is_ok());
            let _ = std::fs::remove_file(&path);
            listener
        }),
        maker("UnixStream::connect", 1, move || UnixStream::connect(path)),
        maker("UnixStream::pair", 2, UnixStream::pair),
        maker("UnixDatagram::bind", 1, || {
            let path = temporary_path("datagram");
            let socket = UnixDatagram::bind(&path);
            assert_eq!(path.exists(), socket.is_ok());
            let _ = std::fs::remove_file(&path);
            socket
        }),
        maker("UnixDatagram::unbound", 1, UnixDatagram::unbound),
        maker("UnixDatagram::pair", 2, UnixDatagram::pair),
        maker("pipe::new", 2, pipe::new),
    ]
}

/// Edge case 14: with too few descriptors left, be it none or one where two are needed,
/// an operation returns `EMFILE` and leaves the set of open ones as it was. With enough
/// it succeeds, and what it made leaves nothing when it is dropped.
#[test]
fn every_operation_reports_exhaustion_and_leaks_nothing() {
    in_own_process(
        "every_operation_reports_exhaustion_and_leaks_nothing",
        || {
            let poll = Poll::new().unwrap();
            let tcp = TcpListener::bind(any_port()).unwrap();
            let path = temporary_path("exhausted");
            let _unix = UnixListener::bind(&path).unwrap();
            let before_all = open_below_the_limit();

            for spare in 0..=2 {
                let exhausted = Exhausted::but_for(spare);
                let before = open_below_the_limit();
                assert_eq!(before.len() + spare, LIMIT as usize);
                // Three times: a leak would use up what is spare.
                for Maker { name, takes, make } in
                    makers(&poll, &tcp, &path).iter().cycle().take(39)
                {
                    let made = make();
                    if *takes <= spare {
                        assert!(made.is_ok(), "{name}: {made:?}");
                        assert_eq!(open_below_the_limit().len(), before.len() + takes, "{name}");
                    } else {
                        let error = made.as_ref().err().and_then(io::Error::raw_os_error);
                        assert_eq!(error, Some(libc::EMFILE), "{name} with {spare} spare");
                    }
                    drop(made);
                    assert_eq!(open_below_the_limit(), before, "{name} with {spare} spare");
                }
                drop(exhausted);
            }

            assert_eq!(open_below_the_limit(), before_all);
            std::fs::remove_file(&path).unwrap();
        },
    );
}

/// Edge case 14: a socket that was made is closed when the step after its making fails.
#[test]
fn an_operation_that_fails_at_a_later_step_closes_what_it_opened() {
    in_own_process(
        "an_operation_that_fails_at_a_later_step_closes_what_it_opened",
        || {
            let tcp = TcpListener::bind(any_port()).unwrap();
            let udp = UdpSocket::bind(any_port()).unwrap();
            let path = temporary_path("occupied");
            let _unix = UnixListener::bind(&path).unwrap();
            let nowhere = temporary_path("nowhere");
            let before = open_below_the_limit();

            let errors = [
                TcpListener::bind(tcp.local_addr().unwrap()).map(drop),
                UdpSocket::bind(udp.local_addr().unwrap()).map(drop),
                UnixListener::bind(&path).map(drop),
                UnixDatagram::bind(&path).map(drop),
            ];
            for error in errors {
                assert_eq!(error.unwrap_err().kind(), io::ErrorKind::AddrInUse);
            }
            let refused = UnixStream::connect(&nowhere).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::NotFound);
            assert_eq!(open_below_the_limit(), before);
            std::fs::remove_file(&path).unwrap();
        },
    );
}

/// Edge case 12: the waker that could not be made has no claim to be the only one.
#[test]
fn a_waker_that_found_no_descriptor_makes_way_for_the_next() {
    in_own_process(
        "a_waker_that_found_no_descriptor_makes_way_for_the_next",
        || {
            let (mut poll, mut events) = poll_and_events();
            let registry = poll.registry().try_clone().unwrap();
            let exhausted = Exhausted::but_for(0);
            // A waker that shares its selector's descriptor cannot fail for this reason.
            if !SHARES {
                expect_emfile(Waker::new(&registry, WAKE));
                expect_emfile(Waker::new(poll.registry(), WAKE));
            }
            drop(exhausted);

            // Had one of them kept its claim, a debug build would panic here.
            let waker = Waker::new(&registry, WAKE).unwrap();
            for _ in 0..3 {
                waker.wake().unwrap();
                expect_readable(&mut poll, &mut events, WAKE);
                expect_silence(&mut poll, &mut events);
            }
        },
    );
}

/// The part of a listener that the test of exhaustion needs, of TCP and Unix alike.
trait Listener: Source {
    type Stream: io::Read + Source + Debug;
    fn accept_one(&self) -> io::Result<Self::Stream>;
}

impl Listener for TcpListener {
    type Stream = TcpStream;
    fn accept_one(&self) -> io::Result<TcpStream> {
        self.accept().map(|(stream, _)| stream)
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;
    fn accept_one(&self) -> io::Result<UnixStream> {
        self.accept().map(|(stream, _)| stream)
    }
}

/// Edge case 14: accepting without a free descriptor fails, and the connection waits in
/// the listener until there is one. The poll serves others meanwhile.
fn accept_when_exhausted<L: Listener>(mut listener: L, connect: impl Fn() -> Box<dyn Write>) {
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKE).unwrap();
    let registry = poll.registry().try_clone().unwrap();
    registry
        .register(&mut listener, LISTENER, Interest::READABLE)
        .unwrap();
    connect().write_all(b"patience").unwrap();

    let mut exhausted = Exhausted::but_for(0);
    let before = open_below_the_limit();
    expect_readable(&mut poll, &mut events, LISTENER);
    for _ in 0..3 {
        expect_emfile(listener.accept_one());
    }
    if EMULATED_EDGES {
        // A loop that only waits for events goes on, and does not spin.
        let start = Instant::now();
        for _ in 0..5 {
            expect_readable(&mut poll, &mut events, LISTENER);
            expect_emfile(listener.accept_one());
        }
        assert!(start.elapsed() >= 5 * Duration::from_millis(9));
        expect_readable(&mut poll, &mut events, LISTENER);
    }
    expect_silence(&mut poll, &mut events);
    waker.wake().unwrap();
    expect_readable(&mut poll, &mut events, WAKE);
    assert_eq!(open_below_the_limit(), before);

    // With level triggering the connection keeps reporting itself.
    registry
        .reregister(&mut listener, LISTENER, Interest::READABLE.level())
        .unwrap();
    for _ in 0..3 {
        expect_readable(&mut poll, &mut events, LISTENER);
        expect_emfile(listener.accept_one());
    }

    registry
        .reregister(&mut listener, LISTENER, Interest::READABLE)
        .unwrap();
    expect_readable(&mut poll, &mut events, LISTENER);
    expect_emfile(listener.accept_one());
    // A program that accepts again gets the connection, and a later one is a new event.
    exhausted.release_one();
    let mut stream = listener.accept_one().unwrap();
    registry
        .register(&mut stream, STREAM, Interest::READABLE)
        .unwrap();
    expect_readable(&mut poll, &mut events, STREAM);
    assert_eq!(drain(&mut stream), b"patience");
    registry.deregister(&mut stream).unwrap();
    drop(stream);
    exhausted.release_one();
    util::expect_would_block(listener.accept_one());
    exhausted.release_one();
    let _later = connect();
    expect_readable(&mut poll, &mut events, LISTENER);
}

/// Linux reserves the descriptor before it looks for a connection: there may be none.
fn accept_nothing_when_exhausted<L: Listener>(mut listener: L, connect: impl Fn() -> OwnedFd) {
    let (mut poll, mut events) = poll_and_events();
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)
        .unwrap();
    let _first = connect();
    expect_readable(&mut poll, &mut events, LISTENER);
    let _accepted = listener.accept_one().unwrap();
    let mut exhausted = Exhausted::but_for(0);
    let _ = listener.accept_one().unwrap_err();
    expect_silence(&mut poll, &mut events);

    exhausted.release_one();
    let _second = connect();
    expect_readable(&mut poll, &mut events, LISTENER);
}

#[test]
fn a_tcp_connection_waits_until_there_is_a_descriptor() {
    in_own_process("a_tcp_connection_waits_until_there_is_a_descriptor", || {
        let listener = TcpListener::bind(any_port()).unwrap();
        let address = listener.local_addr().unwrap();
        accept_when_exhausted(listener, || {
            Box::new(std::net::TcpStream::connect(address).unwrap())
        });
    });
}

#[test]
fn a_unix_connection_waits_until_there_is_a_descriptor() {
    in_own_process(
        "a_unix_connection_waits_until_there_is_a_descriptor",
        || {
            let path = temporary_path("patience");
            let listener = UnixListener::bind(&path).unwrap();
            accept_when_exhausted(listener, || {
                Box::new(std::os::unix::net::UnixStream::connect(&path).unwrap())
            });
            std::fs::remove_file(&path).unwrap();
        },
    );
}

/// What exists already needs no descriptor to be used: registering, polling, waking and
/// transferring go on.
#[test]
fn what_is_open_already_is_not_hindered() {
    in_own_process("what_is_open_already_is_not_hindered", || {
        let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(8));
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        let (mut source, mut peer) = UnixStream::pair().unwrap();
        let exhausted = Exhausted::but_for(0);

        for round in 0..3_u8 {
            poll.registry()
                .register(&mut source, STREAM, Interest::READABLE)
                .unwrap();
            expect_silence(&mut poll, &mut events);
            peer.write_all(&[round]).unwrap();
            expect_readable(&mut poll, &mut events, STREAM);
            poll.registry()
                .reregister(&mut source, LISTENER, Interest::READABLE)
                .unwrap();
            expect_readable(&mut poll, &mut events, LISTENER);
            assert_eq!(drain(&mut source), [round]);
            waker.wake().unwrap();
            expect_readable(&mut poll, &mut events, WAKE);
            poll.registry().deregister(&mut source).unwrap();
        }

        let fillers = exhausted.fillers.len();
        assert!(fillers > 0 && exhausted.fillers[0].as_raw_fd() < LIMIT);
    });
}

#[test]
fn a_tcp_connection_is_reported_that_comes_after_a_lack_of_descriptors() {
    in_own_process(
        "a_tcp_connection_is_reported_that_comes_after_a_lack_of_descriptors",
        || {
            let listener = TcpListener::bind(any_port()).unwrap();
            let address = listener.local_addr().unwrap();
            accept_nothing_when_exhausted(listener, || {
                std::net::TcpStream::connect(address).unwrap().into()
            });
        },
    );
}

#[test]
fn a_unix_connection_is_reported_that_comes_after_a_lack_of_descriptors() {
    in_own_process(
        "a_unix_connection_is_reported_that_comes_after_a_lack_of_descriptors",
        || {
            let path = temporary_path("after");
            let listener = UnixListener::bind(&path).unwrap();
            accept_nothing_when_exhausted(listener, || {
                std::os::unix::net::UnixStream::connect(&path)
                    .unwrap()
                    .into()
            });
            std::fs::remove_file(&path).unwrap();
        },
    );
}
