//! The oracle finds what it is there to find.

use std::net::TcpStream;

use kestra_iam_operator::iam::client::{NewToken, Owner};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::json;

use super::Allowance;
use super::bounds::Load;
use super::places::Pieces;
use crate::bench::{Bench, ours};

/// Whether something was found under this heading that tells of this.
fn tells(violations: &[String], heading: &str, of: &str) {
    let mut all = violations.iter();
    let found = all.any(|it| it.starts_with(heading) && it.contains(of));
    assert!(found, "{heading} … {of} in {violations:?}");
}

/// What the operator's own account writes while all is at rest.
async fn write_as_operator(bench: &Bench) {
    let client = testbed::client(&bench.kubeconfig).await.unwrap();
    let kind = ours("ServiceAccount");
    let accounts: Api<DynamicObject> = Api::namespaced_with(client, &bench.namespace, &kind);
    let note = json!({"metadata": {"annotations": {"note": "x"}}});
    let (parameters, patch) = (PatchParams::default(), Patch::Merge(&note));
    accounts.patch("ci", &parameters, &patch).await.unwrap();
}

/// What the operator's own account has no right to ask.
async fn trespass(bench: &Bench) {
    let client = testbed::client(&bench.kubeconfig).await.unwrap();
    let path = format!("/api/v1/namespaces/{}/pods", bench.namespace);
    let request = axum::http::Request::get(path).body(Vec::new()).unwrap();
    assert!(client.request_text(request).await.is_err());
}

/// Connections to the operator that nobody needs.
async fn connect_often(bench: &Bench) -> Vec<TcpStream> {
    let url = bench.operator().address().await;
    let address = url.strip_prefix("http://").unwrap();
    let connections = (0..200).map(|_| TcpStream::connect(address).unwrap());
    connections.collect()
}

/// One more token with the mark of the one that there is.
async fn orphan(bench: &Bench, account: &str) {
    let token = bench.tokens(account).await.remove(0);
    let wanted = NewToken {
        name: "orphan".into(),
        description: token.description,
        lifetime: None,
        extended: false,
    };
    let owner = Owner::Account(account.into());
    bench.backend.issue_token(&owner, &wanted).await.unwrap();
}

#[tokio::test]
async fn each_violation_is_found() {
    let bench = Bench::start().await;
    let account = bench.account("ci").await;
    let consumer = bench.consume("ci-default").await;
    bench.judge().await;
    let (found, ()) = tokio::join!(bench.writes_during(1), write_as_operator(&bench));
    tells(&found, "patch", "serviceaccounts/ci");

    let idle = connect_often(&bench).await;
    tells(&bench.excesses().await, "I8", "sockets");
    drop(idle);

    trespass(&bench).await;
    tells(&bench.trespasses(Allowance::default()), "I7", "pods");

    let value = bench.value("ci-default").await;
    bench
        .apply_manifest(&json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": {"note": format!("it is {}", &value[5..25])},
            "metadata": {"name": "leak", "namespace": bench.namespace},
        }))
        .await;
    let seen = bench.picture().await.seen;
    tells(&bench.leaks(&seen).await, "I4", "configmaps");

    bench.operator().process.kill().await.unwrap();
    orphan(&bench, &account).await;
    tells(&bench.picture().await.orphans(), "I2", "default");
    let token = bench.tokens(&account).await.remove(0).id;
    let owner = Owner::Account(account.as_str().into());
    bench.backend.revoke_token(&owner, &token).await.unwrap();
    consumer.calls(5).await;
    tells(&bench.gaps(), "I3", "the Secret holds the same");
    let mut picture = bench.picture().await;
    tells(&picture.orphans(), "I3", "ci-default");
    tells(&picture.untruths(), "I9", "ci-default");
    picture.seen.most.insert("one entry".into(), 3);
    tells(
        &picture.published_at_once(Allowance::default()),
        "I1",
        "one entry",
    );
}

#[test]
fn what_is_left_behind_is_found() {
    let at_rest = Load {
        waiting: 0,
        open: 40,
        memory: 60,
        passes: 2,
    };
    assert_eq!(at_rest.excesses(1), Vec::<String>::new());
    let waiting = Load {
        waiting: 1,
        ..at_rest
    };
    tells(&waiting.excesses(1), "I8", "objects wait");
    let leaking = Load {
        open: 1000,
        ..at_rest
    };
    tells(&leaking.excesses(1), "I8", "open");
    let memory = 200;
    tells(&Load { memory, ..at_rest }.excesses(1), "I8", "memory");
    assert_eq!(
        Load { memory, ..at_rest }.excesses(10_000),
        Vec::<String>::new()
    );
    let hot = Load {
        passes: 100,
        ..at_rest
    };
    tells(&hot.excesses(1), "I8", "passes");
}

#[test]
fn a_part_of_a_value_is_found_and_its_prefix_is_not() {
    let value = "0123456789abcdefghijklmnopqrstuvwxyzABCD";
    for (text, is_part) in [
        ("token 012345 was issued", false),
        ("token 0123456789abcde…", true),
        ("…klmnopqrstuvwxy…", true),
        (
            "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6QUJDRA==",
            true,
        ),
    ] {
        let values = [value.to_owned()];
        let found = Pieces::of(&values).found_in(text);
        assert_eq!(found.contains(value), is_part, "{text}");
    }
}
