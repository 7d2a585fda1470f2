//! The address type, and what all Unix domain sockets have in common.

use std::fmt;
use std::os::unix::net;
use std::path::Path;

/// The address of a Unix domain socket.
///
/// Converts from and into the standard library's type, which is the one of version 1.
pub struct SocketAddr(pub(super) net::SocketAddr);

impl SocketAddr {
    /// Returns whether the address is unnamed.
    #[must_use]
    pub fn is_unnamed(&self) -> bool {
        self.0.is_unnamed()
    }

    /// Returns the path, if the address is one.
    #[must_use]
    pub fn as_pathname(&self) -> Option<&Path> {
        self.0.as_pathname()
    }

    /// Returns the name in the abstract namespace, if the address is one.
    ///
    /// # Portability
    ///
    /// Linux and Android have such a namespace. Elsewhere this returns `None`.
    #[must_use]
    pub fn as_abstract_namespace(&self) -> Option<&[u8]> {
        #[cfg(target_os = "android")]
        use std::os::android::net::SocketAddrExt;
        #[cfg(target_os = "linux")]
        use std::os::linux::net::SocketAddrExt;

        #[cfg(any(target_os = "linux", target_os = "android"))]
        return self.0.as_abstract_name();
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        return None;
    }
}

impl fmt::Debug for SocketAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<net::SocketAddr> for SocketAddr {
    fn from(address: net::SocketAddr) -> SocketAddr {
        SocketAddr(address)
    }
}

impl From<SocketAddr> for net::SocketAddr {
    fn from(address: SocketAddr) -> net::SocketAddr {
        address.0
    }
}

/// Implements what all sockets have in common, for a tuple struct around version 1's type of the
/// same name.
macro_rules! impl_unix_socket {
    ($type:ident) => {
        impl $type {
            /// Creates a socket from the standard library's type, which must be in non-blocking
            /// mode.
            #[must_use]
            pub fn from_std(socket: std::os::unix::net::$type) -> $type {
                $type(mio_1::net::$type::from_std(socket))
            }

            /// Returns the address that the socket is bound to.
            ///
            /// # Errors
            ///
            /// Returns the OS error if the system call fails.
            pub fn local_addr(&self) -> std::io::Result<crate::net::SocketAddr> {
                self.0.local_addr().map(crate::net::SocketAddr)
            }

            /// Returns and clears the pending error of the socket, or returns `None` if there is
            /// none.
            ///
            /// # Errors
            ///
            /// Returns the OS error if the option cannot be read.
            pub fn take_error(&self) -> std::io::Result<Option<std::io::Error>> {
                self.0.take_error()
            }
        }

        impl mio_1::event::Source for $type {
            fn register(
                &mut self,
                registry: &mio_1::Registry,
                token: mio_1::Token,
                interest: mio_1::Interest,
            ) -> std::io::Result<()> {
                self.0.register(registry, token, interest)
            }

            fn reregister(
                &mut self,
                registry: &mio_1::Registry,
                token: mio_1::Token,
                interest: mio_1::Interest,
            ) -> std::io::Result<()> {
                self.0.reregister(registry, token, interest)
            }

            fn deregister(&mut self, registry: &mio_1::Registry) -> std::io::Result<()> {
                self.0.deregister(registry)
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::os::fd::AsRawFd for $type {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                self.0.as_raw_fd()
            }
        }

        impl std::os::fd::IntoRawFd for $type {
            fn into_raw_fd(self) -> std::os::fd::RawFd {
                self.0.into_raw_fd()
            }
        }

        /// Does not change the mode of the descriptor, which must be non-blocking.
        impl std::os::fd::FromRawFd for $type {
            unsafe fn from_raw_fd(fd: std::os::fd::RawFd) -> $type {
                // SAFETY: the caller guarantees that `fd` is open and owned by nothing else.
                $type(unsafe { std::os::fd::FromRawFd::from_raw_fd(fd) })
            }
        }

        impl From<mio_1::net::$type> for $type {
            fn from(socket: mio_1::net::$type) -> $type {
                $type(socket)
            }
        }

        impl From<$type> for mio_1::net::$type {
            fn from(socket: $type) -> mio_1::net::$type {
                socket.0
            }
        }
    };
}

/// Implements what connected sockets have in common.
macro_rules! impl_connected_unix_socket {
    ($type:ident) => {
        impl $type {
            /// Returns a pair of connected, unnamed sockets.
            ///
            /// # Errors
            ///
            /// Returns the OS error, such as `EMFILE`, if the sockets cannot be created.
            pub fn pair() -> std::io::Result<($type, $type)> {
                let (one, other) = mio_1::net::$type::pair()?;
                Ok(($type(one), $type(other)))
            }

            /// Returns the address of the peer.
            ///
            /// # Errors
            ///
            /// `NotConnected`: the socket is not connected.
            pub fn peer_addr(&self) -> std::io::Result<crate::net::SocketAddr> {
                self.0.peer_addr().map(crate::net::SocketAddr)
            }

            /// Shuts down reading, writing or both.
            ///
            /// # Errors
            ///
            /// `NotConnected`: the socket is not connected.
            pub fn shutdown(&self, how: std::net::Shutdown) -> std::io::Result<()> {
                self.0.shutdown(how)
            }

            /// Runs an operation on the socket that this type has no method for. An operation that
            /// fails with `WouldBlock` makes the poll watch the socket again where that is
            /// necessary.
            ///
            /// # Errors
            ///
            /// Returns the error of `operation`.
            pub fn try_io<F, T>(&self, operation: F) -> std::io::Result<T>
            where
                F: FnOnce() -> std::io::Result<T>,
            {
                self.0.try_io(operation)
            }
        }
    };
}
