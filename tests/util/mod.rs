//! What the tests share. Every test file is a program of its own and uses a part
//! of it.
#![allow(dead_code, unreachable_pub)]

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Poll, Token};

/// Long enough for anything that is going to happen on a loaded machine. Tests wait
/// this long only to fail.
pub const LONG: Duration = Duration::from_secs(20);

/// Whether the selector under test is poll(2).
pub const POLL2: bool = cfg!(mio_unsupported_force_poll_poll);

/// Whether the waker under test is made of a pipe.
pub const PIPE_WAKER: bool = cfg!(mio_unsupported_force_waker_pipe);

/// Whether the selector under test is kqueue, on Linux by way of a shim. It has an event
/// of each direction, which says nothing of the other one, and does not know whether
/// something is registered.
pub const KQUEUE: bool = !POLL2
    && cfg!(any(
        target_vendor = "apple",
        target_os = "freebsd",
        target_os = "netbsd",
        target_os = "openbsd",
        target_os = "dragonfly",
        mio_test_kqueue_shim
    ));

/// Whether it is told that a socket or pipe is registered already, or not at all. Debug
/// builds check it; of the selectors only kqueue cannot tell.
pub const CHECKED: bool = !KQUEUE || cfg!(debug_assertions);

pub fn poll_and_events() -> (Poll, Events) {
    (Poll::new().unwrap(), Events::with_capacity(64))
}

/// An address of this machine at which the system chooses the port.
pub fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

pub fn any_port_v6() -> SocketAddr {
    "[::1]:0".parse().unwrap()
}

/// Polls, again when a signal comes.
pub fn poll(poll: &mut Poll, events: &mut Events, timeout: Option<Duration>) {
    loop {
        match poll.poll(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.unwrap(),
        }
    }
}

/// Polls until an event of `token` satisfies `wanted`, and returns it. Events of
/// other tokens, and those of `token` that do not, are passed over. Panics if none has
/// come after a long time.
pub fn expect(
    poll: &mut Poll,
    events: &mut Events,
    token: Token,
    wanted: impl Fn(&Event) -> bool,
) -> Event {
    let end = Instant::now() + LONG;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "no such event of {token:?}");
        self::poll(poll, events, Some(left));
        let found = events.iter().find(|it| it.token() == token && wanted(it));
        if let Some(event) = found {
            return event.clone();
        }
    }
}

/// Polls until events of `token` have satisfied all of `wanted`. One event does, except
/// where each direction has events of its own.
pub fn expect_all(
    poll: &mut Poll,
    events: &mut Events,
    token: Token,
    wanted: &[fn(&Event) -> bool],
) {
    if !KQUEUE {
        expect(poll, events, token, |event| {
            wanted.iter().all(|it| it(event))
        });
        return;
    }
    let mut missing = wanted.to_vec();
    while !missing.is_empty() {
        expect(poll, events, token, |event| {
            missing.iter().any(|it| it(event))
        });
        for event in events.iter().filter(|event| event.token() == token) {
            missing.retain(|it| !it(event));
        }
    }
}

pub fn expect_readable(poll: &mut Poll, events: &mut Events, token: Token) -> Event {
    expect(poll, events, token, Event::is_readable)
}

pub fn expect_writable(poll: &mut Poll, events: &mut Events, token: Token) -> Event {
    expect(poll, events, token, Event::is_writable)
}

/// Checks that nothing is ready now. It does not wait: what the test did before has
/// had its effect when the call that did it returned (true of loopback, Unix
/// sockets and pipes).
#[track_caller]
pub fn expect_silence(poll: &mut Poll, events: &mut Events) {
    self::poll(poll, events, Some(Duration::ZERO));
    assert!(events.is_empty(), "unexpected: {events:?}");
}

/// Checks that an operation answers `WouldBlock`.
#[track_caller]
pub fn expect_would_block<T: std::fmt::Debug>(result: io::Result<T>) {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        other => panic!("expected WouldBlock, got {other:?}"),
    }
}

/// Reads until the source answers `WouldBlock` or ends; returns what was there.
pub fn drain(source: &mut impl io::Read) -> Vec<u8> {
    let (mut all, mut buf) = (Vec::new(), [0; 4096]);
    loop {
        match source.read(&mut buf) {
            Ok(0) => return all,
            Ok(len) => all.extend_from_slice(&buf[..len]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return all,
            Err(error) => panic!("reading failed: {error}"),
        }
    }
}

/// A path that no other test uses, in the directory for temporary files.
pub fn temporary_path(name: &str) -> std::path::PathBuf {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("mio-{}-{number}-{name}", std::process::id()));
    // A run that was killed may have left one, whose process had our number.
    let _ = std::fs::remove_file(&path);
    path
}

/// The open descriptors of this process. Only for tests that have their process to
/// themselves.
#[cfg(target_os = "linux")]
pub fn open_fds() -> Vec<i32> {
    let mut fds: Vec<i32> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .file_name()
                .to_str()
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    // The directory itself was one of them.
    // SAFETY: takes no pointer.
    fds.retain(|&fd| unsafe { libc::fcntl(fd, libc::F_GETFD) } != -1);
    if KQUEUE {
        // Those from here on are the shim's; the real one has none.
        fds.retain(|&fd| fd < 19_000);
    }
    fds.sort_unstable();
    fds
}

/// The number by which the kernel knows the calling thread.
#[cfg(target_os = "linux")]
pub fn thread_id() -> i32 {
    // SAFETY: takes no pointer.
    unsafe { libc::gettid() }
}

/// Waits until another thread of this process sleeps in the kernel. Call it when all
/// that the thread can sleep in is the call in question.
#[cfg(target_os = "linux")]
pub fn wait_until_asleep(thread: i32) {
    let end = Instant::now() + LONG;
    loop {
        let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap();
        // The name of the thread, in parentheses, may contain anything.
        let (_, after_name) = stat.rsplit_once(") ").unwrap();
        if after_name.starts_with('S') {
            return;
        }
        assert!(Instant::now() < end, "the thread does not go to sleep");
        std::thread::yield_now();
    }
}

/// Runs `body` in a process of its own, for what concerns the process as a whole: its
/// descriptors, its limits, what it is forbidden. That process is this test program once
/// more, with only the test `name`, which must be the caller.
#[cfg(target_os = "linux")]
#[track_caller]
pub fn in_own_process(name: &str, body: impl FnOnce()) {
    const MARK: &str = "MIO_TEST_IN_OWN_PROCESS";
    if std::env::var_os(MARK).is_some() {
        // A body that hangs shall fail, not be waited for.
        // SAFETY: takes no pointer.
        unsafe { libc::alarm(120) };
        return body();
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(MARK, "")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    // With a name that no test has, nothing would run, and succeed.
    assert!(
        output.status.success() && printed.contains("1 passed"),
        "{name}: {}\n{printed}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Polls, and has `meanwhile` run in another thread once the poll sleeps; where that
/// cannot be found out, once it is about to begin.
pub fn poll_while(
    poll: &mut Poll,
    events: &mut Events,
    timeout: Option<Duration>,
    meanwhile: impl FnOnce() + Send,
) {
    use std::sync::atomic::{AtomicBool, Ordering};
    #[cfg(target_os = "linux")]
    let poller = thread_id();
    let entering = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !entering.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            #[cfg(target_os = "linux")]
            wait_until_asleep(poller);
            meanwhile();
        });
        entering.store(true, Ordering::Release);
        self::poll(poll, events, timeout);
    });
}

/// Two TCP streams that are connected with one another.
#[cfg(feature = "net")]
pub fn tcp_pair() -> (mio::net::TcpStream, mio::net::TcpStream) {
    let listener = std::net::TcpListener::bind(any_port()).unwrap();
    let one = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (other, _) = listener.accept().unwrap();
    one.set_nonblocking(true).unwrap();
    other.set_nonblocking(true).unwrap();
    let from_std = mio::net::TcpStream::from_std;
    (from_std(one), from_std(other))
}

/// Takes the events that are there now and in the next moment, of which some may be
/// repetitions: TCP tells a reset or an end to its waiters twice in a row. Panics if
/// they have no end.
#[track_caller]
pub fn settle(poll: &mut Poll, events: &mut Events) {
    for _ in 0..20 {
        self::poll(poll, events, Some(Duration::from_millis(1)));
        if events.is_empty() {
            return;
        }
    }
    panic!("no end of events: {events:?}");
}

/// Checks that a descriptor is non-blocking, and closed on exec.
#[cfg(unix)]
#[track_caller]
pub fn expect_nonblocking_and_cloexec(fd: &impl std::os::fd::AsRawFd) {
    let fd = fd.as_raw_fd();
    // SAFETY: neither call takes a pointer.
    let (status, flags) = unsafe {
        (
            libc::fcntl(fd, libc::F_GETFL),
            libc::fcntl(fd, libc::F_GETFD),
        )
    };
    assert!(status != -1 && flags != -1, "{fd} is not open");
    assert!(status & libc::O_NONBLOCK != 0, "{fd} is blocking");
    assert!(flags & libc::FD_CLOEXEC != 0, "{fd} stays open on exec");
}

/// When a program gives a direction up until the next event.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Until {
    WouldBlock,
    ShortTransfer,
}

/// Sends `len` bytes each way between two connected streams, both directions at once, in
/// one edge-triggered poll, and checks every byte that arrives. Panics when events fail
/// to appear.
pub fn exchange<S>(streams: [S; 2], len: usize, until: Until)
where
    S: mio::event::Source + io::Read + io::Write,
{
    let (mut poll, mut events) = poll_and_events();
    let mut sides = streams.map(|stream| Side::new(stream, len, until));
    for (number, side) in sides.iter_mut().enumerate() {
        let both = mio::Interest::READABLE | mio::Interest::WRITABLE;
        poll.registry()
            .register(&mut side.stream, Token(number), both)
            .unwrap();
    }
    while !sides.iter().all(Side::is_done) {
        self::poll(&mut poll, &mut events, Some(LONG));
        assert!(!events.is_empty(), "stuck: {until:?}");
        for event in &events {
            let side = &mut sides[event.token().0];
            if event.is_readable() {
                side.receive();
            }
            if event.is_writable() {
                side.send();
            }
        }
    }
}

struct Side<S> {
    stream: S,
    len: usize,
    until: Until,
    sent: usize,
    received: usize,
    buf: Vec<u8>,
}

impl<S: io::Read + io::Write> Side<S> {
    fn new(stream: S, len: usize, until: Until) -> Side<S> {
        Side {
            stream,
            len,
            until,
            sent: 0,
            received: 0,
            buf: vec![0; 1 << 16],
        }
    }

    fn is_done(&self) -> bool {
        self.sent == self.len && self.received == self.len
    }

    fn receive(&mut self) {
        while self.received < self.len {
            let result = self.stream.read(&mut self.buf);
            let Some(moved) = self.moved(result) else {
                return;
            };
            let right = self.buf[..moved].iter().zip(self.received..);
            assert!(right.clone().all(|(&byte, at)| byte == pattern(at)));
            self.received += moved;
            if self.is_over(moved, self.buf.len()) {
                return;
            }
        }
    }

    fn send(&mut self) {
        while self.sent < self.len {
            let wanted = self.buf.len().min(self.len - self.sent);
            let bytes: Vec<u8> = (self.sent..self.sent + wanted).map(pattern).collect();
            let result = self.stream.write(&bytes);
            let Some(moved) = self.moved(result) else {
                return;
            };
            self.sent += moved;
            if self.is_over(moved, wanted) {
                return;
            }
        }
    }

    fn moved(&self, result: io::Result<usize>) -> Option<usize> {
        match result {
            Ok(0) => panic!("the stream ended"),
            Ok(moved) => Some(moved),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }

    fn is_over(&self, moved: usize, wanted: usize) -> bool {
        self.until == Until::ShortTransfer && moved < wanted
    }
}

/// The byte at `position` of what [`exchange`] sends; it repeats only after long.
pub fn pattern(position: usize) -> u8 {
    ((position as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8
}

/// Has closing `stream` throw away what is not sent, and reset the connection.
#[cfg(unix)]
pub fn reset_on_close(stream: &impl std::os::fd::AsRawFd) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    // SAFETY: pointer and size are those of `linger`, which lives through the call.
    let set = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            std::ptr::addr_of!(linger).cast(),
            std::mem::size_of_val(&linger) as libc::socklen_t,
        )
    };
    assert_eq!(set, 0);
}
