//! Roles.

use kestra_iam_operator::iam::client::{Class, Deletion, Error};
use kestra_iam_operator::iam::wire::RoleRequest;
use kestra_iam_operator::server::Compat;
use rstest::rstest;

use super::server::Embedded;

fn request(name: &str, actions: &[&str]) -> RoleRequest {
    let actions: Vec<String> = actions.iter().map(|&action| action.to_owned()).collect();
    RoleRequest {
        name: Some(name.to_owned()),
        description: Some("for tests".to_owned()),
        permissions: Some([("EXECUTION".to_owned(), actions)].into()),
        is_default: Some(false),
    }
}

#[rstest]
#[tokio::test]
async fn a_role_is_made_found_changed_and_deleted(
    #[values(Compat::V1, Compat::V2)] compat: Compat,
) {
    let server = Embedded::start(compat).await;
    let admin = &server.admin;
    let made = admin
        .create_role(&request("Runner", &["CREATE", "DELETE"]))
        .await
        .unwrap();
    let found = admin.find_role("Runner").await.unwrap().unwrap();
    assert_eq!((found.id, found.is_managed), (made.id.clone(), false));
    let read = admin.role(&made.id).await.unwrap();
    assert_eq!(read.permissions["EXECUTION"], ["CREATE", "DELETE"]);
    admin
        .update_role(&made.id, &request("Runner", &["CREATE"]))
        .await
        .unwrap();
    let read = admin.role(&made.id).await.unwrap();
    assert_eq!(read.permissions["EXECUTION"], ["CREATE"]);
    assert_eq!(admin.delete_role(&made.id).await.unwrap(), Deletion::Done);
    assert_eq!(
        admin.delete_role(&made.id).await.unwrap(),
        Deletion::AlreadyGone
    );
}

#[rstest]
#[tokio::test]
async fn a_managed_role_is_found_by_name(#[values(Compat::V1, Compat::V2)] compat: Compat) {
    let server = Embedded::start(compat).await;
    let launcher = server.admin.find_role("Launcher").await.unwrap().unwrap();
    assert_eq!(launcher.id.as_str(), "launcher_main");
    assert!(launcher.is_managed);
    assert!(server.admin.find_role("launcher").await.unwrap().is_none());
}

#[rstest]
#[tokio::test]
async fn two_roles_of_one_name_cannot_be_told_apart(
    #[values(Compat::V1, Compat::V2)] compat: Compat,
) {
    let server = Embedded::start(compat).await;
    for _ in 0..2 {
        server
            .admin
            .create_role(&request("Runner", &["CREATE"]))
            .await
            .unwrap();
    }
    let error = server.admin.find_role("Runner").await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Ambiguous {
                what: "roles",
                count: 2
            }
        ),
        "{error}"
    );
}

#[rstest]
#[tokio::test]
async fn a_role_without_permissions_is_invalid(#[values(Compat::V1, Compat::V2)] compat: Compat) {
    let server = Embedded::start(compat).await;
    let mut empty = request("Runner", &[]);
    empty.permissions = None;
    let error = server.admin.create_role(&empty).await.unwrap_err();
    assert_eq!(error.class(), Class::Invalid);
}
