//! Scripts: sequences of operations of a program, as values.

use std::fmt;

use proptest::prelude::*;

use crate::model::{name_of, Asked, End, Kind, Mode, ENDS, PAIRS, POLLS};
use crate::world::KINDS;

/// A registry of one of the polls: its own, or a clone.
#[derive(Copy, Clone, Debug)]
pub struct At {
    pub poll: usize,
    /// Zero is the poll's own.
    pub clone: usize,
}

/// The maximum number of clones of each registry.
pub const CLONES: usize = 2;

#[derive(Copy, Clone, Debug)]
pub enum Timeout {
    Zero,
    Micros(u64),
    /// `poll_until`, with a deadline in this number of microseconds.
    Until(u64),
    /// None if an event is due, zero otherwise.
    Forever,
}

/// What happens while polls sleep.
#[derive(Copy, Clone, Debug)]
pub enum Act {
    Write(usize),
    EndWriting,
    Reset,
    Wake,
}

/// One operation. It is skipped if its object does not exist, so that removing other operations
/// simplifies a script.
#[derive(Copy, Clone, Debug)]
pub enum Op {
    Create {
        pair: usize,
        kind: Kind,
    },
    Register {
        end: End,
        at: At,
        token: usize,
        asked: Asked,
    },
    Reregister {
        end: End,
        at: At,
        token: usize,
        asked: Asked,
    },
    Deregister {
        end: End,
        at: At,
    },
    /// Deregisters the source from its poll, and registers it with the other one.
    Move {
        end: End,
        token: usize,
        asked: Asked,
    },
    /// Registers both handles to an object with a poll each, exclusively.
    Share {
        pair: usize,
        token: usize,
        asked: Asked,
    },
    /// Deregisters first if `tidily`.
    Drop {
        end: End,
        tidily: bool,
    },
    Reset {
        end: End,
    },
    Shutdown {
        end: End,
        read: bool,
        write: bool,
    },
    /// For a listener, or the one of an unconnected socket: connects.
    Write {
        end: End,
        len: usize,
    },
    /// Writes until it would block.
    Fill {
        end: End,
    },
    /// For a listener: accepts.
    Read {
        end: End,
        len: usize,
    },
    /// Reads exactly the unread data.
    ReadAll {
        end: End,
    },
    /// Reads until it would block.
    Drain {
        end: End,
    },
    Peek {
        end: End,
        len: usize,
    },
    TakeError {
        end: End,
    },
    /// Calls `is_connected`.
    Ask {
        end: End,
    },
    /// A `try_io` of both directions whose closure returns `WouldBlock`.
    TryIo {
        end: End,
    },
    CloneRegistry {
        at: At,
    },
    DropRegistry {
        at: At,
    },
    /// Replaces the previous waker, if any.
    MakeWaker {
        at: At,
        token: usize,
    },
    DropWaker {
        poll: usize,
    },
    Wake {
        poll: usize,
    },
    Poll {
        poll: usize,
        capacity: usize,
        timeout: Timeout,
    },
    /// Polls until no event is due.
    Collect {
        poll: usize,
        capacity: usize,
    },
    /// Something happens while the given poll, or all, sleep without a due event.
    Sleep {
        poll: Option<usize>,
        end: End,
        act: Act,
    },
    /// Wakes before each of many polls with a small buffer; other sources must not starve.
    Storm {
        poll: usize,
    },
    /// With a capacity of zero.
    PollNothing {
        poll: usize,
    },
}

#[derive(Clone, Debug)]
pub struct Script(pub Vec<Op>);

fn end() -> impl Strategy<Value = End> {
    0..ENDS
}

fn poll() -> impl Strategy<Value = usize> {
    // Most operations are on one pair.
    prop_oneof![3 => Just(0), 1 => 1..POLLS]
}

fn at() -> impl Strategy<Value = At> {
    (poll(), 0..=CLONES).prop_map(|(poll, clone)| At { poll, clone })
}

fn token() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 0..20_usize, 1 => 0..3_usize]
}

fn kind() -> impl Strategy<Value = Kind> {
    let kinds = KINDS.iter().map(|&(weight, kind)| (weight, Just(kind)));
    prop::strategy::Union::new_weighted(kinds.collect())
}

fn asked() -> impl Strategy<Value = Asked> {
    let watched = prop_oneof![
        4 => Just((true, false, false)),
        2 => Just((false, true, false)),
        6 => Just((true, true, false)),
        3 => Just((false, false, true)),
        2 => Just((false, true, true)),
        1 => (any::<bool>()).prop_map(|write| (true, write, true)),
    ];
    let mode = prop_oneof![
        4 => Just(Mode::Edge),
        2 => Just(Mode::Level),
        2 => Just(Mode::Oneshot),
    ];
    let exclusive = prop::bool::weighted(0.15);
    (watched, mode, exclusive).prop_map(|((read, write, end), mode, exclusive)| Asked {
        read,
        write,
        end,
        mode,
        exclusive,
    })
}

fn asked_of_many() -> impl Strategy<Value = Asked> {
    let mode = prop_oneof![2 => Just(Mode::Edge), 1 => Just(Mode::Level)];
    (mode, any::<bool>()).prop_map(|(mode, write)| Asked {
        read: true,
        write,
        end: false,
        mode,
        exclusive: true,
    })
}

fn len() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 1..16_usize, 2 => 16..2000_usize]
}

fn capacity() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 1..4_usize, 2 => 4..16_usize, 2 => Just(64_usize)]
}

fn timeout() -> impl Strategy<Value = Timeout> {
    prop_oneof![
        14 => Just(Timeout::Zero),
        1 => (1..1500_u64).prop_map(Timeout::Micros),
        1 => (0..1500_u64).prop_map(Timeout::Until),
        7 => Just(Timeout::Forever),
    ]
}

fn create() -> impl Strategy<Value = Op> {
    (0..PAIRS, kind()).prop_map(|(pair, kind)| Op::Create { pair, kind })
}

fn register() -> impl Strategy<Value = Op> {
    (end(), at(), token(), asked()).prop_map(|(end, at, token, asked)| Op::Register {
        end,
        at,
        token,
        asked,
    })
}

/// Operations that change registrations.
fn registration() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => register(),
        6 => (end(), at(), token(), asked()).prop_map(|(end, at, token, asked)| {
            Op::Reregister { end, at, token, asked }
        }),
        3 => (end(), at()).prop_map(|(end, at)| Op::Deregister { end, at }),
        2 => (end(), token(), asked()).prop_map(|(end, token, asked)| {
            Op::Move { end, token, asked }
        }),
        2 => (0..PAIRS, token(), asked_of_many()).prop_map(|(pair, token, asked)| {
            Op::Share { pair, token, asked }
        }),
        1 => at().prop_map(|at| Op::CloneRegistry { at }),
        1 => at().prop_map(|at| Op::DropRegistry { at }),
        2 => (at(), token()).prop_map(|(at, token)| Op::MakeWaker { at, token }),
        1 => poll().prop_map(|poll| Op::DropWaker { poll }),
    ]
}

/// Operations that change the readiness of sources.
fn transfer() -> impl Strategy<Value = Op> {
    prop_oneof![
        10 => (end(), len()).prop_map(|(end, len)| Op::Write { end, len }),
        3 => end().prop_map(|end| Op::Fill { end }),
        6 => (end(), len()).prop_map(|(end, len)| Op::Read { end, len }),
        3 => end().prop_map(|end| Op::ReadAll { end }),
        10 => end().prop_map(|end| Op::Drain { end }),
        2 => (end(), len()).prop_map(|(end, len)| Op::Peek { end, len }),
        2 => (end(), any::<bool>(), any::<bool>()).prop_map(|(end, read, write)| {
            Op::Shutdown { end, read, write }
        }),
        1 => end().prop_map(|end| Op::TakeError { end }),
        1 => end().prop_map(|end| Op::Ask { end }),
        1 => end().prop_map(|end| Op::TryIo { end }),
        3 => poll().prop_map(|poll| Op::Wake { poll }),
    ]
}

fn observation() -> impl Strategy<Value = Op> {
    let sleepers = prop_oneof![2 => Just(None), 1 => poll().prop_map(Some)];
    let act = prop_oneof![
        6 => len().prop_map(Act::Write),
        2 => Just(Act::EndWriting),
        1 => Just(Act::Reset),
        1 => Just(Act::Wake),
    ];
    prop_oneof![
        12 => (poll(), capacity(), timeout()).prop_map(|(poll, capacity, timeout)| {
            Op::Poll { poll, capacity, timeout }
        }),
        6 => (poll(), capacity()).prop_map(|(poll, capacity)| Op::Collect { poll, capacity }),
        1 => (sleepers, end(), act).prop_map(|(poll, end, act)| Op::Sleep { poll, end, act }),
        1 => poll().prop_map(|poll| Op::Storm { poll }),
        1 => poll().prop_map(|poll| Op::PollNothing { poll }),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => create(),
        9 => registration(),
        2 => (end(), any::<bool>()).prop_map(|(end, tidily)| Op::Drop { end, tidily }),
        1 => end().prop_map(|end| Op::Reset { end }),
        18 => transfer(),
        16 => observation(),
    ]
}

/// Any script.
pub fn scripts() -> impl Strategy<Value = Script> {
    let created = prop::collection::vec(create(), 1..6);
    let registered = prop::collection::vec(register(), 1..8);
    let rest = prop::collection::vec(op(), 1..120);
    (created, registered, rest)
        .prop_map(|(created, registered, rest)| Script([created, registered, rest].concat()))
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, op) in self.0.iter().enumerate() {
            writeln!(f, "{number:4}  {op}")?;
        }
        Ok(())
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.clone {
            0 => write!(f, "poll {}", self.poll),
            clone => write!(f, "poll {}, by clone {clone}", self.poll),
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let watched = [(self.read, "R"), (self.write, "W"), (self.end, "END")];
        let watched: Vec<&str> = (watched.iter()).filter(|it| it.0).map(|it| it.1).collect();
        let exclusive = if self.exclusive { " exclusive" } else { "" };
        write!(f, "{} {:?}{exclusive}", watched.join("|"), self.mode)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Op::*;
        match *self {
            Create { pair, kind } => write!(f, "pair {pair} is made: {kind:?}"),
            Register {
                end,
                at,
                token,
                asked,
            } => {
                write!(
                    f,
                    "{}: register with {at}, token {token}, {asked}",
                    name_of(end)
                )
            }
            Reregister {
                end,
                at,
                token,
                asked,
            } => {
                write!(
                    f,
                    "{}: reregister with {at}, token {token}, {asked}",
                    name_of(end)
                )
            }
            Deregister { end, at } => write!(f, "{}: deregister from {at}", name_of(end)),
            Move { end, token, asked } => {
                write!(
                    f,
                    "{}: move to the other poll, token {token}, {asked}",
                    name_of(end)
                )
            }
            Share { pair, token, asked } => {
                write!(
                    f,
                    "pair {pair}: register with a poll each, token {token}, {asked}"
                )
            }
            Drop { end, tidily: true } => write!(f, "{}: deregister and drop", name_of(end)),
            Drop { end, .. } => write!(f, "{}: drop", name_of(end)),
            Reset { end } => write!(f, "{}: reset", name_of(end)),
            Shutdown { end, read, write } => {
                write!(f, "{}: shut down, read {read}, write {write}", name_of(end))
            }
            Write { end, len } => write!(f, "{}: write {len}", name_of(end)),
            Fill { end } => write!(f, "{}: write until it would block", name_of(end)),
            Read { end, len } => write!(f, "{}: read {len}", name_of(end)),
            ReadAll { end } => write!(f, "{}: read just what has come", name_of(end)),
            Drain { end } => write!(f, "{}: read until it would block", name_of(end)),
            Peek { end, len } => write!(f, "{}: peek {len}", name_of(end)),
            TakeError { end } => write!(f, "{}: take the error", name_of(end)),
            Ask { end } => write!(f, "{}: ask whether it is connected", name_of(end)),
            TryIo { end } => write!(f, "{}: try_io that would block", name_of(end)),
            CloneRegistry { at } => write!(f, "clone the registry: {at}"),
            DropRegistry { at } => write!(f, "drop the registry: {at}"),
            MakeWaker { at, token } => write!(f, "make a waker of {at}, token {token}"),
            DropWaker { poll } => write!(f, "drop the waker of poll {poll}"),
            Wake { poll } => write!(f, "wake poll {poll}"),
            Poll {
                poll,
                capacity,
                timeout,
            } => {
                write!(f, "poll {poll}, room for {capacity}, timeout {timeout:?}")
            }
            Collect { poll, capacity } => {
                write!(f, "poll {poll} until nothing is due, room for {capacity}")
            }
            Sleep { poll, end, act } => {
                let polls = poll.map_or("all polls sleep".into(), |it| format!("poll {it} sleeps"));
                write!(f, "{polls}; meanwhile {}: {act:?}", name_of(end))
            }
            Storm { poll } => write!(f, "wake and poll {poll} many times, room for 1"),
            PollNothing { poll } => write!(f, "poll {poll}, no room"),
        }
    }
}
