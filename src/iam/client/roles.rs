//! Roles.

use super::paging::Source;
use super::{Client, Deletion, Error, Pages};
use crate::iam::model::RoleId;
use crate::iam::wire::{Role, RoleRequest, RoleSummary};

const ROLES: &str = "/api/v1/{tenant}/roles";
const SEARCH: &str = "/api/v1/{tenant}/roles/search";
const ROLE: &str = "/api/v1/{tenant}/roles/{id}";

impl Client {
    /// The tenant's roles, managed ones included; permissions are in a look at one of them only.
    #[must_use]
    pub fn roles(&self) -> Pages<RoleSummary> {
        Pages::new(self, Source::at(SEARCH))
    }

    /// One role by id, with its permissions.
    pub async fn role(&self, id: &RoleId) -> Result<Role, Error> {
        self.get(ROLE).id(id.as_str()).answer().await
    }

    /// The role of exactly this name, [`Error::Ambiguous`] if there are several.
    pub async fn find_role(&self, name: &str) -> Result<Option<RoleSummary>, Error> {
        self.find("roles", name, || self.roles()).await
    }

    /// Makes a role. Names need not be unique; permissions that we do not hold ourselves are 403.
    pub async fn create_role(&self, role: &RoleRequest) -> Result<Role, Error> {
        self.post(ROLES).json(role).answer().await
    }

    /// Replaces a role.
    pub async fn update_role(&self, id: &RoleId, role: &RoleRequest) -> Result<Role, Error> {
        self.put(ROLE).id(id.as_str()).json(role).answer().await
    }

    /// Deletes a role. Delete its bindings first.
    pub async fn delete_role(&self, id: &RoleId) -> Result<Deletion, Error> {
        self.delete(ROLE).id(id.as_str()).deletion().await
    }
}
