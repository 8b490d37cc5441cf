//! Who may come in: hosts, origins, content types, and who it is.

use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::pin::pin;

use axum::http::header::{ACCEPT, CONTENT_TYPE, HOST, ORIGIN, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use futures_util::FutureExt as _;

use super::{Endpoint, HttpOptions};
use crate::protocol::{Failure, code};
use crate::running::{Deadline, Elapsed};
use crate::{Denied, Principal, Verified};

/// Where a connection came in that our own listener accepted.
#[derive(Clone, Copy, Debug)]
pub(super) enum CameIn {
    /// On this address of ours.
    Address(SocketAddr),
    /// By a Unix socket: from this machine, but never from a browser.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there are none"))]
    UnixSocket,
}

pub(super) type Refusal = Box<Response>;

/// The `Accept` header as the specification's examples and most clients have it.
const USUAL: &str = "application/json, text/event-stream";

impl Endpoint {
    /// Checks what any request must pass, and finds out whose it is.
    pub(super) async fn enter(&self, parts: &mut Parts) -> Result<Verified, Refusal> {
        self.check_place(parts)?;
        if parts.method == Method::POST {
            self.check_types(&parts.headers)?;
        }
        self.verify(parts).await
    }

    /// Where a request comes from, and by which name: checked before a browser's question whether it may send another, too.
    pub(super) fn check_place(&self, parts: &Parts) -> Result<(), Refusal> {
        self.check_host(parts)?;
        if origin_allowed(&self.0.options, parts) {
            return Ok(());
        }
        Err(self.refusal(
            StatusCode::FORBIDDEN,
            "this Origin is not allowed; the server's operator allows it by .allow_origin(..) or --allow-origin",
        ))
    }

    fn check_host(&self, parts: &Parts) -> Result<(), Refusal> {
        if host_allowed(&self.0.options, parts) {
            return Ok(());
        }
        Err(self.refusal(
            StatusCode::FORBIDDEN,
            "this Host is not allowed; the server's operator allows it by .allow_host(..), --allow-host or --any-host",
        ))
    }

    fn check_types(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let content_type = text(headers, CONTENT_TYPE);
        let is_json = |kind: &str| kind.eq_ignore_ascii_case("application/json");
        if !content_type.is_some_and(|kind| is_json(kind) || is_json(media_type(kind))) {
            return Err(
                self.refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the Content-Type must be application/json")
            );
        }
        if text(headers, ACCEPT) == Some(USUAL) {
            return Ok(()); // without taking it apart
        }
        if !accepts(headers, "application/json") || !accepts(headers, "text/event-stream") {
            return Err(self.refusal(
                StatusCode::NOT_ACCEPTABLE,
                "the Accept header must list application/json and text/event-stream",
            ));
        }
        Ok(())
    }

    async fn verify(&self, parts: &mut Parts) -> Result<Verified, Refusal> {
        if let Some(authenticator) = &self.0.authenticator {
            let asked = AssertUnwindSafe(async { authenticator.authenticate(parts).await }).catch_unwind();
            let asked = Deadline::new(pin!(asked), self.0.dispatcher.handler_timeout()).await;
            let verified = asked.map_err(|Elapsed| Box::new(self.unanswered()))?;
            let verified = verified.map_err(|_| Box::new(self.panicked()))?;
            let verified = verified.map_err(|denied| Box::new(self.denied(&denied)))?;
            return if verified.has_expired() { Err(Box::new(self.expired())) } else { Ok(verified) };
        }
        let mounted = parts.extensions.remove::<Principal>();
        Ok(mounted.unwrap_or_default().into())
    }

    /// Nobody comes in who could not be asked for a proof.
    fn panicked(&self) -> Response {
        tracing::error!("the authenticator panicked");
        self.refuse(StatusCode::INTERNAL_SERVER_ERROR, None, &Failure::internal())
    }

    fn unanswered(&self) -> Response {
        tracing::error!("the authenticator took too long");
        self.unavailable(None)
    }

    /// RFC 6750 §3.1: a proof that has ended is no proof.
    pub(super) fn expired(&self) -> Response {
        self.denied(&Denied::Unauthorized("error=\"invalid_token\"".to_owned()))
    }

    /// RFC 6750 §3: a 401 names the scheme, and what was wrong with the proof.
    fn denied(&self, denied: &Denied) -> Response {
        let (status, message, challenge) = match denied {
            Denied::Unauthorized(detail) => (StatusCode::UNAUTHORIZED, "authentication is required", detail),
            Denied::Forbidden(detail) => (StatusCode::FORBIDDEN, "this needs another right", detail),
        };
        let mut response = self.refused(status, message);
        let challenge = format!("Bearer {challenge}");
        if let Ok(challenge) = HeaderValue::from_str(challenge.trim_end()) {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }

    /// As [`Endpoint::refused`], on its way through a `Result`.
    #[expect(clippy::unnecessary_box_returns, reason = "an error that is rare and large")]
    pub(super) fn refusal(&self, status: StatusCode, message: &'static str) -> Refusal {
        Box::new(self.refused(status, message))
    }

    pub(super) fn refused(&self, status: StatusCode, message: &'static str) -> Response {
        self.refuse(status, None, &Failure::new(code::INVALID_REQUEST, message))
    }
}

/// A present `Origin` must be allowed: by name, or a loopback origin where the server is reached on a loopback address
/// and by a loopback name. A public name in front of a loopback address is somebody's proxy.
pub(super) fn origin_allowed(options: &HttpOptions, parts: &Parts) -> bool {
    if !parts.headers.contains_key(ORIGIN) {
        return true;
    }
    let Some(origin) = text(&parts.headers, ORIGIN) else { return false };
    if options.origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)) {
        return true;
    }
    let is_loopback = |host: Option<&str>| host.is_some_and(|host| is_loopback_name(without_port(host)));
    on_loopback(parts)
        && is_loopback(host(parts))
        && is_loopback(origin.split_once("://").map(|(_, host)| host))
}

/// Where the connection came in on a loopback address (or nobody knows where), `Host` must be a loopback name, else a
/// name that resolves to this machine could reach it from a browser (DNS rebinding). Elsewhere it is free, unless
/// hosts are named: also on a Unix socket, which no browser reaches and a proxy does, under its public name.
fn host_allowed(options: &HttpOptions, parts: &Parts) -> bool {
    if options.any_host {
        return true;
    }
    let Some(host) = host(parts) else { return false };
    let name = without_port(host);
    let is = |allowed: &String| [host, name].iter().any(|host| allowed.eq_ignore_ascii_case(host));
    if options.hosts.iter().any(is) {
        return true;
    }
    if on_loopback(parts) {
        return is_loopback_name(name);
    }
    options.hosts.is_empty()
}

fn host(parts: &Parts) -> Option<&str> {
    match parts.uri.authority() {
        Some(authority) => Some(authority.as_str()), // goes before the header (RFC 9112 §3.2.2)
        None => text(&parts.headers, HOST),
    }
}

fn on_loopback(parts: &Parts) -> bool {
    parts.extensions.get::<CameIn>().is_none_or(|came_in| match came_in {
        CameIn::Address(address) => address.ip().to_canonical().is_loopback(),
        CameIn::UnixSocket => false,
    })
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_loopback_name(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn media_type(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

/// Whether a media type is accepted: the most specific range that covers it decides, and an absent header accepts
/// everything (RFC 9110 §12.5.1).
pub(super) fn accepts(headers: &HeaderMap, wanted: &str) -> bool {
    if !headers.contains_key(ACCEPT) {
        return true;
    }
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges = values.flat_map(|value| value.split(','));
    let covering =
        ranges.filter_map(|range| Some((specificity(media_type(range), wanted)?, has_weight(range))));
    covering.max().is_some_and(|(_, accepted)| accepted)
}

/// How closely a range names `wanted`; `None` if it does not cover it.
fn specificity(range: &str, wanted: &str) -> Option<u8> {
    let kind = wanted.split('/').next().unwrap_or_default();
    match range {
        "*/*" => Some(0),
        range if range.strip_suffix("/*").is_some_and(|range| range.eq_ignore_ascii_case(kind)) => Some(1),
        range => range.eq_ignore_ascii_case(wanted).then_some(2),
    }
}

/// A weight of zero is "not acceptable" (RFC 9110 §12.4.2).
fn has_weight(range: &str) -> bool {
    let mut parameters = range.split(';').skip(1).map(str::trim);
    let weight =
        parameters.find_map(|parameter| parameter.strip_prefix("q=").or(parameter.strip_prefix("Q=")));
    weight.is_none_or(|weight| weight.bytes().any(|byte| (b'1'..=b'9').contains(&byte)))
}

/// One header as text; repeated ones are no text.
pub(super) fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use axum::http::request::Parts;

    use super::{CameIn, HttpOptions, accepts, host_allowed, origin_allowed};

    fn parts(headers: &[(&str, &str)], local: Option<&str>) -> Parts {
        let mut request = Request::builder().uri("/mcp");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut parts = request.body(()).unwrap().into_parts().0;
        if let Some(local) = local {
            parts.extensions.insert(CameIn::Address(local.parse().unwrap()));
        }
        parts
    }

    #[test]
    fn on_a_loopback_address_only_loopback_hosts_come_in() {
        let options = HttpOptions::default();
        for host in ["localhost", "localhost:8000", "127.0.0.1:80", "[::1]:8000", "127.1.2.3"] {
            assert!(host_allowed(&options, &parts(&[("host", host)], Some("127.0.0.1:80"))), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "", "192.168.0.1"] {
            assert!(!host_allowed(&options, &parts(&[("host", host)], Some("127.0.0.1:80"))), "{host}");
            assert!(!host_allowed(&options, &parts(&[("host", host)], None)), "mounted: {host}");
        }
        assert!(!host_allowed(&options, &parts(&[], Some("127.0.0.1:80"))));
        let two = [("host", "localhost"), ("host", "evil.example")];
        assert!(!host_allowed(&options, &parts(&two, Some("127.0.0.1:80"))));
        let mut absolute = parts(&[("host", "localhost")], Some("127.0.0.1:80"));
        absolute.uri = "http://evil.example/mcp".parse().unwrap();
        assert!(!host_allowed(&options, &absolute), "the target goes before the header");
    }

    #[test]
    fn elsewhere_hosts_are_free_until_some_are_named() {
        let elsewhere = Some("10.0.0.1:80");
        let free = HttpOptions::default();
        assert!(host_allowed(&free, &parts(&[("host", "mcp.example")], elsewhere)));
        let named = HttpOptions { hosts: vec!["mcp.example".into()], ..HttpOptions::default() };
        assert!(host_allowed(&named, &parts(&[("host", "MCP.example:443")], elsewhere)));
        assert!(!host_allowed(&named, &parts(&[("host", "other.example")], elsewhere)));
        assert!(host_allowed(&named, &parts(&[("host", "mcp.example")], Some("127.0.0.1:80"))));
        let with_port = HttpOptions { hosts: vec!["mcp.example:8000".into()], ..HttpOptions::default() };
        assert!(host_allowed(&with_port, &parts(&[("host", "mcp.example:8000")], elsewhere)));
        assert!(!host_allowed(&with_port, &parts(&[("host", "mcp.example:9000")], elsewhere)));
    }

    #[test]
    fn on_a_unix_socket_hosts_are_free_and_origins_must_be_named() {
        let options = HttpOptions { origins: vec!["https://app.example".into()], ..HttpOptions::default() };
        let by_socket = |headers: &[(&str, &str)]| {
            let mut parts = parts(headers, None);
            parts.extensions.insert(CameIn::UnixSocket);
            parts
        };
        for host in ["localhost", "mcp.example"] {
            assert!(host_allowed(&options, &by_socket(&[("host", host)])), "{host}");
        }
        let named = HttpOptions { hosts: vec!["mcp.example".into()], ..HttpOptions::default() };
        assert!(!host_allowed(&named, &by_socket(&[("host", "localhost")])));
        let from = |origin| by_socket(&[("host", "localhost"), ("origin", origin)]);
        assert!(origin_allowed(&options, &from("https://app.example")));
        assert!(!origin_allowed(&options, &from("http://localhost:3000")), "somebody's proxy, for a browser");
    }

    #[test]
    fn hosts_that_only_look_like_loopback_do_not_come_in() {
        let local = Some("127.0.0.1:80");
        for host in [
            "user@localhost",
            "localhost@evil.example",
            "localhost.",
            "[::1%25lo]",
            "[::1",
            "0.0.0.0",
            "[::1]@e",
        ] {
            assert!(!host_allowed(&HttpOptions::default(), &parts(&[("host", host)], local)), "{host}");
        }
    }

    #[test]
    fn a_present_origin_must_be_allowed() {
        let options = HttpOptions { origins: vec!["https://app.example".into()], ..HttpOptions::default() };
        let loopback = Some("127.0.0.1:80");
        let allowed = |origin, host, local| {
            origin_allowed(&options, &parts(&[("origin", origin), ("host", host)], local))
        };
        assert!(origin_allowed(&options, &parts(&[], loopback)));
        for origin in ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:1", "https://app.example"] {
            assert!(allowed(origin, "localhost:80", loopback), "{origin}");
            assert!(allowed(origin, "localhost:80", None), "mounted: {origin}");
        }
        for origin in
            ["http://evil.example", "null", "http://localhost.evil.example", "https://app.example.evil"]
        {
            assert!(!allowed(origin, "localhost:80", loopback), "{origin}");
        }
        assert!(!allowed("http://localhost", "10.0.0.1", Some("10.0.0.1:80")));
        for local in [loopback, None] {
            assert!(
                !allowed("http://localhost", "mcp.example", local),
                "behind a proxy, or mounted at a public name"
            );
        }
        let two = [("origin", "http://localhost"), ("origin", "http://evil.example"), ("host", "localhost")];
        assert!(!origin_allowed(&options, &parts(&two, loopback)));
    }

    #[test]
    fn an_absent_accept_header_and_wildcards_accept_both_types() {
        for header in [
            None,
            Some("*/*"),
            Some("application/*, text/*"),
            Some("application/json, text/event-stream;q=0.5"),
        ] {
            let headers: Vec<_> = header.map(|value| ("accept", value)).into_iter().collect();
            let headers = parts(&headers, None).headers;
            assert!(
                accepts(&headers, "application/json") && accepts(&headers, "text/event-stream"),
                "{header:?}"
            );
        }
        assert!(!accepts(&parts(&[("accept", "application/json")], None).headers, "text/event-stream"));
    }

    #[test]
    fn a_weight_of_zero_is_not_accepted_and_the_closest_range_decides() {
        let accepted = |header| accepts(&parts(&[("accept", header)], None).headers, "text/event-stream");
        for header in ["text/event-stream; q=0.001", "*/*;q=0, text/event-stream", "text/*;Q=1.0, */*;q=0"] {
            assert!(accepted(header), "{header}");
        }
        for header in ["text/event-stream;q=0", "*/*, text/event-stream;q=0.000", "text/*;q=0, */*", ""] {
            assert!(!accepted(header), "{header}");
        }
    }
}
