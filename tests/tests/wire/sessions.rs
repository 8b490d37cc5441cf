//! Handshake sessions (2025-11-25, basic/transports, "Session Management"), and their absence on 2026-07-28.

use std::time::Duration;

use kv_core::Clock;
use kv_memory::{MemoryConfig, MemoryStore, OnFull};
use larder_tests::faults::{Faulty, SECRET};
use larder_tests::fixture;
use larder_tests::http::HttpRequest;
use mcp_server::{Principal, Server, StaticTokens};
use serde_json::{Value, json};

use crate::client::{Client, Reply};
use crate::harness::{Harness, NotShown, Shown, Transport, only};

const INVALID_PARAMS: i64 = -32_602;

fn only_sessions(h: Harness) -> Result<(), NotShown> {
    h.only_http()?;
    h.only_handshake()
}

/// What a request in this session is answered.
async fn list(client: &Client) -> Reply {
    client.request("tools/list", json!({})).await
}

async fn end(client: &Client) -> Reply {
    client.fetch(client.sign(HttpRequest::new("DELETE", ""))).await
}

/// Status and answer, but for the id.
fn seen(reply: &Reply) -> (Option<u16>, Value) {
    let mut message = reply.message.clone();
    message["id"].take();
    (reply.status, message)
}

pub(crate) async fn a_session_id_is_random_and_visible_ascii(h: Harness) -> Shown {
    only_sessions(h)?;
    let (site, _) = h.fixture().await;
    let (one, two) = (site.client().await.session.unwrap(), site.client().await.session.unwrap());
    assert_ne!(one, two);
    assert!(one.len() >= 32 && one.bytes().all(|byte| byte.is_ascii_graphic()), "{one}");
    Ok(())
}

pub(crate) async fn a_request_without_a_session_is_400_and_one_with_an_unknown_is_404(h: Harness) -> Shown {
    only_sessions(h)?;
    let (site, _) = h.fixture().await;
    let mut client = site.client().await;
    client.session = None;
    let missing = list(&client).await;
    assert_eq!((missing.status, missing.code()), (Some(400), -32_600), "{missing:?}");
    for unknown in ["0123456789abcdef0123456789abcdef", "x", "with space", "x".repeat(500).as_str()] {
        client.session = Some(unknown.into());
        let gone = list(&client).await;
        assert_eq!((gone.status, gone.code()), (Some(404), -32_600), "{gone:?}");
        let notice = json!({ "jsonrpc": "2.0", "method": "notifications/any" }).to_string();
        assert_eq!(client.send(notice.as_bytes()).await.status, Some(404));
    }
    Ok(())
}

pub(crate) async fn another_principals_an_unknown_and_an_ended_session_look_the_same(h: Harness) -> Shown {
    only_sessions(h)?;
    let tokens = StaticTokens::new()
        .token("ada's", Principal::user("test", "ada"))
        .token("bob's", Principal::user("test", "bob"));
    let (site, _) = h.fixture_with(|server| server.authenticate(tokens)).await;
    let ada = site.client_of(json!({}), Some("ada's")).await;
    let mut bob = site.client_of(json!({}), Some("bob's")).await;
    let own = bob.session.take();
    bob.session.clone_from(&ada.session);
    let (foreign, foreign_end) = (list(&bob).await, end(&bob).await);
    bob.session = Some("unknown".into());
    let (unknown, unknown_end) = (list(&bob).await, end(&bob).await);
    bob.session = own;
    assert_eq!(end(&bob).await.status, Some(204));
    let (ended, ended_end) = (list(&bob).await, end(&bob).await);
    assert_eq!(foreign.status, Some(404));
    assert_eq!((seen(&foreign), seen(&foreign)), (seen(&unknown), seen(&ended)));
    assert_eq!((seen(&foreign_end), seen(&foreign_end)), (seen(&unknown_end), seen(&ended_end)));
    list(&ada).await.result(); // nobody ended hers
    Ok(())
}

pub(crate) async fn delete_ends_a_session_with_204(h: Harness) -> Shown {
    only_sessions(h)?;
    let (site, _) = h.fixture().await;
    let mut client = site.client().await;
    let ended = end(&client).await;
    assert_eq!((ended.status, &*ended.text), (Some(204), ""));
    assert_eq!(list(&client).await.status, Some(404));
    assert_eq!(end(&client).await.status, Some(404));
    client.session = Some("with space".into());
    assert_eq!(end(&client).await.status, Some(404), "what is no id is nobody's");
    let without = client.fetch(HttpRequest::new("DELETE", "")).await;
    assert_eq!((without.status, without.code()), (Some(400), -32_600));
    Ok(())
}

pub(crate) async fn no_session_is_minted_or_looked_at_on_2026_07_28(h: Harness) -> Shown {
    h.only_http()?;
    h.only_stateless()?;
    let (store, switches) = Faulty::new(MemoryStore::new());
    let (site, _) = h.fixture_with(|server| server.storage(store)).await;
    let client = site.client().await;
    let plain = list(&client).await;
    assert_eq!(plain.http.as_ref().unwrap().header("mcp-session-id"), None);
    let body = client.message(7, "tools/list", json!({})).to_string();
    let request = client.post(body.as_bytes()).header("mcp-session-id", "any").header("last-event-id", "1-1");
    let with = client.fetch(request).await;
    assert_eq!(with.result(), plain.result());
    assert_eq!(with.http.as_ref().unwrap().header("mcp-session-id"), None);
    assert_eq!((switches.reads(), switches.writes()), (0, 0));
    Ok(())
}

pub(crate) async fn on_2026_07_28_there_is_no_session_to_end(h: Harness) -> Shown {
    h.only_http()?;
    h.only_stateless()?;
    let (client, _) = h.client().await;
    let delete = client.sign(HttpRequest::new("DELETE", "")).header("mcp-session-id", "any");
    let reply = client.fetch(delete).await;
    assert_eq!((reply.status, reply.http.as_ref().unwrap().header("allow")), (Some(405), Some("POST")));
    Ok(())
}

pub(crate) async fn a_store_that_cannot_be_asked_is_503_and_never_404(h: Harness) -> Shown {
    only_sessions(h)?;
    let (store, switches) = Faulty::new(MemoryStore::new());
    let (site, _) = h.fixture_with(|server| server.storage(store)).await;
    let client = site.client().await;
    switches.fail_reads(true);
    switches.fail_writes(true);
    for reply in [
        list(&client).await,
        site.stranger(json!({}), None).initialize("2025-06-18").await,
        end(&client).await,
    ] {
        assert_eq!(reply.status, Some(503), "{reply:?}");
        assert!(reply.http.as_ref().unwrap().header("retry-after").is_some());
        assert!(!reply.text.contains(SECRET) && reply.code() == -32_603, "{reply:?}");
    }
    switches.fail_reads(false);
    switches.fail_writes(false);
    list(&client).await.result();
    Ok(())
}

pub(crate) async fn a_store_that_fails_at_initialize_is_an_internal_error_on_lines(h: Harness) -> Shown {
    h.only_lines()?;
    h.only_handshake()?;
    let (store, switches) = Faulty::new(MemoryStore::new());
    switches.fail_writes(true);
    let (site, _) = h.fixture_with(|server| server.storage(store)).await;
    let reply = site.stranger(json!({}), None).initialize(h.revision.as_str()).await;
    reply.assert_error(-32_603, 200);
    assert!(!reply.text.contains(SECRET), "{reply:?}");
    Ok(())
}

fn clocked() -> (MemoryStore, Clock) {
    let clock = Clock::manual();
    (MemoryStore::open(MemoryConfig::default().clock(clock.clone())).unwrap(), clock)
}

pub(crate) async fn an_idle_session_ends_and_one_in_use_does_not(h: Harness) -> Shown {
    only_sessions(h)?;
    let (store, clock) = clocked();
    let idle = Duration::from_secs(60);
    let (site, _) = h.fixture_with(|server| server.storage(store).session_idle_timeout(idle)).await;
    let (busy, lazy) = (site.client().await, site.client().await);
    for _ in 0..4 {
        clock.advance(Duration::from_secs(25));
        list(&busy).await.result();
        tokio::time::sleep(Duration::from_millis(50)).await; // its life is extended in the background
    }
    list(&busy).await.result();
    assert_eq!(list(&lazy).await.status, Some(404));
    Ok(())
}

pub(crate) async fn a_session_outlives_the_process_that_opened_it(h: Harness) -> Shown {
    only_sessions(h)?;
    let store = MemoryStore::new();
    let (first, _) = h.fixture_with(|server| server.storage(store.clone())).await;
    let (second, _) = h.fixture_with(|server| server.storage(store)).await;
    let (before, mut after) = (first.client().await, second.stranger(json!({}), None));
    before.result("logging/setLevel", json!({ "level": "error" })).await;
    after.session.clone_from(&before.session);
    let reply = after.request("tools/call", json!({ "name": "say", "arguments": {} })).await;
    assert_eq!(reply.said.len(), 1, "{reply:?}"); // the level came along
    Ok(())
}

pub(crate) async fn the_cap_on_sessions_refuses_one_more_until_one_ends(h: Harness) -> Shown {
    only_sessions(h)?;
    let (site, _) = h.fixture_with(|server| server.max_sessions(2)).await;
    let (one, _two) = (site.client().await, site.client().await);
    let refused = site.stranger(json!({}), None).initialize("2025-11-25").await;
    assert_eq!((refused.status, refused.code()), (Some(503), -32_603), "{refused:?}");
    assert_eq!(end(&one).await.status, Some(204));
    site.client().await;
    Ok(())
}

pub(crate) async fn capabilities_over_4_kib_are_refused(h: Harness) -> Shown {
    h.only_handshake()?;
    only(h.transport != Transport::Memory, "the client in memory shakes hands by itself")?;
    let (site, _) = h.fixture().await;
    let large = json!({ "experimental": { "x": "y".repeat(5000) } });
    let reply = site.stranger(large, None).initialize(h.revision.as_str()).await;
    reply.assert_error(INVALID_PARAMS, 200);
    if let Some(http) = &reply.http {
        assert_eq!(http.header("mcp-session-id"), None);
    }
    Ok(())
}

pub(crate) async fn sessions_refuse_a_store_that_may_forget_them(h: Harness) -> Shown {
    let evicting = || {
        let config = MemoryConfig::default().max_bytes(1 << 20).on_full(OnFull::Evict);
        MemoryStore::open(config).unwrap()
    };
    let refused = fixture::server().0.storage(evicting()).build().unwrap_err().to_string();
    assert!(refused.contains("memory") && refused.contains(".state_storage("), "{refused}");
    let (server, _) = fixture::server();
    let split: Server = server.cache_storage(evicting());
    let client = h.serve(split).await.client().await;
    list(&client).await.result();
    Ok(())
}
