//! A request to a model, in the form of a revision.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use super::message::{SamplingContent, SamplingMessage, ToolUse};
use super::{ModelPreferences, Sampling, SamplingTool, ToolChoice};
use crate::protocol::{Content, Json, Revision, Role, ToolResult, in_form};

/// The params of `sampling/createMessage`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::asking) struct Params<'a> {
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_preferences: Option<Preferences<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_prompt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    max_tokens: u32,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Json>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice>,
}

impl Sampling {
    pub(in crate::asking) fn params(&self, revision: Revision) -> Params<'_> {
        Params {
            messages: self.messages.iter().flat_map(|message| messages(message, revision)).collect(),
            model_preferences: self.preferences.as_ref().map(Preferences::of),
            system_prompt: self.system_prompt.as_deref(),
            temperature: self.temperature,
            max_tokens: self.max_tokens,
            stop_sequences: &self.stop_sequences,
            metadata: self.metadata.as_ref(),
            tools: self.tools.iter().map(Tool::of).collect(),
            tool_choice: self.tool_choice.map(Choice::of),
        }
    }
}

#[derive(Serialize)]
struct Message<'a> {
    role: Role,
    content: Blocks<'a>,
}

/// A message, or on revisions before 2025-11-25 one for each of its blocks.
fn messages(message: &SamplingMessage, revision: Revision) -> Vec<Message<'_>> {
    let role = message.role;
    let blocks = message.content.iter().map(|content| Block::of(content, revision));
    if matches!(revision, Revision::V2025_11_25 | Revision::V2026_07_28) {
        return vec![Message { role, content: Blocks(blocks.collect()) }];
    }
    blocks.map(|block| Message { role, content: Blocks(vec![block]) }).collect()
}

/// A block stands alone, several in a list.
struct Blocks<'a>(Vec<Block<'a>>);

impl Serialize for Blocks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0[..] {
            [block] => block.serialize(serializer),
            blocks => blocks.serialize(serializer),
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Block<'a> {
    Content(Cow<'a, Content>),
    ToolUse(ToolUseBlock<'a>),
    ToolResult(ToolResultBlock<'a>),
}

#[derive(Serialize)]
struct ToolUseBlock<'a> {
    r#type: &'static str,
    id: &'a str,
    name: &'a str,
    input: &'a Json,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<&'a Json>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolResultBlock<'a> {
    r#type: &'static str,
    tool_use_id: &'a str,
    content: Vec<Cow<'a, Content>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    structured_content: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_error: Option<bool>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<&'a Json>,
}

impl<'a> Block<'a> {
    fn of(content: &'a SamplingContent, revision: Revision) -> Self {
        match content {
            SamplingContent::Block(content) => Self::Content(in_form(content, revision.form())),
            SamplingContent::ToolUse(used) => Self::ToolUse(ToolUseBlock::of(used)),
            SamplingContent::Answered { id, result } => {
                Self::ToolResult(ToolResultBlock::of(id, result, revision))
            }
        }
    }
}

impl<'a> ToolUseBlock<'a> {
    fn of(used: &'a ToolUse) -> Self {
        let ToolUse { id, name, input, meta } = used;
        Self { r#type: "tool_use", id, name, input, meta: meta.as_ref() }
    }
}

impl<'a> ToolResultBlock<'a> {
    /// Structured content is an object before 2026-07-28; other values are then in the text alone.
    fn of(id: &'a str, result: &'a ToolResult, revision: Revision) -> Self {
        let fits = |structured: &&Json| revision.is_stateless() || structured.is_object();
        let mut content: Vec<_> = result.content.iter().map(Cow::Borrowed).collect();
        if let Some(structured) = result.structured.as_ref().filter(|_| content.is_empty()) {
            content.push(Cow::Owned(Content::text(structured.as_str())));
        }
        Self {
            r#type: "tool_result",
            tool_use_id: id,
            content,
            structured_content: result.structured.as_ref().filter(fits),
            is_error: result.is_error.then_some(true),
            meta: result.meta.as_ref(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Preferences<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hints: Vec<Hint<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_priority: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed_priority: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    intelligence_priority: Option<f64>,
}

#[derive(Serialize)]
struct Hint<'a> {
    name: &'a str,
}

impl<'a> Preferences<'a> {
    fn of(preferences: &'a ModelPreferences) -> Self {
        Self {
            hints: preferences.hints.iter().map(|name| Hint { name }).collect(),
            cost_priority: preferences.cost,
            speed_priority: preferences.speed,
            intelligence_priority: preferences.intelligence,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tool<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    input_schema: &'a Json,
}

impl<'a> Tool<'a> {
    fn of(tool: &'a SamplingTool) -> Self {
        let SamplingTool { name, description, input_schema } = tool;
        Self { name, description: description.as_deref(), input_schema }
    }
}

#[derive(Serialize)]
struct Choice {
    mode: &'static str,
}

impl Choice {
    const fn of(choice: ToolChoice) -> Self {
        let mode = match choice {
            ToolChoice::Auto => "auto",
            ToolChoice::Required => "required",
            ToolChoice::None => "none",
        };
        Self { mode }
    }
}

#[cfg(test)]
mod tests;
