//! No event queue: builds without the feature `os-poll`.
//!
//! The selector, its events and its waker are one type without values, so no `Poll`, `Registry` or
//! `Waker` can exist. None of their methods can be called, and none has to panic.

use std::time::Duration;
use std::{fmt, io};

use crate::readiness::Readiness;
use crate::sys::backend;
use crate::sys::{Event, Handle};
use crate::{Interest, Token};

#[derive(Clone, Debug)]
pub(crate) enum Selector {}

pub(crate) type Waker = Selector;

#[derive(Default)]
pub(crate) struct Unregistered;

impl backend::Selector for Selector {
    type RawEvent = Selector;
    type Registration = Unregistered;

    fn new() -> io::Result<Selector> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn try_clone(&self) -> io::Result<Selector> {
        match *self {}
    }

    fn select(&self, _: &mut Vec<Event>, _: Option<Duration>) -> io::Result<()> {
        match *self {}
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for Selector {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match *self {}
    }
}

impl backend::RawEvent for Selector {
    fn of_wake(_: Token) -> Selector {
        unreachable!("there is no poll to wake")
    }

    fn token(&self) -> Token {
        match *self {}
    }

    fn readiness(&self) -> Readiness {
        match *self {}
    }

    fn fmt_flags(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl backend::Registration<Selector> for Unregistered {
    fn register(
        &mut self,
        selector: &Selector,
        _: Handle,
        _: Token,
        _: Interest,
    ) -> io::Result<()> {
        match *selector {}
    }

    fn reregister(
        &mut self,
        selector: &Selector,
        _: Handle,
        _: Token,
        _: Interest,
    ) -> io::Result<()> {
        match *selector {}
    }

    fn deregister(&mut self, selector: &Selector, _: Handle) -> io::Result<()> {
        match *selector {}
    }
}

impl backend::Wake<Selector> for Waker {
    fn new(selector: &Selector, _: Token) -> io::Result<Waker> {
        match *selector {}
    }

    fn wake(&self) -> io::Result<()> {
        match *self {}
    }
}
