//! rmcp goes through all that a server does for it, as the programs in `examples/clients` do.

use std::collections::HashSet;

use serde_json::json;

use super::Era;
use super::proxy::Proxy;
use super::rust_client::{Client, all_steps};

/// What was shown.
pub(crate) async fn tour(proxy: &Proxy, era: Era) -> Vec<&'static str> {
    let client = Client::connect(era, &proxy.url, "demo-0").await;
    let mut names = client.tools().await;
    names.sort_unstable();
    assert_eq!(names, ["echo", "order", "recall", "remember", "shorten", "steps", "write"]);
    from_both(&client, "echo", json!({ "text": "grüß dich" }), "grüß dich").await;
    state(&client).await;
    assert_eq!(client.walk(5, 20).await, all_steps(5));
    from_both(&client, "order", json!({ "dish": "soup" }), "2 x soup").await;
    from_both(&client, "shorten", json!({ "text": "all of it" }), "all").await;
    subscriptions(&client).await;
    let mut shown = vec!["tools", "state", "progress", "elicitation", "sampling", "subscriptions"];
    if era == Era::Handshake {
        resumption(&client, proxy).await;
        shown.push("resumption");
    }
    shown
}

/// Asks at least four times, and until both processes have answered, always the same.
async fn from_both(client: &Client, tool: &str, arguments: serde_json::Value, expected: &str) {
    let mut replicas = HashSet::new();
    for asked in 1..20 {
        let (answer, replica) = client.call(tool, arguments.clone()).await;
        assert_eq!(answer, expected);
        let again = !replicas.insert(replica);
        // Not each time: what takes one request would then take two.
        if again && asked % 2 == 0 {
            another_turn(client).await;
        }
        if asked >= 4 && replicas.len() == 2 {
            return;
        }
    }
    panic!("{tool}: one process answered all");
}

/// What one replica keeps, the other gives.
async fn state(client: &Client) {
    for value in ["blue", "green", "red"] {
        let (_, kept_by) = client.call("remember", json!({ "name": "color", "value": value })).await;
        for tries in 0.. {
            assert!(tries < 20, "one process answered all");
            let (answer, replica) = client.call("recall", json!({ "name": "color" })).await;
            assert_eq!(answer, value);
            if replica != kept_by {
                break;
            }
        }
    }
}

async fn subscriptions(client: &Client) {
    let mut written_by = HashSet::new();
    for number in 0..20 {
        written_by.insert(client.hear(&format!("note {number}")).await);
        if written_by.len() == 2 {
            return;
        }
        another_turn(client).await;
    }
    panic!("one process answered all");
}

/// One request more, so that what takes two is not always begun at the same process.
async fn another_turn(client: &Client) {
    client.call("echo", json!({ "text": "" })).await;
}

/// The connection is cut in the middle; nothing is lost and nothing comes twice.
async fn resumption(client: &Client, proxy: &Proxy) {
    let cut = async {
        while client.steps_so_far() < 5 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        proxy.cut();
    };
    let (walked, ()) = tokio::join!(client.walk(30, 50), cut);
    assert_eq!(walked, all_steps(30));
}
