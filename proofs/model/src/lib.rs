//! Random programs on the real library, held against a model of what it promises.
//!
//! * [`model`] is the definition: which events must, may and must not come.
//! * [`script`] is what programs may do.
//! * [`world`] makes sources, and asks the system what is true of them.
//! * [`run`] carries a script out, and compares.
//! * [`search`] makes scripts, and shrinks those that diverge.
//!
//! See `proofs/README.md` for how to run it.

pub mod model;
pub mod run;
pub mod script;
pub mod search;
pub mod world;
