//! Components that come and go while the server runs, seen through a cache.

use mcp_server::protocol::Revision;
use mcp_server::{Catalog, Context, Dynamic, Prompt, PromptArgument, Resource, ResourceTemplate, TestClient};
use serde_json::json;

use crate::{cached, called, counted, uncached};

/// A list, and how something comes into it, is replaced and leaves it.
struct List {
    method: &'static str,
    field: &'static str,
    told: &'static str,
    /// Adds or replaces `later`, with this description.
    put: fn(&Catalog, &'static str),
    /// Removes `later`.
    remove: fn(&Catalog) -> bool,
}

const LISTS: [List; 4] = [
    List {
        method: "tools/list",
        field: "tools",
        told: "notifications/tools/list_changed",
        put: |catalog, text| {
            catalog.replace_tool(uncached("later").0.description(text)).unwrap();
        },
        remove: |catalog| catalog.remove_tool("later").unwrap(),
    },
    List {
        method: "prompts/list",
        field: "prompts",
        told: "notifications/prompts/list_changed",
        put: |catalog, text| {
            let prompt = Prompt::new("later", [PromptArgument::optional("a")], |_, _| async { "x" });
            catalog.replace_prompt(prompt.description(text)).unwrap();
        },
        remove: |catalog| catalog.remove_prompt("later").unwrap(),
    },
    List {
        method: "resources/list",
        field: "resources",
        told: "notifications/resources/list_changed",
        put: |catalog, text| {
            let resource = Resource::new("note://later", |_: Context, _| async { "x" }).named("later");
            catalog.replace_resource(resource.description(text)).unwrap();
        },
        remove: |catalog| catalog.remove_resource("note://later").unwrap(),
    },
    List {
        method: "resources/templates/list",
        field: "resourceTemplates",
        told: "notifications/resources/list_changed",
        put: |catalog, text| {
            let template = ResourceTemplate::new("later://{id}", |_: Context, _, _| async { "x" }).unwrap();
            catalog.replace_resource(template.named("later").description(text)).unwrap();
        },
        remove: |catalog| catalog.remove_resource("later://{id}").unwrap(),
    },
];

/// The description of `later`, as this client lists it.
async fn listed(client: &TestClient, list: &List) -> Option<String> {
    let answer = client.request(list.method, json!({})).await.unwrap();
    let later = answer[list.field].as_array().unwrap().iter().find(|item| item["name"] == "later");
    later.map(|later| later["description"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn scenario_24_no_list_from_before_is_used_once_it_has_changed() {
    for revision in Revision::ALL {
        let service = cached("scenarios").0.dynamic(Dynamic::ALL).build().unwrap();
        let (catalog, other) = (service.components(), service.test_client().revision(revision));
        let listening = service.test_client().revision(revision);
        if revision.is_stateless() {
            let all =
                json!({ "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true });
            listening.listen(all).await.unwrap();
        }
        for list in &LISTS {
            let both = async || (listed(&listening, list).await, listed(&other, list).await);
            let told = async || listening.next_notification().await.unwrap()["method"].clone();
            assert_eq!(both().await, (None, None), "{} on {revision}", list.method);
            for text in ["first", "second"] {
                (list.put)(&catalog, text);
                assert_eq!(told().await, list.told, "{text} on {revision}");
                let expected = (Some(text.to_owned()), Some(text.to_owned()));
                assert_eq!(both().await, expected, "{} on {revision}", list.method);
            }
            assert!((list.remove)(&catalog));
            assert_eq!(told().await, list.told, "removed on {revision}");
            assert_eq!(both().await, (None, None), "{} on {revision}", list.method);
        }
    }
}

#[tokio::test]
async fn an_answer_that_was_kept_goes_with_its_tool_and_its_definition() {
    let (tool, runs) = counted("t");
    let (server, statistics) = cached("scenarios");
    let service = server.dynamic(Dynamic::TOOLS).tool(tool.clone()).build().unwrap();
    let (catalog, client) = (service.components(), service.test_client());
    for _ in 0..2 {
        assert!(called(&client, "t", json!({})).await.ends_with("run 1"));
    }
    catalog.replace_tool(tool.clone().description("another")).unwrap();
    assert!(called(&client, "t", json!({})).await.ends_with("run 2"));
    catalog.remove_tool("t").unwrap();
    assert_eq!(client.call_tool("t", json!({})).await.unwrap_err().code, -32_602);
    assert_eq!((runs.read(), statistics.read().tools.hits), (2, 1));
}
