//! What both sides do.

use std::hint::black_box;

use larder_benches::larder::Larder;
use larder_benches::subject::{Conditional, Points, Subject, batch_from, check_page, fill};
use larder_benches::workload::{BATCH, Random, SPARE, Values, used};

use larder_benches::measure::{Job, Plan};

/// In bytes. A token or a small record, and a page of text.
const SIZES: [usize; 2] = [200, LARGEST];
pub(crate) const LARGEST: usize = 4_096;
const TASKS: [u64; 2] = [1, 64];

/// How much a backend is asked for: a slow one would take minutes for what a fast one does in a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// How many entries it holds while it is measured, whole collections of a thousand.
    pub(crate) keys: u64,
    /// Entries of either size that are written to be taken in one run, one task has a quarter: as many as it hands out in its
    /// time, where there is room for them. Else it ends with those tasks that are the last to have taken theirs. At least 3,200.
    pub(crate) taken: [u64; SIZES.len()],
    /// By how many tasks pages are read: none where nothing can be listed, one where 64 pages at once take seconds.
    pub(crate) pages: &'static [u64],
}

impl Load {
    /// For what answers 100,000 times in a second.
    pub(crate) const FAST: Self = Self { keys: 10_000, taken: [48_000; 2], pages: &TASKS };
}

/// Measures one backend, from filling both sides to the last page.
pub(crate) fn compare<R: Conditional>(plan: &Plan, backend: &str, load: Load, larder: &Larder, raw: &R) {
    compare_by(plan, backend, load, larder, [raw, raw]);
}

/// As [`compare`], beside an engine that one task uses in another way than 64 do.
pub(crate) fn compare_by<R: Conditional>(
    plan: &Plan,
    backend: &str,
    load: Load,
    larder: &Larder,
    raw: [&R; TASKS.len()],
) {
    if !plan.wants_any(&format!("{backend}/")) {
        return;
    }
    for values in SIZES.map(Values::new) {
        plan.block_on(ready(larder.clone(), &values, load));
        plan.block_on(ready(raw[0].clone(), &values, load));
        for (tasks, raw) in TASKS.into_iter().zip(raw) {
            all(plan, (backend, load), &values, tasks, larder, raw);
        }
    }
}

async fn ready<S: Subject>(mut subject: S, values: &Values, load: Load) {
    fill(&mut subject, values, load.keys).await;
    if !load.pages.is_empty() {
        check_page(&mut subject, values, load.keys).await;
    }
}

/// Each operation is named twice, once for each side: a future has one type.
macro_rules! both {
    ($plan:expr, ($backend:expr, $load:expr), $values:expr, $tasks:expr, $larder:expr, $raw:expr, $($work:ident)+) => {
        $($plan.compare(
            ($backend, stringify!($work)),
            $values,
            $tasks,
            |job| $work($larder.clone(), job, $load),
            |job| $work($raw.clone(), job, $load),
        );)+
    };
}

fn all<R: Conditional>(
    plan: &Plan,
    (backend, load): (&str, Load),
    values: &Values,
    tasks: u64,
    larder: &Larder,
    raw: &R,
) {
    both!(plan, (backend, load), values, tasks, larder, raw, get get_many);
    if load.pages.contains(&tasks) {
        both!(plan, (backend, load), values, tasks, larder, raw, page);
    }
    both!(plan, (backend, load), values, tasks, larder, raw, put put_with_ttl put_many update take);
}

async fn get<S: Points>(mut subject: S, job: Job, load: Load) -> u64 {
    let (mut random, mut done) = (Random::fresh(), 0);
    job.begin().await;
    while job.goes_on() {
        let found = subject.get(random.below(load.keys)).await.expect("an entry is there");
        black_box(used(found.as_ref()));
        done += 1;
    }
    done
}

async fn get_many<S: Subject>(mut subject: S, job: Job, load: Load) -> u64 {
    let (mut random, mut done) = (Random::fresh(), 0);
    job.begin().await;
    while job.goes_on() {
        for value in &subject.get_many(&random.batch(load.keys)).await {
            black_box(used(value.as_ref().expect("an entry is there").as_ref()));
        }
        done += 1;
    }
    done
}

async fn page<S: Subject>(mut subject: S, job: Job, load: Load) -> u64 {
    let (mut random, mut done) = (Random::fresh(), 0);
    job.begin().await;
    while job.goes_on() {
        black_box(S::used_page(&subject.page(random.below(load.keys)).await));
        done += 1;
    }
    done
}

async fn put<S: Points>(mut subject: S, job: Job, load: Load) -> u64 {
    let (mut random, mut done) = (Random::fresh(), 0);
    job.begin().await;
    while job.goes_on() {
        subject.put(random.below(load.keys), job.values.of(random.next())).await;
        done += 1;
    }
    done
}

async fn put_with_ttl<S: Subject>(mut subject: S, job: Job, load: Load) -> u64 {
    let (mut random, mut done) = (Random::fresh(), 0);
    job.begin().await;
    while job.goes_on() {
        subject.put_with_ttl(random.below(load.keys), job.values.of(random.next())).await;
        done += 1;
    }
    done
}

async fn put_many<S: Subject>(mut subject: S, job: Job, load: Load) -> u64 {
    let (mut random, mut done) = (Random::fresh(), 0);
    job.begin().await;
    while job.goes_on() {
        subject.put_many(&random.batch(load.keys), &job.values.turned(random.next())).await;
        done += 1;
    }
    done
}

/// Each task has an entry of its own, so that each update succeeds.
async fn update<S: Conditional>(mut subject: S, job: Job, _: Load) -> u64 {
    let (mut random, mut done) = (Random::fresh(), 0);
    let mut version = subject.begin(job.task, job.values.of(job.task)).await;
    job.begin().await;
    while job.goes_on() {
        version = subject.update(job.task, version, job.values.of(random.next())).await;
        done += 1;
    }
    done
}

/// Writing what is taken is not timed.
async fn take<S: Subject>(mut subject: S, job: Job, load: Load) -> u64 {
    let [small, large] = load.taken;
    let taken = if job.values.bytes() < LARGEST { small } else { large };
    let mine = taken / job.tasks.max(4) / BATCH as u64 * BATCH as u64;
    let first = SPARE.start + job.task * mine;
    for batch in (first..first + mine).step_by(BATCH) {
        subject.put_many(&batch_from(batch), &job.values).await;
    }
    job.begin().await;
    let mut done = 0;
    while job.goes_on() && done < mine {
        let taken = subject.take(first + done).await.expect("an entry is there");
        black_box(used(taken.as_ref()));
        done += 1;
    }
    done
}
