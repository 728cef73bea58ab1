//! The API server with our definitions, and what it says about objects.

use kestra_iam_operator::api::crds;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind, Status};
use serde_json::Value;
use testbed::{ControlPlane, Namespace, wait_for};
use tokio::sync::OnceCell;

static INSTALLED: OnceCell<()> = OnceCell::const_new();

/// The shared API server with our definitions, and a namespace of the test's own.
pub(crate) struct Cluster {
    pub(crate) control: &'static ControlPlane,
    pub(crate) client: kube::Client,
    pub(crate) namespace: Namespace<'static>,
}

impl Cluster {
    pub(crate) async fn new(prefix: &str) -> Self {
        let control = ControlPlane::shared().await;
        INSTALLED.get_or_init(|| install(control)).await;
        let client = control.client().await.unwrap();
        let namespace = control.namespace(prefix).await.unwrap();
        Self {
            control,
            client,
            namespace,
        }
    }

    /// What the API server would store for `object`, or what it says about it.
    pub(crate) async fn create_dry(&self, object: &Value) -> Result<DynamicObject, String> {
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
        refusal(self.api(&object).create(&params, &object).await)
    }

    pub(crate) async fn create(&self, object: &Value) -> DynamicObject {
        let object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
        self.api(&object)
            .create(&PostParams::default(), &object)
            .await
            .unwrap()
    }

    /// What the API server would store for `object` after a merge patch, or what it says about it.
    pub(crate) async fn patch_dry(
        &self,
        object: &DynamicObject,
        patch: &Value,
    ) -> Result<DynamicObject, String> {
        let params = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        let name = object.metadata.name.as_deref().unwrap();
        refusal(
            self.api(object)
                .patch(name, &params, &Patch::Merge(patch))
                .await,
        )
    }

    fn api(&self, object: &DynamicObject) -> Api<DynamicObject> {
        let types = object.types.clone().unwrap();
        let gvk = GroupVersionKind::try_from(&types).unwrap();
        let resource = ApiResource::from_gvk(&gvk);
        if types.kind == "ClusterInstance" {
            Api::all_with(self.client.clone(), &resource)
        } else {
            Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
        }
    }

    pub(crate) async fn kubectl(&self, args: &[&str]) -> String {
        self.kubectl_with(args, "").await
    }

    /// kubectl in the test's namespace with `stdin` as its input.
    pub(crate) async fn kubectl_with(&self, args: &[&str], stdin: &str) -> String {
        let args = [&["--namespace", &*self.namespace], args].concat();
        self.control.kubectl(&args, stdin).await.unwrap()
    }
}

async fn install(control: &ControlPlane) {
    let yaml = kestra_iam_operator::api::to_yaml(&crds()).unwrap();
    control
        .kubectl(&["apply", "--server-side", "-f", "-"], &yaml)
        .await
        .unwrap();
    for crd in crds() {
        let name = crd.metadata.name.unwrap();
        wait_for("a definition to be served", async || {
            let names = ["get", &name, "--all-namespaces"];
            control.kubectl(&names, "").await.ok()
        })
        .await
        .unwrap();
    }
}

/// What the server adds when it leaves out the rules because of an error before them.
const STOPPED: &str = "some validation rules were not checked because the object was invalid";

/// Turns a refusal into its causes, each a line `field: message`.
fn refusal(answer: kube::Result<DynamicObject>) -> Result<DynamicObject, String> {
    answer.map_err(|error| match error {
        kube::Error::Api(status) => causes(&status),
        error => panic!("no answer: {error}"),
    })
}

fn causes(status: &Status) -> String {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let told: Vec<String> = causes
        .filter(|cause| !cause.message.contains(STOPPED))
        .map(|cause| format!("{}: {}", cause.field, cause.message))
        .collect();
    if told.is_empty() {
        return status.message.clone();
    }
    told.join("\n")
}
