//! The I/O completion port: the queue into which the system puts the packets of operations
//! that have finished, and we those of wakes.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::time::Duration;
use std::{io, ptr};

use windows_sys::Win32::Foundation::{INVALID_HANDLE_VALUE, WAIT_TIMEOUT};
use windows_sys::Win32::System::IO::{
    CreateIoCompletionPort, GetQueuedCompletionStatusEx, PostQueuedCompletionStatus,
    OVERLAPPED_ENTRY,
};

use super::{check, AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use crate::sys::timeout;

/// Whose packet it is, and with that what its pointer leads to.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Key {
    /// A wake; the pointer is the bell that was rung.
    Wake,
    /// A poll of the AFD device; the pointer is the socket's record.
    Socket,
    /// An operation on a named pipe.
    Pipe,
}

/// A completion port.
#[derive(Debug)]
pub(crate) struct Port {
    handle: OwnedHandle,
}

impl Port {
    pub(crate) fn new() -> io::Result<Port> {
        // How many threads may work on packets before another gets any. A poll can move to a
        // thread while the one before computes: the number must not be small, nor be 0, which
        // is the number of processors.
        const CONCURRENCY: u32 = u32::MAX;
        // SAFETY: takes no pointer.
        let handle = unsafe {
            CreateIoCompletionPort(INVALID_HANDLE_VALUE, ptr::null_mut(), 0, CONCURRENCY)
        };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the system just made `handle` for us; nobody else knows of it.
        let handle = unsafe { OwnedHandle::from_raw_handle(handle) };
        Ok(Port { handle })
    }

    /// Makes another handle to the same port.
    #[cfg(feature = "os-ext")]
    pub(crate) fn try_clone(&self) -> io::Result<Port> {
        let handle = self.handle.try_clone()?;
        Ok(Port { handle })
    }

    /// Has the operations on `handle` end in a packet with `key`. That is for good: no
    /// handle can leave its port, or have two.
    pub(crate) fn attach(&self, handle: RawHandle, key: Key) -> io::Result<()> {
        // SAFETY: takes no pointer that is followed; a handle that is none is an error.
        let port =
            unsafe { CreateIoCompletionPort(handle, self.handle.as_raw_handle(), key as usize, 0) };
        if port.is_null() {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Puts a packet of our own into the queue. `context` is not followed.
    pub(crate) fn post(&self, key: Key, context: *const c_void) -> io::Result<()> {
        // SAFETY: the pointer is handed through, and not followed by the system.
        check(unsafe {
            PostQueuedCompletionStatus(self.handle.as_raw_handle(), 0, key as usize, context.cast())
        })
    }

    /// Waits for packets, and tells how many were put into `room`: none after the timeout.
    pub(crate) fn take(
        &self,
        room: &mut [MaybeUninit<OVERLAPPED_ENTRY>],
        timeout: Option<Duration>,
    ) -> io::Result<usize> {
        let mut taken = 0;
        // `millis` says "for ever" by -1, which is `INFINITE`, and nothing else by it.
        let timeout = timeout::millis(timeout) as u32;
        // SAFETY: the pointer and the count are those of `room`, the other pointer is that
        // of a local variable.
        let answer = check(unsafe {
            GetQueuedCompletionStatusEx(
                self.handle.as_raw_handle(),
                room.as_mut_ptr().cast(),
                u32::try_from(room.len()).unwrap_or(u32::MAX),
                &mut taken,
                timeout,
                0,
            )
        });
        match answer {
            Ok(()) => Ok(taken as usize),
            Err(error) if error.raw_os_error() == Some(WAIT_TIMEOUT as i32) => Ok(0),
            Err(error) => Err(error),
        }
    }
}
