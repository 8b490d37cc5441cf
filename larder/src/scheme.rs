//! Which backends this build has, and what to say about the others.

use kv_core::{Error, ErrorKind};

/// Schemes of this version, with the feature that brings each.
const HERE: [(&str, &str, bool); 2] =
    [("memory", "memory", cfg!(feature = "memory")), ("disk", "disk", cfg!(feature = "disk"))];

/// Schemes that are spoken of but have no backend yet.
const NOT_YET: [&str; 13] = [
    "rocksdb",
    "redis",
    "rediss",
    "redis+unix",
    "redis+cluster",
    "redis+sentinel",
    "valkey",
    "valkeys",
    "dynamodb",
    "mongodb",
    "memcached",
    "elasticsearch",
    "opensearch",
];

/// The schemes that [`open`](crate::open) takes in this build.
pub fn schemes() -> impl Iterator<Item = &'static str> {
    HERE.iter().filter(|(_, _, built)| *built).map(|(scheme, ..)| *scheme)
}

/// Why no backend of this build takes the scheme, and what to do.
pub(crate) fn missing(scheme: &str) -> Error {
    let have = match schemes().map(|scheme| format!("`{scheme}://`")).collect::<Vec<_>>() {
        none if none.is_empty() => {
            "this build has no backend at all: enable a feature such as `memory`".to_owned()
        }
        have => format!("this build has {}", have.join(" and ")),
    };
    if let Some((scheme, feature, _)) = HERE.iter().find(|(known, ..)| *known == scheme) {
        let message = format!("`{scheme}` needs the feature `{feature}` of the crate larder; {have}");
        return Error::new(ErrorKind::Unsupported, message);
    }
    let base = scheme.strip_suffix("+srv").unwrap_or(scheme);
    if NOT_YET.contains(&base) {
        let message = format!("this version of larder has no backend for `{base}` yet; {have}");
        return Error::new(ErrorKind::Unsupported, message);
    }
    let shown: String = scheme.chars().take(20).flat_map(char::escape_debug).collect();
    Error::new(ErrorKind::Invalid, format!("unknown scheme `{shown}`; {have}"))
}
