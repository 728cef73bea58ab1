//! Groups and who is in them.

use super::paging::Source;
use super::{Change, Client, Deletion, Error, Pages};
use crate::iam::model::{GroupId, PrincipalId};
use crate::iam::wire::{Group, GroupMember, GroupRequest, GroupSummary, MembershipKind};

const GROUPS: &str = "/api/v1/{tenant}/groups";
const SEARCH: &str = "/api/v1/{tenant}/groups/search";
const GROUP: &str = "/api/v1/{tenant}/groups/{id}";
const MEMBERS: &str = "/api/v1/{tenant}/groups/{id}/members";
const MEMBER: &str = "/api/v1/{tenant}/groups/{id}/members/{userId}";
const MEMBERSHIP: &str = "/api/v1/{tenant}/groups/{id}/members/membership/{userId}";

impl Client {
    /// The tenant's groups; descriptions are in a look at one of them only.
    #[must_use]
    pub fn groups(&self) -> Pages<GroupSummary> {
        Pages::new(self, Source::at(SEARCH))
    }

    /// One group by id.
    pub async fn group(&self, id: &GroupId) -> Result<Group, Error> {
        self.get(GROUP).id(id.as_str()).answer().await
    }

    /// The group of exactly this name, [`Error::Ambiguous`] if there are several.
    pub async fn find_group(&self, name: &str) -> Result<Option<GroupSummary>, Error> {
        self.find("groups", name, || self.groups()).await
    }

    /// Makes a group. A name that is taken is 409.
    pub async fn create_group(&self, group: &GroupRequest) -> Result<Group, Error> {
        self.post(GROUPS).json(group).answer().await
    }

    /// Replaces a group's name and description.
    pub async fn update_group(&self, id: &GroupId, group: &GroupRequest) -> Result<Group, Error> {
        self.put(GROUP).id(id.as_str()).json(group).answer().await
    }

    /// Deletes a group; its members stay, what it granted them does not.
    pub async fn delete_group(&self, id: &GroupId) -> Result<Deletion, Error> {
        self.delete(GROUP).id(id.as_str()).deletion().await
    }

    /// The members of a group, each with all of its groups.
    #[must_use]
    pub fn members(&self, group: &GroupId) -> Pages<GroupMember> {
        Pages::new(self, Source::at(MEMBERS).of(group.as_str()))
    }

    /// Puts a principal into a group, as a plain member.
    ///
    /// Tenant access is granted first, which 2.x demands and 1.x does by itself. A 409 counts as "already a member"
    /// only once a look has shown it. Writes about one principal must not run side by side: Kestra loses one of them.
    pub async fn add_member(&self, group: &GroupId, member: &PrincipalId) -> Result<Change, Error> {
        self.grant_access(member).await?;
        let request = self.put(MEMBER).id(group.as_str()).id(member.as_str());
        match request.done().await {
            Ok(()) => Ok(Change::Done),
            Err(Error::Conflict { .. }) if self.is_member(group, member).await? => {
                Ok(Change::AlreadySo)
            }
            Err(error) => Err(error),
        }
    }

    /// Takes a principal out of a group. On 1.x the last group takes tenant access with it.
    ///
    /// A 404 or 409 counts as "not a member" only once a look has shown it.
    pub async fn remove_member(
        &self,
        group: &GroupId,
        member: &PrincipalId,
    ) -> Result<Change, Error> {
        let request = self.delete(MEMBER).id(group.as_str()).id(member.as_str());
        match request.done().await {
            Ok(()) => Ok(Change::Done),
            Err(Error::Conflict { .. } | Error::Gone { .. })
                if !self.is_member(group, member).await? =>
            {
                Ok(Change::AlreadySo)
            }
            Err(error) => Err(error),
        }
    }

    /// Makes a member a plain member or one that manages the group's members.
    pub async fn set_membership_kind(
        &self,
        group: &GroupId,
        member: &PrincipalId,
        kind: MembershipKind,
    ) -> Result<(), Error> {
        let word = match kind {
            MembershipKind::Member => "MEMBER",
            MembershipKind::Owner => "OWNER",
        };
        let request = self.put(MEMBERSHIP).id(group.as_str()).id(member.as_str());
        request.query("membership", word).done().await
    }

    async fn is_member(&self, group: &GroupId, principal: &PrincipalId) -> Result<bool, Error> {
        match self.access(principal).await {
            Ok(access) => Ok(access
                .groups
                .iter()
                .any(|membership| membership.id == *group)),
            // No access to the tenant, so no membership in it.
            Err(Error::Gone { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
