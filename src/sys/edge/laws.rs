//! An exhaustive search through the states of a source, for violations of a few laws.
//!
//! The laws relate what holds for the source to what its user has seen; they do not depend on what
//! [`Edge`] stores. The search starts at the registration and follows all sequences of changes,
//! checks and operations until it finds no new state.

use std::collections::HashSet;
use std::io::{self, ErrorKind};

use super::{Conditions, Edge, EdgeFlags, CONNECTING, NO_DESCRIPTOR};
use crate::sys::backend::Outcome;
use crate::Interest;

const R: Interest = Interest::READABLE;
const W: Interest = Interest::WRITABLE;
const RW: Interest = Interest::READABLE.add(Interest::WRITABLE);
const ALL: [Interest; 6] = [
    R,
    W,
    RW,
    RW.add(Interest::PRIORITY_BIT),
    Interest::READ_CLOSED,
    Interest::READ_CLOSED.add(W),
];

const NONE: Conditions = Conditions::NONE;
const DATA: Conditions = Conditions::DATA;
const ROOM: Conditions = Conditions::ROOM;
const PRIORITY: Conditions = Conditions::PRIORITY;
const END: Conditions = Conditions::END;
const HANG_UP: Conditions = Conditions::HANG_UP;
const ERROR: Conditions = Conditions::ERROR;

/// Like poll(2): a hang-up and an error cannot be masked, and every check shows what is absent.
/// Event ports use the same, since they poll the source when they report it.
const POLL: EdgeFlags = EdgeFlags {
    flags: [1, 2, 4, 8, 16, 32],
    worth_trying: 1 | 2,
    muting: HANG_UP.union(ERROR),
    doubtable: END.union(HANG_UP).union(ERROR),
    failure_takes_error: true,
};

/// Like AFD: it reports only conditions that hold, and that none does by a request that stays
/// pending. Nothing follows a reset, and a failed connection stays failed.
const AFD: EdgeFlags = EdgeFlags {
    muting: HANG_UP,
    doubtable: HANG_UP.union(ERROR),
    failure_takes_error: false,
    ..POLL
};

/// A change of a source, a check or an operation.
#[derive(Copy, Clone, Debug)]
enum Step {
    Begins(Conditions),
    Passes(Conditions),
    Look,
    WouldBlock(Interest),
    Short(Interest),
    /// An operation returned the pending error.
    Failed(Interest),
    /// `take_error` returned the pending error.
    ErrorTaken,
    /// An operation failed, but not because of the source.
    Refused(Interest),
    /// A read failed, and took the first of a queue of several.
    TookOne,
    /// A read failed because there is no descriptor, perhaps with an empty queue.
    NoDescriptor,
    BrokenPipe,
    Connecting,
    Reregister,
}

/// A source, and what its user has seen of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    edge: Edge,
    holds: Conditions,
    /// The conditions that must be reported.
    due: Conditions,
    /// The conditions that were reported and need not be reported again.
    reported: Conditions,
    /// The reported conditions that may have ended, since an operation returned `WouldBlock`.
    doubted: Conditions,
}

impl State {
    fn new(interest: Interest, holds: Conditions) -> State {
        State {
            edge: Edge::new(interest),
            holds,
            due: holds & Conditions::of(interest),
            reported: NONE,
            doubted: NONE,
        }
    }

    fn key(&self) -> [u8; 7] {
        let edge = &self.edge;
        [
            edge.armed.0,
            edge.doubted.0,
            u8::from(edge.standing),
            self.holds.0,
            self.due.0,
            self.reported.0,
            self.doubted.0,
        ]
    }
}

/// Returns the state after `step`; `None` if it cannot happen.
fn take(system: &EdgeFlags, mut state: State, step: Step) -> Option<State> {
    match step {
        Step::Begins(condition) => begin(&mut state, condition)?,
        Step::Passes(condition) => pass(&mut state, condition)?,
        Step::Look => look(system, &mut state),
        Step::WouldBlock(directions) => would_block(system, &mut state, directions)?,
        Step::Short(direction) => short(system, &mut state, direction)?,
        Step::Failed(directions) => {
            error_taken(system, &mut state, directions)?;
            let error = ErrorKind::ConnectionRefused.into();
            operate(system, &mut state, directions, error);
        }
        Step::ErrorTaken => {
            error_taken(system, &mut state, RW)?;
            rearm(system, &mut state, RW, Outcome::ErrorTaken);
        }
        Step::Refused(directions) => refused(system, &mut state, directions)?,
        Step::TookOne => took_one(system, &mut state)?,
        Step::NoDescriptor => no_descriptor(system, &mut state),
        Step::BrokenPipe => operate(system, &mut state, W, ErrorKind::BrokenPipe.into()),
        Step::Connecting => {
            let error = io::Error::from_raw_os_error(*CONNECTING.first()?);
            operate(system, &mut state, RW, error);
            let edge = state.edge.clone();
            state = State {
                edge,
                ..State::new(state.edge.interest, state.holds)
            };
        }
        Step::Reregister => state = State::new(state.edge.interest, state.holds),
    }
    Some(state)
}

fn begin(state: &mut State, condition: Conditions) -> Option<()> {
    if state.holds.contains(condition) {
        return None;
    }
    state.holds |= condition;
    let covered = Conditions::of(state.edge.interest);
    // After an end that is not in doubt, the user has to check for data without an event.
    let over = state.reported & !state.doubted;
    state.due |= condition & covered & !state.reported & !met_with(over);
    Some(())
}

fn pass(state: &mut State, condition: Conditions) -> Option<()> {
    if !state.holds.contains(condition) {
        return None;
    }
    state.holds &= !condition;
    state.due &= !condition;
    Some(())
}

fn would_block(system: &EdgeFlags, state: &mut State, directions: Interest) -> Option<()> {
    if !can_block(system, directions, state.holds) {
        return None;
    }
    state.reported &= !Conditions::data_of(directions);
    if directions != R && !system.failure_takes_error {
        // It may have been another attempt to connect.
        state.reported &= !ERROR;
    }
    doubt(system, state, HANG_UP | ERROR | END.when(directions == R));
    operate(system, state, directions, ErrorKind::WouldBlock.into());
    Some(())
}

fn short(system: &EdgeFlags, state: &mut State, direction: Interest) -> Option<()> {
    let data = Conditions::data_of(direction);
    if !state.holds.contains(data) {
        return None;
    }
    if direction == W || !state.holds.intersects(END | HANG_UP) {
        state.holds &= !data;
        state.due &= !data;
    }
    state.reported &= !data;
    rearm(system, state, direction, Outcome::Short);
    Some(())
}

fn refused(system: &EdgeFlags, state: &mut State, directions: Interest) -> Option<()> {
    refusal_seen(system, state, directions)?;
    operate(system, state, directions, ErrorKind::InvalidInput.into());
    Some(())
}

fn took_one(system: &EdgeFlags, state: &mut State) -> Option<()> {
    refusal_seen(system, state, R)?;
    state.reported &= !DATA;
    state.due |= state.holds & DATA & Conditions::of(state.edge.interest);
    let error = ErrorKind::InvalidInput.into();
    rearm(system, state, R, Outcome::FailedToTake(&error));
    Some(())
}

/// What is in the queue is reported again.
fn no_descriptor(system: &EdgeFlags, state: &mut State) {
    state.reported &= !DATA;
    state.due |= state.holds & DATA & Conditions::of(state.edge.interest);
    let error = io::Error::from_raw_os_error(NO_DESCRIPTOR[0]);
    rearm(system, state, R, Outcome::FailedToTake(&error));
    // The pause is the affair of the selector.
    state.edge.take_pause();
}

fn refusal_seen(system: &EdgeFlags, state: &mut State, directions: Interest) -> Option<()> {
    if state.holds.contains(ERROR) {
        return None;
    }
    if state.reported.contains(ERROR) && system.failure_takes_error {
        // The user cannot distinguish it from the pending error.
        user_saw_the_error(system, state, directions);
    }
    Some(())
}

fn operate(system: &EdgeFlags, state: &mut State, directions: Interest, error: io::Error) {
    if directions == RW {
        // It may have tried to receive out-of-band data.
        state.reported &= !PRIORITY;
    }
    rearm(system, state, directions, Outcome::Failed(&error));
}

/// Arms the source. Conditions in doubt are checked at once.
fn rearm(system: &EdgeFlags, state: &mut State, directions: Interest, outcome: Outcome<'_>) {
    let edge = &mut state.edge;
    let asks = edge.rearm(system, directions, outcome);
    let checks = system.failure_takes_error;
    if asks && checks && (edge.is_in_doubt() || edge.is_standing()) {
        let asked = Conditions(system.wanted(edge).unwrap_or(0) as u8);
        edge.settle(system, state.holds & (asked | HANG_UP | ERROR));
        looked_at(system, state);
    }
}

/// A check has found which of the conditions in doubt have ended.
fn looked_at(system: &EdgeFlags, state: &mut State) {
    state.reported &= !(state.doubted & !state.holds);
    state.doubted &= state.holds & ERROR & system.muting;
}

fn error_taken(system: &EdgeFlags, state: &mut State, directions: Interest) -> Option<()> {
    if !state.holds.contains(ERROR) || !system.failure_takes_error {
        return None;
    }
    state.holds &= !ERROR;
    state.due &= !ERROR;
    if state.reported.contains(ERROR) {
        user_saw_the_error(system, state, directions);
    }
    if directions == RW {
        state.reported &= !PRIORITY;
    }
    Some(())
}

fn user_saw_the_error(system: &EdgeFlags, state: &mut State, directions: Interest) {
    state.reported &= !(ERROR | Conditions::data_of(directions));
    state.doubted &= !ERROR;
    doubt(system, state, HANG_UP);
}

/// The user has seen that reported conditions may have ended.
fn doubt(system: &EdgeFlags, state: &mut State, lasting: Conditions) {
    let reported = lasting & state.reported;
    state.doubted |= reported & system.doubtable;
    state.reported &= !reported | state.doubted;
    if reported.contains(HANG_UP) {
        // Both directions seem to be usable again.
        state.reported &= !(DATA | ROOM);
    }
}

/// Returns whether an operation in `directions` can return `WouldBlock`.
fn can_block(system: &EdgeFlags, directions: Interest, holds: Conditions) -> bool {
    // A Unix datagram socket whose reading was shut down is readable, and blocks.
    let odd = holds.contains(END);
    let blocks = directions.is_readable() && (!holds.contains(DATA) || odd)
        || directions.is_writable() && !holds.contains(ROOM);
    if system.failure_takes_error {
        return blocks;
    }
    // Elsewhere, only a source without errors blocks, and reading does not block at the end.
    blocks && !holds.intersects(HANG_UP | ERROR) && (directions != R || !odd)
}

/// Checks the source, and compares the report with the laws.
fn look(system: &EdgeFlags, state: &mut State) {
    let before = state.clone();
    let news = ask(system, state);
    let covered = Conditions::of(state.edge.interest);
    let repeated = news & before.reported;
    assert_eq!(
        repeated, NONE,
        "reported again without a reason: {before:?}"
    );
    state.reported |= news;
    state.due &= !news;
    let missing = state.due & !excused(system, state);
    assert_eq!(missing, NONE, "not reported: {before:?}");
    state.due = NONE;
    assert!(covered.contains(news), "not of interest: {before:?}");

    if system.wanted(&before.edge).is_some() {
        looked_at(system, state);
    }
}

/// Returns what is reported, if the system is asked.
fn ask(system: &EdgeFlags, state: &mut State) -> Conditions {
    let Some(asked) = system.wanted(&state.edge) else {
        return NONE;
    };
    let unmaskable = if system.failure_takes_error {
        HANG_UP | ERROR
    } else {
        NONE
    };
    let seen = state.holds & (Conditions(asked as u8) | unmaskable);
    if seen == NONE && !system.failure_takes_error {
        state.edge.settle(system, NONE);
        return NONE;
    }
    state.edge.report(system, seen)
}

/// Returns what need not be reported: anything after a hang-up or an error that the user has not
/// reacted to, and data and room at an end that was reported.
fn excused(system: &EdgeFlags, state: &State) -> Conditions {
    if (state.reported & !state.doubted).intersects(system.muting) {
        return Conditions(u8::MAX);
    }
    met_with(state.reported & state.holds)
}

/// Returns the data and room that an end implies.
fn met_with(ends: Conditions) -> Conditions {
    DATA.when(ends.intersects(END | HANG_UP)) | ROOM.when(ends.contains(HANG_UP))
}

fn all_steps() -> Vec<Step> {
    let mut steps = vec![
        Step::Look,
        Step::Short(R),
        Step::Short(W),
        Step::ErrorTaken,
        Step::TookOne,
        Step::NoDescriptor,
        Step::BrokenPipe,
        Step::Connecting,
        Step::Reregister,
    ];
    for condition in [DATA, ROOM, PRIORITY, END, HANG_UP, ERROR] {
        steps.extend([Step::Begins(condition), Step::Passes(condition)]);
    }
    for directions in [R, W, RW] {
        steps.extend([
            Step::WouldBlock(directions),
            Step::Failed(directions),
            Step::Refused(directions),
        ]);
    }
    steps
}

/// Visits every reachable state, and returns their number.
fn search(system: &EdgeFlags, interest: Interest, mut visit: impl FnMut(&State)) -> usize {
    let steps = all_steps();
    let first = State::new(interest, NONE);
    let mut known = HashSet::from([first.key()]);
    let mut open = vec![first];
    while let Some(state) = open.pop() {
        visit(&state);
        for &step in &steps {
            if let Some(next) = take(system, state.clone(), step) {
                if known.insert(next.key()) {
                    open.push(next);
                }
            }
        }
    }
    known.len()
}

/// Returns whether `step` is an operation that does not use what is ready, or not all of it.
fn ignores_what_is_ready(step: Step, holds: Conditions) -> bool {
    match step {
        Step::WouldBlock(RW) => holds.intersects(ROOM | PRIORITY) || holds & (DATA | END) == DATA,
        Step::Refused(RW) => holds.contains(PRIORITY),
        // Others are left in the queue.
        Step::TookOne | Step::NoDescriptor => holds.contains(DATA),
        _ => false,
    }
}

/// A user that reacts to events in the same way, while the source does not change, gets no more.
fn settles(system: &EdgeFlags, state: &State) {
    for step in all_steps() {
        if matches!(step, Step::Begins(_) | Step::Passes(_) | Step::Look)
            || matches!(step, Step::Connecting | Step::Reregister)
        {
            continue;
        }
        if ignores_what_is_ready(step, state.holds) {
            continue;
        }
        let mut state = state.clone();
        for _ in 0..3 {
            let reported = ask(system, &mut state);
            state.reported |= reported;
            match take(system, state.clone(), step) {
                Some(next) if next.holds == state.holds => state = next,
                _ => return,
            }
        }
        let reported = ask(system, &mut state.clone());
        assert_eq!(reported, NONE, "{step:?} never ends: {state:?}");
    }
}

#[test]
fn every_state_of_an_edge_keeps_the_laws() {
    for system in [&POLL, &AFD] {
        for interest in ALL {
            let states = search(system, interest, |state| settles(system, state));
            assert!(states > 500, "{states} states of {interest:?}");
            println!("{states} states of {interest:?}");
        }
    }
}

#[test]
fn level_reports_what_holds_and_is_of_interest_each_time() {
    for interest in ALL {
        let mut state = State::new(interest.level(), NONE);
        for holds in (0..64).map(Conditions) {
            state.holds = holds;
            for _ in 0..2 {
                assert_eq!(ask(&POLL, &mut state), holds & Conditions::of(interest));
            }
        }
    }
}

#[test]
fn oneshot_reports_once_whatever_is_done() {
    for interest in ALL {
        for holds in (0..64).map(Conditions) {
            let mut state = State::new(interest.oneshot(), holds);
            let reported = ask(&POLL, &mut state);
            assert_eq!(reported, holds & Conditions::of(interest));
            if reported == NONE {
                continue;
            }
            for outcome in [ErrorKind::WouldBlock, ErrorKind::ConnectionRefused] {
                operate(&POLL, &mut state, RW, outcome.into());
            }
            state.edge.rearm(&POLL, RW, Outcome::Short);
            assert_eq!(POLL.wanted(&state.edge), None);
        }
    }
}
