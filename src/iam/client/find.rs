//! Looking things up by name: the server's search is a hint, the exact match is made here.

use serde::de::DeserializeOwned;

use super::accounts::Account;
use super::paging::Source;
use super::{Client, Error, Listed, Pages};
use crate::iam::wire::{GroupSummary, RoleSummary, TenantMember};

/// An item with a name by which people refer to it.
pub(super) trait Named: Listed {
    /// The name, if the server told it.
    fn name(&self) -> Option<&str>;
}

impl Named for GroupSummary {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl Named for RoleSummary {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl Named for TenantMember {
    fn name(&self) -> Option<&str> {
        self.username.as_deref().or(self.name.as_deref())
    }
}

impl Named for Account {
    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }
}

impl Client {
    /// The one item called exactly `name`: by search first, and through the whole list before there is said to be
    /// none, since no search is known to be exact or complete.
    pub(super) async fn find<T>(
        &self,
        what: &'static str,
        name: &str,
        list: impl Fn() -> Pages<T>,
    ) -> Result<Option<T>, Error>
    where
        T: Named + DeserializeOwned,
    {
        let hinted = match list().searching(name).all().await {
            // A version that does not know the filter may refuse it.
            Err(Error::Invalid { .. }) => Vec::new(),
            result => result?,
        };
        match only(what, name, hinted)? {
            Some(item) => Ok(Some(item)),
            None => only(what, name, list().all().await?),
        }
    }
}

fn only<T: Named>(what: &'static str, name: &str, items: Vec<T>) -> Result<Option<T>, Error> {
    let mut matching: Vec<T> = items
        .into_iter()
        .filter(|item| item.name() == Some(name))
        .collect();
    match matching.len() {
        0 | 1 => Ok(matching.pop()),
        count => Err(Error::Ambiguous { what, count }),
    }
}

impl Source {
    /// Adds both versions' word for a search.
    pub(super) fn searching(self, name: &str) -> Self {
        self.with("q", name).with("filters[q][EQUALS]", name)
    }
}
