//! A server that does not make its listening socket, but is given it by the program
//! that starts it (socket activation). It greets every client, and hangs up.
//!
//! ```text
//! cargo install systemfd   (once)
//! systemfd --no-pid -s tcp::127.0.0.1:9000 -- \
//!     cargo run --example tcp_listenfd_server --features os-poll,net
//! nc 127.0.0.1 9000        (in another terminal)
//! ```
//!
//! The socket outlives the server: with `cargo watch -x "run …"` in the place of `cargo
//! run …`, or as a service of systemd with a socket unit (`Accept=no`), clients who come
//! while the server is being restarted wait, instead of being refused.
//!
//! Without a socket it says how to be started, and ends. To listen by itself would hide
//! that the hand-over has failed, and might be at an address that nobody meant.
//!
//! What it shows besides: level-triggered registrations, and closing a connection so that
//! the last words arrive.

#[cfg(unix)]
use std::process::ExitCode;

#[cfg(unix)]
fn main() -> ExitCode {
    match unix::serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("tcp_listenfd_server: {message}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(unix))]
fn main() {
    eprintln!("tcp_listenfd_server: this example is for Unix; see tcp_server instead");
    std::process::exit(1);
}

#[cfg(unix)]
mod unix {
    use std::collections::HashMap;
    use std::io::{self, Read, Write};
    use std::net::{Shutdown, SocketAddr};
    use std::time::{Duration, Instant};
    use std::{env, process};

    use listenfd::ListenFd;
    use mio::net::{TcpListener, TcpStream};
    use mio::{Events, Interest, Poll, Token};

    /// How long to wait before accepting is tried again after it has failed.
    const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

    pub(super) fn serve() -> Result<(), String> {
        let listeners = take_listeners()?;
        let failed = |error: io::Error| error.to_string();
        let mut server = Server::new(listeners).map_err(failed)?;
        println!("Ctrl-C ends. The sockets stay open: they belong to who started this.");
        for listener in &server.listeners {
            let local = listener.local_addr().map_err(failed)?;
            println!("Greeting clients on {local}. Try, in another terminal:");
            println!("    nc {} {}", local.ip(), local.port());
        }
        // There is nothing to be tidied up, so Ctrl-C may end the process as it is.
        server.run().map_err(failed)
    }

    /// Takes over all listening sockets for TCP that were handed to this process.
    fn take_listeners() -> Result<Vec<TcpListener>, String> {
        // `ListenFd` takes these away, so that no child process thinks they are for it.
        let (count, pid) = (env::var("LISTEN_FDS").ok(), env::var("LISTEN_PID").ok());
        let mut handed_over = ListenFd::from_env();
        let mut listeners = Vec::new();
        for index in 0..handed_over.len() {
            match handed_over.take_tcp_listener(index) {
                Ok(Some(listener)) => {
                    // Whoever made the socket had no reason to make it non-blocking.
                    listener
                        .set_nonblocking(true)
                        .map_err(|error| error.to_string())?;
                    listeners.push(TcpListener::from_std(listener));
                }
                Ok(None) => {}
                Err(error) => eprintln!("tcp_listenfd_server: not used: {error}"),
            }
        }
        if listeners.is_empty() {
            return Err(explain_missing_socket(count, pid));
        }
        Ok(listeners)
    }

    fn explain_missing_socket(count: Option<String>, pid: Option<String>) -> String {
        // `LISTEN_PID` says whom the sockets are for. A `cargo` in between is somebody
        // else, which is the commonest reason to arrive here with sockets at hand.
        let reason = match (count, pid) {
            (None, _) => "LISTEN_FDS is not set".to_owned(),
            (Some(_), Some(pid)) if pid != process::id().to_string() => {
                format!("LISTEN_PID says that the sockets are for process {pid}; use --no-pid")
            }
            (Some(count), _) => format!("LISTEN_FDS is {count}, but none is for TCP"),
        };
        let me = env::args().next().unwrap_or_default();
        format!(
            "no listening socket was handed over: {reason}.\n\
             Start it by a program that has one, such as\n\
             \x20   systemfd --no-pid -s tcp::127.0.0.1:9000 -- {me}\n\
             \x20   systemd-socket-activate -l 127.0.0.1:9000 {me}\n\
             (the first comes with `cargo install systemfd`, the second with systemd)"
        )
    }

    struct Server {
        poll: Poll,
        /// A listener's token is its index. Clients count on from there.
        listeners: Vec<TcpListener>,
        clients: HashMap<Token, Client>,
        next_token: Token,
        /// When to try again to accept, after that has failed.
        accept_again: Option<Instant>,
        since: Instant,
    }

    impl Server {
        fn new(mut listeners: Vec<TcpListener>) -> io::Result<Server> {
            let poll = Poll::new()?;
            for (index, listener) in listeners.iter_mut().enumerate() {
                // Edge-triggered, as everything is by default. By level, a connection
                // that cannot be accepted would be reported over and over.
                poll.registry()
                    .register(listener, Token(index), Interest::READABLE)?;
            }
            let next_token = Token(listeners.len());
            Ok(Server {
                poll,
                listeners,
                clients: HashMap::new(),
                next_token,
                accept_again: None,
                since: Instant::now(),
            })
        }

        fn run(&mut self) -> io::Result<()> {
            let mut events = Events::with_capacity(128);
            loop {
                let timeout = self
                    .accept_again
                    .map(|at| at.saturating_duration_since(Instant::now()));
                match self.poll.poll(&mut events, timeout) {
                    Ok(()) => {}
                    // A signal came, such as that of a debugger or of Ctrl-Z.
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(error),
                }
                for event in &events {
                    let token = event.token();
                    if token.0 >= self.listeners.len() {
                        self.attend(token);
                    } else if self.accept_again.is_none() {
                        self.accept(token.0);
                    } // Else the clock decides: some systems report the listener again at once.
                }
                if matches!(self.accept_again, Some(at) if at <= Instant::now()) {
                    self.retry_to_accept();
                }
            }
        }

        fn retry_to_accept(&mut self) {
            let mut went_well = true;
            for index in 0..self.listeners.len() {
                went_well &= self.accept(index);
            }
            if went_well {
                self.accept_again = None;
            }
        }

        /// Accepts all who wait. Returns whether that went well.
        fn accept(&mut self, index: usize) -> bool {
            loop {
                match self.listeners[index].accept() {
                    Ok((stream, peer)) => self.welcome(stream, peer),
                    Err(error) => match error.kind() {
                        // All are accepted, by us or by another process: it is not only
                        // ours, this socket.
                        io::ErrorKind::WouldBlock => return true,
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                        // Most likely there is no descriptor left. No event will announce
                        // the connection again, which goes on waiting: so a clock has to.
                        _ => {
                            if self.accept_again.is_none() {
                                eprintln!("tcp_listenfd_server: pausing to accept: {error}");
                            }
                            self.accept_again = Some(Instant::now() + ACCEPT_PAUSE);
                            return false;
                        }
                    },
                }
            }
        }

        fn welcome(&mut self, stream: TcpStream, peer: SocketAddr) {
            let token = self.next_token;
            self.next_token.0 += 1;
            let greeting = format!(
                "Hello {peer}. You are number {} of process {}, which has run for {:.1} s.\n",
                token.0 + 1 - self.listeners.len(),
                process::id(),
                self.since.elapsed().as_secs_f32(),
            );
            let mut client = Client::new(stream, greeting);
            let registry = self.poll.registry();
            match registry.register(&mut client.stream, token, client.waits_for) {
                Ok(()) => {
                    println!("{peer} connected");
                    self.clients.insert(token, client);
                }
                Err(error) => eprintln!("tcp_listenfd_server: turning {peer} away: {error}"),
            }
        }

        fn attend(&mut self, token: Token) {
            let Some(client) = self.clients.get_mut(&token) else {
                return; // The event is about a client that is gone.
            };
            let waited_for = client.waits_for;
            let mut step = client.step();
            if matches!(step, Ok(Step::Wait)) && client.waits_for != waited_for {
                let registry = self.poll.registry();
                step = registry
                    .reregister(&mut client.stream, token, client.waits_for)
                    .map(|()| Step::Wait);
            }
            match step {
                Ok(Step::Wait) => return,
                Ok(Step::Done) => {}
                Err(error) => eprintln!("tcp_listenfd_server: a client is lost: {error}"),
            }
            // Closes the stream, which also ends the registration.
            self.clients.remove(&token);
            // There is a descriptor again.
            if let Some(at) = &mut self.accept_again {
                *at = Instant::now();
            }
        }
    }

    struct Client {
        stream: TcpStream,
        greeting: String,
        sent: usize,
        /// What the stream is registered for. By level, one operation per event is enough,
        /// since the next poll reports what is left; but the interest must never
        /// be in a direction in which the client has nothing to do.
        waits_for: Interest,
    }

    enum Step {
        Wait,
        Done,
    }

    impl Client {
        fn new(stream: TcpStream, greeting: String) -> Client {
            Client {
                stream,
                greeting,
                sent: 0,
                waits_for: Interest::WRITABLE.level(),
            }
        }

        fn step(&mut self) -> io::Result<Step> {
            let outcome = if self.sent < self.greeting.len() {
                self.greet()
            } else {
                self.listen()
            };
            match outcome {
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(Step::Wait),
                    _ => Err(error),
                },
                step => step,
            }
        }

        fn greet(&mut self) -> io::Result<Step> {
            let unsent = &self.greeting.as_bytes()[self.sent..];
            self.sent += self.stream.write(unsent)?;
            if self.sent == self.greeting.len() {
                // Our side of the conversation is over. To close the stream would be too
                // much: if the client has sent anything that is not read, closing turns
                // into a reset, which may overtake the greeting.
                self.stream.shutdown(Shutdown::Write)?;
                self.waits_for = Interest::READABLE.level();
            }
            Ok(Step::Wait)
        }

        /// Pays no attention to what the client says, until it hangs up.
        fn listen(&mut self) -> io::Result<Step> {
            let mut ignored = [0; 4096];
            match self.stream.read(&mut ignored)? {
                0 => Ok(Step::Done),
                _ => Ok(Step::Wait),
            }
        }
    }
}
