//! What systems have whose I/O goes by descriptors, but that are no Unix.
//!
//! * [`SourceFd`] registers any descriptor that can be polled.

#[path = "unix/source_fd.rs"]
mod source_fd;

pub use source_fd::SourceFd;
