//! What is asked of the service: the stand-in is always consistent and strict, Amazon's own only if it is told to be.

use std::sync::atomic::{AtomicUsize, Ordering};

use kv_core::{ErrorKind, Key, NewEntry, Outcome, PutMode, Scan, Store, Version};
use serde_json::{Value, json};

use crate::scripted::{Answer, Scripted, ready};
use crate::support::C;

const ALIVE: &str = "(attribute_not_exists(x) OR x >= :now)";

async fn server() -> Scripted {
    Scripted::start(ready(|_, _| Answer::ok(json!({})))).await
}

#[tokio::test]
async fn every_read_is_strongly_consistent() {
    let server = server().await;
    let store = server.open().await;
    store.get(Key::new(C, "a")).await.unwrap();
    store.get_many(&[Key::new(C, "a")]).await.unwrap();
    for scan in [Scan::one(C), Scan::under("")] {
        store.scan(scan, None).await.unwrap();
    }
    for operation in ["GetItem", "Query", "Scan"] {
        assert_eq!(server.asked(operation)[0]["ConsistentRead"], json!(true), "{operation}");
    }
    let batch = &server.asked("BatchGetItem")[0]["RequestItems"]["table"];
    assert_eq!(batch["ConsistentRead"], json!(true));
}

#[tokio::test]
async fn every_write_that_depends_on_what_is_there_is_one_request_with_a_condition() {
    let server = server().await;
    let (store, version) = (server.open().await, Version::random());
    for mode in [PutMode::Replace, PutMode::Create, PutMode::Update(version)] {
        store.put(Key::new(C, "a"), NewEntry::new("x"), mode).await.unwrap();
    }
    for version in [None, Some(version)] {
        store.take(Key::new(C, "a"), version).await.unwrap();
    }
    let condition = |request: &Value| request["ConditionExpression"].as_str().unwrap_or_default().to_owned();
    let [replace, create, update] = &server.asked("PutItem")[..] else {
        panic!("three puts are three requests")
    };
    assert_eq!(condition(replace), "");
    assert_eq!(condition(create), "attribute_not_exists(pk) OR x < :now");
    assert_eq!(condition(update), format!("v = :v AND {ALIVE}"));
    let [take, conditional] = &server.asked("DeleteItem")[..] else { panic!("two takes are two requests") };
    assert_eq!(condition(take), format!("attribute_exists(pk) AND {ALIVE}"));
    assert_eq!(condition(conditional), format!("v = :v AND {ALIVE}"));
    for request in [create, update, take, conditional] {
        assert_eq!(request["ReturnValuesOnConditionCheckFailure"], "ALL_OLD");
    }
    assert!([take, conditional].iter().all(|request| request["ReturnValues"] == "ALL_OLD"));
}

#[tokio::test]
async fn a_listing_judges_expiry_where_the_items_are_and_fetches_values_only_if_asked() {
    let server = server().await;
    let store = server.open().await;
    for scan in [Scan::one(C).prefix("a"), Scan::one(C).values(), Scan::under("c")] {
        store.scan(scan.limit(7), None).await.unwrap();
    }
    let [names, values] = &server.asked("Query")[..] else { panic!("two listings are two requests") };
    assert_eq!(names["ProjectionExpression"], "pk, sk, c, n, x");
    assert_eq!(values.get("ProjectionExpression"), None);
    assert_eq!((&names["Limit"], &names["ExpressionAttributeValues"][":sk"]["S"]), (&json!(7), &json!("ia")));
    let whole = &server.asked("Scan")[0];
    for request in [names, values, whole] {
        let filter = request["FilterExpression"].as_str().unwrap();
        assert!(filter.contains("attribute_not_exists(x) OR x >= :now"), "{filter}");
    }
    assert_eq!(whole["Limit"], json!(7));
    assert_eq!(whole["ExpressionAttributeValues"][":pk"]["S"], "larder/c");
}

#[tokio::test]
async fn an_empty_batch_asks_for_nothing() {
    let server = server().await;
    let store = server.open().await;
    assert!(store.get_many(&[]).await.unwrap().is_empty());
    assert!(store.put_many(Vec::new()).await.unwrap().is_empty());
    assert!(store.delete_many(&[]).await.unwrap().is_empty());
    for operation in ["BatchGetItem", "BatchWriteItem"] {
        assert!(server.asked(operation).is_empty(), "{operation}");
    }
}

/// A service with any number of items in one collection, a hundred of which fill an answer, which is throttled at every request
/// after so many.
async fn endless(throttled_after: usize) -> Scripted {
    let asked = AtomicUsize::new(0);
    Scripted::start(ready(move |_, body| {
        if asked.fetch_add(1, Ordering::SeqCst) >= throttled_after {
            return Answer::refusal(400, "ProvisionedThroughputExceededException", "slow down");
        }
        let from: u32 =
            body["ExclusiveStartKey"]["sk"]["S"].as_str().map_or(0, |sk| sk[1..].parse().unwrap());
        let item = |n| json!({ "pk": { "S": "larder/c" }, "sk": { "S": format!("i{n:03}") } });
        let to = from + body["Limit"].as_u64().map_or(100, |limit| u32::try_from(limit).unwrap().min(100));
        let items: Vec<_> = (from + 1..=to).map(item).collect();
        Answer::ok(json!({ "Items": items, "LastEvaluatedKey": item(to) }))
    }))
    .await
}

#[tokio::test]
async fn a_full_page_is_one_request() {
    let server = endless(usize::MAX).await;
    let store = server.open().await;
    let first = store.scan(Scan::one(C).limit(10), None).await.unwrap();
    let second = store.scan(Scan::one(C).limit(10), first.next.as_ref()).await.unwrap();
    assert_eq!((first.items.len(), second.items.len()), (10, 10));
    assert_eq!((&*first.items[0].id, &*second.items[0].id), ("001", "011"));
    assert_eq!(server.asked("Query").len(), 2);
}

/// A service with so many items, every so-manieth of which is wanted, and four thousand of which fill an answer.
async fn table_of(items: usize, every: usize) -> Scripted {
    Scripted::start(ready(move |_, body| {
        let from = body["ExclusiveStartKey"]["sk"]["S"].as_str().map_or(0, |sk| sk[1..].parse().unwrap());
        let most = body["Limit"].as_u64().map_or(4_000, |limit| usize::try_from(limit).unwrap().min(4_000));
        let key = |n: usize| json!({ "pk": { "S": "larder/c" }, "sk": { "S": format!("i{n:05}") } });
        let to = items.min(from + most);
        let wanted: Vec<_> = (from + 1..=to).filter(|n| n % every == 0).map(key).collect();
        let mut answer = json!({ "Items": wanted, "ScannedCount": to - from });
        if to < items {
            answer["LastEvaluatedKey"] = key(to);
        }
        Answer::ok(answer)
    }))
    .await
}

/// The ids that all pages of the scan list, and how many items its requests looked at.
async fn listed(server: &Scripted, scan: Scan<'_>) -> (Vec<String>, usize) {
    let (store, mut ids, mut from) = (server.open().await, Vec::new(), None);
    loop {
        let page = store.scan(scan, from.as_ref()).await.unwrap();
        ids.extend(page.items.into_iter().map(|item| item.id.to_string()));
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    let requests = [server.asked("Scan"), server.asked("Query")].concat();
    let looks = |body: &Value| usize::try_from(body["Limit"].as_u64().unwrap_or(4_000)).unwrap().min(4_000);
    (ids, requests.iter().map(looks).sum())
}

#[tokio::test]
async fn a_listing_reads_the_table_once_whatever_its_limit() {
    const ITEMS: usize = 5_000;
    for every in [1, 2, 10] {
        for limit in [100, 1_000] {
            for scan in [Scan::under(""), Scan::one(C)] {
                let server = table_of(ITEMS, every).await;
                let (ids, looked) = listed(&server, scan.limit(limit)).await;
                let all: Vec<_> = (1..=ITEMS).filter(|n| n % every == 0).map(|n| format!("{n:05}")).collect();
                assert_eq!(ids, all, "one in {every}, limit {limit}");
                assert!(looked <= ITEMS * 3 / 2, "one in {every}, limit {limit}: {looked} of {ITEMS}");
            }
        }
    }
}

#[tokio::test]
async fn requests_look_at_more_and_more_where_they_find_little() {
    let server = table_of(2_000, 2_000).await;
    let store = server.open().await;
    let page = store.scan(Scan::under("").limit(10), None).await.unwrap();
    assert_eq!((page.items.len(), page.next), (1, None));
    let limits: Vec<_> = server.asked("Scan").iter().map(|body| body["Limit"].as_u64().unwrap()).collect();
    assert_eq!(limits, [10, 40, 160, 640, 2_560]);
}

#[tokio::test]
async fn what_was_listed_before_the_service_asks_to_slow_down_is_kept() {
    let server = endless(1).await;
    let store = server.open().await;
    let page = store.scan(Scan::under("c").limit(1_000), None).await.unwrap();
    assert_eq!((page.items.len(), server.asked("Scan").len()), (100, 2));
    let error = store.scan(Scan::under("c").limit(1_000), page.next.as_ref()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled, "nothing was passed over");
}

#[tokio::test]
async fn a_page_passes_over_empty_ones_of_the_service_but_not_for_ever() {
    let server = Scripted::start(ready(|operation, body| {
        let at: u32 = body["ExclusiveStartKey"]["sk"]["S"].as_str().map_or(0, |sk| sk[1..].parse().unwrap());
        let next = json!({ "pk": { "S": "larder/c" }, "sk": { "S": format!("i{:03}", at + 1) } });
        let last = if operation == "Query" { 10 } else { 40 };
        let next = if at < last { json!({ "LastEvaluatedKey": next }) } else { json!({}) };
        Answer::ok(next)
    }))
    .await;
    let store = server.open().await;
    let page = store.scan(Scan::one(C), None).await.unwrap();
    assert!(page.items.is_empty() && page.next.is_none());
    assert_eq!(server.asked("Query").len(), 11, "eleven empty pages are one of ours");

    let (mut pages, mut from) = (0, None);
    loop {
        let page = store.scan(Scan::under(""), from.as_ref()).await.unwrap();
        assert!(page.items.is_empty());
        pages += 1;
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!((pages, server.asked("Scan").len()), (3, 41), "sixteen at a time");
}

#[tokio::test]
async fn a_page_tells_damaged_items_beside_the_others_where_that_is_asked_for() {
    let server = Scripted::start(ready(|operation, _| {
        let item = |id: &str| json!({ "pk": { "S": "larder/c" }, "sk": { "S": format!("i{id}") } });
        let mut whole = item("b");
        whole["v"] = json!({ "B": "AAAAAAAAAAAAAAAAAAAAAA==" });
        whole["d"] = json!({ "B": "AA==" });
        let misnamed = json!({ "pk": { "S": "larder/c" }, "sk": { "S": "ix" }, "n": { "S": "y" } });
        assert_eq!(operation, "Query");
        Answer::ok(json!({ "Items": [item("a"), whole, misnamed] }))
    }))
    .await;
    let store = server.open().await;
    assert_eq!(store.scan(Scan::one(C).values(), None).await.unwrap_err().key(), Some("c/a"));
    let page = store.scan(Scan::one(C).values().skip_damaged(), None).await.unwrap();
    assert_eq!(page.items.iter().map(|item| &*item.id).collect::<Vec<_>>(), ["b"]);
    let damaged: Vec<_> = page.damaged.iter().map(|one| one.key().map(|key| key.id)).collect();
    assert_eq!(damaged, [Some("a"), None], "of the last not even the name is known");
}

#[tokio::test]
async fn a_damaged_item_that_was_taken_is_gone_and_the_error_does_not_deny_it() {
    let server = Scripted::start(ready(|operation, _| {
        assert_eq!(operation, "DeleteItem");
        Answer::ok(json!({ "Attributes": { "pk": { "S": "larder/c" }, "sk": { "S": "ia" } } }))
    }))
    .await;
    let store = server.open().await;
    for version in [None, Some(Version::from_bytes([0; 16]))] {
        let error = store.take(Key::new(C, "a"), version).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Corrupt, Outcome::Unknown), "{error:?}");
    }
}
