//! Hot upgrade: a new process takes the listener over from the old one, and no connection is lost.

use std::collections::HashMap;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as BlockingUnixStream;
use std::process::ExitCode;
use std::time::Duration;
use std::{fs, net, process};

use cookbook::{parse, run, wrong_arguments, Error};
use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use mio::{Events, Interest, Poll, Token};
use rustix::net::{
    recvmsg, sendmsg, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

const USAGE: &str = "usage: upgrade ADDRESS:PORT CONTROL-SOCKET";

const LISTENER: Token = Token(0);
const CONTROL: Token = Token(1);
const SUCCESSOR: Token = Token(2);
const FIRST_CLIENT: Token = Token(3);

/// How long a new process waits for the listener.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    run(USAGE, |arguments| {
        let [address, control] = arguments[..] else {
            return Err(wrong_arguments(arguments));
        };
        let address = parse("ADDRESS:PORT", address)?;
        let mut server = Server::start(address, control)?;
        server.run()?;
        println!("{} has finished", process::id());
        Ok(())
    })
}

/// Sends the listener's descriptor. Every message needs at least one byte of data.
fn send_listener(to: &UnixStream, listener: &TcpListener) -> io::Result<()> {
    let descriptors = [listener.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    let data = [IoSlice::new(b"L")];
    // A single byte always fits into the socket's empty buffer.
    to.try_io(|| Ok(sendmsg(to, &data, &mut control, SendFlags::empty())?))?;
    Ok(())
}

/// Receives the listener. It shares the open file description with that of the old process: the
/// same queue of connections, and the same non-blocking mode.
fn receive_listener(from: &BlockingUnixStream) -> io::Result<TcpListener> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut data = [IoSliceMut::new(&mut byte)];
    // Close-on-exec: child processes must not inherit the listener.
    recvmsg(from, &mut data, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
            if let Some(descriptor) = descriptors.next() {
                return Ok(TcpListener::from_std(net::TcpListener::from(descriptor)));
            }
        }
    }
    Err(io::Error::new(
        ErrorKind::UnexpectedEof,
        "the old process sent no listener",
    ))
}

struct Server {
    poll: Poll,
    /// Both are `None` after a successor has taken over.
    listener: Option<TcpListener>,
    control: Option<UnixListener>,
    successor: Option<UnixStream>,
    clients: HashMap<Token, TcpStream>,
    next_token: Token,
}

impl Server {
    /// Takes over from the process at the control socket, if there is one.
    fn start(address: SocketAddr, path: &str) -> Result<Server, Error> {
        let poll = Poll::new()?;
        // Before the loop starts, blocking is simpler.
        let predecessor = BlockingUnixStream::connect(path).ok();
        let mut listener = match &predecessor {
            Some(predecessor) => {
                predecessor.set_read_timeout(Some(PATIENCE))?;
                receive_listener(predecessor)?
            }
            None => TcpListener::bind(address)?,
        };
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        // With a name of its own until the old process no longer needs the path.
        let own_path = format!("{path}.{}", process::id());
        let mut control = UnixListener::bind(&own_path)?;
        poll.registry()
            .register(&mut control, CONTROL, Interest::READABLE)?;
        // Ready: the old process stops accepting and closes its end. Connections wait in the queue
        // meanwhile. There is no way back, and therefore no timeout.
        if let Some(mut predecessor) = predecessor {
            predecessor.set_read_timeout(None)?;
            predecessor.write_all(b"R")?;
            predecessor.read_to_end(&mut Vec::new())?;
        }
        fs::rename(own_path, path)?;
        println!("Listening on {}", listener.local_addr()?);
        Ok(Server {
            poll,
            listener: Some(listener),
            control: Some(control),
            successor: None,
            clients: HashMap::new(),
            next_token: FIRST_CLIENT,
        })
    }

    /// Serves until a successor has taken over and the last client has its response.
    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        while self.listener.is_some() || !self.clients.is_empty() {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    CONTROL => self.meet_successor()?,
                    SUCCESSOR => self.hand_over()?,
                    client => self.answer(client),
                }
            }
        }
        Ok(())
    }

    fn meet_successor(&mut self) -> io::Result<()> {
        let (Some(control), Some(listener)) = (&self.control, &self.listener) else {
            return Ok(()); // Handed over a moment ago.
        };
        loop {
            match control.accept() {
                // One at a time. A second one reads the end of the stream, and fails.
                Ok(_) if self.successor.is_some() => {}
                Ok((mut stream, _)) => {
                    if send_listener(&stream, listener).is_ok() {
                        let registry = self.poll.registry();
                        registry.register(&mut stream, SUCCESSOR, Interest::READABLE)?;
                        self.successor = Some(stream);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let Some(successor) = &mut self.successor else {
            return Ok(());
        };
        match successor.read(&mut [0]) {
            Ok(1) => {
                // Deregister first: dropping does not end the registration, because the successor
                // has the listener open.
                if let Some(mut listener) = self.listener.take() {
                    self.poll.registry().deregister(&mut listener)?;
                }
                self.control = None;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            // It failed before it was ready: continue to serve.
            _ => {}
        }
        self.successor = None; // The successor sees the end of the stream.
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        let Some(listener) = &self.listener else {
            return Ok(());
        };
        loop {
            match listener.accept() {
                Ok((mut stream, _peer)) => {
                    let token = self.next_token;
                    self.next_token.0 += 1;
                    let registry = self.poll.registry();
                    registry.register(&mut stream, token, Interest::READABLE)?;
                    self.clients.insert(token, stream);
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return Ok(()),
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                    _ => return Err(error),
                },
            }
        }
    }

    /// Responds to a line with the process ID, and closes the connection.
    fn answer(&mut self, token: Token) {
        let Some(stream) = self.clients.get_mut(&token) else {
            return;
        };
        let mut buffer = [0; 1024];
        loop {
            match stream.read(&mut buffer) {
                Ok(len) if len > 0 && !buffer[..len].contains(&b'\n') => {}
                Ok(len) if len > 0 => {
                    // So little fits into the empty buffer of a new connection.
                    let answer = format!("answered by {}\n", process::id());
                    let _ = stream.write_all(answer.as_bytes());
                    break;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => break,
            }
        }
        self.clients.remove(&token);
    }
}
