//! The waker of kqueues that have events of the user's own (`EVFILT_USER`): no
//! descriptor is needed to ring.
//!
//! The filter is added once and then only triggered. Adding and triggering in one go
//! fires on some systems and fails or stays silent on others.

use std::io;
use std::os::fd::{AsFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};

use super::{os, Changes, Selector};
use crate::sys::backend::{self, Selector as _};
use crate::Token;

#[derive(Debug)]
pub(crate) struct Waker {
    selector: Selector,
    /// Tells the wakers of a queue apart.
    ident: RawFd,
    token: Token,
}

impl backend::Wake<Selector> for Waker {
    fn new(selector: &Selector, token: Token) -> io::Result<Waker> {
        static NEXT: AtomicI32 = AtomicI32::new(0);

        let waker = Waker {
            selector: selector.try_clone()?,
            ident: NEXT.fetch_add(1, Ordering::Relaxed),
            token,
        };
        let mut changes = Changes::new();
        waker.change(&mut changes, os::EV_ADD | os::EV_CLEAR);
        changes.submit(waker.selector.as_fd())?;
        Ok(waker)
    }

    fn wake(&self) -> io::Result<()> {
        let mut changes = Changes::new();
        self.change(&mut changes, os::EV_ENABLE).fflags = os::NOTE_TRIGGER;
        changes.submit(self.selector.as_fd())
    }
}

impl Waker {
    fn change<'a>(&self, changes: &'a mut Changes, flags: super::Flags) -> &'a mut os::kevent {
        changes.push(self.ident, os::EVFILT_USER, flags, self.token)
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        let mut changes = Changes::new();
        self.change(&mut changes, os::EV_DELETE);
        // Nobody is there to hear of a failure, and the queue may be gone.
        let _ = changes.submit(self.selector.as_fd());
    }
}
