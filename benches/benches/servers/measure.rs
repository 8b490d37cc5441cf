//! How two subjects are timed beside each other: rates, and the CPU that this process spends on an operation.

use std::fs::OpenOptions;
use std::future::Future;
use std::io::{self, Write as _};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use larder_benches::workload::Values;
use rustix::time::ClockId;
use serde::Serialize;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Barrier;

/// What to run, how often and how long.
pub(crate) struct Plan {
    filter: Option<String>,
    rounds: usize,
    warm: Duration,
    measured: Duration,
    runtime: Runtime,
}

/// What one task is to do: get ready, wait for all others, and then work until the time is over.
pub(crate) struct Job {
    /// Which of the tasks it is, from 0.
    pub(crate) task: u64,
    pub(crate) tasks: u64,
    pub(crate) values: Values,
    race: Arc<Race>,
}

/// The time of all tasks of a run.
struct Race {
    ready: Barrier,
    go: Barrier,
    until: OnceLock<Instant>,
}

/// What one run showed.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Run {
    per_second: f64,
    /// Microseconds of this process's CPU per operation: the server's own are not in it.
    cpu_us: f64,
}

#[derive(Serialize)]
struct Measured<'a> {
    backend: &'a str,
    operation: &'a str,
    bytes: usize,
    tasks: u64,
    /// Larder, then the driver.
    rounds: Vec<(Run, Run)>,
}

impl Job {
    /// The clock starts once all tasks have come here.
    pub(crate) async fn begin(&self) {
        self.race.ready.wait().await;
        self.race.go.wait().await;
    }

    pub(crate) fn goes_on(&self) -> bool {
        self.race.until.get().is_some_and(|until| Instant::now() < *until)
    }
}

impl Plan {
    /// As cargo and criterion pass them: the first that is no flag is a part of the names to run.
    pub(crate) fn from_arguments(arguments: &[&str]) -> Self {
        let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
        let try_out = arguments.contains(&"--test");
        let rounds = std::env::var("LARDER_BENCH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
        Self {
            filter: filter.map(ToString::to_string),
            rounds: if try_out { 1 } else { rounds.unwrap_or(5) },
            warm: Duration::from_millis(if try_out { 5 } else { 100 }),
            measured: Duration::from_millis(if try_out { 20 } else { 400 }),
            runtime: Builder::new_multi_thread().enable_all().build().expect("a runtime starts"),
        }
    }

    /// Whether any name that begins so may be wanted.
    pub(crate) fn wants_any(&self, start: &str) -> bool {
        self.filter.as_ref().is_none_or(|part| part.starts_with(start) || start.contains(part.as_str()))
    }

    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Pairs of runs, this one first, then the other; prints what they showed.
    pub(crate) fn compare<F, G>(
        &self,
        name: (&str, &str),
        values: &Values,
        tasks: u64,
        larder: impl Fn(Job) -> F,
        raw: impl Fn(Job) -> G,
    ) where
        F: Future<Output = u64> + Send + 'static,
        G: Future<Output = u64> + Send + 'static,
    {
        let (backend, operation) = name;
        let bytes = values.bytes();
        let whole = format!("{backend}/{operation}/{bytes}B/{tasks}");
        if self.filter.as_ref().is_some_and(|part| !whole.contains(part.as_str())) {
            return;
        }
        self.time(self.warm, values, tasks, &larder);
        self.time(self.warm, values, tasks, &raw);
        let pair = |round: usize| {
            if round.is_multiple_of(2) {
                let raw = self.time(self.measured, values, tasks, &raw);
                (self.time(self.measured, values, tasks, &larder), raw)
            } else {
                let larder = self.time(self.measured, values, tasks, &larder);
                (larder, self.time(self.measured, values, tasks, &raw))
            }
        };
        let rounds = (0..self.rounds).map(pair).collect();
        report(&whole, &Measured { backend, operation, bytes, tasks, rounds })
            .expect("the results can be written");
    }

    fn time<F>(&self, window: Duration, values: &Values, tasks: u64, work: &impl Fn(Job) -> F) -> Run
    where
        F: Future<Output = u64> + Send + 'static,
    {
        self.runtime.block_on(async {
            let all = usize::try_from(tasks).unwrap_or_default() + 1;
            let race =
                Arc::new(Race { ready: Barrier::new(all), go: Barrier::new(all), until: OnceLock::new() });
            let job = |task| Job { task, tasks, values: values.clone(), race: Arc::clone(&race) };
            let running: Vec<_> = (0..tasks).map(|task| tokio::spawn(work(job(task)))).collect();
            race.ready.wait().await;
            let (begun, used) = (Instant::now(), cpu());
            race.until.get_or_init(|| begun + window);
            race.go.wait().await;
            let mut operations = 0;
            for task in running {
                operations += task.await.expect("a task ends");
            }
            summary(operations, begun.elapsed(), cpu().saturating_sub(used))
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn summary(operations: u64, took: Duration, cpu: Duration) -> Run {
    let operations = operations.max(1) as f64;
    Run { per_second: operations / took.as_secs_f64(), cpu_us: cpu.as_secs_f64() * 1e6 / operations }
}

/// The CPU that this process has used, all its threads together.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// One line for people, and one for `scripts/bench-report`.
fn report(name: &str, measured: &Measured<'_>) -> io::Result<()> {
    let of = |figure: fn(&(Run, Run)) -> f64| median(measured.rounds.iter().map(figure).collect());
    writeln!(
        io::stdout(),
        "{name:34} {:9.0}/s of {:9.0}/s: {:.2}   CPU {:7.2} us of {:7.2} us: {:.2}",
        of(|(larder, _)| larder.per_second),
        of(|(_, raw)| raw.per_second),
        of(|(larder, raw)| larder.per_second / raw.per_second),
        of(|(larder, _)| larder.cpu_us),
        of(|(_, raw)| raw.cpu_us),
        of(|(larder, raw)| larder.cpu_us / raw.cpu_us),
    )?;
    if let Some(path) = std::env::var_os("LARDER_BENCH_JSON") {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        writeln!(file, "{}", serde_json::to_string(measured).map_err(io::Error::other)?)?;
    }
    Ok(())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
