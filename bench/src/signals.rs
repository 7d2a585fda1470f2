//! A wait until a deadline, which signals interrupt.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{mem, ptr};

use serde::{Deserialize, Serialize};

use crate::peers::Peer;
use crate::stats::Summary;

/// How far away the deadline is.
pub const WAIT: Duration = Duration::from_secs(1);

/// How often a signal arrives meanwhile.
pub const PERIOD: Duration = Duration::from_millis(1);

/// What became of the waits of one library.
#[derive(Serialize, Deserialize)]
pub struct Waits {
    pub peer: Peer,
    pub count: usize,
    /// How many ended before the deadline.
    pub early: usize,
    /// How many times the program had to call the library, in each.
    pub calls: Summary,
    pub signals: Summary,
    /// Nanoseconds, of those that were not early.
    pub lateness: Summary,
    pub latest: f64,
}

/// One wait.
struct Wait {
    calls: u32,
    signals: u32,
    /// Negative if early.
    nanos_late: f64,
}

pub fn measure(rounds: usize) -> Vec<Waits> {
    let (mut ours, mut upstream) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(in_storm(with_deadline()));
        upstream.push(in_storm(with_loop()));
    }
    vec![
        summarize(Peer::Ours, &ours),
        summarize(Peer::Upstream, &upstream),
    ]
}

/// Waits until an instant. Returns the number of calls.
type Until = Box<dyn FnMut(Instant) -> u32>;

fn with_deadline() -> Until {
    let mut poll = ours::Poll::new().unwrap();
    let mut events = ours::Events::with_capacity(8);
    Box::new(move |deadline| {
        poll.poll_until(&mut events, Some(deadline)).unwrap();
        assert!(events.is_empty());
        1
    })
}

/// What a program over upstream has to do itself.
fn with_loop() -> Until {
    let mut poll = upstream::Poll::new().unwrap();
    let mut events = upstream::Events::with_capacity(8);
    Box::new(move |deadline| {
        let mut calls = 0;
        loop {
            calls += 1;
            let left = deadline.saturating_duration_since(Instant::now());
            match poll.poll(&mut events, Some(left)) {
                Ok(()) => return calls,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Interrupted),
            }
        }
    })
}

fn in_storm(mut wait: Until) -> Wait {
    SIGNALS.store(0, Ordering::Relaxed);
    let deadline = Instant::now() + WAIT;
    send_signals_every(PERIOD);
    let calls = wait(deadline);
    let end = Instant::now();
    send_signals_every(Duration::ZERO);
    let late = end.saturating_duration_since(deadline).as_nanos() as f64;
    let early = deadline.saturating_duration_since(end).as_nanos() as f64;
    Wait {
        calls,
        signals: SIGNALS.load(Ordering::Relaxed),
        nanos_late: late - early,
    }
}

fn summarize(peer: Peer, waits: &[Wait]) -> Waits {
    let values = |value: fn(&Wait) -> f64| waits.iter().map(value).collect::<Vec<f64>>();
    let lateness = values(|it| it.nanos_late.max(0.0));
    Waits {
        peer,
        count: waits.len(),
        early: waits.iter().filter(|it| it.nanos_late < 0.0).count(),
        calls: Summary::of(values(|it| it.calls.into())),
        signals: Summary::of(values(|it| it.signals.into())),
        latest: lateness.iter().copied().fold(0.0, f64::max),
        lateness: Summary::of(lateness),
    }
}

static SIGNALS: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

/// Sends `SIGALRM` to this process again and again, or no more if `period` is zero.
fn send_signals_every(period: Duration) {
    let handler: extern "C" fn(libc::c_int) = count;
    let period = libc::timeval {
        tv_sec: 0,
        tv_usec: period.as_micros() as libc::suseconds_t,
    };
    let timer = libc::itimerval {
        it_interval: period,
        it_value: period,
    };
    // SAFETY: all fields are integers, for which zero is valid; `action` and `timer` outlive the
    // calls; the handler does nothing but count.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = handler as libc::sighandler_t;
        assert_eq!(libc::sigaction(libc::SIGALRM, &action, ptr::null_mut()), 0);
        assert_eq!(
            libc::setitimer(libc::ITIMER_REAL, &timer, ptr::null_mut()),
            0
        );
    }
}
