//! Each backend through `AnyStore` beside its raw engine, which does the same work at the same durability in the same
//! run. Names are `backend/operation/value size/tasks`, and then `raw` or `larder`; times are for one operation by each
//! task. `cargo bench -p larder-benches --bench store -- disk-sled/put` runs a part.

mod backends;
mod drive;
mod peers;
mod sealing;
mod suite;

use std::time::Duration;

use criterion::Criterion;
use larder_benches::workload::Values;

use crate::drive::Drive;
use crate::suite::Bench;

/// In bytes. A token or a small record, and a page of text.
const SIZES: [usize; 2] = [200, 4_096];

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(150))
        .measurement_time(Duration::from_millis(600))
        .nresamples(2_000)
        .without_plots()
        .configure_from_args();
    let drive = Drive::new();
    for values in SIZES.map(Values::new) {
        let mut bench = Bench { criterion: &mut criterion, drive: &drive };
        backends::memory(&mut bench, &values);
        backends::near(&mut bench, &values);
        backends::sled(&mut bench, &values);
        backends::redb(&mut bench, &values);
        sealing::alone(&mut bench, &values);
        sealing::memory(&mut bench, &values);
        sealing::sled(&mut bench, &values);
    }
    criterion.final_summary();
}
