//! The differences between backends.

use std::time::Duration;

use super::source::Source;
use super::terms::{Asked, Condition, Direction, Kind};

/// With less unread data than this, a buffer is not full.
const MUCH: usize = 32 * 1024;

/// The permitted differences between backends.
#[derive(Copy, Clone, Debug)]
pub struct Backend {
    /// Each direction has events of its own, which do not report the other one.
    pub one_event_per_direction: bool,
    /// The library emulates edges: an event reports only conditions that are armed.
    pub emulates_edges: bool,
    /// A one-shot source is silent in both directions once it has reported one.
    pub oneshot_silences_both: bool,
    /// Every error or hang-up is reported with all directions of the interest as ready.
    pub failure_is_readiness: bool,
    /// An error is reported only while poll(2) reports it.
    pub error_is_exact: bool,
    /// Registering a registered source, or changing one that is not registered, is an error.
    pub knows_registrations: bool,
    /// The same for a source that is registered with another poll.
    pub knows_other_polls: bool,
    /// A TCP socket that is neither connected nor listens counts as hung up.
    pub reports_unused: bool,
    /// The end of the peer's data is reported as such, and not only as readable.
    pub reports_half_close: bool,
    /// The end is reported as readable, too, if it is watched alone.
    pub end_is_readable: bool,
    /// If the end is watched alone, data in pipes is reported nevertheless.
    pub end_alone_is_for_sockets: bool,
    /// The same for so much data that a buffer may be full.
    pub end_alone_knows_full_buffers: bool,
    /// Exclusive registrations are different: at least one of several polls that share an object
    /// reports it. They are for data and room, not for the end, do not distinguish a socket from a
    /// pipe, and cannot be one-shot. On other backends they are like others.
    pub knows_exclusive: bool,
    /// The source's own shutdown is reported.
    pub reports_own_shutdowns: bool,
    /// An operation that fails has taken the pending error of the source.
    pub failure_takes_error: bool,
    /// A pipe without a reader cannot be registered as level-triggered. In other modes, a stand-in
    /// for its filter reports once, and outlives the descriptor.
    pub refuses_level_without_reader: bool,
    /// Readiness is reported in packets: some time after it begins, and possibly after it ended.
    pub by_packets: bool,
    /// The end of a stream is not reported before all data has been read.
    pub end_is_behind_data: bool,
    /// A deviation of Wine: a datagram that found no receiver may be reported as a failed
    /// connection, after which the socket is silent. (On Windows the option is turned off.)
    pub refusal_is_the_end: bool,
    /// A deviation of Wine: it accepts a whole write where there is room for a part of it, and
    /// loses the rest when the socket is closed, or when a poll sees that its peer has shut down
    /// writing.
    pub loses_the_rest: bool,
}

impl Backend {
    pub const EPOLL: Backend = Backend {
        one_event_per_direction: false,
        emulates_edges: false,
        oneshot_silences_both: true,
        failure_is_readiness: false,
        error_is_exact: true,
        knows_registrations: true,
        knows_other_polls: cfg!(debug_assertions),
        reports_unused: true,
        reports_half_close: true,
        end_is_readable: false,
        end_alone_is_for_sockets: false,
        end_alone_knows_full_buffers: false,
        knows_exclusive: true,
        reports_own_shutdowns: true,
        failure_takes_error: true,
        refuses_level_without_reader: false,
        by_packets: false,
        end_is_behind_data: false,
        refusal_is_the_end: false,
        loses_the_rest: false,
    };

    pub const POLL: Backend = Backend {
        emulates_edges: true,
        failure_is_readiness: true,
        knows_other_polls: true,
        end_is_readable: true,
        knows_exclusive: false,
        ..Backend::EPOLL
    };

    /// Its edges are those of poll(2).
    pub const PORT: Backend = Backend {
        reports_half_close: false,
        by_packets: true,
        ..Backend::POLL
    };

    pub const KQUEUE: Backend = Backend {
        one_event_per_direction: true,
        reports_unused: false,
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
        reports_own_shutdowns: false,
        failure_takes_error: false,
        by_packets: true,
        end_is_behind_data: true,
        refusal_is_the_end: true,
        loses_the_rest: true,
        ..Backend::POLL
    };

    /// Whether the condition is reported as such, and not only through the others.
    pub(super) fn promises(
        &self,
        direction: Direction,
        condition: Condition,
        source: &Source,
        asked: Asked,
    ) -> bool {
        match condition {
            Condition::Ready => true,
            Condition::End => self.reports_half_close && !(self.knows_exclusive && asked.exclusive),
            // An event of one direction has one flag for its ends, whichever they are.
            Condition::HangUp if self.one_event_per_direction => match direction {
                Direction::Read => asked.is_end_alone() && !source.level.read_hang_up,
                Direction::Write => !source.has_shut[Direction::Write as usize],
            },
            Condition::HangUp => true,
            Condition::Error => self.error_is_exact,
        }
    }

    /// Whether data may be reported although the end is watched alone.
    pub(super) fn reports_data(&self, source: &Source) -> bool {
        let is_much = source.unread.iter().sum::<usize>() > MUCH;
        self.end_alone_is_for_sockets && source.kind == Kind::Pipe
            || self.end_alone_knows_full_buffers && (is_much || !source.is_exact)
    }

    /// A poll that waits for this time and returns empty has nothing to report.
    pub fn long_enough(&self) -> Duration {
        let millis = if self.by_packets { 2000 } else { 100 };
        Duration::from_millis(millis)
    }
}
