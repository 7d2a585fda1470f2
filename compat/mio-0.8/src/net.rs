//! TCP, UDP and Unix domain sockets.
//!
//! Requires the feature `net`.
//!
//! In 0.8, Unix domain sockets have an address type of their own. Version 1 uses the standard
//! library's, which differs in the name of one method.

pub use mio_1::net::{TcpListener, TcpStream, UdpSocket};

#[cfg(unix)]
#[macro_use]
mod unix;
#[cfg(unix)]
mod unix_datagram;
#[cfg(unix)]
mod unix_listener;
#[cfg(unix)]
mod unix_stream;

#[cfg(unix)]
pub use unix::SocketAddr;
#[cfg(unix)]
pub use unix_datagram::UnixDatagram;
#[cfg(unix)]
pub use unix_listener::UnixListener;
#[cfg(unix)]
pub use unix_stream::UnixStream;
