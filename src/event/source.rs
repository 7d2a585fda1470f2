use std::io;

use crate::{Interest, Registry, Token};

/// An object that can be registered with a [`Poll`](crate::Poll).
///
/// The sources of this crate are the sockets of `mio::net` and, on Unix, the pipes and descriptors
/// of `mio::unix`. A type that contains one of them implements the trait by forwarding the three
/// methods. The [`Interest`] carries the trigger mode, so it is enough to pass it on unchanged.
///
/// Programs do not call these methods directly. They use the methods of [`Registry`]:
/// `registry.register(&mut source, …)`, not `source.register(&registry, …)`.
///
/// # For implementers
///
/// * The registered object must live at least as long as its registration. If a descriptor is
///   closed while registered and its number is reused, the new owner receives the events of the old
///   registration.
/// * `deregister` must end every registration that `register` made, even if one of the steps fails.
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
/// /// A connection, and the data still to be written to it.
/// struct Connection {
///     stream: TcpStream,
///     unsent: Vec<u8>,
/// }
///
/// impl Source for Connection {
///     fn register(
///         &mut self,
///         registry: &Registry,
///         token: Token,
///         interest: Interest,
///     ) -> io::Result<()> {
///         self.stream.register(registry, token, interest)
///     }
///
///     fn reregister(
///         &mut self,
///         registry: &Registry,
///         token: Token,
///         interest: Interest,
///     ) -> io::Result<()> {
///         self.stream.reregister(registry, token, interest)
///     }
///
///     fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
///         self.stream.deregister(registry)
///     }
/// }
/// ```
pub trait Source {
    /// Registers `self` with the poll of `registry`.
    ///
    /// # Errors
    ///
    /// See [`Registry::register`].
    fn register(&mut self, registry: &Registry, token: Token, interest: Interest)
        -> io::Result<()>;

    /// Replaces the token and interest of the registration, and rearms it.
    ///
    /// # Errors
    ///
    /// See [`Registry::reregister`].
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
    /// See [`Registry::deregister`].
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
