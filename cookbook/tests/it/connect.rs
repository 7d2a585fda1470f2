use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::util::{program, run, text};

fn connect(address: &str, milliseconds: u64) -> std::process::Output {
    run(program!("connect"), &[address, &milliseconds.to_string()])
}

/// A listener whose queue is full: Linux does not respond to further attempts.
fn unresponsive() -> (Socket, TcpStream) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    listener.bind(&SockAddr::from(any)).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let filler = TcpStream::connect(address).unwrap();
    (listener, filler)
}

#[test]
fn a_listener_accepts() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let output = connect(&address.to_string(), 60_000);
    assert!(output.status.success());
    let (_, peer) = listener.accept().unwrap();
    let expected = format!("connected to {address} from {peer}\n");
    assert_eq!(text(&output.stdout), expected);
}

#[test]
fn a_port_without_a_listener_refuses_long_before_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let output = connect(&address.to_string(), 60_000_000);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("Connection refused"));
}

#[test]
fn a_peer_that_does_not_respond_times_out_not_before_the_deadline() {
    let (listener, _filler) = unresponsive();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let start = Instant::now();
    let output = connect(&address.to_string(), 300);
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("timed out"), "{output:?}");
}

#[test]
fn an_unknown_host_is_an_error() {
    let output = connect("127.0.0.1:no-port", 1000);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("connect: "));
}
