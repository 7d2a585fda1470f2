//! The two forms of the report.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, io};

use crate::build_cost::{self, BuildCost};
use crate::goals;
use crate::memory::{self, Memory};
use crate::operation::{self, Operation};
use crate::pairs::{self, Effort, Row};
use crate::peers::{self, Peer};
use crate::programs::{self, Score};
use crate::{children, machine, markdown, plots, poll2, syscalls};

/// Everything that was measured.
pub struct Findings {
    pub machine: Vec<String>,
    /// What was left out, and why.
    pub missing: Vec<String>,
    pub rows: Vec<Row>,
    /// With poll(2) in place of epoll.
    pub poll2: Vec<Row>,
    pub instructions: Vec<(String, String, f64)>,
    /// Ours and upstream's.
    pub syscalls: Vec<(Operation, Calls, Calls)>,
    pub memory: Memory,
    pub build_cost: Option<BuildCost>,
    pub http: Vec<Score>,
    pub echo: Vec<Score>,
}

type Calls = Vec<(String, f64)>;

impl Findings {
    pub fn row(&self, operation: Operation) -> Option<&Row> {
        self.rows.iter().find(|row| row.operation == operation)
    }

    pub fn instructions(&self, peer: &str, operation: &str) -> Option<f64> {
        let is_it = |found: &&(String, String, f64)| found.0 == peer && found.1 == operation;
        self.instructions.iter().find(is_it).map(|found| found.2)
    }
}

/// Prints the table of operations.
pub fn print(effort: Effort) -> Result<(), String> {
    for line in machine::describe() {
        println!("{line}");
    }
    for line in peers::missing() {
        println!("{line}");
    }
    let rows = measure(effort);
    print!(
        "\n{}\n{}",
        markdown::operations(&rows),
        markdown::others(&rows)
    );
    Ok(())
}

/// Prints what the report says of poll(2).
pub fn print_poll2(effort: Effort) -> Result<(), String> {
    for line in machine::describe() {
        println!("{line}");
    }
    let rows = poll2::measure(effort)?;
    let goals: Vec<_> = rows.iter().map(goals::poll2).collect();
    print!(
        "\n{}\n{}",
        markdown::operations(&rows),
        markdown::goals(&goals)
    );
    Ok(())
}

/// Measures everything, and writes `performance.md` and its plots into a directory.
pub fn write(effort: Effort, docs: &Path) -> Result<(), String> {
    let start = Instant::now();
    let findings = find(effort);
    let io_error = |error: io::Error| format!("cannot write the report: {error}");
    fs::create_dir_all(docs.join("plots")).map_err(io_error)?;
    plots::draw(&findings, &docs.join("plots")).map_err(|error| error.to_string())?;
    let text = text(&findings, effort, start.elapsed());
    fs::write(docs.join("performance.md"), text).map_err(io_error)?;
    println!("{} is written.", docs.join("performance.md").display());
    Ok(())
}

fn measure(effort: Effort) -> Vec<Row> {
    let one = |operation: Operation| {
        eprintln!("measuring: {operation}");
        pairs::measure(operation, peers::ALL, effort)
    };
    operation::all().into_iter().map(one).collect()
}

fn find(effort: Effort) -> Findings {
    let mut missing: Vec<String> = peers::missing().into_iter().map(String::from).collect();
    let mut or_say = |what: &str, error: String| missing.push(format!("{what}: {error}."));
    // Hasty runs are to see that everything works.
    let is_hasty = effort.rounds < 10;
    let (rounds, seconds) = if is_hasty { (1, 1) } else { (9, 2) };

    let machine = machine::describe();
    let rows = measure(effort);
    eprintln!("measuring poll(2)");
    let poll2 = poll2::measure(effort)
        .map_err(|error| or_say("poll(2)", error))
        .unwrap_or_default();
    eprintln!("counting instructions");
    let instructions = children::instructions()
        .map_err(|error| or_say("Instructions", error))
        .unwrap_or_default();
    eprintln!("counting system calls");
    let syscalls = count_calls()
        .map_err(|error| or_say("System calls", error))
        .unwrap_or_default();
    eprintln!("building the libraries");
    let build_cost = build_cost::measure(if is_hasty { 1 } else { 5 })
        .map_err(|error| or_say("Build", error))
        .ok();
    eprintln!("running HTTP servers");
    let (http, without) = programs::http(rounds, seconds)
        .map_err(|error| or_say("HTTP", error))
        .unwrap_or_default();
    eprintln!("running echo servers");
    let echo = programs::echo(rounds, Duration::from_millis(500 * seconds))
        .map_err(|error| or_say("Echo", error))
        .unwrap_or_default();
    missing.extend(without);
    Findings {
        machine,
        missing,
        rows,
        poll2,
        instructions,
        syscalls,
        memory: memory::measure(),
        build_cost,
        http,
        echo,
    }
}

fn count_calls() -> Result<Vec<(Operation, Calls, Calls)>, String> {
    let both = |&operation: &Operation| {
        let ours = syscalls::per_operation(Peer::Ours, operation)?;
        Ok((
            operation,
            ours,
            syscalls::per_operation(Peer::Upstream, operation)?,
        ))
    };
    syscalls::OPERATIONS.iter().map(both).collect()
}

fn text(findings: &Findings, effort: Effort, took: Duration) -> String {
    let mut text = String::from(
        "# Performance\n\n\
         Written by `cargo run --release --manifest-path bench/Cargo.toml -- report`; to change \
         it, change `bench/`.\n\n",
    );
    for line in findings.machine.iter().chain(&findings.missing) {
        let _ = writeln!(text, "* {line}");
    }
    let _ = writeln!(
        text,
        "* rounds: {}, in each of which every peer runs {} ms; in all {:.0} minutes\n",
        effort.rounds,
        effort.slice.as_millis(),
        took.as_secs_f64() / 60.0
    );
    let goals = goals::judge(findings);
    let met = goals.iter().filter(|goal| goal.verdict() == "met").count();
    let _ = writeln!(text, "{met} of {} [goals](#goals) are met.\n", goals.len());
    for (title, intro, body) in sections(findings) {
        let _ = writeln!(text, "## {title}\n\n{}\n\n{body}", intro.trim());
    }
    let _ = writeln!(
        text,
        "## Goals\n\n{GOALS}\n\n{}",
        markdown::goals(&goals).trim_end()
    );
    text
}

type Section = (&'static str, &'static str, String);

fn sections(findings: &Findings) -> Vec<Section> {
    let rows = &findings.rows;
    let mut sections = vec![
        ("Operations", OPERATIONS, markdown::operations(rows)),
        ("Other event loops", OTHERS, markdown::others(rows)),
        ("poll(2)", POLL2, markdown::operations(&findings.poll2)),
        ("Lateness of timeouts", LATENESS, markdown::lateness(rows)),
        (
            "Instructions",
            INSTRUCTIONS,
            markdown::instructions(findings),
        ),
        ("System calls", SYSCALLS, markdown::syscalls(findings)),
        ("Memory", MEMORY, markdown::memory(findings)),
        (
            "HTTP",
            HTTP,
            markdown::scores("requests / s", &findings.http),
        ),
        (
            "Echo on tokio",
            ECHO,
            markdown::scores("messages / s", &findings.echo),
        ),
    ];
    if let Some(cost) = &findings.build_cost {
        let figure = markdown::figure;
        let text = format!(
            "{} s; upstream {} s; the one in the other {}.\n",
            figure(cost.ours.median),
            figure(cost.upstream.median),
            figure(cost.ratio.median)
        );
        sections.push(("Build", BUILD, text));
    }
    sections
}

const OPERATIONS: &str = "\
Both libraries are in one process and take turns. A ratio is the median over the rounds of \
what one took in what the other took in the same round, with its quartiles. The last column \
is upstream against itself, which is how much of a ratio is chance.

![ratios](plots/ratios.svg)

With more and more sources registered, of which the same number is ready:

![cost of a poll by sources registered](plots/registered.svg)";

const OTHERS: &str = "\
The time in upstream's. The sockets of the others are the standard library's. libuv has no \
edge triggering, and no timeouts below a millisecond; libevent needs no system call for a \
wake from the loop's own thread.";

const POLL2: &str = "\
Both libraries with `--cfg mio_unsupported_force_poll_poll`, in a build of their own, on what \
poll(2) does in another way than epoll.";

const LATENESS: &str = "\
How long after its timeout a poll returns, of which 50 µs are Linux's timer slack.

![how long a timeout takes](plots/timeouts.svg)";

const INSTRUCTIONS: &str = "\
In user space, by callgrind, in a process with a second thread; the call of the function that \
is counted is in it, and so is the C library's, of which most are. These figures do not depend on \
the machine's load. `bench/counting` says what exactly is counted.";

const SYSCALLS: &str = "By strace; what the operation does itself is in it.";

const MEMORY: &str =
    "Of 10,000 eventfds. The kernel's own memory is the same for all that use epoll.";

const HTTP: &str = "\
`examples/http.rs` over either library, hyper on tokio, and nginx: one thread each, 64 \
connections of `wrk` that are kept alive, on the same machine. Ratios above 1 are better.

![requests per second](plots/http.svg)";

const ECHO: &str = "\
A tokio program on its one thread, 64 connections that send 64 bytes each and wait for all \
answers. Ratios above 1 are better.";

const BUILD: &str = "\
CPU time of a clean debug build of the library with its dependencies, in turn, without lints:";

const GOALS: &str = "\
For a ratio that is to be at most 1, the noise is added to the limit: how far upstream is from \
itself, and two standard errors of the medians.";
