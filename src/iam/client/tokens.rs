//! API tokens of accounts, of users and of ourselves.

use std::time::Duration;

use super::request::Request;
use super::{Call, Client, Deletion, Error, Flaw};
use crate::iam::model::{PrincipalId, TokenId};
use crate::iam::wire::{ApiToken, ApiTokenRequest, IssuedToken, Page};

const ACCOUNT_TOKENS: &str = "/api/v1/{tenant}/service-accounts/{id}/api-tokens";
const ACCOUNT_TOKEN: &str = "/api/v1/{tenant}/service-accounts/{id}/api-tokens/{tokenId}";
const USER_TOKENS: &str = "/api/v1/users/{id}/api-tokens";
const USER_TOKEN: &str = "/api/v1/users/{id}/api-tokens/{tokenId}";
const MY_TOKENS: &str = "/api/v1/me/api-tokens";
const MY_TOKEN: &str = "/api/v1/me/api-tokens/{tokenId}";

/// Whose tokens are meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A service account, by its tenant.
    Account(PrincipalId),
    /// A user; takes the owner of the instance.
    User(PrincipalId),
    /// The client's own principal.
    Me,
}

impl Owner {
    const fn list(&self) -> &'static str {
        match self {
            Self::Account(_) => ACCOUNT_TOKENS,
            Self::User(_) => USER_TOKENS,
            Self::Me => MY_TOKENS,
        }
    }

    const fn one(&self) -> &'static str {
        match self {
            Self::Account(_) => ACCOUNT_TOKEN,
            Self::User(_) => USER_TOKEN,
            Self::Me => MY_TOKEN,
        }
    }

    /// Fills the owner's place in the path.
    fn of<'c>(&'c self, request: Request<'c>) -> Request<'c> {
        match self {
            Self::Account(id) | Self::User(id) => request.id(id.as_str()),
            Self::Me => request,
        }
    }
}

/// A token to be issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// `^[a-z0-9]+(?:-[a-z0-9]+)*$`, 63 characters at most.
    pub name: String,
    /// Free text.
    pub description: String,
    /// How long it lives, in whole seconds; absent = never expires.
    pub lifetime: Option<Duration>,
    /// Whether every use moves the expiry to `lifetime` from then.
    pub extended: bool,
}

impl NewToken {
    fn request(&self) -> ApiTokenRequest {
        ApiTokenRequest {
            name: Some(self.name.clone()),
            description: Some(self.description.clone()),
            max_age: self.lifetime.map(java_duration),
            extended: Some(self.extended),
        }
    }
}

/// Written as `java.time.Duration` reads it: hours, minutes and seconds, nothing longer than its hours.
fn java_duration(lifetime: Duration) -> String {
    match lifetime.as_secs() {
        seconds if seconds > 0 && seconds % 3600 == 0 => format!("PT{}H", seconds / 3600),
        seconds if seconds > 0 && seconds % 60 == 0 => format!("PT{}M", seconds / 60),
        seconds => format!("PT{seconds}S"),
    }
}

impl Client {
    /// All tokens of `owner`, expired ones included. This list has no pages.
    pub async fn tokens(&self, owner: &Owner) -> Result<Vec<ApiToken>, Error> {
        let list: Page<ApiToken> = owner.of(self.get(owner.list())).answer().await?;
        let promised = list.total.and_then(|total| usize::try_from(total).ok());
        if promised.is_some_and(|promised| promised > list.results.len()) {
            let call = Call {
                method: "GET",
                path: owner.list(),
            };
            return Err(Error::Incomplete {
                call,
                flaw: Flaw::Short,
            });
        }
        Ok(list.results)
    }

    /// Issues a token. Its value is in this answer and nowhere else; whether the value is usable is not judged here,
    /// so that a bad one can still be revoked by its id.
    ///
    /// After an error with [`Error::outcome_unknown`] a token may exist whose value is lost: the list shows it.
    pub async fn issue_token(&self, owner: &Owner, token: &NewToken) -> Result<IssuedToken, Error> {
        let request = owner.of(self.post(owner.list()));
        request.json(&token.request()).answer().await
    }

    /// Revokes a token: it is deleted, and refused from then on.
    pub async fn revoke_token(&self, owner: &Owner, id: &TokenId) -> Result<Deletion, Error> {
        let request = owner.of(self.delete(owner.one())).id(id.as_str());
        request.deletion().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_written_without_days_months_or_fractions() {
        for (seconds, text) in [
            (0, "PT0S"),
            (59, "PT59S"),
            (90, "PT90S"),
            (120, "PT2M"),
            (2_592_000, "PT720H"),
            (2_592_001, "PT2592001S"),
        ] {
            assert_eq!(java_duration(Duration::from_secs(seconds)), text);
        }
        assert_eq!(java_duration(Duration::from_millis(1999)), "PT1S");
    }
}
