//! The folders that a client works in.

use serde::Deserialize;

use super::Answers;
use crate::protocol::Json;

/// A folder or file that the client works in (client/roots). Guidance, not a fence: nothing keeps anybody in it.
///
/// Deprecated since 2026-07-28 (SEP-2577): take paths as arguments of the tool instead.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Root {
    /// A `file://` URI.
    pub uri: String,
    /// What people call it.
    #[serde(default)]
    pub name: Option<String>,
}

impl Answers for Vec<Root> {
    fn read(result: &Json) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Listed {
            roots: Vec<Root>,
        }
        let Some(Listed { roots }) = result.to().ok().filter(|_| result.is_object()) else {
            return Err("`roots` must be a list of objects with a `uri`".to_owned());
        };
        match roots.iter().position(|root| !is_file(&root.uri)) {
            Some(index) => Err(format!("the URI of root {} must begin with `file://`", index + 1)),
            None => Ok(roots),
        }
    }
}

fn is_file(uri: &str) -> bool {
    let begins = uri.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("file://"));
    begins && !uri.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Answers as _, Root};

    fn read(result: serde_json::Value) -> Result<Vec<Root>, String> {
        Vec::read(&result.into())
    }

    #[test]
    fn roots_are_read_with_and_without_names() {
        let roots = read(json!({ "roots": [
            { "uri": "file:///home/user/repos/frontend", "name": "Frontend Repository" },
            { "uri": "FILE:///C:/repos", "_meta": {} },
        ] }));
        let roots = roots.unwrap();
        assert_eq!(roots[0].uri, "file:///home/user/repos/frontend");
        assert_eq!(roots[0].name.as_deref(), Some("Frontend Repository"));
        assert_eq!(roots[1].name, None);
        assert_eq!(read(json!({ "roots": [] })).unwrap(), []);
    }

    #[test]
    fn what_is_no_file_is_refused_by_its_place() {
        let roots = json!({ "roots": [{ "uri": "file:///a" }, { "uri": "https://s3cret" }] });
        assert_eq!(read(roots).unwrap_err(), "the URI of root 2 must begin with `file://`");
        for uri in ["file:/a", "", "ä", "file:///a\nb"] {
            assert!(read(json!({ "roots": [{ "uri": uri }] })).is_err(), "{uri}");
        }
    }

    #[test]
    fn an_answer_of_another_shape_is_told_without_its_values() {
        for result in
            [json!({}), json!({ "roots": "s3cret" }), json!({ "roots": [{ "uri": 4242 }] }), json!(null)]
        {
            assert_eq!(read(result).unwrap_err(), "`roots` must be a list of objects with a `uri`");
        }
    }
}
