//! The rules of a field beyond its type.

use super::format::Format;

/// The rules of a field beyond its type; each is there only where the type has it.
#[derive(Clone, Debug)]
pub struct Rules<V> {
    pub(super) min: Option<V>,
    pub(super) max: Option<V>,
    /// In characters.
    pub(super) min_length: Option<u32>,
    /// In characters.
    pub(super) max_length: Option<u32>,
    pub(super) format: Option<Format>,
    pub(super) min_items: Option<u32>,
    pub(super) max_items: Option<u32>,
}

impl<V> Rules<V> {
    pub(super) fn none() -> Self {
        Self {
            min: None,
            max: None,
            min_length: None,
            max_length: None,
            format: None,
            min_items: None,
            max_items: None,
        }
    }
}

/// `count` of something that there is one of or several.
pub(super) fn counted(count: u32, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// What is wrong with how many there are of something.
///
/// # Errors
/// There are too few or too many.
pub(super) fn check_count(
    count: usize,
    [min, max]: [Option<u32>; 2],
    [verb, one, several]: [&str; 3],
) -> Result<(), String> {
    if let Some(min) = min.filter(|min| count < *min as usize) {
        return Err(format!("must {verb} at least {}", counted(min, one, several)));
    }
    if let Some(max) = max.filter(|max| count > *max as usize) {
        return Err(format!("must {verb} at most {}", counted(max, one, several)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_count;

    #[test]
    fn counts_are_within_both_ends() {
        let words = ["have", "character", "characters"];
        let check = |count, min, max| check_count(count, [min, max], words);
        assert_eq!(check(0, None, None), Ok(()));
        assert_eq!((check(2, Some(2), Some(3)), check(3, Some(2), Some(3))), (Ok(()), Ok(())));
        assert_eq!(check(0, Some(1), None), Err("must have at least 1 character".to_owned()));
        assert_eq!(check(4, None, Some(3)), Err("must have at most 3 characters".to_owned()));
    }
}
