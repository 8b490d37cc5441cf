//! Whether a conversation holds together (client/sampling, "Message Content Constraints").

use std::collections::BTreeSet;

use super::message::{SamplingContent, SamplingMessage};
use crate::protocol::{Content, Role};

/// Each use of a tool has its result in the message right behind, which holds nothing else.
///
/// # Errors
/// The first message that breaks a rule, counted from 1.
pub(super) fn check(messages: &[SamplingMessage]) -> Result<(), String> {
    if messages.is_empty() {
        return Err("it has no messages".to_owned());
    }
    let mut open = BTreeSet::new();
    for (index, message) in messages.iter().enumerate() {
        open = following(&open, message).map_err(|wrong| format!("message {} {wrong}", index + 1))?;
    }
    if open.is_empty() { Ok(()) } else { Err("the last message uses tools and has no results".to_owned()) }
}

/// The uses of tools that `message` leaves open, after those that the message before left open.
fn following<'a>(
    open: &BTreeSet<&str>,
    message: &'a SamplingMessage,
) -> Result<BTreeSet<&'a str>, &'static str> {
    let count = message.content.len();
    if count == 0 {
        return Err("is empty");
    }
    if message.content.iter().any(is_resource) {
        return Err("holds a resource: a model takes text, pictures and sound");
    }
    let uses = ids(message, |content| match content {
        SamplingContent::ToolUse(used) => Some(&used.id),
        _ => None,
    })?;
    let results = ids(message, |content| match content {
        SamplingContent::Answered { id, .. } => Some(id),
        _ => None,
    })?;
    if !uses.is_empty() && message.role != Role::Assistant {
        return Err("uses tools, which the assistant alone does");
    }
    if !results.is_empty() && (message.role != Role::User || results.len() != count) {
        return Err("holds results of tools, which stand alone in a message of the user");
    }
    if results != *open {
        return Err("does not answer the tool uses of the message before, each of them and no other");
    }
    Ok(uses)
}

fn is_resource(content: &SamplingContent) -> bool {
    matches!(content, SamplingContent::Block(Content::Resource { .. } | Content::ResourceLink { .. }))
}

fn ids(
    message: &SamplingMessage,
    id: impl Fn(&SamplingContent) -> Option<&String>,
) -> Result<BTreeSet<&str>, &'static str> {
    let mut ids = BTreeSet::new();
    for id in message.content.iter().filter_map(id) {
        if !ids.insert(id.as_str()) {
            return Err("has one id twice");
        }
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::asking::sampling::{SamplingContent, SamplingMessage, ToolUse};
    use crate::protocol::{Content, Json, ResourceContents, Role, ToolResult};

    fn used(id: &str) -> SamplingContent {
        SamplingContent::ToolUse(tool_use(id))
    }

    fn tool_use(id: &str) -> ToolUse {
        ToolUse { id: id.to_owned(), name: "get_weather".to_owned(), input: Json::EMPTY, meta: None }
    }

    fn answered(id: &str) -> SamplingContent {
        tool_use(id).answered(ToolResult::text("18°C"))
    }

    fn asks() -> SamplingMessage {
        SamplingMessage::user("What's the weather like in Paris and London?")
    }

    fn uses(ids: &[&str]) -> SamplingMessage {
        let text = SamplingContent::text("Let me see.");
        SamplingMessage::new(Role::Assistant, std::iter::once(text).chain(ids.iter().map(|id| used(id))))
    }

    fn answers(ids: &[&str]) -> SamplingMessage {
        SamplingMessage::new(Role::User, ids.iter().map(|id| answered(id)))
    }

    fn refused(messages: &[SamplingMessage], wrong: &str) {
        let error = check(messages).unwrap_err();
        assert!(error.contains(wrong), "{error}");
    }

    #[test]
    fn each_use_has_its_result_in_any_order() {
        assert_eq!(check(&[asks()]), Ok(()));
        let both = uses(&["call_abc123", "call_def456"]);
        let finished = [asks(), both.clone(), answers(&["call_def456", "call_abc123"])];
        assert_eq!(check(&finished), Ok(()));
        let again = [uses(&["call_abc123"]), answers(&["call_abc123"]), SamplingMessage::assistant("18°C")];
        assert_eq!(check(&[&finished[..], &again[..]].concat()), Ok(()));
    }

    #[test]
    fn a_use_without_its_result_is_refused() {
        let both = uses(&["a", "b"]);
        refused(&[asks(), both.clone()], "the last message");
        refused(&[asks(), both.clone(), answers(&["a"])], "message 3 does not answer");
        refused(&[asks(), both.clone(), answers(&["a", "b", "c"])], "message 3 does not answer");
        refused(&[asks(), both.clone(), asks()], "message 3 does not answer");
        refused(&[asks(), both, asks(), answers(&["a", "b"])], "message 3 does not answer");
    }

    #[test]
    fn a_result_without_its_use_is_refused() {
        refused(&[answers(&["a"])], "message 1 does not answer");
        refused(&[asks(), uses(&["a"]), answers(&["a"]), answers(&["a"])], "message 4 does not answer");
    }

    #[test]
    fn results_stand_alone_in_a_message_of_the_user() {
        let mixed = SamplingMessage::new(Role::User, [SamplingContent::text("Here:"), answered("a")]);
        refused(&[asks(), uses(&["a"]), mixed], "message 3 holds results");
        let of_the_model = SamplingMessage::new(Role::Assistant, [answered("a")]);
        refused(&[asks(), uses(&["a"]), of_the_model], "message 3 holds results");
        refused(&[SamplingMessage::new(Role::User, [used("a")]), answers(&["a"])], "message 1 uses tools");
    }

    #[test]
    fn ids_are_there_once() {
        refused(&[uses(&["a", "a"]), answers(&["a"])], "message 1 has one id twice");
        refused(&[uses(&["a"]), answers(&["a", "a"])], "message 2 has one id twice");
    }

    #[test]
    fn there_is_something_to_read_and_no_resource() {
        refused(&[], "no messages");
        refused(&[asks(), SamplingMessage::new(Role::User, [])], "message 2 is empty");
        let resource = Content::resource(ResourceContents::text("a://b", "c"));
        refused(&[SamplingMessage::new(Role::User, [resource.into()])], "holds a resource");
    }
}
