//! The laws of a store, on each kind of server.

#[path = "redis/place.rs"]
mod place;

use std::sync::Mutex;

use kv_core::testing::{Harness, Size};
use kv_core::{Clock, Key, Result, Scan, Store};
use kv_redis::RedisStore;

/// One kind of server and its run of all laws; without its variable each of them says that it was skipped.
macro_rules! laws_of {
    ($module:ident, $name:literal, $variable:literal, $wait:literal) => {
        mod $module {
            use super::{Clock, Harness, Mutex, RedisStore, Size, place};

            struct Server {
                url: String,
                clock: Clock,
                used: Mutex<Vec<String>>,
            }

            impl Server {
                fn found() -> Option<Self> {
                    let found = kv_core::testing::service($variable);
                    found.map(|url| Self { url, clock: Clock::system(), used: Mutex::default() })
                }
            }

            impl Harness for Server {
                type Store = RedisStore;
                const NAME: &'static str = $name;

                async fn empty(&self) -> RedisStore {
                    let namespace = place::namespace();
                    self.used.lock().expect("nobody panicked with it").push(namespace.clone());
                    let mut config = place::config(&self.url, &namespace);
                    config.wait = $wait;
                    RedisStore::open(config).await.expect("the server")
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

            impl Drop for Server {
                fn drop(&mut self) {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                    let used = std::mem::take(&mut self.used).into_inner().unwrap_or_default();
                    runtime.expect("an executor").block_on(async {
                        for namespace in used {
                            // A law that failed is told as such, whatever comes of this.
                            let _left_behind = super::clean(&self.url, &namespace).await;
                        }
                    });
                }
            }

            kv_core::laws!(match Server::found() {
                Some(server) => server,
                None => return,
            });
        }
    };
}

/// Removes what a test left in its namespace: a listing walks over the whole database, so leftovers make others slow.
async fn clean(url: &str, namespace: &str) -> Result<()> {
    let store = place::open(url, namespace).await?;
    let mut from = None;
    loop {
        let page = store.scan(Scan::under(""), from.as_ref()).await?;
        let keys: Vec<_> = page.items.iter().map(|item| Key::new(&item.collection, &item.id)).collect();
        store.delete_many(&keys).await?;
        from = page.next;
        if from.is_none() {
            return store.close().await;
        }
    }
}

laws_of!(redis, "redis", "LARDER_TEST_REDIS", 0);
laws_of!(valkey, "valkey", "LARDER_TEST_VALKEY", 0);
laws_of!(tls, "redis (TLS)", "LARDER_TEST_REDIS_TLS", 0);
laws_of!(valkey_tls, "valkey (TLS)", "LARDER_TEST_VALKEY_TLS", 0);
laws_of!(socket, "redis (socket)", "LARDER_TEST_REDIS_SOCKET", 0);
laws_of!(cluster, "redis (cluster)", "LARDER_TEST_REDIS_CLUSTER", 0);
laws_of!(sentinel, "redis (sentinel)", "LARDER_TEST_REDIS_SENTINEL", 0);
laws_of!(replicated, "redis (sentinel, wait=1)", "LARDER_TEST_REDIS_SENTINEL", 1);
