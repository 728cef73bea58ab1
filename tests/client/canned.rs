//! A TCP server that answers HTTP requests with whatever bytes a test wants, at whatever pace, and remembers what it
//! was asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use kestra_iam_operator::clock::Clock;
use kestra_iam_operator::iam::client::{Client, Config, Credential};
use kestra_iam_operator::iam::model::TokenValue;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// The head's lines after the first, verbatim.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Seen {
    /// The path without the query.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The number of the page that was asked for.
    pub(crate) fn page(&self) -> usize {
        let query = self.target.split(['?', '&']);
        query
            .filter_map(|pair| pair.strip_prefix("page="))
            .find_map(|page| page.parse().ok())
            .unwrap()
    }
}

/// What to answer.
#[derive(Clone)]
pub(crate) struct Answer {
    bytes: Vec<u8>,
    late: bool,
    then: Then,
}

#[derive(Clone, Copy)]
enum Then {
    Close,
    /// Keeps the connection open without a word more.
    Hang,
    /// Sends these bytes over and over until the other side closes.
    Flood,
    /// Sends a byte now and then until the other side closes.
    Drip,
}

impl Answer {
    /// These bytes and the end of the connection.
    pub(crate) fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            late: false,
            then: Then::Close,
        }
    }

    /// A well-formed answer.
    pub(crate) fn text(status: u16, headers: &str, body: &str) -> Self {
        let length = body.len();
        Self::bytes(format!(
            "HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        ))
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::text(
            status,
            "content-type: application/json\r\n",
            &body.to_string(),
        )
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::text(status, "", "")
    }

    /// Lets others in before it answers.
    pub(crate) fn late(mut self) -> Self {
        self.late = true;
        self
    }

    pub(crate) fn hang(mut self) -> Self {
        self.then = Then::Hang;
        self
    }

    pub(crate) fn flood(mut self) -> Self {
        self.then = Then::Flood;
        self
    }

    pub(crate) fn drip(mut self) -> Self {
        self.then = Then::Drip;
        self
    }
}

/// How many requests are being answered, and how many at most were.
#[derive(Default)]
struct Busy {
    now: AtomicUsize,
    most: AtomicUsize,
}

type Handler = dyn Fn(&Seen) -> Answer + Send + Sync;

/// The running server; it ends with the test's runtime.
pub(crate) struct Canned {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    busy: Arc<Busy>,
    /// How many bytes each finished connection took from us.
    written: tokio::sync::watch::Receiver<Vec<usize>>,
}

impl Canned {
    pub(crate) async fn start(handler: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (finished, written) = tokio::sync::watch::channel(Vec::new());
        let handler: Arc<Handler> = Arc::new(handler);
        let busy = Arc::new(Busy::default());
        tokio::spawn({
            let (seen, busy) = (seen.clone(), busy.clone());
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (handler, seen) = (handler.clone(), seen.clone());
                    let (busy, finished) = (busy.clone(), finished.clone());
                    tokio::spawn(async move {
                        let written = converse(stream, &*handler, &seen, &busy).await;
                        finished.send_modify(|all| all.push(written));
                    });
                }
            }
        });
        Self {
            url,
            seen,
            busy,
            written,
        }
    }

    /// A server that answers everything alike.
    pub(crate) async fn always(answer: Answer) -> Self {
        Self::start(move |_| answer.clone()).await
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Methods and paths in the order in which they came.
    pub(crate) fn calls(&self) -> Vec<String> {
        let seen = self.seen();
        seen.iter()
            .map(|seen| format!("{} {}", seen.method, seen.path()))
            .collect()
    }

    /// How many requests were under way at once, at most.
    pub(crate) fn most_at_once(&self) -> usize {
        self.busy.most.load(Ordering::SeqCst)
    }

    /// Waits until the first connection is over, and tells how many bytes it took.
    pub(crate) async fn first_connection_took(&self) -> usize {
        let mut written = self.written.clone();
        let all = written.wait_for(|all| !all.is_empty());
        let all = tokio::time::timeout(PATIENCE, all).await;
        all.expect("the client keeps the connection open").unwrap()[0]
    }

    pub(crate) fn config(&self) -> Config {
        config(&self.url)
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.config()).unwrap()
    }
}

/// Long enough for any machine; whoever waits as long has waited in vain.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The credential that tests look for where it must not be.
pub(crate) const CANARY: &str = "kst9Qm4vZx7Lr2Tn8WbY5cHd3JfGp6Ks";

pub(crate) fn config(url: &str) -> Config {
    let credential = Credential::Bearer(TokenValue::new(CANARY.to_owned()));
    Config::new(url, "main", credential, Clock::manual(start()))
}

/// The instant at which the tests' clocks stand.
pub(crate) fn start() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

async fn converse(
    mut stream: TcpStream,
    handler: &Handler,
    seen: &Mutex<Vec<Seen>>,
    busy: &Busy,
) -> usize {
    let Some(request) = read_request(&mut stream).await else {
        return 0;
    };
    seen.lock().unwrap().push(request.clone());
    let Answer { bytes, late, then } = handler(&request);
    let now = busy.now.fetch_add(1, Ordering::SeqCst) + 1;
    busy.most.fetch_max(now, Ordering::SeqCst);
    if late {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    busy.now.fetch_sub(1, Ordering::SeqCst);
    if stream.write_all(&bytes).await.is_err() {
        return 0;
    }
    match then {
        Then::Close => bytes.len(),
        Then::Hang => {
            // Returns once the client has closed.
            let _ = stream.read(&mut [0]).await;
            bytes.len()
        }
        Then::Flood => repeat(&mut stream, &[b' '; 16384], Duration::ZERO).await,
        Then::Drip => repeat(&mut stream, b" ", Duration::from_millis(10)).await,
    }
}

async fn repeat(stream: &mut TcpStream, bytes: &[u8], pause: Duration) -> usize {
    let mut written = 0;
    while stream.write_all(bytes).await.is_ok() {
        written += bytes.len();
        tokio::time::sleep(pause).await;
    }
    written
}

async fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let (first, head) = head.split_once("\r\n")?;
    let mut words = first.split(' ');
    let mut seen = Seen {
        method: words.next()?.to_owned(),
        target: words.next()?.to_owned(),
        head: head.to_owned(),
        body: String::new(),
    };
    let length = seen
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    while bytes.len() < end + 4 + length {
        stream.read_buf(&mut bytes).await.ok()?;
    }
    seen.body = String::from_utf8(bytes[end + 4..].to_vec()).ok()?;
    Some(seen)
}
