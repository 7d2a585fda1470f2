//! Windows' named pipes.
#![cfg(all(windows, feature = "os-poll", feature = "os-ext"))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle, OwnedHandle};
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering};
use std::sync::{mpsc, Arc};
use std::time::{Duration, Instant};
use std::{ptr, thread};

use mio::event::Event;
use mio::windows::NamedPipe;
use mio::{Events, Interest, Poll, Token};
use windows_sys::Win32::Foundation::{
    ERROR_NO_DATA, ERROR_PIPE_LISTENING, ERROR_PIPE_NOT_CONNECTED, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_OVERLAPPED, PIPE_ACCESS_DUPLEX, PIPE_ACCESS_OUTBOUND,
};
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, SetNamedPipeHandleState, PIPE_READMODE_MESSAGE, PIPE_TYPE_BYTE,
    PIPE_TYPE_MESSAGE,
};

mod util;

use util::{
    cycles, exchange, expect, expect_readable, expect_would_block, expect_writable, in_own_process,
    is_wine, open_fds, poll_and_events, Until, LONG,
};

const SERVER: Token = Token(1);
const CLIENT: Token = Token(2);
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// More than any buffer of a pipe takes.
const PLENTY: usize = 1 << 20;

fn name() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!(r"\\.\pipe\mio-test-{}-{number}", std::process::id())
}

/// A server's end with properties of the caller's.
fn server_with(name: &str, access: u32, mode: u32) -> NamedPipe {
    let wide: Vec<u16> = name.encode_utf16().chain([0]).collect();
    // SAFETY: the name ends with a zero, the other pointer may be null.
    let handle = unsafe {
        CreateNamedPipeW(
            wide.as_ptr(),
            access | FILE_FLAG_OVERLAPPED,
            mode,
            8,
            1 << 16,
            1 << 16,
            0,
            ptr::null(),
        )
    };
    assert_ne!(handle, INVALID_HANDLE_VALUE);
    // SAFETY: it was just created, and nothing else refers to it.
    unsafe { NamedPipe::from_raw_handle(handle) }
}

fn open(name: &str) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(FILE_FLAG_OVERLAPPED)
        .open(name)
}

fn client(name: &str) -> NamedPipe {
    OwnedHandle::from(open(name).unwrap()).into()
}

/// A client that blocks.
fn blocking_client(name: &str) -> File {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(name)
        .unwrap()
}

/// A client whose reads end with the end of a message.
fn message_client(name: &str) -> NamedPipe {
    let file = open(name).unwrap();
    let mode = PIPE_READMODE_MESSAGE;
    // SAFETY: the first pointer is that of a local variable, the others may be null.
    let set =
        unsafe { SetNamedPipeHandleState(file.as_raw_handle(), &mode, ptr::null(), ptr::null()) };
    assert_ne!(set, 0);
    OwnedHandle::from(file).into()
}

/// Two ends that are connected and not registered.
fn pair() -> (NamedPipe, NamedPipe) {
    let name = name();
    let server = server_with(&name, PIPE_ACCESS_DUPLEX, PIPE_TYPE_BYTE);
    (server, client(&name))
}

/// Two ends that are registered for both directions, after their first events.
fn registered(poll: &mut Poll, events: &mut Events) -> (NamedPipe, NamedPipe) {
    let (mut server, mut client) = pair();
    poll.registry().register(&mut server, SERVER, BOTH).unwrap();
    poll.registry().register(&mut client, CLIENT, BOTH).unwrap();
    server.connect().unwrap();
    expect_writable(poll, events, SERVER);
    discard_events(poll, events);
    (server, client)
}

/// Passes over what is there now and in the next moment.
fn discard_events(poll: &mut Poll, events: &mut Events) {
    util::discard_events(poll, events);
}

/// Checks that no event of `token` comes in the next moment.
#[track_caller]
fn expect_nothing_of(poll: &mut Poll, events: &mut Events, token: Token) {
    let end = Instant::now() + Duration::from_millis(30);
    while Instant::now() < end {
        util::poll(poll, events, Some(Duration::from_millis(10)));
        let unexpected = events.iter().find(|event| event.token() == token);
        assert!(unexpected.is_none(), "unexpected: {unexpected:?}");
    }
}

/// Polls until `operation` returns anything other than `WouldBlock`.
#[track_caller]
fn retry<T>(
    poll: &mut Poll,
    events: &mut Events,
    mut operation: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    let end = Instant::now() + LONG;
    loop {
        match operation() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            result => return result,
        }
        assert!(Instant::now() < end, "nothing has come of it");
        util::poll(poll, events, Some(LONG));
    }
}

/// Writes until a write is pending that cannot end, since the peer does not read. Returns how many
/// bytes were accepted.
fn clog(poll: &mut Poll, events: &mut Events, mut pipe: &NamedPipe) -> usize {
    let (chunk, mut accepted) = (vec![7; PLENTY], 0);
    loop {
        match pipe.write(&chunk) {
            Ok(len) => accepted += len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                util::poll(poll, events, Some(Duration::from_millis(20)));
                if events.is_empty() {
                    return accepted;
                }
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_name_can_be_taken_once() {
    let name = name();
    let first = NamedPipe::new(&name).unwrap();
    // Wine makes a second end.
    if !is_wine() {
        let error = NamedPipe::new(&name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    }
    drop(first);
    NamedPipe::new(&name).unwrap();
}

#[test]
fn a_name_that_is_none_is_an_error() {
    let error = NamedPipe::new("\\\\.\\pipe\\with\0zero").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    NamedPipe::new("C:\\no\\pipe").unwrap_err();
}

#[test]
fn the_handle_is_lent() {
    let pipe = NamedPipe::new(name()).unwrap();
    assert_eq!(pipe.as_handle().as_raw_handle(), pipe.as_raw_handle());
    let shown = format!("{pipe:?}");
    assert!(shown.contains("NamedPipe"), "{shown}");

    fn is_send_and_sync<T: Send + Sync>(_: &T) {}
    is_send_and_sync(&pipe);
}

#[test]
fn a_client_and_a_server_exchange_bytes() {
    let (mut poll, mut events) = poll_and_events();
    let name = name();
    let mut server = NamedPipe::new(&name).unwrap();
    poll.registry().register(&mut server, SERVER, BOTH).unwrap();
    expect_would_block(server.connect());

    let mut client = client(&name);
    poll.registry().register(&mut client, CLIENT, BOTH).unwrap();
    expect_writable(&mut poll, &mut events, SERVER);
    server.connect().unwrap();

    assert_eq!(client.write(b"from the client").unwrap(), 15);
    expect_readable(&mut poll, &mut events, SERVER);
    let mut buf = [0; 64];
    let len = server.read(&mut buf).unwrap();
    assert_eq!(&buf[..len], b"from the client");
    expect_would_block(server.read(&mut buf));

    assert_eq!(server.write(b"from the server").unwrap(), 15);
    expect_readable(&mut poll, &mut events, CLIENT);
    let len = client.read(&mut buf).unwrap();
    assert_eq!(&buf[..len], b"from the server");
    client.flush().unwrap();
    assert!(client.take_error().unwrap().is_none());
}

/// Edge cases 48 and 49: edges, and a program that continues only after a short transfer, work.
#[test]
fn much_is_exchanged_both_ways_at_once() {
    for until in [Until::WouldBlock, Until::ShortTransfer] {
        let (server, client) = pair();
        exchange([server, client], 3 << 20, until);
    }
}

#[test]
fn vectored_operations_use_all_buffers() {
    let (mut poll, mut events) = poll_and_events();
    let (mut server, mut client) = registered(&mut poll, &mut events);
    let slices = [
        IoSlice::new(b"one"),
        IoSlice::new(b""),
        IoSlice::new(b"two!"),
    ];
    assert_eq!(client.write_vectored(&slices).unwrap(), 7);
    expect_readable(&mut poll, &mut events, SERVER);
    let (mut first, mut none, mut second) = ([0; 2], [0; 0], [0; 9]);
    let mut slices = [
        IoSliceMut::new(&mut first),
        IoSliceMut::new(&mut none),
        IoSliceMut::new(&mut second),
    ];
    assert_eq!(server.read_vectored(&mut slices).unwrap(), 7);
    assert_eq!(&first, b"on");
    assert_eq!(&second[..5], b"etwo!");
}

#[test]
fn operations_on_no_bytes_do_nothing() {
    let (mut server, mut client) = pair();
    assert_eq!(server.read(&mut []).unwrap(), 0);
    assert_eq!(client.write(&[]).unwrap(), 0);
}

#[test]
fn a_pipe_that_was_never_registered_would_block() {
    let (mut server, mut client) = pair();
    expect_would_block(server.read(&mut [0; 8]));
    expect_would_block(client.write(b"hello"));
}

#[test]
fn connecting_before_the_registration_takes_effect_with_it() {
    let (mut poll, mut events) = poll_and_events();
    let name = name();
    let mut server = NamedPipe::new(&name).unwrap();
    expect_would_block(server.connect());
    let _client = client(&name);
    expect_would_block(server.connect());
    poll.registry().register(&mut server, SERVER, BOTH).unwrap();
    expect_writable(&mut poll, &mut events, SERVER);
    server.connect().unwrap();
}

#[test]
fn a_client_that_was_there_first_is_connected_at_once() {
    let (mut poll, mut events) = poll_and_events();
    let name = name();
    let mut server = NamedPipe::new(&name).unwrap();
    let writable = Interest::WRITABLE;
    poll.registry()
        .register(&mut server, SERVER, writable)
        .unwrap();
    expect_nothing_of(&mut poll, &mut events, SERVER);
    let _client = client(&name);
    server.connect().unwrap();
    expect_writable(&mut poll, &mut events, SERVER);
    // A program that calls it for every event gets no event of that.
    server.connect().unwrap();
    expect_nothing_of(&mut poll, &mut events, SERVER);
}

/// Whether there is a client is asked of the system, not concluded from `connect`.
#[test]
fn a_client_that_was_there_before_the_registration_is_reported() {
    for interest in [BOTH, Interest::WRITABLE] {
        for access in [None, Some(PIPE_ACCESS_DUPLEX), Some(PIPE_ACCESS_OUTBOUND)] {
            let (mut poll, mut events) = poll_and_events();
            let name = name();
            let mut server = match access {
                None => NamedPipe::new(&name).unwrap(),
                Some(access) => server_with(&name, access, PIPE_TYPE_BYTE),
            };
            let mut client = OpenOptions::new()
                .read(true)
                .write(access != Some(PIPE_ACCESS_OUTBOUND))
                .open(&name)
                .unwrap();
            poll.registry()
                .register(&mut server, SERVER, interest)
                .unwrap();
            let event = expect_writable(&mut poll, &mut events, SERVER);
            assert!(!event.is_readable());
            server.write_all(b"hello").unwrap();
            client.read_exact(&mut [0; 5]).unwrap();
            assert!(server.take_error().unwrap().is_none());
        }
    }
}

#[test]
fn connecting_a_client_is_an_error() {
    let (mut poll, mut events) = poll_and_events();
    let (_server, client) = registered(&mut poll, &mut events);
    let error = client.connect().unwrap_err();
    assert_ne!(error.kind(), ErrorKind::WouldBlock);
    client.disconnect().unwrap_err();
    expect_nothing_of(&mut poll, &mut events, CLIENT);
}

/// Edge case 45: a server without a client is not writable, however often it is
/// registered.
#[test]
fn nothing_is_writable_before_it_is_connected() {
    let (mut poll, mut events) = poll_and_events();
    let name = name();
    let own = NamedPipe::new(&name).unwrap();
    let foreign = server_with(&self::name(), PIPE_ACCESS_DUPLEX, PIPE_TYPE_BYTE);
    let one_way = server_with(&self::name(), PIPE_ACCESS_OUTBOUND, PIPE_TYPE_BYTE);
    for mut server in [own, foreign, one_way] {
        for interest in [
            Interest::WRITABLE,
            Interest::WRITABLE.level(),
            BOTH,
            BOTH.level(),
            BOTH.oneshot(),
        ] {
            poll.registry()
                .register(&mut server, SERVER, interest)
                .unwrap();
            expect_nothing_of(&mut poll, &mut events, SERVER);
            poll.registry().deregister(&mut server).unwrap();
        }
        poll.registry().register(&mut server, SERVER, BOTH).unwrap();
        expect_would_block(server.connect());
        expect_would_block(server.write(b"no client yet"));
        for interest in [Interest::WRITABLE, Interest::WRITABLE.level(), BOTH] {
            poll.registry()
                .reregister(&mut server, SERVER, interest)
                .unwrap();
            expect_nothing_of(&mut poll, &mut events, SERVER);
        }
        if let Ok(len) = server.read(&mut [0; 8]) {
            panic!("{len} bytes without a client");
        }
    }
}

#[test]
fn writing_without_a_client_is_an_error() {
    let (poll, _) = poll_and_events();
    let mut server = NamedPipe::new(name()).unwrap();
    poll.registry().register(&mut server, SERVER, BOTH).unwrap();
    let error = server.write(b"no client yet").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(ERROR_PIPE_LISTENING as i32));
}

/// Edge case 45: while a write is going on there is no room, whatever is registered.
#[test]
fn nothing_is_writable_while_a_write_is_going_on() {
    let (mut poll, mut events) = poll_and_events();
    let (mut server, client) = registered(&mut poll, &mut events);
    clog(&mut poll, &mut events, &server);
    for interest in [BOTH, BOTH.level(), BOTH.oneshot(), BOTH] {
        poll.registry()
            .reregister(&mut server, SERVER, interest)
            .unwrap();
        expect_nothing_of(&mut poll, &mut events, SERVER);
        expect_would_block(server.write(b"no room"));
    }
    let mut buf = vec![0; PLENTY];
    let end = Instant::now() + LONG;
    loop {
        let _ = (&client).read(&mut buf);
        util::poll(&mut poll, &mut events, Some(LONG));
        if events
            .iter()
            .any(|it| it.token() == SERVER && it.is_writable())
        {
            break;
        }
        assert!(Instant::now() < end);
    }
    assert_eq!(server.write(b"room").unwrap(), 4);
}

/// Edge case 45: a write that fails in the background makes the pipe writable, and the next
/// call returns the reason, once.
#[test]
fn a_failed_write_surfaces() {
    for by_take_error in [false, true] {
        let (mut poll, mut events) = poll_and_events();
        let (mut server, client) = registered(&mut poll, &mut events);
        clog(&mut poll, &mut events, &server);
        drop(client);
        expect_writable(&mut poll, &mut events, SERVER);
        if by_take_error {
            server.take_error().unwrap().unwrap();
        } else {
            let error = server.write(b"next").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe, "{error:?}");
        }
        // The next attempt fails by itself, at once.
        let error = server.write(b"and another").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe, "{error:?}");
        assert!(server.take_error().unwrap().is_none());
    }
}

#[test]
fn the_end_comes_after_the_data() {
    let (mut poll, mut events) = poll_and_events();
    let (mut server, mut client) = registered(&mut poll, &mut events);
    server.write_all(b"last words").unwrap();
    drop(server);
    let mut all = Vec::new();
    let mut buf = [0; 4];
    loop {
        let event = expect_readable(&mut poll, &mut events, CLIENT);
        assert!(!event.is_read_closed() || all == b"last words");
        // A program that stops at a short read gets an event of what follows it.
        match retry(&mut poll, &mut events, || client.read(&mut buf)).unwrap() {
            0 => break,
            len => all.extend_from_slice(&buf[..len]),
        }
        while let Ok(len) = client.read(&mut buf) {
            if len == 0 {
                break;
            }
            all.extend_from_slice(&buf[..len]);
            if len < buf.len() {
                break;
            }
        }
    }
    assert_eq!(all, b"last words");
    // It stays at its end.
    assert_eq!(client.read(&mut buf).unwrap(), 0);
    poll.registry()
        .reregister(&mut client, CLIENT, BOTH)
        .unwrap();
    let event = expect_readable(&mut poll, &mut events, CLIENT);
    assert!(event.is_read_closed());
    assert_eq!(client.read(&mut buf).unwrap(), 0);
}

/// A server that watches for the end alone is reported when its client has closed and nothing is
/// unread, though it could be connected to another one.
#[test]
fn a_server_that_waits_for_the_end_alone_is_reported() {
    let mode = Interest::READ_CLOSED;
    for interest in [
        mode,
        mode.level(),
        mode.oneshot(),
        mode | Interest::WRITABLE,
    ] {
        let (mut poll, mut events) = poll_and_events();
        let name = name();
        let mut server = NamedPipe::new(&name).unwrap();
        let client = blocking_client(&name);
        poll.registry()
            .register(&mut server, SERVER, interest)
            .unwrap();
        if !interest.is_writable() {
            expect_nothing_of(&mut poll, &mut events, SERVER);
        }
        drop(client);
        loop {
            util::poll(&mut poll, &mut events, Some(LONG));
            let mut of_server = events.iter().filter(|event| event.token() == SERVER);
            let event = of_server.next().expect("the end was not reported");
            if event.is_read_closed() {
                break;
            }
            assert!(event.is_writable(), "{event:?}");
        }
        assert_eq!(server.read(&mut [0; 8]).unwrap(), 0);
    }
}

/// Edge case 42: after the end nothing is read until the pipe is connected anew; and since
/// it can be, the end of one connection is not the end of the pipe.
#[test]
fn a_server_serves_one_client_after_the_other() {
    let (mut poll, mut events) = poll_and_events();
    let name = name();
    let mut server = NamedPipe::new(&name).unwrap();
    poll.registry().register(&mut server, SERVER, BOTH).unwrap();
    for round in 0..5_u8 {
        expect_would_block(server.connect());
        let mut client = blocking_client(&name);
        expect_writable(&mut poll, &mut events, SERVER);
        server.connect().unwrap();
        client.write_all(&[round; 3]).unwrap();
        let mut buf = [0; 8];
        let read = || (&server).read(&mut buf);
        assert_eq!(retry(&mut poll, &mut events, read).unwrap(), 3);
        assert_eq!(buf[..3], [round; 3]);
        drop(client);
        let event = expect_readable(&mut poll, &mut events, SERVER);
        assert!(!event.is_read_closed());
        assert_eq!(server.read(&mut buf).unwrap(), 0);
        assert_eq!(server.read(&mut buf).unwrap(), 0);
        server.disconnect().unwrap();
        let error = server.read(&mut buf).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(ERROR_PIPE_NOT_CONNECTED as i32));
    }
}

/// Edge case 42: what belongs to a connection that was ended is not taken for the next
/// one's, neither data nor the end nor the connection itself.
#[test]
fn results_of_a_former_connection_are_dropped() {
    let (mut poll, mut events) = poll_and_events();
    let name = name();
    let mut server = NamedPipe::new(&name).unwrap();
    poll.registry().register(&mut server, SERVER, BOTH).unwrap();
    for round in 0..20 {
        // A connection attempt is left behind, in every second round a successful one.
        expect_would_block(server.connect());
        let gone = (round % 2 == 0).then(|| blocking_client(&name));
        server.disconnect().unwrap();
        drop(gone);
        expect_would_block(server.connect());
        // The place of the attempt is free again when the poll has seen its end.
        discard_events(&mut poll, &mut events);
        expect_would_block(server.connect());

        // Data that was not received, and a write that does not end.
        let mut former = client(&name);
        poll.registry().register(&mut former, CLIENT, BOTH).unwrap();
        retry(&mut poll, &mut events, || server.connect()).unwrap();
        former.write_all(b"for the former").unwrap();
        clog(&mut poll, &mut events, &server);
        former.write_all(b"and more").unwrap();
        server.disconnect().unwrap();

        expect_would_block(server.connect());
        let mut next = blocking_client(&name);
        expect_writable(&mut poll, &mut events, SERVER);
        server.connect().unwrap();
        next.write_all(b"for the next").unwrap();
        let mut buf = [0; 64];
        let read = || (&server).read(&mut buf);
        let len = retry(&mut poll, &mut events, read).unwrap();
        assert_eq!(&buf[..len], b"for the next");
        let write = || (&server).write(b"answer");
        assert_eq!(retry(&mut poll, &mut events, write).unwrap(), 6);
        next.read_exact(&mut buf[..6]).unwrap();
        assert_eq!(&buf[..6], b"answer");
        server.disconnect().unwrap();
        let error = server.disconnect().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(ERROR_PIPE_NOT_CONNECTED as i32));
    }
}

/// `ConnectNamedPipe` fails with `ERROR_NO_DATA` then. But the connection has been made, and
/// what the client wrote can be read.
#[test]
fn a_client_that_left_before_connect_is_served() {
    for words in ["", "hello"] {
        for registered_first in [true, false] {
            let (mut poll, mut events) = poll_and_events();
            let name = name();
            let mut server = NamedPipe::new(&name).unwrap();
            let register = |server: &mut NamedPipe| {
                poll.registry().register(server, SERVER, BOTH).unwrap();
            };
            if registered_first {
                register(&mut server);
            }
            blocking_client(&name).write_all(words.as_bytes()).unwrap();
            if !registered_first {
                register(&mut server);
            }
            server.connect().unwrap();
            let mut buf = [0; 16];
            let mut read = || retry(&mut poll, &mut events, || (&server).read(&mut buf)).unwrap();
            if !words.is_empty() {
                assert_eq!(read(), words.len());
            }
            assert_eq!(read(), 0);
            assert_eq!(&buf[..words.len()], words.as_bytes());
            let error = server.write(b"no client").unwrap_err();
            assert_eq!(error.raw_os_error(), Some(ERROR_NO_DATA as i32));
            server.disconnect().unwrap();
            expect_would_block(server.connect());
        }
    }
}

/// The accept loop of a server whose clients come, write and leave as fast as they can.
#[test]
fn quick_clients_are_no_error_of_the_server() {
    const MODE: u32 = PIPE_TYPE_BYTE;
    let clients = cycles();
    let (mut poll, mut events) = poll_and_events();
    let name = name();
    let mut next = server_with(&name, PIPE_ACCESS_DUPLEX, MODE);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..clients as u32 {
                // Until there is an instance without a client.
                let end = Instant::now() + LONG;
                let mut client = loop {
                    match OpenOptions::new().read(true).write(true).open(&name) {
                        Ok(client) => break client,
                        Err(_) => thread::yield_now(),
                    }
                    assert!(Instant::now() < end, "the server is gone");
                };
                client.write_all(&number.to_ne_bytes()).unwrap();
            }
        });
        for number in 0..clients as u32 {
            poll.registry().register(&mut next, SERVER, BOTH).unwrap();
            retry(&mut poll, &mut events, || next.connect()).unwrap();
            let mut server = next;
            next = server_with(&name, PIPE_ACCESS_DUPLEX, MODE);
            let (mut all, mut buf) = (Vec::new(), [0; 16]);
            loop {
                match retry(&mut poll, &mut events, || server.read(&mut buf)).unwrap() {
                    0 => break,
                    len => all.extend_from_slice(&buf[..len]),
                }
            }
            assert_eq!(all, number.to_ne_bytes());
        }
    });
}

/// Edge case 41: a message longer than the buffer comes in parts, all of it, and the next
/// one is not joined to it; whether it was there when the read began or came later.
#[test]
fn a_long_message_comes_in_parts() {
    for there_first in [true, false] {
        let (mut poll, mut events) = poll_and_events();
        let name = name();
        let mut server = server_with(&name, PIPE_ACCESS_DUPLEX, PIPE_TYPE_MESSAGE);
        let mut client = message_client(&name);
        client.set_read_buffer_size(100).unwrap();
        poll.registry().register(&mut server, SERVER, BOTH).unwrap();
        let send = |poll: &mut Poll, events: &mut Events| {
            for len in [1000, 100, 3, 250] {
                let message: Vec<u8> = (0..len).map(|it: usize| it as u8).collect();
                let write = || (&server).write(&message);
                assert_eq!(retry(poll, events, write).unwrap(), len);
            }
        };
        if there_first {
            send(&mut poll, &mut events);
        }
        poll.registry().register(&mut client, CLIENT, BOTH).unwrap();
        if !there_first {
            discard_events(&mut poll, &mut events);
            send(&mut poll, &mut events);
        }
        let (mut parts, mut buf) = (Vec::new(), [0; 400]);
        while parts.iter().sum::<usize>() < 1353 {
            let read = || client.read(&mut buf);
            let len = retry(&mut poll, &mut events, read).unwrap();
            let offset = parts.iter().sum::<usize>();
            if offset < 1000 {
                assert_eq!(
                    buf[..len],
                    (offset..offset + len)
                        .map(|it| it as u8)
                        .collect::<Vec<_>>()
                );
            }
            parts.push(len);
        }
        let expected = [[100; 10].as_slice(), &[100, 3, 100, 100, 50]].concat();
        assert_eq!(parts, expected);
    }
}

#[test]
fn a_message_is_not_cut_by_the_limit_of_writing() {
    let (mut poll, mut events) = poll_and_events();
    let name = name();
    let mode = PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE;
    let mut server = server_with(&name, PIPE_ACCESS_DUPLEX, mode);
    let mut client = message_client(&name);
    client.set_read_buffer_size(PLENTY).unwrap();
    server.set_write_buffer_size(1000).unwrap();
    poll.registry().register(&mut server, SERVER, BOTH).unwrap();
    poll.registry()
        .register(&mut client, CLIENT, Interest::WRITABLE)
        .unwrap();
    let mut buf = vec![0; PLENTY];
    expect_would_block(client.read(&mut buf));
    for len in [200_000, 1001, 1000, 1] {
        assert_eq!(server.write(&vec![1; len]).unwrap(), len);
        let read = || client.read(&mut buf);
        assert_eq!(retry(&mut poll, &mut events, read).unwrap(), len);
        // Until the write has ended.
        discard_events(&mut poll, &mut events);
    }
}

/// The type of the pipe decides whether a write of no bytes is a message, not the mode in
/// which it is read: a freshly opened client reads bytes.
#[test]
fn an_empty_message_is_one_and_an_empty_write_to_a_stream_is_nothing() {
    for mode in [
        PIPE_TYPE_BYTE,
        PIPE_TYPE_MESSAGE,
        PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE,
    ] {
        let (mut poll, mut events) = poll_and_events();
        let name = name();
        let mut server = server_with(&name, PIPE_ACCESS_DUPLEX, mode);
        let mut client = client(&name);
        poll.registry().register(&mut server, SERVER, BOTH).unwrap();
        poll.registry().register(&mut client, CLIENT, BOTH).unwrap();
        for (mut from, mut to) in [(&server, &client), (&client, &server)] {
            for words in ["before", "", "after"] {
                let write = || from.write(words.as_bytes());
                let len = retry(&mut poll, &mut events, write).unwrap();
                assert_eq!(len, words.len());
                if mode == PIPE_TYPE_BYTE && words.is_empty() {
                    continue;
                }
                let mut buf = [0; 16];
                let read = || to.read(&mut buf);
                assert_eq!(retry(&mut poll, &mut events, read).unwrap(), words.len());
            }
            expect_would_block(to.read(&mut [0; 8]));
        }
    }
}

/// Messages that were there before the first read: read as bytes they are joined, and an empty one
/// among them is not seen. Read as messages, each is one.
#[test]
fn an_empty_message_that_was_there_first_is_seen_in_the_mode_of_messages_only() {
    let open: [(fn(&str) -> NamedPipe, &[usize]); 2] = [(client, &[5]), (message_client, &[0, 5])];
    for (open, expected) in open {
        let (mut poll, mut events) = poll_and_events();
        let name = name();
        let mut server = server_with(&name, PIPE_ACCESS_DUPLEX, PIPE_TYPE_MESSAGE);
        let mut client = open(&name);
        poll.registry().register(&mut server, SERVER, BOTH).unwrap();
        for words in ["", "after"] {
            let write = || (&server).write(words.as_bytes());
            retry(&mut poll, &mut events, write).unwrap();
        }
        poll.registry().register(&mut client, CLIENT, BOTH).unwrap();
        for &len in expected {
            let read = || client.read(&mut [0; 16]);
            assert_eq!(retry(&mut poll, &mut events, read).unwrap(), len);
        }
        expect_would_block(client.read(&mut [0; 16]));
    }
}

#[test]
fn buffers_have_the_sizes_that_were_set() {
    let (mut poll, mut events) = poll_and_events();
    let (mut server, mut client) = registered(&mut poll, &mut events);
    for wrong in [0, usize::MAX] {
        let error = server.set_read_buffer_size(wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error = server.set_write_buffer_size(wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(server.write(&vec![1; PLENTY]).unwrap(), 64 << 10);
    let mut buf = vec![0; PLENTY];
    let mut left = 64 << 10;
    while left > 0 {
        left -= retry(&mut poll, &mut events, || client.read(&mut buf)).unwrap();
    }
    server.set_write_buffer_size(10).unwrap();
    let write = || (&server).write(&[2; 100]);
    assert_eq!(retry(&mut poll, &mut events, write).unwrap(), 10);
    let read = || (&client).read(&mut buf);
    assert_eq!(retry(&mut poll, &mut events, read).unwrap(), 10);
    // The read that is going on has the former size.
    client.set_read_buffer_size(5).unwrap();
    for expected in [10, 5, 5] {
        let write = || (&server).write(&[3; 10]);
        if expected == 10 || buf[0] == 3 {
            assert_eq!(retry(&mut poll, &mut events, write).unwrap(), 10);
            buf[0] = 0;
        }
        let read = || (&client).read(&mut buf);
        assert_eq!(retry(&mut poll, &mut events, read).unwrap(), expected);
    }
}

/// Edge case 40: a read ends while the pipe is not registered. What it has brought is kept.
#[test]
fn what_arrives_between_two_registrations_is_kept() {
    let (mut poll, mut events) = poll_and_events();
    let (mut server, mut client) = registered(&mut poll, &mut events);
    poll.registry().deregister(&mut server).unwrap();
    client.write_all(b"early").unwrap();
    expect_nothing_of(&mut poll, &mut events, SERVER);
    poll.registry()
        .register(&mut server, Token(7), BOTH)
        .unwrap();
    expect_readable(&mut poll, &mut events, Token(7));
    let mut buf = [0; 16];
    assert_eq!(server.read(&mut buf).unwrap(), 5);

    // Partly read, it is reported after each registration.
    client.write_all(b"twice").unwrap();
    expect_readable(&mut poll, &mut events, Token(7));
    assert_eq!(server.read(&mut buf[..2]).unwrap(), 2);
    poll.registry()
        .reregister(&mut server, SERVER, BOTH)
        .unwrap();
    expect_readable(&mut poll, &mut events, SERVER);
    assert_eq!(server.read(&mut buf).unwrap(), 3);
}

/// Edge case 40: the end and an error that arrive meanwhile are kept as well.
#[test]
fn an_end_between_two_registrations_is_kept() {
    let (mut poll, mut events) = poll_and_events();
    let (mut server, client) = registered(&mut poll, &mut events);
    poll.registry().deregister(&mut server).unwrap();
    drop(client);
    expect_nothing_of(&mut poll, &mut events, SERVER);
    poll.registry().register(&mut server, SERVER, BOTH).unwrap();
    expect_readable(&mut poll, &mut events, SERVER);
    assert_eq!(server.read(&mut [0; 16]).unwrap(), 0);
}

/// Edge case 43: packets that are in the port already, or come later, cause no event of what
/// is not registered, and none with a token that was replaced.
#[test]
fn nothing_is_reported_after_deregistration() {
    let (mut poll, mut events) = poll_and_events();
    let (mut server, mut client) = registered(&mut poll, &mut events);
    for _ in 0..50 {
        // A notice of each direction, and the packet of a read and of a write.
        poll.registry()
            .reregister(&mut server, SERVER, BOTH)
            .unwrap();
        client.write_all(b"data").unwrap();
        server.write_all(b"answer").unwrap();
        poll.registry().deregister(&mut server).unwrap();
        expect_nothing_of(&mut poll, &mut events, SERVER);

        client.write_all(b"data").unwrap();
        poll.registry().register(&mut server, SERVER, BOTH).unwrap();
        poll.registry()
            .reregister(&mut server, Token(9), BOTH)
            .unwrap();
        expect_nothing_of(&mut poll, &mut events, SERVER);
        util::drain(&mut server);
        util::drain(&mut client);
        poll.registry()
            .reregister(&mut server, SERVER, BOTH)
            .unwrap();
        discard_events(&mut poll, &mut events);
        util::drain(&mut server);
        util::drain(&mut client);
        discard_events(&mut poll, &mut events);
    }
}

#[test]
fn a_pipe_belongs_to_one_poll() {
    let (poll, _) = poll_and_events();
    let (other, _) = poll_and_events();
    let (mut server, _client) = pair();
    let kind = |result: io::Result<()>| result.unwrap_err().kind();
    let here = poll.registry();
    let there = other.registry();
    assert_eq!(
        kind(here.reregister(&mut server, SERVER, BOTH)),
        ErrorKind::NotFound
    );
    assert_eq!(kind(here.deregister(&mut server)), ErrorKind::NotFound);
    here.register(&mut server, SERVER, BOTH).unwrap();
    assert_eq!(
        kind(here.register(&mut server, SERVER, BOTH)),
        ErrorKind::AlreadyExists
    );
    assert_eq!(
        kind(there.register(&mut server, SERVER, BOTH)),
        ErrorKind::AlreadyExists
    );
    assert_eq!(
        kind(there.reregister(&mut server, SERVER, BOTH)),
        ErrorKind::AlreadyExists
    );
    assert_eq!(
        kind(there.deregister(&mut server)),
        ErrorKind::AlreadyExists
    );
    here.deregister(&mut server).unwrap();
    assert_eq!(kind(here.deregister(&mut server)), ErrorKind::NotFound);
    // The port is for life.
    assert_eq!(
        kind(there.register(&mut server, SERVER, BOTH)),
        ErrorKind::InvalidInput
    );
    here.register(&mut server, SERVER, BOTH).unwrap();
}

#[test]
fn what_is_not_overlapped_cannot_be_registered() {
    let (poll, _) = poll_and_events();
    let name = name();
    let _server = NamedPipe::new(&name).unwrap();
    let mut client = NamedPipe::from(OwnedHandle::from(blocking_client(&name)));
    poll.registry()
        .register(&mut client, CLIENT, BOTH)
        .unwrap_err();
}

#[test]
fn a_level_is_reported_by_every_poll_while_it_lasts() {
    let (mut poll, mut events) = poll_and_events();
    let (mut server, mut client) = registered(&mut poll, &mut events);
    let level = Interest::READABLE.level();
    poll.registry()
        .reregister(&mut server, SERVER, level)
        .unwrap();
    expect_nothing_of(&mut poll, &mut events, SERVER);
    client.write_all(b"data").unwrap();
    let mut buf = [0; 1];
    for _ in 0..4 {
        for _ in 0..3 {
            expect_readable(&mut poll, &mut events, SERVER);
        }
        assert_eq!(server.read(&mut buf).unwrap(), 1);
    }
    expect_nothing_of(&mut poll, &mut events, SERVER);

    poll.registry()
        .reregister(&mut server, SERVER, BOTH.level())
        .unwrap();
    for _ in 0..3 {
        let event = expect_writable(&mut poll, &mut events, SERVER);
        assert!(!event.is_readable());
    }
    client.write_all(b"data").unwrap();
    for _ in 0..3 {
        expect(&mut poll, &mut events, SERVER, |event| {
            event.is_readable() && event.is_writable()
        });
    }
    util::drain(&mut server);
    drop(client);
    for _ in 0..3 {
        expect_readable(&mut poll, &mut events, SERVER);
        assert_eq!(server.read(&mut buf).unwrap(), 0);
    }
    poll.registry().deregister(&mut server).unwrap();
    expect_nothing_of(&mut poll, &mut events, SERVER);
}

#[test]
fn one_shot_is_reported_once_until_reregistered() {
    let (mut poll, mut events) = poll_and_events();
    let (mut server, mut client) = registered(&mut poll, &mut events);
    let oneshot = Interest::READABLE.oneshot();
    poll.registry()
        .reregister(&mut server, SERVER, oneshot)
        .unwrap();
    for _ in 0..2 {
        client.write_all(b"data").unwrap();
        expect_readable(&mut poll, &mut events, SERVER);
        util::drain(&mut server);
        discard_events(&mut poll, &mut events);
        client.write_all(b"more").unwrap();
        expect_nothing_of(&mut poll, &mut events, SERVER);
        poll.registry()
            .reregister(&mut server, SERVER, oneshot)
            .unwrap();
        expect_readable(&mut poll, &mut events, SERVER);
        util::drain(&mut server);
        poll.registry()
            .reregister(&mut server, SERVER, oneshot)
            .unwrap();
        discard_events(&mut poll, &mut events);
    }
    poll.registry().deregister(&mut server).unwrap();
}

/// Edge case 49: what concerns reading says nothing of writing.
#[test]
fn an_edge_in_one_direction_does_not_report_the_other() {
    let (mut poll, mut events) = poll_and_events();
    let (mut server, mut client) = registered(&mut poll, &mut events);
    for _ in 0..5 {
        client.write_all(b"data").unwrap();
        let event = expect(&mut poll, &mut events, SERVER, Event::is_readable);
        assert!(!event.is_writable());
        util::drain(&mut server);
        expect_would_block(server.read(&mut [0; 8]));
        expect_nothing_of(&mut poll, &mut events, SERVER);
    }
}

/// Edge case 44: what was accepted is written, though the pipe is gone; the handle is closed
/// when that has been done.
#[test]
fn a_dropped_pipe_writes_what_it_has_accepted() {
    let (mut poll, mut events) = poll_and_events();
    let (server, mut client) = registered(&mut poll, &mut events);
    let accepted = clog(&mut poll, &mut events, &server);
    drop(server);
    let (mut received, mut buf) = (0, vec![0; 10_000]);
    loop {
        match retry(&mut poll, &mut events, || client.read(&mut buf)).unwrap() {
            0 => break,
            len => {
                assert!(buf[..len].iter().all(|&byte| byte == 7));
                received += len;
            }
        }
    }
    assert_eq!(received, accepted);
}

/// Edge case 44: without a pending write the handle is closed at once, whatever else
/// is pending, without a poll.
#[test]
fn a_dropped_pipe_gives_its_name_back_at_once() {
    let (mut poll, mut events) = poll_and_events();
    let name = name();
    for round in 0..30 {
        let mut server = NamedPipe::new(&name).unwrap();
        poll.registry().register(&mut server, SERVER, BOTH).unwrap();
        expect_would_block(server.connect());
        let client = (round % 3 > 0).then(|| client(&name));
        if round % 3 == 2 {
            // A read is going on.
            retry(&mut poll, &mut events, || server.connect()).unwrap();
            expect_would_block(server.read(&mut [0; 8]));
        }
        drop(server);
        drop(client);
        let error = open(&name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    expect_nothing_of(&mut poll, &mut events, SERVER);
}

/// Edge case 44: whatever was accepted arrives, and then the end, whether the poll is still
/// there or not.
#[test]
fn an_accepted_write_outlives_the_poll() {
    for poll_first in [true, false] {
        let (mut poll, mut events) = poll_and_events();
        let name = name();
        let mut server = server_with(&name, PIPE_ACCESS_DUPLEX, PIPE_TYPE_BYTE);
        let mut client = blocking_client(&name);
        poll.registry().register(&mut server, SERVER, BOTH).unwrap();
        let accepted = if poll_first {
            clog(&mut poll, &mut events, &server)
        } else {
            server.write(&[7; 60_000]).unwrap()
        };
        if poll_first {
            drop(poll);
            drop(server);
        } else {
            drop(server);
            drop(poll);
        }
        let mut all = Vec::new();
        client.read_to_end(&mut all).unwrap();
        assert_eq!(all.len(), accepted);
        assert!(all.iter().all(|&byte| byte == 7));
    }
}

/// Edge case 44: two ends that were dropped while each writes to the other do not wait for
/// ever: no data will be read, and both names are free again.
#[test]
fn two_dropped_ends_that_write_to_each_other_are_closed() {
    for limit in [64 << 10, 1] {
        let (mut poll, mut events) = poll_and_events();
        let name = name();
        let mut server = server_with(&name, PIPE_ACCESS_DUPLEX, PIPE_TYPE_BYTE);
        let mut client = client(&name);
        for pipe in [&server, &client] {
            pipe.set_read_buffer_size(limit).unwrap();
        }
        poll.registry().register(&mut server, SERVER, BOTH).unwrap();
        poll.registry().register(&mut client, CLIENT, BOTH).unwrap();
        clog(&mut poll, &mut events, &server);
        clog(&mut poll, &mut events, &client);
        drop((server, client));
        let end = Instant::now() + LONG;
        while open(&name).unwrap_err().kind() != ErrorKind::NotFound {
            assert!(Instant::now() < end, "the pipe is still there");
            util::poll(&mut poll, &mut events, Some(Duration::from_millis(10)));
        }
    }
}

/// A server that reads ahead `limit` bytes, and is dropped while it writes to a client that writes
/// `chunk` bytes after the other and never reads. Returns how many bytes the client has written.
fn dropped_under_a_stream(
    poll: &mut Poll,
    events: &mut Events,
    limit: usize,
    chunk: usize,
) -> Arc<AtomicUsize> {
    let name = name();
    let mut server = server_with(&name, PIPE_ACCESS_DUPLEX, PIPE_TYPE_BYTE);
    server.set_read_buffer_size(limit).unwrap();
    let mut client = blocking_client(&name);
    poll.registry().register(&mut server, SERVER, BOTH).unwrap();
    clog(poll, events, &server);
    let written = Arc::new(AtomicUsize::new(0));
    let total = Arc::clone(&written);
    thread::spawn(move || {
        let chunk = vec![1; chunk];
        while client.write_all(&chunk).is_ok() {
            total.fetch_add(chunk.len(), Ordering::Relaxed);
        }
    });
    expect_readable(poll, events, SERVER);
    drop(server);
    written
}

/// Runs `call` in another thread, which must not take long.
#[track_caller]
fn expect_to_return(call: impl FnOnce() + Send + 'static) {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        call();
        sender.send(()).unwrap();
    });
    receiver.recv_timeout(LONG).unwrap();
}

/// What a dropped pipe discards is bounded: its client would keep a core busy.
#[test]
fn a_dropped_pipe_does_not_read_for_ever() {
    let (mut poll, mut events) = poll_and_events();
    let written = dropped_under_a_stream(&mut poll, &mut events, 64 << 10, 64 << 10);
    let mut before = None;
    while before != Some(written.load(Ordering::Relaxed)) {
        before = Some(written.load(Ordering::Relaxed));
        assert!(before < Some(64 << 20), "it reads on");
        util::poll(&mut poll, &mut events, Some(Duration::from_millis(200)));
    }
}

/// Nor does such a client hold up the end of the poll, when each read of a byte ends at once...
#[test]
fn a_peer_that_streams_and_never_reads_does_not_hold_up_the_end_of_a_poll() {
    let (mut poll, mut events) = poll_and_events();
    dropped_under_a_stream(&mut poll, &mut events, 1, 16 << 20);
    expect_to_return(move || drop(poll));
}

/// ...nor a call that does not wait, though each packet fills the events.
#[test]
fn a_peer_that_streams_and_never_reads_does_not_hold_up_a_poll() {
    let (mut poll, mut events) = poll_and_events();
    dropped_under_a_stream(&mut poll, &mut events, 1, 16 << 20);
    expect_to_return(move || {
        let mut events = Events::with_capacity(1);
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(events.is_empty());
    });
}

/// A read and a write that both end between two polls, in most rounds.
#[test]
fn what_becomes_true_between_two_polls_is_one_event() {
    let (mut poll, mut events) = poll_and_events();
    let name = name();
    let mut server = server_with(&name, PIPE_ACCESS_DUPLEX, PIPE_TYPE_BYTE);
    let mut client = blocking_client(&name);
    poll.registry().register(&mut server, SERVER, BOTH).unwrap();
    let mut combined = 0;
    for _ in 0..20 {
        let accepted = clog(&mut poll, &mut events, &server);
        client.write_all(b"data").unwrap();
        client.read_exact(&mut vec![0; accepted]).unwrap();
        let (mut readable, mut writable) = (false, false);
        while !(readable && writable) {
            util::poll(&mut poll, &mut events, Some(LONG));
            let reported: Vec<_> = events.iter().collect();
            assert_eq!(reported.len(), 1, "{reported:?}");
            readable |= reported[0].is_readable();
            writable |= reported[0].is_writable();
            combined += u32::from(reported[0].is_readable() && reported[0].is_writable());
        }
        util::drain(&mut server);
    }
    assert!(combined > 0, "they never ended together");
}

/// Edge cases 38 and 39: one thread polls, so that packets are taken while the calls that
/// cause them have not returned.
#[test]
fn packets_are_taken_by_another_thread_than_the_one_that_starts_operations() {
    let (mut poll, mut events) = poll_and_events();
    let name = name();
    let mut server = NamedPipe::new(&name).unwrap();
    poll.registry().register(&mut server, SERVER, BOTH).unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Acquire) {
                util::poll(&mut poll, &mut events, Some(Duration::from_millis(1)));
            }
        });
        let until_done = |operation: &mut dyn FnMut() -> io::Result<usize>| loop {
            match operation() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::yield_now(),
                result => return result.unwrap(),
            }
        };
        let mut buf = [0; 64];
        for round in 0..200 {
            let _ = server.connect();
            let mut client = blocking_client(&name);
            until_done(&mut || server.connect().map(|()| 0));
            for _ in 0..20 {
                client.write_all(b"question").unwrap();
                assert_eq!(until_done(&mut || (&server).read(&mut buf)), 8);
                assert_eq!(until_done(&mut || (&server).write(b"answer")), 6);
                client.read_exact(&mut buf[..6]).unwrap();
            }
            if round % 2 == 0 {
                drop(client);
                assert_eq!(until_done(&mut || (&server).read(&mut buf)), 0);
            }
            server.disconnect().unwrap();
        }
        stop.store(true, Ordering::Release);
    });
}

#[test]
fn operations_outlive_the_thread_that_started_them() {
    let (mut poll, mut events) = poll_and_events();
    let (mut server, mut client) = pair();
    thread::scope(|scope| {
        scope.spawn(|| {
            poll.registry().register(&mut server, SERVER, BOTH).unwrap();
            poll.registry().register(&mut client, CLIENT, BOTH).unwrap();
        });
    });
    expect_nothing_of(&mut poll, &mut events, Token(99));
    client.write_all(b"hello").unwrap();
    let mut buf = [0; 16];
    let read = || server.read(&mut buf);
    assert_eq!(retry(&mut poll, &mut events, read).unwrap(), 5);
}

#[test]
fn a_pipe_of_one_direction_works_in_that_one() {
    let (mut poll, mut events) = poll_and_events();
    let name = name();
    let mut server = server_with(&name, PIPE_ACCESS_OUTBOUND, PIPE_TYPE_BYTE);
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(FILE_FLAG_OVERLAPPED)
        .open(&name)
        .unwrap();
    let mut client = NamedPipe::from(OwnedHandle::from(file));
    poll.registry()
        .register(&mut server, SERVER, Interest::WRITABLE)
        .unwrap();
    poll.registry()
        .register(&mut client, CLIENT, Interest::READABLE)
        .unwrap();
    server.connect().unwrap();
    server.write_all(b"one way").unwrap();
    let mut buf = [0; 16];
    let read = || client.read(&mut buf);
    assert_eq!(retry(&mut poll, &mut events, read).unwrap(), 7);
    // What was tried in advance is no error of the user's.
    poll.registry()
        .reregister(&mut server, SERVER, BOTH)
        .unwrap();
    assert!(server.take_error().unwrap().is_none());
    assert!(!expect_writable(&mut poll, &mut events, SERVER).is_readable());
    let error = server.read(&mut buf).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    client.write(b"the other").unwrap_err();
}

/// Counts what is allocated, and how often.
struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);
static TIMES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        TIMES.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn nothing_is_allocated_once_the_buffers_are_there() {
    in_own_process("nothing_is_allocated_once_the_buffers_are_there", || {
        let (mut poll, mut events) = poll_and_events();
        let (server, client) = registered(&mut poll, &mut events);
        let (question, mut buf) = ([1; 5000], [0; 5000]);
        let mut before = 0;
        for round in 0..50 {
            if round == 10 {
                before = TIMES.load(Ordering::Relaxed);
            }
            for (near, far) in [(&server, &client), (&client, &server)] {
                let (mut near, mut far) = (near, far);
                let write = || near.write(&question);
                assert_eq!(retry(&mut poll, &mut events, write).unwrap(), 5000);
                let mut left = 5000;
                while left > 0 {
                    left -= retry(&mut poll, &mut events, || far.read(&mut buf)).unwrap();
                }
            }
        }
        assert_eq!(TIMES.load(Ordering::Relaxed), before);
    });
}

/// How many handles and bytes are held, once that does not change any more: what outlives a
/// poll ends in a thread.
fn held() -> (i64, isize) {
    let mut last = None;
    loop {
        let now = (i64::from(open_fds()), LIVE.load(Ordering::Relaxed));
        if last.replace(now) == Some(now) {
            return now;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// What a cycle of the leak tests leaves behind may not grow with their number.
#[track_caller]
fn expect_flat(cycles: usize, mut cycle: impl FnMut(usize)) {
    // What is opened or allocated once and stays.
    (0..50).for_each(&mut cycle);
    let before = held();
    (0..cycles).for_each(&mut cycle);
    let after = held();
    let (handles, live) = (after.0 - before.0, after.1 - before.1);
    println!("{cycles} cycles: {handles:+} handles, {live:+} bytes");
    assert!(handles.abs() < 20, "{handles:+} handles");
    assert!(live.unsigned_abs() < 20 * 1024, "{live:+} bytes");
}

/// Edge cases 38, 39 and 44: nothing is left of pipes that were dropped in any state,
/// whether the poll goes on or not.
#[test]
fn pipes_that_are_dropped_leave_nothing_behind() {
    in_own_process("pipes_that_are_dropped_leave_nothing_behind", || {
        let (mut poll, mut events) = poll_and_events();
        let name = name();
        expect_flat(cycles(), |round| {
            let mut server = NamedPipe::new(&name).unwrap();
            poll.registry().register(&mut server, SERVER, BOTH).unwrap();
            expect_would_block(server.connect());
            if round % 4 > 0 {
                let mut client = client(&name);
                poll.registry().register(&mut client, CLIENT, BOTH).unwrap();
                if round % 4 > 1 {
                    client.write_all(&[1; 100]).unwrap();
                }
                if round % 4 > 2 {
                    util::poll(&mut poll, &mut events, Some(LONG));
                    let _ = server.write(&vec![2; PLENTY]);
                }
            }
            drop(server);
            util::discard_events(&mut poll, &mut events);
        });
    });
}

/// Edge case 42: the same of connections.
#[test]
fn connections_that_are_ended_leave_nothing_behind() {
    in_own_process("connections_that_are_ended_leave_nothing_behind", || {
        let (mut poll, mut events) = poll_and_events();
        let name = name();
        let mut server = NamedPipe::new(&name).unwrap();
        poll.registry().register(&mut server, SERVER, BOTH).unwrap();
        expect_flat(cycles(), |round| {
            let _ = server.connect();
            let mut client = (round % 3 > 0).then(|| {
                let file = retry(&mut poll, &mut events, || match open(&name) {
                    // The attempt before has not been seen to end.
                    Err(_) => Err(ErrorKind::WouldBlock.into()),
                    file => file,
                });
                NamedPipe::from(OwnedHandle::from(file.unwrap()))
            });
            if let Some(client) = &mut client {
                poll.registry().register(client, CLIENT, BOTH).unwrap();
                retry(&mut poll, &mut events, || server.connect()).unwrap();
                client.write_all(&[1; 100]).unwrap();
                if round % 3 > 1 {
                    let _ = server.write(&vec![2; PLENTY]);
                }
            }
            server.disconnect().unwrap();
        });
    });
}

/// Edge case 44: whichever is dropped first, the poll or the pipes, without a further poll.
#[test]
fn polls_that_are_dropped_leave_nothing_behind() {
    in_own_process("polls_that_are_dropped_leave_nothing_behind", || {
        let name = name();
        expect_flat(cycles(), |round| {
            let (poll, _) = poll_and_events();
            let registry = poll.registry().try_clone().unwrap();
            let mut server = NamedPipe::new(&name).unwrap();
            let level = BOTH.level();
            registry.register(&mut server, SERVER, level).unwrap();
            let mut client = client(&name);
            server.connect().unwrap();
            registry.register(&mut client, CLIENT, level).unwrap();
            let _ = server.write(&vec![2; PLENTY]);
            let _ = client.write(&vec![2; PLENTY]);
            match round % 4 {
                0 => {}
                1 => drop(poll),
                2 => drop((server, client)),
                // From another thread.
                _ => thread::spawn(|| drop((server, poll, client)))
                    .join()
                    .unwrap(),
            }
        });
    });
}
