//! Whose turn it is: so many passes at once of each kind and instance, the most urgent first. An instance that keeps all
//! of its own waiting holds up no other, and a backend whose budget is scarce serves those first who would suffer.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::referrers::{Key, KindName, Wakers};
use crate::ops::metrics::Metrics;
use crate::plan::urgency::Urgency;

/// All lines.
#[derive(Debug)]
pub struct Turns {
    at_once: usize,
    wakers: Wakers,
    metrics: Metrics,
    lines: Mutex<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    lines: HashMap<Place, Line>,
    /// Where an object waits or was called.
    places: HashMap<Key, Place>,
}

/// An instance, and a kind of objects that live there.
type Place = (Key, KindName);

/// Passes under way, and objects that wait for theirs.
#[derive(Debug, Default)]
struct Line {
    running: usize,
    /// Those that were woken for their turn, which is kept for them.
    called: HashSet<Key>,
    /// How many ever came: who waits longer goes first among equals.
    tickets: u64,
    waiting: BTreeMap<(Urgency, u64), Key>,
    ranks: HashMap<Key, (Urgency, u64)>,
}

/// The right to go on. The next one is called when it is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    turns: &'a Turns,
    place: Place,
}

impl Turns {
    /// So many at once of each kind and instance; 0 counts as 1.
    #[must_use]
    pub fn new(at_once: u16, wakers: Wakers, metrics: Metrics) -> Self {
        Self {
            at_once: usize::from(at_once.max(1)),
            wakers,
            metrics,
            lines: Mutex::default(),
        }
    }

    /// Takes a turn for an object. `None` = it has to wait, and is woken when its turn comes.
    #[must_use]
    pub fn take(&self, instance: Key, object: &Key, urgency: Urgency) -> Option<Turn<'_>> {
        let place = (instance, object.kind);
        let mut lines = self.lock();
        if lines.places.get(object).is_some_and(|at| *at != place) {
            // It lived at another instance until now.
            self.leave(&mut lines, object);
        }
        let line = lines.lines.entry(place.clone()).or_default();
        let is_free = line.called.contains(object) || line.taken() < self.at_once;
        if is_free {
            line.leave(object);
            line.running += 1;
            lines.places.remove(object);
        } else {
            line.wait(object, urgency);
            lines.places.insert(object.clone(), place.clone());
        }
        self.tell(&lines, &place);
        drop(lines);
        // Not made in vain: its end would call somebody.
        is_free.then(|| Turn { turns: self, place })
    }

    /// Forgets an object that is gone; if it was just called, the next one is.
    pub fn forget(&self, object: &Key) {
        self.leave(&mut self.lock(), object);
    }

    fn leave(&self, lines: &mut Lines, object: &Key) {
        let Some(place) = lines.places.remove(object) else {
            return;
        };
        if let Some(line) = lines.lines.get_mut(&place) {
            line.leave(object);
        }
        self.call(lines, &place);
    }

    fn end(&self, place: &Place) {
        let mut lines = self.lock();
        if let Some(line) = lines.lines.get_mut(place) {
            line.running -= 1;
        }
        self.call(&mut lines, place);
    }

    /// Calls whoever is next, if a turn is free.
    fn call(&self, lines: &mut Lines, place: &Place) {
        if let Some(line) = lines.lines.get_mut(place)
            && line.taken() < self.at_once
            && let Some((_, next)) = line.waiting.pop_first()
        {
            line.ranks.remove(&next);
            self.wakers.wake(&next);
            line.called.insert(next);
        }
        self.tell(lines, place);
    }

    fn tell(&self, lines: &Lines, place: &Place) {
        let (instance, kind) = place;
        let waiting = lines.lines.get(place).map_or(0, |line| line.waiting.len());
        self.metrics.waits(&instance.path(), kind.metric(), waiting);
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn taken(&self) -> usize {
        self.running + self.called.len()
    }

    /// Who waits already keeps its place among equals.
    fn wait(&mut self, object: &Key, urgency: Urgency) {
        let ticket = match self.ranks.get(object) {
            Some((_, ticket)) => *ticket,
            None => self.tickets,
        };
        self.tickets += 1;
        self.leave(object);
        self.waiting.insert((urgency, ticket), object.clone());
        self.ranks.insert(object.clone(), (urgency, ticket));
    }

    fn leave(&mut self, object: &Key) {
        self.called.remove(object);
        if let Some(rank) = self.ranks.remove(object) {
            self.waiting.remove(&rank);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.end(&self.place);
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tokio::sync::mpsc::UnboundedReceiver;

    use super::*;
    use crate::controller::referrers::Wakeups;

    fn turns(at_once: u16) -> (Turns, Wakeups) {
        let (wakers, wakeups) = Wakers::new();
        (Turns::new(at_once, wakers, Metrics::new("1.2.3")), wakeups)
    }

    fn instance(name: &str) -> Key {
        Key::new(KindName::ClusterInstance, "", name)
    }

    fn account(name: &str) -> Key {
        Key::new(KindName::ServiceAccount, "team-a", name)
    }

    fn take<'t>(turns: &'t Turns, name: &str, urgency: Urgency) -> Option<Turn<'t>> {
        turns.take(instance("default"), &account(name), urgency)
    }

    fn woken(wakeups: &mut Wakeups) -> Vec<String> {
        let accounts: &mut UnboundedReceiver<_> = &mut wakeups.service_accounts;
        std::iter::from_fn(|| accounts.try_recv().ok())
            .map(|reference| reference.name)
            .collect()
    }

    fn due(second: i64) -> Urgency {
        Urgency::Due(Timestamp::from_second(second).unwrap())
    }

    #[test]
    fn the_most_urgent_goes_first_and_among_equals_who_waits_longest() {
        let (turns, mut wakeups) = turns(1);
        let mut turn = take(&turns, "first", Urgency::Routine);
        assert!(turn.is_some());
        let waiting = [
            ("routine-1", Urgency::Routine),
            ("routine-2", Urgency::Routine),
            ("new", Urgency::Asked),
            ("later", due(9)),
            ("sooner", due(5)),
            ("dead", Urgency::Broken),
        ];
        for (name, urgency) in waiting {
            assert!(take(&turns, name, urgency).is_none());
        }
        assert!(woken(&mut wakeups).is_empty(), "nothing has ended");
        for expected in ["dead", "sooner", "later", "new", "routine-1", "routine-2"] {
            drop(turn);
            assert_eq!(woken(&mut wakeups), [expected]);
            turn = take(&turns, expected, Urgency::Routine);
        }
    }

    #[test]
    fn whoever_waits_twice_has_one_place_that_only_gets_better_by_urgency() {
        let (turns, mut wakeups) = turns(1);
        let turn = take(&turns, "first", Urgency::Routine);
        for (name, urgency) in [
            ("a", Urgency::Routine),
            ("b", Urgency::Routine),
            ("a", Urgency::Routine),
            ("b", Urgency::Broken),
        ] {
            assert!(take(&turns, name, urgency).is_none());
        }
        drop(turn);
        assert_eq!(woken(&mut wakeups), ["b"]);
        drop(take(&turns, "b", Urgency::Routine));
        assert_eq!(woken(&mut wakeups), ["a"]);
        drop(take(&turns, "a", Urgency::Routine));
        assert!(woken(&mut wakeups).is_empty());
    }

    #[test]
    fn an_instance_and_a_kind_have_a_line_of_their_own() {
        let (turns, _wakeups) = turns(1);
        let _turn = take(&turns, "first", Urgency::Routine).unwrap();
        let other = turns.take(instance("other"), &account("a"), Urgency::Routine);
        assert!(other.is_some());
        let group = Key::new(KindName::Group, "team-a", "bots");
        let group = turns.take(instance("default"), &group, Urgency::Routine);
        assert!(group.is_some());
    }

    #[test]
    fn an_object_that_is_gone_holds_up_nobody() {
        let (turns, mut wakeups) = turns(1);
        let turn = take(&turns, "first", Urgency::Routine);
        for name in ["a", "b", "c"] {
            assert!(take(&turns, name, Urgency::Routine).is_none());
        }
        turns.forget(&account("b"));
        assert!(woken(&mut wakeups).is_empty());
        drop(turn);
        assert_eq!(woken(&mut wakeups), ["a"]);
        // It was woken, and went before it came.
        turns.forget(&account("a"));
        assert_eq!(woken(&mut wakeups), ["c"]);
    }

    #[test]
    fn nobody_takes_the_turn_of_one_that_was_called() {
        let (turns, mut wakeups) = turns(1);
        drop({
            let turn = take(&turns, "first", Urgency::Routine);
            assert!(take(&turns, "called", Urgency::Routine).is_none());
            turn
        });
        assert_eq!(woken(&mut wakeups), ["called"]);
        assert!(take(&turns, "quick", Urgency::Broken).is_none());
        let turn = take(&turns, "called", Urgency::Routine);
        assert!(turn.is_some());
        drop(turn);
        assert_eq!(woken(&mut wakeups), ["quick"]);
        // It has gone to another instance: its turn here is free again.
        assert!(take(&turns, "next", Urgency::Routine).is_none());
        let elsewhere = turns.take(instance("other"), &account("quick"), Urgency::Routine);
        assert!(elsewhere.is_some());
        assert_eq!(woken(&mut wakeups), ["next"]);
    }
}
