use std::error::Error as _;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ConnectorError, ErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_smithy_types::body::SdkBody;
use kv_core::{Error, ErrorKind, Outcome};

use super::{classify, refusal};

fn answer(status: u16) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from("{\"Item\":\"s3cret\"}"))
}

/// What the store says when the service refuses a put so.
fn refused(code: &str, message: &str, status: u16) -> Error {
    let metadata = ErrorMetadata::builder().code(code).message(message).build();
    classify(&SdkError::service_error(PutItemError::generic(metadata), answer(status)))
}

fn dispatch(connector: ConnectorError) -> Error {
    classify::<PutItemError>(&SdkError::dispatch_failure(connector))
}

#[test]
fn each_refusal_has_its_kind_and_was_not_executed() {
    for (code, kind) in [
        ("ConditionalCheckFailedException", ErrorKind::Conflict),
        ("ProvisionedThroughputExceededException", ErrorKind::Throttled),
        ("ThrottlingException", ErrorKind::Throttled),
        ("RequestLimitExceeded", ErrorKind::Throttled),
        ("AccessDeniedException", ErrorKind::Denied),
        ("UnrecognizedClientException", ErrorKind::Denied),
        ("ExpiredTokenException", ErrorKind::Denied),
        ("InvalidSignatureException", ErrorKind::Denied),
        ("MissingAuthenticationToken", ErrorKind::Denied),
        ("KMSDisabledException", ErrorKind::Denied),
        ("ItemCollectionSizeLimitExceededException", ErrorKind::Full),
        ("ResourceNotFoundException", ErrorKind::Invalid),
        ("ResourceInUseException", ErrorKind::Unavailable),
        ("TransactionConflictException", ErrorKind::Unavailable),
        ("ReplicatedWriteConflictException", ErrorKind::Unavailable),
        ("UnknownOperationException", ErrorKind::Unsupported),
        ("ValidationException", ErrorKind::Invalid),
    ] {
        let error = refused(code, "why", 400);
        assert_eq!((error.kind(), error.outcome()), (kind, Outcome::NotDone), "{code}");
        assert!(error.source().unwrap().to_string().contains(code), "{code}");
    }
}

#[test]
fn what_failed_inside_the_service_may_have_been_executed() {
    for (code, status) in
        [("InternalServerError", 500), ("InternalServerError", 400), ("ServiceUnavailable", 503)]
    {
        let error = refused(code, "why", status);
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::Unavailable, Outcome::Unknown),
            "{code} {status}"
        );
    }
    let slow_down = refused("ThrottlingException", "why", 503);
    assert_eq!((slow_down.kind(), slow_down.outcome()), (ErrorKind::Throttled, Outcome::NotDone));
}

#[test]
fn an_unknown_refusal_is_judged_by_its_status() {
    for (status, kind, outcome) in [
        (400, ErrorKind::Unexpected, Outcome::NotDone),
        (403, ErrorKind::Denied, Outcome::NotDone),
        (413, ErrorKind::TooLarge, Outcome::NotDone),
        (429, ErrorKind::Throttled, Outcome::NotDone),
        (502, ErrorKind::Unavailable, Outcome::Unknown),
    ] {
        for error in [refused("Strange", "", status), refusal(None, None, status)] {
            assert_eq!((error.kind(), error.outcome()), (kind, outcome), "{status}");
        }
    }
}

#[test]
fn a_validation_says_by_its_text_what_is_wrong() {
    for text in [
        "Item size has exceeded the maximum allowed size",
        "Item size to update has exceeded the maximum allowed size",
    ] {
        assert_eq!(refused("ValidationException", text, 400).kind(), ErrorKind::TooLarge, "{text}");
    }
    for text in [
        "The provided key element does not match the schema",
        "One or more parameter values were invalid: Missing the key id in the item",
        "One or more parameter values were invalid: Type mismatch for key pk expected: B actual: S",
    ] {
        let error = refused("ValidationException", text, 400);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
        assert!(error.message().contains("`pk`") && error.message().contains("`sk`"), "{error}");
    }
}

#[test]
fn a_refused_signature_shows_nothing_of_what_was_signed() {
    let message = "The Canonical String should have been 'x-amz-security-token:s3cret'";
    for code in ["InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature"] {
        let error = refused(code, message, 403);
        assert!(!format!("{error} {error:?} {}", error.source().unwrap()).contains("s3cret"), "{code}");
        assert!(error.message().contains("clock"), "{error}");
    }
}

#[test]
fn no_error_shows_the_answer_that_it_was_read_from() {
    let broken = classify::<PutItemError>(&SdkError::response_error("cut off", answer(200)));
    assert_eq!((broken.kind(), broken.outcome()), (ErrorKind::Unavailable, Outcome::Unknown));
    for error in [broken, refused("Strange", "why", 400), refused("ValidationException", "why", 400)] {
        assert!(!format!("{error:?} {error:#?}").contains("s3cret"), "{error:?}");
    }
}

#[test]
fn an_answer_of_a_proxy_counts_by_its_status() {
    let bad_gateway = classify::<PutItemError>(&SdkError::response_error("no JSON", answer(502)));
    assert_eq!((bad_gateway.kind(), bad_gateway.outcome()), (ErrorKind::Unavailable, Outcome::Unknown));
}

#[test]
fn without_an_answer_in_time_the_outcome_is_open() {
    let whole = classify::<PutItemError>(&SdkError::timeout_error("too long"));
    let reading = dispatch(ConnectorError::timeout("too long".into()));
    for error in [whole, reading] {
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::Unknown));
    }
    let cut = dispatch(ConnectorError::io("connection reset".into()));
    assert_eq!((cut.kind(), cut.outcome()), (ErrorKind::Unavailable, Outcome::Unknown));
    assert!(cut.source().unwrap().to_string().contains("connection reset"));
}

#[test]
fn missing_credentials_are_denied_before_anything_is_sent() {
    let missing = CredentialsError::not_loaded("none");
    let error = dispatch(ConnectorError::other(missing.into(), None));
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Denied, Outcome::NotDone));
    assert!(error.message().contains("AWS_ACCESS_KEY_ID"), "{error}");
    let late = CredentialsError::provider_timed_out(std::time::Duration::from_secs(1));
    let error = dispatch(ConnectorError::other(late.into(), None));
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::NotDone));
}

#[test]
fn a_request_that_could_not_be_built_was_not_executed() {
    let error = classify::<PutItemError>(&SdkError::construction_failure("no region"));
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unexpected, Outcome::NotDone));
}
