//! Event ports, see `port_create(3C)`: the kernel holds associations of descriptors, each
//! good for one event.
//!
//! How it differs from other mechanisms:
//!
//! * An association ends when its event is taken. What is still to be watched is
//!   associated anew, with the conditions that are armed; `edge.rs` says which.
//! * Associating looks at the descriptor at once, so that nothing is lost between an
//!   event and the next association. Associating what is associated replaces it.
//! * An event says what was true when it was put into the queue, if not only what woke it:
//!   before the user has acted on the last one, or while something else was about to come. It
//!   is taken for a sign to look; what is true poll(2) is asked.
//! * Errors are reported whether asked for or not. A source whose error stands is not
//!   associated, but looked at from time to time (`begin`): another poll that watches the port
//!   does not hear of what comes beside the error.
//! * An association carries a number of ours, which tells those of a descriptor that was
//!   closed, and whose number was used again, from those of its successor.
//! * `port_getn` answers `ETIME` after the timeout, with or without events. A descriptor that
//!   is not open is `EBADFD`.
//! * Any thread can send an event of its own, which is the waker. The port does not unite
//!   them, and keeps them when their sender is gone.
//! * A regular file is always ready, where epoll refuses it; so do we.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;
use std::{fmt, io, mem, ptr};

use super::backend::{self, Outcome};
use super::edge::{self, Edge};
use super::error::{already_registered, not_registered};
use super::family::{check, check_pollable, set_cloexec};
use super::timeout::{self, Deadline};
use super::Event;
use crate::readiness::Readiness;
use crate::sync::{lock, Arc, Mutex};
use crate::{Interest, Token};

// The system's declarations. Tests on Linux supply a shim.
#[cfg(not(mio_test_event_port_shim))]
use libc as os;
#[cfg(mio_test_event_port_shim)]
#[path = "../../ci/event_port_shim.rs"]
mod os;

mod fd_link;
mod poll_flags;
mod queue_fd;
mod readiness_flags;
mod rearming;

use fd_link::{look, Link};

/// Whether a call also shows which conditions do not hold.
const SHOWS_ABSENCE: bool = false;

pub(crate) struct Selector {
    shared: Arc<Shared>,
}

/// What the selector shares with its clones and sources.
struct Shared {
    port: OwnedFd,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    records: BTreeMap<RawFd, Record>,
    wakers: Vec<WakerRecord>,
    /// The number of the newest record of either kind.
    newest: usize,
    /// Whether there may be a source whose error stands.
    standing: bool,
}

struct Record {
    token: Token,
    edge: Edge,
    number: usize,
}

/// One living waker.
struct WakerRecord {
    number: usize,
    token: Token,
    /// Whether its event is in the port, or is being sent. One is enough.
    ringing: bool,
}

impl backend::Selector for Selector {
    type RawEvent = RawEvent;
    type Registration = rearming::Registration;

    fn new() -> io::Result<Selector> {
        // SAFETY: takes no pointer.
        let fd = check(unsafe { os::port_create() })?;
        // SAFETY: the kernel just made `fd` for us; nobody else knows of it.
        let port = unsafe { OwnedFd::from_raw_fd(fd) };
        set_cloexec(port.as_fd())?;
        Ok(Selector {
            shared: Arc::new(Shared {
                port,
                books: Mutex::default(),
            }),
        })
    }

    fn try_clone(&self) -> io::Result<Selector> {
        Ok(Selector {
            shared: Arc::clone(&self.shared),
        })
    }

    /// Waits again with what is left of the time while all that came tells the user nothing,
    /// which may have taken the room of what does.
    fn select(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let deadline = Deadline::after(timeout);
        loop {
            let left = self.shared.begin(deadline);
            self.shared.take(events, left)?;
            let came = !events.is_empty();
            self.shared.settle(events)?;
            if !events.is_empty() || !came && deadline.has_passed() {
                return Ok(());
            }
        }
    }
}

impl Shared {
    /// Associates the sources whose error stands if there is anything else to report of them,
    /// and tells how long to wait until the next look.
    fn begin(&self, deadline: Deadline) -> Option<Duration> {
        let mut books = lock(&self.books);
        let left = deadline.left();
        if !books.standing {
            return left;
        }
        books.standing = false;
        let Books {
            records, standing, ..
        } = &mut *books;
        for (&fd, record) in records {
            if !record.edge.is_standing() {
                continue;
            }
            let flags = look(fd, &record.edge);
            let mut then = record.edge.clone();
            if poll_flags::EDGES.deliver(&mut then, flags).is_none() && then.is_standing() {
                *standing = true;
                continue;
            }
            poll_flags::EDGES.settle(&mut record.edge, flags);
            // Nobody is there to hear of a failure, which a closed descriptor is.
            let _ = self.associate(fd, record);
        }
        if !books.standing {
            return left;
        }
        Some(left.map_or(edge::PACE, |left| left.min(edge::PACE)))
    }

    /// Takes events from the port as they are.
    fn take(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let mut timeout = timeout.map(timeout::timespec);
        let room = events.capacity().min(libc::c_int::MAX as usize);
        // How many to wait for, and then how many there are.
        let mut taken: libc::c_uint = 1;
        // SAFETY: `events` has room for `room` entries of the kernel's layout, which a
        // transparent `Event` has. The timeout and the count outlive the call.
        let answer = check(unsafe {
            os::port_getn(
                self.port.as_raw_fd(),
                events.as_mut_ptr().cast(),
                room as _,
                &mut taken,
                timeout.as_mut().map_or(ptr::null_mut(), |it| it as *mut _),
            )
        });
        match answer {
            Err(error) if error.raw_os_error() != Some(libc::ETIME) => return Err(error),
            _ => {}
        }
        // SAFETY: the kernel has initialised the first `taken` entries, and it was given no
        // more room than the capacity of `events`.
        unsafe { events.set_len((taken as usize).min(room)) };
        Ok(())
    }

    /// Turns what came from the port into events, and drops what tells the user nothing.
    fn settle(&self, events: &mut Vec<Event>) -> io::Result<()> {
        let mut books = lock(&self.books);
        let mut outcome = Ok(());
        events.retain_mut(|event| {
            let raw = event.raw_mut();
            let told = if raw.is_wake() {
                books.heard(raw.user())
            } else {
                self.report(&mut books, raw, &mut outcome)
            };
            if let Some((token, flags)) = told {
                raw.tell(token, flags);
            }
            told.is_some()
        });
        // Events that were taken are gone from the port: they go to the user now, and the
        // error comes up again with the next operation on its source.
        if events.is_empty() {
            outcome
        } else {
            Ok(())
        }
    }

    /// What to tell the user of a source's event. What is still armed is associated anew.
    fn report(
        &self,
        books: &mut Books,
        raw: &RawEvent,
        outcome: &mut io::Result<()>,
    ) -> Option<(Token, u32)> {
        let fd = raw.fd();
        let record = books.records.get_mut(&fd)?;
        if record.number != raw.user() {
            return None;
        }
        let flags = look(fd, &record.edge);
        let told = poll_flags::deliver(&mut record.edge, flags);
        books.standing |= record.edge.is_standing();
        match self.associate(fd, record) {
            // It was closed without being deregistered.
            Err(error) if error.raw_os_error() == Some(libc::EBADF) => {}
            Err(error) => *outcome = Err(error),
            Ok(()) => {}
        }
        Some((record.token, told?))
    }

    /// Has the kernel watch what is armed.
    fn associate(&self, fd: RawFd, record: &Record) -> io::Result<()> {
        let Some(flags) = record.wanted() else {
            return Ok(());
        };
        // SAFETY: the pointer is a number of ours that nobody follows.
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

    /// Ends the association of `fd`; `false` if there is none.
    fn dissociate(&self, fd: RawFd) -> io::Result<bool> {
        // SAFETY: takes no pointer.
        let gone = check_port(unsafe {
            os::port_dissociate(self.port.as_raw_fd(), os::PORT_SOURCE_FD, fd as usize)
        });
        match gone {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            gone => gone.map(|()| true),
        }
    }

    /// Whether the descriptor of a record is still open. Its number may be another one's by
    /// now, with which the kernel has no association.
    fn is_open(&self, fd: RawFd, record: &Record) -> io::Result<bool> {
        // Of what is not associated now the kernel knows nothing. Then the user is believed,
        // who has opened something that is not registered.
        let open = record.wanted().is_some() && self.dissociate(fd)?;
        if open {
            self.associate(fd, record)?;
        }
        Ok(open)
    }

    fn add(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        check_pollable(fd)?;
        let mut books = lock(&self.books);
        if let Some(record) = books.records.get(&fd) {
            if self.is_open(fd, record)? {
                return Err(already_registered());
            }
        }
        let record = Record {
            token,
            edge: Edge::new(interest),
            number: books.next_number(),
        };
        self.associate(fd, &record)?;
        books.records.insert(fd, record);
        Ok(())
    }

    fn modify(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        let mut books = lock(&self.books);
        let Some(record) = books.records.get_mut(&fd) else {
            check_pollable(fd)?;
            return Err(not_registered());
        };
        record.token = token;
        record.edge = Edge::new(interest);
        self.associate(fd, record)
    }

    fn remove(&self, fd: RawFd) -> io::Result<()> {
        let mut books = lock(&self.books);
        books.records.remove(&fd).ok_or_else(not_registered)?;
        // There is no association if its event was taken, and nothing was armed since.
        self.dissociate(fd).map(drop)
    }

    fn rearm(&self, fd: RawFd, directions: Interest, outcome: Outcome<'_>) {
        let mut books = lock(&self.books);
        let Some(record) = books.records.get_mut(&fd) else {
            return;
        };
        if fd_link::rearm(fd, &mut record.edge, directions, outcome) {
            // Nobody is there to hear of a failure, which a closed descriptor is.
            let _ = self.associate(fd, record);
        }
    }
}

impl Books {
    fn next_number(&mut self) -> usize {
        self.newest += 1;
        self.newest
    }

    fn waker(&mut self, number: usize) -> Option<&mut WakerRecord> {
        self.wakers.iter_mut().find(|waker| waker.number == number)
    }

    /// The event of a waker was taken, which may be gone.
    fn heard(&mut self, number: usize) -> Option<(Token, u32)> {
        let waker = self.waker(number)?;
        waker.ringing = false;
        Some((waker.token, libc::POLLIN as u32))
    }
}

impl Record {
    /// The flags to associate; `None` for no association.
    fn wanted(&self) -> Option<u32> {
        let wanted = poll_flags::EDGES.wanted(&self.edge);
        wanted.filter(|_| !self.edge.is_standing())
    }
}

/// As [`check`]. Of ports only, a descriptor that is not open is `EBADFD`.
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

/// The waker: an event sent to the port. While one is undelivered it serves for all wakes, so
/// that the port's limit on such events is out of reach.
pub(crate) struct Waker {
    shared: Arc<Shared>,
    number: usize,
}

impl backend::Wake<Selector> for Waker {
    fn new(selector: &Selector, token: Token) -> io::Result<Waker> {
        let shared = Arc::clone(&selector.shared);
        let mut books = lock(&shared.books);
        let number = books.next_number();
        books.wakers.push(WakerRecord {
            number,
            token,
            ringing: false,
        });
        drop(books);
        Ok(Waker { shared, number })
    }

    /// Sends under no lock: the thread that it wakes takes the lock next.
    fn wake(&self) -> io::Result<()> {
        if self.set_ringing(true) {
            return Ok(());
        }
        // SAFETY: the pointer is a number that nobody follows.
        let sent = check(unsafe {
            os::port_send(
                self.shared.port.as_raw_fd(),
                libc::POLLIN.into(),
                self.number as *mut libc::c_void,
            )
        });
        if sent.is_err() {
            self.set_ringing(false);
        }
        sent.map(drop)
    }
}

impl Waker {
    /// What it was before.
    fn set_ringing(&self, ringing: bool) -> bool {
        let mut books = lock(&self.shared.books);
        let record = books.waker(self.number);
        record.is_some_and(|record| mem::replace(&mut record.ringing, ringing))
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
            .field("port", &self.shared.port)
            .finish()
    }
}

/// An event as the kernel wrote it; `settle` puts the token in the place of our number, and
/// the flags for the user in that of the kernel's.
#[derive(Clone)]
#[repr(transparent)]
pub(crate) struct RawEvent(os::port_event);

// SAFETY: the only pointer in it is a number or a token, and is never followed.
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

    fn tell(&mut self, token: Token, flags: u32) {
        self.0.portev_user = token.0 as *mut libc::c_void;
        self.0.portev_events = flags as _;
    }
}

impl backend::RawEvent for RawEvent {
    #[inline]
    fn token(&self) -> Token {
        Token(self.user())
    }

    #[inline]
    fn readiness(&self) -> Readiness {
        poll_flags::POLL.fold(self.flags())
    }

    fn fmt_flags(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        poll_flags::fmt(f, self.flags())
    }
}
