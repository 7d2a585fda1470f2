//! The operations that are measured.

use std::fmt;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Performs an operation the given number of times, and returns how long that took.
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

/// Times `body` only, not `prepare`, which runs before it each time.
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

/// How many times an operation fits into a slice of time.
pub fn calibrate(run: &mut Run, slice: Duration) -> u64 {
    let mut count = 1;
    loop {
        let elapsed = run(count);
        if elapsed * 4 >= slice {
            let fits = count as f64 * slice.as_secs_f64() / elapsed.as_secs_f64();
            return (fits as u64).max(1);
        }
        count *= 2;
    }
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// A wake while an earlier one is pending.
    WakeRedundant,
    /// A wake and the poll that delivers it.
    WakePoll,
    /// Two threads that wake each other in turn.
    WakePingPong,
    /// Eight threads that wake one poll; the time is that of one wake.
    WakeProducers,
    /// Two threads that put items into a queue, and wake the poll after each; the time is that of one
    /// item.
    Queue,
    PollEmpty,
    /// A poll with so many sources ready, and a look at each event.
    PollReady(usize),
    Register,
    Reregister,
    Deregister,
    /// So many connections send a message each and get it back; the time is that of one message.
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

/// How many sources are registered in a row, so that the cost of reading the clock is negligible.
pub const BATCH: usize = 256;

pub const PRODUCERS: usize = 8;

pub const QUEUE_PRODUCERS: usize = 2;

/// How many wakes or items a producer sends, so that the cost of starting its thread is negligible.
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
    Queue,
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

/// The kind of an operation.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Group {
    Wake,
    Poll,
    Register,
    Io,
    Timeout,
}

impl Group {
    pub const ALL: [Group; 5] = [
        Group::Wake,
        Group::Poll,
        Group::Register,
        Group::Io,
        Group::Timeout,
    ];
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Group::Wake => "Wake",
            Group::Poll => "Poll",
            Group::Register => "Register",
            Group::Io => "I/O",
            Group::Timeout => "Timeout",
        })
    }
}

impl Operation {
    pub fn group(self) -> Group {
        match self {
            WakeRedundant | WakePoll | WakePingPong | WakeProducers | Queue => Group::Wake,
            PollEmpty | PollReady(_) | Registered(_) => Group::Poll,
            Register | Reregister | Deregister => Group::Register,
            Echo(_) | ConnectAccept | UnixPingPong | UdpPingPong | Bulk => Group::Io,
            Timeout(_) => Group::Timeout,
        }
    }

    /// How many units one run of the operation consists of. Times are per unit.
    pub fn units(self) -> usize {
        match self {
            Register | Reregister | Deregister => BATCH,
            Echo(connections) => connections,
            WakeProducers => PRODUCERS * WAKES,
            Queue => QUEUE_PRODUCERS * WAKES,
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
            Queue => "queue, 2 producers that wake",
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
