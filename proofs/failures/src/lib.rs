//! See `tests/failures/`: functions that replace those of the C library must be part of the program.
