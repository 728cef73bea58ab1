//! The connection to a backend: credential, certificates, and the proof that it is the backend that it was.

use std::net::SocketAddr;
use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::Api;
use kube::core::object::HasStatus;

use super::credential::{self, Reached};
use super::{Connects, backend};
use crate::api::condition::Reason;
use crate::api::instance::Identity;
use crate::api::names::{ACKNOWLEDGED_UUID, CA_KEY};
use crate::controller::backend::Backend;
use crate::controller::context::Context;
use crate::controller::kind::Pass;
use crate::controller::outcome::{Blocked, Stop};
use crate::iam::client::{Client, Config, Credential, Error};
use crate::iam::wire::{Configs, Me};

/// A backend that answered, and what it said of itself.
pub(super) struct Connection {
    pub(super) backend: Arc<Backend>,
    pub(super) reached: Reached,
}

/// Connects, proves that it is the backend that it was, and sweeps over what it holds.
pub(super) async fn connect<K: Connects>(pass: &Pass<K>) -> Result<Connection, Stop> {
    let reached = credential::reach(pass).await?;
    same_backend(&pass.object, &reached.configs, reached.client.tenant())?;
    let backend = open(pass, &reached);
    let swept = backend.inventory.sweep(&backend.client).await;
    swept.map_err(|error| unlisted(&pass.object, error))?;
    Ok(Connection {
        backend: Arc::new(backend),
        reached,
    })
}

/// What was greeted, with what is known of it.
fn open<K: Connects>(pass: &Pass<K>, reached: &Reached) -> Backend {
    let Reached {
        client,
        configs,
        me,
        ..
    } = reached;
    let (backends, key) = (&pass.context.backends, pass.key());
    let inventory = backends.inventory(&key, &whole(configs, client));
    backend(&key, &pass.object, client.clone(), (configs, me), inventory)
}

/// The backend as the owner of a token of ours sees it who is not the one that is used.
pub(super) fn as_former<K: Connects>(pass: &Pass<K>, reached: &Reached) -> Option<Backend> {
    let (client, me) = reached.former.as_ref()?;
    let mut backend = open(pass, reached);
    backend.client = client.clone();
    backend.identity = identity(me);
    Some(backend)
}

/// Connects no further than it takes to remove what we left.
pub(super) async fn reopen<K: Connects>(pass: &Pass<K>) -> Result<Connection, Stop> {
    let reached = credential::reach(pass).await?;
    same_backend(&pass.object, &reached.configs, reached.client.tenant())?;
    let backend = Arc::new(open(pass, &reached));
    Ok(Connection { backend, reached })
}

fn whole(configs: &Configs, client: &Client) -> String {
    let uuid = configs.uuid.as_deref().unwrap_or_default();
    format!("{uuid}/{}", client.tenant())
}

pub(super) fn identity(me: &Me) -> Identity {
    let profile = me.profile.as_ref();
    let name = profile.and_then(|profile| profile.username.clone());
    Identity {
        id: me.id.0.clone(),
        name: name.unwrap_or_default(),
        super_admin: me.is_superadmin(),
    }
}

/// How to connect with this credential: the spec and the Secret with certificates that it names, read anew each time.
pub(super) async fn config<K: Connects>(
    pass: &Pass<K>,
    addresses: Vec<SocketAddr>,
    credential: Credential,
) -> Result<Config, Stop> {
    let (settings, context) = (pass.object.settings(), &pass.context);
    let clock = context.clock.clone();
    let mut config = Config::new(&settings.url, &settings.tenant, credential, clock);
    config.addresses = addresses;
    config.connect_timeout = settings.timeouts.connect.std();
    config.timeout = settings.timeouts.request.std();
    config.in_flight = usize::try_from(settings.budget.in_flight).unwrap_or(usize::MAX);
    config.requests_per_second = settings.budget.requests_per_second;
    config.ca = match (&settings.tls.ca_bundle, &settings.tls.ca_secret_ref) {
        (Some(pem), _) => Some(pem.clone().into_bytes()),
        (None, Some(reference)) => {
            let secret = read(context, pass.namespace(), &reference.name).await?;
            let missing = || missing(&reference.name, CA_KEY);
            Some(value(&secret, CA_KEY).ok_or_else(missing)?)
        }
        (None, None) => None,
    };
    Ok(config)
}

pub(super) async fn read(context: &Context, namespace: &str, name: &str) -> Result<Secret, Stop> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    let secret = context
        .within("read the instance's Secret", api.get_opt(name))
        .await?;
    secret.ok_or_else(|| {
        let message = format!("Secret {name} is not there: create it in namespace {namespace}");
        Blocked::unresolved(Reason::CredentialMissing, message).into()
    })
}

pub(super) fn missing(name: &str, key: &str) -> Blocked {
    let message = format!("Secret {name} has no key {key}: add it");
    Blocked::unresolved(Reason::CredentialMissing, message)
}

pub(super) fn value(secret: &Secret, key: &str) -> Option<Vec<u8>> {
    let ByteString(bytes) = secret.data.as_ref()?.get(key)?;
    Some(bytes.clone())
}

/// What is wrong with the instance, by what its first calls came to.
pub(super) fn explain<K: Connects>(object: &K, error: Error) -> Stop {
    let secret = &object.settings().credentials.secret_ref.name;
    match error {
        // 404 to what every Enterprise edition answers.
        Error::Gone { .. } => open_source(object).into(),
        Error::Unauthorized { .. } => {
            let message = format!(
                "the backend refuses the credential in Secret {secret}: put an API token that works there under the \
                 key token, or a user's name and password under the keys username and password"
            );
            Blocked::unresolved(Reason::Unauthorized, message).into()
        }
        Error::Config { .. } => {
            Blocked::refused(Reason::Invalid, format!("spec cannot work: {error}")).into()
        }
        Error::Protocol { .. } => {
            let url = &object.settings().url;
            let message = format!(
                "what answers at {url} is no IAM API ({error}): point spec.url at a Kestra Enterprise Edition or at \
                 kestra-iam-operator server, context path included"
            );
            Blocked::refused(Reason::BackendProtocol, message).into()
        }
        error => error.into(),
    }
}

/// What is wrong if the backend knows who we are and does not let us look.
fn unlisted<K: Connects>(object: &K, error: Error) -> Stop {
    let tenant = &object.settings().tenant;
    match error {
        Error::Gone { .. } => {
            let message = format!(
                "the backend has no tenant {tenant}, or the credential has no access to it: correct spec.tenant, or \
                 give the credential access"
            );
            Blocked::unresolved(Reason::ReferenceNotFound, message).into()
        }
        Error::Forbidden { .. } => {
            let message = format!(
                "the credential lacks a right ({error}): give its owner the role Admin in tenant {tenant}"
            );
            Blocked::unresolved(Reason::Forbidden, message).into()
        }
        error => explain(object, error),
    }
}

pub(super) fn open_source<K: Connects>(object: &K) -> Blocked {
    let url = &object.settings().url;
    let message = format!(
        "the server at {url} has no IAM API: it is an open-source Kestra, or something else. Point spec.url at a Kestra \
         Enterprise Edition or at kestra-iam-operator server, context path included"
    );
    Blocked::refused(Reason::BackendProtocol, message)
}

/// Objects were made at one backend and tenant: nothing is changed at another one until somebody agrees.
fn same_backend<K: Connects>(object: &K, configs: &Configs, tenant: &str) -> Result<(), Blocked> {
    let Some(status) = HasStatus::status(object) else {
        return Ok(());
    };
    let uuid = configs.uuid.as_deref().unwrap_or_default();
    let known = status.uuid.as_deref().unwrap_or(uuid);
    let known_tenant = status.tenant.as_deref().unwrap_or(tenant);
    let now = if known_tenant == tenant {
        uuid.to_owned()
    } else {
        format!("{uuid}/{tenant}")
    };
    let agreed = object.annotations().get(ACKNOWLEDGED_UUID) == Some(&now);
    if (known == uuid && known_tenant == tenant) || agreed {
        return Ok(());
    }
    let message = format!(
        "the backend was {known}, tenant {known_tenant}, and is now {uuid}, tenant {tenant}; nothing is changed there. \
         Point the spec back, or annotate this object with {ACKNOWLEDGED_UUID}={now} to have everything made anew there"
    );
    Err(Blocked::unsynced(Reason::InstanceChanged, message))
}
