//! A running embedded server with a clock that stands still, and its superadmin's client.

use std::path::PathBuf;

use jiff::SignedDuration;
use kestra_iam_operator::clock::Clock;
use kestra_iam_operator::iam::client::{Account, AccountSpec, Client, Credential, NewToken, Owner};
use kestra_iam_operator::iam::model::{PrincipalId, TokenValue};
use kestra_iam_operator::iam::wire::{BindingRequest, SubjectKind};
use kestra_iam_operator::server::{App, Compat, Settings, Transport, serve};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::canned::{CANARY, config, start};

/// The server; it stops and its data goes when this is dropped.
pub(crate) struct Embedded {
    pub(crate) url: String,
    pub(crate) clock: Clock,
    pub(crate) admin: Client,
    stop: CancellationToken,
    data: PathBuf,
}

impl Embedded {
    /// Starts a server whose superadmin holds the canary as token, and the role Admin in `main`.
    pub(crate) async fn start(compat: Compat) -> Self {
        let clock = Clock::manual(start());
        let data = std::env::temp_dir().join(format!("client-{}", uuid::Uuid::new_v4()));
        let settings = Settings {
            compat,
            ..Settings::default()
        };
        let app = App::open(&data, settings, clock.clone()).await.unwrap();
        let token = TokenValue::new(CANARY.to_owned());
        app.ensure_admin(&token, &["main".to_owned()])
            .await
            .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let serving = serve(app, listener, Transport::default(), stop.clone());
        tokio::spawn(async move { serving.await.unwrap() });
        let admin = client(&url, &clock, Credential::Bearer(token));
        Self {
            url,
            clock,
            admin,
            stop,
            data,
        }
    }

    pub(crate) fn client_with(&self, token: &TokenValue) -> Client {
        client(&self.url, &self.clock, Credential::Bearer(token.clone()))
    }

    pub(crate) fn client_as(&self, user: &str, password: &str) -> Client {
        let (user, password) = (user.to_owned(), TokenValue::new(password.to_owned()));
        client(&self.url, &self.clock, Credential::Basic { user, password })
    }

    pub(crate) async fn account(&self, name: &str) -> Account {
        let spec = AccountSpec {
            name: name.to_owned(),
            description: None,
            groups: Vec::new(),
        };
        self.admin.create_account(&spec).await.unwrap()
    }

    /// A client of a new account with the managed role Admin in the tenant, and nothing beyond it.
    pub(crate) async fn tenant_admin(&self) -> Client {
        let account = self.account("tenant-admin").await;
        let admin_role = BindingRequest {
            kind: SubjectKind::User,
            external_id: account.id.0.clone(),
            role_id: "admin_main".into(),
            namespace_id: None,
        };
        self.admin.create_binding(&admin_role).await.unwrap();
        self.client_with(&self.token(&account.id).await)
    }

    /// The value of a new token of an account, which never expires.
    pub(crate) async fn token(&self, account: &PrincipalId) -> TokenValue {
        let owner = Owner::Account(account.clone());
        let issued = self.admin.issue_token(&owner, &forever("test")).await;
        issued.map_or_else(|error| panic!("{error}"), |token| token.full_token)
    }

    /// Makes a user with a password, which the client has no call for, and gives back the id.
    pub(crate) async fn user(&self, email: &str, password: &str) -> PrincipalId {
        let body = json!({"email": email, "password": password, "tenants": ["main"]});
        let answer = reqwest::Client::new()
            .post(format!("{}/api/v1/users", self.url))
            .bearer_auth(CANARY)
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 201);
        let user: serde_json::Value = answer.json().await.unwrap();
        user["id"].as_str().unwrap().into()
    }

    pub(crate) fn wait(&self, by: SignedDuration) {
        self.clock.advance(by);
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.stop.cancel();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

fn client(url: &str, clock: &Clock, credential: Credential) -> Client {
    let mut config = config(url);
    config.credential = credential;
    config.clock = clock.clone();
    Client::new(&config).unwrap()
}

/// A token without end.
pub(crate) fn forever(name: &str) -> NewToken {
    NewToken {
        name: name.to_owned(),
        description: String::new(),
        lifetime: None,
        extended: false,
    }
}
