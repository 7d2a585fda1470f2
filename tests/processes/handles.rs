//! The descriptors of all types: how they are made, converted and closed.
//!
//! Whether a descriptor is open can be asked reliably only as long as no other thread
//! opens any: it might be given the same number. That is why this is a single test, in a
//! process of its own, which takes its parts one after the other.
#![cfg(all(unix, feature = "os-ext", feature = "net"))]

use std::fmt::Debug;
use std::net::{self, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net as unix;
use std::process::{Command, Stdio};
use std::{fs, io};

use crate::util::{
    any_port, any_ports, expect_nonblocking_and_cloexec, expect_readable, in_own_process,
    limit_fds, open_fds, poll_and_events, tcp_pair, temporary_path, FULL_BACKLOG, PIPE_WAKER,
    POLL2, SHARES,
};
use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use mio::unix::pipe::{self, Receiver, Sender};
use mio::{Interest, Poll, Token, Waker};

const TOKEN: Token = Token(1);

#[test]
fn descriptors() {
    in_own_process("descriptors", || {
        every_constructor_makes_them_nonblocking_and_closed_on_exec();
        polls_and_wakers_make_them_closed_on_exec();
        every_type_converts_to_a_descriptor_and_back();
        types_of_the_standard_library_convert_there_and_back();
        ends_of_pipes_are_taken_from_child_processes();
        dropping_a_source_closes_its_descriptor();
        dropping_a_poll_closes_its_descriptors();
        a_constructor_that_fails_leaves_nothing_open();
        a_constructor_without_a_free_descriptor_leaves_nothing_open();
        a_poll_without_a_free_descriptor_leaves_nothing_open();
        a_connection_waits_until_there_is_a_descriptor_for_it();
    });
}

fn is_open(fd: RawFd) -> bool {
    // SAFETY: takes no pointer.
    unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 }
}

/// Runs `part`, and checks that what it has opened is closed again.
fn closing_all<T>(part: impl FnOnce() -> T) -> T {
    let before = open_fds();
    let result = part();
    assert_eq!(open_fds(), before);
    result
}

fn tcp_listener() -> TcpListener {
    TcpListener::bind(any_port()).unwrap()
}

fn udp_socket() -> UdpSocket {
    UdpSocket::bind(any_port()).unwrap()
}

/// A listener whose file is removed at once; no client has to find it.
fn unix_listener() -> UnixListener {
    let path = temporary_path("listener");
    let listener = UnixListener::bind(&path).unwrap();
    fs::remove_file(path).unwrap();
    listener
}

fn unix_pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().unwrap()
}

fn datagram_pair() -> (UnixDatagram, UnixDatagram) {
    UnixDatagram::pair().unwrap()
}

/// Edge case 13, of sockets and pipes: both flags are there when the constructor returns. That
/// they were from the first moment, which a fork in another thread would show, is by
/// construction: `SOCK_CLOEXEC`, `accept4`, `pipe2`.
fn every_constructor_makes_them_nonblocking_and_closed_on_exec() {
    let check = |source: &dyn AsRawFd| expect_nonblocking_and_cloexec(&source.as_raw_fd());
    for address in any_ports() {
        let (mut poll, mut events) = poll_and_events();
        let mut listener = TcpListener::bind(address).unwrap();
        poll.registry()
            .register(&mut listener, TOKEN, Interest::READABLE)
            .unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        expect_readable(&mut poll, &mut events, TOKEN);
        let (accepted, _) = listener.accept().unwrap();
        let udp = UdpSocket::bind(address).unwrap();
        let sources: [&dyn AsRawFd; 4] = [&listener, &stream, &accepted, &udp];
        sources.into_iter().for_each(check);
    }

    let (path, datagram_path) = (temporary_path("stream"), temporary_path("datagram"));
    let listener = UnixListener::bind(&path).unwrap();
    let stream = UnixStream::connect(&path).unwrap();
    let (accepted, _) = listener.accept().unwrap();
    let (one, other) = unix_pair();
    let datagram = UnixDatagram::bind(&datagram_path).unwrap();
    let unbound = UnixDatagram::unbound().unwrap();
    let (first, second) = datagram_pair();
    let (sender, receiver) = pipe::new().unwrap();
    let sources: [&dyn AsRawFd; 11] = [
        &listener, &stream, &accepted, &one, &other, &datagram, &unbound, &first, &second, &sender,
        &receiver,
    ];
    sources.into_iter().for_each(check);
    fs::remove_file(path).unwrap();
    fs::remove_file(datagram_path).unwrap();
}

/// Edge case 13, of everything that a poll makes for itself: the queue, its duplicates, and
/// what wakes it.
fn polls_and_wakers_make_them_closed_on_exec() {
    let before = open_fds();
    let poll = Poll::new().unwrap();
    let registry = poll.registry().try_clone().unwrap();
    let waker = Waker::new(&registry, TOKEN).unwrap();
    let made: Vec<_> = open_fds()
        .into_iter()
        .filter(|fd| !before.contains(fd))
        .collect();
    assert!(!made.is_empty());
    for fd in &made {
        // SAFETY: takes no pointer.
        let flags = unsafe { libc::fcntl(*fd, libc::F_GETFD) };
        assert!(flags & libc::FD_CLOEXEC != 0, "{fd} of {made:?}");
    }
    queue_descriptors(&poll, &registry, &made);
    drop((poll, registry, waker));
    assert_eq!(open_fds(), before);
}

/// With epoll the queue is a descriptor, and each registry has one of its own; those of event
/// ports share it.
#[cfg(not(mio_unsupported_force_poll_poll))]
fn queue_descriptors(poll: &Poll, registry: &mio::Registry, made: &[RawFd]) {
    assert_eq!(poll.as_raw_fd(), poll.registry().as_raw_fd());
    assert_eq!(poll.as_raw_fd(), poll.as_fd().as_raw_fd());
    assert_eq!(registry.as_raw_fd(), registry.as_fd().as_raw_fd());
    assert_eq!(poll.as_raw_fd() == registry.as_raw_fd(), SHARES);
    for fd in [poll.as_raw_fd(), registry.as_raw_fd()] {
        assert!(made.contains(&fd));
    }
}

/// With poll(2) there is no queue.
#[cfg(mio_unsupported_force_poll_poll)]
fn queue_descriptors(_: &Poll, _: &mio::Registry, _: &[RawFd]) {}

/// Edge case 14: a conversion moves the descriptor, which is open all the way, and has
/// exactly one owner at its end.
fn every_type_converts_to_a_descriptor_and_back() {
    fn round_trip<T>(source: T)
    where
        T: AsFd + AsRawFd + IntoRawFd + FromRawFd + From<OwnedFd> + Into<OwnedFd> + Debug,
    {
        let fd = source.as_raw_fd();
        let shown = format!("{source:?}");
        assert!(shown.contains(&fd.to_string()), "{shown}");
        assert_eq!(source.as_fd().as_raw_fd(), fd);

        let owned: OwnedFd = source.into();
        assert_eq!(owned.as_raw_fd(), fd);
        let source = T::from(owned);
        assert_eq!(source.as_raw_fd(), fd);

        let raw = source.into_raw_fd();
        assert_eq!(raw, fd);
        assert!(is_open(fd));
        // SAFETY: the descriptor has just been given away, to us.
        let source = unsafe { T::from_raw_fd(raw) };
        assert_eq!(source.as_raw_fd(), fd);
        assert_eq!(format!("{source:?}"), shown);
        expect_nonblocking_and_cloexec(&source);
        drop(source);
        assert!(!is_open(fd));
    }

    closing_all(|| round_trip(tcp_listener()));
    closing_all(|| round_trip(tcp_pair().0));
    closing_all(|| round_trip(udp_socket()));
    closing_all(|| round_trip(unix_listener()));
    closing_all(|| round_trip(unix_pair().0));
    closing_all(|| round_trip(datagram_pair().0));
    closing_all(|| round_trip(pipe::new().unwrap().0));
    closing_all(|| round_trip(pipe::new().unwrap().1));
}

fn types_of_the_standard_library_convert_there_and_back() {
    fn round_trip<Ours, Std>(source: Ours, from_std: fn(Std) -> Ours)
    where
        Ours: AsRawFd,
        Std: From<Ours> + AsRawFd,
    {
        let fd = source.as_raw_fd();
        let std = Std::from(source);
        assert_eq!(std.as_raw_fd(), fd);
        // It stays as it is.
        expect_nonblocking_and_cloexec(&std);
        let source = from_std(std);
        assert_eq!(source.as_raw_fd(), fd);
        assert!(is_open(fd));
        drop(source);
        assert!(!is_open(fd));
    }

    closing_all(|| round_trip::<_, net::TcpListener>(tcp_listener(), TcpListener::from_std));
    closing_all(|| round_trip::<_, net::TcpStream>(tcp_pair().0, TcpStream::from_std));
    closing_all(|| round_trip::<_, net::UdpSocket>(udp_socket(), UdpSocket::from_std));
    closing_all(|| round_trip::<_, unix::UnixListener>(unix_listener(), UnixListener::from_std));
    closing_all(|| round_trip::<_, unix::UnixStream>(unix_pair().0, UnixStream::from_std));
    closing_all(|| round_trip::<_, unix::UnixDatagram>(datagram_pair().0, UnixDatagram::from_std));
}

fn ends_of_pipes_are_taken_from_child_processes() {
    closing_all(|| {
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout, stderr) = (
            child.stdin.take().unwrap(),
            child.stdout.take().unwrap(),
            child.stderr.take().unwrap(),
        );
        let fds = [stdin.as_raw_fd(), stdout.as_raw_fd(), stderr.as_raw_fd()];
        let sender = Sender::from(stdin);
        let (output, errors) = (Receiver::from(stdout), Receiver::from(stderr));
        assert_eq!(sender.as_raw_fd(), fds[0]);
        assert_eq!(output.as_raw_fd(), fds[1]);
        assert_eq!(errors.as_raw_fd(), fds[2]);
        assert!(fds.into_iter().all(is_open));
        drop((sender, output, errors));
        assert!(!fds.into_iter().any(is_open));
        // Without its input the child has nothing to do any more.
        child.wait().unwrap();
    });
}

/// Registered or not, with its poll alive or gone.
fn dropping_a_source_closes_its_descriptor() {
    fn drops<T: Source + AsRawFd>(make: impl Fn() -> T) {
        let source = make();
        let fd = source.as_raw_fd();
        assert!(is_open(fd));
        drop(source);
        assert!(!is_open(fd));

        let mut source = make();
        let fd = source.as_raw_fd();
        let poll = Poll::new().unwrap();
        poll.registry()
            .register(&mut source, TOKEN, Interest::READABLE)
            .unwrap();
        drop(source);
        assert!(!is_open(fd));

        let mut source = make();
        let fd = source.as_raw_fd();
        poll.registry()
            .register(&mut source, TOKEN, Interest::READABLE)
            .unwrap();
        drop(poll);
        assert!(is_open(fd));
        drop(source);
        assert!(!is_open(fd));
    }

    closing_all(|| drops(tcp_listener));
    closing_all(|| drops(|| tcp_pair().0));
    closing_all(|| drops(udp_socket));
    closing_all(|| drops(unix_listener));
    closing_all(|| drops(|| unix_pair().0));
    closing_all(|| drops(|| datagram_pair().0));
    closing_all(|| drops(|| pipe::new().unwrap().0));
    closing_all(|| drops(|| pipe::new().unwrap().1));
}

fn dropping_a_poll_closes_its_descriptors() {
    closing_all(|| drop(Poll::new().unwrap()));
    closing_all(|| {
        let poll = Poll::new().unwrap();
        let registry = poll.registry().try_clone().unwrap();
        let waker = Waker::new(&registry, TOKEN).unwrap();
        // In an order in which the parts outlive the whole.
        drop(poll);
        waker.wake().unwrap();
        drop(registry);
        waker.wake().unwrap();
    });
    closing_all(|| {
        let poll = Poll::new().unwrap();
        for _ in 0..3 {
            drop(Waker::new(poll.registry(), TOKEN).unwrap());
        }
    });
}

/// Edge case 14: what was made before the call that failed is closed.
fn a_constructor_that_fails_leaves_nothing_open() {
    let (tcp, udp) = (tcp_listener(), udp_socket());
    let tcp_address = tcp.local_addr().unwrap();
    let udp_address = udp.local_addr().unwrap();
    let path = temporary_path("exists");
    let _listener = unix::UnixListener::bind(&path).unwrap();
    let missing = temporary_path("missing");

    closing_all(|| TcpListener::bind(tcp_address).unwrap_err());
    closing_all(|| UdpSocket::bind(udp_address).unwrap_err());
    // A group, to which no connection is possible.
    let multicast = SocketAddr::from(([224, 0, 0, 1], 1));
    closing_all(|| TcpStream::connect(multicast).unwrap_err());
    closing_all(|| UnixListener::bind(&path).unwrap_err());
    closing_all(|| UnixDatagram::bind(&path).unwrap_err());
    closing_all(|| UnixStream::connect(&missing).unwrap_err());
    closing_all(a_full_backlog_leaves_nothing_open);
    fs::remove_file(path).unwrap();
}

/// Edge case 21: with nothing in progress there is nothing to keep.
fn a_full_backlog_leaves_nothing_open() {
    let path = temporary_path("full");
    let listener =
        socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    let address = socket2::SockAddr::unix(&path).unwrap();
    listener.bind(&address).unwrap();
    listener.listen(1).unwrap();
    // Systems accept a few connections more than the backlog.
    let waiting: Vec<_> = (0..10)
        .map_while(|_| UnixStream::connect(&path).ok())
        .collect();
    closing_all(|| {
        for _ in 0..10 {
            let error = UnixStream::connect(&path).unwrap_err();
            assert_eq!(error.kind(), FULL_BACKLOG);
        }
    });
    drop(waiting);
    fs::remove_file(path).unwrap();
}

/// Leaves this process a few descriptors only, until it is dropped.
struct Scarcity {
    taken: Vec<OwnedFd>,
}

impl Scarcity {
    /// `free` more can be had, and no others.
    fn new(free: usize) -> Scarcity {
        let highest = open_fds().pop().unwrap();
        limit_fds(highest as usize + 1 + free);
        // The numbers below the highest one may have gaps.
        let taken = std::iter::from_fn(|| io::stderr().as_fd().try_clone_to_owned().ok());
        let mut taken: Vec<_> = taken.collect();
        taken.truncate(taken.len() - free);
        Scarcity { taken }
    }
}

impl Drop for Scarcity {
    fn drop(&mut self) {
        self.taken.clear();
        // Enough for the other parts.
        limit_fds(1_000);
    }
}

#[track_caller]
fn expect_no_descriptor<T: Debug>(make: impl Fn() -> io::Result<T>) {
    let error = closing_all(|| make().unwrap_err());
    assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
}

/// Edge case 14: a constructor that makes two of them has the first one closed when there is
/// no other.
fn a_constructor_without_a_free_descriptor_leaves_nothing_open() {
    let path = temporary_path("no-descriptor");
    for free in [0, 1] {
        let _scarcity = Scarcity::new(free);
        expect_no_descriptor(UnixStream::pair);
        expect_no_descriptor(UnixDatagram::pair);
        expect_no_descriptor(pipe::new);
        if free == 0 {
            expect_no_descriptor(|| TcpListener::bind(any_port()));
            expect_no_descriptor(|| TcpStream::connect(any_port()));
            expect_no_descriptor(|| UdpSocket::bind(any_port()));
            expect_no_descriptor(|| UnixListener::bind(&path));
            expect_no_descriptor(|| UnixStream::connect(&path));
            expect_no_descriptor(|| UnixDatagram::bind(&path));
            expect_no_descriptor(UnixDatagram::unbound);
        }
    }
    assert!(!path.exists());
}

/// Edge case 14, of polls and what belongs to them. Which descriptors those need depends:
/// a poll one, but with poll(2) as many as a waker; a waker one, but a pipe two, and
/// none at all with poll(2).
fn a_poll_without_a_free_descriptor_leaves_nothing_open() {
    for free in [0, 1] {
        let poll = Poll::new().unwrap();
        let scarcity = Scarcity::new(free);
        if free == 0 || POLL2 && PIPE_WAKER {
            expect_no_descriptor(Poll::new);
        }
        if free == 0 && !SHARES {
            expect_no_descriptor(|| poll.registry().try_clone());
        }
        if !SHARES && (free == 0 || PIPE_WAKER) {
            expect_no_descriptor(|| Waker::new(poll.registry(), TOKEN));
        }
        drop(scarcity);
        // A waker that was never made does not stand in the way of the next.
        let waker = Waker::new(poll.registry(), TOKEN).unwrap();
        waker.wake().unwrap();
        let (mut poll, mut events) = (poll, mio::Events::with_capacity(2));
        expect_readable(&mut poll, &mut events, TOKEN);
    }
}

/// The connection goes on waiting, and is accepted once a descriptor is free.
fn a_connection_waits_until_there_is_a_descriptor_for_it() {
    let (mut poll, mut events) = poll_and_events();
    let mut listener = tcp_listener();
    poll.registry()
        .register(&mut listener, TOKEN, Interest::READABLE)
        .unwrap();
    let client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    expect_readable(&mut poll, &mut events, TOKEN);
    let scarcity = Scarcity::new(0);
    let error = closing_all(|| listener.accept().unwrap_err());
    assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
    drop(scarcity);
    let (_stream, peer) = listener.accept().unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
}
