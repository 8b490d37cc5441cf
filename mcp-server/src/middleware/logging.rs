//! One log line for each request: what was asked, how it ended, how long it took.

use std::time::Instant;

use crate::protocol::code;
use crate::{Answer, Middleware, Next, Reply, Request};

/// Writes one `tracing` event for each request, at level `info`, or `warn` where something here failed.
///
/// It names method, component, revision and outcome, never arguments, results or who asks: those may be secrets.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Logging;

impl Logging {
    /// One line for each request.
    pub const fn new() -> Self {
        Self
    }
}

impl Middleware for Logging {
    async fn handle(&self, request: Request, next: Next) -> Answer {
        let (operation, revision) = (request.operation.clone(), request.revision);
        let started = Instant::now();
        let answer = next.run(request).await;
        let micros = started.elapsed().as_micros();
        let (method, target) = (operation.method(), operation.target().unwrap_or_default());
        match outcome(&answer) {
            Outcome::Fault => tracing::warn!(method, target, %revision, micros, outcome = "internal error"),
            Outcome::Refused(code) => {
                tracing::info!(method, target, %revision, micros, outcome = "refused", code);
            }
            Outcome::Ended(outcome) => tracing::info!(method, target, %revision, micros, outcome),
        }
        answer
    }
}

enum Outcome {
    Ended(&'static str),
    Refused(i32),
    Fault,
}

fn outcome(answer: &Answer) -> Outcome {
    match answer {
        Answer::Done(Reply::Tool(result)) if result.is_error => Outcome::Ended("tool error"),
        Answer::Done(_) => Outcome::Ended("done"),
        Answer::Asked(_) => Outcome::Ended("asked"),
        Answer::Failed(failure) if failure.code == code::INTERNAL_ERROR => Outcome::Fault,
        Answer::Failed(failure) => Outcome::Refused(failure.code),
    }
}
