//! Writing to a closed peer is an error, not a signal, which would end a program whose `main` is not
//! Rust's.
#![cfg(all(unix, feature = "os-poll", feature = "net"))]

use std::io::{ErrorKind, Write};
use std::{fs, net, os, thread};

use crate::util::{
    any_port, expect_readable, in_own_process, poll_and_events, reset_on_close, temporary_path,
};
use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use mio::{Interest, Token};

/// The signal does what it does in a program of another language.
fn make_sigpipe_deadly() {
    // SAFETY: no handler of ours is installed.
    let before = unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    assert_ne!(before, libc::SIG_ERR);
}

/// Writes until the system reports that there is no reader.
fn expect_broken(mut stream: impl Write) {
    loop {
        match stream.write(b"hello").map_err(|error| error.kind()) {
            Err(ErrorKind::BrokenPipe) => return,
            // The reset is on its way, or is returned before.
            Ok(_) | Err(ErrorKind::ConnectionReset | ErrorKind::WouldBlock) => thread::yield_now(),
            Err(other) => panic!("{other}"),
        }
    }
}

fn wait_for_client(listener: &mut impl Source) {
    let (mut poll, mut events) = poll_and_events();
    poll.registry()
        .register(listener, Token(0), Interest::READABLE)
        .unwrap();
    expect_readable(&mut poll, &mut events, Token(0));
    poll.registry().deregister(listener).unwrap();
}

#[test]
fn tcp() {
    in_own_process("tcp", || {
        make_sigpipe_deadly();
        let listener = net::TcpListener::bind(any_port()).unwrap();
        let made = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (peer, _) = listener.accept().unwrap();
        reset_on_close(&peer);
        drop(peer);
        expect_broken(made);

        let mut listener = TcpListener::bind(any_port()).unwrap();
        let peer = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        wait_for_client(&mut listener);
        let (accepted, _) = listener.accept().unwrap();
        reset_on_close(&peer);
        drop(peer);
        expect_broken(accepted);
    });
}

/// macOS refuses an option of a socket whose peer has closed, even right after `accept`.
#[test]
fn tcp_whose_client_left_before_it_was_accepted() {
    in_own_process("tcp_whose_client_left_before_it_was_accepted", || {
        make_sigpipe_deadly();
        let mut listener = TcpListener::bind(any_port()).unwrap();
        drop(net::TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        wait_for_client(&mut listener);
        expect_broken(listener.accept().unwrap().0);
    });
}

#[test]
fn unix() {
    in_own_process("unix", || {
        make_sigpipe_deadly();
        let (made, peer) = UnixStream::pair().unwrap();
        drop(peer);
        expect_broken(made);

        let path = temporary_path("sigpipe");
        let listener = os::unix::net::UnixListener::bind(&path).unwrap();
        let made = UnixStream::connect(&path).unwrap();
        drop(listener.accept().unwrap());
        expect_broken(made);
        fs::remove_file(&path).unwrap();

        let mut listener = UnixListener::bind(&path).unwrap();
        drop(os::unix::net::UnixStream::connect(&path).unwrap());
        wait_for_client(&mut listener);
        let accepted = listener.accept();
        fs::remove_file(&path).unwrap();
        expect_broken(accepted.unwrap().0);
    });
}
