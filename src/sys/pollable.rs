//! Which descriptors can be registered, where epoll cannot be asked: by the type of the file.

use std::io;
use std::os::fd::RawFd;

use super::family::check_pollable;

pub(super) struct Pollable;

impl Pollable {
    pub(super) fn new(_: RawFd) -> io::Result<Pollable> {
        Ok(Pollable)
    }

    /// `EPERM` if `fd` cannot be registered, `EBADF` if it is not open.
    pub(super) fn check(&self, fd: RawFd) -> io::Result<()> {
        check_pollable(fd)
    }
}
