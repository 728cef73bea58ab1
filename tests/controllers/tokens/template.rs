//! What a Secret holds besides the token.

use serde_json::{Value, json};

use super::{brisk, same, text};
use crate::scene::Scene;

fn entry(template: &Value) -> Value {
    let mut entry = brisk("default");
    entry["secret"] = json!({"template": template});
    json!([entry])
}

#[tokio::test]
async fn the_template_is_followed_and_its_change_takes_no_new_token() {
    let scene = Scene::new().await;
    let template = json!({
        "metadata": {"labels": {"team": "ci"}, "annotations": {"reloader.stakater.com/match": "true"}},
        "data": {"LOGIN": "{{ account }}:{{ token }}@{{ tenant }}", "URL": "{{ url }}"},
    });
    scene.account("ci", entry(&template)).await;
    let value = scene.value("ci-default").await;
    let secret = scene.get("secret", "ci-default").await.unwrap();
    let login = format!("{}-ci:{}@main", scene.namespace, value.expose());
    assert_eq!(text(&secret, "LOGIN"), login);
    assert_eq!(text(&secret, "URL"), scene.world.server.url());
    assert_eq!(secret["metadata"]["labels"]["team"], "ci");
    let annotations = &secret["metadata"]["annotations"];
    assert_eq!(annotations["reloader.stakater.com/match"], "true");

    let foreign = json!({"metadata": {"labels": {"theirs": "stays"}}});
    scene.patch("secret", "ci-default", foreign).await;
    scene
        .account("ci", entry(&json!({"data": {"TOKEN": "{{ token }}"}})))
        .await;
    let is_new = |secret: &Value| secret["data"]["TOKEN"].is_string();
    let secret = scene
        .until("secret", "ci-default", "follows the new template", is_new)
        .await;
    assert_eq!(text(&secret, "TOKEN"), value.expose());
    assert!(secret["data"]["LOGIN"].is_null() && secret["data"]["URL"].is_null());
    let labels = &secret["metadata"]["labels"];
    assert_eq!(
        (&labels["team"], &labels["theirs"]),
        (&Value::Null, &json!("stays"))
    );
    let annotations = &secret["metadata"]["annotations"];
    assert!(annotations["reloader.stakater.com/match"].is_null());
    assert!(same(&scene.value("ci-default").await, &value));
    scene.at_rest("ci", "default", 1).await;
}

#[tokio::test]
async fn labels_that_others_take_for_orders_are_refused() {
    let scene = Scene::new().await;
    let template = json!({"metadata": {"labels": {"argocd.argoproj.io/secret-type": "cluster"}}});
    let spec = json!({"tokens": entry(&template)});
    scene.apply("ServiceAccount", "ci", spec).await;
    let object = scene
        .condition("ksa", "ci", "Accepted", "False", "NotAllowed")
        .await;
    let message = crate::scene::find(&object, "Accepted")["message"].clone();
    let message = message.as_str().unwrap();
    assert!(
        message.contains("secret.template.metadata.labels")
            && message.contains("argocd.argoproj.io/secret-type")
            && message.contains("--secret-metadata-domains"),
        "{message}"
    );
    assert!(scene.get("secret", "ci-default").await.is_none());
    scene.account("ci", entry(&json!({}))).await;
    assert!(scene.works(&scene.value("ci-default").await).await);
}
