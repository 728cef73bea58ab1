//! The operator is uninstalled before its objects are deleted.

use serde_json::{Value, json};
use testbed::Exit;

use crate::bench::{Bench, brisk};
use crate::end_state::end_state;
use crate::witness::KINDS;

const CI: (&str, &str) = ("ServiceAccount", "ci");
const SECRET: &str = "ci-default";

/// An object of each kind that has something at the backend; they refer to each other.
async fn lay(bench: &Bench) {
    let group = json!({"groupName": format!("{}-bots", bench.namespace)});
    bench.apply("Group", "bots", group).await;
    let permissions = json!({"FLOW": ["READ"]});
    let role =
        json!({"roleName": format!("{}-reader", bench.namespace), "permissions": permissions});
    bench.apply("Role", "reader", role).await;
    let groups = json!([{"kind": "Group", "name": "bots"}]);
    let spec = json!({"groups": groups, "tokens": [brisk("default")]});
    bench.apply(CI.0, CI.1, spec).await;
    let binding = json!({
        "roleRef": {"kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "ci"}],
    });
    bench.apply("RoleBinding", "reads", binding).await;
    let mut more = brisk("more");
    more.as_object_mut().unwrap().remove("name");
    more["owner"] = json!({"serviceAccountRef": {"name": "ci"}});
    bench.apply("ApiToken", "more", more).await;
}

const OBJECTS: [(&str, &str); 5] = [
    CI,
    ("ApiToken", "more"),
    ("Group", "bots"),
    ("Role", "reader"),
    ("RoleBinding", "reads"),
];

#[tokio::test]
async fn fault_49_operator_uninstalled_before_its_objects() {
    let bench = Bench::start().await;
    let empty = end_state(&bench).await;
    lay(&bench).await;
    for (kind, name) in OBJECTS {
        bench.ready(kind, name).await;
    }
    assert!(
        KINDS
            .iter()
            .all(|kind| OBJECTS.iter().any(|it| it.0 == *kind))
    );
    let consumer = bench.consume(SECRET).await;
    bench.rest().await;
    let value = bench.value(SECRET).await;

    let exit = bench.operator().process.terminate().await.unwrap();
    assert_eq!(exit, Exit::Code(0));
    bench.uninstall().await;
    for (kind, name) in OBJECTS {
        bench.begin_delete(kind, name).await;
    }
    // Nobody ends them: they wait, and what they stand for goes on.
    let waits = |object: &Value| {
        let metadata = &object["metadata"];
        metadata["deletionTimestamp"].is_string() && metadata["finalizers"].is_array()
    };
    for (kind, name) in OBJECTS {
        bench.until(kind, name, "waits", waits).await;
    }
    consumer.calls(20).await;
    consumer.stop().await;
    assert!(bench.works(&value).await);

    let kubeconfig = bench.install().await;
    let again = bench.run("again", &kubeconfig, &[]).await;
    again.leads().await;
    for (kind, name) in OBJECTS {
        bench.gone(kind, name).await;
    }
    bench.gone("Secret", SECRET).await;
    assert!(!bench.works(&value).await);
    bench.judge().await;
    similar_asserts::assert_eq!(end_state(&bench).await, empty);
}
