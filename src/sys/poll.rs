//! poll(2): no queue in the kernel. Every wait hands over the whole list of
//! descriptors, and is told which of them *are* ready.
//!
//! How it differs from other mechanisms:
//!
//! * We remember the registrations, in [`Books`] under a lock, by descriptor. The
//!   list for the kernel is made from them before each call.
//! * What it reports are levels; `rearming.rs` makes edges of them.
//! * A call that is running does not see changes. Who changes the books while one
//!   is running rings the selector's own bell, whose descriptor stands first in the
//!   list; the wait then starts again with what is left of its time.
//! * The kernel holds the files that it polls. A descriptor that another thread
//!   closes is really closed once the call has been interrupted, which is
//!   the second reason to ring.
//! * `POLLERR`, `POLLHUP` and `POLLNVAL` are reported whether asked for or not.
//! * A regular file is always ready, where epoll refuses it; so do we.
//!
//! A user's wake is such a change too: it marks the waker in the books. The bell
//! only says "look again", so that silencing it cannot lose a wake.

use std::collections::BTreeMap;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;
use std::{fmt, io};

use super::bell::Bell;
use super::family::{check, fmt_flags, FdSelector};
use super::seam;
use super::timeout::{self, Deadline};
use super::Event;
use crate::readiness::Readiness;
use crate::sync::{lock, Arc, Mutex};
use crate::{Interest, Token};

mod poll_flags;
mod rearming;

use poll_flags::PollFlags;
use rearming::{Arming, Fired};

pub(crate) struct Selector {
    shared: Arc<Shared>,
}

/// What the selector shares with its clones, sources and wakers.
struct Shared {
    books: Mutex<Books>,
    bell: Bell,
}

struct Books {
    records: BTreeMap<RawFd, Record>,
    wakers: Vec<WakerRecord>,
    /// The list for the kernel. It is lent to the running call, and always has
    /// room for the bell and every record, so that no call allocates.
    list: Vec<libc::pollfd>,
    /// Counts the calls.
    calls: u64,
    /// Whether a call is running that does not know yet that it is to look again.
    running: bool,
    /// The descriptor after which the next report begins. Where `Events` is too small
    /// for all that are ready, each of them gets its turn.
    served: RawFd,
}

struct Record {
    token: Token,
    arming: Arming,
    /// The number of calls when it was made. A call with that number does not have it
    /// in its list: what it reports for the descriptor is about a predecessor.
    since: u64,
    /// Whether the descriptor was found closed. The record stays, for somebody will
    /// deregister it, but makes way for a new one of the same number.
    closed: bool,
}

/// One living waker, known by its number.
struct WakerRecord {
    number: u64,
    token: Token,
    pending: bool,
}

impl seam::Selector for Selector {
    type RawEvent = RawEvent;
    type Registration = rearming::Registration;

    fn new() -> io::Result<Selector> {
        let bell = Bell::new()?;
        let books = Mutex::new(Books {
            records: BTreeMap::new(),
            wakers: Vec::new(),
            list: Vec::with_capacity(ROOM_AT_FIRST),
            calls: 0,
            running: false,
            served: -1,
        });
        Ok(Selector {
            shared: Arc::new(Shared { books, bell }),
        })
    }

    fn try_clone(&self) -> io::Result<Selector> {
        Ok(Selector {
            shared: Arc::clone(&self.shared),
        })
    }

    fn select(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let deadline = Deadline::after(timeout);
        loop {
            let (mut list, left) = self.shared.begin(deadline);
            let polled = poll(&mut list, left);
            self.shared.end(list, polled, events)?;
            if !events.is_empty() || deadline.has_passed() {
                return Ok(());
            }
        }
    }
}

const ROOM_AT_FIRST: usize = 16;

impl Shared {
    /// Makes the list of what to poll, and tells how long to.
    fn begin(&self, deadline: Deadline) -> (Vec<libc::pollfd>, Option<Duration>) {
        let mut books = lock(&self.books);
        let mut list = mem::take(&mut books.list);
        list.clear();
        list.push(entry(self.bell.as_fd().as_raw_fd(), libc::POLLIN));
        list.extend(books.records.iter().filter_map(|(&fd, record)| {
            let wanted = record.wanted()?;
            Some(entry(fd, wanted))
        }));
        books.calls += 1;
        books.running = true;
        if books.wakers.iter().any(|waker| waker.pending) {
            // It came before this call, or found no room in the last `Events`.
            (list, Some(Duration::ZERO))
        } else {
            (list, deadline.left())
        }
    }

    /// Takes the list back from the call, and turns what the kernel wrote into it
    /// into events.
    fn end(
        &self,
        list: Vec<libc::pollfd>,
        polled: io::Result<()>,
        events: &mut Vec<Event>,
    ) -> io::Result<()> {
        let mut books = lock(&self.books);
        books.running = false;
        let outcome = polled.and_then(|()| match list[0].revents {
            0 => Ok(()),
            _ => self.bell.silence(),
        });
        if outcome.is_ok() {
            books.report(&list[1..], events);
        }
        // Whoever registered meanwhile may have left a larger one.
        if books.list.capacity() < list.capacity() {
            books.list = list;
        }
        outcome
    }

    /// Has a running call look at the books again, which the caller, who holds their
    /// lock, is about to change or has just changed.
    fn interrupt(&self, books: &mut Books) -> io::Result<()> {
        if !books.running {
            return Ok(());
        }
        match self.bell.ring() {
            // It is ringing as loudly as it can.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            rung => rung?,
        }
        books.running = false;
        Ok(())
    }

    fn add(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        check_pollable(fd)?;
        let mut books = lock(&self.books);
        if matches!(books.records.get(&fd), Some(record) if !record.closed) {
            return Err(io::Error::from_raw_os_error(libc::EEXIST));
        }
        self.interrupt(&mut books)?;
        let record = Record {
            token,
            arming: Arming::new(interest),
            since: books.calls,
            closed: false,
        };
        books.records.insert(fd, record);
        books.make_room();
        Ok(())
    }

    fn modify(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        check_pollable(fd)?;
        let mut books = lock(&self.books);
        if !books.records.contains_key(&fd) {
            return Err(not_found());
        }
        self.interrupt(&mut books)?;
        if let Some(record) = books.records.get_mut(&fd) {
            record.token = token;
            record.arming = Arming::new(interest);
            record.closed = false;
        }
        Ok(())
    }

    fn remove(&self, fd: RawFd) -> io::Result<()> {
        let mut books = lock(&self.books);
        books.records.remove(&fd).ok_or_else(not_found)?;
        self.interrupt(&mut books)
    }

    fn rearm(&self, fd: RawFd, directions: Interest) {
        let mut books = lock(&self.books);
        let Some(record) = books.records.get_mut(&fd) else {
            return;
        };
        if record.arming.rearm(directions) {
            // Nobody is there to hear of a failure; the next call sees the change.
            let _ = self.interrupt(&mut books);
        }
    }
}

impl Books {
    /// Keeps the promise of `list`. While the list is lent this makes another one, and
    /// the larger of the two stays.
    fn make_room(&mut self) {
        let needed = 1 + self.records.len();
        if self.list.capacity() < needed {
            self.list = Vec::with_capacity(needed.next_power_of_two());
        }
    }

    /// Reports wakes and sources. Who goes first alternates, so that neither a busy
    /// waker nor busy sources keep the other out of a small `Events`.
    fn report(&mut self, list: &[libc::pollfd], events: &mut Vec<Event>) {
        if self.calls % 2 == 0 {
            self.report_wakes(events);
            self.report_sources(list, events);
        } else {
            self.report_sources(list, events);
            self.report_wakes(events);
        }
    }

    fn report_wakes(&mut self, events: &mut Vec<Event>) {
        for waker in &mut self.wakers {
            if waker.pending && has_room(events) {
                waker.pending = false;
                events.push(event(waker.token, libc::POLLIN));
            }
        }
    }

    /// Reports what is ready in `list`, which is in the order of descriptors, beginning
    /// after the one that was served last.
    fn report_sources(&mut self, list: &[libc::pollfd], events: &mut Vec<Event>) {
        let first = list.partition_point(|entry| entry.fd <= self.served);
        let (before, after) = list.split_at(first);
        let calls = self.calls;
        for entry in after.iter().chain(before).filter(|it| it.revents != 0) {
            if !has_room(events) {
                return;
            }
            let record = self.records.get_mut(&entry.fd);
            if let Some(record) = record.filter(|record| record.since < calls) {
                if let Some(event) = record.report(entry.revents) {
                    events.push(event);
                    self.served = entry.fd;
                }
            }
        }
    }
}

impl Record {
    /// The flags to ask the kernel for; `None` to leave the descriptor out.
    fn wanted(&self) -> Option<libc::c_short> {
        let wanted = self.arming.wanted()?;
        (!self.closed).then(|| wanted.map_or(0, flags_of))
    }

    /// What to tell the user when the kernel reports `flags`.
    ///
    /// The record may have changed since the kernel was asked; what is not wanted any
    /// more is dropped.
    fn report(&mut self, flags: libc::c_short) -> Option<Event> {
        let wanted = self.wanted()?;
        if flags & libc::POLLNVAL != 0 {
            self.closed = true;
            return None;
        }
        let mut flags = flags & (wanted | UNASKED);
        let fired = if flags & UNASKED != 0 {
            // No operation would block now: whoever waits for a direction shall try it,
            // and learn of the error.
            flags |= wanted & (libc::POLLIN | libc::POLLOUT);
            Fired::Everything
        } else {
            Fired::Directions(directions_of(flags)?)
        };
        self.arming.deliver(fired);
        Some(event(self.token, flags))
    }
}

fn has_room(events: &Vec<Event>) -> bool {
    events.len() < events.capacity()
}

fn not_found() -> io::Error {
    io::Error::from_raw_os_error(libc::ENOENT)
}

/// Answers as epoll does: `EBADF` for what is not open, `EPERM` for what poll(2) takes
/// but is always ready.
fn check_pollable(fd: RawFd) -> io::Result<()> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `stat` has room for what the call writes.
    check(unsafe { libc::fstat(fd, stat.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, and has written all of it.
    let mode = unsafe { stat.assume_init() }.st_mode;
    match mode & libc::S_IFMT {
        libc::S_IFREG | libc::S_IFDIR => Err(io::Error::from_raw_os_error(libc::EPERM)),
        _ => Ok(()),
    }
}

fn poll(list: &mut [libc::pollfd], timeout: Option<Duration>) -> io::Result<()> {
    // SAFETY: the pointer and the length are those of `list`.
    check(unsafe {
        libc::poll(
            list.as_mut_ptr(),
            list.len() as libc::nfds_t,
            timeout::millis(timeout),
        )
    })?;
    Ok(())
}

fn entry(fd: RawFd, events: libc::c_short) -> libc::pollfd {
    libc::pollfd {
        fd,
        events,
        revents: 0,
    }
}

/// What the kernel reports though nobody asked.
const UNASKED: libc::c_short = libc::POLLERR | libc::POLLHUP;

/// What a direction is called in the flags.
const DIRECTIONS: [(Interest, libc::c_short); 3] = [
    (Interest::READABLE, libc::POLLIN | libc::POLLRDHUP),
    (Interest::WRITABLE, libc::POLLOUT),
    (Interest::PRIORITY_BIT, libc::POLLPRI),
];

fn flags_of(interest: Interest) -> libc::c_short {
    DIRECTIONS
        .iter()
        .filter(|&&(direction, _)| interest.intersects(direction))
        .fold(0, |all, &(_, flags)| all | flags)
}

fn directions_of(flags: libc::c_short) -> Option<Interest> {
    DIRECTIONS
        .iter()
        .filter(|&&(_, direction)| flags & direction != 0)
        .map(|&(direction, _)| direction)
        .reduce(Interest::add)
}

impl FdSelector for Selector {
    fn add(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        self.shared.add(fd, token, interest)
    }

    fn modify(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        self.shared.modify(fd, token, interest)
    }

    fn remove(&self, fd: RawFd) -> io::Result<()> {
        self.shared.remove(fd)
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selector")
            .field("bell", &self.shared.bell)
            .finish_non_exhaustive()
    }
}

/// How a source finds its record.
struct Link {
    shared: Arc<Shared>,
    fd: RawFd,
}

impl Link {
    fn attach(
        selector: &Selector,
        fd: RawFd,
        token: Token,
        interest: Interest,
    ) -> io::Result<Link> {
        let shared = Arc::clone(&selector.shared);
        shared.add(fd, token, interest)?;
        Ok(Link { shared, fd })
    }

    fn leads_to(&self, selector: &Selector) -> bool {
        Arc::ptr_eq(&self.shared, &selector.shared)
    }

    fn change(&self, token: Token, interest: Interest) -> io::Result<()> {
        self.shared.modify(self.fd, token, interest)
    }

    fn detach(&self) -> io::Result<()> {
        self.shared.remove(self.fd)
    }

    fn rearm(&self, directions: Interest) {
        self.shared.rearm(self.fd, directions);
    }
}

pub(crate) struct Waker {
    shared: Arc<Shared>,
    number: u64,
}

impl seam::Wake<Selector> for Waker {
    fn new(selector: &Selector, token: Token) -> io::Result<Waker> {
        let shared = Arc::clone(&selector.shared);
        let mut books = lock(&shared.books);
        let number = books.wakers.last().map_or(0, |newest| newest.number + 1);
        books.wakers.push(WakerRecord {
            number,
            token,
            pending: false,
        });
        drop(books);
        Ok(Waker { shared, number })
    }

    fn wake(&self) -> io::Result<()> {
        let mut books = lock(&self.shared.books);
        let own = |record: &&mut WakerRecord| record.number == self.number;
        if let Some(record) = books.wakers.iter_mut().find(own) {
            record.pending = true;
        }
        self.shared.interrupt(&mut books)
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        lock(&self.shared.books)
            .wakers
            .retain(|record| record.number != self.number);
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waker")
            .field("number", &self.number)
            .field("bell", &self.shared.bell)
            .finish()
    }
}

/// An event as the kernel would write it, had it a queue.
#[derive(Clone)]
pub(crate) struct RawEvent {
    token: Token,
    flags: libc::c_short,
}

fn event(token: Token, flags: libc::c_short) -> Event {
    Event::new(RawEvent { token, flags })
}

const FLAGS: PollFlags = PollFlags {
    readable: libc::POLLIN as u32,
    writable: libc::POLLOUT as u32,
    priority: libc::POLLPRI as u32,
    error: libc::POLLERR as u32,
    hang_up: libc::POLLHUP as u32,
    read_hang_up: libc::POLLRDHUP as u32,
};

impl seam::RawEvent for RawEvent {
    #[inline]
    fn token(&self) -> Token {
        self.token
    }

    #[inline]
    fn readiness(&self) -> Readiness {
        FLAGS.fold(self.flags as u32)
    }

    fn fmt_flags(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_flags(
            f,
            self.flags as u32,
            &[
                (FLAGS.readable, "POLLIN"),
                (FLAGS.priority, "POLLPRI"),
                (FLAGS.writable, "POLLOUT"),
                (FLAGS.read_hang_up, "POLLRDHUP"),
                (FLAGS.error, "POLLERR"),
                (FLAGS.hang_up, "POLLHUP"),
            ],
        )
    }
}
