//! Event loops other than mio, as far as the operations need them.

use std::os::fd::RawFd;
use std::time::Duration;

pub mod bare;
#[cfg(any(has_libuv, has_libevent))]
pub mod c;
pub mod polling;

pub trait Loop: Sized + 'static {
    /// Whether registrations take effect immediately. Those that wait for the next turn cannot be
    /// timed.
    const REGISTERS_AT_ONCE: bool = true;

    fn new() -> Self;

    /// Watches whether `fd` is readable, edge-triggered if `edge` is set and the loop supports it.
    fn add(&mut self, fd: RawFd, key: usize, edge: bool);

    fn remove(&mut self, fd: RawFd, key: usize);

    /// Waits once, and passes the keys of ready sources to `ready`. A wake has an arbitrary key.
    fn turn(&mut self, timeout: Option<Duration>, ready: impl FnMut(usize));

    fn wake(&self);
}
