//! What a client refuses to be made from: each message names the field and what to write instead.

use std::time::Duration;

use kestra_iam_operator::iam::client::{Client, Config, Credential, Error};
use kestra_iam_operator::iam::model::TokenValue;
use rstest::rstest;

use crate::canned::{Answer, CANARY, Canned, config};

fn refusal(change: impl FnOnce(&mut Config)) -> (&'static str, String) {
    let mut config = config("http://127.0.0.1:1");
    change(&mut config);
    match Client::new(&config).unwrap_err() {
        error @ Error::Config { field, .. } => (field, error.to_string()),
        other => panic!("another class: {other}"),
    }
}

#[rstest]
#[case("", "url is no URL")]
#[case("kestra.example.com", "url is no URL")]
#[case("127.0.0.1:8080", "url is no URL")]
#[case("localhost:8080", "url has no scheme")]
#[case("ftp://kestra.example.com", "url has no scheme")]
#[case("file:///etc/passwd", "url has no scheme")]
#[case("http:kestra.example.com", "url has no scheme")]
#[case("https://", "url is no URL")]
#[case("https://kestra.example.com:99999", "url is no URL")]
#[case(
    "https://me:secret@kestra.example.com",
    "url holds a user or a password"
)]
#[case("https://me@kestra.example.com", "url holds a user or a password")]
#[case(
    "https://kestra.example.com?tenant=main",
    "url has a query or a fragment"
)]
#[case("https://kestra.example.com/#/login", "url has a query or a fragment")]
#[case("https://kestra.example.com/api/v1", "url ends in /api/v1")]
#[case("https://kestra.example.com/ui/", "url ends in /api/v1 or /ui")]
#[case("https://kestra.example.com\n", "url holds a space, a line break")]
#[case("https://kestra.example.com/a b", "url holds a space, a line break")]
fn urls_that_cannot_work(#[case] url: &str, #[case] message: &str) {
    let (field, text) = refusal(|config| url.clone_into(&mut config.url));
    assert_eq!(field, "url");
    assert!(text.starts_with(message), "{url:?}: {text}");
    assert!(!text.contains("secret"), "{text}");
}

#[rstest]
#[case("")]
#[case("..")]
#[case("Main")]
#[case("a/b")]
#[case("-a")]
#[case("a b")]
#[case("a%2fb")]
#[case("é")]
fn tenants_that_cannot_be(#[case] tenant: &str) {
    let (field, _) = refusal(|config| tenant.clone_into(&mut config.tenant));
    assert_eq!(field, "tenant", "{tenant:?}");
}

#[rstest]
#[case("")]
#[case("a value\n")]
#[case("a\r\nx-injected: yes")]
#[case("umläut")]
fn tokens_that_no_header_can_carry(#[case] token: &str) {
    let value = TokenValue::new(token.to_owned());
    let (field, text) = refusal(|config| config.credential = Credential::Bearer(value));
    assert_eq!(field, "credential.token");
    assert!(text.contains("such as a line break"), "{text}");
}

#[rstest]
#[case("", "p", "credential.user")]
#[case("a:b", "p", "credential.user")]
#[case("a\nb", "p", "credential.user")]
#[case("a", "", "credential.password")]
#[case("a", "p\n", "credential.password")]
fn names_and_passwords_that_cannot_be(
    #[case] user: &str,
    #[case] password: &str,
    #[case] wrong: &str,
) {
    let credential = Credential::Basic {
        user: user.to_owned(),
        password: TokenValue::new(password.to_owned()),
    };
    let (field, _) = refusal(|config| config.credential = credential);
    assert_eq!(field, wrong);
}

#[rstest]
#[case("")]
#[case("not PEM")]
#[case("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")]
#[case("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n")]
fn bundles_that_hold_no_certificate(#[case] ca: &str) {
    let (field, text) = refusal(|config| config.ca = Some(ca.as_bytes().to_vec()));
    assert_eq!(field, "ca");
    assert!(text.contains("-----BEGIN CERTIFICATE-----"), "{text}");
}

#[test]
fn limits_of_zero_and_a_user_agent_that_fits_no_header() {
    assert_eq!(
        refusal(|config| config.timeout = Duration::ZERO).0,
        "timeout"
    );
    assert_eq!(
        refusal(|config| config.connect_timeout = Duration::ZERO).0,
        "connect_timeout"
    );
    assert_eq!(refusal(|config| config.in_flight = 0).0, "in_flight");
    assert_eq!(
        refusal(|config| config.user_agent = "a\nb".into()).0,
        "user_agent"
    );
}

#[test]
fn the_defaults_are_five_and_thirty_seconds() {
    let config = config("http://127.0.0.1:1");
    assert_eq!(config.connect_timeout, Duration::from_secs(5));
    assert_eq!(config.timeout, Duration::from_secs(30));
}

#[rstest]
#[case("", "/api/v1/me")]
#[case("/", "/api/v1/me")]
#[case("/kestra", "/kestra/api/v1/me")]
#[case("/a/b/", "/a/b/api/v1/me")]
#[tokio::test]
async fn a_context_path_is_kept(#[case] context: &str, #[case] path: &str) {
    let server = Canned::always(Answer::text(200, "", r#"{"id":"me"}"#)).await;
    let mut config = server.config();
    config.url.push_str(context);
    Client::new(&config).unwrap().me().await.unwrap();
    assert_eq!(server.seen()[0].target, path);
}

#[tokio::test]
async fn what_goes_over_the_wire() {
    let server = Canned::always(Answer::text(200, "", r#"{"id":"me"}"#)).await;
    server.client().me().await.unwrap();
    let seen = server.seen().remove(0);
    let bearer = format!("Bearer {CANARY}");
    assert_eq!(seen.header("authorization"), Some(bearer.as_str()));
    assert!(
        seen.header("user-agent")
            .unwrap()
            .starts_with("kestra-iam-operator/")
    );
    assert_eq!(seen.header("accept-encoding"), None, "no decompression");
    assert_eq!(seen.header("content-type"), None, "no body, no type");
}

#[tokio::test]
async fn a_user_authenticates_by_name_and_password() {
    let server = Canned::always(Answer::text(200, "", r#"{"id":"me"}"#)).await;
    let mut config = server.config();
    config.credential = Credential::Basic {
        user: "Aladdin".into(),
        password: TokenValue::new("open sesame".into()),
    };
    Client::new(&config).unwrap().me().await.unwrap();
    // The pair of RFC 7617.
    let header = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
    assert_eq!(server.seen()[0].header("authorization"), Some(header));
}

/// Ids come from answers and from statuses: none may lead a call to another path.
#[rstest]
#[case("a/b", Some("a%2Fb"))]
#[case("../tenants", Some("..%2Ftenants"))]
#[case("a?b#c", Some("a%3Fb%23c"))]
#[case("%2e%2e", Some("%252e%252e"))]
#[case("a\\b", Some("a%5Cb"))]
#[case("é x", Some("%C3%A9%20x"))]
#[case("", None)]
#[case(".", None)]
#[case("..", None)]
#[case("a\tb", None)]
#[case("a\r\nb", None)]
#[tokio::test]
async fn ids_stay_one_segment(#[case] id: &str, #[case] segment: Option<&str>) {
    let server = Canned::always(Answer::text(200, "", r#"{"id":"g","name":"g"}"#)).await;
    let result = server.client().group(&id.into()).await;
    let targets: Vec<_> = server.seen().into_iter().map(|seen| seen.target).collect();
    let expected = segment.map(|segment| format!("/api/v1/main/groups/{segment}"));
    assert_eq!(result.is_ok(), segment.is_some(), "{result:?}");
    assert_eq!(targets, Vec::from_iter(expected));
}
