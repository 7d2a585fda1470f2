//! No wake descriptor. On WASI there is no other thread that could notify a running poll. Horizon
//! has threads, but neither pipes nor socket pairs: what another thread changes takes effect in
//! the next call.

use std::io;
use std::os::fd::RawFd;

#[derive(Debug)]
pub(crate) struct WakeFd;

impl WakeFd {
    pub(crate) const EDGE_ONLY_WHEN_EMPTY: bool = false;

    pub(crate) fn new() -> io::Result<WakeFd> {
        Ok(WakeFd)
    }

    /// Returns a number that is not a descriptor.
    pub(crate) fn fd(&self) -> RawFd {
        -1
    }

    pub(crate) fn notify(&self) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn drain(&self) -> io::Result<()> {
        Ok(())
    }
}
