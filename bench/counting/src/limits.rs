//! The gate: no operation may take more instructions than a file allows.

use std::fs;

use crate::callgrind;

/// Measures the operations that the file names, a line each: `operation limit`.
pub fn check(path: &str) -> Result<(), String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let mut over = 0;
    println!("{:<18} {:>6} {:>6}", "operation", "now", "limit");
    for line in text.lines().filter(|line| !is_comment(line)) {
        let (operation, limit) = parse(line).ok_or_else(|| format!("{path}: what is {line:?}?"))?;
        let now = callgrind::instructions("ours", operation)?;
        let verdict = if now > limit { "  OVER" } else { "" };
        println!("{operation:<18} {now:>6} {limit:>6}{verdict}");
        over += usize::from(now > limit);
    }
    match over {
        0 => Ok(()),
        _ => Err(format!(
            "{over} operation(s) take more instructions than {path} allows"
        )),
    }
}

fn is_comment(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with('#')
}

fn parse(line: &str) -> Option<(&str, usize)> {
    let mut words = line.split_whitespace();
    let operation = words.next()?;
    let limit = words.next()?.parse().ok()?;
    words.next().is_none().then_some((operation, limit))
}
