//! With the feature `log`, what happens to registrations is traced through the crate of
//! that name.
#![cfg(all(feature = "os-poll", feature = "net", feature = "log"))]

mod util;

use std::sync::Mutex;

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

/// Runs `operation`, and returns what was logged meanwhile, which has to be trace lines
/// of this library.
fn logged_by(operation: impl FnOnce()) -> Vec<String> {
    COLLECTOR.lines.lock().unwrap().clear();
    operation();
    let lines = COLLECTOR.lines.lock().unwrap().clone();
    for line in &lines {
        assert_eq!(line.level, Level::Trace, "{line:?}");
        assert!(
            line.target == "mio" || line.target.starts_with("mio::"),
            "{line:?}"
        );
    }
    lines.into_iter().map(|line| line.text).collect()
}

/// One test alone: the logger is the whole process's.
#[test]
fn registrations_are_traced() {
    log::set_logger(&COLLECTOR).unwrap();
    log::set_max_level(LevelFilter::Trace);

    let (poll, _) = poll_and_events();
    let registry = poll.registry();
    let mut socket = UdpSocket::bind(any_port()).unwrap();
    let names_everything = |lines: &[String], parts: [&str; 3]| {
        let complete = |line: &String| parts.iter().all(|part| line.contains(part));
        assert!(lines.iter().any(complete), "{parts:?} in {lines:?}");
    };

    let lines = logged_by(|| {
        registry
            .register(&mut socket, Token(4711), Interest::READABLE)
            .unwrap();
    });
    names_everything(&lines, ["register", "Token(4711)", "READABLE"]);

    let lines = logged_by(|| {
        let interest = Interest::WRITABLE.level();
        registry
            .reregister(&mut socket, Token(4712), interest)
            .unwrap();
    });
    names_everything(&lines, ["reregister", "Token(4712)", "WRITABLE | LEVEL"]);

    let lines = logged_by(|| registry.deregister(&mut socket).unwrap());
    names_everything(&lines, ["deregister", "", ""]);

    // Whoever does not want trace lines does not get them.
    log::set_max_level(LevelFilter::Debug);
    let lines = logged_by(|| {
        registry
            .register(&mut socket, Token(4711), Interest::READABLE)
            .unwrap();
        registry.deregister(&mut socket).unwrap();
    });
    assert!(lines.is_empty(), "{lines:?}");
}
