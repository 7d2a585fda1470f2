//! The operations over a library with mio's API.

use std::mem;
use std::time::Duration;

use super::mio::net::TcpStream;
use super::{polls, sockets, wakes};
use crate::operation::{Operation, Run};

pub use super::polls::heap_per_source;
pub use super::wakes::items_per_turn;

pub fn make(operation: Operation) -> Run {
    match operation {
        Operation::WakeRedundant => wakes::wake(false),
        Operation::WakePoll => wakes::wake(true),
        Operation::WakePingPong => wakes::ping_pong(),
        Operation::WakeProducers => wakes::producers(),
        Operation::Queue => wakes::queue(),
        Operation::PollEmpty => polls::poll_empty(),
        Operation::PollReady(ready) => polls::poll_ready(ready),
        Operation::Register | Operation::Reregister | Operation::Deregister => {
            polls::register(operation)
        }
        Operation::Echo(connections) => sockets::echo(connections),
        Operation::ConnectAccept => sockets::connect_accept(),
        Operation::UnixPingPong => sockets::unix_ping_pong(),
        Operation::UdpPingPong => sockets::udp_ping_pong(),
        Operation::Bulk => sockets::bulk(),
        Operation::Timeout(micros) => polls::timeout(Duration::from_micros(micros)),
        Operation::Registered(count) => polls::registered(count),
    }
}

/// The size of a stream.
pub fn size_of_stream() -> usize {
    mem::size_of::<TcpStream>()
}
