//! poll(2): the kernel has no queue. Every call takes the complete list of descriptors, and
//! returns which of them *are* ready.
//!
//! How it differs from other mechanisms:
//!
//! * The sources are kept in a [`table`], under a lock and by descriptor. The list for the kernel is
//!   built from it before each call.
//! * The kernel reports levels, from which `edge.rs` derives edges.
//! * An error that lasts, because no operation consumes it, is reported by every call. To report
//!   other conditions of its source without spinning, every other call leaves such sources out,
//!   and is short (`paced`). So does the call after an operation that lacked descriptors or memory.
//! * A running call does not see changes. A thread that changes the registrations while a call
//!   blocks notifies the selector's own wake descriptor, which is the first one in the list; the
//!   wait then starts again with the remaining time. The thread notifies after it has released the
//!   lock, since the thread that it wakes takes the lock at once. A call that does not block needs
//!   no notification, and leaves this descriptor out.
//! * The kernel holds the files that it polls. A descriptor that another thread closes is closed
//!   only when the call has been interrupted, which is the second reason to notify.
//! * `POLLERR`, `POLLHUP` and `POLLNVAL` are reported whether or not they are requested.
//! * A regular file is always ready, while epoll rejects it. We reject it too, and ask epoll on
//!   Linux.
//!
//! A wake of the user is such a change too: it is recorded with the waker. The wake descriptor only
//! means "check the registrations", so draining it cannot lose a wake.

use std::os::fd::RawFd;
use std::time::Duration;
use std::{fmt, io, mem, thread};

use super::backend;
use super::edge::paced;
use super::timeout::{self, Deadline};
use super::unix::pollable::Pollable;
use super::unix::table::{self, Guard, Record, TableWaker, Watcher};
use super::unix::{fd, poll_flags, WakeFd};
use super::Event;
use crate::readiness::Readiness;
use crate::sync::{lock, Arc, AtomicUsize, Ordering};
use crate::Token;

pub(crate) type Selector = Arc<Table>;
pub(crate) type Waker = TableWaker<Poller>;

type Table = table::Table<Poller>;
type Registrations = table::Registrations<Poller>;

#[derive(Debug)]
pub(crate) struct Poller {
    wake_fd: WakeFd,
    /// The number of the call that was interrupted last. It will check the registrations when it
    /// returns, so it need not be interrupted again.
    interrupted: AtomicUsize,
    pollable: Pollable,
}

pub(crate) struct State {
    /// The list for the kernel. The running call borrows it. It always has capacity for the wake
    /// descriptor and every record, so that no call allocates.
    list: Vec<libc::pollfd>,
    /// The capacity of the list, also while it is borrowed.
    capacity: usize,
    /// Whether the list has a source that has to be checked even if nothing holds for it.
    in_doubt: bool,
    /// The number of the running call, or of the last one. It does not have records with a larger
    /// number in its list: what it reports for their descriptors belongs to predecessors.
    call: u64,
    /// Whether the next report begins with the wakes. It alternates, so that neither a busy waker
    /// nor busy sources keep the other out of a small `Events`.
    wakes_first: bool,
    /// Whether a call is running that may block, and does not check the registrations until it
    /// returns.
    running: bool,
    /// The descriptor that was reported last. The next report starts behind it, so that each
    /// source gets its turn if `Events` is too small for all that are ready.
    last_reported: RawFd,
}

impl Watcher for Poller {
    type RawEvent = RawEvent;
    type State = State;

    const SHOWS_ABSENCE: bool = true;

    fn new() -> io::Result<(Poller, State)> {
        const INITIAL_CAPACITY: usize = 16;
        let wake_fd = WakeFd::new()?;
        let pollable = Pollable::new(wake_fd.fd())?;
        let poller = Poller {
            wake_fd,
            interrupted: AtomicUsize::new(0),
            pollable,
        };
        let state = State {
            list: Vec::with_capacity(INITIAL_CAPACITY),
            capacity: INITIAL_CAPACITY,
            in_doubt: false,
            call: 0,
            wakes_first: false,
            running: false,
            last_reported: -1,
        };
        Ok((poller, state))
    }

    fn check(&self, fd: RawFd) -> io::Result<()> {
        self.pollable.check(fd)
    }

    fn was_closed(&self, _: RawFd, record: &Record) -> io::Result<bool> {
        Ok(record.closed)
    }

    fn select(table: &Table, events: &mut Vec<Event>, end: Deadline) -> io::Result<()> {
        let mut skips_standing = false;
        loop {
            let (mut list, left) = table.begin(end, skips_standing);
            let place = list.iter().take_while(|entry| entry.fd < 0).count();
            let polled = match &mut list[place..] {
                // Horizon rejects an empty list, and WASI one without a timeout.
                [] if table.watcher.wake_fd.fd() < 0 => {
                    thread::sleep(paced(left, true).unwrap_or_default());
                    Ok(())
                }
                asked => fd::poll(asked, timeout::millis(left)),
            };
            table.end(list, polled, events)?;
            if !events.is_empty() || end.has_passed() {
                return Ok(());
            }
            skips_standing = !skips_standing;
        }
    }

    fn update(table: &Table, mut registrations: Guard<'_, Poller>, _: RawFd) -> io::Result<()> {
        registrations.reserve();
        table.interrupt(registrations)
    }

    fn wake(table: &Table, waker: u64) -> io::Result<()> {
        let mut registrations = lock(&table.registrations);
        if let Some(record) = registrations.wakers.get_mut(&waker) {
            record.pending = true;
        }
        table.interrupt(registrations)
    }
}

impl Table {
    /// Returns the list to poll, and the timeout. The call is short if it leaves sources out, which
    /// are those that pause, and, if it `skips_standing`, those with a lasting error.
    fn begin(&self, end: Deadline, skips_standing: bool) -> (Vec<libc::pollfd>, Option<Duration>) {
        let mut registrations = lock(&self.registrations);
        let mut list = mem::take(&mut registrations.state.list);
        list.clear();
        // The place of the wake descriptor, which is left out unless the call can block.
        list.push(fd::entry(-1, libc::POLLIN as u32));
        let mut left = end.left();
        registrations.state.in_doubt = false;
        let Registrations { records, state, .. } = &mut *registrations;
        for (&fd, record) in records {
            let Some(wanted) = record.wanted() else {
                continue;
            };
            if record.edge.take_pause() || skips_standing && record.edge.is_standing() {
                left = paced(left, true);
                continue;
            }
            state.in_doubt |= record.edge.is_in_doubt();
            list.push(fd::entry(fd, wanted));
        }
        // On 32 bits, a call long ago may have had the number of this one.
        let previous = registrations.state.call as usize;
        self.watcher.interrupted.store(previous, Ordering::Relaxed);
        registrations.state.call = registrations.next_number();
        if registrations.wakers.values().any(|waker| waker.pending) {
            // The wake came before this call, or did not fit into the last `Events`.
            left = Some(Duration::ZERO);
        }
        if left != Some(Duration::ZERO) {
            list[0].fd = self.watcher.wake_fd.fd();
            registrations.state.running = true;
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
        let (wake_fd, sources) = list.split_at(1);
        let was_notified = wake_fd.iter().any(|entry| entry.revents != 0);
        // Not under the lock, for which other threads may be waiting. Their changes from here on
        // are seen below, or notify again.
        let outcome = polled.and_then(|()| match was_notified {
            true => self.watcher.wake_fd.drain(),
            false => Ok(()),
        });
        let mut registrations = lock(&self.registrations);
        registrations.state.running = false;
        if outcome.is_ok() {
            registrations.report(sources, events);
        }
        // A registration during the call may have left a larger list.
        if registrations.state.list.capacity() < list.capacity() {
            registrations.state.list = list;
        }
        outcome
    }

    /// Makes a running call check the registrations again, which the caller has changed. They are
    /// unlocked first: the thread that returns from the call needs them.
    fn interrupt(&self, registrations: Guard<'_, Poller>) -> io::Result<()> {
        let running = registrations.state.running;
        let call = registrations.state.call as usize;
        drop(registrations);
        if !running || self.watcher.interrupted.load(Ordering::Acquire) == call {
            return Ok(());
        }
        // It has room: each call is interrupted once, and the next one that may block drains it.
        self.watcher.wake_fd.notify()?;
        self.watcher.interrupted.store(call, Ordering::Release);
        Ok(())
    }
}

impl Registrations {
    /// Replaces `list` if its capacity does not suffice. If a call has borrowed it, the larger one is
    /// kept when the call ends.
    fn reserve(&mut self) {
        let needed = 1 + self.records.len();
        if self.state.capacity < needed {
            self.state.list = Vec::with_capacity(needed.next_power_of_two());
            self.state.capacity = self.state.list.capacity();
        }
    }

    fn report(&mut self, list: &[libc::pollfd], events: &mut Vec<Event>) {
        if self.state.wakes_first {
            self.report_wakes(events);
            self.report_sources(list, events);
        } else {
            self.report_sources(list, events);
            self.report_wakes(events);
        }
        self.state.wakes_first = !self.state.wakes_first;
    }

    fn report_wakes(&mut self, events: &mut Vec<Event>) {
        for waker in self.wakers.values_mut() {
            if waker.pending && has_capacity(events) {
                waker.pending = false;
                events.push(Event::of_wake(waker.token));
            }
        }
    }

    /// Reports what is ready in `list`, which is sorted by descriptor, starting behind the
    /// descriptor that was reported last.
    fn report_sources(&mut self, list: &[libc::pollfd], events: &mut Vec<Event>) {
        let first = list.partition_point(|entry| entry.fd <= self.state.last_reported);
        let (before, after) = list.split_at(first);
        let (call, in_doubt) = (self.state.call, self.state.in_doubt);
        let is_relevant = |entry: &&libc::pollfd| entry.revents != 0 || in_doubt;
        for entry in after.iter().chain(before).filter(is_relevant) {
            if !has_capacity(events) {
                return;
            }
            let record = self.records.get_mut(&entry.fd);
            if let Some(record) = record.filter(|record| record.number < call) {
                if let Some(event) = record.report(entry.revents as u32) {
                    events.push(event);
                    self.state.last_reported = entry.fd;
                }
            }
        }
    }
}

impl Record {
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
        Some(Event {
            raw: RawEvent {
                token: self.token,
                flags,
            },
        })
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

/// An event as the kernel would write it if it had a queue.
#[derive(Clone)]
pub(crate) struct RawEvent {
    token: Token,
    flags: u32,
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
