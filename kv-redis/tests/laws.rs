//! The laws of a store, on each kind of server.

#[path = "redis/place.rs"]
mod place;

use kv_core::Clock;
use kv_core::testing::{Harness, Size};
use kv_redis::RedisStore;

/// One kind of server and its run of all laws; without its variable each of them says that it was skipped.
macro_rules! laws_of {
    ($module:ident, $name:literal, $variable:literal) => {
        mod $module {
            use super::{Clock, Harness, RedisStore, Size, place};

            struct Server {
                url: String,
                clock: Clock,
            }

            impl Server {
                fn found() -> Option<Self> {
                    place::variable($variable).map(|url| Self { url, clock: Clock::system() })
                }
            }

            impl Harness for Server {
                type Store = RedisStore;
                const NAME: &'static str = $name;

                async fn empty(&self) -> RedisStore {
                    place::open(&self.url, &place::namespace()).await.expect("the server")
                }

                fn clock(&self) -> &Clock {
                    &self.clock
                }

                fn size(&self) -> Size {
                    Size::SMALL
                }

                async fn sibling(&self, store: &RedisStore) -> Option<RedisStore> {
                    Some(store.clone())
                }
            }

            kv_core::laws!(match Server::found() {
                Some(server) => server,
                None => return,
            });
        }
    };
}

laws_of!(redis, "redis", "LARDER_TEST_REDIS");
laws_of!(valkey, "valkey", "LARDER_TEST_VALKEY");
laws_of!(tls, "redis (TLS)", "LARDER_TEST_REDIS_TLS");
laws_of!(cluster, "redis (cluster)", "LARDER_TEST_REDIS_CLUSTER");
laws_of!(sentinel, "redis (sentinel)", "LARDER_TEST_REDIS_SENTINEL");
