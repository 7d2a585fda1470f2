//! Socket options that have to be set before `bind`, `listen` or `connect`.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use cookbook::{parse, run, wrong_arguments, Error};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use rustix::io::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

const USAGE: &str = "usage: options listen ADDRESS:PORT BUFFER-SIZE
       options connect ADDRESS:PORT LOCAL-ADDRESS";

const SOCKET: Token = Token(0);

fn main() -> ExitCode {
    run(USAGE, |arguments| match *arguments {
        ["listen", address, size] => {
            serve(parse("ADDRESS:PORT", address)?, parse("BUFFER-SIZE", size)?)
        }
        ["connect", address, from] => connect(
            parse("ADDRESS:PORT", address)?,
            parse("LOCAL-ADDRESS", from)?,
        ),
        _ => Err(wrong_arguments(arguments)),
    })
}

/// A non-blocking TCP socket. Nothing else has been done with it.
fn tcp_socket(address: SocketAddr) -> io::Result<Socket> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn listen(address: SocketAddr, buffer_size: usize) -> io::Result<TcpListener> {
    let socket = tcp_socket(address)?;
    // Permits listening while connections of an earlier process linger. Do not set it on
    // Windows, where it permits another process to take over the port.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `[::]` must not accept IPv4, regardless of the system's default.
        socket.set_only_v6(true)?;
    }
    // Inherited by the connections. When `accept` returns, it is too late: the scale of the
    // window has been negotiated.
    socket.set_recv_buffer_size(buffer_size)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(TcpListener::from_std(socket.into()))
}

fn start_to_connect(to: SocketAddr, from: IpAddr) -> io::Result<TcpStream> {
    let socket = tcp_socket(to)?;
    socket.bind(&SocketAddr::new(from, 0).into())?;
    match socket.connect(&to.into()) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::INPROGRESS) => {}
        result => result?,
    }
    Ok(TcpStream::from_std(socket.into()))
}

/// Accepts connections, prints the buffer size that they have inherited, and closes them.
fn serve(address: SocketAddr, buffer_size: usize) -> Result<(), Error> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(8);
    let mut listener = listen(address, buffer_size)?;
    poll.registry()
        .register(&mut listener, SOCKET, Interest::READABLE)?;
    println!("Listening on {}", listener.local_addr()?);
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        loop {
            match listener.accept() {
                Ok((stream, peer)) => {
                    let size = SockRef::from(&stream).recv_buffer_size()?;
                    println!("{peer} has a receive buffer of {size} bytes");
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => break,
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                    _ => return Err(error.into()),
                },
            }
        }
    }
}

fn connect(to: SocketAddr, from: IpAddr) -> Result<(), Error> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1);
    let mut stream = start_to_connect(to, from)?;
    poll.registry()
        .register(&mut stream, SOCKET, Interest::WRITABLE)?;
    // The recipe about connecting adds a deadline.
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        if let Some(error) = stream.take_error()? {
            return Err(error.into());
        }
        match stream.peer_addr() {
            Ok(peer) => {
                println!("connected to {peer} from {}", stream.local_addr()?);
                return Ok(());
            }
            Err(error) if error.kind() == ErrorKind::NotConnected => {}
            Err(error) => return Err(error.into()),
        }
    }
}
