//! Names that objects, Secrets and requests carry: finalizer, annotations, labels, keys.

/// Field manager of every write to the API server.
pub const FIELD_MANAGER: &str = "kestra-iam-operator";

/// Finalizer that keeps an object until what it made at the backend is gone.
pub const FINALIZER: &str = "kestra-iam.dev/cleanup";

/// Annotation on a `ServiceAccount` or `ApiToken` that asks for one rotation: any new value, or `<entry>=<value>` for
/// one entry only. A value with `=` whose left side is the name of no entry asks for nothing; an `ApiToken` has no entries,
/// and obeys any.
pub const ROTATE_REQUESTED_AT: &str = "kestra-iam.dev/rotate-requested-at";

/// Annotation like [`ROTATE_REQUESTED_AT`] that also revokes all older tokens at once, without an overlap.
pub const COMPROMISED: &str = "kestra-iam.dev/compromised";

/// Annotation on a `ClusterInstance` or `Instance` that accepts the backend that answers now: its value is what the
/// condition's message names, the backend's uuid, with `/` and the tenant if that is another one.
pub const ACKNOWLEDGED_UUID: &str = "kestra-iam.dev/acknowledged-uuid";

/// Annotation on a `ClusterInstance` or `Instance` that lets deleted objects go that the brake on mass deletion holds: its
/// value is what the condition's message names, the instant until which they were deleted.
pub const ACKNOWLEDGED_DELETIONS: &str = "kestra-iam.dev/acknowledged-deletions";

/// Label on a Secret: the kind of the object whose token it holds.
pub const OWNER_KIND: &str = "kestra-iam.dev/owner-kind";

/// Label on a Secret: the name of the object whose token it holds.
pub const OWNER_NAME: &str = "kestra-iam.dev/owner-name";

/// Label on a Secret: the entry of `spec.tokens` whose token it holds; for an `ApiToken` it is empty.
pub const ENTRY: &str = "kestra-iam.dev/entry";

/// Key of a Secret that always holds the token's value, and of the Secret with the operator's own credential.
pub const TOKEN_KEY: &str = "token";

/// Key of a Secret that holds the value that was replaced last, while that works, if the spec wants it.
pub const PREVIOUS_KEY: &str = "token.previous";

/// Keys of a credential Secret that holds a user's name and password (HTTP Basic) in place of a token.
pub const BASIC_KEYS: [&str; 2] = ["username", "password"];

/// Key of a Secret that holds certificates of a private CA.
pub const CA_KEY: &str = "ca.crt";
