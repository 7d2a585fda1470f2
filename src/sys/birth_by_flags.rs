//! New descriptors on systems that mark them at birth: non-blocking and closed on exec
//! from the moment they exist, whatever another thread forks in between.

use std::io;
#[cfg(feature = "net")]
use std::os::fd::RawFd;
use std::os::fd::{FromRawFd, OwnedFd};

use super::family::check;
#[cfg(feature = "net")]
use super::family::net::OsAddr;

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
    unsafe { Ok((OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1]))) }
}

/// The sending end and the receiving end of a pipe.
pub(super) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    // SAFETY: `fds` has room for the two descriptors that the call writes.
    check(unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) })?;
    let [receiver, sender] = fds;
    // SAFETY: the kernel just made both for us; nobody else knows of them.
    unsafe { Ok((OwnedFd::from_raw_fd(sender), OwnedFd::from_raw_fd(receiver))) }
}

/// Accepts a connection, and writes whose it is.
#[cfg(all(feature = "net", not(all(target_os = "android", target_arch = "x86"))))]
pub(super) fn accept(listener: RawFd, peer: &mut OsAddr) -> io::Result<OwnedFd> {
    let (address, len) = peer.as_mut_ptrs();
    // SAFETY: the call writes at most `len` bytes to `address`, and then the length.
    let fd = check(unsafe { libc::accept4(listener, address, len, MARKS) })?;
    // SAFETY: the kernel just made `fd` for us; nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

// Android's sandbox on x86 kills who calls `accept4`.
#[cfg(all(feature = "net", target_os = "android", target_arch = "x86"))]
pub(super) use super::family::net::accept_and_mark as accept;
