//! Pipes to child processes.
#![cfg(all(unix, feature = "os-ext"))]

use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};

use crate::util::{
    drain, expect, expect_readable, expect_writable, is_nonblocking, poll_and_events,
};
use mio::unix::pipe::{Receiver, Sender};
use mio::{Events, Interest, Poll, Token};

const SENDER: Token = Token(1);
const RECEIVER: Token = Token(2);

/// Starts a program whose standard streams are pipes.
fn spawn(program: &str, arguments: &[&str]) -> Child {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads from the child until its end.
fn read_to_end(poll: &mut Poll, events: &mut Events, receiver: &mut Receiver) -> Vec<u8> {
    let (mut all, mut buf) = (Vec::new(), [0; 4096]);
    loop {
        match receiver.read(&mut buf) {
            Ok(0) => return all,
            Ok(len) => all.extend_from_slice(&buf[..len]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                expect(poll, events, RECEIVER, |event| {
                    event.is_readable() || event.is_read_closed()
                });
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn what_is_written_to_a_child_comes_back_from_it() {
    let (mut poll, mut events) = poll_and_events();
    let mut child = spawn("cat", &[]);
    let mut sender = Sender::from(child.stdin.take().unwrap());
    let mut receiver = Receiver::from(child.stdout.take().unwrap());
    for nonblocking in [is_nonblocking(&sender), is_nonblocking(&receiver)] {
        assert!(!nonblocking, "the ends are taken as they are");
    }
    sender.set_nonblocking(true).unwrap();
    receiver.set_nonblocking(true).unwrap();
    poll.registry()
        .register(&mut sender, SENDER, Interest::WRITABLE)
        .unwrap();
    poll.registry()
        .register(&mut receiver, RECEIVER, Interest::READABLE)
        .unwrap();

    expect_writable(&mut poll, &mut events, SENDER);
    sender.write_all(b"there ").unwrap();
    expect_readable(&mut poll, &mut events, RECEIVER);
    assert_eq!(drain(&mut receiver), b"there ");
    sender.write_all(b"and back").unwrap();
    drop(sender);
    let rest = read_to_end(&mut poll, &mut events, &mut receiver);
    assert_eq!(rest, b"and back");
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_error_stream_of_a_child_is_reported() {
    let (mut poll, mut events) = poll_and_events();
    let mut child = spawn("sh", &["-c", "echo oops >&2"]);
    let mut receiver = Receiver::from(child.stderr.take().unwrap());
    receiver.set_nonblocking(true).unwrap();
    poll.registry()
        .register(&mut receiver, RECEIVER, Interest::READABLE)
        .unwrap();
    let text = read_to_end(&mut poll, &mut events, &mut receiver);
    assert_eq!(text, b"oops\n");
    assert!(child.wait().unwrap().success());
}

/// Edge case 17: a child that does not read has exited, and its input is closed.
#[test]
fn a_child_that_ends_closes_its_input() {
    let (mut poll, mut events) = poll_and_events();
    let mut child = spawn("true", &[]);
    let mut sender = Sender::from(child.stdin.take().unwrap());
    sender.set_nonblocking(true).unwrap();
    poll.registry()
        .register(&mut sender, SENDER, Interest::WRITABLE)
        .unwrap();
    expect(&mut poll, &mut events, SENDER, |event| {
        event.is_write_closed()
    });
    let error = sender.write(b"hello?").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    child.wait().unwrap();
}
