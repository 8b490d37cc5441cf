//! Many entries at once: one command for each chunk.

use std::collections::HashMap;

use kv_core::each::Pause;
use kv_core::{Entry, Error, Key, NewEntry, Result, Version};
use mongodb::bson::raw::cstr;
use mongodb::bson::{Document, RawArrayBuf, RawDocumentBuf, doc, rawdoc};
use mongodb::options::WriteConcern;

use crate::MAX_TIME;
use crate::error;
use crate::inner::Call;
use crate::names::Name;
use crate::now::Now;
use crate::wire::{self, Draft, ID};

/// Keys in one command.
pub(crate) const CHUNK: usize = 1_000;
/// Bytes in one command, unless one entry alone has more.
const CHUNK_BYTES: usize = 8 << 20;
/// What is encoded or decoded before others get a turn.
const TURN_BYTES: usize = 512 << 10;

type Found = HashMap<String, Result<Option<Entry>>>;

impl Call {
    pub(crate) async fn get_many(&self, keys: &[Key<'_>]) -> Vec<Result<Option<Entry>>> {
        let mut answers = Vec::with_capacity(keys.len());
        let mut chunks = keys.chunks(CHUNK);
        while let Some(chunk) = chunks.next() {
            let names: Vec<_> = chunk.iter().map(|key| self.names.name(*key)).collect();
            match self.find(&names).await {
                Ok(found) => {
                    let of = |name: &Name| found.get(&name.id).cloned().unwrap_or(Ok(None));
                    answers.extend(names.iter().map(of));
                }
                Err(failed) => {
                    answers.extend(names.iter().map(|_| Err(failed.clone())));
                    if error::is_trouble(&failed) {
                        let unsent = error::unsent(failed);
                        answers.extend(chunks.flatten().map(|_| Err(unsent.clone())));
                        break;
                    }
                }
            }
        }
        answers
    }

    /// What is found under these names, by `_id`.
    async fn find(&self, names: &[Name]) -> Result<Found> {
        let by_id: HashMap<&str, &Name> = names.iter().map(|name| (&*name.id, name)).collect();
        let now = self.time().now();
        let ids: Vec<_> = by_id.keys().copied().collect();
        let pipeline = [doc! { "$match": { ID: { "$in": ids } } }, doc! { "$project": wire::fields_at(now) }];
        let size = u32::try_from(by_id.len() + 1).unwrap_or(u32::MAX);
        let reading = self.collection().aggregate(pipeline).batch_size(size).max_time(MAX_TIME);
        let mut cursor = self.ask(reading.into_future()).await?;
        let (mut found, mut pause) = (Found::new(), Pause::every(TURN_BYTES));
        while self.ask(cursor.advance()).await? {
            let document = cursor.current();
            let length = document.as_bytes().len();
            if let Some(name) = document.get_str(ID).ok().and_then(|id| by_id.get(id)) {
                let entry = wire::check_name(document, name).and_then(|()| wire::read(document));
                found.insert(name.id.clone(), entry.map(|found| found.entry));
            }
            pause.after(length).await;
        }
        Ok(found)
    }

    pub(crate) async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Vec<Result<Version>> {
        let mut batch = Batch::new(Kind::Update);
        let mut pause = Pause::every(TURN_BYTES);
        for (key, entry) in entries {
            let size = match self.draft(key, entry) {
                Ok(draft) => batch.add(&draft.name, draft.version, draft.statement(self.time().now())),
                Err(refused) => batch.refuse(refused),
            };
            pause.after(size).await;
        }
        self.send(batch).await
    }

    pub(crate) async fn delete_many(&self, keys: &[Key<'_>]) -> Vec<Result<()>> {
        let mut batch = Batch::new(Kind::Delete);
        let mut pause = Pause::every(TURN_BYTES);
        for key in keys {
            let name = self.names.name(*key);
            let size = batch.add(&name, (), rawdoc! { "q": { "_id": &*name.id }, "limit": 1 });
            pause.after(size).await;
        }
        self.send(batch).await
    }

    /// Sends a batch, chunk by chunk, up to one at which the server is in trouble: each of the others would wait as long.
    async fn send<T>(&self, mut batch: Batch<T>) -> Vec<Result<T>> {
        let mut chunks = batch.chunks().into_iter();
        while let Some(chunk) = chunks.next() {
            if let Err(trouble) = self.write_chunk(&mut batch, &chunk).await {
                let unsent: Vec<_> = chunks.flatten().collect();
                batch.fail(&unsent, &error::unsent(trouble));
                break;
            }
        }
        batch.answers()
    }

    /// Writes a chunk; upserts that met others once more.
    async fn write_chunk<T>(&self, batch: &mut Batch<T>, chunk: &[usize]) -> Result<()> {
        let failed = self.write(batch, chunk).await?;
        let again: Vec<_> = failed.into_iter().filter(|line| batch.met(*line)).collect();
        if !again.is_empty() {
            self.write(batch, &again).await?;
        }
        Ok(())
    }

    /// Sends these lines as one command, and notes which of them failed, and why; answers those.
    ///
    /// # Errors
    /// What shows that the server is in trouble. It is noted already.
    async fn write<T>(&self, batch: &mut Batch<T>, lines: &[usize]) -> Result<Vec<usize>> {
        let command = batch.command(lines, self.collection().name(), self.collection().write_concern());
        let (failed, why) = match self.ask(self.database().run_raw_command(command).into_future()).await {
            Ok(answer) => (batch.note(lines, &answer), late(&answer)),
            Err(failed) => {
                batch.fail(lines, &failed);
                (lines.to_vec(), Some(failed))
            }
        };
        why.filter(error::is_trouble).map_or(Ok(failed), Err)
    }
}

impl Draft {
    /// The upsert of this entry, as a part of an update command.
    fn statement(&self, now: Now) -> RawDocumentBuf {
        let statement = doc! {
            "q": { ID: &self.name.id },
            "u": [{ "$replaceWith": self.document(now) }],
            "upsert": true,
        };
        // It cannot fail: no key in it holds a NUL.
        RawDocumentBuf::try_from(&statement).unwrap_or_default()
    }
}

/// What a batch does.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Update,
    Delete,
}

/// Keys in the caller's order, each with a line of a command, or the line that supersedes its own.
#[derive(Debug)]
struct Batch<T> {
    kind: Kind,
    lines: Vec<Line>,
    /// Of each key: its line and the answer if that succeeds, or why it was refused.
    keys: Vec<Result<(usize, T)>>,
    by_id: HashMap<String, usize>,
}

#[derive(Debug)]
struct Line {
    statement: RawDocumentBuf,
    failed: Option<Error>,
    /// Met another upsert of the same name.
    met: bool,
}

impl<T> Batch<T> {
    fn new(kind: Kind) -> Self {
        Self { kind, lines: Vec::new(), keys: Vec::new(), by_id: HashMap::new() }
    }

    /// Adds a key; it takes the place of an earlier one of the same name, which shares its fate.
    fn add(&mut self, name: &Name, answer: T, statement: RawDocumentBuf) -> usize {
        let size = statement.as_bytes().len();
        let fresh = Line { statement, failed: None, met: false };
        let line = *self.by_id.entry(name.id.clone()).or_insert(self.lines.len());
        match self.lines.get_mut(line) {
            Some(earlier) => *earlier = fresh,
            None => self.lines.push(fresh),
        }
        self.keys.push(Ok((line, answer)));
        size
    }

    fn refuse(&mut self, refused: Error) -> usize {
        self.keys.push(Err(refused));
        0
    }

    /// The lines of each command.
    fn chunks(&self) -> Vec<Vec<usize>> {
        let mut chunks: Vec<Vec<usize>> = Vec::new();
        let mut bytes = usize::MAX;
        for (at, line) in self.lines.iter().enumerate() {
            let size = line.statement.as_bytes().len();
            bytes = bytes.saturating_add(size);
            match chunks.last_mut() {
                Some(chunk) if chunk.len() < CHUNK && bytes <= CHUNK_BYTES => chunk.push(at),
                _ => {
                    chunks.push(vec![at]);
                    bytes = size;
                }
            }
        }
        chunks
    }

    /// One command of many lines. They are independent: one that fails stops no other.
    fn command(&self, lines: &[usize], collection: &str, concern: Option<&WriteConcern>) -> RawDocumentBuf {
        let mut statements = RawArrayBuf::new();
        for line in lines.iter().filter_map(|line| self.lines.get(*line)) {
            statements.push(&*line.statement);
        }
        let timeout = concern.and_then(|concern| concern.w_timeout).map_or(0, |timeout| timeout.as_millis());
        let concern =
            rawdoc! { "w": "majority", "j": true, "wtimeout": i64::try_from(timeout).unwrap_or(i64::MAX) };
        let mut command = match self.kind {
            Kind::Update => rawdoc! { "update": collection, "updates": statements },
            Kind::Delete => rawdoc! { "delete": collection, "deletes": statements },
        };
        command.append(cstr!("ordered"), false);
        command.append(cstr!("writeConcern"), concern);
        command
    }

    fn fail(&mut self, lines: &[usize], why: &Error) {
        for line in lines {
            if let Some(line) = self.lines.get_mut(*line) {
                line.failed = Some(why.clone());
            }
        }
    }

    fn met(&self, line: usize) -> bool {
        self.lines.get(line).is_some_and(|line| line.met)
    }

    /// Reads what the server says of each line; answers those that failed.
    fn note(&mut self, lines: &[usize], answer: &Document) -> Vec<usize> {
        let late = late(answer);
        for line in lines {
            if let Some(line) = self.lines.get_mut(*line) {
                line.failed.clone_from(&late);
                line.met = false;
            }
        }
        let mut failed = Vec::new();
        for error in answer.get_array("writeErrors").into_iter().flatten() {
            let Some(error) = error.as_document() else { continue };
            let index = error.get("index").and_then(|index| index.as_i32().map(i64::from).or(index.as_i64()));
            let index = index.and_then(|index| usize::try_from(index).ok());
            let Some(line) = index.and_then(|index| lines.get(index)) else { continue };
            if let Some(found) = self.lines.get_mut(*line) {
                found.failed = Some(error::statement(code(error)));
                found.met = error::is_duplicate_code(code(error));
            }
            failed.push(*line);
        }
        failed
    }

    fn answers(self) -> Vec<Result<T>> {
        let Self { lines, keys, .. } = self;
        let fate = |line: usize| lines.get(line).and_then(|line| line.failed.clone());
        keys.into_iter()
            .map(|key| key.and_then(|(line, answer)| fate(line).map_or(Ok(answer), Err)))
            .collect()
    }
}

/// Why no majority has what was done.
fn late(answer: &Document) -> Option<Error> {
    answer.get_document("writeConcernError").ok().map(|error| error::concern(code(error)))
}

fn code(error: &Document) -> i32 {
    error.get_i32("code").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use kv_core::{ErrorKind, Key, NewEntry, Outcome, Version};
    use mongodb::bson::doc;

    use super::{Batch, CHUNK, Kind};
    use crate::names::Names;
    use crate::now::Now;
    use crate::wire::Draft;

    fn draft(id: &str, bytes: usize) -> Draft {
        let entry = NewEntry::new(vec![0; bytes]);
        Draft::of(Names::of("n").name(Key::new("c", id)), entry).unwrap()
    }

    fn batch(entries: &[(&str, usize)]) -> Batch<Version> {
        let mut batch = Batch::new(Kind::Update);
        for (id, bytes) in entries {
            let draft = draft(id, *bytes);
            batch.add(&draft.name, draft.version, draft.statement(Now::Server));
        }
        batch
    }

    #[test]
    fn a_chunk_has_at_most_1_000_lines_and_8_mib_unless_one_alone_has_more() {
        let ids: Vec<_> = (0..=2 * CHUNK).map(|n| n.to_string()).collect();
        let small: Vec<_> = ids.iter().map(|id| (&**id, 1)).collect();
        let lengths = |batch: &Batch<Version>| batch.chunks().iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(&batch(&small)), [CHUNK, CHUNK, 1]);
        let large = [("a", 5 << 20), ("b", 5 << 20), ("c", 12 << 20), ("d", 1), ("e", 1)];
        assert_eq!(lengths(&batch(&large)), [1, 1, 1, 2]);
        assert_eq!(lengths(&batch(&[])), [0; 0]);
    }

    #[test]
    fn the_last_of_duplicates_is_sent_and_each_has_its_own_version() {
        let batch = batch(&[("a", 1), ("b", 1), ("a", 2)]);
        assert_eq!(batch.lines.len(), 2);
        let answers: Vec<_> = batch.answers().into_iter().map(Result::unwrap).collect();
        assert!(answers[0] != answers[2]);
    }

    #[test]
    fn a_line_that_failed_fails_its_own_entries() {
        let mut batch = batch(&[("a", 1), ("b", 1), ("a", 2), ("c", 1)]);
        batch.refuse(kv_core::Error::new(ErrorKind::Invalid, "no"));
        let answer = doc! { "ok": 1, "writeErrors": [
            { "index": 0, "code": 14_031, "errmsg": "value" }, { "index": 2, "code": 11_000 },
        ] };
        assert_eq!(batch.note(&[0, 1, 2], &answer), [0, 2]);
        assert!(!batch.met(0) && batch.met(2));
        let kinds: Vec<_> =
            batch.answers().into_iter().map(|answer| answer.err().map(|e| e.kind())).collect();
        let full = Some(ErrorKind::Full);
        assert_eq!(kinds, [full, None, full, Some(ErrorKind::Unavailable), Some(ErrorKind::Invalid)]);
    }

    #[test]
    fn what_no_majority_has_in_time_may_be_done() {
        let mut batch = batch(&[("a", 1)]);
        assert!(batch.note(&[0], &doc! { "ok": 1, "writeConcernError": { "code": 64 } }).is_empty());
        let error = batch.answers().remove(0).unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::Unknown));
    }
}
