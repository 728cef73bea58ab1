//! What every test needs: a place in a world, and words to look at it.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kestra_iam_operator::clock::Clock;
use kestra_iam_operator::iam::client::{Check, Client as Backend, Config, Credential};
use kestra_iam_operator::iam::model::TokenValue;
use kube::api::{Api, DeleteParams, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use testbed::{IamServer, wait_for};
use tokio::sync::{Mutex, MutexGuard};

use crate::world::{HOME, World};

/// One test's place in a world: a namespace and a `ClusterInstance` that allows nobody else.
pub struct Scene {
    pub world: Arc<World>,
    kube: kube::Client,
    /// An administrator's view of the backend.
    pub backend: Backend,
    /// The backend's address.
    pub url: String,
    /// An administrator's token there.
    pub admin: String,
    pub namespace: String,
    /// The instance's name.
    pub instance: String,
}

impl Scene {
    /// In the shared world, with an instance that allows everything.
    pub async fn new() -> Self {
        Self::with(json!({"guardrails": {"unrestricted": true}})).await
    }

    /// In the shared world, with these fields of the instance.
    pub async fn with(fields: Value) -> Self {
        let scene = Self::inside(World::shared().await).await;
        scene.connect(fields).await;
        scene
    }

    /// In the second cluster, with an instance that allows everything. The operator there is the test's alone for as long
    /// as the turn is kept.
    pub async fn private() -> (MutexGuard<'static, ()>, Self) {
        static TURN: Mutex<()> = Mutex::const_new(());
        let turn = TURN.lock().await;
        let scene = Self::inside(World::private().await).await;
        scene
            .connect(json!({"guardrails": {"unrestricted": true, "adoption": ["*"]}}))
            .await;
        (turn, scene)
    }

    /// In the cluster with the brake, with an instance that allows everything. The operator there is the test's alone for
    /// as long as the turn is kept.
    pub async fn braked() -> (MutexGuard<'static, ()>, Self) {
        static TURN: Mutex<()> = Mutex::const_new(());
        let turn = TURN.lock().await;
        let scene = Self::inside(World::braked().await).await;
        scene
            .connect(json!({"guardrails": {"unrestricted": true}}))
            .await;
        (turn, scene)
    }

    /// In the shared world, but with a server of its own and an instance that allows everything.
    pub async fn at(server: &IamServer, fields: Value) -> Self {
        let world = World::shared().await;
        let scene = Self::of(world, server.url(), server.admin_token(), None).await;
        let mut all = json!({"guardrails": {"unrestricted": true}});
        merge(&mut all, fields);
        scene.connect(all).await;
        scene
    }

    /// A namespace, and nothing else yet.
    pub async fn inside(world: Arc<World>) -> Self {
        let (url, admin) = (world.server.url(), world.server.admin_token());
        let (url, admin) = (url.to_owned(), admin.to_owned());
        Self::of(world, &url, &admin, None).await
    }

    /// A namespace and a view of the backend at `url`, and nothing else yet.
    pub async fn of(world: Arc<World>, url: &str, admin: &str, ca: Option<&str>) -> Self {
        let namespace = world.plane.namespace("team").await.unwrap().to_string();
        let credential = Credential::Bearer(TokenValue::new(admin.to_owned()));
        let mut config = Config::new(url, "main", credential, Clock::system());
        config.requests_per_second = 10_000;
        config.ca = ca.map(|ca| ca.as_bytes().to_vec());
        Self {
            backend: Backend::new(&config).unwrap(),
            kube: world.plane.client().await.unwrap(),
            url: url.to_owned(),
            admin: admin.to_owned(),
            instance: namespace.clone(),
            namespace,
            world,
        }
    }

    /// The operator's credential and the instance.
    pub async fn connect(&self, fields: Value) {
        self.put_credential(&self.admin).await;
        self.world.apply(&self.instance(fields)).await;
    }

    /// Writes the Secret that the instance takes its credential from.
    pub async fn put_credential(&self, token: &str) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": self.instance, "namespace": HOME},
            "stringData": {"token": token},
        });
        self.world.apply(&secret).await;
    }

    /// The instance with these fields besides the usual ones.
    pub fn instance(&self, fields: Value) -> Value {
        let mut spec = json!({
            "url": self.url,
            "credentials": {"secretRef": {"name": self.instance}},
            "allowedNamespaces": {"names": [self.namespace]},
            "lastUsedGranularity": "1s",
        });
        merge(&mut spec, fields);
        json!({
            "apiVersion": "kestra-iam.dev/v1alpha1", "kind": "ClusterInstance",
            "metadata": {"name": self.instance}, "spec": spec,
        })
    }

    /// An object of the user's namespace that refers to the instance.
    pub fn object(&self, kind: &str, name: &str, spec: Value) -> Value {
        let mut all = json!({"instanceRef": {"name": self.instance}});
        merge(&mut all, spec);
        json!({
            "apiVersion": "kestra-iam.dev/v1alpha1", "kind": kind,
            "metadata": {"name": name, "namespace": self.namespace}, "spec": all,
        })
    }

    /// Applies an object of the user's namespace.
    pub async fn apply(&self, kind: &str, name: &str, spec: Value) {
        self.world.apply(&self.object(kind, name, spec)).await;
    }

    /// kubectl in the user's namespace.
    pub async fn kubectl(&self, args: &[&str]) -> String {
        self.world
            .kubectl(&[args, &["-n", &self.namespace]].concat(), "")
            .await
    }

    /// An object as it is. `kind` is as kubectl takes it; what is looked at often is read without kubectl.
    pub async fn get(&self, kind: &str, name: &str) -> Option<Value> {
        if let Some(api) = self.api(kind) {
            let object = api.get_opt(name).await.unwrap();
            return object.map(|object| serde_json::to_value(object).unwrap());
        }
        let text = self
            .kubectl(&["get", kind, name, "-o", "json", "--ignore-not-found"])
            .await;
        serde_json::from_str(&text).ok()
    }

    /// The API of a kind that tests look at often.
    pub fn api(&self, kind: &str) -> Option<Api<DynamicObject>> {
        let ours = |kind: &str| {
            let gvk = GroupVersionKind::gvk("kestra-iam.dev", "v1alpha1", kind);
            ApiResource::from_gvk(&gvk)
        };
        let resource = match kind {
            "secret" => ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Secret")),
            "ksa" | "ServiceAccount" => ours("ServiceAccount"),
            "kgrp" | "Group" => ours("Group"),
            "krole" | "Role" => ours("Role"),
            "krb" | "RoleBinding" => ours("RoleBinding"),
            "ktok" | "ApiToken" => ours("ApiToken"),
            "ki" | "Instance" => ours("Instance"),
            "kci" | "ClusterInstance" => {
                return Some(Api::all_with(self.kube.clone(), &ours("ClusterInstance")));
            }
            _ => return None,
        };
        let client = self.kube.clone();
        Some(Api::namespaced_with(client, &self.namespace, &resource))
    }

    /// Waits for a fact about an object, and gives the object.
    pub async fn until(
        &self,
        kind: &str,
        name: &str,
        fact: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut last = Value::Null;
        let what = format!("{kind} {name}: {fact}");
        let found = wait_for(&what, async || {
            last = self.get(kind, name).await.unwrap_or_default();
            holds(&last).then(|| last.clone())
        });
        match found.await {
            Ok(object) => object,
            Err(error) => panic!("{error:#}\n{last:#}\n{}", self.world.operator.tail()),
        }
    }

    /// Waits until a condition is so for the spec as it is.
    pub async fn condition(
        &self,
        kind: &str,
        name: &str,
        condition: &str,
        status: &str,
        reason: &str,
    ) -> Value {
        let fact = format!("{condition}={status}/{reason}");
        let holds = |object: &Value| {
            let found = find(object, condition);
            let current =
                object["status"]["observedGeneration"] == object["metadata"]["generation"];
            current && found["status"] == status && (reason.is_empty() || found["reason"] == reason)
        };
        self.until(kind, name, &fact, holds).await
    }

    /// Waits until it is ready.
    pub async fn ready(&self, kind: &str, name: &str) -> Value {
        self.condition(kind, name, "Ready", "True", "").await
    }

    /// Waits until it is gone.
    pub async fn gone(&self, kind: &str, name: &str) {
        self.until(kind, name, "is gone", Value::is_null).await;
    }

    /// The value in a Secret, once it is there.
    pub async fn value(&self, secret: &str) -> TokenValue {
        let object = self
            .until("secret", secret, "holds a token", |object| {
                object["data"]["token"].is_string()
            })
            .await;
        decode(&object)
    }

    /// Waits until a Secret holds another value than this.
    pub async fn other_value(&self, secret: &str, old: &TokenValue) -> TokenValue {
        let is_other = |object: &Value| {
            object["data"]["token"].is_string() && decode(object).expose() != old.expose()
        };
        decode(
            &self
                .until("secret", secret, "holds another token", is_other)
                .await,
        )
    }

    /// Whether a value authenticates.
    pub async fn works(&self, value: &TokenValue) -> bool {
        matches!(self.backend.check(value).await.unwrap(), Check::Works(_))
    }

    /// Waits until a value is refused.
    pub async fn refused(&self, what: &str, value: &TokenValue) {
        let what = format!("{what} to be refused");
        let refused = wait_for(&what, async || (!self.works(value).await).then_some(()));
        if let Err(error) = refused.await {
            panic!("{error:#}\n{}", self.world.operator.tail());
        }
    }
}

/// The instance goes with the test: it would be swept for ever.
impl Drop for Scene {
    fn drop(&mut self) {
        let (world, instance) = (Arc::clone(&self.world), self.instance.clone());
        let delete = async move {
            let gvk = GroupVersionKind::gvk("kestra-iam.dev", "v1alpha1", "ClusterInstance");
            let resource = ApiResource::from_gvk(&gvk);
            if let Ok(client) = world.plane.client().await {
                let instances: Api<DynamicObject> = Api::all_with(client, &resource);
                let _ = instances.delete(&instance, &DeleteParams::default()).await;
            }
        };
        // The test's runtime ends with the test, and no thread may outlive the last of them.
        let deleting = std::thread::spawn(|| {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build();
            runtime.map(|runtime| runtime.block_on(delete))
        });
        let _ = deleting.join();
    }
}

/// A condition of an object.
pub fn find(object: &Value, condition: &str) -> Value {
    let conditions = object["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions
        .find(|found| found["type"] == condition)
        .cloned()
        .unwrap_or_default()
}

fn decode(secret: &Value) -> TokenValue {
    let bytes = STANDARD
        .decode(secret["data"]["token"].as_str().unwrap())
        .unwrap();
    TokenValue::new(String::from_utf8(bytes).unwrap())
}

fn merge(into: &mut Value, from: Value) {
    if let Value::Object(fields) = from {
        for (name, value) in fields {
            into[name] = value;
        }
    }
}
