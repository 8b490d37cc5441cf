//! Metrics for whoever collects them.

use std::future::Future;

use metrics::{Label, SharedString, Unit, counter, gauge, histogram};
use metrics::{describe_counter, describe_gauge, describe_histogram};
use tokio::time::Instant;

use super::watched::{Call, Operation, Tells, Told, error_type, system_name, watched_store};
use crate::{AnyStore, ErrorKind, Result, Store};

const DURATION: &str = "db.client.operation.duration";
const IN_FLIGHT: &str = "larder.store.in_flight";
const KEYS: &str = "larder.store.keys";
const BYTES: &str = "larder.store.bytes";

/// Tells the recorder of the `metrics` crate, if the program has installed one, what the store is asked.
///
/// | metric | what | labels beside system and operation |
/// |---|---|---|
/// | `db.client.operation.duration` | histogram, seconds | `error.type` if it failed, or the first key of a batch did |
/// | `larder.store.in_flight` | gauge, calls running | |
/// | `larder.store.keys` | counter, keys looked for | `result`: `hit`, `miss` or `error` |
/// | `larder.store.bytes` | counter, bytes of values | `direction`: `in` or `out` |
///
/// Labels are `db.system.name` and `db.operation.name`, and on request `db.collection.name`: names as in OpenTelemetry's
/// semantic conventions for databases. `error.type` is an [`ErrorKind`] or `cancelled`. Never an id, never a value.
///
/// It changes nothing; all laws hold as they hold below. It stands outside all but tracing, and so tells what callers
/// asked for; inside a retry it would tell of tries.
#[derive(Clone, Debug)]
pub struct Metered<S = AnyStore> {
    inner: S,
    collections: bool,
}

impl<S: Store> Metered<S> {
    /// Tells of what `inner` is asked. The recorder that is installed by now learns units and descriptions, too.
    pub fn new(inner: S) -> Self {
        describe();
        Self { inner, collections: false }
    }

    /// Adds `db.collection.name` to every label: for programs whose collections are few. Each one is a new series.
    #[must_use]
    pub const fn by_collection(mut self) -> Self {
        self.collections = true;
        self
    }

    async fn watched<T: Tells + Send>(
        &self,
        call: Call<'_>,
        running: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let started = Instant::now();
        let running_now = Running::begin(self.labels(&call), started);
        let answer = running.await;
        let told = match &answer {
            Ok(answer) => Ok(answer.told()),
            Err(error) => Err(error.kind()),
        };
        running_now.end(call.bytes as u64, told);
        answer
    }

    fn labels(&self, call: &Call<'_>) -> Vec<Label> {
        let system = system_name(self.inner.capabilities().backend);
        let mut labels = vec![
            Label::from_static_parts("db.system.name", system),
            Label::from_static_parts("db.operation.name", call.operation.name()),
        ];
        if let Some(name) = call.collection.filter(|_| self.collections) {
            labels.push(Label::new("db.collection.name", SharedString::from(name.to_owned())));
        }
        labels
    }
}

watched_store!(Metered);

fn describe() {
    describe_histogram!(DURATION, Unit::Seconds, "Duration of store operations.");
    describe_gauge!(IN_FLIGHT, Unit::Count, "Store operations that are running.");
    describe_counter!(KEYS, Unit::Count, "Keys that were looked for, by what came of it.");
    describe_counter!(BYTES, Unit::Bytes, "Bytes of values that went in or came out.");
}

/// A call on its way. Dropped without an end, it was cancelled.
struct Running {
    labels: Vec<Label>,
    started: Instant,
    ended: bool,
}

impl Running {
    fn begin(labels: Vec<Label>, started: Instant) -> Self {
        gauge!(IN_FLIGHT, labels.clone()).increment(1.0);
        Self { labels, started, ended: false }
    }

    fn end(mut self, bytes_in: u64, told: Result<Told, ErrorKind>) {
        self.ended = true;
        let failure = match &told {
            Ok(told) => told.first_failure.map(|(kind, _)| kind),
            Err(kind) => Some(*kind),
        };
        self.took(failure.map(error_type));
        let told = told.unwrap_or_default();
        for (result, count) in [("hit", told.hits), ("miss", told.misses), ("error", told.failed)] {
            self.count(KEYS, ("result", result), count);
        }
        for (direction, count) in [("in", bytes_in), ("out", told.bytes)] {
            self.count(BYTES, ("direction", direction), count);
        }
    }

    fn took(&self, error: Option<&'static str>) {
        gauge!(IN_FLIGHT, self.labels.clone()).decrement(1.0);
        let labels = match error {
            Some(error) => self.with(("error.type", error)),
            None => self.labels.clone(),
        };
        histogram!(DURATION, labels).record(self.started.elapsed().as_secs_f64());
    }

    fn count(&self, name: &'static str, label: (&'static str, &'static str), count: u64) {
        if count > 0 {
            counter!(name, self.with(label)).increment(count);
        }
    }

    fn with(&self, (name, value): (&'static str, &'static str)) -> Vec<Label> {
        let mut labels = self.labels.clone();
        labels.push(Label::from_static_parts(name, value));
        labels
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            self.took(Some("cancelled"));
        }
    }
}
