//! Replaces the library's module: a wake descriptor that notifies the modelled `poll`, or the
//! modelled queue of `edge.rs`.

use std::io;
use std::os::fd::RawFd;

/// No source has this number.
const NUMBER: RawFd = 1;

#[derive(Debug)]
pub(crate) struct WakeFd;

impl WakeFd {
    pub(crate) const EDGE_ONLY_WHEN_EMPTY: bool = cfg!(feature = "pipe");

    pub(crate) fn new() -> io::Result<WakeFd> {
        Ok(WakeFd)
    }

    pub(crate) fn fd(&self) -> RawFd {
        NUMBER
    }

    #[cfg(not(feature = "edge"))]
    pub(crate) fn notify(&self) -> io::Result<()> {
        libc::make_ready(NUMBER, libc::POLLIN);
        Ok(())
    }

    #[cfg(not(feature = "edge"))]
    pub(crate) fn drain(&self) -> io::Result<()> {
        libc::make_unready(NUMBER);
        Ok(())
    }

    #[cfg(feature = "edge")]
    pub(crate) fn notify(&self) -> io::Result<()> {
        crate::sys::selector::notify();
        Ok(())
    }

    #[cfg(feature = "edge")]
    pub(crate) fn drain(&self) -> io::Result<()> {
        crate::sys::selector::drain();
        Ok(())
    }
}
