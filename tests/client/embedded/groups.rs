//! Groups, membership, and what it does to access.

use kestra_iam_operator::iam::client::{Change, Class, Deletion};
use kestra_iam_operator::iam::model::{GroupId, PrincipalId};
use kestra_iam_operator::iam::wire::{GroupRequest, MembershipKind};
use kestra_iam_operator::server::Compat;
use rstest::rstest;

use super::server::Embedded;

fn request(name: &str, description: &str) -> GroupRequest {
    GroupRequest {
        name: Some(name.to_owned()),
        description: Some(description.to_owned()),
        members_id: None,
    }
}

async fn group(server: &Embedded, name: &str) -> GroupId {
    server
        .admin
        .create_group(&request(name, ""))
        .await
        .unwrap()
        .id
}

/// The ids of a group's members with the kind of their membership in it.
async fn members(server: &Embedded, group: &GroupId) -> Vec<(PrincipalId, Option<MembershipKind>)> {
    let members = server.admin.members(group).all().await.unwrap();
    let kind = |member: &kestra_iam_operator::iam::wire::GroupMember| {
        member
            .groups
            .iter()
            .find(|membership| membership.id == *group)?
            .membership
    };
    members
        .iter()
        .map(|member| (member.id.clone(), kind(member)))
        .collect()
}

#[rstest]
#[tokio::test]
async fn a_group_is_made_found_changed_and_deleted(
    #[values(Compat::V1, Compat::V2)] compat: Compat,
) {
    let server = Embedded::start(compat).await;
    let admin = &server.admin;
    let made = admin
        .create_group(&request("All the bots", "one"))
        .await
        .unwrap();
    group(&server, "All the bots of CI").await;
    let found = admin.find_group("All the bots").await.unwrap().unwrap();
    assert_eq!(found.id, made.id);
    admin
        .update_group(&made.id, &request("Bots", "two"))
        .await
        .unwrap();
    let read = admin.group(&made.id).await.unwrap();
    assert_eq!(
        (read.name.as_str(), read.description.as_deref()),
        ("Bots", Some("two"))
    );
    assert!(admin.find_group("All the bots").await.unwrap().is_none());
    assert_eq!(admin.delete_group(&made.id).await.unwrap(), Deletion::Done);
    assert_eq!(
        admin.delete_group(&made.id).await.unwrap(),
        Deletion::AlreadyGone
    );
    assert_eq!(
        admin.group(&made.id).await.unwrap_err().class(),
        Class::Gone
    );
}

#[rstest]
#[tokio::test]
async fn a_name_that_is_taken_is_a_conflict(#[values(Compat::V1, Compat::V2)] compat: Compat) {
    let server = Embedded::start(compat).await;
    group(&server, "Bots").await;
    let error = server
        .admin
        .create_group(&request("Bots", ""))
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Conflict);
}

#[rstest]
#[tokio::test]
async fn members_come_and_go_once(#[values(Compat::V1, Compat::V2)] compat: Compat) {
    let server = Embedded::start(compat).await;
    let bots = group(&server, "Bots").await;
    let bot = server.account("ci-bot").await.id;
    let (add, remove) = (
        || server.admin.add_member(&bots, &bot),
        || server.admin.remove_member(&bots, &bot),
    );
    assert_eq!(add().await.unwrap(), Change::Done);
    let member = Some(MembershipKind::Member);
    assert_eq!(members(&server, &bots).await, [(bot.clone(), member)]);
    assert_eq!(add().await.unwrap(), Change::AlreadySo);
    assert_eq!(remove().await.unwrap(), Change::Done);
    assert_eq!(remove().await.unwrap(), Change::AlreadySo);
    assert!(members(&server, &bots).await.is_empty());
}

/// 2.x answers 404 to a member without access to the tenant, 1.x grants it by itself: the client needs no version.
#[rstest]
#[tokio::test]
async fn a_member_without_access_to_the_tenant_gets_it(
    #[values(Compat::V1, Compat::V2)] compat: Compat,
) {
    let server = Embedded::start(compat).await;
    let bots = group(&server, "Bots").await;
    let url = format!("{}/api/v1/service-accounts", server.url);
    let body = serde_json::json!({"name": "of-no-tenant"});
    let request = reqwest::Client::new()
        .post(url)
        .bearer_auth(crate::canned::CANARY);
    let made: serde_json::Value = request
        .json(&body)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let id: PrincipalId = made["id"].as_str().unwrap().into();
    assert_eq!(
        server.admin.access(&id).await.unwrap_err().class(),
        Class::Gone
    );
    assert_eq!(
        server.admin.add_member(&bots, &id).await.unwrap(),
        Change::Done
    );
    let access = server.admin.access(&id).await.unwrap();
    assert_eq!(access.groups[0].id, bots);
}

#[rstest]
#[tokio::test]
async fn a_member_can_own_the_group(#[values(Compat::V1, Compat::V2)] compat: Compat) {
    let server = Embedded::start(compat).await;
    let bots = group(&server, "Bots").await;
    let bot = server.account("ci-bot").await.id;
    server.admin.add_member(&bots, &bot).await.unwrap();
    for kind in [MembershipKind::Owner, MembershipKind::Member] {
        server
            .admin
            .set_membership_kind(&bots, &bot, kind)
            .await
            .unwrap();
        assert_eq!(members(&server, &bots).await, [(bot.clone(), Some(kind))]);
    }
    let stranger = server.account("stranger").await.id;
    let error = server
        .admin
        .set_membership_kind(&bots, &stranger, MembershipKind::Owner)
        .await;
    let class = error.unwrap_err().class();
    assert!(matches!(class, Class::Conflict | Class::Gone), "{class:?}");
}

#[rstest]
#[tokio::test]
async fn a_group_that_is_not_there_takes_no_member(
    #[values(Compat::V1, Compat::V2)] compat: Compat,
) {
    let server = Embedded::start(compat).await;
    let bot = server.account("ci-bot").await.id;
    let error = server
        .admin
        .add_member(&"nothing".into(), &bot)
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Gone);
}

#[rstest]
#[tokio::test]
async fn access_is_granted_once(#[values(Compat::V1, Compat::V2)] compat: Compat) {
    let server = Embedded::start(compat).await;
    let bot = server.account("ci-bot").await.id;
    assert_eq!(
        server.admin.grant_access(&bot).await.unwrap(),
        Change::AlreadySo
    );
    let members = server.admin.tenant_members().all().await.unwrap();
    assert!(members.iter().any(|member| member.id == bot));
    let nobody = server
        .admin
        .grant_access(&"nobody".into())
        .await
        .unwrap_err();
    assert_eq!(nobody.class(), Class::Gone);
}
