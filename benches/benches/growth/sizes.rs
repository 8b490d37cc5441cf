//! How many entries there are to be.

use larder_benches::workload::{IN_COLLECTION, SPARE};

const WANTED: &str = "10000,1000000,5000000";
const TRIED_OUT: &str = "2000";

/// The sizes of `--keys=10000,100000`, else of `LARDER_BENCH_KEYS`, else those that promises are about.
///
/// # Errors
/// What is wrong with a size, for people.
pub(crate) fn wanted(arguments: &[&str], try_out: bool) -> Result<Vec<u64>, String> {
    let argument = arguments.iter().find_map(|argument| argument.strip_prefix("--keys=")).map(str::to_owned);
    let sizes = argument.or_else(|| std::env::var("LARDER_BENCH_KEYS").ok());
    let usual = if try_out { TRIED_OUT } else { WANTED };
    sizes.as_deref().unwrap_or(usual).split(',').map(size).collect()
}

fn size(text: &str) -> Result<u64, String> {
    let fits = |keys: &u64| *keys > 0 && keys.is_multiple_of(IN_COLLECTION) && *keys <= SPARE.start;
    text.trim().parse().ok().filter(fits).ok_or_else(|| {
        format!("{text:?} is no number of entries: whole thousands up to {} can be measured", SPARE.start)
    })
}
