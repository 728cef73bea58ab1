//! How a backend is reached: shared by `ClusterInstance` and `Instance`.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::is_default;
use super::reference::SecretRef;
use super::schema::{at_least, durations_hold, max_length, must, must_at};
use super::token::{Rotation, TokenSpec};

/// The backend and its credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceSettings {
    /// The backend's address with scheme, such as `https://kestra.example.com`; a path in front of /api/v1 is kept. No
    /// user, password, query or fragment.
    #[schemars(transform = url)]
    pub url: String,
    /// The tenant that objects live in.
    #[serde(default = "main_tenant")]
    #[schemars(transform = tenant)]
    pub tenant: String,
    /// The operator's own credential at the backend.
    pub credentials: Credentials,
    /// Whom to trust when the backend speaks TLS. Default: the system's certificate authorities.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tls: Tls,
    /// How accounts without an accountName are called: {{namespace}} and {{name}} stand for those of the object, and
    /// {{name}} has to be there.
    #[serde(default = "account_name_template")]
    #[schemars(transform = name_template)]
    pub account_name_template: String,
    /// How much of the backend the operator may use.
    #[serde(default)]
    pub budget: Budget,
    /// How often the backend is looked over for changes that nobody announced.
    #[serde(default)]
    pub resync: Resync,
    /// How coarse the backend's times of use are. A replaced token counts as unused only after twice this time.
    #[serde(default = "last_used_granularity")]
    #[schemars(transform = at_least("1s"))]
    pub last_used_granularity: Duration,
    /// How long the operator waits for the backend.
    #[serde(default)]
    pub timeouts: Timeouts,
}

/// The operator's own credential at the backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = rotated_name_fits)]
pub struct Credentials {
    /// The Secret that holds the credential: the key token (an API token), or the keys username and password. It is in
    /// the operator's namespace for a ClusterInstance, in the same namespace for an Instance.
    pub secret_ref: SecretRef,
    /// Has the operator keep a token of its own alive: it issues one for the owner of the credential in secretRef, writes
    /// it into a second Secret beside that, named after it with -rotated, uses it from then on, and replaces it before
    /// it expires. The Secret of secretRef has to hold a token; it is never written, and its token never revoked. A later
    /// token in it takes precedence. Default: the credential in secretRef is used as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation: Option<CredentialRotation>,
}

impl Credentials {
    /// The Secret for the token that the operator keeps alive for itself.
    #[must_use]
    pub fn rotated_name(&self) -> String {
        format!("{}{ROTATED}", self.secret_ref.name)
    }
}

/// What follows the name of a credential's Secret in that of the Secret beside it.
const ROTATED: &str = "-rotated";

/// How a token of the operator's own lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = renewed_within_lifetime)]
pub struct CredentialRotation {
    /// How long a token is valid after its issue, such as 720h; 1h at least.
    #[schemars(transform = at_least("1h"))]
    pub lifetime: Duration,
    /// How long before its expiry a token is replaced; at most half of the lifetime. Default: a third of the lifetime.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = at_least("1m"))]
    pub renew_before: Option<Duration>,
}

impl CredentialRotation {
    /// The same as a token is declared.
    #[must_use]
    pub fn token(&self) -> TokenSpec {
        TokenSpec {
            lifetime: Some(self.lifetime),
            rotation: Rotation {
                renew_before: self.renew_before,
                ..Rotation::default()
            },
            ..TokenSpec::default()
        }
    }
}

fn rotated_name_fits(schema: &mut Schema) {
    must_at(
        ".secretRef.name",
        "!has(self.rotation) || self.secretRef.name.size() <= 245",
        "is at most 245 characters with rotation: <name>-rotated has to be the name of a Secret too",
    )(schema);
}

fn renewed_within_lifetime(schema: &mut Schema) {
    must_at(
        ".renewBefore",
        durations_hold(
            "self.renewBefore",
            "self.lifetime",
            "<left> + <left> <= <right>",
        ),
        "is at most half of the lifetime: a token is not replaced in the first half of its lifetime",
    )(schema);
}

/// Whom to trust when the backend speaks TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = must(
    "!(has(self.caBundle) && has(self.caSecretRef))",
    "set either caBundle or caSecretRef",
))]
pub struct Tls {
    /// Certificates of a private authority, as PEM text, trusted besides the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = pem)]
    pub ca_bundle: Option<String>,
    /// A Secret that holds them under the key ca.crt, in the same namespace as the credential's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretRef>,
}

/// How much of the backend the operator may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Budget {
    /// Requests per second, on average.
    #[schemars(transform = must("self >= 1 && self <= 10000", "is between 1 and 10000"))]
    pub requests_per_second: u32,
    /// Requests under way at the same time.
    #[schemars(transform = must("self >= 1 && self <= 1000", "is between 1 and 1000"))]
    pub in_flight: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            requests_per_second: 50,
            in_flight: 16,
        }
    }
}

/// How often the backend is looked over for changes that nobody announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Resync {
    /// Accounts, groups, roles and bindings, page by page.
    #[schemars(transform = at_least("1s"))]
    pub objects: Duration,
    /// The tokens of each account, spread evenly over this time.
    #[schemars(transform = at_least("1s"))]
    pub tokens: Duration,
}

impl Default for Resync {
    fn default() -> Self {
        Self {
            objects: Duration::from_mins(10),
            tokens: Duration::from_hours(1),
        }
    }
}

/// How long the operator waits for the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = must(
    format!(
        "!self.connect.matches('{g}') || !self.request.matches('{g}') || \
         duration(self.connect) <= duration(self.request)",
        g = super::duration::GRAMMAR,
    ),
    "connect is longer than request: lower connect or raise request",
))]
pub struct Timeouts {
    /// For a connection.
    #[schemars(transform = at_least("1s"))]
    pub connect: Duration,
    /// For a request as a whole, the connection included.
    #[schemars(transform = at_least("1s"))]
    pub request: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            request: Duration::from_secs(30),
        }
    }
}

fn main_tenant() -> String {
    "main".to_owned()
}

fn account_name_template() -> String {
    "{{namespace}}-{{name}}".to_owned()
}

fn last_used_granularity() -> Duration {
    Duration::from_mins(1)
}

/// Scheme, host with port, path; backslashes, spaces and control characters would let two readers see two hosts.
const URL: &str = r"^https?://[^/?#@\\[:space:][:cntrl:]]+(/[^?#@\\[:space:][:cntrl:]]*)?$";

fn url(schema: &mut Schema) {
    max_length(schema, 4096);
    must(
        format!("self.size() <= 2048 && isURL(self) && self.matches(r'{URL}')"),
        "write an address with scheme and host, such as https://kestra.example.com, \
         without user, password, query or fragment",
    )(schema);
}

fn tenant(schema: &mut Schema) {
    max_length(schema, 1024);
    must(
        "self.size() <= 255 && self.matches('^[a-z0-9][a-z0-9_-]*$')",
        "write the id of a tenant: lower-case letters, digits, '-' and '_', beginning with a letter or digit",
    )(schema);
}

fn pem(schema: &mut Schema) {
    max_length(schema, 262_144);
    must(
        "self.contains('-----BEGIN CERTIFICATE-----') && self.contains('-----END CERTIFICATE-----')",
        "write certificates as PEM text, from BEGIN CERTIFICATE to END CERTIFICATE",
    )(schema);
}

fn name_template(schema: &mut Schema) {
    max_length(schema, 1024);
    must(
        "self.size() <= 63 && self.contains('{{name}}') && \
         self.replace('{{namespace}}', 'n').replace('{{name}}', 'n').matches('^[a-z0-9]+(-[a-z0-9]+)*$')",
        "write {{name}}, and {{namespace}} if wanted, among lower-case letters, digits and single hyphens, \
         such as {{namespace}}-{{name}}",
    )(schema);
}
