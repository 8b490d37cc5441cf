//! Where rmcp 3.9.0 was found to deviate (by the numbers of that list), and what is served here instead.

use serde_json::json;

use crate::harness::{Harness, Shown};
use crate::{decoding, doors, errors, forms, limits, pages, sessions};

/// 1: `Origin` was not validated unless configured.
pub(crate) async fn rmcp_1_origins_are_validated_without_any_setting(h: Harness) -> Shown {
    h.only_http()?;
    let (site, _) = h.fixture().await;
    let client = site.client().await;
    let body = client.message(7, "tools/list", json!({})).to_string();
    let evil = client.fetch(client.post(body.as_bytes()).header("origin", "http://evil.example")).await;
    assert_eq!(evil.status, Some(403), "{evil:?}");
    doors::a_foreign_origin_is_refused_and_the_call_that_allows_it_named(h).await
}

/// 2: `serverInfo` stood on results of discover and listen only.
pub(crate) async fn rmcp_2_who_answers_stands_on_each_result(h: Harness) -> Shown {
    h.only_stateless()?;
    forms::every_result_says_that_it_is_complete_and_who_answers(h).await
}

/// 3: what is no JSON-RPC was a 415 with untyped text, without -32700.
pub(crate) async fn rmcp_3_what_is_no_json_rpc_is_refused_in_json_rpc(h: Harness) -> Shown {
    decoding::what_is_not_json_is_a_parse_error_without_an_id(h).await?;
    decoding::json_that_is_no_message_is_an_invalid_request(h).await?;
    decoding::an_id_is_a_string_or_an_integer_of_at_most_256_bytes(h).await
}

/// 4: the bodies of 403, 404, 400, 406, 413 and 415 were plain text.
pub(crate) async fn rmcp_4_refusals_of_the_transport_are_json_rpc_errors(h: Harness) -> Shown {
    h.only_http()?;
    doors::a_post_is_json(h).await?;
    doors::a_client_accepts_both_kinds_of_answers(h).await?;
    doors::a_foreign_host_is_refused_and_the_call_that_allows_it_named(h).await?;
    decoding::a_message_over_4_mib_is_refused_and_the_next_is_served(h).await?;
    if h.is_stateless() {
        return Ok(());
    }
    sessions::a_request_without_a_session_is_400_and_one_with_an_unknown_is_404(h).await
}

/// 5: an unknown cursor was ignored, and nothing helped with pages.
pub(crate) async fn rmcp_5_an_unknown_cursor_is_refused(h: Harness) -> Shown {
    pages::a_cursor_that_no_page_ended_with_is_refused(h).await
}

/// 11: of requests with one id at once, answers were lost, and some crossed.
pub(crate) async fn rmcp_11_answers_to_one_id_used_twice_never_cross(h: Harness) -> Shown {
    if h.is_http() {
        limits::an_id_used_twice_at_once_over_http_never_crosses_answers(h).await
    } else {
        limits::an_id_in_flight_is_not_taken_twice_on_one_connection(h).await
    }
}

/// 13: the end of a session was a 202, which clients log as a failure.
pub(crate) async fn rmcp_13_the_end_of_a_session_is_204(h: Harness) -> Shown {
    sessions::delete_ends_a_session_with_204(h).await
}

/// 14: undeclared completion was an empty 200, extra arguments were accepted, an unknown method was told by its name
/// alone.
pub(crate) async fn rmcp_14_what_is_not_offered_is_refused_in_a_sentence(h: Harness) -> Shown {
    errors::a_method_of_a_capability_that_is_not_declared_is_unknown(h).await?;
    errors::arguments_that_do_not_fit_are_told_to_the_model(h).await?;
    errors::an_unknown_method_is_named_in_a_sentence(h).await
}
