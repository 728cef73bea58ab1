//! How the Secret of a token looks besides the token: the user's template, and what tells later that it was followed.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use kube::core::ObjectMeta;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::api::names::{PREVIOUS_KEY, TOKEN_KEY};
use crate::api::token::SecretTemplate;
use crate::iam::model::TokenValue;
use crate::plan::mark::hex;
use crate::plan::template::render;
use crate::plan::token::Naming;

/// Annotation that tells which template a Secret was written from.
pub(super) const TEMPLATE: &str = "kestra-iam.dev/template";

/// How the Secret of an entry is to look, the token apart.
#[derive(Clone, Copy, Debug)]
pub struct Dressing<'a> {
    /// What it is called.
    pub naming: &'a Naming,
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

    /// Whether labels and annotations are as the template wants them.
    pub(super) fn is_worn_by(&self, metadata: &ObjectMeta) -> bool {
        let has = |there: &Option<BTreeMap<String, String>>, wanted: &BTreeMap<String, String>| {
            let there = |key| there.as_ref().and_then(|there| there.get(key));
            wanted.iter().all(|(key, value)| there(key) == Some(value))
        };
        let wanted = &self.template.metadata;
        let annotations = metadata.annotations.as_ref();
        let made = annotations.and_then(|annotations| annotations.get(TEMPLATE));
        has(&metadata.labels, &wanted.labels)
            && has(&metadata.annotations, &wanted.annotations)
            && made.is_some_and(|made| self.made(made))
    }

    /// Puts the template's labels and annotations on, in place of those that an earlier template put there. What
    /// others put there stays.
    pub(super) fn put_on(&self, metadata: &mut ObjectMeta) {
        let labels = metadata.labels.get_or_insert_default();
        let annotations = metadata.annotations.get_or_insert_default();
        let made = annotations.get(TEMPLATE);
        if let Some(made) = made.and_then(|text| serde_json::from_str::<Made>(text).ok()) {
            labels.retain(|key, _| !made.labels.contains(key));
            annotations.retain(|key, _| !made.annotations.contains(key));
        }
        labels.extend(self.template.metadata.labels.clone());
        annotations.extend(self.template.metadata.annotations.clone());
        annotations.insert(TEMPLATE.to_owned(), self.annotation());
    }

    fn annotation(&self) -> String {
        let metadata = &self.template.metadata;
        let keys = |map: &BTreeMap<String, String>| map.keys().cloned().collect::<Vec<_>>();
        let (labels, annotations) = (keys(&metadata.labels), keys(&metadata.annotations));
        json!({"hash": self.hash(), "labels": labels, "annotations": annotations}).to_string()
    }

    /// All keys of the Secret.
    pub(super) fn data(
        &self,
        value: &TokenValue,
        previous: Option<&TokenValue>,
    ) -> BTreeMap<String, ByteString> {
        let variable = |name: &str| match name {
            "token" => Some(value.expose()),
            "account" => Some(self.account),
            "url" => Some(self.url),
            "tenant" => Some(self.tenant),
            _ => None,
        };
        let rendered = self.template.data.iter();
        let rendered = rendered.map(|(key, text)| (key.clone(), render(text, variable)));
        let text = |key: &str, value: &TokenValue| (key.to_owned(), value.expose().to_owned());
        rendered
            .chain([text(TOKEN_KEY, value)])
            .chain(previous.map(|previous| text(PREVIOUS_KEY, previous)))
            .map(|(key, text)| (key, ByteString(text.into_bytes())))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_tells_which_template_made_it() {
        let template: SecretTemplate =
            serde_json::from_value(json!({"data": {"A": "{{ token }}"}})).unwrap();
        let dressing = Dressing {
            naming: &Naming::Fixed("s".to_owned()),
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
        let value = TokenValue::new("v".into());
        let keys = |previous| {
            let data = dressing.data(&value, previous).into_keys();
            data.collect::<Vec<_>>()
        };
        assert_eq!(keys(None), ["A", "token"]);
        assert_eq!(keys(Some(&value)), ["A", "token", "token.previous"]);
    }
}
