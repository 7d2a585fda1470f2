//! Sockets on WASI preview 1: the host passes them to the program, which cannot create any.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

pub(crate) fn tcp_bind(_: SocketAddr) -> io::Result<TcpListener> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn tcp_connect(_: SocketAddr) -> io::Result<TcpStream> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn tcp_accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept()?;
    stream.set_nonblocking(true)?;
    Ok((stream, peer))
}

pub(crate) fn udp_bind(_: SocketAddr) -> io::Result<UdpSocket> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn udp_connect(socket: &UdpSocket, address: SocketAddr) -> io::Result<()> {
    socket.connect(address)
}

pub(crate) fn only_v6(_: &UdpSocket) -> io::Result<bool> {
    Err(io::ErrorKind::Unsupported.into())
}
