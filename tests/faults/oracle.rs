//! The end of every row: lets the bench come to rest, and then looks for whatever breaks the invariants I1 to I9.

mod bounds;
mod places;
mod proof;
mod quiet;
mod rest;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kestra_iam_operator::plan::mark::hex;
use kestra_iam_operator::plan::token::History;
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::Value;
use sha2::{Digest, Sha256};

use self::places::{Pieces, places};
use crate::bench::{Bench, condition};
use crate::tables::Token;
use crate::witness::{HISTORY, KINDS, Seen};

/// What a row does on purpose, so that it is no violation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowance {
    /// How many urgent replacements fell into one overlap (a Secret deleted or edited, a token revoked by hand): each
    /// adds one published token until that overlap ends.
    pub replacements: usize,
    /// Resources that the row forbids the operator to write.
    pub forbidden: &'static [&'static str],
}

/// Secrets of ours and tokens with our mark, as they are at the end.
struct Picture {
    secrets: Vec<Secret>,
    objects: Vec<Value>,
    live: Vec<Token>,
    /// What former objects still owe, as `Kind/namespace/name`.
    owed: BTreeSet<String>,
    seen: Seen,
}

impl Bench {
    /// Lets the bench come to rest and checks I1 to I9.
    pub async fn judge(&self) {
        self.judge_with(Allowance::default()).await;
    }

    /// The same, but this was done on purpose.
    pub async fn judge_with(&self, allowance: Allowance) {
        let violations = self.violations(allowance).await;
        let list = violations.join("\n  ");
        assert!(
            violations.is_empty(),
            "violations:\n  {list}\n{}",
            self.tails()
        );
    }

    /// Lets the bench come to rest, and gives whatever breaks I1 to I9.
    pub async fn violations(&self, allowance: Allowance) -> Vec<String> {
        self.rest().await;
        let mut violations = Vec::new();
        let picture = self.picture().await;
        violations.extend(picture.published_at_once(allowance));
        violations.extend(picture.orphans());
        violations.extend(picture.untruths());
        violations.extend(self.gaps());
        violations.extend(self.leaks(&picture.seen).await);
        violations.extend(self.trespasses(allowance));
        violations.extend(self.excesses().await);
        violations
    }

    /// What breaks I2, I3 or I9 at this moment.
    pub async fn amiss(&self) -> Vec<String> {
        let picture = self.picture().await;
        let mut amiss = picture.orphans();
        amiss.extend(picture.untruths());
        amiss
    }

    async fn picture(&self) -> Picture {
        let secrets = self.secrets().list(&ListParams::default()).await.unwrap();
        let mut objects = Vec::new();
        for kind in KINDS {
            let all = self.api(kind).list(&ListParams::default()).await.unwrap();
            let all = all
                .into_iter()
                .map(|object| serde_json::to_value(object).unwrap());
            objects.extend(all);
        }
        let mut seen = self.witness.seen();
        for secret in &secrets {
            seen.note_secret(secret);
        }
        Picture {
            secrets: secrets.items,
            objects,
            live: self.live().await,
            owed: self.owed().await,
            seen,
        }
    }

    /// The objects that are gone and for which a `Revocation` stands, as `Kind/namespace/name`.
    pub async fn owed(&self) -> BTreeSet<String> {
        let duties = self
            .api("Revocation")
            .list(&ListParams::default())
            .await
            .unwrap();
        let objects = duties.iter().map(|duty| {
            let object = &duty.data["spec"]["object"];
            let field = |name: &str| object[name].as_str().unwrap().to_owned();
            format!("{}/{}/{}", field("kind"), field("namespace"), field("name"))
        });
        objects.collect()
    }

    /// The tokens that authenticate now.
    pub async fn live(&self) -> Vec<Token> {
        let now = self.now().now().as_millisecond();
        self.tables().live(now).await.unwrap()
    }

    /// I3: no consumer was refused, and each had something to do.
    fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        for consumer in self.consumers() {
            let tally = consumer.tally();
            if tally.calls == 0 {
                gaps.push(format!(
                    "I3: the consumer of {} never called",
                    consumer.secret()
                ));
            }
            gaps.extend(
                tally
                    .refusals
                    .iter()
                    .map(|refusal| format!("I3: 401 {refusal}")),
            );
        }
        gaps
    }

    /// I4: no part of a value beyond the prefix is anywhere but in its Secret.
    async fn leaks(&self, seen: &Seen) -> Vec<String> {
        let mut leaks = Vec::new();
        let pieces = Pieces::of(&seen.values);
        for (place, text) in places(self).await {
            if text.is_empty() {
                leaks.push(format!("I4: nothing to look at in {place}"));
            }
            let leaked = pieces.found_in(&text).into_iter();
            leaks.extend(leaked.map(|value| format!("I4: {}… is in {place}", &value[..6])));
        }
        leaks
    }

    /// I7: no request outside the rights, no write outside the object's namespace.
    fn trespasses(&self, allowance: Allowance) -> Vec<String> {
        let requests = self.plane().audit().since(self.start).unwrap();
        let own = requests
            .iter()
            .filter(|request| request.user == self.user());
        let astray = own.filter(|request| {
            let resource = request.resource.split('/').next().unwrap_or_default();
            let is_allowed = allowance.forbidden.contains(&resource);
            let is_home = match resource {
                "leases" | "revocations" => request.namespace == self.home,
                "clusterinstances" => request.namespace.is_empty(),
                "events" => {
                    ["default", &self.namespace, &self.home].contains(&request.namespace.as_str())
                }
                _ => request.namespace == self.namespace,
            };
            (request.code == 403 && !is_allowed) || (request.is_write() && !is_home)
        });
        astray
            .map(|request| {
                let (verb, path, code) = (&request.verb, &request.path, request.code);
                format!("I7: {verb} {path} was answered {code}")
            })
            .collect()
    }
}

impl Picture {
    /// I1: one published token of an entry, two in an overlap, one more for each urgent replacement within it.
    fn published_at_once(&self, allowance: Allowance) -> Vec<String> {
        let expected = |entry| self.seen.expected.get(entry).copied().unwrap_or(0);
        let most = |entry| 2 + allowance.replacements + expected(entry);
        let many = self.seen.most.iter();
        let many = many.filter(|(entry, count)| **count > most(*entry));
        many.map(|(entry, count)| format!("I1: {count} published tokens of {entry} at once"))
            .collect()
    }

    /// I2: each live token with our mark is in exactly one Secret, or retired with an end in the history of one, or owed by
    /// a `Revocation`; and each Secret of ours holds a live one.
    fn orphans(&self) -> Vec<String> {
        let mut holders = BTreeMap::<&str, usize>::new();
        let mut retired = BTreeSet::new();
        let mut violations = Vec::new();
        let hashes = self
            .live
            .iter()
            .map(|token| (token.hash.as_str(), token.id.as_str()));
        let hashes: BTreeMap<&str, &str> = hashes.collect();
        for secret in &self.secrets {
            let Some(history) = history_of(secret) else {
                continue;
            };
            retired.extend(history.retired.iter().map(|token| token.id.to_string()));
            match hashes.get(hash_in(secret).as_str()) {
                Some(&id) if id == history.current.id.as_str() => {
                    *holders.entry(id).or_default() += 1;
                }
                Some(id) => violations.push(format!("I2: {} holds {id}", secret.name_any())),
                None => violations.push(format!("I3: {} holds no live token", secret.name_any())),
            }
        }
        for token in self.live.iter().filter(|token| token.mark().is_some()) {
            let holders = holders.get(token.id.as_str()).copied().unwrap_or(0);
            let is_told = retired.contains(&token.id) || token.is_of(&self.owed);
            if holders > 1 || (holders == 0 && !is_told) {
                let (id, entry) = (&token.id, token.entry());
                violations.push(format!("I2: {id} of {entry:?} is in {holders} Secrets"));
            }
        }
        violations
    }

    /// I9: what says that it is ready has a live token in each of its Secrets; no status is ahead of its spec.
    fn untruths(&self) -> Vec<String> {
        let ahead = self.seen.ahead.iter();
        let mut untruths: Vec<_> = ahead
            .map(|name| format!("I9: observedGeneration is ahead: {name}"))
            .collect();
        let live: BTreeSet<&str> = self.live.iter().map(|token| token.hash.as_str()).collect();
        for object in &self.objects {
            if condition(object, "Ready")["status"] != "True" {
                continue;
            }
            let dead = secrets_of(object).into_iter().filter(|name| {
                let secret = self
                    .secrets
                    .iter()
                    .find(|secret| secret.name_any() == *name);
                !secret.is_some_and(|secret| live.contains(hash_in(secret).as_str()))
            });
            let name = &object["metadata"]["name"];
            untruths.extend(dead.map(|secret| format!("I9: {name} is Ready without {secret}")));
        }
        untruths
    }
}

/// The history in a Secret of ours.
fn history_of(secret: &Secret) -> Option<History> {
    History::parse(secret.annotations().get(HISTORY)?)
}

/// The hash by which the server knows the value in a Secret; of nothing, if there is none.
fn hash_in(secret: &Secret) -> String {
    let value = secret.data.as_ref().and_then(|data| data.get("token"));
    hex(&Sha256::digest(
        value.map_or(&[][..], |ByteString(value)| value),
    ))
}

/// The Secrets that the spec of an object asks for; of many the one that its status names.
fn secrets_of(object: &Value) -> Vec<String> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let status = &object["status"];
    let named = |spec: &Value, default: String, told: &Value| {
        let pointer = told["secretName"].as_str().unwrap_or_default();
        if spec["secret"]["immutable"] == true {
            return pointer.to_owned();
        }
        let name = spec["secret"]["name"].as_str();
        name.map_or(default, str::to_owned)
    };
    if object["kind"] == "ApiToken" {
        return vec![named(&object["spec"], name.to_owned(), &status["token"])];
    }
    let told = |entry: &Value| {
        let mut tokens = status["tokens"].as_array().into_iter().flatten();
        let told = tokens.find(|token| token["name"] == entry["name"]);
        told.cloned().unwrap_or_default()
    };
    let entries = object["spec"]["tokens"].as_array().into_iter().flatten();
    let default = |entry: &Value| format!("{name}-{}", entry["name"].as_str().unwrap());
    entries
        .map(|entry| named(entry, default(entry), &told(entry)))
        .collect()
}
