//! Batches: only the keys that failed are sent again, and each keeps the answer that counts.

use std::collections::HashSet;
use std::future::Future;

use super::pace::Policy;
use super::{Operation, Rule};
use crate::{Error, ErrorKind, Key, Result};

/// The keys at these places.
pub(super) fn picked<'a>(keys: &[Key<'a>], at: &[usize]) -> Vec<Key<'a>> {
    at.iter().filter_map(|at| keys.get(*at).copied()).collect()
}

/// Runs `call` for all keys, then for those that may be repeated, until none is left or there is no further try.
pub(super) async fn run<T, F>(
    policy: &Policy,
    operation: Operation,
    keys: &[Key<'_>],
    call: impl Fn(Vec<usize>) -> F + Send + Sync,
) -> Result<Vec<Result<T>>>
where
    T: Send,
    F: Future<Output = Result<Vec<Result<T>>>> + Send,
{
    let mut pace = policy.start();
    let mut answers = Answers::new(operation, keys);
    loop {
        let again = match pace.within(call(answers.open.clone())).await {
            Some(Ok(batch)) => answers.take_in(batch),
            // The outer error means that nothing was sent this time.
            Some(Err(error)) if !(error.is_retryable() && pace.again().await) => return answers.or(error),
            Some(Err(_)) => continue,
            None => {
                answers.late();
                false
            }
        };
        if !again || !pace.again().await {
            return Ok(answers.whole());
        }
    }
}

/// What is known so far of each key.
struct Answers<'k, 'a, T> {
    operation: Operation,
    keys: &'k [Key<'a>],
    found: Vec<Option<Result<T>>>,
    /// The places still to be sent, ascending.
    open: Vec<usize>,
}

impl<'k, 'a, T> Answers<'k, 'a, T> {
    fn new(operation: Operation, keys: &'k [Key<'a>]) -> Self {
        Self { operation, keys, found: keys.iter().map(|_| None).collect(), open: (0..keys.len()).collect() }
    }

    /// Notes the answers of one try, and whether any key is worth another.
    fn take_in(&mut self, batch: Vec<Result<T>>) -> bool {
        let sent = std::mem::take(&mut self.open);
        for (at, answer) in sent.iter().zip(batch) {
            self.note(*at, answer);
        }
        self.open = self.to_repeat(&sent);
        !self.open.is_empty()
    }

    fn note(&mut self, at: usize, answer: Result<T>) {
        let Some(found) = self.found.get_mut(at) else { return };
        let before = found.take().and_then(Result::err);
        *found = Some(answer.map_err(|error| self.operation.after(before.as_ref(), error)));
    }

    /// Of duplicate writes the last wins: one is repeated only together with all that came after it.
    fn to_repeat(&self, sent: &[usize]) -> Vec<usize> {
        let ordered = self.operation.rule == Rule::Replace;
        let mut settled = HashSet::new();
        let mut again = Vec::new();
        for at in sent.iter().rev() {
            let (Some(key), Some(Some(answer))) = (self.keys.get(*at), self.found.get(*at)) else { continue };
            let repeats = answer.as_ref().is_err_and(|error| self.operation.repeats(error));
            if repeats && !(ordered && settled.contains(key)) {
                again.push(*at);
            } else if ordered {
                settled.insert(*key);
            }
        }
        again.reverse();
        again
    }

    /// The time ran out while these were on their way.
    fn late(&mut self) {
        for at in std::mem::take(&mut self.open) {
            let before = self.found.get_mut(at).and_then(Option::take).and_then(Result::err);
            let late = self.operation.late(before);
            self.note(at, Err(late));
        }
    }

    /// What to answer when a try as a whole came to nothing: that, unless an earlier one had sent something.
    fn or(self, error: Error) -> Result<Vec<Result<T>>> {
        if self.found.iter().all(Option::is_none) { Err(error) } else { Ok(self.whole()) }
    }

    fn whole(self) -> Vec<Result<T>> {
        let short = || Error::new(ErrorKind::Unexpected, "the store answered for fewer keys than were asked");
        let named = |error: Error, key: &Key<'_>| error.during(self.operation.name).at(*key);
        let answers = self.found.into_iter().zip(self.keys);
        answers
            .map(|(found, key)| found.unwrap_or_else(|| Err(short())).map_err(|error| named(error, key)))
            .collect()
    }
}
