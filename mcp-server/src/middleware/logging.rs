//! One log line for each request: what was asked, how it ended, how long it took.

use std::time::Instant;

use crate::protocol::{code, excerpt};
use crate::registry::Found;
use crate::{Answer, Middleware, Next, Operation, Reply, Request};

/// Writes one `tracing` event for each request, at level `info`, or `warn` where something here failed.
///
/// It names method, component, revision and outcome, never arguments, results or who asks: those may be secrets. Of a
/// resource behind a template it names the template, since the URI holds the arguments.
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
    fn handle(&self, request: Request, next: Next) -> impl Future<Output = Answer> + Send {
        let (method, revision) = (excerpt(request.operation.method()), request.revision.as_str());
        let target = target(&request, &next);
        let started = Instant::now();
        let run = next.run(request); // which is not carried along here
        async move {
            let answer = run.await;
            let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            match outcome(&answer) {
                Outcome::Fault => {
                    tracing::warn!(method, target, revision, micros, outcome = "internal error");
                }
                Outcome::Refused(code) => {
                    tracing::info!(method, target, revision, micros, outcome = "refused", code);
                }
                Outcome::Ended(outcome) => tracing::info!(method, target, revision, micros, outcome),
            }
            answer
        }
    }
}

/// The component, by no more than the beginning of what the client sent.
fn target(request: &Request, next: &Next) -> String {
    match &request.operation {
        Operation::ReadResource { uri } => match next.dispatcher().registry_of(request).resource(uri) {
            Some(Found::Resource(resource)) => resource.uri().to_owned(),
            Some(Found::Template(template, _)) => template.uri_template().to_owned(),
            None => String::new(),
        },
        Operation::Complete { reference, .. } => {
            let referred = next.dispatcher().registry_of(request).referred(reference);
            referred.map(|referred| referred.name().to_owned()).unwrap_or_default()
        }
        operation => operation.target().map(excerpt).unwrap_or_default(),
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
