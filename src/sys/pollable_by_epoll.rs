//! Which descriptors can be registered with poll(2) on Linux: those that epoll takes, which the
//! type of the file does not tell. `/dev/null` is a character device and always ready;
//! `/proc/self/mountinfo` is a regular file and can be waited for.
//!
//! An empty epoll is asked to *delete* the descriptor. The kernel looks at the file first, as it
//! does before it adds one: `ENOENT` means that it could have been there. Adding it instead would
//! poll the file once, which may use up an event of it, such as that of a pressure trigger.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use super::family::{check, check_pollable};

pub(super) struct Pollable {
    /// Always empty. `None` where a sandbox forbids epoll, or the kernel lacks it.
    epoll: Option<OwnedFd>,
}

impl Pollable {
    /// `pollable` is a descriptor that epoll is known to take: an error for it is about epoll.
    pub(super) fn new(pollable: RawFd) -> io::Result<Pollable> {
        let epoll = create().and_then(|epoll| ask(&epoll, pollable).map(|()| epoll));
        match epoll {
            Ok(epoll) => Ok(Pollable { epoll: Some(epoll) }),
            Err(error) if is_refusal(&error) => Ok(Pollable { epoll: None }),
            Err(error) => Err(error),
        }
    }

    /// `EPERM` if `fd` cannot be registered, `EBADF` if it is not open.
    pub(super) fn check(&self, fd: RawFd) -> io::Result<()> {
        match &self.epoll {
            Some(epoll) => ask(epoll, fd),
            None => check_pollable(fd),
        }
    }
}

fn create() -> io::Result<OwnedFd> {
    // SAFETY: takes no pointer.
    let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
    // SAFETY: the kernel just made `fd` for us; nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn ask(epoll: &OwnedFd, fd: RawFd) -> io::Result<()> {
    // SAFETY: the kernel does not read the event of a deletion.
    let deleted = check(unsafe {
        libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_DEL, fd, ptr::null_mut())
    });
    match deleted {
        Err(error) if error.raw_os_error() != Some(libc::ENOENT) => Err(error),
        _ => Ok(()),
    }
}

fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOSYS | libc::EPERM | libc::EACCES)
    )
}
