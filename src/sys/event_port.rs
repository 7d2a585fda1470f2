//! Event ports, see `port_create(3C)`: the kernel keeps associations of descriptors, each of which
//! causes one event.
//!
//! How it differs from other mechanisms:
//!
//! * An association ends when its event is taken. A source that is still watched is associated
//!   again, with the conditions that are armed according to `edge.rs`.
//! * Associating checks the descriptor at once, so nothing is lost between an event and the next
//!   association. Associating a descriptor again replaces its association.
//! * An event contains what was true when it was queued, or only the condition that caused it: the
//!   user may not have reacted to the last one yet, and more may have happened since. An event is
//!   therefore only a reason to check the descriptor, with poll(2).
//! * Errors are reported whether or not they are requested. A source with a lasting error is not
//!   associated, but checked from time to time (`begin`). Another poll that watches the port
//!   therefore misses other conditions of this source.
//! * An association contains a number that we assign, which distinguishes it from that of a
//!   predecessor whose descriptor was closed and has been reused.
//! * `port_getn` fails with `ETIME` after the timeout, with or without events. The error for a
//!   descriptor that is not open is `EBADFD`.
//! * Any thread can send an event, which implements the waker. The port does not coalesce such
//!   events, and keeps those of a waker that was dropped.
//! * A regular file is always ready, while epoll rejects it. We reject it too.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;
use std::{fmt, io, mem, ptr};

use super::backend::{self, Outcome};
use super::edge::linked::Linked;
use super::edge::{self, Edge};
use super::error::{already_registered, not_registered};
use super::timeout::{self, Deadline};
use super::unix::fd::{check, set_cloexec};
use super::unix::poll_flags;
use super::unix::pollable::check_pollable;
use super::unix::registration::{self, current_flags, FdLink, FdSelector, FdTable};
use super::Event;
use crate::readiness::Readiness;
use crate::sync::{lock, Arc, Mutex};
use crate::{Interest, Token};

// The system's declarations. Tests on Linux use a shim, which is not a part of the crate.
#[cfg(not(mio_test_event_port_shim))]
use libc as os;
#[cfg(mio_test_event_port_shim)]
#[path = "../../tests/shims/event_port.rs"]
mod os;

#[derive(Clone)]
pub(crate) struct Selector {
    shared: Arc<Shared>,
}

/// What the selector shares with its clones and sources.
struct Shared {
    port: OwnedFd,
    registrations: Mutex<Registrations>,
}

#[derive(Default)]
struct Registrations {
    records: BTreeMap<RawFd, Record>,
    wakers: Vec<WakerRecord>,
    /// The number of the newest record of either kind.
    newest: usize,
    /// Whether there may be a source with a lasting error.
    standing: bool,
}

struct Record {
    token: Token,
    edge: Edge,
    number: usize,
}

/// A live waker.
struct WakerRecord {
    number: usize,
    token: Token,
    /// Whether its event is in the port, or is being sent. One is enough.
    sent: bool,
}

impl backend::Selector for Selector {
    type RawEvent = RawEvent;
    type Registration = Linked<FdLink<Selector>>;

    fn new() -> io::Result<Selector> {
        // SAFETY: takes no pointer.
        let fd = check(unsafe { os::port_create() })?;
        // SAFETY: the kernel has just created `fd`, and nothing else owns it.
        let port = unsafe { OwnedFd::from_raw_fd(fd) };
        set_cloexec(port.as_fd())?;
        Ok(Selector {
            shared: Arc::new(Shared {
                port,
                registrations: Mutex::default(),
            }),
        })
    }

    fn try_clone(&self) -> io::Result<Selector> {
        Ok(self.clone())
    }

    /// Waits again for the remaining time if no event of the port is one for the user. Such events
    /// may have taken the space of others.
    fn select(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let deadline = Deadline::after(timeout);
        loop {
            let left = self.shared.begin(deadline);
            self.shared.dequeue(events, left)?;
            let had_any = !events.is_empty();
            self.shared.translate(events)?;
            if !events.is_empty() || !had_any && deadline.has_passed() {
                return Ok(());
            }
        }
    }
}

impl Shared {
    /// Associates sources with a lasting error if there is anything else to report of them. Returns
    /// the time to wait until the next check.
    fn begin(&self, deadline: Deadline) -> Option<Duration> {
        let mut registrations = lock(&self.registrations);
        let left = deadline.left();
        if !registrations.standing {
            return left;
        }
        registrations.standing = false;
        let Registrations {
            records, standing, ..
        } = &mut *registrations;
        for (&fd, record) in records {
            if !record.edge.is_standing() {
                continue;
            }
            let flags = current_flags(fd, &record.edge);
            let mut then = record.edge.clone();
            if poll_flags::EDGES.deliver(&mut then, flags).is_none() && then.is_standing() {
                *standing = true;
                continue;
            }
            poll_flags::EDGES.settle(&mut record.edge, flags);
            // The error cannot be returned. It means that the descriptor is closed.
            let _ = self.associate(fd, record);
        }
        if !registrations.standing {
            return left;
        }
        Some(left.map_or(edge::PACE, |left| left.min(edge::PACE)))
    }

    /// Takes events from the port, as the kernel writes them.
    fn dequeue(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let mut timeout = timeout.map(timeout::timespec);
        let capacity = events.capacity().min(libc::c_int::MAX as usize);
        // The number of events to wait for, and then the number of events taken.
        let mut taken: libc::c_uint = 1;
        // SAFETY: `events` has capacity for the entries, and `Event` has the kernel's layout, since
        // it is transparent. The timeout and the count outlive the call.
        let result = check(unsafe {
            os::port_getn(
                self.port.as_raw_fd(),
                events.as_mut_ptr().cast(),
                capacity as _,
                &mut taken,
                timeout.as_mut().map_or(ptr::null_mut(), |it| it as *mut _),
            )
        });
        match result {
            Err(error) if error.raw_os_error() != Some(libc::ETIME) => return Err(error),
            _ => {}
        }
        // SAFETY: the kernel has initialised the first `taken` entries, which are not more than the
        // capacity of `events`.
        unsafe { events.set_len((taken as usize).min(capacity)) };
        Ok(())
    }

    /// Translates events of the port to events for the user, and drops those that are none.
    fn translate(&self, events: &mut Vec<Event>) -> io::Result<()> {
        let mut registrations = lock(&self.registrations);
        let mut outcome = Ok(());
        events.retain_mut(|event| {
            let raw = &mut event.raw;
            let reported = if raw.is_wake() {
                registrations.take_wake(raw.user())
            } else {
                self.report(&mut registrations, raw, &mut outcome)
            };
            if let Some((token, flags)) = reported {
                raw.set(token, flags);
            }
            reported.is_some()
        });
        // Events that were taken are no longer in the port, so they are returned now. The error
        // occurs again with the next operation on its source.
        if events.is_empty() {
            outcome
        } else {
            Ok(())
        }
    }

    /// Returns the event for the user. A source that is still armed is associated again.
    fn report(
        &self,
        registrations: &mut Registrations,
        raw: &RawEvent,
        outcome: &mut io::Result<()>,
    ) -> Option<(Token, u32)> {
        let fd = raw.fd();
        let record = registrations.records.get_mut(&fd)?;
        if record.number != raw.user() {
            return None;
        }
        let flags = current_flags(fd, &record.edge);
        let reported = poll_flags::deliver(&mut record.edge, flags);
        registrations.standing |= record.edge.is_standing();
        match self.associate(fd, record) {
            // It was closed without being deregistered.
            Err(error) if error.raw_os_error() == Some(libc::EBADF) => {}
            Err(error) => *outcome = Err(error),
            Ok(()) => {}
        }
        Some((record.token, reported?))
    }

    /// Makes the kernel watch the conditions that are armed.
    fn associate(&self, fd: RawFd, record: &Record) -> io::Result<()> {
        let Some(flags) = record.wanted() else {
            return Ok(());
        };
        // SAFETY: the pointer is a number, which the kernel does not follow.
        check_port(unsafe {
            os::port_associate(
                self.port.as_raw_fd(),
                os::PORT_SOURCE_FD,
                fd as usize,
                flags as _,
                record.number as *mut libc::c_void,
            )
        })
    }

    /// Ends the association of `fd`. Returns `false` if there is none.
    fn dissociate(&self, fd: RawFd) -> io::Result<bool> {
        // SAFETY: takes no pointer.
        let ended = check_port(unsafe {
            os::port_dissociate(self.port.as_raw_fd(), os::PORT_SOURCE_FD, fd as usize)
        });
        match ended {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            ended => ended.map(|()| true),
        }
    }

    /// Returns whether the descriptor of a record is still open. It may have been closed and
    /// reused, and has no association then.
    fn is_open(&self, fd: RawFd, record: &Record) -> io::Result<bool> {
        // The kernel cannot say whether the descriptor of a record without an association was
        // closed. It is assumed that it was, since the user registers it again.
        let open = record.wanted().is_some() && self.dissociate(fd)?;
        if open {
            self.associate(fd, record)?;
        }
        Ok(open)
    }
}

impl FdSelector for Selector {
    fn add(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        poll_flags::check(interest)?;
        check_pollable(fd)?;
        let mut registrations = lock(&self.shared.registrations);
        if let Some(record) = registrations.records.get(&fd) {
            if self.shared.is_open(fd, record)? {
                return Err(already_registered());
            }
        }
        let record = Record {
            token,
            edge: Edge::new(interest),
            number: registrations.next_number(),
        };
        self.shared.associate(fd, &record)?;
        registrations.records.insert(fd, record);
        Ok(())
    }

    fn modify(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        poll_flags::check(interest)?;
        let mut registrations = lock(&self.shared.registrations);
        let Some(record) = registrations.records.get_mut(&fd) else {
            check_pollable(fd)?;
            return Err(not_registered());
        };
        record.token = token;
        record.edge = Edge::new(interest);
        self.shared.associate(fd, record)
    }

    fn remove(&self, fd: RawFd) -> io::Result<()> {
        let mut registrations = lock(&self.shared.registrations);
        let removed = registrations.records.remove(&fd);
        removed.ok_or_else(not_registered)?;
        // There is no association if its event was taken and nothing has been armed since.
        self.shared.dissociate(fd).map(drop)
    }
}

impl FdTable for Selector {
    fn is_same(&self, other: &Selector) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    fn rearm(&self, fd: RawFd, directions: Interest, outcome: Outcome<'_>) {
        /// An event shows only conditions that hold.
        const SHOWS_ABSENCE: bool = false;
        let mut registrations = lock(&self.shared.registrations);
        let Some(record) = registrations.records.get_mut(&fd) else {
            return;
        };
        if registration::rearm(fd, &mut record.edge, directions, outcome, SHOWS_ABSENCE) {
            // The error cannot be returned. It means that the descriptor is closed.
            let _ = self.shared.associate(fd, record);
        }
    }
}

impl Registrations {
    fn next_number(&mut self) -> usize {
        self.newest += 1;
        self.newest
    }

    fn waker(&mut self, number: usize) -> Option<&mut WakerRecord> {
        self.wakers.iter_mut().find(|waker| waker.number == number)
    }

    /// Returns the event of a waker; `None` if the waker was dropped.
    fn take_wake(&mut self, number: usize) -> Option<(Token, u32)> {
        let waker = self.waker(number)?;
        waker.sent = false;
        Some((waker.token, libc::POLLIN as u32))
    }
}

impl Record {
    /// Returns the flags to associate; `None` for no association.
    fn wanted(&self) -> Option<u32> {
        let wanted = poll_flags::EDGES.wanted(&self.edge);
        wanted.filter(|_| !self.edge.is_standing())
    }
}

/// Like [`check`], for calls that fail with `EBADFD` if a descriptor is not open.
fn check_port(result: libc::c_int) -> io::Result<()> {
    match check(result) {
        Err(error) if error.raw_os_error() == Some(libc::EBADFD) => {
            Err(io::Error::from_raw_os_error(libc::EBADF))
        }
        result => result.map(drop),
    }
}

impl AsFd for Selector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.port.as_fd()
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selector")
            .field("port", &self.shared.port)
            .finish_non_exhaustive()
    }
}

/// The waker sends an event to the port. At most one is in the port, which thus does not reach its
/// limit on such events.
pub(crate) struct Waker {
    shared: Arc<Shared>,
    number: usize,
}

impl backend::Wake<Selector> for Waker {
    fn new(selector: &Selector, token: Token) -> io::Result<Waker> {
        let shared = Arc::clone(&selector.shared);
        let mut registrations = lock(&shared.registrations);
        let number = registrations.next_number();
        registrations.wakers.push(WakerRecord {
            number,
            token,
            sent: false,
        });
        drop(registrations);
        Ok(Waker { shared, number })
    }

    /// Sends without holding the lock, which the thread that it wakes takes next.
    fn wake(&self) -> io::Result<()> {
        if self.set_sent(true) {
            return Ok(());
        }
        // SAFETY: the pointer is a number, which is not followed.
        let sent = check(unsafe {
            os::port_send(
                self.shared.port.as_raw_fd(),
                libc::POLLIN.into(),
                self.number as *mut libc::c_void,
            )
        });
        if sent.is_err() {
            self.set_sent(false);
        }
        sent.map(drop)
    }
}

impl Waker {
    /// Returns the previous value.
    fn set_sent(&self, sent: bool) -> bool {
        let mut registrations = lock(&self.shared.registrations);
        let record = registrations.waker(self.number);
        record.is_some_and(|record| mem::replace(&mut record.sent, sent))
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
            .field("port", &self.shared.port)
            .finish()
    }
}

/// An event as the kernel writes it. `translate` replaces our number by the token, and the flags by
/// those for the user.
#[derive(Clone)]
#[repr(transparent)]
pub(crate) struct RawEvent(os::port_event);

// SAFETY: the only pointer in it is a number or a token, which is not followed.
unsafe impl Send for RawEvent {}

// SAFETY: as above.
unsafe impl Sync for RawEvent {}

impl RawEvent {
    fn is_wake(&self) -> bool {
        libc::c_int::from(self.0.portev_source) == os::PORT_SOURCE_USER
    }

    fn fd(&self) -> RawFd {
        self.0.portev_object as RawFd
    }

    fn user(&self) -> usize {
        self.0.portev_user as usize
    }

    fn flags(&self) -> u32 {
        self.0.portev_events as u32
    }

    fn set(&mut self, token: Token, flags: u32) {
        self.0.portev_user = token.0 as *mut libc::c_void;
        self.0.portev_events = flags as _;
    }
}

impl backend::RawEvent for RawEvent {
    fn of_wake(token: Token) -> RawEvent {
        // SAFETY: made of integers and a pointer, for which zero is a value.
        let mut event = RawEvent(unsafe { mem::zeroed() });
        event.set(token, libc::POLLIN as u32);
        event
    }

    #[inline]
    fn token(&self) -> Token {
        Token(self.user())
    }

    #[inline]
    fn readiness(&self) -> Readiness {
        poll_flags::POLL.to_readiness(self.flags())
    }

    fn fmt_flags(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        poll_flags::fmt(f, self.flags())
    }
}
