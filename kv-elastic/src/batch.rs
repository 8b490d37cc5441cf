//! Batches: one request for up to 1,000 entries or 8 MiB, one answer for each entry.

use bytes::Bytes;
use kv_core::each::Pause;
use kv_core::{Entry, Error, Key, NewEntry, Result, Version};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::error::{self, Exception};
use crate::http::Content;
use crate::inner::{BATCH, BATCH_BYTES, Inner};
use crate::names;
use crate::wire::{Stored, decoded};

/// Coding so many bytes takes about half a millisecond.
const CODED_AT_ONCE: usize = 128 << 10;

/// What is read of documents.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Values {
    With,
    Without,
}

/// Lines to be sent as one request, and which entries of the batch they are of.
#[derive(Default)]
struct Chunk {
    lines: Vec<u8>,
    entries: Vec<usize>,
}

impl Chunk {
    fn takes(&self, bytes: usize, most: usize) -> bool {
        self.entries.is_empty() || (self.entries.len() < BATCH && self.lines.len() + bytes <= most)
    }

    fn add(&mut self, entry: usize, action: &str, document: &[u8]) {
        self.entries.push(entry);
        self.lines.extend_from_slice(action.as_bytes());
        self.lines.push(b'\n');
        if !document.is_empty() {
            self.lines.extend_from_slice(document);
            self.lines.push(b'\n');
        }
    }
}

/// One answer for each entry, in order. Each is set before they are handed out.
struct Answers(Vec<Result<()>>);

impl Answers {
    fn new(count: usize) -> Self {
        Self((0..count).map(|_| Err(error::garbled())).collect())
    }

    fn set(&mut self, entry: usize, answer: Result<()>) {
        if let Some(slot) = self.0.get_mut(entry) {
            *slot = answer;
        }
    }
}

impl Inner {
    pub(crate) async fn get_many(&self, keys: &[Key<'_>]) -> Vec<Result<Option<Entry>>> {
        let mut answers = Vec::with_capacity(keys.len());
        for keys in keys.chunks(BATCH) {
            let hashes: Vec<_> = keys.iter().map(|key| names::hash(&self.namespace, *key)).collect();
            match self.read(&hashes, Values::With).await {
                Ok(found) => answers.extend(found.into_iter().zip(keys).map(|(found, key)| {
                    let stored = found?.map(|stored| stored.of(*key)).transpose()?;
                    Ok(stored.and_then(|stored| stored.at(self.clock.unix_ms())))
                })),
                Err(error) => answers.extend(keys.iter().map(|_| Err(error.clone()))),
            }
        }
        answers
    }

    /// The documents under these ids as they are now, in order.
    pub(crate) async fn read(
        &self,
        hashes: &[String],
        values: Values,
    ) -> Result<Vec<Result<Option<Stored>>>> {
        let mut path = self.path("_mget?filter_path=docs.found,docs.error,docs._source");
        if values == Values::Without {
            path.push_str("&_source_excludes=value");
        }
        let content = Content::json(&json!({ "ids": hashes }));
        let body = self.http.post(&path, content).await?.ok()?;
        let count = hashes.len();
        decoded(body, move |body| found(body, count)).await
    }

    pub(crate) async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Vec<Result<Version>> {
        let versions: Vec<_> = entries.iter().map(|(_, entry)| entry.version()).collect();
        let mut answers = Answers::new(entries.len());
        let (mut chunk, mut pause) = (Chunk::default(), Pause::every(CODED_AT_ONCE));
        for (at, (key, entry)) in entries.into_iter().enumerate() {
            let bytes = entry.value().len();
            let coded = match self.coded(key, entry).await {
                Ok(coded) => coded,
                Err(error) => {
                    answers.set(at, Err(error));
                    continue;
                }
            };
            let action = format!(r#"{{"index":{{"_id":"{}"}}}}"#, coded.hash);
            self.add(&mut chunk, &mut answers, at, &action, &coded.document()).await;
            pause.after(bytes).await;
        }
        self.send(chunk, &mut answers).await;
        answers.0.into_iter().zip(versions).map(|(answer, version)| answer.map(|()| version)).collect()
    }

    pub(crate) async fn delete_many(&self, keys: &[Key<'_>]) -> Vec<Result<()>> {
        let mut answers = Answers::new(keys.len());
        let (mut chunk, mut pause) = (Chunk::default(), Pause::every(CODED_AT_ONCE));
        for (at, key) in keys.iter().enumerate() {
            let hash = names::hash(&self.namespace, *key);
            let action = format!(r#"{{"delete":{{"_id":"{hash}"}}}}"#);
            self.add(&mut chunk, &mut answers, at, &action, &[]).await;
            pause.after(key.collection.len() + key.id.len()).await;
        }
        self.send(chunk, &mut answers).await;
        answers.0
    }

    /// Adds lines to the chunk, which is sent first if it has no room for them.
    async fn add(&self, chunk: &mut Chunk, answers: &mut Answers, at: usize, action: &str, document: &[u8]) {
        let bytes = action.len() + document.len() + 2;
        if !chunk.takes(bytes, BATCH_BYTES.min(self.body_limit)) {
            self.send(std::mem::take(chunk), answers).await;
        }
        chunk.add(at, action, document);
    }

    async fn send(&self, chunk: Chunk, answers: &mut Answers) {
        let Chunk { lines, entries } = chunk;
        if entries.is_empty() {
            return;
        }
        match self.bulk(lines.into(), entries.len()).await {
            Ok(items) => entries.into_iter().zip(items).for_each(|(at, item)| answers.set(at, item)),
            Err(error) => entries.into_iter().for_each(|at| answers.set(at, Err(error.clone()))),
        }
    }

    async fn bulk(&self, lines: Bytes, count: usize) -> Result<Vec<Result<()>>> {
        let path = self.path("_bulk?filter_path=items.*.status,items.*.error");
        let body = self.http.post(&path, Content::Lines(lines)).await?.ok()?;
        decoded(body, move |body| done(body, count)).await
    }
}

#[derive(Deserialize)]
struct Docs<'a> {
    #[serde(borrow)]
    docs: Vec<Doc<'a>>,
}

#[derive(Deserialize)]
struct Doc<'a> {
    #[serde(default)]
    found: bool,
    error: Option<Exception>,
    #[serde(rename = "_source", borrow)]
    source: Option<&'a RawValue>,
}

fn found(body: &[u8], count: usize) -> Result<Vec<Result<Option<Stored>>>> {
    let answer: Docs<'_> = serde_json::from_slice(body).map_err(|_| error::garbled())?;
    if answer.docs.len() != count {
        return Err(error::garbled());
    }
    let stored = |doc: Doc<'_>| match (doc.error, doc.source) {
        (Some(said), _) => Err(error::unread(&said)),
        (None, Some(source)) if doc.found => Stored::decode(source).map(Some),
        _ => Ok(None),
    };
    Ok(answer.docs.into_iter().map(stored).collect())
}

#[derive(Deserialize)]
struct Items {
    items: Vec<Item>,
}

/// One of the two is there: the action that was asked for.
#[derive(Deserialize)]
struct Item {
    index: Option<Ended>,
    delete: Option<Ended>,
}

#[derive(Deserialize)]
struct Ended {
    status: u16,
    error: Option<Exception>,
}

/// How each action ended. The answer as a whole is 200 though all of them failed.
fn done(body: &[u8], count: usize) -> Result<Vec<Result<()>>> {
    let answer: Items = serde_json::from_slice(body).map_err(|_| error::garbled())?;
    if answer.items.len() != count {
        return Err(error::garbled());
    }
    Ok(answer.items.into_iter().map(ended).collect())
}

fn ended(item: Item) -> Result<()> {
    let is_delete = item.delete.is_some();
    let ended = item.index.or(item.delete).ok_or_else(error::garbled)?;
    match (ended.status, ended.error) {
        (200..300, None) => Ok(()),
        (404, None) if is_delete => Ok(()), // it was not there
        (status, said) => Err::<(), Error>(error::judged(status, &said.unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use kv_core::{ErrorKind, Outcome};
    use serde_json::json;

    use super::{Chunk, done, found};

    #[test]
    fn each_item_of_a_batch_has_its_own_status_though_the_whole_is_200() {
        let full = "index [x] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark];";
        let body = json!({ "items": [
            { "index": { "status": 201 } },
            { "index": { "status": 429, "error": { "type": "es_rejected_execution_exception", "reason": "" } } },
            { "index": { "status": 429, "error": { "type": "cluster_block_exception", "reason": full } } },
            { "delete": { "status": 404 } },
            { "delete": { "status": 404, "error": { "type": "index_not_found_exception", "reason": "" } } },
            { "delete": { "status": 200 } },
            { "index": { "status": 503, "error": { "type": "unavailable_shards_exception", "reason": "" } } },
        ] });
        let ended = done(body.to_string().as_bytes(), 7).unwrap();
        let kinds: Vec<_> =
            ended.into_iter().map(|ended| ended.err().map(|error| (error.kind(), error.outcome()))).collect();
        let not_done = |kind| Some((kind, Outcome::NotDone));
        let expected = [
            None,
            not_done(ErrorKind::Throttled),
            not_done(ErrorKind::Full),
            None,
            not_done(ErrorKind::Unavailable),
            None,
            Some((ErrorKind::Unavailable, Outcome::Unknown)),
        ];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn an_answer_with_fewer_items_than_were_sent_answers_none() {
        let body = json!({ "items": [{ "index": { "status": 201 } }] }).to_string();
        let error = done(body.as_bytes(), 2).unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unexpected, Outcome::Unknown));
        assert!(found(b"{\"docs\":[]}", 1).is_err());
        assert!(found(b"<html>", 1).is_err());
    }

    #[test]
    fn a_document_that_cannot_be_read_fails_its_own_key() {
        let body = json!({ "docs": [
            { "found": false },
            { "found": true, "_source": { "user": "ann" } },
            { "error": { "type": "index_not_found_exception", "reason": "" } },
        ] });
        let found = found(body.to_string().as_bytes(), 3).unwrap();
        let kinds: Vec<_> =
            found.into_iter().map(|found| found.map(|f| f.is_none()).map_err(|e| e.kind())).collect();
        assert_eq!(kinds, [Ok(true), Err(ErrorKind::Corrupt), Err(ErrorKind::Unavailable)]);
    }

    #[test]
    fn a_chunk_takes_one_entry_of_any_size_and_more_up_to_its_limits() {
        let mut chunk = Chunk::default();
        assert!(chunk.takes(1_000, 10));
        chunk.add(0, "action", b"document");
        assert_eq!(chunk.lines, b"action\ndocument\n");
        assert!(chunk.takes(4, 20) && !chunk.takes(5, 20));
        for entry in 1..1_000 {
            assert!(chunk.takes(0, usize::MAX));
            chunk.add(entry, "", b"");
        }
        assert!(!chunk.takes(0, usize::MAX));
    }
}
