//! The conversions between sources and sockets, for all types.

use std::os::windows::io::{
    AsRawSocket, AsSocket, BorrowedSocket, FromRawSocket, IntoRawSocket, OwnedSocket, RawSocket,
};

use crate::io_source::IoSource;

/// Implements every conversion for types whose field `inner` is an [`IoSource`].
macro_rules! impl_handles {
    ($($type:ty),+ $(,)?) => {$(
        impl AsSocket for $type {
            fn as_socket(&self) -> BorrowedSocket<'_> {
                self.inner.io().as_socket()
            }
        }

        impl AsRawSocket for $type {
            fn as_raw_socket(&self) -> RawSocket {
                self.inner.io().as_raw_socket()
            }
        }

        impl IntoRawSocket for $type {
            fn into_raw_socket(self) -> RawSocket {
                self.inner.into_io().into_raw_socket()
            }
        }

        impl From<$type> for OwnedSocket {
            fn from(source: $type) -> OwnedSocket {
                source.inner.into_io().into()
            }
        }

        /// Does not change the mode of the socket, which must be non-blocking.
        impl From<OwnedSocket> for $type {
            fn from(socket: OwnedSocket) -> $type {
                let inner = IoSource::new(socket.into());
                Self { inner }
            }
        }

        /// Does not change the mode of the socket, which must be non-blocking.
        impl FromRawSocket for $type {
            unsafe fn from_raw_socket(socket: RawSocket) -> $type {
                // SAFETY: the caller guarantees that `socket` is open and owned by nothing else.
                unsafe { OwnedSocket::from_raw_socket(socket) }.into()
            }
        }
    )+};
}

impl_handles! {
    crate::net::TcpListener,
    crate::net::TcpStream,
    crate::net::UdpSocket,
}
