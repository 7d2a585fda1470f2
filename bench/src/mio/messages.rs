//! Messages between two ends in one poll, over a library with mio's API, which `super` names.

use std::io::{self, ErrorKind};

use super::mio::event::{Event, Source};
use super::mio::net::UdpSocket;
use super::mio::{Events, Interest, Poll, Token};
use super::polls::poll_and_events;
use crate::operation::{repeat, Run, MESSAGE};

pub fn udp_ping_pong(interest: Interest) -> Run {
    let bind = || UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let (a, b) = (bind(), bind());
    a.connect(b.local_addr().unwrap()).unwrap();
    b.connect(a.local_addr().unwrap()).unwrap();
    Ends::new(a, b, interest).ping_pong(|it, data| it.send(data), |it, buf| it.recv(buf))
}

/// Two ends, registered with one poll.
pub struct Ends<S> {
    pub a: S,
    pub b: S,
    poll: Poll,
    events: Events,
}

impl<S: Source + 'static> Ends<S> {
    pub fn new(mut a: S, mut b: S, interest: Interest) -> Ends<S> {
        let (poll, events) = poll_and_events();
        for (index, end) in [&mut a, &mut b].into_iter().enumerate() {
            poll.registry()
                .register(end, Token(index), interest)
                .unwrap();
        }
        Ends { a, b, poll, events }
    }

    /// Sends a message and one back.
    pub fn ping_pong(
        mut self,
        send: fn(&mut S, &[u8]) -> io::Result<usize>,
        receive: fn(&mut S, &mut [u8]) -> io::Result<usize>,
    ) -> Run {
        repeat(move || {
            for (from, to) in [(0, 1), (1, 0)] {
                let ends = [&mut self.a, &mut self.b];
                // A pipe takes one message at a time.
                while unless_blocked(send(ends[from], &[7; MESSAGE])).is_none() {
                    self.poll.poll(&mut self.events, None).unwrap();
                }
                let mut arrived = false;
                while !arrived {
                    self.poll.poll(&mut self.events, None).unwrap();
                    let of_receiver =
                        |event: &Event| event.token() == Token(to) && event.is_readable();
                    arrived = self.events.iter().any(of_receiver);
                }
                let mut buf = [0; 2 * MESSAGE];
                while unless_blocked(receive(ends[to], &mut buf)).is_some() {}
            }
        })
    }
}

pub fn unless_blocked<T>(result: io::Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => panic!("{error}"),
    }
}
