//! The sources of a script: the library's, and their state in the system.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::rc::Rc;

use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UdpSocket};
use socket2::{Domain, SockRef, Socket, Type};

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
    /// One of two handles to a listener, and its clients.
    Shared(TcpListener, Rc<RefCell<Vec<std::net::TcpStream>>>),
    /// All clients of a listener.
    Clients(SocketAddr, Vec<std::net::TcpStream>),
    /// The listener that an unconnected socket will connect to.
    Server(std::net::TcpListener),
    /// A source that not every system has.
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
        prepare(stream)?;
    }
    Ok([one, other].map(Object::Tcp))
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    system::shrink_buffers(handle_of(stream));
    stream.set_nodelay(true)
}

fn shared_pair() -> io::Result<[Object; 2]> {
    let one = std::net::TcpListener::bind(any_port())?;
    one.set_nonblocking(true)?;
    let other = one.try_clone()?;
    let clients = Rc::default();
    Ok([one, other].map(|it| Object::Shared(TcpListener::from_std(it), Rc::clone(&clients))))
}

fn unconnected_pair() -> io::Result<[Object; 2]> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok([
        Object::Tcp(TcpStream::from_std(socket.into())),
        Object::Server(std::net::TcpListener::bind(any_port())?),
    ])
}

/// Connects `stream` to `server`, and returns the other end of the connection.
pub fn dial(stream: &Object, server: &Object) -> io::Result<Object> {
    let (Object::Tcp(stream), Object::Server(server)) = (stream, server) else {
        return unsupported();
    };
    let address = server.local_addr()?.into();
    match stream.try_io(|| SockRef::from(stream).connect(&address)) {
        Err(error) if !system::is_connecting(&error) => return Err(error),
        _ => system::wait_writable(handle_of(stream))?,
    }
    let (accepted, _) = server.accept()?;
    accepted.set_nonblocking(true)?;
    let accepted = TcpStream::from_std(accepted);
    for stream in [stream, &accepted] {
        prepare(stream)?;
    }
    Ok(Object::Tcp(accepted))
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
        Kind::Shared => shared_pair()?,
        Kind::Unconnected => unconnected_pair()?,
        Kind::UnixStream | Kind::UnixDatagram | Kind::Pipe => {
            system::local_pair(kind)?.map(Object::Local)
        }
    })
}

/// Until it is connected, a socket receives what any process sends to its port, which may have
/// belonged to another process just before.
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
            Object::Listener(it) | Object::Shared(it, _) => it,
            Object::Local(it) => it.source(),
            Object::Clients(..) | Object::Server(_) => return None,
        })
    }

    fn handle(&self) -> Option<Handle> {
        Some(match self {
            Object::Tcp(it) => handle_of(it),
            Object::Udp(it) => handle_of(it),
            Object::Listener(it) | Object::Shared(it, _) => handle_of(it),
            Object::Local(it) => it.handle(),
            Object::Clients(..) | Object::Server(_) => return None,
        })
    }

    /// `Unsupported` where there is no such operation.
    pub fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Object::Tcp(it) => it.read(buf),
            Object::Udp(it) => it.recv(buf),
            Object::Listener(it) | Object::Shared(it, _) => it.accept().map(|_| 1),
            Object::Local(it) => it.read(buf),
            Object::Clients(..) | Object::Server(_) => unsupported(),
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
            Object::Listener(it) => SockRef::from(it).shutdown(how),
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

    /// Connects a client to the listener.
    pub fn connect(&mut self) -> io::Result<()> {
        let connect = std::net::TcpStream::connect::<SocketAddr>;
        match self {
            Object::Clients(address, clients) => clients.push(connect(*address)?),
            Object::Shared(it, clients) => {
                let client = connect(it.local_addr()?)?;
                clients.borrow_mut().push(client);
            }
            _ => return unsupported(),
        }
        Ok(())
    }

    /// Removes a client that was accepted, and closes it with a reset, so that no port remains in
    /// use.
    pub fn accepted(&mut self) {
        let client = match self {
            Object::Clients(_, clients) => clients.remove(0),
            Object::Shared(_, clients) => clients.borrow_mut().remove(0),
            _ => return,
        };
        system::reset_on_close(handle_of(&client));
    }

    /// Makes closing reset the connection.
    pub fn reset_on_close(&self) -> io::Result<()> {
        match self {
            Object::Tcp(it) => system::reset_on_close(handle_of(it)),
            Object::Clients(_, clients) => {
                (clients.iter()).for_each(|it| system::reset_on_close(handle_of(it)));
            }
            Object::Shared(_, clients) => {
                let clients = clients.borrow();
                (clients.iter()).for_each(|it| system::reset_on_close(handle_of(it)));
            }
            _ => return unsupported(),
        }
        Ok(())
    }
}

/// Returns the current state of all sources in the system.
pub fn levels(objects: &[Option<Object>; ENDS]) -> Levels {
    let handles = objects.each_ref().map(|it| it.as_ref()?.handle());
    system::levels(&handles)
}
