//! What tests see and do at the backend, and to objects.

use std::collections::BTreeSet;
use std::time::Duration;

use kestra_iam_operator::iam::client::{Account, AccountSpec, Error, NewToken, Owner, Subject};
use kestra_iam_operator::iam::model::{GroupId, PrincipalId, RoleId, TokenValue};
use kestra_iam_operator::iam::wire::{BindingRequest, Group, GroupRequest, Role, RoleRequest};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use testbed::wait_for;

use crate::gate::Gate;
use crate::scene::{Scene, find};
use crate::world::World;

impl Scene {
    /// In the shared world, with an instance that allows everything and is swept every second.
    pub async fn swept() -> Self {
        Self::with(json!({
            "guardrails": {"unrestricted": true}, "resync": {"objects": "1s", "tokens": "1h"},
        }))
        .await
    }

    /// In the shared world behind a gate, with these fields of the instance.
    pub async fn behind_gate(fields: Value) -> (Self, Gate) {
        let scene = Self::inside(World::shared().await).await;
        let gate = Gate::to(scene.world.server.url()).await;
        let mut all = json!({"url": gate.url()});
        all.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        scene.connect(all).await;
        (scene, gate)
    }

    /// A name that no other test has.
    pub fn unique(&self, name: &str) -> String {
        format!("{}-{name}", self.namespace)
    }

    /// Waits for a fact about whatever the test looks at.
    pub async fn wait<T>(&self, what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
        match wait_for(what, look).await {
            Ok(found) => found,
            Err(error) => panic!("{error:#}\n{}", self.world.operator.tail()),
        }
    }

    /// Merges fields into an object of the user's namespace, or into the instance.
    pub async fn patch(&self, kind: &str, name: &str, fields: Value) {
        let api = self.api(kind).unwrap();
        let (parameters, patch) = (PatchParams::default(), Patch::Merge(&fields));
        api.patch(name, &parameters, &patch).await.unwrap();
    }

    /// Suspends an object, and waits until it says so.
    pub async fn suspend(&self, kind: &str, name: &str) -> Value {
        self.patch(kind, name, json!({"spec": {"suspend": true}}))
            .await;
        self.condition(kind, name, "Suspended", "True", "Suspended")
            .await
    }

    /// Ends the suspension of an object.
    pub async fn resume(&self, kind: &str, name: &str) {
        self.patch(kind, name, json!({"spec": {"suspend": false}}))
            .await;
    }

    /// Merges fields into the instance's spec.
    pub async fn patch_instance(&self, fields: Value) {
        self.patch("kci", &self.instance, json!({"spec": fields}))
            .await;
    }

    /// Deletes an object, and does not wait for its end.
    pub async fn begin_delete(&self, kind: &str, name: &str) {
        let api = self.api(kind).unwrap();
        api.delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Deletes an object and waits until it is gone.
    pub async fn delete(&self, kind: &str, name: &str) {
        self.begin_delete(kind, name).await;
        self.gone(kind, name).await;
    }

    /// The id that a ready object has at the backend.
    pub async fn id(&self, kind: &str, name: &str) -> String {
        let object = self.ready(kind, name).await;
        object["status"]["id"].as_str().unwrap().to_owned()
    }

    /// The message of an object's `Ready` condition, once it is false for this reason.
    pub async fn complaint(&self, kind: &str, name: &str, reason: &str) -> String {
        let object = self.condition(kind, name, "Ready", "False", reason).await;
        find(&object, "Ready")["message"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// The effective roles of an account: name, Kestra namespace (`*` = the tenant), and whether directly or by a group.
    pub async fn effective(&self, account: &str) -> BTreeSet<String> {
        let access = self.backend.access(&account.into()).await;
        let roles = access.map(|access| access.roles).unwrap_or_default();
        let roles = roles.into_iter().map(|role| {
            let (name, scope) = (role.name.unwrap_or_default(), role.namespace);
            let origin = json!(role.origin);
            let origin = origin.as_str().unwrap_or("?");
            format!("{name}@{} {origin}", scope.as_deref().unwrap_or("*"))
        });
        roles.collect()
    }

    /// Waits until an account has exactly these effective roles.
    pub async fn has_effective(&self, account: &str, expected: &[&str]) {
        let expected: BTreeSet<String> = expected.iter().map(|&role| role.to_owned()).collect();
        let mut last = BTreeSet::new();
        let found = wait_for("the effective roles", async || {
            last = self.effective(account).await;
            (last == expected).then_some(())
        });
        assert!(
            found.await.is_ok(),
            "{last:?}, not {expected:?}\n{}",
            self.world.operator.tail()
        );
    }

    /// The bindings of a subject: role and Kestra namespace.
    pub async fn bindings(&self, subject: &Subject) -> BTreeSet<String> {
        let bindings = self.backend.bindings_of(subject).await.unwrap();
        let bindings = bindings.into_iter().map(|binding| {
            let scope = binding.scope().unwrap_or("*").to_owned();
            let role = binding.role.and_then(|role| role.name).unwrap_or_default();
            format!("{role}@{scope}")
        });
        bindings.collect()
    }

    /// Waits until a subject has exactly these bindings.
    pub async fn has_bindings(&self, subject: &Subject, expected: &[&str]) {
        let expected: BTreeSet<String> = expected.iter().map(|&role| role.to_owned()).collect();
        self.wait(&format!("bindings {expected:?}"), async || {
            (self.bindings(subject).await == expected).then_some(())
        })
        .await;
    }

    /// Waits until an account is in exactly these groups, by id.
    pub async fn is_in(&self, account: &str, expected: &[&GroupId]) {
        let expected: BTreeSet<&str> = expected.iter().map(|group| group.as_str()).collect();
        let what = format!("account {account} in groups {expected:?}");
        self.wait(&what, async || {
            let groups = self.backend.access(&account.into()).await.ok()?.groups;
            let present: BTreeSet<&str> = groups.iter().map(|group| group.id.as_str()).collect();
            (present == expected).then_some(())
        })
        .await;
    }

    /// Somebody makes an account by hand.
    pub async fn account_by_hand(&self, name: &str, description: &str) -> Account {
        let spec = AccountSpec {
            name: name.to_owned(),
            description: Some(description.to_owned()),
            groups: Vec::new(),
        };
        self.backend.create_account(&spec).await.unwrap()
    }

    /// Somebody makes a group by hand.
    pub async fn group_by_hand(&self, name: &str, description: &str) -> Group {
        let request = group_request(name, description);
        self.backend.create_group(&request).await.unwrap()
    }

    /// Somebody makes a role by hand.
    pub async fn role_by_hand(&self, name: &str, permissions: Value) -> Role {
        let request = role_request(name, "by hand", permissions);
        self.backend.create_role(&request).await.unwrap()
    }

    /// Somebody grants a role in the whole tenant by hand.
    pub async fn grant_by_hand(&self, subject: &Subject, role: &RoleId) {
        let request = BindingRequest {
            kind: subject.kind(),
            external_id: subject.id().to_owned(),
            role_id: role.clone(),
            namespace_id: None,
        };
        self.backend.create_binding(&request).await.unwrap();
    }

    /// Somebody issues a token by hand.
    pub async fn issue(&self, account: &PrincipalId, lifetime: Duration) -> TokenValue {
        let request = NewToken {
            name: "by-hand".to_owned(),
            description: String::new(),
            lifetime: Some(lifetime),
            extended: false,
        };
        let owner = Owner::Account(account.clone());
        let issued = self.backend.issue_token(&owner, &request).await.unwrap();
        issued.full_token
    }

    /// The backend's uuid.
    pub async fn uuid(&self) -> String {
        let configs = self.backend.configs().await.unwrap();
        configs.uuid.unwrap()
    }

    /// The id of a role by its name.
    pub async fn role_id(&self, name: &str) -> RoleId {
        self.backend.find_role(name).await.unwrap().unwrap().id
    }

    /// Makes a user with access to the tenant. `fields` are further members of the request.
    pub async fn user(&self, email: &str, fields: Value) -> PrincipalId {
        let mut body = json!({"email": email, "tenants": ["main"]});
        body.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/api/v1/users", self.world.server.url());
        let request = client
            .post(url)
            .bearer_auth(self.world.server.admin_token());
        let answer = request.json(&body).send().await.unwrap();
        let user: Value = answer.error_for_status().unwrap().json().await.unwrap();
        user["id"].as_str().unwrap().into()
    }

    /// Deletes a user.
    pub async fn delete_user(&self, id: &PrincipalId) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/api/v1/users/{}", self.world.server.url(), id.as_str());
        let request = client
            .delete(url)
            .bearer_auth(self.world.server.admin_token());
        request.send().await.unwrap().error_for_status().unwrap();
    }
}

/// A request for a group.
pub fn group_request(name: &str, description: &str) -> GroupRequest {
    GroupRequest {
        name: Some(name.to_owned()),
        description: Some(description.to_owned()),
        members_id: None,
    }
}

/// A request for a role.
pub fn role_request(name: &str, description: &str, permissions: Value) -> RoleRequest {
    RoleRequest {
        name: Some(name.to_owned()),
        description: Some(description.to_owned()),
        permissions: Some(serde_json::from_value(permissions).unwrap()),
        is_default: None,
    }
}

/// Whether the backend says that something is not there.
pub fn is_gone<T>(answer: &Result<T, Error>) -> bool {
    matches!(answer, Err(Error::Gone { .. }))
}

/// An account as the subject of a binding.
pub fn principal(id: &str) -> Subject {
    Subject::Principal(id.into())
}

/// A group as the subject of a binding.
pub fn group(id: &str) -> Subject {
    Subject::Group(id.into())
}
