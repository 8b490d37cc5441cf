//! Templates of URIs: RFC 6570 level 1, whole paths, and query parameters.

use std::fmt;

use super::TextArguments;

/// The values of a template's parameters in one URI, percent-decoded.
pub type Parameters = TextArguments;

/// Why a template of URIs cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidTemplate {
    template: String,
    reason: &'static str,
}

impl fmt::Display for InvalidTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the resource template {:?} {}", self.template, self.reason)
    }
}

impl std::error::Error for InvalidTemplate {}

/// A parsed template: pieces of the path, then names of query parameters.
#[derive(Clone, Debug)]
pub(super) struct Template {
    text: String,
    pieces: Vec<Piece>,
    query: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Parameter {
        name: String,
        /// Whether it takes slashes too.
        path: bool,
    },
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        let invalid = |reason| InvalidTemplate { template: text.to_owned(), reason };
        let (path, query) = split_query(text).map_err(invalid)?;
        let pieces = parse_path(path).map_err(invalid)?;
        let template = Self { text: text.to_owned(), pieces, query };
        let mut names: Vec<&str> = template.names().collect();
        if names.is_empty() {
            return Err(invalid("has no parameter, so it is a plain resource"));
        }
        names.sort_unstable();
        if names.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(invalid("has a parameter twice"));
        }
        Ok(template)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of the parameters, in their order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let path = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Parameter { name, .. } => Some(name.as_str()),
            Piece::Literal(_) => None,
        });
        path.chain(self.query.iter().map(String::as_str))
    }

    /// The values of the parameters in `uri`; a parameter of the path takes as little as the rest allows, and at
    /// least one byte. What is longer than any URI of use matches nothing.
    pub(super) fn matches(&self, uri: &str) -> Option<Parameters> {
        const MAX_URI: usize = 64 << 10;
        if uri.len() > MAX_URI {
            return None;
        }
        let (path, query) = if self.query.is_empty() {
            (uri, None)
        } else {
            uri.split_once('?').map_or((uri, None), |(path, query)| (path, Some(query)))
        };
        if let Some(Piece::Literal(first)) = self.pieces.first() {
            path.strip_prefix(first.as_str())?;
        }
        let mut values = self.path_values(path)?;
        values.extend(self.query_values(query.unwrap_or_default())?);
        Some(values.into_iter().collect())
    }

    /// Works in time linear in the URI for each piece, whatever the URI is: `reaches[i]` tells from which positions
    /// the pieces from `i` on match the rest.
    fn path_values(&self, path: &str) -> Option<Vec<(String, String)>> {
        let reaches = self.reachable(path);
        let mut at = 0;
        let mut values = Vec::new();
        if !*reaches.first()?.first()? {
            return None;
        }
        for (piece, next) in self.pieces.iter().zip(reaches.iter().skip(1)) {
            match piece {
                Piece::Literal(literal) => at += literal.len(),
                Piece::Parameter { name, .. } => {
                    let end = ends(path.as_bytes(), at)
                        .find(|end| next.get(*end).is_some_and(|reaches| *reaches))?;
                    values.push((name.clone(), decoded(path.get(at..end)?)?));
                    at = end;
                }
            }
        }
        Some(values)
    }

    fn reachable(&self, path: &str) -> Vec<Vec<bool>> {
        let bytes = path.as_bytes();
        let mut last = vec![false; bytes.len() + 1];
        if let Some(end) = last.last_mut() {
            *end = true;
        }
        let mut all = vec![last];
        for piece in self.pieces.iter().rev() {
            let next = all.last().map(Vec::as_slice).unwrap_or_default();
            all.push(match piece {
                Piece::Literal(literal) => before_literal(bytes, literal.as_bytes(), next),
                Piece::Parameter { path, .. } => before_parameter(bytes, *path, next),
            });
        }
        all.reverse();
        all
    }

    /// Query parameters that the template does not name make it another URI.
    fn query_values(&self, query: &str) -> Option<Vec<(String, String)>> {
        let mut values = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name)?;
            let first = !values.iter().any(|(known, _): &(String, String)| *known == name);
            if !first || !self.query.contains(&name) {
                return None;
            }
            values.push((name, decoded(value)?));
        }
        Some(values)
    }
}

fn before_literal(bytes: &[u8], literal: &[u8], next: &[bool]) -> Vec<bool> {
    let reaches = |at: usize| {
        let here = bytes.get(at..).is_some_and(|rest| rest.starts_with(literal));
        here && next.get(at + literal.len()).copied().unwrap_or(false)
    };
    (0..next.len()).map(reaches).collect()
}

/// From `at` a parameter takes at least one character and ends where the rest matches.
fn before_parameter(bytes: &[u8], path: bool, next: &[bool]) -> Vec<bool> {
    let mut reaches = vec![false; next.len()];
    for at in (0..bytes.len()).rev() {
        let stops = !path && bytes.get(at) == Some(&b'/');
        let end = character_end(bytes, at).filter(|_| !stops);
        let ahead =
            |end: usize| [next, &reaches].iter().any(|found| found.get(end).copied().unwrap_or(false));
        let ahead = end.is_some_and(ahead);
        if let Some(here) = reaches.get_mut(at) {
            *here = ahead;
        }
    }
    reaches
}

/// Behind the first character from `at` on, behind the second, and so on.
fn ends(bytes: &[u8], at: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(character_end(bytes, at), |end| character_end(bytes, *end))
}

/// Behind the character that begins at `at`: a literal must not match inside `%2F`, nor between the two bytes of
/// `%C3%BC`. `None` where no whole character begins.
fn character_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    const LONGEST: usize = 4;
    let mut character = [0; LONGEST];
    for length in 1..=LONGEST {
        let (byte, width) = octet(bytes.get(at..)?)?;
        *character.get_mut(length - 1)? = byte;
        at += width;
        if std::str::from_utf8(character.get(..length)?).is_ok() {
            return Some(at);
        }
    }
    None
}

/// The first byte of `text`, and how long it is written there; `None` at the end, and for a `%` without two digits (RFC 3986
/// §2.1).
fn octet(text: &[u8]) -> Option<(u8, usize)> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    match text {
        [b'%', high, low, ..] => Some((digit(*high)? << 4 | digit(*low)?, 3)),
        [b'%', ..] | [] => None,
        [byte, ..] => Some((*byte, 1)),
    }
}

fn split_query(text: &str) -> Result<(&str, Vec<String>), &'static str> {
    let Some((path, rest)) = text.split_once("{?") else { return Ok((text, Vec::new())) };
    let names = rest.strip_suffix('}').filter(|names| !names.contains(['{', '}']));
    let names = names.ok_or("has query parameters that do not stand at the end, as in `{?page,size}`")?;
    let names: Vec<String> = names.split(',').map(|name| name.trim().to_owned()).collect();
    if names.iter().all(|name| is_name(name)) { Ok((path, names)) } else { Err(BAD_NAME) }
}

fn parse_path(mut text: &str) -> Result<Vec<Piece>, &'static str> {
    let mut pieces = Vec::new();
    while !text.is_empty() {
        let literal = text.split('{').next().unwrap_or_default();
        if literal.contains('}') {
            return Err("has a `}` without its `{`");
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.to_owned()));
        }
        let Some(rest) = text.get(literal.len()..).and_then(|rest| rest.strip_prefix('{')) else { break };
        let (name, rest) = rest.split_once('}').ok_or("has a `{` without its `}`")?;
        if matches!(pieces.last(), Some(Piece::Parameter { .. })) {
            return Err("has two parameters with nothing between them");
        }
        pieces.push(parameter(name)?);
        text = rest;
    }
    Ok(pieces)
}

const BAD_NAME: &str = "has a parameter whose name is not of letters, digits and `_`";

fn parameter(text: &str) -> Result<Piece, &'static str> {
    let name = text.strip_prefix('+').or_else(|| text.strip_suffix('*'));
    let piece = Piece::Parameter { name: name.unwrap_or(text).to_owned(), path: name.is_some() };
    if is_name(name.unwrap_or(text)) { Ok(piece) } else { Err(BAD_NAME) }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Percent-decodes strictly: `None` for a `%` without two digits, and for what is not UTF-8 (RFC 3986 §2.1).
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let (byte, width) = octet(rest)?;
        bytes.push(byte);
        rest = rest.get(width..)?;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::{Parameters, Template};

    fn values(template: &str, uri: &str) -> Option<Parameters> {
        Template::parse(template).unwrap().matches(uri)
    }

    fn is(template: &str, uri: &str, expected: &[(&str, &str)]) {
        assert_eq!(values(template, uri), Some(expected.iter().copied().collect()), "{template} {uri}");
    }

    #[test]
    fn a_parameter_takes_one_segment() {
        is("user://{id}/profile", "user://7/profile", &[("id", "7")]);
        assert_eq!(values("user://{id}/profile", "user://7/8/profile"), None);
        assert_eq!(values("user://{id}/profile", "user:///profile"), None);
        assert_eq!(values("user://{id}", "group://7"), None);
        assert_eq!(values("user://{id}", "user://7/"), None);
    }

    #[test]
    fn a_path_parameter_takes_slashes_and_leaves_what_the_rest_needs() {
        is("file://{path*}", "file://a/b/c", &[("path", "a/b/c")]);
        is("file://{+path}/{name}", "file://a/b/c", &[("path", "a/b"), ("name", "c")]);
        is("{a}-{b}", "1-2-3", &[("a", "1"), ("b", "2-3")]);
    }

    #[test]
    fn query_parameters_may_be_absent_and_come_in_any_order() {
        is("q://x{?page,size}", "q://x", &[]);
        is("q://x{?page,size}", "q://x?size=2&page=1", &[("size", "2"), ("page", "1")]);
        is("q://{x}{?page}", "q://y?page=a%26b", &[("x", "y"), ("page", "a&b")]);
        assert_eq!(values("q://x{?page}", "q://x?other=1"), None);
        assert_eq!(values("q://x{?page}", "q://x?page=1&page=2"), None);
    }

    #[test]
    fn values_are_decoded_strictly() {
        is("t://{x}", "t://a%2Fb%20c", &[("x", "a/b c")]);
        is("t://{x}", "t://%C3%BC", &[("x", "ü")]);
        for bad in ["t://%", "t://%2", "t://%zz", "t://%+1", "t://%ff"] {
            assert_eq!(values("t://{x}", bad), None, "{bad}");
        }
    }

    #[test]
    fn characters_of_several_bytes_are_matched_whole() {
        is("t://{x}ü{y}", "t://öüä", &[("x", "ö"), ("y", "ä")]);
    }

    #[test]
    fn a_literal_does_not_match_inside_an_escaped_character() {
        is("t://{a}2{b}", "t://x%23y2z", &[("a", "x#y"), ("b", "z")]);
        is("t://{a}B{b}", "t://%C3%BCB1", &[("a", "ü"), ("b", "1")]);
        is("t://{a}%BC{b}", "t://%C3%BC%BCx", &[("a", "ü"), ("b", "x")]);
        assert_eq!(values("t://{a}2{b}", "t://x%23y"), None);
    }

    #[test]
    fn a_hostile_uri_costs_linear_time() {
        let uri = format!("t://{}", "a/".repeat(30_000));
        assert_eq!(values("t://{a*}/a/{b*}/a/{c*}/a/{d*}/z", &uri), None);
        assert_eq!(values("t://{a*}", &"t://".to_owned().repeat(20_000)), None);
    }

    #[test]
    fn a_template_that_cannot_be_parsed_says_why() {
        for (template, reason) in [
            ("t://x", "no parameter"),
            ("t://{x", "without its `}`"),
            ("t://x}", "without its `{`"),
            ("t://{}", "letters"),
            ("t://{a b}", "letters"),
            ("t://{a}{b}", "nothing between"),
            ("t://{a}/{a}", "twice"),
            ("t://{a}{?a}", "twice"),
            ("t://{?a}/x", "at the end"),
        ] {
            let error = Template::parse(template).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains(template), "{error}");
        }
    }
}
