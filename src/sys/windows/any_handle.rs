//! Sockets of objects of any type.

use std::os::windows::io::{AsRawSocket, AsSocket, BorrowedSocket, RawSocket};

use super::{AsHandle, Handle};
use crate::io_source::any::{IoSource, Object};

/// What an object of any type must have to be a source.
pub(crate) use std::os::windows::io::AsSocket as AsObject;

impl<T: AsSocket> AsHandle for Object<T> {
    fn as_handle(&self) -> Handle {
        self.inner.as_socket().as_raw_socket()
    }
}

impl<T: AsSocket> AsSocket for IoSource<T> {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        self.get_ref().as_socket()
    }
}

impl<T: AsRawSocket> AsRawSocket for IoSource<T> {
    fn as_raw_socket(&self) -> RawSocket {
        self.get_ref().as_raw_socket()
    }
}
