use std::io;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;

use crate::io_source::IoSource;
use crate::net::UnixStream;
use crate::{sys, Interest};

/// A non-blocking Unix domain socket that accepts connections.
///
/// Requires the feature `net`.
///
/// The listener is readable when a connection is pending. Dropping it does not remove the file
/// created by [`bind`](UnixListener::bind).
///
/// # Examples
///
/// ```
/// use std::io;
///
/// use mio::net::{UnixListener, UnixStream};
/// use mio::{Events, Interest, Poll, Token};
///
/// # fn main() -> io::Result<()> {
/// let path = std::env::temp_dir().join(format!("mio-example-{}", std::process::id()));
/// let mut listener = UnixListener::bind(&path)?;
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
/// poll.registry().register(&mut listener, Token(0), Interest::READABLE)?;
///
/// let _client = UnixStream::connect(&path)?;
/// poll.poll(&mut events, None)?;
/// loop {
///     match listener.accept() {
///         Ok((_stream, _peer)) => println!("a client has connected"),
///         Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
///         Err(error) => return Err(error),
///     }
/// }
/// std::fs::remove_file(&path)?;
/// # Ok(())
/// # }
/// ```
pub struct UnixListener {
    pub(crate) inner: IoSource<net::UnixListener>,
}

impl UnixListener {
    /// Creates a listener bound to `path`, which must not exist.
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
    /// Calls [`socket`], [`bind`] and [`listen`] with the standard library's backlog: the maximum
    /// that the system allows on Linux, FreeBSD, OpenBSD and Apple systems, 128 elsewhere.
    ///
    /// [`socket`]: https://man7.org/linux/man-pages/man2/socket.2.html
    /// [`bind`]: https://man7.org/linux/man-pages/man2/bind.2.html
    /// [`listen`]: https://man7.org/linux/man-pages/man2/listen.2.html
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixListener> {
        UnixListener::bind_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Creates a listener bound to `address`, which can be an abstract address on Linux. If
    /// `address` is unnamed, Linux chooses an abstract address.
    ///
    /// # Errors
    ///
    /// As for [`bind`](UnixListener::bind).
    pub fn bind_addr(address: &SocketAddr) -> io::Result<UnixListener> {
        sys::net::uds::listen(address).map(UnixListener::from_std)
    }

    /// Creates a listener from the standard library's type.
    ///
    /// The listener must be in non-blocking mode ([`set_nonblocking`]); this function does not
    /// change or check the mode.
    ///
    /// [`set_nonblocking`]: net::UnixListener::set_nonblocking
    #[must_use]
    pub fn from_std(listener: net::UnixListener) -> UnixListener {
        UnixListener {
            inner: IoSource::new(listener),
        }
    }

    /// Accepts a pending connection, and returns its stream and the address of the peer, which is
    /// unnamed unless the peer is bound.
    ///
    /// # Errors
    ///
    /// * `WouldBlock`: no connection is pending.
    /// * `EMFILE`, `ENFILE`: the process or the system has run out of descriptors. The connection
    ///   stays pending. When an edge-triggered listener is reported again depends on the backend:
    ///   not before another client connects on epoll and kqueue, after about 10 milliseconds on the
    ///   others. Deregister the listener, and register it again when a descriptor is free.
    ///
    /// # Portability
    ///
    /// Calls [`accept4`] where the system has it, such as on Linux, the BSDs, illumos and Solaris.
    /// Elsewhere, calls [`accept`], and then makes the socket non-blocking and close-on-exec.
    ///
    /// [`accept4`]: https://man7.org/linux/man-pages/man2/accept4.2.html
    /// [`accept`]: https://man7.org/linux/man-pages/man2/accept.2.html
    #[doc(alias = "accept4")]
    pub fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, peer) = self.inner.take(Interest::READABLE, sys::net::uds::accept)?;
        Ok((UnixStream::from_std(stream), peer))
    }

    /// Returns the address that the listener is bound to ([`getsockname`]).
    ///
    /// # Errors
    ///
    /// Returns the OS error if the system call fails.
    ///
    /// [`getsockname`]: https://man7.org/linux/man-pages/man2/getsockname.2.html
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.io().local_addr()
    }

    /// Returns and clears the pending error of the socket (`SO_ERROR`), or returns `None` if there
    /// is none.
    ///
    /// # Errors
    ///
    /// Returns the OS error if the option cannot be read.
    #[doc(alias = "SO_ERROR")]
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error(net::UnixListener::take_error)
    }
}

impl_socket!(UnixListener, net::UnixListener);
