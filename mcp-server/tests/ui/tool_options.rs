//! Options of `#[tool]` that do not exist or do not fit.

use mcp_server::tool;

#[tool(readonly)]
fn unknown() {}

#[tool("name")]
fn text() {}

#[tool(finish, finish)]
fn twice() {}

#[tool(title)]
fn without_value() {}

#[tool(name = "two words")]
fn misnamed() {}

#[tool(cache = "60")]
fn without_unit() {}

#[tool(cache = 60)]
fn number() {}

#[tool(cache = "0s")]
fn zero() {}

#[tool(public)]
fn public_alone() {}

#[tool(read_only, destructive)]
fn contradiction() {}

#[tool(requires(elicit))]
fn unknown_capability() {}

#[tool(requires())]
fn no_capability() {}

#[tool(requires(elicitation(page)))]
fn unknown_part() {}

#[tool(requires(sampling()))]
fn no_part() {}

#[tool(requires(roots(all)))]
fn part_of_what_has_none() {}

#[tool(output_schema = false)]
fn schema() {}

#[tool(tags = "one")]
fn tags() {}

fn main() {}
