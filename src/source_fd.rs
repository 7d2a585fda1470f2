use std::io;
use std::os::fd::RawFd;

use crate::event::Source;
use crate::sys::registration::FdSelector as _;
use crate::{Interest, Registry, Token};

/// Registers a file descriptor that the caller owns: a terminal, a timerfd, a socket of another
/// library, or anything else that can be polled.
///
/// Requires the feature `os-ext`.
///
/// The descriptor is borrowed. The caller remains responsible for closing it, making it
/// non-blocking and deregistering it, and should deregister it *before* closing it.
///
/// # Edge triggering
///
/// I/O on the descriptor does not pass through this crate. On epoll and kqueue, edge triggering is
/// done by the kernel and is exact. Where it is emulated (poll(2) and event ports), each condition
/// is reported once, and again only after [`Registry::reregister`]; an error or a hang-up disarms
/// both directions until then. [`Interest::level`] works fully on every backend, and
/// [`IoSource`](crate::IoSource), which performs the I/O, is exact in every mode: prefer it if the
/// program has the object that owns the descriptor.
///
/// # Errors of sockets
///
/// The library does not know what kind of file the descriptor refers to. On epoll, poll(2) and event
/// ports, a recoverable error of a socket, or an entry in its error queue, is therefore reported as
/// [write-closed](crate::event::Event::is_write_closed), as if the source were the writing end of a
/// pipe.
///
/// # Errors
///
/// Registering fails with `EBADF` if the number is not an open descriptor, and with
/// `PermissionDenied` (`EPERM`) if the file cannot be polled, such as a regular file. kqueue
/// accepts regular files: they are readable while the offset is not at the end of the file, and
/// always writable. A portable program does not register them.
///
/// # Examples
///
/// ```
/// use std::net::TcpListener;
/// use std::os::fd::AsRawFd;
///
/// use mio::unix::SourceFd;
/// use mio::{Interest, Poll, Token};
///
/// # fn main() -> std::io::Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// listener.set_nonblocking(true)?;
///
/// let poll = Poll::new()?;
/// let fd = listener.as_raw_fd();
/// poll.registry().register(&mut SourceFd(&fd), Token(0), Interest::READABLE)?;
/// // Deregister it before the listener is dropped.
/// poll.registry().deregister(&mut SourceFd(&fd))?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SourceFd<'a>(
    /// The file descriptor.
    pub &'a RawFd,
);

impl Source for SourceFd<'_> {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        registry
            .selector()
            .add(*self.0, token, interest.maybe_pipe())
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        registry
            .selector()
            .modify(*self.0, token, interest.maybe_pipe())
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        registry.selector().remove(*self.0)
    }
}
