//! A model of an operating system for loom: descriptors that are ready or not, and `poll`.
//! `windows.rs` is a model of Windows.

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
    /// The flags that each descriptor is ready for.
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

/// Makes `fd` not ready.
pub fn make_unready(fd: c_int) {
    DESCRIPTORS
        .ready
        .lock()
        .unwrap()
        .retain(|entry| entry.0 != fd);
}

/// `poll(2)`. A timeout other than zero never elapses: if an event is lost, the thread waits
/// forever, and loom reports a deadlock.
///
/// # Safety
///
/// `list` points to `len` entries.
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
