//! An HTTP/1.1 server with connections that are kept alive, fit to be measured:
//!
//! ```text
//! cargo run --release --example http --features os-poll,net [-- ADDRESS:PORT [THREADS]]
//! curl -v http://127.0.0.1:9000/
//! wrk -t1 -c64 -d5s http://127.0.0.1:9000/
//! ```
//!
//! What it shows:
//!
//! * A thread per processor, each with a poll, a listener and connections of its own. The
//!   kernel spreads new connections over the listeners (`SO_REUSEPORT`), so that
//!   the threads share nothing. Where the kernel does not, there is one thread.
//! * A request costs two system calls beside its share of `poll`, and no allocation:
//!   connections that are closed are kept, with their buffers, for those to come.
//! * A short read has drained the socket, so that the read that would answer
//!   `WouldBlock` can be left out; see `Connection::receive`.
//! * A deadline for every connection, out of the timeout of `poll`.
//! * Ctrl-C wakes all threads.
//!
//! `GET /` and `HEAD /` are answered; bodies of requests are skipped. What a real server
//! has and this one lacks: a `Date` header, chunked bodies, files, TLS, a log.

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

const USAGE: &str = "cargo run --release --example http --features os-poll,net -- 127.0.0.1:9001 2";
const DEFAULT_ADDRESS: &str = "127.0.0.1:9000";

/// Connections have the index of their slot for a token.
const LISTENER: Token = Token(usize::MAX);
const STOP: Token = Token(usize::MAX - 1);

/// The room for the head of a request, which must fit as a whole.
const HEAD_LIMIT: usize = 8 * 1024;
const HEADERS_LIMIT: usize = 64;
/// The longest body that is skipped. A longer one is refused unread.
const BODY_LIMIT: u64 = 1024 * 1024;
/// How much may be unsent before requests are left unanswered, and unread, until the
/// client has taken what it asked for.
const UNSENT_LIMIT: usize = 16 * 1024;
/// How many reads a connection has in a turn, before the others have theirs.
const READS_PER_TURN: usize = 8;
/// How long a client may take for a request, the wait for it and the answer included.
const REQUEST_TIME: Duration = Duration::from_secs(30);
/// How often deadlines are looked at, and how long to wait before accepting is tried
/// again after it has failed.
const TICK: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("http: {message}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), String> {
    let (address, threads) = arguments()?;
    let listeners = listen(address, threads).map_err(|error| {
        format!("cannot listen on {address}: {error}\nTo choose another address: {USAGE}")
    })?;
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
        "Serving http://{local}/ with {} thread(s). Ctrl-C ends.",
        workers.len()
    );
    let start = |mut worker: Worker| {
        let stop_all = Arc::clone(&stop_all);
        thread::spawn(move || {
            let outcome = worker.run();
            // One that fails is not to leave the others behind, serving a part.
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
        "Farewell. Connections: {}; requests: {}.",
        totals.connections, totals.requests
    );
    outcome
}

fn arguments() -> Result<(SocketAddr, usize), String> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().unwrap_or(DEFAULT_ADDRESS.to_owned());
    let threads = match arguments.next() {
        Some(threads) => threads.parse().ok().filter(|&it| it > 0),
        None => Some(thread::available_parallelism().map_or(1, usize::from)),
    };
    let address = address
        .to_socket_addrs()
        .ok()
        .and_then(|mut found| found.next());
    match (address, threads) {
        (Some(address), Some(threads)) => Ok((address, threads)),
        _ => Err(format!(
            "an address and a number of threads, please: {USAGE}"
        )),
    }
}

/// Makes a listener for every thread.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn listen(address: SocketAddr, threads: usize) -> io::Result<Vec<TcpListener>> {
    use socket2::{Domain, Socket, Type};

    // `SO_REUSEPORT` would let a second server of the same user join the first, and
    // take half of its clients. A socket without it finds out whether the port is free,
    // and if it was 0, which port it is to be.
    let address = std::net::TcpListener::bind(address)?.local_addr()?;
    let listen = |_| {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        // FreeBSD spreads connections only under an option of another name.
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

/// Makes one listener, for the one thread.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn listen(address: SocketAddr, _: usize) -> io::Result<Vec<TcpListener>> {
    Ok(vec![TcpListener::bind(address)?])
}

#[derive(Default)]
struct Totals {
    connections: u64,
    requests: u64,
}

/// What one thread has.
struct Worker {
    poll: Poll,
    listener: TcpListener,
    stop: Arc<AtomicBool>,
    /// Open and vacant ones. Late events of a connection may reach the next one in its
    /// slot, to which they are spurious: it tries to read, and that is all.
    slots: Vec<Slot>,
    vacant: Vec<usize>,
    /// The slots whose turn ended before `WouldBlock`, and of which no event will tell.
    due: Vec<usize>,
    /// `due` of the round before, emptied: the two change places, so as not to allocate.
    due_now: Vec<usize>,
    accept_again: bool,
    /// When the last poll returned.
    now: Instant,
    next_tick: Instant,
    totals: Totals,
}

/// A place for a connection. What it has allocated stays for the next one.
struct Slot {
    /// None while it is vacant.
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
                // A signal came. Nothing is lost by polling again.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            self.now = Instant::now();
            for event in &events {
                match event.token() {
                    // Retrying is a matter of the tick, once it has failed. Some systems report
                    // the listener again at once; to listen to them would be to spin.
                    LISTENER if self.accept_again => {}
                    LISTENER => self.accept(),
                    STOP => {} // The loop's condition looks at what it means.
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

    /// How long the poll may block: not at all while turns are due, and for ever only
    /// while there is nothing whose time could be up.
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
                    // The client gave up while it waited. The next one may not have.
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset => {}
                    // Most likely there is no descriptor left. No event will announce the
                    // connection again, which goes on waiting. The next tick tries again;
                    // trying at once would spin.
                    _ => {
                        if !was_pausing {
                            eprintln!("http: pausing to accept: {error}");
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
        // Answers are written as a whole, so there is nothing to collect. Failure only
        // makes it slower.
        let _ = stream.set_nodelay(true);
        let index = self.vacant.last().copied().unwrap_or(self.slots.len());
        let both = Interest::READABLE | Interest::WRITABLE;
        let registry = self.poll.registry();
        if let Err(error) = registry.register(&mut stream, Token(index), both) {
            eprintln!("http: turning a client away: {error}");
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
            return; // The event is about a connection that is closed.
        };
        slot.connection.ends |= is_read_closed;
        let answered = slot.connection.answered;
        let turn = slot.connection.take_turn(stream);
        if slot.connection.answered > answered {
            self.totals.requests += slot.connection.answered - answered;
            slot.deadline = self.now + REQUEST_TIME;
        }
        match turn {
            Ok(Turn::Blocked) => {}
            Ok(Turn::Unfinished) => {
                if !mem::replace(&mut slot.is_due, true) {
                    self.due.push(index);
                }
            }
            // A client that is lost is nothing to report: browsers do that all day.
            Ok(Turn::Finished) | Err(_) => self.close(index),
        }
    }

    fn close(&mut self, index: usize) {
        // Closes the stream, which also ends the registration, for nobody else has it.
        self.slots[index].stream = None;
        self.vacant.push(index);
    }

    /// What is to be done from time to time.
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

/// What passes over a connection, without the stream itself.
struct Connection {
    state: State,
    /// What was received and is not yet used: `input[start..end]`.
    input: Box<[u8]>,
    start: usize,
    end: usize,
    /// What is to be sent.
    output: Vec<u8>,
    /// Whether an event has said that the client sends no more than is there already.
    ends: bool,
    answered: u64,
}

/// What the next bytes from the client are.
#[derive(Clone, Copy)]
enum State {
    Head,
    /// What is left of a body, after which the answer is due.
    Body(u64, Answer),
    /// Of no interest. The rest of `output` is to be sent, and that is all.
    Closing,
    /// Of no interest, and the client has been told that no more will come, so that it
    /// closes the connection. If we did while it still sends, that would be a reset,
    /// which may overtake the answer.
    Closed,
}

/// How a turn of a connection ended.
enum Turn {
    /// Drained, or with no room to send, so that an event will tell when to go on.
    Blocked,
    /// In the midst of things. No event will come for what is already there.
    Unfinished,
    Finished,
}

enum Received {
    Some,
    /// And that was all there is.
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
            answered: 0,
        }
    }

    fn reset(&mut self) {
        self.state = State::Head;
        (self.start, self.end) = (0, 0);
        self.output.clear();
        self.ends = false;
        self.answered = 0;
    }

    /// Receives, answers and sends as much as is possible now and due to one client. It
    /// does not matter which event led here.
    fn take_turn(&mut self, stream: &mut TcpStream) -> io::Result<Turn> {
        let mut drained = false;
        for _ in 0..READS_PER_TURN {
            let has_more = self.answer_all();
            self.send(stream)?;
            let closing = matches!(self.state, State::Closing);
            if self.output.len() >= UNSENT_LIMIT || (closing && !self.output.is_empty()) {
                return Ok(Turn::Blocked); // There will be a writable event.
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
    /// A read that fills less than its buffer has emptied the socket, and what comes later
    /// raises a new edge, as if the read had answered `WouldBlock`. The end of the stream,
    /// though, may have come before, together with the data, and it raises no edge of its
    /// own then; but the event that announced the data has told so.
    fn receive(&mut self, stream: &mut TcpStream) -> io::Result<Received> {
        // There is always room after this: a head that fills all of it was refused.
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

    /// Sends what it can; what it cannot stays in `output`.
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

    /// Answers all requests that have arrived as a whole (a client may send the next
    /// without waiting for the answer), unless too much is unsent. Returns whether that
    /// was so, and there may be more of them.
    fn answer_all(&mut self) -> bool {
        while self.output.len() < UNSENT_LIMIT {
            match self.state {
                State::Head => match Request::parse(&self.input[self.start..self.end]) {
                    Ok(None) => return false,
                    Ok(Some(request)) => {
                        self.start += request.head_len;
                        if request.waits_for_leave && self.start == self.end {
                            self.output.extend(b"HTTP/1.1 100 Continue\r\n\r\n");
                        }
                        self.state = State::Body(request.body_len, request.answer);
                    }
                    // Where the next request would begin is anybody's guess.
                    Err(status) => self.answer(Answer::and_close(status)),
                },
                State::Body(len, answer) => {
                    let here = (self.end - self.start) as u64;
                    if here < len {
                        self.start = self.end;
                        self.state = State::Body(len - here, answer);
                        return false;
                    }
                    self.start += len as usize; // At most what is here.
                    self.answer(answer);
                }
                State::Closing | State::Closed => {
                    self.start = self.end;
                    return false;
                }
            }
        }
        true
    }

    fn answer(&mut self, answer: Answer) {
        let Status { line, field, text } = answer.status;
        // Writing to a `Vec` does not fail.
        let _ = write!(
            self.output,
            "HTTP/1.1 {line}\r\n\
             Content-Type: text/plain\r\n\
             Content-Length: {}\r\n\
             {field}{}\r\n",
            text.len(),
            answer.field,
        );
        if answer.has_body {
            self.output.extend(text.as_bytes());
        }
        self.answered += 1;
        self.state = match answer.keep_alive {
            true => State::Head,
            false => State::Closing,
        };
    }
}

/// What there is to know about a request.
struct Request {
    head_len: usize,
    body_len: u64,
    /// Whether the client holds the body back until it is told to go on.
    waits_for_leave: bool,
    answer: Answer,
}

impl Request {
    /// Parses the head of a request; `None` if it has not arrived as a whole.
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
        // HTTP/1.1 keeps connections alive unless told otherwise, HTTP/1.0 closes them.
        let (keep_alive, field) = match version {
            _ if fields.close => (false, CLOSE),
            0 if !fields.keep_alive => (false, CLOSE),
            0 => (true, KEEP_ALIVE),
            _ => (true, ""),
        };
        let answer = Answer {
            status,
            has_body: method != "HEAD",
            keep_alive,
            field,
        };
        Ok(Some(Request {
            head_len,
            body_len,
            waits_for_leave: fields.expects_continue && version >= 1 && body_len > 0,
            answer,
        }))
    }
}

/// What the header fields say that concerns us.
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
                // Two lengths are how one request is made to look like two.
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

/// The value of `Content-Length`: digits and nothing else, which `str::parse` by itself
/// is not so strict about.
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
struct Answer {
    status: &'static Status,
    has_body: bool,
    keep_alive: bool,
    /// The header field that tells whether the connection is kept, where there is need.
    field: &'static str,
}

impl Answer {
    fn and_close(status: &'static Status) -> Answer {
        Answer {
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
    /// A header field that goes with it.
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
static NOT_FOUND: Status = Status::new("404 Not Found", "There is only /\n");
static WRONG_METHOD: Status = Status {
    line: "405 Method Not Allowed",
    field: "Allow: GET, HEAD\r\n",
    text: "Only GET and HEAD\n",
};
static BAD_REQUEST: Status = Status::new("400 Bad Request", "That was no HTTP\n");
static LARGE_BODY: Status = Status::new("413 Content Too Large", "The body is too long\n");
static LONG_TARGET: Status = Status::new("414 URI Too Long", "The target is too long\n");
static LARGE_HEAD: Status = Status::new(
    "431 Request Header Fields Too Large",
    "Too many header fields\n",
);
static NOT_IMPLEMENTED: Status =
    Status::new("501 Not Implemented", "Only bodies with a Content-Length\n");
static UNKNOWN_VERSION: Status = Status::new(
    "505 HTTP Version Not Supported",
    "Only HTTP/1.0 and HTTP/1.1\n",
);
