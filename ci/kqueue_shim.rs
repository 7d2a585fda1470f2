//! kqueue(2) for Linux, so that the kqueue selector can be tested without a BSD. It is not part of
//! any release: `--cfg mio_test_kqueue_shim` uses it instead of the C library's declarations.
//!
//! # How it works
//!
//! * A queue is an epoll instance, the *outer* one, in which two *inner* ones are nested,
//!   level-triggered: one for the notes (registrations) of each filter. A descriptor is thus
//!   registered once per filter, an event that wakes a reader does not fire the write filter, and a
//!   queue can itself be polled.
//! * `kqueue` returns a duplicate of the outer instance. The original stays hidden, and `kcmp(2)`
//!   identifies the queue of a descriptor, whatever its number.
//! * Every note is edge-triggered in the kernel. A note without `EV_CLEAR` is armed again after
//!   each event, which checks the descriptor again, as kqueue does.
//! * `EVFILT_USER` is an eventfd, `EVFILT_TIMER` a timerfd.
//! * Not everything that Linux reports is passed on: see [`Note::judge`].
//! * Hidden descriptors have numbers from [`HIDDEN`] on, even beyond the soft limit of the process,
//!   as far as the hard limit permits. They therefore neither take part in the reuse of numbers nor
//!   count when descriptors run out. The next call of `kqueue` finds and closes queues all of whose
//!   duplicates are closed.
//!
//! # Which kqueue
//!
//! The shim uses the constants and the layout of FreeBSD. Where systems differ, the environment
//! variable `MIO_TEST_KQUEUE_LIKE` selects one: `macos`, `freebsd` or `netbsd`.
//!
//! | | unset | `macos` | `freebsd` | `netbsd` |
//! |---|---|---|---|---|
//! | adding `EVFILT_WRITE` to a pipe whose reader is gone | fires | fires | `EPIPE` | `EBADF` |
//! | `NOTE_TRIGGER` in the change that adds an `EVFILT_USER` | waits | fires | waits | waits |
//!
//! The first row is each kernel's `pipe_kqfilter`: DragonFly and OpenBSD behave like FreeBSD, and
//! so did macOS before 10.15. A filter that exists already fires on all of them.
//!
//! A timeout of more seconds than an `int` holds fails with `EINVAL`, as in XNU.
//!
//! Two variables serve tests. `MIO_TEST_KQUEUE_REFUSES`, which is `read` or `write`, makes adding
//! that filter fail with `ENOMEM`. `MIO_TEST_KQUEUE_MONTHS=pass` makes timeouts of months elapse at
//! once, except for their fractions of a second.
//!
//! # Where it differs from a real kqueue
//!
//! * Writing to or reading from a pipe, an `accept` that leaves connections pending, and shutting
//!   down one's own side of a Unix stream fire a real kqueue, but do not wake epoll. The shim checks
//!   for these at each call of `kevent`: they do not end a call that is waiting, and what is undone
//!   before the next call goes unnoticed. The number of pending connections of a Unix listener is
//!   unknown to the shim.
//! * Writing to a socket does not fire the socket's own write filter again; a real kqueue fires it
//!   whenever the peer acknowledges data.
//! * Reading the end of a stream fires nothing; NetBSD fires the read filter once more.
//! * The write filter of a Unix stream fires once more when the peer shuts down a direction, since
//!   Linux does not report why it woke the writer. If the direction was reading, `EV_EOF` is set.
//! * An unconnected Unix stream fires its write filter when the filter is added, and not when the
//!   stream becomes connected.
//! * The error in `fflags` is a guess, since reading the actual error would clear it. `data` of the
//!   write filter is one, not the available space.
//! * A regular file fires when its filter is added, and without `EV_CLEAR` from then on while it is
//!   ready; on a real kqueue also when it grows.
//! * A filter that does not fit the end of a pipe is accepted. FreeBSD never fires such a filter,
//!   and macOS only when the pipe ends.
//! * Sockets and pipes behave as on Linux. A full Unix datagram receiver is `EAGAIN` here and
//!   `ENOBUFS` there, reading from an unconnected TCP socket is `ENOTCONN` there, and urgent data
//!   is not marked.
//! * A descriptor that is closed and then reused for a duplicate of the same file keeps its notes.
//! * Forked children inherit a queue. Queues can be nested two deep.
#![allow(dead_code)] // Of the flags, not every program uses all.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{env, mem, ptr};

use libc::{c_int, c_void};

#[allow(non_camel_case_types)] // Its name in C.
#[derive(Copy, Clone, Debug)]
#[repr(C)]
pub(crate) struct kevent {
    pub(crate) ident: usize,
    pub(crate) filter: i16,
    pub(crate) flags: u16,
    pub(crate) fflags: u32,
    pub(crate) data: i64,
    pub(crate) udata: *mut c_void,
}

pub(crate) const EVFILT_READ: i16 = -1;
pub(crate) const EVFILT_WRITE: i16 = -2;
pub(crate) const EVFILT_TIMER: i16 = -7;
pub(crate) const EVFILT_USER: i16 = -11;

pub(crate) const EV_ADD: u16 = 0x0001;
pub(crate) const EV_DELETE: u16 = 0x0002;
pub(crate) const EV_ENABLE: u16 = 0x0004;
pub(crate) const EV_ONESHOT: u16 = 0x0010;
pub(crate) const EV_CLEAR: u16 = 0x0020;
pub(crate) const EV_RECEIPT: u16 = 0x0040;
pub(crate) const EV_ERROR: u16 = 0x4000;
pub(crate) const EV_EOF: u16 = 0x8000;

pub(crate) const NOTE_TRIGGER: u32 = 0x0100_0000;

/// The least number of a hidden descriptor.
pub(crate) const HIDDEN: RawFd = 19_000;

/// Makes a queue; -1 and `errno` if that fails.
///
/// # Safety
///
/// None is needed; the real one is foreign.
pub(crate) unsafe fn kqueue() -> c_int {
    answer(Queue::create())
}

/// Makes changes, and takes events.
///
/// # Safety
///
/// The lists have the lengths that are said; the second one may be the first one. The
/// timeout is null or valid.
pub(crate) unsafe fn kevent(
    kq: c_int,
    changelist: *const kevent,
    nchanges: c_int,
    eventlist: *mut kevent,
    nevents: c_int,
    timeout: *const libc::timespec,
) -> c_int {
    let mut list = List {
        start: eventlist,
        len: 0,
        room: usize::try_from(nevents).unwrap_or(0),
    };
    // SAFETY: as promised by the caller.
    answer(unsafe { exchange(kq, changelist, nchanges, &mut list, timeout) })
}

fn answer(result: io::Result<c_int>) -> c_int {
    result.unwrap_or_else(|error| {
        // SAFETY: the pointer is to this thread's own variable.
        unsafe { *libc::__errno_location() = errno_of(&error) };
        -1
    })
}

fn errno_of(error: &io::Error) -> c_int {
    error.raw_os_error().unwrap_or(libc::EIO)
}

fn failure(errno: c_int) -> io::Error {
    io::Error::from_raw_os_error(errno)
}

fn check(result: c_int) -> io::Result<c_int> {
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// The caller's room for events.
struct List {
    start: *mut kevent,
    len: usize,
    room: usize,
}

impl List {
    fn left(&self) -> usize {
        self.room - self.len
    }

    fn push(&mut self, event: kevent) {
        assert!(self.left() > 0);
        // SAFETY: the caller of `kevent` promised that so many entries are there.
        unsafe { self.start.add(self.len).write(event) };
        self.len += 1;
    }
}

/// # Safety
///
/// As for [`kevent`].
unsafe fn exchange(
    kq: c_int,
    changelist: *const kevent,
    nchanges: c_int,
    list: &mut List,
    timeout: *const libc::timespec,
) -> io::Result<c_int> {
    let queue = find(kq)?;
    for index in 0..usize::try_from(nchanges).unwrap_or(0) {
        // SAFETY: promised by the caller. No receipt has been written over it: there are
        // at most as many as there were changes before this one.
        let change = unsafe { changelist.add(index).read() };
        let errno = match queue.notes().change(&change) {
            Ok(()) if change.flags & EV_RECEIPT == 0 => continue,
            Ok(()) => 0,
            Err(error) => errno_of(&error),
        };
        if list.left() > 0 {
            list.push(kevent {
                flags: EV_ERROR,
                data: errno.into(),
                ..change
            });
        } else if errno != 0 {
            return Err(failure(errno));
        }
    }
    if list.room > 0 && list.len == 0 {
        // SAFETY: promised by the caller.
        let deadline = deadline_of(unsafe { timeout.as_ref() })?;
        loop {
            queue.notes().harvest(list);
            if list.len > 0 || !is_ready_before(queue.outer.as_raw_fd(), deadline)? {
                break;
            }
        }
    }
    Ok(list.len as c_int)
}

/// What no test waits for, in seconds.
const MONTHS: u64 = 10_000_000;

/// When the wait ends; `None` if never, or later than a clock can say.
fn deadline_of(timeout: Option<&libc::timespec>) -> io::Result<Option<Instant>> {
    let Some(timeout) = timeout else {
        return Ok(None);
    };
    let seconds = u64::try_from(timeout.tv_sec);
    let nanoseconds = u32::try_from(timeout.tv_nsec);
    match (seconds, nanoseconds) {
        (Ok(seconds), Ok(nanoseconds))
            if nanoseconds < 1_000_000_000 && seconds <= i32::MAX as u64 =>
        {
            let months_pass = seconds >= MONTHS && is_set("MIO_TEST_KQUEUE_MONTHS", "pass");
            let wait = Duration::new(if months_pass { 0 } else { seconds }, nanoseconds);
            Ok(Instant::now().checked_add(wait))
        }
        _ => Err(failure(libc::EINVAL)),
    }
}

/// Waits; `false` if the time is over. Takes nothing from the queue, and needs no lock.
fn is_ready_before(outer: RawFd, deadline: Option<Instant>) -> io::Result<bool> {
    let left = deadline.map(|it| it.saturating_duration_since(Instant::now()));
    if left == Some(Duration::ZERO) {
        return Ok(false);
    }
    let timeout = left.map(|left| libc::timespec {
        tv_sec: left.as_secs() as _,
        tv_nsec: left.subsec_nanos() as _,
    });
    let mut record = libc::pollfd {
        fd: outer,
        events: libc::POLLIN,
        revents: 0,
    };
    let timeout = timeout.as_ref().map_or(ptr::null(), |it| it as *const _);
    // SAFETY: `record` is one entry; it and the timeout outlive the call. A null mask
    // leaves the mask alone.
    let ready = check(unsafe { libc::ppoll(&mut record, 1, timeout, ptr::null()) })?;
    Ok(ready > 0)
}

/// Whether the environment sets `name` to `value`.
fn is_set(name: &str, value: &str) -> bool {
    env::var_os(name).is_some_and(|it| it == value)
}

/// Which of the systems is asked for, where they differ.
fn is_like(system: &str) -> bool {
    is_set("MIO_TEST_KQUEUE_LIKE", system)
}

// The queues.

static QUEUES: Mutex<Vec<Arc<Queue>>> = Mutex::new(Vec::new());

struct Queue {
    /// The original of the descriptors that the program has.
    outer: OwnedFd,
    notes: Mutex<Notes>,
    /// Descriptors of the program that were this queue when last looked at.
    seen: Mutex<Vec<RawFd>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A test that panics is no reason for others to.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queue {
    fn create() -> io::Result<RawFd> {
        let mut queues = lock(&QUEUES);
        queues.retain(|queue| queue.is_open());

        let queue = Queue {
            outer: new_epoll()?,
            notes: Mutex::new(Notes {
                inner: [new_epoll()?, new_epoll()?],
                // The real one takes no memory of the process, and there are tests that
                // count what it takes.
                files: [Vec::with_capacity(1024), Vec::with_capacity(1024)],
                users: Vec::with_capacity(4),
                generation: 0,
                first: READ,
                again: Vec::with_capacity(1024),
                counted: Vec::with_capacity(1024),
            }),
            seen: Mutex::new(Vec::with_capacity(16)),
        };
        let outer = queue.outer.as_raw_fd();
        for inner in &queue.notes().inner {
            let inner = inner.as_raw_fd();
            control(outer, libc::EPOLL_CTL_ADD, inner, libc::EPOLLIN, 0)?;
        }
        // Not closed on exec, as everywhere: that takes a call of its own.
        // SAFETY: takes no pointer.
        let fd = check(unsafe { libc::fcntl(outer, libc::F_DUPFD, 0) })?;
        lock(&queue.seen).push(fd);
        queues.push(Arc::new(queue));
        Ok(fd)
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        lock(&self.notes)
    }

    /// Whether `fd` is this queue. If so, it is remembered.
    fn is(&self, fd: RawFd) -> bool {
        let same = is_same_file(fd, self.outer.as_raw_fd());
        let mut seen = lock(&self.seen);
        match (same, seen.contains(&fd)) {
            (true, false) => seen.push(fd),
            (false, true) => seen.retain(|it| *it != fd),
            _ => {}
        }
        same
    }

    /// Whether the program has a descriptor of this queue. Most often it is one that was
    /// seen before.
    fn is_open(&self) -> bool {
        let seen = lock(&self.seen).clone();
        let is_other = |fd: &RawFd| *fd != self.outer.as_raw_fd();
        seen.into_iter().any(|fd| self.is(fd))
            || open_fds()
                .into_iter()
                .filter(is_other)
                .any(|fd| self.is(fd))
    }
}

/// The queue that `fd` is.
fn find(fd: RawFd) -> io::Result<Arc<Queue>> {
    let queues = lock(&QUEUES);
    let seen = queues
        .iter()
        .find(|queue| lock(&queue.seen).contains(&fd) && queue.is(fd));
    seen.or_else(|| queues.iter().find(|queue| queue.is(fd)))
        .map(Arc::clone)
        .ok_or_else(|| failure(libc::EBADF))
}

fn open_fds() -> Vec<RawFd> {
    let listing = beyond_the_limit(|| fs::read_dir("/proc/self/fd"));
    let names = listing.into_iter().flatten().flatten();
    names
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

fn is_same_file(one: RawFd, other: RawFd) -> bool {
    const KCMP_FILE: c_int = 0;
    // SAFETY: neither call takes a pointer.
    let order = unsafe {
        let pid = libc::getpid();
        libc::syscall(libc::SYS_kcmp, pid, pid, KCMP_FILE, one, other)
    };
    let refused = order == -1 && io::Error::last_os_error().raw_os_error() != Some(libc::EBADF);
    if refused {
        // Not every kernel has the call, nor does every sandbox allow it. No two outer
        // instances have the same inner ones.
        return targets(other).is_some_and(|other| targets(one) == Some(other));
    }
    order == 0
}

/// What an epoll instance has registered; `None` if it has nothing or is none.
fn targets(fd: RawFd) -> Option<Vec<String>> {
    let info = beyond_the_limit(|| fs::read_to_string(format!("/proc/self/fdinfo/{fd}"))).ok()?;
    let lines = info.lines().filter(|line| line.starts_with("tfd:"));
    let targets: Vec<String> = lines.map(str::to_owned).collect();
    (!targets.is_empty()).then_some(targets)
}

// Hidden descriptors.

fn new_epoll() -> io::Result<OwnedFd> {
    // SAFETY: takes no pointer.
    hidden(|| unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })
}

/// Makes a descriptor, and moves it to where it disturbs nobody.
fn hidden(make: impl FnOnce() -> c_int) -> io::Result<OwnedFd> {
    beyond_the_limit(|| {
        // SAFETY: the kernel just made it for us; nobody else knows of it.
        let low = unsafe { OwnedFd::from_raw_fd(check(make())?) };
        // SAFETY: takes no pointer.
        let moved = unsafe { libc::fcntl(low.as_raw_fd(), libc::F_DUPFD_CLOEXEC, HIDDEN) };
        match check(moved) {
            // SAFETY: as above.
            Ok(high) => Ok(unsafe { OwnedFd::from_raw_fd(high) }),
            // Too few are allowed.
            Err(_) => Ok(low),
        }
    })
}

/// Runs `body` while the process may have as many descriptors as it can be allowed.
fn beyond_the_limit<T>(body: impl FnOnce() -> T) -> T {
    static LIMIT: Mutex<()> = Mutex::new(());

    let _one_at_a_time = lock(&LIMIT);
    // SAFETY: made of integers, of which each may be zero.
    let mut limit: libc::rlimit = unsafe { mem::zeroed() };
    // SAFETY: `limit` is there to be written.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    if limit.rlim_cur >= limit.rlim_max {
        return body();
    }
    let raised = libc::rlimit {
        rlim_cur: limit.rlim_max,
        ..limit
    };
    // SAFETY: `raised` and `limit` outlive the calls, which read them.
    unsafe {
        libc::setrlimit(libc::RLIMIT_NOFILE, &raised);
        let result = body();
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        result
    }
}

fn new_eventfd(count: u32) -> io::Result<OwnedFd> {
    let flags = libc::EFD_CLOEXEC | libc::EFD_NONBLOCK;
    // SAFETY: takes no pointer.
    hidden(|| unsafe { libc::eventfd(count, flags) })
}

/// Starts a timer of as many milliseconds as `change` says, once or again and again.
fn timer(change: &kevent) -> io::Result<OwnedFd> {
    if change.data <= 0 {
        return Err(failure(libc::EINVAL));
    }
    let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
    // SAFETY: takes no pointer.
    let timer = hidden(|| unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) })?;
    let first = libc::timespec {
        tv_sec: (change.data / 1000) as _,
        tv_nsec: (change.data % 1000 * 1_000_000) as _,
    };
    // SAFETY: made of integers, of which each may be zero.
    let never = unsafe { mem::zeroed() };
    let is_single = change.flags & EV_ONESHOT != 0;
    let setting = libc::itimerspec {
        it_interval: if is_single { never } else { first },
        it_value: first,
    };
    // SAFETY: the setting outlives the call. The former one is not asked for.
    check(unsafe { libc::timerfd_settime(timer.as_raw_fd(), 0, &setting, ptr::null_mut()) })?;
    Ok(timer)
}

fn control(epoll: RawFd, operation: c_int, fd: RawFd, events: c_int, data: u64) -> io::Result<()> {
    let mut event = libc::epoll_event {
        events: events as u32,
        u64: data,
    };
    // SAFETY: `event` lives through the call. A bad descriptor is an error.
    check(unsafe { libc::epoll_ctl(epoll, operation, fd, &mut event) })?;
    Ok(())
}

// The notes of a queue.

/// The filters, as indices.
const READ: usize = 0;
const WRITE: usize = 1;

/// What epoll is asked of each filter. The writing one, too, must know of the peer's
/// half-close: without it a socket that hangs up was never connected.
const ASKED: [c_int; 2] = [
    libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLET,
    libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET,
];

/// In epoll's data, tells an eventfd of ours from a descriptor of the program.
const IS_USER: u32 = 1 << 31;

/// How many records are taken from epoll at a time.
const BATCH: usize = 64;

struct Notes {
    /// The epoll instance of each filter; that of reading has the eventfds, too.
    inner: [OwnedFd; 2],
    /// The notes of each filter by descriptor. Those of a descriptor that was closed stay
    /// until it fires or is used again.
    files: [Vec<Option<Note>>; 2],
    users: Vec<User>,
    /// That of the newest note.
    generation: u32,
    /// Which filter comes first, in turn: none is starved by the other.
    first: usize,
    /// The notes without `EV_CLEAR` that have just fired.
    again: Vec<(usize, RawFd, u64)>,
    /// The notes with `EV_CLEAR` that have a [`Note::count`]; by filter, descriptor,
    /// generation.
    counted: Vec<(usize, RawFd, u32)>,
}

/// A note about no descriptor: an event of the user's own or a timer.
struct User {
    ident: usize,
    filter: i16,
    /// An eventfd or a timerfd.
    bell: File,
    note: Note,
}

struct Note {
    /// Tells it from earlier notes of the same number.
    generation: u32,
    /// Those that it was first added with: another `EV_ADD` does not change them.
    flags: u16,
    udata: usize,
    kind: Kind,
    /// What the latest event said, if a repetition would be no news.
    told: Option<Told>,
    was_connected: bool,
    /// What [`Kind::count`] was when it was last looked at.
    count: u64,
    /// An eventfd that epoll watches in place of a file that it refuses.
    stand_in: Option<OwnedFd>,
}

#[derive(Copy, Clone, PartialEq)]
enum Kind {
    Tcp,
    TcpListener,
    /// Other sockets that are to be connected.
    Stream,
    Pipe,
    /// A regular file or a directory, which epoll refuses.
    File,
    Other,
}

#[derive(Copy, Clone, PartialEq)]
struct Told {
    eof: bool,
    /// How many bytes the connection has moved in the direction of the filter.
    moved: u64,
}

#[derive(Default)]
struct Report {
    eof: bool,
    errno: c_int,
    data: i64,
}

impl Notes {
    fn change(&mut self, change: &kevent) -> io::Result<()> {
        let filter = match change.filter {
            EVFILT_READ => READ,
            EVFILT_WRITE => WRITE,
            EVFILT_USER | EVFILT_TIMER => return self.change_user(change),
            _ => return Err(failure(libc::EINVAL)),
        };
        let fd = RawFd::try_from(change.ident).map_err(|_| failure(libc::EBADF))?;
        // SAFETY: takes no pointer.
        check(unsafe { libc::fcntl(fd, libc::F_GETFD) })?;

        let epoll = self.inner[filter].as_raw_fd();
        if let Some(slot @ Some(_)) = self.files[filter].get_mut(fd as usize) {
            let deletes = change.flags & EV_DELETE != 0;
            let operation = if deletes {
                libc::EPOLL_CTL_DEL
            } else {
                libc::EPOLL_CTL_MOD
            };
            let note = slot.as_mut().unwrap();
            let (target, data) = (note.target(fd), note.data(fd as u32));
            match control(epoll, operation, target, ASKED[filter], data) {
                Ok(()) if deletes => *slot = None,
                Ok(()) => {
                    note.udata = change.udata as usize;
                    note.told = None;
                }
                // The note was of a descriptor that was closed; now it is another one.
                Err(error) if errno_of(&error) == libc::ENOENT => *slot = None,
                Err(error) => return Err(error),
            }
            if deletes || slot.is_some() {
                return Ok(());
            }
        }
        if change.flags & EV_ADD == 0 {
            return Err(failure(libc::ENOENT));
        }
        self.add(filter, fd, change)
    }

    fn add(&mut self, filter: usize, fd: RawFd, change: &kevent) -> io::Result<()> {
        let kind = kind_of(fd)?;
        // A queue cannot be written to. Only what has no kind can be a queue.
        if filter == WRITE && kind == Kind::Other && find(fd).is_ok() {
            return Err(failure(libc::EPERM));
        }
        if filter == WRITE && kind == Kind::Pipe && is_ready(fd, libc::POLLERR) {
            // The reader is gone.
            if is_like("freebsd") {
                return Err(failure(libc::EPIPE));
            } else if is_like("netbsd") {
                return Err(failure(libc::EBADF));
            }
        }
        if is_set("MIO_TEST_KQUEUE_REFUSES", ["read", "write"][filter]) {
            return Err(failure(libc::ENOMEM));
        }
        let mut note = self.new_note(change, kind, kind == Kind::Tcp && is_connected(fd));
        if kind == Kind::File {
            note.stand_in = Some(new_eventfd(1)?);
        }
        let epoll = self.inner[filter].as_raw_fd();
        let (target, asked, data) = (note.target(fd), ASKED[filter], note.data(fd as u32));
        match control(epoll, libc::EPOLL_CTL_ADD, target, asked, data) {
            // What is left of a note of a descriptor that was closed, as the file lives on.
            Err(error) if errno_of(&error) == libc::EEXIST => {
                control(epoll, libc::EPOLL_CTL_MOD, target, asked, data)?;
            }
            other => other?,
        }
        if let Some(count) = kind
            .count(filter, fd)
            .filter(|_| note.flags & EV_CLEAR != 0)
        {
            note.count = count;
            self.counted.push((filter, fd, note.generation));
        }
        let notes = &mut self.files[filter];
        if notes.len() <= fd as usize {
            notes.resize_with(fd as usize + 1, || None);
        }
        notes[fd as usize] = Some(note);
        Ok(())
    }

    fn new_note(&mut self, change: &kevent, kind: Kind, was_connected: bool) -> Note {
        self.generation = self.generation.wrapping_add(1);
        Note {
            generation: self.generation,
            flags: change.flags,
            udata: change.udata as usize,
            kind,
            told: None,
            was_connected,
            count: 0,
            stand_in: None,
        }
    }

    fn change_user(&mut self, change: &kevent) -> io::Result<()> {
        let is_wanted = |user: &User| (user.ident, user.filter) == (change.ident, change.filter);
        let mut found = self.users.iter().position(is_wanted);
        let mut triggers = change.fflags & NOTE_TRIGGER != 0;
        if found.is_none() && change.flags & EV_ADD != 0 {
            self.add_user(change)?;
            found = Some(self.users.len() - 1);
            triggers &= is_like("macos");
        }
        let found = found.ok_or_else(|| failure(libc::ENOENT))?;
        if change.flags & EV_DELETE != 0 {
            // Closing the eventfd takes it out of the epoll instance.
            self.users.swap_remove(found);
            return Ok(());
        }
        let user = &mut self.users[found];
        user.note.udata = change.udata as usize;
        if triggers {
            (&user.bell).write_all(&1_u64.to_ne_bytes())?;
        }
        Ok(())
    }

    fn add_user(&mut self, change: &kevent) -> io::Result<()> {
        let (bell, automatic) = if change.filter == EVFILT_TIMER {
            (timer(change)?, EV_CLEAR)
        } else {
            (new_eventfd(0)?, 0)
        };
        let mut note = self.new_note(change, Kind::Other, false);
        note.flags |= automatic;
        let data = note.data(bell.as_raw_fd() as u32 | IS_USER);
        let epoll = self.inner[READ].as_raw_fd();
        control(
            epoll,
            libc::EPOLL_CTL_ADD,
            bell.as_raw_fd(),
            ASKED[READ],
            data,
        )?;
        self.users.push(User {
            ident: change.ident,
            filter: change.filter,
            bell: bell.into(),
            note,
        });
        Ok(())
    }

    /// Looks at what the real one is woken for and epoll is not, and arms the notes concerned
    /// anew, so that they fire if they are ready.
    fn look_again(&mut self) {
        let (inner, files) = (&self.inner, &mut self.files);
        self.counted.retain(|&(filter, fd, generation)| {
            let note = files[filter].get_mut(fd as usize).and_then(Option::as_mut);
            let Some(note) = note.filter(|it| it.generation == generation) else {
                return false;
            };
            let before = note.count;
            note.count = note.kind.count(filter, fd).unwrap_or(before);
            if note.kind.is_woken(filter, before, note.count) {
                let (epoll, data) = (inner[filter].as_raw_fd(), note.data(fd as u32));
                // One that was closed meanwhile is gone.
                let _ = control(epoll, libc::EPOLL_CTL_MOD, fd, ASKED[filter], data);
            }
            true
        });
    }

    /// Takes what has fired, as much as there is room for.
    fn harvest(&mut self, list: &mut List) {
        self.look_again();
        self.first = 1 - self.first;
        for filter in [self.first, 1 - self.first] {
            let mut records = [libc::epoll_event { events: 0, u64: 0 }; BATCH];
            loop {
                let room = list.left().min(BATCH);
                let epoll = self.inner[filter].as_raw_fd();
                // SAFETY: `records` has room for so many. None at all is an error.
                let ready =
                    unsafe { libc::epoll_wait(epoll, records.as_mut_ptr(), room as c_int, 0) };
                let ready = usize::try_from(ready).unwrap_or(0);
                for record in &records[..ready] {
                    if let Some(event) = self.fire(filter, record) {
                        list.push(event);
                    }
                }
                if ready == 0 || ready < room {
                    break;
                }
            }
        }
        for (filter, fd, data) in self.again.drain(..) {
            let epoll = self.inner[filter].as_raw_fd();
            let note = self.files[filter].get(fd as usize).and_then(Option::as_ref);
            let target = note.map_or(fd, |note| note.target(fd));
            // One that was closed meanwhile is gone.
            let _ = control(epoll, libc::EPOLL_CTL_MOD, target, ASKED[filter], data);
        }
    }

    /// The event that a record of epoll's is to the program, if it is one.
    fn fire(&mut self, filter: usize, record: &libc::epoll_event) -> Option<kevent> {
        let (data, bits) = (record.u64, record.events);
        let (number, generation) = (data as u32, (data >> 32) as u32);
        if number & IS_USER != 0 {
            return self.fire_user((number & !IS_USER) as RawFd, data);
        }
        let fd = number as RawFd;
        let slot = self.files[filter].get_mut(fd as usize)?;
        let note = slot.as_mut().filter(|it| it.generation == generation)?;
        let epoll = self.inner[filter].as_raw_fd();
        if !is_registered(epoll, fd) {
            // Closed, which deletes a note, though epoll goes on as long as the file lives.
            *slot = None;
            return None;
        }
        let report = note.judge(filter, fd, bits)?;
        let event = kevent {
            ident: fd as usize,
            filter: [EVFILT_READ, EVFILT_WRITE][filter],
            flags: note.flags | if report.eof { EV_EOF } else { 0 },
            fflags: report.errno as u32,
            data: report.data,
            udata: note.udata as *mut c_void,
        };
        if note.flags & EV_ONESHOT != 0 {
            let _ = control(epoll, libc::EPOLL_CTL_DEL, note.target(fd), 0, 0);
            *slot = None;
        } else if note.flags & EV_CLEAR == 0 {
            self.again.push((filter, fd, data));
        }
        Some(event)
    }

    fn fire_user(&mut self, bell: RawFd, data: u64) -> Option<kevent> {
        let is_wanted =
            |user: &User| user.bell.as_raw_fd() == bell && user.note.data(data as u32) == data;
        let found = self.users.iter().position(is_wanted)?;
        let user = &self.users[found];
        let event = kevent {
            ident: user.ident,
            filter: user.filter,
            flags: user.note.flags,
            fflags: 0,
            data: 0,
            udata: user.note.udata as *mut c_void,
        };
        if event.flags & EV_ONESHOT != 0 {
            self.users.swap_remove(found);
        } else if event.flags & EV_CLEAR == 0 {
            self.again.push((READ, bell, data));
        } else {
            let _ = (&user.bell).read(&mut [0; 8]);
        }
        Some(event)
    }
}

/// Whether the file that `fd` is now is registered. Registering it again is refused if it
/// is, and touches nothing.
fn is_registered(epoll: RawFd, fd: RawFd) -> bool {
    match control(epoll, libc::EPOLL_CTL_ADD, fd, 0, 0) {
        Err(error) => errno_of(&error) != libc::EBADF,
        Ok(()) => {
            let _ = control(epoll, libc::EPOLL_CTL_DEL, fd, 0, 0);
            false
        }
    }
}

impl Kind {
    /// What tells that something happened of which epoll says nothing; `None` if there is
    /// nothing of the kind.
    fn count(self, filter: usize, fd: RawFd) -> Option<u64> {
        match (self, filter) {
            // The bytes in it, at either end.
            (Kind::Pipe, _) => Some(count(fd, libc::FIONREAD, 0) as u64),
            (Kind::TcpListener, READ) => Some(TcpInfo::of(fd).backlog().into()),
            (Kind::Stream, WRITE) => Some(has_shut_writing(fd).into()),
            _ => None,
        }
    }

    /// Whether the real one looks at its notes when the count changes like this.
    ///
    /// * A pipe wakes both ends whenever bytes were written or read. That bytes came epoll tells
    ///   the reader itself; of a read that left some it says nothing.
    /// * An `accept` that leaves connections wakes the listener.
    /// * One's own shutdown wakes the writer.
    fn is_woken(self, filter: usize, before: u64, now: u64) -> bool {
        match (self, filter) {
            (Kind::Pipe, WRITE) => now != before,
            (Kind::Stream, _) => now > before,
            _ => now < before && now > 0,
        }
    }
}

impl Note {
    /// What epoll watches for the descriptor `fd`.
    fn target(&self, fd: RawFd) -> RawFd {
        self.stand_in.as_ref().map_or(fd, AsRawFd::as_raw_fd)
    }

    fn data(&self, number: u32) -> u64 {
        u64::from(self.generation) << 32 | u64::from(number)
    }

    /// What is to be told of what epoll says; `None` if nothing.
    ///
    /// * The writing filter does not hear of the peer's half-close.
    /// * A socket that hangs up without any half-close is one that is not connected, of
    ///   which kqueue says nothing.
    /// * TCP's many reasons to wake everybody are told to whom they concern.
    fn judge(&mut self, filter: usize, fd: RawFd, bits: u32) -> Option<Report> {
        let has = |flag: c_int| bits & flag as u32 != 0;
        let (failed, hung_up) = (has(libc::EPOLLERR), has(libc::EPOLLHUP));
        let half_closed = has(libc::EPOLLRDHUP);
        if filter == WRITE && !has(libc::EPOLLOUT) && !failed && !hung_up {
            return None;
        }
        let unconnected = hung_up && !half_closed && !failed;
        let mut report = Report {
            eof: hung_up || filter == READ && half_closed,
            errno: 0,
            data: if filter == READ { unread(fd) } else { 1 },
        };
        match self.kind {
            Kind::Tcp | Kind::TcpListener => {
                return self.judge_tcp(filter, fd, unconnected, failed, report);
            }
            Kind::File if filter == READ => {
                report.data = beyond_the_offset(fd);
                return (report.data > 0).then_some(report);
            }
            Kind::Stream if unconnected && filter == READ => return None,
            // Linux does not tell the writer of the connection: better now than never.
            Kind::Stream if unconnected => report.eof = false,
            Kind::Stream if failed => report.errno = libc::ECONNRESET,
            Kind::Stream => report.eof |= filter == WRITE && has_shut_writing(fd),
            Kind::Pipe => report.eof |= failed && filter == WRITE,
            Kind::File | Kind::Other => {}
        }
        Some(report)
    }

    /// An edge that says what the last one said, and since which the connection has moved
    /// nothing in this direction, is a wake-up that was meant for the other direction: a
    /// writer who has not written since it was told of room cannot have run out of it,
    /// and nothing has come for the reader. One with an error is always told: it may be
    /// the next one.
    fn judge_tcp(
        &mut self,
        filter: usize,
        fd: RawFd,
        unconnected: bool,
        failed: bool,
        mut report: Report,
    ) -> Option<Report> {
        let info = TcpInfo::of(fd);
        if unconnected && info.state == TCP_CLOSE {
            return None;
        }
        if info.state == TCP_LISTEN {
            report.data = info.backlog().into();
            return Some(report);
        }
        self.was_connected |= info.is_connected();
        report.eof |= filter == WRITE && info.has_ended();
        if failed {
            report.errno = if self.was_connected {
                libc::ECONNRESET
            } else {
                libc::ECONNREFUSED
            };
            self.told = None;
            return Some(report);
        }

        let moved = match filter {
            READ => info.received,
            _ => info.acknowledged.wrapping_add(unacknowledged(fd)),
        };
        let told = Told {
            eof: report.eof,
            moved,
        };
        if self.told == Some(told) && self.flags & EV_CLEAR != 0 {
            return None;
        }
        // What was written between epoll's look and the count might have filled the
        // buffer: then the count does not stand for a moment at which there was room.
        self.told = (filter == READ || is_ready(fd, libc::POLLOUT)).then_some(told);
        Some(report)
    }
}

// What Linux knows about a descriptor.

fn kind_of(fd: RawFd) -> io::Result<Kind> {
    // SAFETY: made of integers, of which each may be zero.
    let mut stat: libc::stat = unsafe { mem::zeroed() };
    // SAFETY: `stat` is there to be written.
    check(unsafe { libc::fstat(fd, &mut stat) })?;
    let kind = match stat.st_mode & libc::S_IFMT {
        libc::S_IFIFO => Kind::Pipe,
        libc::S_IFREG | libc::S_IFDIR => Kind::File,
        libc::S_IFSOCK if option(fd, libc::SO_PROTOCOL) == libc::IPPROTO_TCP => {
            match option(fd, libc::SO_ACCEPTCONN) {
                1 => Kind::TcpListener,
                _ => Kind::Tcp,
            }
        }
        libc::S_IFSOCK => match option(fd, libc::SO_TYPE) {
            libc::SOCK_STREAM | libc::SOCK_SEQPACKET => Kind::Stream,
            _ => Kind::Other,
        },
        _ => Kind::Other,
    };
    Ok(kind)
}

/// An option of a socket; -1 if it has none of the name.
fn option(fd: RawFd, name: c_int) -> c_int {
    let mut value = -1;
    let mut len = mem::size_of::<c_int>() as libc::socklen_t;
    let into = (&mut value as *mut c_int).cast();
    // SAFETY: `value` has room for `len` bytes.
    unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, name, into, &mut len) };
    value
}

/// The number that an `ioctl` writes, or `otherwise`.
fn count(fd: RawFd, request: libc::Ioctl, otherwise: c_int) -> c_int {
    let mut count = otherwise;
    // SAFETY: those requests that are made here write an `int`.
    unsafe { libc::ioctl(fd, request, &mut count) };
    count
}

/// How many bytes of a file are behind its offset.
fn beyond_the_offset(fd: RawFd) -> i64 {
    // SAFETY: made of integers, of which each may be zero.
    let mut stat: libc::stat = unsafe { mem::zeroed() };
    // SAFETY: `stat` is there to be written; the other call takes no pointer.
    let offset = unsafe {
        libc::fstat(fd, &mut stat);
        libc::lseek(fd, 0, libc::SEEK_CUR)
    };
    stat.st_size - offset
}

/// Whether a Unix stream cannot be written to, as this side has shut writing down, or the
/// peer reading. Sending no bytes fails then, and does nothing else.
fn has_shut_writing(fd: RawFd) -> bool {
    let is_unix = option(fd, libc::SO_DOMAIN) == libc::AF_UNIX;
    if !is_unix || option(fd, libc::SO_TYPE) != libc::SOCK_STREAM {
        return false;
    }
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: nothing is read of the buffer, which has no length.
    let sent = unsafe { libc::send(fd, ptr::null(), 0, flags) };
    sent == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::EPIPE)
}

fn unread(fd: RawFd) -> i64 {
    count(fd, libc::FIONREAD, 1).into()
}

/// Bytes that were written, and not confirmed yet.
fn unacknowledged(fd: RawFd) -> u64 {
    count(fd, libc::TIOCOUTQ, 0) as u64
}

fn is_ready(fd: RawFd, events: libc::c_short) -> bool {
    let mut record = libc::pollfd {
        fd,
        events,
        revents: 0,
    };
    // SAFETY: `record` is one entry, and outlives the call.
    unsafe { libc::poll(&mut record, 1, 0) == 1 && record.revents & events != 0 }
}

fn is_connected(fd: RawFd) -> bool {
    TcpInfo::of(fd).is_connected()
}

const TCP_ESTABLISHED: u8 = 1;
const TCP_FIN_WAIT1: u8 = 4;
const TCP_FIN_WAIT2: u8 = 5;
const TCP_CLOSE: u8 = 7;
const TCP_CLOSE_WAIT: u8 = 8;
const TCP_LAST_ACK: u8 = 9;
const TCP_LISTEN: u8 = 10;
const TCP_CLOSING: u8 = 11;

/// The beginning of the kernel's `tcp_info`; that of C libraries is shorter.
#[repr(C)]
struct TcpInfo {
    state: u8,
    flags: [u8; 7],
    numbers: [u32; 24],
    rates: [u64; 2],
    acknowledged: u64,
    received: u64,
}

impl TcpInfo {
    fn of(fd: RawFd) -> TcpInfo {
        // SAFETY: made of integers, of which each may be zero.
        let mut info: TcpInfo = unsafe { mem::zeroed() };
        let mut len = mem::size_of::<TcpInfo>() as libc::socklen_t;
        let into = (&mut info as *mut TcpInfo).cast();
        // SAFETY: `info` has room for `len` bytes.
        unsafe { libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, into, &mut len) };
        info
    }

    /// How many connections wait to be accepted.
    fn backlog(&self) -> u32 {
        self.numbers[4]
    }

    fn is_connected(&self) -> bool {
        matches!(self.state, TCP_ESTABLISHED | TCP_CLOSE_WAIT) || self.has_ended()
    }

    /// Whether this side has ended its stream.
    fn has_ended(&self) -> bool {
        matches!(
            self.state,
            TCP_FIN_WAIT1 | TCP_FIN_WAIT2 | TCP_CLOSING | TCP_LAST_ACK
        )
    }
}
