//! What only Unix systems have.
//!
//! * [`SourceFd`] registers any descriptor that can be polled.
//! * [`pipe`] has pipes, and the ends of pipes to child processes.

pub mod pipe;
mod source_fd;

pub use source_fd::SourceFd;
