//! Compares the library with upstream where the other peers are not at hand: on Windows, or under
//! Wine. Prints a table; both take turns, in rounds, as in the main program. With the arguments
//! `list`, it prints the operations and their units instead; with `run LIBRARY OPERATION COUNT` it
//! only runs one, so that its system calls can be counted (`bench/portable/calls`).

#[allow(dead_code)] // The main program has more operations.
#[path = "../../src/operation.rs"]
mod operation;
#[allow(dead_code)]
#[path = "../../src/stats.rs"]
mod stats;

/// The same operations over either library.
#[allow(clippy::duplicate_mod)]
#[path = "."]
mod of_ours {
    use ours as mio;
    #[path = "../../src/mio/messages.rs"]
    mod messages;
    pub mod operations;
    mod polls;
    mod sockets;
    #[allow(dead_code)] // Eight threads that wake take minutes under Wine.
    #[path = "../../src/mio/wakes.rs"]
    mod wakes;
}
#[allow(clippy::duplicate_mod)]
#[path = "."]
mod of_upstream {
    use upstream as mio;
    #[path = "../../src/mio/messages.rs"]
    mod messages;
    pub mod operations;
    mod polls;
    mod sockets;
    #[allow(dead_code)] // Eight threads that wake take minutes under Wine.
    #[path = "../../src/mio/wakes.rs"]
    mod wakes;
}

use std::env;
use std::time::Duration;

use operation::Run;
use stats::Summary;

const ROUNDS: usize = 41;

/// How long a library runs in a round.
const SLICE: Duration = Duration::from_millis(8);

/// An operation over one library.
struct Timed {
    name: &'static str,
    /// How many units one run consists of. Times are per unit.
    units: usize,
    make: fn() -> Run,
}

impl Timed {
    /// Nanoseconds per unit.
    fn measure(&self, count: u64) -> f64 {
        let mut run = (self.make)();
        run(count / 8 + 1);
        run(count).as_nanos() as f64 / (count as f64 * self.units as f64)
    }
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => compare_all(),
        ["list"] => {
            for timed in of_ours::operations::all() {
                println!("{}|{}", timed.name, timed.units);
            }
        }
        ["run", library, operation, count] => {
            let operations = match library {
                "ours" => of_ours::operations::all(),
                "upstream" => of_upstream::operations::all(),
                _ => panic!("the library is `ours` or `upstream`"),
            };
            let named = |timed: &&Timed| timed.name == operation;
            let timed = operations.iter().find(named).expect("no such operation");
            (timed.make)()(count.parse().expect("not a count"));
        }
        _ => panic!("usage: portable [list | run LIBRARY OPERATION COUNT]"),
    }
}

fn compare_all() {
    println!("| operation | ours (µs) | upstream (µs) | ratio | of the fastest rounds | upstream to itself |");
    println!("|---|---|---|---|---|---|");
    let upstream = of_upstream::operations::all();
    for (ours, upstream) in of_ours::operations::all().iter().zip(&upstream) {
        compare(ours, upstream);
    }
}

fn compare(ours: &Timed, upstream: &Timed) {
    let peers = [ours, upstream, upstream];
    let count = operation::calibrate(&mut (upstream.make)(), SLICE);
    let mut nanos = [(); 3].map(|()| Vec::with_capacity(ROUNDS));
    for round in 0..ROUNDS {
        for turn in 0..3 {
            let peer = (round + turn) % 3;
            nanos[peer].push(peers[peer].measure(count));
        }
    }
    let [ours_times, upstream_times, again] = nanos;
    let ratio = |times: &[f64]| {
        let pairs = times.iter().zip(&upstream_times);
        Summary::of(pairs.map(|(a, b)| a / b).collect()).median
    };
    let median = |times: &[f64]| Summary::of(times.to_vec()).median / 1000.0;
    // Steadier on a machine that does something else as well.
    let fastest = |times: &[f64]| times.iter().copied().fold(f64::INFINITY, f64::min);
    println!(
        "| {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
        ours.name,
        median(&ours_times),
        median(&upstream_times),
        ratio(&ours_times),
        fastest(&ours_times) / fastest(&upstream_times),
        ratio(&again)
    );
}
