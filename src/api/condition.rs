//! Condition types, the closed set of reasons, and how a condition is set.

use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Longest message of a condition, in bytes; what is longer is cut.
const MAX_MESSAGE: usize = 1024;

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$member_doc:meta])* $member:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$member_doc])* $member,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$member,)+];

            /// The name as users see it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$member => stringify!($member),)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl From<$name> for &'static str {
            fn from(name: $name) -> Self {
                name.as_str()
            }
        }
    };
}

names! {
    /// The type of a condition.
    ConditionType {
        /// A working token is in every Secret and the backend equals the spec. Stays true while a renewal fails but
        /// the token in the Secret still works.
        Ready,
        /// The object is valid and permitted.
        Accepted,
        /// Everything that the object refers to was found.
        ResolvedRefs,
        /// Account, groups and bindings at the backend equal the spec.
        Synced,
        /// The newest issue of a token succeeded.
        TokenIssued,
        /// Work is under way (kstatus).
        Reconciling,
        /// No progress without a change by someone (kstatus).
        Stalled,
        /// Warning: a replaced token is still being used.
        RetiredTokenInUse,
        /// Warning: a token or credential ends soon and could not be renewed.
        Expiring,
        /// Warning: a token will be replaced at a time that is in none of its windows.
        WindowUnmet,
        /// Warning: pods of a workload that takes the token at its start still have an older one.
        ConsumersOutdated,
        /// Warning, of an instance: so many of its objects were deleted within minutes that nothing of them is removed until
        /// somebody agrees.
        DeletionBraked,
        /// The object is suspended.
        Suspended,
    }
}

names! {
    /// Why something is so: the closed set that conditions, Events and metrics share.
    Reason {
        /// A first token was issued.
        Issued,
        /// A token was replaced by a new one.
        Rotated,
        /// A replaced token was revoked.
        Revoked,
        /// Nothing is to be done before the next rotation.
        NotDue,
        /// A token could not be replaced in one of its windows, and could not wait for the next.
        WindowMissed,
        /// No window of a token opens between the instant at which it is due and its expiry.
        WindowUnsatisfiable,
        /// The Secret of a token is gone.
        SecretMissing,
        /// The Secret of a token does not hold what was written into it.
        SecretTampered,
        /// A Secret of that name belongs to someone else.
        SecretConflict,
        /// The token in the Secret does not authenticate any more.
        TokenLost,
        /// The token in the Secret has expired.
        TokenExpired,
        /// The lifetime in the spec changed.
        LifetimeChanged,
        /// The backend granted a shorter validity than was asked for.
        LifetimeCapped,
        /// The permissions of the token's account changed.
        PermissionsChanged,
        /// The template of a token's immutable Secret changed.
        TemplateChanged,
        /// Someone asked for a rotation by annotation.
        RotateRequested,
        /// Someone declared the tokens compromised by annotation.
        Compromised,
        /// A rotation waits until the overlap of the one before has ended.
        OverlapInProgress,
        /// A workload that takes the token at its start is rolled for a new one.
        RolloutInProgress,
        /// Tokens are issued again and again without success.
        IssueLoop,
        /// A token that nothing refers to was revoked.
        OrphanRevoked,
        /// What a deleted object left at the backend is still to be removed.
        RevocationOwed,
        /// Many objects were deleted within minutes, and nothing of them is removed until somebody agrees.
        DeletionBraked,
        /// The backend does not answer, or answers that it cannot.
        BackendUnavailable,
        /// The backend asked to be called later.
        BackendThrottled,
        /// The backend's answer makes no sense.
        BackendProtocol,
        /// The Kubernetes API server does not answer.
        KubernetesUnavailable,
        /// The Kubernetes API server refuses what the operator has to write.
        KubernetesRefused,
        /// The backend refuses the operator's credential.
        Unauthorized,
        /// The operator's credential lacks a right at the backend.
        Forbidden,
        /// The instance that the object refers to is not there.
        InstanceNotFound,
        /// Another backend answers than before.
        InstanceChanged,
        /// The Secret with the operator's credential is not there or holds none.
        CredentialMissing,
        /// The instance does not allow this; not there reads the same.
        NotAllowed,
        /// Something of that name exists already.
        NameConflict,
        /// Something of that name exists and may not be adopted.
        AdoptionRefused,
        /// An object or a name that the spec refers to is not there.
        ReferenceNotFound,
        /// The spec cannot be carried out as it stands.
        Invalid,
        /// A quota is used up.
        QuotaExceeded,
        /// The operator only tells what it would do.
        ObserveOnly,
        /// The object is suspended.
        Suspended,
        /// The backend equals the spec.
        Synced,
    }
}

/// The status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody has looked.
    Unknown,
}

impl Truth {
    /// The name as users see it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// A condition before it has a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which condition.
    pub kind: ConditionType,
    /// Whether it holds.
    pub truth: Truth,
    /// Why.
    pub reason: Reason,
    /// The same for people: what is the matter, and what to do about it.
    pub message: String,
}

impl Finding {
    /// A condition that holds or does not.
    #[must_use]
    pub fn new(
        kind: ConditionType,
        truth: impl Into<Truth>,
        reason: Reason,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            truth: truth.into(),
            reason,
            message: message.into(),
        }
    }
}

/// The condition of this type, if it was ever set.
#[must_use]
pub fn find(conditions: &[Condition], kind: ConditionType) -> Option<&Condition> {
    conditions
        .iter()
        .find(|condition| condition.type_ == kind.as_str())
}

/// Whether the condition of this type is there and true.
#[must_use]
pub fn is_true(conditions: &[Condition], kind: ConditionType) -> bool {
    find(conditions, kind).is_some_and(|condition| condition.status == Truth::True.as_str())
}

/// Sets a condition; its `lastTransitionTime` moves to `now` only if its status flips.
pub fn set(
    conditions: &mut Vec<Condition>,
    finding: &Finding,
    generation: Option<i64>,
    now: Timestamp,
) {
    let old = find(conditions, finding.kind);
    let unflipped = old.filter(|old| old.status == finding.truth.as_str());
    let new = Condition {
        type_: finding.kind.as_str().to_owned(),
        status: finding.truth.as_str().to_owned(),
        reason: finding.reason.as_str().to_owned(),
        message: cut(&finding.message, MAX_MESSAGE).to_owned(),
        observed_generation: generation,
        last_transition_time: unflipped.map_or_else(
            || Time(whole_seconds(now)),
            |old| old.last_transition_time.clone(),
        ),
    };
    match conditions
        .iter_mut()
        .find(|condition| condition.type_ == new.type_)
    {
        Some(old) => *old = new,
        None => conditions.push(new),
    }
}

/// Removes a condition.
pub fn remove(conditions: &mut Vec<Condition>, kind: ConditionType) {
    conditions.retain(|condition| condition.type_ != kind.as_str());
}

/// The API server stores whole seconds; a finer time would differ from what is read back.
fn whole_seconds(instant: Timestamp) -> Timestamp {
    Timestamp::from_second(instant.as_second()).unwrap_or(instant)
}

/// The longest part of `text` that has at most `bytes` bytes and whole characters.
fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ready(truth: bool, message: &str) -> Finding {
        Finding::new(ConditionType::Ready, truth, Reason::Synced, message)
    }

    #[test]
    fn the_time_of_transition_moves_only_when_the_status_flips() {
        let mut conditions = Vec::new();
        set(&mut conditions, &ready(false, "a"), Some(1), at(10));
        set(&mut conditions, &ready(false, "b"), Some(2), at(20));
        assert_eq!(conditions[0].last_transition_time, Time(at(10)));
        assert_eq!(
            (
                conditions[0].message.as_str(),
                conditions[0].observed_generation
            ),
            ("b", Some(2))
        );
        set(&mut conditions, &ready(true, "c"), Some(2), at(30));
        assert_eq!(conditions[0].last_transition_time, Time(at(30)));
        assert_eq!(conditions.len(), 1);
    }

    #[test]
    fn a_time_of_transition_reads_back_as_it_was_set() {
        let mut conditions = Vec::new();
        set(
            &mut conditions,
            &ready(true, ""),
            None,
            Timestamp::from_millisecond(1_999).unwrap(),
        );
        let json = serde_json::to_string(&conditions).unwrap();
        assert_eq!(
            serde_json::from_str::<Vec<Condition>>(&json).unwrap(),
            conditions
        );
    }

    #[test]
    fn others_stay_when_one_is_removed() {
        let mut conditions = Vec::new();
        set(&mut conditions, &ready(true, ""), None, at(0));
        let stalled = Finding::new(ConditionType::Stalled, true, Reason::IssueLoop, "");
        set(&mut conditions, &stalled, None, at(0));
        remove(&mut conditions, ConditionType::Stalled);
        assert!(is_true(&conditions, ConditionType::Ready));
        assert!(!is_true(&conditions, ConditionType::Stalled));
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let mut conditions = Vec::new();
        set(
            &mut conditions,
            &ready(true, &"€".repeat(1000)),
            None,
            at(0),
        );
        assert_eq!(conditions[0].message, "€".repeat(341));
    }

    #[test]
    fn reasons_are_what_the_api_server_takes() {
        for reason in Reason::ALL {
            let name = reason.as_str();
            assert!(
                name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphabetic()),
                "{name}"
            );
        }
    }
}
