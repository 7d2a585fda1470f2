//! What only Windows has.
//!
//! * [`NamedPipe`] is either end of a named pipe.

mod named_pipe;

pub use named_pipe::NamedPipe;
