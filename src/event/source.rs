use std::io;

use crate::{Interest, Registry, Token};

/// Something that can be registered with a [`Poll`](crate::Poll).
///
/// The sources of this crate are the sockets of `mio::net`, and on Unix the pipes and
/// descriptors of `mio::unix`. A type made of one of them implements the
/// trait by handing the three calls on; the [`Interest`] carries the trigger mode,
/// so that handing it on unchanged is all there is to do.
///
/// The methods are called by [`Registry`], which is what a program uses:
/// `registry.register(&mut source, …)`, not `source.register(&registry, …)`.
///
/// # For implementers
///
/// * Whatever is registered lives at least as long as the registration: a
///   descriptor that is closed, and whose number is used again, gives its new
///   owner the events of the old registration.
/// * `deregister` ends every registration that `register` made, also when some
///   step of it fails.
///
/// # Examples
///
/// ```
/// use std::io;
///
/// use mio::event::Source;
/// use mio::net::TcpStream;
/// use mio::{Interest, Registry, Token};
///
/// /// A connection, and what is still to be written to it.
/// struct Connection {
///     stream: TcpStream,
///     unsent: Vec<u8>,
/// }
///
/// impl Source for Connection {
///     fn register(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
///         self.stream.register(registry, token, interest)
///     }
///
///     fn reregister(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
///         self.stream.reregister(registry, token, interest)
///     }
///
///     fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
///         self.stream.deregister(registry)
///     }
/// }
/// ```
pub trait Source {
    /// Registers `self` with `registry`'s poll.
    ///
    /// # Errors
    ///
    /// As described at [`Registry::register`].
    fn register(&mut self, registry: &Registry, token: Token, interest: Interest)
        -> io::Result<()>;

    /// Replaces the token and interest of the registration, and arms it anew.
    ///
    /// # Errors
    ///
    /// As described at [`Registry::reregister`].
    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()>;

    /// Ends the registration.
    ///
    /// # Errors
    ///
    /// As described at [`Registry::deregister`].
    fn deregister(&mut self, registry: &Registry) -> io::Result<()>;
}

impl<T> Source for Box<T>
where
    T: Source + ?Sized,
{
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        T::register(self, registry, token, interest)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        T::reregister(self, registry, token, interest)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        T::deregister(self, registry)
    }
}
