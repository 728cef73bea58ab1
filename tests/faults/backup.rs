//! Objects and Secrets restored from a backup as Velero makes one, while the garbage collector is at work.

use std::time::Duration;

use kube::api::{DynamicObject, ListParams};
use rstest::rstest;
use serde_json::{Value, json};

use crate::bench::{Bench, brisk};
use crate::consumer::Consumer;
use crate::end_state::end_state;
use crate::oracle::Allowance;
use crate::witness::KINDS;

const SECRETS: [&str; 2] = ["ci-default", "more"];

/// How long a value has to be refused before it is replaced.
const DOUBT: Duration = Duration::from_secs(31);

/// How the objects went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// Their namespace was deleted: their tokens are revoked.
    Deleted,
    /// Nobody finalized them, as when a cluster is lost: their tokens live.
    Sudden,
    /// The same, and the cluster has another id from then on.
    Moved,
}

/// What becomes of owner references, which name an object that is gone: what is restored has another uid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owners {
    /// As Velero does it.
    LeftOut,
    /// Then the garbage collector takes the Secrets for leftovers.
    Restored,
}

/// What the operator does meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Runs,
    StartsLater,
}

/// What Velero never restores of an object's metadata.
const LEFT_OUT: [&str; 9] = [
    "generateName",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
];

/// The users' namespace as it was, in the order in which it is restored: Secrets first, custom resources last.
struct Backup(Vec<Value>);

impl Backup {
    async fn of(bench: &Bench, owners: Owners) -> Self {
        let mut all = Vec::new();
        for kind in ["Secret"].iter().chain(&KINDS) {
            let objects = bench.api(kind).list(&ListParams::default()).await.unwrap();
            all.extend(objects.iter().map(|it| kept(kind, it, owners)));
        }
        Self(all)
    }

    async fn restore(&self, bench: &Bench) {
        let name = &bench.namespace;
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        bench.apply_manifest(&namespace).await;
        for object in &self.0 {
            bench.create(object).await;
        }
    }
}

/// What a backup makes of an object: no status, and of its metadata what says nothing of its former life.
fn kept(kind: &str, object: &DynamicObject, owners: Owners) -> Value {
    let mut object = serde_json::to_value(object).unwrap();
    object["kind"] = json!(kind);
    let api = match kind {
        "Secret" => "v1",
        _ => "kestra-iam.dev/v1alpha1",
    };
    object["apiVersion"] = json!(api);
    object.as_object_mut().unwrap().remove("status");
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.retain(|field, _| !LEFT_OUT.contains(&field.as_str()));
    if owners == Owners::LeftOut {
        metadata.remove("ownerReferences");
    }
    for label in ["velero.io/backup-name", "velero.io/restore-name"] {
        object["metadata"]["labels"][label] = json!("nightly");
    }
    object
}

/// A group, an account in it with a token, and a token beside it.
async fn lay(bench: &Bench) {
    let policy = json!("IfOwned");
    let bots = json!({"groupName": format!("{}-bots", bench.namespace), "adoptionPolicy": policy});
    bench.apply("Group", "bots", bots).await;
    let groups = json!([{"kind": "Group", "name": "bots"}]);
    let spec = json!({"adoptionPolicy": policy, "groups": groups, "tokens": [brisk("default")]});
    bench.account_with("ci", spec).await;
    let mut more = brisk("more");
    more.as_object_mut().unwrap().remove("name");
    more["owner"] = json!({"serviceAccountRef": {"name": "ci"}});
    bench.apply("ApiToken", "more", more).await;
    bench.ready("ApiToken", "more").await;
}

/// Starts the operator again.
async fn start(bench: &Bench, loss: Loss) {
    if loss != Loss::Moved {
        return bench.operator().restart().await;
    }
    let former = bench.get("Namespace", "kube-system").await["metadata"]["uid"].clone();
    let former = format!("--former-cluster-ids={}", former.as_str().unwrap());
    let flags = ["--cluster-id=moved", &former];
    bench
        .run("heir", &bench.kubeconfig, &flags)
        .await
        .leads()
        .await;
}

/// Has all objects gone without their finalizers, and the namespace with them.
async fn lose(bench: &Bench) {
    bench.operator().process.kill().await.unwrap();
    for kind in KINDS {
        let objects = bench.api(kind).list(&ListParams::default()).await.unwrap();
        for object in objects {
            let name = object.metadata.name.unwrap();
            let free = json!({"metadata": {"finalizers": null}});
            bench.patch(kind, &name, free).await;
        }
    }
    delete(bench).await;
}

async fn delete(bench: &Bench) {
    bench.begin_delete("Namespace", &bench.namespace).await;
    bench.gone("Namespace", &bench.namespace).await;
}

/// The end of a bench, without what a restore writes into labels.
async fn end(bench: &Bench) -> Value {
    let mut state = end_state(bench).await;
    for secret in state["secrets"].as_array_mut().unwrap() {
        let labels = secret["labels"].as_object_mut().unwrap();
        labels.retain(|label, _| !label.starts_with("velero.io/"));
    }
    state
}

#[rstest]
#[case::deleted(Loss::Deleted, Owners::LeftOut, Operator::Runs)]
#[case::deleted_and_collected(Loss::Deleted, Owners::Restored, Operator::StartsLater)]
#[case::lost(Loss::Sudden, Owners::LeftOut, Operator::Runs)]
#[case::lost_without_operator(Loss::Sudden, Owners::LeftOut, Operator::StartsLater)]
#[case::lost_and_collected(Loss::Sudden, Owners::Restored, Operator::Runs)]
#[case::lost_and_collected_before(Loss::Sudden, Owners::Restored, Operator::StartsLater)]
#[case::moved(Loss::Moved, Owners::LeftOut, Operator::StartsLater)]
#[case::moved_and_collected(Loss::Moved, Owners::Restored, Operator::Runs)]
#[tokio::test]
async fn a_restored_namespace_has_working_tokens_and_leaves_no_orphan(
    #[case] loss: Loss,
    #[case] owners: Owners,
    #[case] operator: Operator,
) {
    let bench = Bench::start().await;
    lay(&bench).await;
    let consumers = [
        bench.consume(SECRETS[0]).await,
        bench.consume(SECRETS[1]).await,
    ];
    bench.rest().await;
    let before = end(&bench).await;
    let old = bench.value(SECRETS[0]).await;
    let backup = Backup::of(&bench, owners).await;

    // What is revoked works no more until it is made anew.
    let broken = (loss == Loss::Deleted).then(|| consumers.each_ref().map(Consumer::excuse));
    match loss {
        Loss::Deleted => {
            delete(&bench).await;
            bench.operator().process.kill().await.unwrap();
        }
        Loss::Sudden | Loss::Moved => lose(&bench).await,
    }
    if operator == Operator::Runs {
        start(&bench, loss).await;
    }
    backup.restore(&bench).await;
    if operator == Operator::StartsLater {
        if owners == Owners::Restored {
            // Nobody adopts them: they are collected.
            for secret in SECRETS {
                bench.gone("Secret", secret).await;
            }
        }
        start(&bench, loss).await;
    }
    let objects = [("ServiceAccount", "ci"), ("ApiToken", "more")];
    if (loss, owners) == (Loss::Deleted, Owners::LeftOut) {
        // The Secrets that were restored hold what was revoked: that is told until it is certain.
        for (kind, name) in objects {
            bench.complaint(kind, name, "TokenLost").await;
        }
        bench.advance(DOUBT).await;
    }
    for (kind, name) in objects {
        bench.ready(kind, name).await;
    }
    for excuse in broken.into_iter().flatten() {
        excuse.take_back().await;
    }
    for consumer in &consumers {
        consumer.calls(20).await;
    }
    // No Secret can be created and no Event told in a namespace that ends.
    let forbidden = &["secrets", "events"];
    bench
        .judge_with(Allowance {
            forbidden,
            ..Allowance::default()
        })
        .await;
    similar_asserts::assert_eq!(end(&bench).await, before);
    if loss != Loss::Deleted && owners == Owners::LeftOut {
        let value = bench.value(SECRETS[0]).await;
        assert_eq!(value, old, "it worked all the time");
    }
}
