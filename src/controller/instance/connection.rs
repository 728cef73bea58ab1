//! The connection to a backend: credential, certificates, and the proof that it is the backend that it was.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::Api;

use super::{Connects, backend};
use crate::api::condition::Reason;
use crate::api::instance::Identity;
use crate::api::names::{ACKNOWLEDGED_UUID, BASIC_KEYS, CA_KEY, TOKEN_KEY};
use crate::controller::backend::Backend;
use crate::controller::context::Context;
use crate::controller::outcome::{Blocked, Stop};
use crate::controller::referrers::Key;
use crate::iam::client::{Client, Config, Credential, Error};
use crate::iam::model::TokenValue;
use crate::iam::wire::Configs;

/// A backend that answered, and what it said of itself.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) backend: Arc<Backend>,
    pub(super) configs: Configs,
    /// When the operator's own credential expires, if that is known.
    pub(super) credential_expires: Option<Timestamp>,
}

/// How to connect: the spec and the Secrets that it names, read anew each time.
pub(super) async fn config<K: Connects>(context: &Context, object: &K) -> Result<Config, Stop> {
    let settings = object.settings();
    let namespace = object.secret_namespace(&context.settings.namespace);
    let name = &settings.credentials.secret_ref.name;
    let secret = read(context, namespace, name).await?;
    let credential = credential(&secret, name)?;
    let mut config = Config::new(
        &settings.url,
        &settings.tenant,
        credential,
        context.clock.clone(),
    );
    config.connect_timeout = settings.timeouts.connect.std();
    config.timeout = settings.timeouts.request.std();
    config.in_flight = usize::try_from(settings.budget.in_flight).unwrap_or(usize::MAX);
    config.ca = match (&settings.tls.ca_bundle, &settings.tls.ca_secret_ref) {
        (Some(pem), _) => Some(pem.clone().into_bytes()),
        (None, Some(reference)) => {
            let secret = read(context, namespace, &reference.name).await?;
            let missing = || missing(&reference.name, CA_KEY);
            Some(value(&secret, CA_KEY).ok_or_else(missing)?)
        }
        (None, None) => None,
    };
    Ok(config)
}

async fn read(context: &Context, namespace: &str, name: &str) -> Result<Secret, Stop> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    let secret = context
        .within("read the instance's Secret", api.get_opt(name))
        .await?;
    secret.ok_or_else(|| {
        let message = format!("Secret {name} is not there: create it in namespace {namespace}");
        Blocked::unresolved(Reason::CredentialMissing, message).into()
    })
}

fn credential(secret: &Secret, name: &str) -> Result<Credential, Blocked> {
    let text = |key: &str| {
        let text = String::from_utf8(value(secret, key)?).ok()?;
        Some(TokenValue::new(text.trim().to_owned()))
    };
    let [user, password] = BASIC_KEYS;
    match (text(TOKEN_KEY), text(user), text(password)) {
        (Some(token), _, _) => Ok(Credential::Bearer(token)),
        (None, Some(user), Some(password)) => Ok(Credential::Basic {
            user: user.expose().to_owned(),
            password,
        }),
        _ => Err(missing(name, "token, or keys username and password")),
    }
}

fn missing(name: &str, key: &str) -> Blocked {
    let message = format!("Secret {name} has no key {key}: add it");
    Blocked::unresolved(Reason::CredentialMissing, message)
}

fn value(secret: &Secret, key: &str) -> Option<Vec<u8>> {
    let ByteString(bytes) = secret.data.as_ref()?.get(key)?;
    Some(bytes.clone())
}

/// Connects, and proves that it is the backend that it was.
pub(super) async fn connect<K: Connects>(
    context: &Context,
    key: &Key,
    object: &K,
    config: Config,
) -> Result<Connection, Stop> {
    let client = Client::new(&config)?;
    let configs = configs(&client).await?;
    let me = client.me().await.map_err(not_iam)?;
    same_backend(object, &configs, client.tenant())?;
    let tokens = client.my_tokens().await.unwrap_or_default();
    let name = me
        .profile
        .as_ref()
        .and_then(|profile| profile.username.clone());
    let identity = Identity {
        id: me.id.0.clone(),
        name: name.unwrap_or_default(),
        super_admin: me.is_superadmin(),
    };
    let credential_expires = expiry(&config.credential, &tokens);
    let whole = format!(
        "{}/{}",
        configs.uuid.as_deref().unwrap_or_default(),
        client.tenant()
    );
    let inventory = context.backends.inventory(key, &whole);
    let backend = Arc::new(backend(key, object, client, identity, inventory));
    Ok(Connection {
        backend,
        configs,
        credential_expires,
    })
}

async fn configs(client: &Client) -> Result<Configs, Stop> {
    let configs = match client.configs().await {
        Ok(configs) => configs,
        Err(error) => return Err(not_iam(error)),
    };
    if configs.edition.as_deref() == Some("OSS") {
        return Err(open_source().into());
    }
    Ok(configs)
}

/// 404 to what every Enterprise edition answers.
fn not_iam(error: Error) -> Stop {
    match error {
        Error::Gone { .. } => open_source().into(),
        error => error.into(),
    }
}

fn open_source() -> Blocked {
    let message = "the server at spec.url has no IAM API: it is an open-source Kestra, or something else. Point spec.url \
                   at a Kestra Enterprise Edition or at kestra-iam-operator server, context path included";
    Blocked::refused(Reason::BackendProtocol, message)
}

/// Objects were made at one backend and tenant: nothing is changed at another one until somebody agrees.
fn same_backend<K: Connects>(object: &K, configs: &Configs, tenant: &str) -> Result<(), Blocked> {
    let Some(status) = object.status() else {
        return Ok(());
    };
    let uuid = configs.uuid.as_deref().unwrap_or_default();
    let known = status.uuid.as_deref().unwrap_or(uuid);
    let known_tenant = status.tenant.as_deref().unwrap_or(tenant);
    let agreed = object
        .annotations()
        .get(ACKNOWLEDGED_UUID)
        .is_some_and(|agreed| agreed == uuid);
    if (known == uuid && known_tenant == tenant) || agreed {
        return Ok(());
    }
    let message = format!(
        "the backend was {known}, tenant {known_tenant}, and is now {uuid}, tenant {tenant}; nothing is changed there. \
         Point spec.url back, or annotate this object with {ACKNOWLEDGED_UUID}={uuid} to have everything made anew there"
    );
    Err(Blocked::unsynced(Reason::InstanceChanged, message))
}

/// The expiry of the token that we use: found among our tokens by its prefix.
fn expiry(credential: &Credential, tokens: &[crate::iam::wire::ApiToken]) -> Option<Timestamp> {
    let Credential::Bearer(value) = credential else {
        return None;
    };
    let is_ours = |prefix: &Option<String>| {
        prefix
            .as_deref()
            .is_some_and(|prefix| !prefix.is_empty() && value.expose().starts_with(prefix))
    };
    tokens
        .iter()
        .find(|token| is_ours(&token.prefix))
        .and_then(|token| token.exp)
}
