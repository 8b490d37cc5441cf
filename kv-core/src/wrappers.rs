//! Stores around a store: each adds one thing and forwards every operation, batches as batches.
//!
//! First written is innermost: `store.prefixed("a").read_only()` is read-only outside, prefixed inside. The right
//! order, outermost first: read-only, ttl policy, timeout, prefix, compress, encrypt, backend. Two pairs do not
//! commute otherwise: encryption inside compression (sealed bytes do not shrink), and the prefix outside encryption
//! (a seal binds the whole name).

#[cfg(feature = "compress")]
mod compress;
mod prefix;
mod read_only;
mod retry;
mod timeout;
mod ttl_policy;

#[cfg(feature = "compress")]
pub use compress::Compress;
pub use prefix::Prefix;
pub use read_only::ReadOnly;
pub use retry::Retry;
pub use timeout::Timeout;
pub use ttl_policy::TtlPolicy;
