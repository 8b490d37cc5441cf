//! The tools and the resource, as clients see them.

use mcp_server::{Context, State, resource, tool};

use super::error::ToolError;
use super::limits;
use super::output::{self, Forgotten, Memory, MemoryPage, Remembered};
use super::record::{Memories, Record, Shelf};
use super::search::Question;
use crate::clock::now_ms;

/// The namespace that is meant when none is named.
const NAMESPACE: &str = "default";
const LIMIT: u32 = 20;

/// Keeps a text for later conversations and answers its id. With an `id` that is in use, the memory there is replaced.
#[tool(title = "Remember", destructive, idempotent = false, open_world = false)]
pub(super) async fn remember(
    context: Context,
    memories: State<Memories>,
    /// What to remember, up to 64 KiB. One thought, understandable without this conversation.
    text: String,
    /// Which group of memories it belongs to.
    #[arg(default = NAMESPACE.to_owned())]
    namespace: String,
    /// Words to find it by, up to 32 of up to 64 characters.
    #[arg(default = Vec::new())]
    tags: Vec<String>,
    /// Forget it after so many seconds; without, it is kept.
    ttl_seconds: Option<u64>,
    /// A name of your own choice, up to 256 characters; without, a new id is made.
    id: Option<String>,
) -> Result<Remembered, ToolError> {
    limits::text(&text)?;
    let tags = limits::tags(tags)?;
    let ttl = limits::ttl(ttl_seconds)?;
    id.as_deref().map_or(Ok(()), limits::id)?;
    let shelf = shelf(&context, &memories, &namespace)?;
    let id = shelf.put(id, &Record { text, tags, at: now_ms() }, ttl).await?;
    let uri = output::uri(&namespace, &id);
    Ok(Remembered { id, namespace, uri, expires_at: ttl.map(output::expiry) })
}

/// Gives one memory back by its id, whole.
#[tool(title = "Recall", read_only, idempotent, open_world = false)]
pub(super) async fn recall(
    context: Context,
    memories: State<Memories>,
    /// The id that `remember`, `search` or `list` answered.
    id: String,
    /// Which group of memories it is in.
    #[arg(default = NAMESPACE.to_owned())]
    namespace: String,
) -> Result<Memory, ToolError> {
    limits::id(&id)?;
    match shelf(&context, &memories, &namespace)?.get(&id).await? {
        Some(found) => Ok(Memory::whole(id, namespace, found)),
        None => Err(ToolError::unknown(&id, &namespace)),
    }
}

/// Finds memories by words of their text and tags, in any case, best first. Reads the namespace, up to 10,000 memories.
#[tool(title = "Search memories", read_only, idempotent, open_world = false)]
pub(super) async fn search(
    context: Context,
    memories: State<Memories>,
    /// The words to look for; a memory needs one of them, more and rarer ones come first.
    query: String,
    /// Which group of memories to search.
    #[arg(default = NAMESPACE.to_owned())]
    namespace: String,
    /// Only memories with this tag.
    tag: Option<String>,
    /// How many at most, 1 to 100.
    #[arg(default = LIMIT)]
    limit: u32,
    /// The `next_cursor` of the page before, with the same other arguments.
    cursor: Option<String>,
) -> Result<MemoryPage, ToolError> {
    limits::query(&query)?;
    let question = Question::search(&namespace, &query, tag)?;
    answer(&shelf(&context, &memories, &namespace)?, &namespace, &question, limit, cursor.as_deref()).await
}

/// Lists memories, newest first. Reads the namespace, up to 10,000 memories.
#[tool(title = "List memories", read_only, idempotent, open_world = false)]
pub(super) async fn list(
    context: Context,
    memories: State<Memories>,
    /// Which group of memories to list.
    #[arg(default = NAMESPACE.to_owned())]
    namespace: String,
    /// Only memories with this tag.
    tag: Option<String>,
    /// How many at most, 1 to 100.
    #[arg(default = LIMIT)]
    limit: u32,
    /// The `next_cursor` of the page before, with the same other arguments.
    cursor: Option<String>,
) -> Result<MemoryPage, ToolError> {
    let question = Question::all(&namespace, tag);
    answer(&shelf(&context, &memories, &namespace)?, &namespace, &question, limit, cursor.as_deref()).await
}

/// Removes one memory for good.
#[tool(title = "Forget", destructive, idempotent, open_world = false)]
pub(super) async fn forget(
    context: Context,
    memories: State<Memories>,
    /// The id that `remember`, `search` or `list` answered.
    id: String,
    /// Which group of memories it is in.
    #[arg(default = NAMESPACE.to_owned())]
    namespace: String,
) -> Result<Forgotten, ToolError> {
    limits::id(&id)?;
    let forgotten = shelf(&context, &memories, &namespace)?.forget(&id).await?;
    if forgotten { Ok(Forgotten { id, namespace }) } else { Err(ToolError::unknown(&id, &namespace)) }
}

/// The text of one memory.
#[resource("memory://{namespace}/{id}", title = "Memory", mime_type = "text/plain")]
pub(super) async fn memory(
    context: Context,
    memories: State<Memories>,
    /// Which group of memories it is in; `default` is the common one.
    namespace: String,
    /// Its id.
    id: String,
) -> Result<Option<String>, ToolError> {
    limits::id(&id)?;
    let found = shelf(&context, &memories, &namespace)?.get(&id).await?;
    Ok(found.map(|found| found.value.text))
}

fn shelf(context: &Context, memories: &Memories, namespace: &str) -> Result<Shelf, ToolError> {
    limits::namespace(namespace)?;
    Ok(memories.shelf(context.principal()?, namespace))
}

async fn answer(
    shelf: &Shelf,
    namespace: &str,
    question: &Question,
    limit: u32,
    cursor: Option<&str>,
) -> Result<MemoryPage, ToolError> {
    let ranked = question.ask(shelf, limits::limit(limit)?, cursor).await?;
    let ids: Vec<&str> = ranked.hits.iter().map(|hit| &*hit.rank.id).collect();
    let records = shelf.get_many(&ids).await?;
    Ok(MemoryPage::of(ranked, namespace, records))
}
