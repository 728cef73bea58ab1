//! The operator's own credential, and what it may not do.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use super::{connected, instance_says, one_token, ready_though, touch};
use crate::backend::principal;
use crate::gate::Verdict;
use crate::scene::{Scene, find};
use crate::world::World;

#[tokio::test]
async fn a_credential_that_is_refused_and_a_new_one() {
    let (scene, gate) = Scene::behind_gate(json!({
        "guardrails": {"unrestricted": true}, "resync": {"objects": "1s", "tokens": "1h"},
    }))
    .await;
    scene.apply("ServiceAccount", "ci", one_token()).await;
    scene.ready("ksa", "ci").await;
    scene.put_credential("wrong").await;
    let said = instance_says(&scene, "Unauthorized").await;
    assert!(
        said.contains(&format!("Secret {}", scene.instance)),
        "{said}"
    );
    assert!(!said.contains("wrong"), "{said}");
    touch(&scene, "ksa", "ci").await;
    ready_though(&scene, "ksa", "ci", "Unauthorized").await;
    let object = scene.get("ksa", "ci").await.unwrap();
    assert_eq!(
        find(&object, "Stalled")["status"],
        "True",
        "somebody has to act"
    );
    let mark = gate.passed().len();
    scene.put_credential(&scene.admin).await;
    scene.condition("ksa", "ci", "Synced", "True", "").await;
    let since = gate.passed().split_off(mark);
    let refused = since.iter().filter(|passed| passed.status == 401);
    assert!(refused.count() <= 1, "the new Secret is taken at once");
}

#[tokio::test]
async fn a_secret_that_is_not_there_and_one_that_holds_nothing() {
    let scene = Scene::inside(World::shared().await).await;
    let instance = scene.instance(json!({"guardrails": {"unrestricted": true}}));
    scene.world.apply(&instance).await;
    scene.apply("ServiceAccount", "ci", json!({})).await;
    let said = instance_says(&scene, "CredentialMissing").await;
    assert!(said.contains("create it in namespace operator"), "{said}");
    scene.complaint("ksa", "ci", "CredentialMissing").await;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": scene.instance, "namespace": "operator"},
        "stringData": {"key": "value"},
    });
    scene.world.apply(&secret).await;
    let holds_none = |object: &Value| {
        let message = find(object, "Ready")["message"].clone();
        message
            .as_str()
            .is_some_and(|said| said.contains("has no key token"))
    };
    scene
        .until("kci", &scene.instance, "which key is missing", holds_none)
        .await;
    scene.put_credential(&scene.admin).await;
    scene.ready("ksa", "ci").await;
}

#[tokio::test]
async fn a_user_with_a_password_will_do() {
    let scene = Scene::inside(World::shared().await).await;
    let email = format!("{}@example.com", scene.namespace);
    let fields = json!({"password": "Correct-horse-1", "superAdmin": true});
    let user = scene.user(&email, fields).await;
    scene
        .grant_by_hand(&principal(user.as_str()), &scene.role_id("Admin").await)
        .await;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": scene.instance, "namespace": "operator"},
        "stringData": {"username": email, "password": "Correct-horse-1"},
    });
    scene.world.apply(&secret).await;
    let instance = scene.instance(json!({"guardrails": {"unrestricted": true}}));
    scene.world.apply(&instance).await;
    scene.apply("ServiceAccount", "ci", json!({})).await;
    scene.ready("ksa", "ci").await;
    let instance = scene.get("kci", &scene.instance).await.unwrap();
    assert_eq!(instance["status"]["identity"]["name"], email);
}

#[tokio::test]
async fn a_credential_that_may_not_look() {
    let scene = Scene::inside(World::shared().await).await;
    let weak = scene.account_by_hand(&scene.unique("weak"), "").await;
    let token = scene.issue(&weak.id, Duration::from_hours(1)).await;
    scene.put_credential(token.expose()).await;
    let instance = scene.instance(json!({"guardrails": {"unrestricted": true}}));
    scene.world.apply(&instance).await;
    let said = instance_says(&scene, "Forbidden").await;
    assert!(
        said.contains("give its owner the role Admin in tenant main"),
        "{said}"
    );
    let admin = scene.role_id("Admin").await;
    scene
        .grant_by_hand(&principal(weak.id.as_str()), &admin)
        .await;
    connected(&scene).await;
}

#[tokio::test]
async fn a_right_that_the_operator_lacks() {
    let (scene, gate) = Scene::behind_gate(json!({"guardrails": {"unrestricted": true}})).await;
    gate.rule(|method, path| {
        Verdict::when(
            path.ends_with("/roles") && *method == Method::POST,
            Verdict::Answer(403),
        )
    });
    let spec = json!({"roleName": scene.unique("r"), "permissions": {"FLOW": ["READ"]}});
    scene.apply("Role", "runner", spec).await;
    let said = scene.complaint("krole", "runner", "Forbidden").await;
    assert!(
        said.contains("give the operator's credential this right"),
        "{said}"
    );
    let object = scene.get("krole", "runner").await.unwrap();
    assert_eq!(find(&object, "Stalled")["status"], "True");
    gate.open();
    scene.ready("krole", "runner").await;
}
