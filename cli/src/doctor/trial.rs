//! A few entries written, read, changed, taken and left to expire.

use std::time::{Duration, Instant};

use kv_core::{
    AnyStore, Error, ErrorKind, Finding, Judge, Key, Listing, NewEntry, PutMode, RedactedUrl, Scan,
    Store as _, StoreExt as _,
};
use rand::RngExt as _;

use super::ms;
use crate::failure::on_one_line;
use crate::store;

const COLLECTION: &str = "larder-doctor";
/// What is left behind is gone after so long.
const LEFTOVERS: Duration = Duration::from_secs(60);
/// Reads and writes that are timed.
const TIMED: usize = 20;
/// How long the entry lives that is left to expire.
const SHORT: Duration = Duration::from_secs(1);
/// Beyond its ttl an entry may be seen for 50 ms, and for the difference of clocks where the caller judges.
const GRACE: Duration = Duration::from_millis(60);
const GRACE_OF_CALLERS: Duration = Duration::from_secs(2);

/// Two clocks may come apart by so much meanwhile, where one is being corrected.
const DRIFT: Duration = Duration::from_millis(1);

/// Tries everything that writes.
pub(super) async fn writes(store: &AnyStore) -> Vec<Finding> {
    let id = format!("{:032x}", rand::rng().random::<u128>());
    let other = format!("{id}-2");
    let keys = [Key::new(COLLECTION, &id), Key::new(COLLECTION, &other)];
    let [key, _] = keys;
    let mut findings = Vec::new();
    match round_trip(store, key).await {
        Ok(finding) => {
            findings.push(finding);
            findings.push(conditions(store, key).await.unwrap_or_else(|error| failed("conditions", &error)));
            findings.push(batches(store, keys).await.unwrap_or_else(|error| unbatched(&error)));
            findings.push(expiry(store, key).await.unwrap_or_else(|error| failed("expiry", &error)));
        }
        Err(error) => {
            findings.push(failed("round trip", &error));
            drop(store.delete(key).await); // it may have been written, and only not be read
            return findings;
        }
    }
    if let Err(error) = removed(store, &keys).await {
        findings.push(failed("removal", &error));
    }
    findings
}

/// Whether what is there can be listed, in one collection and in all. Writes nothing, and reads one page of each.
pub(super) async fn lists(store: &AnyStore) -> Vec<Finding> {
    if store.capabilities().scan == Listing::No {
        return vec![Finding::notice(
            "listing",
            "this store cannot list its entries",
            "`larder kv list`, `export`, `copy` from it and `rotate-key` do not work here",
        )];
    }
    let one = store.scan(Scan::one(COLLECTION).limit(1), None).await;
    let all = store.scan(Scan::under("").limit(1), None).await;
    let one = one.map_or_else(|error| failed("listing", &error), |_| Finding::good("listing", "works"));
    vec![one, all.map_or_else(|error| unlisted(&error), |_| Finding::good(ALL, "works"))]
}

const ALL: &str = "listing of all collections";

/// A user who may not is no fault: a program that keeps to its collections does without.
fn unlisted(error: &Error) -> Finding {
    match error.kind() {
        ErrorKind::Denied => Finding::notice(
            ALL,
            on_one_line(error),
            "`larder kv copy`, `export`, `stats` and `list` of all collections and `rotate-key` do not work for this user: \
             run them as one who may (DynamoDB: `Scan`; Redis: `SCAN`)",
        ),
        _ => failed(ALL, error),
    }
}

fn unbatched(error: &Error) -> Finding {
    match error.kind() {
        ErrorKind::Denied => Finding::bad(
            BATCHES,
            on_one_line(error),
            "caches, `larder kv copy` and `import`, and on Redis `export` and `stats` need batches: give the user of the URL \
             the right to them (DynamoDB: `BatchGetItem` and `BatchWriteItem`; Redis: `MGET`)",
        ),
        _ => failed(BATCHES, error),
    }
}

const BATCHES: &str = "batches";

async fn round_trip(store: &AnyStore, key: Key<'_>) -> Result<Finding, Error> {
    let (mut puts, mut gets) = (Vec::new(), Vec::new());
    for n in 0..TIMED {
        let value = format!("round trip {n}");
        let started = Instant::now();
        store.put(key, NewEntry::new(value.clone()).ttl(LEFTOVERS), PutMode::Replace).await?;
        puts.push(started.elapsed());
        let started = Instant::now();
        let found = store.get(key).await?;
        gets.push(started.elapsed());
        if found.is_none_or(|found| found.value != value) {
            return Ok(Finding::bad(
                "round trip",
                "an entry that was just written was not read back",
                "do not use this store: an acknowledged write is lost, or another one answers",
            ));
        }
    }
    let found = format!("get {}, put {} (median of {TIMED})", ms(median(gets)), ms(median(puts)));
    Ok(Finding::good("round trip", found))
}

/// `Create`, `Update` and `take` do what they promise.
async fn conditions(store: &AnyStore, key: Key<'_>) -> Result<Finding, Error> {
    let entry = || NewEntry::new("condition").ttl(LEFTOVERS);
    let old = store.put(key, entry(), PutMode::Replace).await?;
    let created = store.put(key, entry(), PutMode::Create).await;
    let new = store.put(key, entry(), PutMode::Update(old)).await?;
    let updated = store.put(key, entry(), PutMode::Update(old)).await;
    let taken = store.take(key, Some(new)).await?.is_some();
    let again = store.take(key, None).await?.is_some();
    let refused = created.is_err_and(|error| error.kind() == ErrorKind::AlreadyExists)
        && updated.is_err_and(|error| error.kind() == ErrorKind::Conflict);
    if refused && taken && !again {
        return Ok(Finding::good("conditions", "create, update and take are decided by the store"));
    }
    Ok(Finding::bad(
        "conditions",
        "a conditional write was not decided as it should have been",
        "do not keep one-time codes or sessions here; is something else writing to the collection larder-doctor?",
    ))
}

/// What is written together is read together.
async fn batches(store: &AnyStore, keys: [Key<'_>; 2]) -> Result<Finding, Error> {
    let entries = keys.map(|key| (key, NewEntry::new("batch").ttl(LEFTOVERS)));
    for written in store.put_many(entries.into()).await? {
        written?;
    }
    for found in store.get_many(&keys).await? {
        if found?.is_none_or(|found| found.value != "batch") {
            return Ok(Finding::bad(
                BATCHES,
                "an entry that was just written in a batch was not read back",
                "do not use this store: an acknowledged write is lost, or another one answers",
            ));
        }
    }
    Ok(Finding::good(BATCHES, "work"))
}

async fn expiry(store: &AnyStore, key: Key<'_>) -> Result<Finding, Error> {
    let grace = if store.capabilities().judge == Judge::Caller { GRACE_OF_CALLERS } else { GRACE };
    let sent = Instant::now();
    store.put(key, NewEntry::new("short").ttl(SHORT), PutMode::Replace).await?;
    let written = Instant::now();
    let gone = loop {
        let asked = written.elapsed();
        if store.get(key).await?.is_none() {
            break Some(sent.elapsed());
        }
        if asked > SHORT + grace {
            break None;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    Ok(match gone {
        // Its time began when it was sent at the earliest.
        Some(after) if after + DRIFT < SHORT => Finding::bad(
            "expiry",
            format!("an entry was gone {} before its time", ms(SHORT.saturating_sub(after))),
            "compare the clocks of all machines that use the store; look whether it drops entries for want of room, or whether \
             something else removes them",
        ),
        Some(_) => Finding::good("expiry", "an entry is gone when its time is over"),
        None => Finding::bad(
            "expiry",
            format!("an entry was still there {} after its time", ms(grace)),
            "compare the clocks of all machines that use the store",
        ),
    })
}

async fn removed(store: &AnyStore, keys: &[Key<'_>]) -> Result<(), Error> {
    store.delete_many(keys).await?.into_iter().collect()
}

/// Whether what was asked has to change, not the database.
pub(super) fn is_mistake(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Unsupported)
}

/// A store that is as it was meant, and did not open.
pub(super) fn unopened(url: &str, error: &Error) -> Finding {
    let advice = match error.kind() {
        ErrorKind::Denied => "look at the user and the password of the URL, and at the rights of both",
        ErrorKind::Timeout | ErrorKind::Unavailable if store::is_directory(url) => {
            "one process has a directory at a time: end the one that is named, or look when it has ended"
        }
        ErrorKind::Timeout | ErrorKind::Unavailable => {
            "is it running at this address, may this machine reach it, and does it speak TLS if the URL does?"
        }
        _ => advice(error),
    };
    Finding::bad("opens", format!("{}: {}", RedactedUrl::new(url), on_one_line(error)), advice)
}

fn failed(about: &'static str, error: &Error) -> Finding {
    Finding::bad(about, on_one_line(error), advice(error))
}

fn advice(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Denied => "give the user of the URL the right to read, write, remove and list",
        ErrorKind::Full => "make room, or raise the limit of the database",
        ErrorKind::Timeout | ErrorKind::Unavailable | ErrorKind::Throttled => {
            "look at the load of the database and at the network; `timeout=` in the URL gives it more time"
        }
        ErrorKind::Unsupported => "another mode of this database, or another one, can do this",
        ErrorKind::Corrupt => "values there are damaged, or sealed by another key: see docs/encryption.md",
        _ => "see the message; the page of the backend in docs/backends says more",
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kv_core::testing::{Fault, Faults, Faulty};
    use kv_core::{ErrorKind, Finding, Scan, Store as _, StoreExt as _, Verdict};
    use kv_memory::MemoryStore;

    use super::{lists, writes};

    fn about<'a>(findings: &'a [Finding], name: &str) -> &'a Finding {
        findings.iter().find(|finding| finding.about == name).unwrap()
    }

    #[tokio::test]
    async fn a_store_that_works_has_no_bad_finding_and_nothing_is_left() {
        let store = MemoryStore::new().erased();
        let mut findings = writes(&store).await;
        findings.extend(lists(&store).await);
        assert!(findings.iter().all(|finding| finding.verdict == Verdict::Good), "{findings:?}");
        let left = store.scan(Scan::under(""), None).await.unwrap().items;
        assert!(left.is_empty(), "{left:?}");
    }

    #[tokio::test]
    async fn batches_that_are_refused_are_bad_and_the_rest_is_tried_and_removed_all_the_same() {
        let faults = Faults::none();
        let store = Faulty::new(MemoryStore::new(), &faults).erased();
        for refused in [Fault::refused(ErrorKind::Denied), Fault::refused_whole(ErrorKind::Denied)] {
            faults.next("get_many", refused);
            let findings = writes(&store).await;
            let batches = about(&findings, "batches");
            assert_eq!(batches.verdict, Verdict::Bad);
            assert!(batches.advice.as_ref().unwrap().contains("BatchGetItem"), "{batches:?}");
            assert_eq!(about(&findings, "expiry").verdict, Verdict::Good);
            let left = store.scan(Scan::under(""), None).await.unwrap().items;
            assert!(left.is_empty(), "{left:?}");
        }
    }

    #[tokio::test]
    async fn a_listing_of_all_that_is_refused_is_told_beside_the_one_that_works() {
        let faults = Faults::none();
        let store = Faulty::new(MemoryStore::new(), &faults).erased();
        for (kind, verdict) in [(ErrorKind::Denied, Verdict::Notice), (ErrorKind::Timeout, Verdict::Bad)] {
            faults.next("scan", Fault::delayed(Duration::ZERO)).next("scan", Fault::refused(kind));
            let findings = lists(&store).await;
            assert_eq!(about(&findings, "listing").verdict, Verdict::Good);
            let all = about(&findings, "listing of all collections");
            assert_eq!(all.verdict, verdict);
            assert!(all.advice.is_some() && faults.all_met(), "{all:?}");
        }
    }

    #[tokio::test]
    async fn an_entry_that_leaves_early_is_bad() {
        let short_lived = MemoryStore::new().clamp_ttl(Duration::ZERO, Duration::from_millis(500)).erased();
        let findings = writes(&short_lived).await;
        let expiry = about(&findings, "expiry");
        assert!(expiry.verdict == Verdict::Bad && expiry.found.contains("before its time"), "{expiry:?}");
    }

    #[tokio::test]
    async fn a_store_that_refuses_writes_is_bad_and_says_what_to_do() {
        let findings = writes(&MemoryStore::new().read_only().erased()).await;
        assert_eq!((findings.len(), findings[0].verdict), (1, Verdict::Bad));
        assert!(findings[0].advice.is_some());
    }
}
