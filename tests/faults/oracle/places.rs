//! Everything that anybody but the readers of Secrets can see.

use std::collections::{BTreeSet, HashMap};

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

/// Parts of values by which a leak is known: each eight characters of a value, the six apart that the backend itself shows,
/// and the value in base64. What is 15 characters long or more holds one of the first kind whole.
pub struct Pieces<'a>(HashMap<[u8; LENGTH], Vec<Piece<'a>>>);

const LENGTH: usize = 8;

struct Piece<'a> {
    value: &'a str,
    /// What has to stand there, from these eight bytes on.
    whole: Vec<u8>,
}

impl<'a> Pieces<'a> {
    /// Those of these values.
    pub fn of(values: impl IntoIterator<Item = &'a String>) -> Self {
        let mut pieces = Self(HashMap::new());
        for value in values {
            let secret = value.as_bytes().get(6..).unwrap_or_default();
            for piece in secret.chunks_exact(LENGTH) {
                pieces.add(value, piece.to_owned());
            }
            pieces.add(value, STANDARD.encode(value).into_bytes());
        }
        pieces
    }

    fn add(&mut self, value: &'a str, whole: Vec<u8>) {
        if let Some(start) = whole.first_chunk().copied() {
            let pieces = self.0.entry(start).or_default();
            pieces.push(Piece { value, whole });
        }
    }

    /// The values of which a part is in a text.
    pub fn found_in(&self, text: &str) -> BTreeSet<&'a str> {
        let text = text.as_bytes();
        let mut found = BTreeSet::new();
        for (place, window) in text.windows(LENGTH).enumerate() {
            let pieces = window.first_chunk().and_then(|start| self.0.get(start));
            let pieces = pieces.into_iter().flatten();
            let there = pieces.filter(|piece| text[place..].starts_with(&piece.whole));
            found.extend(there.map(|piece| piece.value));
        }
        found
    }
}
