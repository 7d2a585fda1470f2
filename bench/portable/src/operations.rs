//! The operations over a library with mio's API.

use super::{polls, sockets, wakes};
use crate::operation::{Operation, BATCH};
use crate::Timed;

pub fn all() -> Vec<Timed> {
    let timed = |name, units, make| Timed { name, units, make };
    vec![
        timed("wake, redundant", 1, || wakes::wake(false)),
        timed("wake and poll", 1, || wakes::wake(true)),
        timed("wake, ping-pong of threads", 1, wakes::ping_pong),
        timed("poll, none ready", 1, || polls::reregister_and_poll(0)),
        timed("reregister and poll, 1 ready", 1, || {
            polls::reregister_and_poll(1)
        }),
        timed("the same of 64, each", 64, || {
            polls::reregister_and_poll(64)
        }),
        timed("register", BATCH, || polls::register(Operation::Register)),
        timed("reregister", BATCH, || {
            polls::register(Operation::Reregister)
        }),
        timed("deregister", BATCH, || {
            polls::register(Operation::Deregister)
        }),
        timed(
            "register, poll, deregister, poll",
            BATCH,
            polls::register_and_poll,
        ),
        timed("TCP message", 2, sockets::tcp_ping_pong),
        timed("UDP message", 2, sockets::udp_ping_pong),
        #[cfg(windows)]
        timed("named pipe message", 2, sockets::named_pipe_ping_pong),
        timed("connect and accept", 1, sockets::connect_accept),
    ]
}
