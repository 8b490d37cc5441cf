//! Numbers as JSON writes them, compared by value and exactly.

/// The value of a number: no two of them are one value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Number {
    negative: bool,
    /// From the first digit that is not 0 to the last; empty is zero.
    digits: String,
    /// Of the power of ten that the digits are multiplied by.
    exponent: i64,
}

impl Number {
    /// The value of `text`; `None` where it is no number of JSON (RFC 8259 §6), or its exponent beyond 64 bits.
    pub(super) fn of(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        if whole.is_empty() || leading_zero || !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        Self::normal(unsigned.len() < text.len(), &[whole, fraction].concat(), fraction.len(), exponent)
    }

    fn normal(negative: bool, digits: &str, behind_point: usize, exponent: i64) -> Option<Self> {
        let significant = digits.trim_end_matches('0');
        let zeros = digits.len() - significant.len();
        let significant = significant.trim_start_matches('0');
        if significant.is_empty() {
            return Some(Self { negative: false, digits: String::new(), exponent: 0 });
        }
        let shift = i64::try_from(zeros).ok()?.checked_sub(i64::try_from(behind_point).ok()?)?;
        Some(Self { negative, digits: significant.to_owned(), exponent: exponent.checked_add(shift)? })
    }
}

#[cfg(test)]
mod tests {
    use super::Number;

    #[test]
    fn one_value_is_one_number_however_it_is_written() {
        for same in [
            &["42", "42.0", "4.2e1", "420E-1", "0.42e+2", "42.000"][..],
            &["0", "-0", "0.0", "0e7", "-0.00e-7"],
            &["-7", "-7.0", "-70e-1"],
            &["100", "1e2", "100.0", "0.1e3"],
            &["123456789012345678901234567890", "123456789012345678901234567890.0"],
            &["1e9223372036854775807", "1.0e9223372036854775807"],
        ] {
            let values: Vec<_> = same.iter().map(|text| Number::of(text)).collect();
            assert!(
                values.iter().all(|value| value.is_some() && *value == values[0]),
                "{same:?}: {values:?}"
            );
        }
    }

    #[test]
    fn other_values_are_other_numbers() {
        for (one, other) in [
            ("42", "-42"),
            ("42", "420"),
            ("42", "42.5"),
            ("9007199254740992", "9007199254740993"),
            ("18446744073709551615", "18446744073709551616"),
            ("1e400", "1e401"),
        ] {
            assert_ne!(Number::of(one).expect(one), Number::of(other).expect(other));
        }
    }

    #[test]
    fn what_json_would_not_take_is_no_number() {
        for text in [
            "",
            "-",
            "+1",
            "01",
            "-01",
            "1.",
            ".5",
            "1e",
            "1e+",
            "1e1.5",
            "1e2e3",
            " 1",
            "1 ",
            "0x10",
            "1_000",
            "NaN",
            "Infinity",
            "١",
            "1,0",
            "--1",
            "true",
            "1e9223372036854775808",
            "0.1e-9223372036854775808",
        ] {
            assert_eq!(Number::of(text), None, "{text:?}");
        }
    }
}
