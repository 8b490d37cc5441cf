//! What the store can do, keeps and costs.

use kv_core::{Capabilities, Consistency, Judge, Listing, RoundTrips};

use crate::batch::MOST;
use crate::server::Settings;
use crate::wire;

/// The capabilities with these settings; a cluster does not tell of changes, and who may not ask for the server's run
/// cannot list.
pub(crate) fn of(settings: Settings, cluster: bool, lists: bool) -> Capabilities {
    let mut capabilities = Capabilities::of("redis");
    capabilities.scan = if lists { Listing::Unordered } else { Listing::No };
    capabilities.evicts = settings.evicts;
    capabilities.durable = true;
    capabilities.consistency = Consistency::UntilFailover;
    capabilities.judge = Judge::Server;
    capabilities.max_value = Some(wire::largest_value(settings.bulk));
    capabilities.read_batch = MOST;
    capabilities.write_batch = MOST;
    capabilities.signals = true;
    capabilities.changes = !cluster;
    let mut trips = RoundTrips::default();
    (trips.get, trips.replace, trips.create, trips.update, trips.take) = (1, 1, 1, 1, 1);
    capabilities.round_trips = trips;
    capabilities
}
