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

/// Tries everything that writes.
pub(super) async fn writes(store: &AnyStore) -> Vec<Finding> {
    let id = format!("{:032x}", rand::rng().random::<u128>());
    let key = Key::new(COLLECTION, &id);
    let mut findings = Vec::new();
    match round_trip(store, key).await {
        Ok(finding) => {
            findings.push(finding);
            findings.push(conditions(store, key).await.unwrap_or_else(|error| failed("conditions", &error)));
            findings.push(expiry(store, key).await.unwrap_or_else(|error| failed("expiry", &error)));
        }
        Err(error) => {
            findings.push(failed("round trip", &error));
            drop(store.delete(key).await); // it may have been written, and only not be read
            return findings;
        }
    }
    if let Err(error) = store.delete(key).await {
        findings.push(failed("removal", &error));
    }
    findings
}

/// Whether what is there can be listed. Writes nothing.
pub(super) async fn lists(store: &AnyStore) -> Finding {
    if store.capabilities().scan == Listing::No {
        return Finding::notice(
            "listing",
            "this store cannot list its entries",
            "`larder kv list`, `export`, `copy` from it and `rotate-key` do not work here",
        );
    }
    match store.scan(Scan::one(COLLECTION).limit(1), None).await {
        Ok(_) => Finding::good("listing", "works"),
        Err(error) => failed("listing", &error),
    }
}

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

async fn expiry(store: &AnyStore, key: Key<'_>) -> Result<Finding, Error> {
    let grace = if store.capabilities().judge == Judge::Caller { GRACE_OF_CALLERS } else { GRACE };
    let before = Instant::now();
    store.put(key, NewEntry::new("short").ttl(SHORT), PutMode::Replace).await?;
    let written = Instant::now();
    let early = store.get(key).await?.is_none() && before.elapsed() < SHORT;
    while written.elapsed() < SHORT + grace && (early || store.get(key).await?.is_some()) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let late = store.get(key).await?.is_some();
    Ok(match (early, late) {
        (false, false) => Finding::good("expiry", "an entry is gone when its time is over"),
        (true, _) => {
            Finding::bad("expiry", "an entry was gone before its time", "compare the clocks of all machines")
        }
        (_, true) => Finding::bad(
            "expiry",
            format!("an entry was still there {} after its time", ms(grace)),
            "compare the clocks of all machines that use the store",
        ),
    })
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
    use kv_core::{Scan, Store as _, StoreExt as _, Verdict};
    use kv_memory::MemoryStore;

    use super::{lists, writes};

    #[tokio::test]
    async fn a_store_that_works_has_no_bad_finding_and_nothing_is_left() {
        let store = MemoryStore::new().erased();
        let mut findings = writes(&store).await;
        findings.push(lists(&store).await);
        assert!(findings.iter().all(|finding| finding.verdict == Verdict::Good), "{findings:?}");
        let left = store.scan(Scan::under(""), None).await.unwrap().items;
        assert!(left.is_empty(), "{left:?}");
    }

    #[tokio::test]
    async fn a_store_that_refuses_writes_is_bad_and_says_what_to_do() {
        let findings = writes(&MemoryStore::new().read_only().erased()).await;
        assert_eq!((findings.len(), findings[0].verdict), (1, Verdict::Bad));
        assert!(findings[0].advice.is_some());
    }
}
