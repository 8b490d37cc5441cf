//! The index: its mapping, and whether an existing one has it.

use std::time::Duration;

use kv_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value, json};
use tokio::time::{sleep, timeout};

use crate::config::ElasticConfig;
use crate::http::{Answer, Content, Http};
use crate::product::Product;

/// What this version of Larder writes into an index, recorded in its mapping.
const FORMAT: u64 = 1;
/// What a node answers for a part of an index that it has not begun to serve.
const NOT_READY: u16 = 503;
const LOOKED_FOR_EVERY: Duration = Duration::from_millis(50);

/// The index's mapping, or 404.
pub(crate) async fn mapping(http: &Http, index: &str) -> Result<Answer> {
    http.get(&format!("/{index}/_mapping")).await
}

/// Makes sure that the index, of which this mapping was found, is there and Larder's.
///
/// # Errors
/// `Invalid` for an index with another mapping, and for a missing one that is not to be created.
pub(crate) async fn ensure(
    http: &Http,
    product: &Product,
    config: &ElasticConfig,
    mut found: Answer,
) -> Result<()> {
    let index = &config.index;
    if found.status == 404 {
        if !config.create {
            let message = format!(
                "there is no index `{index}`, and none is to be made here: leave out `create=false`, or write first"
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        create_index(http, product, index).await?;
        found = mapping(http, index).await?;
    }
    check(index, &found.json()?)?;
    served(http, config).await
}

/// Waits until the index serves reads, for as long as opening may take: another process may have made it a moment ago.
async fn served(http: &Http, config: &ElasticConfig) -> Result<()> {
    let path = format!("/{}/_doc/larder-was-here", config.index); // no document of ours is called so
    let serving = async {
        while http.get(&path).await?.status == NOT_READY {
            sleep(LOOKED_FOR_EVERY).await;
        }
        Ok(())
    };
    timeout(config.open_timeout, serving).await.unwrap_or(Ok(())) // who asks on is told what is the matter
}

async fn create_index(http: &Http, product: &Product, index: &str) -> Result<()> {
    let content = Content::json(&definition(product));
    let answer = http.call(reqwest::Method::PUT, &format!("/{index}"), content).await?;
    if is_there_already(&answer) {
        return Ok(()); // another process made it at the same moment
    }
    answer.ok().map(drop)
}

fn is_there_already(answer: &Answer) -> bool {
    let said = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
    answer.status == 400 && said.pointer("/error/type") == Some(&json!("resource_already_exists_exception"))
}

fn definition(product: &Product) -> Value {
    let mut settings = Map::new();
    if product.may_replicate_segments() {
        // A copy that replicates segments is behind until the next refresh, and then so would reads be.
        settings.insert("index.replication.type".to_owned(), json!("DOCUMENT"));
    }
    let mappings = json!({
        "dynamic": "strict",
        "_meta": { "larder": { "format": FORMAT } },
        "properties": properties(),
    });
    json!({ "settings": settings, "mappings": mappings })
}

/// The fields. What is neither searched nor sorted by is in the document's source alone.
fn properties() -> Value {
    let unindexed = json!({ "type": "keyword", "index": false, "doc_values": false });
    json!({
        "namespace": { "type": "keyword" },
        "collection": { "type": "keyword" },
        "id": { "type": "keyword" },
        "hash": { "type": "keyword" },
        "long_collection": unindexed,
        "long_id": unindexed,
        "version": unindexed,
        "deadline": { "type": "long" },
        "meta": { "type": "binary" },
        "size": { "type": "long", "index": false },
        "value": { "type": "binary" },
    })
}

/// Changes what a keyword field finds or how it sorts.
const HARMFUL: [&str; 3] = ["ignore_above", "normalizer", "null_value"];

/// Whether the answer to `GET /index/_mapping` is of an index that Larder made.
fn check(index: &str, answer: &Value) -> Result<()> {
    let wrong = |what: String| {
        let message = format!("the index `{index}` is not one of Larder's ({what}): name another one");
        Err(Error::new(ErrorKind::Invalid, message))
    };
    let mut indices = answer.as_object().into_iter().flat_map(Map::values);
    let (Some(found), None) = (indices.next(), indices.next()) else {
        return wrong("the name stands for several".to_owned());
    };
    let Some(mapping) = found.get("mappings") else { return wrong("it has no mapping".to_owned()) };
    if mapping.get("dynamic").and_then(Value::as_str) != Some("strict") {
        return wrong("its mapping is not strict".to_owned());
    }
    match mapping.pointer("/_meta/larder/format").and_then(Value::as_u64) {
        Some(FORMAT) => {}
        Some(other) => return wrong(format!("its format is {other}, this version knows {FORMAT}")),
        None => return wrong("its mapping lacks the mark".to_owned()),
    }
    let ours = properties();
    match ours.as_object().into_iter().flatten().find(|(name, wanted)| !has(mapping, name, wanted)) {
        Some((name, _)) => wrong(format!("the field `{name}` is another")),
        None => Ok(()),
    }
}

/// Whether the mapping has the field, with all that is wanted of it and nothing that does harm.
fn has(mapping: &Value, name: &str, wanted: &Value) -> bool {
    let Some(found) = mapping.get("properties").and_then(|fields| fields.get(name)) else { return false };
    let as_wanted = wanted.as_object().into_iter().flatten().all(|(k, v)| found.get(k) == Some(v));
    as_wanted && HARMFUL.iter().all(|setting| found.get(setting).is_none())
}

#[cfg(test)]
mod tests {
    use kv_core::ErrorKind;
    use serde_json::{Value, json};

    use super::{check, definition};
    use crate::product::Product;

    fn product(distribution: &str) -> Product {
        let root = json!({ "version": { "number": "8.1.0", "distribution": distribution } });
        Product::of(root.to_string().as_bytes()).unwrap()
    }

    fn ours() -> Value {
        json!({ "larder-000001": { "mappings": definition(&product("opensearch"))["mappings"] } })
    }

    #[test]
    fn an_index_as_larder_makes_it_is_taken() {
        check("larder", &ours()).unwrap();
        let mut newer = ours();
        newer["larder-000001"]["mappings"]["properties"]["id"]["split_queries_on_whitespace"] = json!(false);
        check("larder", &newer).unwrap();
    }

    #[test]
    fn any_other_index_is_refused_and_the_reason_named() {
        let spoilt = |pointer: &str, value: Value| {
            let mut answer = ours();
            *answer.pointer_mut(&format!("/larder-000001/mappings{pointer}")).unwrap() = value;
            answer
        };
        let cases = [
            (json!({}), "several"),
            (json!({ "a": {}, "b": {} }), "several"),
            (json!({ "a": {} }), "no mapping"),
            (json!({ "a": { "mappings": {} } }), "not strict"),
            (spoilt("/dynamic", json!("true")), "not strict"),
            (spoilt("/_meta", json!({})), "mark"),
            (spoilt("/_meta/larder/format", json!(2)), "format is 2"),
            (spoilt("/properties/id/type", json!("text")), "`id`"),
            (spoilt("/properties/hash", json!({ "type": "keyword", "ignore_above": 256 })), "`hash`"),
            (spoilt("/properties/value", Value::Null), "`value`"),
        ];
        for (answer, reason) in cases {
            let error = check("larder", &answer).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.message().contains(reason), "{error}");
        }
    }

    #[test]
    fn documents_are_replicated_where_segments_could_be() {
        let setting = "/settings/index.replication.type";
        assert_eq!(definition(&product("opensearch")).pointer(setting), Some(&json!("DOCUMENT")));
    }
}
