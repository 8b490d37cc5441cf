//! A server without room: others make way, or `Full`; and what is too large for it.

use kv_core::{Diagnose, ErrorKind, Key, NewEntry, Outcome, PutMode, Store, Verdict};

use crate::support::{Server, get, put};

fn value(n: usize) -> Vec<u8> {
    format!("value {n:06} ").into_bytes().repeat(300)
}

#[tokio::test]
async fn a_full_server_drops_old_entries_and_every_one_that_is_left_is_right() {
    let Some(server) = Server::start(&["-m", "4"]) else { return };
    let store = server.open().await;
    for n in 0..3_000 {
        put(&store, &n.to_string(), value(n)).await.unwrap();
        let entry = get(&store, &n.to_string()).await.unwrap().expect("what was just put");
        assert_eq!(entry.value, value(n));
    }
    let mut left = 0;
    for n in 0..3_000 {
        if let Some(entry) = get(&store, &n.to_string()).await.unwrap() {
            assert_eq!(entry.value, value(n));
            left += 1;
        }
    }
    assert!((100..2_500).contains(&left), "{left} of 3,000 are left");
    let findings = store.diagnose().await;
    assert!(
        findings.iter().any(|finding| finding.about == "eviction" && finding.verdict == Verdict::Notice),
        "{findings:?}"
    );
    assert!(
        findings.iter().any(|finding| finding.about == "clock" && finding.verdict == Verdict::Good),
        "{findings:?}"
    );
    assert!(server.stat("evictions") > 0);
}

#[tokio::test]
async fn what_was_dropped_is_absent_for_conditions_too() {
    let Some(server) = Server::start(&["-m", "4"]) else { return };
    let store = server.open().await;
    let version = put(&store, "first", value(0)).await.unwrap();
    for n in 0..3_000 {
        put(&store, &n.to_string(), value(n)).await.unwrap();
    }
    assert!(get(&store, "first").await.unwrap().is_none(), "it was to be dropped");
    let key = Key::new("c", "first");
    let error = store.put(key, NewEntry::new("x"), PutMode::Update(version)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(store.take(key, None).await.unwrap().is_none());
    store.put(key, NewEntry::new("x"), PutMode::Create).await.unwrap();
}

#[tokio::test]
async fn a_server_that_may_not_drop_entries_is_full_and_goes_on_reading() {
    let Some(server) = Server::start(&["-m", "4", "-M"]) else { return };
    let store = server.open().await;
    let mut stored = 0;
    let error = loop {
        match put(&store, &stored.to_string(), value(stored)).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 10_000, "it never gets full");
    };
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Full, Outcome::Unknown), "{error}");
    for n in [0, stored / 2, stored - 1] {
        assert_eq!(get(&store, &n.to_string()).await.unwrap().unwrap().value, value(n));
    }
    let keys: Vec<_> = (0..stored).map(|n| n.to_string()).collect();
    let keys: Vec<_> = keys.iter().map(|id| Key::new("c", id)).collect();
    for deleted in store.delete_many(&keys).await.unwrap() {
        deleted.unwrap();
    }
    put(&store, "again", value(1)).await.unwrap();
}

#[tokio::test]
async fn a_write_over_an_entry_of_a_full_server_may_remove_it_and_does_not_deny_it() {
    let Some(server) = Server::start(&["-m", "4", "-M"]) else { return };
    let store = server.open().await;
    let version = put(&store, "small", "x").await.unwrap();
    for n in 0.. {
        if put(&store, &n.to_string(), value(n)).await.is_err() {
            break;
        }
        assert!(n < 10_000, "it never gets full");
    }
    let key = Key::new("c", "small");
    let error =
        store.put(key, NewEntry::new(value(0)), PutMode::Update(version)).await.expect_err("no room is left");
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Full, Outcome::Unknown), "{error}");
    match get(&store, "small").await.unwrap() {
        Some(entry) => assert_eq!(entry.value, "x"),
        None => println!("the server dropped what it could not replace"),
    }
}

/// An id that leaves just so much room for a value of `value` bytes in an item of `item_size`.
fn id_that_fills(item_size: usize, value: usize) -> String {
    // Key, head and the optional part with its two lengths, codec and tags; and what the server adds.
    let fixed = 46 + 32 + (1 + 8 + "c".len() + 8 + 2 + 8) + 128;
    "i".repeat(item_size - fixed - value)
}

#[tokio::test]
async fn the_largest_item_is_taken_and_a_byte_more_is_refused_before_it_is_sent() {
    for (options, item_size) in [(&["-m", "64"][..], 1 << 20), (&["-m", "64", "-I", "3m"], 3 << 20)] {
        let Some(server) = Server::start(options) else { return };
        let store = server.open().await;
        let max = store.capabilities().max_value.unwrap();
        assert!(max > item_size - 4_096 && max < item_size);
        let id = id_that_fills(item_size, max - 10_000);
        let version = put(&store, &id, vec![7; max - 10_000]).await.unwrap();
        assert_eq!(get(&store, &id).await.unwrap().unwrap().version, version);
        let sets = server.stat("cmd_set");
        let error = put(&store, &id, vec![7; max - 10_000 + 1]).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::TooLarge, Outcome::NotDone));
        assert_eq!(server.stat("cmd_set"), sets, "it was sent all the same");
        assert_eq!(get(&store, &id).await.unwrap().unwrap().version, version, "the old value stays");
    }
}

#[tokio::test]
async fn a_server_that_came_back_with_another_limit_is_believed() {
    let Some(mut server) = Server::start(&["-m", "64", "-I", "2m"]) else { return };
    let store = server.open().await;
    put(&store, "a", vec![7; 1_500_000]).await.unwrap();
    server.restart_with(&["-m", "64"]);
    while get(&store, "a").await.is_err() {}
    let error = put(&store, "a", vec![7; 1_500_000]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
}
