//! What an event reports about its source, on every selector: the documentation of
//! `event::Event`, sentence by sentence.
#![cfg(all(
    feature = "os-poll",
    feature = "net",
    any(windows, all(unix, feature = "os-ext"))
))]

use std::io::{Read, Write};
use std::net::{self, Shutdown};
use std::time::Duration;

use crate::util::{
    self, any_port, any_port_at, discard_events, drain, expect, expect_readable, expect_silence,
    expect_writable, poll_and_events, reset_on_close, stream_pair, tcp_pair, StdStream, Stream,
    AFD, EVENT_PORT, KQUEUE, LONG, POLL2, REPORTS_HALF_CLOSE,
};
use mio::event::{Event, Source};
use mio::net::{TcpListener, TcpStream, UdpSocket};
#[cfg(unix)]
use mio::net::{UnixDatagram, UnixListener, UnixStream};
#[cfg(unix)]
use mio::unix::pipe;
use mio::{Events, Interest, Poll, Token, Waker};

const TOKEN: Token = Token(11);
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

fn registered(source: &mut (impl Source + ?Sized), interest: Interest) -> (Poll, Events) {
    let (poll, events) = poll_and_events();
    poll.registry().register(source, TOKEN, interest).unwrap();
    (poll, events)
}

/// Everything that an event reports, by name.
fn says(event: &Event) -> Vec<&'static str> {
    let all = [
        ("readable", event.is_readable()),
        ("writable", event.is_writable()),
        ("error", event.is_error()),
        ("read closed", event.is_read_closed()),
        ("write closed", event.is_write_closed()),
        ("priority", event.is_priority()),
        ("aio", event.is_aio()),
        ("lio", event.is_lio()),
    ];
    all.iter()
        .filter(|(_, said)| *said)
        .map(|(name, _)| *name)
        .collect()
}

/// Registers `source` anew for each direction, and compares what is said at once.
#[track_caller]
fn expect_said(source: &mut (impl Source + ?Sized), interest: Interest, said: &[&str]) {
    let (mut poll, mut events) = registered(source, interest);
    util::poll(&mut poll, &mut events, Some(Duration::ZERO));
    let mut events_said: Vec<_> = events.iter().map(says).collect();
    events_said.sort();
    assert_eq!(events_said, events_of(said), "{interest:?}");
    poll.registry().deregister(source).unwrap();
}

/// The events that say all of `said`: one, except with kqueue, which has an event of each
/// direction, and says nothing else of it.
fn events_of<'a>(said: &[&'a str]) -> Vec<Vec<&'a str>> {
    let all = ["readable", "writable", "read closed", "write closed"];
    let directions = if KQUEUE {
        vec![["readable", "read closed"], ["writable", "write closed"]]
    } else {
        vec![[""; 2]]
    };
    directions
        .iter()
        .map(|own| {
            let is_foreign = |it: &str| KQUEUE && all.contains(&it) && !own.contains(&it);
            let of_it = said.iter().copied().filter(|it| !is_foreign(it));
            of_it.collect::<Vec<_>>()
        })
        .filter(|said| said.contains(&"readable") || said.contains(&"writable"))
        .collect()
}

#[test]
fn an_idle_stream_is_writable_and_no_more() {
    let ((mut tcp, _tcp_peer), (mut stream, _peer)) = (tcp_pair(), stream_pair());
    let two_way: [&mut dyn Source; 2] = [&mut tcp, &mut stream];
    for source in two_way {
        expect_said(source, BOTH, &["writable"]);
        expect_said(source, Interest::WRITABLE, &["writable"]);
        expect_said(source, Interest::READABLE, &[]);
    }
}

#[test]
#[cfg(unix)]
fn an_idle_pipe_is_writable_and_no_more() {
    let (mut sender, mut receiver) = pipe::new().unwrap();
    expect_said(&mut sender, Interest::WRITABLE, &["writable"]);
    expect_said(&mut receiver, Interest::READABLE, &[]);
}

#[test]
fn an_idle_datagram_socket_is_writable_and_no_more() {
    fn check(source: &mut dyn Source) {
        expect_said(source, BOTH, &["writable"]);
        expect_said(source, Interest::READABLE, &[]);
    }

    check(&mut UdpSocket::bind(any_port()).unwrap());
    #[cfg(unix)]
    {
        check(&mut UnixDatagram::unbound().unwrap());
        let (mut unix, _peer) = UnixDatagram::pair().unwrap();
        check(&mut unix);
    }
}

/// A stream that has `event`, which is waited for in a poll of its own first: what TCP
/// does may take a moment.
fn wait_until(source: &mut (impl Source + ?Sized), has_happened: fn(&Event) -> bool) {
    let (mut poll, mut events) = registered(source, BOTH);
    expect(&mut poll, &mut events, TOKEN, has_happened);
    discard_events(&mut poll, &mut events);
    poll.registry().deregister(source).unwrap();
}

#[test]
fn data_is_readable() {
    let ((mut tcp, mut tcp_peer), (mut stream, mut peer)) = (tcp_pair(), stream_pair());
    tcp_peer.write_all(b"hello").unwrap();
    expect_data_said(&mut tcp);
    peer.write_all(b"hello").unwrap();
    expect_data_said(&mut stream);
    #[cfg(unix)]
    {
        let (mut sender, mut receiver) = pipe::new().unwrap();
        sender.write_all(b"hello").unwrap();
        expect_said(&mut receiver, Interest::READABLE, &["readable"]);
    }
}

/// Waits for data that are on their way to `source`.
fn expect_data_said(source: &mut dyn Source) {
    wait_until(source, Event::is_readable);
    expect_said(source, Interest::READABLE, &["readable"]);
    expect_said(source, Interest::WRITABLE, &["writable"]);
    expect_said(source, BOTH, &["readable", "writable"]);
}

#[test]
fn a_datagram_is_readable() {
    let mut udp = UdpSocket::bind(any_port()).unwrap();
    let sender = UdpSocket::bind(any_port()).unwrap();
    sender.send_to(b"hello", udp.local_addr().unwrap()).unwrap();
    expect_data_said(&mut udp);
    #[cfg(unix)]
    {
        let (mut unix, unix_peer) = UnixDatagram::pair().unwrap();
        unix_peer.send(b"hello").unwrap();
        expect_data_said(&mut unix);
    }
}

/// A listener is never writable.
#[test]
fn a_connection_to_accept_is_readable() {
    let mut tcp = TcpListener::bind(any_port()).unwrap();
    expect_said(&mut tcp, BOTH, &[]);
    let _client = net::TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
    wait_until(&mut tcp, Event::is_readable);
    expect_said(&mut tcp, BOTH, &["readable"]);
}

#[test]
#[cfg(unix)]
fn a_unix_connection_to_accept_is_readable() {
    let path = util::temporary_path("readiness");
    let mut unix = UnixListener::bind(&path).unwrap();
    expect_said(&mut unix, BOTH, &[]);
    let _client = UnixStream::connect(&path).unwrap();
    expect_said(&mut unix, BOTH, &["readable"]);
    std::fs::remove_file(path).unwrap();
}

/// `is_read_closed`: the peer has shut its sending side down. What it sent before can be
/// read still, and writing is as it was.
#[test]
fn a_half_closed_peer_is_read_closed() {
    if !REPORTS_HALF_CLOSE {
        return;
    }
    let (stream, mut peer) = stream_pair();
    peer.write_all(b"last words").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    expect_half_closed_said(stream, peer);

    let (stream, mut peer) = tcp_pair();
    peer.write_all(b"last words").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    expect_half_closed_said(stream, peer);
}

/// The peer lives as long as it takes.
fn expect_half_closed_said<S: Source + Read>(mut source: S, _peer: S) {
    let closed = ["readable", "read closed"];
    if AFD {
        // Which may report the end only when nothing is before it.
        wait_until(&mut source, Event::is_readable);
    } else {
        wait_until(&mut source, Event::is_read_closed);
        expect_said(&mut source, Interest::READABLE, &closed);
        let both = ["readable", "writable", "read closed"];
        expect_said(&mut source, BOTH, &both);
    }
    expect_said(&mut source, Interest::WRITABLE, &["writable"]);
    assert_eq!(drain(&mut source), b"last words");
    // The end stays readable and read-closed when nothing is left but it.
    wait_until(&mut source, Event::is_read_closed);
    expect_said(&mut source, Interest::READABLE, &closed);
}

/// Of a TCP peer that closes, no more can be seen than that it will send nothing: it
/// might still receive.
#[test]
fn a_closed_tcp_peer_is_read_closed_only() {
    if !REPORTS_HALF_CLOSE {
        return;
    }
    let (mut stream, peer) = tcp_pair();
    drop(peer);
    wait_until(&mut stream, Event::is_read_closed);
    expect_said(&mut stream, BOTH, &["readable", "writable", "read closed"]);
}

#[test]
#[cfg(unix)]
fn a_closed_unix_peer_is_closed_both_ways() {
    let (mut stream, peer) = UnixStream::pair().unwrap();
    drop(peer);
    let all = ["readable", "writable", "read closed", "write closed"];
    expect_said(&mut stream, BOTH, &all);
    let reading = ["readable", "read closed", "write closed"];
    expect_said(&mut stream, Interest::READABLE, &reading);
    let writing = ["writable", "read closed", "write closed"];
    expect_said(&mut stream, Interest::WRITABLE, &writing);
}

#[test]
fn a_reset_is_an_error_and_closed_both_ways() {
    let (mut stream, peer) = tcp_pair();
    reset_on_close(&peer);
    drop(peer);
    wait_until(&mut stream, Event::is_error);
    let closed = ["error", "read closed", "write closed"];
    expect_said(
        &mut stream,
        BOTH,
        &[&["readable", "writable"][..], &closed].concat(),
    );
    expect_said(
        &mut stream,
        Interest::READABLE,
        &[&["readable"][..], &closed].concat(),
    );
    expect_said(
        &mut stream,
        Interest::WRITABLE,
        &[&["writable"][..], &closed].concat(),
    );

    // The error can be taken away, except on Windows; the end cannot.
    if AFD {
        return;
    }
    stream.take_error().unwrap().unwrap();
    let closed = ["readable", "writable", "read closed", "write closed"];
    expect_said(&mut stream, BOTH, &closed);
}

#[test]
fn a_refused_connection_is_an_error_and_closed_both_ways() {
    // The address is this test's own: no other test gets the port.
    let address = net::TcpListener::bind(any_port_at([11, 0, 1]))
        .unwrap()
        .local_addr()
        .unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    wait_until(&mut stream, Event::is_error);
    let all = [
        "readable",
        "writable",
        "error",
        "read closed",
        "write closed",
    ];
    expect_said(&mut stream, BOTH, &all);
}

/// A datagram socket is not closed by a refusal, but in error; taken away, nothing is
/// left of it. kqueue
/// reports errors of the end of a stream only, and Windows none.
#[test]
#[cfg(unix)]
fn a_refused_datagram_is_an_error_that_passes() {
    let mut socket = UdpSocket::bind(any_port()).unwrap();
    let closed = net::UdpSocket::bind(any_port_at([11, 0, 2]))
        .unwrap()
        .local_addr();
    socket.connect(closed.unwrap()).unwrap();
    socket.send(b"undelivered").unwrap();
    let (mut poll, mut events) = registered(&mut socket, Interest::READABLE);
    let is_reported = if KQUEUE {
        Event::is_readable
    } else {
        Event::is_error
    };
    let event = expect(&mut poll, &mut events, TOKEN, is_reported);
    assert!(!event.is_read_closed());
    poll.registry().deregister(&mut socket).unwrap();

    socket.take_error().unwrap().unwrap();
    expect_said(&mut socket, BOTH, &["writable"]);
}

/// The source's own `shutdown(Read)` counts as the end of reading; AFD does not report it.
/// Edge case 33: it does not affect writing.
#[test]
fn shutting_reading_down_is_read_closed() {
    if !REPORTS_HALF_CLOSE {
        return;
    }
    fn check(source: &mut dyn Source) {
        if AFD {
            return expect_said(source, BOTH, &["writable"]);
        }
        expect_said(source, Interest::READABLE, &["readable", "read closed"]);
        expect_said(source, BOTH, &["readable", "writable", "read closed"]);
    }

    let ((mut tcp, _tcp_peer), (mut stream, _peer)) = (tcp_pair(), stream_pair());
    tcp.shutdown(Shutdown::Read).unwrap();
    check(&mut tcp);
    stream.shutdown(Shutdown::Read).unwrap();
    check(&mut stream);
}

/// Edge case 28: `false` does not mean open, but what is `true` must be true: writing
/// alone being shut down closes nothing else. Only kqueue reports it.
#[test]
fn shutting_writing_down_is_not_read_closed() {
    let (mut tcp, _tcp_peer) = tcp_pair();
    tcp.shutdown(Shutdown::Write).unwrap();
    let closed: &[&str] = if KQUEUE {
        &["writable", "write closed"]
    } else {
        &["writable"]
    };
    expect_said(&mut tcp, Interest::READABLE, &[]);
    expect_said(&mut tcp, BOTH, closed);
    #[cfg(unix)]
    {
        let (mut unix, _unix_peer) = UnixStream::pair().unwrap();
        unix.shutdown(Shutdown::Write).unwrap();
        expect_said(&mut unix, Interest::READABLE, &[]);
        expect_said(&mut unix, BOTH, closed);
    }
}

/// AFD reports only what the peer does.
#[test]
#[cfg(unix)]
fn shutting_both_down_is_closed_both_ways() {
    let (mut tcp, _tcp_peer) = tcp_pair();
    tcp.shutdown(Shutdown::Both).unwrap();
    let (mut unix, _unix_peer) = UnixStream::pair().unwrap();
    unix.shutdown(Shutdown::Both).unwrap();
    let sources: [&mut dyn Source; 2] = [&mut tcp, &mut unix];
    for source in sources {
        let all = ["readable", "writable", "read closed", "write closed"];
        expect_said(source, BOTH, &all);
    }
}

/// A pipe whose senders are closed is at its end, with and without data. Without data, epoll alone
/// does not report it as readable.
#[test]
#[cfg(unix)]
fn a_pipe_without_senders_is_read_closed() {
    let (mut sender, mut receiver) = pipe::new().unwrap();
    sender.write_all(b"last words").unwrap();
    drop(sender);
    let (mut poll, mut events) = registered(&mut receiver, Interest::READABLE);
    let event = expect(&mut poll, &mut events, TOKEN, Event::is_read_closed);
    assert!(event.is_readable() && !event.is_error());

    assert_eq!(drain(&mut receiver), b"last words");
    poll.registry()
        .reregister(&mut receiver, TOKEN, Interest::READABLE)
        .unwrap();
    let event = expect(&mut poll, &mut events, TOKEN, Event::is_read_closed);
    assert_eq!(event.is_readable(), POLL2 || EVENT_PORT || KQUEUE);
    assert!(!event.is_error());
}

/// Edge case 17: the reading end of a pipe being closed is an error of the writing end,
/// alone when the pipe is full, and write-closed in any case.
#[test]
#[cfg(unix)]
fn a_pipe_without_receiver_is_write_closed() {
    for full in [false, true] {
        let (mut sender, receiver) = pipe::new().unwrap();
        while full && sender.write(&[0; 4096]).is_ok() {}
        drop(receiver);
        let (mut poll, mut events) = registered(&mut sender, Interest::WRITABLE);
        let event = expect(&mut poll, &mut events, TOKEN, Event::is_write_closed);
        // kqueue says so with the end alone.
        assert_eq!(event.is_error(), !KQUEUE);
        assert!(!event.is_read_closed() && !event.is_readable());
    }
}

/// Edge case 18: out-of-band data is reported with interest in it, as readable too.
#[test]
#[cfg(target_os = "linux")]
fn urgent_data_is_priority_and_readable() {
    // kqueue has no such thing, and of event ports it is not used.
    if KQUEUE || EVENT_PORT {
        return;
    }
    let (mut stream, peer) = tcp_pair();
    socket2::SockRef::from(&peer)
        .send_out_of_band(b"!")
        .unwrap();
    let (mut poll, mut events) = registered(&mut stream, Interest::PRIORITY);
    expect(&mut poll, &mut events, TOKEN, Event::is_priority);
    poll.registry().deregister(&mut stream).unwrap();

    let urgent = ["readable", "priority"];
    expect_said(&mut stream, Interest::PRIORITY, &urgent);
    expect_said(
        &mut stream,
        Interest::READABLE | Interest::PRIORITY,
        &urgent,
    );
    expect_said(&mut stream, Interest::READABLE, &[]);
    expect_said(&mut stream, BOTH, &["writable"]);
}

#[test]
fn a_wake_is_readable_and_no_more() {
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), TOKEN).unwrap();
    waker.wake().unwrap();
    let event = expect_readable(&mut poll, &mut events, TOKEN);
    assert_eq!(says(&event), ["readable"]);
}

#[test]
fn directions_outside_the_interest_are_not_reported() {
    let (mut stream, mut peer) = stream_pair();
    peer.write_all(b"hello").unwrap();
    let (mut poll, mut events) = registered(&mut stream, Interest::WRITABLE);
    let event = expect_writable(&mut poll, &mut events, TOKEN);
    assert!(!event.is_readable());
    peer.shutdown(Shutdown::Write).unwrap();
    for _ in 0..3 {
        util::poll(&mut poll, &mut events, Some(Duration::ZERO));
        assert!(!events.iter().any(Event::is_read_closed));
    }
    let mut stream = &stream;
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 5);
}

/// An event is a value: it does not change when its buffer is reused.
#[test]
fn a_clone_of_an_event_keeps_its_values() {
    let (mut stream, mut peer) = stream_pair();
    let (mut poll, mut events) = registered(&mut stream, Interest::READABLE);
    peer.write_all(b"hello").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    util::poll(&mut poll, &mut events, Some(LONG));
    let original = events.iter().next().unwrap();
    let clone = original.clone();
    assert_eq!(says(&clone), says(original));
    expect_silence(&mut poll, &mut events);
    assert_eq!(clone.token(), TOKEN);
    assert_eq!(says(&clone)[0], "readable");
    // With AFD the data may hide the end behind them.
    assert!(AFD || !REPORTS_HALF_CLOSE || clone.is_read_closed());
}

#[test]
fn debug_shows_the_methods_of_an_event_and_the_flags_of_the_system() {
    let (mut stream, mut peer) = stream_pair();
    peer.write_all(b"hello").unwrap();
    let (mut poll, mut events) = registered(&mut stream, Interest::READABLE);
    let event = expect_readable(&mut poll, &mut events, TOKEN);
    let short = format!("{event:?}");
    for part in ["Token(11)", "readable: true", "writable: false"] {
        assert!(short.contains(part), "{short}");
    }
    let flag = match (POLL2 || EVENT_PORT, KQUEUE) {
        _ if AFD => "AFD_POLL_RECEIVE",
        (true, _) => "POLLIN",
        (false, false) => "EPOLLIN",
        (false, true) => "EVFILT_READ",
    };
    assert!(!short.contains(flag), "{short}");
    let long = format!("{event:#?}");
    assert!(long.contains(flag), "{long}");
}

/// A duplicate, put into a source of its own, is as ready as the original was.
#[test]
fn readiness_belongs_to_the_file() {
    let (stream, mut peer) = stream_pair();
    peer.write_all(b"hello").unwrap();
    let stream = StdStream::from(stream);
    let duplicate = stream.try_clone().unwrap();
    drop(stream);
    let mut stream = Stream::from_std(duplicate);
    wait_until(&mut stream, Event::is_readable);
    expect_said(&mut stream, Interest::READABLE, &["readable"]);
}
