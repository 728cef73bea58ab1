//! What servers and networks do wrong, and the class that each failure falls into.

use std::sync::Arc;
use std::time::Duration;

use kestra_iam_operator::iam::client::{
    Breach, Change, Check, Class, Client, Deletion, Error, NewToken, Outage, Owner,
};
use kestra_iam_operator::iam::model::TokenValue;
use rstest::rstest;
use serde_json::json;
use tokio::net::TcpListener;

use crate::canned::{Answer, Canned, PATIENCE, config};

fn new_token() -> NewToken {
    NewToken {
        name: "t".into(),
        description: String::new(),
        lifetime: None,
        extended: false,
    }
}

/// Of a look and of an issue against a server that always answers so.
async fn failures(answer: Answer) -> (Error, Error) {
    let server = Canned::always(answer).await;
    let client = server.client();
    let look = client.me().await.unwrap_err();
    let issued = client.issue_token(&Owner::Me, &new_token()).await;
    (look, issued.err().expect("the answer is bad"))
}

#[rstest]
#[case(302, Class::Protocol)]
#[case(400, Class::Invalid)]
#[case(401, Class::Unauthorized)]
#[case(403, Class::Forbidden)]
#[case(404, Class::Gone)]
#[case(405, Class::Protocol)]
#[case(409, Class::Conflict)]
#[case(422, Class::Invalid)]
#[case(429, Class::Throttled)]
#[case(500, Class::Unavailable)]
#[case(502, Class::Unavailable)]
#[case(503, Class::Unavailable)]
#[tokio::test]
async fn a_status_decides_the_class(#[case] status: u16, #[case] class: Class) {
    let (look, issue) = failures(Answer::text(status, "", "<html>any text</html>")).await;
    assert_eq!((look.class(), issue.class()), (class, class));
    assert!(!look.outcome_unknown());
    assert_eq!(
        issue.outcome_unknown(),
        status >= 500 || class == Class::Protocol
    );
    assert_eq!(look.is_outage(), status >= 500 || status == 429);
}

#[rstest]
#[case(429, "retry-after: 30\r\n", 30)]
#[case(503, "retry-after: 30\r\n", 30)]
#[case(
    503,
    "date: Sun, 01 Mar 2026 08:00:00 GMT\r\nretry-after: Sun, 01 Mar 2026 08:00:30 GMT\r\n",
    30
)]
#[case(429, "retry-after: Sun, 01 Mar 2026 12:00:40 GMT\r\n", 40)]
#[case(429, "retry-after: 86400\r\n", 3600)]
#[tokio::test]
async fn the_delay_that_is_asked_for(
    #[case] status: u16,
    #[case] headers: &str,
    #[case] seconds: u64,
) {
    let (look, _) = failures(Answer::text(status, headers, "")).await;
    assert_eq!(look.class(), Class::Throttled);
    assert_eq!(look.retry_after(), Some(Duration::from_secs(seconds)));
}

#[tokio::test]
async fn a_429_that_asks_for_nothing_is_throttling_all_the_same() {
    let (look, _) = failures(Answer::text(429, "retry-after: later\r\n", "")).await;
    assert_eq!((look.class(), look.retry_after()), (Class::Throttled, None));
}

#[rstest]
#[case("<html>Sign in</html>", Breach::NotJson)]
#[case("", Breach::NotJson)]
#[case("{\"id\":\"x\",", Breach::NotJson)]
#[case("null", Breach::Shape)]
#[case("[]", Breach::Shape)]
#[case("{\"status\":\"ok\"}", Breach::Shape)]
#[case("{\"id\":7,\"fullToken\":\"x\"}", Breach::Shape)]
#[tokio::test]
async fn a_success_that_is_not_what_was_asked_for(#[case] body: &str, #[case] breach: Breach) {
    let (look, issue) = failures(Answer::text(200, "", body)).await;
    for error in [&look, &issue] {
        assert!(
            matches!(error, Error::Protocol { breach: b, .. } if *b == breach),
            "{error}"
        );
    }
    assert!(issue.outcome_unknown(), "a token may have been issued");
}

#[rstest]
#[case("{\"id\":\"x\",\"name\":\"t\"}")]
#[case("{\"id\":\"x\",\"fullToken\":null}")]
#[case("{\"fullToken\":\"abc\"}")]
#[tokio::test]
async fn an_issue_without_id_or_value_is_no_issue(#[case] body: &str) {
    let server = Canned::always(Answer::text(200, "", body)).await;
    let issued = server.client().issue_token(&Owner::Me, &new_token()).await;
    let error = issued.err().unwrap();
    assert_eq!(error.class(), Class::Protocol);
    assert!(error.outcome_unknown());
}

#[tokio::test]
async fn a_login_page_is_no_successful_deletion() {
    let server = Canned::always(Answer::text(200, "", "<html>Sign in</html>")).await;
    let error = server
        .client()
        .revoke_token(&Owner::Me, &"t".into())
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Protocol);
}

#[rstest]
#[case(Answer::text(200, "content-encoding: gzip\r\n", "\x1f"))]
#[case(Answer::text(200, "content-type: text/html\r\n", "{}"))]
#[tokio::test]
async fn a_body_is_judged_by_what_it_is(#[case] answer: Answer) {
    assert_eq!(failures(answer).await.0.class(), Class::Protocol);
}

#[rstest]
#[case::cut(Answer::bytes("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":"))]
#[case::chunk_cut(Answer::bytes("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n64\r\n{"))]
#[case::no_http(Answer::bytes("SSH-2.0-OpenSSH_9.2\r\n"))]
#[case::nothing(Answer::bytes(""))]
#[tokio::test]
async fn a_connection_that_breaks(#[case] answer: Answer) {
    let (look, issue) = failures(answer).await;
    for error in [&look, &issue] {
        let broken = matches!(
            error,
            Error::Unavailable {
                outage: Outage::Broken,
                ..
            }
        );
        assert!(broken, "{error:?}");
    }
    assert!(issue.outcome_unknown() && !look.outcome_unknown());
}

fn hasty(server: &Canned) -> Client {
    let mut config = server.config();
    config.timeout = Duration::from_millis(200);
    Client::new(&config).unwrap()
}

#[rstest]
#[case::accepts_and_is_silent(Answer::bytes("").hang())]
#[case::head_never_ends(Answer::bytes("HTTP/1.1 200 OK\r\nx-slow: ").drip())]
#[case::body_never_ends(Answer::bytes("HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{").drip())]
#[tokio::test]
async fn a_server_that_takes_forever_is_left_and_its_slot_freed(#[case] answer: Answer) {
    let server = Canned::always(answer).await;
    let issued = hasty(&server).issue_token(&Owner::Me, &new_token()).await;
    let error = issued.err().unwrap();
    assert!(
        matches!(
            error,
            Error::Unavailable {
                outage: Outage::Timeout,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.outcome_unknown());
    server.first_connection_took().await;
}

#[rstest]
#[case::announced("content-length: 1073741824\r\n")]
#[case::until_it_closes("")]
#[tokio::test]
async fn a_body_over_a_mebibyte_is_given_up(#[case] length: &str) {
    let head = format!("HTTP/1.1 200 OK\r\n{length}\r\n");
    let server = Canned::always(Answer::bytes(head).flood()).await;
    let error = server.client().me().await.unwrap_err();
    let too_large = matches!(
        error,
        Error::Protocol {
            breach: Breach::TooLarge,
            ..
        }
    );
    assert!(too_large, "{error}");
    let took = server.first_connection_took().await;
    assert!(
        took < 64 << 20,
        "{took} bytes went out, socket buffers included"
    );
}

#[tokio::test]
async fn a_body_of_nearly_a_mebibyte_is_read() {
    let name = "n".repeat((1 << 20) - 100);
    let body = json!({"id": "g", "name": name}).to_string();
    let server = Canned::always(Answer::text(200, "", &body)).await;
    assert_eq!(server.client().group(&"g".into()).await.unwrap().name, name);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Canned::always(Answer::text(200, "", r#"{"id":"me"}"#)).await;
    let location = format!("location: {}/api/v1/me\r\n", elsewhere.url);
    for status in [301, 302, 303, 307, 308] {
        let (look, issue) = failures(Answer::text(status, &location, "")).await;
        for error in [look, issue] {
            let redirect =
                matches!(error, Error::Protocol { breach: Breach::Redirect(s), .. } if s == status);
            assert!(redirect, "{error}");
        }
    }
    assert!(elsewhere.seen().is_empty(), "the credential went elsewhere");
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::new(&config(&url)).unwrap();
    let issued = client.issue_token(&Owner::Me, &new_token()).await;
    let error = issued.err().unwrap();
    assert!(
        matches!(
            error,
            Error::Unavailable {
                outage: Outage::Connect,
                ..
            }
        ),
        "{error}"
    );
    assert!(!error.outcome_unknown(), "nothing was sent");
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config(&format!("https://{}", listener.local_addr().unwrap()));
    config.connect_timeout = Duration::from_millis(200);
    config.ca = Some(crate::tls::Authority::named("ours").pem());
    let error = Client::new(&config).unwrap().me().await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Unavailable {
                outage: Outage::Connect,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_host_that_has_no_address() {
    let mut config = config("http://kestra.invalid");
    config.connect_timeout = Duration::from_secs(20);
    let error = Client::new(&config).unwrap().me().await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Unavailable {
                outage: Outage::Dns,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn requests_under_way_are_bounded() {
    let server = Canned::always(Answer::text(200, "", r#"{"id":"me"}"#).late()).await;
    let mut config = server.config();
    config.in_flight = 2;
    let client = Client::new(&config).unwrap();
    let all = futures::future::join_all((0..20).map(|_| client.me())).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(server.most_at_once(), 2);
}

#[tokio::test]
async fn an_abandoned_call_gives_its_place_back() {
    let server = Canned::start(|seen| match seen.method.as_str() {
        "GET" => Answer::text(200, "", r#"{"id":"me"}"#),
        _ => Answer::bytes("").hang(),
    })
    .await;
    let mut config = server.config();
    config.in_flight = 1;
    let client = Client::new(&config).unwrap();
    let hung = tokio::spawn({
        let client = client.clone();
        async move { client.issue_token(&Owner::Me, &new_token()).await.err() }
    });
    while server.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    hung.abort();
    let me = tokio::time::timeout(PATIENCE, client.me()).await;
    assert!(me.expect("the place is still taken").is_ok());
}

#[tokio::test]
async fn calls_are_counted_by_class() {
    let server = Canned::start(|seen| match seen.method.as_str() {
        "GET" => Answer::text(200, "", r#"{"id":"me"}"#),
        _ => Answer::status(409),
    })
    .await;
    let client = server.client();
    client.me().await.unwrap();
    client.clone().me().await.unwrap();
    client
        .issue_token(&Owner::Me, &new_token())
        .await
        .err()
        .unwrap();
    let counts = client.counts();
    assert_eq!((counts.succeeded, counts.total()), (2, 3));
    assert_eq!(counts.failed_as(Class::Conflict), 1);
    assert_eq!(counts.failed_as(Class::Gone), 0);
}

#[rstest]
#[case(200, "works")]
#[case(401, "refused")]
#[case(403, "not refused")]
#[case(404, "not refused")]
#[case(500, "error")]
#[tokio::test]
async fn a_value_is_refused_by_401_alone(#[case] status: u16, #[case] meaning: &str) {
    let server = Canned::always(Answer::text(status, "", r#"{"id":"me"}"#)).await;
    let check = server
        .client()
        .check(&TokenValue::new("another".into()))
        .await;
    let said = match check {
        Ok(Check::Works(me)) if me.id.as_str() == "me" => "works",
        Ok(Check::Refused) => "refused",
        Ok(Check::NotRefused) => "not refused",
        Err(error) if error.is_outage() => "error",
        other => panic!("{other:?}"),
    };
    assert_eq!(said, meaning);
    assert_eq!(
        server.seen()[0].header("authorization"),
        Some("Bearer another")
    );
}

#[tokio::test]
async fn a_value_that_no_header_can_carry_is_not_sent() {
    let server = Canned::always(Answer::status(200)).await;
    for value in ["", "line\nbreak", "nul\0"] {
        let check = server.client().check(&TokenValue::new(value.into())).await;
        assert!(matches!(check, Ok(Check::Malformed)), "{value:?}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn an_open_source_kestra_has_nothing_and_says_what_it_is() {
    let server = Canned::start(|seen| match seen.path() {
        "/api/v1/configs" => Answer::json(
            200,
            &json!({"uuid": "u", "version": "1.3.26", "edition": "OSS"}),
        ),
        _ => Answer::status(404),
    })
    .await;
    let client = server.client();
    assert!(client.configs().await.unwrap().is_open_source());
    let errors = [
        client.me().await.err(),
        client.accounts().all().await.err(),
        client.find_group("bots").await.err(),
        client.find_role("Launcher").await.err(),
        client.tokens(&Owner::Account("a".into())).await.err(),
        client.bindings().all().await.err(),
    ];
    for error in errors {
        assert_eq!(error.map(|error| error.class()), Some(Class::Gone));
    }
    let deletion = client.delete_group(&"g".into()).await.unwrap();
    assert_eq!(deletion, Deletion::AlreadyGone);
}

#[tokio::test]
async fn a_client_is_shared_by_many_tasks() {
    let server = Canned::always(Answer::status(409)).await;
    let client = Arc::new(server.client());
    let grants = (0..50).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.grant_access(&"a".into()).await })
    });
    for grant in futures::future::join_all(grants).await {
        assert_eq!(grant.unwrap().unwrap(), Change::AlreadySo);
    }
}
