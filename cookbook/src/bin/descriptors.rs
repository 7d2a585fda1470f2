//! Running out of descriptors: a server that stops accepting, or refuses, and never spins.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cookbook::{parse, run, wrong_arguments};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use rustix::io::Errno;
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};

const USAGE: &str = "usage: descriptors ADDRESS:PORT LIMIT pause|refuse";

const LISTENER: Token = Token(0);

/// When to try again although no client has left: another part of the program, or another
/// program, may have closed a descriptor.
const PAUSE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    run(USAGE, |arguments| {
        let (address, limit, refuse) = match *arguments {
            [address, limit, "pause"] => (address, limit, false),
            [address, limit, "refuse"] => (address, limit, true),
            _ => return Err(wrong_arguments(arguments)),
        };
        let address = parse("ADDRESS:PORT", address)?;
        let limit = Rlimit {
            current: Some(parse("LIMIT", limit)?),
            ..getrlimit(Resource::Nofile)
        };
        setrlimit(Resource::Nofile, limit)?;
        Ok(Server::new(address, refuse)?.run()?)
    })
}

/// Whether accepting fails because of a lack of resources, and leaves the connection pending.
fn is_shortage(error: &io::Error) -> bool {
    let shortages = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| shortages.contains(&errno))
}

struct Server {
    poll: Poll,
    listener: TcpListener,
    refuse: bool,
    /// A descriptor that is closed to accept a connection when there is no other.
    reserve: Option<File>,
    /// While the listener is not registered.
    paused_until: Option<Instant>,
    clients: HashMap<Token, TcpStream>,
    next_token: Token,
    polls: u64,
}

impl Server {
    fn new(address: SocketAddr, refuse: bool) -> io::Result<Server> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(address)?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        println!("Listening on {}", listener.local_addr()?);
        let mut server = Server {
            poll,
            listener,
            refuse,
            reserve: None,
            paused_until: None,
            clients: HashMap::new(),
            next_token: Token(LISTENER.0 + 1),
            polls: 0,
        };
        server.replenish();
        Ok(server)
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        loop {
            let timeout = self
                .paused_until
                .map(|at| at.saturating_duration_since(Instant::now()));
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            self.polls += 1;
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    client => self.receive(client)?,
                }
            }
            if self.paused_until.is_some_and(|at| at <= Instant::now()) {
                self.resume("time has passed")?;
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        while self.paused_until.is_none() {
            let mut accepted = self.listener.accept().map(|(stream, _)| Some(stream));
            if matches!(&accepted, Err(error) if is_shortage(error)) && self.reserve.is_some() {
                accepted = self.refuse_one().map(|()| None);
            }
            match accepted {
                Ok(Some(stream)) => self.welcome(stream)?,
                Ok(None) => println!("refusing with {} clients", self.clients.len()),
                Err(error) if is_shortage(&error) => self.pause()?,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return Ok(()),
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                    _ => return Err(error),
                },
            }
        }
        Ok(())
    }

    /// Stops accepting; connections wait in the queue. Deregisters the listener, because poll(2)
    /// would report it repeatedly, and epoll would not report it again.
    fn pause(&mut self) -> io::Result<()> {
        let (clients, polls) = (self.clients.len(), self.polls);
        println!("pausing with {clients} clients, after {polls} polls");
        self.poll.registry().deregister(&mut self.listener)?;
        self.paused_until = Some(Instant::now() + PAUSE);
        Ok(())
    }

    /// Registers the listener again, which reports pending connections.
    fn resume(&mut self, reason: &str) -> io::Result<()> {
        println!("resuming, because {reason}");
        self.paused_until = None;
        self.replenish();
        let registry = self.poll.registry();
        registry.register(&mut self.listener, LISTENER, Interest::READABLE)
    }

    /// Closes the reserve, to accept one connection and close it. Linux reports the shortage even
    /// if no connection is pending, so this can return `WouldBlock`.
    fn refuse_one(&mut self) -> io::Result<()> {
        drop(self.reserve.take());
        let result = self.listener.accept().map(drop);
        self.replenish();
        result
    }

    /// Opens the reserve. If another thread has taken the descriptor, the next attempt is in
    /// `resume`.
    fn replenish(&mut self) {
        if self.refuse && self.reserve.is_none() {
            self.reserve = File::open("/dev/null").ok();
        }
    }

    fn welcome(&mut self, mut stream: TcpStream) -> io::Result<()> {
        let token = self.next_token;
        self.next_token.0 += 1;
        self.poll
            .registry()
            .register(&mut stream, token, Interest::READABLE)?;
        // So little fits into the empty buffer of a new connection.
        if stream.write_all(b"welcome\n").is_ok() {
            self.clients.insert(token, stream);
        }
        Ok(())
    }

    /// Discards what the client sends, until it leaves.
    fn receive(&mut self, token: Token) -> io::Result<()> {
        let Some(stream) = self.clients.get_mut(&token) else {
            return Ok(());
        };
        loop {
            match stream.read(&mut [0; 1024]) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.clients.remove(&token);
        if self.paused_until.is_some() {
            self.resume("a client has left")?;
        }
        Ok(())
    }
}
