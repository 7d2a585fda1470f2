//! What is measured.

use std::fmt;
use std::time::{Duration, Instant};

/// Performs an operation so many times, and says how long that took. What has to be done
/// between two operations is not in it where it says so.
pub type Run = Box<dyn FnMut(u64) -> Duration>;

/// Times a loop.
pub fn repeat(mut body: impl FnMut() + 'static) -> Run {
    Box::new(move |count| {
        let start = Instant::now();
        for _ in 0..count {
            body();
        }
        start.elapsed()
    })
}

/// Times `body` only, not what prepares it each time.
pub fn repeat_after(prepare: impl Fn() + 'static, mut body: impl FnMut() + 'static) -> Run {
    Box::new(move |count| {
        let mut elapsed = Duration::ZERO;
        for _ in 0..count {
            prepare();
            let start = Instant::now();
            body();
            elapsed += start.elapsed();
        }
        elapsed
    })
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A wake while an earlier one is undelivered.
    WakeRedundant,
    /// A wake and the poll that delivers it.
    WakePoll,
    /// Two threads that wake each other in turn.
    WakePingPong,
    /// Eight threads that wake one poll; a wake.
    WakeProducers,
    PollEmpty,
    /// A poll that finds so many sources ready, and looks at each event.
    PollReady(usize),
    Register,
    Reregister,
    Deregister,
    /// So many connections send a message each and get it back; a message.
    Echo(usize),
    ConnectAccept,
    UnixPingPong,
    UdpPingPong,
    /// A mebibyte over a TCP connection.
    Bulk,
    /// A poll that times out, after so many microseconds.
    Timeout(u64),
    /// A poll with so many sources registered, of which [`ACTIVE`] are ready.
    Registered(usize),
}

use Operation::*;

/// How many sources register in a row, so that the clock's cost disappears.
pub const BATCH: usize = 256;

pub const PRODUCERS: usize = 8;

/// How many wakes a producer sends: so many that starting its thread does not count.
pub const WAKES: usize = 1000;

pub const ACTIVE: usize = 64;

pub const MESSAGE: usize = 64;

pub const MEBIBYTE: usize = 1024 * 1024;

pub const TIMEOUTS: &[u64] = &[50, 100, 250, 500, 1000, 1500];

pub const REGISTERED: &[usize] = &[100, 1000, 5000, 18_000];

const PLAIN: &[Operation] = &[
    WakeRedundant,
    WakePoll,
    WakePingPong,
    WakeProducers,
    PollEmpty,
    PollReady(1),
    PollReady(256),
    Register,
    Reregister,
    Deregister,
    Echo(1),
    Echo(128),
    Echo(1000),
    ConnectAccept,
    UnixPingPong,
    UdpPingPong,
    Bulk,
];

/// Every operation, in the order of the report.
pub fn all() -> Vec<Operation> {
    let timeouts = TIMEOUTS.iter().copied().map(Timeout);
    let registered = REGISTERED.iter().copied().map(Registered);
    let plain = PLAIN.iter().copied();
    plain.chain(timeouts).chain(registered).collect()
}

impl Operation {
    /// The name, as of a command's argument.
    pub fn parse(name: &str) -> Option<Operation> {
        all().into_iter().find(|it| it.to_string() == name)
    }

    /// How many things one run of the operation does; times are of one of them.
    pub fn units(self) -> usize {
        match self {
            Register | Reregister | Deregister => BATCH,
            Echo(connections) => connections,
            WakeProducers => PRODUCERS * WAKES,
            UnixPingPong | UdpPingPong => 2,
            _ => 1,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            WakeRedundant => "wake, redundant",
            WakePoll => "wake and poll",
            WakePingPong => "wake, ping-pong of threads",
            WakeProducers => "wake, 8 producers",
            PollEmpty => "poll, none ready",
            PollReady(ready) => return write!(f, "poll, {ready} ready"),
            Register => "register",
            Reregister => "reregister",
            Deregister => "deregister",
            Echo(1) => "TCP echo, 1 connection",
            Echo(connections) => return write!(f, "TCP echo, {connections} connections"),
            ConnectAccept => "connect and accept",
            UnixPingPong => "Unix stream message",
            UdpPingPong => "UDP message",
            Bulk => "TCP bulk, 1 MiB",
            Timeout(micros) => return write!(f, "timeout of {micros} µs"),
            Registered(count) => return write!(f, "poll, {ACTIVE} of {count} ready"),
        };
        f.write_str(name)
    }
}
