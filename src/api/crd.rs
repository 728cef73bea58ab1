//! The `CustomResourceDefinition`s, finished for the API server.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, JSON, JSONSchemaProps,
    JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use serde_json::json;

use super::{
    ApiToken, ClusterInstance, Group, Instance, Revocation, Role, RoleBinding, ServiceAccount,
};

/// Name and path of a column of `kubectl get`; all are strings, because a `date` column prints a future time as
/// `<invalid>`.
type Column = (&'static str, &'static str);

const READY: Column = ("Ready", r#".status.conditions[?(@.type=="Ready")].status"#);
const REASON: Column = ("Reason", r#".status.conditions[?(@.type=="Ready")].reason"#);

const INSTANCE: &[Column] = &[
    ("URL", ".spec.url"),
    ("Tenant", ".spec.tenant"),
    ("Version", ".status.version"),
];
const SERVICE_ACCOUNT: &[Column] = &[
    ("Account", ".status.accountName"),
    ("Expires", ".status.expires"),
    ("Next rotation", ".status.nextRotationTime"),
];
const GROUP: &[Column] = &[("Group", ".status.groupName")];
const ROLE: &[Column] = &[("Role", ".status.roleName")];
const ROLE_BINDING: &[Column] = &[("Role", ".spec.roleRef.name")];
const API_TOKEN: &[Column] = &[
    ("Account", ".status.ownerName"),
    ("Expires", ".status.expires"),
    ("Next rotation", ".status.token.nextRotationTime"),
];

const REVOCATION: &[Column] = &[
    ("Kind", ".spec.object.kind"),
    ("Namespace", ".spec.object.namespace"),
    ("Object", ".spec.object.name"),
    ("Instance", ".spec.instanceRef.name"),
];

/// The definitions of all kinds, instances first.
#[must_use]
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![
        finished(ClusterInstance::crd(), INSTANCE),
        finished(Instance::crd(), INSTANCE),
        finished(ServiceAccount::crd(), SERVICE_ACCOUNT),
        finished(Group::crd(), GROUP),
        finished(Role::crd(), ROLE),
        finished(RoleBinding::crd(), ROLE_BINDING),
        finished(ApiToken::crd(), API_TOKEN),
        finished(Revocation::crd(), REVOCATION),
    ]
}

/// `crds` as one YAML stream.
pub fn to_yaml(crds: &[CustomResourceDefinition]) -> Result<String, serde_saphyr::ser::Error> {
    let documents: Result<Vec<_>, _> = crds.iter().map(serde_saphyr::to_string).collect();
    Ok(documents?.join("---\n"))
}

fn finished(mut crd: CustomResourceDefinition, own: &[Column]) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        version.additional_printer_columns = Some(columns(own));
        if let Some(root) = version
            .schema
            .as_mut()
            .and_then(|s| s.open_api_v3_schema.as_mut())
        {
            tidy(root);
            start_unobserved(root);
        }
    }
    crd
}

fn columns(own: &[Column]) -> Vec<CustomResourceColumnDefinition> {
    let column = |(name, json_path): &Column, type_: &str| CustomResourceColumnDefinition {
        name: (*name).to_owned(),
        json_path: (*json_path).to_owned(),
        type_: type_.to_owned(),
        ..CustomResourceColumnDefinition::default()
    };
    let strings = [READY, REASON]
        .iter()
        .chain(own)
        .map(|own| column(own, "string"));
    let age = column(&("Age", ".metadata.creationTimestamp"), "date");
    strings.chain([age]).collect()
}

/// Gives an untouched object a status: kstatus, Flux and `helm --wait` would take it for done without one.
fn start_unobserved(root: &mut JSONSchemaProps) {
    let members = root.properties.as_mut();
    if let Some(status) = members.and_then(|members| members.get_mut("status")) {
        status.default = Some(JSON(json!({"observedGeneration": -1})));
    }
}

/// Makes what the derives write fit Kubernetes: a null is an absent field, integers have no Rust formats and are bounded
/// by rules alone, and a description is running text.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if schema
        .format
        .as_deref()
        .is_some_and(|format| format.starts_with("uint"))
    {
        schema.format = Some("int32".to_owned());
        schema.minimum = None;
    }
    if let Some(description) = schema.description.as_mut() {
        *description = running_text(description);
    }
    for member in members(schema) {
        tidy(member);
    }
}

/// The schemas right below this one.
fn members(schema: &mut JSONSchemaProps) -> impl Iterator<Item = &mut JSONSchemaProps> {
    let items = schema
        .items
        .as_mut()
        .into_iter()
        .flat_map(|items| match items {
            JSONSchemaPropsOrArray::Schema(item) => std::slice::from_mut(item.as_mut()),
            JSONSchemaPropsOrArray::Schemas(items) => items.as_mut_slice(),
        });
    let values = match schema.additional_properties.as_mut() {
        Some(JSONSchemaPropsOrBool::Schema(values)) => Some(values.as_mut()),
        _ => None,
    };
    let properties = schema
        .properties
        .as_mut()
        .into_iter()
        .flat_map(|members| members.values_mut());
    properties.chain(items).chain(values)
}

/// Joins the lines of each paragraph.
fn running_text(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| {
        paragraph
            .split('\n')
            .map(str::trim)
            .collect::<Vec<_>>()
            .join(" ")
    });
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_are_there() {
        let kinds: Vec<String> = crds().into_iter().map(|crd| crd.spec.names.kind).collect();
        assert_eq!(
            kinds,
            [
                "ClusterInstance",
                "Instance",
                "ServiceAccount",
                "Group",
                "Role",
                "RoleBinding",
                "ApiToken",
                "Revocation"
            ]
        );
    }

    #[test]
    fn an_untouched_object_is_not_done() {
        for crd in crds() {
            let schema = crd.spec.versions[0].schema.clone().unwrap();
            let status = &schema.open_api_v3_schema.unwrap().properties.unwrap()["status"];
            assert_eq!(
                status.default,
                Some(JSON(json!({"observedGeneration": -1})))
            );
        }
    }

    #[test]
    fn lines_become_paragraphs() {
        assert_eq!(
            running_text("One\ntwo.\n\nThree\nfour."),
            "One two.\n\nThree four."
        );
    }
}
