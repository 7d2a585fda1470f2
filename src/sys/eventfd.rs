//! A bell made of an eventfd(2): a counter of 64 bits in the kernel. Writing adds to
//! it, reading takes it back to zero, and it is readable while it is not zero.
//!
//! On Linux every write raises an edge, also of a counter that is not zero. On illumos
//! only one that finds it zero does.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};

use super::family::check;

#[cfg(not(target_os = "espidf"))]
const MARKS: libc::c_int = (libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) as libc::c_int;
/// An eventfd of ESP-IDF is always non-blocking, there is nothing to execute, and flags that
/// say so are refused.
#[cfg(target_os = "espidf")]
const MARKS: libc::c_int = 0;

#[derive(Debug)]
pub(crate) struct Bell {
    eventfd: File,
}

impl Bell {
    #[allow(dead_code)] // Asked by who relies on edges.
    pub(super) const RINGS_ONLY_OUT_OF_SILENCE: bool = cfg!(target_os = "illumos");

    pub(super) fn new() -> io::Result<Bell> {
        // SAFETY: takes no pointer.
        let fd = check(unsafe { libc::eventfd(0, MARKS as _) })?;
        // SAFETY: the kernel just made `fd` for us; nobody else knows of it.
        let eventfd = unsafe { File::from_raw_fd(fd) };
        Ok(Bell { eventfd })
    }

    /// The descriptor that is readable while the bell rings.
    pub(super) fn fd(&self) -> RawFd {
        self.eventfd.as_raw_fd()
    }

    /// Makes the descriptor readable; `WouldBlock` if the counter is full, when
    /// it is readable anyway.
    #[inline]
    pub(super) fn ring(&self) -> io::Result<()> {
        (&self.eventfd).write(&1_u64.to_ne_bytes()).map(drop)
    }

    /// Takes back every ring so far.
    pub(super) fn silence(&self) -> io::Result<()> {
        match (&self.eventfd).read(&mut [0; 8]) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }
}
