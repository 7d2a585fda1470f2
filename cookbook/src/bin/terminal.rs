//! A terminal: runs a command on a terminal of its own (a pty), and connects it with the user's.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode};

use cookbook::{run, wrong_arguments, Error};
use mio::unix::{pipe, SourceFd};
use mio::{Events, Interest, Poll, Registry, Token};
use rustix::fs::{open, Mode, OFlags};
use rustix::io::{ioctl_fionbio, Errno};
use rustix::process::{ioctl_tiocsctty, setsid};
use rustix::pty::{grantpt, openpt, ptsname, unlockpt, OpenptFlags};
use rustix::stdio::stdin;
use rustix::termios::{
    tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize, ttyname, OptionalActions, Termios,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH};
use signal_hook::low_level;

const USAGE: &str = "usage: terminal COMMAND [ARGUMENT...]";

const USER: Token = Token(0);
const COMMAND: Token = Token(1);
const RESIZED: Token = Token(2);

/// What a terminal sends to end or stop a command.
const FROM_TERMINAL: [i32; 6] = [SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU];

/// How much data of one end may wait to be written to the other.
const BUFFER: usize = 16 * 1024;

fn main() -> ExitCode {
    run(USAGE, |arguments| match arguments {
        [command, arguments @ ..] if !command.starts_with('-') => {
            connect_with_user(command, arguments)
        }
        _ => Err(wrong_arguments(arguments)),
    })
}

/// Opens the user's terminal again. `O_NONBLOCK` belongs to the open file description, and that of
/// the standard input is shared with the shell and other programs.
fn open_user() -> io::Result<File> {
    let path = ttyname(stdin(), Vec::new())?;
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(open(path, flags, Mode::empty())?.into())
}

/// A terminal in raw mode, which delivers every key immediately, does not echo, and does not turn
/// Ctrl-C into a signal. Dropping this restores the previous mode.
struct RawMode<'a> {
    terminal: &'a File,
    previous: Termios,
}

impl RawMode<'_> {
    fn enter(terminal: &File) -> io::Result<RawMode<'_>> {
        let previous = tcgetattr(terminal)?;
        let mut raw = previous.clone();
        raw.make_raw();
        tcsetattr(terminal, OptionalActions::Now, &raw)?;
        Ok(RawMode { terminal, previous })
    }
}

impl Drop for RawMode<'_> {
    fn drop(&mut self) {
        if let Err(error) = tcsetattr(self.terminal, OptionalActions::Now, &self.previous) {
            eprintln!("terminal: cannot restore the mode: {error}");
        }
    }
}

/// Starts the command on a new terminal. Returns the master side.
fn start(command: &str, arguments: &[&str], user: &File) -> io::Result<(Child, File)> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    ioctl_fionbio(&master, true)?;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let slave = open(ptsname(&master, Vec::new())?, flags, Mode::empty())?;
    tcsetwinsize(&slave, tcgetwinsize(user)?)?;
    let mut command = Command::new(command);
    command
        .args(arguments)
        .stdin(slave.try_clone()?)
        .stdout(slave.try_clone()?)
        .stderr(slave);
    // A session of its own with this terminal, so that Ctrl-C and job control work.
    let take_terminal = || {
        setsid()?;
        ioctl_tiocsctty(stdin())?;
        // This program may ignore some of them: shells start it so in the background, and `nohup`
        // does. Signals that are ignored stay so after `exec`.
        for signal in FROM_TERMINAL {
            // SAFETY: the default action runs no code of this process.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        Ok(())
    };
    // SAFETY: runs between `fork` and `exec`, where only async-signal-safe functions are allowed.
    // These are system calls, which neither allocate nor lock.
    let child = unsafe { command.pre_exec(take_terminal) }.spawn()?;
    // Dropping `command` closes the slave side in this process. While it is open, the master side
    // does not report the end.
    Ok((child, master.into()))
}

/// A terminal and its registration. I/O on it does not pass through the library, so it is
/// level-triggered, and registered only for what the program can handle.
struct End {
    file: File,
    token: Token,
    interest: Option<Interest>,
}

impl End {
    fn new(file: File, token: Token) -> End {
        let interest = None;
        End {
            file,
            token,
            interest,
        }
    }

    fn wait_for(&mut self, registry: &Registry, read: bool, write: bool) -> io::Result<()> {
        let read = read.then_some(Interest::READABLE.level());
        let write = write.then_some(Interest::WRITABLE.level());
        let wanted = match (read, write) {
            (Some(read), Some(write)) => Some(read | write),
            (read, write) => read.or(write),
        };
        let (fd, token) = (self.file.as_raw_fd(), self.token);
        let mut source = SourceFd(&fd);
        match (self.interest, wanted) {
            (current, wanted) if current == wanted => {}
            (None, Some(wanted)) => registry.register(&mut source, token, wanted)?,
            (Some(_), Some(wanted)) => registry.reregister(&mut source, token, wanted)?,
            (_, None) => registry.deregister(&mut source)?,
        }
        self.interest = wanted;
        Ok(())
    }
}

/// Data from one end that has not been written to the other.
#[derive(Default)]
struct Flow {
    data: Vec<u8>,
}

impl Flow {
    fn has_room(&self) -> bool {
        self.data.len() < BUFFER
    }

    /// Reads once and writes once. Returns whether `from` has ended.
    fn copy(&mut self, mut from: &File, mut to: &File) -> io::Result<bool> {
        let mut has_ended = false;
        if self.has_room() {
            let mut buffer = [0; 4096];
            match from.read(&mut buffer) {
                // On Linux: the other side has been closed.
                Err(error) if Errno::from_io_error(&error) == Some(Errno::IO) => has_ended = true,
                Ok(0) => has_ended = true,
                Ok(len) => self.data.extend_from_slice(&buffer[..len]),
                Err(error) if is_temporary(&error) => {}
                Err(error) => return Err(error),
            }
        }
        if !self.data.is_empty() {
            match to.write(&self.data) {
                // The other side has been closed: discard the data.
                Err(error) if Errno::from_io_error(&error) == Some(Errno::IO) => self.data.clear(),
                Ok(len) => drop(self.data.drain(..len)),
                Err(error) if is_temporary(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(has_ended)
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn connect_with_user(command: &str, arguments: &[&str]) -> Result<(), Error> {
    let user = open_user().map_err(|error| format!("the standard input: {error}"))?;
    let (mut child, master) = start(command, arguments, &user)
        .map_err(|error| format!("cannot start `{command}`: {error}"))?;
    let raw = RawMode::enter(&user)?;
    let mut poll = Poll::new()?;
    let (sender, mut resized) = pipe::new()?;
    low_level::pipe::register(SIGWINCH, sender)?;
    poll.registry()
        .register(&mut resized, RESIZED, Interest::READABLE)?;
    let mut user_end = End::new(user.try_clone()?, USER);
    let command_end = End::new(master, COMMAND);
    exchange(&mut poll, &mut user_end, command_end, &mut resized)?;
    drop(raw);
    match child.wait()? {
        status if status.success() => Ok(()),
        status => Err(format!("`{command}`: {status}").into()),
    }
}

/// Copies both ways until one terminal has been closed. Returning closes the master side, which
/// hangs up a command that is still running.
fn exchange(
    poll: &mut Poll,
    user: &mut End,
    mut command: End,
    resized: &mut pipe::Receiver,
) -> io::Result<()> {
    let mut events = Events::with_capacity(8);
    let (mut input, mut output) = (Flow::default(), Flow::default());
    loop {
        let user_has_ended = input.copy(&user.file, &command.file)?;
        let command_has_ended = output.copy(&command.file, &user.file)?;
        if user_has_ended || (command_has_ended && output.data.is_empty()) {
            user.wait_for(poll.registry(), false, false)?;
            return command.wait_for(poll.registry(), false, false);
        }
        let registry = poll.registry();
        user.wait_for(registry, input.has_room(), !output.data.is_empty())?;
        let read = output.has_room() && !command_has_ended;
        command.wait_for(registry, read, !input.data.is_empty())?;
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        // `copy` tries both ends regardless of the event, since neither blocks.
        if events.iter().any(|event| event.token() == RESIZED) {
            while !matches!(resized.read(&mut [0; 64]), Err(error) if is_temporary(&error)) {}
            tcsetwinsize(command.file.as_fd(), tcgetwinsize(&user.file)?)?;
        }
    }
}
