//! Service accounts, at tenant level.

use serde::Deserialize;

use super::paging::Source;
use super::{Client, Deletion, Error, Listed, Pages};
use crate::iam::model::{GroupId, PrincipalId};
use crate::iam::wire::{GroupRef, Membership, ServiceAccount, ServiceAccountRequest, TenantMember};

const ACCOUNTS: &str = "/api/v1/{tenant}/service-accounts";
const ACCOUNT: &str = "/api/v1/{tenant}/service-accounts/{id}";
const INSTANCE_ACCOUNT: &str = "/api/v1/service-accounts/{id}";
const MEMBERS: &str = "/api/v1/{tenant}/tenant-access";

/// A service account of the tenant, as its list or a look at it shows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "TenantMember")]
pub struct Account {
    /// The account's id.
    pub id: PrincipalId,
    /// Its name; empty if the list does not tell it.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// Its memberships in the tenant; with names in the list only.
    pub groups: Vec<Membership>,
    /// Whether it owns the whole instance; the list does not tell.
    pub superadmin: Option<bool>,
}

impl Listed for Account {
    fn key(&self) -> &str {
        self.id.as_str()
    }
}

impl From<TenantMember> for Account {
    fn from(member: TenantMember) -> Self {
        let name = member.name.or(member.username).or(member.display_name);
        Self {
            id: member.id,
            name: name.unwrap_or_default(),
            description: member.description,
            groups: member.groups,
            superadmin: None,
        }
    }
}

impl From<ServiceAccount> for Account {
    fn from(account: ServiceAccount) -> Self {
        let superadmin = account.is_superadmin();
        let groups = account.groups.unwrap_or_default();
        Self {
            id: account.id,
            name: account.name,
            description: account.description,
            groups: groups.into_iter().map(plain_membership).collect(),
            superadmin: Some(superadmin),
        }
    }
}

fn plain_membership(group: GroupRef) -> Membership {
    Membership {
        id: group.id,
        name: None,
        external: false,
        membership: None,
    }
}

/// What an account is to be, in full: the update replaces, and a list of groups left out would be taken as empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSpec {
    /// `^[a-z0-9]+(?:-[a-z0-9]+)*$`, 63 characters at most.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// All of its groups in the tenant.
    pub groups: Vec<GroupId>,
}

impl AccountSpec {
    fn request(&self) -> ServiceAccountRequest {
        let groups = self.groups.iter().map(|id| GroupRef { id: id.clone() });
        ServiceAccountRequest {
            name: Some(self.name.clone()),
            description: self.description.clone(),
            groups: Some(groups.collect()),
            ..ServiceAccountRequest::default()
        }
    }
}

impl Client {
    /// The tenant's service accounts with their memberships.
    ///
    /// Versions before 1.3.26 lack this list; there the tenant's members of that type are listed.
    #[must_use]
    pub fn accounts(&self) -> Pages<Account> {
        let members = Source::at(MEMBERS)
            .with("type", "SERVICE_ACCOUNT")
            .with("filters[type][EQUALS]", "SERVICE_ACCOUNT");
        Pages::new(self, Source::at(ACCOUNTS)).or(members)
    }

    /// One account by id.
    pub async fn account(&self, id: &PrincipalId) -> Result<Account, Error> {
        let account: ServiceAccount = self.get(ACCOUNT).id(id.as_str()).answer().await?;
        Ok(account.into())
    }

    /// The account of exactly this name, [`Error::Ambiguous`] if there are several.
    pub async fn find_account(&self, name: &str) -> Result<Option<Account>, Error> {
        self.find("service accounts", name, || self.accounts())
            .await
    }

    /// Makes an account, with its groups. A name that is taken is 409.
    pub async fn create_account(&self, spec: &AccountSpec) -> Result<Account, Error> {
        let account: ServiceAccount = self.post(ACCOUNTS).json(&spec.request()).answer().await?;
        Ok(account.into())
    }

    /// Replaces an account's name, description and groups.
    pub async fn update_account(
        &self,
        id: &PrincipalId,
        spec: &AccountSpec,
    ) -> Result<Account, Error> {
        let request = self.put(ACCOUNT).id(id.as_str());
        let account: ServiceAccount = request.json(&spec.request()).answer().await?;
        Ok(account.into())
    }

    /// Deletes an account: wholly where the credential owns the instance, else from the tenant, after which 1.x and
    /// 2.x may differ in what is left of the record. Revoke its tokens first.
    pub async fn delete_account(&self, id: &PrincipalId) -> Result<Deletion, Error> {
        if self.owns_instance().await? {
            match self
                .delete(INSTANCE_ACCOUNT)
                .id(id.as_str())
                .deletion()
                .await
            {
                Ok(Deletion::Done) => return Ok(Deletion::Done),
                // No such account, or no such route: the tenant's answer tells.
                Ok(Deletion::AlreadyGone) => {}
                // Owns the instance no more.
                Err(Error::Forbidden { .. }) => self.forget_owning_instance(),
                Err(error) => return Err(error),
            }
        }
        self.delete(ACCOUNT).id(id.as_str()).deletion().await
    }
}
