//! epoll and an eventfd, through the C library and nothing else.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use super::Loop;
use crate::load::EventFd;

pub struct Bare {
    epoll: OwnedFd,
    events: Vec<libc::epoll_event>,
    eventfd: EventFd,
}

/// Watches whether `fd` is readable.
pub fn add(epoll: RawFd, fd: RawFd, key: usize, edge: bool) {
    let edge = if edge { libc::EPOLLET } else { 0 };
    let mut event = libc::epoll_event {
        events: (libc::EPOLLIN | libc::EPOLLRDHUP | edge) as u32,
        u64: key as u64,
    };
    // SAFETY: `event` outlives the call, which only reads it.
    let result = unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &mut event) };
    assert_eq!(result, 0);
}

impl Loop for Bare {
    fn new() -> Bare {
        // SAFETY: takes no pointer.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        assert!(fd >= 0);
        // SAFETY: just created, and owned by nothing else.
        let epoll = unsafe { OwnedFd::from_raw_fd(fd) };
        let eventfd = EventFd::new();
        add(fd, eventfd.fd(), usize::MAX, true);
        Bare {
            epoll,
            events: Vec::with_capacity(1024),
            eventfd,
        }
    }

    fn add(&mut self, fd: RawFd, key: usize, edge: bool) {
        add(self.epoll.as_raw_fd(), fd, key, edge);
    }

    fn remove(&mut self, fd: RawFd, _: usize) {
        let (epoll, null) = (self.epoll.as_raw_fd(), std::ptr::null_mut());
        // SAFETY: removing reads no event.
        assert_eq!(
            unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_DEL, fd, null) },
            0
        );
    }

    fn turn(&mut self, timeout: Option<Duration>, mut ready: impl FnMut(usize)) {
        let millis = timeout.map_or(-1, |it| it.as_micros().div_ceil(1000) as i32);
        let epoll = self.epoll.as_raw_fd();
        let (room, events) = (self.events.capacity() as i32, self.events.as_mut_ptr());
        // SAFETY: there is that much room, and as many as the kernel says are initialised.
        unsafe {
            let count = libc::epoll_wait(epoll, events, room, millis);
            assert!(count >= 0);
            self.events.set_len(count as usize);
        }
        for event in &self.events {
            ready(event.u64 as usize);
        }
    }

    fn wake(&self) {
        self.eventfd.notify();
    }
}
