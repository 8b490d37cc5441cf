//! The laws of a store, on the server that `LARDER_TEST_MONGODB` names: with the server's clock as the judge, and with
//! the caller's.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::time::Duration;

use kv_core::Clock;
use kv_core::testing::Size;
use kv_mongo::{MongoConfig, MongoStore};

/// Fewer entries and rounds than other servers get: the stand-in passes over a whole collection for each batch of reads,
/// and finds and changes eight times a second.
const SIZE: Size =
    Size { tasks: 8, rounds: 20, scan: 2_100, batch: 2_100, patience: Duration::from_secs(60) };
/// What changes is who judges time, and no law of time needs many entries.
const SIZE_AGAIN: Size = Size { rounds: 10, scan: 500, batch: 300, ..SIZE };

/// A store in a collection of its own, for the same reason.
async fn empty(url: &str, clock: Option<&Clock>) -> MongoStore {
    // A busy machine must not take a slow server for a lost one: the stand-in does not know a command that it is at.
    let mut config = MongoConfig::new(&format!("{url}&connectTimeoutMS=60000")).unwrap();
    config.collection = format!("laws-{:032x}", rand::random::<u128>());
    config.patience = Duration::from_secs(60);
    config.open_timeout = Duration::from_secs(60);
    config.clock = clock.cloned();
    MongoStore::open(config).await.unwrap()
}

macro_rules! laws_of {
    ($module:ident, $name:literal, $size:expr, $clock:expr, $judged_by:expr) => {
        mod $module {
            use kv_core::Clock;
            use kv_core::testing::{Harness, Size, service};
            use kv_mongo::MongoStore;

            struct Mongo {
                url: String,
                clock: Clock,
            }

            impl Harness for Mongo {
                type Store = MongoStore;
                const NAME: &'static str = $name;

                async fn empty(&self) -> MongoStore {
                    let judge: fn(&Clock) -> Option<&Clock> = $judged_by;
                    super::empty(&self.url, judge(&self.clock)).await
                }

                fn clock(&self) -> &Clock {
                    &self.clock
                }

                fn size(&self) -> Size {
                    $size
                }

                async fn sibling(&self, store: &MongoStore) -> Option<MongoStore> {
                    Some(store.clone())
                }
            }

            kv_core::laws!(
                match service("LARDER_TEST_MONGODB") {
                    Some(url) => Mongo { url, clock: $clock },
                    None => return,
                },
                cannot_show(
                    an_update_racing_with_a_take_never_revives_the_entry =
                        "the stand-in hands back what it found before it removed; MongoDB does both in one step",
                    an_entry_replaced_while_it_is_taken_is_taken_at_most_once =
                        "the stand-in hands back what it found before it removed; MongoDB does both in one step",
                )
            );
        }
    };
}

laws_of!(server_judges, "mongodb", super::SIZE, Clock::system(), |_| None);
laws_of!(caller_judges, "mongodb (caller's clock)", super::SIZE_AGAIN, Clock::manual(), |clock| Some(clock));
