//! The API of mio 0.8 on top of this library.
//!
//! Programs and libraries written for mio 0.8 run unmodified on this crate, through an entry in the
//! `Cargo.toml` of the program:
//!
//! ```toml
//! [patch.crates-io]
//! mio = { path = "…/compat/mio-0.8" }
//! ```
//!
//! Every item is version 1's, re-exported: the same type in both versions. The exceptions are the
//! Unix domain sockets and their addresses in [`net`], whose signatures differ. They convert from
//! and into version 1's types, and a poll of either version accepts them.
//!
//! The features are 0.8's: `os-poll`, `os-ext`, `net` and `log` (default).
#![cfg_attr(not(feature = "net"), allow(rustdoc::broken_intra_doc_links))]

pub use mio_1::*;

#[cfg(feature = "net")]
pub mod net;
