//! What the library uses of Windows: handles, the selector, and named pipes.
//!
//! `iocp.rs` is the selector. The records of its sources, in `socket.rs` and `named_pipe.rs`, use
//! `queue.rs`, which depends on neither.

use std::io;
use std::os::windows::io::{AsRawSocket, RawSocket};

use windows_sys::core::BOOL;

#[cfg(feature = "net")]
mod handles;
#[cfg(feature = "net")]
pub(crate) mod net;

// The selector. Its files import handles from here, where a model of the system can have its own.
cfg_if! {
    if #[cfg(feature = "os-poll")] {
        mod afd;
        mod base_socket;
        mod flags;
        pub(crate) mod iocp;
        mod port;
        #[allow(dead_code)] // Parts are for pipes only.
        mod queue;
        mod socket;

        use base_socket::base_socket;
        use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
    }
}

cfg_if! {
    if #[cfg(feature = "os-ext")] {
        pub(crate) mod any_handle;
        pub(crate) mod named_pipe;
        mod pipe_buffers;
    }
}

#[cfg(feature = "net")]
pub(crate) use net::{is_connecting, INVALID_IS_CONNECTED};

/// What identifies a source. A named pipe has a registration of its own kind.
pub(crate) type Handle = RawSocket;

/// Sources that have a handle.
#[allow(dead_code)] // Without `net` and `os-ext` there are none.
pub(crate) trait AsHandle {
    fn as_handle(&self) -> Handle;

    /// Winsock cannot be asked whether a socket blocks.
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

/// Converts the result of a call that returns zero for a failure.
#[inline]
#[allow(dead_code)] // Of use to the selector and to pipes.
pub(crate) fn check(result: BOOL) -> io::Result<()> {
    if result == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
