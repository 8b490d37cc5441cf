//! The hosts and origins that an operator allows: what can never match is a mistake, found at the start and not by those
//! who are kept out.

use axum::http::uri::Authority;

use super::HttpOptions;
use crate::{Error, Result};

impl HttpOptions {
    /// # Errors
    /// Names the setting that nothing can match.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(host) = self.hosts.iter().find(|host| !is_authority(host)) {
            return Err(Error::new(format!(
                ".allow_host({host:?}), or --allow-host, must be a name or an address, with or without a port, such as \
                 mcp.example:8000; .any_host() and --any-host allow every one"
            )));
        }
        match self.origins.iter().find(|origin| !is_origin(origin)) {
            Some(origin) => Err(Error::new(format!(
                ".allow_origin({origin:?}), or --allow-origin, must be an origin as browsers send it, such as \
                 https://app.example or http://localhost:3000: no path, and no port that is the scheme's own"
            ))),
            None => Ok(()),
        }
    }
}

/// A host with or without a port (RFC 3986 §3.2); no user, and no pattern.
fn is_authority(text: &str) -> bool {
    text.parse::<Authority>().is_ok() && !text.contains(['@', '*'])
}

/// RFC 6454 §6.1: the port that a scheme has anyway is not sent.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let own_port = match scheme.to_ascii_lowercase().as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => return !scheme.is_empty() && is_authority(host),
    };
    is_authority(host) && !host.ends_with(own_port)
}

#[cfg(test)]
mod tests {
    use super::HttpOptions;

    #[test]
    fn what_nothing_can_match_is_refused_by_its_name() {
        let check = |hosts: &[&str], origins: &[&str]| {
            let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
            HttpOptions { hosts: names(hosts), origins: names(origins), ..HttpOptions::default() }.check()
        };
        let hosts = ["mcp.example", "Mcp.Example:8000", "192.0.2.1", "[2001:db8::1]:80", "localhost"];
        let origins =
            ["https://app.example", "HTTP://localhost:3000", "https://app.example:80", "vscode-webview://1a"];
        check(&hosts, &origins).unwrap();
        for host in ["", "http://mcp.example/", "mcp.example/", "a b", "ann@mcp.example", "*", "*.example"] {
            let error = check(&[host], &[]).unwrap_err().to_string();
            assert!(error.contains("allow_host") && error.contains("--any-host"), "{host}: {error}");
        }
        for origin in [
            "",
            "app.example",
            "https://",
            "https://a/b",
            "https://a:443",
            "http://a:80",
            "://a",
            "null",
            "*",
        ] {
            let error = check(&[], &[origin]).unwrap_err().to_string();
            assert!(error.contains("--allow-origin"), "{origin}: {error}");
        }
    }
}
