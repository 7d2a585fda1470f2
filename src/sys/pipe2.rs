//! New pipes on systems that mark them at birth.
//!
//! On Vita nothing else does: there a pipe takes no `F_SETFL` afterwards.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use super::family::check;

/// Makes a pipe whose both ends are non-blocking and closed on exec: the sending end
/// and the receiving one.
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    // SAFETY: `fds` has room for the two descriptors that the call writes.
    check(unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) })?;
    // SAFETY: the kernel just made both for us; nobody else knows of them.
    let [receiver, sender] = unsafe { fds.map(|fd| OwnedFd::from_raw_fd(fd)) };
    Ok((sender, receiver))
}
