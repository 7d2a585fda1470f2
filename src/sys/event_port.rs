//! Event ports, see `port_create(3C)`: the kernel holds associations of descriptors, each
//! good for one event.
//!
//! How it differs from other mechanisms:
//!
//! * An association ends when its event is taken. What is still to be watched is
//!   associated anew, with the conditions that are armed; `edge.rs` says which.
//! * Associating looks at the descriptor at once, so that nothing is lost between an
//!   event and the next association. Associating what is associated replaces it.
//! * An association carries a number of ours, which tells those of a descriptor that was
//!   closed, and whose number was used again, from those of its successor.
//! * `port_getn` answers `ETIME` after the timeout, with or without events.
//! * Any thread can send an event of its own, which is the waker.
//! * A regular file is always ready, where epoll refuses it; so do we.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;
use std::{fmt, io, ptr};

use super::edge::Edge;
use super::family::{check, check_pollable, set_cloexec};
use super::misuse::{already_registered, not_registered};
use super::seam::{self, Outcome};
use super::timeout::{self, Deadline};
use super::Event;
use crate::readiness::Readiness;
use crate::sync::{lock, Arc, Mutex};
use crate::{Interest, Token};

mod fd_link;
mod poll_flags;
mod queue_fd;
mod readiness_flags;
mod rearming;

use fd_link::Link;

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
    /// The number of the newest record.
    newest: usize,
}

struct Record {
    token: Token,
    edge: Edge,
    number: usize,
}

impl seam::Selector for Selector {
    type RawEvent = RawEvent;
    type Registration = rearming::Registration;

    fn new() -> io::Result<Selector> {
        // SAFETY: takes no pointer.
        let fd = check(unsafe { libc::port_create() })?;
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

    /// Waits again with what is left of the time while all that came was about
    /// registrations that are gone.
    fn select(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let deadline = Deadline::after(timeout);
        loop {
            self.shared.take(events, deadline.left())?;
            self.shared.settle(events)?;
            if !events.is_empty() || deadline.has_passed() {
                return Ok(());
            }
        }
    }
}

impl Shared {
    /// Takes events from the port as they are.
    fn take(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let mut timeout = timeout.map(timeout::timespec);
        let room = events.capacity().min(libc::c_int::MAX as usize);
        // How many to wait for, and then how many there are.
        let mut taken: libc::c_uint = 1;
        // SAFETY: `events` has room for `room` entries of the kernel's layout, which a
        // transparent `Event` has. The timeout and the count outlive the call.
        let answer = check(unsafe {
            libc::port_getn(
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

    /// Turns what came from the port into events: with the token of the source, without
    /// what nobody waits for, and with what is still armed associated anew.
    fn settle(&self, events: &mut Vec<Event>) -> io::Result<()> {
        let mut books = lock(&self.books);
        let mut outcome = Ok(());
        events.retain_mut(|event| {
            let raw = event.raw_mut();
            if raw.is_wake() {
                return true;
            }
            let Some(record) = books.records.get_mut(&raw.fd()) else {
                return false;
            };
            if record.number != raw.user() {
                return false;
            }
            let told = poll_flags::deliver(&mut record.edge, raw.flags());
            match self.associate(raw.fd(), record) {
                // It was closed without being deregistered.
                Err(error) if error.raw_os_error() == Some(libc::EBADF) => {}
                Err(error) => outcome = Err(error),
                Ok(()) => {}
            }
            match told {
                Some(flags) => {
                    raw.tell(record.token, flags);
                    true
                }
                None => false,
            }
        });
        // Events that were taken are gone from the port: they go to the user now, and the
        // error comes up again with the next operation on its source.
        if events.is_empty() {
            outcome
        } else {
            Ok(())
        }
    }

    /// Has the kernel watch what is armed.
    fn associate(&self, fd: RawFd, record: &Record) -> io::Result<()> {
        let Some(flags) = poll_flags::EDGES.wanted(&record.edge) else {
            return Ok(());
        };
        // SAFETY: the pointer is a number of ours that nobody follows.
        check(unsafe {
            libc::port_associate(
                self.port.as_raw_fd(),
                libc::PORT_SOURCE_FD,
                fd as usize,
                flags as _,
                record.number as *mut libc::c_void,
            )
        })?;
        Ok(())
    }

    fn add(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        check_pollable(fd)?;
        let mut books = lock(&self.books);
        if books.records.contains_key(&fd) {
            return Err(already_registered());
        }
        books.newest += 1;
        let record = Record {
            token,
            edge: Edge::new(interest),
            number: books.newest,
        };
        self.associate(fd, &record)?;
        books.records.insert(fd, record);
        Ok(())
    }

    fn modify(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        let mut books = lock(&self.books);
        let record = books.records.get_mut(&fd).ok_or_else(not_registered)?;
        record.token = token;
        record.edge = Edge::new(interest);
        self.associate(fd, record)
    }

    fn remove(&self, fd: RawFd) -> io::Result<()> {
        let mut books = lock(&self.books);
        books.records.remove(&fd).ok_or_else(not_registered)?;
        // SAFETY: takes no pointer.
        let gone = check(unsafe {
            libc::port_dissociate(self.port.as_raw_fd(), libc::PORT_SOURCE_FD, fd as usize)
        });
        match gone {
            // Its event has been taken, and nothing was armed since.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            gone => gone.map(drop),
        }
    }

    fn rearm(&self, fd: RawFd, directions: Interest, outcome: Outcome<'_>) {
        let mut books = lock(&self.books);
        if let Some(record) = books.records.get_mut(&fd) {
            if record.edge.rearm(&poll_flags::EDGES, directions, outcome) {
                // Nobody is there to hear of a failure, which a closed descriptor is.
                let _ = self.associate(fd, record);
            }
        }
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

/// The waker: an event sent to the port. While wakes are undelivered they are one, so that
/// the port's limit on such events is out of reach.
pub(crate) struct Waker {
    shared: Arc<Shared>,
    token: Token,
}

impl seam::Wake<Selector> for Waker {
    fn new(selector: &Selector, token: Token) -> io::Result<Waker> {
        Ok(Waker {
            shared: Arc::clone(&selector.shared),
            token,
        })
    }

    fn wake(&self) -> io::Result<()> {
        // SAFETY: the pointer is a token that nobody follows.
        check(unsafe {
            libc::port_send(
                self.shared.port.as_raw_fd(),
                libc::POLLIN.into(),
                self.token.0 as *mut libc::c_void,
            )
        })?;
        Ok(())
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waker")
            .field("port", &self.shared.port)
            .finish()
    }
}

/// An event as the kernel wrote it; `settle` puts the token in the place of our number.
#[derive(Clone)]
#[repr(transparent)]
pub(crate) struct RawEvent(libc::port_event);

// SAFETY: the only pointer in it is a number or a token, and is never followed.
unsafe impl Send for RawEvent {}

// SAFETY: as above.
unsafe impl Sync for RawEvent {}

impl RawEvent {
    fn is_wake(&self) -> bool {
        libc::c_int::from(self.0.portev_source) == libc::PORT_SOURCE_USER
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

impl seam::RawEvent for RawEvent {
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
