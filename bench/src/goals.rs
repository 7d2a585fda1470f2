//! The goals of the library, and whether they are met.

use crate::findings::Findings;
use crate::listeners::{Shared, Watch};
use crate::operation::{Operation, REGISTERED};
use crate::pairs::Row;
use crate::peers::Peer;
use crate::programs::Program;
use crate::signals::Waits;
use crate::times::Times;

pub struct Goal {
    pub text: String,
    /// The most that it may be.
    pub limit: f64,
    /// The ratio, or another figure that the text names; `None` if it was not measured.
    pub found: Option<f64>,
    /// By how much it may exceed the limit by chance.
    pub noise: f64,
}

impl Goal {
    pub fn verdict(&self) -> &'static str {
        match self.found {
            None => "not measured",
            Some(found) if found <= self.limit => "met",
            Some(_) if self.noise > MOST_NOISE => "**too noisy to tell**",
            Some(found) if found <= self.limit + self.noise => "met",
            Some(_) => "**not met**",
        }
    }
}

/// Operations that must take at most this part of upstream's time. All others must be no slower
/// than upstream's.
const PARTS: &[(Operation, f64)] = &[
    (Operation::WakeRedundant, 0.02),
    (Operation::WakePoll, 0.25),
    (Operation::Queue, 0.10),
    (Operation::Timeout(50), 0.12),
];

/// With more noise than this, a ratio above the limit says nothing.
const MOST_NOISE: f64 = 0.05;

const GROWTH: f64 = 1.1;

/// Milliseconds: the resolution of the timeouts where it is coarsest, and Linux's timer slack.
const MOST_LATE: f64 = 1.05;

/// Of the threads that watch a listener exclusively, by one connection.
const MOST_WOKEN: f64 = 2.0;

pub fn judge(findings: &Findings) -> Vec<Goal> {
    let mut goals: Vec<Goal> = findings.rows.iter().map(operation).collect();
    goals.extend(findings.poll2.iter().map(poll2));
    goals.extend(findings.waits.iter().flat_map(deadline));
    goals.extend(findings.shared.iter().flat_map(shared));
    let programs = findings.programs.iter().chain(&findings.tasks);
    goals.extend(programs.flat_map(program));
    goals.extend(instructions(findings));
    goals.push(growth(findings));
    goals.push(Goal {
        text: "clean debug build: CPU time".to_owned(),
        limit: 1.0,
        found: findings.build_cost.as_ref().map(|it| it.ratio.median),
        noise: findings
            .build_cost
            .as_ref()
            .map_or(0.0, |it| 2.0 * it.ratio.error()),
    });
    goals
}

fn operation(row: &Row) -> Goal {
    let goal = no_slower(format!("{}: time", row.operation), &row.times);
    match PARTS.iter().find(|(it, _)| *it == row.operation) {
        // Far from 1, so that noise is no excuse.
        Some(&(_, limit)) => Goal {
            limit,
            noise: 0.0,
            ..goal
        },
        None => goal,
    }
}

fn no_slower(text: String, times: &Times) -> Goal {
    Goal {
        text,
        limit: 1.0,
        found: times.ratio(Peer::Ours).map(|it| it.median),
        noise: times.noise(),
    }
}

/// With poll(2) in place of epoll.
pub fn poll2(row: &Row) -> Goal {
    let goal = operation(row);
    Goal {
        text: format!("poll(2), {}", goal.text),
        ..goal
    }
}

/// Ours returns once, and in time. Upstream has no deadlines.
fn deadline(waits: &Waits) -> Vec<Goal> {
    if waits.peer != Peer::Ours {
        return Vec::new();
    }
    let goal = |text: &str, limit, found| Goal {
        text: format!("deadline through signals: {text}"),
        limit,
        found: Some(found),
        noise: 0.0,
    };
    vec![
        goal("returns too early", 0.0, waits.early as f64),
        goal("latest return, ms", MOST_LATE, waits.latest / 1e6),
    ]
}

/// A listener that is watched exclusively, compared with one that is not.
fn shared(shared: &Shared) -> [Goal; 2] {
    [
        Goal {
            text: format!("{shared}, exclusive: threads woken by a connection"),
            limit: MOST_WOKEN,
            found: Some(shared.of(Watch::OursExclusive).woken.median),
            noise: 0.0,
        },
        Goal {
            text: format!("{shared}, exclusive / not: CPU time"),
            limit: 1.0,
            found: Some(shared.ratio.median),
            noise: 0.0,
        },
    ]
}

/// A whole program is compared with the same program over upstream.
fn program(program: &Program) -> [Goal; 2] {
    let Program { name, unit, .. } = program;
    [
        no_slower(format!("{name}: time per {unit}"), &program.elapsed),
        no_slower(format!("{name}: CPU time per {unit}"), &program.cpu),
    ]
}

/// No operation may take more instructions than over upstream. `ci/instructions`, which fails
/// otherwise, allows for what the new wakes cost a poll; a goal does not.
fn instructions(findings: &Findings) -> Vec<Goal> {
    let goal = |operation: &str| Goal {
        text: format!("{operation}: instructions"),
        limit: 1.0,
        found: findings
            .instructions("ours", operation)
            .zip(findings.instructions("upstream", operation))
            .map(|(ours, upstream)| ours / upstream),
        // The compiler's output for the code around a loop differs by a few.
        noise: if operation == "iterate-256" {
            0.01
        } else {
            0.0
        },
    };
    let ours = findings.instructions.iter().filter(|it| it.0 == "ours");
    ours.map(|(_, operation, _)| goal(operation)).collect()
}

fn growth(findings: &Findings) -> Goal {
    let (few, many) = (REGISTERED[0], REGISTERED[REGISTERED.len() - 1]);
    let nanos = |count| {
        let row = findings.row(Operation::Registered(count))?;
        Some(row.times.nanos(Peer::Ours)?.median)
    };
    Goal {
        text: format!("a poll with {many} sources registered / with {few}: time"),
        limit: GROWTH,
        found: nanos(many).zip(nanos(few)).map(|(many, few)| many / few),
        noise: 0.0,
    }
}
