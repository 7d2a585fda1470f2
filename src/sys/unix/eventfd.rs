//! A wake descriptor made of an eventfd(2), a counter of 64 bits in the kernel. Writing adds to
//! it, reading resets it to zero, and it is readable while it is not zero.
//!
//! On Linux every write triggers an edge, even if the counter was not zero. On illumos only a
//! write that finds it zero does.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};

use super::fd::own;

#[cfg(not(target_os = "espidf"))]
const FLAGS: libc::c_int = (libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) as libc::c_int;
/// An eventfd of ESP-IDF is always non-blocking, the system cannot execute a program, and it
/// rejects flags that say so.
#[cfg(target_os = "espidf")]
const FLAGS: libc::c_int = 0;

#[derive(Debug)]
pub(crate) struct WakeFd {
    eventfd: File,
}

impl WakeFd {
    /// Whether a notification triggers an edge only if nothing was to be drained.
    pub(crate) const EDGE_ONLY_WHEN_EMPTY: bool = cfg!(target_os = "illumos");

    pub(crate) fn new() -> io::Result<WakeFd> {
        // SAFETY: takes no pointer, and creates a descriptor.
        let eventfd = File::from(unsafe { own(libc::eventfd(0, FLAGS as _)) }?);
        Ok(WakeFd { eventfd })
    }

    /// Returns the descriptor that is readable after a notification.
    pub(crate) fn fd(&self) -> RawFd {
        self.eventfd.as_raw_fd()
    }

    /// Makes the descriptor readable. Fails with `WouldBlock` if the counter is full; the
    /// descriptor is readable then.
    #[inline]
    pub(crate) fn notify(&self) -> io::Result<()> {
        (&self.eventfd).write(&1_u64.to_ne_bytes()).map(drop)
    }

    /// Takes back all notifications so far.
    pub(crate) fn drain(&self) -> io::Result<()> {
        match (&self.eventfd).read(&mut [0; 8]) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }
}
