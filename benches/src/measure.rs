//! How two subjects are timed beside each other: rates, and the CPU that this process spends on an operation.

use std::fmt;
use std::fs::OpenOptions;
use std::future::Future;
use std::io::{self, Write as _};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustix::time::ClockId;
use serde::Serialize;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Barrier;

use crate::workload::Values;

/// What to run, how often and how long.
#[derive(Debug)]
pub struct Plan {
    filter: Vec<String>,
    try_out: bool,
    rounds: usize,
    warm: Duration,
    measured: Duration,
    runtime: Runtime,
}

/// What is measured, beside the number of tasks and the length of values.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct What<'a> {
    /// Such as `redis`.
    pub backend: &'a str,
    /// Such as `get`.
    pub operation: &'a str,
    /// How many entries the store holds, where that is what is looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<u64>,
}

/// What one task is to do: get ready, wait for all others, and then work until the time is over.
#[derive(Debug)]
pub struct Job {
    /// Which of the tasks it is, from 0.
    pub task: u64,
    /// How many there are.
    pub tasks: u64,
    /// What to write.
    pub values: Values,
    race: Arc<Race>,
}

/// The time of all tasks of a run.
#[derive(Debug)]
struct Race {
    ready: Barrier,
    go: Barrier,
    until: OnceLock<Instant>,
}

/// What one run showed.
#[derive(Clone, Copy, Debug, Serialize)]
struct Run {
    per_second: f64,
    /// Microseconds of this process's CPU per operation: a server's own are not in it.
    cpu_us: f64,
}

#[derive(Serialize)]
struct Measured<'a> {
    #[serde(flatten)]
    what: What<'a>,
    bytes: usize,
    tasks: u64,
    /// Larder, then what is beside it.
    rounds: Vec<(Run, Option<Run>)>,
}

impl<'a> From<(&'a str, &'a str)> for What<'a> {
    fn from((backend, operation): (&'a str, &'a str)) -> Self {
        Self { backend, operation, keys: None }
    }
}

impl Job {
    /// The clock starts once all tasks have come here.
    pub async fn begin(&self) {
        self.race.ready.wait().await;
        self.race.go.wait().await;
    }

    /// Whether there is time for another operation.
    pub fn goes_on(&self) -> bool {
        self.race.until.get().is_some_and(|until| Instant::now() < *until)
    }
}

impl Plan {
    /// As cargo and criterion pass them: those that are no flags are parts of the names to run, each name has all of
    /// them; `--test` tries everything out once. `LARDER_BENCH_ROUNDS` says how many rounds there are (5), and
    /// `LARDER_BENCH_WINDOW` how many milliseconds a run takes (400).
    ///
    /// # Panics
    /// When the system gives no threads.
    pub fn from_arguments(arguments: &[&str]) -> Self {
        let filter = arguments.iter().filter(|argument| !argument.starts_with('-'));
        let try_out = arguments.contains(&"--test");
        let number = |name| std::env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
        let rounds = number("LARDER_BENCH_ROUNDS").and_then(|rounds| usize::try_from(rounds).ok());
        let window = number("LARDER_BENCH_WINDOW").unwrap_or(400);
        Self {
            filter: filter.map(ToString::to_string).collect(),
            try_out,
            rounds: if try_out { 1 } else { rounds.unwrap_or(5) },
            warm: Duration::from_millis(if try_out { 5 } else { 100 }),
            measured: Duration::from_millis(if try_out { 20 } else { window }),
            runtime: Builder::new_multi_thread().enable_all().build().expect("a runtime starts"),
        }
    }

    /// Whether everything is only to be tried out.
    pub fn tries_out(&self) -> bool {
        self.try_out
    }

    /// Whether any name that begins so may be wanted: the first part tells the backend.
    pub fn wants_any(&self, start: &str) -> bool {
        self.filter.first().is_none_or(|part| part.starts_with(start) || start.contains(part.as_str()))
    }

    /// Whether this is wanted.
    pub fn wants(&self, what: What<'_>, bytes: usize, tasks: u64) -> bool {
        let name = name(what, bytes, tasks);
        self.filter.iter().all(|part| name.contains(part.as_str()))
    }

    /// Runs this on the runtime that everything is measured on.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Pairs of runs in alternating order; prints what they showed. Each task answers how often it did its work.
    ///
    /// # Panics
    /// When a task does, and when the results cannot be written.
    pub fn compare<'a, F, G>(
        &self,
        what: impl Into<What<'a>>,
        values: &Values,
        tasks: u64,
        larder: impl Fn(Job) -> F,
        raw: impl Fn(Job) -> G,
    ) where
        F: Future<Output = u64> + Send + 'static,
        G: Future<Output = u64> + Send + 'static,
    {
        let (what, bytes) = (what.into(), values.bytes());
        if !self.wants(what, bytes, tasks) {
            return;
        }
        self.time(self.warm, values, tasks, &larder);
        self.time(self.warm, values, tasks, &raw);
        let pair = |round: usize| {
            if round.is_multiple_of(2) {
                let raw = self.time(self.measured, values, tasks, &raw);
                (self.time(self.measured, values, tasks, &larder), Some(raw))
            } else {
                let larder = self.time(self.measured, values, tasks, &larder);
                (larder, Some(self.time(self.measured, values, tasks, &raw)))
            }
        };
        let rounds = (0..self.rounds).map(pair).collect();
        Measured { what, bytes, tasks, rounds }.report().expect("the results can be written");
    }

    /// Larder alone, by one task: `prepare` is not timed, and `work` answers how many operations it was.
    ///
    /// # Panics
    /// When the results cannot be written.
    pub fn alone<'a, T>(
        &self,
        what: impl Into<What<'a>>,
        bytes: usize,
        mut prepare: impl AsyncFnMut() -> T,
        mut work: impl AsyncFnMut(T) -> u64,
    ) {
        let (what, tasks) = (what.into(), 1);
        if !self.wants(what, bytes, tasks) {
            return;
        }
        let mut run = || {
            self.runtime.block_on(async {
                let prepared = prepare().await;
                let (begun, used) = (Instant::now(), cpu());
                let operations = work(prepared).await;
                summary(operations, begun.elapsed(), cpu().saturating_sub(used))
            })
        };
        run();
        let rounds = (0..self.rounds).map(|_| (run(), None)).collect();
        Measured { what, bytes, tasks, rounds }.report().expect("the results can be written");
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

impl fmt::Display for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.backend, self.operation)
    }
}

/// Such as `redis/get/200B/64`, or `disk-sled/get/200B/64/10000`.
fn name(what: What<'_>, bytes: usize, tasks: u64) -> String {
    let keys = what.keys.map(|keys| format!("/{keys}")).unwrap_or_default();
    format!("{what}/{bytes}B/{tasks}{keys}")
}

impl Measured<'_> {
    /// One line for people, and one for `scripts/bench-report`.
    fn report(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        write!(
            out,
            "{:34} {:9.0}/s",
            name(self.what, self.bytes, self.tasks),
            self.larder(|run| run.per_second)
        )?;
        if let Some([rate, ratio]) = self.raw(|run| run.per_second) {
            write!(out, " of {rate:9.0}/s: {ratio:.2}")?;
        }
        write!(out, "   CPU {:7.2} us", self.larder(|run| run.cpu_us))?;
        if let Some([cpu, ratio]) = self.raw(|run| run.cpu_us) {
            write!(out, " of {cpu:7.2} us: {ratio:.2}")?;
        }
        writeln!(out)?;
        if let Some(path) = std::env::var_os("LARDER_BENCH_JSON") {
            let mut file = OpenOptions::new().create(true).append(true).open(path)?;
            writeln!(file, "{}", serde_json::to_string(self).map_err(io::Error::other)?)?;
        }
        Ok(())
    }

    fn larder(&self, figure: fn(&Run) -> f64) -> f64 {
        median(self.rounds.iter().map(|(larder, _)| figure(larder)).collect()).unwrap_or(f64::NAN)
    }

    /// What is beside Larder, and Larder's ratio to it: none where Larder was alone.
    fn raw(&self, figure: fn(&Run) -> f64) -> Option<[f64; 2]> {
        let pairs =
            || self.rounds.iter().filter_map(|(larder, raw)| Some((figure(larder), figure(raw.as_ref()?))));
        let raw = median(pairs().map(|(_, raw)| raw).collect())?;
        Some([raw, median(pairs().map(|(larder, raw)| larder / raw).collect())?])
    }
}

fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}
