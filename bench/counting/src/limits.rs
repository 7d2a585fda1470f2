//! The limit: no operation may take more instructions than over upstream, measured in the same
//! run.

use crate::callgrind;

/// How many more instructions an operation may take.
fn noise(operation: &str) -> usize {
    match operation {
        // The compiler's output for the code around a loop differs by a few.
        "iterate-256" => 12,
        // A poll looks whether it was woken. Other rows have more to spare.
        "poll-one-forever" => 2,
        _ => 0,
    }
}

/// Measures operations over both libraries.
pub fn check(operations: &[&str]) -> Result<(), String> {
    let mut over = 0;
    println!("{:<18} {:>6} {:>9}", "operation", "ours", "upstream");
    for operation in operations {
        let ours = callgrind::instructions("ours", operation)?;
        let upstream = callgrind::instructions("upstream", operation)?;
        let is_over = ours > upstream + noise(operation);
        let verdict = if is_over { "  OVER" } else { "" };
        println!("{operation:<18} {ours:>6} {upstream:>9}{verdict}");
        over += usize::from(is_over);
    }
    match over {
        0 => Ok(()),
        _ => Err(format!(
            "{over} operation(s) take more instructions than over upstream"
        )),
    }
}
