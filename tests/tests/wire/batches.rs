//! Batches of messages: received on 2025-03-26, and only there (2025-03-26, basic; removed by 2025-06-18).

use mcp_server::protocol::Revision;
use serde_json::{Value, json};

use crate::client::{Client, Reply};
use crate::harness::{Harness, Shown, only};

const INVALID_REQUEST: i64 = -32_600;

fn only_where_served(h: Harness) -> Shown {
    only(h.revision == Revision::V2025_03_26, "batches exist on 2025-03-26 only")
}

async fn batch(client: &Client, messages: &[Value]) -> Reply {
    client.send(Value::from(messages).to_string().as_bytes()).await
}

fn ping(id: impl Into<Value>) -> Value {
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": "ping" })
}

fn notice() -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/any" })
}

fn of_id<'a>(answers: &'a Value, id: &Value) -> &'a Value {
    answers.as_array().unwrap().iter().find(|answer| answer.get("id") == Some(id)).unwrap()
}

pub(crate) async fn a_batch_is_answered_by_one_array(h: Harness) -> Shown {
    only_where_served(h)?;
    let (client, _) = h.client().await;
    let call = client.message("c", "tools/call", json!({ "name": "echo", "arguments": { "text": "x" } }));
    let broken = json!({ "jsonrpc": "2.0", "id": 9 });
    let unknown = client.message(10, "nonsense", json!({}));
    let reply = batch(&client, &[ping(1), notice(), call, broken, json!(7), unknown]).await;
    assert_eq!((reply.status.unwrap_or(200), reply.message.as_array().unwrap().len()), (200, 5), "{reply:?}");
    assert_eq!(of_id(&reply.message, &json!(1))["result"], json!({}));
    assert_eq!(of_id(&reply.message, &json!("c"))["result"]["content"][0]["text"], "x");
    assert_eq!(of_id(&reply.message, &json!(9))["error"]["code"], INVALID_REQUEST);
    assert_eq!(of_id(&reply.message, &json!(10))["error"]["code"], -32_601);
    Ok(())
}

pub(crate) async fn a_batch_of_notifications_is_not_answered(h: Harness) -> Shown {
    only_where_served(h)?;
    let (client, _) = h.client().await;
    let reply = batch(&client, &[notice(), notice()]).await;
    assert!(reply.is_empty() && reply.status.unwrap_or(202) == 202, "{reply:?}");
    Ok(())
}

pub(crate) async fn a_batch_holds_at_most_50_messages_and_at_least_one(h: Harness) -> Shown {
    only_where_served(h)?;
    let (client, _) = h.client().await;
    let pings: Vec<_> = (1..=51).map(ping).collect();
    assert_eq!(batch(&client, &pings[..50]).await.message.as_array().unwrap().len(), 50);
    for refused in [&pings[..], &[]] {
        batch(&client, refused).await.assert_error(INVALID_REQUEST, 400);
    }
    Ok(())
}

pub(crate) async fn neither_initialize_nor_a_batch_stands_in_a_batch(h: Harness) -> Shown {
    only_where_served(h)?;
    let (client, _) = h.client().await;
    let params = json!({ "protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {} });
    let hello = json!({ "jsonrpc": "2.0", "id": "i", "method": "initialize", "params": params });
    let reply = batch(&client, &[hello, ping(1), json!([ping(2)])]).await;
    assert_eq!(of_id(&reply.message, &json!("i"))["error"]["code"], INVALID_REQUEST);
    assert_eq!(of_id(&reply.message, &json!(1))["result"], json!({}));
    assert_eq!(reply.message.as_array().unwrap().len(), 3);
    Ok(())
}

pub(crate) async fn an_id_stands_once_among_the_requests_of_a_connection(h: Harness) -> Shown {
    only_where_served(h)?;
    only(!h.is_http(), "over HTTP an answer goes back on the connection of its request")?;
    let (client, _) = h.client().await;
    let answers = batch(&client, &[ping(1), ping(1), ping(2)]).await.message;
    let codes: Vec<_> =
        answers.as_array().unwrap().iter().map(|answer| answer["error"]["code"].as_i64()).collect();
    assert_eq!(codes, [None, Some(INVALID_REQUEST), None]);
    Ok(())
}

pub(crate) async fn elsewhere_a_batch_is_an_invalid_request(h: Harness) -> Shown {
    only(h.revision != Revision::V2025_03_26, "2025-03-26 has batches")?;
    let (client, _) = h.client().await;
    for messages in [&[ping(1)][..], &[notice()], &[]] {
        batch(&client, messages).await.assert_error(INVALID_REQUEST, 400);
    }
    Ok(())
}
