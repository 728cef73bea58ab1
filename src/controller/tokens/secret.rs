//! The Secret of a token: whose it is, and how it is read and written.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::core::{ObjectMeta, PartialObjectMeta};
use serde_json::json;

use super::TokenHolder;
use super::round::Round;
use crate::api::names::{ENTRY, FIELD_MANAGER, OWNER_KIND, OWNER_NAME, PREVIOUS_KEY, TOKEN_KEY};
use crate::controller::context::Context;
use crate::controller::error::Error;
use crate::controller::kind::{Pass, Reconciled};
use crate::controller::outcome::Stop;
use crate::controller::patch::creation;
use crate::iam::model::TokenValue;
use crate::plan::token::{Dress, History, Recorded};

/// Annotation that holds the history of the entry's tokens.
pub(super) const HISTORY: &str = "kestra-iam.dev/history";

/// What a publish is called in messages.
pub(super) const WRITE: &str = "write the token into the Secret";

/// The labels that bind a Secret to an entry of an object of its namespace.
pub(super) struct Labels([(&'static str, String); 3]);

/// How the labels of a Secret fit an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    /// All are there.
    Whole,
    /// Some are missing, and none names another entry.
    Partial,
    /// They name another entry.
    Other,
}

impl Labels {
    /// Those of an entry of this object.
    pub(super) fn of<K: Reconciled>(pass: &Pass<K>, entry: &str) -> Self {
        Self([
            (OWNER_KIND, K::kind(&()).into_owned()),
            (OWNER_NAME, pass.name().to_owned()),
            (ENTRY, entry.to_owned()),
        ])
    }

    /// How the labels of a Secret fit these.
    fn fit(&self, metadata: &ObjectMeta) -> Fit {
        let labels = metadata.labels.as_ref();
        let there = |name: &str| labels.and_then(|labels| labels.get(name));
        if self
            .0
            .iter()
            .all(|(name, value)| there(name) == Some(value))
        {
            Fit::Whole
        } else if self
            .0
            .iter()
            .all(|(name, value)| there(name).is_none_or(|it| it == value))
        {
            Fit::Partial
        } else {
            Fit::Other
        }
    }

    /// Whether they are all there.
    pub(super) fn are_on(&self, metadata: &ObjectMeta) -> bool {
        self.fit(metadata) == Fit::Whole
    }
}

/// Whether a Secret is an entry's. Where somebody took labels off, its owner still tells.
pub(super) fn is_of<K: Reconciled>(pass: &Pass<K>, entry: &str, metadata: &ObjectMeta) -> bool {
    match Labels::of(pass, entry).fit(metadata) {
        Fit::Whole => true,
        Fit::Partial => is_controlled_by(metadata, &pass.object),
        Fit::Other => false,
    }
}

/// Whether an object controls a Secret, by the Secret's word.
fn is_controlled_by<K: Reconciled>(metadata: &ObjectMeta, object: &K) -> bool {
    let mut owners = metadata.owner_references.iter().flatten();
    let uid = object.meta().uid.as_deref();
    owners.any(|owner| owner.controller == Some(true) && Some(owner.uid.as_str()) == uid)
}

/// The Secrets of a namespace.
pub(super) fn api(context: &Context, namespace: &str) -> Api<Secret> {
    Api::namespaced(context.client.clone(), namespace)
}

/// Has a Secret changed. A refusal is told without the API server's words, which may quote what it was sent.
pub(super) async fn change<T>(
    context: &Context,
    operation: &'static str,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Error> {
    let changed = context.change(operation, request).await;
    changed.map_err(Error::without_quotes)
}

/// A Secret with its values, as it is now. They must not outlive the pass.
pub(super) async fn read(
    context: &Context,
    namespace: &str,
    name: &str,
) -> Result<Option<Secret>, Error> {
    let api = api(context, namespace);
    context.within("read the Secret", api.get_opt(name)).await
}

/// The metadata of a Secret, as it is now.
pub(super) async fn metadata(
    context: &Context,
    namespace: &str,
    name: &str,
) -> Result<Option<ObjectMeta>, Error> {
    let api = api(context, namespace);
    let read = api.get_metadata_opt(name);
    let read = context.within("look at the Secret", read).await?;
    Ok(read.map(|PartialObjectMeta { metadata, .. }| metadata))
}

/// The token that a Secret holds.
pub(super) fn value(secret: &Secret) -> Option<TokenValue> {
    text(secret, TOKEN_KEY)
}

/// The replaced token that a Secret holds besides, if it is the one that the history names.
pub(super) fn previous(secret: &Secret, history: &History) -> Option<TokenValue> {
    let named = history.previous.as_ref()?;
    let prefix = named.prefix.as_deref().unwrap_or_default();
    let value = text(secret, PREVIOUS_KEY).filter(TokenValue::is_well_formed);
    value.filter(|value| value.expose().starts_with(prefix))
}

fn text(secret: &Secret, key: &str) -> Option<TokenValue> {
    let ByteString(bytes) = secret.data.as_ref()?.get(key)?;
    String::from_utf8(bytes.clone()).ok().map(TokenValue::new)
}

impl<K: TokenHolder> Round<'_, K> {
    /// How a Secret looks.
    pub(super) fn dress(&self, secret: &Secret, value: &TokenValue) -> Dress {
        let history = self.sight.seen.history();
        let previous = history.and_then(|history| previous(secret, history));
        let is_named = history.is_some_and(|history| history.previous.is_some());
        let keys = self.entry.dressing.data(value, previous.as_ref());
        if previous.is_some() != is_named || secret.data.as_ref() != Some(&keys) {
            return if self.is_versioned() {
                Dress::Stale
            } else {
                Dress::Differs
            };
        }
        let is_frozen = secret.immutable == Some(true);
        if is_frozen == self.is_versioned() && self.is_clothed(&secret.metadata) {
            Dress::Fits
        } else {
            Dress::Differs
        }
    }

    /// Whether labels, annotations and owner are as they are to be.
    fn is_clothed(&self, metadata: &ObjectMeta) -> bool {
        let owner = owner(&self.pass.object);
        let mut owners = metadata.owner_references.iter().flatten();
        self.entry.dressing.is_worn_by(metadata)
            && Labels::of(self.pass, self.entry.name).are_on(metadata)
            && owners.any(|there| Some(there) == owner.as_ref())
    }

    /// Creates this Secret, or replaces exactly the one that it was made from; with a dry run neither.
    pub(super) async fn write(
        &self,
        secret: Secret,
        parameters: &PostParams,
    ) -> Result<ObjectMeta, Error> {
        let context = &self.pass.context;
        let api = api(context, self.pass.namespace());
        let written = if secret.metadata.resource_version.is_some() {
            let replace = api.replace(self.secret_name(), parameters, &secret);
            match change(context, WRITE, replace).await {
                Err(error) if error.is_invalid() && self.is_frozen().await? => {
                    self.make_anew(secret, parameters).await
                }
                written => written,
            }
        } else {
            let create = api.create(parameters, &secret);
            change(context, WRITE, create).await
        };
        Ok(written?.metadata)
    }

    /// The Secret that publishes a token: the one that was seen with other keys, or another.
    pub(super) fn successor(
        &self,
        history: &History,
        value: &TokenValue,
        previous: Option<&TokenValue>,
    ) -> Result<Secret, Error> {
        let data = self.entry.dressing.data(value, previous);
        let name = self.sight.seen.target();
        let metadata = if self.is_versioned() {
            ObjectMeta::default()
        } else {
            self.seen_metadata()
        };
        self.dressed(
            ObjectMeta {
                name: Some(name),
                ..metadata
            },
            history,
            data,
        )
    }

    /// The metadata of the Secret that was seen, if it is ours.
    fn seen_metadata(&self) -> ObjectMeta {
        let is_ours = self.sight.seen.version().is_some();
        let seen = self.sight.metadata.clone().filter(|_| is_ours);
        seen.unwrap_or_default()
    }

    /// A whole Secret; what others wrote into its metadata stays.
    fn dressed(
        &self,
        mut metadata: ObjectMeta,
        history: &History,
        data: BTreeMap<String, ByteString>,
    ) -> Result<Secret, Error> {
        self.entry.dressing.put_on(&mut metadata);
        let labels = Labels::of(self.pass, self.entry.name).0;
        let labels = labels.map(|(name, value)| (name.to_owned(), value));
        metadata.labels.get_or_insert_default().extend(labels);
        let annotations = metadata.annotations.get_or_insert_default();
        annotations.insert(HISTORY.to_owned(), annotation(history)?);
        metadata.managed_fields = None;
        owned_by(&mut metadata, owner(&self.pass.object));
        Ok(Secret {
            metadata,
            type_: Some("Opaque".to_owned()),
            data: Some(data),
            immutable: self.is_versioned().then_some(true),
            ..Secret::default()
        })
    }

    /// Writes the history into the Secret that was seen; the token stays.
    pub(super) async fn enter(&mut self, history: &History) -> Result<(), Stop> {
        let seen = self.sight.metadata.as_ref();
        let patch = json!({"metadata": {
            "uid": seen.and_then(|seen| seen.uid.as_ref()),
            "resourceVersion": seen.and_then(|seen| seen.resource_version.as_ref()),
            "annotations": {HISTORY: annotation(history)?},
        }});
        let context = &self.pass.context;
        let api = api(context, self.pass.namespace());
        let (parameters, patch) = (PatchParams::apply(FIELD_MANAGER), Patch::Merge(&patch));
        let patched = api.patch_metadata(self.secret_name(), &parameters, &patch);
        let operation = "enter tokens into the history";
        let PartialObjectMeta { metadata, .. } = change(context, operation, patched).await?;
        let version = metadata.resource_version.clone();
        let recorded = Recorded::entered(&self.sight.seen, history, version, self.now());
        self.wrote(metadata, recorded);
        Ok(())
    }

    /// Writes all but the token anew, over the Secret that was seen; the metadata alone of one whose keys cannot be changed. A
    /// value before it that is not there, or not what it was, is given up.
    pub(super) async fn rewrite(&mut self, history: &History) -> Result<(), Stop> {
        let before = self.sight.seen.version().map(str::to_owned);
        let secret = self.read_secret().await?;
        if self.sight.seen.version() != before.as_deref() {
            return Ok(());
        }
        let Some((secret, value)) = secret.as_ref().and_then(|it| Some((it, value(it)?))) else {
            return Ok(());
        };
        let previous = previous(secret, history);
        let history = History {
            previous: history.previous.clone().filter(|_| previous.is_some()),
            ..history.clone()
        };
        let data = match &secret.data {
            Some(data) if self.is_versioned() => data.clone(),
            _ => self.entry.dressing.data(&value, previous.as_ref()),
        };
        let secret = self.dressed(self.seen_metadata(), &history, data)?;
        let metadata = self.write(secret, &creation()).await?;
        let version = metadata.resource_version.clone();
        let recorded = self.sight.seen.recorded.clone().unwrap_or_default();
        self.wrote(metadata, recorded.rewritten(version));
        Ok(())
    }
}

fn annotation(history: &History) -> Result<String, Error> {
    let text = history.to_annotation();
    text.map_err(|source| Error::Json {
        what: "the history",
        source,
    })
}

fn owner<K: Reconciled>(object: &K) -> Option<OwnerReference> {
    object.controller_owner_ref(&())
}

/// Former incarnations of the owner are gone; other owners stay.
fn owned_by(metadata: &mut ObjectMeta, owner: Option<OwnerReference>) {
    let Some(owner) = owner else { return };
    let owners = metadata.owner_references.get_or_insert_default();
    owners.retain(|other| (&other.kind, &other.name) != (&owner.kind, &owner.name));
    owners.push(owner);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labelled(labels: &[(&str, &str)]) -> ObjectMeta {
        let labels = labels
            .iter()
            .map(|&(name, value)| (name.into(), value.into()));
        ObjectMeta {
            labels: Some(labels.collect()),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn labels_tell_whose_a_secret_is() {
        let kind = (OWNER_KIND, "ServiceAccount");
        let (name, entry) = ((OWNER_NAME, "ci"), (ENTRY, "default"));
        let labels = Labels([kind, name, entry].map(|(name, value)| (name, value.to_owned())));
        assert_eq!(labels.fit(&labelled(&[kind, name, entry])), Fit::Whole);
        assert_eq!(labels.fit(&labelled(&[kind, entry])), Fit::Partial);
        assert_eq!(labels.fit(&ObjectMeta::default()), Fit::Partial);
        let other = (ENTRY, "other");
        assert_eq!(labels.fit(&labelled(&[kind, name, other])), Fit::Other);
        assert_eq!(labels.fit(&labelled(&[other])), Fit::Other);
    }
}
