//! How work is timed: one task, or 64 of them, on a runtime like a server's.

use std::future::Future;
use std::hint::black_box;
use std::time::{Duration, Instant};

use larder_benches::workload::{BATCH, KEYS, Random, SPARE, Values, used};
use tokio::runtime::{Builder, Runtime};

use larder_benches::subject::{Points, Subject, batch_from};

/// So many tasks do the same at once.
pub(crate) const TASKS: [u64; 2] = [1, 64];
/// At most so many spare entries are written and taken before new ones are written.
const TAKEN_AT_ONCE: u64 = 50_000;

/// Runs tasks. One round is one operation by each task.
pub(crate) struct Drive {
    runtime: Runtime,
}

impl Drive {
    pub(crate) fn new() -> Self {
        let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
        Self { runtime }
    }

    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// How long `tasks` take until each has done what `work` makes for it of its number.
    fn time<F>(&self, tasks: u64, work: impl Fn(u64) -> F) -> Duration
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.runtime.block_on(async {
            let work: Vec<_> = (0..tasks).map(work).collect();
            let begun = Instant::now();
            let tasks: Vec<_> = work.into_iter().map(|work| tokio::spawn(work)).collect();
            for task in tasks {
                task.await.expect("a task ends");
            }
            begun.elapsed()
        })
    }

    pub(crate) fn get<S: Points>(&self, subject: &S, tasks: u64, rounds: u64) -> Duration {
        self.time(tasks, |_| {
            let (mut subject, mut random) = (subject.clone(), Random::fresh());
            async move {
                for _ in 0..rounds {
                    let found = subject.get(random.key()).await.expect("an entry is there");
                    black_box(used(found.as_ref()));
                }
            }
        })
    }

    pub(crate) fn put<S: Points>(&self, subject: &S, values: &Values, tasks: u64, rounds: u64) -> Duration {
        self.time(tasks, |_| {
            let (mut subject, values, mut random) = (subject.clone(), values.clone(), Random::fresh());
            async move {
                for _ in 0..rounds {
                    subject.put(random.key(), values.of(random.next())).await;
                }
            }
        })
    }

    pub(crate) fn put_with_ttl<S: Subject>(
        &self,
        subject: &S,
        values: &Values,
        tasks: u64,
        rounds: u64,
    ) -> Duration {
        self.time(tasks, |_| {
            let (mut subject, values, mut random) = (subject.clone(), values.clone(), Random::fresh());
            async move {
                for _ in 0..rounds {
                    subject.put_with_ttl(random.key(), values.of(random.next())).await;
                }
            }
        })
    }

    pub(crate) fn get_many<S: Subject>(&self, subject: &S, tasks: u64, rounds: u64) -> Duration {
        self.time(tasks, |_| {
            let (mut subject, mut random) = (subject.clone(), Random::fresh());
            async move {
                for _ in 0..rounds {
                    let found = subject.get_many(&random.batch(KEYS)).await;
                    for value in &found {
                        black_box(used(value.as_ref().expect("an entry is there").as_ref()));
                    }
                }
            }
        })
    }

    pub(crate) fn put_many<S: Subject>(
        &self,
        subject: &S,
        values: &Values,
        tasks: u64,
        rounds: u64,
    ) -> Duration {
        self.time(tasks, |_| {
            let (mut subject, values, mut random) = (subject.clone(), values.clone(), Random::fresh());
            async move {
                for _ in 0..rounds {
                    subject.put_many(&random.batch(KEYS), &values.turned(random.next())).await;
                }
            }
        })
    }

    pub(crate) fn page<S: Subject>(&self, subject: &S, tasks: u64, rounds: u64) -> Duration {
        self.time(tasks, |_| {
            let (mut subject, mut random) = (subject.clone(), Random::fresh());
            async move {
                for _ in 0..rounds {
                    black_box(S::used_page(&subject.page(random.key()).await));
                }
            }
        })
    }

    /// Takes spare entries; writing them first is not timed.
    pub(crate) fn take<S: Subject>(&self, subject: &S, values: &Values, tasks: u64, rounds: u64) -> Duration {
        let mut taken = Duration::ZERO;
        let mut left = rounds;
        while left > 0 {
            let some = left.min(TAKEN_AT_ONCE / tasks);
            self.block_on(write_spare(subject, values, tasks * some));
            taken += self.time(tasks, |task| {
                let mut subject = subject.clone();
                let mine = SPARE.start + task * some;
                async move {
                    for number in mine..mine + some {
                        let taken = subject.take(number).await.expect("an entry is there");
                        black_box(used(taken.as_ref()));
                    }
                }
            });
            left -= some;
        }
        taken
    }
}

/// Whole batches: the last one may write some more.
async fn write_spare<S: Subject>(subject: &S, values: &Values, count: u64) {
    let firsts = (SPARE.start..SPARE.start + count).step_by(BATCH);
    let writes = firsts.map(|first| {
        let (mut subject, values) = (subject.clone(), values.clone());
        tokio::spawn(async move { subject.put_many(&batch_from(first), &values).await })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.expect("a task ends");
    }
}
