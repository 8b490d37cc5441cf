//! What is sent: `tools/call` of `echo`, in both eras.

use std::fmt::Write as _;

/// The era of a client, by the revision that it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    /// 2026-07-28: no session, everything in the request.
    Modern,
    /// 2025-11-25: a session that began with `initialize`.
    Session,
}

/// What the tool answers.
pub(crate) const TEXT: &str = "hello world, this is an echo";
/// The first id; all have as many digits.
pub(crate) const FIRST_ID: u32 = 100_000_000;

pub(crate) const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"load","version":"1"}}}"#;
pub(crate) const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

const META: &str = r#","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"load","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#;

impl Era {
    pub(crate) const fn revision(self) -> &'static str {
        match self {
            Self::Modern => "2026-07-28",
            Self::Session => "2025-11-25",
        }
    }

    /// The call of this id.
    pub(crate) fn call(self, id: u32) -> String {
        let meta = if self == Self::Modern { META } else { "" };
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"{TEXT}"}}{meta}}}}}"#
        )
    }

    /// The headers of a call beyond those of any request.
    pub(crate) fn headers(self, session: Option<&str>) -> String {
        let mut headers = format!("MCP-Protocol-Version: {}\r\n", self.revision());
        if self == Self::Modern {
            headers.push_str("Mcp-Method: tools/call\r\nMcp-Name: echo\r\n");
        }
        if let Some(session) = session {
            let _ = write!(headers, "Mcp-Session-Id: {session}\r\n"); // to a string: it cannot fail
        }
        headers
    }
}

/// A whole request, as a client of ours would write it.
pub(crate) fn post(host: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
