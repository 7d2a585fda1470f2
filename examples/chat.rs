//! A chat: what one client types goes to all others, and to the host's terminal; what
//! the host types goes to all clients.
//!
//! ```text
//! cargo run --example chat --features os-poll,net [-- ADDRESS:PORT]
//! nc 127.0.0.1 9000        (in other terminals, two at least)
//! ```
//!
//! What it shows:
//!
//! * A thread that blocks (here on standard input) hands work to the loop: first through
//!   a channel, then a `Waker`.
//! * Lines are put together from whatever pieces TCP delivers, and are limited.
//! * Clients that read too slowly are dropped, because the others cannot wait for them.
//! * Nobody may write control characters on the terminals of the others.

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

const USAGE: &str = "cargo run --example chat --features os-poll,net -- 127.0.0.1:9001";
const DEFAULT_ADDRESS: &str = "127.0.0.1:9000";
const HELP: &str = "* /name NAME, /who, /quit; anything else goes to everybody";

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
const FIRST_CLIENT: Token = Token(2);

/// The longest line, in bytes, without its end.
const LINE_LIMIT: usize = 1024;
/// The longest name, in bytes.
const NAME_LIMIT: usize = 16;
/// A client that has left more than this unread, in bytes, is dropped.
const BACKLOG_LIMIT: usize = 64 * 1024;
/// How much is read from one client before the others have their turn.
const BYTES_PER_TURN: usize = 4096;
/// How many lines of the host are taken before the clients have their turn. The thread
/// that reads them waits while as many are not yet taken.
const HOST_LINES_PER_TURN: usize = 16;
/// How long to wait before accepting is tried again after it has failed.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let address = env::args().nth(1);
    match serve(address.as_deref().unwrap_or(DEFAULT_ADDRESS)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("chat: {message}");
            ExitCode::FAILURE
        }
    }
}

fn serve(address: &str) -> Result<(), String> {
    let listener = listen(address)?;
    let failed = |error: io::Error| error.to_string();
    let local = listener.local_addr().map_err(failed)?;

    let poll = Poll::new().map_err(failed)?;
    // A poll has one waker, which all who want to wake it share.
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

    println!("The room is open on {local}. Type to talk; Ctrl-D or Ctrl-C closes it.");
    println!(
        "To enter, in other terminals: nc {} {}",
        local.ip(),
        local.port()
    );
    // Nobody waits for this thread: it may be stuck reading when the room closes.
    thread::spawn(move || read_host_lines(sender, &waker));
    let outcome = room.run(&stop).map_err(failed);
    room.close();
    outcome
}

fn listen(address: &str) -> Result<TcpListener, String> {
    let address = address
        .to_socket_addrs()
        .ok()
        .and_then(|mut found| found.next())
        .ok_or_else(|| format!("`{address}` is no address to listen on. Try: {USAGE}"))?;
    TcpListener::bind(address).map_err(|error| {
        format!("cannot listen on {address}: {error}\nTo choose another address: {USAGE}")
    })
}

/// Hands the lines of standard input to the loop, and the end of the input as the end of
/// the channel.
fn read_host_lines(sender: SyncSender<String>, waker: &Waker) {
    for line in io::stdin().lock().split(b'\n') {
        let Ok(line) = line else {
            break;
        };
        // First send, then wake: the loop that is woken must find the line.
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
        eprintln!("chat: cannot wake the room: {error}");
    }
}

/// What may be shown on a terminal: control characters could do more there than be
/// seen.
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
    /// Counts up and never goes back. A token that was used again could carry a late
    /// event of its former owner.
    next_token: Token,
    host_lines: Receiver<String>,
    /// Whether the channel may hold something, of which no event will tell.
    host_due: bool,
    /// The clients who may have said something, of which no event will tell.
    due: BTreeSet<Token>,
    /// When to try again to accept, after that has failed.
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
            match self.poll.poll(&mut events, self.timeout()) {
                Ok(()) => {}
                // A signal came. Nothing is lost by polling again.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            for event in &events {
                match event.token() {
                    // Retrying is a matter of the clock, once it has failed. Some systems report
                    // the listener again at once; to listen to them would be to spin.
                    LISTENER if self.accept_again.is_some() => {}
                    LISTENER => self.accept(),
                    // Wakes unite: one event may stand for many lines.
                    WAKER => self.host_due = true,
                    // Readable or writable, there is no need to tell them apart: reading
                    // is tried here, and sending at the end of every round.
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

    /// How long the poll may block: not at all while somebody's turn is due, and otherwise
    /// for ever, unless accepting is to be tried again.
    fn timeout(&self) -> Option<Duration> {
        if self.host_due || !self.due.is_empty() {
            return Some(Duration::ZERO);
        }
        self.accept_again
            .map(|at| at.saturating_duration_since(Instant::now()))
    }

    fn accept(&mut self) {
        let was_pausing = self.accept_again.take().is_some();
        loop {
            match self.listener.accept() {
                Ok((stream, peer)) => self.welcome(stream, peer),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return,
                    io::ErrorKind::Interrupted => {}
                    // The client gave up while it waited. The next one may not have.
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset => {}
                    // Most likely there is no descriptor left. No event will announce the
                    // connection again, which goes on waiting; trying at once would spin.
                    _ => {
                        if !was_pausing {
                            eprintln!("chat: pausing to accept: {error}");
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
            eprintln!("chat: turning {peer} away: {error}");
            return;
        }
        let client = Client::new(stream, peer.to_string());
        let entered = format!("* {} entered", client.name);
        self.clients.insert(token, client);
        self.tell_all(Some(token), &entered);
        self.tell(token, &format!("* Welcome, {peer}. {HELP}"));
        self.tell(token, &self.who());
    }

    /// Passes on what the host has typed. Returns whether there may be more to come.
    fn hear_host(&mut self) -> bool {
        for _ in 0..HOST_LINES_PER_TURN {
            match self.host_lines.try_recv() {
                Ok(line) if line.is_empty() => {}
                // The host's terminal has shown it already.
                Ok(line) => self.tell_clients(None, &format!("host: {line}")),
                Err(TryRecvError::Empty) => {
                    self.host_due = false;
                    return true;
                }
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        true
    }

    /// Gives a client its turn to say something.
    fn hear(&mut self, token: Token) {
        let Some(client) = self.clients.get_mut(&token) else {
            return; // The event is about a client that is gone.
        };
        let mut lines = Vec::new();
        let heard = client.receive(&mut lines);
        for line in lines {
            match line {
                Line::Text(text) => self.obey(token, &text),
                Line::TooLong => self.tell(token, "* That line was too long; nobody saw it"),
            }
        }
        match heard {
            Ok(Heard::Something) => {
                self.due.insert(token);
            }
            Ok(Heard::Nothing) => {}
            Ok(Heard::End) => self.remove(token, "left"),
            Err(error) => self.remove(token, &format!("is lost: {error}")),
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
            "/who" => self.tell(token, &self.who()),
            "/name" => self.rename(token, rest.trim()),
            _ if word.starts_with('/') => self.tell(token, HELP),
            _ => {
                let text = format!("{}: {line}", client.name);
                self.tell_all(Some(token), &text);
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
            let rule = format!("* A name has 1 to {NAME_LIMIT} letters, digits, - or _");
            self.tell(token, &rule);
        } else if name.eq_ignore_ascii_case("host") || self.clients.iter().any(same) {
            self.tell(token, "* Somebody else has that name");
        } else if let Some(client) = self.clients.get_mut(&token) {
            let former = mem::replace(&mut client.name, name.to_owned());
            self.tell_all(None, &format!("* {former} is now {name}"));
        }
    }

    fn who(&self) -> String {
        let names: Vec<&str> = self.clients.values().map(|it| it.name.as_str()).collect();
        format!("* Here: host, {}", names.join(", "))
    }

    fn tell(&mut self, token: Token, text: &str) {
        if let Some(client) = self.clients.get_mut(&token) {
            client.queue(text);
        }
    }

    fn tell_clients(&mut self, except: Option<Token>, text: &str) {
        for (token, client) in &mut self.clients {
            if Some(*token) != except {
                client.queue(text);
            }
        }
    }

    fn tell_all(&mut self, except: Option<Token>, text: &str) {
        println!("{text}");
        self.tell_clients(except, text);
    }

    /// Sends what was queued in this round, and drops the clients that cannot be sent
    /// to. Telling the others of it queues something again; each round of the loop
    /// has a client less, so that it ends.
    fn deliver(&mut self) {
        loop {
            let dropped: Vec<(Token, String)> = self
                .clients
                .iter_mut()
                .filter_map(|(token, client)| match client.send() {
                    Err(error) => Some((*token, format!("is lost: {error}"))),
                    Ok(()) if client.unsent.len() > BACKLOG_LIMIT => {
                        Some((*token, "was dropped for reading too slowly".to_owned()))
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
        // There is a descriptor again.
        if let Some(at) = &mut self.accept_again {
            *at = Instant::now();
        }
        self.tell_all(None, &format!("* {} {how}", client.name));
    }

    fn close(&mut self) {
        self.tell_clients(None, "* The host has closed the room");
        for client in self.clients.values_mut() {
            // Whoever does not take it now will see that the connection is closed.
            let _ = client.send();
        }
        println!("The room is closed. Clients: {}.", self.clients.len());
    }
}

struct Client {
    stream: TcpStream,
    name: String,
    /// The beginning of a line whose end has not arrived yet.
    line: Vec<u8>,
    /// Whether that line is too long already, and its rest is to be thrown away.
    too_long: bool,
    unsent: VecDeque<u8>,
}

enum Line {
    Text(String),
    TooLong,
}

enum Heard {
    /// Something; there may be more, of which no event will tell.
    Something,
    /// Nothing: an event will tell when there is.
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

    /// Reads once, and appends the lines that are complete with it to `lines`.
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

    /// Appends a line to what is to be sent, unless there is so much of it already that
    /// the client is going to be dropped.
    fn queue(&mut self, text: &str) {
        if self.unsent.len() <= BACKLOG_LIMIT {
            self.unsent.extend(text.as_bytes());
            self.unsent.push_back(b'\n');
        }
    }

    /// Sends what is unsent, until all is or sending would block.
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
