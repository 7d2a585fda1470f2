//! What the Unix systems have in common: descriptors, and the calls on them.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::{fmt, io};

use super::seam::Selector;
use crate::{Interest, Token};

mod poll_flags;

#[cfg(feature = "net")]
mod addr;
#[cfg(any(feature = "net", feature = "os-ext"))]
mod handles;
#[cfg(feature = "net")]
pub(crate) mod net;
#[cfg(feature = "net")]
mod socket;
#[cfg(feature = "net")]
pub(crate) mod uds;

pub(crate) use poll_flags::PollFlags;

/// What a source is known by.
pub(crate) type Handle = RawFd;

/// Sources that have a handle.
pub(crate) trait AsHandle {
    fn as_handle(&self) -> Handle;
}

impl<T: AsRawFd> AsHandle for T {
    #[inline]
    fn as_handle(&self) -> Handle {
        self.as_raw_fd()
    }
}

/// A selector that knows its sources by descriptor, so that a bare one can be
/// registered.
pub(crate) trait FdSelector: Selector {
    /// `EEXIST` if `fd` is there, `EPERM` if it cannot be polled, `EBADF`.
    fn add(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()>;
    /// `ENOENT` if `fd` is not there.
    fn modify(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()>;
    /// `ENOENT` if `fd` is not there.
    fn remove(&self, fd: RawFd) -> io::Result<()>;
}

/// The result of a call that answers -1 to say that `errno` has the reason.
#[inline]
pub(crate) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// Makes a pipe, both ends non-blocking and closed on exec from the start: the
/// sending end and the receiving one.
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    // SAFETY: `fds` has room for the two descriptors that the call writes.
    check(unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) })?;
    let [receiver, sender] = fds;
    // SAFETY: the kernel just made both for us; nobody else knows of them.
    unsafe { Ok((OwnedFd::from_raw_fd(sender), OwnedFd::from_raw_fd(receiver))) }
}

/// Sets whether operations on `fd` answer `WouldBlock` instead of blocking.
#[cfg(feature = "os-ext")]
pub(crate) fn set_nonblocking(fd: RawFd, nonblocking: bool) -> io::Result<()> {
    let mut value = libc::c_int::from(nonblocking);
    // SAFETY: FIONBIO reads an `int`, which lives through the call.
    check(unsafe { libc::ioctl(fd, libc::FIONBIO, &mut value) })?;
    Ok(())
}

/// Writes those of `names` whose bits are set in `flags`, and what is left in hex.
pub(crate) fn fmt_flags(
    f: &mut fmt::Formatter<'_>,
    flags: u32,
    names: &[(u32, &str)],
) -> fmt::Result {
    let mut left = flags;
    let mut separator = "";
    for &(flag, name) in names {
        if flags & flag != 0 {
            write!(f, "{separator}{name}")?;
            separator = " | ";
            left &= !flag;
        }
    }
    if left != 0 || flags == 0 {
        write!(f, "{separator}{left:#x}")?;
    }
    Ok(())
}
