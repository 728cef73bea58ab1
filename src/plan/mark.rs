//! Marks: how the backend's objects tell whose they are.
//!
//! Accounts, groups and roles carry a mark as a suffix of their description, tokens as their whole description. A
//! token's name repeats it in short, for people.

use std::fmt::{self, Write};

use sha2::{Digest, Sha256};

/// Longest name of an account or a token at the backend.
const MAX_NAME: usize = 63;

/// First word of every mark.
const WORD: &str = "kestra-iam.dev";

/// What stands for the whole cluster in marks: the uid of `kube-system`, or `--cluster-id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// The id that new marks carry.
    pub id: String,
    /// Ids that count as this cluster's own too (`--former-cluster-ids`).
    pub former: Vec<String>,
}

impl Cluster {
    /// Whether a mark with this cluster id is of this cluster.
    #[must_use]
    pub fn is(&self, id: &str) -> bool {
        self.id == id || self.former.iter().any(|former| former == id)
    }
}

/// An object of the cluster, as marks name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    /// Its kind, e.g. `ServiceAccount`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid: tells incarnations of one name apart, and nothing else.
    pub uid: String,
}

impl Object {
    /// The same object, whatever its incarnation.
    #[must_use]
    pub fn is_namesake_of(&self, other: &Self) -> bool {
        self.kind == other.kind && self.namespace == other.namespace && self.name == other.name
    }
}

/// The mark of one object at the backend; of one token if it has an entry and a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The cluster's id.
    pub cluster: String,
    /// The object that declares it.
    pub object: Object,
    /// For tokens: the entry (empty for an `ApiToken`) and the generation.
    pub token: Option<TokenMark>,
    /// For accounts, groups and roles: whether it was there before the object, which took it over and has to give it
    /// back. The status says so too, but can be lost.
    pub adopted: bool,
}

/// What the mark of a token says besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenMark {
    /// The entry of `spec.tokens`; empty for an `ApiToken`.
    pub entry: String,
    /// The operator's counter for the entry: 1, 2, …
    pub generation: i64,
}

/// How a mark found at the backend relates to an object here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Made for this very object.
    Own,
    /// Made for an object of this kind, namespace and name, in this cluster, with another uid.
    Former,
    /// Made by someone else: another object, another cluster, or a person.
    Foreign,
}

impl Mark {
    /// Reads the mark at the end of a description.
    #[must_use]
    pub fn parse(description: &str) -> Option<Self> {
        let start = description.rfind(WORD)?;
        let body = description[start + WORD.len()..].trim_end_matches(']');
        let field = |key: &str| {
            let mut pairs = body
                .split_whitespace()
                .filter_map(|pair| pair.split_once('='));
            pairs
                .find(|(name, _)| *name == key)
                .map(|(_, value)| value.to_owned())
        };
        let object = field("object")?;
        let mut path = object.splitn(3, '/').map(str::to_owned);
        let token = field("generation").and_then(|generation| generation.parse().ok());
        Some(Self {
            cluster: field("cluster")?,
            object: Object {
                kind: path.next()?,
                namespace: path.next()?,
                name: path.next()?,
                uid: field("uid")?,
            },
            token: token.map(|generation| TokenMark {
                entry: field("entry").unwrap_or_default(),
                generation,
            }),
            adopted: field("adopted").is_some_and(|adopted| adopted == "true"),
        })
    }

    /// Whose it is, seen from `object` in `cluster`.
    #[must_use]
    pub fn ownership(&self, cluster: &Cluster, object: &Object) -> Ownership {
        if !cluster.is(&self.cluster) || !self.object.is_namesake_of(object) {
            Ownership::Foreign
        } else if self.object.uid == object.uid {
            Ownership::Own
        } else {
            Ownership::Former
        }
    }

    /// The description of a backend object: what the user wrote, then the mark.
    #[must_use]
    pub fn append_to(&self, description: Option<&str>) -> String {
        match description
            .map(str::trim_end)
            .filter(|text| !text.is_empty())
        {
            Some(text) => format!("{text} [{self}]"),
            None => format!("[{self}]"),
        }
    }
}

/// What is left of a description without the mark at its end.
#[must_use]
pub fn strip(description: &str) -> &str {
    let marked = Mark::parse(description).is_some();
    let start = description.rfind(&format!("[{WORD}")).filter(|_| marked);
    start
        .map_or(description, |start| &description[..start])
        .trim_end()
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Object {
            kind,
            namespace,
            name,
            uid,
        } = &self.object;
        write!(
            f,
            "{WORD} cluster={} object={kind}/{namespace}/{name} uid={uid}",
            self.cluster
        )?;
        if self.adopted {
            f.write_str(" adopted=true")?;
        }
        let Some(token) = &self.token else {
            return Ok(());
        };
        if !token.entry.is_empty() {
            write!(f, " entry={}", token.entry)?;
        }
        write!(f, " generation={}", token.generation)
    }
}

/// The name of a token at the backend: `<account>-<entry>-<6 of the identity's hash>-g<N>`, at most 63 characters of
/// `[a-z0-9-]` without a double hyphen. What is too long is cut before the hash, which keeps names apart.
#[must_use]
pub fn token_name(owner: &str, mark: &Mark) -> String {
    let (entry, generation) = mark
        .token
        .as_ref()
        .map_or(("", 0), |token| (token.entry.as_str(), token.generation));
    let tail = format!("-{}-g{generation}", short_hash(mark, entry));
    let stem = slug(&format!("{owner}-{entry}"), MAX_NAME - tail.len());
    format!("{stem}{tail}")
}

/// Six characters that differ for different identities (cluster, object, entry).
fn short_hash(mark: &Mark, entry: &str) -> String {
    let Object {
        kind,
        namespace,
        name,
        ..
    } = &mark.object;
    let identity = format!("{}\n{kind}\n{namespace}\n{name}\n{entry}", mark.cluster);
    hex(&Sha256::digest(identity))[..6].to_owned()
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Letters, digits and single hyphens of `text`, at most `max` of them, starting and ending with none.
fn slug(text: &str, max: usize) -> String {
    let mut slug = String::with_capacity(max);
    for character in text.chars().map(|c| c.to_ascii_lowercase()) {
        if character.is_ascii_alphanumeric() {
            slug.push(character);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(max);
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() {
        "token".to_owned()
    } else {
        slug.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn object() -> Object {
        Object {
            kind: "ServiceAccount".into(),
            namespace: "team-a".into(),
            name: "ci-bot".into(),
            uid: "0b6c".into(),
        }
    }

    fn mark(token: Option<TokenMark>) -> Mark {
        Mark {
            cluster: "c1".into(),
            object: object(),
            token,
            adopted: false,
        }
    }

    #[test]
    fn a_mark_remembers_that_its_bearer_was_there_before() {
        let adopted = Mark {
            adopted: true,
            ..mark(None)
        };
        let text = adopted.append_to(Some("by hand"));
        assert_eq!(strip(&text), "by hand");
        assert_eq!(Mark::parse(&text), Some(adopted));
    }

    #[test]
    fn a_description_keeps_its_text_in_front_of_the_mark() {
        let text = mark(None).append_to(Some("Deploys flows [prod]"));
        let expected = "Deploys flows [prod] [kestra-iam.dev cluster=c1 object=ServiceAccount/team-a/ci-bot uid=0b6c]";
        assert_eq!(text, expected);
        assert_eq!(strip(&text), "Deploys flows [prod]");
        assert_eq!(Mark::parse(&text), Some(mark(None)));
    }

    #[test]
    fn a_description_without_a_mark_is_left_alone() {
        for text in [
            "",
            "by hand",
            "about [kestra-iam.dev",
            "kestra-iam.dev is nice",
        ] {
            assert_eq!(Mark::parse(text), None, "{text}");
            assert_eq!(strip(text), text);
        }
        assert_eq!(strip(&mark(None).append_to(None)), "");
    }

    #[test]
    fn a_mark_tells_whose_it_is() {
        let cluster = Cluster {
            id: "c1".into(),
            former: vec!["c0".into()],
        };
        let own = mark(None);
        let of = |cluster_id: &str, change: fn(&mut Object)| {
            let mut mark = Mark {
                cluster: cluster_id.into(),
                ..own.clone()
            };
            change(&mut mark.object);
            mark.ownership(&cluster, &object())
        };
        assert_eq!(of("c1", |_| ()), Ownership::Own);
        assert_eq!(
            of("c0", |_| ()),
            Ownership::Own,
            "a former id of this cluster"
        );
        assert_eq!(
            of("c1", |object| object.uid = "ffff".into()),
            Ownership::Former
        );
        assert_eq!(of("c2", |_| ()), Ownership::Foreign);
        assert_eq!(
            of("c1", |object| object.namespace = "team-b".into()),
            Ownership::Foreign
        );
        assert_eq!(
            of("c1", |object| object.kind = "Group".into()),
            Ownership::Foreign
        );
    }

    #[test]
    fn a_token_is_named_after_account_entry_and_generation() {
        let token = Some(TokenMark {
            entry: "default".into(),
            generation: 12,
        });
        let name = token_name("team-a-ci-bot", &mark(token));
        assert!(
            name.starts_with("team-a-ci-bot-default-") && name.ends_with("-g12"),
            "{name}"
        );
    }

    proptest! {
        #[test]
        fn token_names_are_valid_and_keep_identities_apart(
            owner in "\\PC{0,80}", entry in "[a-z0-9-]{0,70}", other in "[a-z0-9-]{0,70}", generation in 1..i64::MAX,
        ) {
            let named = |entry: &str| {
                token_name(&owner, &mark(Some(TokenMark { entry: entry.into(), generation })))
            };
            let name = named(&entry);
            prop_assert!(name.len() <= 63 && !name.starts_with('-') && !name.contains("--"), "{}", name);
            prop_assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
            prop_assert_eq!(name == named(&other), entry == other);
        }

        #[test]
        fn any_mark_is_read_back(text in "[^\\[]{0,40}", generation in 1..i64::MAX, entry in "[a-z][a-z0-9-]{0,60}") {
            let marked = mark(Some(TokenMark { entry, generation }));
            let description = marked.append_to(Some(&text));
            prop_assert_eq!(Mark::parse(&description), Some(marked));
            prop_assert_eq!(strip(&description), text.trim_end());
        }
    }
}
