use std::net::Shutdown;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;
use std::{fmt, io};

use crate::io_source::{IoSource, BOTH};
use crate::{sys, Interest};

/// A non-blocking Unix domain socket for datagrams.
///
/// Datagrams arrive whole and in order. One that is longer than the buffer it is
/// received into is cut, and the rest is lost. The file that
/// [`bind`](UnixDatagram::bind) makes is not removed when the socket is dropped.
pub struct UnixDatagram {
    pub(crate) inner: IoSource<net::UnixDatagram>,
}

impl UnixDatagram {
    /// Makes a socket bound to `path`, which must not exist.
    ///
    /// # Errors
    ///
    /// * `AddrInUse`: there is such a file.
    /// * `InvalidInput`: the path is too long for an address (107 bytes on Linux),
    ///   or contains a NUL.
    /// * Those of making a file and a descriptor.
    ///
    /// # Portability
    ///
    /// `socket` and `bind`.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixDatagram> {
        UnixDatagram::bind_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Makes a socket bound to `address`, which may be an abstract name on Linux.
    ///
    /// # Errors
    ///
    /// As for [`bind`](UnixDatagram::bind).
    pub fn bind_addr(address: &SocketAddr) -> io::Result<UnixDatagram> {
        sys::net::uds::datagram_bind(address).map(UnixDatagram::from_std)
    }

    /// Makes a socket that is bound to nothing. It can send; nobody can answer.
    ///
    /// # Errors
    ///
    /// Those of making a descriptor: `EMFILE`, `ENFILE`.
    pub fn unbound() -> io::Result<UnixDatagram> {
        sys::net::uds::datagram_unbound().map(UnixDatagram::from_std)
    }

    /// Makes two sockets that are connected with one another (`socketpair`).
    ///
    /// # Errors
    ///
    /// Those of making descriptors: `EMFILE`, `ENFILE`.
    #[doc(alias = "socketpair")]
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (one, other) = sys::net::uds::datagram_pair()?;
        Ok((UnixDatagram::from_std(one), UnixDatagram::from_std(other)))
    }

    /// Takes over a socket of the standard library.
    ///
    /// It has to be in non-blocking mode ([`set_nonblocking`]); it is used as it is.
    ///
    /// [`set_nonblocking`]: net::UnixDatagram::set_nonblocking
    #[must_use]
    pub fn from_std(socket: net::UnixDatagram) -> UnixDatagram {
        UnixDatagram {
            inner: IoSource::new(socket),
        }
    }

    /// Connects the socket to the one at `path`: [`send`](UnixDatagram::send) goes
    /// there. It does not block.
    ///
    /// # Errors
    ///
    /// `NotFound`, `ConnectionRefused`: there is no socket.
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        self.inner.io().connect(path)
    }

    /// The address of this side (`getsockname`).
    ///
    /// # Errors
    ///
    /// That of the system; none is to be expected.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.io().local_addr()
    }

    /// The address that the socket is connected to (`getpeername`).
    ///
    /// # Errors
    ///
    /// `NotConnected` if it is not.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.io().peer_addr()
    }

    /// Receives a datagram: its length, and who sent it, which is unnamed if the
    /// sender is not bound.
    ///
    /// # Errors
    ///
    /// `WouldBlock`: none is there.
    ///
    /// # Portability
    ///
    /// `recvfrom`.
    #[doc(alias = "recvfrom")]
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.inner
            .try_io(Interest::READABLE, |socket| socket.recv_from(buf))
    }

    /// Receives a datagram: its length.
    ///
    /// # Errors
    ///
    /// `WouldBlock`: none is there.
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner
            .try_io(Interest::READABLE, |socket| socket.recv(buf))
    }

    /// Sends a datagram to the socket at `path`; the number of bytes sent is that of
    /// `buf`.
    ///
    /// # Errors
    ///
    /// * `WouldBlock`: the receiver's queue is full. Linux reports room in it to
    ///   connected senders only. A sender that is not connected is reported writable again after
    ///   every such attempt, so that a loop that waits for this event spins: connect the
    ///   socket and use [`send`](UnixDatagram::send), or try again after a pause.
    /// * `NotFound`, `ConnectionRefused`: there is no socket.
    ///
    /// # Portability
    ///
    /// `sendto`.
    #[doc(alias = "sendto")]
    pub fn send_to<P: AsRef<Path>>(&self, buf: &[u8], path: P) -> io::Result<usize> {
        self.inner
            .try_io(Interest::WRITABLE, |socket| socket.send_to(buf, path))
    }

    /// Sends a datagram to the socket that this one is connected to.
    ///
    /// # Errors
    ///
    /// As for [`send_to`](UnixDatagram::send_to); `NotConnected` if there is none.
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.inner
            .try_io(Interest::WRITABLE, |socket| socket.send(buf))
    }

    /// Takes the pending error off the socket (`SO_ERROR`); `None` if there is none.
    ///
    /// # Errors
    ///
    /// That of asking; none is to be expected.
    #[doc(alias = "SO_ERROR")]
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error(net::UnixDatagram::take_error)
    }

    /// Shuts down receiving, sending or both (`shutdown`).
    ///
    /// # Errors
    ///
    /// That of the system. Linux lets sockets be shut down that are not connected.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.inner.io().shutdown(how)
    }

    /// Runs an operation of the caller's on the socket, such as a `recvmsg` that
    /// takes descriptors, so that the poll learns of its outcome.
    ///
    /// `f` must be non-blocking and touch this socket only; when it could not be
    /// done at once it returns `WouldBlock`, which has the poll watch the
    /// socket again. Backends on which the kernel keeps track do not need that;
    /// poll(2) does.
    ///
    /// # Errors
    ///
    /// Those of `f`.
    pub fn try_io<F, T>(&self, f: F) -> io::Result<T>
    where
        F: FnOnce() -> io::Result<T>,
    {
        self.inner.try_io(BOTH, |_| f())
    }
}

impl_source!(UnixDatagram);

impl fmt::Debug for UnixDatagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// The standard library's socket stays non-blocking.
impl From<UnixDatagram> for net::UnixDatagram {
    fn from(socket: UnixDatagram) -> net::UnixDatagram {
        socket.inner.into_io()
    }
}
