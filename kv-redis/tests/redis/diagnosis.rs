//! What `larder doctor` is told of a real server.

use kv_core::{Diagnose as _, Store as _, Verdict};
use kv_redis::RedisStore;

use crate::private::{PROGRAMS, Server};

#[tokio::test]
async fn a_server_that_evicts_and_keeps_nothing_is_told_of() {
    for program in PROGRAMS {
        let settings = ["--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru", "--save", ""];
        let Some(server) = Server::of(program, &settings).await else { continue };
        let store = RedisStore::open(server.config()).await.unwrap();
        assert!(store.capabilities().evicts);
        let findings = store.diagnose().await;
        let of = |about: &str| findings.iter().find(|finding| finding.about == about).unwrap();
        let eviction = of("eviction policy");
        assert_eq!(eviction.verdict, Verdict::Notice);
        assert!(eviction.found.starts_with("allkeys-lru"), "{eviction:?}");
        assert!(eviction.advice.as_ref().unwrap().contains("noeviction"), "{eviction:?}");
        assert_eq!(of("durability").verdict, Verdict::Notice);
        assert_eq!((of("memory").verdict, of("clock").verdict), (Verdict::Good, Verdict::Good));
    }
}
