//! The interface between the public types and a backend.
//!
//! The public types use these traits, through the aliases of [`super`] and thus without dynamic
//! dispatch. A backend that lacks something does not compile, and the error names what is missing.
//!
//! # Where registrations are kept
//!
//! There are two kinds of backends, which differ in [`Registration`]:
//!
//! * The kernel keeps the registrations (epoll, kqueue). An operation that would block needs no
//!   further action, and dropping a source deregisters it, because closing the descriptor does. On
//!   epoll a source stores nothing (`unix/registration.rs`). On kqueue it stores its token and
//!   interest, because a change of mode is submitted differently.
//! * The backend keeps the registrations (poll(2), event ports, AFD). The system reports levels, or
//!   reports once and must be asked again; the backend derives edges. The source calls `rearm` when
//!   an operation may have used up an edge. `edge/linked.rs` is the registration of this kind,
//!   `unix/table.rs` and `windows/socket.rs` have the records, and `edge.rs` is the state machine.
//!
//! # Waking
//!
//! Wakes are coalesced above this interface, by `WakeFlag`. A backend has to keep this order:
//! `select` drains a wake object that needs it only if the system reported that object, and before
//! it returns.

use std::time::Duration;
use std::{fmt, io};

use super::{Event, Handle};
use crate::readiness::Readiness;
use crate::{Interest, Token};

/// An event queue of the operating system.
pub(crate) trait Selector: fmt::Debug + Send + Sync + Sized {
    /// An event as the system writes it.
    type RawEvent: RawEvent;
    /// What a source stores of its registration.
    type Registration: Registration<Self>;

    fn new() -> io::Result<Self>;

    /// Returns another handle to the same queue.
    fn try_clone(&self) -> io::Result<Self>;

    /// Blocks until there is an event, until `timeout`, or until a signal (`Interrupted`). Stores
    /// at least one event in `events`, unless the timeout has passed.
    ///
    /// `events` has capacity for at least one event and must not grow. It is empty on entry, and
    /// after an error. Other buffers that the call needs belong to the selector; only one thread
    /// calls at a time. A timeout is never shortened: it is rounded up to the system's unit, and
    /// only zero does not block.
    fn select(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()>;
}

/// An event of the system.
pub(crate) trait RawEvent: Clone {
    /// The event as the system would report a wake: readable, and nothing else.
    fn of_wake(token: Token) -> Self;
    fn token(&self) -> Token;
    fn readiness(&self) -> Readiness;
    /// Writes the flags, by the names that the system's manual gives them, for `{:#?}`.
    fn fmt_flags(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// What a source stores of its registration with an `S`.
///
/// Dropping it while it is registered ends a registration that the backend keeps.
pub(crate) trait Registration<S>: Default + Send + Sync {
    /// Fails with `AlreadyExists` if `handle` is registered with `selector`.
    fn register(
        &mut self,
        selector: &S,
        handle: Handle,
        token: Token,
        interest: Interest,
    ) -> io::Result<()>;

    /// Replaces the token, the interest and the mode, and arms all directions. Fails with
    /// `NotFound` if `handle` is not registered with `selector`.
    fn reregister(
        &mut self,
        selector: &S,
        handle: Handle,
        token: Token,
        interest: Interest,
    ) -> io::Result<()>;

    /// A `select` that starts later does not report the source. Fails with `NotFound` if `handle`
    /// is not registered with `selector`.
    fn deregister(&mut self, selector: &S, handle: Handle) -> io::Result<()>;

    /// An operation in `directions` may have used up an edge. Backends that emulate edges watch for
    /// the next one.
    #[inline]
    fn rearm(&self, _directions: Interest, _outcome: Outcome<'_>) {}
}

/// The outcome of an operation that may have used up an edge.
#[derive(Copy, Clone, Debug)]
pub(crate) enum Outcome<'a> {
    /// It transferred less than was requested.
    Short,
    Failed(&'a io::Error),
    /// It failed, and may have removed the first of a queue of connections or messages.
    FailedToTake(&'a io::Error),
    /// It returned the pending error of the socket as its value.
    ErrorTaken,
}

/// Wakes a selector from any thread.
pub(crate) trait Wake<S>: fmt::Debug + Send + Sync + Sized {
    fn new(selector: &S, token: Token) -> io::Result<Self>;

    /// Makes the running `select`, or the next one, report the waker's token as readable.
    ///
    /// A call after an event was delivered causes a new event. Several threads may call at once.
    fn wake(&self) -> io::Result<()>;
}
