//! Extensions that are specific to Unix.
//!
//! Requires the feature `os-ext`.
//!
//! * [`SourceFd`] registers any descriptor that can be polled; see also
//!   [`IoSource`](crate::IoSource).
//! * [`pipe`] contains pipes, including the ends of pipes to child processes.

pub mod pipe;

pub use crate::source_fd::SourceFd;
