//! What the kinds' schemas share: CEL rules, list types, names.
//!
//! A rule's message says what to write instead; the server prints the field's path in front of it. `maxLength` is
//! well above what a rule refuses, because the server skips the rules of a text that is longer than that.

use schemars::Schema;
use serde_json::{Value, json};

use super::duration::GRAMMAR;

const SET_ONCE: &str = "is set once: delete the object and create it anew to change this";

/// The grammar of most Kubernetes names, a DNS subdomain.
const SUBDOMAIN: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/// Adds the CEL rule `rule`, which refuses with `message`.
pub(super) fn must(rule: impl Into<String>, message: impl Into<String>) -> impl Fn(&mut Schema) {
    let rule = json!({"rule": rule.into(), "message": message.into()});
    move |schema| push_rule(schema, rule.clone())
}

/// As [`must`], for a rule about the member `path` (such as `.accountName`) of the object that carries the rule.
pub(super) fn must_at(
    path: impl Into<String>,
    rule: impl Into<String>,
    message: impl Into<String>,
) -> impl Fn(&mut Schema) {
    let rule = json!({"rule": rule.into(), "message": message.into(), "fieldPath": path.into()});
    move |schema| push_rule(schema, rule.clone())
}

/// Refuses to set, change or unset the optional member `field` after the object was created.
///
/// The rule sits one level up because transition rules on the member itself do not run from unset to set.
pub(super) fn set_once(field: &str) -> impl Fn(&mut Schema) {
    must_at(
        format!(".{field}"),
        format!(
            "has(self.{field}) == has(oldSelf.{field}) && \
             (!has(self.{field}) || self.{field} == oldSelf.{field})"
        ),
        SET_ONCE,
    )
}

/// Refuses a change of a member that is always there.
pub(super) fn unchanged(schema: &mut Schema) {
    must("self == oldSelf", SET_ONCE)(schema);
}

/// Refuses durations shorter than `least`.
pub(super) fn at_least(least: &str) -> impl Fn(&mut Schema) {
    must(
        format!("!self.matches('{GRAMMAR}') || duration(self) >= duration('{least}')"),
        format!("is at least {least}"),
    )
}

/// Refuses durations longer than `most`.
pub(super) fn at_most(most: &str) -> impl Fn(&mut Schema) {
    must(
        format!("!self.matches('{GRAMMAR}') || duration(self) <= duration('{most}')"),
        format!("is at most {most}"),
    )
}

/// CEL that is false only if the durations `left` and `right` are both there and well-formed, and `relation` between
/// `<left>` and `<right>` does not hold. Their parents have to be there.
pub(super) fn durations_hold(left: &str, right: &str, relation: &str) -> String {
    let relation = relation
        .replace("<left>", &format!("duration({left})"))
        .replace("<right>", &format!("duration({right})"));
    format!(
        "!has({left}) || !has({right}) || !{left}.matches('{GRAMMAR}') || \
         !{right}.matches('{GRAMMAR}') || {relation}"
    )
}

/// A list whose items are known by `keys`, so that server-side apply merges it item by item.
pub(super) fn list_map(keys: &'static [&'static str]) -> impl Fn(&mut Schema) {
    move |schema| {
        schema.insert("x-kubernetes-list-type".into(), json!("map"));
        schema.insert("x-kubernetes-list-map-keys".into(), json!(keys));
    }
}

/// A list of distinct scalars.
pub(super) fn list_set(schema: &mut Schema) {
    schema.insert("x-kubernetes-list-type".into(), json!("set"));
}

/// A list that is replaced as a whole.
pub(super) fn list_atomic(schema: &mut Schema) {
    schema.insert("x-kubernetes-list-type".into(), json!("atomic"));
}

/// Applies `edit` to the schema of a list's items.
pub(super) fn items(edit: impl Fn(&mut Schema)) -> impl Fn(&mut Schema) {
    move |schema| edit_member(schema, "items", &edit)
}

/// Applies `edit` to the schema of a map's values.
pub(super) fn values(edit: impl Fn(&mut Schema)) -> impl Fn(&mut Schema) {
    move |schema| edit_member(schema, "additionalProperties", &edit)
}

/// A name of the backend that may have any letters: a group's, a role's, a user's.
pub(super) fn free_text(schema: &mut Schema) {
    max_length(schema, 1024);
    must(
        r"self.size() <= 255 && self.matches(r'^[^\pZ\pC]([^\pC\p{Zl}\p{Zp}]*[^\pZ\pC])?$')",
        "write 1 to 255 characters on one line, without a space at the start or the end",
    )(schema);
}

/// A sentence for people.
pub(super) fn description(schema: &mut Schema) {
    max_length(schema, 4096);
    must(
        r"self.size() <= 1024 && self.matches(r'^[^\pC\p{Zl}\p{Zp}]*$')",
        "write at most 1024 characters on one line, without control characters",
    )(schema);
}

/// The name of a Kubernetes object.
pub(super) fn object_name(schema: &mut Schema) {
    max_length(schema, 512);
    must(
        format!("self.size() <= 253 && self.matches('{SUBDOMAIN}')"),
        "write the name of an object: at most 253 lower-case letters, digits, hyphens and dots",
    )(schema);
}

/// A name under which the backend knows an account or a token.
pub(super) fn account_name(schema: &mut Schema) {
    max_length(schema, 256);
    must(
        "self.size() <= 63 && self.matches('^[a-z0-9]+(-[a-z0-9]+)*$')",
        "write at most 63 lower-case letters, digits and single hyphens, \
         beginning and ending with a letter or digit",
    )(schema);
}

/// Kestra namespaces that a grant covers; an empty list is refused because it would silently mean the whole tenant.
pub(super) fn kestra_namespaces(schema: &mut Schema) {
    list_set(schema);
    must(
        "self.size() > 0",
        "name at least one Kestra namespace, or leave the list out for the whole tenant",
    )(schema);
    items(kestra_namespace)(schema);
}

fn kestra_namespace(schema: &mut Schema) {
    max_length(schema, 512);
    must(
        "self.size() <= 150 && self.matches('^[a-z0-9][a-z0-9_-]*([.][a-z0-9_-]+)*$')",
        "write a Kestra namespace such as company.team: \
         at most 150 lower-case letters, digits, '-', '_' and single dots",
    )(schema);
}

/// Sets `maxLength`.
pub(super) fn max_length(schema: &mut Schema, characters: u32) {
    schema.insert("maxLength".into(), json!(characters));
}

/// The rule of references whose `External` kinds name something of the backend and whose others an object.
pub(super) fn reference_name(schema: &mut Schema) {
    must_at(
        ".name",
        format!(
            "self.kind.startsWith('External') || \
             (self.name.size() <= 253 && self.name.matches('{SUBDOMAIN}'))"
        ),
        "write the name of an object, or an External kind for a name that only the backend knows",
    )(schema);
}

fn edit_member(schema: &mut Schema, member: &str, edit: &impl Fn(&mut Schema)) {
    let object = schema.ensure_object();
    let inner = object.remove(member).unwrap_or_else(|| json!({}));
    let Ok(mut inner) = Schema::try_from(inner) else {
        return;
    };
    edit(&mut inner);
    object.insert(member.to_owned(), inner.to_value());
}

fn push_rule(schema: &mut Schema, rule: Value) {
    let object = schema.ensure_object();
    let rules = object
        .entry("x-kubernetes-validations")
        .or_insert_with(|| json!([]));
    if let Value::Array(rules) = rules {
        rules.push(rule);
    }
}
