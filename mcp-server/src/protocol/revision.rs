//! The revisions of the protocol, and the three-and-a-half shapes their results have.

use std::fmt;

/// A revision of the Model Context Protocol that this server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Revision {
    /// 2024-11-05, the first.
    V2024_11_05,
    /// 2025-03-26: streamable HTTP, audio, batches.
    V2025_03_26,
    /// 2025-06-18: structured output, elicitation, the version header, no batches.
    V2025_06_18,
    /// 2025-11-25: the last with a handshake.
    V2025_11_25,
    /// 2026-07-28: stateless, each request stands alone.
    V2026_07_28,
}

impl Revision {
    /// Every revision served, oldest first.
    pub const ALL: [Self; 5] =
        [Self::V2024_11_05, Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25, Self::V2026_07_28];

    /// The newest revision that begins with `initialize`.
    pub const LATEST_HANDSHAKE: Self = Self::V2025_11_25;

    /// The names of all revisions served, newest first: what `server/discover` and -32022 tell.
    pub(crate) fn supported() -> Vec<&'static str> {
        Self::ALL.iter().rev().map(|revision| revision.as_str()).collect()
    }

    /// The revision as it stands in messages and headers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The revision of that name, if it is served. Names are never compared by order.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.as_str() == name)
    }

    /// Whether each request stands alone (2026-07-28), without `initialize` and sessions.
    pub const fn is_stateless(self) -> bool {
        matches!(self, Self::V2026_07_28)
    }

    /// Whether progress notifications may carry a sentence (since 2025-03-26).
    pub const fn has_progress_message(self) -> bool {
        !matches!(self, Self::V2024_11_05)
    }

    /// Whether completions are a capability (since 2025-03-26); before, they are a method without one.
    pub(crate) const fn declares_completions(self) -> bool {
        !matches!(self, Self::V2024_11_05)
    }

    /// Whether a completion knows what was chosen for other arguments (since 2025-06-18).
    pub(crate) const fn has_completion_context(self) -> bool {
        !matches!(self, Self::V2024_11_05 | Self::V2025_03_26)
    }

    /// The shape of its results.
    pub const fn form(self) -> WireForm {
        match self {
            Self::V2024_11_05 => WireForm::PlainWithoutAudio,
            Self::V2025_03_26 => WireForm::Plain,
            Self::V2025_06_18 | Self::V2025_11_25 => WireForm::Structured,
            Self::V2026_07_28 => WireForm::Stateless,
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The shape of results: several revisions share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WireForm {
    /// 2024-11-05: as `Plain`, and audio becomes text.
    PlainWithoutAudio,
    /// 2025-03-26: no output schema, no structured content, resource links become text.
    Plain,
    /// 2025-06-18 and 2025-11-25: structured content is an object, so other values stand under `result`.
    Structured,
    /// 2026-07-28: `resultType` and `serverInfo` on every result, hints on cacheable ones, structured content of any type.
    Stateless,
}

impl WireForm {
    /// Every form.
    pub const ALL: [Self; 4] = [Self::PlainWithoutAudio, Self::Plain, Self::Structured, Self::Stateless];
}
