//! Edge, level and one-shot, on every kind of source whose readiness comes and goes.
#![cfg(all(
    feature = "os-poll",
    feature = "net",
    any(windows, all(unix, feature = "os-ext"))
))]

use std::io::{self, Read, Write};

use crate::util::{
    self, any_port, expect_silence, poll_and_events, stream_pair, tcp_pair, udp_pair, Stream,
    Wrapper, AFD, CHECKED, KQUEUE, LONG,
};
use mio::event::{Event, Source};
use mio::net::{TcpListener, TcpStream, UdpSocket};
#[cfg(unix)]
use mio::net::{UnixDatagram, UnixStream};
#[cfg(unix)]
use mio::unix::pipe;
use mio::{Events, Interest, Poll, Token};

const SOURCE: Token = Token(1);
const OTHER: Token = Token(2);

const R: Interest = Interest::READABLE;
const W: Interest = Interest::WRITABLE;

/// Something to receive from.
trait Receive: Source {
    fn receive(&mut self, buf: &mut [u8]) -> io::Result<usize>;

    /// Receives until nothing is left.
    fn drain(&mut self) {
        let mut buf = [0; 4096];
        while let Ok(1..) = self.receive(&mut buf) {}
        util::expect_would_block(self.receive(&mut buf));
    }
}

/// Something to send to.
trait Transmit: Source {
    fn transmit(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Transmits until there is no room.
    fn fill(&mut self) {
        struct Writer<'a, T: ?Sized>(&'a mut T);

        impl<T: Transmit + ?Sized> Write for Writer<'_, T> {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.transmit(bytes)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        util::fill(&mut Writer(self));
    }
}

macro_rules! impl_link {
    ($trait:ident :: $method:ident ($bytes:ty): $($type:ty => $call:path),+ $(,)?) => {$(
        impl $trait for $type {
            fn $method(&mut self, bytes: $bytes) -> io::Result<usize> {
                $call(self, bytes)
            }
        }
    )+};
}

impl_link!(Receive::receive(&mut [u8]):
    TcpStream => Read::read,
    UdpSocket => UdpSocket::recv,
);
impl_link!(Transmit::transmit(&[u8]):
    TcpStream => Write::write,
    UdpSocket => UdpSocket::send,
);
#[cfg(unix)]
impl_link!(Receive::receive(&mut [u8]):
    UnixStream => Read::read,
    pipe::Receiver => Read::read,
    UnixDatagram => UnixDatagram::recv,
);
#[cfg(unix)]
impl_link!(Transmit::transmit(&[u8]):
    UnixStream => Write::write,
    pipe::Sender => Write::write,
    UnixDatagram => UnixDatagram::send,
);

/// What is transmitted at one end can be received at the other.
struct Link {
    name: &'static str,
    receiver: Box<dyn Receive>,
    sender: Box<dyn Transmit>,
}

/// One link of each kind.
fn links() -> Vec<Link> {
    let mut links = streams();
    let (near, far) = udp_pair();
    links.push(Link {
        name: "UDP",
        receiver: Box::new(near),
        sender: Box::new(far),
    });
    #[cfg(unix)]
    {
        let (near, far) = UnixDatagram::pair().unwrap();
        links.push(Link {
            name: "Unix datagram",
            receiver: Box::new(near),
            sender: Box::new(far),
        });
    }
    links
}

/// One link of each kind that is closed at one end when the other goes.
fn streams() -> Vec<Link> {
    #[allow(unused_mut)] // There may be no others.
    let mut links = vec![tcp_link()];
    #[cfg(unix)]
    links.extend(local_streams());
    links
}

fn tcp_link() -> Link {
    let (near, far) = tcp_pair();
    Link {
        name: "TCP",
        receiver: Box::new(near),
        sender: Box::new(far),
    }
}

/// One link of each kind whose room is known the moment when a transfer is done, with
/// no acknowledgement on the way.
#[cfg(unix)]
fn local_streams() -> Vec<Link> {
    let (near, far) = UnixStream::pair().unwrap();
    let (sender, receiver) = pipe::new().unwrap();
    vec![
        Link {
            name: "Unix stream",
            receiver: Box::new(near),
            sender: Box::new(far),
        },
        Link {
            name: "pipe",
            receiver: Box::new(receiver),
            sender: Box::new(sender),
        },
    ]
}

/// Where there are none, TCP has to do, given some patience.
#[cfg(windows)]
fn local_streams() -> Vec<Link> {
    vec![tcp_link()]
}

/// Polls once, and checks that one event comes, of `SOURCE`, with what is `wanted`.
#[track_caller]
fn expect_event(poll: &mut Poll, events: &mut Events, wanted: impl Fn(&Event) -> bool) {
    util::poll(poll, events, Some(LONG));
    let all: Vec<&Event> = events.iter().collect();
    let [event] = all[..] else {
        panic!("one event was to come, not {events:?}");
    };
    assert_eq!(event.token(), SOURCE);
    assert!(wanted(event), "{event:?}");
}

/// Checks that the next poll reports both directions, in one event or, with kqueue, in
/// two.
#[track_caller]
fn expect_both(poll: &mut Poll, events: &mut Events) {
    if !KQUEUE {
        return expect_event(poll, events, |event| {
            event.is_readable() && event.is_writable()
        });
    }
    util::poll(poll, events, Some(LONG));
    assert_eq!(events.iter().count(), 2, "{events:?}");
    assert!(events.iter().all(|event| event.token() == SOURCE));
    assert!(events.iter().any(Event::is_readable));
    assert!(events.iter().any(Event::is_writable));
}

fn register(poll: &Poll, source: &mut (impl Source + ?Sized), interest: Interest) {
    poll.registry().register(source, SOURCE, interest).unwrap();
}

fn reregister(poll: &Poll, source: &mut (impl Source + ?Sized), interest: Interest) {
    poll.registry()
        .reregister(source, SOURCE, interest)
        .unwrap();
}

// Level.

#[test]
fn level_reports_readable_until_everything_is_received() {
    for mut link in links() {
        println!("{}", link.name);
        let (mut poll, mut events) = poll_and_events();
        register(&poll, &mut *link.receiver, R.level());
        expect_silence(&mut poll, &mut events);
        for _ in 0..2 {
            link.sender.transmit(b"12345").unwrap();
            link.sender.transmit(b"67890").unwrap();
            for _ in 0..3 {
                expect_event(&mut poll, &mut events, Event::is_readable);
            }
            // One of two messages: something is left.
            assert_eq!(link.receiver.receive(&mut [0; 5]).unwrap(), 5);
            for _ in 0..3 {
                expect_event(&mut poll, &mut events, Event::is_readable);
            }
            // It is the end that counts, not `WouldBlock`.
            assert_eq!(link.receiver.receive(&mut [0; 5]).unwrap(), 5);
            expect_silence(&mut poll, &mut events);
            link.receiver.drain();
            expect_silence(&mut poll, &mut events);
        }
    }
}

#[test]
fn level_reports_writable_by_every_poll() {
    for mut link in links() {
        println!("{}", link.name);
        let (mut poll, mut events) = poll_and_events();
        register(&poll, &mut *link.sender, W.level());
        for _ in 0..3 {
            expect_event(&mut poll, &mut events, Event::is_writable);
        }
        link.sender.transmit(b"12345").unwrap();
        expect_event(&mut poll, &mut events, Event::is_writable);
    }
}

#[test]
fn level_reports_writable_until_there_is_no_room() {
    for mut link in local_streams() {
        println!("{}", link.name);
        let (mut poll, mut events) = poll_and_events();
        register(&poll, &mut *link.sender, W.level());
        for _ in 0..2 {
            expect_event(&mut poll, &mut events, Event::is_writable);
            link.sender.fill();
            expect_silence(&mut poll, &mut events);
            link.receiver.drain();
            for _ in 0..3 {
                expect_event(&mut poll, &mut events, Event::is_writable);
            }
        }
    }
}

#[test]
fn level_reports_a_listener_until_every_connection_is_accepted() {
    let (mut poll, mut events) = poll_and_events();
    let mut listener = TcpListener::bind(any_port()).unwrap();
    let address = listener.local_addr().unwrap();
    register(&poll, &mut listener, R.level());
    let _clients = [(); 2].map(|()| std::net::TcpStream::connect(address).unwrap());
    for _ in 0..2 {
        for _ in 0..3 {
            expect_event(&mut poll, &mut events, Event::is_readable);
        }
        // The second connection may be a moment behind the first; the event waits for it.
        listener.accept().unwrap();
    }
    expect_silence(&mut poll, &mut events);
}

#[test]
fn level_reports_the_end_of_a_stream_until_it_is_deregistered() {
    for mut link in streams() {
        println!("{}", link.name);
        let (mut poll, mut events) = poll_and_events();
        register(&poll, &mut *link.receiver, R.level());
        drop(link.sender);
        for _ in 0..3 {
            expect_event(&mut poll, &mut events, util::reports_end);
            assert_eq!(link.receiver.receive(&mut [0; 16]).unwrap(), 0);
        }
        poll.registry().deregister(&mut *link.receiver).unwrap();
        expect_silence(&mut poll, &mut events);
    }
}

/// Of TCP that is not known before something was sent.
#[test]
#[cfg(unix)]
fn level_reports_a_closed_receiver_until_deregistered() {
    for mut link in local_streams() {
        println!("{}", link.name);
        let (mut poll, mut events) = poll_and_events();
        register(&poll, &mut *link.sender, W.level());
        drop(link.receiver);
        for _ in 0..3 {
            expect_event(&mut poll, &mut events, Event::is_write_closed);
            let error = link.sender.transmit(b"x").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        }
        poll.registry().deregister(&mut *link.sender).unwrap();
        expect_silence(&mut poll, &mut events);
    }
}

// Edge.

#[test]
fn edge_reports_readable_once_until_it_is_drained() {
    for mut link in links() {
        println!("{}", link.name);
        let (mut poll, mut events) = poll_and_events();
        register(&poll, &mut *link.receiver, R);
        for _ in 0..3 {
            link.sender.transmit(b"1234567890").unwrap();
            expect_event(&mut poll, &mut events, Event::is_readable);
            expect_silence(&mut poll, &mut events);
            // As much as was asked for, so that there may be more. Windows takes a datagram
            // that is longer for an error.
            if !AFD || link.name != "UDP" {
                assert_eq!(link.receiver.receive(&mut [0; 5]).unwrap(), 5);
            }
            if KQUEUE && link.name == "pipe" {
                // Data that a read has left in a pipe is reported again.
                expect_event(&mut poll, &mut events, Event::is_readable);
            }
            expect_silence(&mut poll, &mut events);
            link.receiver.drain();
            expect_silence(&mut poll, &mut events);
        }
    }
}

#[test]
fn edge_reports_writable_once_until_it_is_filled() {
    for mut link in local_streams() {
        println!("{}", link.name);
        let (mut poll, mut events) = poll_and_events();
        register(&poll, &mut *link.sender, W);
        for _ in 0..3 {
            expect_event(&mut poll, &mut events, Event::is_writable);
            expect_silence(&mut poll, &mut events);
            link.sender.fill();
            expect_silence(&mut poll, &mut events);
            link.receiver.drain();
        }
    }
}

// One-shot.

#[test]
fn oneshot_reports_once_until_it_is_reregistered() {
    for mode in [R.oneshot(), R.level().oneshot(), R.oneshot().level()] {
        for mut link in links() {
            println!("{}, {mode:?}", link.name);
            let (mut poll, mut events) = poll_and_events();
            register(&poll, &mut *link.receiver, mode);
            expect_silence(&mut poll, &mut events);
            for _ in 0..2 {
                link.sender.transmit(b"12345").unwrap();
                expect_event(&mut poll, &mut events, Event::is_readable);
                // Neither what is there, nor what comes, nor draining arms it again.
                expect_silence(&mut poll, &mut events);
                link.sender.transmit(b"12345").unwrap();
                expect_silence(&mut poll, &mut events);
                link.receiver.drain();
                link.sender.transmit(b"12345").unwrap();
                expect_silence(&mut poll, &mut events);

                reregister(&poll, &mut *link.receiver, mode);
                expect_event(&mut poll, &mut events, Event::is_readable);
                expect_silence(&mut poll, &mut events);
                link.receiver.drain();
                reregister(&poll, &mut *link.receiver, mode);
                expect_silence(&mut poll, &mut events);
            }
        }
    }
}

#[test]
fn oneshot_writable_is_reported_once_until_it_is_reregistered() {
    for mode in [W.oneshot(), W.level().oneshot()] {
        for mut link in links() {
            println!("{}, {mode:?}", link.name);
            let (mut poll, mut events) = poll_and_events();
            register(&poll, &mut *link.sender, mode);
            for _ in 0..3 {
                expect_event(&mut poll, &mut events, Event::is_writable);
                expect_silence(&mut poll, &mut events);
                link.sender.transmit(b"12345").unwrap();
                expect_silence(&mut poll, &mut events);
                reregister(&poll, &mut *link.sender, mode);
            }
        }
    }
}

#[test]
fn oneshot_can_be_deregistered_before_and_after_its_event() {
    for mut link in links() {
        println!("{}", link.name);
        let (mut poll, mut events) = poll_and_events();
        register(&poll, &mut *link.receiver, R.oneshot());
        poll.registry().deregister(&mut *link.receiver).unwrap();
        link.sender.transmit(b"12345").unwrap();
        expect_silence(&mut poll, &mut events);

        register(&poll, &mut *link.receiver, R.oneshot());
        expect_event(&mut poll, &mut events, Event::is_readable);
        poll.registry().deregister(&mut *link.receiver).unwrap();
        if CHECKED {
            let again = poll.registry().deregister(&mut *link.receiver);
            assert_eq!(again.unwrap_err().kind(), io::ErrorKind::NotFound);
        }

        register(&poll, &mut *link.receiver, R.oneshot());
        expect_event(&mut poll, &mut events, Event::is_readable);
    }
}

/// Of both directions each is reported at most once, and all that is ready comes after
/// reregistering. Whether one that had not fired stays armed differs between systems.
#[test]
fn oneshot_of_both_directions_reports_each_at_most_once() {
    let (mut poll, mut events) = poll_and_events();
    let (mut near, mut far) = stream_pair();
    let both = (R | W).oneshot();
    register(&poll, &mut near, both);
    let mut reported = [0, 0];
    for _ in 0..3 {
        util::poll(&mut poll, &mut events, Some(std::time::Duration::ZERO));
        for event in &events {
            reported[0] += usize::from(event.is_readable());
            reported[1] += usize::from(event.is_writable());
        }
        far.write_all(b"x").unwrap();
    }
    assert!(reported[0] <= 1, "readable came {} times", reported[0]);
    assert_eq!(reported[1], 1, "writable was ready from the start");

    reregister(&poll, &mut near, both);
    expect_both(&mut poll, &mut events);
    expect_silence(&mut poll, &mut events);
}

#[test]
fn oneshot_does_not_report_the_end_of_a_stream_after_its_event() {
    for mut link in streams() {
        println!("{}", link.name);
        let (mut poll, mut events) = poll_and_events();
        register(&poll, &mut *link.receiver, R.oneshot());
        link.sender.transmit(b"12345").unwrap();
        expect_event(&mut poll, &mut events, Event::is_readable);
        drop(link.sender);
        expect_silence(&mut poll, &mut events);
        assert_eq!(link.receiver.receive(&mut [0; 5]).unwrap(), 5);
        expect_silence(&mut poll, &mut events);

        reregister(&poll, &mut *link.receiver, R.oneshot());
        expect_event(&mut poll, &mut events, util::reports_end);
        expect_silence(&mut poll, &mut events);
    }
}

// Several modes.

/// Each mode leaves nothing of the one before. Something is there to receive all the
/// time, so that the modes alone make the difference.
#[test]
fn reregistering_changes_the_mode() {
    const EDGE: Interest = R;
    for mut link in links() {
        println!("{}", link.name);
        let (mut poll, mut events) = poll_and_events();
        link.sender.transmit(b"12345").unwrap();
        register(&poll, &mut *link.receiver, EDGE);
        expect_event(&mut poll, &mut events, Event::is_readable);
        expect_silence(&mut poll, &mut events);

        let modes = [
            (R.level(), 3),
            (R.oneshot(), 1),
            (EDGE, 1),
            (R.oneshot(), 1),
            (R.level(), 3),
            (EDGE, 1),
            (R.level().oneshot(), 1),
            (R.level(), 3),
        ];
        for (mode, times) in modes {
            reregister(&poll, &mut *link.receiver, mode);
            for _ in 0..times {
                expect_event(&mut poll, &mut events, Event::is_readable);
            }
            if !mode.is_level() || mode.is_oneshot() {
                expect_silence(&mut poll, &mut events);
            }
        }

        // Edges are real again after all that.
        reregister(&poll, &mut *link.receiver, EDGE);
        expect_event(&mut poll, &mut events, Event::is_readable);
        link.receiver.drain();
        link.sender.transmit(b"12345").unwrap();
        expect_event(&mut poll, &mut events, Event::is_readable);
        expect_silence(&mut poll, &mut events);
    }
}

/// A mode holds for the whole registration, whichever direction it came with.
#[test]
fn uniting_interests_unites_their_modes() {
    for interest in [R.level() | W, R | W.level()] {
        let (mut poll, mut events) = poll_and_events();
        let (mut near, mut far) = stream_pair();
        far.write_all(b"x").unwrap();
        register(&poll, &mut near, interest);
        for _ in 0..3 {
            expect_both(&mut poll, &mut events);
        }
    }
}

#[test]
fn sources_of_one_poll_have_their_own_modes() {
    let (mut poll, mut events) = poll_and_events();
    let (mut level, mut far_of_level) = stream_pair();
    let (mut edge, mut far_of_edge) = stream_pair();
    let registry = poll.registry();
    registry.register(&mut level, SOURCE, R.level()).unwrap();
    registry.register(&mut edge, OTHER, R).unwrap();
    far_of_level.write_all(b"x").unwrap();
    far_of_edge.write_all(b"x").unwrap();
    let mut reported = [0, 0];
    for _ in 0..4 {
        util::poll(&mut poll, &mut events, Some(LONG));
        for event in &events {
            reported[usize::from(event.token() == OTHER)] += 1;
        }
    }
    assert_eq!(reported, [4, 1]);
}

// Sources of the program.

#[test]
fn modes_pass_through_the_sources_of_a_program() {
    let wrap: [fn(Stream) -> Box<dyn Source>; 3] = [
        |stream| Box::new(stream),
        |stream| Box::new(Wrapper(stream)),
        |stream| Box::new(Wrapper(Box::new(Box::new(stream) as Box<dyn Source>))),
    ];
    for wrap in wrap {
        let (mut poll, mut events) = poll_and_events();
        let (near, mut far) = stream_pair();
        far.write_all(b"x").unwrap();
        let mut source = wrap(near);
        register(&poll, &mut source, R.level());
        for _ in 0..3 {
            expect_event(&mut poll, &mut events, Event::is_readable);
        }
        reregister(&poll, &mut *source, R.oneshot());
        expect_event(&mut poll, &mut events, Event::is_readable);
        expect_silence(&mut poll, &mut events);
        far.write_all(b"x").unwrap();
        expect_silence(&mut poll, &mut events);
        reregister(&poll, &mut source, R);
        expect_event(&mut poll, &mut events, Event::is_readable);
        expect_silence(&mut poll, &mut events);
        poll.registry().deregister(&mut *source).unwrap();
    }
}

// Bare descriptors: the I/O does not go through the library.
#[cfg(unix)]
mod bare {
    use std::os::fd::AsRawFd;

    use mio::unix::SourceFd;

    use super::*;

    #[test]
    fn level_works_fully_for_a_bare_descriptor() {
        let (mut poll, mut events) = poll_and_events();
        let (mut near, mut far) = std::os::unix::net::UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        far.set_nonblocking(true).unwrap();
        let fd = near.as_raw_fd();
        register(&poll, &mut SourceFd(&fd), R.level());
        for _ in 0..2 {
            expect_silence(&mut poll, &mut events);
            far.write_all(b"12345").unwrap();
            for _ in 0..3 {
                expect_event(&mut poll, &mut events, Event::is_readable);
            }
            near.read_exact(&mut [0; 4]).unwrap();
            expect_event(&mut poll, &mut events, Event::is_readable);
            near.read_exact(&mut [0; 1]).unwrap();
        }

        reregister(&poll, &mut SourceFd(&fd), W.level());
        for _ in 0..2 {
            for _ in 0..3 {
                expect_event(&mut poll, &mut events, Event::is_writable);
            }
            while near.write(&[0; 4096]).is_ok() {}
            expect_silence(&mut poll, &mut events);
            util::drain(&mut far);
        }

        drop(far);
        for _ in 0..3 {
            expect_event(&mut poll, &mut events, Event::is_write_closed);
        }
        poll.registry().deregister(&mut SourceFd(&fd)).unwrap();
        expect_silence(&mut poll, &mut events);
    }

    #[test]
    fn oneshot_works_fully_for_a_bare_descriptor() {
        let (mut poll, mut events) = poll_and_events();
        let (near, mut far) = std::os::unix::net::UnixStream::pair().unwrap();
        let fd = near.as_raw_fd();
        register(&poll, &mut SourceFd(&fd), R.oneshot());
        for _ in 0..3 {
            far.write_all(b"x").unwrap();
            expect_event(&mut poll, &mut events, Event::is_readable);
            expect_silence(&mut poll, &mut events);
            far.write_all(b"x").unwrap();
            expect_silence(&mut poll, &mut events);
            reregister(&poll, &mut SourceFd(&fd), R.oneshot());
        }
        poll.registry().deregister(&mut SourceFd(&fd)).unwrap();
        expect_silence(&mut poll, &mut events);
    }

    /// What every backend promises of edges without seeing the I/O: once, and again after
    /// reregistering.
    #[test]
    fn an_edge_of_a_bare_descriptor_is_reported_once_until_it_is_reregistered() {
        let (mut poll, mut events) = poll_and_events();
        let (near, mut far) = std::os::unix::net::UnixStream::pair().unwrap();
        let fd = near.as_raw_fd();
        register(&poll, &mut SourceFd(&fd), R | W);
        expect_event(&mut poll, &mut events, Event::is_writable);
        far.write_all(b"x").unwrap();
        expect_event(&mut poll, &mut events, Event::is_readable);
        for _ in 0..3 {
            expect_silence(&mut poll, &mut events);
            reregister(&poll, &mut SourceFd(&fd), R | W);
            expect_both(&mut poll, &mut events);
        }
    }
}
