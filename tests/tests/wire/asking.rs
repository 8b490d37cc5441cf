//! What servers ask their clients: in rounds on 2026-07-28 (basic/patterns/mrtr), by requests on the client's own stream
//! before (2025-11-25, client/elicitation).

use std::time::Duration;

use larder_tests::effects::Effects;
use mcp_server::protocol::{Revision, ToolResult};
use mcp_server::{
    AskError, Asked, Capability, Context, Elicited, Form, Page, Principal, Resource, Sampling, SamplingTool,
    Server, State, StaticTokens, Tool, ToolChoice, prompt, resource, tool,
};
use serde_json::{Value, json};

use crate::client::{Client, Reply, text};
use crate::harness::{Harness, NotShown, Shown, Site, Transport, only};
use crate::talk::{Talk, answer};
use crate::unasked::Told;

const INVALID_REQUEST: i64 = -32_600;
const MISSING_CAPABILITY: i64 = -32_021;
const URL_ELICITATION_REQUIRED: i64 = -32_042;

#[derive(Form)]
struct Confirm {
    /// Book it?
    sure: bool,
}

#[derive(Form)]
struct Guests {
    #[form(min = 1, max = 8)]
    guests: u8,
}

/// Books a room.
#[tool]
async fn book(
    room: String,
    /// Book the room {room}?
    ok: Asked<Confirm>,
    #[arg(ask = "How many come to {room}?")] guests: Asked<Elicited<Guests>>,
    effects: State<Effects>,
) -> String {
    effects.mark("ran");
    let guests = guests.into_inner().accepted().map(|form| form.guests);
    format!("{room} {} {guests:?}", ok.sure)
}

/// The plan of a room, for who says why.
#[resource("plan://{room}")]
async fn plan(
    room: String,
    #[arg(ask = "Look at {room}?")] ok: Asked<Confirm>,
    effects: State<Effects>,
) -> String {
    effects.mark("ran");
    format!("{room} {}", ok.sure)
}

/// Invites somebody.
#[prompt]
fn invite(
    name: String,
    #[arg(ask = "Invite {name}?")] ok: Asked<Confirm>,
    effects: State<Effects>,
) -> String {
    effects.mark("ran");
    format!("{name} {}", ok.sure)
}

#[tool(requires(elicitation(url)))]
async fn connect(ctx: Context) -> Result<String, AskError> {
    let page = Page::new("https://mcp.example/connect?to=files").holding(&"files").expect("it is text");
    let answer = ctx.elicit_page("Connect your files.", &page).await?;
    Ok(format!("{answer:?}"))
}

#[tool]
async fn fetch(ctx: Context, effects: State<Effects>) -> Result<String, AskError> {
    if !effects.has("connected") {
        let page = Page::new("https://mcp.example/connect").holding(&"files").expect("it is text");
        let _agreed = ctx.require_page("Connect your files.", &page).await?;
    }
    Ok(if effects.has("connected") { "fetched" } else { "not connected yet" }.to_owned())
}

fn forms() -> Value {
    json!({ "elicitation": { "form": {}, "url": {} } })
}

fn server(effects: &Effects) -> Server {
    let tokens = StaticTokens::new().token("ada", Principal::user("test", "ada"));
    let server = Server::new("asking").state(effects.clone()).authenticate(tokens);
    server.tool(book).tool(connect).tool(fetch).resource(plan).prompt(invite)
}

async fn site(h: Harness) -> (Site, Effects) {
    let effects = Effects::default();
    (h.serve(server(&effects)).await, effects)
}

/// A client that can be asked, of a revision that has forms.
async fn client(h: Harness) -> Result<(Client, Effects), NotShown> {
    only_with_forms(h)?;
    let (site, effects) = site(h).await;
    Ok((site.client_of(forms(), Some("ada")).await, effects))
}

fn only_with_forms(h: Harness) -> Shown {
    let has = !matches!(h.revision, Revision::V2024_11_05 | Revision::V2025_03_26);
    only(has, "a matter of revisions with forms")
}

fn only_with_pages(h: Harness) -> Shown {
    let has = matches!(h.revision, Revision::V2025_11_25 | Revision::V2026_07_28);
    only(has, "a matter of revisions with pages")
}

/// Who is behind the client.
fn ada(h: Harness) -> Principal {
    if h.is_http() { Principal::user("test", "ada") } else { Principal::local() }
}

fn accepted(content: &Value) -> Value {
    json!({ "action": "accept", "content": content })
}

/// The questions of a call by their keys, or in the order in which they came; and how the call ends once they are
/// answered by `answers`, in the order of the keys.
async fn played(
    h: Harness,
    client: &Client,
    method: &str,
    params: Value,
    answers: &[(&str, Value)],
) -> (Vec<Value>, Reply) {
    if h.is_stateless() {
        let asked = client.result(method, params.clone()).await;
        let questions = questions(&asked, answers);
        assert!(questions.iter().all(|question| question["method"] == "elicitation/create"), "{asked}");
        let questions = questions.into_iter().map(|question| question["params"].clone()).collect();
        return (questions, client.request(method, again(params, &asked, answers)).await);
    }
    let mut talk = Talk::begin(client, method, params).await;
    let mut questions = Vec::new();
    for _ in answers {
        questions.push(talk.next().await); // all of them come before any is answered
    }
    for (question, (_, result)) in questions.iter().zip(answers) {
        assert_eq!(question["method"], "elicitation/create", "{question}");
        answer(client, question, result.clone()).await;
    }
    let questions = questions.iter().map(|question| question["params"].clone()).collect();
    (questions, talk.end().await)
}

/// The questions of a result of 2026-07-28, which are those that there are answers to.
fn questions<'a>(asked: &'a Value, answers: &[(&str, Value)]) -> Vec<&'a Value> {
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let requests = asked["inputRequests"].as_object().unwrap();
    assert_eq!(requests.len(), answers.len(), "{asked}");
    answers.iter().map(|(key, _)| &requests[*key]).collect()
}

/// The params of the next round.
fn again(mut params: Value, asked: &Value, answers: &[(&str, Value)]) -> Value {
    params["inputResponses"] =
        answers.iter().map(|(key, answer)| ((*key).to_owned(), answer.clone())).collect();
    params["requestState"] = asked["requestState"].clone();
    params
}

/// What a tool asks, one thing after the other, and its answer once each has had its own.
async fn asked_in_turn(h: Harness, client: &Client, tool: &str, answers: &[Value]) -> (Vec<Value>, Reply) {
    let (mut params, mut asked) = (json!({ "name": tool, "arguments": {} }), Vec::new());
    if h.is_stateless() {
        for (number, result) in answers.iter().enumerate() {
            let round = client.result("tools/call", params.clone()).await;
            let answer = [(&*format!("question-{}", number + 1), result.clone())];
            asked.push(questions(&round, &answer)[0].clone());
            params = again(params, &round, &answer);
        }
        return (asked, client.request("tools/call", params).await);
    }
    let mut talk = Talk::begin(client, "tools/call", params).await;
    for result in answers {
        let question = talk.next().await;
        answer(client, &question, result.clone()).await;
        asked.push(question);
    }
    (asked, talk.end().await)
}

/// A call is refused for want of this capability, and nothing is asked.
async fn assert_lacks(h: Harness, client: &Client, tool: &str, capability: Value) {
    let reply = client.request("tools/call", json!({ "name": tool, "arguments": {} })).await;
    if h.is_stateless() {
        reply.assert_error(MISSING_CAPABILITY, 400);
    } else {
        reply.assert_error(INVALID_REQUEST, 200);
    }
    assert_eq!(reply.message["error"]["data"], json!({ "requiredCapabilities": capability }));
}

/// Asks the model, which may look at a thermometer.
#[tool]
async fn weather(ctx: Context) -> Result<String, AskError> {
    let city = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
    let look = SamplingTool::new("look", city).description("Looks at a thermometer");
    let request = Sampling::new(100).user("Warm in Oslo?").tool(look).tool_choice(ToolChoice::Auto);
    let sampled = ctx.sample(&request).await?;
    let results: Vec<_> = sampled.tool_uses().map(|used| used.answered(ToolResult::text("18 °C"))).collect();
    Ok(ctx.sample(&request.then(sampled.into_message()).results(results)).await?.text())
}

pub(crate) async fn a_model_uses_tools_on_2025_11_25_and_2026_07_28_alone(h: Harness) -> Shown {
    let site = h.serve(Server::new("asking").tool(weather)).await;
    let without = site.client_of(json!({ "sampling": {} }), None).await;
    assert_lacks(h, &without, "weather", json!({ "sampling": { "tools": {} } })).await;
    let client = site.client_of(json!({ "sampling": { "tools": {} } }), None).await;
    if !matches!(h.revision, Revision::V2025_11_25 | Revision::V2026_07_28) {
        assert_lacks(h, &client, "weather", json!({ "sampling": { "tools": {} } })).await;
        return Ok(());
    }
    let used = json!({ "type": "tool_use", "id": "u1", "name": "look", "input": { "city": "Oslo" } });
    let turn = json!({ "role": "assistant", "content": [used], "model": "m", "stopReason": "toolUse" });
    let text_of_it = json!({ "type": "text", "text": "Yes, 18 °C." });
    let says = json!({ "role": "assistant", "content": text_of_it, "model": "m", "stopReason": "endTurn" });
    let (asked, reply) = asked_in_turn(h, &client, "weather", &[turn, says]).await;
    assert_eq!(text(&reply.result()), "Yes, 18 °C.");
    for question in &asked {
        assert_eq!(question["method"], "sampling/createMessage", "{question}");
        let params = &question["params"];
        assert_eq!((&params["tools"][0]["name"], &params["maxTokens"]), (&json!("look"), &json!(100)));
        assert_eq!(params["tools"][0]["inputSchema"]["type"], "object", "{params}");
        assert_eq!(params["toolChoice"], json!({ "mode": "auto" }));
    }
    let messages = asked[1]["params"]["messages"].as_array().unwrap();
    let roles: Vec<_> = messages.iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "user"]);
    let block = |message: &Value| {
        let content = &message["content"];
        content.as_array().map_or_else(|| content.clone(), |blocks| blocks[0].clone())
    };
    assert_eq!(block(&messages[1]), used);
    let result = block(&messages[2]);
    assert_eq!((&result["type"], &result["toolUseId"]), (&json!("tool_result"), &json!("u1")));
    assert_eq!(result["content"][0]["text"], "18 °C");
    Ok(())
}

/// Asks which folders the client works in.
#[tool]
async fn folders(ctx: Context) -> Result<String, AskError> {
    let roots = ctx.roots().await?;
    let names = roots.into_iter().map(|root| format!("{} {}", root.uri, root.name.unwrap_or_default()));
    Ok(names.collect::<Vec<_>>().join(", "))
}

pub(crate) async fn a_client_that_has_roots_is_asked_for_them(h: Harness) -> Shown {
    let site = h.serve(Server::new("asking").tool(folders)).await;
    let without = site.client_of(forms(), None).await;
    assert_lacks(h, &without, "folders", json!({ "roots": {} })).await;
    let client = site.client_of(json!({ "roots": { "listChanged": true } }), None).await;
    let roots = json!({ "roots": [{ "uri": "file:///a", "name": "A" }, { "uri": "file:///b" }] });
    let (asked, reply) = asked_in_turn(h, &client, "folders", &[roots]).await;
    assert_eq!(asked[0]["method"], "roots/list", "{asked:?}");
    assert_eq!(text(&reply.result()), "file:///a A, file:///b ");
    let unfit = json!({ "roots": [{ "uri": "https://a.example" }] });
    let (_, reply) = asked_in_turn(h, &client, "folders", std::slice::from_ref(&unfit)).await;
    if h.is_stateless() {
        assert_eq!(reply.result()["resultType"], "input_required", "it is asked again");
    } else {
        reply.assert_error(-32_603, 200);
    }
    Ok(())
}

pub(crate) async fn what_is_asked_first_is_no_argument_and_asked_at_once(h: Harness) -> Shown {
    let (client, effects) = client(h).await?;
    let list = client.result("tools/list", json!({})).await;
    let schema =
        &list["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "book").unwrap()["inputSchema"];
    assert_eq!(schema["properties"].as_object().unwrap().keys().collect::<Vec<_>>(), ["room"]);
    let params = json!({ "name": "book", "arguments": { "room": "Oak" } });
    let answers = [("ok", accepted(&json!({ "sure": true }))), ("guests", accepted(&json!({ "guests": 3 })))];
    let (questions, reply) = played(h, &client, "tools/call", params, &answers).await;
    assert_eq!(questions[0]["message"], "Book the room Oak?");
    assert_eq!(questions[1]["message"], "How many come to Oak?");
    assert_eq!(questions[1]["requestedSchema"]["required"], json!(["guests"]));
    assert!(effects.has("ran"));
    assert_eq!(text(&reply.result()), "Oak true Some(3)");
    Ok(())
}

pub(crate) async fn a_resource_and_a_prompt_ask_first_too(h: Harness) -> Shown {
    let (client, _) = client(h).await?;
    let sure = [("ok", accepted(&json!({ "sure": true })))];
    let (asked, read) = played(h, &client, "resources/read", json!({ "uri": "plan://Oak" }), &sure).await;
    assert_eq!(asked[0]["message"], "Look at Oak?");
    assert_eq!(read.result()["contents"][0]["text"], "Oak true");
    let params = json!({ "name": "invite", "arguments": { "name": "Bob" } });
    let (asked, got) = played(h, &client, "prompts/get", params, &sure).await;
    assert_eq!(asked[0]["message"], "Invite Bob?");
    assert_eq!(got.result()["messages"][0]["content"]["text"], "Bob true");
    Ok(())
}

pub(crate) async fn where_the_person_declines_nothing_runs_unless_it_looks(h: Harness) -> Shown {
    let (client, effects) = client(h).await?;
    let guests = || accepted(&json!({ "guests": 3 }));
    for (action, did) in [("decline", "declined"), ("cancel", "closed the question")] {
        let params = json!({ "name": "book", "arguments": { "room": "Oak" } });
        let answers = [("ok", json!({ "action": action })), ("guests", guests())];
        let (_, reply) = played(h, &client, "tools/call", params, &answers).await;
        let result = reply.result();
        assert_eq!(result["isError"], true);
        assert!(text(&result).contains(did) && text(&result).contains("`ok`"), "{result}");
        let no = [("ok", json!({ "action": action }))];
        let (_, read) = played(h, &client, "resources/read", json!({ "uri": "plan://Oak" }), &no).await;
        read.assert_error(INVALID_REQUEST, 200);
    }
    assert!(!effects.has("ran"));
    let params = json!({ "name": "book", "arguments": { "room": "Oak" } });
    let answers = [("ok", accepted(&json!({ "sure": false }))), ("guests", json!({ "action": "decline" }))];
    let (_, reply) = played(h, &client, "tools/call", params, &answers).await;
    assert_eq!(text(&reply.result()), "Oak false None");
    Ok(())
}

pub(crate) async fn who_cannot_be_asked_is_refused_before_anything_runs(h: Harness) -> Shown {
    let (site, effects) = site(h).await;
    let mute = site.client_of(json!({ "sampling": {} }), Some("ada")).await;
    for (method, params, part) in [
        ("tools/call", json!({ "name": "book", "arguments": { "room": "Oak" } }), "form"),
        ("tools/call", json!({ "name": "connect", "arguments": {} }), "url"),
        ("resources/read", json!({ "uri": "plan://Oak" }), "form"),
        ("prompts/get", json!({ "name": "invite", "arguments": { "name": "Bob" } }), "form"),
    ] {
        let reply = mute.request(method, params).await;
        if h.is_stateless() {
            reply.assert_error(MISSING_CAPABILITY, 400);
        } else {
            reply.assert_error(INVALID_REQUEST, 200);
        }
        assert_eq!(
            reply.message["error"]["data"],
            json!({ "requiredCapabilities": { "elicitation": { part: {} } } })
        );
        let http = reply.http.as_ref();
        assert!(http.is_none_or(|http| http.header("content-type") == Some("application/json")), "{reply:?}");
    }
    assert!(!effects.has("ran"));
    Ok(())
}

pub(crate) async fn an_extension_that_a_tool_needs_is_asked_of_the_client(h: Harness) -> Shown {
    let tool = Tool::new("shown", json!({ "type": "object" }), |ctx: Context, _| async move {
        let settings = ctx.client_extension("com.example/view").expect("it is required");
        format!("{} {}", settings.as_str(), ctx.client_extension("com.example/other").is_none())
    });
    let tool = tool.requires(Capability::Extension("com.example/view"));
    let site = h.serve(Server::new("extended").tool(tool)).await;
    let call = json!({ "name": "shown", "arguments": {} });
    for lacking in
        [json!({}), json!({ "extensions": {} }), json!({ "extensions": { "com.example/view": true } })]
    {
        let reply = site.client_of(lacking, None).await.request("tools/call", call.clone()).await;
        let (code, status) =
            if h.is_stateless() { (MISSING_CAPABILITY, 400) } else { (INVALID_REQUEST, 200) };
        reply.assert_error(code, status);
        let lacks = json!({ "requiredCapabilities": { "extensions": { "com.example/view": {} } } });
        assert_eq!(reply.message["error"]["data"], lacks);
    }
    let able = site.client_of(json!({ "extensions": { "com.example/view": { "depth": 2 } } }), None).await;
    assert_eq!(text(&able.call("shown", json!({})).await), r#"{"depth":2} true"#);
    Ok(())
}

/// The ticket that a URL ends in.
fn ticket(question: &Value) -> String {
    let url = question["url"].as_str().unwrap();
    url.split_once("ticket=").unwrap().1.to_owned()
}

pub(crate) async fn a_page_is_opened_once_by_who_was_sent_there(h: Harness) -> Shown {
    only_with_pages(h)?;
    let (site, _) = site(h).await;
    let client = site.client_of(forms(), Some("ada")).await;
    let params = json!({ "name": "connect", "arguments": {} });
    let (asked, reply) =
        played(h, &client, "tools/call", params, &[("question-1", json!({ "action": "accept" }))]).await;
    assert_eq!(text(&reply.result()), "Accepted(())");
    let question = &asked[0];
    assert_eq!(question["mode"], "url");
    assert!(question["url"].as_str().unwrap().starts_with("https://mcp.example/connect?to=files&ticket="));
    assert_eq!(question.get("elicitationId").is_some(), !h.is_stateless(), "{question}");
    let (pages, ticket) = (site.service().pages(), ticket(question));
    for other in [Principal::user("test", "eve"), Principal::user("other", "ada"), Principal::anonymous()] {
        assert!(pages.open::<String>(&ticket, &other).await.unwrap().is_none(), "{other:?}");
    }
    let opened = pages.open::<String>(&ticket, &ada(h)).await.unwrap().expect("the same person");
    assert_eq!(opened.holds, "files");
    if !h.is_stateless() {
        assert_eq!(question["elicitationId"], opened.elicitation.id());
    }
    assert!(pages.open::<String>(&ticket, &ada(h)).await.unwrap().is_none(), "twice");
    Ok(())
}

pub(crate) async fn that_a_page_is_done_is_told_to_its_session_on_2025_11_25_alone(h: Harness) -> Shown {
    only_with_pages(h)?;
    let (site, _) = site(h).await;
    let client = site.client_of(forms(), Some("ada")).await;
    let params = json!({ "name": "connect", "arguments": {} });
    let (asked, _) =
        played(h, &client, "tools/call", params, &[("question-1", json!({ "action": "accept" }))]).await;
    let opened = site.service().pages().open::<String>(&ticket(&asked[0]), &ada(h)).await.unwrap().unwrap();
    if h.is_stateless() {
        let (mut told, _) =
            Told::of(&client, json!("s"), json!({ "resourceSubscriptions": ["plan://Oak"] })).await;
        site.service().pages().complete(&opened.elicitation);
        site.service().resource_updated("plan://Oak");
        told.assert_updated("plan://Oak").await; // and nothing before it
        return Ok(());
    }
    let mut told = Told::in_session(&site, &client).await;
    site.service().pages().complete(&opened.elicitation);
    let message = told.next().await.unwrap();
    assert_eq!(message["method"], "notifications/elicitation/complete");
    assert_eq!(message["params"], json!({ "elicitationId": asked[0]["elicitationId"] }));
    Ok(())
}

pub(crate) async fn what_needs_a_page_first_is_minus_32042_on_2025_11_25_alone(h: Harness) -> Shown {
    let (site, effects) = site(h).await;
    let client = site.client_of(forms(), Some("ada")).await;
    let params = json!({ "name": "fetch", "arguments": {} });
    let fetched = |reply: Reply| text(&reply.result()).to_owned();
    match h.revision {
        Revision::V2025_11_25 => {
            let reply = client.request("tools/call", params.clone()).await;
            reply.assert_error(URL_ELICITATION_REQUIRED, 200);
            let elicitations = &reply.message["error"]["data"]["elicitations"];
            assert_eq!(elicitations.as_array().map(Vec::len), Some(1));
            assert_eq!(
                (&elicitations[0]["mode"], &elicitations[0]["message"]),
                (&json!("url"), &json!("Connect your files."))
            );
            let opened = site
                .service()
                .pages()
                .open::<String>(&ticket(&elicitations[0]), &ada(h))
                .await
                .unwrap()
                .unwrap();
            assert_eq!(elicitations[0]["elicitationId"], opened.elicitation.id());
        }
        Revision::V2026_07_28 => {
            let answers = [("question-1", json!({ "action": "accept" }))];
            let (_, reply) = played(h, &client, "tools/call", params.clone(), &answers).await;
            assert_eq!(fetched(reply), "not connected yet");
        }
        _ => {
            let reply = client.request("tools/call", params.clone()).await;
            reply.assert_error(INVALID_REQUEST, 200);
            assert!(reply.message["error"]["data"]["requiredCapabilities"].is_object(), "{reply:?}");
        }
    }
    effects.mark("connected");
    assert_eq!(fetched(client.request("tools/call", params).await), "fetched");
    Ok(())
}

pub(crate) async fn an_anonymous_caller_is_sent_to_no_page(h: Harness) -> Shown {
    only_with_pages(h)?;
    only(h.is_http(), "elsewhere it is whoever started the process")?;
    let site = h.serve(Server::new("open").state(Effects::default()).tool(connect).tool(fetch)).await;
    let client = site.client_of(forms(), None).await;
    for name in ["connect", "fetch"] {
        let reply = client.request("tools/call", json!({ "name": name, "arguments": {} })).await;
        reply.assert_error(-32_603, 200);
        assert!(reply.text.contains("anonymous") && !reply.text.contains("ticket"), "{reply:?}");
    }
    Ok(())
}

pub(crate) async fn nothing_is_asked_before_the_client_is_initialized(h: Harness) -> Shown {
    h.only_handshake()?;
    only_with_forms(h)?;
    only(h.transport != Transport::Memory, "its client is initialized at once")?;
    let (site, effects) = site(h).await;
    let mut client = site.stranger(forms(), Some("ada"));
    let hello = client.initialize(h.revision.as_str()).await;
    client.session = hello.http.as_ref().map(|http| http.header("mcp-session-id").unwrap().to_owned());
    let params = json!({ "name": "book", "arguments": { "room": "Oak" } });
    let mut talk = Talk::begin(&client, "tools/call", params).await;
    assert_eq!(client.result("ping", json!({})).await, json!({}));
    assert_eq!(talk.silent_for(Duration::from_millis(600)).await, Ok(()));
    client.notify("notifications/initialized", json!({})).await;
    for content in [json!({ "sure": true }), json!({ "guests": 2 })] {
        let question = talk.next().await;
        assert_eq!(question["method"], "elicitation/create", "{question}");
        answer(&client, &question, accepted(&content)).await;
    }
    assert_eq!(text(&talk.end().await.result()), "Oak true Some(2)");
    assert!(effects.has("ran"));
    Ok(())
}

pub(crate) async fn a_question_that_nobody_waits_for_any_more_is_cancelled(h: Harness) -> Shown {
    h.only_handshake()?;
    let (client, effects) = client(h).await?;
    let params = json!({ "name": "book", "arguments": { "room": "Oak" } });
    let mut talk = Talk::begin(&client, "tools/call", params).await;
    let (ok, guests) = (talk.next().await, talk.next().await);
    answer(&client, &ok, json!({ "action": "decline" })).await;
    let cancelled = talk.next().await;
    assert_eq!(cancelled["method"], "notifications/cancelled", "{cancelled}");
    assert_eq!(cancelled["params"]["requestId"], guests["id"]);
    assert_eq!(talk.end().await.result()["isError"], true);
    assert!(!effects.has("ran"));
    Ok(())
}

pub(crate) async fn questions_stand_on_the_stream_of_their_own_request(h: Harness) -> Shown {
    h.only_handshake()?;
    h.only_http()?;
    let (client, _) = client(h).await?;
    let begin = |room: &str| json!({ "name": "book", "arguments": { "room": room } });
    let mut oak = Talk::begin(&client, "tools/call", begin("Oak")).await;
    let mut elm = Talk::begin(&client, "tools/call", begin("Elm")).await;
    for (talk, room) in [(&mut elm, "Elm"), (&mut oak, "Oak")] {
        for content in [json!({ "sure": true }), json!({ "guests": 2 })] {
            let question = talk.next().await;
            assert!(question["params"]["message"].as_str().unwrap().contains(room), "{question}");
            let id = question["id"].as_str().unwrap();
            assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
            answer(&client, &question, accepted(&content)).await;
        }
    }
    assert_eq!(text(&elm.end().await.result()), "Elm true Some(2)");
    assert_eq!(text(&oak.end().await.result()), "Oak true Some(2)");
    Ok(())
}

pub(crate) async fn a_question_has_five_minutes(h: Harness) -> Shown {
    h.only_handshake()?;
    let (client, effects) = client(h).await?;
    let params = json!({ "name": "book", "arguments": { "room": "Oak" } });
    let mut talk = Talk::begin(&client, "tools/call", params).await;
    let questions = [talk.next().await, talk.next().await];
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(5 * 60 + 1)).await;
    tokio::time::resume();
    let mut withdrawn = [talk.next().await, talk.next().await];
    withdrawn.sort_by_key(|message| {
        questions.iter().position(|asked| asked["id"] == message["params"]["requestId"])
    });
    for (message, question) in withdrawn.iter().zip(&questions) {
        assert_eq!(message["method"], "notifications/cancelled", "{message}");
        assert_eq!(message["params"]["requestId"], question["id"]);
    }
    talk.end().await.assert_error(-32_603, 200);
    assert!(!effects.has("ran"));
    Ok(())
}

#[tool]
async fn insist(ctx: Context) -> Result<String, AskError> {
    loop {
        let answer = ctx.elicit::<Confirm>("Sure?").await?;
        if answer.accepted().is_some_and(|form| form.sure) {
            return Ok("at last".to_owned());
        }
    }
}

pub(crate) async fn a_loop_that_asks_ends(h: Harness) -> Shown {
    only_with_forms(h)?;
    only(!h.is_stateless(), "there a client would send a hundred requests")?;
    let client = h.serve(Server::new("insisting").tool(insist)).await.client_of(forms(), None).await;
    let mut talk = Talk::begin(&client, "tools/call", json!({ "name": "insist", "arguments": {} })).await;
    for _ in 0..100 {
        let question = talk.next().await;
        answer(&client, &question, json!({ "action": "decline" })).await;
    }
    let reply = talk.end().await;
    reply.assert_error(-32_603, 200);
    assert!(reply.text.contains("100 questions"), "{reply:?}");
    Ok(())
}

/// What nobody may find out: a resource that asks, and is not for this caller.
pub(crate) async fn rights_come_before_what_is_needed(h: Harness) -> Shown {
    let hidden = Resource::new("plan://hidden", |_: Context, _| async { "secret" })
        .requires(Capability::Elicitation)
        .check(|_| async { Err(mcp_server::Refusal::new("for nobody")) });
    let client = h.serve(Server::new("asking").resource(hidden)).await.client().await;
    let reply = client.request("resources/read", json!({ "uri": "plan://hidden" })).await;
    assert!(reply.message.get("error").is_some() && !reply.text.contains("elicitation"), "{reply:?}");
    Ok(())
}
