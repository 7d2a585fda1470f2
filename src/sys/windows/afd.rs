//! `\Device\Afd`, the device behind every socket of Windows, and its request
//! `IOCTL_AFD_POLL`, which completes when one of several conditions is true of a socket.
//!
//! A request completes once, with a packet of the completion port. It checks the socket when it is
//! submitted, so nothing is lost between two requests. Its memory belongs to the system until
//! the packet has been taken.

use std::{io, mem, ptr};

use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Wdk::Storage::FileSystem::{NtCancelIoFileEx, NtCreateFile, FILE_OPEN};
use windows_sys::Wdk::System::IO::NtDeviceIoControlFile;
use windows_sys::Win32::Foundation::{
    HANDLE, NTSTATUS, STATUS_CANCELLED, STATUS_PENDING, STATUS_TIMEOUT, UNICODE_STRING,
};
use windows_sys::Win32::Storage::FileSystem::{
    SetFileCompletionNotificationModes, FILE_SHARE_READ, FILE_SHARE_WRITE, SYNCHRONIZE,
};
use windows_sys::Win32::System::WindowsProgramming::FILE_SKIP_SET_EVENT_ON_HANDLE;
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;

use super::port::Port;
use super::queue::{success, Head, OnCompletion};
use super::{AsRawHandle, FromRawHandle, OwnedHandle, RawSocket};
use crate::sys::edge::PACE;

// The conditions, by the names of the driver's headers.
pub(crate) const AFD_POLL_RECEIVE: u32 = 1;
pub(crate) const AFD_POLL_SEND: u32 = 1 << 2;
pub(crate) const AFD_POLL_DISCONNECT: u32 = 1 << 3;
pub(crate) const AFD_POLL_ABORT: u32 = 1 << 4;
pub(crate) const AFD_POLL_LOCAL_CLOSE: u32 = 1 << 5;
pub(crate) const AFD_POLL_ACCEPT: u32 = 1 << 7;
pub(crate) const AFD_POLL_CONNECT_FAIL: u32 = 1 << 8;

/// Not a flag of AFD: the request itself failed.
pub(crate) const FAILED: u32 = 1 << 31;

/// In units of 100 ns, and negative because it counts from now. `i64::MAX` is no timeout.
const PAUSE: i64 = -(PACE.as_nanos() as i64 / 100);

const IOCTL_AFD_POLL: u32 = 0x0001_2024;

/// An open handle of the device. Any handle can be used for requests about any socket.
#[derive(Debug)]
pub(crate) struct Afd {
    handle: OwnedHandle,
}

impl Afd {
    /// Opens the device. Its requests complete with packets of `port`.
    pub(crate) fn open(port: &Port) -> io::Result<Afd> {
        // The device ignores what follows its name.
        const NAME: &[u8; 15] = b"\\Device\\Afd\\mio";
        let mut wide = NAME.map(u16::from);
        let bytes = mem::size_of_val(&wide) as u16;
        let name = UNICODE_STRING {
            Length: bytes,
            MaximumLength: bytes,
            Buffer: wide.as_mut_ptr(),
        };
        let attributes = OBJECT_ATTRIBUTES {
            Length: mem::size_of::<OBJECT_ATTRIBUTES>() as u32,
            ObjectName: &name,
            ..OBJECT_ATTRIBUTES::default()
        };
        let mut handle: HANDLE = ptr::null_mut();
        let mut status = IO_STATUS_BLOCK::default();
        // SAFETY: every pointer is to a local variable that outlives the call, or null where that
        // is allowed.
        success(unsafe {
            NtCreateFile(
                &mut handle,
                SYNCHRONIZE,
                &attributes,
                &mut status,
                ptr::null(),
                0,
                FILE_SHARE_READ | FILE_SHARE_WRITE,
                FILE_OPEN,
                0,
                ptr::null(),
                0,
            )
        })
        .map_err(io::Error::from_raw_os_error)?;
        // SAFETY: the handle was just created, and nothing else owns it.
        let handle = unsafe { OwnedHandle::from_raw_handle(handle) };
        port.attach(handle.as_raw_handle())?;
        // Saves the system work: no thread waits for the handle itself to be signalled.
        // SAFETY: takes no pointer. A failure has no consequence.
        unsafe {
            SetFileCompletionNotificationModes(
                handle.as_raw_handle(),
                FILE_SKIP_SET_EVENT_ON_HANDLE as u8,
            )
        };
        Ok(Afd { handle })
    }

    /// Submits a request that completes when one of `events` is true of `socket`, and after a
    /// [`PAUSE`] if it `pauses`. Returns whether it is pending, which shows that none of them is
    /// true now. After success, a packet with the pointer `context` will come, even if the request
    /// has completed at once. After an error no packet will come, and the result is [`FAILED`].
    ///
    /// # Safety
    ///
    /// `request` is valid, and stays in place and untouched until the packet has been taken.
    pub(crate) unsafe fn poll(
        &self,
        request: *mut Request,
        socket: RawSocket,
        events: u32,
        pauses: bool,
        context: *const Head,
    ) -> io::Result<bool> {
        // SAFETY: the caller promises that `request` is valid, and ours now.
        let request = unsafe { &mut *request };
        request.info = PollInfo {
            timeout: if pauses { PAUSE } else { i64::MAX },
            count: 1,
            socket,
            events,
            ..PollInfo::default()
        };
        let info = ptr::addr_of_mut!(request.info);
        let status = request.head.prepare();
        let size = mem::size_of::<PollInfo>() as u32;
        // SAFETY: the sizes are those of what the pointers lead to, which by the caller's promise
        // outlives the request. `context` is passed on.
        let outcome = unsafe {
            NtDeviceIoControlFile(
                self.handle.as_raw_handle(),
                ptr::null_mut(),
                None,
                context.cast(),
                status,
                IOCTL_AFD_POLL,
                info.cast(),
                size,
                info.cast(),
                size,
            )
        };
        success(outcome).map_err(|code| {
            // The system has refused the request, so the memory is ours again.
            request.head.set_status(outcome);
            io::Error::from_raw_os_error(code)
        })?;
        Ok(outcome == STATUS_PENDING)
    }

    /// Makes the request complete now. Its packet comes as usual.
    pub(crate) fn cancel(&self, request: *mut Request) {
        let mut status = IO_STATUS_BLOCK::default();
        // SAFETY: the system compares the first pointer with those of pending requests, and does
        // not follow it. A request begins with its status.
        unsafe { NtCancelIoFileEx(self.handle.as_raw_handle(), request.cast(), &mut status) };
        // It fails only if the request is not pending any more.
    }
}

/// The memory of a request: the conditions to wait for, and later the result.
#[repr(C)]
pub(crate) struct Request {
    head: Head,
    info: PollInfo,
}

/// `AFD_POLL_INFO` with one `AFD_POLL_HANDLE_INFO`.
#[repr(C)]
#[derive(Default)]
struct PollInfo {
    timeout: i64,
    count: u32,
    exclusive: u32,
    socket: RawSocket,
    events: u32,
    status: NTSTATUS,
}

impl Request {
    pub(crate) fn new(on_completion: OnCompletion) -> Request {
        Request {
            head: Head::new(on_completion),
            info: PollInfo::default(),
        }
    }

    /// The conditions that hold, once the packet has been taken. None if it was cancelled or timed
    /// out.
    pub(crate) fn answer(&self) -> u32 {
        match self.head.status() {
            STATUS_CANCELLED | STATUS_TIMEOUT => 0,
            status if success(status).is_err() => FAILED,
            _ if self.info.count == 0 => 0,
            _ => self.info.events,
        }
    }
}
