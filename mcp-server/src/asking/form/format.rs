//! The four formats that text in a form can have.

use serde::{Deserialize, Serialize};

use crate::registry::uri;

/// A format of text (client/elicitation, "Requested Schema"); RFC 5321, 3986 and 3339 say what fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// An address as `ada@example.com`, in ASCII.
    Email,
    /// A URI with its scheme.
    Uri,
    /// A day as `2026-07-28`.
    Date,
    /// A moment as `2026-07-28T12:00:00Z`.
    DateTime,
}

impl Format {
    /// What is wrong with `text`.
    ///
    /// # Errors
    /// It is of another format.
    pub(super) fn check(self, text: &str) -> Result<(), String> {
        let (fits, rule) = match self {
            Self::Email => (is_email(text), "must be an email address"),
            Self::Uri => (uri::defect(text).is_none(), "must be a URI with its scheme"),
            Self::Date => (is_date(text), "must be a date as `2026-07-28`"),
            Self::DateTime => {
                (is_date_time(text), "must be a date and a time with its offset, as `2026-07-28T12:00:00Z`")
            }
        };
        if fits { Ok(()) } else { Err(rule.to_owned()) }
    }
}

/// RFC 5321, section 4.1.2, with a dot-string before the `@` and a domain behind it: neither quotes nor addresses in
/// brackets, which nobody has. Lengths: section 4.5.3.1, and RFC 3696, erratum 1690.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    };
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.len() <= 254 && local.len() <= 64 && local.split('.').all(is_atom) && domain.split('.').all(is_label)
}

/// RFC 3339, section 5.6, `full-date`.
fn is_date(text: &str) -> bool {
    let [year, month, day] = parts(text, '-');
    let (Some(year), Some(month), Some(day)) = (number(year, 4), number(month, 2), number(day, 2)) else {
        return false;
    };
    (1..=days(year, month)).contains(&day)
}

/// RFC 3339, section 5.6, `date-time`.
fn is_date_time(text: &str) -> bool {
    let Some((date, time)) = text.split_once(['T', 't']) else { return false };
    let Some((time, offset)) = divided(time) else { return false };
    let [hour, minute, second] = parts(time, ':');
    let (Some(hour), Some(minute), Some(second)) = (number(hour, 2), number(minute, 2), second_of(second))
    else {
        return false;
    };
    let leaps = || (60 * (23 - hour) + 59 - minute + offset).rem_euclid(24 * 60) == 0; // section 5.7
    is_date(date) && hour < 24 && minute < 60 && (second < 60 || (second == 60 && leaps()))
}

/// A time without its offset, and the offset in minutes.
fn divided(time: &str) -> Option<(&str, i32)> {
    if let Some(time) = time.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let at = time.rfind(['+', '-'])?;
    let (time, offset) = time.split_at_checked(at)?;
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
    let east = if offset.starts_with('+') { 1 } else { -1 };
    (hours < 24 && minutes < 60).then_some((time, east * (hours * 60 + minutes)))
}

/// Whole seconds; a fraction has at least one digit.
fn second_of(text: &str) -> Option<i32> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let fits = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    number(whole, 2).filter(|_| fits)
}

/// Three parts; what is missing or too many fits no number.
fn parts(text: &str, separator: char) -> [&str; 3] {
    let mut parts = text.splitn(3, separator);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

/// Exactly so many digits.
fn number(text: &str, digits: usize) -> Option<i32> {
    let fits = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

/// How many days a month has; none if there is no such month.
const fn days(year: i32, month: i32) -> i32 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::Format;

    fn all(format: Format, good: &[&str], bad: &[&str]) {
        for text in good {
            assert_eq!(format.check(text), Ok(()), "{text}");
        }
        for text in bad {
            let error = format.check(text).expect_err(text);
            assert!(error.starts_with("must be a"), "{text}: {error}");
        }
    }

    #[test]
    fn addresses_have_a_local_part_and_a_domain() {
        let (long_local, long_label) =
            (format!("{}@b.example", "a".repeat(65)), format!("a@{}", "b".repeat(64)));
        let long = format!("a@{}", ["b".repeat(63).as_str(); 4].join("."));
        let good = ["octocat@github.com", "a.b+c@d-e.example", "o'neil!#$%&*/=?^_`{|}~@x", "1@2.3"];
        let bad = [
            "",
            "@",
            "a",
            "a@",
            "@b",
            "a@b@c",
            ".a@b",
            "a.@b",
            "a..b@c",
            "a b@c",
            "a@b c",
            "a@-b",
            "a@b-",
            "a@b..c",
            "a@.b",
            "a@b.",
            "ä@b",
            "a@ä.example",
            "a@b_c",
            "<a@b>",
            "\"a\"@b",
            "a@[127.0.0.1]",
            "a@b\n",
            &long_local,
            &long_label,
            &long,
        ];
        all(Format::Email, &good, &bad);
    }

    #[test]
    fn uris_have_a_scheme_and_encoded_characters() {
        all(
            Format::Uri,
            &["https://example.com/a?b#c", "urn:isbn:0", "mailto:a@b.example"],
            &["", "example.com", "/a", "https://a b", "https://ä", "https:"],
        );
    }

    #[test]
    fn dates_are_days_of_the_calendar() {
        let good = ["2026-07-28", "2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31"];
        let bad = [
            "",
            "2026-7-28",
            "2026-07-28T00:00:00Z",
            "2026-02-29",
            "1900-02-29",
            "2026-04-31",
            "2026-13-01",
            "2026-00-01",
            "2026-01-00",
            "2026-01-32",
            "26-01-01",
            "20260728",
            "2026-07-2８",
            "+026-01-01",
            "2026-07-28-",
            " 2026-07-28",
            "28.07.2026",
        ];
        all(Format::Date, &good, &bad);
    }

    #[test]
    fn moments_have_an_offset() {
        let good = [
            "2026-07-28T12:00:00Z",
            "2026-07-28t12:00:00.5z",
            "2026-07-28T23:59:59.999999999+05:30",
            "2026-07-28T00:00:00-00:00",
            "1990-12-31T23:59:60Z",
            "1990-12-31T15:59:60-08:00",
            "1991-01-01T05:29:60+05:30",
        ];
        let bad = [
            "",
            "2026-07-28",
            "2026-07-28T12:00:00",
            "2026-07-28 12:00:00Z",
            "2026-07-28T12:00Z",
            "2026-07-28T24:00:00Z",
            "2026-07-28T12:60:00Z",
            "2026-07-28T12:00:60Z",
            "2026-07-28T12:00:61Z",
            "2026-07-28T12:00:00.Z",
            "2026-07-28T12:00:00,5Z",
            "2026-07-28T12:00:00+0530",
            "2026-07-28T12:00:00+24:00",
            "2026-07-28T12:00:00+05:60",
            "2026-02-30T12:00:00Z",
            "2026-07-28T12:00:00Zx",
            "2026-07-28T1é:00:00Z",
        ];
        all(Format::DateTime, &good, &bad);
    }
}
