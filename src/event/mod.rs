//! Events and their sources.
//!
//! * [`Source`] is the trait of everything that can be registered with a [`Poll`](crate::Poll).
//! * [`Events`] is the buffer that [`Poll::poll`](crate::Poll::poll) fills.
//! * [`Event`] is an entry in that buffer: the token of a source and its readiness.

mod events;
mod source;

pub use crate::sys::Event;
pub use events::{Events, Iter};
pub use source::Source;
