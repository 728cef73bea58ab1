//! What names may look like.

use crate::server::error::Error;

/// Longest free text that is kept: descriptions, names of groups and roles.
const LONGEST_TEXT: usize = 4096;
/// Path segments of the instance's own routes: a tenant of such a name could not be reached.
const RESERVED_TENANTS: [&str; 8] = [
    "auditlogs",
    "configs",
    "license-info",
    "me",
    "service-accounts",
    "setup",
    "tenants",
    "users",
];

/// The name of a service account or a token: `^(?=.{1,63}$)[a-z0-9]+(?:-[a-z0-9]+)*$`.
pub(crate) fn label(field: &'static str, name: Option<String>) -> Result<String, Error> {
    let name = required(field, name)?;
    let parts_are_words = name.split('-').all(|part| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    });
    if parts_are_words && name.len() <= 63 {
        Ok(name)
    } else {
        Err(Error::invalid(
            field,
            "use 1 to 63 lower-case letters, digits and single hyphens between them",
        ))
    }
}

/// Free text that must not be empty, e.g. the name of a group.
pub(crate) fn required(field: &'static str, text: Option<String>) -> Result<String, Error> {
    match text {
        Some(text) if !text.trim().is_empty() => bounded(field, text),
        _ => Err(Error::invalid(field, "is required")),
    }
}

/// Free text that may be absent; an empty one counts as absent.
pub(crate) fn optional(field: &'static str, text: Option<String>) -> Result<Option<String>, Error> {
    text.filter(|text| !text.is_empty())
        .map(|text| bounded(field, text))
        .transpose()
}

/// A user's e-mail address, which is also the login name.
pub(crate) fn email(field: &'static str, email: Option<String>) -> Result<String, Error> {
    let email = required(field, email)?;
    let printable = !email.chars().any(|c| c.is_whitespace() || c.is_control());
    // A colon would end the name in HTTP Basic.
    if printable && !email.contains(':') && email.len() <= 254 {
        Ok(email)
    } else {
        Err(Error::invalid(
            field,
            "use at most 254 characters without spaces and colons",
        ))
    }
}

/// A Kestra namespace: words joined by dots. Absent means the whole tenant.
pub(crate) fn namespace(
    field: &'static str,
    namespace: Option<String>,
) -> Result<Option<String>, Error> {
    let Some(namespace) = namespace else {
        return Ok(None);
    };
    let segments_are_words = namespace.split('.').all(|segment| {
        !segment.is_empty()
            && segment
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    });
    if segments_are_words && namespace.len() <= 150 {
        Ok(Some(namespace))
    } else {
        Err(Error::invalid(
            field,
            "use letters, digits, '_' and '-' joined by dots, or leave it out for the whole tenant",
        ))
    }
}

/// A tenant's id, which is a path segment: `^[a-z0-9][a-z0-9_-]*`.
pub(crate) fn tenant(field: &'static str, id: Option<String>) -> Result<String, Error> {
    let id = required(field, id)?;
    let starts_well = id.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let is_a_word = id
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
    if !starts_well || !is_a_word || id.len() > 63 {
        return Err(Error::invalid(
            field,
            "use 1 to 63 lower-case letters, digits, '_' and '-', the first a letter or digit",
        ));
    }
    if RESERVED_TENANTS.contains(&id.as_str()) {
        return Err(Error::invalid(
            field,
            "is the name of a route of the instance: choose another",
        ));
    }
    Ok(id)
}

/// A password that is new: its length is the only rule.
pub(crate) fn password(field: &'static str, password: &str) -> Result<(), Error> {
    if (8..=256).contains(&password.len()) {
        Ok(())
    } else {
        Err(Error::invalid(field, "use 8 to 256 characters"))
    }
}

fn bounded(field: &'static str, text: String) -> Result<String, Error> {
    if text.len() > LONGEST_TEXT {
        return Err(Error::invalid(field, "use at most 4096 bytes"));
    }
    // Databases end a text there, or refuse it.
    if text.contains('\0') {
        return Err(Error::invalid(field, "use no NUL character"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn is_label(name: &str) -> bool {
        label("name", Some(name.to_owned())).is_ok()
    }

    #[rstest]
    #[case("a")]
    #[case("0")]
    #[case("ci-bot")]
    #[case("a-b-c-1")]
    fn a_label(#[case] name: &str) {
        assert!(is_label(name));
    }

    #[rstest]
    #[case("")]
    #[case("a--b")]
    #[case("-a")]
    #[case("a-")]
    #[case("CI Bot")]
    #[case("a_b")]
    #[case("a.b")]
    #[case("a\n")]
    #[case("ä")]
    #[case("../x")]
    fn not_a_label(#[case] name: &str) {
        assert!(!is_label(name));
    }

    #[test]
    fn a_label_has_at_most_63_characters() {
        assert!(is_label(&"a".repeat(63)));
        assert!(!is_label(&"a".repeat(64)));
    }

    #[rstest]
    #[case("company", true)]
    #[case("company.team_1.sub-x", true)]
    #[case("", false)]
    #[case(".", false)]
    #[case("company.", false)]
    #[case(".team", false)]
    #[case("company..team", false)]
    #[case("company/team", false)]
    #[case("company team", false)]
    fn a_namespace_is_words_joined_by_dots(#[case] text: &str, #[case] good: bool) {
        assert_eq!(
            namespace("namespaceId", Some(text.to_owned())).is_ok(),
            good
        );
    }

    #[rstest]
    #[case("main", true)]
    #[case("team_a-1", true)]
    #[case("Main", false)]
    #[case("-main", false)]
    #[case("users", false)]
    #[case("a/b", false)]
    fn a_tenant_is_a_path_segment_of_its_own(#[case] id: &str, #[case] good: bool) {
        assert_eq!(tenant("id", Some(id.to_owned())).is_ok(), good);
    }

    #[test]
    fn text_that_no_database_keeps_is_refused() {
        for text in ["nul\0".to_owned(), "x".repeat(4097)] {
            assert!(required("name", Some(text.clone())).is_err());
            assert!(optional("description", Some(text)).is_err());
        }
        assert!(required("name", Some("x".repeat(4096))).is_ok());
    }

    #[test]
    fn an_error_names_the_field() {
        let error = label("name", None).unwrap_err();
        assert_eq!(error.to_string(), "name: is required");
    }
}
