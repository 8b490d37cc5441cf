//! The list of laws: the only one, and the macros that walk it.

/// Makes one test of each law for a harness.
///
/// ```ignore
/// kv_core::laws!(Memory::new());
/// kv_core::laws!(
///     Redis::new(),
///     breaks(an_entry_is_gone_50_ms_after_its_ttl = "why it cannot"),
///     cannot_show(of_racing_takes_one_gets_the_entry = "why nothing is promised")
/// );
/// ```
///
/// The expression is evaluated for each law anew. A law under `breaks` must fail, else the exception is stale; one
/// under `cannot_show` may pass or fail. Two harnesses in one file stand in two modules.
#[macro_export]
macro_rules! laws {
    (
        $harness:expr
        $(, breaks($($broken:ident = $why_broken:literal),* $(,)?))?
        $(, cannot_show($($unsure:ident = $why_unsure:literal),* $(,)?))?
        $(,)?
    ) => {
        const EXCEPTIONS: &[$crate::testing::Exception] = &[
            $($($crate::testing::Exception::Breaks(
                {
                    let _: fn() = $broken; // an exception from a law that does not exist does not compile
                    stringify!($broken)
                },
                $why_broken,
            ),)*)?
            $($($crate::testing::Exception::CannotShow(
                {
                    let _: fn() = $unsure;
                    stringify!($unsure)
                },
                $why_unsure,
            ),)*)?
        ];
        $crate::each_law!([$crate::__tests_of_laws] $harness);
    };
}

/// Hands the list of laws to another macro, after what else it is given:
/// `each_law!([then] with)` is `then! { with; group { law: Runtime, .. } .. }`.
#[macro_export]
macro_rules! each_law {
    ([$($then:tt)*] $($with:tt)*) => {
        $($then)*! {
            $($with)*;
            names {
                a_separator_in_a_name_moves_nothing: Threads,
                the_empty_collection_and_the_empty_id_are_names: Threads,
                control_characters_are_part_of_a_name: Threads,
                emoji_are_kept_whole: Threads,
                composed_and_decomposed_names_differ: Threads,
                upper_and_lower_case_differ: Threads,
                a_name_that_looks_escaped_stands_for_itself: Threads,
                spaces_around_a_name_count: Threads,
                a_name_is_no_path_and_no_pattern: Threads,
                ids_of_100_000_characters_differ_in_the_last: Threads,
                collections_of_100_000_characters_differ_in_the_last: Threads,
                names_that_begin_alike_stay_apart_at_every_length: Threads,
                a_scan_hands_names_back_as_they_were_put: Threads,
            }
            time {
                an_entry_never_leaves_before_its_ttl: Threads,
                an_entry_is_there_in_its_last_millisecond: Threads,
                an_entry_is_gone_50_ms_after_its_ttl: Threads,
                a_batch_of_reads_does_not_find_what_expired: Threads,
                what_expired_cannot_be_taken: Threads,
                what_expired_cannot_be_updated: Threads,
                create_succeeds_over_what_expired: Threads,
                a_scan_does_not_list_what_expired: Threads,
                a_scan_with_values_does_not_list_what_expired: Threads,
                the_remaining_ttl_is_never_more_than_asked_and_never_zero: Threads,
                the_remaining_ttl_shrinks_as_time_passes: Threads,
                a_ttl_is_rounded_up_to_a_millisecond: Threads,
                a_ttl_of_zero_is_invalid_and_leaves_the_old_entry: Threads,
                a_ttl_above_100_years_is_invalid_and_leaves_the_old_entry: Threads,
                a_ttl_of_nearly_100_years_is_kept: Threads,
                a_ttl_beyond_30_days_is_kept: Threads,
                an_expiry_after_2038_is_kept: Threads,
                an_entry_without_ttl_never_expires: Threads,
                a_put_without_ttl_over_an_old_ttl_never_expires: Threads,
                a_longer_ttl_replaces_a_shorter_one: Threads,
                a_shorter_ttl_replaces_a_longer_one: Threads,
                reading_does_not_prolong_an_entry: Threads,
                a_refused_create_does_not_prolong_an_entry: Threads,
                each_entry_of_a_batch_has_its_own_ttl: Threads,
                a_bad_ttl_in_a_batch_fails_its_own_entry: Threads,
            }
            atomic {
                an_acknowledged_put_is_seen_by_the_next_read: Threads,
                an_acknowledged_write_is_seen_through_another_handle: Threads,
                take_gives_the_value_once: Threads,
                absence_is_no_error: Threads,
                create_over_a_live_entry_fails_and_leaves_it: Threads,
                create_succeeds_where_an_entry_was_removed: Threads,
                update_with_the_right_version_replaces: Threads,
                update_of_an_absent_entry_is_a_conflict: Threads,
                update_with_another_version_is_a_conflict_and_leaves_the_entry: Threads,
                take_with_another_version_is_a_conflict_and_leaves_the_entry: Threads,
                the_version_answered_is_the_one_drawn_and_stored: Threads,
                an_old_version_never_fits_an_entry_made_anew: Threads,
                no_two_writes_have_the_same_version: Threads,
                of_racing_takes_one_gets_the_entry: Threads,
                of_racing_conditional_takes_one_gets_the_entry: Threads,
                of_racing_creates_one_succeeds: Threads,
                of_racing_creates_over_an_expired_entry_one_succeeds: Threads,
                of_racing_updates_one_succeeds: Threads,
                an_update_racing_with_a_take_never_revives_the_entry: Threads,
                an_entry_replaced_while_it_is_taken_is_taken_at_most_once: Threads,
                counting_by_update_loses_nothing: Threads,
            }
        }
    };
}

/// The tests of [`laws!`](crate::laws).
#[doc(hidden)]
#[macro_export]
macro_rules! __tests_of_laws {
    ($harness:expr; $($group:ident { $($law:ident: $runtime:ident,)* })*) => {
        $($(
            #[test]
            fn $law() {
                let law = $crate::testing::Law {
                    group: stringify!($group),
                    name: stringify!($law),
                    runtime: $crate::testing::Runtime::$runtime,
                };
                $crate::testing::run(law, EXCEPTIONS, $harness, |harness| {
                    ::std::boxed::Box::pin($crate::testing::laws::$group::$law(harness))
                });
            }
        )*)*
    };
}
