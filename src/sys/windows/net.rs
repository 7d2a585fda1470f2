//! TCP and UDP sockets, made non-blocking. The standard library's are overlapped and not
//! inherited, and it makes them without `SO_REUSEADDR`, which here would let another process
//! take a port over.

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::windows::io::{AsRawSocket, FromRawSocket, OwnedSocket, RawSocket};
use std::sync::Once;
use std::{io, mem, ptr};

use windows_sys::Win32::Foundation::{SetHandleInformation, HANDLE, HANDLE_FLAG_INHERIT};
use windows_sys::Win32::Networking::WinSock::{
    accept, connect, getsockopt, ioctlsocket, WSAIoctl, WSASocketW, WSAStartup, AF_INET, AF_INET6,
    FIONBIO, IN6_ADDR, IN6_ADDR_0, INVALID_SOCKET, IN_ADDR, IN_ADDR_0, IPPROTO_IPV6, IPV6_V6ONLY,
    SIO_UDP_CONNRESET, SIO_UDP_NETRESET, SOCKADDR_IN, SOCKADDR_IN6, SOCKADDR_IN6_0, SOCKET,
    SOCK_STREAM, WSADATA, WSAEWOULDBLOCK, WSA_FLAG_NO_HANDLE_INHERIT, WSA_FLAG_OVERLAPPED,
};

pub(crate) fn tcp_bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

pub(crate) fn tcp_accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    // Wine tells no address of a client that has reset the connection meanwhile, and leaves the
    // memory for it as it was. The standard library takes that for an address, or panics.
    // SAFETY: all bits zero is a value of the type.
    let mut peer: SOCKADDR_IN6 = unsafe { mem::zeroed() };
    let mut len = mem::size_of::<SOCKADDR_IN6>() as i32;
    // SAFETY: the pointers are those of local variables, and `len` the size of `peer`.
    let accepted = unsafe {
        accept(
            raw(listener.as_raw_socket()),
            ptr::addr_of_mut!(peer).cast(),
            &mut len,
        )
    };
    // SAFETY: it is the answer of `accept`.
    let stream = TcpStream::from(unsafe { own(accepted) }?);
    let peer = address_of(&peer).ok_or(io::ErrorKind::ConnectionAborted)?;
    stream.set_nonblocking(true)?;
    // Sockets that are made are not inherited from birth; one that is accepted is. Should the
    // system refuse to mark it, the connection is as good as before.
    // SAFETY: takes no pointer.
    unsafe { SetHandleInformation(stream.as_raw_socket() as HANDLE, HANDLE_FLAG_INHERIT, 0) };
    Ok((stream, peer))
}

/// The address of either family; `None` where none was filled in.
fn address_of(address: &SOCKADDR_IN6) -> Option<SocketAddr> {
    let port = u16::from_be(address.sin6_port);
    match address.sin6_family {
        AF_INET => {
            // SAFETY: the larger one holds the bytes of the smaller one, at the same alignment.
            let address = unsafe { &*(address as *const SOCKADDR_IN6).cast::<SOCKADDR_IN>() };
            // SAFETY: all members of the union are valid for any bits.
            let ip = unsafe { address.sin_addr.S_un.S_addr }.to_ne_bytes();
            Some(SocketAddr::from((ip, port)))
        }
        AF_INET6 => {
            // SAFETY: all members of the unions are valid for any bits.
            let (ip, scope) =
                unsafe { (address.sin6_addr.u.Byte, address.Anonymous.sin6_scope_id) };
            let flow = address.sin6_flowinfo;
            Some(std::net::SocketAddrV6::new(ip.into(), port, flow, scope).into())
        }
        _ => None,
    }
}

pub(crate) fn tcp_connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = tcp_socket(address)?;
    set_nonblocking(&socket)?;
    let connected = match address {
        SocketAddr::V4(address) => {
            let address = SOCKADDR_IN {
                sin_family: AF_INET,
                sin_port: address.port().to_be(),
                sin_addr: IN_ADDR {
                    S_un: IN_ADDR_0 {
                        S_addr: u32::from_ne_bytes(address.ip().octets()),
                    },
                },
                sin_zero: [0; 8],
            };
            start_connect(&socket, &address)
        }
        SocketAddr::V6(address) => {
            let address = SOCKADDR_IN6 {
                sin6_family: AF_INET6,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: address.flowinfo(),
                sin6_addr: IN6_ADDR {
                    u: IN6_ADDR_0 {
                        Byte: address.ip().octets(),
                    },
                },
                Anonymous: SOCKADDR_IN6_0 {
                    sin6_scope_id: address.scope_id(),
                },
            };
            start_connect(&socket, &address)
        }
    };
    match connected {
        // Going on in the background is success.
        Err(error) if error.raw_os_error() != Some(WSAEWOULDBLOCK) => Err(error),
        _ => Ok(socket.into()),
    }
}

pub(crate) fn udp_bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    // A datagram that found no receiver must not break the receiving of others. Where the
    // system does not know the option there is nothing to turn off.
    for option in [SIO_UDP_CONNRESET, SIO_UDP_NETRESET] {
        let _ = set(&socket, option, false);
    }
    Ok(socket)
}

/// A connected socket has one receiver only, of which its user must hear that it is not there.
/// That a datagram's time has run out (`SIO_UDP_NETRESET`) is no such news, as on Unix.
pub(crate) fn udp_connect(socket: &UdpSocket, address: SocketAddr) -> io::Result<()> {
    socket.connect(address)?;
    // To an address of zeros a socket is disconnected.
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

/// A socket as the standard library makes them.
fn tcp_socket(address: SocketAddr) -> io::Result<OwnedSocket> {
    start_up();
    let family = match address {
        SocketAddr::V4(_) => AF_INET,
        SocketAddr::V6(_) => AF_INET6,
    };
    // SAFETY: no pointer is given.
    let socket = unsafe {
        WSASocketW(
            i32::from(family),
            SOCK_STREAM,
            0,
            ptr::null(),
            0,
            WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT,
        )
    };
    // SAFETY: it is the answer of `WSASocketW`.
    unsafe { own(socket) }
}

/// Takes over what a call that makes sockets has answered: a socket, or that there is none.
///
/// # Safety
///
/// It was just made, and nobody else knows of it.
unsafe fn own(made: SOCKET) -> io::Result<OwnedSocket> {
    if made == INVALID_SOCKET {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { OwnedSocket::from_raw_socket(made as RawSocket) })
}

/// Has the socket library start, which it does once for every time it is asked to. The
/// standard library asks when it makes a socket, and this may be the process's first.
fn start_up() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let mut data = mem::MaybeUninit::<WSADATA>::uninit();
        // SAFETY: `data` has room for what the call writes. A failure shows as the error
        // of every call that follows.
        unsafe { WSAStartup(0x0202, data.as_mut_ptr()) };
    });
}

fn set_nonblocking(socket: &OwnedSocket) -> io::Result<()> {
    let mut yes = 1;
    // SAFETY: the pointer is that of a local variable.
    check(unsafe { ioctlsocket(raw(socket.as_raw_socket()), FIONBIO, &mut yes) })
}

fn start_connect<T>(socket: &OwnedSocket, address: &T) -> io::Result<()> {
    // SAFETY: the pointer and the size are those of `address`.
    check(unsafe {
        connect(
            raw(socket.as_raw_socket()),
            (address as *const T).cast(),
            mem::size_of::<T>() as i32,
        )
    })
}

fn set(socket: &UdpSocket, option: u32, on: bool) -> io::Result<()> {
    let value = u32::from(on);
    let mut len = 0;
    // SAFETY: the pointer and the size are those of `value`; nothing is overlapped.
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

/// A socket as the system's calls take it; on 32 bits it is narrower there.
fn raw(socket: RawSocket) -> SOCKET {
    socket as _
}

/// The result of a socket call, which answers zero for success.
fn check(result: i32) -> io::Result<()> {
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
