//! The waker of kqueues with user events (`EVFILT_USER`), which needs no descriptor.
//!
//! The filter is added once and then only triggered. Adding and triggering it in one change fires
//! on some systems, and fails or has no effect on others.

use std::io;
use std::os::fd::{AsFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};

use super::{os, Changes, Selector};
use crate::sys::backend::{self, Selector as _};
use crate::Token;

#[derive(Debug)]
pub(crate) struct Waker {
    selector: Selector,
    /// Identifies the waker among those of its queue.
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
        // The error cannot be returned, and the queue may be closed.
        let _ = changes.submit(self.selector.as_fd());
    }
}
