//! Bindings, and the access that comes of them.

use kestra_iam_operator::iam::client::{Class, Deletion, Made, Subject};
use kestra_iam_operator::iam::wire::{Binding, BindingRequest, GroupRequest, Origin};
use kestra_iam_operator::server::Compat;
use rstest::rstest;

use super::server::Embedded;

fn launcher_of(subject: &Subject, namespace: Option<&str>) -> BindingRequest {
    BindingRequest {
        kind: subject.kind(),
        external_id: subject.id().to_owned(),
        role_id: "launcher_main".into(),
        namespace_id: namespace.map(str::to_owned),
    }
}

fn new(made: Made<Binding>) -> Binding {
    match made {
        Made::New(binding) => binding,
        Made::Existing(binding) => panic!("there already: {binding:?}"),
    }
}

fn existing(made: Made<Binding>) -> Binding {
    match made {
        Made::Existing(binding) => binding,
        Made::New(binding) => panic!("made twice: {binding:?}"),
    }
}

#[rstest]
#[tokio::test]
async fn a_binding_is_made_once(#[values(Compat::V1, Compat::V2)] compat: Compat) {
    let server = Embedded::start(compat).await;
    let bot = Subject::Principal(server.account("ci-bot").await.id);
    for namespace in [None, Some("company"), Some("company.team")] {
        let request = launcher_of(&bot, namespace);
        let first = new(server.admin.create_binding(&request).await.unwrap());
        let second = existing(server.admin.create_binding(&request).await.unwrap());
        assert_eq!(first.id, second.id);
        assert!(first.is(&request), "{first:?}");
        assert_eq!(first.scope(), namespace);
    }
    assert_eq!(server.admin.bindings_of(&bot).await.unwrap().len(), 3);
}

#[rstest]
#[tokio::test]
async fn bindings_are_found_by_subject_and_deleted(
    #[values(Compat::V1, Compat::V2)] compat: Compat,
) {
    let server = Embedded::start(compat).await;
    let bot = Subject::Principal(server.account("ci-bot").await.id);
    let other = Subject::Principal(server.account("cd-bot").await.id);
    let mine = launcher_of(&bot, Some("company.team"));
    let mine = new(server.admin.create_binding(&mine).await.unwrap());
    server
        .admin
        .create_binding(&launcher_of(&other, None))
        .await
        .unwrap();
    let found = server.admin.bindings_of(&bot).await.unwrap();
    assert_eq!(
        found.iter().map(|binding| &binding.id).collect::<Vec<_>>(),
        [&mine.id]
    );
    let all = server.admin.bindings().all().await.unwrap();
    assert!(
        all.iter()
            .any(|binding| binding.subject().as_ref() == Some(&other))
    );
    let delete = || server.admin.delete_binding(&mine.id);
    assert_eq!(delete().await.unwrap(), Deletion::Done);
    assert_eq!(delete().await.unwrap(), Deletion::AlreadyGone);
    assert!(server.admin.bindings_of(&bot).await.unwrap().is_empty());
}

#[rstest]
#[tokio::test]
async fn effective_roles_tell_their_origin(#[values(Compat::V1, Compat::V2)] compat: Compat) {
    let server = Embedded::start(compat).await;
    let account = server.account("ci-bot").await.id;
    let request = GroupRequest {
        name: Some("Bots".to_owned()),
        ..GroupRequest::default()
    };
    let group = server.admin.create_group(&request).await.unwrap().id;
    server.admin.add_member(&group, &account).await.unwrap();
    let direct = launcher_of(&Subject::Principal(account.clone()), Some("company.team"));
    let mut shared = launcher_of(&Subject::Group(group), None);
    shared.role_id = "viewer_main".into();
    server.admin.create_binding(&direct).await.unwrap();
    server.admin.create_binding(&shared).await.unwrap();

    let access = server.admin.access(&account).await.unwrap();
    let role = |id: &str| {
        access
            .roles
            .iter()
            .find(|role| role.id.as_str() == id)
            .unwrap()
    };
    assert_eq!(role("launcher_main").origin, Some(Origin::Binding));
    assert_eq!(
        role("launcher_main").namespace.as_deref(),
        Some("company.team")
    );
    assert_eq!(role("viewer_main").origin, Some(Origin::Group));
    let resources: Vec<_> = role("viewer_main")
        .permissions
        .iter()
        .filter_map(|granted| granted.on())
        .collect();
    assert!(resources.contains(&"FLOW"), "{resources:?}");
    assert!(!access.is_superadmin());
}

#[rstest]
#[tokio::test]
async fn a_role_that_is_not_there_cannot_be_bound(
    #[values(Compat::V1, Compat::V2)] compat: Compat,
) {
    let server = Embedded::start(compat).await;
    let bot = Subject::Principal(server.account("ci-bot").await.id);
    let mut request = launcher_of(&bot, None);
    request.role_id = "nothing".into();
    let class = server
        .admin
        .create_binding(&request)
        .await
        .unwrap_err()
        .class();
    assert!(matches!(class, Class::Gone | Class::Invalid), "{class:?}");
}
