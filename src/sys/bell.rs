//! The bell of systems that have nothing better: a pipe whose both ends are ours.
//!
//! From Linux 5.5 to 5.13 a write to a pipe that holds data raises no new edge,
//! and no system promises one.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};

use super::pipe;

#[derive(Debug)]
pub(crate) struct Bell {
    // Closed first: while it is watched, it would see its sender hang up.
    receiver: File,
    sender: File,
}

impl Bell {
    #[allow(dead_code)] // Asked by who relies on edges.
    pub(super) const RINGS_ONLY_OUT_OF_SILENCE: bool = true;

    pub(super) fn new() -> io::Result<Bell> {
        let (sender, receiver) = pipe()?;
        Ok(Bell {
            receiver: receiver.into(),
            sender: sender.into(),
        })
    }

    /// The descriptor that is readable while the bell rings.
    pub(super) fn fd(&self) -> RawFd {
        self.receiver.as_raw_fd()
    }

    /// Makes the receiving end readable; `WouldBlock` if the pipe is full, when
    /// it is readable anyway.
    #[inline]
    pub(super) fn ring(&self) -> io::Result<()> {
        (&self.sender).write(&[1]).map(drop)
    }

    /// Takes back every ring so far.
    pub(super) fn silence(&self) -> io::Result<()> {
        let mut rings = [0; 1024];
        loop {
            match (&self.receiver).read(&mut rings) {
                // A full buffer: there may be more.
                Ok(taken) if taken == rings.len() => {}
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => return Ok(()),
            }
        }
    }
}
