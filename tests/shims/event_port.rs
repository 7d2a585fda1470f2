//! Event ports for Linux, so that the selector for them can be tested where there are none.
//! Part of no release: `--cfg mio_test_event_port_shim` puts it in the place of the C
//! library's declarations.
//!
//! Written from the manual pages (`port_create(3C)`, `port_associate(3C)`, `port_get(3C)`,
//! `port_send(3C)`) and, where they leave something open, from what illumos does
//! (`uts/common/fs/portfs/`, `pollwakeup`).
//!
//! # How it works
//!
//! * A port is an epoll instance. A level-triggered entry with `EPOLLONESHOT` is an
//!   association: it is looked at when it is made, and good for one event.
//! * What has fired is moved to a queue, with the flags of that moment, and is not looked at
//!   again when it is taken. So are events that were sent. While the queue holds something,
//!   a descriptor that is always ready is in the epoll instance, so that a port can be polled.
//! * Associating a descriptor again takes its queued event back, and so does its end: of a
//!   number that was closed epoll has no entry any more.
//! * Of poll(2)'s flags there are those that Solaris has: no `POLLRDHUP`.
//!
//! For tests, `MIO_TEST_PORT_EVENTS` is the limit on the associations and sent events of a
//! port (`process.max-port-events`).
//!
//! # Where it is not like the real one
//!
//! * A descriptor is looked at when something is done with the port, not when it becomes
//!   ready: what was ready for a while between two calls goes unnoticed, where the real one
//!   has an event, and an event carries all that is true of the descriptor, where the real one
//!   may have only what woke it and a second event for the rest.
//! * Sockets and pipes are Linux': what hangs up, and when, is theirs.
//! * A duplicate of a port is not a port; nor is what a child inherits.
//! * There is no alert mode, and no source but descriptors and users.

use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};
use std::{env, io, mem, ptr, thread};

use libc::{c_int, c_uint, c_ushort, c_void};

#[allow(non_camel_case_types)] // Its name in C.
#[derive(Copy, Clone, Debug)]
#[repr(C)]
pub(crate) struct port_event {
    pub(crate) portev_events: c_int,
    pub(crate) portev_source: c_ushort,
    pub(crate) portev_pad: c_ushort,
    pub(crate) portev_object: usize,
    pub(crate) portev_user: *mut c_void,
}

pub(crate) const PORT_SOURCE_USER: c_int = 3;
pub(crate) const PORT_SOURCE_FD: c_int = 4;

/// The least number of a hidden descriptor.
pub(crate) const HIDDEN: RawFd = 19_000;

/// Creates a port; as the real one, a child inherits it by default.
///
/// # Safety
///
/// None is needed; the real one is foreign.
pub(crate) unsafe fn port_create() -> c_int {
    c_result(create())
}

/// # Safety
///
/// None is needed: the pointer is not dereferenced.
pub(crate) unsafe fn port_associate(
    port: c_int,
    source: c_int,
    object: usize,
    events: c_int,
    user: *mut c_void,
) -> c_int {
    let associate = || find(port)?.associate(fd_of(source, object)?, events, user as usize);
    c_result(associate().map(|()| 0))
}

/// # Safety
///
/// None is needed; the real one is foreign.
pub(crate) unsafe fn port_dissociate(port: c_int, source: c_int, object: usize) -> c_int {
    let dissociate = || find(port)?.dissociate(fd_of(source, object)?);
    c_result(dissociate().map(|()| 0))
}

/// # Safety
///
/// None is needed: the pointer is not dereferenced.
pub(crate) unsafe fn port_send(port: c_int, events: c_int, user: *mut c_void) -> c_int {
    c_result(find(port).and_then(|port| port.send(events, user as usize).map(|()| 0)))
}

/// # Safety
///
/// The list has room for `max` entries, `nget` is valid, and the timeout is null or valid.
pub(crate) unsafe fn port_getn(
    port: c_int,
    list: *mut port_event,
    max: c_uint,
    nget: *mut c_uint,
    timeout: *mut libc::timespec,
) -> c_int {
    // SAFETY: promised by the caller.
    let (wanted, timeout) = unsafe { (*nget, timeout.as_ref()) };
    if max > 0 && wanted > max {
        return c_result(Err(failure(libc::EINVAL)));
    }
    let mut taken = 0;
    let result = find(port).and_then(|port| {
        if max == 0 {
            taken = port.state().count(&port) as c_uint;
            return Ok(0);
        }
        if wanted == 0 {
            return Ok(0);
        }
        let mut put = |event| {
            // SAFETY: the caller has promised room for `max`, and gets no more.
            unsafe { list.add(taken as usize).write(event) };
            taken += 1;
        };
        port.get(max as usize, wanted as usize, timeout, &mut put)
    });
    match &result {
        Err(error) if error.raw_os_error() != Some(libc::ETIME) => {}
        // SAFETY: promised by the caller.
        _ => unsafe { *nget = taken },
    }
    c_result(result)
}

fn c_result(result: io::Result<c_int>) -> c_int {
    result.unwrap_or_else(|error| {
        let errno = error.raw_os_error().unwrap_or(libc::EIO);
        // SAFETY: the pointer is to this thread's own variable.
        unsafe { *libc::__errno_location() = errno };
        -1
    })
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

fn fd_of(source: c_int, object: usize) -> io::Result<RawFd> {
    if source != PORT_SOURCE_FD {
        return Err(failure(libc::EINVAL));
    }
    RawFd::try_from(object).map_err(|_| failure(libc::EBADFD))
}

fn is_open(fd: RawFd) -> bool {
    // SAFETY: takes no pointer.
    unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 }
}

// The ports.

/// By descriptor. What is left of one that was closed is replaced by the next with its number.
static PORTS: Mutex<Vec<Arc<Port>>> = Mutex::new(Vec::new());

struct Port {
    epoll: RawFd,
    state: Mutex<State>,
}

struct State {
    /// By descriptor, without a memory that grows when one is associated again: the real one
    /// takes none of the process.
    associations: Vec<Option<Association>>,
    queue: VecDeque<port_event>,
    /// Whether [`always_ready`] is in the epoll instance.
    is_ready: bool,
    limit: usize,
}

struct Association {
    user: usize,
    /// Whether its event has not been taken yet.
    active: bool,
    /// Whether epoll refuses it: a regular file, which is always ready.
    is_file: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A test that panics is no reason for others to.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn create() -> io::Result<RawFd> {
    always_ready()?;
    // SAFETY: takes no pointer.
    let epoll = check(unsafe { libc::epoll_create1(0) })?;
    let limit = env::var("MIO_TEST_PORT_EVENTS").ok();
    let state = State {
        associations: Vec::with_capacity(1024),
        queue: VecDeque::with_capacity(1024),
        is_ready: false,
        limit: limit.map_or(65_536, |it| it.parse().unwrap()),
    };
    let mut ports = lock(&PORTS);
    ports.retain(|port| port.epoll != epoll);
    ports.push(Arc::new(Port {
        epoll,
        state: Mutex::new(state),
    }));
    Ok(epoll)
}

fn find(fd: RawFd) -> io::Result<Arc<Port>> {
    if !is_open(fd) {
        return Err(failure(libc::EBADF));
    }
    let ports = lock(&PORTS);
    let found = ports.iter().find(|port| port.epoll == fd);
    let port = found.ok_or_else(|| failure(libc::EBADFD))?;
    let change = port.control(libc::EPOLL_CTL_MOD, always_ready()?, libc::EPOLLIN, NO_FD);
    match change {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            // It was closed, and its number is another one's.
            Err(failure(libc::EBADFD))
        }
        _ => Ok(Arc::clone(port)),
    }
}

/// An eventfd that is readable for good, one for all ports. Its number is beyond what tests
/// count, even if that is beyond the process's own limit.
fn always_ready() -> io::Result<RawFd> {
    static FD: OnceLock<RawFd> = OnceLock::new();
    let make = || {
        // SAFETY: consists of integers, for which zero is valid.
        let mut limit: libc::rlimit = unsafe { mem::zeroed() };
        // SAFETY: the pointers are to local variables that outlive the calls.
        unsafe {
            libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
            let raised = libc::rlimit {
                rlim_cur: limit.rlim_max,
                ..limit
            };
            libc::setrlimit(libc::RLIMIT_NOFILE, &raised);
            let low = libc::eventfd(1, libc::EFD_CLOEXEC);
            let high = libc::fcntl(low, libc::F_DUPFD_CLOEXEC, HIDDEN);
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
            if high == -1 {
                return low;
            }
            libc::close(low);
            high
        }
    };
    check(*FD.get_or_init(make))
}

/// In epoll's data, [`always_ready`].
const NO_FD: u64 = u64::MAX;

impl Port {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn control(&self, operation: c_int, fd: RawFd, events: c_int, data: u64) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: events as u32,
            u64: data,
        };
        // SAFETY: `event` lives through the call. A bad descriptor is an error.
        check(unsafe { libc::epoll_ctl(self.epoll, operation, fd, &mut event) })?;
        Ok(())
    }

    fn associate(&self, fd: RawFd, events: c_int, user: usize) -> io::Result<()> {
        if !is_open(fd) {
            return Err(failure(libc::EBADFD));
        }
        let mut state = self.state();
        state.harvest(self);
        state.take_back(fd);
        let events = events & c_int::from(libc::POLLIN | libc::POLLPRI | libc::POLLOUT);
        let asked = events | libc::EPOLLONESHOT;
        let mut is_file = false;
        match self.control(libc::EPOLL_CTL_MOD, fd, asked, fd as u64) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                // Whatever had this number was closed.
                state.forget(fd);
                state.check_limit()?;
                self.control(libc::EPOLL_CTL_ADD, fd, asked, fd as u64)?;
            }
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => is_file = true,
            modified => modified?,
        }
        if state.associations.len() <= fd as usize {
            let len = fd as usize + 1;
            state.associations.resize_with(len, || None);
        }
        state.associations[fd as usize] = Some(Association {
            user,
            active: true,
            is_file,
        });
        let always = events & c_int::from(libc::POLLIN | libc::POLLOUT);
        if is_file && always != 0 {
            state.queue.push_back(event(fd, always, user));
        }
        state.harvest(self);
        Ok(())
    }

    fn dissociate(&self, fd: RawFd) -> io::Result<()> {
        let mut state = self.state();
        if state.associations.is_empty() {
            return Err(failure(libc::ENOENT));
        }
        if !is_open(fd) {
            return Err(failure(libc::EBADFD));
        }
        state.take_back(fd);
        let is_known = state.has(self, fd);
        let _ = self.control(libc::EPOLL_CTL_DEL, fd, 0, 0);
        let former = state.forget(fd);
        state.show(self);
        match former {
            Some(association) if is_known && association.active => Ok(()),
            _ => Err(failure(libc::ENOENT)),
        }
    }

    fn send(&self, events: c_int, user: usize) -> io::Result<()> {
        let mut state = self.state();
        state.check_limit()?;
        state.queue.push_back(port_event {
            portev_source: PORT_SOURCE_USER as c_ushort,
            ..event(0, events, user)
        });
        state.show(self);
        Ok(())
    }

    fn get(
        &self,
        max: usize,
        wanted: usize,
        timeout: Option<&libc::timespec>,
        put: &mut dyn FnMut(port_event),
    ) -> io::Result<c_int> {
        let mut deadline = None;
        loop {
            let mut state = self.state();
            let count = state.count(self);
            let left = match deadline {
                _ if count >= wanted => Some(Duration::ZERO),
                Some(deadline) => left_until(deadline),
                None => {
                    let end = timeout.map(duration).transpose()?.map(end_of);
                    deadline = Some(end);
                    left_until(end)
                }
            };
            if left == Some(Duration::ZERO) {
                let blocks = timeout.is_some_and(|it| it.tv_sec != 0 || it.tv_nsec != 0);
                let is_late = count < wanted && blocks;
                state.take(max.min(count), put);
                state.show(self);
                return if is_late {
                    Err(failure(libc::ETIME))
                } else {
                    Ok(0)
                };
            }
            drop(state);
            if count > 0 {
                // It is ready, but not for a call that wants more.
                thread::sleep(Duration::from_millis(1));
            } else {
                wait(self.epoll, left)?;
            }
        }
    }
}

/// `None` without an end.
fn left_until(deadline: Option<Instant>) -> Option<Duration> {
    deadline.map(|it| it.saturating_duration_since(Instant::now()))
}

/// illumos adds the timeout to the time of day (`port_getn` in `portfs.c`), and what it gets then
/// has passed if that is more than a signed number of seconds holds.
fn end_of(timeout: Duration) -> Instant {
    const HOLDS: Duration = Duration::from_secs(i64::MAX as u64);
    let (now, today) = (Instant::now(), UNIX_EPOCH.elapsed().unwrap());
    match today.checked_add(timeout) {
        Some(end) if end <= HOLDS => now.checked_add(timeout).expect("less than the time of day"),
        _ => now,
    }
}

fn duration(timeout: &libc::timespec) -> io::Result<Duration> {
    match (u64::try_from(timeout.tv_sec), timeout.tv_nsec) {
        (Ok(seconds), nanoseconds @ 0..=999_999_999) => {
            Ok(Duration::new(seconds, nanoseconds as u32))
        }
        _ => Err(failure(libc::EINVAL)),
    }
}

/// Waits until the port is ready, and takes nothing from it.
fn wait(epoll: RawFd, left: Option<Duration>) -> io::Result<()> {
    let timeout = left.map(|left| libc::timespec {
        tv_sec: libc::time_t::try_from(left.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: left.subsec_nanos().into(),
    });
    let mut record = libc::pollfd {
        fd: epoll,
        events: libc::POLLIN,
        revents: 0,
    };
    let timeout = timeout.as_ref().map_or(ptr::null(), |it| it as *const _);
    // SAFETY: `record` is one entry; it and the timeout outlive the call. A null mask leaves
    // the mask alone.
    check(unsafe { libc::ppoll(&mut record, 1, timeout, ptr::null()) })?;
    Ok(())
}

fn event(fd: RawFd, events: c_int, user: usize) -> port_event {
    port_event {
        portev_events: events,
        portev_source: PORT_SOURCE_FD as c_ushort,
        portev_pad: 0,
        portev_object: fd as usize,
        portev_user: user as *mut c_void,
    }
}

fn is_about(event: &port_event, fd: RawFd) -> bool {
    c_int::from(event.portev_source) == PORT_SOURCE_FD && event.portev_object == fd as usize
}

// SAFETY: the pointers in it are numbers that are not dereferenced.
unsafe impl Send for State {}

impl State {
    /// Moves what has fired to the queue.
    fn harvest(&mut self, port: &Port) {
        const BATCH: usize = 64;
        let mut records = [libc::epoll_event { events: 0, u64: 0 }; BATCH];
        loop {
            // SAFETY: `records` has room for so many.
            let ready =
                unsafe { libc::epoll_wait(port.epoll, records.as_mut_ptr(), BATCH as c_int, 0) };
            let ready = &records[..usize::try_from(ready).unwrap_or(0)];
            for record in ready.iter().filter(|record| record.u64 != NO_FD) {
                let fd = record.u64 as RawFd;
                if let Some(Some(association)) = self.associations.get(fd as usize) {
                    self.queue
                        .push_back(event(fd, record.events as c_int, association.user));
                }
            }
            if ready.len() < BATCH {
                break;
            }
        }
        self.show(port);
    }

    /// Makes the port ready for a poll of it, or not.
    fn show(&mut self, port: &Port) {
        let is_ready = !self.queue.is_empty();
        if is_ready != self.is_ready {
            let operation = if is_ready {
                libc::EPOLL_CTL_ADD
            } else {
                libc::EPOLL_CTL_DEL
            };
            let fd = always_ready().unwrap();
            port.control(operation, fd, libc::EPOLLIN, NO_FD).unwrap();
            self.is_ready = is_ready;
        }
    }

    /// How many events can be taken. Those of descriptors that were closed are dropped.
    fn count(&mut self, port: &Port) -> usize {
        self.harvest(port);
        let mut queue = mem::take(&mut self.queue);
        queue.retain(|event| {
            let is_sent = c_int::from(event.portev_source) == PORT_SOURCE_USER;
            is_sent || self.has(port, event.portev_object as RawFd)
        });
        self.queue = queue;
        self.show(port);
        self.queue.len()
    }

    /// Whether the association of `fd` is about the file that has the number now.
    fn has(&self, port: &Port, fd: RawFd) -> bool {
        let Some(Some(association)) = self.associations.get(fd as usize) else {
            return false;
        };
        match port.control(libc::EPOLL_CTL_ADD, fd, libc::EPOLLONESHOT, fd as u64) {
            Ok(()) => {
                let _ = port.control(libc::EPOLL_CTL_DEL, fd, 0, 0);
                false
            }
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => association.is_file,
            Err(error) => error.raw_os_error() == Some(libc::EEXIST),
        }
    }

    fn take(&mut self, count: usize, put: &mut dyn FnMut(port_event)) {
        for event in self.queue.drain(..count) {
            let fd = event.portev_object;
            if is_about(&event, fd as RawFd) {
                if let Some(Some(association)) = self.associations.get_mut(fd) {
                    association.active = false;
                }
            }
            put(event);
        }
    }

    fn take_back(&mut self, fd: RawFd) {
        self.queue.retain(|event| !is_about(event, fd));
    }

    fn forget(&mut self, fd: RawFd) -> Option<Association> {
        self.associations.get_mut(fd as usize)?.take()
    }

    fn check_limit(&self) -> io::Result<()> {
        let associations = self.associations.iter().flatten().count();
        let is_sent = |event: &&port_event| c_int::from(event.portev_source) == PORT_SOURCE_USER;
        let sent = self.queue.iter().filter(is_sent).count();
        if associations + sent >= self.limit {
            return Err(failure(libc::EAGAIN));
        }
        Ok(())
    }
}
