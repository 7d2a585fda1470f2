use std::io;
use std::path::Path;

use crate::net::{SocketAddr, UnixStream};

/// A non-blocking Unix domain socket that accepts connections.
pub struct UnixListener(mio_1::net::UnixListener);

impl UnixListener {
    /// Creates a listener bound to `path`, which must not exist.
    ///
    /// # Errors
    ///
    /// `AddrInUse`: the file already exists. `InvalidInput`: the path is too long for an address,
    /// or contains a NUL byte. Any other error of creating the file or the descriptor.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixListener> {
        mio_1::net::UnixListener::bind(path).map(UnixListener)
    }

    /// Creates a listener bound to `address`.
    ///
    /// # Errors
    ///
    /// As for [`bind`](UnixListener::bind).
    pub fn bind_addr(address: &SocketAddr) -> io::Result<UnixListener> {
        mio_1::net::UnixListener::bind_addr(&address.0).map(UnixListener)
    }

    /// Accepts a pending connection, and returns its stream and the address of the peer.
    ///
    /// # Errors
    ///
    /// `WouldBlock`: no connection is pending. `EMFILE`, `ENFILE`: the process or the system has
    /// run out of descriptors.
    pub fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, peer) = self.0.accept()?;
        Ok((stream.into(), peer.into()))
    }
}

impl_unix_socket!(UnixListener);
