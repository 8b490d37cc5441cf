//! What both sides do.

use std::hint::black_box;

use larder_benches::measure::{Job, Plan, What};
use larder_benches::subject::{Points, Subject};
use larder_benches::workload::{Random, Values, used};

use crate::sides::{Raw, Sides};

/// Both sides at one size.
pub(crate) struct Growth<'a, R> {
    pub(crate) plan: &'a Plan,
    pub(crate) keys: u64,
    pub(crate) values: &'a Values,
    pub(crate) sides: &'a Sides<R>,
}

impl<R: Raw> Growth<'_, R> {
    /// The raw engine as so many tasks write to it.
    fn raw(&self, tasks: u64) -> R {
        if tasks == 1 { self.sides.alone.clone() } else { self.sides.shared.clone() }
    }

    pub(crate) fn get(&self, what: What<'_>, tasks: u64) {
        let (larder, raw, keys) = (&self.sides.larder, self.raw(tasks), self.keys);
        let larder = |job| get(larder.clone(), job, keys);
        self.plan.compare(what, self.values, tasks, larder, |job| get(raw.clone(), job, keys));
    }

    pub(crate) fn page(&self, what: What<'_>, tasks: u64) {
        let (larder, raw, keys) = (&self.sides.larder, self.raw(tasks), self.keys);
        let larder = |job| page(larder.clone(), job, keys);
        self.plan.compare(what, self.values, tasks, larder, |job| page(raw.clone(), job, keys));
    }

    pub(crate) fn put(&self, what: What<'_>, tasks: u64) {
        let (larder, raw, keys) = (&self.sides.larder, self.raw(tasks), self.keys);
        let larder = |job| put(larder.clone(), job, keys);
        self.plan.compare(what, self.values, tasks, larder, |job| put(raw.clone(), job, keys));
    }

    /// One task, beside the raw engine as async code can call it: a write that waits where it is holds up its thread.
    pub(crate) fn put_elsewhere(&self, what: What<'_>) {
        let (larder, keys) = (&self.sides.larder, self.keys);
        if let Some(raw) = self.sides.alone.elsewhere() {
            let larder = |job| put(larder.clone(), job, keys);
            self.plan.compare(what, self.values, 1, larder, |job| put(raw.clone(), job, keys));
        }
    }
}

async fn get<S: Points>(mut subject: S, job: Job, keys: u64) -> u64 {
    let (mut random, mut done) = (Random::fresh(), 0);
    job.begin().await;
    while job.goes_on() {
        let found = subject.get(random.below(keys)).await.expect("an entry is there");
        black_box(used(found.as_ref()));
        done += 1;
    }
    done
}

async fn page<S: Subject>(mut subject: S, job: Job, keys: u64) -> u64 {
    let (mut random, mut done) = (Random::fresh(), 0);
    job.begin().await;
    while job.goes_on() {
        black_box(S::used_page(&subject.page(random.below(keys)).await));
        done += 1;
    }
    done
}

async fn put<S: Points>(mut subject: S, job: Job, keys: u64) -> u64 {
    let (mut random, mut done) = (Random::fresh(), 0);
    job.begin().await;
    while job.goes_on() {
        subject.put(random.below(keys), job.values.of(random.next())).await;
        done += 1;
    }
    done
}
