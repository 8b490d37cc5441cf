//! Which kinds of components may come and go while a server runs.

use std::ops::{BitOr, BitOrAssign};

/// Kinds of components that may come and go while the server runs: `Dynamic::TOOLS | Dynamic::RESOURCES`.
///
/// Clients are told by `listChanged: true` that these lists may change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dynamic(u8);

impl Dynamic {
    /// None: what is registered stays.
    pub const NONE: Self = Self(0);
    /// Tools.
    pub const TOOLS: Self = Self(1);
    /// Prompts.
    pub const PROMPTS: Self = Self(1 << 1);
    /// Resources and templates of them.
    pub const RESOURCES: Self = Self(1 << 2);
    /// All of them.
    pub const ALL: Self = Self(0b111);

    /// Each kind alone.
    pub(crate) const EACH: [Self; 3] = [Self::TOOLS, Self::PROMPTS, Self::RESOURCES];

    /// Whether every kind of `kinds` is among these.
    pub const fn contains(self, kinds: Self) -> bool {
        self.0 & kinds.0 == kinds.0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The kinds that are in both.
    pub(crate) const fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// These without `kinds`.
    pub(crate) const fn without(self, kinds: Self) -> Self {
        Self(self.0 & !kinds.0)
    }

    /// What a client is told when a list of this one kind changed.
    pub(crate) const fn list_changed(self) -> &'static str {
        match self {
            Self::TOOLS => "notifications/tools/list_changed",
            Self::PROMPTS => "notifications/prompts/list_changed",
            _ => "notifications/resources/list_changed",
        }
    }
}

impl BitOr for Dynamic {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Dynamic {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

#[cfg(test)]
mod tests {
    use super::Dynamic;

    #[test]
    fn kinds_are_joined_and_taken_apart() {
        let two = Dynamic::TOOLS | Dynamic::RESOURCES;
        assert!(two.contains(Dynamic::TOOLS) && two.contains(two) && two.contains(Dynamic::NONE));
        assert!(!two.contains(Dynamic::PROMPTS) && !two.contains(Dynamic::ALL));
        assert_eq!(two.without(Dynamic::TOOLS), Dynamic::RESOURCES);
        assert_eq!(two.both(Dynamic::PROMPTS | Dynamic::TOOLS), Dynamic::TOOLS);
        assert_eq!(Dynamic::EACH.into_iter().fold(Dynamic::NONE, |all, one| all | one), Dynamic::ALL);
        assert!(Dynamic::default().is_empty());
    }
}
