//! Streams that a client goes on reading after its connection was lost.

use kv_core::{AnyStore, StoreExt as _};
use kv_memory::MemoryStore;
use larder_tests::http::{HttpRequest, Streaming};
use larder_tests::node::{Caller, Node, said};
use larder_tests::shared::Shared;
use mcp_server::{Context, Server, Tool};
use serde_json::{Value, json};

use crate::{Ending, Gate, Pair, each, schema, soon};

/// The next thing that is said, and its id.
async fn next(stream: &mut Streaming) -> Option<(String, Value)> {
    let (event, message) = soon(said(stream)).await?;
    Some((event.id.unwrap_or_default(), message))
}

/// The next thing is this log message; its id.
async fn hears(stream: &mut Streaming, word: impl Into<Value>) -> String {
    let (id, message) = next(stream).await.expect("a message");
    assert_eq!(message["params"]["data"], word.into(), "{message}");
    id
}

/// The rest of `speak` behind its second word, which comes as it is said.
async fn speaks_on(pair: &Pair, mut stream: Streaming) {
    pair.gate.open();
    hears(&mut stream, "three").await;
    pair.gate.open();
    answers(stream, "spoken").await;
}

/// The next thing is the answer of a tool, and the last.
async fn answers(mut stream: Streaming, text: &str) {
    let (_, answer) = next(&mut stream).await.expect("an answer");
    assert_eq!(answer["result"]["content"][0]["text"], text, "{answer}");
    assert_eq!(next(&mut stream).await, None);
}

/// Goes on behind an event, at this node.
async fn resumed(caller: &Caller, node: &Node, last: &str) -> Streaming {
    let stream = caller.resume(last).send(node.address).await.head().await;
    assert_eq!((stream.status, stream.header("content-type")), (200, Some("text/event-stream")));
    stream
}

/// Going on behind an event is refused, in the one way.
async fn not_resumed(caller: &Caller, node: &Node, last: &str) {
    let answer = soon(caller.resume(last).fetch(node.address)).await;
    let error = &answer.messages()[0]["error"];
    assert_eq!((answer.status, &error["code"]), (400, &json!(-32600)), "{last}");
    assert!(error["message"].as_str().unwrap().starts_with("cannot resume"), "{error}");
}

/// Calls the tool that speaks at the first server, leaves after its first word, and lets it end; the id of that event.
async fn spoken_to_nobody(pair: &Pair, caller: &Caller) -> String {
    let mut stream = caller.open(&pair.a, &caller.call("speak", &json!({}))).await;
    let first = hears(&mut stream, "one").await;
    stream.disconnect();
    for _ in 0..3 {
        pair.gate.open();
    }
    pair.gate.done("ended").await;
    first
}

#[tokio::test]
async fn a_client_that_was_cut_off_goes_on_at_either_replica() {
    each(async |pair| {
        for there in [&pair.a, &pair.b] {
            let caller = Caller::begin(&pair.a, "2025-11-25").await;
            let mut stream = caller.open(&pair.a, &caller.call("speak", &json!({}))).await;
            let first = hears(&mut stream, "one").await;
            stream.disconnect();
            pair.gate.open(); // said while nobody hears
            let mut stream = resumed(&caller, there, &first).await;
            let second = hears(&mut stream, "two").await;
            pair.gate.open(); // said while it is followed
            let third = hears(&mut stream, "three").await;
            pair.gate.open();
            answers(stream, "spoken").await;
            let names = [&first, &second, &third].map(|id| id.split_once('-').unwrap());
            assert!(names.iter().all(|(name, _)| name == &names[0].0), "one stream: {names:?}");
            assert_eq!(names.map(|(_, number)| number), ["1", "2", "3"]);
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_said_while_nobody_was_there_is_had_after_the_end_too() {
    each(async |pair| {
        let caller = Caller::begin(&pair.a, "2025-06-18").await;
        let first = spoken_to_nobody(&pair, &caller).await;
        for node in [&pair.b, &pair.a] {
            let mut stream = resumed(&caller, node, &first).await;
            hears(&mut stream, "two").await;
            hears(&mut stream, "three").await;
            answers(stream, "spoken").await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_larger_than_the_store_takes_is_had_where_it_was_made_and_told_of_elsewhere() {
    let store = Shared::new(AnyStore::new(MemoryStore::new().limited(64 << 10)));
    let gate = Gate::default();
    let large = |server: Server| {
        let gate = gate.clone();
        server.tool(Tool::new("large", schema(), move |ctx: Context, _| {
            let gate = gate.clone();
            async move {
                let _ending = Ending(gate.clone());
                ctx.info("one");
                gate.pass().await;
                "x".repeat(100 << 10)
            }
        }))
    };
    let pair = Pair::with(store, large).await;
    let caller = Caller::begin(&pair.a, "2025-11-25").await;
    let mut stream = caller.open(&pair.a, &caller.call("large", &json!({}))).await;
    let first = hears(&mut stream, "one").await;
    stream.disconnect();
    gate.open();
    gate.done("ended").await;
    let here = soon(caller.resume(&first).fetch(pair.a.address)).await;
    let text = here.messages().pop().unwrap()["result"]["content"][0]["text"].as_str().map(str::len);
    assert_eq!(text, Some(100 << 10));
    let elsewhere = soon(caller.resume(&first).fetch(pair.b.address)).await;
    let error = elsewhere.messages().pop().unwrap()["error"].clone();
    assert_eq!(error["code"], -32_603, "{elsewhere:?}");
    assert!(error["message"].as_str().unwrap().contains("larger than the store keeps"), "{error}");
}

#[tokio::test]
async fn what_the_store_did_not_take_for_a_while_is_had_from_the_same_replica_at_once_and_later_from_all() {
    each(async |pair| {
        let caller = Caller::begin(&pair.a, "2025-11-25").await;
        let ping = caller.request("ping", &json!({}));
        assert_eq!(caller.send(&pair.b, &ping).await.status, 200);
        pair.store_a.break_down("events");
        let first = spoken_to_nobody(&pair, &caller).await;
        not_resumed(&caller, &pair.b, &first).await;
        for node in [&pair.a, &pair.b] {
            let mut stream = soon(async {
                loop {
                    let stream = caller.resume(&first).send(node.address).await.head().await;
                    if stream.status == 200 {
                        break stream;
                    }
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await; // until it is written
                }
            })
            .await;
            hears(&mut stream, "two").await;
            hears(&mut stream, "three").await;
            answers(stream, "spoken").await;
            pair.store_a.mend();
        }
    })
    .await;
}

#[tokio::test]
async fn an_event_that_is_unknown_malformed_or_of_another_session_cannot_be_resumed() {
    each(async |pair| {
        let caller = Caller::begin(&pair.a, "2025-11-25").await;
        let other = Caller::begin(&pair.a, "2025-11-25").await;
        let ada = Caller::begin_as(&pair.b, "2025-11-25", "ada").await;
        let mut stream = caller.open(&pair.a, &caller.call("speak", &json!({}))).await;
        let first = hears(&mut stream, "one").await;
        for node in [&pair.a, &pair.b] {
            for stranger in [&other, &ada] {
                not_resumed(stranger, node, &first).await;
            }
            let unknown = format!("{:016x}-1", 7);
            for last in [&*unknown, "", "x", "-", "1-1", "../../a-1", &format!("{first}9999999999999999999")]
            {
                not_resumed(&caller, node, last).await;
            }
        }
        for _ in 0..3 {
            pair.gate.open();
        }
        hears(&mut stream, "two").await;
        hears(&mut stream, "three").await;
        answers(stream, "spoken").await;
    })
    .await;
}

#[tokio::test]
async fn an_event_that_does_not_exist_yet_cannot_be_resumed_and_whoever_reads_goes_on() {
    each(async |pair| {
        let caller = Caller::begin(&pair.a, "2025-11-25").await;
        let mut stream = caller.open(&pair.a, &caller.call("speak", &json!({}))).await;
        let first = hears(&mut stream, "one").await;
        let (name, _) = first.split_once('-').unwrap();
        for node in [&pair.a, &pair.b] {
            for beyond in [2, 3, 999_999, u64::MAX - 1] {
                not_resumed(&caller, node, &format!("{name}-{beyond}")).await;
            }
        }
        pair.gate.open();
        let second = hears(&mut stream, "two").await;
        for beyond in [3, 999_999] {
            not_resumed(&caller, &pair.b, &format!("{name}-{beyond}")).await;
        }
        let elsewhere = resumed(&caller, &pair.b, &second).await;
        assert_eq!(next(&mut stream).await, None);
        not_resumed(&caller, &pair.b, &format!("{name}-999999")).await;
        speaks_on(&pair, elsewhere).await;
    })
    .await;
}

#[tokio::test]
async fn what_was_said_a_moment_ago_is_resumed_elsewhere_once_it_is_written() {
    each(async |pair| {
        let caller = Caller::begin(&pair.a, "2025-11-25").await;
        let mut stream = caller.open(&pair.a, &caller.call("speak", &json!({}))).await;
        let first = hears(&mut stream, "one").await;
        drop(resumed(&caller, &pair.b, &first).await); // so much is written
        assert_eq!(next(&mut stream).await, None, "the first server has heard of it");
        let mut stream = resumed(&caller, &pair.a, &first).await;
        pair.store_a.break_down("events");
        pair.gate.open();
        let second = hears(&mut stream, "two").await;
        let mended = async {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await; // longer than it takes to be written
            pair.store_a.mend();
        };
        let ((), elsewhere) = tokio::join!(mended, resumed(&caller, &pair.b, &second));
        speaks_on(&pair, elsewhere).await;
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_outgrew_its_bounds_cannot_be_resumed_from_what_is_gone() {
    each(async |pair| {
        let caller = Caller::begin(&pair.a, "2025-11-25").await;
        let mut stream = caller.open(&pair.a, &caller.call("chatter", &json!({}))).await;
        let (mut last, mut said) = (String::new(), 0_u32);
        while let Some((id, _)) = next(&mut stream).await {
            (last, said) = (id, said + 1);
        }
        let (name, number) = last.split_once('-').unwrap();
        assert_eq!((number.parse(), said > 40), (Ok(said), true), "8 KiB each: more than 256 KiB");
        for node in [&pair.a, &pair.b] {
            for gone in [0, 1, said - 33] {
                not_resumed(&caller, node, &format!("{name}-{gone}")).await;
            }
            let mut stream = resumed(&caller, node, &format!("{name}-{}", said - 30)).await;
            let mut replayed = 0;
            while next(&mut stream).await.is_some() {
                replayed += 1;
            }
            assert_eq!(replayed, 30);
        }
    })
    .await;
}

#[tokio::test]
async fn the_newest_reader_has_the_stream_wherever_it_is() {
    each(async |pair| {
        let caller = Caller::begin(&pair.a, "2025-11-25").await;
        let mut first = caller.open(&pair.a, &caller.call("speak", &json!({}))).await;
        let id = hears(&mut first, "one").await;
        let mut second = resumed(&caller, &pair.b, &id).await;
        assert_eq!(next(&mut first).await, None, "the connection from before ends");
        pair.gate.open();
        let id = hears(&mut second, "two").await;
        let third = resumed(&caller, &pair.a, &id).await;
        assert_eq!(next(&mut second).await, None, "also where another replica has it");
        speaks_on(&pair, third).await;
    })
    .await;
}

#[tokio::test]
async fn a_client_that_is_sent_away_comes_back_for_its_answer() {
    each(async |pair| {
        for node in [&pair.b, &pair.a] {
            let caller = Caller::begin(&pair.a, "2025-11-25").await;
            let mut stream = caller.open(&pair.a, &caller.call("leave", &json!({}))).await;
            let primed = soon(stream.event()).await.unwrap();
            assert_eq!((primed.data.as_deref(), primed.retry.as_deref()), (Some(""), Some("1000")));
            let leaving = soon(stream.event()).await.unwrap();
            assert_eq!((leaving.data.as_deref(), leaving.retry.as_deref()), (Some(""), Some("70")));
            assert_eq!(soon(stream.event()).await, None);
            let stream = resumed(&caller, node, &leaving.id.unwrap()).await;
            pair.gate.open();
            answers(stream, "left: true").await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_of_another_revision_is_not_sent_away() {
    each(async |pair| {
        for revision in ["2025-03-26", "2025-06-18"] {
            let caller = Caller::begin(&pair.a, revision).await;
            pair.gate.open();
            let text = caller.text(&pair.a, "leave", json!({})).await;
            assert_eq!(text, "left: false");
        }
    })
    .await;
}

#[tokio::test]
async fn only_the_newest_revision_is_primed_and_a_stream_tells_when_to_come_back() {
    each(async |pair| {
        for revision in ["2025-03-26", "2025-06-18", "2025-11-25"] {
            let caller = Caller::begin(&pair.a, revision).await;
            let mut stream = caller.open(&pair.a, &caller.call("speak", &json!({}))).await;
            let first = soon(stream.event()).await.unwrap();
            assert_eq!(first.retry.as_deref(), Some("1000"), "{revision}");
            assert_eq!(first.data.as_deref() == Some(""), revision == "2025-11-25", "{revision}");
            assert!(first.id.is_some(), "{revision}");
            (0..3).for_each(|_| pair.gate.open());
            while let Some(event) = soon(stream.event()).await {
                assert_ne!(event.data.as_deref(), Some(""), "{revision}");
                assert_eq!((event.retry, event.id.is_some()), (None, true), "{revision}");
            }
        }
    })
    .await;
}

/// Whether the store has what tells that a replica lives.
async fn forget_heartbeats(pair: &Pair) {
    use kv_core::{Scan, Store as _, StoreExt as _};
    let page = pair.store_a.scan(Scan::under("").limit(1_000), None).await.unwrap();
    for item in page.items.iter().filter(|item| item.id.starts_with("beat.")) {
        pair.store_a.delete(kv_core::Key::new(&item.collection, &item.id)).await.unwrap();
    }
}

#[tokio::test]
async fn a_stream_whose_replica_is_gone_ends_with_an_error() {
    let store = crate::Shared::new(kv_core::AnyStore::new(kv_memory::MemoryStore::new()));
    let pair = Pair::on(store).await;
    let caller = Caller::begin(&pair.a, "2025-11-25").await;
    let call = caller.call("speak", &json!({}));
    let mut stream = caller.open(&pair.a, &call).await;
    let first = hears(&mut stream, "one").await;
    let mut followed = resumed(&caller, &pair.b, &first).await;
    // Its heartbeat is renewed every 5 s: without it for half a second is as good as dead.
    let orphaned = async {
        loop {
            forget_heartbeats(&pair).await;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let ended = async { next(&mut followed).await.unwrap() };
    let (id, error) = tokio::select! {
        () = orphaned => unreachable!(),
        ended = soon(ended) => ended,
    };
    assert_eq!((&*id, &error["id"], &error["error"]["code"]), ("", &call["id"], &json!(-32603)));
    assert_eq!(error["error"]["message"], "the replica running this request is gone");
    assert_eq!(next(&mut followed).await, None);
}

#[tokio::test]
async fn a_server_with_nothing_to_tell_opens_a_stream_to_go_on_with_and_no_other() {
    let gate = crate::Gate::default();
    let server = mcp_server::Server::new("quiet").tool(crate::speaking(&gate));
    let node = Node::serve(server).await;
    let caller = Caller::begin(&node, "2025-11-25").await;
    let get = HttpRequest::new("GET", "").header("accept", "text/event-stream");
    assert_eq!(caller.sign(get).fetch(node.address).await.status, 405);
    let mut stream = caller.open(&node, &caller.call("speak", &json!({}))).await;
    let first = hears(&mut stream, "one").await;
    stream.disconnect();
    (0..3).for_each(|_| gate.open());
    let mut stream = resumed(&caller, &node, &first).await;
    hears(&mut stream, "two").await;
    hears(&mut stream, "three").await;
    answers(stream, "spoken").await;
}
