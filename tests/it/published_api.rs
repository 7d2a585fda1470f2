//! Every item of the published API, version 1.2.5, for Linux and Windows, and as far as it is
//! theirs too for the other Unix systems, with its signature and under its features: a program
//! written for that version compiles.
#![cfg(any(unix, windows))]
#![allow(unused_imports, dead_code)] // Each feature set uses a part of them.

use std::{fmt, hash, io, net, ops, os, process, time};

/// Fails to compile unless `function` has the signature `S`.
fn has_signature<S>(_function: S) {}

/// Fails to compile unless each type has its trait.
macro_rules! implements {
    ($($type:ty: $trait:path;)+) => {$({
        fn bound<T: $trait>() {}
        bound::<$type>();
    })+};
}

type Op = fn() -> io::Result<u8>;

#[test]
fn functions_of_core() {
    type Dyn = dyn mio::event::Source;
    has_signature::<fn(&mio::Registry, &mut Dyn, mio::Token, mio::Interest) -> io::Result<()>>(
        mio::Registry::register::<Dyn>,
    );
    has_signature::<fn(&mio::Registry, &mut Dyn, mio::Token, mio::Interest) -> io::Result<()>>(
        mio::Registry::reregister::<Dyn>,
    );
    has_signature::<fn(&mio::Registry, &mut Dyn) -> io::Result<()>>(
        mio::Registry::deregister::<Dyn>,
    );
    implements! { Box<Dyn>: mio::event::Source; }
    const _: [mio::Interest; 2] = [
        mio::Interest::READABLE.add(mio::Interest::WRITABLE),
        mio::Interest::WRITABLE,
    ];
    #[cfg(target_os = "linux")]
    const _: mio::Interest = mio::Interest::PRIORITY;
    #[cfg(any(
        target_vendor = "apple",
        target_os = "freebsd",
        target_os = "dragonfly"
    ))]
    const _: mio::Interest = mio::Interest::AIO;
    #[cfg(target_os = "freebsd")]
    const _: mio::Interest = mio::Interest::LIO;
    const _: [bool; 5] = [
        mio::Interest::READABLE.is_readable(),
        mio::Interest::READABLE.is_writable(),
        mio::Interest::READABLE.is_aio(),
        mio::Interest::READABLE.is_lio(),
        mio::Interest::READABLE.is_priority(),
    ];
    has_signature::<fn(mio::Interest, mio::Interest) -> mio::Interest>(mio::Interest::add);
    has_signature::<fn(mio::Interest) -> bool>(mio::Interest::is_aio);
    has_signature::<fn(mio::Interest) -> bool>(mio::Interest::is_lio);
    has_signature::<fn(mio::Interest) -> bool>(mio::Interest::is_priority);
    has_signature::<fn(mio::Interest) -> bool>(mio::Interest::is_readable);
    has_signature::<fn(mio::Interest) -> bool>(mio::Interest::is_writable);
    has_signature::<fn(&mio::Events) -> usize>(mio::Events::capacity);
    has_signature::<fn(&mut mio::Events)>(mio::Events::clear);
    has_signature::<fn(&mio::Events) -> bool>(mio::Events::is_empty);
    has_signature::<fn(&mio::Events) -> mio::event::Iter<'_>>(mio::Events::iter);
    has_signature::<fn(usize) -> mio::Events>(mio::Events::with_capacity);
    has_signature::<fn(mio::Interest, mio::Interest) -> Option<mio::Interest>>(
        mio::Interest::remove,
    );
    #[cfg(feature = "os-poll")]
    has_signature::<fn() -> io::Result<mio::Poll>>(mio::Poll::new);
    has_signature::<fn(&mut mio::Poll, &mut mio::Events, Option<time::Duration>) -> io::Result<()>>(
        mio::Poll::poll,
    );
    has_signature::<fn(&mio::Poll) -> &mio::Registry>(mio::Poll::registry);
    has_signature::<fn(&mio::Registry) -> io::Result<mio::Registry>>(mio::Registry::try_clone);
    has_signature::<fn(&mio::Registry, mio::Token) -> io::Result<mio::Waker>>(mio::Waker::new);
    has_signature::<fn(&mio::Waker) -> io::Result<()>>(mio::Waker::wake);
    has_signature::<fn(&mio::event::Event) -> bool>(mio::event::Event::is_aio);
    has_signature::<fn(&mio::event::Event) -> bool>(mio::event::Event::is_error);
    has_signature::<fn(&mio::event::Event) -> bool>(mio::event::Event::is_lio);
    has_signature::<fn(&mio::event::Event) -> bool>(mio::event::Event::is_priority);
    has_signature::<fn(&mio::event::Event) -> bool>(mio::event::Event::is_read_closed);
    has_signature::<fn(&mio::event::Event) -> bool>(mio::event::Event::is_readable);
    has_signature::<fn(&mio::event::Event) -> bool>(mio::event::Event::is_writable);
    has_signature::<fn(&mio::event::Event) -> bool>(mio::event::Event::is_write_closed);
    has_signature::<fn(&mio::event::Event) -> mio::Token>(mio::event::Event::token);
}

#[test]
fn traits_of_core() {
    implements! {
        mio::Interest: Clone;
        mio::Token: Clone;
        mio::event::Event: Clone;
        mio::Interest: Eq;
        mio::Token: Eq;
        mio::Interest: Ord;
        mio::Token: Ord;
        mio::Interest: PartialEq;
        mio::Token: PartialEq;
        mio::Interest: PartialOrd;
        mio::Token: PartialOrd;
        usize: From<mio::Token>;
        mio::Events: fmt::Debug;
        mio::Interest: fmt::Debug;
        mio::Poll: fmt::Debug;
        mio::Registry: fmt::Debug;
        mio::Token: fmt::Debug;
        mio::Waker: fmt::Debug;
        mio::event::Event: fmt::Debug;
        mio::Token: hash::Hash;
        mio::Interest: Copy;
        mio::Token: Copy;
        mio::Interest: ops::BitOr;
        mio::Interest: ops::BitOrAssign;
        mio::event::Iter<'static>: Clone;
        mio::event::Iter<'static>: fmt::Debug;
        &'static mio::Events: IntoIterator;
        mio::event::Iter<'static>: Iterator;
    }
}

#[cfg(feature = "net")]
#[test]
fn functions_of_net() {
    has_signature::<fn(&mio::net::TcpStream, Op) -> io::Result<u8>>(mio::net::TcpStream::try_io);
    has_signature::<fn(&mio::net::UdpSocket, Op) -> io::Result<u8>>(mio::net::UdpSocket::try_io);
    has_signature::<fn(&mio::net::TcpListener) -> io::Result<(mio::net::TcpStream, net::SocketAddr)>>(
        mio::net::TcpListener::accept,
    );
    has_signature::<fn(net::SocketAddr) -> io::Result<mio::net::TcpListener>>(
        mio::net::TcpListener::bind,
    );
    has_signature::<fn(net::TcpListener) -> mio::net::TcpListener>(mio::net::TcpListener::from_std);
    has_signature::<fn(&mio::net::TcpListener) -> io::Result<net::SocketAddr>>(
        mio::net::TcpListener::local_addr,
    );
    has_signature::<fn(&mio::net::TcpListener, u32) -> io::Result<()>>(
        mio::net::TcpListener::set_ttl,
    );
    has_signature::<fn(&mio::net::TcpListener) -> io::Result<Option<io::Error>>>(
        mio::net::TcpListener::take_error,
    );
    has_signature::<fn(&mio::net::TcpListener) -> io::Result<u32>>(mio::net::TcpListener::ttl);
    has_signature::<fn(net::SocketAddr) -> io::Result<mio::net::TcpStream>>(
        mio::net::TcpStream::connect,
    );
    has_signature::<fn(net::TcpStream) -> mio::net::TcpStream>(mio::net::TcpStream::from_std);
    has_signature::<fn(&mio::net::TcpStream) -> io::Result<net::SocketAddr>>(
        mio::net::TcpStream::local_addr,
    );
    has_signature::<fn(&mio::net::TcpStream) -> io::Result<bool>>(mio::net::TcpStream::nodelay);
    has_signature::<fn(&mio::net::TcpStream, &mut [u8]) -> io::Result<usize>>(
        mio::net::TcpStream::peek,
    );
    has_signature::<fn(&mio::net::TcpStream) -> io::Result<net::SocketAddr>>(
        mio::net::TcpStream::peer_addr,
    );
    has_signature::<fn(&mio::net::TcpStream, bool) -> io::Result<()>>(
        mio::net::TcpStream::set_nodelay,
    );
    has_signature::<fn(&mio::net::TcpStream, u32) -> io::Result<()>>(mio::net::TcpStream::set_ttl);
    has_signature::<fn(&mio::net::TcpStream, net::Shutdown) -> io::Result<()>>(
        mio::net::TcpStream::shutdown,
    );
    has_signature::<fn(&mio::net::TcpStream) -> io::Result<Option<io::Error>>>(
        mio::net::TcpStream::take_error,
    );
    has_signature::<fn(&mio::net::TcpStream) -> io::Result<u32>>(mio::net::TcpStream::ttl);
    has_signature::<fn(net::SocketAddr) -> io::Result<mio::net::UdpSocket>>(
        mio::net::UdpSocket::bind,
    );
    has_signature::<fn(&mio::net::UdpSocket) -> io::Result<bool>>(mio::net::UdpSocket::broadcast);
    has_signature::<fn(&mio::net::UdpSocket, net::SocketAddr) -> io::Result<()>>(
        mio::net::UdpSocket::connect,
    );
    has_signature::<fn(net::UdpSocket) -> mio::net::UdpSocket>(mio::net::UdpSocket::from_std);
    has_signature::<fn(&mio::net::UdpSocket, &net::Ipv4Addr, &net::Ipv4Addr) -> io::Result<()>>(
        mio::net::UdpSocket::join_multicast_v4,
    );
    has_signature::<fn(&mio::net::UdpSocket, &net::Ipv6Addr, u32) -> io::Result<()>>(
        mio::net::UdpSocket::join_multicast_v6,
    );
    has_signature::<fn(&mio::net::UdpSocket, &net::Ipv4Addr, &net::Ipv4Addr) -> io::Result<()>>(
        mio::net::UdpSocket::leave_multicast_v4,
    );
    has_signature::<fn(&mio::net::UdpSocket, &net::Ipv6Addr, u32) -> io::Result<()>>(
        mio::net::UdpSocket::leave_multicast_v6,
    );
    has_signature::<fn(&mio::net::UdpSocket) -> io::Result<net::SocketAddr>>(
        mio::net::UdpSocket::local_addr,
    );
    has_signature::<fn(&mio::net::UdpSocket) -> io::Result<bool>>(
        mio::net::UdpSocket::multicast_loop_v4,
    );
    has_signature::<fn(&mio::net::UdpSocket) -> io::Result<bool>>(
        mio::net::UdpSocket::multicast_loop_v6,
    );
    has_signature::<fn(&mio::net::UdpSocket) -> io::Result<u32>>(
        mio::net::UdpSocket::multicast_ttl_v4,
    );
    has_signature::<fn(&mio::net::UdpSocket) -> io::Result<bool>>(mio::net::UdpSocket::only_v6);
    has_signature::<fn(&mio::net::UdpSocket, &mut [u8]) -> io::Result<usize>>(
        mio::net::UdpSocket::peek,
    );
    has_signature::<fn(&mio::net::UdpSocket, &mut [u8]) -> io::Result<(usize, net::SocketAddr)>>(
        mio::net::UdpSocket::peek_from,
    );
    has_signature::<fn(&mio::net::UdpSocket) -> io::Result<net::SocketAddr>>(
        mio::net::UdpSocket::peer_addr,
    );
    has_signature::<fn(&mio::net::UdpSocket, &mut [u8]) -> io::Result<usize>>(
        mio::net::UdpSocket::recv,
    );
    has_signature::<fn(&mio::net::UdpSocket, &mut [u8]) -> io::Result<(usize, net::SocketAddr)>>(
        mio::net::UdpSocket::recv_from,
    );
    has_signature::<fn(&mio::net::UdpSocket, &[u8]) -> io::Result<usize>>(
        mio::net::UdpSocket::send,
    );
    has_signature::<fn(&mio::net::UdpSocket, &[u8], net::SocketAddr) -> io::Result<usize>>(
        mio::net::UdpSocket::send_to,
    );
    has_signature::<fn(&mio::net::UdpSocket, bool) -> io::Result<()>>(
        mio::net::UdpSocket::set_broadcast,
    );
    has_signature::<fn(&mio::net::UdpSocket, bool) -> io::Result<()>>(
        mio::net::UdpSocket::set_multicast_loop_v4,
    );
    has_signature::<fn(&mio::net::UdpSocket, bool) -> io::Result<()>>(
        mio::net::UdpSocket::set_multicast_loop_v6,
    );
    has_signature::<fn(&mio::net::UdpSocket, u32) -> io::Result<()>>(
        mio::net::UdpSocket::set_multicast_ttl_v4,
    );
    has_signature::<fn(&mio::net::UdpSocket, u32) -> io::Result<()>>(mio::net::UdpSocket::set_ttl);
    has_signature::<fn(&mio::net::UdpSocket) -> io::Result<Option<io::Error>>>(
        mio::net::UdpSocket::take_error,
    );
    has_signature::<fn(&mio::net::UdpSocket) -> io::Result<u32>>(mio::net::UdpSocket::ttl);
}

#[cfg(all(unix, feature = "net"))]
#[test]
fn functions_of_unix_sockets() {
    has_signature::<fn(&mio::net::UnixDatagram, Op) -> io::Result<u8>>(
        mio::net::UnixDatagram::try_io,
    );
    has_signature::<fn(&mio::net::UnixStream, Op) -> io::Result<u8>>(mio::net::UnixStream::try_io);
    has_signature::<fn(String) -> io::Result<mio::net::UnixListener>>(mio::net::UnixListener::bind);
    has_signature::<fn(String) -> io::Result<mio::net::UnixStream>>(mio::net::UnixStream::connect);
    has_signature::<fn(String) -> io::Result<mio::net::UnixDatagram>>(mio::net::UnixDatagram::bind);
    has_signature::<fn(&mio::net::UnixDatagram, String) -> io::Result<()>>(
        mio::net::UnixDatagram::connect,
    );
    has_signature::<fn(&mio::net::UnixDatagram, &[u8], String) -> io::Result<usize>>(
        mio::net::UnixDatagram::send_to,
    );
    // Of version 0.8.
    has_signature::<fn(&mio::net::SocketAddr) -> bool>(mio::net::SocketAddr::is_unnamed);
    has_signature::<fn(&os::unix::net::SocketAddr) -> io::Result<mio::net::UnixDatagram>>(
        mio::net::UnixDatagram::bind_addr,
    );
    has_signature::<fn(os::unix::net::UnixDatagram) -> mio::net::UnixDatagram>(
        mio::net::UnixDatagram::from_std,
    );
    has_signature::<fn(&mio::net::UnixDatagram) -> io::Result<os::unix::net::SocketAddr>>(
        mio::net::UnixDatagram::local_addr,
    );
    has_signature::<fn() -> io::Result<(mio::net::UnixDatagram, mio::net::UnixDatagram)>>(
        mio::net::UnixDatagram::pair,
    );
    has_signature::<fn(&mio::net::UnixDatagram) -> io::Result<os::unix::net::SocketAddr>>(
        mio::net::UnixDatagram::peer_addr,
    );
    has_signature::<fn(&mio::net::UnixDatagram, &mut [u8]) -> io::Result<usize>>(
        mio::net::UnixDatagram::recv,
    );
    has_signature::<
        fn(&mio::net::UnixDatagram, &mut [u8]) -> io::Result<(usize, os::unix::net::SocketAddr)>,
    >(mio::net::UnixDatagram::recv_from);
    has_signature::<fn(&mio::net::UnixDatagram, &[u8]) -> io::Result<usize>>(
        mio::net::UnixDatagram::send,
    );
    has_signature::<fn(&mio::net::UnixDatagram, net::Shutdown) -> io::Result<()>>(
        mio::net::UnixDatagram::shutdown,
    );
    has_signature::<fn(&mio::net::UnixDatagram) -> io::Result<Option<io::Error>>>(
        mio::net::UnixDatagram::take_error,
    );
    has_signature::<fn() -> io::Result<mio::net::UnixDatagram>>(mio::net::UnixDatagram::unbound);
    has_signature::<
        fn(
            &mio::net::UnixListener,
        ) -> io::Result<(mio::net::UnixStream, os::unix::net::SocketAddr)>,
    >(mio::net::UnixListener::accept);
    has_signature::<fn(&os::unix::net::SocketAddr) -> io::Result<mio::net::UnixListener>>(
        mio::net::UnixListener::bind_addr,
    );
    has_signature::<fn(os::unix::net::UnixListener) -> mio::net::UnixListener>(
        mio::net::UnixListener::from_std,
    );
    has_signature::<fn(&mio::net::UnixListener) -> io::Result<os::unix::net::SocketAddr>>(
        mio::net::UnixListener::local_addr,
    );
    has_signature::<fn(&mio::net::UnixListener) -> io::Result<Option<io::Error>>>(
        mio::net::UnixListener::take_error,
    );
    has_signature::<fn(&os::unix::net::SocketAddr) -> io::Result<mio::net::UnixStream>>(
        mio::net::UnixStream::connect_addr,
    );
    has_signature::<fn(os::unix::net::UnixStream) -> mio::net::UnixStream>(
        mio::net::UnixStream::from_std,
    );
    has_signature::<fn(&mio::net::UnixStream) -> io::Result<os::unix::net::SocketAddr>>(
        mio::net::UnixStream::local_addr,
    );
    has_signature::<fn() -> io::Result<(mio::net::UnixStream, mio::net::UnixStream)>>(
        mio::net::UnixStream::pair,
    );
    has_signature::<fn(&mio::net::UnixStream) -> io::Result<os::unix::net::SocketAddr>>(
        mio::net::UnixStream::peer_addr,
    );
    has_signature::<fn(&mio::net::UnixStream, net::Shutdown) -> io::Result<()>>(
        mio::net::UnixStream::shutdown,
    );
    has_signature::<fn(&mio::net::UnixStream) -> io::Result<Option<io::Error>>>(
        mio::net::UnixStream::take_error,
    );
}

#[cfg(feature = "net")]
#[test]
fn traits_of_net() {
    implements! {
        net::TcpListener: From<mio::net::TcpListener>;
        net::TcpStream: From<mio::net::TcpStream>;
        net::UdpSocket: From<mio::net::UdpSocket>;
        mio::net::TcpListener: fmt::Debug;
        mio::net::TcpStream: fmt::Debug;
        mio::net::UdpSocket: fmt::Debug;
        mio::net::TcpListener: mio::event::Source;
        mio::net::TcpStream: mio::event::Source;
        mio::net::UdpSocket: mio::event::Source;
        &'static mio::net::TcpStream: io::Read;
        mio::net::TcpStream: io::Read;
        &'static mio::net::TcpStream: io::Write;
        mio::net::TcpStream: io::Write;
    }
}

#[cfg(all(unix, feature = "net"))]
#[test]
fn traits_of_net_on_unix() {
    implements! {
        os::fd::OwnedFd: From<mio::net::TcpListener>;
        os::fd::OwnedFd: From<mio::net::TcpStream>;
        os::fd::OwnedFd: From<mio::net::UdpSocket>;
        os::fd::OwnedFd: From<mio::net::UnixDatagram>;
        os::unix::net::UnixDatagram: From<mio::net::UnixDatagram>;
        os::fd::OwnedFd: From<mio::net::UnixListener>;
        os::unix::net::UnixListener: From<mio::net::UnixListener>;
        os::fd::OwnedFd: From<mio::net::UnixStream>;
        os::unix::net::UnixStream: From<mio::net::UnixStream>;
        mio::net::TcpListener: From<os::fd::OwnedFd>;
        mio::net::TcpStream: From<os::fd::OwnedFd>;
        mio::net::UdpSocket: From<os::fd::OwnedFd>;
        mio::net::UnixDatagram: From<os::fd::OwnedFd>;
        mio::net::UnixListener: From<os::fd::OwnedFd>;
        mio::net::UnixStream: From<os::fd::OwnedFd>;
        mio::net::UnixDatagram: fmt::Debug;
        mio::net::UnixListener: fmt::Debug;
        mio::net::UnixStream: fmt::Debug;
        mio::net::UnixDatagram: mio::event::Source;
        mio::net::UnixListener: mio::event::Source;
        mio::net::UnixStream: mio::event::Source;
        &'static mio::net::UnixStream: io::Read;
        mio::net::UnixStream: io::Read;
        &'static mio::net::UnixStream: io::Write;
        mio::net::UnixStream: io::Write;
        mio::net::TcpListener: os::fd::AsFd;
        mio::net::TcpStream: os::fd::AsFd;
        mio::net::UdpSocket: os::fd::AsFd;
        mio::net::UnixDatagram: os::fd::AsFd;
        mio::net::UnixListener: os::fd::AsFd;
        mio::net::UnixStream: os::fd::AsFd;
        mio::net::TcpListener: os::fd::AsRawFd;
        mio::net::TcpStream: os::fd::AsRawFd;
        mio::net::UdpSocket: os::fd::AsRawFd;
        mio::net::UnixDatagram: os::fd::AsRawFd;
        mio::net::UnixListener: os::fd::AsRawFd;
        mio::net::UnixStream: os::fd::AsRawFd;
        mio::net::TcpListener: os::fd::FromRawFd;
        mio::net::TcpStream: os::fd::FromRawFd;
        mio::net::UdpSocket: os::fd::FromRawFd;
        mio::net::UnixDatagram: os::fd::FromRawFd;
        mio::net::UnixListener: os::fd::FromRawFd;
        mio::net::UnixStream: os::fd::FromRawFd;
        mio::net::TcpListener: os::fd::IntoRawFd;
        mio::net::TcpStream: os::fd::IntoRawFd;
        mio::net::UdpSocket: os::fd::IntoRawFd;
        mio::net::UnixDatagram: os::fd::IntoRawFd;
        mio::net::UnixListener: os::fd::IntoRawFd;
        mio::net::UnixStream: os::fd::IntoRawFd;
    }
}

#[cfg(all(windows, feature = "net"))]
#[test]
fn traits_of_net_on_windows() {
    implements! {
        os::windows::io::OwnedSocket: From<mio::net::TcpListener>;
        os::windows::io::OwnedSocket: From<mio::net::TcpStream>;
        os::windows::io::OwnedSocket: From<mio::net::UdpSocket>;
        mio::net::TcpListener: From<os::windows::io::OwnedSocket>;
        mio::net::TcpStream: From<os::windows::io::OwnedSocket>;
        mio::net::UdpSocket: From<os::windows::io::OwnedSocket>;
        mio::net::TcpListener: os::windows::io::AsSocket;
        mio::net::TcpStream: os::windows::io::AsSocket;
        mio::net::UdpSocket: os::windows::io::AsSocket;
        mio::net::TcpListener: os::windows::io::AsRawSocket;
        mio::net::TcpStream: os::windows::io::AsRawSocket;
        mio::net::UdpSocket: os::windows::io::AsRawSocket;
        mio::net::TcpListener: os::windows::io::FromRawSocket;
        mio::net::TcpStream: os::windows::io::FromRawSocket;
        mio::net::UdpSocket: os::windows::io::FromRawSocket;
        mio::net::TcpListener: os::windows::io::IntoRawSocket;
        mio::net::TcpStream: os::windows::io::IntoRawSocket;
        mio::net::UdpSocket: os::windows::io::IntoRawSocket;
    }
}

#[cfg(all(unix, feature = "os-ext"))]
#[test]
fn functions_of_os_ext() {
    has_signature::<fn(&mio::unix::pipe::Sender, Op) -> io::Result<u8>>(
        mio::unix::pipe::Sender::try_io,
    );
    has_signature::<fn(&mio::unix::pipe::Receiver, Op) -> io::Result<u8>>(
        mio::unix::pipe::Receiver::try_io,
    );
    let _ = |fd: &'static os::fd::RawFd| mio::unix::SourceFd(fd);
    has_signature::<fn(&mio::unix::pipe::Receiver, bool) -> io::Result<()>>(
        mio::unix::pipe::Receiver::set_nonblocking,
    );
    has_signature::<fn(&mio::unix::pipe::Sender, bool) -> io::Result<()>>(
        mio::unix::pipe::Sender::set_nonblocking,
    );
    has_signature::<fn() -> io::Result<(mio::unix::pipe::Sender, mio::unix::pipe::Receiver)>>(
        mio::unix::pipe::new,
    );
}

#[cfg(all(unix, feature = "os-ext"))]
#[test]
fn traits_of_os_ext() {
    implements! {
        os::fd::OwnedFd: From<mio::unix::pipe::Receiver>;
        os::fd::OwnedFd: From<mio::unix::pipe::Sender>;
        mio::unix::pipe::Receiver: From<os::fd::OwnedFd>;
        mio::unix::pipe::Sender: From<os::fd::OwnedFd>;
        mio::unix::pipe::Receiver: From<process::ChildStderr>;
        mio::unix::pipe::Sender: From<process::ChildStdin>;
        mio::unix::pipe::Receiver: From<process::ChildStdout>;
        mio::unix::pipe::Receiver: fmt::Debug;
        mio::unix::pipe::Sender: fmt::Debug;
        mio::unix::pipe::Receiver: mio::event::Source;
        mio::unix::pipe::Sender: mio::event::Source;
        &'static mio::unix::pipe::Receiver: io::Read;
        mio::unix::pipe::Receiver: io::Read;
        &'static mio::unix::pipe::Sender: io::Write;
        mio::unix::pipe::Sender: io::Write;
        mio::unix::pipe::Receiver: os::fd::AsFd;
        mio::unix::pipe::Sender: os::fd::AsFd;
        mio::unix::pipe::Receiver: os::fd::AsRawFd;
        mio::unix::pipe::Sender: os::fd::AsRawFd;
        mio::unix::pipe::Receiver: os::fd::FromRawFd;
        mio::unix::pipe::Sender: os::fd::FromRawFd;
        mio::unix::pipe::Receiver: os::fd::IntoRawFd;
        mio::unix::pipe::Sender: os::fd::IntoRawFd;
        mio::unix::SourceFd<'static>: fmt::Debug;
        mio::unix::SourceFd<'static>: mio::event::Source;
    }
}

#[cfg(all(windows, feature = "os-ext"))]
#[test]
fn functions_of_named_pipes() {
    has_signature::<fn(String) -> io::Result<mio::windows::NamedPipe>>(
        mio::windows::NamedPipe::new,
    );
    has_signature::<fn(&mio::windows::NamedPipe) -> io::Result<()>>(
        mio::windows::NamedPipe::connect,
    );
    has_signature::<fn(&mio::windows::NamedPipe) -> io::Result<()>>(
        mio::windows::NamedPipe::disconnect,
    );
    has_signature::<fn(&mio::windows::NamedPipe) -> io::Result<Option<io::Error>>>(
        mio::windows::NamedPipe::take_error,
    );
}

#[cfg(all(windows, feature = "os-ext"))]
#[test]
fn traits_of_named_pipes() {
    implements! {
        mio::windows::NamedPipe: fmt::Debug;
        mio::windows::NamedPipe: mio::event::Source;
        &'static mio::windows::NamedPipe: io::Read;
        mio::windows::NamedPipe: io::Read;
        &'static mio::windows::NamedPipe: io::Write;
        mio::windows::NamedPipe: io::Write;
        mio::windows::NamedPipe: os::windows::io::AsRawHandle;
        mio::windows::NamedPipe: os::windows::io::FromRawHandle;
    }
}

/// The poll(2) selector has no queue in the kernel, hence no descriptor of one.
#[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
#[test]
fn the_queue_has_a_descriptor() {
    implements! {
        mio::Registry: os::fd::AsFd;
        mio::Registry: os::fd::AsRawFd;
        mio::Poll: os::fd::AsRawFd;
    }
}
