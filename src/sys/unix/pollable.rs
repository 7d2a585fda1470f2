//! Which descriptors a selector that does not leave it to the kernel accepts.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;

use super::fd::{check, status_flags};

/// Fails as epoll does for most files: with `EBADF` for a descriptor that is not open, and with
/// `EPERM` for a file that poll(2) accepts but always reports as ready.
pub(crate) fn check_pollable(fd: RawFd) -> io::Result<()> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the pointer is valid for a write of the type that the call writes.
    match check(unsafe { libc::fstat(fd, stat.as_mut_ptr()) }) {
        // Hermit, Horizon and Vita have no `fstat` for sockets, which are no regular files either.
        // Vita's fails as if they were not open.
        Err(error) if error.raw_os_error() != Some(libc::EBADF) => return Ok(()),
        Err(_) if status_flags(fd).is_ok() => return Ok(()),
        checked => checked?,
    };
    // SAFETY: the call succeeded, so it has initialised `stat`.
    let mode = unsafe { stat.assume_init() }.st_mode;
    // The field is wider than its type on 32-bit Android.
    match mode as libc::mode_t & libc::S_IFMT {
        libc::S_IFREG | libc::S_IFDIR => Err(io::Error::from_raw_os_error(libc::EPERM)),
        _ => Ok(()),
    }
}

cfg_if! {
    if #[cfg(any(target_os = "android", target_os = "linux"))] {
        mod by_epoll;
        pub(crate) use by_epoll::Pollable;
    } else {
        /// Decides by the type of the file.
        #[derive(Debug)]
        pub(crate) struct Pollable;

        impl Pollable {
            pub(crate) fn new(_: RawFd) -> io::Result<Pollable> {
                Ok(Pollable)
            }

            pub(crate) fn check(&self, fd: RawFd) -> io::Result<()> {
                check_pollable(fd)
            }
        }
    }
}
