//! What is known of an object before its backend is asked, so that the most urgent may go first.

use super::context::Context;
use super::kind::{Kind, key_of};
use crate::api::token_status::TokenStatus;
use crate::plan::token::Requests;
use crate::plan::urgency::{News, Supply, Urgency, urgency};

/// How much a pass over the object matters now.
pub(super) fn of<K: Kind>(context: &Context, object: &K) -> Urgency {
    let key = key_of(object);
    let tokens = object.status().map(K::tokens).unwrap_or_default();
    let secrets = context.secrets_of.get(&key);
    let supply = |entry: &str, token: &TokenStatus| {
        let name = token.secret_name.as_ref();
        let is_there = name.is_none_or(|name| secrets.contains(name));
        let memory = context.memory.entry(&key, entry);
        if is_there && memory.refused_since.is_none() {
            Supply::Working
        } else {
            Supply::Broken
        }
    };
    let states = tokens
        .iter()
        .map(|&(entry, token)| (token, supply(entry, token)));
    urgency(news(object, &tokens), states, context.clock.now())
}

fn news<K: Kind>(object: &K, tokens: &[(&str, &TokenStatus)]) -> News {
    let seen = object.status().and_then(|status| K::conditions(status).1);
    let is_leaving = object.meta().deletion_timestamp.is_some();
    let any = |holds: fn(&TokenStatus, &Requests) -> bool| {
        let mut tokens = tokens.iter();
        tokens.any(|(entry, token)| holds(token, &object.requests(entry)))
    };
    if any(is_leaked) {
        News::Compromised
    } else if is_leaving || seen != object.meta().generation || any(is_ordered) {
        News::Asked
    } else {
        News::None
    }
}

fn is_leaked(token: &TokenStatus, requests: &Requests) -> bool {
    requests.compromised.is_some() && requests.compromised != token.handled_compromised
}

fn is_ordered(token: &TokenStatus, requests: &Requests) -> bool {
    requests.rotate.is_some() && requests.rotate != token.handled_rotate_request
}
