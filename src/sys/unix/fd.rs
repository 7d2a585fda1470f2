//! Descriptors: errors of the calls on them, what poll(2) reports of them, and how new ones are
//! owned and become non-blocking and close-on-exec. Where two calls are needed, a fork of another
//! thread between them may copy a descriptor that is not yet close-on-exec, which cannot be avoided.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Converts the result of a call that returns -1 and sets `errno` on failure.
#[inline]
pub(crate) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// Returns the new descriptor that a call has returned.
///
/// # Safety
///
/// `result` is -1, or a descriptor that the call has just created.
pub(crate) unsafe fn own(result: libc::c_int) -> io::Result<OwnedFd> {
    let fd = check(result)?;
    // SAFETY: the caller guarantees that it is new, so nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes a new descriptor close-on-exec and non-blocking.
pub(crate) fn set_flags(fd: OwnedFd) -> io::Result<OwnedFd> {
    set_cloexec(fd.as_fd())?;
    set_nonblocking(fd.as_raw_fd(), true)?;
    Ok(fd)
}

/// Makes `fd` close-on-exec.
pub(crate) fn set_cloexec(fd: BorrowedFd<'_>) -> io::Result<()> {
    // These systems cannot execute a program, and may reject `F_SETFD`.
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

/// Sets whether operations on `fd` return `WouldBlock` instead of blocking.
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

/// Returns the flags of the open file, such as `O_NONBLOCK`.
pub(crate) fn status_flags(fd: RawFd) -> io::Result<libc::c_int> {
    // SAFETY: takes no pointer.
    check(unsafe { libc::fcntl(fd, libc::F_GETFL, 0) })
}

/// Returns the two descriptors that `create` creates.
///
/// # Safety
///
/// If `create` does not return -1, it has written two new descriptors to the array that its
/// argument points to.
#[cfg(unix)]
pub(crate) unsafe fn create_pair(
    create: impl FnOnce(*mut libc::c_int) -> libc::c_int,
) -> io::Result<[OwnedFd; 2]> {
    let mut fds = [-1; 2];
    check(create(fds.as_mut_ptr()))?;
    // SAFETY: the caller guarantees that both are new, so nothing else owns them.
    Ok(unsafe { fds.map(|fd| OwnedFd::from_raw_fd(fd)) })
}

cfg_if! {
    if #[cfg(not(unix))] {
    } else if #[cfg(any(
        target_vendor = "apple",
        target_os = "aix",
        target_os = "emscripten",
        target_os = "espidf",
        target_os = "fuchsia",
        target_os = "haiku",
        target_os = "horizon",
        target_os = "nto",
        target_os = "nuttx"
    ))] {
        /// Creates a pipe, non-blocking and close-on-exec. Returns the sending and the receiving
        /// end.
        pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
            // SAFETY: the pointer is valid for the two descriptors that the call writes.
            let [receiver, sender] = unsafe { create_pair(|fds| libc::pipe(fds)) }?;
            Ok((set_flags(sender)?, set_flags(receiver)?))
        }
    } else {
        /// Creates a pipe, non-blocking and close-on-exec. Returns the sending and the receiving
        /// end.
        ///
        /// On Vita this is a pair of sockets. `poll` and `F_SETFL` do not support the pipes of `pipe`.
        pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
            const FLAGS: libc::c_int = libc::O_CLOEXEC | libc::O_NONBLOCK;
            // SAFETY: the pointer is valid for the two descriptors that the call writes.
            let [receiver, sender] = unsafe { create_pair(|fds| libc::pipe2(fds, FLAGS)) }?;
            Ok((sender, receiver))
        }
    }
}

/// Whether `getpeername` fails with `EINVAL` only for a socket that is connected, and whose sending
/// side has been shut down. On Apple systems it is one that has been connected.
pub(crate) const INVALID_IS_CONNECTED: bool =
    cfg!(any(target_os = "illumos", target_os = "solaris"));

/// Returns whether nothing has ended the attempt to connect of a socket that has no peer.
pub(crate) fn is_connecting(socket: RawFd) -> io::Result<bool> {
    // A BSD may report only that writing does not block. On Linux that is also true of a socket
    // that connects when it is first written to.
    const OVER: u32 = if cfg!(any(target_os = "linux", target_os = "android")) {
        (libc::POLLERR | libc::POLLHUP) as u32
    } else {
        !0
    };
    match current_flags(socket, libc::POLLOUT as u32) {
        // A signal is reported only where there is nothing else to report.
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
        flags => Ok(flags? & OVER == 0),
    }
}

/// Returns which of the `wanted` flags of poll(2), and of those that are reported unasked, hold now.
pub(crate) fn current_flags(fd: RawFd, wanted: u32) -> io::Result<u32> {
    let mut list = [entry(fd, wanted)];
    poll(&mut list, 0)?;
    Ok(list[0].revents as u32)
}

/// Calls poll(2) with a timeout in milliseconds.
pub(crate) fn poll(list: &mut [libc::pollfd], timeout: libc::c_int) -> io::Result<()> {
    // SAFETY: the pointer and the length are those of `list`.
    check(unsafe { libc::poll(list.as_mut_ptr(), list.len() as libc::nfds_t, timeout) })?;
    Ok(())
}

pub(crate) fn entry(fd: RawFd, events: u32) -> libc::pollfd {
    libc::pollfd {
        fd,
        events: events as _,
        revents: 0,
    }
}

/// Returns whether the kernel lacks a call (`ENOSYS`) or a sandbox forbids it.
pub(crate) fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOSYS | libc::EPERM | libc::EACCES | libc::EOPNOTSUPP)
    )
}
