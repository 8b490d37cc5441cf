//! Types that a form cannot ask for, and rules that do not fit them.

use mcp_server::{Choice, Form};

#[derive(Form)]
struct Address {
    city: String,
}

#[derive(Form)]
struct Person {
    address: Address,
}

#[derive(Form)]
struct Letter {
    letter: Option<char>,
}

#[derive(Form)]
struct Many {
    addresses: Vec<Address>,
}

#[derive(Choice)]
enum Color {
    Red,
}

#[derive(Form)]
struct Rules {
    #[form(min = 1)]
    text: String,
    #[form(max_length = 2)]
    number: Option<u8>,
    #[form(min_items = 1)]
    choice: Color,
}

#[derive(Form)]
struct Values {
    #[form(max = 256)]
    small: u8,
    #[form(default = "1")]
    number: u8,
    #[form(default = 1)]
    text: String,
}

fn is_a_form<F: Form>() {}

fn main() {
    is_a_form::<Color>();
}
