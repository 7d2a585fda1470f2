//! Every state that one source can get into, searched for breaches of a few laws.
//!
//! The laws are about what is true of the source and what its user has seen; they know
//! nothing of what [`Edge`] keeps. The search goes from the registration through all
//! sequences of changes, looks and operations until no new state turns up.

use std::collections::HashSet;
use std::io::{self, ErrorKind};

use super::{Conditions, Edge, EdgeFlags, CONNECTING};
use crate::sys::backend::Outcome;
use crate::Interest;

const R: Interest = Interest::READABLE;
const W: Interest = Interest::WRITABLE;
const RW: Interest = Interest::READABLE.add(Interest::WRITABLE);

const NONE: Conditions = Conditions::NONE;
const DATA: Conditions = Conditions::DATA;
const ROOM: Conditions = Conditions::ROOM;
const PRIORITY: Conditions = Conditions::PRIORITY;
const END: Conditions = Conditions::END;
const HANG_UP: Conditions = Conditions::HANG_UP;
const ERROR: Conditions = Conditions::ERROR;

/// As poll(2): a hang-up and an error cannot be masked, and every look shows what is absent.
/// Event ports use it, too: what they report is a sign to look.
const POLL: EdgeFlags = EdgeFlags {
    flags: [1, 2, 4, 8, 16, 32],
    worth_trying: 1 | 2,
    muting: HANG_UP.union(ERROR),
    doubtable: END.union(HANG_UP).union(ERROR),
    failure_takes_error: true,
};

/// As AFD: it answers when something that it was asked for is true. A reset ends everything, a
/// failed connection stays failed.
const AFD: EdgeFlags = EdgeFlags {
    muting: HANG_UP,
    doubtable: NONE,
    failure_takes_error: false,
    ..POLL
};

/// What happens to a source.
#[derive(Copy, Clone, Debug)]
enum Step {
    Begins(Conditions),
    Passes(Conditions),
    Look,
    WouldBlock(Interest),
    Short(Interest),
    /// An operation returned the pending error.
    Failed(Interest),
    /// `take_error` did.
    ErrorTaken,
    /// An operation failed for a reason of its own.
    Refused(Interest),
    BrokenPipe,
    Connecting,
    Reregister,
}

/// A source, and what its user knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    edge: Edge,
    holds: Conditions,
    /// What the user must be told.
    due: Conditions,
    /// What the user was told, and has seen no reason to be told again.
    told: Conditions,
    /// What was told, and may have passed, since an operation would have blocked.
    doubted: Conditions,
}

impl State {
    fn new(interest: Interest, holds: Conditions) -> State {
        State {
            edge: Edge::new(interest),
            holds,
            due: holds & Conditions::of(interest),
            told: NONE,
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
            self.told.0,
            self.doubted.0,
        ]
    }
}

/// Takes `step` where it can happen.
fn take(system: &EdgeFlags, mut state: State, step: Step) -> Option<State> {
    let covered = Conditions::of(state.edge.interest);
    match step {
        Step::Begins(condition) => {
            if state.holds.contains(condition) {
                return None;
            }
            state.holds |= condition;
            // After an end that nothing has put in doubt, data is for the user to look for.
            let over = state.told & !state.doubted;
            state.due |= condition & covered & !state.told & !met_with(over);
        }
        Step::Passes(condition) => {
            if !state.holds.contains(condition) {
                return None;
            }
            state.holds &= !condition;
            state.due &= !condition;
        }
        Step::Look => look(system, &mut state),
        Step::WouldBlock(directions) => {
            if !can_block(system, directions, state.holds) {
                return None;
            }
            state.told &= !Conditions::data_of(directions);
            doubt(
                system,
                &mut state,
                HANG_UP | ERROR | END.when(directions == R),
            );
            operate(system, &mut state, directions, ErrorKind::WouldBlock.into());
        }
        Step::Short(direction) => {
            let data = Conditions::data_of(direction);
            if !state.holds.contains(data) {
                return None;
            }
            if direction == W || !state.holds.intersects(END | HANG_UP) {
                state.holds &= !data;
                state.due &= !data;
            }
            state.told &= !data;
            rearm(system, &mut state, direction, Outcome::Short);
        }
        Step::Failed(directions) => {
            error_taken(system, &mut state, directions)?;
            operate(
                system,
                &mut state,
                directions,
                ErrorKind::ConnectionRefused.into(),
            );
        }
        Step::ErrorTaken => {
            error_taken(system, &mut state, RW)?;
            rearm(system, &mut state, RW, Outcome::ErrorTaken);
        }
        Step::Refused(directions) => {
            if state.holds.contains(ERROR) {
                return None;
            }
            if state.told.contains(ERROR) && system.failure_takes_error {
                // For all that its user can know, it was the pending error.
                user_saw_the_error(system, &mut state, directions);
            }
            operate(
                system,
                &mut state,
                directions,
                ErrorKind::InvalidInput.into(),
            );
        }
        Step::BrokenPipe => operate(system, &mut state, W, ErrorKind::BrokenPipe.into()),
        Step::Connecting => {
            let error = io::Error::from_raw_os_error(CONNECTING?);
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

fn operate(system: &EdgeFlags, state: &mut State, directions: Interest, error: io::Error) {
    if directions == RW {
        // It may have asked for out-of-band data, and have found none.
        state.told &= !PRIORITY;
    }
    rearm(system, state, directions, Outcome::Failed(&error));
}

/// Doubts are settled by a look as soon as they arise.
fn rearm(system: &EdgeFlags, state: &mut State, directions: Interest, outcome: Outcome<'_>) {
    let edge = &mut state.edge;
    let asks = edge.rearm(system, directions, outcome);
    if asks && (edge.is_in_doubt() || edge.is_standing()) {
        let asked = Conditions(system.wanted(edge).unwrap_or(0) as u8);
        edge.settle(system, state.holds & (asked | HANG_UP | ERROR));
        looked_at(system, state);
    }
}

/// What a look did not find has passed; an end that it found has not.
fn looked_at(system: &EdgeFlags, state: &mut State) {
    state.told &= !(state.doubted & !state.holds);
    state.doubted &= state.holds & ERROR & system.muting;
}

fn error_taken(system: &EdgeFlags, state: &mut State, directions: Interest) -> Option<()> {
    if !state.holds.contains(ERROR) || !system.failure_takes_error {
        return None;
    }
    state.holds &= !ERROR;
    state.due &= !ERROR;
    if state.told.contains(ERROR) {
        user_saw_the_error(system, state, directions);
    }
    if directions == RW {
        state.told &= !PRIORITY;
    }
    Some(())
}

fn user_saw_the_error(system: &EdgeFlags, state: &mut State, directions: Interest) {
    state.told &= !(ERROR | Conditions::data_of(directions));
    state.doubted &= !ERROR;
    doubt(system, state, HANG_UP);
}

/// The user has reason to believe that what was told has passed.
fn doubt(system: &EdgeFlags, state: &mut State, lasting: Conditions) {
    let told = lasting & state.told;
    state.doubted |= told & system.doubtable;
    state.told &= !told | state.doubted;
    if told.contains(HANG_UP) {
        // The source seems to live on.
        state.told &= !(DATA | ROOM);
    }
}

/// Whether an operation in `directions` can answer that it would block.
fn can_block(system: &EdgeFlags, directions: Interest, holds: Conditions) -> bool {
    // A Unix datagram socket whose reading was shut down is readable, and blocks.
    let odd = holds.contains(END);
    let blocks = directions.is_readable() && (!holds.contains(DATA) || odd)
        || directions.is_writable() && !holds.contains(ROOM);
    if system.doubtable != NONE {
        return blocks;
    }
    // Elsewhere what blocks is in order, but for the reading of what is only written to.
    blocks && !holds.intersects(HANG_UP | ERROR) && (directions != R || !odd)
}

/// Asks the system, and holds what is reported against the laws.
fn look(system: &EdgeFlags, state: &mut State) {
    let before = state.clone();
    let news = ask(system, state);
    let covered = Conditions::of(state.edge.interest);
    let repeated = news & before.told;
    assert_eq!(repeated, NONE, "told again without a reason: {before:?}");
    state.told |= news;
    state.due &= !news;
    let untold = state.due & !excused(system, state);
    assert_eq!(untold, NONE, "true, and not told: {before:?}");
    state.due = NONE;
    assert!(covered.contains(news), "of no interest: {before:?}");

    if system.wanted(&before.edge).is_some() {
        looked_at(system, state);
    }
}

/// What is reported, if the system is asked.
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
    if seen == NONE && system.doubtable == NONE {
        return NONE;
    }
    state.edge.report(system, seen)
}

/// What need not be told: what comes behind a hang-up or an error whose user has done nothing
/// since, and data and room beside an end that was told.
fn excused(system: &EdgeFlags, state: &State) -> Conditions {
    if (state.told & !state.doubted).intersects(system.muting) {
        return Conditions(u8::MAX);
    }
    met_with(state.told & state.holds)
}

/// The data and room that are only there because of an end.
fn met_with(ends: Conditions) -> Conditions {
    DATA.when(ends.intersects(END | HANG_UP)) | ROOM.when(ends.contains(HANG_UP))
}

fn all_steps() -> Vec<Step> {
    let mut steps = vec![
        Step::Look,
        Step::Short(R),
        Step::Short(W),
        Step::ErrorTaken,
        Step::BrokenPipe,
        Step::Connecting,
        Step::Reregister,
    ];
    for condition in Conditions::ALL {
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

/// Visits every state that can be reached, and returns how many there are.
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

/// Whether `step` is an operation of unknown kind that leaves alone what can be done.
fn unlike_what_was_told(step: Step, holds: Conditions) -> bool {
    match step {
        Step::WouldBlock(RW) => holds.intersects(ROOM | PRIORITY) || holds & (DATA | END) == DATA,
        Step::Refused(RW) => holds.contains(PRIORITY),
        _ => false,
    }
}

/// Whatever the user does about an event, while the source does not change, ends.
fn settles(system: &EdgeFlags, state: &State) {
    for step in all_steps() {
        if matches!(step, Step::Begins(_) | Step::Passes(_) | Step::Look)
            || matches!(step, Step::Connecting | Step::Reregister)
        {
            continue;
        }
        if unlike_what_was_told(step, state.holds) {
            continue;
        }
        let mut state = state.clone();
        for _ in 0..3 {
            let told = ask(system, &mut state);
            state.told |= told;
            match take(system, state.clone(), step) {
                Some(next) if next.holds == state.holds => state = next,
                _ => return,
            }
        }
        let told = ask(system, &mut state.clone());
        assert_eq!(told, NONE, "{step:?} goes on for ever: {state:?}");
    }
}

#[test]
fn every_state_of_an_edge_keeps_the_laws() {
    for system in [&POLL, &AFD] {
        for interest in [R, W, RW, RW | Interest::PRIORITY_BIT] {
            let states = search(system, interest, |state| settles(system, state));
            assert!(states > 500, "{states} states of {interest:?}");
            println!("{states} states of {interest:?}");
        }
    }
}

#[test]
fn level_tells_what_is_true_and_of_interest_each_time() {
    for interest in [R, W, RW, RW | Interest::PRIORITY_BIT] {
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
fn oneshot_tells_once_whatever_is_done() {
    for interest in [R, W, RW, RW | Interest::PRIORITY_BIT] {
        for holds in (0..64).map(Conditions) {
            let mut state = State::new(interest.oneshot(), holds);
            let told = ask(&POLL, &mut state);
            assert_eq!(told, holds & Conditions::of(interest));
            if told == NONE {
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
