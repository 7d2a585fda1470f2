//! Named pipes: the handle and the operations. `pipe_state.rs` decides when to start them.
//!
//! Ownership:
//!
//! * The record of a pipe, [`Inner`], contains all memory that the system writes to: one
//!   [`Operation`] of each kind, and the buffers. Everything that ends in a packet owns a
//!   reference to the record.
//! * A [`Pipe`] is what the user holds. It owns the queue; the record does not, since packets in
//!   the queue own records.
//! * The handle is closed when the user drops the pipe, although packets of the operations that
//!   are cancelled then are still to come: they need only the memory. If a write is in flight, the
//!   pipe lingers, and the end of the write closes the handle.
//!
//! The memory of an operation belongs to the system from its start until its packet has been taken.
//! The state knows which operations are in flight. Its lock is held at every start and every end.

use std::cell::UnsafeCell;
use std::ffi::OsStr;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::panic::RefUnwindSafe;
use std::{mem, ptr};

use windows_sys::Wdk::Storage::FileSystem::{
    FilePipeLocalInformation, NtQueryInformationFile, FILE_PIPE_CLOSING_STATE,
    FILE_PIPE_CONNECTED_STATE, FILE_PIPE_LOCAL_INFORMATION, FILE_PIPE_MESSAGE_TYPE,
    FILE_PIPE_SERVER_END,
};
use windows_sys::Win32::Foundation::{
    ERROR_INVALID_HANDLE, ERROR_IO_PENDING, ERROR_MORE_DATA, ERROR_PIPE_LISTENING,
    INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::Storage::FileSystem::{
    ReadFile, WriteFile, FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, PIPE_ACCESS_DUPLEX,
};
use windows_sys::Win32::System::Pipes::{
    ConnectNamedPipe, CreateNamedPipeW, DisconnectNamedPipe, PIPE_TYPE_BYTE,
    PIPE_UNLIMITED_INSTANCES,
};
use windows_sys::Win32::System::IO::{CancelIoEx, IO_STATUS_BLOCK, OVERLAPPED};

use super::afd::{AFD_POLL_DISCONNECT, AFD_POLL_RECEIVE, AFD_POLL_SEND};
use super::check;
use super::pipe_buffers::{check_limit, total, Buffers, DEFAULT_LIMIT};
use super::queue::{success, Completed, Head, Queue};
use crate::sync::{lock, Arc, Mutex};
use crate::sys::error::{already_registered, not_registered, registered_elsewhere};
use crate::sys::pipe_state::{Code, PipeState, System, READABLE, READ_CLOSED, WRITABLE};
use crate::{Interest, Registry, Token};

// The flags of an event mean the same for a pipe as for a socket.
const _: () = assert!(
    READABLE == AFD_POLL_RECEIVE && WRITABLE == AFD_POLL_SEND && READ_CLOSED == AFD_POLL_DISCONNECT
);

/// What a user holds.
pub(crate) struct Pipe {
    inner: Arc<Inner>,
    /// The queue of the poll that the pipe was registered with first. It cannot change.
    queue: Option<Arc<Queue>>,
}

/// The record of a pipe.
#[repr(C)]
struct Inner {
    /// Comes first: its pointer is that of the record.
    head: Head,
    /// Open until [`PipeState::is_finished`].
    handle: RawHandle,
    /// By kind. Each belongs to the system while it is in flight.
    operations: [UnsafeCell<Operation>; 4],
    locked: Mutex<Locked>,
}

// SAFETY: a handle can be used from any thread. Only `Driver::submit` and
// `Operation::on_completion` access an operation. The former is called for one that is not in
// flight according to the state, under its lock; the latter is passed one that has just ended,
// and which the state still takes to be in flight.
unsafe impl Send for Inner {}

// SAFETY: as above.
unsafe impl Sync for Inner {}

/// No user code runs while the record is being changed.
impl RefUnwindSafe for Inner {}

struct Locked {
    state: PipeState,
    buffers: Buffers,
    /// `None` once it has been closed.
    handle: Option<OwnedHandle>,
}

/// Anything that ends in a packet, whose pointer leads here.
#[repr(C)]
struct Operation {
    head: Head,
    kind: Kind,
    /// The packet's reference to the record.
    owner: *const Inner,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Kind {
    Connect,
    Read,
    Write,
    /// A packet that we post ourselves.
    Notice,
}

impl Operation {
    fn new(kind: Kind, owner: *const Inner) -> Operation {
        Operation {
            head: Head::new(Operation::on_completion),
            kind,
            owner,
        }
    }

    /// Changes the state of the pipe. The first packet of a pipe among those that were taken at the
    /// same time stands for the others: it will report all changes as one event.
    unsafe fn on_completion(head: *mut Head, queue: &Queue) -> Completed {
        // SAFETY: `Driver::submit` has submitted the operation with a reference to the record, so it
        // is still in place. It has ended, and is not started again before the state changes.
        let (kind, result, moved, inner) = unsafe {
            let Operation { head, kind, owner } = &*head.cast::<Operation>();
            let inner = Arc::from_raw(*owner);
            // A message that is longer than the buffer is a warning: the rest is still to come.
            (*kind, success(head.status()), head.moved(), inner)
        };
        if !inner.ended(queue, kind, result, moved) {
            return Completed::Done(None);
        }
        Completed::Later(Arc::into_raw(inner).cast_mut().cast())
    }
}

impl Inner {
    fn new(handle: OwnedHandle) -> Inner {
        let idle = |kind| UnsafeCell::new(Operation::new(kind, ptr::null()));
        let info = local_information(handle.as_raw_handle());
        // Only an outbound server's end may not query them, and its messages are never cut.
        let is_server = info.map_or(true, |it| it.NamedPipeEnd == FILE_PIPE_SERVER_END);
        let has_messages = info.map_or(true, |it| it.NamedPipeType == FILE_PIPE_MESSAGE_TYPE);
        Inner {
            head: Head::new(Inner::report),
            handle: handle.as_raw_handle(),
            operations: [Kind::Connect, Kind::Read, Kind::Write, Kind::Notice].map(idle),
            locked: Mutex::new(Locked {
                state: PipeState::new(is_server),
                buffers: Buffers::new(has_messages),
                handle: Some(handle),
            }),
        }
    }

    /// Changes the state, and posts a notice if there is something to report. `queue` is `None`
    /// before the first registration.
    fn run<R>(
        self: &Arc<Inner>,
        queue: Option<&Queue>,
        change: impl FnOnce(&mut PipeState, &mut Driver<'_>) -> R,
    ) -> R {
        let locked = &mut *lock(&self.locked);
        let mut system = Driver {
            inner: self,
            queue,
            buffers: &mut locked.buffers,
            handle: &mut locked.handle,
        };
        let result = change(&mut locked.state, &mut system);
        // If the notice cannot be posted, the next packet of the pipe reports it.
        let _ = locked.state.notify(&mut system);
        result
    }

    /// A packet has been taken. Returns whether it is to report the pipe.
    fn ended(
        self: &Arc<Inner>,
        queue: &Queue,
        kind: Kind,
        result: Result<(), Code>,
        moved: usize,
    ) -> bool {
        self.run(Some(queue), |state, system| {
            let reports = kind == Kind::Notice || state.claim_report();
            match kind {
                Kind::Connect => state.connect_ended(system, result),
                Kind::Read => {
                    // SAFETY: the read has ended, and no other has been started since. If it
                    // failed, the buffer stays empty.
                    let result = result.map(|()| unsafe { system.buffers.received(moved) });
                    state.read_ended(system, result);
                }
                Kind::Write => {
                    let result = result.and_then(|()| system.buffers.sent(moved));
                    state.write_ended(system, result);
                    if state.is_finished() && system.handle.is_some() {
                        // What arrived was still being read.
                        self.cancel(Kind::Read);
                        *system.handle = None;
                        queue.lingered();
                    }
                }
                Kind::Notice => {}
            }
            reports
        })
    }

    unsafe fn report(head: *mut Head, queue: &Queue) -> Completed {
        // SAFETY: it is the reference that `Operation::on_completion` has passed on. The head comes
        // first.
        let inner = unsafe { Arc::from_raw(head.cast_const().cast::<Inner>()) };
        Completed::Done(inner.run(Some(queue), |state, _| state.report()))
    }

    /// Makes an operation end now. The handle must be open.
    fn cancel(&self, kind: Kind) {
        // SAFETY: the system compares the pointer with those of pending operations, and does not
        // follow it.
        unsafe { CancelIoEx(self.handle, self.operations[kind as usize].get().cast()) };
        // It fails only if the operation is not pending.
    }
}

/// Starts the operations of a pipe. Its state starts none when the handle is closed.
struct Driver<'a> {
    inner: &'a Arc<Inner>,
    queue: Option<&'a Queue>,
    buffers: &'a mut Buffers,
    handle: &'a mut Option<OwnedHandle>,
}

impl Driver<'_> {
    /// Starts an operation of `kind`, which must not be in flight, by `call`.
    fn submit(
        &self,
        kind: Kind,
        call: impl FnOnce(&Queue, *mut OVERLAPPED) -> io::Result<()>,
    ) -> Result<(), Code> {
        let queue = self.queue.ok_or(ERROR_INVALID_HANDLE as Code)?;
        queue.submit(self.inner, |owner| {
            let operation = self.inner.operations[kind as usize].get();
            // SAFETY: nothing else accesses the operation: the state has determined, under its
            // lock, that the last packet has been taken, and that the next one is ours to submit.
            unsafe { operation.write(Operation::new(kind, owner)) };
            let called = call(queue, operation.cast());
            match called.map_err(|error| error.raw_os_error().unwrap_or(0)) {
                // Both end in a packet, like success, whatever else they mean.
                Err(code) if code == ERROR_IO_PENDING as Code => Ok(()),
                Err(code) if code == ERROR_MORE_DATA as Code => Ok(()),
                result => result,
            }
        })
    }
}

impl System for Driver<'_> {
    fn has_peer(&mut self) -> Option<bool> {
        let state = local_information(self.inner.handle)?.NamedPipeState;
        Some(matches!(
            state,
            FILE_PIPE_CONNECTED_STATE | FILE_PIPE_CLOSING_STATE
        ))
    }

    fn connect(&mut self) -> Result<(), Code> {
        self.submit(Kind::Connect, |_, overlapped| {
            // SAFETY: the memory stays in place until the packet has been taken.
            check(unsafe { ConnectNamedPipe(self.inner.handle, overlapped) })
        })
    }

    fn read(&mut self) -> Result<(), Code> {
        let (memory, len) = self.buffers.for_read()?;
        self.submit(Kind::Read, |_, overlapped| {
            // SAFETY: `len` bytes are allocated. They stay so, and neither they nor the operation
            // are accessed, until the packet has been taken.
            check(unsafe { ReadFile(self.inner.handle, memory, len, ptr::null_mut(), overlapped) })
        })
    }

    fn write(&mut self) -> Result<(), Code> {
        let rest = self.buffers.for_write();
        let memory = rest.as_ptr();
        let len = u32::try_from(rest.len()).unwrap_or(u32::MAX);
        self.submit(Kind::Write, |_, overlapped| {
            // SAFETY: there are `len` bytes. Neither they nor the operation are changed until the
            // packet has been taken.
            check(unsafe { WriteFile(self.inner.handle, memory, len, ptr::null_mut(), overlapped) })
        })
    }

    fn notice(&mut self) -> Result<(), Code> {
        self.submit(Kind::Notice, |queue, overlapped| {
            queue.port().post(overlapped.cast())
        })
    }
}

/// What the system knows about an end; `None` if the handle does not have the right to query it.
fn local_information(handle: RawHandle) -> Option<FILE_PIPE_LOCAL_INFORMATION> {
    let mut info = FILE_PIPE_LOCAL_INFORMATION::default();
    let mut block = IO_STATUS_BLOCK::default();
    // SAFETY: both pointers are to local variables, and the size is that of `info`. The call
    // returns when it has finished, also for a handle of overlapped operations.
    let status = unsafe {
        NtQueryInformationFile(
            handle,
            &mut block,
            ptr::addr_of_mut!(info).cast(),
            mem::size_of_val(&info) as u32,
            FilePipeLocalInformation,
        )
    };
    (status >= 0).then_some(info)
}

impl Pipe {
    pub(crate) fn new(handle: OwnedHandle) -> Pipe {
        Pipe {
            inner: Arc::new(Inner::new(handle)),
            queue: None,
        }
    }

    /// Creates the first server's end of a pipe.
    pub(crate) fn create(name: &OsStr) -> io::Result<Pipe> {
        let mut wide: Vec<u16> = name.encode_wide().collect();
        if wide.contains(&0) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the name of the pipe contains a zero",
            ));
        }
        wide.push(0);
        // SAFETY: the name ends with a zero, and the other pointer may be null.
        let handle = unsafe {
            CreateNamedPipeW(
                wide.as_ptr(),
                PIPE_ACCESS_DUPLEX | FILE_FLAG_FIRST_PIPE_INSTANCE | FILE_FLAG_OVERLAPPED,
                PIPE_TYPE_BYTE,
                PIPE_UNLIMITED_INSTANCES,
                DEFAULT_LIMIT as u32,
                DEFAULT_LIMIT as u32,
                0,
                ptr::null(),
            )
        };
        if handle == INVALID_HANDLE_VALUE {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle was just created, and nothing else owns it.
        Ok(Pipe::new(unsafe { OwnedHandle::from_raw_handle(handle) }))
    }

    /// The handle is open for as long as the pipe lives.
    pub(crate) fn raw_handle(&self) -> RawHandle {
        self.inner.handle
    }

    fn run<R>(&self, change: impl FnOnce(&mut PipeState, &mut Driver<'_>) -> R) -> R {
        self.inner.run(self.queue.as_deref(), change)
    }

    pub(crate) fn connect(&self) -> io::Result<()> {
        self.run(|state, system| state.connect(system))
    }

    pub(crate) fn disconnect(&self) -> io::Result<()> {
        self.run(|state, system| {
            // SAFETY: takes no pointer.
            match check(unsafe { DisconnectNamedPipe(system.inner.handle) }) {
                // It ends all operations.
                Ok(()) => {}
                // Wine does not end an attempt to connect.
                Err(error) if error.raw_os_error() == Some(ERROR_PIPE_LISTENING as Code) => {
                    system.inner.cancel(Kind::Connect);
                }
                Err(error) => return Err(error),
            }
            state.disconnected();
            Ok(())
        })
    }

    pub(crate) fn take_error(&self) -> Option<io::Error> {
        let code = self.run(|state, _| state.take_error());
        code.map(io::Error::from_raw_os_error)
    }

    pub(crate) fn set_read_limit(&self, limit: usize) -> io::Result<()> {
        lock(&self.inner.locked).buffers.read_limit = check_limit(limit)?;
        Ok(())
    }

    pub(crate) fn set_write_limit(&self, limit: usize) -> io::Result<()> {
        lock(&self.inner.locked).buffers.write_limit = check_limit(limit)?;
        Ok(())
    }
}

impl Read for &Pipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read_vectored(&mut [IoSliceMut::new(buf)])
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let asked = total(bufs.iter().map(|buf| buf.len()));
        if asked == 0 {
            return Ok(0);
        }
        self.run(|state, system| {
            system.buffers.asked = asked;
            if !state.read(system)? {
                return Ok(0);
            }
            let (len, is_empty) = system.buffers.take(bufs);
            if is_empty {
                state.drained(system);
            }
            Ok(len)
        })
    }
}

impl Write for &Pipe {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.run(|state, system| {
            if !system.buffers.has_messages && bufs.iter().all(|buf| buf.is_empty()) {
                return Ok(0);
            }
            state.check_write()?;
            let len = system.buffers.fill(bufs)?;
            state.write(system)?;
            Ok(len)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Registration.
impl Pipe {
    pub(crate) fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        let queue = &registry.selector().queue;
        match &self.queue {
            None => {
                queue.port().attach(self.inner.handle)?;
                self.queue = Some(Arc::clone(queue));
            }
            Some(_) if self.is_registered() => return Err(already_registered()),
            Some(own) if !Arc::ptr_eq(own, queue) => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "a named pipe belongs to the poll that it was registered with first",
                ));
            }
            Some(_) => {}
        }
        self.watch(token, interest)
    }

    pub(crate) fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.check_registered_with(registry)?;
        self.watch(token, interest)
    }

    pub(crate) fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.check_registered_with(registry)?;
        lock(&self.inner.locked).state.unwatch();
        Ok(())
    }

    fn watch(&self, token: Token, interest: Interest) -> io::Result<()> {
        self.run(|state, system| {
            state.watch(system, token, interest);
            state.notify(system).map_err(|code| {
                state.unwatch();
                io::Error::from_raw_os_error(code)
            })
        })
    }

    fn is_registered(&self) -> bool {
        lock(&self.inner.locked).state.is_watched()
    }

    fn check_registered_with(&self, registry: &Registry) -> io::Result<()> {
        match &self.queue {
            Some(own) if self.is_registered() => Arc::ptr_eq(own, &registry.selector().queue)
                .then_some(())
                .ok_or_else(registered_elsewhere),
            _ => Err(not_registered()),
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.run(|state, system| {
            // What arrives is discarded in a bounded number of reads.
            system.buffers.asked = DEFAULT_LIMIT;
            system.buffers.read_limit = DEFAULT_LIMIT;
            let lingers = state.drop_lingers(system);
            self.inner.cancel(Kind::Connect);
            match &self.queue {
                Some(queue) if lingers => queue.linger(),
                _ => {
                    self.inner.cancel(Kind::Read);
                    self.inner.cancel(Kind::Write);
                    *system.handle = None;
                }
            }
        });
    }
}
