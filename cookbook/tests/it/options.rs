use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::util::{numbers, program, run, text, Running};

fn listen(address: &str, buffer_size: &str) -> (Running, SocketAddr) {
    Running::server(program!("options"), &["listen", address, buffer_size])
}

/// Linux doubles the number, for its own records.
#[test]
fn a_connection_inherits_the_buffer_size_of_the_listener() {
    for size in [10_000, 30_000] {
        let (server, address) = listen("127.0.0.1:0", &size.to_string());
        let _client = TcpStream::connect(address).unwrap();
        assert_eq!(numbers(&server.line()).last(), Some(&(2 * size)));
    }
}

/// The server closes the connection first, so its side lingers in TIME_WAIT.
#[test]
fn a_new_process_listens_at_once_on_the_port_of_a_former_one() {
    let (server, address) = listen("127.0.0.1:0", "10000");
    let mut client = TcpStream::connect(address).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    drop((client, server));
    let (_server, again) = listen(&address.to_string(), "10000");
    assert_eq!(again, address);
}

/// With IPv4 in IPv6 allowed, binding to the mapped address would succeed.
#[test]
fn an_ipv6_listener_is_for_ipv6_only() {
    let arguments = ["listen", "[::ffff:127.0.0.1]:0", "10000"];
    let output = run(program!("options"), &arguments);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("Invalid argument"));
}

#[test]
fn a_connection_comes_from_the_chosen_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let output = run(program!("options"), &["connect", &address, "127.0.0.2"]);
    assert!(output.status.success(), "{output:?}");
    let (_, peer) = listener.accept().unwrap();
    assert_eq!(peer.ip().to_string(), "127.0.0.2");
    let expected = format!("connected to {address} from {peer}\n");
    assert_eq!(text(&output.stdout), expected);
}
