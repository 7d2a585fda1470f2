//! An HTTP/1.1 server with keep-alive connections, which is also used in benchmarks.
//!
//! ```text
//! cargo run --release --example http --features os-poll,net [-- ADDRESS:PORT [THREADS]]
//! curl -v http://127.0.0.1:9000/
//! wrk -t1 -c64 -d5s http://127.0.0.1:9000/
//! ```
//!
//! What it shows:
//!
//! * One thread per CPU, each with its own poll, listener and connections. The kernel distributes
//!   new connections over the listeners (`SO_REUSEPORT`), so the threads share nothing. Where the
//!   kernel does not support this, there is one thread.
//! * A request costs two system calls in addition to its share of `poll`, and no allocation: the
//!   buffers of closed connections are reused for new ones.
//! * A short read has drained the socket, so the read that would return `WouldBlock` can be
//!   skipped; see `Connection::receive`.
//! * A deadline for every connection, implemented with the timeout of `poll`.
//! * Ctrl-C wakes all threads.
//!
//! The server responds to `GET /` and `HEAD /`, and skips request bodies. Unlike a production server
//! it has no `Date` header, chunked bodies, files, TLS or log.

use std::io::{self, Read, Write};
use std::mem::{self, MaybeUninit};
use std::net::{Shutdown, SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, thread};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};

const USAGE: &str =
    "usage: http [ADDRESS:PORT [THREADS]]    (default: 127.0.0.1:9000, a thread per CPU)";
const DEFAULT_ADDRESS: &str = "127.0.0.1:9000";

/// The token of a connection is the index of its slot.
const LISTENER: Token = Token(usize::MAX);
const STOP: Token = Token(usize::MAX - 1);

/// The size limit of a request head, which must fit into the buffer as a whole.
const HEAD_LIMIT: usize = 8 * 1024;
const HEADERS_LIMIT: usize = 64;
/// The longest body that is skipped. A longer one is rejected unread.
const BODY_LIMIT: u64 = 1024 * 1024;
/// With more unsent output than this, no further request is read or handled until the client
/// has read the responses.
const UNSENT_LIMIT: usize = 16 * 1024;
/// The number of reads in one connection's turn.
const READS_PER_TURN: usize = 8;
/// The time limit for a request: waiting for it, receiving it and sending the response.
const REQUEST_TIME: Duration = Duration::from_secs(30);
/// How often deadlines are checked, and how long to wait before accepting again after a failure.
const TICK: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.iter().any(|it| it == "--help" || it == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let (address, threads) = match parse(&arguments) {
        Ok(parsed) => parsed,
        Err(message) => {
            eprintln!("http: {message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match serve(address, threads) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("http: {message}");
            ExitCode::FAILURE
        }
    }
}

fn serve(address: SocketAddr, threads: usize) -> Result<(), String> {
    let listeners = listen(address, threads)
        .map_err(|error| format!("cannot listen on {address}: {error}\n{USAGE}"))?;
    let local = listeners[0].local_addr().map_err(|it| it.to_string())?;

    let stop = Arc::new(AtomicBool::new(false));
    let mut workers = Vec::new();
    let mut wakers = Vec::new();
    for listener in listeners {
        let worker = Worker::new(listener, Arc::clone(&stop)).map_err(|it| it.to_string())?;
        wakers.push(Waker::new(worker.poll.registry(), STOP).map_err(|it| it.to_string())?);
        workers.push(worker);
    }
    let stop_all = Arc::new(move || {
        stop.store(true, Ordering::Release);
        for waker in &wakers {
            if let Err(error) = waker.wake() {
                eprintln!("http: cannot wake a thread: {error}");
            }
        }
    });
    let handler = Arc::clone(&stop_all);
    ctrlc::set_handler(move || handler())
        .map_err(|error| format!("cannot handle Ctrl-C: {error}"))?;

    println!(
        "Serving http://{local}/ with {} thread(s). Press Ctrl-C to stop.",
        workers.len()
    );
    let start = |mut worker: Worker| {
        let stop_all = Arc::clone(&stop_all);
        thread::spawn(move || {
            let outcome = worker.run();
            // If one thread fails, stop the others too: they would serve only a part.
            stop_all();
            (worker.totals, outcome)
        })
    };
    let threads: Vec<_> = workers.into_iter().map(start).collect();
    let mut totals = Totals::default();
    let mut outcome = Ok(());
    for thread in threads {
        let (counted, ended) = thread.join().map_err(|_| "a thread panicked")?;
        totals.connections += counted.connections;
        totals.requests += counted.requests;
        outcome = outcome.and(ended.map_err(|error| error.to_string()));
    }
    println!(
        "Stopped. Connections: {}; requests: {}.",
        totals.connections, totals.requests
    );
    outcome
}

/// Reads the command line. An error is a message for the user.
fn parse(arguments: &[String]) -> Result<(SocketAddr, usize), String> {
    if let [_, _, extra, ..] = arguments {
        return Err(format!("unexpected argument `{extra}`"));
    }
    let address = arguments.first().map_or(DEFAULT_ADDRESS, String::as_str);
    let threads = match arguments.get(1) {
        None => thread::available_parallelism().map_or(1, usize::from),
        Some(threads) => match threads.parse() {
            Ok(count) if count > 0 => count,
            _ => return Err(format!("invalid number of threads `{threads}`")),
        },
    };
    Ok((resolve(address)?, threads))
}

fn resolve(address: &str) -> Result<SocketAddr, String> {
    let invalid = |error: io::Error| match error.kind() {
        io::ErrorKind::InvalidInput => {
            format!("invalid address `{address}`: expected ADDRESS:PORT")
        }
        _ => format!("cannot resolve `{address}`: {error}"),
    };
    let mut addresses = address.to_socket_addrs().map_err(invalid)?;
    addresses
        .next()
        .ok_or_else(|| format!("`{address}` has no address"))
}

/// Creates a listener for every thread.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn listen(address: SocketAddr, threads: usize) -> io::Result<Vec<TcpListener>> {
    use socket2::{Domain, Socket, Type};

    // With `SO_REUSEPORT` alone, a second server of the same user could share the port and take
    // half of the clients. A socket without the option checks that the port is free, and picks
    // one if it is 0.
    let address = std::net::TcpListener::bind(address)?.local_addr()?;
    let listen = |_| {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        // FreeBSD distributes connections only with a different option.
        #[cfg(target_os = "freebsd")]
        socket.set_reuse_port_lb(true)?;
        #[cfg(not(target_os = "freebsd"))]
        socket.set_reuse_port(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(1024)?;
        Ok(TcpListener::from_std(socket.into()))
    };
    (0..threads).map(listen).collect()
}

/// Creates one listener, for the only thread.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn listen(address: SocketAddr, _: usize) -> io::Result<Vec<TcpListener>> {
    Ok(vec![TcpListener::bind(address)?])
}

#[derive(Default)]
struct Totals {
    connections: u64,
    requests: u64,
}

/// The state of one thread.
struct Worker {
    poll: Poll,
    listener: TcpListener,
    stop: Arc<AtomicBool>,
    /// Open and vacant slots. A late event of a connection may reach the next one in its slot,
    /// for which it is spurious: it tries to read, and nothing else happens.
    slots: Vec<Slot>,
    vacant: Vec<usize>,
    /// The slots whose turn ended before `WouldBlock`, for which no event will come.
    due: Vec<usize>,
    /// The emptied `due` of the previous iteration. The two are swapped to avoid allocations.
    due_now: Vec<usize>,
    accept_again: bool,
    /// When the last poll returned.
    now: Instant,
    next_tick: Instant,
    totals: Totals,
}

/// A place for a connection. Its buffers are reused by the next one.
struct Slot {
    /// `None` while the slot is vacant.
    stream: Option<TcpStream>,
    connection: Connection,
    deadline: Instant,
    /// Whether it is in `Worker::due`.
    is_due: bool,
}

impl Worker {
    fn new(mut listener: TcpListener, stop: Arc<AtomicBool>) -> io::Result<Worker> {
        let poll = Poll::new()?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        let now = Instant::now();
        Ok(Worker {
            poll,
            listener,
            stop,
            slots: Vec::new(),
            vacant: Vec::new(),
            due: Vec::new(),
            due_now: Vec::new(),
            accept_again: false,
            now,
            next_tick: now + TICK,
            totals: Totals::default(),
        })
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        while !self.stop.load(Ordering::Acquire) {
            match self.poll.poll(&mut events, self.timeout()) {
                Ok(()) => {}
                // Interrupted by a signal: poll again, no event is lost. `poll_until` would do so
                // itself, but the benchmarks compile this program with the published crate too.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            self.now = Instant::now();
            for event in &events {
                match event.token() {
                    // After a failure the next attempt waits for the tick. Some systems report
                    // the listener again after some milliseconds.
                    LISTENER if self.accept_again => {}
                    LISTENER => self.accept(),
                    STOP => {} // The loop condition reads the flag.
                    Token(index) => self.give_turn(index, event.is_read_closed()),
                }
            }
            mem::swap(&mut self.due, &mut self.due_now);
            while let Some(index) = self.due_now.pop() {
                self.slots[index].is_due = false;
                self.give_turn(index, false);
            }
            if self.next_tick <= self.now {
                self.tick();
            }
        }
        Ok(())
    }

    /// How long the poll may block: not at all while turns are due, and without a limit only
    /// while there is no deadline.
    fn timeout(&self) -> Option<Duration> {
        if !self.due.is_empty() {
            return Some(Duration::ZERO);
        }
        let idle = self.vacant.len() == self.slots.len() && !self.accept_again;
        (!idle).then(|| self.next_tick.saturating_duration_since(self.now))
    }

    fn accept(&mut self) {
        let was_pausing = mem::take(&mut self.accept_again);
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => self.open(stream),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return,
                    io::ErrorKind::Interrupted => {}
                    // This client has disconnected already; others may be pending.
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset => {}
                    // Most likely the process has run out of descriptors. The connection stays
                    // pending, but no further event will report it, so the next tick tries
                    // again. An immediate attempt would spin.
                    _ => {
                        if !was_pausing {
                            eprintln!(
                                "http: cannot accept connections, trying again later: {error}"
                            );
                        }
                        self.accept_again = true;
                        return;
                    }
                },
            }
        }
    }

    fn open(&mut self, mut stream: TcpStream) {
        self.totals.connections += 1;
        // Responses are written as a whole, so there is nothing to gain from delaying them. If
        // this fails, they are only slower.
        let _ = stream.set_nodelay(true);
        let index = self.vacant.last().copied().unwrap_or(self.slots.len());
        let both = Interest::READABLE | Interest::WRITABLE;
        let registry = self.poll.registry();
        if let Err(error) = registry.register(&mut stream, Token(index), both) {
            eprintln!("http: cannot register a connection: {error}");
            return;
        }
        if self.vacant.pop().is_none() {
            self.slots.push(Slot {
                stream: None,
                connection: Connection::new(),
                deadline: self.now,
                is_due: false,
            });
        }
        let slot = &mut self.slots[index];
        slot.stream = Some(stream);
        slot.connection.reset();
        slot.deadline = self.now + REQUEST_TIME;
    }

    fn give_turn(&mut self, index: usize, is_read_closed: bool) {
        let slot = &mut self.slots[index];
        let Some(stream) = &mut slot.stream else {
            return; // The event belongs to a connection that was closed.
        };
        slot.connection.ends |= is_read_closed;
        let responses = slot.connection.responses;
        let turn = slot.connection.take_turn(stream);
        if slot.connection.responses > responses {
            self.totals.requests += slot.connection.responses - responses;
            slot.deadline = self.now + REQUEST_TIME;
        }
        match turn {
            Ok(Turn::Blocked) => {}
            Ok(Turn::Unfinished) => {
                if !mem::replace(&mut slot.is_due, true) {
                    self.due.push(index);
                }
            }
            // Lost connections are not reported: browsers cause them all the time.
            Ok(Turn::Finished) | Err(_) => self.close(index),
        }
    }

    fn close(&mut self, index: usize) {
        // Closes the stream, which also ends its registration.
        self.slots[index].stream = None;
        self.vacant.push(index);
    }

    /// Periodic work: expired deadlines and accepting again.
    fn tick(&mut self) {
        self.next_tick = self.now + TICK;
        for index in 0..self.slots.len() {
            let slot = &self.slots[index];
            if slot.stream.is_some() && slot.deadline <= self.now {
                self.close(index);
            }
        }
        if self.accept_again {
            self.accept();
        }
    }
}

/// The protocol state of a connection, without the stream.
struct Connection {
    state: State,
    /// Received bytes that are not yet processed: `input[start..end]`.
    input: Box<[u8]>,
    start: usize,
    end: usize,
    /// Bytes to be sent.
    output: Vec<u8>,
    /// Whether an event has reported that the client has shut down its sending side.
    ends: bool,
    responses: u64,
}

/// How to interpret the next bytes from the client.
#[derive(Clone, Copy)]
enum State {
    Head,
    /// The remaining length of a body, and the response to send after it.
    Body(u64, Response),
    /// They are ignored. The rest of `output` is still to be sent.
    Closing,
    /// They are ignored. The sending side is shut down, and the client is expected to close the
    /// connection: closing it here while the client still sends would cause a reset, which may
    /// overtake the response.
    Closed,
}

/// How a turn of a connection ended.
enum Turn {
    /// Reading or sending would block: an event reports when to continue.
    Blocked,
    /// Before `WouldBlock`: no event will come for data that has already arrived.
    Unfinished,
    Finished,
}

enum Received {
    Some,
    /// Data, and the socket is drained.
    Last,
    WouldBlock,
    End,
}

impl Connection {
    fn new() -> Connection {
        Connection {
            state: State::Head,
            input: vec![0; HEAD_LIMIT].into_boxed_slice(),
            start: 0,
            end: 0,
            output: Vec::new(),
            ends: false,
            responses: 0,
        }
    }

    fn reset(&mut self) {
        self.state = State::Head;
        (self.start, self.end) = (0, 0);
        self.output.clear();
        self.ends = false;
        self.responses = 0;
    }

    /// Receives, responds and sends as much as is possible without blocking, within one turn. It
    /// does not matter which event caused the turn.
    fn take_turn(&mut self, stream: &mut TcpStream) -> io::Result<Turn> {
        let mut drained = false;
        for _ in 0..READS_PER_TURN {
            let has_more = self.respond_to_all();
            self.send(stream)?;
            let closing = matches!(self.state, State::Closing);
            if self.output.len() >= UNSENT_LIMIT || (closing && !self.output.is_empty()) {
                return Ok(Turn::Blocked); // A writable event will follow.
            }
            if has_more {
                continue;
            }
            if closing {
                stream.shutdown(Shutdown::Write)?;
                self.state = State::Closed;
            }
            if drained {
                return Ok(Turn::Blocked);
            }
            match self.receive(stream)? {
                Received::Some => {}
                Received::Last => drained = true,
                Received::WouldBlock => return Ok(Turn::Blocked),
                Received::End if self.output.is_empty() => return Ok(Turn::Finished),
                Received::End => self.state = State::Closing,
            }
        }
        Ok(Turn::Unfinished)
    }

    /// Reads once.
    ///
    /// A short read has drained the socket, and data that arrives later triggers a new event, as
    /// if the read had returned `WouldBlock`. The end of the stream may have arrived together with
    /// the data, however, and then triggers no event of its own; the event that reported the data
    /// has also reported the end.
    fn receive(&mut self, stream: &mut TcpStream) -> io::Result<Received> {
        // There is always room after this: a head that fills the buffer was rejected.
        self.input.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let room = &mut self.input[self.end..];
        match stream.read(room) {
            Ok(0) => Ok(Received::End),
            Ok(len) => {
                let short = len < room.len();
                self.end += len;
                Ok(match short && !self.ends {
                    true => Received::Last,
                    false => Received::Some,
                })
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => Ok(Received::WouldBlock),
                io::ErrorKind::Interrupted => Ok(Received::Some),
                _ => Err(error),
            },
        }
    }

    /// Sends as much as possible; the rest stays in `output`.
    fn send(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        let mut sent = 0;
        while sent < self.output.len() {
            match stream.write(&self.output[sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => sent += len,
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => break,
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
        self.output.drain(..sent);
        Ok(())
    }

    /// Responds to all complete requests (a client may send the next one without waiting for the
    /// response), until there is too much unsent output. Returns whether it stopped for that
    /// reason, so that there may be more requests.
    fn respond_to_all(&mut self) -> bool {
        while self.output.len() < UNSENT_LIMIT {
            match self.state {
                State::Head => match Request::parse(&self.input[self.start..self.end]) {
                    Ok(None) => return false,
                    Ok(Some(request)) => {
                        self.start += request.head_len;
                        if request.expects_continue && self.start == self.end {
                            self.output.extend(b"HTTP/1.1 100 Continue\r\n\r\n");
                        }
                        self.state = State::Body(request.body_len, request.response);
                    }
                    // The beginning of the next request is unknown.
                    Err(status) => self.respond(Response::and_close(status)),
                },
                State::Body(len, response) => {
                    let here = (self.end - self.start) as u64;
                    if here < len {
                        self.start = self.end;
                        self.state = State::Body(len - here, response);
                        return false;
                    }
                    self.start += len as usize; // At most what is here.
                    self.respond(response);
                }
                State::Closing | State::Closed => {
                    self.start = self.end;
                    return false;
                }
            }
        }
        true
    }

    fn respond(&mut self, response: Response) {
        let Status { line, field, text } = response.status;
        // Writing to a `Vec` does not fail.
        let _ = write!(
            self.output,
            "HTTP/1.1 {line}\r\n\
             Content-Type: text/plain\r\n\
             Content-Length: {}\r\n\
             {field}{}\r\n",
            text.len(),
            response.field,
        );
        if response.has_body {
            self.output.extend(text.as_bytes());
        }
        self.responses += 1;
        self.state = match response.keep_alive {
            true => State::Head,
            false => State::Closing,
        };
    }
}

/// A parsed request head.
struct Request {
    head_len: usize,
    body_len: u64,
    /// Whether the client waits for `100 Continue` before it sends the body.
    expects_continue: bool,
    response: Response,
}

impl Request {
    /// Parses the head of a request; `None` if it is incomplete.
    fn parse(input: &[u8]) -> Result<Option<Request>, &'static Status> {
        let mut headers = [MaybeUninit::uninit(); HEADERS_LIMIT];
        let mut request = httparse::Request::new(&mut []);
        let head_len = match request.parse_with_uninit_headers(input, &mut headers) {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) if input.len() < HEAD_LIMIT => return Ok(None),
            Ok(httparse::Status::Partial) if request.path.is_none() => return Err(&LONG_TARGET),
            Ok(httparse::Status::Partial) => return Err(&LARGE_HEAD),
            Err(httparse::Error::TooManyHeaders) => return Err(&LARGE_HEAD),
            Err(httparse::Error::Version) => return Err(&UNKNOWN_VERSION),
            Err(_) => return Err(&BAD_REQUEST),
        };
        let fields = Fields::of(request.headers)?;
        let version = request.version.unwrap_or_default();
        if fields.hosts > 1 || (fields.hosts == 0 && version >= 1) {
            return Err(&BAD_REQUEST);
        }
        let body_len = fields.body_len.unwrap_or(0);
        let target = request.path.unwrap_or_default();
        let (path, _query) = target.split_once('?').unwrap_or((target, ""));
        let method = request.method.unwrap_or_default();
        let status = match (method, path) {
            ("GET" | "HEAD", "/") => &OK,
            (_, "/") => &WRONG_METHOD,
            _ => &NOT_FOUND,
        };
        // The default is to keep the connection in HTTP/1.1 and to close it in HTTP/1.0.
        let (keep_alive, field) = match version {
            _ if fields.close => (false, CLOSE),
            0 if !fields.keep_alive => (false, CLOSE),
            0 => (true, KEEP_ALIVE),
            _ => (true, ""),
        };
        let response = Response {
            status,
            has_body: method != "HEAD",
            keep_alive,
            field,
        };
        Ok(Some(Request {
            head_len,
            body_len,
            expects_continue: fields.expects_continue && version >= 1 && body_len > 0,
            response,
        }))
    }
}

/// The header fields that the server uses.
#[derive(Default)]
struct Fields {
    body_len: Option<u64>,
    hosts: usize,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
}

impl Fields {
    fn of(headers: &[httparse::Header<'_>]) -> Result<Fields, &'static Status> {
        let mut fields = Fields::default();
        for header in headers {
            let is = |name| header.name.eq_ignore_ascii_case(name);
            if is("host") {
                fields.hosts += 1;
            } else if is("connection") {
                let is_separator = |byte: &u8| matches!(byte, b',' | b' ' | b'\t');
                for option in header.value.split(is_separator) {
                    fields.close |= option.eq_ignore_ascii_case(b"close");
                    fields.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            } else if is("content-length") {
                // Two lengths are used in request smuggling.
                if fields.body_len.replace(length(header.value)?).is_some() {
                    return Err(&BAD_REQUEST);
                }
            } else if is("transfer-encoding") {
                return Err(&NOT_IMPLEMENTED);
            } else if is("expect") {
                fields.expects_continue |= header.value.eq_ignore_ascii_case(b"100-continue");
            }
        }
        Ok(fields)
    }
}

/// Parses the value of `Content-Length`, which consists of digits only; `str::parse` would also
/// accept a sign.
fn length(value: &[u8]) -> Result<u64, &'static Status> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(&BAD_REQUEST);
    }
    std::str::from_utf8(value)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .filter(|&len| len <= BODY_LIMIT)
        .ok_or(&LARGE_BODY)
}

#[derive(Clone, Copy)]
struct Response {
    status: &'static Status,
    has_body: bool,
    keep_alive: bool,
    /// The `Connection` header field, if it is needed.
    field: &'static str,
}

impl Response {
    fn and_close(status: &'static Status) -> Response {
        Response {
            status,
            has_body: true,
            keep_alive: false,
            field: CLOSE,
        }
    }
}

const CLOSE: &str = "Connection: close\r\n";
const KEEP_ALIVE: &str = "Connection: keep-alive\r\n";

struct Status {
    line: &'static str,
    /// An additional header field.
    field: &'static str,
    text: &'static str,
}

impl Status {
    const fn new(line: &'static str, text: &'static str) -> Status {
        Status {
            line,
            field: "",
            text,
        }
    }
}

static OK: Status = Status::new("200 OK", "Hello, world!\n");
static NOT_FOUND: Status = Status::new("404 Not Found", "The only resource is /\n");
static WRONG_METHOD: Status = Status {
    line: "405 Method Not Allowed",
    field: "Allow: GET, HEAD\r\n",
    text: "Only GET and HEAD are allowed\n",
};
static BAD_REQUEST: Status = Status::new("400 Bad Request", "Malformed request\n");
static LARGE_BODY: Status = Status::new("413 Content Too Large", "The body is too long\n");
static LONG_TARGET: Status = Status::new("414 URI Too Long", "The target is too long\n");
static LARGE_HEAD: Status = Status::new(
    "431 Request Header Fields Too Large",
    "Too many header fields\n",
);
static NOT_IMPLEMENTED: Status = Status::new(
    "501 Not Implemented",
    "Only bodies with a Content-Length are supported\n",
);
static UNKNOWN_VERSION: Status = Status::new(
    "505 HTTP Version Not Supported",
    "Only HTTP/1.0 and HTTP/1.1 are supported\n",
);
