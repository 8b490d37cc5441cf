//! `larder bench`: how quick stores are, side by side.

mod measure;
mod report;
mod work;

use std::num::NonZeroUsize;
use std::pin::{Pin, pin};
use std::time::Duration;

use clap::Args;
use kv_core::{AnyStore, Listing, RedactedUrl, Store as _, parse_bytes, parse_duration};

use self::measure::Figures;
use self::report::Row;
use self::work::{Bench, Operation};
use crate::kv::export::tell;
use crate::kv::{failed, resolved};
use crate::settings::{Level, LogSettings};
use crate::stop::asked_to_stop;
use crate::url_argument::UrlArgument;
use crate::{Failure, logging, serve, store};

/// Arguments of `larder bench`.
#[derive(Debug, Args)]
#[command(
    after_help = "What was measured is shown also when another store fails; the exit status is then not 0. It writes into a collection of its own, `larder-bench-` and a random name, and removes its \
                  entries, also when it is told to end; if it is killed, those of `put` stay and the others live for an \
                  hour. Stores are measured one after the other, each as it answers to this \
                  program from here: the network is part of it. `update` changes an entry that the task has just \
                  written; `take` takes one that was written outside of the time measured. A `page` is a listing of 1,000 \
                  entries, or of all there are, in as many requests as the store makes of it. A `get`, `get-many` or `take` \
                  that finds nothing is not measured: entries that were not there, as where a store evicts, are counted \
                  beside the row."
)]
pub(crate) struct BenchSettings {
    /// The stores: URLs, `default`, @FILE or $NAME that holds a URL
    #[arg(required = true)]
    url: Vec<UrlArgument>,

    /// What to do
    #[arg(long, value_enum, value_delimiter = ',', value_name = "OP,..", default_values_t = Operation::ALL)]
    only: Vec<Operation>,

    /// How many entries there are
    #[arg(long, value_name = "N", default_value = "1000")]
    entries: NonZeroUsize,

    /// The size of a value
    #[arg(long, value_name = "BYTES", default_value = "200", value_parser = size)]
    value: usize,

    /// How many do the same at once, one number after the other
    #[arg(long, value_delimiter = ',', value_name = "N,..", default_value = "1,64")]
    tasks: Vec<NonZeroUsize>,

    /// For how long each operation is repeated
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    time: Duration,

    /// Answer as JSON, one object a line
    #[arg(long)]
    json: bool,
}

impl BenchSettings {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        logging::start(&LogSettings { log_level: Level::Warn, json_logs: false });
        let urls = self.url.iter().map(|url| resolved(url, "URL")).collect::<Result<Vec<_>, _>>()?;
        let (mut rows, mut ended) = (Vec::new(), Ok(Next::GoOn));
        let mut stop = pin!(asked_to_stop()); // one for all: a wish that comes between two stores is heard at the second
        for url in &urls {
            let measured = self.measure_url(url, &mut rows, stop.as_mut()).await;
            if let Err(failure) = &measured
                && urls.len() > 1
            {
                tell(&format!("{}: {}", RedactedUrl::new(url), failure.on_one_line()));
            }
            let interrupted = matches!(measured, Ok(Next::Stop));
            ended = ended.and(measured);
            if interrupted {
                break;
            }
        }
        // What was measured is shown, whatever became of the others.
        if !rows.is_empty() {
            if self.json { report::as_json(&rows) } else { report::as_tables(&rows) }?;
        }
        match ended? {
            Next::GoOn => Ok(()),
            Next::Stop => Err(Failure::new("interrupted; its entries are removed")),
        }
    }

    async fn measure_url(
        &self,
        url: &str,
        rows: &mut Vec<Row>,
        stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Next, Failure> {
        let store = store::open_to_try(url, "URL").await?;
        let measured = self.measure(&RedactedUrl::new(url).to_string(), &store, rows, stop).await;
        serve::close(&store).await;
        measured
    }

    /// Everything about one store. Its entries are removed also when something fails.
    async fn measure(
        &self,
        name: &str,
        store: &AnyStore,
        rows: &mut Vec<Row>,
        stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Next, Failure> {
        let tasks = self.tasks.iter().map(|tasks| tasks.get()).max().unwrap_or(1);
        let bench = Bench::new(store, self.entries.get(), self.value, self.time, tasks);
        let measured = tokio::select! {
            measured = self.measure_all(name, &bench, rows) => measured.map(|()| Next::GoOn),
            () = stop => Ok(Next::Stop),
        };
        let removed = bench.clean().await.map_err(|error| {
            let collection = bench.collection();
            Failure::new(format!("the bench may have left entries behind, in the collection {collection}"))
                .because(error)
        });
        match (measured, removed) {
            (Err(failure), Err(left)) => {
                tell(&left.on_one_line());
                Err(failure)
            }
            (measured, removed) => removed.and(measured),
        }
    }

    async fn measure_all(&self, name: &str, bench: &Bench, rows: &mut Vec<Row>) -> Result<(), Failure> {
        bench.fill().await.map_err(failed)?;
        for tasks in self.tasks.iter().map(|tasks| tasks.get()) {
            for operation in &self.only {
                if *operation == Operation::Page && bench.store().capabilities().scan == Listing::No {
                    tell(&format!("{name} cannot list: no pages are measured"));
                    continue;
                }
                tell(&format!("{name}: {operation}, {tasks} at once"));
                let figures: Figures = bench.run(*operation, tasks).await.map_err(failed)?;
                rows.push(Row { store: name.to_owned(), operation: *operation, tasks, figures });
            }
        }
        Ok(())
    }
}

/// What a store's end means for the next one.
enum Next {
    GoOn,
    /// The program is asked to end.
    Stop,
}

/// Redis takes the largest.
const LARGEST: usize = 512 << 20;

fn size(text: &str) -> Result<usize, String> {
    let bytes = parse_bytes(text).map_err(|error| error.message().to_owned())?;
    match usize::try_from(bytes) {
        Ok(bytes) if bytes <= LARGEST => Ok(bytes),
        _ => Err("no store takes more than 512MiB".to_owned()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        Ok(_) => Err("it must take some time".to_owned()),
        Err(error) => Err(error.message().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::num::NonZeroUsize;
    use std::pin::pin;
    use std::time::Duration;

    use kv_core::testing::{Fault, Faults, Faulty};
    use kv_core::{ErrorKind, StoreExt as _};
    use kv_memory::MemoryStore;

    use super::{BenchSettings, Operation};

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_removed_is_told_of_with_the_collection_it_is_in() {
        let (memory, faults) = (MemoryStore::new(), Faults::none());
        let store = Faulty::new(memory.clone(), &faults).erased();
        let settings = BenchSettings {
            url: Vec::new(),
            only: vec![Operation::Get],
            entries: NonZeroUsize::MIN,
            value: 1,
            tasks: vec![NonZeroUsize::MIN],
            time: Duration::from_millis(1),
            json: false,
        };
        faults.always("delete_many", Fault::vanished(ErrorKind::Timeout));
        let mut rows = Vec::new();
        let measured = settings.measure("memory", &store, &mut rows, pin!(pending())).await;
        let told = measured.err().unwrap().to_string();
        assert!(told.contains("may have left entries behind, in the collection larder-bench-"), "{told}");
        assert_eq!((rows.len(), memory.held().entries), (1, 1), "what was measured is shown");
    }
}
