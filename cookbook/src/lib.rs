//! The command line, which is the same in all programs of the cookbook. The recipes themselves are
//! in `src/bin`, and are described in `docs/cookbook`.

use std::env;
use std::error;
use std::fmt;
use std::process::ExitCode;
use std::str::FromStr;

pub type Error = Box<dyn error::Error + Send + Sync>;

/// The user called the program in a wrong way. [`run`] prints the usage, and exits with status 2.
#[derive(Debug)]
pub struct BadUsage(pub String);

impl fmt::Display for BadUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for BadUsage {}

/// Runs a program with its arguments, and reports its error. `usage` is `usage: NAME …`.
pub fn run(usage: &str, program: impl FnOnce(&[&str]) -> Result<(), Error>) -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["--help" | "-h"] = arguments[..] {
        println!("{usage}");
        return ExitCode::SUCCESS;
    }
    let name = usage.split_whitespace().nth(1).unwrap_or_default();
    match program(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<BadUsage>() => {
            eprintln!("{name}: {error}\n{usage}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Parses an argument, which the usage calls `name`.
pub fn parse<T: FromStr>(name: &str, argument: &str) -> Result<T, BadUsage> {
    argument
        .parse()
        .map_err(|_| BadUsage(format!("invalid argument `{argument}`: expected {name}")))
}

/// The error for a number of arguments, or a first argument, that the program does not have.
pub fn wrong_arguments(arguments: &[&str]) -> Error {
    let message = match arguments {
        [] => "arguments are missing".to_owned(),
        arguments => format!("unexpected or missing arguments: `{}`", arguments.join(" ")),
    };
    BadUsage(message).into()
}
