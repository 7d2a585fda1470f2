//! The synchronisation primitives of the crate.
//!
//! Everything that two threads may touch at once goes through the types named
//! here, so that a model checker can take the place of the standard library by
//! replacing this one file.

#![allow(dead_code, unused_imports)] // Which of them are used depends on the backend.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
pub(crate) use std::sync::{Arc, Mutex, MutexGuard};

/// Locks `mutex`. A thread that panicked while it held the lock cannot have
/// left our tables half-changed (no code of a user runs under a lock), so a
/// poisoned lock is as good as any other.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
