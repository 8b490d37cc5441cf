//! What a recorder of metrics hears.

use std::collections::BTreeMap;

use kv_core::testing::{Fault, Faults, Faulty};
use kv_core::{ErrorKind, Key, Store, StoreExt};
use metrics::Unit;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

use super::{A, memory, put};

/// Each series, `name{label=value,..}` with sorted labels, and what it holds; histograms by how often.
fn heard(snapshotter: &Snapshotter) -> BTreeMap<String, f64> {
    let series = snapshotter.snapshot().into_vec().into_iter().map(|(key, _, _, value)| {
        let mut labels: Vec<String> =
            key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        labels.sort();
        let value = match value {
            DebugValue::Counter(count) => f64::from(u32::try_from(count).unwrap()),
            DebugValue::Gauge(value) => value.into_inner(),
            DebugValue::Histogram(values) => f64::from(u32::try_from(values.len()).unwrap()),
        };
        (format!("{}{{{}}}", key.key().name(), labels.join(",")), value)
    });
    series.collect()
}

const TOOK: &str = "db.client.operation.duration";

/// The series of an operation on memory, with one more label or none.
fn series(name: &str, operation: &str, more: &str) -> String {
    let mut labels = vec![format!("db.operation.name={operation}"), "db.system.name=memory".to_owned()];
    labels.extend(Some(more.to_owned()).filter(|more| !more.is_empty()));
    labels.sort();
    format!("{name}{{{}}}", labels.join(","))
}

#[tokio::test]
async fn operations_keys_bytes_and_errors_are_told_by_the_names_of_opentelemetry() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let faults = Faults::none();
    let store = Faulty::new(memory(), &faults).metered();
    put(&store, A, None).await;
    store.get_many(&[A, Key::new("c", "absent")]).await.unwrap();
    faults.next("take", Fault::refused(ErrorKind::Unavailable));
    store.take(A, None).await.unwrap_err();
    faults.always("get", Fault::hanging());
    drop(tokio::time::timeout(std::time::Duration::ZERO, store.get(A)).await);

    let heard = heard(&snapshotter);
    let of = |name: &str, operation: &str, more: &str| heard.get(&series(name, operation, more)).copied();
    assert_eq!(of(TOOK, "put", ""), Some(1.0), "{heard:?}");
    assert_eq!(of(TOOK, "get_many", ""), Some(1.0));
    assert_eq!(of(TOOK, "take", "error.type=Unavailable"), Some(1.0));
    assert_eq!(of(TOOK, "get", "error.type=cancelled"), Some(1.0));
    assert_eq!(of("larder.store.keys", "get_many", "result=hit"), Some(1.0));
    assert_eq!(of("larder.store.keys", "get_many", "result=miss"), Some(1.0));
    assert_eq!(of("larder.store.bytes", "put", "direction=in"), Some(5.0));
    assert_eq!(of("larder.store.bytes", "get_many", "direction=out"), Some(5.0));
    for operation in ["put", "get_many", "take", "get"] {
        assert_eq!(of("larder.store.in_flight", operation, ""), Some(0.0), "{operation}");
    }
    let all = format!("{heard:?}");
    assert!(!all.contains("absent") && !all.contains("value\""), "no id and no value: {all}");
    assert!(!all.contains("db.collection.name"), "collections are told on request only");
}

#[tokio::test]
async fn collections_are_told_on_request() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let store = memory().metered().by_collection();
    store.get(A).await.unwrap();
    store.get_many(&[A, Key::new("other", "1")]).await.unwrap();
    let heard = heard(&snapshotter);
    assert_eq!(heard.get(&series(TOOK, "get", "db.collection.name=c")), Some(&1.0), "{heard:?}");
    assert_eq!(heard.get(&series(TOOK, "get_many", "")), Some(&1.0), "two collections: {heard:?}");
}

#[tokio::test]
async fn every_metric_has_a_unit_and_a_description() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let store = memory().metered();
    put(&store, A, None).await;
    store.get(A).await.unwrap();
    let all = snapshotter.snapshot().into_vec();
    let units: BTreeMap<_, _> = all
        .iter()
        .map(|(key, unit, description, _)| {
            assert!(description.as_ref().is_some_and(|text| !text.is_empty()), "{key:?}");
            (key.key().name().to_owned(), *unit)
        })
        .collect();
    let expected = [
        (TOOK, Unit::Seconds),
        ("larder.store.bytes", Unit::Bytes),
        ("larder.store.in_flight", Unit::Count),
        ("larder.store.keys", Unit::Count),
    ];
    assert_eq!(units, expected.map(|(name, unit)| (name.to_owned(), Some(unit))).into());
}

#[tokio::test(start_paused = true)]
async fn outside_the_retry_a_call_is_one_operation_and_inside_each_try_is_one() {
    for outside in [true, false] {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        let _guard = metrics::set_default_local_recorder(&recorder);
        let faults = Faults::none();
        faults.next("get", Fault::refused(ErrorKind::Unavailable));
        let store = Faulty::new(memory(), &faults);
        if outside {
            store.retried().metered().get(A).await.unwrap();
        } else {
            store.metered().retried().get(A).await.unwrap();
        }
        let heard = heard(&snapshotter);
        let failed = heard.get(&series(TOOK, "get", "error.type=Unavailable")).copied();
        assert_eq!(heard.get(&series(TOOK, "get", "")), Some(&1.0), "{heard:?}");
        assert_eq!(failed, (!outside).then_some(1.0), "the wrong order tells of tries: {heard:?}");
    }
}
