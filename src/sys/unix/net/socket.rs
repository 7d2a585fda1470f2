//! The system calls on sockets that the standard library does not make the way it
//! is needed here: it would block, or take a call more.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::addr::OsAddr;
use crate::sys::{birth, check, mark};

/// A new socket, marked.
pub(super) fn new(family: libc::c_int, kind: libc::c_int) -> io::Result<OwnedFd> {
    let socket = birth::socket(family, kind)?;
    no_sigpipe(&socket)?;
    Ok(socket)
}

/// Two Unix sockets that are connected with one another, marked.
#[cfg(unix)]
pub(super) fn pair(kind: libc::c_int) -> io::Result<(OwnedFd, OwnedFd)> {
    let (one, other) = birth::socket_pair(kind)?;
    no_sigpipe(&one)?;
    no_sigpipe(&other)?;
    Ok((one, other))
}

/// Has a peer that is gone be the error of a write, where a socket can be told so once
/// and for all. On Apple's systems the standard library relies on it; elsewhere its
/// writes say so, each for itself, but for vectored ones.
fn no_sigpipe(_socket: &OwnedFd) -> io::Result<()> {
    #[cfg(any(
        target_vendor = "apple",
        target_os = "dragonfly",
        target_os = "freebsd",
        target_os = "netbsd"
    ))]
    set_option(_socket, libc::SOL_SOCKET, libc::SO_NOSIGPIPE, 1)?;
    Ok(())
}

pub(super) fn bind(socket: &OwnedFd, address: &OsAddr) -> io::Result<()> {
    // SAFETY: `address` is initialised up to its length.
    check(unsafe { libc::bind(socket.as_raw_fd(), address.as_ptr(), address.len()) })?;
    Ok(())
}

pub(super) fn listen(socket: &OwnedFd, backlog: libc::c_int) -> io::Result<()> {
    // SAFETY: takes no pointer.
    check(unsafe { libc::listen(socket.as_raw_fd(), backlog) })?;
    Ok(())
}

/// Starts to connect. Going on in the background is success; every other error is
/// one, `WouldBlock` included: with it Linux says that a Unix listener's backlog is
/// full, and that nothing is in progress.
pub(super) fn connect(socket: &OwnedFd, address: &OsAddr) -> io::Result<()> {
    // SAFETY: `address` is initialised up to its length.
    let connected =
        check(unsafe { libc::connect(socket.as_raw_fd(), address.as_ptr(), address.len()) });
    match connected {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(()),
    }
}

/// Accepts a connection: the socket, marked, and whose it is.
pub(super) fn accept(listener: RawFd) -> io::Result<(OwnedFd, OsAddr)> {
    let mut peer = OsAddr::empty();
    let socket = birth::accept(listener, &mut peer)?;
    // Of listeners of ours it is inherited. macOS refuses it if the peer is gone already.
    let _ = no_sigpipe(&socket);
    Ok((socket, peer))
}

/// Accepts where that does not mark the descriptor.
pub(crate) fn accept_and_mark(listener: RawFd, peer: &mut OsAddr) -> io::Result<OwnedFd> {
    let (address, len) = peer.as_mut_ptrs();
    // SAFETY: the call writes at most `len` bytes to `address`, and then the length.
    let fd = check(unsafe { libc::accept(listener, address, len) })?;
    // SAFETY: the kernel just made `fd` for us; nobody else knows of it.
    mark(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sets an option whose value is a C `int`.
pub(super) fn set_option(
    socket: &OwnedFd,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the pointer and the size are those of an `int` that lives through
    // the call.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            std::ptr::addr_of!(value).cast(),
            SIZE_OF_INT,
        )
    })?;
    Ok(())
}

/// Reads an option whose value is a C `int`.
pub(super) fn option(
    socket: RawFd,
    level: libc::c_int,
    name: libc::c_int,
) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut len = SIZE_OF_INT;
    // SAFETY: the call writes at most `len` bytes, the size of the `int`.
    check(unsafe {
        libc::getsockopt(
            socket,
            level,
            name,
            std::ptr::addr_of_mut!(value).cast(),
            &mut len,
        )
    })?;
    Ok(value)
}

const SIZE_OF_INT: libc::socklen_t = std::mem::size_of::<libc::c_int>() as libc::socklen_t;
