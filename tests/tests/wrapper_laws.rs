//! The laws of a store behind each wrapper, behind all legal pairs of wrappers, and behind all of them in the one right
//! order; and what goes wrong in a wrong order.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "wrapper_laws/beside.rs"]
mod beside;
#[path = "wrapper_laws/orders.rs"]
mod orders;
#[path = "wrapper_laws/stack.rs"]
mod stack;
#[path = "wrapper_laws/trial.rs"]
mod trial;
#[path = "wrapper_laws/wrappers.rs"]
mod wrappers;

use std::sync::atomic::{AtomicUsize, Ordering};

use kv_core::testing::{Exception, Size};
use kv_core::{Key, Store as _};

use stack::{Base, Stack};
use wrappers::{DEFAULT_TTL, ORDER, SINGLES, UNEQUAL, Wrapper};

/// Runs all laws behind one wrapper, and records them for the page of laws.
fn alone(wrapper: &'static Wrapper, exceptions: &[Exception]) {
    let stack = Stack::new(Base::Reference, Size::SMALL, vec![wrapper]);
    trial::pass(wrapper.name, &stack, exceptions);
}

macro_rules! alone {
    ($($test:ident: $wrapper:literal),* $(,)?) => {
        $(#[test]
        fn $test() {
            alone(wrappers::named($wrapper), &[]);
        })*

        const ALONE: &[&str] = &[$($wrapper),*];
    };
}

alone! {
    laws_hold_erased: "AnyStore",
    laws_hold_compressed: "Compress",
    laws_hold_counted: "Counted",
    laws_hold_sealed: "Encrypted",
    laws_hold_with_a_fallback: "Fallback",
    laws_hold_in_a_wrapper_with_faults_that_has_none: "Faulty without faults",
    laws_hold_metered: "Metered",
    laws_hold_with_a_prefix: "Prefix",
    laws_hold_with_a_prefix_in_a_prefix: "Prefix in Prefix",
    laws_hold_read_only: "ReadOnly",
    laws_hold_read_only_beside_a_writer: "ReadOnly beside a writer",
    laws_hold_with_retries: "Retry",
    laws_hold_with_retries_around_a_store_that_refuses_every_fifth_call: "Retry around refusals",
    laws_hold_routed: "Route",
    laws_hold_with_a_size_limit: "SizeLimit",
    laws_hold_timed: "Timeout",
    laws_hold_traced: "Traced",
    laws_hold_with_a_ttl_policy_without_settings: "TtlPolicy without settings",
}

#[test]
fn each_wrapper_runs_the_laws_alone() {
    let mut run = ALONE.to_vec();
    run.extend([DEFAULT_TTL.name, UNEQUAL.name]);
    for wrapper in SINGLES.iter().chain(ORDER) {
        assert!(run.contains(&wrapper.name) || wrapper.elsewhere, "{} is not run alone", wrapper.name);
    }
}

#[test]
fn laws_hold_with_a_default_ttl_but_those_that_it_is_there_to_break() {
    const WHY: &str = "an entry without ttl gets the default, which is what it is for";
    let broken = [
        "an_entry_without_ttl_never_expires",
        "a_put_without_ttl_over_an_old_ttl_never_expires",
        "create_succeeds_over_what_expired",
        "each_entry_of_a_batch_has_its_own_ttl",
        "a_scan_gives_entries_exactly_if_asked",
    ];
    alone(&DEFAULT_TTL, &broken.map(|law| Exception::Breaks(law, WHY)));
}

#[test]
fn laws_hold_over_stores_that_take_values_of_different_size_but_what_one_largest_value_would_mean() {
    const WHY: &str = "a collection whose store takes larger values than the others takes them";
    let broken = [
        "a_value_that_is_too_large_is_refused_and_the_old_one_stays",
        "a_refusal_names_kind_operation_and_key",
        "a_refusal_says_that_nothing_was_done",
        "no_refusal_shows_a_value",
    ];
    alone(&UNEQUAL, &broken.map(|law| Exception::Breaks(law, WHY)));
}

/// All of them, outermost first.
fn right_order() -> Vec<&'static Wrapper> {
    ORDER.iter().collect()
}

#[test]
fn laws_hold_behind_all_wrappers_in_the_one_right_order() {
    for base in [Base::Reference, Base::Memory] {
        let stack = Stack::new(base, Size::SMALL, right_order());
        let name = if base == Base::Memory { "all wrappers on memory" } else { "all wrappers" };
        trial::pass(name, &stack, &[]);
    }
}

/// Each wrapper inside each that may stand outside it. In one process, on as many threads as there are cores.
#[test]
fn laws_hold_behind_every_legal_pair_of_wrappers() {
    let pairs: Vec<_> = ORDER
        .iter()
        .enumerate()
        .flat_map(|(place, outer)| ORDER.iter().skip(place + 1).map(move |inner| vec![outer, inner]))
        .collect();
    assert_eq!(pairs.len(), ORDER.len() * (ORDER.len() - 1) / 2);
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(pair) = pairs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let stack = Stack::new(Base::Memory, Size::TINY, pair.clone());
                    trial::hold(&stack);
                }
            });
        }
    });
}

/// What the harness itself does: a wrapper that breaks a law is seen, alone and in a pair.
#[test]
fn a_stack_that_breaks_a_law_is_seen() {
    for inner in [&DEFAULT_TTL, wrappers::named("Prefix")] {
        let stack = Stack::new(Base::Memory, Size::TINY, vec![&DEFAULT_TTL, inner]);
        assert!(trial::broken(&stack).iter().any(|law| law.contains("an_entry_without_ttl_never_expires")));
    }
}

#[tokio::test]
async fn the_right_order_is_the_one_that_the_wrappers_tell() {
    let stack = Stack::new(Base::Memory, Size::TINY, right_order());
    let store = kv_core::testing::Harness::empty(&stack).await;
    store.get(Key::new("c", "a")).await.unwrap();
    let shown = format!("{store:?}");
    let places: Vec<_> = ORDER.iter().map(|wrapper| (shown.find(wrapper.shown), wrapper.shown)).collect();
    assert!(places.iter().all(|(place, _)| place.is_some()), "{places:?} in {shown}");
    assert!(places.is_sorted(), "{places:?} in {shown}");
}
