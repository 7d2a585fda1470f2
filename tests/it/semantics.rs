//! The tables of `docs/semantics.md`, row by row, on the current backend.
//!
//! Each row is a situation, and each cell contains what a poll reports in it. A row without a
//! situation here is an error, and so is a situation without a row. After a change,
//! `MIO_SEMANTICS=print cargo test --all-features --test it semantics:: -- --nocapture` prints the
//! column of the backend.
#![cfg(all(feature = "os-poll", feature = "os-ext", feature = "net"))]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use crate::util::{self, any_port, drain, expect_would_block, LONG};
use mio::event::{Event, Source};
use mio::net::{TcpListener, TcpStream, UdpSocket};
use mio::{Events, Interest, IoSource, Poll, Token, Waker};
use socket2::{SockRef, Socket};

const DOCUMENT: &str = include_str!("../../docs/semantics.md");

/// The column of the current backend.
const COLUMN: &str = if cfg!(windows) {
    "AFD"
} else if util::POLL2 {
    "poll(2)"
} else if util::KQUEUE {
    "kqueue"
} else if util::EVENT_PORT {
    "event ports"
} else {
    "epoll"
};

const SOURCE: Token = Token(1);
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// What the events of a situation report, combined.
type Reported = BTreeSet<&'static str>;

/// The operations that the rows use of the registered stream.
trait Stream: Source + Read + Write {
    fn shutdown(&self, how: Shutdown) -> std::io::Result<()>;
}

impl Stream for TcpStream {
    fn shutdown(&self, how: Shutdown) -> std::io::Result<()> {
        self.shutdown(how)
    }
}

impl Stream for IoSource<std::net::TcpStream> {
    fn shutdown(&self, how: Shutdown) -> std::io::Result<()> {
        self.get_ref().shutdown(how)
    }
}

impl Stream for IoSource<Socket> {
    fn shutdown(&self, how: Shutdown) -> std::io::Result<()> {
        self.get_ref().shutdown(how)
    }
}

/// The type of the registered stream.
type Kind = fn(std::net::TcpStream) -> Box<dyn Stream>;

const OWN: Kind = |stream| Box::new(TcpStream::from_std(stream));
const ANY: Kind = |stream| Box::new(IoSource::new(stream));
const ANY_OF_SOCKET2: Kind = |stream| Box::new(IoSource::new(Socket::from(stream)));

/// A situation under construction.
struct Scene {
    poll: Poll,
    events: Events,
    kind: Kind,
    /// The cell of the table. The test waits until all of it has been reported.
    expected: Option<Reported>,
}

impl Scene {
    fn new(kind: Kind, expected: Option<Reported>) -> Scene {
        let (poll, events) = util::poll_and_events();
        Scene {
            poll,
            events,
            kind,
            expected,
        }
    }

    fn register(&mut self, source: &mut impl Source, interest: Interest) {
        let registry = self.poll.registry();
        registry.register(source, SOURCE, interest).unwrap();
    }

    /// Registers `source`. Returns whether the system does not support this interest.
    fn is_refused(&mut self, source: &mut impl Source, interest: Interest) -> bool {
        match self.poll.registry().register(source, SOURCE, interest) {
            Err(error) if error.kind() == ErrorKind::InvalidInput => true,
            result => {
                result.unwrap();
                false
            }
        }
    }

    fn reregister(&mut self, source: &mut impl Source, interest: Interest) {
        let registry = self.poll.registry();
        registry.reregister(source, SOURCE, interest).unwrap();
    }

    /// Discards the pending events.
    fn forget(&mut self) {
        self.listen(|_| false);
    }

    /// Returns what is reported from now on. Polls until everything in the cell has been reported,
    /// and then until a poll has no event.
    fn reported(&mut self) -> Reported {
        let expected = self.expected.clone().unwrap_or_default();
        self.listen(|reported| !reported.is_superset(&expected))
    }

    fn listen(&mut self, lacking: impl Fn(&Reported) -> bool) -> Reported {
        const QUIET: Duration = Duration::from_millis(20);
        let end = Instant::now() + LONG;
        let mut reported = Reported::new();
        loop {
            util::poll(&mut self.poll, &mut self.events, Some(QUIET));
            if self.events.is_empty() && (!lacking(&reported) || Instant::now() > end) {
                return reported;
            }
            reported.extend(self.events.iter().flat_map(words));
        }
    }

    /// Returns what this number of polls reports, each of which must have an event.
    fn reported_by(&mut self, polls: usize) -> Reported {
        let mut reported = Reported::new();
        for _ in 0..polls {
            util::poll(&mut self.poll, &mut self.events, Some(LONG));
            assert!(!self.events.is_empty());
            reported.extend(self.events.iter().flat_map(words));
        }
        reported
    }

    /// Returns two connected streams. The second one is registered, and has reported that it is
    /// writable.
    fn streams(&mut self, interest: Interest) -> (TcpStream, Box<dyn Stream>) {
        let (peer, mut stream) = self.unregistered();
        self.register(&mut stream, interest);
        if interest.is_writable() && !interest.is_level() {
            util::expect_writable(&mut self.poll, &mut self.events, SOURCE);
        }
        (peer, stream)
    }

    fn unregistered(&self) -> (TcpStream, Box<dyn Stream>) {
        let (peer, stream) = util::std_tcp_pair();
        (TcpStream::from_std(peer), (self.kind)(stream))
    }

    /// Sends two bytes from `peer`, and waits for their event.
    fn report_data(&mut self, peer: &mut impl Write) {
        peer.write_all(b"xy").unwrap();
        util::expect_readable(&mut self.poll, &mut self.events, SOURCE);
        self.forget();
    }

    fn listener(&mut self) -> TcpListener {
        let mut listener = TcpListener::bind(any_port()).unwrap();
        self.register(&mut listener, Interest::READABLE);
        listener
    }
}

/// Closes `stream` so that its peer sees a reset.
fn reset(stream: TcpStream) {
    let no_linger = Some(Duration::ZERO);
    SockRef::from(&stream).set_linger(no_linger).unwrap();
}

fn words(event: &Event) -> Vec<&'static str> {
    assert_eq!(event.token(), SOURCE);
    [
        (event.is_readable(), "readable"),
        (event.is_writable(), "writable"),
        (event.is_error(), "error"),
        (event.is_read_closed(), "read-closed"),
        (event.is_write_closed(), "write-closed"),
        (event.is_priority(), "priority"),
    ]
    .into_iter()
    .filter(|(reported, _)| *reported)
    .map(|(_, word)| word)
    .collect()
}

type Row = (&'static str, fn(&mut Scene) -> Reported);

const STREAMS: &[Row] = &[
    ("data arrives", |scene| {
        let (mut peer, _stream) = scene.streams(BOTH);
        peer.write_all(b"x").unwrap();
        scene.reported()
    }),
    ("data arrives, READABLE only", |scene| {
        let (mut peer, _stream) = scene.streams(Interest::READABLE);
        peer.write_all(b"x").unwrap();
        scene.reported()
    }),
    ("more data arrives behind unread data", |scene| {
        let (mut peer, _stream) = scene.streams(BOTH);
        peer.write_all(b"x").unwrap();
        util::expect_readable(&mut scene.poll, &mut scene.events, SOURCE);
        scene.forget();
        peer.write_all(b"y").unwrap();
        scene.reported()
    }),
    (
        "more data arrives after a read returned `WouldBlock`, READABLE only",
        |scene| {
            let (mut peer, mut stream) = scene.streams(Interest::READABLE);
            peer.write_all(b"x").unwrap();
            util::expect_readable(&mut scene.poll, &mut scene.events, SOURCE);
            drain(&mut stream);
            peer.write_all(b"y").unwrap();
            scene.reported()
        },
    ),
    (
        "more data arrives after a short read, READABLE only",
        |scene| {
            let (mut peer, mut stream) = scene.streams(Interest::READABLE);
            peer.write_all(b"x").unwrap();
            util::expect_readable(&mut scene.poll, &mut scene.events, SOURCE);
            assert_eq!(stream.read(&mut [0; 8]).unwrap(), 1);
            peer.write_all(b"y").unwrap();
            scene.reported()
        },
    ),
    ("all data has been read, READABLE only", |scene| {
        let (mut peer, mut stream) = scene.streams(Interest::READABLE);
        peer.write_all(b"x").unwrap();
        util::expect_readable(&mut scene.poll, &mut scene.events, SOURCE);
        drain(&mut stream);
        scene.reported()
    }),
    (
        "a read that filled its buffer leaves data, READABLE only",
        |scene| {
            scene.kind = OWN;
            part_is_read(scene)
        },
    ),
    ("the same for an `IoSource`", |scene| {
        scene.kind = ANY;
        part_is_read(scene)
    }),
    (
        "the peer makes room in a full connection, WRITABLE only",
        |scene| {
            let (mut peer, mut stream) = scene.streams(Interest::WRITABLE);
            let mut sent = 0;
            while let Ok(len) = stream.write(&[0; 1 << 16]) {
                sent += len;
            }
            expect_would_block(stream.write(&[0; 1 << 16]));
            scene.forget();
            let mut received = 0;
            let end = Instant::now() + LONG;
            while received < sent && Instant::now() < end {
                received += drain(&mut peer).len();
            }
            scene.reported()
        },
    ),
    ("the peer shuts down its sending side", |scene| {
        let (peer, _stream) = scene.streams(BOTH);
        peer.shutdown(Shutdown::Write).unwrap();
        scene.reported()
    }),
    ("the peer closes", |scene| {
        let (peer, _stream) = scene.streams(BOTH);
        drop(peer);
        scene.reported()
    }),
    ("the peer sends data and closes, READABLE only", |scene| {
        let (mut peer, _stream) = scene.streams(Interest::READABLE);
        peer.write_all(b"x").unwrap();
        drop(peer);
        scene.reported()
    }),
    ("the same, after a short read of the data", |scene| {
        let (mut peer, mut stream) = scene.streams(Interest::READABLE);
        peer.write_all(b"x").unwrap();
        drop(peer);
        util::expect_readable(&mut scene.poll, &mut scene.events, SOURCE);
        scene.forget();
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 1);
        scene.reported()
    }),
    ("the end arrives behind reported data", |scene| {
        let (mut peer, _stream) = scene.streams(BOTH);
        scene.report_data(&mut peer);
        peer.shutdown(Shutdown::Write).unwrap();
        scene.reported()
    }),
    (
        "the end arrives behind reported data, READABLE only",
        |scene| {
            let (mut peer, _stream) = scene.streams(Interest::READABLE);
            scene.report_data(&mut peer);
            peer.shutdown(Shutdown::Write).unwrap();
            scene.reported()
        },
    ),
    ("the end arrives behind partly read data", |scene| {
        let (mut peer, mut stream) = scene.streams(BOTH);
        scene.report_data(&mut peer);
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 1);
        peer.shutdown(Shutdown::Write).unwrap();
        scene.reported()
    }),
    (
        "the end arrives after a read that took all data and filled its buffer",
        |scene| {
            let (mut peer, mut stream) = scene.streams(BOTH);
            scene.report_data(&mut peer);
            stream.read_exact(&mut [0; 2]).unwrap();
            peer.shutdown(Shutdown::Write).unwrap();
            scene.reported()
        },
    ),
    ("the peer resets the connection", |scene| {
        let (peer, mut stream) = scene.streams(BOTH);
        expect_would_block(stream.read(&mut [0; 8]));
        reset(peer);
        scene.reported()
    }),
    ("a reset arrives behind reported data", |scene| {
        let (mut peer, _stream) = scene.streams(BOTH);
        scene.report_data(&mut peer);
        reset(peer);
        scene.reported()
    }),
    (
        "a reset arrives behind reported data, READABLE only",
        |scene| {
            let (mut peer, _stream) = scene.streams(Interest::READABLE);
            scene.report_data(&mut peer);
            reset(peer);
            scene.reported()
        },
    ),
    (
        "a reset arrives after a read that took all data and filled its buffer",
        |scene| {
            let (mut peer, mut stream) = scene.streams(BOTH);
            scene.report_data(&mut peer);
            stream.read_exact(&mut [0; 2]).unwrap();
            reset(peer);
            scene.reported()
        },
    ),
    ("a reset arrives after the end has been read", |scene| {
        let (peer, mut stream) = scene.streams(BOTH);
        peer.shutdown(Shutdown::Write).unwrap();
        util::expect_readable(&mut scene.poll, &mut scene.events, SOURCE);
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
        scene.forget();
        reset(peer);
        scene.reported()
    }),
    ("`shutdown(Write)`, after the end has been read", |scene| {
        let (peer, mut stream) = scene.streams(BOTH);
        peer.shutdown(Shutdown::Write).unwrap();
        util::expect_readable(&mut scene.poll, &mut scene.events, SOURCE);
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
        scene.forget();
        stream.shutdown(Shutdown::Write).unwrap();
        scene.reported()
    }),
    ("`shutdown(Write)`", |scene| {
        let (_peer, stream) = scene.streams(BOTH);
        stream.shutdown(Shutdown::Write).unwrap();
        scene.reported()
    }),
    ("`shutdown(Read)`", |scene| {
        let (_peer, stream) = scene.streams(BOTH);
        stream.shutdown(Shutdown::Read).unwrap();
        scene.reported()
    }),
];

const END: Interest = Interest::READ_CLOSED;

const ENDS: &[Row] = &[
    ("READ_CLOSED: data arrives", |scene| {
        unread(scene, END, Some, Scene::reported)
    }),
    ("READ_CLOSED: the end arrives behind unread data", |scene| {
        unread(scene, END, end, Scene::reported)
    }),
    ("READ_CLOSED: a reset arrives behind unread data", |scene| {
        unread(scene, END, reset_it, Scene::reported)
    }),
    (
        "READ_CLOSED and WRITABLE: the end arrives behind unread data",
        |scene| unread(scene, END | Interest::WRITABLE, end, Scene::reported),
    ),
    (
        "READ_CLOSED, level: a reset behind unread data, three polls",
        |scene| unread(scene, END.level(), reset_it, |scene| scene.reported_by(3)),
    ),
    (
        "READ_CLOSED: the end arrives, with no data before it",
        |scene| {
            let (peer, mut stream) = scene.unregistered();
            if scene.is_refused(&mut stream, END) {
                return Reported::from(["refused"]);
            }
            drop(peer);
            scene.reported()
        },
    ),
    (
        "READ_CLOSED: reregistered after the end was reported",
        |scene| {
            let (peer, mut stream) = scene.unregistered();
            if scene.is_refused(&mut stream, END) {
                return Reported::from(["refused"]);
            }
            drop(peer);
            util::expect(&mut scene.poll, &mut scene.events, SOURCE, |it| {
                it.is_read_closed()
            });
            scene.forget();
            scene.reregister(&mut stream, END);
            scene.reported()
        },
    ),
];

/// Returns what is reported when `ending` ends a connection that has unread data. `ending` returns
/// the peer if it has to stay open.
fn unread(
    scene: &mut Scene,
    interest: Interest,
    ending: fn(TcpStream) -> Option<TcpStream>,
    reported: fn(&mut Scene) -> Reported,
) -> Reported {
    let (mut peer, mut stream) = scene.unregistered();
    if scene.is_refused(&mut stream, interest) {
        return Reported::from(["refused"]);
    }
    scene.forget();
    peer.write_all(b"x").unwrap();
    let _peer = ending(peer);
    reported(scene)
}

fn end(peer: TcpStream) -> Option<TcpStream> {
    peer.shutdown(Shutdown::Write).unwrap();
    Some(peer)
}

fn reset_it(peer: TcpStream) -> Option<TcpStream> {
    reset(peer);
    None
}

fn part_is_read(scene: &mut Scene) -> Reported {
    let (mut peer, mut stream) = scene.streams(Interest::READABLE);
    scene.report_data(&mut peer);
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 1);
    scene.reported()
}

const CONNECTIONS: &[Row] = &[
    ("a connection is established", |scene| {
        let listener = std::net::TcpListener::bind(any_port()).unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        scene.register(&mut stream, BOTH);
        scene.reported()
    }),
    ("a connection is refused", |scene| {
        let address = TcpListener::bind(any_port()).unwrap().local_addr().unwrap();
        match TcpStream::connect(address) {
            Ok(mut stream) => {
                scene.register(&mut stream, BOTH);
                scene.reported()
            }
            Err(error) => panic!("refused at once: {error}"),
        }
    }),
    ("a connection is pending", |scene| {
        let listener = scene.listener();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        scene.reported()
    }),
    (
        "a second connection is pending, the first was not accepted",
        |scene| {
            let listener = scene.listener();
            let _one = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            util::expect_readable(&mut scene.poll, &mut scene.events, SOURCE);
            let _other = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            scene.reported()
        },
    ),
    (
        "a second connection is pending, after `accept` returned `WouldBlock`",
        |scene| {
            let listener = scene.listener();
            let _one = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            util::expect_readable(&mut scene.poll, &mut scene.events, SOURCE);
            let _accepted = listener.accept().unwrap();
            expect_would_block(listener.accept());
            let _other = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            scene.reported()
        },
    ),
];

const DATAGRAMS: &[Row] = &[
    ("a UDP socket is registered", |scene| {
        let mut socket = UdpSocket::bind(any_port()).unwrap();
        scene.register(&mut socket, BOTH);
        scene.reported()
    }),
    ("a datagram arrives, READABLE only", |scene| {
        let mut socket = UdpSocket::bind(any_port()).unwrap();
        scene.register(&mut socket, Interest::READABLE);
        let sender = std::net::UdpSocket::bind(any_port()).unwrap();
        sender.send_to(b"x", socket.local_addr().unwrap()).unwrap();
        scene.reported()
    }),
    (
        "a datagram sent by a connected socket finds no receiver, READABLE only",
        |scene| {
            let closed = std::net::UdpSocket::bind(any_port())
                .unwrap()
                .local_addr()
                .unwrap();
            let mut socket = UdpSocket::bind(any_port()).unwrap();
            socket.connect(closed).unwrap();
            scene.register(&mut socket, Interest::READABLE);
            socket.send(b"x").unwrap();
            scene.reported()
        },
    ),
];

const REGISTRATIONS: &[Row] = &[
    ("registered with data pending", |scene| {
        let (mut peer, mut stream) = scene.unregistered();
        peer.write_all(b"x").unwrap();
        scene.register(&mut stream, Interest::READABLE);
        scene.reported()
    }),
    ("reregistered with reported data pending", |scene| {
        let (mut peer, mut stream) = scene.streams(Interest::READABLE);
        peer.write_all(b"x").unwrap();
        util::expect_readable(&mut scene.poll, &mut scene.events, SOURCE);
        scene.reregister(&mut stream, Interest::READABLE);
        scene.reported()
    }),
    ("level: unread data, three polls", |scene| {
        let (mut peer, _stream) = scene.streams(Interest::READABLE.level());
        peer.write_all(b"x").unwrap();
        scene.reported_by(3)
    }),
    ("level: all data has been read", |scene| {
        let (mut peer, mut stream) = scene.streams(Interest::READABLE.level());
        peer.write_all(b"x").unwrap();
        util::expect_readable(&mut scene.poll, &mut scene.events, SOURCE);
        assert_eq!(drain(&mut stream), b"x");
        scene.reported()
    }),
    ("one-shot: more data arrives after its event", |scene| {
        let (mut peer, mut stream) = scene.streams(Interest::READABLE.oneshot());
        peer.write_all(b"x").unwrap();
        util::expect_readable(&mut scene.poll, &mut scene.events, SOURCE);
        drain(&mut stream);
        peer.write_all(b"y").unwrap();
        scene.reported()
    }),
    ("one-shot: reregistered after its event", |scene| {
        let (mut peer, mut stream) = scene.streams(Interest::READABLE.oneshot());
        peer.write_all(b"x").unwrap();
        util::expect_readable(&mut scene.poll, &mut scene.events, SOURCE);
        scene.reregister(&mut stream, Interest::READABLE.oneshot());
        scene.reported()
    }),
    ("deregistered with an event pending", |scene| {
        let (mut peer, mut stream) = scene.streams(Interest::READABLE);
        peer.write_all(b"x").unwrap();
        scene.poll.registry().deregister(&mut stream).unwrap();
        scene.reported()
    }),
    ("dropped with an event pending", |scene| {
        let (mut peer, stream) = scene.streams(Interest::READABLE);
        peer.write_all(b"x").unwrap();
        drop(stream);
        scene.reported()
    }),
    (
        "dropped, then a source without data is registered",
        |scene| {
            let (mut peer, stream) = scene.streams(Interest::READABLE);
            peer.write_all(b"x").unwrap();
            drop(stream);
            // Where descriptors are reused, it has the same number.
            let (_peer, _stream) = scene.streams(Interest::READABLE);
            scene.reported()
        },
    ),
];

const WAKES: &[Row] = &[
    ("a wake before the poll", |scene| {
        let waker = Waker::new(scene.poll.registry(), SOURCE).unwrap();
        waker.wake().unwrap();
        scene.reported()
    }),
    ("a wake during the poll", |scene| {
        let waker = Waker::new(scene.poll.registry(), SOURCE).unwrap();
        let Scene { poll, events, .. } = scene;
        util::poll_while(poll, events, Some(LONG), || waker.wake().unwrap());
        let reported = scene.events.iter().flat_map(words).collect();
        scene.forget();
        reported
    }),
    (
        "two wakes before the poll: after the first event",
        |scene| {
            let waker = Waker::new(scene.poll.registry(), SOURCE).unwrap();
            waker.wake().unwrap();
            waker.wake().unwrap();
            util::expect_readable(&mut scene.poll, &mut scene.events, SOURCE);
            scene.reported()
        },
    ),
    ("a wake after the event of an earlier one", |scene| {
        let waker = Waker::new(scene.poll.registry(), SOURCE).unwrap();
        waker.wake().unwrap();
        util::expect_readable(&mut scene.poll, &mut scene.events, SOURCE);
        waker.wake().unwrap();
        scene.reported()
    }),
    ("the waker is dropped with a wake pending", |scene| {
        let waker = Waker::new(scene.poll.registry(), SOURCE).unwrap();
        waker.wake().unwrap();
        drop(waker);
        scene.reported()
    }),
];

const TIMEOUTS: &[Row] = &[
    ("a timeout of zero", |scene| timeout(scene, Duration::ZERO)),
    ("a timeout of 1 ns", |scene| {
        timeout(scene, Duration::from_nanos(1))
    }),
    ("a timeout of 1.5 ms", |scene| {
        timeout(scene, Duration::from_micros(1500))
    }),
    ("the longest timeout, and a wake", |scene| {
        let waker = Waker::new(scene.poll.registry(), SOURCE).unwrap();
        let Scene { poll, events, .. } = scene;
        util::poll_while(poll, events, Some(Duration::MAX), || waker.wake().unwrap());
        scene.events.iter().flat_map(words).collect()
    }),
    ("a deadline that has passed", |scene| {
        deadline(scene, Duration::ZERO)
    }),
    ("a deadline that has passed, with data pending", |scene| {
        let (mut peer, mut stream) = scene.unregistered();
        peer.write_all(b"x").unwrap();
        scene.register(&mut stream, Interest::READABLE.level());
        util::expect_readable(&mut scene.poll, &mut scene.events, SOURCE);
        deadline(scene, Duration::ZERO)
    }),
    ("a deadline 1.5 ms away", |scene| {
        deadline(scene, Duration::from_micros(1500))
    }),
];

/// Returns what is reported up to a deadline. Without events, the call must not return earlier.
fn deadline(scene: &mut Scene, wait: Duration) -> Reported {
    let deadline = Instant::now() + wait;
    let Scene { poll, events, .. } = scene;
    poll.poll_until(events, Some(deadline)).unwrap();
    assert!(!events.is_empty() || Instant::now() >= deadline);
    events.iter().flat_map(words).collect()
}

/// Polls with a timeout. The call must not return earlier.
fn timeout(scene: &mut Scene, timeout: Duration) -> Reported {
    let start = Instant::now();
    util::poll(&mut scene.poll, &mut scene.events, Some(timeout));
    assert!(start.elapsed() >= timeout);
    scene.events.iter().flat_map(words).collect()
}

/// Situations in which Windows, by Wine's own tests, reports an end together with the data before it,
/// as poll(2) does. The document has what Wine does.
const ENDS_BEHIND_DATA: [&str; 7] = [
    "the peer sends data and closes, READABLE only",
    "the same, after a short read of the data",
    "the end arrives behind reported data",
    "the end arrives behind reported data, READABLE only",
    "the end arrives behind partly read data",
    "READ_CLOSED: the end arrives behind unread data",
    "READ_CLOSED and WRITABLE: the end arrives behind unread data",
];

fn is_windows_itself() -> bool {
    #[cfg(windows)]
    return !util::is_wine();
    #[cfg(not(windows))]
    return false;
}

/// Returns the rows of the document, with their cells in the current column.
fn table() -> BTreeMap<&'static str, &'static str> {
    let mut rows = BTreeMap::new();
    let (mut column, mut like_poll) = (None, None);
    for line in DOCUMENT.lines() {
        if line.starts_with('#') {
            // A table of something else may follow.
            column = None;
        }
        if !line.starts_with('|') {
            continue;
        }
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        if cells[0] == "situation" {
            column = cells.iter().position(|cell| *cell == COLUMN);
            like_poll = cells.iter().position(|cell| *cell == "poll(2)");
        } else if !cells[0].starts_with("---") {
            if let Some(column) = column {
                let twice = rows.insert(cells[0], cells[column]);
                assert_eq!(twice, None, "{} has two rows", cells[0]);
            }
            if let Some(column) = like_poll.filter(|_| is_windows_itself()) {
                if ENDS_BEHIND_DATA.contains(&cells[0]) {
                    rows.insert(cells[0], cells[column]);
                }
            }
        }
    }
    assert!(ENDS_BEHIND_DATA.iter().all(|row| rows.contains_key(row)));
    rows
}

fn parse(cell: &'static str) -> Reported {
    if cell == "nothing" {
        return Reported::new();
    }
    cell.split(", ").collect()
}

fn spell(reported: &Reported) -> String {
    // In the order of the methods, not in alphabetical order.
    let order = [
        "readable",
        "writable",
        "error",
        "read-closed",
        "write-closed",
        "priority",
        "refused",
    ];
    let words: Vec<_> = order
        .into_iter()
        .filter(|word| reported.contains(word))
        .collect();
    if words.is_empty() {
        return "nothing".into();
    }
    words.join(", ")
}

#[test]
fn events_are_those_of_the_tables() {
    let mut table = table();
    let all = [
        STREAMS,
        ENDS,
        CONNECTIONS,
        DATAGRAMS,
        REGISTRATIONS,
        WAKES,
        TIMEOUTS,
    ];
    check(OWN, &all, &mut table);
    let left: Vec<_> = table.into_keys().collect();
    assert!(left.is_empty(), "no such situation: {left:?}");
}

/// A socket of another crate has the same events as one of this crate.
#[test]
fn events_of_other_types_are_those_of_the_tables() {
    for kind in [ANY, ANY_OF_SOCKET2] {
        let mut table = table();
        // Every read rearms the source: remaining data is reported again, and so is an end that
        // looks like data.
        if util::EVENT_PORT || util::AFD && !is_windows_itself() {
            let row = "the end arrives behind partly read data";
            table.insert(row, "readable");
        }
        if util::EVENT_PORT {
            let row = "the end arrives after a read that took all data and filled its buffer";
            table.insert(row, "readable");
        }
        check(kind, &[STREAMS, ENDS, REGISTRATIONS], &mut table);
    }
}

/// Runs the situations, and removes their rows from the table.
fn check(kind: Kind, situations: &[&[Row]], table: &mut BTreeMap<&'static str, &'static str>) {
    let print = std::env::var_os("MIO_SEMANTICS").is_some();
    let mut wrong = Vec::new();
    for (name, situation) in situations.iter().copied().flatten() {
        let cell = table.remove(name);
        let reported = spell(&situation(&mut Scene::new(kind, cell.map(parse))));
        if print {
            println!("| {name} | {COLUMN} | {reported} |");
        }
        if cell != Some(reported.as_str()) {
            wrong.push(format!("{name}: {reported}, but the table has {cell:?}"));
        }
    }
    assert!(print || wrong.is_empty(), "{COLUMN}:\n{}", wrong.join("\n"));
}
