//! Access to the event queue, on systems where it is a descriptor.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use crate::{Poll, Registry};

impl AsFd for Registry {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake_flag().watch();
        self.selector().as_fd()
    }
}

impl AsRawFd for Registry {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl AsFd for Poll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.registry().as_fd()
    }
}

impl AsRawFd for Poll {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
