//! The command line.

use std::fmt::Display;
use std::str::FromStr;

use crate::operation::{self, Operation};
use crate::peers::{self, Peer};

pub const USAGE: &str = "\
usage: bench COMMAND

commands:
    report [--hasty]           measure everything, write docs/performance.md and docs/plots/;
                               hastily, into the target directory, to see that it works
    rewrite [--hasty]          write them again, from the figures of the last report
    short                      print the tables of operations, deadlines and shared listeners
    poll2                      print the table of operations over poll(2)
    run PEER OPERATION COUNT   run one operation COUNT times, for perf or strace
";

pub enum Command {
    Help,
    Report {
        hasty: bool,
    },
    Rewrite {
        hasty: bool,
    },
    Short,
    Poll2,
    /// What `poll2` and the report run in another build of this program.
    Rows([usize; 3]),
    Run(Peer, Operation, u64),
}

pub fn parse(arguments: &[&str]) -> Result<Command, String> {
    Ok(match *arguments {
        ["--help" | "-h"] => Command::Help,
        ["report"] => Command::Report { hasty: false },
        ["report", "--hasty"] => Command::Report { hasty: true },
        ["rewrite"] => Command::Rewrite { hasty: false },
        ["rewrite", "--hasty"] => Command::Rewrite { hasty: true },
        ["short"] => Command::Short,
        ["poll2"] => Command::Poll2,
        ["rows", rounds, attempts, millis] => {
            Command::Rows([number(rounds)?, number(attempts)?, number(millis)?])
        }
        ["run", peer, operation, count] => Command::Run(
            named("peer", peer, peers::ALL)?,
            named("operation", operation, &operation::all())?,
            number(count)?,
        ),
        [] => return Err("no command".to_owned()),
        _ => return Err(format!("invalid arguments: {}", arguments.join(" "))),
    })
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    let invalid = |_| format!("invalid number `{text}`");
    text.parse().map_err(invalid)
}

fn named<T: Display + Copy>(what: &str, name: &str, all: &[T]) -> Result<T, String> {
    let found = all.iter().find(|it| it.to_string() == name);
    found.copied().ok_or_else(|| {
        let names: Vec<String> = all.iter().map(T::to_string).collect();
        let names = names.join("\n    ");
        format!("unknown {what} `{name}`; expected one of\n    {names}")
    })
}
