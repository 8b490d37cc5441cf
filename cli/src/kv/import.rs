//! `larder kv import`.

use std::time::Duration;

use clap::Args;
use kv_core::{AnyStore, Key, NewEntry, Store as _};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin, stdin};

use super::export::tell;
use super::line::{Line, Read};
use super::output::Output;
use super::progress::{Progress, Whom};
use super::{Common, failed, left_out};
use crate::Failure;
use crate::clock::{now_ms, whole_ms};

/// Arguments of `larder kv import`.
#[derive(Debug, Args)]
#[command(
    after_help = "Entries replace what stands under their names; expired ones are left out. An entry that the store does \
                  not take, such as one that is too large, is named and left out; the others are imported, and the exit \
                  status is 1. It ends at the first line that cannot be read; what was imported until then stays, and \
                  importing again is harmless."
)]
pub(crate) struct Import {
    #[command(flatten)]
    common: Common,
}

/// What is written in one go: entries, and bytes of their lines.
const BATCH: usize = 500;
const BATCH_BYTES: usize = 4 << 20;

impl Import {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut counts = Counts::default();
        let done = self
            .common
            .with_store(async |store| import(&store, &mut counts, Whom::of(self.common.json)).await)
            .await;
        let Counts { imported, refused, .. } = counts;
        if let Err(failure) = done {
            let also = if refused > 0 { format!(", and {refused} refused") } else { String::new() };
            tell(&format!("{imported} entries were imported until then{also}"));
            return Err(failure);
        }
        self.answer(&counts)?;
        match refused {
            0 => Ok(()),
            _ => Err(Failure::new(format!("the store refused {refused} entries"))),
        }
    }

    fn answer(&self, &Counts { imported, expired, refused, .. }: &Counts) -> Result<(), Failure> {
        if self.common.json {
            let mut output = Output::new();
            output.json(&json!({ "imported": imported, "expired": expired, "refused": refused }))?;
            return output.flush().map(drop);
        }
        tell(&format!("imported {imported} entries, left out {expired} that have expired"));
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Counts {
    lines: u64,
    imported: u64,
    expired: u64,
    refused: u64,
}

async fn import(store: &AnyStore, counts: &mut Counts, whom: Whom) -> Result<(), Failure> {
    let progress = Progress::new("imported", whom);
    let mut lines = BufReader::with_capacity(256 << 10, stdin()).lines();
    loop {
        let mut batch = Batch::default();
        let read = batch.fill(&mut lines, counts).await;
        let live = batch.live(now_ms(), counts); // not when they were read: whoever writes the lines may take his time
        write(store, live, counts, &progress).await?; // what stands before a bad line, too
        if read? == Input::Ended {
            return Ok(());
        }
    }
}

/// Lines that were read and wait to be written.
#[derive(Default)]
struct Batch(Vec<Waiting>);

struct Waiting {
    name: Line,
    entry: NewEntry,
    /// In milliseconds since the epoch; `None` for ever.
    expires_at: Option<u64>,
}

/// What is written, and under which names.
#[derive(Default)]
struct Live {
    names: Vec<Line>,
    entries: Vec<NewEntry>,
}

#[derive(PartialEq)]
enum Input {
    GoesOn,
    Ended,
}

impl Batch {
    /// Reads until it is full, the input ends or a line cannot be read; those before it are in the batch.
    async fn fill(
        &mut self,
        lines: &mut Lines<BufReader<Stdin>>,
        counts: &mut Counts,
    ) -> Result<Input, Failure> {
        let mut weight = 0;
        while self.0.len() < BATCH && weight < BATCH_BYTES {
            let next = lines
                .next_line()
                .await
                .map_err(|error| Failure::new("stdin cannot be read").because(error))?;
            let Some(text) = next else { return Ok(Input::Ended) };
            counts.lines += 1;
            if text.trim().is_empty() {
                continue;
            }
            let line: Line = serde_json::from_str(&text).map_err(|error| misread(counts.lines, &error))?;
            let bytes = line.weight();
            match Waiting::of(line, now_ms()).map_err(|error| wrong(counts.lines).because(error))? {
                None => counts.expired += 1,
                Some(waiting) => {
                    weight += bytes;
                    self.0.push(waiting);
                }
            }
        }
        Ok(Input::GoesOn)
    }

    /// What of it lives at `now`, each entry with the time that it has left.
    fn live(self, now: u64, counts: &mut Counts) -> Live {
        let mut live = Live::default();
        for Waiting { name, entry, expires_at } in self.0 {
            let left = expires_at.map(|at| at.saturating_sub(now));
            if left == Some(0) {
                counts.expired += 1;
                continue;
            }
            live.names.push(name);
            live.entries.push(entry.ttl(left.map(Duration::from_millis)));
        }
        live
    }
}

impl Waiting {
    /// What a line stands for that is read at `now`; `None` if it has expired.
    fn of(name: Line, now: u64) -> Result<Option<Self>, String> {
        let Read::Live(entry) = name.entry(now)? else { return Ok(None) };
        let expires_at = entry.lifetime().map(|left| now.saturating_add(whole_ms(left)));
        Ok(Some(Self { name, entry, expires_at }))
    }
}

/// Where it is wrong, and nothing of what stands there: that may be a secret.
fn misread(line: u64, error: &serde_json::Error) -> Failure {
    wrong(line).because(format!("at its column {}", error.column()))
}

fn wrong(line: u64) -> Failure {
    Failure::new(format!("line {line} of stdin is nothing that `larder kv export` writes"))
}

async fn write(
    store: &AnyStore,
    Live { names, entries }: Live,
    counts: &mut Counts,
    progress: &Progress,
) -> Result<(), Failure> {
    if entries.is_empty() {
        return Ok(());
    }
    let keys: Vec<_> = names.iter().map(|line| Key::new(&line.collection, &line.id)).collect();
    let batch = keys.iter().copied().zip(entries).collect();
    let mut done = Ok(());
    for (key, written) in keys.into_iter().zip(store.put_many(batch).await.map_err(failed)?) {
        let Err(error) = written else {
            counts.imported += 1;
            progress.add(1);
            continue;
        };
        match left_out("the store", error.at(key)) {
            Ok(()) => counts.refused += 1,
            failed => done = done.and(failed), // others of the batch may be written all the same
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kv_core::testing::{Fault, Faults, Faulty};
    use kv_core::{ErrorKind, NewEntry, StoreExt as _};
    use kv_memory::MemoryStore;

    use super::{Batch, Counts, Line, Live, Progress, Waiting, Whom, write};

    /// Entries of as many bytes as their ids say.
    fn live(sizes: [usize; 4]) -> Live {
        let line = |size| serde_json::from_str(&format!(r#"{{"collection":"c","id":"{size}","value":""}}"#));
        Live {
            names: sizes.iter().map(|size| line(size).unwrap()).collect(),
            entries: sizes.iter().map(|size| NewEntry::new(vec![0; *size])).collect(),
        }
    }

    #[tokio::test]
    async fn what_the_store_does_not_take_is_left_out_and_what_else_was_written_is_counted_whatever_failed() {
        let (memory, faults) = (MemoryStore::new(), Faults::none());
        let store = Faulty::new(memory.clone().limited(10), &faults).erased();
        let (mut counts, progress) = (Counts::default(), Progress::new("imported", Whom::Programs));
        write(&store, live([1, 11, 2, 12]), &mut counts, &progress).await.unwrap();
        assert_eq!((counts.imported, counts.refused, memory.held().entries), (2, 2, 2));
        faults.next("put_many", Fault::refused(ErrorKind::Unavailable).at_key(0));
        let failed = write(&store, live([3, 11, 4, 5]), &mut counts, &progress).await.unwrap_err();
        assert_eq!(failed.to_string(), "the store failed");
        assert_eq!((counts.imported, counts.refused, memory.held().entries), (4, 3, 4));
    }

    #[test]
    fn what_waited_to_be_written_has_the_time_that_is_left_by_then() {
        let mut batch = Batch::default();
        for (id, expires_at) in [("short", "2000"), ("long", "6000"), ("for ever", "null")] {
            let text = format!(r#"{{"collection":"c","id":"{id}","value":"","expires_at":{expires_at}}}"#);
            let line: Line = serde_json::from_str(&text).unwrap();
            batch.0.push(Waiting::of(line, 1_000).unwrap().expect("all live when they are read"));
        }
        let mut counts = Counts::default();
        let live = batch.live(2_000, &mut counts);
        let ids: Vec<_> = live.names.iter().map(|line| &*line.id).collect();
        let left: Vec<_> = live.entries.iter().map(kv_core::NewEntry::lifetime).collect();
        assert_eq!((ids, left), (vec!["long", "for ever"], vec![Some(Duration::from_secs(4)), None]));
        assert_eq!(counts.expired, 1);
    }
}
