//! What the library needs of Windows: handles, and the calls on them.

use std::io;
use std::os::windows::io::{AsRawSocket, RawSocket};

use windows_sys::core::BOOL;

#[cfg(feature = "os-poll")]
pub(crate) mod afd;
#[cfg(feature = "os-poll")]
mod base_socket;
#[cfg(feature = "net")]
mod handles;
#[cfg(feature = "os-ext")]
pub(crate) mod named_pipe;
#[cfg(feature = "net")]
pub(crate) mod net;
#[cfg(feature = "os-poll")]
pub(crate) mod port;

#[cfg(feature = "os-poll")]
pub(crate) use base_socket::base_socket;

// The files of the selector name handles by way of here, where a model of the system can
// have its own.
#[cfg(feature = "os-poll")]
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};

/// What a source is known by. A named pipe has a registration of its own kind.
pub(crate) type Handle = RawSocket;

/// Sources that have a handle.
pub(crate) trait AsHandle {
    fn as_handle(&self) -> Handle;

    /// Winsock does not say whether a socket blocks.
    fn is_blocking(&self) -> bool {
        false
    }
}

impl<T: AsRawSocket> AsHandle for T {
    #[inline]
    fn as_handle(&self) -> Handle {
        self.as_raw_socket()
    }
}

/// The result of a call that answers zero to say that `GetLastError` has the reason.
#[inline]
pub(crate) fn check(result: BOOL) -> io::Result<()> {
    if result == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
