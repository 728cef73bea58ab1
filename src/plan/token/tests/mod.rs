//! The rules one by one, and all of them together in a small world.

mod accept;
mod cause;
mod consumers;
mod contest;
mod hold;
mod looks;
mod naming;
mod openings;
mod overlap;
mod previous;
mod properties;
mod revoke;
mod search;
mod unknown;
mod windows;
mod world;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::*;
use crate::api::condition::Reason;
use crate::iam::model::TokenId;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// When the first token of the tests was issued and published.
const START: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn policy(spec: serde_json::Value) -> Policy {
    let spec = serde_json::from_value(spec).unwrap();
    Policy::new(&spec, SignedDuration::from_secs(10))
}

/// 100 hours; renewed in the last third; an overlap of 1 to 24 hours, quiet after 15 minutes.
fn usual() -> Policy {
    policy(json!({"lifetime": "100h"}))
}

fn current(id: &str, generation: i64, issued: Timestamp) -> Current {
    Current {
        id: id.into(),
        generation,
        prefix: None,
        issued,
        expires: Some(issued + HOUR * 100),
        published: issued,
        asked: Some(360_000),
        extended: false,
        rights: None,
        farewell: 3600,
    }
}

fn history(current: Current) -> History {
    History {
        current,
        previous: None,
        retired: Vec::new(),
        rotate: None,
        compromised: None,
        condemned: 0,
        unscheduled: Vec::new(),
    }
}

fn ours(history: Option<History>) -> SecretSeen {
    SecretSeen::Ours {
        resource_version: "7".into(),
        history: history.map(Box::new),
        prefix_holds: None,
        dress: Dress::Fits,
    }
}

fn listed(id: &str, generation: i64, issued: Timestamp) -> Listed {
    Listed {
        id: id.into(),
        generation,
        issued,
        expires: Some(issued + HOUR * 100),
        last_used: None,
        extended: false,
    }
}

fn retired(id: &str, generation: i64, retired: Timestamp) -> Retired {
    Retired {
        id: id.into(),
        generation,
        issued: retired - HOUR,
        expires: None,
        retired,
        end: End::Overlap,
    }
}

/// Token `t2`, the second one, issued at [`START`], is in the Secret, and the status knows it.
fn steady() -> Observed {
    Observed {
        naming: Naming::Fixed("ci".into()),
        secret_name: Some("ci".into()),
        successor: Successor::Free,
        secret: ours(Some(history(current("t2", 2, START)))),
        recorded: Some(Recorded {
            generation: 2,
            secret_name: Some("ci".into()),
            resource_version: Some("7".into()),
            history_since: Some(START - HOUR),
            ..Recorded::default()
        }),
        listed: None,
        listed_at: None,
        check: None,
        consumers: None,
        refused_since: None,
        unscheduled: Vec::new(),
        vain: Vec::new(),
        requests: Requests::default(),
        rights: None,
        moved: None,
        next_look: START + HOUR * 1000,
        sighting: Sighting::Unrecorded,
        settling: Settling {
            leading_since: START - HOUR,
            unanswered_publish: None,
            grace: MINUTE,
        },
        activity: Activity::Active,
        seed: "ServiceAccount/team-a/ci/default".into(),
    }
}

/// The same right after a rotation: `t1` was retired at [`START`], and a list shows both.
fn rotated() -> Observed {
    let mut seen = steady();
    edit(&mut seen).retired.push(retired("t1", 1, START));
    seen.recorded.as_mut().unwrap().retired = vec![("t1".into(), START)];
    seen.listed = Some(vec![listed("t1", 1, START - HOUR), listed("t2", 2, START)]);
    seen
}

/// What a publish into the usual Secret is answered by.
fn written(version: &str) -> (Option<String>, Option<String>) {
    (Some("ci".into()), Some(version.into()))
}

/// The history in the Secret.
fn edit(seen: &mut Observed) -> &mut History {
    match &mut seen.secret {
        SecretSeen::Ours {
            history: Some(history),
            ..
        } => history,
        other => panic!("no history in {other:?}"),
    }
}

/// Somebody touched the Secret: the status does not know its version.
fn touched(mut seen: Observed) -> Observed {
    seen.recorded.as_mut().unwrap().resource_version = Some("6".into());
    seen
}

fn decide(seen: &Observed, now: Timestamp) -> Plan {
    plan(&usual(), seen, MINUTE, now)
}

/// The token that is issued now.
fn issued(plan: &Plan) -> &Issue {
    match &plan.step {
        Some(Step::Issue(issue)) => issue,
        other => panic!("not an issue: {other:?}"),
    }
}

/// What a wanted token waits for.
fn held(plan: &Plan) -> (Reason, Option<Reason>) {
    let hold = plan.hold.unwrap_or_else(|| panic!("no hold: {plan:?}"));
    (hold.reason, hold.wanted.map(|cause| cause.reason))
}

fn ids(retired: &[Retired]) -> Vec<(&str, End)> {
    let ids = retired.iter();
    ids.map(|retired| (retired.id.as_str(), retired.end))
        .collect()
}
