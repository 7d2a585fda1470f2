//! The sources of a script: the library's, and what the system says of them.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};

use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UdpSocket};

use crate::model::{Kind, Levels, ENDS};

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

use system::{handle_of, Handle, Local};
pub use system::{is_cut, KINDS};

pub enum Object {
    Tcp(TcpStream),
    Udp(UdpSocket),
    Listener(TcpListener),
    /// All who connect to a listener.
    Clients(SocketAddr, Vec<std::net::TcpStream>),
    /// What not every system has.
    Local(Local),
}

fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn tcp_pair() -> io::Result<[Object; 2]> {
    let listener = TcpListener::bind(any_port())?;
    let one = TcpStream::connect(listener.local_addr()?)?;
    system::wait_readable(handle_of(&listener))?;
    let (other, _) = listener.accept()?;
    system::wait_writable(handle_of(&one))?;
    for stream in [&one, &other] {
        system::shrink_buffers(handle_of(stream));
        stream.set_nodelay(true)?;
    }
    Ok([one, other].map(Object::Tcp))
}

pub fn pair(kind: Kind) -> io::Result<[Object; 2]> {
    Ok(match kind {
        Kind::Tcp => tcp_pair()?,
        Kind::Udp => {
            let (one, other) = (UdpSocket::bind(any_port())?, UdpSocket::bind(any_port())?);
            one.connect(other.local_addr()?)?;
            other.connect(one.local_addr()?)?;
            for socket in [&one, &other] {
                forget_strangers(socket)?;
            }
            [one, other].map(Object::Udp)
        }
        Kind::Listener => {
            let listener = TcpListener::bind(any_port())?;
            let address = listener.local_addr()?;
            [
                Object::Listener(listener),
                Object::Clients(address, Vec::new()),
            ]
        }
        Kind::UnixStream | Kind::UnixDatagram | Kind::Pipe => {
            system::local_pair(kind)?.map(Object::Local)
        }
    })
}

/// Until it is connected, a socket takes what any process sends to its port, which may have
/// been another's a moment ago.
fn forget_strangers(socket: &UdpSocket) -> io::Result<()> {
    loop {
        match socket.recv(&mut [0; 2048]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if !is_cut(&error) => return Err(error),
            _ => {}
        }
    }
}

fn unsupported<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Object {
    pub fn source(&mut self) -> Option<&mut dyn Source> {
        Some(match self {
            Object::Tcp(it) => it,
            Object::Udp(it) => it,
            Object::Listener(it) => it,
            Object::Local(it) => it.source(),
            Object::Clients(..) => return None,
        })
    }

    fn handle(&self) -> Option<Handle> {
        Some(match self {
            Object::Tcp(it) => handle_of(it),
            Object::Udp(it) => handle_of(it),
            Object::Listener(it) => handle_of(it),
            Object::Local(it) => it.handle(),
            Object::Clients(..) => return None,
        })
    }

    /// `Unsupported` where there is no such operation.
    pub fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Object::Tcp(it) => it.read(buf),
            Object::Udp(it) => it.recv(buf),
            Object::Listener(it) => it.accept().map(|_| 1),
            Object::Local(it) => it.read(buf),
            Object::Clients(..) => unsupported(),
        }
    }

    pub fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Object::Tcp(it) => it.write(buf),
            Object::Udp(it) => it.send(buf),
            Object::Local(it) => it.write(buf),
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
            Object::Local(it) => it.shutdown(how),
            _ => unsupported(),
        }
    }

    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Object::Tcp(it) => it.take_error(),
            Object::Udp(it) => it.take_error(),
            Object::Local(it) => it.take_error(),
            _ => unsupported(),
        }
    }

    pub fn try_io(&self, operation: impl Fn() -> io::Result<()>) -> io::Result<()> {
        match self {
            Object::Tcp(it) => it.try_io(operation),
            Object::Udp(it) => it.try_io(operation),
            Object::Local(it) => it.try_io(operation),
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
                system::reset_on_close(handle_of(&client));
            }
        }
    }

    /// Has closing reset the connection.
    pub fn reset_on_close(&self) -> io::Result<()> {
        match self {
            Object::Tcp(it) => system::reset_on_close(handle_of(it)),
            Object::Clients(_, clients) => {
                (clients.iter()).for_each(|it| system::reset_on_close(handle_of(it)));
            }
            _ => return unsupported(),
        }
        Ok(())
    }
}

/// What the system says of all sources at this moment.
pub fn levels(objects: &[Option<Object>; ENDS]) -> Levels {
    let handles = objects.each_ref().map(|it| it.as_ref()?.handle());
    system::levels(&handles)
}
