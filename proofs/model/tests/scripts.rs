//! The bounded form: runs operations for a few seconds.

use std::time::Duration;

use model::search::{regressions, search, seed, try_seed};

/// The number of operations, which `MODEL_OPERATIONS` can set, and the time limit.
fn extent() -> (u64, Duration) {
    match std::env::var("MODEL_OPERATIONS") {
        Ok(given) => (given.parse().expect("a number"), Duration::MAX),
        Err(_) => (150_000, Duration::from_secs(12)),
    }
}

/// One test, as there is one watchdog.
#[test]
fn the_library_does_what_the_model_says() {
    for seed in regressions() {
        if let Err(found) = try_seed(seed) {
            panic!("an old divergence is back:\n{found}");
        }
    }
    let seed = seed();
    println!("MODEL_SEED={seed:#018x}");
    let (operations, limit) = extent();
    match search(seed, operations, limit) {
        Ok(counts) => println!("{counts}; divergences: 0"),
        Err(found) => panic!("\n{found}"),
    }
}
