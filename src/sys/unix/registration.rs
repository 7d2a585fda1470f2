//! The registrations of sources with selectors that identify them by descriptor. Those whose kernel
//! remembers everything keep nothing with the source.

use std::io;
use std::marker::PhantomData;
use std::os::fd::RawFd;

use crate::sys::backend;
use crate::{Interest, Token};

/// A selector that identifies sources by descriptor, so that a bare descriptor can be registered.
pub(crate) trait FdSelector: backend::Selector {
    /// Fails with `AlreadyExists` if `fd` is registered, with `EPERM` if it cannot be polled, and
    /// with `EBADF` if it is not open.
    fn add(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()>;
    /// Fails with `NotFound` if `fd` is not registered.
    fn modify(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()>;
    /// Fails with `NotFound` if `fd` is not registered.
    fn remove(&self, fd: RawFd) -> io::Result<()>;
}

/// The registration with a selector whose kernel remembers everything: the source stores nothing,
/// and an edge does not have to be armed.
pub(crate) struct Stateless<S>(PhantomData<fn() -> S>);

impl<S> Default for Stateless<S> {
    fn default() -> Stateless<S> {
        Stateless(PhantomData)
    }
}

impl<S: FdSelector> backend::Registration<S> for Stateless<S> {
    #[inline]
    fn register(
        &mut self,
        selector: &S,
        fd: RawFd,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        selector.add(fd, token, interest)
    }

    #[inline]
    fn reregister(
        &mut self,
        selector: &S,
        fd: RawFd,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        selector.modify(fd, token, interest)
    }

    #[inline]
    fn deregister(&mut self, selector: &S, fd: RawFd) -> io::Result<()> {
        selector.remove(fd)
    }
}
