//! The crate `mongodb`, one client for all tasks, with the store's write concern and as many connections.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kv_core::StoreExt as _;
use kv_mongo::{MongoConfig, MongoStore};
use larder_benches::larder::{Larder, TTL};
use larder_benches::subject::{Conditional, Points, Subject};
use larder_benches::workload::{BATCH, IN_COLLECTION, Name, RawVersion, Values, new_version};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, DateTime, RawArrayBuf, RawDocument, RawDocumentBuf, doc, rawdoc};
use mongodb::options::{ClientOptions, WriteConcern};
use mongodb::{Client, Collection, Database};

use super::{Failure, fresh, server};
use crate::operations::{self, Load};
use larder_benches::measure::Plan;

/// The stand-in for `MongoDB` passes over a whole collection for each batch.
const LOAD: Load = Load { keys: 1_000, taken: [3_200; 2], pages: &[1] };
/// As long as the slow stand-in may need to answer 64 at once.
const PATIENCE: Duration = Duration::from_secs(60);
/// 9999-12-31: the deadline of what never expires, as the store writes it.
const NEVER_MS: i64 = 253_402_214_400_000;

pub(crate) fn run(plan: &Plan) -> Result<(), Failure> {
    let url = server("LARDER_TEST_MONGODB", "mongodb")?;
    let (larder, collection, raw) = plan.block_on(async {
        let mut config = MongoConfig::new(&format!("{url}&connectTimeoutMS=60000"))?;
        config.collection = fresh("larder");
        config.patience = PATIENCE;
        let (database, collection) = (config.database.clone(), config.collection.clone());
        let larder = Larder(MongoStore::open(config).await?.erased());
        Ok::<_, Failure>((larder, collection, Raw::open(&url, &database).await?))
    })?;
    operations::compare(plan, "mongo", LOAD, &larder, &raw);
    plan.block_on(async {
        raw.database.collection::<RawDocumentBuf>(&collection).drop().await?;
        Ok(raw.collection.drop().await?)
    })
}

#[derive(Clone)]
struct Raw {
    database: Database,
    collection: Collection<RawDocumentBuf>,
}

impl Raw {
    async fn open(url: &str, database: &str) -> Result<Self, Failure> {
        let mut options = ClientOptions::parse(url).await?;
        options.server_selection_timeout = Some(PATIENCE);
        options.connect_timeout = Some(PATIENCE);
        options.max_pool_size = Some(32);
        let mut concern = WriteConcern::majority();
        concern.journal = Some(true);
        options.write_concern = Some(concern);
        let database = Client::with_options(options)?.database(database);
        let collection = database.collection(&fresh("driver"));
        Ok(Self { database, collection })
    }

    async fn replace(&self, number: u64, document: RawDocumentBuf) {
        let replaced = self.collection.replace_one(doc! { "_id": id(number) }, document).upsert(true);
        replaced.await.expect("a put succeeds");
    }
}

fn id(number: u64) -> String {
    Name::of(number).as_str().to_owned()
}

fn binary(bytes: &[u8]) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() }
}

fn document(number: u64, version: RawVersion, value: &Bytes, deadline_ms: i64) -> RawDocumentBuf {
    rawdoc! {
        "_id": id(number),
        "v": binary(&version),
        "x": DateTime::from_millis(deadline_ms),
        "d": binary(value),
    }
}

fn value_of(document: &RawDocument) -> Vec<u8> {
    document.get_binary("d").expect("a value").bytes.to_vec()
}

fn id_of(document: &RawDocument) -> String {
    document.get_str("_id").expect("an id").to_owned()
}

impl Points for Raw {
    type Value = Vec<u8>;

    async fn get(&mut self, number: u64) -> Option<Vec<u8>> {
        let found = self.collection.find_one(doc! { "_id": id(number) }).await.expect("a get succeeds");
        found.as_deref().map(value_of)
    }

    async fn put(&mut self, number: u64, value: &Bytes) {
        self.replace(number, document(number, new_version(), value, NEVER_MS)).await;
    }
}

impl Subject for Raw {
    type Page = Vec<(String, Vec<u8>)>;

    async fn put_with_ttl(&mut self, number: u64, value: &Bytes) {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default() + TTL;
        let deadline = i64::try_from(now.as_millis()).unwrap_or(NEVER_MS);
        self.replace(number, document(number, new_version(), value, deadline)).await;
    }

    async fn take(&mut self, number: u64) -> Option<Vec<u8>> {
        let taken = self.collection.find_one_and_delete(doc! { "_id": id(number) });
        taken.await.expect("a take succeeds").as_deref().map(value_of)
    }

    async fn get_many(&mut self, numbers: &[u64; BATCH]) -> Vec<Option<Vec<u8>>> {
        let ids = numbers.map(id);
        let wanted = doc! { "_id": { "$in": ids.as_slice() } };
        let find = self.collection.find(wanted).batch_size(u32::try_from(BATCH + 1).unwrap_or_default());
        let mut cursor = find.await.expect("a batch is read");
        let mut found = HashMap::with_capacity(BATCH);
        while cursor.advance().await.expect("a batch goes on") {
            found.insert(id_of(cursor.current()), value_of(cursor.current()));
        }
        ids.iter().map(|id| found.get(id).cloned()).collect()
    }

    /// One `update` command with a replacement for each: the driver's `bulk_write` wants `MongoDB` 8.
    async fn put_many(&mut self, numbers: &[u64; BATCH], values: &Values) {
        let mut updates = RawArrayBuf::new();
        for number in numbers {
            let document = document(*number, new_version(), values.of(*number), NEVER_MS);
            updates.push(rawdoc! { "q": { "_id": id(*number) }, "u": document, "upsert": true });
        }
        let command = rawdoc! {
            "update": self.collection.name(),
            "updates": updates,
            "ordered": false,
            "writeConcern": { "w": "majority", "j": true },
        };
        let answer = self.database.run_raw_command(command).await.expect("a batch is written");
        assert!(!answer.contains_key("writeErrors"), "{answer}");
    }

    async fn page(&mut self, number: u64) -> Self::Page {
        let collection = Name::of(number).parts().0.to_owned();
        let range = doc! { "_id": { "$gte": format!("{collection}/"), "$lt": format!("{collection}0") } };
        let size = u32::try_from(IN_COLLECTION + 1).unwrap_or(u32::MAX); // room for one more, so that one answer ends it
        let find = self.collection.find(range).batch_size(size).sort(doc! { "_id": 1 });
        let mut cursor = find.await.expect("a page is read");
        let mut page = Vec::new();
        while cursor.advance().await.expect("a page goes on") {
            page.push((id_of(cursor.current()), value_of(cursor.current())));
        }
        page
    }

    fn listed(page: &Self::Page) -> Vec<(String, Vec<u8>)> {
        page.clone()
    }

    fn values(page: &Self::Page) -> impl Iterator<Item = &[u8]> {
        page.iter().map(|(_, value)| value.as_ref())
    }
}

impl Conditional for Raw {
    type Version = RawVersion;

    async fn begin(&mut self, number: u64, value: &Bytes) -> RawVersion {
        let version = new_version();
        self.replace(number, document(number, version, value, NEVER_MS)).await;
        version
    }

    async fn update(&mut self, number: u64, version: RawVersion, value: &Bytes) -> RawVersion {
        let next = new_version();
        let expected = doc! { "_id": id(number), "v": binary(&version) };
        let replaced = self.collection.replace_one(expected, document(number, next, value, NEVER_MS)).await;
        assert_eq!(replaced.expect("an update succeeds").matched_count, 1, "nobody else wrote");
        next
    }
}
