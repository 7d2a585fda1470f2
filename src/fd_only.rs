//! Extensions for non-Unix systems that use file descriptors.
//!
//! Requires the feature `os-ext`.
//!
//! * [`SourceFd`] registers any descriptor that can be polled.

#[path = "unix/source_fd.rs"]
mod source_fd;

pub use source_fd::SourceFd;
