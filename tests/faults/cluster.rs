//! What happens to the cluster: namespaces end, its state is that of yesterday.

use std::time::Duration;

use serde_json::json;

use crate::bench::{Bench, brisk, merge};
use crate::end_state::end_state;
use crate::oracle::Allowance;

const CI: (&str, &str) = ("ServiceAccount", "ci");

#[tokio::test]
async fn fault_47_namespace_deleted() {
    let bench = Bench::start().await;
    let bots = json!({"groupName": format!("{}-bots", bench.namespace)});
    bench.apply("Group", "bots", bots).await;
    let groups = json!([{"kind": "Group", "name": "bots"}]);
    let spec = json!({"groups": groups, "tokens": [brisk("default")]});
    let id = bench.account_with("ci", spec).await;
    let more = json!({"owner": {"serviceAccountRef": {"name": "ci"}}, "lifetime": "1h"});
    bench.apply("ApiToken", "more", more).await;
    bench.ready("ApiToken", "more").await;
    let consumer = bench.consume("ci-default").await;
    consumer.calls(20).await;
    consumer.stop().await;
    bench.begin_delete("Namespace", &bench.namespace).await;
    bench.gone("Namespace", &bench.namespace).await;
    assert!(bench.backend.account(&id.as_str().into()).await.is_err());
    // No Secret can be created in a namespace that ends: each of the two finds it out once, if it was not told before.
    let requests = bench.plane().audit().since(bench.start).unwrap();
    let refused = requests.iter().filter(|request| {
        request.code == 403 && request.user == bench.user() && request.resource == "secrets"
    });
    assert!(refused.count() <= 2, "no loop");
    bench
        .judge_with(Allowance {
            forbidden: &["secrets", "events"],
            ..Allowance::default()
        })
        .await;
}

#[tokio::test]
async fn fault_66_cluster_restored_from_an_old_state() {
    let bench = Bench::builder().own_plane().start().await;
    let mut entry = brisk("default");
    merge(&mut entry, json!({"lifetime": "100h"}));
    let spec = || json!({"adoptionPolicy": "IfOwned", "tokens": [entry]});
    bench.account_with("ci", spec()).await;
    let consumer = bench.consume("ci-default").await;
    bench.rest().await;
    let before = end_state(&bench).await;
    let kept = bench.value("ci-default").await;
    bench.operator().process.kill().await.unwrap();
    bench.plane().keep_state().await.unwrap();
    bench.operator().restart().await;
    // What the state does not know: a rotation, and another account.
    bench.order(CI.0, CI.1, "rotate-requested-at", "1").await;
    let lost = bench.other_value("ci-default", &kept).await;
    let late = bench.account_with("late", spec()).await;
    bench.rest().await;
    assert!(!bench.works(&kept).await);

    let broken = consumer.excuse();
    bench.operator().process.kill().await.unwrap();
    bench.plane().restore_state().await.unwrap();
    bench.watch_anew();
    assert_eq!(bench.value("ci-default").await, kept, "as it was");
    bench.operator().restart().await;
    // Whoever applies all from a repository again finds what was made the first time.
    bench.apply("ServiceAccount", "late", spec()).await;
    // The turn of the sweep of tokens comes within an hour.
    bench.advance(Duration::from_hours(1)).await;
    bench
        .has(CI.0, CI.1, ("Reconciling", "True", "TokenLost"))
        .await;
    bench.advance(Duration::from_secs(31)).await;
    bench.other_value("ci-default", &kept).await;
    broken.take_back().await;
    assert_eq!(
        bench.id("ServiceAccount", "late").await,
        late,
        "no duplicate"
    );
    consumer.calls(20).await;
    // What was published since is nobody's now: neither Secret nor status has ever heard of it.
    bench.judge().await;
    assert!(!bench.works(&lost).await);
    bench.delete("ServiceAccount", "late").await;
    bench.rest().await;
    similar_asserts::assert_eq!(end_state(&bench).await, before);
}
