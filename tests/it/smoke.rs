//! The shortest way through the library: a connection between two sockets of one poll.
#![cfg(all(feature = "os-poll", feature = "net"))]

use std::io::Write;

use crate::util::{any_port, drain, expect, expect_end, expect_readable, poll_and_events};
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Token};

const LISTENER: Token = Token(0);
const CLIENT: Token = Token(1);
const SERVER: Token = Token(2);

#[test]
fn bytes_travel_from_a_client_to_a_server() {
    let (mut poll, mut events) = poll_and_events();
    let mut listener = TcpListener::bind(any_port()).unwrap();
    let registry = poll.registry().try_clone().unwrap();
    registry
        .register(&mut listener, LISTENER, Interest::READABLE)
        .unwrap();

    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    registry
        .register(&mut client, CLIENT, Interest::WRITABLE)
        .unwrap();
    expect(&mut poll, &mut events, CLIENT, |event| event.is_writable());
    client.write_all(b"hello").unwrap();
    drop(client);

    registry
        .reregister(&mut listener, LISTENER, Interest::READABLE)
        .unwrap();
    expect_readable(&mut poll, &mut events, LISTENER);
    let (mut server, _) = listener.accept().unwrap();
    registry
        .register(&mut server, SERVER, Interest::READABLE)
        .unwrap();
    let (_, mut bytes) = expect_end(&mut poll, &mut events, SERVER, &mut server);
    bytes.extend(drain(&mut server));
    assert_eq!(bytes, b"hello");
}
