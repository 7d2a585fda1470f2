use std::os::unix::net::{self, SocketAddr};
use std::path::Path;
use std::{fmt, io};

use crate::io_source::IoSource;
use crate::net::UnixStream;
use crate::{sys, Interest};

/// A non-blocking Unix domain socket that accepts connections.
///
/// It is readable when a connection waits to be accepted. The file that
/// [`bind`](UnixListener::bind) makes is not removed when the listener is dropped.
pub struct UnixListener {
    pub(crate) inner: IoSource<net::UnixListener>,
}

impl UnixListener {
    /// Makes a listener bound to `path`, which must not exist.
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
    /// `socket`, `bind`, and `listen` with the standard library's backlog: as much as
    /// the system allows on Linux, FreeBSD, OpenBSD and Apple's, 128 elsewhere.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixListener> {
        UnixListener::bind_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Makes a listener bound to `address`, which may be an abstract name on Linux.
    /// Bound to an unnamed address, it gets an abstract name that Linux
    /// chooses.
    ///
    /// # Errors
    ///
    /// As for [`bind`](UnixListener::bind).
    pub fn bind_addr(address: &SocketAddr) -> io::Result<UnixListener> {
        sys::net::uds::listen(address).map(UnixListener::from_std)
    }

    /// Takes over a listener of the standard library.
    ///
    /// It has to be in non-blocking mode ([`set_nonblocking`]); it is used as it is.
    ///
    /// [`set_nonblocking`]: net::UnixListener::set_nonblocking
    #[must_use]
    pub fn from_std(listener: net::UnixListener) -> UnixListener {
        UnixListener {
            inner: IoSource::new(listener),
        }
    }

    /// Accepts a connection, if one waits: the stream and its peer's address, which
    /// is unnamed unless the peer was bound.
    ///
    /// # Errors
    ///
    /// * `WouldBlock`: none waits.
    /// * `EMFILE`, `ENFILE`: there is no descriptor for it. The connection goes on
    ///   waiting. On epoll and kqueue no edge announces it again; where edges are
    ///   emulated every poll does. Deregister the listener until a descriptor is
    ///   free.
    ///
    /// # Portability
    ///
    /// `accept4` on Linux.
    #[doc(alias = "accept4")]
    pub fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, peer) = self
            .inner
            .try_io(Interest::READABLE, sys::net::uds::accept)?;
        Ok((UnixStream::from_std(stream), peer))
    }

    /// The address that the listener is bound to (`getsockname`).
    ///
    /// # Errors
    ///
    /// That of the system; none is to be expected.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.io().local_addr()
    }

    /// Takes the pending error off the socket (`SO_ERROR`); `None` if there is none.
    ///
    /// # Errors
    ///
    /// That of asking; none is to be expected.
    #[doc(alias = "SO_ERROR")]
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error(net::UnixListener::take_error)
    }
}

impl_source!(UnixListener);

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// The standard library's listener stays non-blocking.
impl From<UnixListener> for net::UnixListener {
    fn from(listener: UnixListener) -> net::UnixListener {
        listener.inner.into_io()
    }
}
