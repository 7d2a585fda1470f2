//! With a `syscall` that supports only what the standard library needs: the library calls the
//! functions of the C library, so that a library that replaces these sees every call.
#![cfg(all(
    target_os = "linux",
    target_arch = "x86_64",
    target_pointer_width = "64",
    feature = "os-poll",
    feature = "net"
))]

#[path = "util/no_syscall.rs"]
mod no_syscall;
mod util;

use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use mio::{Interest, Token, Waker};
use util::{expect_readable, expect_silence, expect_writable, poll_and_events, poll_while};

const WAKE: Token = Token(0);
const NEAR: Token = Token(1);
const FAR: Token = Token(2);

#[test]
fn polls_find_what_is_ready_and_are_never_early() {
    no_syscall::assert_in_force();
    let (mut poll, mut events) = poll_and_events();
    for micros in [0, 1, 50, 1000, 1500, 5000] {
        let timeout = Duration::from_micros(micros);
        let start = Instant::now();
        poll.poll(&mut events, Some(timeout)).unwrap();
        assert!(events.is_empty(), "{events:?}");
        assert!(start.elapsed() >= timeout, "{timeout:?}");
    }
    let (mut near, mut far) = util::tcp_pair();
    let both = Interest::READABLE | Interest::WRITABLE;
    poll.registry().register(&mut near, NEAR, both).unwrap();
    poll.registry().register(&mut far, FAR, both).unwrap();
    expect_writable(&mut poll, &mut events, NEAR);
    near.write_all(b"there").unwrap();
    expect_readable(&mut poll, &mut events, FAR);
    let mut buf = [0; 8];
    assert_eq!(far.read(&mut buf).unwrap(), 5);
    far.write_all(b"back").unwrap();
    expect_readable(&mut poll, &mut events, NEAR);
    assert_eq!(near.read(&mut buf).unwrap(), 4);
}

#[test]
fn wakes_end_every_kind_of_poll() {
    no_syscall::assert_in_force();
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKE).unwrap();
    let fraction = util::LONG + Duration::from_nanos(1);
    for timeout in [None, Some(util::LONG), Some(fraction)] {
        poll_while(&mut poll, &mut events, timeout, || waker.wake().unwrap());
        assert!(events.iter().any(|event| event.token() == WAKE));
        expect_silence(&mut poll, &mut events);
    }
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| waker.wake().unwrap());
        }
    });
    expect_readable(&mut poll, &mut events, WAKE);
}
