//! Each route by its codes: success for whom it is meant, 401 without a credential, 403 without the right and in a tenant
//! that one may not enter, 404 for what is not there, 422 for a body that is none.
//!
//! The words in braces are ids of things that exist. The right is what a caller needs in 1.x: who has it and nothing
//! else is served, who has everything else is not.

mod table;
mod world;

use axum::body::Bytes;
use serde_json::json;

use super::server::{Answer, Server};
use table::{BINDINGS, GET, GROUPS, IDS, IN_TENANT, INSTANCE, PATCH, Route, WORD, all};
use world::World;

/// Collects what did not answer as it should, so that one run shows all of it.
#[derive(Default)]
struct Surprises(Vec<String>);

impl Surprises {
    fn expect(&mut self, route: &Route, path: &str, answer: &Answer, status: u16) {
        if answer.status != status {
            let text = String::from_utf8_lossy(&answer.body);
            let line = format!(
                "{} {path}: {} in place of {status}: {text}",
                route.method, answer.status
            );
            self.0.push(line);
        }
    }

    #[track_caller]
    fn none(self) {
        assert!(self.0.is_empty(), "{}", self.0.join("\n"));
    }
}

#[tokio::test]
async fn each_route_serves_whom_it_is_meant_for() {
    let first = World::new().await;
    let mut surprises = Surprises::default();
    for route in all() {
        let world = first.twin().await;
        let caller = world.one_who_may(route.needs).await;
        let answer = world.send(&caller, route).await;
        surprises.expect(route, route.path, &answer, route.success);
    }
    surprises.none();
}

#[tokio::test]
async fn each_route_answers_401_without_a_credential_that_works() {
    let world = World::new().await;
    let mut surprises = Surprises::default();
    for route in all() {
        for caller in [world.server.nobody(), world.server.bearer("unknown")] {
            let answer = world.send(&caller, route).await;
            surprises.expect(route, route.path, &answer, 401);
        }
    }
    surprises.none();
}

#[tokio::test]
async fn each_route_answers_403_to_those_who_have_every_right_but_this() {
    let world = World::new().await;
    let mut surprises = Surprises::default();
    for route in INSTANCE.iter().chain(IN_TENANT) {
        let caller = world.one_who_may_not(route.needs).await;
        let answer = world.send(&caller, route).await;
        surprises.expect(route, route.path, &answer, 403);
    }
    surprises.none();
}

#[tokio::test]
async fn each_route_of_a_tenant_answers_403_to_those_who_may_not_enter_it() {
    let world = World::new().await;
    let mut surprises = Surprises::default();
    for route in IN_TENANT {
        let caller = world.one_who_may(route.needs).await;
        let id = caller.get("/me").await.id();
        let access = format!("/main/tenant-access/{id}");
        world.server.admin().delete(&access).await.is(204);
        let answer = world.send(&caller, route).await;
        surprises.expect(route, route.path, &answer, 403);
    }
    surprises.none();
}

#[tokio::test]
async fn each_route_of_a_tenant_answers_404_if_there_is_no_such_tenant() {
    let world = World::new().await;
    let mut surprises = Surprises::default();
    for route in IN_TENANT {
        let path = route.path.replacen("/main/", "/nowhere/", 1);
        let answer = world.send_to(&world.server.admin(), route, &path).await;
        surprises.expect(route, &path, &answer, 404);
    }
    surprises.none();
}

/// Each id in a path in turn is one that nothing has.
#[tokio::test]
async fn each_route_answers_404_for_what_is_not_there() {
    let world = World::new().await;
    let mut surprises = Surprises::default();
    for route in INSTANCE.iter().chain(IN_TENANT) {
        for (word, _) in world
            .ids
            .iter()
            .filter(|(word, _)| route.path.contains(word))
        {
            let path = route.path.replace(word, "2EPi5XC0oluKRCVF56gcC");
            let answer = world.send_to(&world.server.admin(), route, &path).await;
            surprises.expect(route, &path, &answer, 404);
        }
    }
    surprises.none();
}

#[tokio::test]
async fn each_route_answers_422_to_a_body_that_is_none() {
    let world = World::new().await;
    let mut surprises = Surprises::default();
    for route in all().filter(|route| !route.body.is_empty()) {
        // The one route whose document says 400.
        let expected = if route.body == GROUPS { 400 } else { 422 };
        for body in ["", "{", "7", "\"text\"", "{} trailing"] {
            let path = format!("/api/v1{}", world.fill(route.path));
            let admin = world.server.admin();
            let answer = admin
                .send_raw(route.method.clone(), &path, Bytes::from(body))
                .await;
            surprises.expect(route, route.path, &answer, expected);
        }
    }
    surprises.none();
}

#[tokio::test]
async fn each_route_answers_422_to_a_body_without_what_it_needs() {
    let world = World::new().await;
    let mut surprises = Surprises::default();
    let needs_nothing = |route: &&Route| {
        route.body.is_empty()
            || [WORD, IDS].contains(&route.body)
            || route.path == "/users/{user}" && route.method == PATCH
    };
    for route in all().filter(|route| !needs_nothing(route)) {
        let expected = if route.body == GROUPS { 400 } else { 422 };
        let body = if route.body == BINDINGS { "[{}]" } else { "{}" };
        let path = format!("/api/v1{}", world.fill(route.path));
        let admin = world.server.admin();
        let answer = admin
            .send_raw(route.method.clone(), &path, Bytes::from(body))
            .await;
        surprises.expect(route, route.path, &answer, expected);
    }
    surprises.none();
}

#[tokio::test]
async fn the_open_routes_need_no_credential() {
    let server = Server::start().await;
    let nobody = server.nobody();
    let health = nobody.send_raw(GET, "/health", Bytes::new()).await.is(200);
    assert_eq!(health.json(), json!({"status": "UP"}));
    let configs = nobody.get("/configs").await.is(200).json();
    assert_eq!(
        (&configs["edition"], &configs["version"]),
        (&json!("EE"), &json!("1.3.26"))
    );
    nobody.get("/configs/login").await.is(200);
}
