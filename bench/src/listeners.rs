//! One listener that the polls of several threads watch, exclusively or not.

use std::time::{Duration, Instant};
use std::{fmt, thread};

use serde::{Deserialize, Serialize};

use crate::load::{Family, Listener};
use crate::stats::Summary;
use crate::{cpu, of_ours, of_upstream};

const THREADS: [usize; 2] = [8, 32];

const CONNECTIONS: u32 = 100;

/// Between two connections, so that all threads wait again.
const PAUSE: Duration = Duration::from_micros(500);

#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Watch {
    Upstream,
    Ours,
    OursExclusive,
}

impl Watch {
    pub const ALL: [Watch; 3] = [Watch::Upstream, Watch::Ours, Watch::OursExclusive];

    fn share<T>(self, listener: &Listener, threads: usize, connect: impl FnOnce() -> T) -> T {
        let readable = ours::Interest::READABLE;
        match self {
            Watch::Upstream => {
                let readable = upstream::Interest::READABLE;
                of_upstream::listeners::share(listener, readable, threads, connect)
            }
            Watch::Ours => of_ours::listeners::share(listener, readable, threads, connect),
            Watch::OursExclusive => {
                of_ours::listeners::share(listener, readable.exclusive(), threads, connect)
            }
        }
    }
}

impl fmt::Display for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Watch::Upstream => "upstream",
            Watch::Ours => "ours",
            Watch::OursExclusive => "ours, exclusive",
        })
    }
}

/// What a listener costs that so many threads share.
#[derive(Serialize, Deserialize)]
pub struct Shared {
    pub family: Family,
    pub threads: usize,
    /// In the order of [`Watch::ALL`].
    pub each: [Cost; 3],
    /// The CPU time of exclusive watches, as a ratio to that of others in the same round.
    pub ratio: Summary,
}

/// Of one connection.
#[derive(Copy, Clone, Serialize, Deserialize)]
pub struct Cost {
    /// The CPU time of all threads that accept, in nanoseconds.
    pub cpu: Summary,
    /// How many threads were woken; not every one finds the connection.
    pub woken: Summary,
}

impl Shared {
    pub fn of(&self, watch: Watch) -> Cost {
        self.each[watch as usize]
    }
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} listener, {} threads", self.family, self.threads)
    }
}

pub fn measure(rounds: usize) -> Result<Vec<Shared>, String> {
    let families = [Family::Tcp, Family::Unix].into_iter();
    let cases = families.flat_map(|family| THREADS.map(|threads| (family, threads)));
    cases
        .map(|(family, threads)| compare(family, threads, rounds))
        .collect()
}

fn compare(family: Family, threads: usize, rounds: usize) -> Result<Shared, String> {
    let mut cpu = Watch::ALL.map(|_| Vec::new());
    let mut woken = Watch::ALL.map(|_| Vec::new());
    for round in 0..rounds {
        for turn in 0..Watch::ALL.len() {
            let index = (turn + round) % Watch::ALL.len();
            let (nanos, threads) = one(Watch::ALL[index], family, threads)?;
            cpu[index].push(nanos);
            woken[index].push(threads);
        }
    }
    let [_, plain, exclusive] = &cpu;
    let ratio = exclusive.iter().zip(plain).map(|(a, b)| a / b).collect();
    let cost = |index: usize| Cost {
        cpu: Summary::of(cpu[index].clone()),
        woken: Summary::of(woken[index].clone()),
    };
    Ok(Shared {
        family,
        threads,
        each: [cost(0), cost(1), cost(2)],
        ratio: Summary::of(ratio),
    })
}

/// The CPU time, and how many threads were woken, of one connection.
fn one(watch: Watch, family: Family, threads: usize) -> Result<(f64, f64), String> {
    let listener = Listener::new(family);
    let connect = || {
        // Not all may wait yet.
        thread::sleep(PAUSE * 4);
        let before = cpu::of_other_threads()?;
        for _ in 0..CONNECTIONS {
            let next = Instant::now() + PAUSE;
            listener.connect_until_accepted();
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        let after = cpu::of_other_threads()?;
        Ok((after.0 - before.0, after.1 - before.1))
    };
    let used: Result<(Duration, u64), String> = watch.share(&listener, threads, connect);
    let (cpu, woken) = used?;
    let each = f64::from(CONNECTIONS);
    Ok((cpu.as_nanos() as f64 / each, woken as f64 / each))
}
