//! Windows of rotation: kept to, missed, never open, and wrong.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{entry_of, same};
use crate::events::times;
use crate::scene::{Scene, find};

const HOUR: Duration = Duration::from_hours(1);

/// An entry that lives for a day, is due at noon of it, and cannot wait after its twenty-first hour.
fn entry(windows: &Value) -> Value {
    let overlap = json!({"min": "1m", "max": "1h"});
    let rotation = json!({"renewBefore": "12h", "windows": windows, "overlap": overlap});
    json!({"name": "default", "lifetime": "24h", "rotation": rotation})
}

fn time(of: &Value) -> Timestamp {
    of.as_str().unwrap().parse().unwrap()
}

/// A window of an hour that opens every day at the hour of the day that an instant is in.
fn daily(instant: Timestamp) -> Value {
    let hour = instant.to_zoned(TimeZone::UTC).hour();
    json!([{"schedule": format!("0 {hour} * * *"), "duration": "1h"}])
}

/// A window that is half a year away.
fn far(instant: Timestamp) -> Value {
    let month = (i32::from(instant.to_zoned(TimeZone::UTC).month()) + 5) % 12 + 1;
    json!([{"schedule": format!("0 2 1 {month} *"), "duration": "1h"}])
}

impl Scene {
    /// An account with a token of a day; when that was issued.
    async fn of_a_day(&self) -> Timestamp {
        self.account("ci", json!([entry(&json!([]))])).await;
        let object = self.ready("ksa", "ci").await;
        time(&entry_of(&object, "default")["issuedTime"])
    }

    /// Sets the windows, and waits until the operator has seen them.
    async fn open(&self, windows: &Value) -> Value {
        let spec = json!({"spec": {"tokens": [entry(windows)]}});
        self.patch("ksa", "ci", spec).await;
        self.looked_at().await
    }

    /// Waits until a pass came through for the spec as it is.
    async fn looked_at(&self) -> Value {
        self.condition("ksa", "ci", "Accepted", "True", "").await
    }

    /// Has the operator make a pass now, and answers with what it said of the entry.
    async fn pass(&self, number: u32) -> Value {
        let spec = json!({"spec": {"description": format!("pass {number}")}});
        self.patch("ksa", "ci", spec).await;
        entry_of(&self.looked_at().await, "default")
    }
}

#[tokio::test]
async fn a_rotation_waits_for_its_window_also_over_a_restart() {
    let (_turn, scene) = Scene::private().await;
    let issued = scene.of_a_day().await;
    let old = scene.value("ci-default").await;
    let windows = daily(issued + SignedDuration::from_hours(16));
    let object = scene.open(&windows).await;
    let told = entry_of(&object, "default")["nextRotationTime"].clone();
    let due = time(&told);
    let [after, before] = [15, 17].map(SignedDuration::from_hours);
    assert!(issued + after <= due && due <= issued + before, "{due}");
    assert_eq!(find(&object, "WindowUnmet"), Value::Null);
    scene.advance(HOUR * 14);
    let entry = scene.pass(1).await;
    assert_eq!(
        (&entry["generation"], &entry["nextRotationTime"]),
        (&json!(1), &told)
    );
    scene.world.operator.restart().await.unwrap();
    let entry = scene.pass(2).await;
    assert_eq!(
        (&entry["generation"], &entry["nextRotationTime"]),
        (&json!(1), &told)
    );
    assert!(same(&scene.value("ci-default").await, &old));
    let left = due.duration_since(issued) - SignedDuration::from_hours(14);
    scene.advance(left.unsigned_abs());
    scene.other_value("ci-default", &old).await;
    let object = scene
        .condition("ksa", "ci", "TokenIssued", "True", "Rotated")
        .await;
    let renewed = time(&entry_of(&object, "default")["issuedTime"]);
    assert!(due <= renewed && renewed <= issued + before, "{renewed}");
}

#[tokio::test]
async fn a_window_that_was_missed_is_told_and_the_deadline_wins() {
    let (_turn, scene) = Scene::private().await;
    let issued = scene.of_a_day().await;
    let old = scene.value("ci-default").await;
    scene
        .open(&daily(issued + SignedDuration::from_hours(15)))
        .await;
    scene.suspend("ksa", "ci").await;
    scene.advance(HOUR * 17);
    scene.resume("ksa", "ci").await;
    let unmet = ("WindowUnmet", "True", "WindowMissed");
    let object = scene
        .condition("ksa", "ci", unmet.0, unmet.1, unmet.2)
        .await;
    assert_eq!(find(&object, "Ready")["status"], "True", "a warning only");
    let due = time(&entry_of(&object, "default")["nextRotationTime"]);
    assert!(due <= issued + SignedDuration::from_hours(21), "{due}");
    let account = ("ServiceAccount", "ci");
    let told = times(&scene, account, "WindowMissed", 1).await;
    assert!(told[0].starts_with("Warning "), "{told:?}");
    assert!(same(&scene.value("ci-default").await, &old));
    scene.advance(HOUR * 4);
    let new = scene.other_value("ci-default", &old).await;
    assert!(scene.works(&new).await);
    let object = scene
        .condition("ksa", "ci", "TokenIssued", "True", "WindowMissed")
        .await;
    assert_eq!(find(&object, "WindowUnmet"), Value::Null, "of the old one");
    let told = times(&scene, account, "WindowMissed", 2).await;
    assert!(
        told.iter().all(|told| told.starts_with("Warning ")),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_window_that_never_opens_in_time_is_a_warning_and_no_token_dies_of_it() {
    let (_turn, scene) = Scene::private().await;
    let issued = scene.of_a_day().await;
    let old = scene.value("ci-default").await;
    scene.open(&far(issued)).await;
    let unmet = ("WindowUnmet", "True", "WindowUnsatisfiable");
    let object = scene
        .condition("ksa", "ci", unmet.0, unmet.1, unmet.2)
        .await;
    assert_eq!(find(&object, "Ready")["status"], "True", "a warning only");
    let told = times(&scene, ("ServiceAccount", "ci"), "WindowUnsatisfiable", 1).await;
    assert!(told[0].starts_with("Warning "), "{told:?}");
    scene.advance(HOUR * 21);
    let new = scene.other_value("ci-default", &old).await;
    assert!(scene.works(&new).await && scene.works(&old).await);
    scene
        .condition("ksa", "ci", "TokenIssued", "True", "WindowMissed")
        .await;
    let object = scene
        .condition("ksa", "ci", unmet.0, unmet.1, unmet.2)
        .await;
    assert_eq!(find(&object, "Ready")["status"], "True");
    let object = scene.open(&json!([])).await;
    assert_eq!(find(&object, "WindowUnmet"), Value::Null);
}

#[tokio::test]
async fn a_request_waits_for_no_window() {
    let scene = Scene::new().await;
    let issued = scene.of_a_day().await;
    let old = scene.value("ci-default").await;
    scene.open(&far(issued)).await;
    scene.order("ksa", "ci", "rotate-requested-at", "1").await;
    scene.other_value("ci-default", &old).await;
    scene
        .condition("ksa", "ci", "TokenIssued", "True", "RotateRequested")
        .await;
}

#[tokio::test]
async fn a_window_that_cannot_be_is_refused_by_its_field_and_the_token_lives_on() {
    let scene = Scene::new().await;
    scene.of_a_day().await;
    let old = scene.value("ci-default").await;
    let wrong = json!([{"schedule": "0 2 * * *", "duration": "1h", "timeZone": "Europe/Pris"}]);
    let spec = json!({"spec": {"tokens": [entry(&wrong)]}});
    scene.patch("ksa", "ci", spec).await;
    let object = scene
        .condition("ksa", "ci", "Accepted", "False", "Invalid")
        .await;
    let message = find(&object, "Accepted")["message"].to_string();
    let expected = "token default: rotation.windows[0].timeZone is Europe/Pris";
    assert!(message.contains(expected), "{message}");
    scene.order("ksa", "ci", "rotate-requested-at", "1").await;
    scene.other_value("ci-default", &old).await;
    let never = json!([{"schedule": "0 2 30 2 *", "duration": "1h"}]);
    let spec = json!({"spec": {"tokens": [entry(&never)]}});
    scene.patch("ksa", "ci", spec).await;
    let says = |object: &Value| {
        let message = find(object, "Accepted")["message"].to_string();
        message.contains("rotation.windows[0].schedule is 0 2 30 2 *, a day that no year has")
    };
    scene.until("ksa", "ci", "names the schedule", says).await;
    scene.open(&json!([])).await;
    scene.ready("ksa", "ci").await;
    let mut spec = entry(&wrong);
    spec.as_object_mut().unwrap().remove("name");
    spec["owner"] = json!({"serviceAccountRef": {"name": "ci"}});
    scene.apply("ApiToken", "more", spec).await;
    let message = scene.complaint("ktok", "more", "Invalid").await;
    assert!(
        message.starts_with("rotation.windows[0].timeZone "),
        "{message}"
    );
}
