use std::io;
use std::net::Shutdown;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;

use crate::io_source::{IoSource, BOTH};
use crate::sys;

/// A non-blocking connection between Unix domain sockets.
///
/// Requires the feature `net`.
///
/// Read and write with [`Read`](io::Read) and [`Write`](io::Write), which `&UnixStream` implements
/// as well.
///
/// Writing to a connection that the peer has closed fails with `BrokenPipe`. In a program whose
/// `main` is not Rust's, `write_vectored` also raises `SIGPIPE`, as it does for
/// [`TcpStream`](crate::net::TcpStream#sigpipe); so does `write` if the program was compiled with a
/// Rust version older than 1.90.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
///
/// use mio::net::UnixStream;
///
/// # fn main() -> std::io::Result<()> {
/// let (mut one, mut other) = UnixStream::pair()?;
/// one.write_all(b"hello")?;
/// let mut buf = [0; 16];
/// let len = other.read(&mut buf)?;
/// assert_eq!(&buf[..len], b"hello");
/// # Ok(())
/// # }
/// ```
pub struct UnixStream {
    pub(crate) inner: IoSource<net::UnixStream>,
}

impl UnixStream {
    /// Connects to the listener at `path`.
    ///
    /// # Errors
    ///
    /// * `NotFound`, `ConnectionRefused`: there is no listener at `path`.
    /// * `WouldBlock`: on Linux, the listener's backlog is full. No attempt is in progress: try
    ///   again later.
    /// * `InvalidInput`: the path is too long for an address (the limit is 107 bytes on Linux), or
    ///   contains a NUL byte.
    ///
    /// # Portability
    ///
    /// Calls [`socket`] and [`connect`]. On Linux the connection is established when the call
    /// returns; on other systems the attempt may still be in progress, see
    /// [`TcpStream`](crate::net::TcpStream#connecting).
    ///
    /// [`socket`]: https://man7.org/linux/man-pages/man2/socket.2.html
    /// [`connect`]: https://man7.org/linux/man-pages/man2/connect.2.html
    pub fn connect<P: AsRef<Path>>(path: P) -> io::Result<UnixStream> {
        UnixStream::connect_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Connects to the listener at `address`, which can be an abstract address on Linux.
    ///
    /// # Errors
    ///
    /// As for [`connect`](UnixStream::connect).
    pub fn connect_addr(address: &SocketAddr) -> io::Result<UnixStream> {
        sys::net::uds::connect(address).map(UnixStream::from_std)
    }

    /// Creates a stream from the standard library's type.
    ///
    /// The stream must be in non-blocking mode ([`set_nonblocking`]); this function does not change
    /// or check the mode.
    ///
    /// [`set_nonblocking`]: net::UnixStream::set_nonblocking
    #[must_use]
    pub fn from_std(stream: net::UnixStream) -> UnixStream {
        UnixStream {
            inner: IoSource::new(stream),
        }
    }

    /// Creates a pair of connected streams ([`socketpair`]).
    ///
    /// # Errors
    ///
    /// Fails with `EMFILE` or `ENFILE` when the process or the system has run out of descriptors.
    ///
    /// [`socketpair`]: https://man7.org/linux/man-pages/man2/socketpair.2.html
    #[doc(alias = "socketpair")]
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (one, other) = sys::net::uds::stream_pair()?;
        Ok((UnixStream::from_std(one), UnixStream::from_std(other)))
    }

    /// Returns the local address of the stream ([`getsockname`]).
    ///
    /// # Errors
    ///
    /// Returns the OS error if the system call fails.
    ///
    /// [`getsockname`]: https://man7.org/linux/man-pages/man2/getsockname.2.html
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.io().local_addr()
    }

    /// Returns the address of the peer ([`getpeername`]).
    ///
    /// # Errors
    ///
    /// `NotConnected` if the stream is not connected.
    ///
    /// [`getpeername`]: https://man7.org/linux/man-pages/man2/getpeername.2.html
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.io().peer_addr()
    }

    /// Returns and clears the pending error of the socket (`SO_ERROR`), or returns `None` if there
    /// is none.
    ///
    /// # Errors
    ///
    /// Returns the OS error if the option cannot be read.
    #[doc(alias = "SO_ERROR")]
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error(net::UnixStream::take_error)
    }

    /// Shuts down reading, writing or both ([`shutdown`]).
    ///
    /// # Errors
    ///
    /// `NotConnected` if the stream is not connected.
    ///
    /// [`shutdown`]: https://man7.org/linux/man-pages/man2/shutdown.2.html
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.inner.io().shutdown(how)
    }

    /// Performs a custom I/O operation on the socket, such as a [`sendmsg`] that passes
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
    /// the interest only while a write is pending.
    ///
    /// [`sendmsg`]: https://man7.org/linux/man-pages/man2/sendmsg.2.html
    pub fn try_io<F, T>(&self, f: F) -> io::Result<T>
    where
        F: FnOnce() -> io::Result<T>,
    {
        self.inner.try_io(BOTH, |_| f())
    }
}

impl_socket!(UnixStream, net::UnixStream);
impl_read!(UnixStream, &UnixStream);
impl_write!(UnixStream, &UnixStream);
