use std::fmt;
use std::io::{self, IoSliceMut, Read, Write};

use crate::sys::any_handle::AsObject;
use crate::sys::backend::Outcome;
use crate::Interest;

/// A source made of any object that has a descriptor or a socket: of another crate, of the standard
/// library, or of the program.
///
/// Requires the feature `os-ext`.
///
/// `T` is a type with [`AsFd`] on Unix, WASI and hermit (sockets of `socket2`, terminals, timers,
/// netlink and raw sockets, an [`OwnedFd`]), and with [`AsSocket`] on Windows. The object should be
/// in non-blocking mode, and keep the same descriptor.
///
/// The operations on the object go through the `IoSource`, so edge triggering is exact on every
/// backend: [`try_io`](IoSource::try_io) runs any operation, and [`Read`] and [`Write`] are
/// implemented if `&T` has them. The type does not dereference to `T`, because an operation that
/// went past it could end an edge unnoticed; [`get_ref`](IoSource::get_ref) is for operations that
/// do not transfer data, such as reading an option.
///
/// # Reading and writing
///
/// Reading assumes nothing about `T`. Where edges are emulated, the poll watches the object again
/// after every read that returned data, so a timer whose expirations are read once per event never
/// misses an event. It does not after `Ok(0)`, which is mostly the end of a stream but may also be
/// an empty datagram or a terminal's end-of-file character: read on until `WouldBlock` where the
/// object goes on. If more data is left, the next poll reports it unless the end of the stream has
/// been reported; epoll and kqueue may not. A write makes the poll watch the object again if it
/// returns `WouldBlock` or accepts less than it was given. Read and write until `WouldBlock`, as
/// with every source.
///
/// # Errors
///
/// Registering fails as for the other sources. On Unix, it fails with `EBADF` if the descriptor is
/// not open, and with `PermissionDenied` (`EPERM`) if the file cannot be polled, as regular files
/// cannot (kqueue accepts them). On Windows, it fails if the handle is not a socket of the system's
/// own provider (AFD).
///
/// # Portability
///
/// Dropping the `IoSource` drops the object, which closes its descriptor and thereby ends the
/// registration. If the descriptor stays open, because `T` is a reference or an [`Arc`], or after
/// [`into_inner`](IoSource::into_inner), epoll and kqueue keep the registration: deregister the
/// source first. Two sources that share a descriptor cannot be registered with the same poll;
/// kqueue and Windows do not detect it.
///
/// The library does not know whether the object is a socket. On epoll and poll(2), an error that a
/// socket survives is therefore reported like that of the writing end of a pipe: as
/// [write-closed](crate::event::Event::is_write_closed).
///
/// # Examples
///
/// A socket of the standard library, in the place of a socket of another crate:
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
    /// Creates a source from an object, and does not change the object's mode.
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
    /// that contains others. After a lack of descriptors (`EMFILE`, `ENFILE`), poll(2) makes a
    /// pause of up to 10 milliseconds first.
    ///
    /// An operation that succeeds changes nothing, so repeat it until `WouldBlock`. Backends that
    /// leave edge triggering to the kernel do not need `try_io`; poll(2), event ports and Windows
    /// do.
    ///
    /// # Errors
    ///
    /// Returns the error that `operation` returns.
    pub fn try_io<R>(
        &self,
        interest: Interest,
        operation: impl FnOnce(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.inner.run(
            interest,
            |io| operation(&io.inner),
            |result| result.as_ref().err().map(Outcome::FailedToTake),
        )
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
