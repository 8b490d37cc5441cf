//! URLs as they may be shown.

use std::fmt;

use crate::url::{Pieces, authority, pairs};

const HIDDEN: &str = "***";

/// What in a parameter's name makes its value a secret.
const SECRET: [&str; 9] = ["pass", "pwd", "secret", "token", "key", "cred", "auth", "sig", "private"];

/// Any text that may be a URL, shown without its secrets: the password, values of secret-looking parameters, and
/// values with an `@`.
///
/// What cannot be parsed shows its scheme only. Never panics.
///
/// ```
/// # use kv_core::RedactedUrl;
/// let shown = RedactedUrl::new("redis://app:hunter2@db:6379/0?wait=1").to_string();
/// assert_eq!(shown, "redis://app:***@db:6379/0?wait=1");
/// ```
#[derive(Clone, Copy)]
pub struct RedactedUrl<'a>(&'a str);

impl<'a> RedactedUrl<'a> {
    /// Shows `text` without its secrets.
    pub const fn new(text: &'a str) -> Self {
        Self(text)
    }

    fn shown(self) -> Option<String> {
        let pieces = Pieces::split(self.0).ok()?;
        let authority = match pieces.authority {
            Some(text) => hosts_without_password(text, &pieces)?,
            None if lacks_slashes(pieces.path) => return None,
            None => String::new(),
        };
        let slashes = if self.0.get(pieces.scheme.len()..)?.starts_with("://") { "//" } else { "" };
        let query = shown_query(pieces.query)?;
        Some(
            format!("{}:{slashes}{authority}{}{query}", pieces.scheme, pieces.path)
                .escape_debug()
                .to_string(),
        )
    }

    fn scheme_only(self) -> String {
        let scheme = self.0.split_once("://").map_or("", |(scheme, _)| scheme);
        let plausible =
            scheme.len() <= 20 && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        if plausible && !scheme.is_empty() { format!("{scheme}://{HIDDEN}") } else { HIDDEN.to_owned() }
    }
}

impl fmt::Display for RedactedUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown().unwrap_or_else(|| self.scheme_only()))
    }
}

impl fmt::Debug for RedactedUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The authority with `***` for a password. An `@` further right means that a password held a raw `/` or `?`, and
/// that this split is not to be trusted.
fn hosts_without_password(text: &str, pieces: &Pieces<'_>) -> Option<String> {
    if pieces.path.contains('@') || pieces.query.is_some_and(|query| query.contains('@')) {
        return None;
    }
    authority(text).ok()?;
    Some(match text.rsplit_once('@') {
        None => text.to_owned(),
        Some((info, hosts)) => match info.split_once(':') {
            Some((user, _)) => format!("{user}:{HIDDEN}@{hosts}"),
            None => format!("{info}@{hosts}"),
        },
    })
}

/// Whether a path holds a colon that is no drive letter's: it may be `user:password@host` behind a scheme whose slashes
/// were forgotten, or one too many.
fn lacks_slashes(path: &str) -> bool {
    let path = path.trim_start_matches('/');
    let below_drive = match path.as_bytes() {
        [drive, b':'] | [drive, b':', b'/' | b'\\', ..] if drive.is_ascii_alphabetic() => path.get(2..),
        _ => Some(path),
    };
    below_drive.is_none_or(|path| path.contains(':'))
}

fn shown_query(query: Option<&str>) -> Option<String> {
    let decoded = pairs(query).ok()?;
    let raw = query.unwrap_or("").split('&').filter(|piece| !piece.is_empty());
    let mut shown = String::new();
    for ((name, value), raw) in decoded.iter().zip(raw) {
        shown.push(if shown.is_empty() { '?' } else { '&' });
        if is_secret(name) || value.contains('@') {
            shown.push_str(raw.split('=').next().unwrap_or_default());
            shown.push('=');
            shown.push_str(HIDDEN);
        } else {
            shown.push_str(raw);
        }
    }
    Some(shown)
}

/// `password_env` and `key_file` say where a secret stands; that is none.
fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let points = name.ends_with("_env") || name.ends_with("_file");
    !points && SECRET.iter().any(|secret| name.contains(secret))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::RedactedUrl;

    fn shown(text: &str) -> String {
        RedactedUrl::new(text).to_string()
    }

    #[test]
    fn what_is_no_secret_stays_readable() {
        for text in [
            "memory://",
            "disk:///home/a@b/dir?engine=redb",
            "disk:rel/dir",
            "redis://db:6379/0?password_file=/run/pw&password_env=PW&key_file=/k",
            "mongodb://a:1,b:2/db",
            "redis://user@host/0",
            "disk:///C:/dir/a@b",
            "disk:C:/dir",
        ] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        for text in [
            "redis://:s3cret@host",
            "redis://user:s3cret@host:1/0",
            "redis://user:s3cret",
            "redis://:s3cret",
            "redis://:a/s3cret@host",
            "redis://:a?s3cret=1@host",
            "redis://:a#s3cret@host",
            "redis://:a@s3cret@host",
            "redis://host?password=s3cret",
            "redis://host?pass%77ord=s3cret",
            "redis://host?API_KEY=s3cret&wait=1",
            "redis://host?access_token=s3cret",
            "dynamodb://T?endpoint=http://u:s3cret@host",
            "dynamodb://T?endpoint=http://u:s3cret%40host",
            "redis://host?s3cret",
            "s3cret",
            "s3cret:",
            "s3cret://x@y:z",
            "http:s3cret@host?a",
            "redis://:s3cret%@host",
            "redis://:%73s3cret@host",
            "redis:user:s3cret@host/0",
            "redis:/u:s3cret@host/0",
            "redis:///:s3cret@host/0",
            "redis:////user:s3cret@host",
            "redis:user:s3cret",
        ] {
            let shown = shown(text);
            let scheme = text.starts_with("s3cret:"); // a scheme is shown, as asked
            assert!(scheme || !shown.contains("s3cret"), "{text} -> {shown}");
        }
        assert_eq!(shown("redis://user:s3cret@host:1/0?token=s3cret"), "redis://user:***@host:1/0?token=***");
        assert_eq!(shown("redis://user:s3cret"), "redis://***");
        assert_eq!(shown("no url at all"), "***");
    }

    #[test]
    fn a_password_with_a_question_mark_is_not_taken_for_a_parameter() {
        for text in
            ["redis://user:pa?s3cret@host/0?a=b", "redis://?::s3cret@host*c@c,=", "redis://u:p?s3cret@h=1"]
        {
            assert!(!shown(text).contains("s3cret"), "{}", shown(text));
            let error = crate::StoreUrl::parse(text).unwrap_err().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_password_with_a_slash_is_not_taken_for_a_path() {
        for text in
            ["redis://user:pa/s3cret@host/0", "redis+sentinel://a/b:s3cret@host", "redis://u:p/s3cret@h?a=b"]
        {
            assert_eq!(shown(text), format!("{}://***", text.split_once(':').unwrap().0));
            let error = crate::StoreUrl::parse(text).unwrap_err().to_string();
            assert!(error.contains("%2F") && !error.contains("s3cret"), "{error}");
        }
        assert!(crate::StoreUrl::parse("mongodb://host/a%40b").is_ok());
    }

    #[test]
    fn a_line_feed_cannot_forge_a_log_line() {
        assert!(!shown("disk:///a\nb").contains('\n'));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(text in any::<String>(), url in "[a-z:/@?#%&=,0-9\\[\\] ]{0,40}") {
            let _ = (shown(&text), shown(&url), crate::StoreUrl::parse(&text), crate::StoreUrl::parse(&url));
        }

        #[test]
        fn a_password_never_shows(password in "[a-zA-Z0-9/?#@%:&=]{9,30}") {
            let text = format!("redis://user:{password}@host/0");
            let output = shown(&text);
            // Every run of five characters of the password is enough to give it away.
            for piece in password.as_bytes().windows(5) {
                let piece = std::str::from_utf8(piece).unwrap();
                assert!(!output.contains(piece) || "redis://user:***@host/0".contains(piece), "{text} -> {output}");
            }
        }
    }
}
