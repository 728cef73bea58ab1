//! The embedded IAM server as a process: what a crash leaves, and whose clock counts.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use testbed::{DrivenClock, Exit, IamServer};

const BINARY: &str = env!("CARGO_BIN_EXE_kestra-iam-operator");

const NO_FLAGS: &[&str] = &[];

struct Caller {
    http: reqwest::Client,
    url: String,
}

impl Caller {
    fn of(server: &IamServer) -> Self {
        Self {
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            url: server.url().to_owned(),
        }
    }

    async fn me(&self, token: &str) -> u16 {
        let request = self.http.get(format!("{}/api/v1/me", self.url));
        let response = request.bearer_auth(token).send().await.unwrap();
        response.status().as_u16()
    }

    /// A token of the caller's own that lives for an hour.
    async fn issue(&self, token: &str) -> String {
        let request = self.http.post(format!("{}/api/v1/me/api-tokens", self.url));
        let body = json!({"name": "an-hour", "maxAge": "PT1H"});
        let response = request.bearer_auth(token).json(&body).send().await.unwrap();
        let answer: Value = response.json().await.unwrap();
        answer["fullToken"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn what_was_answered_survives_kill_9_at_the_same_address() {
    let mut server = IamServer::start(Path::new(BINARY), NO_FLAGS).await.unwrap();
    let caller = Caller::of(&server);
    let issued = caller.issue(server.admin_token()).await;
    assert_eq!(server.process().kill().await.unwrap(), Exit::Signal(9));
    server.restart().await.unwrap();
    assert_eq!(caller.me(&issued).await, 200);
    assert_eq!(caller.me(server.admin_token()).await, 200);
    assert_eq!(server.process().terminate().await.unwrap(), Exit::Code(0));
}

#[tokio::test]
async fn a_driven_clock_ends_a_token_at_its_instant() {
    let clock = DrivenClock::new().unwrap();
    let server = IamServer::start(Path::new(BINARY), &clock.args())
        .await
        .unwrap();
    let caller = Caller::of(&server);
    let issued = caller.issue(server.admin_token()).await;
    clock.advance(Duration::from_mins(59)).unwrap();
    assert_eq!(caller.me(&issued).await, 200);
    clock.advance(Duration::from_mins(1)).unwrap();
    assert_eq!(caller.me(&issued).await, 401);
    assert_eq!(caller.me(server.admin_token()).await, 200);
}

#[tokio::test]
async fn each_request_is_a_line_at_debug_that_tells_no_secret() {
    let flags = ["--log-level", "debug"];
    let server = IamServer::start(Path::new(BINARY), &flags).await.unwrap();
    let caller = Caller::of(&server);
    let admin = server.admin_token().to_owned();
    let issued = caller.issue(&admin).await;
    let astray = format!("{}/api/v1/nowhere/{admin}?q=hidden", caller.url);
    let answer = caller.http.get(astray).bearer_auth(&admin).send().await;
    assert_eq!(answer.unwrap().status(), 404);
    assert_eq!(caller.me("nobody's").await, 401);
    assert_eq!(server.process().terminate().await.unwrap(), Exit::Code(0));

    let log = server.process().log();
    let line = |words: &[&str]| {
        let found = log
            .lines()
            .find(|line| words.iter().all(|word| line.contains(word)));
        found.unwrap_or_else(|| panic!("no line with {words:?} in\n{log}"))
    };
    let known = line(&["answered", "POST", "/api/v1/me/api-tokens", "status=200"]);
    assert!(
        known.contains("took=") && known.contains("principal="),
        "{known}"
    );
    line(&["answered", "GET", "/nowhere/(no id)", "status=404"]);
    let unknown = line(&["answered", "GET", "/api/v1/me", "status=401"]);
    assert!(!unknown.contains("principal="), "{unknown}");
    for secret in [
        admin.as_str(),
        issued.as_str(),
        "hidden",
        "an-hour",
        "Bearer",
    ] {
        assert!(!log.contains(secret), "{secret} in\n{log}");
    }
}
