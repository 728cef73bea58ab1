//! `credentials.rotation`: the operator's own token, kept alive beside the Secret that the spec names by the engine that
//! keeps all tokens alive (docs/decisions/0025).

use jiff::Timestamp;
use kube::ResourceExt;
use kube::core::object::HasStatus;
use tracing::warn;

use super::connection::{self, Connection};
use super::credential::{ENTRY, Source};
use super::{Connects, conditions};
use crate::api::condition::{self, ConditionType, Finding, Reason, Truth};
use crate::api::names::{COMPROMISED, ROTATE_REQUESTED_AT};
use crate::api::settings::CredentialRotation;
use crate::api::token::SecretTemplate;
use crate::controller::backend::Backend;
use crate::controller::kind::{Pass, is_held};
use crate::controller::outcome::Stop;
use crate::controller::revocation::{due, is_of_backend};
use crate::controller::status::mend;
use crate::controller::tokens::{self, Dressing, Ending, Entry, Ledger};
use crate::iam::client::Owner;
use crate::plan::token::{Activity, Naming, Policy, Requests};

/// Keeps our own token as the spec wants it, and leaves in the pass what there is to say of it.
///
/// # Errors
/// None of them is about whether the backend can be worked with.
pub(super) async fn keep<K: Connects>(
    pass: &mut Pass<K>,
    connection: &Connection,
) -> Result<(), Stop> {
    let kept = keep_up(pass, connection).await;
    tell(pass, connection.reached.source, kept.as_ref().err());
    kept
}

/// Says in the instance's own words what keeping it came to.
fn tell<K: Connects>(pass: &mut Pass<K>, source: Source, stop: Option<&Stop>) {
    for finding in &mut pass.findings {
        if finding.reason == Reason::SecretConflict {
            finding.message = taken(&pass.object);
        }
    }
    if source == Source::Given {
        pass.findings.extend(missing(&pass.findings));
    }
    match stop {
        Some(Stop::Failed(error)) if !error.is_conflict() => {
            let mend = if error.is_denied() {
                "set rotateCredentials: true in the chart, which gives the operator the right to it"
            } else {
                mend(error.reason())
            };
            let message = format!("spec.credentials.rotation: {error}; {mend}");
            let trouble = conditions::trouble(error.reason(), &message);
            pass.findings.extend(trouble);
        }
        Some(stop) if stop.is_withheld() => {
            let (kind, reason) = (ConditionType::Synced, Reason::ObserveOnly);
            let finding = Finding::new(kind, false, reason, stop.message());
            pass.findings.push(finding);
        }
        None if is_there_again(pass) => {
            let name = pass.object.settings().credentials.rotated_name();
            let message = format!("a token of the operator's own is in Secret {name}");
            let (kind, reason) = (ConditionType::TokenIssued, Reason::Issued);
            let finding = Finding::new(kind, true, reason, message);
            pass.findings.push(finding);
        }
        _ => {}
    }
}

/// What makes an object unready, or doubtful, whose consumers have no working token: here the given credential is used
/// meanwhile.
fn missing(findings: &[Finding]) -> Option<Finding> {
    let kind = ConditionType::TokenIssued;
    let is_told = findings.iter().any(|finding| finding.kind == kind);
    let is_dead = |finding: &&Finding| match finding.kind {
        ConditionType::Ready => finding.truth == Truth::False,
        ConditionType::Reconciling => finding.reason == Reason::TokenLost,
        _ => false,
    };
    let dead = findings.iter().find(is_dead).filter(|_| !is_told)?;
    let message = format!("{}; the given credential is used meanwhile", dead.message);
    Some(Finding::new(kind, false, dead.reason, message))
}

/// Whether there was no token when it was last spoken of, and there is one now with which nothing is wrong.
fn is_there_again<K: Connects>(pass: &Pass<K>) -> bool {
    let conditions = HasStatus::status(&pass.object).map(|status| status.conditions.as_slice());
    let told = condition::find(conditions.unwrap_or_default(), ConditionType::TokenIssued);
    let was_missing = told.is_some_and(|told| told.status == "False");
    let is_wanted = pass.object.settings().credentials.rotation.is_some();
    let is_doubted = pass.findings.iter().any(|finding| {
        let kinds = [
            ConditionType::TokenIssued,
            ConditionType::Reconciling,
            ConditionType::Stalled,
        ];
        kinds.contains(&finding.kind)
    });
    was_missing && is_wanted && !is_doubted && id(pass).is_some()
}

/// A Secret of that name is somebody else's, perhaps that of another instance with the same credential.
fn taken<K: Connects>(object: &K) -> String {
    let name = object.settings().credentials.rotated_name();
    format!(
        "spec.credentials.rotation: Secret {name} exists and is not this instance's: delete it, or give the Secret that \
         spec.credentials.secretRef names another name"
    )
}

/// The id of our own token at the backend, if there is one.
pub(super) fn id<K: Connects>(pass: &Pass<K>) -> Option<String> {
    pass.status.credential.as_ref()?.id.clone()
}

/// What an annotation of the instance asks for.
fn asked<'p, K: Connects>(pass: &'p Pass<K>, annotation: &str) -> Option<&'p str> {
    pass.object
        .annotations()
        .get(annotation)
        .map(String::as_str)
}

/// How our own token ends that is not wanted any more.
fn ending<K: Connects>(pass: &Pass<K>) -> Ending {
    tokens::ending(pass, ENTRY, asked(pass, COMPROMISED))
}

async fn keep_up<K: Connects>(pass: &mut Pass<K>, connection: &Connection) -> Result<(), Stop> {
    if let Some(former) = connection::as_former(pass, &connection.reached) {
        // A token of somebody else is not renewed by us: it goes, and ours comes after it.
        return remove(pass, &former, ending(pass)).await;
    }
    let rotation = pass.object.settings().credentials.rotation;
    match rotation {
        Some(rotation) if !connection.reached.is_password => {
            pass.hold(&[]).await?;
            doubt(pass, connection);
            renew(pass, &connection.backend, rotation).await
        }
        Some(_) => {
            pass.findings.extend(impossible(pass));
            give_up(pass, connection).await
        }
        None => give_up(pass, connection).await,
    }
}

/// A password cannot be rotated so: whoever has it issues tokens for a person.
fn impossible<K: Connects>(pass: &Pass<K>) -> [Finding; 2] {
    let secret = &pass.object.settings().credentials.secret_ref.name;
    let message = format!(
        "spec.credentials.rotation needs a token, and Secret {secret} holds a user's name and password, which are used as \
         they are: put an API token under the key token, or leave rotation out"
    );
    let finding = |kind, holds| Finding::new(kind, holds, Reason::Invalid, message.as_str());
    [
        finding(ConditionType::TokenIssued, false),
        finding(ConditionType::Stalled, true),
    ]
}

/// What was refused just now is looked at at once, and not with the next sweep.
fn doubt<K: Connects>(pass: &Pass<K>, connection: &Connection) {
    if connection.reached.is_own_refused {
        let now = connection.backend.client.backend_now();
        let memory = &pass.context.memory;
        memory.remember(&pass.key(), ENTRY, |entry| {
            entry.refused_since.get_or_insert(now);
        });
    }
}

async fn renew<K: Connects>(
    pass: &mut Pass<K>,
    backend: &Backend,
    rotation: CredentialRotation,
) -> Result<(), Stop> {
    let naming = Naming::Fixed(pass.object.settings().credentials.rotated_name());
    let entry = Entry {
        owner_name: &backend.identity.name,
        name: ENTRY,
        policy: Policy::new(&rotation.token(), backend.granularity),
        dressing: Dressing {
            naming: &naming,
            template: &SecretTemplate::default(),
            account: &backend.identity.name,
            url: &backend.url,
            tenant: backend.client.tenant(),
        },
        requests: Requests {
            rotate: asked(pass, ROTATE_REQUESTED_AT).map(str::to_owned),
            compromised: asked(pass, COMPROMISED).map(str::to_owned),
        },
        rights: None,
        activity: Activity::Active,
    };
    tokens::keep(pass, backend, &mut Ledger::of(Owner::Me), entry).await
}

/// Removes what a rotation left that is not wanted any more, unless it is what we live on.
async fn give_up<K: Connects>(pass: &mut Pass<K>, connection: &Connection) -> Result<(), Stop> {
    if !is_held(&pass.object) {
        return Ok(());
    }
    if connection.reached.source == Source::Own {
        stay(pass);
        return Ok(());
    }
    remove(pass, &connection.backend, ending(pass)).await?;
    if pass.status.credential.is_none() {
        // Without a finalizer nobody looks for a second Secret: what is left is written down before.
        pass.checkpoint().await?;
        pass.release().await?;
    }
    Ok(())
}

/// What we live on again does not leave: its time counts from when we do not.
fn stay<K: Connects>(pass: &mut Pass<K>) {
    if let Some(credential) = &mut pass.status.credential
        && credential.id.is_none()
    {
        credential.retired.clear();
    }
}

async fn remove<K: Connects>(
    pass: &mut Pass<K>,
    backend: &Backend,
    ending: Ending,
) -> Result<(), Stop> {
    let mut ledger = Ledger::of(Owner::Me);
    tokens::remove(pass, backend, &mut ledger, ENTRY, ending).await
}

/// Revokes what we issued for ourselves, and lets the instance go. A backend that does not let us is waited for a while;
/// then the instance goes all the same, and the token ends by itself.
pub(super) async fn end<K: Connects>(pass: &mut Pass<K>) -> Result<(), Stop> {
    if !is_held(&pass.object) {
        return Ok(());
    }
    let left = match clear(pass).await {
        Ok(()) => None,
        Err(stop) if !is_of_backend(&stop) || stop.is_withheld() => return Err(stop),
        Err(stop) => {
            let due = due(pass);
            if pass.context.clock.now() < due {
                pass.wake_at(due);
                return Err(keeps(stop, due));
            }
            Some(stop)
        }
    };
    pass.release().await?;
    if let Some(stop) = left {
        leave(pass, &stop).await;
    }
    Ok(())
}

/// What keeps an instance from being deleted, and until when.
fn keeps(stop: Stop, until: Timestamp) -> Stop {
    stop.told(|message| {
        format!(
            "is being deleted, and the token that the operator issued for itself has to be revoked first: {message}. At \
             {until:.0} it goes in any case, and that token works until it expires"
        )
    })
}

async fn clear<K: Connects>(pass: &mut Pass<K>) -> Result<(), Stop> {
    let connection = connection::reopen(pass).await?;
    if let Some(former) = connection::as_former(pass, &connection.reached) {
        remove(pass, &former, Ending::AtOnce).await?;
    }
    remove(pass, &connection.backend, Ending::AtOnce).await
}

/// Tells that a token stays behind. Its Secret goes with the instance, which owns it.
async fn leave<K: Connects>(pass: &Pass<K>, because: &Stop) {
    let key = pass.key();
    warn!(object = %key, "the operator's own token is left at the backend: {}", because.message());
    let note = "the token that the operator issued for itself could not be revoked and works until it expires: revoke it at \
                the backend";
    pass.warn(Reason::RevocationOwed, note.to_owned()).await;
}
