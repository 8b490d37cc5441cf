//! The drivers, doing the work that a store on them does. Where a server is, its variable says, as it does in tests.

#[cfg(feature = "redis")]
mod redis;

use crate::measure::Plan;

/// Why a backend cannot be measured.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// Measures every backend that the features name.
pub(crate) fn run(plan: &Plan) -> Result<(), Failure> {
    #[cfg(feature = "redis")]
    redis::run(plan)?;
    Ok(())
}

/// The value of a variable such as `LARDER_TEST_REDIS`.
fn server(variable: &str, service: &str) -> Result<String, Failure> {
    std::env::var(variable).map_err(|_| {
        format!("{variable} does not say where the server is: `scripts/services run {service} -- COMMAND` starts one").into()
    })
}

/// A prefix of names that no other run has.
fn fresh(side: &str) -> String {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!("bench-{side}-{:x}", now.as_nanos())
}
