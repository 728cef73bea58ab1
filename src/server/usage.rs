//! When tokens were last used, kept in memory so that a request does not cost a write.
//!
//! Lists show what is in here at once; the database has it after the next flush.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::error::Error;
use super::store::Store;
use super::store::tokens;

/// What a use left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) last_used: Timestamp,
    /// The expiry as the use left it.
    pub(crate) exp: Option<Timestamp>,
}

/// The uses that are not written down yet, by token id.
#[derive(Debug, Default)]
pub(crate) struct Usage(Mutex<HashMap<String, Mark>>);

impl Usage {
    /// Notes a use. Of two at once the later instant and the later expiry win.
    pub(crate) fn note(&self, token: &str, mark: Mark) {
        let mut marks = self.marks();
        match marks.get_mut(token) {
            Some(known) => {
                known.last_used = known.last_used.max(mark.last_used);
                known.exp = known.exp.max(mark.exp);
            }
            None => {
                marks.insert(token.to_owned(), mark);
            }
        }
    }

    /// The use that is not written down yet.
    pub(crate) fn of(&self, token: &str) -> Option<Mark> {
        self.marks().get(token).copied()
    }

    /// Writes all of it down in one transaction; what could not be written stays for the next time.
    pub(crate) async fn flush(&self, store: &Store) -> Result<(), Error> {
        let snapshot = self.marks().clone();
        if snapshot.is_empty() {
            return Ok(());
        }
        tokens::write_usage(store, &snapshot).await?;
        self.marks()
            .retain(|token, mark| snapshot.get(token) != Some(mark));
        Ok(())
    }

    fn marks(&self) -> MutexGuard<'_, HashMap<String, Mark>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(last_used: i64, exp: i64) -> Mark {
        Mark {
            last_used: Timestamp::from_second(last_used).unwrap(),
            exp: Timestamp::from_second(exp).ok(),
        }
    }

    #[test]
    fn the_later_of_two_uses_wins_in_whatever_order_they_are_noted() {
        let usage = Usage::default();
        usage.note("t", mark(5, 15));
        usage.note("t", mark(3, 13));
        assert_eq!(usage.of("t"), Some(mark(5, 15)));
        usage.note("t", mark(7, 17));
        assert_eq!(usage.of("t"), Some(mark(7, 17)));
        assert_eq!(usage.of("other"), None);
    }
}
