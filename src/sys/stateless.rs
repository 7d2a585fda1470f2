//! The registration of backends whose kernel remembers it: the source keeps
//! nothing, and an edge needs no arming.

use std::io;
use std::os::fd::RawFd;

use super::Selector;
use crate::sys::backend::{self, Outcome};
use crate::sys::FdSelector as _;
use crate::{Interest, Token};

#[derive(Default)]
pub(crate) struct Registration;

impl backend::Registration<Selector> for Registration {
    #[inline]
    fn register(
        &mut self,
        selector: &Selector,
        fd: RawFd,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        selector.add(fd, token, interest)
    }

    #[inline]
    fn reregister(
        &mut self,
        selector: &Selector,
        fd: RawFd,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        selector.modify(fd, token, interest)
    }

    #[inline]
    fn deregister(&mut self, selector: &Selector, fd: RawFd) -> io::Result<()> {
        selector.remove(fd)
    }

    #[inline]
    fn rearm(&self, _: Interest, _: Outcome<'_>) {}
}
