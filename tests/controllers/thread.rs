//! The thin thread: from a manifest to a working token, its rotation, its end.

use serde_json::json;

use crate::scene::Scene;

#[tokio::test]
async fn an_account_gets_a_working_token_in_a_secret() {
    let scene = Scene::new().await;
    let spec = json!({
        "roles": [{"kind": "External", "name": "Viewer"}],
        "tokens": [{"name": "default", "lifetime": "24h"}],
    });
    scene.apply("ServiceAccount", "quickstart", spec).await;
    let object = scene.ready("ksa", "quickstart").await;
    let value = scene.value("quickstart-default").await;
    assert!(scene.works(&value).await);
    assert_eq!(
        object["status"]["accountName"],
        format!("{}-quickstart", scene.namespace)
    );
    assert_eq!(object["status"]["tokens"][0]["generation"], 1);
}

#[tokio::test]
async fn a_requested_rotation_leaves_no_gap_and_the_old_token_ends() {
    let scene = Scene::new().await;
    let overlap = json!({"min": "2s", "max": "6s", "quietPeriod": "1s"});
    let token = json!({"name": "default", "lifetime": "1h", "rotation": {"overlap": overlap}});
    scene
        .apply("ServiceAccount", "ci", json!({"tokens": [token]}))
        .await;
    scene.ready("ksa", "ci").await;
    let old = scene.value("ci-default").await;
    scene
        .kubectl(&[
            "annotate",
            "ksa/ci",
            "kestra-iam.dev/rotate-requested-at=now",
        ])
        .await;
    let new = scene.other_value("ci-default", &old).await;
    assert!(
        scene.works(&new).await && scene.works(&old).await,
        "both work in the overlap"
    );
    scene.refused("the old token", &old).await;
    assert!(scene.works(&new).await);
}

#[tokio::test]
async fn a_deleted_account_takes_its_token_along() {
    let scene = Scene::new().await;
    scene
        .apply(
            "ServiceAccount",
            "ci",
            json!({"tokens": [{"name": "default", "lifetime": "1h"}]}),
        )
        .await;
    let id = scene.ready("ksa", "ci").await["status"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let value = scene.value("ci-default").await;
    scene.kubectl(&["delete", "ksa/ci", "--wait=false"]).await;
    scene.gone("ksa", "ci").await;
    assert!(!scene.works(&value).await);
    assert!(scene.backend.account(&id.as_str().into()).await.is_err());
    scene.gone("secret", "ci-default").await;
}
