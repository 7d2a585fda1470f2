//! Extensions that are specific to Windows.
//!
//! Requires the feature `os-ext`.
//!
//! [`NamedPipe`] is either end of a named pipe.

mod named_pipe;

pub use named_pipe::NamedPipe;
