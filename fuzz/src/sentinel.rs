//! Header values that are not plain text, as a client writes them (2026-07-28, streamable-http, "Value Encoding").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// `text` as the value of a header: as it is where it can be, else in the sentinel.
pub fn encoded(text: &str) -> String {
    let visible = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let is_plain = visible && text.trim() == text && !text.starts_with("=?");
    if is_plain { text.to_owned() } else { format!("=?base64?{}?=", STANDARD.encode(text)) }
}

/// What a value stands for; `None` for a sentinel around what is no canonical base64 of text.
pub fn decoded(value: &str) -> Option<String> {
    let value = value.trim_matches([' ', '\t']);
    match value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
        Some(inside) => {
            let bytes = STANDARD.decode(inside).ok()?;
            (STANDARD.encode(&bytes) == inside).then(|| String::from_utf8(bytes).ok())?
        }
        None => Some(value.to_owned()),
    }
}
