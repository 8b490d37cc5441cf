//! Reads that race with writes, in every order of their steps at small size: the old value never stays cached, far,
//! near or in another process.
//!
//! A step is what lies between two waits for the store; each operation waits before and after it takes effect, and
//! so does the news of a change, which a process hears in a step of its own. The orders are all those with at most so
//! many switches away from somebody who could go on, and some at random with any number.

#![cfg(feature = "near")]

#[cfg(test)]
mod explorer;
#[cfg(test)]
mod far;
#[cfg(test)]
mod overlap;
#[cfg(test)]
mod world;

#[cfg(test)]
mod tests {
    use crate::explorer::{Explored, Orders};
    use crate::far::Fault;
    use crate::overlap::{Act as Overlapping, Overlap};
    use crate::world::{Act, Before, Process, Then, World};

    use Act::{Drops, Finds, Reads, ReadsTagged, Writes, WritesTagged};
    use Process::{Here, There};
    use Then::{Goes, Looks};

    const RANDOM: usize = 1_000;

    /// Tries all orders with at most so many switches, and random ones: none goes wrong. How many there were of the
    /// first, and how many fetches of both were overtaken.
    fn holds(switches: usize, before: Before, acts: &[(Process, Act)]) -> (u64, u64) {
        let (mut all, mut overtaken) = (0, 0);
        for orders in [Orders::some(RANDOM, 7), Orders::all(switches)] {
            let Explored { orders, overtaken: over, wrong } =
                World::new(Fault::None).explore(orders, before, acts);
            assert_eq!(wrong, None, "{before:?} {acts:?}");
            (all, overtaken) = (orders, overtaken + over);
        }
        println!("{before:?} {acts:?}: {all} orders, {overtaken} overtaken");
        (all, overtaken)
    }

    /// Tries orders on a store with `fault`: one must go wrong.
    fn bites(fault: Fault, before: Before, acts: &[(Process, Act)]) {
        for orders in [Orders::some(10 * RANDOM, 7), Orders::all(2)] {
            let explored = World::new(fault).explore(orders, before, acts);
            assert!(explored.wrong.is_some(), "{fault:?} was not noticed in {} orders", explored.orders);
        }
    }

    #[test]
    fn a_read_and_a_write_in_one_process() {
        for before in [Before::Nothing, Before::Lease, Before::Stale] {
            let (orders, overtaken) = holds(2, before, &[(Here, Reads), (Here, Writes(Looks))]);
            assert!(orders > 500 && overtaken > 50, "{before:?}: {orders} orders, {overtaken} overtaken");
        }
    }

    #[test]
    fn a_read_here_and_a_write_there() {
        for before in [Before::Nothing, Before::Lease, Before::Stale] {
            let (orders, overtaken) = holds(2, before, &[(Here, Reads), (There, Writes(Goes))]);
            assert!(orders > 500 && overtaken > 50, "{before:?}: {orders} orders, {overtaken} overtaken");
        }
    }

    #[test]
    fn what_is_copied_near_while_another_process_writes() {
        holds(2, Before::Cached, &[(Here, Finds), (There, Writes(Goes))]);
        holds(1, Before::Nothing, &[(Here, Reads), (Here, Finds), (There, Writes(Goes))]);
    }

    #[test]
    fn reads_of_two_processes_and_a_write() {
        for before in [Before::Nothing, Before::Stale] {
            holds(1, before, &[(Here, Reads), (There, Reads), (Here, Writes(Looks))]);
        }
    }

    #[test]
    fn two_writes_and_a_read() {
        holds(1, Before::Nothing, &[(Here, Reads), (Here, Writes(Goes)), (There, Writes(Goes))]);
    }

    #[test]
    fn a_read_that_is_dropped_at_any_step() {
        for steps in 1..12 {
            let acts = [(Here, Drops(steps)), (Here, Reads), (There, Writes(Goes))];
            let orders = Orders::some(RANDOM, steps as u64);
            let explored = World::new(Fault::None).explore(orders, Before::Nothing, &acts);
            assert_eq!(explored.wrong, None, "dropped after {steps} steps");
        }
    }

    #[test]
    fn a_tag_invalidated_while_a_value_is_fetched() {
        for before in [Before::Nothing, Before::Stale] {
            holds(2, before, &[(Here, ReadsTagged), (Here, WritesTagged(Looks))]);
            holds(2, before, &[(Here, ReadsTagged), (There, WritesTagged(Goes))]);
        }
    }

    /// Tries all orders with at most so many switches, and random ones, of writes and reads of one entry.
    fn stays_true(switches: usize, acts: &[Overlapping]) {
        for orders in [Orders::some(RANDOM, 7), Orders::all(switches)] {
            let explored = Overlap::new().explore(orders, acts);
            assert!(explored.as_ref().is_ok_and(|runs| *runs >= 100), "{acts:?}: {explored:?}");
        }
    }

    #[test]
    fn writes_that_overlap_with_one_that_lands_after_nobody_waits_for_it() {
        use Overlapping::{Reads, Takes, TimesOut, TimesOutInABatch, Writes, WritesABatch};
        for late in [TimesOut, TimesOutInABatch] {
            for other in [Writes, Takes, WritesABatch] {
                stays_true(2, &[late, other, Reads]);
            }
            stays_true(1, &[late, Writes, Writes, Reads]);
            stays_true(1, &[late, Reads, Writes, Reads]);
        }
    }

    #[test]
    fn writes_that_overlap_with_one_that_is_dropped_on_its_way() {
        use Overlapping::{Drops, Reads, Writes};
        for steps in 1..6 {
            stays_true(2, &[Drops(steps), Writes, Reads]);
        }
    }

    #[test]
    fn a_store_that_forgets_conditions_is_found_out() {
        bites(Fault::UpdatesAnyVersion, Before::Nothing, &[(Here, Reads), (Here, Writes(Goes))]);
        bites(Fault::UpdatesAnyVersion, Before::Stale, &[(Here, Reads), (There, Writes(Goes))]);
    }

    #[test]
    fn a_store_that_deletes_nothing_is_found_out() {
        bites(Fault::DeletesNothing, Before::Cached, &[(Here, Finds), (Here, Writes(Goes))]);
        bites(Fault::DeletesNothing, Before::Nothing, &[(Here, ReadsTagged), (There, WritesTagged(Goes))]);
    }

    #[test]
    fn news_that_are_lost_are_found_out() {
        bites(Fault::NewsAreLost, Before::Cached, &[(Here, Finds), (There, Writes(Goes))]);
    }

    #[test]
    fn news_that_come_before_the_change_are_found_out() {
        bites(Fault::NewsComeEarly, Before::Cached, &[(Here, Finds), (There, Writes(Goes))]);
    }
}
