//! How a token is to live: the spec with its defaults filled in.

use jiff::SignedDuration;

use super::window::{self, Window};
use crate::api::duration::Duration;
use crate::api::policy::{PermissionChangePolicy, PreviousValuePolicy};
use crate::api::token::{SecretSpec, TokenSpec, Workload};

/// How a token is to live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether and when it expires.
    pub lifetime: Lifetime,
    /// How much validity is left when it is replaced.
    pub renewal: Renewal,
    /// The age at which it is replaced in any case.
    pub interval: Option<SignedDuration>,
    /// When it may be replaced; empty = at any time.
    pub windows: Vec<Window>,
    /// What a change of its account's permissions means.
    pub permission_change: PermissionChangePolicy,
    /// What becomes of the value that a new one replaces.
    pub previous_value: PreviousValuePolicy,
    /// How long its predecessor goes on working.
    pub overlap: Overlap,
    /// What is rolled after a rotation.
    pub restart: Vec<Workload>,
}

/// Whether and when a token expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// So long after its issue.
    After(SignedDuration),
    /// So long after its last use.
    Extended(SignedDuration),
    /// Never.
    Never,
}

/// How much validity is left when a token is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// So much time.
    Before(SignedDuration),
    /// So many percent of the validity that was granted.
    Percentage(u32),
    /// A third of the validity that was granted.
    Third,
}

/// How long a replaced token goes on working.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// At least so long.
    pub min: SignedDuration,
    /// At most so long.
    pub max: SignedDuration,
    /// In between: until it was not used for so long.
    pub quiet: SignedDuration,
}

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

impl Policy {
    /// Fills in the defaults. `granularity` is how exactly the instance knows when a token was last used: a quiet
    /// period shorter than twice that would see quiet where there is none. Windows that cannot be kept to
    /// ([`super::check_windows`]) are left out: no token dies of a slip of the pen.
    #[must_use]
    pub fn new(spec: &TokenSpec, granularity: SignedDuration) -> Self {
        let lifetime = match spec.lifetime.map(Duration::signed) {
            Some(lifetime) if spec.extended => Lifetime::Extended(lifetime),
            Some(lifetime) => Lifetime::After(lifetime),
            None => Lifetime::Never,
        };
        let rotation = &spec.rotation;
        let renewal = match (rotation.renew_before, rotation.renew_before_percentage) {
            (Some(before), _) => Renewal::Before(before.signed()),
            (None, Some(percent)) => Renewal::Percentage(percent),
            (None, None) => Renewal::Third,
        };
        Self {
            lifetime,
            renewal,
            interval: rotation.interval.map(Duration::signed),
            windows: window::valid(rotation),
            permission_change: rotation.permission_change_policy,
            previous_value: previous_value(&spec.secret),
            overlap: overlap(&rotation.overlap, lifetime, granularity),
            restart: spec.restart.clone(),
        }
    }
}

/// An immutable Secret could not let go of a second value.
const fn previous_value(secret: &SecretSpec) -> PreviousValuePolicy {
    if secret.immutable {
        PreviousValuePolicy::Omit
    } else {
        secret.previous_value_policy
    }
}

fn overlap(
    spec: &crate::api::token::Overlap,
    lifetime: Lifetime,
    granularity: SignedDuration,
) -> Overlap {
    let (short, long) = match lifetime {
        Lifetime::After(lifetime) | Lifetime::Extended(lifetime) => {
            ((lifetime / 20).min(HOUR), (lifetime / 4).min(DAY))
        }
        Lifetime::Never => (HOUR, DAY),
    };
    let max = spec.max.map(Duration::signed);
    let min = spec
        .min
        .map_or_else(|| short.min(max.unwrap_or(short)), Duration::signed);
    let quiet = spec.quiet_period.map_or(min / 4, Duration::signed);
    Overlap {
        min,
        max: max.unwrap_or(long).max(min),
        quiet: quiet.max(granularity * 2),
    }
}

impl Lifetime {
    /// What is asked for at the backend as `maxAge`.
    #[must_use]
    pub const fn max_age(self) -> Option<SignedDuration> {
        match self {
            Self::After(age) | Self::Extended(age) => Some(age),
            Self::Never => None,
        }
    }

    /// Whether use prolongs it.
    #[must_use]
    pub const fn is_extended(self) -> bool {
        matches!(self, Self::Extended(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(json: serde_json::Value) -> Policy {
        Policy::new(
            &serde_json::from_value(json).unwrap(),
            SignedDuration::from_secs(10),
        )
    }

    #[test]
    fn the_overlap_scales_with_the_lifetime() {
        let overlap = spec(serde_json::json!({"lifetime": "1h"})).overlap;
        assert_eq!(
            (
                overlap.min.as_mins(),
                overlap.max.as_mins(),
                overlap.quiet.as_secs()
            ),
            (3, 15, 45)
        );
        let overlap = spec(serde_json::json!({"lifetime": "8760h"})).overlap;
        assert_eq!((overlap.min, overlap.max), (HOUR, DAY), "capped");
        let overlap = spec(serde_json::json!({"neverExpires": true})).overlap;
        assert_eq!((overlap.min, overlap.max), (HOUR, DAY));
    }

    #[test]
    fn what_is_set_wins_over_the_defaults() {
        let rotation = serde_json::json!({"overlap": {"max": "20s"}});
        let overlap = spec(serde_json::json!({"lifetime": "1h", "rotation": rotation})).overlap;
        assert_eq!(
            (overlap.min.as_secs(), overlap.max.as_secs()),
            (20, 20),
            "min follows max"
        );
        let rotation = serde_json::json!({"overlap": {"min": "2h", "quietPeriod": "1s"}});
        let overlap = spec(serde_json::json!({"lifetime": "4h", "rotation": rotation})).overlap;
        assert_eq!(
            (overlap.min.as_hours(), overlap.max.as_hours()),
            (2, 2),
            "max follows min"
        );
        assert_eq!(
            overlap.quiet.as_secs(),
            20,
            "no finer than the backend can tell"
        );
    }
}
