//! The errors of wrong registrations. Their texts are a part of the API: programs search for them.

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

pub(crate) fn not_exclusive() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "an exclusive registration cannot be one-shot or include `READ_CLOSED` or `PRIORITY`",
    )
}

pub(crate) fn no_read_closed() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "the system cannot tell `READ_CLOSED` from `READABLE`: register for both",
    )
}

/// Replaces the error that the kernel returns for a wrong registration.
#[cfg(unix)]
#[cold]
pub(crate) fn of(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::EEXIST) => already_registered(),
        Some(libc::ENOENT) => not_registered(),
        _ => error,
    }
}
