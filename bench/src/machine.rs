//! The machine on which the figures were measured.

use std::fs;
use std::process::Command;

/// The date, kernel, processor and compiler, a line each.
pub fn describe() -> Vec<String> {
    let commit = said("git", &["rev-parse", "--short", "HEAD"]);
    let changed = !said("git", &["status", "--porcelain", "--", "src", "../src"]).is_empty();
    let changed = if changed { ", with changes" } else { "" };
    vec![
        format!("date: {}", said("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
        format!("commit: {commit}{changed}"),
        format!("kernel: {}", said("uname", &["-srm"])),
        format!("processor: {}", processor()),
        format!("C library: {}", said("getconf", &["GNU_LIBC_VERSION"])),
        format!("compiler: {}", said("rustc", &["--version"])),
        format!("load before the run: {}", load()),
    ]
}

/// The output of a command; empty if it cannot be run.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let said = output.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned());
    said.unwrap_or_default()
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("model name"))
        .filter_map(|line| line.split(": ").nth(1))
        .collect();
    let virtual_machine = match text.contains(" hypervisor") {
        true => ", in a virtual machine",
        false => "",
    };
    let model = models.first().unwrap_or(&"unknown");
    format!("{} × {model}{virtual_machine}", models.len().max(1))
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// Raises the soft limit on descriptors to the hard limit.
pub fn allow_all_descriptors() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` outlives both calls.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}
