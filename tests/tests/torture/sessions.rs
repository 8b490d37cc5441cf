//! More sessions than there may be, and what they leave behind.

use larder_tests::raw::Raw;
use serde_json::json;

use crate::messages::{call_in_session, initialize, post_in, text_of, with_head};
use crate::server::{Server, assert_grown_at_most};

/// As many as callers without a name may have.
const ALL: usize = 10_000;
/// Requests that are on their way at once.
const AT_ONCE: usize = 100;

/// Begins sessions until there are `ALL`.
async fn fill(raw: &mut Raw) -> Vec<String> {
    let mut sessions = Vec::with_capacity(ALL);
    while sessions.len() < ALL {
        let batch: Vec<u8> = (0..AT_ONCE).flat_map(|id| with_head("", &initialize(id).to_string())).collect();
        raw.send(batch).await;
        for _ in 0..AT_ONCE {
            let answer = raw.answer().await.expect("an answer");
            let session = answer.header("mcp-session-id");
            sessions.push(session.unwrap_or_else(|| panic!("{}: {answer:?}", sessions.len())).to_owned());
        }
    }
    sessions
}

async fn end(raw: &mut Raw, sessions: &[String]) {
    for some in sessions.chunks(AT_ONCE) {
        let delete =
            |id: &String| format!("DELETE /mcp HTTP/1.1\r\nhost: localhost\r\nmcp-session-id: {id}\r\n\r\n");
        raw.send(some.iter().map(delete).collect::<String>()).await;
        for _ in some {
            assert_eq!(raw.answer().await.expect("an answer").status, 204);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_sessions_fit_the_next_is_refused_and_all_come_back() {
    let mut server = Server::start().await;
    server.assert_unharmed().await;
    let empty = server.resident();
    let mut raw = Raw::connect(server.address).await;
    let sessions = fill(&mut raw).await;
    let full = server.resident();
    assert_grown_at_most(empty, full, 40 << 10, "10,000 sessions");

    raw.send(with_head("", &initialize("one more").to_string())).await;
    let refused = raw.answer().await.expect("an answer");
    assert_eq!((refused.status, refused.header("mcp-session-id")), (503, None), "{refused:?}");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    assert_eq!(
        (&refused.messages()[0]["id"], &refused.messages()[0]["error"]["code"]),
        (&json!("one more"), &json!(-32_603))
    );

    for session in sessions.iter().step_by(997) {
        raw.send(post_in(session, &call_in_session(1, "echo", &json!({ "text": "open" })))).await;
        assert_eq!(text_of(&raw.answer().await.expect("an answer"), &json!(1)), "open");
    }
    end(&mut raw, &sessions).await;
    for _ in 0..2 {
        let again = fill(&mut raw).await;
        end(&mut raw, &again).await;
    }
    assert_grown_at_most(full, server.resident(), 12 << 10, "20,000 sessions more, one after the other");
    server.assert_unharmed().await;
}
