//! What one backend holds, as its lists and our own writes show it.
//!
//! The objects' sweep fills it page by page; every answered write of ours changes it at once. A list that was begun
//! before such a write, or shortly after it, cannot undo it: rows carry a stamp.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::iam::client::{Account, Client, Error, Listed};
use crate::iam::wire::{Binding, GroupSummary, RoleSummary};

/// The rows of all four lists. Cheap to look at; never held over an await.
#[derive(Debug, Default)]
pub struct Inventory {
    tables: Mutex<Tables>,
    reserved: Mutex<HashSet<(Sort, String)>>,
}

/// What can be made under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sort {
    /// A service account.
    Account,
    /// A group.
    Group,
    /// A role.
    Role,
}

/// A name that nobody else makes anything under until this is dropped: not every backend refuses a second one.
#[derive(Debug)]
pub struct Reservation<'a> {
    inventory: &'a Inventory,
    name: (Sort, String),
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.inventory.reserved().remove(&self.name);
    }
}

/// The four lists.
#[derive(Debug, Default)]
pub struct Tables {
    /// Service accounts, by name.
    pub accounts: Table<Account>,
    /// Groups, by name.
    pub groups: Table<GroupSummary>,
    /// Roles, by name.
    pub roles: Table<RoleSummary>,
    /// Bindings, by the id of their subject.
    pub bindings: Table<Binding>,
    writes: u64,
}

/// One list of the backend.
#[derive(Debug)]
pub struct Table<T> {
    rows: HashMap<String, Row<T>>,
    index: HashMap<String, Vec<String>>,
}

#[derive(Debug)]
struct Row<T> {
    /// `None` = deleted by us since the sweep began that may still show it.
    value: Option<T>,
    /// Our write that made it so; `None` = seen in a list.
    stamp: Option<Stamp>,
}

/// One of our writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    number: u64,
    at: Instant,
}

/// So long a backend may take until its lists show what it has answered.
const LAG: Duration = Duration::from_secs(5);

impl Stamp {
    /// Whether a list that was begun then, after the write of that number, may not show this one.
    fn is_hidden_from(self, begun: Self) -> bool {
        self.number > begun.number || begun.at < self.at + LAG
    }
}

/// Why a name stands for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOne {
    /// Nothing has it.
    Nothing,
    /// More than one thing has it.
    Several,
}

/// What rows are found by besides their id.
pub trait Indexed: Listed {
    /// The name, or for bindings the subject's id.
    fn index(&self) -> &str;
}

impl Indexed for Account {
    fn index(&self) -> &str {
        &self.name
    }
}

impl Indexed for GroupSummary {
    fn index(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}

impl Indexed for RoleSummary {
    fn index(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}

impl Indexed for Binding {
    fn index(&self) -> &str {
        let user = self.user.as_ref().map(|user| user.id.as_str());
        let group = self.group.as_ref().map(|group| group.id.as_str());
        user.or(group).unwrap_or_default()
    }
}

impl Inventory {
    /// Looks at the rows.
    pub fn read<R>(&self, look: impl FnOnce(&Tables) -> R) -> R {
        look(&self.lock())
    }

    /// Notes an answered write of ours.
    pub fn write(&self, change: impl FnOnce(&mut Tables, Stamp)) {
        let mut tables = self.lock();
        tables.writes += 1;
        let stamp = tables.now();
        change(&mut tables, stamp);
    }

    /// Reads all four lists whole and puts them in place of what was known.
    ///
    /// # Errors
    /// The first list that could not be read whole; nothing is replaced then.
    pub async fn sweep(&self, client: &Client) -> Result<(), Error> {
        let begun = self.lock().now();
        let accounts = client.accounts().all().await?;
        let groups = client.groups().all().await?;
        let roles = client.roles().all().await?;
        let bindings = client.bindings().all().await?;
        let mut tables = self.lock();
        tables.accounts.replace(accounts, begun);
        tables.groups.replace(groups, begun);
        tables.roles.replace(roles, begun);
        tables.bindings.replace(bindings, begun);
        Ok(())
    }

    /// Takes a name to make something under it; `None` if somebody else is doing so, or has done so by now.
    #[must_use]
    pub fn reserve(&self, sort: Sort, name: &str) -> Option<Reservation<'_>> {
        let name = (sort, name.to_owned());
        let mut reserved = self.reserved();
        let is_taken = self.read(|tables| match sort {
            Sort::Account => tables.accounts.named(&name.1).next().is_some(),
            Sort::Group => tables.groups.named(&name.1).next().is_some(),
            Sort::Role => tables.roles.named(&name.1).next().is_some(),
        });
        if is_taken || !reserved.insert(name.clone()) {
            return None;
        }
        Some(Reservation {
            inventory: self,
            name,
        })
    }

    fn reserved(&self) -> MutexGuard<'_, HashSet<(Sort, String)>> {
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// After the last write so far.
    fn now(&self) -> Stamp {
        Stamp {
            number: self.writes,
            at: Instant::now(),
        }
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            rows: HashMap::new(),
            index: HashMap::new(),
        }
    }
}

impl<T: Indexed> Table<T> {
    /// The row of this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&T> {
        self.rows.get(id)?.value.as_ref()
    }

    /// All rows of this name (bindings: of this subject).
    pub fn named<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a T> {
        let ids = self.index.get(name).map_or(&[][..], Vec::as_slice);
        ids.iter().filter_map(|id| self.get(id))
    }

    /// All rows.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.rows.values().filter_map(|row| row.value.as_ref())
    }

    /// The one row of this name.
    ///
    /// # Errors
    /// [`NotOne`] says whether there is none or more than one.
    pub fn only(&self, name: &str) -> Result<&T, NotOne> {
        let mut rows = self.named(name);
        match (rows.next(), rows.next()) {
            (Some(row), None) => Ok(row),
            (None, _) => Err(NotOne::Nothing),
            (Some(_), Some(_)) => Err(NotOne::Several),
        }
    }

    /// Notes a row that an answer of our write showed.
    pub fn put(&mut self, value: T, stamp: Stamp) {
        self.set(value, Some(stamp));
    }

    fn set(&mut self, value: T, stamp: Option<Stamp>) {
        let id = value.key().to_owned();
        self.forget(&id);
        self.index
            .entry(value.index().to_owned())
            .or_default()
            .push(id.clone());
        self.rows.insert(
            id,
            Row {
                value: Some(value),
                stamp,
            },
        );
    }

    /// Notes that we deleted a row, or were told that it is gone.
    pub fn remove(&mut self, id: &str, stamp: Stamp) {
        self.forget(id);
        let stamp = Some(stamp);
        self.rows.insert(id.to_owned(), Row { value: None, stamp });
    }

    fn forget(&mut self, id: &str) {
        let Some(Row {
            value: Some(old), ..
        }) = self.rows.remove(id)
        else {
            return;
        };
        if let Some(ids) = self.index.get_mut(old.index()) {
            ids.retain(|other| other != id);
            if ids.is_empty() {
                self.index.remove(old.index());
            }
        }
    }

    /// Puts a whole list in place; what we wrote after `begun`, or not long before, stays as we wrote it.
    fn replace(&mut self, listed: Vec<T>, begun: Stamp) {
        let mut old = std::mem::take(self);
        let stays = |row: &Row<T>| row.stamp.is_some_and(|stamp| stamp.is_hidden_from(begun));
        old.rows.retain(|_, row| stays(row));
        for value in listed
            .into_iter()
            .filter(|value| !old.rows.contains_key(value.key()))
        {
            self.set(value, None);
        }
        for (id, row) in old.rows {
            match row.value {
                Some(value) => self.set(value, row.stamp),
                None => drop(self.rows.insert(id, row)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(id: &str, name: &str) -> GroupSummary {
        GroupSummary {
            id: id.into(),
            name: Some(name.into()),
            description: None,
        }
    }

    fn names(table: &Table<GroupSummary>) -> Vec<&str> {
        let mut ids: Vec<&str> = table.all().map(|row| row.id.as_str()).collect();
        ids.sort_unstable();
        ids
    }

    /// The writes of a test, each at a second of its own.
    fn stamps() -> impl Fn(u64, u64) -> Stamp {
        let start = Instant::now();
        move |number, seconds| Stamp {
            number,
            at: start + Duration::from_secs(seconds),
        }
    }

    #[test]
    fn a_list_begun_before_our_write_does_not_undo_it() {
        let stamp = stamps();
        let mut table = Table::default();
        table.replace(vec![group("a", "A"), group("b", "B")], stamp(0, 0));
        table.put(group("c", "C"), stamp(1, 1));
        table.remove("a", stamp(2, 2));
        table.replace(vec![group("a", "A"), group("b", "B")], stamp(0, 60));
        assert_eq!(names(&table), ["b", "c"]);
        table.replace(vec![group("a", "A")], stamp(2, 60));
        assert_eq!(names(&table), ["a"], "the next list counts again");
    }

    #[test]
    fn a_list_that_lags_behind_our_write_does_not_undo_it() {
        let stamp = stamps();
        let mut table = Table::default();
        table.put(group("c", "C"), stamp(1, 1));
        table.replace(Vec::new(), stamp(1, 5));
        assert_eq!(names(&table), ["c"]);
        table.replace(Vec::new(), stamp(1, 6));
        assert_eq!(names(&table), Vec::<&str>::new());
    }

    #[test]
    fn one_at_a_time_makes_something_under_a_name() {
        let inventory = Inventory::default();
        let first = inventory.reserve(Sort::Group, "bots");
        assert!(first.is_some() && inventory.reserve(Sort::Group, "bots").is_none());
        assert!(inventory.reserve(Sort::Role, "bots").is_some());
        drop(first);
        assert!(inventory.reserve(Sort::Group, "bots").is_some());
        inventory.write(|tables, stamp| tables.groups.put(group("a", "bots"), stamp));
        assert!(
            inventory.reserve(Sort::Group, "bots").is_none(),
            "made by now"
        );
    }

    #[test]
    fn a_name_that_two_rows_have_is_nobody() {
        let mut table = Table::default();
        let only = |table: &Table<GroupSummary>| {
            let row = table.only("bots");
            row.map(|row| row.id.as_str().to_owned())
        };
        assert_eq!(only(&table), Err(NotOne::Nothing));
        let stamp = stamps();
        table.put(group("a", "bots"), stamp(1, 1));
        assert_eq!(only(&table), Ok("a".to_owned()));
        table.put(group("b", "bots"), stamp(2, 2));
        assert_eq!(only(&table), Err(NotOne::Several));
        table.put(group("a", "Bots"), stamp(3, 3));
        assert_eq!(only(&table), Ok("b".to_owned()), "renamed");
    }
}
