//! The fields of a result, for each type of reply and each form.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::content::{self, push_content};
use super::object::{Object, members_of, push_array, push_json, push_value};
use crate::protocol::{
    CacheScope, Completion, Hints, Json, ListPage, PromptResult, ReadResult, ResourceContents, ToolResult,
    WireForm,
};
use crate::{Rendered, Reply};

const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// The most completions in one answer (server/utilities/completion).
const MAX_COMPLETIONS: usize = 100;

/// The reply as bytes of `form` that can be kept and sent again: all but what every result of the form carries.
pub(crate) fn rendered(reply: &Reply, form: WireForm) -> Rendered {
    if let Reply::Rendered(rendered) = reply {
        return rendered.clone();
    }
    let mut out = Vec::with_capacity(size(reply));
    let mut object = Object::begin(&mut out);
    if let Some(meta) = meta(reply) {
        push_meta(&mut object, &meta);
    }
    push_fields(&mut object, reply, form);
    object.end();
    out.push(b'}');
    Rendered::closed(form, out.into(), hints(reply))
}

/// What a client may assume of the age of the result. Where nobody said so, nothing.
///
/// `server/discover` is an object that holds its own hints.
pub(super) fn hints(reply: &Reply) -> Option<Hints> {
    const NONE: Hints = Hints::new(0, CacheScope::Private);
    match reply {
        Reply::Resource(ReadResult { hints, .. }) | Reply::List(ListPage { hints, .. }) => {
            Some(hints.unwrap_or(NONE))
        }
        Reply::Rendered(rendered) => rendered.hints(),
        Reply::Tool(_) | Reply::Prompt(_) | Reply::Completion(_) | Reply::Object(_) => None,
    }
}

/// The members of the reply's own `_meta`; `None` where it has none.
pub(super) fn meta(reply: &Reply) -> Option<Cow<'_, [u8]>> {
    let own = match reply {
        Reply::Tool(ToolResult { meta, .. })
        | Reply::Resource(ReadResult { meta, .. })
        | Reply::Prompt(PromptResult { meta, .. }) => Cow::Borrowed(members_of(meta.as_ref()?.as_bytes())),
        Reply::Object(object) => Cow::Owned(split(object.as_bytes()).0),
        Reply::Rendered(rendered) => Cow::Borrowed(split_rendered(rendered).0),
        Reply::List(_) | Reply::Completion(_) => return None,
    };
    let own = without_server_info(own);
    (!own.is_empty()).then_some(own)
}

pub(super) fn push_meta(object: &mut Object<'_>, members: &[u8]) {
    let out = object.name("_meta");
    out.push(b'{');
    out.extend_from_slice(members);
    out.push(b'}');
}

/// Writes all but `_meta` and what every result carries.
pub(super) fn push_fields(object: &mut Object<'_>, reply: &Reply, form: WireForm) {
    match reply {
        Reply::Tool(result) => push_tool(object, result, form),
        Reply::Resource(result) => push_array(object.name("contents"), &result.contents, push_value),
        Reply::Prompt(result) => push_prompt(object, result, form),
        Reply::List(page) => push_list(object, page),
        Reply::Completion(completion) => push_completion(object, completion),
        Reply::Object(json) => object.members(&split(json.as_bytes()).1),
        Reply::Rendered(rendered) => object.members(split_rendered(rendered).1),
    }
}

fn push_tool(object: &mut Object<'_>, result: &ToolResult, form: WireForm) {
    let out = object.name("content");
    match &result.structured {
        Some(structured) if result.content.is_empty() => push_text_copy(out, structured),
        _ => push_array(out, &result.content, |out, content| push_content(out, content, form)),
    }
    if let Some(structured) = &result.structured {
        push_structured(object, structured, form);
    }
    if result.is_error {
        object.value("isError", &true);
    }
}

/// Structured content is repeated as text for clients that read only that (server/tools, "Structured Content").
fn push_text_copy(out: &mut Vec<u8>, structured: &Json) {
    out.extend_from_slice(br#"[{"type":"text","text":"#);
    push_value(out, structured.as_str());
    out.extend_from_slice(b"}]");
}

/// Any JSON on 2026-07-28; an object on 2025-06-18 and 2025-11-25; nothing before.
fn push_structured(object: &mut Object<'_>, structured: &Json, form: WireForm) {
    match form {
        WireForm::PlainWithoutAudio | WireForm::Plain => {}
        WireForm::Structured if !structured.is_object() => {
            let mut wrapped = Object::begin(object.name("structuredContent"));
            wrapped.json("result", structured);
            wrapped.end();
        }
        WireForm::Structured | WireForm::Stateless => object.json("structuredContent", structured),
    }
}

fn push_prompt(object: &mut Object<'_>, result: &PromptResult, form: WireForm) {
    if let Some(description) = &result.description {
        object.value("description", description);
    }
    push_array(object.name("messages"), &result.messages, |out, message| {
        let mut object = Object::begin(out);
        object.value("role", &message.role);
        push_content(object.name("content"), &message.content, form);
        object.end();
    });
}

fn push_list(object: &mut Object<'_>, page: &ListPage) {
    push_array(object.name(page.kind.field()), &page.items, push_json);
    if let Some(cursor) = &page.next_cursor {
        object.value("nextCursor", cursor);
    }
}

fn push_completion(object: &mut Object<'_>, completion: &Completion) {
    let all = completion.values.len();
    let values = completion.values.get(..all.min(MAX_COMPLETIONS)).unwrap_or_default();
    let cut = all > values.len();
    let total = completion.total.or(cut.then_some(all as u64)).map(|total| total.max(all as u64));
    let mut inner = Object::begin(object.name("completion"));
    inner.value("values", values);
    if let Some(total) = total {
        inner.value("total", &total);
    }
    let more = completion.has_more || total.is_some_and(|total| total > values.len() as u64);
    inner.value("hasMore", &more);
    inner.end();
}

/// The members of `_meta` and the others of an object that a handler made.
fn split(object: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let members = members_of(object);
    if !members.windows(7).any(|part| part == br#""_meta""#) {
        return (Vec::new(), members.to_vec());
    }
    let mut fields: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(object).unwrap_or_default();
    let meta =
        fields.remove("_meta").map(|meta| members_of(meta.get().as_bytes()).to_vec()).unwrap_or_default();
    let mut rest = Vec::with_capacity(members.len());
    push_value(&mut rest, &fields);
    (meta, members_of(&rest).to_vec())
}

/// As [`split`], of bytes that were written here: `_meta` stands first, or not at all.
pub(super) fn split_rendered(rendered: &Rendered) -> (&[u8], &[u8]) {
    const META: &[u8] = br#""_meta":"#;
    let members = members_of(rendered.bytes());
    let Some(rest) = members.strip_prefix(META) else { return (&[], members) };
    let length = object_length(rest);
    let (meta, rest) = rest.split_at(length);
    (members_of(meta), rest.strip_prefix(b",").unwrap_or(rest))
}

/// How many bytes the JSON value at the beginning of `text` takes.
fn object_length(text: &[u8]) -> usize {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<&RawValue>();
    match values.next() {
        Some(Ok(_)) => values.byte_offset(),
        _ => 0,
    }
}

/// Who answers is said once, by this server: a handler that passes on another's result passes on its `_meta` too.
fn without_server_info(members: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if !members.windows(SERVER_INFO.len()).any(|part| part == SERVER_INFO.as_bytes()) {
        return members;
    }
    let object = [b"{", &*members, b"}"].concat();
    let mut fields: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(&object).unwrap_or_default();
    fields.remove(SERVER_INFO);
    let mut rest = Vec::with_capacity(members.len());
    push_value(&mut rest, &fields);
    Cow::Owned(members_of(&rest).to_vec())
}

/// About how many bytes a reply takes.
pub(super) fn size(reply: &Reply) -> usize {
    let of_meta = |meta: &Option<Json>| meta.as_ref().map_or(0, |meta| meta.as_bytes().len());
    192 + match reply {
        Reply::Tool(result) => {
            let structured = result.structured.as_ref().map_or(0, |json| json.as_bytes().len() * 2);
            result.content.iter().map(content::size).sum::<usize>() + structured + of_meta(&result.meta)
        }
        Reply::Resource(result) => {
            result.contents.iter().map(contents_size).sum::<usize>() + of_meta(&result.meta)
        }
        Reply::Prompt(result) => {
            result.messages.iter().map(|message| 32 + content::size(&message.content)).sum()
        }
        Reply::List(page) => page.items.iter().map(|item| 1 + item.as_bytes().len()).sum(),
        Reply::Completion(completion) => completion.values.iter().map(|value| 4 + value.len()).sum(),
        Reply::Object(json) => json.as_bytes().len(),
        Reply::Rendered(rendered) => rendered.bytes().len(),
    }
}

pub(super) fn contents_size(contents: &ResourceContents) -> usize {
    match contents {
        ResourceContents::Text { uri, text, .. } => 96 + uri.len() + text.len() + text.len() / 16,
        ResourceContents::Blob { uri, blob, .. } => 96 + uri.len() + blob.len() / 3 * 4,
    }
}
