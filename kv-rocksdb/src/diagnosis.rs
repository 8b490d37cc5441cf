//! What the engine tells of itself, as findings.

use kv_core::Finding;
use kv_core::backend::embedded::Durability;

use crate::engine::Rocks;

/// What there is to say of an open engine.
pub(crate) fn findings(db: &Rocks) -> Vec<Finding> {
    let number = |name| db.property(name).unwrap_or_default();
    let (entries, bytes) = (number("rocksdb.estimate-num-keys"), number("rocksdb.total-sst-files-size"));
    let held = format!("about {entries} entries in tables of {} MiB", bytes >> 20);
    vec![
        Finding::good("files", held),
        match number("rocksdb.background-errors") {
            0 => Finding::good("background work", "no compaction and no writing out has failed"),
            errors => Finding::bad(
                "background work",
                format!("it has failed {errors} times"),
                "look whether the disk is full or failing, then open the store again",
            ),
        },
        match (number("rocksdb.is-write-stopped"), number("rocksdb.actual-delayed-write-rate")) {
            (0, 0) => Finding::good("writing", "nothing holds up writes"),
            _ => Finding::notice(
                "writing",
                "the engine holds up writes: compaction is behind",
                "it passes by itself once less is written; a faster disk helps",
            ),
        },
        Finding::good(
            "durability",
            match db.durability() {
                Durability::Os => "acknowledged writes survive kill -9; a power cut may cost the last ones",
                Durability::Always => "acknowledged writes survive a power cut",
            },
        ),
    ]
}
