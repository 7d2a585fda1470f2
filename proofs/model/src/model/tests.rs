use std::time::Duration;

use super::*;

const READABLE: Level = Level {
    readable: true,
    writable: false,
    read_hang_up: false,
    hang_up: false,
    error: false,
};

const TOKEN: usize = 3;

const EVENT: Told = Told {
    token: TOKEN,
    readable: true,
    writable: false,
    read_closed: false,
    write_closed: false,
    error: false,
    other: false,
};

fn asked(mode: Mode) -> Asked {
    Asked {
        read: true,
        write: false,
        end: false,
        mode,
        exclusive: false,
    }
}

/// A model in which data have come for the first source of a pair, which is
/// registered.
fn with_data(mode: Mode) -> Model {
    with_data_on(Backend::EPOLL, mode)
}

fn with_data_on(backend: Backend, mode: Mode) -> Model {
    let mut model = Model::new(backend);
    model.create(0, Kind::UnixStream);
    assert_eq!(model.register(0, 0, TOKEN, asked(mode)), Verdict::Succeeds);
    model.sent(1, Outcome::Moved(5));
    model.observe(&levels(READABLE));
    model
}

fn levels(first: Level) -> Levels {
    let mut levels = Levels::default();
    levels[0] = Some(first);
    levels
}

fn read(model: &mut Model, wanted: usize, outcome: Outcome, after: Level) {
    model.took(0, false, wanted, outcome).unwrap();
    model.observe(&levels(after));
    model.read(0, false, wanted, outcome);
}

/// A poll that looks, and has room for `capacity`.
fn look(model: &mut Model, capacity: usize, told: &[Told]) -> Result<(), Wrong> {
    look_for(model, Duration::ZERO, capacity, told)
}

fn look_for(
    model: &mut Model,
    timeout: Duration,
    capacity: usize,
    told: &[Told],
) -> Result<(), Wrong> {
    let now = model.sources[0].as_ref().unwrap().level;
    let polled = Polled {
        capacity,
        timeout: Some(timeout),
        elapsed: timeout,
        told: told.to_vec(),
        before: None,
    };
    model.polled(0, &polled, &levels(now))
}

#[track_caller]
fn rejects(result: Result<(), Wrong>, why: &str) {
    let wrong = result.expect_err("it is to be rejected");
    assert!(wrong.contains(why), "{wrong}");
}

#[test]
fn what_is_owed_must_come_if_there_is_room() {
    rejects(look(&mut with_data(Mode::Edge), 4, &[]), "not reported");
    look(&mut with_data(Mode::Edge), 4, &[EVENT]).unwrap();
}

#[test]
fn an_edge_is_paid_once_and_a_level_by_every_poll() {
    let mut edge = with_data(Mode::Edge);
    look(&mut edge, 4, &[EVENT]).unwrap();
    look(&mut edge, 4, &[]).unwrap();
    let mut level = with_data(Mode::Level);
    look(&mut level, 4, &[EVENT]).unwrap();
    rejects(look(&mut level, 4, &[]), "not reported");
}

#[test]
fn after_a_short_read_the_next_data_are_owed_and_after_a_full_one_they_are_not() {
    for (wanted, is_owed) in [(10, true), (5, false)] {
        let mut model = with_data(Mode::Edge);
        look(&mut model, 4, &[EVENT]).unwrap();
        read(&mut model, wanted, Outcome::Moved(5), Level::default());
        model.sent(1, Outcome::Moved(1));
        model.observe(&levels(READABLE));
        assert_eq!(model.is_owed(0), is_owed);
        look(&mut model, 4, &[EVENT]).unwrap();
    }
}

#[test]
fn nothing_comes_without_reason() {
    let nobodys = Told { token: 9, ..EVENT };
    rejects(
        look(&mut with_data(Mode::Edge), 4, &[EVENT, nobodys]),
        "nobody's",
    );
    rejects(
        look(&mut with_data(Mode::Edge), 4, &[EVENT, EVENT]),
        "2 events of 1",
    );
    for (wrong, why) in [
        (
            Told {
                writable: true,
                ..EVENT
            },
            "not asked for",
        ),
        (
            Told {
                read_closed: true,
                ..EVENT
            },
            "reading has not ended",
        ),
        (
            Told {
                write_closed: true,
                ..EVENT
            },
            "writing has not ended",
        ),
        (
            Told {
                error: true,
                ..EVENT
            },
            "nothing to fail",
        ),
        (
            Told {
                readable: false,
                ..EVENT
            },
            "nothing at all",
        ),
    ] {
        rejects(look(&mut with_data(Mode::Edge), 4, &[wrong]), why);
    }
    let mut model = with_data(Mode::Level);
    read(&mut model, 10, Outcome::Moved(5), Level::default());
    rejects(look(&mut model, 4, &[EVENT]), "nothing to read");
    assert_eq!(model.deregister(0, 0), Verdict::Succeeds);
    rejects(look(&mut model, 4, &[EVENT]), "nobody's");
}

#[test]
fn a_one_shot_fires_once() {
    let mut model = with_data(Mode::Oneshot);
    look(&mut model, 4, &[EVENT]).unwrap();
    rejects(look(&mut model, 4, &[EVENT]), "has fired");
    model.reregister(0, 0, TOKEN, asked(Mode::Oneshot));
    assert!(model.is_owed(0));
}

#[test]
fn an_edge_is_not_repeated_without_end() {
    let mut model = with_data(Mode::Edge);
    let told = (0..10).map(|_| look(&mut model, 4, &[EVENT]));
    rejects(told.collect(), "without end");
}

#[test]
fn wakes_are_owed_one_by_one() {
    let mut model = Model::new(Backend::EPOLL);
    model.create(0, Kind::Pipe);
    model.observe(&levels(Level::default()));
    model.make_waker(0, TOKEN);
    rejects(look(&mut model, 4, &[EVENT]), "nobody woke");
    model.wake(0);
    model.wake(0);
    rejects(look(&mut model, 4, &[]), "not reported");
    look(&mut model, 4, &[EVENT]).unwrap();
    rejects(look(&mut model, 4, &[EVENT]), "nobody woke");
}

/// Whoever is served by every poll keeps nobody else out of a small `Events`.
#[test]
fn nobody_starves() {
    let mut model = with_data(Mode::Level);
    model.make_waker(0, 9);
    model.wake(0);
    let told = (0..20).map(|_| look(&mut model, 1, &[EVENT]));
    rejects(told.collect(), "starves");
}

#[test]
fn a_packet_is_owed_to_who_waits_for_it() {
    let mut model = with_data_on(Backend::AFD, Mode::Edge);
    look(&mut model, 4, &[]).unwrap();
    assert!(model.is_owed(0));
    let long = Backend::AFD.long_enough();
    rejects(look_for(&mut model, long, 4, &[]), "not reported");
    look_for(&mut model, long, 4, &[EVENT]).unwrap();
    rejects(look(&mut model, 4, &[EVENT]), "was told before");
    model.make_waker(0, 9);
    model.wake(0);
    rejects(look(&mut model, 4, &[]), "not reported");
}

#[test]
fn a_packet_may_tell_what_is_no_more_once() {
    for (backend, is_late) in [(Backend::AFD, true), (Backend::POLL, false)] {
        let mut model = with_data_on(backend, Mode::Level);
        read(&mut model, 10, Outcome::Moved(5), Level::default());
        if is_late {
            look(&mut model, 4, &[EVENT]).unwrap();
        }
        rejects(look(&mut model, 4, &[EVENT]), "nothing to read");
    }
}

/// Wine loses them, to a client that uses nothing but Winsock, too.
#[test]
fn the_rest_of_a_write_may_be_lost_where_the_receiver_has_shut_down_its_own() {
    const BULK: usize = 16 * 1024;
    let writing = [false, true];
    for (backend, loses) in [(Backend::AFD, true), (Backend::POLL, false)] {
        for shuts_first in [false, true] {
            let mut model = Model::new(backend);
            model.create(0, Kind::Tcp);
            if shuts_first {
                model.shutdown(0, writing, &Levels::default());
            }
            model.sent(1, Outcome::Moved(BULK));
            if !shuts_first {
                model.shutdown(0, writing, &Levels::default());
            }
            model.shutdown(1, writing, &Levels::default());
            model.observe(&levels(READABLE));
            let end = model.took(0, false, BULK, Outcome::Moved(0));
            assert_eq!(end.is_ok(), loses, "{backend:?}, {shuts_first}");
        }
    }
}

#[test]
fn an_empty_poll_takes_its_time() {
    let mut model = with_data(Mode::Edge);
    read(&mut model, 10, Outcome::Moved(5), Level::default());
    let after = levels(Level::default());
    let mut polled = Polled {
        capacity: 1,
        timeout: Some(Duration::from_millis(2)),
        elapsed: Duration::from_millis(1),
        told: Vec::new(),
        before: None,
    };
    rejects(model.polled(0, &polled, &after), "came back empty");
    polled.elapsed = Duration::from_millis(2);
    model.polled(0, &polled, &after).unwrap();
}

const AT_ITS_END: Level = Level {
    read_hang_up: true,
    ..READABLE
};

const END_EVENT: Told = Told {
    read_closed: true,
    ..EVENT
};

/// What becomes of the peer is observed.
fn ends(model: &mut Model, after: Level) {
    model.shutdown(1, [false, true], &Levels::default());
    model.observe(&levels(after));
}

#[test]
fn the_end_behind_data_that_were_told_is_owed_once_whatever_was_read() {
    for backend in [Backend::EPOLL, Backend::POLL, Backend::KQUEUE, Backend::AFD] {
        for taken in [0, 3, 5] {
            let mut model = with_data_on(backend, Mode::Edge);
            look(&mut model, 4, &[EVENT]).unwrap();
            if taken > 0 {
                let left = if taken < 5 {
                    READABLE
                } else {
                    Level::default()
                };
                read(&mut model, taken, Outcome::Moved(taken), left);
            }
            ends(&mut model, AT_ITS_END);
            assert!(model.is_owed(0), "{taken} on {backend:?}");
            let long = backend.long_enough();
            rejects(look_for(&mut model, long, 4, &[]), "not reported");
            look(&mut model, 4, &[END_EVENT]).unwrap();
            assert!(!model.is_owed(0));
        }
    }
}

#[test]
fn an_end_that_was_told_is_no_news_to_who_reads_up_to_it() {
    for outcome in [Outcome::Moved(5), Outcome::WouldBlock] {
        let mut model = with_data_on(Backend::POLL, Mode::Edge);
        ends(&mut model, AT_ITS_END);
        look(&mut model, 4, &[END_EVENT]).unwrap();
        model.sources[0].as_mut().unwrap().is_exact = false;
        read(&mut model, 10, outcome, AT_ITS_END);
        rejects(look(&mut model, 4, &[END_EVENT]), "told before");
        rejects(look(&mut model, 4, &[EVENT]), "told before");
    }
}

/// Who waits for a direction must try it to learn of an error, told or not.
#[test]
fn an_error_is_told_with_directions_that_were_told() {
    let error = Level {
        error: true,
        ..READABLE
    };
    let told = Told {
        error: true,
        write_closed: true,
        ..EVENT
    };
    let mut model = with_data_on(Backend::POLL, Mode::Edge);
    look(&mut model, 4, &[EVENT]).unwrap();
    model.close(1, true);
    model.observe(&levels(error));
    rejects(look(&mut model, 4, &[]), "not reported");
    look(&mut model, 4, &[told]).unwrap();
    rejects(look(&mut model, 4, &[told]), "told before");
    // What takes it has the next one told; what fails otherwise may.
    read(&mut model, 10, Outcome::Failed, READABLE);
    model.observe(&levels(error));
    rejects(look(&mut model, 4, &[]), "not reported");
    look(&mut model, 4, &[told]).unwrap();
    read(&mut model, 10, Outcome::Failed, error);
    look(&mut model, 4, &[]).unwrap();
    look(&mut model, 4, &[told]).unwrap();
}

#[test]
fn a_failure_of_which_nothing_was_told_arms_no_data() {
    let mut model = with_data_on(Backend::POLL, Mode::Edge);
    look(&mut model, 4, &[EVENT]).unwrap();
    model.sources[0].as_mut().unwrap().is_exact = false;
    read(&mut model, 10, Outcome::Failed, READABLE);
    rejects(look(&mut model, 4, &[EVENT]), "told before");
}

#[test]
fn an_attempt_to_connect_starts_afresh() {
    let mut model = Model::new(Backend::POLL);
    model.create(0, Kind::Unconnected);
    assert_eq!(
        model.register(0, 0, TOKEN, asked(Mode::Edge)),
        Verdict::Succeeds
    );
    let hung_up = Level {
        hang_up: true,
        ..Level::default()
    };
    let told = Told {
        write_closed: true,
        ..END_EVENT
    };
    model.observe(&levels(hung_up));
    look(&mut model, 4, &[told]).unwrap();
    read(&mut model, 10, Outcome::Failed, hung_up);
    rejects(look(&mut model, 4, &[told]), "told before");
    model.dialed(0);
    model.observe(&levels(Level::default()));
    model.sent(1, Outcome::Moved(5));
    model.observe(&levels(READABLE));
    rejects(look(&mut model, 4, &[]), "not reported");
    look(&mut model, 4, &[EVENT]).unwrap();
}

#[test]
fn a_pipe_without_a_reader_may_be_refused() {
    let strict = Backend {
        refuses_level_without_reader: true,
        ..Backend::KQUEUE
    };
    for (mode, verdict) in [
        (Mode::Level, Verdict::BrokenPipe),
        (Mode::Edge, Verdict::Succeeds),
    ] {
        let mut model = Model::new(strict);
        model.create(0, Kind::Pipe);
        model.close(1, false);
        let asked = Asked {
            write: true,
            ..asked(mode)
        };
        assert_eq!(model.register(0, 0, TOKEN, asked), verdict);
    }
}

#[test]
fn a_packet_of_an_error_may_know_of_nothing_else() {
    for backend in [Backend::AFD, Backend::POLL] {
        let mut model = with_data_on(backend, Mode::Edge);
        model.close(1, true);
        model.observe(&levels(Level {
            error: true,
            ..READABLE
        }));
        let told = Told {
            error: true,
            ..EVENT
        };
        look(&mut model, 4, &[told]).unwrap();
        rejects(look(&mut model, 4, &[told]), "told before");
        let readable = look(&mut model, 4, &[EVENT]);
        assert_eq!(readable.is_ok(), backend.by_packets, "{readable:?}");
    }
}

#[test]
fn who_makes_up_that_it_would_block_is_told_nothing_again() {
    let hung_up = Level {
        read_hang_up: true,
        hang_up: true,
        ..READABLE
    };
    let told = Told {
        write_closed: true,
        ..END_EVENT
    };
    for backend in [Backend::AFD, Backend::POLL] {
        let mut model = with_data_on(backend, Mode::Edge);
        model.close(1, false);
        model.observe(&levels(hung_up));
        look(&mut model, 4, &[told]).unwrap();
        model.tried_both(0, Outcome::WouldBlock);
        rejects(look(&mut model, 4, &[told]), "told before");
    }
}

const END_ALONE: Asked = Asked {
    read: false,
    write: false,
    end: true,
    mode: Mode::Edge,
    exclusive: false,
};

/// A model in which data have come for a source that is watched for its end.
fn with_data_before_the_end(backend: Backend, kind: Kind) -> Model {
    let mut model = Model::new(backend);
    model.create(0, kind);
    assert_eq!(model.register(0, 0, TOKEN, END_ALONE), Verdict::Succeeds);
    model.sent(1, Outcome::Moved(5));
    model.observe(&levels(READABLE));
    model
}

/// Who asks for the end alone is not told of data, but of the end behind them.
#[test]
fn the_end_alone_is_no_data() {
    for backend in [Backend::EPOLL, Backend::POLL, Backend::KQUEUE, Backend::AFD] {
        let mut model = with_data_before_the_end(backend, Kind::UnixStream);
        assert!(!model.is_owed(0), "{backend:?}");
        rejects(look(&mut model, 4, &[EVENT]), "data were not asked for");
        look(&mut model, 4, &[]).unwrap();
        ends(&mut model, AT_ITS_END);
        assert!(model.is_owed(0), "{backend:?}");
        let long = backend.long_enough();
        rejects(look_for(&mut model, long, 4, &[]), "not reported");
        let told = Told {
            readable: backend.end_is_readable,
            ..END_EVENT
        };
        look(&mut model, 4, &[told]).unwrap();
        assert!(!model.is_owed(0));
        model.reregister(0, 0, TOKEN, END_ALONE);
        assert!(model.is_owed(0), "{backend:?}");
    }
}

#[test]
fn reading_does_not_arm_data_that_were_not_asked_for() {
    let mut model = with_data_before_the_end(Backend::POLL, Kind::UnixStream);
    read(&mut model, 10, Outcome::Moved(5), Level::default());
    model.sent(1, Outcome::Moved(1));
    model.observe(&levels(READABLE));
    assert!(!model.is_owed(0));
    rejects(look(&mut model, 4, &[EVENT]), "data were not asked for");
}

/// What the end is of a datagram socket is not promised.
#[test]
fn the_end_of_what_is_no_stream_may_be_anything() {
    let mut model = with_data_before_the_end(Backend::KQUEUE, Kind::Udp);
    assert!(!model.is_owed(0));
    look(&mut model, 4, &[EVENT]).unwrap();
}

#[test]
fn a_pipe_may_have_no_mark() {
    let lax = Backend {
        end_alone_is_for_sockets: true,
        ..Backend::KQUEUE
    };
    for (kind, is_told) in [(Kind::Pipe, true), (Kind::UnixStream, false)] {
        // The end that reads is the second one of a pipe.
        let mut model = Model::new(lax);
        model.create(0, kind);
        assert_eq!(model.register(1, 0, TOKEN, END_ALONE), Verdict::Succeeds);
        model.sent(0, Outcome::Moved(5));
        let mut after = Levels::default();
        after[1] = Some(READABLE);
        model.observe(&after);
        let polled = Polled {
            capacity: 4,
            timeout: Some(Duration::ZERO),
            elapsed: Duration::ZERO,
            told: vec![EVENT],
            before: None,
        };
        assert_eq!(model.polled(0, &polled, &after).is_ok(), is_told);
        assert!(!model.is_owed(0));
    }
}

#[test]
fn what_a_system_cannot_watch_is_refused_and_changes_nothing() {
    let [exclusive, oneshot] = [Mode::Edge, Mode::Oneshot].map(|mode| Asked {
        exclusive: true,
        ..asked(mode)
    });
    let of_end = Asked {
        end: true,
        ..exclusive
    };
    for (backend, asked, verdict) in [
        (Backend::PORT, END_ALONE, Verdict::InvalidInput),
        (Backend::EPOLL, of_end, Verdict::InvalidInput),
        (Backend::EPOLL, oneshot, Verdict::InvalidInput),
        (Backend::EPOLL, exclusive, Verdict::Succeeds),
        (Backend::POLL, of_end, Verdict::Succeeds),
        (Backend::PORT, of_end, Verdict::Succeeds),
    ] {
        let mut model = with_data_on(backend, Mode::Level);
        assert_eq!(model.reregister(0, 0, 9, asked), verdict, "{asked}");
        if verdict == Verdict::InvalidInput {
            look(&mut model, 4, &[EVENT]).unwrap();
        }
        if backend.knows_registrations {
            let again = model.register(0, 0, TOKEN, asked);
            assert_eq!(again == Verdict::Fails, verdict == Verdict::InvalidInput);
        }
    }
}

/// A model in which a client has connected to a listener with two handles, each of which is
/// registered with a poll of its own.
fn shared(backend: Backend, mode: Mode) -> Model {
    let mut model = Model::new(backend);
    model.create(0, Kind::Shared);
    for poll in 0..POLLS {
        let asked = Asked {
            exclusive: true,
            ..asked(mode)
        };
        assert_eq!(model.register(poll, poll, TOKEN, asked), Verdict::Succeeds);
    }
    model.observe(&both(Level::default()));
    model.connected(0);
    model.observe(&both(READABLE));
    model
}

fn both(level: Level) -> Levels {
    let mut levels = Levels::default();
    levels[..2].fill(Some(level));
    levels
}

fn look_at(model: &mut Model, poll: usize, told: &[Told]) -> Result<(), Wrong> {
    let polled = Polled {
        capacity: 4,
        timeout: Some(Duration::ZERO),
        elapsed: Duration::ZERO,
        told: told.to_vec(),
        before: None,
    };
    model.polled(poll, &polled, &both(READABLE))
}

#[test]
fn of_those_who_share_one_at_least_is_told() {
    for mode in [Mode::Edge, Mode::Level] {
        for told in [0, 1] {
            let mut model = shared(Backend::EPOLL, mode);
            assert!(!model.is_owed(0) && !model.is_owed(1));
            assert_eq!(model.due_to_one(0, &[0, 1]), [0, 1]);
            assert_eq!(model.due_to_one(0, &[1]), [1]);
            look_at(&mut model, told, &[EVENT]).unwrap();
            look_at(&mut model, 1 - told, &[]).unwrap();
            // A level is told by every poll to whom it was told.
            assert_eq!(model.is_owed(told), mode == Mode::Level);
            let mut model = shared(Backend::EPOLL, mode);
            look_at(&mut model, told, &[]).unwrap();
            assert!(model.is_owed(1 - told));
            rejects(look_at(&mut model, 1 - told, &[]), "not reported");
            look_at(&mut model, 1 - told, &[EVENT]).unwrap();
            // Both may be.
            look_at(&mut model, told, &[EVENT]).unwrap();
        }
    }
}

#[test]
fn who_asks_anew_is_told_whoever_else_was() {
    let mut model = shared(Backend::EPOLL, Mode::Edge);
    look_at(&mut model, 0, &[EVENT]).unwrap();
    let exclusive = Asked {
        exclusive: true,
        ..asked(Mode::Edge)
    };
    assert_eq!(model.reregister(1, 1, TOKEN, exclusive), Verdict::Succeeds);
    rejects(look_at(&mut model, 1, &[]), "not reported");
}

#[test]
fn elsewhere_all_who_share_are_told() {
    for backend in [Backend::POLL, Backend::KQUEUE] {
        let mut model = shared(backend, Mode::Edge);
        for poll in 0..POLLS {
            rejects(look_at(&mut model, poll, &[]), "not reported");
            look_at(&mut model, poll, &[EVENT]).unwrap();
        }
    }
}

/// It is not known whether it came back before or after what happened.
#[test]
fn who_sleeps_may_be_told_of_what_was_and_of_what_is() {
    let polled = Polled {
        capacity: 4,
        timeout: None,
        elapsed: Duration::ZERO,
        told: vec![EVENT],
        before: Some(levels(READABLE)),
    };
    let mut model = with_data(Mode::Level);
    read(&mut model, 10, Outcome::Moved(5), Level::default());
    model.polled(0, &polled, &levels(Level::default())).unwrap();
    let mut model = with_data(Mode::Edge);
    model.make_waker(0, 9);
    model.wake(0);
    let told = vec![Told { token: 9, ..EVENT }];
    let polled = Polled { told, ..polled };
    model.polled(0, &polled, &levels(READABLE)).unwrap();
    assert!(model.is_owed(0));
}

/// A waker is to have a token of its own. If it has not, a wake may be told twice, also by one poll.
#[test]
fn a_wake_may_be_told_twice_if_a_source_has_its_token() {
    for (token, is_right) in [(TOKEN, true), (9, false)] {
        let mut model = with_data(Mode::Level);
        model.make_waker(0, token);
        model.wake(0);
        let wake = Told { token, ..EVENT };
        assert_eq!(look(&mut model, 4, &[EVENT, wake, wake]).is_ok(), is_right);
    }
    let mut model = with_data(Mode::Level);
    model.make_waker(0, TOKEN);
    model.wake(0);
    rejects(look(&mut model, 4, &[EVENT]), "not reported");
    rejects(look(&mut model, 5, &[EVENT; 4]), "4 events of 3");
}
