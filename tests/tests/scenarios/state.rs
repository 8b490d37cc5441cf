//! Values that outlive a request, and those that do not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use kv_memory::MemoryStore;
use mcp_server::protocol::{Json, Revision};
use mcp_server::{
    Answer, Context, Middleware, Next, Principal, Request, Server, StateError, TestClient, Tool,
};
use serde_json::{Value, json};

use crate::called;

fn schema() -> Value {
    json!({ "type": "object" })
}

/// A client of a server with tools `set`, `get` and `delete`, which take a `name` and a `value`.
fn client(store: &MemoryStore) -> TestClient {
    let field = |arguments: &Json, name: &str| arguments.to::<Value>().unwrap_or_default()[name].clone();
    let set = Tool::new("set", schema(), move |ctx: Context, arguments: Json| async move {
        let (name, value) = (field(&arguments, "name"), field(&arguments, "value"));
        ctx.state().set(name.as_str().unwrap_or_default(), &value).await?;
        Ok::<_, StateError>("set".to_owned())
    });
    let get = Tool::new("get", schema(), move |ctx: Context, arguments: Json| async move {
        let name = field(&arguments, "name");
        let kept: Option<Value> = ctx.state().get(name.as_str().unwrap_or_default()).await?;
        Ok::<_, StateError>(kept.map_or_else(|| "absent".to_owned(), |value| value.to_string()))
    });
    let delete = Tool::new("delete", schema(), move |ctx: Context, arguments: Json| async move {
        let name = field(&arguments, "name");
        Ok::<_, StateError>(ctx.state().delete(name.as_str().unwrap_or_default()).await?.to_string())
    });
    let server = Server::new("scenarios").storage(store.clone()).tool(set).tool(get).tool(delete);
    server.test_client().unwrap()
}

async fn set(client: &TestClient, name: &str, value: Value) -> String {
    called(client, "set", json!({ "name": name, "value": value })).await
}

async fn get(client: &TestClient, name: &str) -> String {
    called(client, "get", json!({ "name": name })).await
}

#[tokio::test]
async fn scenario_34_a_session_reads_what_it_set_and_no_other_does() {
    for revision in Revision::ALL.into_iter().filter(|revision| !revision.is_stateless()) {
        let one = client(&MemoryStore::new()).revision(revision);
        let two = one.another();
        set(&one, "a", json!({ "b": [1] })).await;
        assert_eq!((&*get(&one, "a").await, &*get(&two, "a").await), (r#"{"b":[1]}"#, "absent"));
        assert_eq!(called(&one, "delete", json!({ "name": "a" })).await, "true");
        assert_eq!(called(&one, "delete", json!({ "name": "a" })).await, "false");
        assert_eq!(get(&one, "a").await, "absent");
    }
}

#[tokio::test]
async fn scenario_36_without_a_session_state_is_the_users_or_an_error_that_says_so() {
    let store = MemoryStore::new();
    let ada = client(&store).principal(Principal::user("test", "ada"));
    set(&ada, "a", json!(1)).await;
    let again = client(&store).principal(Principal::user("test", "ada"));
    let bob = client(&store).principal(Principal::user("test", "bob"));
    assert_eq!((&*get(&again, "a").await, &*get(&bob, "a").await), ("1", "absent"));
    let nobody = client(&store).principal(Principal::anonymous());
    for call in ["set", "get", "delete"] {
        let failed = nobody.call_tool(call, json!({ "name": "a", "value": 1 })).await.unwrap();
        let text = failed["content"][0]["text"].as_str().unwrap();
        assert_eq!(failed["isError"], true);
        assert!(text.contains("nobody to keep state for") && text.contains("authenticate"), "{text}");
    }
}

#[tokio::test]
async fn scenario_37_a_thousand_requests_of_one_user_leave_one_entry() {
    let store = MemoryStore::new();
    for _ in 0..10 {
        let ada = client(&store).principal(Principal::user("test", "ada"));
        for number in 0..100 {
            set(&ada, "a", json!(number)).await;
        }
    }
    assert_eq!(store.held().entries, 1);
}

/// Gives each request a value that is no JSON.
struct Giving(Arc<Mutex<u32>>);

impl Middleware for Giving {
    async fn handle(&self, request: Request, next: Next) -> Answer {
        if request.operation.target() == Some("local") {
            next.context(&request).state().set_local("given", Arc::clone(&self.0));
        }
        next.run(request).await
    }
}

#[tokio::test]
async fn scenario_38_a_value_of_the_request_reaches_the_handler_as_itself_and_the_next_request_not_at_all() {
    let value = Arc::new(Mutex::new(0));
    let look = |name: &str| {
        Tool::new(name, schema(), |ctx: Context, _| async move {
            let Some(given) = ctx.state().local::<Mutex<u32>>("given") else { return "absent".to_owned() };
            *given.lock().unwrap() += 1;
            "there".to_owned()
        })
    };
    for revision in Revision::ALL {
        *value.lock().unwrap() = 0;
        let server = Server::new("scenarios").with(Giving(Arc::clone(&value)));
        let client = server.tool(look("local")).tool(look("other")).test_client().unwrap().revision(revision);
        assert_eq!(called(&client, "local", json!({})).await, "there");
        assert_eq!(called(&client, "other", json!({})).await, "absent");
        assert_eq!(*value.lock().unwrap(), 1); // the very same, not a copy
    }
}

#[tokio::test]
async fn scenario_39_what_is_no_json_is_refused_by_name_and_remedy() {
    let store = MemoryStore::new();
    let tool = Tool::new("t", schema(), |ctx: Context, _| async move {
        let no_json = HashMap::from([((1, 2), 3)]);
        ctx.state().set("pairs", &no_json).await?;
        Ok::<_, StateError>("kept")
    });
    let client = Server::new("scenarios").storage(store.clone()).tool(tool).test_client().unwrap();
    let failed = client.call_tool("t", json!({})).await.unwrap();
    let text = failed["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("\"pairs\"") && text.contains("set_local"), "{text}");
    assert_eq!((store.held().entries, &failed["isError"]), (0, &json!(true)));
}

#[tokio::test]
async fn scenario_40_what_is_kept_or_deleted_is_hidden_no_more() {
    let tool = Tool::new("t", schema(), |ctx: Context, _| async move {
        let state = ctx.state();
        state.set("a", &"kept").await?;
        state.set_local("a", Arc::new(1_u8));
        let hides = state.local::<u8>("a").is_some();
        state.set("a", &"kept again").await?;
        let (after_set, kept) = (state.local::<u8>("a"), state.get::<String>("a").await?);
        state.set_local("a", Arc::new(1_u8));
        let deleted = state.delete("a").await?;
        let (after_delete, gone) = (state.local::<u8>("a"), state.get::<String>("a").await?);
        Ok::<_, StateError>(format!("{hides} {after_set:?} {kept:?} {deleted} {after_delete:?} {gone:?}"))
    });
    let client = Server::new("scenarios").tool(tool).test_client().unwrap();
    assert_eq!(called(&client, "t", json!({})).await, r#"true None Some("kept again") true None None"#);
}

#[tokio::test]
async fn scenario_41_nothing_much_comes_back_as_itself_and_null_is_not_absent() {
    for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
        let client = client(&MemoryStore::new()).revision(revision);
        for value in [json!(0), json!(""), json!(false), json!(null), json!([]), json!({})] {
            set(&client, "a", value.clone()).await;
            assert_eq!(get(&client, "a").await, value.to_string());
        }
        assert_eq!(get(&client, "b").await, "absent");
    }
}
