//! New sockets on systems that mark them at birth: non-blocking and closed on exec
//! from the moment they exist, whatever another thread forks in between.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use super::family::check;
use super::family::net::{accept_and_mark, OsAddr};

const MARKS: libc::c_int = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;

pub(super) fn socket(family: libc::c_int, kind: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: takes no pointer.
    let fd = check(unsafe { libc::socket(family, kind | MARKS, 0) })?;
    // SAFETY: the kernel just made `fd` for us; nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Two Unix sockets that are connected with one another.
pub(super) fn socket_pair(kind: libc::c_int) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    // SAFETY: `fds` has room for the two descriptors that the call writes.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind | MARKS, 0, fds.as_mut_ptr()) })?;
    // SAFETY: the kernel just made both for us; nobody else knows of them.
    let [one, other] = unsafe { fds.map(|fd| OwnedFd::from_raw_fd(fd)) };
    Ok((one, other))
}

/// Accepts a connection, and writes whose it is.
pub(super) fn accept(listener: RawFd, peer: &mut OsAddr) -> io::Result<OwnedFd> {
    // Android's sandbox on x86 kills who calls `accept4`.
    if cfg!(all(target_os = "android", target_arch = "x86")) {
        return accept_and_mark(listener, peer);
    }
    let (address, len) = peer.as_mut_ptrs();
    // SAFETY: the call writes at most `len` bytes to `address`, and then the length.
    let fd = check(unsafe { libc::accept4(listener, address, len, MARKS) })?;
    // SAFETY: the kernel just made `fd` for us; nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
