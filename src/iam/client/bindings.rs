//! Role bindings, which are made and deleted, never changed.

use super::paging::Source;
use super::{Client, Deletion, Error, Pages};
use crate::iam::model::{BindingId, GroupId, PrincipalId};
use crate::iam::wire::{Binding, BindingRequest, SubjectKind};

const BINDINGS: &str = "/api/v1/{tenant}/bindings";
const SEARCH: &str = "/api/v1/{tenant}/bindings/search";
const BINDING: &str = "/api/v1/{tenant}/bindings/{id}";

/// Whom a binding is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A user or a service account.
    Principal(PrincipalId),
    /// A group.
    Group(GroupId),
}

impl Subject {
    /// The word for it in requests.
    #[must_use]
    pub const fn kind(&self) -> SubjectKind {
        match self {
            Self::Principal(_) => SubjectKind::User,
            Self::Group(_) => SubjectKind::Group,
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Principal(id) => id.as_str(),
            Self::Group(id) => id.as_str(),
        }
    }
}

/// Something that was asked for and is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made<T> {
    /// Made by this call.
    New(T),
    /// It was there before, as a look confirmed.
    Existing(T),
}

impl Binding {
    /// Whom it is for; unknown if the subject has been deleted.
    #[must_use]
    pub fn subject(&self) -> Option<Subject> {
        match self.kind {
            SubjectKind::User => self
                .user
                .as_ref()
                .map(|user| Subject::Principal(user.id.clone())),
            SubjectKind::Group => self
                .group
                .as_ref()
                .map(|group| Subject::Group(group.id.clone())),
        }
    }

    /// The Kestra namespace that it is limited to; an empty one means the whole tenant.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.namespace
            .as_deref()
            .filter(|namespace| !namespace.is_empty())
    }

    /// Whether it is what `request` asks for: subject, role and namespace are its identity.
    #[must_use]
    pub fn is(&self, request: &BindingRequest) -> bool {
        let subject = self.subject();
        let same_subject = subject.is_some_and(|subject| {
            subject.kind() == request.kind && subject.id() == request.external_id
        });
        same_subject
            && self
                .role
                .as_ref()
                .is_some_and(|role| role.id == request.role_id)
            && self.scope() == request.namespace_id.as_deref()
    }
}

impl Client {
    /// All bindings of the tenant.
    #[must_use]
    pub fn bindings(&self) -> Pages<Binding> {
        Pages::new(self, Source::at(SEARCH))
    }

    /// The bindings of one subject.
    pub async fn bindings_of(&self, subject: &Subject) -> Result<Vec<Binding>, Error> {
        let kind = match subject.kind() {
            SubjectKind::User => "USER",
            SubjectKind::Group => "GROUP",
        };
        let search = Source::at(SEARCH)
            .with("type", kind)
            .with("id", subject.id());
        let mut bindings = Pages::<Binding>::new(self, search).all().await?;
        // A server that does not know the parameters lists them all.
        bindings.retain(|binding| binding.subject().as_ref() == Some(subject));
        Ok(bindings)
    }

    /// Makes a binding. A 409 counts as "there already" only once a look has shown it.
    pub async fn create_binding(&self, request: &BindingRequest) -> Result<Made<Binding>, Error> {
        match self.post(BINDINGS).json(request).answer().await {
            Ok(binding) => Ok(Made::New(binding)),
            Err(error @ Error::Conflict { .. }) => {
                let bindings = self.bindings_of(&subject_of(request)).await?;
                let same = bindings.into_iter().find(|binding| binding.is(request));
                same.map(Made::Existing).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes a binding.
    pub async fn delete_binding(&self, id: &BindingId) -> Result<Deletion, Error> {
        self.delete(BINDING).id(id.as_str()).deletion().await
    }
}

fn subject_of(request: &BindingRequest) -> Subject {
    let id = request.external_id.as_str();
    match request.kind {
        SubjectKind::User => Subject::Principal(id.into()),
        SubjectKind::Group => Subject::Group(id.into()),
    }
}
