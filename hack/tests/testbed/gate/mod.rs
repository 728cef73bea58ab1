//! A gate in front of a server: what passes, what does not, and what is written down.

mod api_server;
mod server;
mod watches;

use std::time::Duration;

use reqwest::{Client, Error, Method, Response};
use serde_json::{Value, json};
use testbed::gate::{Answer, Gate, Verdict, When};
use testbed::wait_for;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use self::server::Server;

/// No pause that anything waits for, and long enough to be seen.
const PAUSE: Duration = Duration::from_millis(20);

struct Scene {
    server: Server,
    gate: Gate,
    http: Client,
}

impl Scene {
    async fn new() -> Self {
        let server = Server::start().await;
        Self {
            gate: Gate::to(&server.url).unwrap(),
            http: Client::builder().no_proxy().build().unwrap(),
            server,
        }
    }

    async fn get(&self, path: &str) -> Result<Response, Error> {
        let url = format!("{}{path}", self.gate.url());
        self.http.get(url).send().await
    }

    /// The body of the answer.
    async fn text(&self, path: &str) -> Result<String, Error> {
        self.get(path).await?.text().await
    }

    /// Asks in the background.
    fn ask(&self, path: &str) -> JoinHandle<Result<String, Error>> {
        let asked = self.http.get(format!("{}{path}", self.gate.url())).send();
        tokio::spawn(async { asked.await?.text().await })
    }
}

#[tokio::test]
async fn what_passes_is_written_down_without_its_body() {
    let scene = Scene::new().await;
    let url = format!("{}/things?limit=2", scene.gate.url());
    let answer = scene.http.post(url).body("{\"a\":1}").send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(
        answer,
        json!({"asked": "POST /things?limit=2", "body": {"a": 1}})
    );
    assert_eq!(scene.get("/teapot").await.unwrap().status(), 418);
    let seen = scene.gate.requests();
    assert_eq!(
        (
            &seen[0].method,
            seen[0].path.as_str(),
            seen[0].query.as_str(),
            seen[0].status
        ),
        (&Method::POST, "/things", "limit=2", Some(200))
    );
    assert_eq!((seen[1].number, seen[1].status), (1, Some(418)));
    assert!(!format!("{seen:?}").contains("\"a\""), "{seen:?}");
    assert_eq!(scene.gate.mark(), 2);
    assert_eq!(scene.gate.most(), 1);
}

#[tokio::test]
async fn connections_are_used_again_and_made_anew() {
    let scene = Scene::new().await;
    for _ in 0..3 {
        scene.text("/a").await.unwrap();
    }
    assert_eq!(scene.server.connections(), 1);
    scene.text("/close").await.unwrap();
    scene.text("/a").await.unwrap();
    assert_eq!(scene.server.connections(), 2);
}

#[tokio::test]
async fn refused_before_the_server_sees_it() {
    let scene = Scene::new().await;
    let rule = scene.gate.rule(When::any().times(1), Verdict::Refuse);
    scene.get("/a").await.unwrap_err();
    rule.reached(1).await.unwrap();
    assert_eq!(scene.server.asked(), Vec::<String>::new());
    assert_eq!(scene.gate.requests()[0].status, None);
    scene.get("/a").await.unwrap();
}

#[tokio::test]
async fn done_and_the_answer_lost() {
    let scene = Scene::new().await;
    let rule = scene.gate.rule(When::any(), Verdict::Lose);
    scene.get("/a").await.unwrap_err();
    rule.reached(1).await.unwrap();
    assert_eq!(scene.server.asked(), ["GET /a"]);
    assert_eq!(scene.gate.requests()[0].status, Some(200));
}

#[tokio::test]
async fn answered_in_place_of_the_server() {
    let scene = Scene::new().await;
    let wait = Answer::json(429, &json!({"message": "wait"})).header("retry-after", "30");
    scene.gate.rule(When::any(), Verdict::Answer(wait));
    let answer = scene.get("/a").await.unwrap();
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["retry-after"], "30");
    assert_eq!(answer.json::<Value>().await.unwrap()["message"], "wait");
    assert_eq!(scene.server.asked(), Vec::<String>::new());
    assert_eq!(scene.gate.requests()[0].status, Some(429));
}

#[tokio::test]
async fn done_and_answered_otherwise() {
    let scene = Scene::new().await;
    let page = Answer::with(200, "text/html", "<html>");
    scene.gate.rule(When::any(), Verdict::Replace(page));
    assert_eq!(scene.text("/a").await.unwrap(), "<html>");
    assert_eq!(scene.server.asked(), ["GET /a"]);
}

#[tokio::test]
async fn an_answer_may_be_as_long_as_one_likes() {
    let scene = Scene::new().await;
    let long = Answer::with(200, "text/plain", vec![b'a'; 1000]).repeated(5000);
    scene.gate.rule(When::any(), Verdict::Answer(long));
    assert_eq!(scene.text("/a").await.unwrap().len(), 5_000_000);
}

#[tokio::test]
async fn bodies_changed_on_their_way() {
    let scene = Scene::new().await;
    scene.gate.rule(
        When::method("PUT"),
        Verdict::ask(|body| body["a"] = json!(2)),
    );
    let url = format!("{}/a", scene.gate.url());
    let answer = scene.http.put(&url).body("{\"a\":1}").send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap()["body"]["a"], 2);
    scene.gate.rule(
        When::any(),
        Verdict::edit(|body| body["longer"] = json!("than before")),
    );
    let answer = scene.http.put(&url).body("{\"a\":1}").send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["longer"], "than before");
    assert_eq!(answer["body"]["a"], 1, "the newest rule decides");
}

#[tokio::test]
async fn late_by_itself() {
    let scene = Scene::new().await;
    scene.gate.rule(When::any(), Verdict::Delay(PAUSE));
    let start = tokio::time::Instant::now();
    scene.text("/a").await.unwrap();
    assert!(start.elapsed() >= PAUSE);
}

#[tokio::test]
async fn held_before_and_after_the_server_acts() {
    let scene = Scene::new().await;
    let before = scene
        .gate
        .rule(When::any().path("/before"), Verdict::HoldBefore);
    let after = scene
        .gate
        .rule(When::any().path("/after"), Verdict::HoldAfter);
    let asked = [scene.ask("/before"), scene.ask("/after")];
    before.reached(1).await.unwrap();
    after.reached(1).await.unwrap();
    assert_eq!(scene.server.asked(), ["GET /after"]);
    assert!(asked.iter().all(|answer| !answer.is_finished()));
    assert_eq!(scene.gate.most(), 2);
    before.lift();
    after.lift();
    for answer in asked {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(scene.server.asked(), ["GET /after", "GET /before"]);
    scene.text("/before").await.unwrap();
    assert_eq!(before.matched(), 1);
}

#[tokio::test]
async fn held_and_whoever_asked_has_gone() {
    let scene = Scene::new().await;
    let held = scene
        .gate
        .rule(When::any().path("/held"), Verdict::HoldBefore);
    let late = scene.gate.rule(When::any().path("/late"), Verdict::Late);
    for (path, rule) in [("/held", &held), ("/late", &late)] {
        let asked = scene.ask(path);
        rule.reached(1).await.unwrap();
        asked.abort();
        asked.await.unwrap_err();
    }
    // Whoever has gone is gone for the gate as well.
    let gone = async || (scene.gate.under_way() == 0).then_some(());
    wait_for("the end of both connections", gone).await.unwrap();
    scene.gate.open();
    let arrived = async || (!scene.server.asked().is_empty()).then_some(());
    wait_for("the late one", arrived).await.unwrap();
    assert_eq!(scene.server.asked(), ["GET /late"]);
}

#[tokio::test]
async fn a_late_arrival_is_answered_to_whoever_still_waits() {
    let scene = Scene::new().await;
    let late = scene.gate.rule(When::any(), Verdict::Late);
    let asked = scene.ask("/late");
    late.reached(1).await.unwrap();
    late.lift();
    assert!(asked.await.unwrap().unwrap().contains("GET /late"));
}

#[tokio::test]
async fn cut_off_in_the_middle() {
    let scene = Scene::new().await;
    scene.gate.rule(When::any(), Verdict::Cut(5));
    let mut answer = scene.get("/a").await.unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap().len(), 5);
    answer.chunk().await.unwrap_err();
}

#[tokio::test]
async fn byte_by_byte() {
    let scene = Scene::new().await;
    scene
        .gate
        .rule(When::any(), Verdict::Drip(Duration::from_millis(1)));
    let mut answer = scene.get("/a").await.unwrap();
    let (mut text, mut pieces) = (Vec::new(), 0);
    while let Some(piece) = answer.chunk().await.unwrap() {
        text.extend_from_slice(&piece);
        pieces += 1;
    }
    assert!(pieces > 1);
    let answer: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(answer["asked"], "GET /a");
}

#[tokio::test]
async fn a_head_that_never_ends() {
    let scene = Scene::new().await;
    scene
        .gate
        .rule(When::any(), Verdict::EndlessHead(Duration::from_millis(1)));
    let address = scene.gate.url().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: gate\r\n\r\n")
        .await
        .unwrap();
    let mut head = [0; 100];
    stream.read_exact(&mut head).await.unwrap();
    let head = String::from_utf8(head.to_vec()).unwrap();
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\nx-endless: aaa"),
        "{head}"
    );
    assert_eq!(scene.server.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn accepted_and_never_answered() {
    let scene = Scene::new().await;
    let never = scene.gate.rule(When::any(), Verdict::Never);
    let asked = scene.ask("/a");
    never.reached(1).await.unwrap();
    scene.gate.open();
    scene.text("/b").await.unwrap();
    assert_eq!(scene.server.asked(), ["GET /b"]);
    assert!(!asked.is_finished());
    scene.gate.reset();
    asked.await.unwrap().unwrap_err();
}

#[tokio::test]
async fn a_rule_counts_what_it_means() {
    let scene = Scene::new().await;
    let status = |status| Verdict::Answer(Answer::status(status));
    let gate = &scene.gate;
    gate.rule(When::method("GET").path("/n*").nth(2), status(502));
    gate.rule(When::any().path("/m").times(2), status(503));
    gate.rule(When::any().query("*page=2*"), status(504));
    gate.rule(When::write().path("/n1"), status(505));
    let mut seen = Vec::new();
    for path in ["/n1", "/n2", "/n3", "/m", "/m", "/m", "/a?x=1&page=2", "/a"] {
        seen.push(scene.get(path).await.unwrap().status().as_u16());
    }
    assert_eq!(seen, [200, 502, 200, 503, 503, 200, 504, 200]);
}

#[tokio::test]
async fn a_closure_decides_where_it_has_an_opinion() {
    let scene = Scene::new().await;
    let rule = scene.gate.decide(|request| {
        let is_odd = request.number % 2 == 1;
        is_odd.then(|| Verdict::Answer(Answer::status(500)))
    });
    let status = async || scene.get("/a").await.unwrap().status().as_u16();
    assert_eq!(
        [status().await, status().await, status().await],
        [200, 500, 200]
    );
    rule.lift();
    assert_eq!(status().await, 200);
    assert_eq!(rule.matched(), 1);
}

#[tokio::test]
async fn a_server_that_is_away_breaks_the_connection() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let gate = Gate::to(&format!("http://{address}")).unwrap();
    let http = Client::builder().no_proxy().build().unwrap();
    http.get(gate.url()).send().await.unwrap_err();
    assert_eq!(gate.requests()[0].status, None);
}

#[tokio::test]
async fn it_ends_when_dropped() {
    let scene = Scene::new().await;
    let never = scene.gate.rule(When::any(), Verdict::Never);
    let asked = scene.ask("/a");
    never.reached(1).await.unwrap();
    drop(scene.gate);
    asked.await.unwrap().unwrap_err();
}
