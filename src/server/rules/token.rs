//! How a token's value is made, kept and how its expiry moves.

use std::fmt::Write;

use jiff::{SignedDuration, Timestamp};
use rand::TryRng;
use sha2::{Digest, Sha256};

use crate::iam::model::TokenValue;

/// 62^40 values are 238 bits; the prefix that lists show leaves 202 of them secret.
const VALUE_LENGTH: usize = 40;
const PREFIX_LENGTH: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A new value for a token.
pub(crate) fn fresh_value<R: TryRng>(random: &mut R) -> Result<TokenValue, R::Error> {
    base62(random, VALUE_LENGTH).map(TokenValue::new)
}

/// A new id: 22 characters, 131 bits.
pub(crate) fn fresh_id<R: TryRng>(random: &mut R) -> Result<String, R::Error> {
    base62(random, 22)
}

fn base62<R: TryRng>(random: &mut R, length: usize) -> Result<String, R::Error> {
    let mut text = String::with_capacity(length);
    let mut bytes = [0_u8; 64];
    while text.len() < length {
        random.try_fill_bytes(&mut bytes)?;
        // Six bits each; the two numbers that stand for no character are thrown away, so that all are equally likely.
        let characters = bytes
            .iter()
            .filter_map(|byte| ALPHABET.get(usize::from(byte & 63)));
        let missing = length - text.len();
        text.extend(characters.take(missing).map(|c| char::from(*c)));
    }
    Ok(text)
}

/// What is kept of a value: enough to recognise it, nothing to recover it from. A slow hash is for passwords; these
/// values have too many bits to be guessed.
pub(crate) fn hash(value: &str) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(value.as_bytes()) {
        // Writing into a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The characters by which people tell tokens apart.
pub(crate) fn prefix(value: &TokenValue) -> String {
    value.expose().chars().take(PREFIX_LENGTH).collect()
}

/// When a token dies and whether use moves that instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// Never, if absent.
    pub(crate) exp: Option<Timestamp>,
    pub(crate) max_age: Option<SignedDuration>,
    pub(crate) extended: bool,
}

/// What one use of a token does to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// It is dead: the caller is unknown.
    Refused,
    /// It lives until `exp`, which is either stored already or differs too little to be worth a write of its own.
    Granted { exp: Option<Timestamp> },
    /// It lives until `exp`, which has to be stored before anyone is told.
    Prolonged { exp: Timestamp },
}

/// Judges a use at `now` of a token that is stored with this lifetime. `noted` is the expiry that earlier uses left and
/// that is not stored yet.
pub(crate) fn judge_use(stored: Lifetime, noted: Option<Timestamp>, now: Timestamp) -> Use {
    let Some(stored_exp) = stored.exp else {
        return Use::Granted { exp: None };
    };
    let exp = noted.map_or(stored_exp, |noted| noted.max(stored_exp));
    if now >= exp {
        return Use::Refused;
    }
    let Some(age) = stored.max_age.filter(|_| stored.extended) else {
        return Use::Granted { exp: Some(exp) };
    };
    let moved = now.checked_add(age).unwrap_or(exp).max(exp);
    if moved.duration_since(stored_exp) > age / 100 {
        Use::Prolonged { exp: moved }
    } else {
        Use::Granted { exp: Some(moved) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use rand::rngs::SysRng;

    use super::*;

    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    fn extended(exp: Timestamp) -> Lifetime {
        Lifetime {
            exp: Some(exp),
            max_age: Some(HOUR),
            extended: true,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn values_differ_and_fit_into_a_header() {
        let values: HashSet<String> = (0..1_000)
            .map(|_| fresh_value(&mut SysRng).unwrap().expose().to_owned())
            .collect();
        assert_eq!(values.len(), 1_000);
        assert!(
            values
                .iter()
                .all(|v| v.len() == VALUE_LENGTH && v.bytes().all(|b| b.is_ascii_alphanumeric()))
        );
    }

    #[test]
    fn a_hash_is_that_of_the_standard() {
        assert_eq!(
            hash("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn a_token_dies_at_its_very_instant() {
        let lifetime = Lifetime {
            extended: false,
            ..extended(at(100))
        };
        let alive = Use::Granted { exp: Some(at(100)) };
        assert_eq!(judge_use(lifetime, None, at(99)), alive);
        assert_eq!(judge_use(lifetime, None, at(100)), Use::Refused);
    }

    #[test]
    fn use_moves_the_expiry_of_an_extended_one() {
        let half_an_hour_before = at(1_800);
        let used = judge_use(extended(at(3_600)), None, half_an_hour_before);
        assert_eq!(used, Use::Prolonged { exp: at(5_400) });
    }

    #[test]
    fn a_hundredth_of_the_age_is_not_stored_at_once() {
        let granted = Use::Granted {
            exp: Some(at(3_636)),
        };
        assert_eq!(judge_use(extended(at(3_600)), None, at(36)), granted);
        let prolonged = Use::Prolonged { exp: at(3_637) };
        assert_eq!(judge_use(extended(at(3_600)), None, at(37)), prolonged);
    }

    #[test]
    fn many_small_moves_add_up_to_one_that_is_stored() {
        let noted = Some(at(3_630));
        let prolonged = Use::Prolonged { exp: at(3_640) };
        assert_eq!(judge_use(extended(at(3_600)), noted, at(40)), prolonged);
    }

    #[test]
    fn what_is_noted_counts_before_it_is_stored() {
        let noted = Some(at(3_630));
        let used = judge_use(extended(at(3_600)), noted, at(3_610));
        assert_eq!(used, Use::Prolonged { exp: at(7_210) });
        let never_extended = Lifetime {
            extended: false,
            ..extended(at(3_600))
        };
        assert_eq!(judge_use(never_extended, None, at(3_610)), Use::Refused);
    }

    #[test]
    fn a_dead_one_is_not_revived_by_use() {
        assert_eq!(
            judge_use(extended(at(3_600)), None, at(3_600)),
            Use::Refused
        );
    }

    proptest! {
        #[test]
        fn use_never_brings_the_expiry_nearer(
            exp in 0_i64..10_000,
            noted in proptest::option::of(0_i64..10_000),
            now in 0_i64..10_000,
            is_extended: bool,
        ) {
            let stored = Lifetime { extended: is_extended, ..extended(at(exp)) };
            let before = noted.unwrap_or(exp).max(exp);
            let after = match judge_use(stored, noted.map(at), at(now)) {
                Use::Refused => { prop_assert!(now >= before); return Ok(()); }
                Use::Granted { exp } => exp.unwrap(),
                Use::Prolonged { exp } => exp,
            };
            prop_assert!(after >= at(before));
            prop_assert!(after <= at(before).max(at(now) + HOUR));
        }
    }
}
