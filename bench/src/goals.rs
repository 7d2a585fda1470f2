//! The goals of the library, and whether they are met.

use crate::findings::Findings;
use crate::operation::{Operation, REGISTERED};
use crate::pairs::Row;
use crate::peers::Peer;
use crate::programs::Program;
use crate::times::Times;

pub struct Goal {
    pub text: String,
    /// The most that the ratio may be.
    pub limit: f64,
    /// The ratio; `None` if it was not measured.
    pub found: Option<f64>,
    /// By how much the ratio may exceed the limit by chance.
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
    (Operation::Timeout(50), 0.12),
];

/// With more noise than this, a ratio above the limit says nothing.
const MOST_NOISE: f64 = 0.05;

const GROWTH: f64 = 1.1;

pub fn judge(findings: &Findings) -> Vec<Goal> {
    let mut goals: Vec<Goal> = findings.rows.iter().map(operation).collect();
    goals.extend(findings.poll2.iter().map(poll2));
    goals.extend(findings.programs.iter().flat_map(program));
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

/// A whole program is compared with the same program over upstream.
fn program(program: &Program) -> [Goal; 2] {
    let Program { name, unit, .. } = program;
    [
        no_slower(format!("{name}: time per {unit}"), &program.elapsed),
        no_slower(format!("{name}: CPU time per {unit}"), &program.cpu),
    ]
}

/// No operation may take more instructions than over upstream; `ci/instructions` fails otherwise.
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
