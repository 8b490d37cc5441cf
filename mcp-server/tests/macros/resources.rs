//! Resources and templates of them: parameters, types of contents, what is not there.

use bytes::Bytes;
use mcp_server::protocol::{ReadResult, ResourceContents, Revision};
use mcp_server::resource;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{listed, with_resource};

#[derive(Serialize)]
struct Profile {
    id: u64,
}

/// The profile of a user.
#[resource("user://{id}/profile", title = "Profile", tags("people"))]
async fn profile(id: u64) -> Option<Profile> {
    (id < 10).then_some(Profile { id })
}

/// The settings.
#[resource("config://app", name = "settings", mime_type = "application/toml")]
fn config() -> &'static str {
    "x = 1"
}

#[resource("file://{path*}{?from,size}")]
async fn file(path: String, #[arg(default = 1)] from: u8, size: Option<u8>) -> Vec<u8> {
    let mut bytes = path.into_bytes();
    bytes.extend([from, size.unwrap_or(0)]);
    bytes
}

#[resource("blob://x", mime_type = "image/png")]
async fn blob() -> Bytes {
    Bytes::from_static(&[1, 2, 3])
}

#[resource("many://x", mime_type = "text/markdown")]
async fn many() -> Vec<ResourceContents> {
    vec![
        ResourceContents::text("many://x/1", "one"),
        ResourceContents::text("many://x/2", "two").with_mime_type("text/html"),
    ]
}

#[resource("none://x")]
async fn none() -> ReadResult {
    ReadResult::default()
}

#[resource("fails://{how}")]
async fn fails(how: String) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    match how.as_str() {
        "store" => Err(kv_core::Error::new(kv_core::ErrorKind::Unavailable, "redis at 10.0.0.1 is gone"))?,
        _ => Err("out of paper".into()),
    }
}

async fn read<Kind>(resource: impl mcp_server::IntoResource<Kind>, uri: &str) -> Value {
    let mut result = with_resource(resource).read_resource(uri).await.unwrap();
    result["contents"].take()
}

#[tokio::test]
async fn a_function_without_parameters_is_a_plain_resource() {
    let expected = json!({
        "uri": "config://app", "name": "settings", "description": "The settings.", "mimeType": "application/toml",
    });
    assert_eq!(listed(&with_resource(config), "resources/list").await, expected);
    let contents = json!([{ "uri": "config://app", "mimeType": "application/toml", "text": "x = 1" }]);
    assert_eq!(read(config, "config://app").await, contents);
    assert_eq!(config::call(), "x = 1");
}

#[tokio::test]
async fn a_function_with_parameters_is_a_template() {
    let expected = json!({
        "uriTemplate": "user://{id}/profile", "name": "profile", "title": "Profile",
        "description": "The profile of a user.", "_meta": { "larder/tags": ["people"] },
    });
    assert_eq!(listed(&with_resource(profile), "resources/templates/list").await, expected);
    let contents =
        json!([{ "uri": "user://7/profile", "mimeType": "application/json", "text": r#"{"id":7}"# }]);
    assert_eq!(read(profile, "user://7/profile").await, contents);
}

#[tokio::test]
async fn parameters_are_decoded_and_those_of_the_query_may_be_absent() {
    let contents = read(file, "file://a%20b/c").await;
    assert_eq!(contents[0]["blob"], "YSBiL2MBAA==");
    assert_eq!(contents[0]["mimeType"], "application/octet-stream");
    let contents = read(file, "file://a?size=3&from=2").await;
    assert_eq!(contents[0]["blob"], "YQID");
}

#[tokio::test]
async fn contents_that_say_no_type_get_the_declared_one() {
    assert_eq!(read(blob, "blob://x").await[0]["mimeType"], "image/png");
    let contents = read(many, "many://x").await;
    assert_eq!(
        (&contents[0]["mimeType"], &contents[1]["mimeType"]),
        (&json!("text/markdown"), &json!("text/html"))
    );
}

#[tokio::test]
async fn what_is_not_there_is_not_found_in_the_words_of_the_revision() {
    for (revision, code) in [(Revision::V2025_11_25, -32_002), (Revision::V2026_07_28, -32_602)] {
        let client = with_resource(profile).revision(revision);
        for uri in ["user://77/profile", "user://7", "other://x"] {
            let error = client.read_resource(uri).await.unwrap_err();
            assert_eq!((error.code, &error.data), (code, &json!({ "uri": uri })), "{uri} {revision}");
        }
        let error = with_resource(none).revision(revision).read_resource("none://x").await.unwrap_err();
        assert_eq!(error.code, code);
    }
}

#[tokio::test]
async fn a_parameter_of_another_type_is_refused_by_name() {
    let error = with_resource(profile).read_resource("user://anna/profile").await.unwrap_err();
    assert_eq!(error.code, -32_602);
    assert_eq!(error.message, "argument `id`: \"anna\" is not an integer, not negative, or out of range");
}

#[tokio::test]
async fn an_error_of_a_resource_is_told_but_not_that_of_a_store() {
    let client = with_resource(fails);
    let error = client.read_resource("fails://paper").await.unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (-32_603, "out of paper"));
    let error = client.read_resource("fails://store").await.unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (-32_603, "internal error"));
}
