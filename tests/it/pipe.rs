//! Pipes in this process.
#![cfg(all(unix, feature = "os-ext"))]

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use crate::util::{
    self, discard_events, drain, expect, expect_nonblocking_and_cloexec, expect_readable,
    expect_silence, expect_silence_after_the_end, expect_would_block, expect_writable,
    is_nonblocking, pattern, poll_and_events, Until, KQUEUE, LONG,
};
use mio::unix::pipe::{self, Receiver, Sender};
use mio::{Events, Interest, Poll, Token};

const SENDER: Token = Token(1);
const RECEIVER: Token = Token(2);

/// A pipe whose both ends are in one poll.
fn registered() -> (Poll, Events, Sender, Receiver) {
    let (poll, events) = poll_and_events();
    let (mut sender, mut receiver) = pipe::new().unwrap();
    poll.registry()
        .register(&mut sender, SENDER, Interest::WRITABLE)
        .unwrap();
    poll.registry()
        .register(&mut receiver, RECEIVER, Interest::READABLE)
        .unwrap();
    (poll, events, sender, receiver)
}

#[test]
fn both_ends_are_nonblocking_and_closed_on_exec() {
    let (sender, receiver) = pipe::new().unwrap();
    expect_nonblocking_and_cloexec(&sender);
    expect_nonblocking_and_cloexec(&receiver);
}

#[test]
fn bytes_travel_from_end_to_end() {
    let (mut poll, mut events, mut sender, mut receiver) = registered();
    let event = expect_writable(&mut poll, &mut events, SENDER);
    assert!(!event.is_error() && !event.is_write_closed());
    expect_silence(&mut poll, &mut events);
    expect_would_block(receiver.read(&mut [0; 8]));

    sender.write_all(b"owned").unwrap();
    sender.flush().unwrap();
    let event = expect_readable(&mut poll, &mut events, RECEIVER);
    assert!(!event.is_read_closed());
    assert_eq!(drain(&mut receiver), b"owned");

    (&sender).write_all(b"borrowed").unwrap();
    (&sender).flush().unwrap();
    expect_readable(&mut poll, &mut events, RECEIVER);
    assert_eq!(drain(&mut &receiver), b"borrowed");
    if KQUEUE {
        // Every write to a pipe and every read from it causes an event at both ends.
        expect_writable(&mut poll, &mut events, SENDER);
        assert!(events.iter().all(|event| event.token() == SENDER));
    }
    expect_silence(&mut poll, &mut events);
}

#[test]
fn vectored_bytes_are_gathered_and_scattered() {
    let (mut sender, mut receiver) = pipe::new().unwrap();
    let mut buf = [0; 8];
    expect_would_block(receiver.read_vectored(&mut [IoSliceMut::new(&mut buf)]));
    let slices = [IoSlice::new(b"abc"), IoSlice::new(b"defgh")];
    assert_eq!(sender.write_vectored(&slices).unwrap(), 8);
    let (mut first, mut second) = ([0; 2], [0; 16]);
    let mut slices = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
    assert_eq!(receiver.read_vectored(&mut slices).unwrap(), 8);
    assert_eq!((&first, &second[..6]), (b"ab", &b"cdefgh"[..]));
    assert_eq!((&sender).write_vectored(&[IoSlice::new(b"ij")]).unwrap(), 2);
    let mut slices = [IoSliceMut::new(&mut first)];
    assert_eq!((&receiver).read_vectored(&mut slices).unwrap(), 2);
    assert_eq!(&first, b"ij");
}

#[test]
fn a_closed_sender_is_the_end_once_its_bytes_are_read() {
    let (mut poll, mut events, mut sender, mut receiver) = registered();
    sender.write_all(b"last words").unwrap();
    drop(sender);
    let event = expect(&mut poll, &mut events, RECEIVER, |event| {
        event.is_read_closed()
    });
    assert!(event.is_readable());
    assert_eq!(drain(&mut receiver), b"last words");
    discard_events(&mut poll, &mut events);
    for _ in 0..3 {
        assert_eq!(receiver.read(&mut [0; 8]).unwrap(), 0);
        expect_silence_after_the_end(&mut poll, &mut events);
    }
}

#[test]
fn the_end_is_the_end_of_all_senders() {
    let (mut poll, mut events, mut sender, mut receiver) = registered();
    let mut duplicate = Sender::from(sender.as_fd().try_clone_to_owned().unwrap());
    poll.registry().deregister(&mut sender).unwrap();
    drop(sender);
    expect_silence(&mut poll, &mut events);
    duplicate.write_all(b"hello").unwrap();
    let event = expect_readable(&mut poll, &mut events, RECEIVER);
    assert!(!event.is_read_closed());
    assert_eq!(drain(&mut receiver), b"hello");
    expect_would_block(receiver.read(&mut [0; 8]));
    drop(duplicate);
    expect(&mut poll, &mut events, RECEIVER, |event| {
        event.is_read_closed()
    });
}

/// Writes until there is no room; the number of bytes written.
fn fill(sender: &mut Sender) -> usize {
    let mut written = 0;
    loop {
        match sender.write(&[7; 4096]) {
            Ok(len) => written += len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return written,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Edge case 17: the writing end learns of its closed reader by an error alone, whether
/// there was room or not.
#[test]
fn a_closed_receiver_is_write_closed_and_breaks_the_pipe() {
    for full in [false, true] {
        let (mut poll, mut events, mut sender, receiver) = registered();
        expect_writable(&mut poll, &mut events, SENDER);
        if full {
            fill(&mut sender);
        }
        discard_events(&mut poll, &mut events);
        drop(receiver);
        let event = expect(&mut poll, &mut events, SENDER, |event| {
            event.is_write_closed()
        });
        // kqueue says so with the end alone.
        assert_eq!(event.is_error(), !KQUEUE);
        assert!(!event.is_read_closed());
        expect_silence(&mut poll, &mut events);
        let error = sender.write(b"too late").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        let slices = [IoSlice::new(b"too late")];
        let error = sender.write_vectored(&slices).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}

/// Edge case 17: a registration after the close reports it as well.
#[test]
fn a_receiver_that_is_closed_already_is_reported_after_registering() {
    let (mut poll, mut events) = poll_and_events();
    let (mut sender, receiver) = pipe::new().unwrap();
    drop(receiver);
    poll.registry()
        .register(&mut sender, SENDER, Interest::WRITABLE)
        .unwrap();
    expect(&mut poll, &mut events, SENDER, |event| {
        event.is_write_closed()
    });
}

/// A pipe consists of pages: it has room again when one of them is empty.
#[test]
#[cfg(target_os = "linux")]
fn a_full_pipe_is_writable_when_a_page_of_it_has_been_read() {
    // SAFETY: takes no pointer.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap();
    let (mut poll, mut events, mut sender, mut receiver) = registered();
    let chunk = vec![7; page];
    for _ in 0..3 {
        expect_writable(&mut poll, &mut events, SENDER);
        let mut pages = 0;
        while let Ok(len) = sender.write(&chunk) {
            assert_eq!(len, page);
            pages += 1;
        }
        expect_would_block(sender.write(&chunk));
        discard_events(&mut poll, &mut events);

        receiver.read_exact(&mut vec![0; page - 1]).unwrap();
        if KQUEUE {
            // Data that a read has left is reported again.
            expect_readable(&mut poll, &mut events, RECEIVER);
            assert!(events.iter().all(|event| event.token() == RECEIVER));
        }
        expect_silence(&mut poll, &mut events);
        expect_would_block(sender.write(&chunk));
        receiver.read_exact(&mut [0]).unwrap();
        expect_writable(&mut poll, &mut events, SENDER);
        assert_eq!(sender.write(&chunk).unwrap(), page);
        expect_would_block(sender.write(&chunk));
        assert_eq!(drain(&mut receiver).len(), pages * page);
    }
}

/// Edge case 48: a pipe of 64 KiB carries megabytes, whether a direction is given up at
/// a `WouldBlock` or at a short transfer.
#[test]
fn megabytes_cross() {
    for until in [Until::WouldBlock, Until::ShortTransfer] {
        let (mut poll, mut events, mut sender, mut receiver) = registered();
        let (mut sent, mut received) = (0, 0);
        const LEN: usize = 4 << 20;
        while received < LEN {
            util::poll(&mut poll, &mut events, Some(LONG));
            assert!(!events.is_empty(), "stuck at {received}: {until:?}");
            for event in &events {
                if event.token() == SENDER {
                    send(&mut sender, &mut sent, LEN, until);
                } else {
                    receive(&mut receiver, &mut received, until);
                }
            }
        }
    }
}

fn send(sender: &mut Sender, sent: &mut usize, len: usize, until: Until) {
    while *sent < len {
        let bytes: Vec<u8> = (*sent..len.min(*sent + 50_000)).map(pattern).collect();
        match sender.write(&bytes) {
            Ok(moved) => {
                *sent += moved;
                if until == Until::ShortTransfer && moved < bytes.len() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) => panic!("{error}"),
        }
    }
}

fn receive(receiver: &mut Receiver, received: &mut usize, until: Until) {
    let mut buf = [0; 7777];
    loop {
        match receiver.read(&mut buf) {
            Ok(0) => panic!("the pipe ended"),
            Ok(moved) => {
                let mut right = buf[..moved].iter().zip(*received..);
                assert!(right.all(|(&byte, at)| byte == pattern(at)));
                *received += moved;
                if until == Until::ShortTransfer && moved < buf.len() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_custom_operation_returns_its_own_result() {
    let (mut poll, mut events, sender, receiver) = registered();
    let mut buf = [0_u8; 16];
    let mut read = || {
        let fd = receiver.as_raw_fd();
        // SAFETY: `buf` is valid for writes of `buf.len()` bytes.
        let moved = unsafe { libc::read(fd, buf.as_mut_ptr().cast(), buf.len()) };
        usize::try_from(moved).map_err(|_| io::Error::last_os_error())
    };
    expect_would_block(receiver.try_io(&mut read));
    let text = b"hello";
    let write = || {
        let fd = sender.as_raw_fd();
        // SAFETY: the pointer and the length are those of `text`.
        let moved = unsafe { libc::write(fd, text.as_ptr().cast(), text.len()) };
        usize::try_from(moved).map_err(|_| io::Error::last_os_error())
    };
    assert_eq!(sender.try_io(write).unwrap(), 5);
    expect_readable(&mut poll, &mut events, RECEIVER);
    assert_eq!(receiver.try_io(&mut read).unwrap(), 5);
    expect_would_block(receiver.try_io(&mut read));
    assert_eq!(&buf[..5], text);

    let result = sender.try_io(|| Err::<(), _>(io::Error::from(io::ErrorKind::Unsupported)));
    assert_eq!(result.unwrap_err().kind(), io::ErrorKind::Unsupported);
}

#[test]
fn blocking_can_be_turned_on_and_off() {
    let (sender, receiver) = pipe::new().unwrap();
    for nonblocking in [false, true] {
        sender.set_nonblocking(nonblocking).unwrap();
        receiver.set_nonblocking(nonblocking).unwrap();
        assert_eq!(is_nonblocking(&sender), nonblocking);
        assert_eq!(is_nonblocking(&receiver), nonblocking);
    }
    expect_would_block((&receiver).read(&mut [0; 8]));
}

/// The ends are any pipes: also those of files made with `mkfifo`, or by other libraries.
#[test]
fn the_ends_of_a_foreign_pipe_are_taken_over() {
    let mut fds = [-1; 2];
    // SAFETY: there is room for the two descriptors that the call writes; they are ours.
    let (receiver, sender) = unsafe {
        assert_eq!(libc::pipe(fds.as_mut_ptr()), 0);
        (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1]))
    };
    let (mut sender, mut receiver) = (Sender::from(sender), Receiver::from(receiver));
    sender.set_nonblocking(true).unwrap();
    receiver.set_nonblocking(true).unwrap();
    let (mut poll, mut events) = poll_and_events();
    poll.registry()
        .register(&mut receiver, RECEIVER, Interest::READABLE)
        .unwrap();
    sender.write_all(b"hello").unwrap();
    expect_readable(&mut poll, &mut events, RECEIVER);
    assert_eq!(drain(&mut receiver), b"hello");
}

/// The slices of a vectored write may overlap, so that their lengths need not have a sum that
/// fits: 2^18 times 64 TiB, or on 32 bits four times 1 GiB, of one mapping.
#[cfg(target_os = "linux")]
#[test]
fn slices_whose_lengths_overflow_are_written() {
    use std::io::{IoSlice, Write};

    let (len, count) = if usize::BITS == 64 {
        (1 << (usize::BITS - 18), 1 << 18)
    } else {
        (1 << (usize::BITS - 2), 4)
    };
    // SAFETY: a new mapping at a place of the kernel's choice.
    let zeroes = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            len,
            libc::PROT_READ,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    assert_ne!(
        zeroes,
        libc::MAP_FAILED,
        "{}",
        std::io::Error::last_os_error()
    );
    // SAFETY: the mapping has `len` readable bytes, and stays until the process ends.
    let zeroes: &[u8] = unsafe { std::slice::from_raw_parts(zeroes.cast(), len) };
    let slices = vec![IoSlice::new(zeroes); count];

    let (mut sender, _receiver) = mio::unix::pipe::new().unwrap();
    assert!(sender.write_vectored(&slices).unwrap() > 0);
}
