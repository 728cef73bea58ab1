//! Writes a token into the Secret, and finds out who won if somebody else wrote it meanwhile.

use kube::core::ObjectMeta;

use super::round::Round;
use super::{TokenHolder, secret};
use crate::controller::error::Error;
use crate::controller::outcome::Stop;
use crate::iam::client::Check;
use crate::iam::model::TokenValue;
use crate::plan::token::{Contest, Current, End, Held, History, Issue, Recorded, contest};

/// So often a conflicting publish is tried anew over a Secret whose token is dead.
const PUBLISHES: usize = 3;

/// How a publish ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Published {
    /// The Secret holds our token.
    Won,
    /// Somebody else's working token is there; ours is revoked.
    Lost,
}

impl<K: TokenHolder> Round<'_, K> {
    /// Writes the token into the Secret, whose version must be the one that was seen.
    pub(super) async fn publish(
        &mut self,
        issue: &Issue,
        mut current: Current,
        value: &TokenValue,
    ) -> Result<Published, Stop> {
        for _ in 0..PUBLISHES {
            current.published = self.now();
            let history = issue.history(current.clone());
            match self.put_secret(&history, value).await {
                Ok(metadata) => return Ok(self.won(metadata, &history)),
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(self.unpublished(&current, error).await),
            }
            if let Some(published) = self.conflict(&current, value).await? {
                return Ok(published);
            }
        }
        Err(Error::Contended.into())
    }

    /// A conflict: whose token is in the Secret now? `None` = a dead one or none at all, publish over it.
    async fn conflict(
        &mut self,
        ours: &Current,
        value: &TokenValue,
    ) -> Result<Option<Published>, Stop> {
        let secret = self.read_secret().await?;
        let there = secret.as_ref().and_then(secret::value);
        let held = match &there {
            None => Held::Nothing,
            Some(there) if there.expose() == value.expose() => Held::Ours,
            Some(_) => Held::Another,
        };
        let is_lost = match contest(&self.sight.seen.secret, &ours.id, held) {
            Contest::Won(history) => {
                let history = history.clone();
                let metadata = self.sight.metadata.clone().unwrap_or_default();
                return Ok(Some(self.won(metadata, &history)));
            }
            Contest::Open => false,
            Contest::Contested => self.works(there).await?,
            Contest::Lost => true,
        };
        if !is_lost {
            return Ok(None);
        }
        // Every send of ours was answered by a conflict, so nobody can hold our token.
        self.revoke_token(&ours.id).await?;
        let now = self.now();
        self.remember(|memory| memory.in_vain(now, None));
        self.sight.seen.vain.push(now);
        self.tell(&ours.id, End::Settled).await;
        Ok(Some(Published::Lost))
    }

    /// The Secret holds our token, as an answer has just shown.
    fn won(&mut self, metadata: ObjectMeta, history: &History) -> Published {
        let now = self.now();
        let version = metadata.resource_version.clone();
        let recorded = Recorded::published(&self.sight.seen, history, version, now);
        self.published(metadata, recorded, now);
        Published::Won
    }

    async fn works(&self, value: Option<TokenValue>) -> Result<bool, Error> {
        let Some(value) = value else {
            return Ok(false);
        };
        let check = self.backend.client.check(&value).await?;
        Ok(matches!(check, Check::Works(_) | Check::NotRefused))
    }

    /// After an unknown outcome the token may be published or may yet be: it is left to the history. After a refusal
    /// nobody can hold it.
    async fn unpublished(&mut self, ours: &Current, error: Error) -> Stop {
        if error.outcome_unknown() {
            self.remember(|memory| memory.unanswered_publish = Some(ours.published));
            return error.into();
        }
        self.discard(&ours.id, error.into()).await
    }
}
