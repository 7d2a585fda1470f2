//! Everything that the report is about, measured or read back.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::build_cost::{self, BuildCost};
use crate::listeners::{self, Shared};
use crate::memory::{self, Memory};
use crate::operation::{self, Operation};
use crate::pairs::{self, Effort, Row};
use crate::peers::{self, Peer};
use crate::programs::{self, Program};
use crate::signals::{self, Waits};
use crate::stats::Summary;
use crate::{children, machine, of_ours, of_upstream, poll2, syscalls};

#[derive(Serialize, Deserialize)]
pub struct Findings {
    pub machine: Vec<String>,
    /// What was left out, and why.
    pub missing: Vec<String>,
    pub effort: Effort,
    pub took: Duration,
    pub rows: Vec<Row>,
    /// Items that a turn of the loop finds in the queue of two producers: ours and upstream's.
    pub items_per_turn: [Summary; 2],
    /// Waits until a deadline, through signals.
    pub waits: Vec<Waits>,
    /// Listeners that the polls of several threads watch.
    pub shared: Vec<Shared>,
    /// With poll(2) in place of epoll.
    pub poll2: Vec<Row>,
    /// By peer and operation.
    pub instructions: Vec<(String, String, f64)>,
    /// Ours and upstream's.
    pub syscalls: Vec<(Operation, Calls, Calls)>,
    pub memory: Memory,
    pub build_cost: Option<BuildCost>,
    pub programs: Vec<Program>,
    /// Tasks on tokio that other threads wake.
    pub tasks: Vec<Program>,
}

type Calls = Vec<(String, f64)>;

/// How thoroughly everything is measured.
#[derive(Copy, Clone)]
pub struct Efforts {
    pub operations: Effort,
    pub http: Effort,
    pub echo: Effort,
    pub tasks: Effort,
    pub builds: usize,
    /// The rounds of what is neither an operation nor a program.
    pub rest: usize,
}

impl Findings {
    pub fn row(&self, operation: Operation) -> Option<&Row> {
        self.rows.iter().find(|row| row.operation == operation)
    }

    pub fn instructions(&self, peer: &str, operation: &str) -> Option<f64> {
        let is_it = |found: &&(String, String, f64)| found.0 == peer && found.1 == operation;
        self.instructions.iter().find(is_it).map(|found| found.2)
    }
}

/// Measures everything.
pub fn measure(efforts: Efforts) -> Findings {
    let start = Instant::now();
    let machine = machine::describe();
    let mut missing: Vec<String> = peers::missing().into_iter().map(String::from).collect();
    let step = |what: &str| eprintln!("measuring: {what}");
    let mut failed = |what: &str, error: String| missing.push(format!("{what}: {error}."));

    let rows = operations(efforts.operations);
    let items_per_turn = items_per_turn(efforts.rest);
    step("deadlines");
    let waits = signals::measure(efforts.rest);
    step("shared listeners");
    let shared = listeners::measure(efforts.rest)
        .map_err(|error| failed("Shared listeners", error))
        .unwrap_or_default();
    step("poll(2)");
    let poll2 = poll2::measure(efforts.operations)
        .map_err(|error| failed("poll(2)", error))
        .unwrap_or_default();
    step("instructions");
    let instructions = children::instructions()
        .map_err(|error| failed("Instructions", error))
        .unwrap_or_default();
    step("system calls");
    let syscalls = count_calls()
        .map_err(|error| failed("System calls", error))
        .unwrap_or_default();
    step("builds");
    let build_cost = build_cost::measure(efforts.builds)
        .map_err(|error| failed("Build", error))
        .ok();
    step("HTTP servers");
    let (mut programs, without) = programs::http(efforts.http)
        .map_err(|error| failed("HTTP", error))
        .unwrap_or_default();
    step("echo server");
    let echo = programs::echo(efforts.echo).map_err(|error| failed("Echo", error));
    programs.extend(echo.ok());
    step("tasks");
    let tasks = programs::tasks(efforts.tasks)
        .map_err(|error| failed("Tasks", error))
        .unwrap_or_default();
    missing.extend(without);
    Findings {
        machine,
        missing,
        effort: efforts.operations,
        rows,
        items_per_turn,
        waits,
        shared,
        poll2,
        instructions,
        syscalls,
        memory: memory::measure(),
        build_cost,
        programs,
        tasks,
        took: start.elapsed(),
    }
}

/// Measures the operations only.
pub fn operations(effort: Effort) -> Vec<Row> {
    let one = |operation: Operation| {
        eprintln!("measuring: {operation}");
        pairs::measure(operation, peers::ALL, effort)
    };
    operation::all().into_iter().map(one).collect()
}

fn items_per_turn(rounds: usize) -> [Summary; 2] {
    let (mut ours, mut upstream) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(of_ours::operations::items_per_turn());
        upstream.push(of_upstream::operations::items_per_turn());
    }
    [Summary::of(ours), Summary::of(upstream)]
}

fn count_calls() -> Result<Vec<(Operation, Calls, Calls)>, String> {
    let both = |&operation: &Operation| {
        let ours = syscalls::per_operation(Peer::Ours, operation)?;
        let upstream = syscalls::per_operation(Peer::Upstream, operation)?;
        Ok((operation, ours, upstream))
    };
    syscalls::OPERATIONS.iter().map(both).collect()
}
