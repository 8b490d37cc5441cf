//! Addresses that a person may be sent to.

use std::net::IpAddr;

use crate::registry::uri;

/// Why a person cannot be sent to `url`, as the end of a sentence; `None` where they can.
///
/// It must be a whole `https://` URL without credentials (client/elicitation, "Safe URL Handling"): it goes past the
/// client's eyes, and what the person enters there may be a secret. `http://` leads to this machine only, as while a
/// server is written.
pub(super) fn defect(url: &str) -> Option<&'static str> {
    if let Some(defect) = uri::defect(url) {
        return Some(defect);
    }
    let Ok(parsed) = url.parse::<http::Uri>() else {
        return Some("is no URL: write it as in \"https://mcp.example/connect\"");
    };
    let (Some(scheme), Some(authority)) = (parsed.scheme_str(), parsed.authority()) else {
        return Some("names no host: write it as in \"https://mcp.example/connect\"");
    };
    if authority.as_str().contains('@') {
        return Some("holds credentials, which the client would see: leave them out");
    }
    if authority.host().is_empty() || !port_fits(authority) {
        return Some("names no host: write it as in \"https://mcp.example/connect\"");
    }
    match scheme {
        "https" => None,
        "http" if is_this_machine(authority.host()) => None,
        "http" => Some("would carry what is entered there in the clear: write `https://`"),
        _ => Some("must begin with `https://`"),
    }
}

/// A colon is followed by a port.
fn port_fits(authority: &http::uri::Authority) -> bool {
    let behind = authority.as_str().get(authority.host().len()..).unwrap_or_default();
    behind.is_empty() || authority.port_u16().is_some_and(|port| port > 0)
}

fn is_this_machine(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::defect;

    #[test]
    fn pages_are_reached_by_https_and_on_this_machine_by_http() {
        for url in [
            "https://mcp.example.com/ui/set_api_key",
            "https://mcp.example.com",
            "HTTPS://mcp.example.com:8443/connect?elicitation=550e8400#top",
            "http://localhost:8000/connect",
            "http://127.0.0.1/connect",
            "http://[::1]:8000/connect",
            "https://[2001:db8::1]/x",
        ] {
            assert_eq!(defect(url), None, "{url}");
        }
    }

    #[test]
    fn everything_else_is_refused_by_what_is_wrong() {
        for (url, wrong) in [
            ("", "no scheme"),
            ("/connect", "no scheme"),
            ("mcp.example.com/connect", "no scheme"),
            ("https:", "nothing behind"),
            ("https://", "no "),
            ("https:///connect", "no "),
            ("https:connect", "no "),
            ("https://mcp.example.com/a b", "percent-encoded"),
            ("https://mcp.example.com/\u{202e}", "percent-encoded"),
            ("https://mcp.example.com/a\\b", "percent-encoded"),
            ("https://user:word@mcp.example.com/", "credentials"),
            ("https://mcp.example.com@evil.example/", "credentials"),
            ("https://mcp.example.com:0/", "no host"),
            ("https://mcp.example.com:/", "no "),
            ("http://mcp.example.com/", "https://"),
            ("http://localhost.evil.example/", "https://"),
            ("http://127.0.0.1.evil.example/", "https://"),
            ("ftp://mcp.example.com/", "https://"),
            ("javascript:alert(1)", "no "),
            ("file:///etc/passwd", "no "),
        ] {
            let defect = defect(url).unwrap_or_default();
            assert!(defect.contains(wrong), "{url}: {defect}");
        }
    }
}
