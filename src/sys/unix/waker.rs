//! The waker of selectors whose kernel has edge triggering: a wake descriptor that is registered
//! like any other.
//!
//! It is not drained when its event is delivered, because each notification triggers a new event.
//! Dropping the waker closes the descriptor, which deregisters it.

use std::io;
use std::marker::PhantomData;

use super::registration::FdSelector;
use super::WakeFd;
use crate::sys::backend;
use crate::{Interest, Token};

#[derive(Debug)]
pub(crate) struct FdWaker<S> {
    wake_fd: WakeFd,
    selector: PhantomData<fn() -> S>,
}

impl<S: FdSelector> backend::Wake<S> for FdWaker<S> {
    fn new(selector: &S, token: Token) -> io::Result<FdWaker<S>> {
        let wake_fd = WakeFd::new()?;
        selector.add(wake_fd.fd(), token, Interest::READABLE)?;
        Ok(FdWaker {
            wake_fd,
            selector: PhantomData,
        })
    }

    /// Notifies such that an edge results.
    ///
    /// An object that triggers an edge only when it was empty is drained *before* it is notified.
    /// If several threads do so at once, the last one to notify either finds it empty, or follows
    /// the notification of another thread without a drain between them. In the latter case it
    /// called `wake` before that notification, whose event thus serves for both.
    #[inline]
    fn wake(&self) -> io::Result<()> {
        if WakeFd::EDGE_ONLY_WHEN_EMPTY {
            self.wake_fd.drain()?;
        }
        match self.wake_fd.notify() {
            Err(error) => self.notify_again(error),
            notified => notified,
        }
    }
}

impl<S> FdWaker<S> {
    /// Handles a failed notification.
    #[cold]
    fn notify_again(&self, error: io::Error) -> io::Result<()> {
        if error.kind() != io::ErrorKind::WouldBlock {
            return Err(error);
        }
        // The counter is full after 2⁶⁴ wakes.
        self.wake_fd.drain()?;
        self.wake_fd.notify()
    }
}
