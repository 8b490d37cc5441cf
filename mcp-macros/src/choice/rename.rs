//! Names of variants in another notation.

/// A notation, by the names that serde gives them.
#[derive(Clone, Copy)]
pub(super) enum Rename {
    Lower,
    Upper,
    Camel,
    Snake,
    Kebab,
    ScreamingSnake,
}

/// What may be written.
pub(super) const KNOWN: &str =
    "`lowercase`, `UPPERCASE`, `camelCase`, `snake_case`, `kebab-case`, `SCREAMING_SNAKE_CASE`";

impl Rename {
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "lowercase" => Self::Lower,
            "UPPERCASE" => Self::Upper,
            "camelCase" => Self::Camel,
            "snake_case" => Self::Snake,
            "kebab-case" => Self::Kebab,
            "SCREAMING_SNAKE_CASE" => Self::ScreamingSnake,
            _ => return None,
        })
    }

    /// The name of a variant, where each capital letter begins a word, as serde has it.
    pub(super) fn apply(self, name: &str) -> String {
        match self {
            Self::Lower => name.to_lowercase(),
            Self::Upper => name.to_uppercase(),
            Self::Camel => {
                let first = name.chars().next().map(char::len_utf8).unwrap_or_default();
                let (first, rest) = name.split_at(first);
                first.to_lowercase() + rest
            }
            Self::Snake => separated(name, '_'),
            Self::Kebab => separated(name, '-'),
            Self::ScreamingSnake => separated(name, '_').to_uppercase(),
        }
    }
}

fn separated(name: &str, separator: char) -> String {
    let mut separated = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !separated.is_empty() {
            separated.push(separator);
        }
        separated.extend(letter.to_lowercase());
    }
    separated
}

#[cfg(test)]
mod tests {
    use super::Rename;

    #[test]
    fn names_are_written_as_serde_writes_them() {
        for (rule, name) in [
            ("lowercase", "fishoftheday"),
            ("UPPERCASE", "FISHOFTHEDAY"),
            ("camelCase", "fishOfTheDay"),
            ("snake_case", "fish_of_the_day"),
            ("kebab-case", "fish-of-the-day"),
            ("SCREAMING_SNAKE_CASE", "FISH_OF_THE_DAY"),
        ] {
            assert_eq!(Rename::of(rule).unwrap().apply("FishOfTheDay"), name);
        }
        assert!(Rename::of("Train-Case").is_none());
    }
}
