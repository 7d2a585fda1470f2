use std::io;
use std::path::Path;

use crate::net::SocketAddr;

/// A non-blocking Unix domain socket for datagrams.
pub struct UnixDatagram(mio_1::net::UnixDatagram);

impl UnixDatagram {
    /// Creates a socket bound to `path`, which must not exist.
    ///
    /// # Errors
    ///
    /// `AddrInUse`: the file already exists. `InvalidInput`: the path is too long for an address,
    /// or contains a NUL byte. Any other error of creating the file or the descriptor.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixDatagram> {
        mio_1::net::UnixDatagram::bind(path).map(UnixDatagram)
    }

    /// Creates a socket that is not bound.
    ///
    /// # Errors
    ///
    /// Returns the OS error, such as `EMFILE`, if the socket cannot be created.
    pub fn unbound() -> io::Result<UnixDatagram> {
        mio_1::net::UnixDatagram::unbound().map(UnixDatagram)
    }

    /// Sets the peer of [`send`](UnixDatagram::send), and the only one to receive from.
    ///
    /// # Errors
    ///
    /// `NotFound`: there is no such file. `ConnectionRefused`: no socket is bound to it.
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        self.0.connect(path)
    }

    /// Receives a datagram, and returns its length and the sender's address. What does not fit into
    /// `buf` is lost.
    ///
    /// # Errors
    ///
    /// `WouldBlock`: no datagram has arrived.
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (len, sender) = self.0.recv_from(buf)?;
        Ok((len, sender.into()))
    }

    /// Receives a datagram, and returns its length. What does not fit into `buf` is lost.
    ///
    /// # Errors
    ///
    /// `WouldBlock`: no datagram has arrived.
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.recv(buf)
    }

    /// Sends a datagram to the socket at `path`.
    ///
    /// # Errors
    ///
    /// `WouldBlock`: the receiver's queue is full. `NotFound`, `ConnectionRefused`: nothing
    /// receives there.
    pub fn send_to<P: AsRef<Path>>(&self, buf: &[u8], path: P) -> io::Result<usize> {
        self.0.send_to(buf, path)
    }

    /// Sends a datagram to the connected peer.
    ///
    /// # Errors
    ///
    /// `WouldBlock`: the receiver's queue is full. `NotConnected`: the socket has no peer.
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.0.send(buf)
    }
}

impl_unix_socket!(UnixDatagram);
impl_connected_unix_socket!(UnixDatagram);
