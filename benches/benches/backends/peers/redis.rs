//! The crate `redis`, on one multiplexed connection that all tasks share, as the store has it.

use std::time::Duration;

use bytes::Bytes;
use kv_core::{StoreExt as _, StoreUrl};
use kv_redis::{RedisConfig, RedisStore};
use larder_benches::larder::{Larder, TTL};
use larder_benches::subject::{Conditional, Points, Subject};
use larder_benches::workload::{BATCH, Name, RawVersion, Values, new_version};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, Pipeline, cmd};

use super::{Failure, fresh, server};
use crate::operations::{self, Load};
use larder_benches::measure::Plan;

/// Compares 16 bytes behind the first four, and replaces the value if they are those that are expected.
const UPDATE: &str = "if redis.call('GETRANGE', KEYS[1], 4, 19) ~= ARGV[1] then return 0 end \
                      redis.call('SET', KEYS[1], ARGV[2]) return 1";
const HEAD: usize = 4;
const LOAD: Load = Load { taken: [160_000, 80_000], ..Load::FAST };

pub(crate) fn run(plan: &Plan) -> Result<(), Failure> {
    let url = server("LARDER_TEST_REDIS", "redis")?;
    let (larder, raw) = plan.block_on(async {
        let mut config = RedisConfig::from_url(&mut StoreUrl::parse(&url)?)?;
        config.namespace = fresh("larder");
        let larder = Larder(RedisStore::open(config).await?.erased());
        Ok::<_, Failure>((larder, Raw::open(&url).await?))
    })?;
    operations::compare(plan, "redis", LOAD, &larder, &raw);
    Ok(())
}

#[derive(Clone)]
struct Raw {
    connection: MultiplexedConnection,
    /// Before each key, as long as the store's.
    head: Vec<u8>,
    update: String,
}

impl Raw {
    async fn open(url: &str) -> Result<Self, Failure> {
        // Pages of 64 tasks take longer than the half second that it waits otherwise.
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(10)));
        let client = redis::Client::open(url)?;
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        let update = cmd("SCRIPT").arg("LOAD").arg(UPDATE).query_async(&mut connection).await?;
        let head = format!("{}:", fresh("driver")).into_bytes();
        Ok(Self { connection, head, update })
    }

    fn key(&self, name: &[u8]) -> Vec<u8> {
        [self.head.as_slice(), name].concat()
    }

    async fn written(&mut self, command: &Cmd) {
        command.exec_async(&mut self.connection).await.expect("a write succeeds");
    }
}

fn versioned(version: &RawVersion, value: &Bytes) -> Vec<u8> {
    [&[0; HEAD], version.as_slice(), value].concat()
}

impl Points for Raw {
    type Value = Vec<u8>;

    async fn get(&mut self, number: u64) -> Option<Vec<u8>> {
        let key = self.key(Name::of(number).as_bytes());
        cmd("GET").arg(key).query_async(&mut self.connection).await.expect("a get succeeds")
    }

    async fn put(&mut self, number: u64, value: &Bytes) {
        let key = self.key(Name::of(number).as_bytes());
        self.written(cmd("SET").arg(key).arg(value.as_ref())).await;
    }
}

impl Subject for Raw {
    type Page = Vec<(Vec<u8>, Vec<u8>)>;

    async fn put_with_ttl(&mut self, number: u64, value: &Bytes) {
        let key = self.key(Name::of(number).as_bytes());
        self.written(cmd("SET").arg(key).arg(value.as_ref()).arg("EX").arg(TTL.as_secs())).await;
    }

    async fn take(&mut self, number: u64) -> Option<Vec<u8>> {
        let key = self.key(Name::of(number).as_bytes());
        cmd("GETDEL").arg(key).query_async(&mut self.connection).await.expect("a take succeeds")
    }

    async fn get_many(&mut self, numbers: &[u64; BATCH]) -> Vec<Option<Vec<u8>>> {
        let mut mget = cmd("MGET");
        for number in numbers {
            mget.arg(self.key(Name::of(*number).as_bytes()));
        }
        mget.query_async(&mut self.connection).await.expect("a batch is read")
    }

    /// One `SET` each, since each entry may have a lifetime of its own.
    async fn put_many(&mut self, numbers: &[u64; BATCH], values: &Values) {
        let mut pipeline = Pipeline::with_capacity(BATCH);
        for number in numbers {
            let key = self.key(Name::of(*number).as_bytes());
            pipeline.cmd("SET").arg(key).arg(values.of(*number).as_ref()).ignore();
        }
        pipeline.exec_async(&mut self.connection).await.expect("a batch is written");
    }

    async fn page(&mut self, number: u64) -> Self::Page {
        let name = Name::of(number);
        let pattern = [self.key(name.parts().0.as_bytes()).as_slice(), b"/*"].concat();
        let (mut cursor, mut keys) = (0_u64, Vec::<Vec<u8>>::new());
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(1_000);
            let (next, found): (u64, Vec<Vec<u8>>) =
                scan.query_async(&mut self.connection).await.expect("a scan goes on");
            keys.extend(found);
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        let mut mget = cmd("MGET");
        mget.arg(&keys);
        let values: Vec<Vec<u8>> = mget.query_async(&mut self.connection).await.expect("a page is read");
        keys.into_iter().zip(values).collect()
    }

    fn listed(page: &Self::Page) -> Vec<(String, Vec<u8>)> {
        let name = |key: &[u8]| {
            let start = key.iter().position(|byte| *byte == b':').map_or(0, |colon| colon + 1);
            String::from_utf8_lossy(key.get(start..).unwrap_or_default()).into_owned()
        };
        page.iter().map(|(key, value)| (name(key), value.clone())).collect()
    }

    fn values(page: &Self::Page) -> impl Iterator<Item = &[u8]> {
        page.iter().map(|(_, value)| value.as_ref())
    }
}

impl Conditional for Raw {
    type Version = RawVersion;

    async fn begin(&mut self, number: u64, value: &Bytes) -> RawVersion {
        let version = new_version();
        let key = self.key(Name::of(number).as_bytes());
        self.written(cmd("SET").arg(key).arg(versioned(&version, value))).await;
        version
    }

    async fn update(&mut self, number: u64, version: RawVersion, value: &Bytes) -> RawVersion {
        let key = self.key(Name::of(number).as_bytes());
        let next = new_version();
        let mut call = cmd("EVALSHA");
        call.arg(&self.update).arg(1).arg(key).arg(&version).arg(versioned(&next, value));
        let done: i64 = call.query_async(&mut self.connection).await.expect("an update succeeds");
        assert_eq!(done, 1, "nobody else wrote");
        next
    }
}
