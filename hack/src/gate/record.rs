//! What came through, without bodies.

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::Method;
use http::request::Parts;
use tokio::time::Instant;

/// A request that came to the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its place in the order of arrival, from 0 on.
    pub number: usize,
    /// When it came.
    pub arrived: Instant,
    /// The method.
    pub method: Method,
    /// Without the query.
    pub path: String,
    /// What follows the question mark; empty if there is none.
    pub query: String,
    /// The status that the server answered, or the gate in its place; none while there is no answer.
    pub status: Option<u16>,
}

impl Request {
    /// Whether it could change anything.
    #[must_use]
    pub fn is_write(&self) -> bool {
        !matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS)
    }

    /// Whether it is a watch of the API server.
    #[must_use]
    pub fn is_watch(&self) -> bool {
        let mut members = self.query.split('&');
        members.any(|member| matches!(member, "watch=true" | "watch=1" | "watch"))
    }
}

/// All of them, and how many were under way at the same time.
#[derive(Debug, Default)]
pub(super) struct Record(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    requests: Vec<Request>,
    under_way: usize,
    most: usize,
}

impl Record {
    pub(super) fn arrived(&self, head: &Parts) -> Request {
        let mut seen = self.lock();
        let request = Request {
            number: seen.requests.len(),
            arrived: Instant::now(),
            method: head.method.clone(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            status: None,
        };
        seen.requests.push(request.clone());
        request
    }

    pub(super) fn answered(&self, number: usize, status: u16) {
        if let Some(request) = self.lock().requests.get_mut(number) {
            request.status = Some(status);
        }
    }

    /// Counts as under way until the answer is dropped.
    pub(super) fn under_way(&self) -> UnderWay<'_> {
        let mut seen = self.lock();
        seen.under_way += 1;
        seen.most = seen.most.max(seen.under_way);
        UnderWay(self)
    }

    pub(super) fn all(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }

    pub(super) fn count_of(&self, is_meant: impl Fn(&Request) -> bool) -> usize {
        let seen = self.lock();
        seen.requests.iter().filter(|it| is_meant(it)).count()
    }

    pub(super) fn count(&self) -> usize {
        self.lock().requests.len()
    }

    pub(super) fn under_way_now(&self) -> usize {
        self.lock().under_way
    }

    pub(super) fn most(&self) -> usize {
        self.lock().most
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that has no answer yet.
pub(super) struct UnderWay<'a>(&'a Record);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.lock().under_way -= 1;
    }
}
