use bytes::Bytes;
use serde_json::{Value, json};

use super::{Found, Registry, RegistryBuilder};
use crate::component::{
    CachePolicy, Prompt, PromptArgument, Resource, ResourceComponent, ResourceTemplate, Tool,
};
use crate::protocol::{
    CacheScope, Failure, Hints, Icon, Json, ListKind, ReadResult, Revision, ToolResult, code,
};
use crate::{Answer, Operation, Principal, Refusal, Reply, Request};

fn tool(name: &str) -> Tool {
    Tool::new(name, Json::from(json!({"type": "object"})), |_, _| async { ToolResult::text("x") })
}

fn resource(uri: &str) -> Resource {
    Resource::new(uri, |_, _| async { Ok::<_, Failure>(ReadResult::default()) })
}

fn template(pattern: &str) -> ResourceTemplate {
    ResourceTemplate::new(pattern, |_, _, _| async { Ok::<_, Failure>(ReadResult::default()) }).unwrap()
}

fn prompt(name: &str, arguments: &[&str]) -> Prompt {
    let arguments: Vec<_> = arguments.iter().map(|name| PromptArgument::required(*name)).collect();
    Prompt::new(name, arguments, |_, _| async { Ok::<_, Failure>(crate::protocol::PromptResult::default()) })
}

fn built(add: impl FnOnce(&mut RegistryBuilder)) -> Registry {
    let mut builder = RegistryBuilder::default();
    add(&mut builder);
    builder.build().unwrap()
}

fn refused(add: impl FnOnce(&mut RegistryBuilder)) -> String {
    let mut builder = RegistryBuilder::default();
    add(&mut builder);
    builder.build().expect_err("built").to_string()
}

fn request(operation: Operation, revision: Revision, principal: Principal) -> Request {
    let mut request = Request::for_tests(operation, revision);
    request.principal = principal;
    request
}

fn list(kind: ListKind, cursor: Option<&str>) -> Operation {
    Operation::List { kind, cursor: cursor.map(Into::into) }
}

async fn answer(registry: &Registry, request: &Request) -> Result<(Bytes, Value), Failure> {
    match registry.page(request, Hints::new(0, CacheScope::Public)).await {
        Answer::Done(Reply::Rendered(rendered)) => {
            assert_eq!((rendered.form(), rendered.hints().is_some()), (request.revision.form(), true));
            let page = serde_json::from_slice(rendered.bytes()).unwrap();
            Ok((rendered.bytes().clone(), page))
        }
        Answer::Failed(failure) => Err(failure),
        other => panic!("{other:?}"),
    }
}

async fn page(registry: &Registry, kind: ListKind, cursor: Option<&str>) -> Result<Value, Failure> {
    let request = request(list(kind, cursor), Revision::V2025_11_25, Principal::local());
    answer(registry, &request).await.map(|(_, page)| page)
}

fn names(page: &Value, field: &str) -> Vec<String> {
    page[field].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn lists_are_in_the_order_of_names_and_one_page_by_default() {
    let registry = built(|builder| {
        for name in ["b", "a", "C", "a.b"] {
            builder.tool(tool(name));
        }
    });
    let page = page(&registry, ListKind::Tools, None).await.unwrap();
    assert_eq!(names(&page, "tools"), ["C", "a", "a.b", "b"]);
    assert_eq!(page.get("nextCursor"), None);
}

#[tokio::test]
async fn pages_follow_each_other_by_cursor_in_every_kind() {
    let registry = built(|builder| {
        for name in ["a", "b", "c", "d", "e"] {
            builder.tool(tool(name));
            builder.prompt(prompt(name, &[]));
            builder.resource(ResourceComponent::Resource(resource(&format!("x://{name}")).named("same")));
            builder.resource(ResourceComponent::Template(template(&format!("x://{name}/{{id}}"))));
        }
        builder.page_size(2);
    });
    for kind in ListKind::ALL {
        let mut cursor: Option<String> = None;
        let mut sizes = Vec::new();
        loop {
            let page = page(&registry, kind, cursor.as_deref()).await.unwrap();
            sizes.push(page[kind.field()].as_array().unwrap().len());
            match page.get("nextCursor").and_then(Value::as_str) {
                Some(next) => cursor = Some(next.to_owned()),
                None => break,
            }
        }
        assert_eq!(sizes, [2, 2, 1], "{kind:?}");
    }
}

#[tokio::test]
async fn a_cursor_outlives_the_component_it_names() {
    let of = |names: &[&str]| {
        built(|builder| {
            for name in names {
                builder.tool(tool(name));
            }
            builder.page_size(2);
        })
    };
    let first = page(&of(&["a", "b", "c"]), ListKind::Tools, None).await.unwrap();
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = page(&of(&["a", "bb", "c"]), ListKind::Tools, Some(cursor)).await.unwrap();
    assert_eq!(names(&second, "tools"), ["bb", "c"]);
}

/// An unknown cursor is refused, not ignored (gap 5 of the official SDK).
#[tokio::test]
async fn any_other_cursor_is_invalid() {
    let registry = built(|builder| {
        builder.tool(tool("a"));
        builder.tool(tool("b"));
        builder.prompt(prompt("p", &[]));
        builder.page_size(1);
    });
    let tools = page(&registry, ListKind::Tools, None).await.unwrap();
    let foreign = tools["nextCursor"].as_str().unwrap();
    for (kind, cursor) in [(ListKind::Tools, ""), (ListKind::Tools, "x"), (ListKind::Prompts, foreign)] {
        let failure = page(&registry, kind, Some(cursor)).await.unwrap_err();
        assert_eq!(failure.code, code::INVALID_PARAMS, "{kind:?} {cursor}");
    }
}

#[tokio::test]
async fn a_page_is_joined_once_and_its_bytes_are_shared() {
    let registry = built(|builder| builder.tool(tool("a")));
    let request = request(list(ListKind::Tools, None), Revision::V2026_07_28, Principal::local());
    let (one, _) = answer(&registry, &request).await.unwrap();
    let (other, _) = answer(&registry, &request).await.unwrap();
    assert_eq!(one.as_ptr(), other.as_ptr());
}

#[tokio::test]
async fn each_form_has_its_own_definitions() {
    let output = Json::from(json!({"type": "integer"}));
    let registry = built(|builder| builder.tool(tool("a").output_schema(output)));
    for revision in Revision::ALL {
        let request = request(list(ListKind::Tools, None), revision, Principal::local());
        let (_, page) = answer(&registry, &request).await.unwrap();
        let shown = page["tools"][0].get("outputSchema").map(|schema| schema["type"].clone());
        let expected = match revision {
            Revision::V2024_11_05 | Revision::V2025_03_26 => None,
            Revision::V2025_06_18 | Revision::V2025_11_25 => Some(json!("object")),
            Revision::V2026_07_28 => Some(json!("integer")),
        };
        assert_eq!(shown, expected, "{revision}");
    }
}

#[tokio::test]
async fn what_a_check_refuses_is_not_listed_and_never_from_a_page_of_somebody_else() {
    let admins_only = |request: &Request| {
        let admin = request.principal.subject() == Some("admin");
        async move { if admin { Ok(()) } else { Err(Refusal::new("admins only")) } }
    };
    let registry = built(|builder| {
        for index in 0..70 {
            builder.tool(tool(&format!("t{index:02}")));
        }
        builder.tool(tool("secret").check(admins_only));
        builder.page_size(70);
    });
    for _ in 0..2 {
        for (subject, expected) in [("admin", true), ("guest", false), ("admin", true)] {
            let principal = Principal::user("i", subject);
            let request = request(list(ListKind::Tools, None), Revision::V2026_07_28, principal);
            let (_, page) = answer(&registry, &request).await.unwrap();
            let listed = names(&page, "tools").contains(&"secret".to_owned());
            assert_eq!(listed, expected, "{subject}");
            assert_eq!(page.get("nextCursor").is_some(), expected, "{subject}");
        }
    }
    let call = Operation::CallTool { name: "secret".into(), arguments: Json::EMPTY };
    let guest = request(call.clone(), Revision::V2026_07_28, Principal::anonymous());
    assert!(registry.check(&guest).await.is_err());
    let admin = request(call, Revision::V2026_07_28, Principal::user("i", "admin"));
    assert!(registry.check(&admin).await.is_ok());
    assert!(registry.has_checks());
}

#[test]
fn a_uri_is_answered_by_its_resource_then_by_the_template_with_most_literal_characters() {
    let registry = built(|builder| {
        for pattern in ["x://{b*}", "x://users/{id}", "x://{kind}/me", "x://users/{id}/a"] {
            builder.resource(ResourceComponent::Template(template(pattern)));
        }
        builder.resource(ResourceComponent::Resource(resource("x://users/root")));
    });
    let found = |uri: &str| match registry.resource(uri) {
        Some(Found::Resource(resource)) => Some(resource.uri().to_owned()),
        Some(Found::Template(template, _)) => Some(template.uri_template().to_owned()),
        None => None,
    };
    let cases = [
        ("x://users/root", Some("x://users/root")),
        ("x://users/7", Some("x://users/{id}")),
        ("x://users/7/a", Some("x://users/{id}/a")),
        ("x://users/me", Some("x://users/{id}")),
        ("x://items/me", Some("x://{kind}/me")),
        ("x://items/7", Some("x://{b*}")),
        ("y://items", None),
    ];
    for (uri, expected) in cases {
        assert_eq!(found(uri).as_deref(), expected, "{uri}");
    }
}

#[test]
fn what_is_registered_is_found_by_its_name_alone() {
    let registry = built(|builder| {
        builder.tool(tool("a"));
        builder.prompt(prompt("p", &["x"]));
    });
    assert_eq!(registry.tool("a").unwrap().name(), "a");
    assert!(registry.tool("p").is_none() && registry.prompt("a").is_none());
    assert!(
        registry.has_tools() && registry.has_prompts() && !registry.has_resources() && !registry.has_checks()
    );
}

#[test]
fn a_fingerprint_changes_with_the_definition() {
    let of = |tool: Tool| {
        let registry = built(|builder| builder.tool(tool));
        registry.facts(&Operation::CallTool { name: "a".into(), arguments: Json::EMPTY }).unwrap()
    };
    let plain = of(tool("a"));
    assert_eq!(plain, of(tool("a")));
    assert_ne!(plain.fingerprint, of(tool("a").description("new")).fingerprint);
    assert_ne!(
        plain.fingerprint,
        of(tool("a").output_schema(Json::from(json!({"type": "string"})))).fingerprint
    );
    let policy = CachePolicy::private(std::time::Duration::from_secs(1));
    assert_eq!((plain.cache, of(tool("a").cache(policy)).cache), (None, Some(policy)));
}

#[test]
fn what_clients_would_refuse_is_refused_by_name_with_a_remedy() {
    let long = "x".repeat(129);
    for name in ["", "a b", "ä", "a/b", long.as_str()] {
        let error = refused(|builder| builder.tool(tool(name)));
        assert!(error.contains(&format!("{name:?}")) && error.contains("1 to 128"), "{error}");
    }
    let no_object =
        || Tool::new("a", Json::from(json!({"type": "array"})), |_, _| async { ToolResult::text("x") });
    assert!(
        refused(|builder| builder.tool(no_object()))
            .contains("the tool \"a\" has an input schema whose root")
    );
    let foreign = Json::from(json!({"$ref": "https://x"}));
    assert!(
        refused(|builder| builder.tool(tool("a").output_schema(foreign)))
            .contains("output schema that refers")
    );
    assert!(refused(|builder| builder.tool(tool("a").icon(Icon::new("javascript:x")))).contains("icon"));
    let bad_uri = ResourceComponent::Resource(resource("no scheme"));
    assert!(
        refused(|builder| builder.resource(bad_uri)).contains("the resource \"no scheme\" has no scheme")
    );
    let bad_template = ResourceComponent::Template(template("a b://{id}"));
    assert!(refused(|builder| builder.resource(bad_template)).contains("scheme"));
    assert!(refused(|builder| builder.prompt(prompt("p\n", &[]))).contains("control characters"));
    assert!(refused(|builder| builder.prompt(prompt("p", &["a", "a"]))).contains("twice"));
    assert!(refused(|builder| builder.prompt(prompt("p", &[""]))).contains("without a name"));
}

#[test]
fn a_second_component_of_the_same_name_is_refused() {
    let error = refused(|builder| {
        builder.tool(tool("a"));
        builder.tool(tool("a"));
    });
    assert!(error.contains("the tool \"a\" is registered twice"), "{error}");
    let error = refused(|builder| {
        builder.resource(ResourceComponent::Resource(resource("x://a").named("one")));
        builder.resource(ResourceComponent::Resource(resource("x://a").named("two")));
    });
    assert!(error.contains("the resource \"x://a\" is registered twice"), "{error}");
}

#[test]
fn a_value_that_a_handler_takes_must_be_given_to_the_server() {
    use crate::component::Requirement;
    let mut builder = RegistryBuilder::default();
    builder.tool(tool("a").needs([Requirement::of::<u64>()]));
    let mut values = crate::dispatch::Values::new();
    let error = builder.require_values(&values).expect_err("passed").to_string();
    assert!(error.contains("the tool \"a\" takes State<u64>") && error.contains(".state(..)"), "{error}");
    values.insert(std::any::TypeId::of::<u64>(), std::sync::Arc::new(7_u64));
    assert!(builder.require_values(&values).is_ok());
}
