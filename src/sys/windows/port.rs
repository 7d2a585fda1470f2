//! The system calls on an I/O completion port, the queue to which the system adds a packet for
//! each operation that has finished.

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

/// A completion port.
#[derive(Debug)]
pub(crate) struct Port {
    handle: OwnedHandle,
}

impl Port {
    pub(crate) fn new() -> io::Result<Port> {
        // How many threads may run with packets before another thread gets any. A poll can move to
        // a thread while the previous one computes, so the number must not be small, nor 0, which
        // means the number of processors.
        const CONCURRENCY: u32 = u32::MAX;
        // SAFETY: takes no pointer.
        let handle = unsafe {
            CreateIoCompletionPort(INVALID_HANDLE_VALUE, ptr::null_mut(), 0, CONCURRENCY)
        };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle was just created, and nothing else owns it.
        let handle = unsafe { OwnedHandle::from_raw_handle(handle) };
        Ok(Port { handle })
    }

    /// Makes every operation on `handle` end in a packet of this port. A handle can have one
    /// port only, and cannot leave it.
    pub(crate) fn attach(&self, handle: RawHandle) -> io::Result<()> {
        // SAFETY: takes no pointer; an invalid handle is an error.
        let port = unsafe { CreateIoCompletionPort(handle, self.handle.as_raw_handle(), 0, 0) };
        if port.is_null() {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Posts a packet with the pointer `context`.
    pub(crate) fn post(&self, context: *const c_void) -> io::Result<()> {
        // SAFETY: the system passes the pointer on without following it.
        check(unsafe {
            PostQueuedCompletionStatus(self.handle.as_raw_handle(), 0, 0, context.cast())
        })
    }

    /// Waits for packets. Returns how many were written to `entries`, which is zero after the
    /// timeout.
    pub(crate) fn dequeue(
        &self,
        entries: &mut [MaybeUninit<OVERLAPPED_ENTRY>],
        timeout: Option<Duration>,
    ) -> io::Result<usize> {
        let mut count = 0;
        // `millis` returns -1, which is `INFINITE`, for no timeout only.
        let timeout = timeout::millis(timeout) as u32;
        // SAFETY: the pointer and the length are those of `entries`; the other pointer is to a
        // local variable.
        let result = check(unsafe {
            GetQueuedCompletionStatusEx(
                self.handle.as_raw_handle(),
                entries.as_mut_ptr().cast(),
                u32::try_from(entries.len()).unwrap_or(u32::MAX),
                &mut count,
                timeout,
                0,
            )
        });
        match result {
            Ok(()) => Ok(count as usize),
            Err(error) if error.raw_os_error() == Some(WAIT_TIMEOUT as i32) => Ok(0),
            Err(error) => Err(error),
        }
    }
}
