//! TCP, UDP and Unix domain sockets.
//!
//! What the constructors of this module make is non-blocking and closed on exec from
//! birth; what is converted from elsewhere has to be non-blocking already. Where the
//! standard library has an operation of the same name it does the same, except that
//! one which cannot be done at once answers [`WouldBlock`], and that addresses are
//! `SocketAddr`s: no names are resolved.
//!
//! # Options
//!
//! Options that are not here can be set on the standard library's type before it
//! is converted with `from_std`, or on the descriptor.
//!
//! # Portability
//!
//! TCP and UDP are everywhere, except that on WASI preview 1 sockets come from the host and
//! cannot be made. Unix domain sockets are on Unix.
//!
//! [`WouldBlock`]: std::io::ErrorKind::WouldBlock

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

/// The address of a Unix domain socket: the standard library's type.
#[cfg(unix)]
pub use std::os::unix::net::SocketAddr;
#[cfg(unix)]
pub use unix_datagram::UnixDatagram;
#[cfg(unix)]
pub use unix_listener::UnixListener;
#[cfg(unix)]
pub use unix_stream::UnixStream;
