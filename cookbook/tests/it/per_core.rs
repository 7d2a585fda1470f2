use std::collections::HashMap;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::util::{program, run, text, Running};

fn ask(address: SocketAddr) -> String {
    let mut answer = String::new();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The kernel spreads them by a hash of the addresses. That one of four threads gets none of 400
/// has a probability of 10^-49.
#[test]
fn every_thread_gets_connections() {
    let (_server, address) = Running::server(program!("per_core"), &["127.0.0.1:0", "4"]);
    let mut answers: HashMap<String, usize> = HashMap::new();
    for _ in 0..400 {
        *answers.entry(ask(address)).or_default() += 1;
    }
    let mut threads: Vec<&String> = answers.keys().collect();
    threads.sort();
    assert_eq!(
        threads,
        ["thread 0\n", "thread 1\n", "thread 2\n", "thread 3\n"]
    );
}

#[test]
fn without_a_number_there_is_a_thread_per_core() {
    let (_server, address) = Running::server(program!("per_core"), &["127.0.0.1:0"]);
    assert!(ask(address).starts_with("thread "));
}

/// The option does not take a port away from a program that has not set it.
#[test]
fn a_port_that_is_in_use_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let output = run(program!("per_core"), &[&address, "4"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("Address already in use"));
}
