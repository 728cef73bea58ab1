//! Which requests are meant, and how far a rule got.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use tokio::sync::watch;

use super::record::Request;
use super::verdict::Verdict;
use crate::wait_for;

/// Which requests a rule means; all of them, unless it is narrowed down.
#[derive(Clone, Debug)]
pub struct When {
    method: Option<String>,
    writes_only: bool,
    path: String,
    query: String,
    turn: Turn,
}

/// Which of those that fit, by their number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    first: usize,
    count: usize,
}

impl Turn {
    pub(super) const ALL: Self = Self {
        first: 1,
        count: usize::MAX,
    };

    pub(super) const fn nth(number: usize) -> Self {
        Self {
            first: number,
            count: 1,
        }
    }

    pub(super) const fn times(self, count: usize) -> Self {
        Self { count, ..self }
    }

    const fn has(self, number: usize) -> bool {
        number >= self.first && number - self.first < self.count
    }
}

impl When {
    /// All requests.
    #[must_use]
    pub fn any() -> Self {
        Self {
            method: None,
            writes_only: false,
            path: "*".to_owned(),
            query: "*".to_owned(),
            turn: Turn::ALL,
        }
    }

    /// Requests of this method, in capital letters.
    #[must_use]
    pub fn method(method: &str) -> Self {
        Self {
            method: Some(method.to_owned()),
            ..Self::any()
        }
    }

    /// Requests that could change something.
    #[must_use]
    pub fn write() -> Self {
        Self {
            writes_only: true,
            ..Self::any()
        }
    }

    /// Of those, the ones with this path, where `*` stands for any characters.
    #[must_use]
    pub fn path(mut self, pattern: &str) -> Self {
        pattern.clone_into(&mut self.path);
        self
    }

    /// Of those, the ones with this query, where `*` stands for any characters.
    #[must_use]
    pub fn query(mut self, pattern: &str) -> Self {
        pattern.clone_into(&mut self.query);
        self
    }

    /// Of those, this one alone; the first that comes is number 1.
    #[must_use]
    pub fn nth(mut self, number: usize) -> Self {
        self.turn = Turn::nth(number);
        self
    }

    /// Of those, the next so many alone.
    #[must_use]
    pub fn times(mut self, count: usize) -> Self {
        self.turn = self.turn.times(count);
        self
    }
}

/// Whether `text` is as `pattern` says, where `*` stands for any characters.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Tells which of what passes is meant.
pub(super) trait Condition {
    type Subject;

    fn fits(&self, subject: &Self::Subject) -> bool;

    fn turn(&self) -> Turn;
}

impl Condition for When {
    type Subject = Request;

    fn fits(&self, request: &Request) -> bool {
        let is_method = |method: &String| request.method == method.as_str();
        self.method.as_ref().is_none_or(is_method)
            && (!self.writes_only || request.is_write())
            && fits(&self.path, &request.path)
            && fits(&self.query, &request.query)
    }

    fn turn(&self) -> Turn {
        self.turn
    }
}

/// A rule of a gate. It stays in force when this is dropped.
#[derive(Clone, Debug)]
pub struct Rule(Arc<Progress>);

#[derive(Debug)]
struct Progress {
    matched: AtomicUsize,
    reached: AtomicUsize,
    lifted: watch::Sender<bool>,
}

impl Rule {
    fn new() -> Self {
        Self(Arc::new(Progress {
            matched: AtomicUsize::new(0),
            reached: AtomicUsize::new(0),
            lifted: watch::Sender::new(false),
        }))
    }

    /// How many it has decided on.
    #[must_use]
    pub fn matched(&self) -> usize {
        self.0.matched.load(Ordering::SeqCst)
    }

    /// How many have got to the point that its verdict is about: stopped, refused, or answered by the server where the
    /// verdict is about the answer.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.reached.load(Ordering::SeqCst)
    }

    /// Waits until `count` have got there.
    pub async fn reached(&self, count: usize) -> Result<()> {
        let what = format!("{count} to get to a rule of the gate");
        wait_for(&what, async || (self.count() >= count).then_some(())).await
    }

    /// Ends it; what it holds goes on.
    pub fn lift(&self) {
        self.0.lifted.send_replace(true);
    }

    pub(super) fn note_reached(&self) {
        self.0.reached.fetch_add(1, Ordering::SeqCst);
    }

    /// Counts as reached, and waits until the rule is lifted.
    pub(super) async fn hold(&self) {
        let mut lifted = self.0.lifted.subscribe();
        self.note_reached();
        // The sender lives as long as this.
        let _ = lifted.wait_for(|lifted| *lifted).await;
    }

    fn is_lifted(&self) -> bool {
        *self.0.lifted.borrow()
    }
}

/// The rules about one kind of thing, newest last.
#[derive(Debug)]
pub(super) struct Rules<C: Condition, V>(Mutex<Vec<Entry<C, V>>>);

struct Entry<C: Condition, V> {
    judge: Judge<C, V>,
    rule: Rule,
}

type Decide<S, V> = dyn Fn(&S) -> Option<V> + Send + Sync;

enum Judge<C: Condition, V> {
    When {
        condition: C,
        seen: usize,
        verdict: V,
    },
    Closure(Box<Decide<C::Subject, V>>),
}

impl<C: Condition, V> fmt::Debug for Entry<C, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rule.fmt(f)
    }
}

impl<C: Condition, V> Default for Rules<C, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<C: Condition, V: Clone> Rules<C, V> {
    pub(super) fn add(&self, condition: C, verdict: V) -> Rule {
        self.push(Judge::When {
            condition,
            seen: 0,
            verdict,
        })
    }

    pub(super) fn judge(
        &self,
        judge: impl Fn(&C::Subject) -> Option<V> + Send + Sync + 'static,
    ) -> Rule {
        self.push(Judge::Closure(Box::new(judge)))
    }

    fn push(&self, judge: Judge<C, V>) -> Rule {
        let rule = Rule::new();
        let entry = Entry {
            judge,
            rule: rule.clone(),
        };
        self.lock().push(entry);
        rule
    }

    pub(super) fn lift_all(&self) {
        for entry in self.lock().drain(..) {
            entry.rule.lift();
        }
    }

    /// What the newest rule that has something to say says. Older rules don't count what a newer one decided.
    pub(super) fn decide(&self, subject: &C::Subject) -> Option<(V, Rule)> {
        let mut entries = self.lock();
        entries.retain(|entry| !entry.rule.is_lifted());
        let verdicts = entries.iter_mut().rev();
        let mut verdicts =
            verdicts.filter_map(|entry| Some((entry.judge.says(subject)?, entry.rule.clone())));
        let decided = verdicts.next();
        if let Some((_, rule)) = &decided {
            rule.0.matched.fetch_add(1, Ordering::SeqCst);
        }
        decided
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry<C, V>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Condition, V: Clone> Judge<C, V> {
    fn says(&mut self, subject: &C::Subject) -> Option<V> {
        match self {
            Self::When {
                condition,
                seen,
                verdict,
            } => {
                if !condition.fits(subject) {
                    return None;
                }
                *seen += 1;
                condition.turn().has(*seen).then(|| verdict.clone())
            }
            Self::Closure(judge) => judge(subject),
        }
    }
}

impl Rules<When, Verdict> {
    /// What becomes of a request.
    pub(super) fn verdict(&self, request: &Request) -> (Verdict, Rule) {
        let decided = self.decide(request);
        decided.unwrap_or_else(|| (Verdict::Pass, Rule::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text) in [
            ("*", ""),
            ("*", "/a/b"),
            ("/a", "/a"),
            ("/a/*", "/a/b/c"),
            ("*/b/*", "/a/b/c"),
            ("/a*c", "/abc"),
            ("*a*a", "/aba"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "/"),
            ("/a", "/ab"),
            ("*/b", "/a/bc"),
            ("/a*b", "/a"),
            ("*a*a", "/a"),
        ] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }
}
