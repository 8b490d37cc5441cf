//! The list of laws: the only one, and the macros that walk it.

/// Makes one test of each law for a harness.
///
/// ```text
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
                each_entry_of_a_batch_has_its_own_ttl: Threads,
                a_bad_ttl_in_a_batch_fails_its_own_entry: Threads,
            }
            expiry {
                an_entry_is_gone_50_ms_after_its_ttl: Threads,
                a_batch_of_reads_does_not_find_what_expired: Threads,
                what_expired_cannot_be_taken: Threads,
                what_expired_cannot_be_updated: Threads,
                create_succeeds_over_what_expired: Threads,
                a_scan_does_not_list_what_expired: Threads,
                a_scan_with_values_does_not_list_what_expired: Threads,
                reading_does_not_prolong_an_entry: Threads,
                a_refused_create_does_not_prolong_an_entry: Threads,
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
            }
            races {
                no_two_writes_have_the_same_version: Threads,
                of_racing_takes_one_gets_the_entry: Threads,
                of_racing_conditional_takes_one_gets_the_entry: Threads,
                of_racing_creates_one_succeeds: Threads,
                of_racing_creates_over_an_expired_entry_one_succeeds: Threads,
                of_racing_updates_one_succeeds: Threads,
                an_update_racing_with_a_take_never_revives_the_entry: Threads,
                an_entry_replaced_while_it_is_taken_is_taken_at_most_once: Threads,
                counting_by_update_loses_nothing: Threads,
                of_racing_removals_by_update_with_one_sees_the_entry: Threads,
            }
            batch {
                an_empty_batch_is_answered_with_nothing: Threads,
                a_batch_of_one_does_what_the_single_operation_does: Threads,
                a_batch_of_thousands_keeps_its_order: Threads,
                duplicate_reads_in_a_batch_are_all_answered: Threads,
                of_duplicate_writes_in_a_batch_the_last_wins: Threads,
                duplicate_deletions_in_a_batch_are_no_error: Threads,
                a_batch_tells_present_and_absent_apart: Threads,
                deleting_what_is_absent_is_no_error: Threads,
                a_batch_of_writes_replaces_what_was_there: Threads,
                a_batch_reaches_several_collections: Threads,
                a_batch_of_12_mib_is_written_and_read: Threads,
            }
            values {
                values_of_0_bytes_to_1_mib_come_back_byte_for_byte: Threads,
                every_byte_is_kept: Threads,
                an_empty_value_is_not_absence: Threads,
                a_value_that_looks_like_a_stored_form_stands_for_itself: Threads,
                the_largest_value_is_taken: Threads,
                a_value_that_is_too_large_is_refused_and_the_old_one_stays: Threads,
                codec_and_tags_are_kept: Threads,
                a_scan_tells_codec_and_tags: Threads,
                a_plain_put_over_a_tagged_entry_is_plain: Threads,
                a_full_store_refuses_and_keeps_what_it_has: Threads,
                a_value_that_finds_no_room_leaves_the_old_one: Threads,
                a_full_store_takes_writes_once_there_is_room: Threads,
                what_expired_makes_room: Threads,
            }
            scan {
                a_scan_lists_all_of_its_collection_and_no_other: Threads,
                a_large_scan_is_complete_under_concurrent_writes: Threads,
                an_ordered_scan_lists_each_once_in_byte_order: Threads,
                a_scan_of_a_quiet_store_lists_each_entry: Threads,
                a_prefix_is_no_pattern: Threads,
                a_collection_to_scan_is_no_pattern: Threads,
                a_prefix_selects_by_bytes: Threads,
                under_lists_all_collections_that_begin_so: Threads,
                a_scan_gives_entries_exactly_if_asked: Threads,
                a_scan_of_nothing_ends_and_finds_nothing: Threads,
            }
            pages {
                a_page_holds_at_most_its_limit: Threads,
                a_limit_of_0_or_above_1_000_is_invalid: Threads,
                a_cursor_of_another_scan_is_invalid: Threads,
                a_cursor_that_is_none_is_invalid: Threads,
                a_cursor_goes_on_in_another_handle: Threads,
                a_page_with_values_ends_at_8_mib: Threads,
                removing_what_was_listed_does_not_end_a_scan: Threads,
            }
            drops {
                a_dropped_write_happens_wholly_or_not_at_all: Threads,
                a_dropped_create_makes_the_whole_entry_or_none: Threads,
                a_dropped_take_removes_or_leaves: Threads,
                a_dropped_batch_leaves_each_entry_old_or_new: Threads,
                a_store_stays_usable_after_many_dropped_futures: Threads,
                a_dropped_write_never_lands_after_a_later_one: Threads,
            }
            lifecycle {
                first_use_by_many_tasks_loses_nothing: Threads,
                expired_entries_are_freed_also_when_idle: Threads,
                expired_entries_are_freed_while_others_are_written: Threads,
                replaced_and_removed_entries_are_not_held: Threads,
                every_operation_after_close_is_closed: Threads,
                a_store_that_was_never_used_closes: Threads,
                close_ends_other_handles_too: Threads,
                closing_again_is_no_error: Threads,
                close_waits_for_operations_in_flight: Threads,
            }
            signals {
                a_signal_reaches_each_subscriber_of_its_topic: Threads,
                a_signal_reaches_other_handles: Threads,
                a_signal_reaches_no_other_topic: Threads,
                a_signal_above_1_kib_is_invalid: Threads,
                dropping_a_subscription_ends_no_other: Threads,
                close_ends_subscriptions: Threads,
                signals_are_unsupported_exactly_where_capabilities_say: Threads,
                news_of_changes_begin_with_all: Threads,
                a_change_through_another_handle_is_told: Threads,
                close_ends_news_of_changes: Threads,
            }
            errors {
                a_refusal_names_kind_operation_and_key: Threads,
                a_refusal_says_that_nothing_was_done: Threads,
                a_refused_scan_names_the_operation: Threads,
                no_refusal_shows_a_value: Threads,
                debug_shows_no_value: Threads,
                a_long_or_hostile_key_is_cut_and_escaped_in_an_error: Threads,
                a_refusal_in_a_batch_names_its_key: Threads,
            }
            executor {
                a_large_batch_of_writes_lets_others_run: Single,
                a_large_batch_of_reads_lets_others_run: Single,
                a_large_batch_of_deletions_lets_others_run: Single,
                a_large_scan_lets_others_run: Single,
                one_thread_is_enough: Single,
            }
            capabilities {
                what_a_store_says_of_itself_agrees: Threads,
                a_store_says_the_same_of_itself_through_any_handle: Threads,
                scan_is_unsupported_exactly_where_capabilities_say: Threads,
                writes_are_refused_exactly_where_capabilities_say: Threads,
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
                $crate::testing::run(law, EXCEPTIONS, &$harness, |harness| {
                    ::std::boxed::Box::pin($crate::testing::laws::$group::$law(harness))
                });
            }
        )*)*
    };
}
