//! What one pass knows, and how answers change that: mirrors `controller::tokens::round` and `record`.

use std::rc::Rc;

use super::state::{After, Freshness, Minted, Pass, Request, Trial};
use super::*;

impl Pass {
    pub(super) fn version(&self) -> Option<u32> {
        self.seen.version().map(|version| version.parse().unwrap())
    }

    /// `record::note`
    pub(super) fn note(&mut self) {
        let Some(recorded) = Recorded::noted(&self.seen) else {
            return;
        };
        let old = self.noted.take().unwrap_or_default();
        let retired = if self.seen.is_accepted() {
            recorded.retired
        } else {
            old.retired
        };
        self.noted = Some(Recorded {
            retired,
            ..recorded
        });
    }

    /// `record::accept`
    pub(super) fn accept(&mut self, integrity: Integrity, now: Timestamp) {
        self.seen.recorded = Some(Recorded::accepted(&self.seen, integrity, now));
        self.seen.sighting = Sighting::Recorded;
        self.note();
    }

    pub(super) fn status(&self, then: After) -> Request {
        Request::Status {
            recorded: self.noted.clone(),
            on: self.object.0,
            then,
        }
    }

    /// `round::see`
    pub(super) fn see(&mut self, secret: SecretSeen) {
        let seen = &mut self.seen;
        if !matches!(secret.version(), Some(version) if seen.secret.version() == Some(version)) {
            seen.secret = secret;
            seen.check = None;
            seen.sighting = Sighting::Unrecorded;
        }
        self.freshness = Freshness::Read;
    }

    /// `round::wrote`
    pub(super) fn wrote(&mut self, history: &History, version: u32, recorded: Recorded) {
        self.see(SecretSeen::Ours {
            resource_version: version.to_string(),
            history: Some(Box::new(history.clone())),
            prefix_holds: None,
            dress: Dress::Fits,
        });
        self.seen.recorded = Some(recorded);
    }

    pub(super) fn may_revoke(&self, id: &TokenId) -> bool {
        let history = self.seen.history();
        history.is_some_and(|history| history.current.id != *id && history.names(id))
    }

    /// `issue::examine`, up to the trial of the value.
    pub(super) fn examine(&mut self, issue: Rc<Issue>, id: TokenId, now: Timestamp) {
        let listed = self.seen.listing_of(&id);
        let current = Current {
            id: id.clone(),
            generation: issue.generation,
            prefix: None,
            issued: listed.map_or(now, |listed| listed.issued),
            expires: None,
            published: now,
            asked: None,
            extended: false,
            rights: self.seen.rights.clone(),
            farewell: 0,
        };
        let minted = Minted {
            issue,
            current,
            conflicts: 0,
        };
        self.awaits = Request::Try(id, Trial::Fresh(Rc::new(minted)));
    }
}
