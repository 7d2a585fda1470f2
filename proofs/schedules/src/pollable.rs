//! Every descriptor of the model can be polled.

use std::io;
use std::os::fd::RawFd;

pub(super) struct Pollable;

impl Pollable {
    pub(super) fn new(_: RawFd) -> io::Result<Pollable> {
        Ok(Pollable)
    }

    pub(super) fn check(&self, _: RawFd) -> io::Result<()> {
        Ok(())
    }
}
