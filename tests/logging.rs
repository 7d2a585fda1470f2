//! With the feature `log`, what happens to registrations is traced through the crate of
//! that name, and debug builds warn of sources that block.
#![cfg(all(feature = "os-poll", feature = "net", feature = "log"))]

mod util;

use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};
use mio::net::UdpSocket;
use mio::{Interest, Token};
use util::{any_port, poll_and_events};

/// Keeps what is logged.
struct Collector {
    lines: Mutex<Vec<Line>>,
}

#[derive(Clone, Debug)]
struct Line {
    level: Level,
    target: String,
    text: String,
}

impl Log for Collector {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        self.lines.lock().unwrap().push(Line {
            level: record.level(),
            target: record.target().to_owned(),
            text: record.args().to_string(),
        });
    }

    fn flush(&self) {}
}

static COLLECTOR: Collector = Collector {
    lines: Mutex::new(Vec::new()),
};

/// Makes the collector the process's logger, and keeps other tests from logging meanwhile.
fn collect(level: LevelFilter) -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    static INSTALLED: Once = Once::new();
    let guard = ONE_AT_A_TIME.lock();
    INSTALLED.call_once(|| log::set_logger(&COLLECTOR).unwrap());
    log::set_max_level(level);
    guard.unwrap_or_else(PoisonError::into_inner)
}

/// Runs `operation`, and returns what was logged meanwhile, which has to be lines of this
/// library at `level`.
fn logged_by(level: Level, operation: impl FnOnce()) -> Vec<String> {
    COLLECTOR.lines.lock().unwrap().clear();
    operation();
    let lines = COLLECTOR.lines.lock().unwrap().clone();
    for line in &lines {
        assert_eq!(line.level, level, "{line:?}");
        assert!(
            line.target == "mio" || line.target.starts_with("mio::"),
            "{line:?}"
        );
    }
    lines.into_iter().map(|line| line.text).collect()
}

#[test]
fn registrations_are_traced() {
    let _guard = collect(LevelFilter::Trace);
    let (poll, _) = poll_and_events();
    let registry = poll.registry();
    let mut socket = UdpSocket::bind(any_port()).unwrap();
    let names_everything = |lines: &[String], parts: [&str; 3]| {
        let complete = |line: &String| parts.iter().all(|part| line.contains(part));
        assert!(lines.iter().any(complete), "{parts:?} in {lines:?}");
    };

    let lines = logged_by(Level::Trace, || {
        registry
            .register(&mut socket, Token(4711), Interest::READABLE)
            .unwrap();
    });
    names_everything(&lines, ["register", "Token(4711)", "READABLE"]);

    let lines = logged_by(Level::Trace, || {
        let interest = Interest::WRITABLE.level();
        registry
            .reregister(&mut socket, Token(4712), interest)
            .unwrap();
    });
    names_everything(&lines, ["reregister", "Token(4712)", "WRITABLE | LEVEL"]);

    let lines = logged_by(Level::Trace, || registry.deregister(&mut socket).unwrap());
    names_everything(&lines, ["deregister", "", ""]);

    // Trace lines are logged only if they are enabled.
    log::set_max_level(LevelFilter::Debug);
    let lines = logged_by(Level::Trace, || {
        registry
            .register(&mut socket, Token(4711), Interest::READABLE)
            .unwrap();
        registry.deregister(&mut socket).unwrap();
    });
    assert!(lines.is_empty(), "{lines:?}");
}

/// Sockets and pipes that block. With debug assertions, registering one is warned of where the
/// system says whether a source blocks, which Windows does not.
mod blocking {
    use std::io;
    use std::net;

    use mio::event::Source;
    use mio::net::{TcpListener, TcpStream};

    use super::*;

    const WARNED: bool = cfg!(all(debug_assertions, unix));

    /// One of each type, taken from the standard library as it makes them, and what keeps them
    /// connected.
    fn sources() -> (Vec<Box<dyn Source>>, net::TcpStream) {
        let listener = net::TcpListener::bind(any_port()).unwrap();
        let stream = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (peer, _) = listener.accept().unwrap();
        #[allow(unused_mut)] // There may be no others.
        let mut sources: Vec<Box<dyn Source>> = vec![
            Box::new(TcpListener::from_std(listener)),
            Box::new(TcpStream::from_std(stream)),
            Box::new(UdpSocket::from_std(
                net::UdpSocket::bind(any_port()).unwrap(),
            )),
        ];
        #[cfg(unix)]
        {
            use mio::net::{UnixDatagram, UnixListener, UnixStream};
            use std::os::unix::net;

            let path = util::temporary_path("blocking");
            let listener = net::UnixListener::bind(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            let stream = net::UnixStream::pair().unwrap().0;
            let datagram = net::UnixDatagram::unbound().unwrap();
            sources.push(Box::new(UnixListener::from_std(listener)));
            sources.push(Box::new(UnixStream::from_std(stream)));
            sources.push(Box::new(UnixDatagram::from_std(datagram)));
        }
        #[cfg(all(unix, feature = "os-ext"))]
        {
            let (sender, receiver) = mio::unix::pipe::new().unwrap();
            sender.set_nonblocking(false).unwrap();
            receiver.set_nonblocking(false).unwrap();
            sources.push(Box::new(sender));
            sources.push(Box::new(receiver));
        }
        #[cfg(feature = "os-ext")]
        {
            let socket = net::UdpSocket::bind(any_port()).unwrap();
            sources.push(Box::new(mio::IoSource::new(socket)));
        }
        (sources, peer)
    }

    #[test]
    fn a_source_that_blocks_is_warned_of_and_registered() {
        let _guard = collect(LevelFilter::Warn);
        let (poll, _) = poll_and_events();
        let registry = poll.registry();
        let (sources, _peer) = sources();
        for (at, mut source) in sources.into_iter().enumerate() {
            let token = Token(4700 + at);
            let lines = logged_by(Level::Warn, || {
                registry
                    .register(&mut source, token, Interest::READABLE)
                    .unwrap();
            });
            assert_eq!(lines.len(), usize::from(WARNED), "{lines:?}");
            for line in &lines {
                assert!(line.contains(&format!("{token:?}")), "{line}");
                assert!(line.contains("`set_nonblocking(true)`"), "{line}");
            }

            // Once is enough.
            let lines = logged_by(Level::Warn, || {
                registry
                    .reregister(&mut source, token, Interest::WRITABLE)
                    .unwrap();
                registry.deregister(&mut source).unwrap();
            });
            assert!(lines.is_empty(), "{lines:?}");
        }
    }

    #[test]
    fn a_source_that_does_not_block_is_not_warned_of() -> io::Result<()> {
        let _guard = collect(LevelFilter::Warn);
        let (poll, _) = poll_and_events();
        let made = UdpSocket::bind(any_port())?;
        let converted = net::UdpSocket::bind(any_port())?;
        converted.set_nonblocking(true)?;
        for mut source in [made, UdpSocket::from_std(converted)] {
            let lines = logged_by(Level::Warn, || {
                poll.registry()
                    .register(&mut source, Token(1), Interest::READABLE)
                    .unwrap();
            });
            assert!(lines.is_empty(), "{lines:?}");
        }
        Ok(())
    }

    #[test]
    fn a_logger_that_wants_no_warnings_gets_none() -> io::Result<()> {
        let _guard = collect(LevelFilter::Error);
        let (poll, _) = poll_and_events();
        let mut source = UdpSocket::from_std(net::UdpSocket::bind(any_port())?);
        let lines = logged_by(Level::Warn, || {
            poll.registry()
                .register(&mut source, Token(1), Interest::READABLE)
                .unwrap();
        });
        assert!(lines.is_empty(), "{lines:?}");
        Ok(())
    }

    /// Its I/O is performed by the caller, which may have a reason.
    #[test]
    #[cfg(all(unix, feature = "os-ext"))]
    fn a_bare_descriptor_may_block() -> io::Result<()> {
        use std::os::fd::AsRawFd;

        let _guard = collect(LevelFilter::Warn);
        let (poll, _) = poll_and_events();
        let socket = net::UdpSocket::bind(any_port())?;
        let fd = socket.as_raw_fd();
        let mut source = mio::unix::SourceFd(&fd);
        let lines = logged_by(Level::Warn, || {
            poll.registry()
                .register(&mut source, Token(1), Interest::READABLE)
                .unwrap();
        });
        assert!(lines.is_empty(), "{lines:?}");
        poll.registry().deregister(&mut source)
    }
}
