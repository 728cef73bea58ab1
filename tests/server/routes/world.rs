//! A server with one of each thing, and callers of it.

use axum::body::Bytes;
use serde_json::{Value, json};

use super::table::{Needs, Route};
use crate::server::{Answer, Caller, Server};

/// A server with one of each thing.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) ids: Vec<(&'static str, String)>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let server = Server::start().await;
        let admin = server.admin();
        let account = server.account("account").await;
        let member = server.account("member").await;
        let group = server.group("group").await;
        admin
            .put_nothing(&format!("/main/groups/{group}/members/{member}"))
            .await
            .is(200);
        let role = server.role("role", json!({"FLOW": ["READ"]})).await;
        let binding = server.bind(&member, &role).await;
        let (token, _) = server.token(&account).await;
        let user = server
            .user(json!({"email": "u@example.org", "password": "Passw0rd!"}))
            .await;
        let made = admin
            .post(&format!("/users/{user}/api-tokens"), json!({"name": "t"}))
            .await;
        let shown = admin.get(&format!("/users/{user}")).await.json();
        let auth = shown["auths"][0]["id"].as_str().unwrap().to_owned();
        admin
            .post("/tenants", json!({"id": "other", "name": "Other"}))
            .await
            .is(200);
        let ids = vec![
            ("{account}", account),
            ("{member}", member),
            ("{group}", group),
            ("{role}", role),
            ("{binding}", binding),
            ("{token}", token),
            ("{user}", user),
            ("{user-token}", made.id()),
            ("{auth}", auth),
            ("{tenant}", "other".to_owned()),
        ];
        Self { server, ids }
    }

    /// Another server over a copy of the same database.
    pub(crate) async fn twin(&self) -> Self {
        Self {
            server: self.server.twin().await,
            ids: self.ids.clone(),
        }
    }

    pub(crate) fn fill(&self, template: &str) -> String {
        let ids = self.ids.iter();
        ids.fold(template.to_owned(), |text, (word, id)| {
            text.replace(word, id)
        })
    }

    pub(crate) async fn send(&self, caller: &Caller<'_>, route: &Route) -> Answer {
        self.send_to(caller, route, route.path).await
    }

    pub(crate) async fn send_to(&self, caller: &Caller<'_>, route: &Route, path: &str) -> Answer {
        let path = format!("/api/v1{}", self.fill(path));
        let body = Bytes::from(self.fill(route.body));
        caller.send_raw(route.method.clone(), &path, body).await
    }

    /// Somebody who may do exactly what the route needs, and holds what the requests of the table grant.
    pub(crate) async fn one_who_may(&self, needs: Needs) -> Caller<'_> {
        match needs {
            Needs::Nothing => self.server.somebody().await,
            Needs::Superadmin => self.server.admin(),
            Needs::Right("FLOW", action) => panic!("{action} on flows is what the table grants"),
            Needs::Right(resource, action) => {
                let permissions = json!({resource: [action], "FLOW": ["READ"]});
                self.server.somebody_who(permissions).await.1
            }
        }
    }

    /// Somebody who may do everything else.
    pub(crate) async fn one_who_may_not(&self, needs: Needs) -> Caller<'_> {
        let mut permissions = everything();
        if let Needs::Right(resource, action) = needs {
            let actions = permissions[resource].as_array_mut().unwrap();
            actions.retain(|other| other != action);
        }
        self.server.somebody_who(permissions).await.1
    }
}

pub(crate) fn everything() -> Value {
    let resources = [
        "FLOW",
        "EXECUTION",
        "NAMESPACE",
        "USER",
        "GROUP",
        "ROLE",
        "BINDING",
        "AUDITLOG",
        "TENANT_ACCESS",
        "SERVICE_ACCOUNT",
        "INVITATION",
        "GROUP_MEMBERSHIP",
        "IMPERSONATE",
        "SETTING",
    ];
    let actions = json!(["READ", "CREATE", "UPDATE", "DELETE"]);
    resources
        .iter()
        .map(|resource| ((*resource).to_owned(), actions.clone()))
        .collect()
}
