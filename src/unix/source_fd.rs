use std::io;
use std::os::fd::RawFd;

use crate::event::Source;
use crate::sys::FdSelector as _;
use crate::{Interest, Registry, Token};

/// Registers a descriptor of the caller's: a terminal, a timerfd, a socket of
/// another library, anything that can be polled.
///
/// The descriptor is borrowed. Nobody closes it, makes it non-blocking, or
/// deregisters it but the caller, who should deregister it *before* closing it.
///
/// # What an edge means
///
/// The I/O does not go through this crate. On backends whose kernel keeps track
/// (epoll) edges are exact. On the others (poll(2)) each direction is reported once, and
/// again after [`Registry::reregister`]; an error or a hang-up silences both until then.
/// [`Interest::level`] works fully everywhere.
///
/// # Errors of sockets
///
/// What kind of descriptor it is, is not known here. An error of a socket that lives on, or an
/// entry in its error queue, is therefore reported as of the writing end of a pipe, on epoll
/// and poll(2): [write-closed](crate::event::Event::is_write_closed).
///
/// # Errors
///
/// Registering answers `EBADF` for what is not an open descriptor, and
/// `PermissionDenied` (`EPERM`) for what cannot be polled, such as regular files. kqueue
/// accepts regular files: they are readable while the offset is not at their end, and
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
/// # poll.registry().deregister(&mut SourceFd(&fd))?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SourceFd<'a>(
    /// The descriptor.
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
