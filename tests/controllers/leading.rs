//! Each single change is refused to a process that does not lead any more, long before that process ends.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::http::Method;
use futures::FutureExt;
use jiff::SignedDuration;
use kestra_iam_operator::clock::Clock;
use kestra_iam_operator::controller::{self, Cluster, Mode, Parts, Restarts, Settings, Tasks};
use kestra_iam_operator::ops::health::Health;
use kestra_iam_operator::ops::lease::Leadership;
use kestra_iam_operator::ops::metrics::Metrics;
use serde_json::json;
use testbed::audit::Mark;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::gate::{Gate, Verdict};
use crate::scene::Scene;
use crate::world::{HOME, World};

/// The controllers in this very process, so that their leadership can be taken at an instant.
struct Controllers {
    leadership: Leadership,
    metrics: Metrics,
    stop: CancellationToken,
    _tasks: Tasks,
}

impl Controllers {
    async fn start(world: &World, namespace: &str) -> Self {
        let (stop, metrics) = (CancellationToken::new(), Metrics::new("test"));
        let leadership = Leadership::alone(Clock::system().now());
        let tasks = controller::start(Parts {
            client: world.plane.client().await.unwrap(),
            settings: settings(namespace),
            clock: Clock::system(),
            leadership: leadership.clone(),
            metrics: metrics.clone(),
            health: Arc::new(Health::default().register("controllers")),
            stop: stop.clone(),
            work: TaskTracker::new(),
        });
        Self {
            leadership,
            metrics,
            stop,
            _tasks: tasks,
        }
    }

    /// How many passes over accounts have failed.
    fn failures(&self) -> u64 {
        let series = "kestra_iam_reconciles_total{kind=\"ServiceAccount\",outcome=\"failed\"}";
        let text = self.metrics.render().unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        line.map_or(0, |value| value.trim().parse().unwrap())
    }
}

impl Drop for Controllers {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn settings(namespace: &str) -> Settings {
    Settings {
        mode: Mode::Act,
        namespace: HOME.into(),
        watch_namespace: Some(namespace.into()),
        cluster: Cluster {
            id: "leading".into(),
            former: Vec::new(),
        },
        api_server: String::new(),
        instance_hosts: None,
        secret_metadata_domains: Vec::new(),
        restarts: Restarts::Off,
        concurrency: 1,
        request_timeout: Duration::from_secs(30),
        issue_pace: SignedDuration::from_mins(1),
        settle: SignedDuration::from_mins(2),
        hand_over_after: SignedDuration::from_mins(5),
        deletion_brake: 20,
        recheck: Duration::from_hours(1),
    }
}

/// Whether a request is about the account and not about the instance.
fn is_work(method: &Method, path: &str) -> bool {
    *method != Method::GET || path.ends_with("/api-tokens")
}

/// What was written of an account and its Secret since then, as `verb resource`.
fn written(scene: &Scene, mark: Mark) -> Vec<String> {
    let requests = scene.world.plane.audit().since(mark).unwrap();
    let ours = requests.iter().filter(|request| {
        let is_meant = request.path.contains("/kestra-iam.dev/") || request.resource == "secrets";
        is_meant && request.namespace == scene.namespace && request.is_write()
    });
    ours.map(|request| format!("{} {}", request.verb, request.resource))
        .collect()
}

/// Lets the controllers make an account, and takes their leadership when the backend gets this request of the work.
/// Answers with how many requests of the work there were.
async fn lose_at(world: &Arc<World>, number: usize) -> usize {
    let scene = Scene::inside(Arc::clone(world)).await;
    let gate = Gate::to(&scene.url).await;
    let controllers = Controllers::start(world, &scene.namespace).await;
    scene
        .connect(json!({"url": gate.url(), "guardrails": {"unrestricted": true}}))
        .await;
    let instance = scene.instance.clone();
    scene.ready("kci", &instance).await;
    let leadership = controllers.leadership.clone();
    let (count, sent) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, changes) = (Arc::clone(&count), Arc::clone(&sent));
    let moment = Arc::new(OnceLock::new());
    let (losing, audit) = (Arc::clone(&moment), world.plane.audit());
    gate.rule(move |method, path| {
        if leadership.is_held() && *method != Method::GET {
            changes.fetch_add(1, Ordering::SeqCst);
        }
        if is_work(method, path) && counted.fetch_add(1, Ordering::SeqCst) == number {
            losing.set(audit.mark().unwrap()).unwrap();
            // Changes are refused from the call on; what else it waits for does not matter here.
            let _ = leadership.release().now_or_never();
        }
        Verdict::Pass
    });
    let spec = json!({
        "roles": [{"kind": "External", "name": "Viewer"}],
        "tokens": [{"name": "default", "lifetime": "1h"}],
    });
    scene.apply("ServiceAccount", "ci", spec).await;
    let ended = async || {
        let is_lost = controllers.leadership.guard().is_err();
        let ready =
            || async { scene.get("ksa", "ci").await.unwrap()["status"]["expires"].is_string() };
        (if is_lost {
            controllers.failures() > 0
        } else {
            ready().await
        })
        .then_some(())
    };
    scene.wait("the end of the work", ended).await;
    if let Some(mark) = moment.get() {
        let failures = controllers.failures();
        let again = async || (controllers.failures() > failures).then_some(());
        scene
            .wait("one more pass that may change nothing", again)
            .await;
        let (changes, last) = (gate.writes(), sent.load(Ordering::SeqCst));
        assert_eq!(changes.len(), last, "after request {number}: {changes:?}");
        let written = written(&scene, *mark);
        assert!(written.is_empty(), "after request {number}: {written:?}");
        let secret = scene.get("secret", "ci-default").await;
        assert_eq!(secret, None, "after request {number}");
    }
    count.load(Ordering::SeqCst)
}

#[tokio::test]
async fn no_change_is_sent_after_the_leadership_has_gone_whichever_was_the_last() {
    let world = Arc::new(World::start(&[], &[]).await);
    world.operator.kill().await.unwrap();
    let whole = lose_at(&world, usize::MAX).await;
    assert!(whole >= 4, "account, binding, token and list: {whole}");
    for number in 0..whole {
        lose_at(&world, number).await;
    }
}
