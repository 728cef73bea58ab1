//! The brake on mass deletion: holds what is deleted, as [`crate::plan::brake`] decides, until somebody agrees.
//!
//! One task looks at the deletions of every instance, writes down which of them are let go, and wakes the objects. What
//! it knows is made of the stores and of the instances, so that a restart changes nothing.

mod asked;
mod departing;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{Resource, ResourceExt};
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use self::asked::Asked;
use self::departing::{Departing, departing};
use super::context::{Context, name_of, namespace_of};
use super::error::Error;
use super::instance::Connects;
use super::kind::Reconciled;
use super::outcome::Blocked;
use super::patch::write_status;
use super::referrers::Key;
use crate::api::condition::{self, ConditionType, Finding, Reason};
use crate::api::instance::{InstanceStatus, RecentDeletion};
use crate::api::names::ACKNOWLEDGED_DELETIONS;
use crate::ops::metrics::Metrics;
use crate::plan::brake::{Deletion, Review, Seen, WINDOW, review};

/// How soon a look that failed is repeated.
const RETRY: Duration = Duration::from_secs(3);

/// Whether a deleted object may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Go,
    /// It waits until somebody agrees.
    Wait,
    /// It is not counted yet; it is woken once it is.
    Open,
}

/// What the last look at all deletions came to.
pub struct Brake {
    limit: usize,
    verdicts: Mutex<HashMap<Key, Verdicts>>,
    asked: Asked,
    metrics: Metrics,
}

/// The verdicts on the deleted objects of one instance, by uid.
type Verdicts = BTreeMap<String, Verdict>;

impl Brake {
    /// A brake that lets `limit` objects of an instance go within minutes; 0 = any number.
    #[must_use]
    pub fn new(limit: usize, metrics: Metrics) -> Self {
        Self {
            limit,
            verdicts: Mutex::default(),
            asked: Asked::default(),
            metrics,
        }
    }

    /// Has all deletions looked at anew.
    pub fn poke(&self) {
        self.asked.poke();
    }

    /// The same if some wait: one of them may have gone.
    pub fn poke_if_on(&self) {
        let verdicts = self.lock();
        let mut all = verdicts.values().flat_map(BTreeMap::values);
        if all.any(|verdict| *verdict == Verdict::Wait) {
            self.poke();
        }
    }

    /// Whether an object of this instance may end. Asks for a look at it if there was none yet.
    fn verdict(&self, instance: &Key, uid: &str) -> Verdict {
        if self.limit == 0 {
            return Verdict::Go;
        }
        let known = self
            .lock()
            .get(instance)
            .and_then(|of| of.get(uid).copied());
        known.unwrap_or_else(|| {
            self.asked.ask(uid);
            Verdict::Open
        })
    }

    /// Whether all that was deleted with an object of this instance was seen at this look: there was a verdict on it
    /// already, for looks are as far apart as deletions are waited for, or it had asked long enough before.
    fn is_ripe(&self, instance: &Key, uid: &str, at: Instant) -> bool {
        let all = self.lock();
        let known = all.get(instance).and_then(|of| of.get(uid));
        known.is_some() || self.asked.is_ripe(uid, at)
    }

    /// Notes the verdicts on the objects of an instance. Answers with those whose verdict is news.
    fn note(&self, instance: &Key, verdicts: Verdicts) -> BTreeSet<String> {
        let waiting = verdicts.values().filter(|it| **it == Verdict::Wait).count();
        self.metrics.brakes(&instance.path(), Some(waiting));
        let mut all = self.lock();
        let known = all.entry(instance.clone()).or_default();
        let news = verdicts
            .iter()
            .filter(|(uid, it)| known.get(*uid) != Some(it));
        let news = news.map(|(uid, _)| uid.clone()).collect();
        *known = verdicts;
        news
    }

    /// Forgets an instance that is gone.
    pub fn forget(&self, instance: &Key) {
        self.lock().remove(instance);
        self.metrics.brakes(&instance.path(), None);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Verdicts>> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a deleted object may end. Of an instance that is not there nothing is removed anyway.
#[must_use]
pub fn verdict(context: &Context, instance: &Key, uid: Option<&str>) -> Verdict {
    // Where nothing is changed there is nothing to hold.
    if !context.knows(instance) || context.authority.observes() {
        return Verdict::Go;
    }
    context.brake.verdict(instance, uid.unwrap_or_default())
}

/// What a deleted object says that waits, or the `Revocation` in its place; `way_out` leaves at the backend what it made.
#[must_use]
pub fn waits(instance: &Key, way_out: &str) -> Blocked {
    let message = format!(
        "one of many deletions within minutes: nothing of it is removed, and its tokens go on working, until the \
         administrator of {instance} agrees; see the condition DeletionBraked there. To leave what it made at the backend, \
         {way_out}"
    );
    Blocked::unsynced(Reason::DeletionBraked, message)
}

/// Looks at all deletions whenever somebody asks for it. Never ends.
pub(super) async fn run(context: Arc<Context>) {
    context.stores.filled().await;
    if context.authority.observes() {
        return pending().await;
    }
    context.brake.poke();
    loop {
        context.brake.asked.gather().await;
        if !look(&context).await {
            sleep(RETRY).await;
            context.brake.poke();
        }
    }
}

/// Answers whether all came through.
async fn look(context: &Context) -> bool {
    let at = Instant::now();
    let mut departing = departing(context);
    let uids = departing.values().flatten().map(|it| &it.deletion.uid);
    context.brake.asked.keep(&uids.collect(), at);
    let mut came_through = true;
    let stores = &context.stores;
    for instance in stores.cluster_instances.state() {
        came_through &= judge(context, &*instance, &mut departing, at).await;
    }
    for instance in stores.instances.state() {
        came_through &= judge(context, &*instance, &mut departing, at).await;
    }
    came_through
}

async fn judge<K: Connects>(
    context: &Context,
    instance: &K,
    departing: &mut HashMap<Key, Vec<Departing>>,
    at: Instant,
) -> bool {
    let key = Key::new(K::NAME, namespace_of(instance), name_of(instance));
    let departing = departing.remove(&key).unwrap_or_default();
    match decide(context, &key, instance, &departing, at).await {
        Ok(()) => true,
        Err(error) if error.is_conflict() => {
            debug!(object = %key, "changed meanwhile");
            false
        }
        Err(error) => {
            warn!(object = %key, "deletions wait to be counted: {error}");
            false
        }
    }
}

/// Decides about the deletions of one instance, writes down what is let go, and wakes whom it concerns.
async fn decide<K: Connects>(
    context: &Context,
    key: &Key,
    cached: &K,
    departing: &[Departing],
    at: Instant,
) -> Result<(), Error> {
    let api = K::api(context.client.clone(), &key.namespace);
    let Some(object) = context.freshest(key, cached, api.clone()).await? else {
        return Ok(());
    };
    let now = context.clock.now();
    let status = Reconciled::status(&object).cloned().unwrap_or_default();
    let (review, judged) = judged(context, key, departing, at, |these| {
        let seen = seen(&object, &status, these);
        review(context.brake.limit, &seen, now)
    });
    let new = told(context, key, &object, status, &review, now);
    write_status(context, key, &api, &object, &new).await?;
    if context.instance_uid(key) != object.uid() {
        // It has gone meanwhile; another of its name is another one.
        return Ok(());
    }
    let news = context.brake.note(key, verdicts(&review, &judged));
    if !news.is_empty() && !review.held.is_empty() {
        let waiting = review.held.len();
        warn!(object = %key, waiting, "so much was deleted that nothing of it is removed until somebody agrees");
    }
    let concerned = departing.iter();
    for woken in concerned.filter(|it| news.contains(&it.deletion.uid)) {
        context.wakers.wake(&woken.key);
    }
    Ok(())
}

/// What a look comes to, and whom it is about: all if they are too many, else those that may be let go by now.
fn judged<'d>(
    context: &Context,
    key: &Key,
    departing: &'d [Departing],
    at: Instant,
    review: impl Fn(&[&Departing]) -> Review,
) -> (Review, Vec<&'d Departing>) {
    let all: Vec<&Departing> = departing.iter().collect();
    let review_of_all = review(&all);
    if !review_of_all.held.is_empty() {
        return (review_of_all, all);
    }
    let ripe = all.into_iter();
    let ripe = ripe.filter(|it| context.brake.is_ripe(key, &it.deletion.uid, at));
    let ripe: Vec<&Departing> = ripe.collect();
    (review(&ripe), ripe)
}

fn verdicts(review: &Review, judged: &[&Departing]) -> Verdicts {
    let verdict = |deletion: &Deletion| {
        if review.held.contains(deletion) {
            Verdict::Wait
        } else {
            Verdict::Go
        }
    };
    let deletions = judged.iter().map(|it| &it.deletion);
    deletions
        .map(|deletion| (deletion.uid.clone(), verdict(deletion)))
        .collect()
}

fn seen<K: Resource>(object: &K, status: &InstanceStatus, departing: &[&Departing]) -> Seen {
    let recent = status.recent_deletions.iter().map(|recent| Deletion {
        time: recent.deletion_time.0,
        uid: recent.uid.clone(),
    });
    let acknowledged = object.annotations().get(ACKNOWLEDGED_DELETIONS);
    Seen {
        waiting: departing.iter().map(|it| it.deletion.clone()).collect(),
        recent: recent.collect(),
        acknowledged: acknowledged.and_then(|until| until.trim().parse().ok()),
    }
}

/// The status of the instance after a review.
fn told<K: Connects>(
    context: &Context,
    key: &Key,
    object: &K,
    old: InstanceStatus,
    review: &Review,
    now: Timestamp,
) -> InstanceStatus {
    let recent = review.recent.iter().map(|deletion| RecentDeletion {
        uid: deletion.uid.clone(),
        deletion_time: Time(deletion.time),
    });
    let mut conditions = old.conditions;
    match review.latest() {
        Some(latest) => {
            let message = braked(key, context.brake.limit, review.held.len(), latest);
            put(&mut conditions, message, object.meta().generation, now);
        }
        None => condition::remove(&mut conditions, ConditionType::DeletionBraked),
    }
    InstanceStatus {
        recent_deletions: recent.collect(),
        conditions,
        ..old
    }
}

fn put(conditions: &mut Vec<Condition>, message: String, generation: Option<i64>, now: Timestamp) {
    let (kind, reason) = (ConditionType::DeletionBraked, Reason::DeletionBraked);
    let finding = Finding::new(kind, true, reason, message);
    condition::set(conditions, &finding, generation, now);
}

/// How many wait, and how to let them go.
fn braked(key: &Key, limit: usize, waiting: usize, latest: Timestamp) -> String {
    let (kind, name) = (key.kind.as_str().to_lowercase(), &key.name);
    let namespace = match key.namespace.as_str() {
        "" => String::new(),
        namespace => format!(" -n {namespace}"),
    };
    let minutes = WINDOW.as_mins();
    let objects = match waiting {
        1 => "deleted object waits",
        _ => "deleted objects wait",
    };
    format!(
        "{waiting} {objects}, for more than {limit} were deleted within {minutes} minutes: nothing of theirs is \
         removed here, and their tokens go on working. If they are to go: kubectl annotate {kind} {name}{namespace} \
         --overwrite {ACKNOWLEDGED_DELETIONS}={latest}. What is deleted later counts anew. To leave what an object made \
         here, set its deletionPolicy to Orphan"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::referrers::KindName;

    #[test]
    fn the_condition_names_the_command_that_lets_them_go() {
        let said = |kind, namespace, waiting| {
            let key = Key::new(kind, namespace, "default");
            braked(&key, 20, waiting, Timestamp::UNIX_EPOCH)
        };
        let cluster = said(KindName::ClusterInstance, "", 37);
        assert!(cluster.starts_with(
            "37 deleted objects wait, for more than 20 were deleted within 5 minutes"
        ));
        let command = "kubectl annotate clusterinstance default --overwrite \
                       kestra-iam.dev/acknowledged-deletions=1970-01-01T00:00:00Z. ";
        assert!(cluster.contains(command), "{cluster}");
        let own = said(KindName::Instance, "team-a", 1);
        assert!(own.starts_with("1 deleted object waits, "), "{own}");
        assert!(
            own.contains("annotate instance default -n team-a --overwrite"),
            "{own}"
        );
    }
}
