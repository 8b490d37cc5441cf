//! `requestState`: nothing opens but what was sealed for this very server, caller, method, target and arguments, and that
//! opens; no byte of it can be another one.
//!
//! An input is text, a line for each thing that is done with a state that the server made: `state TEXT` takes another,
//! `flip AT BITS`, `cut AT`, `add TEXT` change it; `by NAME`, `at second`, `secret other`, `method M`, `target T` and
//! `arguments JSON` change who asks whom for what.
#![no_main]

use std::sync::LazyLock;

use larder_fuzz::door::runtime;
use libfuzzer_sys::fuzz_target;
use mcp_server::protocol::{Json, ReadResult, ResourceContents};
use mcp_server::{AskError, Context, Principal, Prompt, ResourceTemplate, Server, Service, TestClient, Tool};
use serde_json::{Value, json};

const GIVEN: &str = r#"{"a":1,"b":["x",null]}"#;

async fn ask(ctx: Context) -> Result<String, AskError> {
    let agreed = ctx.elicit::<()>("Sure?").await?;
    Ok(format!("{agreed:?}"))
}

fn server(name: &str, secret: &[u8]) -> Service {
    let tool = |name: &str| {
        Tool::new(name, json!({ "type": "object" }), |ctx: Context, _: Json| async move { ask(ctx).await })
    };
    let prompt = Prompt::new("ask", [], |ctx: Context, _| async move { ask(ctx).await });
    let page = ResourceTemplate::new("ask://{page}", |ctx: Context, _, _| async move {
        ask(ctx).await.map(|text| ReadResult::new([ResourceContents::text("ask://page", text)]))
    });
    let server = Server::new(name).secret(secret).tool(tool("ask")).tool(tool("other")).prompt(prompt);
    server.resource(page.expect("a template")).build().expect("it builds")
}

struct Servers {
    first: Service,
    /// Another name, the same secret: another server in the same house.
    second: Service,
    /// The same name, another secret.
    foreign: Service,
}

static SERVERS: LazyLock<Servers> = LazyLock::new(|| Servers {
    first: server("first", &[1; 32]),
    second: server("second", &[1; 32]),
    foreign: server("first", &[2; 32]),
});

/// Who asks whom for what.
#[derive(Clone, Debug)]
struct Case<'a> {
    server: &'a str,
    secret: &'a str,
    by: &'a str,
    method: &'a str,
    target: &'a str,
    arguments: &'a str,
}

const SEALED_FOR: Case<'static> =
    Case { server: "first", secret: "own", by: "ada", method: "tools/call", target: "ask", arguments: GIVEN };

/// A state that the server made. It expires in an hour, which is longer than a run.
static STATE: LazyLock<String> = LazyLock::new(|| {
    let asked = SEALED_FOR.asked(None).expect("it asks");
    asked["requestState"].as_str().expect("a state").to_owned()
});

fuzz_target!(init: opens_at_all(), |data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (mut state, mut case) = (STATE.clone().into_bytes(), SEALED_FOR);
    for line in text.split('\n') {
        let (what, how) = line.split_once(' ').unwrap_or((line, ""));
        match what {
            "state" => state = how.as_bytes().to_vec(),
            "flip" => flip(&mut state, how),
            "cut" => state.truncate(how.parse().unwrap_or(usize::MAX)),
            "add" => state.extend_from_slice(how.as_bytes()),
            "by" => case.by = how,
            "at" => case.server = how,
            "secret" => case.secret = how,
            "method" => case.method = how,
            "target" => case.target = how,
            "arguments" => case.arguments = how,
            _ => {}
        }
    }
    // A flipped byte may be no text: then no client can send it.
    if let Ok(state) = String::from_utf8(state) {
        judge(&case, &state);
    }
});

fn opens_at_all() {
    judge(&SEALED_FOR, &STATE);
}

fn flip(state: &mut [u8], how: &str) {
    let mut numbers = how.split(' ').filter_map(|number| number.parse::<usize>().ok());
    if let (Some(at), Some(bits)) = (numbers.next(), numbers.next())
        && let Some(byte) = state.get_mut(at)
    {
        *byte ^= u8::try_from(bits % 256).unwrap_or_default();
    }
}

fn judge(case: &Case<'_>, state: &str) {
    let same_case = case.is_sealed_for();
    match case.asked(Some(state)) {
        Some(result) => {
            assert!(same_case && state == *STATE, "{case:?} opened {state}: {result}");
            assert!(result.to_string().contains("Declined"), "the answer counts: {result}");
        }
        None => assert!(!(case.same_bytes() && state == *STATE), "its own state is refused"),
    }
}

impl Case<'_> {
    fn service(&self) -> &'static Service {
        match (self.server, self.secret) {
            (_, "other") => &SERVERS.foreign,
            ("second", _) => &SERVERS.second,
            _ => &SERVERS.first,
        }
    }

    fn principal(&self) -> Principal {
        match self.by {
            "" => Principal::anonymous(),
            "local" => Principal::local(),
            name => name.split_once('@').map_or_else(
                || Principal::user("https://issuer.example", name),
                |(subject, issuer)| Principal::user(issuer, subject),
            ),
        }
    }

    /// Whether this is what the state was sealed for, as far as anybody can tell from the values.
    fn is_sealed_for(&self) -> bool {
        let arguments = |text: &str| serde_json::from_str::<Value>(text).ok();
        self.is_elsewhere_the_same() && arguments(self.arguments) == arguments(GIVEN)
    }

    fn same_bytes(&self) -> bool {
        self.is_elsewhere_the_same() && self.arguments == GIVEN
    }

    fn is_elsewhere_the_same(&self) -> bool {
        let same_server = std::ptr::eq(self.service(), &SERVERS.first);
        let same_caller = self.principal() == SEALED_FOR.principal();
        same_server && same_caller && (self.method, self.target) == (SEALED_FOR.method, SEALED_FOR.target)
    }

    /// The result, `None` for a refusal. With a state it comes with an answer to the question.
    fn asked(&self, state: Option<&str>) -> Option<Value> {
        let arguments = serde_json::from_str::<Value>(self.arguments).unwrap_or(Value::Null);
        let mut params = match self.method {
            "resources/read" => json!({ "uri": format!("ask://{}", self.target) }),
            _ => json!({ "name": self.target, "arguments": arguments }),
        };
        if let Some(state) = state {
            params["requestState"] = json!(state);
            params["inputResponses"] = json!({ "question-1": { "action": "decline" } });
        }
        let client: TestClient = self.service().test_client().principal(self.principal());
        let client = client.capabilities(json!({ "elicitation": {} }));
        let asked = runtime().block_on(client.request(self.method, params)).ok()?;
        // What has no state to open may answer whatever it likes: a list, a `discover`.
        let opens = ["tools/call", "prompts/get", "resources/read"].contains(&self.method);
        opens.then_some(asked)
    }
}
