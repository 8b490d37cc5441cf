//! Batches: one round trip for 1,000 keys or 8 MiB, to all nodes at once.

use futures_util::future::join_all;
use kv_core::each::Pause;
use kv_core::{Entry, Error, Key, NewEntry, Result, Version};
use redis::{Cmd, Pipeline, Value};

use crate::cluster::Way;
use crate::error::{Fault, nonsense};
use crate::fleet::{Fleet, Share, moved};
use crate::node::Node;
use crate::store::Inner;
use crate::wire;

/// Keys that one round trip carries.
pub(crate) const MOST: usize = 1_000;
const MOST_BYTES: usize = 8 << 20;
/// What a read is taken to bring: for the patience with its answer.
const GUESS: usize = 4 << 10;
/// Values of so many bytes are checked without a pause.
pub(crate) const BYTES_A_TURN: usize = 256 << 10;

/// A key of a batch, and its place there.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) place: usize,
    pub(crate) key: Vec<u8>,
}

/// A command of a batch that writes, and the place of its answer.
struct Write {
    asked: Asked,
    cmd: Cmd,
    bytes: usize,
}

type Answer<T> = (usize, Result<T>);

impl Inner {
    pub(crate) async fn read_batch(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        let answers = self.read_stored(self.asked(keys)).await?;
        Ok(named("get_many", keys, in_order(keys.len(), answers)))
    }

    /// The entries under stored keys, in any order.
    pub(crate) async fn read_stored(&self, asked: Vec<Asked>) -> Result<Vec<Answer<Option<Entry>>>> {
        let shares = self.fleet.divide(asked, |asked| &asked.key)?;
        let answers = join_all(shares.iter().map(|share| self.read_share(share))).await;
        Ok(answers.into_iter().flatten().collect())
    }

    pub(crate) async fn write_batch(
        &self,
        entries: Vec<(Key<'_>, NewEntry)>,
    ) -> Result<Vec<Result<Version>>> {
        let keys: Vec<_> = entries.iter().map(|(key, _)| *key).collect();
        let versions: Vec<_> = entries.iter().map(|(_, entry)| entry.version()).collect();
        let (mut answers, mut writes) = (Vec::new(), Vec::with_capacity(entries.len()));
        let mut pause = Pause::every(BYTES_A_TURN);
        for (place, (key, entry)) in entries.into_iter().enumerate() {
            pause.after(entry.value().len()).await;
            match self.prepared(place, key, &entry) {
                Ok(write) => writes.push(write),
                Err(error) => answers.push((place, Err(error))),
            }
        }
        let shares = self.fleet.divide(writes, |write| &write.asked.key)?;
        let written = join_all(shares.into_iter().map(|share| self.write_share(share, was_set))).await;
        answers.extend(written.into_iter().flatten());
        let answers = in_order(keys.len(), answers).into_iter().zip(versions);
        Ok(named("put_many", &keys, answers.map(|(answer, version)| answer.map(|()| version)).collect()))
    }

    pub(crate) async fn delete_batch(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        let asked = self.asked(keys);
        let answers = match &self.fleet {
            Fleet::One(node) => delete_on(node, asked).await,
            Fleet::Cluster(_) => {
                let write = |asked: Asked| Write {
                    cmd: wire::of_key("UNLINK", &asked.key),
                    bytes: asked.key.len(),
                    asked,
                };
                let writes = asked.into_iter().map(write).collect();
                let shares = self.fleet.divide(writes, |write| &write.asked.key)?;
                let gone =
                    join_all(shares.into_iter().map(|share| self.write_share(share, was_counted))).await;
                gone.into_iter().flatten().collect()
            }
        };
        Ok(named("delete_many", keys, in_order(keys.len(), answers)))
    }

    fn asked(&self, keys: &[Key<'_>]) -> Vec<Asked> {
        keys.iter().enumerate().map(|(place, key)| Asked { place, key: self.names.key(*key) }).collect()
    }

    fn prepared(&self, place: usize, key: Key<'_>, entry: &NewEntry) -> Result<Write> {
        let key = self.names.key(key);
        let (stored, ttl_ms) = self.stored(&key, entry)?;
        let cmd = wire::set(&key, &stored, ttl_ms, false);
        Ok(Write { bytes: key.len() + stored.len(), asked: Asked { place, key }, cmd })
    }

    async fn read_share(&self, share: &Share<Asked>) -> Vec<Answer<Option<Entry>>> {
        let mut answers = Vec::with_capacity(share.parts.len());
        let mut pause = Pause::every(BYTES_A_TURN);
        for chunk in share.parts.chunks(MOST) {
            let values = match self.read_chunk(&share.node, chunk).await {
                Ok(values) => values,
                Err(fault) => {
                    answers.extend(all_failed(chunk.iter(), fault.into()));
                    continue;
                }
            };
            for (Asked { place, key }, value) in chunk.iter().zip(values) {
                let value = if moved(&value) {
                    self.fleet.send(key, &wire::of_key("GET", key), Way::Read).await
                } else {
                    Ok(value)
                };
                let entry = value.map_err(Error::from).and_then(|value| {
                    if self.names.are_foreign() {
                        return wire::foreign(value);
                    }
                    let now = share.node.link.clock().now_ms();
                    wire::open(key, value, now)
                });
                pause.after(entry.as_ref().ok().and_then(Option::as_ref).map_or(0, |e| e.value.len())).await;
                answers.push((*place, entry));
            }
        }
        answers
    }

    /// One command reads any number of keys, but in a cluster only those of one slot.
    async fn read_chunk(&self, node: &Node, chunk: &[Asked]) -> Result<Vec<Value>, Fault> {
        if self.fleet.is_one() {
            let cmd = wire::of_keys("MGET", chunk.iter().map(|asked| asked.key.as_slice()));
            let answer = node.link.send_long(&cmd, chunk.len() * GUESS).await?;
            return wire::many(answer, chunk.len()).map_err(Fault::Unsent);
        }
        let mut pipeline = Pipeline::with_capacity(chunk.len());
        for asked in chunk {
            pipeline.add_command(wire::of_key("GET", &asked.key));
        }
        node.read_all(&pipeline).await
    }

    async fn write_share(&self, share: Share<Write>, check: fn(&Value) -> Result<()>) -> Vec<Answer<()>> {
        let mut answers = Vec::with_capacity(share.parts.len());
        let mut pause = Pause::every(BYTES_A_TURN);
        let mut parts = share.parts.into_iter().peekable();
        while parts.peek().is_some() {
            let (mut asked, mut pipeline, mut bytes) = (Vec::new(), Pipeline::new(), 0);
            while let Some(write) = parts.next_if(|next| fits(asked.len(), bytes, next.bytes)) {
                bytes += write.bytes;
                pipeline.add_command(write.cmd);
                pause.after(write.bytes).await;
                asked.push(write.asked);
            }
            match share.node.write_all(&mut pipeline).await {
                Err(fault) => answers.extend(all_failed(asked.iter(), fault.into())),
                Ok(values) => {
                    for ((asked, value), cmd) in asked.iter().zip(values).zip(pipeline.cmd_iter()) {
                        let value = if moved(&value) {
                            self.fleet.send(&asked.key, cmd, Way::Write).await
                        } else {
                            Ok(value)
                        };
                        let outcome = value.map_err(Error::from).and_then(|value| check(&value));
                        pause.after(0).await;
                        answers.push((asked.place, outcome));
                    }
                }
            }
        }
        answers
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
