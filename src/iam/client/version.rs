//! Which line of Kestra an instance says it belongs to.

use crate::iam::wire::Configs;

/// A line of Kestra's releases, told by the version's first number.
///
/// It is information for people and for the words of permissions; no call of the client depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// 1.x: actions are READ, CREATE, UPDATE and DELETE.
    V1,
    /// 2.x: fine-grained actions, and tenant access before membership.
    V2,
    /// Another or an unreadable version, `develop` for example: taken for the newest.
    Unknown,
}

impl Line {
    /// Reads a version such as `1.3.26`, `v2.0.0-rc11` or `2.0.0-SNAPSHOT`.
    #[must_use]
    pub fn of(version: &str) -> Self {
        let version = version.trim();
        let version = version.strip_prefix(['v', 'V']).unwrap_or(version);
        match version.split(['.', '-', '+']).next() {
            Some("1") => Self::V1,
            Some("2") => Self::V2,
            _ => Self::Unknown,
        }
    }
}

impl Configs {
    /// The line that the instance's version belongs to.
    #[must_use]
    pub fn line(&self) -> Line {
        self.version.as_deref().map_or(Line::Unknown, Line::of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_leniently() {
        for (version, line) in [
            ("1.3.26", Line::V1),
            ("1", Line::V1),
            ("v1.0", Line::V1),
            ("2.0.0", Line::V2),
            ("2.0.0-SNAPSHOT", Line::V2),
            (" 2.0.0-rc11\n", Line::V2),
            ("2-beta", Line::V2),
            ("develop", Line::Unknown),
            ("0.24.1", Line::Unknown),
            ("12.0", Line::Unknown),
            ("", Line::Unknown),
        ] {
            assert_eq!(Line::of(version), line, "{version:?}");
        }
    }
}
