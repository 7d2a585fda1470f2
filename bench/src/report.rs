//! The forms of the report: tables on standard output, or a page with plots.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::figures::figure;
use crate::findings::{self, Efforts, Findings};
use crate::pairs::Effort;
use crate::times::MOST_DISAGREEMENT;
use crate::{goals, listeners, machine, markdown, peers, plots, poll2, signals};

/// Prints what is measured in this process.
pub fn print(effort: Effort, rest: usize) -> Result<(), String> {
    for line in machine::describe() {
        println!("{line}");
    }
    for line in peers::missing() {
        println!("{line}");
    }
    let rows = findings::operations(effort);
    let (ours, others) = (markdown::operations(&rows), markdown::others(&rows));
    print!("\n{ours}\n{others}\n");
    println!("{}", markdown::waits(&signals::measure(rest)));
    print!("{}", markdown::shared(&listeners::measure(rest)?));
    Ok(())
}

/// Prints what the report says of poll(2).
pub fn print_poll2(effort: Effort) -> Result<(), String> {
    for line in machine::describe() {
        println!("{line}");
    }
    let rows = poll2::measure(effort)?;
    let goals: Vec<_> = rows.iter().map(goals::poll2).collect();
    let (rows, goals) = (markdown::operations(&rows), markdown::goals(&goals));
    print!("\n{rows}\n{goals}");
    Ok(())
}

/// Measures everything, and writes the findings and the report into a directory.
pub fn write(efforts: Efforts, directory: &Path) -> Result<(), String> {
    let findings = findings::measure(efforts);
    let json = serde_json::to_string_pretty(&findings).map_err(|error| error.to_string())?;
    write_file(&directory.join(FINDINGS), &json)?;
    write_report(&findings, directory)
}

/// Writes the report again, from the findings that [`write`] left in the directory.
pub fn rewrite(directory: &Path) -> Result<(), String> {
    let path = directory.join(FINDINGS);
    let json = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let findings = serde_json::from_slice(&json);
    let findings = findings.map_err(|error| format!("{}: {error}", path.display()))?;
    write_report(&findings, directory)
}

const FINDINGS: &str = "performance.json";

fn write_report(findings: &Findings, directory: &Path) -> Result<(), String> {
    let plots = directory.join("plots");
    fs::create_dir_all(&plots).map_err(|error| format!("{}: {error}", plots.display()))?;
    plots::draw(findings, &plots).map_err(|error| format!("{}: {error}", plots.display()))?;
    write_file(&directory.join("performance.md"), &text(findings))
}

fn write_file(path: &Path, text: &str) -> Result<(), String> {
    let parent = path.parent().expect("it is a file in a directory");
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}

fn text(findings: &Findings) -> String {
    let mut text = String::from(HEAD);
    for line in findings.machine.iter().chain(&findings.missing) {
        let _ = writeln!(text, "* {line}");
    }
    let effort = findings.effort;
    let _ = writeln!(
        text,
        "* rounds: {}{}; each peer runs {} ms per round; {:.0} minutes in all\n",
        effort.rounds,
        more_rounds(effort),
        effort.slice.as_millis(),
        findings.took.as_secs_f64() / 60.0
    );
    let goals = goals::judge(findings);
    let met = goals.iter().filter(|goal| goal.verdict() == "met").count();
    let _ = writeln!(text, "{met} of {} [goals](#goals) are met.\n", goals.len());
    let _ = writeln!(text, "{}\n", agreement(findings));
    for (title, intro, body) in sections(findings) {
        let _ = writeln!(text, "## {title}\n\n{}\n\n{body}", intro.trim());
    }
    let table = markdown::goals(&goals);
    let _ = writeln!(text, "## Goals\n\n{GOALS}\n\n{}", table.trim_end());
    text
}

fn more_rounds(effort: Effort) -> String {
    match effort.attempts {
        1 => String::new(),
        attempts => format!(
            " (up to {} where medians and paired ratios disagree)",
            effort.rounds * attempts
        ),
    }
}

/// Whether the two ways to compare ours with upstream agree.
fn agreement(findings: &Findings) -> String {
    let percent = MOST_DISAGREEMENT * 100.0;
    let lines = markdown::disagreements(findings);
    if lines.is_empty() {
        return format!(
            "Everywhere the ratio of the two medians is within {percent} % of the median of the \
             paired ratios."
        );
    }
    format!(
        "For the following, the ratio of the two medians (given first) is more than {percent} % from\n\
         the median of the paired ratios (given second): the machine's speed changed between rounds.\n\
         The paired ratio compares only what ran in the same round, so rely on that one.\n\n\
         * {}",
        lines.join("\n* ")
    )
}

type Section = (&'static str, &'static str, String);

fn sections(findings: &Findings) -> Vec<Section> {
    let rows = &findings.rows;
    let mut sections = vec![
        (
            "Operations",
            OPERATIONS,
            markdown::operations(rows) + &items(findings),
        ),
        ("Other event loops", OTHERS, markdown::others(rows)),
        ("poll(2)", POLL2, markdown::operations(&findings.poll2)),
        ("Lateness of timeouts", LATENESS, markdown::lateness(rows)),
        ("Deadlines", DEADLINES, markdown::waits(&findings.waits)),
        (
            "Shared listeners",
            LISTENERS,
            markdown::shared(&findings.shared),
        ),
        ("Programs", PROGRAMS, markdown::programs(&findings.programs)),
        (
            "Tasks woken from other threads",
            TASKS,
            markdown::programs(&findings.tasks),
        ),
        (
            "Instructions",
            INSTRUCTIONS,
            markdown::instructions(findings),
        ),
        ("System calls", SYSCALLS, markdown::syscalls(findings)),
        ("Memory", MEMORY, markdown::memory(findings)),
    ];
    if let Some(cost) = &findings.build_cost {
        sections.push(("Build", BUILD, markdown::build(cost)));
    }
    sections
}

/// How the queue of two producers is read.
fn items(findings: &Findings) -> String {
    let [ours, upstream] = findings.items_per_turn.map(|it| figure(it.median));
    format!(
        "\nIn the queue, the producers put an item into an unbounded channel and wake the loop, which \
         takes\nall items that it finds at each turn: {ours} of them on average, over upstream \
         {upstream}.\n"
    )
}

const HEAD: &str = "\
# Performance

Generated by `cargo run --release --manifest-path bench/Cargo.toml -- report`. To change this page,
change `bench/` and run `… -- rewrite`.

";

const OPERATIONS: &str = "\
Both libraries run in one process and take turns. A ratio is the median, over the rounds, of our
time divided by upstream's time in the same round; its quartiles follow in parentheses. Less is
better. The last column compares upstream with itself, and so shows how much of a ratio is chance.

![time of one operation, relative to upstream](plots/ratios.svg)

The cost of a poll does not grow with the number of registered sources, if the same number is
ready:

![time of a poll, by the number of registered sources](plots/registered.svg)";

const OTHERS: &str = "\
The time relative to upstream's. The other event loops use the standard library's sockets. libuv
has no edge triggering, and no timeouts below a millisecond. For a wake from the loop's own thread,
libevent and ours make no system call.";

const POLL2: &str = "\
Both libraries, built with `--cfg mio_unsupported_force_poll_poll`. These are the operations that
poll(2) does differently from epoll.";

const LATENESS: &str = "\
How long after its timeout a poll returns. Linux's default timer slack is 50 µs of that; polling
uses a timerfd, which has none.

![how late a poll returns, by its timeout](plots/lateness.svg)";

const DEADLINES: &str = "\
A wait of one second, during which a signal arrives each millisecond. `Poll::poll_until` continues
the wait; over upstream, the program has to call `poll` again with the time that is left, which
upstream rounds up to milliseconds.";

const LISTENERS: &str = "\
The polls of 8 or 32 threads watch one listener, and 2,000 clients a second connect, one at a time.
For each connection: how many of the threads are woken, most of them to find that another one has
accepted it, and the CPU time of all of them. The last column is the CPU time with
`Interest::exclusive`, divided by that without it.

![CPU time of a connection to a shared listener](plots/listeners.svg)";

const INSTRUCTIONS: &str = "\
User-space instructions of one call, counted by callgrind, in a process with a second thread. They
include those of the C library, which are most of them. They do not depend on the load of the
machine. See `bench/counting` for what exactly is counted.";

const SYSCALLS: &str = "\
System calls of one operation, counted by strace, including those that the operation itself makes.";

const MEMORY: &str = "\
With 10,000 eventfds registered. The kernel's own memory is the same for every loop on epoll.";

const PROGRAMS: &str = "\
Whole servers on one thread, over either library: the example and nginx and hyper under `wrk`, with
64 connections that are kept alive; and an echo server, with 64 connections that each send 64
bytes and then wait for all replies. The client runs on the same machine. Each program is compared
with the same program over upstream (nginx with the example). The CPU time is the server's, from
`/proc/PID/task/*/schedstat`, and varies much less than the rate.

![requests and messages per second](plots/programs.svg)";

const TASKS: &str = "\
A task on tokio's runtime of one thread, to which two other threads send messages through a channel
with room for 64: they send as fast as they can, or wait for an answer to each message. The CPU time
is that of the whole process.";

const BUILD: &str = "\
CPU time of a clean debug build of the library and its dependencies, without lints, in turn:";

const GOALS: &str = "\
The found value is a ratio, ours divided by upstream's, unless the goal says otherwise. The noise is
how far upstream is from itself, plus two standard errors of the medians. A goal is met if the found
value is at most the limit plus the noise.";
