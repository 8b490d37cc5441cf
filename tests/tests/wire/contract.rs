//! What the pages of the specification ask in passing and servers forget, with the tests that show it here.
//!
//! A test is a behaviour of the list (`group::behaviour`), or a function of a file (`path/from/the/root.rs::function`).

use std::path::Path;

use crate::BEHAVIOURS;

/// One thing not to be forgotten, by page.
struct Line {
    says: &'static str,
    shown_by: &'static [&'static str],
}

const fn line(says: &'static str, shown_by: &'static [&'static str]) -> Line {
    Line { says, shown_by }
}

/// 2026-07-28, basic: what a request is served by.
const BASE: [Line; 8] = [
    line(
        "a server tells what it is and can",
        &["eras::discover_tells_versions_capabilities_and_who_answers"],
    ),
    line(
        "a request is served by what it says itself, never by one before it",
        &["eras::a_request_says_all_that_it_is_served_by"],
    ),
    line(
        "the client's name changes nothing and may be absent",
        &["eras::a_request_says_all_that_it_is_served_by"],
    ),
    line(
        "headers of sessions and of resumption mean nothing, and no session is minted",
        &["sessions::no_session_is_minted_or_looked_at_on_2026_07_28"],
    ),
    line(
        "responses of clients are refused",
        &["decoding::an_answer_to_nothing_is_taken_in_a_session_and_refused_without"],
    ),
    line(
        "GET and DELETE are not allowed",
        &[
            "told::on_2026_07_28_there_is_no_stream_to_get",
            "sessions::on_2026_07_28_there_is_no_session_to_end",
        ],
    ),
    line(
        "who knows an id, a state or a ticket is not let in by it",
        &[
            "sessions::another_principals_an_unknown_and_an_ended_session_look_the_same",
            "mcp-server/tests/asking.rs::a_state_opens_for_its_caller_request_and_server_alone",
            "asking::a_page_is_opened_once_by_who_was_sent_there",
        ],
    ),
    line(
        "a list differs by rights alone",
        &[
            "eras::a_list_is_the_same_on_every_connection",
            "forms::what_a_caller_may_not_use_is_neither_listed_nor_served",
        ],
    ),
];

/// 2026-07-28, basic/transports/streamable-http: headers that repeat what the body says.
const HEADERS: [Line; 9] = [
    line(
        "base64 between sentinels is decoded strictly, and white space around a value does not count",
        &[
            "headers::a_declared_header_says_what_its_argument_says",
            "mcp-server/src/protocol/param_headers/tests.rs::a_malformed_header_is_told_as_such",
            "eras::headers_must_say_what_the_body_says",
        ],
    ),
    line(
        "integers are compared as numbers",
        &["mcp-server/src/protocol/param_headers/tests.rs::numbers_are_compared_by_value_and_exactly"],
    ),
    line(
        "a value without its header is refused",
        &["headers::a_declared_header_is_there_exactly_where_its_argument_has_a_value"],
    ),
    line(
        "null has no header",
        &[
            "headers::a_declared_header_is_there_exactly_where_its_argument_has_a_value",
            "mcp-server/src/protocol/param_headers/tests.rs::a_value_has_its_header_and_a_header_its_value",
        ],
    ),
    line(
        "requests over HTTP alone have them",
        &[
            "headers::a_notification_is_asked_for_no_such_header",
            "headers::elsewhere_declared_headers_are_neither_asked_for_nor_compared",
        ],
    ),
    line(
        "an argument declares its header",
        &[
            "headers::a_declared_header_stands_in_the_schema_of_its_argument",
            "mcp-server/tests/macros/headers.rs::the_header_stands_in_the_schema_of_its_argument",
        ],
    ),
    line(
        "a header that clients refuse is refused when the server is built: no token, twice",
        &["mcp-server/src/registry/checks/headers.rs::a_header_has_a_name_that_is_a_token_and_its_own"],
    ),
    line(
        "the same for what is no string, integer or boolean",
        &["mcp-server/src/registry/checks/headers.rs::a_header_repeats_a_string_an_integer_or_a_boolean"],
    ),
    line(
        "the same for what only properties do not lead to",
        &["mcp-server/src/registry/checks/headers.rs::a_header_is_declared_where_only_properties_lead"],
    ),
];

/// basic/transports: streams of answers.
const STREAMS: [Line; 5] = [
    line(
        "proxies are told not to buffer, and silence is broken by comments",
        &[
            "streams::a_handler_that_speaks_first_opens_a_stream_that_its_answer_ends",
            "streams::silence_of_5_s_opens_a_stream_that_is_kept_alive",
        ],
    ),
    line(
        "a stream carries what belongs to its request",
        &[
            "streams::streams_at_once_carry_each_their_own_request",
            "notices::what_a_request_says_goes_to_nobody_else",
        ],
    ),
    line(
        "the answer ends the stream",
        &["streams::a_handler_that_speaks_first_opens_a_stream_that_its_answer_ends"],
    ),
    line(
        "in a session a message stands on one stream",
        &[
            "told::the_newest_stream_of_a_session_wins",
            "asking::questions_stand_on_the_stream_of_their_own_request",
        ],
    ),
    line(
        "the open stream of a session carries no answer",
        &["told::what_is_told_stands_on_no_stream_of_a_request"],
    ),
];

/// 2026-07-28, basic/patterns/subscriptions.
const LISTEN: [Line; 5] = [
    line(
        "what of it is honoured is acknowledged first",
        &["listening::a_subscription_is_acknowledged_first_with_what_of_it_is_honoured"],
    ),
    line(
        "each message carries the id of its subscription",
        &[
            "mcp-server/src/dispatch/listen/message.rs::every_message_of_a_subscription_carries_its_id_as_it_came",
        ],
    ),
    line("only what was asked for is told", &["listening::what_was_asked_for_is_told_and_nothing_else"]),
    line("there may be several at once", &["listening::two_subscriptions_at_once_each_hear_their_own"]),
    line(
        "what the caller may not read is left out",
        &["listening::what_a_caller_may_not_read_is_not_told_and_asked_for_each_time"],
    ),
];

/// server/utilities/logging, basic/patterns/progress.
const NOTICES: [Line; 8] = [
    line(
        "no log messages without a level in the request",
        &["notices::a_request_gets_the_log_messages_that_it_asks_for"],
    ),
    line("none on a subscription", &["listening::what_is_logged_is_told_on_no_subscription"]),
    line(
        "an unknown level is an invalid param",
        &["notices::a_level_that_nobody_knows_is_refused_and_changes_nothing"],
    ),
    line(
        "progress goes to who gave a token",
        &["notices::progress_goes_to_who_gave_a_token_and_only_upwards"],
    ),
    line("it only grows", &["notices::progress_goes_to_who_gave_a_token_and_only_upwards"]),
    line("none after the answer", &["notices::nothing_is_said_after_the_answer"]),
    line(
        "it comes no faster than it is read",
        &[
            "mcp-server/src/exchange.rs::progress_overwrites_the_unsent_one_of_its_token_only",
            "limits::who_says_too_much_loses_words_and_never_the_answer",
        ],
    ),
    line(
        "its rate is limited",
        &["notices::progress_comes_a_hundred_at_once_and_then_fifty_a_second_and_the_last_in_any_case"],
    ),
];

/// server/tools.
const TOOLS: [Line; 7] = [
    line(
        "arguments are validated",
        &[
            "errors::arguments_that_do_not_fit_are_told_to_the_model",
            "mcp-server/tests/validate.rs::a_schema_by_hand_is_enforced_and_values_are_not_repeated",
        ],
    ),
    line(
        "results are what the output schema says",
        &[
            "forms::an_output_schema_describes_what_is_sent",
            "mcp-server/tests/validate.rs::a_result_that_breaks_an_output_schema_by_hand_never_reaches_the_client",
        ],
    ),
    line(
        "structured content has a copy in text",
        &[
            "forms::structured_content_is_what_its_revision_can_carry",
            "mcp-server/tests/macros/returns.rs::a_number_is_sent_as_text_and_structured",
        ],
    ),
    line(
        "names are those that clients take",
        &["mcp-server/src/registry/tests.rs::what_clients_would_refuse_is_refused_by_name_with_a_remedy"],
    ),
    line(
        "schemas are checked when they are registered, to a bounded depth",
        &[
            "mcp-server/src/registry/checks/schema.rs::schemas_that_clients_refuse_are_refused_with_the_remedy",
        ],
    ),
    line(
        "no reference in a schema is fetched",
        &[
            "mcp-server/src/registry/checks/schema.rs::schemas_that_clients_refuse_are_refused_with_the_remedy",
        ],
    ),
    line(
        "calls are limited",
        &[
            "limits::handlers_at_once_are_limited_and_what_is_beyond_is_told_so",
            "limits::a_run_without_its_connection_counts_among_those_in_flight",
        ],
    ),
];

/// server/resources, server/prompts, server/utilities/completion.
const COMPONENTS: [Line; 8] = [
    line(
        "what is not there is an error, never empty contents",
        &[
            "errors::an_unknown_resource_has_the_code_of_its_revision",
            "mcp-server/tests/macros/resources.rs::what_is_not_there_is_not_found_in_the_words_of_the_revision",
        ],
    ),
    line(
        "URIs are validated",
        &["mcp-server/src/registry/uri.rs::uris_need_a_scheme_and_encoded_characters"],
    ),
    line(
        "a missing argument of a prompt is an invalid param",
        &["errors::a_missing_argument_of_a_prompt_is_an_invalid_param"],
    ),
    line(
        "at most 100 completions are sent, and more are counted",
        &["completions::at_most_100_completions_are_sent_and_more_are_counted"],
    ),
    line(
        "completions know what was chosen",
        &["completions::completions_know_what_was_chosen_since_2025_06_18"],
    ),
    line(
        "an unknown reference is an invalid param",
        &["completions::what_cannot_be_completed_is_an_invalid_param"],
    ),
    line("nothing is told of what is hidden", &["completions::completions_tell_nothing_of_what_is_hidden"]),
    line(
        "completions are limited by rate",
        &["completions::who_asks_for_completions_too_fast_is_told_to_wait"],
    ),
];

/// client/elicitation, client/sampling.
const ASKING: [Line; 8] = [
    line(
        "a form asks for no secret",
        &[
            "mcp-macros/src/form/secret.rs::secrets_are_known_by_whole_words_in_any_notation",
            "mcp-server/tests/macros_ui.rs::every_mistake_has_an_error_that_says_what_to_write",
        ],
    ),
    line(
        "a form is flat",
        &["mcp-server/tests/macros_ui.rs::every_mistake_has_an_error_that_says_what_to_write"],
    ),
    line(
        "a person accepts, declines or cancels",
        &[
            "mcp-server/src/asking/elicited.rs::each_action_is_read",
            "asking::where_the_person_declines_nothing_runs_unless_it_looks",
        ],
    ),
    line(
        "answers are validated",
        &[
            "mcp-server/tests/form_derive.rs::every_rule_is_enforced_and_told_without_the_value",
            "mcp-server/tests/asking.rs::missing_and_misfit_answers_are_asked_again_and_a_refusal_is_an_answer",
        ],
    ),
    line(
        "the URL of a page tells nothing about the person",
        &[
            "mcp-server/src/asking/url.rs::everything_else_is_refused_by_what_is_wrong",
            "mcp-server/src/asking/page.rs::the_ticket_stands_in_the_query_of_any_url",
        ],
    ),
    line(
        "whoever opens it is the person who was asked",
        &[
            "asking::a_page_is_opened_once_by_who_was_sent_there",
            "asking::an_anonymous_caller_is_sent_to_no_page",
            "mcp-server/src/asking/pages.rs::a_ticket_opens_once_and_for_whom_it_was_made_alone",
        ],
    ),
    line(
        "results of tools stand alone in a message and match their uses",
        &[
            "mcp-server/src/asking/sampling/balance.rs::results_stand_alone_in_a_message_of_the_user",
            "mcp-server/src/asking/sampling/balance.rs::each_use_has_its_result_in_any_order",
            "mcp-server/src/asking/sampling/balance.rs::a_use_without_its_result_is_refused",
            "mcp-server/src/asking/sampling/balance.rs::a_result_without_its_use_is_refused",
        ],
    ),
    line("loops that ask end", &["asking::a_loop_that_asks_ends"]),
];

/// Revisions with a handshake: basic/lifecycle.
const LIFECYCLE: [Line; 7] = [
    line(
        "nothing is asked or told before the client is initialized",
        &[
            "asking::nothing_is_asked_before_the_client_is_initialized",
            "told::nothing_is_told_before_the_client_is_initialized",
        ],
    ),
    line("questions time out", &["asking::a_question_has_five_minutes"]),
    line("ping is answered", &["errors::ping_is_answered_by_an_empty_object"]),
    line(
        "ids of sessions are random and visible ASCII",
        &["sessions::a_session_id_is_random_and_visible_ascii"],
    ),
    line("metadata of tasks is passed over", &["errors::metadata_of_tasks_is_passed_over"]),
    line(
        "2025-03-26 takes batches of at most 50",
        &[
            "batches::a_batch_is_answered_by_one_array",
            "batches::a_batch_holds_at_most_50_messages_and_at_least_one",
        ],
    ),
    line("initialize stands in no batch", &["batches::neither_initialize_nor_a_batch_stands_in_a_batch"]),
];

/// basic/transports/stdio.
const STDIO: [Line; 4] = [
    line("discover may come before initialize", &["eras::discover_may_come_before_initialize"]),
    line(
        "both eras share a process",
        &[
            "eras::both_eras_share_a_connection",
            "children::a_process_speaks_every_revision_on_its_standard_streams",
        ],
    ),
    line(
        "a process ends promptly when its input does",
        &["children::a_process_ends_promptly_when_its_input_does"],
    ),
    line("no newline stands inside a message", &["decoding::no_newline_stands_inside_a_message"]),
];

/// Where rmcp 3.9.0 was found to deviate, by the numbers of that list.
const RMCP: [Line; 10] = [
    line("1", &["rmcp::rmcp_1_origins_are_validated_without_any_setting"]),
    line("2", &["rmcp::rmcp_2_who_answers_stands_on_each_result"]),
    line("3", &["rmcp::rmcp_3_what_is_no_json_rpc_is_refused_in_json_rpc"]),
    line("4", &["rmcp::rmcp_4_refusals_of_the_transport_are_json_rpc_errors"]),
    line("5", &["rmcp::rmcp_5_an_unknown_cursor_is_refused"]),
    line("6", &["cancelling::a_cancelled_handler_is_dropped_at_its_await"]),
    line("11", &["rmcp::rmcp_11_answers_to_one_id_used_twice_never_cross"]),
    line("12", &["streams::an_answer_that_comes_first_is_json"]),
    line("13", &["rmcp::rmcp_13_the_end_of_a_session_is_204"]),
    line("14", &["rmcp::rmcp_14_what_is_not_offered_is_refused_in_a_sentence"]),
];

#[test]
fn each_line_has_tests_that_are_there() {
    let pages: [&[Line]; 11] = [
        &BASE,
        &HEADERS,
        &STREAMS,
        &LISTEN,
        &NOTICES,
        &TOOLS,
        &COMPONENTS,
        &ASKING,
        &LIFECYCLE,
        &STDIO,
        &RMCP,
    ];
    for Line { says, shown_by } in pages.into_iter().flatten() {
        assert!(!shown_by.is_empty(), "nothing shows that {says}");
        for test in *shown_by {
            assert!(is_there(test), "{test}, which shows that {says}, is not there");
        }
    }
}

/// A behaviour of the list, a test beside it, or a function that is marked as a test.
fn is_there(test: &str) -> bool {
    let (place, name) = test.rsplit_once("::").unwrap();
    if BEHAVIOURS.iter().any(|(group, names)| *group == place && names.contains(&name)) {
        return true;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let beside = root.join("tests/tests/wire").join(place).with_extension("rs");
    let file = if beside.exists() { beside } else { root.join(place) };
    std::fs::read_to_string(file).is_ok_and(|source| has_test(&source, name))
}

/// Whether a test of this name stands in the source.
fn has_test(source: &str, name: &str) -> bool {
    let mut marked = false;
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            marked = true;
        } else if line.contains("fn ") {
            if marked && line.contains(&format!("fn {name}(")) {
                return true;
            }
            marked = false;
        }
    }
    false
}
