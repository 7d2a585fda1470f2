//! Runs random programs on the library, and compares the events with a model of its promises.
//!
//! * [`model`] is the definition: which events must, may and must not come.
//! * [`script`] defines the operations of a program.
//! * [`world`] creates sources, and queries their state in the system.
//! * [`run`] runs a script, and compares.
//! * [`search`] generates scripts, and shrinks those that diverge.
//!
//! See `proofs/README.md` for how to run it.

pub mod model;
pub mod run;
pub mod script;
pub mod search;
pub mod world;
