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

const EVENT: Reported = Reported {
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

/// A model in which data has arrived for the first source of a pair, which is registered.
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

/// A poll that does not wait, with a buffer for `capacity` events.
fn look(model: &mut Model, capacity: usize, reported: &[Reported]) -> Result<(), Wrong> {
    look_for(model, Duration::ZERO, capacity, reported)
}

fn look_for(
    model: &mut Model,
    timeout: Duration,
    capacity: usize,
    reported: &[Reported],
) -> Result<(), Wrong> {
    let now = model.sources[0].as_ref().unwrap().level;
    let polled = Polled {
        capacity,
        timeout: Some(timeout),
        elapsed: timeout,
        reported: reported.to_vec(),
        before: None,
    };
    model.polled(0, &polled, &levels(now))
}

#[track_caller]
fn rejects(result: Result<(), Wrong>, why: &str) {
    let wrong = result.expect_err("it should be rejected");
    assert!(wrong.contains(why), "{wrong}");
}

#[test]
fn a_due_event_must_be_reported_if_there_is_room() {
    rejects(look(&mut with_data(Mode::Edge), 4, &[]), "not reported");
    look(&mut with_data(Mode::Edge), 4, &[EVENT]).unwrap();
}

#[test]
fn an_edge_is_reported_once_and_a_level_by_every_poll() {
    let mut edge = with_data(Mode::Edge);
    look(&mut edge, 4, &[EVENT]).unwrap();
    look(&mut edge, 4, &[]).unwrap();
    let mut level = with_data(Mode::Level);
    look(&mut level, 4, &[EVENT]).unwrap();
    rejects(look(&mut level, 4, &[]), "not reported");
}

#[test]
fn after_a_short_read_new_data_is_due_and_after_a_full_one_it_is_not() {
    for (wanted, must_report) in [(10, true), (5, false)] {
        let mut model = with_data(Mode::Edge);
        look(&mut model, 4, &[EVENT]).unwrap();
        read(&mut model, wanted, Outcome::Moved(5), Level::default());
        model.sent(1, Outcome::Moved(1));
        model.observe(&levels(READABLE));
        assert_eq!(model.must_report(0), must_report);
        look(&mut model, 4, &[EVENT]).unwrap();
    }
}

#[test]
fn an_event_without_a_cause_is_rejected() {
    let causeless = Reported { token: 9, ..EVENT };
    rejects(
        look(&mut with_data(Mode::Edge), 4, &[EVENT, causeless]),
        "no possible cause",
    );
    rejects(
        look(&mut with_data(Mode::Edge), 4, &[EVENT, EVENT]),
        "2 events of 1",
    );
    for (wrong, why) in [
        (
            Reported {
                writable: true,
                ..EVENT
            },
            "not in the interest",
        ),
        (
            Reported {
                read_closed: true,
                ..EVENT
            },
            "reading has not ended",
        ),
        (
            Reported {
                write_closed: true,
                ..EVENT
            },
            "writing has not ended",
        ),
        (
            Reported {
                error: true,
                ..EVENT
            },
            "nothing to fail",
        ),
        (
            Reported {
                readable: false,
                ..EVENT
            },
            "reports nothing",
        ),
    ] {
        rejects(look(&mut with_data(Mode::Edge), 4, &[wrong]), why);
    }
    let mut model = with_data(Mode::Level);
    read(&mut model, 10, Outcome::Moved(5), Level::default());
    rejects(look(&mut model, 4, &[EVENT]), "nothing to read");
    assert_eq!(model.deregister(0, 0), Verdict::Succeeds);
    rejects(look(&mut model, 4, &[EVENT]), "no possible cause");
}

#[test]
fn a_one_shot_fires_once() {
    let mut model = with_data(Mode::Oneshot);
    look(&mut model, 4, &[EVENT]).unwrap();
    rejects(look(&mut model, 4, &[EVENT]), "has fired");
    model.reregister(0, 0, TOKEN, asked(Mode::Oneshot));
    assert!(model.must_report(0));
}

#[test]
fn an_edge_is_not_repeated_endlessly() {
    let mut model = with_data(Mode::Edge);
    let reported = (0..10).map(|_| look(&mut model, 4, &[EVENT]));
    rejects(reported.collect(), "endlessly");
}

#[test]
fn each_wake_is_reported_once() {
    let mut model = Model::new(Backend::EPOLL);
    model.create(0, Kind::Pipe);
    model.observe(&levels(Level::default()));
    model.make_waker(0, TOKEN);
    rejects(look(&mut model, 4, &[EVENT]), "no wake");
    model.wake(0);
    model.wake(0);
    rejects(look(&mut model, 4, &[]), "not reported");
    look(&mut model, 4, &[EVENT]).unwrap();
    rejects(look(&mut model, 4, &[EVENT]), "no wake");
}

/// A source that every poll reports does not keep others out of a small `Events`.
#[test]
fn no_waker_starves() {
    let mut model = with_data(Mode::Level);
    model.make_waker(0, 9);
    model.wake(0);
    let reported = (0..20).map(|_| look(&mut model, 1, &[EVENT]));
    rejects(reported.collect(), "starves");
}

#[test]
fn a_packet_is_due_in_a_poll_that_waits() {
    let mut model = with_data_on(Backend::AFD, Mode::Edge);
    look(&mut model, 4, &[]).unwrap();
    assert!(model.must_report(0));
    let long = Backend::AFD.long_enough();
    rejects(look_for(&mut model, long, 4, &[]), "not reported");
    look_for(&mut model, long, 4, &[EVENT]).unwrap();
    rejects(look(&mut model, 4, &[EVENT]), "was reported before");
    model.make_waker(0, 9);
    model.wake(0);
    rejects(look(&mut model, 4, &[]), "not reported");
}

#[test]
fn a_packet_may_report_a_condition_that_has_ended_once() {
    for (backend, is_late) in [(Backend::AFD, true), (Backend::POLL, false)] {
        let mut model = with_data_on(backend, Mode::Level);
        read(&mut model, 10, Outcome::Moved(5), Level::default());
        if is_late {
            look(&mut model, 4, &[EVENT]).unwrap();
        }
        rejects(look(&mut model, 4, &[EVENT]), "nothing to read");
    }
}

/// Wine loses it even to a client that uses only Winsock.
#[test]
fn on_wine_the_rest_of_a_write_may_be_lost_after_a_shutdown_of_the_receiver() {
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
fn an_empty_poll_does_not_return_early() {
    let mut model = with_data(Mode::Edge);
    read(&mut model, 10, Outcome::Moved(5), Level::default());
    let after = levels(Level::default());
    let mut polled = Polled {
        capacity: 1,
        timeout: Some(Duration::from_millis(2)),
        elapsed: Duration::from_millis(1),
        reported: Vec::new(),
        before: None,
    };
    rejects(model.polled(0, &polled, &after), "returned empty");
    polled.elapsed = Duration::from_millis(2);
    model.polled(0, &polled, &after).unwrap();
}

const AT_ITS_END: Level = Level {
    read_hang_up: true,
    ..READABLE
};

const END_EVENT: Reported = Reported {
    read_closed: true,
    ..EVENT
};

/// Ends the stream of the first source.
fn ends(model: &mut Model, after: Level) {
    model.shutdown(1, [false, true], &Levels::default());
    model.observe(&levels(after));
}

#[test]
fn the_end_behind_reported_data_is_due_once_whatever_was_read() {
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
            assert!(model.must_report(0), "{taken} on {backend:?}");
            let long = backend.long_enough();
            rejects(look_for(&mut model, long, 4, &[]), "not reported");
            look(&mut model, 4, &[END_EVENT]).unwrap();
            assert!(!model.must_report(0));
        }
    }
}

#[test]
fn a_reported_end_is_not_reported_again_after_reading_up_to_it() {
    for outcome in [Outcome::Moved(5), Outcome::WouldBlock] {
        let mut model = with_data_on(Backend::POLL, Mode::Edge);
        ends(&mut model, AT_ITS_END);
        look(&mut model, 4, &[END_EVENT]).unwrap();
        model.sources[0].as_mut().unwrap().is_exact = false;
        read(&mut model, 10, outcome, AT_ITS_END);
        rejects(look(&mut model, 4, &[END_EVENT]), "reported before");
        rejects(look(&mut model, 4, &[EVENT]), "reported before");
    }
}

/// A program must try a direction to get the error, even if the direction was reported.
#[test]
fn an_error_is_reported_with_directions_that_were_reported() {
    let error = Level {
        error: true,
        ..READABLE
    };
    let reported = Reported {
        error: true,
        write_closed: true,
        ..EVENT
    };
    let mut model = with_data_on(Backend::POLL, Mode::Edge);
    look(&mut model, 4, &[EVENT]).unwrap();
    model.close(1, true);
    model.observe(&levels(error));
    rejects(look(&mut model, 4, &[]), "not reported");
    look(&mut model, 4, &[reported]).unwrap();
    rejects(look(&mut model, 4, &[reported]), "reported before");
    // After the operation that takes it, the next error must be reported; after another failure
    // it may be.
    read(&mut model, 10, Outcome::Failed, READABLE);
    model.observe(&levels(error));
    rejects(look(&mut model, 4, &[]), "not reported");
    look(&mut model, 4, &[reported]).unwrap();
    read(&mut model, 10, Outcome::Failed, error);
    look(&mut model, 4, &[]).unwrap();
    look(&mut model, 4, &[reported]).unwrap();
}

#[test]
fn a_failure_without_a_reported_error_arms_no_data() {
    let mut model = with_data_on(Backend::POLL, Mode::Edge);
    look(&mut model, 4, &[EVENT]).unwrap();
    model.sources[0].as_mut().unwrap().is_exact = false;
    read(&mut model, 10, Outcome::Failed, READABLE);
    rejects(look(&mut model, 4, &[EVENT]), "reported before");
}

#[test]
fn an_attempt_to_connect_arms_everything() {
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
    let reported = Reported {
        write_closed: true,
        ..END_EVENT
    };
    model.observe(&levels(hung_up));
    look(&mut model, 4, &[reported]).unwrap();
    read(&mut model, 10, Outcome::Failed, hung_up);
    rejects(look(&mut model, 4, &[reported]), "reported before");
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
fn a_packet_with_an_error_may_contain_nothing_else() {
    for backend in [Backend::AFD, Backend::POLL] {
        let mut model = with_data_on(backend, Mode::Edge);
        model.close(1, true);
        model.observe(&levels(Level {
            error: true,
            ..READABLE
        }));
        let reported = Reported {
            error: true,
            ..EVENT
        };
        look(&mut model, 4, &[reported]).unwrap();
        rejects(look(&mut model, 4, &[reported]), "reported before");
        let readable = look(&mut model, 4, &[EVENT]);
        assert_eq!(readable.is_ok(), backend.by_packets, "{readable:?}");
    }
}

#[test]
fn a_closure_that_makes_up_a_would_block_arms_nothing_that_was_reported() {
    let hung_up = Level {
        read_hang_up: true,
        hang_up: true,
        ..READABLE
    };
    let reported = Reported {
        write_closed: true,
        ..END_EVENT
    };
    for backend in [Backend::AFD, Backend::POLL] {
        let mut model = with_data_on(backend, Mode::Edge);
        model.close(1, false);
        model.observe(&levels(hung_up));
        look(&mut model, 4, &[reported]).unwrap();
        model.tried_both(0, Outcome::WouldBlock);
        rejects(look(&mut model, 4, &[reported]), "reported before");
    }
}

const END_ALONE: Asked = Asked {
    read: false,
    write: false,
    end: true,
    mode: Mode::Edge,
    exclusive: false,
};

/// A model in which data has arrived for a source that is watched for its end alone.
fn with_data_before_the_end(backend: Backend, kind: Kind) -> Model {
    let mut model = Model::new(backend);
    model.create(0, kind);
    assert_eq!(model.register(0, 0, TOKEN, END_ALONE), Verdict::Succeeds);
    model.sent(1, Outcome::Moved(5));
    model.observe(&levels(READABLE));
    model
}

/// With an interest in the end alone, data is not reported, but the end behind it is.
#[test]
fn an_interest_in_the_end_alone_reports_no_data() {
    for backend in [Backend::EPOLL, Backend::POLL, Backend::KQUEUE, Backend::AFD] {
        let mut model = with_data_before_the_end(backend, Kind::UnixStream);
        assert!(!model.must_report(0), "{backend:?}");
        rejects(look(&mut model, 4, &[EVENT]), "data is not in the interest");
        look(&mut model, 4, &[]).unwrap();
        ends(&mut model, AT_ITS_END);
        assert!(model.must_report(0), "{backend:?}");
        let long = backend.long_enough();
        rejects(look_for(&mut model, long, 4, &[]), "not reported");
        let reported = Reported {
            readable: backend.end_is_readable,
            ..END_EVENT
        };
        look(&mut model, 4, &[reported]).unwrap();
        assert!(!model.must_report(0));
        model.reregister(0, 0, TOKEN, END_ALONE);
        assert!(model.must_report(0), "{backend:?}");
    }
}

#[test]
fn reading_does_not_arm_data_outside_the_interest() {
    let mut model = with_data_before_the_end(Backend::POLL, Kind::UnixStream);
    read(&mut model, 10, Outcome::Moved(5), Level::default());
    model.sent(1, Outcome::Moved(1));
    model.observe(&levels(READABLE));
    assert!(!model.must_report(0));
    rejects(look(&mut model, 4, &[EVENT]), "data is not in the interest");
}

/// The end of a datagram socket is unspecified.
#[test]
fn the_end_of_a_datagram_socket_is_unspecified() {
    let mut model = with_data_before_the_end(Backend::KQUEUE, Kind::Udp);
    assert!(!model.must_report(0));
    look(&mut model, 4, &[EVENT]).unwrap();
}

#[test]
fn a_pipe_may_have_no_low_water_mark() {
    let lax = Backend {
        end_alone_is_for_sockets: true,
        ..Backend::KQUEUE
    };
    for (kind, is_reported) in [(Kind::Pipe, true), (Kind::UnixStream, false)] {
        // The reading end of a pipe is the second one.
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
            reported: vec![EVENT],
            before: None,
        };
        assert_eq!(model.polled(0, &polled, &after).is_ok(), is_reported);
        assert!(!model.must_report(0));
    }
}

#[test]
fn an_unsupported_interest_is_refused_and_changes_nothing() {
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

fn look_at(model: &mut Model, poll: usize, reported: &[Reported]) -> Result<(), Wrong> {
    let polled = Polled {
        capacity: 4,
        timeout: Some(Duration::ZERO),
        elapsed: Duration::ZERO,
        reported: reported.to_vec(),
        before: None,
    };
    model.polled(poll, &polled, &both(READABLE))
}

#[test]
fn at_least_one_of_the_polls_that_share_a_listener_reports_it() {
    for mode in [Mode::Edge, Mode::Level] {
        for reported in [0, 1] {
            let mut model = shared(Backend::EPOLL, mode);
            assert!(!model.must_report(0) && !model.must_report(1));
            assert_eq!(model.due_to_one(0, &[0, 1]), [0, 1]);
            assert_eq!(model.due_to_one(0, &[1]), [1]);
            look_at(&mut model, reported, &[EVENT]).unwrap();
            look_at(&mut model, 1 - reported, &[]).unwrap();
            // A poll that has reported a level must report it again.
            assert_eq!(model.must_report(reported), mode == Mode::Level);
            let mut model = shared(Backend::EPOLL, mode);
            look_at(&mut model, reported, &[]).unwrap();
            assert!(model.must_report(1 - reported));
            rejects(look_at(&mut model, 1 - reported, &[]), "not reported");
            look_at(&mut model, 1 - reported, &[EVENT]).unwrap();
            // Both may report it.
            look_at(&mut model, reported, &[EVENT]).unwrap();
        }
    }
}

#[test]
fn a_poll_with_a_new_registration_reports_it_whatever_the_other_did() {
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
fn on_other_backends_all_polls_that_share_a_listener_report_it() {
    for backend in [Backend::POLL, Backend::KQUEUE] {
        let mut model = shared(backend, Mode::Edge);
        for poll in 0..POLLS {
            rejects(look_at(&mut model, poll, &[]), "not reported");
            look_at(&mut model, poll, &[EVENT]).unwrap();
        }
    }
}

/// It is unknown whether the poll returned before or after what happened.
#[test]
fn a_sleeping_poll_may_report_conditions_from_before_and_after() {
    let polled = Polled {
        capacity: 4,
        timeout: None,
        elapsed: Duration::ZERO,
        reported: vec![EVENT],
        before: Some(levels(READABLE)),
    };
    let mut model = with_data(Mode::Level);
    read(&mut model, 10, Outcome::Moved(5), Level::default());
    model.polled(0, &polled, &levels(Level::default())).unwrap();
    let mut model = with_data(Mode::Edge);
    model.make_waker(0, 9);
    model.wake(0);
    let reported = vec![Reported { token: 9, ..EVENT }];
    let polled = Polled { reported, ..polled };
    model.polled(0, &polled, &levels(READABLE)).unwrap();
    assert!(model.must_report(0));
}

/// A waker should have a token of its own. If not, a wake may be reported twice, even by one poll.
#[test]
fn a_wake_may_be_reported_twice_if_a_source_has_its_token() {
    for (token, is_right) in [(TOKEN, true), (9, false)] {
        let mut model = with_data(Mode::Level);
        model.make_waker(0, token);
        model.wake(0);
        let wake = Reported { token, ..EVENT };
        assert_eq!(look(&mut model, 4, &[EVENT, wake, wake]).is_ok(), is_right);
    }
    let mut model = with_data(Mode::Level);
    model.make_waker(0, TOKEN);
    model.wake(0);
    rejects(look(&mut model, 4, &[EVENT]), "not reported");
    rejects(look(&mut model, 5, &[EVENT; 4]), "4 events of 3");
}
