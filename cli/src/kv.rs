//! `larder kv`: the entries of any store, from the shell.

mod copy;
mod delete;
pub(crate) mod export;
mod get;
mod import;
mod line;
mod list;
mod listing;
pub(crate) mod output;
mod progress;
mod put;
mod rotate_key;
mod stats;

use std::future::Future;

use clap::{Args, Subcommand};
use kv_core::AnyStore;

use crate::settings::{Level, LogSettings};
use crate::url_argument::UrlArgument;
use crate::{Failure, logging, serve, store};

/// What `larder kv` does.
#[derive(Debug, Subcommand)]
pub(crate) enum KvCommand {
    /// Write an entry's value to stdout, byte for byte
    Get(get::Get),
    /// Write an entry, whatever stood there
    Put(put::Put),
    /// Remove an entry
    Delete(delete::Delete),
    /// List the entries of a collection, or of all
    List(list::List),
    /// Write entries to stdout, one JSON object a line, values decrypted
    Export(export::Export),
    /// Read from stdin what `export` wrote
    Import(import::Import),
    /// Copy entries from one store into another
    Copy(copy::Copy),
    /// Seal every entry by the active key
    RotateKey(rotate_key::RotateKey),
    /// Count entries and bytes by collection
    Stats(stats::Stats),
}

/// The store to work on, and how to answer.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// The store: a URL, `default`, @FILE or $NAME that holds a URL
    url: UrlArgument,

    /// Answer as JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// Names one entry.
#[derive(Clone, Debug, Args)]
pub(crate) struct KeyArguments {
    /// The collection it is in
    collection: String,
    /// Its id
    id: String,
}

pub(crate) async fn run(command: KvCommand) -> Result<(), Failure> {
    logging::start(&LogSettings { log_level: Level::Warn, json_logs: false });
    match command {
        KvCommand::Get(get) => get.run().await,
        KvCommand::Put(put) => put.run().await,
        KvCommand::Delete(delete) => delete.run().await,
        KvCommand::List(list) => list.run().await,
        KvCommand::Export(export) => export.run().await,
        KvCommand::Import(import) => import.run().await,
        KvCommand::Copy(copy) => copy.run().await,
        KvCommand::RotateKey(rotate) => rotate.run().await,
        KvCommand::Stats(stats) => stats.run().await,
    }
}

impl Common {
    /// Works on a store that is there. Where none is, none is made: its name is mistyped.
    async fn with_existing<T, W, F>(&self, work: W) -> Result<T, Failure>
    where
        W: FnOnce(AnyStore) -> F,
        F: Future<Output = Result<T, Failure>>,
    {
        on(store::open_existing(&self.resolved()?, &self.place()).await?, work).await
    }

    /// Works on a store that is made if need be.
    async fn with_store<T, W, F>(&self, work: W) -> Result<T, Failure>
    where
        W: FnOnce(AnyStore) -> F,
        F: Future<Output = Result<T, Failure>>,
    {
        on(store::open(&self.resolved()?, &self.place()).await?, work).await
    }

    fn resolved(&self) -> Result<String, Failure> {
        resolved(&self.url, "URL")
    }

    /// What errors ask to be changed.
    fn place(&self) -> String {
        self.url.place("URL")
    }
}

/// The URL that `given` stands for; `what` names the argument in errors.
pub(crate) fn resolved(given: &UrlArgument, what: &str) -> Result<String, Failure> {
    match given.as_given() {
        "default" => store::default_url(what),
        _ => given.resolve(what),
    }
}

/// Works on the store and closes it, whatever the work brought.
async fn on<T, W, F>(store: AnyStore, work: W) -> Result<T, Failure>
where
    W: FnOnce(AnyStore) -> F,
    F: Future<Output = Result<T, Failure>>,
{
    let done = work(store.clone()).await;
    serve::close(&store).await;
    done
}

impl KeyArguments {
    fn key(&self) -> kv_core::Key<'_> {
        kv_core::Key::new(&self.collection, &self.id)
    }

    fn absent(&self) -> Failure {
        let Self { collection, id } = self;
        Failure::absent(format!("there is no entry {id:?} in the collection {collection:?}"))
    }
}

/// What the store said, as an error of the command.
pub(crate) fn failed(error: kv_core::Error) -> Failure {
    failed_of("the store", error)
}

/// As [`failed`], of one of several stores.
pub(crate) fn failed_of(store: &str, error: kv_core::Error) -> Failure {
    match error.kind() {
        kv_core::ErrorKind::Invalid | kv_core::ErrorKind::Unsupported | kv_core::ErrorKind::TooLarge => {
            Failure::usage(format!("{store} refused")).because(error)
        }
        _ => Failure::new(format!("{store} failed")).because(error),
    }
}

/// Names an entry that `store` did not take, if it may well take the others: all that moves entries leaves it out and goes on.
///
/// # Errors
/// What is no matter of this entry alone.
pub(crate) fn left_out(store: &str, error: kv_core::Error) -> Result<(), Failure> {
    match error.kind() {
        kv_core::ErrorKind::TooLarge | kv_core::ErrorKind::Invalid => {
            export::tell(&format!("left out: {error}"));
            Ok(())
        }
        _ => Err(failed_of(store, error)),
    }
}
