//! The wake descriptor of systems without a better one: a pipe both ends of which are ours.
//!
//! From Linux 5.5 to 5.13 a write to a pipe that holds data does not trigger a new edge, and no
//! system guarantees that it does.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};

use super::fd::pipe;

#[derive(Debug)]
pub(crate) struct WakeFd {
    // Closed first: while it is watched, closing the sender would be reported as a hang-up.
    receiver: File,
    sender: File,
}

impl WakeFd {
    /// Whether a notification triggers an edge only if nothing was to be drained.
    pub(crate) const EDGE_ONLY_WHEN_EMPTY: bool = true;

    pub(crate) fn new() -> io::Result<WakeFd> {
        let (sender, receiver) = pipe()?;
        Ok(WakeFd {
            receiver: receiver.into(),
            sender: sender.into(),
        })
    }

    /// Returns the descriptor that is readable after a notification.
    pub(crate) fn fd(&self) -> RawFd {
        self.receiver.as_raw_fd()
    }

    /// Makes the receiving end readable. Fails with `WouldBlock` if the pipe is full; the end is
    /// readable then.
    #[inline]
    pub(crate) fn notify(&self) -> io::Result<()> {
        (&self.sender).write(&[1]).map(drop)
    }

    /// Takes back all notifications so far.
    pub(crate) fn drain(&self) -> io::Result<()> {
        let mut buf = [0; 1024];
        loop {
            match (&self.receiver).read(&mut buf) {
                // The buffer is full, so there may be more.
                Ok(len) if len == buf.len() => {}
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => return Ok(()),
            }
        }
    }
}
