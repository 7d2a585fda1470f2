//! An operating system for loom: descriptors that are ready or not, and `poll`. Another is in
//! `windows.rs`.

pub mod windows;

pub use libc::*;
use loom::sync::{Condvar, Mutex};

loom::lazy_static! {
    static ref DESCRIPTORS: Descriptors = Descriptors {
        ready: Mutex::new(Vec::new()),
        changed: Condvar::new(),
    };
}

struct Descriptors {
    /// Which are ready, and for what.
    ready: Mutex<Vec<(c_int, i16)>>,
    changed: Condvar,
}

/// Makes `fd` ready for `flags`.
pub fn make_ready(fd: c_int, flags: i16) {
    let mut ready = DESCRIPTORS.ready.lock().unwrap();
    ready.retain(|entry| entry.0 != fd);
    ready.push((fd, flags));
    DESCRIPTORS.changed.notify_all();
}

/// Has `fd` be ready for nothing any more.
pub fn make_unready(fd: c_int) {
    DESCRIPTORS
        .ready
        .lock()
        .unwrap()
        .retain(|entry| entry.0 != fd);
}

/// `poll(2)`. A timeout that is not zero never passes: a thread that waits for nothing is
/// what loom calls a deadlock, and a lost event.
///
/// # Safety
///
/// `list` leads to `len` entries.
pub unsafe fn poll(list: *mut pollfd, len: nfds_t, timeout: c_int) -> c_int {
    // SAFETY: by the caller's promise.
    let list = unsafe { std::slice::from_raw_parts_mut(list, len as usize) };
    let mut ready = DESCRIPTORS.ready.lock().unwrap();
    loop {
        let mut count = 0;
        for entry in list.iter_mut() {
            let flags = ready
                .iter()
                .find(|it| it.0 == entry.fd)
                .map_or(0, |it| it.1);
            entry.revents = flags & (entry.events | POLLERR | POLLHUP);
            count += c_int::from(entry.revents != 0);
        }
        if count > 0 || timeout == 0 {
            return count;
        }
        ready = DESCRIPTORS.changed.wait(ready).unwrap();
    }
}
