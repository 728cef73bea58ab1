//! The server as a process: its flags, its patience with clients, and how it stops.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};
use testbed::{Exit, Process, wait_for};

use super::server::folder;

const CHOSEN: &str = "a-token-that-somebody-chose-for-the-admin";

/// A running server.
struct Running {
    process: Process,
    folder: PathBuf,
    url: String,
}

fn command(folder: &Path, flags: &[&str]) -> Command {
    command_at("127.0.0.1:0", folder, flags)
}

fn command_at(address: &str, folder: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kestra-iam-operator"));
    command.args(["server", "--listen", address, "--data"]);
    command.arg(folder.join("data")).args(flags);
    command
}

impl Running {
    async fn start(flags: &[&str]) -> Self {
        let folder = folder();
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("admin-token");
        let file = ["--admin-token-file", file.to_str().unwrap()];
        let all = [flags, &file].concat();
        Self::of(command(&folder, &all), folder).await
    }

    async fn of(command: Command, folder: PathBuf) -> Self {
        let process = Process::start("server", &command, &folder.join("log")).unwrap();
        let url = process.url().await.unwrap();
        Self {
            process,
            folder,
            url,
        }
    }

    fn token(&self) -> String {
        let text = std::fs::read_to_string(self.folder.join("admin-token")).unwrap();
        text.trim().to_owned()
    }

    fn address(&self) -> &str {
        self.url.split("://").nth(1).unwrap()
    }

    async fn get(&self, token: &str, path: &str) -> (u16, Value) {
        let request = reqwest::Client::new().get(format!("{}{path}", self.url));
        let answer = request.bearer_auth(token).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let request = reqwest::Client::new().post(format!("{}{path}", self.url));
        let answer = request
            .bearer_auth(self.token())
            .json(&body)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.json().await.unwrap()
    }

    /// A new account and the value of a token of it.
    async fn account_with_token(&self, body: Value) -> (String, String) {
        let account = self
            .post("/api/v1/main/service-accounts", json!({"name": "ci"}))
            .await;
        let id = account["id"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/main/service-accounts/{id}/api-tokens");
        let token = self.post(&path, body).await;
        (id, token["fullToken"].as_str().unwrap().to_owned())
    }

    /// When the token was last used, by the file alone.
    async fn stored_use(&self, name: &str) -> Option<i64> {
        let file = self.folder.join("data/iam.db");
        let url = format!("sqlite://{}", file.display());
        let mut db = SqliteConnection::connect(&url).await.unwrap();
        let used = sqlx::query_scalar("SELECT last_used FROM tokens WHERE name = $1");
        used.bind(name).fetch_one(&mut db).await.unwrap()
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).unwrap();
        // Far more than what the tests wait for; without it a failure would hang.
        stream
            .set_read_timeout(Some(Duration::from_mins(1)))
            .unwrap();
        stream
    }
}

/// All that the server sends until it closes the connection.
async fn rest_of(mut stream: TcpStream) -> String {
    let read = tokio::task::spawn_blocking(move || {
        let mut text = Vec::new();
        if let Err(error) = stream.read_to_end(&mut text) {
            // A connection that is reset has ended as well.
            assert_eq!(
                error.kind(),
                ErrorKind::ConnectionReset,
                "the server holds the connection"
            );
        }
        String::from_utf8_lossy(&text).into_owned()
    });
    read.await.unwrap()
}

/// What a server that does not start says.
async fn failure(command: &Command, folder: &Path) -> String {
    let log = folder.join("log");
    let process = Process::start("server", command, &log).unwrap();
    assert_eq!(
        process.wait().await.unwrap(),
        Exit::Code(1),
        "{}",
        process.log()
    );
    process.log()
}

#[tokio::test]
async fn a_fresh_one_writes_the_superadmins_token_for_its_owner_alone() {
    let server = Running::start(&[]).await;
    let (status, me) = server.get(&server.token(), "/api/v1/me").await;
    assert_eq!((status, &me["superAdmin"]), (200, &json!(true)));
    let mode = |path: &str| {
        let metadata = std::fs::metadata(server.folder.join(path)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode("admin-token"), 0o600);
    assert_eq!(mode("data"), 0o700);
    assert!(!server.process.log().contains(&server.token()));
}

#[tokio::test]
async fn the_superadmins_token_may_come_from_a_file_or_the_environment() {
    let folder = folder();
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("admin-token");
    std::fs::write(&file, format!("{CHOSEN}\n")).unwrap();
    let flags = ["--admin-token-file", file.to_str().unwrap()];
    let server = Running::of(command(&folder, &flags), folder).await;
    assert_eq!(server.get(CHOSEN, "/api/v1/users").await.0, 200);

    let folder = super::server::folder();
    std::fs::create_dir_all(&folder).unwrap();
    let mut by_environment = command(&folder, &[]);
    by_environment.env("KESTRA_IAM_ADMIN_TOKEN", CHOSEN);
    let server = Running::of(by_environment, folder).await;
    assert_eq!(server.get(CHOSEN, "/api/v1/users").await.0, 200);
}

#[tokio::test]
async fn the_line_of_kestra_is_a_flag() {
    let server = Running::start(&["--compat", "2.x"]).await;
    let (_, configs) = server.get(&server.token(), "/api/v1/configs").await;
    assert_eq!(configs["version"], "2.0.0");
}

#[tokio::test]
async fn what_was_answered_survives_a_kill() {
    let server = Running::start(&[]).await;
    let (account, value) = server.account_with_token(json!({"name": "t"})).await;
    server.process.kill().await.unwrap();
    let server = Running::of(command(&server.folder, &[]), server.folder.clone()).await;
    let (status, me) = server.get(&value, "/api/v1/me").await;
    assert_eq!((status, &me["id"]), (200, &json!(account)));
}

#[tokio::test]
async fn uses_of_tokens_are_written_down_when_it_stops() {
    let server = Running::start(&[]).await;
    let (_, value) = server.account_with_token(json!({"name": "t"})).await;
    assert_eq!(server.get(&value, "/api/v1/me").await.0, 200);
    assert_eq!(server.process.terminate().await.unwrap(), Exit::Code(0));
    assert!(server.stored_use("t").await.is_some());
}

#[tokio::test]
async fn uses_of_tokens_are_written_down_while_it_runs() {
    let server = Running::start(&[]).await;
    let (_, value) = server.account_with_token(json!({"name": "t"})).await;
    assert_eq!(server.get(&value, "/api/v1/me").await.0, 200);
    wait_for("the use in the database", async || {
        server.stored_use("t").await
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_it_stops() {
    let server = Running::start(&[]).await;
    let body = br#"{"name":"bots"}"#;
    let mut stream = server.connect();
    let head = format!(
        "POST /api/v1/main/groups HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
        server.token(),
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body[..5]).unwrap();
    // An answer on a later connection: the server has taken the first one up.
    assert_eq!(server.get(&server.token(), "/api/v1/me").await.0, 200);
    let stopping = server.process.terminate();
    let finishing = async {
        wait_for("the listener to close", async || {
            TcpStream::connect(server.address()).is_err().then_some(())
        })
        .await
        .unwrap();
        stream.write_all(&body[5..]).unwrap();
        rest_of(stream).await
    };
    let (exit, answer) = tokio::join!(stopping, finishing);
    assert_eq!(exit.unwrap(), Exit::Code(0));
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test]
async fn a_head_that_does_not_end_ends_the_connection() {
    let server = Running::start(&["--header-timeout", "200ms"]).await;
    let mut stream = server.connect();
    stream
        .write_all(b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        .unwrap();
    let answer = rest_of(stream).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
        "{answer}"
    );
    let silent = rest_of(server.connect()).await;
    assert!(
        silent.is_empty() || silent.starts_with("HTTP/1.1 408"),
        "{silent}"
    );
}

#[tokio::test]
async fn a_body_that_does_not_end_is_a_408() {
    let server = Running::start(&["--body-timeout", "200ms"]).await;
    let mut stream = server.connect();
    let head = format!(
        "POST /api/v1/main/groups HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
         Content-Length: 100\r\n\r\n{{",
        server.token()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let answer = rest_of(stream).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_a_413() {
    let server = Running::start(&["--max-body", "1000"]).await;
    let request = reqwest::Client::new().post(format!("{}/api/v1/main/groups", server.url));
    let body = json!({"name": "x".repeat(1000)});
    let answer = request
        .bearer_auth(server.token())
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 413);
}

#[tokio::test]
async fn the_audit_log_tells_where_a_request_came_from() {
    let server = Running::start(&[]).await;
    server
        .post("/api/v1/main/groups", json!({"name": "g"}))
        .await;
    let (_, log) = server
        .get(&server.token(), "/api/v1/auditlogs/search")
        .await;
    assert_eq!(log["results"][0]["source"], "127.0.0.1");
}

#[tokio::test]
async fn its_clock_can_be_driven() {
    let offset = folder();
    std::fs::write(&offset, "0").unwrap();
    let server = Running::start(&["--clock-offset-file", offset.to_str().unwrap()]).await;
    let body = json!({"name": "t", "maxAge": "PT1H"});
    let (_, value) = server.account_with_token(body).await;
    assert_eq!(server.get(&value, "/api/v1/me").await.0, 200);
    std::fs::write(&offset, "3600000").unwrap();
    assert_eq!(server.get(&value, "/api/v1/me").await.0, 401);
}

#[tokio::test]
async fn it_speaks_tls_with_a_certificate_and_its_key() {
    let folder = folder();
    std::fs::create_dir_all(&folder).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let (cert_file, key_file) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert_file, certificate.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let tls = [
        "--tls-cert",
        cert_file.to_str().unwrap(),
        "--tls-key",
        key_file.to_str().unwrap(),
    ];
    let server = Running::start(&tls).await;
    assert!(server.url.starts_with("https://"), "{}", server.url);
    let authority = reqwest::Certificate::from_pem(certificate.pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([authority])
        .build()
        .unwrap();
    let answer = client
        .get(format!("{}/health", server.url))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let plain = format!("http://{}/health", server.address());
    assert!(reqwest::get(plain).await.is_err());
    assert_eq!(server.process.terminate().await.unwrap(), Exit::Code(0));
}

#[tokio::test]
async fn what_it_cannot_use_it_names() {
    let folder = folder();
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("weak");
    std::fs::write(&file, "admin").unwrap();
    let weak = ["--admin-token-file", file.to_str().unwrap()];
    let said = failure(&command(&folder, &weak), &folder).await;
    assert!(
        said.contains("27 visible ASCII characters") && !said.contains("panicked"),
        "{said}"
    );

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = failure(&command_at(&address, &folder, &[]), &folder).await;
    assert!(
        said.contains(&format!("cannot listen on {address}")),
        "{said}"
    );
    assert_eq!(said.matches("os error").count(), 1, "{said}");

    let no_key = [
        "--tls-cert",
        "/nowhere/cert.pem",
        "--tls-key",
        "/nowhere/key.pem",
    ];
    let said = failure(&command(&folder, &no_key), &folder).await;
    assert!(said.contains("cannot use the certificate"), "{said}");

    std::fs::write(folder.join("no-folder"), "").unwrap();
    let said = failure(&command(&folder.join("no-folder"), &[]), &folder).await;
    assert!(said.contains("cannot make the data directory"), "{said}");
}

#[tokio::test]
async fn a_data_directory_is_one_servers_own() {
    let server = Running::start(&[]).await;
    let (_, value) = server.account_with_token(json!({"name": "t"})).await;
    let second = folder();
    std::fs::create_dir_all(&second).unwrap();
    let said = failure(&command(&server.folder, &[]), &second).await;
    let data = server.folder.join("data").display().to_string();
    assert!(
        said.contains(&format!("another server runs on the data directory {data}")),
        "{said}"
    );
    assert!(said.contains("--data"), "{said}");
    assert_eq!(server.get(&value, "/api/v1/me").await.0, 200);
    server.process.kill().await.unwrap();
    let server = Running::of(command(&server.folder, &[]), server.folder.clone()).await;
    assert_eq!(server.get(&value, "/api/v1/me").await.0, 200);
}
