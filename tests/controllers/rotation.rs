//! `credentials.rotation`: the operator's own token, kept alive beside the Secret that the instance names.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use kestra_iam_operator::iam::client::{NewToken, Owner};
use kestra_iam_operator::iam::model::{PrincipalId, TokenValue};
use kestra_iam_operator::iam::wire::ApiToken;
use serde_json::{Value, json};

use crate::authority::Secured;
use crate::backend::principal;
use crate::crashes::{behind_gate, hold};
use crate::events;
use crate::instances::own_instance;
use crate::observed::OBSERVES;
use crate::scene::{Scene, find};
use crate::world::{HOME, World, own_address};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const PASSWORD: &str = "Correct-horse-1";

/// An account of the backend that the operator is, and the token that somebody gave it.
struct Story {
    scene: Scene,
    account: PrincipalId,
    given: TokenValue,
}

impl Story {
    /// The operator is an account of its own, by a token of this lifetime.
    async fn begin(scene: Scene, lifetime: Duration) -> Self {
        let account = operator(&scene, "operator").await;
        let given = scene.issue(&account, lifetime).await;
        scene.put_credential(given.expose()).await;
        let story = Self {
            scene,
            account,
            given,
        };
        story.is_account().await;
        story
    }

    /// The same once the operator works by a token that it issued for itself, of a day.
    async fn rotated(scene: Scene, lifetime: Duration) -> (Self, TokenValue) {
        let story = Self::begin(scene, lifetime).await;
        story.rotate(json!({"lifetime": "24h"})).await;
        let own = story.own().await;
        story.works_by("own").await;
        (story, own)
    }

    async fn rotate(&self, rotation: Value) {
        let credentials = json!({"credentials": {"rotation": rotation}});
        self.scene.patch_instance(credentials).await;
    }

    /// Waits until the operator is this story's account.
    async fn is_account(&self) {
        let id = self.account.as_str();
        let is_it = |object: &Value| object["status"]["identity"]["id"] == id;
        self.instance("is this account", is_it).await;
    }

    async fn instance(&self, fact: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let name = &self.scene.instance;
        self.scene.until("kci", name, fact, holds).await
    }

    /// Waits until the operator works by the credential that it was given, or by its own, and is ready.
    async fn works_by(&self, which: &str) -> Value {
        let fact = format!("works by what is {which}");
        let holds =
            |object: &Value| in_use(object) == which && find(object, "Ready")["status"] == "True";
        self.instance(&fact, holds).await
    }

    async fn secret(&self) -> Option<Value> {
        let name = format!("{}-rotated", self.scene.instance);
        let args = ["get", "secret", &name, "-n", HOME, "-o", "json"];
        let args = [&args[..], &["--ignore-not-found"]].concat();
        let text = self.scene.world.kubectl(&args, "").await;
        serde_json::from_str(&text).ok()
    }

    /// The value in the second Secret, once it is there and passes.
    async fn value(&self, what: &str, passes: impl Fn(&TokenValue) -> bool) -> TokenValue {
        let look = async || {
            let secret = self.secret().await?;
            let value = STANDARD.decode(secret["data"]["token"].as_str()?).ok()?;
            let value = TokenValue::new(String::from_utf8(value).ok()?);
            passes(&value).then_some(value)
        };
        self.scene.wait(what, look).await
    }

    async fn own(&self) -> TokenValue {
        self.value("a token of the operator's own", |_| true).await
    }

    async fn other(&self, old: &TokenValue) -> TokenValue {
        let is_other = |value: &TokenValue| value.expose() != old.expose();
        self.value("another token of the operator's own", is_other)
            .await
    }

    async fn tokens(&self) -> Vec<ApiToken> {
        let owner = Owner::Account(self.account.clone());
        self.scene.backend.tokens(&owner).await.unwrap()
    }

    async fn has_tokens(&self, expected: usize) {
        let what = format!("{expected} tokens of the operator's");
        let look = async || (self.tokens().await.len() == expected).then_some(());
        self.scene.wait(&what, look).await;
    }

    /// Has the operator make something at the backend.
    async fn acts(&self, what: &str) {
        let scene = &self.scene;
        let spec = json!({"groupName": scene.unique(what)});
        scene.apply("Group", what, spec).await;
        scene.ready("kgrp", what).await;
    }

    /// Waits until nothing that was replaced is left, some hours later.
    async fn rests(&self) -> Value {
        // Whoever used what was replaced has the other by now: a use in later hours would keep it alive for longer.
        self.works_by("own").await;
        self.scene.advance(HOUR * 3);
        let rests = |object: &Value| {
            object["status"]["credential"]["id"].is_string()
                && object["status"]["credential"]["retired"].is_null()
        };
        self.instance("has nothing retired", rests).await
    }

    /// Nobody but the Secret's readers sees a value.
    async fn is_kept_secret(&self, values: &[&TokenValue]) {
        let world = &self.scene.world;
        let objects = ["get", "kci,events", "-A", "-o", "yaml"];
        let places = [
            world.operator.log(),
            world.server.process().log(),
            world.kubectl(&objects, "").await,
            self.secret().await.unwrap()["metadata"].to_string(),
        ];
        for value in values {
            // Its first characters are shown by the backend itself.
            let secret = &value.expose()[8..];
            let encoded = STANDARD.encode(value.expose());
            for place in &places {
                assert!(!place.is_empty());
                assert!(!place.contains(secret) && !place.contains(&encoded));
            }
        }
    }
}

/// An account that may do what the operator has to.
async fn operator(scene: &Scene, name: &str) -> PrincipalId {
    let account = scene.account_by_hand(&scene.unique(name), "").await;
    let admin = scene.role_id("Admin").await;
    scene
        .grant_by_hand(&principal(account.id.as_str()), &admin)
        .await;
    account.id
}

/// A user who may do it, with [`PASSWORD`].
async fn administrator(scene: &Scene, email: &str) -> PrincipalId {
    let fields = json!({"password": PASSWORD, "superAdmin": true});
    let user = scene.user(email, fields).await;
    let admin = scene.role_id("Admin").await;
    scene.grant_by_hand(&principal(user.as_str()), &admin).await;
    user
}

/// Which credential the status speaks of, by its end.
fn in_use(object: &Value) -> &'static str {
    let status = &object["status"];
    let at = |time: &Value| time.as_str()?.parse::<Timestamp>().ok();
    let used = at(&status["credentialExpirationTime"]);
    let own = at(&status["credential"]["expirationTime"]);
    let second = SignedDuration::from_secs(2);
    match used.zip(own) {
        Some((used, own)) if used.duration_since(own).abs() < second => "own",
        _ => "given",
    }
}

#[tokio::test]
async fn a_token_of_ones_own_is_kept_alive_and_no_call_fails() {
    let (_turn, scene) = Scene::private().await;
    let story = Story::begin(scene, HOUR * 2000).await;
    let gate = behind_gate(&story.scene).await;
    story.rotate(json!({"lifetime": "24h"})).await;
    let first = story.own().await;
    let object = story.works_by("own").await;
    assert_eq!(find(&object, "Expiring"), Value::Null, "it is replaced");
    assert_eq!(find(&object, "TokenIssued")["reason"], "Issued");
    let secret = story.secret().await.unwrap();
    let owner = &secret["metadata"]["ownerReferences"][0];
    assert_eq!(owner["uid"], object["metadata"]["uid"]);
    story.acts("group-1").await;

    story.scene.advance(HOUR * 12);
    story.acts("group-2").await;
    assert_eq!(story.own().await.expose(), first.expose(), "not due yet");
    story.scene.advance(HOUR * 8);
    let second = story.other(&first).await;
    story.works_by("own").await;
    assert!(story.scene.works(&first).await, "in its overlap");
    story.acts("group-3").await;
    story.rests().await;
    assert!(!story.scene.works(&first).await);
    assert!(story.scene.works(&second).await);
    assert!(story.scene.works(&story.given).await, "never revoked by us");
    story.has_tokens(2).await;
    story.acts("group-4").await;

    let refused = gate.count(|passed| passed.status == 401);
    assert_eq!(refused, 0, "no call failed");
    let about = ("ClusterInstance", story.scene.instance.as_str());
    events::times(&story.scene, about, "Issued", 1).await;
    events::times(&story.scene, about, "Rotated", 1).await;
    story.is_kept_secret(&[&first, &second, &story.given]).await;
}

#[tokio::test]
async fn a_credential_that_is_restored_or_dead_changes_nothing() {
    let (_turn, scene) = Scene::private().await;
    let (story, first) = Story::rotated(scene, HOUR * 30).await;
    story.scene.put_credential("nobody-knows-this").await;
    story.acts("group-1").await;
    story.scene.put_credential(story.given.expose()).await;
    story.acts("group-2").await;
    story.works_by("own").await;
    story.scene.advance(HOUR * 20);
    let second = story.other(&first).await;
    story.rests().await;
    story.scene.advance(HOUR * 8);
    assert!(!story.scene.works(&story.given).await, "it has expired");
    story.acts("group-3").await;
    story.works_by("own").await;
    story.scene.advance(HOUR * 12);
    story.other(&second).await;
    story.acts("group-4").await;
}

#[tokio::test]
async fn a_token_of_ones_own_that_somebody_revokes_is_issued_anew() {
    let (_turn, scene) = Scene::private().await;
    let (story, first) = Story::rotated(scene, HOUR * 2000).await;
    let object = story.works_by("own").await;
    let id = object["status"]["credential"]["id"].as_str().unwrap();
    let owner = Owner::Account(story.account.clone());
    let backend = &story.scene.backend;
    backend.revoke_token(&owner, &id.into()).await.unwrap();
    story.scene.advance(MINUTE);
    let is_told = |object: &Value| find(object, "TokenIssued")["status"] == "False";
    let told = story.instance("says that it is refused", is_told).await;
    let said = find(&told, "TokenIssued");
    assert_eq!(said["reason"], "TokenLost");
    let words = said["message"].as_str().unwrap();
    assert!(words.contains("given credential is used"), "{words}");
    assert_eq!(find(&told, "Ready")["status"], "True");
    story.works_by("given").await;
    story.acts("group-1").await;
    story.scene.advance(MINUTE);
    let second = story.other(&first).await;
    let object = story.works_by("own").await;
    let issued = find(&object, "TokenIssued");
    assert_eq!(issued["status"], "True");
    assert_eq!(issued["reason"], "TokenLost");
    assert!(story.scene.works(&second).await);
    story.rests().await;
    story.has_tokens(2).await;
}

#[tokio::test]
async fn a_later_token_in_the_secret_is_used() {
    let (_turn, scene) = Scene::private().await;
    let (story, first) = Story::rotated(scene, HOUR * 2000).await;
    story.scene.advance(MINUTE);
    let later = story.scene.issue(&story.account, HOUR * 100).await;
    story.scene.put_credential(later.expose()).await;
    let object = story.works_by("given").await;
    // When it ends there is still the operator's own.
    assert_eq!(find(&object, "Expiring"), Value::Null);
    assert_eq!(story.own().await.expose(), first.expose());
    // The next of ours is later still.
    story.scene.advance(HOUR * 20);
    story.other(&first).await;
    story.works_by("own").await;
}

#[tokio::test]
async fn a_token_of_somebody_else_in_the_secret_is_used() {
    let (_turn, scene) = Scene::private().await;
    let (mut story, first) = Story::rotated(scene, HOUR * 2000).await;
    let former = story.account.clone();
    story.account = operator(&story.scene, "successor").await;
    let given = story.scene.issue(&story.account, HOUR * 2000).await;
    story.scene.put_credential(given.expose()).await;
    story.is_account().await;
    story.works_by("given").await;
    story.scene.advance(HOUR * 2);
    story.scene.refused("the former's token", &first).await;
    story.other(&first).await;
    story.works_by("own").await;
    story.is_account().await;
    story.has_tokens(2).await;
    let left = Owner::Account(former);
    let left = story.scene.backend.tokens(&left).await.unwrap();
    assert_eq!(left.len(), 1, "what somebody issued stays");
}

#[tokio::test]
async fn killed_before_it_knew_of_its_own_token() {
    let (_turn, scene) = Scene::private().await;
    let story = Story::begin(scene, HOUR * 2000).await;
    let gate = behind_gate(&story.scene).await;
    hold(&gate, Method::POST, "/me/api-tokens");
    story.rotate(json!({"lifetime": "24h"})).await;
    story.has_tokens(2).await;
    assert_eq!(story.secret().await, None);
    story.scene.world.operator.kill().await.unwrap();
    gate.open();
    story.scene.world.operator.restart().await.unwrap();
    let own = story.own().await;
    story.works_by("own").await;
    story.rests().await;
    story.has_tokens(2).await;
    assert!(story.scene.works(&own).await);
}

#[tokio::test]
async fn without_rotation_it_goes_back_and_leaves_nothing() {
    let (_turn, scene) = Scene::private().await;
    let (story, own) = Story::rotated(scene, HOUR * 2000).await;
    story.rotate(Value::Null).await;
    story.works_by("given").await;
    assert!(story.scene.works(&own).await, "somebody may be at it");
    story.scene.advance(HOUR * 2);
    story.scene.refused("the operator's own token", &own).await;
    let is_clean = |object: &Value| {
        object["metadata"]["finalizers"].is_null() && object["status"]["credential"].is_null()
    };
    let object = story.instance("is as it was", is_clean).await;
    assert_eq!(find(&object, "TokenIssued"), Value::Null);
    assert_eq!(story.secret().await, None);
    story.has_tokens(1).await;
    story.acts("group-1").await;
}

#[tokio::test]
async fn a_copy_of_its_own_token_is_not_another() {
    let (_turn, scene) = Scene::private().await;
    let (story, own) = Story::rotated(scene, HOUR * 20).await;
    story.scene.put_credential(own.expose()).await;
    story.rotate(Value::Null).await;
    let is_told = |object: &Value| {
        let said = find(object, "Expiring")["message"].clone();
        said.as_str()
            .is_some_and(|said| said.contains("issued for itself"))
    };
    story
        .instance("says that nobody replaces it", is_told)
        .await;
    // Longer than a token is kept that nobody wants.
    story.scene.advance(HOUR * 2);
    story.acts("group-1").await;
    story
        .scene
        .patch_instance(json!({"lastUsedGranularity": "3s"}))
        .await;
    let name = story.scene.instance.clone();
    story.scene.ready("kci", &name).await;
    assert!(story.scene.works(&own).await);
    assert_eq!(story.own().await.expose(), own.expose());
}

#[tokio::test]
async fn what_it_lives_on_again_leaves_later() {
    let (_turn, scene) = Scene::private().await;
    let (story, own) = Story::rotated(scene, HOUR * 2000).await;
    let leaves = |object: &Value| object["status"]["credential"]["retired"][0].is_object();
    story.rotate(Value::Null).await;
    story.instance("leaves its own", leaves).await;
    story.scene.put_credential("nobody-knows-this").await;
    let stays = |object: &Value| object["status"]["credential"]["retired"].is_null();
    story.instance("stays with its own", stays).await;
    story.acts("group-1").await;
    story.scene.advance(HOUR * 2);
    story.scene.put_credential(story.given.expose()).await;
    story.instance("leaves its own once more", leaves).await;
    assert!(
        story.scene.works(&own).await,
        "passes under way are still at it"
    );
    story.scene.advance(HOUR * 2);
    story.scene.refused("the operator's own token", &own).await;
}

#[tokio::test]
async fn a_leaked_token_of_ones_own_does_not_live_on_without_rotation() {
    let (_turn, scene) = Scene::private().await;
    let (story, own) = Story::rotated(scene, HOUR * 2000).await;
    let leaked = json!({
        "metadata": {"annotations": {"kestra-iam.dev/compromised": "leak"}},
        "spec": {"credentials": {"rotation": null}},
    });
    let name = story.scene.instance.clone();
    story.scene.patch("kci", &name, leaked).await;
    story.scene.refused("the leaked token", &own).await;
    story.works_by("given").await;
    story.acts("group-1").await;
}

#[tokio::test]
async fn a_password_for_a_while_changes_nothing() {
    let (_turn, scene) = Scene::private().await;
    let email = format!("{}@example.com", scene.namespace);
    let user = administrator(&scene, &email).await;
    let request = NewToken {
        name: "by-hand".to_owned(),
        description: String::new(),
        lifetime: Some(HOUR * 2000),
        extended: false,
    };
    let owner = Owner::User(user.as_str().into());
    let given = scene.backend.issue_token(&owner, &request).await;
    let given = given.unwrap().full_token;
    scene.put_credential(given.expose()).await;
    let story = Story {
        scene,
        account: user,
        given,
    };
    story.is_account().await;
    story.rotate(json!({"lifetime": "24h"})).await;
    let own = story.own().await;
    story.works_by("own").await;

    let with = async |data: Value| {
        let patch = json!({"data": data}).to_string();
        let secret = &story.scene.instance;
        let args = [
            "patch",
            "secret",
            secret,
            "-n",
            HOME,
            "--type=merge",
            "-p",
            &patch,
        ];
        story.scene.world.kubectl(&args, "").await;
    };
    let name = story.scene.instance.clone();
    let issued = async |status: &str, reason: &str| {
        let scene = &story.scene;
        scene
            .condition("kci", &name, "TokenIssued", status, reason)
            .await;
    };
    let (user, password) = (STANDARD.encode(&email), STANDARD.encode(PASSWORD));
    with(json!({"token": null, "username": user, "password": password})).await;
    issued("False", "Invalid").await;
    let token = STANDARD.encode(story.given.expose());
    with(json!({"token": token, "username": null, "password": null})).await;
    issued("True", "Issued").await;
    story.works_by("own").await;
    assert_eq!(story.own().await.expose(), own.expose());
}

#[tokio::test]
async fn who_refers_to_an_instance_that_is_going_is_told() {
    // In a world whose clock was driven on, nothing is waited for.
    let scene = Scene::inside(Arc::new(World::start(&[], &[]).await)).await;
    scene
        .connect(json!({"guardrails": {"unrestricted": true}}))
        .await;
    let (story, _) = Story::rotated(scene, HOUR * 20).await;
    let scene = &story.scene;
    scene.apply("ServiceAccount", "ci", json!({})).await;
    scene.ready("ksa", "ci").await;
    let dead = json!({"url": crate::faults::nobody()});
    scene.patch_instance(dead).await;
    let name = scene.instance.clone();
    scene.complaint("kci", &name, "BackendUnavailable").await;
    scene.world.operator.kill().await.unwrap();
    scene.begin_delete("kci", &name).await;
    scene.world.operator.restart().await.unwrap();
    scene.begin_delete("ksa", "ci").await;
    scene
        .condition("ksa", "ci", "Synced", "False", "BackendUnavailable")
        .await;
    scene.advance(MINUTE * 5 + SECOND * 2);
    scene.gone("ksa", "ci").await;
    scene.gone("kci", &name).await;
}

#[tokio::test]
async fn an_instance_takes_its_own_token_along() {
    let (_turn, scene) = Scene::private().await;
    let (story, own) = Story::rotated(scene, HOUR * 20).await;
    // Nothing but its own token is left to do it by.
    story.scene.advance(HOUR * 21);
    let own = story.other(&own).await;
    story.works_by("own").await;
    assert!(!story.scene.works(&story.given).await);
    story.scene.delete("kci", &story.scene.instance).await;
    assert!(!story.scene.works(&own).await);
    assert_eq!(story.secret().await, None);
    let left = story.tokens().await;
    assert!(left.iter().all(|token| token.expired), "{left:?}");
}

#[tokio::test]
async fn an_instance_whose_backend_is_gone_goes_in_time() {
    let (_turn, scene) = Scene::private().await;
    let (story, _) = Story::rotated(scene, HOUR * 20).await;
    let dead = json!({"url": crate::faults::nobody()});
    story.scene.patch_instance(dead).await;
    let name = story.scene.instance.clone();
    story
        .scene
        .complaint("kci", &name, "BackendUnavailable")
        .await;
    story.scene.begin_delete("kci", &name).await;
    // Longer than it is waited for, whatever the second in which it was deleted.
    story.scene.advance(MINUTE * 5 + SECOND * 2);
    story.scene.gone("kci", &name).await;
    let about = ("ClusterInstance", name.as_str());
    events::times(&story.scene, about, "RevocationOwed", 1).await;
}

#[tokio::test]
async fn a_second_secret_that_is_somebody_elses_is_left_alone() {
    let (_turn, scene) = Scene::private().await;
    let story = Story::begin(scene, HOUR * 2000).await;
    let name = format!("{}-rotated", story.scene.instance);
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": name, "namespace": HOME}, "stringData": {"token": "theirs"},
    });
    story.scene.world.apply(&secret).await;
    story.rotate(json!({"lifetime": "24h"})).await;
    let instance = story.scene.instance.clone();
    let conflict = ("Stalled", "True", "SecretConflict");
    let object = story
        .scene
        .condition("kci", &instance, conflict.0, conflict.1, conflict.2)
        .await;
    let said = find(&object, "Stalled")["message"].to_string();
    assert!(said.contains("spec.credentials.secretRef"), "{said}");
    assert_eq!(find(&object, "Ready")["status"], "True");
    assert_eq!(story.own().await.expose(), "theirs");
    story.has_tokens(1).await;
    let delete = ["delete", "secret", &name, "-n", HOME];
    story.scene.world.kubectl(&delete, "").await;
    story.own().await;
    story.works_by("own").await;
}

#[tokio::test]
async fn a_password_is_used_as_it_is() {
    let (_turn, scene) = Scene::private().await;
    let email = format!("{}@example.com", scene.namespace);
    administrator(&scene, &email).await;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": scene.unique("password"), "namespace": HOME},
        "stringData": {"username": email, "password": PASSWORD},
    });
    scene.world.apply(&secret).await;
    let credentials = json!({
        "secretRef": {"name": scene.unique("password")}, "rotation": {"lifetime": "24h"},
    });
    scene
        .patch_instance(json!({"credentials": credentials}))
        .await;
    let name = scene.instance.clone();
    let object = scene
        .condition("kci", &name, "TokenIssued", "False", "Invalid")
        .await;
    let said = find(&object, "TokenIssued")["message"].clone();
    let said = said.as_str().unwrap();
    assert!(
        said.contains("put an API token under the key token"),
        "{said}"
    );
    assert_eq!(find(&object, "Ready")["status"], "True");
    assert_eq!(object["status"]["identity"]["name"], email);
}

#[tokio::test]
async fn who_only_tells_issues_nothing() {
    let (_turn, scene) = Scene::private().await;
    let story = Story::begin(scene, HOUR * 2000).await;
    let world = &story.scene.world;
    world.operator.kill().await.unwrap();
    let observer = world.another_operator("observer", &OBSERVES);
    story.rotate(json!({"lifetime": "24h"})).await;
    let name = story.scene.instance.clone();
    let told = ("Synced", "False", "ObserveOnly");
    let object = story
        .scene
        .condition("kci", &name, told.0, told.1, told.2)
        .await;
    let said = find(&object, "Synced")["message"].to_string();
    assert!(said.starts_with("\"would issue the token"), "{said}");
    assert_eq!(find(&object, "Ready")["status"], "True");
    assert_eq!(object["metadata"]["finalizers"], Value::Null);
    assert_eq!(object["status"]["credential"], Value::Null);
    observer.kill().await.unwrap();
    assert_eq!(story.secret().await, None);
    story.has_tokens(1).await;
    world.operator.restart().await.unwrap();
    story.own().await;
    story.works_by("own").await;
}

#[tokio::test]
async fn an_instance_of_ones_own_has_both_secrets_in_its_namespace() {
    let world = World::shared().await;
    let secured = Secured::start(&world, own_address()).await;
    let (url, admin) = (secured.server.url(), secured.server.admin_token());
    let scene = Scene::of(Arc::clone(&world), url, admin, Some(&secured.ca)).await;
    let credentials = json!({
        "secretRef": {"name": "kestra-credential"}, "rotation": {"lifetime": "24h"},
    });
    let tls = json!({"caBundle": secured.ca});
    own_instance(&scene, json!({"tls": tls, "credentials": credentials})).await;
    let own = scene.value("kestra-credential-rotated").await;
    let works_by_it = |object: &Value| in_use(object) == "own";
    scene
        .until("ki", "own", "works by its own", works_by_it)
        .await;
    scene.ready("ki", "own").await;
    scene.delete("ki", "own").await;
    assert!(!scene.works(&own).await);
    scene.gone("secret", "kestra-credential-rotated").await;
    let given = TokenValue::new(scene.admin.clone());
    assert!(scene.works(&given).await);
}
