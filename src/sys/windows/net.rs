//! Non-blocking TCP and UDP sockets. The standard library creates them overlapped and not
//! inherited, and without `SO_REUSEADDR`, which on Windows would let another process take over a
//! port.

use std::net::{SocketAddr, SocketAddrV6, TcpListener, TcpStream, UdpSocket};
use std::os::windows::io::{AsRawSocket, FromRawSocket, RawSocket};
use std::sync::Once;
use std::{io, mem, ptr};

use windows_sys::Win32::Foundation::{SetHandleInformation, HANDLE, HANDLE_FLAG_INHERIT};
use windows_sys::Win32::Networking::WinSock::{
    accept, connect, getsockopt, select, WSAIoctl, WSASocketW, WSAStartup, AF_INET, AF_INET6,
    FD_SET, INVALID_SOCKET, IPPROTO_IPV6, IPV6_V6ONLY, SIO_UDP_CONNRESET, SIO_UDP_NETRESET,
    SOCKADDR_IN, SOCKADDR_IN6, SOCKADDR_INET, SOCKET, SOCK_STREAM, TIMEVAL, WSADATA,
    WSAEWOULDBLOCK, WSA_FLAG_NO_HANDLE_INHERIT, WSA_FLAG_OVERLAPPED,
};

pub(crate) fn tcp_bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

pub(crate) fn tcp_accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    // If the client has already reset the connection, Wine returns no address, and leaves the
    // memory for it unchanged. The standard library would interpret that as an address, or panic.
    let mut peer = SOCKADDR_INET::default();
    let mut len = mem::size_of::<SOCKADDR_INET>() as i32;
    // SAFETY: the pointers are to local variables, and `len` is the size of `peer`.
    let accepted = unsafe {
        accept(
            raw(listener.as_raw_socket()),
            ptr::addr_of_mut!(peer).cast(),
            &mut len,
        )
    };
    // SAFETY: it is the result of `accept`.
    let stream = unsafe { own(accepted) }?;
    let peer = address_of(&peer).ok_or(io::ErrorKind::ConnectionAborted)?;
    stream.set_nonblocking(true)?;
    // Unlike a socket that is created, one that is accepted is inherited. If the system refuses to
    // change that, the connection is still good.
    // SAFETY: takes no pointer.
    unsafe { SetHandleInformation(stream.as_raw_socket() as HANDLE, HANDLE_FLAG_INHERIT, 0) };
    Ok((stream, peer))
}

/// Returns an address of either family; `None` if none was filled in.
fn address_of(name: &SOCKADDR_INET) -> Option<SocketAddr> {
    // SAFETY: all bytes are initialised, and all members of the unions are valid for any bits.
    unsafe {
        match name.si_family {
            AF_INET => {
                let ip = name.Ipv4.sin_addr.S_un.S_addr.to_ne_bytes();
                let port = u16::from_be(name.Ipv4.sin_port);
                Some(SocketAddr::from((ip, port)))
            }
            AF_INET6 => {
                let name = &name.Ipv6;
                let (ip, scope) = (name.sin6_addr.u.Byte, name.Anonymous.sin6_scope_id);
                let port = u16::from_be(name.sin6_port);
                Some(SocketAddrV6::new(ip.into(), port, name.sin6_flowinfo, scope).into())
            }
            _ => None,
        }
    }
}

/// Converts an address to the system's form. Returns its size too.
fn name_of(address: SocketAddr) -> (SOCKADDR_INET, usize) {
    let mut name = SOCKADDR_INET::default();
    match address {
        SocketAddr::V4(address) => {
            name.si_family = AF_INET;
            name.Ipv4.sin_port = address.port().to_be();
            name.Ipv4.sin_addr.S_un.S_addr = u32::from_ne_bytes(address.ip().octets());
            (name, mem::size_of::<SOCKADDR_IN>())
        }
        SocketAddr::V6(address) => {
            name.si_family = AF_INET6;
            name.Ipv6.sin6_port = address.port().to_be();
            name.Ipv6.sin6_flowinfo = address.flowinfo();
            name.Ipv6.sin6_addr.u.Byte = address.ip().octets();
            name.Ipv6.Anonymous.sin6_scope_id = address.scope_id();
            (name, mem::size_of::<SOCKADDR_IN6>())
        }
    }
}

pub(crate) fn tcp_connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = tcp_socket(address)?;
    stream.set_nonblocking(true)?;
    let (name, len) = name_of(address);
    let socket = raw(stream.as_raw_socket());
    // SAFETY: the pointer is to a local variable, which has at least `len` bytes.
    match check(unsafe { connect(socket, ptr::addr_of!(name).cast(), len as i32) }) {
        // The attempt continues in the background.
        Err(error) if error.raw_os_error() != Some(WSAEWOULDBLOCK) => Err(error),
        _ => Ok(stream),
    }
}

pub(crate) fn udp_bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    // A datagram that found no receiver must not make receives of other datagrams fail. If the
    // system does not know the option, there is nothing to turn off.
    for option in [SIO_UDP_CONNRESET, SIO_UDP_NETRESET] {
        let _ = set(&socket, option, false);
    }
    Ok(socket)
}

/// A connected socket has one receiver, whose absence must be reported to the user. The expiry of a
/// datagram's time to live (`SIO_UDP_NETRESET`) must not, as on Unix.
pub(crate) fn udp_connect(socket: &UdpSocket, address: SocketAddr) -> io::Result<()> {
    socket.connect(address)?;
    // Connecting to an address of zeros disconnects a socket.
    let connected = !address.ip().is_unspecified();
    let _ = set(socket, SIO_UDP_CONNRESET, connected);
    Ok(())
}

pub(crate) fn only_v6(socket: &UdpSocket) -> io::Result<bool> {
    let mut only: u32 = 0;
    let mut len = mem::size_of::<u32>() as i32;
    // SAFETY: the pointer and the length are those of `only`.
    check(unsafe {
        getsockopt(
            raw(socket.as_raw_socket()),
            IPPROTO_IPV6,
            IPV6_V6ONLY,
            ptr::addr_of_mut!(only).cast(),
            &mut len,
        )
    })?;
    Ok(only != 0)
}

/// Creates a socket as the standard library does.
fn tcp_socket(address: SocketAddr) -> io::Result<TcpStream> {
    start_up();
    let family = if address.is_ipv4() { AF_INET } else { AF_INET6 };
    let flags = WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT;
    // SAFETY: no pointer is passed.
    let socket = unsafe { WSASocketW(family.into(), SOCK_STREAM, 0, ptr::null(), 0, flags) };
    // SAFETY: it is the result of `WSASocketW`.
    unsafe { own(socket) }
}

/// Takes ownership of the result of a call that creates a socket.
///
/// # Safety
///
/// The socket was just created, and nothing else owns it.
unsafe fn own(socket: SOCKET) -> io::Result<TcpStream> {
    if socket == INVALID_SOCKET {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { TcpStream::from_raw_socket(socket as RawSocket) })
}

/// Initialises the socket library. The standard library does so when it creates a socket, but the
/// process's first socket may be created here.
fn start_up() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let mut data = WSADATA::default();
        // SAFETY: the pointer is to a local variable. After a failure every later call fails.
        unsafe { WSAStartup(0x0202, &mut data) };
    });
}

fn set(socket: &UdpSocket, option: u32, on: bool) -> io::Result<()> {
    let value = u32::from(on);
    let mut len = 0;
    // SAFETY: the pointer and the size are those of `value`; the call is not overlapped.
    check(unsafe {
        WSAIoctl(
            raw(socket.as_raw_socket()),
            option,
            ptr::addr_of!(value).cast(),
            mem::size_of::<u32>() as u32,
            ptr::null_mut(),
            0,
            &mut len,
            ptr::null_mut(),
            None,
        )
    })
}

/// Converts a socket to the type of the system's calls, which is narrower on 32 bits.
fn raw(socket: RawSocket) -> SOCKET {
    socket as _
}

/// Converts the result of a socket call, which is zero for success.
fn check(result: i32) -> io::Result<()> {
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// As on most systems, the name of the peer shows that there is one.
pub(crate) const INVALID_IS_CONNECTED: bool = false;

/// Whether nothing has ended the attempt of a socket that has no peer.
pub(crate) fn is_connecting(socket: RawSocket) -> io::Result<bool> {
    // Not `WSAPoll`, which until Windows 10 2004 did not report that an attempt has failed.
    let mut only = FD_SET {
        fd_count: 1,
        ..FD_SET::default()
    };
    only.fd_array[0] = socket as _;
    let (mut connected, mut failed) = (only, only);
    let now = TIMEVAL::default();
    // SAFETY: the pointers are those of local variables.
    match unsafe { select(0, ptr::null_mut(), &mut connected, &mut failed, &now) } {
        0 => Ok(true),
        1.. => Ok(false),
        _ => Err(io::Error::last_os_error()),
    }
}
