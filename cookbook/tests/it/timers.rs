use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::util::{program, Running, LIMIT};

const IDLE: Duration = Duration::from_millis(400);

fn server() -> (Running, std::net::SocketAddr) {
    let idle = IDLE.as_millis().to_string();
    Running::server(program!("timers"), &["127.0.0.1:0", &idle])
}

fn read_end(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
}

/// However late the server is, it is never early.
#[test]
fn an_idle_client_is_disconnected_not_before_its_deadline() {
    let (_server, address) = server();
    let start = Instant::now();
    let mut stream = TcpStream::connect(address).unwrap();
    read_end(&mut stream);
    assert!(start.elapsed() >= IDLE);
}

#[test]
fn data_postpones_the_deadline() {
    let (_server, address) = server();
    let mut stream = TcpStream::connect(address).unwrap();
    let start = Instant::now();
    let mut last = start;
    while start.elapsed() < 3 * IDLE {
        let before = std::mem::replace(&mut last, Instant::now());
        stream.write_all(b"alive").unwrap();
        stream.set_read_timeout(Some(IDLE / 4)).unwrap();
        match stream.read(&mut [0; 8]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // This thread was late itself, on a busy machine.
            Ok(0) if before.elapsed() >= IDLE => return,
            other => panic!("{other:?} {:?} after the last byte", last.elapsed()),
        }
    }
    read_end(&mut stream);
    assert!(last.elapsed() >= IDLE);
}

#[test]
fn each_of_many_clients_has_a_deadline_of_its_own() {
    let (server, address) = server();
    let start = Instant::now();
    let mut clients: Vec<TcpStream> = (0..50)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    // Most leave before their deadline, which must not expire then.
    let mut at = 0;
    clients.retain(|_| {
        at += 1;
        at % 4 == 0
    });
    for client in &mut clients {
        read_end(client);
    }
    assert!(start.elapsed() >= IDLE);
    let mut idle: Vec<String> = clients.iter().map(|_| server.line()).collect();
    idle.sort();
    idle.dedup();
    assert_eq!(idle.len(), clients.len());
}
