//! A token as it is declared: shared by the entries of a `ServiceAccount` and by an `ApiToken`.

use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::is_default;
use super::policy::{PermissionChangePolicy, PreviousValuePolicy};
use super::schema::{
    account_name, at_least, at_most, durations_hold, list_atomic, list_map, max_length, must,
    must_at, object_name, values,
};

/// The variables of [`SecretTemplate::data`]; everything else between double braces is refused.
pub const TEMPLATE_VARIABLES: [&str; 4] = ["token", "account", "url", "tenant"];

/// One token of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = token_rules)]
pub struct TokenEntry {
    /// Name of this entry. It identifies the token: renaming it revokes the token and issues another.
    #[schemars(transform = account_name)]
    pub name: String,
    /// How the token lives.
    #[serde(flatten)]
    pub token: TokenSpec,
}

impl TokenEntry {
    /// The Secret that the token is written into: the one that is named, else `<object>-<entry>`.
    #[must_use]
    pub fn secret_name(&self, object: &str) -> String {
        let name = self.token.secret.name.clone();
        name.unwrap_or_else(|| format!("{object}-{}", self.name))
    }
}

/// How a token lives and where it is written to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenSpec {
    /// How long a token is valid after its issue, such as 720h; 60s at least. Set this or neverExpires.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = at_least("60s"))]
    pub lifetime: Option<Duration>,
    /// True for a token without an expiry. Set this or lifetime.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub never_expires: bool,
    /// True to let the backend move the expiry forward by the lifetime at every use of the token. Needs a lifetime.
    /// Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub extended: bool,
    /// When the token is replaced by a new one, and how long both work.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rotation: Rotation,
    /// The Secret that the token is written into.
    #[serde(default, skip_serializing_if = "is_default")]
    pub secret: SecretSpec,
    /// Workloads of this namespace that take the token at their start, such as from an environment variable: each is
    /// rolled once after a rotation, unless its pods are younger, and the replaced token works until it is done, at most
    /// until overlap.max. Needs an operator with --restart-consumers. What reads a mounted Secret again needs none of this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), transform = list_map(&["kind", "name"]))]
    pub restart: Vec<Workload>,
}

/// A workload that is rolled.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Workload {
    /// Deployment, StatefulSet or DaemonSet.
    pub kind: WorkloadKind,
    /// The name of the workload.
    #[schemars(transform = object_name)]
    pub name: String,
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.name)
    }
}

/// The kind of a [`Workload`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum WorkloadKind {
    /// Its pods are replaced as its strategy says.
    Deployment,
    /// One pod after the other is replaced.
    StatefulSet,
    /// The pods of one node after the other are replaced.
    DaemonSet,
}

impl WorkloadKind {
    /// The kind as it is written in manifests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        }
    }
}

/// When a token is replaced by a new one, and how long both work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = rotation_rules)]
pub struct Rotation {
    /// How long before its expiry a token is replaced; at most half of the lifetime. Set this or
    /// renewBeforePercentage. Default: a third of the lifetime.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = at_least("1s"))]
    pub renew_before: Option<Duration>,
    /// The same as a share of the lifetime in percent: 25 replaces a token when a quarter of its lifetime is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = must(
        "self >= 1 && self <= 50",
        "is between 1 and 50: a token is not replaced in the first half of its lifetime",
    ))]
    pub renew_before_percentage: Option<u32>,
    /// Replaces a token when it is this old, whatever its expiry. The only rule for a token that never expires; without
    /// it such a token is replaced on request only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = at_least("60s"))]
    pub interval: Option<Duration>,
    /// How long the replaced token goes on working, so that consumers can pick up the new one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub overlap: Overlap,
    /// When a token that is due may be replaced: it waits for the first of these windows to open. It is replaced in any
    /// case when a quarter of renewBefore is left before its expiry (1h if that is longer, half of renewBefore at most),
    /// or when it is a quarter older than interval. A token that is missing, lost or compromised, a request by annotation
    /// and what follows from a change of the spec wait for no window. Default: at any time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = 8), transform = list_atomic)]
    pub windows: Vec<Window>,
    /// What to do about a token when the permissions of its account change: its groups, its roles and where they apply,
    /// and what a Role object allows. Ignore leaves it, as it has the new permissions all the same; Rotate replaces it
    /// as soon as the overlap before has ended. A change by other hands is seen within the instance's
    /// spec.resync.objects, what is in a role that no object declares is not. Default: Ignore.
    #[serde(default, skip_serializing_if = "is_default")]
    pub permission_change_policy: PermissionChangePolicy,
}

/// A time that comes again and again, in which a token that is due may be replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// When the window opens, as the five fields of cron: minute, hour, day of the month, month and day of the week, such
    /// as "0 2 * * SAT,SUN". When both days are given, either will do. A time that the clocks skip comes as much later,
    /// and one that they repeat counts once.
    #[schemars(transform = cron)]
    pub schedule: String,
    /// How long the window stays open, such as 3h; between 1m and 168h.
    #[schemars(transform = at_least("1m"), transform = at_most("168h"))]
    pub duration: Duration,
    /// The time zone of the schedule by its name in the IANA database, such as Europe/Paris. Default: UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = time_zone)]
    pub time_zone: Option<String>,
}

/// How long a replaced token goes on working. It is revoked after `min` as soon as nobody uses it, and after `max` in
/// any case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = must(
    durations_hold("self.min", "self.max", "<left> <= <right>"),
    "min is longer than max: lower min or raise max",
))]
pub struct Overlap {
    /// The replaced token works at least this long, as far as its expiry allows. Default: a twentieth of the lifetime,
    /// 1h at most; 1h for a token that never expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Duration>,
    /// The replaced token is revoked after this time even if it is still being used. Default: a quarter of the
    /// lifetime, 24h at most; 24h for a token that never expires; never less than min.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Duration>,
    /// Between min and max the replaced token is revoked once it was not used for this long. Default: a quarter of min,
    /// and never less than twice the instance's lastUsedGranularity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet_period: Option<Duration>,
}

/// The Secret that a token is written into.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = immutable_rules)]
pub struct SecretSpec {
    /// Name of the Secret, in the namespace of this object. Default: the object's name, followed by a hyphen and the
    /// entry's name if the token is an entry of a ServiceAccount. A Secret of that name that is not ours is left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = object_name)]
    pub name: Option<String>,
    /// What the Secret has besides the key token.
    #[serde(default, skip_serializing_if = "is_default")]
    pub template: SecretTemplate,
    /// What becomes of the value that a new token replaces. Keep leaves it in the Secret, under the key token.previous,
    /// until its token is revoked; its going is one more change of the Secret. A value that does not work any more, or is
    /// declared compromised, is not kept. Default: Omit.
    #[serde(default, skip_serializing_if = "is_default")]
    pub previous_value_policy: PreviousValuePolicy,
    /// True to have each token in an immutable Secret of its own, called by the name above with -g1, -g2, … behind it:
    /// status tells which holds the current token (secretName). A replaced one stays until its token is revoked, so that
    /// the pods that mount it run on and can be started again; a change of the template brings a new token. Default: false,
    /// one Secret that is written over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub immutable: bool,
}

/// What a Secret has besides the key `token`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretTemplate {
    /// Labels and annotations of the Secret.
    #[serde(default, skip_serializing_if = "is_default")]
    pub metadata: TemplateMetadata,
    /// More keys of the Secret. In their values {{ token }}, {{ account }}, {{ url }} and {{ tenant }} stand for the
    /// token, the name of the account or user, and the address and tenant of the backend. The key token is always there
    /// and needs no entry.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16), transform = values(template_value), transform = template_keys)]
    pub data: BTreeMap<String, String>,
}

/// Labels and annotations of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TemplateMetadata {
    /// Labels of the Secret. Only domains that the operator was started with (--secret-metadata-domains) are taken.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(
        extend("maxProperties" = 32), transform = metadata_keys, transform = values(label_value)
    )]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the Secret. Only domains that the operator was started with (--secret-metadata-domains) are
    /// taken.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(
        extend("maxProperties" = 32), transform = metadata_keys, transform = values(annotation_value)
    )]
    pub annotations: BTreeMap<String, String>,
}

/// What holds between the fields of a token; on the object that has them as its own members.
pub(super) fn token_rules(schema: &mut Schema) {
    must(
        "has(self.lifetime) != (has(self.neverExpires) && self.neverExpires)",
        "set either lifetime, such as 720h, or neverExpires: true",
    )(schema);
    must_at(
        ".extended",
        "!has(self.extended) || !self.extended || has(self.lifetime)",
        "needs a lifetime to prolong: set lifetime, or leave extended out",
    )(schema);
    must_at(
        ".rotation",
        "!has(self.rotation) || has(self.lifetime) || \
         !(has(self.rotation.renewBefore) || has(self.rotation.renewBeforePercentage))",
        "a token that never expires is replaced by age: set interval in place of renewBefore or renewBeforePercentage",
    )(schema);
    must_at(
        ".rotation.windows",
        "!has(self.rotation) || !has(self.rotation.windows) || self.rotation.windows.size() == 0 || \
         has(self.lifetime) || has(self.rotation.interval)",
        "there is nothing to be done in them: a token that never expires is replaced by age, so set interval, or leave \
         windows out",
    )(schema);
    must_at(
        ".restart",
        "!has(self.restart) || self.restart.size() == 0 || \
         !has(self.secret) || !has(self.secret.immutable) || !self.secret.immutable",
        "a workload that is rolled would mount the Secret before again: leave restart out, and write the name of the new \
         Secret (status) into its pod template, which rolls it; or leave secret.immutable out",
    )(schema);
    rotation_within_lifetime(schema);
}

fn immutable_rules(schema: &mut Schema) {
    must_at(
        ".previousValuePolicy",
        "!has(self.immutable) || !self.immutable || !has(self.previousValuePolicy) || \
         self.previousValuePolicy != 'Keep'",
        "an immutable Secret holds one value, and the one before stays in its own: leave Keep out, or immutable",
    )(schema);
    must_at(
        ".name",
        "!has(self.immutable) || !self.immutable || !has(self.name) || self.name.size() <= 240",
        "is at most 240 characters if it is immutable, because -g and a number follow it",
    )(schema);
}

fn rotation_within_lifetime(schema: &mut Schema) {
    let renewal = durations_hold(
        "self.rotation.renewBefore",
        "self.lifetime",
        "<left> + <left> <= <right>",
    );
    must_at(
        ".rotation.renewBefore",
        format!("!has(self.rotation) || {renewal}"),
        "is at most half of the lifetime: a token is not replaced in the first half of its lifetime",
    )(schema);
    let age = durations_hold(
        "self.rotation.interval",
        "self.lifetime",
        "<left> + <left> >= <right>",
    );
    must_at(
        ".rotation.interval",
        format!("!has(self.rotation) || {age}"),
        "is at least half of the lifetime: a token is not replaced in the first half of its lifetime",
    )(schema);
}

fn rotation_rules(schema: &mut Schema) {
    must(
        "!has(self.renewBefore) || !has(self.renewBeforePercentage)",
        "set either renewBefore or renewBeforePercentage",
    )(schema);
    let alive = durations_hold("self.overlap.min", "self.renewBefore", "<left> <= <right>");
    must_at(
        ".overlap.min",
        format!("!has(self.overlap) || {alive}"),
        "is at most renewBefore, which is how long a replaced token is still valid",
    )(schema);
}

/// The shape of five fields; whether their numbers are any of a clock or calendar is seen when they are read.
fn cron(schema: &mut Schema) {
    max_length(schema, 256);
    let item = "([*]|([0-9]{1,2}|[A-Za-z]{3})(-([0-9]{1,2}|[A-Za-z]{3}))?)(/[0-9]{1,2})?";
    let field = format!("{item}(,{item})*");
    must(
        format!("self.size() <= 128 && self.matches('^{field}( {field}){{4}}$')"),
        "write the five fields of cron with a space between them: minute, hour, day of the month, month and day of the \
         week, such as 0 2 * * SAT,SUN",
    )(schema);
}

fn time_zone(schema: &mut Schema) {
    max_length(schema, 256);
    must(
        "self.size() <= 64 && self.matches('^[A-Za-z][-+_A-Za-z0-9]*(/[A-Za-z][-+_A-Za-z0-9]*)*$')",
        "write the name of a time zone in the IANA database, such as Europe/Paris",
    )(schema);
}

fn template_keys(schema: &mut Schema) {
    must(
        "self.all(key, key.size() <= 253 && key.matches('^[-._a-zA-Z0-9]+$') && key != '.' && !key.startsWith('..'))",
        "a key has at most 253 letters, digits, '-', '_' and '.', and does not start with two dots",
    )(schema);
    must(
        "!('token' in self)",
        "the key token always holds the token: leave it out, or choose another key",
    )(schema);
    must(
        "!('token.previous' in self)",
        "the key token.previous is for the value that was replaced (previousValuePolicy): choose another key",
    )(schema);
}

fn template_value(schema: &mut Schema) {
    max_length(schema, 4096);
    let variables = TEMPLATE_VARIABLES.join("|");
    must(
        format!(r"self.matches(r'^([^{{]|[{{][^{{]|[{{][{{] *({variables}) *[}}][}}])*[{{]?$')"),
        "the only variables are {{ token }}, {{ account }}, {{ url }} and {{ tenant }}",
    )(schema);
}

fn metadata_keys(schema: &mut Schema) {
    must(
        "self.all(key, !format.qualifiedName().validate(key).hasValue())",
        "a key is a name of at most 63 letters, digits, '-', '_' and '.', after an optional domain and '/'",
    )(schema);
}

fn label_value(schema: &mut Schema) {
    max_length(schema, 256);
    must(
        "!format.labelValue().validate(self).hasValue()",
        "a label has at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit",
    )(schema);
}

fn annotation_value(schema: &mut Schema) {
    max_length(schema, 4096);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_called_after_object_and_entry_unless_it_is_named() {
        let mut entry = TokenEntry {
            name: "default".into(),
            ..TokenEntry::default()
        };
        assert_eq!(entry.secret_name("ci"), "ci-default");
        entry.token.secret.name = Some("mine".into());
        assert_eq!(entry.secret_name("ci"), "mine");
    }

    #[test]
    fn an_entry_reads_and_writes_its_fields_side_by_side() {
        let json = serde_json::json!({
            "name": "default",
            "lifetime": "720h",
            "rotation": {"renewBefore": "240h", "overlap": {"min": "1h"}},
        });
        let entry: TokenEntry = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(entry.token.lifetime, Some(Duration::from_hours(720)));
        assert_eq!(serde_json::to_value(entry).unwrap(), json);
    }
}
