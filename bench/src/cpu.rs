//! What the scheduler knows of threads.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, mem};

/// The CPU time of the threads of a process, to the nanosecond.
pub fn of_process(id: u32) -> Result<Duration, String> {
    tasks(&format!("/proc/{id}/task"))?
        .map(|it| of_task(&it))
        .sum()
}

/// How much the other threads of this process have run: their CPU time, and how many times they
/// have waited.
pub fn of_other_threads() -> Result<(Duration, u64), String> {
    let own = fs::canonicalize("/proc/thread-self").map_err(|error| error.to_string())?;
    let mut sum = (Duration::ZERO, 0);
    for task in tasks("/proc/self/task")?.filter(|it| it.file_name() != own.file_name()) {
        sum.0 += of_task(&task)?;
        sum.1 += waits(&task)?;
    }
    Ok(sum)
}

fn tasks(directory: &str) -> Result<impl Iterator<Item = PathBuf>, String> {
    let tasks = fs::read_dir(directory).map_err(|error| format!("{directory}: {error}"))?;
    Ok(tasks.flatten().map(|task| task.path()))
}

fn of_task(task: &Path) -> Result<Duration, String> {
    let text = read(&task.join("schedstat"))?;
    let nanos = text.split(' ').next().and_then(|it| it.parse().ok());
    let nanos = nanos.ok_or("schedstat: not a number")?;
    Ok(Duration::from_nanos(nanos))
}

fn waits(task: &Path) -> Result<u64, String> {
    let text = read(&task.join("status"))?;
    let switches = |line: &str| {
        line.strip_prefix("voluntary_ctxt_switches:")?
            .trim()
            .parse()
            .ok()
    };
    let switches = text.lines().find_map(switches);
    switches.ok_or_else(|| "status: no number of context switches".to_owned())
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// The CPU time of all child processes that were waited for.
pub fn of_children() -> Duration {
    // SAFETY: all its fields are integers, for which zero is valid.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: `usage` outlives the call.
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage) };
    let micros = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    Duration::from_micros(micros(usage.ru_utime) + micros(usage.ru_stime))
}
