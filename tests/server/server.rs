//! A server of one test's own, and callers of it.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, Request};
use jiff::{SignedDuration, Timestamp};
use kestra_iam_operator::clock::Clock;
use kestra_iam_operator::iam::model::TokenValue;
use kestra_iam_operator::server::{App, Compat, Settings};
use serde_json::{Value, json};
use testbed::Scratch;
use tower::ServiceExt;

pub(crate) const START: &str = "2026-01-01T00:00:00Z";
const ADMIN: &str = "the-token-of-the-superadmin-in-tests";

/// A folder of its own for each server, removed when the test process ends.
pub(crate) fn folder() -> PathBuf {
    static SCRATCH: OnceLock<Scratch> = OnceLock::new();
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let scratch = SCRATCH.get_or_init(|| Scratch::new("iam-server").unwrap());
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    scratch.file(&number.to_string())
}

/// A fresh server with a superadmin who administers `main`.
pub(crate) struct Server {
    pub(crate) app: App,
    pub(crate) clock: Clock,
    pub(crate) folder: PathBuf,
}

impl Server {
    /// One that behaves like 1.x.
    pub(crate) async fn start() -> Self {
        Self::of(Compat::V1).await
    }

    pub(crate) async fn of(compat: Compat) -> Self {
        let server = Self::empty(compat).await;
        let token = TokenValue::new(ADMIN.to_owned());
        let tenants = ["main".to_owned()];
        server.app.ensure_admin(&token, &tenants).await.unwrap();
        server
    }

    /// One in which nobody is yet.
    pub(crate) async fn empty(compat: Compat) -> Self {
        Self::at(compat, folder()).await
    }

    /// One over the database in a folder, which may be there already.
    pub(crate) async fn at(compat: Compat, folder: PathBuf) -> Self {
        let clock = Clock::manual(START.parse().unwrap());
        let settings = Settings {
            compat,
            ..Settings::default()
        };
        let app = App::open(&folder, settings, clock.clone()).await.unwrap();
        Self { app, clock, folder }
    }

    /// Another one of 1.x over a copy of the same database, which must be at rest.
    pub(crate) async fn twin(&self) -> Self {
        let copy = folder();
        std::fs::create_dir_all(&copy).unwrap();
        for file in std::fs::read_dir(&self.folder).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
        }
        Self::at(Compat::V1, copy).await
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn advance(&self, by: SignedDuration) {
        self.clock.advance(by);
    }

    /// The superadmin, who also has the role Admin in `main`.
    pub(crate) fn admin(&self) -> Caller<'_> {
        self.bearer(ADMIN)
    }

    pub(crate) fn nobody(&self) -> Caller<'_> {
        self.showing(None)
    }

    pub(crate) fn bearer(&self, token: &str) -> Caller<'_> {
        self.showing(Some(format!("Bearer {token}")))
    }

    pub(crate) fn basic(&self, name: &str, password: &str) -> Caller<'_> {
        use base64::Engine;
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
        self.showing(Some(format!("Basic {pair}")))
    }

    pub(crate) fn showing(&self, authorization: Option<String>) -> Caller<'_> {
        Caller {
            server: self,
            authorization,
        }
    }

    /// A new account of `main` without any right; its id.
    pub(crate) async fn account(&self, name: &str) -> String {
        let body = json!({"name": name});
        let made = self.admin().post("/main/service-accounts", body).await;
        made.is(200).id()
    }

    /// A new group of `main`; its id.
    pub(crate) async fn group(&self, name: &str) -> String {
        let made = self
            .admin()
            .post("/main/groups", json!({"name": name}))
            .await;
        made.is(200).id()
    }

    /// A new role of `main`; its id.
    pub(crate) async fn role(&self, name: &str, permissions: Value) -> String {
        let body = json!({"name": name, "permissions": permissions});
        self.admin().post("/main/roles", body).await.is(200).id()
    }

    /// Binds a user or an account to a role in the whole of `main`; the binding's id.
    pub(crate) async fn bind(&self, principal: &str, role: &str) -> String {
        let body = json!({"type": "USER", "externalId": principal, "roleId": role});
        self.admin().post("/main/bindings", body).await.is(200).id()
    }

    /// A new token of an account; its id and its value.
    pub(crate) async fn token(&self, account: &str) -> (String, String) {
        self.token_with(account, json!({"name": "test"})).await
    }

    pub(crate) async fn token_with(&self, account: &str, body: Value) -> (String, String) {
        let path = format!("/main/service-accounts/{account}/api-tokens");
        let made = self.admin().post(&path, body).await.is(200);
        (made.id(), made.text_of("fullToken"))
    }

    /// Somebody in `main` with exactly these permissions; the id beside.
    pub(crate) async fn somebody_who(&self, permissions: Value) -> (String, Caller<'_>) {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("somebody-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let id = self.account(&name).await;
        if permissions.as_object().is_some_and(|map| !map.is_empty()) {
            let role = self.role(&name, permissions).await;
            self.bind(&id, &role).await;
        }
        let (_, value) = self.token(&id).await;
        (id, self.bearer(&value))
    }

    /// Somebody who may enter `main` and do nothing there.
    pub(crate) async fn somebody(&self) -> Caller<'_> {
        self.somebody_who(json!({})).await.1
    }

    /// A new user; its id.
    pub(crate) async fn user(&self, body: Value) -> String {
        self.admin().post("/users", body).await.is(201).id()
    }

    /// What a token's list shows of one token.
    pub(crate) async fn shown_token(&self, account: &str, id: &str) -> Value {
        let path = format!("/main/service-accounts/{account}/api-tokens");
        let list = self.admin().get(&path).await.is(200);
        list.results()
            .into_iter()
            .find(|token| token["id"] == id)
            .unwrap_or_else(|| panic!("no token {id} in {:?}", list.body))
    }
}

/// Somebody who sends requests.
#[derive(Clone)]
pub(crate) struct Caller<'a> {
    server: &'a Server,
    authorization: Option<String>,
}

impl Caller<'_> {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn put_nothing(&self, path: &str) -> Answer {
        self.send(Method::PUT, path, None).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Sends a request below `/api/v1`.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        self.send_raw(method, &format!("/api/v1{path}"), body).await
    }

    /// Sends these bytes, with a JSON content type as Terraform does even if there are none.
    pub(crate) async fn send_raw(&self, method: Method, path: &str, body: Bytes) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(CONTENT_TYPE, "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Body::from(body)).unwrap();
        let response = self.server.app.router().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: to_bytes(body, usize::MAX).await.unwrap(),
        }
    }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Fails unless the status is this one.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(
            self.status,
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The items of a page.
    #[track_caller]
    pub(crate) fn results(&self) -> Vec<Value> {
        let page = self.json();
        page["results"].as_array().unwrap().clone()
    }

    /// One member of each item of a page.
    #[track_caller]
    pub(crate) fn each(&self, member: &str) -> Vec<String> {
        let texts = self.results().into_iter();
        texts
            .map(|item| item[member].as_str().unwrap().to_owned())
            .collect()
    }

    #[track_caller]
    pub(crate) fn text_of(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn id(&self) -> String {
        self.text_of("id")
    }

    /// The message of an error.
    #[track_caller]
    pub(crate) fn message(&self) -> String {
        self.text_of("message")
    }
}

/// A fresh server with accounts of these names.
pub(crate) async fn with_names(names: &[&str]) -> Server {
    let server = Server::start().await;
    for name in names {
        server.account(name).await;
    }
    server
}

pub(crate) fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

pub(crate) fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}
