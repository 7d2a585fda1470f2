//! System calls on sockets. The standard library would block, or make more calls.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::addr::OsAddr;
use crate::sys::unix::fd::{check, own, set_flags};

// The flags that a new socket has from the start.
cfg_if! {
    if #[cfg(any(
        target_os = "android",
        target_os = "cygwin",
        target_os = "dragonfly",
        target_os = "freebsd",
        target_os = "hurd",
        target_os = "illumos",
        target_os = "linux",
        target_os = "netbsd",
        target_os = "openbsd",
        target_os = "solaris"
    ))] {
        const FLAGS: libc::c_int = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;

        /// Returns a new socket, which has all flags.
        fn with_flags(socket: OwnedFd) -> io::Result<OwnedFd> {
            Ok(socket)
        }

        fn accept_with_flags(listener: RawFd, peer: &mut OsAddr) -> io::Result<OwnedFd> {
            // Android's sandbox on x86 kills a process that calls `accept4`.
            if cfg!(all(target_os = "android", target_arch = "x86")) {
                return accept_and_set_flags(listener, peer);
            }
            let (address, len) = peer.as_mut_ptrs();
            // SAFETY: the call writes at most `len` bytes to `address`, and then the length. It
            // creates a descriptor.
            unsafe { own(libc::accept4(listener, address, len, FLAGS)) }
        }
    } else {
        #[cfg(target_os = "nto")]
        const FLAGS: libc::c_int = libc::SOCK_CLOEXEC;
        #[cfg(not(target_os = "nto"))]
        const FLAGS: libc::c_int = 0;

        use {accept_and_set_flags as accept_with_flags, set_flags as with_flags};
    }
}

/// Creates a socket, non-blocking and close-on-exec.
pub(super) fn new(family: libc::c_int, kind: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: takes no pointer, and creates a descriptor.
    let socket = with_flags(unsafe { own(libc::socket(family, kind | FLAGS, 0)) }?)?;
    no_sigpipe(&socket)?;
    Ok(socket)
}

/// Creates two Unix sockets that are connected with each other.
#[cfg(unix)]
pub(super) fn pair(kind: libc::c_int) -> io::Result<(OwnedFd, OwnedFd)> {
    let create = |fds| {
        // SAFETY: the pointer is valid for the two descriptors that the call writes.
        unsafe { libc::socketpair(libc::AF_UNIX, kind | FLAGS, 0, fds) }
    };
    // SAFETY: as above.
    let [one, other] = unsafe { crate::sys::unix::fd::create_pair(create) }?;
    let (one, other) = (with_flags(one)?, with_flags(other)?);
    no_sigpipe(&one)?;
    no_sigpipe(&other)?;
    Ok((one, other))
}

/// Makes writing to a closed connection fail instead of raising `SIGPIPE`, on systems that have an
/// option for it. On Apple systems the standard library relies on the option; elsewhere it passes a
/// flag with every write, except for vectored ones.
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
    check(unsafe { libc::bind(socket.as_raw_fd(), address.as_ptr(), address.len) })?;
    Ok(())
}

pub(super) fn listen(socket: &OwnedFd, backlog: libc::c_int) -> io::Result<()> {
    // SAFETY: takes no pointer.
    check(unsafe { libc::listen(socket.as_raw_fd(), backlog) })?;
    Ok(())
}

/// Starts to connect. Continuing in the background is success. All other errors are returned,
/// including `WouldBlock`: on Linux it means that the backlog of a Unix listener is full, and that
/// no attempt is in progress.
pub(super) fn connect(socket: &OwnedFd, address: &OsAddr) -> io::Result<()> {
    // SAFETY: `address` is initialised up to its length.
    let connected =
        check(unsafe { libc::connect(socket.as_raw_fd(), address.as_ptr(), address.len) });
    match connected {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(()),
    }
}

/// Accepts a connection. Returns the socket, non-blocking and close-on-exec, and the address of the
/// peer.
pub(super) fn accept(listener: RawFd) -> io::Result<(OwnedFd, OsAddr)> {
    let mut peer = OsAddr::empty();
    let socket = accept_with_flags(listener, &mut peer)?;
    // Sockets inherit it from listeners of this crate. macOS rejects it if the peer is gone.
    let _ = no_sigpipe(&socket);
    Ok((socket, peer))
}

/// Accepts with a call that does not set the flags.
fn accept_and_set_flags(listener: RawFd, peer: &mut OsAddr) -> io::Result<OwnedFd> {
    let (address, len) = peer.as_mut_ptrs();
    // SAFETY: the call writes at most `len` bytes to `address`, and then the length. It creates a
    // descriptor.
    set_flags(unsafe { own(libc::accept(listener, address, len)) }?)
}

/// Sets an option whose value is a C `int`.
pub(super) fn set_option(
    socket: &OwnedFd,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the pointer and the size are those of `value`, which outlives the call.
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
