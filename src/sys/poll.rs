//! poll(2): no queue in the kernel. Every wait hands over the whole list of
//! descriptors, and is told which of them *are* ready.
//!
//! How it differs from other mechanisms:
//!
//! * We remember the registrations, in [`Books`] under a lock, by descriptor. The
//!   list for the kernel is made from them before each call.
//! * What it reports are levels; `edge.rs` makes edges of them.
//! * An error that stands, and that an operation has not taken, is reported by every call. So
//!   as to hear of anything else that becomes of its source, without spinning, every other
//!   call leaves such a source out, and is short (`PACE`).
//! * A call that is running does not see changes. Who changes the books while one
//!   is running rings the selector's own bell, whose descriptor stands first in the
//!   list; the wait then starts again with what is left of its time. The bell is rung
//!   after the lock was released, which the thread that wakes up takes at once.
//! * The kernel holds the files that it polls. A descriptor that another thread
//!   closes is really closed once the call has been interrupted, which is
//!   the second reason to ring.
//! * `POLLERR`, `POLLHUP` and `POLLNVAL` are reported whether asked for or not.
//! * A regular file is always ready, where epoll refuses it; so do we, and on Linux we
//!   ask epoll.
//!
//! A user's wake is such a change too: it marks the waker in the books. The bell
//! only says "look again", so that silencing it cannot lose a wake.

use std::collections::BTreeMap;
use std::os::fd::RawFd;
use std::time::Duration;
use std::{fmt, io, mem};

use super::backend::{self, Outcome};
use super::bell::Bell;
use super::edge::{self, Edge};
use super::error::{already_registered, not_registered};
use super::family::check;
use super::pollable::Pollable;
use super::timeout::{self, Deadline};
use super::Event;
use crate::readiness::Readiness;
use crate::sync::{lock, Arc, AtomicUsize, Mutex, MutexGuard, Ordering};
use crate::{Interest, Token};

mod fd_link;
mod poll_flags;
mod readiness_flags;
mod rearming;

use fd_link::Link;

pub(crate) struct Selector {
    shared: Arc<Shared>,
}

/// What the selector shares with its clones, sources and wakers.
struct Shared {
    books: Mutex<Books>,
    bell: Bell,
    /// The number of a call that the bell was rung for. It comes back and looks at the
    /// books, so that ringing once more would be for nothing.
    rung: AtomicUsize,
    pollable: Pollable,
}

struct Books {
    records: BTreeMap<RawFd, Record>,
    wakers: Vec<WakerRecord>,
    /// The list for the kernel. It is lent to the running call, and always has
    /// room for the bell and every record, so that no call allocates.
    list: Vec<libc::pollfd>,
    /// Whether a source in the list must be heard of even if nothing is true of it.
    in_doubt: bool,
    /// Counts the calls.
    calls: u64,
    /// Whether a call is running, which will not look at the books before it comes back.
    running: bool,
    /// The descriptor after which the next report begins. Where `Events` is too small
    /// for all that are ready, each of them gets its turn.
    served: RawFd,
}

struct Record {
    token: Token,
    edge: Edge,
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

impl backend::Selector for Selector {
    type RawEvent = RawEvent;
    type Registration = rearming::Registration;

    fn new() -> io::Result<Selector> {
        let bell = Bell::new()?;
        let pollable = Pollable::new(bell.fd())?;
        let books = Mutex::new(Books {
            records: BTreeMap::new(),
            wakers: Vec::new(),
            list: Vec::with_capacity(ROOM_AT_FIRST),
            in_doubt: false,
            calls: 0,
            running: false,
            served: -1,
        });
        Ok(Selector {
            shared: Arc::new(Shared {
                books,
                bell,
                rung: AtomicUsize::new(0),
                pollable,
            }),
        })
    }

    fn try_clone(&self) -> io::Result<Selector> {
        Ok(Selector {
            shared: Arc::clone(&self.shared),
        })
    }

    fn select(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let deadline = Deadline::after(timeout);
        let mut pace = Pace::Everything;
        loop {
            let (mut list, left) = self.shared.begin(deadline, pace);
            let polled = poll(&mut list, left);
            self.shared.end(list, polled, events)?;
            if !events.is_empty() || deadline.has_passed() {
                return Ok(());
            }
            pace = pace.other();
        }
    }
}

const ROOM_AT_FIRST: usize = 16;

/// Whether a call also shows which conditions do not hold.
const SHOWS_ABSENCE: bool = true;

/// Which sources a call is about.
#[derive(Copy, Clone)]
enum Pace {
    Everything,
    /// All but those whose error stands, for a short while.
    ButStanding,
}

impl Pace {
    fn other(self) -> Pace {
        match self {
            Pace::Everything => Pace::ButStanding,
            Pace::ButStanding => Pace::Everything,
        }
    }
}

impl Shared {
    /// Whether there is somebody who could ring.
    fn has_bell(&self) -> bool {
        self.bell.fd() >= 0
    }

    /// Makes the list of what to poll, and tells how long to.
    fn begin(&self, deadline: Deadline, pace: Pace) -> (Vec<libc::pollfd>, Option<Duration>) {
        let mut books = lock(&self.books);
        let mut list = mem::take(&mut books.list);
        list.clear();
        if self.has_bell() {
            list.push(entry(self.bell.fd(), libc::POLLIN as u32));
        }
        let mut left = deadline.left();
        books.in_doubt = false;
        let Books {
            records, in_doubt, ..
        } = &mut *books;
        for (&fd, record) in records {
            let Some(wanted) = record.wanted() else {
                continue;
            };
            if record.edge.is_standing() && matches!(pace, Pace::ButStanding) {
                left = Some(left.map_or(edge::PACE, |left| left.min(edge::PACE)));
                continue;
            }
            *in_doubt |= record.edge.is_in_doubt();
            list.push(entry(fd, wanted));
        }
        // On 32 bits the number of this call may have been that of one long ago.
        self.rung.store(books.calls as usize, Ordering::Relaxed);
        books.calls += 1;
        books.running = true;
        if books.wakers.iter().any(|waker| waker.pending) {
            // It came before this call, or found no room in the last `Events`.
            left = Some(Duration::ZERO);
        }
        (list, left)
    }

    /// Takes the list back from the call, and turns what the kernel wrote into it
    /// into events.
    fn end(
        &self,
        list: Vec<libc::pollfd>,
        polled: io::Result<()>,
        events: &mut Vec<Event>,
    ) -> io::Result<()> {
        let (bell, sources) = list.split_at(usize::from(self.has_bell()));
        let has_rung = bell.iter().any(|entry| entry.revents != 0);
        // Not under the lock, for which others may be waiting. What they change from here on is
        // seen below, or rings again.
        let outcome = polled.and_then(|()| match has_rung {
            true => self.bell.silence(),
            false => Ok(()),
        });
        let mut books = lock(&self.books);
        books.running = false;
        if outcome.is_ok() {
            books.report(sources, events);
        }
        // Whoever registered meanwhile may have left a larger one.
        if books.list.capacity() < list.capacity() {
            books.list = list;
        }
        outcome
    }

    /// Has a running call look at the books again, which the caller has changed. They are
    /// let go of first: the thread that comes back from the call needs them.
    fn interrupt(&self, books: MutexGuard<'_, Books>) -> io::Result<()> {
        let (running, call) = (books.running, books.calls as usize);
        drop(books);
        if !running || self.rung.load(Ordering::Acquire) == call {
            return Ok(());
        }
        match self.bell.ring() {
            // It is ringing as loudly as it can.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            rung => rung?,
        }
        self.rung.store(call, Ordering::Release);
        Ok(())
    }

    fn add(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        self.pollable.check(fd)?;
        let books = lock(&self.books);
        if matches!(books.records.get(&fd), Some(record) if !record.closed) {
            return Err(already_registered());
        }
        let since = books.calls;
        self.put(books, fd, Record::new(token, interest, since))
    }

    fn modify(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        self.pollable.check(fd)?;
        let books = lock(&self.books);
        let since = books.records.get(&fd).ok_or_else(not_registered)?.since;
        self.put(books, fd, Record::new(token, interest, since))
    }

    /// Puts a record into the books, and what was there back if a running call cannot be told.
    fn put(&self, mut books: MutexGuard<'_, Books>, fd: RawFd, record: Record) -> io::Result<()> {
        let before = books.records.insert(fd, record);
        books.make_room();
        self.interrupt(books).map_err(|error| {
            let records = &mut lock(&self.books).records;
            match before {
                Some(before) => records.insert(fd, before),
                None => records.remove(&fd),
            };
            error
        })
    }

    fn remove(&self, fd: RawFd) -> io::Result<()> {
        let mut books = lock(&self.books);
        books.records.remove(&fd).ok_or_else(not_registered)?;
        self.interrupt(books)
    }

    fn rearm(&self, fd: RawFd, directions: Interest, outcome: Outcome<'_>) {
        let mut books = lock(&self.books);
        let Some(record) = books.records.get_mut(&fd) else {
            return;
        };
        if fd_link::rearm(fd, &mut record.edge, directions, outcome) {
            // Nobody is there to hear of a failure; the next call sees the change.
            let _ = self.interrupt(books);
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
                events.push(event(waker.token, libc::POLLIN as u32));
            }
        }
    }

    /// Reports what is ready in `list`, which is in the order of descriptors, beginning
    /// after the one that was served last.
    fn report_sources(&mut self, list: &[libc::pollfd], events: &mut Vec<Event>) {
        let first = list.partition_point(|entry| entry.fd <= self.served);
        let (before, after) = list.split_at(first);
        let (calls, in_doubt) = (self.calls, self.in_doubt);
        let is_answer = |entry: &&libc::pollfd| entry.revents != 0 || in_doubt;
        for entry in after.iter().chain(before).filter(is_answer) {
            if !has_room(events) {
                return;
            }
            let record = self.records.get_mut(&entry.fd);
            if let Some(record) = record.filter(|record| record.since < calls) {
                if let Some(event) = record.report(entry.revents as u32) {
                    events.push(event);
                    self.served = entry.fd;
                }
            }
        }
    }
}

impl Record {
    fn new(token: Token, interest: Interest, since: u64) -> Record {
        Record {
            token,
            edge: Edge::new(interest),
            since,
            closed: false,
        }
    }

    /// The flags to ask the kernel for; `None` to leave the descriptor out.
    fn wanted(&self) -> Option<u32> {
        if self.closed {
            return None;
        }
        let wanted = poll_flags::EDGES.wanted(&self.edge)?;
        // WASI's C library fails unless it is asked for one of these.
        let asks = wanted & (libc::POLLIN | libc::POLLOUT) as u32 != 0;
        (asks || cfg!(not(target_os = "wasi"))).then_some(wanted)
    }

    /// What to tell the user when the kernel reports `flags`.
    fn report(&mut self, flags: u32) -> Option<Event> {
        if says_closed(flags) {
            self.closed = true;
            return None;
        }
        let flags = poll_flags::deliver(&mut self.edge, flags)?;
        Some(event(self.token, flags))
    }
}

fn has_room(events: &Vec<Event>) -> bool {
    events.len() < events.capacity()
}

/// Whether the kernel says that the descriptor is not open.
#[cfg(not(target_os = "espidf"))]
fn says_closed(flags: u32) -> bool {
    flags & libc::POLLNVAL as u32 != 0
}

/// ESP-IDF has no flag for it.
#[cfg(target_os = "espidf")]
fn says_closed(_: u32) -> bool {
    false
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

fn entry(fd: RawFd, events: u32) -> libc::pollfd {
    libc::pollfd {
        fd,
        events: events as _,
        revents: 0,
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selector")
            .field("bell", &self.shared.bell)
            .finish_non_exhaustive()
    }
}

pub(crate) struct Waker {
    shared: Arc<Shared>,
    number: u64,
}

impl backend::Wake<Selector> for Waker {
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
        self.shared.interrupt(books)
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
    flags: u32,
}

fn event(token: Token, flags: u32) -> Event {
    Event::new(RawEvent { token, flags })
}

impl backend::RawEvent for RawEvent {
    #[inline]
    fn token(&self) -> Token {
        self.token
    }

    #[inline]
    fn readiness(&self) -> Readiness {
        poll_flags::POLL.fold(self.flags)
    }

    fn fmt_flags(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        poll_flags::fmt(f, self.flags)
    }
}
