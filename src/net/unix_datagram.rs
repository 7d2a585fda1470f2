use std::io;
use std::net::Shutdown;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;

use crate::io_source::{IoSource, BOTH};
use crate::{sys, Interest};

/// A non-blocking Unix domain datagram socket.
///
/// Requires the feature `net`.
///
/// Datagrams arrive whole and in order. A datagram longer than the buffer it is received into is
/// truncated, and the rest is lost. Dropping the socket does not remove the file created by
/// [`bind`](UnixDatagram::bind).
///
/// # Examples
///
/// ```
/// use mio::net::UnixDatagram;
///
/// # fn main() -> std::io::Result<()> {
/// let (one, other) = UnixDatagram::pair()?;
/// one.send(b"hello")?;
/// let mut buf = [0; 16];
/// let len = other.recv(&mut buf)?;
/// assert_eq!(&buf[..len], b"hello");
/// # Ok(())
/// # }
/// ```
pub struct UnixDatagram {
    pub(crate) inner: IoSource<net::UnixDatagram>,
}

impl UnixDatagram {
    /// Creates a socket bound to `path`, which must not exist.
    ///
    /// # Errors
    ///
    /// * `AddrInUse`: the file already exists.
    /// * `InvalidInput`: the path is too long for an address (the limit is 107 bytes on Linux), or
    ///   contains a NUL byte.
    /// * Any other error of creating the file or the descriptor.
    ///
    /// # Portability
    ///
    /// Calls [`socket`] and [`bind`].
    ///
    /// [`socket`]: https://man7.org/linux/man-pages/man2/socket.2.html
    /// [`bind`]: https://man7.org/linux/man-pages/man2/bind.2.html
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixDatagram> {
        UnixDatagram::bind_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Creates a socket bound to `address`, which can be an abstract address on Linux.
    ///
    /// # Errors
    ///
    /// As for [`bind`](UnixDatagram::bind).
    pub fn bind_addr(address: &SocketAddr) -> io::Result<UnixDatagram> {
        sys::net::uds::datagram_bind(address).map(UnixDatagram::from_std)
    }

    /// Creates a socket that is not bound to an address. It can send datagrams, but the receivers
    /// cannot reply.
    ///
    /// # Errors
    ///
    /// Fails with `EMFILE` or `ENFILE` when the process or the system has run out of descriptors.
    pub fn unbound() -> io::Result<UnixDatagram> {
        sys::net::uds::datagram_unbound().map(UnixDatagram::from_std)
    }

    /// Creates a pair of connected sockets ([`socketpair`]).
    ///
    /// # Errors
    ///
    /// Fails with `EMFILE` or `ENFILE` when the process or the system has run out of descriptors.
    ///
    /// [`socketpair`]: https://man7.org/linux/man-pages/man2/socketpair.2.html
    #[doc(alias = "socketpair")]
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (one, other) = sys::net::uds::datagram_pair()?;
        Ok((UnixDatagram::from_std(one), UnixDatagram::from_std(other)))
    }

    /// Creates a socket from the standard library's type.
    ///
    /// The socket must be in non-blocking mode ([`set_nonblocking`]); this function does not change
    /// or check the mode.
    ///
    /// [`set_nonblocking`]: net::UnixDatagram::set_nonblocking
    #[must_use]
    pub fn from_std(socket: net::UnixDatagram) -> UnixDatagram {
        UnixDatagram {
            inner: IoSource::new(socket),
        }
    }

    /// Connects the socket to the one bound to `path` ([`connect`]): [`send`](UnixDatagram::send)
    /// sends datagrams to it.
    ///
    /// The call does not block.
    ///
    /// # Errors
    ///
    /// `NotFound` or `ConnectionRefused` if there is no socket at `path`.
    ///
    /// [`connect`]: https://man7.org/linux/man-pages/man2/connect.2.html
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        self.inner.io().connect(path)
    }

    /// Returns the local address of the socket ([`getsockname`]).
    ///
    /// # Errors
    ///
    /// Returns the OS error if the system call fails.
    ///
    /// [`getsockname`]: https://man7.org/linux/man-pages/man2/getsockname.2.html
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.io().local_addr()
    }

    /// Returns the address that the socket is connected to ([`getpeername`]).
    ///
    /// # Errors
    ///
    /// `NotConnected` if the socket is not connected.
    ///
    /// [`getpeername`]: https://man7.org/linux/man-pages/man2/getpeername.2.html
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.io().peer_addr()
    }

    /// Receives a datagram ([`recvfrom`]), and returns its length and the address of the sender,
    /// which is unnamed if the sender is not bound.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if no datagram is available.
    ///
    /// [`recvfrom`]: https://man7.org/linux/man-pages/man2/recvfrom.2.html
    #[doc(alias = "recvfrom")]
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.inner.take(Interest::READABLE, |io| io.recv_from(buf))
    }

    /// Receives a datagram ([`recv`]), and returns its length.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if no datagram is available.
    ///
    /// [`recv`]: https://man7.org/linux/man-pages/man2/recv.2.html
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.take(Interest::READABLE, |io| io.recv(buf))
    }

    /// Sends a datagram to the socket at `path` ([`sendto`]), and returns the number of bytes sent,
    /// which is the length of `buf`.
    ///
    /// # Errors
    ///
    /// * `WouldBlock`: the queue of the receiver is full. On Linux, only a connected sender is
    ///   notified when the queue has room again. A sender that is not connected is reported
    ///   writable after every such attempt, so a loop that waits for this event spins. Connect the
    ///   socket and use [`send`](UnixDatagram::send), or retry after a delay.
    /// * `NotFound`, `ConnectionRefused`: there is no socket at `path`.
    ///
    /// [`sendto`]: https://man7.org/linux/man-pages/man2/sendto.2.html
    #[doc(alias = "sendto")]
    pub fn send_to<P: AsRef<Path>>(&self, buf: &[u8], path: P) -> io::Result<usize> {
        self.inner
            .try_io(Interest::WRITABLE, |io| io.send_to(buf, path))
    }

    /// Sends a datagram to the socket that this one is connected to ([`send`]).
    ///
    /// # Errors
    ///
    /// As for [`send_to`](UnixDatagram::send_to); `NotConnected` if the socket is not connected.
    ///
    /// [`send`]: https://man7.org/linux/man-pages/man2/send.2.html
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.inner.try_io(Interest::WRITABLE, |io| io.send(buf))
    }

    /// Returns and clears the pending error of the socket (`SO_ERROR`), or returns `None` if there
    /// is none.
    ///
    /// # Errors
    ///
    /// Returns the OS error if the option cannot be read.
    #[doc(alias = "SO_ERROR")]
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error(net::UnixDatagram::take_error)
    }

    /// Shuts down receiving, sending or both ([`shutdown`]).
    ///
    /// # Errors
    ///
    /// Returns the OS error. Linux accepts the call on a socket that is not connected.
    ///
    /// [`shutdown`]: https://man7.org/linux/man-pages/man2/shutdown.2.html
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.inner.io().shutdown(how)
    }

    /// Performs a custom I/O operation on the socket, such as a [`recvmsg`] that receives
    /// descriptors, and notifies the poll of its outcome.
    ///
    /// `f` must not block, and must operate on this socket only. If the operation cannot be
    /// completed immediately, `f` must return `WouldBlock`, which makes the poll watch the socket
    /// again. Backends that leave edge triggering to the kernel do not need this; poll(2) and event
    /// ports do.
    ///
    /// # Errors
    ///
    /// Returns the error that `f` returns.
    ///
    /// # Portability
    ///
    /// Where edges are emulated, a `WouldBlock` rearms all directions of the registration, because
    /// `f` may have read or written. A program that calls this method on writable events until
    /// `WouldBlock` is then notified again after each such call, and spins: include `WRITABLE` in
    /// the interest only while a write is pending. Any other error rearms readable events, because
    /// `f` may have removed a datagram that others are queued behind.
    ///
    /// [`recvmsg`]: https://man7.org/linux/man-pages/man2/recvmsg.2.html
    pub fn try_io<F, T>(&self, f: F) -> io::Result<T>
    where
        F: FnOnce() -> io::Result<T>,
    {
        self.inner.take(BOTH, |_| f())
    }
}

impl_socket!(UnixDatagram, net::UnixDatagram);
