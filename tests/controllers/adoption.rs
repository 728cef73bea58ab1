//! What exists already: left alone, taken over, given back.

use kestra_iam_operator::iam::wire::{Group, Role};
use serde_json::{Value, json};

use crate::backend::{group, group_request, is_gone, principal, role_request};
use crate::scene::{Scene, find};

/// An account, a group and a role that somebody made by hand, each of the name that its object wants.
struct ByHand {
    account: String,
    group: Group,
    role: Role,
}

impl ByHand {
    async fn new(scene: &Scene) -> Self {
        let account = scene.account_by_hand(&scene.unique("ci"), "mine").await;
        Self {
            account: account.id.0,
            group: scene.group_by_hand(&scene.unique("g"), "mine").await,
            role: scene
                .role_by_hand(&scene.unique("r"), json!({"FLOW": ["READ"]}))
                .await,
        }
    }

    /// All three are as they were made.
    async fn are_untouched(&self, scene: &Scene) {
        let account = scene.backend.account(&self.account.as_str().into()).await;
        let account = account.unwrap();
        assert_eq!(account.description.as_deref(), Some("mine"));
        assert_eq!(account.groups, []);
        let group = scene.backend.group(&self.group.id).await.unwrap();
        assert_eq!(group.description, self.group.description);
        let role = scene.backend.role(&self.role.id).await.unwrap();
        assert_eq!(role.description, self.role.description);
        assert_eq!(role.permissions, self.role.permissions);
    }
}

const OBJECTS: [(&str, &str); 3] = [("ksa", "ci"), ("kgrp", "bots"), ("krole", "runner")];

/// Objects of all three kinds with roles, groups, a token and this adoption policy.
async fn apply(scene: &Scene, policy: &str) {
    let viewer = json!([{"kind": "External", "name": "Viewer"}]);
    let spec = json!({
        "adoptionPolicy": policy, "description": "ours", "roles": viewer,
        "tokens": [{"name": "default", "lifetime": "1h"}],
    });
    scene.apply("ServiceAccount", "ci", spec).await;
    let spec = json!({
        "adoptionPolicy": policy, "description": "ours", "roles": viewer, "groupName": scene.unique("g"),
    });
    scene.apply("Group", "bots", spec).await;
    let spec = json!({
        "adoptionPolicy": policy, "description": "ours", "roleName": scene.unique("r"),
        "permissions": {"EXECUTION": ["READ"]},
    });
    scene.apply("Role", "runner", spec).await;
}

#[tokio::test]
async fn what_exists_is_left_alone() {
    let scene = Scene::swept().await;
    let by_hand = ByHand::new(&scene).await;
    apply(&scene, "Never").await;
    for (kind, name) in OBJECTS {
        let said = scene.complaint(kind, name, "NameConflict").await;
        assert!(said.contains("adoptionPolicy"), "{said}");
    }
    for (kind, name) in OBJECTS {
        scene.delete(kind, name).await;
    }
    by_hand.are_untouched(&scene).await;
    assert!(scene.get("secret", "ci-default").await.is_none());
}

#[tokio::test]
async fn a_name_that_becomes_free_is_taken() {
    let scene = Scene::swept().await;
    let by_hand = ByHand::new(&scene).await;
    apply(&scene, "Never").await;
    for (kind, name) in OBJECTS {
        scene.complaint(kind, name, "NameConflict").await;
    }
    let backend = &scene.backend;
    backend
        .delete_account(&by_hand.account.as_str().into())
        .await
        .unwrap();
    backend.delete_group(&by_hand.group.id).await.unwrap();
    backend.delete_role(&by_hand.role.id).await.unwrap();
    for (kind, name) in OBJECTS {
        scene.ready(kind, name).await;
    }
}

#[tokio::test]
async fn what_was_ours_comes_back_to_an_object_of_the_same_name() {
    let scene = Scene::new().await;
    apply(&scene, "Never").await;
    let mut ids = Vec::new();
    for (kind, name) in OBJECTS {
        ids.push(scene.id(kind, name).await);
        scene
            .patch(kind, name, json!({"spec": {"deletionPolicy": "Orphan"}}))
            .await;
        scene.delete(kind, name).await;
    }
    // The Secret was left as well, and is nobody's now.
    scene.begin_delete("secret", "ci-default").await;
    apply(&scene, "Never").await;
    for (kind, name) in OBJECTS {
        scene.complaint(kind, name, "NameConflict").await;
        scene
            .patch(kind, name, json!({"spec": {"adoptionPolicy": "IfOwned"}}))
            .await;
    }
    for ((kind, name), id) in OBJECTS.iter().zip(&ids) {
        assert_eq!(&scene.id(kind, name).await, id);
    }
    // It was made by us, so that it goes.
    scene.delete("ksa", "ci").await;
    assert!(is_gone(
        &scene.backend.account(&ids[0].as_str().into()).await
    ));
}

#[tokio::test]
async fn to_take_over_is_the_instances_to_allow() {
    let scene = Scene::swept().await;
    let by_hand = ByHand::new(&scene).await;
    apply(&scene, "TakeOver").await;
    for (kind, name) in OBJECTS {
        let said = scene.complaint(kind, name, "AdoptionRefused").await;
        assert!(said.contains("guardrails.adoption"), "{said}");
    }
    by_hand.are_untouched(&scene).await;
}

fn adopting() -> Value {
    json!({
        "guardrails": {"unrestricted": true, "adoption": ["{{namespace}}-*"]},
        "resync": {"objects": "1s", "tokens": "1h"},
    })
}

#[tokio::test]
async fn what_was_taken_over_is_given_back_as_it_was() {
    let scene = Scene::with(adopting()).await;
    let by_hand = ByHand::new(&scene).await;
    let theirs = principal(&by_hand.account);
    scene
        .grant_by_hand(&theirs, &scene.role_id("Launcher").await)
        .await;
    apply(&scene, "TakeOver").await;
    for (kind, name) in OBJECTS {
        let object = scene.ready(kind, name).await;
        assert_eq!(object["status"]["adopted"], true, "{object:#}");
    }
    let value = scene.value("ci-default").await;
    scene
        .has_bindings(&theirs, &["Launcher@*", "Viewer@*"])
        .await;
    let taken = scene
        .backend
        .account(&by_hand.account.as_str().into())
        .await
        .unwrap();
    assert!(
        taken
            .description
            .unwrap()
            .starts_with("ours [kestra-iam.dev")
    );
    let taken = scene.backend.role(&by_hand.role.id).await.unwrap();
    assert_eq!(json!(taken.permissions), json!({"EXECUTION": ["READ"]}));
    for (kind, name) in OBJECTS {
        scene.delete(kind, name).await;
    }
    by_hand.are_untouched(&scene).await;
    assert!(!scene.works(&value).await, "our token is no longer theirs");
    scene.has_bindings(&theirs, &["Launcher@*"]).await;
    let bots = group(by_hand.group.id.as_str());
    scene.has_bindings(&bots, &[]).await;
}

#[tokio::test]
async fn a_lost_status_does_not_make_what_was_adopted_ours() {
    let scene = Scene::with(adopting()).await;
    let by_hand = ByHand::new(&scene).await;
    apply(&scene, "TakeOver").await;
    for (kind, name) in OBJECTS {
        scene.ready(kind, name).await;
        let orphan = json!({"spec": {"deletionPolicy": "Orphan"}});
        scene.patch(kind, name, orphan).await;
        scene.delete(kind, name).await;
    }
    // As after a restore of the objects alone: same names, no status.
    scene.begin_delete("secret", "ci-default").await;
    apply(&scene, "IfOwned").await;
    for (kind, name) in OBJECTS {
        let object = scene.ready(kind, name).await;
        assert_eq!(object["status"]["adopted"], true, "{object:#}");
        scene.delete(kind, name).await;
    }
    let account = scene
        .backend
        .account(&by_hand.account.as_str().into())
        .await
        .unwrap();
    assert_eq!(
        account.description.as_deref(),
        Some("ours"),
        "what is known of it"
    );
    assert!(scene.backend.group(&by_hand.group.id).await.is_ok());
    assert!(scene.backend.role(&by_hand.role.id).await.is_ok());
}

#[tokio::test]
async fn kestras_own_roles_are_nobodys_to_take_over() {
    let scene = Scene::with(json!({"guardrails": {"unrestricted": true, "adoption": ["*"]}})).await;
    let before = scene
        .backend
        .role(&scene.role_id("Viewer").await)
        .await
        .unwrap();
    let spec = json!({
        "adoptionPolicy": "TakeOver", "roleName": "Viewer", "permissions": {"FLOW": ["DELETE"]},
    });
    scene.apply("Role", "viewer", spec).await;
    scene.complaint("krole", "viewer", "NameConflict").await;
    let after = scene.backend.role(&before.id).await.unwrap();
    assert_eq!(after.permissions, before.permissions);
    let object = scene.get("krole", "viewer").await.unwrap();
    assert!(object["metadata"]["finalizers"].is_null(), "{object:#}");
}

#[tokio::test]
async fn two_objects_that_want_one_name_do_not_share_it() {
    let scene = Scene::new().await;
    let (role, bots) = (scene.unique("r"), scene.unique("g"));
    for name in ["one", "two"] {
        let spec = json!({"roleName": role, "permissions": {"FLOW": ["READ"]}});
        scene.apply("Role", name, spec).await;
        scene.apply("Group", name, json!({"groupName": bots})).await;
        let spec = json!({"accountName": scene.unique("a")});
        scene.apply("ServiceAccount", name, spec).await;
    }
    for kind in ["ksa", "kgrp", "krole"] {
        let mut reasons = Vec::new();
        for name in ["one", "two"] {
            let told = |object: &Value| {
                let ready = find(object, "Ready");
                ready["status"] == "True" || ready["reason"] == "NameConflict"
            };
            let object = scene.until(kind, name, "its turn", told).await;
            reasons.push(find(&object, "Ready")["reason"].clone());
        }
        let second = usize::from(reasons[0] == "Synced");
        reasons.sort_by_key(Value::to_string);
        assert_eq!(reasons, ["NameConflict", "Synced"], "{kind}");
        // Whoever follows the advice must not take the other object's thing away.
        let advised = |object: &Value| {
            let said = find(object, "Ready")["message"].to_string();
            said.contains("another object of this cluster") && !said.contains("delete")
        };
        let (name, fact) = (["one", "two"][second], "advised another name");
        scene.until(kind, name, fact, advised).await;
    }
    let found = scene.backend.find_role(&role).await;
    assert!(found.unwrap().is_some(), "one, and no more than one");
}

#[tokio::test]
async fn whoever_lost_an_account_to_another_object_takes_its_tokens_along() {
    let scene = Scene::with(adopting()).await;
    let spec = |policy: &str| {
        json!({
            "accountName": scene.unique("a"), "adoptionPolicy": policy,
            "tokens": [{"name": "default", "lifetime": "10h"}],
        })
    };
    scene.apply("ServiceAccount", "one", spec("Never")).await;
    let id = scene.id("ksa", "one").await;
    let first = scene.value("one-default").await;
    scene.apply("ServiceAccount", "two", spec("TakeOver")).await;
    assert_eq!(scene.id("ksa", "two").await, id);
    let second = scene.value("two-default").await;
    scene.complaint("ksa", "one", "NameConflict").await;
    scene.delete("ksa", "one").await;
    assert!(!scene.works(&first).await, "it is in no Secret any more");
    assert!(scene.works(&second).await);
    scene.has_tokens(&id, 1).await;
}

#[tokio::test]
async fn what_another_cluster_took_over_is_not_fought_for() {
    let scene = Scene::swept().await;
    apply(&scene, "Never").await;
    let mut ids = Vec::new();
    for (kind, name) in OBJECTS {
        ids.push(scene.id(kind, name).await);
    }
    let theirs = "[kestra-iam.dev cluster=other object=Group/x/y uid=z]";
    let backend = &scene.backend;
    let group = group_request(&scene.unique("g"), theirs);
    backend
        .update_group(&ids[1].as_str().into(), &group)
        .await
        .unwrap();
    let role = role_request(&scene.unique("r"), theirs, json!({"FLOW": ["READ"]}));
    backend
        .update_role(&ids[2].as_str().into(), &role)
        .await
        .unwrap();
    for (kind, name) in &OBJECTS[1..] {
        let said = scene.complaint(kind, name, "NameConflict").await;
        let other = said.contains("an object of another cluster");
        assert!(other && !said.contains("delete"), "{said}");
        scene.delete(kind, name).await;
    }
    let group = backend.group(&ids[1].as_str().into()).await.unwrap();
    assert_eq!(group.description.as_deref(), Some(theirs));
    let role = backend.role(&ids[2].as_str().into()).await.unwrap();
    assert_eq!(role.description.as_deref(), Some(theirs));
}

#[tokio::test]
async fn the_operators_own_identity_is_never_touched() {
    let everything = json!({
        "guardrails": {"unrestricted": true, "adoption": ["*"], "allowSuperAdmin": true},
        "resync": {"objects": "1s", "tokens": "1h"},
    });
    let scene = Scene::with(everything).await;
    let me = scene.backend.me().await.unwrap();
    let name = me.profile.clone().unwrap().username.unwrap();
    let before = scene.backend.account(&me.id).await.unwrap();
    let spec = json!({
        "accountName": name, "adoptionPolicy": "TakeOver",
        "tokens": [{"name": "default", "lifetime": "1h"}],
    });
    scene.apply("ServiceAccount", "me", spec).await;
    let spec = json!({
        "roleRef": {"kind": "External", "name": "Viewer"},
        "subjects": [{"kind": "ExternalServiceAccount", "name": name}],
    });
    scene.apply("RoleBinding", "me", spec).await;
    for kind in ["ksa", "krb"] {
        let said = scene.complaint(kind, "me", "NotAllowed").await;
        assert!(said.contains("operator's own identity"), "{said}");
    }
    assert_eq!(scene.backend.account(&me.id).await.unwrap(), before);
    let bindings = scene.bindings(&principal(me.id.as_str())).await;
    assert!(!bindings.contains("Viewer@*"), "{bindings:?}");
}
