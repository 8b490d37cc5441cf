//! `larder kv import`.

use clap::Args;
use kv_core::{AnyStore, Key, NewEntry, Store as _};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin, stdin};

use super::export::tell;
use super::line::{Line, Read};
use super::output::Output;
use super::progress::{Progress, Whom};
use super::{Common, failed};
use crate::Failure;
use crate::clock::now_ms;

/// Arguments of `larder kv import`.
#[derive(Debug, Args)]
#[command(
    after_help = "Entries replace what stands under their names; expired ones are left out. It ends at the first \
                        line that cannot be read; what was imported until then stays, and importing again is harmless."
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
        let Counts { imported, expired, .. } = counts;
        if let Err(failure) = done {
            tell(&format!("{imported} entries were imported until then"));
            return Err(failure);
        }
        if self.common.json {
            let mut output = Output::new();
            output.json(&json!({ "imported": imported, "expired": expired }))?;
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
}

async fn import(store: &AnyStore, counts: &mut Counts, whom: Whom) -> Result<(), Failure> {
    let progress = Progress::new("imported", whom);
    let mut lines = BufReader::with_capacity(256 << 10, stdin()).lines();
    loop {
        let mut batch = Batch::default();
        let read = batch.fill(&mut lines, counts).await;
        write(store, batch.names, batch.entries, counts, &progress).await?; // what stands before a bad line, too
        if read? == Input::Ended {
            return Ok(());
        }
    }
}

#[derive(Default)]
struct Batch {
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
        while self.entries.len() < BATCH && weight < BATCH_BYTES {
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
            match line.entry(now_ms()).map_err(|error| wrong(counts.lines).because(error))? {
                Read::Expired => counts.expired += 1,
                Read::Live(entry) => {
                    weight += line.weight();
                    self.names.push(line);
                    self.entries.push(entry);
                }
            }
        }
        Ok(Input::GoesOn)
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
    names: Vec<Line>,
    entries: Vec<NewEntry>,
    counts: &mut Counts,
    progress: &Progress,
) -> Result<(), Failure> {
    if entries.is_empty() {
        return Ok(());
    }
    let keys = names.iter().map(|line| Key::new(&line.collection, &line.id));
    for written in store.put_many(keys.zip(entries).collect()).await.map_err(failed)? {
        written.map_err(failed)?;
        counts.imported += 1;
        progress.add(1);
    }
    Ok(())
}
