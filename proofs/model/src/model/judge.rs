//! Compares the events of polls with those that they must, may and must not report.

use std::collections::{BTreeSet, HashSet};

use super::source::{Registration, Source, Sure};
use super::terms::*;
use super::{name_of, peer_of, End, Model, Wrong};
use Direction::{Read, Write};

/// The possible cause of an event: a source, one direction of it, or the waker.
#[derive(Copy, Clone, Debug)]
enum Reporter {
    Source(End, Directions),
    Waker,
    /// The waker again, because a source has the same token.
    Echo,
}

/// Why a poll need not report everything that is due.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Excuse {
    None,
    NoRoom,
    /// Packets of sources may be delayed; that of a wake is not.
    UnderWay,
}

impl Excuse {
    fn excuses(self, reporter: Reporter) -> bool {
        match self {
            Excuse::None => false,
            Excuse::NoRoom => true,
            Excuse::UnderWay => matches!(reporter, Reporter::Source(..)),
        }
    }
}

impl Model {
    /// Whether the next poll must report something.
    pub fn must_report(&self, poll: usize) -> bool {
        self.reporters(poll)
            .into_iter()
            .any(|(_, reporter)| self.is_due(reporter, poll))
    }

    /// Checks a poll. `after` contains the levels at its end; those at its beginning were observed
    /// last.
    pub fn polled(&mut self, poll: usize, polled: &Polled, after: &Levels) -> Result<(), Wrong> {
        let reported = &polled.reported;
        if reported.len() > polled.capacity {
            return Err(format!("{} events in {}", reported.len(), polled.capacity));
        }
        if reported.is_empty() && polled.timeout.is_none_or(|it| polled.elapsed < it) {
            return Err(format!("returned empty after {:?}", polled.elapsed));
        }
        self.note_shared_token(poll);
        let reporters = self.reporters(poll);
        let seen = match &polled.before {
            None => *after,
            Some(before) => {
                std::array::from_fn(|end| Some(after[end]?.or(before[end].unwrap_or_default())))
            }
        };
        let tokens: BTreeSet<usize> = (reported.iter().map(|it| it.token))
            .chain(reporters.iter().map(|&(token, _)| token))
            .collect();
        let excuse = self.excuse(polled);
        let mut news = Vec::new();
        for token in tokens {
            let events: Vec<Reported> = reported
                .iter()
                .copied()
                .filter(|it| it.token == token)
                .collect();
            let group: Vec<Reporter> = (reporters.iter())
                .filter(|it| it.0 == token)
                .map(|it| it.1)
                .collect();
            self.judge(poll, &events, &group, excuse, &seen)?;
            for &reporter in &group {
                let how = self.how_reported(poll, reporter, &events, &group, excuse, &seen);
                news.push((reporter, how));
            }
        }
        for (reporter, how) in news {
            self.note_report(poll, reporter, how, reported.len(), self.patience(poll))?;
            self.share(reporter, how[Read as usize], excuse);
            if let (Reporter::Source(end, _), true) =
                (reporter, how.iter().any(|it| it[0] == Sure::Yes))
            {
                let source = self.sources[end].as_mut().unwrap();
                // The next report is based on what holds from now on.
                source.was = Level::default();
                // A reported condition may have begun during the poll, and does not begin again.
                source.level = source.level.or(after[end].unwrap_or_default());
            }
        }
        self.observe(after);
        Ok(())
    }

    fn excuse(&self, polled: &Polled) -> Excuse {
        let by_packets = self.backend.by_packets;
        let waited = (polled.timeout).is_none_or(|it| it >= self.backend.long_enough());
        match polled.reported.len() {
            _ if polled.before.is_some() => Excuse::NoRoom,
            len if len == polled.capacity => Excuse::NoRoom,
            // Packets without an event may have filled the buffer.
            1.. if by_packets => Excuse::NoRoom,
            0 if by_packets && !waited => Excuse::UnderWay,
            _ => Excuse::None,
        }
    }

    /// How many events may be reported before one that is due.
    fn patience(&self, poll: usize) -> usize {
        let each = if self.backend.by_packets { 6 } else { 3 };
        each * self.reporters(poll).len() + 4
    }

    /// Whether so many events were reported before a due one that its packet should be on its
    /// way.
    pub fn is_overtaken(&self, poll: usize) -> bool {
        let patience = self.patience(poll) / 2;
        self.reporters(poll).iter().any(|&(_, it)| match it {
            Reporter::Source(end, _) => {
                let (_, registration) = self.registered(end);
                registration
                    .watches
                    .iter()
                    .any(|it| it.overtaken > patience)
            }
            Reporter::Waker | Reporter::Echo => false,
        })
    }

    /// All possible causes of a poll's events, with their tokens.
    fn reporters(&self, poll: usize) -> Vec<(usize, Reporter)> {
        let mut all = Vec::new();
        for (end, source) in self.sources.iter().enumerate() {
            let registration = source.as_ref().and_then(|it| it.registration.as_ref());
            let Some(it) = registration.filter(|it| it.poll == poll) else {
                continue;
            };
            let asked = DIRECTIONS.map(|direction| it.asked.has(direction));
            if self.backend.one_event_per_direction {
                for split in [[asked[0], false], [false, asked[1]]] {
                    if split != [false; 2] {
                        all.push((it.token, Reporter::Source(end, split)));
                    }
                }
            } else {
                all.push((it.token, Reporter::Source(end, asked)));
            }
        }
        if let Some(waker) = &self.wakers[poll] {
            all.push((waker.token, Reporter::Waker));
            if waker.shares {
                all.push((waker.token, Reporter::Echo));
            }
        }
        all
    }

    fn note_shared_token(&mut self, poll: usize) {
        let reporters = self.reporters(poll);
        if let Some(waker) = &mut self.wakers[poll] {
            waker.shares |= reporters.iter().any(|(token, reporter)| {
                *token == waker.token && matches!(reporter, Reporter::Source(..))
            });
        }
    }

    fn registered(&self, end: End) -> (&Source, &Registration) {
        let source = self.sources[end].as_ref().unwrap();
        (source, source.registration.as_ref().unwrap())
    }

    /// Whether the source must report the condition, by the levels observed last.
    fn is_due_of(
        &self,
        end: End,
        directions: Directions,
        direction: Direction,
        condition: Condition,
    ) -> bool {
        let (source, registration) = self.registered(end);
        let watch = &registration.watches[direction as usize];
        directions[direction as usize]
            && source.kind.directions(end)[direction as usize]
            && watch.armed(condition) == Sure::Yes
            && source.level.shows(direction, condition)
            && (self.backend).promises(direction, condition, source, registration.asked)
            && !source.is_refused
            && !source.is_spared
            && (source.is_in_use() || self.backend.reports_unused)
            && !self.is_muted(end)
    }

    /// Whether a hang-up or an error was reported and still holds. Where the system would report it
    /// again and again, nothing is then requested for the source.
    fn is_muted(&self, end: End) -> bool {
        let (source, registration) = self.registered(end);
        let may_be_reported = |condition| {
            DIRECTIONS.into_iter().any(|direction| {
                registration.asked.has(direction)
                    && source.level.shows(direction, condition)
                    && registration.watches[direction as usize].armed(condition) != Sure::Yes
            })
        };
        self.backend.emulates_edges
            && registration.asked.mode == Mode::Edge
            && (may_be_reported(Condition::HangUp)
                || !self.backend.by_packets && may_be_reported(Condition::Error))
    }

    /// The conditions that the source must report in a direction.
    fn due_in(
        &self,
        end: End,
        directions: Directions,
        direction: Direction,
    ) -> impl Iterator<Item = Condition> + '_ {
        (CONDITIONS.into_iter()).filter(move |&it| self.is_due_of(end, directions, direction, it))
    }

    fn is_due_in(&self, end: End, directions: Directions, direction: Direction) -> bool {
        self.due_in(end, directions, direction).next().is_some()
    }

    fn is_due(&self, reporter: Reporter, poll: usize) -> bool {
        match reporter {
            Reporter::Source(end, directions) => DIRECTIONS
                .into_iter()
                .any(|direction| self.is_due_in(end, directions, direction)),
            Reporter::Waker => {
                (self.wakers[poll].as_ref()).is_some_and(|it| it.pending == Sure::Yes)
            }
            Reporter::Echo => false,
        }
    }

    /// Whether the event contains everything that `reporter` must report.
    fn suffices(&self, reporter: Reporter, event: Reported) -> bool {
        let Reporter::Source(end, directions) = reporter else {
            return true;
        };
        DIRECTIONS.into_iter().all(|direction| {
            self.due_in(end, directions, direction)
                .all(|condition| event.reports_condition(direction, condition))
        })
    }

    /// Why `reporter` cannot have caused the event; `None` if it can.
    fn objection(
        &self,
        poll: usize,
        reporter: Reporter,
        event: Reported,
        after: &Levels,
    ) -> Option<&'static str> {
        let Reporter::Source(end, directions) = reporter else {
            let is_pending = self.wakers[poll].as_ref().map(|it| it.pending) != Some(Sure::No);
            let is_wake = event.readable
                && !(event.writable || event.read_closed || event.write_closed)
                && !(event.error || event.other);
            let is_pending = is_pending || self.wakers[poll].as_ref().is_some_and(|it| it.shares);
            return match (is_pending, is_wake) {
                (false, _) => Some("there was no wake"),
                (_, false) => Some("a wake is readable and nothing else"),
                _ => None,
            };
        };
        let (source, registration) = self.registered(end);
        let is_plain = registration.asked.exclusive && self.backend.knows_exclusive;
        let asks_for_data = registration.watches[Read as usize].asks_for(Condition::Ready);
        let reports_end = self.backend.end_is_readable && (event.read_closed || event.error);
        let mut level = source.level.or(after[end].unwrap_or_default());
        if self.backend.by_packets {
            level = level.or(source.was);
        }
        level.error |= source.is_refused;
        let failed = self.backend.failure_is_readiness && level.has_failed();
        let objections = [
            (event.other, "it is outside every interest"),
            (
                !event.reports(Read) && !event.reports(Write),
                "it reports nothing",
            ),
            (
                event.readable && !directions[0],
                "reading is not in the interest",
            ),
            (
                event.writable && !directions[1],
                "writing is not in the interest",
            ),
            (
                event.readable
                    && !asks_for_data
                    && !reports_end
                    && !self.backend.reports_data(source),
                "data is not in the interest",
            ),
            (
                event.readable && !(level.readable || level.read_hang_up || failed),
                "there is nothing to read",
            ),
            (
                event.writable && !(level.writable || failed),
                "there is no room to write",
            ),
            (
                event.read_closed && !(source.read_can_end() || source.is_refused),
                "reading has not ended",
            ),
            (
                event.write_closed
                    && !(source.write_can_end()
                        || source.is_refused
                        || is_plain && level.error
                        || source.errs(level) && !event.writable),
                "writing has not ended",
            ),
            (
                event.error && !source.can_fail(),
                "there was nothing to fail",
            ),
            (
                event.error && self.backend.error_is_exact && !level.error,
                "there is no error",
            ),
        ];
        let found = objections.into_iter().find(|it| it.0).map(|it| it.1);
        found.or_else(|| self.objection_of_mode(end, directions, event, level))
    }

    fn objection_of_mode(
        &self,
        end: End,
        directions: Directions,
        event: Reported,
        level: Level,
    ) -> Option<&'static str> {
        let (_, registration) = self.registered(end);
        let is_mute = |direction: Direction, condition| {
            let watch = &registration.watches[direction as usize];
            directions[direction as usize] && watch.armed(condition) == Sure::No
        };
        if self.backend.one_event_per_direction {
            let wrong = match directions {
                [true, _] => !event.readable || event.writable || event.write_closed,
                _ => !event.writable || event.readable || event.read_closed,
            };
            if wrong {
                return Some("an event is of one direction");
            }
        }
        match registration.asked.mode {
            Mode::Edge if self.backend.emulates_edges => {
                let is_old = |condition| {
                    DIRECTIONS.into_iter().all(|it| {
                        !directions[it as usize]
                            || !level.shows(it, condition)
                            || is_mute(it, condition)
                    })
                };
                // An end or an error is reported with the directions to try.
                let fails = event.write_closed || event.error;
                let ends = event.read_closed || fails;
                [
                    (
                        event.readable && !ends && is_mute(Read, Condition::Ready)
                            || event.writable && !fails && is_mute(Write, Condition::Ready),
                        "that was reported before, and nothing was tried",
                    ),
                    (
                        event.read_closed && LASTING.into_iter().all(is_old),
                        "the end was reported before",
                    ),
                    (
                        event.write_closed && is_old(Condition::HangUp) && is_old(Condition::Error),
                        "the hang-up was reported before",
                    ),
                    (
                        event.error && is_old(Condition::Error),
                        "the error was reported before",
                    ),
                ]
                .into_iter()
                .find_map(|(is_wrong, why)| is_wrong.then_some(why))
            }
            Mode::Oneshot => DIRECTIONS
                .into_iter()
                .any(|it| event.reports(it) && CONDITIONS.into_iter().all(|of| is_mute(it, of)))
                .then_some("it was a one-shot, which has fired"),
            _ => None,
        }
    }

    fn explains(&self, poll: usize, reporter: Reporter, event: Reported, after: &Levels) -> bool {
        self.objection(poll, reporter, event, after).is_none()
    }

    /// Checks the events with one token.
    fn judge(
        &self,
        poll: usize,
        events: &[Reported],
        group: &[Reporter],
        excuse: Excuse,
        after: &Levels,
    ) -> Result<(), Wrong> {
        let explains =
            |at: usize, event: usize| self.explains(poll, group[at], events[event], after);
        if !can_assign(events.len(), group.len(), &explains, &|_| false) {
            return Err(self.why_not(poll, events, group, after));
        }
        let is_due = |at: usize| !excuse.excuses(group[at]) && self.is_due(group[at], poll);
        let suffices = |at: usize, event: usize| {
            let need_not = excuse.excuses(group[at]);
            explains(at, event) && (need_not || self.suffices(group[at], events[event]))
        };
        if can_assign(events.len(), group.len(), &suffices, &is_due) {
            return Ok(());
        }
        let due: Vec<String> = (group.iter())
            .filter(|&&it| !excuse.excuses(it) && self.is_due(it, poll))
            .map(|&it| self.describe(poll, it))
            .collect();
        Err(format!(
            "there was room, but a due event was not reported, of: {}",
            due.join(", ")
        ))
    }

    fn why_not(
        &self,
        poll: usize,
        events: &[Reported],
        group: &[Reporter],
        after: &Levels,
    ) -> Wrong {
        for &event in events {
            let objections: Vec<String> = (group.iter())
                .filter_map(|&it| {
                    let objection = self.objection(poll, it, event, after)?;
                    Some(format!("{}: {objection}", self.describe(poll, it)))
                })
                .collect();
            if objections.is_empty() && group.is_empty() {
                return format!("{event:?} has no possible cause");
            }
            if objections.len() == group.len() {
                return format!("{event:?} must not be ({})", objections.join("; "));
            }
        }
        format!("{} events of {} reporters", events.len(), group.len())
    }

    fn describe(&self, poll: usize, reporter: Reporter) -> String {
        match reporter {
            Reporter::Waker | Reporter::Echo => format!("the waker of poll {poll}"),
            Reporter::Source(end, directions) => {
                let due = DIRECTIONS
                    .map(|it| self.due_in(end, directions, it).collect::<Vec<Condition>>());
                let level = self.registered(end).0.level;
                format!("source {}, due {due:?}, {level:?}", name_of(end))
            }
        }
    }

    /// Which conditions of each direction `reporter` has reported, and how certain that is.
    fn how_reported(
        &self,
        poll: usize,
        reporter: Reporter,
        events: &[Reported],
        group: &[Reporter],
        excuse: Excuse,
        after: &Levels,
    ) -> [[Sure; 4]; 2] {
        let able = |it: Reporter| {
            (events.iter())
                .copied()
                .filter(|&event| self.explains(poll, it, event, after))
                .collect::<Vec<Reported>>()
        };
        let is_due = !excuse.excuses(reporter) && self.is_due(reporter, poll);
        let mut own = able(reporter);
        if is_due {
            own.retain(|&event| self.suffices(reporter, event));
        }
        let rivals = group.iter().filter(|&&it| !able(it).is_empty()).count();
        let is_sure = is_due || rivals == events.len();
        let is_edge_by_packets = match reporter {
            Reporter::Source(end, _) if self.backend.by_packets => {
                self.registered(end).1.asked.mode == Mode::Edge
            }
            _ => false,
        };
        DIRECTIONS.map(|direction| {
            CONDITIONS.map(|condition| {
                let says = |event: &Reported| event.reports_condition(direction, condition);
                // A packet that reports an error may contain nothing else, and is reported with the
                // directions to try.
                let is_aside = |event: &Reported| {
                    is_edge_by_packets && condition == Condition::Ready && event.error
                };
                match () {
                    () if own.iter().any(is_aside) => Sure::Maybe,
                    () if !own.iter().any(says) => Sure::No,
                    () if is_sure && own.iter().all(says) => Sure::Yes,
                    () => Sure::Maybe,
                }
            })
        })
    }

    /// Notes that a poll returned without an event of a shared object, which the other poll must
    /// then report, or with one, after which it must report the next one, too.
    fn share(&mut self, reporter: Reporter, how: [Sure; 4], excuse: Excuse) {
        let Reporter::Source(end, _) = reporter else {
            return;
        };
        let [own, other] = [end, peer_of(end)].map(|it| self.sources[it].as_ref());
        let is_spared = own.is_some_and(|it| it.is_spared);
        let is_shared = other.is_some_and(|it| it.is_spared);
        match how[Condition::Ready as usize] {
            Sure::Yes if is_spared => self.sources[end].as_mut().unwrap().is_spared = false,
            Sure::No if is_spared && is_shared && excuse == Excuse::None => {
                self.sources[peer_of(end)].as_mut().unwrap().is_spared = false;
            }
            _ => {}
        }
    }

    /// The polls in `sleeping` of which at least one must return, after a client has connected to
    /// the object that they share.
    pub fn due_to_one(&self, end: End, sleeping: &[usize]) -> Vec<usize> {
        let waiting = [end, peer_of(end)].map(|end| {
            let source = self.sources[end].as_ref()?;
            let it = source.registration.as_ref()?;
            let is_one = source.kind == Kind::Shared && it.asked.exclusive;
            let is_due = it.watches[Read as usize].armed(Condition::Ready) == Sure::Yes;
            (is_one && sleeping.contains(&it.poll)).then_some((it.poll, is_due && source.is_spared))
        });
        let waiting: Vec<(usize, bool)> = waiting.into_iter().flatten().collect();
        match waiting.iter().any(|it| it.1) {
            true => waiting.into_iter().map(|it| it.0).collect(),
            false => Vec::new(),
        }
    }

    /// Notes what `reporter` has reported in a poll of `len` events.
    fn note_report(
        &mut self,
        poll: usize,
        reporter: Reporter,
        how: [[Sure; 4]; 2],
        len: usize,
        patience: usize,
    ) -> Result<(), Wrong> {
        let backend = self.backend;
        let starving = match reporter {
            Reporter::Echo => false,
            Reporter::Waker => {
                let waker = self.wakers[poll].as_mut().unwrap();
                match how[0][0] {
                    Sure::No if waker.pending == Sure::Yes => waker.overtaken += len,
                    Sure::No => {}
                    how => {
                        waker.pending = how.leaves().min(waker.pending);
                        waker.overtaken = 0;
                    }
                }
                waker.overtaken > patience
            }
            Reporter::Source(end, directions) => {
                let due = DIRECTIONS.map(|it| self.is_due_in(end, directions, it));
                let source = self.sources[end].as_mut().unwrap();
                let most = if source.kind == Kind::Tcp { 8 } else { 3 };
                let registration = source.registration.as_mut().unwrap();
                let mode = registration.asked.mode;
                let any = [how[0][0].max(how[1][0]); 4];
                let mut starving = false;
                for at in (0..2).filter(|&at| directions[at]) {
                    let watch = &mut registration.watches[at];
                    // An event of a one-shot source disarms all conditions.
                    let reported = match mode {
                        Mode::Oneshot if backend.oneshot_silences_both => any,
                        Mode::Oneshot => [how[at][0]; 4],
                        _ => how[at],
                    };
                    watch.reported(reported, mode);
                    if how[at][0] == Sure::No {
                        watch.overtaken = if due[at] { watch.overtaken + len } else { 0 };
                    }
                    if watch.repeated > most {
                        return Err(format!("{} is repeated endlessly", name_of(end)));
                    }
                    starving |= watch.overtaken > patience;
                }
                starving
            }
        };
        if starving {
            return Err(format!("starves: {}", self.describe(poll, reporter)));
        }
        Ok(())
    }
}

/// Whether each of `events` can be assigned to a reporter of its own, such that each reporter that
/// needs an event has one.
fn can_assign(
    events: usize,
    reporters: usize,
    fits: &dyn Fn(usize, usize) -> bool,
    needs: &dyn Fn(usize) -> bool,
) -> bool {
    let needed = (0..reporters).filter(|&at| needs(at));
    let needed = needed.fold(0_u32, |all, at| all | 1 << at);
    let mut seen = HashSet::new();
    let mut open = vec![(0, 0_u32)];
    while let Some((event, used)) = open.pop() {
        if event == events {
            if used & needed == needed {
                return true;
            }
            continue;
        }
        for at in 0..reporters {
            let with = used | 1 << at;
            if with != used && fits(at, event) && seen.insert((event + 1, with)) {
                open.push((event + 1, with));
            }
        }
    }
    false
}
