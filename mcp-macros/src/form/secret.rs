//! Secrets, known by the names of types and fields.
//!
//! Client/elicitation: "Servers MUST NOT use form mode elicitation to request sensitive information".

use proc_macro2::Span;
use syn::{Error, Result, Type};

use super::shape;

const WAY_OUT: &str = "a secret never goes through a form, where the client reads it and a model may: ask for it on \
                       a page of your own, by URL mode";

/// Words that name a secret wherever they stand in a name.
const WORDS: [&str; 20] = [
    "apikey",
    "credential",
    "credentials",
    "cvc",
    "cvv",
    "otp",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "passwords",
    "pin",
    "privatekey",
    "pwd",
    "secret",
    "secretkey",
    "secrets",
    "token",
    "totp",
    "accesskey",
];

/// Two words that do so one after the other.
const PAIRS: [(&str, &str); 13] = [
    ("access", "key"),
    ("access", "tokens"),
    ("api", "key"),
    ("api", "keys"),
    ("api", "tokens"),
    ("card", "number"),
    ("credit", "card"),
    ("encryption", "key"),
    ("pass", "phrase"),
    ("pass", "word"),
    ("private", "key"),
    ("security", "code"),
    ("signing", "key"),
];

/// A type that keeps secrets is one, whatever else is said.
pub(super) fn refuse_type(ty: &Type) -> Result<()> {
    let holds_secret = |name: &str| {
        matches!(name, "secrecy" | "Secret" | "Zeroizing" | "Password") || is_secret_of_a_crate(name)
    };
    let found = shape::names(ty).into_iter().find(|name| holds_secret(&name.to_string()));
    found.map_or(Ok(()), |name| Err(Error::new(name.span(), WAY_OUT)))
}

/// `SecretString`, `SecretBox`, `SecretVec` and their like, not every type whose name begins so.
fn is_secret_of_a_crate(name: &str) -> bool {
    const HELD: [&str; 8] = ["Box", "Bytes", "Key", "Slice", "Str", "String", "Value", "Vec"];
    name.strip_prefix("Secret").is_some_and(|held| HELD.contains(&held))
}

/// Refuses a field that is named for a secret.
pub(super) fn refuse_words(names: &[&str], span: Span) -> Result<()> {
    if !names.iter().any(|name| names_secret(name)) {
        return Ok(());
    }
    let message = format!("{WAY_OUT}; if this is none, write `#[form(not_secret)]`");
    Err(Error::new(span, message))
}

fn names_secret(name: &str) -> bool {
    let words = words(name);
    let is_pair = |pair: &[String]| matches!(pair, [a, b] if PAIRS.contains(&(a.as_str(), b.as_str())));
    words.iter().any(|word| WORDS.contains(&word.as_str())) || words.windows(2).any(is_pair)
}

/// The words of a name in any notation, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for letter in name.chars() {
        let begins = !letter.is_alphanumeric() || (after_lower && letter.is_uppercase());
        if begins {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| letter.is_alphanumeric()) {
            word.extend(letter.to_lowercase());
        }
        after_lower = letter.is_lowercase() || letter.is_numeric();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::names_secret;

    #[test]
    fn secrets_are_known_by_whole_words_in_any_notation() {
        for name in [
            "password",
            "Password",
            "new_password",
            "apiKey",
            "API key",
            "api_key",
            "APIKey",
            "access-token",
            "token2fa_token",
            "your PIN",
            "cvv",
            "cardNumber",
            "credit_card",
            "otp",
            "SECRET",
            "client_secret",
            "private_key",
            "passPhrase",
        ] {
            assert!(names_secret(name), "{name}");
        }
        for name in [
            "name",
            "email",
            "max_tokens",
            "spinning",
            "pinned",
            "opinion",
            "secretary",
            "key",
            "card",
            "number",
            "keyboard",
            "primary_key",
            "compass",
            "word",
            "tokenizer",
            "postcode",
            "",
        ] {
            assert!(!names_secret(name), "{name}");
        }
    }
}
