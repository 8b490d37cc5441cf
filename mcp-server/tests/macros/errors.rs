//! What becomes of errors: the model reads them, but nothing of a store or of this server.

use std::error::Error;
use std::fmt;

use kv_core::{ErrorKind, Store as _};
use mcp_server::protocol::Failure;
use mcp_server::{Server, StateError, tool};
use serde_json::json;

use crate::{called, text, with_tool};

#[derive(Debug)]
struct OutOfStock(Option<kv_core::Error>);

impl fmt::Display for OutOfStock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of stock")
    }
}

impl Error for OutOfStock {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.as_ref().map(|error| error as &(dyn Error + 'static))
    }
}

/// Can be told, but is no error.
struct Sentence;

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sentence")
    }
}

/// A report as `anyhow` has it: can be seen as an error, but is none.
#[derive(Debug)]
struct Report(Box<dyn Error + Send + Sync>);

impl<E: Error + Send + Sync + 'static> From<E> for Report {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl AsRef<dyn Error + Send + Sync> for Report {
    fn as_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }
}

fn of_a_store() -> kv_core::Error {
    kv_core::Error::new(ErrorKind::Unavailable, "redis at 10.0.0.1 is gone")
}

#[tool]
async fn own() -> Result<u8, OutOfStock> {
    Err(OutOfStock(None))
}

#[tool]
async fn own_with_a_store_below() -> Result<u8, OutOfStock> {
    Err(OutOfStock(Some(of_a_store())))
}

#[tool]
async fn plain_text() -> Result<u8, String> {
    Err("no paper".to_owned())
}

#[tool]
async fn only_display() -> Result<u8, Sentence> {
    Err(Sentence)
}

#[tool]
async fn boxed() -> Result<(), Box<dyn Error + Send + Sync>> {
    Err("boxed text".into())
}

#[tool]
async fn boxed_with_a_store_inside() -> Result<(), Box<dyn Error + Send + Sync>> {
    Err(of_a_store())?
}

#[tool]
fn boxed_on_its_thread() -> Result<(), Box<dyn Error>> {
    Err("stays here")?
}

#[tool]
fn boxed_on_its_thread_with_a_store_inside() -> Result<(), Box<dyn Error>> {
    Err(of_a_store())?
}

#[tool]
async fn of_the_store_itself() -> kv_core::Result<u8> {
    Err(of_a_store())
}

#[tool]
async fn of_this_server() -> mcp_server::Result<u8> {
    Err(mcp_server::Error::new("the port is taken"))
}

#[tool]
async fn pointed_to() -> Result<u8, Box<kv_core::Error>> {
    Err(Box::new(of_a_store()))
}

#[tool]
async fn reported() -> Result<u8, Report> {
    Err(OutOfStock(None))?
}

#[tool]
async fn reported_with_a_store_inside() -> Result<u8, Report> {
    Err(of_a_store())?
}

#[tokio::test]
async fn the_model_reads_the_error_of_a_tool() {
    for (tool, expected) in [
        (own(), "out of stock"),
        (reported(), "out of stock"),
        (plain_text(), "no paper"),
        (only_display(), "a sentence"),
        (boxed(), "boxed text"),
        (boxed_on_its_thread(), "stays here"),
    ] {
        let result = called(tool, json!({})).await;
        assert_eq!((text(&result), &result["isError"]), (expected, &json!(true)));
    }
}

#[tokio::test]
async fn nobody_reads_the_error_of_a_store() {
    for tool in [
        own_with_a_store_below(),
        boxed_with_a_store_inside(),
        boxed_on_its_thread_with_a_store_inside(),
        of_the_store_itself(),
        of_this_server(),
        pointed_to(),
        reported_with_a_store_inside(),
    ] {
        let result = called(tool, json!({})).await;
        assert_eq!((text(&result), &result["isError"]), ("internal error", &json!(true)));
    }
}

#[tool]
async fn refused() -> Result<u8, Failure> {
    Err(Failure::new(7, "not today").with_data(json!({ "when": "tomorrow" })))
}

#[tokio::test]
async fn a_failure_is_an_error_of_the_protocol() {
    let error = with_tool(refused).call_tool("refused", json!({})).await.unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (7, "not today"));
    assert_eq!(error.data, json!({ "when": "tomorrow" }));
}

#[tool]
async fn stateful(context: mcp_server::Context) -> Result<u8, StateError> {
    context.state().get("x").await.map(Option::unwrap_or_default)
}

#[tokio::test]
async fn an_error_that_is_written_for_clients_is_told() {
    let client = with_tool(stateful).principal(mcp_server::Principal::anonymous());
    let result = client.call_tool("stateful", json!({})).await.unwrap();
    assert!(text(&result).starts_with("there is nobody to keep state for"), "{result}");
}

#[tokio::test]
async fn of_a_failed_state_store_only_that_is_told() {
    let store = kv_core::AnyStore::new(kv_memory::MemoryStore::new());
    let client = Server::new("test").storage(store.clone()).tool(stateful).test_client().unwrap();
    assert_eq!(text(&client.call_tool("stateful", json!({})).await.unwrap()), "0");
    store.close().await.unwrap();
    let result = client.call_tool("stateful", json!({})).await.unwrap();
    assert_eq!((text(&result), &result["isError"]), ("the state store failed", &json!(true)));
}

#[tool]
fn panics() -> u8 {
    panic!("a secret")
}

#[tokio::test]
async fn a_panic_of_a_blocking_tool_is_an_internal_error() {
    let error = with_tool(panics).call_tool("panics", json!({})).await.unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (-32_603, "internal error"));
}
