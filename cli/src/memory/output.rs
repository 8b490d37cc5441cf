//! What the tools answer, as structured content.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kv_core::Found;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::JsonSchema;
use serde::Serialize;

use super::record::Record;
use super::search::{Hit, Ranked};
use crate::clock::{now_ms, whole_ms};

/// Texts in lists and searches are cut to so many characters.
const EXCERPT: usize = 2_000;

/// What stands unescaped in a URI (RFC 3986 §2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What was remembered, and how to get at it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Remembered {
    /// For `recall` and `forget`.
    pub(super) id: String,
    /// Where it lies.
    pub(super) namespace: String,
    /// The resource that it can be read as.
    pub(super) uri: String,
    /// When it will be forgotten (RFC 3339); absent if never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<String>,
}

/// One memory.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Memory {
    /// For `recall` and `forget`.
    pub(super) id: String,
    /// Where it lies.
    pub(super) namespace: String,
    /// What was remembered.
    pub(super) text: String,
    /// Its tags.
    pub(super) tags: Vec<String>,
    /// When it was remembered (RFC 3339).
    pub(super) remembered_at: String,
    /// When it will be forgotten (RFC 3339); absent if never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<String>,
    /// The resource that it can be read as.
    pub(super) uri: String,
    /// True if `text` was cut; `recall` has all of it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) truncated: bool,
}

impl Memory {
    pub(super) fn whole(id: String, namespace: String, found: Found<Record>) -> Self {
        let expires = found.ttl.map(|left| now_ms().saturating_add(whole_ms(left)));
        Self::of(id, namespace, found.value, expires)
    }

    fn excerpt(hit: Hit, namespace: &str, record: Record) -> Self {
        let mut memory = Self::of(hit.rank.id, namespace.to_owned(), record, hit.expires);
        if let Some((end, _)) = memory.text.char_indices().nth(EXCERPT) {
            memory.text.truncate(end);
            memory.truncated = true;
        }
        memory
    }

    fn of(id: String, namespace: String, record: Record, expires: Option<u64>) -> Self {
        let Record { text, tags, at } = record;
        Self {
            uri: uri(&namespace, &id),
            id,
            namespace,
            text,
            tags,
            remembered_at: rfc3339(at),
            expires_at: expires.map(rfc3339),
            truncated: false,
        }
    }
}

/// Memories, and how to go on.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct MemoryPage {
    /// The memories, in order; long texts are cut to 2,000 characters.
    pub(super) memories: Vec<Memory>,
    /// Give it back as `cursor` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
    /// False if the namespace holds more memories than one call reads, or some that cannot be read.
    pub(super) complete: bool,
    /// What to know about an answer that is not complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

impl MemoryPage {
    /// The hits with their records; what is gone meanwhile is left out.
    pub(super) fn of(ranked: Ranked, namespace: &str, records: Vec<Option<Record>>) -> Self {
        let Ranked { hits, next, read, complete, unreadable } = ranked;
        let pairs = hits.into_iter().zip(records);
        let memories =
            pairs.filter_map(|(hit, record)| Some(Memory::excerpt(hit, namespace, record?))).collect();
        let unread = unreadable.then(|| {
            "some memories of the namespace cannot be read: damaged, or kept with another key".to_owned()
        });
        let more = (!complete).then(|| {
            format!("only {read} memories of the namespace were read, there are more: use several namespaces")
        });
        let notes: Vec<String> = unread.into_iter().chain(more).collect();
        let note = Some(notes.join("; ")).filter(|note| !note.is_empty());
        Self { memories, next_cursor: next, complete: note.is_none(), note }
    }
}

/// What was forgotten.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Forgotten {
    /// The id that is free again.
    pub(super) id: String,
    /// Where it lay.
    pub(super) namespace: String,
}

pub(super) fn uri(namespace: &str, id: &str) -> String {
    format!("memory://{}/{}", utf8_percent_encode(namespace, ESCAPED), utf8_percent_encode(id, ESCAPED))
}

/// The moment at which something with this ttl expires.
pub(super) fn expiry(ttl: Duration) -> String {
    rfc3339(now_ms().saturating_add(whole_ms(ttl)))
}

/// Dates beyond the year 9999 are shown as its end.
fn rfc3339(ms: u64) -> String {
    const LAST: u64 = 253_402_300_799_000;
    let time: SystemTime = UNIX_EPOCH + Duration::from_millis(ms.min(LAST));
    humantime::format_rfc3339_seconds(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::{Memory, Record, rfc3339, uri};
    use crate::memory::search::{Hit, Rank};

    #[test]
    fn a_uri_escapes_what_would_lead_elsewhere() {
        assert_eq!(uri("a/b", "x?y#ä z"), "memory://a%2Fb/x%3Fy%23%C3%A4%20z");
    }

    #[test]
    fn times_are_rfc_3339_and_never_out_of_range() {
        assert_eq!(rfc3339(1_500), "1970-01-01T00:00:01Z");
        assert_eq!(rfc3339(u64::MAX), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn a_long_text_is_cut_at_a_character_and_says_so() {
        let hit = || Hit { rank: Rank { score: 0, at: 0, id: "i".to_owned() }, expires: None };
        let record = |length| Record { text: "ä".repeat(length), tags: Vec::new(), at: 0 };
        let cut = Memory::excerpt(hit(), "n", record(2_001));
        assert!(cut.truncated && cut.text.chars().count() == 2_000);
        assert!(!Memory::excerpt(hit(), "n", record(2_000)).truncated);
    }
}
