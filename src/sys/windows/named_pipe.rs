//! Named pipes: handles, buffers and operations, of which `pipe_state.rs` decides.
//!
//! Who owns what:
//!
//! * The record of a pipe, [`Inner`], holds all that the system writes to: one [`Operation`]
//!   of each kind, and the buffers. Everything that will end in a packet carries a
//!   reference to the record, taken before the system hears of it (the packet may be taken by
//!   another thread before the call returns), and given back when the packet is taken,
//!   or when the call fails, after which no packet comes.
//! * A [`Pipe`] is what the user holds. It keeps the port's owner alive; the record does not,
//!   since packets in the port refer to records.
//! * The handle is closed when the user drops the pipe, though packets are still to come
//!   of what is cancelled then: they need the memory only. If a write is in flight, the pipe
//!   [lingers](Lingering): the end of the write closes the handle.
//!
//! An operation belongs to the system from its start until its packet has been taken. Which
//! ones do is known to the state, under whose lock all starts and all ends are.

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
    RtlNtStatusToDosError, ERROR_INVALID_HANDLE, ERROR_IO_PENDING, ERROR_MORE_DATA,
    ERROR_NOT_ENOUGH_MEMORY, ERROR_PIPE_LISTENING, ERROR_WRITE_FAULT, INVALID_HANDLE_VALUE,
    NTSTATUS, STATUS_BUFFER_OVERFLOW,
};
use windows_sys::Win32::Storage::FileSystem::{
    ReadFile, WriteFile, FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, PIPE_ACCESS_DUPLEX,
};
use windows_sys::Win32::System::Pipes::{
    ConnectNamedPipe, CreateNamedPipeW, DisconnectNamedPipe, PIPE_TYPE_BYTE,
    PIPE_UNLIMITED_INSTANCES,
};
use windows_sys::Win32::System::IO::{CancelIoEx, IO_STATUS_BLOCK, OVERLAPPED, OVERLAPPED_ENTRY};

use super::afd::{AFD_POLL_DISCONNECT, AFD_POLL_RECEIVE, AFD_POLL_SEND};
use super::check;
use super::port::Key;
use crate::sync::{lock, Arc, AtomicUsize, Mutex, MutexGuard, Ordering};
use crate::sys::error::{already_registered, not_registered, registered_elsewhere};
use crate::sys::pipe_state::{Code, PipeState, System, READABLE, READ_CLOSED, WRITABLE};
use crate::sys::selector::Shared;
use crate::{Interest, Registry, Token};

// An event says the same of a pipe as of a socket.
const _: () = assert!(
    READABLE == AFD_POLL_RECEIVE && WRITABLE == AFD_POLL_SEND && READ_CLOSED == AFD_POLL_DISCONNECT
);

/// Reads ask for at least so much, unless the limit is lower.
const LEAST_READ: usize = 4 << 10;

/// The limits of both buffers until they are set, and the sizes of those of the system for a
/// pipe that is made here.
const USUAL_LIMIT: usize = 64 << 10;

/// What a user holds.
pub(crate) struct Pipe {
    inner: Arc<Inner>,
    /// The poll that the pipe was registered with first, which is for good.
    home: Option<Arc<Shared>>,
}

/// The record of a pipe.
struct Inner {
    /// It stays open for as long as the `Pipe` lives.
    handle: RawHandle,
    /// By kind. The system's while they run.
    operations: [UnsafeCell<Operation>; 4],
    locked: Mutex<Locked>,
}

// SAFETY: a handle can be used from any thread. The operations are touched by `Inner::submit`
// and `open` alone. The former is called for one that does not run, by what the state says under
// the lock; the latter is given one that has just ended, which the state takes to run still.
unsafe impl Send for Inner {}

// SAFETY: as above.
unsafe impl Sync for Inner {}

/// No code of a user runs while the record is being changed.
impl RefUnwindSafe for Inner {}

struct Locked {
    state: PipeState,
    token: Token,
    /// Whether the packets that were just taken include one that will report the pipe.
    queued: bool,
    io: Io,
}

/// The handle, and the buffers.
struct Io {
    /// `None` once it was closed.
    handle: Option<OwnedHandle>,
    /// Whether what is written is a message, even if it is empty.
    has_messages: bool,
    /// The system's while a read runs; then what it has brought, of which the user has taken
    /// the first `taken` bytes.
    incoming: Vec<u8>,
    taken: usize,
    /// The size of the buffer that the user read into last.
    asked: usize,
    read_limit: usize,
    /// The system's while a write runs, which has written the first `written` bytes.
    outgoing: Vec<u8>,
    written: usize,
    write_limit: usize,
}

/// What ends in a packet, and which one it is. The packet's pointer leads here.
#[repr(C)]
struct Operation {
    overlapped: OVERLAPPED,
    kind: Kind,
    /// The reference to the record that goes with the packet.
    owner: *const Inner,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Kind {
    Connect,
    Read,
    Write,
    /// A packet of our own.
    Notice,
}

impl Operation {
    fn new(kind: Kind, owner: *const Inner) -> Operation {
        Operation {
            // SAFETY: the type is made of integers and pointers; zeros are how it begins.
            overlapped: unsafe { mem::zeroed() },
            kind,
            owner,
        }
    }
}

/// Takes a packet of a pipe. Returns whether it is to be [reported](report), as the first
/// one of its pipe among those that were taken at once, and then makes it lead to the record.
pub(crate) fn open(shared: &Shared, packet: &mut OVERLAPPED_ENTRY) -> bool {
    let operation = packet.lpOverlapped.cast::<Operation>();
    // SAFETY: every packet with a pipe's key was announced by `Inner::submit`, which has put a
    // reference to the record there, so that the operation is still in place. It has ended,
    // and the state does not let it begin anew before we have said so below.
    let (kind, status, inner) = unsafe {
        let Operation {
            overlapped,
            kind,
            owner,
        } = &*operation;
        (*kind, overlapped.Internal, Arc::from_raw(*owner))
    };
    shared.ended();
    let moved = packet.dwNumberOfBytesTransferred as usize;
    inner.ended(shared, kind, success(status as NTSTATUS), moved);
    if mem::replace(&mut lock(&inner.locked).queued, true) {
        return false;
    }
    packet.lpOverlapped = Arc::into_raw(inner).cast_mut().cast();
    true
}

/// What there is to report of the pipe of a packet that [`open`] has returned `true` for.
pub(crate) fn report(shared: &Shared, packet: &OVERLAPPED_ENTRY) -> Option<(Token, u32)> {
    // SAFETY: it is the reference that `open` has put there.
    let inner = unsafe { Arc::from_raw(packet.lpOverlapped.cast::<Inner>().cast_const()) };
    let mut locked = lock(&inner.locked);
    locked.queued = false;
    let flags = locked.state.report();
    let token = locked.token;
    // Should the packet find no room in the port, the next one of the pipe reports it.
    let _ = inner.notify(shared, locked);
    flags.map(|flags| (token, flags))
}

/// What an operation ended with. A message that is longer than the buffer is a success, and
/// the rest of it is still to come.
fn success(status: NTSTATUS) -> Result<(), Code> {
    if status >= 0 || status == STATUS_BUFFER_OVERFLOW {
        return Ok(());
    }
    // SAFETY: takes no pointer.
    Err(unsafe { RtlNtStatusToDosError(status) } as Code)
}

impl Inner {
    fn new(handle: OwnedHandle) -> Inner {
        let idle = |kind| UnsafeCell::new(Operation::new(kind, ptr::null()));
        let info = local_information(handle.as_raw_handle());
        // An end for writing may keep both secret. Only a server's does, and messages are
        // never cut.
        let is_server = info.map_or(true, |it| it.NamedPipeEnd == FILE_PIPE_SERVER_END);
        let has_messages = info.map_or(true, |it| it.NamedPipeType == FILE_PIPE_MESSAGE_TYPE);
        Inner {
            handle: handle.as_raw_handle(),
            operations: [Kind::Connect, Kind::Read, Kind::Write, Kind::Notice].map(idle),
            locked: Mutex::new(Locked {
                state: PipeState::new(is_server),
                token: Token(0),
                queued: false,
                io: Io {
                    handle: Some(handle),
                    has_messages,
                    incoming: Vec::new(),
                    taken: 0,
                    asked: 0,
                    read_limit: USUAL_LIMIT,
                    outgoing: Vec::new(),
                    written: 0,
                    write_limit: USUAL_LIMIT,
                },
            }),
        }
    }

    /// Has `call` begin an operation of `kind`, which must not be running, and whose packet
    /// will come.
    fn submit(
        self: &Arc<Inner>,
        shared: &Shared,
        kind: Kind,
        call: impl FnOnce(*mut OVERLAPPED) -> io::Result<()>,
    ) -> Result<(), Code> {
        let owner = Arc::into_raw(Arc::clone(self));
        let operation = self.operations[kind as usize].get();
        // SAFETY: the operation does not run, so that nobody else touches it: that its last packet
        // was taken, and that the next is ours to send, was found out under the lock.
        unsafe { operation.write(Operation::new(kind, owner)) };
        shared.began();
        let Err(error) = call(operation.cast()) else {
            return Ok(());
        };
        match error.raw_os_error().unwrap_or(0) {
            // Both end in a packet, as success does, whatever else is found out about them.
            code if code == ERROR_IO_PENDING as Code || code == ERROR_MORE_DATA as Code => Ok(()),
            code => {
                shared.ended();
                // SAFETY: no packet will come, and the reference is ours again.
                drop(unsafe { Arc::from_raw(owner) });
                Err(code)
            }
        }
    }

    /// Posts a packet to ourselves if something is to be reported for which no other will come.
    /// The record is let go of first: the thread that takes the packet needs it.
    fn notify(
        self: &Arc<Inner>,
        shared: &Shared,
        mut locked: MutexGuard<'_, Locked>,
    ) -> io::Result<()> {
        let is_due = locked.state.notice_due();
        drop(locked);
        if !is_due {
            return Ok(());
        }
        self.submit(shared, Kind::Notice, |overlapped| {
            shared.port().post(Key::Pipe, overlapped.cast())
        })
        .map_err(|code| {
            lock(&self.locked).state.notice_taken();
            io::Error::from_raw_os_error(code)
        })
    }

    /// An operation has ended.
    fn ended(
        self: &Arc<Inner>,
        shared: &Shared,
        kind: Kind,
        result: Result<(), Code>,
        moved: usize,
    ) {
        let mut guard = lock(&self.locked);
        let Locked { state, io, .. } = &mut *guard;
        match kind {
            Kind::Connect => state.connect_ended(&mut self.system(Some(shared), io), result),
            Kind::Read => {
                // What is stale the state does not let anybody see.
                let result = result.map(|()| io.received(moved));
                state.read_ended(&mut self.system(Some(shared), io), result);
            }
            Kind::Write => {
                let result = result.and_then(|()| io.sent(moved));
                state.write_ended(&mut self.system(Some(shared), io), result);
                if state.is_over() && io.handle.is_some() {
                    // What arrives was still being read.
                    self.cancel(Kind::Read);
                    io.handle = None;
                    shared.lingering().0.fetch_sub(1, Ordering::Relaxed);
                }
            }
            Kind::Notice => state.notice_taken(),
        }
    }

    fn system<'a>(self: &'a Arc<Inner>, shared: Option<&'a Shared>, io: &'a mut Io) -> Driver<'a> {
        Driver {
            inner: self,
            shared,
            io,
        }
    }

    /// Has an operation end now. The handle must not be closed yet.
    fn cancel(&self, kind: Kind) {
        // SAFETY: the system compares the pointer with those of the operations that run,
        // and does not follow it.
        unsafe { CancelIoEx(self.handle, self.operations[kind as usize].get().cast()) };
        // The only failure is that it does not run any more.
    }
}

/// Starts the operations of a pipe.
struct Driver<'a> {
    inner: &'a Arc<Inner>,
    /// `None` before the first registration.
    shared: Option<&'a Shared>,
    io: &'a mut Io,
}

impl Driver<'_> {
    fn submit(
        &self,
        kind: Kind,
        call: impl FnOnce(*mut OVERLAPPED) -> io::Result<()>,
    ) -> Result<(), Code> {
        let shared = self.shared.ok_or(ERROR_INVALID_HANDLE as Code)?;
        self.inner.submit(shared, kind, call)
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
        let handle = self.io.raw_handle();
        self.submit(Kind::Connect, |overlapped| {
            // SAFETY: the memory stays in place until the packet has been taken.
            check(unsafe { ConnectNamedPipe(handle, overlapped) })
        })
    }

    fn read(&mut self) -> Result<(), Code> {
        let wanted = self.io.make_room()?;
        let (handle, room) = (self.io.raw_handle(), self.io.incoming.as_mut_ptr());
        self.submit(Kind::Read, |overlapped| {
            // SAFETY: `wanted` bytes are allocated. They stay so, and neither they nor the
            // operation are touched, until the packet has been taken.
            check(unsafe { ReadFile(handle, room, wanted, ptr::null_mut(), overlapped) })
        })
    }

    fn write(&mut self) -> Result<(), Code> {
        let (handle, rest) = (self.io.raw_handle(), &self.io.outgoing[self.io.written..]);
        let len = u32::try_from(rest.len()).unwrap_or(u32::MAX);
        self.submit(Kind::Write, |overlapped| {
            // SAFETY: `len` bytes are there. They stay as they are, and so does the operation,
            // until the packet has been taken.
            check(unsafe { WriteFile(handle, rest.as_ptr(), len, ptr::null_mut(), overlapped) })
        })
    }
}

/// What the system says of an end; `None` for one that may not be asked.
fn local_information(handle: RawHandle) -> Option<FILE_PIPE_LOCAL_INFORMATION> {
    let mut info = FILE_PIPE_LOCAL_INFORMATION::default();
    let mut block = IO_STATUS_BLOCK::default();
    // SAFETY: both pointers are those of local variables, one of which has the size that is
    // given. The system answers this at once, also for handles of overlapped operations.
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

impl Io {
    fn raw_handle(&self) -> RawHandle {
        // The system answers an error for a pipe that is closed already.
        self.handle
            .as_ref()
            .map_or(ptr::null_mut(), AsRawHandle::as_raw_handle)
    }

    /// Empties the buffer for a read like the last that the user made, and returns its size.
    fn make_room(&mut self) -> Result<u32, Code> {
        let least = LEAST_READ.min(self.read_limit);
        let size = self.asked.clamp(least, self.read_limit);
        self.incoming.clear();
        self.taken = 0;
        let reserved = self.incoming.try_reserve_exact(size);
        reserved.map_err(|_| ERROR_NOT_ENOUGH_MEMORY as Code)?;
        Ok(u32::try_from(size).unwrap_or(u32::MAX))
    }

    /// A read has brought `len` bytes. Returns whether that is something.
    ///
    /// No bytes are an empty message, however the pipe is read. In a stream they mean
    /// nothing, and must not look like its end.
    fn received(&mut self, len: usize) -> bool {
        debug_assert!(len <= self.incoming.capacity());
        // SAFETY: the system has written `len` bytes, of which it was given as many at least.
        unsafe { self.incoming.set_len(len) };
        len > 0 || self.has_messages
    }

    /// Takes from what was read. Returns how much.
    fn take(&mut self, bufs: &mut [IoSliceMut<'_>]) -> usize {
        let before = self.taken;
        for buf in bufs {
            let unread = &self.incoming[self.taken..];
            let len = unread.len().min(buf.len());
            buf[..len].copy_from_slice(&unread[..len]);
            self.taken += len;
        }
        self.taken - before
    }

    /// Takes in what is to be written, as much as the limit allows. Returns how much.
    fn fill(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let all = bufs
            .iter()
            .fold(0_usize, |sum, buf| sum.saturating_add(buf.len()));
        // A message that is cut is two messages.
        let room = if self.has_messages {
            all
        } else {
            all.min(self.write_limit)
        };
        self.outgoing.clear();
        self.written = 0;
        if self.outgoing.try_reserve_exact(room).is_err() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        for buf in bufs {
            let len = buf.len().min(room - self.outgoing.len());
            self.outgoing.extend_from_slice(&buf[..len]);
        }
        Ok(room)
    }

    /// A write has moved `len` bytes. Returns whether they were the last.
    fn sent(&mut self, len: usize) -> Result<bool, Code> {
        let rest = self.outgoing.len() - self.written;
        if len == 0 && rest > 0 {
            // It would be repeated for ever.
            return Err(ERROR_WRITE_FAULT as Code);
        }
        self.written += len.min(rest);
        let all = len >= rest;
        if all && self.outgoing.capacity() > self.write_limit {
            // That was a long message.
            self.outgoing = Vec::new();
            self.written = 0;
        }
        Ok(all)
    }
}

impl Pipe {
    pub(crate) fn new(handle: OwnedHandle) -> Pipe {
        Pipe {
            inner: Arc::new(Inner::new(handle)),
            home: None,
        }
    }

    /// Makes the server's end of a pipe that has none yet.
    pub(crate) fn create(name: &OsStr) -> io::Result<Pipe> {
        let mut wide: Vec<u16> = name.encode_wide().collect();
        if wide.contains(&0) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the name of the pipe contains a zero",
            ));
        }
        wide.push(0);
        // SAFETY: the name ends with a zero, the other pointer may be null.
        let handle = unsafe {
            CreateNamedPipeW(
                wide.as_ptr(),
                PIPE_ACCESS_DUPLEX | FILE_FLAG_FIRST_PIPE_INSTANCE | FILE_FLAG_OVERLAPPED,
                PIPE_TYPE_BYTE,
                PIPE_UNLIMITED_INSTANCES,
                USUAL_LIMIT as u32,
                USUAL_LIMIT as u32,
                0,
                ptr::null(),
            )
        };
        if handle == INVALID_HANDLE_VALUE {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the system just made `handle` for us; nobody else knows of it.
        Ok(Pipe::new(unsafe { OwnedHandle::from_raw_handle(handle) }))
    }

    /// It stays open for as long as the pipe lives.
    pub(crate) fn raw_handle(&self) -> RawHandle {
        self.inner.handle
    }

    /// Makes a change, and posts what is to be reported.
    fn run<R>(&self, change: impl FnOnce(&mut PipeState, &mut Driver<'_>) -> R) -> R {
        let mut guard = lock(&self.inner.locked);
        let Locked { state, io, .. } = &mut *guard;
        let shared = self.home.as_deref();
        let result = change(state, &mut self.inner.system(shared, io));
        if let Some(shared) = shared {
            // Should the packet find no room in the port, the next one of the pipe reports it.
            let _ = self.inner.notify(shared, guard);
        }
        result
    }

    pub(crate) fn connect(&self) -> io::Result<()> {
        self.run(|state, system| state.connect(system))
    }

    pub(crate) fn disconnect(&self) -> io::Result<()> {
        self.run(|state, system| {
            // SAFETY: takes no pointer.
            match check(unsafe { DisconnectNamedPipe(system.inner.handle) }) {
                // It ends what runs.
                Ok(()) => {}
                // Wine leaves an attempt to connect as it is.
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

    fn receive(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let wanted = bufs
            .iter()
            .fold(0_usize, |sum, buf| sum.saturating_add(buf.len()));
        if wanted == 0 {
            return Ok(0);
        }
        self.run(|state, system| {
            system.io.asked = wanted;
            if !state.read(system)? {
                return Ok(0);
            }
            let len = system.io.take(bufs);
            if system.io.taken == system.io.incoming.len() {
                state.drained(system);
            }
            Ok(len)
        })
    }

    fn send(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.run(|state, system| {
            if !system.io.has_messages && bufs.iter().all(|buf| buf.is_empty()) {
                return Ok(0);
            }
            state.check_write()?;
            let len = system.io.fill(bufs)?;
            state.write(system)?;
            Ok(len)
        })
    }

    pub(crate) fn set_read_limit(&self, limit: usize) -> io::Result<()> {
        lock(&self.inner.locked).io.read_limit = check_limit(limit)?;
        Ok(())
    }

    pub(crate) fn set_write_limit(&self, limit: usize) -> io::Result<()> {
        lock(&self.inner.locked).io.write_limit = check_limit(limit)?;
        Ok(())
    }
}

impl Read for &Pipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.receive(&mut [IoSliceMut::new(buf)])
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.receive(bufs)
    }
}

impl Write for &Pipe {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.send(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.send(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The system's operations know 32 bits.
fn check_limit(limit: usize) -> io::Result<usize> {
    if limit == 0 || u32::try_from(limit).is_err() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the size of a buffer is to be above zero and below four gigabytes",
        ));
    }
    Ok(limit)
}

/// Registration.
impl Pipe {
    pub(crate) fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        if lock(&self.inner.locked).state.is_watched() {
            return Err(already_registered());
        }
        let shared = registry.selector().shared();
        match &self.home {
            None => {
                shared.port().attach(self.inner.handle, Key::Pipe)?;
                self.home = Some(Arc::clone(shared));
                self.run(|state, system| state.attach(system));
            }
            Some(home) if !Arc::ptr_eq(home, shared) => {
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
        let Some(shared) = self.home.as_deref() else {
            return Err(not_registered());
        };
        let mut guard = lock(&self.inner.locked);
        let locked = &mut *guard;
        locked.token = token;
        let mut system = self.inner.system(Some(shared), &mut locked.io);
        locked.state.watch(&mut system, interest);
        self.inner.notify(shared, guard).map_err(|error| {
            lock(&self.inner.locked).state.unwatch();
            error
        })
    }

    fn check_registered_with(&self, registry: &Registry) -> io::Result<()> {
        match &self.home {
            Some(home) if lock(&self.inner.locked).state.is_watched() => {
                if Arc::ptr_eq(home, registry.selector().shared()) {
                    Ok(())
                } else {
                    Err(registered_elsewhere())
                }
            }
            _ => Err(not_registered()),
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let mut locked = lock(&self.inner.locked);
        let Locked { state, io, .. } = &mut *locked;
        let shared = self.home.as_deref();
        let plan = state.drop_plan(&mut self.inner.system(shared, io));
        for (is_due, kind) in [
            (plan.cancel_connect, Kind::Connect),
            (plan.cancel_read, Kind::Read),
            (plan.cancel_write, Kind::Write),
        ] {
            if is_due {
                self.inner.cancel(kind);
            }
        }
        match shared {
            Some(shared) if plan.lingers => {
                shared.lingering().0.fetch_add(1, Ordering::Relaxed);
            }
            _ => io.handle = None,
        }
    }
}

/// How many pipes were dropped whose last write is in flight.
#[derive(Default)]
pub(crate) struct Lingering(AtomicUsize);

impl Lingering {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}
