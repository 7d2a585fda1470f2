//! Handing work to threads and waking back: a server that sends files.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, TrySendError};
use std::sync::{Arc, Mutex};
use std::{fs, thread};

use cookbook::{parse, run, wrong_arguments};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};

const USAGE: &str = "usage: workers ADDRESS:PORT DIRECTORY";

const LISTENER: Token = Token(0);
const WAKE: Token = Token(1);
const FIRST_CLIENT: Token = Token(2);

const THREADS: usize = 2;
/// How much work may wait for a thread.
const QUEUE: usize = 64;
/// The longest request.
const LONGEST_NAME: usize = 255;

fn main() -> ExitCode {
    run(USAGE, |arguments| {
        let [address, directory] = arguments[..] else {
            return Err(wrong_arguments(arguments));
        };
        let address = parse("ADDRESS:PORT", address)?;
        Ok(Server::new(address, directory.into())?.run()?)
    })
}

/// Work for a thread: the file to read, and the client that waits for it.
struct Job {
    client: Token,
    file: PathBuf,
}

struct Outcome {
    client: Token,
    data: Vec<u8>,
}

/// Threads that read files, which would block the loop.
struct Workers {
    jobs: SyncSender<Job>,
    outcomes: Receiver<Outcome>,
}

impl Workers {
    fn start(waker: Waker) -> io::Result<Workers> {
        let (jobs, queue) = mpsc::sync_channel(QUEUE);
        let (sender, outcomes) = mpsc::channel();
        let (queue, waker) = (Arc::new(Mutex::new(queue)), Arc::new(waker));
        for _ in 0..THREADS {
            let (queue, sender, waker) = (queue.clone(), sender.clone(), waker.clone());
            thread::Builder::new().spawn(move || work(&queue, &sender, &waker))?;
        }
        Ok(Workers { jobs, outcomes })
    }
}

/// Runs jobs until the loop has ended.
fn work(queue: &Mutex<Receiver<Job>>, outcomes: &Sender<Outcome>, waker: &Waker) {
    loop {
        // One thread waits for the queue while it holds the lock; the others wait for the lock.
        // The lock is released before the work starts.
        let job = match queue.lock() {
            Ok(queue) => queue.recv(),
            Err(_) => return,
        };
        let Ok(Job { client, file }) = job else {
            return;
        };
        let data = fs::read(&file).unwrap_or_else(|error| format!("{error}\n").into());
        // First the outcome, then the wake.
        if outcomes.send(Outcome { client, data }).is_err() {
            return;
        }
        if let Err(error) = waker.wake() {
            eprintln!("workers: cannot wake the server: {error}");
        }
    }
}

struct Server {
    poll: Poll,
    listener: TcpListener,
    workers: Workers,
    directory: PathBuf,
    clients: HashMap<Token, Client>,
    /// Never reused, so that the outcome for a client that has left reaches no other client.
    next_token: Token,
}

impl Server {
    fn new(address: SocketAddr, directory: PathBuf) -> io::Result<Server> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let mut listener = TcpListener::bind(address)?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        let workers = Workers::start(waker)?;
        println!("Listening on {}", listener.local_addr()?);
        Ok(Server {
            poll,
            listener,
            workers,
            directory,
            clients: HashMap::new(),
            next_token: FIRST_CLIENT,
        })
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    WAKE => self.take_outcomes(),
                    client => self.give_turn(client),
                }
            }
        }
    }

    /// One wake may stand for many outcomes, and another for none.
    fn take_outcomes(&mut self) {
        while let Ok(Outcome { client, data }) = self.workers.outcomes.try_recv() {
            if let Some(it) = self.clients.get_mut(&client) {
                it.state = State::Sending { data, sent: 0 };
                self.give_turn(client);
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((mut stream, _peer)) => {
                    let token = self.next_token;
                    self.next_token.0 += 1;
                    let both = Interest::READABLE | Interest::WRITABLE;
                    self.poll.registry().register(&mut stream, token, both)?;
                    let state = State::Receiving(Vec::new());
                    self.clients.insert(token, Client { stream, state });
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return Ok(()),
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                    _ => return Err(error),
                },
            }
        }
    }

    fn give_turn(&mut self, token: Token) {
        let Some(client) = self.clients.get_mut(&token) else {
            return;
        };
        match client.take_turn(token, &self.directory, &self.workers.jobs) {
            Ok(true) => {}
            Ok(false) | Err(_) => drop(self.clients.remove(&token)),
        }
    }
}

struct Client {
    stream: TcpStream,
    state: State,
}

enum State {
    Receiving(Vec<u8>),
    /// A thread has the work. What the client sends meanwhile is not read.
    Waiting,
    Sending {
        data: Vec<u8>,
        sent: usize,
    },
}

impl Client {
    /// Returns whether there is more to do.
    fn take_turn(
        &mut self,
        token: Token,
        directory: &Path,
        jobs: &SyncSender<Job>,
    ) -> io::Result<bool> {
        loop {
            let result = match &mut self.state {
                State::Waiting => return Ok(true),
                State::Receiving(request) => {
                    let mut buffer = [0; 1024];
                    let result = self.stream.read(&mut buffer);
                    result.inspect(|&len| request.extend_from_slice(&buffer[..len]))
                }
                State::Sending { data, sent } if *sent == data.len() => return Ok(false),
                State::Sending { data, sent } => {
                    let result = self.stream.write(&data[*sent..]);
                    result.inspect(|len| *sent += len)
                }
            };
            match result {
                Ok(0) => return Ok(false),
                Ok(_) => self.start_job(token, directory, jobs),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Hands the work to a thread, if the request is complete.
    fn start_job(&mut self, client: Token, directory: &Path, jobs: &SyncSender<Job>) {
        let State::Receiving(request) = &self.state else {
            return;
        };
        let Some(end) = request.iter().position(|&byte| byte == b'\n') else {
            if request.len() > LONGEST_NAME {
                self.state = State::refused("the name is too long\n");
            }
            return;
        };
        let name = OsStr::from_bytes(&request[..end]);
        // A file of the directory, and nothing beyond it.
        if Path::new(name).file_name() != Some(name) {
            self.state = State::refused("this is not the name of a file\n");
            return;
        }
        let file = directory.join(name);
        // Does not block the loop: when the queue is full, the client is refused.
        self.state = match jobs.try_send(Job { client, file }) {
            Ok(()) => State::Waiting,
            Err(TrySendError::Full(_)) => State::refused("too busy, try again later\n"),
            Err(TrySendError::Disconnected(_)) => State::refused("all threads have ended\n"),
        };
    }
}

impl State {
    fn refused(reason: &str) -> State {
        State::Sending {
            data: reason.into(),
            sent: 0,
        }
    }
}
