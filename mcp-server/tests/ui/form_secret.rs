//! Secrets, which never go through a form.

use mcp_server::Form;

struct SecretString;

mod secrecy {
    pub struct Anything;
}

#[derive(Form)]
struct Login {
    user: String,
    password: String,
    #[form(rename = "apiKey")]
    key: Option<String>,
    #[form(title = "Your PIN")]
    number: u16,
    by_type: Option<SecretString>,
    #[form(not_secret)]
    by_path: secrecy::Anything,
    max_tokens: u32,
    #[form(not_secret)]
    token: u32,
}

fn main() {}
