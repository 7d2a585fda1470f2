//! No descriptor of this crate reaches a program that is started, at whatever moment.
#![cfg(all(unix, feature = "os-poll", feature = "net", feature = "os-ext"))]

use std::collections::BTreeSet;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, io, thread};

use crate::util::{
    self, any_port, expect_readable, in_own_process, only_test, open_fds, reset_on_close,
    temporary_path, CLOSED_ON_EXEC_AT_CREATION, KQUEUE,
};
use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use mio::unix::pipe::{self, Receiver, Sender};
use mio::{Events, Interest, Poll, Registry, Token, Waker};

const LISTENER: Token = Token(0);
const WAKE: Token = Token(1);

/// One of everything that has a descriptor. The fields are held, not used.
struct Everything {
    _registry: Registry,
    _waker: Waker,
    _tcp: (TcpListener, TcpStream, TcpStream),
    _unix: (UnixListener, UnixStream, UnixStream),
    _udp: UdpSocket,
    _datagrams: [UnixDatagram; 4],
    _streams: (UnixStream, UnixStream),
    _pipe: (Sender, Receiver),
    _poll: Poll,
    paths: [PathBuf; 2],
}

impl Everything {
    fn new() -> Everything {
        let mut poll = Poll::new().unwrap();
        let paths = [temporary_path("exec"), temporary_path("exec")];
        let tcp = tcp_connection(&mut poll);
        let unix = unix_connection(&mut poll, &paths[0]);
        let (one, other) = UnixDatagram::pair().unwrap();
        let bound = UnixDatagram::bind(&paths[1]).unwrap();
        let unbound = UnixDatagram::unbound().unwrap();
        Everything {
            _registry: poll.registry().try_clone().unwrap(),
            _waker: Waker::new(poll.registry(), WAKE).unwrap(),
            _tcp: tcp,
            _unix: unix,
            _udp: UdpSocket::bind(any_port()).unwrap(),
            _datagrams: [one, other, bound, unbound],
            _streams: UnixStream::pair().unwrap(),
            _pipe: pipe::new().unwrap(),
            _poll: poll,
            paths,
        }
    }
}

impl Drop for Everything {
    fn drop(&mut self) {
        for path in &self.paths {
            fs::remove_file(path).unwrap();
        }
    }
}

fn tcp_connection(poll: &mut Poll) -> (TcpListener, TcpStream, TcpStream) {
    let mut listener = TcpListener::bind(any_port()).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    wait_for_connection(poll, &mut listener);
    let (server, _) = listener.accept().unwrap();
    (listener, client, server)
}

fn unix_connection(poll: &mut Poll, path: &PathBuf) -> (UnixListener, UnixStream, UnixStream) {
    let mut listener = UnixListener::bind(path).unwrap();
    let client = UnixStream::connect(path).unwrap();
    wait_for_connection(poll, &mut listener);
    let (server, _) = listener.accept().unwrap();
    (listener, client, server)
}

fn wait_for_connection(poll: &mut Poll, listener: &mut impl Source) {
    let mut events = Events::with_capacity(4);
    poll.registry()
        .register(listener, LISTENER, Interest::READABLE)
        .unwrap();
    expect_readable(poll, &mut events, LISTENER);
    poll.registry().deregister(listener).unwrap();
}

/// Set in the programs that the tests start: this one, as a program that lists the
/// descriptors that it inherited.
const LIST: &str = "MIO_TEST_LIST_DESCRIPTORS";

fn is_started_to_list() -> bool {
    let listed = env::var_os(LIST).is_some();
    if listed {
        for fd in open_fds() {
            println!("\nborn with {fd}.");
        }
    }
    listed
}

/// Starts a program, and returns the descriptors that it was born with.
fn inherited(test: &str) -> BTreeSet<RawFd> {
    let output = only_test(module_path!(), test)
        .env(LIST, "")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let fds: BTreeSet<RawFd> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("born with ")?.strip_suffix('.'))
        .map(|fd| fd.parse().unwrap())
        .collect();
    assert!([0, 1, 2].iter().all(|fd| fds.contains(fd)), "{fds:?}");
    fds
}

/// Edge case 13: everything is closed on exec.
#[test]
fn no_descriptor_reaches_a_program_that_is_started() {
    const NAME: &str = "no_descriptor_reaches_a_program_that_is_started";
    if is_started_to_list() {
        return;
    }
    in_own_process(NAME, || {
        // What this process was itself given to inherit, such as by a build tool.
        let foreign = inherited(NAME);
        let before = open_fds().len();
        let everything = [Everything::new(), Everything::new()];
        assert_eq!(inherited(NAME), foreign);

        for fd in open_fds().into_iter().filter(|fd| !foreign.contains(fd)) {
            // SAFETY: takes no pointer.
            let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
            assert_eq!(
                flags & libc::FD_CLOEXEC,
                libc::FD_CLOEXEC,
                "descriptor {fd}"
            );
        }

        // The list is worth something: what is not closed on exec is in it.
        // SAFETY: takes no pointer; the kernel creates the descriptor for us.
        let loose = unsafe { OwnedFd::from_raw_fd(libc::dup(0)) };
        let mut listed = inherited(NAME);
        assert!(listed.remove(&loose.as_raw_fd()));
        assert_eq!(listed, foreign);
        drop((loose, everything));
        assert_eq!(open_fds().len(), before);
    });
}

/// Makes one kind of thing over and over, in the way that leaves the least time between
/// its making and the next one's.
type Maker = Box<dyn FnMut() + Send>;

/// A file that is removed at the end.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

/// A maker for everything that has a descriptor, for use by one thread. A kqueue is not closed
/// on exec at creation, nor need it be: only the shim's is inherited through a fork.
fn makers() -> Vec<Maker> {
    let poll = Poll::new().unwrap();
    let registry = poll.registry().try_clone().unwrap();
    let tcp = TcpListener::bind(any_port()).unwrap();
    let tcp_address = tcp.local_addr().unwrap();
    let [unix_path, listening, receiving] = [(); 3].map(|()| temporary_path("maker"));
    let unix = UnixListener::bind(&unix_path).unwrap();
    let unix_path = Removed(unix_path);
    let mut makers: Vec<Maker> = vec![
        Box::new(move || drop(poll.registry().try_clone().unwrap())),
        Box::new(move || drop(Waker::new(&registry, WAKE).unwrap())),
        Box::new(|| drop(TcpListener::bind(any_port()).unwrap())),
        Box::new(move || {
            let client = TcpStream::connect(tcp_address).unwrap();
            drop(accept(|| tcp.accept()));
            // Thousands of connections must not linger.
            reset_on_close(&client);
        }),
        Box::new(|| drop(UdpSocket::bind(any_port()).unwrap())),
        Box::new(move || {
            drop(UnixListener::bind(&listening).unwrap());
            fs::remove_file(&listening).unwrap();
        }),
        Box::new(move || {
            let _client = UnixStream::connect(&unix_path.0).unwrap();
            drop(accept(|| unix.accept()));
        }),
        Box::new(|| drop(UnixStream::pair().unwrap())),
        Box::new(|| drop(UnixDatagram::pair().unwrap())),
        Box::new(|| drop(UnixDatagram::unbound().unwrap())),
        Box::new(move || {
            drop(UnixDatagram::bind(&receiving).unwrap());
            fs::remove_file(&receiving).unwrap();
        }),
        Box::new(|| drop(pipe::new().unwrap())),
    ];
    if !KQUEUE {
        makers.push(Box::new(|| drop(Poll::new().unwrap())));
    }
    makers
}

/// Accepts a connection that is on its way.
fn accept<T>(mut accept: impl FnMut() -> io::Result<T>) -> T {
    loop {
        match accept() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::yield_now(),
            accepted => return accepted.unwrap(),
        }
    }
}

/// Edge case 13: there is no moment between the making of a descriptor and its being
/// closed on exec, in which another thread could start a program that inherits it.
#[test]
fn no_moment_is_left_in_which_a_descriptor_could_be_inherited() {
    const NAME: &str = "no_moment_is_left_in_which_a_descriptor_could_be_inherited";
    const THREADS: usize = 2;
    const STARTS_PER_MAKER: usize = 25;
    // A port is born inheritable.
    if is_started_to_list() || !CLOSED_ON_EXEC_AT_CREATION || util::EVENT_PORT {
        return;
    }
    in_own_process(NAME, || {
        let foreign = inherited(NAME);
        let before = open_fds();
        let makers = [(); THREADS].map(|()| makers());
        let count = makers[0].len();
        // Which maker is at work, for all threads; past the last there is no more work.
        let current = AtomicUsize::new(0);
        let made: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
        let listed = thread::scope(|scope| {
            for mut makers in makers {
                let (current, made) = (&current, &made);
                scope.spawn(move || loop {
                    let at = current.load(Ordering::Relaxed);
                    let Some(make) = makers.get_mut(at) else {
                        return;
                    };
                    make();
                    made[at].fetch_add(1, Ordering::Relaxed);
                });
            }
            let mut listed = Vec::new();
            for (maker, made) in made.iter().enumerate() {
                current.store(maker, Ordering::Relaxed);
                let mut starts = 0;
                // As often as it takes for the maker to have been at work meanwhile.
                while starts < STARTS_PER_MAKER || made.load(Ordering::Relaxed) == 0 {
                    listed.push((maker, inherited(NAME)));
                    starts += 1;
                }
            }
            current.store(count, Ordering::Relaxed);
            listed
        });
        for (maker, fds) in listed {
            assert_eq!(fds, foreign, "the maker of number {maker} leaks");
        }
        assert_eq!(open_fds(), before);
    });
}
