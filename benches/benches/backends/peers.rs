//! The engines and drivers, doing the work that a store on them does. Where a server is, its variable says, as it does in tests.

mod disk;
#[cfg(feature = "dynamo")]
mod dynamo;
#[cfg(feature = "elastic")]
mod elastic;
#[cfg(feature = "memcached")]
mod memcached;
mod memory;
#[cfg(feature = "mongo")]
mod mongo;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "rocksdb")]
mod rocksdb;

use larder_benches::measure::Plan;

/// Why a backend cannot be measured.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// A server that nobody wants to have measured need not be there.
macro_rules! run {
    ($plan:ident, $($feature:literal $peer:ident)+) => {
        $(#[cfg(feature = $feature)]
        if $plan.wants_any(concat!($feature, "/")) {
            $peer::run($plan)?;
        })+
    };
}

/// Measures memory, disk, and every backend that the features name.
pub(crate) fn run(plan: &Plan) -> Result<(), Failure> {
    memory::run(plan);
    disk::run(plan)?;
    run!(plan, "dynamo" dynamo "elastic" elastic "memcached" memcached "mongo" mongo "redis" redis "rocksdb" rocksdb);
    Ok(())
}

/// The value of a variable such as `LARDER_TEST_REDIS`.
#[cfg(any(
    feature = "dynamo",
    feature = "elastic",
    feature = "memcached",
    feature = "mongo",
    feature = "redis"
))]
fn server(variable: &str, service: &str) -> Result<String, Failure> {
    std::env::var(variable).map_err(|_| {
        format!("{variable} does not say where the server is: `scripts/services run {service} -- COMMAND` starts one").into()
    })
}

/// A prefix of names that no other run has.
#[cfg(any(
    feature = "dynamo",
    feature = "elastic",
    feature = "memcached",
    feature = "mongo",
    feature = "redis"
))]
fn fresh(side: &str) -> String {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!("bench-{side}-{:x}", now.as_nanos())
}
