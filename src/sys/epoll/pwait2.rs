//! epoll_pwait2(2) of Linux 5.11: `epoll_wait` with a timeout in nanoseconds.
//!
//! Like every system call, it is made through the C library's function, which other libraries may
//! replace. Not every C library has this function, so it is looked up at run time; a statically
//! linked program does not find it.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::Once;
use std::time::Duration;
use std::{io, mem, ptr};

use crate::sys::unix::fd::{check, is_refusal};
use crate::sys::{timeout, Event};

type EpollPwait2 = unsafe extern "C" fn(
    libc::c_int,
    *mut libc::epoll_event,
    libc::c_int,
    *const libc::timespec,
    *const libc::sigset_t,
) -> libc::c_int;

/// The name of the function for libc's `timespec`. On 32 bits only glibc has one, and its plain
/// name takes the narrow `timespec` even if libc's is wide. illumos, Redox and Miri do not have the
/// call, and Android's sandbox kills a process that makes it.
const NAME: Option<&str> = match mem::size_of::<libc::timespec>() {
    _ if !cfg!(target_os = "linux") || cfg!(any(miri, mio_unsupported_no_pwait2)) => None,
    _ if cfg!(target_pointer_width = "64") => Some("epoll_pwait2\0"),
    8 if cfg!(target_env = "gnu") => Some("epoll_pwait2\0"),
    16 if cfg!(target_env = "gnu") => Some("__epoll_pwait2_time64\0"),
    _ => None,
};

/// The function; null if there is none. Whether the kernel has the call, and whether a sandbox
/// permits it, does not change while the process runs: the first refusal resets it to null.
static FUNCTION: AtomicPtr<libc::c_void> = AtomicPtr::new(ptr::null_mut());

/// Looks up the function, once and not during a poll: the loader takes a lock, and allocates memory
/// for a function that it does not find.
///
/// A library that replaces `epoll_wait` but not this function must still see every poll, so the
/// function is used only if both are in the same library.
pub(super) fn look_up() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let Some(name) = NAME else { return };
        let (function, library) = find(name);
        if library == find("epoll_wait\0").1 {
            FUNCTION.store(function, Ordering::Relaxed);
        }
    });
}

/// Returns the C function `name`, which ends with a zero, and the base address of its library; null
/// if there is none.
fn find(name: &str) -> (*mut libc::c_void, *mut libc::c_void) {
    // SAFETY: consists of pointers, for which zero is valid.
    let mut info: libc::Dl_info = unsafe { mem::zeroed() };
    // SAFETY: the name ends with a zero; `info` outlives the call, which does not change it if the
    // address is in no library.
    let function = unsafe {
        let function = libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr().cast());
        libc::dladdr(function, &mut info);
        function
    };
    (function, info.dli_fbase)
}

/// Waits, and returns the number of events that the kernel wrote into `events`, which has
/// `capacity`; `None` if the call is not available.
pub(super) fn wait(
    epoll: BorrowedFd<'_>,
    events: &mut Vec<Event>,
    capacity: libc::c_int,
    timeout: Duration,
) -> Option<io::Result<usize>> {
    let function = FUNCTION.load(Ordering::Relaxed);
    if function.is_null() {
        return None;
    }
    // SAFETY: a function of this name has this type, also if it replaces the C library's.
    let function: EpollPwait2 = unsafe { mem::transmute(function) };
    let timeout = timeout::timespec(timeout);
    // SAFETY: `events` has capacity for the entries, and `Event` has the kernel's layout, since it
    // is transparent; `timeout` outlives the call; a null signal mask does not change the mask.
    let ready = check(unsafe {
        let events = events.as_mut_ptr().cast();
        function(epoll.as_raw_fd(), events, capacity, &timeout, ptr::null())
    });
    match ready {
        Err(error) if is_refusal(&error) => {
            FUNCTION.store(ptr::null_mut(), Ordering::Relaxed);
            None
        }
        ready => Some(ready.map(|ready| ready as usize)),
    }
}
