//! Opening: who answers, what it takes, and whether the index is ours.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kv_core::backend::Gate;
use kv_core::{Error, ErrorKind, Outcome, Result};
use serde_json::Value;
use tokio::time::timeout;

use crate::config::ElasticConfig;
use crate::http::{Answer, Http};
use crate::index;
use crate::inner::{Inner, capabilities};
use crate::product::Product;
use crate::reaper::{self, Counts};

/// The smallest limit that a hosted service is known to have; for servers that do not tell.
const CAUTIOUS: u64 = 10 << 20;
/// Beside a document a body of a batch holds what is to be done with it.
const ACTION: usize = 1 << 10;
/// A server that takes less cannot hold the family's values.
const LEAST: u64 = 64 << 10;
/// No server is asked to take more at once, whatever it allows.
const MOST: u64 = 100 << 20;
/// A node that has not said by then who it is gives way to the next one, in the first round.
const SHARE: Duration = Duration::from_secs(1);

/// What is to be known of the cluster before its index is used or made.
struct Met {
    product: Product,
    body_limit: u64,
    /// The answer to who asks for the index's mapping.
    mapping: Answer,
}

pub(crate) async fn open(config: ElasticConfig) -> Result<Arc<Inner>> {
    config.check()?;
    let http = Http::new(&config).await?;
    let met = timeout(config.open_timeout, meet(&http, &config)).await;
    let Met { product, body_limit, mapping } = met.map_err(|_| silent(config.open_timeout))??;
    let body_limit = usize::try_from(body_limit.min(MOST)).unwrap_or(usize::MAX) - ACTION;
    index::ensure(&http, &product, &config, mapping).await?;
    let inner = Arc::new(Inner {
        http,
        capabilities: capabilities(&product, body_limit),
        product,
        index: config.index,
        namespace: config.namespace,
        body_limit,
        clock: config.clock,
        gate: Gate::default(),
        counts: Counts::default(),
        reaper: OnceLock::new(),
    });
    if !config.reap_every.is_zero() {
        let handle = reaper::start(&inner, config.reap_every, config.reap_after);
        inner.reaper.get_or_init(|| handle);
    }
    Ok(inner)
}

async fn meet(http: &Http, config: &ElasticConfig) -> Result<Met> {
    let product = Product::of(&greeting(http).await?.ok()?)?;
    let body_limit = match config.body_limit {
        Some(limit) => limit,
        None => enough(told_limit(http).await?.unwrap_or(CAUTIOUS))?,
    };
    let mapping = index::mapping(http, &config.index).await?;
    Ok(Met { product, body_limit, mapping })
}

/// What the first node says that answers. One that is silent gives way to the next, round after round for longer.
async fn greeting(http: &Http) -> Result<Answer> {
    if http.node_count() == 1 {
        return http.get("/").await;
    }
    let mut share = SHARE;
    loop {
        for _ in 0..http.node_count() {
            if let Ok(answer) = timeout(share, http.get("/")).await {
                return answer;
            }
        }
        share = share.saturating_mul(2);
    }
}

fn silent(limit: Duration) -> Error {
    let message =
        format!("opening took longer than {limit:?}: name hosts that answer, or allow more by `timeout`");
    Error::new(ErrorKind::Timeout, message).with_outcome(Outcome::NotDone)
}

/// `http.max_content_length` of the node that takes least; `None` where nobody may ask. The node that answers asks the others
/// and waits for each: not for long, since one that has just frozen is still among them.
async fn told_limit(http: &Http) -> Result<Option<u64>> {
    let path = "/_nodes/http?timeout=1s&filter_path=nodes.*.http.max_content_length_in_bytes";
    let answer = http.get(path).await?;
    if answer.status != 200 {
        return Ok(None);
    }
    Ok(least(&answer.json()?))
}

fn enough(limit: u64) -> Result<u64> {
    if limit < LEAST {
        let message =
            format!("a node takes {limit} bytes at once: `http.max_content_length` must be 64kb at least");
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    Ok(limit)
}

fn least(answer: &Value) -> Option<u64> {
    let nodes = answer.get("nodes")?.as_object()?.values();
    nodes.filter_map(|node| node.pointer("/http/max_content_length_in_bytes")?.as_u64()).min()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{LEAST, enough, least};

    #[test]
    fn the_node_that_takes_least_decides() {
        let node = |limit: u64| json!({ "http": { "max_content_length_in_bytes": limit } });
        assert_eq!(least(&json!({ "nodes": { "a": node(100), "b": node(50), "c": {} } })), Some(50));
        assert_eq!(least(&json!({ "nodes": {} })), None);
        assert_eq!(least(&json!({})), None);
        assert_eq!(enough(LEAST).unwrap(), LEAST);
        assert!(enough(LEAST - 1).unwrap_err().message().contains("http.max_content_length"));
    }
}
