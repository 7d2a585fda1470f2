//! Event loops other than mio, as little as the operations need of them.

use std::os::fd::RawFd;
use std::time::Duration;

pub mod bare;
#[cfg(any(has_libuv, has_libevent))]
pub mod c;
pub mod polling;

pub trait Loop: Sized + 'static {
    /// Whether registrations go to the kernel at once. Where they wait for the next turn,
    /// there is nothing to be timed.
    const REGISTERS_AT_ONCE: bool = true;

    fn new() -> Self;

    /// Watches whether `fd` is readable; `edge` where the loop has edge triggering.
    fn add(&mut self, fd: RawFd, key: usize, edge: bool);

    fn remove(&mut self, fd: RawFd, key: usize);

    /// Waits once, and hands out the keys of what is ready. For a wake that is any key.
    fn turn(&mut self, timeout: Option<Duration>, ready: impl FnMut(usize));

    fn wake(&self);
}
