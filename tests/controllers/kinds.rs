//! Accounts, groups, roles and bindings: made, changed, repaired, deleted.

use kestra_iam_operator::iam::client::{AccountSpec, Subject};
use kestra_iam_operator::iam::model::GroupId;
use serde_json::{Value, json};

use crate::backend::{group, group_request, is_gone, principal, role_request};
use crate::scene::{Scene, find};

/// The mark that an object leaves at the backend.
fn mark(object: &Value) -> String {
    let (kind, metadata) = (object["kind"].as_str().unwrap(), &object["metadata"]);
    let word = |name: &str| metadata[name].as_str().unwrap().to_owned();
    format!(
        "[kestra-iam.dev cluster=test object={kind}/{}/{} uid={}]",
        word("namespace"),
        word("name"),
        word("uid")
    )
}

#[tokio::test]
async fn a_role_is_what_its_object_says_whoever_changes_it() {
    let scene = Scene::swept().await;
    let name = scene.unique("Runner");
    let permissions = json!({"FLOW": ["READ", "CREATE"], "EXECUTION": ["READ"]});
    let spec = json!({"roleName": name, "description": "Runs flows", "permissions": permissions});
    scene.apply("Role", "runner", spec).await;
    let object = scene.ready("krole", "runner").await;
    let id = object["status"]["id"].as_str().unwrap();
    let role = scene.backend.role(&id.into()).await.unwrap();
    assert_eq!(json!(role.permissions), permissions, "in the same order");
    let description = format!("Runs flows {}", mark(&object));
    assert_eq!(role.description.as_deref(), Some(description.as_str()));

    let more = json!({"FLOW": ["READ", "CREATE", "DELETE"], "EXECUTION": ["READ"]});
    let edited = role_request("renamed", "by hand", more);
    scene.backend.update_role(&role.id, &edited).await.unwrap();
    let repaired = async || {
        let now = scene.backend.role(&role.id).await.unwrap();
        let same = now.name == name && json!(now.permissions) == permissions;
        (same && now.description.as_ref() == Some(&description)).then_some(())
    };
    scene.wait("the role as declared", repaired).await;

    scene.backend.delete_role(&role.id).await.unwrap();
    let made_again = |object: &Value| object["status"]["id"].as_str().is_some_and(|new| new != id);
    let object = scene.until("krole", "runner", "a new id", made_again).await;
    let id = object["status"]["id"].as_str().unwrap();
    let role = scene.backend.role(&id.into()).await.unwrap();
    assert_eq!(json!(role.permissions), permissions);
}

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
async fn a_grant_that_two_objects_declare_goes_with_the_second_of_them() {
    let scene = Scene::new().await;
    let viewer = json!([{"kind": "External", "name": "Viewer"}]);
    scene
        .apply("ServiceAccount", "ci", json!({"roles": viewer}))
        .await;
    let account = principal(&scene.id("ksa", "ci").await);
    let spec = json!({
        "roleRef": {"kind": "External", "name": "Viewer"},
        "subjects": [{"kind": "ServiceAccount", "name": "ci"}],
    });
    scene.apply("RoleBinding", "view", spec.clone()).await;
    let object = scene.ready("krb", "view").await;
    let shared = object["status"]["bindings"][0]["id"].clone();
    assert!(shared.is_string(), "declared here too: {object:#}");

    scene
        .patch("ksa", "ci", json!({"spec": {"roles": null}}))
        .await;
    let forgotten = |object: &Value| object["status"]["bindings"].is_null();
    scene.until("ksa", "ci", "names no grant", forgotten).await;
    let bindings = scene.backend.bindings_of(&account).await.unwrap();
    assert_eq!(json!(bindings[0].id), shared, "the very same one");

    // The other way round: what the account declares survives the binding.
    scene
        .patch("ksa", "ci", json!({"spec": {"roles": viewer}}))
        .await;
    let named = |object: &Value| object["status"]["bindings"][0]["id"] == shared;
    scene.until("ksa", "ci", "names the grant", named).await;
    scene.delete("krb", "view").await;
    assert_eq!(scene.bindings(&account).await.len(), 1);
    scene
        .patch("ksa", "ci", json!({"spec": {"roles": null}}))
        .await;
    scene.has_bindings(&account, &[]).await;
}

#[tokio::test]
async fn what_somebody_granted_by_hand_is_never_ours() {
    // Without sweeps the operator finds it only when it wants to make the same.
    let scene = Scene::new().await;
    scene.apply("ServiceAccount", "ci", json!({})).await;
    scene
        .apply("Group", "bots", json!({"groupName": scene.unique("bots")}))
        .await;
    let account = scene.id("ksa", "ci").await;
    let bots: GroupId = scene.id("kgrp", "bots").await.as_str().into();
    let subject = principal(&account);
    scene
        .grant_by_hand(&subject, &scene.role_id("Viewer").await)
        .await;
    let member = account.as_str().into();
    scene.backend.add_member(&bots, &member).await.unwrap();
    let wanted = json!({"spec": {
        "roles": [{"kind": "External", "name": "Viewer"}],
        "groups": [{"kind": "Group", "name": "bots"}],
    }});
    scene.patch("ksa", "ci", wanted).await;
    let object = scene.ready("ksa", "ci").await;
    let status = &object["status"];
    assert!(
        status["bindings"].is_null() && status["groups"].is_null(),
        "{object:#}"
    );
    scene
        .patch(
            "ksa",
            "ci",
            json!({"spec": {"roles": null, "groups": null}}),
        )
        .await;
    scene.ready("ksa", "ci").await;
    scene.has_bindings(&subject, &["Viewer@*"]).await;
    scene.is_in(&account, &[&bots]).await;
}

#[tokio::test]
async fn what_becomes_of_an_account_behind_our_back_is_repaired() {
    let scene = Scene::swept().await;
    scene
        .apply("Group", "bots", json!({"groupName": scene.unique("bots")}))
        .await;
    let spec = json!({
        "description": "Deploys",
        "groups": [{"kind": "Group", "name": "bots"}],
        "roles": [{"kind": "External", "name": "Viewer"}],
        "tokens": [{"name": "default", "lifetime": "1h"}],
    });
    scene.apply("ServiceAccount", "ci", spec).await;
    let object = scene.ready("ksa", "ci").await;
    let id = object["status"]["id"].as_str().unwrap().to_owned();
    let old = scene.value("ci-default").await;
    let bots: GroupId = scene.id("kgrp", "bots").await.as_str().into();

    let changed = AccountSpec {
        name: scene.unique("renamed"),
        description: Some("mine now".to_owned()),
        groups: vec![bots.clone()],
    };
    let known = id.as_str().into();
    scene
        .backend
        .update_account(&known, &changed)
        .await
        .unwrap();
    let expected = (scene.unique("ci"), format!("Deploys {}", mark(&object)));
    let repaired = async || {
        let now = scene.backend.account(&id.as_str().into()).await.unwrap();
        ((now.name, now.description?) == expected).then_some(())
    };
    scene.wait("the account as declared", repaired).await;

    let deleted = scene.backend.delete_account(&id.as_str().into()).await;
    deleted.unwrap();
    let made_again = |object: &Value| object["status"]["id"].as_str().is_some_and(|new| new != id);
    scene.until("ksa", "ci", "a new id", made_again).await;
    let new = scene.other_value("ci-default", &old).await;
    assert!(scene.works(&new).await);
    let id = scene.id("ksa", "ci").await;
    scene.is_in(&id, &[&bots]).await;
    scene.has_effective(&id, &["Viewer@* BINDING"]).await;
}

#[tokio::test]
async fn a_group_that_is_gone_is_made_again_with_its_roles_and_members() {
    let scene = Scene::swept().await;
    let name = scene.unique("bots");
    let spec = json!({
        "groupName": name, "description": "Bots", "roles": [{"kind": "External", "name": "Viewer"}],
    });
    scene.apply("Group", "bots", spec).await;
    let spec = json!({"groups": [{"kind": "Group", "name": "bots"}]});
    scene.apply("ServiceAccount", "ci", spec).await;
    let account = scene.id("ksa", "ci").await;
    let object = scene.ready("kgrp", "bots").await;
    let id = object["status"]["id"].as_str().unwrap();

    let edited = group_request("renamed", "by hand");
    scene
        .backend
        .update_group(&id.into(), &edited)
        .await
        .unwrap();
    let description = format!("Bots {}", mark(&object));
    let repaired = async || {
        let now = scene.backend.group(&id.into()).await.unwrap();
        (now.name == name && now.description.as_ref() == Some(&description)).then_some(())
    };
    scene.wait("the group as declared", repaired).await;

    scene.backend.delete_group(&id.into()).await.unwrap();
    let made_again = |object: &Value| object["status"]["id"].as_str().is_some_and(|new| new != id);
    let object = scene.until("kgrp", "bots", "a new id", made_again).await;
    let new: GroupId = object["status"]["id"].as_str().unwrap().into();
    scene.is_in(&account, &[&new]).await;
    scene.has_effective(&account, &["Viewer@* GROUP"]).await;
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

/// All kinds, each with something of its own at the backend.
async fn one_of_each(scene: &Scene) {
    let permissions = json!({"FLOW": ["READ"]});
    let spec = json!({"roleName": scene.unique("r"), "permissions": permissions});
    scene.apply("Role", "runner", spec).await;
    let roles = json!([{"kind": "Role", "name": "runner"}]);
    let spec = json!({"groupName": scene.unique("g"), "roles": roles});
    scene.apply("Group", "bots", spec).await;
    let spec = json!({
        "groups": [{"kind": "Group", "name": "bots"}], "roles": roles,
        "tokens": [{"name": "default", "lifetime": "1h"}],
    });
    scene.apply("ServiceAccount", "ci", spec).await;
    let spec = json!({
        "roleRef": {"kind": "External", "name": "Viewer"},
        "subjects": [{"kind": "ServiceAccount", "name": "ci"}, {"kind": "Group", "name": "bots"}],
    });
    scene.apply("RoleBinding", "view", spec).await;
}

#[tokio::test]
async fn deleted_objects_leave_nothing_behind() {
    let scene = Scene::new().await;
    one_of_each(&scene).await;
    scene.ready("krb", "view").await;
    let account = scene.id("ksa", "ci").await;
    let bots = scene.id("kgrp", "bots").await;
    let role = scene.id("krole", "runner").await;
    scene.delete("krb", "view").await;
    let own = format!("{}@*", scene.unique("r"));
    scene.has_bindings(&principal(&account), &[&own]).await;
    scene.delete("ksa", "ci").await;
    assert!(is_gone(
        &scene.backend.account(&account.as_str().into()).await
    ));
    scene.delete("kgrp", "bots").await;
    assert!(is_gone(&scene.backend.group(&bots.as_str().into()).await));
    scene.delete("krole", "runner").await;
    assert!(is_gone(&scene.backend.role(&role.as_str().into()).await));
}

#[tokio::test]
async fn a_deletion_tolerates_what_is_gone_already() {
    // Without sweeps the operator does not know.
    let scene = Scene::new().await;
    one_of_each(&scene).await;
    scene.ready("krb", "view").await;
    let account = scene.id("ksa", "ci").await;
    let bots = scene.id("kgrp", "bots").await;
    let role = scene.id("krole", "runner").await;
    let backend = &scene.backend;
    backend
        .delete_account(&account.as_str().into())
        .await
        .unwrap();
    backend.delete_group(&bots.as_str().into()).await.unwrap();
    backend.delete_role(&role.as_str().into()).await.unwrap();
    for (kind, name) in [
        ("krb", "view"),
        ("ksa", "ci"),
        ("kgrp", "bots"),
        ("krole", "runner"),
    ] {
        scene.delete(kind, name).await;
    }
}

#[tokio::test]
async fn a_whole_namespace_goes_in_any_order() {
    let scene = Scene::new().await;
    one_of_each(&scene).await;
    scene.ready("krb", "view").await;
    let account = scene.id("ksa", "ci").await;
    let bots = scene.id("kgrp", "bots").await;
    let namespace = scene.namespace.clone();
    scene
        .kubectl(&["delete", "namespace", &namespace, "--wait=false"])
        .await;
    for (kind, name) in [
        ("krb", "view"),
        ("ksa", "ci"),
        ("kgrp", "bots"),
        ("krole", "runner"),
    ] {
        scene.gone(kind, name).await;
    }
    assert!(is_gone(
        &scene.backend.account(&account.as_str().into()).await
    ));
    assert!(is_gone(&scene.backend.group(&bots.as_str().into()).await));
    let left = scene.backend.find_role(&scene.unique("r")).await.unwrap();
    assert!(left.is_none());
}

#[tokio::test]
async fn orphans_stay_as_they_are() {
    let scene = Scene::new().await;
    one_of_each(&scene).await;
    scene.ready("krb", "view").await;
    let value = scene.value("ci-default").await;
    let account = scene.id("ksa", "ci").await;
    let bots: GroupId = scene.id("kgrp", "bots").await.as_str().into();
    let objects = [
        ("krb", "view"),
        ("ksa", "ci"),
        ("kgrp", "bots"),
        ("krole", "runner"),
    ];
    for (kind, name) in objects {
        scene
            .patch(kind, name, json!({"spec": {"deletionPolicy": "Orphan"}}))
            .await;
        scene.delete(kind, name).await;
    }
    scene.is_in(&account, &[&bots]).await;
    let own = format!("{}@*", scene.unique("r"));
    let all = [own.as_str(), "Viewer@*"];
    scene.has_bindings(&principal(&account), &all).await;
    scene.has_bindings(&Subject::Group(bots), &all).await;
    assert!(scene.works(&value).await);
    assert!(scene.get("secret", "ci-default").await.is_some());
}

#[tokio::test]
async fn a_suspended_object_is_not_made_and_says_so() {
    let scene = Scene::new().await;
    let suspended = |fields: Value| {
        let mut spec = json!({"suspend": true});
        spec.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        spec
    };
    scene
        .apply("ServiceAccount", "ci", suspended(json!({})))
        .await;
    scene
        .apply(
            "Group",
            "bots",
            suspended(json!({"groupName": scene.unique("g")})),
        )
        .await;
    let role = json!({"roleName": scene.unique("r"), "permissions": {"FLOW": ["READ"]}});
    scene.apply("Role", "runner", suspended(role)).await;
    let binding = json!({
        "roleRef": {"kind": "External", "name": "Viewer"},
        "subjects": [{"kind": "ExternalServiceAccount", "name": scene.unique("by-hand")}],
    });
    let by_hand = scene.account_by_hand(&scene.unique("by-hand"), "").await;
    scene
        .patch_instance(json!({"resync": {"objects": "1s"}}))
        .await;
    scene.apply("RoleBinding", "view", suspended(binding)).await;
    let objects = [
        ("ksa", "ci"),
        ("kgrp", "bots"),
        ("krole", "runner"),
        ("krb", "view"),
    ];
    for (kind, name) in objects {
        let object = scene
            .condition(kind, name, "Ready", "False", "Suspended")
            .await;
        assert_eq!(find(&object, "Suspended")["status"], "True", "{object:#}");
        assert!(object["metadata"]["finalizers"].is_null(), "{object:#}");
    }
    assert!(
        scene
            .backend
            .find_account(&scene.unique("ci"))
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        scene
            .backend
            .find_group(&scene.unique("g"))
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        scene
            .backend
            .find_role(&scene.unique("r"))
            .await
            .unwrap()
            .is_none()
    );
    let by_hand = principal(by_hand.id.as_str());
    assert!(scene.bindings(&by_hand).await.is_empty());
    for (kind, name) in objects {
        scene
            .patch(kind, name, json!({"spec": {"suspend": false}}))
            .await;
        let object = scene.ready(kind, name).await;
        assert_eq!(find(&object, "Suspended"), Value::Null);
    }
    scene.has_bindings(&by_hand, &["Viewer@*"]).await;
}

#[tokio::test]
async fn a_change_waits_for_the_end_of_a_suspension() {
    let scene = Scene::new().await;
    let roles = |name: &str| json!([{"kind": "External", "name": name}]);
    let spec = json!({"groupName": scene.unique("g"), "roles": roles("Viewer")});
    scene.apply("Group", "bots", spec).await;
    scene
        .apply("ServiceAccount", "ci", json!({"roles": roles("Viewer")}))
        .await;
    let subjects = [
        group(&scene.id("kgrp", "bots").await),
        principal(&scene.id("ksa", "ci").await),
    ];
    let objects = [("kgrp", "bots"), ("ksa", "ci")];
    for (kind, name) in objects {
        scene
            .patch(kind, name, json!({"spec": {"suspend": true}}))
            .await;
        let object = scene
            .condition(kind, name, "Suspended", "True", "Suspended")
            .await;
        assert_eq!(
            find(&object, "Ready")["status"],
            "True",
            "nothing waits yet"
        );
        let change = json!({"spec": {"roles": roles("Launcher")}});
        scene.patch(kind, name, change).await;
        let said = scene.complaint(kind, name, "Suspended").await;
        assert!(said.contains("spec.suspend"), "{said}");
    }
    for subject in &subjects {
        scene.has_bindings(subject, &["Viewer@*"]).await;
    }
    for ((kind, name), subject) in objects.iter().zip(&subjects) {
        scene
            .patch(kind, name, json!({"spec": {"suspend": false}}))
            .await;
        scene.ready(kind, name).await;
        scene.has_bindings(subject, &["Launcher@*"]).await;
    }
}
