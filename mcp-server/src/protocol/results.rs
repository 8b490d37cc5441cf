//! Results, as handlers and middlewares see them: one model for every revision.

use serde::{Deserialize, Serialize};

use super::{Content, Icon, Json, ResourceContents, Role};

/// The name of a program: of this server, or of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Implementation {
    /// The name for programs.
    pub name: String,
    /// The name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its version.
    pub version: String,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where to read more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website_url: Option<String>,
    /// Icons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub icons: Vec<Icon>,
}

impl Implementation {
    /// A program's name and version.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { name: name.into(), version: version.into(), ..Self::default() }
    }
}

/// Who may share a cached result (2026-07-28, server/utilities/caching).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheScope {
    /// Anybody.
    Public,
    /// Only whoever asked.
    Private,
}

/// What a client may assume about the age of a result (2026-07-28, server/utilities/caching).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hints {
    /// Milliseconds for which the result may be used again; 0 is not at all.
    pub ttl_ms: u64,
    /// Who may share it.
    pub scope: CacheScope,
}

impl Hints {
    /// Usable again for `ttl_ms` within `scope`.
    pub const fn new(ttl_ms: u64, scope: CacheScope) -> Self {
        Self { ttl_ms, scope }
    }
}

/// What a tool answered.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ToolResult {
    /// Content for the model. Where only `structured` is given, its text is sent as content too.
    pub content: Vec<Content>,
    /// The same for programs: any JSON. Before 2026-07-28 a value that is no object stands under `result`.
    pub structured: Option<Json>,
    /// Whether the tool failed; the content says why.
    pub is_error: bool,
    /// `_meta`, an object.
    pub meta: Option<Json>,
}

impl ToolResult {
    /// A result of these blocks.
    pub fn content(content: impl IntoIterator<Item = Content>) -> Self {
        Self { content: content.into_iter().collect(), ..Self::default() }
    }

    /// A result of one text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::content([Content::text(text)])
    }

    /// A failed call: the model reads `text` and may try something else.
    pub fn error(text: impl Into<String>) -> Self {
        Self { is_error: true, ..Self::text(text) }
    }

    /// A structured result; its JSON is sent as text too.
    pub fn structured(value: Json) -> Self {
        Self { structured: Some(value), ..Self::default() }
    }

    /// Sets `_meta`.
    #[must_use]
    pub fn with_meta(mut self, meta: Json) -> Self {
        self.meta = Some(meta);
        self
    }
}

/// What reading a resource answered.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ReadResult {
    /// The contents; never empty for what exists.
    pub contents: Vec<ResourceContents>,
    /// How long it may be used again; `None` is not at all.
    pub hints: Option<Hints>,
    /// `_meta`, an object.
    pub meta: Option<Json>,
}

impl ReadResult {
    /// A result of these contents.
    pub fn new(contents: impl IntoIterator<Item = ResourceContents>) -> Self {
        Self { contents: contents.into_iter().collect(), ..Self::default() }
    }
}

/// One message of a prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PromptMessage {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: Content,
}

impl PromptMessage {
    /// A message from the person.
    pub fn user(text: impl Into<String>) -> Self {
        Self::new(Role::User, Content::text(text))
    }

    /// A message from the model.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::new(Role::Assistant, Content::text(text))
    }

    /// A message of any content.
    pub const fn new(role: Role, content: Content) -> Self {
        Self { role, content }
    }
}

/// What getting a prompt answered.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PromptResult {
    /// What the prompt is for; `None` sends the description it was registered with.
    pub description: Option<String>,
    /// The messages.
    pub messages: Vec<PromptMessage>,
    /// `_meta`, an object.
    pub meta: Option<Json>,
}

impl PromptResult {
    /// A result of these messages.
    pub fn new(messages: impl IntoIterator<Item = PromptMessage>) -> Self {
        Self { messages: messages.into_iter().collect(), ..Self::default() }
    }
}

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ListKind {
    /// `tools/list`.
    Tools,
    /// `resources/list`.
    Resources,
    /// `resources/templates/list`.
    ResourceTemplates,
    /// `prompts/list`.
    Prompts,
}

impl ListKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Tools, Self::Resources, Self::ResourceTemplates, Self::Prompts];

    /// The method that lists it.
    pub const fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Resources => "resources/list",
            Self::ResourceTemplates => "resources/templates/list",
            Self::Prompts => "prompts/list",
        }
    }

    /// The field of the result that holds the items.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Resources => "resources",
            Self::ResourceTemplates => "resourceTemplates",
            Self::Prompts => "prompts",
        }
    }
}

/// One page of a list, as a middleware sees it: each item is a definition in JSON, in the form of the request.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ListPage {
    /// What is listed.
    pub kind: ListKind,
    /// The definitions, by name.
    pub items: Vec<Json>,
    /// Where the next page begins; `None` at the end.
    pub next_cursor: Option<String>,
    /// How long it may be used again.
    pub hints: Option<Hints>,
}

impl ListPage {
    /// A page of `items`.
    pub const fn new(kind: ListKind, items: Vec<Json>, next_cursor: Option<String>) -> Self {
        Self { kind, items, next_cursor, hints: None }
    }
}

/// Questions that stand between a request and its result (2026-07-28, basic/patterns/mrtr).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct InputRequired {
    /// The questions, an object by key.
    pub requests: Json,
    /// What the client sends back with its answers.
    pub state: Option<String>,
}

impl InputRequired {
    /// These questions, to be answered together with `state`.
    pub const fn new(requests: Json, state: Option<String>) -> Self {
        Self { requests, state }
    }
}
