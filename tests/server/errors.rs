//! How failures look, and the ones that no route of its own has.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Method, Request};
use futures::stream;
use kestra_iam_operator::clock::Clock;
use kestra_iam_operator::iam::model::TokenValue;
use kestra_iam_operator::server::{App, Settings};
use serde_json::json;
use tower::ServiceExt;

use super::server::{Server, folder};

const TOKEN: &str = "the-token-of-somebody-who-is-impatient";

/// A server that takes small bodies and does not wait long for them.
async fn impatient() -> App {
    let settings = Settings {
        max_body: 100,
        body_timeout: Duration::from_millis(50),
        ..Settings::default()
    };
    let app = App::open(&folder(), settings, Clock::system())
        .await
        .unwrap();
    let token = TokenValue::new(TOKEN.to_owned());
    app.ensure_admin(&token, &["main".to_owned()])
        .await
        .unwrap();
    app
}

async fn post(app: &App, body: Body) -> u16 {
    let request = Request::post("/api/v1/main/groups")
        .header("authorization", format!("Bearer {TOKEN}"))
        .body(body)
        .unwrap();
    app.router()
        .oneshot(request)
        .await
        .unwrap()
        .status()
        .as_u16()
}

#[tokio::test]
async fn an_error_has_the_body_of_micronaut() {
    let server = Server::start().await;
    let answer = server.admin().get("/main/groups/xyz").await.is(404);
    let message = "Not Found: group 'xyz' does not exist";
    let expected = json!({
        "message": message,
        "_links": {"self": {"href": "/api/v1/main/groups/xyz", "templated": false}},
        "_embedded": {"errors": [{"message": message}]},
    });
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn an_error_about_a_member_names_it() {
    let server = Server::start().await;
    let answer = server
        .admin()
        .post("/main/groups", json!({"description": "d"}))
        .await
        .is(422);
    let error = &answer.json()["_embedded"]["errors"][0];
    assert_eq!(
        *error,
        json!({"message": "name: is required", "path": "name"})
    );
}

#[tokio::test]
async fn an_error_does_not_repeat_what_was_sent() {
    let server = Server::start().await;
    let body = json!({"email": "u@example.org", "password": 123_456_789});
    let answer = server.admin().post("/users", body).await.is(422);
    assert!(!String::from_utf8_lossy(&answer.body).contains("123456789"));
    assert!(answer.message().starts_with("password: "));
}

#[tokio::test]
async fn a_route_that_is_not_there_is_a_404() {
    let server = Server::start().await;
    for path in ["/nowhere", "/main/nowhere", "/main/flows/search"] {
        let answer = server.admin().get(path).await.is(404);
        assert_eq!(answer.message(), "Not Found");
    }
    server
        .admin()
        .send_raw(Method::GET, "/", Bytes::new())
        .await
        .is(404);
}

#[tokio::test]
async fn a_method_that_is_not_there_is_a_405_that_says_which_are() {
    let server = Server::start().await;
    let answer = server.admin().delete("/main/groups").await.is(405);
    assert_eq!(answer.headers["allow"], "POST");
    assert_eq!(answer.message(), "Method Not Allowed");
}

#[tokio::test]
async fn a_401_says_how_to_authenticate() {
    let server = Server::start().await;
    let answer = server.nobody().get("/me").await.is(401);
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
}

#[tokio::test]
async fn answers_are_not_to_be_stored() {
    let server = Server::start().await;
    let answer = server
        .admin()
        .post("/me/api-tokens", json!({"name": "t"}))
        .await
        .is(200);
    assert_eq!(answer.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_a_413() {
    let app = impatient().await;
    let name = "x".repeat(80);
    assert_eq!(
        post(&app, Body::from(json!({"name": name}).to_string())).await,
        200
    );
    let more = "x".repeat(100);
    assert_eq!(
        post(&app, Body::from(json!({"name": more}).to_string())).await,
        413
    );
    let pieces = (0..3).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 40])));
    assert_eq!(
        post(&app, Body::from_stream(stream::iter(pieces))).await,
        413
    );
}

#[tokio::test]
async fn a_body_that_does_not_end_is_a_408() {
    let app = impatient().await;
    let never = stream::pending::<Result<Bytes, std::io::Error>>();
    assert_eq!(post(&app, Body::from_stream(never)).await, 408);
}

#[tokio::test]
async fn a_body_that_comes_in_drops_is_a_408_too() {
    let app = impatient().await;
    let drops = stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
    });
    assert_eq!(post(&app, Body::from_stream(drops)).await, 408);
}

#[tokio::test]
async fn who_is_refused_is_refused_before_the_body_is_judged() {
    let server = Server::start().await;
    let nobody = server.nobody();
    nobody.post("/main/groups", json!({})).await.is(401);
    server
        .somebody()
        .await
        .post("/main/groups", json!({}))
        .await
        .is(403);
}
