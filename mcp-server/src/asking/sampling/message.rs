//! The messages of a conversation with a model.

use crate::protocol::{Content, Json, Role, ToolResult};

/// A message of a conversation with a model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SamplingMessage {
    /// Who says it.
    pub role: Role,
    /// What is said; not empty. Results of tools stand alone, in the message right after that of their uses.
    pub content: Vec<SamplingContent>,
}

impl SamplingMessage {
    /// A message of any content.
    pub fn new(role: Role, content: impl IntoIterator<Item = SamplingContent>) -> Self {
        Self { role, content: content.into_iter().collect() }
    }

    /// Text of the person.
    pub fn user(text: impl Into<String>) -> Self {
        Self::new(Role::User, [SamplingContent::text(text)])
    }

    /// Text of the model.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::new(Role::Assistant, [SamplingContent::text(text)])
    }

    pub(super) fn uses_tools(&self) -> bool {
        self.content.iter().any(|content| !matches!(content, SamplingContent::Block(_)))
    }
}

/// One block of a message.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SamplingContent {
    /// Text, a picture or sound.
    Block(Content),
    /// The model wants to use a tool.
    ToolUse(ToolUse),
    /// What became of that.
    #[non_exhaustive]
    Answered {
        /// The id of the use.
        id: String,
        /// What the tool answered.
        result: ToolResult,
    },
}

impl SamplingContent {
    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Block(Content::text(text))
    }
}

impl From<Content> for SamplingContent {
    fn from(content: Content) -> Self {
        Self::Block(content)
    }
}

/// A model wants to use a tool.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ToolUse {
    /// What its result is known by.
    pub id: String,
    /// The tool's name, as the model writes it: perhaps none of the request's.
    pub name: String,
    /// The arguments, an object. A model wrote them: check them as those of any caller.
    pub input: Json,
    /// `_meta`, an object, which the client wants back.
    pub meta: Option<Json>,
}

impl ToolUse {
    /// The result of this use.
    pub fn answered(&self, result: ToolResult) -> SamplingContent {
        SamplingContent::Answered { id: self.id.clone(), result }
    }
}
