//! In the place of the library's table: the real files, over a modelled system.

use std::io;
use std::os::fd::RawFd;

use crate::{Interest, Token};

include!(concat!(env!("OUT_DIR"), "/sys_modules.rs"));

pub use event::Event;

#[cfg(not(feature = "edge"))]
include!(concat!(env!("OUT_DIR"), "/poll2.rs"));
#[cfg(not(feature = "edge"))]
use poll2 as selector;

#[cfg(feature = "edge")]
#[path = "edge.rs"]
mod selector;

#[path = "bell.rs"]
mod bell;

mod family {
    pub(crate) use super::{check, check_pollable, not_found, FdSelector};
}

pub(crate) type Handle = RawFd;
pub(crate) use selector::{Selector, Waker};
pub(crate) type RawEvent = <Selector as seam::Selector>::RawEvent;
pub(crate) type Registration = <Selector as seam::Selector>::Registration;

pub(crate) trait FdSelector: seam::Selector {
    fn add(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()>;
    fn modify(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()>;
    fn remove(&self, fd: RawFd) -> io::Result<()>;
}

pub(crate) fn check(result: i32) -> io::Result<i32> {
    assert_ne!(result, -1, "nothing fails here");
    Ok(result)
}

pub(crate) fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

pub(crate) fn check_pollable(_: RawFd) -> io::Result<()> {
    Ok(())
}
