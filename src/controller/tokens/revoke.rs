//! Revokes tokens: those that the history names after one more look at the Secret, and those that nobody ever held.

use tracing::{info, warn};

use super::TokenHolder;
use super::round::Round;
use crate::api::condition::Reason;
use crate::controller::error::Error;
use crate::controller::outcome::Stop;
use crate::iam::model::TokenId;
use crate::plan::token::End;

impl<K: TokenHolder> Round<'_, K> {
    /// Revokes a token that the history names, if the Secret as it is right now still is what the decision was made
    /// from. If it changed, the next plan is made from what it is now. Whoever may write the Secret can write any id into
    /// its history: what the list shows without the entry's mark is left alone.
    pub(super) async fn revoke(&mut self, id: &TokenId, end: End) -> Result<(), Stop> {
        let before = self.sight.seen.version().map(str::to_owned);
        self.read_metadata().await?;
        let seen = &self.sight.seen;
        let is_named = seen
            .history()
            .is_some_and(|history| history.current.id != *id && history.names(id));
        if !is_named || seen.version() != before.as_deref() {
            return Ok(());
        }
        if self
            .ledger
            .shows_without_mark(self.pass, self.entry.name, id)
        {
            let key = self.pass.key();
            warn!(object = %key, token = %id, "the history names a token that is not this entry's: it is left alone");
        } else {
            self.revoke_token(id).await?;
            self.tell(id, end).await;
        }
        let seen = &mut self.sight.seen;
        seen.recorded = seen.recorded.as_ref().map(|recorded| recorded.revoked(id));
        Ok(())
    }

    /// Tells of a revocation.
    pub(super) async fn tell(&self, id: &TokenId, end: End) {
        let label = self.entry.label();
        let (reason, message) = match end {
            End::Overlap => (
                Reason::Revoked,
                format!("a replaced value of {label} was revoked"),
            ),
            End::Settled => (
                Reason::OrphanRevoked,
                format!("a stray value of {label}, which nobody is to hold, was revoked"),
            ),
        };
        let metrics = &self.pass.context.metrics;
        metrics.revoked(&self.backend.key.path(), reason.as_str());
        let key = self.pass.key();
        info!(object = %key, token = %id, %reason, "token revoked");
        let secret = Some(self.secret_name());
        self.pass.event(reason, "Revoke", message, secret).await;
    }

    /// Revokes a token whose value nobody holds; no publish of it can be under way. Gives back why it was in vain.
    pub(super) async fn discard(&mut self, id: &TokenId, stop: Stop) -> Stop {
        match self.revoke_token(id).await {
            Ok(()) => {
                let now = self.now();
                let because = (stop.reason(), stop.message());
                self.remember(|memory| memory.in_vain(now, Some(because)));
                self.tell(id, End::Settled).await;
                stop
            }
            // Its mark lets the next pass find it.
            Err(error) => error.into(),
        }
    }

    /// Revokes a token at the backend. One that is gone already is as good: this pass has had other answers of the
    /// backend.
    pub(super) async fn revoke_token(&mut self, id: &TokenId) -> Result<(), Error> {
        let label = self.entry.label();
        self.pass
            .may(format_args!("revoke {id}, a former value of {label}"))?;
        let owner = self.ledger.owner();
        self.backend.client.revoke_token(owner, id).await?;
        self.ledger.remove(id);
        self.sight.seen.listed = self.ledger.of_entry(self.pass, self.entry.name);
        Ok(())
    }
}
