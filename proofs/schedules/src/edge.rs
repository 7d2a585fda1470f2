//! A model of an edge-triggered queue in the kernel, as far as the library's waker needs it: it has
//! one wake descriptor, and an event of it for every edge.

use std::os::fd::RawFd;
use std::time::Duration;
use std::{fmt, io};

use loom::sync::{Condvar, Mutex};

use super::unix::registration::{FdSelector, Stateless};
use super::unix::waker::FdWaker;
use super::{backend, Event};
use crate::readiness::Readiness;
use crate::{Interest, Token};

pub(crate) type Waker = FdWaker<Selector>;

loom::lazy_static! {
    static ref KERNEL: Kernel = Kernel {
        wake_fd: Mutex::new(WakeFd { token: None, notifications: 0, edge: false }),
        changed: Condvar::new(),
    };
}

struct Kernel {
    wake_fd: Mutex<WakeFd>,
    changed: Condvar,
}

struct WakeFd {
    token: Option<Token>,
    notifications: usize,
    /// Whether there is an event that has not been returned.
    edge: bool,
}

pub(crate) fn notify() {
    let mut wake_fd = KERNEL.wake_fd.lock().unwrap();
    if wake_fd.notifications == 0 || !cfg!(feature = "pipe") {
        wake_fd.edge = true;
        KERNEL.changed.notify_all();
    }
    wake_fd.notifications += 1;
}

pub(crate) fn drain() {
    let mut wake_fd = KERNEL.wake_fd.lock().unwrap();
    wake_fd.notifications = 0;
    // The kernel checks the descriptor again before it returns an event, and finds nothing to read.
    wake_fd.edge = false;
}

#[derive(Debug)]
pub(crate) struct Selector;

impl backend::Selector for Selector {
    type RawEvent = RawEvent;
    type Registration = Stateless<Selector>;

    fn new() -> io::Result<Selector> {
        Ok(Selector)
    }

    fn try_clone(&self) -> io::Result<Selector> {
        Ok(Selector)
    }

    fn select(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let mut wake_fd = KERNEL.wake_fd.lock().unwrap();
        while !wake_fd.edge && timeout != Some(Duration::ZERO) {
            wake_fd = KERNEL.changed.wait(wake_fd).unwrap();
        }
        if wake_fd.edge {
            wake_fd.edge = false;
            events.extend(wake_fd.token.map(|token| Event { raw: RawEvent { token } }));
        }
        Ok(())
    }
}

impl FdSelector for Selector {
    fn add(&self, _: RawFd, token: Token, _: Interest) -> io::Result<()> {
        KERNEL.wake_fd.lock().unwrap().token = Some(token);
        Ok(())
    }

    fn modify(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        self.add(fd, token, interest)
    }

    fn remove(&self, _: RawFd) -> io::Result<()> {
        KERNEL.wake_fd.lock().unwrap().token = None;
        Ok(())
    }
}

#[derive(Clone)]
pub(crate) struct RawEvent {
    token: Token,
}

impl backend::RawEvent for RawEvent {
    fn of_wake(token: Token) -> RawEvent {
        RawEvent { token }
    }

    fn token(&self) -> Token {
        self.token
    }

    fn readiness(&self) -> Readiness {
        Readiness::READABLE
    }

    fn fmt_flags(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}
