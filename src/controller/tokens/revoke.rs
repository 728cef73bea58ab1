//! Revokes a token, after one more look at the Secret.

use tracing::info;

use super::sight::{self, Sight};
use super::{Entry, TokenHolder};
use crate::api::condition::Reason;
use crate::controller::backend::Backend;
use crate::controller::error::Error;
use crate::controller::kind::Pass;
use crate::controller::outcome::Stop;
use crate::iam::model::TokenId;
use crate::plan::token::{End, SecretSeen};

/// Revokes a token that the history names, if the Secret as it is right now names it too and does not hold it. A
/// Secret that changed ends the step: the next plan is made from what it is now.
pub(super) async fn revoke<K: TokenHolder>(
    pass: &mut Pass<K>,
    backend: &Backend,
    entry: &Entry<'_>,
    sight: &mut Sight,
    id: &TokenId,
    end: End,
) -> Result<(), Stop> {
    let before = sight.seen.clone();
    let metadata = sight::read(&pass.context, pass.namespace(), entry.dressing.name).await?;
    sight.see(pass, entry, metadata);
    let history = sight.seen.history();
    let named = history.is_some_and(|history| history.current.id != *id && history.names(id));
    if !named || !unchanged(&before.secret, &sight.seen.secret) {
        return Ok(());
    }
    pass.context.leadership.guard().map_err(Error::from)?;
    backend.client.revoke_token(&entry.owner, id).await?;
    if let Some(listed) = &mut sight.seen.listed {
        listed.retain(|listed| listed.id != *id);
    }
    if let Some(recorded) = &mut sight.seen.recorded {
        recorded.retired.retain(|(retired, _)| retired != id);
    }
    let reason = if end == End::Settled {
        Reason::OrphanRevoked
    } else {
        Reason::Revoked
    };
    pass.context
        .metrics
        .revoked(&backend.key.name, reason.as_str());
    let key = pass.key();
    info!(object = %key, token = %id, %reason, "token revoked");
    if end == End::Settled {
        let message = format!(
            "a value of {} that was never published was revoked",
            entry.label()
        );
        pass.event(reason, "Revoke", message).await;
    }
    Ok(())
}

fn unchanged(before: &SecretSeen, now: &SecretSeen) -> bool {
    match (before, now) {
        (
            SecretSeen::Ours {
                resource_version: before,
                ..
            },
            SecretSeen::Ours {
                resource_version: now,
                ..
            },
        ) => before == now,
        _ => false,
    }
}
