//! New sockets on systems that cannot mark them at birth. Between two calls another
//! thread's fork may copy them: there is nothing that can be done about it.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use super::family::{check, mark};

pub(super) use super::family::net::accept_and_mark as accept;

/// QNX can close on exec at birth.
#[cfg(target_os = "nto")]
const MARKS: libc::c_int = libc::SOCK_CLOEXEC;
#[cfg(not(target_os = "nto"))]
const MARKS: libc::c_int = 0;

pub(super) fn socket(family: libc::c_int, kind: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: takes no pointer.
    let fd = check(unsafe { libc::socket(family, kind | MARKS, 0) })?;
    // SAFETY: the kernel just made `fd` for us; nobody else knows of it.
    mark(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Two Unix sockets that are connected with one another.
#[cfg(unix)]
pub(super) fn socket_pair(kind: libc::c_int) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    // SAFETY: `fds` has room for the two descriptors that the call writes.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind | MARKS, 0, fds.as_mut_ptr()) })?;
    // SAFETY: the kernel just made both for us; nobody else knows of them.
    let [one, other] = unsafe { fds.map(|fd| OwnedFd::from_raw_fd(fd)) };
    Ok((mark(one)?, mark(other)?))
}
