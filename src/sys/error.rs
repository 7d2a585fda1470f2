//! The errors of a source that is registered twice, or not at all. Programs search for the texts.

use std::io;

pub(crate) fn already_registered() -> io::Error {
    io::Error::new(
        io::ErrorKind::AlreadyExists,
        "I/O source already registered with a `Registry`",
    )
}

pub(crate) fn registered_elsewhere() -> io::Error {
    io::Error::new(
        io::ErrorKind::AlreadyExists,
        "I/O source already registered with a different `Registry`",
    )
}

pub(crate) fn not_registered() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        "I/O source not registered with `Registry`",
    )
}

/// Replaces the kernel's error for either mistake.
#[cfg(unix)]
#[cold]
pub(crate) fn of(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::EEXIST) => already_registered(),
        Some(libc::ENOENT) => not_registered(),
        _ => error,
    }
}
