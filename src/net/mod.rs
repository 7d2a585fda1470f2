//! TCP, UDP and Unix domain sockets.
//!
//! Requires the feature `net`.
//!
//! The constructors in this module create sockets that are non-blocking and close-on-exec from the
//! start. A socket converted from another type must already be in non-blocking mode. Operations
//! that have the same name in the standard library behave the same, with two exceptions: an
//! operation that cannot be completed immediately fails with [`WouldBlock`], and addresses are
//! `SocketAddr`s, because resolving a name would block.
//!
//! # Options
//!
//! Options without a method here can be set on the standard library's type before it is converted
//! with `from_std`, or on the descriptor.
//!
//! # Portability
//!
//! TCP and UDP are available on all systems. On WASI preview 1 the host provides the sockets, and
//! the program cannot create any. Unix domain sockets are available on Unix.
//!
//! [`WouldBlock`]: std::io::ErrorKind::WouldBlock

/// Implements what all sockets have in common, for types whose field `inner` contains the socket of
/// the standard library.
macro_rules! impl_socket {
    ($socket:ident, $std:ty) => {
        impl_source!($socket);

        impl std::fmt::Debug for $socket {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.inner.fmt(f)
            }
        }

        /// Converts to the standard library's type. The socket stays in non-blocking mode.
        /// Deregister it first.
        impl From<$socket> for $std {
            fn from(socket: $socket) -> $std {
                socket.inner.into_io()
            }
        }
    };
}

mod tcp_listener;
mod tcp_stream;
mod udp_socket;

pub use tcp_listener::TcpListener;
pub use tcp_stream::TcpStream;
pub use udp_socket::UdpSocket;

#[cfg(unix)]
mod unix_datagram;
#[cfg(unix)]
mod unix_listener;
#[cfg(unix)]
mod unix_stream;

/// The address of a Unix domain socket, re-exported from the standard library.
#[cfg(unix)]
pub use std::os::unix::net::SocketAddr;
#[cfg(unix)]
pub use unix_datagram::UnixDatagram;
#[cfg(unix)]
pub use unix_listener::UnixListener;
#[cfg(unix)]
pub use unix_stream::UnixStream;
