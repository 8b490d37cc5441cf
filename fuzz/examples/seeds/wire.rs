//! What clients send: messages, requests with their headers, URIs under templates, states.

use std::io;

use larder_fuzz::sentinel::encoded;

use super::seed;

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

pub(super) fn all() -> io::Result<()> {
    envelopes()?;
    heads()?;
    for (name, text) in TEMPLATES {
        seed("uri_template", name, text.as_bytes())?;
    }
    for (name, text) in STATES {
        seed("request_state", name, text.as_bytes())?;
    }
    Ok(())
}

fn message(id: &str, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}}}}}"#)
}

fn envelopes() -> io::Result<()> {
    let mirror = r#""name":"mirror","arguments":{"a":[1,2.50,"\u00fc"],"b":null}"#;
    let add = r#""name":"add","arguments":{"a":1,"b":0.5,"tags":["x"]}"#;
    let complete = r#""ref":{"type":"ref/prompt","name":"greet"},"argument":{"name":"tone","value":"w"}"#;
    let requests = [
        ("call", "1", "tools/call", mirror),
        ("call-typed", r#""two""#, "tools/call", add),
        ("call-wrong", "3", "tools/call", r#""name":"add","arguments":{"a":"x"}"#),
        ("call-unknown", "4", "tools/call", r#""name":"nobody""#),
        ("list", "-5", "tools/list", r#""cursor":"x""#),
        ("read", "6", "resources/read", r#""uri":"item://a%20b?page=2""#),
        ("prompt", "7", "prompts/get", r#""name":"greet","arguments":{"name":"Ada"}"#),
        ("complete", "8", "completion/complete", complete),
        ("discover", "9", "server/discover", ""),
        ("listen", "10", "subscriptions/listen", r#""notifications":{"toolsListChanged":true}"#),
        ("subscribe", "11", "resources/subscribe", r#""uri":"note://text""#),
        ("level", "12", "logging/setLevel", r#""level":"debug""#),
        ("ping", "13", "ping", ""),
        ("vendor", "14", "vendor/method", r#""x":1"#),
    ];
    for (name, id, method, params) in requests {
        seed("envelope", name, message(id, method, params).as_bytes())?;
        let both = if params.is_empty() { META.to_owned() } else { format!("{params},{META}") };
        seed("envelope", &format!("{name}-modern"), message(id, method, &both).as_bytes())?;
    }
    let initialize =
        r#""protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}"#;
    let batch = format!("[{},{}]", message("1", "ping", ""), message("2", "tools/call", mirror));
    let others = [
        ("initialize", message("1", "initialize", initialize)),
        ("batch", batch),
        ("two-lines", message("1", "ping", "") + "\n" + &message("2", "ping", "")),
        (
            "cancelled",
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#.to_owned(),
        ),
        ("response", r#"{"jsonrpc":"2.0","id":"x","result":{"action":"accept"}}"#.to_owned()),
        ("error", r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"no"}}"#.to_owned()),
        ("id-null", r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#.to_owned()),
        ("id-fraction", r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#.to_owned()),
        ("id-escaped", r#"{"jsonrpc":"2.0","id":"\u0061\ud83d\ude00","method":"ping"}"#.to_owned()),
        ("id-half", r#"{"jsonrpc":"2.0","id":"\ud800","method":"ping"}"#.to_owned()),
        ("id-twice", r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#.to_owned()),
        ("params-array", r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}"#.to_owned()),
        ("version-one", r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#.to_owned()),
        ("half", r#"{"jsonrpc":"2.0","id":1,"meth"#.to_owned()),
        (
            "nested",
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"a":{}}}}}"#, "[".repeat(300)),
        ),
        ("blank", " \t\r".to_owned()),
    ];
    others.iter().try_for_each(|(name, text)| seed("envelope", name, text.as_bytes()))
}

fn heads() -> io::Result<()> {
    let typed = "content-type: application/json\naccept: application/json, text/event-stream\n";
    let version = "mcp-protocol-version: 2026-07-28\nmcp-method: tools/call\nmcp-name: route\n";
    let arguments = r#"{"region":"größe","count":42,"flag":true}"#;
    let call = message("1", "tools/call", &format!(r#""name":"route","arguments":{arguments},{META}"#));
    let region = encoded("größe");
    let repeated = format!("mcp-param-region: {region}\nmcp-param-count: 42.0\nmcp-param-flag: true\n");
    let in_session = message("1", "tools/call", r#""name":"route","arguments":{"region":"x"}"#);
    let list = message("1", "tools/list", META);
    let session = "mcp-session-id: {session}\nmcp-protocol-version: 2025-11-25\n";
    let all = [
        ("call", format!("POST\nhost: localhost\n{typed}{version}{repeated}\n{call}")),
        ("call-lacks-a-header", format!("POST\nhost: localhost\n{typed}{version}\n{call}")),
        ("call-of-another", format!("POST\nhost: localhost\n{typed}{version}mcp-name: x\n\n{call}")),
        ("session", format!("POST\nhost: 127.0.0.1:80\n{typed}{session}\n{in_session}")),
        ("session-unknown", format!("POST\nhost: localhost\n{typed}mcp-session-id: 0123\n\n{in_session}")),
        ("session-twice", format!("POST\nhost: [::1]\n{typed}{session}mcp-session-id: x\n\n{in_session}")),
        ("host", format!("POST\nhost: MCP.example:443\n{typed}{version}{repeated}\n{call}")),
        ("host-foreign", format!("POST\nhost: evil.example\n{typed}{version}\n{call}")),
        ("host-twice", format!("POST\nhost: localhost\nhost: localhost\n{typed}\n{call}")),
        (
            "origin",
            format!("POST\nhost: localhost\norigin: https://app.example\n{typed}{version}{repeated}\n{call}"),
        ),
        (
            "origin-loopback",
            format!("POST\nhost: localhost\norigin: http://127.0.0.1:3000\n{typed}{version}\n{call}"),
        ),
        ("origin-foreign", format!("POST\nhost: localhost\norigin: null\n{typed}{version}\n{call}")),
        (
            "preflight",
            "OPTIONS\nhost: localhost\norigin: https://app.example\naccess-control-request-method: POST\n\n"
                .to_owned(),
        ),
        (
            "accept-half",
            format!(
                "POST\nhost: localhost\ncontent-type: application/json\naccept: application/json;q=0, */*\n{version}\n{call}"
            ),
        ),
        ("form", format!("POST\nhost: localhost\ncontent-type: text/plain\naccept: */*\n\n{call}")),
        (
            "list",
            format!(
                "POST\nhost: localhost\n{typed}mcp-protocol-version: \t2026-07-28 \nmcp-method: tools/list\n\n{list}"
            ),
        ),
        (
            "version-unknown",
            format!(
                "POST\nhost: localhost\n{typed}mcp-protocol-version: 2027-01-01\nmcp-method: tools/list\n\n{list}"
            ),
        ),
        ("get", "GET\nhost: localhost\naccept: text/event-stream\nmcp-session-id: {session}\n\n".to_owned()),
        (
            "sentinel-bad",
            format!("POST\nhost: localhost\n{typed}{version}mcp-param-region: =?base64?Z3I=\n\n{call}"),
        ),
    ];
    all.iter().try_for_each(|(name, text)| seed("headers", name, text.as_bytes()))
}

const TEMPLATES: [(&str, &str); 12] = [
    ("segment", "user://{id}/profile\nuser://7/profile\nAda Lovelace"),
    ("path", "file://{path*}\nfile://a/b/c\na/b/../c"),
    ("path-and-name", "file://{+path}/{name}\nfile://a/b/c\na/b\nc"),
    ("query", "q://{x}{?page,size}\nq://y?size=2&page=a%26b\nx\n1\n&="),
    ("dashes", "t://{a}-{b}\nt://1-2-3\n1-2\n3"),
    ("letters", "t://{a}x{b}\nt://axbxc\naxb\nc"),
    ("escaped", "t://a%20{x}\nt://a%20%C3%BC\n\u{fc}"),
    ("split-escape", "t:%2{x}5\nt:%2a5\nz"),
    ("hostile", "t://{a*}/a/{b*}/a/{c*}/z\nt://a/a/a/a/a\na\na\na"),
    ("no-parameter", "t://x\nt://x"),
    ("broken", "t://{x\nt://y"),
    ("no-text", "t://{x}\nt://%ff\n\u{0}"),
];

const STATES: [(&str, &str); 14] = [
    ("own", ""),
    ("garbage", "state AQIDBA"),
    ("empty", "state "),
    ("flip-version", "flip 0 1"),
    ("flip-key", "flip 3 1"),
    ("flip-late", "flip 200 1"),
    ("cut", "cut 60"),
    ("padded", "add =="),
    ("longer", "add A"),
    ("another-caller", "by bob"),
    ("nobody", "by "),
    ("another-server", "at second"),
    ("another-secret", "secret other"),
    ("another-call", "method prompts/get\ntarget ask\narguments {\"b\":[\"x\",null],\"a\":1}"),
];
