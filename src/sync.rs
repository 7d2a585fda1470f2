//! The synchronisation primitives of the crate.
//!
//! Everything that several threads may access concurrently uses the types imported here, so that a
//! model checker can replace the standard library by replacing this file.

#![allow(dead_code, unused_imports)] // Which of them are used depends on the backend.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
pub(crate) use std::sync::{Arc, Mutex, MutexGuard};

/// Locks `mutex`, ignoring poisoning. No user code runs while a lock is held, so a thread that
/// panicked cannot have left the data in an inconsistent state.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
