//! Whose memories they are, and stores that can less.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use kv_core::{
    AnyStore, Capabilities, Changes, Cursor, Entry, Error, ErrorKind, Key, Listing, NewEntry, Page, PutMode,
    Result, Scan, Signals, Store, StoreExt, Version,
};
use kv_memory::MemoryStore;
use larder_cli::memory;
use mcp_server::{Principal, TestClient};
use serde_json::{Value, json};

fn client(store: &AnyStore) -> TestClient {
    memory::server(store, None).test_client().unwrap()
}

#[tokio::test]
async fn users_see_their_own_memories_only() {
    let store = MemoryStore::new().erased();
    let everybody = client(&store);
    let ann = everybody.another().principal(Principal::user("https://id.example", "ann"));
    let bob = everybody.another().principal(Principal::user("https://id.example", "bob"));
    for (client, text) in [(&ann, "ann's"), (&bob, "bob's"), (&everybody, "everybody's")] {
        client.call_tool("remember", json!({ "text": text, "id": "same" })).await.unwrap();
    }
    for (client, text) in [(&ann, "ann's"), (&bob, "bob's"), (&everybody, "everybody's")] {
        let recalled = client.call_tool("recall", json!({ "id": "same" })).await.unwrap();
        assert_eq!(recalled["structuredContent"]["text"], text);
        let listed = client.call_tool("list", json!({})).await.unwrap();
        assert_eq!(listed["structuredContent"]["memories"].as_array().unwrap().len(), 1);
        let read = client.read_resource("memory://default/same").await.unwrap();
        assert_eq!(read["contents"][0]["text"], text);
    }
    ann.call_tool("forget", json!({ "id": "same" })).await.unwrap();
    assert_eq!(
        bob.call_tool("recall", json!({ "id": "same" })).await.unwrap()["structuredContent"]["text"],
        "bob's"
    );
}

#[tokio::test]
async fn with_a_cache_ttl_answers_may_be_old_but_are_nobody_elses() {
    let store = MemoryStore::new().erased();
    let server = memory::server(&store, Some(Duration::from_secs(3_600)));
    let ann = server.test_client().unwrap().principal(Principal::user("https://id.example", "ann"));
    let bob = ann.another().principal(Principal::user("https://id.example", "bob"));
    let remember = async |client: &TestClient, text: &str| {
        client.call_tool("remember", json!({ "text": text, "id": "x" })).await.unwrap();
    };
    let asked = [
        ("recall", json!({ "id": "x" })),
        ("list", json!({})),
        ("search", json!({ "query": "tea wine beer" })),
    ];
    let texts = async |client: &TestClient| {
        let mut texts = Vec::new();
        for (tool, arguments) in &asked {
            let answer =
                client.call_tool(tool, arguments.clone()).await.unwrap()["structuredContent"].clone();
            let text = answer.pointer("/memories/0/text").or(answer.get("text")).unwrap();
            texts.push(text.as_str().unwrap().to_owned());
        }
        texts
    };
    remember(&ann, "tea").await;
    remember(&bob, "beer").await;
    assert_eq!(
        (texts(&ann).await, texts(&bob).await),
        (vec!["tea".to_owned(); 3], vec!["beer".to_owned(); 3])
    );
    remember(&ann, "wine").await;
    assert_eq!(texts(&ann).await, ["tea"; 3], "as old as was allowed");
    let uncached = client(&store).another().principal(Principal::user("https://id.example", "ann"));
    assert_eq!(texts(&uncached).await, ["wine"; 3]);
}

#[tokio::test]
async fn anonymous_http_and_stdio_share_their_memories() {
    let local = client(&MemoryStore::new().erased());
    let anonymous = local.another().principal(Principal::anonymous());
    local.call_tool("remember", json!({ "text": "shared", "id": "x" })).await.unwrap();
    let recalled = anonymous.call_tool("recall", json!({ "id": "x" })).await.unwrap();
    assert_eq!(recalled["structuredContent"]["text"], "shared");
}

#[tokio::test]
async fn beyond_ten_thousand_memories_an_answer_says_that_it_stopped() {
    let store = MemoryStore::new().erased();
    let records: Vec<_> = (0..=memory::MAX_READ)
        .map(|n| (format!("{n:06}"), json!({ "text": format!("note {n}"), "at": n })))
        .collect();
    store.collection::<Value>("memory/local/default").put_many(&records).await.unwrap();
    let client = client(&store);
    for (tool, arguments) in [("list", json!({})), ("search", json!({ "query": "note" }))] {
        let answer = client.call_tool(tool, arguments).await.unwrap()["structuredContent"].clone();
        assert_eq!(answer["complete"], false);
        assert!(answer["note"].as_str().unwrap().contains("10000 memories"), "{answer}");
        assert_eq!(answer["memories"].as_array().unwrap().len(), 20);
    }
}

#[tokio::test]
async fn a_damaged_memory_is_passed_over_in_lists_and_can_be_forgotten() {
    let store = MemoryStore::new().erased();
    let broken = Key::new("memory/local/default", "broken");
    store.put(broken, NewEntry::new("no JSON"), PutMode::Replace).await.unwrap();
    let client = client(&store);
    client.call_tool("remember", json!({ "text": "whole", "id": "whole" })).await.unwrap();
    let listed = client.call_tool("list", json!({})).await.unwrap();
    assert_eq!(listed["structuredContent"]["memories"].as_array().unwrap().len(), 1);
    assert_eq!(listed["structuredContent"]["complete"], false);
    assert!(listed["structuredContent"]["note"].as_str().unwrap().contains("cannot be read"), "{listed}");
    let recalled = client.call_tool("recall", json!({ "id": "broken" })).await.unwrap();
    assert_eq!(
        (&recalled["isError"], &recalled["content"][0]["text"]),
        (&json!(true), &json!("this memory cannot be read: it is damaged, or kept with another key"))
    );
    client.call_tool("forget", json!({ "id": "broken" })).await.unwrap();
    assert!(!store.exists(broken).await.unwrap());
}

#[tokio::test]
async fn a_full_store_says_so_and_keeps_what_is_there() {
    let store = larder::open("memory://?max_entries=3").await.unwrap();
    let client = client(&store);
    let mut kept = 0;
    let full = loop {
        let result =
            client.call_tool("remember", json!({ "text": "x", "id": format!("{kept}") })).await.unwrap();
        if result["isError"] == true {
            break result;
        }
        kept += 1;
        assert!(kept < 10, "three entries fit");
    };
    assert!(full["content"][0]["text"].as_str().unwrap().contains("full"), "{full}");
    assert_eq!(
        client.call_tool("recall", json!({ "id": "0" })).await.unwrap()["structuredContent"]["text"],
        "x"
    );
}

#[tokio::test]
async fn a_store_that_cannot_list_offers_neither_search_nor_list() {
    let client = client(&Unlisted::new().erased());
    let tools = client.request("tools/list", json!({})).await.unwrap();
    let names: Vec<_> = tools["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();
    assert_eq!(names, ["forget", "recall", "remember"]);
    client.call_tool("remember", json!({ "text": "kept", "id": "x" })).await.unwrap();
    assert_eq!(
        client.call_tool("recall", json!({ "id": "x" })).await.unwrap()["structuredContent"]["text"],
        "kept"
    );
}

/// A store without `scan`.
#[derive(Debug)]
struct Unlisted {
    inner: MemoryStore,
    capabilities: Capabilities,
}

impl Unlisted {
    fn new() -> Self {
        let inner = MemoryStore::new();
        let mut capabilities = inner.capabilities().clone();
        capabilities.scan = Listing::No;
        Self { inner, capabilities }
    }
}

impl Store for Unlisted {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        self.inner.get(key).await
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        self.inner.put(key, entry, mode).await
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        self.inner.take(key, version).await
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        self.inner.get_many(keys).await
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        self.inner.put_many(entries).await
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        self.inner.delete_many(keys).await
    }

    fn scan(&self, _: Scan<'_>, _: Option<&Cursor>) -> impl Future<Output = Result<Page>> + Send {
        std::future::ready(Err(Error::new(ErrorKind::Unsupported, "this store cannot list")))
    }

    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        self.inner.signal(topic, message).await
    }

    async fn signals(&self, topic: &str) -> Result<Signals> {
        self.inner.signals(topic).await
    }

    async fn changes(&self) -> Result<Changes> {
        self.inner.changes().await
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
