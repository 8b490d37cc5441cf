//! Pages that people are sent to: made at one replica, opened at another, done at a third place, told where they asked.

use larder_tests::http::{HttpRequest, Streaming};
use larder_tests::node::{Caller, Node, said};
use mcp_server::{Principal, Tool};
use serde_json::{Value, json};

use crate::{Pair, each, schema, soon};

/// Sends `caller` to a page from `node`; what it is asked, and its ticket.
async fn sent_to_a_page(caller: &Caller, node: &Node) -> (Value, String) {
    let mut stream = caller.open(node, &caller.call("connect", &json!({}))).await;
    let (_, question) = soon(said(&mut stream)).await.unwrap();
    assert_eq!(question["method"], "elicitation/create", "{question}");
    let accept = json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "action": "accept" } });
    assert_eq!(caller.send(node, &accept).await.status, 202);
    let (_, answer) = soon(said(&mut stream)).await.unwrap();
    assert_eq!(answer["result"]["content"][0]["text"], "sent", "{answer}");
    let url = question["params"]["url"].as_str().unwrap();
    let (_, ticket) = url.split_once("ticket=").unwrap();
    (question["params"].clone(), ticket.to_owned())
}

/// The stream on which `caller` is told at `node`.
async fn told(caller: &Caller, node: &Node) -> Streaming {
    let get = HttpRequest::new("GET", "").header("accept", "text/event-stream");
    caller.sign(get).send(node.address).await.head().await
}

async fn method(stream: &mut Streaming) -> (String, Value) {
    let (_, message) = soon(said(stream)).await.unwrap();
    (message["method"].as_str().unwrap().to_owned(), message["params"].clone())
}

/// Has each of these streams say something, by which it is seen to have said nothing before.
async fn assert_next_is_of_the_lists(node: &Node, streams: &mut [Streaming]) {
    node.service.components().add_tool(Tool::new("new", schema(), |_, _| async { "new" })).unwrap();
    for stream in streams {
        assert_eq!(method(stream).await.0, "notifications/tools/list_changed");
    }
}

#[tokio::test]
async fn that_a_page_is_done_is_told_to_the_session_that_asked_wherever_its_stream_is() {
    each(async |pair: Pair| {
        let (a, b) = (&pair.a, &pair.b);
        let ada = Caller::begin_as(a, "2025-11-25", "ada").await;
        let others =
            [Caller::begin_as(a, "2025-11-25", "ada").await, Caller::begin_as(b, "2025-11-25", "bob").await];
        let (asked, ticket) = sent_to_a_page(&ada, a).await;
        let (asked_other, ticket_other) = sent_to_a_page(&others[1], b).await;
        assert_ne!((&asked["elicitationId"], &ticket), (&asked_other["elicitationId"], &ticket_other));

        let mut stream = told(&ada, b).await;
        let mut of_others = [told(&others[0], b).await, told(&others[1], b).await];

        let (is_ada, is_bob) = (Principal::user("test", "ada"), Principal::user("test", "bob"));
        let (here, there) = (a.service.pages(), b.service.pages());
        for (pages, ticket, who) in
            [(&here, &ticket, &is_bob), (&there, &ticket, &is_bob), (&there, &ticket_other, &is_ada)]
        {
            assert!(pages.open::<String>(ticket, who).await.unwrap().is_none(), "another's page");
        }
        let opened = there.open::<String>(&ticket, &is_ada).await.unwrap().expect("the same person");
        assert_eq!(
            (&*opened.holds, opened.elicitation.id()),
            ("of ada", asked["elicitationId"].as_str().unwrap())
        );
        assert!(here.open::<String>(&ticket, &is_ada).await.unwrap().is_none(), "once, wherever");

        here.complete(&opened.elicitation); // where no stream of that session is
        let (method, params) = method(&mut stream).await;
        assert_eq!(method, "notifications/elicitation/complete");
        assert_eq!(params, json!({ "elicitationId": asked["elicitationId"] }));
        assert_next_is_of_the_lists(b, &mut of_others).await;
    })
    .await;
}

#[tokio::test]
async fn two_pages_of_one_session_are_told_apart() {
    each(async |pair: Pair| {
        let ada = Caller::begin_as(&pair.a, "2025-11-25", "ada").await;
        let (first, second) = (sent_to_a_page(&ada, &pair.a).await, sent_to_a_page(&ada, &pair.b).await);
        let mut stream = told(&ada, &pair.b).await;
        let pages = pair.a.service.pages();
        let is_ada = Principal::user("test", "ada");
        for (asked, ticket) in [second, first] {
            let opened = pages.open::<String>(&ticket, &is_ada).await.unwrap().unwrap();
            pages.complete(&opened.elicitation);
            assert_eq!(method(&mut stream).await.1, json!({ "elicitationId": asked["elicitationId"] }));
        }
    })
    .await;
}
