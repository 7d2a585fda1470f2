//! Unix domain sockets, created non-blocking with as few calls as possible.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};

use super::socket;

/// The backlog that the standard library uses: on some systems, the most that they allow.
const BACKLOG: libc::c_int = if cfg!(any(
    target_vendor = "apple",
    target_os = "linux",
    target_os = "freebsd",
    target_os = "openbsd"
)) {
    -1
} else {
    128
};

pub(crate) fn listen(address: &SocketAddr) -> io::Result<UnixListener> {
    let listener = socket::new(libc::AF_UNIX, libc::SOCK_STREAM)?;
    socket::bind(&listener, &address.into())?;
    socket::listen(&listener, BACKLOG)?;
    Ok(listener.into())
}

pub(crate) fn connect(address: &SocketAddr) -> io::Result<UnixStream> {
    let stream = socket::new(libc::AF_UNIX, libc::SOCK_STREAM)?;
    socket::connect(&stream, &address.into())?;
    Ok(stream.into())
}

pub(crate) fn accept(listener: &UnixListener) -> io::Result<(UnixStream, SocketAddr)> {
    let (stream, peer) = socket::accept(listener.as_raw_fd())?;
    let stream = UnixStream::from(stream);
    // The standard library accepts a path that fills the address to its last byte only from the
    // system, not from us.
    let peer = peer.to_unix().or_else(|_| stream.peer_addr())?;
    Ok((stream, peer))
}

pub(crate) fn stream_pair() -> io::Result<(UnixStream, UnixStream)> {
    let (one, other) = socket::pair(libc::SOCK_STREAM)?;
    Ok((one.into(), other.into()))
}

pub(crate) fn datagram_bind(address: &SocketAddr) -> io::Result<UnixDatagram> {
    let socket = socket::new(libc::AF_UNIX, libc::SOCK_DGRAM)?;
    socket::bind(&socket, &address.into())?;
    Ok(socket.into())
}

pub(crate) fn datagram_unbound() -> io::Result<UnixDatagram> {
    Ok(socket::new(libc::AF_UNIX, libc::SOCK_DGRAM)?.into())
}

pub(crate) fn datagram_pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
    let (one, other) = socket::pair(libc::SOCK_DGRAM)?;
    Ok((one.into(), other.into()))
}
