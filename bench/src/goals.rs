//! What the library is to achieve, and whether it does.

use crate::operation::{Operation, REGISTERED};
use crate::peers::Peer;
use crate::report::Findings;

pub struct Goal {
    pub text: String,
    pub limit: f64,
    /// Missing where nothing was measured.
    pub found: Option<f64>,
    /// What the limit may be passed by, because it is noise.
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

/// The goals of single operations, as a part of upstream's time; all others are to
/// be no slower than upstream.
const PARTS: &[(Operation, f64)] = &[
    (Operation::WakeRedundant, 0.02),
    (Operation::Timeout(50), 0.12),
];

/// Beyond this, that a ratio is within the noise says nothing.
const MOST_NOISE: f64 = 0.05;

const GROWTH: f64 = 1.1;

pub fn judge(findings: &Findings) -> Vec<Goal> {
    let mut goals: Vec<Goal> = findings.rows.iter().map(operation).collect();
    goals.extend(findings.poll2.iter().map(poll2));
    goals.extend(instructions(findings));
    goals.push(growth(findings));
    goals.push(Goal {
        text: "clean debug build, CPU time in upstream's".to_owned(),
        limit: 1.0,
        found: findings.build_cost.as_ref().map(|it| it.ratio.median),
        noise: findings
            .build_cost
            .as_ref()
            .map_or(0.0, |it| 2.0 * it.ratio.error()),
    });
    goals
}

fn operation(row: &crate::pairs::Row) -> Goal {
    let part = PARTS.iter().find(|(it, _)| *it == row.operation);
    Goal {
        text: format!("{}, time in upstream's", row.operation),
        limit: part.map_or(1.0, |(_, limit)| *limit),
        found: row.ratio(Peer::Ours).map(|it| it.median),
        // A part of upstream's time is far from 1, and has to be reached as it stands.
        noise: part.map_or_else(|| row.noise(), |_| 0.0),
    }
}

/// With poll(2) in place of epoll.
pub fn poll2(row: &crate::pairs::Row) -> Goal {
    let goal = operation(row);
    Goal {
        text: format!("poll(2): {}", goal.text),
        ..goal
    }
}

/// Each operation is to take no more instructions than upstream's; `counting` says so too, by
/// `ci/instructions`.
fn instructions(findings: &Findings) -> Vec<Goal> {
    let goal = |operation: &str| Goal {
        text: format!("instructions of {operation}, in upstream's"),
        limit: 1.0,
        found: findings
            .instructions("ours", operation)
            .zip(findings.instructions("upstream", operation))
            .map(|(ours, upstream)| ours / upstream),
        // What a compiler makes of the code around a loop differs by a few.
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
        Some(row.nanos(Peer::Ours)?.median)
    };
    Goal {
        text: format!("cost of a poll with {many} registered in that with {few}"),
        limit: GROWTH,
        found: nanos(many).zip(nanos(few)).map(|(many, few)| many / few),
        noise: 0.0,
    }
}
