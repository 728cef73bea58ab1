//! Who may enter the tenant, and what they may do in it.

use super::paging::Source;
use super::{Change, Client, Error, Pages};
use crate::iam::model::PrincipalId;
use crate::iam::wire::{TenantAccess, TenantMember};

const MEMBERS: &str = "/api/v1/{tenant}/tenant-access";
const ACCESS: &str = "/api/v1/{tenant}/tenant-access/{userId}";

impl Client {
    /// Users and service accounts of the tenant.
    #[must_use]
    pub fn tenant_members(&self) -> Pages<TenantMember> {
        Pages::new(self, Source::at(MEMBERS))
    }

    /// The user whose login name is exactly `name`, [`Error::Ambiguous`] if there are several.
    pub async fn find_user(&self, name: &str) -> Result<Option<TenantMember>, Error> {
        let people = || {
            let source = Source::at(MEMBERS)
                .with("type", "STANDARD")
                .with("filters[type][EQUALS]", "STANDARD");
            Pages::new(self, source)
        };
        self.find("users", name, people).await
    }

    /// A principal's effective roles in the tenant, each with its origin; 404 if it has no access.
    pub async fn access(&self, principal: &PrincipalId) -> Result<TenantAccess, Error> {
        self.get(ACCESS).id(principal.as_str()).answer().await
    }

    /// Lets a principal enter the tenant, which alone gives no right in it.
    pub async fn grant_access(&self, principal: &PrincipalId) -> Result<Change, Error> {
        match self.put(ACCESS).id(principal.as_str()).done().await {
            Ok(()) => Ok(Change::Done),
            Err(Error::Conflict { .. }) => Ok(Change::AlreadySo),
            Err(error) => Err(error),
        }
    }
}
