//! The attributes `#[tool]`, `#[resource]` and `#[prompt]` of `mcp-server`, which re-exports them.
//!
//! Each takes a plain function apart: what the client may send goes into a schema, what the server gives
//! (`Context`, `State<T>`) does not, and a mistake is an error that says what to write.

use proc_macro::TokenStream;

mod argument;
mod docs;
mod emit;
mod function;
mod options;
mod prompt;
mod resource;
mod slots;
mod template;
mod tool;

/// Makes a tool of a function: `server.tool(name)` registers it.
///
/// ```
/// use mcp_server::{Server, tool};
///
/// /// Adds two numbers.
/// #[tool]
/// async fn add(
///     /// first number
///     a: f64,
///     #[arg(default = 1.0)] b: f64,
/// ) -> f64 {
///     a + b
/// }
///
/// let server = Server::new("calc").tool(add);
/// # server.test_client().unwrap();
/// ```
///
/// The function's name and doc comment become the tool's name and description, `///` above an argument its
/// description; the schemas come from the types. In place of the function stands one without arguments that makes the
/// [`Tool`]; the body is called as `add::call(a, b)`. A function that is not `async` runs on a thread where it may
/// block.
///
/// | option | |
/// |---|---|
/// | `name = ".."`, `title = ".."`, `description = ".."` | instead of what the function says |
/// | `tags("..", ..)` | tags |
/// | `read_only`, `destructive`, `idempotent`, `open_world` (or `= false`) | hints for the client |
/// | `cache = "60s"`, `public` | lets the response cache keep answers, for each caller or for all |
/// | `finish` | a cancelled call runs to its end |
/// | `requires(elicitation, sampling, roots)` | what the client must have declared |
/// | `output_schema = off` | no output schema |
///
/// On an argument: `#[arg(default = expr)]`, `#[arg(rename = "..")]`, `#[arg(description = "..")]`, and
/// `#[arg(inject)]` for an own type that implements `Inject`, or an alias of `Context` or `State<T>`.
///
/// [`Tool`]: https://docs.rs/mcp-server/latest/mcp_server/struct.Tool.html
#[proc_macro_attribute]
pub fn tool(options: TokenStream, item: TokenStream) -> TokenStream {
    emit::answer(options, item, "Tool", tool::expand)
}

/// Makes a resource of a function, or a template of resources: `server.resource(name)` registers it.
///
/// ```
/// # use std::collections::HashMap;
/// use mcp_server::{Server, State, resource};
///
/// #[derive(Clone, serde::Serialize)]
/// struct Profile {
///     name: String,
/// }
///
/// /// The profile of a user.
/// #[resource("user://{id}/profile", mime_type = "application/json")]
/// async fn profile(id: u64, users: State<HashMap<u64, Profile>>) -> Option<Profile> {
///     users.get(&id).cloned()
/// }
///
/// let server = Server::new("people").state(HashMap::<u64, Profile>::new()).resource(profile);
/// # server.test_client().unwrap();
/// ```
///
/// Every parameter of the template is an argument and the other way round. `{name}` takes one segment, `{name*}`
/// also slashes, `{?a,b}` at the end query parameters that may be absent. Options beside the URI: `name`, `title`,
/// `description`, `mime_type`, `tags(..)`, `cache`, `public`, `requires(..)`.
#[proc_macro_attribute]
pub fn resource(options: TokenStream, item: TokenStream) -> TokenStream {
    emit::answer(options, item, "ResourceComponent", resource::expand)
}

/// Makes a prompt of a function: `server.prompt(name)` registers it.
///
/// ```
/// use mcp_server::{Server, prompt};
///
/// /// Asks for a review.
/// #[prompt]
/// fn review(
///     /// the code
///     code: String,
///     /// how strict, 1 to 5
///     #[arg(default = 3)] strictness: u8,
/// ) -> String {
///     format!("Review this, strictness {strictness} of 5:\n{code}")
/// }
///
/// let server = Server::new("reviews").prompt(review);
/// # server.test_client().unwrap();
/// ```
///
/// Clients send text, which is read into the argument's type. Options: `name`, `title`, `description`, `tags(..)`,
/// `cache`, `public`, `requires(..)`.
#[proc_macro_attribute]
pub fn prompt(options: TokenStream, item: TokenStream) -> TokenStream {
    emit::answer(options, item, "Prompt", prompt::expand)
}
