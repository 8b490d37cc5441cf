//! Raw redb 4: `Immediate` commits with quick repair, alone or grouped by one writing thread.

use std::sync::{Arc, mpsc};
use std::thread;

use bytes::Bytes;
use redb::{Builder, Database, Durability, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::subject::{Conditional, Engine, Points, Subject, listed};
use crate::workload::{BATCH, IN_COLLECTION, Name, RawVersion, Values, new_version, versioned};

const DATA: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("data");
/// At most so many writes in one commit.
const GROUP: usize = 512;

/// An open redb; its directory goes away with the last handle.
#[derive(Clone, Debug)]
pub struct Redb {
    db: Arc<Database>,
    writer: Option<mpsc::Sender<Job>>,
    _dir: Arc<TempDir>,
}

/// What becomes of an entry.
type Write = (Name, Change);

#[derive(Clone, Debug)]
enum Change {
    Put(Bytes),
    /// A new value for one of this version.
    Replace(RawVersion, Vec<u8>),
    Take,
}

/// For each removed entry, what it was.
type Taken = Vec<Option<Vec<u8>>>;

#[derive(Debug)]
struct Job {
    writes: Vec<Write>,
    reply: oneshot::Sender<Taken>,
}

impl Redb {
    /// A new one in this directory.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn open(dir: TempDir, cache_bytes: usize) -> Self {
        let mut builder = Builder::new();
        builder.set_cache_size(cache_bytes);
        let db = builder.create(dir.path().join("store.redb")).expect("redb opens");
        commit(&db, &[]);
        Self { db: Arc::new(db), writer: None, _dir: Arc::new(dir) }
    }

    /// The same engine with one thread that commits for all who wait.
    #[must_use]
    pub fn grouped(&self) -> Self {
        let (writer, jobs) = mpsc::channel();
        let db = Arc::clone(&self.db);
        thread::spawn(move || run(&db, &jobs));
        Self { writer: Some(writer), ..self.clone() }
    }

    async fn write(&self, writes: Vec<Write>) -> Taken {
        let Some(thread) = &self.writer else { return commit(&self.db, &writes) };
        let (reply, answer) = oneshot::channel();
        thread.send(Job { writes, reply }).expect("the writer runs as long as its handles");
        answer.await.expect("the writer answers")
    }

    fn read(&self, numbers: &[u64]) -> Vec<Option<Vec<u8>>> {
        let table = self.db.begin_read().expect("a read begins").open_table(DATA).expect("a table opens");
        let get = |number: &u64| table.get(Name::of(*number).as_bytes()).expect("a get succeeds");
        numbers.iter().map(|number| get(number).map(|found| found.value().to_vec())).collect()
    }
}

fn run(db: &Database, jobs: &mpsc::Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let mut round = vec![first];
        let mut writes = 0;
        while writes < GROUP
            && let Ok(job) = jobs.try_recv()
        {
            writes += job.writes.len();
            round.push(job);
        }
        let all: Vec<_> = round.iter_mut().flat_map(|job| std::mem::take(&mut job.writes)).collect();
        let mut taken = commit(db, &all).into_iter();
        let removes = all.iter().filter(|(_, change)| matches!(change, Change::Take)).count();
        let each = removes / round.len(); // all jobs of a round are of one kind
        for job in round {
            drop(job.reply.send(taken.by_ref().take(each).collect()));
        }
    }
}

fn commit(db: &Database, writes: &[Write]) -> Taken {
    let mut write = db.begin_write().expect("a write begins");
    write.set_durability(Durability::Immediate).expect("the durability can be chosen");
    write.set_quick_repair(true);
    let mut table = write.open_table(DATA).expect("a table opens");
    let mut taken = Vec::new();
    for (name, change) in writes {
        let name = name.as_bytes();
        match change {
            Change::Put(value) => drop(table.insert(name, value.as_ref()).expect("an insert succeeds")),
            Change::Replace(version, value) => {
                let found = table.get(name).expect("a get succeeds");
                assert!(found.is_some_and(|found| found.value().starts_with(version)), "nobody else wrote");
                table.insert(name, value.as_slice()).expect("an insert succeeds");
            }
            Change::Take => {
                let old = table.remove(name).expect("a remove succeeds");
                taken.push(old.map(|old| old.value().to_vec()));
            }
        }
    }
    drop(table);
    write.commit().expect("a commit succeeds");
    taken
}

impl Points for Redb {
    type Value = Vec<u8>;

    async fn get(&mut self, number: u64) -> Option<Vec<u8>> {
        let table = self.db.begin_read().expect("a read begins").open_table(DATA).expect("a table opens");
        let found = table.get(Name::of(number).as_bytes()).expect("a get succeeds");
        found.map(|found| found.value().to_vec())
    }

    async fn put(&mut self, number: u64, value: &Bytes) {
        self.write(vec![(Name::of(number), Change::Put(value.clone()))]).await;
    }
}

impl Subject for Redb {
    type Page = Vec<(Vec<u8>, Vec<u8>)>;

    async fn put_with_ttl(&mut self, number: u64, value: &Bytes) {
        self.put(number, value).await;
    }

    async fn take(&mut self, number: u64) -> Option<Vec<u8>> {
        self.write(vec![(Name::of(number), Change::Take)]).await.pop().flatten()
    }

    async fn get_many(&mut self, numbers: &[u64; BATCH]) -> Vec<Option<Vec<u8>>> {
        self.read(numbers)
    }

    async fn put_many(&mut self, numbers: &[u64; BATCH], values: &Values) {
        self.put_batch(numbers, |number| values.of(number).clone()).await;
    }

    async fn page(&mut self, number: u64) -> Self::Page {
        let first = number - number % IN_COLLECTION;
        let (begin, end) = (Name::of(first), Name::of(first + IN_COLLECTION));
        let table = self.db.begin_read().expect("a read begins").open_table(DATA).expect("a table opens");
        let range = table.range(begin.as_bytes()..end.as_bytes()).expect("a range opens");
        let entries = range.map(|entry| entry.expect("a scan succeeds"));
        entries.map(|(key, value)| (key.value().to_vec(), value.value().to_vec())).collect()
    }

    fn listed(page: &Self::Page) -> Vec<(String, Vec<u8>)> {
        listed::<Self>(page)
    }

    fn values(page: &Self::Page) -> impl Iterator<Item = &[u8]> {
        page.iter().map(|(_, value)| value.as_ref())
    }
}

impl Engine for Redb {
    async fn put_batch(&mut self, numbers: &[u64; BATCH], value: impl Fn(u64) -> Bytes + Send) {
        let writes = numbers.iter().map(|number| (Name::of(*number), Change::Put(value(*number)))).collect();
        self.write(writes).await;
    }

    fn entries(page: &Self::Page) -> impl Iterator<Item = (&[u8], &[u8])> {
        page.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }
}

impl Conditional for Redb {
    type Version = RawVersion;

    async fn begin(&mut self, number: u64, value: &Bytes) -> RawVersion {
        let version = new_version();
        self.write(vec![(Name::of(number), Change::Put(versioned(&version, value).into()))]).await;
        version
    }

    async fn update(&mut self, number: u64, version: RawVersion, value: &Bytes) -> RawVersion {
        let next = new_version();
        self.write(vec![(Name::of(number), Change::Replace(version, versioned(&next, value)))]).await;
        next
    }
}
