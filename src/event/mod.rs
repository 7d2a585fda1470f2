//! Events, and the sources that they come from.
//!
//! * [`Source`] is what can be registered with a [`Poll`](crate::Poll).
//! * [`Events`] is the buffer that [`Poll::poll`](crate::Poll::poll) fills.
//! * [`Event`] is one entry of it: a token and the readiness of its source.

mod events;
mod source;

pub use crate::sys::Event;
pub use events::{Events, Iter};
pub use source::Source;
