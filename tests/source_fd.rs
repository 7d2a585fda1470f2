//! `SourceFd`: descriptors that the crate does not own.
//!
//! The tests of a program run in threads that share its table of descriptors. Where the
//! number of a closed descriptor matters, the test works at a number of its own
//! far above those that the others are given ([`at_own_number`]).
#![cfg(all(unix, feature = "os-ext", feature = "net"))]

mod util;

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::mem;
use std::net;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::unix::{pipe, SourceFd};
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use util::{
    any_port, drain, expect, expect_readable, expect_silence, expect_writable, fill, limit_fds,
    poll_and_events, temporary_path, EVENT_PORT, KQUEUE, LONG, POLL2,
};

const TOKEN: Token = Token(1);
const AGAIN: Token = Token(2);

fn register(registry: &Registry, fd: RawFd, interest: Interest) -> io::Result<()> {
    registry.register(&mut SourceFd(&fd), TOKEN, interest)
}

fn reregister(registry: &Registry, fd: RawFd, interest: Interest) -> io::Result<()> {
    registry.reregister(&mut SourceFd(&fd), TOKEN, interest)
}

fn deregister(registry: &Registry, fd: RawFd) -> io::Result<()> {
    registry.deregister(&mut SourceFd(&fd))
}

/// Moves a descriptor to a number that no other descriptor will get.
fn at_own_number(fd: OwnedFd) -> OwnedFd {
    static NEXT: AtomicI32 = AtomicI32::new(500);
    // Fewer may be the rule.
    assert!(limit_fds(1_000) >= 1_000);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let moved = duplicate_at(&fd, number);
    assert_eq!(moved.as_raw_fd(), number);
    moved
}

/// Duplicates a descriptor to `number`, or if that is taken to a higher one.
fn duplicate_at(fd: &OwnedFd, number: RawFd) -> OwnedFd {
    // SAFETY: takes no pointer; the descriptor that it makes is ours alone.
    unsafe {
        let moved = libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, number);
        assert!(moved >= number, "{}", io::Error::last_os_error());
        OwnedFd::from_raw_fd(moved)
    }
}

/// Owns a descriptor that a call has just made.
fn owned(fd: RawFd) -> OwnedFd {
    assert_ne!(fd, -1, "{}", io::Error::last_os_error());
    // SAFETY: the caller got it from the system and gives it away.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// A pipe whose reading end is the source under test.
struct Source {
    receiver: OwnedFd,
    sender: pipe::Sender,
}

impl Source {
    fn new() -> Source {
        let (sender, receiver) = pipe::new().unwrap();
        let receiver = receiver.into();
        Source { receiver, sender }
    }

    /// At a number that no other descriptor will get.
    fn at_own_number() -> Source {
        let mut source = Source::new();
        source.receiver = at_own_number(source.receiver);
        source
    }

    fn fd(&self) -> RawFd {
        self.receiver.as_raw_fd()
    }

    fn add(&self, count: usize) {
        assert_eq!((&self.sender).write(&vec![1; count]).unwrap(), count);
    }

    /// Takes all that is there; how much it was.
    fn take(&self) -> usize {
        drain(&mut pipe::Receiver::from(
            self.receiver.try_clone().unwrap(),
        ))
        .len()
    }
}

/// A poll with a source in it.
fn registered(interest: Interest) -> (Poll, Events, Source) {
    let (poll, events) = poll_and_events();
    let source = Source::new();
    register(poll.registry(), source.fd(), interest).unwrap();
    (poll, events, source)
}

#[test]
fn a_pipe_is_reported() {
    let (mut poll, mut events, source) = registered(Interest::READABLE);
    expect_silence(&mut poll, &mut events);
    source.add(3);
    let event = expect_readable(&mut poll, &mut events, TOKEN);
    assert!(!event.is_error() && !event.is_read_closed());
    assert_eq!(source.take(), 3);
    expect_silence(&mut poll, &mut events);
}

#[test]
fn a_terminal_is_reported() {
    let (mut poll, mut events) = poll_and_events();
    let (mut master, mut terminal) = pseudo_terminal();
    register(poll.registry(), terminal.as_raw_fd(), Interest::READABLE).unwrap();
    expect_silence(&mut poll, &mut events);
    // A terminal gives whole lines.
    master.write_all(b"hello\n").unwrap();
    expect_readable(&mut poll, &mut events, TOKEN);
    let mut line = [0; 16];
    let len = terminal.read(&mut line).unwrap();
    assert_eq!(&line[..len], b"hello\n");
    deregister(poll.registry(), terminal.as_raw_fd()).unwrap();
}

fn pseudo_terminal() -> (File, File) {
    // SAFETY: takes no pointer.
    let master = owned(unsafe { libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY) });
    // SAFETY: the name is the C library's, ended by a NUL, and no other thread asks for one.
    let terminal = unsafe {
        assert_eq!(libc::grantpt(master.as_raw_fd()), 0);
        assert_eq!(libc::unlockpt(master.as_raw_fd()), 0);
        let name = libc::ptsname(master.as_raw_fd());
        assert!(!name.is_null(), "{}", io::Error::last_os_error());
        owned(libc::open(name, libc::O_RDWR | libc::O_NOCTTY))
    };
    (master.into(), terminal.into())
}

/// Descriptors that only Linux has.
#[cfg(target_os = "linux")]
mod counters {
    use std::ptr;

    use super::*;

    /// Takes the count of an eventfd, or the number of times that a timer has expired.
    fn take(mut counter: &File) -> u64 {
        let mut count = [0; 8];
        counter.read_exact(&mut count).unwrap();
        u64::from_ne_bytes(count)
    }

    fn add(mut eventfd: &File, count: u64) {
        eventfd.write_all(&count.to_ne_bytes()).unwrap();
    }

    /// A poll with an eventfd in it.
    fn registered_eventfd(interest: Interest) -> (Poll, Events, File) {
        let (poll, events) = poll_and_events();
        // SAFETY: takes no pointer.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        let eventfd = File::from(owned(fd));
        register(poll.registry(), eventfd.as_raw_fd(), interest).unwrap();
        (poll, events, eventfd)
    }

    #[test]
    fn an_eventfd_is_reported() {
        let (mut poll, mut events, eventfd) = registered_eventfd(Interest::READABLE);
        expect_silence(&mut poll, &mut events);
        add(&eventfd, 3);
        let event = expect_readable(&mut poll, &mut events, TOKEN);
        assert!(!event.is_error() && !event.is_read_closed());
        assert_eq!(take(&eventfd), 3);
        expect_silence(&mut poll, &mut events);
    }

    #[test]
    fn a_timerfd_is_reported_when_it_expires() {
        let (mut poll, mut events) = poll_and_events();
        // SAFETY: takes no pointer.
        let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC) };
        let timer = File::from(owned(fd));
        register(poll.registry(), timer.as_raw_fd(), Interest::READABLE).unwrap();
        expect_silence(&mut poll, &mut events);

        let (zero, start) = (Duration::ZERO, Instant::now());
        let delay = Duration::from_millis(20);
        let time = |duration: Duration| libc::timespec {
            tv_sec: duration.as_secs() as libc::time_t,
            tv_nsec: duration.subsec_nanos() as _,
        };
        let times = libc::itimerspec {
            it_interval: time(zero),
            it_value: time(delay),
        };
        // SAFETY: `times` lives through the call, and the old times are not asked for.
        let set = unsafe { libc::timerfd_settime(timer.as_raw_fd(), 0, &times, ptr::null_mut()) };
        assert_eq!(set, 0);
        expect_readable(&mut poll, &mut events, TOKEN);
        assert!(start.elapsed() >= delay);
        assert_eq!(take(&timer), 1);
    }

    #[test]
    fn a_counter_is_writable_until_it_is_full() {
        let (mut poll, mut events, eventfd) = registered_eventfd(Interest::WRITABLE.level());
        for _ in 0..4 {
            expect_writable(&mut poll, &mut events, TOKEN);
        }
        // The counter is full: its next value would be all ones.
        add(&eventfd, u64::MAX - 1);
        expect_silence(&mut poll, &mut events);
        take(&eventfd);
        expect_writable(&mut poll, &mut events, TOKEN);
    }
}

#[test]
fn sockets_of_the_standard_library_are_reported() {
    let (mut poll, mut events) = poll_and_events();
    let listener = net::TcpListener::bind(any_port()).unwrap();
    let fd = listener.as_raw_fd();
    register(poll.registry(), fd, Interest::READABLE).unwrap();
    expect_silence(&mut poll, &mut events);
    let client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let event = expect_readable(&mut poll, &mut events, TOKEN);
    assert!(!event.is_writable());
    let (mut server, _) = listener.accept().unwrap();

    let fd = client.as_raw_fd();
    let both = Interest::READABLE | Interest::WRITABLE;
    poll.registry()
        .register(&mut SourceFd(&fd), AGAIN, both)
        .unwrap();
    expect_writable(&mut poll, &mut events, AGAIN);
    server.write_all(b"hello").unwrap();
    expect_readable(&mut poll, &mut events, AGAIN);
}

#[test]
fn what_is_ready_already_is_reported_after_registering() {
    let (mut poll, mut events) = poll_and_events();
    let source = Source::new();
    source.add(1);
    register(poll.registry(), source.fd(), Interest::READABLE).unwrap();
    expect_readable(&mut poll, &mut events, TOKEN);
    expect_silence(&mut poll, &mut events);
}

/// The kernel keeps track of edges. poll(2) does not see the I/O, and reports a direction once
/// per registration, as documented.
#[test]
fn an_edge_is_exact_or_waits_for_reregistering() {
    let (mut poll, mut events, source) = registered(Interest::READABLE);
    for _ in 0..3 {
        source.add(1);
        expect_readable(&mut poll, &mut events, TOKEN);
        expect_silence(&mut poll, &mut events);
        assert_eq!(source.take(), 1);
        if POLL2 || EVENT_PORT {
            source.add(1);
            expect_silence(&mut poll, &mut events);
            assert_eq!(source.take(), 1);
            reregister(poll.registry(), source.fd(), Interest::READABLE).unwrap();
        }
        expect_silence(&mut poll, &mut events);
    }
}

#[test]
fn reregistering_reports_what_is_ready_again() {
    let (mut poll, mut events, source) = registered(Interest::READABLE);
    source.add(1);
    for token in [TOKEN, AGAIN, TOKEN] {
        poll.registry()
            .reregister(&mut SourceFd(&source.fd()), token, Interest::READABLE)
            .unwrap();
        expect_readable(&mut poll, &mut events, token);
        expect_silence(&mut poll, &mut events);
    }
}

/// The directions of a descriptor do not use each other up.
#[test]
fn directions_are_reported_apart() {
    let (mut poll, mut events) = poll_and_events();
    let (one, mut other) = UnixStream::pair().unwrap();
    let both = Interest::READABLE | Interest::WRITABLE;
    register(poll.registry(), one.as_raw_fd(), both).unwrap();
    let event = expect_writable(&mut poll, &mut events, TOKEN);
    assert!(!event.is_readable());
    expect_silence(&mut poll, &mut events);
    other.write_all(b"hello").unwrap();
    expect_readable(&mut poll, &mut events, TOKEN);
    expect_silence(&mut poll, &mut events);
}

#[test]
fn a_level_is_reported_until_it_ends() {
    let (mut poll, mut events, source) = registered(Interest::READABLE.level());
    for _ in 0..3 {
        expect_silence(&mut poll, &mut events);
        source.add(5);
        for _ in 0..4 {
            expect_readable(&mut poll, &mut events, TOKEN);
        }
        assert_eq!(source.take(), 5);
    }
    expect_silence(&mut poll, &mut events);
    deregister(poll.registry(), source.fd()).unwrap();
    source.add(1);
    expect_silence(&mut poll, &mut events);
}

#[test]
fn a_level_of_writing_is_reported_until_it_ends() {
    let (mut poll, mut events) = poll_and_events();
    let mut source = Source::new();
    let fd = source.sender.as_raw_fd();
    register(poll.registry(), fd, Interest::WRITABLE.level()).unwrap();
    for _ in 0..4 {
        expect_writable(&mut poll, &mut events, TOKEN);
    }
    let written = fill(&mut source.sender);
    expect_silence(&mut poll, &mut events);
    assert_eq!(source.take(), written);
    expect_writable(&mut poll, &mut events, TOKEN);
}

/// Edge case 46: what is not open is `EBADF`, whatever is asked for.
#[test]
fn a_descriptor_that_is_not_open_is_an_error() {
    let (poll, _) = poll_and_events();
    let closed = Source::at_own_number().fd();
    for fd in [closed, -1, RawFd::MIN, RawFd::MAX] {
        for interest in [Interest::READABLE, Interest::WRITABLE] {
            for result in [
                register(poll.registry(), fd, interest),
                reregister(poll.registry(), fd, interest),
            ] {
                let error = result.unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::EBADF), "{fd}");
            }
        }
        deregister(poll.registry(), fd).unwrap_err();
    }
}

/// As the documentation says of kqueue.
#[test]
fn kqueue_watches_how_far_a_file_has_been_read() {
    if !KQUEUE {
        return;
    }
    let (mut poll, mut events) = poll_and_events();
    let path = temporary_path("regular");
    let mut options = File::options();
    let options = options.read(true).write(true).create_new(true);
    let mut file = options.open(&path).unwrap();
    let fd = file.as_raw_fd();
    register(poll.registry(), fd, Interest::WRITABLE).unwrap();
    expect(&mut poll, &mut events, TOKEN, Event::is_writable);
    reregister(poll.registry(), fd, Interest::READABLE).unwrap();
    expect_silence(&mut poll, &mut events);

    file.write_all(b"data").unwrap();
    file.rewind().unwrap();
    reregister(poll.registry(), fd, Interest::READABLE.level()).unwrap();
    for _ in 0..3 {
        let event = expect(&mut poll, &mut events, TOKEN, Event::is_readable);
        assert!(!event.is_error() && !event.is_read_closed());
    }
    assert_eq!(file.read(&mut [0; 8]).unwrap(), 4);
    expect_silence(&mut poll, &mut events);
    deregister(poll.registry(), fd).unwrap();
    std::fs::remove_file(path).unwrap();
}

/// Edge case 46: what is always ready cannot be polled.
#[test]
fn a_file_and_a_directory_are_refused() {
    if KQUEUE {
        return;
    }
    let (mut poll, mut events) = poll_and_events();
    let path = temporary_path("regular");
    let file = File::create(&path).unwrap();
    let directory = File::open(std::env::temp_dir()).unwrap();
    for fd in [file.as_raw_fd(), directory.as_raw_fd()] {
        for interest in [Interest::READABLE, Interest::WRITABLE.level()] {
            let error = register(poll.registry(), fd, interest).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EPERM));
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        }
        assert!(deregister(poll.registry(), fd).is_err());
    }
    expect_silence(&mut poll, &mut events);
    std::fs::remove_file(path).unwrap();
}

/// What epoll itself returns for adding `fd`.
#[cfg(target_os = "linux")]
fn result_of_epoll_ctl(fd: RawFd) -> Option<i32> {
    // SAFETY: takes no pointer.
    let epoll = owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) });
    let mut event = libc::epoll_event {
        events: libc::EPOLLIN as u32,
        u64: 0,
    };
    // SAFETY: `event` lives through the call.
    let added = unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &mut event) };
    let error = io::Error::last_os_error();
    (added == -1).then(|| error.raw_os_error().unwrap())
}

/// Edge case 46: the type of a file does not determine whether it can be polled.
#[cfg(target_os = "linux")]
#[test]
fn files_are_taken_or_refused_as_epoll_does() {
    if KQUEUE || EVENT_PORT {
        return;
    }
    let poll = Poll::new().unwrap();
    let mut seen = Vec::new();
    let mut try_out = |name: &str, fd: RawFd| {
        let expected = result_of_epoll_ctl(fd);
        let registry = poll.registry();
        for interest in [Interest::READABLE, Interest::PRIORITY] {
            let registered = register(registry, fd, interest);
            let error = registered.err().and_then(|error| error.raw_os_error());
            assert_eq!(error, expected, "register {name}");
            if expected.is_none() {
                reregister(registry, fd, Interest::READABLE.level()).unwrap();
                deregister(registry, fd).unwrap();
            } else {
                let error = reregister(registry, fd, interest).unwrap_err();
                assert_eq!(error.raw_os_error(), expected, "reregister {name}");
            }
        }
        seen.push((name.to_owned(), expected));
    };

    for name in [
        "/proc/self/mountinfo",
        "/proc/self/status",
        "/proc/pressure/cpu",
        "/sys/devices/system/cpu/online",
        "/sys/fs/cgroup/cgroup.events",
        "/dev/null",
        "/dev/zero",
        "/dev/full",
        "/dev/random",
        "/etc/passwd",
        "/etc",
        "/proc/self",
    ] {
        // Not every kernel and container has all of them.
        if let Ok(file) = File::open(name) {
            try_out(name, file.as_raw_fd());
        }
    }
    // Not by the standard library, which clears the flag with musl.
    let path = b"/dev/random\0";
    // SAFETY: the path ends with a zero.
    let by_path = owned(unsafe { libc::open(path.as_ptr().cast(), libc::O_PATH) });
    try_out("a path", by_path.as_raw_fd());
    // SAFETY: takes no pointer.
    let epoll = owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) });
    try_out("an epoll", epoll.as_raw_fd());

    // Each result occurred, for a file whose type does not determine it.
    for expected in [
        ("/proc/self/mountinfo", None),
        ("/dev/null", Some(libc::EPERM)),
        ("a path", Some(libc::EBADF)),
        ("an epoll", None),
    ] {
        assert!(
            seen.iter().any(|it| (it.0.as_str(), it.1) == expected),
            "{expected:?} is not in {seen:?}"
        );
    }
}

/// A poll of epoll's is a descriptor as any other, also for a selector that asks an epoll.
#[cfg(target_os = "linux")]
#[test]
fn an_epoll_of_other_code_is_reported() {
    let (mut poll, mut events) = poll_and_events();
    // SAFETY: takes no pointer.
    let epoll = owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) });
    let inner = Source::new();
    let mut event = libc::epoll_event {
        events: libc::EPOLLIN as u32,
        u64: 0,
    };
    // SAFETY: `event` lives through the call.
    let added = unsafe {
        libc::epoll_ctl(
            epoll.as_raw_fd(),
            libc::EPOLL_CTL_ADD,
            inner.fd(),
            &mut event,
        )
    };
    assert_eq!(added, 0);
    register(
        poll.registry(),
        epoll.as_raw_fd(),
        Interest::READABLE.level(),
    )
    .unwrap();
    for _ in 0..3 {
        expect_silence(&mut poll, &mut events);
        inner.add(1);
        expect_readable(&mut poll, &mut events, TOKEN);
        inner.take();
    }
    expect_silence(&mut poll, &mut events);
}

#[test]
fn registering_twice_is_an_error_and_changes_nothing() {
    // kqueue does not detect this, and adds what is new.
    if KQUEUE {
        return;
    }
    let (mut poll, mut events, source) = registered(Interest::READABLE);
    let fd = source.fd();
    let error = poll
        .registry()
        .register(&mut SourceFd(&fd), AGAIN, Interest::WRITABLE)
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    // Programs search for these words, which are the same for every source.
    assert_eq!(
        error.to_string(),
        "I/O source already registered with a `Registry`"
    );
    source.add(1);
    let event = expect_readable(&mut poll, &mut events, TOKEN);
    assert!(!event.is_writable());
}

#[test]
fn what_is_not_registered_is_not_found() {
    // kqueue does not detect this.
    if KQUEUE {
        return;
    }
    let (poll, _) = poll_and_events();
    let source = Source::new();
    let fd = source.fd();
    let kind = |result: io::Result<()>| {
        let error = result.unwrap_err();
        assert_eq!(
            error.to_string(),
            "I/O source not registered with `Registry`"
        );
        error.kind()
    };
    let not_found = io::ErrorKind::NotFound;
    let registry = poll.registry();
    assert_eq!(kind(deregister(registry, fd)), not_found);
    assert_eq!(
        kind(reregister(registry, fd, Interest::READABLE)),
        not_found
    );
    register(registry, fd, Interest::READABLE).unwrap();
    deregister(registry, fd).unwrap();
    assert_eq!(kind(deregister(registry, fd)), not_found);
    assert_eq!(
        kind(reregister(registry, fd, Interest::READABLE)),
        not_found
    );
    register(registry, fd, Interest::READABLE).unwrap();
}

#[test]
fn a_deregistered_descriptor_is_silent() {
    let (mut poll, mut events, source) = registered(Interest::READABLE);
    // An event that is ready, but not delivered yet, goes with the registration.
    source.add(1);
    deregister(poll.registry(), source.fd()).unwrap();
    expect_silence(&mut poll, &mut events);
    source.add(1);
    expect_silence(&mut poll, &mut events);
}

/// A number that is given out again stands for another file.
#[test]
fn a_reused_number_has_no_event_of_its_predecessor() {
    let (mut poll, mut events) = poll_and_events();
    let first = Source::at_own_number();
    first.add(7);
    let number = first.fd();
    register(poll.registry(), number, Interest::READABLE).unwrap();
    deregister(poll.registry(), number).unwrap();
    drop(first);

    let second = Source::new();
    let reused = duplicate_at(&second.receiver, number);
    assert_eq!(reused.as_raw_fd(), number);
    poll.registry()
        .register(&mut SourceFd(&number), AGAIN, Interest::READABLE)
        .unwrap();
    expect_silence(&mut poll, &mut events);
    second.add(1);
    expect_readable(&mut poll, &mut events, AGAIN);
    expect_silence(&mut poll, &mut events);
}

/// Where the kernel rejects such a pipe, a stand-in reports it, which outlives the descriptor.
#[test]
fn a_reused_number_has_no_event_of_a_pipe_without_a_reader() {
    let (mut poll, mut events) = poll_and_events();
    let (sender, receiver) = pipe::new().unwrap();
    let sender = at_own_number(sender.into());
    let number = sender.as_raw_fd();
    drop(receiver);
    register(poll.registry(), number, Interest::WRITABLE).unwrap();
    drop(sender);
    if POLL2 {
        // Here it finds that the descriptor is closed.
        expect_silence(&mut poll, &mut events);
    }

    let (sender, _receiver) = pipe::new().unwrap();
    let sender = duplicate_at(&sender.into(), number);
    assert_eq!(sender.as_raw_fd(), number);
    poll.registry()
        .register(&mut SourceFd(&number), AGAIN, Interest::WRITABLE)
        .unwrap();
    util::poll(&mut poll, &mut events, Some(LONG));
    assert!(
        events.iter().all(|event| event.token() == AGAIN),
        "{events:?}"
    );
    assert!(
        events.iter().all(|event| !event.is_write_closed()),
        "{events:?}"
    );
    expect_silence(&mut poll, &mut events);
}

/// kqueue identifies wakers, and what stands in for a descriptor, by numbers as well.
#[test]
fn a_number_that_is_no_descriptor_is_an_error_and_changes_nothing_else() {
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), AGAIN).unwrap();
    let registry = poll.registry();
    for number in (-100..0).chain([RawFd::MIN, RawFd::MAX]) {
        for result in [
            register(registry, number, Interest::WRITABLE),
            reregister(registry, number, Interest::WRITABLE),
        ] {
            assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EBADF));
        }
        deregister(registry, number).unwrap_err();
    }
    waker.wake().unwrap();
    expect_readable(&mut poll, &mut events, AGAIN);
}

/// Edge case 46: what was not deregistered by mistake must not make the poll spin.
#[test]
fn a_descriptor_that_was_closed_does_not_end_a_wait() {
    let (mut poll, mut events) = poll_and_events();
    let source = Source::at_own_number();
    let number = source.fd();
    register(poll.registry(), number, Interest::READABLE).unwrap();
    drop(source.receiver);
    let timeout = Duration::from_millis(30);
    for _ in 0..3 {
        let start = Instant::now();
        util::poll(&mut poll, &mut events, Some(timeout));
        assert!(events.is_empty(), "{events:?}");
        assert!(start.elapsed() >= timeout);
    }

    // To deregister it late is no disaster. With epoll the registration has ended; the
    // other backend has kept its record.
    let late = deregister(poll.registry(), number);
    if POLL2 {
        late.unwrap();
    } else {
        assert_eq!(late.unwrap_err().raw_os_error(), Some(libc::EBADF));
    }
    expect_silence(&mut poll, &mut events);
}

/// A poll with a source that was closed without deregistering it, and another source of the same
/// number.
struct Successor {
    poll: Poll,
    events: Events,
    source: Source,
    reused: OwnedFd,
}

impl Successor {
    fn new(interest: Interest) -> Successor {
        let (mut poll, mut events) = poll_and_events();
        let first = Source::at_own_number();
        let number = first.fd();
        register(poll.registry(), number, interest).unwrap();
        drop(first);
        // Here poll(2) reports that the descriptor is closed.
        expect_silence(&mut poll, &mut events);

        let source = Source::new();
        let reused = duplicate_at(&source.receiver, number);
        assert_eq!(reused.as_raw_fd(), number);
        Successor {
            poll,
            events,
            source,
            reused,
        }
    }

    fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    fn number(&self) -> RawFd {
        self.reused.as_raw_fd()
    }

    /// Checks that the number is registered anew, with `token`.
    fn expect_event(mut self, token: Token) {
        expect_silence(&mut self.poll, &mut self.events);
        self.source.add(1);
        expect_readable(&mut self.poll, &mut self.events, token);
        deregister(self.registry(), self.number()).unwrap();
    }
}

/// Edge case 46: the record of a closed descriptor makes way for its successor.
#[test]
fn a_number_that_was_closed_without_deregistering_can_be_registered_again() {
    for interest in [Interest::READABLE, Interest::READABLE.level()] {
        let successor = Successor::new(interest);
        successor
            .registry()
            .register(&mut SourceFd(&successor.number()), AGAIN, interest)
            .unwrap();
        successor.expect_event(AGAIN);
    }
}

/// Edge case 46: the same for a change of the registration: where that has ended with the
/// descriptor it is an error, elsewhere it is the successor's from then on.
#[test]
fn a_number_that_was_closed_without_deregistering_can_be_reregistered() {
    for interest in [Interest::READABLE, Interest::READABLE.level()] {
        let successor = Successor::new(interest);
        let changed = reregister(successor.registry(), successor.number(), interest);
        if POLL2 || KQUEUE || EVENT_PORT {
            changed.unwrap();
        } else {
            assert_eq!(changed.unwrap_err().kind(), io::ErrorKind::NotFound);
            register(successor.registry(), successor.number(), interest).unwrap();
        }
        successor.expect_event(TOKEN);
    }
}

/// Edge case 46: nor does it matter that nothing was watched any more: after a one-shot event,
/// or a hang-up.
#[test]
fn the_number_of_a_source_that_was_used_up_can_be_registered_again() {
    // poll(2) does not look at what is not waited for, and takes it to be open.
    if POLL2 {
        return;
    }
    for interest in [Interest::READABLE.oneshot(), Interest::READABLE] {
        let (mut poll, mut events) = poll_and_events();
        let (near, far) = UnixStream::pair().unwrap();
        let first = at_own_number(near.into());
        let number = first.as_raw_fd();
        register(poll.registry(), number, interest).unwrap();
        drop(far);
        expect_readable(&mut poll, &mut events, TOKEN);
        drop(first);

        let second = Source::new();
        second.add(1);
        let reused = duplicate_at(&second.receiver, number);
        assert_eq!(reused.as_raw_fd(), number);
        poll.registry()
            .register(&mut SourceFd(&number), AGAIN, interest)
            .unwrap();
        expect_readable(&mut poll, &mut events, AGAIN);
        deregister(poll.registry(), number).unwrap();
    }
}

/// Edge case 46: nor does what was forgotten keep the poll busy. That the poll sleeps is
/// what the other thread waits for.
#[test]
fn a_poll_sleeps_although_a_descriptor_of_its_was_closed() {
    for interest in [Interest::READABLE, Interest::WRITABLE.level()] {
        let (mut poll, mut events, source) = registered(Interest::READABLE);
        let (closed, _far) = UnixStream::pair().unwrap();
        let closed = at_own_number(closed.into());
        poll.registry()
            .register(&mut SourceFd(&closed.as_raw_fd()), AGAIN, interest)
            .unwrap();
        drop(closed);
        util::poll_while(&mut poll, &mut events, Some(LONG), || source.add(1));
        let tokens: Vec<Token> = events.iter().map(Event::token).collect();
        assert_eq!(tokens, [TOKEN]);
    }
}

/// Edge case 46: a source without an event does not use up the turn of those with one.
#[test]
fn a_descriptor_that_was_closed_takes_no_turn() {
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(1));
    // Their numbers grow.
    let [first, second, last] = [(); 3].map(|()| Source::at_own_number());
    let level = Interest::READABLE.level();
    register(poll.registry(), last.fd(), level).unwrap();
    for (source, token) in [(&first, TOKEN), (&second, AGAIN)] {
        poll.registry()
            .register(&mut SourceFd(&source.fd()), token, level)
            .unwrap();
    }
    first.add(1);
    expect_readable(&mut poll, &mut events, TOKEN);
    first.take();
    drop(last);
    expect_silence(&mut poll, &mut events);

    second.add(1);
    first.add(1);
    for turn in [AGAIN, TOKEN, AGAIN, TOKEN] {
        util::poll(&mut poll, &mut events, Some(LONG));
        assert_eq!(events.iter().next().unwrap().token(), turn);
    }
}

/// Edge case 15: after deregistering and closing there are no events, although a duplicate
/// keeps the file open.
#[test]
fn a_duplicate_has_no_events_after_deregistering() {
    let (mut poll, mut events) = poll_and_events();
    let source = Source::new();
    let duplicate = at_own_number(source.receiver.try_clone().unwrap());
    register(poll.registry(), duplicate.as_raw_fd(), Interest::READABLE).unwrap();
    deregister(poll.registry(), duplicate.as_raw_fd()).unwrap();
    drop(duplicate);
    source.add(1);
    expect_silence(&mut poll, &mut events);
}

/// Edge case 15: after closing alone, epoll still reports the file, which cannot be stopped. The
/// other backends know descriptors, not files; kqueue and event ports end the registration.
#[test]
fn a_duplicate_keeps_the_events_of_a_closed_descriptor_with_epoll() {
    let (mut poll, mut events) = poll_and_events();
    let source = Source::new();
    let closed = at_own_number(source.receiver.try_clone().unwrap());
    let number = closed.as_raw_fd();
    register(poll.registry(), number, Interest::READABLE).unwrap();
    drop(closed);
    source.add(1);
    if POLL2 || KQUEUE || EVENT_PORT {
        expect_silence(&mut poll, &mut events);
        assert_eq!(deregister(poll.registry(), number).is_ok(), POLL2);
        return;
    }
    expect_readable(&mut poll, &mut events, TOKEN);
    let error = deregister(poll.registry(), number).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EBADF));

    // The same file at the same number is what is registered still.
    let back = duplicate_at(&source.receiver, number);
    assert_eq!(back.as_raw_fd(), number);
    let error = register(poll.registry(), number, Interest::READABLE).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    deregister(poll.registry(), number).unwrap();
    source.add(1);
    expect_silence(&mut poll, &mut events);
}

/// Edge case 15: a duplicate is a source of its own.
#[test]
fn duplicates_are_registered_side_by_side() {
    let (mut poll, mut events, source) = registered(Interest::READABLE);
    let duplicate = source.receiver.try_clone().unwrap();
    poll.registry()
        .register(
            &mut SourceFd(&duplicate.as_raw_fd()),
            AGAIN,
            Interest::READABLE,
        )
        .unwrap();
    source.add(1);
    let mut seen = [false; 2];
    while seen.contains(&false) {
        util::poll(&mut poll, &mut events, Some(LONG));
        assert!(!events.is_empty(), "{seen:?}");
        for event in &events {
            seen[event.token().0 - 1] = true;
        }
    }
    expect_silence(&mut poll, &mut events);
}

/// The queue of epoll is a descriptor, which is readable while it has events.
#[test]
#[cfg(not(mio_unsupported_force_poll_poll))]
fn a_poll_is_waited_for_by_another() {
    let (mut outer, mut outer_events) = poll_and_events();
    let (mut inner, mut inner_events, source) = registered(Interest::READABLE);
    register(outer.registry(), inner.as_raw_fd(), Interest::READABLE).unwrap();
    for round in 0..3 {
        if EVENT_PORT && round > 0 {
            for (poll, fd) in [(&outer, inner.as_raw_fd()), (&inner, source.fd())] {
                reregister(poll.registry(), fd, Interest::READABLE).unwrap();
            }
        }
        expect_silence(&mut outer, &mut outer_events);
        source.add(1);
        expect_readable(&mut outer, &mut outer_events, TOKEN);
        expect_readable(&mut inner, &mut inner_events, TOKEN);
        source.take();
        expect_silence(&mut inner, &mut inner_events);
    }
}

/// The borrowed descriptor is the caller's, before and after.
#[test]
fn the_descriptor_stays_open() {
    let (one, mut other) = UnixStream::pair().unwrap();
    let (mut poll, mut events) = poll_and_events();
    let fd = one.as_raw_fd();
    register(poll.registry(), fd, Interest::READABLE).unwrap();
    deregister(poll.registry(), fd).unwrap();
    register(poll.registry(), fd, Interest::READABLE).unwrap();
    drop((poll, events));
    one.set_nonblocking(true).unwrap();
    other.write_all(b"still here").unwrap();
    assert_eq!(drain(&mut &one), b"still here");

    // Registered with a poll that is gone, it is free for another one.
    (poll, events) = poll_and_events();
    register(poll.registry(), fd, Interest::READABLE).unwrap();
    drop(other);
    expect(&mut poll, &mut events, TOKEN, Event::is_read_closed);
}

#[test]
fn the_source_shows_its_descriptor() {
    assert_eq!(format!("{:?}", SourceFd(&42)), "SourceFd(42)");
    assert_eq!(mem::size_of::<SourceFd<'_>>(), mem::size_of::<usize>());
}
