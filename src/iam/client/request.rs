//! One call from its parts to its classed result: the only place that sends.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::body::{self, Body};
use super::headers::{http_date, retry_after};
use super::offset::Sample;
use super::{Breach, Call, Client, Deletion, Error, Outage, transport};

/// A call under construction.
pub(super) struct Request<'c> {
    client: &'c Client,
    method: Method,
    call: Call,
    ids: Vec<&'c str>,
    query: Vec<(&'c str, &'c str)>,
    body: Result<Option<Vec<u8>>, Breach>,
    authorization: Option<HeaderValue>,
}

impl Client {
    pub(super) fn get(&self, path: &'static str) -> Request<'_> {
        self.request(Method::GET, "GET", path)
    }

    pub(super) fn post(&self, path: &'static str) -> Request<'_> {
        self.request(Method::POST, "POST", path)
    }

    pub(super) fn put(&self, path: &'static str) -> Request<'_> {
        self.request(Method::PUT, "PUT", path)
    }

    pub(super) fn delete(&self, path: &'static str) -> Request<'_> {
        self.request(Method::DELETE, "DELETE", path)
    }

    fn request(&self, method: Method, word: &'static str, path: &'static str) -> Request<'_> {
        Request {
            client: self,
            method,
            call: Call { method: word, path },
            ids: Vec::new(),
            query: Vec::new(),
            body: Ok(None),
            authorization: None,
        }
    }
}

impl<'c> Request<'c> {
    /// Fills the next place of the path after the tenant.
    pub(super) fn id(mut self, id: &'c str) -> Self {
        self.ids.push(id);
        self
    }

    pub(super) fn query(mut self, name: &'c str, value: &'c str) -> Self {
        self.query.push((name, value));
        self
    }

    pub(super) fn json(mut self, body: &impl Serialize) -> Self {
        self.body = serde_json::to_vec(body)
            .map(Some)
            .map_err(|_| Breach::Unsendable);
        self
    }

    /// Authenticates by this header in place of the client's own.
    pub(super) fn authorized_by(mut self, authorization: HeaderValue) -> Self {
        self.authorization = Some(authorization);
        self
    }

    /// Sends, and reads the answer as `T`.
    pub(super) async fn answer<T: DeserializeOwned>(self) -> Result<T, Error> {
        let client = self.client;
        let result = self.run(body::parse).await;
        client.counters().record(&result);
        result
    }

    /// Sends, and takes any success; its body has to be JSON or empty, so that a login page is no success.
    pub(super) async fn done(self) -> Result<(), Error> {
        let client = self.client;
        let result = self.run(body::accept).await;
        client.counters().record(&result);
        result
    }

    /// Sends a DELETE; what is not there any more is told apart from an error.
    pub(super) async fn deletion(self) -> Result<Deletion, Error> {
        match self.done().await {
            Ok(()) => Ok(Deletion::Done),
            Err(Error::Gone { .. }) => Ok(Deletion::AlreadyGone),
            Err(error) => Err(error),
        }
    }

    async fn run<T>(self, read: fn(&Body) -> Result<T, Breach>) -> Result<T, Error> {
        let (client, call) = (self.client, self.call);
        let limit = client.timeout();
        let deadline = tokio::time::Instant::now() + limit;
        let url = client.url(call, &self.ids)?;
        let busy = || Error::Unavailable {
            call,
            outage: Outage::Busy,
        };
        let _permit = client.permit(deadline).await.ok_or_else(busy)?;
        // Whoever waited may have to stay away by now.
        if let Some((left, status)) = client.closed() {
            return Err(Error::Throttled {
                call,
                status,
                retry_after: Some(left),
            });
        }
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        let result = self.exchange(url, left, read).await;
        tracing::debug!(
            call.method,
            call.path,
            failed = result.as_ref().err().map(|error| error.class().as_str()),
            "called the backend"
        );
        result
    }

    async fn exchange<T>(
        self,
        url: Url,
        limit: Duration,
        read: fn(&Body) -> Result<T, Breach>,
    ) -> Result<T, Error> {
        let (client, call) = (self.client, self.call);
        let sent = client.clock().now();
        let response = self.send(url, limit).await?;
        classify(call, &response, client.clock().now()).inspect_err(|error| heed(client, error))?;
        let date = date(response.headers());
        let received = client.clock().now();
        let body = body::collect(response)
            .await
            .map_err(|failure| failure.of(call))?;
        let value = read(&body).map_err(|breach| Error::Protocol { call, breach })?;
        // Only an answer of the API itself sets the clock; an error page of a proxy does not.
        if let Some(date) = date {
            client.learn_offset(Sample {
                sent,
                received,
                date,
            });
        }
        Ok(value)
    }

    async fn send(self, url: Url, limit: Duration) -> Result<Response, Error> {
        let call = self.call;
        let authorization = self
            .authorization
            .unwrap_or_else(|| self.client.authorization());
        let mut request = self
            .client
            .http()
            .request(self.method, url)
            .timeout(limit)
            .header(AUTHORIZATION, authorization);
        if !self.query.is_empty() {
            request = request.query(&self.query);
        }
        let body = self
            .body
            .map_err(|breach| Error::Protocol { call, breach })?;
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        request.send().await.map_err(|error| Error::Unavailable {
            call,
            outage: transport::outage(&error),
        })
    }
}

/// Nothing more is sent before the instant that the backend asked for.
fn heed(client: &Client, error: &Error) {
    if let Error::Throttled {
        status,
        retry_after: Some(pause),
        ..
    } = error
    {
        client.close(*pause, *status);
    }
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(headers.get(DATE)?.to_str().ok()?)
}

fn classify(call: Call, response: &Response, now: Timestamp) -> Result<(), Error> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let headers = response.headers();
    let wait = headers
        .get(RETRY_AFTER)
        .and_then(|value| retry_after(value.to_str().ok()?, date(headers).unwrap_or(now)));
    Err(failure(call, status, wait))
}

fn failure(call: Call, status: StatusCode, retry_after: Option<Duration>) -> Error {
    let code = status.as_u16();
    match (code, retry_after) {
        (400 | 413 | 414 | 422, _) => Error::Invalid { call, status: code },
        (401, _) => Error::Unauthorized { call },
        (402 | 403, _) => Error::Forbidden { call, status: code },
        (404 | 410, _) => Error::Gone { call },
        (409, _) => Error::Conflict { call },
        (429, _) | (503, Some(_)) => Error::Throttled {
            call,
            status: code,
            retry_after,
        },
        (408 | 500.., _) => Error::Unavailable {
            call,
            outage: Outage::Status(code),
        },
        (300..400, _) => Error::Protocol {
            call,
            breach: Breach::Redirect(code),
        },
        _ => Error::Protocol {
            call,
            breach: Breach::Status(code),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::client::Class;

    #[test]
    fn every_status_falls_into_one_class() {
        let call = Call {
            method: "GET",
            path: "/",
        };
        for (status, class) in [
            (302, Class::Protocol),
            (304, Class::Protocol),
            (400, Class::Invalid),
            (401, Class::Unauthorized),
            (402, Class::Forbidden),
            (403, Class::Forbidden),
            (404, Class::Gone),
            (405, Class::Protocol),
            (408, Class::Unavailable),
            (409, Class::Conflict),
            (410, Class::Gone),
            (418, Class::Protocol),
            (422, Class::Invalid),
            (429, Class::Throttled),
            (500, Class::Unavailable),
            (503, Class::Unavailable),
            (599, Class::Unavailable),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(failure(call, status, None).class(), class, "{status}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_a_place_ends_and_nothing_was_sent() {
        use crate::{clock::Clock, iam::client, iam::model::TokenValue};
        let credential = client::Credential::Bearer(TokenValue::new("t".into()));
        let mut config =
            client::Config::new("http://127.0.0.1:1", "main", credential, Clock::system());
        config.in_flight = 1;
        let client = Client::new(&config).unwrap();
        let soon = tokio::time::Instant::now() + Duration::from_secs(1);
        let _taken = client.permit(soon).await;
        let error = client.delete("/").done().await.unwrap_err();
        let busy = matches!(
            error,
            Error::Unavailable {
                outage: Outage::Busy,
                ..
            }
        );
        assert!(busy && !error.outcome_unknown(), "{error}");
        assert!(
            !error.is_outage(),
            "our own budget says nothing about the backend"
        );
    }

    #[test]
    fn a_503_with_a_delay_is_throttling() {
        let call = Call {
            method: "GET",
            path: "/",
        };
        let wait = Some(Duration::from_secs(3));
        let error = failure(call, StatusCode::SERVICE_UNAVAILABLE, wait);
        assert_eq!(
            (error.class(), error.retry_after()),
            (Class::Throttled, wait)
        );
    }
}
