//! Damaged files: an error with advice or a complete store, never a panic, a wrong value, or an empty store.
