//! The operations as bare calls of the C library: the lower bound.

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

pub struct EventFd(File);

impl EventFd {
    fn new() -> EventFd {
        // SAFETY: takes no pointer.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        assert!(fd >= 0);
        // SAFETY: just made, nobody else knows of it.
        EventFd(unsafe { File::from_raw_fd(fd) })
    }

    fn ring(&self) {
        (&self.0).write_all(&1_u64.to_ne_bytes()).unwrap();
    }
}

/// Adds eventfds that stay readable to an epoll instance, level-triggered, with their index as
/// token.
pub fn ready_sources(epoll: RawFd, count: usize) -> Vec<EventFd> {
    let put = |index| {
        let source = EventFd::new();
        source.ring();
        let fd = source.0.as_raw_fd();
        control(epoll, libc::EPOLL_CTL_ADD, fd, libc::EPOLLIN, index as u64);
        source
    };
    (0..count).map(put).collect()
}

/// Runs the operation of that name. Returns `false` if there is none.
pub fn run(operation: &str, calls: usize) -> bool {
    match operation {
        "poll-empty" => poll(calls, 0, 0),
        "poll-one" => poll(calls, 1, 0),
        "poll-one-forever" => poll(calls, 1, -1),
        "iterate-256" => iterate(calls),
        "wake" | "wake-redundant" => wake(calls),
        "register" | "reregister" | "deregister" => register(calls, operation),
        _ => return false,
    }
    true
}

fn epoll() -> OwnedFd {
    // SAFETY: takes no pointer.
    let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    assert!(fd >= 0);
    // SAFETY: just made, nobody else knows of it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn poll(calls: usize, ready: usize, timeout: i32) {
    let epoll = epoll();
    let _sources = ready_sources(epoll.as_raw_fd(), ready);
    let mut events = Vec::with_capacity(256);
    for _ in 0..calls {
        counted_poll(epoll.as_raw_fd(), &mut events, timeout);
        assert_eq!(events.len(), ready);
    }
}

fn iterate(calls: usize) {
    let epoll = epoll();
    let _sources = ready_sources(epoll.as_raw_fd(), 256);
    let mut events = Vec::with_capacity(256);
    wait(epoll.as_raw_fd(), &mut events, 0);
    for _ in 0..calls {
        assert_eq!(counted_iterate(black_box(&events)), 255 * 256 / 2);
    }
}

fn wake(calls: usize) {
    let bell = EventFd::new();
    for _ in 0..calls {
        counted_wake(bell.0.as_raw_fd());
    }
}

fn register(calls: usize, which: &str) {
    let epoll = epoll();
    let source = EventFd::new();
    let change = |operation, is_counted: bool| {
        let control = if is_counted { counted_control } else { control };
        let flags = libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLET;
        control(epoll.as_raw_fd(), operation, source.0.as_raw_fd(), flags, 1);
    };
    for _ in 0..calls {
        change(libc::EPOLL_CTL_ADD, which == "register");
        if which == "reregister" {
            change(libc::EPOLL_CTL_MOD, true);
        }
        change(libc::EPOLL_CTL_DEL, which == "deregister");
    }
}

#[inline(always)]
fn wait(epoll: RawFd, events: &mut Vec<libc::epoll_event>, timeout: i32) {
    let room = events.capacity() as i32;
    // SAFETY: `events` has that much room, and as many as the kernel says are initialised.
    unsafe {
        let ready = libc::epoll_wait(epoll, events.as_mut_ptr(), room, timeout);
        assert!(ready >= 0);
        events.set_len(ready as usize);
    }
}

#[inline(always)]
fn control(epoll: RawFd, operation: i32, fd: RawFd, flags: i32, token: u64) {
    let mut event = libc::epoll_event {
        events: flags as u32,
        u64: token,
    };
    // SAFETY: `event` outlives the call, which only reads it.
    let result = unsafe { libc::epoll_ctl(epoll, operation, fd, &mut event) };
    assert_eq!(result, 0);
}

#[inline(never)]
fn counted_poll(epoll: RawFd, events: &mut Vec<libc::epoll_event>, timeout: i32) {
    wait(epoll, events, timeout);
}

#[inline(never)]
fn counted_iterate(events: &[libc::epoll_event]) -> usize {
    let mut sum = 0;
    for event in events {
        if event.events & libc::EPOLLIN as u32 != 0 {
            sum += event.u64 as usize;
        }
    }
    sum
}

#[inline(never)]
fn counted_wake(fd: RawFd) {
    // SAFETY: the buffer outlives the call.
    let written = unsafe { libc::write(fd, 1_u64.to_ne_bytes().as_ptr().cast(), 8) };
    assert_eq!(written, 8);
}

#[inline(never)]
fn counted_control(epoll: RawFd, operation: i32, fd: RawFd, flags: i32, token: u64) {
    control(epoll, operation, fd, flags, token);
}
