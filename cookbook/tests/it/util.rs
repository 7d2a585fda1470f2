//! Programs under test.

use std::ffi::OsStr;
use std::fmt::Debug;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// How long anything may take. It is a failure then, not a slow machine.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The path of a program of the cookbook.
macro_rules! program {
    ($name:literal) => {
        env!(concat!("CARGO_BIN_EXE_", $name))
    };
}
pub(crate) use program;

/// A running program whose output is read line by line. It is killed when dropped.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    pub fn start<A: AsRef<OsStr> + Debug>(path: &str, arguments: &[A]) -> Running {
        let mut child = Command::new(path)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines() {
                let Ok(line) = line else { break };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Running { child, lines }
    }

    /// A server, and the address that it prints.
    pub fn server<A: AsRef<OsStr> + Debug>(path: &str, arguments: &[A]) -> (Running, SocketAddr) {
        let server = Running::start(path, arguments);
        let line = server.line();
        let address = line.strip_prefix("Listening on ").expect(&line);
        let address = address.parse().expect(&line);
        (server, address)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line of the output.
    pub fn line(&self) -> String {
        match self.lines.recv_timeout(LIMIT) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("the program prints nothing"),
            Err(RecvTimeoutError::Disconnected) => panic!("the output has ended"),
        }
    }

    /// The rest of the output, and how the program ended.
    pub fn wait(mut self) -> (Vec<String>, ExitStatus) {
        let mut rest = Vec::new();
        loop {
            match self.lines.recv_timeout(LIMIT) {
                Ok(line) => rest.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("the program does not end: {rest:?}"),
            }
        }
        // It has closed its output, so it is ending.
        (rest, self.child.wait().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program to its end. `timeout` ends one that hangs.
pub fn run<A: AsRef<OsStr>>(path: &str, arguments: &[A]) -> Output {
    Command::new("timeout")
        .arg(LIMIT.as_secs().to_string())
        .arg(path)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// What a program has printed, as text.
pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The numbers in a line, in their order.
pub fn numbers(line: &str) -> Vec<u64> {
    line.split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}
