//! The probe. Handles are closed by their owner; a call that is still pending when its line is
//! printed is cancelled and waited for.

use std::cell::Cell;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::{mem, ptr};

use windows_sys::Wdk::Storage::FileSystem::{FilePipeLocalInformation, NtQueryInformationFile};
use windows_sys::Win32::Foundation::{
    GetLastError, ERROR_IO_PENDING, ERROR_MORE_DATA, GENERIC_READ, GENERIC_WRITE,
    INVALID_HANDLE_VALUE, WAIT_OBJECT_0,
};
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, ReadFile, WriteFile, FILE_FLAG_OVERLAPPED, FILE_READ_ATTRIBUTES, OPEN_EXISTING,
    PIPE_ACCESS_DUPLEX, PIPE_ACCESS_INBOUND, PIPE_ACCESS_OUTBOUND,
};
use windows_sys::Win32::System::Pipes::{
    ConnectNamedPipe, CreateNamedPipeW, DisconnectNamedPipe, PeekNamedPipe,
    SetNamedPipeHandleState, PIPE_READMODE_BYTE, PIPE_READMODE_MESSAGE, PIPE_TYPE_BYTE,
    PIPE_TYPE_MESSAGE,
};
use windows_sys::Win32::System::Threading::{CreateEventW, WaitForSingleObject};
use windows_sys::Win32::System::IO::{
    CancelIoEx, GetOverlappedResult, IO_STATUS_BLOCK, OVERLAPPED,
};

/// The buffers of a pipe. A write of more cannot end before somebody reads.
const QUOTA: u32 = 4096;

/// How a pipe is made.
#[derive(Copy, Clone)]
struct Kind {
    message_type: bool,
    message_reads: bool,
    access: u32,
}

impl Kind {
    fn name(self) -> String {
        let kind = if self.message_type { "message" } else { "byte" };
        let reads = if self.message_reads {
            "message"
        } else {
            "byte"
        };
        let access = match self.access {
            PIPE_ACCESS_INBOUND => "inbound",
            PIPE_ACCESS_OUTBOUND => "outbound",
            _ => "duplex",
        };
        format!("{kind} type, {reads} reads, {access}")
    }

    fn client_writes(self) -> bool {
        self.access != PIPE_ACCESS_OUTBOUND
    }

    fn server_writes(self) -> bool {
        self.access != PIPE_ACCESS_INBOUND
    }

    fn server(self, name: &[u16]) -> OwnedHandle {
        let kind = if self.message_type {
            PIPE_TYPE_MESSAGE
        } else {
            PIPE_TYPE_BYTE
        };
        let reads = if self.message_reads {
            PIPE_READMODE_MESSAGE
        } else {
            PIPE_READMODE_BYTE
        };
        // SAFETY: the name ends with a zero, the other pointer may be null.
        owned(unsafe {
            CreateNamedPipeW(
                name.as_ptr(),
                self.access | FILE_FLAG_OVERLAPPED,
                kind | reads,
                8,
                QUOTA,
                QUOTA,
                0,
                ptr::null(),
            )
        })
    }

    fn client(self, name: &[u16]) -> OwnedHandle {
        let access = match self.access {
            PIPE_ACCESS_INBOUND => GENERIC_WRITE | FILE_READ_ATTRIBUTES,
            PIPE_ACCESS_OUTBOUND => GENERIC_READ,
            _ => GENERIC_READ | GENERIC_WRITE,
        };
        // SAFETY: the name ends with a zero, the other pointers may be null.
        let client = owned(unsafe {
            CreateFileW(
                name.as_ptr(),
                access,
                0,
                ptr::null(),
                OPEN_EXISTING,
                FILE_FLAG_OVERLAPPED,
                ptr::null_mut(),
            )
        });
        if self.message_reads && self.server_writes() {
            let mode = PIPE_READMODE_MESSAGE;
            // SAFETY: one pointer is that of a local variable, the others may be null.
            unsafe {
                SetNamedPipeHandleState(client.as_raw_handle(), &mode, ptr::null(), ptr::null());
            }
        }
        client
    }
}

fn owned(handle: RawHandle) -> OwnedHandle {
    assert_ne!(handle, INVALID_HANDLE_VALUE, "{}", last_error());
    // SAFETY: it was just made, and nobody else knows of it.
    unsafe { OwnedHandle::from_raw_handle(handle) }
}

fn last_error() -> u32 {
    // SAFETY: takes no pointer.
    unsafe { GetLastError() }
}

fn new_name() -> Vec<u16> {
    thread_local!(static NEXT: Cell<u32> = const { Cell::new(0) });
    NEXT.set(NEXT.get() + 1);
    let name = format!(r"\\.\pipe\mio-probe-{}-{}", std::process::id(), NEXT.get());
    name.encode_utf16().chain([0]).collect()
}

/// The documented name of an error.
fn named(code: u32) -> String {
    let name = match code {
        1 => "INVALID_FUNCTION",
        5 => "ACCESS_DENIED",
        6 => "INVALID_HANDLE",
        109 => "BROKEN_PIPE",
        230 => "BAD_PIPE",
        231 => "PIPE_BUSY",
        232 => "NO_DATA",
        233 => "PIPE_NOT_CONNECTED",
        234 => "MORE_DATA",
        535 => "PIPE_CONNECTED",
        536 => "PIPE_LISTENING",
        995 => "OPERATION_ABORTED",
        1168 => "NOT_FOUND",
        _ => return code.to_string(),
    };
    name.to_string()
}

/// An overlapped call, with all that the system writes to.
struct Call {
    overlapped: Box<OVERLAPPED>,
    event: OwnedHandle,
    buffer: Box<[u8]>,
    handle: RawHandle,
    /// What the call returned: nothing, or the error.
    begun: u32,
}

impl Call {
    fn new(handle: &OwnedHandle, len: usize, call: impl FnOnce(&mut Call) -> i32) -> Call {
        // SAFETY: the pointers may be null.
        let event = owned(unsafe { CreateEventW(ptr::null(), 1, 0, ptr::null()) });
        // SAFETY: it is made of integers and pointers.
        let mut overlapped: Box<OVERLAPPED> = Box::new(unsafe { mem::zeroed() });
        overlapped.hEvent = event.as_raw_handle();
        let mut this = Call {
            overlapped,
            event,
            buffer: vec![b'x'; len].into(),
            handle: handle.as_raw_handle(),
            begun: 0,
        };
        if call(&mut this) == 0 {
            this.begun = last_error();
        }
        this
    }

    fn connect(handle: &OwnedHandle) -> Call {
        // SAFETY: the memory stays in place until the call has ended: `end` waits for it.
        Call::new(handle, 0, |it| unsafe {
            ConnectNamedPipe(it.handle, &mut *it.overlapped)
        })
    }

    fn read(handle: &OwnedHandle, len: usize) -> Call {
        Call::new(handle, len, |it| {
            let (place, len) = (it.buffer.as_mut_ptr(), len as u32);
            // SAFETY: as above.
            unsafe { ReadFile(it.handle, place, len, ptr::null_mut(), &mut *it.overlapped) }
        })
    }

    fn write(handle: &OwnedHandle, len: usize) -> Call {
        Call::new(handle, len, |it| {
            let (place, len) = (it.buffer.as_ptr(), len as u32);
            // SAFETY: as above.
            unsafe { WriteFile(it.handle, place, len, ptr::null_mut(), &mut *it.overlapped) }
        })
    }

    fn has_ended(&self) -> bool {
        // SAFETY: takes no pointer.
        unsafe { WaitForSingleObject(self.event.as_raw_handle(), 20) == WAIT_OBJECT_0 }
    }

    fn result(&mut self) -> String {
        let mut moved = 0;
        // SAFETY: the pointers are those of places that live.
        let done = unsafe { GetOverlappedResult(self.handle, &*self.overlapped, &mut moved, 0) };
        match (done, last_error()) {
            (0, ERROR_MORE_DATA) => format!("{moved} bytes, MORE_DATA"),
            (0, code) => named(code),
            _ => format!("{moved} bytes"),
        }
    }

    /// What has become of it, now.
    fn end(mut self) -> String {
        match self.begun {
            0 => format!("ok, {}", self.result()),
            ERROR_MORE_DATA => format!("MORE_DATA, {}", self.result()),
            ERROR_IO_PENDING if self.has_ended() => format!("pending, then {}", self.result()),
            ERROR_IO_PENDING => {
                // SAFETY: the operation is ours and lives.
                let cancelled = unsafe { CancelIoEx(self.handle, &*self.overlapped) };
                assert!(cancelled != 0 && self.has_ended());
                format!("pending, cancelled: {}", self.result())
            }
            code => named(code),
        }
    }
}

/// Both ends of a pipe, of which the client's may be gone.
struct Ends {
    server: Option<OwnedHandle>,
    client: Option<OwnedHandle>,
}

const STATES: [&str; 9] = [
    "listening",
    "connected",
    "data there",
    "empty message there",
    "peer gone",
    "peer gone, data there",
    "peer gone, empty message there",
    "disconnected",
    "disconnected, data there",
];

const CALLS: [&str; 8] = [
    "state", "peek", "connect", "read 0", "read 2", "read 64", "write 0", "write 5",
];

/// Brings a pipe into a state, as seen by one of its ends. `None` if that cannot be.
fn reach(kind: Kind, by_server: bool, state: &str) -> Option<Ends> {
    let name = new_name();
    let server = kind.server(&name);
    if state == "listening" {
        return by_server.then_some(Ends {
            server: Some(server),
            client: None,
        });
    }
    let client = kind.client(&name);
    let (peer, peer_writes) = if by_server {
        (&client, kind.client_writes())
    } else {
        (&server, kind.server_writes())
    };
    if state.ends_with("data there") || state.ends_with("empty message there") {
        if !peer_writes {
            return None;
        }
        let len = if state.ends_with("data there") { 5 } else { 0 };
        let written = Call::write(peer, len);
        assert_eq!(written.begun, 0, "{}", named(written.begun));
    }
    let mut ends = Ends {
        server: Some(server),
        client: Some(client),
    };
    if state.starts_with("peer gone") {
        *(if by_server {
            &mut ends.client
        } else {
            &mut ends.server
        }) = None;
    }
    if state.starts_with("disconnected") {
        disconnect(ends.server.as_ref()?);
    }
    Some(ends)
}

fn disconnect(server: &OwnedHandle) -> String {
    // SAFETY: takes no pointer.
    match unsafe { DisconnectNamedPipe(server.as_raw_handle()) } {
        0 => named(last_error()),
        _ => "ok".to_string(),
    }
}

fn peek(end: &OwnedHandle) -> String {
    let (mut all, mut message) = (0, 0);
    let handle = end.as_raw_handle();
    // SAFETY: two pointers are those of local variables, the others may be null.
    let done = unsafe {
        PeekNamedPipe(
            handle,
            ptr::null_mut(),
            0,
            ptr::null_mut(),
            &mut all,
            &mut message,
        )
    };
    match done {
        0 => named(last_error()),
        _ => format!("ok, {all} bytes, {message} in the message"),
    }
}

/// What FILE_PIPE_LOCAL_INFORMATION says.
fn state_of(end: &OwnedHandle) -> String {
    let mut info = [0_u32; 10];
    // SAFETY: it is made of integers and pointers.
    let mut status: IO_STATUS_BLOCK = unsafe { mem::zeroed() };
    // SAFETY: both pointers are those of local variables, of which one has that size.
    let answer = unsafe {
        NtQueryInformationFile(
            end.as_raw_handle(),
            &mut status,
            info.as_mut_ptr().cast(),
            mem::size_of_val(&info) as u32,
            FilePipeLocalInformation,
        )
    };
    if answer != 0 {
        return format!("status {answer:#x}");
    }
    let state = ["?", "disconnected", "listening", "connected", "closing"];
    let state = state.get(info[8] as usize).unwrap_or(&"?");
    let end = if info[9] == 1 {
        "server's end"
    } else {
        "client's end"
    };
    format!(
        "{state}, type {}, configuration {}, {end}",
        info[0], info[1]
    )
}

fn call(end: &OwnedHandle, which: &str) -> String {
    match which {
        "state" => state_of(end),
        "peek" => peek(end),
        "connect" => Call::connect(end).end(),
        "read 0" => Call::read(end, 0).end(),
        "read 2" => Call::read(end, 2).end(),
        "read 64" => Call::read(end, 64).end(),
        "write 0" => Call::write(end, 0).end(),
        _ => Call::write(end, 5).end(),
    }
}

pub fn run() {
    let kinds = [(false, false), (true, false), (true, true)];
    for access in [
        PIPE_ACCESS_DUPLEX,
        PIPE_ACCESS_INBOUND,
        PIPE_ACCESS_OUTBOUND,
    ] {
        for (message_type, message_reads) in kinds {
            let kind = Kind {
                message_type,
                message_reads,
                access,
            };
            for by_server in [true, false] {
                for state in STATES {
                    every_call(kind, by_server, state);
                }
            }
            if access == PIPE_ACCESS_DUPLEX {
                events(kind);
            }
        }
    }
}

fn every_call(kind: Kind, by_server: bool, state: &str) {
    let end = if by_server { "server" } else { "client" };
    for which in CALLS {
        let Some(ends) = reach(kind, by_server, state) else {
            return;
        };
        let own = if by_server { ends.server } else { ends.client };
        let answer = call(&own.unwrap(), which);
        println!("{} | {end}: {state} | {which} | {answer}", kind.name());
    }
    if let (true, Some(ends)) = (by_server, reach(kind, by_server, state)) {
        let answer = disconnect(&ends.server.unwrap());
        println!("{} | {end}: {state} | disconnect | {answer}", kind.name());
    }
}

/// What ends an operation that is pending.
fn events(kind: Kind) {
    let pair = || {
        let name = new_name();
        let server = kind.server(&name);
        let client = kind.client(&name);
        (server, client)
    };
    let say = |what: &str, answer: String| println!("{} | {what} | {answer}", kind.name());

    let name = new_name();
    let server = kind.server(&name);
    let pending = Call::connect(&server);
    let client = kind.client(&name);
    say("pending connect, client opens", pending.end());
    say("connect once more", Call::connect(&server).end());
    drop(client);
    say(
        "connect once more, client gone",
        Call::connect(&server).end(),
    );

    let server = kind.server(&new_name());
    let pending = Call::connect(&server);
    say("pending connect, read", Call::read(&server, 64).end());
    say("pending connect, write", Call::write(&server, 5).end());
    say(
        "pending connect, second connect",
        Call::connect(&server).end(),
    );
    say("pending connect, disconnect", disconnect(&server));
    say("and then the connect", pending.end());

    let name = new_name();
    let server = kind.server(&name);
    let pending = Call::connect(&server);
    drop(kind.client(&name));
    say("pending connect, client opens and closes", pending.end());

    let name = new_name();
    let server = kind.server(&name);
    let client = kind.client(&name);
    drop(Call::write(&client, 5));
    drop(client);
    say(
        "client wrote and left, connect",
        Call::connect(&server).end(),
    );
    say("and then read", Call::read(&server, 64).end());
    say("and read", Call::read(&server, 64).end());
    say("and write", Call::write(&server, 5).end());
    say("and disconnect", disconnect(&server));
    say("and connect", Call::connect(&server).end());

    for len in [0, 5] {
        let (server, client) = pair();
        let pending = Call::read(&server, 64);
        drop(Call::write(&client, len));
        say(&format!("pending read, peer writes {len}"), pending.end());
        say("and the next read", Call::read(&server, 64).end());
    }
    let (server, client) = pair();
    let pending = Call::read(&server, 64);
    drop(client);
    say("pending read, peer closes", pending.end());

    let (server, _client) = pair();
    let pending = Call::read(&server, 64);
    disconnect(&server);
    say("pending read, disconnect", pending.end());

    let (server, client) = pair();
    let pending = Call::read(&client, 64);
    disconnect(&server);
    say("pending read of the client, disconnect", pending.end());

    let big = 3 * QUOTA as usize;
    let (server, client) = pair();
    let pending = Call::write(&server, big);
    let mut reads = Vec::new();
    while reads.len() < 8 && pending.overlapped.Internal == 0x103 {
        reads.push(Call::read(&client, QUOTA as usize).end());
    }
    say(
        "big write, peer reads",
        format!("{} (the reads: {})", pending.end(), reads.join("; ")),
    );

    let (server, client) = pair();
    let pending = Call::write(&server, big);
    drop(client);
    say("big write, peer closes", pending.end());

    let (server, _client) = pair();
    let pending = Call::write(&server, big);
    disconnect(&server);
    say("big write, disconnect", pending.end());

    let (server, client) = pair();
    let pending = Call::write(&server, big);
    let state = pending.begun;
    drop(server);
    let mut read = 0;
    let end = loop {
        let mut it = Call::read(&client, 1024);
        if it.begun != 0 && it.begun != ERROR_MORE_DATA && it.begun != ERROR_IO_PENDING {
            break it.end();
        }
        if !it.has_ended() {
            break it.end();
        }
        let mut moved = 0;
        // SAFETY: the pointers are those of places that live.
        unsafe { GetOverlappedResult(it.handle, &*it.overlapped, &mut moved, 0) };
        if moved == 0 {
            break it.result();
        }
        read += moved;
    };
    say(
        "big write, own handle closed",
        format!("{}: the peer read {read} bytes, then {end}", named(state)),
    );
    // Whether it has ended is not known; its memory is left to the system.
    mem::forget(pending);
}
