//! The waker of backends with edge triggering of the kernel's: a bell whose
//! descriptor is registered like any other.
//!
//! Nobody reads the bell when its event is delivered; each ring raises a new edge.
//! Dropping the waker closes the descriptor, which unregisters it.

use std::io;

use super::Selector;
use crate::sys::bell::Bell;
use crate::sys::{backend, FdSelector as _};
use crate::{Interest, Token};

#[derive(Debug)]
pub(crate) struct Waker {
    bell: Bell,
}

impl backend::Wake<Selector> for Waker {
    fn new(selector: &Selector, token: Token) -> io::Result<Waker> {
        let bell = Bell::new()?;
        selector.add(bell.fd(), token, Interest::READABLE)?;
        Ok(Waker { bell })
    }

    /// Rings so that an edge arises.
    ///
    /// A bell that raises one only when it rings out of silence is silenced
    /// *before* it is rung. Of several threads that do so at once the last to ring
    /// rings out of silence, or follows another's ring with no silencing between
    /// them; in that case it had called before that ring, whose event thus
    /// serves for both.
    #[inline]
    fn wake(&self) -> io::Result<()> {
        if Bell::RINGS_ONLY_OUT_OF_SILENCE {
            self.bell.silence()?;
        }
        match self.bell.ring() {
            Err(error) => self.ring_again(error),
            rung => rung,
        }
    }
}

impl Waker {
    /// What to do about a bell that was not rung.
    #[cold]
    fn ring_again(&self, error: io::Error) -> io::Result<()> {
        if error.kind() != io::ErrorKind::WouldBlock {
            return Err(error);
        }
        // The counter is full after 2⁶⁴ wakes.
        self.bell.silence()?;
        self.bell.ring()
    }
}
