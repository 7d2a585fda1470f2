//! Metal I/O: a thin, non-blocking I/O library.
//!
//! TODO crate page
#![deny(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[macro_use]
mod trace;

mod interest;
mod poll;
mod readiness;
mod registry;
mod sync;
mod sys;
mod token;
mod wake_flag;
mod waker;

#[cfg(any(feature = "net", feature = "os-ext"))]
#[macro_use]
mod io_source;

pub mod event;
pub mod features;
pub mod guide;
#[cfg(feature = "net")]
pub mod net;
#[cfg(all(unix, feature = "os-ext"))]
pub mod unix;

pub use event::Events;
pub use interest::Interest;
pub use poll::Poll;
pub use registry::Registry;
pub use token::Token;
pub use waker::Waker;
