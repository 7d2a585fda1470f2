//! What the Unix systems have in common: descriptors, and the calls on them.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use super::backend::Selector;
use crate::{Interest, Token};

#[cfg(any(feature = "net", feature = "os-ext"))]
mod handles;
#[cfg_attr(all(target_os = "wasi", target_env = "p1"), path = "../wasi_p1_net.rs")]
#[cfg(feature = "net")]
pub(crate) mod net;

/// What a source is known by.
pub(crate) type Handle = RawFd;

/// Sources that have a handle.
pub(crate) trait AsHandle {
    fn as_handle(&self) -> Handle;

    /// Whether operations wait where they should return `WouldBlock`.
    fn is_blocking(&self) -> bool {
        matches!(status_flags(self.as_handle()), Ok(flags) if flags & libc::O_NONBLOCK == 0)
    }
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
    /// `AlreadyExists` if `fd` is there, `EPERM` if it cannot be polled, `EBADF`.
    fn add(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()>;
    /// `NotFound` if `fd` is not there.
    fn modify(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()>;
    /// `NotFound` if `fd` is not there.
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

/// Answers as epoll does of most files: `EBADF` for what is not open, `EPERM` for what poll(2)
/// takes but is always ready.
#[allow(dead_code)] // Called by selectors that keep books themselves.
pub(crate) fn check_pollable(fd: RawFd) -> io::Result<()> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `stat` has room for what the call writes.
    check(unsafe { libc::fstat(fd, stat.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, and has written all of it.
    let mode = unsafe { stat.assume_init() }.st_mode;
    // The field is wider than its type on 32-bit Android.
    match mode as libc::mode_t & libc::S_IFMT {
        libc::S_IFREG | libc::S_IFDIR => Err(io::Error::from_raw_os_error(libc::EPERM)),
        _ => Ok(()),
    }
}

/// Marks a new descriptor: closed on exec, and non-blocking.
pub(crate) fn mark(fd: OwnedFd) -> io::Result<OwnedFd> {
    set_cloexec(fd.as_fd())?;
    set_nonblocking(fd.as_raw_fd(), true)?;
    Ok(fd)
}

/// Has `fd` closed on exec.
pub(crate) fn set_cloexec(fd: BorrowedFd<'_>) -> io::Result<()> {
    // Nothing is executed there, and `F_SETFD` may be refused.
    if cfg!(any(
        target_os = "espidf",
        target_os = "horizon",
        target_os = "vita"
    )) {
        return Ok(());
    }
    // SAFETY: takes no pointer.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) })?;
    Ok(())
}

/// Sets whether operations on `fd` answer `WouldBlock` instead of blocking.
pub(crate) fn set_nonblocking(fd: RawFd, nonblocking: bool) -> io::Result<()> {
    let before = status_flags(fd)?;
    let after = if nonblocking {
        before | libc::O_NONBLOCK
    } else {
        before & !libc::O_NONBLOCK
    };
    if after != before {
        // SAFETY: takes no pointer.
        check(unsafe { libc::fcntl(fd, libc::F_SETFL, after) })?;
    }
    Ok(())
}

fn status_flags(fd: RawFd) -> io::Result<libc::c_int> {
    // SAFETY: takes no pointer.
    check(unsafe { libc::fcntl(fd, libc::F_GETFL, 0) })
}
