//! What the namespaces that may use an instance may do there. All is closed unless it is opened.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::pattern::Pattern;
use super::schema::{at_least, items, list_atomic, max_length, must};

/// What objects that use the instance may do. Names may have `*` for any characters and {{namespace}} for the namespace
/// of the object. What is not named is refused; without guardrails an object may have an account of its own, and no
/// role and no group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = unrestricted_stands_alone)]
pub struct Guardrails {
    /// True opens roles, groups, permissions, kestraNamespaces, accountNames, subjects and tokenSubjects altogether: for
    /// a cluster with one team. Adoption and superadmins stay closed unless they are opened here too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unrestricted: bool,
    /// Names of roles that only the backend knows and that may be granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), transform = list_atomic)]
    pub roles: Vec<Pattern>,
    /// Names of groups at the backend that accounts may be members of, and that Group objects may make.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), transform = list_atomic)]
    pub groups: Vec<Pattern>,
    /// What Role objects may contain, whatever their name, as RESOURCE:ACTION, where * stands for any: FLOW:READ,
    /// EXECUTION:*. A Role that contains no more may also be granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024), transform = list_atomic, transform = items(permission_pattern))]
    pub permissions: Vec<String>,
    /// Kestra namespaces in which roles may be granted; each covers its children. * allows all, and grants in the whole
    /// tenant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), transform = list_atomic)]
    pub kestra_namespaces: Vec<Pattern>,
    /// Names that accounts may have. Without this list: the name that the instance's accountNameTemplate makes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), transform = list_atomic)]
    pub account_names: Vec<Pattern>,
    /// Names of existing accounts, groups and roles that may be adopted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), transform = list_atomic)]
    pub adoption: Vec<Pattern>,
    /// Users at the backend that tokens may be issued for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), transform = list_atomic)]
    pub token_subjects: Vec<Pattern>,
    /// Accounts, groups and users that only the backend knows and that bindings may be for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), transform = list_atomic)]
    pub subjects: Vec<SubjectPattern>,
    /// The longest lifetime of a token. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = at_least("60s"))]
    pub max_lifetime: Option<Duration>,
    /// True allows tokens that never expire. Default: false, or true where unrestricted is and maxLifetime is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_never_expires: Option<bool>,
    /// How many tokens the objects of one namespace may hold together. Who has tokens keeps them when others ask for more,
    /// and when it is refused more itself; who waits blocks nobody. When the limit is lowered, the oldest objects keep
    /// theirs, and the others' run out. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = must("self >= 1 && self <= 100000", "is between 1 and 100000"))]
    pub tokens_per_namespace: Option<u32>,
    /// True allows tokens and grants for accounts and users that are superadmin. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_super_admin: bool,
}

/// The kind of a [`SubjectPattern`].
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub enum ExternalSubjectKind {
    /// A service account that only the backend knows.
    #[default]
    ExternalServiceAccount,
    /// A group that only the backend knows.
    ExternalGroup,
    /// A user.
    ExternalUser,
}

/// Subjects that only the backend knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubjectPattern {
    /// ExternalServiceAccount, ExternalGroup or ExternalUser.
    pub kind: ExternalSubjectKind,
    /// Their names at the backend; a user's is the e-mail address.
    pub name: Pattern,
}

fn permission_pattern(schema: &mut Schema) {
    max_length(schema, 1024);
    must(
        "self.size() <= 127 && self.matches('^([A-Z][A-Z0-9_]*|[*]):([A-Z][A-Z0-9_]*|[*])$')",
        "write RESOURCE:ACTION, such as FLOW:READ, EXECUTION:* or *:*",
    )(schema);
}

fn unrestricted_stands_alone(schema: &mut Schema) {
    must(
        "!has(self.unrestricted) || !self.unrestricted || !(has(self.roles) || has(self.groups) || \
         has(self.permissions) || has(self.kestraNamespaces) || has(self.accountNames) || has(self.subjects) || \
         has(self.tokenSubjects))",
        "unrestricted: true opens roles, groups, permissions, kestraNamespaces, accountNames, subjects and \
         tokenSubjects: leave those out, or leave unrestricted out",
    )(schema);
}
