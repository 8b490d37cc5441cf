//! Rendered bytes back into types, for middlewares that look at what a handler said.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::json::present;
use crate::protocol::{
    Completion, Content, Hints, Json, ListKind, ListPage, PromptMessage, PromptResult, ReadResult,
    ResourceContents, ToolResult,
};
use crate::{Operation, Reply};

impl Reply {
    /// The reply as a typed result of `operation`, if it is bytes (such as a cached one); else itself.
    ///
    /// It stays in the form that it was rendered in: before 2026-07-28 structured content that is no object stands
    /// under `result` then, and is sent like that again. Bytes that are no result of `operation` stay bytes.
    #[must_use]
    pub fn typed(&self, operation: &Operation) -> Self {
        match self {
            Self::Rendered(rendered) => {
                typed(operation, rendered.bytes(), rendered.hints()).unwrap_or_else(|| self.clone())
            }
            typed => typed.clone(),
        }
    }
}

fn typed(operation: &Operation, bytes: &Bytes, hints: Option<Hints>) -> Option<Reply> {
    let reply = match operation {
        Operation::CallTool { .. } => Reply::Tool(tool(bytes).ok()?),
        Operation::ReadResource { .. } => Reply::Resource(resource(bytes, hints).ok()?),
        Operation::GetPrompt { .. } => Reply::Prompt(prompt(bytes).ok()?),
        Operation::List { kind, .. } => Reply::List(list(*kind, bytes, hints).ok()?),
        Operation::Complete { .. } => Reply::Completion(completion(bytes).ok()?),
        _ => Reply::Object(Json::parse(bytes.clone()).ok()?),
    };
    Some(reply)
}

fn tool(bytes: &Bytes) -> serde_json::Result<ToolResult> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Fields<'a> {
        content: Vec<Content>,
        #[serde(borrow, default, deserialize_with = "present")]
        structured_content: Option<&'a RawValue>,
        #[serde(default)]
        is_error: bool,
        #[serde(borrow, default, rename = "_meta")]
        meta: Option<&'a RawValue>,
    }
    let fields: Fields<'_> = serde_json::from_slice(bytes)?;
    Ok(ToolResult {
        content: fields.content,
        structured: fields.structured_content.map(|value| slice(bytes, value)),
        is_error: fields.is_error,
        meta: fields.meta.map(|meta| slice(bytes, meta)),
    })
}

fn resource(bytes: &Bytes, hints: Option<Hints>) -> serde_json::Result<ReadResult> {
    #[derive(Deserialize)]
    struct Fields<'a> {
        contents: Vec<ResourceContents>,
        #[serde(borrow, default, rename = "_meta")]
        meta: Option<&'a RawValue>,
    }
    let fields: Fields<'_> = serde_json::from_slice(bytes)?;
    Ok(ReadResult { contents: fields.contents, hints, meta: fields.meta.map(|meta| slice(bytes, meta)) })
}

fn prompt(bytes: &Bytes) -> serde_json::Result<PromptResult> {
    #[derive(Deserialize)]
    struct Fields<'a> {
        #[serde(default)]
        description: Option<String>,
        messages: Vec<PromptMessage>,
        #[serde(borrow, default, rename = "_meta")]
        meta: Option<&'a RawValue>,
    }
    let fields: Fields<'_> = serde_json::from_slice(bytes)?;
    let meta = fields.meta.map(|meta| slice(bytes, meta));
    Ok(PromptResult { description: fields.description, messages: fields.messages, meta })
}

fn list(kind: ListKind, bytes: &Bytes, hints: Option<Hints>) -> serde_json::Result<ListPage> {
    #[derive(Deserialize)]
    struct Fields<'a> {
        #[serde(
            borrow,
            alias = "tools",
            alias = "resources",
            alias = "resourceTemplates",
            alias = "prompts"
        )]
        items: Vec<&'a RawValue>,
        #[serde(default, rename = "nextCursor")]
        next_cursor: Option<String>,
    }
    let fields: Fields<'_> = serde_json::from_slice(bytes)?;
    let items = fields.items.into_iter().map(|item| slice(bytes, item)).collect();
    Ok(ListPage { kind, items, next_cursor: fields.next_cursor, hints })
}

fn completion(bytes: &Bytes) -> serde_json::Result<Completion> {
    #[derive(Deserialize)]
    struct Fields {
        completion: Inner,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Inner {
        values: Vec<String>,
        #[serde(default)]
        total: Option<u64>,
        #[serde(default)]
        has_more: bool,
    }
    let Fields { completion: Inner { values, total, has_more } } = serde_json::from_slice(bytes)?;
    Ok(Completion { values, total, has_more })
}

fn slice(bytes: &Bytes, value: &RawValue) -> Json {
    Json::trusted(bytes.slice_ref(value.get().as_bytes()))
}
