//! A program that lives on the token: calls without pause with what it last read from the Secret.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::kestra::Kestra;
use crate::report::in_words;
use crate::world::token_in;

/// Kubelets and programs look again at a mounted Secret from time to time, not before each call.
const REREAD: Duration = Duration::from_secs(1);

/// A running consumer.
pub struct Consumer {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Tally>,
}

/// What it has seen.
#[derive(Default)]
pub struct Tally {
    calls: usize,
    reads: usize,
    tokens: usize,
    longest: Duration,
    /// The first few are enough to know what is wrong.
    failures: Vec<String>,
}

impl Consumer {
    /// Starts to call with the token of a Secret.
    pub fn start(secrets: Api<Secret>, name: &str, kestra: Kestra) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let job = Job {
            secrets,
            name: name.to_owned(),
            kestra,
        };
        let task = tokio::spawn(job.run(Arc::clone(&stop)));
        Self { stop, task }
    }

    /// Ends it and tells what it has seen.
    pub async fn stop(self) -> Result<Tally> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.context("the consumer broke down")
    }
}

struct Job {
    secrets: Api<Secret>,
    name: String,
    kestra: Kestra,
}

impl Job {
    async fn run(self, stop: Arc<AtomicBool>) -> Tally {
        let mut tally = Tally::default();
        let mut token = String::new();
        let mut read = None::<Instant>;
        while !stop.load(Ordering::Relaxed) {
            if read.is_none_or(|read| read.elapsed() >= REREAD) {
                read = Some(Instant::now());
                let found = self.read().await;
                tally.note_read(&mut token, found);
            }
            let start = Instant::now();
            let answer = self.kestra.get(&token, "/api/v1/me").await;
            let outcome = answer.and_then(|answer| answer.with_status(200));
            tally.note_call(start.elapsed(), outcome.map(|_| ()));
        }
        tally
    }

    async fn read(&self) -> Result<String> {
        token_in(&self.secrets.get(&self.name).await?)
    }
}

impl Tally {
    fn note_read(&mut self, token: &mut String, found: Result<String>) {
        self.reads += 1;
        match found {
            Ok(found) if found == *token => {}
            Ok(found) => {
                self.tokens += 1;
                *token = found;
            }
            Err(error) => self.failures.push(format!("reading the Secret: {error:#}")),
        }
    }

    fn note_call(&mut self, took: Duration, outcome: Result<()>) {
        self.calls += 1;
        self.longest = self.longest.max(took);
        if let Err(error) = outcome {
            self.failures
                .push(format!("call {}: {error:#}", self.calls));
        }
    }

    /// The numbers.
    pub fn summary(&self) -> String {
        let Self {
            calls,
            reads,
            tokens,
            longest,
            failures,
        } = self;
        format!(
            "{} failures of {calls} calls with {tokens} tokens; the Secret was read {reads} times; the longest call took {}",
            failures.len(),
            in_words(*longest),
        )
    }

    /// Whether all calls succeeded, with this many different tokens at least.
    pub fn is_flawless(&self, tokens: usize) -> Result<()> {
        let first: Vec<_> = self.failures.iter().take(5).cloned().collect();
        ensure!(first.is_empty(), "{}\n{}", self.summary(), first.join("\n"));
        ensure!(
            self.tokens >= tokens,
            "only {} tokens were seen",
            self.tokens
        );
        Ok(())
    }
}
