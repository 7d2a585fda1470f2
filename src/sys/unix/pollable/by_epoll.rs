//! Which descriptors epoll accepts: on Linux the type of a file does not determine it.
//! `/dev/null` is a character device and always ready; `/proc/self/mountinfo` is a regular file
//! and can be waited for.
//!
//! An empty epoll is asked to *delete* the descriptor. The kernel checks the file first, as it
//! does before it adds one, so `ENOENT` means that it could have been added. Adding it would poll
//! the file once, which may consume an event of it, such as that of a pressure trigger.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::ptr;

use super::{check, check_pollable};
use crate::sys::unix::fd::{is_refusal, own};

#[derive(Debug)]
pub(crate) struct Pollable {
    /// Always empty. `None` if a sandbox forbids epoll, or the kernel lacks it.
    epoll: Option<OwnedFd>,
}

impl Pollable {
    /// epoll is known to accept `pollable`: an error for this descriptor is one of epoll itself.
    pub(crate) fn new(pollable: RawFd) -> io::Result<Pollable> {
        let epoll = create().and_then(|epoll| delete(&epoll, pollable).map(|()| epoll));
        match epoll {
            Ok(epoll) => Ok(Pollable { epoll: Some(epoll) }),
            Err(error) if is_refusal(&error) => Ok(Pollable { epoll: None }),
            Err(error) => Err(error),
        }
    }

    /// Fails with `EPERM` if `fd` cannot be registered, and with `EBADF` if it is not open.
    pub(crate) fn check(&self, fd: RawFd) -> io::Result<()> {
        match &self.epoll {
            Some(epoll) => delete(epoll, fd),
            None => check_pollable(fd),
        }
    }
}

fn create() -> io::Result<OwnedFd> {
    // SAFETY: takes no pointer, and creates a descriptor.
    unsafe { own(libc::epoll_create1(libc::EPOLL_CLOEXEC)) }
}

/// Deletes `fd`, which is not there.
fn delete(epoll: &OwnedFd, fd: RawFd) -> io::Result<()> {
    // SAFETY: the kernel does not read the event of a deletion.
    let deleted = check(unsafe {
        libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_DEL, fd, ptr::null_mut())
    });
    match deleted {
        Err(error) if error.raw_os_error() != Some(libc::ENOENT) => Err(error),
        _ => Ok(()),
    }
}
