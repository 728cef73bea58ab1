//! Who we are, what the instance is.

use jiff::SignedDuration;
use kestra_iam_operator::iam::client::{Check, Class, Client, Line};
use kestra_iam_operator::iam::model::TokenValue;
use kestra_iam_operator::server::Compat;
use rstest::rstest;

use super::server::Embedded;
use crate::canned::config;

#[rstest]
#[case(Compat::V1, Line::V1)]
#[case(Compat::V2, Line::V2)]
#[tokio::test]
async fn the_instance_says_what_it_is(#[case] compat: Compat, #[case] line: Line) {
    let server = Embedded::start(compat).await;
    let configs = server.admin.configs().await.unwrap();
    assert_eq!(configs.line(), line);
    assert!(!configs.is_open_source());
    let again = server.admin.configs().await.unwrap();
    assert!(configs.uuid.is_some());
    assert_eq!(configs.uuid, again.uuid);
}

#[rstest]
#[tokio::test]
async fn the_superadmin_is_told_in_either_words(#[values(Compat::V1, Compat::V2)] compat: Compat) {
    let server = Embedded::start(compat).await;
    let me = server.admin.me().await.unwrap();
    assert!(me.is_superadmin());
    assert!(me.tenants.iter().any(|tenant| tenant.id == "main"));
    let plain = server.tenant_admin().await.me().await.unwrap();
    assert!(!plain.is_superadmin());
    assert_ne!(plain.id, me.id);
}

#[rstest]
#[tokio::test]
async fn a_wrong_credential_is_refused(#[values(Compat::V1, Compat::V2)] compat: Compat) {
    let server = Embedded::start(compat).await;
    let wrong = TokenValue::new("not-a-token-of-this-server".to_owned());
    let stranger = server.client_with(&wrong);
    assert_eq!(
        stranger.me().await.unwrap_err().class(),
        Class::Unauthorized
    );
    let groups = stranger.groups().all().await.unwrap_err();
    assert_eq!(groups.class(), Class::Unauthorized);
    let check = server.admin.check(&wrong).await.unwrap();
    assert!(matches!(check, Check::Refused));
}

#[rstest]
#[tokio::test]
async fn the_backends_clock_is_followed(#[values(Compat::V1, Compat::V2)] compat: Compat) {
    let server = Embedded::start(compat).await;
    server.admin.me().await.unwrap();
    assert_eq!(server.admin.clock_offset(), Some(SignedDuration::ZERO));
    // This client's own clock stands still where the server's began.
    let slow = Client::new(&config(&server.url)).unwrap();
    server.wait(SignedDuration::from_mins(7));
    slow.me().await.unwrap();
    assert_eq!(slow.backend_now(), server.clock.now());
}

#[rstest]
#[tokio::test]
async fn a_tenant_that_is_not_there_has_nothing(#[values(Compat::V1, Compat::V2)] compat: Compat) {
    let server = Embedded::start(compat).await;
    let mut config = config(&server.url);
    config.tenant = "elsewhere".to_owned();
    let lost = Client::new(&config).unwrap();
    let class = lost.groups().all().await.unwrap_err().class();
    assert!(matches!(class, Class::Gone | Class::Forbidden), "{class:?}");
}
