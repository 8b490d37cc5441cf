//! Finding memories: which match, and which come first.
//!
//! A memory matches if it has one of the words of the query, in its text or in its tags, whatever their case; a word
//! that begins like a longer one there counts half. What has more of the words, rarer words, and has them more often
//! comes first; of equals the newer one.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeSet;

use kv_core::Found;
use serde::{Deserialize, Serialize};

use super::cursor::{PageCursor, digest};
use super::error::ToolError;
use super::record::{Reading, Record, Shelf};
use crate::clock::{now_ms, whole_ms};

/// Words of a query beyond these are left out.
pub(super) const MAX_WORDS: usize = 16;
/// What one occurrence counts: a whole word, the beginning of one, a word of a tag.
const EXACT: u32 = 4;
const BEGINNING: u32 = 2;
const TAGGED: u32 = 12;
/// Shorter words match whole words alone.
const MIN_BEGINNING: usize = 3;

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Question {
    words: Vec<String>,
    tag: Option<String>,
    digest: u64,
}

impl Question {
    /// All memories, newest first, or those with a tag.
    pub(super) fn all(namespace: &str, tag: Option<String>) -> Self {
        let digest = digest(["list", namespace, tag.as_deref().unwrap_or("")]);
        Self { words: Vec::new(), tag: tag.map(|tag| tag.to_lowercase()), digest }
    }

    /// Memories that have words of `query`, best first.
    pub(super) fn search(namespace: &str, query: &str, tag: Option<String>) -> Result<Self, ToolError> {
        let distinct: BTreeSet<String> = words(query).map(Cow::into_owned).collect();
        let words: Vec<String> = distinct.into_iter().take(MAX_WORDS).collect();
        if words.is_empty() {
            return Err(ToolError::told("`query` has no words; `list` shows everything"));
        }
        let all = ["search", namespace, tag.as_deref().unwrap_or("")];
        let digest = digest(all.into_iter().chain(words.iter().map(String::as_str)));
        Ok(Self { words, tag: tag.map(|tag| tag.to_lowercase()), digest })
    }

    /// One page of the answer.
    pub(super) async fn ask(
        &self,
        memories: &Shelf,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Ranked, ToolError> {
        let cursor = cursor.map(|text| PageCursor::parse(text, self.digest)).transpose()?;
        let (question, now) = (self.clone(), now_ms());
        let reading = memories.read(move |id, found| question.row(id, found, now)).await?;
        let (weights, last) = match cursor {
            Some(cursor) => (cursor.weights, Some(cursor.last)),
            None => (self.weights(&reading), None),
        };
        Ok(self.page(reading, weights, last.as_ref(), limit))
    }

    /// What is to be known of a memory that matches; `None` if it does not.
    fn row(&self, id: String, found: &Found<Record>, now: u64) -> Option<Row> {
        let Record { text, tags, at } = &found.value;
        if self.tag.as_ref().is_some_and(|tag| !tags.iter().any(|other| other.to_lowercase() == *tag)) {
            return None;
        }
        let mut hits = vec![0_u32; self.words.len()].into_boxed_slice();
        self.count(text, &mut hits, EXACT, BEGINNING);
        for tag in tags {
            self.count(tag, &mut hits, TAGGED, BEGINNING);
        }
        if !self.words.is_empty() && hits.iter().all(|count| *count == 0) {
            return None;
        }
        let expires = found.ttl.map(|left| now.saturating_add(whole_ms(left)));
        Some(Row { id, at: *at, expires, hits })
    }

    fn count(&self, text: &str, hits: &mut [u32], exact: u32, beginning: u32) {
        if self.words.is_empty() {
            return;
        }
        for found in words(text) {
            for (wanted, count) in self.words.iter().zip(hits.iter_mut()) {
                if !found.starts_with(wanted.as_str()) {
                    continue;
                }
                if found.len() == wanted.len() {
                    *count = count.saturating_add(exact);
                } else if wanted.chars().nth(MIN_BEGINNING - 1).is_some() {
                    *count = count.saturating_add(beginning);
                }
            }
        }
    }

    /// In thousandths, how much each word tells: more, the fewer memories have it.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most 10,000 memories: the logarithm is between 0 and 10"
    )]
    fn weights(&self, reading: &Reading<Row>) -> Vec<u32> {
        let have =
            |word| reading.rows.iter().filter(|row| row.hits.get(word).is_some_and(|hits| *hits > 0)).count();
        let all = reading.read as f64;
        let weight = |word| {
            let with = have(word) as f64;
            (((all - with + 0.5) / (with + 0.5)).ln_1p() * 1_000.0) as u32 + 1
        };
        (0..self.words.len()).map(weight).collect()
    }

    fn page(&self, reading: Reading<Row>, weights: Vec<u32>, last: Option<&Rank>, limit: usize) -> Ranked {
        let Reading { rows, read, complete, unreadable } = reading;
        let mut hits: Vec<Hit> = rows
            .into_iter()
            .map(|row| Hit {
                rank: Rank { score: score(&row.hits, &weights), at: row.at, id: row.id },
                expires: row.expires,
            })
            .filter(|hit| last.is_none_or(|last| hit.rank.place() > last.place()))
            .collect();
        hits.sort_unstable_by(|a, b| a.rank.place().cmp(&b.rank.place()));
        let more = hits.len() > limit;
        hits.truncate(limit);
        let next = hits.last().filter(|_| more).map(|hit| hit.rank.clone());
        let next = next.map(|rank| PageCursor::new(self.digest, weights, rank).to_text());
        Ranked { hits, next, read, complete, unreadable }
    }
}

/// One page of an answer, best first.
#[derive(Debug)]
pub(super) struct Ranked {
    pub(super) hits: Vec<Hit>,
    pub(super) next: Option<String>,
    pub(super) read: usize,
    pub(super) complete: bool,
    pub(super) unreadable: bool,
}

#[derive(Debug)]
pub(super) struct Hit {
    pub(super) rank: Rank,
    /// When it will be forgotten, in milliseconds since the epoch.
    pub(super) expires: Option<u64>,
}

/// What the order goes by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rank {
    pub(super) score: u64,
    pub(super) at: u64,
    pub(super) id: String,
}

impl Rank {
    /// Best first, then newest, then by id.
    fn place(&self) -> (Reverse<u64>, Reverse<u64>, &str) {
        (Reverse(self.score), Reverse(self.at), &self.id)
    }
}

/// What is kept of a memory that matches, until the order is known.
#[derive(Debug)]
struct Row {
    id: String,
    at: u64,
    expires: Option<u64>,
    /// For each word of the query how often it was met, weighted.
    hits: Box<[u32]>,
}

/// Whole numbers, so that the order is the same on every machine. Many occurrences count less and less; what lacks a
/// word of the query loses in proportion.
fn score(hits: &[u32], weights: &[u32]) -> u64 {
    let words = hits.len().max(1) as u64;
    let met = hits.iter().filter(|count| **count > 0).count() as u64;
    let sum: u64 = hits
        .iter()
        .zip(weights)
        .map(|(count, weight)| {
            u64::from(*weight) * 1_000 * u64::from(*count) / (u64::from(*count) + u64::from(EXACT))
        })
        .sum();
    sum * met / words
}

/// The words of a text in lower case: runs of letters and digits, and each character of scripts without spaces.
fn words(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    text.split(|c: char| !c.is_alphanumeric()).flat_map(split_unspaced).map(lower)
}

/// Copies only what changes: most words are lower case already.
fn lower(word: &str) -> Cow<'_, str> {
    if word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(word.to_lowercase())
}

fn split_unspaced(run: &str) -> impl Iterator<Item = &str> {
    let mut rest = run;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let end =
            if is_unspaced(first) { first.len_utf8() } else { rest.find(is_unspaced).unwrap_or(rest.len()) };
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(word)
    })
}

/// Han, Hiragana, Katakana and Thai, which put no spaces between words.
const fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{0E00}'..='\u{0E7F}' | '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

#[cfg(test)]
mod tests {
    use kv_core::StoreExt;
    use kv_memory::MemoryStore;
    use mcp_server::Principal;

    use super::{Question, words};
    use crate::memory::record::{Memories, Record, Shelf};

    async fn shelf(memories: &[(&str, &str, &[&str], u64)]) -> Shelf {
        let shelf = Memories::new(MemoryStore::new().erased()).shelf(&Principal::local(), "default");
        for (id, text, tags, at) in memories {
            let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
            let record = Record { text: (*text).to_owned(), tags, at: *at };
            shelf.put(Some((*id).to_owned()), &record, None).await.unwrap();
        }
        shelf
    }

    async fn found(shelf: &Shelf, query: &str) -> Vec<String> {
        let question = Question::search("default", query, None).unwrap();
        let ranked = question.ask(shelf, 100, None).await.unwrap();
        ranked.hits.into_iter().map(|hit| hit.rank.id).collect()
    }

    #[test]
    fn words_are_lower_case_runs_of_letters_and_digits() {
        let all: Vec<_> = words("Straße 7, foo_BAR x.y — ΟΔΟΣ 東京tower ไทย").collect();
        assert_eq!(all, ["straße", "7", "foo", "bar", "x", "y", "οδος", "東", "京", "tower", "ไ", "ท", "ย"]);
    }

    #[tokio::test]
    async fn more_words_rarer_words_and_tags_come_first() {
        let shelf = shelf(&[
            ("both", "the cat eats fish", &[], 1),
            ("cat", "the cat sleeps", &[], 2),
            ("tagged", "sleeps a lot", &["Cat"], 3),
            ("begun", "catalogue of things", &[], 4),
            ("none", "a dog", &[], 5),
        ])
        .await;
        assert_eq!(found(&shelf, "CAT fish").await, ["both", "tagged", "cat", "begun"]);
        assert_eq!(found(&shelf, "fish").await, ["both"]);
        assert!(found(&shelf, "ca").await.is_empty(), "two letters match no longer word");
    }

    #[tokio::test]
    async fn equals_come_newest_first_and_then_by_id() {
        let shelf = shelf(&[("b", "tea", &[], 1), ("a", "tea", &[], 1), ("c", "tea", &[], 2)]).await;
        assert_eq!(found(&shelf, "tea").await, ["c", "a", "b"]);
    }

    #[tokio::test]
    async fn pages_meet_everything_once_although_memories_come_meanwhile() {
        let texts: Vec<_> =
            (0..25).map(|n| (format!("m{n:02}"), format!("tea {}", "pot ".repeat(n % 4)))).collect();
        let rows: Vec<_> =
            texts.iter().map(|(id, text)| (id.as_str(), text.as_str(), &[] as &[&str], 1)).collect();
        let shelf = shelf(&rows).await;
        let question = Question::search("default", "tea pot", None).unwrap();
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = question.ask(&shelf, 7, cursor.as_deref()).await.unwrap();
            seen.extend(page.hits.into_iter().map(|hit| hit.rank.id));
            let Some(next) = page.next else { break };
            cursor = Some(next);
            let noise = Record { text: "pot ".to_owned(), tags: Vec::new(), at: 0 };
            shelf.put(None, &noise, None).await.unwrap();
        }
        let mut expected: Vec<_> = texts.into_iter().map(|(id, _)| id).collect();
        seen.retain(|id| id.starts_with('m'));
        seen.sort();
        expected.sort();
        assert_eq!(seen, expected);
    }

    #[tokio::test]
    async fn a_listing_is_newest_first_and_filtered_by_tag_in_any_case() {
        let shelf =
            shelf(&[("a", "one", &["Work"], 1), ("b", "two", &[], 2), ("c", "three", &["work"], 3)]).await;
        let ids = |tag: Option<&str>| Question::all("default", tag.map(str::to_owned));
        let all = ids(None).ask(&shelf, 100, None).await.unwrap();
        assert_eq!(all.hits.iter().map(|hit| &*hit.rank.id).collect::<Vec<_>>(), ["c", "b", "a"]);
        assert!(all.complete && all.read == 3);
        let work = ids(Some("WORK")).ask(&shelf, 100, None).await.unwrap();
        assert_eq!(work.hits.iter().map(|hit| &*hit.rank.id).collect::<Vec<_>>(), ["c", "a"]);
    }

    #[test]
    fn a_query_without_words_is_refused() {
        assert!(Question::search("default", " ... ", None).unwrap_err().to_string().contains("`list`"));
    }
}
