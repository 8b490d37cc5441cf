//! Stores around a store: each adds one thing and forwards every operation, batches as batches.
//!
//! First written is innermost: `store.prefixed("a").read_only()` is read-only outside, prefixed inside. The right
//! order, outermost first: tracing, metrics and statistics, read-only, size limit, ttl policy, near cache, retry, timeout,
//! fallback, route, prefix, compress, encrypt, backend. `docs/wrappers.md` says what goes wrong in another order.

#[cfg(feature = "compress")]
mod compress;
mod fallback;
#[cfg(feature = "metrics")]
mod metered;
mod prefix;
mod read_only;
mod retry;
mod route;
mod size_limit;
mod stats;
mod timeout;
#[cfg(feature = "tracing")]
mod traced;
mod ttl_policy;
mod watched;

#[cfg(feature = "compress")]
pub use compress::Compress;
pub use fallback::Fallback;
#[cfg(feature = "metrics")]
pub use metered::Metered;
pub use prefix::Prefix;
pub use read_only::ReadOnly;
pub use retry::Retry;
pub use route::Route;
pub use size_limit::SizeLimit;
pub use stats::{Counted, Latency, OperationStats, Stats, StatsSnapshot};
pub use timeout::Timeout;
#[cfg(feature = "tracing")]
pub use traced::Traced;
pub use ttl_policy::TtlPolicy;
