//! `#[form(..)]` that does not fit.

use mcp_server::Form;

#[derive(Form)]
struct Form1 {
    #[form(minimum = 1)]
    unknown: u8,
    #[form(title = "a", title = "b")]
    twice: u8,
    #[form(title)]
    without_value: u8,
    #[form(min)]
    without_number: u8,
    #[form(format = "phone")]
    format: String,
    #[form(rename = "")]
    renamed: u8,
}

#[derive(Form)]
struct Contradictions {
    #[form(min = 2, max = 1)]
    none_fits: u8,
    #[form(min_length = 3, default = "ab")]
    short: String,
    #[form(max = -1, default = 0)]
    large: i8,
}

fn main() {}
