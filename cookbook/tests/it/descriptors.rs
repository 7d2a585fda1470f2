use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use rustix::process::{prlimit, Pid, Resource, Rlimit};

use crate::util::{numbers, program, Running, LIMIT};

const DESCRIPTORS: u64 = 20;

fn server(mode: &str) -> (Running, SocketAddr) {
    let limit = DESCRIPTORS.to_string();
    Running::server(program!("descriptors"), &["127.0.0.1:0", &limit, mode])
}

fn connect(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let connect = |_| TcpStream::connect(address).unwrap();
    (0..count).map(connect).collect()
}

/// Whether the server accepts the connection, and does not close it at once.
fn is_welcome(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut welcome = [0; 8];
    match stream.read_exact(&mut welcome) {
        Ok(()) => welcome == *b"welcome\n",
        Err(error) => {
            assert_ne!(error.kind(), ErrorKind::WouldBlock, "no answer at all");
            false
        }
    }
}

#[test]
fn connections_wait_until_others_have_left_and_nothing_spins() {
    let start = Instant::now();
    let (server, address) = server("pause");
    let clients = connect(address, 60);
    // The oldest one leaves whenever it has been welcomed, which frees a descriptor.
    for mut client in clients {
        assert!(is_welcome(&mut client));
    }
    // The queue is empty, and the server is not stuck.
    assert!(is_welcome(&mut connect(address, 1)[0]));
    drop(server);

    let (server, address) = self::server("pause");
    let mut clients = connect(address, 60);
    let [first, polls] = numbers(&server.line())[..] else {
        panic!("not the right numbers");
    };
    assert!(first < DESCRIPTORS);
    assert!(polls <= 61, "{polls} polls");
    for client in &mut clients[..first as usize] {
        assert!(is_welcome(client));
    }
    // One leaves, and exactly one takes its place: the next pause has the same number.
    for at in 0..10 {
        drop(clients.remove(0));
        assert!(is_welcome(&mut clients[first as usize - 1]), "{at}");
    }
    // Each pause takes one poll for the failure, one for the leaving client, and at most one
    // for the timer, each second.
    let (mut last, mut pauses, mut resumed_by_leaving) = (0, 0, 0);
    while pauses < 10 {
        let line = server.line();
        resumed_by_leaving += usize::from(line.ends_with("a client has left"));
        if let [clients, polls] = numbers(&line)[..] {
            assert_eq!(clients, first);
            (last, pauses) = (polls, pauses + 1);
        }
    }
    assert!(resumed_by_leaving > 0, "only the timer ends a pause");
    let seconds = start.elapsed().as_secs() + 1;
    assert!(last <= polls + 10 * 3 + seconds * 2, "{last} polls");
}

/// No client leaves, so it is the clock that ends the pause.
#[test]
fn a_higher_limit_is_noticed_by_itself() {
    let (server, address) = server("pause");
    let mut clients = connect(address, 60);
    server.line();
    let id = Pid::from_raw(server.id().try_into().unwrap());
    let higher = Rlimit {
        current: Some(100),
        maximum: Some(100),
    };
    prlimit(id, Resource::Nofile, higher).unwrap();
    for client in &mut clients {
        assert!(is_welcome(client));
    }
}

#[test]
fn with_a_reserve_connections_are_refused_at_once() {
    let (server, address) = server("refuse");
    let mut clients = connect(address, 60);
    let (mut welcome, mut refused) = (0, 0);
    clients.retain_mut(|client| {
        let is_welcome = is_welcome(client);
        *(if is_welcome {
            &mut welcome
        } else {
            &mut refused
        }) += 1;
        is_welcome
    });
    assert!(0 < welcome && welcome < DESCRIPTORS);
    for _ in 0..refused {
        assert_eq!(server.line(), format!("refusing with {welcome} clients"));
    }
    // When one has left, the next is welcome again. Until the server has noticed, it refuses.
    drop(clients.pop());
    while !is_welcome(&mut connect(address, 1)[0]) {}
}
