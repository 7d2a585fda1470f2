//! Named pipes: does what `pipe_state.rs` says, with handles, buffers and operations.
//!
//! Who owns what:
//!
//! * The record of a pipe, [`Inner`], holds all that the system writes to: one [`Operation`]
//!   of each kind, and the buffers. Everything that will end in a packet carries a
//!   reference to the record, taken before the system hears of it (the packet may be taken by
//!   another thread before the call returns), and given back by whoever takes the packet,
//!   or when the call fails, after which no packet comes.
//! * A [`Pipe`] is what the user holds. It keeps the port's owner alive; the record does not,
//!   since packets in the port refer to records.
//! * The handle is closed when the user drops the pipe, though packets are still to come
//!   of what is cancelled then: they need the memory only. If a write is going on, its end
//!   closes the handle; the record is among the [`Dying`] meanwhile.
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

use windows_sys::Win32::Foundation::{
    RtlNtStatusToDosError, ERROR_BROKEN_PIPE, ERROR_IO_PENDING, ERROR_MORE_DATA,
    ERROR_NOT_ENOUGH_MEMORY, ERROR_PIPE_CONNECTED, ERROR_PIPE_LISTENING, ERROR_PIPE_NOT_CONNECTED,
    ERROR_WRITE_FAULT, INVALID_HANDLE_VALUE, NTSTATUS, STATUS_BUFFER_OVERFLOW,
};
use windows_sys::Win32::Storage::FileSystem::{
    ReadFile, WriteFile, FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, PIPE_ACCESS_DUPLEX,
};
use windows_sys::Win32::System::Pipes::{
    ConnectNamedPipe, CreateNamedPipeW, DisconnectNamedPipe, GetNamedPipeHandleStateW,
    GetNamedPipeInfo, PIPE_READMODE_MESSAGE, PIPE_SERVER_END, PIPE_TYPE_BYTE, PIPE_TYPE_MESSAGE,
    PIPE_UNLIMITED_INSTANCES,
};
use windows_sys::Win32::System::IO::{CancelIoEx, OVERLAPPED, OVERLAPPED_ENTRY};

use super::afd::{AFD_POLL_DISCONNECT, AFD_POLL_RECEIVE, AFD_POLL_SEND};
use super::check;
use super::port::Key;
use crate::sync::{lock, Arc, Mutex, MutexGuard};
use crate::sys::misuse::{already_registered, not_registered, registered_elsewhere};
use crate::sys::pipe_state::{self as state, Answer, Code, Failure, Link, PipeState, Told};
use crate::sys::selector::Shared;
use crate::{Interest, Registry, Token};

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
    io: Io,
}

/// The handle, and the buffers.
struct Io {
    /// `None` once it was closed.
    handle: Option<OwnedHandle>,
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

/// Takes a packet of a pipe: what does it tell the user?
pub(crate) fn open(shared: &Shared, packet: &OVERLAPPED_ENTRY) -> Option<(Token, u32)> {
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
    inner.ended(shared, kind, success(status as NTSTATUS), moved)
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
    fn new(handle: OwnedHandle, link: Link) -> Inner {
        let idle = |kind| UnsafeCell::new(Operation::new(kind, ptr::null()));
        Inner {
            handle: handle.as_raw_handle(),
            operations: [Kind::Connect, Kind::Read, Kind::Write, Kind::Notice].map(idle),
            locked: Mutex::new(Locked {
                state: PipeState::new(link),
                token: Token(0),
                io: Io {
                    handle: Some(handle),
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

    /// Makes a change of the state, with all that follows from it.
    fn run(
        self: &Arc<Inner>,
        shared: &Shared,
        locked: &mut Locked,
        change: impl FnOnce(&mut PipeState),
    ) {
        let Locked { state, io, .. } = locked;
        let start = |operation| match operation {
            state::Operation::Connect => self.start_connect(shared, io),
            state::Operation::Read => self.start_read(shared, io),
            state::Operation::Write => self.start_write(shared, io),
        };
        state.run(start, change);
    }

    fn start_connect(self: &Arc<Inner>, shared: &Shared, io: &Io) -> Result<(), Failure> {
        let handle = io.raw_handle();
        self.submit(shared, Kind::Connect, |overlapped| {
            // SAFETY: the memory stays in place until the packet has been taken.
            check(unsafe { ConnectNamedPipe(handle, overlapped) })
        })
        .map_err(|code| io.failure(code))
    }

    fn start_read(self: &Arc<Inner>, shared: &Shared, io: &mut Io) -> Result<(), Failure> {
        let wanted = io
            .make_room()
            .map_err(|()| Failure::Other(ERROR_NOT_ENOUGH_MEMORY as Code))?;
        let (handle, room) = (io.raw_handle(), io.incoming.as_mut_ptr());
        self.submit(shared, Kind::Read, |overlapped| {
            // SAFETY: `wanted` bytes are allocated. They stay so, and neither they nor the
            // operation are touched, until the packet has been taken.
            check(unsafe { ReadFile(handle, room, wanted, ptr::null_mut(), overlapped) })
        })
        .map_err(|code| io.failure(code))
    }

    fn start_write(self: &Arc<Inner>, shared: &Shared, io: &Io) -> Result<(), Failure> {
        let rest = &io.outgoing[io.written..];
        let len = u32::try_from(rest.len()).unwrap_or(u32::MAX);
        self.submit(shared, Kind::Write, |overlapped| {
            // SAFETY: `len` bytes are there. They stay as they are, and so does the operation,
            // until the packet has been taken.
            check(unsafe {
                WriteFile(
                    io.raw_handle(),
                    rest.as_ptr(),
                    len,
                    ptr::null_mut(),
                    overlapped,
                )
            })
        })
        .map_err(|code| io.failure(code))
    }

    /// Posts a packet to ourselves if something is to be told for which no other will come. The
    /// record is let go of first: the thread that takes the packet needs it.
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
    ) -> Option<(Token, u32)> {
        let mut guard = lock(&self.locked);
        let locked = &mut *guard;
        let result = result.map_err(|code| locked.io.failure(code));
        match kind {
            Kind::Connect => self.run(shared, locked, |state| state.connect_ended(result)),
            Kind::Read => {
                // What is late the state does not let anybody see.
                let brought = result.is_ok() && locked.io.received(moved);
                self.run(shared, locked, |state| {
                    state.read_ended(result.map(|()| brought));
                });
            }
            Kind::Write => {
                // One that moves nothing would be repeated for ever.
                let result = match result {
                    Ok(()) if moved == 0 => Err(Failure::Other(ERROR_WRITE_FAULT as Code)),
                    result => result,
                };
                let all = result.is_ok() && locked.io.sent(moved);
                self.run(shared, locked, |state| {
                    state.write_ended(result.map(|()| all));
                });
            }
            Kind::Notice => locked.state.notice_taken(),
        }
        let told = locked.state.deliver();
        let token = locked.token;
        let is_over = kind == Kind::Write && locked.state.is_over();
        if is_over {
            locked.io.handle = None;
        }
        // Should the packet find no room in the port, the next one of the pipe tells it.
        let _ = self.notify(shared, guard);
        if is_over {
            shared.dying().remove(self);
        }
        told.map(|told| (token, flags(told)))
    }

    /// Has an operation end now. The handle must not be closed yet.
    fn cancel(&self, kind: Kind) {
        // SAFETY: the system compares the pointer with those of the operations that run,
        // and does not follow it.
        unsafe { CancelIoEx(self.handle, self.operations[kind as usize].get().cast()) };
        // The only failure is that it does not run any more.
    }
}

/// What an event says, in the words that the backend has for sockets.
fn flags(told: Told) -> u32 {
    let when = |flag, condition| if condition { flag } else { 0 };
    when(AFD_POLL_RECEIVE, told.sides.read)
        | when(AFD_POLL_SEND, told.sides.write)
        | when(AFD_POLL_DISCONNECT, told.read_closed)
}

impl Io {
    fn raw_handle(&self) -> RawHandle {
        // The system answers an error for a pipe that is closed already.
        self.handle
            .as_ref()
            .map_or(ptr::null_mut(), AsRawHandle::as_raw_handle)
    }

    /// What the system's number means to the state.
    fn failure(&self, code: Code) -> Failure {
        match code as u32 {
            ERROR_PIPE_CONNECTED => Failure::Connected,
            ERROR_PIPE_LISTENING => Failure::Listening,
            ERROR_PIPE_NOT_CONNECTED => Failure::Down(code),
            // Another client can be connected to a server's end.
            ERROR_BROKEN_PIPE => Failure::Ended {
                code,
                for_good: self.info().is_some_and(|info| info & PIPE_SERVER_END == 0),
            },
            _ => Failure::Other(code),
        }
    }

    /// The flags that the pipe was made with.
    fn info(&self) -> Option<u32> {
        let mut info = 0;
        // SAFETY: the first pointer is that of a local variable, the others may be null.
        check(unsafe {
            GetNamedPipeInfo(
                self.raw_handle(),
                &mut info,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
            )
        })
        .ok()?;
        Some(info)
    }

    /// Whether reads end with the end of a message.
    fn reads_messages(&self) -> bool {
        let mut mode = 0;
        // SAFETY: the first pointer is that of a local variable, the others may be null.
        let asked = check(unsafe {
            GetNamedPipeHandleStateW(
                self.raw_handle(),
                &mut mode,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                0,
            )
        });
        asked.is_ok() && mode & PIPE_READMODE_MESSAGE != 0
    }

    /// Empties the buffer for a read like the last that the user made, and returns its size.
    fn make_room(&mut self) -> Result<u32, ()> {
        let least = LEAST_READ.min(self.read_limit);
        let size = self.asked.clamp(least, self.read_limit);
        self.incoming.clear();
        self.taken = 0;
        self.incoming.try_reserve_exact(size).map_err(drop)?;
        Ok(u32::try_from(size).unwrap_or(u32::MAX))
    }

    /// A read has brought `len` bytes. Returns whether that is something.
    ///
    /// No bytes are what the other end wrote when it wrote none. In a stream that means
    /// nothing, and must not look like its end. Among messages it is one.
    fn received(&mut self, len: usize) -> bool {
        debug_assert!(len <= self.incoming.capacity());
        // SAFETY: the system has written `len` bytes, of which it was given as many at least.
        unsafe { self.incoming.set_len(len) };
        len > 0 || self.reads_messages()
    }

    /// Takes from what was read. Returns how much, and whether it was the last.
    fn take(&mut self, buf: &mut [u8]) -> (usize, bool) {
        let unread = &self.incoming[self.taken..];
        let len = unread.len().min(buf.len());
        buf[..len].copy_from_slice(&unread[..len]);
        self.taken += len;
        (len, self.taken == self.incoming.len())
    }

    /// Takes in what is to be written, as much as the limit allows. Returns how much.
    fn fill(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let all = bufs
            .iter()
            .fold(0_usize, |sum, buf| sum.saturating_add(buf.len()));
        let mut room = all.min(self.write_limit);
        // A message that is cut is two messages.
        if room < all
            && self
                .info()
                .is_some_and(|info| info & PIPE_TYPE_MESSAGE != 0)
        {
            room = all;
        }
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
    fn sent(&mut self, len: usize) -> bool {
        self.written = self.outgoing.len().min(self.written + len);
        let all = self.written == self.outgoing.len();
        if all && self.outgoing.capacity() > self.write_limit {
            // That was a long message.
            self.outgoing = Vec::new();
            self.written = 0;
        }
        all
    }
}

impl Pipe {
    pub(crate) fn new(handle: OwnedHandle) -> Pipe {
        Pipe::with_link(handle, Link::Unknown)
    }

    fn with_link(handle: OwnedHandle, link: Link) -> Pipe {
        Pipe {
            inner: Arc::new(Inner::new(handle, link)),
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
        let handle = unsafe { OwnedHandle::from_raw_handle(handle) };
        Ok(Pipe::with_link(handle, Link::Down))
    }

    /// It stays open for as long as the pipe lives.
    pub(crate) fn raw_handle(&self) -> RawHandle {
        self.inner.handle
    }

    /// Makes a change, and posts what is to be told. Before the first registration nothing
    /// can be started, and nothing told.
    fn run(&self, locked: &mut Locked, change: impl FnOnce(&mut PipeState)) {
        match &self.home {
            Some(shared) => self.inner.run(shared, locked, change),
            None => locked.state.run(|_| Err(Failure::Listening), change),
        }
    }

    fn notify(&self, locked: MutexGuard<'_, Locked>) {
        if let Some(shared) = &self.home {
            // Should the packet find no room in the port, the next one of the pipe tells it.
            let _ = self.inner.notify(shared, locked);
        }
    }

    pub(crate) fn connect(&self) -> io::Result<()> {
        let mut guard = lock(&self.inner.locked);
        let locked = &mut *guard;
        self.run(locked, PipeState::want_connect);
        let answer = locked.state.take_connect();
        self.notify(guard);
        match answer {
            Answer::Go | Answer::End => Ok(()),
            Answer::WouldBlock => Err(io::ErrorKind::WouldBlock.into()),
            Answer::Failed(code) => Err(io::Error::from_raw_os_error(code)),
        }
    }

    pub(crate) fn disconnect(&self) -> io::Result<()> {
        let mut locked = lock(&self.inner.locked);
        // SAFETY: takes no pointer.
        let disconnected = check(unsafe { DisconnectNamedPipe(self.inner.handle) });
        match disconnected.map_err(|error| error.raw_os_error().unwrap_or(0)) {
            // It ends what runs.
            Ok(()) => {}
            // Wine leaves an attempt to connect as it is.
            Err(code) if code == ERROR_PIPE_LISTENING as Code => self.inner.cancel(Kind::Connect),
            Err(code) => return Err(io::Error::from_raw_os_error(code)),
        }
        locked.state.disconnected();
        Ok(())
    }

    pub(crate) fn take_error(&self) -> Option<io::Error> {
        let code = lock(&self.inner.locked).state.take_error();
        code.map(io::Error::from_raw_os_error)
    }

    fn receive(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let wanted = bufs
            .iter()
            .fold(0_usize, |sum, buf| sum.saturating_add(buf.len()));
        if wanted == 0 {
            return Ok(0);
        }
        self.check_registered_once()?;
        let mut guard = lock(&self.inner.locked);
        let locked = &mut *guard;
        locked.io.asked = wanted;
        self.run(locked, PipeState::want_read);
        let result = match locked.state.take_read() {
            Answer::Go => {
                let (mut len, mut last) = (0, false);
                for buf in bufs.iter_mut().filter(|buf| !buf.is_empty()) {
                    let (taken, was_last) = locked.io.take(buf);
                    len += taken;
                    last = was_last;
                    if last {
                        break;
                    }
                }
                if last {
                    locked.state.drained();
                    self.run(locked, |_| {});
                }
                Ok(len)
            }
            Answer::End => Ok(0),
            Answer::WouldBlock => Err(io::ErrorKind::WouldBlock.into()),
            Answer::Failed(code) => Err(io::Error::from_raw_os_error(code)),
        };
        self.notify(guard);
        result
    }

    fn send(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Ok(0);
        }
        self.check_registered_once()?;
        let mut guard = lock(&self.inner.locked);
        let locked = &mut *guard;
        let result = match locked.state.take_write() {
            Answer::Go | Answer::End => {
                let len = locked.io.fill(bufs)?;
                self.run(locked, PipeState::filled);
                match locked.state.take_write_failure() {
                    None => Ok(len),
                    Some(code) => Err(io::Error::from_raw_os_error(code)),
                }
            }
            Answer::WouldBlock => Err(io::ErrorKind::WouldBlock.into()),
            Answer::Failed(code) => Err(io::Error::from_raw_os_error(code)),
        };
        self.notify(guard);
        result
    }

    fn check_registered_once(&self) -> io::Result<()> {
        if self.home.is_some() {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a named pipe has to be registered with a poll before it is read or written",
        ))
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
        let guard = lock(&self.inner.locked);
        if guard.state.is_watched() {
            return Err(already_registered());
        }
        match &self.home {
            None => {
                let shared = registry.selector().shared();
                shared.port().attach(self.inner.handle, Key::Pipe)?;
                self.home = Some(Arc::clone(shared));
            }
            Some(home) if !Arc::ptr_eq(home, registry.selector().shared()) => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "a named pipe belongs to the poll that it was registered with first",
                ));
            }
            Some(_) => {}
        }
        self.watch(guard, token, interest)
    }

    pub(crate) fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        let locked = lock(&self.inner.locked);
        self.check_registered_with(&locked, registry)?;
        self.watch(locked, token, interest)
    }

    pub(crate) fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        let mut locked = lock(&self.inner.locked);
        if self.check_registered_with(&locked, registry).is_err() {
            return Err(not_registered());
        }
        locked.state.unwatch();
        Ok(())
    }

    fn watch(
        &self,
        mut guard: MutexGuard<'_, Locked>,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        let locked = &mut *guard;
        locked.token = token;
        self.run(locked, |state| {
            state.attach();
            state.watch(interest);
        });
        locked.state.announce();
        let Some(shared) = &self.home else {
            return Ok(());
        };
        self.inner.notify(shared, guard).map_err(|error| {
            lock(&self.inner.locked).state.unwatch();
            error
        })
    }

    fn check_registered_with(&self, locked: &Locked, registry: &Registry) -> io::Result<()> {
        match &self.home {
            Some(home) if locked.state.is_watched() => {
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
        let farewell = locked.state.farewell();
        if farewell.cancel_connect {
            self.inner.cancel(Kind::Connect);
        }
        if farewell.cancel_read {
            self.inner.cancel(Kind::Read);
        }
        if farewell.cancel_write {
            self.inner.cancel(Kind::Write);
        }
        match &self.home {
            Some(shared) if farewell.linger => shared.dying().add(&self.inner),
            _ => locked.io.handle = None,
        }
    }
}

/// Pipes that nobody holds any more, and whose last write is going on.
#[derive(Default)]
pub(crate) struct Dying {
    pipes: Mutex<Vec<Arc<Inner>>>,
}

impl Dying {
    fn add(&self, pipe: &Arc<Inner>) {
        lock(&self.pipes).push(Arc::clone(pipe));
    }

    fn remove(&self, pipe: &Arc<Inner>) {
        let mut pipes = lock(&self.pipes);
        if let Some(place) = pipes.iter().position(|it| Arc::ptr_eq(it, pipe)) {
            pipes.swap_remove(place);
        }
    }

    /// Has the writes end now, for nobody will be there to take their packets later.
    pub(crate) fn cancel_all(&self) {
        for pipe in mem::take(&mut *lock(&self.pipes)) {
            let mut locked = lock(&pipe.locked);
            if locked.io.handle.is_some() {
                pipe.cancel(Kind::Write);
                locked.io.handle = None;
            }
        }
    }
}
