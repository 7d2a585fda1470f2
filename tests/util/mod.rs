//! What the tests share. Every test file is a program of its own and uses a part
//! of it.
#![allow(dead_code)]

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
    std::env::temp_dir().join(format!("mio-{}-{number}-{name}", std::process::id()))
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
    fds.retain(|&fd| unsafe { libc::fcntl(fd, libc::F_GETFD) } != -1);
    fds.sort_unstable();
    fds
}
