//! What the service and the SDK report, in the words of the contract.
//!
//! The SDK's own errors are never kept as a source: their `Debug` shows items, and with them values.

use std::error::Error as StdError;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ConnectorError, ProvideErrorMetadata, SdkError};
use kv_core::{Error, ErrorKind, Outcome};

/// How much is shown of what the service says.
const SHOWN: usize = 300;

/// The answer to every call after `close`.
pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the store was closed")
}

/// What went wrong between a request and its answer.
pub(crate) fn classify<E>(error: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    match error {
        SdkError::ServiceError(refused) => {
            let status = refused.raw().status().as_u16();
            refusal(refused.err().code(), refused.err().message(), status)
        }
        SdkError::ResponseError(broken) => refusal(None, None, broken.raw().status().as_u16()),
        SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
            Some(connector) => unsent(connector).because(Said::chain(connector)),
            None => Error::new(ErrorKind::Unavailable, "DynamoDB cannot be reached"),
        },
        SdkError::TimeoutError(_) => Error::new(ErrorKind::Timeout, "DynamoDB did not answer in time"),
        SdkError::ConstructionFailure(_) => {
            Error::new(ErrorKind::Unexpected, "the request could not be built").with_outcome(Outcome::NotDone)
        }
        _ => Error::new(ErrorKind::Unexpected, "the AWS SDK failed"),
    }
}

/// A request that got no answer, and perhaps never left.
fn unsent(connector: &ConnectorError) -> Error {
    if let Some(credentials) = found::<CredentialsError>(connector) {
        return without_credentials(credentials);
    }
    if found::<hyper_util::client::legacy::Error>(connector)
        .is_some_and(hyper_util::client::legacy::Error::is_connect)
    {
        let error = Error::new(
            ErrorKind::Unavailable,
            "DynamoDB cannot be reached: check region, endpoint and network",
        );
        return error.with_outcome(Outcome::NotDone);
    }
    if connector.is_timeout() {
        return Error::new(ErrorKind::Timeout, "DynamoDB did not answer in time");
    }
    if connector.is_user() {
        return Error::new(ErrorKind::Unexpected, "the request could not be sent")
            .with_outcome(Outcome::NotDone);
    }
    Error::new(ErrorKind::Unavailable, "the connection to DynamoDB broke before the answer")
}

fn without_credentials(error: &CredentialsError) -> Error {
    let error = match error {
        CredentialsError::ProviderTimedOut(_) => Error::new(
            ErrorKind::Timeout,
            "the AWS credentials of this machine did not come in time: set AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY, or a profile",
        ),
        _ => Error::new(
            ErrorKind::Denied,
            "no AWS credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile, or run \
             where a role is attached",
        ),
    };
    error.with_outcome(Outcome::NotDone)
}

/// The first of `error` and its causes that is an `E`.
fn found<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// `error`, its cause, the cause of that, and so on.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| (*error).source())
}

/// What the service refused, by its code (developer guide, "Error handling with DynamoDB") and the HTTP status.
pub(crate) fn refusal(code: Option<&str>, message: Option<&str>, status: u16) -> Error {
    let (code, message) = (code.unwrap_or_default(), message.unwrap_or_default());
    let (kind, text) = by_code(code, message).unwrap_or_else(|| by_status(status));
    let error = Error::new(kind, text).with_outcome(outcome(code, status));
    error.because(Said::refusal(code, message, status))
}

/// A refusal was not executed; what failed inside the service may have been.
fn outcome(code: &str, status: u16) -> Outcome {
    let inside = matches!(code, "InternalServerError" | "InternalServerErrorException" | "InternalFailure");
    let slow_down = by_code(code, "").is_some_and(|(kind, _)| kind == ErrorKind::Throttled);
    if (inside || !(400..500).contains(&status)) && !slow_down { Outcome::Unknown } else { Outcome::NotDone }
}

fn by_code(code: &str, message: &str) -> Option<(ErrorKind, &'static str)> {
    Some(match code {
        "ConditionalCheckFailedException" => (ErrorKind::Conflict, "the condition of the write did not hold"),
        "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "Throttling"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        | "TooManyRequestsException" => (
            ErrorKind::Throttled,
            "DynamoDB asks to slow down: the table, or this collection's partition, is at its limit",
        ),
        "AccessDeniedException" | "AccessDenied" | "NotAuthorized" => {
            (ErrorKind::Denied, "the AWS credentials lack a right on the table")
        }
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "OptInRequired" => (ErrorKind::Denied, "AWS does not know these credentials"),
        "ExpiredTokenException" | "ExpiredToken" => {
            (ErrorKind::Denied, "the AWS credentials have expired: fetch new ones")
        }
        "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "RequestExpired"
        | "RequestTimeTooSkewed" => (
            ErrorKind::Denied,
            "the signature was refused: the secret access key is wrong, or this machine's clock is minutes off",
        ),
        "KMSAccessDeniedException"
        | "KMSDisabledException"
        | "KMSInvalidStateException"
        | "KMSNotFoundException" => (ErrorKind::Denied, "the key that encrypts the table cannot be used"),
        "ItemCollectionSizeLimitExceededException" => (
            ErrorKind::Full,
            "the collection has reached 10 GB, its limit on a table with local indexes: remove the indexes",
        ),
        "ResourceNotFoundException" => {
            (ErrorKind::Invalid, "there is no such table: make it, or open the store with `create=true`")
        }
        "ResourceInUseException" => (ErrorKind::Unavailable, "the table is being made, changed or removed"),
        "TransactionConflictException" | "ReplicatedWriteConflictException" => {
            (ErrorKind::Unavailable, "another transaction or region is writing the entry: try again")
        }
        "UnknownOperationException" => {
            (ErrorKind::Unsupported, "the server lacks an operation that Larder needs")
        }
        "RequestEntityTooLarge" | "RequestTooLargeException" => {
            (ErrorKind::TooLarge, "the request is too large")
        }
        "ValidationException" | "SerializationException" => invalid(message),
        "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "InternalServerError"
        | "InternalServerErrorException"
        | "InternalFailure" => (ErrorKind::Unavailable, "DynamoDB failed inside: try again"),
        _ => return None,
    })
}

/// A `ValidationException` has one code for everything; its text tells.
fn invalid(message: &str) -> (ErrorKind, &'static str) {
    let says = |part: &str| message.to_ascii_lowercase().contains(part);
    if says("item size") {
        return (ErrorKind::TooLarge, "the entry is larger than the 400 KB that an item may have");
    }
    if says("schema") || says("missing the key") || says("type mismatch for key") {
        return (
            ErrorKind::Invalid,
            "the table has another key: it needs the partition key `pk` and the sort key `sk`, both strings",
        );
    }
    (ErrorKind::Invalid, "DynamoDB refuses the request")
}

fn by_status(status: u16) -> (ErrorKind, &'static str) {
    match status {
        ..=399 => (ErrorKind::Unavailable, "the answer broke off or was none of DynamoDB's"),
        401 | 403 => {
            (ErrorKind::Denied, "the request was refused: check the AWS credentials and their rights")
        }
        413 => (ErrorKind::TooLarge, "the request is too large"),
        429 => (ErrorKind::Throttled, "the server asks to slow down"),
        500.. => (ErrorKind::Unavailable, "DynamoDB, or what stands before it, failed"),
        _ => (ErrorKind::Unexpected, "the server refused the request for a reason that is not known"),
    }
}

/// What was said, as the source of an error: text alone, without items.
#[derive(Debug)]
struct Said(String);

impl Said {
    fn refusal(code: &str, message: &str, status: u16) -> Self {
        // A refused signature is explained by the headers that were signed; a session token is among them.
        let quotes = code.contains("Signature") || code.is_empty();
        let message = if quotes { "" } else { message };
        Self(format!("status {status} {} {}", shown(code, 80), shown(message, SHOWN)).trim_end().to_owned())
    }

    fn chain(error: &(dyn StdError + 'static)) -> Self {
        let texts: Vec<_> = causes(error).map(ToString::to_string).collect();
        Self(shown(&texts.join(": "), SHOWN))
    }
}

fn shown(text: &str, most: usize) -> String {
    text.chars().flat_map(char::escape_debug).take(most).collect()
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Said {}

#[cfg(test)]
mod tests;
