//! A source that is registered twice, or not at all: each mistake has one kind and one text,
//! whatever the source is. Programs search for the texts.
#![cfg(all(feature = "os-poll", feature = "net", any(unix, windows)))]

use std::io::{self, ErrorKind};

use crate::util::{any_port, Wrapper, EMULATED_EDGES, KQUEUE};
use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UdpSocket};
use mio::{Interest, Poll, Registry, Token};

const TOKEN: Token = Token(1);

/// What comes of a mistake; `None` if it is not detected.
type Outcome = Option<(ErrorKind, &'static str)>;

const ALREADY: Outcome = Some((
    ErrorKind::AlreadyExists,
    "I/O source already registered with a `Registry`",
));
const ELSEWHERE: Outcome = Some((
    ErrorKind::AlreadyExists,
    "I/O source already registered with a different `Registry`",
));
const ABSENT: Outcome = Some((
    ErrorKind::NotFound,
    "I/O source not registered with `Registry`",
));

/// Whether the selector itself detects mistakes: kqueue cannot be queried for registrations.
const fn detected(outcome: Outcome) -> Outcome {
    if KQUEUE {
        None
    } else {
        outcome
    }
}

/// What comes of a mistake with a socket or pipe, which knows in debug builds where it is
/// registered.
const fn checked(debug: Outcome, release: Outcome) -> Outcome {
    if cfg!(debug_assertions) {
        debug
    } else {
        release
    }
}

struct Misuse {
    name: &'static str,
    /// Commits the mistake between two polls, with a source that is registered with neither.
    commit: fn(&Registry, &Registry, &mut dyn Source) -> io::Result<()>,
    /// What comes of it with a source that remembers its registration, and with a bare descriptor.
    remembered: Outcome,
    #[allow(dead_code)] // Windows has no `SourceFd`.
    bare: Outcome,
}

/// A mistake that yields `debug` if the source detects it, and `system` if only the selector does.
const fn misuse(
    name: &'static str,
    commit: fn(&Registry, &Registry, &mut dyn Source) -> io::Result<()>,
    debug: Outcome,
    system: Outcome,
) -> Misuse {
    Misuse {
        name,
        commit,
        remembered: checked(debug, detected(system)),
        bare: detected(system),
    }
}

const TABLE: &[Misuse] = &[
    misuse(
        "registered twice",
        |one, _, source| {
            one.register(source, TOKEN, Interest::READABLE)?;
            one.register(source, TOKEN, Interest::WRITABLE)
        },
        ALREADY,
        ALREADY,
    ),
    Misuse {
        name: "registered with two polls",
        commit: |one, two, source| {
            one.register(source, TOKEN, Interest::READABLE)?;
            two.register(source, TOKEN, Interest::READABLE)
        },
        remembered: checked(ALREADY, if EMULATED_EDGES { ALREADY } else { None }),
        bare: None,
    },
    misuse(
        "reregistered before it is registered",
        |one, _, source| one.reregister(source, TOKEN, Interest::READABLE),
        ABSENT,
        ABSENT,
    ),
    misuse(
        "deregistered before it is registered",
        |one, _, source| one.deregister(source),
        ABSENT,
        ABSENT,
    ),
    misuse(
        "reregistered after it is deregistered",
        |one, _, source| {
            one.register(source, TOKEN, Interest::READABLE)?;
            one.deregister(source)?;
            one.reregister(source, TOKEN, Interest::READABLE)
        },
        ABSENT,
        ABSENT,
    ),
    misuse(
        "deregistered twice",
        |one, _, source| {
            one.register(source, TOKEN, Interest::READABLE)?;
            one.deregister(source)?;
            one.deregister(source)
        },
        ABSENT,
        ABSENT,
    ),
    misuse(
        "reregistered with another poll",
        |one, two, source| {
            one.register(source, TOKEN, Interest::READABLE)?;
            two.reregister(source, TOKEN, Interest::READABLE)
        },
        ELSEWHERE,
        ABSENT,
    ),
    misuse(
        "deregistered from another poll",
        |one, two, source| {
            one.register(source, TOKEN, Interest::READABLE)?;
            two.deregister(source)
        },
        ABSENT,
        ABSENT,
    ),
];

#[track_caller]
fn expect(name: &str, misuse: &Misuse, mut source: Box<dyn Source>, expected: Outcome) {
    let (one, two) = (Poll::new().unwrap(), Poll::new().unwrap());
    let result = (misuse.commit)(one.registry(), two.registry(), &mut *source);
    let outcome = result.err().map(|error| (error.kind(), error.to_string()));
    let expected = expected.map(|(kind, text)| (kind, text.to_owned()));
    assert_eq!(outcome, expected, "{name} {}", misuse.name);
}

fn udp() -> UdpSocket {
    UdpSocket::bind(any_port()).unwrap()
}

#[test]
fn sockets_of_the_internet_have_the_texts() {
    for misuse in TABLE {
        let listener = TcpListener::bind(any_port()).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        expect("a TcpStream", misuse, Box::new(stream), misuse.remembered);
        expect(
            "a TcpListener",
            misuse,
            Box::new(listener),
            misuse.remembered,
        );
        expect("a UdpSocket", misuse, Box::new(udp()), misuse.remembered);
    }
}

#[test]
fn a_source_made_of_another_has_the_texts() {
    for misuse in TABLE {
        expect(
            "a custom source",
            misuse,
            Box::new(Wrapper(udp())),
            misuse.remembered,
        );
    }
}

#[test]
#[cfg(unix)]
fn unix_sockets_have_the_texts() {
    use mio::net::{UnixDatagram, UnixListener, UnixStream};

    for misuse in TABLE {
        let path = crate::util::temporary_path("misuse");
        let listener = UnixListener::bind(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let (stream, _peer) = UnixStream::pair().unwrap();
        let datagram = UnixDatagram::unbound().unwrap();
        expect(
            "a UnixListener",
            misuse,
            Box::new(listener),
            misuse.remembered,
        );
        expect("a UnixStream", misuse, Box::new(stream), misuse.remembered);
        expect(
            "a UnixDatagram",
            misuse,
            Box::new(datagram),
            misuse.remembered,
        );
    }
}

#[cfg(all(unix, feature = "os-ext"))]
mod os_ext {
    use std::os::fd::AsRawFd;

    use mio::unix::{pipe, SourceFd};

    use super::*;

    #[test]
    fn pipes_have_the_texts() {
        for misuse in TABLE {
            let (sender, _receiver) = pipe::new().unwrap();
            expect("a Sender", misuse, Box::new(sender), misuse.remembered);
            let (_sender, receiver) = pipe::new().unwrap();
            expect("a Receiver", misuse, Box::new(receiver), misuse.remembered);
        }
    }

    /// A socket that is registered by its descriptor.
    struct Bare(UdpSocket);

    impl Source for Bare {
        fn register(
            &mut self,
            registry: &Registry,
            token: Token,
            interest: Interest,
        ) -> io::Result<()> {
            SourceFd(&self.0.as_raw_fd()).register(registry, token, interest)
        }

        fn reregister(
            &mut self,
            registry: &Registry,
            token: Token,
            interest: Interest,
        ) -> io::Result<()> {
            SourceFd(&self.0.as_raw_fd()).reregister(registry, token, interest)
        }

        fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
            SourceFd(&self.0.as_raw_fd()).deregister(registry)
        }
    }

    #[test]
    fn bare_descriptors_have_the_texts() {
        for misuse in TABLE {
            expect("a SourceFd", misuse, Box::new(Bare(udp())), misuse.bare);
        }
    }

    /// The source does not detect it, but the selector does.
    #[test]
    fn a_source_whose_descriptor_is_registered_has_the_text() {
        let poll = Poll::new().unwrap();
        let registry = poll.registry();
        let mut source = udp();
        let fd = source.as_raw_fd();
        registry
            .register(&mut SourceFd(&fd), TOKEN, Interest::READABLE)
            .unwrap();
        let again = registry.register(&mut source, TOKEN, Interest::READABLE);
        let outcome = again.err().map(|error| (error.kind(), error.to_string()));
        let expected = detected(ALREADY).map(|(kind, text)| (kind, text.to_owned()));
        assert_eq!(outcome, expected);
    }
}

#[test]
#[cfg(all(windows, feature = "os-ext"))]
fn named_pipes_have_the_texts() {
    for (at, misuse) in TABLE.iter().enumerate() {
        let name = format!(r"\\.\pipe\mio-misuse-{}-{at}", std::process::id());
        let pipe = mio::windows::NamedPipe::new(name).unwrap();
        // It is checked in every build, since a completion port is for life.
        let expected = match misuse.name {
            "reregistered with another poll" | "deregistered from another poll" => ELSEWHERE,
            "registered with two polls" => ALREADY,
            _ => misuse.remembered,
        };
        expect("a NamedPipe", misuse, Box::new(pipe), expected);
    }
}
