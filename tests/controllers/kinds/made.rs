//! Accounts, groups, roles and bindings: made, and changed with the spec.

use kestra_iam_operator::iam::model::GroupId;
use serde_json::{Value, json};

use crate::backend::{group, principal};
use crate::scene::Scene;

#[tokio::test]
async fn one_group_with_one_role_governs_three_accounts() {
    let scene = Scene::new().await;
    let spec = json!({
        "groupName": scene.unique("Bots"), "roles": [{"kind": "External", "name": "Viewer"}],
    });
    scene.apply("Group", "bots", spec).await;
    for account in ["one", "two", "three"] {
        let spec = json!({"groups": [{"kind": "Group", "name": "bots"}]});
        scene.apply("ServiceAccount", account, spec).await;
    }
    for account in ["one", "two", "three"] {
        let id = scene.id("ksa", account).await;
        scene.has_effective(&id, &["Viewer@* GROUP"]).await;
    }
    let roles = json!({"spec": {"roles": [
        {"kind": "External", "name": "Launcher", "namespaces": ["company.team"]},
    ]}});
    scene.patch("kgrp", "bots", roles).await;
    for account in ["one", "two", "three"] {
        let id = scene.id("ksa", account).await;
        scene
            .has_effective(&id, &["Launcher@company.team GROUP"])
            .await;
    }
}

#[tokio::test]
async fn an_account_is_in_its_groups_and_leaves_those_of_others_alone() {
    let scene = Scene::swept().await;
    for name in ["a", "b", "c"] {
        let spec = json!({"groupName": scene.unique(name)});
        scene.apply("Group", name, spec).await;
    }
    let refer = |names: &[&str]| {
        let refer = |name: &&str| json!({"kind": "Group", "name": name});
        json!({"groups": names.iter().map(refer).collect::<Vec<_>>()})
    };
    scene
        .apply("ServiceAccount", "ci", refer(&["a", "b"]))
        .await;
    let account = scene.id("ksa", "ci").await;
    let mut ids: Vec<GroupId> = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(scene.id("kgrp", name).await.as_str().into());
    }
    let [a, b, c] = [&ids[0], &ids[1], &ids[2]];
    scene.is_in(&account, &[a, b]).await;

    let others = scene.group_by_hand(&scene.unique("others"), "").await.id;
    let member = account.as_str().into();
    scene.backend.add_member(&others, &member).await.unwrap();
    scene.backend.remove_member(a, &member).await.unwrap();
    scene.is_in(&account, &[a, b, &others]).await;

    scene
        .patch("ksa", "ci", json!({"spec": refer(&["b", "c"])}))
        .await;
    scene.is_in(&account, &[b, c, &others]).await;
    scene.patch("ksa", "ci", json!({"spec": refer(&[])})).await;
    scene.is_in(&account, &[&others]).await;
    let object = scene.ready("ksa", "ci").await;
    assert_eq!(object["status"]["groups"], Value::Null, "{object:#}");
}

#[tokio::test]
async fn the_last_group_does_not_take_the_other_rights_along() {
    let scene = Scene::new().await;
    scene
        .apply("Group", "a", json!({"groupName": scene.unique("a")}))
        .await;
    let spec = json!({
        "groups": [{"kind": "Group", "name": "a"}],
        "roles": [{"kind": "External", "name": "Viewer"}],
    });
    scene.apply("ServiceAccount", "ci", spec).await;
    let account = scene.id("ksa", "ci").await;
    scene
        .patch("ksa", "ci", json!({"spec": {"groups": null}}))
        .await;
    scene.is_in(&account, &[]).await;
    scene.has_effective(&account, &["Viewer@* BINDING"]).await;
}

#[tokio::test]
async fn direct_roles_follow_the_spec_and_those_of_others_stay() {
    let scene = Scene::swept().await;
    let spec = json!({"roles": [
        {"kind": "External", "name": "Viewer"},
        {"kind": "External", "name": "Launcher", "namespaces": ["company.a", "company.b"]},
    ]});
    scene.apply("ServiceAccount", "ci", spec).await;
    let account = principal(&scene.id("ksa", "ci").await);
    let all = ["Viewer@*", "Launcher@company.a", "Launcher@company.b"];
    scene.has_bindings(&account, &all).await;

    scene
        .grant_by_hand(&account, &scene.role_id("Editor").await)
        .await;
    let bindings = scene.backend.bindings_of(&account).await.unwrap();
    let scoped = bindings
        .iter()
        .find(|b| b.scope() == Some("company.a"))
        .unwrap();
    scene.backend.delete_binding(&scoped.id).await.unwrap();
    let with_others = [&all[..], &["Editor@*"]].concat();
    scene.has_bindings(&account, &with_others).await;

    let roles = json!({"spec": {"roles": [{"kind": "External", "name": "Launcher", "namespaces": ["company.b"]}]}});
    scene.patch("ksa", "ci", roles).await;
    scene
        .has_bindings(&account, &["Launcher@company.b", "Editor@*"])
        .await;
}

#[tokio::test]
async fn a_binding_gives_one_role_to_many_subjects_in_many_namespaces() {
    let scene = Scene::new().await;
    let role = scene.unique("Deployer");
    let spec = json!({"roleName": role, "permissions": {"FLOW": ["READ"]}});
    scene.apply("Role", "deployer", spec).await;
    scene.apply("ServiceAccount", "ci", json!({})).await;
    scene
        .apply("Group", "bots", json!({"groupName": scene.unique("bots")}))
        .await;
    let theirs = scene.account_by_hand(&scene.unique("theirs"), "").await;
    let team = scene.group_by_hand(&scene.unique("team"), "").await;
    let email = format!("{}@example.com", scene.namespace);
    let user = scene.user(&email, json!({})).await;
    // What was made by hand is known with the next sweep.
    scene
        .patch_instance(json!({"resync": {"objects": "1s"}}))
        .await;
    let spec = json!({
        "roleRef": {"kind": "Role", "name": "deployer"},
        "namespaces": ["company.a", "company.b"],
        "subjects": [
            {"kind": "ServiceAccount", "name": "ci"},
            {"kind": "Group", "name": "bots"},
            {"kind": "ExternalServiceAccount", "name": theirs.name},
            {"kind": "ExternalGroup", "name": team.name},
            {"kind": "ExternalUser", "name": email},
        ],
    });
    scene.apply("RoleBinding", "deploy", spec).await;
    let object = scene.ready("krb", "deploy").await;
    assert_eq!(object["status"]["bindings"].as_array().unwrap().len(), 10);
    let subjects = [
        principal(&scene.id("ksa", "ci").await),
        group(&scene.id("kgrp", "bots").await),
        principal(theirs.id.as_str()),
        group(team.id.as_str()),
        principal(user.as_str()),
    ];
    let both = [format!("{role}@company.a"), format!("{role}@company.b")];
    for subject in &subjects {
        scene
            .has_bindings(subject, &both.each_ref().map(String::as_str))
            .await;
    }
    let less = json!({"spec": {
        "roleRef": {"kind": "External", "name": "Viewer"},
        "namespaces": ["company.b"],
        "subjects": [{"kind": "Group", "name": "bots"}, {"kind": "ExternalUser", "name": email}],
    }});
    scene.patch("krb", "deploy", less).await;
    let expected: [&[&str]; 5] = [&[], &["Viewer@company.b"], &[], &[], &["Viewer@company.b"]];
    for (subject, expected) in subjects.iter().zip(expected) {
        scene.has_bindings(subject, expected).await;
    }
    scene.delete("krb", "deploy").await;
    for subject in &subjects {
        assert!(scene.bindings(subject).await.is_empty());
    }
}

#[tokio::test]
async fn texts_and_permissions_follow_the_spec() {
    let scene = Scene::new().await;
    scene
        .apply("ServiceAccount", "ci", json!({"description": "one"}))
        .await;
    scene
        .apply(
            "Group",
            "bots",
            json!({"groupName": scene.unique("b"), "description": "one"}),
        )
        .await;
    let role = |permissions: Value, text: &str| json!({"roleName": scene.unique("r"), "description": text, "permissions": permissions});
    let first = json!({"FLOW": ["READ", "CREATE"]});
    scene.apply("Role", "runner", role(first, "one")).await;
    for (kind, name) in [("ksa", "ci"), ("kgrp", "bots"), ("krole", "runner")] {
        scene.ready(kind, name).await;
        scene
            .patch(kind, name, json!({"spec": {"description": "two"}}))
            .await;
    }
    let second = json!({"EXECUTION": ["READ"]});
    scene
        .apply("Role", "runner", role(second.clone(), "two"))
        .await;
    let starts = |text: Option<String>| text.is_some_and(|text| text.starts_with("two ["));
    let changed = async |kind: &str, name: &str| {
        let id = scene.id(kind, name).await;
        let backend = &scene.backend;
        match kind {
            "ksa" => starts(
                backend
                    .account(&id.as_str().into())
                    .await
                    .unwrap()
                    .description,
            ),
            "kgrp" => starts(
                backend
                    .group(&id.as_str().into())
                    .await
                    .unwrap()
                    .description,
            ),
            _ => {
                let role = backend.role(&id.as_str().into()).await.unwrap();
                starts(role.description) && json!(role.permissions) == second
            }
        }
    };
    for (kind, name) in [("ksa", "ci"), ("kgrp", "bots"), ("krole", "runner")] {
        scene
            .wait(&format!("{kind} as declared"), async || {
                changed(kind, name).await.then_some(())
            })
            .await;
    }
}

#[tokio::test]
async fn a_name_that_gets_too_long_is_told_and_another_may_be_given() {
    let scene = Scene::new().await;
    let long = "x".repeat(60);
    scene.apply("ServiceAccount", &long, json!({})).await;
    let said = scene.complaint("ksa", &long, "Invalid").await;
    assert!(
        said.contains("63") && said.contains("spec.accountName"),
        "{said}"
    );
    scene.delete("ksa", &long).await;
    let spec = json!({"accountName": scene.unique("short")});
    scene.apply("ServiceAccount", &long, spec).await;
    scene.ready("ksa", &long).await;
}

#[tokio::test]
async fn names_are_made_by_the_instances_template() {
    let template = json!({
        "guardrails": {"unrestricted": true}, "accountNameTemplate": "bot-{{name}}-of-{{namespace}}",
    });
    let scene = Scene::with(template).await;
    scene.apply("ServiceAccount", "ci", json!({})).await;
    let object = scene.ready("ksa", "ci").await;
    let expected = format!("bot-ci-of-{}", scene.namespace);
    assert_eq!(object["status"]["accountName"], expected);
    assert!(
        scene
            .backend
            .find_account(&expected)
            .await
            .unwrap()
            .is_some()
    );
}
