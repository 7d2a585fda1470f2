//! Descriptors of sources: access, and the conversions, for all types.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use super::fd::status_flags;
use super::Handle;
use crate::io_source::IoSource;

/// Sources that have a handle.
pub(crate) trait AsHandle {
    fn as_handle(&self) -> Handle;

    /// Returns whether operations block instead of returning `WouldBlock`.
    fn is_blocking(&self) -> bool {
        matches!(status_flags(self.as_handle()), Ok(flags) if flags & libc::O_NONBLOCK == 0)
    }
}

impl<T: AsRawFd> AsHandle for T {
    #[inline]
    fn as_handle(&self) -> Handle {
        self.as_raw_fd()
    }
}

/// Implements every conversion for types whose field `inner` is an [`IoSource`].
macro_rules! impl_handles {
    ($($type:ty),+ $(,)?) => {$(
        impl AsFd for $type {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.inner.io().as_fd()
            }
        }

        impl AsRawFd for $type {
            fn as_raw_fd(&self) -> RawFd {
                self.inner.io().as_raw_fd()
            }
        }

        impl IntoRawFd for $type {
            fn into_raw_fd(self) -> RawFd {
                self.inner.into_io().into_raw_fd()
            }
        }

        impl From<$type> for OwnedFd {
            fn from(source: $type) -> OwnedFd {
                source.inner.into_io().into()
            }
        }

        /// Does not change the mode of the descriptor, which must be non-blocking.
        impl From<OwnedFd> for $type {
            fn from(fd: OwnedFd) -> $type {
                let inner = IoSource::new(fd.into());
                Self { inner }
            }
        }

        /// Does not change the mode of the descriptor, which must be non-blocking.
        impl FromRawFd for $type {
            unsafe fn from_raw_fd(fd: RawFd) -> $type {
                // SAFETY: the caller guarantees that `fd` is open and owned by nothing else.
                unsafe { OwnedFd::from_raw_fd(fd) }.into()
            }
        }
    )+};
}

#[cfg(feature = "net")]
impl_handles! {
    crate::net::TcpListener,
    crate::net::TcpStream,
    crate::net::UdpSocket,
}

#[cfg(all(unix, feature = "net"))]
impl_handles! {
    crate::net::UnixDatagram,
    crate::net::UnixListener,
    crate::net::UnixStream,
}

#[cfg(all(unix, feature = "os-ext"))]
impl_handles! {
    crate::unix::pipe::Receiver,
    crate::unix::pipe::Sender,
}
