//! How large a store may become, and what happens then.

use kv_core::{Clock, Error, ErrorKind, Result, StoreUrl};

/// What a put does when there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFull {
    /// It is `Full`; the old value stays.
    #[default]
    Refuse,
    /// Entries that were not used for longest make room, alive or not: the store is a cache.
    Evict,
}

/// What a [`MemoryStore`](crate::MemoryStore) is opened with. The default has no limit.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct MemoryConfig {
    /// The most bytes of names, values and tags together; `None` is no limit. The bookkeeping comes on top.
    pub max_bytes: Option<u64>,
    /// The most entries; `None` is no limit.
    pub max_entries: Option<u64>,
    /// What a put does when there is no room.
    pub on_full: OnFull,
    /// The clock whose monotonic side judges expiry.
    pub clock: Clock,
}

impl MemoryConfig {
    /// What `memory://` with these parameters asks for: `max_bytes` (such as `64MiB`), `max_entries`,
    /// `on_full=refuse|evict`.
    ///
    /// # Errors
    /// `Invalid` for an unknown or malformed parameter, and for a host or path: a store in memory has no place.
    pub fn from_url(url: &mut StoreUrl) -> Result<Self> {
        if !url.authority().is_empty() || !matches!(url.path(), "" | "/") {
            return Err(invalid("a store in memory has no place: write `memory://`, without host and path"));
        }
        let params = url.params();
        let config = Self {
            max_bytes: params.take_bytes("max_bytes")?,
            max_entries: params.take_u64("max_entries")?,
            on_full: params
                .take_choice("on_full", &[("refuse", OnFull::Refuse), ("evict", OnFull::Evict)])?
                .unwrap_or_default(),
            clock: Clock::system(),
        };
        params.finish()?;
        config.checked()
    }

    /// At most so many bytes of names, values and tags.
    #[must_use]
    pub fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.max_bytes = Some(max_bytes);
        self
    }

    /// At most so many entries.
    #[must_use]
    pub fn max_entries(mut self, max_entries: u64) -> Self {
        self.max_entries = Some(max_entries);
        self
    }

    /// What a put does when there is no room.
    #[must_use]
    pub fn on_full(mut self, on_full: OnFull) -> Self {
        self.on_full = on_full;
        self
    }

    /// The clock whose monotonic side judges expiry.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    pub(crate) fn checked(self) -> Result<Self> {
        if self.max_bytes == Some(0) || self.max_entries == Some(0) {
            return Err(invalid(
                "`max_bytes` and `max_entries` must be above zero: leave them out for no limit",
            ));
        }
        let limits = usize::from(self.max_bytes.is_some()) + usize::from(self.max_entries.is_some());
        if self.on_full == OnFull::Evict && limits != 1 {
            return Err(invalid("`on_full=evict` needs either `max_bytes` or `max_entries`, and not both"));
        }
        Ok(self)
    }
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use kv_core::{Result, StoreUrl};

    use super::{MemoryConfig, OnFull};

    fn config(url: &str) -> Result<MemoryConfig> {
        MemoryConfig::from_url(&mut StoreUrl::parse(url)?)
    }

    #[test]
    fn a_url_says_how_large_and_what_then() {
        let bare = config("memory://").unwrap();
        assert_eq!((bare.max_bytes, bare.max_entries, bare.on_full), (None, None, OnFull::Refuse));
        let limited = config("memory://?max_bytes=64MiB&max_entries=7").unwrap();
        assert_eq!((limited.max_bytes, limited.max_entries), (Some(64 << 20), Some(7)));
        assert_eq!(config("memory://?on_full=evict&max_entries=7").unwrap().on_full, OnFull::Evict);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_to_write() {
        for (url, advice) in [
            ("memory://host", "without host and path"),
            ("memory:///path", "without host and path"),
            ("memory://?max_entrys=7", "did you mean `max_entries`?"),
            ("memory://?max_entries=0", "above zero"),
            ("memory://?max_bytes=many", "`max_bytes` must be"),
            ("memory://?on_full=evict", "needs either"),
            ("memory://?on_full=evict&max_bytes=1KiB&max_entries=7", "not both"),
        ] {
            let error = config(url).unwrap_err();
            assert_eq!(error.kind(), kv_core::ErrorKind::Invalid);
            assert!(error.message().contains(advice), "{url}: {error}");
        }
    }
}
