//! Extensions of the protocol that a server declares (2026-07-28, basic/versioning, "Extension Negotiation").

use std::collections::BTreeMap;

use crate::protocol::Json;
use crate::{Error, Result};

/// The settings of each extension, by its name.
pub(crate) type Extensions = BTreeMap<String, Json>;

/// What was declared, once it is found to be right.
///
/// # Errors
/// A name that clients refuse, settings that are no object, or a name that stands there twice.
pub(super) fn checked(declared: Vec<(String, Json)>) -> Result<Extensions> {
    let mut extensions = Extensions::new();
    for (name, settings) in declared {
        let refused = |defect: &str| Err(Error::new(format!("the extension {name:?} {defect}")));
        if !is_identifier(&name) {
            return refused(
                "has a name that clients refuse: write a prefix and a name, as in \"com.example/thing\"",
            );
        }
        if !settings.is_object() {
            return refused("has settings that are no object: write {} where there are none");
        }
        if extensions.contains_key(&name) {
            return refused("is declared twice: remove one of the two");
        }
        extensions.insert(name, settings);
    }
    Ok(extensions)
}

/// The key name of `_meta` with its prefix (2026-07-28, basic, "`_meta`").
fn is_identifier(text: &str) -> bool {
    let Some((prefix, name)) = text.split_once('/') else { return false };
    prefix.split('.').all(is_label) && is_name(name)
}

/// Begins with a letter, ends with a letter or digit, has hyphens between.
fn is_label(label: &str) -> bool {
    label.starts_with(|first: char| first.is_ascii_alphabetic())
        && label.ends_with(|last: char| last.is_ascii_alphanumeric())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_name(name: &str) -> bool {
    let ends = |end: char| end.is_ascii_alphanumeric();
    name.starts_with(ends)
        && name.ends_with(ends)
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{checked, is_identifier};

    #[test]
    fn a_name_has_a_prefix_of_labels_and_a_name_of_its_own() {
        for name in ["io.modelcontextprotocol/ui", "com.example.my-tools/a_b.c-d", "x/1", "A1/b"] {
            assert!(is_identifier(name), "{name}");
        }
        for name in [
            "",
            "ui",
            "/ui",
            "com.example/",
            "com..example/x",
            ".com/x",
            "1com/x",
            "com-/x",
            "com/x/y",
            "com/-x",
            "com/x_",
            "cöm/x",
            "com/ü",
            "com example/x",
        ] {
            assert!(!is_identifier(name), "{name}");
        }
    }

    #[test]
    fn what_clients_would_refuse_is_told_by_its_name() {
        let of = |declared: Vec<(&str, serde_json::Value)>| {
            let declared = declared.into_iter().map(|(name, settings)| (name.to_owned(), settings.into()));
            checked(declared.collect()).map(|extensions| extensions.len()).map_err(|error| error.to_string())
        };
        assert_eq!(of(vec![("a/b", json!({})), ("a/c", json!({ "x": 1 }))]), Ok(2));
        for (declared, told) in [
            (vec![("ui", json!({}))], "clients refuse"),
            (vec![("a/b", json!([]))], "no object"),
            (vec![("a/b", json!({})), ("a/b", json!({}))], "twice"),
        ] {
            assert!(of(declared).unwrap_err().contains(told), "{told}");
        }
    }
}
