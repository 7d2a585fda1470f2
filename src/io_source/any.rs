use std::fmt;
use std::io::{self, IoSliceMut, Read, Write};

use crate::sys::any_handle::AsObject;
use crate::sys::backend::Outcome;
use crate::Interest;

/// Turns any object that has a descriptor (on Windows, a socket) into a source: a type of another
/// crate, of the standard library, or of the program.
///
/// Requires the feature `os-ext`.
///
/// `T` implements [`AsFd`] on Unix, WASI and hermit (a socket of `socket2`, a terminal, a timerfd,
/// a netlink or raw socket, an [`OwnedFd`]), and [`AsSocket`] on Windows. The object must be in
/// non-blocking mode, and must not change its descriptor.
///
/// The operations on the object go through the `IoSource`, so edge triggering is exact on every
/// backend: [`try_io`](IoSource::try_io) runs any operation, and [`Read`] and [`Write`] are
/// implemented if `&T` has them. The type does not implement `Deref`, because the poll does not
/// learn the outcome of an operation on `T` itself. Use [`get_ref`](IoSource::get_ref) only for
/// operations that do not transfer data, such as reading an option.
///
/// # Reading and writing
///
/// Read and write until `WouldBlock`, as with every source.
///
/// Where edges are emulated, the poll watches the object again after every read that returns data,
/// so a timerfd that is read once per event misses no event. If data is left, the next poll reports
/// it, unless the end of the stream has been reported; epoll and kqueue need not. After `Ok(0)` the
/// poll does not watch the object again: this is usually the end of a stream. Where it is not (an
/// empty datagram, the end-of-file character of a terminal), continue reading until `WouldBlock`. A
/// write makes the poll watch the object again if it returns `WouldBlock` or accepts less data than
/// it was given.
///
/// # Errors
///
/// Registering fails as documented for [`Registry::register`](crate::Registry::register). On Unix,
/// it fails with `EBADF` if the descriptor is not open, and with `PermissionDenied` (`EPERM`) if
/// the file cannot be polled, such as a regular file (kqueue accepts these). On Windows, it fails
/// if the handle is not a socket of the system's own provider (AFD).
///
/// # Portability
///
/// Dropping the `IoSource` drops the object, which closes its descriptor and thereby ends the
/// registration. If the descriptor stays open, because `T` is a reference or an [`Arc`], or after
/// [`into_inner`](IoSource::into_inner), epoll and kqueue keep the registration: deregister the
/// source first. Two sources that share a descriptor cannot be registered with the same poll;
/// kqueue and Windows do not detect this.
///
/// The library does not know whether the object is a socket. On epoll, poll(2) and event ports, a
/// recoverable error of a socket is therefore reported as
/// [write-closed](crate::event::Event::is_write_closed), as if the object were the writing end of a
/// pipe.
///
/// # Examples
///
/// A socket of the standard library stands in for a socket of another crate:
///
/// ```
/// use std::io::ErrorKind;
/// use std::net::UdpSocket;
///
/// use mio::{Events, Interest, IoSource, Poll, Token};
///
/// # fn main() -> std::io::Result<()> {
/// let socket = UdpSocket::bind("127.0.0.1:0")?;
/// socket.set_nonblocking(true)?;
/// let mut source = IoSource::new(socket);
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
/// poll.registry().register(&mut source, Token(0), Interest::READABLE)?;
///
/// let address = source.get_ref().local_addr()?;
/// source.try_io(Interest::WRITABLE, |socket| socket.send_to(b"hello", address))?;
/// poll.poll(&mut events, None)?;
/// let mut buf = [0; 16];
/// loop {
///     match source.try_io(Interest::READABLE, |socket| socket.recv_from(&mut buf)) {
///         Ok((len, _)) => assert_eq!(&buf[..len], b"hello"),
///         Err(error) if error.kind() == ErrorKind::WouldBlock => break,
///         Err(error) => return Err(error),
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// [`AsFd`]: https://doc.rust-lang.org/std/os/fd/trait.AsFd.html
/// [`OwnedFd`]: https://doc.rust-lang.org/std/os/fd/struct.OwnedFd.html
/// [`AsSocket`]: https://doc.rust-lang.org/std/os/windows/io/trait.AsSocket.html
/// [`Arc`]: std::sync::Arc
#[doc(alias = "AsyncFd")]
pub struct IoSource<T> {
    inner: super::IoSource<Object<T>>,
}

/// An object whose handle is asked for by the traits of borrowed handles. Those of raw handles,
/// which the types of this crate use, have numbers among their types.
pub(crate) struct Object<T> {
    pub(crate) inner: T,
}

impl<T> IoSource<T> {
    /// Creates a source from an object, which must be in non-blocking mode. This function does not
    /// change or check the mode.
    #[must_use]
    pub fn new(io: T) -> IoSource<T> {
        IoSource {
            inner: super::IoSource::new(Object { inner: io }),
        }
    }

    /// Returns the object, for operations that neither transfer data nor connect.
    #[must_use]
    pub fn get_ref(&self) -> &T {
        &self.inner.io().inner
    }

    /// Returns the object. Deregister the source first.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.inner.into_io().inner
    }

    /// Runs an I/O operation on the object, and notifies the poll of its outcome.
    ///
    /// `operation` must not block. `interest` contains the directions of the operation. If it
    /// cannot be completed immediately, it must return `WouldBlock`, which makes the poll watch
    /// these directions again. After any other error, the poll also watches for readable events
    /// again if `interest` contains them: the operation may have removed a message from a queue
    /// that contains others. If it fails for lack of descriptors or memory (`EMFILE`, `ENFILE`,
    /// `ENOBUFS`, `ENOMEM`), the poll waits about 10 milliseconds first.
    ///
    /// An operation that succeeds has no such effect, so repeat it until `WouldBlock`. Backends
    /// that leave edge triggering to the kernel do not need `try_io`; poll(2), event ports and
    /// Windows do.
    ///
    /// # Errors
    ///
    /// Returns the error that `operation` returns.
    pub fn try_io<R>(
        &self,
        interest: Interest,
        operation: impl FnOnce(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.inner.take(interest, |io| operation(&io.inner))
    }
}

impl_source!(@generic [<T: AsObject>] IoSource<T>, maybe_pipe);
impl_read!(@generic [<T>] IoSource<T>, [where for<'a> &'a T: Read]);
impl_read!(@generic [<T>] &IoSource<T>, [where for<'a> &'a T: Read]);
impl_write!(@generic [<T>] IoSource<T>, [where for<'a> &'a T: Write]);
impl_write!(@generic [<T>] &IoSource<T>, [where for<'a> &'a T: Write]);
impl_write!(@generic [<T>] &Object<T>, [where for<'a> &'a T: Write]);

/// Reading an object of unknown kind. Programs may read once per event where one read takes all, as
/// from a timer, so every read ends an edge. A read that finds the end does not: on some backends
/// the end counts as data, and would be reported again and again.
impl<T> Read for &super::IoSource<Object<T>>
where
    for<'a> &'a T: Read,
{
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.run(Interest::READABLE, |io| (&io.inner).read(buf), read_outcome)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.run(
            Interest::READABLE,
            |io| (&io.inner).read_vectored(bufs),
            read_outcome,
        )
    }
}

fn read_outcome(result: &io::Result<usize>) -> Option<Outcome<'_>> {
    match result {
        Ok(0) => None,
        Ok(_) => Some(Outcome::Short),
        Err(error) => Some(Outcome::FailedToTake(error)),
    }
}

impl<T: fmt::Debug> fmt::Debug for IoSource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get_ref().fmt(f)
    }
}
