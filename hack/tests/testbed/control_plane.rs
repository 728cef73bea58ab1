//! A shared control plane does what a cluster does.

use testbed::{ControlPlane, wait_for};

#[tokio::test]
async fn a_deleted_namespace_ends() {
    let control = ControlPlane::shared().await;
    let namespace = control.namespace("ends").await.unwrap();
    let config = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: one, namespace: {namespace}}}\n"
    );
    control
        .kubectl(&["create", "-f", "-"], &config)
        .await
        .unwrap();
    control
        .kubectl(&["delete", "namespace", &namespace, "--wait=false"], "")
        .await
        .unwrap();
    wait_for("the end of the namespace", async || {
        let error = control
            .kubectl(&["get", "namespace", &namespace], "")
            .await
            .err()?;
        error.to_string().contains("NotFound").then_some(())
    })
    .await
    .unwrap();
}
