//! TCP and UDP sockets, created non-blocking with as few calls as possible.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;

mod addr;
mod socket;
#[cfg(unix)]
pub(crate) mod uds;
#[cfg(unix)]
mod unix_addr;

use addr::OsAddr;

/// The backlog that the standard library uses.
const BACKLOG: libc::c_int = 128;

fn family_of(address: SocketAddr) -> libc::c_int {
    match address {
        SocketAddr::V4(_) => libc::AF_INET,
        SocketAddr::V6(_) => libc::AF_INET6,
    }
}

pub(crate) fn tcp_bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = socket::new(family_of(address), libc::SOCK_STREAM)?;
    // On Unix this lets a restarted server bind while connections of its predecessor are in
    // TIME_WAIT, and does not let two servers share a port.
    socket::set_option(&listener, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    socket::bind(&listener, &address.into())?;
    socket::listen(&listener, BACKLOG)?;
    Ok(listener.into())
}

pub(crate) fn tcp_connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = socket::new(family_of(address), libc::SOCK_STREAM)?;
    socket::connect(&stream, &OsAddr::from(address))?;
    Ok(stream.into())
}

pub(crate) fn tcp_accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = socket::accept(listener.as_raw_fd())?;
    Ok((stream.into(), peer.to_inet()?))
}

pub(crate) fn udp_bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket::new(family_of(address), libc::SOCK_DGRAM)?;
    socket::bind(&socket, &address.into())?;
    Ok(socket.into())
}

pub(crate) fn udp_connect(socket: &UdpSocket, address: SocketAddr) -> io::Result<()> {
    socket.connect(address)
}

pub(crate) fn only_v6(socket: &UdpSocket) -> io::Result<bool> {
    let only = socket::option(socket.as_raw_fd(), libc::IPPROTO_IPV6, libc::IPV6_V6ONLY)?;
    Ok(only != 0)
}
