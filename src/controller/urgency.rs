//! What is known of an object before its backend is asked, so that the most urgent may go first.

use super::context::Context;
use super::kind::{Kind, Known, key_of};
use crate::api::token_status::TokenStatus;
use crate::plan::token::Requests;
use crate::plan::urgency::{News, Supply, Urgency, urgency};

/// How much a pass over the object matters now.
pub(super) fn of<K: Kind>(context: &Context, object: &K) -> Urgency {
    let (key, tokens) = (key_of(object), object.tokens());
    let secrets = context.secrets_of.get(&key);
    let supply = |known: &Known<'_>| {
        let name = known.token.secret_name.as_ref();
        let is_there = name.is_none_or(|name| secrets.contains(name));
        let memory = context.memory.entry(&key, known.entry);
        if is_there && memory.refused_since.is_none() {
            Supply::Working
        } else {
            Supply::Broken
        }
    };
    let states = tokens.iter().map(|known| (known.token, supply(known)));
    urgency(news(object, &tokens), states, context.clock.now())
}

fn news<K: Kind>(object: &K, tokens: &[Known<'_>]) -> News {
    let seen = object.status().and_then(|status| K::conditions(status).1);
    let is_leaving = object.meta().deletion_timestamp.is_some();
    if tokens
        .iter()
        .any(|known| is_leaked(known.token, &known.requests))
    {
        News::Compromised
    } else if is_leaving || seen != object.meta().generation || tokens.iter().any(is_ordered) {
        News::Asked
    } else {
        News::None
    }
}

fn is_leaked(token: &TokenStatus, requests: &Requests) -> bool {
    requests.compromised.is_some() && requests.compromised != token.handled_compromised
}

fn is_ordered(known: &Known<'_>) -> bool {
    let asked = &known.requests.rotate;
    asked.is_some() && *asked != known.token.handled_rotate_request
}
