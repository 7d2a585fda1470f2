//! The sources of a script: the library's, and what poll(2) says of them.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};

use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixStream};
use mio::unix::pipe;

use crate::model::{Kind, Level, Levels, ENDS};

pub enum Object {
    Tcp(TcpStream),
    UnixStream(UnixStream),
    UnixDatagram(UnixDatagram),
    Udp(UdpSocket),
    Sender(pipe::Sender),
    Receiver(pipe::Receiver),
    Listener(TcpListener),
    /// All who connect to a listener.
    Clients(SocketAddr, Vec<std::net::TcpStream>),
}

fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn setting<T>(fd: RawFd, level: i32, name: i32, value: T) {
    // SAFETY: the pointer and the length are those of `value`.
    let set = unsafe {
        let len = std::mem::size_of::<T>() as libc::socklen_t;
        libc::setsockopt(fd, level, name, (&value as *const T).cast(), len)
    };
    assert_eq!(set, 0, "{}", io::Error::last_os_error());
}

/// Small buffers are filled sooner.
const BUFFER: i32 = 32 * 1024;

fn tcp_pair() -> io::Result<[Object; 2]> {
    let listener = TcpListener::bind(any_port())?;
    let one = TcpStream::connect(listener.local_addr()?)?;
    wait(listener.as_raw_fd(), libc::POLLIN)?;
    let (other, _) = listener.accept()?;
    wait(one.as_raw_fd(), libc::POLLOUT)?;
    Ok([one, other].map(|stream| {
        let fd = stream.as_raw_fd();
        setting(fd, libc::SOL_SOCKET, libc::SO_SNDBUF, BUFFER);
        setting(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, BUFFER);
        setting(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1);
        Object::Tcp(stream)
    }))
}

/// Waits until a descriptor is ready.
fn wait(fd: RawFd, events: i16) -> io::Result<()> {
    let mut entry = libc::pollfd {
        fd,
        events,
        revents: 0,
    };
    // SAFETY: `entry` is one entry, and outlives the call.
    match unsafe { libc::poll(&mut entry, 1, 10_000) } {
        1 => Ok(()),
        0 => Err(io::ErrorKind::TimedOut.into()),
        _ => Err(io::Error::last_os_error()),
    }
}

pub fn pair(kind: Kind) -> io::Result<[Object; 2]> {
    Ok(match kind {
        Kind::Tcp => tcp_pair()?,
        Kind::UnixStream => {
            let (one, other) = UnixStream::pair()?;
            [one, other].map(Object::UnixStream)
        }
        Kind::UnixDatagram => {
            let (one, other) = UnixDatagram::pair()?;
            [one, other].map(Object::UnixDatagram)
        }
        Kind::Udp => {
            let (one, other) = (UdpSocket::bind(any_port())?, UdpSocket::bind(any_port())?);
            one.connect(other.local_addr()?)?;
            other.connect(one.local_addr()?)?;
            [one, other].map(Object::Udp)
        }
        Kind::Pipe => {
            let (sender, receiver) = pipe::new()?;
            [Object::Sender(sender), Object::Receiver(receiver)]
        }
        Kind::Listener => {
            let listener = TcpListener::bind(any_port())?;
            let address = listener.local_addr()?;
            [
                Object::Listener(listener),
                Object::Clients(address, Vec::new()),
            ]
        }
    })
}

fn unsupported<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Object {
    pub fn source(&mut self) -> Option<&mut dyn Source> {
        Some(match self {
            Object::Tcp(it) => it,
            Object::UnixStream(it) => it,
            Object::UnixDatagram(it) => it,
            Object::Udp(it) => it,
            Object::Sender(it) => it,
            Object::Receiver(it) => it,
            Object::Listener(it) => it,
            Object::Clients(..) => return None,
        })
    }

    pub fn fd(&self) -> Option<RawFd> {
        Some(match self {
            Object::Tcp(it) => it.as_raw_fd(),
            Object::UnixStream(it) => it.as_raw_fd(),
            Object::UnixDatagram(it) => it.as_raw_fd(),
            Object::Udp(it) => it.as_raw_fd(),
            Object::Sender(it) => it.as_raw_fd(),
            Object::Receiver(it) => it.as_raw_fd(),
            Object::Listener(it) => it.as_raw_fd(),
            Object::Clients(..) => return None,
        })
    }

    /// `Unsupported` where there is no such operation.
    pub fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Object::Tcp(it) => it.read(buf),
            Object::UnixStream(it) => it.read(buf),
            Object::UnixDatagram(it) => it.recv(buf),
            Object::Udp(it) => it.recv(buf),
            Object::Receiver(it) => it.read(buf),
            Object::Listener(it) => it.accept().map(|_| 1),
            Object::Sender(_) | Object::Clients(..) => unsupported(),
        }
    }

    pub fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Object::Tcp(it) => it.write(buf),
            Object::UnixStream(it) => it.write(buf),
            Object::UnixDatagram(it) => it.send(buf),
            Object::Udp(it) => it.send(buf),
            Object::Sender(it) => it.write(buf),
            _ => unsupported(),
        }
    }

    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Object::Tcp(it) => it.peek(buf),
            Object::Udp(it) => it.peek(buf),
            _ => unsupported(),
        }
    }

    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Object::Tcp(it) => it.shutdown(how),
            Object::UnixStream(it) => it.shutdown(how),
            Object::UnixDatagram(it) => it.shutdown(how),
            _ => unsupported(),
        }
    }

    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Object::Tcp(it) => it.take_error(),
            Object::UnixStream(it) => it.take_error(),
            Object::UnixDatagram(it) => it.take_error(),
            Object::Udp(it) => it.take_error(),
            _ => unsupported(),
        }
    }

    pub fn try_io(&self, operation: impl Fn() -> io::Result<()>) -> io::Result<()> {
        match self {
            Object::Tcp(it) => it.try_io(operation),
            Object::UnixStream(it) => it.try_io(operation),
            Object::UnixDatagram(it) => it.try_io(operation),
            Object::Udp(it) => it.try_io(operation),
            Object::Sender(it) => it.try_io(operation),
            Object::Receiver(it) => it.try_io(operation),
            _ => unsupported(),
        }
    }

    /// Connects to the listener whose clients these are.
    pub fn connect(&mut self) -> io::Result<()> {
        let Object::Clients(address, clients) = self else {
            return unsupported();
        };
        clients.push(std::net::TcpStream::connect(*address)?);
        Ok(())
    }

    /// One of the clients was accepted. Both sides are closed at once, so that no port
    /// remains taken.
    pub fn accepted(&mut self) {
        if let Object::Clients(_, clients) = self {
            for client in clients.drain(..1) {
                reset_on_close(client.as_raw_fd());
            }
        }
    }

    /// Has closing reset the connection.
    pub fn reset_on_close(&self) -> io::Result<()> {
        match self {
            Object::Tcp(it) => reset_on_close(it.as_raw_fd()),
            Object::Clients(_, clients) => {
                clients.iter().for_each(|it| reset_on_close(it.as_raw_fd()));
            }
            _ => return unsupported(),
        }
        Ok(())
    }
}

fn reset_on_close(fd: RawFd) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setting(fd, libc::SOL_SOCKET, libc::SO_LINGER, linger);
}

/// What poll(2) says of all sources at this moment.
pub fn levels(objects: &[Option<Object>; ENDS]) -> Levels {
    let mut list: Vec<libc::pollfd> = (objects.iter())
        .map(|object| libc::pollfd {
            // A negative number is passed over.
            fd: object.as_ref().and_then(Object::fd).unwrap_or(-1),
            events: libc::POLLIN | libc::POLLOUT | libc::POLLRDHUP,
            revents: 0,
        })
        .collect();
    // SAFETY: the pointer and the length are those of `list`.
    let polled = unsafe { libc::poll(list.as_mut_ptr(), list.len() as libc::nfds_t, 0) };
    assert_ne!(polled, -1, "{}", io::Error::last_os_error());
    let mut levels = Levels::default();
    for (level, entry) in levels.iter_mut().zip(&list).filter(|it| it.1.fd >= 0) {
        let has = |flag: i16| entry.revents & flag != 0;
        *level = Some(Level {
            readable: has(libc::POLLIN),
            writable: has(libc::POLLOUT),
            read_hang_up: has(libc::POLLRDHUP),
            hang_up: has(libc::POLLHUP),
            error: has(libc::POLLERR),
        });
    }
    levels
}
