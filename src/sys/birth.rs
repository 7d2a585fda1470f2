//! New descriptors on systems that cannot mark them at birth. Between two calls another
//! thread's fork may copy them: there is nothing that can be done about it.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use super::family::{check, mark};

#[cfg(feature = "net")]
pub(super) use super::family::net::accept_and_mark as accept;

pub(super) fn socket(family: libc::c_int, kind: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: takes no pointer.
    let fd = check(unsafe { libc::socket(family, kind, 0) })?;
    // SAFETY: the kernel just made `fd` for us; nobody else knows of it.
    mark(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Two Unix sockets that are connected with one another.
#[cfg(unix)]
pub(super) fn socket_pair(kind: libc::c_int) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    // SAFETY: `fds` has room for the two descriptors that the call writes.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) })?;
    // SAFETY: the kernel just made both for us; nobody else knows of them.
    let fds = unsafe { fds.map(|fd| OwnedFd::from_raw_fd(fd)) };
    let [one, other] = fds;
    Ok((mark(one)?, mark(other)?))
}

/// The sending end and the receiving end of a pipe.
#[cfg(unix)]
pub(super) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    // SAFETY: `fds` has room for the two descriptors that the call writes.
    check(unsafe { libc::pipe(fds.as_mut_ptr()) })?;
    // SAFETY: the kernel just made both for us; nobody else knows of them.
    let fds = unsafe { fds.map(|fd| OwnedFd::from_raw_fd(fd)) };
    let [receiver, sender] = fds;
    Ok((mark(sender)?, mark(receiver)?))
}
