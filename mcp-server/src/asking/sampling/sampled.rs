//! What a model answered.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::message::{SamplingContent, SamplingMessage, ToolUse};
use crate::asking::Answers;
use crate::protocol::{Content, Json, Role};

/// What the client's model answered (client/sampling, "Result Fields").
///
/// Deprecated since 2026-07-28 (SEP-2577), with [`Sampling`](crate::Sampling).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Sampled {
    /// Who says it: the model, as a rule.
    pub role: Role,
    /// What is said.
    pub content: Vec<SamplingContent>,
    /// The model's name.
    pub model: String,
    /// Why it stopped: `endTurn`, `stopSequence`, `maxTokens`, `toolUse`, or a word of the provider's.
    pub stop_reason: Option<String>,
}

impl Sampled {
    /// All its text.
    pub fn text(&self) -> String {
        let text = |content: &SamplingContent| match content {
            SamplingContent::Block(Content::Text { text, .. }) => Some(text.clone()),
            _ => None,
        };
        self.content.iter().filter_map(text).collect()
    }

    /// The tools that the model wants to use. Each needs its result before the conversation goes on.
    pub fn tool_uses(&self) -> impl Iterator<Item = &ToolUse> {
        self.content.iter().filter_map(|content| match content {
            SamplingContent::ToolUse(used) => Some(used),
            _ => None,
        })
    }

    /// The answer as a message, for the conversation to go on.
    pub fn into_message(self) -> SamplingMessage {
        SamplingMessage::new(self.role, self.content)
    }
}

impl Answers for Sampled {
    fn read(result: &Json) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer<'a> {
            role: Role,
            #[serde(borrow)]
            content: &'a RawValue,
            model: String,
            #[serde(default)]
            stop_reason: Option<String>,
        }
        let answer: Option<Answer<'_>> =
            serde_json::from_slice(result.as_bytes()).ok().filter(|_| result.is_object());
        let answer = answer.ok_or("the answer must have a `role`, `content` and a `model`")?;
        let Answer { role, model, stop_reason, .. } = answer;
        Ok(Self { role, content: blocks(answer.content)?, model, stop_reason })
    }
}

/// One block or a list of them.
fn blocks(content: &RawValue) -> Result<Vec<SamplingContent>, String> {
    if !content.get().starts_with('[') {
        return Ok(vec![block(content)?]);
    }
    let blocks: Vec<&RawValue> =
        serde_json::from_str(content.get()).map_err(|_| "`content` must be a list of blocks".to_owned())?;
    blocks.into_iter().map(block).collect()
}

#[derive(Deserialize)]
struct ToolUseBlock<'a> {
    id: String,
    name: String,
    #[serde(borrow)]
    input: &'a RawValue,
    #[serde(borrow, rename = "_meta", default)]
    meta: Option<&'a RawValue>,
}

fn block(block: &RawValue) -> Result<SamplingContent, String> {
    #[derive(Deserialize)]
    struct Typed {
        #[serde(rename = "type")]
        kind: String,
    }
    let Ok(Typed { kind }) = serde_json::from_str(block.get()) else {
        return Err("`content` must be a block with a `type`, or a list of such".to_owned());
    };
    match kind.as_str() {
        "text" => content(block).ok_or("a block of `text` must have a `text`"),
        "image" => {
            content(block).ok_or("a block of type `image` must have base64 as `data`, and a `mimeType`")
        }
        "audio" => {
            content(block).ok_or("a block of type `audio` must have base64 as `data`, and a `mimeType`")
        }
        "tool_use" => tool_use(block)
            .ok_or("a block of type `tool_use` must have an `id`, a `name` and an object as `input`"),
        _ => Err("a block is of a type that a model does not answer with"),
    }
    .map_err(str::to_owned)
}

fn content(block: &RawValue) -> Option<SamplingContent> {
    serde_json::from_str(block.get()).ok().map(SamplingContent::Block)
}

fn tool_use(block: &RawValue) -> Option<SamplingContent> {
    let ToolUseBlock { id, name, input, meta } = serde_json::from_str(block.get()).ok()?;
    let (input, meta) = (json(input), meta.map(json));
    let fits = !id.is_empty() && input.is_object() && meta.as_ref().is_none_or(Json::is_object);
    fits.then_some(SamplingContent::ToolUse(ToolUse { id, name, input, meta }))
}

fn json(value: &RawValue) -> Json {
    Json::trusted(value.get().to_owned().into())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Answers as _, Sampled};
    use crate::asking::Sampling;
    use crate::asking::sampling::SamplingContent;
    use crate::protocol::{Content, Json, Role, ToolResult};

    fn read(result: Value) -> Result<Sampled, String> {
        Sampled::read(&result.into())
    }

    fn with_content(content: &Value) -> Result<Sampled, String> {
        read(json!({ "role": "assistant", "content": content, "model": "m" }))
    }

    #[test]
    fn one_block_is_read_as_in_the_specification() {
        let sampled = read(json!({
            "role": "assistant",
            "content": { "type": "text", "text": "The capital of France is Paris." },
            "model": "claude-3-sonnet-20240307",
            "stopReason": "endTurn",
        }));
        let sampled = sampled.unwrap();
        assert_eq!(
            (sampled.role, sampled.text().as_str()),
            (Role::Assistant, "The capital of France is Paris.")
        );
        assert_eq!(
            (sampled.model.as_str(), sampled.stop_reason.as_deref()),
            ("claude-3-sonnet-20240307", Some("endTurn"))
        );
        assert_eq!(sampled.tool_uses().count(), 0);
    }

    #[test]
    fn tool_uses_are_read_and_the_conversation_goes_on_with_their_results() {
        let sampled = with_content(&json!([
            { "type": "text", "text": "Let me see." },
            { "type": "tool_use", "id": "call_abc123", "name": "get_weather", "input": { "city": "Paris" } },
            {
                "type": "tool_use",
                "id": "call_def456",
                "name": "get_weather",
                "input": { "city": "London" },
                "_meta": { "k": 1 },
            },
        ]));
        let sampled = sampled.unwrap();
        assert_eq!(sampled.stop_reason, None);
        let cities: Vec<Value> = sampled.tool_uses().map(|used| used.input.to().unwrap()).collect();
        assert_eq!(cities, [json!({ "city": "Paris" }), json!({ "city": "London" })]);
        assert_eq!(sampled.tool_uses().nth(1).unwrap().meta, Some(Json::from(json!({ "k": 1 }))));
        let results: Vec<_> =
            sampled.tool_uses().map(|used| used.answered(ToolResult::text("18°C"))).collect();
        let request = Sampling::new(10).user("?").then(sampled.into_message());
        assert!(request.check().is_err());
        assert_eq!(request.results(results).check(), Ok(()));
    }

    #[test]
    fn pictures_and_sound_are_decoded() {
        for kind in ["image", "audio"] {
            let sampled = with_content(&json!({ "type": kind, "data": "AAE=", "mimeType": "a/b" })).unwrap();
            let [SamplingContent::Block(Content::Image { data, .. } | Content::Audio { data, .. })] =
                &sampled.content[..]
            else {
                panic!("{sampled:?}");
            };
            assert_eq!(data.as_ref(), [0, 1]);
        }
        assert_eq!(with_content(&json!([])).unwrap().content, []);
    }

    #[test]
    fn an_answer_of_another_shape_is_told_without_its_values() {
        let of = |result: Value| read(result).unwrap_err();
        let shape = "the answer must have a `role`, `content` and a `model`";
        let text = json!({ "type": "text", "text": "s3cret" });
        assert_eq!(of(json!("s3cret")), shape);
        assert_eq!(of(json!({ "role": "s3cret", "content": text, "model": "m" })), shape);
        assert_eq!(of(json!({ "role": "assistant", "content": text })), shape);
        assert_eq!(of(json!({ "role": "assistant", "model": "m" })), shape);
        for content in [
            json!("s3cret"),
            json!([["s3cret"]]),
            json!({ "text": "s3cret" }),
            json!({ "type": "s3cret" }),
            json!({ "type": "text", "text": 4242 }),
            json!({ "type": "image", "data": "s3cret!", "mimeType": "image/png" }),
            json!({ "type": "tool_result", "toolUseId": "s3cret", "content": [] }),
            json!({ "type": "tool_use", "id": "s3cret", "name": "n" }),
            json!({ "type": "tool_use", "id": "", "name": "n", "input": {} }),
            json!({ "type": "tool_use", "id": "s3cret", "name": "n", "input": [] }),
            json!({ "type": "tool_use", "id": "s3cret", "name": "n", "input": {}, "_meta": 4242 }),
        ] {
            let error = with_content(&content).unwrap_err();
            assert!(
                error.contains("block") && !error.contains("s3cret") && !error.contains("4242"),
                "{content}: {error}"
            );
        }
    }
}
