//! Batches: as many round trips as the limits of the database ask for, each key once, and again what was left over.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{DeleteRequest, KeysAndAttributes, PutRequest, WriteRequest};
use futures_util::stream::{self, StreamExt};
use kv_core::each::Pause;
use kv_core::{Clock, Entry, Error, ErrorKind, Outcome, Result};

use crate::error::classify;
use crate::item::{self, Item, position};
use crate::names::StoredKey;

/// Keys of one `BatchGetItem` (API reference).
pub(crate) const READS: usize = 100;
/// Requests of one `BatchWriteItem` (API reference).
pub(crate) const WRITES: usize = 25;
/// Requests of one batch that are under way at once.
const AT_ONCE: usize = 4;
/// Bytes of names and values that a batch works through before it yields.
pub(crate) const TURN_BYTES: usize = 512 << 10;
/// Times that what was left over is sent again without any progress.
const TRIES: u32 = 8;

/// The two halves of a key.
type Position = (String, String);

/// A list of which some are the same: what is asked for once, and where each stands among those.
#[derive(Debug, PartialEq)]
struct Distinct {
    /// The places of the last of each, in the order of the first of each.
    of: Vec<usize>,
    /// For each place of the list, its own among `of`.
    at: Vec<usize>,
}

impl Distinct {
    async fn of(keys: &[&StoredKey]) -> Self {
        let (mut known, mut of) = (HashMap::with_capacity(keys.len()), Vec::with_capacity(keys.len()));
        let (mut at, mut pause) = (Vec::with_capacity(keys.len()), Pause::every(TURN_BYTES));
        for (n, key) in keys.iter().enumerate() {
            let place = *known.entry(*key).or_insert_with(|| {
                of.push(n);
                of.len() - 1
            });
            if let Some(last) = of.get_mut(place) {
                *last = n;
            }
            at.push(place);
            pause.after(key.pk.len() + key.sk.len()).await;
        }
        Self { of, at }
    }

    /// The last of each.
    fn pick<T>(&self, all: Vec<T>) -> Vec<T> {
        let mut all: Vec<_> = all.into_iter().map(Some).collect();
        self.of.iter().filter_map(|n| all.get_mut(*n).and_then(Option::take)).collect()
    }

    /// Hands each place of the list the answer of its key: a copy, and to the last place of each the answer itself.
    fn spread<A: Clone>(&self, answers: Vec<Result<A>>) -> Vec<Result<A>> {
        let mut answers: Vec<_> = answers.into_iter().map(Some).collect();
        let mut answer = |n: usize, place: usize| {
            let answer = answers.get_mut(place)?;
            if self.of.get(place) == Some(&n) { answer.take() } else { answer.clone() }
        };
        let places = self.at.iter().enumerate();
        places.map(|(n, place)| answer(n, *place).unwrap_or_else(|| Err(unanswered()))).collect()
    }
}

/// The entries under `keys`, in their order; each as it was when its request was answered.
pub(crate) async fn read(
    client: &Client,
    table: &str,
    keys: Vec<StoredKey>,
    clock: &Clock,
) -> Vec<Result<Option<Entry>>> {
    let distinct = Distinct::of(&keys.iter().collect::<Vec<_>>()).await;
    let unique = distinct.pick(keys);
    let answers = in_chunks(unique, READS, |chunk| read_chunk(client, table, chunk, clock)).await;
    distinct.spread(answers)
}

/// What is written under one key.
#[derive(Debug)]
pub(crate) enum Write {
    Put(Item),
    Delete,
}

/// Carries out `writes`; of those under one key the last alone.
pub(crate) async fn write(client: &Client, table: &str, writes: Vec<(StoredKey, Write)>) -> Vec<Result<()>> {
    let distinct = Distinct::of(&writes.iter().map(|(key, _)| key).collect::<Vec<_>>()).await;
    let unique = distinct.pick(writes);
    let answers = in_chunks(unique, WRITES, |chunk| write_chunk(client, table, chunk)).await;
    distinct.spread(answers)
}

/// What `work` answers for each chunk of `all`, a few at a time, in order.
async fn in_chunks<T, A, F>(all: Vec<T>, size: usize, work: impl Fn(Vec<T>) -> F) -> Vec<A>
where
    F: Future<Output = Vec<A>>,
{
    let mut all = all.into_iter();
    let next = || Some(all.by_ref().take(size).collect::<Vec<_>>()).filter(|chunk| !chunk.is_empty());
    let chunks: Vec<_> = std::iter::from_fn(next).collect();
    let answers: Vec<_> = stream::iter(chunks.into_iter().map(work)).buffered(AT_ONCE).collect().await;
    answers.into_iter().flatten().collect()
}

/// Answers of one chunk, while some may still be open.
struct Open<A> {
    answers: Vec<Option<Result<A>>>,
    places: HashMap<Position, usize>,
}

impl<A: Clone> Open<A> {
    fn of<'a>(keys: impl Iterator<Item = &'a StoredKey>) -> Self {
        let places: HashMap<_, _> =
            keys.enumerate().map(|(n, key)| ((key.pk.clone(), key.sk.clone()), n)).collect();
        Self { answers: vec![None; places.len()], places }
    }

    fn place(&self, item: &Item) -> Option<usize> {
        let (pk, sk) = position(item)?;
        self.places.get(&(pk.to_owned(), sk.to_owned())).copied()
    }

    /// Gives all that have no answer yet this one, but for those under `but`.
    fn settle<'a>(&mut self, but: impl Iterator<Item = &'a Item>, with: &Result<A>) {
        let but: Vec<_> = but.filter_map(|item| self.place(item)).collect();
        for (n, open) in self.answers.iter_mut().enumerate() {
            if open.is_none() && !but.contains(&n) {
                *open = Some(with.clone());
            }
        }
    }

    fn fail(mut self, error: Error) -> Vec<Result<A>> {
        self.settle(std::iter::empty(), &Err(error));
        self.done()
    }

    fn done(self) -> Vec<Result<A>> {
        self.answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(unanswered()))).collect()
    }
}

impl Open<Option<Entry>> {
    /// Opens `item` as the answer for its key, one of `keys`.
    fn answer(&mut self, keys: &[StoredKey], item: Item, now_ms: u64) {
        let Some(n) = self.place(&item) else { return };
        if let (Some(open), Some(key)) = (self.answers.get_mut(n), keys.get(n)) {
            *open = Some(item::decode(key, item, now_ms));
        }
    }
}

async fn read_chunk(
    client: &Client,
    table: &str,
    keys: Vec<StoredKey>,
    clock: &Clock,
) -> Vec<Result<Option<Entry>>> {
    let mut open = Open::of(keys.iter());
    let mut rest: Vec<Item> = keys.iter().map(StoredKey::attributes).collect();
    let mut pace = Pace::new();
    while !rest.is_empty() {
        let sent = rest.len();
        let wanted = KeysAndAttributes::builder().set_keys(Some(rest)).consistent_read(true).build();
        let wanted = match wanted {
            Ok(wanted) => wanted,
            Err(e) => return open.fail(unbuilt(e)),
        };
        let answer = match client.batch_get_item().request_items(table, wanted).send().await {
            Ok(answer) => answer,
            Err(e) => return open.fail(classify(&e)),
        };
        let found = answer.responses.and_then(|mut tables| tables.remove(table)).unwrap_or_default();
        let now_ms = clock.unix_ms();
        for item in found {
            open.answer(&keys, item, now_ms);
        }
        rest = answer
            .unprocessed_keys
            .and_then(|mut tables| tables.remove(table))
            .map_or_else(Vec::new, |left| left.keys);
        open.settle(rest.iter(), &Ok(None));
        if !rest.is_empty() && !pace.again(rest.len() < sent).await {
            return open.fail(left_over());
        }
    }
    open.done()
}

async fn write_chunk(client: &Client, table: &str, writes: Vec<(StoredKey, Write)>) -> Vec<Result<()>> {
    let mut open = Open::of(writes.iter().map(|(key, _)| key));
    let mut rest = match writes.into_iter().map(|(key, write)| request(&key, write)).collect() {
        Ok(requests) => requests,
        Err(error) => return open.fail(error),
    };
    let mut pace = Pace::new();
    loop {
        let sent = Vec::len(&rest);
        let answer = match client.batch_write_item().request_items(table, rest).send().await {
            Ok(answer) => answer,
            Err(e) => return open.fail(classify(&e)),
        };
        rest = answer.unprocessed_items.and_then(|mut tables| tables.remove(table)).unwrap_or_default();
        open.settle(rest.iter().filter_map(key_of), &Ok(()));
        if rest.is_empty() {
            return open.done();
        }
        if !pace.again(rest.len() < sent).await {
            return open.fail(left_over());
        }
    }
}

fn request(key: &StoredKey, write: Write) -> Result<WriteRequest> {
    let request = WriteRequest::builder();
    Ok(match write {
        Write::Put(item) => {
            let put = PutRequest::builder().set_item(Some(item)).build().map_err(unbuilt)?;
            request.put_request(put).build()
        }
        Write::Delete => {
            let delete = DeleteRequest::builder().set_key(Some(key.attributes())).build().map_err(unbuilt)?;
            request.delete_request(delete).build()
        }
    })
}

fn key_of(request: &WriteRequest) -> Option<&Item> {
    let put = request.put_request().map(PutRequest::item);
    put.or_else(|| request.delete_request().map(DeleteRequest::key))
}

/// Waits between one round and the next, longer each time, and ends when nothing goes forward.
struct Pace {
    wait: Duration,
    stuck: u32,
}

impl Pace {
    fn new() -> Self {
        Self { wait: Duration::from_millis(10), stuck: 0 }
    }

    /// Whether there is another round; waits for it.
    async fn again(&mut self, progress: bool) -> bool {
        self.stuck = if progress { 0 } else { self.stuck + 1 };
        if self.stuck >= TRIES {
            return false;
        }
        tokio::time::sleep(self.wait.mul_f64(rand::random_range(0.5..1.0))).await;
        self.wait = (self.wait * 2).min(Duration::from_secs(1));
        true
    }
}

fn left_over() -> Error {
    let text = "DynamoDB left this key of the batch out, again and again: the table, or this collection's partition, is \
                at its limit";
    Error::new(ErrorKind::Throttled, text)
}

fn unbuilt(e: aws_sdk_dynamodb::error::BuildError) -> Error {
    Error::new(ErrorKind::Unexpected, "the request could not be built")
        .because(e)
        .with_outcome(Outcome::NotDone)
}

fn unanswered() -> Error {
    Error::new(ErrorKind::Unexpected, "DynamoDB did not answer for this key of the batch")
}

#[cfg(test)]
mod tests {
    use kv_core::Key;

    use super::{Distinct, Open, Pace, TRIES, left_over};
    use crate::names::Names;

    fn keys(ids: &[&str]) -> Vec<crate::names::StoredKey> {
        let names = Names::new("larder");
        ids.iter().map(|id| names.stored(Key::new("c", id))).collect()
    }

    #[tokio::test]
    async fn of_the_same_key_the_last_stands_for_all() {
        let keys = keys(&["a", "b", "a", "c", "b"]);
        let distinct = Distinct::of(&keys.iter().collect::<Vec<_>>()).await;
        assert_eq!(distinct, Distinct { of: vec![2, 4, 3], at: vec![0, 1, 0, 2, 1] });
        assert_eq!(distinct.pick(vec![0, 1, 2, 3, 4]), [2, 4, 3]);
        let answers = distinct.spread(["a", "b", "c"].map(Ok).into());
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, ["a", "b", "a", "c", "b"]);
    }

    /// Counts how often it was copied on its way here.
    #[derive(Debug, PartialEq)]
    struct Copied(usize);

    impl Clone for Copied {
        fn clone(&self) -> Self {
            Self(self.0 + 1)
        }
    }

    #[test]
    fn an_answer_is_copied_only_where_its_key_comes_again() {
        let distinct = Distinct { of: vec![2, 1], at: vec![0, 1, 0] };
        let answers = distinct.spread(vec![Ok(Copied(0)), Ok(Copied(0))]);
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, [Copied(1), Copied(0), Copied(0)]);
        assert!(distinct.spread(Vec::<super::Result<()>>::new()).iter().all(Result::is_err));
    }

    #[test]
    fn what_was_left_over_stays_open_and_the_rest_is_settled() {
        let keys = keys(&["a", "b", "c"]);
        let mut open = Open::of(keys.iter());
        open.settle([keys[1].attributes()].iter(), &Ok(()));
        let answers = open.fail(left_over());
        assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_rounds_end_when_nothing_goes_forward() {
        let mut pace = Pace::new();
        for _ in 0..100 {
            assert!(pace.again(true).await);
        }
        let mut rounds = 1;
        while pace.again(false).await {
            rounds += 1;
        }
        assert_eq!(rounds, TRIES);
    }
}
