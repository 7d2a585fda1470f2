//! Children: the output and the exit of many processes, in one loop. For Linux.

use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};

use cookbook::{run, wrong_arguments, Error};
use mio::unix::pipe::Receiver;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};
use rustix::process::{pidfd_open, Pid, PidfdFlags};

const USAGE: &str = "usage: children SHELL-COMMAND...";

/// The tokens of a child are consecutive: its outputs, in the order of `Process::outputs`, and
/// its exit.
const OUTPUTS: [&str; 2] = ["out", "err"];
const EXIT: usize = OUTPUTS.len();
const PER_CHILD: usize = EXIT + 1;

/// A line that is longer is printed in parts, so that it does not fill the memory.
const LONGEST_LINE: usize = 64 * 1024;

fn main() -> ExitCode {
    run(USAGE, |commands| {
        if commands.is_empty() || commands[0].starts_with('-') {
            return Err(wrong_arguments(commands));
        }
        run_all(commands)
    })
}

struct Process {
    number: usize,
    child: Child,
    /// Until the child has ended.
    exit: Option<OwnedFd>,
    /// Each until it has ended.
    outputs: [Option<Output>; OUTPUTS.len()],
}

impl Process {
    fn start(registry: &Registry, number: usize, command: &str) -> io::Result<Process> {
        let mut child = Command::new("sh")
            .args(["-c", command])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        // The ID cannot be reused before `try_wait` has returned the status.
        let id = child.id().try_into().ok().and_then(Pid::from_raw);
        let exit = pidfd_open(id.ok_or(ErrorKind::InvalidData)?, PidfdFlags::empty())?;
        let pipes = [
            child.stdout.take().map(Receiver::from),
            child.stderr.take().map(Receiver::from),
        ];
        let mut process = Process {
            number,
            child,
            exit: Some(exit),
            outputs: pipes.map(|pipe| pipe.map(Output::new)),
        };
        process.register(registry)?;
        Ok(process)
    }

    fn register(&mut self, registry: &Registry) -> io::Result<()> {
        let token = |at| Token(self.number * PER_CHILD + at);
        for (at, output) in self.outputs.iter_mut().enumerate() {
            if let Some(Output { pipe, .. }) = output {
                // The standard library's pipes are blocking.
                pipe.set_nonblocking(true)?;
                registry.register(pipe, token(at), Interest::READABLE)?;
            }
        }
        if let Some(exit) = &self.exit {
            let mut exit = SourceFd(&exit.as_raw_fd());
            registry.register(&mut exit, token(EXIT), Interest::READABLE)?;
        }
        Ok(())
    }

    /// The exit and the end of the output are independent: a child can close its output and
    /// continue, and a process that it has started can write after the child's exit.
    fn has_ended(&self) -> bool {
        self.exit.is_none() && self.outputs.iter().all(Option::is_none)
    }

    fn drain_output(&mut self, at: usize) -> io::Result<()> {
        if let Some(output) = &mut self.outputs[at] {
            let prefix = format!("{} {}: ", self.number, OUTPUTS[at]);
            if output.drain(&prefix)? {
                self.outputs[at] = None;
            }
        }
        Ok(())
    }

    /// Returns the status when the child has ended.
    fn check_exit(&mut self, registry: &Registry) -> io::Result<Option<ExitStatus>> {
        let Some(exit) = &self.exit else {
            return Ok(None);
        };
        let Some(status) = self.child.try_wait()? else {
            return Ok(None);
        };
        registry.deregister(&mut SourceFd(&exit.as_raw_fd()))?;
        self.exit = None;
        Ok(Some(status))
    }
}

struct Output {
    pipe: Receiver,
    /// The beginning of a line.
    partial: Vec<u8>,
}

impl Output {
    fn new(pipe: Receiver) -> Output {
        let partial = Vec::new();
        Output { pipe, partial }
    }

    /// Prints what has been written. Returns whether the output has ended.
    fn drain(&mut self, prefix: &str) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        loop {
            match self.pipe.read(&mut buffer) {
                Ok(0) => {
                    self.print(prefix);
                    return Ok(true);
                }
                Ok(len) => {
                    for part in buffer[..len].split_inclusive(|&byte| byte == b'\n') {
                        self.partial.extend_from_slice(part);
                        if part.ends_with(b"\n") || self.partial.len() >= LONGEST_LINE {
                            self.print(prefix);
                        }
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn print(&mut self, prefix: &str) {
        if !self.partial.is_empty() {
            let line = String::from_utf8_lossy(&self.partial);
            println!("{prefix}{}", line.trim_end_matches('\n'));
            self.partial.clear();
        }
    }
}

fn run_all(commands: &[&str]) -> Result<(), Error> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(64);
    let mut processes = Vec::new();
    for (number, command) in commands.iter().enumerate() {
        processes.push(Process::start(poll.registry(), number, command)?);
    }
    let mut failed = 0;
    while !processes.iter().all(Process::has_ended) {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            let Token(token) = event.token();
            let process = &mut processes[token / PER_CHILD];
            match token % PER_CHILD {
                EXIT => {
                    if let Some(status) = process.check_exit(poll.registry())? {
                        println!("{} {status}", process.number);
                        failed += usize::from(!status.success());
                    }
                }
                output => process.drain_output(output)?,
            }
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(format!("{failed} of {} commands failed", commands.len()).into()),
    }
}
