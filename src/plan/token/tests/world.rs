//! A small world: a backend, a Secret, a status and an operator that can crash after any request, as plain data. It
//! checks by itself, with every request, what must always hold.

use super::*;
use crate::plan::token::Urgency;

/// How long a new leader takes to begin.
const TAKEOVER: SignedDuration = SignedDuration::from_secs(20);

/// So many steps in one pass are a loop.
const STEPS: usize = 40;

pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) policy: Policy,
    pub(super) tokens: Vec<Token>,
    pub(super) secret: Option<Secret>,
    pub(super) status: Option<Recorded>,
    pub(super) requests: Requests,
    pub(super) activity: Activity,
    /// Issues that could not wait.
    pub(super) urgent: usize,
    /// How many requests changed something.
    pub(super) writes: u64,
    memory: Memory,
    leading_since: Timestamp,
    trouble: Option<Trouble>,
    list: List,
}

/// A token at the backend.
#[derive(Clone, Debug)]
pub(super) struct Token {
    id: TokenId,
    generation: i64,
    issued: Timestamp,
    expires: Option<Timestamp>,
    extended: bool,
    revoked: bool,
    published: bool,
    last_used: Option<Timestamp>,
    /// When it was replaced in the Secret, or the Secret went.
    left: Timestamp,
}

#[derive(Clone, Debug)]
pub(super) struct Secret {
    version: u64,
    /// `None` = somebody broke it.
    history: Option<History>,
    /// The token that its value is; `None` = none at all.
    value: Option<TokenId>,
}

#[derive(Default)]
struct Memory {
    refused_since: Option<Timestamp>,
    unanswered_publish: Option<Timestamp>,
    listed: Option<Timestamp>,
    moved: Option<(TokenId, Timestamp)>,
}

/// What happens to one request of a pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trouble {
    /// Which one.
    pub(super) request: usize,
    pub(super) outcome: Outcome,
    pub(super) operator: Operator,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It has no effect, and nobody tells.
    Lost,
    /// It has its effect, and nobody tells.
    Unanswered,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Dies,
    Lives,
}

/// Whether the backend's list is up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Whole,
    /// Without tokens that are younger than two seconds.
    Lagging,
}

/// The pass ended early.
struct Broken;

impl World {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            now: START,
            policy,
            tokens: Vec::new(),
            secret: None,
            status: None,
            requests: Requests::default(),
            activity: Activity::Active,
            urgent: 0,
            writes: 0,
            memory: Memory::default(),
            leading_since: START,
            trouble: None,
            list: List::Whole,
        }
    }

    pub(super) fn advance(&mut self, by: SignedDuration) {
        self.now += by;
    }

    pub(super) fn live(&self, id: &TokenId) -> bool {
        let mut tokens = self.tokens.iter();
        tokens.any(|token| token.id == *id && self.works(token))
    }

    fn works(&self, token: &Token) -> bool {
        !token.revoked && token.expires.is_none_or(|expires| self.now < expires)
    }

    pub(super) fn working(&self) -> Vec<TokenId> {
        let working = self.tokens.iter().filter(|token| self.works(token));
        working.map(|token| token.id.clone()).collect()
    }

    pub(super) fn published(&self) -> usize {
        let working = self.tokens.iter().filter(|token| self.works(token));
        working.filter(|token| token.published).count()
    }

    /// The token in the Secret, if it works.
    pub(super) fn served(&self) -> Option<TokenId> {
        let value = self.secret.as_ref()?.value.clone()?;
        self.live(&value).then_some(value)
    }

    /// Consumers use whatever was published and works.
    pub(super) fn use_all(&mut self) {
        let now = self.now;
        for index in 0..self.tokens.len() {
            if self.tokens[index].published && self.works(&self.tokens[index]) {
                let token = &mut self.tokens[index];
                token.last_used = Some(now);
                if token.extended {
                    token.expires = Some(now + self.policy.lifetime.max_age().unwrap());
                }
            }
        }
    }

    /// Somebody changes the Secret.
    pub(super) fn edit(&mut self, change: impl FnOnce(&mut Secret)) {
        self.writes += 1;
        let version = self.writes;
        let before = self.secret.as_ref().and_then(|secret| secret.value.clone());
        if let Some(secret) = &mut self.secret {
            change(secret);
            secret.version = version;
        }
        self.left(before.as_ref());
    }

    /// Somebody puts another Secret in its place, or none.
    pub(super) fn replace(&mut self, secret: Option<Secret>) {
        let before = self.secret.take().and_then(|secret| secret.value);
        self.secret = secret;
        self.edit(|_| ());
        self.left(before.as_ref());
    }

    fn left(&mut self, before: Option<&TokenId>) {
        let held = self.secret.as_ref().and_then(|secret| secret.value.clone());
        let now = self.now;
        for token in &mut self.tokens {
            if Some(&token.id) == before && before != held.as_ref() {
                token.left = now;
            }
        }
    }

    pub(super) fn revoke_current(&mut self) {
        let held = self.secret.as_ref().and_then(|secret| secret.value.clone());
        let mut tokens = self.tokens.iter_mut();
        if let Some(token) = tokens.find(|token| Some(&token.id) == held.as_ref()) {
            token.revoked = true;
        }
    }

    /// One pass. Answers with the plan that it ended with, if it came to its end.
    pub(super) fn pass(&mut self, trouble: Option<Trouble>, list: List) -> Option<Plan> {
        (self.trouble, self.list) = (trouble, list);
        let mut seen = self.observe();
        for _ in 0..STEPS {
            self.look(&mut seen);
            let plan = plan(&self.policy, &seen, MINUTE, self.now);
            let noted = Recorded::noted(&seen);
            let Some(step) = plan.step.clone() else {
                self.check(&seen, &plan);
                let written = self.write_status(noted).is_ok();
                return written.then_some(plan);
            };
            if self.take(&mut seen, step).is_err() {
                self.fail(noted);
                return None;
            }
        }
        panic!("a pass without end: {seen:?}");
    }

    fn fail(&mut self, noted: Option<Recorded>) {
        if self
            .trouble
            .is_some_and(|trouble| trouble.operator == Operator::Dies)
        {
            self.memory = Memory::default();
            self.now += TAKEOVER;
            self.leading_since = self.now;
        } else {
            self.trouble = None;
            let _ = self.write_status(noted);
        }
    }

    fn write_status(&mut self, recorded: Option<Recorded>) -> Result<(), Broken> {
        if recorded == self.status {
            return Ok(());
        }
        self.send(|world| world.status = recorded)
    }

    /// Sends a request that changes something.
    fn send(&mut self, effect: impl FnOnce(&mut Self)) -> Result<(), Broken> {
        let outcome = match &mut self.trouble {
            Some(trouble) if trouble.request == 0 => Some(trouble.outcome),
            Some(trouble) => {
                trouble.request -= 1;
                None
            }
            None => None,
        };
        if outcome == Some(Outcome::Lost) {
            return Err(Broken);
        }
        let served = self.served();
        self.writes += 1;
        effect(self);
        assert!(
            served.is_none() || self.served().is_some(),
            "a request of ours left the Secret without a working token"
        );
        outcome.map_or(Ok(()), |_| Err(Broken))
    }

    pub(super) fn observe(&self) -> Observed {
        let memory = &self.memory;
        let listed = memory.listed.unwrap_or(self.leading_since);
        Observed {
            secret: self.secret_seen(),
            recorded: self.status.clone(),
            refused_since: memory.refused_since,
            requests: self.requests.clone(),
            moved: memory.moved.clone(),
            next_look: turn("seed", listed, HOUR),
            settling: Settling {
                leading_since: self.leading_since,
                unanswered_publish: memory.unanswered_publish,
                grace: MINUTE,
            },
            activity: self.activity,
            ..steady()
        }
    }

    fn secret_seen(&self) -> SecretSeen {
        match &self.secret {
            None => SecretSeen::Absent,
            Some(secret) => SecretSeen::Ours {
                resource_version: secret.version.to_string(),
                history: secret.history.clone().map(Box::new),
                prefix_holds: None,
                dress: Dress::Fits,
            },
        }
    }

    fn look(&mut self, seen: &mut Observed) {
        while let Some(wanted) = look(&self.policy, seen, self.now) {
            match wanted {
                Look::List => self.list(seen),
                Look::Value => self.value(seen),
                Look::Consumers => panic!("nothing is rolled here"),
            }
        }
    }

    fn list(&mut self, seen: &mut Observed) {
        let fresh = self.now - SignedDuration::from_secs(2);
        let is_shown = |token: &&Token| self.list == List::Whole || token.issued <= fresh;
        let there = self.tokens.iter().filter(|token| !token.revoked);
        let listed = there.filter(is_shown).map(|token| Listed {
            id: token.id.clone(),
            generation: token.generation,
            issued: token.issued,
            expires: token.expires,
            last_used: token.last_used,
            extended: token.extended,
        });
        (seen.listed, seen.listed_at) = (Some(listed.collect()), Some(self.now));
        seen.next_look = turn("seed", self.now, HOUR);
        self.memory.listed = Some(self.now);
        let current = seen
            .current()
            .and_then(|current| seen.listing_of(&current.id));
        self.memory.moved = current.and_then(|token| Some((token.id.clone(), token.expires?)));
    }

    fn value(&mut self, seen: &mut Observed) {
        seen.secret = self.secret_seen();
        let is_served = self.served().is_some();
        let since = seen.refused_since.or(Some(self.now));
        seen.check = Some(if is_served {
            Check::Works
        } else {
            Check::Refused
        });
        seen.refused_since = since.filter(|_| !is_served);
        self.memory.refused_since = seen.refused_since;
    }

    fn take(&mut self, seen: &mut Observed, step: Step) -> Result<(), Broken> {
        match step {
            Step::Accept(integrity) => {
                let recorded = Recorded::accepted(seen, integrity, self.now);
                seen.recorded = Some(recorded.clone());
                seen.sighting = Sighting::Recorded;
                self.send(|world| world.status = Some(recorded))
            }
            Step::Issue(issue) => self.issue(seen, &issue),
            Step::Enter(history) => self.enter(seen, &history),
            Step::Rewrite(_) | Step::Restart(_) => panic!("nothing is outdated here"),
            Step::Revoke { id, .. } => self.revoke(seen, &id),
        }
    }

    fn issue(&mut self, seen: &mut Observed, issue: &Issue) -> Result<(), Broken> {
        let cause = due::cause(&self.policy, seen, self.now).unwrap();
        let there = self.tokens.iter().filter(|token| !token.revoked);
        let highest = there.map(|token| token.generation).max();
        assert!(self.list == List::Lagging || Some(issue.generation) > highest);
        let token = self.new_token(issue.generation);
        let id = token.id.clone();
        self.send(|world| world.tokens.push(token.clone()))?;
        self.urgent += usize::from(cause.urgency == Urgency::Urgent);
        self.now += SignedDuration::from_millis(500);
        let history = issue.history(Current {
            id: id.clone(),
            generation: issue.generation,
            prefix: None,
            issued: token.issued,
            expires: token.expires,
            published: self.now,
            asked: self.policy.lifetime.max_age().map(|age| age.as_secs()),
            extended: token.extended,
            rights: seen.rights.clone(),
            farewell: 0,
        });
        let written = history.clone();
        let sent = self.send(|world| world.put(written, Some(id)));
        if sent.is_err() {
            self.memory.unanswered_publish = Some(self.now);
            return Err(Broken);
        }
        let version = self
            .secret
            .as_ref()
            .map(|secret| secret.version.to_string());
        seen.recorded = Some(Recorded::published(
            seen,
            &history,
            (seen.secret_name.clone(), version),
            self.now,
        ));
        seen.secret = self.secret_seen();
        (seen.check, seen.refused_since) = (Some(Check::Works), None);
        self.memory.refused_since = None;
        self.list(seen);
        Ok(())
    }

    fn new_token(&self, generation: i64) -> Token {
        Token {
            id: format!("t{}", self.tokens.len() + 1).as_str().into(),
            generation,
            issued: self.now,
            expires: self.policy.lifetime.max_age().map(|age| self.now + age),
            extended: self.policy.lifetime.is_extended(),
            revoked: false,
            published: false,
            last_used: None,
            left: self.now,
        }
    }

    fn put(&mut self, history: History, value: Option<TokenId>) {
        let before = self.secret.as_ref().and_then(|secret| secret.value.clone());
        for token in &mut self.tokens {
            token.published |= Some(&token.id) == value.as_ref();
        }
        self.secret = Some(Secret {
            version: self.writes,
            history: Some(history),
            value,
        });
        self.left(before.as_ref());
    }

    fn enter(&mut self, seen: &mut Observed, history: &History) -> Result<(), Broken> {
        let entered = history.clone();
        self.send(|world| {
            let version = world.writes;
            let secret = world.secret.as_mut().unwrap();
            (secret.history, secret.version) = (Some(entered), version);
        })?;
        let version = self
            .secret
            .as_ref()
            .map(|secret| secret.version.to_string());
        seen.recorded = Some(Recorded::entered(seen, history, version, self.now));
        seen.secret = self.secret_seen();
        Ok(())
    }

    fn revoke(&mut self, seen: &mut Observed, id: &TokenId) -> Result<(), Broken> {
        self.assert_may_end(id);
        self.send(|world| {
            let mut tokens = world.tokens.iter_mut();
            tokens.find(|token| token.id == *id).unwrap().revoked = true;
        })?;
        seen.recorded = seen.recorded.as_ref().map(|recorded| recorded.revoked(id));
        let listed = seen.listed.iter_mut();
        listed.for_each(|listed| listed.retain(|token| token.id != *id));
        Ok(())
    }

    /// Only what the history names is revoked, and nothing that somebody may hold before the overlap's minimum.
    fn assert_may_end(&self, id: &TokenId) {
        let history = self.secret.as_ref().and_then(|it| it.history.as_ref());
        let history = history.expect("revoked without a history");
        assert!(history.names(id) && history.current.id != *id, "{id}");
        let token = self.tokens.iter().find(|token| token.id == *id).unwrap();
        let is_condemned = token.generation < history.condemned;
        let had = self.now.duration_since(token.left);
        let may = !token.published || is_condemned || had >= self.policy.overlap.min;
        assert!(may || !self.works(token), "{id} after {had:?}");
    }

    /// A plan without a step: the same again if nothing changes, and it says truly when it changes.
    fn check(&self, seen: &Observed, done: &Plan) {
        assert_eq!(&plan(&self.policy, seen, MINUTE, self.now), done);
        let next = done.next.unwrap();
        assert!(next > self.now, "{next}");
        let later = Observed {
            recorded: Recorded::noted(seen),
            ..self.observe()
        };
        let then = plan(&self.policy, &later, MINUTE, next);
        let is_change = look(&self.policy, &later, next).is_some() || then.step.is_some();
        assert!(is_change, "nothing changes at {next}: {done:?}");
    }

    /// Lets the operator work, undisturbed, until nothing is left to do but to wait for the next rotation.
    pub(super) fn settle(&mut self) {
        for _ in 0..200 {
            let plan = self.pass(None, List::Whole).unwrap();
            let served = self.served();
            if plan.hold.is_none() && served.is_some() && self.working().len() == 1 {
                return;
            }
            self.now = plan.next.unwrap();
        }
        panic!("it does not settle: {:?} {:?}", self.tokens, self.secret);
    }
}

impl Secret {
    pub(super) fn break_history(&mut self) {
        self.history = None;
    }

    pub(super) fn break_value(&mut self) {
        self.value = None;
    }
}
