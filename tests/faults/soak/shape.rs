//! What the objects of a soak look like: accounts, tokens, groups, roles, and how their specs change.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::{Rng, RngExt};
use serde_json::{Value, json};

/// How many groups there are, each with a role.
pub const GROUPS: usize = 4;

/// The users at the backend that tokens are issued for.
pub const USERS: [&str; 3] = ["ada@example.com", "bob@example.com", "cleo@example.com"];

/// How a token lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Ten minutes, replaced when two fifths are left.
    Short,
    /// Half an hour, with its rotations in windows.
    Windowed,
    /// An hour, replaced by age before that.
    Hour,
    /// As long as it is used, and replaced by age.
    Extended,
    /// Without an end, and replaced by age.
    Aging,
    /// Without an end, and replaced on request only.
    Eternal,
    /// Days.
    Calm,
}

const LIVES: [Life; 6] = [
    Life::Short,
    Life::Windowed,
    Life::Hour,
    Life::Extended,
    Life::Aging,
    Life::Eternal,
];

/// One token and its Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name; empty for an `ApiToken`.
    pub name: &'static str,
    /// The Secret's name; with a number behind it for each token where it is immutable.
    pub secret: String,
    /// How it lives.
    pub life: Life,
    has_slow_overlap: bool,
    has_template: bool,
    is_immutable: bool,
}

/// A `ServiceAccount`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The object's name.
    pub name: String,
    /// Its tokens.
    pub entries: Vec<Entry>,
    /// Whether it is suspended.
    pub is_suspended: bool,
    groups: BTreeSet<usize>,
    has_role: bool,
    edits: u64,
}

/// An `ApiToken`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The object's name, and its Secret's.
    pub name: String,
    /// The account that it is for; that of a user otherwise.
    pub account: Option<usize>,
    /// Its life.
    pub entry: Entry,
    user: &'static str,
}

/// One of these.
pub fn pick<T: Clone>(random: &mut StdRng, of: &[T]) -> T {
    of[random.random_range(0..of.len())].clone()
}

/// True once in so many times.
pub fn once_in(random: &mut StdRng, times: u64) -> bool {
    random.next_u64().is_multiple_of(times)
}

impl Entry {
    fn new(random: &mut StdRng, name: &'static str, secret: String) -> Self {
        Self {
            name,
            secret,
            life: pick(random, &LIVES),
            has_slow_overlap: once_in(random, 3),
            has_template: once_in(random, 3),
            is_immutable: once_in(random, 4),
        }
    }

    fn spec(&self) -> Value {
        let overlap = if self.has_slow_overlap {
            json!({"min": "20s", "max": "60s", "quietPeriod": "5s"})
        } else {
            json!({"min": "5s", "max": "20s", "quietPeriod": "2s"})
        };
        let mut spec = self.life.spec();
        spec["rotation"]["overlap"] = overlap;
        spec["secret"] = json!({"name": self.secret, "immutable": self.is_immutable});
        if self.has_template {
            spec["secret"]["template"] = json!({"data": {"KESTRA_API_TOKEN": "{{ token }}"}});
        }
        if !self.name.is_empty() {
            spec["name"] = json!(self.name);
        }
        spec
    }
}

impl Life {
    fn spec(self) -> Value {
        let windows = json!([{"schedule": "*/7 * * * *", "duration": "2m"}]);
        match self {
            Self::Short => json!({"lifetime": "10m", "rotation": {"renewBeforePercentage": 40}}),
            Self::Windowed => json!({"lifetime": "30m", "rotation": {"windows": windows}}),
            Self::Hour => json!({"lifetime": "1h", "rotation": {"interval": "31m"}}),
            Self::Extended => {
                json!({"lifetime": "20m", "extended": true, "rotation": {"interval": "25m"}})
            }
            Self::Aging => json!({"neverExpires": true, "rotation": {"interval": "12m"}}),
            Self::Calm => json!({"lifetime": "100h", "rotation": {}}),
            Self::Eternal => json!({"neverExpires": true, "rotation": {}}),
        }
    }
}

impl Account {
    /// The account of this number, of a random shape.
    pub fn new(random: &mut StdRng, number: usize) -> Self {
        let name = format!("ci-{number}");
        let count = random.random_range(1..=3);
        let names = ["default", "other", "third"].into_iter().take(count);
        let entries = names.map(|entry| Entry::new(random, entry, format!("{name}-{entry}")));
        let entries = entries.collect();
        Self {
            name,
            entries,
            is_suspended: false,
            groups: (0..GROUPS).filter(|_| once_in(random, 3)).collect(),
            has_role: once_in(random, 2),
            edits: 0,
        }
    }

    /// Changes something of the spec, at random. Gives the Secrets that are no longer wanted.
    pub fn edit(&mut self, random: &mut StdRng) -> Vec<String> {
        match random.random_range(0..6) {
            0 => self.edits += 1,
            1 => self.has_role = !self.has_role,
            2 => {
                let group = random.random_range(0..GROUPS);
                if !self.groups.remove(&group) {
                    self.groups.insert(group);
                }
            }
            3 => self.entry(random).has_template ^= true,
            4 => self.entry(random).life = pick(random, &LIVES),
            _ => return self.add_or_remove(random),
        }
        Vec::new()
    }

    fn entry(&mut self, random: &mut StdRng) -> &mut Entry {
        let place = random.random_range(0..self.entries.len());
        &mut self.entries[place]
    }

    fn add_or_remove(&mut self, random: &mut StdRng) -> Vec<String> {
        let extra = self.entries.iter().position(|entry| entry.name == "extra");
        if let Some(place) = extra {
            return vec![self.entries.remove(place).secret];
        }
        let secret = format!("{}-extra", self.name);
        self.entries.push(Entry::new(random, "extra", secret));
        Vec::new()
    }

    /// The spec of the object.
    pub fn spec(&self) -> Value {
        let groups = self.groups.iter();
        let groups: Vec<_> = groups
            .map(|group| json!({"kind": "Group", "name": format!("bots-{group}")}))
            .collect();
        let role = json!({"kind": "Role", "name": "runner", "namespaces": ["company.team"]});
        let entries: Vec<_> = self.entries.iter().map(Entry::spec).collect();
        json!({
            "description": format!("edit {}", self.edits),
            "groups": groups,
            "roles": if self.has_role { vec![role] } else { Vec::new() },
            "tokens": entries,
            "suspend": self.is_suspended,
        })
    }
}

impl Token {
    /// The token of this number: one more for an account, or one for a user.
    pub fn new(random: &mut StdRng, number: usize, account: Option<usize>) -> Self {
        let name = format!("token-{number}");
        let entry = Entry::new(random, "", name.clone());
        Self {
            name,
            account,
            entry,
            user: USERS[number % USERS.len()],
        }
    }

    /// Has it live otherwise from now on.
    pub fn edit(&mut self, random: &mut StdRng) {
        self.entry.life = pick(random, &LIVES);
    }

    /// The spec of the object.
    pub fn spec(&self) -> Value {
        let mut spec = self.entry.spec();
        spec["owner"] = match self.account {
            Some(account) => json!({"serviceAccountRef": {"name": format!("ci-{account}")}}),
            None => json!({"user": self.user}),
        };
        spec
    }
}

/// The objects that the accounts refer to, as kind, name and spec. `scope` keeps names at the backend apart.
pub fn shared(scope: &str) -> Vec<(&'static str, String, Value)> {
    let role = json!({
        "roleName": format!("{scope}-runner"), "permissions": {"FLOW": ["READ"], "EXECUTION": ["READ"]},
    });
    let mut objects = vec![("Role", "runner".to_owned(), role)];
    for group in 0..GROUPS {
        let spec = json!({
            "groupName": format!("{scope}-bots-{group}"),
            "roles": [{"kind": "Role", "name": "runner", "namespaces": [format!("company.g{group}")]}],
        });
        objects.push(("Group", format!("bots-{group}"), spec));
        let binding = json!({
            "roleRef": {"kind": "External", "name": "Viewer"},
            "subjects": [{"kind": "Group", "name": format!("bots-{group}")}, {"kind": "ServiceAccount", "name": format!("ci-{group}")}],
        });
        objects.push(("RoleBinding", format!("view-{group}"), binding));
    }
    objects
}
