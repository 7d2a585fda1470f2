//! What the test programs share. Each uses a part of it.
#![cfg(feature = "os-poll")]
#![allow(dead_code, unreachable_pub)]

#[cfg(unix)]
pub mod signals;
mod wrapper;

#[allow(unused_imports)]
pub use wrapper::Wrapper;

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

/// Whether the system is a BSD or Apple's. Their sockets and pipes are of one family, and the
/// constants below say where they differ from Linux'.
const BSD: bool = cfg!(any(
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly"
));

/// Whether the selector under test is kqueue, on Linux by way of a shim. It has an event
/// of each direction, which says nothing of the other one, and does not know whether
/// something is registered.
pub const KQUEUE: bool = !POLL2 && (BSD || cfg!(mio_test_kqueue_shim));

/// Whether the library uses `EVFILT_USER`, for its waker and in the place of a hang-up that the
/// kernel refuses to watch for. Without, the one is a pipe, and the other comes with a delay.
pub const USER_EVENTS: bool = KQUEUE
    && !cfg!(any(
        target_os = "netbsd",
        target_os = "openbsd",
        mio_unsupported_force_waker_pipe
    ));

/// Whether the waker under test is made of a pipe.
pub const PIPE_WAKER: bool = cfg!(mio_unsupported_force_waker_pipe) || BSD && !USER_EVENTS;

/// Whether there is a call for timeouts that milliseconds cannot say: the C library's
/// `epoll_pwait2`, which static programs cannot look up, unless something else has replaced only
/// `epoll_wait`. With 32 bits the function of that name is for the narrow `timespec`.
#[cfg(target_os = "linux")]
pub fn has_precise_call() -> bool {
    let library_of = |name: &[u8]| {
        // SAFETY: the name ends with a zero; the structure is made of pointers, for which zero is
        // a value.
        unsafe {
            let mut info: libc::Dl_info = std::mem::zeroed();
            let function = libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr().cast());
            libc::dladdr(function, &mut info);
            info.dli_fbase
        }
    };
    let precise = match std::mem::size_of::<libc::timespec>() {
        16 if cfg!(target_pointer_width = "32") => library_of(b"__epoll_pwait2_time64\0"),
        _ => library_of(b"epoll_pwait2\0"),
    };
    let is_used = !POLL2 && !KQUEUE && !EVENT_PORT && !cfg!(mio_unsupported_no_pwait2);
    is_used && !precise.is_null() && precise == library_of(b"epoll_wait\0")
}

/// Whether the selector under test is Windows', whose events are completions of
/// one-time requests to the AFD device.
pub const AFD: bool = cfg!(windows);

/// Whether the selector under test is event ports, on Linux by way of a shim.
pub const EVENT_PORT: bool = !POLL2 && cfg!(any(target_os = "solaris", mio_test_event_port_shim));

/// Whether edges are emulated by this crate, because the system has none. An event then
/// contains only what was requested, and was not reported before.
pub const EMULATED_EDGES: bool = POLL2 || EVENT_PORT || AFD;

/// Whether it is reported as such that the peer has ended only its sending. Elsewhere the source
/// is just readable.
pub const REPORTS_HALF_CLOSE: bool = !EVENT_PORT;

/// Whether a waker notifies a descriptor, of its own or its selector's.
pub const HAS_WAKE_FD: bool = !USER_EVENTS && !EVENT_PORT;

/// Whether wakers and clones of a registry share their selector's descriptors.
pub const SHARES: bool = POLL2 || EVENT_PORT;

/// Whether `event` reports the peer's end, with nothing before it to be read.
pub fn reports_end(event: &Event) -> bool {
    event.is_read_closed() || !REPORTS_HALF_CLOSE && event.is_readable()
}

/// Whether it is an error that a socket or pipe is registered already, or not at all. Debug
/// builds check it; of the selectors only kqueue does not.
pub const CHECKED: bool = !KQUEUE || cfg!(debug_assertions);

// What differs between systems beside the selector. Of the BSDs it was measured on NetBSD, and
// of the others it is what their sources and manuals say.

/// Whether a full receiver of Unix datagrams can be waited for. A BSD's returns `ENOBUFS`
/// instead of `WouldBlock`, and its senders count as writable all the time.
pub const FULL_RECEIVER_BLOCKS: bool = !BSD;

/// The kind of the error when a datagram is sent to a connected Unix socket that is gone.
pub const GONE_RECEIVER: io::ErrorKind = if BSD {
    io::ErrorKind::ConnectionReset
} else {
    io::ErrorKind::ConnectionRefused
};

/// The errors of sending through a Unix datagram socket that has no peer.
#[cfg(unix)]
pub const NO_RECEIVER: &[i32] = if BSD {
    &[libc::ENOTCONN, libc::EDESTADDRREQ]
} else {
    &[libc::ENOTCONN]
};

/// Whether a Unix socket cannot be written to when the peer has shut reading down.
pub const SHUT_READING_STOPS_THE_PEER: bool = !BSD;

/// Whether connections that were not accepted are reset when their Unix listener is closed. A
/// BSD may also just end them.
pub const CLOSED_LISTENER_RESETS: bool = !BSD;

/// The kind of the error when a Unix stream finds the backlog of a listener full.
pub const FULL_BACKLOG: io::ErrorKind = if BSD {
    io::ErrorKind::ConnectionRefused
} else {
    io::ErrorKind::WouldBlock
};

/// The longest path that a Unix socket can have here: the last byte is for the NUL.
#[cfg(unix)]
pub const LONGEST_PATH: usize = {
    // The family, on a BSD with the length before it.
    const HEADER: usize = 2;
    std::mem::size_of::<libc::sockaddr_un>() - HEADER - 1
};

/// The longest UDP datagram: on a BSD by a limit of its own, elsewhere by the protocol.
pub const LONGEST_DATAGRAM: usize = if BSD { 9_216 } else { 65_507 };

/// Times to live that are refused. A BSD takes any number, but for OpenBSD.
pub const IMPOSSIBLE_TTLS: &[u32] = if BSD && !cfg!(target_os = "openbsd") {
    &[]
} else {
    &[0, 256]
};

/// Whether every address of 127.0.0.0/8 is this machine's.
pub const WHOLE_LOOPBACK_NETWORK: bool = !BSD;

/// Whether a TCP socket that is not connected can be shut down.
pub const UNCONNECTED_IS_SHUT_DOWN: bool = cfg!(any(target_os = "netbsd", target_os = "openbsd"));

/// Whether descriptors can be closed on exec from the moment that they are made.
pub const CLOSED_ON_EXEC_AT_CREATION: bool = !cfg!(target_vendor = "apple");

/// Whether the end of a stream is reported again when it has been read. The shim of kqueue
/// cannot do it.
const END_THAT_WAS_READ_IS_NEWS: bool = KQUEUE && cfg!(target_os = "netbsd");

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

/// The same with an address of 127.0.0.0/8 that only the caller uses: no other test gets
/// a port of it. Where there is only one address, the system is not quick to reuse a port.
pub fn any_port_at([a, b, c]: [u8; 3]) -> SocketAddr {
    if WHOLE_LOOPBACK_NETWORK {
        ([127, a, b, c], 0).into()
    } else {
        any_port()
    }
}

/// Whether this machine has the loopback address of IPv6, which many containers have not. Tests of
/// IPv6 test nothing then; that the machines of CI have it is checked there.
pub fn has_ipv6() -> bool {
    std::net::UdpSocket::bind(any_port_v6()).is_ok()
}

/// Addresses of both versions, of IPv6 only if this machine has it.
pub fn any_ports() -> Vec<SocketAddr> {
    let v6 = has_ipv6().then(any_port_v6);
    std::iter::once(any_port()).chain(v6).collect()
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

/// Polls until `source` is reported as read-closed, and returns the event, and what had to
/// be read before: with AFD, data that are there may hide the end behind them. Where an end
/// is reported as data, reading shows it.
pub fn expect_end(
    poll: &mut Poll,
    events: &mut Events,
    token: Token,
    source: &mut impl io::Read,
) -> (Event, Vec<u8>) {
    let mut bytes = Vec::new();
    loop {
        let event = expect(poll, events, token, |event| {
            event.is_read_closed() || (AFD || !REPORTS_HALF_CLOSE) && event.is_readable()
        });
        if event.is_read_closed() {
            return (event, bytes);
        }
        bytes.extend(drain(source));
        let mut next = [0];
        match source.read(&mut next) {
            Ok(0) if !REPORTS_HALF_CLOSE => return (event, bytes),
            Ok(len) => bytes.extend(&next[..len]),
            Err(_) => {}
        }
    }
}

/// Checks that an operation failed because the source's own side was shut down.
#[track_caller]
pub fn expect_shut_down<T: std::fmt::Debug>(result: io::Result<T>) {
    let error = result.unwrap_err();
    #[cfg(unix)]
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    #[cfg(windows)]
    assert_eq!(
        error.raw_os_error(),
        Some(windows_sys::Win32::Networking::WinSock::WSAESHUTDOWN)
    );
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

/// Checks that nothing is ready after the end of a stream was read.
#[track_caller]
pub fn expect_silence_after_the_end(poll: &mut Poll, events: &mut Events) {
    if END_THAT_WAS_READ_IS_NEWS {
        discard_events(poll, events);
    }
    expect_silence(poll, events);
}

/// Checks that an operation returns `WouldBlock`.
#[track_caller]
pub fn expect_would_block<T: std::fmt::Debug>(result: io::Result<T>) {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        other => panic!("expected WouldBlock, got {other:?}"),
    }
}

/// Reads until the source returns `WouldBlock` or ends; returns what was there.
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

/// Writes until there is no room, in pieces; the number of bytes written. Where what was
/// written travels on for a moment, there is no room when nothing more is taken for a while.
pub fn fill(sender: &mut impl io::Write) -> usize {
    let (mut written, mut refused) = (0, 0);
    loop {
        match sender.write(&[7; 2048]) {
            Ok(len) => (written, refused) = (written + len, 0),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => refused += 1,
            Err(error) => panic!("{error}"),
        }
        match refused {
            0 => {}
            1..=4 if AFD => std::thread::sleep(Duration::from_millis(2)),
            _ => return written,
        }
    }
}

/// Reads `len` bytes, which are there or on their way.
pub fn drain_all(source: &mut impl io::Read, len: usize) {
    let end = Instant::now() + LONG;
    let mut read = 0;
    while read < len {
        assert!(Instant::now() < end, "{read} of {len}");
        read += drain(source).len();
        std::thread::yield_now();
    }
    assert_eq!(read, len);
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
/// themselves. No descriptor is needed to find out, and no file system that lists them.
#[cfg(unix)]
pub fn open_fds() -> Vec<i32> {
    // The lowest free number is given out first, so none is beyond what a test opens. Those
    // from here on are the shim's of kqueue; the real one has none.
    const END: i32 = 19_000;
    // SAFETY: takes no pointer.
    let is_open = |&fd: &i32| unsafe { libc::fcntl(fd, libc::F_GETFD) } != -1;
    (0..END).filter(is_open).collect()
}

/// Sets how many descriptors this process may have to `wanted`, or to what it is let; returns
/// the number.
#[cfg(unix)]
pub fn limit_fds(wanted: usize) -> usize {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is to a `rlimit` that lives through the calls.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        limit.rlim_cur = limit.rlim_max.min(wanted as libc::rlim_t);
        let set = libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        assert_eq!(set, 0, "{}", io::Error::last_os_error());
        // Some systems set less, and say so only here.
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
    }
    limit.rlim_cur as usize
}

/// Allows this process more descriptors than all its tests need together. Some systems allow 128 at
/// first.
pub fn allow_many_fds() {
    #[cfg(unix)]
    limit_fds(4_000);
}

/// The number of handles that are open in this process: Windows does not return which.
///
/// Under Wine a poll that was there before the first call opens one more handle after it: have that
/// call before the poll.
#[cfg(windows)]
pub fn open_fds() -> u32 {
    use std::sync::Once;

    #[link(name = "kernel32")]
    extern "system" {
        fn GetCurrentProcess() -> *mut std::ffi::c_void;
        fn GetProcessHandleCount(process: *mut std::ffi::c_void, count: *mut u32) -> i32;
        fn GetHandleInformation(handle: *mut std::ffi::c_void, flags: *mut u32) -> i32;
    }

    // What the system opens when it is asked for something the first time stays open.
    static WARM: Once = Once::new();
    WARM.call_once(|| {
        let (mut poll, mut events) = poll_and_events();
        #[cfg(feature = "net")]
        for (mut near, _far) in [(); 3].map(|()| tcp_pair()) {
            let both = mio::Interest::READABLE | mio::Interest::WRITABLE;
            poll.registry().register(&mut near, Token(0), both).unwrap();
            self::poll(&mut poll, &mut events, Some(LONG));
        }
        self::poll(&mut poll, &mut events, Some(Duration::from_millis(1)));
        for thread in [(); 3].map(|()| std::thread::spawn(poll_and_events)) {
            thread.join().unwrap();
        }
    });
    let mut count = 0;
    // SAFETY: the pointer is that of a local variable.
    let counted = unsafe { GetProcessHandleCount(GetCurrentProcess(), &mut count) };
    assert_ne!(counted, 0, "{}", io::Error::last_os_error());
    if count == 0 {
        // Wine does not count: it is asked about each number. They are multiples of four, the
        // lowest of those that are free.
        let is_open = |number: &usize| {
            let mut flags = 0;
            // SAFETY: the pointer is that of a local variable.
            unsafe { GetHandleInformation(*number as *mut _, &mut flags) != 0 }
        };
        count = (4..0x8000).step_by(4).filter(is_open).count() as u32;
    }
    count
}

/// How often this thread has gone to sleep, which it does when a call blocks, but not when
/// others take the processor away from it. `None` where a thread cannot be asked about.
pub fn sleeps() -> Option<std::ffi::c_long> {
    #[cfg(any(target_os = "linux", target_os = "freebsd"))]
    {
        // SAFETY: consists of integers, for which zero is valid.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: `usage` is what the call fills.
        let result = unsafe { libc::getrusage(libc::RUSAGE_THREAD, &mut usage) };
        assert_eq!(result, 0);
        Some(usage.ru_nvcsw)
    }
    #[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
    None
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

/// Has no effect where the state of the thread cannot be read.
#[cfg(not(target_os = "linux"))]
pub fn thread_id() -> i32 {
    0
}

/// Where it cannot be found out, the thread only gets a chance to go to sleep.
#[cfg(not(target_os = "linux"))]
pub fn wait_until_asleep(_: i32) {
    std::thread::yield_now();
}

/// Runs `body` in a process of its own, for what concerns the process as a whole: its
/// descriptors, its limits, what it is forbidden. That process is this test program once
/// more, with only the test `name`, which must be the caller.
#[track_caller]
pub fn in_own_process<F: FnOnce()>(name: &str, body: F) {
    const MARK: &str = "MIO_TEST_IN_OWN_PROCESS";
    if std::env::var_os(MARK).is_some() {
        limit_time();
        return body();
    }
    let output = only_test(module_of::<F>(), name)
        .env(MARK, "")
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

/// The module in which `F` is: a function, or a closure in one.
fn module_of<F>() -> &'static str {
    let path = std::any::type_name::<F>();
    let function = path.strip_suffix("::{{closure}}").unwrap_or(path);
    function.rsplit_once("::").unwrap().0
}

/// This test program, to be started with only test `name` of `module`, as `module_path!` has it.
pub fn only_test(module: &str, name: &str) -> std::process::Command {
    // That program starts no process, and says why.
    assert!(!module.starts_with("it::"), "belongs to tests/processes");
    // The paths of tests do not begin with the program's name.
    let test = match module.split_once("::") {
        Some((_, module)) => format!("{module}::{name}"),
        None => name.to_owned(),
    };
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command
        .args([&test, "--exact", "--nocapture", "--test-threads=1"])
        .stdin(std::process::Stdio::null());
    command
}

/// After how many seconds a process hangs. On a busy machine some tests take more than two minutes.
const HANGS_AFTER: u32 = 600;

/// Makes this process fail if it hangs.
#[cfg(unix)]
fn limit_time() {
    // SAFETY: takes no pointer.
    unsafe { libc::alarm(HANGS_AFTER) };
}

#[cfg(not(unix))]
fn limit_time() {
    let (sender, receiver) = std::sync::mpsc::channel();
    // More for leak tests, which take their time under Wine.
    #[cfg(windows)]
    let seconds = u64::from(HANGS_AFTER) + cycles() as u64 / 10;
    #[cfg(not(windows))]
    let seconds = u64::from(HANGS_AFTER);
    std::thread::spawn(move || {
        sender.send(()).unwrap();
        std::thread::sleep(Duration::from_secs(seconds));
        std::process::abort();
    });
    // From here on there is one thread more, and nothing else changes.
    receiver.recv().unwrap();
}

/// Hands out the descriptor of `poll`, where it has one: from now on every wake is sent through
/// the system, whether the poll is asleep or not.
pub fn watch(_poll: &Poll) {
    #[cfg(all(any(unix, target_os = "hermit"), not(mio_unsupported_force_poll_poll)))]
    let _ = std::os::fd::AsRawFd::as_raw_fd(_poll);
}

/// Polls, and runs `meanwhile` in another thread once the poll sleeps; where that
/// cannot be found out, once it is about to begin.
pub fn poll_while(
    poll: &mut Poll,
    events: &mut Events,
    timeout: Option<Duration>,
    meanwhile: impl FnOnce() + Send,
) {
    use std::sync::atomic::{AtomicBool, Ordering};
    let poller = thread_id();
    let entering = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !entering.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
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
    let (one, other) = std_tcp_pair();
    let from_std = mio::net::TcpStream::from_std;
    (from_std(one), from_std(other))
}

/// The same, of the standard library's type, and non-blocking.
pub fn std_tcp_pair() -> (std::net::TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind(any_port()).unwrap();
    let one = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (other, _) = listener.accept().unwrap();
    one.set_nonblocking(true).unwrap();
    other.set_nonblocking(true).unwrap();
    (one, other)
}

/// Discards the events that are there now and in the next moment, of which some may be
/// repetitions: TCP reports a reset or an end to its waiters twice in a row. Panics if
/// they have no end.
#[track_caller]
pub fn discard_events(poll: &mut Poll, events: &mut Events) {
    for _ in 0..20 {
        self::poll(poll, events, Some(Duration::from_millis(1)));
        if events.is_empty() {
            return;
        }
    }
    panic!("no end of events: {events:?}");
}

/// Two streams that are connected with one another, of the kind that comes nearest to
/// having every effect at once: Unix sockets, or TCP where there are none.
#[cfg(all(unix, feature = "net"))]
pub type Stream = mio::net::UnixStream;

#[cfg(all(windows, feature = "net"))]
pub type Stream = mio::net::TcpStream;

/// Such a pair, of which the first stream is registered.
#[cfg(all(any(unix, windows), feature = "net"))]
pub fn registered_streams(
    registry: &mio::Registry,
    token: Token,
    interest: mio::Interest,
) -> (Stream, Stream) {
    let (mut near, far) = stream_pair();
    registry.register(&mut near, token, interest).unwrap();
    (near, far)
}

#[cfg(all(unix, feature = "net"))]
pub fn stream_pair() -> (Stream, Stream) {
    Stream::pair().unwrap()
}

#[cfg(all(windows, feature = "net"))]
pub fn stream_pair() -> (Stream, Stream) {
    let (one, other) = tcp_pair();
    // Nothing must wait for an acknowledgement.
    one.set_nodelay(true).unwrap();
    other.set_nodelay(true).unwrap();
    (one, other)
}

/// The standard library's type of the same.
#[cfg(all(unix, feature = "net"))]
pub type StdStream = std::os::unix::net::UnixStream;

#[cfg(all(windows, feature = "net"))]
pub type StdStream = std::net::TcpStream;

/// The same for datagrams.
#[cfg(all(unix, feature = "net"))]
pub type DatagramSocket = mio::net::UnixDatagram;

#[cfg(all(windows, feature = "net"))]
pub type DatagramSocket = mio::net::UdpSocket;

#[cfg(all(unix, feature = "net"))]
pub fn datagram_pair() -> (DatagramSocket, DatagramSocket) {
    DatagramSocket::pair().unwrap()
}

#[cfg(all(windows, feature = "net"))]
pub fn datagram_pair() -> (DatagramSocket, DatagramSocket) {
    udp_pair()
}

/// Two UDP sockets that are connected with one another.
#[cfg(feature = "net")]
pub fn udp_pair() -> (mio::net::UdpSocket, mio::net::UdpSocket) {
    let one = mio::net::UdpSocket::bind(any_port()).unwrap();
    let other = mio::net::UdpSocket::bind(any_port()).unwrap();
    one.connect(other.local_addr().unwrap()).unwrap();
    other.connect(one.local_addr().unwrap()).unwrap();
    (one, other)
}

/// Receives from a socket by the system's call, of which the crate knows nothing.
pub fn raw_recv<'a, S>(socket: &'a S, buf: &mut [u8]) -> io::Result<usize>
where
    socket2::SockRef<'a>: From<&'a S>,
{
    let mut room = vec![std::mem::MaybeUninit::uninit(); buf.len()];
    let len = socket2::SockRef::from(socket).recv(&mut room)?;
    for (to, from) in buf.iter_mut().zip(&room[..len]) {
        // SAFETY: so many bytes were received.
        *to = unsafe { from.assume_init() };
    }
    Ok(len)
}

/// Whether operations on a descriptor return `WouldBlock` instead of waiting.
#[cfg(unix)]
pub fn is_nonblocking(fd: &impl std::os::fd::AsRawFd) -> bool {
    // SAFETY: takes no pointer.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    assert_ne!(flags, -1);
    flags & libc::O_NONBLOCK != 0
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

/// Checks that no child inherits a socket. Windows does not return whether it is
/// non-blocking; that operations return `WouldBlock` has to show it.
#[cfg(windows)]
#[track_caller]
pub fn expect_nonblocking_and_cloexec(socket: &impl std::os::windows::io::AsRawSocket) {
    use windows_sys::Win32::Foundation::{GetHandleInformation, HANDLE, HANDLE_FLAG_INHERIT};

    let socket = socket.as_raw_socket();
    let mut flags = 0;
    // SAFETY: the pointer is that of a local variable.
    let succeeded = unsafe { GetHandleInformation(socket as HANDLE, &mut flags) };
    assert_ne!(succeeded, 0, "{socket}: {}", io::Error::last_os_error());
    assert_eq!(flags & HANDLE_FLAG_INHERIT, 0, "{socket} is inherited");
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
pub fn reset_on_close<'a, S>(stream: &'a S)
where
    socket2::SockRef<'a>: From<&'a S>,
{
    socket2::SockRef::from(stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}

/// How often a leak test repeats its cycle. The environment can ask for more.
#[cfg(windows)]
pub fn cycles() -> usize {
    let asked = std::env::var("MIO_TEST_CYCLES").ok();
    asked.map_or(1000, |asked| asked.parse().unwrap())
}

/// Whether this is Wine, which does not know everything that Windows does.
#[cfg(windows)]
pub fn is_wine() -> bool {
    #[link(name = "kernel32")]
    extern "system" {
        fn GetModuleHandleA(name: *const u8) -> *mut std::ffi::c_void;
        fn GetProcAddress(module: *mut std::ffi::c_void, name: *const u8) -> *mut std::ffi::c_void;
    }
    // SAFETY: both names end with a zero, and every process has that module.
    let function = unsafe {
        GetProcAddress(
            GetModuleHandleA(b"ntdll.dll\0".as_ptr()),
            b"wine_get_version\0".as_ptr(),
        )
    };
    !function.is_null()
}
