//! The tokens of one owner at the backend, listed once in a pass for all its entries.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::controller::backend::Backend;
use crate::controller::kind::{Pass, Reconciled};
use crate::iam::client::{self, Owner};
use crate::iam::model::TokenId;
use crate::iam::wire::ApiToken;
use crate::plan::mark::{Mark, Ownership};
use crate::plan::token::Listed;

/// The tokens of one owner, as far as this pass has seen them.
#[derive(Debug)]
pub struct Ledger {
    owner: Owner,
    listing: Option<Listing>,
}

#[derive(Debug)]
struct Listing {
    tokens: Vec<ApiToken>,
    at: Timestamp,
}

impl Ledger {
    /// Of an owner that was there before.
    #[must_use]
    pub const fn of(owner: Owner) -> Self {
        Self {
            owner,
            listing: None,
        }
    }

    /// Of an owner that was made in this pass, at `at`, and can have no tokens yet.
    #[must_use]
    pub const fn empty(owner: Owner, at: Timestamp) -> Self {
        let tokens = Vec::new();
        Self {
            owner,
            listing: Some(Listing { tokens, at }),
        }
    }

    /// Whose tokens they are.
    #[must_use]
    pub const fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Lists them anew.
    pub async fn list(&mut self, backend: &Backend) -> Result<(), client::Error> {
        let at = backend.client.backend_now();
        let tokens = backend.client.tokens(&self.owner).await?;
        self.listing = Some(Listing { tokens, at });
        Ok(())
    }

    /// Lists them unless this pass has.
    pub async fn list_once(&mut self, backend: &Backend) -> Result<(), client::Error> {
        match self.listing {
            Some(_) => Ok(()),
            None => self.list(backend).await,
        }
    }

    /// When they were listed in this pass, if they were.
    #[must_use]
    pub fn listed_at(&self) -> Option<Timestamp> {
        self.listing.as_ref().map(|listing| listing.at)
    }

    /// Remembers for an entry when they were listed, if they were in this pass.
    pub fn remember_look<K: Reconciled>(&self, pass: &Pass<K>, entry: &str) {
        if let Some(at) = self.listed_at() {
            let memory = &pass.context.memory;
            memory.remember(&pass.key(), entry, |memory| memory.listed = Some(at));
        }
    }

    /// A token by its id.
    #[must_use]
    pub fn find(&self, id: &TokenId) -> Option<&ApiToken> {
        self.tokens().iter().find(|token| token.id == *id)
    }

    /// Whether the list shows a token, and without the mark of this entry.
    #[must_use]
    pub fn shows_without_mark<K: Reconciled>(
        &self,
        pass: &Pass<K>,
        entry: &str,
        id: &TokenId,
    ) -> bool {
        let is_marked = |token| our_mark(pass, token).is_some_and(|(of, _)| of == entry);
        self.find(id).is_some_and(|token| !is_marked(token))
    }

    /// Takes a token out that we have just revoked.
    pub fn remove(&mut self, id: &TokenId) {
        if let Some(listing) = &mut self.listing {
            listing.tokens.retain(|token| token.id != *id);
        }
    }

    /// The tokens of an entry of this object, the newest last: that may be the one by which we ask. `None` = not listed
    /// yet.
    #[must_use]
    pub fn of_entry<K: Reconciled>(&self, pass: &Pass<K>, entry: &str) -> Option<Vec<Listed>> {
        let listing = self.listing.as_ref()?;
        let ours = listing.tokens.iter().filter_map(|token| {
            let (of, generation) = our_mark(pass, token)?;
            (of == entry).then(|| Listed {
                id: token.id.clone(),
                generation,
                issued: token.iat.unwrap_or(listing.at),
                expires: token.exp,
                last_used: token.last_used,
                extended: token.extended,
            })
        });
        let mut ours: Vec<Listed> = ours.collect();
        ours.sort_by_key(|listed| listed.generation);
        Some(ours)
    }

    /// The ids of all tokens of this object, whatever their entries.
    #[must_use]
    pub fn ours<K: Reconciled>(&self, pass: &Pass<K>) -> Vec<TokenId> {
        let ours = self.tokens().iter();
        let ours = ours.filter(|token| our_mark(pass, token).is_some());
        ours.map(|token| token.id.clone()).collect()
    }

    /// The entries that the marks of this object's tokens name.
    #[must_use]
    pub fn entries<K: Reconciled>(&self, pass: &Pass<K>) -> BTreeSet<String> {
        let marks = self.tokens().iter();
        let marks = marks.filter_map(|token| our_mark(pass, token));
        marks.map(|(entry, _)| entry).collect()
    }

    /// How many tokens carry no mark of this cluster; `None` = not listed yet.
    #[must_use]
    pub fn foreign<K: Reconciled>(&self, pass: &Pass<K>) -> Option<i64> {
        let cluster = &pass.context.settings.cluster;
        let is_foreign = |token: &&ApiToken| {
            !Mark::parse(&token.description).is_some_and(|mark| cluster.is(&mark.cluster))
        };
        let listing = self.listing.as_ref()?;
        i64::try_from(listing.tokens.iter().filter(is_foreign).count()).ok()
    }

    fn tokens(&self) -> &[ApiToken] {
        self.listing.as_ref().map_or(&[], |listing| &listing.tokens)
    }
}

/// Entry and generation of a token of this object; `None` = it is not ours.
fn our_mark<K: Reconciled>(pass: &Pass<K>, token: &ApiToken) -> Option<(String, i64)> {
    let mark = Mark::parse(&token.description)?;
    let ownership = mark.ownership(&pass.context.settings.cluster, &pass.marked_object());
    let token = mark.token.filter(|_| ownership != Ownership::Foreign)?;
    Some((token.entry, token.generation))
}
