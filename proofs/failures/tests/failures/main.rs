//! Every system call that the library makes fails once at every place where it is made, with every
//! error that it may return there. After each failure there must be an `io::Error` with its number,
//! or an operation that succeeded without the call; no panic; no open descriptor left; and a poll
//! that still works and reports the next wake and the next event.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod interpose;
mod locks;
mod scenarios;

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use interpose::Call;
use mio::unix::pipe;
use mio::{Events, Interest, Poll, Token, Waker};

/// The results of the operations of a scenario.
#[derive(Default)]
pub(crate) struct Run {
    errors: Vec<io::Error>,
}

impl Run {
    /// Runs an operation and watches its calls. `None` ends the scenario.
    pub(crate) fn step<T>(&mut self, operation: impl FnOnce() -> io::Result<T>) -> Option<T> {
        interpose::watched(operation)
            .map_err(|error| self.errors.push(error))
            .ok()
    }
}

/// Operations on a poll.
pub(crate) type Scenario = fn(&mut Run, &mut Poll) -> Option<()>;

/// Lets one test run at a time, since all share the descriptors of the process, and fails one
/// that hangs.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: takes no pointer.
    unsafe { libc::alarm(600) };
    alone
}

/// Runs `scenario` without failures, then once for every call that it made and every error that
/// the call may return.
fn every_failure_of(scenario: Scenario) {
    let _alone = alone();

    let (calls, errors) = run(scenario, None);
    assert!(errors.is_empty(), "without a failure: {errors:?}");
    assert!(!calls.is_empty(), "no calls were made");
    let mut failures = 0;
    for (number, &call) in calls.iter().enumerate() {
        for &error in interpose::errors(call) {
            let (made, errors) = run(scenario, Some((number, error)));
            let what = io::Error::from_raw_os_error(error);
            let what = format!("call {number} of {calls:?}, {call}: {what}");
            assert_eq!(
                made.get(number),
                Some(&call),
                "other calls were made: {what}"
            );
            judge(&what, call, error, &errors);
            failures += 1;
        }
    }
    println!("{} calls, {failures} failures", calls.len());
}

fn run(scenario: Scenario, fault: Option<(usize, i32)>) -> (Vec<Call>, Vec<io::Error>) {
    let before = open_descriptors();
    let mut run = Run::default();
    let mut poll = Poll::new().unwrap();
    interpose::begin(fault);
    scenario(&mut run, &mut poll);
    let made = interpose::made();
    expect_that_it_works(&mut poll);
    drop(poll);
    assert_eq!(before, open_descriptors(), "descriptors, with {fault:?}");
    (made, run.errors)
}

/// Asserts that the failure was reported unchanged, and that nothing else failed.
fn judge(what: &str, call: Call, error: i32, errors: &[io::Error]) {
    match errors {
        [] => assert!(
            can_do_without(call, error),
            "the error was not returned: {what}"
        ),
        [returned] => assert_eq!(
            returned.raw_os_error(),
            Some(error),
            "returned as {returned:?}: {what}"
        ),
        more => panic!("returned more than once: {more:?}: {what}"),
    }
}

/// The failures after which an operation succeeds in another way.
fn can_do_without(call: Call, error: i32) -> bool {
    match call {
        // A full eventfd or pipe is emptied and written to again, or wakes the poll as it is.
        "write" | "read" => error == libc::EAGAIN,
        _ => false,
    }
}

/// Asserts that the poll still works.
fn expect_that_it_works(poll: &mut Poll) {
    const WAKE: Token = Token(usize::MAX);
    const DATA: Token = Token(usize::MAX - 1);
    let mut events = Events::with_capacity(16);
    let waker = Waker::new(poll.registry(), WAKE).unwrap();
    let (mut sender, mut receiver) = pipe::new().unwrap();
    poll.registry()
        .register(&mut receiver, DATA, Interest::READABLE)
        .unwrap();
    io::Write::write_all(&mut sender, b"x").unwrap();
    waker.wake().unwrap();
    let (mut woken, mut readable) = (false, false);
    while !(woken && readable) {
        poll.poll(&mut events, Some(Duration::from_secs(20)))
            .unwrap();
        assert!(!events.is_empty(), "woken: {woken}, readable: {readable}");
        for event in &events {
            woken |= event.token() == WAKE;
            readable |= event.token() == DATA && event.is_readable();
        }
    }
    poll.registry().deregister(&mut receiver).unwrap();
}

fn open_descriptors() -> Vec<String> {
    let mut open: Vec<String> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    open.sort();
    open
}
