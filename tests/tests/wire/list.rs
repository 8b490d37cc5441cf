//! The list of behaviours: the only one, and what is made of it.

/// Hands the list of behaviours to another macro: `then! { group { behaviour, .. } .. }`.
#[macro_export]
macro_rules! each_behaviour {
    ($then:ident $($with:tt)*) => {
        $crate::$then! {
            $($with)*
            decoding {
                what_is_not_json_is_a_parse_error_without_an_id,
                json_that_is_no_message_is_an_invalid_request,
                an_id_is_a_string_or_an_integer_of_at_most_256_bytes,
                an_id_comes_back_byte_for_byte,
                params_that_do_not_fit_are_invalid_under_the_id,
                a_message_without_an_id_is_never_answered,
                an_answer_to_nothing_is_taken_in_a_session_and_refused_without,
                a_message_over_4_mib_is_refused_and_the_next_is_served,
                deep_nesting_costs_nobody_the_stack,
                no_newline_stands_inside_a_message,
                lines_may_be_blank_or_end_in_carriage_returns,
            }
            eras {
                initialize_agrees_on_the_version_asked_for_or_the_newest_with_a_handshake,
                initialize_without_a_version_is_refused,
                discover_tells_versions_capabilities_and_who_answers,
                a_list_is_the_same_on_every_connection,
                extensions_are_told_as_they_were_declared,
                methods_of_the_handshake_are_unknown_on_2026_07_28,
                methods_of_2026_07_28_are_unknown_in_a_session,
                incomplete_metadata_is_refused_first,
                headers_must_say_what_the_body_says,
                a_version_that_is_not_served_is_told_which_are,
                both_eras_share_a_connection,
                discover_may_come_before_initialize,
                before_initialize_a_connection_answers_ping_alone,
                a_connection_is_initialized_once,
                a_session_decides_what_its_version_header_repeats,
                a_request_says_all_that_it_is_served_by,
            }
            errors {
                an_unknown_method_is_named_in_a_sentence,
                a_method_of_a_capability_that_is_not_declared_is_unknown,
                capabilities_follow_from_what_is_registered,
                an_unknown_tool_or_prompt_is_an_invalid_param,
                an_unknown_resource_has_the_code_of_its_revision,
                a_missing_argument_of_a_prompt_is_an_invalid_param,
                arguments_that_do_not_fit_are_told_to_the_model,
                a_tool_that_fails_answers_an_error_for_the_model,
                no_text_of_a_backend_reaches_a_client,
                a_capability_that_the_client_lacks_is_named,
                ping_is_answered_by_an_empty_object,
                what_a_client_sent_is_repeated_by_its_beginning_only,
                a_handler_that_panics_fails_its_own_request_only,
                metadata_of_tasks_is_passed_over,
            }
            forms {
                structured_content_is_what_its_revision_can_carry,
                an_output_schema_describes_what_is_sent,
                blocks_that_a_revision_has_not_become_text,
                a_resource_is_text_or_base64,
                every_result_says_that_it_is_complete_and_who_answers,
                hints_stand_on_the_six_cacheable_results_only,
                what_may_differ_from_caller_to_caller_is_private,
                what_a_caller_may_not_use_is_neither_listed_nor_served,
            }
            asking {
                what_is_asked_first_is_no_argument_and_asked_at_once,
                a_resource_and_a_prompt_ask_first_too,
                where_the_person_declines_nothing_runs_unless_it_looks,
                who_cannot_be_asked_is_refused_before_anything_runs,
                an_extension_that_a_tool_needs_is_asked_of_the_client,
                a_model_uses_tools_on_2025_11_25_and_2026_07_28_alone,
                a_client_that_has_roots_is_asked_for_them,
                a_page_is_opened_once_by_who_was_sent_there,
                that_a_page_is_done_is_told_to_its_session_on_2025_11_25_alone,
                what_needs_a_page_first_is_minus_32042_on_2025_11_25_alone,
                an_anonymous_caller_is_sent_to_no_page,
                nothing_is_asked_before_the_client_is_initialized,
                a_question_that_nobody_waits_for_any_more_is_cancelled,
                questions_stand_on_the_stream_of_their_own_request,
                a_question_has_five_minutes,
                a_loop_that_asks_ends,
                rights_come_before_what_is_needed,
            }
            completions {
                completions_begin_with_the_value_or_hold_it,
                completions_know_what_was_chosen_since_2025_06_18,
                a_template_is_referred_to_by_its_text_or_by_a_uri,
                at_most_100_completions_are_sent_and_more_are_counted,
                an_argument_that_nothing_completes_has_no_values,
                what_cannot_be_completed_is_an_invalid_param,
                a_completer_that_fails_is_told_and_one_that_panics_is_not,
                completions_tell_nothing_of_what_is_hidden,
                who_asks_for_completions_too_fast_is_told_to_wait,
                completions_are_declared_where_something_completes,
            }
            notices {
                progress_goes_to_who_gave_a_token_and_only_upwards,
                progress_comes_a_hundred_at_once_and_then_fifty_a_second_and_the_last_in_any_case,
                nothing_is_said_after_the_answer,
                a_session_gets_every_log_message_until_it_sets_a_level,
                a_level_that_nobody_knows_is_refused_and_changes_nothing,
                a_request_gets_the_log_messages_that_it_asks_for,
                a_server_that_does_not_log_to_clients_is_silent,
                what_a_request_says_goes_to_nobody_else,
            }
            pages {
                pages_hold_everything_once_and_in_order,
                a_cursor_survives_a_restart_and_what_came_and_went,
                a_cursor_that_no_page_ended_with_is_refused,
                an_empty_list_is_a_list,
                a_cursor_shows_nobody_what_is_hidden,
            }
            batches {
                a_batch_is_answered_by_one_array,
                a_batch_of_notifications_is_not_answered,
                a_batch_holds_at_most_50_messages_and_at_least_one,
                neither_initialize_nor_a_batch_stands_in_a_batch,
                an_id_stands_once_among_the_requests_of_a_connection,
                elsewhere_a_batch_is_an_invalid_request,
            }
            doors {
                a_foreign_origin_is_refused_and_the_call_that_allows_it_named,
                a_foreign_host_is_refused_and_the_call_that_allows_it_named,
                a_post_is_json,
                a_client_accepts_both_kinds_of_answers,
                other_methods_are_not_allowed_and_told_which_are,
                what_is_accepted_without_an_answer_is_202_and_empty,
                a_browser_of_an_allowed_origin_may_send_what_mcp_needs,
                who_proves_nothing_is_refused_with_a_challenge,
                probes_answer_beside_the_endpoint,
                an_error_to_a_request_that_was_read_carries_its_id,
                a_stream_ends_when_the_proof_of_its_caller_does,
                a_request_that_never_ends_is_cut,
            }
            headers {
                a_declared_header_stands_in_the_schema_of_its_argument,
                a_declared_header_is_there_exactly_where_its_argument_has_a_value,
                a_declared_header_says_what_its_argument_says,
                a_header_repeats_what_stands_at_its_path_alone,
                what_stands_twice_matches_nothing,
                a_mismatch_is_refused_before_anything_runs_and_repeats_no_value,
                who_may_not_use_a_tool_learns_nothing_from_its_headers,
                a_header_that_its_tool_does_not_declare_is_passed_over,
                elsewhere_declared_headers_are_neither_asked_for_nor_compared,
                a_notification_is_asked_for_no_such_header,
            }
            sessions {
                a_session_id_is_random_and_visible_ascii,
                a_request_without_a_session_is_400_and_one_with_an_unknown_is_404,
                another_principals_an_unknown_and_an_ended_session_look_the_same,
                delete_ends_a_session_with_204,
                no_session_is_minted_or_looked_at_on_2026_07_28,
                on_2026_07_28_there_is_no_session_to_end,
                a_store_that_cannot_be_asked_is_503_and_never_404,
                a_store_that_fails_at_initialize_is_an_internal_error_on_lines,
                an_idle_session_ends_and_one_in_use_does_not,
                a_session_outlives_the_process_that_opened_it,
                the_cap_on_sessions_refuses_one_more_until_one_ends,
                capabilities_over_4_kib_are_refused,
                sessions_refuse_a_store_that_may_forget_them,
            }
            streams {
                an_answer_that_comes_first_is_json,
                a_handler_that_speaks_first_opens_a_stream_that_its_answer_ends,
                silence_of_5_s_opens_a_stream_that_is_kept_alive,
                streams_at_once_carry_each_their_own_request,
                no_text_breaks_an_event,
            }
            listening {
                a_subscription_is_acknowledged_first_with_what_of_it_is_honoured,
                what_was_asked_for_is_told_and_nothing_else,
                what_is_logged_is_told_on_no_subscription,
                two_subscriptions_at_once_each_hear_their_own,
                what_a_caller_may_not_read_is_not_told_and_asked_for_each_time,
                a_subscription_outlasts_what_a_call_may_take_and_takes_no_place,
                who_reads_slowly_is_told_each_thing_once,
                there_are_so_many_subscriptions_until_one_ends,
                a_filter_that_does_not_fit_is_refused,
                a_subscription_ends_well_when_the_proof_of_its_caller_does,
                a_subscription_ends_well_when_the_input_does,
                a_cancelled_subscription_is_told_nothing_more,
            }
            told {
                a_session_is_told_of_the_resources_that_it_subscribed_to,
                a_list_that_changes_is_told_to_each_session_and_shown_by_the_next_list,
                an_unknown_and_a_hidden_resource_look_the_same_to_who_subscribes,
                what_is_told_stands_on_no_stream_of_a_request,
                nothing_is_told_before_the_client_is_initialized,
                the_newest_stream_of_a_session_wins,
                a_stream_belongs_to_a_session,
                on_2026_07_28_there_is_no_stream_to_get,
                a_stream_ends_with_its_session_and_another_session_has_its_own,
                the_stream_of_a_session_ends_in_silence_when_the_proof_of_its_caller_does,
                an_open_stream_keeps_its_session,
            }
            cancelling {
                a_cancelled_handler_is_dropped_at_its_await,
                a_cancelled_handler_that_had_spoken_is_dropped_too,
                a_tool_that_must_finish_finishes,
                a_part_that_must_finish_finishes_without_the_rest,
                a_handler_on_a_thread_is_told_and_its_result_dropped,
                a_cancellation_of_what_is_not_in_flight_is_passed_over,
                on_2026_07_28_over_http_a_cancellation_by_message_has_no_effect,
                in_a_session_a_lost_connection_cancels_nothing,
                a_run_without_its_connection_is_still_cancelled_by_message,
                what_a_run_without_its_connection_says_is_kept_for_resumption,
                what_a_run_says_that_lost_its_connection_before_it_spoke_is_discarded,
                the_end_of_a_session_cancels_what_it_has_in_flight,
                initialize_is_never_cancelled,
                the_end_of_the_input_ends_at_once_what_has_nothing_in_flight,
                the_end_of_the_input_gives_2_s_to_what_is_in_flight,
                a_handler_that_takes_too_long_is_given_up,
            }
            limits {
                an_id_in_flight_is_not_taken_twice_on_one_connection,
                an_id_used_twice_at_once_over_http_never_crosses_answers,
                handlers_at_once_are_limited_and_what_is_beyond_is_told_so,
                a_run_without_its_connection_counts_among_those_in_flight,
                a_connection_has_at_most_1024_requests_in_flight,
                who_says_too_much_loses_words_and_never_the_answer,
                many_clients_at_once_each_get_their_own_answers,
            }
            rmcp {
                rmcp_1_origins_are_validated_without_any_setting,
                rmcp_2_who_answers_stands_on_each_result,
                rmcp_3_what_is_no_json_rpc_is_refused_in_json_rpc,
                rmcp_4_refusals_of_the_transport_are_json_rpc_errors,
                rmcp_5_an_unknown_cursor_is_refused,
                rmcp_11_answers_to_one_id_used_twice_never_cross,
                rmcp_13_the_end_of_a_session_is_204,
                rmcp_14_what_is_not_offered_is_refused_in_a_sentence,
            }
        }
    };
}

/// One test for each behaviour in each cell.
#[macro_export]
macro_rules! tests {
    ($($group:ident { $($behaviour:ident,)* })*) => {
        each_behaviour!(tests_of v2024_11_05 V2024_11_05);
        each_behaviour!(tests_of v2025_03_26 V2025_03_26);
        each_behaviour!(tests_of v2025_06_18 V2025_06_18);
        each_behaviour!(tests_of v2025_11_25 V2025_11_25);
        each_behaviour!(tests_of v2026_07_28 V2026_07_28);
    };
}

/// The tests of one revision over each transport.
#[macro_export]
macro_rules! tests_of {
    ($name:ident $revision:ident $($list:tt)*) => {
        mod $name {
            mod lines { $crate::tests_in! { $revision Lines $($list)* } }
            mod process { $crate::tests_in! { $revision Process $($list)* } }
            mod http { $crate::tests_in! { $revision Http $($list)* } }
            mod memory { $crate::tests_in! { $revision Memory $($list)* } }
        }
    };
}

/// The tests of one cell.
#[macro_export]
macro_rules! tests_in {
    ($revision:ident $transport:ident $($group:ident { $($behaviour:ident,)* })*) => {
        $(mod $group { $(
            #[test]
            fn $behaviour() {
                let harness = $crate::harness::Harness {
                    revision: mcp_server::protocol::Revision::$revision,
                    transport: $crate::harness::Transport::$transport,
                };
                $crate::report::run(harness, stringify!($behaviour), |harness| {
                    Box::pin($crate::$group::$behaviour(harness))
                });
            }
        )* })*
    };
}

/// The names of all behaviours, by group.
#[macro_export]
macro_rules! names {
    ($($group:ident { $($behaviour:ident,)* })*) => {
        pub(crate) const BEHAVIOURS: &[(&str, &[&str])] = &[$((stringify!($group), &[$(stringify!($behaviour)),*])),*];
    };
}
