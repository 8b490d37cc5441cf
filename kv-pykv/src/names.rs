//! Names as the library's V1 strategies for its file tree write them.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// A file's name has at most 255 bytes; the library leaves room for what it appends.
const LONGEST_NAME: usize = 255;
const COLLECTION_END: usize = "-info.json".len();
const KEY_END: usize = ".json".len();
/// `S_`, `-` and eight digits.
const ROUND_A_CHANGED_NAME: usize = 11;

/// The name of the file, without `.json`, that holds `key` where FastMCP keeps it: letters, digits and `_` of ASCII stand
/// for themselves; of a name with anything else only a hash is kept whole. That is how such an entry is listed.
pub fn file_name(key: &str) -> String {
    sanitized(key, LONGEST_NAME - KEY_END)
}

/// As [`file_name`], for the directory of a collection.
pub(crate) fn directory_name(collection: &str) -> String {
    sanitized(collection, LONGEST_NAME - COLLECTION_END)
}

fn sanitized(name: &str, most: usize) -> String {
    let mut kept = replaced(name);
    if kept != name {
        kept.truncate(most - ROUND_A_CHANGED_NAME);
        return format!("S_{kept}-{}", fragment(name));
    }
    if kept.len() > most {
        kept.truncate(most - 2);
        return format!("S_{kept}");
    }
    kept
}

/// Each run of other characters as one `_`; nothing for a name that is one such run.
fn replaced(name: &str) -> String {
    let (mut kept, mut in_run) = (String::with_capacity(name.len()), false);
    for character in name.chars() {
        let is_kept = character.is_ascii_alphanumeric() || character == '_';
        if is_kept {
            kept.push(character);
        } else if !in_run {
            kept.push('_');
        }
        in_run = !is_kept;
    }
    if in_run && kept.len() == 1 {
        kept.clear();
    }
    kept
}

fn fragment(name: &str) -> String {
    Sha256::digest(name).iter().take(4).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // a string takes all
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::{directory_name, file_name};

    #[test]
    fn names_are_those_that_the_library_writes() {
        assert_eq!(directory_name("c one"), "S_c_one-e8012b28");
        assert_eq!(file_name("k!"), "S_k_-beb30569");
        assert_eq!(file_name("Plain_1"), "Plain_1");
        assert_eq!(file_name(""), "");
        assert!(file_name("!!").starts_with("S_-"), "{}", file_name("!!"));
    }

    #[test]
    fn a_long_name_is_cut_as_the_library_cuts_it() {
        assert_eq!(file_name(&"a".repeat(250)), "a".repeat(250));
        assert_eq!(file_name(&"a".repeat(251)), format!("S_{}", "a".repeat(248)));
        assert_eq!(file_name(&"a-".repeat(200)).len(), 250);
        assert_eq!(directory_name(&"a-".repeat(200)).len(), 245);
    }
}
