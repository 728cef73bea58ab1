//! The Secret of a token: whose it is, how it looks, and how it is written.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::core::{ObjectMeta, PartialObjectMeta};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::sight::Sight;
use super::{Entry, TokenHolder};
use crate::api::names::{ENTRY, FIELD_MANAGER, OWNER_KIND, OWNER_NAME, TOKEN_KEY};
use crate::api::token::SecretTemplate;
use crate::controller::context::Context;
use crate::controller::error::Error;
use crate::controller::kind::{Kind, Pass};
use crate::controller::outcome::Stop;
use crate::iam::model::TokenValue;
use crate::plan::mark::hex;
use crate::plan::token::{History, SecretSeen};

/// Annotation that holds the history of the entry's tokens.
pub(super) const HISTORY: &str = "kestra-iam.dev/history";

/// Annotation that tells which template a Secret was written from.
pub(super) const TEMPLATE: &str = "kestra-iam.dev/template";

/// How the Secret of an entry is to look, the token apart.
#[derive(Clone, Copy, Debug)]
pub struct Dressing<'a> {
    /// Its name.
    pub name: &'a str,
    /// What the user wants in it besides.
    pub template: &'a SecretTemplate,
    /// `{{ account }}`: the owner's name at the backend.
    pub account: &'a str,
    /// `{{ url }}`: the backend's address.
    pub url: &'a str,
    /// `{{ tenant }}`: the backend's tenant.
    pub tenant: &'a str,
}

/// What the annotation [`TEMPLATE`] holds.
#[derive(Serialize, Deserialize)]
struct Made {
    /// Of template and variables.
    hash: String,
    /// Labels that the template put there, to be removed when it does no longer.
    #[serde(default)]
    labels: Vec<String>,
    /// Annotations likewise.
    #[serde(default)]
    annotations: Vec<String>,
}

impl Dressing<'_> {
    fn hash(&self) -> String {
        let metadata = &self.template.metadata;
        let parts = json!([
            metadata.labels,
            metadata.annotations,
            self.template.data,
            self.account,
            self.url,
            self.tenant
        ]);
        hex(&Sha256::digest(parts.to_string()))[..16].to_owned()
    }

    /// Whether a Secret with this annotation was written from this template.
    pub(super) fn made(&self, annotation: &str) -> bool {
        serde_json::from_str::<Made>(annotation).is_ok_and(|made| made.hash == self.hash())
    }

    fn annotation(&self) -> String {
        let metadata = &self.template.metadata;
        let keys = |map: &BTreeMap<String, String>| map.keys().cloned().collect::<Vec<_>>();
        let (labels, annotations) = (keys(&metadata.labels), keys(&metadata.annotations));
        json!({"hash": self.hash(), "labels": labels, "annotations": annotations}).to_string()
    }

    /// All keys of the Secret.
    fn data(&self, value: &TokenValue) -> BTreeMap<String, ByteString> {
        let variable = |name: &str| match name {
            "token" => Some(value.expose()),
            "account" => Some(self.account),
            "url" => Some(self.url),
            "tenant" => Some(self.tenant),
            _ => None,
        };
        let rendered = self.template.data.iter();
        let rendered = rendered.map(|(key, text)| (key.clone(), render(text, variable)));
        let token = (TOKEN_KEY.to_owned(), value.expose().to_owned());
        rendered
            .chain([token])
            .map(|(key, text)| (key, ByteString(text.into_bytes())))
            .collect()
    }
}

/// Puts variables in their places in one go: what they hold is not looked at again.
fn render<'v>(text: &str, variable: impl Fn(&str) -> Option<&'v str>) -> String {
    let (mut rendered, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once("{{") {
        rendered.push_str(before);
        let place = after
            .split_once("}}")
            .and_then(|(name, tail)| Some((variable(name.trim())?, tail)));
        match place {
            Some((value, tail)) => {
                rendered.push_str(value);
                rest = tail;
            }
            None => {
                rendered.push_str("{{");
                rest = after;
            }
        }
    }
    rendered.push_str(rest);
    rendered
}

/// The labels that bind a Secret to an entry of an object of its namespace.
pub(super) struct Labels([(&'static str, String); 3]);

impl Labels {
    /// Those of an entry of this object.
    pub(super) fn of<K: Kind>(pass: &Pass<K>, entry: &str) -> Self {
        Self([
            (OWNER_KIND, K::kind(&()).into_owned()),
            (OWNER_NAME, pass.name().to_owned()),
            (ENTRY, entry.to_owned()),
        ])
    }

    /// Whether they are all there.
    pub(super) fn are_on(&self, metadata: &ObjectMeta) -> bool {
        let labels = metadata.labels.as_ref();
        self.0
            .iter()
            .all(|(name, value)| labels.and_then(|labels| labels.get(*name)) == Some(value))
    }
}

/// A Secret with its values. They must not outlive the pass.
pub(super) async fn read(
    context: &Context,
    namespace: &str,
    name: &str,
) -> Result<Option<Secret>, Error> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    context.within("read the Secret", api.get_opt(name)).await
}

/// The token that a Secret holds.
pub(super) fn value(secret: &Secret) -> Option<TokenValue> {
    let ByteString(bytes) = secret.data.as_ref()?.get(TOKEN_KEY)?;
    String::from_utf8(bytes.clone()).ok().map(TokenValue::new)
}

/// Whether a Secret looks as it is to look.
pub(super) fn is_dressed<K: Kind>(
    pass: &Pass<K>,
    entry: &Entry<'_>,
    secret: &Secret,
    value: &TokenValue,
) -> bool {
    let template = &entry.dressing.template.metadata;
    let has = |there: &Option<BTreeMap<String, String>>, wanted: &BTreeMap<String, String>| {
        let mut wanted = wanted.iter();
        wanted.all(|(key, value)| there.as_ref().and_then(|there| there.get(key)) == Some(value))
    };
    let owner = owner(&pass.object);
    let metadata = &secret.metadata;
    let annotation = metadata
        .annotations
        .as_ref()
        .and_then(|all| all.get(TEMPLATE));
    secret.data.as_ref() == Some(&entry.dressing.data(value))
        && has(&metadata.labels, &template.labels)
        && has(&metadata.annotations, &template.annotations)
        && metadata
            .owner_references
            .iter()
            .flatten()
            .any(|there| Some(there) == owner.as_ref())
        && annotation.is_some_and(|text| entry.dressing.made(text))
}

/// Creates the Secret, or replaces exactly the one that was seen, with this token and history.
pub(super) async fn publish<K: TokenHolder>(
    pass: &Pass<K>,
    entry: &Entry<'_>,
    sight: &Sight,
    history: &History,
    value: &TokenValue,
) -> Result<ObjectMeta, Error> {
    let secret = dressed(pass, entry, sight, history, value)?;
    let api: Api<Secret> = Api::namespaced(pass.context.client.clone(), pass.namespace());
    let parameters = PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    };
    let written = match sight.seen.secret {
        SecretSeen::Ours { .. } => {
            let replace = api.replace(entry.dressing.name, &parameters, &secret);
            pass.context.change("publish the token", replace).await?
        }
        SecretSeen::Absent | SecretSeen::Foreign => {
            pass.context
                .change("publish the token", api.create(&parameters, &secret))
                .await?
        }
    };
    Ok(written.metadata)
}

/// The whole Secret; what others wrote into its metadata stays.
fn dressed<K: Kind>(
    pass: &Pass<K>,
    entry: &Entry<'_>,
    sight: &Sight,
    history: &History,
    value: &TokenValue,
) -> Result<Secret, Error> {
    let ours = matches!(sight.seen.secret, SecretSeen::Ours { .. });
    let mut metadata = sight.metadata.clone().filter(|_| ours).unwrap_or_default();
    let labels = metadata.labels.get_or_insert_default();
    let annotations = metadata.annotations.get_or_insert_default();
    if let Some(made) = annotations
        .get(TEMPLATE)
        .and_then(|text| serde_json::from_str::<Made>(text).ok())
    {
        labels.retain(|key, _| !made.labels.contains(key));
        annotations.retain(|key, _| !made.annotations.contains(key));
    }
    let template = &entry.dressing.template.metadata;
    labels.extend(template.labels.clone());
    annotations.extend(template.annotations.clone());
    labels.extend(
        Labels::of(pass, entry.name)
            .0
            .map(|(name, value)| (name.to_owned(), value)),
    );
    annotations.insert(TEMPLATE.to_owned(), entry.dressing.annotation());
    let text = history.to_annotation();
    let text = text.map_err(|source| Error::Json {
        what: "the history",
        source,
    })?;
    annotations.insert(HISTORY.to_owned(), text);
    metadata.name = Some(entry.dressing.name.to_owned());
    metadata.managed_fields = None;
    owned_by(&mut metadata, owner(&pass.object));
    Ok(Secret {
        metadata,
        type_: Some("Opaque".to_owned()),
        data: Some(entry.dressing.data(value)),
        ..Secret::default()
    })
}

fn owner<K: Kind>(object: &K) -> Option<OwnerReference> {
    object.controller_owner_ref(&())
}

/// Former incarnations of the owner are gone; other owners stay.
fn owned_by(metadata: &mut ObjectMeta, owner: Option<OwnerReference>) {
    let Some(owner) = owner else { return };
    let owners = metadata.owner_references.get_or_insert_default();
    owners.retain(|other| (&other.kind, &other.name) != (&owner.kind, &owner.name));
    owners.push(owner);
}

/// Writes the history into the Secret that was seen; the token stays.
pub(super) async fn enter<K: TokenHolder>(
    pass: &mut Pass<K>,
    entry: &Entry<'_>,
    sight: &mut Sight,
    history: &History,
) -> Result<(), Stop> {
    let text = history.to_annotation();
    let text = text.map_err(|source| Error::Json {
        what: "the history",
        source,
    })?;
    let metadata = sight.metadata.as_ref();
    let patch = json!({"metadata": {
        "uid": metadata.and_then(|metadata| metadata.uid.as_ref()),
        "resourceVersion": metadata.and_then(|metadata| metadata.resource_version.as_ref()),
        "annotations": {HISTORY: text},
    }});
    let api: Api<Secret> = Api::namespaced(pass.context.client.clone(), pass.namespace());
    let parameters = PatchParams::apply(FIELD_MANAGER);
    let patch = Patch::Merge(&patch);
    let patched = api.patch_metadata(entry.dressing.name, &parameters, &patch);
    let PartialObjectMeta { metadata, .. } = pass
        .context
        .change("enter tokens into the history", patched)
        .await?;
    sight.rewritten_as(pass, entry, metadata);
    Ok(())
}

/// Writes all but the token anew.
pub(super) async fn rewrite<K: TokenHolder>(
    pass: &mut Pass<K>,
    entry: &Entry<'_>,
    sight: &mut Sight,
) -> Result<(), Stop> {
    let secret = read(&pass.context, pass.namespace(), entry.dressing.name).await?;
    let value = secret.as_ref().and_then(value);
    let before = sight
        .metadata
        .as_ref()
        .and_then(|metadata| metadata.resource_version.clone());
    sight.see(pass, entry, secret.map(|secret| secret.metadata));
    let now = sight
        .metadata
        .as_ref()
        .and_then(|metadata| metadata.resource_version.clone());
    let (Some(value), true) = (value, before == now) else {
        return Ok(());
    };
    let Some(history) = sight.seen.history().cloned() else {
        return Ok(());
    };
    let metadata = publish(pass, entry, sight, &history, &value).await?;
    sight.rewritten_as(pass, entry, metadata);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_put_in_once() {
        let variable = |name: &str| match name {
            "token" => Some("{{ url }}"),
            "url" => Some("https://kestra"),
            _ => None,
        };
        let render = |text| render(text, variable);
        assert_eq!(
            render("{{ token }} at {{url}}"),
            "{{ url }} at https://kestra"
        );
        assert_eq!(render("no variable"), "no variable");
        assert_eq!(
            render("{{ other }} {{ {{url}}"),
            "{{ other }} {{ https://kestra"
        );
        assert_eq!(render("open {{ url"), "open {{ url");
    }

    #[test]
    fn a_secret_tells_which_template_made_it() {
        let template: SecretTemplate =
            serde_json::from_value(json!({"data": {"A": "{{ token }}"}})).unwrap();
        let dressing = Dressing {
            name: "s",
            template: &template,
            account: "ci",
            url: "https://kestra",
            tenant: "main",
        };
        assert!(dressing.made(&dressing.annotation()));
        assert!(
            !Dressing {
                tenant: "other",
                ..dressing
            }
            .made(&dressing.annotation())
        );
        let data = dressing.data(&TokenValue::new("v".into()));
        let keys: Vec<&str> = data.keys().map(String::as_str).collect();
        assert_eq!(keys, ["A", "token"]);
    }
}
