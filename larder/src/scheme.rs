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

#[cfg(test)]
mod tests {
    use kv_core::ErrorKind;

    use super::{HERE, missing, schemes};

    #[test]
    fn a_backend_that_was_not_built_names_the_feature_that_adds_it() {
        for (scheme, feature, built) in HERE {
            assert_eq!(schemes().any(|have| have == scheme), built);
            let error = missing(scheme); // asked of those that are built too, since no build lacks all
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.message().contains(&format!("needs the feature `{feature}`")), "{error}");
        }
    }

    #[test]
    fn a_hostile_scheme_is_cut_and_escaped() {
        let error = missing(&"\n".repeat(1_000));
        assert!(error.message().len() < 200 && !error.message().contains('\n'));
    }
}
