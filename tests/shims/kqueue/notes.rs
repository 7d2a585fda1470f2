//! The notes (registrations) of a queue.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use libc::{c_int, c_void};

use super::hidden::{control, new_eventfd, timer};
use super::linux::{is_connected, is_ready, kind_of};
use super::queue::find;
use super::{
    check, errno_of, failure, is_like, is_set, kevent, List, EVFILT_READ, EVFILT_TIMER,
    EVFILT_USER, EVFILT_WRITE, EV_ADD, EV_CLEAR, EV_DELETE, EV_EOF, EV_ONESHOT, NOTE_LOWAT,
    NOTE_TRIGGER,
};

/// The filters, as indices.
pub(super) const READ: usize = 0;
pub(super) const WRITE: usize = 1;

/// What epoll is asked of each filter. The writing one, too, must know of the peer's
/// half-close: without it a socket that hangs up was never connected.
const ASKED: [c_int; 2] = [
    libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLET,
    libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET,
];

/// In epoll's data, distinguishes an eventfd of the shim from a descriptor of the program.
const IS_USER: u32 = 1 << 31;

/// How many records are taken from epoll at a time.
const BATCH: usize = 64;

pub(super) struct Notes {
    /// The epoll instance of each filter; that of reading has the eventfds, too.
    pub(super) inner: [OwnedFd; 2],
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
    eventfd: File,
    note: Note,
}

pub(super) struct Note {
    /// Distinguishes it from earlier notes of the same number.
    pub(super) generation: u32,
    /// Those that it was first added with: another `EV_ADD` does not change them.
    pub(super) flags: u16,
    pub(super) udata: usize,
    /// How many bytes there must be for the reading filter to fire.
    pub(super) low_water_mark: Option<i64>,
    pub(super) kind: Kind,
    /// What the latest event reported, if it is not to be repeated.
    pub(super) reported: Option<Reported>,
    pub(super) was_connected: bool,
    /// What [`Kind::count`] was when it was last looked at.
    pub(super) count: u64,
    /// An eventfd that epoll watches in place of a file that it refuses.
    pub(super) stand_in: Option<OwnedFd>,
}

#[derive(Copy, Clone, PartialEq)]
pub(super) enum Kind {
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
pub(super) struct Reported {
    pub(super) eof: bool,
    /// How many bytes the connection has moved in the direction of the filter.
    pub(super) moved: u64,
}

#[derive(Default)]
pub(super) struct Report {
    pub(super) eof: bool,
    pub(super) errno: c_int,
    pub(super) data: i64,
}

impl Notes {
    pub(super) fn new(inner: [OwnedFd; 2]) -> Notes {
        Notes {
            inner,
            // The real one takes no memory of the process, and there are tests that
            // count what it takes.
            files: [Vec::with_capacity(1024), Vec::with_capacity(1024)],
            users: Vec::with_capacity(4),
            generation: 0,
            first: READ,
            again: Vec::with_capacity(1024),
            counted: Vec::with_capacity(1024),
        }
    }

    pub(super) fn change(&mut self, change: &kevent) -> io::Result<()> {
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
                    note.low_water_mark = low_water_mark(change);
                    note.reported = None;
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
            // The reader is closed.
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
            low_water_mark: low_water_mark(change),
            kind,
            reported: None,
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
            (&user.eventfd).write_all(&1_u64.to_ne_bytes())?;
        }
        Ok(())
    }

    fn add_user(&mut self, change: &kevent) -> io::Result<()> {
        let (eventfd, automatic) = if change.filter == EVFILT_TIMER {
            (timer(change)?, EV_CLEAR)
        } else {
            (new_eventfd(0)?, 0)
        };
        let mut note = self.new_note(change, Kind::Other, false);
        note.flags |= automatic;
        let data = note.data(eventfd.as_raw_fd() as u32 | IS_USER);
        let epoll = self.inner[READ].as_raw_fd();
        control(
            epoll,
            libc::EPOLL_CTL_ADD,
            eventfd.as_raw_fd(),
            ASKED[READ],
            data,
        )?;
        self.users.push(User {
            ident: change.ident,
            filter: change.filter,
            eventfd: eventfd.into(),
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
                // It has been closed in the meantime.
                let _ = control(epoll, libc::EPOLL_CTL_MOD, fd, ASKED[filter], data);
            }
            true
        });
    }

    /// Takes what has fired, as much as there is room for.
    pub(super) fn harvest(&mut self, list: &mut List) {
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
        let ends = report.eof || bits & libc::EPOLLERR as u32 != 0;
        if filter == READ && !ends && note.is_below_mark(fd, report.data) {
            return None;
        }
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

    fn fire_user(&mut self, eventfd: RawFd, data: u64) -> Option<kevent> {
        let is_wanted = |user: &User| {
            user.eventfd.as_raw_fd() == eventfd && user.note.data(data as u32) == data
        };
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
            self.again.push((READ, eventfd, data));
        } else {
            let _ = (&user.eventfd).read(&mut [0; 8]);
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

fn low_water_mark(change: &kevent) -> Option<i64> {
    (change.fflags & NOTE_LOWAT != 0).then_some(change.data)
}
