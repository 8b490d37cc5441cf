//! A store that fails, and entries that nobody can read.

use kv_core::{Key, NewEntry, PutMode, Scan, Store as _, StoreExt as _};
use kv_memory::MemoryStore;
use larder_tests::faults::Faulty;
use mcp_server::{Server, StateError};
use serde_json::json;

use crate::{cached, called, counted};

#[tokio::test]
async fn scenario_18_an_entry_that_cannot_be_read_is_a_miss_and_is_replaced() {
    let store = MemoryStore::new();
    let (tool, runs) = counted("t");
    let (server, statistics) = cached("scenarios");
    let client = server.storage(store.clone()).tool(tool).test_client().unwrap();
    called(&client, "t", json!({})).await;
    let mut kept = Vec::new();
    let mut pages = store.scan_all(Scan::under(""));
    while let Some(item) = pages.next().await.unwrap() {
        kept.push((item.collection, item.id));
    }
    assert!(!kept.is_empty());
    for damaged in [&b"\xff\xff nonsense"[..], b"", b"\x01[1]"] {
        let before = statistics.read().tools;
        for (collection, id) in &kept {
            let key = Key::new(collection, id);
            store.put(key, NewEntry::new(damaged), PutMode::Replace).await.unwrap();
        }
        let runs_before = runs.read();
        called(&client, "t", json!({})).await;
        called(&client, "t", json!({})).await;
        let after = statistics.read().tools;
        assert_eq!(runs.read() - runs_before, 1, "{damaged:?}");
        assert_eq!((after.misses - before.misses, after.hits - before.hits), (1, 1), "{damaged:?}");
    }
}

#[tokio::test]
async fn scenario_19_a_cache_that_cannot_be_read_costs_no_answer() {
    let (store, switches) = Faulty::new(MemoryStore::new());
    let (tool, runs) = counted("t");
    let (server, statistics) = cached("scenarios");
    let client = server.cache_storage(store).tool(tool).test_client().unwrap();
    called(&client, "t", json!({})).await;
    switches.fail_reads(true);
    for run in 2..=3 {
        assert!(called(&client, "t", json!({})).await.ends_with(&format!("run {run}")));
    }
    switches.fail_reads(false);
    called(&client, "t", json!({})).await;
    assert_eq!(runs.read(), 3);
    assert!(statistics.read().tools.errors >= 2);
}

#[tokio::test]
async fn scenario_20_a_cache_that_cannot_be_written_costs_no_answer_and_no_second_run() {
    let (store, switches) = Faulty::new(MemoryStore::new());
    let (tool, runs) = counted("t");
    let (server, statistics) = cached("scenarios");
    let client = server.cache_storage(store).tool(tool).test_client().unwrap();
    switches.fail_writes(true);
    assert!(called(&client, "t", json!({})).await.ends_with("run 1"));
    assert_eq!((runs.read(), statistics.read().tools.puts), (1, 0));
    assert!(called(&client, "t", json!({})).await.ends_with("run 2"));
    switches.fail_writes(false);
    called(&client, "t", json!({})).await;
    assert!(called(&client, "t", json!({})).await.ends_with("run 3"));
}

#[tokio::test]
async fn a_state_that_cannot_be_read_is_an_error_without_the_words_of_the_store() {
    let (store, switches) = Faulty::new(MemoryStore::new());
    let tool =
        mcp_server::Tool::new("t", json!({ "type": "object" }), |ctx: mcp_server::Context, _| async move {
            ctx.state().set("a", &1).await?;
            Ok::<_, StateError>("kept")
        });
    let client = Server::new("scenarios").storage(store).tool(tool).test_client().unwrap();
    assert_eq!(called(&client, "t", json!({})).await, "kept");
    switches.fail_reads(true);
    switches.fail_writes(true);
    let failed = client.call_tool("t", json!({})).await.unwrap();
    assert_eq!(failed["isError"], true);
    assert!(!failed.to_string().contains(larder_tests::faults::SECRET), "{failed}");
}
