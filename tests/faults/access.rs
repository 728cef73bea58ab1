//! Groups, roles and bindings: dependencies that come and go, grants twice, edits without end.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::bench::{Bench, brisk};
use crate::end_state::end_state;
use crate::scale::scaled;

const CI: (&str, &str) = ("ServiceAccount", "ci");

/// What the tables say of who has which role, and who is in which group.
async fn granted(bench: &Bench) -> BTreeSet<String> {
    let state = end_state(bench).await;
    let lines = ["bindings", "memberships"].map(|table| state[table].clone());
    let lines = lines.iter().flat_map(|lines| lines.as_array().unwrap());
    let lines = lines.map(|line| line.as_str().unwrap().to_owned());
    lines.filter(|line| line.contains("TEAM")).collect()
}

fn viewers(subjects: &Value) -> Value {
    json!({"roleRef": {"kind": "Role", "name": "runner"}, "subjects": subjects})
}

#[tokio::test]
async fn fault_56_dependencies_go_and_come_later() {
    let bench = Bench::start().await;
    let group = json!({"kind": "Group", "name": "bots"});
    let spec = json!({"groups": [group], "tokens": [brisk("default")]});
    bench.apply(CI.0, CI.1, spec).await;
    let subjects = json!([{"kind": "ServiceAccount", "name": "ci"}, group]);
    bench.apply("RoleBinding", "run", viewers(&subjects)).await;
    for (kind, name) in [CI, ("RoleBinding", "run")] {
        bench
            .has(kind, name, ("ResolvedRefs", "False", "ReferenceNotFound"))
            .await;
    }
    bench.judge().await;
    // What waits is woken: nobody looks again by the clock within five minutes.
    let role =
        json!({"roleName": format!("{}-r", bench.namespace), "permissions": {"FLOW": ["READ"]}});
    bench.apply("Role", "runner", role).await;
    let bots = json!({"groupName": format!("{}-bots", bench.namespace)});
    bench.apply("Group", "bots", bots.clone()).await;
    for (kind, name) in [("Group", "bots"), CI, ("RoleBinding", "run")] {
        bench.ready(kind, name).await;
    }
    let consumer = bench.consume("ci-default").await;
    bench.rest().await;
    let (all, before) = (granted(&bench).await, end_state(&bench).await);
    assert_eq!(all.len(), 3, "{all:?}");
    // The group goes while it has a member and a role.
    bench.delete("Group", "bots").await;
    for (kind, name) in [CI, ("RoleBinding", "run")] {
        bench.complaint(kind, name, "ReferenceNotFound").await;
    }
    bench.apply("Group", "bots", bots).await;
    for (kind, name) in [("Group", "bots"), CI, ("RoleBinding", "run")] {
        bench.ready(kind, name).await;
    }
    consumer.calls(20).await;
    bench.judge().await;
    assert_eq!(granted(&bench).await, all);
    similar_asserts::assert_eq!(end_state(&bench).await, before);
}

#[tokio::test]
async fn fault_57_bindings_twice_and_in_circles() {
    let bench = Bench::start().await;
    let viewer = json!([{"kind": "External", "name": "Viewer"}]);
    let bots = json!({"groupName": format!("{}-bots", bench.namespace), "roles": viewer});
    bench.apply("Group", "bots", bots).await;
    bench
        .account_with(
            "ci",
            json!({
                "groups": [{"kind": "Group", "name": "bots"}], "roles": viewer,
                "tokens": [brisk("default")],
            }),
        )
        .await;
    let consumer = bench.consume("ci-default").await;
    // The account has the role by itself, by its group, and by two bindings, one of which names the group too.
    for name in ["one", "two"] {
        let spec = json!({
            "roleRef": {"kind": "External", "name": "Viewer"},
            "subjects": [{"kind": "ServiceAccount", "name": "ci"}, {"kind": "Group", "name": "bots"}],
        });
        bench.apply("RoleBinding", name, spec).await;
        bench.ready("RoleBinding", name).await;
    }
    let expected = [
        "TEAM-bots < TEAM-ci",
        "Viewer@ TEAM-bots",
        "Viewer@ TEAM-ci",
    ];
    let expected: BTreeSet<String> = expected.map(str::to_owned).into();
    bench.judge().await;
    assert_eq!(granted(&bench).await, expected, "a set");
    // What another still declares stays.
    bench.delete("RoleBinding", "one").await;
    bench.judge().await;
    assert_eq!(granted(&bench).await, expected);
    bench.delete("RoleBinding", "two").await;
    bench
        .patch(CI.0, CI.1, json!({"spec": {"roles": null}}))
        .await;
    bench.ready(CI.0, CI.1).await;
    consumer.calls(20).await;
    bench.judge().await;
    let left = ["TEAM-bots < TEAM-ci", "Viewer@ TEAM-bots"];
    assert_eq!(granted(&bench).await, left.map(str::to_owned).into());
}

/// So many looks at an object are free, and then there are two a second.
const FREE_LOOKS: u64 = 6;

/// How many passes there were over accounts.
async fn passes(bench: &Bench) -> u64 {
    let (_, metrics) = bench.operator().get("/metrics").await.unwrap();
    let lines = metrics.lines().filter(|line| {
        line.starts_with("kestra_iam_reconciles_total{") && line.contains("kind=\"ServiceAccount\"")
    });
    let counts = lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap());
    counts.sum()
}

/// Edits the account `ci`.
async fn edit(bench: &Bench, number: usize) {
    let spec = json!({"spec": {"description": format!("edit {number}")}});
    bench.patch(CI.0, CI.1, spec).await;
}

#[tokio::test]
async fn fault_55_edited_all_the_time() {
    let bench = Bench::start().await;
    let id = bench.account("ci").await;
    let consumer = bench.consume("ci-default").await;
    bench.rest().await;
    let changes = bench.tables().changes().await.unwrap();
    let (before, start) = (passes(&bench).await, Instant::now());
    let edits = scaled(500, 3000);
    for number in 0..edits {
        edit(&bench, number).await;
    }
    let seconds = start.elapsed().as_secs() + 1;
    let (passes, most) = (passes(&bench).await - before, FREE_LOOKS + 2 * seconds);
    println!("{edits} edits in {seconds} s: {passes} passes");
    assert!(passes <= most, "{passes} passes in {seconds} s");
    let calls = bench.tables().changes_since(changes).await.unwrap().len();
    let passes = usize::try_from(passes).unwrap();
    assert!(calls <= passes, "{calls} calls in {passes} passes");
    bench.ready(CI.0, CI.1).await;
    let account = bench.backend.account(&id.as_str().into()).await.unwrap();
    let last = format!("edit {} ", edits - 1);
    let description = account.description.unwrap();
    assert!(description.starts_with(&last), "{description}");

    // What is due is not put off by edits that do not end.
    let old = bench.value("ci-default").await;
    bench.order(CI.0, CI.1, "rotate-requested-at", "1").await;
    let mut number = edits;
    bench
        .wait("a rotation among edits", async || {
            number += 1;
            edit(&bench, number).await;
            (bench.value("ci-default").await != old).then_some(())
        })
        .await;
    consumer.calls(20).await;
    bench.judge().await;
}
