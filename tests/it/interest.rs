//! The algebra of `Interest`: directions and mode bits, combined and removed.

use std::mem::size_of;

use mio::Interest;

const R: Interest = Interest::READABLE;
const W: Interest = Interest::WRITABLE;
const END: Interest = Interest::READ_CLOSED;

/// The directions that this system has.
fn directions() -> Vec<Interest> {
    vec![
        R,
        W,
        END,
        #[cfg(target_os = "linux")]
        Interest::PRIORITY,
    ]
}

/// Every value that can be made: each set of directions but the empty one, in each mode.
fn all() -> Vec<Interest> {
    let directions = directions();
    let mut all = Vec::new();
    for set in 1_u32..1 << directions.len() {
        let chosen = directions
            .iter()
            .enumerate()
            .filter(|(index, _)| set & (1 << index) != 0);
        let interest = chosen
            .map(|(_, &direction)| direction)
            .reduce(|all, one| all | one)
            .unwrap();
        all.extend([
            interest,
            interest.level(),
            interest.oneshot(),
            interest.level().oneshot(),
            interest.exclusive(),
            interest.level().exclusive(),
        ]);
    }
    all
}

/// The directions and the mode bits of a value, as sets.
fn parts(interest: Interest) -> ([bool; 6], [bool; 3]) {
    (
        [
            interest.is_readable(),
            interest.is_writable(),
            interest.is_priority(),
            interest.is_aio(),
            interest.is_lio(),
            interest.is_read_closed(),
        ],
        [
            interest.is_level(),
            interest.is_oneshot(),
            interest.is_exclusive(),
        ],
    )
}

fn zip<const N: usize>(a: [bool; N], b: [bool; N], f: fn(bool, bool) -> bool) -> [bool; N] {
    std::array::from_fn(|index| f(a[index], b[index]))
}

#[test]
fn the_constants_say_what_they_are() {
    let only = |at: Option<usize>| std::array::from_fn(|index| Some(index) == at);
    for (at, interest) in [(0, R), (1, W), (5, END)] {
        assert_eq!(parts(interest), (only(Some(at)), [false; 3]));
    }
    #[cfg(target_os = "linux")]
    assert_eq!(parts(Interest::PRIORITY), (only(Some(2)), [false; 3]));
}

#[test]
fn a_mode_is_added_to_the_directions() {
    for interest in all() {
        let (directions, [level, oneshot, exclusive]) = parts(interest);
        let modes = |modes| (directions, modes);
        assert_eq!(parts(interest.level()), modes([true, oneshot, exclusive]));
        assert_eq!(parts(interest.oneshot()), modes([level, true, exclusive]));
        assert_eq!(parts(interest.exclusive()), modes([level, oneshot, true]));
        assert_eq!(interest.level().level(), interest.level());
        assert_eq!(interest.level().oneshot(), interest.oneshot().level());
    }
}

#[test]
fn uniting_has_the_directions_and_modes_of_both() {
    for a in all() {
        for b in all() {
            let (directions_of_a, modes_of_a) = parts(a);
            let (directions_of_b, modes_of_b) = parts(b);
            let expected = (
                zip(directions_of_a, directions_of_b, |a, b| a || b),
                zip(modes_of_a, modes_of_b, |a, b| a || b),
            );
            assert_eq!(parts(a | b), expected, "{a:?} and {b:?}");
            assert_eq!(a | b, b | a);
            assert_eq!(a.add(b), a | b);
            let mut combined = a;
            combined |= b;
            assert_eq!(combined, a | b);
        }
        assert_eq!(a | a, a);
    }
}

#[test]
fn removing_takes_directions_and_modes_away() {
    for a in all() {
        for b in all() {
            let (directions_of_a, modes_of_a) = parts(a);
            let (directions_of_b, modes_of_b) = parts(b);
            let directions = zip(directions_of_a, directions_of_b, |a, b| a && !b);
            let modes = zip(modes_of_a, modes_of_b, |a, b| a && !b);
            match a.remove(b) {
                Some(left) => assert_eq!(parts(left), (directions, modes), "{a:?} less {b:?}"),
                // Mode bits alone are no interest.
                None => assert_eq!(directions, [false; 6], "{a:?} less {b:?}"),
            }
        }
        assert_eq!(a.remove(a), None);
    }
}

#[test]
fn removing_by_example() {
    assert_eq!((R | W).remove(W), Some(R));
    assert_eq!((R | W).remove(R), Some(W));
    assert_eq!(R.remove(W), Some(R));
    assert_eq!(R.remove(R), None);
    assert_eq!(R.remove(R | W), None);
    // Reading includes its end, but is another direction.
    assert_eq!((R | END).remove(R), Some(END));
    assert_eq!(R.remove(END), Some(R));
    // The mode stays unless it is named as well.
    assert_eq!((R | W).level().remove(W), Some(R.level()));
    assert_eq!((R | W).level().remove(W.level()), Some(R));
    assert_eq!(R.level().remove(W.level()), Some(R));
    assert_eq!(R.level().oneshot().remove(W.oneshot()), Some(R.level()));
    assert_eq!(R.level().oneshot().remove(R), None);
}

#[test]
fn all_values_differ_and_are_ordered() {
    let mut sorted = all();
    sorted.sort_unstable();
    for pair in sorted.windows(2) {
        assert!(pair[0] < pair[1], "{pair:?}");
        assert_ne!(pair[0], pair[1]);
    }
    assert!(R < W);
}

#[test]
fn debug_names_the_directions_and_then_the_mode() {
    let text = |interest: Interest| format!("{interest:?}");
    assert_eq!(text(R), "READABLE");
    assert_eq!(text(W), "WRITABLE");
    assert_eq!(text(W | R), "READABLE | WRITABLE");
    assert_eq!(text((R | W).level()), "READABLE | WRITABLE | LEVEL");
    assert_eq!(text(R.oneshot()), "READABLE | ONESHOT");
    assert_eq!(text(W.oneshot().level()), "WRITABLE | LEVEL | ONESHOT");
    assert_eq!(text(END | W), "WRITABLE | READ_CLOSED");
    assert_eq!(text(R.exclusive().level()), "READABLE | LEVEL | EXCLUSIVE");
    #[cfg(target_os = "linux")]
    assert_eq!(
        text(Interest::PRIORITY | W | R),
        "READABLE | WRITABLE | PRIORITY"
    );
    // The long form is no longer.
    assert_eq!(format!("{:#?}", R | W), "READABLE | WRITABLE");
}

#[test]
fn an_optional_interest_is_as_small_as_an_interest() {
    assert_eq!(size_of::<Interest>(), 2);
    assert_eq!(size_of::<Option<Interest>>(), 2);
}

#[test]
fn interests_can_be_built_and_queried_in_constants() {
    const BOTH: Interest = R.add(W);
    const MODE: Interest = R.level().add(W.oneshot());
    const RESULTS: [bool; 7] = [
        BOTH.is_readable(),
        BOTH.is_writable(),
        BOTH.is_priority(),
        BOTH.is_aio(),
        BOTH.is_lio(),
        MODE.is_level(),
        MODE.is_oneshot(),
    ];
    assert_eq!(RESULTS, [true, true, false, false, false, true, true]);
    assert_eq!(BOTH, R | W);
    assert_eq!(MODE, (R | W).level().oneshot());
}
