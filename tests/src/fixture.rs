//! A server with one component of every kind that the wire tests look at.

use bytes::Bytes;
use kv_core::ErrorKind;
use mcp_server::protocol::{Content, Level, ReadResult, ResourceContents, ToolResult};
use mcp_server::{Context, Server, State, Tool, prompt, resource, tool};
use serde_json::json;

use crate::effects::Effects;
use crate::faults::SECRET;

/// The server, and what its handlers did.
pub fn server() -> (Server, Effects) {
    let effects = Effects::default();
    (server_with(&effects), effects)
}

/// The server, whose handlers show here what they do.
pub fn server_with(effects: &Effects) -> Server {
    Server::new("fixture")
        .version("1.2.3")
        .instructions("Only for tests.")
        .state(effects.clone())
        .tool(echo)
        .tool(add)
        .tool(stats)
        .tool(refuse)
        .tool(leak)
        .tool(linked)
        .tool(say)
        .tool(count)
        .tool(afterwards)
        .tool(asking)
        .tool(hold)
        .tool(hold_to_the_end)
        .tool(hold_a_part)
        .tool(hold_blocking)
        .tool(hold_speaking)
        .tool(anything())
        .tool(panics_at_once)
        .tool(panics_later)
        .tool(panics_on_a_thread)
        .resource(text)
        .resource(shared)
        .resource(blob)
        .resource(nothing)
        .resource(leaking)
        .resource(panicking)
        .resource(item)
        .prompt(greet)
        .prompt(sounding)
}

/// Answers what it is told.
#[tool(read_only)]
async fn echo(
    /** what to answer */
    text: String,
) -> String {
    text
}

/// Adds two whole numbers.
#[tool(read_only)]
async fn add(
    /** the first */
    a: i64,
    /** the second */
    b: i64,
) -> i64 {
    a.saturating_add(b)
}

/// What is known of some numbers.
#[derive(serde::Serialize, schemars::JsonSchema)]
struct Stats {
    count: usize,
    sum: f64,
}

/// Counts and sums numbers.
#[tool(read_only)]
async fn stats(values: Vec<f64>) -> Stats {
    Stats { count: values.len(), sum: values.iter().sum() }
}

/// Fails in its own words.
#[tool]
async fn refuse() -> Result<String, String> {
    Err("the shelf is empty".to_owned())
}

fn backend() -> kv_core::Error {
    kv_core::Error::new(ErrorKind::Unavailable, SECRET)
}

/// Fails by its backend.
#[tool]
async fn leak() -> Result<String, kv_core::Error> {
    Err(backend())
}

/// A link, a sound and a picture.
#[tool]
async fn linked() -> ToolResult {
    ToolResult::content([
        Content::ResourceLink {
            uri: "note://text".to_owned(),
            name: "the note".to_owned(),
            description: None,
            mime_type: Some("text/plain".to_owned()),
        },
        Content::audio(&b"sound"[..], "audio/wav"),
        Content::image(&b"picture"[..], "image/png"),
    ])
    .with_meta(json!({ "own": 1 }).into())
}

/// Says a sentence at four levels.
#[tool]
async fn say(ctx: Context) -> String {
    for level in [Level::Debug, Level::Info, Level::Warning, Level::Error] {
        ctx.log(level, format!("{level:?}").to_lowercase());
    }
    "said".to_owned()
}

/// Reports progress, sometimes backwards.
#[tool]
async fn count(ctx: Context) -> String {
    for progress in [1.0, 1.0, 0.5, 2.0, f64::NAN, 3.0] {
        ctx.progress_with(progress, 3.0, "counting");
        tokio::task::yield_now().await;
    }
    "counted".to_owned()
}

/// Goes on talking after its answer.
#[tool]
async fn afterwards(ctx: Context, effects: State<Effects>) -> String {
    let effects = effects.clone();
    tokio::spawn(async move {
        effects.passed("open:afterwards").await;
        ctx.error_after();
        effects.mark("done:afterwards");
    });
    "answered".to_owned()
}

/// What no handler should do: talk when its answer has gone.
trait TalksOn {
    fn error_after(&self);
}

impl TalksOn for Context {
    fn error_after(&self) {
        self.progress(1.0, None);
        self.log(Level::Emergency, "too late");
    }
}

/// Needs a client that can be asked.
#[tool(requires(elicitation))]
async fn asking() -> String {
    "asked".to_owned()
}

async fn watched(key: &str, effects: &Effects) -> String {
    let watched = effects.begin(key);
    watched.opened().await;
    watched.done();
    format!("held {key}")
}

/// Waits until the test lets it go on.
#[tool]
async fn hold(key: String, effects: State<Effects>) -> String {
    watched(&key, &effects).await
}

/// As `hold`, and must not stop half-way.
#[tool(finish)]
async fn hold_to_the_end(key: String, effects: State<Effects>) -> String {
    watched(&key, &effects).await
}

/// As `hold`, with a part that must not stop half-way.
#[tool]
async fn hold_a_part(key: String, ctx: Context, effects: State<Effects>) -> String {
    let whole = effects.begin(&format!("{key}:whole"));
    let (part, shared) = (key.clone(), effects.clone());
    let held = ctx.finish(async move { watched(&part, &shared).await }).await;
    whole.opened().await;
    whole.done();
    held
}

/// As `hold`, on a thread.
#[tool]
fn hold_blocking(key: String, ctx: Context, effects: State<Effects>) -> String {
    let watched = effects.begin(&key);
    while !effects.has(&format!("open:{key}")) {
        if ctx.is_cancelled() {
            effects.mark(format!("told:{key}"));
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    watched.done();
    format!("held {key}")
}

/// As `hold`, and talks before and after.
#[tool]
async fn hold_speaking(key: String, ctx: Context, effects: State<Effects>) -> String {
    ctx.log(Level::Error, format!("before {key}"));
    let held = watched(&key, &effects).await;
    ctx.log(Level::Error, format!("after {key}"));
    effects.mark(format!("spoke:{key}"));
    held
}

/// Has a bug.
#[tool]
async fn panics_at_once() -> String {
    panic!("{SECRET}")
}

/// Has a bug behind an await.
#[tool]
async fn panics_later() -> String {
    tokio::task::yield_now().await;
    panic!("{SECRET}")
}

/// Has a bug on a thread.
#[tool]
fn panics_on_a_thread() -> String {
    panic!("{SECRET}")
}

/// Has a bug, too.
#[resource("note://panicking")]
async fn panicking() -> String {
    panic!("{SECRET}")
}

/// Takes any object, as its schema says.
fn anything() -> Tool {
    let schema = json!({ "type": "object", "additionalProperties": true });
    Tool::new("anything", schema, |_: Context, arguments| async move {
        ToolResult::text(format!("{} bytes", arguments.as_bytes().len()))
    })
}

/// A note.
#[resource("note://text", mime_type = "text/plain")]
async fn text() -> &'static str {
    "a note"
}

/// A note that is the same for everybody.
#[resource("note://shared", cache = "60s", public)]
async fn shared() -> &'static str {
    "a note for all"
}

/// Some bytes.
#[resource("note://blob", mime_type = "application/octet-stream")]
async fn blob() -> Bytes {
    Bytes::from_static(&[0, 1, 2, 255])
}

/// Is registered and has nothing.
#[resource("note://nothing")]
async fn nothing() -> ReadResult {
    ReadResult::new([])
}

/// Fails by its backend.
#[resource("note://leaking")]
async fn leaking() -> Result<String, kv_core::Error> {
    Err(backend())
}

/// One item.
#[resource("item://{id}")]
async fn item(id: String) -> ReadResult {
    ReadResult::new([ResourceContents::text(format!("item://{id}"), format!("item {id}"))])
}

/// Greets somebody.
#[prompt]
async fn greet(
    /** whom */
    name: String,
    /** how */
    tone: Option<String>,
) -> String {
    format!("Greet {name} {}.", tone.as_deref().unwrap_or("warmly"))
}

/// A prompt that is a sound.
#[prompt]
async fn sounding() -> mcp_server::protocol::PromptResult {
    use mcp_server::protocol::{PromptMessage, PromptResult, Role};
    PromptResult::new([PromptMessage::new(Role::User, Content::audio(&b"sound"[..], "audio/wav"))])
}
