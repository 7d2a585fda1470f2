//! The crate `polling`.

use std::os::fd::{BorrowedFd, RawFd};
use std::time::Duration;

use polling::{Event, Events, PollMode, Poller};

use super::Loop;

pub struct Polling {
    poller: Poller,
    events: Events,
}

impl Loop for Polling {
    fn new() -> Polling {
        Polling {
            poller: Poller::new().unwrap(),
            events: Events::with_capacity(1024.try_into().unwrap()),
        }
    }

    fn add(&mut self, fd: RawFd, key: usize, edge: bool) {
        let mode = if edge {
            PollMode::Edge
        } else {
            PollMode::Level
        };
        // SAFETY: the descriptors that operations add outlive the loop.
        unsafe { self.poller.add_with_mode(fd, Event::readable(key), mode) }.unwrap();
    }

    fn remove(&mut self, fd: RawFd, _: usize) {
        // SAFETY: open, for it is registered.
        let source = unsafe { BorrowedFd::borrow_raw(fd) };
        self.poller.delete(source).unwrap();
    }

    fn turn(&mut self, timeout: Option<Duration>, mut ready: impl FnMut(usize)) {
        self.events.clear();
        self.poller.wait(&mut self.events, timeout).unwrap();
        for event in self.events.iter() {
            ready(event.key);
        }
    }

    fn wake(&self) {
        self.poller.notify().unwrap();
    }
}
