//! Every tool, the resource and the prompt, over stdio and HTTP.

use serde_json::{Value, json};

use crate::support::{Client, Home, Server};

/// A way to call tools.
trait Calls {
    fn call(&mut self, tool: &str, arguments: Value) -> Value;
}

impl Calls for Client {
    fn call(&mut self, tool: &str, arguments: Value) -> Value {
        Self::call(self, tool, &arguments)
    }
}

impl Calls for Server {
    fn call(&mut self, tool: &str, arguments: Value) -> Value {
        Self::call(self, tool, &arguments)
    }
}

fn stdio(home: &Home) -> Client {
    Client::start(home.larder(["serve", "--store", "memory://"]))
}

fn http(home: &Home) -> Server {
    Server::start(home.larder(["serve", "--store", "memory://", "--http", "127.0.0.1:0", "--json-logs"]))
}

#[test]
fn every_tool_does_its_work_over_stdio() {
    work(&mut stdio(&Home::new()));
}

#[test]
fn every_tool_does_its_work_over_http() {
    work(&mut http(&Home::new()));
}

/// What an agent does in a day.
fn work(client: &mut impl Calls) {
    let tea = client.call("remember", json!({ "text": "Ann drinks green TEA", "tags": ["drinks"] }));
    let id = tea["structuredContent"]["id"].as_str().unwrap().to_owned();
    assert_eq!(tea["structuredContent"]["namespace"], "default");
    client.call("remember", json!({ "text": "Bob drinks coffee", "tags": ["Drinks"], "id": "bob" }));
    client
        .call("remember", json!({ "text": "the build takes 4 minutes", "ttl_seconds": 3600, "id": "build" }));

    let recalled = client.call("recall", json!({ "id": id }))["structuredContent"].clone();
    assert_eq!((&recalled["text"], &recalled["tags"][0]), (&json!("Ann drinks green TEA"), &json!("drinks")));
    assert!(recalled.get("expires_at").is_none());
    let build = client.call("recall", json!({ "id": "build" }));
    assert!(build["structuredContent"]["expires_at"].as_str().unwrap().ends_with('Z'));

    assert_eq!(ids(&client.call("search", json!({ "query": "tea" }))), [&*id]);
    assert_eq!(ids(&client.call("search", json!({ "query": "coffee DRINKS" }))), ["bob", &*id]);
    assert_eq!(
        ids(&client.call("search", json!({ "query": "drinks", "tag": "drinks", "limit": 1 }))).len(),
        1
    );
    assert!(ids(&client.call("search", json!({ "query": "wine" }))).is_empty());
    assert_eq!(ids(&client.call("list", json!({}))).len(), 3);
    assert_eq!(ids(&client.call("list", json!({ "tag": "DRINKS" }))).len(), 2);

    client.call("remember", json!({ "text": "Bob drinks mate now", "id": "bob" }));
    let bob = client.call("recall", json!({ "id": "bob" }));
    assert_eq!(bob["structuredContent"]["text"], "Bob drinks mate now", "the id's memory is replaced");

    let forgotten = client.call("forget", json!({ "id": "bob" }));
    assert_eq!(forgotten["structuredContent"]["id"], "bob");
    for (tool, arguments) in [("recall", json!({ "id": "bob" })), ("forget", json!({ "id": "bob" }))] {
        let gone = client.call(tool, arguments);
        assert_eq!(gone["isError"], true);
        assert!(text(&gone).contains("`bob`"), "{gone}");
    }
}

fn ids(result: &Value) -> Vec<&str> {
    let memories = result["structuredContent"]["memories"].as_array().unwrap_or_else(|| panic!("{result}"));
    memories.iter().map(|memory| memory["id"].as_str().unwrap()).collect()
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}

#[test]
fn pages_follow_each_other_by_cursor() {
    let mut client = stdio(&Home::new());
    for n in 0..7 {
        client.call("remember", &json!({ "text": format!("note {n}"), "id": format!("n{n}") }));
    }
    for (tool, question) in
        [("list", json!({ "limit": 3 })), ("search", json!({ "limit": 3, "query": "note" }))]
    {
        let (mut seen, mut arguments) = (Vec::new(), question.clone());
        loop {
            let page = client.call(tool, &arguments);
            seen.extend(ids(&page).into_iter().map(str::to_owned));
            let Some(cursor) = page["structuredContent"]["next_cursor"].as_str() else { break };
            arguments["cursor"] = json!(cursor);
        }
        assert_eq!(seen.len(), 7, "{seen:?}");
        seen.sort();
        assert_eq!(seen, ["n0", "n1", "n2", "n3", "n4", "n5", "n6"]);
        arguments["namespace"] = json!("other");
        let refused = client.call(tool, &arguments);
        assert!(refused["isError"] == true && text(&refused).contains("`cursor`"), "{refused}");
    }
}

#[test]
fn what_cannot_be_remembered_is_refused_with_the_arguments_name() {
    let mut client = stdio(&Home::new());
    for (arguments, named) in [
        (json!({ "text": " " }), "`text`"),
        (json!({ "text": "x".repeat(65_537) }), "`text`"),
        (json!({ "text": "x", "ttl_seconds": 0 }), "`ttl_seconds`"),
        (json!({ "text": "x", "id": "a\nb" }), "`id`"),
        (json!({ "text": "x", "namespace": "" }), "`namespace`"),
        (json!({ "text": "x", "tags": vec!["t"; 1].into_iter().chain([""]).collect::<Vec<_>>() }), "tag"),
        (json!({ "txt": "x" }), "`text`"),
    ] {
        let refused = client.call("remember", &arguments);
        assert!(refused["isError"] == true && text(&refused).contains(named), "{arguments}: {refused}");
    }
    assert!(ids(&client.call("list", &json!({}))).is_empty());
}

#[test]
fn namespaces_are_apart() {
    let mut client = stdio(&Home::new());
    client.call("remember", &json!({ "text": "here", "id": "x", "namespace": "a/b" }));
    for other in ["a", "default", "a/b/", "a%2Fb"] {
        let found = client.call("recall", &json!({ "id": "x", "namespace": other }));
        assert_eq!(found["isError"], true, "{other}");
        assert!(ids(&client.call("list", &json!({ "namespace": other }))).is_empty());
    }
    assert_eq!(ids(&client.call("list", &json!({ "namespace": "a/b" }))), ["x"]);
}

#[test]
fn a_memory_is_a_resource_and_the_uri_that_remember_answers_reads_it() {
    let mut client = stdio(&Home::new());
    let templates = client.request("resources/templates/list", &json!({}));
    assert_eq!(templates["result"]["resourceTemplates"][0]["uriTemplate"], "memory://{namespace}/{id}");
    for (namespace, id) in [("default", "plain"), ("a/b c", "ä/?#%20")] {
        let kept =
            client.call("remember", &json!({ "text": format!("in {id}"), "id": id, "namespace": namespace }));
        let uri = kept["structuredContent"]["uri"].clone();
        let read = client.request("resources/read", &json!({ "uri": uri }));
        assert_eq!(read["result"]["contents"][0]["text"], format!("in {id}"), "{read}");
        assert_eq!(read["result"]["contents"][0]["mimeType"], "text/plain");
    }
    let unknown = client.request("resources/read", &json!({ "uri": "memory://default/none" }));
    assert_eq!(unknown["error"]["code"], -32_002);
}

#[test]
fn the_prompt_tells_how_to_use_the_memory() {
    let mut client = stdio(&Home::new());
    let prompt =
        client.request("prompts/get", &json!({ "name": "use_memory", "arguments": { "topic": "tea" } }));
    let told = prompt["result"]["messages"][0]["content"]["text"].as_str().unwrap();
    assert!(["tea", "`search`", "`remember`", "`forget`"].iter().all(|word| told.contains(word)), "{told}");
}

#[test]
fn the_tools_say_honestly_what_they_do() {
    let mut client = stdio(&Home::new());
    let tools = client.request("tools/list", &json!({}))["result"]["tools"].clone();
    let hints: Vec<_> = tools
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| {
            let hints = &tool["annotations"];
            assert_eq!(hints["openWorldHint"], false);
            assert_eq!(tool["outputSchema"]["type"], "object", "{tool}");
            assert!(tool["description"].as_str().unwrap().len() > 20);
            (tool["name"].as_str().unwrap(), hints["readOnlyHint"] == true, hints["destructiveHint"] == true)
        })
        .collect();
    let expected = [
        ("forget", false, true),
        ("list", true, false),
        ("recall", true, false),
        ("remember", false, true),
        ("search", true, false),
    ];
    assert_eq!(hints, expected);
}
