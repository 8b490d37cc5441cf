//! A server whose tools come and go while it runs, and that tells its clients so.
//!
//! `cargo run -p mcp-server --example dynamic` serves stdio. A client that calls `open` with a name finds a tool
//! `read_NAME` in its list, and hears of it if it listens; each `write` tells who subscribed to `note://NAME`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use mcp_server::protocol::Json;
use mcp_server::{Context, Dynamic, Result, Server, State, Tool, resource, tool};
use serde_json::json;

/// The notes by name.
type Notes = Arc<Mutex<HashMap<String, String>>>;

fn text(notes: &Notes, name: &str) -> Option<String> {
    notes.lock().ok()?.get(name).cloned()
}

/// A tool for one note.
fn reader(name: &str, notes: Notes) -> Tool {
    let note = name.to_owned();
    let schema = json!({ "type": "object", "additionalProperties": false });
    Tool::new(format!("read_{name}"), schema, move |_: Context, _: Json| {
        let text = text(&notes, &note).unwrap_or_default();
        async move { text }
    })
    .description(format!("The text of the note {name}."))
}

/// Opens a note: from now on there is a tool that reads it.
#[tool]
async fn open(
    /// letters and digits
    name: String,
    ctx: Context,
    notes: State<Notes>,
) -> Result<String> {
    ctx.components().add_tool(reader(&name, Arc::clone(&notes)))?;
    if let Ok(mut notes) = notes.lock() {
        notes.insert(name.clone(), String::new());
    }
    Ok(format!("call read_{name}, or subscribe to note://{name}"))
}

/// Writes into a note, and tells who subscribed to it.
#[tool]
async fn write(name: String, text: String, ctx: Context, notes: State<Notes>) -> &'static str {
    if let Ok(mut notes) = notes.lock() {
        notes.insert(name.clone(), text);
    }
    ctx.resource_updated(&format!("note://{name}"));
    "written"
}

/// Closes a note.
#[tool]
async fn close(name: String, ctx: Context, notes: State<Notes>) -> Result<&'static str> {
    if let Ok(mut notes) = notes.lock() {
        notes.remove(&name);
    }
    let known = ctx.components().remove_tool(&format!("read_{name}"))?;
    Ok(if known { "closed" } else { "there was no such note" })
}

/// The text of a note.
#[resource("note://{name}")]
async fn note(name: String, notes: State<Notes>) -> Option<String> {
    text(&notes, &name)
}

#[tokio::main]
async fn main() -> Result<()> {
    Server::new("notes")
        .dynamic(Dynamic::TOOLS)
        .state(Notes::default())
        .tool(open)
        .tool(write)
        .tool(close)
        .resource(note)
        .run()
        .await
}
