//! The backend's nouns.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The id as the backend spells it: opaque, never parsed.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.to_owned())
            }
        }
    };
}

id! {
    /// A service account or a user: both are user records and share one id space.
    PrincipalId
}
id! {
    /// A group of one tenant.
    GroupId
}
id! {
    /// A role of one tenant; managed ones are called `<role>_<tenant>`.
    RoleId
}
id! {
    /// A role binding of one tenant.
    BindingId
}
id! {
    /// An API token. The id is no secret: it cannot authenticate.
    TokenId
}

/// The value of an API token or another credential.
///
/// It has no `Debug`, `Display` or `Serialize`, and its memory is wiped when dropped: the only ways out are
/// [`TokenValue::expose`] and what calls it.
///
/// ```compile_fail,E0277
/// # use kestra_iam_operator::iam::model::TokenValue;
/// format!("{:?}", TokenValue::new(String::new()));
/// ```
///
/// ```compile_fail,E0277
/// # use kestra_iam_operator::iam::model::TokenValue;
/// format!("{}", TokenValue::new(String::new()));
/// ```
///
/// ```compile_fail,E0277
/// # use kestra_iam_operator::iam::model::TokenValue;
/// serde_json::to_string(&TokenValue::new(String::new()));
/// ```
#[derive(Clone)]
pub struct TokenValue(SecretString);

impl TokenValue {
    /// Takes a value over.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(SecretString::from(value))
    }

    /// The value itself, for the one place that sends or stores it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether the value can stand in an `Authorization` header: visible ASCII without spaces, and not empty.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let value = self.expose();
        !value.is_empty() && value.len() <= 4096 && value.bytes().all(|b| b.is_ascii_graphic())
    }
}

impl<'de> Deserialize<'de> for TokenValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_no_header_can_carry_is_told_apart() {
        for bad in ["", "two words", "line\nbreak", "nul\0", "umläut", "tab\t"] {
            assert!(!TokenValue::new(bad.to_owned()).is_well_formed(), "{bad:?}");
        }
        assert!(TokenValue::new("abc-DEF_123.~+/=".to_owned()).is_well_formed());
    }
}
