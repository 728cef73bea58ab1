//! How many tokens the objects of one namespace may have together.

use jiff::Timestamp;
use kube::ResourceExt;

use super::backend::Backend;
use super::kind::{Kind, Pass, instance_key};
use super::outcome::Blocked;
use crate::api::ServiceAccount;

/// Whether the tokens of this account have a place. The oldest objects come first.
pub fn permitted(pass: &Pass<ServiceAccount>, backend: &Backend) -> Result<(), Blocked> {
    let own = pass.object.spec.tokens.len();
    if own == 0 {
        return Ok(());
    }
    let place = before(pass, backend) + own;
    backend
        .guard(pass.namespace())
        .token_count(place)
        .map_err(Blocked::from)
}

/// The tokens of older objects of the namespace at the same instance.
pub fn before<K: Kind>(pass: &Pass<K>, backend: &Backend) -> usize {
    let limited = backend
        .guardrails
        .as_ref()
        .is_some_and(|rules| rules.tokens_per_namespace.is_some());
    if !limited {
        return 0;
    }
    let me = age(&pass.object);
    let accounts = pass.context.stores.service_accounts.state();
    let accounts = accounts
        .iter()
        .filter(|other| counts(pass, &***other) && age(&***other) < me);
    let tokens = pass.context.stores.api_tokens.state();
    let tokens = tokens
        .iter()
        .filter(|other| counts(pass, &***other) && age(&***other) < me);
    accounts
        .map(|account| account.spec.tokens.len())
        .sum::<usize>()
        + tokens.count()
}

fn counts<K: Kind, O: Kind>(pass: &Pass<K>, other: &O) -> bool {
    other.meta().namespace.as_deref() == Some(pass.namespace())
        && instance_key(other.instance_ref(), pass.namespace()) == pass.instance_key()
}

fn age<K: Kind>(object: &K) -> (Option<Timestamp>, Option<String>) {
    (object.creation_timestamp().map(|time| time.0), object.uid())
}
