//! What the registry must know of URIs and templates of them.

/// Why a text is no URI (RFC 3986 §2, §3.1), as the end of a sentence.
pub(crate) fn defect(uri: &str) -> Option<&'static str> {
    let Some((scheme, rest)) = uri.split_once(':') else {
        return Some("has no scheme: begin it with one, as in \"config://app\"");
    };
    let mut letters = scheme.bytes();
    let begins = letters.next().is_some_and(|first| first.is_ascii_alphabetic());
    if !begins || !letters.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) {
        return Some("has a scheme that is not of letters, digits, `+`, `-` and `.`");
    }
    if rest.is_empty() {
        return Some("has nothing behind its scheme");
    }
    bad_characters(rest).then_some(BAD_CHARACTERS)
}

const BAD_CHARACTERS: &str = "holds characters that must be percent-encoded, as a space is by `%20`";

/// As [`defect`], of a template: what stands in braces is not looked at here.
pub(super) fn template_defect(template: &str) -> Option<&'static str> {
    let literal: String = literals(template).collect();
    if template.find('{') < template.find(':') {
        return Some("must begin with its scheme, as in \"user://{id}\"");
    }
    let defect = match literal.split_once(':') {
        Some((_, "")) => defect(&format!("{literal}x")), // the parameter stands for something
        _ => defect(&literal),
    };
    // Each piece by itself too, since no value completes half an escape.
    defect.or_else(|| literals(template).any(bad_characters).then_some(BAD_CHARACTERS))
}

/// How many characters of a template stand for themselves.
pub(super) fn literal_characters(template: &str) -> usize {
    literals(template).map(|literal| literal.chars().count()).sum()
}

/// The parts of a template outside of braces.
fn literals(template: &str) -> impl Iterator<Item = &str> {
    template.split('{').enumerate().map(|(index, part)| match part.split_once('}') {
        Some((_, literal)) if index > 0 => literal,
        _ => part,
    })
}

fn bad_characters(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'%' => bytes.by_ref().take(2).filter(u8::is_ascii_hexdigit).count() == 2,
            _ => byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(&byte),
        };
        if !fits {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{defect, literal_characters, template_defect};

    #[test]
    fn uris_need_a_scheme_and_encoded_characters() {
        let good = ["config://app", "file:///a%20b", "urn:x:y", "data:,", "git+ssh://h/p?q=1#f", "a:b"];
        for uri in good {
            assert_eq!(defect(uri), None, "{uri}");
        }
        let bad = [
            "", "app", "://x", "1a://x", "a b://x", "a:", "a://b c", "a://%2", "a://%zz", "a://ü", "a://{b}",
        ];
        for uri in bad {
            assert!(defect(uri).is_some(), "{uri}");
        }
    }

    #[test]
    fn templates_are_checked_where_they_are_literal() {
        for template in ["user://{id}/profile", "user://{id}", "mem:{id}", "docs://{+path}{?page,size}"] {
            assert_eq!(template_defect(template), None, "{template}");
        }
        for template in ["{scheme}://x", "{id}", "user://{id}/a b", "user/{id}", "user:%2{id}0"] {
            assert!(template_defect(template).is_some(), "{template}");
        }
    }

    #[test]
    fn literal_characters_are_those_outside_of_braces() {
        assert_eq!(literal_characters("a://{b}/c"), 6);
        assert_eq!(literal_characters("a://b"), 5);
        assert_eq!(literal_characters("a://{b}{?q}"), 4);
    }
}
