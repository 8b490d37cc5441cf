//! The operations of a backend, each for Larder and for the raw engine, one right after the other.

use std::cell::OnceCell;
use std::fmt::Display;
use std::thread;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput};
use larder_benches::workload::Values;

use crate::drive::{Drive, TASKS};
use larder_benches::subject::{Points, Subject};

/// A subject that is made, filled and checked when the first bench that is wanted comes to it.
pub(crate) struct Lazy<'a, S> {
    made: OnceCell<S>,
    make: Box<dyn Fn() -> S + 'a>,
}

/// What an engine does in the background after it was filled belongs to no measurement.
const SETTLING: Duration = Duration::from_secs(1);

impl<'a, S> Lazy<'a, S> {
    pub(crate) fn new(make: impl Fn() -> S + 'a) -> Self {
        Self { made: OnceCell::new(), make: Box::new(make) }
    }

    pub(crate) fn get(&self) -> &S {
        self.made.get_or_init(|| {
            let made = (self.make)();
            thread::sleep(SETTLING);
            made
        })
    }
}

/// What all benches need.
pub(crate) struct Bench<'a> {
    pub(crate) criterion: &'a mut Criterion,
    pub(crate) drive: &'a Drive,
}

/// One group, `memory/get/200B/64` say: benches of one piece of work by several subjects.
pub(crate) struct Group<'a> {
    benches: BenchmarkGroup<'a, WallTime>,
    pub(crate) drive: &'a Drive,
    pub(crate) tasks: u64,
}

impl Bench<'_> {
    /// A group for each number of tasks.
    pub(crate) fn each(&mut self, work: &str, bytes: usize, mut run: impl FnMut(&mut Group<'_>)) {
        for tasks in TASKS {
            let mut group = self.criterion.benchmark_group(format!("{work}/{bytes}B/{tasks}"));
            group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(tasks));
            run(&mut Group { benches: group, drive: self.drive, tasks });
        }
    }
}

impl Group<'_> {
    pub(crate) fn run<S>(
        &mut self,
        who: impl Display,
        subject: &Lazy<'_, S>,
        work: impl Fn(&Drive, &S, u64, u64) -> Duration,
    ) {
        self.run_beside(who, subject, || (), work);
    }

    /// As [`run`](Self::run), after `ready`, which no measurement counts.
    fn run_beside<S>(
        &mut self,
        who: impl Display,
        subject: &Lazy<'_, S>,
        ready: impl Fn(),
        work: impl Fn(&Drive, &S, u64, u64) -> Duration,
    ) {
        let (drive, tasks) = (self.drive, self.tasks);
        self.benches.bench_function(who.to_string(), |bencher| {
            let subject = subject.get();
            ready();
            bencher.iter_custom(|rounds| work(drive, subject, tasks, rounds));
        });
    }
}

/// The raw engine as one task uses it, and as many do.
pub(crate) struct Raw<'a, R> {
    pub(crate) alone: Lazy<'a, R>,
    pub(crate) shared: Lazy<'a, R>,
}

impl<'a, R> Raw<'a, R> {
    pub(crate) fn of(&self, tasks: u64) -> &Lazy<'a, R> {
        if tasks == 1 { &self.alone } else { &self.shared }
    }
}

/// Reads, of which none changes what the next ones meet.
pub(crate) fn reads<L: Subject, R: Subject>(
    bench: &mut Bench<'_>,
    backend: &str,
    values: &Values,
    larder: &Lazy<'_, L>,
    raw: &Lazy<'_, R>,
) {
    let bytes = values.bytes();
    bench.each(&format!("{backend}/get"), bytes, |group| {
        let both = || _ = larder.get(); // or one is measured in a smaller process
        group.run_beside("raw", raw, both, Drive::get);
        group.run("larder", larder, Drive::get);
    });
    bench.each(&format!("{backend}/get_many"), bytes, |group| {
        group.run("raw", raw, Drive::get_many);
        group.run("larder", larder, Drive::get_many);
    });
    bench.each(&format!("{backend}/page"), bytes, |group| {
        if group.tasks == 1 || R::HAS_ORDER {
            group.run("raw", raw, Drive::page);
        }
        group.run("larder", larder, Drive::page);
    });
}

/// Writes, those with a ttl left out: after them entries have one.
pub(crate) fn writes<L: Subject, R: Subject>(
    bench: &mut Bench<'_>,
    backend: &str,
    values: &Values,
    larder: &Lazy<'_, L>,
    raw: &Raw<'_, R>,
) {
    let bytes = values.bytes();
    bench.each(&format!("{backend}/put"), bytes, |group| {
        let raw = raw.of(group.tasks);
        group.run("raw", raw, |drive, s, tasks, rounds| drive.put(s, values, tasks, rounds));
        group.run("larder", larder, |drive, s, tasks, rounds| drive.put(s, values, tasks, rounds));
    });
    bench.each(&format!("{backend}/put_many"), bytes, |group| {
        let raw = raw.of(group.tasks);
        group.run("raw", raw, |drive, s, tasks, rounds| drive.put_many(s, values, tasks, rounds));
        group.run("larder", larder, |drive, s, tasks, rounds| drive.put_many(s, values, tasks, rounds));
    });
    bench.each(&format!("{backend}/take"), bytes, |group| {
        let raw = raw.of(group.tasks);
        group.run("raw", raw, |drive, s, tasks, rounds| drive.take(s, values, tasks, rounds));
        group.run("larder", larder, |drive, s, tasks, rounds| drive.take(s, values, tasks, rounds));
    });
}

/// One entry at a time.
pub(crate) fn points<L: Points, R: Points>(
    bench: &mut Bench<'_>,
    backend: &str,
    values: &Values,
    larder: &Lazy<'_, L>,
    raw: &Raw<'_, R>,
) {
    let bytes = values.bytes();
    bench.each(&format!("{backend}/get"), bytes, |group| {
        group.run("raw", raw.of(group.tasks), Drive::get);
        group.run("larder", larder, Drive::get);
    });
    bench.each(&format!("{backend}/put"), bytes, |group| {
        let raw = raw.of(group.tasks);
        group.run("raw", raw, |drive, s, tasks, rounds| drive.put(s, values, tasks, rounds));
        group.run("larder", larder, |drive, s, tasks, rounds| drive.put(s, values, tasks, rounds));
    });
}
