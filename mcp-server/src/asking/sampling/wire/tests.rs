use serde_json::{Value, json};

use crate::asking::{
    ModelPreferences, Sampling, SamplingContent, SamplingMessage, SamplingTool, ToolChoice, ToolUse,
};
use crate::protocol::{Content, Json, Revision, Role, ToolResult};

fn params(request: &Sampling, revision: Revision) -> Value {
    serde_json::to_value(request.params(revision)).unwrap()
}

fn weather() -> SamplingTool {
    let schema = json!({
        "type": "object",
        "properties": { "city": { "type": "string", "description": "City name" } },
        "required": ["city"],
    });
    SamplingTool::new("get_weather", schema).description("Get current weather for a city")
}

fn used(id: &str, city: &str) -> ToolUse {
    let input = json!({ "city": city }).into();
    ToolUse { id: id.to_owned(), name: "get_weather".to_owned(), input, meta: None }
}

#[test]
fn a_question_is_asked_as_in_the_specification() {
    let preferences = ModelPreferences::new().hint("claude-3-sonnet").cost(0.3).intelligence(0.8).speed(0.5);
    let request = Sampling::new(100)
        .user("What is the capital of France?")
        .prefer(preferences)
        .temperature(0.1)
        .system_prompt("You are a helpful assistant.");
    let expected = json!({
        "messages": [{ "role": "user", "content": { "type": "text", "text": "What is the capital of France?" } }],
        "modelPreferences": {
            "hints": [{ "name": "claude-3-sonnet" }],
            "costPriority": 0.3,
            "intelligencePriority": 0.8,
            "speedPriority": 0.5,
        },
        "temperature": 0.1,
        "systemPrompt": "You are a helpful assistant.",
        "maxTokens": 100,
    });
    for revision in Revision::ALL {
        assert_eq!(params(&request, revision), expected, "{revision}");
    }
}

#[test]
fn a_loop_of_tools_is_asked_as_in_the_specification() {
    let (paris, london) = (used("call_abc123", "Paris"), used("call_def456", "London"));
    let results = [
        paris.answered(ToolResult::text("Weather in Paris: 18°C, partly cloudy")),
        london.answered(ToolResult::text("Weather in London: 15°C, rainy")),
    ];
    let uses = [SamplingContent::ToolUse(paris), SamplingContent::ToolUse(london)];
    let request = Sampling::new(1000)
        .user("What's the weather like in Paris and London?")
        .then(SamplingMessage::new(Role::Assistant, uses))
        .results(results)
        .tool(weather())
        .tool_choice(ToolChoice::Auto);
    let result = |id: &str, text: &str| {
        let content = json!([{ "type": "text", "text": text }]);
        json!({ "type": "tool_result", "toolUseId": id, "content": content })
    };
    let expected = json!({
        "messages": [
            { "role": "user", "content": { "type": "text", "text": "What's the weather like in Paris and London?" } },
            { "role": "assistant", "content": [
                { "type": "tool_use", "id": "call_abc123", "name": "get_weather", "input": { "city": "Paris" } },
                { "type": "tool_use", "id": "call_def456", "name": "get_weather", "input": { "city": "London" } },
            ] },
            { "role": "user", "content": [
                result("call_abc123", "Weather in Paris: 18°C, partly cloudy"),
                result("call_def456", "Weather in London: 15°C, rainy"),
            ] },
        ],
        "tools": [{
            "name": "get_weather",
            "description": "Get current weather for a city",
            "inputSchema": {
                "type": "object",
                "properties": { "city": { "type": "string", "description": "City name" } },
                "required": ["city"],
            },
        }],
        "toolChoice": { "mode": "auto" },
        "maxTokens": 1000,
    });
    assert_eq!(request.check(), Ok(()));
    assert_eq!(params(&request, Revision::V2026_07_28), expected);
    assert_eq!(params(&request, Revision::V2025_11_25), expected);
}

#[test]
fn older_revisions_have_one_block_in_a_message_and_the_oldest_no_sound() {
    let content = [SamplingContent::text("Listen:"), Content::audio(vec![0, 1], "audio/wav").into()];
    let request = Sampling::new(1).then(SamplingMessage::new(Role::User, content)).stop_sequence("END");
    let listen = json!({ "type": "text", "text": "Listen:" });
    let audio = json!({ "type": "audio", "data": "AAE=", "mimeType": "audio/wav" });
    let of = |revision| params(&request, revision);
    let together = json!([{ "role": "user", "content": [listen, audio] }]);
    assert_eq!(of(Revision::V2025_11_25)["messages"], together);
    assert_eq!(of(Revision::V2025_11_25)["stopSequences"], json!(["END"]));
    let apart = json!([{ "role": "user", "content": listen }, { "role": "user", "content": audio }]);
    assert_eq!(of(Revision::V2025_06_18)["messages"], apart);
    assert_eq!(of(Revision::V2025_03_26)["messages"], apart);
    let oldest = &of(Revision::V2024_11_05)["messages"][1]["content"];
    assert_eq!(oldest, &json!({ "type": "text", "text": "[audio, audio/wav, 2 bytes]" }));
}

#[test]
fn structured_results_have_a_copy_as_text_and_are_objects_before_2026() {
    let mut result = ToolResult::structured(Json::from(json!(7)));
    result.is_error = true;
    let mut used = used("a", "Paris");
    used.meta = Some(json!({ "k": 1 }).into());
    let answered = used.answered(result);
    let request = Sampling::new(1)
        .then(SamplingMessage::new(Role::Assistant, [SamplingContent::ToolUse(used)]))
        .results([answered]);
    let mut expected = json!({
        "type": "tool_result",
        "toolUseId": "a",
        "content": [{ "type": "text", "text": "7" }],
        "isError": true,
    });
    let result = |revision| params(&request, revision)["messages"][1]["content"].clone();
    assert_eq!(result(Revision::V2025_11_25), expected);
    expected["structuredContent"] = json!(7);
    assert_eq!(result(Revision::V2026_07_28), expected);
    let used = &params(&request, Revision::V2026_07_28)["messages"][0]["content"];
    assert_eq!(used["_meta"], json!({ "k": 1 }));
}
