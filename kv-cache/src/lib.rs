//! Caching on any Larder store: get_or_fetch with single-flight per key.
