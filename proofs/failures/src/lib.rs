//! See `tests/failures.rs`: what stands in for the C library has to be part of the program.
