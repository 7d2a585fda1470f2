//! A model of the parts of Windows that the library's selector uses: completion ports, and the
//! device behind sockets. The functions are those that `windows-sys` declares; they do what the
//! library relies on, and no more.
//!
//! The memory of a request belongs to the system until its packet has been taken. Until then it
//! contains a status that means failure. The result is written when the packet is taken, and any
//! access in between fails the test.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::mem;

use loom::sync::{Condvar, Mutex, MutexGuard};
use loom::thread::{self, ThreadId};
use windows_sys::core::BOOL;
use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Win32::Foundation::{
    ERROR_INVALID_HANDLE, ERROR_NO_SYSTEM_RESOURCES, HANDLE, INVALID_HANDLE_VALUE, NTSTATUS,
    STATUS_CANCELLED, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_HANDLE, STATUS_NOT_FOUND,
    STATUS_PENDING, STATUS_SUCCESS, STATUS_TIMEOUT, WAIT_TIMEOUT,
};
use windows_sys::Win32::Networking::WinSock::{
    LPWSAOVERLAPPED_COMPLETION_ROUTINE, SIO_BASE_HANDLE, SOCKET,
};
use windows_sys::Win32::System::Threading::INFINITE;
use windows_sys::Win32::System::WindowsProgramming::FILE_SKIP_SET_EVENT_ON_HANDLE;
use windows_sys::Win32::System::IO::{
    IO_STATUS_BLOCK, OVERLAPPED, OVERLAPPED_ENTRY, PIO_APC_ROUTINE,
};

/// As in the standard library on Windows.
pub type RawSocket = u64;
/// As above.
pub type RawHandle = *mut c_void;

const IOCTL_AFD_POLL: u32 = 0x0001_2024;
const AFD_POLL_LOCAL_CLOSE: u32 = 1 << 5;

/// The status of a request while its memory belongs to the system: an error.
const OURS: NTSTATUS = 0xE000_0000_u32 as NTSTATUS;

loom::lazy_static! {
    static ref SYSTEM: System = System::default();
}

#[derive(Default)]
struct System {
    state: Mutex<State>,
    /// Notified when a packet is queued to a port.
    packets: Condvar,
}

#[derive(Default)]
struct State {
    /// The objects of the handles; the first handle is 1.
    objects: Vec<Object>,
    /// Which sockets are ready, and for what.
    ready: Vec<(RawSocket, u32)>,
    closed: Vec<RawSocket>,
    /// The number of requests still to be refused.
    refusals: usize,
    /// The threads whose next posted packet is refused, too.
    out_of_memory: Vec<ThreadId>,
    /// The sockets whose requests are all refused.
    refused: Vec<RawSocket>,
    /// The number of accepted requests.
    accepted: usize,
    /// The pending requests.
    requests: Vec<Request>,
}

enum Object {
    Closed,
    Port(Port),
    /// The device; where its packets go, and their key.
    Device(Option<(HandleNumber, usize)>),
}

type HandleNumber = usize;

/// The queue of a completion port, and the threads that are handling packets from it.
struct Port {
    packets: VecDeque<Packet>,
    /// The limit: while this number of other threads is running, a thread waits even if there are
    /// packets.
    concurrency: usize,
    /// The threads that have taken packets and not returned since. The system also leaves out
    /// those that ended or block in another call, which this model does not see.
    running: Vec<ThreadId>,
}

impl Port {
    fn has_packets_for_a_thread(&self) -> bool {
        !self.packets.is_empty() && self.running.len() < self.concurrency
    }
}

struct Request {
    device: HandleNumber,
    memory: Memory,
    socket: RawSocket,
    events: u32,
    context: usize,
}

/// The memory of a request: its status and its input.
#[derive(Copy, Clone, PartialEq, Eq)]
struct Memory {
    status: usize,
    info: usize,
}

struct Packet {
    key: usize,
    context: usize,
    answer: Option<Answer>,
}

struct Answer {
    memory: Memory,
    status: NTSTATUS,
    events: u32,
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

/// Makes `socket` ready for `flags`, and for nothing else.
pub fn make_ready(socket: RawSocket, flags: u32) {
    let mut state = lock();
    state.ready.retain(|entry| entry.0 != socket);
    state.ready.push((socket, flags));
    state.complete_where(|request| (request.socket == socket).then_some(flags));
}

/// Makes `socket` ready for nothing.
pub fn make_unready(socket: RawSocket) {
    lock().ready.retain(|entry| entry.0 != socket);
}

/// Closes `socket` as a bare handle.
pub fn close_socket(socket: RawSocket) {
    let mut state = lock();
    state.closed.push(socket);
    state.complete_where(|request| (request.socket == socket).then_some(AFD_POLL_LOCAL_CLOSE));
}

/// Makes the next `count` requests fail for lack of memory, and the packet that the same thread
/// posts then.
pub fn refuse_requests(count: usize) {
    lock().refusals = count;
}

/// Makes every request for `socket` fail.
pub fn refuse_socket(socket: RawSocket) {
    lock().refused.push(socket);
}

/// Returns the number of requests that the device has accepted.
pub fn requests() -> usize {
    lock().accepted
}

fn lock() -> MutexGuard<'static, State> {
    SYSTEM.state.lock().unwrap()
}

impl State {
    fn open(&mut self, object: Object) -> HANDLE {
        self.objects.push(object);
        self.objects.len() as HANDLE
    }

    fn object(&mut self, handle: HANDLE) -> &mut Object {
        &mut self.objects[handle as HandleNumber - 1]
    }

    fn port(&mut self, handle: HANDLE) -> &mut Port {
        match self.object(handle) {
            Object::Port(port) => port,
            _ => panic!("not a port"),
        }
    }

    fn post(&mut self, port: HANDLE, packet: Packet) {
        self.port(port).packets.push_back(packet);
        SYSTEM.packets.notify_all();
    }

    /// What `socket` is ready for.
    fn ready(&self, socket: RawSocket) -> u32 {
        let entry = self.ready.iter().find(|entry| entry.0 == socket);
        entry.map_or(0, |entry| entry.1)
    }

    /// Completes the requests for which a requested condition now holds.
    fn complete_where(&mut self, became: impl Fn(&Request) -> Option<u32>) {
        while let Some(place) = self
            .requests
            .iter()
            .position(|request| became(request).is_some_and(|flags| flags & request.events != 0))
        {
            let request = self.requests.remove(place);
            let events = became(&request).map_or(0, |flags| flags & request.events);
            self.complete(&request, STATUS_SUCCESS, events);
        }
    }

    fn complete(&mut self, request: &Request, status: NTSTATUS, events: u32) {
        let Object::Device(Some((port, key))) = self.objects[request.device - 1] else {
            panic!("the device has no port");
        };
        let packet = Packet {
            key,
            context: request.context,
            answer: Some(Answer {
                memory: request.memory,
                status,
                events,
            }),
        };
        self.post(port as HANDLE, packet);
    }

    /// Whether `memory` is that of a request whose packet has not been taken.
    fn has(&self, memory: Memory) -> bool {
        let queued = self.objects.iter().any(|object| match object {
            Object::Port(port) => port
                .packets
                .iter()
                .filter_map(|packet| packet.answer.as_ref())
                .any(|answer| answer.memory == memory),
            _ => false,
        });
        queued || self.requests.iter().any(|it| it.memory == memory)
    }

    fn close(&mut self, handle: HANDLE) {
        let number = handle as HandleNumber;
        match mem::replace(self.object(handle), Object::Closed) {
            Object::Closed => panic!("closed twice"),
            Object::Port(port) => {
                assert!(port.packets.is_empty(), "a packet was left in the port");
            }
            Object::Device(_) => assert!(
                self.requests.iter().all(|it| it.device != number),
                "a request was left with the device"
            ),
        }
    }
}

impl Answer {
    fn write(&self) {
        let status = self.memory.status as *mut IO_STATUS_BLOCK;
        let info = self.memory.info as *mut PollInfo;
        // SAFETY: the submitter of the request guarantees that the memory is valid.
        let (status, info) = unsafe { (&mut *status, &mut *info) };
        // SAFETY: both members of the union are valid for any bits.
        let before = unsafe { status.Anonymous.Status };
        assert_eq!(before, OURS, "the memory of a request was written to");
        status.Anonymous.Status = self.status;
        info.count = u32::from(self.status == STATUS_SUCCESS);
        info.events = self.events;
    }
}

/// As in the standard library, for handles of this model.
#[derive(Debug)]
pub struct OwnedHandle(HANDLE);

// SAFETY: it is a number.
unsafe impl Send for OwnedHandle {}

// SAFETY: as above.
unsafe impl Sync for OwnedHandle {}

/// As the standard library's.
pub trait FromRawHandle {
    /// # Safety
    ///
    /// `handle` is closed by nothing else.
    unsafe fn from_raw_handle(handle: RawHandle) -> Self;
}

/// As the standard library's.
pub trait AsRawHandle {
    fn as_raw_handle(&self) -> RawHandle;
}

impl FromRawHandle for OwnedHandle {
    unsafe fn from_raw_handle(handle: RawHandle) -> OwnedHandle {
        OwnedHandle(handle)
    }
}

impl AsRawHandle for OwnedHandle {
    fn as_raw_handle(&self) -> RawHandle {
        self.0
    }
}

impl Drop for OwnedHandle {
    fn drop(&mut self) {
        // A failed test does not clean up.
        if !std::thread::panicking() {
            lock().close(self.0);
        }
    }
}

/// With a limit of zero the system takes the number of processors, of which this one has one.
#[no_mangle]
extern "system" fn CreateIoCompletionPort(
    handle: HANDLE,
    port: HANDLE,
    key: usize,
    threads: u32,
) -> HANDLE {
    let mut state = lock();
    if handle == INVALID_HANDLE_VALUE {
        return state.open(Object::Port(Port {
            packets: VecDeque::new(),
            concurrency: threads.max(1) as usize,
            running: Vec::new(),
        }));
    }
    match state.object(handle) {
        Object::Device(place @ None) => *place = Some((port as HandleNumber, key)),
        _ => panic!("has a port already, or can have none"),
    }
    port
}

/// The mode that sets no event has no effect, because nothing waits for handles here. The mode that
/// skips packets is not supported: the library relies on them.
#[no_mangle]
extern "system" fn SetFileCompletionNotificationModes(_device: HANDLE, modes: u8) -> BOOL {
    assert_eq!(u32::from(modes), FILE_SKIP_SET_EVENT_ON_HANDLE);
    1
}

#[no_mangle]
extern "system" fn PostQueuedCompletionStatus(
    port: HANDLE,
    _bytes: u32,
    key: usize,
    context: *const OVERLAPPED,
) -> BOOL {
    let packet = Packet {
        key,
        context: context as usize,
        answer: None,
    };
    let mut state = lock();
    let this = thread::current().id();
    if let Some(place) = state.out_of_memory.iter().position(|&it| it == this) {
        state.out_of_memory.remove(place);
        drop(state);
        set_last_error(ERROR_NO_SYSTEM_RESOURCES);
        return 0;
    }
    state.post(port, packet);
    1
}

/// A finite timeout expires as soon as there is no packet. An infinite one never does: if an event
/// is lost, loom reports a deadlock.
#[no_mangle]
unsafe extern "system" fn GetQueuedCompletionStatusEx(
    port: HANDLE,
    room: *mut OVERLAPPED_ENTRY,
    len: u32,
    taken: *mut u32,
    millis: u32,
    _alertable: BOOL,
) -> BOOL {
    let this = thread::current().id();
    let mut state = lock();
    state.port(port).running.retain(|&thread| thread != this);
    SYSTEM.packets.notify_all();
    while !state.port(port).has_packets_for_a_thread() {
        if millis != INFINITE {
            drop(state);
            set_last_error(WAIT_TIMEOUT);
            return 0;
        }
        state = SYSTEM.packets.wait(state).unwrap();
    }
    let port = state.port(port);
    port.running.push(this);
    let count = port.packets.len().min(len as usize);
    for (place, packet) in port.packets.drain(..count).enumerate() {
        if let Some(answer) = &packet.answer {
            answer.write();
        }
        let entry = OVERLAPPED_ENTRY {
            lpCompletionKey: packet.key,
            lpOverlapped: packet.context as *mut OVERLAPPED,
            ..Default::default()
        };
        // SAFETY: the caller's buffer has room for `len` entries.
        unsafe { room.add(place).write(entry) };
    }
    // SAFETY: the caller wants to know.
    unsafe { taken.write(count as u32) };
    1
}

/// Opens the device; nothing else can be opened.
#[no_mangle]
unsafe extern "system" fn NtCreateFile(
    handle: *mut HANDLE,
    _access: u32,
    _attributes: *const OBJECT_ATTRIBUTES,
    _status: *mut IO_STATUS_BLOCK,
    _allocation: *const i64,
    _file_attributes: u32,
    _share: u32,
    _disposition: u32,
    _options: u32,
    _ea: *const c_void,
    _ea_len: u32,
) -> NTSTATUS {
    let opened = lock().open(Object::Device(None));
    // SAFETY: the caller wants to have it.
    unsafe { handle.write(opened) };
    STATUS_SUCCESS
}

/// A poll of the device. It completes immediately if a requested condition holds, and otherwise
/// when one begins.
#[no_mangle]
unsafe extern "system" fn NtDeviceIoControlFile(
    device: HANDLE,
    _event: HANDLE,
    _apc: PIO_APC_ROUTINE,
    context: *const c_void,
    status: *mut IO_STATUS_BLOCK,
    code: u32,
    input: *const c_void,
    input_len: u32,
    output: *mut c_void,
    _output_len: u32,
) -> NTSTATUS {
    assert_eq!(code, IOCTL_AFD_POLL);
    assert_eq!(input_len as usize, mem::size_of::<PollInfo>());
    assert_eq!(input, output.cast_const());
    let memory = Memory {
        status: status as usize,
        info: output as usize,
    };
    let mut state = lock();
    assert!(
        !state.has(memory),
        "the memory of a request was used for another"
    );
    // SAFETY: the caller has handed over the memory.
    let (status, info) = unsafe { (&mut *status, &*output.cast::<PollInfo>()) };
    let request = Request {
        device: device as HandleNumber,
        memory,
        socket: info.socket,
        events: info.events,
        context: context as usize,
    };
    if state.closed.contains(&request.socket) {
        return STATUS_INVALID_HANDLE;
    }
    if state.refused.contains(&request.socket) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    if state.refusals > 0 {
        state.refusals -= 1;
        state.out_of_memory.push(thread::current().id());
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    state.accepted += 1;
    status.Anonymous.Status = OURS;
    let events = state.ready(request.socket) & request.events;
    if events != 0 {
        state.complete(&request, STATUS_SUCCESS, events);
        return STATUS_SUCCESS;
    }
    if info.timeout == i64::MAX {
        state.requests.push(request);
    } else {
        // A timeout passes at once.
        state.complete(&request, STATUS_TIMEOUT, 0);
    }
    STATUS_PENDING
}

#[no_mangle]
unsafe extern "system" fn NtCancelIoFileEx(
    device: HANDLE,
    request: *const IO_STATUS_BLOCK,
    _status: *mut IO_STATUS_BLOCK,
) -> NTSTATUS {
    let mut state = lock();
    let place = state
        .requests
        .iter()
        .position(|it| it.device == device as HandleNumber && it.memory.status == request as usize);
    let Some(place) = place else {
        return STATUS_NOT_FOUND;
    };
    let request = state.requests.remove(place);
    state.complete(&request, STATUS_CANCELLED, 0);
    STATUS_SUCCESS
}

#[no_mangle]
extern "system" fn RtlNtStatusToDosError(status: NTSTATUS) -> u32 {
    match status {
        STATUS_INVALID_HANDLE => ERROR_INVALID_HANDLE,
        _ => ERROR_NO_SYSTEM_RESOURCES,
    }
}

/// Returns the base socket of a socket, which is always the socket itself.
#[no_mangle]
unsafe extern "system" fn WSAIoctl(
    socket: SOCKET,
    code: u32,
    _input: *const c_void,
    _input_len: u32,
    output: *mut c_void,
    _output_len: u32,
    _returned: *mut u32,
    _overlapped: *mut OVERLAPPED,
    _routine: LPWSAOVERLAPPED_COMPLETION_ROUTINE,
) -> i32 {
    assert_eq!(code, SIO_BASE_HANDLE);
    // SAFETY: the caller wants to know.
    unsafe { output.cast::<RawSocket>().write(socket as RawSocket) };
    0
}

/// Stores the last error where the standard library of this system looks for it.
fn set_last_error(error: u32) {
    // SAFETY: it belongs to this thread. No other thread of loom runs before it is read.
    unsafe { *libc::__errno_location() = error as i32 };
}
