//! Issue → check → publish. The value lives from the backend's answer to the API server's, and nowhere else.

use std::time::Duration;

use jiff::SignedDuration;
use tracing::info;

use super::TokenHolder;
use super::publish::Published;
use super::round::Round;
use super::sight::Freshness;
use crate::api::condition::{ConditionType, Finding, Reason, Truth};
use crate::controller::error::Error;
use crate::controller::outcome::{Blocked, Stop};
use crate::iam::client::{Check, NewToken};
use crate::iam::model::TokenValue;
use crate::iam::wire::IssuedToken;
use crate::plan::mark::token_name;
use crate::plan::token::{Current, Issue, Successor};

/// How long a fresh value may go on being refused, with pauses that double: backends are eventually consistent.
const PATIENCE: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
];

impl<K: TokenHolder> Round<'_, K> {
    /// Issues a token and publishes it, unless the Secret is not any more what the decision was made from.
    pub(super) async fn issue(&mut self, issue: &Issue) -> Result<(), Stop> {
        if self.pass.context.is_ending(self.pass.namespace()) {
            return Err(ending());
        }
        if self.sight.freshness == Freshness::Cached || self.is_versioned() {
            // Nothing is minted before an uncached look: the Secret may be somebody else's by now, or have a successor.
            let before = self.sight.seen.version().map(str::to_owned);
            self.read_metadata().await?;
            let is_taken = self.sight.seen.successor == Successor::Taken;
            if is_taken || self.sight.seen.version() != before.as_deref() {
                return Ok(());
            }
        }
        let outcome = self.mint(issue).await;
        if let Err(stop) = &outcome
            && !stop.is_withheld()
        {
            self.tell_failure(stop);
        }
        outcome
    }

    async fn mint(&mut self, issue: &Issue) -> Result<(), Stop> {
        self.rehearse(issue).await?;
        let wanted = self.wanted(issue);
        let (label, reason) = (self.entry.label(), issue.reason);
        self.pass.may(format_args!("issue {label} ({reason})"))?;
        let owner = self.ledger.owner();
        let issued = self.backend.client.issue_token(owner, &wanted).await?;
        let metrics = &self.pass.context.metrics;
        metrics.issued(&self.backend.key.path(), issue.reason.as_str());
        let current = match self.examine(&wanted, &issued, issue).await {
            Ok(current) => current,
            Err(stop) => return Err(self.discard(&issued.id, stop).await),
        };
        match self.publish(issue, current, &issued.full_token).await? {
            Published::Won => self.announce(issue).await,
            Published::Lost => {}
        }
        Ok(())
    }

    fn wanted(&self, issue: &Issue) -> NewToken {
        let mark = self.entry.mark(self.pass, issue.generation);
        let lifetime = self.entry.policy.lifetime;
        NewToken {
            name: token_name(self.entry.owner_name, &mark),
            description: mark.to_string(),
            lifetime: lifetime.max_age().map(SignedDuration::unsigned_abs),
            extended: lifetime.is_extended(),
        }
    }

    /// Reads what the backend granted, and tries the value.
    async fn examine(
        &mut self,
        wanted: &NewToken,
        issued: &IssuedToken,
        issue: &Issue,
    ) -> Result<Current, Stop> {
        let value = &issued.full_token;
        if !value.is_well_formed() {
            return Err(useless("cannot be sent in a header"));
        }
        let sent = self.now();
        self.list().await?;
        self.try_out(value).await?;
        let listed = self.ledger.find(&issued.id);
        let asked = self.entry.policy.lifetime.max_age();
        let issued_at = listed.and_then(|token| token.iat).unwrap_or(sent);
        let expires = match listed {
            Some(token) => token.exp,
            None => asked.and_then(|asked| issued_at.checked_add(asked).ok()),
        };
        let prefix = listed.and_then(|token| token.prefix.clone());
        Ok(Current {
            id: issued.id.clone(),
            generation: issue.generation,
            prefix: prefix.filter(|it| !it.is_empty() && value.expose().starts_with(it)),
            issued: issued_at,
            expires,
            published: sent,
            asked: asked.map(|asked| asked.as_secs()),
            extended: wanted.extended,
            rights: self.sight.seen.rights.clone(),
            farewell: self.entry.policy.overlap.min.as_secs(),
        })
    }

    /// A fresh value has to authenticate before anybody gets it.
    async fn try_out(&self, value: &TokenValue) -> Result<(), Stop> {
        let mut pauses = PATIENCE.iter();
        loop {
            match self.backend.client.check(value).await? {
                Check::Works(_) | Check::NotRefused => return Ok(()),
                Check::Malformed => return Err(useless("cannot be sent in a header")),
                Check::Refused => match pauses.next() {
                    Some(pause) => tokio::time::sleep(*pause).await,
                    None => return Err(useless("is refused by the backend that issued it")),
                },
            }
        }
    }

    /// The newest issue failed; what is in the Secret may work all the same.
    fn tell_failure(&mut self, stop: &Stop) {
        let (label, why) = (self.entry.label(), stop.message());
        let message = format!("{label} could not be issued: {why}");
        let finding = Finding::new(ConditionType::TokenIssued, false, stop.reason(), message);
        self.pass.findings.push(finding);
    }

    async fn announce(&mut self, issue: &Issue) {
        let (label, secret) = (self.entry.label(), self.secret_name().to_owned());
        let (generation, reason) = (issue.generation, issue.reason);
        let message = format!("{label}, generation {generation}, is in Secret {secret} ({reason})");
        if generation > 1 {
            let metrics = &self.pass.context.metrics;
            metrics.rotated(&self.backend.key.path(), reason.as_str());
        }
        let key = self.pass.key();
        info!(object = %key, %secret, generation, %reason, "token published");
        self.tell_issued(reason, &message);
        let note = if generation > 1 {
            format!("a new value of {label} is in Secret {secret}")
        } else {
            format!("{label} is in Secret {secret}")
        };
        self.pass.event(reason, "Issue", note, Some(&secret)).await;
    }

    /// The newest issue succeeded, unless that of another entry failed in this pass.
    pub(super) fn tell_issued(&mut self, reason: Reason, message: &str) {
        let kind = ConditionType::TokenIssued;
        let findings = &mut self.pass.findings;
        if !findings
            .iter()
            .any(|it| it.kind == kind && it.truth == Truth::False)
        {
            findings.push(Finding::new(kind, true, reason, message));
        }
    }
}

/// Where no Secret can be created any more nothing is minted.
fn ending() -> Stop {
    let message =
        "the namespace is being deleted, and takes no Secret any more: no token is issued";
    Blocked::unsynced(Reason::KubernetesRefused, message).into()
}

fn useless(how: &'static str) -> Stop {
    Error::Useless { how }.into()
}
