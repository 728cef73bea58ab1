//! Nothing of a credential, a token, a body or a query gets into an error, a `Debug` or a log.

use std::cell::RefCell;
use std::io::Write;
use std::sync::Once;

use kestra_iam_operator::iam::client::{AccountSpec, Client, Credential, Error, NewToken, Owner};
use kestra_iam_operator::iam::model::TokenValue;
use proptest::prelude::*;
use tracing::Level;

use crate::canned::{Answer, CANARY, Canned, Seen};

const IN_BODY: &str = "description-canary-Vw8Rk2";
const IN_QUERY: &str = "query-canary-Xp5Tz9";
const IN_ID: &str = "id-canary-Lm3Nq7";

/// Says back all that it was told: in headers, in a JSON error, or as garbage.
fn echo(status: u16, garbage: &str, seen: &Seen) -> Answer {
    let head = seen.head.replace("\r\n", " ");
    let body = format!(
        r#"{{"message":"{} {} {head}","fullToken":["{CANARY}"],{garbage}:{:?}}}"#,
        seen.method, seen.target, seen.body
    );
    let header =
        format!("x-echo: {head}\r\nlocation: http://x/{CANARY}\r\nretry-after: {CANARY}\r\n");
    Answer::text(status, &header, &body)
}

/// One call of each sort, and the errors that came.
async fn errors_of(client: &Client) -> Vec<Error> {
    let spec = AccountSpec {
        name: "a".into(),
        description: Some(IN_BODY.into()),
        groups: Vec::new(),
    };
    let token = NewToken {
        name: "t".into(),
        description: IN_BODY.into(),
        lifetime: None,
        extended: false,
    };
    let errors = [
        client.me().await.err(),
        client.create_account(&spec).await.err(),
        client.update_account(&IN_ID.into(), &spec).await.err(),
        client.issue_token(&Owner::Me, &token).await.err(),
        client
            .revoke_token(&Owner::Account(IN_ID.into()), &IN_ID.into())
            .await
            .err(),
        client.find_group(IN_QUERY).await.err(),
        client.check(&TokenValue::new(CANARY.into())).await.err(),
        client.add_member(&IN_ID.into(), &IN_ID.into()).await.err(),
    ];
    errors.into_iter().flatten().collect()
}

/// Whether any eight characters in a row of a secret are in `text`.
fn leaks(text: &str) -> Option<&str> {
    let secrets = [CANARY, IN_BODY, IN_QUERY, IN_ID];
    let windows = secrets
        .into_iter()
        .flat_map(|secret| (0..=secret.len() - 8).map(move |start| &secret[start..start + 8]));
    windows.into_iter().find(|window| text.contains(window))
}

thread_local! {
    /// What this thread has logged.
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct ThreadLog;

impl Write for ThreadLog {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.with_borrow_mut(|log| log.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs `work` on this thread, and gives back what was logged meanwhile, at every level.
///
/// The subscriber is one for the process: those of single threads are switched on and off by each other.
fn logged<T>(work: impl Future<Output = T>) -> (T, String) {
    static SUBSCRIBER: Once = Once::new();
    SUBSCRIBER.call_once(|| {
        // Takes what crates below us write by `log` as well.
        tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_writer(|| ThreadLog)
            .init();
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let result = runtime.block_on(work);
    let log = String::from_utf8(LOG.take()).unwrap();
    (result, log)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_server_that_echoes_gets_nothing_into_any_text(
        status in prop::sample::select(vec![200u16, 204, 301, 400, 401, 403, 404, 409, 422, 429, 500, 503]),
        garbage in prop::sample::select(vec!["\"x\"", "x", "\"id\""]),
    ) {
        let (errors, log) = logged(async move {
            let server = Canned::start(move |seen| echo(status, garbage, seen)).await;
            errors_of(&server.client()).await
        });
        prop_assert!(!errors.is_empty());
        prop_assert!(log.contains("called the backend"), "the log is on");
        prop_assert!(log.contains("hyper_util"), "and that of the crates below: {}", log);
        for error in errors {
            let text = format!("{error} {error:?}");
            prop_assert_eq!(leaks(&text), None, "{}", text);
        }
        prop_assert_eq!(leaks(&log), None, "{}", log);
    }
}

#[test]
fn nor_do_broken_connections() {
    for answer in [
        Answer::bytes(format!(
            "HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{CANARY}"
        )),
        Answer::bytes(format!("{CANARY}\r\n\r\n")),
        Answer::bytes(format!("HTTP/1.1 {CANARY}\r\n\r\n")),
    ] {
        let (errors, log) = logged(async move {
            let server = Canned::always(answer).await;
            errors_of(&server.client()).await
        });
        assert_eq!(errors.len(), 8);
        for error in errors {
            let text = format!("{error} {error:?}");
            assert_eq!(leaks(&text), None, "{text}");
        }
        assert_eq!(leaks(&log), None, "{log}");
    }
}

#[tokio::test]
async fn nor_do_the_client_and_its_configuration() {
    let server = Canned::always(Answer::status(401)).await;
    let mut config = server.config();
    let text = format!("{config:?} {:?}", server.client());
    assert_eq!(leaks(&text), None, "{text}");
    config.credential = Credential::Basic {
        user: IN_ID.into(),
        password: TokenValue::new(CANARY.into()),
    };
    let text = format!("{config:?} {:?}", Client::new(&config).unwrap());
    assert_eq!(leaks(&text), None, "{text}");
}
