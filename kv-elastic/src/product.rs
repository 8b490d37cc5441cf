//! Which of the two products answers, and whether it is new enough.

use std::fmt;

use kv_core::{Error, ErrorKind, Result};
use serde::Deserialize;

/// The server's product and version.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Product {
    pub(crate) name: Name,
    version: String,
    number: (u32, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Elasticsearch,
    OpenSearch,
}

/// The oldest Elasticsearch that this was written for.
const OLDEST: (u32, u32) = (7, 10);
/// From here on OpenSearch can replicate segments in place of documents.
const SEGMENTS: (u32, u32) = (2, 7);

#[derive(Deserialize)]
struct Root {
    version: Numbers,
}

#[derive(Deserialize)]
struct Numbers {
    number: String,
    distribution: Option<String>,
}

impl Product {
    /// What the body of `GET /` tells.
    ///
    /// # Errors
    /// `Invalid` for something else and for a version that is too old.
    pub(crate) fn of(root: &[u8]) -> Result<Self> {
        let foreign = |_| invalid("what answers there is neither Elasticsearch nor OpenSearch");
        let version = serde_json::from_slice::<Root>(root).map_err(foreign)?.version;
        let name = match version.distribution.as_deref() {
            None => Name::Elasticsearch,
            Some("opensearch") => Name::OpenSearch,
            Some(_) => return Err(invalid("what answers there is neither Elasticsearch nor OpenSearch")),
        };
        let mut parts = version.number.split('.').map(|part| part.parse::<u32>().ok());
        let (Some(Some(major)), Some(Some(minor))) = (parts.next(), parts.next()) else {
            return Err(invalid("the server's version cannot be read"));
        };
        let product = Self { name, number: (major, minor), version: version.number };
        if name == Name::Elasticsearch && product.number < OLDEST {
            return Err(invalid(format!("{product} is too old: Larder needs 7.10 or later, or OpenSearch")));
        }
        Ok(product)
    }

    /// Whether an index can be told to replicate documents, so that each copy answers reads at once.
    pub(crate) fn may_replicate_segments(&self) -> bool {
        self.name == Name::OpenSearch && self.number >= SEGMENTS
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.name {
            Name::Elasticsearch => "Elasticsearch",
            Name::OpenSearch => "OpenSearch",
        };
        let version: String = self.version.chars().filter(char::is_ascii_graphic).take(40).collect();
        write!(f, "{name} {version}")
    }
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use kv_core::ErrorKind;

    use super::{Name, Product};

    fn of(number: &str, distribution: Option<&str>) -> kv_core::Result<Product> {
        let version = serde_json::json!({ "number": number, "distribution": distribution });
        Product::of(serde_json::json!({ "version": version }).to_string().as_bytes())
    }

    #[test]
    fn the_two_products_are_told_apart() {
        for (number, distribution, shown, name) in [
            ("7.10.2", None, "Elasticsearch 7.10.2", Name::Elasticsearch),
            ("9.1.0-SNAPSHOT", None, "Elasticsearch 9.1.0-SNAPSHOT", Name::Elasticsearch),
            ("3.8.0", Some("opensearch"), "OpenSearch 3.8.0", Name::OpenSearch),
        ] {
            let product = of(number, distribution).unwrap();
            assert_eq!((product.to_string().as_str(), product.name), (shown, name));
        }
        assert!(of("2.19.1", Some("opensearch")).unwrap().may_replicate_segments());
        assert!(!of("2.6.0", Some("opensearch")).unwrap().may_replicate_segments());
        assert!(!of("8.15.0", None).unwrap().may_replicate_segments());
    }

    #[test]
    fn what_is_too_old_or_something_else_is_refused_clearly() {
        let old = of("6.8.23", None).unwrap_err();
        assert_eq!(old.kind(), ErrorKind::Invalid);
        assert!(old.message().contains("Elasticsearch 6.8.23 is too old"), "{old}");
        assert_eq!(of("7.9.3", None).unwrap_err().kind(), ErrorKind::Invalid);
        for root in [&b"<html>"[..], b"{}", b"{\"couchdb\":\"Welcome\",\"version\":\"3.3\"}"] {
            assert!(Product::of(root).unwrap_err().message().contains("neither"));
        }
        assert!(of("new", None).is_err());
    }
}
