//! Requests of the operator, named so that those of two runs can be told to be the same.

use std::collections::BTreeMap;
use std::fmt;

use testbed::gate::Request;

use crate::end_state::unnumbered;
use crate::gated::Gated;

/// Which server was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Api,
    Iam,
}

/// What was asked for, without ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    pub side: Side,
    what: String,
}

/// The nth request of a name, from 1 on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nth {
    pub name: Name,
    pub number: usize,
}

impl Nth {
    /// Whether it asked for a change.
    pub fn is_write(&self) -> bool {
        !self.name.what.starts_with("GET ")
    }
}

impl fmt::Display for Nth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, number } = self;
        write!(f, "{:?} {} (number {number})", name.side, name.what)
    }
}

impl Name {
    /// `None` for what belongs to no object: the Lease, watches, looks at instances, and sweeps of whole lists.
    pub fn of(side: Side, request: &Request) -> Option<Self> {
        let foreign = [
            "/leases",
            "/clusterinstances",
            "/secrets/credential",
            "/api/v1/configs",
            "/api/v1/me/",
            "/version",
        ];
        let is_foreign = foreign.iter().any(|part| request.path.contains(part));
        if is_foreign || request.is_watch() || is_sweep(request) {
            return None;
        }
        if request.path.contains("/apis/events.k8s.io/") {
            // The first of a series is created, the others are counted up: which one depends on the run before.
            let what = "WRITE an event".to_owned();
            return Some(Self { side, what });
        }
        let path: Vec<&str> = request.path.split('/').map(segment).collect();
        let mut what = format!("{} {}", request.method, path.join("/"));
        if !request.query.is_empty() {
            what.push('?');
            what.push_str(&request.query);
        }
        Some(Self { side, what })
    }
}

impl Name {
    /// How many requests of this name count.
    fn looks(&self) -> usize {
        let is_look_at = |part: &str| self.what.starts_with("GET ") && self.what.contains(part);
        if self.what.ends_with("GET /api/v1/me") {
            1
        } else if is_look_at("/apis/apps/v1/") || is_look_at("/pods?") {
            2
        } else {
            usize::MAX
        }
    }
}

fn is_sweep(request: &Request) -> bool {
    let lists = ["/service-accounts", "/search"];
    request.method == "GET" && lists.iter().any(|list| request.path.ends_with(list))
}

/// A part of a path, without a number at its end, or a word for it if it is an id of the backend.
fn segment(part: &str) -> &str {
    let is_plain = part
        .chars()
        .all(|c| c == '-' || c == '.' || c.is_lowercase());
    if part.len() >= 20 && !is_plain {
        "ID"
    } else {
        unnumbered(part)
    }
}

/// Where the record of both gates stands.
#[derive(Clone, Copy)]
pub struct Mark {
    api: usize,
    iam: usize,
}

impl Mark {
    pub fn now(gated: &Gated) -> Self {
        Self {
            api: gated.api.mark(),
            iam: gated.iam.mark(),
        }
    }

    /// All requests since, in no order. Of the looks at who one is the first is of a fresh token; later ones belong to
    /// instances. Workloads are looked at before they are rolled and after it, and then again and again for as long as
    /// time passes.
    pub fn since(self, gated: &Gated) -> Vec<Nth> {
        let of = |side, requests: Vec<Request>, mark: usize| {
            let requests = requests.into_iter().skip(mark);
            requests
                .filter_map(move |request| Name::of(side, &request))
                .collect::<Vec<_>>()
        };
        let api = of(Side::Api, gated.api.requests(), self.api);
        let iam = of(Side::Iam, gated.iam.requests(), self.iam);
        let mut counts = BTreeMap::new();
        let number = |name: Name| {
            let number = counts.entry(name.clone()).or_insert(0);
            *number += 1;
            Nth {
                name,
                number: *number,
            }
        };
        let all = api.into_iter().chain(iam).map(number);
        all.filter(|nth| nth.number <= nth.name.looks()).collect()
    }
}
