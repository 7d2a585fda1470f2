//! A bell: in the model it rings for `poll`, or for the modelled queue of `edge.rs`.

use std::io;
use std::os::fd::RawFd;

/// No source has that number.
pub(crate) const BELL: RawFd = 1;

#[derive(Debug)]
pub(crate) struct Bell;

impl Bell {
    pub(super) const RINGS_ONLY_OUT_OF_SILENCE: bool = cfg!(feature = "pipe");

    pub(super) fn new() -> io::Result<Bell> {
        Ok(Bell)
    }

    pub(super) fn fd(&self) -> RawFd {
        BELL
    }

    #[cfg(not(feature = "edge"))]
    pub(super) fn ring(&self) -> io::Result<()> {
        libc::make_ready(BELL, libc::POLLIN);
        Ok(())
    }

    #[cfg(not(feature = "edge"))]
    pub(super) fn silence(&self) -> io::Result<()> {
        libc::make_unready(BELL);
        Ok(())
    }

    #[cfg(feature = "edge")]
    pub(super) fn ring(&self) -> io::Result<()> {
        super::selector::ring();
        Ok(())
    }

    #[cfg(feature = "edge")]
    pub(super) fn silence(&self) -> io::Result<()> {
        super::selector::silence();
        Ok(())
    }
}
