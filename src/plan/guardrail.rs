//! What an instance lets the objects of a namespace do. All is closed unless it is opened.

use super::claim::Adoption;
use crate::api::condition::Reason;
use crate::api::guardrails::{ExternalSubjectKind, Guardrails};
use crate::api::pattern::Pattern;
use crate::api::token::TokenSpec;
use crate::iam::wire::Permissions;

/// The rules as they apply to one namespace.
#[derive(Clone, Copy, Debug)]
pub struct Guard<'a> {
    /// `None` for an `Instance` of the namespace's own: its credential is the limit.
    pub rules: Option<&'a Guardrails>,
    /// The namespace of the object that is judged.
    pub namespace: &'a str,
}

/// Why something is refused: the guardrail that would have to be opened. It tells nothing about the backend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is not permitted at all.
    #[error("{what} is not allowed by the instance: its administrator can open {field}")]
    Closed {
        /// What was asked for, in the user's words.
        what: String,
        /// The field of the instance.
        field: &'static str,
    },
    /// It is too much by number.
    #[error(
        "guardrails.tokensPerNamespace allows {}, others of this namespace hold {others} and this object asks for {asks}: \
         ask for fewer, remove tokens of the others, or have the instance's administrator raise the limit",
        tokens(*.most)
    )]
    Quota {
        /// So many tokens may be held.
        most: u32,
        /// So many are held by others whose turn is earlier.
        others: usize,
        /// So many are asked for.
        asks: usize,
    },
}

impl Refusal {
    /// What stands in the condition.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Closed { .. } => Reason::NotAllowed,
            Self::Quota { .. } => Reason::QuotaExceeded,
        }
    }
}

fn tokens(number: u32) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} token{plural}")
}

impl Guard<'_> {
    /// Whether a role of this name may be granted.
    pub fn role(&self, name: &str) -> Result<(), Refusal> {
        let open = self.lists(|rules| &rules.roles, name);
        check(open, || format!("role {name}"), "guardrails.roles")
    }

    /// Whether an account may be a member of a group of this name, or a `Group` object make it.
    pub fn group(&self, name: &str) -> Result<(), Refusal> {
        let open = self.lists(|rules| &rules.groups, name);
        check(open, || format!("group {name}"), "guardrails.groups")
    }

    /// Whether a role may be granted in this Kestra namespace (`None` = in the whole tenant).
    pub fn scope(&self, kestra: Option<&str>) -> Result<(), Refusal> {
        let open = self.open() || self.rules.is_some_and(|rules| self.covers(rules, kestra));
        let what = || match kestra {
            Some(kestra) => format!("a role in Kestra namespace {kestra}"),
            None => "a role in the whole tenant".to_owned(),
        };
        check(open, what, "guardrails.kestraNamespaces")
    }

    /// A pattern covers a namespace if it fits it or one of its parents.
    fn covers(&self, rules: &Guardrails, kestra: Option<&str>) -> bool {
        let Some(kestra) = kestra else {
            return rules
                .kestra_namespaces
                .iter()
                .any(|pattern| pattern.0 == "*");
        };
        let ends = kestra
            .match_indices('.')
            .map(|(end, _)| end)
            .chain([kestra.len()]);
        let mut covering = ends.map(|end| &kestra[..end]);
        covering.any(|parent| self.fits(&rules.kestra_namespaces, parent))
    }

    /// Whether a `Role` object may contain these permissions.
    pub fn permissions(&self, permissions: &Permissions) -> Result<(), Refusal> {
        let pairs = permissions.iter().flat_map(|(resource, actions)| {
            actions
                .iter()
                .map(move |action| (resource.as_str(), action.as_str()))
        });
        for (resource, action) in pairs {
            let listed = self.rules.is_some_and(|rules| {
                rules
                    .permissions
                    .iter()
                    .any(|rule| permits(rule, resource, action))
            });
            let what = || format!("permission {resource}:{action}");
            check(self.open() || listed, what, "guardrails.permissions")?;
        }
        Ok(())
    }

    /// Whether an account may have this name; `usual` is the one that the instance's template makes.
    pub fn account_name(&self, name: &str, usual: &str) -> Result<(), Refusal> {
        let names = self.rules.map_or(&[][..], |rules| &rules.account_names);
        let open = self.open() || self.fits(names, name) || (names.is_empty() && name == usual);
        check(
            open,
            || format!("account name {name}"),
            "guardrails.accountNames",
        )
    }

    /// Whether an existing thing of this name may be adopted: never opened by `unrestricted`.
    #[must_use]
    pub fn adoption(&self, name: &str) -> Adoption {
        let open = self
            .rules
            .is_none_or(|rules| self.fits(&rules.adoption, name));
        if open {
            Adoption::Open
        } else {
            Adoption::Closed
        }
    }

    /// Whether tokens may be issued for this user.
    pub fn token_subject(&self, user: &str) -> Result<(), Refusal> {
        let open = self.lists(|rules| &rules.token_subjects, user);
        check(
            open,
            || format!("a token for user {user}"),
            "guardrails.tokenSubjects",
        )
    }

    /// Whether a binding may be for something that only the backend knows.
    pub fn subject(&self, kind: ExternalSubjectKind, name: &str) -> Result<(), Refusal> {
        let listed = self.rules.is_some_and(|rules| {
            let mut subjects = rules.subjects.iter();
            subjects.any(|rule| rule.kind == kind && rule.name.fits(self.namespace, name))
        });
        check(
            self.open() || listed,
            || format!("subject {name}"),
            "guardrails.subjects",
        )
    }

    /// Whether grants and tokens may be for an owner of the whole instance: never opened by `unrestricted`.
    pub fn super_admin(&self, name: &str) -> Result<(), Refusal> {
        let open = self.rules.is_none_or(|rules| rules.allow_super_admin);
        check(
            open,
            || format!("superadmin {name}"),
            "guardrails.allowSuperAdmin",
        )
    }

    /// Whether a token may live like this.
    pub fn token(&self, token: &TokenSpec) -> Result<(), Refusal> {
        let Some(rules) = self.rules else {
            return Ok(());
        };
        if let (Some(lifetime), Some(max)) = (token.lifetime, rules.max_lifetime) {
            let what = || format!("a lifetime of {lifetime} (at most {max})");
            check(lifetime <= max, what, "guardrails.maxLifetime")?;
        }
        // A limit on lifetimes is a limit on those without an end too, unless that is said apart.
        let unlimited = rules.unrestricted && rules.max_lifetime.is_none();
        let forever = rules.allow_never_expires.unwrap_or(unlimited);
        let open = !token.never_expires || forever;
        check(
            open,
            || "a token that never expires".into(),
            "guardrails.allowNeverExpires",
        )
    }

    /// Whether the number of tokens is limited at all.
    #[must_use]
    pub fn limits_tokens(&self) -> bool {
        let limit = self.rules.and_then(|rules| rules.tokens_per_namespace);
        limit.is_some()
    }

    /// Whether an object may hold as many tokens as it asks for beside those that `others` of its namespace hold.
    pub fn token_count(&self, asks: usize, others: usize) -> Result<(), Refusal> {
        let Some(most) = self.rules.and_then(|rules| rules.tokens_per_namespace) else {
            return Ok(());
        };
        if asks == 0 || usize::try_from(most).is_ok_and(|most| asks + others <= most) {
            return Ok(());
        }
        Err(Refusal::Quota { most, others, asks })
    }

    fn open(&self) -> bool {
        self.rules.is_none_or(|rules| rules.unrestricted)
    }

    fn lists(&self, list: fn(&Guardrails) -> &Vec<Pattern>, name: &str) -> bool {
        self.open() || self.rules.is_some_and(|rules| self.fits(list(rules), name))
    }

    fn fits(&self, patterns: &[Pattern], name: &str) -> bool {
        patterns
            .iter()
            .any(|pattern| pattern.fits(self.namespace, name))
    }
}

fn permits(rule: &str, resource: &str, action: &str) -> bool {
    let part = |pattern: &str, word: &str| pattern == "*" || pattern == word;
    rule.split_once(':')
        .is_some_and(|(resources, actions)| part(resources, resource) && part(actions, action))
}

fn check(open: bool, what: impl FnOnce() -> String, field: &'static str) -> Result<(), Refusal> {
    if open {
        Ok(())
    } else {
        Err(Refusal::Closed {
            what: what(),
            field,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(json: serde_json::Value) -> Guardrails {
        serde_json::from_value(json).unwrap()
    }

    fn guard(rules: &Guardrails) -> Guard<'_> {
        Guard {
            rules: Some(rules),
            namespace: "team-a",
        }
    }

    fn token(json: serde_json::Value) -> TokenSpec {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn nothing_but_an_account_of_ones_own_is_open_by_default() {
        let rules = Guardrails::default();
        let guard = guard(&rules);
        assert!(guard.account_name("team-a-ci", "team-a-ci").is_ok());
        assert!(guard.token(&token(json!({"lifetime": "720h"}))).is_ok());
        for refused in [
            guard.role("Launcher"),
            guard.group("Bots"),
            guard.scope(Some("company")),
            guard.scope(None),
            guard.account_name("other", "team-a-ci"),
            guard.token_subject("ann@example.com"),
            guard.subject(ExternalSubjectKind::ExternalUser, "ann@example.com"),
            guard.super_admin("root"),
            guard.permissions(&[("FLOW".to_owned(), vec!["READ".to_owned()])].into()),
            guard.token(&token(json!({"neverExpires": true}))),
        ] {
            assert!(refused.is_err());
        }
        assert_eq!(guard.adoption("team-a-ci"), Adoption::Closed);
    }

    #[test]
    fn unrestricted_leaves_superadmins_and_adoption_closed() {
        let rules = rules(json!({"unrestricted": true}));
        let guard = guard(&rules);
        assert!(guard.role("Admin").is_ok() && guard.scope(None).is_ok());
        assert!(guard.account_name("other", "team-a-ci").is_ok());
        assert!(guard.token(&token(json!({"neverExpires": true}))).is_ok());
        assert!(guard.super_admin("root").is_err());
        assert_eq!(guard.adoption("other"), Adoption::Closed);
    }

    #[test]
    fn an_instance_of_ones_own_has_no_guardrails() {
        let guard = Guard {
            rules: None,
            namespace: "team-a",
        };
        assert!(guard.role("Admin").is_ok() && guard.super_admin("root").is_ok());
        assert_eq!(guard.adoption("other"), Adoption::Open);
        assert!(guard.token_count(100_000, 100_000).is_ok());
    }

    #[test]
    fn a_kestra_namespace_covers_its_children_and_nothing_beside_them() {
        let rules = rules(json!({"kestraNamespaces": ["company.{{namespace}}"]}));
        let guard = guard(&rules);
        assert!(guard.scope(Some("company.team-a")).is_ok());
        assert!(guard.scope(Some("company.team-a.prod")).is_ok());
        for refused in [
            "company",
            "company.team-ab",
            "company.team-b",
            "other.company.team-a",
        ] {
            assert!(guard.scope(Some(refused)).is_err(), "{refused}");
        }
        assert!(guard.scope(None).is_err());
    }

    #[test]
    fn the_whole_tenant_takes_a_star() {
        let rules = rules(json!({"kestraNamespaces": ["*"]}));
        assert!(guard(&rules).scope(None).is_ok());
        assert!(guard(&rules).scope(Some("any.where")).is_ok());
    }

    #[test]
    fn permissions_are_judged_one_by_one() {
        let rules = rules(json!({"permissions": ["FLOW:READ", "EXECUTION:*"]}));
        let of = |resource: &str, actions: &[&str]| {
            let actions = actions.iter().map(|&action| action.to_owned()).collect();
            guard(&rules).permissions(&[(resource.to_owned(), actions)].into())
        };
        assert!(of("FLOW", &["READ"]).is_ok() && of("EXECUTION", &["CREATE", "KILL"]).is_ok());
        let refusal = of("FLOW", &["READ", "DELETE"]).unwrap_err().to_string();
        let expected = "permission FLOW:DELETE is not allowed by the instance: its administrator can open \
                        guardrails.permissions";
        assert_eq!(refusal, expected);
        assert!(of("USER", &["READ"]).is_err());
    }

    #[test]
    fn lifetimes_and_numbers_are_bounded() {
        let rules = rules(json!({"maxLifetime": "24h", "tokensPerNamespace": 2}));
        let guard = guard(&rules);
        assert!(guard.token(&token(json!({"lifetime": "24h"}))).is_ok());
        assert!(guard.token(&token(json!({"lifetime": "25h"}))).is_err());
        assert!(guard.token_count(1, 1).is_ok());
        assert!(guard.token_count(0, 3).is_ok(), "nothing is never too much");
        let refusal = guard.token_count(1, 2).unwrap_err();
        assert_eq!(refusal.reason(), Reason::QuotaExceeded);
        let expected = "guardrails.tokensPerNamespace allows 2 tokens, others of this namespace hold 2 and this object \
                        asks for 1: ask for fewer, remove tokens of the others, or have the instance's \
                        administrator raise the limit";
        assert_eq!(refusal.to_string(), expected);
    }

    #[test]
    fn a_limit_on_lifetimes_closes_tokens_that_never_expire() {
        let forever = token(json!({"neverExpires": true}));
        for (open, json) in [
            (true, json!({"unrestricted": true})),
            (false, json!({"unrestricted": true, "maxLifetime": "24h"})),
            (
                true,
                json!({"maxLifetime": "24h", "allowNeverExpires": true}),
            ),
            (
                false,
                json!({"unrestricted": true, "allowNeverExpires": false}),
            ),
        ] {
            let rules = rules(json);
            assert_eq!(guard(&rules).token(&forever).is_ok(), open, "{rules:?}");
        }
    }

    #[test]
    fn a_list_of_account_names_replaces_the_usual_name() {
        let rules = rules(json!({"accountNames": ["bot-*"]}));
        assert!(guard(&rules).account_name("bot-1", "team-a-ci").is_ok());
        assert!(
            guard(&rules)
                .account_name("team-a-ci", "team-a-ci")
                .is_err()
        );
    }
}
