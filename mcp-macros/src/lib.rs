//! The attributes `#[tool]`, `#[resource]` and `#[prompt]` of `mcp-server`, and its derives `Form` and `Choice`, which it
//! re-exports.
//!
//! Each attribute takes a plain function apart: what the client may send goes into a schema, what the server gives
//! (`Context`, `State<T>`) does not, and a mistake is an error that says what to write.

use proc_macro::TokenStream;

mod argument;
mod asked;
mod choice;
mod docs;
mod emit;
mod form;
mod function;
mod header;
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
/// | `single_use` | the answers to its questions count once |
/// | `requires(elicitation, elicitation(url), sampling, sampling(tools), roots)` | what the client must have declared |
/// | `output_schema = off` | no output schema |
///
/// On an argument: `#[arg(default = expr)]`, `#[arg(rename = "..")]`, `#[arg(description = "..")]`,
/// `#[arg(header = "..")]`, `#[arg(ask = "..")]`, and `#[arg(inject)]` for an own type that implements `Inject`, or an alias of `Context` or
/// `State<T>`.
///
/// `#[arg(header = "Region")]` lets clients of 2026-07-28 repeat the argument in the HTTP header `Mcp-Param-Region`, where
/// proxies can route by it without reading the body. The header is part of the tool's definition; the server refuses a
/// call in which it is missing, is there without a value, or says something else, so what a proxy went by is what the
/// function gets. The argument is a string, an integer or a boolean, an enum of such, or an `Option` of one of these, which
/// the schema shows without `null`. Other transports and revisions know no such headers. Proxies may log them: none is
/// for a secret.
///
/// ```
/// # use mcp_server::tool;
/// /// Runs a query.
/// #[tool]
/// async fn query(#[arg(header = "Region")] region: String, sql: String) -> String {
///     format!("{sql} in {region}")
/// }
/// # mcp_server::Server::new("sql").tool(query).test_client().unwrap();
/// ```
///
/// An argument `Asked<T>` is not sent by the client: the person is asked for it, by the form `T`, before anything of the
/// function runs. The question is the doc comment above the argument or `#[arg(ask = "..")]`, and may name what the client
/// sends; several are asked at once. `Asked<T>` holds what was accepted, and the call ends where it was not;
/// `Asked<Elicited<T>>` tells also that. Clients that cannot be asked are refused before, as by `requires(elicitation)`.
///
/// ```
/// # use mcp_server::{Asked, Form, tool};
/// #[derive(Form)]
/// struct Confirm {
///     /// Book it?
///     sure: bool,
/// }
///
/// /// Books a room.
/// #[tool]
/// async fn book(room: String, #[arg(ask = "Book {room}?")] ok: Asked<Confirm>) -> String {
///     if ok.sure { format!("{room} is yours") } else { "nothing was booked".to_owned() }
/// }
/// # mcp_server::Server::new("rooms").tool(book).test_client().unwrap();
/// ```
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
/// `description`, `mime_type`, `tags(..)`, `cache`, `public`, `requires(..)`. Arguments are completed as those of
/// [`macro@prompt`] are, and `Asked<T>` is asked of the person as for [`macro@tool`].
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
/// Clients send text, which is read into the argument's type; `Asked<T>` is asked of the person, as for [`macro@tool`].
/// Options: `name`, `title`, `description`, `tags(..)`, `cache`, `public`, `requires(..)`.
///
/// Values can be completed while they are typed, by a list or by a function of the value so far; an enum without parts
/// and `bool` complete themselves.
///
/// ```
/// use mcp_server::{CompletionContext, Server, prompt};
///
/// /// Frameworks of the language that was chosen before.
/// async fn frameworks(value: String, context: CompletionContext) -> Vec<&'static str> {
///     let all = match context.argument("language") {
///         Some("python") => ["django", "flask"],
///         _ => ["axum", "rocket"],
///     };
///     all.into_iter().filter(|name| name.starts_with(&value)).collect()
/// }
///
/// /// Asks for an example.
/// #[prompt]
/// fn example(
///     #[arg(complete = ["python", "rust"])] language: String,
///     #[arg(complete = frameworks)] framework: String,
/// ) -> String {
///     format!("Write an example in {language} with {framework}.")
/// }
///
/// let server = Server::new("examples").prompt(example);
/// # server.test_client().unwrap();
/// ```
///
/// | `complete = ` | |
/// |---|---|
/// | `["python", "rust"]`, or the name of a constant list | what begins with the value, then what has it elsewhere |
/// | `async fn(value: String) -> R` | `R` is `Vec<String>`, an array of text, `Completion`, or a `Result` of these |
/// | `async fn(value: String, context: CompletionContext) -> R` | knows the arguments chosen before, and who asks |
/// | `fn(value: &str) -> R`, `fn(value: &str, context: &CompletionContext) -> R` | on a thread where it may block |
#[proc_macro_attribute]
pub fn prompt(options: TokenStream, item: TokenStream) -> TokenStream {
    emit::answer(options, item, "Prompt", prompt::expand)
}

/// Makes a form for the person of a struct: text, numbers, yes or no, and choices.
///
/// ```
/// use mcp_server::{Choice, Form};
///
/// #[derive(Form)]
/// struct Contact {
///     /// Your full name
///     name: String,
///     /// Your email address
///     #[form(format = "email")]
///     email: String,
///     /// Your age
///     #[form(min = 18)]
///     age: Option<f64>,
///     #[form(title = "Color Selection", default = [Color::Red], min_items = 1, max_items = 2)]
///     colors: Vec<Color>,
/// }
///
/// #[derive(Choice)]
/// enum Color {
///     Red,
///     Green,
///     Blue,
/// }
///
/// let schema: serde_json::Value = Contact::schema().to()?;
/// assert_eq!(schema["properties"]["age"]["minimum"], 18);
/// assert_eq!(schema["required"], serde_json::json!(["name", "email"]));
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// A field is a `String`, an integer of up to 64 bits, a float, a `bool`, an enum with `#[derive(Choice)]`, a `Vec` of
/// such, or an `Option` of one of these, which may be left out. `///` above a field is its description.
///
/// | `#[form(..)]` | |
/// |---|---|
/// | `title = ".."`, `description = ".."`, `rename = ".."` | what people read; the name on the wire |
/// | `default = expr`, `default` | what stands there at first, and for an absent answer where the field is no `Option` |
/// | `min = ..`, `max = ..` | numbers |
/// | `min_length = ..`, `max_length = ..` | characters of text |
/// | `format = ".."` | text that is an `email`, a `uri`, a `date` or a `date-time` |
/// | `min_items = ..`, `max_items = ..` | several choices |
/// | `not_secret` | a field is no secret though its name says so |
///
/// A field that holds a secret by its name or type does not compile: the client reads what is entered, and perhaps its
/// model.
#[proc_macro_derive(Form, attributes(form))]
pub fn form(item: TokenStream) -> TokenStream {
    derived(item, form::expand)
}

/// Makes a fixed set of answers of an enum, for the fields of a form.
///
/// ```
/// use mcp_server::Choice;
///
/// #[derive(Choice)]
/// #[choice(rename_all = "kebab-case")]
/// enum Meal {
///     Vegan,
///     FishOfTheDay,
///     #[choice(value = "none", title = "Nothing, thanks")]
///     Nothing,
/// }
///
/// let values: Vec<_> = Meal::options().iter().map(|option| option.value()).collect();
/// assert_eq!(values, ["vegan", "fish-of-the-day", "none"]);
/// ```
#[proc_macro_derive(Choice, attributes(choice))]
pub fn choice(item: TokenStream) -> TokenStream {
    derived(item, choice::expand)
}

fn derived(item: TokenStream, expand: fn(&syn::DeriveInput) -> proc_macro2::TokenStream) -> TokenStream {
    match syn::parse(item) {
        Ok(input) => expand(&input).into(),
        Err(error) => error.into_compile_error().into(),
    }
}
