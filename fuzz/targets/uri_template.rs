//! Templates of URIs: whatever they are, they are taken or refused; what matches can be read off the URI piece by piece; what
//! was written by a template matches it; and no URI takes longer than its length.
//!
//! An input is text: a template, a URI, then values for the template's parameters, a line each.
#![no_main]

use std::collections::BTreeMap;

use larder_fuzz::door::runtime;
use libfuzzer_sys::fuzz_target;
use mcp_server::{Context, Parameters, Reading, ResourceTemplate, Server, Service};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// What a template is made of, read by other code than the server's own.
#[derive(Debug)]
struct Pieces {
    path: Vec<Piece>,
    query: Vec<String>,
}

#[derive(Debug)]
enum Piece {
    Literal(String),
    Value { name: String, slashes: bool },
}

type Values = BTreeMap<String, String>;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let (template, uri) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let Ok(probe) = ResourceTemplate::new(template, nothing) else { return };
    assert_eq!(probe.uri_template(), template);
    let pieces = Pieces::of(template);
    let Some(service) = service(template, &pieces) else { return };
    if let Some(values) = matched(&service, uri) {
        pieces.assert_reads(uri, &values);
    }
    let given: Vec<&str> = lines.collect();
    written(&service, &pieces, &given);
    if data.len() % 16 == 0 && !uri.is_empty() {
        long(&service, &pieces, uri);
    }
});

async fn nothing(_: Context, _: Reading, _: Parameters) -> &'static str {
    ""
}

/// A server with this template; `None` where it is refused.
fn service(template: &str, pieces: &Pieces) -> Option<Service> {
    let names: Vec<String> = pieces.names().map(str::to_owned).collect();
    let read = move |_: Context, _: Reading, parameters: Parameters| {
        let value = |name: &String| parameters.get(name).map(|value| (name.clone(), value.to_owned()));
        let values: Values = names.iter().filter_map(value).collect();
        async move { serde_json::to_string(&values).expect("text is JSON") }
    };
    let template = ResourceTemplate::new(template, read).expect("as before");
    Server::new("fuzz").resource(template).build().ok()
}

/// The values that the server finds in `uri`.
fn matched(service: &Service, uri: &str) -> Option<Values> {
    let client = service.test_client();
    match runtime().block_on(client.read_resource(uri)) {
        Ok(result) => {
            let text = result["contents"][0]["text"].as_str().expect("a text");
            Some(serde_json::from_str(text).expect("its own JSON"))
        }
        Err(error) => {
            assert_eq!(error.code, -32_602, "not found: {error}");
            None
        }
    }
}

impl Pieces {
    fn of(template: &str) -> Self {
        let (path, query) = match template.split_once("{?") {
            Some((path, query)) => (path, query.trim_end_matches('}')),
            None => (template, ""),
        };
        let mut pieces = Vec::new();
        for (index, part) in path.split('{').enumerate() {
            let (name, literal) = if index == 0 { (None, part) } else { split(part) };
            if let Some(name) = name {
                let slashes = name.starts_with('+') || name.ends_with('*');
                let name = name.strip_prefix('+').or(name.strip_suffix('*')).unwrap_or(name).to_owned();
                pieces.push(Piece::Value { name, slashes });
            }
            if !literal.is_empty() {
                pieces.push(Piece::Literal(literal.to_owned()));
            }
        }
        let query = query.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        Self { path: pieces, query: query.collect() }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let path = self.path.iter().filter_map(|piece| match piece {
            Piece::Value { name, .. } => Some(&**name),
            Piece::Literal(_) => None,
        });
        path.chain(self.query.iter().map(|name| &**name))
    }

    /// Each piece stands in the URI, one behind the other, and nothing else does.
    fn assert_reads(&self, uri: &str, values: &Values) {
        let (path, query) = match uri.split_once('?') {
            Some((path, query)) if !self.query.is_empty() => (path, query),
            _ => (uri, ""),
        };
        let mut rest = path.as_bytes();
        for piece in &self.path {
            rest = match piece {
                Piece::Literal(literal) => rest.strip_prefix(literal.as_bytes()),
                Piece::Value { name, slashes } => behind(rest, &values[name], *slashes),
            }
            .unwrap_or_else(|| panic!("{piece:?} is not at {} of {uri}", path.len() - rest.len()));
        }
        assert!(rest.is_empty(), "{uri} goes on behind {self:?}");
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (unescaped(name), unescaped(value));
            assert!(self.query.contains(&name) && values.get(&name) == Some(&value), "{pair}");
        }
        let asked = query.split('&').filter(|pair| !pair.is_empty()).count();
        assert_eq!(values.len(), self.names().count() - self.query.len() + asked, "no value from nowhere");
    }

    /// Whether a value between these literals cannot be read in two ways: no escaped value holds their first byte.
    fn is_plain(&self) -> bool {
        self.path.iter().skip(1).all(|piece| match piece {
            Piece::Literal(literal) => {
                literal.bytes().next().is_some_and(|byte| !byte.is_ascii_alphanumeric() && byte != b'%')
            }
            Piece::Value { .. } => true,
        })
    }
}

fn split(part: &str) -> (Option<&str>, &str) {
    part.split_once('}').map_or((None, part), |(name, literal)| (Some(name), literal))
}

/// What stands behind an escaped `value`, which is at least one byte.
fn behind<'a>(mut rest: &'a [u8], value: &str, slashes: bool) -> Option<&'a [u8]> {
    assert!(!value.is_empty(), "a parameter of the path has a value");
    for byte in value.bytes() {
        rest = match rest {
            [b'%', high, low, after @ ..] => {
                let hex = [*high, *low];
                let escaped = u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?;
                (escaped == byte).then_some(after)?
            }
            [b'/', ..] if !slashes => return None,
            [first, after @ ..] => (*first == byte).then_some(after)?,
            [] => return None,
        };
    }
    Some(rest)
}

fn unescaped(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8().expect("it matched").into_owned()
}

/// What was written by the template matches it, and gives back what was written where that cannot be read otherwise.
fn written(service: &Service, pieces: &Pieces, given: &[&str]) {
    let count = pieces.names().count();
    if given.len() < count || given.iter().take(count).any(|value| value.is_empty()) {
        return;
    }
    let pairs = pieces.names().zip(given);
    let values: Values = pairs.map(|(name, value)| (name.to_owned(), (*value).to_owned())).collect();
    let escaped = |name: &String| utf8_percent_encode(&values[name], NON_ALPHANUMERIC).to_string();
    let mut uri = String::new();
    for piece in &pieces.path {
        match piece {
            Piece::Literal(literal) => uri += literal,
            Piece::Value { name, .. } => uri += &escaped(name),
        }
    }
    for (index, name) in pieces.query.iter().enumerate() {
        uri += if index == 0 { "?" } else { "&" };
        uri += &format!("{name}={}", escaped(name));
    }
    assert!(uri.split('%').skip(1).all(begins_with_digits), "a template that writes no URI: {uri}");
    let asks_early = |piece: &Piece| matches!(piece, Piece::Literal(literal) if literal.contains('?'));
    let ends_early = !pieces.query.is_empty() && pieces.path.iter().any(asks_early);
    if ends_early || uri.len() > 64 << 10 {
        return;
    }
    let found = matched(service, &uri).unwrap_or_else(|| panic!("{uri} does not match {pieces:?}"));
    pieces.assert_reads(&uri, &found);
    if pieces.is_plain() {
        assert_eq!(found, values, "{uri}");
    }
}

fn begins_with_digits(part: &str) -> bool {
    part.len() >= 2 && part.bytes().take(2).all(|byte| byte.is_ascii_hexdigit())
}

/// 64 KiB of the URI again and again: libFuzzer ends what takes too long.
fn long(service: &Service, pieces: &Pieces, uri: &str) {
    let mut long = uri.repeat((64 << 10) / uri.len());
    if let Some(values) = matched(service, &long) {
        pieces.assert_reads(&long, &values);
    }
    long.push_str(&uri.repeat(2));
    assert!(long.len() > 64 << 10 && matched(service, &long).is_none(), "longer than any URI of use");
}
