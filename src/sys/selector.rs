//! No row of the table names this target: one error, and types without values
//! that keep it from being followed by others.

compile_error!("mio has no event queue for this target: build it without the feature `os-poll`");

#[path = "none.rs"]
mod none;

pub(crate) use none::*;
