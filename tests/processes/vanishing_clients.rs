//! Peers that are killed in the middle of what they are doing.
#![cfg(all(
    feature = "os-poll",
    feature = "net",
    any(windows, all(unix, feature = "os-ext"))
))]

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::{env, thread};

use crate::util::{
    self, allow_many_fds, any_port, expect_readable, expect_silence, in_own_process, only_test,
    open_fds, registered_streams, reset_on_close, AFD, LONG,
};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// The listener; connections have the numbers after it, clients of this process those
/// from `FIRST_CLIENT` on.
const LISTENER: Token = Token(0);
const FIRST_CLIENT: usize = 1000;

const CHILDREN: usize = 3;
const CLIENTS_OF_A_CHILD: usize = 20;
const CLIENTS_THAT_RESET: usize = 40;
const CLIENTS: usize = CHILDREN * CLIENTS_OF_A_CHILD + CLIENTS_THAT_RESET;

/// Makes this program, started once more, a crowd of clients, and names their
/// server.
const SERVER: &str = "MIO_TEST_SERVER";

fn start_child(module: &str, test: &str, key: &str, value: &str) -> Command {
    let mut command = only_test(module, test);
    command.env(key, value).stdout(Stdio::null());
    command
}

/// Writes to `server` over many connections, until killed. Should the server go first,
/// the writes fail, and the program ends.
fn be_clients_for_ever(server: SocketAddr) {
    thread::scope(|scope| {
        for _ in 0..CLIENTS_OF_A_CHILD {
            scope.spawn(|| {
                let mut stream = std::net::TcpStream::connect(server).unwrap();
                while stream.write_all(&[b'x'; 64 * 1024]).is_ok() {}
            });
        }
    });
}

#[derive(Default)]
struct Server {
    connections: BTreeMap<Token, TcpStream>,
    accepted: usize,
    /// The connections of which something has been read, at some time.
    reported: std::collections::BTreeSet<Token>,
    ends: usize,
    resets: usize,
}

impl Server {
    fn accept_all(&mut self, poll: &Poll, listener: &TcpListener) {
        loop {
            match listener.accept() {
                Ok((mut stream, _)) => {
                    self.accepted += 1;
                    let token = Token(self.accepted);
                    poll.registry().register(&mut stream, token, BOTH).unwrap();
                    self.connections.insert(token, stream);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => panic!("accepting failed: {error}"),
            }
        }
    }

    fn token_of(&self, client: SocketAddr) -> Token {
        let is_of = |stream: &TcpStream| matches!(stream.peer_addr(), Ok(it) if it == client);
        let mut connections = self.connections.iter();
        *connections.find(|(_, stream)| is_of(stream)).unwrap().0
    }

    /// Reads until nothing is there or, if it comes first, `limit`. Drops a connection
    /// that has ended.
    fn read(&mut self, poll: &Poll, token: Token, limit: usize) {
        let Some(stream) = self.connections.get_mut(&token) else {
            return;
        };
        let (mut buf, mut taken) = ([0; 16 * 1024], 0);
        while taken < limit {
            match stream.read(&mut buf) {
                Ok(0) => self.ends += 1,
                Ok(len) => {
                    assert!(buf[..len].iter().all(|&byte| byte == b'x'));
                    self.reported.insert(token);
                    taken += len;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => self.resets += 1,
                Err(error) => panic!("reading failed: {error}"),
            }
            let mut stream = self.connections.remove(&token).unwrap();
            poll.registry().deregister(&mut stream).unwrap();
            return;
        }
    }
}

/// Handles events until every client is connected, and has had an event.
fn gather(
    poll: &mut Poll,
    events: &mut Events,
    server: &mut Server,
    listener: &TcpListener,
    clients: &mut [TcpStream],
) {
    while server.reported.len() < CLIENTS {
        util::poll(poll, events, Some(LONG));
        assert!(
            !events.is_empty(),
            "{} of {CLIENTS} reported",
            server.reported.len()
        );
        for event in &*events {
            match event.token() {
                LISTENER => server.accept_all(poll, listener),
                Token(number) if number >= FIRST_CLIENT => {
                    let client = &mut clients[number - FIRST_CLIENT];
                    while matches!(client.write(&[b'x'; 64 * 1024]), Ok(1..)) {}
                }
                // Not all of it: the clients must be in the middle of a write.
                token => server.read(poll, token, 1),
            }
        }
    }
}

/// A hundred clients are killed or reset in the middle of a write. Every
/// connection ends for the server, with an end of file or a reset, and nothing stays
/// open or goes on being reported.
#[test]
fn clients_that_are_killed_leave_nothing_behind() {
    const NAME: &str = "clients_that_are_killed_leave_nothing_behind";
    if let Ok(address) = env::var(SERVER) {
        return be_clients_for_ever(address.parse().unwrap());
    }
    in_own_process(NAME, || {
        allow_many_fds();
        let before = open_fds();
        let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(32));
        let mut server = Server::default();
        let mut listener = TcpListener::bind(any_port()).unwrap();
        let address = listener.local_addr().unwrap();
        let registry = poll.registry();
        registry
            .register(&mut listener, LISTENER, Interest::READABLE)
            .unwrap();
        let start = |_| {
            start_child(module_path!(), NAME, SERVER, &address.to_string())
                .spawn()
                .unwrap()
        };
        let children: Vec<Child> = (0..CHILDREN).map(start).collect();
        let mut clients: Vec<TcpStream> = (0..CLIENTS_THAT_RESET)
            .map(|number| {
                let mut client = TcpStream::connect(address).unwrap();
                let token = Token(FIRST_CLIENT + number);
                registry.register(&mut client, token, BOTH).unwrap();
                client
            })
            .collect();
        gather(&mut poll, &mut events, &mut server, &listener, &mut clients);
        assert_eq!(server.ends + server.resets, 0);

        // The end of a connection that was read up to the moment has to be announced.
        let mut left_unread: Vec<Token> = server.connections.keys().copied().collect();
        for client in clients.iter().step_by(2) {
            let token = server.token_of(client.local_addr().unwrap());
            server.read(&poll, token, usize::MAX);
            left_unread.retain(|&it| it != token);
        }
        // Some clients die with bytes that they have not read, which is a reset as well.
        for stream in server.connections.values_mut().step_by(2) {
            let _ = stream.write(b"unread");
        }
        for mut child in children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        for client in clients {
            reset_on_close(&client);
            drop(client);
        }

        // What the first reading left is not announced again.
        for token in left_unread {
            server.read(&poll, token, usize::MAX);
        }
        while !server.connections.is_empty() {
            util::poll(&mut poll, &mut events, Some(LONG));
            assert!(!events.is_empty(), "left: {:?}", server.connections);
            for event in &events {
                server.read(&poll, event.token(), usize::MAX);
            }
        }
        assert_eq!(server.ends + server.resets, CLIENTS);
        assert!(server.resets >= CLIENTS_THAT_RESET, "{}", server.resets);
        // Windows may reset whatever a process leaves behind.
        assert!(AFD || server.ends > 0, "no connection was simply closed");

        expect_silence(&mut poll, &mut events);
        let (mut source, mut peer) =
            registered_streams(poll.registry(), LISTENER, Interest::READABLE);
        peer.write_all(b"still here").unwrap();
        expect_readable(&mut poll, &mut events, LISTENER);
        assert_eq!(util::drain(&mut source), b"still here");
        drop((source, peer, listener, poll));
        assert_eq!(open_fds(), before);
    });
}

/// The pipes of a child, which are sources on Unix.
#[cfg(unix)]
mod pipes {
    use crate::util::expect;
    use mio::unix::pipe::{Receiver, Sender};

    use super::*;

    /// Makes this program, when it is started again, fill its standard output.
    const FILL: &str = "MIO_TEST_FILL";

    /// Edge case 17: a child that is killed while it writes to one pipe and leaves another
    /// unread: what it wrote is read, and then the end; writing to it returns `BrokenPipe`
    /// after an event that reports it.
    #[test]
    fn a_child_that_is_killed_closes_both_pipes() {
        const NAME: &str = "a_child_that_is_killed_closes_both_pipes";
        const OUTPUT: Token = Token(1);
        const INPUT: Token = Token(2);
        if env::var_os(FILL).is_some() {
            while io::stdout().write_all(&[b'x'; 4096]).is_ok() {}
            return;
        }
        in_own_process(NAME, || {
            let before = open_fds();
            let mut child = start_child(module_path!(), NAME, FILL, "")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut output = Receiver::from(child.stdout.take().unwrap());
            let mut input = Sender::from(child.stdin.take().unwrap());
            output.set_nonblocking(true).unwrap();
            input.set_nonblocking(true).unwrap();
            let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(8));
            let registry = poll.registry().try_clone().unwrap();
            registry
                .register(&mut output, OUTPUT, Interest::READABLE)
                .unwrap();
            while matches!(input.write(&[b'y'; 4096]), Ok(1..)) {}
            registry
                .register(&mut input, INPUT, Interest::WRITABLE)
                .unwrap();

            expect_readable(&mut poll, &mut events, OUTPUT);
            let mut buf = [0; 1000];
            assert!(output.read(&mut buf).unwrap() > 0);
            child.kill().unwrap();
            child.wait().unwrap();

            // Whatever was in the pipe comes before the end.
            registry
                .reregister(&mut output, OUTPUT, Interest::READABLE)
                .unwrap();
            expect(&mut poll, &mut events, OUTPUT, |it| it.is_read_closed());
            util::drain(&mut output);
            assert_eq!(output.read(&mut buf).unwrap(), 0);

            registry
                .reregister(&mut input, INPUT, Interest::WRITABLE)
                .unwrap();
            expect(&mut poll, &mut events, INPUT, |it| it.is_write_closed());
            let broken = input.write(b"y").unwrap_err();
            assert_eq!(broken.kind(), io::ErrorKind::BrokenPipe);

            registry.deregister(&mut output).unwrap();
            registry.deregister(&mut input).unwrap();
            drop((registry, poll, output, input, child));
            assert_eq!(open_fds(), before);
        });
    }
}
