//! No bell. On WASI nobody is there to ring while a call is running. Horizon has threads, but
//! neither pipes nor pairs of sockets: what another thread changes, the next call heeds.

use std::io;
use std::os::fd::RawFd;

#[derive(Debug)]
pub(crate) struct Bell;

impl Bell {
    pub(super) fn new() -> io::Result<Bell> {
        Ok(Bell)
    }

    /// No descriptor.
    pub(super) fn fd(&self) -> RawFd {
        -1
    }

    pub(super) fn ring(&self) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn silence(&self) -> io::Result<()> {
        Ok(())
    }
}
