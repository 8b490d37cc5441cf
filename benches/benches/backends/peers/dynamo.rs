//! The crate `aws-sdk-dynamodb`, one client for all tasks, set up as the store's. Both sides share a table.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Builder, Credentials, Region, StalledStreamProtectionConfig,
};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, PutRequest, ReturnValue, WriteRequest};
use bytes::Bytes;
use kv_core::StoreExt as _;
use kv_dynamo::{DynamoConfig, DynamoCredentials, DynamoStore};
use larder_benches::larder::{Larder, TTL};
use larder_benches::subject::{Conditional, Points, Subject};
use larder_benches::workload::{BATCH, Name, RawVersion, Values, new_version};

use super::{Failure, fresh, server};
use crate::operations::{self, Load};
use larder_benches::measure::Plan;

const LOAD: Load = Load { keys: 2_000, taken: [6_400; 2], pages: &[1] };
/// As many as the service takes in one request; a batch of the bench is two of them.
const WRITES: usize = 25;
const ALIVE: &str = "attribute_not_exists(x) OR x >= :now";
const TAKEN_ALIVE: &str = "attribute_exists(pk) AND (attribute_not_exists(x) OR x >= :now)";
const UPDATED_ALIVE: &str = "v = :v AND (attribute_not_exists(x) OR x >= :now)";

type Item = HashMap<String, AttributeValue>;

pub(crate) fn run(plan: &Plan) -> Result<(), Failure> {
    let endpoint = server("LARDER_TEST_DYNAMODB", "dynamodb")?;
    let (larder, raw) = plan.block_on(async {
        let table = fresh("table");
        let mut config = DynamoConfig::new(&table);
        config.endpoint = Some(endpoint.clone());
        config.credentials = Some(DynamoCredentials::new("bench", "bench"));
        config.create = true;
        let larder = Larder(DynamoStore::open(config).await?.erased());
        Ok::<_, Failure>((larder, Raw { client: client(endpoint), table, head: fresh("driver") }))
    })?;
    operations::compare(plan, "dynamo", LOAD, &larder, &raw);
    plan.block_on(raw.client.delete_table().table_name(&raw.table).send())?;
    Ok(())
}

/// With the store's limits, and like it without retries.
fn client(endpoint: String) -> Client {
    let limits = TimeoutConfig::builder()
        .connect_timeout(Duration::from_millis(1_500))
        .operation_timeout(Duration::from_secs(10))
        .build();
    let settings = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new("bench", "bench", None, None, "bench"))
        .retry_config(RetryConfig::disabled())
        .timeout_config(limits)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    Client::from_conf(settings.build())
}

#[derive(Clone)]
struct Raw {
    client: Client,
    table: String,
    /// Before each partition key.
    head: String,
}

fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn binary(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

fn number(number: u128) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn now_ms() -> u128 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis()
}

fn value_of(item: &mut Item) -> Option<Vec<u8>> {
    match item.remove("d") {
        Some(AttributeValue::B(value)) => Some(value.into_inner()),
        _ => None,
    }
}

fn id_of(item: &Item) -> &str {
    item.get("sk").and_then(|id| id.as_s().ok()).map_or("", String::as_str)
}

impl Raw {
    fn partition(&self, collection: &str) -> AttributeValue {
        text(format!("{}/{collection}", self.head))
    }

    fn key(&self, number: u64) -> Item {
        let name = Name::of(number);
        let (collection, id) = name.parts();
        HashMap::from([("pk".to_owned(), self.partition(collection)), ("sk".to_owned(), text(id))])
    }

    fn item(&self, number: u64, version: RawVersion, value: &Bytes) -> Item {
        let mut item = self.key(number);
        item.insert("v".to_owned(), binary(version));
        item.insert("d".to_owned(), binary(value.to_vec()));
        item
    }

    async fn write(&self, item: Item) {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.expect("a put succeeds");
    }

    async fn write_some(&self, numbers: Vec<u64>, values: &Values) {
        let put = |number: u64| {
            let item = self.item(number, new_version(), values.of(number));
            let put = PutRequest::builder().set_item(Some(item)).build().expect("a request is whole");
            WriteRequest::builder().put_request(put).build()
        };
        let writes = numbers.into_iter().map(put).collect();
        let sent = self.client.batch_write_item().request_items(&self.table, writes).send().await;
        let left = sent.expect("a batch is written").unprocessed_items;
        assert!(left.is_none_or(|left| left.is_empty()), "a server on this machine has no quota");
    }
}

impl Points for Raw {
    type Value = Vec<u8>;

    async fn get(&mut self, number: u64) -> Option<Vec<u8>> {
        let get = self.client.get_item().table_name(&self.table).consistent_read(true);
        let answer = get.set_key(Some(self.key(number))).send().await.expect("a get succeeds");
        answer.item.and_then(|mut item| value_of(&mut item))
    }

    async fn put(&mut self, number: u64, value: &Bytes) {
        self.write(self.item(number, new_version(), value)).await;
    }
}

impl Subject for Raw {
    type Page = Vec<Item>;

    async fn put_with_ttl(&mut self, number: u64, value: &Bytes) {
        let mut item = self.item(number, new_version(), value);
        let deadline = now_ms() + TTL.as_millis();
        item.insert("x".to_owned(), self::number(deadline));
        item.insert("ttl".to_owned(), self::number(deadline / 1_000 + 1));
        self.write(item).await;
    }

    async fn take(&mut self, number: u64) -> Option<Vec<u8>> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(self.key(number)))
            .condition_expression(TAKEN_ALIVE)
            .expression_attribute_values(":now", self::number(now_ms()))
            .return_values(ReturnValue::AllOld);
        match delete.send().await {
            Ok(answer) => answer.attributes.and_then(|mut item| value_of(&mut item)),
            Err(error) => {
                let unmet = error.as_service_error();
                assert!(unmet.is_some_and(DeleteItemError::is_conditional_check_failed_exception), "{error}");
                None
            }
        }
    }

    /// The service answers in an order of its own, and wants each key once.
    async fn get_many(&mut self, numbers: &[u64; BATCH]) -> Vec<Option<Vec<u8>>> {
        let keys = BTreeSet::from(*numbers).into_iter().map(|number| self.key(number)).collect();
        let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
        let wanted = wanted.expect("a request is whole");
        let answer = self.client.batch_get_item().request_items(&self.table, wanted).send().await;
        let mut tables = answer.expect("a batch is read").responses.unwrap_or_default();
        let found = tables.remove(&self.table).unwrap_or_default().into_iter();
        let found: HashMap<_, _> =
            found.map(|mut item| (id_of(&item).to_owned(), value_of(&mut item))).collect();
        let value = |number: &u64| found.get(Name::of(*number).parts().1).cloned().flatten();
        numbers.iter().map(value).collect()
    }

    async fn put_many(&mut self, numbers: &[u64; BATCH], values: &Values) {
        let mut first: Vec<_> = BTreeSet::from(*numbers).into_iter().collect();
        let second = first.split_off(WRITES.min(first.len()));
        if second.is_empty() {
            return self.write_some(first, values).await;
        }
        tokio::join!(self.write_some(first, values), self.write_some(second, values));
    }

    async fn page(&mut self, number: u64) -> Vec<Item> {
        let (mut items, mut start) = (Vec::new(), None);
        loop {
            let query = self
                .client
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .key_condition_expression("pk = :pk")
                .filter_expression(ALIVE)
                .expression_attribute_values(":pk", self.partition(Name::of(number).parts().0))
                .expression_attribute_values(":now", self::number(now_ms()))
                .set_exclusive_start_key(start);
            let answer = query.send().await.expect("a page is read");
            items.extend(answer.items.unwrap_or_default());
            start = answer.last_evaluated_key;
            if start.is_none() {
                return items;
            }
        }
    }

    fn listed(page: &Vec<Item>) -> Vec<(String, Vec<u8>)> {
        let collection = |item: &Item| {
            let partition = item.get("pk").and_then(|pk| pk.as_s().ok()).map_or("", String::as_str);
            partition.rsplit('/').next().unwrap_or_default().to_owned()
        };
        let listed = |item: &Item| {
            let name = format!("{}/{}", collection(item), id_of(item));
            (name, value_of(&mut item.clone()).unwrap_or_default())
        };
        page.iter().map(listed).collect()
    }

    fn values(page: &Self::Page) -> impl Iterator<Item = &[u8]> {
        page.iter().filter_map(|item| item.get("d")?.as_b().ok()).map(AsRef::as_ref)
    }
}

impl Conditional for Raw {
    type Version = RawVersion;

    async fn begin(&mut self, number: u64, value: &Bytes) -> RawVersion {
        let version = new_version();
        self.write(self.item(number, version, value)).await;
        version
    }

    async fn update(&mut self, number: u64, version: RawVersion, value: &Bytes) -> RawVersion {
        let next = new_version();
        let put = self.client.put_item().table_name(&self.table);
        let put = put
            .set_item(Some(self.item(number, next, value)))
            .condition_expression(UPDATED_ALIVE)
            .expression_attribute_values(":v", binary(version))
            .expression_attribute_values(":now", self::number(now_ms()));
        put.send().await.expect("nobody else wrote");
        next
    }
}
