//! The parameters of a store's URL, read strictly: what nobody asked for is refused.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::units::{self, BYTES, DURATION};
use crate::{Error, ErrorKind, Result};

mod reserved;

pub use reserved::{Compression, Encryption, Reserved, Written};

const HIDDEN: &str = "***";

/// The parameters of a URL that a backend reads: take each by name, then [`Params::finish`].
///
/// ```
/// # use kv_core::StoreUrl;
/// let mut url = StoreUrl::parse("memory://?max_entries=10&max_bite=1MiB")?;
/// let params = url.params();
/// assert_eq!(params.take_u64("max_entries")?, Some(10));
/// assert_eq!(params.take_bytes("max_bytes")?, None);
/// let error = params.finish().unwrap_err();
/// assert!(error.message().contains("did you mean `max_bytes`?"));
/// # Ok::<(), kv_core::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Params {
    given: BTreeMap<String, String>,
    /// A value holds an `@`: what stands before it may be a password with a `?`, and so may any name.
    may_tell: bool,
    known: Vec<&'static str>,
}

impl Params {
    /// The parameters of these pairs, already decoded.
    ///
    /// # Errors
    /// `Invalid` when a name comes twice or is empty.
    pub(crate) fn of(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let pairs: Vec<_> = pairs.into_iter().collect();
        let may_tell = pairs.iter().any(|(_, value)| value.contains('@'));
        let mut given = BTreeMap::new();
        for (name, value) in pairs {
            if name.is_empty() {
                return Err(invalid("a parameter without a name: write `?name=value&name=value`"));
            }
            let message = format!(
                "the parameter {} is given twice: write it once{}",
                shown(&name, may_tell),
                advice(may_tell)
            );
            if given.insert(name, value).is_some() {
                return Err(invalid(message));
            }
        }
        Ok(Self { given, may_tell, known: Vec::new() })
    }

    /// The text of `name`, `None` if it was not given.
    pub fn take(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        self.given.remove(name)
    }

    /// A number of bytes, such as `4096` or `64MiB`.
    ///
    /// # Errors
    /// `Invalid`, naming the parameter and what to write.
    pub fn take_bytes(&mut self, name: &'static str) -> Result<Option<u64>> {
        self.take_as(name, BYTES, |text| units::parse_bytes(text).ok())
    }

    /// A duration, such as `500ms`, `2s` or `10m`.
    ///
    /// # Errors
    /// `Invalid`, naming the parameter and what to write.
    pub fn take_duration(&mut self, name: &'static str) -> Result<Option<Duration>> {
        self.take_as(name, DURATION, |text| units::parse_duration(text).ok())
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// `Invalid`, naming the parameter and what to write.
    pub fn take_bool(&mut self, name: &'static str) -> Result<Option<bool>> {
        self.take_as(name, "`true` or `false`", |text| text.parse().ok())
    }

    /// A whole number.
    ///
    /// # Errors
    /// `Invalid`, naming the parameter and what to write.
    pub fn take_u64(&mut self, name: &'static str) -> Result<Option<u64>> {
        self.take_as(name, "a whole number", |text| text.parse().ok())
    }

    /// One of the named choices.
    ///
    /// # Errors
    /// `Invalid`, naming the parameter and all choices.
    pub fn take_choice<T: Copy>(&mut self, name: &'static str, choices: &[(&str, T)]) -> Result<Option<T>> {
        let names: Vec<_> = choices.iter().map(|(choice, _)| format!("`{choice}`")).collect();
        self.take_as(name, &names.join(" or "), |text| {
            choices.iter().find(|(choice, _)| *choice == text).map(|(_, value)| *value)
        })
    }

    /// Takes all that is left, for a driver that reads the parameters of its database itself, and refuses what it does
    /// not know.
    pub fn take_rest(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.given).into_iter().collect()
    }

    /// Refuses what is left: nobody asked for it.
    ///
    /// # Errors
    /// `Invalid`, naming the first such parameter, and the nearest known name or all of them.
    pub fn finish(&self) -> Result<()> {
        let Some(unknown) = self.given.keys().next() else { return Ok(()) };
        let name = shown(unknown, self.may_tell);
        let known = match self.nearest(unknown) {
            Some(name) if !self.may_tell => format!("did you mean `{name}`?"),
            _ => format!("known are {}", self.names().collect::<Vec<_>>().join(", ")),
        };
        Err(invalid(format!("unknown parameter {name}: {known}{}", advice(self.may_tell))))
    }

    fn take_as<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(text) = self.take(name) else { return Ok(None) };
        match parse(&text) {
            Some(value) => Ok(Some(value)),
            None => Err(invalid(format!("the parameter `{name}` must be {expected}"))),
        }
    }

    fn nearest(&self, unknown: &str) -> Option<&'static str> {
        let asked = unknown.to_lowercase();
        let distance = |name: &&'static str| strsim::osa_distance(&asked, name);
        self.names().min_by_key(distance).filter(|name| distance(name) <= 2.max(name.len() / 3))
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.known.iter().chain(Reserved::NAMES).copied()
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.given.keys().map(|name| if self.may_tell { HIDDEN } else { name });
        f.debug_list().entries(names).finish() // never the values: one may be a secret
    }
}

/// A parameter's name as an error may show it: it came from outside, and may be a piece of a password.
fn shown(name: &str, may_tell: bool) -> String {
    if may_tell {
        return HIDDEN.to_owned();
    }
    format!("`{}`", name.chars().take(40).flat_map(char::escape_debug).collect::<String>())
}

/// What follows a message that hides the name it is about.
fn advice(may_tell: bool) -> &'static str {
    if may_tell { "; an `@` stands after the `?`: write `%3F` for a `?` in user or password" } else { "" }
}

pub(crate) fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Params;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params::of(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).unwrap()
    }

    #[test]
    fn each_type_says_what_to_write() {
        let wrong = &[("n", "many"), ("d", "soon"), ("b", "yes"), ("s", "big"), ("c", "maybe")];
        let mut all = params(wrong);
        let messages = [
            all.take_u64("n").unwrap_err().to_string(),
            all.take_duration("d").unwrap_err().to_string(),
            all.take_bool("b").unwrap_err().to_string(),
            all.take_bytes("s").unwrap_err().to_string(),
            all.take_choice("c", &[("refuse", 1), ("evict", 2)]).unwrap_err().to_string(),
        ];
        let expected = ["a whole number", "`10m`", "`true` or `false`", "`64KiB`", "`refuse` or `evict`"];
        for ((message, expected), (name, value)) in messages.iter().zip(expected).zip(wrong) {
            assert!(message.contains(expected) && message.contains(&format!("`{name}`")), "{message}");
            assert!(!message.contains(value), "a value may be a secret: {message}");
        }
    }

    #[test]
    fn what_was_given_comes_out_typed() {
        let mut all =
            params(&[("n", "7"), ("d", "2s"), ("b", "true"), ("s", "1KiB"), ("c", "evict"), ("t", "x")]);
        assert_eq!(all.take_u64("n").unwrap(), Some(7));
        assert_eq!(all.take_duration("d").unwrap(), Some(Duration::from_secs(2)));
        assert_eq!(all.take_bool("b").unwrap(), Some(true));
        assert_eq!(all.take_bytes("s").unwrap(), Some(1024));
        assert_eq!(all.take_choice("c", &[("refuse", 1), ("evict", 2)]).unwrap(), Some(2));
        assert_eq!(all.take("t").as_deref(), Some("x"));
        assert_eq!(all.take("t"), None);
        all.finish().unwrap();
    }

    #[test]
    fn what_is_left_can_be_handed_on() {
        let mut all = params(&[("b", "2"), ("ours", "x"), ("a", "1")]);
        assert_eq!(all.take("ours").as_deref(), Some("x"));
        let rest = all.take_rest();
        assert_eq!(rest, [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
        all.finish().unwrap();
    }

    #[test]
    fn an_unknown_parameter_is_refused_with_the_nearest_name_or_all() {
        let mut typo = params(&[("max_entrys", "1")]);
        assert_eq!(typo.take_u64("max_entries").unwrap(), None);
        assert!(typo.finish().unwrap_err().to_string().contains("did you mean `max_entries`?"));
        assert!(params(&[("namspace", "a")]).finish().unwrap_err().to_string().contains("`namespace`"));
        let far = params(&[("zzzzzzzzzzzz", "1")]).finish().unwrap_err().to_string();
        assert!(far.contains("known are namespace, prefix"), "{far}");
    }

    #[test]
    fn a_name_given_twice_is_refused() {
        let twice = [("a".to_owned(), "1".to_owned()), ("a".to_owned(), "1".to_owned())];
        assert!(Params::of(twice).unwrap_err().to_string().contains("`a` is given twice"));
        assert!(Params::of([(String::new(), String::new())]).is_err());
    }

    #[test]
    fn no_name_is_shown_that_may_be_a_piece_of_a_password() {
        // The query of `redis://app:1234?hunter=2@host`, where the password is `1234?hunter=2`.
        let torn = params(&[("hunter", "2@host")]);
        let twice = [("hunter", "2"), ("hunter", "2@host")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        let messages = [torn.finish().unwrap_err(), Params::of(twice).unwrap_err()].map(|e| e.to_string());
        for message in messages {
            assert!(!message.contains("hunter") && message.contains("`%3F`"), "{message}");
        }
        assert!(!format!("{torn:?}").contains("hunter"), "{torn:?}");
        let mut prefix = params(&[("prefix", "a@b")]);
        assert_eq!(prefix.take("prefix").as_deref(), Some("a@b"));
        prefix.finish().unwrap();
    }

    #[test]
    fn debug_shows_names_without_values() {
        assert_eq!(format!("{:?}", params(&[("password", "hunter2")])), r#"["password"]"#);
    }
}
