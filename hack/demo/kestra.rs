//! The IAM server over HTTP, as anybody who holds a token sees it.

use anyhow::{Result, ensure};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

/// A way to the server; clones share their connections.
#[derive(Clone)]
pub struct Kestra {
    http: reqwest::Client,
    url: String,
}

/// What the server answered.
pub struct Answer {
    pub status: u16,
    /// Null if it was no JSON.
    pub body: Value,
    /// The request, for messages.
    request: String,
}

impl Kestra {
    pub fn new(url: &str) -> Result<Self> {
        Ok(Self {
            http: reqwest::Client::builder().no_proxy().build()?,
            url: url.to_owned(),
        })
    }

    pub async fn get(&self, token: &str, path: &str) -> Result<Answer> {
        self.ask(Method::GET, path, |request| request.bearer_auth(token))
            .await
    }

    pub async fn post(&self, token: &str, path: &str, body: &Value) -> Result<Answer> {
        self.ask(Method::POST, path, |request| {
            request.bearer_auth(token).json(body)
        })
        .await
    }

    /// GET with name and password instead of a token.
    pub async fn get_as(&self, name: &str, password: &str, path: &str) -> Result<Answer> {
        self.ask(Method::GET, path, |request| {
            request.basic_auth(name, Some(password))
        })
        .await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        finish: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Answer> {
        let asked = format!("{method} {path}");
        let request = self.http.request(method, format!("{}{path}", self.url));
        let response = finish(request).send().await?;
        let status = response.status().as_u16();
        let body = response.bytes().await?;
        Ok(Answer {
            status,
            body: serde_json::from_slice(&body).unwrap_or_default(),
            request: asked,
        })
    }
}

impl Answer {
    /// The body, if the status is this one.
    pub fn with_status(self, status: u16) -> Result<Value> {
        let Self {
            status: seen,
            body,
            request,
        } = self;
        ensure!(seen == status, "{request}: {seen} {}", body["message"]);
        Ok(body)
    }
}
