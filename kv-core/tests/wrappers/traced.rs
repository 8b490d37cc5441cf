//! What a span tells, and what it never does.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use kv_core::testing::{Fault, Faults, Faulty};
use kv_core::{ErrorKind, Key, NewEntry, PutMode, Scan, Store, StoreExt};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use super::memory;

/// Every span that was closed: its fields.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<BTreeMap<String, String>>>>);

struct Fields(BTreeMap<String, String>);

impl tracing::field::Visit for Fields {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl<S> Layer<S> for Seen
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    fn on_new_span(
        &self,
        attributes: &tracing::span::Attributes<'_>,
        id: &tracing::span::Id,
        context: Context<'_, S>,
    ) {
        let mut fields = Fields(BTreeMap::new());
        attributes.record(&mut fields);
        let meta = attributes.metadata();
        fields.0.insert("span".to_owned(), format!("{} {} {}", meta.level(), meta.target(), meta.name()));
        context.span(id).unwrap().extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &tracing::span::Id, values: &tracing::span::Record<'_>, context: Context<'_, S>) {
        values.record(context.span(id).unwrap().extensions_mut().get_mut::<Fields>().unwrap());
    }

    fn on_close(&self, id: tracing::span::Id, context: Context<'_, S>) {
        let fields = context.span(&id).unwrap().extensions_mut().remove::<Fields>().unwrap();
        self.0.lock().unwrap().push(fields.0);
    }
}

impl Seen {
    fn take(&self) -> Vec<BTreeMap<String, String>> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn watching() -> (Seen, tracing::subscriber::DefaultGuard) {
    let seen = Seen::default();
    let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(seen.clone()));
    (seen, guard)
}

const CODE: Key<'static> = Key::new("codes", "s3cret-id");

#[tokio::test]
async fn a_span_has_the_names_of_opentelemetry_and_neither_value_nor_id() {
    let (seen, _guard) = watching();
    let faults = Faults::none();
    let store = Faulty::new(memory(), &faults).traced();
    store.put(CODE, NewEntry::new("s3cret-value"), PutMode::Replace).await.unwrap();
    store.get_many(&[CODE, Key::new("codes", "s3cret-absent")]).await.unwrap();
    let refused = store.put(CODE, NewEntry::new("s3cret-value"), PutMode::Create).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::AlreadyExists);
    faults.next("take", Fault::lost(ErrorKind::Timeout));
    store.take(CODE, None).await.unwrap_err();
    faults.next("delete_many", Fault::refused(ErrorKind::Throttled).at_key(1));
    store.delete_many(&[CODE, Key::new("other", "x")]).await.unwrap();

    let spans = seen.take();
    let [put, many, create, take, delete] = spans.as_slice() else { panic!("{spans:?}") };
    for (span, name) in
        [(put, "put codes"), (many, "get_many codes"), (take, "take codes"), (delete, "delete_many")]
    {
        assert_eq!(span["otel.name"], name);
        assert_eq!(span["span"], "DEBUG larder::store store");
        assert_eq!(span["db.system.name"], "memory");
        assert_eq!(span["db.operation.name"], name.split(' ').next().unwrap());
        assert_eq!(span.get("db.collection.name").is_some(), name.contains("codes"));
        assert_eq!(span["otel.kind"], "client");
    }
    assert_eq!(many["db.operation.batch.size"], "2");
    assert_eq!(many["db.response.returned_rows"], "1");
    assert!(!put.contains_key("error.type") && !put.contains_key("otel.status_code"));
    assert_eq!((&*create["error.type"], &*create["larder.outcome"]), ("AlreadyExists", "NotDone"));
    assert_eq!((&*take["error.type"], &*take["larder.outcome"]), ("Timeout", "Unknown"));
    assert_eq!((&*delete["error.type"], &*delete["otel.status_code"]), ("Throttled", "ERROR"));
    assert_eq!(delete["larder.outcome"], "NotDone", "of the first key that failed");
    assert!(!put.contains_key("db.operation.batch.size") && !put.contains_key("db.response.returned_rows"));
    let all = format!("{spans:?}");
    assert!(!all.contains("s3cret"), "{all}");
}

#[tokio::test]
async fn a_batch_of_one_is_a_single_operation_and_an_empty_one_a_batch() {
    let (seen, _guard) = watching();
    let store = memory().traced();
    let keys = [CODE, Key::new("codes", "b"), Key::new("codes", "c")];
    for size in 0..=3 {
        store.get_many(&keys[..size]).await.unwrap();
    }
    let spans = seen.take();
    let sizes: Vec<_> =
        spans.iter().map(|span| span.get("db.operation.batch.size").map(String::as_str)).collect();
    assert_eq!(sizes, [Some("0"), None, Some("2"), Some("3")]);
}

#[tokio::test]
async fn a_listing_tells_how_many_entries_its_page_holds() {
    let (seen, _guard) = watching();
    let store = memory().traced();
    for id in ["a", "b", "c"] {
        store.put(Key::new("codes", id), NewEntry::new("x"), PutMode::Create).await.unwrap();
    }
    seen.take();
    store.scan(Scan::one("none"), None).await.unwrap();
    let page = store.scan(Scan::one("codes").limit(2), None).await.unwrap();
    store.scan(Scan::one("codes").limit(2), page.next.as_ref()).await.unwrap();
    let spans = seen.take();
    let rows: Vec<_> = spans.iter().map(|span| span["db.response.returned_rows"].as_str()).collect();
    assert_eq!(rows, ["0", "2", "1"]);
}

#[tokio::test]
async fn a_batch_with_keys_that_failed_tells_the_first_ones_outcome() {
    let (seen, _guard) = watching();
    let faults = Faults::none();
    let store = Faulty::new(memory(), &faults).traced();
    faults.next("put_many", Fault::lost(ErrorKind::Timeout).at_key(1));
    let entries = vec![(CODE, NewEntry::new("x")), (Key::new("codes", "b"), NewEntry::new("x"))];
    let answers = store.put_many(entries).await.unwrap();
    assert!(answers[0].is_ok() && answers[1].is_err());
    let spans = seen.take();
    assert_eq!((&*spans[0]["error.type"], &*spans[0]["larder.outcome"]), ("Timeout", "Unknown"));
}

#[tokio::test]
async fn an_id_is_shown_as_a_hash_and_only_on_request() {
    let (seen, _guard) = watching();
    let store = memory().traced().hashed_ids();
    for key in [CODE, CODE, Key::new("codes", "another")] {
        store.get(key).await.unwrap();
    }
    memory().traced().hashed_ids().get(CODE).await.unwrap();
    memory().traced().get(CODE).await.unwrap();
    let spans = seen.take();
    let hashes: Vec<_> = spans.iter().map(|span| span.get("larder.id.hash")).collect();
    assert_eq!(hashes[0], hashes[1]);
    assert_ne!(hashes[0], hashes[2]);
    assert_ne!(hashes[0], hashes[3], "nobody finds an id by hashing what he guesses");
    assert_eq!(hashes[4], None);
    assert!(!format!("{spans:?}").contains("s3cret"));
}

#[tokio::test(start_paused = true)]
async fn outside_the_retry_one_span_holds_all_tries() {
    let (seen, _guard) = watching();
    let faults = Faults::none();
    faults.next("get", Fault::refused(ErrorKind::Unavailable));
    let store = Faulty::new(memory(), &faults).retried().traced();
    store.get(CODE).await.unwrap();
    assert_eq!(seen.take().len(), 1);
    faults.next("get", Fault::refused(ErrorKind::Unavailable));
    Faulty::new(memory(), &faults).traced().retried().get(CODE).await.unwrap();
    assert_eq!(seen.take().len(), 2, "inside, each try has a span of its own");
}
