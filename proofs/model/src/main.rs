//! The long form: runs the given number of operations.
//!
//!     cargo run --release -p model -- 1000000

use std::process::ExitCode;
use std::time::{Duration, Instant};

use model::run::BACKEND;
use model::search::{regressions, search, seed, try_seed};

fn main() -> ExitCode {
    let operations = std::env::args()
        .nth(1)
        .map_or(Ok(1_000_000), |it| it.parse());
    let Ok(operations) = operations else {
        eprintln!("usage: model [OPERATIONS]");
        return ExitCode::from(2);
    };
    let (seed, start) = (seed(), Instant::now());
    println!("{BACKEND:?}\nMODEL_SEED={seed:#018x}");
    let known = (regressions().into_iter()).try_for_each(|seed| try_seed(seed).map(drop));
    match known.and_then(|()| search(seed, operations, Duration::MAX)) {
        Ok(counts) => {
            println!("{counts}; divergences: 0; {:.1?}", start.elapsed());
            ExitCode::SUCCESS
        }
        Err(found) => {
            println!("{found}");
            ExitCode::FAILURE
        }
    }
}
