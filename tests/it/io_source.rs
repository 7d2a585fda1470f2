//! `IoSource`: objects of other types, with edges as exact as those of this crate's own.
//!
//! `rearming.rs`, `semantics.rs` and `ends.rs` have the rules of streams and datagrams, and run over
//! this type, too.
#![cfg(all(feature = "os-poll", feature = "os-ext", any(unix, windows)))]

use std::io::{self, ErrorKind, Read, Write};
use std::net;
use std::sync::Arc;

use crate::util::{
    self, any_port, discard_events, drain, exchange, expect_readable, expect_silence,
    expect_would_block, expect_writable, poll_and_events, std_tcp_pair, Until,
};
use mio::event::Source;
use mio::{Events, Interest, IoSource, Poll, Token};
use socket2::{Domain, Socket, Type};

const SOURCE: Token = Token(1);
const OTHER: Token = Token(2);
const READABLE: Interest = Interest::READABLE;

/// A poll with one source.
fn registered(source: &mut impl Source, interest: Interest) -> (Poll, Events) {
    let (poll, events) = poll_and_events();
    poll.registry().register(source, SOURCE, interest).unwrap();
    (poll, events)
}

#[test]
fn megabytes_cross_between_streams_of_the_standard_library() {
    for until in [Until::WouldBlock, Until::ShortTransfer] {
        let (one, other) = std_tcp_pair();
        exchange([one, other].map(IoSource::new), 1 << 20, until);
    }
}

#[test]
fn megabytes_cross_between_sockets_of_socket2() {
    for until in [Until::WouldBlock, Until::ShortTransfer] {
        let (one, other) = std_tcp_pair();
        let sockets = [one, other].map(Socket::from);
        exchange(sockets.map(IoSource::new), 1 << 20, until);
    }
}

/// An owned handle has no operations of its own.
#[test]
fn a_bare_handle_is_a_source() {
    let (one, mut other) = std_tcp_pair();
    #[cfg(unix)]
    let handle = std::os::fd::OwnedFd::from(one);
    #[cfg(windows)]
    let handle = std::os::windows::io::OwnedSocket::from(one);
    let mut source = IoSource::new(handle);
    let (mut poll, mut events) = registered(&mut source, READABLE);
    for _ in 0..3 {
        other.write_all(b"hello").unwrap();
        expect_readable(&mut poll, &mut events, SOURCE);
        let receive = |buf: &mut [u8]| source.try_io(READABLE, |it| util::raw_recv(it, buf));
        assert_eq!(receive(&mut [0; 5]).unwrap(), 5);
        expect_would_block(receive(&mut [0; 5]));
        expect_silence(&mut poll, &mut events);
    }
}

#[test]
fn flushing_flushes_the_object() {
    /// Counts how often it was flushed.
    struct Flushes(std::cell::Cell<usize>);

    impl Write for &Flushes {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            Ok(buf.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            self.0.set(self.0.get() + 1);
            Err(ErrorKind::WouldBlock.into())
        }
    }

    let mut source = IoSource::new(Flushes(Default::default()));
    expect_would_block(source.flush());
    expect_would_block((&source).flush());
    assert_eq!(source.get_ref().0.get(), 2);
}

#[test]
fn a_listener_is_a_source() {
    let listener = net::TcpListener::bind(any_port()).unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut source = IoSource::new(listener);
    let (mut poll, mut events) = registered(&mut source, READABLE);
    let accept = || source.try_io(READABLE, net::TcpListener::accept);
    for _ in 0..3 {
        let address = source.get_ref().local_addr().unwrap();
        let client = net::TcpStream::connect(address).unwrap();
        expect_readable(&mut poll, &mut events, SOURCE);
        let (_, peer) = accept().unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
        expect_would_block(accept());
        expect_silence(&mut poll, &mut events);
    }
}

/// A program may take one message per event, of which none waits longer than the next poll.
#[test]
fn an_object_that_is_read_once_per_event_misses_nothing() {
    let (stream, mut peer) = std_tcp_pair();
    let mut source = IoSource::new(stream);
    let (mut poll, mut events) = registered(&mut source, READABLE);
    for byte in 0..5 {
        peer.write_all(&[byte]).unwrap();
        expect_readable(&mut poll, &mut events, SOURCE);
        let mut buf = [0];
        assert_eq!(source.read(&mut buf).unwrap(), 1);
        assert_eq!(buf, [byte]);
    }
    peer.write_all(b"xy").unwrap();
    expect_readable(&mut poll, &mut events, SOURCE);
    // Both forms of reading.
    let mut byte = [0];
    let mut slices = [io::IoSliceMut::new(&mut byte)];
    assert_eq!(source.read_vectored(&mut slices).unwrap(), 1);
    assert_eq!(source.read(&mut [0]).unwrap(), 1);
    peer.write_all(b"z").unwrap();
    expect_readable(&mut poll, &mut events, SOURCE);
}

/// A failed operation may have removed a message, and others wait behind it.
#[test]
fn messages_behind_a_failed_operation_are_reported() {
    let mut source = IoSource::new(net::UdpSocket::bind(any_port()).unwrap());
    source.get_ref().set_nonblocking(true).unwrap();
    let address = source.get_ref().local_addr().unwrap();
    let (mut poll, mut events) = registered(&mut source, READABLE);
    for _ in 0..3 {
        let sender = net::UdpSocket::bind(any_port()).unwrap();
        sender.send_to(b"one", address).unwrap();
        sender.send_to(b"two", address).unwrap();
        expect_readable(&mut poll, &mut events, SOURCE);
        discard_events(&mut poll, &mut events);
        let failed = source.try_io(READABLE, |socket| {
            socket.recv(&mut [0; 8])?;
            Err::<(), _>(io::Error::from(ErrorKind::InvalidData))
        });
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::InvalidData);
        // Where the kernel makes the edges, they are those of its arrivals.
        if util::EMULATED_EDGES {
            expect_readable(&mut poll, &mut events, SOURCE);
        }
        let receive = || source.try_io(READABLE, |socket| socket.recv(&mut [0; 8]));
        assert_eq!(receive().unwrap(), 3);
        expect_would_block(receive());
    }
}

/// Each direction is armed by its own operations only.
#[test]
fn an_operation_arms_the_directions_that_it_names() {
    let (stream, mut peer) = std_tcp_pair();
    let mut source = IoSource::new(stream);
    let (mut poll, mut events) = registered(&mut source, READABLE | Interest::WRITABLE);
    expect_writable(&mut poll, &mut events, SOURCE);
    peer.write_all(b"unread").unwrap();
    expect_readable(&mut poll, &mut events, SOURCE);
    let vain = |interest| {
        expect_would_block(source.try_io(interest, |_| {
            Err::<(), _>(io::Error::from(ErrorKind::WouldBlock))
        }));
    };
    let reported = |poll: &mut Poll, events: &mut Events| {
        util::poll(poll, events, Some(std::time::Duration::ZERO));
        let event = events.iter().next();
        event.map(|event| (event.is_readable(), event.is_writable()))
    };
    // A kernel with edge triggering does not need such an operation.
    let when_emulated = |event| util::EMULATED_EDGES.then_some(event);
    discard_events(&mut poll, &mut events);
    for (interest, event) in [
        (READABLE, (true, false)),
        (Interest::WRITABLE, (false, true)),
        (READABLE | Interest::WRITABLE, (true, true)),
    ] {
        vain(interest);
        assert_eq!(reported(&mut poll, &mut events), when_emulated(event));
        expect_silence(&mut poll, &mut events);
    }
    // What succeeds arms nothing.
    let peeked = source.try_io(READABLE, |stream| stream.peek(&mut [0; 8]));
    assert_eq!(peeked.unwrap(), 6);
    expect_silence(&mut poll, &mut events);
}

#[test]
fn a_source_is_deregistered_dropped_and_taken_apart() {
    let (stream, mut peer) = std_tcp_pair();
    let mut source = IoSource::new(stream);
    let (mut poll, mut events) = registered(&mut source, READABLE);
    let again = poll.registry().register(&mut source, OTHER, READABLE);
    if util::CHECKED {
        assert_eq!(again.unwrap_err().kind(), ErrorKind::AlreadyExists);
    }
    poll.registry()
        .reregister(&mut source, OTHER, READABLE)
        .unwrap();
    peer.write_all(b"hello").unwrap();
    expect_readable(&mut poll, &mut events, OTHER);

    poll.registry().deregister(&mut source).unwrap();
    let mut stream = source.into_inner();
    peer.write_all(b", world").unwrap();
    expect_silence(&mut poll, &mut events);
    util::drain_all(&mut stream, 12);

    let mut source = IoSource::new(stream);
    poll.registry()
        .register(&mut source, SOURCE, READABLE)
        .unwrap();
    peer.write_all(b"unread").unwrap();
    drop(source);
    expect_silence(&mut poll, &mut events);
}

/// Two sources that share a descriptor are one to epoll, poll(2) and event ports.
#[test]
fn a_shared_object_is_registered_once() {
    let (stream, mut peer) = std_tcp_pair();
    let stream = Arc::new(stream);
    let mut source = IoSource::new(Arc::clone(&stream));
    let mut twin = IoSource::new(&*stream);
    let (mut poll, mut events) = registered(&mut source, READABLE);
    peer.write_all(b"hello").unwrap();
    expect_readable(&mut poll, &mut events, SOURCE);
    if !util::KQUEUE && !util::AFD {
        let refused = poll.registry().register(&mut twin, OTHER, READABLE);
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::AlreadyExists);
    }
    poll.registry().deregister(&mut source).unwrap();
    poll.registry()
        .register(&mut twin, OTHER, READABLE)
        .unwrap();
    expect_readable(&mut poll, &mut events, OTHER);
    let read = twin.try_io(READABLE, |stream| (&**stream).read(&mut [0; 8]));
    assert_eq!(read.unwrap(), 5);
    poll.registry().deregister(&mut twin).unwrap();
}

#[test]
fn a_source_shows_its_object_and_its_handle() {
    let (stream, _peer) = std_tcp_pair();
    let shown = format!("{stream:?}");
    #[cfg(unix)]
    let number = std::os::fd::AsRawFd::as_raw_fd(&stream);
    #[cfg(windows)]
    let number = std::os::windows::io::AsRawSocket::as_raw_socket(&stream);
    let source = IoSource::new(stream);
    assert_eq!(format!("{source:?}"), shown);
    #[cfg(unix)]
    {
        use std::os::fd::{AsFd, AsRawFd};
        assert_eq!(source.as_raw_fd(), number);
        assert_eq!(source.as_fd().as_raw_fd(), number);
    }
    #[cfg(windows)]
    {
        use std::os::windows::io::{AsRawSocket, AsSocket};
        assert_eq!(source.as_raw_socket(), number);
        assert_eq!(source.as_socket().as_raw_socket(), number);
    }
}

/// A connection that is begun by the program's own call is reported.
#[test]
fn an_attempt_to_connect_is_reported() {
    let listener = net::TcpListener::bind(any_port()).unwrap();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut source = IoSource::new(socket);
    let (mut poll, mut events) = registered(&mut source, READABLE | Interest::WRITABLE);
    discard_events(&mut poll, &mut events);
    let address = listener.local_addr().unwrap().into();
    if let Err(error) = source.try_io(Interest::WRITABLE, |it| it.connect(&address)) {
        #[cfg(unix)]
        assert_eq!(error.raw_os_error(), Some(libc::EINPROGRESS));
        #[cfg(windows)]
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
    expect_writable(&mut poll, &mut events, SOURCE);
    let (mut peer, _) = listener.accept().unwrap();
    peer.write_all(b"hello").unwrap();
    expect_readable(&mut poll, &mut events, SOURCE);
    assert_eq!(drain(&mut source), b"hello");
}

#[cfg(unix)]
mod files {
    use std::fs::File;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

    use super::*;

    /// Owns what a call has just made, if it did not fail.
    fn owned(fd: libc::c_int) -> io::Result<OwnedFd> {
        if fd == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new, so nothing else owns it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    #[test]
    fn a_file_that_cannot_be_polled_is_refused() {
        // kqueue takes files.
        if util::KQUEUE {
            return;
        }
        let mut source = IoSource::new(File::open(std::env::current_exe().unwrap()).unwrap());
        let (poll, _) = poll_and_events();
        let refused = poll.registry().register(&mut source, SOURCE, READABLE);
        assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::EPERM));
        // `NotFound`, but in release builds what the system has to say of such a file.
        let error = poll.registry().deregister(&mut source).unwrap_err();
        let kind = error.kind();
        assert!(kind == ErrorKind::NotFound || kind == ErrorKind::PermissionDenied);
    }

    /// Reads the lines of a terminal, of which one read returns one.
    #[test]
    fn every_line_of_a_terminal_is_reported() {
        // SAFETY: takes no pointer.
        let master = owned(unsafe { libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY) }).unwrap();
        // SAFETY: the name is the C library's, ended by a NUL, and only this test asks for one.
        let terminal = unsafe {
            assert_eq!(libc::grantpt(master.as_raw_fd()), 0);
            assert_eq!(libc::unlockpt(master.as_raw_fd()), 0);
            let name = libc::ptsname(master.as_raw_fd());
            assert!(!name.is_null(), "{}", io::Error::last_os_error());
            libc::open(name, libc::O_RDWR | libc::O_NOCTTY | libc::O_NONBLOCK)
        };
        let mut master = File::from(master);
        let mut source = IoSource::new(File::from(owned(terminal).unwrap()));
        let (mut poll, mut events) = registered(&mut source, READABLE);
        for _ in 0..3 {
            master.write_all(b"one\ntwo\n").unwrap();
            for line in [&b"one\n"[..], b"two\n"] {
                if util::EMULATED_EDGES || line == b"one\n" {
                    expect_readable(&mut poll, &mut events, SOURCE);
                }
                let mut buf = [0; 16];
                let len = source.read(&mut buf).unwrap();
                assert_eq!(&buf[..len], line);
            }
            expect_would_block(source.read(&mut [0; 16]));
            expect_silence(&mut poll, &mut events);
        }
        drop(master);
        util::expect(&mut poll, &mut events, SOURCE, |event| {
            event.is_read_closed()
        });
        // What fails for good is not reported for good.
        for _ in 0..3 {
            let _ = source.read(&mut [0; 16]);
            expect_silence(&mut poll, &mut events);
        }
    }

    /// Messages over a connection.
    #[test]
    fn every_packet_of_a_unix_socket_is_reported() {
        let pair = Socket::pair(Domain::UNIX, Type::SEQPACKET, None);
        // Apple's systems have none.
        let Ok((socket, peer)) = pair else { return };
        socket.set_nonblocking(true).unwrap();
        let mut source = IoSource::new(socket);
        let (mut poll, mut events) = registered(&mut source, READABLE);
        for _ in 0..3 {
            for message in [&b"one"[..], b"three"] {
                peer.send(message).unwrap();
                expect_readable(&mut poll, &mut events, SOURCE);
                // The buffer is as long as the message.
                assert_eq!(
                    source.read(&mut [0; 5][..message.len()]).unwrap(),
                    message.len()
                );
            }
            expect_would_block(source.read(&mut [0; 5]));
            expect_silence(&mut poll, &mut events);
        }
        drop(peer);
        util::expect(&mut poll, &mut events, SOURCE, util::reports_end);
        discard_events(&mut poll, &mut events);
    }

    /// A descriptor that was closed elsewhere, under the source.
    #[test]
    fn a_descriptor_that_is_not_open_is_an_error() {
        struct Closed;

        impl std::os::fd::AsFd for Closed {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                // SAFETY: no descriptor has this number, and nothing is done with it but asking.
                unsafe { std::os::fd::BorrowedFd::borrow_raw(libc::c_int::MAX) }
            }
        }

        let (poll, _) = poll_and_events();
        let mut source = IoSource::new(Closed);
        let error = poll.registry().register(&mut source, SOURCE, READABLE);
        assert_eq!(error.unwrap_err().raw_os_error(), Some(libc::EBADF));
    }

    #[cfg(target_os = "linux")]
    mod linux {
        use std::ptr;
        use std::time::{Duration, Instant};

        use super::*;

        /// One read takes all expirations, and a program makes no second one.
        #[test]
        fn every_expiration_of_a_timer_is_reported() {
            let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
            // SAFETY: takes no pointer.
            let timer = owned(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) });
            let mut source = IoSource::new(File::from(timer.unwrap()));
            let (mut poll, mut events) = registered(&mut source, READABLE);
            let time = |millis: i64| libc::timespec {
                tv_sec: 0,
                tv_nsec: (millis * 1_000_000) as _,
            };
            let times = libc::itimerspec {
                it_interval: time(5),
                it_value: time(5),
            };
            let (fd, start) = (source.as_raw_fd(), Instant::now());
            // SAFETY: `times` lives through the call, and the old times are not asked for.
            let set = unsafe { libc::timerfd_settime(fd, 0, &times, ptr::null_mut()) };
            assert_eq!(set, 0);
            let mut expired = 0;
            while expired < 5 {
                expect_readable(&mut poll, &mut events, SOURCE);
                let mut count = [0; 8];
                assert_eq!(source.read(&mut count).unwrap(), 8);
                expired += u64::from_ne_bytes(count);
            }
            assert!(start.elapsed() >= Duration::from_millis(25));
        }

        #[test]
        fn every_count_of_an_eventfd_is_reported() {
            // SAFETY: takes no pointer.
            let fd = owned(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) });
            let mut source = IoSource::new(File::from(fd.unwrap()));
            let (mut poll, mut events) = registered(&mut source, READABLE);
            for _ in 0..3 {
                source.write_all(&3_u64.to_ne_bytes()).unwrap();
                expect_readable(&mut poll, &mut events, SOURCE);
                let mut count = [0; 8];
                source.read_exact(&mut count).unwrap();
                assert_eq!(u64::from_ne_bytes(count), 3);
            }
        }

        /// Requests the network interfaces from the kernel.
        fn request_interfaces(socket: &Socket) {
            const LEN: u32 = 20;
            let mut request = [0; LEN as usize];
            request[..4].copy_from_slice(&LEN.to_ne_bytes());
            request[4..6].copy_from_slice(&libc::RTM_GETLINK.to_ne_bytes());
            let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
            request[6..8].copy_from_slice(&flags.to_ne_bytes());
            assert_eq!(socket.send(&request).unwrap(), request.len());
        }

        #[test]
        fn every_reply_of_netlink_is_reported() {
            let domain = Domain::from(libc::AF_NETLINK);
            let protocol = Some(libc::NETLINK_ROUTE.into());
            let socket = match Socket::new(domain, Type::RAW, protocol) {
                Err(error) => return eprintln!("skipped, no netlink: {error}"),
                Ok(socket) => socket,
            };
            socket.set_nonblocking(true).unwrap();
            let mut source = IoSource::new(socket);
            let (mut poll, mut events) = registered(&mut source, READABLE);
            for _ in 0..3 {
                request_interfaces(source.get_ref());
                expect_readable(&mut poll, &mut events, SOURCE);
                assert!(!drain(&mut source).is_empty());
                expect_silence(&mut poll, &mut events);
            }
        }

        /// A network interface in a network of this thread's own, where it may make one.
        #[test]
        fn every_packet_of_a_tun_is_reported() {
            let Ok((tun, control)) = tun().map_err(|error| eprintln!("skipped, no tun: {error}"))
            else {
                return;
            };
            let mut source = IoSource::new(tun);
            let (mut poll, mut events) = registered(&mut source, READABLE);
            // It may have sent something of its own accord, as IPv6 does.
            drain(&mut source);
            for _ in 0..3 {
                control.send_to(b"across the tunnel", "10.1.2.4:9").unwrap();
                expect_readable(&mut poll, &mut events, SOURCE);
                let packets = drain(&mut source);
                assert!(packets.ends_with(b"across the tunnel"));
            }
        }

        // The lowest version of `libc` that the library permits does not declare it.
        const TUNSETIFF: libc::c_int = 0x4004_54ca;

        /// A device with the network 10.1.2.0/24 behind it, and a socket of the same network.
        fn tun() -> io::Result<(File, net::UdpSocket)> {
            let check = |result: libc::c_int| match result {
                -1 => Err(io::Error::last_os_error()),
                _ => Ok(()),
            };
            // SAFETY: takes no pointer, and concerns this thread, which only runs this test.
            check(unsafe { libc::unshare(libc::CLONE_NEWNET) })?;
            let mut options = File::options();
            options.read(true).write(true);
            let tun =
                std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK)
                    .open("/dev/net/tun")?;
            let control = net::UdpSocket::bind("0.0.0.0:0")?;
            // SAFETY: a structure of integers, for which zero is a value.
            let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
            // SAFETY: each call reads or writes the structure that it names, whose address is in
            // the field that it reads.
            unsafe {
                request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as _;
                check(libc::ioctl(tun.as_raw_fd(), TUNSETIFF as _, &mut request))?;
                let mut set = |name, address: [u8; 4]| {
                    let address = libc::sockaddr_in {
                        sin_family: libc::AF_INET as _,
                        sin_port: 0,
                        sin_addr: libc::in_addr {
                            s_addr: u32::from_ne_bytes(address),
                        },
                        sin_zero: [0; 8],
                    };
                    ptr::addr_of_mut!(request.ifr_ifru)
                        .cast::<libc::sockaddr_in>()
                        .write_unaligned(address);
                    check(libc::ioctl(control.as_raw_fd(), name as _, &request))
                };
                set(libc::SIOCSIFADDR, [10, 1, 2, 3])?;
                set(libc::SIOCSIFNETMASK, [255, 255, 255, 0])?;
                request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as _;
                check(libc::ioctl(
                    control.as_raw_fd(),
                    libc::SIOCSIFFLAGS as _,
                    &request,
                ))?;
            }
            Ok((tun, control))
        }

        /// Where edges are emulated, out-of-band data is reported again after an operation that
        /// names it.
        #[cfg(not(mio_test_kqueue_shim))]
        #[test]
        fn an_operation_on_out_of_band_data_arms_it() {
            if util::EVENT_PORT {
                return;
            }
            let (one, peer) = std_tcp_pair();
            let peer = Socket::from(peer);
            let mut source = IoSource::new(Socket::from(one));
            let (mut poll, mut events) = registered(&mut source, Interest::PRIORITY);
            for _ in 0..3 {
                peer.send_out_of_band(b"!").unwrap();
                util::expect(&mut poll, &mut events, SOURCE, |event| event.is_priority());
                let receive = || {
                    source.try_io(Interest::PRIORITY, |it| {
                        it.recv_out_of_band(&mut [std::mem::MaybeUninit::uninit()])
                    })
                };
                assert_eq!(receive().unwrap(), 1);
                // There is none: as it happens, an error that is not `WouldBlock`.
                assert!(receive().is_err());
                discard_events(&mut poll, &mut events);
            }
        }
    }
}
