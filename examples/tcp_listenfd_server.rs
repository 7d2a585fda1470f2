//! A server that inherits its listening socket from the program that starts it (socket
//! activation). It greets every client and closes the connection.
//!
//! ```text
//! cargo install systemfd   (once)
//! systemfd --no-pid -s tcp::127.0.0.1:9000 -- \
//!     cargo run --example tcp_listenfd_server --features os-poll,net
//! nc 127.0.0.1 9000        (in another terminal)
//! ```
//!
//! The socket outlives the server: with `cargo watch -x "run …"` instead of `cargo run …`, or as a
//! systemd service with a socket unit (`Accept=no`), clients that connect while the server restarts
//! wait instead of being refused.
//!
//! Without an inherited socket the server prints how to start it, and exits with status 2. It does
//! not open a listening socket itself: that would hide the error, and might use an unintended
//! address.
//!
//! It also shows level-triggered registrations, and how to close a connection without losing data
//! that was just sent.

#[cfg(unix)]
use std::process::ExitCode;

#[cfg(unix)]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|it| it == "--help" || it == "-h") {
        println!("{}", unix::USAGE);
        return ExitCode::SUCCESS;
    }
    let listeners = match unix::take_listeners(&arguments) {
        Ok(listeners) => listeners,
        Err(message) => {
            eprintln!("tcp_listenfd_server: {message}\n{}", unix::USAGE);
            return ExitCode::from(2);
        }
    };
    match unix::serve(listeners) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("tcp_listenfd_server: {message}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(unix))]
fn main() {
    eprintln!("tcp_listenfd_server: this example requires Unix; use tcp_server instead");
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

    pub(super) const USAGE: &str = "\
usage: tcp_listenfd_server    (started with an inherited listening socket)
examples:
    systemfd --no-pid -s tcp::127.0.0.1:9000 -- tcp_listenfd_server
    systemd-socket-activate -l 127.0.0.1:9000 tcp_listenfd_server
`cargo install systemfd` installs the first; the second is part of systemd.";

    /// How long to wait before accepting again after a failure.
    const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

    pub(super) fn serve(listeners: Vec<TcpListener>) -> Result<(), String> {
        let failed = |error: io::Error| error.to_string();
        let mut server = Server::new(listeners).map_err(failed)?;
        println!("Press Ctrl-C to stop. The program that started this one keeps the sockets open.");
        for listener in &server.listeners {
            let local = listener.local_addr().map_err(failed)?;
            println!("Listening on {local}. Try, in another terminal:");
            println!("    nc {} {}", local.ip(), local.port());
        }
        // There is nothing to clean up, so Ctrl-C may end the process.
        server.run().map_err(failed)
    }

    /// Takes all inherited TCP listening sockets. An error is a message for the user.
    pub(super) fn take_listeners(arguments: &[String]) -> Result<Vec<TcpListener>, String> {
        if let Some(extra) = arguments.first() {
            return Err(format!("unexpected argument `{extra}`"));
        }
        // Read these first: `ListenFd` removes them, so that child processes do not use them.
        let (count, pid) = (env::var("LISTEN_FDS").ok(), env::var("LISTEN_PID").ok());
        let mut handed_over = ListenFd::from_env();
        let mut listeners = Vec::new();
        for index in 0..handed_over.len() {
            match handed_over.take_tcp_listener(index) {
                Ok(Some(listener)) => {
                    // Inherited sockets are usually blocking.
                    listener
                        .set_nonblocking(true)
                        .map_err(|error| error.to_string())?;
                    listeners.push(TcpListener::from_std(listener));
                }
                Ok(None) => {}
                Err(error) => {
                    eprintln!("tcp_listenfd_server: ignoring an inherited descriptor: {error}");
                }
            }
        }
        if listeners.is_empty() {
            return Err(explain_missing_socket(count, pid));
        }
        Ok(listeners)
    }

    fn explain_missing_socket(count: Option<String>, pid: Option<String>) -> String {
        // `LISTEN_PID` names the process that the sockets are for. If `cargo` was started with
        // them, that is the process of `cargo`, which is the most common cause of this error.
        let reason = match (count, pid) {
            (None, _) => "LISTEN_FDS is not set".to_owned(),
            (Some(_), Some(pid)) if pid != process::id().to_string() => {
                format!("the sockets are for process {pid} (LISTEN_PID); use --no-pid")
            }
            (Some(count), _) => format!("LISTEN_FDS is {count}, but none is a TCP listener"),
        };
        format!("no listening socket was inherited: {reason}")
    }

    struct Server {
        poll: Poll,
        /// A listener's token is its index. The tokens of clients follow.
        listeners: Vec<TcpListener>,
        clients: HashMap<Token, Client>,
        next_token: Token,
        /// When to accept again after a failure.
        accept_again: Option<Instant>,
        since: Instant,
    }

    impl Server {
        fn new(mut listeners: Vec<TcpListener>) -> io::Result<Server> {
            let poll = Poll::new()?;
            for (index, listener) in listeners.iter_mut().enumerate() {
                // Edge-triggered, which is the default. Level-triggered, a connection that cannot
                // be accepted would be reported by every poll.
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
                self.poll.poll_until(&mut events, self.accept_again)?;
                for event in &events {
                    let token = event.token();
                    if token.0 >= self.listeners.len() {
                        self.attend(token);
                    } else if self.accept_again.is_none() {
                        self.accept(token.0);
                    } // Otherwise wait: some systems report the listener again soon.
                }
                if matches!(self.accept_again, Some(at) if at <= Instant::now()) {
                    self.retry_to_accept();
                }
            }
        }

        fn retry_to_accept(&mut self) {
            let mut all_accepted = true;
            for index in 0..self.listeners.len() {
                all_accepted &= self.accept(index);
            }
            if all_accepted {
                self.accept_again = None;
            }
        }

        /// Accepts all pending connections. Returns whether that succeeded.
        fn accept(&mut self, index: usize) -> bool {
            loop {
                match self.listeners[index].accept() {
                    Ok((stream, peer)) => self.welcome(stream, peer),
                    Err(error) => match error.kind() {
                        // All connections are accepted, by this process or by another one that
                        // shares the socket.
                        io::ErrorKind::WouldBlock => return true,
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                        // Most likely the process has run out of descriptors. The connection
                        // stays pending, but no further event will report it, so schedule
                        // another attempt.
                        _ => {
                            if self.accept_again.is_none() {
                                eprintln!("tcp_listenfd_server: cannot accept connections, trying again later: {error}");
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
                "Hello {peer}. You are client {} of process {}, which has run for {:.1} s.\n",
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
                Err(error) => eprintln!("tcp_listenfd_server: cannot register {peer}: {error}"),
            }
        }

        fn attend(&mut self, token: Token) {
            let Some(client) = self.clients.get_mut(&token) else {
                return; // The event belongs to a client that was removed.
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
                Err(error) => eprintln!("tcp_listenfd_server: a connection failed: {error}"),
            }
            // Closes the stream, which also ends its registration.
            self.clients.remove(&token);
            // A descriptor is free again.
            if let Some(at) = &mut self.accept_again {
                *at = Instant::now();
            }
        }
    }

    struct Client {
        stream: TcpStream,
        greeting: String,
        sent: usize,
        /// The interest that the stream is registered with. With level triggering one operation
        /// per event is enough, since the next poll reports what is left; but the interest must
        /// never include a direction that the client does not use.
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
                // Shut down the sending side only. Closing the stream while there is unread data
                // from the client would cause a reset, which may overtake the greeting.
                self.stream.shutdown(Shutdown::Write)?;
                self.waits_for = Interest::READABLE.level();
            }
            Ok(Step::Wait)
        }

        /// Discards the client's data until the client closes the connection.
        fn listen(&mut self) -> io::Result<Step> {
            let mut ignored = [0; 4096];
            match self.stream.read(&mut ignored)? {
                0 => Ok(Step::Done),
                _ => Ok(Step::Wait),
            }
        }
    }
}
