use kv_core::{AnyStore, Clock, Scan, Store as _};
use kv_memory::MemoryStore;
use serde_json::value::RawValue;

use super::{CARRIED, EXPIRY, Record, Records, foreign};
use crate::asking::left::{LEFT, Left};
use crate::asking::{Keys, Pages};
use crate::hub::Hub;
use crate::protocol::{Json, Revision};
use crate::rate::Rate;
use crate::replica::Replica;
use crate::{Operation, Principal, Request};

const SECRET: &[u8] = &[7; 32];

struct Bench {
    store: AnyStore,
    clock: Clock,
    records: Records,
}

fn bench() -> Bench {
    let (store, clock) = (AnyStore::new(MemoryStore::new()), Clock::manual());
    let records = Records::new("server", &store, Keys::given(SECRET), clock.clone(), Left::new(LEFT));
    Bench { store, clock, records }
}

fn call(name: &'static str, arguments: &'static str) -> Request {
    let arguments = Json::parse(arguments.into()).unwrap();
    let operation = Operation::CallTool { name: name.into(), arguments };
    let mut request = Request::for_tests(operation, Revision::V2026_07_28);
    request.principal = Principal::user("i", "ada");
    request
}

/// A record in which the work `k` gave a text of this length.
fn record(length: usize) -> Record {
    let mut record = Record::default();
    let text = RawValue::from_string(format!("\"{}\"", "x".repeat(length))).unwrap();
    record.done.insert("k".to_owned(), text);
    record
}

fn length(record: &Record) -> usize {
    record.done["k"].get().len() - 2
}

/// Whether `state` is refused, in the words in which everything is that was not made for its request.
async fn is_foreign(records: &Records, request: &Request, state: &str) -> bool {
    records.open(request, state, false).await.is_err_and(|failure| failure == foreign())
}

#[tokio::test]
async fn a_record_too_large_to_be_carried_lies_sealed_in_the_store() {
    let Bench { store, records, clock } = bench();
    let request = call("book", r#"{"room":"Oak"}"#);
    let held = async || store.scan(Scan::under("").values(), None).await.unwrap().items;
    let small = records.seal(&request, record(100)).await.unwrap();
    assert!(held().await.is_empty());
    assert_eq!(length(&records.open(&request, &small, false).await.unwrap()), 100);

    let large = records.seal(&request, record(CARRIED)).await.unwrap();
    assert!(large.len() < 1_000, "a name: {large}");
    let kept = held().await;
    let value = &kept[0].entry.as_ref().unwrap().value;
    assert!(kept.len() == 1 && value.len() > CARRIED && !value.windows(9).any(|part| part == b"xxxxxxxxx"));
    assert_eq!(length(&records.open(&request, &large, false).await.unwrap()), CARRIED);
    assert!(is_foreign(&records, &call("book", r#"{"room":"Elm"}"#), &large).await);
    let elsewhere = AnyStore::new(MemoryStore::new());
    let elsewhere = Records::new("server", &elsewhere, Keys::given(SECRET), clock, Left::new(LEFT));
    assert!(is_foreign(&elsewhere, &request, &large).await, "the name of what is not there");
    assert_eq!(
        length(&elsewhere.open(&request, &small, false).await.unwrap()),
        100,
        "it holds all that it says"
    );
}

#[tokio::test]
async fn who_sends_a_round_again_and_again_leaves_one_large_record() {
    let Bench { store, records, .. } = bench();
    let request = call("book", r#"{"room":"Oak"}"#);
    let held = async || store.scan(Scan::under(""), None).await.unwrap().items.len();
    let mut states = Vec::new();
    for _ in 0..5 {
        states.push(records.seal(&request, record(CARRIED)).await.unwrap());
    }
    assert_eq!(held().await, 1);
    for state in &states {
        assert_eq!(
            length(&records.open(&request, state, true).await.unwrap()),
            CARRIED,
            "each may be used once"
        );
    }
    let before = held().await;
    records.seal(&request, record(CARRIED + 1)).await.unwrap();
    records.seal(&call("book", r#"{"room":"Elm"}"#), record(CARRIED)).await.unwrap();
    assert_eq!(held().await, before + 2, "another record, another request");
}

#[tokio::test(start_paused = true)]
async fn who_leaves_more_in_the_store_than_one_may_waits_and_nobody_else_does() {
    let Bench { store, mut records, .. } = bench();
    let most = 3 * u32::try_from(CARRIED).unwrap();
    records.left = Left::new(Rate { per_second: most / 100, at_once: most });
    let mut request = call("book", "{}");
    let mut left = 0;
    let refused = loop {
        match records.seal(&request, record(CARRIED + left)).await {
            Ok(_) => left += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!((left, store.scan(Scan::under(""), None).await.unwrap().items.len()), (3, 3));
    assert!(refused.message.starts_with("one user may leave 64 MiB"), "{}", refused.message);
    assert!(records.seal(&request, record(100)).await.is_ok(), "what is carried leaves nothing");
    request.principal = Principal::user("i", "eve");
    assert!(records.seal(&request, record(CARRIED)).await.is_ok());
    request.principal = Principal::user("i", "ada");
    tokio::time::advance(std::time::Duration::from_secs(200)).await;
    assert!(records.seal(&request, record(CARRIED)).await.is_ok());
}

#[tokio::test]
async fn a_state_of_which_any_character_is_another_or_missing_is_refused() {
    let Bench { records, .. } = bench();
    let request = call("book", "{}");
    let state = records.seal(&request, record(3)).await.unwrap();
    assert!(records.open(&request, &state, false).await.is_ok());
    for at in 0..state.len() {
        let other = if &state[at..=at] == "A" { "B" } else { "A" };
        let bent = [&state[..at], other, &state[at + 1..]].concat();
        assert!(is_foreign(&records, &request, &bent).await, "{at}");
        assert!(is_foreign(&records, &request, &state[..at]).await, "{at}");
    }
    for longer in [format!("{state}A"), format!("{state}="), format!(" {state}")] {
        assert!(is_foreign(&records, &request, &longer).await, "{longer}");
    }
}

#[tokio::test]
async fn a_state_belongs_to_its_caller_its_method_its_target_and_its_arguments() {
    let Bench { store, records, clock } = bench();
    let request = call("book", r#"{"room":"Oak","seats":2}"#);
    let state = records.seal(&request, record(3)).await.unwrap();
    assert!(records.open(&call("book", r#"{ "seats":2, "room":"Oak" }"#), &state, false).await.is_ok());
    let mut others = vec![
        call("look", r#"{"room":"Oak","seats":2}"#),
        call("book", r#"{"room":"Oak","seats":3}"#),
        call("book", r#"{"room":"Oak"}"#),
        call("book", r#"{"room":"Oak","seats":2,"x":null}"#),
        call("book", r#"{"room":"Oak","seats":"2"}"#),
    ];
    let arguments = Json::parse(r#"{"room":"Oak","seats":2}"#.into()).unwrap();
    let prompt = Operation::GetPrompt { name: "book".into(), arguments };
    others.push(Request { operation: prompt, ..request.clone() });
    for principal in
        [Principal::user("i", "eve"), Principal::user("j", "ada"), Principal::anonymous(), Principal::local()]
    {
        others.push(Request { principal, ..request.clone() });
    }
    for (number, other) in others.iter().enumerate() {
        assert!(is_foreign(&records, other, &state).await, "{number}");
    }
    for (server, secret) in [("another", SECRET), ("server", &[8; 32][..])] {
        let other = Records::new(server, &store, Keys::given(secret), clock.clone(), Left::new(LEFT));
        assert!(is_foreign(&other, &request, &state).await, "{server}");
    }
}

#[tokio::test]
async fn a_state_is_good_for_an_hour() {
    let Bench { records, clock, .. } = bench();
    let request = call("book", "{}");
    let state = records.seal(&request, record(3)).await.unwrap();
    clock.advance(EXPIRY / 100 * 99);
    assert!(records.open(&request, &state, false).await.is_ok());
    clock.advance(EXPIRY / 50);
    assert!(is_foreign(&records, &request, &state).await);
}

#[tokio::test]
async fn a_state_for_a_single_use_is_used_up_by_its_request_alone() {
    let Bench { records, .. } = bench();
    let request = call("pay", "{}");
    for length in [3, CARRIED] {
        let state = records.seal(&request, record(length)).await.unwrap();
        assert!(records.open(&call("pay", r#"{"a":1}"#), &state, true).await.is_err());
        let (first, second) =
            tokio::join!(records.open(&request, &state, true), records.open(&request, &state, true));
        assert!(first.is_ok() != second.is_ok(), "one of two at once");
        let again = records.open(&request, &state, true).await.err().unwrap();
        assert!(again.message.contains("sent before"), "{again}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_used_up_and_tickets_to_pages_count_among_what_one_leaves() {
    let Bench { store, mut records, .. } = bench();
    records.left = Left::new(Rate { per_second: 1, at_once: 1_024 });
    let pages = Pages::new(&store, Hub::default(), Replica::new(&store), records.left.clone());
    let request = call("book", "{}");
    let first = records.seal(&request, record(1)).await.unwrap();
    records.open(&request, &first, true).await.unwrap();
    pages.issue(&request.principal, "held".into(), None).await.unwrap();
    let second = records.seal(&request, record(1)).await.unwrap();
    let refused = records.open(&request, &second, true).await.err().unwrap();
    assert!(refused.message.starts_with("one user may leave"), "{refused:?}");
    let refused = pages.issue(&request.principal, "held".into(), None).await.err().unwrap();
    assert!(refused.is_unavailable(), "{refused:?}");
    pages.issue(&Principal::user("i", "eve"), "held".into(), None).await.unwrap();
}
