//! Carries out what happens in a soak.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kestra_iam_operator::iam::client::Owner;
use kestra_iam_operator::plan::token::History;
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use testbed::gate::{Gate, Rule};

use super::act::{Act, Hand, Order, Replica};
use super::crowd::{Crowd, base_of, latest, value_in};
use super::fleet::Fleet;
use super::trouble::Trouble;
use crate::bench::{Bench, encoded};
use crate::tables::Token;
use crate::witness::HISTORY;

/// What is written over a token.
const GARBLED: &str = "not-a-token";

/// A bench, and everything that a soak has set up around it.
pub struct Soak<'a> {
    /// Where it happens.
    pub bench: &'a Bench,
    /// Those who live on the tokens.
    pub crowd: Crowd,
    /// In front of the IAM server.
    pub backend: Gate,
    /// In front of the API server.
    pub cluster: Gate,
    /// The replicas.
    pub fleet: Fleet,
    /// How many requests were hit, and how often somebody laid hands on something.
    pub faults: usize,
    troubles: BTreeMap<u64, (Trouble, Rule)>,
    /// Copies of Secrets.
    kept: BTreeMap<String, Secret>,
    /// Objects that are to come back once their last incarnation is gone.
    owed: Vec<(&'static str, String, Value)>,
    /// For each Secret its entry, as the tables call it, and the urgent replacements in its present overlap.
    urgent: BTreeMap<String, (String, usize)>,
}

impl<'a> Soak<'a> {
    /// All is set up, nothing has happened.
    pub fn new(bench: &'a Bench, crowd: Crowd, gates: [Gate; 2], fleet: Fleet) -> Self {
        let [backend, cluster] = gates;
        Self {
            bench,
            crowd,
            backend,
            cluster,
            fleet,
            faults: 0,
            troubles: BTreeMap::new(),
            kept: BTreeMap::new(),
            owed: Vec::new(),
            urgent: BTreeMap::new(),
        }
    }

    /// Carries out one act.
    pub async fn carry_out(&mut self, act: Act) {
        match act {
            Act::Apply {
                kind,
                name,
                spec,
                drops,
            } => {
                self.end_of(&drops).await;
                self.crowd.turns(&secrets_in(&spec), &drops);
                self.apply(kind, name, spec).await;
            }
            Act::Delete { kind, name, drops } => {
                self.end_of(&drops).await;
                self.delete(kind, &name).await;
            }
            Act::Order {
                kind,
                name,
                order,
                value,
                secrets,
            } => self.order((kind, &name), order, value, &secrets).await,
            Act::Hand { secret, hand } => self.lay_hand(&secret, hand).await,
            Act::Trouble(number, trouble) => {
                let rule = trouble.begin(&self.backend, &self.cluster);
                self.faults += usize::from(rule.is_none());
                let troubles = rule.map(|rule| (number, (trouble, rule)));
                self.troubles.extend(troubles);
            }
            Act::Relief(number) => self.relieve(number),
            Act::Kill(replica, kill) => self.fleet.kill(replica, kill).await,
            Act::Scale(is_scaled) => self.fleet.scale(is_scaled).await,
            Act::Freeze(replica) => {
                self.faults += 1;
                self.fleet.freeze(replica);
            }
            Act::Thaw(replica) => self.fleet.thaw(replica),
            Act::Skew(millis) => {
                self.faults += 1;
                self.bench.set_ahead(millis);
            }
            Act::Pass(by) => {
                self.crowd.refresh().await;
                self.bench.advance(by).await;
            }
        }
        self.fleet.keep().await;
        self.pay().await;
    }

    /// No connection does wrong any more, no replica stands still, and no clock is ahead.
    pub fn heal(&mut self) {
        let numbers: Vec<u64> = self.troubles.keys().copied().collect();
        for number in numbers {
            self.relieve(number);
        }
        self.fleet.thaw(Replica::First);
        self.fleet.thaw(Replica::Second);
        self.bench.set_ahead(0);
        self.backend.open();
        self.cluster.open();
    }

    fn relieve(&mut self, number: u64) {
        if let Some((trouble, rule)) = self.troubles.remove(&number) {
            trouble.end(&rule, &self.cluster);
            self.faults += rule.count();
        }
    }

    /// Applies an object, or has it wait for the end of the one of its name that is on its way out.
    pub async fn apply(&mut self, kind: &'static str, name: String, spec: Value) {
        self.owed.retain(|owed| owed.1 != name);
        self.owed.push((kind, name, spec));
        self.pay().await;
    }

    /// Applies what could not be applied before.
    pub async fn pay(&mut self) {
        for (kind, name, spec) in std::mem::take(&mut self.owed) {
            let there = self.bench.get(kind, &name).await;
            if there["metadata"]["deletionTimestamp"].is_string() {
                self.owed.push((kind, name, spec));
            } else {
                self.bench.apply(kind, &name, spec).await;
            }
        }
    }

    /// Whether everything that was applied is there.
    pub fn is_paid(&self) -> bool {
        self.owed.is_empty()
    }

    async fn delete(&mut self, kind: &'static str, name: &str) {
        self.owed.retain(|owed| owed.1 != name);
        let there = self.bench.get(kind, name).await;
        if let Some(uid) = there["metadata"]["uid"].as_str() {
            self.crowd.ends(uid.to_owned());
        }
        let api = self.bench.api(kind);
        // It may not be there yet.
        let _ = api.delete(name, &DeleteParams::default()).await;
    }

    /// The tokens in these Secrets end.
    async fn end_of(&mut self, secrets: &[String]) {
        for name in secrets {
            let secret = self.secret(name).await;
            self.crowd.breaks(name, secret.as_ref().and_then(value_in));
        }
    }

    async fn order(
        &mut self,
        (kind, name): (&str, &str),
        order: Order,
        value: u64,
        secrets: &[String],
    ) {
        let annotation = match order {
            Order::Rotate => "rotate-requested-at",
            Order::Compromised => "compromised",
        };
        if order == Order::Compromised {
            for name in secrets {
                if let Some(secret) = self.secret(name).await {
                    self.expect_replacement(&secret).await;
                    self.crowd.breaks(name, value_in(&secret));
                }
            }
        }
        if !self.bench.get(kind, name).await.is_null() {
            let value = value.to_string();
            self.bench.order(kind, name, annotation, &value).await;
        }
    }

    async fn lay_hand(&mut self, name: &str, hand: Hand) {
        let Some(secret) = self.secret(name).await else {
            return;
        };
        if hand == Hand::Keep {
            self.kept.insert(name.to_owned(), secret);
            return;
        }
        let writes = matches!(hand, Hand::Garble | Hand::Empty | Hand::Restore);
        if writes && secret.immutable == Some(true) {
            return;
        }
        self.faults += 1;
        if hand != Hand::Strip {
            self.expect_replacement(&secret).await;
        }
        let value = value_in(&secret);
        match hand {
            Hand::Keep => {}
            Hand::Delete => {
                let deletion = DeleteParams::default();
                let secrets = self.bench.secrets();
                let _ = secrets.delete(&secret.name_any(), &deletion).await;
            }
            Hand::Garble => {
                let both = value.into_iter().chain([GARBLED.to_owned()]);
                self.crowd.breaks(name, both);
                self.write(name, &json!({"data": {"token": encoded(GARBLED)}}))
                    .await;
            }
            Hand::Empty => {
                self.crowd.breaks(name, value);
                self.write(name, &json!({"data": {"token": null}})).await;
            }
            Hand::Strip => {
                let stripped = json!({"metadata": {"labels": null}});
                self.write(&secret.name_any(), &stripped).await;
            }
            Hand::Restore => self.restore(name, value).await,
            Hand::Revoke => {
                self.crowd.breaks(name, value);
                self.revoke(&secret).await;
            }
        }
    }

    /// Writes the data and the history of a copy over a Secret.
    async fn restore(&self, name: &str, value: Option<String>) {
        let Some(kept) = self.kept.get(name) else {
            return;
        };
        let both = value.into_iter().chain(value_in(kept));
        self.crowd.breaks(name, both);
        let history = kept.annotations().get(HISTORY);
        let fields = json!({
            "data": kept.data, "metadata": {"annotations": {HISTORY: history}},
        });
        self.write(name, &fields).await;
    }

    /// Writes into a Secret, if it is still there.
    async fn write(&self, name: &str, fields: &Value) {
        let patch = Patch::Merge(fields);
        let written = self.bench.secrets();
        let written = written.patch(name, &PatchParams::default(), &patch).await;
        let is_gone =
            |error: &kube::Error| matches!(error, kube::Error::Api(status) if status.code == 404);
        assert!(written.as_ref().err().is_none_or(is_gone), "{written:?}");
    }

    /// Revokes the token of a Secret past the operator.
    async fn revoke(&self, secret: &Secret) {
        let (Some(history), [owner]) = (history_of(secret), secret.owner_references()) else {
            return;
        };
        let object = self.bench.get(&owner.kind, &owner.name).await;
        let status = &object["status"];
        let owner = match (&status["id"], &status["ownerId"]) {
            (Value::String(id), _) => Owner::Account(id.as_str().into()),
            (_, Value::String(id)) if object["spec"]["owner"]["user"].is_string() => {
                Owner::User(id.as_str().into())
            }
            (_, Value::String(id)) => Owner::Account(id.as_str().into()),
            _ => return,
        };
        let id = &history.current.id;
        self.bench.backend.revoke_token(&owner, id).await.unwrap();
    }

    /// An urgent replacement comes: one more than those that are under way or in an overlap.
    async fn expect_replacement(&mut self, secret: &Secret) {
        let Some(history) = history_of(secret) else {
            return;
        };
        let name = base_of(secret);
        let live = self.bench.live().await;
        let entry = live
            .iter()
            .find(|token| token.id == history.current.id.as_str());
        let known = self.urgent.get(&name).cloned();
        let (known, before) = known.unwrap_or_default();
        let entry = entry.and_then(Token::entry).unwrap_or(known);
        let published = self.bench.witness.seen().published;
        let overlapping = live.iter().filter(|token| {
            token.entry().as_ref() == Some(&entry) && published.contains(&token.id)
        });
        let is_calm = overlapping.count() <= 1 && !self.crowd.is_broken(&name);
        let count = if is_calm { 1 } else { before + 1 };
        self.bench.witness.expect(&entry, count);
        self.urgent.insert(name, (entry, count));
    }

    async fn secret(&self, name: &str) -> Option<Secret> {
        latest(&self.bench.secrets(), name).await.unwrap()
    }
}

/// The Secrets that a spec names.
fn secrets_in(spec: &Value) -> Vec<String> {
    let entries = spec["tokens"].as_array();
    let names = entries
        .into_iter()
        .flatten()
        .map(|entry| &entry["secret"]["name"]);
    names
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect()
}

fn history_of(secret: &Secret) -> Option<History> {
    History::parse(secret.annotations().get(HISTORY)?)
}
