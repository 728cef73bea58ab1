//! A backend that goes back to what it was some time ago.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use testbed::Scratch;

use crate::bench::{brisk, merge};
use crate::consumer::Consumer;
use crate::end_state::end_state;
use crate::gated::Gated;
use crate::scale::scaled;

/// An entry that lives for days, so that hours pass without a rotation.
fn lasting() -> Value {
    let mut entry = brisk("default");
    merge(&mut entry, json!({"lifetime": "100h"}));
    json!({"tokens": [entry]})
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let file = entry.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[tokio::test]
async fn fault_22_backend_restored_from_an_old_backup() {
    let mut gated = Gated::start().await;
    let scratch = Scratch::new("backup").unwrap();
    let (data, backup) = (gated.server.data(), scratch.file("data"));
    let names: Vec<String> = (0..scaled(3, 50)).map(|n| format!("ci-{n}")).collect();
    let secret = |name: &String| format!("{name}-default");
    for name in &names {
        gated.account_with(name, lasting()).await;
        gated.consume(&secret(name)).await;
    }
    gated.rest().await;
    gated.server.process().kill().await.unwrap();
    copy(&data, &backup);
    gated.bench.server.restart().await.unwrap();

    let mut values = Vec::new();
    for name in &names {
        let old = gated.value(&secret(name)).await;
        gated
            .order("ServiceAccount", name, "rotate-requested-at", "1")
            .await;
        let new = gated.other_value(&secret(name), &old).await;
        values.push((name, old, new));
    }
    gated.account_with("late", lasting()).await;
    gated.rest().await;
    let (before, issues) = (end_state(&gated).await, gated.issues());

    let broken: Vec<_> = gated.consumers().iter().map(Consumer::excuse).collect();
    gated.server.process().kill().await.unwrap();
    fs::remove_dir_all(&data).unwrap();
    copy(&backup, &data);
    gated.bench.server.restart().await.unwrap();
    for (name, old, new) in &values {
        assert!(gated.works(old).await && !gated.works(new).await, "{name}");
    }
    // The sweeps come by within an hour.
    gated
        .wait("a working token in each Secret", async || {
            gated.advance(Duration::from_secs(20)).await;
            for name in names.iter().chain([&"late".to_owned()]) {
                let value = gated.value(&secret(name)).await;
                if !gated.works(&value).await {
                    return None;
                }
            }
            Some(())
        })
        .await;
    for excuse in broken {
        excuse.take_back().await;
    }
    gated.judge().await;
    for (name, old, _) in &values {
        assert!(!gated.works(old).await, "{name}: it rose again");
    }
    assert_eq!(gated.issues() - issues, names.len() + 1, "no storm");
    similar_asserts::assert_eq!(end_state(&gated).await, before);
}
