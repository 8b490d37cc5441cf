//! Batches: one round trip for 1,000 keys or 8 MiB, to all nodes at once.

use std::borrow::Cow;
use std::collections::HashMap;
use std::iter;
use std::sync::Arc;

use futures_util::future::join_all;
use kv_core::each::Pause;
use kv_core::{Entry, Error, Key, NewEntry, PutMode, Result, Version};
use redis::{Cmd, Pipeline, ServerError, Value};

use crate::cluster::{FOLLOWS, Way, moving};
use crate::error::{self, Fault, nonsense};
use crate::fleet::{Division, Fleet, Homeless, Part, Share};
use crate::link::ServerClock;
use crate::node::Node;
use crate::store::Inner;
use crate::wire::{self, Command, Put};

/// Keys that one round trip carries.
pub(crate) const MOST: usize = 1_000;
const MOST_BYTES: usize = 8 << 20;
/// Values of so many bytes are checked without a pause.
pub(crate) const BYTES_A_TURN: usize = 256 << 10;

/// A key of a batch, and its place there.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) place: usize,
    pub(crate) key: Vec<u8>,
}

/// What of a batch writes, and the place of its answer.
struct Write {
    asked: Asked,
    what: What,
    /// About so many are sent.
    bytes: usize,
}

enum What {
    Put { entry: NewEntry, ttl_ms: Option<u64>, largest: usize },
    Delete,
}

impl Command for Write {
    fn at(&self, clock: &ServerClock) -> Result<Cow<'_, Cmd>> {
        let key = self.asked.key.as_slice();
        match &self.what {
            What::Put { entry, ttl_ms, largest } => {
                let (ttl_ms, largest) = (*ttl_ms, *largest);
                Put { key, entry, ttl_ms, mode: PutMode::Replace, known: true, largest }.cmd(clock)
            }
            What::Delete => Ok(wire::of_key("UNLINK", key)),
        }
        .map(Cow::Owned)
    }
}

impl Part for Asked {
    fn key(&self) -> &[u8] {
        &self.key
    }

    fn place(&self) -> usize {
        self.place
    }
}

impl Part for Write {
    fn key(&self) -> &[u8] {
        &self.asked.key
    }

    fn place(&self) -> usize {
        self.asked.place
    }
}

type Answer<T> = (usize, Result<T>);

/// What one node made of its share.
struct Told<P, T> {
    answers: Vec<Answer<T>>,
    homeless: Vec<Homeless<P>>,
}

impl Inner {
    pub(crate) async fn read_batch(&self, keys: &[Key<'_>]) -> Vec<Result<Option<Entry>>> {
        let answers = self.read_stored(self.asked(keys)).await;
        named("get_many", keys, in_order(keys.len(), answers))
    }

    /// The entries under stored keys, in any order.
    pub(crate) async fn read_stored(&self, asked: Vec<Asked>) -> Vec<Answer<Option<Entry>>> {
        self.everywhere(asked, |share, pause| self.read_share(share, pause)).await
    }

    pub(crate) async fn write_batch(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Vec<Result<Version>> {
        let keys: Vec<_> = entries.iter().map(|(key, _)| *key).collect();
        let versions: Vec<_> = entries.iter().map(|(_, entry)| entry.version()).collect();
        let last: HashMap<_, _> = keys.iter().enumerate().map(|(place, key)| (*key, place)).collect();
        let (mut answers, mut writes, mut overtaken) =
            (Vec::new(), Vec::with_capacity(last.len()), Vec::new());
        let mut pause = Pause::every(BYTES_A_TURN);
        for (place, (key, entry)) in entries.into_iter().enumerate() {
            pause.after(entry.value().len()).await;
            match (self.prepared(place, key, entry), last.get(&key)) {
                (Ok(_), Some(last)) if *last != place => overtaken.push((place, *last)),
                (Ok(write), _) => writes.push(write),
                (Err(error), _) => answers.push((place, Err(error))),
            }
        }
        answers.extend(self.everywhere(writes, |share, pause| self.write_share(share, pause, was_set)).await);
        answers.extend(overtaken.iter().map(|(place, _)| (*place, Ok(()))));
        let mut answers = in_order(keys.len(), answers);
        for (place, last) in overtaken {
            // It would have been written over by the last of its key, which therefore answers for it.
            if let Some(answer) = answers.get(last).cloned()
                && let Some(overtaken) = answers.get_mut(place)
            {
                *overtaken = answer;
            }
        }
        let answers = answers.into_iter().zip(versions);
        named("put_many", &keys, answers.map(|(answer, version)| answer.map(|()| version)).collect())
    }

    pub(crate) async fn delete_batch(&self, keys: &[Key<'_>]) -> Vec<Result<()>> {
        let asked = self.asked(keys);
        let answers = match &self.fleet {
            Fleet::One(node) => delete_on(node, asked).await,
            Fleet::Cluster(_) => {
                let write = |asked: Asked| Write { bytes: asked.key.len(), asked, what: What::Delete };
                let writes = asked.into_iter().map(write).collect();
                self.everywhere(writes, |share, pause| self.write_share(share, pause, was_counted)).await
            }
        };
        named("delete_many", keys, in_order(keys.len(), answers))
    }

    /// Asks the owners of all keys at once. What was not executed for want of an owner goes to the next one.
    async fn everywhere<P: Part, T, F>(
        &self,
        parts: Vec<P>,
        ask: impl Fn(Share<P>, Pause) -> F,
    ) -> Vec<Answer<T>>
    where
        F: Future<Output = Told<P, T>>,
    {
        let mut answers = Vec::with_capacity(parts.len());
        let mut division = self.fleet.divide(parts);
        for _ in 0..FOLLOWS {
            let Division { lead, shares, mut homeless } = division;
            let count = shares.len();
            let asked = shares.into_iter().map(|share| ask(share, Pause::every(BYTES_A_TURN).among(count)));
            for told in join_all(asked).await {
                answers.extend(told.answers);
                homeless.extend(told.homeless);
            }
            let (again, failed) = self.fleet.rehomed(&lead, homeless).await;
            answers.extend(failed.into_iter().map(|(part, error)| (part.place(), Err(error))));
            if again.shares.is_empty() {
                return answers;
            }
            division = again;
        }
        let left = division.shares.iter().flat_map(|share| &share.parts);
        answers.extend(left.map(|part| (part.place(), Err(moving()))));
        answers
    }

    fn asked(&self, keys: &[Key<'_>]) -> Vec<Asked> {
        keys.iter().enumerate().map(|(place, key)| Asked { place, key: self.names.key(*key) }).collect()
    }

    fn prepared(&self, place: usize, key: Key<'_>, entry: NewEntry) -> Result<Write> {
        let key = self.names.key(key);
        let Put { ttl_ms, largest, .. } = self.writing(&key, &entry, PutMode::Replace)?;
        let bytes = key.len() + wire::about(&entry);
        Ok(Write { asked: Asked { place, key }, what: What::Put { entry, ttl_ms, largest }, bytes })
    }

    async fn read_share(&self, share: Share<Asked>, mut pause: Pause) -> Told<Asked, Option<Entry>> {
        let (mut answers, mut homeless) = (Vec::with_capacity(share.parts.len()), Vec::new());
        for (number, chunk) in share.parts.chunks(MOST).enumerate() {
            let values = match self.read_chunk(&share.node, chunk).await {
                Ok(values) => values,
                Err(fault) if fault.is_homeless() => {
                    homeless.extend(left_by(
                        &share.node,
                        share.parts.iter().skip(number * MOST).cloned(),
                        &fault,
                    ));
                    return Told { answers, homeless };
                }
                Err(fault) => {
                    answers.extend(all_failed(chunk.iter(), fault.into()));
                    continue;
                }
            };
            for (asked, value) in chunk.iter().zip(values) {
                let Asked { place, key } = asked;
                let value = match value {
                    Value::ServerError(refusal) if is_elsewhere(&refusal) => {
                        homeless.extend(left_by(
                            &share.node,
                            iter::once(asked.clone()),
                            &Fault::Said(refusal),
                        ));
                        continue;
                    }
                    Value::ServerError(refusal) if refusal.code() == "ASK" => {
                        self.fleet.send(key, &wire::of_key("GET", key), Way::Read).await
                    }
                    value => Ok(value),
                };
                let entry = value.map_err(Error::from).and_then(|value| {
                    if self.names.are_foreign() {
                        return wire::foreign(value);
                    }
                    wire::open(key, value, || share.node.link.clock().now_ms())
                });
                pause.after(entry.as_ref().ok().and_then(Option::as_ref).map_or(0, |e| e.value.len())).await;
                answers.push((*place, entry));
            }
        }
        Told { answers, homeless }
    }

    /// One command reads any number of keys, but in a cluster only those of one slot.
    async fn read_chunk(&self, node: &Node, chunk: &[Asked]) -> Result<Vec<Value>, Fault> {
        if self.fleet.is_one() {
            let cmd = wire::of_keys("MGET", chunk.iter().map(|asked| asked.key.as_slice()));
            let answer = node.link.send(&cmd).await?;
            return wire::many(answer, chunk.len()).map_err(Fault::Unsent);
        }
        let mut pipeline = Pipeline::with_capacity(chunk.len());
        for asked in chunk {
            pipeline.add_command(wire::of_key("GET", &asked.key));
        }
        node.read_all(&pipeline).await
    }

    async fn write_share(
        &self,
        share: Share<Write>,
        mut pause: Pause,
        check: fn(&Value) -> Result<()>,
    ) -> Told<Write, ()> {
        let Share { node, parts } = share;
        let (mut answers, mut homeless) = (Vec::with_capacity(parts.len()), Vec::new());
        let clock = match node.clock().await {
            Ok(clock) => clock,
            Err(fault) if fault.is_homeless() => {
                homeless.extend(left_by(&node, parts.into_iter(), &fault));
                return Told { answers, homeless };
            }
            Err(fault) => {
                answers.extend(all_failed(parts.iter().map(|write| &write.asked), fault.into()));
                return Told { answers, homeless };
            }
        };
        let mut parts = parts.into_iter().peekable();
        while parts.peek().is_some() {
            let (mut writes, mut pipeline, mut bytes) = (Vec::new(), Pipeline::new(), 0);
            while let Some(write) = parts.next_if(|next| fits(writes.len(), bytes, next.bytes)) {
                match write.at(clock) {
                    Ok(cmd) => pipeline.add_command(cmd.into_owned()),
                    Err(error) => {
                        answers.push((write.place(), Err(error)));
                        continue;
                    }
                };
                bytes += write.bytes;
                pause.after(write.bytes).await;
                writes.push(write);
            }
            if writes.is_empty() {
                continue;
            }
            match node.write_all(pipeline).await {
                // What comes behind may write the same keys again: it keeps its place.
                Err(fault) if fault.is_homeless() => {
                    homeless.extend(left_by(&node, writes.into_iter().chain(parts), &fault));
                    return Told { answers, homeless };
                }
                Err(fault) => {
                    answers.extend(all_failed(writes.iter().map(|write| &write.asked), fault.into()));
                }
                Ok(values) => {
                    for (write, value) in writes.into_iter().zip(values) {
                        let value = match value {
                            Value::ServerError(refusal) if is_elsewhere(&refusal) => {
                                homeless.extend(left_by(&node, iter::once(write), &Fault::Said(refusal)));
                                continue;
                            }
                            Value::ServerError(refusal) if refusal.code() == "ASK" => {
                                self.fleet.send(write.key(), &write, Way::Write).await
                            }
                            value => Ok(value),
                        };
                        let outcome = value.map_err(Error::from).and_then(|value| check(&value));
                        pause.after(0).await;
                        answers.push((write.place(), outcome));
                    }
                }
            }
        }
        Told { answers, homeless }
    }
}

async fn delete_on(node: &Node, asked: Vec<Asked>) -> Vec<Answer<()>> {
    let mut answers = Vec::with_capacity(asked.len());
    let mut pause = Pause::every(BYTES_A_TURN);
    for chunk in asked.chunks(MOST) {
        let cmd = wire::of_keys("UNLINK", chunk.iter().map(|asked| asked.key.as_slice()));
        let outcome = node.write(&cmd).await.map_err(Error::from).and_then(|answer| was_counted(&answer));
        for Asked { place, key } in chunk {
            pause.after(key.len()).await;
            answers.push((*place, outcome.clone()));
        }
    }
    answers
}

fn fits(count: usize, bytes: usize, next: usize) -> bool {
    count == 0 || (count < MOST && bytes + next <= MOST_BYTES)
}

fn was_set(answer: &Value) -> Result<()> {
    if wire::was_set(answer)? { Ok(()) } else { Err(nonsense()) }
}

fn was_counted(answer: &Value) -> Result<()> {
    wire::number(answer).map(drop)
}

/// Whether another node may own the key; nothing was executed then. What moves just now (`ASK`) is followed by itself.
fn is_elsewhere(refusal: &ServerError) -> bool {
    matches!(error::code(refusal), "MOVED" | "READONLY" | "CLUSTERDOWN")
}

fn left_by<P>(
    node: &Arc<Node>,
    parts: impl Iterator<Item = P>,
    fault: &Fault,
) -> impl Iterator<Item = Homeless<P>> {
    parts.map(|part| Homeless { part, node: Some(Arc::clone(node)), fault: fault.clone() })
}

fn all_failed<'a, T>(
    asked: impl Iterator<Item = &'a Asked>,
    error: Error,
) -> impl Iterator<Item = Answer<T>> {
    asked.map(move |asked| (asked.place, Err(error.clone())))
}

/// The answers by their places.
fn in_order<T>(count: usize, mut answers: Vec<Answer<T>>) -> Vec<Result<T>> {
    answers.sort_unstable_by_key(|(place, _)| *place);
    let mut answers = answers.into_iter().peekable();
    // A place without answer would be a reply shorter than its request.
    let mut answer =
        |place| answers.next_if(|(at, _)| *at == place).map_or_else(|| Err(nonsense()), |(_, answer)| answer);
    (0..count).map(&mut answer).collect()
}

fn named<T>(operation: &'static str, keys: &[Key<'_>], answers: Vec<Result<T>>) -> Vec<Result<T>> {
    let named =
        keys.iter().zip(answers).map(|(key, answer)| answer.map_err(|e| e.during(operation).at(*key)));
    named.collect()
}
