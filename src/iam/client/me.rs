//! Who we are, what the instance is, and whether a token works.

use super::{Client, Error, config};
use crate::iam::model::TokenValue;
use crate::iam::wire::{ApiToken, Configs, Me};

const CONFIGS: &str = "/api/v1/configs";
const ME: &str = "/api/v1/me";

/// What the backend says to a token's value.
#[derive(Clone, Debug)]
pub enum Check {
    /// It authenticates, as this principal.
    Works(Box<Me>),
    /// 403 or 404: authenticated as far as can be told, but not allowed to ask who it is. No failure.
    NotRefused,
    /// 401: unknown, expired or revoked, or not known yet on the replica that answered.
    Refused,
    /// No header can carry it; nothing was sent.
    Malformed,
}

impl Client {
    /// What the instance says of itself: identity, version, edition. Public in 1.x.
    pub async fn configs(&self) -> Result<Configs, Error> {
        self.get(CONFIGS).answer().await
    }

    /// Who the client's own credential is: the cheapest proof that it works.
    pub async fn me(&self) -> Result<Me, Error> {
        let me: Me = self.get(ME).answer().await?;
        self.learn(|learnt| learnt.superadmin = Some(me.is_superadmin()));
        Ok(me)
    }

    /// The tokens of the client's own principal.
    pub async fn my_tokens(&self) -> Result<Vec<ApiToken>, Error> {
        self.tokens(&super::Owner::Me).await
    }

    /// Whether `value` authenticates, asked with `value` in place of the client's own credential.
    ///
    /// # Errors
    /// Only what says nothing about the value: outages, throttling, answers that are none.
    pub async fn check(&self, value: &TokenValue) -> Result<Check, Error> {
        let Some(header) = config::bearer(value) else {
            return Ok(Check::Malformed);
        };
        match self.get(ME).authorized_by(header).answer().await {
            Ok(me) => Ok(Check::Works(Box::new(me))),
            Err(Error::Unauthorized { .. }) => Ok(Check::Refused),
            Err(Error::Forbidden { .. } | Error::Gone { .. }) => Ok(Check::NotRefused),
            Err(error) => Err(error),
        }
    }

    /// Whether our credential owns the whole instance: as last heard, asked if never heard.
    pub(super) async fn owns_instance(&self) -> Result<bool, Error> {
        match self.learnt().superadmin {
            Some(superadmin) => Ok(superadmin),
            None => Ok(self.me().await?.is_superadmin()),
        }
    }

    pub(super) fn forget_owning_instance(&self) {
        self.learn(|learnt| learnt.superadmin = None);
    }
}
