//! Makes the compiler name the missing feature where a program calls `Poll::new` without `os-poll`.
//!
//! For a module that is left out the compiler does so by itself, for a function it does not.
//! `diagnostic::on_unimplemented` needs a newer Rust than the crate, so the names are the message.

use std::io;

use crate::Poll;

/// Implemented by nothing.
pub trait IncludeOsPoll {}

/// The features that the crate is built with.
#[derive(Debug)]
pub enum EnabledFeatures {}

impl Poll {
    /// Cannot be called. The lifetime leaves checking the bound to the caller.
    #[doc(hidden)]
    pub fn new() -> io::Result<Poll>
    where
        for<'a> EnabledFeatures: IncludeOsPoll, // Cargo.toml: mio = { …, features = ["os-poll"] }
    {
        Err(io::ErrorKind::Unsupported.into())
    }
}
