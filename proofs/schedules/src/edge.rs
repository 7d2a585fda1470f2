//! A model of an edge-triggered queue in the kernel, as far as the library's waker is
//! concerned: it has one bell, and an event of it for every edge.

use std::os::fd::RawFd;
use std::time::Duration;
use std::{fmt, io};

use loom::sync::{Condvar, Mutex};

use super::{backend, stateless, Event, FdSelector};
use crate::readiness::Readiness;
use crate::{Interest, Token};

pub(crate) use super::edge_waker::Waker;

loom::lazy_static! {
    static ref KERNEL: Kernel = Kernel {
        bell: Mutex::new(Bell { token: None, rings: 0, edge: false }),
        changed: Condvar::new(),
    };
}

struct Kernel {
    bell: Mutex<Bell>,
    changed: Condvar,
}

struct Bell {
    token: Option<Token>,
    rings: usize,
    /// Whether an event waits to be taken.
    edge: bool,
}

pub(crate) fn ring() {
    let mut bell = KERNEL.bell.lock().unwrap();
    if bell.rings == 0 || !cfg!(feature = "pipe") {
        bell.edge = true;
        KERNEL.changed.notify_all();
    }
    bell.rings += 1;
}

pub(crate) fn silence() {
    let mut bell = KERNEL.bell.lock().unwrap();
    bell.rings = 0;
    // The kernel looks again when it hands out an event, and finds nothing to read.
    bell.edge = false;
}

#[derive(Debug)]
pub(crate) struct Selector;

impl backend::Selector for Selector {
    type RawEvent = RawEvent;
    type Registration = stateless::Registration;

    fn new() -> io::Result<Selector> {
        Ok(Selector)
    }

    fn try_clone(&self) -> io::Result<Selector> {
        Ok(Selector)
    }

    fn select(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let mut bell = KERNEL.bell.lock().unwrap();
        while !bell.edge && timeout != Some(Duration::ZERO) {
            bell = KERNEL.changed.wait(bell).unwrap();
        }
        if bell.edge {
            bell.edge = false;
            events.extend(bell.token.map(|token| Event::new(RawEvent { token })));
        }
        Ok(())
    }
}

impl FdSelector for Selector {
    fn add(&self, _: RawFd, token: Token, _: Interest) -> io::Result<()> {
        KERNEL.bell.lock().unwrap().token = Some(token);
        Ok(())
    }

    fn modify(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        self.add(fd, token, interest)
    }

    fn remove(&self, _: RawFd) -> io::Result<()> {
        KERNEL.bell.lock().unwrap().token = None;
        Ok(())
    }
}

#[derive(Clone)]
pub(crate) struct RawEvent {
    token: Token,
}

impl backend::RawEvent for RawEvent {
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
