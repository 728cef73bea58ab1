//! A way to a backend that remembers what passes, and can hold it up or answer in its place: real HTTP on both sides.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;

/// A request that came through, in the order of the answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    pub method: Method,
    /// Without the query.
    pub path: String,
    pub status: u16,
}

impl Passed {
    /// Whether it could change anything.
    pub fn is_write(&self) -> bool {
        self.method != Method::GET
    }
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It passes.
    Pass,
    /// It passes after a while.
    Late(Duration),
    /// It passes, and one member of its answer is another.
    Change(&'static str, Value),
    /// It passes with another member in its body.
    Ask(&'static str, Value),
    /// It does not pass: this is the answer.
    Answer(u16),
    /// The same, with how many seconds to stay away.
    Throttle(u64),
    /// It passes, and its answer is lost.
    Lose,
    /// It passes, and its answer never comes.
    Hold,
    /// It passes, and its answer comes once it is released.
    Wait,
    /// It does not pass, and there is no answer.
    Silence,
}

impl Verdict {
    /// This for some requests, and all others pass.
    pub fn when(is_meant: bool, verdict: Self) -> Self {
        if is_meant { verdict } else { Self::Pass }
    }
}

type Rule = dyn Fn(&Method, &str) -> Verdict + Send + Sync;

struct Inner {
    target: String,
    client: reqwest::Client,
    rule: RwLock<Arc<Rule>>,
    passed: Mutex<Vec<Passed>>,
    under_way: AtomicUsize,
    most: AtomicUsize,
    waiting: AtomicUsize,
    opened: watch::Sender<()>,
}

/// The way itself; it ends with the test's runtime.
pub struct Gate {
    url: String,
    inner: Arc<Inner>,
}

impl Gate {
    /// An open way to the server at `url`.
    pub async fn to(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Inner {
            target: url.to_owned(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            rule: RwLock::new(Arc::new(|_, _| Verdict::Pass)),
            passed: Mutex::default(),
            under_way: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            opened: watch::Sender::new(()),
        });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url: own, inner }
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on this decides, by method and path.
    pub fn rule(&self, rule: impl Fn(&Method, &str) -> Verdict + Send + Sync + 'static) {
        *self.inner.rule.write().unwrap() = Arc::new(rule);
    }

    /// Lets everything pass again.
    pub fn open(&self) {
        self.rule(|_, _| Verdict::Pass);
        self.release();
    }

    /// Lets the answers go that wait.
    pub fn release(&self) {
        self.inner.opened.send_replace(());
    }

    /// How many requests have passed whose answers wait.
    pub fn waiting(&self) -> usize {
        self.inner.waiting.load(Ordering::SeqCst)
    }

    /// All that was answered so far.
    pub fn passed(&self) -> Vec<Passed> {
        self.inner.passed.lock().unwrap().clone()
    }

    /// How many requests of this kind were answered so far.
    pub fn count(&self, is_meant: impl Fn(&Passed) -> bool) -> usize {
        self.passed()
            .iter()
            .filter(|passed| is_meant(passed))
            .count()
    }

    /// The changes so far, as `METHOD path status`.
    pub fn writes(&self) -> Vec<String> {
        let passed = self.passed();
        let writes = passed.iter().filter(|passed| passed.is_write());
        writes
            .map(|passed| format!("{} {} {}", passed.method, passed.path, passed.status))
            .collect()
    }

    /// The most requests that were under way at the same time.
    pub fn most(&self) -> usize {
        self.inner.most.load(Ordering::SeqCst)
    }
}

async fn pass(State(gate): State<Arc<Inner>>, request: Request) -> Response {
    let under_way = gate.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    gate.most.fetch_max(under_way, Ordering::SeqCst);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut opened = gate.opened.subscribe();
    let rule = Arc::clone(&gate.rule.read().unwrap());
    let response = match rule(&method, &path) {
        Verdict::Pass => forward(&gate, request).await,
        Verdict::Late(pause) => {
            sleep(pause).await;
            forward(&gate, request).await
        }
        Verdict::Change(member, value) => {
            let answer = forward(&gate, request).await;
            changed(answer, member, value).await
        }
        Verdict::Ask(member, value) => {
            let request = asking(request, member, value).await;
            forward(&gate, request).await
        }
        Verdict::Lose => {
            forward(&gate, request).await;
            StatusCode::BAD_GATEWAY.into_response()
        }
        Verdict::Hold => {
            forward(&gate, request).await;
            std::future::pending().await
        }
        Verdict::Wait => {
            let answer = forward(&gate, request).await;
            gate.waiting.fetch_add(1, Ordering::SeqCst);
            opened.changed().await.unwrap();
            gate.waiting.fetch_sub(1, Ordering::SeqCst);
            answer
        }
        Verdict::Answer(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Verdict::Throttle(seconds) => {
            let wait = [(header::RETRY_AFTER, seconds.to_string())];
            (StatusCode::TOO_MANY_REQUESTS, wait).into_response()
        }
        Verdict::Silence => std::future::pending().await,
    };
    gate.under_way.fetch_sub(1, Ordering::SeqCst);
    let status = response.status().as_u16();
    gate.passed.lock().unwrap().push(Passed {
        method,
        path,
        status,
    });
    response
}

async fn forward(gate: &Inner, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let url = format!("{}{}", gate.target, parts.uri);
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let mut forwarded = gate.client.request(parts.method, url).body(body);
    for (name, value) in &parts.headers {
        if name != header::HOST && name != header::CONTENT_LENGTH {
            forwarded = forwarded.header(name, value);
        }
    }
    match forwarded.send().await {
        Ok(answer) => relayed(answer).await,
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

async fn relayed(answer: reqwest::Response) -> Response {
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response = Response::new(Body::from(answer.bytes().await.unwrap()));
    *response.status_mut() = status;
    let kept: [HeaderName; 2] = [header::CONTENT_TYPE, header::DATE];
    for name in kept {
        let value: Option<HeaderValue> = headers.get(&name).cloned();
        response
            .headers_mut()
            .extend(value.map(|value| (name, value)));
    }
    response
}

async fn changed(answer: Response, member: &str, value: Value) -> Response {
    let (parts, body) = answer.into_parts();
    Response::from_parts(parts, with_member(body, member, value).await)
}

async fn asking(request: Request, member: &str, value: Value) -> Request {
    let (parts, body) = request.into_parts();
    Request::from_parts(parts, with_member(body, member, value).await)
}

async fn with_member(body: Body, member: &str, value: Value) -> Body {
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let mut json: Value = serde_json::from_slice(&bytes).unwrap();
    json[member] = value;
    Body::from(json.to_string())
}
