//! `moka::sync`, as anybody would use it.

use kv_core::StoreExt as _;
use kv_memory::MemoryStore;
use larder_benches::larder::Larder;
use larder_benches::measure::Plan;
use larder_benches::peers::Moka;

use crate::operations::{self, Load};

pub(crate) fn run(plan: &Plan) {
    let load = Load { taken: [192_000, 48_000], pages: &[1], ..Load::FAST }; // moka's pages are walks over everything
    let larder = Larder(MemoryStore::new().erased());
    operations::compare(plan, "memory", load, &larder, &Moka::default());
}
