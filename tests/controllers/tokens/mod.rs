//! Tokens in Secrets: how they live, what damage is repaired, what orders are followed.

mod clock;
mod crashes;
mod damage;
mod entries;
mod immutable;
mod orders;
mod owners;
mod pace;
mod previous;
mod publishing;
mod refused;
mod restart;
mod rights;
mod secrecy;
mod template;
mod windows;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kestra_iam_operator::iam::client::Owner;
use kestra_iam_operator::iam::model::TokenValue;
use kestra_iam_operator::iam::wire::ApiToken;
use serde_json::{Value, json};

use crate::scene::Scene;

/// An entry whose replaced tokens end within seconds.
fn brisk(name: &str) -> Value {
    let overlap = json!({"min": "1s", "max": "4s", "quietPeriod": "1s"});
    json!({"name": name, "lifetime": "1h", "rotation": {"overlap": overlap}})
}

/// An entry whose replaced tokens work for minutes.
fn patient(name: &str) -> Value {
    json!({"name": name, "lifetime": "1h"})
}

/// The spec of an `ApiToken` of this owner.
fn token_of(owner: Value) -> Value {
    let mut spec = patient("");
    spec.as_object_mut().unwrap().remove("name");
    spec["owner"] = owner;
    spec
}

impl Scene {
    /// An account with these tokens, once it is ready. Answers with its id at the backend.
    async fn account(&self, name: &str, tokens: Value) -> String {
        self.apply("ServiceAccount", name, json!({"tokens": tokens}))
            .await;
        self.id("ksa", name).await
    }

    /// Has an order in an annotation.
    pub async fn order(&self, kind: &str, name: &str, annotation: &str, value: &str) {
        let key = format!("kestra-iam.dev/{annotation}");
        let fields = json!({"metadata": {"annotations": {key: value}}});
        self.patch(kind, name, fields).await;
    }

    /// Moves the clock of operator and server. Only whoever has the turn may.
    pub fn advance(&self, by: Duration) {
        self.world.clock.advance(by).unwrap();
    }

    /// The tokens that the backend lists for an account.
    async fn tokens(&self, account: &str) -> Vec<ApiToken> {
        let owner = Owner::Account(account.into());
        self.backend.tokens(&owner).await.unwrap()
    }

    /// Waits until the backend lists exactly so many tokens of an account.
    pub async fn has_tokens(&self, account: &str, expected: usize) {
        let what = format!("{expected} tokens of account {account}");
        self.wait(&what, async || {
            (self.tokens(account).await.len() == expected).then_some(())
        })
        .await;
    }

    /// Waits until the status of an entry of an account shows this.
    async fn entry(
        &self,
        account: &str,
        entry: &str,
        fact: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        let shows = |object: &Value| holds(&entry_of(object, entry));
        entry_of(&self.until("ksa", account, fact, shows).await, entry)
    }

    /// Waits until an entry of an account is at this generation and its tokens before are gone.
    async fn at_rest(&self, account: &str, entry: &str, generation: i64) -> Value {
        let fact = format!("entry {entry} rests at generation {generation}");
        let rests = |entry: &Value| entry["generation"] == generation && entry["retired"].is_null();
        self.entry(account, entry, &fact, rests).await
    }

    /// Waits until the status of `ci` knows its Secret as it is: the publish was answered, and the clock may run on.
    async fn published(&self) {
        let version = self.version("ci-default").await;
        let is_known = |entry: &Value| entry["secretResourceVersion"] == version.as_str();
        self.entry("ci", "default", "knows its Secret", is_known)
            .await;
    }

    /// The present version of a Secret.
    async fn version(&self, secret: &str) -> String {
        let secret = self.get("secret", secret).await.unwrap();
        secret["metadata"]["resourceVersion"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

/// What the status of an account says of an entry.
fn entry_of(object: &Value, entry: &str) -> Value {
    let entries = object["status"]["tokens"].as_array();
    let mut entries = entries.into_iter().flatten();
    let found = entries.find(|found| found["name"] == entry);
    found.cloned().unwrap_or_default()
}

/// A key of a Secret, as text.
fn text(secret: &Value, key: &str) -> String {
    let encoded = secret["data"][key].as_str().unwrap();
    String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap()
}

fn encoded(text: &str) -> String {
    STANDARD.encode(text)
}

fn same(one: &TokenValue, other: &TokenValue) -> bool {
    one.expose() == other.expose()
}
