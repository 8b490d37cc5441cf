//! Durations and sizes, as people write them in URLs and on command lines.

use std::time::Duration;

use crate::{Error, ErrorKind, Result};

/// What to write for a duration.
pub(crate) const DURATION: &str = "a duration such as `500ms`, `2s`, `10m`, `1h30m` or `7d`";
/// What to write for a number of bytes.
pub(crate) const BYTES: &str = "a number of bytes such as `4096`, `64KiB`, `256MiB` or `2GB`";

/// The duration that `text` names: whole numbers, each with its unit (`ms`, `s`, `m`, `h`, `d`, `w`), added up; or `0`.
///
/// # Errors
/// `Invalid`, naming what to write, for anything else and for what exceeds a `u64` of milliseconds.
pub fn parse_duration(text: &str) -> Result<Duration> {
    duration_ms(text)
        .map(Duration::from_millis)
        .ok_or_else(|| Error::new(ErrorKind::Invalid, format!("write {DURATION}")))
}

/// The number of bytes that `text` names: a whole number, alone or with `B`, `kB`, `MB`, `GB` (powers of 1,000) or
/// `KiB`, `MiB`, `GiB` (powers of 1,024), in any case.
///
/// # Errors
/// `Invalid`, naming what to write, for anything else and for what exceeds a `u64`.
pub fn parse_bytes(text: &str) -> Result<u64> {
    bytes(text).ok_or_else(|| Error::new(ErrorKind::Invalid, format!("write {BYTES}")))
}

fn duration_ms(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (number, after) = leading_number(rest)?;
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        total = total.checked_add(number.checked_mul(unit_ms(unit)?)?)?;
        rest = next;
    }
    (!text.is_empty()).then_some(total)
}

fn unit_ms(unit: &str) -> Option<u64> {
    Some(match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return None,
    })
}

fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = leading_number(text)?;
    let factor = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// The whole number at the start, and what follows it.
fn leading_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{parse_bytes, parse_duration};

    #[test]
    fn durations_are_numbers_with_units() {
        for (text, ms) in [
            ("500ms", 500),
            ("2s", 2_000),
            ("10m", 600_000),
            ("10min", 600_000),
            ("1h30m", 5_400_000),
            ("7d", 604_800_000),
            ("1w", 604_800_000),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_millis(ms), "{text}");
        }
        for text in ["", "10", "m", "1.5s", "-1s", "1 s", "10M", "10x", "1s!", "99999999999999999999s", "ä"]
        {
            let error = parse_duration(text).unwrap_err();
            assert!(error.to_string().contains("`10m`"), "{text}: {error}");
        }
    }

    #[test]
    fn sizes_are_numbers_with_or_without_units() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("64KiB", 65_536),
            ("2GB", 2_000_000_000),
            ("1 mib", 1 << 20),
            ("7B", 7),
        ] {
            assert_eq!(parse_bytes(text).unwrap(), bytes, "{text}");
        }
        for text in ["", "KiB", "1.5MB", "-1", "64K", "99999999999999999999", "18446744073709551615kb"] {
            assert!(parse_bytes(text).unwrap_err().to_string().contains("`64KiB`"), "{text}");
        }
    }
}
