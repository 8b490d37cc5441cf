//! Shapes that no form has.

use std::collections::HashMap;

use mcp_server::Form;

#[derive(Form)]
enum Either {
    One,
}

#[derive(Form)]
struct Unit;

#[derive(Form)]
struct Tuple(String);

#[derive(Form)]
struct Generic<T> {
    value: T,
}

#[derive(Form)]
#[form(title = "x")]
struct Above {
    a: String,
}

#[derive(Form)]
struct Nested {
    pair: (String, String),
    map: HashMap<String, String>,
    json: serde_json::Value,
    list: Vec<String>,
    lists: Option<Vec<Vec<u8>>>,
    array: [u8; 2],
    borrowed: &'static str,
    twice: Option<Option<u8>>,
    function: fn(),
}

#[derive(Form)]
struct Same {
    #[form(rename = "b")]
    a: String,
    b: String,
}

fn main() {
    let _ = Nested::schema();
}
