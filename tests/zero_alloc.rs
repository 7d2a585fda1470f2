//! After set-up, nothing that a program does all the time allocates memory.
#![cfg(all(
    feature = "os-poll",
    feature = "net",
    feature = "os-ext",
    any(windows, unix)
))]

mod util;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::sync::mpsc::channel;
use std::time::Duration;

use mio::net::{TcpStream, UdpSocket};
#[cfg(unix)]
use mio::unix::pipe;
use mio::{Events, Interest, IoSource, Poll, Token, Waker};
use util::{
    any_port, std_tcp_pair, stream_pair, tcp_pair, thread_id, wait_until_asleep, Stream, LONG,
};

/// The system's allocator, which counts the calls of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // While a thread ends, its counter no longer exists, and is not needed.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call is handed on to the system's allocator as it is; counting neither
// allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller guarantees the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The number of allocations that this thread makes in `operation`.
fn allocations(operation: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.with(Cell::get);
    operation();
    ALLOCATIONS.with(Cell::get) - before
}

const R: Interest = Interest::READABLE;
const W: Interest = Interest::WRITABLE;

const WAKER: Token = Token(1);
const NEAR: Token = Token(2);
const FAR: Token = Token(3);
const IDLE: Token = Token(5);

/// Counts the events of one poll that have `token`.
fn poll(poll: &mut Poll, events: &mut Events, timeout: Duration, token: Token) -> usize {
    util::poll(poll, events, Some(timeout));
    events.iter().filter(|it| it.token() == token).count()
}

/// Reads everything, up to and with `WouldBlock`.
fn drain(source: &mut impl Read) -> usize {
    let (mut all, mut buf) = (0, [0; 64]);
    loop {
        match source.read(&mut buf) {
            Ok(len) => all += len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return all,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Sends to a registered receiver and has it drained, as often as the poll asks for it.
fn round_trip(
    poll: &mut Poll,
    events: &mut Events,
    sender: &mut impl Write,
    receiver: &mut impl Read,
) {
    sender.write_all(b"hello").unwrap();
    while self::poll(poll, events, LONG, NEAR) == 0 {}
    assert_eq!(drain(receiver), 5);
}

/// What a program does in its main loop, with everything made before.
struct Steady {
    poll: Poll,
    events: Events,
    waker: Waker,
    tcp: (TcpStream, TcpStream),
    udp: UdpSocket,
    any: (IoSource<std::net::TcpStream>, std::net::TcpStream),
    #[cfg(unix)]
    pipe: (pipe::Sender, pipe::Receiver),
    idle: Stream,
    _far_of_idle: Stream,
}

impl Steady {
    fn new() -> Steady {
        let poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), WAKER).unwrap();
        let mut tcp = tcp_pair();
        let mut udp = UdpSocket::bind(any_port()).unwrap();
        let (mut idle, far_of_idle) = stream_pair();
        udp.connect(udp.local_addr().unwrap()).unwrap();
        let registry = poll.registry();
        registry.register(&mut tcp.0, NEAR, R).unwrap();
        registry.register(&mut tcp.1, FAR, W).unwrap();
        registry.register(&mut udp, NEAR, R).unwrap();
        let (any, far_of_any) = std_tcp_pair();
        let mut any = (IoSource::new(any), far_of_any);
        registry.register(&mut any.0, NEAR, R).unwrap();
        #[cfg(unix)]
        let mut pipe = pipe::new().unwrap();
        #[cfg(unix)]
        registry.register(&mut pipe.1, NEAR, R).unwrap();
        registry.register(&mut idle, IDLE, R).unwrap();
        Steady {
            poll,
            events: Events::with_capacity(16),
            waker,
            tcp,
            udp,
            any,
            #[cfg(unix)]
            pipe,
            idle,
            _far_of_idle: far_of_idle,
        }
    }

    fn timeouts(&mut self) {
        for timeout in [
            Duration::ZERO,
            Duration::from_micros(10),
            Duration::from_millis(1),
        ] {
            poll(&mut self.poll, &mut self.events, timeout, IDLE);
            let deadline = std::time::Instant::now() + timeout;
            self.poll
                .poll_until(&mut self.events, Some(deadline))
                .unwrap();
        }
    }

    fn wakes(&mut self) {
        for _ in 0..2 {
            self.waker.wake().unwrap();
            self.waker.wake().unwrap();
            while poll(&mut self.poll, &mut self.events, LONG, WAKER) == 0 {}
        }
    }

    /// Reading to the end arms the edges, where that is to be done.
    fn transfers(&mut self) {
        let (poll, events) = (&mut self.poll, &mut self.events);
        round_trip(poll, events, &mut self.tcp.1, &mut self.tcp.0);
        round_trip(poll, events, &mut self.any.1, &mut self.any.0);
        #[cfg(unix)]
        round_trip(poll, events, &mut self.pipe.0, &mut self.pipe.1);

        self.udp.send(b"hello").unwrap();
        while self::poll(poll, events, LONG, NEAR) == 0 {}
        let mut buf = [0; 64];
        assert_eq!(self.udp.recv_from(&mut buf).unwrap().0, 5);
        assert!(self.udp.recv_from(&mut buf).is_err());
    }

    fn reregistrations(&mut self) {
        let registry = self.poll.registry();
        for interest in [R | W, R.level(), R.oneshot(), R.exclusive(), R] {
            registry.reregister(&mut self.idle, IDLE, interest).unwrap();
        }
        if !util::EVENT_PORT {
            let end = Interest::READ_CLOSED;
            registry.reregister(&mut self.idle, IDLE, end).unwrap();
            registry.reregister(&mut self.idle, IDLE, R).unwrap();
        }
    }
}

/// Holds of every backend: its buffers are used again.
#[test]
fn a_loop_in_its_steady_state_allocates_nothing() {
    let mut steady = Steady::new();
    let turn = |steady: &mut Steady| {
        [
            allocations(|| steady.timeouts()),
            allocations(|| steady.wakes()),
            allocations(|| steady.transfers()),
            allocations(|| steady.reregistrations()),
        ]
    };
    turn(&mut steady);
    for _ in 0..10 {
        assert_eq!(turn(&mut steady), [0; 4]);
    }
    // The count does count.
    assert_eq!(allocations(|| drop(black_box(Box::new(1)))), 1);
}

/// Where the kernel remembers the registrations. A selector that emulates edges has to
/// remember them itself.
#[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
mod remembered_by_the_kernel {
    use std::os::fd::AsRawFd;

    use mio::event::Source;
    use mio::net::{TcpListener, UnixListener, UnixStream};
    use mio::unix::SourceFd;
    use mio::Registry;
    use util::temporary_path;

    use super::*;

    const LISTENER: Token = Token(4);

    /// Changes a source's registration in every way.
    fn change_registration(registry: &Registry, source: &mut dyn Source) {
        registry.register(source, NEAR, R | W).unwrap();
        registry.reregister(source, FAR, R.level()).unwrap();
        registry.reregister(source, FAR, W.oneshot()).unwrap();
        registry.deregister(source).unwrap();
    }

    /// None of them costs memory of ours, not even the first.
    #[test]
    fn registering_allocates_nothing() {
        if util::EVENT_PORT {
            return;
        }
        let poll = Poll::new().unwrap();
        let registry = poll.registry();
        let mut tcp = tcp_pair();
        let mut udp = UdpSocket::bind(any_port()).unwrap();
        let mut pipe = pipe::new().unwrap();
        let mut any = IoSource::new(std_tcp_pair().0);
        let sources: [&mut dyn Source; 5] =
            [&mut tcp.0, &mut udp, &mut any, &mut pipe.0, &mut pipe.1];
        for source in sources {
            let allocations = allocations(|| change_registration(registry, source));
            assert_eq!(allocations, 0);
        }
        let fd = tcp.1.as_raw_fd();
        let allocations = allocations(|| change_registration(registry, &mut SourceFd(&fd)));
        assert_eq!(allocations, 0);
    }

    /// A connection from its beginning to its end.
    #[test]
    fn connecting_and_accepting_allocate_nothing() {
        let mut poll = Poll::new().unwrap();
        let mut events = Events::with_capacity(16);
        let mut listener = TcpListener::bind(any_port()).unwrap();
        let address = listener.local_addr().unwrap();
        let path = temporary_path("listener");
        let mut unix_listener = UnixListener::bind(&path).unwrap();
        let registry = poll.registry();
        registry.register(&mut listener, LISTENER, R).unwrap();
        registry.register(&mut unix_listener, LISTENER, R).unwrap();

        let tcp = allocations(|| {
            let mut client = TcpStream::connect(address).unwrap();
            poll.registry().register(&mut client, FAR, W).unwrap();
            while super::poll(&mut poll, &mut events, LONG, FAR) == 0 {}
            assert!(client.take_error().unwrap().is_none());
            client.peer_addr().unwrap();
            assert!(client.is_connected().unwrap());
            poll.registry()
                .reregister(&mut listener, LISTENER, R)
                .unwrap();
            while super::poll(&mut poll, &mut events, LONG, LISTENER) == 0 {}
            let (mut server, _) = listener.accept().unwrap();
            util::expect_would_block(listener.accept());
            poll.registry().register(&mut server, NEAR, R).unwrap();
            round_trip(&mut poll, &mut events, &mut client, &mut server);
            poll.registry().deregister(&mut client).unwrap();
        });
        let unix = allocations(|| {
            let mut client = UnixStream::connect(&path).unwrap();
            while super::poll(&mut poll, &mut events, LONG, LISTENER) == 0 {}
            let (mut server, _) = unix_listener.accept().unwrap();
            util::expect_would_block(unix_listener.accept());
            poll.registry().register(&mut server, NEAR, R).unwrap();
            round_trip(&mut poll, &mut events, &mut client, &mut server);
        });
        std::fs::remove_file(&path).unwrap();
        assert_eq!((tcp, unix), (0, 0));
    }
}

/// Nor does a stream that has to look for what became of its attempt.
#[test]
fn asking_a_stream_whether_it_is_connected_allocates_nothing() {
    let closed = std::net::TcpListener::bind(any_port())
        .unwrap()
        .local_addr()
        .unwrap();
    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(16);
    let mut stream = TcpStream::connect(closed).unwrap();
    poll.registry().register(&mut stream, NEAR, W).unwrap();
    let mut failed = 0;
    let allocations = allocations(|| {
        while failed < 2 {
            while failed == 0 && self::poll(&mut poll, &mut events, LONG, NEAR) == 0 {}
            failed += usize::from(stream.is_connected().is_err());
        }
    });
    assert_eq!(allocations, 0);
}

/// Also what was there before is polled with no allocation: the memory is there since the
/// registration. The numbers are such as a list may have room for exactly.
#[test]
fn the_first_poll_allocates_nothing() {
    util::allow_many_fds();
    for count in [1, 15, 16, 31, 32, 63, 64, 100, 127, 128] {
        let mut poll = Poll::new().unwrap();
        let mut events = Events::with_capacity(16);
        let waker = Waker::new(poll.registry(), WAKER).unwrap();
        let mut pairs: Vec<_> = (0..count).map(|_| stream_pair()).collect();
        for (near, _) in &mut pairs {
            poll.registry().register(near, NEAR, R).unwrap();
        }
        pairs[0].1.write_all(b"x").unwrap();
        let allocations = allocations(|| {
            waker.wake().unwrap();
            assert_eq!(self::poll(&mut poll, &mut events, LONG, NEAR), 1);
        });
        assert_eq!(allocations, 0, "{count} sources");
    }
}

/// Nor do sources cost the poll anything that come while it runs in another thread.
#[test]
fn a_poll_that_runs_while_sources_are_registered_allocates_nothing() {
    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(16);
    let registry = poll.registry().try_clone().unwrap();
    let mut pairs: Vec<_> = (0..40).map(|_| stream_pair()).collect();
    // Only the last one has an event.
    pairs[39].1.write_all(b"x").unwrap();
    let (sender, poller) = channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            sender.send(thread_id()).unwrap();
            let allocations = allocations(|| {
                assert_eq!(self::poll(&mut poll, &mut events, LONG, NEAR), 1);
            });
            assert_eq!(allocations, 0);
        });
        wait_until_asleep(poller.recv().unwrap());
        for (near, _) in &mut pairs {
            registry.register(near, NEAR, R).unwrap();
        }
    });
}

/// Nor does reading in one thread, which arms the source again while another one polls.
#[test]
fn reading_while_a_poll_runs_allocates_nothing() {
    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(16);
    let (mut near, mut far) = stream_pair();
    poll.registry().register(&mut near, NEAR, R).unwrap();
    far.write_all(b"hello").unwrap();
    assert_eq!(self::poll(&mut poll, &mut events, LONG, NEAR), 1);
    let (sender, poller) = channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            sender.send(thread_id()).unwrap();
            while self::poll(&mut poll, &mut events, LONG, NEAR) == 0 {}
        });
        wait_until_asleep(poller.recv().unwrap());
        let allocations = allocations(|| {
            assert_eq!(drain(&mut near), 5);
        });
        far.write_all(b"again").unwrap();
        assert_eq!(allocations, 0);
    });
}

/// Nor does a source that pauses.
#[test]
fn a_lack_of_descriptors_allocates_nothing() {
    if !util::EMULATED_EDGES {
        return;
    }
    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(16);
    let (near, mut far) = std_tcp_pair();
    let mut near = IoSource::new(near);
    poll.registry().register(&mut near, NEAR, R).unwrap();
    far.write_all(b"hello").unwrap();
    assert_eq!(self::poll(&mut poll, &mut events, LONG, NEAR), 1);
    let allocations = allocations(|| {
        let lack = |_: &_| Err::<(), _>(io::Error::from_raw_os_error(NO_DESCRIPTOR));
        near.try_io(R, lack).unwrap_err();
        assert_eq!(self::poll(&mut poll, &mut events, LONG, NEAR), 1);
    });
    assert_eq!(allocations, 0);
}

#[cfg(unix)]
const NO_DESCRIPTOR: i32 = libc::EMFILE;
/// `WSAEMFILE`.
#[cfg(windows)]
const NO_DESCRIPTOR: i32 = 10024;

/// Nor does a signal, though it ends the call as a failure.
#[test]
#[cfg(target_os = "linux")]
fn a_poll_after_one_that_was_interrupted_allocates_nothing() {
    extern "C" fn do_nothing(_: libc::c_int) {}
    let handler: extern "C" fn(libc::c_int) = do_nothing;
    // SAFETY: the handler does nothing that a handler must not do.
    let former = unsafe { libc::signal(libc::SIGUSR1, handler as libc::sighandler_t) };
    assert_ne!(former, libc::SIG_ERR);

    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(16);
    let waker = Waker::new(poll.registry(), WAKER).unwrap();
    let (sender, poller) = channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            sender.send(thread_id()).unwrap();
            let error = poll.poll(&mut events, Some(LONG)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Interrupted);
            let allocations = allocations(|| {
                waker.wake().unwrap();
                assert_eq!(self::poll(&mut poll, &mut events, LONG, WAKER), 1);
            });
            assert_eq!(allocations, 0);
        });
        let poller = poller.recv().unwrap();
        wait_until_asleep(poller);
        let signal = libc::c_long::from(libc::SIGUSR1);
        // SAFETY: takes no pointer; the thread is one of ours, and alive.
        let sent = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), poller, signal) };
        assert_eq!(sent, 0);
    });
}
