//! Tables: missing, made, foreign, without rights.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use kv_core::{ErrorKind, Key, Outcome, Scan, Store};
use kv_dynamo::DynamoStore;
use serde_json::json;

use crate::scripted::{Answer, Scripted, cleans, described};
use crate::support::{C, Table, put, value};

#[tokio::test]
async fn a_missing_table_is_invalid_with_advice() {
    let Some(table) = Table::unmade() else { return };
    let error = DynamoStore::open(table.config()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome(), error.operation()),
        (ErrorKind::Invalid, Outcome::NotDone, Some("open"))
    );
    for part in [&*table.name, "create=true", "`pk`", "`sk`"] {
        assert!(error.message().contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_table_is_made_on_request_with_time_to_live_and_found_again() {
    let Some(table) = Table::unmade() else { return };
    let store = table.open().await;
    assert!(store.warnings().is_empty(), "{:?}", store.warnings());
    put(&store, "a", "x").await.unwrap();
    store.close().await.unwrap();
    let told = table.client().describe_time_to_live().table_name(&table.name).send().await.unwrap();
    assert_eq!(told.time_to_live_description().unwrap().attribute_name(), Some("ttl"));
    let made = table.client().describe_table().table_name(&table.name).send().await.unwrap();
    let billing = made.table().unwrap().billing_mode_summary().unwrap().billing_mode().cloned();
    assert_eq!(billing, Some(BillingMode::PayPerRequest));

    let again = DynamoStore::open(table.config()).await.unwrap();
    assert!(again.warnings().is_empty(), "{:?}", again.warnings());
    assert_eq!(value(&again, "a").await.unwrap(), Some("x".into()));
}

#[tokio::test]
async fn many_that_make_one_table_at_once_all_open_it() {
    let Some(table) = Table::unmade() else { return };
    let stores = futures_util::future::join_all((0..8).map(|_| table.open())).await;
    for (n, store) in stores.iter().enumerate() {
        put(store, &n.to_string(), "x").await.unwrap();
        assert!(store.warnings().is_empty(), "{:?}", store.warnings());
    }
    assert_eq!(stores[0].scan(Scan::one(C), None).await.unwrap().items.len(), 8);
}

/// A table with the partition key `id` alone.
async fn foreign(table: &Table) {
    let id = AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S);
    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash);
    let request =
        table.client().create_table().table_name(&table.name).billing_mode(BillingMode::PayPerRequest);
    let request = request.attribute_definitions(id.build().unwrap()).key_schema(key.build().unwrap());
    request.send().await.unwrap();
}

#[tokio::test]
async fn a_table_with_another_key_is_refused_and_left_alone() {
    let Some(table) = Table::unmade() else { return };
    foreign(&table).await;
    for create in [false, true] {
        let mut config = table.config();
        config.create = create;
        let error = DynamoStore::open(config).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains("another key") && error.message().contains("`pk`"), "{error}");
    }
}

#[tokio::test]
async fn a_table_that_vanishes_is_said_to_be_missing() {
    let Some(table) = Table::unmade() else { return };
    let store = table.open().await;
    table.client().delete_table().table_name(&table.name).send().await.unwrap();
    let error = value(&store, "a").await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Invalid, Outcome::NotDone));
    assert!(error.message().contains("no such table"), "{error}");
}

#[tokio::test]
async fn items_of_others_in_the_table_are_passed_over_or_corrupt() {
    let Some(table) = Table::unmade() else { return };
    let store = table.open().await;
    put(&store, "mine", "x").await.unwrap();
    let theirs = |pk: &str, sk: &str| {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let request = table.client().put_item().table_name(&table.name);
        request.item("pk", text(pk)).item("sk", text(sk)).item("data", text("theirs")).send()
    };
    theirs("user#1", "profile").await.unwrap();
    let items = store.scan(Scan::under(""), None).await.unwrap().items;
    assert_eq!(items.iter().map(|item| &*item.id).collect::<Vec<_>>(), ["mine"]);

    theirs("larder/c", "i7").await.unwrap();
    let error = value(&store, "7").await.unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some("c/7")));
    let error = store.scan(Scan::one(C).values(), None).await.unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some("c/7")));
    let error = store.take(Key::new(C, "7"), None).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Corrupt && error.message().contains("removed"), "{error}");
    assert_eq!(value(&store, "7").await.unwrap(), None);
}

#[tokio::test]
async fn without_the_right_to_describe_a_table_a_read_shows_that_it_is_there() {
    let denied =
        |what: &str| Answer::refusal(400, "AccessDeniedException", &format!("not authorized: {what}"));
    let server = Scripted::start(move |operation, _| match operation {
        "GetItem" => Answer::ok(json!({})),
        other => denied(other),
    });
    let store = server.await.open().await;
    assert!(store.warnings().is_empty());

    let server = Scripted::start(move |operation, _| match operation {
        "GetItem" => Answer::refusal(400, "ResourceNotFoundException", "Requested resource not found"),
        other => denied(other),
    });
    let error = DynamoStore::open(server.await.config()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);

    let server = Scripted::start(move |operation, _| denied(operation)).await;
    let error = DynamoStore::open(server.config()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn a_table_that_is_not_ready_is_unavailable() {
    for (status, kind) in [
        ("CREATING", ErrorKind::Unavailable),
        ("DELETING", ErrorKind::Unavailable),
        ("ARCHIVED", ErrorKind::Unavailable),
        ("INACCESSIBLE_ENCRYPTION_CREDENTIALS", ErrorKind::Denied),
    ] {
        let answer = move |_: &str, _: &_| {
            Answer::ok(json!({ "Table": { "TableName": "table", "TableStatus": status } }))
        };
        let error = DynamoStore::open(Scripted::start(answer).await.config()).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (kind, Outcome::NotDone), "{status}");
    }
}

/// What a server tells of its time to live.
type Told = Box<dyn Fn() -> Answer + Send + Sync>;

#[tokio::test]
async fn time_to_live_that_is_off_elsewhere_or_refused_is_a_warning() {
    let off = || Answer::ok(json!({ "TimeToLiveDescription": { "TimeToLiveStatus": "DISABLED" } }));
    let other = json!({ "TimeToLiveStatus": "ENABLED", "AttributeName": "expires" });
    let cases: [(bool, Told, Option<&str>); 4] = [
        (false, Box::new(cleans), None),
        (false, Box::new(off), Some("is off")),
        (true, Box::new(off), Some("denied")),
        (true, Box::new(move || Answer::ok(json!({ "TimeToLiveDescription": other }))), Some("`expires`")),
    ];
    for (create, cleaning, warning) in cases {
        let server = Scripted::start(move |operation, _| match operation {
            "DescribeTable" => described(),
            "DescribeTimeToLive" => cleaning(),
            _ => Answer::refusal(
                400,
                "AccessDeniedException",
                "not authorized to perform: dynamodb:UpdateTimeToLive",
            ),
        });
        let mut config = server.await.config();
        config.create = create;
        let store = DynamoStore::open(config).await.unwrap();
        match (store.warnings(), warning) {
            ([], None) => (),
            ([told], Some(part)) => assert!(told.contains(part) && told.contains("`ttl`"), "{told}"),
            (told, expected) => panic!("{told:?} instead of {expected:?}"),
        }
    }
}

#[tokio::test]
async fn an_item_whose_deadline_is_no_number_is_told_in_listings_too() {
    let Some(table) = Table::unmade() else { return };
    let store = table.open().await;
    for id in ["a", "b", "c"] {
        put(&store, id, "x").await.unwrap();
    }
    let spoilt =
        [AttributeValue::S("1000".to_owned()), AttributeValue::Null(true), AttributeValue::Bool(true)];
    for deadline in spoilt {
        let key = |sk: &str| AttributeValue::S(sk.to_owned());
        let change = table.client().update_item().table_name(&table.name);
        let change = change.key("pk", key("larder/c")).key("sk", key("ib")).update_expression("SET x = :x");
        change.expression_attribute_values(":x", deadline).send().await.unwrap();
        assert_eq!(store.get(Key::new(C, "b")).await.unwrap_err().kind(), ErrorKind::Corrupt);
        for scan in [Scan::one(C), Scan::one(C).values(), Scan::under(""), Scan::under("").values()] {
            let error = store.scan(scan, None).await.unwrap_err();
            assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some("c/b")));
            let page = store.scan(scan.skip_damaged(), None).await.unwrap();
            assert_eq!(page.items.iter().map(|item| &*item.id).collect::<String>(), "ac");
            assert_eq!(page.damaged.len(), 1);
        }
    }
}
