//! poll(2): the kernel has no queue. Every call takes the complete list of descriptors, and
//! returns which of them *are* ready.
//!
//! How it differs from other mechanisms:
//!
//! * We keep the [`Registrations`], under a lock and by descriptor. The list for the kernel is
//!   built from them before each call.
//! * The kernel reports levels, from which `edge.rs` derives edges.
//! * An error that lasts, because no operation consumes it, is reported by every call. To report
//!   other conditions of its source without spinning, every other call leaves such sources out,
//!   and is short (`PACE`).
//! * A running call does not see changes. A thread that changes the registrations while a call
//!   runs notifies the selector's own wake descriptor, which is the first one in the list; the wait
//!   then starts again with the remaining time. The thread notifies after it has released the lock,
//!   since the thread that it wakes takes the lock at once.
//! * The kernel holds the files that it polls. A descriptor that another thread closes is closed
//!   only when the call has been interrupted, which is the second reason to notify.
//! * `POLLERR`, `POLLHUP` and `POLLNVAL` are reported whether or not they are requested.
//! * A regular file is always ready, while epoll rejects it. We reject it too, and ask epoll on
//!   Linux.
//!
//! A wake of the user is such a change too: it is recorded with the waker. The wake descriptor only
//! means "check the registrations", so draining it cannot lose a wake.

use std::collections::BTreeMap;
use std::os::fd::RawFd;
use std::time::Duration;
use std::{fmt, io, mem};

use super::backend::{self, Outcome};
use super::edge::linked::Linked;
use super::edge::{self, Edge};
use super::error::{already_registered, not_registered};
use super::timeout::{self, Deadline};
use super::unix::fd::check;
use super::unix::poll_flags;
use super::unix::pollable::Pollable;
use super::unix::registration::{self, FdLink, FdSelector, FdTable};
use super::unix::WakeFd;
use super::Event;
use crate::readiness::Readiness;
use crate::sync::{lock, Arc, AtomicUsize, Mutex, MutexGuard, Ordering};
use crate::{Interest, Token};

#[derive(Clone)]
pub(crate) struct Selector {
    shared: Arc<Shared>,
}

/// What the selector shares with its clones, sources and wakers.
struct Shared {
    registrations: Mutex<Registrations>,
    wake_fd: WakeFd,
    /// The number of the call that was interrupted last. It will check the registrations when it
    /// returns, so it need not be interrupted again.
    interrupted: AtomicUsize,
    pollable: Pollable,
}

struct Registrations {
    records: BTreeMap<RawFd, Record>,
    wakers: Vec<WakerRecord>,
    /// The list for the kernel. The running call borrows it. It always has capacity for the wake
    /// descriptor and every record, so that no call allocates.
    list: Vec<libc::pollfd>,
    /// Whether the list has a source that has to be checked even if nothing holds for it.
    in_doubt: bool,
    /// The number of calls so far.
    poll_count: u64,
    /// Whether a call is running, which will not check the registrations before it returns.
    running: bool,
    /// The descriptor that was reported last. The next report starts behind it, so that each
    /// source gets its turn if `Events` is too small for all that are ready.
    last_reported: RawFd,
}

struct Record {
    token: Token,
    edge: Edge,
    /// The number of calls when it was created. The call with this number does not have it in its
    /// list: a report of the call for this descriptor belongs to a predecessor.
    generation: u64,
    /// Whether the descriptor was found closed. The record stays until it is deregistered, or
    /// until a new source with the same descriptor replaces it.
    closed: bool,
}

/// A live waker, identified by its number.
struct WakerRecord {
    number: u64,
    token: Token,
    pending: bool,
}

impl backend::Selector for Selector {
    type RawEvent = RawEvent;
    type Registration = Linked<FdLink<Selector>>;

    fn new() -> io::Result<Selector> {
        let wake_fd = WakeFd::new()?;
        let pollable = Pollable::new(wake_fd.fd())?;
        let registrations = Mutex::new(Registrations {
            records: BTreeMap::new(),
            wakers: Vec::new(),
            list: Vec::with_capacity(INITIAL_CAPACITY),
            in_doubt: false,
            poll_count: 0,
            running: false,
            last_reported: -1,
        });
        Ok(Selector {
            shared: Arc::new(Shared {
                registrations,
                wake_fd,
                interrupted: AtomicUsize::new(0),
                pollable,
            }),
        })
    }

    fn try_clone(&self) -> io::Result<Selector> {
        Ok(self.clone())
    }

    fn select(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let deadline = Deadline::after(timeout);
        let mut skips_standing = false;
        loop {
            let (mut list, left) = self.shared.begin(deadline, skips_standing);
            let polled = poll(&mut list, left);
            self.shared.end(list, polled, events)?;
            if !events.is_empty() || deadline.has_passed() {
                return Ok(());
            }
            skips_standing = !skips_standing;
        }
    }
}

const INITIAL_CAPACITY: usize = 16;

impl Shared {
    /// Returns whether a call can be interrupted.
    fn has_wake_fd(&self) -> bool {
        self.wake_fd.fd() >= 0
    }

    /// Returns the list to poll, and the timeout. The call either includes every source, or all but
    /// those with a lasting error, for a short time.
    fn begin(
        &self,
        deadline: Deadline,
        skips_standing: bool,
    ) -> (Vec<libc::pollfd>, Option<Duration>) {
        let mut registrations = lock(&self.registrations);
        let mut list = mem::take(&mut registrations.list);
        list.clear();
        if self.has_wake_fd() {
            list.push(entry(self.wake_fd.fd(), libc::POLLIN as u32));
        }
        let mut left = deadline.left();
        registrations.in_doubt = false;
        let Registrations {
            records, in_doubt, ..
        } = &mut *registrations;
        for (&fd, record) in records {
            let Some(wanted) = record.wanted() else {
                continue;
            };
            if skips_standing && record.edge.is_standing() {
                left = Some(left.map_or(edge::PACE, |left| left.min(edge::PACE)));
                continue;
            }
            *in_doubt |= record.edge.is_in_doubt();
            list.push(entry(fd, wanted));
        }
        // On 32 bits, a call long ago may have had the number of this one.
        let previous = registrations.poll_count as usize;
        self.interrupted.store(previous, Ordering::Relaxed);
        registrations.poll_count += 1;
        registrations.running = true;
        if registrations.wakers.iter().any(|waker| waker.pending) {
            // The wake came before this call, or did not fit into the last `Events`.
            left = Some(Duration::ZERO);
        }
        (list, left)
    }

    /// Returns the list to its place, and translates what the kernel wrote into it to events.
    fn end(
        &self,
        list: Vec<libc::pollfd>,
        polled: io::Result<()>,
        events: &mut Vec<Event>,
    ) -> io::Result<()> {
        let (wake_fd, sources) = list.split_at(usize::from(self.has_wake_fd()));
        let was_notified = wake_fd.iter().any(|entry| entry.revents != 0);
        // Not under the lock, for which other threads may be waiting. Their changes from here on
        // are seen below, or notify again.
        let outcome = polled.and_then(|()| match was_notified {
            true => self.wake_fd.drain(),
            false => Ok(()),
        });
        let mut registrations = lock(&self.registrations);
        registrations.running = false;
        if outcome.is_ok() {
            registrations.report(sources, events);
        }
        // A registration during the call may have left a larger list.
        if registrations.list.capacity() < list.capacity() {
            registrations.list = list;
        }
        outcome
    }

    /// Makes a running call check the registrations again, which the caller has changed. They are
    /// unlocked first: the thread that returns from the call needs them.
    fn interrupt(&self, registrations: MutexGuard<'_, Registrations>) -> io::Result<()> {
        let (running, call) = (registrations.running, registrations.poll_count as usize);
        drop(registrations);
        if !running || self.interrupted.load(Ordering::Acquire) == call {
            return Ok(());
        }
        match self.wake_fd.notify() {
            // The wake descriptor is readable already.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            notified => notified?,
        }
        self.interrupted.store(call, Ordering::Release);
        Ok(())
    }

    /// Inserts a record. If a running call cannot be interrupted, the previous state is restored.
    fn insert(
        &self,
        mut registrations: MutexGuard<'_, Registrations>,
        fd: RawFd,
        record: Record,
    ) -> io::Result<()> {
        let before = registrations.records.insert(fd, record);
        registrations.reserve();
        self.interrupt(registrations).map_err(|error| {
            let records = &mut lock(&self.registrations).records;
            match before {
                Some(before) => records.insert(fd, before),
                None => records.remove(&fd),
            };
            error
        })
    }
}

impl FdSelector for Selector {
    fn add(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        poll_flags::check(interest)?;
        self.shared.pollable.check(fd)?;
        let registrations = lock(&self.shared.registrations);
        if matches!(registrations.records.get(&fd), Some(record) if !record.closed) {
            return Err(already_registered());
        }
        let generation = registrations.poll_count;
        let record = Record::new(token, interest, generation);
        self.shared.insert(registrations, fd, record)
    }

    fn modify(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        poll_flags::check(interest)?;
        self.shared.pollable.check(fd)?;
        let registrations = lock(&self.shared.registrations);
        let former = registrations.records.get(&fd).ok_or_else(not_registered)?;
        let record = Record::new(token, interest, former.generation);
        self.shared.insert(registrations, fd, record)
    }

    fn remove(&self, fd: RawFd) -> io::Result<()> {
        let mut registrations = lock(&self.shared.registrations);
        let removed = registrations.records.remove(&fd);
        removed.ok_or_else(not_registered)?;
        self.shared.interrupt(registrations)
    }
}

impl FdTable for Selector {
    fn is_same(&self, other: &Selector) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    fn rearm(&self, fd: RawFd, directions: Interest, outcome: Outcome<'_>) {
        /// A call also shows which conditions do not hold.
        const SHOWS_ABSENCE: bool = true;
        let mut registrations = lock(&self.shared.registrations);
        let Some(record) = registrations.records.get_mut(&fd) else {
            return;
        };
        if registration::rearm(fd, &mut record.edge, directions, outcome, SHOWS_ABSENCE) {
            // The error cannot be returned; the next call sees the change.
            let _ = self.shared.interrupt(registrations);
        }
    }
}

impl Registrations {
    /// Reserves capacity in `list`. If a call has borrowed it, this creates another one; the larger
    /// of the two is kept.
    fn reserve(&mut self) {
        let needed = 1 + self.records.len();
        if self.list.capacity() < needed {
            self.list = Vec::with_capacity(needed.next_power_of_two());
        }
    }

    /// Reports wakes and sources. Their order alternates, so that neither a busy waker nor busy
    /// sources keep the other out of a small `Events`.
    fn report(&mut self, list: &[libc::pollfd], events: &mut Vec<Event>) {
        if self.poll_count % 2 == 0 {
            self.report_wakes(events);
            self.report_sources(list, events);
        } else {
            self.report_sources(list, events);
            self.report_wakes(events);
        }
    }

    fn report_wakes(&mut self, events: &mut Vec<Event>) {
        for waker in &mut self.wakers {
            if waker.pending && has_capacity(events) {
                waker.pending = false;
                events.push(event(waker.token, libc::POLLIN as u32));
            }
        }
    }

    /// Reports what is ready in `list`, which is sorted by descriptor, starting behind the
    /// descriptor that was reported last.
    fn report_sources(&mut self, list: &[libc::pollfd], events: &mut Vec<Event>) {
        let first = list.partition_point(|entry| entry.fd <= self.last_reported);
        let (before, after) = list.split_at(first);
        let (poll_count, in_doubt) = (self.poll_count, self.in_doubt);
        let is_relevant = |entry: &&libc::pollfd| entry.revents != 0 || in_doubt;
        for entry in after.iter().chain(before).filter(is_relevant) {
            if !has_capacity(events) {
                return;
            }
            let record = self.records.get_mut(&entry.fd);
            if let Some(record) = record.filter(|record| record.generation < poll_count) {
                if let Some(event) = record.report(entry.revents as u32) {
                    events.push(event);
                    self.last_reported = entry.fd;
                }
            }
        }
    }
}

impl Record {
    fn new(token: Token, interest: Interest, generation: u64) -> Record {
        Record {
            token,
            edge: Edge::new(interest),
            generation,
            closed: false,
        }
    }

    /// Returns the flags to request; `None` to leave the descriptor out.
    fn wanted(&self) -> Option<u32> {
        if self.closed {
            return None;
        }
        let wanted = poll_flags::EDGES.wanted(&self.edge)?;
        // WASI's C library fails unless one of these is requested.
        let requests = wanted & (libc::POLLIN | libc::POLLOUT) as u32 != 0;
        (requests || cfg!(not(target_os = "wasi"))).then_some(wanted)
    }

    /// Returns the event when the kernel reports `flags`.
    fn report(&mut self, flags: u32) -> Option<Event> {
        if flags & CLOSED != 0 {
            self.closed = true;
            return None;
        }
        let flags = poll_flags::deliver(&mut self.edge, flags)?;
        Some(event(self.token, flags))
    }
}

fn has_capacity(events: &Vec<Event>) -> bool {
    events.len() < events.capacity()
}

/// The flag of a descriptor that is not open. ESP-IDF has none.
#[cfg(not(target_os = "espidf"))]
const CLOSED: u32 = libc::POLLNVAL as u32;
#[cfg(target_os = "espidf")]
const CLOSED: u32 = 0;

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
            .field("wake_fd", &self.shared.wake_fd)
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
        let mut registrations = lock(&shared.registrations);
        let newest = registrations.wakers.last();
        let number = newest.map_or(0, |newest| newest.number + 1);
        registrations.wakers.push(WakerRecord {
            number,
            token,
            pending: false,
        });
        drop(registrations);
        Ok(Waker { shared, number })
    }

    fn wake(&self) -> io::Result<()> {
        let mut registrations = lock(&self.shared.registrations);
        let own = |record: &&mut WakerRecord| record.number == self.number;
        if let Some(record) = registrations.wakers.iter_mut().find(own) {
            record.pending = true;
        }
        self.shared.interrupt(registrations)
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        lock(&self.shared.registrations)
            .wakers
            .retain(|record| record.number != self.number);
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waker")
            .field("number", &self.number)
            .field("wake_fd", &self.shared.wake_fd)
            .finish()
    }
}

/// An event as the kernel would write it if it had a queue.
#[derive(Clone)]
pub(crate) struct RawEvent {
    token: Token,
    flags: u32,
}

fn event(token: Token, flags: u32) -> Event {
    Event {
        raw: RawEvent { token, flags },
    }
}

impl backend::RawEvent for RawEvent {
    fn of_wake(token: Token) -> RawEvent {
        RawEvent {
            token,
            flags: libc::POLLIN as u32,
        }
    }

    #[inline]
    fn token(&self) -> Token {
        self.token
    }

    #[inline]
    fn readiness(&self) -> Readiness {
        poll_flags::POLL.to_readiness(self.flags)
    }

    fn fmt_flags(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        poll_flags::fmt(f, self.flags)
    }
}
