//! One entry in one pass: what is known of it, and the looks that make it known.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::core::ObjectMeta;

use super::ledger::Ledger;
use super::sight::{self, Freshness, Sight};
use super::{Entry, TokenHolder, secret};
use crate::controller::backend::Backend;
use crate::controller::error::Error;
use crate::controller::kind::Pass;
use crate::controller::memory::EntryMemory;
use crate::iam::client;
use crate::iam::model::TokenValue;
use crate::plan::token::{Check, Dress, Look, Naming, Recorded, SecretSeen, Sighting, Successor};

/// One entry in one pass.
pub(super) struct Round<'r, K: TokenHolder> {
    pub(super) pass: &'r mut Pass<K>,
    pub(super) backend: &'r Backend,
    pub(super) ledger: &'r mut Ledger,
    pub(super) entry: &'r Entry<'r>,
    pub(super) sight: Sight,
}

impl<'r, K: TokenHolder> Round<'r, K> {
    /// Looks at the Secret's metadata, and at nothing else yet.
    pub(super) async fn begin(
        pass: &'r mut Pass<K>,
        backend: &'r Backend,
        ledger: &'r mut Ledger,
        entry: &'r Entry<'r>,
    ) -> Result<Self, Error> {
        let sight = sight::first(pass, backend, entry).await?;
        let mut round = Self {
            pass,
            backend,
            ledger,
            entry,
            sight,
        };
        round.take_list();
        Ok(round)
    }

    /// The present instant on the backend's clock.
    pub(super) fn now(&self) -> Timestamp {
        self.backend.client.backend_now()
    }

    /// Looks at one thing more.
    pub(super) async fn look(&mut self, wanted: Look) -> Result<(), Error> {
        match wanted {
            Look::List => self.list().await,
            Look::Value => self.value().await,
            Look::Consumers => self.consumers().await,
        }
    }

    /// Lists the owner's tokens.
    pub(super) async fn list(&mut self) -> Result<(), Error> {
        self.ledger.list(self.backend).await?;
        self.take_list();
        Ok(())
    }

    /// Takes in what the ledger shows, if it shows anything.
    fn take_list(&mut self) {
        let Some(at) = self.ledger.listed_at() else {
            return;
        };
        let next_look = sight::next_look(self.pass, self.backend, at);
        let seen = &mut self.sight.seen;
        seen.listed = self.ledger.of_entry(self.pass, self.entry.name);
        seen.listed_at = Some(at);
        seen.next_look = next_look;
        let current = seen.current();
        let listed = current.and_then(|current| seen.listing_of(&current.id));
        let moved = listed.and_then(|listed| Some((listed.id.clone(), listed.expires?)));
        self.remember(|memory| {
            memory.listed = Some(at);
            memory.moved = moved;
        });
    }

    /// Reads the Secret with its values, tries the token, and forgets the values again.
    async fn value(&mut self) -> Result<(), Error> {
        let secret = self.read_secret().await?;
        let value = secret.as_ref().and_then(secret::value);
        let value = value.filter(TokenValue::is_well_formed);
        let whole = secret.as_ref().zip(value.as_ref());
        let looks = whole.map_or(Dress::Differs, |(secret, value)| self.dress(secret, value));
        let SecretSeen::Ours {
            history,
            prefix_holds,
            dress,
            ..
        } = &mut self.sight.seen.secret
        else {
            return Ok(());
        };
        *dress = looks;
        let prefix = history
            .as_ref()
            .and_then(|history| history.current.prefix.as_deref());
        let holds = |value: &TokenValue| prefix.is_none_or(|p| value.expose().starts_with(p));
        *prefix_holds = Some(value.as_ref().is_some_and(holds));
        if let Some(value) = value {
            return self.check(&value).await;
        }
        self.checked(Check::Refused);
        Ok(())
    }

    async fn check(&mut self, value: &TokenValue) -> Result<(), Error> {
        let check = match self.backend.client.check(value).await? {
            client::Check::Works(_) | client::Check::NotRefused => Check::Works,
            client::Check::Refused | client::Check::Malformed => Check::Refused,
        };
        self.checked(check);
        Ok(())
    }

    fn checked(&mut self, check: Check) {
        let since = self.sight.seen.refused_since;
        let refused_since = match check {
            Check::Works => None,
            Check::Refused => since.or_else(|| Some(self.now())),
        };
        self.sight.seen.check = Some(check);
        self.sight.seen.refused_since = refused_since;
        self.remember(|memory| memory.refused_since = refused_since);
    }

    /// The name of the Secret with the current token, or the name that the spec gives where there is none yet.
    pub(super) fn secret_name(&self) -> &str {
        let name = self.sight.seen.secret_name.as_deref();
        name.unwrap_or_else(|| self.entry.dressing.naming.name())
    }

    /// Reads the Secret's metadata anew, and whether it has a successor.
    pub(super) async fn read_metadata(&mut self) -> Result<(), Error> {
        let (context, namespace) = (&self.pass.context, self.pass.namespace());
        let metadata = match &self.sight.seen.secret_name {
            Some(name) => secret::metadata(context, namespace, name).await?,
            None => None,
        };
        self.see(metadata);
        if self.is_versioned() {
            let (context, namespace) = (&self.pass.context, self.pass.namespace());
            let next = self.sight.seen.target();
            let metadata = secret::metadata(context, namespace, &next).await?;
            self.meet(metadata);
        }
        Ok(())
    }

    /// Reads the Secret with its values. They must not outlive the pass.
    pub(super) async fn read_secret(&mut self) -> Result<Option<Secret>, Error> {
        let (context, namespace) = (&self.pass.context, self.pass.namespace());
        let secret = match &self.sight.seen.secret_name {
            Some(name) => secret::read(context, namespace, name).await?,
            None => None,
        };
        self.see(secret.as_ref().map(|secret| secret.metadata.clone()));
        Ok(secret)
    }

    /// Reads the Secret that a publish would write, with its values. They must not outlive the pass.
    pub(super) async fn read_target(&mut self) -> Result<Option<Secret>, Error> {
        if !self.is_versioned() {
            return self.read_secret().await;
        }
        let (context, namespace) = (&self.pass.context, self.pass.namespace());
        let next = self.sight.seen.target();
        let secret = secret::read(context, namespace, &next).await?;
        self.meet(secret.as_ref().map(|secret| secret.metadata.clone()));
        Ok(secret)
    }

    /// Whether each token gets a Secret of its own.
    pub(super) fn is_versioned(&self) -> bool {
        matches!(self.entry.dressing.naming, Naming::Versioned(_))
    }

    /// Takes in what has the name of the next Secret: one of ours holds a later token than what was seen.
    fn meet(&mut self, metadata: Option<ObjectMeta>) {
        match sight::secret(self.pass, self.entry, metadata.as_ref()) {
            SecretSeen::Absent => self.sight.seen.successor = Successor::Free,
            SecretSeen::Foreign => self.sight.seen.successor = Successor::Taken,
            SecretSeen::Ours { .. } => self.see(metadata),
        }
    }

    /// Takes in the Secret as a read shows it. What was learnt of a version holds for that version alone.
    fn see(&mut self, metadata: Option<ObjectMeta>) {
        let secret = sight::secret(self.pass, self.entry, metadata.as_ref());
        let seen = &mut self.sight.seen;
        if !matches!(secret.version(), Some(version) if seen.secret.version() == Some(version)) {
            seen.secret = secret;
            seen.check = None;
            seen.consumers = None;
            seen.sighting = Sighting::Unrecorded;
        }
        if let Some(name) = metadata.as_ref().and_then(|metadata| metadata.name.clone()) {
            seen.secret_name = Some(name);
        }
        seen.successor = Successor::Free;
        self.sight.metadata = metadata;
        self.sight.freshness = Freshness::Read;
    }

    /// Takes in the answer to a write of ours.
    pub(super) fn wrote(&mut self, metadata: ObjectMeta, recorded: Recorded) {
        self.pass.context.secrets_of.wrote(&metadata);
        self.see(Some(metadata));
        self.sight.seen.recorded = Some(recorded);
    }

    /// Takes in the answer to a publish of ours: its token works, as it was tried before.
    pub(super) fn published(&mut self, metadata: ObjectMeta, recorded: Recorded, now: Timestamp) {
        self.wrote(metadata, recorded);
        self.sight.published = Some(now);
        let history = self.sight.seen.history();
        let unscheduled = history.map(|history| history.unscheduled.clone());
        self.remember(|memory| {
            memory.vain_because = None;
            memory.unscheduled = unscheduled.unwrap_or_default();
        });
        self.checked(Check::Works);
    }

    pub(super) fn remember(&self, change: impl FnOnce(&mut EntryMemory)) {
        let memory = &self.pass.context.memory;
        memory.remember(&self.pass.key(), self.entry.name, change);
    }
}
