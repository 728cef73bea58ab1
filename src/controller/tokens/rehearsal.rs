//! Asks the API server whether it would take a Secret, before one more token is issued for it.

use kube::api::PostParams;

use super::TokenHolder;
use super::round::Round;
use crate::api::condition::Reason;
use crate::controller::error::Error;
use crate::controller::patch::creation;
use crate::iam::model::TokenValue;
use crate::plan::token::{Current, Issue};

/// What stands where the token will be.
const STAND_IN: &str = "rehearsal";

impl<K: TokenHolder> Round<'_, K> {
    /// After a publish that was refused no token is issued until a dry run of the same publish is not. An account whose
    /// Secrets are taken never pays for it.
    pub(super) async fn rehearse(&self, issue: &Issue) -> Result<(), Error> {
        let memory = &self.pass.context.memory;
        let known = memory.entry(&self.pass.key(), self.entry.name);
        if !matches!(known.vain_because, Some((Reason::KubernetesRefused, _))) {
            return Ok(());
        }
        let history = issue.history(self.stand_in(issue));
        let secret = self.successor(&history, &TokenValue::new(STAND_IN.to_owned()), None)?;
        let parameters = PostParams {
            dry_run: true,
            ..creation()
        };
        match self.write(secret, &parameters).await {
            // The publish itself finds out who wrote meanwhile.
            Err(error) if !error.is_conflict() => Err(error),
            _ => Ok(()),
        }
    }

    fn stand_in(&self, issue: &Issue) -> Current {
        let now = self.now();
        Current {
            id: STAND_IN.into(),
            generation: issue.generation,
            prefix: None,
            issued: now,
            expires: None,
            published: now,
            asked: None,
            extended: false,
            farewell: 0,
            rights: None,
        }
    }
}
