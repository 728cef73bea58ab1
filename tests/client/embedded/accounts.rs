//! Service accounts.

use kestra_iam_operator::iam::client::{AccountSpec, Check, Class, Deletion};
use kestra_iam_operator::iam::model::GroupId;
use kestra_iam_operator::iam::wire::GroupRequest;
use kestra_iam_operator::server::Compat;
use rstest::rstest;

use super::server::Embedded;

fn spec(name: &str, groups: &[&GroupId]) -> AccountSpec {
    AccountSpec {
        name: name.to_owned(),
        description: Some(format!("what {name} is for")),
        groups: groups.iter().map(|&id| id.clone()).collect(),
    }
}

async fn group(server: &Embedded, name: &str) -> GroupId {
    let request = GroupRequest {
        name: Some(name.to_owned()),
        ..GroupRequest::default()
    };
    server.admin.create_group(&request).await.unwrap().id
}

#[rstest]
#[tokio::test]
async fn an_account_with_groups_is_made_and_read(#[values(Compat::V1, Compat::V2)] compat: Compat) {
    let server = Embedded::start(compat).await;
    let (bots, ci) = (group(&server, "Bots").await, group(&server, "CI").await);
    let made = server
        .admin
        .create_account(&spec("ci-bot", &[&bots, &ci]))
        .await
        .unwrap();
    let read = server.admin.account(&made.id).await.unwrap();
    assert_eq!(read.name, "ci-bot");
    assert_eq!(read.description.as_deref(), Some("what ci-bot is for"));
    assert_eq!(read.superadmin, Some(false));
    let mut groups: Vec<_> = read.groups.into_iter().map(|group| group.id).collect();
    groups.sort();
    let mut expected = vec![bots, ci];
    expected.sort();
    assert_eq!(groups, expected);
}

#[rstest]
#[tokio::test]
async fn an_update_replaces_the_groups(#[values(Compat::V1, Compat::V2)] compat: Compat) {
    let server = Embedded::start(compat).await;
    let (bots, ci) = (group(&server, "Bots").await, group(&server, "CI").await);
    let made = server
        .admin
        .create_account(&spec("ci-bot", &[&bots]))
        .await
        .unwrap();
    server
        .admin
        .update_account(&made.id, &spec("ci-bot", &[&ci]))
        .await
        .unwrap();
    let read = server.admin.account(&made.id).await.unwrap();
    assert_eq!(read.groups.len(), 1);
    assert_eq!(read.groups[0].id, ci);
    server
        .admin
        .update_account(&made.id, &spec("cd-bot", &[]))
        .await
        .unwrap();
    let read = server.admin.account(&made.id).await.unwrap();
    assert_eq!((read.name.as_str(), read.groups.len()), ("cd-bot", 0));
}

#[rstest]
#[tokio::test]
async fn the_list_has_names_and_memberships_over_all_pages(
    #[values(Compat::V1, Compat::V2)] compat: Compat,
) {
    let server = Embedded::start(compat).await;
    let bots = group(&server, "Bots").await;
    for number in 0..230 {
        server
            .admin
            .create_account(&spec(&format!("bot-{number}"), &[&bots]))
            .await
            .unwrap();
    }
    let listed = server.admin.accounts().all().await.unwrap();
    let mut names: Vec<_> = listed
        .iter()
        .filter(|account| account.groups.iter().any(|group| group.id == bots))
        .map(|account| account.name.clone())
        .collect();
    names.sort();
    let mut expected: Vec<_> = (0..230).map(|number| format!("bot-{number}")).collect();
    expected.sort();
    similar_asserts::assert_eq!(names, expected);
}

#[rstest]
#[tokio::test]
async fn a_name_is_found_exactly(#[values(Compat::V1, Compat::V2)] compat: Compat) {
    let server = Embedded::start(compat).await;
    for name in ["ci", "ci-bot", "ci-bot-2", "my-ci-bot"] {
        server.account(name).await;
    }
    let found = server.admin.find_account("ci-bot").await.unwrap().unwrap();
    assert_eq!(found.name, "ci-bot");
    assert!(server.admin.find_account("bot").await.unwrap().is_none());
}

#[rstest]
#[tokio::test]
async fn refusals_are_classed(#[values(Compat::V1, Compat::V2)] compat: Compat) {
    let server = Embedded::start(compat).await;
    server.account("ci-bot").await;
    let class = |name| {
        let (admin, spec) = (server.admin.clone(), spec(name, &[]));
        async move { admin.create_account(&spec).await.unwrap_err().class() }
    };
    assert_eq!(class("ci-bot").await, Class::Conflict);
    assert_eq!(class("CI Bot").await, Class::Invalid);
    assert_eq!(class("a--b").await, Class::Invalid);
    let nobody = server.admin.account(&"nobody".into()).await.unwrap_err();
    assert_eq!(nobody.class(), Class::Gone);
    let no_group = spec("cd-bot", &[&"nothing".into()]);
    let error = server.admin.create_account(&no_group).await.unwrap_err();
    assert_eq!(error.class(), Class::Gone);
}

#[rstest]
#[tokio::test]
async fn who_may_nothing_is_forbidden(#[values(Compat::V1, Compat::V2)] compat: Compat) {
    let server = Embedded::start(compat).await;
    let account = server.account("ci-bot").await;
    let bot = server.client_with(&server.token(&account.id).await);
    assert!(bot.me().await.is_ok());
    let error = bot.create_account(&spec("cd-bot", &[])).await.unwrap_err();
    assert_eq!(error.class(), Class::Forbidden);
}

#[rstest]
#[tokio::test]
async fn a_deleted_account_is_gone_with_its_tokens(
    #[values(Compat::V1, Compat::V2)] compat: Compat,
) {
    let server = Embedded::start(compat).await;
    let account = server.account("ci-bot").await;
    let token = server.token(&account.id).await;
    let delete = || server.admin.delete_account(&account.id);
    assert_eq!(delete().await.unwrap(), Deletion::Done);
    assert_eq!(delete().await.unwrap(), Deletion::AlreadyGone);
    let check = server.admin.check(&token).await.unwrap();
    assert!(matches!(check, Check::Refused), "{check:?}");
}

#[rstest]
#[tokio::test]
async fn an_admin_of_the_tenant_deletes_by_the_tenant(
    #[values(Compat::V1, Compat::V2)] compat: Compat,
) {
    let server = Embedded::start(compat).await;
    let account = server.account("ci-bot").await;
    let admin = server.tenant_admin().await;
    assert_eq!(
        admin.delete_account(&account.id).await.unwrap(),
        Deletion::Done
    );
    let read = admin.account(&account.id).await.unwrap_err();
    assert_eq!(read.class(), Class::Gone);
    let again = admin.delete_account(&account.id).await.unwrap();
    assert_eq!(again, Deletion::AlreadyGone);
}
