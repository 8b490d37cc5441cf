//! Pages of lists (server/utilities/pagination).

use mcp_server::protocol::PromptMessage;
use mcp_server::{
    Principal, Prompt, Refusal, Request, Resource, ResourceTemplate, Server, StaticTokens, Tool,
};
use serde_json::{Value, json};

use crate::client::Client;
use crate::harness::{Harness, Shown};

const INVALID_PARAMS: i64 = -32_602;

/// Each list, its field, and what names an item.
const LISTS: [(&str, &str, &str); 4] = [
    ("tools/list", "tools", "name"),
    ("prompts/list", "prompts", "name"),
    ("resources/list", "resources", "uri"),
    ("resources/templates/list", "resourceTemplates", "uriTemplate"),
];

/// A server with these of each kind.
fn server(names: &[&str]) -> Server {
    names.iter().fold(Server::new("pages"), |server, name| {
        let template = format!("{name}://{{id}}");
        server
            .tool(Tool::new(*name, json!({ "type": "object" }), |_, _| async { "x" }))
            .prompt(Prompt::new(*name, [], |_, _| async { PromptMessage::user("x") }))
            .resource(Resource::new(format!("{name}://all"), |_, reading| async move {
                reading.text("x", "text/plain")
            }))
            .resource(
                ResourceTemplate::new(
                    &template,
                    |_, reading, _| async move { reading.text("x", "text/plain") },
                )
                .unwrap(),
            )
    })
}

/// The names of one page, and where the next begins.
async fn page(
    client: &Client,
    list: (&str, &str, &str),
    cursor: Option<&str>,
) -> (Vec<String>, Option<String>) {
    let params = cursor.map_or(json!({}), |cursor| json!({ "cursor": cursor }));
    let result = client.result(list.0, params).await;
    let names =
        result[list.1].as_array().unwrap().iter().map(|item| item[list.2].as_str().unwrap().to_owned());
    (names.collect(), result.get("nextCursor").map(|next| next.as_str().unwrap().to_owned()))
}

pub(crate) async fn pages_hold_everything_once_and_in_order(h: Harness) -> Shown {
    let names = ["e", "a", "d", "c", "b"];
    let paged = h.serve(server(&names).page_size(2)).await.client().await;
    let whole = h.serve(server(&names)).await.client().await;
    for list in LISTS {
        let (mut all, mut sizes, mut cursor) = (Vec::new(), Vec::new(), None);
        loop {
            let (names, next) = page(&paged, list, cursor.as_deref()).await;
            sizes.push(names.len());
            all.extend(names);
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(sizes, [2, 2, 1], "{list:?}");
        assert!(all.is_sorted(), "{all:?}");
        assert_eq!(page(&whole, list, None).await, (all, None));
    }
    Ok(())
}

pub(crate) async fn a_cursor_survives_a_restart_and_what_came_and_went(h: Harness) -> Shown {
    let before = h.serve(server(&["a", "b", "d"]).page_size(2)).await.client().await;
    let after = h.serve(server(&["a", "c", "d", "e"]).page_size(2)).await.client().await;
    for list in LISTS {
        let (_, cursor) = page(&before, list, None).await;
        let (names, _) = page(&after, list, cursor.as_deref()).await;
        assert!(names[0].starts_with('c') && names[1].starts_with('d'), "{names:?}");
    }
    Ok(())
}

pub(crate) async fn a_cursor_that_no_page_ended_with_is_refused(h: Harness) -> Shown {
    let client = h.serve(server(&["a", "b", "c"]).page_size(2)).await.client().await;
    for list in LISTS {
        let mut cursors =
            vec![String::new(), "garbage".into(), "0".into(), "2".into(), "eyJvZmZzZXQiOjJ9".into()];
        for other in LISTS.iter().filter(|other| other.0 != list.0) {
            cursors.push(page(&client, *other, None).await.1.unwrap());
        }
        for cursor in cursors {
            let reply = client.request(list.0, json!({ "cursor": cursor })).await;
            assert_eq!(
                (reply.code(), reply.status.unwrap_or(200)),
                (INVALID_PARAMS, 200),
                "{list:?} {cursor:?}"
            );
        }
        let null = client.result(list.0, json!({ "cursor": Value::Null })).await;
        assert_eq!(null[list.1].as_array().unwrap().len(), 2);
    }
    Ok(())
}

pub(crate) async fn an_empty_list_is_a_list(h: Harness) -> Shown {
    let only = Server::new("one")
        .resource(Resource::new("a://b", |_, reading| async move { reading.text("x", "text/plain") }));
    let client = h.serve(only).await.client().await;
    assert_eq!(client.result("resources/templates/list", json!({})).await["resourceTemplates"], json!([]));
    Ok(())
}

fn for_ada_alone(name: &str) -> Tool {
    Tool::new(name, json!({ "type": "object" }), |_, _| async { "x" }).check(|request: &Request| {
        let allowed = request.principal.subject() == Some("ada");
        async move { if allowed { Ok(()) } else { Err(Refusal::new("for Ada alone")) } }
    })
}

/// The pages of one tool each, and the cursors between them.
async fn walked(client: &Client) -> (Vec<String>, Vec<String>) {
    let (mut all, mut cursors) = (Vec::new(), Vec::new());
    loop {
        let (names, next) = page(client, LISTS[0], cursors.last().map(String::as_str)).await;
        all.extend(names);
        match next {
            Some(cursor) => cursors.push(cursor),
            None => return (all, cursors),
        }
    }
}

pub(crate) async fn a_cursor_shows_nobody_what_is_hidden(h: Harness) -> Shown {
    h.only_http()?;
    let tokens = || {
        let of = |name| Principal::user("test", name);
        StaticTokens::new().token("ada", of("ada")).token("bob", of("bob"))
    };
    let hiding =
        server(&["b", "d"]).tool(for_ada_alone("a")).tool(for_ada_alone("c")).tool(for_ada_alone("e"));
    let hiding = h.serve(hiding.page_size(1).authenticate(tokens())).await;
    let bare = h.serve(server(&["b", "d"]).page_size(1).authenticate(tokens())).await;
    let (ada, bob) =
        (hiding.client_of(json!({}), Some("ada")).await, hiding.client_of(json!({}), Some("bob")).await);
    let seen = walked(&bob).await;
    assert_eq!(
        seen,
        walked(&bare.client_of(json!({}), Some("bob")).await).await,
        "as if they were not there"
    );
    let (all, cursors) = walked(&ada).await;
    assert_eq!(
        (&*all, &*seen.0),
        (&["a", "b", "c", "d", "e"].map(String::from)[..], &["b", "d"].map(String::from)[..])
    );
    for (cursor, expected) in cursors.iter().zip([&["b"][..], &["d"], &["d"], &[]]) {
        assert_eq!(page(&bob, LISTS[0], Some(cursor)).await.0, expected, "Ada's cursor, sent by Bob");
    }
    Ok(())
}
