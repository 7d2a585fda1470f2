//! In what the backends differ.

use std::time::Duration;

use super::source::Source;
use super::terms::{Asked, Condition, Direction, Kind};

/// How much is unread at least where a buffer is full.
const MUCH: usize = 32 * 1024;

/// In what the backends differ, and are allowed to.
#[derive(Copy, Clone, Debug)]
pub struct Backend {
    /// Each direction has events of its own, which say nothing of the other one.
    pub one_event_per_direction: bool,
    /// Edges are made by the library: an event tells of no direction that is not armed.
    pub tells_only_news: bool,
    /// A one-shot source is silent altogether once it has told of one direction.
    pub oneshot_silences_both: bool,
    /// A direction that is asked for is told as ready with every error or hang-up.
    pub failure_is_readiness: bool,
    /// Whether an error is told only while poll(2) says so.
    pub error_is_exact: bool,
    /// It is told that something is registered already, or not at all.
    pub knows_registrations: bool,
    /// The same for a registration with another poll.
    pub knows_other_polls: bool,
    /// A TCP socket that is neither connected nor listens counts as hung up.
    pub tells_of_unused: bool,
    /// The end of what the peer sends is told as such, and not only as something to read.
    pub tells_half_close: bool,
    /// Who asks for the end alone is told to read, too.
    pub end_is_readable: bool,
    /// Who asks for the end alone is told of data in pipes nevertheless.
    pub end_alone_is_for_sockets: bool,
    /// The same of so many data that a buffer may be full.
    pub end_alone_knows_full_buffers: bool,
    /// Exclusive registrations are different: of several polls that share an object, one at least
    /// is told. They are for data and room, not for the end, do not know a socket from a pipe, and
    /// are no one-shots. Elsewhere they are like others.
    pub knows_exclusive: bool,
    /// The source's own shutdown is told.
    pub tells_own_shutdowns: bool,
    /// An operation that fails has taken the pending error off the source.
    pub failure_takes_error: bool,
    /// A pipe that nobody reads any more cannot be registered as level-triggered. Otherwise
    /// something stands in for its filter, which tells once, and outlives the descriptor.
    pub refuses_level_without_reader: bool,
    /// Readiness comes in packets: some time after it is there, and it may be gone by then.
    pub by_packets: bool,
    /// The end of a stream is not to be seen before all data were read.
    pub end_is_behind_data: bool,
    /// Wine's doing, where Windows is told not to report it: a datagram that found no receiver
    /// may be told as a connection that failed, of which nothing more is to be heard.
    pub refusal_is_the_end: bool,
    /// Wine's doing: it takes a whole write where there is room for a part of it, and loses
    /// the rest when the socket is closed, or when a poll sees that its peer has shut down writing.
    pub loses_the_rest: bool,
}

impl Backend {
    pub const EPOLL: Backend = Backend {
        one_event_per_direction: false,
        tells_only_news: false,
        oneshot_silences_both: true,
        failure_is_readiness: false,
        error_is_exact: true,
        knows_registrations: true,
        knows_other_polls: cfg!(debug_assertions),
        tells_of_unused: true,
        tells_half_close: true,
        end_is_readable: false,
        end_alone_is_for_sockets: false,
        end_alone_knows_full_buffers: false,
        knows_exclusive: true,
        tells_own_shutdowns: true,
        failure_takes_error: true,
        refuses_level_without_reader: false,
        by_packets: false,
        end_is_behind_data: false,
        refusal_is_the_end: false,
        loses_the_rest: false,
    };

    pub const POLL: Backend = Backend {
        tells_only_news: true,
        failure_is_readiness: true,
        knows_other_polls: true,
        end_is_readable: true,
        knows_exclusive: false,
        ..Backend::EPOLL
    };

    /// Its edges are those of poll(2).
    pub const PORT: Backend = Backend {
        tells_half_close: false,
        by_packets: true,
        ..Backend::POLL
    };

    pub const KQUEUE: Backend = Backend {
        one_event_per_direction: true,
        tells_of_unused: false,
        oneshot_silences_both: false,
        failure_is_readiness: true,
        error_is_exact: false,
        knows_registrations: cfg!(debug_assertions),
        end_is_readable: true,
        knows_exclusive: false,
        ..Backend::EPOLL
    };

    /// Its edges are those of poll(2).
    pub const AFD: Backend = Backend {
        tells_own_shutdowns: false,
        failure_takes_error: false,
        by_packets: true,
        end_is_behind_data: true,
        refusal_is_the_end: true,
        loses_the_rest: true,
        ..Backend::POLL
    };

    /// Whether the condition is told as such, and not only by the others.
    pub(super) fn promises(
        &self,
        direction: Direction,
        condition: Condition,
        source: &Source,
        asked: Asked,
    ) -> bool {
        match condition {
            Condition::Ready => true,
            Condition::End => self.tells_half_close && !(self.knows_exclusive && asked.exclusive),
            // An event of one direction has one flag for its ends, whichever they are.
            Condition::HangUp if self.one_event_per_direction => match direction {
                Direction::Read => asked.is_end_alone() && !source.level.read_hang_up,
                Direction::Write => !source.has_shut[Direction::Write as usize],
            },
            Condition::HangUp => true,
            Condition::Error => self.error_is_exact,
        }
    }

    /// Whether who asks for the end alone may be told of data.
    pub(super) fn tells_data(&self, source: &Source) -> bool {
        let is_much = source.unread.iter().sum::<usize>() > MUCH;
        self.end_alone_is_for_sockets && source.kind == Kind::Pipe
            || self.end_alone_knows_full_buffers && (is_much || !source.is_exact)
    }

    /// A poll that waits so long, and comes back empty, has nothing to tell.
    pub fn long_enough(&self) -> Duration {
        let millis = if self.by_packets { 2000 } else { 100 };
        Duration::from_millis(millis)
    }
}
