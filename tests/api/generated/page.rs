//! The page of one kind.

use std::fmt::Write;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

use crate::examples;

/// What Kubernetes documents itself.
const ELSEWHERE: [&str; 2] = ["status.conditions[]", "spec.allowedNamespaces.selector"];

/// The kind that nobody applies.
const WRITTEN_BY_US: &str = "Revocation";

pub(crate) fn of(crd: &CustomResourceDefinition) -> String {
    let names = &crd.spec.names;
    let version = &crd.spec.versions[0];
    let root = version.schema.clone().unwrap().open_api_v3_schema.unwrap();
    let mut page = String::from("<!-- Written by `make generate` from src/api. -->\n\n");
    writeln!(
        page,
        "# {}\n\n{}\n",
        names.kind,
        root.description.clone().unwrap()
    )
    .unwrap();
    let short = names.short_names.clone().unwrap().join("`, `");
    let scope = crd.spec.scope.to_lowercase();
    writeln!(
        page,
        "`apiVersion: {}/{}`, {scope}, short name `{short}`.",
        crd.spec.group, version.name
    )
    .unwrap();
    if names.kind != WRITTEN_BY_US {
        let example = examples::of_kind(&names.kind);
        writeln!(page, "\n## Example\n\n```yaml\n{example}\n```").unwrap();
    }
    for (member, title) in [("spec", "Spec"), ("status", "Status")] {
        writeln!(page, "\n## {title}\n").unwrap();
        page.push_str("| Field | Type | Default | What it is |\n|---|---|---|---|\n");
        let schema = &root.properties.clone().unwrap()[member];
        rules_of_all(member, schema, &mut page);
        rows(member, schema, &mut page);
    }
    page
}

/// The row of the object as a whole, if it has rules of its own.
fn rules_of_all(path: &str, schema: &JSONSchemaProps, page: &mut String) {
    if schema.x_kubernetes_validations.is_some() {
        row(path, schema, true, page);
    }
}

fn rows(path: &str, schema: &JSONSchemaProps, page: &mut String) {
    if ELSEWHERE.contains(&path) {
        return;
    }
    let required = schema.required.clone().unwrap_or_default();
    for (name, member) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        row(&path, member, required.contains(name), page);
        rows(&path, member, page);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items {
        rows(&format!("{path}[]"), item, page);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &schema.additional_properties {
        rows(&format!("{path}.*"), value, page);
    }
}

fn row(path: &str, schema: &JSONSchemaProps, required: bool, page: &mut String) {
    let mut text = schema.description.clone().unwrap_or_default();
    for message in messages(schema) {
        write!(text, "<br>• {message}").unwrap();
    }
    let default = schema
        .default
        .as_ref()
        .map(|value| format!("`{}`", value.0));
    let required = if required { ", required" } else { "" };
    let line = format!(
        "`{path}` | {}{required} | {} | {}",
        type_of(schema),
        default.unwrap_or_default(),
        text.replace('|', "\\|"),
    );
    writeln!(page, "| {line} |").unwrap();
}

/// What the rules of a field, or of its items, say when they refuse.
fn messages(schema: &JSONSchemaProps) -> Vec<String> {
    let item = match (&schema.items, &schema.additional_properties) {
        (Some(JSONSchemaPropsOrArray::Schema(item)), _) => Some(item),
        (_, Some(JSONSchemaPropsOrBool::Schema(value))) => Some(value),
        _ => None,
    };
    let of_items = item.iter().flat_map(|item| own_messages(item));
    own_messages(schema).into_iter().chain(of_items).collect()
}

fn own_messages(schema: &JSONSchemaProps) -> Vec<String> {
    let rules = schema.x_kubernetes_validations.iter().flatten();
    let messages = rules.map(|rule| {
        let message = rule.message.clone().unwrap_or_default();
        match &rule.field_path {
            Some(path) => format!("`{}`: {message}", path.trim_start_matches('.')),
            None => message,
        }
    });
    messages.collect()
}

fn type_of(schema: &JSONSchemaProps) -> String {
    if let Some(values) = &schema.enum_ {
        let values: Vec<String> = values
            .iter()
            .map(|value| format!("`{}`", value.0.as_str().unwrap_or_default()))
            .collect();
        return values.join(" or ");
    }
    let own = schema.type_.clone().unwrap_or_default();
    match (&schema.items, &schema.additional_properties, &schema.format) {
        (Some(JSONSchemaPropsOrArray::Schema(item)), ..) => format!("list of {}", type_of(item)),
        (_, Some(JSONSchemaPropsOrBool::Schema(value)), _) => format!("map to {}", type_of(value)),
        (.., Some(format)) if format == "date-time" => "time".to_owned(),
        _ => own,
    }
}
