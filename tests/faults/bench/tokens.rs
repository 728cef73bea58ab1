//! Accounts with tokens, and the values in their Secrets.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kestra_iam_operator::iam::client::{Check, Owner};
use kestra_iam_operator::iam::model::TokenValue;
use kestra_iam_operator::iam::wire::ApiToken;
use serde_json::{Value, json};

use super::Bench;

/// An entry whose replaced tokens work for some seconds: longer than a consumer takes to see the new one.
pub fn brisk(name: &str) -> Value {
    let overlap = json!({"min": "5s", "max": "20s", "quietPeriod": "2s"});
    json!({"name": name, "lifetime": "1h", "rotation": {"overlap": overlap}})
}

/// What the status of an account says of an entry.
pub fn entry_of(object: &Value, entry: &str) -> Value {
    let entries = object["status"]["tokens"].as_array();
    let mut entries = entries.into_iter().flatten();
    let found = entries.find(|found| found["name"] == entry);
    found.cloned().unwrap_or_default()
}

impl Bench {
    /// An account with one brisk entry `default`, once it is ready. Answers with its id at the backend.
    pub async fn account(&self, name: &str) -> String {
        self.account_with(name, json!({"tokens": [brisk("default")]}))
            .await
    }

    /// An account of this spec, once it is ready. Answers with its id at the backend.
    pub async fn account_with(&self, name: &str, spec: Value) -> String {
        self.apply("ServiceAccount", name, spec).await;
        self.id("ServiceAccount", name).await
    }

    /// The id that a ready object has at the backend.
    pub async fn id(&self, kind: &str, name: &str) -> String {
        let object = self.ready(kind, name).await;
        object["status"]["id"].as_str().unwrap().to_owned()
    }

    /// The value in a Secret, once it is there.
    pub async fn value(&self, secret: &str) -> String {
        let holds = |object: &Value| value_in(object).is_some();
        let object = self.until("Secret", secret, "holds a token", holds).await;
        value_in(&object).unwrap()
    }

    /// Waits until a Secret holds another value than this, and gives it.
    pub async fn other_value(&self, secret: &str, old: &str) -> String {
        let is_other = |object: &Value| value_in(object).is_some_and(|value| value != old);
        let fact = "holds another token";
        let object = self.until("Secret", secret, fact, is_other).await;
        value_in(&object).unwrap()
    }

    /// Whether a value authenticates at the server.
    pub async fn works(&self, value: &str) -> bool {
        let value = TokenValue::new(value.to_owned());
        matches!(self.backend.check(&value).await.unwrap(), Check::Works(_))
    }

    /// Waits until a value is refused.
    pub async fn refused(&self, what: &str, value: &str) {
        let what = format!("{what} to be refused");
        self.wait(&what, async || (!self.works(value).await).then_some(()))
            .await;
    }

    /// The tokens that the backend lists for an account.
    pub async fn tokens(&self, account: &str) -> Vec<ApiToken> {
        let owner = Owner::Account(account.into());
        self.backend.tokens(&owner).await.unwrap()
    }

    /// Waits until the status of an entry of an account shows this.
    pub async fn entry(
        &self,
        (account, entry): (&str, &str),
        fact: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        let shows = |object: &Value| holds(&entry_of(object, entry));
        let object = self.until("ServiceAccount", account, fact, shows).await;
        entry_of(&object, entry)
    }
}

/// The token that a Secret holds.
fn value_in(secret: &Value) -> Option<String> {
    let bytes = STANDARD.decode(secret["data"]["token"].as_str()?).ok()?;
    String::from_utf8(bytes).ok()
}

/// A value as a Secret's data holds it.
pub fn encoded(value: &str) -> String {
    STANDARD.encode(value)
}
