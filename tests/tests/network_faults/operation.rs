//! The operations, each with what is right: the answer, and what is stored before and after.

use bytes::Bytes;
use kv_core::{AnyStore, Collections, Key, NewEntry, PutMode, Result, Scan, Store as _, Version};

/// One call of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Get,
    GetAbsent,
    Replace,
    Create,
    Update,
    Take,
    TakeVersion,
    GetMany,
    PutMany,
    DeleteMany,
    Scan,
}

use Operation::{Create, DeleteMany, Get, GetAbsent, GetMany, PutMany, Replace, Take, TakeVersion, Update};

pub(crate) const ALL: [Operation; 11] = [
    Get,
    GetAbsent,
    Replace,
    Create,
    Update,
    Take,
    TakeVersion,
    GetMany,
    PutMany,
    DeleteMany,
    Operation::Scan,
];

/// What a call answers for one id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Value(Option<Bytes>),
    Done,
    Listed(Vec<String>),
}

/// One id that a call concerned.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) id: String,
    pub(crate) result: Result<Answer>,
    pub(crate) right: Answer,
    pub(crate) before: Option<Bytes>,
    pub(crate) after: Option<Bytes>,
}

/// What is there before the call: `probe`, which nobody touches, `one`, and `m0` to `m9`.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) collection: String,
    /// Of `one`.
    version: Version,
}

pub(crate) const PROBE: &str = "probe";
const ONE: &str = "one";
const NONE: &str = "none";
const MANY: usize = 10;

fn many() -> [String; MANY] {
    std::array::from_fn(|number| format!("m{number}"))
}

/// What is stored at first, different for each id.
pub(crate) fn old(id: &str) -> Bytes {
    format!("what {id} was before; ").repeat(20).into()
}

fn new(id: &str) -> Bytes {
    format!("what {id} is after; ").repeat(20).into()
}

impl Ground {
    pub(crate) async fn prepare(truth: &AnyStore, collection: String) -> Self {
        let ids = many();
        let ids = ids.iter().map(String::as_str).chain([PROBE]);
        let entries = ids.map(|id| (Key::new(&collection, id), NewEntry::new(old(id)))).collect();
        for put in truth.put_many(entries).await.expect("a batch") {
            put.expect("an entry of the ground");
        }
        let one = NewEntry::new(old(ONE));
        let version = truth.put(Key::new(&collection, ONE), one, PutMode::Replace).await.expect("an entry");
        Self { collection, version }
    }

    fn key<'a>(&'a self, id: &'a str) -> Key<'a> {
        Key::new(&self.collection, id)
    }
}

impl Operation {
    /// Whether it removes what it answers.
    pub(crate) fn takes(self) -> bool {
        matches!(self, Take | TakeVersion)
    }

    /// Makes the call.
    pub(crate) async fn run(self, store: &AnyStore, ground: &Ground) -> Vec<Part> {
        let one = |result, right, after| part(ONE, result, right, Some(old(ONE)), after);
        let was = || Answer::Value(Some(old(ONE)));
        let key = ground.key(ONE);
        match self {
            Get => vec![one(get(store, key).await, was(), Some(old(ONE)))],
            GetAbsent => {
                vec![part(NONE, get(store, ground.key(NONE)).await, Answer::Value(None), None, None)]
            }
            Replace => vec![one(put(store, key, PutMode::Replace).await, Answer::Done, Some(new(ONE)))],
            Create => {
                let result = put(store, ground.key(NONE), PutMode::Create).await;
                vec![part(NONE, result, Answer::Done, None, Some(new(NONE)))]
            }
            Update => {
                let result = put(store, key, PutMode::Update(ground.version)).await;
                vec![one(result, Answer::Done, Some(new(ONE)))]
            }
            Take => vec![one(take(store, key, None).await, was(), None)],
            TakeVersion => vec![one(take(store, key, Some(ground.version)).await, was(), None)],
            GetMany | PutMany | DeleteMany => self.run_batch(store, ground).await,
            Self::Scan => vec![one(scan(store, ground).await, Answer::Listed(listed()), Some(old(ONE)))],
        }
    }

    async fn run_batch(self, store: &AnyStore, ground: &Ground) -> Vec<Part> {
        let ids = many();
        let keys: Vec<_> = ids.iter().map(|id| ground.key(id)).collect();
        let results: Result<Vec<Result<Answer>>> = match self {
            PutMany => {
                let entries = keys.iter().map(|key| (*key, NewEntry::new(new(key.id)))).collect();
                store
                    .put_many(entries)
                    .await
                    .map(|all| all.into_iter().map(|one| one.map(|_| Answer::Done)).collect())
            }
            DeleteMany => store
                .delete_many(&keys)
                .await
                .map(|all| all.into_iter().map(|one| one.map(|()| Answer::Done)).collect()),
            _ => store.get_many(&keys).await.map(|all| {
                all.into_iter()
                    .map(|one| one.map(|entry| Answer::Value(entry.map(|entry| entry.value))))
                    .collect()
            }),
        };
        let results = results.unwrap_or_else(|error| vec![Err(error); MANY]);
        assert_eq!(results.len(), MANY, "one result for each key");
        ids.iter().zip(results).map(|(id, result)| self.of_batch(id, result)).collect()
    }

    fn of_batch(self, id: &str, result: Result<Answer>) -> Part {
        let (right, after) = match self {
            PutMany => (Answer::Done, Some(new(id))),
            DeleteMany => (Answer::Done, None),
            _ => (Answer::Value(Some(old(id))), Some(old(id))),
        };
        part(id, result, right, Some(old(id)), after)
    }
}

fn part(
    id: &str,
    result: Result<Answer>,
    right: Answer,
    before: Option<Bytes>,
    after: Option<Bytes>,
) -> Part {
    Part { id: id.to_owned(), result, right, before, after }
}

async fn get(store: &AnyStore, key: Key<'_>) -> Result<Answer> {
    store.get(key).await.map(|entry| Answer::Value(entry.map(|entry| entry.value)))
}

async fn put(store: &AnyStore, key: Key<'_>, mode: PutMode) -> Result<Answer> {
    store.put(key, NewEntry::new(new(key.id)), mode).await.map(|_| Answer::Done)
}

async fn take(store: &AnyStore, key: Key<'_>, version: Option<Version>) -> Result<Answer> {
    store.take(key, version).await.map(|entry| Answer::Value(entry.map(|entry| entry.value)))
}

/// All pages; an unordered store may list an id twice.
async fn scan(store: &AnyStore, ground: &Ground) -> Result<Answer> {
    let scan = Scan::one(&ground.collection).limit(5);
    assert_eq!(scan.collections, Collections::One(&ground.collection));
    let (mut ids, mut from) = (Vec::new(), None);
    loop {
        let page = store.scan(scan, from.as_ref()).await?;
        ids.extend(page.items.into_iter().map(|item| String::from(item.id)));
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(Answer::Listed(ids))
}

fn listed() -> Vec<String> {
    let mut ids: Vec<_> = many().into_iter().chain([ONE.to_owned(), PROBE.to_owned()]).collect();
    ids.sort_unstable();
    ids
}
