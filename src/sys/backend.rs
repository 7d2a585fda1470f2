//! The interface between the public types and a backend.
//!
//! Everything above `sys/` is written against these traits and used with static
//! dispatch through the aliases of [`super`]; a backend that leaves something
//! out does not compile, and the error names what is missing.
//!
//! # Who remembers a registration
//!
//! Backends come in two kinds, and [`Registration`] is where they differ:
//!
//! * The kernel remembers (epoll, kqueue). An operation that would block needs no
//!   follow-up, and dropping a source unregisters it because closing the
//!   descriptor does. On epoll the source keeps nothing: `stateless.rs`. On
//!   kqueue it keeps its token and interest, since a change of mode is
//!   submitted in another way.
//! * We remember (poll(2), event ports, AFD). The system is asked anew for every
//!   wait and answers with levels, or once; we make edges of them. Then the source
//!   must say when an edge is used up: `rearm`. `rearming.rs` is that
//!   kind's `Registration`, and the state machine that all of the kind share.
//!
//! # Waking
//!
//! That wakes unite is settled above `sys` (`WakeFlag`). A backend owes the
//! following order: `select` drains the wake object, where it needs draining, only
//! if the object's own record is among what the system reported, and before
//! `select` returns.

use std::time::Duration;
use std::{fmt, io};

use super::{Event, Handle};
use crate::readiness::Readiness;
use crate::{Interest, Token};

/// An event queue of the operating system.
pub(crate) trait Selector: fmt::Debug + Send + Sync + Sized {
    /// One event as the system wrote it.
    type RawEvent: RawEvent;
    /// What a source remembers of its registration.
    type Registration: Registration<Self>;

    #[cfg(feature = "os-poll")]
    fn new() -> io::Result<Self>;

    /// Makes a handle to the same queue.
    fn try_clone(&self) -> io::Result<Self>;

    /// Blocks until an event, `timeout`, or a signal (`Interrupted`), and
    /// puts at least one event into `events` unless the timeout passed.
    ///
    /// `events` has room for at least one, and is not to grow. It is empty on
    /// entry, and after an error. Other buffers that the call needs belong to the
    /// selector; one thread calls at a time. A timeout is never cut short: it is
    /// rounded up to the system's unit, and zero is the only one that does not
    /// block.
    fn select(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()>;
}

/// The two questions that a system's event answers, and how it looks in `{:#?}`.
pub(crate) trait RawEvent: Clone {
    fn token(&self) -> Token;
    fn readiness(&self) -> Readiness;
    /// Writes the system's flags by the names that its manual gives them.
    fn fmt_flags(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// What a source remembers of its registration with an `S`.
///
/// Dropped while registered, it ends the registration if it is ours to end.
pub(crate) trait Registration<S>: Default + Send + Sync {
    /// `AlreadyExists` if `handle` is registered with `selector`.
    fn register(
        &mut self,
        selector: &S,
        handle: Handle,
        token: Token,
        interest: Interest,
    ) -> io::Result<()>;

    /// Replaces token, interest and mode, and arms all directions anew.
    /// `NotFound` if `handle` is not registered with `selector`.
    fn reregister(
        &mut self,
        selector: &S,
        handle: Handle,
        token: Token,
        interest: Interest,
    ) -> io::Result<()>;

    /// No `select` that starts later reports the source.
    /// `NotFound` if `handle` is not registered with `selector`.
    fn deregister(&mut self, selector: &S, handle: Handle) -> io::Result<()>;

    /// An operation in `directions` has used up an edge: where edges are emulated, watch
    /// again what that shows to be worth it.
    fn rearm(&self, directions: Interest, outcome: Outcome<'_>);
}

/// How an operation ended that may have used up an edge.
#[derive(Copy, Clone, Debug)]
pub(crate) enum Outcome<'a> {
    /// It moved less than was asked for.
    Short,
    Failed(&'a io::Error),
    /// It returned the pending error of the socket as its value.
    ErrorTaken,
}

/// Wakes a selector from any thread.
pub(crate) trait Wake<S>: fmt::Debug + Send + Sync + Sized {
    fn new(selector: &S, token: Token) -> io::Result<Self>;

    /// Makes the running or the next `select` report the waker's token, readable.
    ///
    /// Each call after the delivery of an event leads to a new event. Calls may
    /// come from several threads at once.
    fn wake(&self) -> io::Result<()>;
}
