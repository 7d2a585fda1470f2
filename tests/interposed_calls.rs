//! A program that has functions of its own in place of the C library's, as debuggers of time and
//! networks of user space do: they see every poll and every wake.
#![cfg(all(
    target_os = "linux",
    target_env = "gnu",
    not(target_feature = "crt-static"),
    feature = "os-poll",
    not(any(mio_test_kqueue_shim, mio_test_event_port_shim))
))]

mod util;

use std::cell::Cell;
use std::time::{Duration, Instant};

use libc::{
    c_int, c_long, c_void, epoll_event, nfds_t, pollfd, sigset_t, sockaddr, socklen_t, timespec,
};
use mio::{Events, Poll, Token, Waker};
use util::{poll_and_events, poll_while, watch, LONG, POLL2};

const WAKE: Token = Token(7);

/// The calls of a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Calls {
    epoll_wait: usize,
    epoll_pwait2: usize,
    poll: usize,
    write: usize,
}

thread_local! {
    static CALLS: Cell<Calls> = const {
        Cell::new(Calls { epoll_wait: 0, epoll_pwait2: 0, poll: 0, write: 0 })
    };
}

fn count(call: fn(&mut Calls) -> &mut usize) {
    CALLS.with(|cell| {
        let mut calls = cell.get();
        *call(&mut calls) += 1;
        cell.set(calls);
    });
}

thread_local! {
    /// The milliseconds that a call of this thread waits at most. No timeout is none the less.
    static LONGEST_WAIT: Cell<c_int> = const { Cell::new(c_int::MAX) };
}

thread_local! {
    /// Whether writing fails in this thread.
    static CANNOT_WRITE: Cell<bool> = const { Cell::new(false) };
}

thread_local! {
    /// The error numbers of the next `poll` and the next `write` of this thread, which fail.
    static POLL_FAILS: Cell<Option<c_int>> = const { Cell::new(None) };
    static WRITE_FAILS: Cell<Option<c_int>> = const { Cell::new(None) };
}

thread_local! {
    /// What happens before the next `poll` of this thread returns.
    static AFTER_POLL: Cell<Option<Box<dyn FnOnce()>>> = const { Cell::new(None) };
}

/// The calls that `operation` makes in this thread.
fn calls_of(operation: impl FnOnce()) -> Calls {
    CALLS.with(Cell::take);
    operation();
    CALLS.with(Cell::take)
}

#[no_mangle]
extern "C" fn epoll_wait(
    epoll: c_int,
    events: *mut epoll_event,
    room: c_int,
    millis: c_int,
) -> c_int {
    count(|calls| &mut calls.epoll_wait);
    let millis = millis.min(LONGEST_WAIT.with(Cell::get));
    let mask = std::ptr::null::<sigset_t>();
    // SAFETY: the arguments are the caller's, who made this call; no mask is looked at.
    let ready = unsafe {
        libc::syscall(
            libc::SYS_epoll_pwait,
            epoll,
            events,
            room,
            millis,
            mask,
            0_usize,
        )
    };
    ready as c_int
}

#[no_mangle]
#[allow(clippy::useless_conversion)] // Narrower with 32 bits.
extern "C" fn epoll_pwait2(
    epoll: c_int,
    events: *mut epoll_event,
    room: c_int,
    timeout: *const timespec,
    mask: *const sigset_t,
) -> c_int {
    count(|calls| &mut calls.epoll_pwait2);
    assert!(mask.is_null());
    // SAFETY: the caller's promise. The kernel's is 64 bits wide everywhere.
    let timeout = unsafe { [i64::from((*timeout).tv_sec), i64::from((*timeout).tv_nsec)] };
    let longest = i64::from(LONGEST_WAIT.with(Cell::get));
    let timeout = timeout.min([longest / 1000, longest % 1000 * 1_000_000]);
    // SAFETY: as in `epoll_wait`.
    let ready = unsafe {
        libc::syscall(
            libc::SYS_epoll_pwait2,
            epoll,
            events,
            room,
            &timeout,
            mask,
            0_usize,
        )
    };
    ready as c_int
}

#[no_mangle]
extern "C" fn poll(list: *mut pollfd, len: nfds_t, millis: c_int) -> c_int {
    count(|calls| &mut calls.poll);
    if let Some(error) = POLL_FAILS.with(Cell::take) {
        // SAFETY: the pointer is that of the thread's own variable.
        unsafe { *libc::__errno_location() = error };
        return -1;
    }
    let millis = millis.min(LONGEST_WAIT.with(Cell::get));
    let timeout = [millis / 1000, millis % 1000 * 1_000_000].map(c_long::from);
    let timeout = match millis {
        0.. => &timeout,
        _ => std::ptr::null(),
    };
    let mask = std::ptr::null::<sigset_t>();
    // SAFETY: as in `epoll_wait`.
    let ready = unsafe { libc::syscall(libc::SYS_ppoll, list, len, timeout, mask, 0_usize) };
    if let Some(change) = AFTER_POLL.with(Cell::take) {
        change();
    }
    ready as c_int
}

#[no_mangle]
extern "C" fn write(fd: c_int, data: *const c_void, len: usize) -> isize {
    count(|calls| &mut calls.write);
    let permanent = CANNOT_WRITE.with(Cell::get).then_some(libc::EIO);
    if let Some(error) = WRITE_FAILS.with(Cell::take).or(permanent) {
        // SAFETY: the pointer is that of the thread's own variable.
        unsafe { *libc::__errno_location() = error };
        return -1;
    }
    // SAFETY: as in `epoll_wait`.
    let written: c_long = unsafe { libc::syscall(libc::SYS_write, fd, data, len) };
    written as isize
}

thread_local! {
    /// Whether this thread accepts connections without an address.
    static ACCEPTS_NAMELESS: Cell<bool> = const { Cell::new(false) };
}

#[no_mangle]
extern "C" fn accept4(
    listener: c_int,
    address: *mut sockaddr,
    len: *mut socklen_t,
    flags: c_int,
) -> c_int {
    let is_nameless = ACCEPTS_NAMELESS.with(Cell::get);
    let address = match is_nameless {
        true => std::ptr::null_mut(),
        false => address,
    };
    // SAFETY: as in `epoll_wait`; for no address there is no length.
    unsafe {
        let socket = libc::syscall(libc::SYS_accept4, listener, address, len, flags);
        if is_nameless && socket >= 0 {
            *len = 0;
        }
        socket as c_int
    }
}

#[test]
fn every_poll_is_seen() {
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKE).unwrap();
    let (mut whole, mut precise) = (Calls::default(), Calls::default());
    match POLL2 {
        true => (whole.poll, precise.poll) = (1, 1),
        false if util::has_precise_call() => (whole.epoll_wait, precise.epoll_pwait2) = (1, 1),
        false => (whole.epoll_wait, precise.epoll_wait) = (1, 1),
    }
    for (timeout, expected) in [
        (Duration::ZERO, whole),
        (Duration::from_millis(1), whole),
        (Duration::from_micros(50), precise),
        (Duration::from_micros(1500), precise),
    ] {
        let calls = calls_of(|| poll.poll(&mut events, Some(timeout)).unwrap());
        assert_eq!(calls, expected, "{timeout:?}");
        assert!(events.is_empty(), "{events:?}");
    }
    // A wake that is pending and was not sent makes every timeout zero.
    waker.wake().unwrap();
    poll.poll(&mut events, None).unwrap();
    for timeout in [None, Some(Duration::MAX)] {
        waker.wake().unwrap();
        let calls = calls_of(|| poll.poll(&mut events, timeout).unwrap());
        assert_eq!(calls, whole, "{timeout:?}");
        assert_eq!(events.iter().count(), 1, "{events:?}");
    }
    watch(&poll);
    for (timeout, expected) in [(None, whole), (Some(Duration::MAX), precise)] {
        waker.wake().unwrap();
        let calls = calls_of(|| poll.poll(&mut events, timeout).unwrap());
        assert_eq!(calls, expected, "{timeout:?}");
        assert_eq!(events.iter().count(), 1, "{events:?}");
    }
}

/// From the first wake on, until there has been none for a while.
#[test]
fn a_wake_of_a_poll_that_is_awake_is_no_call() {
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKE).unwrap();
    for _ in 0..3 {
        waker.wake().unwrap();
        poll.poll(&mut events, Some(LONG)).unwrap();
        assert_eq!(events.iter().count(), 1, "{events:?}");
        expect_free_wakes(&mut poll, &mut events, &waker);
        // Looking is no waiting.
        for _ in 0..1000 {
            poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        }
        expect_free_wakes(&mut poll, &mut events, &waker);
        for _ in 0..1000 {
            poll.poll(&mut events, Some(Duration::from_nanos(1)))
                .unwrap();
            assert!(events.is_empty(), "{events:?}");
        }
        let calls = calls_of(|| waker.wake().unwrap());
        // A poll that does not sleep needs no interruption.
        assert_eq!(calls.write, usize::from(!POLL2));
        poll.poll(&mut events, Some(LONG)).unwrap();
        assert_eq!(events.iter().count(), 1, "{events:?}");
    }
}

fn expect_free_wakes(poll: &mut Poll, events: &mut Events, waker: &Waker) {
    for timeout in [Some(Duration::ZERO), Some(LONG), None] {
        let calls = calls_of(|| waker.wake().unwrap());
        assert_eq!(calls, Calls::default());
        poll.poll(events, timeout).unwrap();
        assert_eq!(events.iter().count(), 1, "{events:?}");
        poll.poll(events, Some(Duration::ZERO)).unwrap();
        assert!(events.is_empty(), "{events:?}");
    }
}

/// Whatever waits for the descriptor of a poll must see its wakes.
#[test]
fn a_wake_of_a_poll_whose_descriptor_was_handed_out_is_a_call() {
    // The descriptor of that selector is never readable.
    if POLL2 {
        return;
    }
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKE).unwrap();
    waker.wake().unwrap();
    // Also the wake that had not been sent before.
    let calls = calls_of(|| watch(&poll));
    assert_eq!(calls.write, 1);
    for _ in 0..3 {
        poll.poll(&mut events, None).unwrap();
        assert_eq!(events.iter().count(), 1, "{events:?}");
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(events.is_empty(), "{events:?}");
        let calls = calls_of(|| {
            waker.wake().unwrap();
            waker.wake().unwrap();
        });
        assert_eq!(calls.write, 1);
    }
}

#[test]
fn every_wake_is_seen() {
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKE).unwrap();
    for _ in 0..3 {
        // poll(2) writes only if there is a call to be interrupted.
        poll_while(&mut poll, &mut events, Some(LONG), || {
            let calls = calls_of(|| waker.wake().unwrap());
            assert_eq!(calls.write, 1, "{calls:?}");
        });
        assert_eq!(events.iter().count(), 1, "{events:?}");
    }
}

/// Looking out for wakes would be wasted on a poll that is never woken, whatever it reports.
#[test]
#[cfg(feature = "net")]
fn a_poll_that_was_never_woken_does_not_look_out_for_wakes() {
    use std::io::Write;

    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKE).unwrap();
    let (mut near, mut far) = util::stream_pair();
    poll.registry()
        .register(&mut near, Token(1), mio::Interest::READABLE)
        .unwrap();
    far.write_all(b"x").unwrap();
    util::expect_readable(&mut poll, &mut events, Token(1));
    let calls = calls_of(|| waker.wake().unwrap());
    // A poll that does not sleep needs no interruption.
    assert_eq!(calls.write, usize::from(!POLL2));
    util::expect_readable(&mut poll, &mut events, WAKE);
}

/// Some systems cannot wait for the requested time at once.
#[test]
fn a_deadline_is_waited_for_by_as_many_calls_as_it_takes() {
    let (mut poll, mut events) = poll_and_events();
    LONGEST_WAIT.with(|it| it.set(1));
    let mut wait = Duration::from_millis(20);
    loop {
        let deadline = Instant::now() + wait;
        let calls = calls_of(|| poll.poll_until(&mut events, Some(deadline)).unwrap());
        assert!(Instant::now() >= deadline);
        if calls.epoll_wait + calls.epoll_pwait2 + calls.poll > 1 {
            return;
        }
        // One is enough if others have the processor until the deadline.
        wait *= 2;
        assert!(wait < LONG, "{calls:?}");
    }
}

/// The system reports it, so neither it nor those that come meanwhile have to be sent again.
#[test]
#[cfg(feature = "net")]
fn a_wake_that_found_no_room_is_not_sent_again() {
    use std::io::Write;

    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKE).unwrap();
    let (mut near, mut far) = util::stream_pair();
    poll.registry()
        .register(&mut near, Token(1), mio::Interest::READABLE.level())
        .unwrap();
    far.write_all(b"x").unwrap();
    waker.wake().unwrap();
    let mut small = Events::with_capacity(1);
    util::expect_readable(&mut poll, &mut small, Token(1));
    let calls = calls_of(|| waker.wake().unwrap());
    assert_eq!(calls, Calls::default());
    poll.registry().deregister(&mut near).unwrap();
    util::expect_readable(&mut poll, &mut events, WAKE);
    expect_free_wakes(&mut poll, &mut events, &waker);
}

/// One that cannot be sent when the descriptor of its poll is handed out is still pending.
#[test]
fn a_wake_that_cannot_be_sent_later_is_found_by_the_next_poll() {
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKE).unwrap();
    waker.wake().unwrap();
    util::expect_readable(&mut poll, &mut events, WAKE);
    waker.wake().unwrap();
    CANNOT_WRITE.with(|it| it.set(true));
    watch(&poll);
    poll.poll(&mut events, Some(Duration::from_millis(1)))
        .unwrap();
    CANNOT_WRITE.with(|it| it.set(false));
    assert_eq!(events.iter().count(), 1, "{events:?}");
    // The descriptor is not taken for watched, so that the next one is not lost either.
    waker.wake().unwrap();
    poll.poll(&mut events, Some(Duration::from_millis(1)))
        .unwrap();
    assert_eq!(events.iter().count(), 1, "{events:?}");
}

/// It is not pending afterwards, so the next one is sent.
#[test]
fn a_wake_that_cannot_be_sent_is_an_error() {
    // A poll that does not sleep needs no interruption.
    if POLL2 {
        return;
    }
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKE).unwrap();
    for _ in 0..2 {
        CANNOT_WRITE.with(|it| it.set(true));
        let error = waker.wake().unwrap_err();
        CANNOT_WRITE.with(|it| it.set(false));
        assert_eq!(error.raw_os_error(), Some(libc::EIO));
    }
    util::expect_silence(&mut poll, &mut events);
    waker.wake().unwrap();
    util::expect_readable(&mut poll, &mut events, WAKE);
}

/// A descriptor that was registered for another file while a poll had it in its list.
#[test]
#[cfg(feature = "os-ext")]
fn what_a_poll_finds_of_a_former_file_is_not_reported_of_its_successor() {
    use std::os::fd::AsRawFd;

    use mio::unix::{pipe, SourceFd};

    let (mut poll, mut events) = poll_and_events();
    // The others do not have a list.
    if !POLL2 {
        return;
    }
    let (_idle_sender, idle) = pipe::new().unwrap();
    let (sender, source) = pipe::new().unwrap();
    std::io::Write::write_all(&mut &sender, b"x").unwrap();
    let fd = source.as_raw_fd();
    let registry = poll.registry().try_clone().unwrap();
    let readable = mio::Interest::READABLE;
    registry
        .register(&mut SourceFd(&fd), Token(1), readable)
        .unwrap();
    let change: Box<dyn FnOnce()> = Box::new(move || {
        registry.deregister(&mut SourceFd(&fd)).unwrap();
        // SAFETY: both descriptors are open, and the one that is replaced stays in its owner.
        assert_eq!(unsafe { libc::dup2(idle.as_raw_fd(), fd) }, fd);
        registry
            .register(&mut SourceFd(&fd), Token(2), readable)
            .unwrap();
    });
    AFTER_POLL.with(|it| it.set(Some(change)));
    poll.poll(&mut events, Some(Duration::from_millis(5)))
        .unwrap();
    assert!(events.is_empty(), "{events:?}");
    drop(source);
}

/// Apple's systems accept a connection that was reset before, and write no address.
#[test]
#[cfg(feature = "net")]
fn a_connection_without_an_address_was_aborted() {
    use std::io::{ErrorKind, Read};

    let listener = mio::net::TcpListener::bind(util::any_port()).unwrap();
    let mut clients = [(); 2].map(|()| {
        let address = listener.local_addr().unwrap();
        std::net::TcpStream::connect(address).unwrap()
    });
    ACCEPTS_NAMELESS.with(|it| it.set(true));
    let error = listener.accept().unwrap_err();
    ACCEPTS_NAMELESS.with(|it| it.set(false));
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted, "{error}");
    // Its socket does not stay open.
    assert_eq!(clients[0].read(&mut [0]).unwrap(), 0);
    let (_stream, peer) = listener.accept().unwrap();
    assert_eq!(peer, clients[1].local_addr().unwrap());
}

/// A signal that comes while an attempt to connect is asked for is no answer, and any other error
/// is that of the question.
#[test]
#[cfg(feature = "net")]
fn a_signal_does_not_end_an_attempt_to_connect() {
    use socket2::{Domain, Socket, Type};

    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let stream = mio::net::TcpStream::from_std(socket.into());
    POLL_FAILS.with(|it| it.set(Some(libc::EINTR)));
    let mut connected = None;
    let calls = calls_of(|| connected = Some(stream.is_connected()));
    assert_eq!(calls.poll, 1);
    assert!(!connected.unwrap().unwrap());

    POLL_FAILS.with(|it| it.set(Some(libc::ENOMEM)));
    let error = stream.is_connected().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOMEM));
}

/// Another thread has drained what was full before this one could.
#[test]
fn a_wake_that_finds_no_room_for_a_moment_is_sent() {
    // A poll that does not sleep needs no interruption.
    if POLL2 {
        return;
    }
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKE).unwrap();
    WRITE_FAILS.with(|it| it.set(Some(libc::EAGAIN)));
    let calls = calls_of(|| waker.wake().unwrap());
    assert_eq!(calls.write, 2);
    util::expect_readable(&mut poll, &mut events, WAKE);
}
