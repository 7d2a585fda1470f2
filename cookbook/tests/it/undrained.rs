use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::Duration;

use crate::util::{program, Running, LIMIT};

/// How many of three datagrams are answered, each sent after the answer to the former.
fn answered(mode: &str, patience: Duration) -> usize {
    let (_server, address) = Running::server(program!("undrained"), &["127.0.0.1:0", mode]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(address).unwrap();
    socket.set_read_timeout(Some(patience)).unwrap();
    let mut buffer = [0; 8];
    for number in 0..3 {
        socket.send(b"ping").unwrap();
        match socket.recv(&mut buffer) {
            Ok(len) => assert_eq!(&buffer[..len], b"ping"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return number,
            Err(error) => panic!("{error}"),
        }
    }
    3
}

#[test]
fn a_loop_that_drains_answers_on_every_backend() {
    assert_eq!(answered("drain", LIMIT), 3);
}

/// Where the kernel triggers edges, the next datagram causes an event although the socket was not
/// drained, and the fault stays hidden until two arrive at once.
#[test]
fn a_loop_that_does_not_drain_is_found_where_edges_are_emulated() {
    let edges_are_emulated = cfg!(any(
        mio_unsupported_force_poll_poll,
        mio_test_event_port_shim
    ));
    if edges_are_emulated {
        assert_eq!(answered("once", Duration::from_secs(1)), 1);
    } else {
        assert_eq!(answered("once", LIMIT), 3);
    }
}
