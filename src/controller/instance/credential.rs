//! Which credential is used: the one that somebody put into the Secret that the spec names, or the token that the operator
//! issued for itself. The newest that authenticates.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;

use super::connection::{config, explain, missing, open_source, read, value};
use super::{Connects, address};
use crate::api::condition::Reason;
use crate::api::names::{BASIC_KEYS, TOKEN_KEY};
use crate::controller::kind::{Pass, is_held};
use crate::controller::outcome::{Blocked, Stop};
use crate::controller::tokens::{self, Held};
use crate::iam::client::{self, Check, Client, Config, Credential};
use crate::iam::model::{PrincipalId, TokenValue};
use crate::iam::wire::{ApiToken, Configs, Me};

/// Where a credential comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The Secret that the spec names.
    Given,
    /// The Secret beside it, which the operator writes.
    Own,
}

/// A backend that took a credential of ours.
pub(super) struct Reached {
    pub(super) client: Client,
    pub(super) configs: Configs,
    pub(super) me: Me,
    /// Which credential it was.
    pub(super) source: Source,
    /// When it expires, if that is known.
    pub(super) expires: Option<Timestamp>,
    /// Whether the Secret that the spec names holds a password in place of a token.
    pub(super) is_password: bool,
    /// Whether the backend refused our own token just now.
    pub(super) is_own_refused: bool,
    /// Whoever our own token works for, if that is somebody else than who is asking.
    pub(super) former: Option<(Client, Me)>,
}

/// The credentials that there are.
struct Candidates {
    /// In the Secret that the spec names.
    given: Option<Credential>,
    /// In the Secret beside it.
    own: Option<Held>,
    /// What is tried first.
    first: (Source, Credential),
    /// What is tried if that is refused.
    second: Option<(Source, Credential)>,
    /// Why nothing is in the Secret that the spec names.
    lacking: Option<Blocked>,
}

impl Candidates {
    /// Reads the Secrets anew. An instance that never had a token of ours has no second one.
    async fn read<K: Connects>(pass: &Pass<K>) -> Result<Self, Stop> {
        let credentials = &pass.object.settings().credentials;
        let name = &credentials.secret_ref.name;
        let given = match read(&pass.context, pass.namespace(), name).await {
            Ok(secret) => parse(&secret, name).map_err(Stop::from),
            Err(stop) => Err(stop),
        };
        let is_rotated = credentials.rotation.is_some();
        let own = if is_rotated || is_held(&pass.object) {
            own(pass, &credentials.rotated_name()).await?
        } else {
            None
        };
        Self::of(given, own, is_rotated)
    }

    fn of(
        given: Result<Credential, Stop>,
        own: Option<Held>,
        is_rotated: bool,
    ) -> Result<Self, Stop> {
        let bearer = |own: &Held| (Source::Own, Credential::Bearer(own.value.clone()));
        let (first, second, given, lacking) = match (given, &own) {
            (Err(Stop::Blocked(lacking)), Some(own)) => (bearer(own), None, None, Some(lacking)),
            (Err(stop), _) => return Err(stop),
            // Nobody gave another one: it is not to be revoked in favour of itself.
            (Ok(given), Some(own)) if is_copy(&given, own) => (bearer(own), None, None, None),
            (Ok(given @ Credential::Bearer(_)), Some(own)) if is_rotated => {
                let second = (Source::Given, given.clone());
                (bearer(own), Some(second), Some(given), None)
            }
            (Ok(given), own) => {
                let first = (Source::Given, given.clone());
                (first, own.as_ref().map(bearer), Some(given), None)
            }
        };
        Ok(Self {
            given,
            own,
            first,
            second,
            lacking,
        })
    }

    fn given_token(&self) -> Option<&TokenValue> {
        match self.given.as_ref()? {
            Credential::Bearer(value) => Some(value),
            Credential::Basic { .. } => None,
        }
    }
}

/// Whether what was given is our own token.
fn is_copy(given: &Credential, own: &Held) -> bool {
    matches!(given, Credential::Bearer(given) if given.expose() == own.value.expose())
}

/// Our own token: in the Secret of this name, or in the one that the status names while there is none.
async fn own<K: Connects>(pass: &Pass<K>, name: &str) -> Result<Option<Held>, Stop> {
    if let Some(held) = tokens::held(pass, ENTRY, name).await? {
        return Ok(Some(held));
    }
    let status = pass.status.credential.as_ref();
    let former = status.and_then(|status| status.secret_name.as_deref());
    match former.filter(|former| *former != name) {
        Some(former) => Ok(tokens::held(pass, ENTRY, former).await?),
        None => Ok(None),
    }
}

/// An instance has one token, whose entry has no name.
pub(super) const ENTRY: &str = "";

fn parse(secret: &Secret, name: &str) -> Result<Credential, Blocked> {
    let text = |key: &str| {
        let text = String::from_utf8(value(secret, key)?).ok()?;
        Some(TokenValue::new(text.trim().to_owned()))
    };
    let [user, password] = BASIC_KEYS;
    match (text(TOKEN_KEY), text(user), text(password)) {
        (Some(token), _, _) => Ok(Credential::Bearer(token)),
        (None, Some(user), Some(password)) => Ok(Credential::Basic {
            user: user.expose().to_owned(),
            password,
        }),
        _ => {
            let key = "token, or keys username and password";
            Err(missing(name, key))
        }
    }
}

/// Greets the backend with the newest credential that it takes.
pub(super) async fn reach<K: Connects>(pass: &Pass<K>) -> Result<Reached, Stop> {
    let addresses = address::permitted(&pass.context, &pass.object).await?;
    let mut candidates = Candidates::read(pass).await?;
    let (_, credential) = candidates.first.clone();
    let config = config(pass, addresses, credential).await?;
    let greeter = Greeter { pass, config };
    let reached = greeter.first(&candidates).await?;
    let (mut reached, tokens) = greeter.newest(reached, &candidates).await?;
    let used = match reached.source {
        Source::Given => candidates.given_token(),
        Source::Own => candidates.own.as_ref().map(|own| &own.value),
    };
    let used = used.and_then(|value| find(&tokens, value));
    reached.expires = used.and_then(|token| token.exp);
    reached.is_password = matches!(candidates.given, Some(Credential::Basic { .. }));
    if reached.source == Source::Given
        && let Some(own) = candidates.own.take()
    {
        reached.former = greeter.former(&reached, &own.value, &tokens).await?;
    }
    Ok(reached)
}

/// Whoever greets a backend, by one credential or another.
struct Greeter<'p, K: Connects> {
    pass: &'p Pass<K>,
    config: Config,
}

impl<K: Connects> Greeter<'_, K> {
    fn by(&self, credential: Credential) -> Config {
        Config {
            credential,
            ..self.config.clone()
        }
    }

    async fn greet(&self, (source, credential): (Source, Credential)) -> Result<Reached, Stop> {
        let object = &self.pass.object;
        let trouble = |error| explain(object, error);
        let (backends, key) = (&self.pass.context.backends, self.pass.key());
        let client = backends.connect(&key, self.by(credential));
        let client = client.map_err(trouble)?;
        let configs = client.configs().await.map_err(trouble)?;
        if configs.is_open_source() {
            return Err(open_source(object).into());
        }
        let me = client.me().await.map_err(trouble)?;
        Ok(Reached {
            client,
            configs,
            me,
            source,
            expires: None,
            is_password: false,
            is_own_refused: false,
            former: None,
        })
    }

    /// By the credential that comes first, or by the other one if that is refused.
    async fn first(&self, candidates: &Candidates) -> Result<Reached, Stop> {
        let refused = match self.greet(candidates.first.clone()).await {
            Err(stop) if stop.reason() == Reason::Unauthorized => stop,
            greeted => return greeted,
        };
        let Some(second) = candidates.second.clone() else {
            let lacking = candidates.lacking.clone();
            return Err(lacking.map_or(refused, Stop::from));
        };
        Ok(Reached {
            is_own_refused: second.0 == Source::Given,
            ..self.greet(second).await?
        })
    }

    /// The same, or by what somebody put into the Secret meanwhile; and the tokens of whoever that is.
    async fn newest(
        &self,
        reached: Reached,
        candidates: &Candidates,
    ) -> Result<(Reached, Vec<ApiToken>), Stop> {
        if candidates.own.is_none() && candidates.given_token().is_none() {
            // A password is no token.
            return Ok((reached, Vec::new()));
        }
        let tokens = known_tokens(&reached.client).await?;
        let Some(credential) = superseding(&reached, candidates, &tokens).await? else {
            return Ok((reached, tokens));
        };
        match self.greet((Source::Given, credential)).await {
            Ok(given) => {
                let tokens = known_tokens(&given.client).await?;
                Ok((given, tokens))
            }
            Err(_) => Ok((reached, tokens)),
        }
    }

    /// Whose token of ours it is that is not in use, if it is somebody else's.
    async fn former(
        &self,
        reached: &Reached,
        own: &TokenValue,
        tokens: &[ApiToken],
    ) -> Result<Option<(Client, Me)>, client::Error> {
        if reached.is_own_refused || find(tokens, own).is_some() {
            return Ok(None);
        }
        let Some(me) = is_of_another(&reached.client, own, &reached.me.id).await? else {
            return Ok(None);
        };
        let client = Client::new(&self.by(Credential::Bearer(own.clone())))?;
        Ok(Some((client, *me)))
    }
}

/// The tokens of whoever we are, if the backend tells of them.
async fn known_tokens(client: &Client) -> Result<Vec<ApiToken>, client::Error> {
    match client.my_tokens().await {
        Err(error) if error.is_outage() => Err(error),
        answer => Ok(answer.unwrap_or_default()),
    }
}

/// A token in a list, by its prefix.
fn find<'t>(tokens: &'t [ApiToken], value: &TokenValue) -> Option<&'t ApiToken> {
    let is_meant = |prefix: &str| !prefix.is_empty() && value.expose().starts_with(prefix);
    let mut tokens = tokens.iter();
    tokens.find(|token| token.prefix.as_deref().is_some_and(is_meant))
}

/// What somebody put into the Secret that the spec names, if it takes the place of our own token: issued later, or for
/// somebody else.
async fn superseding(
    reached: &Reached,
    candidates: &Candidates,
    tokens: &[ApiToken],
) -> Result<Option<Credential>, client::Error> {
    let (Source::Own, Some(given), Some(own)) = (
        reached.source,
        candidates.given_token(),
        candidates.own.as_ref(),
    ) else {
        return Ok(None);
    };
    let supersedes = match find(tokens, given) {
        Some(token) => {
            let issued = token.iat.zip(own.issued);
            !token.expired && issued.is_some_and(|(given, own)| given > own)
        }
        None => is_of_another(&reached.client, given, &reached.me.id)
            .await?
            .is_some(),
    };
    Ok(supersedes.then(|| Credential::Bearer(given.clone())))
}

/// Whose token this is, if it works and is not of `id`.
async fn is_of_another(
    client: &Client,
    value: &TokenValue,
    id: &PrincipalId,
) -> Result<Option<Box<Me>>, client::Error> {
    match client.check(value).await? {
        Check::Works(me) if me.id != *id => Ok(Some(me)),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> TokenValue {
        TokenValue::new("t".to_owned())
    }

    fn own_token() -> TokenValue {
        TokenValue::new("own".to_owned())
    }

    fn order(given: Result<Credential, Stop>, is_rotated: bool) -> Vec<Source> {
        let own = Held {
            value: own_token(),
            issued: None,
        };
        let candidates = Candidates::of(given, Some(own), is_rotated).ok().unwrap();
        let (first, second) = (candidates.first, candidates.second);
        [Some(first), second]
            .into_iter()
            .flatten()
            .map(|(source, _)| source)
            .collect()
    }

    #[test]
    fn our_own_token_comes_first_where_it_is_wanted() {
        let (given, own) = (Source::Given, Source::Own);
        let bearer = || Ok(Credential::Bearer(token()));
        assert_eq!(order(bearer(), true), [own, given]);
        assert_eq!(order(bearer(), false), [given, own]);
        let password = Credential::Basic {
            user: "rick".to_owned(),
            password: token(),
        };
        assert_eq!(order(Ok(password), true), [given, own]);
        let copy = || Ok(Credential::Bearer(own_token()));
        assert_eq!(order(copy(), true), [own]);
        assert_eq!(order(copy(), false), [own], "not revoked for itself");
        let missing = || Err(missing("kestra-credential", TOKEN_KEY).into());
        assert_eq!(order(missing(), true), [own]);
        assert!(Candidates::of(missing(), None, true).is_err());
    }
}
