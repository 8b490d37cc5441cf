//! The drivers, doing the work that a store on them does. Where a server is, its variable says, as it does in tests.

#[cfg(feature = "dynamo")]
mod dynamo;
#[cfg(feature = "elastic")]
mod elastic;
#[cfg(feature = "memcached")]
mod memcached;
#[cfg(feature = "mongo")]
mod mongo;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "rocksdb")]
mod rocksdb;

use larder_benches::workload::Random;

use larder_benches::measure::Plan;

/// Why a backend cannot be measured.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// What a conditional write of a driver knows an entry by: as long as the store's.
type Version = [u8; 16];

fn new_version() -> Version {
    let mut random = Random::fresh();
    let (high, low) = (random.next(), random.next());
    ((u128::from(high) << 64) | u128::from(low)).to_be_bytes()
}

/// A server that nobody wants to have measured need not be there.
macro_rules! run {
    ($plan:ident, $($feature:literal $peer:ident)+) => {
        $(#[cfg(feature = $feature)]
        if $plan.wants_any(concat!($feature, "/")) {
            $peer::run($plan)?;
        })+
    };
}

/// Measures every backend that the features name.
pub(crate) fn run(plan: &Plan) -> Result<(), Failure> {
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
