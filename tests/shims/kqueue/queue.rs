//! The queues, and which of them a descriptor is.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard};

use libc::c_int;

use super::hidden::{beyond_the_limit, control, new_epoll};
use super::notes::Notes;
use super::{check, failure, lock};

static QUEUES: Mutex<Vec<Arc<Queue>>> = Mutex::new(Vec::new());

pub(super) struct Queue {
    /// The original of the descriptors that the program has.
    pub(super) outer: OwnedFd,
    notes: Mutex<Notes>,
    /// Descriptors of the program that were this queue when last looked at.
    seen: Mutex<Vec<RawFd>>,
}

impl Queue {
    pub(super) fn create() -> io::Result<RawFd> {
        let mut queues = lock(&QUEUES);
        queues.retain(|queue| queue.is_open());

        let queue = Queue {
            outer: new_epoll()?,
            notes: Mutex::new(Notes::new([new_epoll()?, new_epoll()?])),
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

    pub(super) fn notes(&self) -> MutexGuard<'_, Notes> {
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
pub(super) fn find(fd: RawFd) -> io::Result<Arc<Queue>> {
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
