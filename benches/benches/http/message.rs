//! What is sent, in both eras: `tools/call` of `echo`, or `tools/list`.

use std::fmt::Write as _;

/// The era of a client, by the revision that it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    /// 2026-07-28: no session, everything in the request.
    Modern,
    /// 2025-11-25: a session that began with `initialize`.
    Session,
}

/// What is asked for again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// A call of `echo`.
    Call,
    /// All tools.
    List,
}

/// How many tools a server has whose list is asked for.
pub(crate) const TOOLS: usize = 1_000;
/// What the tool answers.
pub(crate) const TEXT: &str = "hello world, this is an echo";
/// The first id; all have as many digits.
pub(crate) const FIRST_ID: u32 = 100_000_000;

/// With 256 bytes of `clientInfo`.
pub(crate) const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"load","title":"A client that makes a load and says so at length, as the clients of some hosts do, A client that makes a load and says so at length, as the clients of some hosts do, A client that makes a load and says so at length,.","version":"1"}}}"#;
pub(crate) const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

const META: &str = r#","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"load","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#;

impl Era {
    pub(crate) const fn revision(self) -> &'static str {
        match self {
            Self::Modern => "2026-07-28",
            Self::Session => "2025-11-25",
        }
    }

    /// The request of this id.
    pub(crate) fn request(self, work: Work, id: u32) -> String {
        let meta = if self == Self::Modern { META } else { "" };
        let (method, params) = match work {
            Work::Call => ("tools/call", format!(r#""name":"echo","arguments":{{"text":"{TEXT}"}}{meta}"#)),
            Work::List => ("tools/list", meta.trim_start_matches(',').to_owned()),
        };
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}}}}}"#)
    }

    /// The headers of a request beyond those of any.
    pub(crate) fn headers(self, work: Work, session: Option<&str>) -> String {
        let mut headers = format!("MCP-Protocol-Version: {}\r\n", self.revision());
        if self == Self::Modern {
            headers.push_str(match work {
                Work::Call => "Mcp-Method: tools/call\r\nMcp-Name: echo\r\n",
                Work::List => "Mcp-Method: tools/list\r\n",
            });
        }
        if let Some(session) = session {
            let _ = write!(headers, "Mcp-Session-Id: {session}\r\n"); // to a string: it cannot fail
        }
        headers
    }
}

impl Work {
    /// What stands in every right answer.
    pub(crate) const fn expected(self) -> &'static str {
        match self {
            Self::Call => TEXT,
            Self::List => "\"tool0999\"",
        }
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
