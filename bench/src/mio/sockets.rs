//! The operations on sockets, over a library with mio's API, which `super` names.

use std::io::{Read, Write};

use super::messages::{self, unless_blocked, Ends};
use super::mio::net::{TcpListener, TcpStream, UnixStream};
use super::mio::{Interest, Token};
use super::polls::poll_and_events;
use crate::load::{self, Clients};
use crate::operation::{repeat, Run, MEBIBYTE, MESSAGE};

pub fn echo(connections: usize) -> Run {
    let (mut poll, mut events) = poll_and_events();
    let (mut clients, servers) = Clients::with_servers(connections);
    let mut servers: Vec<TcpStream> = servers.into_iter().map(TcpStream::from_std).collect();
    for (index, server) in servers.iter_mut().enumerate() {
        poll.registry()
            .register(server, Token(index), Interest::READABLE)
            .unwrap();
    }
    repeat(move || {
        clients.send();
        let mut left = connections * MESSAGE;
        while left > 0 {
            poll.poll(&mut events, None).unwrap();
            for event in &events {
                left -= send_back(&mut servers[event.token().0]);
            }
        }
        clients.receive();
    })
}

/// Sends back all received bytes. Returns their number.
fn send_back(stream: &mut TcpStream) -> usize {
    let mut buf = [0; 1024];
    let mut sent = 0;
    while let Some(len) = unless_blocked(stream.read(&mut buf)) {
        stream.write_all(&buf[..len]).unwrap();
        sent += len;
    }
    sent
}

pub fn connect_accept() -> Run {
    let (mut poll, mut events) = poll_and_events();
    let mut listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    poll.registry()
        .register(&mut listener, Token(0), Interest::READABLE)
        .unwrap();
    repeat(move || {
        let mut client = TcpStream::connect(address).unwrap();
        load::closes_at_once(&client);
        poll.registry()
            .register(&mut client, Token(1), Interest::WRITABLE)
            .unwrap();
        let (mut accepted, mut connected) = (None, false);
        while accepted.is_none() || !connected {
            poll.poll(&mut events, None).unwrap();
            for event in &events {
                match event.token() {
                    Token(0) => accepted = listener.accept().ok().or(accepted.take()),
                    _ => connected = client.peer_addr().is_ok(),
                }
            }
        }
    })
}

pub fn unix_ping_pong() -> Run {
    let (a, b) = UnixStream::pair().unwrap();
    Ends::new(a, b, Interest::READABLE).ping_pong(|it, data| it.write(data), |it, buf| it.read(buf))
}

pub fn udp_ping_pong() -> Run {
    messages::udp_ping_pong(Interest::READABLE)
}

pub fn bulk() -> Run {
    let (mut poll, mut events) = poll_and_events();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let sender = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (receiver, _) = listener.accept().unwrap();
    load::closes_at_once(&sender);
    let [mut sender, mut receiver] = [sender, receiver].map(|stream| {
        stream.set_nonblocking(true).unwrap();
        TcpStream::from_std(stream)
    });
    let registry = poll.registry();
    registry
        .register(&mut sender, Token(0), Interest::WRITABLE)
        .unwrap();
    registry
        .register(&mut receiver, Token(1), Interest::READABLE)
        .unwrap();
    let mut chunk = vec![7; 64 * 1024];
    let mut ready = [true, false];
    repeat(move || {
        let (mut to_send, mut to_receive) = (MEBIBYTE, MEBIBYTE);
        while to_receive > 0 {
            while ready[0] && to_send > 0 {
                let len = to_send.min(chunk.len());
                match unless_blocked(sender.write(&chunk[..len])) {
                    Some(sent) => to_send -= sent,
                    None => ready[0] = false,
                }
            }
            while ready[1] && to_receive > 0 {
                match unless_blocked(receiver.read(&mut chunk)) {
                    Some(received) => to_receive -= received,
                    None => ready[1] = false,
                }
            }
            if to_receive > 0 {
                poll.poll(&mut events, None).unwrap();
                for event in &events {
                    ready[event.token().0] = true;
                }
            }
        }
    })
}
