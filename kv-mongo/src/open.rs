//! Connecting: what the server is, the index that cleans up, the marker, and whose clock judges.

use std::time::Duration;

use kv_core::{Clock, Consistency, Error, ErrorKind, Outcome, Result};
use mongodb::bson::{Document, RawDocumentBuf, doc};
use mongodb::error::Result as Answer;
use mongodb::options::{CollectionOptions, IndexOptions, ReadConcern, ReturnDocument};
use mongodb::{Client, Collection, Database, IndexModel};
use tokio::time::timeout;

use crate::config::MongoConfig;
use crate::error;
use crate::inner::longest;
use crate::now::{Ahead, NEVER_MS, Now, Time, never};
use crate::wire::{self, DEADLINE, ID};

/// How long after its deadline the server may remove an entry. It only cleans, so it may be late, and must never be
/// early by another clock than the one that judges.
const CLEAN_AFTER: Duration = Duration::from_secs(60);

/// The `_id` of the marker. No entry has it: the name of each has two slashes at least.
const MARKER: &str = "";
/// The field of the marker that says how entries are stored.
const FORMAT_FIELD: &str = "larder";
const FORMAT: i64 = 1;

/// The wire version of MongoDB 4.4, the oldest that the driver talks to.
const OLDEST_WIRE_VERSION: i64 = 9;

/// An open collection, and what was found out about its server.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) client: Client,
    pub(crate) database: Database,
    pub(crate) collection: Collection<RawDocumentBuf>,
    /// To a server at most; 0 is no limit.
    pub(crate) connections: u32,
    pub(crate) time: Time,
    pub(crate) consistency: Consistency,
    pub(crate) warnings: Vec<String>,
}

impl Link {
    pub(crate) async fn open(config: &MongoConfig) -> Result<Self> {
        let limit = config.open_timeout;
        let mut link = timeout(limit, Self::meet(config)).await.map_err(|_| silent(limit))??;
        if config.create {
            link.warnings.extend(clean_up_expired(&link.collection).await?);
        }
        Ok(link)
    }

    /// All but the index.
    async fn meet(config: &MongoConfig) -> Result<Self> {
        let options = config.options().await?;
        let connections = options.max_pool_size.unwrap_or(0);
        let client = Client::with_options(options).map_err(|e| error::parameters(&e))?;
        let database = client.database(&config.database);
        let is_standalone = look_at(&database).await?;
        let collection = database.collection(&config.collection);
        if config.create {
            check_format(mark(&collection).await?.as_ref())?;
        } else {
            check_format(Some(&marked(&collection, config).await?))?;
        }
        let (collection, consistency) = reading(&database, collection, is_standalone).await?;
        let time = match &config.clock {
            Some(clock) => Time::Caller(clock.clone()),
            None => judge(&collection).await?,
        };
        Ok(Self { client, database, collection, connections, time, consistency, warnings: Vec::new() })
    }
}

fn silent(limit: Duration) -> Error {
    let message = format!(
        "the server did not answer within {limit:?}: is it stopped, or its data locked (`fsyncLock`)? Else allow more by `timeout`"
    );
    Error::new(ErrorKind::Timeout, message).with_outcome(Outcome::NotDone)
}

/// Asks the server what it is: whether it stands alone.
async fn look_at(database: &Database) -> Result<bool> {
    let hello = database.run_command(doc! { "hello": 1 }).await.map_err(|e| error::driver(&e))?;
    let wire_version = hello.get("maxWireVersion").and_then(whole).unwrap_or(0);
    if wire_version < OLDEST_WIRE_VERSION {
        return Err(Error::new(ErrorKind::Unsupported, error::TOO_OLD));
    }
    let is_router = hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid");
    Ok(!is_router && !hello.contains_key("setName"))
}

fn whole(number: &mongodb::bson::Bson) -> Option<i64> {
    number.as_i64().or_else(|| number.as_i32().map(i64::from))
}

/// Makes the TTL index. Without the right to, over another index, or where that takes too long, expired entries stay, unseen:
/// a warning.
async fn clean_up_expired(collection: &Collection<RawDocumentBuf>) -> Result<Option<String>> {
    let options = IndexOptions::builder().expire_after(CLEAN_AFTER).build();
    let index = IndexModel::builder().keys(doc! { DEADLINE: 1 }).options(options).build();
    // It waits for every member that holds data, and one may be down.
    let making = collection.create_index(index).max_time(crate::MAX_TIME);
    let failed = match timeout(longest(collection), making.into_future()).await {
        Ok(Ok(_)) => return Ok(None),
        Ok(Err(failed)) => error::driver(&failed),
        Err(_) => error::silent(),
    };
    match failed.kind() {
        ErrorKind::Denied => {
            Ok(Some("no right to make the TTL index: expired entries are not removed".to_owned()))
        }
        ErrorKind::Unexpected | ErrorKind::Timeout => Ok(Some(format!(
            "no TTL index on `{DEADLINE}`: expired entries are not removed ({})",
            std::error::Error::source(&failed)
                .map_or_else(|| failed.message().to_owned(), ToString::to_string)
        ))),
        _ => Err(failed),
    }
}

/// The marker of a collection that is there.
async fn marked(collection: &Collection<RawDocumentBuf>, config: &MongoConfig) -> Result<RawDocumentBuf> {
    let found = collection.find_one(doc! { ID: MARKER }).await.map_err(|e| error::driver(&e))?;
    found.ok_or_else(|| {
        let MongoConfig { database, collection, .. } = config;
        let message =
            format!("there is no store in the collection `{database}.{collection}`, and none is to be made");
        Error::new(ErrorKind::Invalid, message)
    })
}

/// The marker, made if it is missing; `None` where it is missing and the user may only read.
async fn mark(collection: &Collection<RawDocumentBuf>) -> Result<Option<RawDocumentBuf>> {
    let marked = twice(|| {
        let fields = doc! { "$setOnInsert": { FORMAT_FIELD: FORMAT, DEADLINE: never() } };
        let marking = collection.find_one_and_update(doc! { ID: MARKER }, fields);
        marking.upsert(true).return_document(ReturnDocument::After).into_future()
    });
    match marked.await {
        Err(failed) if error::is_denied(&failed) => {
            collection.find_one(doc! { ID: MARKER }).await.map_err(|e| error::driver(&e))
        }
        marked => marked.map_err(|e| error::driver(&e)),
    }
}

fn check_format(marker: Option<&RawDocumentBuf>) -> Result<()> {
    let Some(marker) = marker else { return Ok(()) };
    match wire::number(marker, FORMAT_FIELD) {
        Ok(FORMAT) => Ok(()),
        Ok(_) => Err(Error::new(ErrorKind::Unsupported, "the collection was written by a later version")),
        Err(_) => Err(Error::new(ErrorKind::Corrupt, "the collection holds documents that are not Larder's")),
    }
}

/// Sends an upsert again, once, if it met another one.
pub(crate) async fn twice<T, F: Future<Output = Answer<T>>>(upsert: impl Fn() -> F) -> Answer<T> {
    match upsert().await {
        Err(met) if error::is_duplicate(&met) => upsert().await,
        answer => answer,
    }
}

/// The collection as it is read from: with the linearizable read concern, unless the server has none. One that stands
/// alone needs none.
async fn reading(
    database: &Database,
    plain: Collection<RawDocumentBuf>,
    is_standalone: bool,
) -> Result<(Collection<RawDocumentBuf>, Consistency)> {
    if is_standalone {
        return Ok((plain, Consistency::Linearizable));
    }
    let options = CollectionOptions::builder().read_concern(ReadConcern::linearizable()).build();
    let strict = database.collection_with_options(plain.name(), options);
    match strict.find_one(doc! { ID: MARKER }).max_time(crate::MAX_TIME).await {
        Ok(_) => Ok((strict, Consistency::Linearizable)),
        Err(failed) if error::is_lacking(&failed) => Ok((plain, Consistency::UntilFailover)),
        Err(failed) => Err(error::driver(&failed)),
    }
}

/// Whose clock judges: the server's, if its expressions know the time and compare it as they should.
async fn judge(collection: &Collection<RawDocumentBuf>) -> Result<Time> {
    let time = Time::Server(Ahead::new());
    let asked = doc! { "now": Now::Server.in_ms(), "alive": Now::Server.alive(), "left": Now::Server.left() };
    let pipeline = [doc! { "$match": { ID: MARKER } }, doc! { "$project": asked }];
    let sent = time.sent();
    let found: Answer<Option<Document>> = async {
        let mut cursor = collection.aggregate(pipeline).batch_size(2).max_time(crate::MAX_TIME).await?;
        let found = cursor.advance().await?;
        found.then(|| Document::try_from(cursor.current()).map_err(Into::into)).transpose()
    }
    .await;
    let found = match found {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(time), // no marker, so no right to write either
        Err(failed) if error::is_lacking(&failed) => return Ok(Time::Caller(Clock::system())),
        Err(failed) => return Err(error::driver(&failed)),
    };
    let number = |field: &str| found.get(field).and_then(whole);
    match (number("now"), found.get_bool("alive"), number("left")) {
        (Some(now), Ok(true), Some(left)) if now > 0 && now.checked_add(left) == Some(NEVER_MS) => {
            time.learn(sent, now);
            Ok(time)
        }
        _ => Ok(Time::Caller(Clock::system())),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::ready;

    use mongodb::bson::{deserialize_from_document, doc};
    use mongodb::error::{CommandError, Error, ErrorKind};

    use super::twice;

    fn refused(code: i32) -> Error {
        let error = doc! { "code": code, "codeName": "Name", "errmsg": "text" };
        ErrorKind::Command(deserialize_from_document::<CommandError>(error).unwrap()).into()
    }

    #[tokio::test]
    async fn only_an_upsert_that_met_another_is_sent_again_and_only_once() {
        for (codes, sent, done) in
            [(&[11_000, 0][..], 2, true), (&[11_000, 11_000], 2, false), (&[13], 1, false), (&[0], 1, true)]
        {
            let count = Cell::new(0);
            let answer = twice(|| {
                let code = codes[count.replace(count.get() + 1)];
                ready(if code == 0 { Ok(()) } else { Err(refused(code)) })
            });
            assert_eq!(answer.await.is_ok(), done, "{codes:?}");
            assert_eq!(count.get(), sent, "{codes:?}");
        }
    }
}
