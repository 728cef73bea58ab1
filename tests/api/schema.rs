//! What holds for the schemas of all kinds.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kestra_iam_operator::api::crds;
use serde_json::Value;

use crate::tables;

/// A schema below the root of a kind, and where it is.
struct Place {
    path: String,
    schema: Value,
}

/// All schemas below a kind's root, without what Kubernetes brings along.
fn places(crd: &CustomResourceDefinition) -> Vec<Place> {
    let schema = crd.spec.versions[0]
        .schema
        .clone()
        .unwrap()
        .open_api_v3_schema
        .unwrap();
    let mut places = Vec::new();
    walk(
        &crd.spec.names.kind,
        &serde_json::to_value(schema).unwrap(),
        &mut places,
    );
    places.retain(|place| !place.path.contains(".selector."));
    places
}

fn walk(path: &str, schema: &Value, places: &mut Vec<Place>) {
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), member, places);
    }
    for (member, suffix) in [("items", "[]"), ("additionalProperties", ".*")] {
        if schema[member].is_object() {
            walk(&format!("{path}{suffix}"), &schema[member], places);
        }
    }
    places.push(Place {
        path: path.to_owned(),
        schema: schema.clone(),
    });
}

/// The places that break a rule.
fn breaking(broken: impl Fn(&Place) -> bool) -> Vec<String> {
    let places = crds().iter().flat_map(places).collect::<Vec<_>>();
    let broken = places.into_iter().filter(|place| broken(place));
    broken.map(|place| place.path).collect()
}

fn in_spec(place: &Place) -> bool {
    place.path.contains(".spec")
}

const NONE: [&str; 0] = [];

#[test]
fn every_field_is_described() {
    let undescribed = breaking(|place| {
        let is_item = place.path.ends_with("[]") || place.path.ends_with(".*");
        let text = place.schema["description"].as_str().unwrap_or_default();
        !is_item && text.len() < 10
    });
    assert_eq!(undescribed, NONE);
}

/// A reference with a namespace would let one namespace use what is another's. A `Revocation` is written by the operator
/// alone, and its object is gone.
#[test]
fn no_reference_names_a_namespace() {
    let fields = breaking(|place| {
        let is_namespace = place.path.to_lowercase().ends_with(".namespace");
        in_spec(place) && is_namespace && place.path != "Revocation.spec.object.namespace"
    });
    assert_eq!(fields, NONE);
}

/// Tools that apply from Git compare lists as a whole: a default that the server sets in an item is a difference to them.
#[test]
fn items_of_lists_have_no_defaults() {
    let fields = breaking(|place| place.path.contains("[]") && !place.schema["default"].is_null());
    assert_eq!(fields, NONE);
}

#[test]
fn every_list_says_how_it_is_merged() {
    let lists = breaking(|place| {
        in_spec(place)
            && place.schema["type"] == "array"
            && place.schema["x-kubernetes-list-type"].is_null()
    });
    assert_eq!(lists, NONE);
}

#[test]
fn everything_that_a_user_writes_is_bounded() {
    let unbounded = breaking(|place| {
        let schema = &place.schema;
        let bound = match schema["type"].as_str() {
            Some("string") if schema["enum"].is_array() => return false,
            Some("string") => "maxLength",
            Some("array") => "maxItems",
            Some("object") if schema["additionalProperties"].is_object() => "maxProperties",
            _ => return false,
        };
        in_spec(place) && schema[bound].is_null()
    });
    assert_eq!(unbounded, NONE);
}

/// Null would be a third state beside there and absent.
#[test]
fn nothing_is_nullable() {
    assert_eq!(breaking(|place| !place.schema["nullable"].is_null()), NONE);
}

#[test]
fn every_rule_says_what_to_write_instead_and_is_tried() {
    let refusals = tables::refusals();
    let untried = breaking(|place| {
        let rules = place.schema["x-kubernetes-validations"].as_array();
        let messages = rules
            .into_iter()
            .flatten()
            .map(|rule| rule["message"].as_str());
        messages.into_iter().any(|message| {
            message.is_none_or(|message| !refusals.iter().any(|said| said.ends_with(message)))
        })
    });
    assert_eq!(untried, NONE);
}
