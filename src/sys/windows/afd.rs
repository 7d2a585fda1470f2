//! The device behind every socket of Windows, `\Device\Afd`, and the one request that is
//! made of it here: tell me when these things are true of that socket.
//!
//! A request is good for one answer, which comes as a packet of the completion port. It looks
//! at the socket when it is made, so that nothing is lost between two requests. Until its
//! packet is taken, the request's memory is the system's.

use std::ffi::c_void;
use std::{io, mem, ptr};

use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Wdk::Storage::FileSystem::{NtCancelIoFileEx, NtCreateFile, FILE_OPEN};
use windows_sys::Wdk::System::IO::NtDeviceIoControlFile;
use windows_sys::Win32::Foundation::{
    RtlNtStatusToDosError, HANDLE, NTSTATUS, STATUS_PENDING, UNICODE_STRING,
};
use windows_sys::Win32::Storage::FileSystem::{
    SetFileCompletionNotificationModes, FILE_SHARE_READ, FILE_SHARE_WRITE, SYNCHRONIZE,
};
use windows_sys::Win32::System::WindowsProgramming::FILE_SKIP_SET_EVENT_ON_HANDLE;
use windows_sys::Win32::System::IO::{IO_STATUS_BLOCK, IO_STATUS_BLOCK_0};

use super::port::{Key, Port};
use super::{AsRawHandle, FromRawHandle, OwnedHandle, RawSocket};

// What can be asked for, and told. The names are those of the driver's headers.
pub(crate) const AFD_POLL_RECEIVE: u32 = 1;
pub(crate) const AFD_POLL_SEND: u32 = 1 << 2;
pub(crate) const AFD_POLL_DISCONNECT: u32 = 1 << 3;
pub(crate) const AFD_POLL_ABORT: u32 = 1 << 4;
pub(crate) const AFD_POLL_LOCAL_CLOSE: u32 = 1 << 5;
pub(crate) const AFD_POLL_ACCEPT: u32 = 1 << 7;
pub(crate) const AFD_POLL_CONNECT_FAIL: u32 = 1 << 8;

const IOCTL_AFD_POLL: u32 = 0x0001_2024;

/// An open handle of the device. Which one a request goes through does not matter to the
/// socket it is about.
#[derive(Debug)]
pub(crate) struct Afd {
    handle: OwnedHandle,
}

impl Afd {
    /// Opens the device, for requests that end in packets of `port`.
    pub(crate) fn open(port: &Port) -> io::Result<Afd> {
        // What follows the device in the name is for us to choose.
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
            RootDirectory: ptr::null_mut(),
            ObjectName: &name,
            Attributes: 0,
            SecurityDescriptor: ptr::null(),
            SecurityQualityOfService: ptr::null(),
        };
        let mut handle: HANDLE = ptr::null_mut();
        let mut status = idle_status();
        // SAFETY: every pointer is that of a local variable that lives through the call, or
        // null where that is allowed.
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
        })?;
        // SAFETY: the system just made `handle` for us; nobody else knows of it.
        let handle = unsafe { OwnedHandle::from_raw_handle(handle) };
        port.attach(handle.as_raw_handle(), Key::Socket)?;
        // Saves the system work: nobody waits for the handle itself to be signalled.
        // SAFETY: takes no pointer. After a failure things go on as they were.
        unsafe {
            SetFileCompletionNotificationModes(
                handle.as_raw_handle(),
                FILE_SKIP_SET_EVENT_ON_HANDLE as u8,
            )
        };
        Ok(Afd { handle })
    }

    /// Makes the request to tell `context` as soon as one of `events` is true of `socket`,
    /// or the socket was closed. After success a packet will come, even if the answer was
    /// there at once; after an error none will, and the answer is [`Answer::Failed`].
    ///
    /// # Safety
    ///
    /// `request` stays where it is, and nobody touches it, until the packet has been taken.
    pub(crate) unsafe fn poll(
        &self,
        request: *mut Request,
        socket: RawSocket,
        events: u32,
        context: *const c_void,
    ) -> io::Result<()> {
        // SAFETY: the caller promises that `request` is ours now.
        unsafe { request.write(Request::new(socket, events)) };
        // SAFETY: as above.
        let (status, info) = unsafe {
            (
                ptr::addr_of_mut!((*request).status),
                ptr::addr_of_mut!((*request).info),
            )
        };
        let size = mem::size_of::<PollInfo>() as u32;
        // SAFETY: the sizes are those of what the pointers lead to, which by the caller's
        // promise outlives the request. `context` is handed through.
        let outcome = unsafe {
            NtDeviceIoControlFile(
                self.handle.as_raw_handle(),
                ptr::null_mut(),
                None,
                context,
                status,
                IOCTL_AFD_POLL,
                info.cast(),
                size,
                info.cast(),
                size,
            )
        };
        if is_error(outcome) {
            // SAFETY: the system has not taken the request, whose memory is ours again.
            unsafe { (*status).Anonymous.Status = outcome };
        }
        success(outcome)
    }

    /// Has the request end now. Its packet comes as ever.
    pub(crate) fn cancel(&self, request: *mut Request) {
        let mut status = idle_status();
        // SAFETY: the system compares the first pointer with those of the requests that
        // run, and does not follow it.
        unsafe {
            NtCancelIoFileEx(
                self.handle.as_raw_handle(),
                ptr::addr_of!((*request).status),
                &mut status,
            );
        }
        // The only failure is that no such request runs any more.
    }
}

/// The memory of a request: the question, and later its answer.
#[repr(C)]
pub(crate) struct Request {
    status: IO_STATUS_BLOCK,
    info: PollInfo,
}

/// `AFD_POLL_INFO` with one `AFD_POLL_HANDLE_INFO`.
#[repr(C)]
struct PollInfo {
    timeout: i64,
    count: u32,
    exclusive: u32,
    socket: RawSocket,
    events: u32,
    status: NTSTATUS,
}

/// What a request was answered.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Events(u32),
    /// Nothing about the socket: the request was cancelled.
    Nothing,
    /// The request itself failed.
    Failed,
}

impl Request {
    pub(crate) fn new(socket: RawSocket, events: u32) -> Request {
        Request {
            status: idle_status(),
            info: PollInfo {
                timeout: i64::MAX,
                count: 1,
                exclusive: 0,
                socket,
                events,
                status: 0,
            },
        }
    }

    /// The answer, once the packet has come.
    pub(crate) fn answer(&self) -> Answer {
        // SAFETY: both members of the union are valid for any bits, and all are initialised.
        let status = unsafe { self.status.Anonymous.Status };
        match status {
            windows_sys::Win32::Foundation::STATUS_CANCELLED => Answer::Nothing,
            status if is_error(status) => Answer::Failed,
            _ if self.info.count == 0 => Answer::Nothing,
            _ => Answer::Events(self.info.events),
        }
    }
}

fn idle_status() -> IO_STATUS_BLOCK {
    IO_STATUS_BLOCK {
        Anonymous: IO_STATUS_BLOCK_0 {
            Status: STATUS_PENDING,
        },
        Information: 0,
    }
}

/// The two highest bits say success, information, warning, error.
fn is_error(status: NTSTATUS) -> bool {
    status as u32 >> 30 == 3
}

/// Everything but an error ends in a packet, and is success here.
fn success(status: NTSTATUS) -> io::Result<()> {
    if is_error(status) {
        // SAFETY: takes no pointer.
        let code = unsafe { RtlNtStatusToDosError(status) };
        return Err(io::Error::from_raw_os_error(code as i32));
    }
    Ok(())
}
