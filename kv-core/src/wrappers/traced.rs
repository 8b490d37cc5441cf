//! A span around each operation.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use tracing::field::{Empty, display};
use tracing::{Instrument as _, Span};

use super::watched::{Call, Operation, Tells, error_type, system_name, watched_store};
use crate::{AnyStore, Outcome, Result, Store};

/// Puts each operation into a `tracing` span with the names of OpenTelemetry's semantic conventions for databases.
///
/// The span is `store`, at level DEBUG, target `larder::store`. Its fields: `otel.name` (operation and collection),
/// `otel.kind`, `db.system.name`, `db.operation.name`, `db.collection.name` (where there is one), `db.operation.batch.size`
/// (of a batch, unless it has one key),
/// then what came of it: `db.response.returned_rows` (keys found, entries of a page), `error.type` (an
/// [`ErrorKind`](crate::ErrorKind)), `otel.status_code`, and `larder.outcome` of that error: `NotDone` or `Unknown`. Of a
/// batch the error is that of the first key that failed.
///
/// Source: OpenTelemetry, semantic conventions for database client spans; `larder.*` are ours.
///
/// Never a value, a key's id, or an error's text, which may name one. With [`Traced::hashed_ids`] there is `larder.id.hash`.
///
/// It changes nothing; all laws hold as they hold below. It stands outside everything, so that one span holds all tries.
#[derive(Clone, Debug)]
pub struct Traced<S = AnyStore> {
    inner: S,
    hasher: Option<Arc<RandomState>>,
}

impl<S: Store> Traced<S> {
    /// Puts each operation of `inner` into a span.
    pub const fn new(inner: S) -> Self {
        Self { inner, hasher: None }
    }

    /// Adds a hash of the id to the spans of single keys, so that calls about one key can be told from others.
    ///
    /// Its key is drawn anew for each call of this method: hashes of two processes, or of two such stores, do not compare,
    /// and nobody finds an id by trying.
    #[must_use]
    pub fn hashed_ids(mut self) -> Self {
        self.hasher = Some(Arc::default());
        self
    }

    async fn watched<T: Tells + Send>(
        &self,
        call: Call<'_>,
        running: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let span = self.span(&call);
        if span.is_disabled() {
            return running.await;
        }
        let answer = running.instrument(span.clone()).await;
        tell(&span, &answer);
        answer
    }

    fn span(&self, call: &Call<'_>) -> Span {
        let operation = call.operation.name();
        let span = tracing::debug_span!(
            target: "larder::store",
            "store",
            "otel.name" = operation,
            "otel.kind" = "client",
            "otel.status_code" = Empty,
            "db.system.name" = system_name(self.inner.capabilities().backend),
            "db.operation.name" = operation,
            "db.collection.name" = Empty,
            "db.operation.batch.size" = Empty,
            "db.response.returned_rows" = Empty,
            "error.type" = Empty,
            "larder.outcome" = Empty,
            "larder.id.hash" = Empty,
        );
        if span.is_disabled() {
            return span;
        }
        if let Some(collection) = call.collection {
            span.record("otel.name", display(format_args!("{operation} {collection}")));
            span.record("db.collection.name", collection);
        }
        // A batch of one key is told as what it is: a single operation.
        if let Some(size) = call.batch.filter(|size| *size != 1) {
            span.record("db.operation.batch.size", size);
        }
        if let (Some(hasher), Some(id)) = (&self.hasher, call.id) {
            span.record("larder.id.hash", display(format_args!("{:016x}", hasher.hash_one(id))));
        }
        span
    }
}

watched_store!(Traced);

fn tell<T: Tells>(span: &Span, answer: &Result<T>) {
    let failure = match answer {
        Ok(answer) => {
            let told = answer.told();
            if let Some(rows) = told.rows {
                span.record("db.response.returned_rows", rows);
            }
            told.first_failure
        }
        Err(error) => Some((error.kind(), error.outcome())),
    };
    if let Some((kind, outcome)) = failure {
        span.record("error.type", error_type(kind));
        span.record("otel.status_code", "ERROR");
        span.record("larder.outcome", if outcome == Outcome::NotDone { "NotDone" } else { "Unknown" });
    }
}
