//! A tool, a resource, a template and a prompt without macros.
//!
//! `cargo run -p mcp-server --example by_hand` serves stdio.

use mcp_server::{
    Context, Parameters, Prompt, PromptArgument, Reading, Resource, ResourceTemplate, Server, Structured,
    TextArguments, Tool,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Two sides of a rectangle.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sides {
    /// in metres
    width: f64,
    /// in metres
    height: f64,
}

#[derive(Serialize, JsonSchema)]
struct Area {
    square_metres: f64,
}

fn area() -> Tool {
    Tool::typed("area", |_: Context, sides: Sides| async move {
        Structured(Area { square_metres: sides.width * sides.height })
    })
    .description("The area of a rectangle.")
    .read_only(true)
}

fn units() -> Resource {
    Resource::new("units://all", |_: Context, _: Reading| async { "metre, square metre" }).named("units")
}

fn unit() -> mcp_server::Result<ResourceTemplate> {
    let read = |_: Context, reading: Reading, parameters: Parameters| async move {
        let name: String = parameters.parse("name")?;
        if name == "metre" { Ok("a length") } else { Err(reading.not_found()) }
    };
    let template = ResourceTemplate::new("units://{name}", read);
    template.map_err(|error| mcp_server::Error::new("the template of units is wrong").because(error))
}

fn explain() -> Prompt {
    let unit = PromptArgument::required("unit").description("which unit");
    Prompt::new("explain", [unit], |_: Context, arguments: TextArguments| async move {
        format!("Explain the unit {:?} to a child.", arguments.get("unit").unwrap_or_default())
    })
    .complete_from("unit", ["metre", "square metre"])
}

#[tokio::main]
async fn main() -> mcp_server::Result<()> {
    Server::new("units").tool(area()).resource(units()).resource(unit()?).prompt(explain()).run().await
}
