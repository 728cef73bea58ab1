//! Writes a token into the Secret, and finds out who won if somebody else wrote it meanwhile.

use kube::core::ObjectMeta;

use super::round::Round;
use super::{TokenHolder, secret, sight};
use crate::controller::error::Error;
use crate::controller::outcome::Stop;
use crate::controller::patch::creation;
use crate::iam::client::Check;
use crate::iam::model::TokenValue;
use crate::plan::token::{
    Contest, Current, End, Held, History, Issue, Previous, Recorded, contest, kept,
};

/// So often a conflicting publish is tried anew over a Secret whose token is dead.
const PUBLISHES: usize = 3;

/// What a publish leaves in the Secret of what it replaces.
enum Replaced {
    /// Nothing.
    Nothing,
    /// This token's value.
    Kept(Previous, TokenValue),
    /// The Secret is not any more what the decision was made from: as good as a conflict.
    Changed,
}

/// How a publish ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Published {
    /// The Secret holds our token.
    Won,
    /// Something else is there. If nobody can hold our token it is revoked, else it is left to the history.
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
            if let Some(published) = self.put(issue, &mut current, value).await? {
                return Ok(published);
            }
            if let Some(published) = self.conflict(&current, value).await? {
                return Ok(published);
            }
        }
        Err(Error::Contended.into())
    }

    /// Sends the publish. `None` = a conflict.
    async fn put(
        &mut self,
        issue: &Issue,
        current: &mut Current,
        value: &TokenValue,
    ) -> Result<Option<Published>, Stop> {
        let (previous, replaced) = match self.replaced(issue).await? {
            Replaced::Nothing => (None, None),
            Replaced::Kept(previous, value) => (Some(previous), Some(value)),
            Replaced::Changed => return Ok(None),
        };
        current.published = self.now();
        let history = History {
            previous,
            ..issue.history(current.clone())
        };
        let secret = self.successor(&history, value, replaced.as_ref())?;
        match self.write(secret, &creation()).await {
            Ok(metadata) => Ok(Some(self.won(metadata, &history))),
            Err(error) if error.is_conflict() => Ok(None),
            Err(error) => Err(self.unpublished(current, error).await),
        }
    }

    /// What is to stay in the Secret beside the new value, from the very version that is to be replaced.
    async fn replaced(&mut self, issue: &Issue) -> Result<Replaced, Error> {
        let Some(previous) = kept(&self.entry.policy, &self.sight.seen, issue) else {
            return Ok(Replaced::Nothing);
        };
        let before = self.sight.seen.version().map(str::to_owned);
        let secret = self.read_secret().await?;
        if self.sight.seen.version() != before.as_deref() {
            return Ok(Replaced::Changed);
        }
        let value = secret.as_ref().and_then(secret::value);
        let value = value.filter(TokenValue::is_well_formed);
        Ok(value.map_or(Replaced::Nothing, |value| Replaced::Kept(previous, value)))
    }

    /// A conflict: whose token is in the Secret now? `None` = a dead one or none at all, publish over it.
    async fn conflict(
        &mut self,
        ours: &Current,
        value: &TokenValue,
    ) -> Result<Option<Published>, Stop> {
        let secret = self.read_target().await?;
        let metadata = secret.as_ref().map(|secret| secret.metadata.clone());
        let there = secret.as_ref().and_then(secret::value);
        let found = sight::secret(self.pass, self.entry, metadata.as_ref());
        let held = match &there {
            None => Held::Nothing,
            Some(there) if there.expose() == value.expose() => Held::Ours,
            Some(_) => Held::Another,
        };
        let is_lost = match contest(&found, &ours.id, held) {
            Contest::Won(history) => {
                return Ok(Some(self.won(metadata.unwrap_or_default(), history)));
            }
            // It cannot be written over, and somebody may hold our token.
            Contest::Open if self.is_versioned() && secret.is_some() => {
                return Ok(Some(Published::Lost));
            }
            Contest::Open => false,
            Contest::Contested => self.is_versioned() || self.works(there).await?,
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
        let written = (metadata.name.clone(), metadata.resource_version.clone());
        let recorded = Recorded::published(&self.sight.seen, history, written, now);
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
