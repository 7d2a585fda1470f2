//! No bell, for systems without threads: while a call is running nobody is there to ring.

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
