//! The kqueue(2) of the tests, held against what real kernels do. Where a row was
//! measured on NetBSD, the shim has to behave alike; what it cannot is listed at its head.
#![cfg(all(mio_test_kqueue_shim, feature = "os-poll"))]

use std::io::{self, Read, Seek, Write};
use std::mem;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::kqueue::{
    self, kevent, EVFILT_READ, EVFILT_TIMER, EVFILT_USER, EVFILT_WRITE, EV_ADD, EV_CLEAR,
    EV_DELETE, EV_ENABLE, EV_EOF, EV_ERROR, EV_ONESHOT, EV_RECEIPT, NOTE_LOWAT, NOTE_TRIGGER,
};
use crate::util::{self, any_port, in_own_process, LONG};

/// How most notes are added.
const EDGE: u16 = EV_ADD | EV_CLEAR;

struct Kqueue(OwnedFd);

/// The fields of an event, without those that the shim invents.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    filter: i16,
    udata: usize,
    eof: bool,
    errno: u32,
    /// Of the reading filter.
    data: Option<i64>,
}

const fn read(udata: usize, data: i64) -> Seen {
    Seen {
        filter: EVFILT_READ,
        udata,
        eof: false,
        errno: 0,
        data: Some(data),
    }
}

const fn write(udata: usize) -> Seen {
    Seen {
        filter: EVFILT_WRITE,
        data: None,
        ..read(udata, 0)
    }
}

const fn user(udata: usize) -> Seen {
    Seen {
        filter: EVFILT_USER,
        ..write(udata)
    }
}

impl Seen {
    fn eof(self) -> Seen {
        Seen { eof: true, ..self }
    }

    fn errno(self, errno: i32) -> Seen {
        Seen {
            errno: errno as u32,
            ..self.eof()
        }
    }
}

fn change(ident: usize, filter: i16, flags: u16, udata: usize) -> kevent {
    kevent {
        ident,
        filter,
        flags,
        fflags: 0,
        data: 0,
        udata: udata as *mut libc::c_void,
    }
}

fn timespec(seconds: i64, nanoseconds: i64) -> libc::timespec {
    libc::timespec {
        tv_sec: seconds as _,
        tv_nsec: nanoseconds as _,
    }
}

impl Kqueue {
    fn new() -> Kqueue {
        // SAFETY: the descriptor was made for us.
        unsafe {
            let fd = kqueue::kqueue();
            assert_ne!(fd, -1, "{}", io::Error::last_os_error());
            Kqueue(OwnedFd::from_raw_fd(fd))
        }
    }

    fn call(
        &self,
        changes: &[kevent],
        room: usize,
        timeout: Option<libc::timespec>,
    ) -> io::Result<Vec<kevent>> {
        let mut events: Vec<kevent> = Vec::with_capacity(room);
        // SAFETY: the lists have the given lengths, and the timeout lives through
        // the call. As many events as it returns were written.
        unsafe {
            let count = kqueue::kevent(
                self.0.as_raw_fd(),
                changes.as_ptr(),
                changes.len() as i32,
                events.as_mut_ptr(),
                room as i32,
                timeout
                    .as_ref()
                    .map_or(std::ptr::null(), |it| it as *const _),
            );
            if count == -1 {
                return Err(io::Error::last_os_error());
            }
            events.set_len(count as usize);
        }
        Ok(events)
    }

    /// Makes a change, and returns the error in its receipt; zero if none.
    #[track_caller]
    fn submit(&self, mut change: kevent) -> i32 {
        change.flags |= EV_RECEIPT;
        let receipts = self.call(&[change], 1, Some(timespec(0, 0))).unwrap();
        let [receipt] = receipts[..] else {
            panic!("{receipts:?}");
        };
        assert_eq!(receipt.flags, EV_ERROR);
        assert_eq!(
            (receipt.ident, receipt.filter),
            (change.ident, change.filter)
        );
        assert_eq!(receipt.udata, change.udata);
        receipt.data as i32
    }

    /// Makes a change of a descriptor.
    #[track_caller]
    fn set(&self, fd: &impl AsRawFd, filter: i16, flags: u16, udata: usize) -> i32 {
        self.submit(change(fd.as_raw_fd() as usize, filter, flags, udata))
    }

    #[track_caller]
    fn add(&self, fd: &impl AsRawFd, filter: i16, flags: u16, udata: usize) {
        assert_eq!(self.set(fd, filter, flags, udata), 0);
    }

    /// Adds both filters, as edges.
    #[track_caller]
    fn add_both(&self, fd: &impl AsRawFd, udata: usize) {
        self.add(fd, EVFILT_READ, EDGE, udata);
        self.add(fd, EVFILT_WRITE, EDGE, udata);
    }

    #[track_caller]
    fn trigger(&self, ident: usize, flags: u16, udata: usize) {
        let mut change = change(ident, EVFILT_USER, flags, udata);
        change.fflags = NOTE_TRIGGER;
        assert_eq!(self.submit(change), 0);
    }

    fn take(&self, room: usize, timeout: Duration) -> Vec<kevent> {
        let timeout = timespec(timeout.as_secs() as i64, timeout.subsec_nanos().into());
        self.call(&[], room, Some(timeout)).unwrap()
    }

    /// Checks that these events come, in any order, however many calls it takes.
    #[track_caller]
    fn expect_at_least<const N: usize>(&self, mut expected: [Seen; N]) {
        let mut seen = Vec::new();
        let end = Instant::now() + LONG;
        while seen.len() < N {
            let left = end.saturating_duration_since(Instant::now());
            let events = self.take(N - seen.len(), left);
            assert!(!events.is_empty(), "expected {expected:?}, got {seen:?}");
            seen.extend(events.iter().map(|event| Seen {
                filter: event.filter,
                udata: event.udata as usize,
                eof: event.flags & EV_EOF != 0,
                errno: event.fflags,
                data: (event.filter == EVFILT_READ).then_some(event.data),
            }));
        }
        seen.sort();
        expected.sort();
        assert_eq!(seen, expected);
    }

    /// Checks that these events come, and no others.
    #[track_caller]
    fn expect<const N: usize>(&self, expected: [Seen; N]) {
        self.expect_at_least(expected);
        let more = self.take(8, Duration::ZERO);
        assert!(more.is_empty(), "unexpected: {more:?}");
    }
}

fn listener() -> TcpListener {
    TcpListener::bind(any_port()).unwrap()
}

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = listener();
    let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (other, _) = listener.accept().unwrap();
    one.set_nonblocking(true).unwrap();
    other.set_nonblocking(true).unwrap();
    (one, other)
}

/// A TCP socket that is neither bound nor connected.
fn tcp_socket() -> TcpStream {
    // SAFETY: the kernel makes the descriptor for us.
    unsafe {
        let flags = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        TcpStream::from_raw_fd(libc::socket(libc::AF_INET, flags, 0))
    }
}

/// Begins to connect, without waiting.
fn connect(socket: &TcpStream, port: u16) {
    let (address, len) = ipv4(port);
    let address = (&address as *const libc::sockaddr_in).cast();
    // SAFETY: the address has the type of its family and length.
    unsafe { libc::connect(socket.as_raw_fd(), address, len) };
}

/// A port of this machine, and the length of that address.
fn ipv4(port: u16) -> (libc::sockaddr_in, libc::socklen_t) {
    // SAFETY: consists of integers, for which zero is valid.
    let mut address: libc::sockaddr_in = unsafe { mem::zeroed() };
    address.sin_family = libc::AF_INET as _;
    address.sin_port = port.to_be();
    address.sin_addr.s_addr = u32::from(std::net::Ipv4Addr::LOCALHOST).to_be();
    (address, mem::size_of_val(&address) as libc::socklen_t)
}

fn reset(stream: TcpStream) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    let len = mem::size_of_val(&linger) as libc::socklen_t;
    let value = (&linger as *const libc::linger).cast();
    // SAFETY: `value` is to `len` bytes.
    let done = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            value,
            len,
        )
    };
    assert_eq!(done, 0);
}

fn pipe() -> (std::fs::File, std::fs::File) {
    let mut fds = [-1; 2];
    // SAFETY: `fds` has room for both; the kernel makes them for us.
    unsafe {
        assert_eq!(
            libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK),
            0
        );
        let [receiver, sender] = fds.map(|fd| std::fs::File::from_raw_fd(fd));
        (receiver, sender)
    }
}

/// Writes until there is no room, and returns how much was written.
fn fill(mut stream: impl Write) -> u64 {
    let mut all = 0;
    loop {
        match stream.write(&[0; 1 << 16]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return all,
            written => all += written.unwrap() as u64,
        }
    }
}

/// How many bytes there are to be read.
fn unread(fd: &impl AsRawFd) -> i64 {
    let mut count = -1;
    // SAFETY: the request writes an `int`.
    let done = unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD, &mut count) };
    assert_eq!(done, 0);
    count.into()
}

// What was measured on NetBSD.

#[test]
fn an_edge_fires_per_arrival_and_when_it_is_added_again() {
    let kqueue = Kqueue::new();
    let (mut near, mut far) = tcp_pair();
    kqueue.add_both(&near, 7);
    kqueue.expect([write(7)]);
    far.write_all(b"x").unwrap();
    kqueue.expect([read(7, 1)]);
    far.write_all(b"y").unwrap();
    kqueue.expect([read(7, 2)]);
    kqueue.add(&near, EVFILT_READ, EDGE, 9);
    kqueue.expect([read(9, 2)]);
    assert_eq!(near.read(&mut [0; 64]).unwrap(), 2);
    kqueue.add(&near, EVFILT_READ, EDGE, 9);
    kqueue.expect([]);
    kqueue.add(&near, EVFILT_WRITE, EDGE, 9);
    kqueue.expect([write(9)]);
}

/// As every kernel's `filt_soread` has it: the end and an error come first, the mark then.
#[test]
fn below_the_mark_only_the_end_and_an_error_fire() {
    let add = |kqueue: &Kqueue, fd: &dyn AsRawFd, mark: i64| {
        let mut note = change(fd.as_raw_fd() as usize, EVFILT_READ, EDGE, 3);
        (note.fflags, note.data) = (NOTE_LOWAT, mark);
        assert_eq!(kqueue.submit(note), 0);
    };
    let kqueue = Kqueue::new();
    let (mut one, other) = tcp_pair();
    add(&kqueue, &other, 3);
    one.write_all(b"xy").unwrap();
    kqueue.expect([]);
    one.write_all(b"z").unwrap();
    kqueue.expect([read(3, 3)]);
    // Added again, it has another mark, or none.
    add(&kqueue, &other, i64::MAX);
    kqueue.expect([]);
    kqueue.add(&other, EVFILT_READ, EDGE, 3);
    kqueue.expect([read(3, 3)]);
    add(&kqueue, &other, i64::MAX);
    kqueue.expect([]);
    one.shutdown(Shutdown::Write).unwrap();
    kqueue.expect([read(3, 3).eof()]);

    let kqueue = Kqueue::new();
    let (mut one, other) = tcp_pair();
    add(&kqueue, &other, i64::MAX);
    one.write_all(b"xy").unwrap();
    kqueue.expect([]);
    reset(one);
    kqueue.expect([read(3, 2).errno(libc::ECONNRESET)]);
}

/// Pipes have the mark only on Apple's systems.
#[test]
fn a_pipe_has_a_mark_on_macos_only() {
    let is_macos = std::env::var_os("MIO_TEST_KQUEUE_LIKE").is_some_and(|it| it == "macos");
    let kqueue = Kqueue::new();
    let (reader, mut writer) = pipe();
    let mut note = change(reader.as_raw_fd() as usize, EVFILT_READ, EDGE, 3);
    (note.fflags, note.data) = (NOTE_LOWAT, i64::MAX);
    assert_eq!(kqueue.submit(note), 0);
    writer.write_all(b"xy").unwrap();
    if is_macos {
        kqueue.expect([]);
        // The mark is no higher than what fits.
        (&reader).read_exact(&mut [0; 2]).unwrap();
        let full = fill(&mut writer) as i64;
        kqueue.expect([read(3, full)]);
    } else {
        kqueue.expect([read(3, 2)]);
    }
    drop(writer);
    assert!(kqueue.take(1, LONG)[0].flags & EV_EOF != 0);
}

#[test]
fn the_end_of_a_stream_concerns_the_reader_and_ones_own_end_the_writer() {
    let kqueue = Kqueue::new();
    let (mut near, mut far) = tcp_pair();
    kqueue.add_both(&near, 9);
    kqueue.expect([write(9)]);
    far.write_all(b"zz").unwrap();
    far.shutdown(Shutdown::Write).unwrap();
    // Data and end may come as one event or as two.
    let first = kqueue.take(1, LONG)[0];
    assert_eq!((first.filter, first.data), (EVFILT_READ, 2));
    if first.flags & EV_EOF == 0 {
        kqueue.expect([read(9, 2).eof()]);
    }
    kqueue.expect([]);
    assert_eq!(near.read(&mut [0; 64]).unwrap(), 2);
    kqueue.expect([]);
    near.shutdown(Shutdown::Write).unwrap();
    kqueue.expect([write(9).eof()]);
}

#[test]
fn ones_own_end_of_a_stream_concerns_the_writer_whatever_is_unread() {
    let kqueue = Kqueue::new();
    let (near, mut far) = tcp_pair();
    far.write_all(b"x").unwrap();
    kqueue.add_both(&near, 9);
    kqueue.expect([read(9, 1), write(9)]);
    near.shutdown(Shutdown::Write).unwrap();
    kqueue.expect([write(9).eof()]);
    drop(far);
}

#[test]
fn a_reset_concerns_both_and_leaves_the_error_to_be_fetched() {
    let kqueue = Kqueue::new();
    // The side that connected and the one that accepted.
    for swap in [false, true] {
        let (one, other) = tcp_pair();
        let (near, far) = if swap { (other, one) } else { (one, other) };
        kqueue.add_both(&near, 1);
        kqueue.expect([write(1)]);
        reset(far);
        let errno = libc::ECONNRESET;
        kqueue.expect_at_least([read(1, 0).errno(errno), write(1).errno(errno)]);
        let error = near.take_error().unwrap().unwrap();
        assert_eq!(error.raw_os_error(), Some(errno));
    }
}

#[test]
fn a_refused_connection_concerns_both_and_leaves_the_error_to_be_fetched() {
    let kqueue = Kqueue::new();
    // A port that is taken, and at which nothing listens.
    let bound = tcp_socket();
    // SAFETY: the address has the type of its family and length.
    unsafe {
        let (address, len) = ipv4(0);
        let address = (&address as *const libc::sockaddr_in).cast();
        assert_eq!(libc::bind(bound.as_raw_fd(), address, len), 0);
    }
    let near = tcp_socket();
    connect(&near, bound.local_addr().unwrap().port());
    kqueue.add_both(&near, 1);
    let errno = libc::ECONNREFUSED;
    kqueue.expect_at_least([read(1, 0).errno(errno), write(1).errno(errno)]);
    let error = near.take_error().unwrap().unwrap();
    assert_eq!(error.raw_os_error(), Some(errno));
}

#[test]
fn a_tcp_socket_is_silent_until_it_is_connected() {
    let listener = listener();
    // Level and one-shot notes, too, are silent, and do not keep the queue busy.
    for mode in [EV_CLEAR, 0, EV_ONESHOT] {
        let kqueue = Kqueue::new();
        let near = tcp_socket();
        kqueue.add(&near, EVFILT_WRITE, EV_ADD | mode, 1);
        kqueue.add(&near, EVFILT_READ, EV_ADD | mode, 1);
        assert_eq!(kqueue.take(8, Duration::from_millis(5)).len(), 0);
        kqueue.expect([]);
        connect(&near, listener.local_addr().unwrap().port());
        kqueue.expect_at_least([write(1)]);
        let again = kqueue.take(8, Duration::ZERO);
        assert_eq!(again.len(), usize::from(mode == 0), "{again:?}");
        let far = listener.accept().unwrap();
        if mode != 0 {
            kqueue.expect([]);
        }
        drop(far);
    }
}

#[test]
fn a_listener_fires_per_connection_and_never_for_writing() {
    let kqueue = Kqueue::new();
    let listener = listener();
    let address = listener.local_addr().unwrap();
    kqueue.add_both(&listener, 1);
    kqueue.expect([]);
    let _one = TcpStream::connect(address).unwrap();
    kqueue.expect([read(1, 1)]);
    let _other = TcpStream::connect(address).unwrap();
    kqueue.expect([read(1, 2)]);
    listener.accept().unwrap();
    kqueue.expect([read(1, 1)]);
    listener.accept().unwrap();
    kqueue.expect([]);
}

#[test]
fn ones_own_end_of_a_unix_stream_concerns_the_writer() {
    let kqueue = Kqueue::new();
    let (near, _far) = UnixStream::pair().unwrap();
    kqueue.add_both(&near, 1);
    kqueue.expect([write(1)]);
    near.shutdown(Shutdown::Write).unwrap();
    kqueue.expect([write(1).eof()]);
    kqueue.add(&near, EVFILT_WRITE, EDGE, 2);
    kqueue.expect([write(2).eof()]);
}

/// The manual: reading fires unless the offset is at the end.
#[test]
fn a_file_fires_until_it_has_been_read() {
    let path = util::temporary_path("file");
    std::fs::write(&path, b"data").unwrap();
    let mut file = std::fs::File::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    for (mode, repeats) in [(EV_CLEAR, 0), (EV_ONESHOT, 0), (0, 1)] {
        let kqueue = Kqueue::new();
        file.rewind().unwrap();
        kqueue.add(&file, EVFILT_READ, EV_ADD | mode, 1);
        kqueue.expect_at_least([read(1, 4)]);
        assert_eq!(kqueue.take(8, Duration::ZERO).len(), repeats);
        file.read_exact(&mut [0; 3]).unwrap();
        kqueue.add(&file, EVFILT_READ, EV_ADD | mode, 2);
        kqueue.expect_at_least([read(2, 1)]);
        file.read_exact(&mut [0]).unwrap();
        kqueue.expect([]);
        kqueue.add(&file, EVFILT_READ, EV_ADD | mode, 3);
        kqueue.expect([]);
        assert_eq!(kqueue.set(&file, EVFILT_READ, EV_DELETE, 0), 0);
        kqueue.add(&file, EVFILT_WRITE, EV_ADD | mode, 4);
        kqueue.expect_at_least([write(4)]);
    }
}

#[test]
fn a_pipe_ends_for_either_side_when_the_other_is_closed() {
    let kqueue = Kqueue::new();
    let (receiver, mut sender) = pipe();
    kqueue.add(&receiver, EVFILT_READ, EDGE, 1);
    kqueue.add(&sender, EVFILT_WRITE, EDGE, 2);
    kqueue.expect([write(2)]);
    // Whatever is written or read concerns both ends.
    sender.write_all(b"xyz").unwrap();
    kqueue.expect([read(1, 3), write(2)]);
    (&receiver).read_exact(&mut [0; 2]).unwrap();
    kqueue.expect([read(1, 1), write(2)]);
    (&receiver).read_exact(&mut [0]).unwrap();
    kqueue.expect([write(2)]);
    // But not, if there is no room.
    fill(&sender);
    kqueue.expect([read(1, unread(&receiver))]);
    (&receiver).read_exact(&mut [0]).unwrap();
    kqueue.expect([read(1, unread(&receiver))]);
    drop(sender);
    kqueue.expect([read(1, unread(&receiver)).eof()]);

    let (receiver, sender) = pipe();
    kqueue.add(&sender, EVFILT_WRITE, EDGE, 2);
    kqueue.expect([write(2)]);
    drop(receiver);
    kqueue.expect([write(2).eof()]);
    kqueue.add(&sender, EVFILT_WRITE, EDGE, 3);
    kqueue.expect([write(3).eof()]);
}

#[test]
fn a_unix_stream_ends_for_both_when_the_peer_is_closed() {
    let kqueue = Kqueue::new();
    let (near, far) = UnixStream::pair().unwrap();
    kqueue.add_both(&near, 1);
    kqueue.expect([write(1)]);
    far.shutdown(Shutdown::Write).unwrap();
    // The real one does not report it to the writer.
    kqueue.expect([read(1, 0).eof(), write(1)]);
    drop(far);
    kqueue.expect([read(1, 0).eof(), write(1).eof()]);
}

#[test]
fn what_is_closed_or_absent_is_reported_by_the_receipt() {
    in_own_process(
        "what_is_closed_or_absent_is_reported_by_the_receipt",
        || {
            let kqueue = Kqueue::new();
            let (near, mut far) = tcp_pair();
            assert_eq!(kqueue.set(&near, EVFILT_READ, EV_DELETE, 0), libc::ENOENT);
            assert_eq!(kqueue.set(&near, EVFILT_READ, EV_ENABLE, 0), libc::ENOENT);
            kqueue.add(&near, EVFILT_READ, EDGE, 1);
            let number = near.as_raw_fd();
            drop(near);
            let _ = far.write(b"q");
            kqueue.expect([]);
            assert_eq!(kqueue.set(&number, EVFILT_READ, EV_DELETE, 0), libc::EBADF);
            assert_eq!(kqueue.set(&-1, EVFILT_READ, EDGE, 0), libc::EBADF);
            let wide = change(usize::MAX, EVFILT_WRITE, EDGE, 0);
            assert_eq!(kqueue.submit(wide), libc::EBADF);
            let unknown = change(number as usize, -99, EDGE, 0);
            assert_eq!(kqueue.submit(unknown), libc::EINVAL);
        },
    );
}

#[test]
fn a_duplicate_is_the_same_queue() {
    let kqueue = Kqueue::new();
    let duplicate = Kqueue(kqueue.0.as_fd().try_clone_to_owned().unwrap());
    let (near, _far) = tcp_pair();
    kqueue.add(&near, EVFILT_WRITE, EDGE, 3);
    duplicate.expect([write(3)]);
    kqueue.expect([]);
    duplicate.add(&near, EVFILT_WRITE, EV_DELETE, 0);
    drop(kqueue);
    duplicate.expect([]);
    duplicate.add(&near, EVFILT_WRITE, EDGE, 4);
    duplicate.expect([write(4)]);
    assert_eq!(
        Kqueue(near.into())
            .call(&[], 1, None)
            .unwrap_err()
            .raw_os_error(),
        Some(libc::EBADF)
    );
}

#[test]
fn a_queue_can_be_read_by_another_and_not_be_written_to() {
    let kqueue = Kqueue::new();
    let inner = Kqueue::new();
    kqueue.add(&inner.0, EVFILT_READ, EV_ADD, 4);
    assert_eq!(kqueue.set(&inner.0, EVFILT_WRITE, EDGE, 4), libc::EPERM);
    kqueue.expect([]);
    let (near, _far) = tcp_pair();
    inner.add(&near, EVFILT_WRITE, EDGE, 1);
    kqueue.expect_at_least([read(4, 1)]);
    kqueue.expect_at_least([read(4, 1)]);
    inner.expect([write(1)]);
    kqueue.expect([]);
}

#[test]
fn urgent_data_fire_nothing() {
    let kqueue = Kqueue::new();
    let (near, far) = tcp_pair();
    kqueue.add(&near, EVFILT_READ, EDGE, 1);
    // SAFETY: one byte is there to be sent.
    let sent = unsafe { libc::send(far.as_raw_fd(), b"!".as_ptr().cast(), 1, libc::MSG_OOB) };
    assert_eq!(sent, 1);
    kqueue.expect([]);
}

#[test]
fn a_timeout_is_precise_and_has_to_be_in_order() {
    let kqueue = Kqueue::new();
    for timeout in [1, 500_000, 20_000_000] {
        let timeout = Duration::from_nanos(timeout);
        let start = Instant::now();
        assert_eq!(kqueue.take(1, timeout).len(), 0);
        assert!(start.elapsed() >= timeout);
    }
    for (seconds, nanoseconds) in [(0, 1_000_000_000), (0, -1), (-1, 0)] {
        let error = kqueue.call(&[], 1, Some(timespec(seconds, nanoseconds)));
        assert_eq!(error.unwrap_err().raw_os_error(), Some(libc::EINVAL));
    }
    let (near, _far) = tcp_pair();
    let add = change(near.as_raw_fd() as usize, EVFILT_WRITE, EV_ADD, 0);
    let events = kqueue
        .call(&[add], 1, Some(timespec(i32::MAX.into(), 0)))
        .unwrap();
    assert_eq!(events.len(), 1);
    // Without room nothing is waited for.
    assert_eq!(kqueue.call(&[], 0, None).unwrap().len(), 0);
}

/// Without room for a receipt the failure is that of the call.
#[test]
fn a_failed_change_without_room_for_a_receipt_fails_the_call() {
    let kqueue = Kqueue::new();
    let delete = change(0, EVFILT_READ, EV_DELETE, 0);
    let error = kqueue.call(&[delete], 0, None).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
    let receipts = kqueue.call(&[delete, delete], 1, None);
    assert_eq!(receipts.unwrap_err().raw_os_error(), Some(libc::ENOENT));
    let receipts = kqueue.call(&[delete], 1, None).unwrap();
    assert_eq!(receipts[0].data as i32, libc::ENOENT);
}

// What is known from the sources of FreeBSD.

/// Adding again does not change the mode: that takes deleting first.
#[test]
fn a_change_of_mode_takes_deleting() {
    let (near, mut far) = tcp_pair();
    far.write_all(b"x").unwrap();
    let modes = [EV_CLEAR, 0, EV_ONESHOT];
    for (first, second) in modes.iter().flat_map(|a| modes.map(|b| (*a, b))) {
        for deletes in [false, true] {
            let kqueue = Kqueue::new();
            kqueue.add(&near, EVFILT_READ, EV_ADD | first, 1);
            if deletes {
                kqueue.add(&near, EVFILT_READ, EV_DELETE, 1);
            }
            kqueue.add(&near, EVFILT_READ, EV_ADD | second, 2);
            kqueue.expect_at_least([read(2, 1)]);
            let mode = if deletes { second } else { first };
            let again = kqueue.take(8, Duration::ZERO);
            assert_eq!(again.len(), usize::from(mode == 0), "{first} {second}");
            let is_gone = kqueue.set(&near, EVFILT_READ, EV_DELETE, 0) == libc::ENOENT;
            assert_eq!(is_gone, mode == EV_ONESHOT, "{first} {second}");
        }
    }
}

#[test]
fn one_shot_deletes_only_the_filter_that_fired() {
    let kqueue = Kqueue::new();
    let (near, mut far) = tcp_pair();
    kqueue.add(&near, EVFILT_READ, EV_ADD | EV_ONESHOT, 1);
    kqueue.add(&near, EVFILT_WRITE, EV_ADD | EV_ONESHOT, 1);
    kqueue.expect([write(1)]);
    assert_eq!(kqueue.set(&near, EVFILT_WRITE, EV_DELETE, 0), libc::ENOENT);
    far.write_all(b"x").unwrap();
    kqueue.expect([read(1, 1)]);
    far.write_all(b"x").unwrap();
    kqueue.expect([]);
}

#[test]
fn a_user_event_is_added_once_and_then_triggered() {
    let kqueue = Kqueue::new();
    let absent = change(0, EVFILT_USER, EV_ENABLE, 5);
    assert_eq!(kqueue.submit(absent), libc::ENOENT);
    assert_eq!(kqueue.submit(change(0, EVFILT_USER, EDGE, 5)), 0);
    kqueue.expect([]);
    kqueue.trigger(0, EV_ENABLE, 5);
    kqueue.trigger(0, EV_ENABLE, 5);
    kqueue.expect([user(5)]);
    kqueue.trigger(0, EV_ADD, 6);
    kqueue.expect([user(6)]);
    // What was delivered is not delivered again.
    assert_eq!(kqueue.submit(change(0, EVFILT_USER, EDGE, 7)), 0);
    kqueue.expect([]);
    kqueue.trigger(0, EV_ENABLE, 5);
    assert_eq!(kqueue.submit(change(0, EVFILT_USER, EV_DELETE, 0)), 0);
    kqueue.expect([]);
}

#[test]
fn a_user_event_that_is_triggered_when_it_is_added_fires_on_macos_only() {
    in_own_process(
        "a_user_event_that_is_triggered_when_it_is_added_fires_on_macos_only",
        || {
            std::env::set_var("MIO_TEST_KQUEUE_LIKE", "freebsd");
            let kqueue = Kqueue::new();
            kqueue.trigger(1, EDGE, 6);
            kqueue.expect([]);
            std::env::set_var("MIO_TEST_KQUEUE_LIKE", "macos");
            kqueue.trigger(2, EV_ADD | EV_ONESHOT, 6);
            kqueue.expect([user(6)]);
            let gone = change(2, EVFILT_USER, EV_DELETE, 0);
            assert_eq!(kqueue.submit(gone), libc::ENOENT);
        },
    );
}

/// The sources call it `pipe_kqfilter`. Only a filter that is added is refused; one that is there
/// fires, as it was measured on NetBSD.
#[test]
fn the_writing_filter_of_a_pipe_without_a_reader_is_refused_on_some_systems() {
    in_own_process(
        "the_writing_filter_of_a_pipe_without_a_reader_is_refused_on_some_systems",
        || {
            let kqueue = Kqueue::new();
            for (system, errno) in [
                ("macos", 0),
                ("freebsd", libc::EPIPE),
                ("netbsd", libc::EBADF),
            ] {
                std::env::set_var("MIO_TEST_KQUEUE_LIKE", system);
                let (receiver, sender) = pipe();
                kqueue.add(&sender, EVFILT_WRITE, EDGE, 1);
                kqueue.expect([write(1)]);
                drop(receiver);
                kqueue.add(&sender, EVFILT_WRITE, EDGE, 2);
                kqueue.expect([write(2).eof()]);
                kqueue.add(&sender, EVFILT_WRITE, EV_DELETE, 0);
                assert_eq!(
                    kqueue.set(&sender, EVFILT_WRITE, EDGE, 3),
                    errno,
                    "{system}"
                );
                if errno == 0 {
                    kqueue.expect([write(3).eof()]);
                } else {
                    kqueue.expect([]);
                }
            }
        },
    );
}

#[test]
fn a_timer_fires_once_or_again_and_again() {
    let kqueue = Kqueue::new();
    let mut add = change(7, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 1);
    assert_eq!(kqueue.submit(add), libc::EINVAL);
    add.data = 2;
    let start = Instant::now();
    assert_eq!(kqueue.submit(add), 0);
    let event = kqueue.take(1, LONG)[0];
    assert!(start.elapsed() >= Duration::from_millis(2));
    assert_eq!(
        (event.ident, event.filter, event.udata as usize),
        (7, EVFILT_TIMER, 1)
    );
    let delete = change(7, EVFILT_TIMER, EV_DELETE, 0);
    assert_eq!(kqueue.submit(delete), libc::ENOENT);

    add.flags = EV_ADD;
    assert_eq!(kqueue.submit(add), 0);
    for _ in 0..3 {
        assert_eq!(kqueue.take(1, LONG).len(), 1);
    }
    // One of the user's with the same ident is another.
    assert_eq!(kqueue.submit(change(7, EVFILT_USER, EDGE, 5)), 0);
    assert_eq!(kqueue.submit(delete), 0);
    assert_eq!(kqueue.take(8, Duration::from_millis(5)).len(), 0);
}

// What our code makes of it.

/// What an error came of is not registered by half.
#[test]
#[cfg(all(feature = "net", not(mio_unsupported_force_poll_poll)))]
fn a_registration_that_half_fails_leaves_nothing() {
    use mio::{Interest, Token};

    in_own_process("a_registration_that_half_fails_leaves_nothing", || {
        let both = Interest::READABLE | Interest::WRITABLE;
        for (refused, modes) in [
            ("read", both),
            ("write", both.level()),
            ("write", both.oneshot()),
        ] {
            let (mut poll, mut events) = util::poll_and_events();
            let (mut near, mut far) = util::tcp_pair();
            far.write_all(b"x").unwrap();
            std::env::set_var("MIO_TEST_KQUEUE_REFUSES", refused);
            let result = poll.registry().register(&mut near, Token(1), modes);
            assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::ENOMEM));
            std::env::remove_var("MIO_TEST_KQUEUE_REFUSES");
            util::discard_events(&mut poll, &mut events);
            util::expect_silence(&mut poll, &mut events);

            poll.registry().register(&mut near, Token(2), both).unwrap();
            util::expect_readable(&mut poll, &mut events, Token(2));
        }
    });
}

/// A refused change changes nothing, as with epoll.
#[test]
#[cfg(all(feature = "net", not(mio_unsupported_force_poll_poll)))]
fn a_reregistration_that_half_fails_leaves_the_former_one() {
    use mio::{Interest, Token};

    in_own_process(
        "a_reregistration_that_half_fails_leaves_the_former_one",
        || {
            let read = Interest::READABLE;
            let both = read | Interest::WRITABLE;
            for (before, after) in [(read, both), (read, both.level()), (read.level(), both)] {
                let (mut poll, mut events) = util::poll_and_events();
                let (mut near, mut far) = util::tcp_pair();
                let registry = poll.registry();
                registry.register(&mut near, Token(1), before).unwrap();
                std::env::set_var("MIO_TEST_KQUEUE_REFUSES", "write");
                let result = registry.reregister(&mut near, Token(2), after);
                assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::ENOMEM));
                std::env::remove_var("MIO_TEST_KQUEUE_REFUSES");
                util::expect_silence(&mut poll, &mut events);

                far.write_all(b"x").unwrap();
                util::expect_readable(&mut poll, &mut events, Token(1));
                util::poll(&mut poll, &mut events, Some(Duration::ZERO));
                assert_eq!(!events.is_empty(), before.is_level());
                assert!(!events.iter().any(|event| event.is_writable()));
            }
        },
    );
}

/// XNU refuses more seconds than an `int` holds.
#[test]
#[cfg(not(mio_unsupported_force_poll_poll))]
fn the_longest_timeouts_are_waited_for_in_parts() {
    use mio::{Token, Waker};

    in_own_process("the_longest_timeouts_are_waited_for_in_parts", || {
        let kqueue = Kqueue::new();
        let refused = kqueue.call(&[], 1, Some(timespec(1 << 31, 0)));
        assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::EINVAL));

        let (mut poll, mut events) = util::poll_and_events();
        let waker = Waker::new(poll.registry(), Token(1)).unwrap();
        for timeout in [1 << 31, u64::MAX] {
            waker.wake().unwrap();
            let timeout = Some(Duration::from_secs(timeout));
            poll.poll(&mut events, timeout).unwrap();
            assert_eq!(events.iter().count(), 1);
        }

        // The months pass at once. What is left of the time has to pass, too.
        std::env::set_var("MIO_TEST_KQUEUE_MONTHS", "pass");
        for parts in 1..4 {
            let rest = Duration::from_millis(20);
            let timeout = Duration::from_secs(100_000_000 * parts) + rest;
            let start = Instant::now();
            poll.poll(&mut events, Some(timeout)).unwrap();
            assert!(events.is_empty());
            assert!(start.elapsed() >= rest, "{parts}");
        }
    });
}

// What the shim could get wrong.

/// A duplicate whose number is always the same, and used by nothing else.
fn renumbered(socket: &UnixDatagram) -> UnixDatagram {
    const NUMBER: RawFd = 500;
    // SAFETY: neither call takes a pointer. The number is free, and becomes ours.
    unsafe {
        assert_eq!(libc::fcntl(NUMBER, libc::F_GETFD), -1);
        assert_eq!(libc::dup2(socket.as_raw_fd(), NUMBER), NUMBER);
        UnixDatagram::from_raw_fd(NUMBER)
    }
}

/// Closing deletes the notes, though the file lives on.
#[test]
fn a_descriptor_that_is_closed_or_used_again_fires_no_old_note() {
    in_own_process(
        "a_descriptor_that_is_closed_or_used_again_fires_no_old_note",
        || {
            let kqueue = Kqueue::new();
            for mode in [EV_CLEAR, 0, EV_ONESHOT] {
                let (duplicate, far) = UnixDatagram::pair().unwrap();
                let near = renumbered(&duplicate);
                kqueue.add(&near, EVFILT_READ, EV_ADD | mode, 1);
                drop(near);
                far.send(b"x").unwrap();
                kqueue.expect([]);

                // Another file of the same number.
                let (other, peer) = UnixDatagram::pair().unwrap();
                let other = renumbered(&other);
                peer.send(b"y").unwrap();
                far.send(b"y").unwrap();
                kqueue.expect([]);
                assert_eq!(kqueue.set(&other, EVFILT_READ, EV_DELETE, 0), libc::ENOENT);
                kqueue.add(&other, EVFILT_READ, EV_ADD | EV_CLEAR, 2);
                kqueue.expect([read(2, 1)]);
                far.send(b"z").unwrap();
                kqueue.expect([]);
                drop(other);

                // The first file again, of which epoll has not forgotten the number.
                let again = renumbered(&duplicate);
                kqueue.add(&again, EVFILT_READ, EV_ADD | EV_CLEAR, 3);
                kqueue.expect([read(3, 1)]);
            }
        },
    );
}

/// The peer's half-close is not reported to the writer, unless that might hide that there is
/// room again.
#[test]
fn no_edge_of_the_writer_is_lost_among_the_ends_of_the_peer() {
    for _ in 0..300 {
        let kqueue = Kqueue::new();
        let (near, far) = tcp_pair();
        far.set_nonblocking(false).unwrap();
        kqueue.add_both(&near, 1);
        kqueue.expect([write(1)]);
        let written = fill(&near);
        thread::scope(|scope| {
            scope.spawn(|| {
                far.shutdown(Shutdown::Write).unwrap();
                io::copy(&mut (&far).take(written), &mut io::sink()).unwrap();
            });
            let (mut ended, mut has_room) = (false, false);
            while !(ended && has_room) {
                let events = kqueue.take(1, LONG);
                assert!(!events.is_empty(), "{ended} {has_room}");
                ended |= events[0].filter == EVFILT_READ;
                has_room |= events[0].filter == EVFILT_WRITE && is_writable(&near);
            }
        });
    }
}

fn is_writable(fd: &impl AsRawFd) -> bool {
    let mut record = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: one entry.
    unsafe { libc::poll(&mut record, 1, 0) == 1 }
}

/// One thread writes until there is no room, while another takes the events.
#[test]
fn no_edge_of_a_writer_in_another_thread_is_lost() {
    const LEN: usize = 20 << 20;
    let kqueue = Kqueue::new();
    let (mut near, far) = tcp_pair();
    far.set_nonblocking(false).unwrap();
    kqueue.add_both(&near, 1);
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| io::copy(&mut (&far).take(LEN as u64), &mut io::sink()).unwrap());
        let writer = scope.spawn(move || {
            let mut left = LEN;
            while left > 0 {
                match near.write(&vec![0; left.min(1 << 16)]) {
                    Ok(written) => left -= written,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        receiver.recv_timeout(LONG).expect("a lost edge");
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        });
        while !writer.is_finished() {
            let events = kqueue.take(4, Duration::from_millis(10));
            for _ in events.iter().filter(|it| it.filter == EVFILT_WRITE) {
                let _ = sender.send(());
            }
        }
    });
}

#[test]
fn neither_filter_starves_the_other() {
    let kqueue = Kqueue::new();
    let (near, mut far) = tcp_pair();
    far.write_all(b"x").unwrap();
    kqueue.add(&near, EVFILT_READ, EV_ADD, 1);
    kqueue.add(&near, EVFILT_WRITE, EV_ADD, 2);
    let seen: Vec<usize> = (0..4)
        .map(|_| kqueue.take(1, LONG)[0].udata as usize)
        .collect();
    assert!(seen.contains(&1) && seen.contains(&2), "{seen:?}");
}

#[test]
fn more_events_than_a_batch_come_at_once() {
    let kqueue = Kqueue::new();
    let pairs: Vec<_> = (0..200).map(|_| UnixDatagram::pair().unwrap()).collect();
    for (number, (near, _)) in pairs.iter().enumerate() {
        kqueue.add(near, EVFILT_WRITE, EDGE, number);
    }
    let mut seen: Vec<usize> = kqueue
        .take(1000, LONG)
        .iter()
        .map(|event| event.udata as usize)
        .collect();
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..200));
}

/// The hidden descriptors are not visible: those of open queues are elsewhere, those of closed
/// ones are closed.
#[test]
fn queues_leave_no_descriptors() {
    in_own_process("queues_leave_no_descriptors", || {
        let open = |from, to| {
            // SAFETY: takes no pointer.
            let is_open = |fd: &RawFd| unsafe { libc::fcntl(*fd, libc::F_GETFD) } != -1;
            (from..to).filter(is_open).count()
        };
        let low = || open(0, kqueue::HIDDEN);
        let hidden = || open(kqueue::HIDDEN, kqueue::HIDDEN + 10_000);
        let before = low();
        let kept = Kqueue::new();
        let duplicate = kept.0.try_clone().unwrap();
        assert_eq!(low(), before + 2);
        let one = hidden();
        assert_eq!(one, 3);
        drop(kept);
        for _ in 0..1000 {
            let kqueue = Kqueue::new();
            assert_eq!(kqueue.submit(change(0, EVFILT_USER, EDGE, 5)), 0);
        }
        // The newest, with its event of the user's, is not yet collected.
        assert_eq!(hidden(), 2 * one + 1);
        assert_eq!(low(), before + 1);

        let kept = Kqueue(duplicate);
        assert_eq!(kept.submit(change(0, EVFILT_USER, EDGE, 5)), 0);
        kept.trigger(0, EV_ENABLE, 5);
        kept.expect([user(5)]);
    });
}

/// Under a soft limit that is used up, what the program sees of it is one descriptor.
#[test]
fn a_queue_takes_one_descriptor_of_the_limit() {
    in_own_process("a_queue_takes_one_descriptor_of_the_limit", || {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: `limit` lives through the calls.
        unsafe {
            libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
            limit.rlim_cur = 64;
            assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
        }
        let mut fillers = Vec::new();
        while let Ok(file) = std::fs::File::open("/dev/null") {
            fillers.push(file);
        }
        // SAFETY: needs nothing.
        assert_eq!(unsafe { kqueue::kqueue() }, -1);
        assert_eq!(
            io::Error::last_os_error().raw_os_error(),
            Some(libc::EMFILE)
        );
        drop(fillers.pop());
        let kqueue = Kqueue::new();
        assert_eq!(kqueue.submit(change(0, EVFILT_USER, EDGE, 5)), 0);
        kqueue.trigger(0, EV_ENABLE, 5);
        kqueue.expect([user(5)]);
        assert!(std::fs::File::open("/dev/null").is_err());
    });
}

/// A sandbox may forbid the call that distinguishes files.
#[test]
fn a_queue_is_found_without_kcmp() {
    in_own_process("a_queue_is_found_without_kcmp", || {
        let statement = |code: u32, jf: u8, k: u32| libc::sock_filter {
            code: code as u16,
            jt: 0,
            jf,
            k,
        };
        let mut program = [
            statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
            statement(
                libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
                1,
                libc::SYS_kcmp as u32,
            ),
            statement(
                libc::BPF_RET | libc::BPF_K,
                0,
                libc::SECCOMP_RET_ERRNO | libc::EPERM as u32,
            ),
            statement(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
        ];
        let filter = libc::sock_fprog {
            len: program.len() as u16,
            filter: program.as_mut_ptr(),
        };
        // SAFETY: the filter and its program live through the calls.
        unsafe {
            assert_eq!(
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1_u64, 0_u64, 0_u64, 0_u64),
                0
            );
            let mode = libc::c_ulong::from(libc::SECCOMP_MODE_FILTER);
            assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, mode, &filter), 0);
            assert_eq!(libc::syscall(libc::SYS_kcmp, 0, 0, 0, 0, 0), -1);
        }
        let (one, other) = (Kqueue::new(), Kqueue::new());
        let duplicate = Kqueue(one.0.try_clone().unwrap());
        let (near, _far) = tcp_pair();
        drop(one);
        let third = Kqueue::new();
        duplicate.add(&near, EVFILT_WRITE, EDGE, 1);
        other.expect([]);
        third.expect([]);
        duplicate.expect([write(1)]);
        let error = Kqueue(near.into()).call(&[], 1, None).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EBADF));
    });
}
