//! What the library uses of Windows: handles, the selector, and named pipes.
//!
//! `iocp.rs`, the selector, uses `socket.rs`. `socket.rs` and `named_pipe.rs` use `queue.rs`, which
//! depends on neither.

use std::io;
use std::os::windows::io::{AsRawSocket, RawSocket};

use windows_sys::core::BOOL;

#[cfg(feature = "os-poll")]
mod afd;
#[cfg(feature = "os-ext")]
pub(crate) mod any_handle;
#[cfg(feature = "os-poll")]
mod base_socket;
#[cfg(feature = "os-poll")]
mod flags;
#[cfg(feature = "net")]
mod handles;
#[cfg(feature = "os-poll")]
pub(crate) mod iocp;
#[cfg(feature = "os-ext")]
pub(crate) mod named_pipe;
#[cfg(feature = "net")]
pub(crate) mod net;
#[cfg(feature = "os-ext")]
mod pipe_buffers;
#[cfg(feature = "os-poll")]
mod port;
#[cfg(feature = "os-poll")]
mod queue;
#[cfg(feature = "os-poll")]
mod socket;

#[cfg(feature = "os-poll")]
use base_socket::base_socket;

// The files of the selector import handles from here, where a model of the system can have its
// own.
#[cfg(feature = "os-poll")]
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};

/// What identifies a source. A named pipe has a registration of its own kind.
pub(crate) type Handle = RawSocket;

/// Sources that have a handle.
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
pub(crate) fn check(result: BOOL) -> io::Result<()> {
    if result == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// As on most systems, the name of the peer shows that there is one.
#[cfg(feature = "net")]
pub(crate) const INVALID_IS_CONNECTED: bool = false;

/// Whether nothing has ended the attempt of a socket that has no peer.
#[cfg(feature = "net")]
pub(crate) fn is_connecting(socket: Handle) -> io::Result<bool> {
    use windows_sys::Win32::Networking::WinSock::{select, FD_SET, TIMEVAL};

    // Not `WSAPoll`, which until Windows 10 2004 did not report that an attempt has failed.
    let mut only = FD_SET {
        fd_count: 1,
        fd_array: [0; 64],
    };
    only.fd_array[0] = socket as _;
    let (mut connected, mut failed) = (only, only);
    let now = TIMEVAL {
        tv_sec: 0,
        tv_usec: 0,
    };
    // SAFETY: the pointers are those of local variables.
    match unsafe { select(0, std::ptr::null_mut(), &mut connected, &mut failed, &now) } {
        0 => Ok(true),
        1.. => Ok(false),
        _ => Err(io::Error::last_os_error()),
    }
}
