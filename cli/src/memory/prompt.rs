//! The prompt that tells a model how to use its memory.

use mcp_server::prompt;

/// Tells the model how to use its memory in this conversation.
#[prompt(title = "Use your memory")]
pub(super) async fn use_memory(
    /// What this conversation is about, to look up first
    topic: Option<String>,
) -> String {
    let first = match topic {
        Some(topic) => format!("Begin by calling `search` with words about this: {topic}"),
        None => "Begin by calling `list` to see what you know.".to_owned(),
    };
    format!(
        "You have a memory that outlives this conversation.\n\n{first}\n\n\
         - `search` before you ask me for something that I may have told you.\n\
         - `remember` what will be worth knowing later: facts, decisions, preferences. One thought each, written so \
         that it can be understood without this conversation, with a few tags.\n\
         - To correct a memory, `remember` the new text under its `id`.\n\
         - `forget` what turns out to be wrong, and what I ask you to forget.\n\
         - Give `ttl_seconds` to what is true only for a while.\n\
         - Never remember passwords, keys or other secrets.\n"
    )
}
