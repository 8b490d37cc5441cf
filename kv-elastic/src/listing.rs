//! Listing: a search that goes on behind the last name, and a look at what it cannot know.
//!
//! A search sees what the last refresh showed, so the first page refreshes. What has expired is left out by the time of
//! the first page: an entry whose deadline has passed since may have got a longer one meanwhile, which no search shows
//! before the next refresh. Those few, and all entries of a scan with values, are read by their ids, which is real-time.

use kv_core::{Collections, Cursor, Error, ErrorKind, Item, Key, Page, Result, Scan};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::batch::Values;
use crate::cursor::{Ground, Position};
use crate::error;
use crate::http::Content;
use crate::inner::Inner;
use crate::names;
use crate::wire::{Hit, Stored, decoded};

/// Of a prefix so many bytes are given to the index, which makes an automaton of them; the rest is compared here.
const RANGE: usize = 400;

impl Inner {
    pub(crate) async fn page(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        scan.check()?;
        let ground = Ground::of(&self.namespace, &scan);
        let after = from.map(|cursor| ground.position(cursor)).transpose()?;
        // Before the refresh: what ends while it is made may have got a longer life, which it does not show.
        let began_ms = after.as_ref().map_or_else(|| self.clock.unix_ms(), |position| position.began_ms);
        if after.is_none() {
            self.refresh().await?;
        }
        let mut hits = self.search(&scan, began_ms, after.as_ref()).await?;
        let mut complete = hits.len() < scan.limit;
        if let Some(end) = hits.iter().position(|hit| is_beyond(&scan, hit)) {
            hits.truncate(end);
            complete = true;
        }
        let room = if scan.values { cut_at_bytes(&hits) } else { hits.len() };
        if room < hits.len() {
            hits.truncate(room);
            complete = false;
        }
        let next = hits.last().filter(|_| !complete).map(|last| ground.cursor(&behind(last, began_ms)));
        hits.retain(|hit| admits(&scan, hit));
        let mut page = Page::new(Vec::new(), next);
        let mut whole = Vec::with_capacity(hits.len());
        for hit in hits {
            match hit.stored {
                Ok(stored) => whole.push(stored),
                Err(error) => {
                    page.damaged.push(scan.pass_over(Some(Key::new(&hit.collection, &hit.id)), error)?);
                }
            }
        }
        if scan.values {
            self.whole(&scan, whole, &mut page).await?;
        } else {
            self.named(&scan, whole, &mut page).await?;
        }
        Ok(page)
    }

    /// Lets searches see all that was acknowledged so far.
    pub(crate) async fn refresh(&self) -> Result<()> {
        #[derive(Deserialize)]
        struct Refreshed {
            #[serde(rename = "_shards")]
            shards: Shards,
        }
        #[derive(Deserialize)]
        struct Shards {
            failed: u32,
        }
        let answer: Refreshed = self.http.post(&self.path("_refresh"), Content::Nothing).await?.json()?;
        if answer.shards.failed == 0 {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unavailable, "a part of the index cannot be refreshed"))
    }

    async fn search(&self, scan: &Scan<'_>, began_ms: u64, after: Option<&Position>) -> Result<Vec<Hit>> {
        // Without the first parameter an answer may lack what lies on a part that failed.
        let path = self.path("_search?allow_partial_search_results=false&filter_path=hits.hits._source");
        let query = query(&self.namespace, scan, began_ms, after);
        let body = self.http.post(&path, Content::json(&query)).await?.ok()?;
        decoded(body, hits).await
    }

    /// Puts the items with their entries, as they are now, on the page.
    async fn whole(&self, scan: &Scan<'_>, hits: Vec<Stored>, page: &mut Page) -> Result<()> {
        let found = self.now(&hits, Values::With).await?;
        let now_ms = self.clock.unix_ms();
        for (hit, found) in hits.into_iter().zip(found) {
            match found {
                Ok(now) => {
                    let entry = now.and_then(|now| now.at(now_ms));
                    page.items.extend(entry.map(|entry| Item::new(hit.collection, hit.id, Some(entry))));
                }
                Err(error) => {
                    page.damaged.push(scan.pass_over(Some(Key::new(&hit.collection, &hit.id)), error)?);
                }
            }
        }
        Ok(())
    }

    /// Puts the items without their entries on the page. Only what seems to have expired since the first page has to be
    /// looked at.
    async fn named(&self, scan: &Scan<'_>, hits: Vec<Stored>, page: &mut Page) -> Result<()> {
        let now_ms = self.clock.unix_ms();
        let unsure: Vec<_> = hits.iter().filter(|hit| !hit.is_live(now_ms)).cloned().collect();
        let mut prolonged = self.now(&unsure, Values::Without).await?.into_iter();
        for hit in hits {
            let lives = hit.is_live(now_ms)
                || match prolonged.next().transpose() {
                    Ok(now) => now.flatten().is_some_and(|now| now.is_live(now_ms)),
                    Err(error) => {
                        page.damaged.push(scan.pass_over(Some(Key::new(&hit.collection, &hit.id)), error)?);
                        continue;
                    }
                };
            if lives {
                page.items.push(Item::new(hit.collection, hit.id, None));
            }
        }
        Ok(())
    }

    /// The documents of these hits as they are now, in order.
    async fn now(&self, hits: &[Stored], values: Values) -> Result<Vec<Result<Option<Stored>>>> {
        if hits.is_empty() {
            return Ok(Vec::new());
        }
        let hashes: Vec<_> = hits.iter().map(|hit| hit.hash.clone()).collect();
        self.read(&hashes, values).await
    }
}

fn behind(last: &Hit, began_ms: u64) -> Position {
    let (collection, id) = (names::head(&last.collection).to_owned(), names::head(&last.id).to_owned());
    Position { began_ms, collection, id, hash: last.hash.clone() }
}

/// How many of the hits make a page of values: up to the one that fills it.
fn cut_at_bytes(hits: &[Hit]) -> usize {
    let mut bytes = 0;
    let filled = hits.iter().position(|hit| {
        bytes += hit.stored.as_ref().map_or(0, |stored| stored.size);
        bytes >= Scan::MAX_PAGE_BYTES
    });
    filled.map_or(hits.len(), |last| last + 1)
}

/// Whether the scan lists the entry, by its full name.
fn admits(scan: &Scan<'_>, hit: &Hit) -> bool {
    let collection = match scan.collections {
        Collections::One(name) => hit.collection == name,
        Collections::Under(name) => hit.collection.starts_with(name),
    };
    collection && hit.id.starts_with(scan.prefix)
}

/// Whether nothing that the scan lists can come any more, in the order of the indexed heads.
fn is_beyond(scan: &Scan<'_>, hit: &Hit) -> bool {
    let past = |name: &str, prefix: &str| {
        let (name, prefix) = (names::head(name), names::head(prefix));
        name > prefix && !name.starts_with(prefix)
    };
    match scan.collections {
        Collections::One(_) => past(&hit.id, scan.prefix),
        Collections::Under(name) => past(&hit.collection, name),
    }
}

fn query(namespace: &str, scan: &Scan<'_>, began_ms: u64, after: Option<&Position>) -> Value {
    let mut filter = vec![json!({ "term": { "namespace": namespace } })];
    let start = match scan.collections {
        Collections::One(name) => {
            filter.push(json!({ "term": { "collection": names::head(name) } }));
            [names::head(name), names::head(scan.prefix), ""]
        }
        Collections::Under(name) => {
            filter.extend(beginning("collection", name));
            [names::head(name), "", ""]
        }
    };
    filter.extend(beginning("id", scan.prefix));
    let after = after.map_or(start, |position| [&*position.collection, &*position.id, &*position.hash]);
    json!({
        "size": scan.limit,
        "track_total_hits": false,
        "_source": { "excludes": ["value"] },
        "query": { "bool": {
            "filter": filter,
            "must_not": [{ "range": { "deadline": { "lt": began_ms } } }],
        } },
        // Keywords sort by the bytes of their UTF-8. The hash is never empty, so the start is before all.
        "sort": [{ "collection": "asc" }, { "id": "asc" }, { "hash": "asc" }],
        "search_after": after,
    })
}

/// What begins with `prefix`, or with its first bytes if it is long.
fn beginning(field: &str, prefix: &str) -> Option<Value> {
    let prefix = names::cut(prefix, RANGE);
    if prefix.is_empty() {
        return None;
    }
    let range = match names::successor(prefix) {
        Some(end) => json!({ "gte": prefix, "lt": end }),
        None => json!({ "gte": prefix }),
    };
    Some(json!({ "range": { field: range } }))
}

#[derive(Default, Deserialize)]
struct Found<'a> {
    #[serde(borrow, default)]
    hits: Hits<'a>,
}

/// Absent when nothing was found, since empty parts are filtered out.
#[derive(Default, Deserialize)]
struct Hits<'a> {
    #[serde(borrow, default)]
    hits: Vec<Source<'a>>,
}

#[derive(Deserialize)]
struct Source<'a> {
    #[serde(rename = "_source", borrow)]
    source: &'a RawValue,
}

fn hits(body: &[u8]) -> Result<Vec<Hit>> {
    let found: Found<'_> = serde_json::from_slice(body).map_err(|_| error::garbled())?;
    found.hits.hits.into_iter().map(|hit| Hit::decode(hit.source)).collect()
}

#[cfg(test)]
mod tests {
    use kv_core::Scan;

    use super::{beginning, hits, query};

    #[test]
    fn an_answer_without_hits_is_an_empty_page() {
        assert!(hits(b"{}").unwrap().is_empty());
        assert!(hits(b"{\"hits\":{\"hits\":[]}}").unwrap().is_empty());
        assert!(hits(b"<html>").is_err());
    }

    #[test]
    fn a_prefix_is_a_range_of_its_first_bytes() {
        assert_eq!(beginning("id", ""), None);
        let range = beginning("id", "a*").unwrap();
        assert_eq!(range["range"]["id"]["gte"], "a*");
        assert_eq!(range["range"]["id"]["lt"], "a+");
        assert_eq!(beginning("id", "\u{10FFFF}").unwrap()["range"]["id"].get("lt"), None);
        let long = beginning("id", &"é".repeat(5_000)).unwrap();
        assert_eq!(long["range"]["id"]["gte"], "é".repeat(200));
    }

    #[test]
    fn a_scan_begins_where_its_names_do() {
        let start = |scan: Scan<'_>| query("n", &scan, 7, None)["search_after"].clone();
        assert_eq!(start(Scan::one("c").prefix("p")), serde_json::json!(["c", "p", ""]));
        assert_eq!(start(Scan::under("c").prefix("p")), serde_json::json!(["c", "", ""]));
    }
}
