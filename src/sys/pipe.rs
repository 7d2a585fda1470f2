//! New pipes on systems that cannot mark them at birth.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use super::family::{check, mark};

/// Makes a pipe whose both ends are non-blocking and closed on exec: the sending end
/// and the receiving one.
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    // SAFETY: `fds` has room for the two descriptors that the call writes.
    check(unsafe { libc::pipe(fds.as_mut_ptr()) })?;
    // SAFETY: the kernel just made both for us; nobody else knows of them.
    let [receiver, sender] = unsafe { fds.map(|fd| OwnedFd::from_raw_fd(fd)) };
    Ok((mark(sender)?, mark(receiver)?))
}
