//! Descriptors of objects of any type.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use super::{AsHandle, Handle};
use crate::io_source::any::{IoSource, Object};

/// What an object of any type must have to be a source.
pub(crate) use std::os::fd::AsFd as AsObject;

impl<T: AsFd> AsHandle for Object<T> {
    fn as_handle(&self) -> Handle {
        self.inner.as_fd().as_raw_fd()
    }
}

impl<T: AsFd> AsFd for IoSource<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<T: AsRawFd> AsRawFd for IoSource<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.get_ref().as_raw_fd()
    }
}
