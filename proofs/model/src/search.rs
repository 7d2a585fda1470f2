//! Searches for a script that diverges, and shrinks it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::run::{run, Counts, Divergence};
use crate::script::{scripts, Script};

/// The seed of the script that is running.
static SEED: AtomicU64 = AtomicU64::new(0);

pub(crate) fn print_seed() {
    eprintln!("MODEL_SEED={:#018x}", SEED.load(Ordering::Relaxed));
}

/// The seed of a search, with which it can be repeated: from the environment, or from the clock.
pub fn seed() -> u64 {
    let clock = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        mix(since.as_nanos() as u64)
    };
    let given = std::env::var("MODEL_SEED").ok();
    given.map_or_else(clock, |it| {
        parse(&it).expect("MODEL_SEED is a hexadecimal number")
    })
}

fn parse(seed: &str) -> Option<u64> {
    u64::from_str_radix(seed.trim().trim_start_matches("0x"), 16).ok()
}

/// The seeds that once led to a divergence: lines of `cc SEED # what it was`.
pub fn regressions() -> Vec<u64> {
    include_str!("../regressions.txt")
        .lines()
        .filter_map(|line| line.strip_prefix("cc "))
        .map(|line| parse(line.split('#').next().unwrap()).expect("a seed"))
        .collect()
}

/// Derives a seed from another by mixing its bits.
fn mix(seed: u64) -> u64 {
    let mixed = (seed ^ seed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}

/// The result of a search.
pub struct Found {
    seed: u64,
    script: Script,
    divergence: Box<Divergence>,
    /// The number of further attempts, and how many of them diverged.
    again: (u32, u32),
    pub counts: Counts,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.divergence)?;
        writeln!(f, "as a value: {:?}", self.script)?;
        let (again, of) = self.again;
        writeln!(f, "diverged {again} times of {of} when repeated")?;
        writeln!(f, "found after {}", self.counts)?;
        write!(f, "found from MODEL_SEED={:#018x}", self.seed)
    }
}

/// Runs scripts, beginning with that of `seed`, up to a number of operations or a time limit.
///
/// # Errors
///
/// The first divergence, shrunk.
pub fn search(seed: u64, operations: u64, limit: Duration) -> Result<Counts, Box<Found>> {
    let mut counts = Counts::default();
    let (mut next, start) = (seed, Instant::now());
    while counts.operations < operations && start.elapsed() < limit {
        counts += try_seed(next).map_err(|mut found| {
            found.counts += counts;
            found
        })?;
        next = mix(next.wrapping_add(0x9E37_79B9_7F4A_7C15));
    }
    Ok(counts)
}

/// Runs the script of one seed.
///
/// # Errors
///
/// A divergence, shrunk.
pub fn try_seed(seed: u64) -> Result<Counts, Box<Found>> {
    SEED.store(seed, Ordering::Relaxed);
    let mut bytes = [0; 32];
    for (chunk, number) in bytes.chunks_mut(8).zip(0..) {
        chunk.copy_from_slice(&mix(seed.wrapping_add(number)).to_le_bytes());
    }
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut tree = scripts().new_tree(&mut runner).unwrap();
    let first = match run(&tree.current()) {
        Ok(counts) => return Ok(counts),
        Err(divergence) => divergence,
    };
    let counts = first.counts;
    let (script, divergence) = shrink(&mut tree, first);
    let of = 10;
    let again = (0..of).filter(|_| run(&script).is_err()).count() as u32;
    Err(Box::new(Found {
        seed,
        script,
        divergence,
        again: (again, of),
        counts,
    }))
}

/// The time limit for shrinking a script.
const PATIENCE: Duration = Duration::from_secs(20);

/// Simplifies a script while it diverges.
fn shrink(
    tree: &mut impl ValueTree<Value = Script>,
    first: Box<Divergence>,
) -> (Script, Box<Divergence>) {
    let (mut script, mut divergence) = (tree.current(), first);
    let (mut steps, start) = (0, Instant::now());
    let mut moved = tree.simplify();
    while moved && steps < 5000 && start.elapsed() < PATIENCE {
        steps += 1;
        match run(&tree.current()) {
            Err(simpler) => {
                (script, divergence) = (tree.current(), simpler);
                moved = tree.simplify();
            }
            Ok(_) => moved = tree.complicate(),
        }
    }
    leave_out(script, divergence, start)
}

/// Removes the operations that are not needed, one after the other.
fn leave_out(
    mut script: Script,
    mut divergence: Box<Divergence>,
    start: Instant,
) -> (Script, Box<Divergence>) {
    loop {
        let len = script.0.len();
        for at in (0..len).rev() {
            if start.elapsed() > 2 * PATIENCE {
                return (script, divergence);
            }
            let mut shorter = script.clone();
            shorter.0.remove(at);
            if let Err(still) = run(&shorter) {
                (script, divergence) = (shorter, still);
            }
        }
        if script.0.len() == len {
            return (script, divergence);
        }
    }
}
