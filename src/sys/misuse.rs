//! What a program is told that registers a source twice, or does not register it.

use std::io;

pub(crate) fn already_registered() -> io::Error {
    io::Error::new(
        io::ErrorKind::AlreadyExists,
        "the source is registered with a poll already; deregister it there first",
    )
}

pub(crate) fn not_registered() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        "the source is not registered with this poll",
    )
}
