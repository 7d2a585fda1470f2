//! In the place of the library's `unix/mod.rs`: what the selectors ask of it.

use std::io;
use std::os::fd::RawFd;

use super::backend;
use crate::{Interest, Token};

pub(crate) type Handle = RawFd;

pub(crate) trait FdSelector: backend::Selector {
    fn add(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()>;
    fn modify(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()>;
    fn remove(&self, fd: RawFd) -> io::Result<()>;
}

pub(crate) fn check(result: i32) -> io::Result<i32> {
    assert_ne!(result, -1, "nothing fails here");
    Ok(result)
}
