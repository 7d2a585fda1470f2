use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use rustix::fs::{open, Mode, OFlags};
use rustix::pty::{grantpt, openpt, ptsname, unlockpt, OpenptFlags};
use rustix::termios::{tcgetattr, tcsetwinsize, Winsize};

use crate::util::{program, run, text, LIMIT};

/// A user's terminal, on which the program runs.
struct User {
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    /// What is on the screen and has not been waited for.
    seen: Vec<u8>,
    /// Keeps the terminal open when the program has ended.
    terminal: OwnedFd,
    program: Child,
}

impl User {
    fn start(command: &[&str]) -> User {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        tcsetwinsize(&master, size(33, 77)).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap();
        let terminal = open(path, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        // Ignores what non-interactive shells ignore in the background, and `nohup`.
        let script = "trap '' HUP INT QUIT; exec \"$0\" \"$@\"";
        let program = Command::new("setsid")
            .args(["--ctty", "sh", "-c", script, program!("terminal")])
            .args(command)
            .stdin(terminal.try_clone().unwrap())
            .stdout(terminal.try_clone().unwrap())
            .stderr(terminal.try_clone().unwrap())
            .spawn()
            .expect("the test needs the program `setsid`");
        let keyboard = File::from(master);
        let mut output = keyboard.try_clone().unwrap();
        let (sender, screen) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(len) = output.read(&mut buffer) {
                if sender.send(buffer[..len].to_vec()).is_err() {
                    break;
                }
            }
        });
        let seen = Vec::new();
        User {
            keyboard,
            screen,
            seen,
            terminal,
            program,
        }
    }

    /// Waits for a text on the screen, and returns what comes before it.
    fn wait_for(&mut self, text: &str) -> String {
        loop {
            let seen = String::from_utf8_lossy(&self.seen).into_owned();
            if let Some((before, after)) = seen.split_once(text) {
                self.seen = after.as_bytes().to_vec();
                return before.to_owned();
            }
            match self.screen.recv_timeout(LIMIT) {
                Ok(more) => self.seen.extend(more),
                Err(_) => panic!("no `{text}` in {seen:?}"),
            }
        }
    }

    fn types(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).unwrap();
    }

    fn mode(&self) -> String {
        format!("{:?}", tcgetattr(&self.terminal).unwrap())
    }

    fn wait(&mut self) -> ExitStatus {
        self.program.wait().unwrap()
    }
}

impl Drop for User {
    fn drop(&mut self) {
        // Fails if it has ended already.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

#[test]
fn a_command_runs_on_a_terminal_of_the_same_size() {
    let script = "stty size; echo name?; read line; echo \"got $line\"";
    let mut user = User::start(&["sh", "-c", script]);
    assert_eq!(user.wait_for("\r\n"), "33 77");
    user.wait_for("name?");
    user.types(b"Ada\r");
    user.wait_for("got Ada");
    assert!(user.wait().success());
}

#[test]
fn the_mode_of_the_terminal_is_restored() {
    let mut user = User::start(&["sh", "-c", "echo ready; read line"]);
    user.wait_for("ready");
    let raw = user.mode();
    user.types(b"\r");
    assert!(user.wait().success());
    assert_ne!(user.mode(), raw);

    // That of a terminal on which nothing has run.
    let mut other = User::start(&["/no/such/command"]);
    other.wait_for("cannot start `/no/such/command`");
    assert_eq!(other.wait().code(), Some(1));
    assert_eq!(user.mode(), other.mode());
}

#[test]
fn interrupt_and_quit_keys_are_for_the_command() {
    for (key, signal) in [(b"\x03", "2 (SIGINT)"), (b"\x1c", "3 (SIGQUIT)")] {
        let mut user = User::start(&["sh", "-c", "ulimit -c 0; echo ready; exec cat"]);
        user.wait_for("ready");
        user.types(key);
        user.wait_for(&format!("terminal: `sh`: signal: {signal}"));
        assert_eq!(user.wait().code(), Some(1));
    }
}

#[test]
fn the_command_learns_that_the_window_was_resized() {
    let script = "echo ready; until stty size | grep -q '40 100'; do sleep 0.01; done; echo done";
    let mut user = User::start(&["sh", "-c", script]);
    user.wait_for("ready");
    tcsetwinsize(&user.keyboard, size(40, 100)).unwrap();
    user.wait_for("done");
    assert!(user.wait().success());
}

#[test]
fn a_long_output_arrives_completely() {
    let mut user = User::start(&["sh", "-c", "seq 100000; echo end"]);
    let output = user.wait_for("end\r\n");
    let numbers = output.lines().map(|line| line.parse::<u32>().unwrap());
    assert!(numbers.eq(1..=100_000));
    assert!(user.wait().success());
}

/// Far more than a terminal keeps: the program waits until the command has read it.
#[test]
fn a_long_input_arrives_completely() {
    let script = "stty raw -echo; echo ready; head -c 1000000 | cksum";
    let mut user = User::start(&["sh", "-c", script]);
    user.wait_for("ready");
    let mut keyboard = user.keyboard.try_clone().unwrap();
    let typing = thread::spawn(move || keyboard.write_all(&[b'x'; 1_000_000]).unwrap());
    // The checksum of so many `x`, and their number.
    user.wait_for("1459561774 1000000");
    typing.join().unwrap();
    assert!(user.wait().success());
}

#[test]
fn without_a_terminal_it_is_an_error() {
    let output = run(program!("terminal"), &["true"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("terminal: the standard input: "));
}
