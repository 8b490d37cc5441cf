//! A second try, where it can do no harm.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;

use self::pace::{Pace, Policy};
use crate::{
    AnyStore, Capabilities, Changes, Cursor, Entry, Error, ErrorKind, Key, NewEntry, Outcome, Page, PutMode,
    Result, Scan, Signals, Store, Version,
};

mod batch;
mod pace;

/// Repeats what failed for a passing reason (`Throttled`, `Timeout`, `Unavailable`), as far as the outcome allows.
///
/// | the error says | what happens |
/// |---|---|
/// | `NotDone` | every operation is repeated |
/// | `Unknown`, of a read, a `Replace` or a delete | it is repeated |
/// | `Unknown`, of a `Create` | it is never sent again: its own version is read back, or the error stands |
/// | `Unknown`, of an `Update` | read back: its own version is success, the expected one is sent again, else the error stands |
/// | `Unknown`, of a `take` or a `signal` | the error stands: a value is handed out at most once |
///
/// In a store that [reads ahead](Capabilities::reads_ahead) of what is acknowledged one's own version proves nothing: the error
/// stands.
///
/// Default: 3 tries within 10 s, with a pause before each further one, by chance between the half and the whole of 50 ms,
/// doubled each time up to 1 s. The deadline is over everything that a call does, pauses and reading back included; it
/// needs tokio's timer. What ends at the deadline is `Timeout`; a write, or a write of which any try was `Unknown`, then
/// has that outcome. In a batch only the keys that failed are sent again. `close` is tried once.
///
/// One exception to the laws: a `Replace` or delete that is repeated may land twice within one call, and so undo a write
/// of somebody else acknowledged in between. Nothing that must not lose an update uses `Replace`.
///
/// It stands outside [`Timeout`](crate::Timeout), which bounds one try: inside, the first slow try would use up the time
/// of all.
#[derive(Clone, Debug)]
pub struct Retry<S = AnyStore> {
    inner: S,
    policy: Policy,
}

impl<S: Store> Retry<S> {
    /// Gives each operation of `inner` 3 tries within 10 s.
    pub const fn new(inner: S) -> Self {
        Self { inner, policy: Policy::DEFAULT }
    }

    /// At most so many tries; 0 and 1 are one try.
    #[must_use]
    pub const fn tries(mut self, tries: u32) -> Self {
        self.policy.tries = tries;
        self
    }

    /// How long one call may take, whatever it tries.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.policy.deadline = deadline;
        self
    }

    /// Looks at the deadline between tries only: for a store whose tries end by themselves, such as one in a
    /// [`Timeout`](crate::Timeout). It saves each call a timer; a call then takes at most one try longer than the deadline.
    #[must_use]
    pub const fn deadline_between_tries(mut self) -> Self {
        self.policy.cuts_tries = false;
        self
    }

    /// The longest pause before the second try, and the one that it never exceeds however often it is doubled.
    #[must_use]
    pub const fn pauses(mut self, first: Duration, longest: Duration) -> Self {
        self.policy.first = first;
        self.policy.longest = longest;
        self
    }

    async fn single<T, F>(&self, operation: Operation, call: impl Fn() -> F + Send) -> Result<T>
    where
        T: Send,
        F: Future<Output = Result<T>> + Send,
    {
        let mut pace = self.policy.start();
        let mut before: Option<Error> = None;
        loop {
            let error = match pace.within(call()).await {
                Some(Ok(answer)) => return Ok(answer),
                Some(Err(error)) => operation.after(before.as_ref(), error),
                None => return Err(operation.late(before)),
            };
            if !operation.repeats(&error) || !pace.again().await {
                return Err(error);
            }
            before = Some(error);
        }
    }

    async fn create(&self, key: Key<'_>, entry: &NewEntry) -> Result<Version> {
        let mut pace = self.policy.start();
        loop {
            let error = match pace.within(self.inner.put(key, entry.resend(), PutMode::Create)).await {
                Some(Ok(version)) => return Ok(version),
                Some(Err(error)) => error,
                None => return Err(PUT.late(None)),
            };
            if error.outcome() == Outcome::Unknown {
                if self.reads_ahead() {
                    return Err(error);
                }
                return match self.read_back(&mut pace, key).await {
                    Some(found) if found == entry.version() => Ok(found),
                    _ => Err(error), // also if it is absent: ours may have been written and taken
                };
            }
            if !error.is_retryable() || !pace.again().await {
                return Err(error);
            }
        }
    }

    async fn update(&self, key: Key<'_>, entry: &NewEntry, expected: Version) -> Result<Version> {
        let mut pace = self.policy.start();
        let mut first_unknown: Option<Error> = None;
        loop {
            let mode = PutMode::Update(expected);
            let error = match pace.within(self.inner.put(key, entry.resend(), mode)).await {
                Some(Ok(version)) => return Ok(version),
                Some(Err(error)) => error,
                None => return Err(first_unknown.unwrap_or_else(|| PUT.late(None))),
            };
            let again =
                error.is_retryable() || first_unknown.is_some() && error.kind() == ErrorKind::Conflict;
            if first_unknown.is_none() && error.outcome() == Outcome::NotDone {
                if !again || !pace.again().await {
                    return Err(error);
                }
                continue;
            }
            // From here on ours may be there, also when a later try says `Conflict`: an earlier one may have landed.
            let first = first_unknown.get_or_insert(error);
            match self.read_back(&mut pace, key).await {
                Some(found) if found == entry.version() && !self.reads_ahead() => return Ok(found),
                // It cannot land twice, whatever a read shows.
                Some(found) if found == expected && again && pace.again().await => {}
                _ => return Err(first.clone()),
            }
        }
    }

    /// Whether a write that is read may be gone later: to see one's own then proves nothing.
    fn reads_ahead(&self) -> bool {
        self.inner.capabilities().reads_ahead
    }

    /// The version that stands under `key`; `None` if it is absent, or could not be read in time.
    async fn read_back(&self, pace: &mut Pace, key: Key<'_>) -> Option<Version> {
        loop {
            match pace.within(self.inner.get(key)).await? {
                Ok(found) => return found.map(|entry| entry.version),
                Err(error) if error.is_retryable() && pace.again().await => {}
                Err(_) => return None,
            }
        }
    }
}

impl<S: Store> Store for Retry<S> {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        self.single(Operation::read("get"), || self.inner.get(key)).await.map_err(|e| e.at(key))
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        let answer = match mode {
            PutMode::Replace => self.single(PUT, || self.inner.put(key, entry.resend(), mode)).await,
            PutMode::Create => self.create(key, &entry).await,
            PutMode::Update(expected) => self.update(key, &entry, expected).await,
        };
        answer.map_err(|e| e.at(key))
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        let take = Operation { name: "take", rule: Rule::Once };
        self.single(take, || self.inner.take(key, version)).await.map_err(|e| e.at(key))
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        let call = |at: Vec<usize>| async move { self.inner.get_many(&batch::picked(keys, &at)).await };
        batch::run(&self.policy, Operation::read("get_many"), keys, call).await
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        let keys: Vec<_> = entries.iter().map(|(key, _)| *key).collect();
        let entries = &entries;
        let call = |at: Vec<usize>| async move {
            let again = at.iter().filter_map(|at| entries.get(*at));
            self.inner.put_many(again.map(|(key, entry)| (*key, entry.resend())).collect()).await
        };
        let put = Operation { name: "put_many", rule: Rule::Replace };
        batch::run(&self.policy, put, &keys, call).await
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        let call = |at: Vec<usize>| async move { self.inner.delete_many(&batch::picked(keys, &at)).await };
        let delete = Operation { name: "delete_many", rule: Rule::Delete };
        batch::run(&self.policy, delete, keys, call).await
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        self.single(Operation::read("scan"), || self.inner.scan(scan, from)).await
    }

    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        let signal = Operation { name: "signal", rule: Rule::Once };
        self.single(signal, || self.inner.signal(topic, message.clone())).await
    }

    async fn signals(&self, topic: &str) -> Result<Signals> {
        self.single(Operation::read("signals"), || self.inner.signals(topic)).await
    }

    async fn changes(&self) -> Result<Changes> {
        self.single(Operation::read("changes"), || self.inner.changes()).await
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

const PUT: Operation = Operation { name: "put", rule: Rule::Replace };

/// What is repeated, and when that may be.
#[derive(Clone, Copy)]
struct Operation {
    name: &'static str,
    rule: Rule,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// It changes nothing.
    Read,
    /// Twice is once, unless somebody else wrote in between. In a batch the last of duplicates wins.
    Replace,
    /// As `Replace`, whatever the order.
    Delete,
    /// Only what was certainly not done is done again.
    Once,
}

impl Operation {
    const fn read(name: &'static str) -> Self {
        Self { name, rule: Rule::Read }
    }

    fn repeats(self, error: &Error) -> bool {
        error.is_retryable() && (self.rule != Rule::Once || error.outcome() == Outcome::NotDone)
    }

    /// The error of a later try: what may have been done by an earlier one may still have been done.
    fn after(self, before: Option<&Error>, error: Error) -> Error {
        match before {
            Some(before) if self.rule != Rule::Read && before.outcome() == Outcome::Unknown => {
                error.with_outcome(Outcome::Unknown)
            }
            _ => error,
        }
    }

    /// What a call answers whose time ran out during a try.
    fn late(self, before: Option<Error>) -> Error {
        let outcome = if self.rule == Rule::Read { Outcome::NotDone } else { Outcome::Unknown };
        let error = Error::new(ErrorKind::Timeout, "the deadline over all tries has passed");
        let error = error.with_outcome(outcome).during(self.name);
        match before {
            Some(before) => error.because(before),
            None => error,
        }
    }
}
