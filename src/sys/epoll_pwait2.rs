//! epoll_pwait2(2), of Linux 5.11: `epoll_wait` with a timeout in nanoseconds.
//!
//! Like every call it is made through the C library's function, which other libraries may
//! replace. Not every C library has that function, so it is looked up while the program runs; a
//! statically linked program finds none.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::Once;
use std::time::Duration;
use std::{io, mem, ptr};

use crate::sys::{check, timeout, Event};

type EpollPwait2 = unsafe extern "C" fn(
    libc::c_int,
    *mut libc::epoll_event,
    libc::c_int,
    *const libc::timespec,
    *const libc::sigset_t,
) -> libc::c_int;

/// The name of the function for libc's `timespec`. With 32 bits only glibc has one, and there the
/// plain name takes the narrow `timespec` even if libc's is wide.
const NAME: Option<&str> = match mem::size_of::<libc::timespec>() {
    _ if cfg!(target_pointer_width = "64") => Some("epoll_pwait2\0"),
    8 if cfg!(target_env = "gnu") => Some("epoll_pwait2\0"),
    16 if cfg!(target_env = "gnu") => Some("__epoll_pwait2_time64\0"),
    _ => None,
};

/// The function, null if there is none. Whether the kernel has the call, and whether a sandbox
/// permits it, does not change while the process runs: the first refusal makes it null.
static FUNCTION: AtomicPtr<libc::c_void> = AtomicPtr::new(ptr::null_mut());

/// Looks the function up, once and not in a poll: the loader has a lock, and allocates memory
/// for what it does not find.
///
/// A library that replaces `epoll_wait` and does not know this function has to see every poll: the
/// function is used only if both are of one library.
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

/// The C function `name`, which ends with a zero, and where the library begins that has it; null
/// if there is none.
fn find(name: &str) -> (*mut libc::c_void, *mut libc::c_void) {
    // SAFETY: made of pointers, for which zero is a value.
    let mut info: libc::Dl_info = unsafe { mem::zeroed() };
    // SAFETY: the name ends with a zero; `info` outlives the call, and stays as it is if the
    // address is that of no library.
    let function = unsafe {
        let function = libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr().cast());
        libc::dladdr(function, &mut info);
        function
    };
    (function, info.dli_fbase)
}

/// Waits, and returns the number of events that the kernel wrote into `events`, which has
/// room for as many as `room` says; `None` if there is no such call.
pub(super) fn wait(
    epoll: BorrowedFd<'_>,
    events: &mut Vec<Event>,
    room: libc::c_int,
    timeout: Duration,
) -> Option<io::Result<usize>> {
    let function = FUNCTION.load(Ordering::Relaxed);
    if function.is_null() {
        return None;
    }
    // SAFETY: the function of that name has this type, or it would not replace the C library's.
    let function: EpollPwait2 = unsafe { mem::transmute(function) };
    let timeout = timeout::timespec(timeout);
    // SAFETY: `events` has room for `room` entries of the kernel's layout, which a
    // transparent `Event` has; `timeout` outlives the call; a null signal mask leaves the
    // mask alone.
    let ready = check(unsafe {
        let events = events.as_mut_ptr().cast();
        function(epoll.as_raw_fd(), events, room, &timeout, ptr::null())
    });
    match ready {
        Err(error) if is_refusal(&error) => {
            FUNCTION.store(ptr::null_mut(), Ordering::Relaxed);
            None
        }
        ready => Some(ready.map(|ready| ready as usize)),
    }
}

/// Whether the kernel lacks the call (`ENOSYS`) or a sandbox forbids it.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOSYS | libc::EPERM | libc::EACCES | libc::EOPNOTSUPP)
    )
}
