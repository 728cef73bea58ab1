//! The events of a watch.

use reqwest::Response;
use testbed::gate::{Answer, EventsOf, Fate, Verdict, When};
use testbed::wait_for;

use super::Scene;

/// A watch, and what has come of it.
struct Watch {
    answer: Response,
    text: String,
}

impl Watch {
    async fn on(scene: &Scene) -> Self {
        let answer = scene.get("/watch?watch=true").await.unwrap();
        assert_eq!(answer.status(), 200);
        let begun = async || (scene.server.watchers() == 1).then_some(());
        wait_for("the watch", begun).await.unwrap();
        Self {
            answer,
            text: String::new(),
        }
    }

    /// The next line; none at the end.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((line, rest)) = self.text.split_once('\n') {
                let line = line.to_owned();
                self.text = rest.to_owned();
                return Some(line);
            }
            let piece = self.answer.chunk().await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }
}

fn event(kind: &str, name: &str) -> String {
    let metadata = format!(r#"{{"namespace":"team","name":"{name}"}}"#);
    format!(r#"{{"type":"{kind}","object":{{"metadata":{metadata}}}}}"#)
}

fn all() -> EventsOf {
    EventsOf::watch("*")
}

#[tokio::test]
async fn events_come_as_they_are() {
    let scene = Scene::new().await;
    let mut watch = Watch::on(&scene).await;
    for line in [event("ADDED", "a"), "no JSON".to_owned()] {
        scene.server.tell(&line);
        assert_eq!(watch.next().await.unwrap(), line);
    }
}

#[tokio::test]
async fn one_event_is_dropped() {
    let scene = Scene::new().await;
    let of = EventsOf::watch("/wat*").kind("MODIFIED").object("team/b");
    let rule = scene.gate.events(of.nth(2), Fate::Drop);
    let mut watch = Watch::on(&scene).await;
    let told = [
        ("MODIFIED", "b"),
        ("ADDED", "b"),
        ("MODIFIED", "b"),
        ("MODIFIED", "a"),
    ];
    for (kind, name) in told {
        scene.server.tell(&event(kind, name));
    }
    for (kind, name) in [told[0], told[1], told[3]] {
        assert_eq!(watch.next().await.unwrap(), event(kind, name));
    }
    assert_eq!(rule.count(), 1);
}

#[tokio::test]
async fn events_are_held_back() {
    let scene = Scene::new().await;
    let rule = scene
        .gate
        .events(all().object("team/b").times(1), Fate::Hold);
    let mut watch = Watch::on(&scene).await;
    for name in ["a", "b", "c"] {
        scene.server.tell(&event("ADDED", name));
    }
    assert_eq!(watch.next().await.unwrap(), event("ADDED", "a"));
    rule.reached(1).await.unwrap();
    rule.lift();
    for name in ["b", "c"] {
        assert_eq!(watch.next().await.unwrap(), event("ADDED", name));
    }
}

#[tokio::test]
async fn silence_after_an_event() {
    let scene = Scene::new().await;
    let rule = scene.gate.events(all().nth(2), Fate::Silence);
    let mut watch = Watch::on(&scene).await;
    for name in ["a", "b", "c"] {
        scene.server.tell(&event("ADDED", name));
    }
    assert_eq!(watch.next().await.unwrap(), event("ADDED", "a"));
    rule.reached(1).await.unwrap();
    let more = tokio::spawn(async move { watch.next().await });
    scene.text("/meanwhile").await.unwrap();
    assert!(!more.is_finished());
    more.abort();
}

#[tokio::test]
async fn a_watch_ends_in_order() {
    let scene = Scene::new().await;
    scene.gate.events(all().nth(2), Fate::End);
    let mut watch = Watch::on(&scene).await;
    for name in ["a", "b"] {
        scene.server.tell(&event("ADDED", name));
    }
    assert_eq!(watch.next().await.unwrap(), event("ADDED", "a"));
    assert_eq!(watch.next().await, None);
}

#[tokio::test]
async fn a_watch_goes_back_too_far() {
    let scene = Scene::new().await;
    scene.gate.events(all(), Fate::Gone);
    let mut watch = Watch::on(&scene).await;
    scene.server.tell(&event("ADDED", "a"));
    let line = watch.next().await.unwrap();
    let gone: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&gone["type"], &gone["object"]["code"]),
        (&"ERROR".into(), &410.into())
    );
    assert_eq!(watch.next().await, None);
    let gone = Verdict::Answer(Answer::kubernetes(410, "Expired"));
    scene.gate.rule(When::any().query("*watch=true*"), gone);
    let again = scene.get("/watch?watch=true").await.unwrap();
    assert_eq!(again.status(), 410);
}

#[tokio::test]
async fn a_reset_ends_watches_too() {
    let scene = Scene::new().await;
    let mut watch = Watch::on(&scene).await;
    scene.server.tell(&event("ADDED", "a"));
    watch.next().await.unwrap();
    scene.gate.reset();
    watch.answer.chunk().await.unwrap_err();
}
