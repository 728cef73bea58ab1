//! API tokens: issued, seen, checked, expired, revoked.

use std::time::Duration;

use jiff::SignedDuration;
use kestra_iam_operator::iam::client::{Check, Class, Client, Deletion, NewToken, Owner};
use kestra_iam_operator::iam::model::TokenValue;
use kestra_iam_operator::iam::wire::IssuedToken;
use kestra_iam_operator::server::Compat;
use rstest::rstest;

use super::server::{Embedded, forever};
use crate::canned::start;

async fn issue(client: &Client, owner: &Owner, token: &NewToken) -> IssuedToken {
    let issued = client.issue_token(owner, token).await;
    issued.unwrap_or_else(|error| panic!("{error}"))
}

async fn works(client: &Client, value: &TokenValue) -> bool {
    match client.check(value).await.unwrap() {
        Check::Works(_) => true,
        Check::Refused => false,
        other => panic!("{other:?}"),
    }
}

fn living(name: &str, minutes: u64, extended: bool) -> NewToken {
    NewToken {
        name: name.to_owned(),
        description: "for tests".to_owned(),
        lifetime: Some(Duration::from_secs(minutes * 60)),
        extended,
    }
}

#[rstest]
#[tokio::test]
async fn a_token_works_until_it_expires(#[values(Compat::V1, Compat::V2)] compat: Compat) {
    let server = Embedded::start(compat).await;
    let owner = Owner::Account(server.account("ci-bot").await.id);
    let issued = issue(&server.admin, &owner, &living("short", 30, false)).await;
    assert!(issued.full_token.is_well_formed());
    let listed = server.admin.tokens(&owner).await.unwrap().remove(0);
    assert_eq!(listed.id, issued.id);
    assert_eq!(listed.name.as_deref(), Some("short"));
    assert_eq!(listed.description, "for tests");
    assert_eq!(listed.iat, Some(start()));
    assert_eq!(listed.exp, Some(start() + SignedDuration::from_mins(30)));
    assert!(
        issued
            .full_token
            .expose()
            .starts_with(&listed.prefix.unwrap())
    );
    assert!(works(&server.admin, &issued.full_token).await);
    server.wait(SignedDuration::from_mins(31));
    assert!(!works(&server.admin, &issued.full_token).await);
    assert!(server.admin.tokens(&owner).await.unwrap()[0].expired);
}

#[rstest]
#[tokio::test]
async fn a_check_names_the_owner(#[values(Compat::V1, Compat::V2)] compat: Compat) {
    let server = Embedded::start(compat).await;
    let account = server.account("ci-bot").await;
    let value = server.token(&account.id).await;
    match server.admin.check(&value).await.unwrap() {
        Check::Works(me) => assert_eq!(me.id, account.id),
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[tokio::test]
async fn a_token_without_end_has_no_expiry(#[values(Compat::V1, Compat::V2)] compat: Compat) {
    let server = Embedded::start(compat).await;
    let owner = Owner::Account(server.account("ci-bot").await.id);
    let issued = issue(&server.admin, &owner, &forever("forever")).await;
    assert_eq!(server.admin.tokens(&owner).await.unwrap()[0].exp, None);
    server.wait(SignedDuration::from_hours(24 * 365 * 50));
    assert!(works(&server.admin, &issued.full_token).await);
}

#[rstest]
#[tokio::test]
async fn an_extended_token_lives_while_it_is_used(
    #[values(Compat::V1, Compat::V2)] compat: Compat,
) {
    let server = Embedded::start(compat).await;
    let owner = Owner::Account(server.account("ci-bot").await.id);
    let issued = issue(&server.admin, &owner, &living("extended", 30, true)).await;
    for _ in 0..4 {
        server.wait(SignedDuration::from_mins(20));
        assert!(works(&server.admin, &issued.full_token).await);
    }
    let listed = server.admin.tokens(&owner).await.unwrap().remove(0);
    assert!(listed.extended);
    assert_eq!(
        listed.exp,
        Some(server.clock.now() + SignedDuration::from_mins(30))
    );
    server.wait(SignedDuration::from_mins(31));
    assert!(!works(&server.admin, &issued.full_token).await);
}

#[rstest]
#[tokio::test]
async fn a_revoked_token_is_refused_and_the_others_work(
    #[values(Compat::V1, Compat::V2)] compat: Compat,
) {
    let server = Embedded::start(compat).await;
    let owner = Owner::Account(server.account("ci-bot").await.id);
    let old = issue(&server.admin, &owner, &forever("g1")).await;
    let new = issue(&server.admin, &owner, &forever("g2")).await;
    let revoke = || server.admin.revoke_token(&owner, &old.id);
    assert_eq!(revoke().await.unwrap(), Deletion::Done);
    assert_eq!(revoke().await.unwrap(), Deletion::AlreadyGone);
    assert!(!works(&server.admin, &old.full_token).await);
    assert!(works(&server.admin, &new.full_token).await);
    let left: Vec<_> = server.admin.tokens(&owner).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].id, new.id);
}

#[rstest]
#[tokio::test]
async fn a_user_has_tokens_and_a_password(#[values(Compat::V1, Compat::V2)] compat: Compat) {
    let server = Embedded::start(compat).await;
    let (email, password) = ("rick@example.com", "Never-gonna-42-give");
    let id = server.user(email, password).await;
    let found = server.admin.find_user(email).await.unwrap().unwrap();
    assert_eq!(found.id, id);
    let owner = Owner::User(id.clone());
    let issued = issue(&server.admin, &owner, &living("script", 10, false)).await;
    match server.admin.check(&issued.full_token).await.unwrap() {
        Check::Works(me) => assert_eq!(me.id, id),
        other => panic!("{other:?}"),
    }
    assert_eq!(server.admin.tokens(&owner).await.unwrap().len(), 1);
    let revoked = server.admin.revoke_token(&owner, &issued.id).await.unwrap();
    assert_eq!(revoked, Deletion::Done);
    assert!(!works(&server.admin, &issued.full_token).await);
    let me = server.client_as(email, password).me().await.unwrap();
    assert_eq!(me.id, id);
    let wrong = server.client_as(email, "wrong-password").me().await;
    assert_eq!(wrong.unwrap_err().class(), Class::Unauthorized);
}

#[rstest]
#[tokio::test]
async fn our_own_tokens_are_issued_and_seen(#[values(Compat::V1, Compat::V2)] compat: Compat) {
    let server = Embedded::start(compat).await;
    let before = server.admin.my_tokens().await.unwrap().len();
    let issued = issue(&server.admin, &Owner::Me, &living("mine", 60, false)).await;
    let mine = server.admin.my_tokens().await.unwrap();
    assert_eq!(mine.len(), before + 1);
    let other = server.client_with(&issued.full_token);
    assert_eq!(
        other.me().await.unwrap().id,
        server.admin.me().await.unwrap().id
    );
    let revoked = server
        .admin
        .revoke_token(&Owner::Me, &issued.id)
        .await
        .unwrap();
    assert_eq!(revoked, Deletion::Done);
    assert_eq!(other.me().await.unwrap_err().class(), Class::Unauthorized);
}

#[rstest]
#[tokio::test]
async fn what_the_server_does_not_take_is_invalid_and_issues_nothing(
    #[values(Compat::V1, Compat::V2)] compat: Compat,
) {
    let server = Embedded::start(compat).await;
    let owner = Owner::Account(server.account("ci-bot").await.id);
    let refused = server
        .admin
        .issue_token(&owner, &forever("Not A Name"))
        .await;
    let error = refused.err().unwrap();
    assert_eq!(error.class(), Class::Invalid);
    assert!(!error.outcome_unknown());
    let nobody = Owner::Account("nobody".into());
    let refused = server.admin.issue_token(&nobody, &forever("t")).await;
    assert_eq!(refused.err().unwrap().class(), Class::Gone);
    assert!(server.admin.tokens(&owner).await.unwrap().is_empty());
}
