//! The common implementation of all sockets and pipes of this crate.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};

use crate::sys::backend::{Outcome, Registration as _, Selector};
use crate::sys::{self, AsHandle};
use crate::{Interest, Registry, Token};

/// An I/O object and its registration.
///
/// All I/O goes through [`try_io`](IoSource::try_io) or [`transfer`](IoSource::transfer), so that
/// the backends that emulate edge triggering learn when a direction must be watched again. On the
/// other backends both compile to the bare operation.
pub(crate) struct IoSource<T> {
    // Declared before `io`, so that the registration ends while the handle is still open.
    registration: <sys::Selector as Selector>::Registration,
    #[cfg(debug_assertions)]
    owner: owner::Owner,
    io: T,
}

impl<T> IoSource<T> {
    pub(crate) fn new(io: T) -> IoSource<T> {
        IoSource {
            registration: Default::default(),
            #[cfg(debug_assertions)]
            owner: Default::default(),
            io,
        }
    }

    /// Returns the object, for operations that neither transfer data nor block.
    #[inline]
    pub(crate) fn io(&self) -> &T {
        &self.io
    }

    /// Returns the object. A registration in the kernel stays with it; a registration in a table of
    /// this crate ends.
    pub(crate) fn into_io(self) -> T {
        self.io
    }

    /// Runs `operation`, and rearms `directions` if it fails: `WouldBlock` ends an edge, and any
    /// other error may have been the pending error of the object, which is then cleared.
    #[inline]
    pub(crate) fn try_io<R>(
        &self,
        directions: Interest,
        operation: impl FnOnce(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.run(directions, operation, |result| {
            result.as_ref().err().map(Outcome::Failed)
        })
    }

    /// Runs `operation`, and rearms `directions` if its result has an outcome that ends an edge.
    #[inline]
    fn run<R>(
        &self,
        directions: Interest,
        operation: impl FnOnce(&T) -> io::Result<R>,
        outcome_of: impl FnOnce(&io::Result<R>) -> Option<Outcome<'_>>,
    ) -> io::Result<R> {
        let result = operation(&self.io);
        if let Some(outcome) = outcome_of(&result) {
            self.registration.rearm(directions, outcome);
        }
        result
    }

    /// Runs an operation of a byte stream on `wanted` bytes. A short transfer ends an edge too: it
    /// has usually emptied or filled the kernel's buffer, and programs treat it as a `WouldBlock`.
    #[inline]
    pub(crate) fn transfer(
        &self,
        direction: Interest,
        wanted: usize,
        operation: impl FnOnce(&T) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.run(direction, operation, |result| match result {
            Ok(moved) => (0 < *moved && *moved < wanted).then_some(Outcome::Short),
            Err(error) => Some(Outcome::Failed(error)),
        })
    }

    /// Runs an operation that takes, or may take, the first of a queue of connections or datagrams.
    /// A failed operation may have removed it, or an error before it, and what is left in the queue
    /// must still be reported.
    #[inline]
    pub(crate) fn take<R>(
        &self,
        directions: Interest,
        operation: impl FnOnce(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.run(directions, operation, |result| {
            result.as_ref().err().map(Outcome::FailedToTake)
        })
    }
}

#[cfg(feature = "net")]
impl<T> IoSource<T> {
    /// Returns and clears the pending error of a socket, which may be usable afterwards.
    pub(crate) fn take_error(
        &self,
        operation: impl FnOnce(&T) -> io::Result<Option<io::Error>>,
    ) -> io::Result<Option<io::Error>> {
        self.run(BOTH, operation, |result| {
            matches!(result, Ok(Some(_))).then_some(Outcome::ErrorTaken)
        })
    }
}

/// The directions to rearm after an operation of unknown kind.
#[allow(dead_code)] // Of the types without `net`, only pipes have them.
pub(crate) const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

impl<T: AsHandle> IoSource<T> {
    pub(crate) fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        #[cfg(debug_assertions)]
        self.owner.check_free()?;
        self.registration
            .register(registry.selector(), self.io.as_handle(), token, interest)?;
        #[cfg(debug_assertions)]
        self.owner.set(registry);
        // Not an error, so that programs in which this happened to work continue to do so.
        debug_warn!(
            self.io.is_blocking(),
            "the source registered with {token:?} blocks, and can stall the event loop: \
             call `set_nonblocking(true)` on it, before `from_std` if it is the standard library's"
        );
        Ok(())
    }

    pub(crate) fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        #[cfg(debug_assertions)]
        self.owner.check_for_change(registry)?;
        self.registration
            .reregister(registry.selector(), self.io.as_handle(), token, interest)
    }

    pub(crate) fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        #[cfg(debug_assertions)]
        self.owner.check_for_removal(registry)?;
        let result = self
            .registration
            .deregister(registry.selector(), self.io.as_handle());
        // A source that the system does not find is not registered either: it was deregistered
        // through a `SourceFd`.
        #[cfg(debug_assertions)]
        match &result {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {}
            _ => self.owner.clear(),
        }
        result
    }
}

impl<T: fmt::Debug> fmt::Debug for IoSource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.io.fmt(f)
    }
}

/// Returns the total length of a list of buffers. The buffers of a write may overlap, so the sum
/// can overflow.
fn total(lengths: impl Iterator<Item = usize>) -> usize {
    lengths.fold(0, usize::saturating_add)
}

/// Byte streams, whose operations can be short.
impl<T> Read for &IoSource<T>
where
    for<'a> &'a T: Read,
{
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.transfer(Interest::READABLE, buf.len(), |mut io| io.read(buf))
    }

    #[inline]
    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let wanted = total(bufs.iter().map(|buf| buf.len()));
        self.transfer(Interest::READABLE, wanted, |mut io| io.read_vectored(bufs))
    }
}

impl<T> Write for &IoSource<T>
where
    for<'a> &'a T: Write,
{
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.transfer(Interest::WRITABLE, buf.len(), |mut io| io.write(buf))
    }

    #[inline]
    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let wanted = total(bufs.iter().map(|buf| buf.len()));
        self.transfer(Interest::WRITABLE, wanted, |mut io| io.write_vectored(bufs))
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        self.try_io(Interest::WRITABLE, |mut io| io.flush())
    }
}

/// Implements `io::Read` for types whose field `inner` can be read by reference.
macro_rules! impl_read {
    ($($type:ty),+) => {$(
        impl_read! { @generic [] $type, [] }
    )+};
    (@generic [$($parameters:tt)*] $type:ty, [$($bounds:tt)*]) => {
        impl $($parameters)* std::io::Read for $type $($bounds)* {
            #[inline]
            fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
                std::io::Read::read(&mut &self.inner, buf)
            }

            #[inline]
            fn read_vectored(
                &mut self,
                bufs: &mut [std::io::IoSliceMut<'_>],
            ) -> std::io::Result<usize> {
                std::io::Read::read_vectored(&mut &self.inner, bufs)
            }
        }
    };
}

/// Implements `io::Write` for types whose field `inner` can be written by reference.
macro_rules! impl_write {
    ($($type:ty),+) => {$(
        impl_write! { @generic [] $type, [] }
    )+};
    (@generic [$($parameters:tt)*] $type:ty, [$($bounds:tt)*]) => {
        impl $($parameters)* std::io::Write for $type $($bounds)* {
            #[inline]
            fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
                std::io::Write::write(&mut &self.inner, buf)
            }

            #[inline]
            fn write_vectored(
                &mut self,
                bufs: &[std::io::IoSlice<'_>],
            ) -> std::io::Result<usize> {
                std::io::Write::write_vectored(&mut &self.inner, bufs)
            }

            #[inline]
            fn flush(&mut self) -> std::io::Result<()> {
                std::io::Write::flush(&mut &self.inner)
            }
        }
    };
}

/// Implements `event::Source` for types whose field `inner` can be registered like an [`IoSource`].
/// The mark informs the backend of the kind of source.
macro_rules! impl_source {
    ($type:ty $(, $mark:ident)?) => {
        impl_source! { @generic [] $type $(, $mark)? }
    };
    (@generic [$($parameters:tt)*] $type:ty $(, $mark:ident)?) => {
        impl $($parameters)* crate::event::Source for $type {
            #[inline]
            fn register(
                &mut self,
                registry: &crate::Registry,
                token: crate::Token,
                interest: crate::Interest,
            ) -> std::io::Result<()> {
                self.inner.register(registry, token, interest$(.$mark())?)
            }

            #[inline]
            fn reregister(
                &mut self,
                registry: &crate::Registry,
                token: crate::Token,
                interest: crate::Interest,
            ) -> std::io::Result<()> {
                self.inner.reregister(registry, token, interest$(.$mark())?)
            }

            #[inline]
            fn deregister(&mut self, registry: &crate::Registry) -> std::io::Result<()> {
                self.inner.deregister(registry)
            }
        }
    };
}

// Behind the macros, which it uses.
#[cfg(feature = "os-ext")]
pub(crate) mod any;

/// The check of debug builds that a source is registered only once and with one poll. The kernel
/// detects that a source is registered twice with the same poll, but not that it is registered with
/// two polls.
#[cfg(debug_assertions)]
mod owner {
    use std::io;

    use crate::sync::Arc;
    use crate::sys::error::{already_registered, not_registered, registered_elsewhere};
    use crate::wake_flag::WakeFlag;
    use crate::Registry;

    /// The poll that a source is registered with, represented by its wake flag.
    #[derive(Default)]
    pub(super) struct Owner(Option<Arc<WakeFlag>>);

    impl Owner {
        pub(super) fn check_free(&self) -> io::Result<()> {
            match self.0 {
                None => Ok(()),
                Some(_) => Err(already_registered()),
            }
        }

        pub(super) fn check_for_change(&self, registry: &Registry) -> io::Result<()> {
            match &self.0 {
                Some(flag) if Arc::ptr_eq(flag, registry.wake_flag()) => Ok(()),
                Some(_) => Err(registered_elsewhere()),
                None => Err(not_registered()),
            }
        }

        pub(super) fn check_for_removal(&self, registry: &Registry) -> io::Result<()> {
            self.check_for_change(registry)
                .map_err(|_| not_registered())
        }

        pub(super) fn set(&mut self, registry: &Registry) {
            self.0 = Some(Arc::clone(registry.wake_flag()));
        }

        pub(super) fn clear(&mut self) {
            self.0 = None;
        }
    }
}
