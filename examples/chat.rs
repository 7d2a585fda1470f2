//! A chat server: a line that one client types is sent to all others and shown on the host's
//! terminal; a line that the host types is sent to all clients.
//!
//! ```text
//! cargo run --example chat --features os-poll,net [-- ADDRESS:PORT]
//! nc 127.0.0.1 9000        (in at least two other terminals)
//! ```
//!
//! What it shows:
//!
//! * A blocking thread (here reading standard input) passes work to the loop: it sends to a
//!   channel, then calls `Waker::wake`.
//! * Lines are assembled from the pieces that TCP delivers, and their length is limited.
//! * Clients that read too slowly are disconnected, so that they do not delay the others.
//! * Control characters are removed, so that a client cannot control another's terminal.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, BufRead, IoSlice, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{sync_channel, Receiver, SyncSender, TryRecvError};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, mem, thread};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};

const USAGE: &str = "usage: chat [ADDRESS:PORT]    (default: 127.0.0.1:9000)";
const DEFAULT_ADDRESS: &str = "127.0.0.1:9000";
const HELP: &str = "* Commands: /name NAME, /who, /quit. Any other line is sent to everyone";

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
const FIRST_CLIENT: Token = Token(2);

/// The longest line, in bytes, without the newline.
const LINE_LIMIT: usize = 1024;
/// The longest name, in bytes.
const NAME_LIMIT: usize = 16;
/// A client with more unread output than this, in bytes, is disconnected.
const BACKLOG_LIMIT: usize = 64 * 1024;
/// How much is read from a client in one turn.
const BYTES_PER_TURN: usize = 4096;
/// How many lines of the host are handled before the clients get their turn. It is also the
/// capacity of the channel: the reading thread blocks while it is full.
const HOST_LINES_PER_TURN: usize = 16;
/// How long to wait before accepting again after a failure.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.iter().any(|it| it == "--help" || it == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let address = match parse_address(&arguments) {
        Ok(address) => address,
        Err(message) => {
            eprintln!("chat: {message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match serve(address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("chat: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the address from the command line. An error is a message for the user.
fn parse_address(arguments: &[String]) -> Result<SocketAddr, String> {
    let argument = match arguments {
        [] => DEFAULT_ADDRESS,
        [address] => address,
        [_, extra, ..] => return Err(format!("unexpected argument `{extra}`")),
    };
    let invalid = |error: io::Error| match error.kind() {
        io::ErrorKind::InvalidInput => {
            format!("invalid address `{argument}`: expected ADDRESS:PORT")
        }
        _ => format!("cannot resolve `{argument}`: {error}"),
    };
    let mut addresses = argument.to_socket_addrs().map_err(invalid)?;
    addresses
        .next()
        .ok_or_else(|| format!("`{argument}` has no address"))
}

fn serve(address: SocketAddr) -> Result<(), String> {
    let listener = TcpListener::bind(address)
        .map_err(|error| format!("cannot listen on {address}: {error}\n{USAGE}"))?;
    let failed = |error: io::Error| error.to_string();
    let local = listener.local_addr().map_err(failed)?;

    let poll = Poll::new().map_err(failed)?;
    // A poll has one waker, which the threads share.
    let waker = Arc::new(Waker::new(poll.registry(), WAKER).map_err(failed)?);
    let stop = Arc::new(AtomicBool::new(false));
    let (sender, host_lines) = sync_channel(HOST_LINES_PER_TURN);
    let mut room = Room::new(poll, listener, host_lines).map_err(failed)?;

    let (handler_stop, handler_waker) = (Arc::clone(&stop), Arc::clone(&waker));
    ctrlc::set_handler(move || {
        handler_stop.store(true, Ordering::Release);
        wake(&handler_waker);
    })
    .map_err(|error| format!("cannot handle Ctrl-C: {error}"))?;

    println!("Listening on {local}. Type to talk; press Ctrl-D or Ctrl-C to stop.");
    println!(
        "To join, in other terminals: nc {} {}",
        local.ip(),
        local.port()
    );
    // This thread is not joined: it may still block in a read when the server stops.
    thread::spawn(move || read_host_lines(sender, &waker));
    let outcome = room.run(&stop).map_err(failed);
    room.close();
    outcome
}

/// Sends the lines of standard input to the loop, and closes the channel at their end.
fn read_host_lines(sender: SyncSender<String>, waker: &Waker) {
    for line in io::stdin().lock().split(b'\n') {
        let Ok(line) = line else {
            break;
        };
        // Send first, then wake: the loop must find the line when it wakes.
        if sender.send(printable(&line)).is_err() {
            return;
        }
        wake(waker);
    }
    drop(sender);
    wake(waker);
}

fn wake(waker: &Waker) {
    if let Err(error) = waker.wake() {
        eprintln!("chat: cannot wake the server: {error}");
    }
}

/// Replaces control characters, which could control the terminal that shows them.
fn printable(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let shown = |character| match character {
        '\t' => ' ',
        _ if char::is_control(character) => char::REPLACEMENT_CHARACTER,
        _ => character,
    };
    String::from_utf8_lossy(line).chars().map(shown).collect()
}

struct Room {
    poll: Poll,
    listener: TcpListener,
    clients: BTreeMap<Token, Client>,
    /// Only ever increases: a reused token could carry a late event of its former client.
    next_token: Token,
    host_lines: Receiver<String>,
    /// Whether the channel may hold lines for which no event will come.
    host_due: bool,
    /// Clients that may have sent data for which no event will come.
    due: BTreeSet<Token>,
    /// When to accept again after a failure.
    accept_again: Option<Instant>,
}

impl Room {
    fn new(
        poll: Poll,
        mut listener: TcpListener,
        host_lines: Receiver<String>,
    ) -> io::Result<Room> {
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Room {
            poll,
            listener,
            clients: BTreeMap::new(),
            next_token: FIRST_CLIENT,
            host_lines,
            host_due: false,
            due: BTreeSet::new(),
            accept_again: None,
        })
    }

    /// Runs until Ctrl-C, or the end of the host's input.
    fn run(&mut self, stop: &AtomicBool) -> io::Result<()> {
        let mut events = Events::with_capacity(128);
        while !stop.load(Ordering::Acquire) {
            self.poll.poll_until(&mut events, self.deadline())?;
            for event in &events {
                match event.token() {
                    // After a failure the next attempt waits for the timeout. Some systems
                    // report the listener again after some milliseconds.
                    LISTENER if self.accept_again.is_some() => {}
                    LISTENER => self.accept(),
                    // Wakes coalesce: one event may stand for many lines.
                    WAKER => self.host_due = true,
                    // Readable and writable need no distinction: `hear` tries to read, and
                    // `deliver` sends at the end of every iteration.
                    client => {
                        self.due.insert(client);
                    }
                }
            }
            if self.host_due && !self.hear_host() {
                return Ok(());
            }
            for token in mem::take(&mut self.due) {
                self.hear(token);
            }
            if matches!(self.accept_again, Some(at) if at <= Instant::now()) {
                self.accept();
            }
            self.deliver();
        }
        Ok(())
    }

    /// Until when the poll may block: not at all while turns are due, until the next attempt to
    /// accept if one is scheduled, and otherwise without a limit.
    fn deadline(&self) -> Option<Instant> {
        if self.host_due || !self.due.is_empty() {
            return Some(Instant::now());
        }
        self.accept_again
    }

    fn accept(&mut self) {
        let was_pausing = self.accept_again.take().is_some();
        loop {
            match self.listener.accept() {
                Ok((stream, peer)) => self.welcome(stream, peer),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return,
                    io::ErrorKind::Interrupted => {}
                    // This client has disconnected already; others may be pending.
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset => {}
                    // Most likely the process has run out of descriptors. The connection stays
                    // pending, but no further event will report it, so schedule another
                    // attempt. An immediate one would spin.
                    _ => {
                        if !was_pausing {
                            eprintln!(
                                "chat: cannot accept connections, trying again later: {error}"
                            );
                        }
                        self.accept_again = Some(Instant::now() + ACCEPT_PAUSE);
                        return;
                    }
                },
            }
        }
    }

    fn welcome(&mut self, mut stream: TcpStream, peer: SocketAddr) {
        let token = self.next_token;
        self.next_token.0 += 1;
        let both = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut stream, token, both) {
            eprintln!("chat: cannot register the connection of {peer}: {error}");
            return;
        }
        let client = Client::new(stream, peer.to_string());
        let joined = format!("* {} joined", client.name);
        self.clients.insert(token, client);
        self.send_to_all(Some(token), &joined);
        self.send_to(token, &format!("* Welcome, {peer}. {HELP}"));
        self.send_to(token, &self.who());
    }

    /// Sends the host's lines to the clients. Returns false at the end of the host's input.
    fn hear_host(&mut self) -> bool {
        for _ in 0..HOST_LINES_PER_TURN {
            match self.host_lines.try_recv() {
                Ok(line) if line.is_empty() => {}
                // The host's terminal shows it already.
                Ok(line) => self.send_to_clients(None, &format!("host: {line}")),
                Err(TryRecvError::Empty) => {
                    self.host_due = false;
                    return true;
                }
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        true
    }

    /// Reads from a client and handles the lines.
    fn hear(&mut self, token: Token) {
        let Some(client) = self.clients.get_mut(&token) else {
            return; // The event belongs to a client that was removed.
        };
        let mut lines = Vec::new();
        let heard = client.receive(&mut lines);
        for line in lines {
            match line {
                Line::Text(text) => self.obey(token, &text),
                Line::TooLong => self.send_to(token, "* Line too long: not sent"),
            }
        }
        match heard {
            Ok(Heard::Something) => {
                self.due.insert(token);
            }
            Ok(Heard::Nothing) => {}
            Ok(Heard::End) => self.remove(token, "left"),
            Err(error) => self.remove(token, &format!("disconnected: {error}")),
        }
    }

    fn obey(&mut self, token: Token, line: &str) {
        let Some(client) = self.clients.get(&token) else {
            return; // An earlier line was `/quit`.
        };
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "" if rest.is_empty() => {}
            "/quit" => self.remove(token, "left"),
            "/who" => self.send_to(token, &self.who()),
            "/name" => self.rename(token, rest.trim()),
            _ if word.starts_with('/') => self.send_to(token, HELP),
            _ => {
                let text = format!("{}: {line}", client.name);
                self.send_to_all(Some(token), &text);
            }
        }
    }

    fn rename(&mut self, token: Token, name: &str) {
        let sign = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let usable = (1..=NAME_LIMIT).contains(&name.len()) && name.bytes().all(sign);
        let same = |(other, client): (&Token, &Client)| {
            *other != token && client.name.eq_ignore_ascii_case(name)
        };
        if !usable {
            let rule = format!("* Invalid name: use 1 to {NAME_LIMIT} letters, digits, - or _");
            self.send_to(token, &rule);
        } else if name.eq_ignore_ascii_case("host") || self.clients.iter().any(same) {
            self.send_to(token, "* That name is taken");
        } else if let Some(client) = self.clients.get_mut(&token) {
            let former = mem::replace(&mut client.name, name.to_owned());
            self.send_to_all(None, &format!("* {former} is now {name}"));
        }
    }

    fn who(&self) -> String {
        let names: Vec<&str> = self.clients.values().map(|it| it.name.as_str()).collect();
        format!("* Here: host, {}", names.join(", "))
    }

    fn send_to(&mut self, token: Token, text: &str) {
        if let Some(client) = self.clients.get_mut(&token) {
            client.queue(text);
        }
    }

    fn send_to_clients(&mut self, except: Option<Token>, text: &str) {
        for (token, client) in &mut self.clients {
            if Some(*token) != except {
                client.queue(text);
            }
        }
    }

    fn send_to_all(&mut self, except: Option<Token>, text: &str) {
        println!("{text}");
        self.send_to_clients(except, text);
    }

    /// Sends queued output, and removes clients that fail or read too slowly. Their removal
    /// queues a message to the others, so it repeats; each repetition has fewer clients, so it
    /// ends.
    fn deliver(&mut self) {
        loop {
            let dropped: Vec<(Token, String)> = self
                .clients
                .iter_mut()
                .filter_map(|(token, client)| match client.send() {
                    Err(error) => Some((*token, format!("disconnected: {error}"))),
                    Ok(()) if client.unsent.len() > BACKLOG_LIMIT => {
                        Some((*token, "disconnected: reads too slowly".to_owned()))
                    }
                    Ok(()) => None,
                })
                .collect();
            if dropped.is_empty() {
                return;
            }
            for (token, how) in dropped {
                self.remove(token, &how);
            }
        }
    }

    fn remove(&mut self, token: Token, how: &str) {
        // Dropping the stream closes it, which also ends its registration.
        let Some(client) = self.clients.remove(&token) else {
            return;
        };
        // A descriptor is free again.
        if let Some(at) = &mut self.accept_again {
            *at = Instant::now();
        }
        self.send_to_all(None, &format!("* {} {how}", client.name));
    }

    fn close(&mut self) {
        self.send_to_clients(None, "* The host has stopped the server");
        for client in self.clients.values_mut() {
            // A client that cannot receive it now will see the connection close.
            let _ = client.send();
        }
        println!("Stopped. Clients still connected: {}.", self.clients.len());
    }
}

struct Client {
    stream: TcpStream,
    name: String,
    /// The beginning of an incomplete line.
    line: Vec<u8>,
    /// Whether that line is already too long, so that the rest of it is discarded.
    too_long: bool,
    unsent: VecDeque<u8>,
}

enum Line {
    Text(String),
    TooLong,
}

enum Heard {
    /// Data was read; there may be more, for which no event will come.
    Something,
    /// Reading would block: an event reports when to continue.
    Nothing,
    End,
}

impl Client {
    fn new(stream: TcpStream, name: String) -> Client {
        Client {
            stream,
            name,
            line: Vec::new(),
            too_long: false,
            unsent: VecDeque::new(),
        }
    }

    /// Reads once, and appends completed lines to `lines`.
    fn receive(&mut self, lines: &mut Vec<Line>) -> io::Result<Heard> {
        let mut buffer = [0; BYTES_PER_TURN];
        match self.stream.read(&mut buffer) {
            Ok(0) => {
                if !self.line.is_empty() {
                    self.end_line(lines);
                }
                Ok(Heard::End)
            }
            Ok(len) => {
                self.take_in(&buffer[..len], lines);
                Ok(Heard::Something)
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => Ok(Heard::Nothing),
                io::ErrorKind::Interrupted => Ok(Heard::Something),
                _ => Err(error),
            },
        }
    }

    fn take_in(&mut self, bytes: &[u8], lines: &mut Vec<Line>) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let content = piece.strip_suffix(b"\n").unwrap_or(piece);
            if self.line.len() + content.len() > LINE_LIMIT {
                self.too_long = true;
            } else {
                self.line.extend_from_slice(content);
            }
            if content.len() < piece.len() {
                self.end_line(lines);
            }
        }
    }

    fn end_line(&mut self, lines: &mut Vec<Line>) {
        lines.push(match self.too_long {
            true => Line::TooLong,
            false => Line::Text(printable(&self.line)),
        });
        self.line.clear();
        self.too_long = false;
    }

    /// Appends a line to the output, unless the output already exceeds the limit at which the
    /// client is disconnected.
    fn queue(&mut self, text: &str) {
        if self.unsent.len() <= BACKLOG_LIMIT {
            self.unsent.extend(text.as_bytes());
            self.unsent.push_back(b'\n');
        }
    }

    /// Sends buffered output until the buffer is empty or sending would block.
    fn send(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            // The two halves of the ring buffer, in one system call.
            let (front, back) = self.unsent.as_slices();
            let slices = [IoSlice::new(front), IoSlice::new(back)];
            match self.stream.write_vectored(&slices) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => drop(self.unsent.drain(..len)),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(()),
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
        Ok(())
    }
}
