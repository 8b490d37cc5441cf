//! The server that the official conformance suite is run against, over stdio or `--http ADDR`.
//!
//! The suite says which tools, resources and prompts it expects, and what they answer.

#[path = "conformance/asking.rs"]
mod asking;

use std::time::Duration;

use mcp_server::protocol::{Completion, Content, Json, PromptMessage, ResourceContents, Role, ToolResult};
use mcp_server::{
    CompletionContext, Context, Dynamic, Prompt, Result, Server, TextArguments, Tool, prompt, resource, tool,
};
use serde_json::json;

/// A PNG of one red pixel.
const PIXEL: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00,
    0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x06, 0x00, 0x00, 0x00, 0x1f, 0x15, 0xc4, 0x89, 0x00,
    0x00, 0x00, 0x0d, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0xfc, 0xcf, 0xf0, 0xbf, 0x1e, 0x00, 0x06,
    0x83, 0x02, 0x7f, 0x94, 0xad, 0xd0, 0xeb, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42,
    0x60, 0x82,
];

/// A WAV of no samples.
const SILENCE: &[u8] =
    b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x44\xac\x00\x00\x88\x58\x01\x00\
                         \x02\x00\x10\x00data\x00\x00\x00\x00";

fn pixel() -> Content {
    Content::image(PIXEL, "image/png")
}

fn embedded(uri: &str, mime_type: &str, text: &str) -> Content {
    Content::resource(ResourceContents::text(uri, text).with_mime_type(mime_type))
}

/// Returns simple text.
#[tool]
async fn test_simple_text() -> ToolResult {
    ToolResult::text("This is a simple text response for testing.")
}

/// Returns a picture.
#[tool]
async fn test_image_content() -> Content {
    pixel()
}

/// Returns sound.
#[tool]
async fn test_audio_content() -> Content {
    Content::audio(SILENCE, "audio/wav")
}

/// Returns an embedded resource.
#[tool]
async fn test_embedded_resource() -> Content {
    embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")
}

/// Returns several kinds of content.
#[tool]
async fn test_multiple_content_types() -> Vec<Content> {
    let data = r#"{"test":"data","value":123}"#;
    vec![
        Content::text("Multiple content types test:"),
        pixel(),
        embedded("test://mixed-content-resource", "application/json", data),
    ]
}

/// Sends log messages while it runs.
#[tool]
async fn test_tool_with_logging(ctx: Context) -> ToolResult {
    for message in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        ctx.info(message);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ToolResult::text("Logging test completed")
}

/// Sends a log message, for clients that ask for some.
#[tool]
async fn test_logging_tool(ctx: Context) -> ToolResult {
    ctx.info("a message");
    tokio::time::sleep(Duration::from_millis(50)).await;
    ToolResult::text("Logging test completed")
}

/// Always fails.
#[tool]
async fn test_error_handling() -> std::result::Result<ToolResult, &'static str> {
    Err("This tool intentionally returns an error for testing")
}

/// Tells how far it is.
#[tool]
async fn test_tool_with_progress(ctx: Context) -> ToolResult {
    for (progress, message) in [(0.0, "Starting"), (50.0, "Halfway"), (100.0, "Complete")] {
        ctx.progress_with(progress, 100.0, message);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ToolResult::text("Progress test completed")
}

/// Takes a moment, in which its client leaves and comes back.
#[tool]
async fn test_reconnection(ctx: Context) -> ToolResult {
    ctx.release_stream(Duration::from_millis(500));
    tokio::time::sleep(Duration::from_millis(100)).await;
    ToolResult::text("Reconnection test completed")
}

/// Takes an argument that clients repeat in a header.
#[tool]
async fn test_custom_header(
    /** where to look */
    #[arg(header = "Region")]
    region: String,
) -> String {
    region
}

/// Needs a client that samples.
#[tool(requires(sampling))]
async fn test_missing_capability() -> ToolResult {
    ToolResult::text("Required capability declared")
}

/// Lets a tool come, or go if it has come.
#[tool]
async fn test_trigger_tool_change(ctx: Context) -> Result<ToolResult> {
    let components = ctx.components();
    if !components.remove_tool("comes_and_goes")? {
        let any = json!({ "type": "object" });
        let tool = Tool::new("comes_and_goes", any, |_: Context, _: Json| async { "still here" });
        components.add_tool(tool.description("Comes and goes."))?;
    }
    Ok(ToolResult::text("The list of tools has changed"))
}

/// Lets a prompt come, or go if it has come.
#[tool]
async fn test_trigger_prompt_change(ctx: Context) -> Result<ToolResult> {
    let components = ctx.components();
    if !components.remove_prompt("comes_and_goes")? {
        let prompt = Prompt::new("comes_and_goes", [], |_: Context, _: TextArguments| async { "still here" });
        components.add_prompt(prompt.description("Comes and goes."))?;
    }
    Ok(ToolResult::text("The list of prompts has changed"))
}

/// A tool whose schema uses what JSON Schema 2020-12 offers.
fn schema_tool() -> Tool {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "address",
                "type": "object",
                "properties": { "street": { "type": "string" }, "city": { "type": "string" } },
            },
        },
        "properties": { "name": { "type": "string" }, "address": { "$ref": "#/$defs/address" } },
        "allOf": [{ "anyOf": [{ "required": ["name"] }, { "required": ["address"] }] }],
        "if": { "required": ["address"] },
        "then": { "properties": { "address": { "required": ["street"] } } },
        "else": { "required": ["name"] },
        "additionalProperties": false,
    });
    Tool::new("json_schema_2020_12_tool", schema, |_: Context, arguments: Json| async move {
        ToolResult::text(format!("Received {}", arguments.as_str()))
    })
    .description("Takes a name or an address.")
}

/// Text.
#[resource("test://static-text", mime_type = "text/plain")]
async fn static_text() -> &'static str {
    "This is the content of the static text resource."
}

/// Bytes.
#[resource("test://static-binary", mime_type = "image/png")]
async fn static_binary() -> ResourceContents {
    ResourceContents::blob("test://static-binary", PIXEL).with_mime_type("image/png")
}

/// Something to subscribe to.
#[resource("test://watched-resource", mime_type = "text/plain")]
async fn watched() -> &'static str {
    "This is the content of the watched resource."
}

/// Data of one id.
#[resource("test://template/{id}/data", mime_type = "application/json")]
async fn template(id: String) -> String {
    json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") }).to_string()
}

/// A prompt without arguments.
#[prompt]
async fn test_simple_prompt() -> &'static str {
    "This is a simple prompt for testing."
}

/// A prompt with two arguments.
#[prompt]
async fn test_prompt_with_arguments(
    /** the first */
    #[arg(complete = ["paris", "park", "party", "test1", "test2"])]
    arg1: String,
    /** the second */
    #[arg(complete = after_the_first)]
    arg2: String,
) -> String {
    format!("Prompt with arguments: arg1='{arg1}', arg2='{arg2}'")
}

/// Values of the second argument, which go with the first.
fn after_the_first(value: &str, context: &CompletionContext) -> Completion {
    let first = context.argument("arg1").unwrap_or("test");
    Completion::matching(value, [format!("{first}-a"), format!("{first}-b")])
}

/// A prompt that holds a resource.
#[prompt]
async fn test_prompt_with_embedded_resource(
    /** the resource to hold */
    #[arg(rename = "resourceUri")]
    resource_uri: String,
) -> Vec<PromptMessage> {
    let text = "Embedded resource content for testing.";
    vec![
        PromptMessage::new(Role::User, embedded(&resource_uri, "text/plain", text)),
        PromptMessage::user("Please process the embedded resource above."),
    ]
}

/// A prompt that holds a picture.
#[prompt]
async fn test_prompt_with_image() -> Vec<PromptMessage> {
    vec![PromptMessage::new(Role::User, pixel()), PromptMessage::user("Please analyze the image above.")]
}

#[tokio::main]
async fn main() -> Result<()> {
    let server = Server::new("conformance")
        .instructions("A server for the conformance suite.")
        .dynamic(Dynamic::TOOLS | Dynamic::PROMPTS)
        .tool(test_simple_text)
        .tool(test_image_content)
        .tool(test_audio_content)
        .tool(test_embedded_resource)
        .tool(test_multiple_content_types)
        .tool(test_tool_with_logging)
        .tool(test_logging_tool)
        .tool(test_error_handling)
        .tool(test_tool_with_progress)
        .tool(test_reconnection)
        .tool(test_custom_header)
        .tool(test_missing_capability)
        .tool(test_trigger_tool_change)
        .tool(test_trigger_prompt_change)
        .tool(schema_tool())
        .resource(static_text)
        .resource(static_binary)
        .resource(watched)
        .resource(template)
        .prompt(test_simple_prompt)
        .prompt(test_prompt_with_arguments)
        .prompt(test_prompt_with_embedded_resource)
        .prompt(test_prompt_with_image);
    larder_examples::serve(asking::add_to(server)).await
}
