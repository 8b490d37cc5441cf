//! What an acknowledged write survives.

/// What an acknowledged write survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// The death of the process, `kill -9` included: the kernel has it. A power cut may cost the last moments.
    #[default]
    Os,
    /// A power cut too: the disk confirmed it.
    Always,
}

impl Durability {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Os, Self::Always];

    /// The name, as it stands in URLs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Os => "os",
            Self::Always => "always",
        }
    }
}
