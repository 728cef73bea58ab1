//! A control plane does what a cluster does.

use testbed::{ControlPlane, Namespace, wait_for};

const ACCOUNT: &str = "{apiVersion: v1, kind: ServiceAccount, metadata: {name: writer}}";

const WRITES_CONFIG_MAPS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: writer}
rules: [{apiGroups: [''], resources: [configmaps], verbs: [create, delete]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: writer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: writer}
subjects: [{kind: ServiceAccount, name: writer}]
";

const WIDGETS: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.testbed.kestra-iam.dev}
spec:
  group: testbed.kestra-iam.dev
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
";

async fn create(namespace: &Namespace<'_>, object: &str) {
    let control = ControlPlane::shared().await;
    let args = ["create", "--namespace", namespace, "-f", "-"];
    control.kubectl(&args, object).await.unwrap();
}

async fn wait_for_the_end_of(kind: &str, name: &str, namespace: &str) {
    let control = ControlPlane::shared().await;
    let args = ["get", kind, name, "--namespace", namespace];
    wait_for(&format!("the end of {kind} {name}"), async || {
        let error = control.kubectl(&args, "").await.err()?;
        error.to_string().contains("(NotFound)").then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_deleted_namespace_ends_with_all_it_holds() {
    let control = ControlPlane::shared().await;
    let namespace = control.namespace("ends").await.unwrap();
    create(&namespace, ACCOUNT).await;
    let delete = ["delete", "namespace", &namespace, "--wait=false"];
    control.kubectl(&delete, "").await.unwrap();
    wait_for_the_end_of("namespace", &namespace, "").await;
}

#[tokio::test]
async fn an_owner_of_a_custom_kind_takes_along_what_it_owns() {
    let control = ControlPlane::shared().await;
    control.install(WIDGETS).await.unwrap();
    let namespace = control.namespace("owned").await.unwrap();
    let owner = "{apiVersion: testbed.kestra-iam.dev/v1, kind: Widget, metadata: {name: owner}}";
    create(&namespace, owner).await;
    let get_uid = [
        "get",
        "widget",
        "owner",
        "--namespace",
        &namespace,
        "-o",
        "jsonpath={.metadata.uid}",
    ];
    let uid = control.kubectl(&get_uid, "").await.unwrap();
    let secret = format!(
        "{{apiVersion: v1, kind: Secret, metadata: {{name: owned, ownerReferences: [\
         {{apiVersion: testbed.kestra-iam.dev/v1, kind: Widget, name: owner, uid: {uid}}}]}}}}"
    );
    create(&namespace, &secret).await;
    let delete = ["delete", "widget", "owner", "--namespace", &namespace];
    control.kubectl(&delete, "").await.unwrap();
    wait_for_the_end_of("secret", "owned", &namespace).await;
}

#[tokio::test]
async fn an_account_may_do_what_its_role_says_and_every_write_is_counted() {
    let control = ControlPlane::shared().await;
    let namespace = control.namespace("rbac").await.unwrap();
    create(&namespace, ACCOUNT).await;
    create(&namespace, WRITES_CONFIG_MAPS).await;
    let kubeconfig = control.kubeconfig_for(&namespace, "writer").await.unwrap();
    let client = testbed::client(&kubeconfig).await.unwrap();
    let mark = control.audit().mark().unwrap();

    let granted = post(&client, &namespace, "configmaps", "ConfigMap").await;
    assert_eq!(granted, 201);
    let refused = post(&client, &namespace, "secrets", "Secret").await;
    assert_eq!(refused, 403);

    let user = format!("system:serviceaccount:{namespace}:writer");
    let requests = control.audit().since(mark).unwrap();
    let ours = requests.iter().filter(|request| request.user == user);
    let writes: Vec<_> = ours
        .filter(|request| request.is_write())
        .map(|r| {
            (
                r.verb.as_str(),
                r.resource.as_str(),
                r.namespace.as_str(),
                r.code,
            )
        })
        .collect();
    assert_eq!(
        writes,
        [
            ("create", "configmaps", &*namespace, 201),
            ("create", "secrets", &*namespace, 403)
        ]
    );
}

async fn post(client: &kube::Client, namespace: &str, plural: &str, kind: &str) -> u16 {
    let object = serde_json::json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "one"}});
    let request = http::Request::post(format!("/api/v1/namespaces/{namespace}/{plural}"))
        .header("content-type", "application/json")
        .body(object.to_string().into_bytes())
        .unwrap();
    match client.request::<serde_json::Value>(request).await {
        Ok(_) => 201,
        Err(kube::Error::Api(status)) => status.code,
        Err(error) => panic!("no answer: {error}"),
    }
}

#[tokio::test]
async fn a_refusal_by_the_server_is_told_in_its_words() {
    let control = ControlPlane::shared().await;
    let bad = "{apiVersion: v1, kind: ConfigMap, metadata: {name: Bad_Name, namespace: default}}";
    let error = control
        .kubectl(&["create", "-f", "-"], bad)
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("metadata.name: Invalid value: \"Bad_Name\""),
        "{error}"
    );
}

#[tokio::test]
async fn an_api_server_of_ones_own_can_be_killed_and_comes_back_with_its_data() {
    let control = ControlPlane::start().await.unwrap();
    let namespace = control.namespace("stays").await.unwrap();
    control.api_server().restart().await.unwrap();
    let args = ["get", "namespace", &namespace, "-o", "name"];
    let name = wait_for("the API server", async || {
        control.kubectl(&args, "").await.ok()
    });
    assert_eq!(name.await.unwrap().trim(), format!("namespace/{namespace}"));
}
