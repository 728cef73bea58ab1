//! Everything that anybody but the readers of Secrets can see.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ListParams};
use testbed::audit::Mark;

use crate::bench::Bench;

/// Lists of what is to hold no value.
const LISTS: [&str; 11] = [
    "/apis/kestra-iam.dev/v1alpha1/clusterinstances",
    "/apis/kestra-iam.dev/v1alpha1/instances",
    "/apis/kestra-iam.dev/v1alpha1/serviceaccounts",
    "/apis/kestra-iam.dev/v1alpha1/groups",
    "/apis/kestra-iam.dev/v1alpha1/roles",
    "/apis/kestra-iam.dev/v1alpha1/rolebindings",
    "/apis/kestra-iam.dev/v1alpha1/apitokens",
    "/apis/kestra-iam.dev/v1alpha1/revocations",
    "/apis/events.k8s.io/v1/events",
    "/apis/coordination.k8s.io/v1/leases",
    "/api/v1/configmaps",
];

/// All places with what is in them.
pub async fn places(bench: &Bench) -> Vec<(String, String)> {
    let mut places = vec![
        ("the server's log".to_owned(), bench.server.process().log()),
        ("the control plane's logs".to_owned(), bench.plane().logs()),
        ("the audit log".to_owned(), audited(bench)),
        ("the metadata of Secrets".to_owned(), metadata(bench).await),
    ];
    for operator in bench.operators() {
        places.push(("an operator's log".to_owned(), operator.process.log()));
        if let Some((_, metrics)) = operator.get("/metrics").await {
            places.push(("metrics".to_owned(), metrics));
        }
    }
    for list in LISTS {
        let request = axum::http::Request::get(list).body(Vec::new()).unwrap();
        let text = bench.kube().request_text(request).await.unwrap();
        places.push((list.to_owned(), text));
    }
    places
}

fn audited(bench: &Bench) -> String {
    let requests = bench.plane().audit().since(Mark::default()).unwrap();
    format!("{requests:?}")
}

async fn metadata(bench: &Bench) -> String {
    let all: Api<Secret> = Api::all(bench.kube().clone());
    let list = all.list_metadata(&ListParams::default()).await.unwrap();
    serde_json::to_string(&list.items).unwrap()
}

/// Whether eight characters in a row of a value, the six apart that the backend itself shows, are in a text, or the value
/// in base64. What is 15 characters long or more holds one of the pieces whole.
pub fn is_part_in(value: &str, text: &str) -> bool {
    let secret = value.as_bytes().get(6..).unwrap_or_default();
    let mut pieces = secret.chunks_exact(8);
    let in_clear = pieces.any(|piece| text.contains(&*String::from_utf8_lossy(piece)));
    in_clear || text.contains(&STANDARD.encode(value))
}
