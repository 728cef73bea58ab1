//! Lists page by page, to an end that is certain whatever the server says.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::walk::{Listed, PAGE_SIZE, Walk};
use super::{Breach, Call, Client, Error, Flaw};
use crate::iam::wire::Page;

/// How often a list that changed under us is read anew from its start.
const READINGS: u32 = 3;

/// A list at the backend, read page by page.
///
/// Each item comes once, however often the server repeats it. The list ends with `None` only if it was read whole;
/// a list that may lack something ends with [`Error::Incomplete`]. Items that come into being meanwhile may be missing.
#[derive(Debug)]
pub struct Pages<T> {
    client: Client,
    source: Source,
    /// Another route to the same list, for servers that lack the first.
    fallback: Option<Source>,
    walk: Walk,
    item: PhantomData<fn() -> T>,
}

/// Where a list comes from.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) path: &'static str,
    pub(super) id: Option<String>,
    pub(super) query: Vec<(&'static str, String)>,
}

impl Source {
    pub(super) fn at(path: &'static str) -> Self {
        Self {
            path,
            id: None,
            query: Vec::new(),
        }
    }

    pub(super) fn of(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.query.push((name, value.to_owned()));
        self
    }
}

impl<T: Listed + DeserializeOwned> Pages<T> {
    pub(super) fn new(client: &Client, source: Source) -> Self {
        Self {
            client: client.clone(),
            source,
            fallback: None,
            walk: Walk::new(),
            item: PhantomData,
        }
    }

    pub(super) fn or(mut self, fallback: Source) -> Self {
        self.fallback = Some(fallback);
        self
    }

    /// Asks for what a search for `name` finds.
    pub(super) fn searching(mut self, name: &str) -> Self {
        self.source = self.source.searching(name);
        self.fallback = self.fallback.map(|source| source.searching(name));
        self
    }

    /// The next page's items, at most 200 as a rule; `None` at the end of the whole list.
    ///
    /// After a failed call the same page can be asked for again; after [`Error::Incomplete`] the list stays broken.
    pub async fn next(&mut self) -> Result<Option<Vec<T>>, Error> {
        if let Some(flaw) = self.walk.flaw {
            return Err(self.incomplete(flaw));
        }
        if self.walk.ended {
            return Ok(None);
        }
        let page = self.fetch().await?;
        let fresh = self.walk.take(page).map_err(|flaw| self.incomplete(flaw))?;
        Ok(Some(fresh))
    }

    /// The whole list. One that changes while it is read is read anew, three times in all.
    pub async fn all(mut self) -> Result<Vec<T>, Error> {
        let mut reading = 1;
        loop {
            match self.rest().await {
                Err(Error::Incomplete {
                    flaw: Flaw::Shrank | Flaw::Short,
                    ..
                }) if reading < READINGS => {
                    reading += 1;
                    self.walk = Walk::new();
                }
                result => return result,
            }
        }
    }

    async fn rest(&mut self) -> Result<Vec<T>, Error> {
        let mut items = Vec::new();
        while let Some(page) = self.next().await? {
            items.extend(page);
        }
        Ok(items)
    }

    async fn fetch(&mut self) -> Result<Page<T>, Error> {
        match (self.ask().await, self.fallback.take()) {
            (Err(error), Some(fallback)) if self.walk.page == 1 && is_no_route(&error) => {
                self.source = fallback;
                self.ask().await
            }
            (result, fallback) => {
                self.fallback = fallback;
                result
            }
        }
    }

    async fn ask(&self) -> Result<Page<T>, Error> {
        let (page, size) = (self.walk.page.to_string(), PAGE_SIZE.to_string());
        let mut request = self.client.get(self.source.path);
        if let Some(id) = &self.source.id {
            request = request.id(id);
        }
        request = request.query("page", &page).query("size", &size);
        for (name, value) in &self.source.query {
            request = request.query(name, value);
        }
        request.answer().await
    }

    fn incomplete(&self, flaw: Flaw) -> Error {
        let call = Call {
            method: "GET",
            path: self.source.path,
        };
        Error::Incomplete { call, flaw }
    }
}

/// A route that is missing is 404, or 405 where its path knows another method.
fn is_no_route(error: &Error) -> bool {
    matches!(
        error,
        Error::Gone { .. }
            | Error::Protocol {
                breach: Breach::Status(405),
                ..
            }
    )
}
